"""Credentials of the machine: the metadata services of containers and of EC2 instances.

Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from attrs import frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.profiles import Profile
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import CredentialsError, LambdaCoreError
from lambdacore_async.protocol import codec
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.sigv4 import Credentials

_CONTAINER: Final = "http://169.254.170.2"
#: Besides loopback addresses, where a container's token may be sent over plain http.
_CONTAINER_HOSTS: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost")
_CONTAINER_ATTEMPTS: Final = 3
_CONTAINER_TIMEOUT: Final = 2.0

_INSTANCE: Final = "http://169.254.169.254"
_INSTANCE_IPV6: Final = "http://[fd00:ec2::254]"
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_LIFE: Final = "21600"  # in seconds

#: What a metadata service says is short; more than this much of it is not shown in an error.
_SHOWN: Final = 100


@frozen(eq=False, repr=False)
class Metadata:
    """Asks the metadata services, over connections of its own, which no proxy sees.

    Attributes:
        environ: the environment's variables.
        connect: opens a transport; it is closed after each refresh.
        clock: waits between attempts.
    """

    environ: Mapping[str, str]
    connect: Callable[[], Transport]
    clock: Clock

    async def container(self) -> Credentials | None:
        """Credentials of the container, in ECS and EKS; `None` if this is none.

        Raises:
            CredentialsError: the variables cannot be used, or the service gave no credentials.
        """
        relative = self.environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        full = self.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if not relative and not full:
            return None
        url = f"{_CONTAINER}{relative}" if relative else full or ""
        service = "the container's credentials service"
        _check_container(url)
        headers = {"accept": "application/json"}
        if token := await self._container_token():
            headers["authorization"] = token
        asking = _Service(
            service, self.connect(), _CONTAINER_TIMEOUT, _CONTAINER_ATTEMPTS, self.clock
        )
        try:
            return _credentials(await asking.ask("GET", url, headers), service)
        finally:
            await asking.transport.close()

    async def instance(self, profile: Profile) -> Credentials:
        """Credentials of the EC2 instance's role.

        Args:
            profile: its settings count after those of the environment.

        Raises:
            CredentialsError: this is no instance, or has no role, or the service fails.
        """
        if self.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise CredentialsError("AWS_EC2_METADATA_DISABLED is set")
        base = self._setting(profile, "ec2_metadata_service_endpoint")
        if base is None:
            mode = self._setting(profile, "ec2_metadata_service_endpoint_mode") or "ipv4"
            base = _INSTANCE_IPV6 if mode.lower() == "ipv6" else _INSTANCE
        base = base.rstrip("/")
        service = f"the EC2 metadata service at {base}"
        timeout = self._number(profile, "metadata_service_timeout")
        attempts = self._number(profile, "metadata_service_num_attempts")
        async with self._open(service, timeout, attempts) as opened:
            headers = {"x-aws-ec2-metadata-token-ttl-seconds": _LIFE}
            token = await opened.ask("PUT", f"{base}/latest/api/token", headers)
            headers = {"x-aws-ec2-metadata-token": _line(token, service)}
            role = await opened.ask("GET", base + _ROLES, headers)
            answer = await opened.ask("GET", base + _ROLES + quote(_line(role, service)), headers)
            return _credentials(answer, service)

    @asynccontextmanager
    async def _open(self, name: str, timeout: float, attempts: int) -> AsyncGenerator[_Service]:
        transport = self.connect()
        try:
            yield _Service(name, transport, timeout, attempts, self.clock)
        finally:
            await transport.close()

    async def _container_token(self) -> str | None:
        """What authorises to ask; a file with it is read anew for each refresh, as EKS asks."""
        path = self.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        token = self.environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if path:
            try:
                token = await asyncio.to_thread(Path(path).read_text, "utf-8")
            except (OSError, ValueError) as error:
                raise CredentialsError(
                    f"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {path}: {type(error).__name__}"
                ) from None
            token = token.strip()
        if token and not (token.isascii() and token.isprintable()):
            raise CredentialsError("the container's authorization token cannot be sent in a header")
        return token

    def _setting(self, profile: Profile, name: str) -> str | None:
        return self.environ.get(f"AWS_{name.upper()}") or profile.get(name)

    def _number(self, profile: Profile, name: str) -> int:
        text = self._setting(profile, name) or "1"
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:4]) < 1000):
            raise CredentialsError(f"{name}: must be a whole number from 1, is {text[:20]!r}")
        return int(text)


@frozen(eq=False, repr=False)
class _Service:
    """A metadata service, and how patient one is with it."""

    name: str
    transport: Transport
    timeout: float
    attempts: int
    clock: Clock

    async def ask(self, method: str, url: str, headers: Mapping[str, str]) -> bytes:
        """Send a request, and again if it fails; give the answer's body.

        Raises:
            CredentialsError: it failed to the end.
        """
        parts = urlsplit(url)
        endpoint = Endpoint(f"{parts.scheme}://{parts.netloc}", parts.netloc)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        request = Request(method, target or "/", {"host": parts.netloc, **headers})
        timeout = Timeout(self.timeout, self.timeout, self.timeout)
        problem = ""
        for attempt in range(self.attempts):
            if attempt:
                await self.clock.sleep(1.0)
            try:
                response = await self.transport.send(endpoint, request, timeout)
            except LambdaCoreError as error:
                problem = str(error)
            else:
                if response.status == 200 and response.body:
                    return response.body
                problem = _refusal(response)
        raise CredentialsError(f"{self.name}: {problem}")


def _check_container(url: str) -> None:
    """Let no token go to where anybody might listen.

    Raises:
        CredentialsError: the URL is neither https nor this machine's.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise CredentialsError(f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {error}") from None
    if parts.scheme == "https" and host:
        return
    if parts.scheme == "http" and (host in _CONTAINER_HOSTS or _is_loopback(host)):
        return
    raise CredentialsError(
        f"AWS_CONTAINER_CREDENTIALS_FULL_URI: {host!r} is neither https nor a loopback address or "
        f"one of {', '.join(_CONTAINER_HOSTS)}"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(response: Response) -> str:
    try:
        return f"it answered {response.status} {_object(response.body).get('message', '')}".rstrip()
    except ValueError:
        return f"it answered {response.status}" + ("" if response.body else " without a word")


def _object(body: bytes) -> Mapping[str, Any]:
    content = json.loads(body)
    if not codec.is_object(content):
        raise ValueError("no JSON object")
    return content


def _line(body: bytes, service: str) -> str:
    """The one line of an answer.

    Raises:
        CredentialsError: it is more than that, or no text.
    """
    text = body.decode("ascii", "replace").strip()
    if not text.isprintable() or not text.isascii() or " " in text:
        raise CredentialsError(f"{service}: it answered something else than was asked for")
    return text


def _credentials(body: bytes, service: str) -> Credentials:
    """Read credentials; what the service says instead of them is shown, but none of their parts.

    Raises:
        CredentialsError: there are none in it.
    """
    try:
        content = _object(body)
    except ValueError:
        raise CredentialsError(f"{service}: the answer is not a JSON object") from None
    code = content.get("Code", "Success")
    if code != "Success":
        said = f"{code}: {content.get('Message', '')}"
        raise CredentialsError(f"{service}: {said[:_SHOWN]}")
    try:
        return Credentials(
            content["AccessKeyId"],
            content["SecretAccessKey"],
            content["Token"],
            instant(content["Expiration"]),
        )
    except (KeyError, TypeError, ValueError, CredentialsError):
        raise CredentialsError(f"{service}: the answer has no complete credentials") from None


def instant(text: str) -> datetime:
    """A time in ISO 8601; without a time zone, in UTC.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
