"""HTTP/1.1: converts requests to bytes, and bytes to responses.

httptools parses the syntax with llhttp, the parser of Node.js. This module adds the decisions that
a client makes: when a body ends with its connection, how large heads and bodies may be, and which
content codings are decoded.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import httptools

from lambdacore_async.protocol.messages import Request, Response

#: Maximum bytes of a response's head, including all interim responses before it.
_MAX_HEAD: Final = 32 * 1024
#: Maximum bytes of framing, such as the sizes of chunks, per byte that the body may have.
_MAX_FRAMING: Final = 4
#: Makes zlib recognise gzip and zlib streams by their first bytes.
_ANY_WINDOW: Final = zlib.MAX_WBITS | 32
_DECODED: Final = (b"gzip", b"x-gzip", b"deflate")


class MalformedResponseError(Exception):
    """The received bytes are not a complete HTTP response; the message never quotes them."""


class OversizedBodyError(Exception):
    """The body of a successful response is longer than its request allows."""

    def __init__(self, status: int, request_id: str | None, limit: int) -> None:
        super().__init__()
        self.status = status
        """The response's status."""
        self.request_id = request_id
        """The service's id of the request, if the response has one."""
        self.limit = limit
        """The number of bytes that the request allows."""


def serialize(request: Request) -> bytes:
    """Return the bytes of a request.

    Raises:
        ValueError: if the target or a header contains a line break.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body
    if body or request.method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    text = "".join(lines)
    if "\n" in text or "\r" in text:
        del lines, text, body  # tracebacks may show local variables; these contain the signature
        raise ValueError("the request's target or headers contain a line break")
    lines += ("", "")
    head = "\r\n".join(lines).encode()
    return head + body if body else head


class ResponseReader:
    """Reads the responses of one connection, one after another.

    Attributes:
        keep_alive: whether the connection can carry another request after the response just read.
    """

    def __init__(self) -> None:
        self.keep_alive: bool = True
        self._decoder: zlib._Decompress | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.expect(0)
        self._start()

    def expect(self, max_body: int) -> None:
        """Prepare for the response to the next request.

        Args:
            max_body: maximum bytes of the decoded body. A longer body of an error response is cut
                at this size. A longer body of any other response is an error.
        """
        self._max_body = max_body
        self._response: Response | None = None
        self._problem: Exception | None = None
        self._received = self._head_size = 0

    def feed(self, data: bytes | memoryview) -> Response | None:
        """Read the next bytes; return the response when it is complete.

        Raises:
            MalformedResponseError: if the bytes are not HTTP, or the body cannot be decoded.
            OversizedBodyError: if the body is longer than `max_body`.
        """
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            if self._response is None and self._problem is None:
                raise MalformedResponseError("the response is not HTTP") from None
            self.keep_alive = False  # invalid bytes follow the response
        if self._response is None and self._problem is None:
            self._received += len(data)
            self._check_size()
        return self._take()

    def end(self) -> Response | None:
        """Handle the end of the connection; return the response if this completes its body.

        Raises:
            MalformedResponseError: if the response was cut short.
        """
        if not self._head_is_complete:
            return None
        coding = self._headers.get(b"transfer-encoding", b"").lower()
        if b"content-length" in self._headers or coding.endswith(b"chunked"):
            raise MalformedResponseError("the response was cut short")
        self._complete()
        self.keep_alive = False
        return self._take()

    # httptools calls the methods below.

    def on_message_begin(self) -> None:
        """Note whether an unsolicited response follows."""
        if self._response is not None:
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Store a header and ignore trailers, which follow the body."""
        if not self._head_is_complete:
            self._headers.setdefault(name.lower(), value)
            self._head_size += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """Check the head and prepare to read the body."""
        status = self._parser.get_status_code()
        if self._head_size > _MAX_HEAD:
            self._fail("the response's head is too large")
        elif status >= 200:
            self._head_is_complete = True
            coding = self._headers.get(b"content-encoding")
            if coding is not None and coding.strip().lower() in _DECODED:
                self._decoder = zlib.decompressobj(_ANY_WINDOW)
        elif status < 100 or status == 101:
            self._fail(f"the server sent status {status} instead of a response")

    def on_body(self, data: bytes) -> None:
        """Decode and store a part of the body."""
        if self._response is not None or self._problem is not None:
            return
        if self._decoder is not None:
            try:
                data = self._decoder.decompress(data, self._max_body - len(self._body) + 1)
            except zlib.error:
                self._fail("the response's body cannot be decoded")
                return
        self._body += data
        if len(self._body) > self._max_body:
            self._overflow()

    def on_message_complete(self) -> None:
        """Finish the response, or continue after an interim one."""
        if self._response is not None or self._problem is not None:
            return
        if self._head_is_complete:
            self.keep_alive = self._parser.should_keep_alive()
            self._complete()
        else:
            self._start()  # the message was an interim response

    def _start(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._head_is_complete = False
        self._body = bytearray()
        self._decoder = None

    def _complete(self) -> None:
        if self._decoder is not None and self._body and not self._decoder.eof:
            self._fail("the response's body cannot be decoded")
            return
        status = self._parser.get_status_code()
        self._response = Response(status, _Headers(self._headers), bytes(self._body))

    def _overflow(self) -> None:
        status = self._parser.get_status_code()
        self.keep_alive = False
        if status >= 300:
            del self._body[self._max_body :]
            self._decoder = None  # the rest of the body does not matter
            self._complete()
        else:
            request_id = _Headers(self._headers).get("x-amzn-requestid")
            self._problem = OversizedBodyError(status, request_id, self._max_body)

    def _take(self) -> Response | None:
        """Return the response if it is complete, and release its data."""
        if self._problem is not None:
            raise self._problem
        response, self._response = self._response, None
        if response is not None:
            self._start()
        return response

    def _check_size(self) -> None:
        framing = self._received - len(self._body)
        if framing > _MAX_HEAD + (_MAX_FRAMING * self._max_body if self._head_is_complete else 0):
            raise MalformedResponseError("the response's head or framing is too large")

    def _fail(self, problem: str) -> None:
        self._problem = MalformedResponseError(problem)


class _Headers(Mapping[str, str]):
    """A response's headers by lower-case name; the first of repeated headers is used."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode()].decode(errors="replace").strip()

    def __iter__(self) -> Iterator[str]:
        return (name.decode(errors="replace") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)
