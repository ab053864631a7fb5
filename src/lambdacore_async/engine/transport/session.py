"""Bytes out, bytes in: the one place on the client's side that knows aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from lambdacore_async.engine.transport.bodies import read_body
from lambdacore_async.engine.transport.connections import UnusableConnectionError
from lambdacore_async.engine.transport.direct import KEEP, DirectTransport, may_bypass, may_take
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import (
    ConfigurationError,
    LambdaCoreError,
    ParameterError,
    TransportError,
    TransportTimeoutError,
)
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: Seconds an idle connection is kept; less than what load balancers of AWS allow.
_KEEPALIVE: Final = 20.0
_DNS_CACHE: Final = 60
#: Headers that aiohttp would add of its own accord; botocore sends neither.
_SKIP_HEADERS: Final = ("Accept", "Content-Type")
#: What either way of sending raises.
_FAILURES: Final = (
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,
    asyncio.IncompleteReadError,
)


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
        if max_connections < 1:
            raise ParameterError("max_connections", f"must be at least 1, got {max_connections!r}")
        if trust_env and session is not None:
            raise ParameterError("trust_env", "a session of your own has proxy settings of its own")
        self._trust_env = trust_env
        self._ssl_context = ssl_context
        self._proxies: dict[str, URL | None] = {}
        self._max_connections = max_connections
        self._session = session
        self._owns_session = session is None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        self._direct: DirectTransport | None = None

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        session = self._open_session()
        try:
            proxy = self._proxy_to(endpoint.url) if self._trust_env else None
            direct = self._direct
            if direct is None:
                return await _send_through(session, endpoint, request, timeout, proxy)
            if proxy is None and may_take(request):
                return await direct.send(endpoint, request, timeout)
            with direct.asking():
                return await _send_through(session, endpoint, request, timeout, proxy)
        except _FAILURES as error:
            failure, cause = _mapped(error), _without_request(error)
        # Out here, since what is raised in a handler keeps the handled error as its context.
        raise failure from cause

    async def close(self) -> None:
        """See `Transport.close`."""
        self._closed = True
        if self._direct is not None:
            self._direct.close()
        if self._session is not None and self._owns_session:
            await self._session.close()

    def _proxy_to(self, url: str) -> URL | None:
        """The environment's proxy on the way to an endpoint; a change there comes too late.

        A session's own `trust_env` is not used: it would sign requests with `~/.netrc` too.
        """
        if url not in self._proxies:
            self._proxies[url] = _environment_proxy(urlsplit(url))
        return self._proxies[url]

    def _open_session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("the client belongs to another event loop; make one per loop")
            self._loop = loop
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=self._max_connections,
                keepalive_timeout=_KEEPALIVE - KEEP,
                ttl_dns_cache=_DNS_CACHE,
                ssl=self._ssl_context() or True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=(_send_once,),
            )
            if may_bypass(self._session):
                self._direct = DirectTransport(connector)
        return self._session


async def _send_through(
    session: aiohttp.ClientSession,
    endpoint: Endpoint,
    request: Request,
    timeout: Timeout,
    proxy: URL | None,
) -> Response:
    """Send a request as every user of a session does."""
    async with (
        asyncio.timeout(timeout.attempt),
        session.request(
            request.method,
            URL(endpoint.url + request.target, encoded=True),
            headers=request.headers,
            data=request.body,
            proxy=proxy,
            allow_redirects=False,
            raise_for_status=False,
            skip_auto_headers=_SKIP_HEADERS,
            timeout=aiohttp.ClientTimeout(sock_connect=timeout.connect, sock_read=timeout.read),
        ) as answer,
    ):
        body = await read_body(answer.content, answer.status, answer.headers)
        return Response(answer.status, answer.headers, body)


def _environment_proxy(url: SplitResult) -> URL | None:
    proxy = getproxies_environment().get(url.scheme)
    if proxy is None or proxy_bypass(url.netloc):
        return None
    # A refusal does not repeat it: there may be a password in it.
    try:
        address = URL(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        raise ConfigurationError(f"{url.scheme}_proxy: not a URL") from None
    if address.scheme not in ("http", "https"):
        raise ConfigurationError(f"{url.scheme}_proxy: no {address.scheme} proxies, only http(s)")
    return address


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again by itself, unseen: the pipeline decides, and signs anew."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise  # one that aiohttp lets be
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _mapped(error) from error


def _mapped(error: Exception) -> LambdaCoreError:
    """Say in this library's terms what went wrong."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return TransportTimeoutError("no connection in time", not_executed=True)
        case aiohttp.ServerTimeoutError():
            return TransportTimeoutError("the answer stopped coming")
        case TimeoutError():
            return TransportTimeoutError("no complete answer in time")
        case aiohttp.ClientConnectorDNSError():
            return TransportError(f"the name {error.host} did not resolve", not_executed=True)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return TransportError(f"TLS failed: {error}", not_executed=True)
        case aiohttp.ClientConnectorError():
            return TransportError(f"no connection: {error}", not_executed=True)
        case UnusableConnectionError():
            return TransportError("the connection was of no use", not_executed=True)
        case aiohttp.ServerDisconnectedError():
            return TransportError("the connection was closed before an answer came")
        case aiohttp.ClientPayloadError():
            return TransportError("the answer was cut short or cannot be decoded")
        case aiohttp.ClientHttpProxyError():
            text = f"the proxy refused: {error.status} {error.message}"
            return TransportError(text, not_executed=True)
        case aiohttp.ClientResponseError() | HttpProcessingError():
            return TransportError(f"the answer is not HTTP: {error.message}")
        case _:
            return TransportError(f"the connection broke: {error or type(error).__name__}")


def _without_request(error: Exception) -> Exception | None:
    """The cause to show; not one that quotes the request's headers, or a proxy's password."""
    match error:
        case aiohttp.ClientResponseError():
            return None
        case aiohttp.ClientConnectorError():
            return error.os_error
        case _:
            return error
