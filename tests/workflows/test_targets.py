"""Runs over targets: each result comes with its target, and no task is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import MultiTargetRun, ParameterError, Target
from support.leaks import cancel_at, other_tasks, settle


class Work:
    """Yields N numbers, where N is the target's label."""

    def __init__(self) -> None:
        self.open = self.most_open = self.yielded = 0

    async def __call__(self, target: Target) -> AsyncGenerator[int]:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for number in range(int(target.label or 0)):
                await asyncio.sleep(0)
                self.yielded += 1
                yield number
        finally:
            self.open -= 1


def labelled(*counts: int) -> list[Target]:
    return [Target("us-east-1", label=str(count)) for count in counts]


@given(st.lists(st.integers(0, 5)), st.integers(1, 4))
def test_every_result_comes_once_with_its_target(counts: list[int], targets_at_once: int) -> None:
    async def run() -> None:
        work = Work()
        found: list[tuple[int, int]] = []
        targets = labelled(*counts)
        async with MultiTargetRun(
            iter(targets), work, targets_at_once=targets_at_once
        ) as target_run:
            async for target, number in target_run:
                found.append((id(target), number))
            with pytest.raises(StopAsyncIteration):
                await anext(target_run)
        assert sorted(found) == sorted(
            (id(t), n) for t in targets for n in range(int(t.label or 0))
        )
        assert work.most_open <= targets_at_once
        assert other_tasks() == set()

    asyncio.run(run())


async def test_results_are_made_only_as_fast_as_they_are_consumed() -> None:
    work = Work()
    async with MultiTargetRun(labelled(1000, 1000, 1000), work, targets_at_once=2) as target_run:
        await anext(target_run)
        await settle()
        assert work.yielded <= 1 + 2 + 2
        assert work.open == 2
    assert work.open == 0


async def test_a_defect_is_raised_after_all_results_and_starts_nothing_new() -> None:
    started: list[str | None] = []

    async def work(target: Target) -> AsyncGenerator[int]:
        started.append(target.label)
        yield 1
        if target.label == "0":
            raise RuntimeError("broken")

    found = 0
    async with MultiTargetRun(labelled(0, 1, 2, 3), work, targets_at_once=1) as target_run:
        with pytest.raises(RuntimeError, match="broken"):
            async for _ in target_run:
                found += 1
    assert (found, started) == (1, ["0"])


async def test_a_defect_of_one_target_starts_no_other_and_ends_none_in_progress() -> None:
    started: list[str | None] = []

    async def work(target: Target) -> AsyncGenerator[int]:
        started.append(target.label)
        for number in range(int(target.label or 0)):
            yield number
        if target.label == "0":
            await asyncio.sleep(0)  # the other one starts
            raise RuntimeError("broken")

    found = 0
    async with MultiTargetRun(labelled(0, 5, 1, 1), work, targets_at_once=2) as run:
        with pytest.raises(RuntimeError, match="broken"):
            async for _ in run:
                found += 1
    assert (found, started) == (5, ["0", "5"])


async def test_a_run_is_entered_once_and_read_inside() -> None:
    target_run = MultiTargetRun(labelled(1), Work(), targets_at_once=1)
    with pytest.raises(RuntimeError, match="inside `async with`"):
        await anext(target_run)
    async with target_run:
        pass
    with pytest.raises(RuntimeError, match="entered once"):
        await target_run.__aenter__()
    with pytest.raises(RuntimeError, match="start another run"):
        await anext(target_run)


async def test_leaving_a_run_wakes_all_tasks_that_wait_for_a_result() -> None:
    async def silent(_: Target) -> AsyncGenerator[int]:
        await asyncio.Event().wait()
        yield 1

    async with MultiTargetRun(labelled(1, 1), silent, targets_at_once=2) as run:
        waiting = [asyncio.create_task(run.__anext__()) for _ in range(3)]
        await settle()
    await settle()
    assert all(task.done() for task in waiting)
    for task in waiting:
        with pytest.raises(RuntimeError, match="start another run"):
            await task
    assert other_tasks() == set()


@given(st.lists(st.integers(0, 5), max_size=6), st.integers(1, 4))
def test_tasks_that_iterate_over_one_run_get_each_result_once(
    counts: list[int], tasks: int
) -> None:
    async def go() -> None:
        async with MultiTargetRun(labelled(*counts), Work(), targets_at_once=3) as run:

            async def consume() -> int:
                return len([result async for result in run])

            assert sum(await asyncio.gather(*(consume() for _ in range(tasks)))) == sum(counts)

    asyncio.run(go())


@pytest.mark.parametrize("region", [5, None, b"us-east-1", "", "us east", "a/b"])
def test_a_target_has_the_name_of_a_region(region: Any) -> None:
    with pytest.raises(ParameterError) as raised:
        Target(region)
    assert raised.value.parameter == "region"


@pytest.mark.parametrize("credentials", [5, "AKIDEXAMPLE", ("key", "secret"), lambda: None, object])
def test_a_target_has_credentials_that_a_client_takes(credentials: Any) -> None:
    with pytest.raises(ParameterError) as raised:
        Target("us-east-1", credentials)
    assert raised.value.parameter == "credentials"


async def test_cancelling_a_run_at_any_await_leaves_no_task() -> None:
    work = Work()

    async def run() -> None:
        async with MultiTargetRun(labelled(2, 1, 3), work, targets_at_once=2) as target_run:
            async for _ in target_run:
                await asyncio.sleep(0)

    step = 0
    while await cancel_at(step, run()):
        assert (work.open, other_tasks()) == (0, set())
        step += 1
    assert step > 3


@pytest.mark.parametrize(
    ("targets", "at_once", "parameter"),
    [
        ([], 0, "targets_at_once"),
        ([], 1.0, "targets_at_once"),
        ([], True, "targets_at_once"),
        ([], "1", "targets_at_once"),
        (["us-east-1"], 1, "targets[0]"),
        ("us-east-1", 1, "targets[0]"),
        ([Target("us-east-1"), None], 1, "targets[1]"),
        (None, 1, "targets"),
        (5, 1, "targets"),
        (Target("us-east-1"), 1, "targets"),
    ],
)
def test_invalid_arguments_are_refused(targets: Any, at_once: Any, parameter: str) -> None:
    with pytest.raises(ParameterError) as raised:
        MultiTargetRun(targets, Work(), targets_at_once=at_once)
    assert raised.value.parameter == parameter
