"""Measures CPU and wall time of a call, compared with other clients, against a static server.

    python benchmarks/calls.py [--quick] [--tls] [--uvloop]

All clients call `GetNetworkConnector`, with 1, 64 or 512 concurrent calls. Bare aiohttp is `async
with session.get(url) as response: await response.json()`, without signatures, retries and models.
The contenders take turns. Ratios are computed within each round; the tables show their median and
quartiles.

Without --tls and --uvloop, all four combinations are measured.
"""

from __future__ import annotations

import argparse
from itertools import product
from typing import Final

import results
import servers
import workers
from rounds import Spread, interleave, progress, ratios

NAMES: Final = ("aiohttp", "ours", "aiobotocore", "capo", "boto3")
#: Rows: label, contender, and the way of `workers.make_calls`.
ROWS: Final = {
    "ours": ("ours", "get"),
    "ours, lookups": ("ours", "lookups"),
    "aiohttp": ("aiohttp", "get"),
    "aiobotocore": ("aiobotocore", "get"),
    "capo": ("capo", "get"),
    "boto3": ("boto3", "get"),
}
CONCURRENCIES: Final = (1, 64, 512)
GENERATIONS: Final = 3
HEADER: Final = (
    "at once", "client", "CPU, us", "CPU / bare aiohttp", "wall, us", "wall / bare aiohttp",
)  # fmt: skip

Costs = dict[str, list[workers.Cost]]


def setting(*, tls: bool, uvloop: bool) -> str:
    return f"{'TLS' if tls else 'Plain HTTP'}, {'uvloop' if uvloop else 'the default loop'}"


def measure(
    concurrencies: tuple[int, ...], rounds: int, seconds: float, *, tls: bool, uvloop: bool
) -> dict[int, Costs]:
    """Return the cost of a call in each round, by concurrency and row.

    A process keeps some luck from its start, such as its memory layout. So the rounds are divided
    among several generations of processes.
    """
    costs: dict[int, Costs] = {
        concurrency: {row: [] for row in ROWS} for concurrency in concurrencies
    }
    for generation in range(GENERATIONS):
        progress(f"calls: {setting(tls=tls, uvloop=uvloop)}, {generation + 1} of {GENERATIONS}")
        with (
            servers.serving(tls=tls) as server,
            workers.working(NAMES, server, pool=max(concurrencies), uvloop=uvloop) as staff,
        ):
            for concurrency in concurrencies:
                turns = {
                    row: staff[name].calls_for(seconds, way, concurrency)
                    for row, (name, way) in ROWS.items()
                }
                for row, found in interleave(turns, rounds).items():
                    costs[concurrency][row] += found
    return costs


def against(costs: Costs, row: str, reference: str, what: str = "cpu") -> Spread:
    """Return the cost of a row as a multiple of another row's."""
    values, others = ([getattr(cost, what) for cost in costs[name]] for name in (row, reference))
    return ratios(values, others)


def rows(costs: Costs, concurrency: int) -> list[tuple[str, ...]]:
    return [
        (
            str(concurrency),
            results.LABELS[row],
            f"{Spread.of([cost.cpu * 1e6 for cost in costs[row]]).median:.0f}",
            against(costs, row, "aiohttp").show(),
            f"{Spread.of([cost.wall * 1e6 for cost in costs[row]]).median:.0f}",
            against(costs, row, "aiohttp", "wall").show(),
        )
        for row in ROWS
    ]


def bars(costs: Costs, *, tls: bool, uvloop: bool) -> list[results.Bar]:
    where, bound = setting(tls=tls, uvloop=uvloop), 0.75 if uvloop else 0.64 if tls else 0.52
    return [
        results.Bar(
            f"CPU / bare aiohttp's; {where}", against(costs, "ours", "aiohttp").median, bound
        ),
        results.Bar(
            f"aiobotocore's CPU / ours; {where}",
            against(costs, "aiobotocore", "ours").median,
            9,
            at_least=True,
        ),
        results.Bar(
            f"capo-lambda-core's CPU / ours; {where}",
            against(costs, "capo", "ours").median,
            5,
            at_least=True,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, only 64 calls at once")
    parser.add_argument("--tls", action="store_true", help="only over TLS")
    parser.add_argument("--uvloop", action="store_true", help="only on uvloop")
    options = parser.parse_args()
    concurrencies = (64,) if options.quick else CONCURRENCIES
    rounds, seconds = (2, 0.1) if options.quick else (5, 0.2)
    one = options.tls or options.uvloop
    settings = (
        [(options.tls, options.uvloop)] if one else list(product((False, True), (False, True)))
    )
    found = {
        (tls, uvloop): measure(concurrencies, rounds, seconds, tls=tls, uvloop=uvloop)
        for tls, uvloop in settings
    }
    print("## 64 calls at once\n")
    print("CPU of a call, as a multiple of bare aiohttp's.\n")
    print(
        results.table(
            ("client", *(setting(tls=tls, uvloop=uvloop) for tls, uvloop in found)),
            [
                (
                    results.LABELS[row],
                    *(
                        f"{against(costs[64], row, 'aiohttp').median:.2f}"
                        for costs in found.values()
                    ),
                )
                for row in ROWS
            ],
        )
    )
    print("\n## What must hold\n")
    print(
        results.bars(
            bar
            for (tls, uvloop), costs in found.items()
            for bar in bars(costs[64], tls=tls, uvloop=uvloop)
        )
    )
    for (tls, uvloop), costs in found.items():
        print(f"\n## {setting(tls=tls, uvloop=uvloop)}\n")
        print("CPU and wall time of a call: medians, and for ratios the quartiles too.\n")
        lines = [row for concurrency in costs for row in rows(costs[concurrency], concurrency)]
        print(results.table(HEADER, lines))


if __name__ == "__main__":
    main()
