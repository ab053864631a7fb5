"""Snapshots: an age survives a restart, and a clock that was set cannot make it younger."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ParameterError,
)
from support.caching import OTHER_VPC, denied, is_get, process, world


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
     '{"version": 1, "region": "us-east-1", "connectors": [{"connector": {"Name": 1}}]}', b"\xff",
     f'{{"version": 1, "region": "us-east-1", "saved_at": 1{"0" * 400}, "connectors": []}}'],
)  # fmt: skip
async def test_what_is_no_snapshot_is_refused(snapshot: str | bytes) -> None:
    here, _ = world()
    async with here.client().cached_network_connectors() as cache:
        with pytest.raises(ParameterError, match="snapshot") as caught:
            cache.load(snapshot)
        assert caught.value.parameter == "snapshot"


@given(st.integers(-280, 280), st.integers(-280, 280), st.integers(0, 60), st.integers(0, 200))
def test_an_age_survives_a_restart(saver: int, loader: int, before: int, after: int) -> None:
    """Clocks that differ can understate an age by their difference, until the first listing."""

    async def main() -> None:
        here, wire = world("a", "b")
        async with process(here, saver).cached_network_connectors(max_age=3600) as cache:
            await cache.ready()
            here.transport.before = lambda _: fail()
            await here.clock.sleep(before)
            snapshot = cache.save()
        await here.clock.sleep(after)
        async with process(here, loader).cached_network_connectors(max_age=3600) as cache:
            assert cache.load(snapshot) == 2
            age, true_age = cache.age("a"), before + after
            if after + loader < saver:  # the time of day when it was saved is yet to come
                assert age is None
            else:
                assert age == pytest.approx(true_age + loader - saver)
                assert len(cache.all()) == 2
            here.state.update_network_connector("a", configuration=OTHER_VPC)
            here.transport.before = lambda request: fail() if is_get(request) else wire(request)
            await here.clock.sleep(30)  # the listing gets through, and gets do not
            assert cache.peek("a") is None
            assert cache.peek("b") is not None
            assert wire.listings

    def fail() -> None:
        raise denied("no")

    asyncio.run(main())


async def test_the_time_of_the_service_corrects_a_snapshot() -> None:
    here, _ = world("a")
    hour = timedelta(hours=1).total_seconds()
    client = process(here, hour)
    pipeline = client._core.pipeline
    await pipeline.resolve_settings("GetNetworkConnector")
    assert pipeline._route is not None
    pipeline._route.clock.offset = timedelta(seconds=-hour)  # as a rejected request tells
    async with client.cached_network_connectors() as cache:
        await cache.get("a")
        snapshot = cache.save()
    await here.clock.sleep(hour + 5)
    async with process(here, 0).cached_network_connectors() as cache:
        cache.load(snapshot)
        assert cache.age("a") == pytest.approx(hour + 5, abs=2)


async def test_a_snapshot_of_a_changed_connector_is_not_complete() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        snapshot = cache.save()
    here.state.update_network_connector("a", configuration=OTHER_VPC)
    wire.gets.clear()
    async with here.client().cached_network_connectors() as cache:
        cache.load(snapshot)
        await cache.ready()
        assert [each.configuration for each in cache.all()] == [OTHER_VPC]
        assert json.loads(cache.save())["connectors"]


async def test_a_snapshot_is_strict_json() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        snapshot = cache.save()
    here.clock._start -= timedelta(hours=1)
    async with here.client().cached_network_connectors() as cache:
        cache.load(snapshot)
        cache.picture._record_listing(await cache.picture._poller.list_all(0), 10_000)
        assert "Infinity" not in cache.save()
