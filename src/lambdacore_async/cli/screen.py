"""Tables and progress, drawn by rich. `printing` imports this module when it draws something."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import accumulate, islice
from typing import Final, TypeVar

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

from lambdacore_async.cli.tables import COLOURS, Column, printable

#: Width of output that is not a terminal, in characters: enough for any row.
_UNBOUNDED: Final = 100_000
#: Lines of a live table that are no rows: its caption, its header, a rule and the cursor's line.
_AROUND_ROWS: Final = 4

Item = TypeVar("Item")


def table(columns: Sequence[Column[Item]], items: Sequence[Item], *, stderr: bool = False) -> None:
    """Print a row for each item."""
    stream = _Stream(stderr=stderr)
    stream.print(_table(columns, items, stream.width))


def labelled(label: str, text: str) -> None:
    """Print a label and its text, broken into lines that fit."""
    _Stream().print(Text.assemble(_text(f"{label:<8}", "bold"), _text(text)))


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
def spinner(task: str) -> Generator[Callable[[str], None]]:
    """Show on standard error that a task is running; yield a function that sets its status text."""
    stream = _Stream(stderr=True)
    with Progress(
        SpinnerColumn("line" if stream.options.ascii_only else "dots"),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
        console=stream,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),
    ) as progress:
        row = progress.add_task(printable(task), state="")
        yield lambda state: progress.update(row, state=printable(state))


@contextmanager
def counter(task: str, total: int) -> Generator[Callable[[int, str], None]]:
    """Show a task's progress on standard error: steps done, rate and time left.

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
        # Lines on the same terminal go above the bar; a file or pipe gets them as they are.
        redirect_stdout=sys.stdout.isatty(),
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
    return Text(printable(value), style=style or COLOURS.get(value, ""), overflow="fold")


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
