"""A connection leased from aiohttp's pool: one exchange after another, each due in time."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import aiohttp
from aiohttp.connector import Connection

from lambdacore_async.engine.transport.bodies import read_body
from lambdacore_async.engine.transport.pool import MAX_RECEIVED, Guard, OverlongResponseError
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.http1 import read_plain
from lambdacore_async.protocol.messages import Response

#: Heads of one answer: interim answers, such as early hints, and its own.
_MAX_HEADS: Final = 100


class DirectConnection(asyncio.BufferedProtocol):
    """Stands between the transport and aiohttp's protocol for as long as the lease lasts.

    It reads plain answers itself. All others it passes on to aiohttp's protocol, which parses them
    from their first byte. What comes without having been asked for ends the connection.

    Args:
        lease: what the pool gave.
        guard: the connection's protocol while it is in the pool.
        buffer: where the transport puts what it reads. All connections of a loop may have the same
            one: it is emptied at once.

    Attributes:
        due: when the answer has to be there, in the loop's time.
        ended: nothing more can be asked here.
        idle_since: when the last exchange ended, by the pool's clocks.
    """

    __slots__ = (
        "_allowance",
        "_answer",
        "_attempt_due",
        "_buffer",
        "_came",
        "_failure",
        "_guard",
        "_handler",
        "_lease",
        "_limit",
        "_loop",
        "_passes_on",
        "_read",
        "_size",
        "_stream",
        "_transport",
        "due",
        "ended",
        "idle_since",
    )

    def __init__(
        self, lease: Connection, guard: Guard, buffer: memoryview, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._lease, self._guard = lease, guard
        self._handler, self._transport = guard.handler, guard.transport
        self._buffer = buffer
        self._loop = loop
        self._answer: asyncio.Future[Response | None] | None = None
        self._came, self._size = bytearray(), 0
        self._limit = self._allowance = 0
        self._stream: aiohttp.StreamReader | None = None
        self._failure: Exception | None = None
        self._read = self._attempt_due = self.due = math.inf
        self._passes_on = self.ended = False
        self.idle_since = (0.0, 0.0)
        self._transport.set_protocol(self)

    def ask(
        self, message: bytes, limit: int, timeout: Timeout, started: float
    ) -> asyncio.Future[Response | None]:
        """Send a request.

        Args:
            message: its bytes.
            limit: the number of bytes that the body of its answer may have.
            timeout: how long its answer may take.
            started: the time from which on an attempt counts.

        Returns:
            What will be the answer, or `None`: then it is for `read` to read.
        """
        self._limit = limit
        self._read = math.inf if timeout.read is None else timeout.read
        self._attempt_due = math.inf if timeout.attempt is None else started + timeout.attempt
        self._extend()
        self._answer = answer = self._loop.create_future()
        self._transport.write(message)
        return answer

    async def read(self) -> Response:
        """Read an answer that is not plain.

        Raises:
            aiohttp.ClientError: no complete answer came, or its body is too long.
            aiohttp.http_exceptions.HttpProcessingError: what came is not HTTP.
            TimeoutError: it did not come in time.
        """
        for _ in range(_MAX_HEADS):
            head, stream = await self._handler.read()
            if not 100 <= head.code < 200 or head.code == 101:  # else it is an interim answer
                break
        else:
            raise OverlongResponseError
        self._stream = stream
        if self._failure is not None:  # it came after the head, but before the stream was known
            raise self._failure
        body = await read_body(stream, head.code, head.headers, self._limit, self._extend)
        self._stream = None
        self._passes_on = False
        self.ended = self.ended or self._handler.should_close
        return Response(head.code, head.headers, body)

    def expire(self) -> None:
        """Fail the exchange with a timeout."""
        self._fail(
            TimeoutError() if self.due == self._attempt_due else aiohttp.SocketTimeoutError()
        )

    def give_back(self) -> None:
        """End the lease: the pool closes the connection, or keeps it for the next request."""
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
        data = bytes(self._buffer[:nbytes])
        if self._passes_on:
            self._hand_over(data)
        elif self._answer is None:
            self.close()
        else:
            self._receive(data)

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self.ended = True
        self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BufferedProtocol`."""
        self.ended = True
        if self._came:
            self._pass_on(bytes(self._came))
        self._handler.connection_lost(exc)
        if isinstance(exc, OSError) and not self._passes_on:
            self._fail(exc)
        self._complete(None)

    def pause_writing(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._handler.resume_writing()

    def _receive(self, data: bytes) -> None:
        if self._came:  # the head was plain, and in parts the rest of the body arrives
            self._came += data
            if len(self._came) < self._size:
                self._extend()
                return
            data = bytes(self._came)
            self._came = bytearray()
        plain = read_plain(data, self._limit)
        if plain is None:
            self._pass_on(data)
            return
        response, missing = plain
        if not missing:
            self._complete(response)
        elif 0 < missing <= len(self._buffer):
            self._came, self._size = bytearray(data), len(data) + missing
            self._extend()
        else:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        """Leave the answer to aiohttp's protocol, from its first byte on."""
        self._came = bytearray()
        self._passes_on = True
        self._allowance = MAX_RECEIVED
        self._extend()
        # A body without a length ends with the connection.
        self._handler.set_response_params(read_until_eof=True)
        self._hand_over(data)
        self._complete(None)

    def _hand_over(self, data: bytes) -> None:
        self._allowance -= len(data)
        if self._allowance < 0:
            self._fail(OverlongResponseError())
            self.close()
        else:
            self._handler.data_received(data)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        if self._passes_on:
            self._handler.set_exception(error)
        if self._stream is not None:
            self._stream.set_exception(error)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def _complete(self, response: Response | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():  # a cancelled one is
            answer.set_result(response)

    def _extend(self) -> None:
        """Something came; the next part is due later, but not after the end of the attempt."""
        due, latest = self._loop.time() + self._read, self._attempt_due
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
