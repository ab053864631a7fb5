"""Counts the calls of waiters, compared with one loop per connector, on a simulated clock.

    python benchmarks/waiters.py [--quick]

Each connector takes three minutes to become active. The library's waiters wait for all of them at
the same time, in an account without other connectors and in one with 1,000 others. The loop gets
its connector every five seconds, as users of boto3 usually write it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import results
from lambdacore_async import (
    ComputeResourceType,
    LambdaCoreClient,
    NetworkConnectorState,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.local import Limits
from lambdacore_async.protocol.messages import Request
from support.simulation import World

NUMBERS: Final = (1, 10, 100, 1000)
LIFE: Final = 180.0
HEADER: Final = (
    "waiters", "calls", "most per poll", "when all finish", "with 1,000 others", "one loop each",
)  # fmt: skip
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


class Calls:
    """Counts requests, and the most at one moment: before any connector is active, and after."""

    def __init__(self, here: World) -> None:
        self.total = 0
        self.poll = self.finish = 0
        self._here = here
        self._at = (0.0, 0)
        here.transport.before = self

    def __call__(self, _: Request) -> None:
        now = self._here.clock.monotonic()
        self.total += 1
        self._at = (now, self._at[1] + 1 if now == self._at[0] else 1)
        if now < LIFE:
            self.poll = max(self.poll, self._at[1])
        else:
            self.finish = max(self.finish, self._at[1])


def world(count: int, others: int) -> tuple[World, list[str]]:
    here = World(provisioning_seconds=LIFE, limits=Limits(network_connectors=count + others))
    for number in range(others):
        here.state.put_network_connector(f"other-{number}")
    names = [f"egress-{number}" for number in range(count)]
    for name in names:
        here.state.create_network_connector(
            name, VPC, operator_role="arn:aws:iam::123456789012:role/operator"
        )
    return here, names


async def poll_alone(here: World, client: LambdaCoreClient, name: str) -> None:
    """Poll one connector until it is active."""
    while (await client.get_network_connector(name)).state != NetworkConnectorState.ACTIVE:
        await here.clock.sleep(5)


async def count(number: int, others: int, *, loop: bool) -> Calls:
    here, names = world(number, others)
    client = here.client()
    calls = Calls(here)
    if loop:
        await asyncio.gather(*(poll_alone(here, client, name) for name in names))
    else:
        await asyncio.gather(*map(client.wait_until_network_connector_active, names))
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="no effect: a full run takes seconds")
    parser.parse_args()
    rows: list[list[str]] = []
    for number in NUMBERS:
        alone = asyncio.run(count(number, 0, loop=False))
        crowded = asyncio.run(count(number, 1000, loop=False))
        loop = asyncio.run(count(number, 0, loop=True))
        figures = (number, alone.total, alone.poll, alone.finish, crowded.total, loop.total)
        rows.append([f"{figure:,}" for figure in figures])
    print(results.table(HEADER, rows))


if __name__ == "__main__":
    main()
