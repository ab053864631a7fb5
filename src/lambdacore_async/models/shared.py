"""Types that all resource families share: open enums and unions, pages, response metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Generic, TypeVar

from attrs import field, frozen
from typing_extensions import TypeAliasType

from lambdacore_async.errors import ParameterError

# A named type: pydantic resolves its recursion, and `typing.get_type_hints` need not look into it.
JSONValue = TypeAliasType(
    "JSONValue", "str | int | float | bool | Sequence[JSONValue] | Mapping[str, JSONValue] | None"
)
"""A JSON value."""

Item = TypeVar("Item")
Known = TypeVar("Known", bound=StrEnum)


class UnknownValue(str):
    """An enum value that this version of the library does not know.

    It is the string that the service sent, so it can be compared and logged like any string.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"UnknownValue({str(self)!r})"


def _no_members() -> dict[str, JSONValue]:
    return {}  # `dict[str, JSONValue]` as a factory takes five times as long


@frozen
class Model:
    """A structure of the API."""

    extra: Mapping[str, JSONValue] = field(factory=_no_members, eq=False, repr=False, kw_only=True)
    """The members, by wire name, that the service sent and that this version of the library does
    not know; counts for neither equality nor `repr`. Requests and `to_dict` include them."""


@frozen
class UnknownMember:
    """A member of a tagged union that this version of the library does not know."""

    tag: str
    """The member's wire name."""
    value: JSONValue = field(default=None, hash=False)
    """The value that the service sent; `None` if it came through boto3, which drops it."""


@frozen
class ResponseMetadata:
    """Metadata of a response."""

    request_id: str | None
    """The service's id of the request, for AWS Support."""
    http_status: int
    """The HTTP status code."""
    attempts: int
    """The number of requests sent, from 1."""


@frozen
class Page(Generic[Item]):
    """One page of a listing, in the service's order."""

    items: tuple[Item, ...]
    """The resources on this page; a page may be empty although more pages follow."""
    next_token: str | None = None
    """The token of the next page; `None` on the last one."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def as_tuple(parameter: str, values: Iterable[Item] | None) -> tuple[Item, ...] | None:
    """Return the items of a list member as a tuple, so that models are hashable.

    Raises:
        ParameterError: if `values` is not an iterable, or is a string, whose characters would
            otherwise become the items.
    """
    if values is None or isinstance(values, tuple):
        return values
    try:
        items = iter(values)
    except TypeError:
        items = None
    if items is None or isinstance(values, str | bytes):
        raise ParameterError(parameter, f"expected a list of values, got {values!r}")
    return tuple(items)


def as_enum(
    parameter: str, kind: type[Known], value: Known | UnknownValue | str
) -> Known | UnknownValue:
    """Return the enum member with a string's value, or an `UnknownValue` if no member has it.

    Raises:
        ParameterError: if `value` is not a string.
    """
    if isinstance(value, (kind, UnknownValue)):
        return value
    if not isinstance(value, str):
        raise ParameterError(parameter, f"expected {kind.__name__}, got {type(value).__name__}")
    try:
        return kind(value)
    except ValueError:
        return UnknownValue(str.__str__(value))  # the value, if it is a member of another enum
