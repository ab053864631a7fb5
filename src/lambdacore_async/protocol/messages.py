"""The two values that travel: one request, one response.

Nobody changes one; they are not frozen only because that makes making them take twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

#: Bytes that the body of a response may have, unless the request says otherwise.
MAX_RESPONSE: Final = 1024 * 1024


@define(eq=False)
class Request:
    """An HTTP request, exactly as it goes over the wire.

    Attributes:
        method: the HTTP method, in capitals.
        target: path and query, percent-encoded; it is signed and sent as it stands.
        headers: names in lower case; `host` is among them from signing on.
        body: the body's bytes; `None` where the request has none.
        max_response: bytes that the body of the response may have, once decoded.
        identifiers: the resource that it is about, as the caller named it; not sent.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_response: int = field(default=MAX_RESPONSE, repr=False)
    identifiers: tuple[str, ...] = field(default=(), repr=False)


@define(eq=False)
class Response:
    """A complete HTTP response.

    Attributes:
        status: the HTTP status code.
        headers: by name; a name in lower case finds its value.
        body: the decoded body's bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
