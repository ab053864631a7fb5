"""The restJson1 protocol: operations as data, requests and responses both ways.

An `Operation` is a row of the table in `operations`. The client's side is `build_request` and
`parse_response`; the service's side is `parse_request`, `build_response` and `build_error`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum, auto
from http import HTTPStatus
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote, unquote

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

_UNRESERVED = "-._~"  # beside letters and digits, what a path or query need not escape
_NAMES_AND_ARNS = f"{ascii_letters}{digits}{_UNRESERVED}:".encode()
_DECODER = json.JSONDecoder()
_JSON = MappingProxyType({"content-type": "application/json"})
#: The spellings of an error's code and message in a body, the first one found counts.
_CODE_KEYS = ("code", "Code", "__type")
_MESSAGE_KEYS = ("message", "Message")
#: Bounds on the body of a response. A connector has at most 32 subnets and security groups of 1,024
#: characters and a role of 10,000; a runtime has two texts of 1,024, which JSON may escape to
#: twelve times that. Reasons are some sentences.
ONE_RESOURCE: Final = 128 * 1024
#: Release notes have no bound in the API's model.
ONE_RUNTIME_VERSION: Final = 256 * 1024
#: 100 resources at most. Those in listings have at most 10 KiB, all texts at their full length.
PAGE: Final = 1024 * 1024
#: An empty object, or else the service's error or a proxy's page.
NOTHING: Final = 64 * 1024
_MAX_ITEMS: Final = 1000  # the API returns 100 at most
_MAX_TOKEN: Final = 8 * 1024  # it has to fit into a URL
_MAX_QUOTED: Final = 100
_MAX_SECONDS: Final = 24 * 60 * 60.0
#: Where an answer names the resource that it is about.
_NAMING = ("Name", "Id", "Arn", "VersionArn", "RuntimeName")
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


_PATH, _QUERY, _HEADER, _ = Location  # Python 3.11 looks members up by a function


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
        identifies: names the resource that the call is about.
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
        """Check an argument, and give it as JSON.

        Raises:
            ParameterError: it cannot be sent.
        """
        if self.required and value is None:
            raise ParameterError(self.name, "required")
        data = writing.unstructure(self.kind, value, self.name)
        if self.required and not self.blank and data == "":
            raise ParameterError(self.name, "must not be empty")
        if data in (".", "..") and self.location is Location.PATH:
            raise ParameterError(self.name, f"{data!r} cannot be sent in a URL's path")
        return data


def path(name: str, kind: Any = str) -> Member:
    """A required member in the path; it names the resource."""
    return Member(name, kind, Location.PATH, wire_name(name), required=True, identifies=True)


def query(name: str, kind: Any, wire: str | None = None) -> Member:
    """An optional member in the query."""
    return Member(name, kind, Location.QUERY, wire or wire_name(name))


def header(name: str, kind: Any, wire: str) -> Member:
    """An optional member in a header."""
    return Member(name, kind, Location.HEADER, wire)


def body(
    name: str,
    kind: Any = str,
    *,
    required: bool = False,
    blank: bool = False,
    token: bool = False,
    identifies: bool = False,
) -> Member:
    """A member in the body, optional unless said."""
    return Member(
        name,
        kind,
        Location.BODY,
        wire_name(name),
        required,
        blank=blank,
        token=token,
        identifies=identifies,
    )


def _token_of(operation: Operation[Any]) -> str | None:
    return next((member.name for member in operation.members if member.token), None)


def _has_body(operation: Operation[Any]) -> bool:
    return any(member.location is Location.BODY for member in operation.members)


def _parameters(operation: Operation[Any]) -> frozenset[str]:
    return frozenset(member.name for member in operation.members)


class _UnreadableError(ValueError):
    """The body of a response cannot be read."""

    def __init__(self, problem: str, *, transient: bool = False) -> None:
        super().__init__(problem)
        self.transient = transient


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
        max_response: bytes that the body of a response may have.
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
    _has_body: bool = field(init=False, default=Factory(_has_body, takes_self=True))
    _parameters: frozenset[str] = field(init=False, default=Factory(_parameters, takes_self=True))

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
            ParameterError: an argument is missing or unknown, or no server could accept it.
        """
        for name in arguments:
            if name not in self._parameters:
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
            if location is _PATH:
                target = target.replace(f"{{{member.wire}}}", _escape(str(data)))
            elif location is _QUERY:
                queries.append(f"{member.wire}={_escape(str(data))}")
            elif location is _HEADER:
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
        """Return the result that the response holds, or raise the error that it is.

        Args:
            response: the response.
            attempts: how many requests were sent for it.
            identifiers: the resource that the request was about, as the request has them.

        Raises:
            ApiError: the service says that the call failed.
            ResponseError: the response cannot be read, or is about another resource.
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
        except Exception as fault:  # noqa: BLE001 - one response must not end what many calls share
            error = self._unreadable(response, fault)
        # The error's traceback keeps this frame: it must hold neither the body nor the error, and
        # the error nothing that was raised above, for a JSONDecodeError has the whole document.
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
            f"cannot read the answer: {problem}",
            transient=isinstance(fault, _UnreadableError) and fault.transient,
            status_code=response.status,
            request_id=_request_id(response),
            body_start=response.body,
            operation=self.name,
        )

    def _parse_error(self, response: Response) -> ApiError:
        """Read an error in any of its forms on the wire, as botocore does."""
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
        """Make the answer of success."""
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
    """An operation that returns nothing; its answer's body may be anything."""

    __slots__ = ()

    def _parse_output(
        self,
        response: Response,  # noqa: ARG002 - the signature is the base class's
        metadata: ResponseMetadata,  # noqa: ARG002 - the same
        identifiers: tuple[str, ...],  # noqa: ARG002 - the same
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
        if present:  # all are of one resource, if of any
            for identifier in identifiers:
                _check_resource(present[0], identifier)
        return page

    def _build_output(self, output: Page[Item]) -> Mapping[str, JSONValue]:
        page: dict[str, JSONValue] = {self.items: [writing.to_dict(item) for item in output.items]}
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
        ValueError: it is no JSON, or has text that cannot be encoded.
    """
    text, data, end = "", None, -1
    try:
        text = body.decode()
        data, end = _DECODER.raw_decode(text)
    except ValueError:
        pass
    if end != len(text):
        data = json.loads(body)
    elif "\\" not in text:  # nor any escaped surrogate
        return data
    try:
        reading.refuse_surrogates(data)
    except ValueError as error:
        raise _UnreadableError(f"the body {error}") from None
    return data


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        content: dict[str, Any] = _decoded(body)
    except _UnreadableError:
        raise
    except (ValueError, RecursionError):
        # Something between the service and here may have put its own answer in place.
        problem = "the body is not JSON" if body else "the body is empty"
        raise _UnreadableError(problem, transient=True) from None
    if not isinstance(content, dict):
        raise _UnreadableError(f"expected a JSON object, got {type(content).__name__}")
    return content


def _check_resource(data: Mapping[str, Any], identifier: str) -> None:
    """Refuse an answer to another request, which a broken connection or proxy may bring.

    Raises:
        _UnreadableError: no name, ID or ARN in it has to do with the identifier that was asked for.
    """
    name, identity, arn = data.get("Name"), data.get("Id"), data.get("Arn")
    if identifier.partition(":")[0] == name or identifier in (identity, arn):
        return
    # An ARN may end with the resource's name or its ID; a version may follow.
    start, _, last = identifier.rpartition(":")
    if start and last.isdecimal():
        last = start.rpartition(":")[2]
    last = last.rpartition("/")[2].strip().casefold()
    if last and not any(last in _parts(data.get(member)) for member in _NAMING):
        asked, got = (escaped(repr(text), _MAX_QUOTED) for text in (identifier, name or arn))
        raise _UnreadableError(f"it is about another resource: asked for {asked}, got {got}")


def _parts(text: object) -> list[str]:
    """The parts of a name or an ARN; how capitals are written does not tell resources apart."""
    if not isinstance(text, str):
        return []
    return [part.strip() for part in text.casefold().replace("/", ":").split(":")]


def _error_content(response: Response) -> Mapping[str, Any]:
    """The members of an error's body, whatever the body is."""
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
    """The error's code: a header, a member, or else the status, shorn of namespace and address."""
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
    """The text, with `?` in place of lone surrogates, which cannot be printed."""
    return text.encode(errors="replace").decode()


def _throttle_reason(text: str) -> ThrottleReason | UnknownValue:
    try:
        return ThrottleReason(text)
    except ValueError:
        return UnknownValue(text)


def _seconds(text: str | None) -> float | None:
    """A delay that a header states in seconds, at most a day; dates and nonsense count as none."""
    try:
        seconds = float(text or "nan")
    except ValueError:
        return None
    return min(seconds, _MAX_SECONDS) if 0 <= seconds < float("inf") else None


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
