"""Direct connections: exchanges on connections leased from the pool, with deadlines."""

from __future__ import annotations

import asyncio
import math

import aiohttp
from aiohttp.connector import Connection

from lambdacore_async.engine.transport.pool import Guard
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.http1 import ResponseReader, serialize
from lambdacore_async.protocol.messages import Request, Response


class DirectConnection(asyncio.BufferedProtocol):
    """A leased connection that carries one exchange after another.

    Until the lease ends, it replaces the pool's `Guard` as the protocol of the transport.

    Args:
        lease: the connection, as the pool leased it.
        guard: the pool's protocol of the connection.
        buffer: receives data from the transport. All connections of a loop can share one, because
            it is read immediately.
        loop: event loop of the connection.

    Attributes:
        transport: the connection's transport.
        due: deadline for the next part of the response or for all of it, in loop time.
        ended: whether the connection can carry no further request.
        idle_since: end of the last exchange, as `Pool.now` returned it.
    """

    __slots__ = (
        "_attempt_due",
        "_buffer",
        "_guard",
        "_lease",
        "_loop",
        "_pending",
        "_read_timeout",
        "_reader",
        "due",
        "ended",
        "idle_since",
        "transport",
    )

    def __init__(
        self, lease: Connection, guard: Guard, buffer: memoryview, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._lease, self._guard = lease, guard
        self.transport: asyncio.Transport = guard.transport
        self._buffer = buffer
        self._loop = loop
        self._reader = ResponseReader()
        self._pending: asyncio.Future[Response] | None = None
        self.due: float = math.inf
        self._read_timeout = self._attempt_due = math.inf
        self.ended: bool = False
        self.idle_since: tuple[float, float] = (0.0, 0.0)
        self.transport.set_protocol(self)

    def send(self, request: Request, timeout: Timeout, started: float) -> asyncio.Future[Response]:
        """Send a request; return the future of its response.

        Args:
            request: the signed request.
            timeout: its `read` and `attempt` limits apply.
            started: start of the attempt, in loop time.

        Raises:
            ValueError: if a line of the request contains a line break.
        """
        self._read_timeout = math.inf if timeout.read is None else timeout.read
        self._attempt_due = math.inf if timeout.attempt is None else started + timeout.attempt
        self.due = min(self._attempt_due, started + self._read_timeout)
        self._reader.expect(request.max_response)
        self._pending = pending = self._loop.create_future()
        self.transport.write(serialize(request))
        return pending

    def expire(self) -> None:
        """Fail the pending exchange with a timeout."""
        late = self.due == self._attempt_due
        self._finish(TimeoutError() if late else aiohttp.SocketTimeoutError())

    def release(self) -> None:
        """Return the connection to the pool, or close it if it has ended."""
        if self.ended:
            self.close()
        else:
            self._guard.idle_since = self.idle_since
            self.transport.set_protocol(self._guard)
            self._lease.release()

    def close(self) -> None:
        """Close the connection and end the lease."""
        self.ended = True
        self._lease.close()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the buffer is large enough
        """See `asyncio.BufferedProtocol`."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if self._pending is None:  # unsolicited data
            self.close()
            return
        try:
            response = self._reader.feed(self._buffer[:nbytes])
        except Exception as error:  # noqa: BLE001 - raised where the response is awaited
            self._finish(error)
        else:
            if response is None:
                self._extend()
            else:
                self._finish(response)

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._end(exc)
        self._guard.connection_lost(exc)

    def _end(self, error: Exception | None) -> None:
        """Finish the exchange when the connection ends, which may complete the body."""
        self.ended = True
        if self._pending is None:
            return
        try:
            response = None if error is not None else self._reader.end()
        except Exception as problem:  # noqa: BLE001 - raised where the response is awaited
            self._finish(problem)
        else:
            self._finish(response or error or aiohttp.ServerDisconnectedError())

    def _finish(self, result: Response | Exception) -> None:
        """End the exchange with a response or an error; do nothing if it was cancelled."""
        pending, self._pending = self._pending, None
        failed = isinstance(result, Exception)
        self.ended = self.ended or failed or not self._reader.keep_alive
        if pending is None or pending.done():
            return
        if isinstance(result, Exception):
            pending.set_exception(result)
        else:
            pending.set_result(result)

    def _extend(self) -> None:
        """Set the deadline for the next part of the response."""
        self.due = min(self._attempt_due, self._loop.time() + self._read_timeout)


class Deadlines:
    """One timer for the deadlines of all exchanges, few of which are ever reached.

    Attributes:
        pending: connections with a pending exchange.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.pending: dict[DirectConnection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def add(self, connection: DirectConnection) -> None:
        """Watch the exchange on a connection; its deadline may still move to a later time."""
        self.pending[connection] = None
        if connection.due < self._fires_at:
            self._set_timer(connection.due)

    def discard(self, connection: DirectConnection) -> None:
        """Stop watching a connection."""
        self.pending.pop(connection, None)

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
        for connection in self.pending:
            if connection.due <= now:
                connection.expire()
        later = [x.due for x in self.pending if now < x.due < math.inf]
        if later:
            self._set_timer(min(later))
