"""Rate limiter shared by all calls of a client in a region.

There is no limit until the service first throttles. From then on, requests are sent one after the
other, at a rate that converges on the service's own limit, a token bucket of unknown rate and size:

- A throttled request found the bucket empty. So the responses between two throttles measure the
  limit, within one request. After a throttle, the rate is cut to that measure, or a little if there
  were too few responses to measure.
- Then the rate grows with the cube of the successes, like the window of TCP CUBIC: slowly near the
  limit, so that only about one request in forty is throttled, then faster and faster, so that a
  raised limit is found within two such cycles. With more requests in flight it probes less often,
  because each probe costs more. A slower client probes more often than a faster one, so clients
  that share a limit converge to equal rates.
- The first search starts at 22 requests a second, whatever the rate was before: what a full bucket
  lets through says more about its size than about its rate, and equal starts are fair. The search
  multiplies the rate, and ends at the next throttle. But a client that is throttled at once, before
  its own burst, probably shares the limit with others. It continues through a few throttles to win
  a share.
- Successes of requests that did not wait prove nothing, and do not raise the rate. Throttled
  requests that were sent before the last cut prove nothing new, and do not cut it again.

In simulations with 15 to 500 requests a second, a bucket of one second, and up to 5 milliseconds of
latency, the limiter uses at least 98 percent of what the bucket allows, with 2 to 8 percent
throttled; at 50 milliseconds, 94 percent, with 3 to 11. It is weakest below 10 requests a second (a
fifth throttled at 5 a second). Two clients that look up 600 connectors each under a limit of 50 a
second use 93 percent of it together, with at least a third each, in nine runs of ten. The constants
were chosen for that.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from enum import Enum, auto
from typing import Final, Protocol

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.locks import LoopLock
from lambdacore_async.errors import ParameterError

logger: Final = logging.getLogger("lambdacore_async")

#: The maximum pause in seconds that a server may ask for.
_MAX_PAUSE: Final = 20.0
_MIN_RATE: Final = 0.5

_START_RATE: Final = 22.0
#: With this many successes in the second before the first throttle, the burst was this client's.
_OWN_BURST: Final = 10
#: Otherwise the search continues through throttles until there were this many responses.
_SEARCH_ANSWERS: Final = 8
_SEARCH_STEP: Final = 0.25
_CONTESTED_STEP: Final = 0.07
#: The minimum time in seconds in which the rate grows e-fold, in a search and after it.
_SEARCH_TIME: Final = 0.12
_GROWTH_TIME: Final = 0.2
#: The minimum of both in round trips; with fewer, throttles would be noticed too late.
_ROUND_TRIPS: Final = 2.0

_KEPT: Final = 0.94
_KEPT_OF_SEARCH: Final = 0.72
#: A search may leave tokens of a small bucket unused, so its measure may be too low.
_SEARCH_MARGIN: Final = 1.2
_ENOUGH_TO_MEASURE: Final = 4

#: About this many successes per throttle at the start rate; fewer at lower rates.
_CYCLE: Final = 40.0
_CYCLE_EXPONENT: Final = 0.4
_CURVE: Final = 0.5
#: More requests in flight than this make cycles longer.
_FEW_IN_FLIGHT: Final = 6.0

#: Seconds for which unused permits are kept, because timers may be late.
_SPARE: Final = 0.05
#: The limit is removed after this many seconds without a throttle, if permits are left unused.
_QUIET: Final = 60.0
#: The rate never exceeds the rate of the last few requests by more than this factor.
_MAX_EXCESS: Final = 2.0
_FEW_SENDS: Final = 6

#: Delays shorter than this many seconds are treated as zero; rounding errors are as short.
_INSTANT: Final = 1e-6


class Outcome(Enum):
    """Outcome of an attempt, as far as it concerns the rate."""

    SUCCESS = auto()
    THROTTLED = auto()
    OTHER = auto()


class Limit(Protocol):
    """Adaptive send rate. It has no clock: the time is an argument.

    Attributes:
        rate: requests per second; `None` while there is no limit.
    """

    rate: float | None

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now."""
        ...

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        ...

    def learn(self, sent: float, now: float, outcome: Outcome) -> None:
        """Adapt the rate to the outcome of a request.

        Args:
            sent: the monotonic time at which the request was sent.
            now: the current monotonic time, not before `sent`.
            outcome: the outcome of the request.
        """
        ...


class ProbingRate:
    """Rate that converges on the rate of a token bucket; see the module's docstring."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._due = 0.0
        self._latency = 0.0
        #: Requests sent before the last cut, or without waiting, prove nothing.
        self._cut = self._unneeded = -math.inf
        self._answers = self._streak = 0
        self._recent: deque[float] = deque(maxlen=_OWN_BURST)
        self._sends: deque[float] = deque(maxlen=_FEW_SENDS)
        self._searching = self._contested = False
        self._answers_to_search = 0

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now."""
        return 0.0 if self.rate is None else self._due - now

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        if self.rate is None:
            return
        if now - self._due > _SPARE:
            if now - self._cut > _QUIET:
                self.rate = None
                return
            self._unneeded = now
            self._due = now - _SPARE
        self._due += 1 / self.rate
        self._sends.append(now)

    def learn(self, sent: float, now: float, outcome: Outcome) -> None:
        """Adapt the rate to the outcome of a request.

        Args:
            sent: the monotonic time at which the request was sent.
            now: the current monotonic time, not before `sent`.
            outcome: the outcome of the request.
        """
        if outcome is Outcome.SUCCESS:
            if self.rate is None:
                self._recent.append(now)
            else:
                self._succeeded(self.rate, sent, now)
        elif outcome is Outcome.THROTTLED:
            if self.rate is None:
                self._start(sent, now)
            elif sent > self._cut:
                self._throttled(self.rate, now)

    def _start(self, sent: float, now: float) -> None:
        own_burst = len(self._recent) == _OWN_BURST and self._recent[0] > now - 1
        self._answers_to_search = 0 if own_burst else _SEARCH_ANSWERS
        self._searching, self._contested = True, False
        self._recent.clear()
        self._sends.clear()
        self._latency = now - sent
        self._cut_to(_START_RATE, now)
        self._due = now + 1 / _START_RATE

    def _succeeded(self, rate: float, sent: float, now: float) -> None:
        self._latency += (now - sent - self._latency) / 8
        self._answers += 1
        self._answers_to_search -= 1
        if sent > self._cut and sent > self._unneeded:
            self._streak += 1
            seconds = self._sends[-1] - self._sends[0]
            most = _MAX_EXCESS * (len(self._sends) - 1) / seconds if seconds else math.inf
            self.rate = max(rate, min(rate * (1 + self._growth(rate)), most))

    def _growth(self, rate: float) -> float:
        """Return the fraction by which the rate grows after a success."""
        if self._searching:
            # The first success may have used the last token of the bucket.
            step = _CONTESTED_STEP if self._contested else _SEARCH_STEP
            step, least_time = step * (self._streak > 1), _SEARCH_TIME
        else:
            cycle = _CYCLE * (rate / _START_RATE) ** _CYCLE_EXPONENT
            cycle *= max(1, rate * self._latency / _FEW_IN_FLIGHT)
            # The derivative of _CURVE * (streak / cycle) ** 3.
            step, least_time = 3 * _CURVE * (self._streak / cycle) ** 2 / cycle, _GROWTH_TIME
        fastest = 1 / (rate * max(least_time, _ROUND_TRIPS * self._latency))
        return min(step, fastest, _SEARCH_STEP)

    def _throttled(self, rate: float, now: float) -> None:
        """Cut the rate to the measure since the last cut; the bucket was empty both times."""
        seconds = now - self._cut
        found = self._searching and self._answers_to_search <= 0
        kept, margin = (_KEPT_OF_SEARCH, _SEARCH_MARGIN) if found else (_KEPT, 1.0)
        cut = max(rate * kept, min(rate, (self._answers - 1) / seconds))
        if self._searching and not found:
            self._contested = True
        else:
            self._searching = False
            # If permits were left unused, this measures the demand, not the limit.
            if self._answers >= _ENOUGH_TO_MEASURE and self._unneeded < self._cut:
                cut = min(cut, margin * self._answers / seconds)
        self._cut_to(max(cut, _MIN_RATE), now)

    def _cut_to(self, rate: float, now: float) -> None:
        self.rate = rate
        self._cut = now
        self._answers = self._streak = 0


class AdaptiveRate:
    """Rate of the adaptive retry mode of the AWS SDKs, with its published constants.

    Args:
        now: the monotonic time at which counting starts.
    """

    _BUCKETS_A_SECOND = 2
    _SMOOTHING = 0.8
    _BETA = 0.7
    _SCALE = 0.4
    _MAX_OF_MEASURED = 2.0

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        self.fill_rate = 1.0
        self.measured = 0.0
        self._count = 0
        self._bucket = float(math.floor(now))
        self._max_rate = 0.0
        self._throttled_at = now
        self._tokens = 0.0
        self._filled_at = now

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now."""
        if self.rate is None:
            return 0.0
        self._fill(now)
        return (1 - self._tokens) / self.fill_rate

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        if self.rate is not None:
            self._fill(now)
            self._tokens -= 1

    def learn(self, sent: float, now: float, outcome: Outcome) -> None:  # noqa: ARG002 - of the protocol
        """Adapt the rate to the outcome of a request.

        Args:
            sent: unused.
            now: the current monotonic time.
            outcome: the outcome of the request.
        """
        if outcome is Outcome.OTHER:
            return
        self._measure(now)
        if outcome is Outcome.THROTTLED:
            on = self.rate is not None
            self._max_rate = min(self.measured, self.fill_rate) if on else self.measured
            self._throttled_at = now
            rate = self._max_rate * self._BETA
        else:
            rate = self._curve(now)
        self._fill(now)
        limited = min(rate, self._MAX_OF_MEASURED * self.measured)
        self.fill_rate = max(limited, _MIN_RATE)
        self._tokens = min(self._tokens, max(limited, 1.0))
        if outcome is Outcome.THROTTLED or self.rate is not None:
            self.rate = self.fill_rate

    def _measure(self, now: float) -> None:
        self._count += 1
        bucket = math.floor(now * self._BUCKETS_A_SECOND) / self._BUCKETS_A_SECOND
        if bucket > self._bucket:
            measured = self._count / (bucket - self._bucket)
            self.measured = self._SMOOTHING * measured + (1 - self._SMOOTHING) * self.measured
            self._count, self._bucket = 0, bucket

    def _curve(self, now: float) -> float:
        plateau = math.cbrt(self._max_rate * (1 - self._BETA) / self._SCALE)
        return self._SCALE * (now - self._throttled_at - plateau) ** 3 + self._max_rate

    def _fill(self, now: float) -> None:
        capacity = max(self.fill_rate, 1.0)
        self._tokens = min(capacity, self._tokens + (now - self._filled_at) * self.fill_rate)
        self._filled_at = now


#: Seconds of unused permits of a maximum rate that are kept, as a small burst.
_BURST: Final = 0.1
#: Changes of the rate by less than this factor are not logged.
_LOGGED_CHANGE: Final = 2.0
#: The minimum time in seconds between two logged changes.
_LOGGED_EVERY: Final = 10.0


class MaxRate:
    """Maximum rate of requests, in effect from the first request on.

    In any `t` seconds, at most `rate * (t + 0.1) + 1` requests are sent.

    Args:
        rate: requests per second, more than 0 and finite.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._due = -math.inf

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now."""
        return self._due - now

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        self._due = max(self._due, now - _BURST) + 1 / self.rate


def as_max_rate(value: object) -> float | None:
    """Return a maximum rate in requests per second; `None` means no maximum.

    Raises:
        ParameterError: if the value is not a finite number above 0.
    """
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        given = type(value).__name__
        raise ParameterError("max_rate", f"must be a number of requests per second, got {given}")
    try:
        rate = float(value)
    except OverflowError:
        rate = math.inf
    if not 0 < rate < math.inf:
        raise ParameterError(
            "max_rate", f"must be above 0 requests per second and finite, got {rate:g}"
        )
    return rate


class CappedRate:
    """The slower of an adaptive rate and a maximum.

    Args:
        adaptive: the adaptive rate.
        maximum: the maximum, which several adaptive rates may share.
    """

    def __init__(self, adaptive: Limit, maximum: MaxRate) -> None:
        self.rate: float | None = maximum.rate
        self._adaptive = adaptive
        self._maximum = maximum

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now."""
        return max(self._adaptive.delay(now), self._maximum.delay(now))

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        self._adaptive.take(now)
        self._maximum.take(now)

    def learn(self, sent: float, now: float, outcome: Outcome) -> None:
        """Adapt the adaptive rate to the outcome of a request."""
        self._adaptive.learn(sent, now, outcome)


class RateLimiter:
    """Grants permits to send requests, in the order of the calls to `acquire`.

    It needs no background task: the first caller in the queue sleeps until its permit is due.

    Args:
        clock: tells the time and sleeps.
        max_in_flight: the maximum number of permits held at the same time, at least 1.
        max_rate: the maximum rate, which limiters may share.
        region: the AWS region, for logs.

    Attributes:
        requests: the number of permits released.
        throttles: the number of permits whose requests were throttled.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_in_flight: int = 100,
        max_rate: MaxRate | None = None,
        region: str = "",
    ) -> None:
        self._clock = clock
        self._adaptive = self._limit = self._new_limit(clock.monotonic())
        if max_rate is not None:
            self._limit = CappedRate(self._adaptive, max_rate)
        self._region = region
        self._logged: float | None = None
        self._logged_at = -math.inf
        self.requests = self.throttles = 0
        self._max_in_flight = max_in_flight
        self._free = max_in_flight
        self._not_before = -math.inf
        self._waiting = 0
        self._head_of_queue = LoopLock()
        self._freed: asyncio.Future[None] | None = None

    @staticmethod
    def _new_limit(now: float) -> Limit:  # noqa: ARG004 - for the subclass
        return ProbingRate()

    @property
    def rate(self) -> float | None:
        """The adaptive rate in requests per second; `None` while there is no limit."""
        return self._adaptive.rate

    @property
    def in_flight(self) -> int:
        """The number of permits held."""
        return self._max_in_flight - self._free

    @property
    def waiting(self) -> int:
        """The number of callers that wait for a permit."""
        return self._waiting

    @property
    def pause(self) -> float:
        """Seconds left of the pause that the service asked for; 0 without a pause."""
        return max(0.0, self._not_before - self._clock.monotonic())

    def acquire_nowait(self) -> float | None:
        """Return a permit if one is available at once, else `None`."""
        now = self._clock.monotonic()
        if self._waiting or not self._free or self._delay(now) > _INSTANT:
            return None
        self._free -= 1
        self._limit.take(now)
        return now

    async def acquire(self) -> float:
        """Wait for a permit.

        Returns:
            The permit, to be passed to `release`: the monotonic time at which it was granted.
        """
        permit = self.acquire_nowait()
        if permit is not None:
            return permit
        self._waiting += 1
        try:
            async with self._head_of_queue.of_loop():
                now = await self._wait()
        finally:
            self._waiting -= 1
        # Take the permit only after the last await, so that a cancellation loses none.
        self._free -= 1
        self._limit.take(now)
        return now

    def release(self, permit: float, outcome: Outcome, retry_after: float | None = None) -> None:
        """Release a permit, and adapt the rate to the outcome.

        Args:
            permit: the result of `acquire`.
            outcome: the outcome of the attempt; `OTHER` if it was cancelled.
            retry_after: seconds for which a throttling server asks for a pause; at most 20 are
                granted.
        """
        now = self._clock.monotonic()
        self._limit.learn(permit, now, outcome)
        self.requests += 1
        if outcome is Outcome.THROTTLED:
            self.throttles += 1
            if retry_after is not None:
                self._not_before = max(self._not_before, now + min(retry_after, _MAX_PAUSE))
        if self._adaptive.rate is not self._logged:
            self._log_change(now)
        self._free += 1
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(None)

    def _log_change(self, now: float) -> None:
        """Log that a limit begins or ends, or that the rate has changed much."""
        old, new = self._logged, self._adaptive.rate
        if old is None:
            message = "the service throttles: requests are sent at a limited rate"
        elif new is None:
            message = "requests are sent without a limit again"
        elif now - self._logged_at < _LOGGED_EVERY or (
            old / _LOGGED_CHANGE < new < old * _LOGGED_CHANGE
        ):
            return
        else:
            message = "the rate of requests has changed"
        self._logged, self._logged_at = new, now
        logger.info(message, extra={"region": self._region, "rate": new, "former_rate": old})

    def _delay(self, now: float) -> float:
        if self._limit.rate is None:
            return 0.0
        return max(self._limit.delay(now), self._not_before - now)

    async def _wait(self) -> float:
        """Wait at the head of the queue until a permit is due, and return the time."""
        while True:
            while not self._free:
                self._freed = asyncio.get_running_loop().create_future()
                await self._freed
            now = self._clock.monotonic()
            delay = self._delay(now)
            if delay <= _INSTANT:
                return now
            await self._clock.sleep(delay)


class AdaptiveRateLimiter(RateLimiter):
    """Limits like the adaptive retry mode of the AWS SDKs, for the same behaviour as other SDKs."""

    @staticmethod
    def _new_limit(now: float) -> Limit:
        return AdaptiveRate(now)
