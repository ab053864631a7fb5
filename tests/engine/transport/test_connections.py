"""Exchanges on one direct connection, compared with aiohttp's own protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.engine.transport.connections import DirectConnection
from lambdacore_async.engine.transport.pool import Guard
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.http1 import MalformedResponseError
from lambdacore_async.protocol.messages import Request, Response
from support.generation import thorough
from support.leaks import settle
from support.wire import http

ROOM: Final = 256


class Socket(asyncio.Transport):
    """A transport without a network; the test provides the data that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def read(self, data: bytes) -> None:
        """Deliver bytes to the protocol."""
        protocol = self.protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            memoryview(protocol.get_buffer(-1))[: len(data)] = data
            protocol.buffer_updated(len(data))
        else:
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)


class Lease:
    """A leased connection that records how its lease ended."""

    def __init__(self) -> None:
        self.transport = Socket()
        self.protocol = ResponseHandler(asyncio.get_running_loop())
        self.transport.set_protocol(self.protocol)
        self.protocol.connection_made(self.transport)
        self.ended: str | None = None

    def close(self) -> None:
        self.ended = "closed"
        self.transport.close()

    def release(self) -> None:
        self.ended = "released"


def leased() -> tuple[DirectConnection, Lease]:
    lease: Any = Lease()
    pool: Any = None  # a guard uses its clocks only between leases
    guard = Guard(pool, lease.protocol, lease.transport)
    lease.transport.set_protocol(guard)
    loop = asyncio.get_running_loop()
    return DirectConnection(lease, guard, memoryview(bytearray(ROOM)), loop), lease


async def outcome(reading: Coroutine[Any, Any, Response], has_ended: Callable[[], bool]) -> object:
    """Return the response and whether the connection has ended, an error's class, or `None`."""
    task = asyncio.create_task(reading)
    await settle()
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return None
    if (error := task.exception()) is not None:
        return type(error)
    response = task.result()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return response.status, headers, response.body, has_ended()


REQUEST: Final = Request("GET", "/", {}, max_response=2**20)


async def by_direct_connection(parts: list[bytes], *, closed: bool) -> object:
    """Return the outcome of an exchange on a direct connection that receives these parts."""
    connection, lease = leased()
    pending = connection.send(REQUEST, Timeout(), 0)

    async def read() -> Response:
        return await pending

    for part in parts:
        lease.transport.read(part)
    if closed:
        connection.connection_lost(None)
    return await outcome(read(), lambda: connection.ended)


async def by_aiohttp(parts: list[bytes], *, closed: bool) -> object:
    """Return the outcome of the same exchange with aiohttp's own protocol."""
    lease = Lease()
    handler = lease.protocol
    handler.set_response_params(read_until_eof=True)

    async def read() -> Response:
        head, stream = await handler.read()
        while 100 <= head.code < 200:
            head, stream = await handler.read()
        return Response(head.code, head.headers, await stream.read())

    for part in parts:
        lease.transport.read(part)
    if closed:
        handler.connection_lost(None)
    return await outcome(read(), lambda: handler.should_close)


RESPONSES: Final = (
    http(b'{"a": 1}', "X-Amzn-RequestId: id-1"),
    http(b"", "Connection: keep-alive"),
    http(b"x" * 200),
    http(b"x" * 2 * ROOM),
    http(b"{}", "Connection: close"),
    http(b"", status="204 No Content"),
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"HTTP/1.1 103 Early Hints\r\n\r\n" + http(b"{}"),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
)
BROKEN: Final = (
    http(b"{}", length=3),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz",
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
)


def in_parts(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({*cuts, *range(0, len(data), ROOM), len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False) if data[a:b]]


@thorough
@given(
    data=st.sampled_from(RESPONSES),
    cuts=st.lists(st.integers(0, 2 * ROOM), max_size=4),
    closed=st.booleans(),
)
def test_a_response_split_anywhere_is_what_aiohttp_reads(
    data: bytes, cuts: list[int], closed: bool
) -> None:
    parts = in_parts(data, cuts)
    assert asyncio.run(by_direct_connection(parts, closed=closed)) == asyncio.run(
        by_aiohttp(parts, closed=closed)
    )


@thorough
@given(data=st.sampled_from(BROKEN), cuts=st.lists(st.integers(0, 2 * ROOM), max_size=4))
def test_a_broken_response_is_an_error_wherever_it_is_split(data: bytes, cuts: list[int]) -> None:
    assert (
        asyncio.run(by_direct_connection(in_parts(data, cuts), closed=True))
        is MalformedResponseError
    )


async def test_unsolicited_data_ends_the_connection() -> None:
    connection, lease = leased()
    lease.transport.read(http(status="408 Request Timeout"))
    assert (connection.ended, lease.ended) == (True, "closed")


async def test_a_response_to_a_cancelled_request_is_dropped() -> None:
    connection, lease = leased()
    pending = connection.send(REQUEST, Timeout(), 0)
    pending.cancel()
    lease.transport.read(http())
    lease.transport.read(http())
    assert connection.ended
    connection.close()
    assert lease.ended == "closed"


@pytest.mark.parametrize("ended", [False, True])
async def test_a_released_connection_is_guarded_again_unless_it_has_ended(ended: bool) -> None:
    connection, lease = leased()
    assert lease.transport.protocol is connection
    if ended:
        connection.eof_received()
    connection.release()
    assert lease.ended == ("closed" if ended else "released")
    assert isinstance(lease.transport.protocol, DirectConnection if ended else Guard)


async def test_a_received_response_does_not_time_out() -> None:
    connection, lease = leased()
    pending = connection.send(REQUEST, Timeout(attempt=10), 0)
    lease.transport.read(http())
    connection.expire()
    assert await pending is not None
    assert lease.protocol.exception() is None


@pytest.mark.parametrize("cut", [45, 38, 40])
async def test_data_after_a_response_ends_the_connection(cut: int) -> None:
    data = http(b"{}") + b"more"
    found = await by_direct_connection(
        [part for part in (data[:cut], data[cut:]) if part], closed=False
    )
    assert found == (200, {"content-length": "2"}, b"{}", True)


async def test_an_error_of_the_connection_fails_the_exchange() -> None:
    connection, _ = leased()
    pending = connection.send(REQUEST, Timeout(), 0)
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await pending
    assert connection.ended


async def test_flow_control_does_not_end_a_connection() -> None:
    connection, lease = leased()
    connection.pause_writing()
    connection.resume_writing()
    assert not connection.ended
    guard = connection._guard
    guard.pause_writing()
    assert lease.protocol._paused
    guard.resume_writing()
    assert not lease.protocol._paused
