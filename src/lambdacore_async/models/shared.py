"""What every resource family shares: open enums, open unions, pages, response metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from attrs import field, frozen

from lambdacore_async.errors import ParameterError

JSONValue: TypeAlias = (
    "str | int | float | bool | Sequence[JSONValue] | Mapping[str, JSONValue] | None"
)

Item = TypeVar("Item")


class UnknownValue(str):
    """An enum value that this version of the library does not know.

    It is the text that the service sent, so comparing and logging it works as with any string.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"UnknownValue({str(self)!r})"


@frozen
class UnknownMember:
    """A member of a tagged union that this version of the library does not know.

    Attributes:
        tag: the member's name on the wire.
        value: what the service sent under that name; `None` where it came through a client that
            drops it (boto3).
    """

    tag: str
    value: JSONValue = field(default=None, hash=False)


@frozen
class ResponseMetadata:
    """What the answer said about itself.

    Attributes:
        request_id: the service's id of the request, for AWS Support.
        http_status: the HTTP status code.
        attempts: how many times the request was sent, from 1.
    """

    request_id: str | None
    http_status: int
    attempts: int


@frozen
class Page(Generic[Item]):
    """One page of a listing, in the service's order.

    Attributes:
        items: the resources on this page; a page may be empty though more follow.
        next_token: continues after this page; `None` on the last one.
        response_metadata: what the answer said about itself.
    """

    items: tuple[Item, ...]
    next_token: str | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def as_tuple(parameter: str, values: Iterable[Item] | None) -> tuple[Item, ...] | None:
    """Convert a list member, given in any iterable form, so that models stay hashable.

    Raises:
        ParameterError: for what is no iterable, and for a lone string, whose characters would
            pass for the list's items.
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
