"""How many calls waiters make, beside a loop for each as users write it; on a simulated clock.

    python benchmarks/waiters.py [--quick]

Each of n connectors takes three minutes to become active. Our waiters wait for all of them at once,
in an account that has no others and in one that has 1,000. The loop gets its connector every five
seconds, as it is usually written with boto3.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

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
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


class Calls:
    """Counts requests, and the most in one moment: before any connector is active, and after."""

    def __init__(self, here: World) -> None:
        self.total = 0
        self.tick = self.end = 0
        self._here = here
        self._at = (0.0, 0)
        here.transport.before = self

    def __call__(self, _: Request) -> None:
        now = self._here.clock.monotonic()
        self.total += 1
        self._at = (now, self._at[1] + 1 if now == self._at[0] else 1)
        if now < LIFE:
            self.tick = max(self.tick, self._at[1])
        else:
            self.end = max(self.end, self._at[1])


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


async def by_loop(here: World, client: LambdaCoreClient, name: str) -> None:
    """The usual one."""
    while (await client.get_network_connector(name)).state != NetworkConnectorState.ACTIVE:
        await here.clock.sleep(5)


async def count(number: int, others: int, *, loop: bool) -> Calls:
    here, names = world(number, others)
    client = here.client()
    calls = Calls(here)
    if loop:
        await asyncio.gather(*(by_loop(here, client, name) for name in names))
    else:
        await asyncio.gather(*map(client.wait_until_network_connector_active, names))
    return calls


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="as ever: it takes seconds")
    parser.parse_args()
    print("| waiters | calls | most at a tick | as all end | with 1,000 others | a loop for each |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number in NUMBERS:
        alone = asyncio.run(count(number, 0, loop=False))
        crowded = asyncio.run(count(number, 1000, loop=False))
        loop = asyncio.run(count(number, 0, loop=True))
        figures = (number, alone.total, alone.tick, alone.end, crowded.total, loop.total)
        print("| " + " | ".join(f"{figure:,}" for figure in figures) + " |")


if __name__ == "__main__":
    main()
