"""JSON values to models and back: the one place that knows cattrs.

A field's name on the wire is its Python name in Pascal case. Absent and `null` members are the
same. Members that no field stands for are ignored; enum values and union members that this version
does not know are kept.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from itertools import islice
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    overload,
)

import attrs
from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    Converter,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models import shared
from lambdacore_async.models.network_connectors import NetworkConnectorConfiguration
from lambdacore_async.models.shared import (
    JSONValue,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)

if TYPE_CHECKING:
    from typing_extensions import TypeForm
else:
    TypeForm = type  # for those that read the annotations at run time

Model = TypeVar("Model")
StructureHook = Callable[[Any, Any], Any]

#: What boto3 puts in place of a union member that it does not know.
_BOTO3_UNKNOWN_MEMBER = "SDK_UNKNOWN_MEMBER"
#: What is a model's as it comes.
_TAKEN = (str, int, bool, ResponseMetadata)
#: Raised while structuring or unstructuring what has not the shape that its type says.
_MISMATCHES = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
#: Faults that an explanation names, and characters that it quotes of each name and value.
_MAX_FAULTS: Final = 10
_MAX_QUOTED: Final = 100
#: Levels that an unknown member may be nested, so that it can be compared, copied and written.
_MAX_DEPTH: Final = 64
_MAX_BITS: Final = 64  # a number in a request is a 64-bit one at most

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Timestamps in capitals. Patterns are compiled at their first use, most of them never.
_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:E[+-]?[0-9]+)?"
_CLOCK: Final = "(?P<clock>[0-9:.,]+)"
_ZONE: Final = " *(?P<zone>Z|UTC|GMT|[+-][0-9:]+)?"
_ISO_8601: Final = (
    rf"(?P<date>[0-9]{{4}}(?P<dash>-?)[0-9]{{2}}(?P=dash)[0-9]{{2}})(?:[T ]{_CLOCK}{_ZONE})?"
)
# RFC 9110, 5.6.7: the form that servers use, that of RFC 850, and that of C's asctime.
_WEEKDAY: Final = "(?:[A-Z]{3,9},? +)?"
_DAY: Final = "(?P<day>[0-9]{1,2})"
_MONTHS: Final[Sequence[str]] = (
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
)  # fmt: skip
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_HTTP_DATE: Final = (
    f"{_WEEKDAY}{_DAY}[ -]{_MONTH}[ -](?P<year>[0-9]{{2}}|[0-9]{{4}}) +{_CLOCK}{_ZONE}"
)
_ASCTIME: Final = f"{_WEEKDAY}{_MONTH} +{_DAY} +{_CLOCK} +(?P<year>[0-9]{{4}})"


class _ListError(Exception):
    """The first items of a list that cannot be read, by their places."""

    def __init__(self, faults: list[tuple[int, Exception]]) -> None:
        super().__init__()
        self.faults = faults


def wire_name(name: str) -> str:
    """The wire's name of a member: `state_reason_code` is `StateReasonCode`."""
    return "".join(part.capitalize() for part in name.split("_"))


@overload
def from_dict(  # type: ignore[overload-overlap] # of a member of the union it is the member
    kind: type[Model], data: Mapping[str, object]
) -> Model: ...
@overload
def from_dict(
    kind: TypeForm[NetworkConnectorConfiguration], data: Mapping[str, object]
) -> NetworkConnectorConfiguration: ...
def from_dict(kind: Any, data: Mapping[str, object]) -> object:
    """Read a model, or a union of models, from a wire-shaped dict.

    It reads what `to_dict` wrote, what the service sends, and what boto3 returns.

    Args:
        kind: a model class, or `NetworkConnectorConfiguration`.
        data: the dict; members that this version does not know are ignored.

    Raises:
        ParameterError: the dict lacks a required member, or a member has the wrong type; or this
            is no class that can be read.
    """
    if kind != NetworkConnectorConfiguration and not _is_model(kind):
        raise ParameterError("kind", f"expected a model class, got {escaped(repr(kind), 100)}")
    try:
        refuse_surrogates(data)
        return structure(kind, data)
    except ValueError as error:
        raise ParameterError("data", str(error)) from None


def to_dict(model: object) -> dict[str, JSONValue]:
    """Give a model as a wire-shaped dict of JSON values, without what is `None`.

    Args:
        model: an instance of a model class. Its `response_metadata` is left out.

    Raises:
        ParameterError: it is no model, or a member has the wrong type.
    """
    if not attrs.has(type(model)):
        raise ParameterError("model", f"expected a model, got {type(model).__name__}")
    try:
        data: dict[str, JSONValue] = _lenient().unstructure(model)
    except _MISMATCHES as error:
        raise ParameterError("model", _explanation(error)) from None
    return data


def refuse_surrogates(data: object) -> None:
    """Check that all text in the data can be encoded, and so printed and written.

    Raises:
        ValueError: it cannot.
    """
    try:
        json.dumps(data, ensure_ascii=False, skipkeys=True, default=_as_json).encode()
    except UnicodeEncodeError:
        raise ValueError("has a lone surrogate") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _as_json(value: object) -> object:
    return dict(value) if is_object(value) else None


def _is_model(kind: object) -> bool:
    package, _, _ = shared.__name__.rpartition(".")
    return (
        isinstance(kind, type)
        and attrs.has(kind)
        and kind.__module__.startswith(package)
        and kind.__module__ != shared.__name__
    )


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
        pass
    else:
        return model
    faults = _faults(kind, data, "")
    explained = [f"{path}: {problem}".lstrip(": ") for path, problem in faults[:_MAX_FAULTS]]
    if len(faults) > _MAX_FAULTS:
        explained.append("and more")
    raise ValueError("; ".join(explained))


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
    for path, problem in _faults(kind, data, parameter):
        raise ParameterError(path, problem)
    if isinstance(data, int) and data.bit_length() > _MAX_BITS:
        raise ParameterError(parameter, "out of range")
    return data


def restructure(kind: Any, data: object, parameter: str) -> Any:
    """Make an argument of the JSON that a client sent for it.

    Raises:
        ParameterError: naming the part of it that has the wrong type.
    """
    for path, problem in _faults(kind, data, parameter):
        raise ParameterError(path, problem)
    return _strict().structure(data, kind)


def _faults(kind: Any, data: object, path: str) -> list[tuple[str, str]]:
    """Check the data once more, in detail: the path and the explanation of each fault."""
    try:
        _strict().structure(data, kind)
    except Exception as error:  # noqa: BLE001 - cattrs groups whatever the hooks raised
        return list(_explained(error, path))
    return []


def _explained(error: Exception, path: str) -> Iterator[tuple[str, str]]:
    # The frames that it passed through hold the data, and the error itself.
    error.__traceback__ = None
    match error:
        case _ListError(faults=faults):
            for index, inner in faults:
                yield from _explained(inner, f"{path}[{index}]")
        case BaseValidationError():
            for inner in error.exceptions:
                for note in inner.__notes__:
                    yield from _explained(inner, path + _step(note))
        case _:
            yield path.lstrip("."), _explanation(error)


def _step(note: str) -> str:
    """Where a fault is, as cattrs notes it: a member of an object, or a key of a mapping."""
    if isinstance(note, AttributeValidationNote):
        return f".{note.name}"
    return f"[{escaped(repr(getattr(note, 'index', note)), _MAX_QUOTED)}]"


def _explanation(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return "required, but missing"
    return escaped(str(error), _MAX_QUOTED)


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
        item_kind = get_args(kind)[0]
        read_item = converter.get_structure_hook(item_kind)

        def faults(data: Sequence[Any]) -> Iterator[tuple[int, Exception]]:
            for index, item in enumerate(data):
                try:
                    if item is not None:
                        read_item(item, item_kind)
                except Exception as error:  # noqa: BLE001 - as cattrs does
                    yield index, error

        def read(data: Any, wanted: Any) -> Any:
            if not is_array(data):
                return _none(data, wanted, "a list")
            # cattrs would look for all faults, however long the list is.
            first = list(islice(faults(data), _MAX_FAULTS + 1))
            if first:
                raise _ListError(first)
            return tuple([read_item(item, item_kind) for item in data if item is not None])

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
                return UnknownMember(_checked_tag(data[tag]["name"]))
            return UnknownMember(_checked_tag(tag), _checked(data[tag]))

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

    converter.register_unstructure_hook_func(_is_open_enum, _write_str)
    converter.register_unstructure_hook(str, _write_str)
    converter.register_unstructure_hook(int, _write_int)
    converter.register_unstructure_hook(datetime, _write_timestamp)
    converter.register_unstructure_hook_func(_is_text_map, _write_text_map)
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


def _is_text_map(kind: Any) -> bool:
    return get_origin(kind) is dict


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
    if isinstance(data, bool):
        raise TypeError("expected int, got bool")
    return _none(data, wanted, "int") if data is None else int(data)


def _read_exact_int(data: Any, wanted: Any) -> int | None:
    return data if type(data) is int else _none(data, wanted, "int")


def _read_metadata(data: Any, _: Any) -> ResponseMetadata | None:
    """What the protocol put beside the members; boto3's dict of that name is not ours."""
    return data if isinstance(data, ResponseMetadata) else None


def _read_timestamp(data: Any, wanted: Any) -> Any:
    """Read a timestamp in any form that botocore knows, as UTC.

    Refused are those that botocore guesses: without a full date, with the names of other zones or
    of days in the middle of the text, numbers that are none in JSON, and booleans.
    """
    if isinstance(data, str):
        try:  # as the service sends it
            time = datetime.fromisoformat(data) if data[10:11] == "T" else _time_of_text(data)
        except ValueError:
            time = _time_of_text(data)
    elif isinstance(data, datetime):
        time = data
    elif isinstance(data, int | float) and not isinstance(data, bool):
        time = _EPOCH + timedelta(seconds=data)
    else:
        return _none(data, wanted, "a timestamp")
    if time.tzinfo is UTC:
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _time_of_text(text: str) -> datetime:
    capitals = text.strip().upper()
    if re.fullmatch(_NUMBER, capitals):
        return _EPOCH + timedelta(seconds=float(capitals))
    forms = (_ISO_8601, _HTTP_DATE, _ASCTIME)
    found = next((match for form in forms if (match := re.fullmatch(form, capitals))), None)
    if found is None:
        raise ValueError(f"Invalid isoformat string: {text!r}")
    parts = found.groupdict()
    date = parts.get("date")
    if date is None:
        month = _MONTHS.index(parts["month"]) + 1
        date = f"{parts['year']:0>4}-{month:02}-{parts['day']:0>2}"
        if len(parts["year"]) == 2:
            date = f"20{date[2:]}"
    zone = (parts.get("zone") or "").replace("UTC", "Z").replace("GMT", "Z")
    return datetime.fromisoformat(f"{date}T{parts['clock'] or '00'}{zone}")


def _checked_tag(tag: object) -> str:
    if not isinstance(tag, str):
        raise TypeError(f"expected str, got {type(tag).__name__}")
    return tag


def _checked(value: Any) -> Any:
    """Return the value of an unknown member if it can be compared, copied and written as JSON."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            json.dumps(value, allow_nan=False)
            return value
    raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")


def _write_str(value: Any) -> Any:
    """The text itself; `str` would give what a subclass, such as an enum, shows instead."""
    return str.__str__(value) if isinstance(value, str) else value


def _write_text_map(value: Any) -> dict[Any, Any]:
    if not is_object(value):
        raise TypeError(f"expected a mapping, got {type(value).__name__}")
    return {_write_str(key): _write_str(item) for key, item in value.items()}


def _write_int(value: Any) -> Any:
    return value if isinstance(value, bool) or not isinstance(value, int) else int.__int__(value)


def _write_timestamp(time: datetime) -> str:
    utc = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _write_unknown_member(member: UnknownMember) -> dict[str, JSONValue]:
    if member.value is None:
        return {_BOTO3_UNKNOWN_MEMBER: {"name": member.tag}}
    return {member.tag: member.value}
