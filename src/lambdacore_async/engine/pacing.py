"""When a request may be sent: the send rate that all calls of a client in a region share.

There is no limit until the service throttles for the first time. From then on requests leave one by
one, in the order in which they asked, at a rate that looks for the service's own limit.

A `SendRate` is the pure half: it learns from answers and says when the next request may leave. A
`Pace` is the other half: it makes callers wait for their turn.

How `ProbingRate` looks for the limit: what succeeded in the last second is the first guess, for a
burst allowance is usually worth about a second. From there it climbs fast until it meets the limit
again, and then follows CUBIC (RFC 9438): a small cut, a quick return to just under the rate at which
it was throttled, a plateau there, then a probe beyond. CUBIC's growth depends on time alone, so
that clients which share a limit drift to equal shares; its plateau leaves tokens in the service's
bucket that the probe then uses up, so that nearly nothing of the limit is wasted. A throttle counts
once for all requests that were sent before the cut that it caused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from math import floor
from typing import Final, Protocol

from lambdacore_async.engine.clock import Clock

_MIN_RATE: Final = 0.5
#: Seconds for which a service may ask not to be called at all.
_MAX_HOLD: Final = 20.0

# Of the probing rate:
_BETA: Final = 0.9
_SCALE: Final = 0.8
_FIRST_RATE: Final = 10.0
_SEARCH_STEP: Final = 0.3
_SEARCH_BACKOFF: Final = 0.5
_MAX_EXCESS: Final = 2.0
#: Seconds without a throttle after which the limit is forgotten.
_FORGET: Final = 60.0

# Of the adaptive retry mode of AWS SDKs:
_ADAPTIVE_BETA: Final = 0.7
_ADAPTIVE_SCALE: Final = 0.4
_SMOOTHING: Final = 0.8
_BUCKETS_PER_SECOND: Final = 2


class Outcome(Enum):
    """What the end of an attempt says about the send rate."""

    SUCCESS = auto()
    THROTTLED = auto()
    OTHER = auto()


class SendRate(Protocol):
    """Learns from answers, and says when the next request may leave. All times are in seconds."""

    @property
    def rate(self) -> float | None:
        """Requests a second; `None` while there is no limit."""
        ...

    def delay(self, now: float) -> float:
        """Seconds until the next request may leave; 0 if it may now."""
        ...

    def sent(self, now: float) -> None:
        """A request left."""
        ...

    def succeeded(self, now: float, in_flight: int) -> None:
        """The service did not throttle a request; so many were under way with it."""
        ...

    def throttled(self, sent: float, now: float) -> None:
        """The service throttled a request that was sent at that time."""
        ...


class ProbingRate:
    """Finds the service's limit from below and above, and stays close to it."""

    def __init__(self) -> None:
        self.rate: float | None = None
        self._next = 0.0
        self._cut = float("-inf")
        self._searching = False
        self._plateau = 0.0
        self._zero = 0.0
        self._goodput = _Goodput()

    def delay(self, now: float) -> float:
        """See `SendRate.delay`."""
        return 0.0 if self.rate is None else max(0.0, self._next - now)

    def sent(self, now: float) -> None:
        """See `SendRate.sent`."""
        if self.rate is not None:
            interval = 1 / self.rate
            # A timer that woke late costs no turn: the schedule stays.
            self._next = max(self._next, now - interval) + interval

    def succeeded(self, now: float, in_flight: int) -> None:
        """See `SendRate.succeeded`."""
        self._goodput.count(now)
        if self.rate is None:
            return
        if now - self._cut > _FORGET:
            self.rate = None
        elif self._searching:
            self.rate *= 1 + _SEARCH_STEP / max(1, in_flight)
        else:
            cubic = self._plateau + _SCALE * (now - self._cut - self._zero) ** 3
            # What nobody asks for proves nothing: the rate stays near what is sent.
            used = max(_MAX_EXCESS * self._goodput.rate(now), _FIRST_RATE)
            self.rate = max(_MIN_RATE, min(cubic, used))

    def throttled(self, sent: float, now: float) -> None:
        """See `SendRate.throttled`."""
        if sent <= self._cut:
            return
        goodput = self._goodput.rate(now)
        self._cut = now
        if self.rate is None:
            self.rate = max(_BETA * goodput, _FIRST_RATE)
            self._searching = True
            self._next = now
            return
        limit = self.rate
        if self._searching:
            limit = min(limit, max(goodput, _SEARCH_BACKOFF * limit))
            self._searching = False
        # Who had to give way before gives way a little more, to whoever else shares the limit.
        self._plateau = limit * (1 + _BETA) / 2 if limit < self._plateau else limit
        self.rate = max(_MIN_RATE, _BETA * limit)
        self._zero = (max(0.0, self._plateau - self.rate) / _SCALE) ** (1 / 3)


class _Goodput:
    """How many requests succeeded in the last second, nearly: this second's and the last one's."""

    def __init__(self) -> None:
        self._second = 0
        self._current = 0
        self._previous = 0

    def count(self, now: float) -> None:
        self._turn(now)
        self._current += 1

    def rate(self, now: float) -> float:
        self._turn(now)
        return self._current + self._previous * (1 - now % 1)

    def _turn(self, now: float) -> None:
        second = floor(now)
        if second != self._second:
            self._previous = self._current if second == self._second + 1 else 0
            self._second, self._current = second, 0


class AdaptiveRate:
    """The rate of AWS SDKs' adaptive retry mode, constant by constant.

    Source: https://smithy.io/2.0/guides/client-guidance/retries.html
    """

    def __init__(self, now: float) -> None:
        self.rate: float | None = None
        self._fill_rate = _MIN_RATE
        self._capacity = 0.0
        self._max_capacity = 1.0
        self._filled = now
        self._measured = 0.0
        self._count = 0
        self._bucket = float(floor(now))
        self._w_max = 0.0
        self._zero = 0.0
        self._last_throttle = now

    def delay(self, now: float) -> float:
        """See `SendRate.delay`."""
        if self.rate is None:
            return 0.0
        self._refill(now)
        return max(0.0, 1 - self._capacity) / self._fill_rate

    def sent(self, now: float) -> None:
        """See `SendRate.sent`."""
        if self.rate is not None:
            self._refill(now)
            self._capacity -= 1

    def succeeded(self, now: float, in_flight: int) -> None:
        """See `SendRate.succeeded`."""
        self._measure(now)
        elapsed = now - self._last_throttle - self._zero
        self._set_rate(_ADAPTIVE_SCALE * elapsed**3 + self._w_max, now)

    def throttled(self, sent: float, now: float) -> None:
        """See `SendRate.throttled`."""
        self._measure(now)
        self._w_max = self._measured if self.rate is None else min(self._measured, self._fill_rate)
        self._zero = (self._w_max * (1 - _ADAPTIVE_BETA) / _ADAPTIVE_SCALE) ** (1 / 3)
        self._last_throttle = now
        self.rate = self._fill_rate
        self._set_rate(_ADAPTIVE_BETA * self._w_max, now)

    def _measure(self, now: float) -> None:
        bucket = floor(now * _BUCKETS_PER_SECOND) / _BUCKETS_PER_SECOND
        self._count += 1
        if bucket > self._bucket:
            current = self._count / (bucket - self._bucket)
            self._measured = _SMOOTHING * current + (1 - _SMOOTHING) * self._measured
            self._count, self._bucket = 0, bucket

    def _set_rate(self, rate: float, now: float) -> None:
        self._refill(now)
        rate = min(rate, _MAX_EXCESS * self._measured)
        self._fill_rate = max(rate, _MIN_RATE)
        self._max_capacity = max(rate, 1.0)
        self._capacity = min(self._capacity, self._max_capacity)
        if self.rate is not None:
            self.rate = self._fill_rate

    def _refill(self, now: float) -> None:
        filled = self._capacity + (now - self._filled) * self._fill_rate
        self._capacity, self._filled = min(self._max_capacity, filled), now


class Pace:
    """Lets callers go one by one, in the order in which they came, as fast as the rate allows.

    Args:
        clock: tells the time, and sleeps until the next turn.
        max_in_flight: turns that may be out at once, at least 1.
    """

    def __init__(self, clock: Clock, *, max_in_flight: int = 100) -> None:
        self._clock = clock
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._waiters: deque[asyncio.Future[float]] = deque()
        self._timer: asyncio.Task[None] | None = None
        self._held_until = 0.0
        self._rate = self._make_rate()

    def _make_rate(self) -> SendRate:
        return ProbingRate()

    @property
    def rate(self) -> float | None:
        """Requests a second; `None` while there is no limit."""
        return self._rate.rate

    async def acquire(self) -> float:
        """Wait for a turn.

        Returns:
            A ticket to give back with `release`: the monotonic time of the turn.
        """
        now = self._clock.monotonic()
        if not self._waiters and self._in_flight < self._max_in_flight and not self._delay(now):
            return self._depart(now)
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._dispatch()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.remove(waiter)
            else:  # the turn came in the same moment; the next one has it
                self.release(waiter.result(), Outcome.OTHER)
            if not self._waiters:
                self._stop_timer()
            raise

    def release(
        self, ticket: float, outcome: Outcome, retry_after: float | None = None
    ) -> None:
        """Give a turn back when its attempt is over, and learn from it.

        Args:
            ticket: what `acquire` returned.
            outcome: what the attempt says about the rate.
            retry_after: seconds for which the service asked not to be called; 20 at most count.
        """
        now = self._clock.monotonic()
        self._in_flight -= 1
        if outcome is Outcome.THROTTLED:
            self._rate.throttled(ticket, now)
            if retry_after is not None:
                self._held_until = max(self._held_until, now + min(retry_after, _MAX_HOLD))
        elif outcome is Outcome.SUCCESS:
            self._rate.succeeded(now, self._in_flight + 1)
        if self._waiters:
            self._dispatch()

    def _delay(self, now: float) -> float:
        return max(self._rate.delay(now), self._held_until - now)

    def _depart(self, now: float) -> float:
        self._in_flight += 1
        self._rate.sent(now)
        return now

    def _dispatch(self) -> None:
        """Give a turn to all who may have one now, and see to it that the next gets one in time."""
        while self._waiters and self._in_flight < self._max_in_flight:
            now = self._clock.monotonic()
            delay = self._delay(now)
            if delay > 0:
                if self._timer is None:
                    self._timer = asyncio.create_task(self._dispatch_after(delay))
                return
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(self._depart(now))
        self._stop_timer()

    async def _dispatch_after(self, delay: float) -> None:
        await self._clock.sleep(delay)
        self._timer = None
        self._dispatch()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class AdaptivePace(Pace):
    """Paces as AWS SDKs' adaptive retry mode does."""

    def _make_rate(self) -> SendRate:
        return AdaptiveRate(self._clock.monotonic())
