"""Prints tables, lines, JSON, progress and errors.

This is the only module of the command line that writes to a stream. Every text passes through
`printable` first, so a name or a message from the service or a file cannot clear the screen, set
the window's title, hide text or forge a line. JSON is printed in ASCII, which needs no such escape.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate, islice
from typing import Final, Generic, TypeVar

from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from lambdacore_async.engine.observation import logger
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnectorState
from lambdacore_async.models.shared import JSONValue

#: Maximum length of a printed text, in characters. Valid names and messages are shorter.
_MAX_TEXT: Final = 1_000
#: Width of output that is not a terminal, in characters: enough for any row.
_UNBOUNDED: Final = 100_000
#: Lines of a live table that are no rows: its caption, its header, a rule and the cursor's line.
_AROUND_ROWS: Final = 4

#: Attributes of all log records; the others are the data of a record.
_RECORD: Final = frozenset(vars(logging.makeLogRecord({})))

_STYLES: Final[Mapping[str, str]] = {
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


def flush() -> None:
    """Flush standard output."""
    print(end="", flush=True)


def printable(text: str) -> str:
    """Return the text on one line, with unprintable characters escaped, and cut if too long."""
    return escaped(text, _MAX_TEXT)


def line(*words: str) -> None:
    """Print one line."""
    print(*map(printable, words), flush=True)


def whole_line(text: str) -> None:
    """Print one line, however long it is."""
    print(escaped(text), flush=True)


def error(*words: str) -> None:
    """Print one line to standard error."""
    _Stream(stderr=True).print(*map(printable, ("lambdacore:", *words)), soft_wrap=True)


def log(*words: str) -> None:
    """Print one line to standard error, without the program's name."""
    print(*map(printable, words), file=sys.stderr, flush=True)


@contextmanager
def logs() -> Generator[None]:
    """Print what the library logs to standard error."""
    handler, level = _LogLines(), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


class _LogLines(logging.Handler):
    """Prints a record as a line with its time, level, message and data, before its traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        data = [
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _RECORD and value is not None
        ]
        time = datetime.fromtimestamp(record.created, UTC)
        log(f"{time:%Y-%m-%dT%H:%M:%S.%fZ}", record.levelname, record.getMessage(), *data)
        if record.exc_info:
            for each in logging.Formatter().formatException(record.exc_info).splitlines():
                log(each)


def json_line(value: JSONValue) -> None:
    """Print a value as one line of JSON."""
    print(_json(value), flush=True)


def json_document(value: JSONValue) -> None:
    """Print a value as indented JSON."""
    print(_json(value, indent=2))


def table(columns: Sequence[Column[Item]], items: Sequence[Item]) -> None:
    """Print a row for each item; print nothing if there are no items."""
    if items:
        stream = _Stream()
        stream.print(_table(columns, items, stream.width))


def members(values: Iterable[tuple[str, str]]) -> None:
    """Print names and values, one pair per line."""
    pairs = list(values)
    width = max((len(name) for name, _ in pairs), default=0)
    stream = _Stream()
    for name, value in pairs:
        # The terminal wraps long values: a copied ARN must be in one piece.
        text = Text.assemble(_text(f"{name:<{width}}  ", "bold"), _text(value))
        stream.print(text, soft_wrap=True)


def labelled(label: str, text: str) -> None:
    """Print a line of a summary: a label and its text."""
    _Stream().print(Text.assemble(_text(f"{label:<8}", "bold"), _text(text)))


def can_ask() -> bool:
    """Return whether a person can answer: standard input and standard error are terminals."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> bool:
    """Ask on the terminal, and return whether the answer is yes; the default is no."""
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def agrees(question: str, *, yes: bool) -> bool:
    """Return whether to do what cannot be undone: ask, unless told not to or no person can answer.

    Scripts have decided already; a question would only stop them.
    """
    return yes or not can_ask() or ask(question)


def is_terminal() -> bool:
    """Return whether standard output is a terminal, or the environment says that it is."""
    return _Stream().is_terminal


@contextmanager
def live_table(
    columns: Sequence[Column[Item]],
) -> Generator[Callable[[Iterable[Item], str], None]]:
    """Keep one table on the terminal; yield a function that replaces its rows and its caption.

    The table has as many rows as fit on the terminal, and as many of the first columns.
    """
    stream = _Stream()
    with Live(console=stream, auto_refresh=False) as live:

        def show(items: Iterable[Item], caption: str) -> None:
            fitting = list(islice(items, max(stream.height - _AROUND_ROWS, 1)))
            table = _table(_fitting(columns, fitting, stream.width), fitting, stream.width)
            live.update(Group(_text(caption, "bold"), table), refresh=True)

        yield show


@contextmanager
def spinner(task: str, *, after: float = 0.0) -> Generator[Callable[[str], None]]:
    """Show on a terminal that a task is running; yield a function that sets its status text.

    Args:
        task: describes the task.
        after: seconds before it is shown, so that a fast task shows nothing; needs a running loop.
    """
    stream = _Stream(stderr=True)
    progress = Progress(
        SpinnerColumn("line" if stream.options.ascii_only else "dots"),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=stream,
        transient=True,
        disable=not stream.is_terminal,
    )
    row = progress.add_task(printable(task), state="")
    with ExitStack() as shown:
        show = partial(shown.enter_context, progress)
        if after:
            shown.callback(asyncio.get_running_loop().call_later(after, show).cancel)
        else:
            show()
        yield lambda state: progress.update(row, state=printable(state))


@contextmanager
def counter(task: str, total: int) -> Generator[Callable[[int, str], None]]:
    """Show a task's progress on a terminal: steps done, rate and time left.

    Yields a function that counts one step; its arguments are the number of failures so far, and a
    word on the pace.
    """
    stream = _Stream(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        _RateColumn(),
        # Once all is done, it shows the time that has passed.
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[pace]}", markup=False),
        console=stream,
        disable=not stream.is_terminal,
    ) as progress:
        row = progress.add_task(printable(task), total=total, failed=0, pace="")
        yield lambda failed, pace: progress.update(row, advance=1, failed=failed, pace=pace)


class _RateColumn(ProgressColumn):
    """Steps per second: recent ones while the task runs, all of them at its end."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return _text("" if speed is None else f"{speed:,.0f}/s")


class _Stream(Console):
    """Standard output or error, without rich's markup, emoji codes and highlights.

    If the stream is not a terminal, rows are never wrapped.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        if not self.is_terminal:
            self.width = _UNBOUNDED

    def on_broken_pipe(self) -> None:
        """Raise the error to `running.run`; rich would exit with another status."""
        raise


def _text(value: str, style: str = "") -> Text:
    return Text(printable(value), style=style or _STYLES.get(value, ""), overflow="fold")


def _table(columns: Sequence[Column[Item]], items: Sequence[Item], width: int) -> Table:
    visible = [column for column in columns if width >= column.min_width]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in visible:
        table.add_column(column.header, justify="right" if column.right else "left")
    for item in items:
        table.add_row(*(_text(column.value(item) or "") for column in visible))
    return table


def _fitting(
    columns: Sequence[Column[Item]], items: Sequence[Item], width: int
) -> list[Column[Item]]:
    """Return the first columns, at least one and as many as fit without breaking a cell."""
    widths = accumulate(
        2 + max(len(printable(cell or "")) for cell in (each.header, *map(each.value, items)))
        for each in columns
    )
    fitting = [each for each, end in zip(columns, widths, strict=True) if end - 2 <= width]
    return fitting or [columns[0]]


def _json(value: JSONValue, indent: int | None = None) -> str:
    # `dumps` escapes every control character except DEL.
    return json.dumps(value, indent=indent).replace("\x7f", r"\u007f")
