"""The cache: no answer is older than its bound, however the service and its clients behave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from lambdacore_async import (
    ApiError,
    CachedConnectorChange,
    CacheStats,
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    NetworkConnectorCache,
    NetworkConnectorState,
    ParameterError,
    ResourceNotFoundException,
    Target,
    TransportError,
)
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Latency
from lambdacore_async.protocol.messages import Request
from lambdacore_async.testing import simulated_time
from support.caching import OTHER_VPC, ROLE, VPC, denied, is_get, world
from support.leaks import cancel_at, other_tasks, settle
from support.simulation import World, inject


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
        assert here.clock.busy == 0
        if not reached:
            break
    assert step >= 2


@pytest.mark.parametrize("closes_client", [False, True])
async def test_connections_are_free_after_a_cancellation_or_a_close(closes_client: bool) -> None:
    """Over real sockets: the pool gets its connections back, at whichever await a task ends."""
    step, reached = 0, True
    while reached:
        async with LocalLambdaCore() as aws, aws.client(max_connections=4) as client:
            for number in range(6):
                aws.state.put_network_connector(f"c-{number}")

            async def use(client: LambdaCoreClient = client) -> None:
                async with client.cached_network_connectors() as cache:
                    async with asyncio.TaskGroup() as group:
                        for number in range(6):
                            group.create_task(cache.get(f"c-{number}"))
                    if closes_client:
                        await client.close()
                        with pytest.raises(RuntimeError):
                            await cache.get("missing")
                    else:
                        await cache.ready()

            reached = await cancel_at(step, use())
            await settle()
            if not closes_client:
                # All four connections of the pool are free.
                async with asyncio.timeout(30):
                    await client.lookup_network_connectors(
                        [f"c-{number}" for number in range(6)], concurrency=4
                    ).report()
                await client.close()
        step += 1
        await settle()
        assert not other_tasks()
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
        picture._record(connector.id, gone, sent=0)
        picture._record("a", gone, sent=0)
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
        assert picture._reads.start("c") is picture._reads.start("c")
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
    here, wire = world()
    async with here.client().cached_network_connectors() as cache:
        reading = asyncio.create_task(cache.get("a"))
        await asyncio.sleep(0)
        cache.picture._invalidate("a")
        with pytest.raises(ResourceNotFoundException):
            await reading
        assert len(wire.gets) == 2


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
        cache.picture._record(created.id, gone, sent=here.clock.monotonic() + 1)
        assert cache.peek("a") is not None
        cache.picture._invalidate(created.id)
        cache.picture._record(created.id, gone, sent=here.clock.monotonic() + 1)
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
        view = cache._core
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


async def test_logs_tell_of_listings_and_outages(caplog: pytest.LogCaptureFixture) -> None:
    here, wire = world("a")
    with caplog.at_level(logging.DEBUG, "lambdacore_async"):
        async with here.client().cached_network_connectors(max_age=10) as cache:
            await cache.ready()
            await cache.get("a")
            await here.clock.sleep(6)
            for error in (TransportError("down\x1b"), None, TransportError("down"), None):
                wire.error = error
                await here.clock.sleep(1 if error is None else 30)
            wire.error = denied("no")
            await here.clock.sleep(70)
    records = [record for record in caplog.records if record.msg.startswith("the cache")]
    assert {record.msg for record in records} == {
        "the cache has listed the connectors",
        "the cache cannot reach the service",
        "the cache can reach the service again",
        "the cache cannot list the connectors",
    }
    values = vars(records[1])
    assert (values["region"], values["label"]) == ("us-east-1", None)
    assert (values["listed"], values["unchanged"], values["to_get"]) == (1, 1, 0)
    assert (values["hit_rate"], values["oldest_age"]) == (1.0, 0)
    assert values["calls_saved"] == -2
    (down, *_) = [
        vars(each) for each in records if each.msg == "the cache cannot reach the service"
    ]
    assert "down\\x1b" in down["error"]
    assert down["withheld"] == 0


async def test_an_outage_that_comes_and_goes_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        for _ in range(100):
            cache.picture._set_failing(TransportError("down"))
            cache.picture._set_failing(None)
    assert len([record for record in caplog.records if "the cache" in record.msg]) == 1


def test_a_get_of_a_name_does_not_replace_a_queued_get_of_the_id() -> None:
    async def work() -> None:
        async with LocalLambdaCore() as aws, aws.client() as client:
            for number in range(11):
                aws.state.put_network_connector(f"c{number}")
            last = aws.state.get_network_connector("c10").id
            aws.faults.at_random({Latency(20): 1.0}, operation="GetNetworkConnector")
            async with client.cached_network_connectors() as cache:
                names = [*(f"c{number}" for number in range(10)), last, "c10"]
                gets = [asyncio.create_task(cache.get(name)) for name in names]
                await asyncio.sleep(5)
            await asyncio.wait(gets, timeout=60)
            assert [get.done() for get in gets] == [True] * 12
            for get in gets:
                get.cancel()
                await asyncio.gather(get, return_exceptions=True)

    with simulated_time():
        asyncio.run(work())


def test_a_connector_that_passes_its_name_on_during_a_get_is_reported_as_deleted() -> None:
    deleted = list[str]()

    async def follow(cache: NetworkConnectorCache) -> None:
        async for change in cache.changes():
            if isinstance(change, ConnectorDeleted):
                deleted.append(change.connector.id)

    async def work() -> None:
        async with LocalLambdaCore() as aws, aws.client() as client, aws.client() as other:
            first = aws.state.put_network_connector("x").id
            async with client.cached_network_connectors(max_age=2) as cache:
                aws.faults.script(Latency(8), operation="GetNetworkConnector")
                get = asyncio.create_task(cache.get("x"))
                await asyncio.sleep(2.5)
                await other.delete_network_connector_and_wait("x")
                aws.state.put_network_connector("x")
                await get
                following = asyncio.create_task(follow(cache))
                await asyncio.sleep(600)
                following.cancel()
                await asyncio.wait([following])
                assert deleted == [first]

    with simulated_time():
        asyncio.run(work())
