"""Opens and calls the clients that are compared, each as its users write it.

    python benchmarks/contenders.py CONTENDER PORT COUNT CONCURRENCY

This runs one fan-out by one client, once a line comes on standard input, and prints the outcome as
JSON. Before, it prints that it is ready. A contender is the name of a
client, with an optional retry mode: `ours:standard`, `aiobotocore:legacy`, `capo`.

Each contender has its own virtual environment, so its packages are imported inside its function.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

ACCESS_KEY: Final = "AKIDEXAMPLE"
SECRET_KEY: Final = "made-up"  # noqa: S105 - not a real secret
MODES: Final[Mapping[str, Literal["standard", "adaptive"] | None]] = {
    "": None, "standard": "standard", "adaptive": "adaptive",
}  # fmt: skip
CONNECTORS: Final = "/2026-04-04/network-connectors"


class Calls(NamedTuple):
    """The calls of a client: get a connector, list a page, and its own fan-out if it has one."""

    get: Callable[[str], Awaitable[object]]
    page: Callable[[], Awaitable[object]]
    lookups: Callable[[Iterable[str], int], Awaitable[Counter[str]]] | None = None


Opened = AsyncIterator[Calls]


@asynccontextmanager
async def ours(url: str, mode: str = "", pool: int = 100, token: str | None = None) -> Opened:
    from lambdacore_async import Credentials, Found, LambdaCoreClient

    async with LambdaCoreClient(
        "us-east-1",
        credentials=Credentials(ACCESS_KEY, SECRET_KEY, token),
        endpoint_url=url,
        retry_mode=MODES[mode],
        max_connections=pool,
    ) as client:

        async def page() -> object:
            async for page in client.list_network_connectors().by_page():
                return page
            return None

        async def lookups(identifiers: Iterable[str], concurrency: int) -> Counter[str]:
            outcomes: Counter[str] = Counter()
            async with client.lookup_network_connectors(
                identifiers, concurrency=concurrency
            ) as run:
                async for lookup in run:
                    if isinstance(lookup, Found):
                        outcomes["found"] += 1
                    else:
                        outcomes[type(lookup.error).__name__] += 1
            return outcomes

        yield Calls(client.get_network_connector, page, lookups)


@asynccontextmanager
async def aiohttp(url: str, _: str = "", pool: int = 100, token: str | None = None) -> Opened:
    """Bare aiohttp: without signatures, retries and models."""
    import aiohttp

    del token
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=pool)) as session:

        async def get(identifier: str) -> object:
            async with session.get(f"{url}{CONNECTORS}/{identifier}") as response:
                return await response.json()

        async def page() -> object:
            async with session.get(url + CONNECTORS) as response:
                return await response.json()

        yield Calls(get, page)


@asynccontextmanager
async def aiobotocore(
    url: str, mode: str = "", pool: int = 100, token: str | None = None
) -> Opened:
    from aiobotocore.session import get_session
    from botocore.config import Config

    name, _, attempts = mode.partition("-")
    retries: dict[str, Any] = {"mode": name} if name else {}
    if attempts:
        retries["total_max_attempts"] = int(attempts)
    async with get_session().create_client(
        "lambda-core",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        aws_session_token=token,
        config=Config(retries=retries, max_pool_connections=pool),
    ) as client:
        yield Calls(
            lambda identifier: client.get_network_connector(Identifier=identifier),
            client.list_network_connectors,
        )


@asynccontextmanager
async def capo(url: str, _: str = "", pool: int = 100, token: str | None = None) -> Opened:
    from capo_lambda_core import AsyncLambdaCoreClient, Credentials
    from zapros import AsyncStdNetworkHandler

    keys: Credentials = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY}
    if token:
        keys["session_token"] = token
    async with AsyncLambdaCoreClient(
        AsyncStdNetworkHandler(
            http1={"max_connections_per_host": pool, "max_idle_connections_per_host": pool}
        ),
        region="us-east-1",
        endpoint=url,
        credentials=keys,
    ) as client:
        yield Calls(
            lambda identifier: client.get_network_connector(identifier=identifier),
            client.list_network_connectors,
        )


def boto3(url: str, pool: int, token: str | None) -> Any:
    """Return a synchronous client, for use in threads."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "lambda-core",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        aws_session_token=token,
        config=Config(max_pool_connections=pool),
    )


OPEN: Final = {"ours": ours, "aiohttp": aiohttp, "aiobotocore": aiobotocore, "capo": capo}


async def by_tasks(
    get: Callable[[str], Awaitable[object]], identifiers: Iterable[str], concurrency: int
) -> Counter[str]:
    """Call for each identifier, by `asyncio.gather` with a semaphore."""
    stopwatch.start()
    gate = asyncio.Semaphore(concurrency)
    outcomes: Counter[str] = Counter()

    async def one(identifier: str) -> None:
        async with gate:
            try:
                await get(identifier)
            except Exception as error:  # noqa: BLE001 - every client raises its own
                outcomes[type(error).__name__] += 1
            else:
                outcomes["found"] += 1

    await asyncio.gather(*map(one, identifiers))
    return outcomes


class Stopwatch:
    """Times the fan-out without the imports and the creation of the client."""

    def start(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def stop(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self._wall,
            "cpu": time.process_time() - self._cpu,
        }


async def _started() -> None:
    """Wait for a line, so that processes start together."""
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


stopwatch = Stopwatch()


async def run(contender: str, url: str, identifiers: list[str], concurrency: int) -> Counter[str]:
    name, _, mode = contender.partition(":")
    async with OPEN[name](url, mode) as calls:
        await _started()
        if calls.lookups is None:
            return await by_tasks(calls.get, identifiers, concurrency)
        stopwatch.start()
        return await calls.lookups(identifiers, concurrency)


def main() -> None:
    contender, port, count, concurrency = sys.argv[1:]
    identifiers = [f"prod-egress:{number + 1:08}" for number in range(int(count))]
    outcomes = asyncio.run(
        run(contender, f"http://127.0.0.1:{port}", identifiers, int(concurrency))
    )
    print(json.dumps({"outcomes": outcomes, **stopwatch.stop()}))


if __name__ == "__main__":
    main()
