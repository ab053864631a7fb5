"""A short way for a request: straight onto a connection of aiohttp's pool.

For each call, a `ClientSession` makes a request, a response, a writer and several context
managers, and supports much that no call of this API needs. Here, aiohttp still resolves names,
makes and keeps connections, does TLS and parses what is not plain; only the request's lines are
written, and a plain answer is read, by this library.
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
from lambdacore_async.engine.transport.pool import KEEP, KEEPALIVE, UNPOLLED, Pool, elapsed, poll
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: A larger body may fill the socket's buffer; a session knows how to wait for that.
MAX_SENT: Final = 64 * 1024
#: Bytes that are read at once. Answers are smaller, but for long listings.
_BUFFER: Final = 64 * 1024
#: In another series, the connection and its parser may have changed.
_KNOWN_SERIES: Final = aiohttp.__version__.startswith("3.")


def _genuine(method: object) -> object:
    """A method of sessions if it is aiohttp's own, or `None`."""
    own = type(method) is FunctionType and method.__code__.co_filename == aiohttp.client.__file__
    return method if own else None


_REQUEST: Final = _genuine(aiohttp.ClientSession._request)  # noqa: SLF001 - it is what they replace


def may_bypass(session: aiohttp.ClientSession) -> bool:
    """Whether nobody will miss a session, if requests do not go through it."""
    return _KNOWN_SERIES and not session.trace_configs


def may_take(request: Request) -> bool:
    """Whether a request may go past a session that may be bypassed.

    Who has put something of their own in the place of `ClientSession._request`, as test doubles and
    monitoring agents do, wants to see the request.
    """
    return (
        aiohttp.ClientSession._request is _REQUEST  # noqa: SLF001 - the same
        and (request.body is None or len(request.body) <= MAX_SENT)
    )


class DirectTransport:
    """Sends requests on the connections of one pool.

    Connections that it is done with it keeps for the next request, since the pool takes its time
    to give one: not for long, and none that somebody may wait for.

    Args:
        pool: has the connections; it is not closed here.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop)
        self._buffer = memoryview(bytearray(_BUFFER))
        self._idle: defaultdict[str, list[DirectConnection]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None
        self._asking = 0
        self._last_answer = pool.now()

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """Send a signed request as it stands, and read the whole answer.

        Raises:
            aiohttp.ClientError: the connection failed.
            MalformedResponseError: the response is incomplete or not HTTP.
            OversizedBodyError: the body of the response is too long.
            TimeoutError: the response is not complete in time.
        """
        now = self._pool.now()
        idle = self._idle[endpoint.url]
        # As long as answers come, the loop reads the idle connections too.
        if idle and elapsed(self._last_answer, now) > UNPOLLED:
            await poll()
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
        connection.idle_since = self._last_answer = self._pool.now()
        if self._asking or connection.ended:
            connection.give_back()
        else:
            idle.append(connection)
            if self._timer is None:
                self._timer = self._loop.call_later(KEEP, self._give_back)
        return response

    @contextmanager
    def asking(self) -> Generator[None]:
        """Keep from the pool nothing that it may need while somebody asks it for a connection."""
        idle = sum(map(len, self._idle.values()))
        if idle + len(self._deadlines.pending) + self._asking >= self._pool.limit:
            self._give_back()
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1

    def close(self) -> None:
        """Give all connections back, those in use as soon as they are not, and stop the timers."""
        self._asking += 1
        self._give_back()
        self._deadlines.close()

    def _give_back(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for idle in self._idle.values():
            while idle:
                idle.pop().give_back()

    async def _connect(self, url: str, timeout: Timeout) -> DirectConnection:
        # The pool knows an endpoint by a request to it; this one is never sent.
        destination = aiohttp.ClientRequest("GET", URL(url, encoded=True), loop=self._loop)
        limits = aiohttp.ClientTimeout(connect=timeout.attempt, sock_connect=timeout.connect)
        with self.asking():
            try:
                lease, guard = await self._pool.lease(destination, [], limits)
            except TimeoutError as error:
                raise aiohttp.ConnectionTimeoutError from error
        return DirectConnection(lease, guard, self._buffer, self._loop)
