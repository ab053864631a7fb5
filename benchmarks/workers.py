"""A contender in a process that lives through all rounds, and makes calls when it is told to.

    python benchmarks/workers.py CONTENDER URL POOL [--uvloop]

reads lines of JSON such as `{"way": "get", "count": 1000, "concurrency": 64}` and answers each with
the seconds of CPU and of wall time that these calls took.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import environments
import servers

#: Services run with temporary credentials; their token is as long as this, and is signed too.
TOKEN: Final = "made-up-session-token/" * 32


class Cost(NamedTuple):
    """What one call costs, in seconds."""

    cpu: float
    wall: float


class Worker:
    """The parent's end of a contender."""

    def __init__(
        self, contender: str, server: servers.Server, *, pool: int, uvloop: bool = False
    ) -> None:
        self.contender = contender
        self._process = subprocess.Popen(
            [environments.python(contender), __file__, contender, server.url, str(pool)]
            + ["--uvloop"] * uvloop,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=server.variables(),
        )

    def calls(self, way: str, count: int, concurrency: int) -> Cost:
        """Make so many calls, so many at once; only the calls are measured."""
        order = {"way": way, "count": count, "concurrency": concurrency}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.contender} ended while it was to make {order}")
        took = json.loads(answer)
        return Cost(took["cpu"] / count, took["wall"] / count)

    def calls_for(self, seconds: float, way: str, concurrency: int) -> Callable[[], Cost]:
        """A turn of about so many seconds, and of two calls at least for each that is at once."""
        count = 4 * concurrency
        wall = self.calls(way, count, concurrency).wall
        count = max(2 * concurrency, round(seconds / wall))
        return lambda: self.calls(way, count, concurrency)

    def stop(self) -> None:
        self._process.communicate()


@contextmanager
def working(
    contenders: tuple[str, ...], server: servers.Server, *, pool: int, uvloop: bool = False
) -> Iterator[dict[str, Worker]]:
    """Workers for all these contenders, by name."""
    for name in contenders:
        environments.python(name)
    workers = {name: Worker(name, server, pool=pool, uvloop=uvloop) for name in contenders}
    try:
        yield workers
    finally:
        for worker in workers.values():
            worker.stop()


# The child's end


def identifiers(count: int) -> Iterator[str]:
    # All are of the connector that every answer is about: an answer about another is an error.
    return (f"prod-egress:{number + 1:08}" for number in range(count))


async def make_calls(calls: Any, way: str, count: int, concurrency: int) -> None:
    """Make calls by one of the ways of `contenders.Calls`."""
    if way == "lookups":
        outcomes = await calls.lookups(identifiers(count), concurrency)
        assert outcomes == {"found": count}, outcomes
        return
    remaining = identifiers(count)
    call: Callable[..., Awaitable[object]] = getattr(calls, way)

    async def call_on() -> None:
        for identifier in remaining:
            await (call(identifier) if way == "get" else call())

    await asyncio.gather(*(call_on() for _ in range(concurrency)))


def serve(make: Callable[[str, int, int], object]) -> None:
    """Do as the parent says, until there is nothing more."""
    for line in sys.stdin:
        order = json.loads(line)
        way, count, concurrency = order["way"], order["count"], order["concurrency"]
        make(way, min(count, concurrency), concurrency)  # connections that idled may be gone
        wall, cpu = time.perf_counter(), time.process_time()
        make(way, count, concurrency)
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps(took), flush=True)


def serve_with_loop(contender: str, url: str, pool: int, *, uvloop: bool) -> None:
    import contenders

    factory = None
    if uvloop:
        import uvloop as faster

        factory = faster.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        context = contenders.OPEN[contender](url, pool=pool, token=TOKEN)
        calls = runner.run(context.__aenter__())
        serve(lambda *order: runner.run(make_calls(calls, *order)))
        runner.run(context.__aexit__(None, None, None))


def serve_with_threads(url: str, pool: int) -> None:
    import contenders

    client = contenders.boto3(url, pool, TOKEN)
    with ThreadPoolExecutor(pool) as threads:

        def make(way: str, count: int, concurrency: int) -> None:
            remaining = iter(list(identifiers(count)))  # a list's iterator is safe among threads

            def call_on() -> None:
                for identifier in remaining:
                    if way == "get":
                        client.get_network_connector(Identifier=identifier)
                    else:
                        client.list_network_connectors()

            for done in [threads.submit(call_on) for _ in range(concurrency)]:
                done.result()

        serve(make)


def main() -> None:
    servers.stay_on(servers.CLIENTS)
    contender, url, pool = sys.argv[1:4]
    if contender == "boto3":
        serve_with_threads(url, int(pool))
    else:
        serve_with_loop(contender, url, int(pool), uvloop="--uvloop" in sys.argv)


if __name__ == "__main__":
    main()
