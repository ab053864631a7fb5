"""Sweeps a fleet of accounts and regions from one process, and from the workers of a Dask cluster.

    python benchmarks/fleet.py [--quick] [--accounts N] [--regions N] [--connectors N] [--at-once N]

Each account in each region is an emulator with a limit of 15 requests a second, and a burst
of 15. All services run in one other process, which finds the service by the signature. The work
lists the connectors of a target and looks each of them up, so a target takes one request more than
it has connectors. In the last row, one of the workers is killed when half of the results have
arrived. The program fails unless every row has each connector of each target once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import attrs
from aiohttp import web
from distributed import Client, LocalCluster

import results
import servers
from lambdacore_async import (
    ClientOptions,
    Credentials,
    CredentialsRecipe,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    Target,
    sweep,
)
from lambdacore_async.local import LocalLambdaCore
from rounds import progress

LIMIT: Final = 15.0
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1")
SCOPE: Final = re.compile(r"Credential=AKID(\d+)/\d+/([^/]+)/")


class Fleet(NamedTuple):
    """The size of the fleet, and how much of it is swept at once."""

    accounts: int
    regions: int
    connectors: int
    at_once: int

    @property
    def account_ids(self) -> list[str]:
        """The IDs of all accounts."""
        return [f"{number:012}" for number in range(self.accounts)]

    @property
    def targets(self) -> list[Target]:
        """All accounts in all regions."""
        return [
            Target(region, Account(account))
            for account in self.account_ids
            for region in REGIONS[: self.regions]
        ]

    @property
    def ideal(self) -> float:
        """The shortest time in seconds that the limits and the concurrency allow."""
        places = self.accounts * self.regions
        return -(-places // self.at_once) * max(0.0, self.connectors + 1 - LIMIT) / LIMIT


@attrs.frozen
class Account(CredentialsRecipe):
    """A recipe for the made-up credentials of an account."""

    number: str

    async def __call__(self) -> Credentials:
        return Credentials(f"AKID{self.number}", "made-up")


async def export(client: LambdaCoreClient) -> list[NetworkConnector]:
    """Return all connectors of a target."""
    names = [each.name async for each in client.list_network_connectors()]
    report = await client.lookup_network_connectors(names).report()
    report.raise_for_failures()
    return list(report.found.values())


# The services


async def serve(fleet: Fleet) -> None:
    """Serve every account and region, until standard input ends; then print the counts."""
    statuses: dict[str, int] = {"requests": 0, "throttled": 0}

    def service_of(account: str, region: str) -> LocalLambdaCore:
        service = LocalLambdaCore(
            region=region,
            account_id=account,
            credentials=Credentials(f"AKID{account}", "made-up"),
            rate_limit=(LIMIT, LIMIT),
            on_request=count,
        )
        for number in range(fleet.connectors):
            service.state.put_network_connector(f"egress-{number}")
        return service

    def count(answered: Any) -> None:
        statuses["requests"] += 1
        statuses["throttled"] += answered.status == 429

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        scope = SCOPE.search(request.headers["authorization"])
        assert scope is not None
        return await services[scope[1], scope[2]]._server._handle(request)  # noqa: SLF001

    services = {
        (account, region): service_of(account, region)
        for account in fleet.account_ids
        for region in REGIONS[: fleet.regions]
    }

    runner = web.ServerRunner(web.Server(answer, access_log=None, auto_decompress=False))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps(statuses), flush=True)
    await runner.cleanup()


class Services:
    """The services, in a separate process."""

    def __init__(self, fleet: Fleet) -> None:
        size = (f"--{key.replace('_', '-')}={value}" for key, value in fleet._asdict().items())
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", *size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        port = self._process.stdout.readline().strip()
        self.options = ClientOptions(endpoint_url=f"http://127.0.0.1:{port}")

    def stop(self) -> dict[str, int]:
        """Stop the services; return their counts."""
        counts: dict[str, int] = json.loads(self._process.communicate()[0])
        return counts


# The sweeps


@asynccontextmanager
async def cluster(workers: int, threads: int) -> AsyncGenerator[Client]:
    """Run a Dask cluster of processes on this machine."""
    async with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            host="127.0.0.1",
            asynchronous=True,
            dashboard_address="127.0.0.1:0",
        ) as local,
        Client(local, asynchronous=True) as dask,
    ):
        yield dask


async def take(
    fleet: Fleet,
    on: LambdaCoreClient | Client,
    options: ClientOptions | None = None,
    victim: int | None = None,
) -> float:
    """Sweep the fleet; return the seconds that it took.

    Args:
        fleet: the fleet.
        on: the client, or the cluster.
        options: the options of the workers.
        victim: a process to kill when half of the results have arrived.
    """
    names = {f"egress-{number}" for number in range(fleet.connectors)}
    targets = fleet.targets
    done = set[Target]()
    started = time.perf_counter()
    async with sweep(targets, export, on=on, options=options, targets_at_once=fleet.at_once) as run:
        async for target, result in run:
            if isinstance(result, LambdaCoreError):
                raise result
            assert {connector.name for connector in result} == names
            assert len(result) == fleet.connectors
            assert target not in done
            done.add(target)
            if victim is not None and 2 * len(done) >= len(targets):
                os.kill(victim, signal.SIGKILL)
                victim = None
    assert done == set(targets)
    return time.perf_counter() - started


async def in_one_process(fleet: Fleet, options: ClientOptions) -> float:
    async with LambdaCoreClient.from_options(options) as client:
        return await take(fleet, client)


async def on_dask(fleet: Fleet, options: ClientOptions, workers: int, *, kill: bool) -> float:
    # Each worker may serve its part of the targets at once. Its tasks need no threads.
    async with cluster(workers, -(-fleet.at_once // workers)) as dask:
        processes = await dask.run(os.getpid)
        victim = int(str(next(iter(processes.values())))) if kill else None
        return await take(fleet, dask, options, victim)


def measure(fleet: Fleet, workers: tuple[int, ...]) -> str:
    """Return the table."""
    rows: list[list[str]] = []
    ways: list[tuple[str, int, bool]] = [
        ("one process", 0, False),
        *((f"Dask, {count} worker{'s' * (count > 1)}", count, False) for count in workers),
        (f"Dask, {workers[-1]} workers, one killed", workers[-1], True),
    ]
    for label, count, kill in ways:
        progress(label)
        services = Services(fleet)
        try:
            seconds = asyncio.run(
                on_dask(fleet, services.options, count, kill=kill)
                if count
                else in_one_process(fleet, services.options)
            )
        finally:
            counts = services.stop()
        rows.append(
            [
                label,
                f"{seconds:.1f}",
                f"{fleet.ideal:.1f}",
                f"{counts['requests']:,}",
                f"{counts['throttled']:,}",
            ]
        )
    return results.table(("sweep", "s", "the limits allow, s", "requests", "throttled"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="20 accounts in 2 regions")
    parser.add_argument("--accounts", type=int, help="number of accounts (default: 200)")
    parser.add_argument("--regions", type=int, help="number of regions, at most 5 (default: 5)")
    parser.add_argument("--connectors", type=int, default=50, help="connectors of each target")
    parser.add_argument("--at-once", type=int, default=200, help="targets at once")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    servers.allow_connections(4096)
    fleet = Fleet(
        options.accounts or (20 if options.quick else 200),
        options.regions or (2 if options.quick else 5),
        options.connectors,
        options.at_once,
    )
    if options.serve:
        asyncio.run(serve(fleet))
        return
    table = measure(fleet, (2,) if options.quick else (1, 2, 4))
    places = fleet.accounts * fleet.regions
    print(
        "## Time of a sweep\n\n"
        f"{fleet.accounts} accounts x {fleet.regions} regions x {fleet.connectors} connectors: "
        f"{places:,} targets, {min(places, fleet.at_once)} at once, each with a limit of {LIMIT:g} "
        f"requests a second. One process serves all of them.\n\n{table}"
    )


if __name__ == "__main__":
    # Workers import this module by name, so that its classes must not be those of `__main__`.
    import fleet

    fleet.main()
