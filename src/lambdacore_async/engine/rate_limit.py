"""Rate limiter shared by all calls of a client in a region.

Requests are not limited until the evidence for a limit is clear. From then on, they are spaced at a
rate that converges on the service's own limit, a token bucket of unknown rate and size:

- A lone throttle among successes is no evidence, because an empty bucket throttles almost
  everything. So after a throttle, nothing is sent for up to a round trip. The outcomes of requests
  sent since the throttled one decide: a fourth throttle before the eighth success means a limit.
- If there is a limit, the successes among these requests measure it, because the bucket was empty
  while they were sent. That measure is the first rate. The search raises it with each success,
  until the next throttle.
- When a request is throttled, the bucket is empty. So the successes between two throttles measure
  the limit, or this client's share of it. The rate is cut to a little less than that, and by at
  least a tenth, which leaves room for other clients.
- Then the rate grows with the cube of the successes, like the window of TCP CUBIC: slowly near the
  limit, so that few requests are throttled, and then ever faster, so that a raised limit is found
  within two such cycles. The cycle of a slower client has fewer successes and takes little longer,
  so clients that share a limit approach equal rates. Cycles are longer with more requests in
  flight, because a throttle is noticed after more requests.
- Successes of requests that did not wait prove nothing, and do not raise the rate. Throttled
  requests that were sent before the last cut prove nothing new, and do not cut the rate again.

`tests/engine/test_rate_limit.py` simulates limits of 5 to 500 requests a second at latencies of up
to 200 milliseconds, random throttles, and up to eight clients that share a limit. The constants
were chosen for that.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Final, Literal, Protocol, TypeAlias

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.locks import LoopLock
from lambdacore_async.engine.observation import logger, shown_text
from lambdacore_async.errors import ParameterError

#: The number of requests in flight before the service is known to serve more: enough for 50 lookups
#: in 3 round trips, and fewer than the burst of a limit that AWS publishes.
FIRST_IN_FLIGHT: Final = 12

#: The maximum pause in seconds that a server may ask for.
_MAX_PAUSE: Final = 20.0
_MIN_RATE: Final = 0.5

#: This many throttles mean a limit, unless that many successes of requests sent as late come first.
_THROTTLES_OF_LIMIT: Final = 4
_SUCCESSES_OF_NONE: Final = 8
#: Throttles longer ago than this many seconds, or round trips, are forgotten.
_AROUND: Final = 1.0
_AROUND_ROUND_TRIPS: Final = 8

#: The first measure counts half a success more, and lasts at least this many seconds.
_SHORTEST_MEASURE: Final = 0.02
_ENOUGH_TO_MEASURE: Final = 4
_KEPT: Final = 0.9
#: A rate a little below the measure, which is one success off, lets the bucket fill again.
_KEPT_OF_MEASURE: Final = 0.95
_LEAST_KEPT: Final = 0.5

#: The maximum fraction by which a success raises the rate.
_STEP: Final = 0.25
#: In a search, the fraction is this number divided by the number of successes.
_SEARCH_STEP: Final = 2.0
#: The minimum time in seconds, and in round trips, in which the rate grows e-fold.
_GROWTH_TIME: Final = 0.2
_ROUND_TRIPS: Final = 4.0

#: Successes per cycle at a rate of 1; the number grows with this power of the rate. A power nearer
#: to 1 is fairer to clients that share a limit; a lower one throttles fewer requests of slow ones.
_CYCLE: Final = 4.5
_CYCLE_POWER: Final = 0.75
_CURVE: Final = 0.5
#: More requests in flight than this make cycles longer.
_FEW_IN_FLIGHT: Final = 9.0
#: With more requests in flight than this, an empty bucket throttles several in a round trip.
_MANY_IN_FLIGHT: Final = 16.0

#: Seconds for which unused permits are kept, because timers may be late.
_SPARE: Final = 0.05
#: The limit is removed after this many seconds without a throttle, if permits are left unused.
_QUIET: Final = 60.0
#: The rate never exceeds the rate of the last few requests by more than this factor.
_MAX_EXCESS: Final = 2.0
_FEW_SENDS: Final = 6

#: Delays shorter than this many seconds are treated as zero; rounding errors are as short.
_INSTANT: Final = 1e-6


Outcome: TypeAlias = Literal["success", "throttled", "other"]
"""Outcome of an attempt, as far as the rate is concerned."""


class Limit(Protocol):
    """Adaptive send rate. It has no clock: the time is an argument.

    Attributes:
        rate: requests per second; `None` while there is no limit.
        active: whether requests may have to wait. If not, `delay` and `take` need not be called.
    """

    rate: float | None
    active: bool

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
        self.active: bool = False
        self._due = self._latency = 0.0
        #: The send time of a throttled request that may be the first to find the bucket empty.
        self._suspect: float | None = None
        #: Until then, the outcomes of its neighbours decide.
        self._decision = 0.0
        self._throttles = 0
        #: Requests sent before the last cut, or without waiting, prove nothing.
        self._cut = self._unneeded = -math.inf
        self._last_throttled = -math.inf
        #: The successes since the bucket was known to be empty, and since the last cut.
        self._since = 0.0
        self._answers = self._streak = 0
        self._sends: deque[float] = deque(maxlen=_FEW_SENDS)
        self._searching = False

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may be sent; 0 or less means now.

        While the evidence is unclear, the result may be only a part of the delay: ask again.
        """
        if self.rate is not None:
            return self._due - now
        if self._suspect is None:
            return 0.0
        return min(self._decision - now, self._latency / 16 + _INSTANT)

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        if self.rate is None:
            return
        if now - self._due > _SPARE:
            if now - self._cut > _QUIET:
                self.rate = self._suspect = None
                self.active = False
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
        if outcome == "success":
            if self.rate is not None:
                self._succeeded(self.rate, sent, now)
            elif self._suspect is not None and sent >= self._suspect:
                self._answers += 1
                if self._answers >= _SUCCESSES_OF_NONE:
                    self._suspect = None
                    self.active = False
        elif outcome == "throttled":
            if self.rate is None:
                self._weigh(sent, now)
            elif sent > self._cut and not self._is_lone(self.rate, sent):
                self._throttled(self.rate, now)

    def _is_lone(self, rate: float, sent: float) -> bool:
        """Return whether a throttle is the only one among many requests in flight."""
        gap, self._last_throttled = sent - self._last_throttled, sent
        return rate * self._latency > _MANY_IN_FLIGHT and gap > self._latency

    def _weigh(self, sent: float, now: float) -> None:
        """Weigh a throttle while there is no limit."""
        latency = now - sent
        around = max(_AROUND, _AROUND_ROUND_TRIPS * latency)
        if self._suspect is None or sent - self._suspect > around:
            self.active = True
            self._suspect, self._decision = sent, now + latency
            self._latency = latency
            self._cut = now
            self._answers = self._throttles = 0
        self._suspect = min(self._suspect, sent)
        self._throttles += 1
        if self._throttles < _THROTTLES_OF_LIMIT:
            return
        if now > self._decision:  # requests were sent until now
            self._cut = now
        # What is in flight still counts for the first measure.
        self._due = now + latency
        self._since = self._suspect + latency
        self._latency = latency
        self._searching = True
        self._streak = 0
        self._sends.clear()
        self._measure_first(self._suspect)

    def _measure_first(self, start: float) -> None:
        seconds = max(self._cut - start, _SHORTEST_MEASURE)
        self.rate = max((self._answers + 0.5) / seconds, _MIN_RATE)

    def _succeeded(self, rate: float, sent: float, now: float) -> None:
        self._latency += (now - sent - self._latency) / 8
        if not self._sends:  # nothing was sent since the limit was noticed
            if self._suspect is not None and sent >= self._suspect:
                self._answers += 1
                self._measure_first(self._suspect)
            return
        self._answers += 1
        if sent > self._cut and sent > self._unneeded:
            self._streak += 1
            seconds = self._sends[-1] - self._sends[0]
            most = _MAX_EXCESS * (len(self._sends) - 1) / seconds if seconds else math.inf
            self.rate = max(rate, min(rate * (1 + self._growth(rate)), most))

    def _growth(self, rate: float) -> float:
        """Return the fraction by which the rate grows after a success."""
        cycle = max(_CYCLE * math.pow(rate, _CYCLE_POWER), 4.0)  # `**` of floats is Any
        cycle *= max(1, rate * self._latency / _FEW_IN_FLIGHT)
        # The derivative of _CURVE * (streak / cycle) ** 3.
        step = 3 * _CURVE * (self._streak / cycle) ** 2 / cycle
        if self._searching:
            few = self._answers < _ENOUGH_TO_MEASURE
            step = _STEP if few else max(step, _SEARCH_STEP / self._answers)
        fastest = 1 / (rate * max(_GROWTH_TIME, _ROUND_TRIPS * self._latency))
        return min(step, fastest, _STEP)

    def _throttled(self, rate: float, now: float) -> None:
        """Cut the rate to the measure since the bucket was empty, and by at least a tenth."""
        enough = self._answers >= _ENOUGH_TO_MEASURE
        cut = rate * _KEPT
        # If permits were left unused, the successes measure the demand, not the limit.
        if self._unneeded < self._since < now:
            measure = (self._answers + (not enough)) / (now - self._since)
            cut = min(cut, measure * _KEPT_OF_MEASURE)
        self.rate = max(cut, rate * _LEAST_KEPT, _MIN_RATE)
        self._cut = now
        self._streak = 0
        if enough:  # otherwise the measure continues
            self._since = now
            self._answers = 0
            self._searching = False


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
        self.active: bool = False
        self.fill_rate: float = 1.0
        self.measured: float = 0.0
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
        if outcome == "other":
            return
        self._measure(now)
        if outcome == "throttled":
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
        if outcome == "throttled" or self.rate is not None:
            self.rate = self.fill_rate
            self.active = True

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
        self.active = True
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
        label: the label of the first view that sends requests, for logs.

    Attributes:
        requests: the number of permits released.
        throttles: the number of permits whose requests were throttled.
        proven: the most requests that the service has served within a second since a limit was last
            found, but at least 12. A fan-out starts with this many workers.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_in_flight: int = 100,
        max_rate: MaxRate | None = None,
        region: str = "",
        label: str | None = None,
    ) -> None:
        self.proven: int = FIRST_IN_FLIGHT
        self._counted_since = -math.inf
        self._served = 0
        self._clock = clock
        self._adaptive = self._limit = self._new_limit(clock.monotonic())
        if max_rate is not None:
            self._limit = CappedRate(self._adaptive, max_rate)
        self._region = region
        self._label = label
        self._logged: float | None = None
        self._logged_at = -math.inf
        self.requests: int = 0
        self.throttles: int = 0
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
        if self._waiting or not self._free:
            return None
        if self._limit.active or now < self._not_before:
            if self._delay(now) > _INSTANT:
                return None
            self._limit.take(now)
        self._free -= 1
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
            retry_after: the pause in seconds that a throttling server asks for; at most 20 apply.
        """
        now = self._clock.monotonic()
        self._limit.learn(permit, now, outcome)
        self.requests += 1
        if self._adaptive.rate is not None:
            self.proven, self._served = FIRST_IN_FLIGHT, 0
        elif outcome == "success" and self.proven < self._max_in_flight:
            self._count(now)
        if outcome == "throttled":
            self.throttles += 1
            if retry_after is not None:
                self._not_before = max(self._not_before, now + min(retry_after, _MAX_PAUSE))
        if self._adaptive.rate is not self._logged:
            self._log_change(now)
        self._free += 1
        if self._freed is not None and not self._freed.done():
            self._freed.set_result(None)

    def _log_change(self, now: float) -> None:
        """Log that a limit begins or ends, or that the rate has changed a lot."""
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
        place = {"region": self._region, "label": shown_text(self._label)}
        logger.info(message, extra={**place, "rate": new, "former_rate": old})

    def _count(self, now: float) -> None:
        """Count a success, and raise `proven` if more came within a second than before."""
        if now - self._counted_since > 1:
            self._counted_since, self._served = now, 0
        self._served += 1
        self.proven = max(self.proven, self._served)

    def _delay(self, now: float) -> float:
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
    """Rate limiter of the adaptive retry mode, which behaves like that of the AWS SDKs."""

    @staticmethod
    def _new_limit(now: float) -> Limit:
        return AdaptiveRate(now)
