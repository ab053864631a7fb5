"""A TCP proxy on loopback that breaks connections: what no answer of the service can fake.

    async with LocalLambdaCore() as aws, FaultProxy(aws.endpoint_url) as proxy:
        async with aws.client(endpoint_url=proxy.endpoint_url) as client:
            proxy.script(Line(reset_on_accept=True), Line(reset_after_received=100))
            ...
            async with proxy.outage():
                ...

It passes bytes on as they are, so it can stand before anything that speaks TCP.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen

from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.local.faults import Sleep, flush, reset

_HOST: Final = "127.0.0.1"
_READ_SIZE: Final = 64 * 1024
#: A limited line passes on so many parts a second, each as large as its limit allows.
_PARTS: Final = 20
#: Turns of the event loop from taking a connection to having closed it.
_TURNS: Final = 4
_PORTS: Final = {"http": 80, "https": 443}


def _at_least_0(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ParameterError(attribute.name, f"must be at least 0, got {value!r}")


def _above_0(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ParameterError(attribute.name, f"must be above 0, got {value!r}")


@frozen(kw_only=True)
class Line:
    """How one connection behaves; by default, well.

    Attributes:
        reset_on_accept: it is broken (RST) as soon as it is made.
        reset_after_sent: it is broken when so many bytes, at least 0, have gone to the service.
        reset_after_received: it is broken when so many bytes, at least 0, have come from there.
        bytes_per_second: how fast it is, in each direction, above 0; `None` for no limit.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    reset_on_accept: bool = False
    reset_after_sent: int | None = field(default=None, validator=_at_least_0)
    reset_after_received: int | None = field(default=None, validator=_at_least_0)
    bytes_per_second: float | None = field(default=None, validator=_above_0)


class _Broken(Exception):  # noqa: N818 - the line is told so, nobody is at fault
    """The connection is to be broken now."""


class FaultProxy:
    """A proxy before a service; it runs inside `async with`, and leaves no task and no socket.

    What happens on one side happens on the other: bytes, the end of them (FIN), a reset. Where the
    service cannot be reached, the client's connection is broken.

    Args:
        endpoint_url: where the service listens: `http://` or `https://`, a host, and a port.
        port: the TCP port, 1 to 65535; 0 for any free one, which it then keeps.
        sleep: lets time pass where a line is slow; `asyncio.sleep` by default.

    Attributes:
        line: how connections behave for which there is no script; a change counts from the next.
        accepted: how many connections there have been.

    Raises:
        ParameterError: the URL is not such a one.
    """

    def __init__(self, endpoint_url: str, *, port: int = 0, sleep: Sleep = asyncio.sleep) -> None:
        url = urlsplit(endpoint_url)
        if url.hostname is None or url.scheme not in _PORTS:
            raise ParameterError("endpoint_url", f"must be http(s)://host:port, got {endpoint_url}")
        self.line = Line()
        self.accepted = 0
        self._scheme = url.scheme
        self._target = (url.hostname, url.port or _PORTS[url.scheme])
        self._port = port
        self._sleep = sleep
        self._script: deque[Line] = deque()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._running = False
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def endpoint_url(self) -> str:
        """Where it listens, or will again.

        Raises:
            ConfigurationError: it is not running.
        """
        if not self._running:
            raise ConfigurationError("the proxy is not running: use it in `async with`")
        return f"{self._scheme}://{_HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def script(self, *lines: Line) -> Self:
        """Let the next connections behave so, in order; another call goes on where this ends."""
        self._script.extend(lines)
        return self

    def stall(self) -> None:
        """Pass on nothing from now on; connections are accepted still, and stay open."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on what has come meanwhile, and go on."""
        self._flowing.set()

    async def refuse(self) -> None:
        """Refuse new connections from now on; those that there are go on."""
        server, self._server = self._server, None
        if server is None:
            return
        # A server that closes loses who has been taken, but not yet introduced: take no more, and
        # give those their turns, in which `_accept` sends them away. Only Windows' event loop knows
        # no readers.
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()

    async def go_down(self) -> None:
        """Refuse new connections, and break all that there are."""
        await self.refuse()
        await self.disconnect()

    async def come_up(self) -> None:
        """Listen again, on the same port.

        Raises:
            ConfigurationError: it is not running.
            OSError: another has taken the port.
        """
        if not self._running:
            raise ConfigurationError("the proxy is not running: use it in `async with`")
        if self._server is None:
            await self._listen()

    @asynccontextmanager
    async def outage(self) -> AsyncGenerator[None]:
        """Go down, and come up at the end of the `async with`; unless the proxy has ended too."""
        await self.go_down()
        try:
            yield
        finally:
            if self._running:
                await self.come_up()

    async def disconnect(self) -> None:
        """Break all connections that there are."""
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():  # a task that never began has closed nothing
            await _end(writer, in_order=False)

    async def __aenter__(self) -> Self:
        if self._running:
            raise ConfigurationError("the proxy is running already")
        await self._listen()
        self._running = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._running = False
        await self.go_down()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, _HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:  # it came in the very moment of going down
            reset(writer.transport)
            return
        self.accepted += 1
        line = self._script.popleft() if self._script else self.line
        task = asyncio.create_task(self._connect(line, reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _connect(
        self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection to its end, whatever that is."""
        writers, in_order = [writer], False
        try:
            if not line.reset_on_accept:
                service_reader, service_writer = await asyncio.open_connection(*self._target)
                writers.append(service_writer)
                async with asyncio.TaskGroup() as both:
                    both.create_task(
                        self._pass_on(reader, service_writer, line, line.reset_after_sent)
                    )
                    both.create_task(
                        self._pass_on(service_reader, writer, line, line.reset_after_received)
                    )
                in_order = True
        except* (OSError, _Broken):
            pass
        finally:
            for end in writers:
                await _end(end, in_order=in_order)

    async def _pass_on(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, line: Line, limit: int | None
    ) -> None:
        """Pass on the bytes of one direction, to their end or to the limit."""
        rate = line.bytes_per_second
        size = _READ_SIZE if rate is None else max(1, min(_READ_SIZE, int(rate / _PARTS)))
        passed = 0
        while limit is None or passed < limit:
            part = await source.read(size if limit is None else min(size, limit - passed))
            await self._flowing.wait()
            if not part:
                to.write_eof()
                return
            to.write(part)
            await to.drain()
            passed += len(part)
            if rate is not None:
                await self._sleep(len(part) / rate)
        await flush(to.transport)
        raise _Broken


async def _end(writer: asyncio.StreamWriter, *, in_order: bool) -> None:
    """Close one side of a connection, if it is not closed yet."""
    if not in_order:
        reset(writer.transport)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
