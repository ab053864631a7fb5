"""Credentials of the machine: the metadata services of containers and of EC2 instances.

Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from string import ascii_letters, digits
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from attrs import frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.refresh import told
from lambdacore_async.engine.profiles import Profile
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import ConfigurationError, CredentialsError, LambdaCoreError
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol import reading
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.sigv4 import Credentials

_CONTAINER: Final = "http://169.254.170.2"
_FULL: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_RELATIVE: Final = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_TOKEN: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN"  # noqa: S105 - a variable's name
_TOKEN_FILE: Final = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the same
#: Besides loopback addresses, where a container's token may be sent over plain http.
_CONTAINER_HOSTS: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost")
_CONTAINER_ATTEMPTS: Final = 3
_CONTAINER_TIMEOUT: Final = 2.0

_DISABLED: Final = "AWS_EC2_METADATA_DISABLED"
_INSTANCES: Final = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_LIFE: Final = "21600"  # in seconds
_SESSION: Final = "x-aws-ec2-metadata-token"

#: Bytes that the answer of a metadata service may have.
_LARGEST: Final = 64 * 1024
#: The characters of a URL (RFC 3986). `urlsplit` takes others, and drops some of them in silence.
_URL: Final = frozenset(f"{ascii_letters}{digits}-._~:/?#[]@!$&'()*+,;=%")


async def _nothing() -> None:
    """Do nothing: the system's certificates are trusted."""


@frozen(eq=False, repr=False)
class Metadata:
    """Asks the metadata services, over connections of its own, which no proxy sees.

    Attributes:
        environ: the environment's variables.
        connect: opens a transport; it is closed after each refresh.
        clock: waits between attempts.
        trust: reads the certificates to trust; awaited before a connection over https.
    """

    environ: Mapping[str, str]
    connect: Callable[[], Transport]
    clock: Clock
    trust: Callable[[], Awaitable[object]] = _nothing

    async def container(self) -> Credentials | None:
        """Credentials of the container, in ECS and EKS; `None` if this is none.

        Raises:
            CredentialsError: the variables cannot be used, or the service gave no credentials.
            ConfigurationError: the certificates to trust cannot be used.
        """
        variable, start = (_RELATIVE, _CONTAINER) if self.environ.get(_RELATIVE) else (_FULL, "")
        if not self.environ.get(variable):
            return None
        if start and not self.environ[variable].startswith("/"):
            raise CredentialsError(f"{variable}: must start with a slash")
        url = _container_url(start + self.environ[variable])
        if url is None:
            raise CredentialsError(
                f"{variable}: must be the https URL of a credentials service, or an http URL with "
                f"a loopback address or one of {', '.join(_CONTAINER_HOSTS)}; without a user, and "
                "percent-encoded"
            )
        service = "the container's credentials service"
        async with self._open(service, url, _CONTAINER_TIMEOUT, _CONTAINER_ATTEMPTS) as opened:
            opened.headers["accept"] = "application/json"
            await self._authorize(opened)
            path = url.path or "/"
            return await opened.credentials(f"{path}?{url.query}" if url.query else path)

    async def instance(self, profile: Profile) -> Credentials:
        """Credentials of the EC2 instance's role.

        Args:
            profile: its settings count after those of the environment.

        Raises:
            CredentialsError: this is no instance, or has no role, or the service fails.
            ConfigurationError: a setting cannot be used.
        """
        disabled = self.environ.get(_DISABLED, "")
        if disabled.lower() == "true":
            raise CredentialsError(f"{_DISABLED} is set")
        if disabled.lower() not in ("", "false"):
            raise ConfigurationError(f"{_DISABLED}: must be true or false, is {disabled[:20]!r}")
        mode = self._setting(profile, "ec2_metadata_service_endpoint_mode") or "ipv4"
        if mode.lower() not in _INSTANCES:
            raise ConfigurationError(
                "ec2_metadata_service_endpoint_mode (AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE): "
                f"must be IPv4 or IPv6, is {mode[:20]!r}"
            )
        url = _split(
            self._setting(profile, "ec2_metadata_service_endpoint") or _INSTANCES[mode.lower()]
        )
        if url is None or url.query or url.fragment:
            raise ConfigurationError(
                "ec2_metadata_service_endpoint (AWS_EC2_METADATA_SERVICE_ENDPOINT): must be an "
                "http or https URL without a user, percent-encoded"
            )
        timeout = self._number(profile, "metadata_service_timeout")
        attempts = self._number(profile, "metadata_service_num_attempts")
        path = url.path.rstrip("/")
        name = f"the EC2 metadata service at {url.scheme}://{url.netloc}{path}"
        async with self._open(name, url, timeout, attempts) as service:
            service.headers[f"{_SESSION}-ttl-seconds"] = _LIFE
            token = await service.line("PUT", f"{path}/latest/api/token")
            del service.headers[f"{_SESSION}-ttl-seconds"]
            service.headers[_SESSION] = token
            del token  # a traceback may show local variables
            role = await service.line("GET", path + _ROLES)
            return await service.credentials(path + _ROLES + quote(role))

    @asynccontextmanager
    async def _open(
        self, name: str, url: SplitResult, timeout: float, attempts: int
    ) -> AsyncGenerator[_Service]:
        if url.scheme == "https":
            await self.trust()
        transport = self.connect()
        try:
            yield _Service(name, transport, url, timeout, attempts, self.clock)
        finally:
            await transport.close()

    async def _authorize(self, service: _Service) -> None:
        """Send the container's token; a file with it is read at each refresh, as EKS asks for."""
        path, token = self.environ.get(_TOKEN_FILE), self.environ.get(_TOKEN)
        source, problem = _TOKEN, ""
        if path:
            source = f"{_TOKEN_FILE}: {escaped(path)}"
            try:
                token = await run_in_thread(partial(Path(path).read_text, "utf-8"))
            except OSError as error:
                problem = error.strerror or type(error).__name__
            except ValueError:
                problem = "it is not text"
        token = (token or "").strip()
        if not (token.isascii() and token.isprintable()):
            problem = problem or "the token cannot be sent in a header"
        if token and not problem:
            service.headers["authorization"] = token
        del token  # a traceback may show local variables
        if problem:
            raise CredentialsError(f"{source}: {problem}")

    def _setting(self, profile: Profile, name: str) -> str | None:
        return self.environ.get(f"AWS_{name.upper()}") or profile.get(name)

    def _number(self, profile: Profile, name: str) -> int:
        text = self._setting(profile, name) or "1"
        if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text)):
            raise ConfigurationError(
                f"{name} (AWS_{name.upper()}): must be a whole number from 1 to 999, "
                f"is {text[:20]!r}"
            )
        return int(text)


class _Service:
    """A metadata service, over one transport.

    No credentials are in a local variable where an error is raised: a traceback may show them.

    Args:
        name: what errors call it.
        transport: sends the requests.
        url: where it is.
        timeout: seconds for a request.
        attempts: how often a request is sent.
        clock: waits between attempts.

    Attributes:
        headers: those of the next request.
    """

    def __init__(
        self,
        name: str,
        transport: Transport,
        url: SplitResult,
        timeout: float,
        attempts: int,
        clock: Clock,
    ) -> None:
        self.headers = {"host": url.netloc}
        self._name = name
        self._transport = transport
        self._endpoint = Endpoint(f"{url.scheme}://{url.netloc}", url.netloc)
        self._timeout = Timeout(timeout, timeout, timeout)
        self._attempts = attempts
        self._clock = clock

    async def ask(self, method: str, target: str) -> bytes:
        """Send a request, again if it fails, and return the body of the answer.

        Raises:
            CredentialsError: the last attempt failed.
        """
        problem = ""
        for attempt in range(self._attempts):
            if attempt:
                await self._clock.sleep(1.0)
            answer = await self._try(Request(method, target, dict(self.headers), None, _LARGEST))
            if isinstance(answer, bytes):
                return answer
            problem = answer
        raise CredentialsError(f"{self._name}: {problem}")

    async def line(self, method: str, target: str) -> str:
        """Send a request, and return the one line of the answer.

        Raises:
            CredentialsError: the request failed, or the answer is not a line without spaces.
        """
        text = _line(await self.ask(method, target))
        if text is None:
            raise CredentialsError(f"{self._name}: it sent an unexpected response")
        return text

    async def credentials(self, target: str) -> Credentials:
        """Get credentials.

        Raises:
            CredentialsError: the request failed, or there are none in the answer.
        """
        found = _credentials(await self.ask("GET", target))
        if isinstance(found, str):
            raise CredentialsError(f"{self._name}: {found}")
        return found

    async def _try(self, request: Request) -> bytes | str:
        """Send a request; return the body of the answer, or what went wrong."""
        try:
            response = await self._transport.send(self._endpoint, request, self._timeout)
        except LambdaCoreError as error:
            return told(str(error.args[0]))  # without the details, which quote the body
        if response.status == 200 and response.body:
            return response.body
        sent = (self.headers.get("authorization"), self.headers.get(_SESSION))
        return f"it answered {response.status} {_refusal(response.body, *sent)}".rstrip()


def _container_url(text: str) -> SplitResult | None:
    """Where a container's credentials are; `None` where others may listen to the token."""
    url = _split(text)
    if url is None:
        return None
    host = url.hostname or ""
    private = url.scheme == "https" or host in _CONTAINER_HOSTS or _is_loopback(host)
    return url if private else None


def _split(text: str) -> SplitResult | None:
    """The parts of an http or https URL; `None` if it is none, or has a user.

    Neither the text nor the words of `urlsplit`, which quote it, are shown: there may be a password
    in it.
    """
    if not _URL.issuperset(text):
        return None
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        return None
    return url if url.scheme in ("http", "https") and host and "@" not in url.netloc else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(body: bytes, *secrets: str | None) -> str:
    """What an answer says instead of what was asked for."""
    try:
        content = _object(body)
    except ValueError:
        return "" if body else "with an empty body"
    said = (content.get(name) for name in ("code", "Code", "message", "Message"))
    return told(" ".join(str(part) for part in said if part), *_keys_in(content), *secrets)


def _object(body: bytes) -> Mapping[str, Any]:
    """A JSON object.

    Raises:
        ValueError: it is none.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        content = None
    if not reading.is_object(content):
        raise ValueError("no JSON object")
    return content


def _keys_in(content: Mapping[str, Any]) -> list[str]:
    names = ("AccessKeyId", "SecretAccessKey", "Token")
    return [content[name] for name in names if isinstance(content.get(name), str)]


def _line(body: bytes) -> str | None:
    """The one line of an answer; `None` if it is more than that, or no text."""
    text = body.decode("ascii", "replace").strip()
    return text if text and text.isascii() and text.isprintable() and " " not in text else None


def _credentials(body: bytes) -> Credentials | str:
    """The credentials in an answer, or what the service says instead of them."""
    try:
        content = _object(body)
    except ValueError:
        return "the answer is not a JSON object"
    code = content.get("Code", "Success")
    if code != "Success":
        return told(f"{code}: {content.get('Message', '')}", *_keys_in(content))
    try:
        return Credentials(
            content["AccessKeyId"],
            content["SecretAccessKey"],
            content["Token"],
            instant(content["Expiration"]),
        )
    except (KeyError, TypeError, ValueError, CredentialsError):
        return "the answer has no complete credentials"


def instant(text: str) -> datetime:
    """A time in ISO 8601; without a time zone, in UTC.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
