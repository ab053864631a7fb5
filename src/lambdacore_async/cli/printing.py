"""Printing: tables, lines, JSON, progress and errors.

This is the only module of the command line that writes to a stream. Every text goes through
`shown` on its way, so a name or a message from the service or a file cannot clear the screen, set
the window's title, hide text or forge a line. JSON stays as it is, in ASCII.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnectorState
from lambdacore_async.models.shared import JSONValue

#: Characters of one text that are printed; no honest name or message is longer.
_LONGEST: Final = 1_000
#: Columns that a table has only where a terminal has so many characters a line.
_WIDE_ONLY: Final = frozenset({"Protocol", "Subnets", "Like it"})
_WIDE: Final = 105
_COUNTS: Final = frozenset({"Subnets", "Like it"})
#: A table that is not for a terminal is as wide as its longest row.
_UNBOUNDED: Final = 100_000

_STYLES: Final[Mapping[str, str]] = {
    NetworkConnectorState.ACTIVE: "green",
    NetworkConnectorState.PENDING: "yellow",
    NetworkConnectorState.DELETING: "yellow",
    NetworkConnectorState.FAILED: "red",
    NetworkConnectorState.DELETE_FAILED: "red",
}


def prepare_streams() -> None:
    """Let standard output and error escape characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write what is buffered for standard output."""
    print(end="", flush=True)


def shown(text: str) -> str:
    """A text as it is printed: on one line, with escapes for what is not printable, and cut."""
    return escaped(text, _LONGEST)


def line(*words: str) -> None:
    """Print one line."""
    print(*map(shown, words), flush=True)


def error(*words: str) -> None:
    """Print one line to standard error."""
    _Stream(stderr=True).print(*map(shown, ("lambdacore:", *words)), soft_wrap=True)


def json_line(value: JSONValue) -> None:
    """Print a value as one line of JSON."""
    print(_json(value), flush=True)


def json_document(value: JSONValue) -> None:
    """Print a value as JSON for people too."""
    print(_json(value, indent=2))


def table(rows: list[dict[str, str]]) -> None:
    """Print rows that have the same columns; without any, print nothing."""
    if rows:
        stream = _Stream()
        stream.print(_table(rows, stream.width))


def members(values: Iterable[tuple[str, str]]) -> None:
    """Print names and values below each other."""
    grid = Table.grid(padding=(0, 2))
    for name, value in values:
        grid.add_row(_text(name, "bold"), _text(value))
    _Stream().print(grid)


def labelled(label: str, text: str) -> None:
    """Print a line of a summary."""
    _Stream().print(Text.assemble(_text(f"{label:<8}", "bold"), _text(text)))


def is_terminal() -> bool:
    """Whether standard output is a terminal, or a program that says it is like one."""
    return _Stream().is_terminal


@contextmanager
def live_table() -> Generator[Callable[[list[dict[str, str]]], None]]:
    """Keep one table on the terminal; each call replaces its rows."""
    stream = _Stream()
    with Live(console=stream, auto_refresh=False) as live:

        def show(rows: list[dict[str, str]]) -> None:
            live.update(_table(rows, stream.width) if rows else _text("none"), refresh=True)

        yield show


@contextmanager
def spinner(task: str) -> Generator[Callable[[str], None]]:
    """Show on a terminal how long a task takes; each call replaces the text behind it."""
    stream = _Stream(stderr=True)
    with Progress(
        SpinnerColumn("line" if stream.options.ascii_only else "dots"),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=stream,
        transient=True,
        disable=not stream.is_terminal,
    ) as progress:
        row = progress.add_task(shown(task), state="")
        yield lambda state: progress.update(row, state=shown(state))


@contextmanager
def counter(task: str, total: int) -> Generator[Callable[[int], None]]:
    """Show on a terminal how far a task is; each call counts one step, and sets the failures."""
    stream = _Stream(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
        console=stream,
        disable=not stream.is_terminal,
    ) as progress:
        row = progress.add_task(shown(task), total=total, failed=0)
        yield lambda failed: progress.update(row, advance=1, failed=failed)


class _Stream(Console):
    """Standard output or error, without rich's markup, emoji codes and highlights.

    Where it is not a terminal, a row is one line, however long.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = _UNBOUNDED

    def on_broken_pipe(self) -> None:
        """Leave it to `running.run`; rich would exit with a status that means something else."""
        raise


def _text(value: str, style: str = "") -> Text:
    return Text(shown(value), style=style or _STYLES.get(value, ""), overflow="fold")


def _table(rows: list[dict[str, str]], width: int) -> Table:
    columns = [name for name in rows[0] if width >= _WIDE or name not in _WIDE_ONLY]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in _COUNTS else "left")
    for row in rows:
        table.add_row(*(_text(row[name]) for name in columns))
    return table


def _json(value: JSONValue, indent: int | None = None) -> str:
    # `dumps` leaves one control character as it is: DEL.
    return json.dumps(value, indent=indent).replace("\x7f", r"\u007f")
