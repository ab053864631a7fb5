"""Runs a contender in a process that makes calls on command.

    python benchmarks/workers.py CONTENDER URL POOL [--uvloop]

The process reads lines of JSON such as `{"way": "get", "count": 1000, "concurrency": 64, "warm":
true}`. After each it prints the seconds of CPU and of wall time that the calls took.
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

import contenders
import environments
import servers

#: A session token of the usual length: services run with temporary credentials.
TOKEN: Final = "made-up-session-token/" * 32


class Cost(NamedTuple):
    """The cost of one call, in seconds."""

    cpu: float
    wall: float


class Worker:
    """The parent process's end of a contender."""

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

    def calls(self, way: str, count: int, concurrency: int, *, warm: bool = True) -> Cost:
        """Make calls, and return the mean cost of one.

        Args:
            way: see `make_calls`.
            count: number of calls.
            concurrency: number of concurrent calls.
            warm: whether to open the connections first, unmeasured.
        """
        order = {"way": way, "count": count, "concurrency": concurrency, "warm": warm}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of {self.contender} ended during {order}")
        took = json.loads(line)
        return Cost(took["cpu"] / count, took["wall"] / count)

    def calls_for(self, seconds: float, way: str, concurrency: int) -> Callable[[], Cost]:
        """Return a function that makes calls for about this many seconds.

        It makes at least two calls per concurrent one.
        """
        count = 4 * concurrency
        wall = self.calls(way, count, concurrency).wall
        count = max(2 * concurrency, round(seconds / wall))
        return lambda: self.calls(way, count, concurrency)

    def stop(self) -> None:
        self._process.communicate()


@contextmanager
def working(
    names: tuple[str, ...], server: servers.Server, *, pool: int, uvloop: bool = False
) -> Iterator[dict[str, Worker]]:
    """Run a worker for each of these contenders, by name."""
    for name in names:
        environments.python(name)
    workers = {name: Worker(name, server, pool=pool, uvloop=uvloop) for name in names}
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
    """Make calls by a client.

    Args:
        calls: the client's `contenders.Calls`.
        way: "get" or "page" for calls of that name, "lookups" for the client's fan-out, "tasks" for
            `asyncio.gather` with a semaphore.
        count: number of calls.
        concurrency: number of concurrent calls.
    """
    if way in ("lookups", "tasks"):
        if way == "lookups":
            outcomes = await calls.lookups(identifiers(count), concurrency)
        else:
            outcomes = await contenders.by_tasks(calls.get, identifiers(count), concurrency)
        assert outcomes == {"found": count}, outcomes
        return
    remaining = identifiers(count)
    call: Callable[..., Awaitable[object]] = getattr(calls, way)

    async def call_on() -> None:
        for identifier in remaining:
            await (call(identifier) if way == "get" else call())

    await asyncio.gather(*(call_on() for _ in range(concurrency)))


def serve(make: Callable[[str, int, int], object]) -> None:
    """Make calls as the parent process commands."""
    for line in sys.stdin:
        order = json.loads(line)
        way, count, concurrency = order["way"], order["count"], order["concurrency"]
        if order["warm"]:
            make(way, min(count, concurrency), concurrency)  # idle connections may have closed
        wall, cpu = time.perf_counter(), time.process_time()
        make(way, count, concurrency)
        took = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
        print(json.dumps(took), flush=True)


def serve_with_loop(contender: str, url: str, pool: int, *, uvloop: bool) -> None:
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
    client = contenders.boto3(url, pool, TOKEN)
    with ThreadPoolExecutor(pool) as threads:

        def make(way: str, count: int, concurrency: int) -> None:
            remaining = iter(list(identifiers(count)))  # safe to share among threads

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
