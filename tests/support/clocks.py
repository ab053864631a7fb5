"""A fake clock, which sleeps and tests move forward."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from lambdacore_async.engine.clock import Clock

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)


class FakeClock(Clock):
    """A clock that moves on by the length of each sleep, without waiting.

    Attributes:
        sleeps: the seconds of every completed sleep.
        sleepers: number of tasks that are asleep.
    """

    def __init__(self, start: datetime = NOON) -> None:
        self.sleeps: list[float] = []
        self.sleepers = 0
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.sleepers += 1
        try:
            await asyncio.sleep(0)
        finally:
            self.sleepers -= 1
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._elapsed += seconds
