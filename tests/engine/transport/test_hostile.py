"""Broken and hostile servers: every path ends with the same response or library error."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import pytest

from lambdacore_async import ResponseError, TransportError, TransportTimeoutError
from lambdacore_async.engine.transport import direct, pool
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import LambdaCoreError
from lambdacore_async.protocol.messages import Request
from support.leaks import assert_no_secret, assert_no_secret_in_frames, other_tasks, settle
from support.wire import Script, Step, http, wire

#: A response's status and body, or the class of an error.
Outcome = tuple[int, bytes] | type[LambdaCoreError]

LIMIT: Final = 1000
MOST: Final = 1_000_000
SECRETS: Final = {"authorization": "AWS4-HMAC-SHA256 Signature=1", "x-token": "the-session-token"}
#: Parts of a request that a server may repeat.
ECHO: Final = "AWS4-HMAC-SHA256 Signature=1 the-session-token"


def head(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode("latin-1")


def ok(*lines: str) -> bytes:
    return head("HTTP/1.1 200 OK", *lines)


def chunked(*parts: bytes) -> bytes:
    return ok("Transfer-Encoding: chunked") + b"".join(parts)


def lines(first: str, more: bytes = b"{}") -> list[bytes]:
    """Return a response with this first line and a body of two bytes."""
    return [head(first, "Content-Length: 2") + more]


def flood(first: bytes, part: bytes) -> list[bytes]:
    """Return more bytes than the client reads for one response."""
    many = part * (65_536 // len(part))
    return [first] + [many] * (MOST // len(many) + 2)


CLOSE: Final = Step.CLOSE
BROKEN: Final = TransportError
SERVERS: Final[dict[str, tuple[Script, Outcome]]] = {
    # Connections
    "closes at once": ([CLOSE], BROKEN),
    "resets at once": ([Step.RESET], BROKEN),
    "sends nothing": ([Step.WAIT], TransportTimeoutError),
    "closes in the first line": ([b"HTTP/1.1 2", CLOSE], BROKEN),
    "closes after the first line": ([b"HTTP/1.1 200 OK\r\n", CLOSE], BROKEN),
    "closes in the head": ([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", CLOSE], BROKEN),
    "closes in the body": ([http(b"{}", length=3), CLOSE], BROKEN),
    "resets in the body": ([http(b"{}", length=3), Step.RESET], BROKEN),
    "closes in a chunk": ([chunked(b"3\r\n{}"), CLOSE], BROKEN),
    "closes between chunks": ([chunked(b"2\r\n{}\r\n"), CLOSE], BROKEN),
    "closes in the trailers": ([chunked(b"2\r\n{}\r\n0\r\nX: y\r\n"), CLOSE], BROKEN),
    "stops in the head": ([b"HTTP/1.1 200 OK\r\nX", Step.WAIT], TransportTimeoutError),
    "stops in the body": ([http(b"{", length=2), Step.WAIT], TransportTimeoutError),
    "stops in a chunk": ([chunked(b"2\r\n{"), Step.WAIT], TransportTimeoutError),
    "never closes": ([ok() + b"{}", Step.WAIT], TransportTimeoutError),
    # No HTTP
    "another protocol": ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], BROKEN),
    "a greeting of SMTP": ([b"220 smtp.example ESMTP\r\n"], BROKEN),
    "bytes of TLS": ([b"\x15\x03\x01\x00\x02\x02\x28"], BROKEN),
    "HTTP/2 frames": ([b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18)], BROKEN),
    "a request": ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], BROKEN),
    "HTTP/0.9": ([b"{}", CLOSE], BROKEN),
    "zeros": ([bytes(1000)], BROKEN),
    "the request": ([f"{ECHO}\r\n\r\n".encode()], BROKEN),
    "the request in a header": ([ok(f"{ECHO}: {ECHO}", f"X Y: {ECHO}")], BROKEN),
    "the request for a length": ([ok(f"Content-Length: {ECHO}")], BROKEN),
    "the request for the size of a chunk": ([chunked(f"{ECHO}\r\n".encode())], BROKEN),
    "the request for a reason": ([head(f"HTTP/1.1 101 {ECHO}", f"X: {ECHO}")], BROKEN),
    # First lines
    "HTTP/2.0": (lines("HTTP/2.0 200 OK"), (200, b"{}")),
    "HTTP/1.2": (lines("HTTP/1.2 200 OK"), BROKEN),
    "HTTP/11.1": (lines("HTTP/11.1 200 OK"), BROKEN),
    "HTTP/1": (lines("HTTP/1 200 OK"), BROKEN),
    "http/1.1": (lines("http/1.1 200 OK"), BROKEN),
    "ICY": (lines("ICY 200 OK"), BROKEN),
    "HTTP/1.0": (lines("HTTP/1.0 200 OK"), (200, b"{}")),
    "no reason": (lines("HTTP/1.1 200"), (200, b"{}")),
    "a status of two digits": (lines("HTTP/1.1 20 OK"), BROKEN),
    "a status of four digits": (lines("HTTP/1.1 2000 OK"), BROKEN),
    "a status of letters": (lines("HTTP/1.1 abc OK"), BROKEN),
    "no status": (lines("HTTP/1.1"), BROKEN),
    "status 0": (lines("HTTP/1.1 000 OK"), BROKEN),
    "status 99": (lines("HTTP/1.1 099 OK"), BROKEN),
    "status 999": (lines("HTTP/1.1 999 OK"), (999, b"{}")),
    "a first line without end": ([b"HTTP/1.1 200 " + b"x" * 100_000], BROKEN),
    "blank lines before": ([b"\r\n\r\n" + http()], (200, b"{}")),
    # Headers
    "a header without end": ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000], BROKEN),
    "a name without end": ([b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000], BROKEN),
    "10,000 headers": ([http(b"", *["X: yz"] * 10_000)], BROKEN),
    "headers without end": (flood(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), BROKEN),
    "NUL in a value": ([http(b"{}", "X: a\0b")], BROKEN),
    "NUL in a name": ([http(b"{}", "X\0Y: a")], BROKEN),
    "no colon": ([http(b"{}", "X")], BROKEN),
    "no name": ([http(b"{}", ": X")], BROKEN),
    "a space after a name": ([http(b"{}", "X : y")], BROKEN),
    "a folded line": ([http(b"{}", "X: a", " b")], (200, b"{}")),
    "bare line feeds": ([http().replace(b"\r\n", b"\n")], (200, b"{}")),
    "a bare carriage return": ([http(b"{}", "X: a\rb")], BROKEN),
    "letters beyond ASCII": ([http(b"{}", "X: \xe9\u20ac")], (200, b"{}")),
    "bytes that are not text": ([ok("Content-Length: 2", "X: \xff\xfe") + b"{}"], (200, b"{}")),
    # Lengths
    "two lengths": ([http(b"{}", "Content-Length: 3")], BROKEN),
    "a length twice": ([http(b"{}", "Content-Length: 2")], BROKEN),
    "a list of lengths": ([ok("Content-Length: 2, 2") + b"{}"], BROKEN),
    "a length below 0": ([http(length=-1)], BROKEN),
    "a length with a sign": ([ok("Content-Length: +2") + b"{}"], BROKEN),
    "a length in hexadecimal": ([ok("Content-Length: 0x2") + b"{}"], BROKEN),
    "a length with a fraction": ([ok("Content-Length: 2.0") + b"{}"], BROKEN),
    "a length beyond 64 bits": ([ok("Content-Length: 1" + "0" * 30) + b"{}"], BROKEN),
    "an empty length": ([ok("Content-Length:") + b"{}"], BROKEN),
    "a length and chunks": ([http(b"2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked")], BROKEN),
    # Bodies
    "a body until the end": ([ok() + b"{}", CLOSE], (200, b"{}")),
    "a body until the end, in parts": ([ok(), b"{", b"}", CLOSE], (200, b"{}")),
    "a body until the end of HTTP/1.0": ([head("HTTP/1.0 200 OK") + b"{}", CLOSE], (200, b"{}")),
    "an announced end": ([ok("Connection: close") + b"{}", CLOSE], (200, b"{}")),
    "an announced end of a length": ([http(b"{}", "Connection: close"), CLOSE], (200, b"{}")),
    "an announced end of chunks": (
        [ok("Connection: close", "Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n", CLOSE],
        (200, b"{}"),
    ),
    "an announced end, cut": ([http(b"{}", "Connection: close", length=3), CLOSE], BROKEN),
    "an error until the end": ([head("HTTP/1.1 404 No") + b"{}", CLOSE], (404, b"{}")),
    "no body until the end": ([ok(), CLOSE], (200, b"")),
    "a compressed body until the end": (
        [ok("Content-Encoding: gzip") + gzip.compress(b"{}"), CLOSE],
        (200, b"{}"),
    ),
    "204": ([head("HTTP/1.1 204 No Content")], (204, b"")),
    "204 until the end": ([head("HTTP/1.1 204 No Content"), CLOSE], (204, b"")),
    "304": ([head("HTTP/1.1 304 Not Modified", "Content-Length: 2")], (304, b"")),
    "a length of 0": ([http(b"")], (200, b"")),
    "an unknown transfer coding": ([ok("Transfer-Encoding: gzip") + b"{}", CLOSE], (200, b"{}")),
    "invalid chunks": ([chunked(b"zz\r\n")], BROKEN),
    "a chunk below 0": ([chunked(b"-1\r\n{}\r\n0\r\n\r\n")], BROKEN),
    "a chunk beyond 64 bits": ([chunked(b"1" + b"0" * 20 + b"\r\n{}")], BROKEN),
    "a chunk longer than stated": ([chunked(b"1\r\n{}\r\n0\r\n\r\n")], BROKEN),
    "no chunks": ([chunked(b"0\r\n\r\n")], (200, b"")),
    "extensions of chunks": ([chunked(b"2;a=b\r\n{}\r\n0;c\r\n\r\n")], (200, b"{}")),
    "extensions of chunks without end": (flood(chunked(b"2;"), b"x"), BROKEN),
    "trailers": ([chunked(b"2\r\n{}\r\n0\r\nX: y\r\n\r\n")], (200, b"{}")),
    "trailers without end": (flood(chunked(b"2\r\n{}\r\n0\r\n"), b"X: y\r\n"), BROKEN),
    "a body beyond the bound": ([http(b"x" * (LIMIT + 1))], ResponseError),
    "a body at the bound": ([http(b"x" * LIMIT)], (200, b"x" * LIMIT)),
    "a body far beyond the bound": (
        [http(b"x" * 2 * LIMIT, length=10**12), Step.WAIT], ResponseError
    ),
    "chunks beyond the bound": ([chunked(*[b"1\r\nx\r\n"] * (LIMIT + 1))], ResponseError),
    "a body beyond the bound until the end": ([ok() + b"x" * (LIMIT + 1), CLOSE], ResponseError),
    "an error beyond the bound": (
        [http(b"x" * (LIMIT + 1), status="502 Bad")], (502, b"x" * LIMIT)
    ),
    "an error far beyond the bound": (
        [http(b"x" * 2 * LIMIT, status="502 Bad", length=10**12), Step.WAIT],
        (502, b"x" * LIMIT),
    ),
    "a redirect beyond the bound": (
        [http(b"x" * (LIMIT + 1), status="302 Found")], (302, b"x" * LIMIT)
    ),
    # Compression
    "compressed": ([http(gzip.compress(b"{}"), "Content-Encoding: gzip")], (200, b"{}")),
    "deflated": ([http(zlib.compress(b"{}"), "Content-Encoding: deflate")], (200, b"{}")),
    "compressed, but not": ([http(b"{}", "Content-Encoding: gzip")], BROKEN),
    "a bomb": ([http(gzip.compress(bytes(10**7)), "Content-Encoding: gzip")], ResponseError),
    "a bomb of an error": (
        [http(gzip.compress(bytes(10**7)), "Content-Encoding: gzip", status="502 Bad")],
        (502, bytes(LIMIT)),
    ),
    "a bomb until the end": (
        [ok("Content-Encoding: gzip") + gzip.compress(bytes(10**7)), CLOSE], ResponseError
    ),
    "an unknown coding": ([http(b"{}", "Content-Encoding: rot13")], (200, b"{}")),
    # Interim and repeated responses
    "an interim response": ([head("HTTP/1.1 103 Early Hints", "X: y") + http()], (200, b"{}")),
    "interim responses": ([head("HTTP/1.1 100 Continue") * 9 + http()], (200, b"{}")),
    "interim responses without end": (flood(b"", head("HTTP/1.1 100 Continue")), BROKEN),
    "an interim response alone": ([head("HTTP/1.1 102 Processing"), CLOSE], BROKEN),
    "101": ([head("HTTP/1.1 101 Switching", "Connection: upgrade", "Upgrade: h2c")], BROKEN),
    "101 without a protocol": ([head("HTTP/1.1 101 Switching")], BROKEN),
    "101 and a response": (
        [head("HTTP/1.1 101 Switching", "Connection: upgrade", "Upgrade: h2c") + http()], BROKEN
    ),
    "an upgrade offered": ([http(b"{}", "Connection: upgrade", "Upgrade: h2c")], (200, b"{}")),
    "two responses": ([http(b"1") + http(b"2")], (200, b"1")),
}  # fmt: skip


#: The client counts received bytes on its own connections only. A session of the caller times out.
UNCOUNTED: Final = {"extensions of chunks without end", "interim responses without end"}


#: Direct connections refuse obsolete syntax.
STRICT: Final[dict[str, type[LambdaCoreError]]] = {
    "a folded line": BROKEN,
    "bare line feeds": BROKEN,
}


@pytest.fixture(params=["direct connection", "session", "session of the caller"])
async def transport(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[AiohttpTransport]:
    monkeypatch.setattr(direct, "_KNOWN_SERIES", request.param == "direct connection")
    monkeypatch.setattr(pool, "MAX_RECEIVED", MOST)
    async with _session(own=request.param == "session of the caller") as session:
        transport = AiohttpTransport(session=session)
        yield transport
        await transport.close()


@asynccontextmanager
async def _session(*, own: bool) -> AsyncGenerator[aiohttp.ClientSession | None]:
    if not own:
        yield None
        return
    async with aiohttp.ClientSession() as session:
        yield session


async def outcome(transport: AiohttpTransport, script: Script) -> Outcome:
    """Return the outcome of a request to a server with this script."""
    async with wire(script) as peer:
        headers = {"host": peer.endpoint.host, **SECRETS}
        request = Request("POST", "/", headers, b"{}", max_response=LIMIT)
        try:
            response = await transport.send(peer.endpoint, request, Timeout(read=10, attempt=60))
        except LambdaCoreError as error:
            assert_no_secret(error)
            assert_no_secret_in_frames(error)
            return type(error)
        return response.status, response.body


@pytest.mark.usefixtures("leaps")
@pytest.mark.parametrize("name", SERVERS)
async def test_every_server_ends_in_a_response_or_a_library_error(
    transport: AiohttpTransport, name: str
) -> None:
    script, expected = SERVERS[name]
    if direct._KNOWN_SERIES and transport._session is None:
        expected = STRICT.get(name, expected)
    if name in UNCOUNTED and transport._session is not None:
        expected = TransportTimeoutError
    assert await outcome(transport, script) == expected
    assert await outcome(transport, [http(b"next")]) == (200, b"next")
    await settle()
    assert other_tasks() == set()
