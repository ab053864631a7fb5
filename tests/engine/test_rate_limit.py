"""The rate limiter: it converges on the service's limit, and loses no permit."""

from __future__ import annotations

import asyncio
import heapq
import importlib
import itertools
import logging
import math
import random
from collections.abc import Coroutine
from statistics import median
from typing import Any, Final

import pytest
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.rate_limit import (
    FIRST_IN_FLIGHT,
    AdaptiveRate,
    AdaptiveRateLimiter,
    MaxRate,
    Outcome,
    ProbingRate,
    RateLimiter,
    as_max_rate,
)
from lambdacore_async.errors import ParameterError
from support.clocks import FakeClock
from support.examples import examples
from support.leaks import cancel_at, other_tasks, settle
from support.vectors import load_cases

SUCCESS: Final = "success"
THROTTLED: Final = "throttled"
OTHER: Final = "other"
#: Requests per second after throttles at once and no success.
START: Final = 25.0


# A service in simulated time


@define
class Bucket:
    """Token bucket of the service: a rate, which may change once, and a burst."""

    rate: float
    burst: float
    change_at: float = math.inf
    change_to: float = 0
    tokens: float = field(init=False)
    filled: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self.tokens = self.burst

    def take(self, now: float) -> bool:
        if now >= self.change_at:
            self._fill(self.change_at)
            self.rate, self.change_at = self.change_to, math.inf
        self._fill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def _fill(self, now: float) -> None:
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now


@frozen
class Case:
    """Lookups against a limit, at most 64 concurrently in each client.

    Attributes:
        count: the number of lookups of each client.
        rate: the rate of the bucket; `math.inf` for no limit.
        burst: the size of the bucket.
        latency: the mean time of a response in seconds, of which each takes 0.61 to 1.39.
        clients: the number of clients, which start within 30 milliseconds.
        stray: the fraction of requests that are throttled at random.
        others: requests a second of other callers, which do not slow down.
    """

    count: int
    rate: float = math.inf
    burst: float = math.inf
    latency: float = 0.05
    clients: int = 1
    stray: float = 0
    others: float = 0
    change_at: float = math.inf
    change_to: float = 0

    @property
    def ideal(self) -> float:
        total, rate = self.count * self.clients, self.rate - self.others
        before = self.burst + rate * self.change_at
        if before >= total:
            return (total - self.burst) / rate
        return self.change_at + (total - before) / self.change_to


@define
class Client:
    """State of one simulated fan-out."""

    workers: int
    limit: ProbingRate = field(factory=ProbingRate)
    queued: int = 0
    in_flight: int = 0
    served: int = 0
    throttled: int = 0
    asleep: bool = False
    done_at: float = 0.0


@frozen
class Result:
    """Outcome of a simulation.

    Attributes:
        seconds: the time until the last client was done.
        efficiency: the ideal time divided by the actual time.
        throttled: the share of requests that were throttled.
        slowest: the time of the slowest client divided by the median time.
    """

    seconds: float
    efficiency: float
    throttled: float
    slowest: float


def simulate(case: Case, seed: int, first: int = FIRST_IN_FLIGHT) -> Result:
    """Simulate fan-outs that share a limit; timers are late by up to a millisecond.

    Args:
        case: the lookups and the limit.
        seed: the seed of the latencies, the lateness and the random throttles.
        first: the number of workers at the start. Every third response adds one.
    """
    chance = random.Random(seed)  # noqa: S311 - jitter, no secret
    bucket = Bucket(case.rate, case.burst, case.change_at, case.change_to)
    numbers = itertools.count()
    events: list[tuple[float, int, Client | None, float, bool | None]] = []
    now = 0.0

    def at(time: float, client: Client | None, sent: float = 0.0, ok: bool | None = None) -> None:
        heapq.heappush(events, (time, next(numbers), client, sent, ok))

    def pump(client: Client) -> None:
        while True:
            under_way = client.in_flight + client.queued
            todo = min(case.count - client.served, client.workers) - under_way
            client.queued += max(0, todo)
            if not client.queued:
                return
            delay = client.limit.delay(now)
            if delay > 0:
                if not client.asleep:
                    client.asleep = True
                    at(now + delay + 0.001 * chance.random(), client)
                return
            client.limit.take(now)
            client.queued -= 1
            client.in_flight += 1
            served = chance.random() >= case.stray and bucket.take(now)
            at(now + case.latency * chance.uniform(0.61, 1.39), client, now, served)

    fleet = [Client(min(first, 64)) for _ in range(case.clients)]
    for client in fleet:
        at(0.03 * chance.random(), client)
    if case.others:
        at(0.0, None)
    left = case.clients
    while left:
        now, _, sender, sent, ok = heapq.heappop(events)
        if sender is None:
            bucket.take(now)
            at(now + 1 / case.others, None)
            continue
        if ok is None:
            sender.asleep = False
        else:
            sender.in_flight -= 1
            sender.limit.learn(sent, now, SUCCESS if ok else THROTTLED)
            sender.served += ok
            sender.throttled += not ok
            sender.queued += not ok
            if ok and sender.served % 3 == 0:
                sender.workers = min(64, sender.workers + 1)
            if sender.served == case.count and not sender.done_at:
                sender.done_at = now
                left -= 1
        pump(sender)
    throttled = sum(client.throttled for client in fleet)
    return Result(
        now,
        0.0 if case.rate == math.inf else case.ideal / now,
        throttled / (throttled + case.count * case.clients),
        now / median(client.done_at for client in fleet),
    )


def simulations(case: Case, runs: int = 9, first: int = FIRST_IN_FLIGHT) -> list[Result]:
    return [simulate(case, seed, first) for seed in range(runs)]


LIMITS: Final = {
    "600 at 50/s, 1 ms": (Case(600, 50, 50, 0.001), 0.08),
    "600 at 50/s, 50 ms": (Case(600, 50, 50, 0.0575), 0.08),
    "600 at 50/s, 100 ms": (Case(600, 50, 50, 0.115), 0.08),
    "600 at 50/s, 200 ms": (Case(600, 50, 50, 0.23), 0.08),
    "1,000 at 100/s with a large burst": (Case(1000, 100, 200, 0.115), 0.08),
    "300 at 15/s": (Case(300, 15, 15, 0.0575), 0.1),
    "150 at 10/s": (Case(150, 10, 20, 0.115), 0.125),
    "300 at 5/s": (Case(300, 5, 5, 0.0575), 0.13),
    "2,000 at 200/s with a small burst": (Case(2000, 200, 20, 0.005), 0.08),
    "600 at 50/s, then half": (Case(600, 50, 50, 0.0575, change_at=5, change_to=25), 0.08),
    "600 at 50/s, then double": (Case(600, 50, 50, 0.0575, change_at=5, change_to=100), 0.08),
}


@pytest.mark.parametrize(("case", "throttled"), LIMITS.values(), ids=LIMITS)
def test_a_fan_out_uses_the_limit_and_is_rarely_throttled(case: Case, throttled: float) -> None:
    results = simulations(case, 15)
    assert median(result.efficiency for result in results) >= 0.97
    assert min(result.efficiency for result in results) >= 0.92
    assert median(result.throttled for result in results) <= throttled
    assert max(result.throttled for result in results) <= throttled + 0.03


@pytest.mark.parametrize("latency", [0.002, 0.02])
@pytest.mark.parametrize("bursts", [0.1, 1, 5])
@pytest.mark.parametrize("rate", [5, 15, 50, 150, 500])
def test_limits_of_any_rate_and_burst_are_found(rate: int, bursts: float, latency: float) -> None:
    burst = max(1, rate * bursts)
    count = int(burst + 12 * max(rate, 12))
    result = simulate(Case(count, rate, burst, latency), 1)
    assert result.efficiency >= (0.95 if burst > 5 else 0.75)
    throttles = count * result.throttled / (1 - result.throttled)
    # When the bucket is empty, 12 requests are under way, and one more for every third success.
    assert throttles <= 10 + min(64, 12 + burst / 3) + 0.09 * count


@pytest.mark.parametrize(("clients", "count"), [(2, 300), (4, 300), (8, 200)])
def test_clients_share_a_limit(clients: int, count: int) -> None:
    results = simulations(Case(count, 50, 50, 0.0575, clients=clients), 25)
    assert median(result.efficiency for result in results) >= 0.91
    assert median(result.slowest for result in results) <= 1.35
    # Every client sends a dozen requests before it learns of the others.
    assert median(result.throttled for result in results) <= (0.14 if clients == 8 else 0.1)


def test_a_limit_is_shared_with_callers_that_do_not_slow_down() -> None:
    results = simulations(Case(600, 50, 50, 0.0575, others=25))
    assert median(result.efficiency for result in results) >= 0.93
    assert median(result.throttled for result in results) <= 0.1


@pytest.mark.parametrize(("stray", "most"), [(0.002, 1.1), (0.02, 1.25)])
def test_random_throttles_are_no_limit(stray: float, most: float) -> None:
    usual = simulate(Case(2000, latency=0.023), 0, 64).seconds
    results = simulations(Case(2000, latency=0.023, stray=stray), first=64)
    assert median(result.seconds for result in results) <= most * usual


@pytest.mark.parametrize(("count", "latency", "most"), [(50, 0.1, 2.7), (2000, 0.05, 1.15)])
def test_the_first_run_of_a_client_is_fast_without_a_limit(
    count: int, latency: float, most: float
) -> None:
    case = Case(count, latency=latency)
    first = median(result.seconds for result in simulations(case))
    assert first <= most * median(result.seconds for result in simulations(case, first=64))


# The search for the limit


def throttled_limit(now: float = 0.0) -> ProbingRate:
    """Return a rate whose limit was noticed at once, and whose first request is sent."""
    limit = ProbingRate()
    for _ in range(4):
        limit.learn(now, now, THROTTLED)
    limit.take(now)
    return limit


def current(limit: ProbingRate) -> float:
    assert limit.rate is not None
    return limit.rate


def send_when_due(limit: ProbingRate, now: float, outcome: Outcome = SUCCESS) -> float:
    """Send when due, learn the outcome a millisecond later, and return that time."""
    now += max(0.0, limit.delay(now))
    limit.take(now)
    limit.learn(now, now + 0.001, outcome)
    return now + 0.001


def test_nothing_is_limited_before_the_first_throttle() -> None:
    limit = ProbingRate()
    for number in range(1000):
        limit.take(number / 1000)
        limit.learn(number / 1000, number / 1000, SUCCESS if number % 2 else OTHER)
    assert limit.rate is None
    assert limit.delay(1) == 0


def test_the_first_throttle_sets_the_start_rate() -> None:
    limit = throttled_limit(7.0)
    assert limit.rate == START
    assert limit.delay(7.0) == pytest.approx(1 / START)


def test_other_failures_do_not_change_the_rate() -> None:
    limit = throttled_limit()
    now = 0.0
    for _ in range(50):
        now = send_when_due(limit, now, OTHER)
    assert limit.rate == START


def test_throttles_of_requests_sent_before_a_cut_are_ignored() -> None:
    limit = throttled_limit(1.0)
    for _ in range(30):
        limit.learn(0.99, 1.01, THROTTLED)
    assert limit.rate == START


def test_successes_of_requests_sent_before_a_cut_are_ignored() -> None:
    limit = throttled_limit(1.0)
    for _ in range(30):
        limit.learn(0.99, 1.01, SUCCESS)
    assert limit.rate == START


def test_the_responses_since_the_last_cut_measure_the_limit() -> None:
    limit = throttled_limit()
    now = 0.0
    for _ in range(8):  # enough for the search to end at the next throttle
        now = send_when_due(limit, now)
    now = cut = send_when_due(limit, now, THROTTLED)
    # A third of the requests fail otherwise, which tells nothing.
    for number in range(60):
        now = send_when_due(limit, now, SUCCESS if number % 3 else OTHER)
    now = send_when_due(limit, now, THROTTLED)
    assert current(limit) == pytest.approx(0.95 * 40 / (now - cut))


def test_a_lone_throttle_is_no_limit() -> None:
    limit = ProbingRate()
    limit.learn(1.0, 1.1, THROTTLED)
    for number in range(8):
        assert limit.delay(1.15) > 0, "its neighbours decide first"
        limit.learn(1.0 + number / 100, 1.15, SUCCESS)
    assert limit.delay(1.15) == 0
    assert limit.rate is None


def test_successes_of_requests_sent_earlier_do_not_decide() -> None:
    limit = ProbingRate()
    limit.learn(1.0, 1.1, THROTTLED)
    for _ in range(20):
        limit.learn(0.99, 1.15, SUCCESS)
    assert limit.delay(1.15) > 0


def test_nothing_waits_longer_than_a_round_trip_for_a_decision() -> None:
    limit = ProbingRate()
    limit.learn(1.0, 1.1, THROTTLED)
    assert limit.delay(1.199) > 0
    assert limit.delay(1.2) == pytest.approx(0)


@pytest.mark.parametrize(("latency", "limited"), [(0.01, False), (0.25, True)])
def test_throttles_far_apart_are_no_limit(latency: float, *, limited: bool) -> None:
    limit = ProbingRate()
    for number in range(8):
        limit.learn(number / 2, number / 2 + latency, THROTTLED)
    assert (limit.rate is not None) == limited, "eight round trips are not far"


def test_the_successes_since_the_first_throttle_are_the_first_rate() -> None:
    limit = ProbingRate()
    sent = [number / 100 for number in range(30)]  # of which every fifth finds a token
    for time in sent:
        limit.learn(time, time + 0.2, THROTTLED if time % 0.05 else SUCCESS)
    assert current(limit) == pytest.approx(20, rel=0.3)


@pytest.mark.parametrize(
    ("first", "later", "seconds"),
    [(1.0, 1.0, 4.0), (1.0, 3.0, 5.0), (3.0, 0.5, 10.75), (0.0, 0.0, 0.2)],
)
def test_a_rate_takes_four_round_trips_to_grow_e_fold(
    first: float, later: float, seconds: float
) -> None:
    """The estimate starts with the first latency; each response moves it by an eighth."""
    limit = ProbingRate()
    for _ in range(4):
        limit.learn(0.0, first, THROTTLED)
    limit.rate = 100.0
    sent = 2 * first + 0.01
    for _ in range(3):
        limit.take(sent)
    limit.learn(sent, sent + later, SUCCESS)
    assert current(limit) == pytest.approx(100 + 1 / seconds)


def test_one_throttle_among_many_in_flight_does_not_cut_the_rate() -> None:
    limit = throttled_limit()
    limit.rate = 1000.0
    limit._latency = 0.1
    limit._since = 0.0
    limit.learn(1.0, 1.1, THROTTLED)
    assert limit.rate == 1000
    limit.learn(1.01, 1.11, THROTTLED)
    assert limit.rate < 1000


def test_many_throttles_leave_a_minimum_rate() -> None:
    limit = throttled_limit()
    now = 0.0
    for _ in range(100):
        now = send_when_due(limit, now, THROTTLED)
    assert limit.rate == 0.5


@given(demand=st.floats(0.2, 300), latency=st.floats(0.001, 0.2))
def test_successes_below_the_rate_do_not_raise_it(demand: float, latency: float) -> None:
    limit = throttled_limit()
    now, answers = 0.1, list[float]()
    for _ in range(400):
        now += max(1 / demand, limit.delay(now))
        while answers and answers[0] + latency <= now:
            sent = answers.pop(0)
            limit.learn(sent, sent + latency, SUCCESS)
        limit.take(now)
        answers.append(now)
    assert limit.rate is None or limit.rate <= max(START, 2 * demand * (1 + 1e-9))


def test_without_throttles_the_limit_ends_only_when_permits_are_left_unused() -> None:
    limit = throttled_limit()
    now = 0.0
    while now < 30:
        now = send_when_due(limit, now)
    found = current(limit)
    assert found > START
    limit.take(now + 29)
    assert limit.rate == found
    limit.take(now + 40)
    assert limit.rate is None
    assert limit.delay(now + 40) == 0


def test_demand_below_the_rate_does_not_wait() -> None:
    limit = throttled_limit()
    for number in range(1, 100):
        assert limit.delay(number / 20) <= 0
        limit.take(number / 20)


def test_a_throttle_during_low_demand_does_not_measure_the_limit() -> None:
    limit = throttled_limit()
    for number in range(1, 20):
        limit.take(number)
        limit.learn(number, number + 0.01, SUCCESS)
    before = current(limit)
    limit.take(20)
    limit.learn(20, 20.01, THROTTLED)
    assert before > current(limit) >= 0.5 * before


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3),
            st.floats(0, 0.3),
            st.sampled_from([SUCCESS, SUCCESS, THROTTLED, OTHER]),
        ),
        max_size=200,
    )
)
def test_the_rate_changes_in_bounded_steps(
    history: list[tuple[float, float, Outcome]],
) -> None:
    limit = ProbingRate()
    now = 0.0
    for gap, latency, outcome in history:
        now += max(gap, limit.delay(now))
        limit.take(now)
        before = limit.rate
        limit.learn(now, now + latency, outcome)
        now += latency
        after = limit.rate
        if outcome is OTHER:
            assert after == before
        elif before is None:
            assert after is None or (outcome is THROTTLED and after >= 0.5)
        elif outcome is SUCCESS:
            assert after is not None
            assert before <= after <= 1.25 * before
        else:
            assert after is not None
            assert 0.5 <= after <= max(before, 0.5)
        assert limit.delay(now) <= 1 / 0.5 + latency + 1e-9


# Permits


#: More wake-ups than any test needs; with a wrong limit, callers may sleep forever.
_MAX_WAKES: Final = 20_000


class VirtualClock(Clock):
    """A clock that jumps to the end of the next sleep when nothing else can run."""

    def __init__(self) -> None:
        self.time = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._numbers), future))
        await future

    @property
    def sleepers(self) -> int:
        return sum(not future.done() for _, _, future in self._sleepers)

    def wake_next(self) -> None:
        """Jump to the end of the next sleep, and wake its task."""
        while self._sleepers:
            time, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                self.time = max(self.time, time)
                future.set_result(None)
                return

    async def run(self, main: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine to its end."""
        task = asyncio.create_task(main)
        for _ in range(_MAX_WAKES):
            await settle()
            if task.done():
                break
            assert self.sleepers, "no task will ever wake"
            self.wake_next()
        assert task.done(), "it sleeps forever"
        await task


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def throttle(rate_limiter: RateLimiter, permit: float, retry_after: float | None = None) -> None:
    """Release a permit, and some more as long as they are granted, so that there is a limit."""
    rate_limiter.release(permit, THROTTLED, retry_after)
    for outcome in (THROTTLED, THROTTLED, THROTTLED, OTHER):
        further = rate_limiter.acquire_nowait()
        if further is not None:
            rate_limiter.release(further, outcome)


async def soon(*tasks: asyncio.Task[float]) -> list[float]:
    """Return the results of tasks that end without any passing of time."""
    await settle()
    waiting = [task for task in tasks if not task.done()]
    for task in waiting:
        task.cancel()
    assert not waiting, "no task will ever wake them"
    return [task.result() for task in tasks]


def finish_at_once(coroutine: Coroutine[Any, Any, float]) -> float:
    """Return the result of a coroutine that does not suspend."""
    with pytest.raises(StopIteration) as stopped:
        coroutine.send(None)
    permit: float = stopped.value.value
    return permit


def test_without_a_limit_a_permit_is_granted_without_suspending(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    clock.time = 3.5
    assert finish_at_once(rate_limiter.acquire()) == 3.5
    assert rate_limiter.rate is None


def test_with_a_limit_a_due_permit_is_granted_without_suspending(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    clock.time = 1.0
    assert finish_at_once(rate_limiter.acquire()) == 1.0
    assert rate_limiter.rate == START


async def test_no_more_permits_are_held_than_allowed(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=2)
    permits = [finish_at_once(rate_limiter.acquire()) for _ in range(2)]
    third, fourth = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await settle()
    assert not third.done()
    rate_limiter.release(permits[0], SUCCESS)
    await settle()
    assert third.done()
    assert not fourth.done()
    rate_limiter.release(permits[1], OTHER)
    rate_limiter.release((await soon(third))[0], OTHER)
    await soon(fourth)


async def test_permits_are_granted_in_order(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=3)
    order: list[int] = []

    async def call(number: int) -> None:
        permit = await rate_limiter.acquire()
        order.append(number)
        await clock.sleep(0.01)
        rate_limiter.release(permit, THROTTLED if number == 5 else SUCCESS)

    async def main() -> None:
        await asyncio.gather(*(call(number) for number in range(40)))

    await clock.run(main())
    assert order == list(range(40))


async def test_a_later_caller_does_not_overtake_a_waiting_one(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=1)
    permit = finish_at_once(rate_limiter.acquire())
    early = asyncio.create_task(rate_limiter.acquire())
    await settle()
    rate_limiter.release(permit, SUCCESS)  # wakes `early`, which has not run yet
    assert rate_limiter.acquire_nowait() is None
    late = asyncio.create_task(rate_limiter.acquire())
    await settle()
    assert early.done()
    assert not late.done()
    rate_limiter.release(early.result(), SUCCESS)
    await soon(late)


async def test_permits_are_granted_at_once_again_when_no_caller_waits(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=1)
    permit = finish_at_once(rate_limiter.acquire())
    waiting, cancelled = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await settle()
    cancelled.cancel()
    rate_limiter.release(permit, SUCCESS)
    rate_limiter.release((await soon(waiting))[0], SUCCESS)
    assert rate_limiter.acquire_nowait() is not None


async def test_permits_are_spaced_after_a_throttle(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    times: list[float] = []

    async def main() -> None:
        for _ in range(5):
            times.append(await rate_limiter.acquire())
            rate_limiter.release(times[-1], OTHER)

    await clock.run(main())
    assert times == pytest.approx([number / START for number in range(1, 6)])


@pytest.mark.parametrize(
    ("hint", "seconds"),
    [(3.0, 3.0), (600.0, 20.0), (0.0, 1 / START), (-5.0, 1 / START), (math.nan, 1 / START)],
)
async def test_no_permit_is_granted_during_the_servers_pause(
    clock: VirtualClock, hint: float, seconds: float
) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()), hint)
    times: list[float] = []

    async def call() -> None:
        times.append(await rate_limiter.acquire())

    async def main() -> None:
        await asyncio.gather(call(), call())

    await clock.run(main())
    assert times[0] == pytest.approx(seconds)
    assert times[1] >= times[0]


async def test_a_shorter_later_hint_does_not_end_the_pause(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    first, second = finish_at_once(rate_limiter.acquire()), finish_at_once(rate_limiter.acquire())
    throttle(rate_limiter, first, 5)
    throttle(rate_limiter, second, 1)

    async def main() -> None:
        assert await rate_limiter.acquire() == 5

    await clock.run(main())


async def test_a_hint_applies_only_to_a_throttle(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    rate_limiter.release(finish_at_once(rate_limiter.acquire()), OTHER, 10)
    assert finish_at_once(rate_limiter.acquire()) == 0


async def test_a_hint_applies_to_callers_that_already_sleep(
    clock: VirtualClock,
) -> None:
    rate_limiter = RateLimiter(clock)
    first, second = finish_at_once(rate_limiter.acquire()), finish_at_once(rate_limiter.acquire())
    throttle(rate_limiter, first)
    waiter = asyncio.create_task(rate_limiter.acquire())
    await settle()
    throttle(rate_limiter, second, 2)

    async def main() -> None:
        assert await waiter == 2

    await clock.run(main())


async def test_the_rate_limiter_has_no_tasks(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    waiters = {asyncio.create_task(rate_limiter.acquire()) for _ in range(3)}
    await settle()
    assert other_tasks() == waiters
    assert clock.sleepers == 1
    for waiter in waiters:
        waiter.cancel()
    await settle()
    assert not other_tasks()
    assert clock.sleepers == 0


async def can_all_be_taken(rate_limiter: RateLimiter, clock: VirtualClock, count: int) -> bool:
    """Return whether exactly this many permits can be held at the same time."""
    clock.time += 100
    permits: list[float] = []

    async def main() -> None:
        for _ in range(count):
            permits.append(await rate_limiter.acquire())

    await clock.run(main())
    extra = asyncio.create_task(rate_limiter.acquire())
    await settle()
    clock.wake_next()
    await settle()
    full = not extra.done()
    extra.cancel()
    await settle()
    return full and not other_tasks()


@pytest.mark.parametrize("step", range(3))
async def test_cancelling_a_caller_that_waits_for_a_slot_loses_nothing(
    clock: VirtualClock, step: int
) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=1)
    permit = finish_at_once(rate_limiter.acquire())
    ahead = [asyncio.create_task(rate_limiter.acquire()) for _ in range(step)]
    await settle()
    assert await cancel_at(0, rate_limiter.acquire())
    for task in ahead:
        rate_limiter.release(permit, SUCCESS)
        (permit,) = await soon(task)
    rate_limiter.release(permit, SUCCESS)
    assert await can_all_be_taken(rate_limiter, clock, 1)


async def test_cancelling_a_sleeping_caller_passes_its_permit_on(
    clock: VirtualClock,
) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    first, second = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert not second.done()
    clock.wake_next()
    assert await soon(second) == [pytest.approx(1 / START)]


async def test_cancelling_a_caller_as_its_permit_is_due_passes_it_on(
    clock: VirtualClock,
) -> None:
    rate_limiter = RateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    first, second = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await settle()
    clock.wake_next()
    first.cancel()  # in the same iteration of the loop
    assert await soon(second) == [pytest.approx(1 / START)]
    assert first.cancelled()


async def test_cancelling_a_caller_as_a_slot_is_freed_passes_it_on(
    clock: VirtualClock,
) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=1)
    permit = finish_at_once(rate_limiter.acquire())
    first, second = (asyncio.create_task(rate_limiter.acquire()) for _ in range(2))
    await settle()
    rate_limiter.release(permit, SUCCESS)
    first.cancel()
    rate_limiter.release((await soon(second))[0], SUCCESS)
    assert first.cancelled()
    assert await can_all_be_taken(rate_limiter, clock, 1)


async def test_slots_that_are_freed_together_are_all_granted(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=2)
    permits = [finish_at_once(rate_limiter.acquire()) for _ in range(2)]
    waiters = [asyncio.create_task(rate_limiter.acquire()) for _ in range(2)]
    await settle()
    for permit in permits:
        rate_limiter.release(permit, SUCCESS)
    await soon(*waiters)


@settings(max_examples=examples(0.6))
@given(
    actions=st.lists(
        st.tuples(st.sampled_from("aaarrtcw"), st.integers(0, 9), st.booleans()), max_size=40
    ),
    kind=st.sampled_from([RateLimiter, AdaptiveRateLimiter]),
)
def test_cancellations_lose_no_permit(
    actions: list[tuple[str, int, bool]], kind: type[RateLimiter]
) -> None:
    """Acquire, release, throttle, cancel and advance the clock in any order."""

    async def main() -> None:
        clock = VirtualClock()
        rate_limiter = kind(clock, max_in_flight=3)
        asked: list[asyncio.Task[float]] = []
        for action, index, pause in actions:
            # Tasks that are done and were not cancelled hold a permit.
            out = [task for task in asked if task.done() and not task.cancelled()]
            assert len(out) <= 3
            waiting = [task for task in asked if not task.done()]
            if action == "a":
                asked.append(asyncio.create_task(rate_limiter.acquire()))
            elif action == "w":
                clock.wake_next()
            elif action == "c" and waiting:
                waiting[index % len(waiting)].cancel()
            elif action in "rt" and out:
                task = out[index % len(out)]
                asked.remove(task)
                rate_limiter.release(task.result(), SUCCESS if action == "r" else THROTTLED)
            if pause:
                await settle()
        await settle()
        for task in asked:
            if not task.done():
                task.cancel()
        await settle()
        for task in asked:
            if not task.cancelled():
                rate_limiter.release(task.result(), OTHER)
        assert await can_all_be_taken(rate_limiter, clock, 3)

    asyncio.run(main())


def test_what_the_service_has_proved_to_take_is_remembered(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=40)

    def served(count: int, outcome: Outcome = SUCCESS) -> int:
        for _ in range(count):
            rate_limiter.release(finish_at_once(rate_limiter.acquire()), outcome)
        return rate_limiter.proven

    assert served(10) == 12
    assert served(30, OTHER) == 12
    clock.time = 0.9
    assert served(20) == 30
    clock.time = 2.0
    assert served(29) == 30
    assert served(2) == 31
    assert served(20) == 40, "no more can be in flight"
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    assert rate_limiter.proven == 12


def test_a_lone_throttle_does_not_change_what_is_proved(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock)
    permits = [finish_at_once(rate_limiter.acquire()) for _ in range(30)]
    rate_limiter.release(permits.pop(), THROTTLED)
    for permit in permits:
        rate_limiter.release(permit, SUCCESS)
    assert rate_limiter.proven == 29


async def fan_out(
    rate_limiter: RateLimiter, clock: VirtualClock, bucket: Bucket, count: int
) -> int:
    """Make `count` requests, eight at once; return how often they were throttled."""
    todo = iter(range(count))
    throttled = 0

    async def work() -> None:
        nonlocal throttled
        for _ in todo:
            while True:
                permit = await rate_limiter.acquire()
                await clock.sleep(0.002)
                ok = bucket.take(clock.monotonic())
                await clock.sleep(0.002)
                rate_limiter.release(permit, SUCCESS if ok else THROTTLED)
                if ok:
                    break
                throttled += 1

    await asyncio.gather(*(work() for _ in range(8)))
    return throttled


async def test_a_fan_out_through_the_rate_limiter_uses_the_limit(clock: VirtualClock) -> None:
    async def main() -> None:
        throttled = await fan_out(RateLimiter(clock), clock, Bucket(50, 50), 300)
        assert throttled <= 0.08 * 300

    await clock.run(main())
    assert (300 - 50) / 50 / clock.time >= 0.97


# The adaptive mode of AWS SDKs


async def test_the_adaptive_rate_limiter_outlasts_throttles(clock: VirtualClock) -> None:
    async def main() -> None:
        await fan_out(AdaptiveRateLimiter(clock), clock, Bucket(20, 5), 60)

    await clock.run(main())
    assert clock.time < 60


async def test_the_adaptive_rate_limiter_waits_for_a_token(clock: VirtualClock) -> None:
    rate_limiter = AdaptiveRateLimiter(clock)
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    assert rate_limiter.rate == 0.5

    async def main() -> None:
        assert await rate_limiter.acquire() == pytest.approx(2)
        assert await rate_limiter.acquire() == pytest.approx(4)

    await clock.run(main())


class BoundedClock(FakeClock):
    """A clock that allows only as many sleeps as a test needs."""

    async def sleep(self, seconds: float) -> None:
        assert len(self.sleeps) < 200, "it sleeps forever"
        await super().sleep(seconds)


async def test_rate_limiters_work_on_a_clock_that_sleeps_exactly() -> None:
    clock = BoundedClock()
    clock.advance(1e6)
    for rate_limiter in (RateLimiter(clock), AdaptiveRateLimiter(clock)):
        throttle(rate_limiter, await rate_limiter.acquire())
        for _ in range(50):
            rate_limiter.release(await rate_limiter.acquire(), SUCCESS)


def _table(name: str) -> dict[str, Any]:
    table: Any = load_cases("retry-adaptive.json", name)
    return dict[str, Any](table)


def test_the_adaptive_curve_is_the_published_one() -> None:
    limit = AdaptiveRate(0)
    limit._max_rate, limit._throttled_at = 10, 5
    for case in _table("cubic")["success"]:
        assert limit._curve(case["timestamp"]) == pytest.approx(case["rate"], abs=1e-6)


def test_the_adaptive_rate_follows_the_published_table() -> None:
    limit = AdaptiveRate(0)
    for step in _table("client_rate")["steps"]:
        now = step["timestamp"]
        limit.learn(now, now, THROTTLED if step["throttle"] else SUCCESS)
        assert limit.measured == pytest.approx(step["measured_tx_rate"], abs=1e-6)
        assert limit.fill_rate == pytest.approx(step["fill_rate"], abs=1e-6)


def test_other_failures_do_not_change_the_adaptive_rate() -> None:
    limit = AdaptiveRate(0)
    limit.learn(3, 3, OTHER)
    assert (limit.rate, limit.measured, limit.fill_rate) == (None, 0, 1)


_adaptive: Any = importlib.import_module("botocore.retries.adaptive")
_bucket: Any = importlib.import_module("botocore.retries.bucket")
_throttling: Any = importlib.import_module("botocore.retries.throttling")
_exceptions: Any = importlib.import_module("botocore.exceptions")


class SdkTime:
    """A clock for botocore, which tests set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def current_time(self) -> float:
        return self.now


class SdkDetector:
    """Tells botocore whether a response is a throttle."""

    def is_throttling_error(self, *, throttled: bool) -> bool:
        return throttled


@given(
    start=st.floats(0, 1e6),
    history=st.lists(
        st.tuples(st.floats(0, 4), st.sampled_from(["send", "success", "success", "throttle"])),
        max_size=100,
    ),
)
def test_the_adaptive_rate_is_that_of_botocore(
    start: float, history: list[tuple[float, str]]
) -> None:
    time = SdkTime(start)
    tokens = _bucket.TokenBucket(max_rate=1, clock=time)
    sdk = _adaptive.ClientRateLimiter(
        rate_adjustor=_throttling.CubicCalculator(starting_max_rate=0, start_time=start),
        rate_clocker=_adaptive.RateClocker(time),
        token_bucket=tokens,
        throttling_detector=SdkDetector(),
        clock=time,
    )
    limit = AdaptiveRate(start)
    for gap, action in history:
        time.now += gap
        if action != "send":
            outcome: Outcome = THROTTLED if action == "throttle" else SUCCESS
            sdk.on_receiving_response(throttled=outcome == THROTTLED)
            limit.learn(time.now, time.now, outcome)
            assert limit.fill_rate == pytest.approx(tokens.max_rate)
            assert (limit.rate is not None) == sdk._enabled
            continue
        due = limit.delay(time.now) <= 0
        if due:
            limit.take(time.now)
        if not sdk._enabled:
            assert due
            continue
        try:
            tokens.acquire(block=False)
        except _exceptions.CapacityNotAvailableError:
            # A token may be missing by a rounding error only.
            assert not due or tokens.available_capacity == pytest.approx(1)
            if due:
                tokens._current_capacity -= 1
        else:
            assert due
        assert limit._tokens == pytest.approx(tokens.available_capacity, abs=1e-6)


@given(
    rate=st.floats(0.5, 500),
    gaps=st.lists(st.sampled_from([0.0, 0.001, 0.03, 0.2, 3.0]), min_size=1, max_size=200),
)
def test_a_maximum_rate_holds_in_every_interval_from_the_first_request_on(
    rate: float, gaps: list[float]
) -> None:
    clock = FakeClock()
    rate_limiter = RateLimiter(clock, max_in_flight=1000, max_rate=MaxRate(rate))
    sent: list[float] = []
    for gap in gaps:
        clock.advance(gap)
        while (permit := rate_limiter.acquire_nowait()) is not None:
            sent.append(permit)
            rate_limiter.release(permit, SUCCESS)
    for first, last in itertools.combinations(range(len(sent)), 2):
        assert last - first <= rate * (sent[last] - sent[first] + 0.1) + 1e-3


@pytest.mark.parametrize("kind", [RateLimiter, AdaptiveRateLimiter])
async def test_a_maximum_rate_is_used_up_and_held(
    clock: VirtualClock, kind: type[RateLimiter]
) -> None:
    rate_limiter = kind(clock, max_rate=MaxRate(10))
    times: list[float] = []

    async def main() -> None:
        for _ in range(101):
            times.append(await rate_limiter.acquire())
            rate_limiter.release(times[-1], SUCCESS)

    await clock.run(main())
    assert times[-1] - times[0] == pytest.approx(9.9)
    assert (rate_limiter.rate, rate_limiter.requests, rate_limiter.throttles) == (None, 101, 0)


async def test_the_slower_of_the_learnt_and_the_maximum_rate_holds(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_rate=MaxRate(1000))
    throttle(rate_limiter, finish_at_once(rate_limiter.acquire()))
    assert rate_limiter.acquire_nowait() is None
    assert rate_limiter.rate is not None
    clock.time += 1 / rate_limiter.rate
    assert rate_limiter.acquire_nowait() is not None
    assert rate_limiter.throttles == 4


async def test_two_limiters_share_a_maximum_rate(clock: VirtualClock) -> None:
    maximum = MaxRate(1)
    one, other = RateLimiter(clock, max_rate=maximum), RateLimiter(clock, max_rate=maximum)
    assert one.acquire_nowait() is not None
    assert other.acquire_nowait() is None


async def test_a_limiter_tells_what_it_does(clock: VirtualClock) -> None:
    rate_limiter = RateLimiter(clock, max_in_flight=2)
    permit = finish_at_once(rate_limiter.acquire())
    finish_at_once(rate_limiter.acquire())
    waiting = asyncio.create_task(rate_limiter.acquire())
    await settle()
    assert (rate_limiter.in_flight, rate_limiter.waiting, rate_limiter.pause) == (2, 1, 0)
    rate_limiter.release(permit, THROTTLED, 8.0)
    assert (rate_limiter.in_flight, rate_limiter.pause) == (1, 8.0)
    waiting.cancel()
    await settle()
    assert (rate_limiter.waiting, rate_limiter.requests) == (0, 1)


class SetRate(ProbingRate):
    """A rate that a test sets."""

    def learn(self, sent: float, now: float, outcome: Outcome) -> None:
        """Learn nothing."""


async def test_a_rate_that_begins_or_changes_much_or_ends_is_logged(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    adaptive = SetRate()

    def new_limit(_: float) -> ProbingRate:
        return adaptive

    monkeypatch.setattr(RateLimiter, "_new_limit", staticmethod(new_limit))
    rate_limiter = RateLimiter(clock, region="eu-west-1")
    caplog.set_level(logging.INFO, logger="lambdacore_async")
    for seconds, rate in [
        (0, None),
        (0, 20.0),
        (20, 30.0),  # a small change
        (20, 50.0),
        (1, 10.0),  # soon after the last
        (10, 10.0),
        (10, None),
    ]:
        clock.time += seconds
        adaptive.rate = rate
        rate_limiter.release(clock.time, SUCCESS)
    assert [
        (record.levelname, *(record.__dict__[key] for key in ("region", "former_rate", "rate")))
        for record in caplog.records
    ] == [
        ("INFO", "eu-west-1", None, 20.0),
        ("INFO", "eu-west-1", 20.0, 50.0),
        ("INFO", "eu-west-1", 50.0, 10.0),
        ("INFO", "eu-west-1", 10.0, None),
    ]


@pytest.mark.parametrize("rate", [0, -1, math.inf, math.nan, 10**400, "10", True, [1]])
def test_a_maximum_rate_is_a_finite_number_above_0(rate: object) -> None:
    with pytest.raises(ParameterError, match="^max_rate: ") as raised:
        as_max_rate(rate)
    assert raised.value.parameter == "max_rate"


def test_a_maximum_rate_is_optional_and_any_number() -> None:
    assert as_max_rate(None) is None
    assert as_max_rate(3) == 3.0
