"""Compares clients when the service throttles: lost lookups and time taken.

    python benchmarks/throttling.py [--quick]

Each row is a fan-out of lookups, 64 at once, against a token bucket in another process. `ideal` is
the shortest time that the bucket allows, divided by the time taken.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import environments

HERE: Final = Path(__file__).parent
CONTENDERS: Final = (
    "ours:standard",
    "ours:adaptive",
    "aiobotocore:legacy",
    "aiobotocore:standard",
    "aiobotocore:standard-10",
    "aiobotocore:adaptive",
    "capo",
)


class Case(NamedTuple):
    """A rate limit, and the number of lookups."""

    name: str
    count: int
    rate: float
    burst: float
    change_at: float = 0
    change_to: float = 0

    @property
    def ideal(self) -> float:
        """The shortest time in seconds in which the bucket serves all lookups."""
        before = self.burst + self.rate * self.change_at
        if not self.change_at or before >= self.count:
            return (self.count - self.burst) / self.rate
        return self.change_at + (self.count - before) / self.change_to


CASES: Final = (
    Case("600 at 50/s, burst 50", 600, 50, 50),
    Case("150 at 15/s, burst 15", 150, 15, 15),
    Case("2,000 at 200/s, burst 20", 2000, 200, 20),
    Case("600 at 50/s, then 25/s", 600, 50, 50, 5, 25),
    Case("600 at 50/s, then 100/s", 600, 50, 50, 5, 100),
)


class Service:
    """The throttling service, in a separate process."""

    def __init__(self, case: Case) -> None:
        options = {
            "--rate": case.rate,
            "--burst": case.burst,
            "--change-at": case.change_at,
            "--change-to": case.change_to,
        }
        words = [str(word) for option in options.items() for word in option]
        self._process = subprocess.Popen(
            [sys.executable, HERE / "static_server.py", *words],
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
    interpreter = environments.python(contender.partition(":")[0])
    return subprocess.Popen(
        [interpreter, HERE / "contenders.py", contender, port, str(count), "64"],
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(process.communicate()[0])
    return result


def row(case: Case, contender: str) -> str:
    service = Service(case)
    result = finish(start(contender, service.port, case.count))
    counts = service.stop()
    found = result["outcomes"].get("found", 0)
    sends = counts["served"] + counts["throttled"]
    return (
        f"| {case.name} | {contender} | {found:,} | {case.count - found:,} | "
        f"{result['seconds']:.1f} | {case.ideal / result['seconds']:.3f} | "
        f"{sends:,} | {counts['throttled'] / sends:.1%} | {result['cpu']:.2f} |"
    )


def shared_limit(count: int) -> str:
    """Run two clients in separate processes under one limit of 50/s; return their row."""
    case = Case(f"2 x {count} at 50/s, burst 50", 2 * count, 50, 50)
    service = Service(case)
    pair = [start("ours:standard", service.port, count) for _ in range(2)]
    results = [finish(process) for process in pair]
    counts = service.stop()
    first, last = sorted(result["seconds"] for result in results)
    found = sum(result["outcomes"].get("found", 0) for result in results)
    # Both compete until the first one has finished: by then it has received `count` of the served.
    share = max(0.0, 1 - count / (case.burst + case.rate * first))
    throttled = counts["throttled"] / (counts["throttled"] + counts["served"])
    return (
        f"| {case.name} | {found:,} | {case.count - found:,} | {last:.1f} | "
        f"{case.ideal / last:.3f} | {share:.2f} | {throttled:.1%} |"
    )


def main() -> None:
    cases = CASES[:1] if "--quick" in sys.argv else CASES
    for contender in CONTENDERS:
        environments.python(contender.partition(":")[0])
    print("| case | client | found | lost | seconds | ideal | requests | throttled | CPU, s |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for case in cases:
        for contender in CONTENDERS:
            print(row(case, contender), flush=True)
    print("\n| two clients | found | lost | seconds | ideal | share of the slower | throttled |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for count in (300,) if cases is not CASES else (300, 600):
        print(shared_limit(count), flush=True)


if __name__ == "__main__":
    main()
