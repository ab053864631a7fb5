"""Writes models and arguments as JSON values, with cattrs, and explains wrong types."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, get_args, get_origin

from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.shared import JSONValue, Model, UnknownMember
from lambdacore_async.protocol.reading import (
    BOTO3_UNKNOWN_MEMBER,
    MISMATCHES,
    checked,
    explanation,
    faults,
    is_array,
    is_list,
    is_model,
    is_object,
    is_open_enum,
    is_open_union,
    renamed,
    union_members,
)

_MAX_BITS: Final = 64  # of a number in a request


def to_dict(model: object) -> dict[str, JSONValue]:
    """Return a model as a wire-shaped dict of JSON values, without members that are `None`.

    Args:
        model: an instance of a model class. Its `response_metadata` is left out.

    Raises:
        ParameterError: if it is not a model, or if a member has the wrong type.
    """
    if not isinstance(model, Model):
        raise ParameterError("model", f"expected a model, got {type(model).__name__}")
    try:
        data: dict[str, JSONValue] = _converter().unstructure(model)
    except MISMATCHES as error:
        raise ParameterError("model", explanation(error)) from None
    return data


def unstructure(kind: Any, value: object, parameter: str) -> JSONValue:
    """Return the JSON of a call's argument, checked against its type.

    Raises:
        ParameterError: if a part has the wrong type; it names the first such part.
    """
    if kind is str and type(value) is str and value.isascii():
        return value  # nearly every argument
    if isinstance(value, UnknownMember):
        raise ParameterError(parameter, f"cannot send the unknown member {value.tag!r}")
    try:
        data: JSONValue = _converter().unstructure(value, unstructure_as=kind)
    except MISMATCHES as error:
        raise ParameterError(parameter, explanation(error)) from None
    for path, problem in faults(kind, data, parameter):
        raise ParameterError(path, problem)
    if isinstance(data, int) and data.bit_length() > _MAX_BITS:
        raise ParameterError(parameter, "out of range")
    return data


@cache
def _converter() -> Converter:
    converter = Converter()

    def write_class(kind: type[Model]) -> Callable[[Any], Any]:
        members: dict[str, Any] = {**renamed(kind), "response_metadata": override(omit=True)}
        hook = make_dict_unstructure_fn(kind, converter, _cattrs_omit_if_default=True, **members)

        def write(model: Any) -> Any:
            if not isinstance(model, kind):
                raise TypeError(f"expected {kind.__name__}, got {type(model).__name__}")
            data: dict[str, JSONValue] = hook(model)
            for name, value in model.extra.items():
                data.setdefault(name, checked(value))
            return data

        return write

    def write_list(kind: Any) -> Callable[[Any], Any]:
        item_kind = get_args(kind)[0]

        def write(items: Any) -> Any:
            if not is_array(items):
                raise TypeError(f"expected a list, got {type(items).__name__}")
            return [converter.unstructure(item, unstructure_as=item_kind) for item in items]

        return write

    def write_union(kind: Any) -> Callable[[Any], Any]:
        members = union_members(kind)

        def write(value: Any) -> Any:
            if value is None or isinstance(value, UnknownMember):
                return converter.unstructure(value)
            if not isinstance(value, members):
                names = " or ".join(member.__name__ for member in members)
                raise TypeError(f"expected {names}, got {type(value).__name__}")
            return {type(value).__name__: converter.unstructure(value)}

        return write

    converter.register_unstructure_hook_func(is_open_enum, _write_str)
    converter.register_unstructure_hook(str, _write_str)
    converter.register_unstructure_hook(int, _write_int)
    converter.register_unstructure_hook(datetime, _write_timestamp)
    converter.register_unstructure_hook_func(_is_text_map, _write_text_map)
    converter.register_unstructure_hook_factory(is_list, write_list)
    converter.register_unstructure_hook_factory(is_model, write_class)
    converter.register_unstructure_hook(UnknownMember, _write_unknown_member)
    converter.register_unstructure_hook_factory(is_open_union, write_union)
    return converter


def _is_text_map(kind: Any) -> bool:
    return get_origin(kind) is dict


def _write_str(value: Any) -> Any:
    """Return the text itself; `str` would use the `__str__` of a subclass, such as an enum."""
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
        return {BOTO3_UNKNOWN_MEMBER: {"name": member.tag}}
    return {member.tag: member.value}
