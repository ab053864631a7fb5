"""Compares clients when the service throttles: lost lookups and time taken.

    python benchmarks/throttling.py [--quick] [TABLE ...]

Each row is a fan-out of lookups, 64 at once, against a service in another process, which responds
after the latency times 0.7 to 1.6. The tables are `limits`, a token bucket; `processes`, which
start together under one limit; and `strays`, requests throttled at random without a limit. `ideal`
is the shortest time that the bucket allows, with one latency, divided by the time taken. The tables
show medians.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import environments
from rounds import progress

HERE: Final = Path(__file__).parent
#: The mean of the factors of the latency.
JITTER: Final = 1.15
OURS: Final = "ours:standard"
CONTENDERS: Final = (
    OURS,
    "ours:adaptive",
    "aiobotocore:legacy",
    "aiobotocore:standard",
    "aiobotocore:standard-10",
    "aiobotocore:adaptive",
    "capo",
)
#: The clients that are compared in the cases with latency.
ON_NETWORKS: Final = (OURS, "aiobotocore:standard", "aiobotocore:adaptive", "capo")


class Case(NamedTuple):
    """A rate limit, and the number of lookups of each process; a rate of 0 is no limit."""

    name: str
    lookups: int
    rate: float
    burst: float
    change_at: float = 0
    change_to: float = 0
    latency: float = 0
    others: float = 0
    stray: float = 0
    processes: int = 1

    @property
    def ideal(self) -> float:
        """The shortest time in seconds in which the bucket serves all lookups."""
        count, rate = self.lookups * self.processes, self.rate - self.others
        before = self.burst + rate * self.change_at
        latency = JITTER * self.latency
        if not self.change_at or before >= count:
            return (count - self.burst) / rate + latency
        return self.change_at + (count - before) / self.change_to + latency


LOOPBACK: Final = (
    Case("600 at 50/s, burst 50", 600, 50, 50),
    Case("150 at 15/s, burst 15", 150, 15, 15),
    Case("2,000 at 200/s, burst 20", 2000, 200, 20),
    Case("600 at 50/s, then 25/s", 600, 50, 50, 5, 25),
    Case("600 at 50/s, then 100/s", 600, 50, 50, 5, 100),
)
NETWORK: Final = (
    Case("600 at 50/s, burst 50; 50 ms", 600, 50, 50, latency=0.05),
    Case("600 at 50/s, burst 50; 100 ms", 600, 50, 50, latency=0.1),
    Case("600 at 50/s, burst 50; 200 ms", 600, 50, 50, latency=0.2),
    Case("1,000 at 100/s, burst 200; 100 ms", 1000, 100, 200, latency=0.1),
    Case("300 at 15/s, burst 15; 50 ms", 300, 15, 15, latency=0.05),
    Case("150 at 10/s, burst 20; 100 ms", 150, 10, 20, latency=0.1),
    Case("300 at 5/s, burst 5; 50 ms", 300, 5, 5, latency=0.05),
    Case("600 at 50/s, others take 25/s; 50 ms", 600, 50, 50, latency=0.05, others=25),
    Case("600 at 50/s, then 25/s; 50 ms", 600, 50, 50, 5, 25, latency=0.05),
    Case("600 at 50/s, then 100/s; 50 ms", 600, 50, 50, 5, 100, latency=0.05),
)
PROCESSES: Final = (
    Case("2 x 300 at 50/s, burst 50; 50 ms", 300, 50, 50, latency=0.05, processes=2),
    Case("4 x 300 at 50/s, burst 50; 50 ms", 300, 50, 50, latency=0.05, processes=4),
    Case("8 x 200 at 50/s, burst 50; 50 ms", 200, 50, 50, latency=0.05, processes=8),
    Case("2 x 600 at 50/s, burst 50", 600, 50, 50, processes=2),
)
STRAYS: Final = tuple(
    Case("2,000 without a limit; 20 ms", 2000, 0, 0, latency=0.02, stray=stray)
    for stray in (0, 0.002, 0.02)
)


class Outcome(NamedTuple):
    """What the processes of a case took, from the first start to the last end."""

    seconds: float
    found: float
    sends: float
    throttled: float
    slowest: float
    cpu: float


class Service:
    """The throttling service, in a separate process."""

    def __init__(self, case: Case) -> None:
        options = {
            "--rate": case.rate,
            "--burst": case.burst,
            "--change-at": case.change_at,
            "--change-to": case.change_to,
            "--latency": case.latency,
            "--others": case.others,
            "--stray": case.stray,
        }
        words = [str(word) for option in options.items() for word in option]
        self._process = subprocess.Popen(
            [sys.executable, HERE / "static_server.py", "--jitter", *words],
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


def start(contender: str, port: str, count: int) -> subprocess.Popen[str]:
    """Start a client, and wait until it is ready."""
    interpreter = environments.python(contender.partition(":")[0])
    process = subprocess.Popen(
        [interpreter, HERE / "contenders.py", contender, port, str(count), "64"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def run(case: Case, contender: str) -> Outcome:
    service = Service(case)
    fleet = [start(contender, service.port, case.lookups) for _ in range(case.processes)]
    for process in fleet:
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
    results: list[dict[str, Any]] = [json.loads(process.communicate()[0]) for process in fleet]
    counts = service.stop()
    seconds = [result["seconds"] for result in results]
    sends = counts["served"] + counts["throttled"]
    return Outcome(
        max(seconds),
        sum(result["outcomes"].get("found", 0) for result in results),
        sends,
        counts["throttled"] / sends,
        max(seconds) / median(seconds),
        sum(result["cpu"] for result in results),
    )


def medians(case: Case, contender: str, rounds: int) -> Outcome:
    progress(f"{case.name}, {contender}")
    outcomes = [run(case, contender) for _ in range(rounds)]
    return Outcome(*(median(values) for values in zip(*outcomes, strict=True)))


def limits(cases: tuple[Case, ...], contenders: tuple[str, ...], rounds: int) -> None:
    print("| case | client | found | lost | seconds | ideal | requests | throttled | CPU, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in cases:
        for contender in contenders:
            took = medians(case, contender, rounds)
            lost = case.lookups - took.found
            print(
                f"| {case.name} | {contender} | {took.found:,.0f} | {lost:,.0f} | "
                f"{took.seconds:.1f} | {case.ideal / took.seconds:.3f} | {took.sends:,.0f} | "
                f"{took.throttled:.1%} | {took.cpu:.2f} |",
                flush=True,
            )
    print()


def processes(cases: tuple[Case, ...], contenders: tuple[str, ...], rounds: int) -> None:
    print("| processes | client | lost | seconds | ideal | slowest / median | throttled |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in cases:
        for contender in contenders:
            took = medians(case, contender, rounds)
            lost = case.lookups * case.processes - took.found
            print(
                f"| {case.name} | {contender} | {lost:,.0f} | {took.seconds:.1f} | "
                f"{case.ideal / took.seconds:.3f} | {took.slowest:.2f} | {took.throttled:.1%} |",
                flush=True,
            )
    print()


def strays(contenders: tuple[str, ...], rounds: int) -> None:
    print("| throttled at random | client | lost | seconds | of the time without |")
    print("| --- | --- | --- | --- | --- |")
    for contender in contenders:
        usual = 0.0
        for case in STRAYS:
            took = medians(case, contender, rounds)
            usual = usual or took.seconds
            print(
                f"| {case.stray:.1%} | {contender} | {case.lookups - took.found:,.0f} | "
                f"{took.seconds:.2f} | {took.seconds / usual:.2f} |",
                flush=True,
            )
    print()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", help="limits, processes, strays")
    parser.add_argument("--quick", action="store_true", help="one case of each table")
    parser.add_argument("--ours", action="store_true", help="only our client")
    options = parser.parse_args()
    tables = options.tables or ["limits", "processes", "strays"]
    some, rounds = (1, 1) if options.quick else (None, 3)
    contenders = (OURS,) if options.ours else CONTENDERS
    networked = (OURS,) if options.ours else ON_NETWORKS
    for contender in contenders:
        environments.python(contender.partition(":")[0])
    if "limits" in tables:
        limits(LOOPBACK[:some], contenders, 1)
        limits(NETWORK[:some], networked, 1)
    if "processes" in tables:
        processes(PROCESSES[:some], (OURS,), rounds)
    if "strays" in tables:
        strays(networked, rounds)


if __name__ == "__main__":
    main()
