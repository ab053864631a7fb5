"""Gets of the cache: one call for all who ask, and nothing left behind."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import NetworkConnector
from lambdacore_async.workflows.cache.reads import Read, Reads
from support.caching import world
from support.leaks import other_tasks, settle


async def test_callers_and_the_first_listing_share_their_gets() -> None:
    names = [f"c-{number}" for number in range(20)]
    here, _ = world(*names)
    here.faults.limit_rate(10, burst=5)
    async with here.client().cached_network_connectors(max_age=600) as cache:
        answers = await asyncio.gather(*map(cache.get, names))
        assert [each.name for each in answers] == names
        await cache.ready()
        assert cache.stats().requests == 21


async def test_a_cache_that_is_left_at_once_can_be_used_again() -> None:
    here, _ = world("a")
    client = here.client()
    for _ in range(20):
        async with client.cached_network_connectors() as cache:
            assert cache.peek("a") is None
    async with client.cached_network_connectors() as cache:
        assert (await asyncio.wait_for(cache.get("a"), 60)).name == "a"


async def test_a_million_peeks_do_not_fill_the_queue() -> None:
    here, _ = world(*(f"c-{number}" for number in range(20)))
    here.faults.limit_rate(1, burst=1)
    async with here.client().cached_network_connectors() as cache:
        await here.clock.sleep(2)
        for _ in range(10_000):
            assert cache.peek("c-19") is None
        assert len(cache.picture._reads._queue) < 50


async def test_a_write_between_a_get_and_its_first_step_strands_no_caller() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors() as cache:
        reading = asyncio.create_task(cache.get("a"))
        asyncio.get_running_loop().call_soon(cache.picture._invalidate, "a")
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="async with"):
        await asyncio.wait_for(reading, 60)
    await settle()
    assert not other_tasks()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 3)), max_size=60))
def test_gets_are_sent_once_and_the_most_wanted_first(wanted: list[tuple[int, int]]) -> None:
    sent: list[str] = []

    async def main() -> None:
        gate = asyncio.Event()

        async def get(identifier: str) -> NetworkConnector:
            sent.append(identifier)
            await gate.wait()
            return NetworkConnector(arn="arn", name="name", id=identifier)

        recorded: list[str] = []
        reads = Reads(get, lambda name, _, __: recorded.append(name), lambda: 0.0)
        for number in range(10):  # no get is free
            reads.start(f"first-{number}")
        started: dict[str, Read] = {}
        for number, wants in wanted:
            read = reads.start(str(number), wants=wants)
            assert started.setdefault(str(number), read) is read
        await settle()
        gate.set()
        await settle()
        assert set(sent[10:]) == set(started)
        assert len(sent) == len(set(sent)) == reads.sent
        levels = [started[identifier].wants.bit_length() for identifier in sent[10:20]]
        assert levels == sorted(levels, reverse=True)
        assert len(recorded) == len(sent)
        assert len(reads) == 0
        assert not other_tasks()

    asyncio.run(main())
