"""Work of sweeps that workers of a Dask cluster can import, and what it saw in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import attrs

from lambdacore_async import Credentials, CredentialsRecipe, LambdaCoreClient
from support.leaks import CREDENTIALS, settle


@attrs.frozen
class Vault(CredentialsRecipe):
    """A recipe for the credentials of an account."""

    account: str

    async def __call__(self) -> Credentials:
        return attrs.evolve(CREDENTIALS, access_key_id=f"AKID{self.account}")


def keys_of(account: str) -> Credentials:
    """Return the credentials that the recipe for an account makes."""
    return attrs.evolve(CREDENTIALS, access_key_id=f"AKID{account}")


#: The targets at work in this process: all, and by region; and the most in a region.
AT_WORK: Final = Counter[str]()
MOST: Final = Counter[str]()
#: The transports of the clients that `wait` has seen.
CLIENTS: Final = set[object]()


async def label(client: LambdaCoreClient) -> str | None:
    """Return the label of the target."""
    return client.options.label


async def count(client: LambdaCoreClient) -> str | None:
    """Count the targets of a region that are at work at the same time; return the label."""
    region = client.options.region or ""
    AT_WORK[region] += 1
    MOST[region] = max(MOST[region], AT_WORK[region])
    try:
        await settle()
        return client.options.label
    finally:
        AT_WORK[region] -= 1


async def hang(client: LambdaCoreClient) -> None:
    """Wait until the work is cancelled, unless the label is `quick`."""
    if client.options.label == "quick":
        return
    AT_WORK["anywhere"] += 1
    try:
        await asyncio.Event().wait()
    finally:
        AT_WORK["anywhere"] -= 1


#: Lets `wait` go on.
RELEASED: Final = threading.Event()


async def wait(client: LambdaCoreClient) -> str | None:
    """Wait until the work is released; return the label."""
    CLIENTS.add(client._core.shared.transport)
    AT_WORK["anywhere"] += 1
    try:
        while not RELEASED.is_set():  # noqa: ASYNC110 - workers may have several loops
            await asyncio.sleep(0)
        return client.options.label
    finally:
        AT_WORK["anywhere"] -= 1


def refuse() -> None:
    """Fail, where a value is unpickled."""
    raise ValueError("refused")


async def lookup(client: LambdaCoreClient) -> list[str]:
    """Return the names of all connectors, each looked up."""
    names = [each.name async for each in client.list_network_connectors()]
    report = await client.lookup_network_connectors(names).report()
    report.raise_for_failures()
    return sorted(connector.name for connector in report.found.values())


async def die_once(client: LambdaCoreClient, folder: Path) -> list[str]:
    """Look up all connectors; at the label `doomed`, kill the process the first time."""
    names = await lookup(client)
    if client.options.label == "doomed":
        try:
            (folder / "died").touch(exist_ok=False)
        except FileExistsError:
            return names
        os.kill(os.getpid(), signal.SIGKILL)
    return names
