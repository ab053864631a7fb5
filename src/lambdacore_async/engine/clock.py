"""Clocks: the machine's, injected so that tests never wait, and the service's."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdacore_async.engine.observation import logger

#: Minimum offset of the machine's clock that is corrected by the service's time.
_TOLERANCE: Final = timedelta(minutes=5)
#: Years that are accepted in a service's `Date`. The machine's own clock may be at 1970.
_PLAUSIBLE_YEARS: Final = range(2000, 2200)

#: Seconds that reads of the service may lag behind a change. Until then, they may miss a new
#: resource, or show the failure of an earlier change.
LAG: Final = 60.0


class Clock:
    """The machine's time."""

    def now(self) -> datetime:
        """Return the time of day, in UTC."""
        return datetime.now(UTC)

    if TYPE_CHECKING:

        def monotonic(self) -> float:
            """Return seconds since an arbitrary point in the past; never goes backwards."""
            ...
    else:
        monotonic = staticmethod(time.monotonic)  # saves a frame on the path of each call

    async def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds."""
        await asyncio.sleep(seconds)


def parse_timestamp(text: str) -> datetime:
    """Return an ISO 8601 time. A time without a zone is in UTC.

    Raises:
        ValueError: if the text is not a time.
    """
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


class Correction(NamedTuple):
    """A clock offset that a rejection suggests, for one call to try.

    Attributes:
        offset: is added to the machine's time.
        accepted: the number of requests that the service had accepted at the shared offset.
    """

    offset: timedelta
    accepted: int


class ServiceClock:
    """The time of day at one endpoint, shared by all calls to it.

    It is the machine's time until the service rejects a request whose time is wrong by five minutes
    or more. One rejection corrects the time of the rejected call only, because one of many hosts
    may be wrong itself. The correction is shared once the service has accepted a request with the
    corrected time, unless it has accepted requests with the old time since.

    Args:
        clock: the machine's clock.
        known: the clock of another endpoint, whose offset is the initial one.
        host: the endpoint's host, for logs.

    Attributes:
        offset: is added to the machine's time.
        untried: a correction that the rejected call had no attempt left to try.
    """

    def __init__(self, clock: Clock, known: ServiceClock | None = None, *, host: str = "") -> None:
        self._host = host
        self.untried: Correction | None = None
        self._clock = clock
        self.offset: timedelta = timedelta() if known is None else known.offset
        self._accepted = 0

    def now(self, correction: Correction | None = None) -> datetime:
        """Return the time of day.

        Args:
            correction: replaces the shared offset.
        """
        offset = self.offset if correction is None else correction.offset
        try:
            return self._clock.now() + offset
        except OverflowError:  # the machine's clock was set, and the offset is now out of range
            return self._clock.now()

    def compare(self, date: str | None, signed: datetime) -> Correction | None:
        """Compare the `Date` header of a rejection with the time of the rejected request.

        Args:
            date: the header's value.
            signed: the time with which the request was signed; the shared time may have changed.

        Returns:
            A correction with which to sign the request again; `None` if its time was right, or the
            header has no plausible time.
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
        """Record that the service accepted a request.

        Args:
            correction: the correction in the signature; `None` for the shared time.
        """
        if correction is None:
            self._accepted += 1
        elif correction.accepted == self._accepted and self.offset != correction.offset:
            self.offset = correction.offset
            logger.warning(
                "the clock of this machine is wrong: requests are signed with the service's time",
                extra={"host": self._host, "offset_seconds": self.offset.total_seconds()},
            )

    def take_untried(self) -> Correction | None:
        """Return the untried correction to one call, and clear it."""
        correction, self.untried = self.untried, None
        return correction
