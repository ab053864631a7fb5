"""HTTP/1.1: requests to bytes, and answers from bytes as long as they are plain.

Nearly all answers of this API are: a status, some headers, and a body of a stated length, as it is.
These are read here, for half of what a parser costs that is ready for everything. Whatever might be
understood in another way is not plain, and left to such a parser.

Source: https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lambdacore_async.protocol.messages import Request, Response

#: More than plain heads have; other parsers draw the line here too.
_MAX_HEAD: Final = 8190
#: What stands in the lines of a plain head.
_VISIBLE: Final = bytes(range(ord(" "), ord("~") + 1)) + b"\t"
_STATUS_LINE: Final = re.compile(r"HTTP/1\.1 ([2-5][0-9][0-9])(?: .*)?")
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
#: Statuses whose answers have no body, whatever their headers say.
_WITHOUT_BODY: Final = frozenset({204, 304})
#: Headers with which the body is not what follows, as it is.
_UNUSUAL: Final = frozenset({"content-encoding", "transfer-encoding", "upgrade"})


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
        raise ValueError("a line break in a request's headers")
    lines += ("", "")
    head = "\r\n".join(lines).encode()
    return head + body if body else head


def read_plain(data: bytes) -> tuple[Response, int] | None:
    """Read an answer from its first bytes on, if it is plain.

    Returns:
        The answer with what there is of its body, and how many bytes are missing there, below 0
        where there are too many; `None` if it is not plain, or its head is not whole.
    """
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or len(head) > _MAX_HEAD or head.replace(b"\r\n", b"").translate(None, _VISIBLE):
        return None
    status_line, *lines = head.decode().split("\r\n")
    headers: dict[str, str] = {}
    try:
        status = _status(status_line)
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                return None
            headers[_lowered(name)] = value.strip()
        length = _length(headers["content-length"])
    except (ValueError, KeyError):
        return None
    if (
        len(headers) != len(lines)  # a name came twice
        or not _UNUSUAL.isdisjoint(headers)
        or headers.get("connection", "keep-alive").lower() != "keep-alive"
    ):
        return None
    return Response(status, headers, body), length - len(body)


# The same few come again and again.


@lru_cache(maxsize=64)
def _status(line: str) -> int:
    match = _STATUS_LINE.fullmatch(line)
    if match is None or (status := int(match[1])) in _WITHOUT_BODY:
        raise ValueError("not the first line of a plain answer")
    return status


@lru_cache(maxsize=256)
def _lowered(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not the name of a header")
    return name.lower()


@lru_cache(maxsize=256)
def _length(text: str) -> int:
    if not _LENGTH.fullmatch(text):
        raise ValueError("not the length of a plain answer")
    return int(text)
