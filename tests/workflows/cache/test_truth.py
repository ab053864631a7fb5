"""The cache against a service that changes and fails: no answer is older than its bound."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from itertools import pairwise, product
from typing import Any, Final, TypeVar

from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lambdacore_async import (
    ApiError,
    LambdaCoreError,
    NetworkConnector,
    ResourceNotFoundException,
    TransportError,
)
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.caching import ROLE, VPC, is_get, process
from support.examples import examples
from support.leaks import other_tasks, settle
from support.simulation import World

Result = TypeVar("Result")


class Truth:
    """What the service showed under each name, second by second."""

    def __init__(self, here: World) -> None:
        self._here = here
        self._seen: dict[str, list[tuple[float, tuple[object, ...] | None]]] = {}

    @staticmethod
    def shown(connector: NetworkConnector) -> tuple[object, ...]:
        """Return what a listing shows of a connector, and what changes with it."""
        return connector.id, connector.state, connector.configuration, connector.version

    def note(self, names: tuple[str, ...]) -> None:
        now = self._here.clock.monotonic()
        for name in names:
            try:
                shown = self.shown(self._here.state.get_network_connector(name))
            except ResourceNotFoundException:
                shown = None
            seen = self._seen.setdefault(name, [])
            if not seen or seen[-1][1] != shown:
                seen.append((now, shown))

    def allows(self, name: str, connector: NetworkConnector | None, age: float) -> bool:
        """Return whether the service showed this within these seconds."""
        now = self._here.clock.monotonic()
        shown = None if connector is None else self.shown(connector)
        seen = [*self._seen[name], (now, None)]
        return any(each[1] == shown and later[0] >= now - age for each, later in pairwise(seen))


NAMES: Final = ("a", "b", "c")
AGE: Final = 10.0
STALE: Final = 30.0
#: Between two notes of the truth, a state may change.
STEP: Final = 1.0
#: The error of the clocks of processes, in seconds; less than what the service refuses.
ERRORS: Final = (0, -100, 100)


class Lossy:
    """A transport that loses reads, and whose listings leave out connectors."""

    def __init__(self, inner: Transport) -> None:
        self.hidden: set[str] = set()
        self.lost = 0
        self.down = self.gets_down = self.closed = False
        self._inner = inner

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        if self.closed:
            raise RuntimeError("the client is closed")
        if self.down or self.lost > 0 or (self.gets_down and is_get(request)):
            self.lost -= 1
            raise TransportError("lost")
        response = await self._inner.send(endpoint, request, timeout)
        if request.method != "GET" or is_get(request) or response.status != 200:
            return response
        body = json.loads(response.body)
        members = body["NetworkConnectors"]
        body["NetworkConnectors"] = [each for each in members if each["Name"] not in self.hidden]
        return evolve(response, body=json.dumps(body).encode())

    async def close(self) -> None:
        self.closed = True


class CacheMachine(RuleBasedStateMachine):
    """Other callers change connectors while the service and this process fail; caches answer."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.here = World(provisioning_seconds=7, update_seconds=3, deletion_seconds=4)
        self.truth = Truth(self.here)
        self.wire = Lossy(self.here.transport)
        self.ours: dict[str, float] = dict.fromkeys(NAMES, -1000000000.0)
        #: What the clocks take from the ages of a snapshot, until a listing replaces them.
        self.understated = 0.0
        for name in NAMES[:2]:
            self.here.state.put_network_connector(name, configuration=VPC)
        self.truth.note(NAMES)
        self.start(0)

    def start(self, error: float) -> None:
        """Start a process with caches of different ages."""
        self.wire.closed = False
        self.error = error
        self.client = process(self.here, error, transport=self.wire)
        self.caches = [
            self.client.cached_network_connectors(AGE),
            self.client.cached_network_connectors(AGE * 2, STALE),
            self.client.cached_network_connectors(AGE * 5),
        ]
        for cache in self.caches:
            self.run(cache.__aenter__())

    def stop(self) -> None:
        """Leave all caches, and find nothing of them."""

        async def leave() -> None:
            for cache in self.caches:
                await cache.__aexit__(None, None, None)
            await settle()
            assert not other_tasks()

        self.run(leave())
        assert self.here.clock.busy == 0
        assert not self.client._core.shared.on_write

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        async def run_in_task() -> Result:
            return await work

        return self.loop.run_until_complete(run_in_task())

    @rule(name=st.sampled_from(NAMES), action=st.sampled_from(["create", "update", "delete"]),
          subnet=st.sampled_from(["subnet-a", "subnet-b", "subnet-c"]))  # fmt: skip
    def other_caller(self, name: str, action: str, subnet: str) -> None:
        state, vpc = self.here.state, evolve(VPC, subnet_ids=(subnet,))
        try:
            if action == "create":
                state.create_network_connector(name, vpc, operator_role=ROLE)
            elif action == "update":
                state.update_network_connector(name, configuration=vpc)
            else:
                state.delete_network_connector(name)
        except ApiError:
            pass
        self.truth.note(NAMES)

    @rule(name=st.sampled_from(NAMES), deletes=st.booleans())
    def this_client(self, name: str, deletes: bool) -> None:
        async def write() -> None:
            vpc = evolve(VPC, subnet_ids=("subnet-ours",))
            try:
                if deletes:
                    await self.client.delete_network_connector(name)
                else:
                    await self.client.update_network_connector(name, configuration=vpc)
            except (LambdaCoreError, RuntimeError):
                pass
            self.ours[name] = self.here.clock.monotonic()

        self.run(write())
        self.truth.note(NAMES)

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.run(self.here.clock.sleep(STEP))
            self.truth.note(NAMES)

    @rule(lost=st.integers(1, 4))
    def requests_are_lost(self, lost: int) -> None:
        self.wire.lost = lost

    @rule(down=st.booleans(), gets_down=st.booleans())
    def outage(self, down: bool, gets_down: bool) -> None:
        self.wire.down, self.wire.gets_down = down and not gets_down, gets_down

    @rule(hidden=st.sets(st.sampled_from(NAMES)))
    def listings_leave_out(self, hidden: set[str]) -> None:
        self.wire.hidden = hidden

    @rule(rate=st.sampled_from([None, 1.0, 5.0]))
    def throttle(self, rate: float | None) -> None:
        self.here.faults.limit_rate(rate, burst=None if rate is None else 1)

    @rule(seconds=st.integers(0, 60))
    def the_client_is_closed(self, seconds: int) -> None:
        self.run(self.client.close())
        self.time_passes(seconds)
        for which, name in product(range(3), NAMES):
            self.get(name, which)
        self.run(self.check_answers())
        self.stop()
        self.start(self.error)

    @rule(error=st.sampled_from(ERRORS), seconds=st.integers(0, 15))
    def the_process_restarts_from_a_snapshot(self, error: int, seconds: int) -> None:
        snapshot, before = self.caches[0].save(), self.error
        self.stop()
        self.time_passes(seconds)
        self.start(error)
        self.understated = self.understated + max(before - error, 0)

        async def load() -> None:
            self.caches[0].load(snapshot)

        self.run(load())

    @rule(which=st.integers(0, 2))
    def a_cache_is_left_and_entered(self, which: int) -> None:
        async def reenter() -> None:
            await self.caches[which].__aexit__(None, None, None)
            await self.caches[which].__aenter__()

        self.run(reenter())

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, 2), turns=st.integers(0, 12))
    def a_caller_is_cancelled(self, name: str, which: int, turns: int) -> None:
        async def ask() -> None:
            asking = asyncio.create_task(self.caches[which].read(name))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

        self.run(ask())

    @rule(name=st.sampled_from(NAMES), which=st.integers(0, 2))
    def a_caller_asks(self, name: str, which: int) -> None:
        self.get(name, which)

    def get(self, name: str, which: int) -> None:
        cache = self.caches[which]

        async def ask() -> tuple[NetworkConnector | None, float, float]:
            asked = self.here.clock.monotonic()
            asking = asyncio.create_task(cache.read(name))
            while not asking.done():
                sleeping = asyncio.create_task(self.here.clock.sleep(STEP))
                await asyncio.wait([asking, sleeping], return_when=asyncio.FIRST_COMPLETED)
                sleeping.cancel()
                await asyncio.gather(sleeping, return_exceptions=True)
                self.truth.note(NAMES)
            took = self.here.clock.monotonic() - asked
            try:
                answer = asking.result()
            except ResourceNotFoundException:
                return None, 5.0, took
            assert answer.is_stale == (answer.age > cache.max_age)
            return answer.connector, answer.age, took

        try:
            connector, age, took = self.run(ask())
        except (TransportError, ApiError):
            return
        except RuntimeError:
            assert self.wire.closed
            return
        assert age <= max(cache.max_age + cache.stale_if_error, took)
        assert self.truth.allows(name, connector, max(age, took) + self.slack())
        written = self.here.clock.monotonic() - self.ours[name]
        # The state before the write ended with it.
        assert self.truth.allows(name, connector, max(written - STEP / 2, took + STEP))

    def slack(self) -> float:
        """Return how much older an answer may be than its age tells."""
        if self.caches[0].picture._is_listed:
            self.understated = 0.0
        return STEP + self.understated

    @invariant()
    def no_answer_is_older_than_its_bound(self) -> None:
        self.run(self.check_answers())

    async def check_answers(self) -> None:
        for cache in self.caches:
            bound = cache.max_age + cache.stale_if_error
            for name in NAMES:
                connector = cache.peek(name)
                if connector is not None:
                    age = cache.age(name)
                    assert age is not None
                    assert 0 <= age <= bound
                    assert self.truth.allows(name, connector, age + self.slack())
            for connector in cache.all():
                assert self.truth.allows(connector.name, connector, bound + self.slack())

    def teardown(self) -> None:
        self.stop()
        self.loop.close()


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(
    max_examples=examples(0.4),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
