"""The restJson1 protocol: operations as data, requests and responses both ways.

An `Operation` is a row of the table in `operations`. The client's side is `build_request` and
`parse_response`; the service's side is `parse_request`, `build_response` and `build_error`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import Enum, auto
from http import HTTPStatus
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Never, TypeVar
from urllib.parse import quote, unquote

from attrs import Factory, evolve, field, frozen

from lambdacore_async.errors import (
    MODELLED_ERRORS,
    ApiError,
    ParameterError,
    ResponseError,
    ThrottleReason,
)
from lambdacore_async.models.shared import (
    JSONValue,
    Page,
    ResponseMetadata,
    UnknownValue,
)
from lambdacore_async.protocol import codec
from lambdacore_async.protocol.messages import Request, Response

Output = TypeVar("Output")
Model = TypeVar("Model")
Item = TypeVar("Item")

_UNRESERVED = "-._~"  # beside letters and digits, what a path or query need not escape
_NAMES_AND_ARNS = f"{ascii_letters}{digits}{_UNRESERVED}:".encode()
_DECODER = json.JSONDecoder()
_JSON = MappingProxyType({"content-type": "application/json"})
#: The spellings of an error's code and message in a body, the first one found counts.
_CODE_KEYS = ("code", "Code", "__type")
_MESSAGE_KEYS = ("message", "Message")
#: An answer to a wrong signature quotes what should have been signed, session token included.
_QUOTED_HEADER = r"(?i:(x-amz-security-token:))[^\s']+"
#: The modelled errors whose message member has a capital letter.
_CAPITAL_MESSAGE = frozenset(
    {"ResourceNotFoundException", "ServiceException", "ServiceQuotaExceededException"}
)


class Location(Enum):
    """Where in a request an argument goes."""

    PATH = auto()
    QUERY = auto()
    HEADER = auto()
    BODY = auto()


class Member(NamedTuple):
    """One input member of an operation.

    Attributes:
        name: the parameter's name in Python.
        kind: the type of its value.
        location: where in the request it goes.
        wire: its name there.
        required: the service cannot do without it.
        blank: may be the empty string, though required.
        token: an idempotency token: filled in by the client, once a call.
    """

    name: str
    kind: Any
    location: Location
    wire: str
    required: bool = False
    blank: bool = False
    token: bool = False

    def encode(self, value: object) -> JSONValue:
        """Check an argument, and give it as JSON.

        Raises:
            ParameterError: it cannot be sent.
        """
        if self.required and value is None:
            raise ParameterError(self.name, "required")
        data = codec.unstructure(self.kind, value, self.name)
        if self.required and not self.blank and data == "":
            raise ParameterError(self.name, "must not be empty")
        if self.location is Location.PATH and data in (".", ".."):
            raise ParameterError(self.name, f"{data!r} cannot be sent in a URL's path")
        return data


def path(name: str, kind: Any = str) -> Member:
    """A required member in the path."""
    return Member(name, kind, Location.PATH, codec.wire_name(name), required=True)


def query(name: str, kind: Any, wire: str | None = None) -> Member:
    """An optional member in the query."""
    return Member(name, kind, Location.QUERY, wire or codec.wire_name(name))


def header(name: str, kind: Any, wire: str) -> Member:
    """An optional member in a header."""
    return Member(name, kind, Location.HEADER, wire)


def body(
    name: str, kind: Any = str, *, required: bool = False, blank: bool = False, token: bool = False
) -> Member:
    """A member in the body, optional unless said."""
    return Member(
        name, kind, Location.BODY, codec.wire_name(name), required, blank=blank, token=token
    )


def _token_of(operation: Operation[Any]) -> str | None:
    return next((member.name for member in operation.members if member.token), None)


def _has_body(operation: Operation[Any]) -> bool:
    return any(member.location is Location.BODY for member in operation.members)


@frozen(eq=False, repr=False)
class Operation(Generic[Output]):
    """An operation of the API; the subclasses know what comes back.

    Attributes:
        name: the API's name of it.
        method: the HTTP method.
        uri: the path, with `{Label}` for each member in it.
        status: the HTTP status of success.
        members: the input, in the model's order.
        errors: the codes that the model names for it.
        readonly: it changes nothing.
        idempotent: doing it twice has the effect of doing it once.
    """

    name: str
    method: str
    uri: str
    status: int
    members: tuple[Member, ...]
    errors: frozenset[str]
    readonly: bool = False
    idempotent: bool = False
    token: str | None = field(init=False, default=Factory(_token_of, takes_self=True))
    _has_body: bool = field(init=False, repr=False, default=Factory(_has_body, takes_self=True))

    def __str__(self) -> str:
        return self.name

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.readonly or self.idempotent or self.token is not None

    def build_request(self, arguments: Mapping[str, object]) -> Request:
        """Make the request; its target is final, its headers are those to sign.

        Args:
            arguments: values by parameter name; `None` is the same as absent.

        Raises:
            ParameterError: an argument is missing, or no server could accept it.
        """
        target = self.uri
        queries: list[str] = []
        headers: dict[str, str] = {}
        content: dict[str, JSONValue] = {}
        for member in self.members:
            value = arguments.get(member.name)
            if value is None and not member.required:
                continue
            try:
                data = member.encode(value)
            except ParameterError as error:
                error.operation = self.name
                raise
            match member.location:
                case Location.PATH:
                    target = target.replace(f"{{{member.wire}}}", _escape(str(data)))
                case Location.QUERY:
                    queries.append(f"{member.wire}={_escape(str(data))}")
                case Location.HEADER:
                    headers[member.wire] = str(data)
                case _:  # the body
                    content[member.wire] = data
        if queries:
            target = f"{target}?{'&'.join(queries)}"
        if not self._has_body:
            return Request(self.method, target, headers)
        return Request(self.method, target, {**headers, **_JSON}, json.dumps(content).encode())

    def parse_response(self, response: Response, attempts: int = 1) -> Output:
        """Make the result of the answer, or raise the error that it is.

        Args:
            response: the answer.
            attempts: how many requests were sent for it.

        Raises:
            ApiError: the service says that the call failed.
            ResponseError: the answer cannot be read.
        """
        if not 200 <= response.status < 300:
            raise self._parse_error(response)
        metadata = ResponseMetadata(
            response.headers.get("x-amzn-requestid"), response.status, attempts
        )
        return self._parse_output(response, metadata)

    def _parse_output(self, response: Response, metadata: ResponseMetadata) -> Output:
        raise NotImplementedError

    def _read_object(self, response: Response) -> dict[str, Any]:
        try:
            content: dict[str, Any] = _decoded(response.body)
        except (ValueError, RecursionError):
            problem = "the body is not JSON" if response.body else "the body is empty"
            # Something between the service and here may have put its own answer in place.
            self._refuse(response, problem, transient=True)
        if not isinstance(content, dict):
            self._refuse(response, f"expected a JSON object, got {type(content).__name__}")
        return content

    def _structure(self, kind: type[Model], data: object, response: Response) -> Model:
        try:
            return codec.structure(kind, data)
        except ValueError as error:
            self._refuse(response, str(error))

    def _refuse(self, response: Response, problem: str, *, transient: bool = False) -> Never:
        raise ResponseError(
            f"cannot read the answer: {problem}",
            transient=transient,
            status_code=response.status,
            request_id=response.headers.get("x-amzn-requestid"),
            body_start=response.body,
            operation=self.name,
        ) from None

    def _parse_error(self, response: Response) -> ApiError:
        """Read an error in any of its forms on the wire, as botocore does."""
        content = _error_content(response)
        code = _error_code(response, content)
        reason = _text(content, ("Reason",))
        return MODELLED_ERRORS.get(code, ApiError)(
            re.sub(_QUOTED_HEADER, r"\1...", _text(content, _MESSAGE_KEYS) or ""),
            code=code,
            status_code=response.status,
            request_id=response.headers.get("x-amzn-requestid"),
            fault=_text(content, ("Type",)),
            reason=None if reason is None else _throttle_reason(reason),
            retry_after=_seconds(response.headers.get("retry-after")),
            backoff_hint=_milliseconds(response.headers.get("x-amz-retry-after")),
            modelled=code in self.errors,
            operation=self.name,
        )

    def match(self, method: str, raw_path: str) -> dict[str, str] | None:
        """The path's labels, decoded, if this is the operation that a request is for."""
        patterns, segments = self.uri.split("/"), raw_path.split("/")
        if method != self.method or len(segments) != len(patterns):
            return None
        labels: dict[str, str] = {}
        for pattern, segment in zip(patterns, segments, strict=True):
            if pattern.startswith("{") and segment:
                labels[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                return None
        return labels

    def parse_request(self, request: Request) -> dict[str, Any]:
        """Read a request that `match` says is for this operation: arguments by parameter name.

        Raises:
            ParameterError: a member is missing, or has the wrong type.
        """
        raw_path, _, raw_query = request.target.partition("?")
        queries = dict(_query_pairs(raw_query))
        labels = self.match(request.method, raw_path) or {}
        content = self._read_content(request)
        arguments: dict[str, Any] = {}
        for member in self.members:
            data: object
            match member.location:
                case Location.PATH:
                    data = labels.get(member.wire)
                case Location.QUERY:
                    data = _from_text(queries.get(member.wire), member)
                case Location.HEADER:
                    data = _from_text(request.headers.get(member.wire), member)
                case _:  # the body
                    data = content.get(member.wire)
            if data is not None:
                arguments[member.name] = codec.restructure(member.kind, data, member.wire)
            elif member.required:
                raise ParameterError(member.wire, "required")
        return arguments

    def _read_content(self, request: Request) -> Mapping[str, Any]:
        if not self._has_body:
            return {}
        try:
            content = json.loads(request.body or b"{}")
        except (ValueError, RecursionError):
            raise ParameterError("body", "is not JSON") from None
        if not codec.is_object(content):
            raise ParameterError("body", "is not a JSON object")
        return content

    def build_response(self, output: Output) -> Response:
        """Make the answer of success."""
        return _json_response(self.status, self._build_output(output))

    def _build_output(self, output: Output) -> Mapping[str, JSONValue]:
        raise NotImplementedError


@frozen(eq=False, repr=False)
class ModelOperation(Operation[Model]):
    """An operation that returns a resource."""

    output: type[Model] = field(kw_only=True)

    def _parse_output(self, response: Response, metadata: ResponseMetadata) -> Model:
        data = self._read_object(response)
        data["ResponseMetadata"] = metadata
        return self._structure(self.output, data, response)

    def _build_output(self, output: Model) -> Mapping[str, JSONValue]:
        return codec.to_dict(output)


class EmptyOperation(Operation[None]):
    """An operation that returns nothing; its answer's body may be anything."""

    __slots__ = ()

    def _parse_output(
        self,
        response: Response,  # noqa: ARG002 - the signature is the base class's
        metadata: ResponseMetadata,  # noqa: ARG002 - the same
    ) -> None:
        return None

    def _build_output(self, output: None) -> Mapping[str, JSONValue]:  # noqa: ARG002 - the same
        return {}


@frozen(eq=False, repr=False)
class ListOperation(Operation[Page[Item]]):
    """An operation that returns one page of a listing.

    Attributes:
        item: the class of the resources.
        items: the wire's name of the list.
        input_token: the parameter that continues a listing.
        output_token: the wire's name of the next page's token.
        page_size: the parameter that bounds a page.
    """

    item: type[Item] = field(kw_only=True)
    items: str = field(kw_only=True)
    input_token: str = field(kw_only=True)
    output_token: str = field(kw_only=True)
    page_size: str = field(kw_only=True)

    def _parse_output(self, response: Response, metadata: ResponseMetadata) -> Page[Item]:
        data = self._read_object(response)
        items, token = data.get(self.items), data.get(self.output_token)
        if not codec.is_array(items):
            self._refuse(response, f"{self.items}: expected a list, got {type(items).__name__}")
        if not isinstance(token, str | None):
            self._refuse(response, f"{self.output_token}: got {type(token).__name__}")
        return Page(
            tuple(
                [self._structure(self.item, item, response) for item in items if item is not None]
            ),
            token or None,
            metadata,
        )

    def _build_output(self, output: Page[Item]) -> Mapping[str, JSONValue]:
        page: dict[str, JSONValue] = {self.items: [codec.to_dict(item) for item in output.items]}
        return page if output.next_token is None else {**page, self.output_token: output.next_token}


def build_error(error: ApiError) -> Response:
    """Make the service's answer of failure."""
    message_key = _MESSAGE_KEYS[error.code in _CAPITAL_MESSAGE]
    fault = error.fault or ("Service" if error.status_code >= 500 else "User")
    content: dict[str, JSONValue] = {"Type": fault, message_key: error.message}
    if error.reason is not None:
        content["Reason"] = str(error.reason)
    headers = {"x-amzn-errortype": error.code}
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:g}"
    response = _json_response(error.status_code, content)
    return evolve(response, headers={**response.headers, **headers})


def _json_response(status: int, content: Mapping[str, JSONValue]) -> Response:
    return Response(status, _JSON, json.dumps(content).encode())


def _decoded(body: bytes) -> Any:
    """What `json.loads` gives, past its search for encodings and white space, which cost as much.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        text = body.decode()
        data, end = _DECODER.raw_decode(text)
    except ValueError:
        return json.loads(body)
    return data if end == len(text) else json.loads(body)


def _error_content(response: Response) -> Mapping[str, Any]:
    """The members of an error's body, whatever the body is."""
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        text = response.body[:1000].decode(errors="replace").strip()
        if not text or text.lower().startswith(("<html", "<!doctype")):
            text = _phrase(response.status)
        return {"message": text}
    return content if codec.is_object(content) else {"message": _phrase(response.status)}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _error_code(response: Response, content: Mapping[str, Any]) -> str:
    """The error's code: a header, a member, or else the status, shorn of namespace and address."""
    text = response.headers.get("x-amzn-errortype") or _text(content, _CODE_KEYS) or ""
    return text.split(":", 1)[0].rsplit("#", 1)[-1] or str(response.status)


def _text(content: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if isinstance(text := content.get(key), str)), None)


def _throttle_reason(text: str) -> ThrottleReason | UnknownValue:
    try:
        return ThrottleReason(text)
    except ValueError:
        return UnknownValue(text)


def _seconds(text: str | None) -> float | None:
    """A delay that a header states in seconds; dates and nonsense count as none."""
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _milliseconds(text: str | None) -> float | None:
    """A delay that a header states in whole milliseconds, in seconds."""
    return int(text) / 1000 if text is not None and text.isdecimal() and len(text) < 10 else None


def _escape(text: str) -> str:
    if text.encode().translate(None, _NAMES_AND_ARNS):
        return quote(text, safe=_UNRESERVED)
    return text.replace(":", "%3A")  # what `quote` would do, character by character


def _query_pairs(raw: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return [(unquote(key), unquote(value)) for key, _, value in pairs]


def _from_text(text: str | None, member: Member) -> object:
    """The JSON value that a query or header value stands for."""
    if text is None or member.kind is not int:
        return text
    try:
        return int(text)
    except ValueError:
        raise ParameterError(member.wire, f"expected a number, got {text!r}") from None
