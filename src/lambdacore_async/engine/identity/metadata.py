"""Credentials from the metadata services of containers and of EC2 instances.

Sources: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html,
https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from string import ascii_letters, digits
from typing import Any, Final
from urllib.parse import SplitResult, quote, urlsplit

from attrs import frozen

from lambdacore_async.engine.clock import Clock, parse_timestamp
from lambdacore_async.engine.identity.redaction import redact
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
#: The hosts other than loopback addresses that may receive a container's token over plain http.
_CONTAINER_HOSTS: Final = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost")
_CONTAINER_ATTEMPTS: Final = 3
_CONTAINER_TIMEOUT: Final = 2.0

_DISABLED: Final = "AWS_EC2_METADATA_DISABLED"
_INSTANCES: Final = {"ipv4": "http://169.254.169.254", "ipv6": "http://[fd00:ec2::254]"}
_ROLES: Final = "/latest/meta-data/iam/security-credentials/"
_SESSION_SECONDS: Final = "21600"
_SESSION: Final = "x-aws-ec2-metadata-token"

#: Maximum size of a response, in bytes.
_MAX_RESPONSE: Final = 64 * 1024
#: The characters of a URL (RFC 3986). `urlsplit` accepts others, and silently drops some of them.
_URL: Final = frozenset(f"{ascii_letters}{digits}-._~:/?#[]@!$&'()*+,;=%")


@frozen(eq=False, repr=False)
class MetadataClient:
    """Connects to metadata services directly, bypassing any proxy.

    Attributes:
        connect: opens a transport; it is closed after each refresh.
        clock: sleeps between attempts.
        trust: loads the trusted certificates; awaited before an https connection.
    """

    connect: Callable[[], Transport]
    clock: Clock
    trust: Callable[[], Awaitable[object]]

    @asynccontextmanager
    async def open(
        self, name: str, url: SplitResult, timeout: float, attempts: int
    ) -> AsyncGenerator[_Service]:
        """Open a connection to one service, and close it at the end.

        Args:
            name: the service's name in errors.
            url: the service's address.
            timeout: seconds for each request.
            attempts: attempts for each request, at least 1.

        Raises:
            ConfigurationError: if the trusted certificates cannot be loaded.
        """
        if url.scheme == "https":
            await self.trust()
        transport = self.connect()
        try:
            yield _Service(name, transport, url, timeout, attempts, self.clock)
        finally:
            await transport.close()


@frozen(eq=False, repr=False)
class ContainerCredentials:
    """A provider of the credentials of a container in ECS or EKS.

    Attributes:
        environ: the environment's variables.
        client: connects to the credentials service.
    """

    environ: Mapping[str, str]
    client: MetadataClient

    async def __call__(self) -> Credentials | None:
        """Return the container's credentials, or `None` if its variables are not set.

        Raises:
            CredentialsError: if a variable is invalid, or the service returns no credentials.
            ConfigurationError: if the trusted certificates cannot be loaded.
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
        name = "the container's credentials service"
        async with self.client.open(name, url, _CONTAINER_TIMEOUT, _CONTAINER_ATTEMPTS) as service:
            service.headers["accept"] = "application/json"
            await self._authorize(service)
            path = url.path or "/"
            return await service.credentials(f"{path}?{url.query}" if url.query else path)

    async def _authorize(self, service: _Service) -> None:
        """Add the container's token; EKS requires its file to be read at each refresh."""
        path, token = self.environ.get(_TOKEN_FILE), self.environ.get(_TOKEN)
        source, problem = _TOKEN, ""
        if path:
            source = f"{_TOKEN_FILE}: {escaped(path)}"
            try:
                token = await run_in_thread(partial(Path(path).read_text, "utf-8"))
            except OSError as error:
                problem = error.strerror or type(error).__name__
            except ValueError:
                problem = "the file is not UTF-8 text"
        token = (token or "").strip()
        if not (token.isascii() and token.isprintable()):
            problem = problem or "the token is not printable ASCII"
        if token and not problem:
            service.headers["authorization"] = token
        del token  # a traceback may show local variables
        if problem:
            raise CredentialsError(f"{source}: {problem}")


@frozen(eq=False, repr=False)
class InstanceCredentials:
    """A provider of the credentials of an EC2 instance's role.

    Attributes:
        environ: the environment's variables.
        client: connects to the metadata service.
        profile: its settings apply where the environment has none.
    """

    environ: Mapping[str, str]
    client: MetadataClient
    profile: Profile

    async def __call__(self) -> Credentials:
        """Return the credentials of the instance's role, from version 2 of the metadata service.

        Raises:
            CredentialsError: if the machine is not an instance, or has no role, or the service is
                disabled or fails.
            ConfigurationError: if a setting is invalid.
        """
        disabled = self.environ.get(_DISABLED, "")
        if disabled.lower() == "true":
            raise CredentialsError(f"instance metadata is disabled ({_DISABLED})")
        if disabled.lower() not in ("", "false"):
            raise ConfigurationError(f"{_DISABLED}: must be true or false, got {disabled[:20]!r}")
        mode = self._setting("ec2_metadata_service_endpoint_mode") or "ipv4"
        if mode.lower() not in _INSTANCES:
            raise ConfigurationError(
                "ec2_metadata_service_endpoint_mode (AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE): "
                f"must be IPv4 or IPv6, got {mode[:20]!r}"
            )
        url = _split(self._setting("ec2_metadata_service_endpoint") or _INSTANCES[mode.lower()])
        if url is None or url.query or url.fragment:
            raise ConfigurationError(
                "ec2_metadata_service_endpoint (AWS_EC2_METADATA_SERVICE_ENDPOINT): must be an "
                "http or https URL without a user, percent-encoded"
            )
        timeout = self._number("metadata_service_timeout")
        attempts = self._number("metadata_service_num_attempts")
        path = url.path.rstrip("/")
        name = f"the EC2 metadata service at {url.scheme}://{url.netloc}{path}"
        async with self.client.open(name, url, timeout, attempts) as service:
            service.headers[f"{_SESSION}-ttl-seconds"] = _SESSION_SECONDS
            token = await service.line("PUT", f"{path}/latest/api/token")
            del service.headers[f"{_SESSION}-ttl-seconds"]
            service.headers[_SESSION] = token
            del token  # a traceback may show local variables
            role = await service.line("GET", path + _ROLES)
            return await service.credentials(path + _ROLES + quote(role))

    def _setting(self, name: str) -> str | None:
        return self.environ.get(f"AWS_{name.upper()}") or self.profile.get(name)

    def _number(self, name: str) -> int:
        text = self._setting(name) or "1"
        if not (text.isascii() and text.isdecimal() and len(text) < 4 and int(text)):
            raise ConfigurationError(
                f"{name} (AWS_{name.upper()}): must be a whole number from 1 to 999, "
                f"got {text[:20]!r}"
            )
        return int(text)


class _Service:
    """A metadata service, reached over one transport.

    Code that raises an error holds no credentials in local variables: a traceback may show them.

    Args:
        name: the service's name in errors.
        transport: sends the requests.
        url: the service's address.
        timeout: seconds for each request.
        attempts: attempts for each request, at least 1.
        clock: sleeps between attempts.

    Attributes:
        headers: the headers of the next request.
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

    async def body(self, method: str, target: str) -> bytes:
        """Send a request, retry it if it fails, and return the response's body.

        Raises:
            CredentialsError: if the last attempt fails.
        """
        problem = ""
        for attempt in range(self._attempts):
            if attempt:
                await self._clock.sleep(1.0)
            request = Request(method, target, dict(self.headers), None, _MAX_RESPONSE)
            result = await self._send(request)
            if isinstance(result, bytes):
                return result
            problem = result
        raise CredentialsError(f"{self._name}: {problem}")

    async def line(self, method: str, target: str) -> str:
        """Send a request, and return the single line of the response.

        Raises:
            CredentialsError: if the request fails, or the response is not one line without spaces.
        """
        text = _line(await self.body(method, target))
        if text is None:
            raise CredentialsError(f"{self._name}: it sent an unexpected response")
        return text

    async def credentials(self, target: str) -> Credentials:
        """Send a request, and return the credentials in the response.

        Raises:
            CredentialsError: if the request fails, or the response has no credentials.
        """
        found = _credentials(await self.body("GET", target))
        if isinstance(found, str):
            raise CredentialsError(f"{self._name}: {found}")
        return found

    async def _send(self, request: Request) -> bytes | str:
        """Send a request once; return the response's body, or the problem as text."""
        try:
            response = await self._transport.send(self._endpoint, request, self._timeout)
        except LambdaCoreError as error:
            return redact(str(error.args[0]))  # without its details, which quote the body
        if response.status == 200 and response.body:
            return response.body
        tokens = (self.headers.get("authorization"), self.headers.get(_SESSION))
        return f"it answered {response.status} {_explanation(response.body, *tokens)}".rstrip()


def _container_url(text: str) -> SplitResult | None:
    """Return a credentials service's URL, or `None` if others could read the token in transit."""
    url = _split(text)
    if url is None:
        return None
    host = url.hostname or ""
    private = url.scheme == "https" or host in _CONTAINER_HOSTS or _is_loopback(host)
    return url if private else None


def _split(text: str) -> SplitResult | None:
    """Return the parts of an http or https URL, or `None` if it is invalid or has a user.

    Errors show neither the text nor the messages of `urlsplit`, which quote it: it may contain a
    password.
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


def _explanation(body: bytes, *secrets: str | None) -> str:
    """Return the code and the message in an error response, without keys."""
    try:
        content = _object(body)
    except ValueError:
        return "" if body else "with an empty body"
    parts = (content.get(name) for name in ("code", "Code", "message", "Message"))
    return redact(" ".join(str(part) for part in parts if part), *_keys_in(content), *secrets)


def _object(body: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a response's body.

    Raises:
        ValueError: if the body is not a JSON object.
    """
    try:
        content = json.loads(body)
    except RecursionError:
        content = None
    if not reading.is_object(content):
        raise ValueError("not a JSON object")
    return content


def _keys_in(content: Mapping[str, Any]) -> list[str]:
    names = ("AccessKeyId", "SecretAccessKey", "Token")
    return [content[name] for name in names if isinstance(content.get(name), str)]


def _line(body: bytes) -> str | None:
    """Return the single line of a body, or `None` if it is not one line of text."""
    text = body.decode("ascii", "replace").strip()
    return text if text and text.isascii() and text.isprintable() and " " not in text else None


def _credentials(body: bytes) -> Credentials | str:
    """Return the credentials in a body, or the service's explanation of their absence."""
    try:
        content = _object(body)
    except ValueError:
        return "the response is not a JSON object"
    code = content.get("Code", "Success")
    if code != "Success":
        return redact(f"{code}: {content.get('Message', '')}", *_keys_in(content))
    try:
        return Credentials(
            content["AccessKeyId"],
            content["SecretAccessKey"],
            content["Token"],
            parse_timestamp(content["Expiration"]),
        )
    except (KeyError, TypeError, ValueError, CredentialsError):
        return "the response has no complete credentials"
