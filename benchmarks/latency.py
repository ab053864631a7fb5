"""Measures many lookups with the latency of a network, without a rate limit.

    python benchmarks/latency.py [--quick]

The service sends each response 30, 50 or 100 ms after the request. The first response of a
connection takes three times as long, because TCP and TLS handshakes take a round trip each. Every
run has its own process and makes all lookups twice: first with a new client, then again on its
open connections. The clients take turns; the table shows medians.
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
from rounds import interleave, progress

CONCURRENCY: Final = 64
#: Rows: label, contender, and the way of `workers.make_calls`.
ROWS: Final = {
    "ours, lookups": ("ours", "lookups"),
    "ours, gather": ("ours", "tasks"),
    "aiohttp": ("aiohttp", "tasks"),
    "aiobotocore": ("aiobotocore", "tasks"),
    "capo": ("capo", "tasks"),
}
HEADER: Final = (
    "latency, ms", "client", "first run, s", "second run, s", "latency alone, s",
    "CPU per lookup, us",
)  # fmt: skip


class Runs(NamedTuple):
    """The cost of a lookup in the two runs of a process."""

    first: workers.Cost
    second: workers.Cost


def run(server: servers.Server, contender: str, way: str, count: int) -> Runs:
    """Make all lookups twice in a new process."""
    with workers.working((contender,), server, pool=CONCURRENCY) as staff:
        calls = partial(staff[contender].calls, way, count, CONCURRENCY, warm=False)
        return Runs(calls(), calls())


def measure(latency: float, count: int, rounds: int) -> dict[str, list[Runs]]:
    """Return the runs of each row."""
    with servers.serving(tls=True, latency=latency) as server:
        progress(f"latency: {latency * 1e3:.0f} ms")
        turns: dict[str, Callable[[], Runs]] = {
            row: partial(run, server, contender, way, count)
            for row, (contender, way) in ROWS.items()
        }
        return interleave(turns, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer lookups, only at 50 ms")
    quick = parser.parse_args().quick
    count, rounds = (256, 1) if quick else (1000, 5)
    print(f"{count:,} lookups over TLS, {CONCURRENCY} at once. All rows but the first use")
    print("`asyncio.gather` with a semaphore. CPU is that of the second run.\n")
    rows: list[tuple[str, ...]] = []
    for latency in (0.05,) if quick else (0.03, 0.05, 0.1):
        costs = measure(latency, count, rounds)
        rows += [
            (
                f"{latency * 1e3:.0f}",
                results.LABELS[row],
                f"{median(runs.first.wall for runs in costs[row]) * count:.2f}",
                f"{median(runs.second.wall for runs in costs[row]) * count:.2f}",
                f"{count / CONCURRENCY * latency:.2f}",
                f"{median(runs.second.cpu for runs in costs[row]) * 1e6:.0f}",
            )
            for row in ROWS
        ]
    print(results.table(HEADER, rows))


if __name__ == "__main__":
    main()
