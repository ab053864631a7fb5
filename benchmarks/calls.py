"""What a call costs, beside other clients: CPU and wall time, against a static server.

    python benchmarks/calls.py [--quick] [--tls] [--uvloop]

Everyone asks for one connector by `GetNetworkConnector`, so many calls at once. Bare aiohttp is
`async with session.get(url) as response: await response.json()`: nothing is signed, retried or
typed. Contenders take turns; a ratio is taken within each round, then come median and quartiles.

With neither --tls nor --uvloop, all four combinations are measured.
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
#: Rows: a label, whose worker makes the calls, and in which way.
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
    "at once", "client", "CPU, us", "CPU of bare aiohttp", "wall, us", "wall of bare aiohttp",
)  # fmt: skip

Costs = dict[str, list[workers.Cost]]


def setting(*, tls: bool, uvloop: bool) -> str:
    return f"{'TLS' if tls else 'Plain HTTP'}, {'uvloop' if uvloop else 'the default loop'}"


def measure(
    concurrencies: tuple[int, ...], rounds: int, seconds: float, *, tls: bool, uvloop: bool
) -> dict[int, Costs]:
    """The cost of a call in each round, by concurrency and row.

    A process keeps the luck that it was started with, such as where its memory lies; so there are
    several generations of them, and each has its share of the rounds.
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
    """How many times a row costs what another does."""
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


def bars(costs: Costs, where: str) -> list[results.Bar]:
    bare = against(costs, "ours", "aiohttp").median
    return [
        results.Bar(f"CPU, of bare aiohttp's; {where}", bare, 0.75),
        results.Bar(
            f"aiobotocore's CPU, of ours; {where}",
            against(costs, "aiobotocore", "ours").median,
            9,
            at_least=True,
        ),
        results.Bar(
            f"capo-lambda-core's CPU, of ours; {where}",
            against(costs, "capo", "ours").median,
            5,
            at_least=True,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few short rounds, at 64 alone")
    parser.add_argument("--tls", action="store_true", help="over TLS alone")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop alone")
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
    print("CPU of a call, that of bare aiohttp being 1.\n")
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
            for bar in bars(costs[64], setting(tls=tls, uvloop=uvloop))
        )
    )
    for (tls, uvloop), costs in found.items():
        print(f"\n## {setting(tls=tls, uvloop=uvloop)}\n")
        print("CPU and wall time of a call; medians, and of ratios the quartiles.\n")
        lines = [row for concurrency in costs for row in rows(costs[concurrency], concurrency)]
        print(results.table(HEADER, lines))


if __name__ == "__main__":
    main()
