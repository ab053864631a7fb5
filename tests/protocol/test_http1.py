"""Plain answers mean to us what they mean to aiohttp's parser; all others are left to it."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from aiohttp.client_proto import ResponseHandler
from hypothesis import event, given
from hypothesis import strategies as st

from lambdacore_async.protocol.http1 import read_plain
from support.generation import thorough
from support.wire import http

PLAIN: Final = http(b'{"a": 1}', "Date: Wed, 25 Nov 2026 10:00:00 GMT", "X-Amzn-RequestId:\tid-1 ")


def judged(data: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """What aiohttp reads, if that is one whole answer after which the connection is of use."""

    async def read() -> tuple[int, dict[str, str], bytes] | None:
        handler = ResponseHandler(asyncio.get_running_loop())
        handler.set_response_params()
        handler.data_received(data)
        if handler.exception() is not None or not handler._buffer:
            return None
        head, stream = await handler.read()
        if not stream.is_eof() or handler.should_close:
            return None
        # White space around a value is no part of it; aiohttp 3.14.0 keeps what is behind it.
        headers = {name.lower(): head.headers[name].strip(" \t") for name in head.headers}
        return head.code, headers, stream.read_nowait()

    return asyncio.run(read())


def ours(data: bytes) -> tuple[int, dict[str, str], bytes] | None:
    """What we read, if it is plain and whole."""
    plain = read_plain(data)
    if plain is None or plain[1]:
        return None
    response = plain[0]
    return response.status, dict(response.headers), response.body


names = st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True) | st.sampled_from(
    ["Date", "Content-Type", "X-Amzn-RequestId", "Connection", "Keep-Alive", "Upgrade", "Trailer",
     "Transfer-Encoding", "Content-Encoding", "Content-Length", "Set-Cookie"]
)  # fmt: skip
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20) | st.sampled_from(
    ["keep-alive", "Keep-Alive", "close", "upgrade", "chunked", "gzip", "identity", "0", "3", ""]
)
blanks = st.text(" \t", max_size=2)
fields = st.tuples(names, st.tuples(blanks, values, blanks).map("".join))
#: Headers with which an answer may be no longer plain.
UNUSUAL: Final = {
    "connection", "content-encoding", "content-length", "transfer-encoding", "upgrade"
}  # fmt: skip


@thorough
@given(
    st.sampled_from(["200 OK", "200", "200 ", "404 Not Found", "429 Slow Down", "503 Oh"]),
    st.lists(fields, max_size=6),
    st.binary(max_size=30),
)
def test_a_plain_answer_is_read_as_by_a_full_parser(
    status: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    data = http(body, *[f"{name}:{value}" for name, value in headers], status=status)
    found = ours(data)
    event("plain" if found else "not plain")
    assert found is not None or not UNUSUAL.isdisjoint(name.lower() for name, _ in headers)
    if found is not None:
        assert found == judged(data)


pieces = st.sampled_from(
    [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\x7f", b"\xe9", b"0", b"9", b"+", b"-",
     b"\r\n ", b"Content-Length: 8\r\n", b"Transfer-Encoding: chunked\r\n",
     b"transfer-encoding : chunked\r\n", b"Connection: close\r\n", b"HTTP/1.0", b"HTTP/1.1 "]
)  # fmt: skip
places = st.integers(0, len(PLAIN))


@thorough
@given(st.lists(st.tuples(places, st.integers(0, 3), pieces), max_size=3))
def test_what_is_taken_for_plain_is_what_a_full_parser_reads(
    changes: list[tuple[int, int, bytes]],
) -> None:
    data = PLAIN
    for start, cut, piece in changes:
        data = data[:start] + piece + data[start + cut :]
    found = ours(data)
    event("plain" if found else "not plain")
    if found is not None:
        assert found == judged(data)


@pytest.mark.parametrize("cut", range(len(PLAIN)))
def test_an_answer_is_whole_when_its_last_byte_has_come(cut: int) -> None:
    head = PLAIN.index(b"\r\n\r\n") + 4
    plain = read_plain(PLAIN[:cut])
    if cut < head:
        assert plain is None
    else:
        assert plain is not None
        response, missing = plain
        assert (response.body, missing) == (PLAIN[head:cut], len(PLAIN) - cut)


def test_a_body_beyond_its_bound_is_not_plain() -> None:
    assert read_plain(http(b"12"), limit=2) is not None
    assert read_plain(http(b"123"), limit=2) is None
    assert read_plain(http(b"", length=3), limit=2) is None


def test_what_follows_an_answer_shows() -> None:
    plain = read_plain(PLAIN + b"HTTP")
    assert plain is not None
    assert plain[1] == -4


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\r\n\r\n", id="no lines"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="no length"),
        pytest.param(http(status="200").replace(b"1.1", b"1.0"), id="another version"),
        pytest.param(http().replace(b"HTTP", b"http"), id="the version in lower case"),
        pytest.param(http(status="103 Early Hints"), id="an interim answer"),
        pytest.param(http(b"", status="204 No Content"), id="no body by its status"),
        pytest.param(http(b"", status="304 Not Modified"), id="not modified"),
        pytest.param(http(status="600 What"), id="no such status"),
        pytest.param(http(status="2000 OK"), id="a long status"),
        pytest.param(http(status="200OK"), id="no blank behind the status"),
        pytest.param(http(b"{}", length=-1), id="a length below 0"),
        pytest.param(http().replace(b": 2", b": 0x2"), id="a length in hexadecimal"),
        pytest.param(http().replace(b": 2", b": +2"), id="a length with a sign"),
        pytest.param(http(b"{}", length=10**9), id="a length beyond all bounds"),
        pytest.param(http(b"{}", "Content-Length: 2"), id="two lengths"),
        pytest.param(http(b"{}", "Transfer-Encoding: chunked"), id="chunks"),
        pytest.param(http(b"{}", "Transfer-Encoding : chunked"), id="a blank behind a name"),
        pytest.param(http(b"{}", "Content-Encoding: gzip"), id="compressed"),
        pytest.param(http(b"{}", "Connection: close"), id="the last on its connection"),
        pytest.param(http(b"{}", "Connection: upgrade", "Upgrade: h2c"), id="another protocol"),
        pytest.param(http(b"{}", "X: a", " b"), id="a folded line"),
        pytest.param(http(b"{}", "no colon"), id="a line that is no header"),
        pytest.param(http(b"{}", ": no name"), id="a header without a name"),
        pytest.param(http(b"{}", "X: \xe9"), id="beyond ASCII"),
        pytest.param(http(b"{}", "X: \0"), id="a control character"),
        pytest.param(http(b"{}", "X: a\nY: b"), id="a bare line feed"),
        pytest.param(http(b"{}", "X: a\rY: b"), id="a bare carriage return"),
        pytest.param(http(b"{}", "X: " + "x" * 9000), id="a long head"),
    ],
)
def test_what_may_be_understood_otherwise_is_not_plain(data: bytes) -> None:
    assert read_plain(data) is None


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive"])
def test_a_connection_that_stays_is_plain(value: str) -> None:
    found = ours(http(b"{}", f"Connection: {value}"))
    assert found is not None
    assert found == judged(http(b"{}", f"Connection: {value}"))


def test_headers_are_found_by_their_names_in_lower_case() -> None:
    plain = read_plain(http(b"", "X-Amzn-ErrorType:  Some.Thing#Else \t", "Via: a", "via: b"))
    assert plain is not None
    headers = plain[0].headers
    assert dict(headers) == {
        "content-length": "0", "x-amzn-errortype": "Some.Thing#Else", "via": "a"
    }  # fmt: skip
    assert len(headers) == 3
    assert headers.get("date") is None
