"""The pool: idle connections are neither stale nor hold unsolicited data, and names resolve."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest

from lambdacore_async import TransportError
from lambdacore_async.engine.transport import direct, pool
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request
from support.certificates import server_context, trusting_context
from support.leaks import cancel_at, other_tasks, settle
from support.wire import Script, Step, http, talking, wire

pytestmark = pytest.mark.on_both_loops


@pytest.fixture(autouse=True, params=["direct connection", "session"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test on both paths."""
    monkeypatch.setattr(direct, "_KNOWN_SERIES", request.param == "direct connection")


@pytest.fixture
async def transport() -> AsyncGenerator[AiohttpTransport]:
    transport = AiohttpTransport(ssl_context=trusting_context)
    yield transport
    await transport.close()


async def reply(transport: AiohttpTransport, endpoint: Endpoint) -> str:
    """Send a request and return the body of the response, which identifies the script."""
    request = Request("POST", "/", {"host": endpoint.host}, None)
    return (await transport.send(endpoint, request, Timeout())).body.decode()


def set_time_of_day(transport: AiohttpTransport, ahead: float) -> None:
    assert transport._session is not None
    connections = transport._session.connector
    assert isinstance(connections, pool.Pool)
    connections._time_of_day = lambda: time.time() + ahead


def set_loop_time(transport: AiohttpTransport, ahead: float) -> None:
    """Advance the loop's clock, as if the loop had not run for a while."""
    loop: Any = asyncio.get_running_loop()
    own: Callable[[], float] = loop.time

    def moved() -> float:
        return own() + ahead

    try:
        loop.time = moved
    except AttributeError:
        pytest.skip("the clock of uvloop cannot be set")


Setter = Callable[[AiohttpTransport, float], None]


@pytest.mark.parametrize("set_time", [set_time_of_day, set_loop_time])
@pytest.mark.parametrize(("seconds", "connections"), [(0, 1), (14, 1), (20.5, 2), (100_000, 2)])
async def test_a_connection_that_was_idle_for_too_long_is_not_used(
    transport: AiohttpTransport, set_time: Setter, seconds: float, connections: int
) -> None:
    async with wire([http(b"1")], [http(b"2")]) as peer:
        assert await reply(transport, peer.endpoint) == "1"
        set_time(transport, seconds)
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == connections


async def test_a_clock_that_is_set_back_does_not_hide_a_connections_age(
    transport: AiohttpTransport,
) -> None:
    async with wire([http(b"1")], [http(b"2")]) as peer:
        assert await reply(transport, peer.endpoint) == "1"
        set_time_of_day(transport, -100_000)
        set_loop_time(transport, 21)
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 2


async def test_all_connections_that_were_idle_for_too_long_are_closed(
    transport: AiohttpTransport,
) -> None:
    held: Script = [Step.GO, http(b"1")]
    async with wire(held, held, [http(b"2")]) as peer:
        calls = [asyncio.create_task(reply(transport, peer.endpoint)) for _ in range(2)]
        await peer.requested()
        await settle()
        peer.go.set()
        assert await asyncio.gather(*calls) == ["1", "1"]
        set_time_of_day(transport, 21)
        assert await reply(transport, peer.endpoint) == "2"
        await settle()
        assert (peer.connections, len(peer._open)) == (3, 1)


async def test_the_age_includes_the_time_that_the_direct_transport_held_a_connection(
    transport: AiohttpTransport,
) -> None:
    async with wire([http(b"1")], [http(b"2")]) as peer:
        assert await reply(transport, peer.endpoint) == "1"
        set_time_of_day(transport, 10)
        if transport._direct is not None:
            transport._direct._release_idle()
        set_time_of_day(transport, 21)
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 2


@pytest.mark.parametrize(
    "unsolicited",
    [
        pytest.param(http(b"late", status="408 Request Timeout"), id="a response"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: ", id="part of a response"),
        pytest.param(b"garbage\r\n\r\n", id="garbage"),
    ],
)
@pytest.mark.parametrize("holder", ["direct transport", "pool"])
@pytest.mark.parametrize("tls", [False, True])
async def test_unsolicited_data_fails_no_request(
    transport: AiohttpTransport, unsolicited: bytes, holder: str, tls: bool
) -> None:
    script: Script = [http(b"1"), Step.GO, unsolicited]
    context = server_context() if tls else None
    async with wire(script, [http(b"2")], [http(b"3")], tls=context) as peer:
        assert await reply(transport, peer.endpoint) == "1"
        if holder == "pool" and transport._direct is not None:
            transport._direct._release_idle()
        peer.go.set()
        await peer.disconnected()
        assert await reply(transport, peer.endpoint) == "2"
        assert await reply(transport, peer.endpoint) == "3"
        assert (peer.connections, len(peer.requests)) == (2, 3)


async def test_a_second_response_ends_the_connection(transport: AiohttpTransport) -> None:
    async with wire([http(b"1") + http(b"late")], [http(b"2")]) as peer:
        assert await reply(transport, peer.endpoint) == "1"
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 2


class Listener:
    """A server in its own thread, which can send data while the client's loop is not running."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.go, self.gone = threading.Event(), threading.Event()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        self.endpoint = Endpoint(f"http://{host}", host)

    def serve(self, last: bytes) -> None:
        first, _ = self._listener.accept()
        with first:
            first.recv(1000)
            first.sendall(http(b"1"))
            self.go.wait()
            first.sendall(last)
            first.shutdown(socket.SHUT_WR)
            self.gone.set()
            second, _ = self._listener.accept()
            with second:
                second.recv(1000)
                second.sendall(http(b"2"))


@contextmanager
def listening(last: bytes) -> Generator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as opened, ThreadPoolExecutor(1) as executor:
        listener = Listener(opened)
        serving = executor.submit(listener.serve, last)
        yield listener
        serving.result()


@pytest.mark.parametrize("last", [http(b"late"), b""])
def test_data_that_arrives_while_the_loop_is_stopped_fails_no_request(last: bytes) -> None:
    with listening(last) as listener, asyncio.Runner() as runner:
        transport = AiohttpTransport()
        assert runner.run(reply(transport, listener.endpoint)) == "1"
        listener.go.set()
        listener.gone.wait()
        set_time_of_day(transport, 1)
        assert runner.run(reply(transport, listener.endpoint)) == "2"
        runner.run(transport.close())


async def test_a_server_that_sends_data_before_a_request_is_refused(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = aiohttp.TCPConnector.connect

    async def slowly(*args: Any, **options: Any) -> Any:
        lease = await connect(*args, **options)
        await settle()
        return lease

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http(b"greeting"))
        await reader.read()

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slowly)
    async with talking(greet) as host:
        with pytest.raises(
            TransportError, match="a new connection was closed or received data"
        ) as caught:
            await reply(transport, Endpoint(f"http://{host}", host))
    assert (caught.value.transient, caught.value.not_executed) == (True, True)


async def test_cancelling_while_a_connection_is_checked_leaves_the_pool_usable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "_may_have_data", bool)
    transport = AiohttpTransport(max_connections=1)
    async with wire(*[[http()]] * 20) as peer:
        await reply(transport, peer.endpoint)
        if transport._direct is not None:
            transport._direct._release_idle()
        set_time_of_day(transport, 1)
        step = 0
        while await cancel_at(step, reply(transport, peer.endpoint)):
            step += 1
            if transport._direct is not None:
                transport._direct._release_idle()
        assert step > 2
        assert await reply(transport, peer.endpoint) == "{}"
        await transport.close()
    await settle()
    assert other_tasks() == set()


@pytest.mark.parametrize("platform", ["linux", "win32"])
async def test_the_loop_runs_only_where_an_idle_connection_may_have_data(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    mine, peer = socket.socketpair()
    transport = Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = mine
    with mine, peer:
        assert pool._may_have_data([transport]) is (platform == "win32")
        peer.send(b"late")
        assert pool._may_have_data([transport])
    assert pool._may_have_data([transport])  # the socket is closed
    transport.get_extra_info.return_value = None
    assert pool._may_have_data([transport])


# Name resolution


async def test_names_resolve_while_the_default_executor_is_busy(
    transport: AiohttpTransport,
) -> None:
    free = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        blocked = asyncio.create_task(asyncio.to_thread(free.wait))
        async with wire([http(b"1")]) as peer:
            host = f"localhost:{peer.port}"
            assert await reply(transport, Endpoint(f"http://{host}", host)) == "1"
        free.set()
        await blocked


Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[object]]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
@pytest.mark.parametrize("family", [socket.AF_UNSPEC, socket.AF_INET])
async def test_names_resolve_as_in_aiohttp(host: str, family: socket.AddressFamily) -> None:
    async def result(look_up: Lookup) -> object:
        try:
            return await look_up(host, 443, family)
        except socket.gaierror as error:
            return error.errno

    threaded: Lookup = aiohttp.ThreadedResolver().resolve
    assert await result(pool._Resolver().resolve) == await result(threaded)


def test_a_link_local_address_keeps_its_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = socket.if_nametoindex("lo")
    found = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", 443, 0, zone))
    monkeypatch.setattr(socket, "getaddrinfo", Mock(return_value=[found]))
    (address,) = pool._addresses("name", 443, socket.AF_UNSPEC)
    assert address["host"] == "fe80::1%lo"


def test_an_address_of_an_unsupported_family_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (10, b"raw"))
    monkeypatch.setattr(socket, "getaddrinfo", Mock(return_value=[lacking]))
    assert pool._addresses("name", 443, socket.AF_UNSPEC) == []


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\udcff"])
def test_an_invalid_name_does_not_resolve(host: str) -> None:
    with pytest.raises(socket.gaierror) as caught:
        pool._addresses(host, 443, socket.AF_UNSPEC)
    assert caught.value.errno == socket.EAI_NONAME


@pytest.mark.parametrize(
    ("platform", "host", "resolves"),
    [
        ("win32", "localhost", True),
        ("win32", "LocalHost.", True),
        ("win32", "example", False),
        ("linux", "localhost", False),
    ],
)
def test_localhost_resolves_on_windows_while_the_machine_is_offline(
    monkeypatch: pytest.MonkeyPatch, platform: str, host: str, resolves: bool
) -> None:
    def offline(*_: object, flags: int = 0, **__: object) -> list[object]:
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "offline")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(socket, "getaddrinfo", offline)
    if resolves:
        assert [found["host"] for found in pool._addresses(host, 80, socket.AF_INET)] == [
            "127.0.0.1"
        ]
    else:
        with pytest.raises(socket.gaierror):
            pool._addresses(host, 80, socket.AF_INET)
