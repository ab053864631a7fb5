"""A server on the loopback interface that records requests and replies with scripted bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum, auto

from lambdacore_async.protocol.endpoints import Endpoint


class Step(Enum):
    """An action of the server other than sending bytes."""

    CLOSE = auto()  # close the connection
    RESET = auto()  # reset the connection
    WAIT = auto()  # send nothing more, until the client closes the connection
    GO = auto()  # wait until the test sets `Wire.go`


#: What the server sends and does in response to one request.
Script = Sequence[bytes | Step]


def http(
    body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """Return the bytes of a response; its Content-Length is the body's length unless given."""
    size = len(body) if length is None else length
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {size}", *headers))
    return head.encode() + b"\r\n\r\n" + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection: closing with a linger of 0 seconds sends RST in place of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


class Wire:
    """The server.

    Attributes:
        requests: the bytes of every request.
        connections: number of connections accepted.
        go: event that continues scripts at `Step.GO`.
    """

    def __init__(self, scripts: Sequence[Script], *, tls: bool) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.go = asyncio.Event()
        self.port = 0
        self._scripts = iter(scripts)
        self._scheme = "https" if tls else "http"
        self._open: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}
        self._connected = asyncio.Event()
        self._requested = asyncio.Event()

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint it listens on."""
        host = f"127.0.0.1:{self.port}"
        return Endpoint(f"{self._scheme}://{host}", host)

    @property
    def heads(self) -> list[list[str]]:
        """The lines of each request's head."""
        return [bytes(raw).split(b"\r\n\r\n")[0].decode().split("\r\n") for raw in self.requests]

    def headers(self, index: int = -1) -> dict[str, str]:
        """Return a request's headers by lower-case name; assert that none is repeated."""
        pairs = [line.split(": ", 1) for line in self.heads[index][1:]]
        found = {name.lower(): value for name, value in pairs}
        assert len(found) == len(pairs)
        return found

    async def connected(self) -> None:
        """Wait until a client has connected."""
        await self._connected.wait()

    async def requested(self) -> None:
        """Wait until a request has arrived."""
        await self._requested.wait()

    async def disconnected(self) -> None:
        """Wait until all connections are closed."""
        while self._open:
            await asyncio.gather(*[task for task in self._open.values() if task is not None])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._connected.set()
        self._open[writer] = asyncio.current_task()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._open[writer]

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read a request and run its script. Return whether the connection stays open."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        size = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        self.requests.append(head + await reader.readexactly(size))
        self._requested.set()
        for step in next(self._scripts):
            match step:
                case bytes():
                    writer.write(step)
                    await writer.drain()
                case Step.GO:
                    await self.go.wait()
                case Step.WAIT:
                    await reader.read()
                    return False
                case Step.CLOSE:
                    return False
                case Step.RESET:
                    reset(writer)
                    return False
        return True

    async def stop(self) -> None:
        """Close all connections."""
        self.go.set()
        for writer in self._open:
            writer.transport.abort()
        await self.disconnected()


@asynccontextmanager
async def wire(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Wire]:
    """Run a server on a free port of the loopback interface.

    Args:
        scripts: one for each request, in the order of arrival on any connection.
        tls: context for TLS. Defaults to plain HTTP.
    """
    peer = Wire(scripts, tls=tls is not None)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.stop()
        await server.wait_closed()


@asynccontextmanager
async def talking(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncGenerator[str]:
    """Run a server that need not wait for requests; yield its host and port.

    Args:
        talk: handles a connection. The server closes the connection when this returns or the
            client disconnects.
    """
    open_ends: set[asyncio.Task[object] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ends.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*[task for task in open_ends if task is not None])
        await server.wait_closed()
