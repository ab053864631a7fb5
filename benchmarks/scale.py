"""Measures memory and CPU by length of a run, by concurrency and by size of the response.

    python benchmarks/scale.py [--quick]

The longest run looks up a million identifiers from a generator. Each run has its own process. The
plots are written to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import contenders
import environments
import plots
import results
import servers
import workers
from rounds import interleave, progress, ratios

AT_ONCE: Final = 64
#: Fan-out with a task for each identifier.
TASKS: Final = "a task per identifier"
#: Number of memory samples in a run.
SAMPLES: Final = 50


class Scale(NamedTuple):
    """The sizes of all measurements."""

    short: int
    long: int
    shorts: int
    tasks: int
    gathered: tuple[int, ...]
    concurrencies: tuple[int, ...]
    items: tuple[int, ...]
    rounds: int
    seconds: float


FULL: Final = Scale(
    short=10_000, long=1_000_000, shorts=5, tasks=10_000, gathered=(1_000, 10_000, 100_000),
    concurrencies=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    items=(1, 3, 10, 30, 100, 300, 1000), rounds=9, seconds=0.15,
)  # fmt: skip
QUICK: Final = Scale(
    short=10_000, long=100_000, shorts=1, tasks=10_000, gathered=(1_000, 10_000),
    concurrencies=(1, 16, 256), items=(1, 30, 1000), rounds=3, seconds=0.1,
)  # fmt: skip


# In the child process


def memory() -> float:
    """Return the memory of this process in MiB: the current one on Linux, else the peak."""
    now = Path("/proc/self/statm")
    if now.exists():
        return int(now.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return peak()


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / results.PER_MIB


async def many(contender: str, way: str, url: str, count: int) -> dict[str, Any]:
    """Look up this many identifiers; return the time taken and memory samples."""
    samples: list[tuple[int, float]] = []
    every = max(1, count // SAMPLES)

    def identifiers() -> Iterator[str]:
        for number, identifier in enumerate(workers.identifiers(count)):
            if number % every == 0:
                samples.append((number, memory()))
            yield identifier

    async with contenders.OPEN[contender](url, token=workers.TOKEN) as calls:
        wall, cpu = time.perf_counter(), time.process_time()
        if way == "lookups":
            assert calls.lookups is not None
            outcomes = await calls.lookups(identifiers(), AT_ONCE)
            assert outcomes == {"found": count}, outcomes
        elif way == "tasks at once":
            await asyncio.gather(*map(calls.get, identifiers()))
        else:
            outcomes = await contenders.by_tasks(calls.get, identifiers(), AT_ONCE)
            assert outcomes == {"found": count}, outcomes
        return {
            "cpu": time.process_time() - cpu,
            "wall": time.perf_counter() - wall,
            "peak": peak(),
            "samples": [*samples, (count, memory())],
        }


# In the parent process


def run(server: servers.Server, way: str, count: int, contender: str = "ours") -> dict[str, Any]:
    progress(f"scale: {contender}, {way}, {count:,}")
    done = subprocess.run(
        [environments.python(contender), __file__, "--child", contender, way, server.url,
         str(count)],
        check=True, stdout=subprocess.PIPE, text=True, env=server.variables(),
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def plot(name: str, content: str) -> str:
    """Write a plot to the results; return the Markdown that shows it."""
    results.FOLDER.mkdir(exist_ok=True)
    (results.FOLDER / f"{name}.svg").write_text(content, encoding="utf-8")
    return f"\n![{name.replace('_', ' ')}]({name}.svg)"


def length(scale: Scale) -> None:
    """Compare throughput and memory of a long run with short ones."""
    with servers.serving() as server:
        before = [run(server, "lookups", scale.short) for _ in range(scale.shorts)]
        long = run(server, "lookups", scale.long)
        shorts = before + [run(server, "lookups", scale.short) for _ in range(scale.shorts)]
        others = {(TASKS, count): run(server, TASKS, count) for count in scale.gathered}
    rate = median(scale.short / short["wall"] for short in shorts)
    cpu = median(short["cpu"] for short in shorts) / scale.short
    kept = scale.long / long["wall"] / rate
    middle = scale.long / 2
    early = max(mib for count, mib in long["samples"] if count <= middle)
    late = max(mib for count, mib in long["samples"] if count > middle)
    print("## Length of a run\n")
    print(f"{scale.long:,} lookups compared with {scale.short:,}, {AT_ONCE} at once.\n")
    runs = {("lookups", scale.short): shorts[0], ("lookups", scale.long): long} | others
    print(
        results.table(
            ("method", "identifiers", "CPU per lookup, us", "lookups per second", "peak, MiB"),
            [
                (
                    way,
                    f"{count:,}",
                    f"{result['cpu'] / count * 1e6:.0f}",
                    f"{count / result['wall']:,.0f}",
                    f"{result['peak']:.1f}",
                )
                for (way, count), result in runs.items()
            ],
        )
    )
    points = {
        "lookup_network_connectors": long["samples"],
        "a task per identifier": others[TASKS, scale.gathered[-1]]["samples"],
    }
    print(plot("memory", plots.lines(
        "Memory during a run of lookups", "lookups started", "MiB", points
    )))  # fmt: skip
    print("\n## What must hold\n")
    bars = [
        results.Bar("throughput, long run / short runs", kept, 0.9, at_least=True),
        results.Bar("CPU per lookup, long run / short runs", long["cpu"] / scale.long / cpu, 1.1),
        results.Bar("peak memory of the long run, second half / first half", late / early, 1.1),
    ]
    print(results.bars(bars))


def tasks(scale: Scale) -> None:
    """Measure many tasks that call at the same time, through 100 connections."""
    with servers.serving() as server:
        rows = [
            (name, run(server, "tasks at once", scale.tasks, name))
            for name in ("ours", "aiohttp", "aiobotocore")
        ]
    print(f"\n## {scale.tasks:,} tasks calling at once\n")
    print("All calls succeed. These are single runs, so small differences mean nothing.\n")
    print(
        results.table(
            ("client", "CPU per call, us", "total, s", "peak, MiB"),
            [
                (
                    results.LABELS[name],
                    f"{result['cpu'] / scale.tasks * 1e6:.0f}",
                    f"{result['wall']:.2f}",
                    f"{result['peak']:.0f}",
                )
                for name, result in rows
            ],
        )
    )


#: Rows as in `calls.py`, without the slow clients, which would flatten the other lines.
GROWING: Final = {
    "ours": ("ours", "get"),
    "ours, lookups": ("ours", "lookups"),
    "aiohttp": ("aiohttp", "get"),
}


def concurrency(scale: Scale) -> None:
    """Measure the CPU of a call by concurrency."""
    lines: list[tuple[str, ...]] = []
    points: dict[str, list[tuple[float, float]]] = {label: [] for label in GROWING}
    with (
        servers.serving() as server,
        workers.working(("ours", "aiohttp"), server, pool=max(scale.concurrencies)) as staff,
    ):
        for at_once in scale.concurrencies:
            progress(f"scale: {at_once} at once")
            turns = {
                label: staff[name].calls_for(scale.seconds, way, at_once)
                for label, (name, way) in GROWING.items()
            }
            costs = interleave(turns, scale.rounds)
            cpu = {label: [cost.cpu * 1e6 for cost in costs[label]] for label in GROWING}
            for label in GROWING:
                points[label].append((at_once, median(cpu[label])))
            lines.append(
                (
                    f"{at_once:,}",
                    *(f"{median(cpu[label]):.0f}" for label in GROWING),
                    ratios(cpu["ours"], cpu["aiohttp"]).show(),
                )
            )
    print("\n## Concurrency\n")
    print("CPU of a call in microseconds, with as many connections as concurrent calls.\n")
    header = ("at once", *map(results.LABELS.get, GROWING), "ours / bare aiohttp")
    print(results.table([str(cell) for cell in header], lines))
    print(plot("concurrency", plots.lines(
        "CPU of a call", "calls at once", "microseconds",
        {results.LABELS[label].rpartition(", ")[2].strip("`"): points[label] for label in GROWING},
        log_x=True,
    )))  # fmt: skip


def size(scale: Scale) -> None:
    """Measure the CPU of a page of a listing by its size."""
    names = ("ours", "aiohttp", "aiobotocore")
    lines: list[tuple[str, ...]] = []
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for items in scale.items:
        progress(f"scale: {items} connectors a page")
        body = servers.page_of(items)
        with (
            servers.serving(body) as server,
            workers.working(names, server, pool=AT_ONCE) as staff,
        ):
            turns = {name: staff[name].calls_for(scale.seconds, "page", 8) for name in names}
            costs = interleave(turns, scale.rounds)
        cpu = {name: [cost.cpu * 1e6 for cost in costs[name]] for name in names}
        for name in names:
            points[name].append((len(body) / 1024, median(cpu[name])))
        lines.append(
            (
                f"{items:,}",
                f"{len(body) / 1024:,.1f}",
                *(f"{median(cpu[name]):,.0f}" for name in names),
                ratios(cpu["ours"], cpu["aiohttp"]).show(),
            )
        )
    print("\n## Size of the answer\n")
    print("CPU of a page of `ListNetworkConnectors` in microseconds, 8 calls at once.\n")
    labels = [results.LABELS[name] for name in names]
    header = ("connectors", "KiB", *labels, "ours / bare aiohttp")
    print(results.table(header, lines))
    print(plot("size", plots.lines(
        "CPU of a page", "KiB of JSON", "microseconds",
        dict(zip(labels, points.values(), strict=True)), log_x=True, log_y=True,
    )))  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        servers.stay_on(servers.CLIENTS)
        contender, way, url, count = sys.argv[2:]
        print(json.dumps(asyncio.run(many(contender, way, url, int(count)))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the lookups, fewer points")
    scale = QUICK if parser.parse_args().quick else FULL
    length(scale)
    tasks(scale)
    concurrency(scale)
    size(scale)


if __name__ == "__main__":
    main()
