"""Time, as the engine sees it: injected, so that tests never wait, and corrected by the service."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

#: How far off a clock must be before the service's is believed instead.
_TOLERANCE: Final = timedelta(minutes=5)

#: Seconds that reads of the service may lag behind a change. Until then they may miss a new
#: resource, or show a failure of an earlier change.
LAG: Final = 60.0


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """The time of day, with a time zone."""
        return datetime.now(UTC)

    #: Seconds from some point in the past, never going back.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Let others run for so many seconds."""
        await asyncio.sleep(seconds)


class ServiceClock:
    """The time of day as the service has it.

    The machine's clock counts until an answer shows that it is wrong by five minutes or more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta()

    def now(self) -> datetime:
        """The time of day, corrected."""
        return self._clock.now() + self._offset

    def correct(self, date: str | None, signed: datetime) -> bool:
        """Learn from the `Date` header of a refused request.

        Args:
            date: the header.
            signed: the time that the request bore; since then another may have been learnt.

        Returns:
            Whether that time was wrong: the same request may be accepted now.
        """
        try:
            actual = parsedate_to_datetime(date or "")
            wrong = abs(actual - signed) >= _TOLERANCE
        except (TypeError, ValueError, OverflowError):  # no date, or one without a time zone
            return False
        if wrong:
            self._offset = actual - self._clock.now()
        return wrong
