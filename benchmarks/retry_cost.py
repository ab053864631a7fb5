"""What retries and the pace cost a call that succeeds at once: microseconds of CPU.

    python benchmarks/retry_cost.py

The median of several rounds; beside it what the loop costs without them.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.pacing import Outcome, Pace
from lambdacore_async.engine.retry import RetryQuota

CALLS = 100_000
ROUNDS = 9


async def without() -> None:
    for _ in range(CALLS):
        pass


async def with_retries_and_pace() -> None:
    pace, quota = Pace(Clock()), RetryQuota()
    for _ in range(CALLS):
        ticket = await pace.acquire()
        pace.release(ticket, Outcome.SUCCESS)
        quota.release(None)


def main() -> None:
    print("| path | microseconds a call |")
    print("| --- | --- |")
    for way in (without, with_retries_and_pace):
        rounds: list[float] = []
        for _ in range(ROUNDS):
            started = time.process_time()
            asyncio.run(way())
            rounds.append((time.process_time() - started) / CALLS * 1e6)
        print(f"| {way.__name__.replace('_', ' ')} | {median(rounds):.2f} |")


if __name__ == "__main__":
    main()
