"""Compares clients when requests fail at random, and when the service is down for a while.

    python benchmarks/faults.py [--quick]
    python benchmarks/faults.py serve [--share SHARE] [--throttles] [--dies-after RESPONSES]
    python benchmarks/faults.py ask --contender CONTENDER --port PORT

Each row is a fan-out of lookups, 64 at once. The client and the emulator run in separate
processes. All clients meet the same faults: a fault depends on the connector and the number of the
request for it. `wrong` counts responses that a client took for the connector although they are not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any, Final

import contenders
import environments

COUNT: Final = 1000
CONCURRENCY: Final = 64
SHARE: Final = 0.3
SEED: Final = 2026
#: The outage starts after this many responses, and lasts for this many seconds.
DIES_AFTER: Final = 300
DEAD_FOR: Final = 5.0
CONTENDERS: Final = (
    "ours:standard",
    "ours:adaptive",
    "aiobotocore:legacy",
    "aiobotocore:standard",
    "aiobotocore:adaptive",
    "capo",
)


async def serve(share: float, dies_after: int, *, throttles: bool) -> None:
    """Run the service until standard input closes; print its port, then its counts."""
    from lambdacore_async import Credentials
    from lambdacore_async.local import FaultProxy, LocalLambdaCore
    from lambdacore_async.local import faults as f

    kinds: tuple[f.Fault, ...] = (
        f.ServiceError(500),
        f.ServiceError(502, "html"),
        f.ServiceError(503, "empty"),
        f.ServiceError(504, "html"),
        f.Latency(0.2),
        f.Reset("before_work"),
        f.Reset("before_answer"),
        f.Reset("during_answer"),
        f.Truncated(),
        f.Truncated(0, "head"),
        f.EndlessChunks(),
        f.Trickle(),
        f.GarbageGzip(),
        f.InvalidJson(),
        f.WrongContentType(),
        f.ClosedAfter(),
    )
    if throttles:
        kinds = (*kinds, f.Throttle())
    chances: dict[f.Fault, float] = dict.fromkeys(kinds, share / len(kinds))
    plan = f.Faults().at_random(chances, seed=SEED)
    aws = LocalLambdaCore(credentials=Credentials("AKIDEXAMPLE", "made-up"), faults=plan)
    for number in range(COUNT):
        aws.state.put_network_connector(f"nc-{number:08}")

    async def die(proxy: FaultProxy) -> None:
        while aws.calls.total() < dies_after:  # noqa: ASYNC110 - the service has no event for it
            await asyncio.sleep(0.001)
        async with proxy.outage():
            await asyncio.sleep(DEAD_FOR)

    async with aws, FaultProxy(aws.endpoint_url) as proxy:
        url = proxy.endpoint_url if dies_after else aws.endpoint_url
        print(url.rpartition(":")[2], flush=True)
        death = asyncio.create_task(die(proxy)) if dies_after else None
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        if death is not None:
            death.cancel()
            await asyncio.wait([death])
        counts = {"calls": aws.calls.total(), "faults": plan.happened.total()}
    print(json.dumps(counts), flush=True)


class WrongAnswer(Exception):  # noqa: N818 - the table shows this name
    """A client returned something other than the connector."""


async def ask(contender: str, port: str) -> Counter[str]:
    """Run the fan-out of a contender."""
    url, identifiers = f"http://127.0.0.1:{port}", [f"nc-{number:08}" for number in range(COUNT)]
    name, _, mode = contender.partition(":")
    if name == "ours":
        return await ask_ours(url, mode, identifiers)
    async with contenders.OPEN[name](url, mode) as calls:

        async def get_right(identifier: str) -> None:
            answer: Any = await calls.get(identifier)
            if identifier not in (answer.get("Name"), answer.get("name")):
                raise WrongAnswer

        return await contenders.by_tasks(get_right, identifiers, CONCURRENCY)


async def ask_ours(url: str, mode: str, identifiers: list[str]) -> Counter[str]:
    from lambdacore_async import Credentials, Found, LambdaCoreClient

    outcomes: Counter[str] = Counter()
    client = LambdaCoreClient(
        "us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "made-up"),
        endpoint_url=url,
        retry_mode="adaptive" if mode == "adaptive" else "standard",
    )
    async with (
        client,
        client.lookup_network_connectors(identifiers, concurrency=CONCURRENCY) as lookups,
    ):
        contenders.stopwatch.start()
        async for lookup in lookups:
            if not isinstance(lookup, Found):
                outcomes[type(lookup.error).__name__] += 1
            elif lookup.connector.name != lookup.identifier:
                outcomes[WrongAnswer.__name__] += 1
            else:
                outcomes["found"] += 1
    return outcomes


class Service:
    """The service, in a separate process."""

    def __init__(self, *options: str) -> None:
        self._process = subprocess.Popen(
            [environments.python("ours"), __file__, "serve", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = self._process.stdout.readline().strip()

    def stop(self) -> dict[str, int]:
        """Stop the service; return its counts."""
        counts: dict[str, int] = json.loads(self._process.communicate()[0])
        return counts


def fan_out(contender: str, port: str, attempts: str | None) -> dict[str, Any]:
    interpreter = environments.python(contender.partition(":")[0])
    process = subprocess.run(
        [interpreter, __file__, "ask", "--contender", contender, "--port", port],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | ({"AWS_MAX_ATTEMPTS": attempts} if attempts else {}),
    )
    result: dict[str, Any] = json.loads(process.stdout)
    return result


def row(contender: str, *options: str, attempts: str | None = None) -> str:
    service = Service(*options)
    result = fan_out(contender, service.port, attempts)
    counts = service.stop()
    outcomes: dict[str, int] = result["outcomes"]
    found = outcomes.pop("found", 0)
    results = found + sum(outcomes.values())
    wrong = outcomes.pop(WrongAnswer.__name__, 0)
    lost = sum(outcomes.values())
    why = ", ".join(f"{number:,} {name}" for name, number in sorted(outcomes.items()))
    label = f"{contender}, {attempts} attempts" if attempts else contender
    return (
        f"| {label} | {found / COUNT:.1%} | {lost:,} | {wrong:,} | {results - COUNT:+} | "
        f"{result['seconds']:.2f} | {result['cpu']:.2f} | {counts['calls']:,} | {why or '-'} |"
    )


def table(title: str) -> None:
    print(f"\n{title}\n")
    print(
        "| client | found | lost | wrong | doubled or dropped | seconds | CPU, s | requests "
        "| errors |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")


def measure(*, quick: bool) -> None:
    names = CONTENDERS[:1] if quick else CONTENDERS
    for contender in names:
        environments.python(contender.partition(":")[0])
    for options, text in (((), "no throttles"), (("--throttles",), "throttles too")):
        table(f"{COUNT:,} lookups, {SHARE:.0%} of all requests fail at random; {text}")
        for contender in names:
            print(row(contender, f"--share={SHARE}", *options), flush=True)
    table(f"{COUNT:,} lookups, the service is down for {DEAD_FOR:g} s after {DIES_AFTER} responses")
    for contender in names:
        print(row(contender, f"--dies-after={DIES_AFTER}"), flush=True)
        if contender in ("ours:standard", "aiobotocore:standard"):
            print(row(contender, f"--dies-after={DIES_AFTER}", attempts="10"), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mode", nargs="?", choices=["measure", "serve", "ask"], default="measure")
    parser.add_argument("--quick", action="store_true", help="only our client")
    parser.add_argument("--share", type=float, default=0, help="of failing requests, 0 to 1")
    parser.add_argument("--throttles", action="store_true", help="inject throttling errors too")
    parser.add_argument("--dies-after", type=int, default=0, help="responses; 0 for no outage")
    parser.add_argument("--contender", default="ours:standard")
    parser.add_argument("--port", default="", help="port of the service")
    options = parser.parse_args()
    if options.mode == "serve":
        asyncio.run(serve(options.share, options.dies_after, throttles=options.throttles))
    elif options.mode == "ask":
        outcomes = asyncio.run(ask(options.contender, options.port))
        print(json.dumps({"outcomes": outcomes, **contenders.stopwatch.stop()}))
    else:
        measure(quick=options.quick)


if __name__ == "__main__":
    main()
