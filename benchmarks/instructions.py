"""Counts the instructions of a call, which hardly depend on what else the machine does.

    python benchmarks/instructions.py [--quick]

`perf stat` counts them if it can read the processor's counters, else valgrind. Each contender runs
twice, with a different number of calls. The difference in instructions divided by the difference
in calls leaves out start, imports and connections. The kernel's instructions do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import shutil
import subprocess
import sys
from typing import Final

import contenders
import environments
import results
import servers
import workers
from rounds import progress

#: Number of calls in the shorter and in the longer run.
FEW, MANY = 100, 500
COUNTERS: Final = {
    "perf": (["perf", "stat", "-x,", "-e", "instructions:u"], r"^(\d+),[^,]*,instructions:u"),
    "valgrind": (
        ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
        r"I +refs: +([\d,]+)",
    ),
}


def count(counter: str, command: list[str], variables: dict[str, str]) -> int:
    """Return the instructions of a process, or 0 if the counter does not work on this machine."""
    prefix = COUNTERS[counter][0]
    if not shutil.which(prefix[0]):
        return 0
    done = subprocess.run(
        [*prefix, *command], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    number = read(counter, done.stderr)
    if done.returncode and number:
        raise RuntimeError(done.stderr)
    return number


def read(counter: str, output: str) -> int:
    """Return the number in a counter's output, or 0 if there is none."""
    found = re.search(COUNTERS[counter][1], output, re.MULTILINE)
    return int(found[1].replace(",", "")) if found else 0


def choose_counter() -> str:
    """Return the first counter that works on this machine."""
    for counter in COUNTERS:
        if count(counter, [sys.executable, "-c", ""], environments.variables()):
            return counter
    raise SystemExit("neither perf nor valgrind can count instructions on this machine")


def of_a_call(
    counter: str,
    contender: str,
    way: str,
    concurrency: int,
    server: servers.Server,
    **more: str,
) -> float:
    """Return the instructions of one call of a contender."""
    variables = server.variables() | {"PYTHONHASHSEED": "0"} | more
    few, many = (
        count(
            counter,
            [environments.python(contender), __file__, "--child", contender, way, str(calls),
             str(concurrency), server.url],
            variables,
        )
        for calls in (FEW, MANY)
    )  # fmt: skip
    return (many - few) / (MANY - FEW)


async def calls(contender: str, way: str, count: int, concurrency: int, url: str) -> None:
    """Make the calls in the counted process."""
    async with contenders.OPEN[contender](url, pool=concurrency, token=workers.TOKEN) as client:
        await workers.make_calls(client, way, concurrency, concurrency)
        # A full garbage collection in only one of the two runs would distort the difference.
        gc.collect()
        gc.freeze()
        await workers.make_calls(client, way, count, concurrency)


#: Rows: label, contender, and the way of `workers.make_calls`.
ROWS: Final = (
    ("aiohttp", "aiohttp", "get"),
    ("ours", "ours", "get"),
    ("ours, lookups", "ours", "lookups"),
    ("aiobotocore", "aiobotocore", "get"),
    ("capo", "capo", "get"),
)


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        contender, way, number, concurrency, url = sys.argv[2:]
        asyncio.run(calls(contender, way, int(number), int(concurrency), url))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="only our client and bare aiohttp")
    rows = ROWS[:2] if parser.parse_args().quick else ROWS
    counter = choose_counter()
    counted: dict[str, float] = {}
    with servers.serving() as server:
        for label, contender, way in rows:
            progress(f"instructions: {label}")
            counted[label] = of_a_call(counter, contender, way, 64, server)
    print("## 64 calls at once\n")
    print(f"Plain HTTP, the default loop; without the kernel; counted by {counter}.\n")
    print(
        results.table(
            ("client", "thousands of instructions", "multiple of bare aiohttp"),
            [
                (
                    results.LABELS[label],
                    f"{number / 1e3:,.0f}",
                    f"{number / counted['aiohttp']:.2f}",
                )
                for label, number in counted.items()
            ],
        )
    )


if __name__ == "__main__":
    main()
