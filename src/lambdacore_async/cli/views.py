"""Formats resources in the wire's shape, with a choice of format, columns, order and query."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from operator import itemgetter
from typing import Any, Final, TypeVar

import typer
from attrs import frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Format
from lambdacore_async.cli.tables import Column, printable
from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.reading import is_array, is_object
from lambdacore_async.protocol.writing import to_dict

#: Seconds of a command before a terminal shows that it is still running.
SPINNER_AFTER: Final = 0.3
#: The members that name a resource, the first that it has.
_NAMES: Final = ("Name", "RuntimeName", "Arn")

Item = TypeVar("Item")


def _compile(query: str) -> Any:
    import jmespath.exceptions  # only queries need it

    try:
        return jmespath.compile(query)
    except jmespath.exceptions.JMESPathError as error:
        problem = f"not a JMESPath expression: {' '.join(str(error).split())}"
        raise typer.BadParameter(problem, param_hint="--query") from None


@frozen
class View:
    """What to print of resources, and how.

    Raises:
        typer.BadParameter: if the query is not a JMESPath expression.
    """

    output: Format = Format.TABLE
    """The format."""
    query: str | None = None
    """JMESPath expression on the resource, or on the array of all resources."""
    columns: str | None = None
    """Members for tables and CSV, separated by commas; members of members follow a dot."""
    sort: str | None = None
    """Member to sort by, with a hyphen before it for the reverse order."""

    def __attrs_post_init__(self) -> None:
        if self.query is not None:
            _compile(self.query)

    @property
    def is_default(self) -> bool:
        """Whether this is the format `table`, without a choice of members."""
        return self.output is Format.TABLE and not (self.query or self.columns)

    @property
    def streams(self) -> bool:
        """Whether each resource can be printed before the next one is known."""
        return self.output in (Format.JSONL, Format.NAME) and not (self.query or self.sort)

    def show(self, value: JSONValue, columns: Sequence[str]) -> None:
        """Print a resource, or an array of resources.

        Args:
            value: the resource or resources, as JSON.
            columns: members for tables and CSV of an array, if the view names none.
        """
        if self.sort is not None and is_array(value):
            value = _sorted(value, self.sort)
        if self.query is not None:
            value = _search(self.query, value)
            columns = ()
        items: Sequence[JSONValue] = value if is_array(value) else [value]
        names = self.columns.split(",") if self.columns else columns
        match self.output:
            case Format.JSON:
                printing.json_document(value)
            case Format.JSONL:
                for item in items:
                    printing.json_line(item)
            case Format.NAME:
                for item in items:
                    printing.whole_line(_name(item))
            case Format.CSV:
                _show_csv(items, names)
            case _ if is_array(value) or self.columns:
                _show_table(items, names, titled=not self.columns)
            case _ if is_object(value):
                printing.members(indented(value))
            case _:
                printing.whole_line(text_of(value))


def indented(value: Mapping[str, JSONValue], indent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names and the texts of an object's members; members of members are indented."""
    for name, member in value.items():
        if is_object(member) and member:
            yield f"{indent}{name}", ""
            yield from indented(member, f"{indent}  ")
        else:
            yield f"{indent}{name}", text_of(member)


def leaves(value: JSONValue, path: str = "") -> list[tuple[str, str]]:
    """Return the text of each leaf of a JSON value, with its path."""
    if is_object(value) and value:
        return [
            leaf
            for name, member in value.items()
            for leaf in leaves(member, f"{path}.{name}" if path else name)
        ]
    return [(path, text_of(value))]


def text_of(value: JSONValue) -> str:
    """Return the text of a value in a cell; the items of an array are separated by commas."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if is_array(value) and not any(is_object(item) or is_array(item) for item in value):
        return ", ".join(map(text_of, value))
    return json.dumps(value)


def _search(query: str, value: JSONValue) -> Any:
    import jmespath.exceptions

    try:
        return _compile(query).search(value)
    except jmespath.exceptions.JMESPathError as error:
        problem = " ".join(str(error).split())
        raise ParameterError("--query", f"does not fit the result: {problem}") from None


def _member(value: JSONValue, path: str) -> JSONValue:
    """Return the member at a path, or `None`; the case of the path does not matter."""
    for name in path.strip().casefold().split("."):
        if not is_object(value):
            return None
        value = next((item for key, item in value.items() if key.casefold() == name), None)
    return value


def _sorted(items: Sequence[JSONValue], sort: str) -> list[JSONValue]:
    path = sort.removeprefix("-")

    def key(item: JSONValue) -> tuple[bool, float, str]:
        member = _member(item, path)
        number = float(member) if isinstance(member, int | float) else 0.0
        return member is None, number, text_of(member)

    return sorted(items, key=key, reverse=sort.startswith("-"))


def _name(item: JSONValue) -> str:
    if is_object(item):
        return text_of(next((item[name] for name in _NAMES if item.get(name)), None))
    return text_of(item)


def _cells(items: Sequence[JSONValue], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows; without names, that of all leaves of the items."""
    if names:
        return list(names), [[text_of(_member(item, name)) for name in names] for item in items]
    rows = [dict(leaves(item)) for item in items]
    header = list(dict.fromkeys(name for row in rows for name in row))
    return header, [[row.get(name, "") for name in header] for row in rows]


def _show_csv(items: Sequence[JSONValue], names: Sequence[str]) -> None:
    header, rows = _cells(items, names)
    for row in ([name or "Value" for name in header], *rows):
        stream = io.StringIO()
        csv.writer(stream, lineterminator="").writerow(map(escaped, row))
        printing.whole_line(stream.getvalue())


def _show_table(items: Sequence[JSONValue], names: Sequence[str], *, titled: bool) -> None:
    header, rows = _cells(items, names)
    columns: list[Column[Sequence[str]]] = []
    width = 0
    for index, name in enumerate(header):
        title = (_title(name) if titled else name) or "Value"
        width += 2 + max(len(title), *(len(row[index]) for row in rows)) if rows else 0
        # A narrow terminal hides the columns at the end rather than cut those at the start.
        columns.append(Column(title, itemgetter(index), min_width=width - 2 if titled else 0))
    printing.table(columns, rows)
    if not rows:
        printing.log("nothing found")


def _title(name: str) -> str:
    """Return a column's title: `Last modified` for `LastModified`."""
    words = re.sub("(?<=[a-z])(?=[A-Z])", " ", name.rpartition(".")[2])
    return printable(words.capitalize())


async def show_all(
    models: AsyncIterable[Item],
    view: View,
    columns: Sequence[str],
    limit: int | None = None,
    *,
    as_json: Callable[[Item], JSONValue] = to_dict,
    order: Callable[[Item], int] | None = None,
) -> None:
    """Print the resources of a listing, each as it arrives if the view can.

    Args:
        models: the listing.
        view: what to print of it.
        columns: the members in tables.
        limit: the maximum number of resources. Defaults to all.
        as_json: returns a resource as JSON.
        order: returns the position of a resource, if the view does not print each as it arrives.
            Defaults to the order of the listing.
    """
    listed: list[Item] = []
    count = 0
    quiet = nullcontext[Callable[[str], None]](lambda _: None)
    with quiet if view.streams else printing.spinner("Listing", after=SPINNER_AFTER) as show:
        async for model in models:
            count += 1
            if view.streams:
                view.show(as_json(model), columns)
            else:
                listed.append(model)
                show(f"{count:,}")
            if count == limit:
                break
    if not view.streams:
        if order is not None:
            listed.sort(key=order)
        view.show([as_json(model) for model in listed], columns)
