"""HTTP requests and responses as values.

Treat them as immutable. They are not frozen because frozen classes take twice as long to construct.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

#: Default bound on the body of a response, in bytes.
MAX_RESPONSE: Final = 1024 * 1024


@define(eq=False)
class Request:
    """An HTTP request, exactly as it is sent."""

    method: str
    """The HTTP method, in capitals."""
    target: str
    """Path and query, percent-encoded; signed and sent unchanged."""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Headers by lower-case name; a signed request includes `host`."""
    body: bytes | None = field(default=None, repr=False)
    """The bytes of the body; `None` if the request has no body."""
    max_response: int = field(default=MAX_RESPONSE, repr=False)
    """Bound on the body of the response in bytes, after decoding."""
    identifiers: tuple[str, ...] = field(default=(), repr=False)
    """The requested resource's identifiers as the caller gave them, to check the response."""


@define(eq=False)
class Response:
    """A complete HTTP response."""

    status: int
    """The HTTP status code."""
    headers: Mapping[str, str]
    """Headers, to be looked up by lower-case name."""
    body: bytes
    """The bytes of the decoded body."""
