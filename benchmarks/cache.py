"""Measures the cache of network connectors: time of a hit, calls, staleness and memory.

    python benchmarks/cache.py [--quick]

Calls and staleness are counted on a simulated clock: for an hour, 1,000 tasks ask for 300
connectors, each task once in two seconds on average, while other callers change a connector every
20 seconds. The service allows 15 requests a second. A call for each question would need 500 a
second, so that row is computed. The dictionary keeps each connector for 10 seconds, without sharing
calls; it overloads the service, so five minutes tell enough.

Tasks ask at multiples of a quarter of a second, because each moment of the simulation costs time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import results
from lambdacore_async import (
    ComputeResourceType,
    LambdaCoreError,
    NetworkConnector,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.local import Limits
from lambdacore_async.protocol.messages import Request
from support.simulation import World

CONNECTORS: Final = 300
TASKS: Final = 1000
MAX_AGE: Final = 10.0
#: Seconds between two questions of a task, and the moments at which tasks ask.
PAUSE: Final = 2.0
GRID: Final = 0.25
#: Seconds between two changes of a connector.
CHANGE: Final = 20.0
NAMES: Final = [f"egress-{number}" for number in range(CONNECTORS)]


def vpc(number: int) -> VpcEgressConfiguration:
    return VpcEgressConfiguration(
        subnet_ids=(f"subnet-{number:017x}", f"subnet-{number + 1:017x}"),
        security_group_ids=("sg-0123456789abcdef0",),
        network_protocol=NetworkProtocol.IPV4,
        associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
    )


def world(count: int) -> World:
    here = World(provisioning_seconds=0, update_seconds=0, limits=Limits(network_connectors=count))
    for number in range(count):
        here.state.put_network_connector(f"egress-{number}", configuration=vpc(number))
    here.clock.advance(3600)
    return here


async def time_hits(rounds: int) -> tuple[float, float]:
    """Return the microseconds of a peek and of an awaited get."""
    here = world(CONNECTORS)
    async with here.client().cached_network_connectors(MAX_AGE) as cache:
        cache._now = time.monotonic  # noqa: SLF001 - the simulated clock takes longer
        await cache.ready()
        for entry in cache.picture.connectors():
            entry.as_of = time.monotonic() + 3600
        peeks, gets = [], []
        for _ in range(5):
            started = time.perf_counter()
            for number in range(rounds):
                cache.peek(NAMES[number % CONNECTORS])
            peeks.append(time.perf_counter() - started)
            started = time.perf_counter()
            for number in range(rounds):
                await cache.get(NAMES[number % CONNECTORS])
            gets.append(time.perf_counter() - started)
    return min(peeks) / rounds * 1e6, min(gets) / rounds * 1e6


async def memory(count: int) -> float:
    """Return the bytes that a connector takes in a cache."""
    here = world(count)
    await here.client().get_network_connector("egress-0")  # imports what calls need
    async with here.client().cached_network_connectors(MAX_AGE) as cache:
        gc.collect()
        tracemalloc.start()
        await cache.ready()
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return taken / count


class Dictionary:
    """A dictionary that keeps each connector for a time, as users often write it."""

    def __init__(
        self, get: Callable[[str], Awaitable[NetworkConnector]], monotonic: Callable[[], float]
    ) -> None:
        self._get = get
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, NetworkConnector]] = {}

    async def get(self, name: str) -> NetworkConnector:
        kept = self._kept.get(name)
        if kept is not None and self._monotonic() - kept[0] <= MAX_AGE:
            return kept[1]
        connector = await self._get(name)
        self._kept[name] = self._monotonic(), connector
        return connector


async def hour(kind: str, seconds: float) -> tuple[int, int, int, float, float]:
    """Return questions, calls, errors, the worst staleness and the longest wait of an hour."""
    here = world(CONNECTORS)
    here.faults.limit_rate(15, burst=15)
    client = here.client()
    sent = errors = asked = 0
    stale = longest = 0.0
    #: When each connector got its configuration, and the one before.
    changed: dict[str, list[tuple[float, object]]] = {
        name: [(0.0, vpc(number))] for number, name in enumerate(NAMES)
    }
    end = here.clock.monotonic() + seconds

    def count(_: Request) -> None:
        nonlocal sent
        sent += 1

    async def change() -> None:
        draw = random.Random(0)  # noqa: S311 - not for secrets
        while here.clock.monotonic() < end:
            await here.clock.sleep(CHANGE)
            number = draw.randrange(CONNECTORS)
            configuration = vpc(draw.randrange(1000, 10**9))
            here.state.update_network_connector(NAMES[number], configuration=configuration)
            changed[NAMES[number]].append((here.clock.monotonic(), configuration))

    async def ask(number: int, get: Callable[[str], Awaitable[NetworkConnector]]) -> None:
        nonlocal asked, errors, stale, longest
        draw = random.Random(number)  # noqa: S311
        while here.clock.monotonic() < end:
            now = here.clock.monotonic()
            await here.clock.sleep((now + draw.uniform(0, 2 * PAUSE)) // GRID * GRID + GRID - now)
            name = draw.choice(NAMES)
            started = here.clock.monotonic()
            asked += 1
            try:
                connector = await get(name)
            except LambdaCoreError:
                errors += 1
                continue
            now = here.clock.monotonic()
            longest = max(longest, now - started)
            history = changed[name]
            if connector.configuration != history[-1][1]:
                place = [each[1] for each in history].index(connector.configuration)
                stale = max(stale, now - history[place + 1][0])

    async def run(get: Callable[[str], Awaitable[NetworkConnector]]) -> None:
        await asyncio.gather(change(), *(ask(number, get) for number in range(TASKS)))

    here.transport.before = count
    if kind == "cache":
        async with client.cached_network_connectors(MAX_AGE) as cache:
            await run(cache.get)
    else:
        await run(Dictionary(client.get_network_connector, here.clock.monotonic).get)
    return asked, sent, errors, stale, longest


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="five minutes instead of an hour")
    quick: bool = parser.parse_args().quick
    seconds = 300.0 if quick else 3600.0
    peek, get = asyncio.run(time_hits(100_000 if quick else 300_000))
    size = asyncio.run(memory(1000))
    print("## Targets\n")
    rows = [asyncio.run(hour("cache", seconds)), asyncio.run(hour("dictionary", 300.0))]
    print(
        results.bars(
            [
                results.Bar("a hit of `peek`, us", peek, 1),
                results.Bar("a hit of `await get`, us", get, 2),
                results.Bar("memory of a connector, KiB", size / 1024, 1.5),
                results.Bar("staleness, s", rows[0][3], MAX_AGE),
            ]
        )
    )
    print(f"\n## Calls\n\n{TASKS:,} tasks, {CONNECTORS} connectors.\n")
    table = [
        ["`get` per request", f"{seconds:,.0f}", f"{rows[0][0]:,}", f"{rows[0][0]:,}", "", "", ""]
    ]
    labels = (("`NetworkConnectorCache`", seconds), ("dictionary", 300.0))
    for (label, length), row in zip(labels, rows, strict=True):
        asked, sent, errors, stale, longest = row
        table.append(
            [
                label,
                f"{length:,.0f}",
                f"{asked:,}",
                f"{sent:,}",
                f"{errors:,}",
                f"{stale:.1f}",
                f"{longest:.1f}",
            ]
        )
    header = (
        "way",
        "simulated s",
        "questions",
        "calls",
        "errors",
        "worst staleness, s",
        "longest wait, s",
    )
    print(results.table(header, table))


if __name__ == "__main__":
    main()
