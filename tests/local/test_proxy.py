"""The fault proxy: what it forwards, and how it breaks connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Literal, Self

import pytest

from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.local import FaultProxy, LocalLambdaCore
from lambdacore_async.local.faults import flush, reset
from lambdacore_async.local.proxy import ConnectionFault
from local.clock import Sleeper
from support.aws_sdk import Sdk

Ending = Literal["closed", "reset"]


class Echo:
    """An echo server that records how its connections ended."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connected = asyncio.Event()
        self.endings: asyncio.Queue[Ending] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.connected.set()
        try:
            while part := await reader.read(2**16):
                self.received += part
                writer.write(part)
                await writer.drain()
        except ConnectionError:
            self.endings.put_nowait("reset")
        else:
            self.endings.put_nowait("closed")
        writer.close()


class Caller:
    """A client connection to a proxy."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._address = proxy.endpoint_url.removeprefix("http://").split(":")

    async def __aenter__(self) -> Self:
        self._reader, self.writer = await asyncio.open_connection(*self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def ask(self, data: bytes) -> bytes:
        """Send data, and receive as many bytes."""
        self.writer.write(data)
        async with asyncio.timeout(5):
            return await self._reader.readexactly(len(data))

    async def rest(self) -> tuple[bytes, Ending]:
        """Return all data until the end of the connection, and how it ended."""
        data = b""
        async with asyncio.timeout(5):
            try:
                while part := await self._reader.read(2**16):
                    data += part
            except ConnectionError:
                return data, "reset"
        return data, "closed"


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with Echo() as echo:
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(echo.url) as proxy:
        yield proxy


def port_of(proxy: FaultProxy) -> int:
    return int(proxy.endpoint_url.rsplit(":", 1)[1])


async def test_bytes_are_forwarded_unchanged(proxy: FaultProxy, echo: Echo) -> None:
    data = bytes(range(256)) * 4000
    async with Caller(proxy) as caller:
        assert await caller.ask(data) == data
        assert (proxy.connections, proxy.accepted) == (1, 1)
        caller.writer.write_eof()
        assert await caller.rest() == (b"", "closed")
    assert echo.received == data
    assert await echo.endings.get() == "closed"


async def test_the_end_of_the_stream_is_forwarded(proxy: FaultProxy, echo: Echo) -> None:
    async with Caller(proxy) as caller:
        await echo.connected.wait()
        echo.writers[0].close()
        assert await caller.rest() == (b"", "closed")


async def test_a_reset_is_forwarded_to_the_other_side(proxy: FaultProxy, echo: Echo) -> None:
    async with Caller(proxy) as caller:
        await caller.ask(b"x")
        reset(caller.writer.transport)
        assert await echo.endings.get() == "reset"
    async with Caller(proxy) as caller:
        await caller.ask(b"x")
        reset(echo.writers[-1].transport)
        assert await caller.rest() == (b"", "reset")


async def test_a_connection_can_be_reset_on_accept(proxy: FaultProxy, echo: Echo) -> None:
    proxy.script(ConnectionFault(reset_on_accept=True))
    async with Caller(proxy) as caller:
        assert await caller.rest() == (b"", "reset")
    assert not echo.connected.is_set()
    async with Caller(proxy) as caller:
        assert await caller.ask(b"x") == b"x"


@pytest.mark.parametrize("limit", [0, 1, 1000, 100_000])
async def test_a_connection_is_reset_after_n_bytes_to_the_service(
    proxy: FaultProxy, echo: Echo, limit: int
) -> None:
    proxy.script(ConnectionFault(reset_after_sent=limit))
    async with Caller(proxy) as caller:
        caller.writer.write(b"x" * 200_000)
        data, ending = await caller.rest()
    assert ending == "reset"
    assert len(data) <= limit
    assert await echo.endings.get() == "reset"
    assert len(echo.received) == limit


@pytest.mark.parametrize("limit", [0, 1, 1000, 100_000])
async def test_a_connection_is_reset_after_n_bytes_from_the_service(
    proxy: FaultProxy, echo: Echo, limit: int
) -> None:
    proxy.script(ConnectionFault(reset_after_received=limit))
    async with Caller(proxy) as caller:
        caller.writer.write(b"x" * 200_000)
        assert await caller.rest() == (b"x" * limit, "reset")
    assert await echo.endings.get() == "reset"


async def test_a_script_comes_before_the_default(proxy: FaultProxy) -> None:
    proxy.default_fault = ConnectionFault(reset_after_received=1)
    proxy.script(ConnectionFault(reset_after_received=2)).script(
        ConnectionFault(reset_after_received=3)
    )
    lengths: list[int] = []
    for _ in range(4):
        async with Caller(proxy) as caller:
            caller.writer.write(b"xxxxx")
            lengths.append(len((await caller.rest())[0]))
    assert lengths == [2, 3, 1, 1]


async def test_a_rate_limit_slows_both_directions(echo: Echo) -> None:
    sleeper = Sleeper()
    async with FaultProxy(echo.url, sleep=sleeper) as proxy:
        proxy.default_fault = ConnectionFault(bytes_per_second=200)
        async with Caller(proxy) as caller:
            assert await caller.ask(b"x" * 100) == b"x" * 100
            caller.writer.write_eof()
            await caller.rest()
    # Twenty parts of ten bytes per second, in both directions.
    assert max(sleeper.sleeps) == 0.05
    assert sum(sleeper.sleeps) == pytest.approx(2 * 100 / 200)


async def test_the_lowest_rate_forwards_byte_by_byte(echo: Echo) -> None:
    sleeper = Sleeper()
    async with FaultProxy(echo.url, sleep=sleeper) as proxy:
        proxy.default_fault = ConnectionFault(bytes_per_second=0.5)
        async with Caller(proxy) as caller:
            await caller.ask(b"abc")
            caller.writer.write_eof()
            await caller.rest()
    assert sleeper.sleeps == [2.0] * 6


@pytest.mark.usefixtures("leaps")
async def test_a_stalled_proxy_forwards_nothing_until_it_resumes(
    proxy: FaultProxy, echo: Echo
) -> None:
    async with Caller(proxy) as caller:
        await caller.ask(b"a")
        proxy.stall()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await caller.ask(b"b")
        assert echo.received == b"a"
        async with Caller(proxy) as other:  # the proxy still accepts connections
            other.writer.write(b"c")
            proxy.resume()
            assert await caller.ask(b"") == b""
            assert await other.ask(b"") == b""
            async with asyncio.timeout(5):
                assert {await caller._reader.read(1), await other._reader.read(1)} == {b"b", b"c"}


async def test_a_proxy_that_refuses_connections_keeps_existing_ones(proxy: FaultProxy) -> None:
    async with Caller(proxy) as caller:
        await caller.ask(b"x")
        await proxy.refuse()
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await Caller(proxy).__aenter__()
        assert await caller.ask(b"y") == b"y"
        await proxy.come_up()
        await proxy.come_up()
        async with Caller(proxy) as other:
            assert await other.ask(b"z") == b"z"


async def test_an_outage_resets_all_connections_and_ends_on_the_same_port(
    proxy: FaultProxy, echo: Echo
) -> None:
    port = port_of(proxy)
    async with Caller(proxy) as first, Caller(proxy) as second:
        await first.ask(b"x")
        await second.ask(b"x")
        async with proxy.outage():
            assert await first.rest() == (b"", "reset")
            assert await second.rest() == (b"", "reset")
            assert proxy.connections == 0
            assert port_of(proxy) == port
            with pytest.raises(ConnectionRefusedError):
                await Caller(proxy).__aenter__()
    assert port_of(proxy) == port
    async with Caller(proxy) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_a_proxy_that_ends_during_an_outage_stays_down(echo: Echo) -> None:
    proxy = FaultProxy(echo.url)
    await proxy.__aenter__()
    port = port_of(proxy)
    async with proxy.outage():
        await proxy.__aexit__()
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0


async def test_connections_can_be_reset_without_an_outage(proxy: FaultProxy) -> None:
    async with Caller(proxy) as caller:
        await caller.ask(b"x")
        await proxy.disconnect()
        assert await caller.rest() == (b"", "reset")
    async with Caller(proxy) as caller:
        assert await caller.ask(b"x") == b"x"


async def test_a_connection_opened_while_the_proxy_goes_down_is_reset(echo: Echo) -> None:
    accepted: list[int] = []
    for iterations in range(8):  # of the event loop, between accepting and serving
        async with FaultProxy(echo.url) as proxy:
            with socket.create_connection(("127.0.0.1", port_of(proxy))) as connection:
                for _ in range(iterations):
                    await asyncio.sleep(0)
                await proxy.go_down()
                connection.settimeout(60)
                with pytest.raises(ConnectionResetError):
                    await asyncio.to_thread(connection.recv, 1)
            accepted.append(proxy.accepted)
            assert proxy.connections == 0
    assert set(accepted) == {0, 1}


async def test_a_service_that_cannot_be_reached_causes_a_reset() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with FaultProxy(url) as proxy, Caller(proxy) as caller:
            assert await caller.rest() == (b"", "reset")


async def test_a_proxy_leaves_no_task_and_no_socket(echo: Echo) -> None:
    before = asyncio.all_tasks()
    async with FaultProxy(echo.url) as proxy:
        port = port_of(proxy)
        callers = [await Caller(proxy).__aenter__() for _ in range(5)]
        for caller in callers:
            await caller.ask(b"x")
        proxy.stall()
        callers[0].writer.write(b"y")
    assert proxy.connections == 0
    for caller in callers:
        assert (await caller.rest())[1] == "reset"
        await caller.__aexit__()
    for _ in callers:
        assert await echo.endings.get() == "reset"
    assert asyncio.all_tasks() == before
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0


async def test_a_proxy_reports_that_it_is_not_running(echo: Echo) -> None:
    proxy = FaultProxy(echo.url)
    with pytest.raises(ConfigurationError, match="not running"):
        _ = proxy.endpoint_url
    with pytest.raises(ConfigurationError, match="not running"):
        await proxy.come_up()
    async with proxy:
        port = port_of(proxy)
        with pytest.raises(ConfigurationError, match="already running"):
            await proxy.__aenter__()
    async with proxy:  # starts again on the same port
        assert port_of(proxy) == port


async def test_a_proxy_uses_the_given_port(echo: Echo) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = int(unused.getsockname()[1])
    async with FaultProxy(echo.url, port=port) as proxy:
        assert port_of(proxy) == port


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://localhost:8080", ("localhost", 8080)),
        ("http://localhost", ("localhost", 80)),
        ("https://[::1]/", ("::1", 443)),
    ],
)
def test_a_url_without_a_port_uses_the_default_of_its_scheme(
    url: str, target: tuple[str, int]
) -> None:
    assert FaultProxy(url)._target == target


@pytest.mark.parametrize(
    "make",
    [
        lambda: FaultProxy("127.0.0.1:8080"),
        lambda: FaultProxy("ftp://127.0.0.1"),
        lambda: FaultProxy("http://"),
        lambda: ConnectionFault(reset_after_sent=-1),
        lambda: ConnectionFault(reset_after_received=-1),
        lambda: ConnectionFault(bytes_per_second=0),
        lambda: ConnectionFault(bytes_per_second=float("nan")),
    ],
)
def test_bounds_are_checked(make: Any) -> None:
    with pytest.raises(ParameterError):
        make()


async def test_a_closed_connection_can_be_flushed_and_reset(
    proxy: FaultProxy,
) -> None:
    async with Caller(proxy) as caller:
        caller.writer.close()
        await flush(caller.writer.transport)
        reset(caller.writer.transport)
        reset(caller.writer.transport)


async def test_boto3_reaches_the_service_through_a_proxy() -> None:
    async with LocalLambdaCore() as aws, FaultProxy(aws.endpoint_url) as proxy:
        aws.state.put_network_connector("prod")
        sdk = Sdk(proxy.endpoint_url, aws.credentials, aws.region)
        try:
            found = await sdk.call("GetNetworkConnector", Identifier="prod")
            async with proxy.outage():
                with pytest.raises(Exception, match="Could not connect to the endpoint URL"):
                    await sdk.call("GetNetworkConnector", Identifier="prod")
            assert await sdk.call("GetNetworkConnector", Identifier="prod") == found
        finally:
            sdk.close()
