"""Sends requests directly on pooled connections, bypassing `ClientSession`.

For each call, a `ClientSession` creates a request, a response, a writer and several context
managers, and supports many features that no call of this API needs. On a direct connection, this
library writes the request and httptools reads the response. aiohttp still resolves names, opens
and pools the connections, and does TLS.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from types import FunctionType
from typing import Final

import aiohttp
import aiohttp.client
from yarl import URL

from lambdacore_async.engine.transport.connections import Deadlines, DirectConnection
from lambdacore_async.engine.transport.pool import (
    KEEP,
    KEEPALIVE,
    UNPOLLED,
    Pool,
    elapsed,
    read_idle,
)
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: Bytes of the largest request body. A larger one may fill the socket's buffer, which only sessions
#: handle.
MAX_SENT: Final = 64 * 1024
#: Bytes that one read can return. Most responses are smaller.
_BUFFER: Final = 64 * 1024
#: Other release series of aiohttp may change the parts that `pool` lists.
_KNOWN_SERIES: Final = aiohttp.__version__.startswith("3.")


def _genuine(method: object) -> object:
    """Return a method of sessions if aiohttp itself defines it, or `None`."""
    own = type(method) is FunctionType and method.__code__.co_filename == aiohttp.client.__file__
    return method if own else None


_REQUEST: Final = _genuine(aiohttp.ClientSession._request)  # noqa: SLF001 - agents replace this one


def may_bypass(session: aiohttp.ClientSession) -> bool:
    """Return whether requests may bypass a session that this library created."""
    return _KNOWN_SERIES and not session.trace_configs


def may_send(request: Request) -> bool:
    """Return whether a request may bypass the session.

    Test doubles and monitoring agents that replace `ClientSession._request` must see every request.
    """
    return (
        aiohttp.ClientSession._request is _REQUEST  # noqa: SLF001 - see above
        and (request.body is None or len(request.body) <= MAX_SENT)
    )


class DirectTransport:
    """Sends requests on direct connections, leased from a pool.

    Leasing a connection takes CPU time, so idle ones stay leased for the next request: for up to
    `KEEP` seconds, and only while no other caller may be waiting for the pool.

    Args:
        pool: leases the connections. Closing the transport does not close it.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop)
        self._buffer = memoryview(bytearray(_BUFFER))
        self._destinations: dict[str, aiohttp.ClientRequest] = {}
        self._idle: defaultdict[str, list[DirectConnection]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None
        self._sharing = 0
        self._closed = False
        self._last_response = pool.now()

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """Send a signed request unchanged and read the complete response.

        Raises:
            aiohttp.ClientError: if the connection fails.
            MalformedResponseError: if the response is incomplete or not HTTP.
            OversizedBodyError: if the body of the response is too long.
            TimeoutError: if the response is not complete in time.
        """
        now = self._pool.now()
        idle = self._idle[endpoint.url]
        # While responses arrive, the loop also reads the idle connections.
        if idle and elapsed(self._last_response, now) > UNPOLLED:
            await read_idle([connection.transport for connection in idle])
        while idle:
            connection = idle.pop()
            if not connection.ended and elapsed(connection.idle_since, now) <= KEEPALIVE:
                break
            connection.close()
        else:
            connection = await self._connect(endpoint.url, timeout)
        try:
            pending = connection.send(request, timeout, now[0])
            self._deadlines.add(connection)
            response = await pending
        except BaseException:
            connection.close()
            raise
        finally:
            self._deadlines.discard(connection)
        connection.idle_since = self._last_response = self._pool.now()
        if (
            connection.ended
            or self._closed
            or (self._sharing and self._claims() >= self._pool.limit)
        ):
            connection.release()
        else:
            idle.append(connection)
            if self._timer is None:
                self._timer = self._loop.call_later(KEEP, self._release_idle)
        return response

    @contextmanager
    def sharing(self) -> Generator[None]:
        """Hold no idle connection back while the caller may be waiting for the pool."""
        if self._claims() >= self._pool.limit:
            self._release_idle()
        self._sharing += 1
        try:
            yield
        finally:
            self._sharing -= 1

    def close(self) -> None:
        """Stop the timers and release all connections, those in use after their exchange."""
        self._closed = True
        self._release_idle()
        self._deadlines.close()

    def _claims(self) -> int:
        """Return the number of connections in use, held, or requested from the pool."""
        return sum(map(len, self._idle.values())) + len(self._deadlines.pending) + self._sharing

    def _release_idle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for idle in self._idle.values():
            while idle:
                idle.pop().release()

    async def _connect(self, url: str, timeout: Timeout) -> DirectConnection:
        # The pool identifies an endpoint by a request to it. This request is never sent.
        destination = self._destinations.get(url)
        if destination is None:
            destination = aiohttp.ClientRequest("GET", URL(url, encoded=True), loop=self._loop)
            self._destinations[url] = destination
        limits = aiohttp.ClientTimeout(connect=timeout.attempt, sock_connect=timeout.connect)
        with self.sharing():
            try:
                lease, guard = await self._pool.lease(destination, [], limits)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
        return DirectConnection(lease, guard, self._buffer, self._loop)
