"""The restJson1 protocol: builds and parses requests and responses from operations as data.

An `Operation` is a row of the table in `operations`. The client calls `build_request` and
`parse_response`; the embedded service calls `parse_request`, `build_response` and `build_error`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, unquote

import orjson
from attrs import Factory, evolve, field, frozen

from lambdacore_async.errors import (
    ERRORS_BY_CODE,
    ApiError,
    LambdaCoreError,
    ParameterError,
    ResponseError,
    ThrottleReason,
)
from lambdacore_async.escaping import escaped
from lambdacore_async.models.shared import (
    JSONValue,
    Page,
    ResponseMetadata,
    UnknownValue,
)
from lambdacore_async.protocol import reading, writing
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.reading import wire_name

Output = TypeVar("Output")
Model = TypeVar("Model")
Item = TypeVar("Item")

_UNRESERVED = "-._~"  # characters other than letters and digits that a URL need not escape
_NAMES_AND_ARNS = f"{ascii_letters}{digits}{_UNRESERVED}:".encode()
_JSON = MappingProxyType({"content-type": "application/json"})
#: The members that may hold an error's code and message; the first one found is used.
_CODE_KEYS = ("code", "Code", "__type")
_MESSAGE_KEYS = ("message", "Message")
#: Bounds on the body of a response, in bytes. A connector has at most 32 subnets and security
#: groups of 1,024 characters each, and a role of 10,000; a runtime has two texts of 1,024. JSON may
#: escape a text to twelve times its length. Reasons are a few sentences long.
ONE_RESOURCE: Final = 128 * 1024
#: The API's model does not bound release notes.
ONE_RUNTIME_VERSION: Final = 256 * 1024
#: At most 100 resources of at most 10 KiB each, with all texts at their full length.
PAGE: Final = 1024 * 1024
#: An empty object, an error of the service, or a page of a proxy.
NOTHING: Final = 64 * 1024
_MAX_ITEMS: Final = 1000  # the API returns 100 at most
_MAX_TOKEN: Final = 8 * 1024  # it must fit into a URL
_MAX_QUOTED: Final = 100
_MAX_SECONDS: Final = 24 * 60 * 60.0
#: The members in which a response names its resource.
_NAMING = ("Name", "Id", "Arn", "VersionArn", "RuntimeName")
#: The modelled errors whose member is `Message`, not `message`.
_CAPITAL_MESSAGE = frozenset(
    {"ResourceNotFoundException", "ServiceException", "ServiceQuotaExceededException"}
)


Location: TypeAlias = Literal["path", "query", "header", "body"]
"""The part of a request that carries an argument."""


class Member(NamedTuple):
    """An input member of an operation.

    Attributes:
        name: the parameter's name in Python.
        kind: the type of its value.
        location: the part of the request that carries it.
        wire: its name there.
        required: whether the service requires it.
        blank: whether it may be an empty string, though required.
        token: whether it is an idempotency token, which the client generates once per call.
        identifies: whether it names the resource of the call.
    """

    name: str
    kind: Any
    location: Location
    wire: str
    required: bool = False
    blank: bool = False
    token: bool = False
    identifies: bool = False

    def encode(self, value: object) -> JSONValue:
        """Return an argument as JSON.

        Raises:
            ParameterError: if it is missing, has the wrong type, or cannot be sent.
        """
        if self.required and value is None:
            raise ParameterError(self.name, "required")
        data = writing.unstructure(self.kind, value, self.name)
        if self.required and not self.blank and data in ("", []):
            raise ParameterError(self.name, "must not be empty")
        if data in (".", "..") and self.location == "path":
            raise ParameterError(self.name, f"{data!r} cannot be sent in a URL's path")
        return data


def path(name: str, kind: Any = str) -> Member:
    """Return a required member in the path, which names the resource."""
    return Member(name, kind, "path", wire_name(name), required=True, identifies=True)


def query(name: str, kind: Any, wire: str | None = None, *, required: bool = False) -> Member:
    """Return a member in the query, optional by default. A list is sent as repeated parameters."""
    return Member(name, kind, "query", wire or wire_name(name), required)


def header(name: str, kind: Any, wire: str) -> Member:
    """Return an optional member in a header."""
    return Member(name, kind, "header", wire)


def body(
    name: str,
    kind: Any = str,
    *,
    required: bool = False,
    blank: bool = False,
    token: bool = False,
    identifies: bool = False,
) -> Member:
    """Return a member in the body; optional by default."""
    return Member(
        name,
        kind,
        "body",
        wire_name(name),
        required,
        blank=blank,
        token=token,
        identifies=identifies,
    )


def _token_of(operation: Operation[Any]) -> str | None:
    return next((member.name for member in operation.members if member.token), None)


def _resource_of(operation: Operation[Any]) -> str:
    in_path = (member.name for member in operation.members if member.location == "path")
    return next(in_path, "")


def _has_body(operation: Operation[Any]) -> bool:
    return any(member.location == "body" for member in operation.members)


def _parameters(operation: Operation[Any]) -> frozenset[str]:
    return frozenset(member.name for member in operation.members)


class _UnreadableError(ValueError):
    """The body of a response cannot be read.

    Args:
        problem: the reason.
        transient: whether the same request may well succeed a moment later.
    """

    def __init__(self, problem: str, *, transient: bool = False) -> None:
        super().__init__(problem)
        self.transient = transient


@frozen(eq=False, repr=False)
class Operation(Generic[Output]):
    """An operation of the API; each subclass reads one kind of output.

    Attributes:
        name: the API's name, such as `GetNetworkConnector`.
        method: the HTTP method.
        uri: the path, with `{Label}` for each member in it.
        status: the HTTP status of success.
        members: the input members, in the model's order.
        errors: the error codes that the model lists for it.
        readonly: whether it changes nothing.
        idempotent: whether calling it twice has the effect of calling it once.
        max_response: bound on the body of a response, in bytes. Defaults to that of one resource.
        token: the name of the parameter with the idempotency token, if it has one.
        resource: the name of the parameter that identifies the resource, which may be an ARN of
            another region; empty if there is none.
    """

    name: str
    method: str
    uri: str
    status: int
    members: tuple[Member, ...]
    errors: frozenset[str]
    readonly: bool = False
    idempotent: bool = False
    max_response: int = field(default=ONE_RESOURCE, kw_only=True)
    token: str | None = field(init=False, default=Factory(_token_of, takes_self=True))
    resource: str = field(init=False, default=Factory(_resource_of, takes_self=True))
    _has_body: bool = field(init=False, default=Factory(_has_body, takes_self=True))
    _parameters: frozenset[str] = field(init=False, default=Factory(_parameters, takes_self=True))

    def __str__(self) -> str:
        return self.name

    @property
    def repeatable(self) -> bool:
        """Whether sending a request twice has the effect of sending it once."""
        return self.readonly or self.idempotent or self.token is not None

    def build_request(self, arguments: Mapping[str, object]) -> Request:
        """Return the unsigned request of a call; signing does not change its target.

        Args:
            arguments: values by parameter name; `None` means absent.

        Raises:
            ParameterError: if an argument is missing, unknown, or invalid for any server.
        """
        if not self._parameters.issuperset(arguments):
            name = next(name for name in arguments if name not in self._parameters)
            raise ParameterError(name, "unknown parameter", operation=self.name)
        target = self.uri
        identifiers: tuple[Any, ...] = ()
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
            if member.identifies:
                identifiers += (data,)
            location = member.location
            if location == "path":
                target = target.replace(f"{{{member.wire}}}", _escape(str(data)))
            elif location == "query":
                values = data if reading.is_array(data) else (data,)
                queries += [f"{member.wire}={_escape(str(value))}" for value in values]
            elif location == "header":
                headers[member.wire] = str(data)
            else:
                content[member.wire] = data
        if queries:
            target = f"{target}?{'&'.join(queries)}"
        payload = None
        if self._has_body:
            headers = {**headers, **_JSON}
            payload = json.dumps(content).encode()
        return Request(self.method, target, headers, payload, self.max_response, identifiers)

    def parse_response(
        self, response: Response, attempts: int = 1, identifiers: tuple[str, ...] = ()
    ) -> Output:
        """Return the result of a successful response, or raise the error of a failed one.

        Args:
            response: the response.
            attempts: the number of requests sent, this one included. Defaults to 1.
            identifiers: the identifiers of the requested resource; see `Request`.

        Raises:
            ApiError: if the service answered with an error.
            ResponseError: if the response cannot be read, or is about another resource.
        """
        error: LambdaCoreError
        try:
            if 200 <= response.status < 300:
                request_id = response.headers.get("x-amzn-requestid")
                if request_id is not None and not request_id.isascii():
                    request_id = _encodable(request_id)
                metadata = ResponseMetadata(request_id, response.status, attempts)
                return self._parse_output(response, metadata, identifiers)
            error = self._parse_error(response)
        except Exception as fault:  # noqa: BLE001 - one response must not fail all calls of a fan-out
            error = self._unreadable(response, fault)
        # The error's traceback keeps this frame alive, so drop the body, and break the cycle with
        # the error. `from None`, because a JSONDecodeError holds the whole document.
        del response
        try:
            raise error from None
        finally:
            del error

    def _parse_output(
        self, response: Response, metadata: ResponseMetadata, identifiers: tuple[str, ...]
    ) -> Output:
        raise NotImplementedError

    def _unreadable(self, response: Response, fault: Exception) -> ResponseError:
        problem = (
            str(fault) if isinstance(fault, ValueError) else f"{type(fault).__name__}: {fault}"
        )
        return ResponseError(
            f"cannot read the response: {problem}",
            transient=isinstance(fault, _UnreadableError) and fault.transient,
            status_code=response.status,
            request_id=_request_id(response),
            body_start=response.body,
            operation=self.name,
        )

    def _parse_error(self, response: Response) -> ApiError:
        """Read an error in any of its wire formats, as botocore does."""
        content = _error_content(response)
        code = _error_code(response, content)
        reason = _text(content, ("Reason",))
        return ERRORS_BY_CODE.get(code, ApiError)(
            _text(content, _MESSAGE_KEYS) or "",
            code=code,
            status_code=response.status,
            request_id=_request_id(response),
            fault=_text(content, ("Type",)),
            reason=None if reason is None else _throttle_reason(reason),
            retry_after=_seconds(response.headers.get("retry-after")),
            backoff_hint=_milliseconds(response.headers.get("x-amz-retry-after")),
            modelled=code in self.errors,
            operation=self.name,
        )

    def match(self, method: str, raw_path: str) -> dict[str, str] | None:
        """Return the decoded labels of the path; `None` if the path is for another operation."""
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
        """Return the arguments of a request that `match` accepts, by parameter name.

        Raises:
            ParameterError: if a member is missing or has the wrong type.
        """
        return self.parse_members(self.read_members(request))

    def read_members(self, request: Request) -> dict[str, Any]:
        """Return the members of a request that `match` accepts, as JSON, by parameter name.

        Raises:
            ParameterError: if the body is not a JSON object, or a number is not one.
        """
        raw_path, _, raw_query = request.target.partition("?")
        queries: dict[str, list[str]] = {}
        for key, value in _query_pairs(raw_query):
            queries.setdefault(key, []).append(value)
        labels = self.match(request.method, raw_path) or {}
        content = self._read_content(request)
        members: dict[str, Any] = {}
        for member in self.members:
            data: object
            match member.location:
                case "path":
                    data = labels.get(member.wire)
                case "query":
                    values = queries.get(member.wire, [])
                    last = values[-1] if values else None
                    data = values if reading.is_list(member.kind) else _from_text(last, member)
                case "header":
                    data = _from_text(request.headers.get(member.wire), member)
                case _:  # the body
                    data = content.get(member.wire)
            if data is not None:
                members[member.name] = data
        return members

    def parse_members(self, members: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a request from its members.

        Raises:
            ParameterError: if a member is missing or has the wrong type.
        """
        arguments: dict[str, Any] = {}
        for member in self.members:
            data = members.get(member.name)
            if data is not None:
                arguments[member.name] = reading.structure_argument(member.kind, data, member.wire)
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
        if not reading.is_object(content):
            raise ParameterError("body", "is not a JSON object")
        return content

    def build_response(self, output: Output) -> Response:
        """Return the response of a successful call."""
        if self.status == HTTPStatus.NO_CONTENT:
            return Response(self.status, {}, b"")
        return _json_response(self.status, self._build_output(output))

    def _build_output(self, output: Output) -> Mapping[str, JSONValue]:
        raise NotImplementedError


@frozen(eq=False, repr=False)
class ModelOperation(Operation[Model]):
    """An operation that returns a resource."""

    output: type[Model] = field(kw_only=True)

    def _parse_output(
        self, response: Response, metadata: ResponseMetadata, identifiers: tuple[str, ...]
    ) -> Model:
        data = _read_object(response.body)
        data["ResponseMetadata"] = metadata
        model = reading.structure(self.output, data)
        for identifier in identifiers:
            if identifier != data.get("Name"):
                _check_resource(data, identifier)
        return model

    def _build_output(self, output: Model) -> Mapping[str, JSONValue]:
        return writing.to_dict(output)


class EmptyOperation(Operation[None]):
    """An operation that returns nothing; the body of its response is ignored."""

    __slots__ = ()

    def _parse_output(
        self,
        response: Response,  # noqa: ARG002 - the base class defines the signature
        metadata: ResponseMetadata,  # noqa: ARG002 - the same
        identifiers: tuple[str, ...],  # noqa: ARG002 - the same
    ) -> None:
        return None

    def _build_output(self, output: None) -> Mapping[str, JSONValue]:  # noqa: ARG002 - the same
        return {}


class TagsOperation(Operation[dict[str, str]]):
    """An operation that returns the tags of a resource."""

    __slots__ = ()

    def _parse_output(
        self,
        response: Response,
        metadata: ResponseMetadata,  # noqa: ARG002 - the base class defines the signature
        identifiers: tuple[str, ...],  # noqa: ARG002 - the same
    ) -> dict[str, str]:
        tags = _read_object(response.body).get("Tags")
        return {} if tags is None else reading.structure(dict[str, str], tags)

    def _build_output(self, output: dict[str, str]) -> Mapping[str, JSONValue]:
        return {"Tags": output}


@frozen(eq=False, repr=False)
class ListOperation(Operation[Page[Item]]):
    """An operation that returns one page of a listing.

    Attributes:
        item: the class of the resources.
        items: the wire name of the list.
        input_token: the name of the parameter with the token of a page.
        output_token: the wire name of the next page's token.
        page_size: the name of the parameter that bounds a page.
    """

    item: type[Item] = field(kw_only=True)
    items: str = field(kw_only=True)
    input_token: str = field(kw_only=True)
    output_token: str = field(kw_only=True)
    page_size: str = field(kw_only=True)
    max_response: int = field(default=PAGE, kw_only=True)

    def _parse_output(
        self, response: Response, metadata: ResponseMetadata, identifiers: tuple[str, ...]
    ) -> Page[Item]:
        data = _read_object(response.body)
        items, token = data.get(self.items), data.get(self.output_token)
        if not reading.is_array(items):
            raise _UnreadableError(f"{self.items}: expected a list, got {type(items).__name__}")
        if len(items) > _MAX_ITEMS:
            raise _UnreadableError(f"{self.items}: expected at most {_MAX_ITEMS}, got {len(items)}")
        if not isinstance(token, str | None):
            raise _UnreadableError(f"{self.output_token}: got {type(token).__name__}")
        if token and len(token) > _MAX_TOKEN:
            raise _UnreadableError(f"{self.output_token}: longer than {_MAX_TOKEN} characters")
        present = [item for item in items if item is not None]
        page = Page(
            tuple([reading.structure(self.item, item) for item in present]), token or None, metadata
        )
        if present:  # with identifiers, all items are of one resource
            for identifier in identifiers:
                _check_resource(present[0], identifier)
        return page

    def _build_output(self, output: Page[Item]) -> Mapping[str, JSONValue]:
        page: dict[str, JSONValue] = {self.items: [writing.to_dict(item) for item in output.items]}
        return page if output.next_token is None else {**page, self.output_token: output.next_token}


def build_error(error: ApiError) -> Response:
    """Return the response of a failed call."""
    message_key = _MESSAGE_KEYS[error.code in _CAPITAL_MESSAGE]
    content: dict[str, JSONValue] = {message_key: error.message}
    if error.fault is not None:
        content["Type"] = error.fault
    if error.reason is not None:
        content["Reason"] = str(error.reason)
    headers = {"x-amzn-errortype": error.code}
    if error.retry_after is not None:
        headers["retry-after"] = f"{error.retry_after:g}"
    response = _json_response(error.status_code, content)
    return evolve(response, headers={**response.headers, **headers})


def _json_response(status: int, content: Mapping[str, JSONValue]) -> Response:
    return Response(status, _JSON, json.dumps(content).encode())


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        content: dict[str, Any] = orjson.loads(body)
    except ValueError:
        # A proxy may have replaced the response with one of its own.
        problem = "the body is not JSON" if body else "the body is empty"
        raise _UnreadableError(problem, transient=True) from None
    if not isinstance(content, dict):
        raise _UnreadableError(f"expected a JSON object, got {type(content).__name__}")
    return content


def _check_resource(data: Mapping[str, Any], identifier: str) -> None:
    """Refuse the response to another request, which a broken connection or proxy may deliver.

    Raises:
        _UnreadableError: if no name, ID or ARN in the data matches the requested identifier.
    """
    name, identity, arn = data.get("Name"), data.get("Id"), data.get("Arn")
    if identifier.partition(":")[0] == name or identifier in (identity, arn):
        return
    # An ARN may end with the resource's name or its ID, with or without a version.
    start, _, last = identifier.rpartition(":")
    if start and last.isdecimal():
        last = start.rpartition(":")[2]
    last = last.rpartition("/")[2].strip().casefold()
    if last and not any(last in _parts(data.get(member)) for member in _NAMING):
        asked, got = (escaped(repr(text), _MAX_QUOTED) for text in (identifier, name or arn))
        raise _UnreadableError(f"it is about another resource: requested {asked}, got {got}")


def _parts(text: object) -> list[str]:
    """Return the parts of a name or an ARN in one case, for comparison."""
    if not isinstance(text, str):
        return []
    return [part.strip() for part in text.casefold().replace("/", ":").split(":")]


def _error_content(response: Response) -> Mapping[str, Any]:
    """Return the members of an error's body.

    Text other than JSON is the message. The status's phrase replaces HTML or an empty body.
    """
    try:
        content = json.loads(response.body)
    except (ValueError, RecursionError):
        text = response.body[:1000].decode(errors="replace").strip()
        if not text or text.lower().startswith(("<html", "<!doctype")):
            text = _phrase(response.status)
        return {"message": text}
    return content if reading.is_object(content) else {"message": _phrase(response.status)}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _error_code(response: Response, content: Mapping[str, Any]) -> str:
    """Return the code of a header, of a member or, failing these, the status.

    A namespace before the code and an address after it are left out.
    """
    text = response.headers.get("x-amzn-errortype") or _text(content, _CODE_KEYS) or ""
    text = _encodable(text)
    return text.split(":", 1)[0].rsplit("#", 1)[-1] or str(response.status)


def _text(content: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    text = next((text for key in keys if isinstance(text := content.get(key), str)), None)
    return None if text is None else _encodable(text)


def _request_id(response: Response) -> str | None:
    request_id = response.headers.get("x-amzn-requestid")
    return None if request_id is None else _encodable(request_id)


def _encodable(text: str) -> str:
    """Replace lone surrogates, which cannot be printed, with `?`."""
    return text.encode(errors="replace").decode()


def _throttle_reason(text: str) -> ThrottleReason | UnknownValue:
    try:
        return ThrottleReason(text)
    except ValueError:
        return UnknownValue(text)


def _seconds(text: str | None) -> float | None:
    """Return a header's delay in seconds, at most a day; `None` for a date or an invalid value."""
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return min(seconds, _MAX_SECONDS) if 0 <= seconds < float("inf") else None


def _milliseconds(text: str | None) -> float | None:
    """Return a header's delay, in whole milliseconds, as seconds."""
    return int(text) / 1000 if text is not None and text.isdecimal() and len(text) < 10 else None


def _escape(text: str) -> str:
    if text.encode().translate(None, _NAMES_AND_ARNS):
        return quote(text, safe=_UNRESERVED)
    return text.replace(":", "%3A")  # the same as `quote`, which looks at each character


def _query_pairs(raw: str) -> list[tuple[str, str]]:
    pairs = (pair.partition("=") for pair in raw.split("&") if pair)
    return [(unquote(key), unquote(value)) for key, _, value in pairs]


def _from_text(text: str | None, member: Member) -> object:
    """Return the JSON value of a query or header value."""
    if text is None or member.kind is not int:
        return text
    try:
        return int(text)
    except ValueError:
        raise ParameterError(member.wire, f"expected a number, got {text!r}") from None
