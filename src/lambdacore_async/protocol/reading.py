"""Reads models from JSON values, with cattrs.

Responses are read leniently and fast; only if that fails, a second pass explains every fault. A
field's wire name is its Python name in Pascal case. Absent and `null` members mean the same.
Unknown members, enum values and union members are kept.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
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
from cattrs import AttributeValidationNote, BaseValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnectorConfiguration
from lambdacore_async.models.shared import (
    JSONValue,
    Model,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)

if TYPE_CHECKING:
    from typing_extensions import TypeForm
else:
    TypeForm = type  # for code that reads the annotations at run time

Read = TypeVar("Read")
StructureHook = Callable[[Any, Any], Any]

#: The tag with which boto3 replaces a union member that it does not know.
BOTO3_UNKNOWN_MEMBER: Final = "SDK_UNKNOWN_MEMBER"
#: Errors that hooks raise for a value of the wrong shape.
MISMATCHES: Final = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
#: Bounds of an explanation: the number of faults, and the characters of each quoted value.
_MAX_FAULTS: Final = 10
_MAX_QUOTED: Final = 100
#: Keys of a structure that are not members: its type's name, and the metadata that boto3 adds.
_NO_MEMBERS: Final = frozenset({"__type", "ResponseMetadata"})
#: Bound on the nesting of an unknown member, so that it can be compared, copied and written.
_MAX_DEPTH: Final = 64

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Patterns of timestamps in capitals. `re` compiles them at first use; most are never used.
_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:E[+-]?[0-9]+)?"
_CLOCK: Final = "(?P<clock>[0-9:.,]+)"
_ZONE: Final = " *(?P<zone>Z|UTC|GMT|[+-][0-9:]+)?"
_ISO_8601: Final = (
    rf"(?P<date>[0-9]{{4}}(?P<dash>-?)[0-9]{{2}}(?P=dash)[0-9]{{2}})(?:[T ]{_CLOCK}{_ZONE})?"
)
# RFC 9110, 5.6.7: the preferred form, the form of RFC 850, and the form of C's asctime.
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
    """The first items of a list that cannot be read, with their indexes."""

    def __init__(self, faults: list[tuple[int, Exception]]) -> None:
        super().__init__()
        self.faults = faults


def wire_name(name: str) -> str:
    """Return the wire name of a member: `StateReasonCode` for `state_reason_code`."""
    return "".join(part.capitalize() for part in name.split("_"))


@overload
def from_dict(  # type: ignore[overload-overlap] # a member of the union gives that member
    kind: type[Read], data: Mapping[str, object]
) -> Read: ...
@overload
def from_dict(
    kind: TypeForm[NetworkConnectorConfiguration], data: Mapping[str, object]
) -> NetworkConnectorConfiguration: ...
def from_dict(kind: Any, data: Mapping[str, object]) -> object:
    """Return the model, or the union member, that a wire-shaped dict describes.

    It reads the output of `to_dict`, the service's JSON, and the dicts that boto3 returns.

    Args:
        kind: a model class, or `NetworkConnectorConfiguration`.
        data: the dict. Unknown members are kept as `extra` if they are JSON values.

    Raises:
        ParameterError: if `kind` is neither, if the dict lacks a required member, or if a member
            has the wrong type.
    """
    if kind != NetworkConnectorConfiguration and not is_model(kind):
        raise ParameterError("kind", f"expected a model class, got {escaped(repr(kind), 100)}")
    try:
        _refuse_surrogates(data)
        return structure(kind, data)
    except ValueError as error:
        raise ParameterError("data", str(error)) from None


def _refuse_surrogates(data: object) -> None:
    """Check that all text in the data can be encoded.

    Raises:
        ValueError: if it has a lone surrogate, or is nested too deeply to check.
    """
    try:
        json.dumps(data, ensure_ascii=False, skipkeys=True, default=_as_json).encode()
    except UnicodeEncodeError:
        raise ValueError("has a lone surrogate") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _as_json(value: object) -> object:
    return dict(value) if is_object(value) else None


def is_model(kind: object) -> bool:
    """Whether this is a class of models."""
    return isinstance(kind, type) and issubclass(kind, Model) and kind is not Model


def is_object(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether this is a JSON object, as a dict or another mapping."""
    return isinstance(data, Mapping)


def is_array(data: object) -> TypeGuard[Sequence[Any]]:
    """Whether this is a JSON array, as a list or a tuple."""
    return isinstance(data, list | tuple)


def structure(kind: type[Read], data: object) -> Read:
    """Return the model that a response's data describes.

    Raises:
        ValueError: if members are missing or have the wrong type; the text names the first ten.
    """
    try:
        model: Read = _reader(kind)(data, kind)  # type: ignore[arg-type] # a class is hashable
    except MISMATCHES:
        pass
    else:
        return model
    found = faults(kind, data, "")
    explained = [f"{path}: {problem}".lstrip(": ") for path, problem in found[:_MAX_FAULTS]]
    if len(found) > _MAX_FAULTS:
        explained.append("and more")
    raise ValueError("; ".join(explained))


def structure_argument(kind: Any, data: object, parameter: str) -> Any:
    """Return the argument that a client's JSON describes; the service's side reads strictly.

    Raises:
        ParameterError: if a part has the wrong type; it names the first such part.
    """
    for path, problem in faults(kind, data, parameter):
        raise ParameterError(path, problem)
    return _strict().structure(data, kind)


def faults(kind: Any, data: object, path: str) -> list[tuple[str, str]]:
    """Check data strictly, and return the path and the explanation of each fault."""
    try:
        _strict().structure(data, kind)
    except Exception as error:  # noqa: BLE001 - cattrs groups every exception of a hook
        return list(_explained(error, path))
    return []


def _explained(error: Exception, path: str) -> Iterator[tuple[str, str]]:
    error.__traceback__ = None  # its frames hold the data and the error itself
    match error:
        case _ListError(faults=items):
            for index, inner in items:
                yield from _explained(inner, f"{path}[{index}]")
        case BaseValidationError():
            for inner in error.exceptions:
                for note in inner.__notes__:
                    yield from _explained(inner, path + _step(note))
        case _:
            yield path.lstrip("."), explanation(error)


def _step(note: str) -> str:
    """Return the step of a path that a note of cattrs names: a member, or a key of a mapping."""
    if isinstance(note, AttributeValidationNote):
        return f".{note.name}"
    return f"[{escaped(repr(getattr(note, 'index', note)), _MAX_QUOTED)}]"


def explanation(error: BaseException) -> str:
    """Return the text of a mismatch, safe to print."""
    if isinstance(error, KeyError):
        return "required, but missing"
    return escaped(str(error), _MAX_QUOTED)


@cache
def _lenient() -> Converter:
    """Return the converter for responses, which stops at the first fault without a reason."""
    return _converter(strict=False)


@cache
def _reader(kind: Any) -> StructureHook:
    return _lenient().get_structure_hook(kind)


@cache
def _strict() -> Converter:
    """Return the converter that explains faults, and reads no number as text or vice versa."""
    return _converter(strict=True)


def _converter(*, strict: bool) -> Converter:
    """Create a converter whose hooks call each other directly.

    The same hook reads a type and its optional form: `_none` lets `None` pass for the latter. Hooks
    test for dicts and lists before abstract classes, which take long to recognise.
    """
    converter = Converter(detailed_validation=strict)
    read_str = _read_strict_str if strict else _read_str

    def class_hook(kind: type[Model]) -> StructureHook:
        hook = make_dict_structure_fn(kind, converter, **renamed(kind))
        known = _NO_MEMBERS | {wire_name(name) for name in attrs.fields_dict(kind)} - {"Extra"}

        def read(data: Any, wanted: Any) -> Any:
            if data.__class__ is not dict and not is_object(data):
                return _none(data, wanted, "an object")
            model = hook(data, kind)
            if strict or known.issuperset(data):
                return model
            return attrs.evolve(model, extra=_extra(data, known))

        return read

    def tuple_hook(kind: Any) -> StructureHook:
        item_kind = get_args(kind)[0]
        read_item = converter.get_structure_hook(item_kind)

        def read(data: Any, wanted: Any) -> Any:
            if data.__class__ is not list and not is_array(data):
                return _none(data, wanted, "a list")
            if strict:
                _check_items(data, item_kind, read_item)
            return tuple([read_item(item, item_kind) for item in data if item is not None])

        return read

    def union_hook(kind: Any) -> StructureHook:
        members = {
            member.__name__: (member, converter.get_structure_hook(member))
            for member in union_members(kind)
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
            if tag == BOTO3_UNKNOWN_MEMBER:
                return UnknownMember(_checked_tag(data[tag]["name"]))
            return UnknownMember(_checked_tag(tag), checked(data[tag]))

        return read

    def open_enum_hook(kind: Any) -> StructureHook:
        (enum,) = (arg for arg in get_args(kind) if issubclass(arg, StrEnum))
        known = {member.value: member for member in enum}

        def read(data: Any, wanted: Any) -> Any:
            try:
                return known[data]
            except (KeyError, TypeError):
                text = read_str(data, wanted)
                return None if text is None else UnknownValue(text)

        return read

    def optional_hook(kind: Any) -> StructureHook:
        present = tuple(arg for arg in get_args(kind) if arg is not types.NoneType)
        return converter.get_structure_hook(Union[present])  # noqa: UP007 - built at run time

    converter.register_structure_hook(str, read_str)
    converter.register_structure_hook(bool, _read_bool)
    converter.register_structure_hook(int, _read_strict_int if strict else _read_int)
    converter.register_structure_hook(datetime, _read_timestamp)
    converter.register_structure_hook(ResponseMetadata, _read_metadata)
    converter.register_structure_hook_factory(is_model, class_hook)
    converter.register_structure_hook_factory(is_list, tuple_hook)
    converter.register_structure_hook_factory(is_open_enum, open_enum_hook)
    converter.register_structure_hook_factory(is_open_union, union_hook)
    # cattrs takes the latest factory that fits: an optional union is optional first.
    converter.register_structure_hook_factory(_is_optional, optional_hook)
    return converter


def _check_items(data: Sequence[Any], kind: Any, read_item: StructureHook) -> None:
    """Raise the first faults of a list; cattrs would collect the faults of all its items."""
    found: list[tuple[int, Exception]] = []
    for index, item in enumerate(data):
        try:
            if item is not None:
                read_item(item, kind)
        except Exception as error:  # noqa: BLE001 - as cattrs does
            found.append((index, error))
            if len(found) > _MAX_FAULTS:
                break
    if found:
        raise _ListError(found)


def renamed(kind: type[Model]) -> dict[str, Any]:
    """Return cattrs' overrides that give each member of a class its wire name."""
    names = {name: override(rename=wire_name(name)) for name in attrs.fields_dict(kind)}
    return {**names, "extra": override(omit=True)}


def _extra(data: Mapping[Any, Any], known: frozenset[str]) -> dict[str, JSONValue]:
    """Return the unknown members whose values are JSON."""
    found: dict[str, JSONValue] = {}
    for name, value in data.items():
        if isinstance(name, str) and name not in known and value is not None:
            with suppress(*MISMATCHES):
                found[name] = checked(value)
    return found


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


@cache
def _is_optional(kind: Any) -> bool:
    return _is_union(kind) and types.NoneType in get_args(kind)


def is_list(kind: Any) -> bool:
    """Whether this is the type of a JSON array, which is a tuple in Python."""
    return get_origin(kind) is tuple


def is_open_enum(kind: Any) -> bool:
    """Whether this is an enum or `UnknownValue`, as a union type."""
    return _is_union(kind) and UnknownValue in get_args(kind)


def is_open_union(kind: Any) -> bool:
    """Whether this is a tagged union of models and `UnknownMember`."""
    return _is_union(kind) and UnknownMember in get_args(kind)


def union_members(kind: Any) -> tuple[Any, ...]:
    """Return the known classes of a tagged union; a class's name is its tag."""
    return tuple(arg for arg in get_args(kind) if arg not in (UnknownMember, types.NoneType))


def _none(data: Any, wanted: Any, expected: str) -> Any:
    """Return `None` if the wanted type is optional and the data is `None`; raise otherwise."""
    if data is None and _is_optional(wanted):
        return None
    raise TypeError(f"expected {expected}, got {type(data).__name__}")


def _read_str(data: Any, wanted: Any) -> str | None:
    return data if isinstance(data, str) else _none(data, wanted, "str")


def _read_strict_str(data: Any, wanted: Any) -> str | None:
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


def _read_strict_int(data: Any, wanted: Any) -> int | None:
    return data if type(data) is int else _none(data, wanted, "int")


def _read_metadata(data: Any, _: Any) -> ResponseMetadata | None:
    """Keep metadata that the protocol attached; ignore boto3's dict of the same name."""
    return data if isinstance(data, ResponseMetadata) else None


def _read_timestamp(data: Any, wanted: Any) -> Any:
    """Read a timestamp in any form that botocore reads, as UTC.

    Forms whose meaning botocore guesses are refused: timestamps without a full date, with the names
    of other time zones, or with the name of a day inside the text; booleans; and numbers that are
    not JSON.
    """
    if isinstance(data, str):
        try:  # the form that the service sends
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


def checked(value: Any) -> Any:
    """Return the value of an unknown member; raise if it cannot be compared, copied or written."""
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
