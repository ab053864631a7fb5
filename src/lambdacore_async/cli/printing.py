"""Prints tables, lines, JSON, progress and errors.

Of the command line's modules, only this one and `screen`, which it imports when it draws, write to
a stream. Every text is escaped first, so a name or a message from the service or a file cannot
clear the screen, set the window's title, hide text or forge a line. Tables and messages also cut
long texts; data for programs is whole. JSON is printed in ASCII, which needs no such escape.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Final, TextIO, TypeVar

import typer

from lambdacore_async.cli.tables import COLOURS, Column, printable
from lambdacore_async.engine.observation import logger
from lambdacore_async.escaping import escaped
from lambdacore_async.models.shared import JSONValue

#: Attributes of all log records; the others are the data of a record.
_RECORD: Final = frozenset(vars(logging.makeLogRecord({})))
#: Spaces before a value that is on a line below its label.
_INDENT: Final = 4

Item = TypeVar("Item")


def line(*words: str) -> None:
    """Print one line for people."""
    print(*map(printable, words), flush=True)


def whole_line(text: str) -> None:
    """Print one line of data, however long it is."""
    print(escaped(text), flush=True)


def error(*words: str) -> None:
    """Print one line to standard error."""
    log("lambdacore:", *words)


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


def table(columns: Sequence[Column[Item]], items: Sequence[Item], *, stderr: bool = False) -> None:
    """Print a row for each item; print nothing if there are no items."""
    if items:
        from lambdacore_async.cli import screen

        screen.table(columns, items, stderr=stderr)


def members(values: Iterable[tuple[str, str]], *, stderr: bool = False) -> None:
    """Print names and values, one pair per line; a value that is a state has its colour.

    On a terminal, a value that does not fit is broken between its words only.
    """
    pairs = list(values)
    width = max((len(name) for name, _ in pairs), default=0)
    stream = sys.stderr if stderr else sys.stdout
    fold = _folding(stream, width + 2)
    is_styled = _is_terminal(stream) and os.environ.get("TERM") not in ("dumb", "unknown")
    for name, value in pairs:
        label, text = printable(f"{name:<{width}}  "), fold(printable(value))
        if is_styled:
            label = typer.style(label, bold=True)
            if value in COLOURS and not os.environ.get("NO_COLOR"):
                text = typer.style(text, fg=COLOURS[value])
        print(label + text, file=stream)


def _folding(stream: TextIO, indent: int) -> Callable[[str], str]:
    """Return a function that breaks a text behind a label of `indent` columns.

    Words are never broken: a copied ARN must be in one piece. If one does not fit behind the label,
    the text begins on the next line. The terminal wraps a word that is longer than a line.
    """
    columns = 0
    with suppress(OSError, ValueError):  # the stream is no terminal, or not even a file
        columns = os.get_terminal_size(stream.fileno()).columns

    def fold(text: str) -> str:
        if not columns or len(text) <= columns - indent:
            return text
        import textwrap  # most values fit

        longest = max(map(len, text.split()), default=0)
        is_below = longest > columns - indent and (" " in text or longest <= columns - _INDENT)
        left = _INDENT if is_below else indent
        lines = textwrap.wrap(
            text, max(columns - left, 1), break_long_words=False, break_on_hyphens=False
        )
        gap = "\n" + " " * left
        return (gap if is_below else "") + gap.join(lines)

    return fold


def labelled(label: str, text: str) -> None:
    """Print a line of a summary: a label and its text."""
    from lambdacore_async.cli import screen

    screen.labelled(label, text)


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
    return _is_terminal(sys.stdout)


def _is_terminal(stream: TextIO) -> bool:
    """Return what rich says of a stream; see https://force-color.org for one of the variables."""
    compatible, forced = os.environ.get("TTY_COMPATIBLE"), os.environ.get("FORCE_COLOR")
    if compatible in ("0", "1"):
        return compatible == "1"
    return stream.isatty() if forced is None else forced != ""


def live_table(
    columns: Sequence[Column[Item]],
) -> AbstractContextManager[Callable[[Iterable[Item], str], None]]:
    """Keep one table on the terminal; see `screen.live_table`."""
    from lambdacore_async.cli import screen

    return screen.live_table(columns)


@contextmanager
def spinner(task: str, *, after: float = 0.0) -> Generator[Callable[[str], None]]:
    """Show on a terminal that a task is running; yield a function that sets its status text.

    Args:
        task: describes the task.
        after: seconds before it is shown, so that a fast task shows nothing; needs a running loop.
    """
    state = ""
    update: Callable[[str], None] | None = None

    def set_state(new: str) -> None:
        nonlocal state
        state = new
        if update is not None:
            update(new)

    def show() -> None:
        nonlocal update
        from lambdacore_async.cli import screen  # a fast task does not need it

        update = shown.enter_context(screen.spinner(task))
        update(state)

    with ExitStack() as shown:
        if _is_terminal(sys.stderr):
            if after:
                shown.callback(asyncio.get_running_loop().call_later(after, show).cancel)
            else:
                show()
        yield set_state


def counter(
    task: str, total: int, *, streams: bool = False
) -> AbstractContextManager[Callable[[int, str], None]]:
    """Show a task's progress on a terminal; see `screen.counter`.

    Args:
        task: describes the task.
        total: the number of steps.
        streams: whether each step prints a line to standard output. A terminal that shows these
            lines shows no progress as well: it would break them.
    """
    if not total or not _is_terminal(sys.stderr) or (streams and sys.stdout.isatty()):
        return nullcontext(lambda _failed, _pace: None)
    from lambdacore_async.cli import screen

    return screen.counter(task, total)


def _json(value: JSONValue, indent: int | None = None) -> str:
    # `dumps` escapes every control character except DEL.
    return json.dumps(value, indent=indent).replace("\x7f", r"\u007f")
