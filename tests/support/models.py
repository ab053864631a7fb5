"""Lists all model classes and enums, and generates instances of them with hypothesis."""

from __future__ import annotations

import inspect
import types
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from lambdacore_async.models import network_connectors, runtimes, shared
from lambdacore_async.models.shared import ResponseMetadata, UnknownMember, UnknownValue
from support.generation import json_values, texts, times

_MODULES = (network_connectors, runtimes)

CLASSES: tuple[type, ...] = tuple(
    kind
    for module in _MODULES
    for kind in vars(module).values()
    if inspect.isclass(kind) and attrs.has(kind) and kind.__module__ == module.__name__
)
SHARED: tuple[type, ...] = (shared.UnknownMember, shared.ResponseMetadata, shared.Page)
ENUMS: tuple[type[StrEnum], ...] = tuple(
    kind
    for module in _MODULES
    for kind in vars(module).values()
    if inspect.isclass(kind) and issubclass(kind, StrEnum) and kind is not StrEnum
)


@cache
def instances(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for instances of a class, or for values of an annotation."""
    options = get_args(kind)
    if types.NoneType in options:
        present = [option for option in options if option is not types.NoneType]
        return st.none() | st.one_of([_option(option) for option in present])
    if get_origin(kind) is tuple:
        return st.lists(instances(options[0]), max_size=2).map(tuple)
    if options:
        return st.one_of([_option(option) for option in options])
    return _option(kind)


def _option(kind: Any) -> st.SearchStrategy[Any]:
    if get_origin(kind) is tuple:
        return instances(kind)
    if kind is str:
        return texts
    if kind is int:
        return st.integers()
    if kind is datetime:
        return times
    if kind is UnknownValue:
        return st.just(UnknownValue("AddedLater"))
    if kind is UnknownMember:
        return st.builds(UnknownMember, st.just("AddedLater"), json_values)
    if kind is ResponseMetadata:
        return st.just(ResponseMetadata("id", 200, 1))
    if issubclass(kind, StrEnum):
        return st.sampled_from(kind)
    hints = get_type_hints(kind)
    fields = [field.name for field in attrs.fields(kind) if field.name != "extra"]
    return st.builds(kind, **{name: instances(hints[name]) for name in fields})
