"""Measures many lookups with the latency of a network, without a rate limit.

    python benchmarks/latency.py [--quick]

The service sends each response after the latency times 0.7 to 1.6. The first response of a
connection takes three times as long, because TCP and TLS handshakes take a round trip each. Every
run has its own process and makes all lookups three times: with a new client, again unmeasured (at
most 64), and with the client that is then warm. The clients take turns; the table shows medians.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Final, NamedTuple

import results
import servers
import workers
from rounds import interleave, progress, ratios

CONCURRENCY: Final = 64
#: Rows: label, contender, and the way of `workers.make_calls`.
ROWS: Final = {
    "ours, lookups": ("ours", "lookups"),
    "ours, gather": ("ours", "tasks"),
    "aiohttp": ("aiohttp", "tasks"),
    "aiobotocore": ("aiobotocore", "tasks"),
    "capo": ("capo", "tasks"),
}
#: Numbers of lookups, each with a latency in seconds.
SIZES: Final = ((50, 0.1), (300, 0.03), (2000, 0.05))
HEADER: Final = (
    "lookups", "latency, ms", "client", "first run, s", "/ our gather", "warm client, s",
    "/ our gather", "CPU per lookup, us",
)  # fmt: skip
#: The row whose times the others are compared with.
REFERENCE: Final = "ours, gather"


class Runs(NamedTuple):
    """The cost of a lookup in the two runs of a process."""

    first: workers.Cost
    second: workers.Cost


def run(server: servers.Server, contender: str, way: str, count: int) -> Runs:
    """Make all lookups twice in a new process."""
    with workers.working((contender,), server, pool=CONCURRENCY) as staff:
        calls = partial(staff[contender].calls, way, count, CONCURRENCY)
        return Runs(calls(warm=False), calls(warm=True))


def measure(latency: float, count: int, rounds: int) -> dict[str, list[Runs]]:
    """Return the runs of each row."""
    with servers.serving(tls=True, latency=latency, jitter=True) as server:
        progress(f"{count:,} lookups at {latency * 1e3:.0f} ms")
        turns: dict[str, Callable[[], Runs]] = {
            row: partial(run, server, contender, way, count)
            for row, (contender, way) in ROWS.items()
        }
        return interleave(turns, rounds)


def times(runs: list[Runs], reference: list[Runs], which: str, count: int) -> tuple[str, str]:
    """Return the time of a run, and its ratio to that of the reference in the same round."""
    walls = [getattr(each, which).wall for each in runs]
    others = [getattr(each, which).wall for each in reference]
    return f"{median(walls) * count:.2f}", f"{ratios(walls, others).median:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, only 300 lookups")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 5
    print(f"Lookups over TLS, {CONCURRENCY} at once. All rows but the first use")
    print("`asyncio.gather` with a semaphore. CPU is that of the warm client.\n")
    rows: list[tuple[str, ...]] = []
    for count, latency in SIZES[1:2] if quick else SIZES:
        costs = measure(latency, count, rounds)
        rows += [
            (
                f"{count:,}",
                f"{latency * 1e3:.0f}",
                results.LABELS[row],
                *times(costs[row], costs[REFERENCE], "first", count),
                *times(costs[row], costs[REFERENCE], "second", count),
                f"{median(runs.second.cpu for runs in costs[row]) * 1e6:.0f}",
            )
            for row in ROWS
        ]
    print(results.table(HEADER, rows))


if __name__ == "__main__":
    main()
