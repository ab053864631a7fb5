"""Locks for clients that outlive their event loop."""

from __future__ import annotations

import asyncio


class LoopLock:
    """A lock that works on one event loop after another; `asyncio.Lock` binds to the first.

    A client may be used by one `asyncio.run` after another. The tasks that held or awaited the lock
    on a former loop ended with that loop.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    def of_loop(self) -> asyncio.Lock:
        """Return the lock of the running loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock
