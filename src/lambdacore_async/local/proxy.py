"""TCP proxy on the loopback interface that breaks, stalls and slows down connections.

    async with LocalLambdaCore() as aws, FaultProxy(aws.endpoint_url) as proxy:
        async with aws.client(endpoint_url=proxy.endpoint_url) as client:
            proxy.script(
                ConnectionFault(reset_on_accept=True), ConnectionFault(reset_after_received=100)
            )
            ...
            async with proxy.outage():
                ...

The proxy forwards bytes unchanged, so it works for any TCP server.
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
#: Parts per second that a rate-limited connection forwards.
_PARTS_PER_SECOND: Final = 20
#: Event loop iterations from accepting a connection to closing it.
_ITERATIONS: Final = 4
_PORTS: Final = {"http": 80, "https": 443}


def _at_least_0(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value >= 0:
        raise ParameterError(attribute.name, f"must be at least 0, got {value!r}")


def _above_0(_: object, attribute: Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:
        raise ParameterError(attribute.name, f"must be above 0, got {value!r}")


@frozen(kw_only=True)
class ConnectionFault:
    """The fault of one connection; none by default.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    reset_on_accept: bool = False
    """Whether the proxy resets the connection (RST) as soon as it is open."""
    reset_after_sent: int | None = field(default=None, validator=_at_least_0)
    """Reset after this many bytes to the service, at least 0; `None` for no reset."""
    reset_after_received: int | None = field(default=None, validator=_at_least_0)
    """Reset after this many bytes from the service, at least 0; `None` for no reset."""
    bytes_per_second: float | None = field(default=None, validator=_above_0)
    """Rate limit of each direction, above 0; `None` for no limit."""


class _ResetConnection(Exception):  # noqa: N818 - a signal, not an error
    """Ends a connection with a reset."""


class FaultProxy:
    """A TCP proxy for fault injection. Use it in `async with`; it leaves no tasks or sockets.

    The proxy forwards bytes, the end of a stream (FIN) and resets (RST) to the other side. If it
    cannot connect to the service, it resets the client's connection.

    Args:
        endpoint_url: the URL of the service, such as `http://127.0.0.1:4600`.
        port: the TCP port, 1 to 65535; 0 for any free port, which the proxy then keeps.
        sleep: sleeps for a number of seconds; defaults to `asyncio.sleep`. Rate limits use it.

    Raises:
        ParameterError: if `endpoint_url` is not valid.
    """

    def __init__(self, endpoint_url: str, *, port: int = 0, sleep: Sleep = asyncio.sleep) -> None:
        url = urlsplit(endpoint_url)
        if url.hostname is None or url.scheme not in _PORTS:
            raise ParameterError("endpoint_url", f"must be http(s)://host:port, got {endpoint_url}")
        self.default_fault: ConnectionFault = ConnectionFault()
        """The fault of connections after the script. A change applies to new connections."""
        self.accepted: int = 0
        """The number of connections accepted so far."""
        self._scheme = url.scheme
        self._target = (url.hostname, url.port or _PORTS[url.scheme])
        self._port = port
        self._sleep = sleep
        self._script: deque[ConnectionFault] = deque()
        self._forwarding = asyncio.Event()
        self._forwarding.set()
        self._running = False
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def endpoint_url(self) -> str:
        """The URL of the proxy; it stays the same during an outage.

        Raises:
            ConfigurationError: if the proxy is not running.
        """
        if not self._running:
            raise ConfigurationError("the proxy is not running: use it in `async with`")
        return f"{self._scheme}://{_HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._connections)

    def script(self, *faults: ConnectionFault) -> Self:
        """Apply these faults to the next connections, one each; further calls append."""
        self._script.extend(faults)
        return self

    def stall(self) -> None:
        """Stop forwarding. The proxy still accepts connections, and keeps them open."""
        self._forwarding.clear()

    def resume(self) -> None:
        """Forward again, starting with the bytes received since `stall`."""
        self._forwarding.set()

    async def refuse(self) -> None:
        """Refuse new connections; existing ones stay open."""
        server, self._server = self._server, None
        if server is None:
            return
        # Closing the server would drop connections that were accepted but not yet passed to
        # `_accept`. Stop accepting, and let `_accept` reset those in the next iterations. The event
        # loop of Windows has no readers.
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
        for _ in range(_ITERATIONS):
            await asyncio.sleep(0)
        server.close()

    async def go_down(self) -> None:
        """Refuse new connections, and reset the existing ones."""
        await self.refuse()
        await self.disconnect()

    async def come_up(self) -> None:
        """Accept connections again, on the same port.

        Raises:
            ConfigurationError: if the proxy is not running.
            OSError: if another process uses the port.
        """
        if not self._running:
            raise ConfigurationError("the proxy is not running: use it in `async with`")
        if self._server is None:
            await self._listen()

    @asynccontextmanager
    async def outage(self) -> AsyncGenerator[None]:
        """Go down, and come up at the end of the `async with` if the proxy still runs."""
        await self.go_down()
        try:
            yield
        finally:
            if self._running:
                await self.come_up()

    async def disconnect(self) -> None:
        """Reset all connections."""
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():  # a task that has not started has closed nothing
            await _close(writer, graceful=False)

    async def __aenter__(self) -> Self:
        if self._running:
            raise ConfigurationError("the proxy is already running")
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
        if self._server is None:  # accepted while the proxy went down
            reset(writer.transport)
            return
        self.accepted += 1
        fault = self._script.popleft() if self._script else self.default_fault
        task = asyncio.create_task(self._connect(fault, reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _connect(
        self, fault: ConnectionFault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve one connection until it ends."""
        writers, graceful = [writer], False
        try:
            if not fault.reset_on_accept:
                service_reader, service_writer = await asyncio.open_connection(*self._target)
                writers.append(service_writer)
                rate = fault.bytes_per_second
                async with asyncio.TaskGroup() as both:
                    both.create_task(
                        self._forward(reader, service_writer, rate, fault.reset_after_sent)
                    )
                    both.create_task(
                        self._forward(service_reader, writer, rate, fault.reset_after_received)
                    )
                graceful = True
        except* (OSError, _ResetConnection):
            pass
        finally:
            for opened in writers:
                await _close(opened, graceful=graceful)

    async def _forward(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        rate: float | None,
        limit: int | None,
    ) -> None:
        """Forward one direction until the stream ends or the limit is reached.

        Args:
            source: the side to read from.
            target: the side to write to.
            rate: the maximum bytes per second, `None` for no limit.
            limit: the bytes after which to reset the connection, `None` for no reset.
        """
        size = (
            _READ_SIZE if rate is None else max(1, min(_READ_SIZE, int(rate / _PARTS_PER_SECOND)))
        )
        forwarded = 0
        while limit is None or forwarded < limit:
            part = await source.read(size if limit is None else min(size, limit - forwarded))
            await self._forwarding.wait()
            if not part:
                target.write_eof()
                return
            target.write(part)
            await target.drain()
            forwarded += len(part)
            if rate is not None:
                await self._sleep(len(part) / rate)
        await flush(target.transport)
        raise _ResetConnection


async def _close(writer: asyncio.StreamWriter, *, graceful: bool) -> None:
    """Close one side of a connection, with FIN if graceful and with RST otherwise."""
    if not graceful:
        reset(writer.transport)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
