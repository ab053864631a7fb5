"""Transport: sends signed requests with aiohttp, and maps its errors to this library's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from yarl import URL

from lambdacore_async.engine.cancellation import is_cancelled
from lambdacore_async.engine.transport.direct import DirectTransport, may_bypass, may_send
from lambdacore_async.engine.transport.pool import Pool, UnusableConnectionError
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import (
    TRANSIENT_STATUSES,
    ConfigurationError,
    LambdaCoreError,
    ParameterError,
    ResponseError,
    TransportError,
    TransportTimeoutError,
)
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.http1 import MalformedResponseError, OversizedBodyError
from lambdacore_async.protocol.messages import Request, Response

#: Headers that aiohttp adds by default and botocore does not send.
_SKIP_HEADERS: Final = ("Accept", "Content-Type")
#: Errors of sessions and of direct connections.
_FAILURES: Final = (aiohttp.ClientError, MalformedResponseError, OSError, OversizedBodyError)
#: Codes of `getaddrinfo` for a name that does not exist. All other failures may be transient.
_NO_SUCH_NAME: Final = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
#: OpenSSL's errors for a handshake that was interrupted. All other errors are permanent.
_INTERRUPTIONS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_INTERRUPTION_REASONS: Final = {
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    "SSLV3_ALERT_BAD_RECORD_MAC",
    "SSLV3_ALERT_CLOSE_NOTIFY",
    "TLSV1_ALERT_INTERNAL_ERROR",
    "TLSV1_ALERT_USER_CANCELLED",
    "UNEXPECTED_EOF_WHILE_READING",
}
#: The number of characters of an operating system's or OpenSSL's message that an error shows.
_SHOWN: Final = 200


class Transport(Protocol):
    """Interface that the pipeline uses to send requests."""

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """Send a signed request unchanged and read the complete response.

        Raises:
            TransportError: if no complete response arrives.
            ResponseError: if the response is too large.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AiohttpTransport:
    """Sends requests to any number of endpoints over one connection pool, on one event loop.

    It follows no redirects, stores no cookies, verifies TLS certificates, and sends the signed
    target byte for byte.

    Args:
        max_connections: size of the pool, at least 1. Defaults to 100.
        session: session to use. Its pool, proxy and TLS settings apply, and the caller closes it.
            Defaults to a session that this transport creates at its first request, and closes.
        trust_env: use the proxies of `HTTPS_PROXY` and `HTTP_PROXY`, except for the hosts of
            `NO_PROXY`. Defaults to false. Cannot be combined with `session`.
        ssl_context: returns the context that verifies servers, or `None` for the system's
            certificates. The transport calls it when it creates a session.

    Raises:
        ParameterError: if an argument is invalid.
    """

    def __init__(
        self,
        *,
        max_connections: int = 100,
        session: aiohttp.ClientSession | None = None,
        trust_env: bool = False,
        ssl_context: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        if type(max_connections) is not int or max_connections < 1:
            raise ParameterError(
                "max_connections", f"must be a whole number from 1, got {max_connections!r}"
            )
        if session is not None and not isinstance(session, aiohttp.ClientSession):
            given = type(session).__name__
            raise ParameterError("http_session", f"must be an aiohttp.ClientSession, got {given}")
        if not isinstance(trust_env, bool):
            given = type(trust_env).__name__
            raise ParameterError("trust_env", f"must be True or False, got {given}")
        if trust_env and session is not None:
            raise ParameterError("trust_env", "set the proxy on the http_session instead")
        self._trust_env = trust_env
        self._ssl_context = ssl_context
        self._proxies: dict[str, URL | None] = {}
        self._max_connections = max_connections
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._direct: DirectTransport | None = None
        #: Closes the session when this transport or the loop closes the generator.
        self._keeper: AsyncGenerator[None] | None = None

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        session = self._session
        if session is None or self._closed or self._loop is not asyncio.get_running_loop():
            session = await self._open_session()
        try:
            direct = self._direct
            if direct is None:
                return await self._send_through(session, endpoint, request, timeout)
            proxied = self._trust_env and self._proxy_to(endpoint.url) is not None
            if may_send(request) and not proxied:
                return await direct.send(endpoint, request, timeout)
            with direct.sharing():
                return await self._send_through(session, endpoint, request, timeout)
        except _FinalError as error:
            failure, cause = _mapped(error.error), _cause(error.error)
        except _FAILURES as error:
            failure, cause = _mapped(error), _cause(error)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # When a session is closed, aiohttp cancels the requests that wait for a connection.
            failure, cause = TransportError("the session cancelled the request"), None
        # Raised outside the handler, because an error raised inside keeps the handled error as its
        # context, and the local variables in that traceback include the request.
        raise failure from cause

    async def close(self) -> None:
        """See `Transport.close`."""
        self._closed = True
        if self._keeper is not None:
            await self._keeper.aclose()

    @property
    def is_open(self) -> bool:
        """Whether this transport has an open session that it created."""
        return self._keeper is not None and self._session is not None and not self._session.closed

    def _proxy_to(self, url: str) -> URL | None:
        """Return the environment's proxy for an endpoint, as it was at the first request to it.

        The session's own `trust_env` setting would also add credentials of `~/.netrc` to requests.
        Callers keep the result out of local variables, which tracebacks may show: it may contain a
        password.
        """
        if url not in self._proxies:
            self._proxies[url] = _environment_proxy(urlsplit(url))
        return self._proxies[url]

    async def _send_through(
        self, session: aiohttp.ClientSession, endpoint: Endpoint, request: Request, timeout: Timeout
    ) -> Response:
        """Send a request through the session, by aiohttp's documented interface."""
        async with (
            asyncio.timeout(timeout.attempt),
            session.request(
                request.method,
                URL(endpoint.url + request.target, encoded=True),
                headers=request.headers,
                data=request.body,
                proxy=self._proxy_to(endpoint.url) if self._trust_env else None,
                allow_redirects=False,
                raise_for_status=False,
                skip_auto_headers=_SKIP_HEADERS,
                timeout=aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read),
            ) as response,
        ):
            status, headers = response.status, response.headers
            body = await _read_body(response.content, status, headers, request.max_response)
            return Response(status, headers, body)

    async def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the client is closed")
        loop, old = asyncio.get_running_loop(), self._loop
        if old is not None and old is not loop and not (self._owns_session and old.is_closed()):
            raise RuntimeError("the client belongs to another event loop; use one client per loop")
        if self._session is not None and not self._owns_session:
            self._loop = loop
            return self._session
        pool = Pool(limit=self._max_connections, ssl_context=self._ssl_context())
        session = aiohttp.ClientSession(
            connector=pool, cookie_jar=aiohttp.DummyCookieJar(), middlewares=(_send_once,)
        )
        former, direct = self._keeper, DirectTransport(pool) if may_bypass(session) else None
        self._loop, self._session, self._direct = loop, session, direct
        self._keeper = _closing(session, direct)
        await anext(self._keeper)
        if former is not None:
            await former.aclose()
        return session


async def _closing(
    session: aiohttp.ClientSession, direct: DirectTransport | None
) -> AsyncGenerator[None]:
    """Yield once, and close the session and its direct connections when the generator is closed.

    `asyncio.run` closes the asynchronous generators of its loop before it closes the loop. A client
    that outlives its loop therefore leaves no connection open.
    """
    try:
        yield
    finally:
        try:
            # Raised if the loop is closed already: its connections can no longer be closed.
            with suppress(RuntimeError):
                await session.close()
        finally:
            if direct is not None:
                direct.close()


async def _read_body(
    stream: aiohttp.StreamReader,
    status: int,
    headers: Mapping[str, str],
    limit: int,
) -> bytes:
    """Read a body to its end, or to the limit if the response is an error.

    The body of an error is often a proxy's page. Its status matters more than the rest of the page.

    Args:
        stream: the decoded body.
        status: the response's status.
        headers: the response's headers.
        limit: maximum size of the body, in bytes.

    Raises:
        MalformedResponseError: if the status is not that of a final response.
        OversizedBodyError: if the body is longer than the limit. Its rest is not read.
        aiohttp.ClientError: if the body was cut short or cannot be decoded.
    """
    if status < 200:
        raise MalformedResponseError(f"the server sent status {status} instead of a response")
    body = bytearray()
    while len(body) <= limit:
        try:
            part = await stream.readany()
        except RuntimeError:  # raised by aiohttp if the connection ends while a body is decoded
            raise aiohttp.ClientPayloadError from None
        if not part:
            return bytes(body)
        body += part
    if status < 300:
        raise OversizedBodyError(status, headers.get("x-amzn-requestid"), limit)
    return bytes(body[:limit])


def _environment_proxy(url: SplitResult) -> URL | None:
    """Return the proxy that the environment sets for a URL.

    Raises:
        ConfigurationError: if the proxy cannot be used.
    """
    proxy = getproxies_environment().get(url.scheme)
    if proxy is None or proxy_bypass(url.netloc):
        return None
    try:
        address = URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        address = None
    if address is not None and address.scheme in ("http", "https"):
        return address
    if address is None:
        problem = "not a URL"
    else:
        problem = f"{address.scheme} proxies are not supported, use an http or https proxy"
    del proxy, address  # tracebacks may show local variables, and the URL may contain a password
    raise ConfigurationError(f"{url.scheme}_proxy: {problem}")


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request without aiohttp's own retry, since the pipeline retries with a new signature.

    A session with this middleware never sends a request twice.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # aiohttp does not retry after this one
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _FinalError(error) from None


class _FinalError(aiohttp.ClientError):
    """Wraps an error after which aiohttp would send the request again."""

    def __init__(self, error: aiohttp.ClientError) -> None:
        super().__init__()
        self.error = error


def _mapped(error: Exception) -> LambdaCoreError:
    """Return an error of this library for an error of the transport.

    Its message quotes nothing that a server sent, because servers may repeat the request.
    """
    match error:
        case OversizedBodyError():
            return ResponseError(
                f"the response is larger than {error.limit} bytes",
                status_code=error.status,
                request_id=error.request_id,
            )
        case MalformedResponseError():
            return TransportError(str(error))
        case aiohttp.ConnectionTimeoutError():
            return TransportTimeoutError("no connection within the timeout", not_executed=True)
        case aiohttp.ServerTimeoutError():
            return TransportTimeoutError("the response stopped arriving")
        case TimeoutError():
            return TransportTimeoutError("the response was not complete in time")
        case aiohttp.InvalidURL():
            text = "no connection: the endpoint's host name is not valid"
            return TransportError(text, not_executed=True, transient=False)
        case aiohttp.ClientConnectorDNSError():
            return TransportError(
                f"the name {error.host} did not resolve: {_text(error.os_error)}",
                not_executed=True,
                transient=error.os_error.errno not in _NO_SUCH_NAME,
            )
        case aiohttp.ClientSSLError():
            return TransportError(
                f"TLS failed with {error.host}: {_text(error.os_error)}",
                not_executed=True,
                transient=_was_interrupted(error.os_error),
            )
        case aiohttp.ServerFingerprintMismatch():
            text = f"TLS failed with {error.host}: the certificate has another fingerprint"
            return TransportError(text, not_executed=True, transient=False)
        case aiohttp.ClientConnectorError():
            text = f"no connection to {error.host}:{error.port}: {_text(error.os_error)}"
            return TransportError(text, not_executed=True)
        case UnusableConnectionError():
            text = "a new connection was closed or received data before the request"
            return TransportError(text, not_executed=True)
        case aiohttp.ServerDisconnectedError():
            return TransportError("the connection was closed before a response arrived")
        case aiohttp.ClientPayloadError():
            return TransportError("the response was cut short or cannot be decoded")
        case aiohttp.ClientHttpProxyError():
            return TransportError(
                f"the proxy refused to connect: {_status(error.status)}",
                not_executed=True,
                transient=error.status in TRANSIENT_STATUSES,
            )
        case aiohttp.ClientResponseError():
            return TransportError("the response is not HTTP")
        case OSError():
            # With TLS 1.3, a server may refuse a handshake after the client has completed it.
            cause = _cause(error)
            refused = "ALERT" in _reason(cause) and not _was_interrupted(cause)
            return TransportError(f"the connection broke: {_text(error)}", transient=not refused)
        case _:
            return TransportError(f"the connection broke: {type(error).__name__}")


def _cause(error: Exception) -> BaseException | None:
    """Return the operating system's or OpenSSL's error behind an error, if there is one.

    It loses its traceback, because the local variables there include the request.
    """
    cause: BaseException | None = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    elif isinstance(error, aiohttp.ClientError):
        cause = error.__cause__
    if not isinstance(cause, OSError) or isinstance(cause, aiohttp.ClientError):
        return None
    cause.__cause__ = cause.__context__ = None
    return cause.with_traceback(None)


def _was_interrupted(error: BaseException | None) -> bool:
    """Return whether the TLS handshake was interrupted, not refused by one of the two sides."""
    return isinstance(error, _INTERRUPTIONS) or _reason(error) in _INTERRUPTION_REASONS


def _reason(error: BaseException | None) -> str:
    """Return OpenSSL's name of an error, or an empty string."""
    return error.reason or "" if isinstance(error, ssl.SSLError) else ""


def _text(error: OSError) -> str:
    return escaped(error.strerror or str(error) or type(error).__name__, _SHOWN)


def _status(status: int) -> str:
    """Return a status with its standard phrase; the server's own phrase is not trusted."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
