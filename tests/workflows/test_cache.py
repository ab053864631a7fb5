"""The cache: no answer is older than its bound, however the service and its clients behave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final, TypeVar

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lambdacore_async import (
    AccessDeniedException,
    ApiError,
    CachedConnectorChange,
    CacheStats,
    ComputeResourceType,
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorState,
    NetworkProtocol,
    ParameterError,
    ResourceNotFoundException,
    Target,
    TransportError,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol.messages import Request
from support.leaks import cancel_at, other_tasks, settle
from support.simulation import World, inject

ROLE: Final = "arn:aws:iam::123456789012:role/operator"
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC: Final = evolve(VPC, subnet_ids=("subnet-b",))

Result = TypeVar("Result")


def is_get(request: Request) -> bool:
    return request.method == "GET" and "/network-connectors/" in request.target


class Wire:
    """Counts gets and listings, and fails them on demand.

    Attributes:
        gets, listings: the number of requests, by the time.
        error: what reads fail with.
    """

    def __init__(self, here: World) -> None:
        self.gets: list[float] = []
        self.listings: list[float] = []
        self.error: Exception | None = None
        self._here = here
        here.transport.before = self

    def __call__(self, request: Request) -> None:
        if request.method == "GET":
            (self.gets if is_get(request) else self.listings).append(self._here.clock.monotonic())
            if self.error is not None:
                raise self.error


def world(*names: str, **options: Any) -> tuple[World, Wire]:
    """Return a service with connectors that were created long ago, and its wire."""
    here = World(provisioning_seconds=0, update_seconds=0, deletion_seconds=0, **options)
    for name in names:
        here.state.put_network_connector(name, configuration=VPC)
    here.clock.advance(3600)
    return here, Wire(here)


def denied(message: str) -> ApiError:
    return AccessDeniedException(message, status_code=403)


async def test_a_connector_is_found_by_name_id_and_arn_with_one_call() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors() as cache:
        connector = await cache.get("a")
        assert connector == await here.client().get_network_connector("a")
        assert connector.configuration == VPC
        for identifier in (connector.name, connector.id, connector.arn):
            assert await cache.get(identifier) is connector
            assert cache.peek(identifier) is connector
        assert len(wire.gets) == 2


async def test_callers_that_ask_together_share_one_call() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors() as cache:
        answers = await asyncio.gather(*(cache.get("a") for _ in range(100)))
        assert len(set(map(id, answers))) == 1
        assert wire.gets == [3600]
        assert cache.stats().misses == 100


async def test_a_listing_a_round_replaces_gets() -> None:
    here, wire = world(*(f"c-{number}" for number in range(120)))
    async with here.client().cached_network_connectors(max_age=10) as cache:
        await cache.ready()
        assert (len(wire.gets), len(wire.listings)) == (120, 3)
        await here.clock.sleep(200)
        assert len(wire.gets) == 120
        assert len(wire.listings) in (120, 123, 126)
        assert len(cache.all()) == 120
        assert cache.stats().oldest_age <= 5


async def test_connectors_are_read_in_full_within_ten_minutes() -> None:
    here, wire = world(*(f"c-{number}" for number in range(60)))
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        await here.clock.sleep(610)
        assert 120 <= len(wire.gets) <= 240


async def test_the_most_wanted_connectors_are_read_first() -> None:
    names = [f"c-{number}" for number in range(40)]
    here, _ = world(*names)
    here.faults.limit_rate(2, burst=1)
    async with here.client().cached_network_connectors(max_age=60) as cache:
        await here.clock.sleep(5)
        for _ in range(5):
            assert cache.peek(names[-1]) is None
        for _ in range(200):
            await here.clock.sleep(0.5)
            if cache.peek(names[-1]) is not None:
                break
        assert 10 <= len(cache.all()) <= 30


@pytest.mark.parametrize("change", ["update", "delete", "recreate"])
async def test_a_change_by_another_caller_is_seen_within_max_age(change: str) -> None:
    here, _ = world("a", "b")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        await cache.ready()
        before = await cache.get("a")
        await here.clock.sleep(100)
        if change == "update":
            here.state.update_network_connector("a", configuration=OTHER_VPC)
        else:
            here.state.delete_network_connector("a")
        if change == "recreate":
            await here.clock.sleep(1)
            here.state.create_network_connector("a", OTHER_VPC, operator_role=ROLE)
        await here.clock.sleep(10.1)
        if change == "delete":
            with pytest.raises(ResourceNotFoundException):
                await cache.get("a")
            assert [each.name for each in cache.all()] == ["b"]
            return
        after = await cache.get("a")
        assert after.configuration == OTHER_VPC
        assert (after.id == before.id) == (change == "update")
        if change == "recreate":
            with pytest.raises(ResourceNotFoundException):
                await cache.get(before.id)
            with pytest.raises(ResourceNotFoundException):
                await cache.get(before.arn)


async def test_an_update_in_progress_is_followed_to_its_end() -> None:
    here = World(update_seconds=30)
    connector = here.state.put_network_connector("a", configuration=VPC)
    here.clock.advance(3600)
    here.state.fail_next("UpdateNetworkConnector", name="a")
    async with here.client().cached_network_connectors() as cache:
        here.state.update_network_connector("a", configuration=OTHER_VPC)
        for _ in range(50):
            await here.clock.sleep(1)
            await cache.get("a")
        seen = await cache.get(connector.id)
        assert seen.last_update_status == "Failed"


@pytest.mark.parametrize(
    "write", ["update", "delete", "create", "failed", "request", "verb", "version"]
)
async def test_a_write_of_the_client_is_seen_at_once(write: str) -> None:
    here, wire = world("a")
    here.state.update_network_connector("a", configuration=evolve(VPC, subnet_ids=("subnet-c",)))
    client = here.client()
    async with client.cached_network_connectors(max_age=3600) as cache:
        await cache.ready()
        before = await cache.get("a")
        if write == "update":
            await client.update_network_connector(before.arn, configuration=OTHER_VPC)
        elif write == "verb":
            await client.update_network_connector_and_wait("a", configuration=OTHER_VPC)
        elif write == "delete":
            await client.delete_network_connector("a")
        elif write == "create":
            with pytest.raises(ResourceNotFoundException):
                await cache.get("new")
            await client.create_network_connector("new", VPC, operator_role=ROLE)
            assert (await cache.get("new")).configuration == VPC
            return
        elif write == "failed":
            with pytest.raises(ApiError):
                await client.update_network_connector("a", operator_role="arn:aws:iam::1:role/x")
        elif write == "request":
            with pytest.raises(ApiError):
                await client.request("PUT", f"/2026-04-30/network-connectors/{before.id}")
        else:
            await cache.get(f"{before.arn}:1")
            await client.delete_network_connector(f"{before.arn}:1")
            count = len(wire.gets)
            with pytest.raises(ResourceNotFoundException):
                await cache.get(f"{before.arn}:1")
            assert len(wire.gets) > count
            return
        if write != "verb":  # which takes time, so the cache has read the connector meanwhile
            assert cache.peek("a") is None
            assert cache.age("a") is None
        if write == "delete":
            with pytest.raises(ResourceNotFoundException):
                await cache.get("a")
            return
        after = await cache.get("a")
        assert (after.configuration == before.configuration) == (write in ("failed", "request"))


async def test_a_read_that_was_sent_before_a_write_does_not_count() -> None:
    here, _ = world("a")
    client = here.client()
    async with client.cached_network_connectors(max_age=3600) as cache:
        await cache.ready()
        await client.update_network_connector("a", configuration=OTHER_VPC)
        reading = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0)
        await client.update_network_connector("a", configuration=VPC)
        assert (await reading).configuration == VPC
        assert (await cache.get("a")).configuration == VPC


async def test_not_found_is_kept_for_five_seconds() -> None:
    here, wire = world()
    async with here.client().cached_network_connectors() as cache:
        for _ in range(3):
            with pytest.raises(ResourceNotFoundException):
                await cache.get("a")
            assert cache.peek("a") is None
        assert len(wire.gets) == 1
        here.state.put_network_connector("a")
        await here.clock.sleep(5.1)
        assert (await cache.get("a")).name == "a"
        with pytest.raises(ResourceNotFoundException):
            await cache.get("never")
        await here.clock.sleep(60)
        assert "never" not in cache.picture.index


async def test_not_found_right_after_a_creation_is_not_kept() -> None:
    here, wire = world()
    client = here.client()
    async with client.cached_network_connectors() as cache:
        await client.create_network_connector("a", VPC, operator_role=ROLE)
        here.state.delete_network_connector("a")
        for _ in range(2):
            with pytest.raises(ResourceNotFoundException):
                await cache.get("a")
        assert len(wire.gets) == 2


async def test_a_peek_without_an_answer_reads_in_the_background() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors() as cache:
        assert cache.peek("a") is None
        assert cache.peek("a") is None
        await here.clock.sleep(1)
        assert cache.peek("a") == await here.client().get_network_connector("a")
        assert len(wire.gets) == 2


async def test_an_answer_carries_its_age() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(max_age=timedelta(seconds=8)) as cache:
        assert cache.age("a") is None
        assert (await cache.read("a")).age == 0
        wire.error = denied("no")
        await here.clock.sleep(7)
        answer = await cache.read("a")
        assert answer.age == pytest.approx(cache.age("a"))
        assert 3 <= answer.age <= 8
        assert not answer.is_stale
        await here.clock.sleep(8)
        assert cache.peek("a") is None
        with pytest.raises(ApiError, match="no"):
            await cache.get("a")


async def test_an_outage_yields_the_last_known_answer_for_a_while() -> None:
    here, wire = world("a")
    client = here.client()
    async with (
        client.cached_network_connectors(max_age=10, stale_if_error=60) as patient,
        client.cached_network_connectors(max_age=10) as strict,
    ):
        await patient.ready()
        wire.error = TransportError("down")
        await here.clock.sleep(11)
        answer = await patient.read("a")
        assert answer.age > 10
        assert answer.is_stale
        assert patient.peek("a") is answer.connector
        assert patient.all() == (answer.connector,)
        assert strict.peek("a") is None
        assert strict.all() == ()
        with pytest.raises(TransportError, match="down"):
            await strict.get("a")
        await here.clock.sleep(70)
        with pytest.raises(TransportError, match="down"):
            await patient.get("a")
        wire.error = None
        await here.clock.sleep(30)
        assert not (await patient.read("a")).is_stale
        assert patient.stats().stale_answers == 3


async def test_an_error_that_will_last_is_not_hidden_by_a_stale_answer() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(1, stale_if_error=3600) as cache:
        await cache.ready()
        wire.error = denied("no")
        await here.clock.sleep(30)
        with pytest.raises(ApiError, match="no"):
            await cache.get("a")


async def test_a_read_that_fails_while_a_caller_waits_yields_the_last_known_answer() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(10, stale_if_error=60) as cache:
        await cache.ready()
        await here.clock.sleep(4)
        cache.picture.index["a"].as_of -= 20
        wire.error = TransportError("down")
        assert (await cache.read("a")).is_stale


async def test_the_cache_watches_and_waiters_share_one_listing_a_round() -> None:
    here, wire = world(*(f"c-{number}" for number in range(10)))
    client = here.client()
    async with (
        client.cached_network_connectors(max_age=20) as cache,
        client.cached_network_connectors(max_age=60),
        client.watch_network_connectors() as watch,
    ):
        await cache.ready()
        watching = asyncio.create_task(drain(watch))
        await here.clock.sleep(300)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert len(wire.listings) in (31, 32)  # one to start with for each, and one every 10 s
        assert len(set(wire.listings)) in (31, 32)


async def drain(changes: AsyncIterator[object]) -> None:
    async for _ in changes:
        pass


async def test_a_shorter_max_age_makes_listings_more_frequent() -> None:
    here, wire = world("a")
    client = here.client()
    async with client.cached_network_connectors(max_age=600):
        await here.clock.sleep(100)
        slow = len(wire.listings)
        assert slow == 1
        async with client.cached_network_connectors(max_age=10):
            await here.clock.sleep(100)
            assert len(wire.listings) - slow in (20, 21)
        await here.clock.sleep(10)
        fast = len(wire.listings)
        await here.clock.sleep(280)
        assert len(wire.listings) - fast <= 1


def told(changes: list[CachedConnectorChange]) -> list[tuple[str, str]]:
    return [(type(change).__name__, change.connector.name) for change in changes]


async def test_changes_are_whole_connectors_and_end_with_the_cache() -> None:
    here, _ = world("a", "b")
    seen: list[CachedConnectorChange] = []
    async with here.client().cached_network_connectors() as cache:

        async def collect() -> None:
            async with aclosing(cache.changes()) as changes:
                async for change in changes:
                    seen.append(change)
                    connector = cache.peek(change.connector.id)
                    assert connector in (None, change.connector)

        collecting = asyncio.create_task(collect())
        await here.clock.sleep(1)
        assert sorted(told(seen)) == [("ConnectorAdded", "a"), ("ConnectorAdded", "b")]
        seen.clear()
        here.state.update_network_connector("a", configuration=OTHER_VPC)
        await here.clock.sleep(10)
        (updated,) = seen
        assert isinstance(updated, ConnectorUpdated)
        assert updated.before.configuration == VPC
        assert updated.connector.configuration == OTHER_VPC
        here.state.put_network_connector("b", state=NetworkConnectorState.FAILED)
        await here.clock.sleep(10)
        assert isinstance(seen.pop(), ConnectorStateChanged)
        here.state.delete_network_connector("b")
        await here.clock.sleep(100)
        assert isinstance(seen.pop(), ConnectorDeleted)
        late = [await anext(each) async for each in once(cache.changes())]
        assert told(late) == [("ConnectorAdded", "a")]
    await asyncio.wait_for(collecting, 1)
    assert not other_tasks()


async def once(
    changes: AsyncIterator[CachedConnectorChange],
) -> AsyncIterator[AsyncIterator[CachedConnectorChange]]:
    yield changes


async def test_a_slow_consumer_gets_the_net_change() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        changes = cache.changes()
        assert isinstance(await anext(changes), ConnectorAdded)
        for configuration in (OTHER_VPC, VPC, OTHER_VPC):
            here.state.update_network_connector("a", configuration=configuration)
            await here.clock.sleep(10)
        here.state.put_network_connector("brief")
        await here.clock.sleep(10)
        here.state.delete_network_connector("brief")
        await here.clock.sleep(100)
        here.state.put_network_connector("b")
        assert told([await anext(changes), await anext(changes)]) == [
            ("ConnectorUpdated", "a"),
            ("ConnectorAdded", "b"),
        ]
        await changes.aclose()


async def test_a_listing_that_is_refused_ends_changes_and_leaves_gets() -> None:
    here, wire = world("a")
    here.transport.before = lambda request: None if is_get(request) else wire(request)
    wire.error = denied("no")
    async with here.client().cached_network_connectors() as cache:
        assert (await cache.get("a")).name == "a"
        with pytest.raises(ApiError, match="no"):
            await cache.ready()
        changes = cache.changes()
        assert isinstance(await anext(changes), ConnectorAdded)
        with pytest.raises(ApiError, match="no"):
            await anext(changes)
        await here.clock.sleep(600)
        assert len(wire.listings) <= 12
        assert (await cache.get("a")).name == "a"


async def test_a_connector_that_cannot_be_read_does_not_keep_ready_waiting() -> None:
    here, _ = world("a", "b")
    bad = here.state.get_network_connector("b").id

    def refuse_one(request: Request) -> None:
        if bad in request.target:
            raise denied("not this one")

    here.transport.before = refuse_one
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        assert [each.name for each in cache.all()] == ["a"]
        with pytest.raises(ApiError, match="not this one"):
            await cache.get("b")


async def test_a_snapshot_gives_an_answer_at_once() -> None:
    here, wire = world("a", "b")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        snapshot = cache.save()
        known = cache.all()
    assert json.loads(snapshot)["version"] == 1
    assert "secret" not in snapshot
    await here.clock.sleep(5)
    wire.gets.clear()
    async with here.client().cached_network_connectors() as cache:
        assert cache.load(snapshot) == 2
        assert cache.load(snapshot.encode()) == 0
        assert sorted(cache.all(), key=repr) == sorted(known, key=repr)
        assert cache.age("a") == 5
        await here.clock.sleep(100)
        assert cache.peek("a") in known
        assert wire.gets == []


async def test_an_old_snapshot_is_confirmed_by_the_first_listing() -> None:
    here, wire = world("a", "b", "c")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        snapshot = cache.save()
    await here.clock.sleep(100)
    here.state.update_network_connector("b", configuration=OTHER_VPC)
    here.state.delete_network_connector("c")
    await here.clock.sleep(70)
    wire.gets.clear()
    async with here.client().cached_network_connectors() as cache:
        cache.load(snapshot)
        assert cache.all() == ()
        await here.clock.sleep(1)
        assert [each.name for each in cache.all()] == ["a", "b"]
        assert (await cache.get("b")).configuration == OTHER_VPC
        assert len(wire.gets) == 2  # for `b` and `c`
        added = await anext(cache.changes())
        assert added.connector.name == "a"


async def test_a_snapshot_from_the_future_counts_as_old() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        snapshot = cache.save()
    here.clock._start -= timedelta(hours=1)
    wire.gets.clear()
    async with here.client().cached_network_connectors() as cache:
        cache.load(snapshot)
        assert cache.peek("a") is None
        await cache.get("a")
        assert len(wire.gets) == 1


@pytest.mark.parametrize(
    "snapshot",
    ["", "[]", "{}", '{"version": 2, "region": "us-east-1", "connectors": []}', "[" * 100_000,
     '{"version": 1, "region": "eu-west-1", "connectors": []}',
     '{"version": 1, "region": "us-east-1", "connectors": [{}]}',
     '{"version": 1, "region": "us-east-1", "connectors": [{"connector": {"Name": 1}}]}', b"\xff"],
)  # fmt: skip
async def test_what_is_no_snapshot_is_refused(snapshot: str | bytes) -> None:
    here, _ = world()
    async with here.client().cached_network_connectors() as cache:
        with pytest.raises(ParameterError, match="snapshot") as caught:
            cache.load(snapshot)
        assert caught.value.parameter == "snapshot"


@pytest.mark.parametrize(
    ("max_age", "stale_if_error", "parameter"),
    [(0, None, "max_age"), (-1, None, "max_age"), ("10", None, "max_age"),
     (float("nan"), None, "max_age"), (10, -1, "stale_if_error"), (10, "1", "stale_if_error")],
)  # fmt: skip
def test_invalid_arguments_are_refused(max_age: Any, stale_if_error: Any, parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        World().client().cached_network_connectors(max_age, stale_if_error)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize("identifier", ["", 5, None])
async def test_invalid_identifiers_are_refused(identifier: Any) -> None:
    here, wire = world()
    async with here.client().cached_network_connectors() as cache:
        for ask in (cache.get, cache.read):
            with pytest.raises(ParameterError, match="identifier"):
                await ask(identifier)
        with pytest.raises(ParameterError, match="identifier"):
            cache.peek(identifier)
        assert wire.gets == []


async def test_an_arn_of_another_region_is_refused() -> None:
    client = LambdaCoreClient("us-east-1")
    here, _ = world()
    inject(client, transport=here.transport, clock=here.clock)
    arn = "arn:aws:lambda:eu-west-1:123456789012:network-connector:nc-1"
    async with client, client.cached_network_connectors() as cache:
        with pytest.raises(ParameterError, match="not in the cache's region, us-east-1"):
            await cache.get(arn)


async def test_a_version_is_cached_too() -> None:
    here, wire = world("a")
    arn = here.state.update_network_connector("a", configuration=OTHER_VPC).arn
    async with here.client().cached_network_connectors() as cache:
        for _ in range(2):
            assert (await cache.get(f"{arn}:1")).version == 1
        assert len(wire.gets) == 1
        assert (await cache.get("a")).version == 2
        assert cache.peek(f"{arn}:1") != cache.peek("a")


async def test_a_cache_is_used_inside_async_with() -> None:
    here, _ = world("a")
    cache = here.client().cached_network_connectors()
    for _ in range(2):
        for use in (cache.all, cache.save, lambda: cache.peek("a"), lambda: cache.load("")):
            with pytest.raises(RuntimeError, match="async with"):
                use()
        for awaited in (cache.get("a"), cache.read("a"), cache.ready(), anext(cache.changes())):
            with pytest.raises(RuntimeError, match="async with"):
                await awaited
        assert cache.age("a") is None
        assert isinstance(cache.stats(), CacheStats)
        async with cache:
            with pytest.raises(RuntimeError, match="open already"):
                await cache.__aenter__()
            await cache.get("a")


@pytest.mark.parametrize("other", [False, True])
async def test_leaving_ends_all_work(other: bool) -> None:
    here, _ = world("a", "b")
    client = here.client()
    keeper = client.cached_network_connectors()
    if other:
        await keeper.__aenter__()
    async with client.cached_network_connectors() as cache:
        waiting = [
            asyncio.create_task(each) for each in (cache.get("a"), cache.ready(), cache.read("b"))
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {RuntimeError}
    if other:
        await keeper.__aexit__(None, None, None)
    await settle()
    assert not other_tasks()


async def test_a_cancelled_caller_leaves_nothing_behind() -> None:
    step = 0
    for step in range(20):
        here, _ = world("a")

        async def use(here: World = here) -> None:
            async with here.client().cached_network_connectors() as cache:
                await cache.get("a")
                await anext(cache.changes())

        reached = await cancel_at(step, use())
        await settle()
        assert not other_tasks()
        if not reached:
            break
    assert step >= 2


async def test_a_defect_is_raised_and_ends_the_polling() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(1, stale_if_error=3600) as cache:
        await cache.ready()

        def fail(_: Request) -> None:
            raise RuntimeError("closed")

        here.transport.before = fail
        await here.clock.sleep(10)
        with pytest.raises(RuntimeError, match="closed"):
            await cache.get("a")
        with pytest.raises(RuntimeError, match="closed"):
            await cache.ready()
        here.transport.before = wire
        async with here.client().cached_network_connectors():
            pass


async def test_stats_count_answers_and_calls() -> None:
    here, _ = world("a", "b")
    client = here.client()
    cache = client.cached_network_connectors()
    assert cache.stats().hit_rate == 0
    async with cache:
        await cache.ready()
        for _ in range(90):
            await cache.get("a")
            cache.peek("b")
        cache.peek("c")
        await here.clock.sleep(6)
        with pytest.raises(ResourceNotFoundException):
            await cache.get("d")
        stats = cache.stats()
        assert (stats.connectors, stats.hits, stats.misses) == (2, 180, 2)
        assert stats.requests in (6, 7)
        assert stats.hit_rate == 180 / 182
        assert stats.calls_saved == 182 - stats.requests
    assert cache.stats().hits == 180
    assert client.cached_network_connectors().stats().hits == 180


async def test_results_that_arrive_late_do_not_replace_newer_ones() -> None:
    here, wire = world("a")
    gone = ResourceNotFoundException("gone")
    async with here.client().cached_network_connectors(max_age=3600) as cache:
        picture, connector = cache.picture, await cache.get("a")
        older = evolve(connector, configuration=OTHER_VPC)
        picture._record("a", older, sent=0)
        picture._record_error(connector.id, gone, sent=0)
        picture._record_error("a", gone, sent=0)
        assert cache.peek("a") is connector
        replaced = evolve(connector, id="nc-0", arn="arn:aws:x")
        picture._record("nc-0", replaced, sent=0)
        assert cache.peek("a") is connector
        picture._record("nc-0", replaced, sent=4000)
        assert cache.peek("a") == replaced
        without_time = evolve(
            connector, id="nc-2", arn="arn:aws:y", name="b", last_modified=None, configuration=None
        )
        picture._record("b", without_time, sent=3600)
        assert cache.peek("b") == without_time
        assert picture._enqueue("c") is picture._enqueue("c")
        assert len(wire.gets) == 1


async def test_a_listing_answers_callers_whose_get_is_still_queued() -> None:
    names = [f"c-{number}" for number in range(40)]
    here, _ = world(*names)
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        here.faults.limit_rate(2, burst=1)
        for entry in cache.picture.connectors():
            entry.as_of -= 100
        before = cache.stats().requests
        answers = await asyncio.gather(*map(cache.get, names))
        assert [each.name for each in answers] == names
        assert cache.stats().requests - before < 40


async def test_the_error_of_a_read_before_a_write_does_not_count() -> None:
    here, _ = world()
    async with here.client().cached_network_connectors() as cache:
        reading = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0)
        cache.picture._invalidate("a")
        with pytest.raises(ResourceNotFoundException):
            await reading
        assert cache.picture.index == {}


async def test_a_name_is_looked_up_again_if_its_connector_is_gone() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        before = await cache.get("a")
        here.transport.before = lambda request: None if is_get(request) else wire(request)
        wire.error = denied("no")
        await here.clock.sleep(20)
        here.state.delete_network_connector("a")
        await here.clock.sleep(1)
        here.state.create_network_connector("a", OTHER_VPC, operator_role=ROLE)
        after = await cache.get("a")
        assert after.id != before.id
        assert after.configuration == OTHER_VPC
        with pytest.raises(ResourceNotFoundException):
            await cache.get(before.arn)


async def test_a_connector_that_was_just_created_is_not_gone_after_one_read() -> None:
    here, _ = world()
    client = here.client()
    async with here.client().cached_network_connectors() as cache:
        created = await client.create_network_connector("a", VPC, operator_role=ROLE)
        await here.clock.sleep(5.1)
        assert cache.peek("a") is not None
        gone = ResourceNotFoundException("not there yet")
        cache.picture._record_error(created.id, gone, sent=here.clock.monotonic() + 1)
        assert cache.peek("a") is not None
        cache.picture._invalidate(created.id)
        cache.picture._record_error(created.id, gone, sent=here.clock.monotonic() + 1)
        assert (await cache.get("a")).id == created.id
        here.state.delete_network_connector("a")
        here.transport.before = lambda _: None
        with pytest.raises(ResourceNotFoundException):
            await cache.get("missing")
        await here.clock.sleep(11)
        with pytest.raises(ResourceNotFoundException):
            await cache.get("a")


async def test_a_connector_that_vanishes_between_the_listing_and_its_get_is_gone() -> None:
    here, wire = world("a", "b")
    here.faults.limit_rate(1, burst=1)
    async with here.client().cached_network_connectors(max_age=600) as cache:
        here.clock.advance(3600)
        while not wire.gets:
            await here.clock.sleep(0.1)
        here.state.delete_network_connector("b")
        await cache.ready()
        assert [each.name for each in cache.all()] == ["a"]
        assert "b" not in cache.picture.index


async def test_targets_have_a_cache_each() -> None:
    here, _ = world("a")
    client = here.client()
    targets = [Target("us-east-1", label="one"), Target("us-east-1", label="two")]
    caches = client.cache_across(targets, max_age=20)
    for cache in caches.values():
        view = cache.picture.core
        view.pipeline._configure = None
        view.pipeline.settings = client._core.pipeline.settings
    async with caches:
        assert list(caches) == targets
        assert len(caches) == 2
        assert (await caches[targets[0]].get("a")).name == "a"
        await caches[targets[1]].ready()
        assert {target for target, _ in caches.all()} == set(targets)
        changes = caches.changes()
        seen = [await anext(changes), await anext(changes)]
        assert {target for target, _ in seen} == set(targets)
        here.state.put_network_connector("b")
        seen = [await anext(changes), await anext(changes)]
        assert {change.connector.name for _, change in seen} == {"b"}
    with pytest.raises(StopAsyncIteration):
        await anext(changes)
    await settle()
    assert not other_tasks()
    for wrong in (5, ["us-east-1"]):
        with pytest.raises(ParameterError, match="targets"):
            client.cache_across(wrong)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


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


class CacheMachine(RuleBasedStateMachine):
    """Other callers change connectors while the service fails; two caches answer."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.here = World(provisioning_seconds=7, update_seconds=3, deletion_seconds=4)
        self.truth = Truth(self.here)
        self.lost = 0
        self.down = False
        self.here.transport.before = self.fail
        self.client = self.here.client()
        self.strict = self.client.cached_network_connectors(AGE)
        self.patient = self.client.cached_network_connectors(AGE * 2, STALE)
        self.ours: dict[str, float] = dict.fromkeys(NAMES, -1000000000.0)
        self.run(self.strict.__aenter__())
        self.run(self.patient.__aenter__())
        self.truth.note(NAMES)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        async def run_in_task() -> Result:
            return await work

        return self.loop.run_until_complete(run_in_task())

    def fail(self, _: Request) -> None:
        if self.down or self.lost > 0:
            self.lost -= 1
            raise TransportError("lost")

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
            except LambdaCoreError:
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
    def reads_are_lost(self, lost: int) -> None:
        self.lost = lost

    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        self.down = down

    @rule(rate=st.sampled_from([None, 1.0, 5.0]))
    def throttle(self, rate: float | None) -> None:
        self.here.faults.limit_rate(rate, burst=None if rate is None else 1)

    @rule(name=st.sampled_from(NAMES), patient=st.booleans())
    def get(self, name: str, patient: bool) -> None:
        async def ask() -> tuple[NetworkConnector | None, float, float]:
            cache = self.patient if patient else self.strict
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
        bound = AGE * 2 + STALE if patient else AGE
        assert age <= max(bound, took)
        assert self.truth.allows(name, connector, max(age, took) + STEP)
        written = self.here.clock.monotonic() - self.ours[name]
        assert self.truth.allows(name, connector, max(written, took) + STEP)

    @invariant()
    def no_answer_is_older_than_its_bound(self) -> None:
        self.run(self.check_answers())

    async def check_answers(self) -> None:
        for cache, bound in ((self.strict, AGE), (self.patient, AGE * 2 + STALE)):
            for name in NAMES:
                connector = cache.peek(name)
                if connector is not None:
                    age = cache.age(name)
                    assert age is not None
                    assert age <= bound
                    assert self.truth.allows(name, connector, age + STEP)
            for connector in cache.all():
                assert self.truth.allows(connector.name, connector, bound + STEP)

    def teardown(self) -> None:
        async def leave() -> None:
            await self.strict.__aexit__(None, None, None)
            await self.patient.__aexit__(None, None, None)
            await settle()
            assert not other_tasks()

        self.run(leave())
        self.loop.close()
        assert not self.client._core.shared.on_write


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
