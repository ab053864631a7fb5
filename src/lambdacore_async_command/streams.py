"""Files and standard streams that are closed, or that cannot be read or written."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager


def open_missing() -> None:
    """Open the standard streams that were closed when Python started, which are `None`.

    Otherwise the next file or socket would get the number of the stream. Reading such an input and
    writing such an output is an error, as in GNU's tools. What is written to standard error is
    discarded.
    """
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] # can be
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_WRONLY))
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] # can be
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] # can be
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


def flush() -> None:
    """Write what standard output still holds.

    Raises:
        OSError: if it cannot be written.
    """
    print(end="", flush=True)


def discard() -> None:
    """Discard what standard output still holds: Python would fail to write it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def naming(file: object) -> Generator[None]:
    """Add the name of an open file to errors, which do not tell it."""
    try:
        yield
    except OSError as error:
        error.filename = file
        raise


def explain(error: OSError) -> str:
    """Return which file failed and why; if standard output did, discard what it still holds."""
    # Closing a file fails again, without its name.
    where = error.filename or getattr(error.__context__, "filename", None)
    try:
        flush()
    except OSError:
        discard()
        where = "standard output"
    reason = error.strerror or str(error)
    return f"{where}: {reason}" if where else reason
