"""Fan-out: the number of workers, the bounded queue, and the end of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from lambdacore_async.workflows.fanout import FanOut
from support.leaks import other_tasks, settle


class Workers:
    """Workers that together yield the numbers up to a count."""

    def __init__(self, count: int) -> None:
        self._numbers = iter(range(count))
        self.started = self.yielded = 0

    async def __call__(self) -> AsyncGenerator[int]:
        self.started += 1
        for number in self._numbers:
            self.yielded += 1
            yield number


async def all_results(run: FanOut[int]) -> list[int]:
    run.start()
    results: list[int] = []
    try:
        while True:
            results.append(await run.next())
    except StopAsyncIteration:
        return results
    finally:
        await run.stop()


@pytest.mark.parametrize(("count", "started"), [(0, 1), (2, 1), (3, 2), (6, 3), (100, 3)])
async def test_every_third_result_starts_a_worker_up_to_the_limit(count: int, started: int) -> None:
    workers = Workers(count)
    run = FanOut(workers, first_workers=lambda: 1, workers=3, capacity=100)
    assert sorted(await all_results(run)) == list(range(count))
    assert workers.started == started
    assert other_tasks() == set()


async def test_as_many_workers_start_as_the_service_has_proved_to_take() -> None:
    workers, proven = Workers(100), 1
    run = FanOut(workers, first_workers=lambda: proven, workers=20, capacity=1)
    run.start()
    await settle()
    assert workers.started == 1
    await run.stop()
    run = FanOut(workers, first_workers=lambda: proven, workers=20, capacity=9)
    run.start()
    proven = 30  # known from the first call on
    await settle()
    assert workers.started == 1 + 20
    await run.stop()


async def test_workers_wait_while_the_queue_is_full() -> None:
    workers = Workers(100)
    run = FanOut(workers, first_workers=lambda: 3, workers=3, capacity=10)
    run.start()
    await settle()
    assert 10 <= workers.yielded <= 10 + 3
    await run.stop()
    assert other_tasks() == set()


async def test_the_background_task_runs_until_the_run_is_stopped() -> None:
    cancelled = False

    async def background() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise

    run = FanOut(Workers(5), first_workers=lambda: 1, workers=1, capacity=1, background=background)
    assert await all_results(run) == list(range(5))
    assert cancelled
    assert other_tasks() == set()
