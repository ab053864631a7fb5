"""Requests that callers write themselves, for operations outside the table."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import orjson
from attrs import field, frozen

from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.shared import JSONValue, ResponseMetadata
from lambdacore_async.protocol.messages import MAX_RESPONSE, Request, Response
from lambdacore_async.protocol.reading import is_array, is_object
from lambdacore_async.protocol.restjson import Operation

_METHODS: Final = ("DELETE", "GET", "PATCH", "POST", "PUT")
_PATH: Final = re.compile(r"/|(/([A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+)+/?")
_DOTS: Final = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
#: Headers that the client sets itself.
_RESERVED: Final = frozenset(
    {
        "accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "authorization",
        "connection", "content-encoding", "content-length", "expect", "host", "te", "trailer",
        "transfer-encoding", "upgrade", "user-agent", "x-amz-content-sha256", "x-amz-date",
        "x-amz-security-token",
    }
)  # fmt: skip
_JSON_TYPE: Final = re.compile(r"application/([\w.+-]+\+)?(x-amz-)?json", re.IGNORECASE)
_MAX_QUOTED: Final = 100


@frozen(eq=False)
class RawResponse:
    """The response to a request of `LambdaCoreClient.request`."""

    status: int
    """The HTTP status, 200 to 299."""
    headers: Mapping[str, str] = field(repr=False)
    """The headers, by lower-case name."""
    body: bytes = field(repr=False)
    """The bytes of the body, decoded from any content coding."""
    json: JSONValue = field(repr=False)
    """The body's JSON value; `None` if the body is empty or its content type is not JSON."""
    response_metadata: ResponseMetadata
    """The request ID, the status and the number of attempts."""


@frozen(eq=False, repr=False)
class RawOperation(Operation[RawResponse]):
    """An operation whose request does not depend on the arguments of the call."""

    request: Request = field(kw_only=True)

    def build_request(self, arguments: Mapping[str, object]) -> Request:  # noqa: ARG002 - see above
        """Return the request."""
        return self.request

    def _parse_output(
        self,
        response: Response,
        metadata: ResponseMetadata,
        identifiers: tuple[str, ...],  # noqa: ARG002 - the base class defines the signature
    ) -> RawResponse:
        headers = {name.lower(): response.headers[name] for name in response.headers}
        is_json = response.body and _JSON_TYPE.match(headers.get("content-type", ""))
        data: JSONValue = orjson.loads(response.body) if is_json else None
        return RawResponse(
            response.status, MappingProxyType(headers), response.body, data, metadata
        )


def raw_operation(
    method: str,
    path: str,
    *,
    query: Mapping[str, str | Sequence[str]] | None,
    body: JSONValue | bytes,
    headers: Mapping[str, str] | None,
    idempotent: bool,
) -> RawOperation:
    """Return the operation of one request; see `LambdaCoreClient.request`.

    Raises:
        ParameterError: if an argument cannot be sent.
    """
    if method not in _METHODS:
        raise ParameterError(
            "method", f"must be one of {', '.join(_METHODS)}, got {_shown(method)}"
        )
    if not isinstance(path, str) or not _PATH.fullmatch(path) or _DOTS.search(path):
        raise ParameterError(
            "path",
            "must start with /, have no empty segment, and be percent-encoded, without a query, "
            f"got {_shown(path)}",
        )
    if not isinstance(idempotent, bool):
        raise ParameterError("idempotent", f"must be True or False, got {_shown(idempotent)}")
    sent = _checked_headers(headers)
    payload = _payload(body)
    if payload is not None and not isinstance(body, bytes):
        sent.setdefault("content-type", "application/json")
    target = f"{path}?{text}" if (text := _query(query)) else path
    return RawOperation(
        f"{method} {path}", method, path, 200, (), frozenset(),
        readonly=method == "GET", idempotent=idempotent, max_response=MAX_RESPONSE,
        request=Request(method, target, sent, payload, MAX_RESPONSE),
    )  # fmt: skip


def _query(query: Mapping[str, str | Sequence[str]] | None) -> str:
    if query is None:
        return ""
    if not is_object(query):
        raise ParameterError("query", f"expected a mapping, got {type(query).__name__}")
    pairs: list[str] = []
    for name, value in query.items():
        if name == "":  # SigV4's implementations differ on it
            raise ParameterError("query", "must not have an empty name")
        for item in value if is_array(value) else (value,):
            if not (isinstance(name, str) and isinstance(item, str)):
                raise ParameterError(f"query[{_shown(name)}]", f"expected str, got {_shown(item)}")
            try:
                pairs.append(f"{quote(name, safe='-._~')}={quote(item, safe='-._~')}")
            except UnicodeEncodeError:
                raise ParameterError(f"query[{_shown(name)}]", "has a lone surrogate") from None
    return "&".join(pairs)


def _checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    if headers is not None and not is_object(headers):
        raise ParameterError("headers", f"expected a mapping, got {type(headers).__name__}")
    checked: dict[str, str] = {}
    for name, value in (headers or {}).items():
        parameter = f"headers[{_shown(name)}]"
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ParameterError(parameter, "is not a valid header name")
        if name.lower() in _RESERVED:
            raise ParameterError(parameter, "is set by the client")
        if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
            raise ParameterError(parameter, "expected a str of printable ASCII characters")
        checked[name.lower()] = str.__str__(value)
    return checked


def _payload(body: JSONValue | bytes) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    try:
        return json.dumps(body, allow_nan=False, default=_plain).encode()
    except (TypeError, ValueError, RecursionError) as error:
        problem = escaped(str(error), _MAX_QUOTED)
        raise ParameterError("body", f"cannot be sent as JSON: {problem}") from None


def _plain(value: object) -> object:
    """Return a mapping as a dict, and any other sequence as a list."""
    if is_object(value):
        return dict(value)
    if isinstance(value, Sequence):
        items: Sequence[object] = value  # pyright: ignore[reportUnknownVariableType] # as narrowed
        return list(items)
    raise TypeError(f"{type(value).__name__} is not a JSON value")


def _shown(value: object) -> str:
    return escaped(repr(value), _MAX_QUOTED)
