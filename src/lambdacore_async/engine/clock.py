"""Clocks: the machine's, injected so that tests never wait, and the service's."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

#: How far off a clock must be before the service's is believed instead.
_TOLERANCE: Final = timedelta(minutes=5)
#: The years in which a service may say that it is. The machine's own clock may say 1970.
_PLAUSIBLE_YEARS: Final = range(2000, 2200)

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
        """Sleep for this many seconds."""
        await asyncio.sleep(seconds)


class Correction(NamedTuple):
    """An offset of the machine's clock that a refusal suggests, to be tried by one call.

    Attributes:
        offset: what to add to the machine's time.
        accepted: how many requests the service had accepted at the shared offset by then.
    """

    offset: timedelta
    accepted: int


class ServiceClock:
    """The time of day at one endpoint, shared by all calls to it.

    It is the machine's time until a refusal shows that this is wrong by five minutes or more. One
    refusal convinces nobody but the refused call, since one of many hosts may be wrong itself: the
    correction is shared once a request with the corrected time was accepted, unless requests with
    the old time were accepted meanwhile.

    Args:
        clock: the machine's.
        known: the clock of another endpoint, for what to start with.

    Attributes:
        offset: is added to the machine's time.
        untried: a correction that the refused call had no attempt left to try.
    """

    def __init__(self, clock: Clock, known: ServiceClock | None = None) -> None:
        self.untried: Correction | None = None
        self._clock = clock
        self.offset: timedelta = timedelta() if known is None else known.offset
        self._accepted = 0

    def now(self, correction: Correction | None = None) -> datetime:
        """The time of day.

        Args:
            correction: is used in the place of what all calls share.
        """
        offset = self.offset if correction is None else correction.offset
        try:
            return self._clock.now() + offset
        except OverflowError:  # the machine's clock was set since, and the offset is absurd
            return self._clock.now()

    def compare(self, date: str | None, signed: datetime) -> Correction | None:
        """Compare the `Date` header of a refusal with the time of the refused request.

        Args:
            date: the header.
            signed: the time that the request bore; since then another may have been learnt.

        Returns:
            A correction to sign the request with again; `None` if its time was right, or the header
            tells no plausible time.
        """
        try:
            actual = parsedate_to_datetime(date or "")
            plausible = actual.year in _PLAUSIBLE_YEARS
            if not plausible or abs(actual - signed) < _TOLERANCE:
                return None
        except (TypeError, ValueError, OverflowError):  # no date, or one without a time zone
            return None
        offset = actual - self._clock.now()
        if abs(offset) < _TOLERANCE:
            offset = timedelta()
        return Correction(offset, self._accepted)

    def accept(self, correction: Correction | None) -> None:
        """Learn that the service accepted a request.

        Args:
            correction: what the request was signed with, if not at the shared time.
        """
        if correction is None:
            self._accepted += 1
        elif correction.accepted == self._accepted:
            self.offset = correction.offset

    def take_untried(self) -> Correction | None:
        """The correction that is left to try, for one call."""
        correction, self.untried = self.untried, None
        return correction
