"""Time that leaps to the next timer of a loop as soon as nothing else can happen on it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

#: Real seconds without an event on any socket after which none will come. The other ends are in
#: this process, and bytes cross the loopback interface while they are sent.
_QUIET: Final = 0.01


@contextmanager
def leaping(loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Let nobody on a loop of asyncio's own wait for the time alone.

    Timeouts and sleeps may then be as long as is never too short on a slow machine. It is not for
    those who wait for threads or for other processes.
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
        inner._selector.select = select  # but time does not go back
