"""JSON values to models and back: the one place that knows cattrs.

A field's name on the wire is its Python name in Pascal case. Absent and `null` members are the
same. Members that no field stands for are ignored; enum values and union members that this version
does not know are kept.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any, TypeGuard, TypeVar, Union, get_args, get_origin, overload

import attrs
from cattrs import Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import NetworkConnectorConfiguration
from lambdacore_async.models.shared import (
    JSONValue,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)

Model = TypeVar("Model")
StructureHook = Callable[[Any, Any], Any]

#: What boto3 puts in place of a union member that it does not know.
_BOTO3_UNKNOWN_MEMBER = "SDK_UNKNOWN_MEMBER"
#: What is a model's as it comes.
_TAKEN = (str, int, bool, ResponseMetadata)
#: Raised while structuring or unstructuring what has not the shape that its type says.
_MISMATCHES = (AttributeError, KeyError, TypeError, ValueError, OverflowError)


def wire_name(name: str) -> str:
    """The wire's name of a member: `state_reason_code` is `StateReasonCode`."""
    return "".join(part.capitalize() for part in name.split("_"))


@overload
def from_dict(kind: type[Model], data: Mapping[str, object]) -> Model: ...
@overload
def from_dict(
    kind: types.UnionType, data: Mapping[str, object]
) -> NetworkConnectorConfiguration: ...
def from_dict(kind: Any, data: Mapping[str, object]) -> object:
    """Read a model, or a union of models, from a wire-shaped dict.

    It reads what `to_dict` wrote, what the service sends, and what boto3 returns.

    Args:
        kind: a model class, or `NetworkConnectorConfiguration`.
        data: the dict; members that this version does not know are ignored.

    Raises:
        ParameterError: the dict lacks a required member, or a member has the wrong type.
    """
    try:
        return structure(kind, data)
    except ValueError as error:
        raise ParameterError("data", str(error)) from None


def to_dict(model: object) -> dict[str, JSONValue]:
    """Give a model as a wire-shaped dict of JSON values, without what is `None`.

    Args:
        model: an instance of a model class. Its `response_metadata` is left out.

    Raises:
        ParameterError: it is no model.
    """
    if not attrs.has(type(model)):
        raise ParameterError("model", f"expected a model, got {type(model).__name__}")
    data: dict[str, JSONValue] = _lenient().unstructure(model)
    return data


def is_object(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a JSON object, as a dict or another mapping."""
    return isinstance(data, Mapping)


def is_array(data: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is a JSON array, as a list or a tuple."""
    return isinstance(data, list | tuple)


def structure(kind: type[Model], data: object) -> Model:
    """Make a model of what the wire brought.

    Raises:
        ValueError: naming each member that is missing or has the wrong type.
    """
    try:
        model: Model = _reader(kind)(data, kind)  # type: ignore[arg-type] # a class is hashable
    except _MISMATCHES:
        problems = _problems(kind, data, "")
    else:
        return model
    raise ValueError("; ".join(f"{path}: {problem}".lstrip(": ") for path, problem in problems))


def unstructure(kind: Any, value: object, parameter: str) -> JSONValue:
    """Give a call's argument as JSON, after checking it against the type that it must have.

    Raises:
        ParameterError: naming the part of the argument that has the wrong type.
    """
    if kind is str and type(value) is str and value.isascii():
        return value  # nearly every argument
    if isinstance(value, UnknownMember):
        raise ParameterError(parameter, f"cannot send {value.tag!r}, a member not known here")
    try:
        data: JSONValue = _strict().unstructure(value, unstructure_as=kind)
    except _MISMATCHES as error:
        raise ParameterError(parameter, _explanation(error)) from None
    for path, problem in _problems(kind, data, parameter):
        raise ParameterError(path, problem)
    return data


def restructure(kind: Any, data: object, parameter: str) -> Any:
    """Make an argument of the JSON that a client sent for it.

    Raises:
        ParameterError: naming the part of it that has the wrong type.
    """
    for path, problem in _problems(kind, data, parameter):
        raise ParameterError(path, problem)
    return _strict().structure(data, kind)


def _problems(kind: Any, data: object, path: str) -> list[tuple[str, str]]:
    """Check the data once more, in detail: the path and the explanation of each fault."""
    try:
        _strict().structure(data, kind)
    except Exception as error:  # noqa: BLE001 - cattrs groups whatever the hooks raised
        faults = transform_error(error, path, lambda cause, _: _explanation(cause))
        return [
            (where.lstrip("."), problem)
            for problem, where in (fault.rsplit(" @ ", 1) for fault in faults)
        ]
    return []


def _explanation(error: BaseException) -> str:
    return "required, but missing" if isinstance(error, KeyError) else str(error)


@cache
def _lenient() -> Converter:
    """Reads what the service sends, fast; it stops at the first fault and does not explain it."""
    return _converter(detailed=False)


@cache
def _reader(kind: Any) -> StructureHook:
    return _lenient().get_structure_hook(kind)


@cache
def _strict() -> Converter:
    """Explains each fault, and takes no number for text nor text for a number."""
    return _converter(detailed=True)


def _converter(*, detailed: bool) -> Converter:
    """Make a converter whose hooks call one another without asking which is for what.

    A hook is given the data and the kind that is wanted. The same hook reads a kind and an optional
    one: what it cannot read goes to `_none`, which lets `None` pass where the wanted kind does.
    The usual classes are asked for first, as instances of abstract ones take long to recognise.
    """
    converter = Converter(detailed_validation=detailed)
    read_str = _read_exact_str if detailed else _read_str

    def class_hook(kind: type[attrs.AttrsInstance]) -> StructureHook:
        if not detailed:
            return _class_reader(kind, converter)
        hook = make_dict_structure_fn(kind, converter, **_renamed(kind))

        def read(data: Any, wanted: Any) -> Any:
            return hook(data, kind) if is_object(data) else _none(data, wanted, "an object")

        return read

    def tuple_hook(kind: Any) -> StructureHook:
        item_kind = get_args(kind)[0]
        read_item = converter.get_structure_hook(item_kind)

        def read(data: Any, wanted: Any) -> Any:
            if data.__class__ is list or is_array(data):
                return tuple([read_item(item, item_kind) for item in data if item is not None])
            return _none(data, wanted, "a list")

        return read

    def explained_tuple_hook(kind: Any) -> StructureHook:
        list_kind: Any = types.GenericAlias(list, get_args(kind)[:1])
        read_list = converter.get_structure_hook(list_kind)

        def read(data: Any, wanted: Any) -> Any:
            if is_array(data):
                return tuple(read_list([item for item in data if item is not None], list_kind))
            return _none(data, wanted, "a list")

        return read

    def union_hook(kind: Any) -> StructureHook:
        members = {
            member.__name__: (member, converter.get_structure_hook(member))
            for member in _union_members(kind)
        }

        def read(data: Any, wanted: Any) -> Any:
            if data.__class__ is not dict and not is_object(data):
                return _none(data, wanted, "an object")
            present = [tag for tag in data if data[tag] is not None and tag != "__type"]
            if len(present) != 1:
                raise ValueError(f"expected one member of the union, got {len(present)}")
            tag = present[0]
            if tag in members:
                member, hook = members[tag]
                return hook(data[tag], member)
            if tag == _BOTO3_UNKNOWN_MEMBER:
                return UnknownMember(data[tag]["name"])
            return UnknownMember(tag, data[tag])

        return read

    def open_enum_hook(kind: Any) -> StructureHook:
        known = _known_values(kind)

        def read(data: Any, wanted: Any) -> Any:
            try:
                return known[data]
            except (KeyError, TypeError):
                text = read_str(data, wanted)
                return None if text is None else UnknownValue(text)

        return read

    def optional_hook(kind: Any) -> StructureHook:
        return converter.get_structure_hook(_without_none(kind))

    converter.register_structure_hook(str, read_str)
    converter.register_structure_hook(bool, _read_bool)
    converter.register_structure_hook(int, _read_exact_int if detailed else _read_int)
    converter.register_structure_hook(datetime, _read_timestamp)
    converter.register_structure_hook(ResponseMetadata, _read_metadata)
    converter.register_structure_hook_factory(attrs.has, class_hook)
    converter.register_structure_hook_factory(
        _is_tuple, explained_tuple_hook if detailed else tuple_hook
    )
    converter.register_structure_hook_factory(_is_open_enum, open_enum_hook)
    converter.register_structure_hook_factory(_is_open_union, union_hook)
    # The last one that fits counts: an optional union is optional first.
    converter.register_structure_hook_factory(_is_optional, optional_hook)

    def write_class(kind: type[attrs.AttrsInstance]) -> Callable[[Any], Any]:
        members: dict[str, Any] = {**_renamed(kind), "response_metadata": override(omit=True)}
        hook = make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True, **members)

        def write(model: Any) -> Any:
            if not isinstance(model, kind):
                raise TypeError(f"expected {kind.__name__}, got {type(model).__name__}")
            return hook(model)

        return write

    def write_union(kind: Any) -> Callable[[Any], Any]:
        members = _union_members(kind)

        def write(value: Any) -> Any:
            if value is None or isinstance(value, UnknownMember):
                return converter.unstructure(value)
            if not isinstance(value, members):
                names = " or ".join(member.__name__ for member in members)
                raise TypeError(f"expected {names}, got {type(value).__name__}")
            return {type(value).__name__: converter.unstructure(value)}

        return write

    converter.register_unstructure_hook_func(_is_open_enum, _write_open_enum)
    converter.register_unstructure_hook(datetime, _write_timestamp)
    converter.register_unstructure_hook_factory(attrs.has, write_class)
    converter.register_unstructure_hook(UnknownMember, _write_unknown_member)
    converter.register_unstructure_hook_factory(_is_open_union, write_union)
    return converter


def _class_reader(kind: type[attrs.AttrsInstance], converter: Converter) -> StructureHook:
    """Make a function that reads a class, as cattrs makes them, but in half the time.

    Most members are text, numbers, known values of an enum, or lists of these. They are told by
    their class, or looked up, where cattrs calls a hook; all others go to their hooks here, too.
    """
    attrs.resolve_types(kind)
    scope: dict[str, Any] = {"kind": kind, "is_object": is_object, "none": _none}

    def named(value: Any) -> str:
        name = f"value{len(scope)}"
        scope[name] = value
        return name

    def expression(data: str, wanted: Any) -> str:
        """Python for the value of what the data, a name, stands for."""
        unusual = f"{named(converter.get_structure_hook(wanted))}({data}, {named(wanted)})"
        usual = _without_none(wanted)
        if usual in _TAKEN:
            return f"{data} if {data}.__class__ is {named(usual)} else {unusual}"
        if _is_open_enum(usual):
            return f"{named(_known_values(usual))}.get({data}) or {unusual}"
        if _is_tuple(usual):
            item = expression("item", get_args(usual)[0])
            items = f"[{item} for item in {data} if item is not None]"
            return f"tuple({items}) if {data}.__class__ is list else {unusual}"
        return unusual

    lines = [
        "def read(data, wanted):",
        "    if data.__class__ is not dict and not is_object(data):",
        "        return none(data, wanted, 'an object')",
        "    get = data.get",
    ]
    for member in attrs.fields(kind):
        name = f"_{member.name}"
        present = member.default is attrs.NOTHING or f"{name} is not None"
        lines += [
            f"    {name} = get({wire_name(member.name)!r})",
            f"    if {present}: {name} = {expression(name, member.type)}",
        ]
    values = ", ".join(f"_{member.name}" for member in attrs.fields(kind))
    exec("\n".join([*lines, f"    return kind({values})"]), scope)  # noqa: S102 - of names alone
    read: StructureHook = scope["read"]
    return read


def _known_values(kind: Any) -> dict[str, Any]:
    """The members of an open enum, by what stands for them on the wire."""
    (enum,) = (arg for arg in get_args(kind) if issubclass(arg, StrEnum))
    return {member.value: member for member in enum}


def _renamed(kind: type[attrs.AttrsInstance]) -> dict[str, Any]:
    return {name: override(rename=wire_name(name)) for name in attrs.fields_dict(kind)}


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


@cache
def _is_optional(kind: Any) -> bool:
    return _is_union(kind) and types.NoneType in get_args(kind)


def _is_open_enum(kind: Any) -> bool:
    return _is_union(kind) and UnknownValue in get_args(kind)


def _is_open_union(kind: Any) -> bool:
    return _is_union(kind) and UnknownMember in get_args(kind)


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _without_none(kind: Any) -> Any:
    if not _is_optional(kind):
        return kind
    return Union[tuple(arg for arg in get_args(kind) if arg is not types.NoneType)]  # noqa: UP007


def _union_members(kind: Any) -> tuple[Any, ...]:
    """The classes of a tagged union; a class's name is its tag."""
    return tuple(arg for arg in get_args(kind) if arg not in (UnknownMember, types.NoneType))


def _none(data: Any, wanted: Any, expected: str) -> Any:
    """Give `None` where it will do, and refuse anything else."""
    if data is None and _is_optional(wanted):
        return None
    raise TypeError(f"expected {expected}, got {type(data).__name__}")


def _read_str(data: Any, wanted: Any) -> str | None:
    return data if isinstance(data, str) else _none(data, wanted, "str")


def _read_exact_str(data: Any, wanted: Any) -> str | None:
    text = _read_str(data, wanted)
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ValueError("has a lone surrogate") from None
    return text


def _read_bool(data: Any, wanted: Any) -> bool | None:
    return data if isinstance(data, bool) else _none(data, wanted, "bool")


def _read_int(data: Any, wanted: Any) -> int | None:
    return _none(data, wanted, "int") if data is None else int(data)


def _read_exact_int(data: Any, wanted: Any) -> int | None:
    return data if type(data) is int else _none(data, wanted, "int")


def _read_metadata(data: Any, _: Any) -> ResponseMetadata | None:
    """What the protocol put beside the members; boto3's dict of that name is not ours."""
    return data if isinstance(data, ResponseMetadata) else None


def _read_timestamp(data: Any, wanted: Any) -> Any:
    """ISO 8601, with or without fraction and offset; botocore takes epoch seconds too."""
    if isinstance(data, str) and ("-" in data or not data.replace(".", "", 1).isdecimal()):
        time = datetime.fromisoformat(data)
    elif isinstance(data, datetime):
        time = data
    elif isinstance(data, str | int | float):
        time = datetime.fromtimestamp(float(data), UTC)
    else:
        return _none(data, wanted, "a timestamp")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _write_open_enum(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _write_timestamp(time: datetime) -> str:
    utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _write_unknown_member(member: UnknownMember) -> dict[str, JSONValue]:
    if member.value is None:
        return {_BOTO3_UNKNOWN_MEMBER: {"name": member.tag}}
    return {member.tag: member.value}
