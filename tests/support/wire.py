"""A loopback server for tests: it keeps the bytes that come, and speaks the bytes of a script."""

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
    """What a server does beside speaking."""

    CLOSE = auto()  # close the connection in good order
    RESET = auto()  # break the connection
    WAIT = auto()  # say nothing more, until the other side hangs up
    GO = auto()  # wait for the test's word


#: What the server does after a request.
Script = Sequence[bytes | Step]


def http(
    body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """An answer as bytes; its Content-Length is the body's unless given."""
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
        requests: every request, byte for byte.
        connections: how many connections were made.
        go: lets scripts continue that wait for the test's word.
    """

    def __init__(self, scripts: Sequence[Script], *, tls: bool) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.go = asyncio.Event()
        self.port = 0
        self._scripts = iter(scripts)
        self._scheme = "https" if tls else "http"
        self._open: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}
        self._met = asyncio.Event()
        self._asked = asyncio.Event()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        host = f"127.0.0.1:{self.port}"
        return Endpoint(f"{self._scheme}://{host}", host)

    @property
    def heads(self) -> list[list[str]]:
        """The lines of each request's head."""
        return [bytes(raw).split(b"\r\n\r\n")[0].decode().split("\r\n") for raw in self.requests]

    def headers(self, index: int = -1) -> dict[str, str]:
        """A request's headers, their names in lower case; none comes twice."""
        pairs = [line.split(": ", 1) for line in self.heads[index][1:]]
        found = {name.lower(): value for name, value in pairs}
        assert len(found) == len(pairs)
        return found

    async def met(self) -> None:
        """Wait until a connection has been made."""
        await self._met.wait()

    async def asked(self) -> None:
        """Wait until a request has come."""
        await self._asked.wait()

    async def hung_up(self) -> None:
        """Wait until no connection is left."""
        while self._open:
            await asyncio.gather(*[task for task in self._open.values() if task is not None])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._met.set()
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
        """Take a request and do what the script says; whether the connection is to stay."""
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        size = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
        self.requests.append(head + await reader.readexactly(size))
        self._asked.set()
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
        """Close what is open."""
        self.go.set()
        for writer in self._open:
            writer.transport.abort()
        await self.hung_up()


@asynccontextmanager
async def wire(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Wire]:
    """Run a server on a free port of the loopback interface.

    Args:
        scripts: one for each request, in the order in which they come, whatever the connection.
        tls: with which it speaks TLS, if it does.
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
    """Run a server that says what it likes, without waiting for a request; give host and port.

    Args:
        talk: what to do with a connection, until it breaks.
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
