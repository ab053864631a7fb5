"""One fan-out by one client, in a process of its own; prints what came of it as JSON.

    python benchmarks/contenders.py CONTENDER PORT COUNT CONCURRENCY

A contender is a client and, behind a colon, its retry mode: `ours:standard`, `aiobotocore:legacy`,
`capo`. Every one looks up the same identifiers, so many at once, in the way its users write it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Get = Callable[[str], Awaitable[object]]


@asynccontextmanager
async def aiobotocore(url: str, mode: str) -> AsyncIterator[Get]:
    from aiobotocore.session import get_session
    from botocore.config import Config

    name, _, attempts = mode.partition("-")
    retries: dict[str, Any] = {"mode": name}
    if attempts:
        retries["total_max_attempts"] = int(attempts)
    config = Config(retries=retries, max_pool_connections=100)
    async with get_session().create_client(
        "lambda-core",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="made-up",  # noqa: S106 - it opens nothing
        config=config,
    ) as client:
        yield lambda identifier: client.get_network_connector(Identifier=identifier)


@asynccontextmanager
async def capo(url: str, _: str) -> AsyncIterator[Get]:
    from capo_lambda_core import AsyncLambdaCoreClient

    async with AsyncLambdaCoreClient(
        region="us-east-1",
        endpoint=url,
        credentials={"access_key": "AKIDEXAMPLE", "secret_key": "made-up"},
    ) as client:
        yield lambda identifier: client.get_network_connector(identifier=identifier)


async def by_tasks(get: Get, identifiers: list[str], concurrency: int) -> Counter[str]:
    """The usual fan-out of clients that have none of their own."""
    stopwatch.start()
    gate = asyncio.Semaphore(concurrency)
    outcomes: Counter[str] = Counter()

    async def one(identifier: str) -> None:
        async with gate:
            try:
                await get(identifier)
            except Exception as error:  # noqa: BLE001 - each client has its own
                outcomes[type(error).__name__] += 1
            else:
                outcomes["found"] += 1

    await asyncio.gather(*map(one, identifiers))
    return outcomes


async def ours(url: str, mode: str, identifiers: list[str], concurrency: int) -> Counter[str]:
    from lambdacore_async import Credentials, Found, LambdaCoreClient

    outcomes: Counter[str] = Counter()
    async with (
        LambdaCoreClient(
            "us-east-1",
            credentials=Credentials("AKIDEXAMPLE", "made-up"),
            endpoint_url=url,
            retry_mode=mode or None,
        ) as client,
        client.lookup_network_connectors(identifiers, concurrency=concurrency) as lookups,
    ):
        stopwatch.start()
        async for lookup in lookups:
            outcomes["found" if isinstance(lookup, Found) else type(lookup.error).__name__] += 1
    return outcomes


class Stopwatch:
    """Times the fan-out alone, without imports and making a client."""

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
        }


stopwatch = Stopwatch()


async def run(contender: str, url: str, identifiers: list[str], concurrency: int) -> Counter[str]:
    name, _, mode = contender.partition(":")
    if name == "ours":
        return await ours(url, mode, identifiers, concurrency)
    async with {"aiobotocore": aiobotocore, "capo": capo}[name](url, mode) as get:
        return await by_tasks(get, identifiers, concurrency)


def main() -> None:
    contender, port, count, concurrency = sys.argv[1:]
    identifiers = [f"nc-{number:08}" for number in range(int(count))]
    outcomes = asyncio.run(
        run(contender, f"http://127.0.0.1:{port}", identifiers, int(concurrency))
    )
    print(json.dumps({"outcomes": outcomes, **stopwatch.stop()}))


if __name__ == "__main__":
    main()
