"""Skips waiting in an event loop: while no socket is active, time jumps to the next timer."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

#: After this many real seconds without a socket event, the loop counts as idle. Both ends of every
#: connection are in this process, and the loopback interface delivers bytes at once.
_QUIET: Final = 0.01


@contextmanager
def leaping(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Make timers on one of asyncio's own event loops fire as soon as the loop is idle.

    Tests can then use timeouts and sleeps long enough for any slow machine. Do not use this in
    tests that wait for threads or other processes.
    """
    inner: Any = loop
    time, select = inner.time, inner._selector.select
    ahead = 0.0

    def leaping_time() -> float:
        now: float = time()
        return now + ahead

    def leaping_select(timeout: float | None = None) -> Any:
        nonlocal ahead
        if timeout is None or timeout <= _QUIET:
            return select(timeout)
        events = select(_QUIET)
        if not events:
            ahead += timeout - _QUIET
        return events

    inner.time, inner._selector.select = leaping_time, leaping_select
    try:
        yield
    finally:
        inner._selector.select = select  # `time` stays ahead: clocks must not go back
