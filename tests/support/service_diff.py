"""Comparison of AWS's model of the service with this library, one line per difference.

After a change of the service, these lines list what to change in the library.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import attrs

from lambdacore_async.errors import ERRORS_BY_CODE, ApiError
from lambdacore_async.models.shared import UnknownMember, UnknownValue
from lambdacore_async.protocol import operations as table
from lambdacore_async.protocol import sigv4
from lambdacore_async.protocol.messages import Response
from lambdacore_async.protocol.restjson import (
    EmptyOperation,
    ListOperation,
    Member,
    ModelOperation,
    Operation,
    TagsOperation,
    build_error,
)
from support.botocore_judge import paginators as current_paginators
from support.botocore_judge import python_name, service_model

_LOCATIONS: Final = {
    "uri": "path",
    "querystring": "query",
    "header": "header",
    None: "body",
}
_SCALARS: Final[Mapping[str, type]] = {
    "boolean": bool,
    "integer": int,
    "long": int,
    "timestamp": datetime,
}
#: Enums that have another name in the library, and why.
_ENUM_NAMES: Final = {
    # The values are those of NetworkConnectorStateReasonCode, and users compare the two.
    "NetworkConnectorLastUpdateStatusReasonCode": "NetworkConnectorStateReasonCode",
}
#: Fields of output classes that are not in the model, and why.
_OWN_FIELDS: Final = frozenset({"response_metadata", "extra"})  # of the library alone
#: Attributes of the library's exceptions, by member of the error.
_ERROR_FIELDS: Final = {
    "Type": "fault",
    "message": "message",
    "Message": "message",
    "Reason": "reason",
    "retryAfterSeconds": "retry_after",
}
# Traits that this comparison checks. Any other trait counts as a difference.
_OPERATION_TRAITS: Final = frozenset(
    {"name", "http", "input", "output", "errors", "documentation", "idempotent", "readonly"}
)
_HTTP_TRAITS: Final = frozenset({"method", "requestUri", "responseCode"})
_MEMBER_TRAITS: Final = frozenset(
    {"shape", "location", "locationName", "idempotencyToken", "documentation"}
)
_SHAPE_TRAITS: Final = frozenset(
    {
        "type", "members", "required", "member", "key", "value", "enum", "union",
        "exception", "error", "fault", "timestampFormat",
        # The service enforces these, or they have no effect in Python.
        "min", "max", "pattern", "box", "documentation", "sensitive",
    }
)  # fmt: skip

Shape = Mapping[str, Any]


def differences(
    model: Shape | None = None, paginators: Mapping[str, Mapping[str, str]] | None = None
) -> list[str]:
    """Return all differences between the model and the library.

    Args:
        model: a service model in botocore's format; defaults to the newest one.
        paginators: the paginators of the service, by operation; default to the newest ones.
    """
    comparison = _Comparison(
        service_model() if model is None else model,
        current_paginators() if paginators is None else paginators,
    )
    return list(dict.fromkeys(comparison.lines()))


class _Comparison:
    def __init__(self, model: Shape, paginators: Mapping[str, Mapping[str, str]]) -> None:
        self._model = model
        self._shapes: Mapping[str, Shape] = model["shapes"]
        self._paginators = paginators
        self._read: dict[type, set[str]] = {}  # the shapes of each class
        self._seen: set[str] = set()

    def lines(self) -> Iterator[str]:
        yield from self._service()
        modelled: Mapping[str, Shape] = self._model["operations"]
        for name in modelled.keys() - table.OPERATIONS.keys():
            yield f"operation {name}: new in the model"
        for name in table.OPERATIONS.keys() - modelled.keys():
            yield f"operation {name}: not in the model"
        for name, operation in table.OPERATIONS.items():
            if name in modelled:
                yield from self._operation(operation, modelled[name])
        for kind, names in self._read.items():
            yield from self._class(kind, sorted(names))
        yield from self._errors()
        yield from self._traits()

    def _service(self) -> Iterator[str]:
        metadata = self._model["metadata"]
        for key, ours in (
            ("serviceId", table.SERVICE_ID),
            ("apiVersion", table.API_VERSION),
            ("signingName", sigv4.SERVICE),
            ("endpointPrefix", "lambda"),
            ("signatureVersion", "v4"),
            ("auth", ["aws.auth#sigv4"]),
            ("protocol", "rest-json"),
            ("protocols", ["rest-json"]),
        ):
            yield from _compare(f"service: {key}", metadata.get(key), ours)

    # Operations

    def _operation(self, operation: Operation[Any], row: Shape) -> Iterator[str]:
        where = f"operation {operation.name}"
        http = row["http"]
        yield from _compare(f"{where}: method", http["method"], operation.method)
        yield from _compare(f"{where}: URI", http["requestUri"], operation.uri)
        yield from _compare(f"{where}: status", http["responseCode"], operation.status)
        yield from _compare(
            f"{where}: idempotent", row.get("idempotent", False), operation.idempotent
        )
        yield from _compare(f"{where}: readonly", row.get("readonly", False), operation.readonly)
        for trait in (row.keys() - _OPERATION_TRAITS) | (http.keys() - _HTTP_TRAITS):
            yield f"{where}: has trait {trait}, unknown here"
        errors = {error["shape"] for error in row.get("errors", ())}
        for code in errors - operation.errors:
            yield f"{where}: can raise {code}, not listed here"
        for code in operation.errors - errors:
            yield f"{where}: {code} is listed here, not in the model"
        yield from self._input(where, operation, self._shapes[row["input"]["shape"]])
        yield from self._output(where, operation, row["output"]["shape"])
        yield from self._pagination(where, operation)

    def _input(self, where: str, operation: Operation[Any], shape: Shape) -> Iterator[str]:
        ours = {member.name: member for member in operation.members}
        theirs = {python_name(wire): wire for wire in shape["members"]}
        for name in theirs.keys() - ours.keys():
            yield f"{where}: input {theirs[name]} is new in the model"
        for name in ours.keys() - theirs.keys():
            yield f"{where}: input {name} is not in the model"
        if ours.keys() == theirs.keys():
            yield from _compare(f"{where}: order of inputs", list(theirs), list(ours))
        for name, wire in theirs.items():
            if name in ours:
                required = wire in shape.get("required", ())
                reference = shape["members"][wire]
                yield from self._member(
                    f"{where}: input {wire}", ours[name], wire, reference, required=required
                )

    def _member(
        self, where: str, member: Member, wire: str, reference: Shape, *, required: bool
    ) -> Iterator[str]:
        token = reference.get("idempotencyToken", False)
        location = _LOCATIONS.get(reference.get("location"))
        name = reference.get("locationName", wire)
        yield from _compare(f"{where}: name on the wire", name, member.wire)
        yield from _compare(f"{where}: location", location, member.location)
        yield from _compare(f"{where}: required", required, member.required)
        yield from _compare(f"{where}: idempotency token", token, member.token)
        yield from self._type(where, reference["shape"], member.kind)
        # The library may be stricter than the model: an empty image URI is never valid.
        if member.blank and self._shapes[reference["shape"]].get("min", 0) > 0:
            yield f"{where}: may be empty here, not in the model"

    def _output(self, where: str, operation: Operation[Any], name: str) -> Iterator[str]:
        members = self._shapes[name]["members"]
        row: Any = operation  # type checkers do not know its output class
        match operation:
            case ModelOperation():
                yield from self._type(f"{where}: output", name, operation.output)
            case ListOperation():
                expected = {operation.items, operation.output_token}
                yield from _compare(f"{where}: output members", set(members), expected)
                if operation.items in members:
                    items = members[operation.items]["shape"]
                    kind = types.GenericAlias(tuple, (row.item, ...))
                    yield from self._type(f"{where}: items", items, kind)
                    required = operation.items in self._shapes[name].get("required", ())
                    yield from _compare(f"{where}: items required", required, True)
                if operation.output_token in members:
                    token = members[operation.output_token]["shape"]
                    yield from self._type(f"{where}: token", token, str)
            case TagsOperation():
                yield from _compare(f"{where}: output members", set(members), {"Tags"})
                yield from self._type(f"{where}: tags", members["Tags"]["shape"], dict[str, str])
            case EmptyOperation():
                yield from _compare(f"{where}: output members", set(members), set[str]())
            case _:
                yield f"{where}: has a kind that this comparison does not know"

    def _pagination(self, where: str, operation: Operation[Any]) -> Iterator[str]:
        theirs = dict(self._paginators.get(operation.name, {}))
        ours: dict[str, str] = {}
        if isinstance(operation, ListOperation):
            rows = table.OPERATIONS[operation.name].members
            by_name = {member.name: python_name(member.wire) for member in rows}
            ours = {
                "input_token": by_name.get(operation.input_token, ""),
                "output_token": operation.output_token,
                "limit_key": by_name.get(operation.page_size, ""),
                "result_key": operation.items,
            }
            for key in ("input_token", "limit_key"):
                if key in theirs:
                    theirs[key] = python_name(theirs[key])
        yield from _compare(f"{where}: pagination", theirs, ours)

    # Types

    def _type(self, where: str, name: str, kind: Any) -> Iterator[str]:
        """Compare a shape with a type of the library, and collect classes for `_class`."""
        shape = self._shapes[name]
        self._seen.add(name)
        expected = f"{where}: {name} is a {shape['type']} in the model, {_name(kind)} here"
        match shape["type"]:
            case "string" if "enum" in shape:
                enums = [arg for arg in get_args(kind) if arg is not UnknownValue]
                if UnknownValue not in get_args(kind) or len(enums) != 1:
                    yield expected
                else:
                    yield from self._enum(name, shape, enums[0])
            case "string":
                if kind is not str:
                    yield expected
            case "list":
                if get_origin(kind) is tuple:
                    yield from self._type(where, shape["member"]["shape"], get_args(kind)[0])
                else:
                    yield expected
            case "map":
                if get_origin(kind) is dict:
                    for part, inner in zip(("key", "value"), get_args(kind), strict=True):
                        yield from self._type(where, shape[part]["shape"], inner)
                else:
                    yield expected
            case "structure" if shape.get("union"):
                yield from self._union(where, name, kind, expected)
            case "structure":
                if attrs.has(kind):
                    yield from self._structure(name, kind)
                else:
                    yield expected
            case scalar:
                if _SCALARS.get(scalar) is not kind:
                    yield expected

    def _enum(self, name: str, shape: Shape, enum: type[StrEnum]) -> Iterator[str]:
        where = f"enum {name}"
        yield from _compare(f"{where}: name", _ENUM_NAMES.get(name, name), enum.__name__)
        ours, theirs = {member.value for member in enum}, set(shape["enum"])
        for value in theirs - ours:
            yield f"{where}: value {value} is new in the model"
        for value in ours - theirs:
            yield f"{where}: value {value} is not in the model"

    def _union(self, where: str, name: str, kind: Any, expected: str) -> Iterator[str]:
        if UnknownMember not in get_args(kind):
            yield expected
            return
        ours = {arg.__name__: arg for arg in get_args(kind) if arg is not UnknownMember}
        theirs = self._shapes[name]["members"]
        for tag in theirs.keys() - ours.keys():
            yield f"union {name}: member {tag} is new in the model"
        for tag in ours.keys() - theirs.keys():
            yield f"union {name}: member {tag} is not in the model"
        for tag in theirs.keys() & ours.keys():
            yield from self._type(f"{where}.{tag}", theirs[tag]["shape"], ours[tag])

    def _structure(self, name: str, kind: type) -> Iterator[str]:
        names = self._read.setdefault(kind, set())
        if name in names:
            return
        names.add(name)
        fields = _fields(kind)
        for wire, reference in self._shapes[name]["members"].items():
            where = f"structure {name}: {wire}"
            if reference.get("location") is not None:
                yield f"{where}: comes in the {reference['location']}, unknown here"
            if python_name(wire) in fields:
                yield from self._type(
                    where, reference["shape"], _present(fields[python_name(wire)])
                )
            else:
                yield f"{where}: is new in the model; no field of {kind.__name__}"

    def _class(self, kind: type, names: Sequence[str]) -> Iterator[str]:
        """Compare a class with its shapes; a field is required if all of them require it."""
        shapes = [self._shapes[name] for name in names]
        fields = _fields(kind)
        for field in attrs.fields(kind):
            where = f"class {kind.__name__}: {field.name}"
            members = [
                (wire, shape)
                for shape in shapes
                for wire in shape["members"]
                if python_name(wire) == field.name
            ]
            required = len(members) == len(shapes) and all(
                wire in shape.get("required", ()) for wire, shape in members
            )
            if not members:
                if field.name not in _OWN_FIELDS:
                    yield f"{where}: not in the model"
                continue
            yield from _compare(f"{where}: required", required, field.default is attrs.NOTHING)
            optional = types.NoneType in get_args(fields[field.name])
            yield from _compare(f"{where}: may be None", not required, optional)

    # Errors

    def _errors(self) -> Iterator[str]:
        theirs = {name: shape for name, shape in self._shapes.items() if shape.get("exception")}
        for name in theirs.keys() - ERRORS_BY_CODE.keys():
            yield f"error {name}: in the model, has no class here"
        for name, kind in ERRORS_BY_CODE.items():
            if kind.in_model is not (name in theirs):
                where = "in" if name in theirs else "not in"
                yield f"error {name}: {where} the model, in_model={kind.in_model} here"
        for name in theirs.keys() & ERRORS_BY_CODE.keys():
            yield from self._error(name, theirs[name])

    def _error(self, name: str, shape: Shape) -> Iterator[str]:
        where = f"error {name}"
        kind = ERRORS_BY_CODE[name]
        status = shape["error"]["httpStatusCode"]
        yield from _compare(f"{where}: status", status, kind.usual_status)
        self._seen.add(name)
        sent = json.loads(build_error(kind("text", reason="x", code=name)).body)
        for wire in sent.keys() - shape["members"].keys() - {"Reason"}:
            yield f"{where}: the embedded service sends {wire}, which is not in the model"
        for wire, reference in shape["members"].items():
            field = _ERROR_FIELDS.get(wire)
            if field is None:
                yield f"{where}: member {wire} is new in the model"
                continue
            yield from self._error_member(f"{where}: {wire}", name, wire, reference, field)

    def _error_member(
        self, where: str, name: str, wire: str, reference: Shape, field: str
    ) -> Iterator[str]:
        """Parse an error with only this member, and compare the attribute of the exception."""
        self._seen.add(reference["shape"])
        shape = self._shapes[reference["shape"]]
        hints = get_type_hints(ApiError.__init__)
        if "enum" in shape:
            (enum,) = [arg for arg in get_args(hints[field]) if _is_enum(arg)]
            yield from self._enum(reference["shape"], shape, enum)
        for text in shape.get("enum", ("7",)):
            headers, body = {"x-amzn-errortype": name}, "{}"
            if reference.get("location") == "header":
                headers[reference["locationName"].lower()] = text
            else:
                body = f'{{"{wire}": "{text}"}}'
            error = table.GET_RUNTIME._parse_error(Response(400, headers, body.encode()))
            found = getattr(error, field)
            value = f"{found:g}" if isinstance(found, float) else found
            yield from _compare(f"{where}: as {field} of the exception", text, value)

    def _traits(self) -> Iterator[str]:
        """Report the traits that this comparison does not check, of all shapes in use."""
        for name in self._seen:
            shape = self._shapes[name]
            for trait in shape.keys() - _SHAPE_TRAITS:
                yield f"shape {name}: has trait {trait}, unknown here"
            for wire, reference in shape.get("members", {}).items():
                for trait in reference.keys() - _MEMBER_TRAITS:
                    yield f"shape {name}: {wire} has trait {trait}, unknown here"
        for row in self._model["operations"].values():
            for wire, reference in self._shapes[row["input"]["shape"]]["members"].items():
                for trait in reference.keys() - _MEMBER_TRAITS:
                    yield f"shape {row['input']['shape']}: {wire} has trait {trait}, unknown here"


def _compare(where: str, theirs: object, ours: object) -> Iterator[str]:
    if theirs != ours:
        yield f"{where} is {_name(theirs)} in the model, {_name(ours)} here"


def _name(value: object) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def _fields(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _present(kind: Any) -> Any:
    """Return a type without its `None`."""
    args = tuple(arg for arg in get_args(kind) if arg is not types.NoneType)
    is_optional = types.NoneType in get_args(kind)
    return Union[args] if is_optional else kind  # noqa: UP007 - built at run time
