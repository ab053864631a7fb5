"""Bytes out, bytes in: the one place on the client's side that knows aiohttp."""

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
from aiohttp.http_exceptions import HttpProcessingError
from attrs import field, frozen
from yarl import URL

from lambdacore_async.engine.transport.direct import DirectTransport, may_bypass, may_take
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

#: Headers that aiohttp would add of its own accord; botocore sends neither.
_SKIP_HEADERS: Final = ("Accept", "Content-Type")
#: What either way of sending raises.
_FAILURES: Final = (
    aiohttp.ClientError,
    HttpProcessingError,
    MalformedResponseError,
    OSError,
    OversizedBodyError,
    asyncio.IncompleteReadError,
)
#: What `getaddrinfo` says of a name that does not exist; all else may be otherwise a moment later.
_NO_SUCH_NAME: Final = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
#: What OpenSSL says when a handshake broke off. All else is a verdict, which stands.
_BROKEN_HANDSHAKES: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_BROKEN_HANDSHAKE_REASONS: Final = {
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC",
    "SSLV3_ALERT_BAD_RECORD_MAC",
    "SSLV3_ALERT_CLOSE_NOTIFY",
    "TLSV1_ALERT_INTERNAL_ERROR",
    "TLSV1_ALERT_USER_CANCELLED",
    "UNEXPECTED_EOF_WHILE_READING",
}
_SHOWN: Final = 200


class _UnexpectedStatusError(aiohttp.ClientError):
    """The status is that of no final response, such as 101 to a request for no other protocol.

    Attributes:
        status: the status.
    """

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Transport(Protocol):
    """What the pipeline needs of a transport."""

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """Send a signed request as it stands, and read the whole answer.

        Raises:
            TransportError: no complete answer came.
            ResponseError: the answer is too large.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class AiohttpTransport:
    """A pool of connections to any number of endpoints, on one event loop.

    It follows no redirect, keeps no cookie, verifies TLS, and sends a target byte for byte.

    Args:
        max_connections: the pool's size, at least 1.
        session: a session of the caller's own, whose pool, proxy and TLS settings then count; it is
            not closed here.
        trust_env: go through the proxies of `HTTPS_PROXY` and `HTTP_PROXY`, save to `NO_PROXY`.
        ssl_context: gives what servers are verified with, before the first connection; `None` is
            for the system's own certificates.

    Raises:
        ParameterError: an argument is out of its bounds.
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
            raise ParameterError("trust_env", "a session of your own has proxy settings of its own")
        self._trust_env = trust_env
        self._ssl_context = ssl_context
        self._proxies: dict[str, _Proxy] = {}
        self._max_connections = max_connections
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._direct: DirectTransport | None = None
        #: Closes the session when it is closed, or when the loop shuts its generators down.
        self._keeper: AsyncGenerator[None] | None = None

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        session = self._session
        if session is None or self._closed or self._loop is not asyncio.get_running_loop():
            session = await self._open_session()
        try:
            proxy = self._proxy_to(endpoint.url) if self._trust_env else _NO_PROXY
            direct = self._direct
            if direct is None:
                return await _send_through(session, endpoint, request, timeout, proxy)
            if proxy.url is None and may_take(request):
                return await direct.send(endpoint, request, timeout)
            with direct.asking():
                return await _send_through(session, endpoint, request, timeout, proxy)
        except _FAILURES as error:
            failure, cause = _mapped(error), _cause(error)
        # Out here, since what is raised in a handler keeps the handled error as its context, and
        # that has the request in the local variables of its traceback.
        raise failure from cause

    async def close(self) -> None:
        """See `Transport.close`."""
        self._closed = True
        if self._keeper is not None:
            await self._keeper.aclose()

    def _proxy_to(self, url: str) -> _Proxy:
        """The environment's proxy on the way to an endpoint; a change there comes too late.

        A session's own `trust_env` is not used: it would sign requests with `~/.netrc` too.
        """
        if url not in self._proxies:
            self._proxies[url] = _Proxy(_environment_proxy(urlsplit(url)))
        return self._proxies[url]

    async def _open_session(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the client is closed")
        loop, old = asyncio.get_running_loop(), self._loop
        if old is not None and old is not loop and not (self._owns_session and old.is_closed()):
            raise RuntimeError("the client belongs to another event loop; make one per loop")
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
    """Close a session when the generator is closed.

    `asyncio.run` closes the generators of its loop at its end, so that a client which outlives the
    loop leaves nothing open there.
    """
    try:
        yield
    finally:
        try:
            # Only a loop that was closed without that raises; then there is no way to close.
            with suppress(RuntimeError):
                await session.close()
        finally:
            if direct is not None:
                direct.close()


async def _send_through(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    request: Request,
    timeout: Timeout,
    proxy: _Proxy,
) -> Response:
    """Send a request as every user of a session does."""
    async with (
        asyncio.timeout(timeout.attempt),
        session.request(
            request.method,
            URL(endpoint.url + request.target, encoded=True),
            headers=request.headers,
            data=request.body,
            proxy=proxy.url,
            allow_redirects=False,
            raise_for_status=False,
            skip_auto_headers=_SKIP_HEADERS,
            timeout=aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read),
        ) as answer,
    ):
        body = await _read_body(answer.content, answer.status, answer.headers, request.max_response)
        return Response(answer.status, answer.headers, body)


async def _read_body(
    stream: aiohttp.StreamReader,
    status: int,
    headers: Mapping[str, str],
    limit: int,
) -> bytes:
    """Read to the end of the stream, or to the limit if the response is an error.

    The body of an error is often a page of a proxy. Its status matters more than its end.

    Args:
        stream: the decoded body.
        status: the response's status.
        headers: the response's headers.
        limit: the number of bytes that the body may have.

    Raises:
        _UnexpectedStatusError: there is no body to read, since this is no final response.
        OversizedBodyError: the body is longer than the limit; the rest of it was not read.
        aiohttp.ClientError: the body broke off, or cannot be decoded.
    """
    if status < 200:
        raise _UnexpectedStatusError(status)
    body = bytearray()
    while len(body) <= limit:
        try:
            part = await stream.readany()
        except RuntimeError:  # aiohttp's error if the connection ends before decoding does
            raise aiohttp.ClientPayloadError from None
        if not part:
            return bytes(body)
        body += part
    if status < 300:
        raise OversizedBodyError(status, headers.get("x-amzn-requestid"), limit)
    return bytes(body[:limit])


@frozen
class _Proxy:
    """A proxy, if there is one. Its URL may have a password."""

    url: URL | None = field(default=None, repr=False)


_NO_PROXY: Final = _Proxy()


def _environment_proxy(url: SplitResult) -> URL | None:
    proxy = getproxies_environment().get(url.scheme)
    if proxy is None or proxy_bypass(url.netloc):
        return None
    try:
        address = URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        address = None
    if address is not None and address.scheme in ("http", "https"):
        return address
    problem = "not a URL" if address is None else f"no {address.scheme} proxies, only http(s)"
    del proxy, address  # there may be a password in it, and a traceback may show local variables
    raise ConfigurationError(f"{url.scheme}_proxy: {problem}")


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, unseen: the pipeline decides, and signs anew."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # one that aiohttp lets be
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _FinalError(error) from None


class _FinalError(aiohttp.ClientError):
    """Wraps an error after which aiohttp would send the request again."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _mapped(error: Exception) -> LambdaCoreError:
    """The error in this library's terms.

    It repeats nothing that came over the network, since that may repeat the request.
    """
    match error:
        case _FinalError():
            return _mapped(error.error)
        case OversizedBodyError():
            return ResponseError(
                f"the answer is larger than {error.limit} bytes",
                status_code=error.status,
                request_id=error.request_id,
            )
        case MalformedResponseError():
            return TransportError(str(error))
        case _UnexpectedStatusError():
            return TransportError(f"the server sent status {error.status} instead of a response")
        case aiohttp.ConnectionTimeoutError():
            return TransportTimeoutError("no connection in time", not_executed=True)
        case aiohttp.ServerTimeoutError():
            return TransportTimeoutError("the answer stopped coming")
        case TimeoutError():
            return TransportTimeoutError("no complete answer in time")
        case aiohttp.InvalidURL():
            text = "no connection: the endpoint's host is not valid"
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
                transient=_broke_off(error.os_error),
            )
        case aiohttp.ServerFingerprintMismatch():
            text = f"TLS failed with {error.host}: the certificate has another fingerprint"
            return TransportError(text, not_executed=True, transient=False)
        case aiohttp.ClientConnectorError():
            text = f"no connection to {error.host}:{error.port}: {_text(error.os_error)}"
            return TransportError(text, not_executed=True)
        case UnusableConnectionError():
            return TransportError("the connection was of no use", not_executed=True)
        case aiohttp.ServerDisconnectedError():
            return TransportError("the connection was closed before an answer came")
        case aiohttp.ClientPayloadError():
            return TransportError("the response was cut short or cannot be decoded")
        case aiohttp.ClientHttpProxyError():
            return TransportError(
                f"the proxy refused: {_status(error.status)}",
                not_executed=True,
                transient=error.status in TRANSIENT_STATUSES,
            )
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return TransportError("the response is not HTTP")
        case OSError():
            # With TLS 1.3, a server may refuse a handshake that the client has finished already.
            cause = _cause(error)
            refused = "ALERT" in _reason(cause) and not _broke_off(cause)
            return TransportError(f"the connection broke: {_text(error)}", transient=not refused)
        case _:
            return TransportError(f"the connection broke: {type(error).__name__}")


def _cause(error: Exception) -> BaseException | None:
    """The error of the operating system or of OpenSSL behind an error, if there is one.

    It is shown without traceback: the local variables there hold the request.
    """
    cause: BaseException | None = error
    if isinstance(error, _FinalError):
        return _cause(error.error)
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    elif isinstance(error, aiohttp.ClientError):
        cause = error.__cause__
    if not isinstance(cause, OSError) or isinstance(cause, aiohttp.ClientError):
        return None
    cause.__cause__ = cause.__context__ = None
    return cause.with_traceback(None)


def _broke_off(error: BaseException | None) -> bool:
    """Whether TLS failed because something broke off, and not because a side refused the other."""
    return isinstance(error, _BROKEN_HANDSHAKES) or _reason(error) in _BROKEN_HANDSHAKE_REASONS


def _reason(error: BaseException | None) -> str:
    """OpenSSL's name of an error."""
    return error.reason or "" if isinstance(error, ssl.SSLError) else ""


def _text(error: OSError) -> str:
    return escaped(error.strerror or str(error) or type(error).__name__, _SHOWN)


def _status(status: int) -> str:
    """A status with its standard phrase: a server's own may say anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
