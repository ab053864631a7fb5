"""`sweep` in this process: results, failures, checkpoints, and what it refuses."""

from __future__ import annotations

import asyncio
import pickle
from collections import Counter
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    AssumeRole,
    ClientOptions,
    Credentials,
    LambdaCoreClient,
    LambdaCoreError,
    LookupReport,
    ParameterError,
    Sweep,
    Target,
    WorkError,
    sweep,
)
from lambdacore_async.local import LocalLambdaCore
from support import fleets
from support.fleets import Vault
from support.leaks import CREDENTIALS, cancel_at, other_tasks, settle

REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")


def client() -> LambdaCoreClient:
    return LambdaCoreClient("us-east-1", credentials=CREDENTIALS)


def labelled(*labels: str) -> list[Target]:
    """Return targets of distinct accounts."""
    return [Target("us-east-1", Vault(label), label) for label in labels]


async def collect(run: Sweep[Any]) -> list[tuple[str | None, Any]]:
    async with run:
        return sorted([(target.label, result) async for target, result in run])


@given(st.lists(st.tuples(st.sampled_from(REGIONS), st.sampled_from("ab"))), st.integers(1, 5))
def test_each_target_has_one_result_and_an_account_in_a_region_works_on_one_at_a_time(
    places: list[tuple[str, str]], targets_at_once: int
) -> None:
    targets = [
        Target(region, Vault(account), label=str(position))
        for position, (region, account) in enumerate(places)
    ]
    at_work: Counter[tuple[str | None, object]] = Counter()

    async def work(view: LambdaCoreClient) -> str | None:
        place = (view.options.region, view.options.credentials)
        at_work[place] += 1
        assert at_work[place] == 1
        assert at_work.total() <= targets_at_once
        await settle()
        at_work[place] -= 1
        return view.options.label

    async def go() -> None:
        found: list[Target] = []
        async with client() as here:
            run = sweep(iter(targets), work, on=here, targets_at_once=targets_at_once)
            assert repr(run) == "<Sweep not entered>"
            async with run:
                async for target, result in run:
                    assert result == target.label
                    found.append(target)
        assert sorted(map(id, found)) == sorted(map(id, targets))
        assert other_tasks() == set()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (None, None, True),
        (None, Vault("own"), True),
        (None, Vault("a"), False),
        (Vault("a"), Vault("a"), True),
        (CREDENTIALS, CREDENTIALS, True),
        (CREDENTIALS, Credentials("AKIDOTHER", "other"), False),
        (
            AssumeRole("arn:aws:iam::123456789012:role/a"),
            AssumeRole("arn:aws:iam::123456789012:role/b"),
            True,
        ),
        (
            AssumeRole("arn:aws:iam::123456789012:role/a"),
            AssumeRole("arn:aws:iam::210987654321:role/a"),
            False,
        ),
    ],
)
async def test_targets_of_one_account_run_one_after_another(
    one: Any, other: Any, same: bool
) -> None:
    most = at_work = 0

    async def work(view: LambdaCoreClient) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await settle()
        at_work -= 1

    targets = [Target("us-east-1", one), Target("us-east-1", other)]
    async with (
        LambdaCoreClient("us-east-1", credentials=Vault("own")) as here,
        sweep(targets, work, on=here) as run,
    ):
        assert len([result async for result in run]) == 2
    assert most == (1 if same else 2)


async def test_work_is_a_lookup_a_listing_or_any_async_function() -> None:
    async with LocalLambdaCore(credentials=CREDENTIALS) as aws:
        aws.state.put_network_connector("prod")
        async with aws.client() as here:
            targets = [Target(aws.region, label="a")]
            names = await collect(sweep(targets, fleets.lookup, on=here))
            listed = await collect(
                sweep(targets, LambdaCoreClient.list_network_connectors, on=here)
            )
            get = partial(LambdaCoreClient.get_network_connector, identifier="prod")
            got = await collect(sweep(targets, get, on=here))

            def look_up(view: LambdaCoreClient) -> Any:
                return view.lookup_network_connectors(["prod", "gone"]).report()

            [(_, report)] = await collect(sweep(targets, look_up, on=here))
    assert names == [("a", ["prod"])]
    assert [(label, [each.name for each in items]) for label, items in listed] == [("a", ["prod"])]
    assert [(label, connector.name) for label, connector in got] == [("a", "prod")]
    assert isinstance(report, LookupReport)
    assert (list(report.found), list(report.failed)) == (["prod"], ["gone"])


async def test_a_failure_is_the_result_of_its_target() -> None:
    async def work(view: LambdaCoreClient) -> str | None:
        if view.options.label == "refused":
            await view.get_network_connector("")
        if view.options.label == "broken":
            raise KeyError("no\x1bsuch")
        if view.options.label == "cancelled":
            raise asyncio.CancelledError
        return view.options.label

    async with client() as here:
        results = dict(
            await collect(sweep(labelled("refused", "broken", "cancelled", "a"), work, on=here))
        )
    assert isinstance(results["refused"], ParameterError)
    assert results["a"] == "a"
    broken = results["broken"]
    assert isinstance(broken, WorkError)
    assert str(broken) == r"KeyError: 'no\x1bsuch'"
    assert "in work\n" in broken.traceback
    assert isinstance(broken.__cause__, KeyError)
    assert str(results["cancelled"]) == "the work cancelled itself"
    again = pickle.loads(pickle.dumps(broken))  # noqa: S301 - pickled on this line
    assert (str(again), again.traceback) == (str(broken), broken.traceback)


async def test_work_that_returns_neither_a_value_to_await_nor_items_fails() -> None:
    def work(view: LambdaCoreClient) -> Any:
        return 5

    async with client() as here:
        [(_, error)] = await collect(sweep(labelled("a"), work, on=here))
    assert str(error) == "work: must return an awaitable or an async iterable, got int"


async def test_results_are_made_only_as_fast_as_they_are_consumed() -> None:
    started = 0

    async def work(view: LambdaCoreClient) -> None:
        nonlocal started
        started += 1

    async with client() as here:
        targets = labelled(*map(str, range(100)))
        async with sweep(targets, work, on=here, targets_at_once=3) as run:
            await anext(aiter(run))
            await settle()
            assert started <= 1 + 3 + 3


async def test_work_that_cancels_its_own_task_is_a_failure_of_its_target() -> None:
    async def work(view: LambdaCoreClient) -> str:
        if view.options.label == "b":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        await asyncio.sleep(0)
        return "done"

    async with (
        client() as here,
        sweep(labelled(*"abcd"), work, on=here, targets_at_once=1) as run,
    ):
        results = {target.label: str(result) async for target, result in run}
    assert results == dict.fromkeys("acd", "done") | {"b": "the work cancelled itself"}


async def test_a_cancelled_wait_for_a_result_loses_none(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def work(view: LambdaCoreClient) -> None:
        await released.wait()

    path = tmp_path / "checkpoint"
    async with client() as here:
        async with sweep(labelled(*"abc"), work, on=here, checkpoint=path) as run:
            waiting = asyncio.ensure_future(anext(run))
            await settle()
            waiting.cancel()
            await asyncio.wait([waiting])
            released.set()
            results = [await anext(aiter(run)) for _ in range(3)]
            with pytest.raises(StopAsyncIteration):
                await anext(run)
        assert {target.label for target, _ in results} == {*"abc"}
        async with sweep(labelled(*"abc"), work, on=here, checkpoint=path) as run:
            assert run.skipped == 3


async def test_each_consumer_of_a_sweep_records_its_own_target(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    async with client() as here:
        async with sweep(labelled(*"ab"), fleets.label, on=here, checkpoint=path) as run:
            await anext(run)  # and this consumer never asks again

            async def others() -> None:
                async for _ in run:
                    pass

            await asyncio.create_task(others())
        async with sweep(labelled(*"ab"), fleets.label, on=here, checkpoint=path) as run:
            assert run.skipped == 1


async def test_leaving_a_sweep_cancels_its_work() -> None:
    fleets.AT_WORK.clear()
    async with client() as here:
        async with sweep(labelled("quick", "a", "b"), fleets.hang, on=here) as run:
            async for target, _ in run:
                assert target.label == "quick"
                break
            assert fleets.AT_WORK["anywhere"] == 2
        assert fleets.AT_WORK["anywhere"] == 0
        with pytest.raises(RuntimeError, match="entered once"):
            await run.__aenter__()
        with pytest.raises(RuntimeError, match="inside `async with`"):
            await anext(aiter(run))
    assert other_tasks() == set()


async def test_cancelling_a_sweep_at_any_await_leaves_no_task(tmp_path: Path) -> None:
    async def go() -> None:
        async with client() as here:
            targets = labelled("a", "b", "c")
            run = sweep(targets, fleets.count, on=here, checkpoint=tmp_path / "checkpoint")
            async with run:
                async for _ in run:
                    pass

    fleets.AT_WORK.clear()
    step = 0
    while await cancel_at(step, go()):
        assert (fleets.AT_WORK.total(), other_tasks()) == (0, set())
        step += 1
    assert step > 3


async def test_a_checkpoint_skips_the_targets_that_are_done(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    runs: Counter[str | None] = Counter()
    broken = {"c"}

    async def work(view: LambdaCoreClient) -> str | None:
        runs[view.options.label] += 1
        if view.options.label in broken:
            raise ValueError
        return view.options.label

    async with client() as here:
        targets = labelled(*"abcd")
        async with sweep(targets, work, on=here, targets_at_once=1, checkpoint=path) as run:
            assert run.skipped == 0
            async for target, _ in run:
                if target.label == "d":
                    break  # the result of d was not handled
        broken.clear()
        async with sweep(targets, work, on=here, checkpoint=path) as run:
            assert run.skipped == 2
            results = [result async for _, result in run]
        assert sorted(map(str, results)) == ["c", "d"]
        assert runs == {"a": 1, "b": 1, "c": 2, "d": 2}
        assert await collect(sweep(targets, work, on=here, checkpoint=path)) == []


async def test_a_sweep_has_no_skipped_targets_without_a_checkpoint() -> None:
    async with client() as here:
        assert sweep(labelled("a"), fleets.label, on=here).skipped == 0


async def items(view: LambdaCoreClient) -> AsyncGenerator[int]:
    yield 1
    yield 2


async def test_an_async_generator_function_is_work() -> None:
    async with client() as here:
        assert await collect(sweep(labelled("a"), items, on=here)) == [("a", (1, 2))]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"targets": ["us-east-1"]}, "targets[0]: expected Target, got str"),
        ({"work": "list"}, "work: expected a function, got str"),
        ({"targets_at_once": 0}, "targets_at_once: must be at least 1, got 0"),
        ({"checkpoint": 5}, "checkpoint: expected a path, got int"),
        ({"on": None}, "on: expected a LambdaCoreClient or a Dask client, got NoneType"),
        ({"options": ClientOptions()}, "options: are for Dask; here, the client has its own"),
    ],
)
def test_invalid_arguments_are_refused(change: dict[str, Any], text: str) -> None:
    arguments: dict[str, Any] = {
        "targets": labelled("a"),
        "work": fleets.label,
        "on": client(),
    }
    with pytest.raises(ParameterError) as raised:
        sweep(**(arguments | change))
    assert str(raised.value) == text


def test_failures_are_errors_of_the_library() -> None:
    assert issubclass(WorkError, LambdaCoreError)
