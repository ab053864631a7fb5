"""Snapshots: an age survives a restart, and a clock that was set cannot make it younger."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from lambdacore_async import (
    ParameterError,
)
from support.caching import OTHER_VPC, world


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
