"""HTTP/1.1: requests to bytes, and answers from bytes as long as they are plain.

Nearly all answers of this API are: a status, some headers, and a body of a stated length, as it is.
These are read here, for half of what a parser costs that is ready for everything. Whatever might be
understood in another way is not plain, and left to such a parser.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from lambdacore_async.protocol.messages import MAX_RESPONSE, Request, Response

#: More than plain heads have; other parsers draw the line here too.
_MAX_HEAD: Final = 8190
_OTHER_HEADERS: Final = r"""
    (?:
        (?: connection: [ \t]*+ keep-alive [ \t]*+
          | (?! connection: | content-encoding: | content-length: | transfer-encoding: | upgrade: )
            [a-z0-9!#$%&'*+.^_`|~-]++ : [\t -~]*+
        ) \r\n
    )*+
"""
#: A plain head, in lower case: visible ASCII, a status with which there is a body, one length.
_PLAIN: Final = re.compile(
    rf"""
    http/1[.]1 [ ] (?! 204 | 304 ) ([2-5][0-9][0-9]) (?: [ ] [\t -~]*+ )? \r\n
    {_OTHER_HEADERS}
    content-length: [ \t]*+ ([0-9]{{1,9}}) [ \t]*+ \r\n
    {_OTHER_HEADERS}
    """.encode(),
    re.VERBOSE,
)


def serialized(request: Request) -> bytes:
    """The request's bytes.

    Raises:
        ValueError: a line has a line break in it.
    """
    lines = [f"{request.method} {request.target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    body = request.body
    if body or request.method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    text = "".join(lines)
    if "\n" in text or "\r" in text:
        del lines, text, body  # a traceback may show local variables, and these hold the signature
        raise ValueError("a line break in a request's headers")
    lines += ("", "")
    head = "\r\n".join(lines).encode()
    return head + body if body else head


def read_plain(data: bytes, limit: int = MAX_RESPONSE) -> tuple[Response, int] | None:
    """Read an answer from its first bytes on, if it is plain.

    Args:
        data: the first bytes of the answer.
        limit: the number of bytes that its body may have; a longer one is not plain.

    Returns:
        The answer with what there is of its body, and how many bytes are missing there, below 0
        where there are too many; `None` if it is not plain, or its head is not whole.
    """
    end = data.find(b"\r\n\r\n")
    if not 0 < end <= _MAX_HEAD or not data.startswith(b"HTTP/"):
        return None
    head = data[: end + 2]
    lowered = head.lower()
    plain = _PLAIN.fullmatch(lowered)
    if plain is None:
        return None
    size = int(plain[2])
    if size > limit:
        return None
    body = data[end + 4 :]
    return Response(int(plain[1]), _Headers(head, lowered), body), size - len(body)


class _Headers(Mapping[str, str]):
    """The headers of a plain answer, looked for when somebody asks for one, in lower case."""

    __slots__ = ("_head", "_lowered")

    def __init__(self, head: bytes, lowered: bytes) -> None:
        self._head = head
        self._lowered = lowered

    def __getitem__(self, name: str) -> str:
        start = self._lowered.find(f"\r\n{name}:".encode())
        if start < 0:
            raise KeyError(name)
        start += len(name) + 3
        return self._head[start : self._head.find(b"\r\n", start)].decode().strip()

    def __iter__(self) -> Iterator[str]:
        lines = self._lowered.decode().split("\r\n")[1:-1]
        return iter(dict.fromkeys(line.partition(":")[0] for line in lines))

    def __len__(self) -> int:
        return sum(1 for _ in self)
