"""A short way for a request: straight onto a connection of aiohttp's pool.

For each call, a `ClientSession` makes a request, a response, a writer and several context
managers, and supports much that no call of this API needs. Here, aiohttp still resolves names,
makes and keeps connections, does TLS and parses HTTP; only the request's lines are written, and
its answer is awaited, by the code below.
"""

from __future__ import annotations

import asyncio
import math
from types import FunctionType
from typing import Final

import aiohttp
import aiohttp.client
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from lambdacore_async.engine.bodies import read_body, read_whole
from lambdacore_async.engine.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: A larger body may fill the socket's buffer; a session knows how to wait for that.
MAX_SENT: Final = 64 * 1024
#: What asyncio may read at once, it allocates for each read: 256 KiB, if nobody says less.
_READ: Final = 64 * 1024
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


class FastLane:
    """Sends requests on the connections of one pool.

    Args:
        connector: the pool; it is not closed here.
    """

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._loop = asyncio.get_running_loop()
        self._deadlines = _Deadlines(self._loop)
        self._destinations: dict[str, _Destination] = {}

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """Send a signed request as it stands, and read the whole answer.

        Raises:
            aiohttp.ClientError: no complete answer came.
            aiohttp.http_exceptions.HttpProcessingError: what came is not HTTP.
            TimeoutError: it did not come in time.
            ResponseError: the answer is too large.
        """
        started = self._loop.time()
        message = _serialized(request)
        destination = self._destination(endpoint.url, timeout)
        try:  # an idle connection, or a new one
            connection = await self._connector.connect(destination, [], destination.limits)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error
        protocol, pipe = connection.protocol, connection.transport
        if protocol is None or pipe is None:  # it was closed as soon as it was made
            connection.close()
            raise aiohttp.ServerDisconnectedError
        exchange = _Exchange(protocol, timeout, started, self._loop)
        self._deadlines.add(exchange)
        if hasattr(pipe, "max_size"):  # of asyncio's own plain sockets; they do not document it
            setattr(pipe, "max_size", _READ)  # noqa: B010 - no type has it
        try:
            protocol.set_response_params()
            pipe.write(message)
            head, stream = await protocol.read()
            while 100 <= head.code < 200:  # an interim answer; the real one follows
                head, stream = await protocol.read()
            exchange.stream = stream
            if stream.is_eof():  # as nearly always
                body = read_whole(stream, head.code, head.headers)
            else:
                body = await read_body(stream, head.code, head.headers, exchange.extend)
        except BaseException:
            connection.close()
            raise
        finally:
            self._deadlines.discard(exchange)
        connection.release()
        return Response(head.code, head.headers, body)

    def close(self) -> None:
        """Stop the timer."""
        self._deadlines.close()

    def _destination(self, url: str, timeout: Timeout) -> _Destination:
        destination = self._destinations.get(url)
        if destination is None:
            destination = self._destinations[url] = _Destination(url, self._loop)
        if destination.timeout is not timeout:
            destination.limit(timeout)
        return destination


class _Destination(aiohttp.ClientRequest):
    """What the pool knows an endpoint by is a request to it; this one is never sent."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__("GET", URL(url, encoded=True), loop=loop)
        self._connection_key = super().connection_key
        self.timeout: Timeout | None = None
        self.limits = aiohttp.ClientTimeout()

    def limit(self, timeout: Timeout) -> None:
        """Set for how long those who send next wait for a connection."""
        self.timeout = timeout
        self.limits = aiohttp.ClientTimeout(connect=timeout.attempt, sock_connect=timeout.connect)

    @property
    def connection_key(self) -> ConnectionKey:
        """Where connections must lead to that can be taken; the base class makes it each time."""
        return self._connection_key


def _serialized(request: Request) -> bytes:
    """The request's bytes.

    Raises:
        ValueError: a line has a line break in it.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body
    if body or request.method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    text = "".join(lines)
    if "\n" in text or "\r" in text:
        raise ValueError("a line break in a request's headers")
    lines += ("", "")
    head = "\r\n".join(lines).encode()
    return head + body if body else head


class _Exchange:
    """A request under way on a connection, and when its answer is due."""

    __slots__ = ("_attempt_due", "_loop", "_protocol", "_read", "due", "stream")

    def __init__(
        self,
        protocol: ResponseHandler,
        timeout: Timeout,
        started: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._protocol = protocol
        self._read = math.inf if timeout.read is None else timeout.read
        self._attempt_due = math.inf if timeout.attempt is None else started + timeout.attempt
        self._loop = loop
        self.stream: aiohttp.StreamReader | None = None
        self.extend()

    def extend(self) -> None:
        """Something came; the next part is due later, but not after the end of the attempt."""
        due, latest = self._loop.time() + self._read, self._attempt_due
        self.due = min(latest, due)

    def expire(self) -> None:
        """Let whoever awaits the answer know that it is late."""
        error: Exception = aiohttp.SocketTimeoutError()
        if self.due == self._attempt_due:
            error = TimeoutError()
        self._protocol.set_exception(error)
        if self.stream is not None:
            self.stream.set_exception(error)


class _Deadlines:
    """One timer for all exchanges, since hardly any is ever late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: dict[_Exchange, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def add(self, exchange: _Exchange) -> None:
        """Watch an exchange; `extend` may put its deadline off, unseen."""
        self._pending[exchange] = None
        if exchange.due < self._fires_at:
            self._set_timer(exchange.due)

    def discard(self, exchange: _Exchange) -> None:
        """Watch it no longer."""
        del self._pending[exchange]

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self, when: float) -> None:
        self.close()
        self._fires_at = when
        self._timer = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        self._fires_at = math.inf
        now = self._loop.time()
        for exchange in self._pending:
            if exchange.due <= now:
                exchange.expire()
        later = [exchange.due for exchange in self._pending if now < exchange.due < math.inf]
        if later:
            self._set_timer(min(later))
