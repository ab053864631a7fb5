"""Measures CPU and peak memory of a process from `python` to its first response.

    python benchmarks/cold_start.py [--quick]

The programs below run unchanged, in turns. CPU is what the system charges for the whole process.
Runs on Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
from collections.abc import Callable
from typing import Final, NamedTuple

import contenders
import environments
import results
import servers
import workers
from rounds import Spread, interleave, progress, ratios

OURS: Final = """\
import asyncio, sys
from lambdacore_async import LambdaCoreClient
async def main():
    async with LambdaCoreClient("us-east-1", endpoint_url=sys.argv[1]) as client:
        assert (await client.get_network_connector("prod-egress")).name == "prod-egress"
asyncio.run(main())
"""
AIOHTTP: Final = """\
import asyncio, sys
import aiohttp
async def main():
    url = sys.argv[1] + "/2026-04-04/network-connectors/prod-egress"
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert (await response.json())["Name"] == "prod-egress"
asyncio.run(main())
"""
#: The floor: our client's dependencies without its own code.
SIGNING: Final = f"import aws_requests_auth.aws_auth\n{AIOHTTP}"
DEPENDENCIES: Final = f"import attrs, cattrs, httptools, orjson\n{SIGNING}"
AIOBOTOCORE: Final = """\
import asyncio, sys
from aiobotocore.session import get_session
async def main():
    async with get_session().create_client(
        "lambda-core", region_name="us-east-1", endpoint_url=sys.argv[1]
    ) as client:
        assert (await client.get_network_connector(Identifier="prod-egress"))["Name"]
asyncio.run(main())
"""
CAPO: Final = """\
import asyncio, sys
from capo_lambda_core import AsyncLambdaCoreClient
async def main():
    async with AsyncLambdaCoreClient(region="us-east-1", endpoint=sys.argv[1]) as client:
        assert (await client.get_network_connector(identifier="prod-egress"))["name"]
asyncio.run(main())
"""
BOTO3: Final = """\
import sys
import boto3
client = boto3.client("lambda-core", region_name="us-east-1", endpoint_url=sys.argv[1])
assert client.get_network_connector(Identifier="prod-egress")["Name"] == "prod-egress"
"""
PROGRAMS: Final = {
    "aiohttp": AIOHTTP,
    "signing": SIGNING,
    "dependencies": DEPENDENCIES,
    "ours": OURS,
    "aiobotocore": AIOBOTOCORE,
    "capo": CAPO,
    "boto3": BOTO3,
}
LABELS: Final = results.LABELS | {
    "signing": "bare aiohttp, and the import of aws-requests-auth",
    "dependencies": "the same, and attrs, cattrs, httptools and orjson",
    "boto3": "boto3",
}


class Cost(NamedTuple):
    """The cost of one process: milliseconds of CPU and peak memory in MiB."""

    cpu: float
    memory: float


def start(name: str, server: servers.Server) -> Cost:
    """Run a contender's program to its end."""
    process = subprocess.Popen(
        [environments.python(name), "-c", PROGRAMS[name], server.url],
        env=server.variables()
        | {
            "AWS_ACCESS_KEY_ID": contenders.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": contenders.SECRET_KEY,
            "AWS_SESSION_TOKEN": workers.TOKEN,
        },
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the program of {name} failed")
    return Cost((usage.ru_utime + usage.ru_stime) * 1e3, usage.ru_maxrss / results.PER_MIB)


def measure(rounds: int, *, tls: bool) -> dict[str, list[Cost]]:
    def turn(name: str, server: servers.Server) -> Callable[[], Cost]:
        return lambda: start(name, server)

    with servers.serving(tls=tls) as server:
        progress(f"cold start: {'TLS' if tls else 'Plain HTTP'}")
        turns = {name: turn(name, server) for name in PROGRAMS}
        interleave(turns, 1)  # compiles the byte code of new packages
        return interleave(turns, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 5 if parser.parse_args().quick else 25
    servers.stay_on(servers.CLIENTS)  # the programs inherit the cores
    found = {
        "Plain HTTP": measure(rounds, tls=False),
        "TLS": measure(rounds, tls=True),
    }
    bars: list[results.Bar] = []
    tables: list[str] = []
    for where, costs in found.items():
        spreads = {
            name: [
                ratios(
                    [cost[part] for cost in costs[name]],
                    [cost[part] for cost in costs["aiohttp"]],
                )
                for part in range(2)
            ]
            for name in PROGRAMS
        }
        cpu, memory = spreads["ours"]
        bars.append(results.Bar(f"CPU / bare aiohttp's; {where}", cpu.median, 1.4))
        bars.append(results.Bar(f"peak memory / bare aiohttp's; {where}", memory.median, 1.1))
        rows = [
            (
                LABELS[name],
                f"{Spread.of([cost.cpu for cost in costs[name]]).median:.0f}",
                spreads[name][0].show(),
                f"{Spread.of([cost.memory for cost in costs[name]]).median:.1f}",
                spreads[name][1].show(),
            )
            for name in PROGRAMS
        ]
        header = ("client", "CPU, ms", "CPU / bare aiohttp", "peak, MiB", "peak / bare aiohttp")
        tables.append(f"\n## {where}\n\n{results.table(header, rows)}")
    # A child's peak is at least the memory that its parent had at the fork.
    least = min(cost.memory for costs in found.values() for kind in costs.values() for cost in kind)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / results.PER_MIB < least
    print("## What must hold\n")
    print(results.bars(bars))
    print(*tables, sep="\n")


if __name__ == "__main__":
    main()
