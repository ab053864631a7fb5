"""Shows that a run of lookups needs no more memory for a long input than for a short one.

    python benchmarks/flat_memory.py [COUNT ...]

Each row is a process of its own that looks up so many distinct identifiers from a generator, 64 at
once, through real HTTP and signatures. Beside its peak memory stands that of the usual way to write
it, a task for each identifier. Linux or macOS.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from pathlib import Path

from lambdacore_async import Credentials, Found, LambdaCoreClient

HERE = Path(__file__).parent


def client(port: int) -> LambdaCoreClient:
    return LambdaCoreClient(
        "us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "made-up"),
        endpoint_url=f"http://127.0.0.1:{port}",
    )


async def fan_out(port: int, count: int) -> int:
    found = 0
    async with (
        client(port) as aws,
        aws.lookup_network_connectors((f"nc-{n:08}" for n in range(count)), concurrency=64) as run,
    ):
        async for lookup in run:
            found += isinstance(lookup, Found)
    return found


async def gather(port: int, count: int) -> int:
    gate = asyncio.Semaphore(64)
    async with client(port) as aws:

        async def one(identifier: str) -> object:
            async with gate:
                return await aws.get_network_connector(identifier)

        return len(await asyncio.gather(*(one(f"nc-{n:08}") for n in range(count))))


def child(way: str, port: int, count: int) -> None:
    started = time.perf_counter()
    found = asyncio.run({"fan-out": fan_out, "gather": gather}[way](port, count))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * (1 + 1023 * MACOS))
    print(f"| {way} | {count:,} | {found:,} | {peak:.1f} | {count / seconds:,.0f} |")


#: `ru_maxrss` counts bytes on macOS, and KiB elsewhere.
MACOS = sys.platform == "darwin"


def main() -> None:
    counts = [int(text) for text in sys.argv[1:]] or [1_000, 10_000, 100_000]
    with subprocess.Popen(
        [sys.executable, HERE / "static_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        print("| way | identifiers | found | peak memory, MiB | lookups a second |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        for way in ("fan-out", "gather"):
            for count in counts:
                subprocess.run(
                    [sys.executable, __file__, "--child", way, port, str(count)], check=True
                )
        server.communicate()


if __name__ == "__main__":
    if "--child" in sys.argv:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main()
