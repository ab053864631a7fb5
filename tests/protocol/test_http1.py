"""HTTP/1.1 requests and responses, compared with h11, which shares no code with llhttp."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from typing import Final

import h11
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from lambdacore_async.protocol.http1 import (
    MalformedResponseError,
    OversizedBodyError,
    ResponseReader,
    serialize,
)
from lambdacore_async.protocol.messages import Request, Response
from support.generation import thorough
from support.wire import http

ROOM: Final = 1_000
Read = tuple[int, dict[str, str], bytes]


def read(
    *parts: bytes, ended: bool = False, max_body: int = ROOM
) -> tuple[Response | None, ResponseReader]:
    """Feed the parts of a response, and the end of the connection, to a reader."""
    reader = ResponseReader()
    reader.expect(max_body)
    for part in parts:
        response = reader.feed(memoryview(part))
        if response is not None:
            return response, reader
    return (reader.end() if ended else None), reader


def content(response: Response) -> Read:
    return response.status, dict(response.headers), response.body


def read_by_h11(data: bytes) -> tuple[Read, bool]:
    """Return what h11 reads up to the connection's end, and whether it keeps the connection."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection.receive_data(b"")
    head = h11.Response(status_code=200, headers=[])
    body = b""
    while not isinstance(happened := connection.next_event(), h11.EndOfMessage):
        match happened:
            case h11.Response():
                head = happened
            case h11.Data():
                body += bytes(happened.data)
            case h11.InformationalResponse():
                pass
            case _:
                raise AssertionError(happened)
    headers: dict[str, str] = {}
    for name, value in head.headers:
        headers.setdefault(name.decode(), value.decode(errors="replace"))
    return (head.status_code, headers, body), connection.their_state is not h11.MUST_CLOSE


def framed(body: bytes, framing: str, chunk: int) -> tuple[list[str], bytes]:
    """Return the headers and bytes that transfer a body."""
    if framing == "length":
        return [f"Content-Length: {len(body)}"], body
    if framing == "end":
        return [], body
    chunks = [body[i : i + chunk] for i in range(0, len(body), chunk)]
    coded = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in chunks)
    return ["Transfer-Encoding: chunked"], coded + b"0\r\nX-Trailer: 1\r\n\r\n"


statuses = st.sampled_from(["200 OK", "202", "204 No Content", "404 Not Found", "429 Slow Down"])
names = st.from_regex(r"X-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True)
values = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=20
)
blanks = st.text(" \t", max_size=2)
interim = st.sampled_from(
    [b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 x\r\nA: b\r\n\r\n"]
)


@thorough
@given(
    status=statuses,
    version=st.sampled_from(["1.0", "1.1"]),
    headers=st.lists(st.tuples(names, blanks, values, blanks), max_size=4),
    body=st.binary(max_size=60),
    framing=st.sampled_from(["length", "chunked", "end"]),
    chunk=st.integers(1, 20),
    connection=st.sampled_from([None, "close", "keep-alive"]),
    before=interim,
    cuts=st.lists(st.integers(0, 400), max_size=4),
)
def test_a_response_split_anywhere_is_what_h11_reads(
    status: str,
    version: str,
    headers: list[tuple[str, str, str, str]],
    body: bytes,
    framing: str,
    chunk: int,
    connection: str | None,
    before: bytes,
    cuts: list[int],
) -> None:
    if status.startswith("204"):
        body, framing = b"", "end"
    if version == "1.0" and framing == "chunked":
        framing = "end"  # HTTP/1.0 has no chunks
    extra, coded = framed(body, framing, chunk)
    lines = [f"HTTP/{version} {status}", *extra, *(f"{n}:{a}{v}{b}" for n, a, v, b in headers)]
    if connection is not None:
        lines.append(f"Connection: {connection}")
    data = before + "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + coded
    ends = sorted({*(cut for cut in cuts if cut < len(data)), len(data)})
    parts = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    response, reader = read(*parts, ended=True)

    assert response is not None
    expected, kept = read_by_h11(data)
    assert content(response) == expected
    if version == "1.1":  # h11 never keeps a connection of HTTP/1.0
        assert reader.keep_alive == (kept and (framing != "end" or status.startswith("204")))


PLAIN: Final = http(b'{"a": 1}', "Date: Wed, 25 Nov 2026 10:00:00 GMT", "X-Amzn-RequestId: id-1")
pieces = st.sampled_from(
    [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\x7f", b"\xe9", b"0", b"9", b"+", b"-",
     b"\r\n ", b"Content-Length: 8\r\n", b"Transfer-Encoding: chunked\r\n",
     b"transfer-encoding : chunked\r\n", b"Connection: close\r\n", b"HTTP/1.0", b"HTTP/1.1 "]
)  # fmt: skip


@thorough
@given(st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 3), pieces), max_size=3))
def test_a_corrupted_response_is_refused_or_is_what_h11_reads(
    changes: list[tuple[int, int, bytes]],
) -> None:
    data = PLAIN
    for start, cut, piece in changes:
        data = data[:start] + piece + data[start + cut :]
    try:
        response, _ = read(data, ended=True)
    except MalformedResponseError:
        event("refused")
        return
    if response is None:
        event("not complete")
        return
    try:
        expected, _ = read_by_h11(data)
    except h11.RemoteProtocolError:
        event("refused by h11 alone")
    else:
        assert (response.status, response.body) == (expected[0], expected[2])


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_raise_at_most_a_malformed_response_error(data: bytes, ended: bool) -> None:
    with suppress(MalformedResponseError):
        read(data, ended=ended)


@pytest.mark.parametrize("data", [b"", b"HTTP", PLAIN[:40], b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_connection_that_ends_before_the_head_is_complete_has_no_response(data: bytes) -> None:
    assert read(data, ended=True)[0] is None


@pytest.mark.parametrize(
    "data",
    [
        http(b"{}", length=3),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n2\r\n{}\r\n",
    ],
)
def test_a_body_that_ends_too_soon_is_cut_short(data: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="cut short"):
        read(data, ended=True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x16\x03\x01\x02",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
    ],
)
def test_bytes_that_are_not_a_response_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        read(data)


@pytest.mark.parametrize("coding", ["gzip", "X-GZIP", "deflate", "identity", "rot13", ""])
def test_a_coded_body_is_decoded_wherever_it_is_split(coding: str) -> None:
    plain = b"x" * 900
    compressed = {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}
    coded = compressed.get(coding.lower().removeprefix("x-"), plain)
    data = http(coded, f"Content-Encoding: {coding}")
    response, reader = read(*[data[i : i + 7] for i in range(0, len(data), 7)])
    assert response is not None
    assert (response.body, reader.keep_alive) == (plain, True)


@pytest.mark.parametrize("coded", [gzip.compress(b"x" * 90)[:-9], b"x" * 20])
def test_a_body_that_cannot_be_decoded_is_refused(coded: bytes) -> None:
    with pytest.raises(MalformedResponseError, match="cannot be decoded"):
        read(http(coded, "Content-Encoding: gzip"))


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_body_beyond_the_bound_is_refused_in_bounded_memory(coding: str) -> None:
    body = b"x" * (ROOM + 1)
    coded = gzip.compress(b"x" * 50_000_000) if coding == "gzip" else body
    reader = ResponseReader()
    reader.expect(ROOM)
    with pytest.raises(OversizedBodyError) as caught:
        reader.feed(http(coded, f"Content-Encoding: {coding}", "x-amzn-RequestId: id-1"))
    error = caught.value
    assert (error.status, error.request_id, error.limit) == (200, "id-1", ROOM)
    assert len(reader._body) <= ROOM + 1
    assert not reader.keep_alive


def test_the_body_of_an_error_is_cut_at_the_bound() -> None:
    data = http(b"x" * 5_000, status="502 Bad Gateway")
    response, reader = read(data[:1_500], data[1_500:])
    assert response is not None
    assert (response.status, response.body) == (502, b"x" * ROOM)
    assert not reader.keep_alive


@pytest.mark.parametrize(
    "endless",
    [
        b"X-Header: " + b"x" * 990 + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 30,
        b"y" * 1_000,
    ],
)
def test_an_endless_head_is_refused(endless: bytes) -> None:
    start = b"" if endless.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n"
    with pytest.raises(MalformedResponseError, match="too large"):
        read(start, *[endless] * 100)


def test_a_head_that_arrives_at_once_is_bounded_too() -> None:
    with pytest.raises(MalformedResponseError, match="too large"):
        read(http(b"", *["X: yz"] * 20_000))


@pytest.mark.parametrize("endless", [b"1;" + b"e" * 990 + b"\r\nx\r\n", b"1;" + b"e" * 5_000])
def test_endless_framing_is_refused(endless: bytes) -> None:
    start = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(MalformedResponseError, match="too large"):
        read(start, *[endless[i : i + 900] for i in range(0, len(endless), 900)] * 100)


@pytest.mark.parametrize("rest", [PLAIN, b"garbage", b"HTTP/1.1 408 Request Timeout\r\n"])
def test_a_connection_with_data_after_a_response_is_not_kept(rest: bytes) -> None:
    response, reader = read(http(b"{}") + rest)
    assert response is not None
    assert (response.body, reader.keep_alive) == (b"{}", False)


def test_a_reader_reads_one_response_after_another() -> None:
    reader = ResponseReader()
    for number in range(3):
        reader.expect(ROOM)
        response = reader.feed(http(b"%d" % number, f"X-Number: {number}"))
        assert response is not None
        assert (response.body, response.headers["x-number"]) == (b"%d" % number, str(number))
        assert "x-other" not in response.headers
        assert len(response.headers) == 2
        assert reader.keep_alive


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "/", {"a": "b\r\nc: d"}),
        Request("GET", "/a\nb", {}),
    ],
)
def test_a_line_break_in_a_request_is_refused(request_: Request) -> None:
    with pytest.raises(ValueError, match="line break"):
        serialize(request_)


@pytest.mark.parametrize("body", [None, b"", b"{}"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_request_is_what_h11_reads(method: str, body: bytes | None) -> None:
    request = Request(method, "/a%20b?c=d", {"host": "x", "x-amz-date": "2026"}, body)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(serialize(request))
    head = connection.next_event()
    assert isinstance(head, h11.Request)
    assert (head.method, head.target) == (method.encode(), b"/a%20b?c=d")
    headers = {name.decode(): value.decode() for name, value in head.headers}
    length = {} if method == "GET" and not body else {"content-length": str(len(body or b""))}
    assert headers == {**request.headers, **length}
    received = connection.next_event()
    if body:
        assert isinstance(received, h11.Data)
        assert bytes(received.data) == body
        received = connection.next_event()
    assert isinstance(received, h11.EndOfMessage)
