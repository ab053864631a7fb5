"""Columns of tables, and the text of their cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from attrs import frozen

from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnectorState

#: Maximum length of a text in tables and messages, in characters. Valid names are shorter.
_MAX_TEXT: Final = 1_000
#: The colours of the states.
COLOURS: Final[Mapping[str, str]] = {
    NetworkConnectorState.ACTIVE: "green",
    NetworkConnectorState.PENDING: "yellow",
    NetworkConnectorState.DELETING: "yellow",
    NetworkConnectorState.FAILED: "red",
    NetworkConnectorState.DELETE_FAILED: "red",
}

Item = TypeVar("Item")


@frozen
class Column(Generic[Item]):
    """A column of a table.

    Attributes:
        header: the column's title.
        value: returns the cell's text for an item; `None` leaves the cell empty.
        min_width: width of the terminal, in characters, below which the column is hidden.
        right: align the cells to the right.
    """

    header: str
    value: Callable[[Item], str | None]
    min_width: int = 0
    right: bool = False


def printable(text: str) -> str:
    """Return the text on one line, with unprintable characters escaped, and cut if too long."""
    return escaped(text, _MAX_TEXT)
