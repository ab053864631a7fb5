"""A connection leased from aiohttp's pool: one exchange after another, each with a deadline."""

from __future__ import annotations

import asyncio
import math

import aiohttp
from aiohttp.connector import Connection

from lambdacore_async.engine.transport.pool import Guard
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.http1 import ResponseReader, serialized
from lambdacore_async.protocol.messages import Request, Response


class DirectConnection(asyncio.BufferedProtocol):
    """Receives from a connection's transport, in place of aiohttp's protocol, during a lease.

    Args:
        lease: what the pool gave.
        guard: the connection's protocol while it is in the pool.
        buffer: where the transport puts what it reads. All connections of a loop can share one,
            because it is emptied at once.
        loop: the event loop of the connection.

    Attributes:
        due: when the response has to be complete or the next part of it received, in loop time.
        ended: nothing more can be sent here.
        idle_since: the end of its last exchange, on the pool's clocks.
    """

    __slots__ = (
        "_attempt_due",
        "_buffer",
        "_guard",
        "_lease",
        "_loop",
        "_read_timeout",
        "_reader",
        "_response",
        "_transport",
        "due",
        "ended",
        "idle_since",
    )

    def __init__(
        self, lease: Connection, guard: Guard, buffer: memoryview, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._lease, self._guard, self._transport = lease, guard, guard.transport
        self._buffer = buffer
        self._loop = loop
        self._reader = ResponseReader()
        self._response: asyncio.Future[Response] | None = None
        self._read_timeout = self._attempt_due = self.due = math.inf
        self.ended = False
        self.idle_since = (0.0, 0.0)
        self._transport.set_protocol(self)

    def send(self, request: Request, timeout: Timeout, started: float) -> asyncio.Future[Response]:
        """Send a request.

        Args:
            request: what to send.
            timeout: how long the response may take.
            started: when the attempt began, in loop time.
        """
        self._read_timeout = math.inf if timeout.read is None else timeout.read
        self._attempt_due = math.inf if timeout.attempt is None else started + timeout.attempt
        self._extend()
        self._reader.expect(request.max_response)
        self._response = response = self._loop.create_future()
        self._transport.write(serialized(request))
        return response

    def expire(self) -> None:
        """Fail the pending exchange with a timeout."""
        late = self.due == self._attempt_due
        self._fail(TimeoutError() if late else aiohttp.SocketTimeoutError())

    def give_back(self) -> None:
        """End the lease: the pool closes the connection, or keeps it for a later request."""
        if self.ended:
            self.close()
        else:
            self._guard.idle_since = self.idle_since
            self._transport.set_protocol(self._guard)
            self._lease.release()

    def close(self) -> None:
        """Close the connection, which ends the lease too."""
        self.ended = True
        self._lease.close()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is large enough
        """See `asyncio.BufferedProtocol`."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if self._response is None:  # no request is pending
            self.close()
            return
        try:
            response = self._reader.feed(self._buffer[:nbytes])
        except Exception as error:  # noqa: BLE001 - raised where the response is awaited
            self._fail(error)
        else:
            if response is None:
                self._extend()
            else:
                self._complete(response)

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._end(exc)
        self._guard.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.BufferedProtocol`."""

    def resume_writing(self) -> None:
        """See `asyncio.BufferedProtocol`."""

    def _end(self, error: Exception | None) -> None:
        self.ended = True
        if self._response is None:
            return
        try:
            response = None if error is not None else self._reader.end()
        except Exception as problem:  # noqa: BLE001 - raised where the response is awaited
            self._fail(problem)
        else:
            if response is None:
                self._fail(error or aiohttp.ServerDisconnectedError())
            else:
                self._complete(response)

    def _complete(self, response: Response) -> None:
        self.ended = self.ended or not self._reader.keep_alive
        pending, self._response = self._response, None
        if pending is not None and not pending.done():  # a cancelled one is
            pending.set_result(response)

    def _fail(self, error: Exception) -> None:
        self.ended = True
        pending, self._response = self._response, None
        if pending is not None and not pending.done():
            pending.set_exception(error)

    def _extend(self) -> None:
        """Something was received: the next part is due later, but not after the attempt's end."""
        due, latest = self._loop.time() + self._read_timeout, self._attempt_due
        self.due = min(latest, due)


class Deadlines:
    """One timer for all exchanges, since hardly any is ever late.

    Attributes:
        pending: the connections with an exchange under way.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.pending: dict[DirectConnection, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = math.inf

    def add(self, connection: DirectConnection) -> None:
        """Watch the exchange on a connection; its deadline may be put off later, unseen."""
        self.pending[connection] = None
        if connection.due < self._fires_at:
            self._set_timer(connection.due)

    def discard(self, connection: DirectConnection) -> None:
        """Watch it no longer."""
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
