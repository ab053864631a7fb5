"""Sweeps on Dask: one client per worker, workers that die, cancellation, and no secrets.

Most tests use a cluster of workers in this process, which run the same code as workers elsewhere.
The test of a worker's death starts processes.
"""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")

from distributed import Client, LocalCluster

import lambdacore_async.dask as sweeps_on_dask
from lambdacore_async import (
    ClientOptions,
    Credentials,
    LambdaCoreClient,
    ParameterError,
    Sweep,
    Target,
    WorkError,
    sweep,
)
from lambdacore_async.dask import _result, _sweep_target
from lambdacore_async.local import LocalLambdaCore
from support import fleets
from support.fleets import Vault, keys_of
from support.leaks import CREDENTIALS, assert_no_secret, cancel_at, settle

TARGETS = [Target("us-east-1", Vault(str(number)), str(number)) for number in range(8)]
LABELS = {target.label: target.label for target in TARGETS}


@asynccontextmanager
async def cluster(*, processes: bool = False) -> AsyncGenerator[tuple[LocalCluster, Client]]:
    """Run a cluster of two workers with four threads each."""
    fleets.AT_WORK.clear()
    fleets.MOST.clear()
    fleets.CLIENTS.clear()
    fleets.RELEASED.clear()
    async with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=4,
            processes=processes,
            host="127.0.0.1" if processes else None,
            asynchronous=True,
            dashboard_address="127.0.0.1:0",
        ) as workers,
        Client(workers, asynchronous=True, set_as_default=False) as dask,
    ):
        yield workers, dask


async def collect(run: Sweep[Any]) -> dict[str | None, Any]:
    async with run:
        return {target.label: result async for target, result in run}


async def until_at_work(count: int) -> None:
    while fleets.AT_WORK["anywhere"] < count:  # noqa: ASYNC110 - Dask has no event for it
        await asyncio.sleep(0)


async def assert_nothing_left(workers: LocalCluster) -> None:
    while workers.scheduler.tasks:  # noqa: ASYNC110 - messages are on their way
        await asyncio.sleep(0)
    assert fleets.AT_WORK.total() == 0
    plugins = [*workers.scheduler.worker_plugins]
    for worker in workers.workers.values():
        plugins += worker.plugins
    assert [name for name in plugins if "lambdacore" in name] == []


async def test_a_worker_has_one_client_and_as_many_targets_at_once_as_threads() -> None:
    targets = [*TARGETS, *(Target("eu-west-1", label=label) for label in "abcd")]
    async with cluster() as (workers, dask):
        async with sweep(targets, fleets.wait, on=dask) as run:
            await until_at_work(8)
            await settle()
            assert fleets.AT_WORK["anywhere"] == 8
            fleets.RELEASED.set()
            results = {target.label: result async for target, result in run}
        assert results == {target.label: target.label for target in targets}
        assert len(fleets.CLIENTS) == 2
        await assert_nothing_left(workers)


async def test_an_account_in_a_region_is_on_one_worker_at_a_time() -> None:
    regions = ("us-east-1", "eu-west-1", "ap-south-1")
    targets = [Target(regions[number % 3], Vault("one"), label=str(number)) for number in range(12)]
    async with cluster() as (_, dask):
        results = await collect(sweep(targets, fleets.count, on=dask))
    assert results == {target.label: target.label for target in targets}
    assert {region: fleets.MOST[region] for region in regions} == dict.fromkeys(regions, 1)


async def test_a_worker_that_dies_loses_nothing(tmp_path: Path) -> None:
    targets = [*TARGETS, Target("us-east-1", Vault("doomed"), "doomed")]
    async with LocalLambdaCore() as aws:
        for target in targets:
            aws.accept(keys_of(target.label or ""))
        aws.state.put_network_connector("prod")
        options = ClientOptions(endpoint_url=aws.endpoint_url)
        work = partial(fleets.die_once, folder=tmp_path)
        async with cluster(processes=True) as (_, dask):
            results = await collect(sweep(targets, work, on=dask, options=options))
    assert (tmp_path / "died").exists()
    assert results == {target.label: ["prod"] for target in targets}


async def test_a_worker_that_closes_leaves_its_targets_to_the_others() -> None:
    async with cluster() as (workers, dask), sweep(TARGETS, fleets.wait, on=dask) as run:
        await until_at_work(8)
        await workers.workers[0].close()
        fleets.RELEASED.set()
        assert {target.label: result async for target, result in run} == LABELS


async def test_a_worker_that_starts_during_a_sweep_takes_part() -> None:
    targets = [*TARGETS, *(Target("eu-west-1", label=label) for label in "abcd")]
    async with (
        cluster() as (workers, dask),
        sweep(targets, fleets.wait, on=dask, targets_at_once=8) as run,
    ):
        await until_at_work(8)
        workers.scale(3)
        await dask.wait_for_workers(3)
        for worker in list(workers.workers.values())[:2]:
            await worker.close()
        await until_at_work(4)
        fleets.RELEASED.set()
        assert len([result async for result in run]) == 12
    assert len(fleets.CLIENTS) == 3


async def test_a_target_that_kills_its_workers_fails() -> None:
    async with cluster() as (workers, dask):
        workers.scheduler.allowed_failures = 0
        async with sweep(TARGETS[:1], fleets.hang, on=dask) as run:
            await until_at_work(1)
            for worker in workers.workers.values():
                await workers.scheduler.remove_worker(worker.address, stimulus_id="test")
            [(_, error)] = [result async for result in run]
    assert isinstance(error, WorkError)
    assert "all those workers died" in str(error)


async def test_leaving_a_sweep_cancels_its_tasks_and_closes_the_clients() -> None:
    targets = [*TARGETS, *(Target("eu-west-1", Vault(label), label) for label in "abcdef")]
    async with cluster() as (workers, dask):
        async with sweep(targets, fleets.hang, on=dask):
            await until_at_work(8)
        await assert_nothing_left(workers)


async def test_cancelling_a_sweep_at_any_await_leaves_nothing_on_the_cluster() -> None:
    async with cluster() as (workers, dask):
        step = 0
        while await cancel_at(step, collect(sweep(TARGETS[:3], fleets.count, on=dask))):
            await assert_nothing_left(workers)
            step += 1
    assert step > 2


@asynccontextmanager
async def transfers_held(dask: Client) -> AsyncGenerator[None]:
    """Hold all transfers of results to a client."""
    held = 5
    for _ in range(held):
        await dask._gather_semaphore.acquire()
    try:
        yield
    finally:
        for _ in range(held):
            dask._gather_semaphore.release()


async def until_transferring(dask: Client, results: int) -> None:
    while len(dask._gather_keys or ()) < results:  # noqa: ASYNC110 - Dask has no event for it
        await asyncio.sleep(0)


async def test_leaving_a_sweep_during_a_transfer_does_not_harm_the_next_one() -> None:
    async with cluster() as (workers, dask):
        async with AsyncExitStack() as held:
            await held.enter_async_context(transfers_held(dask))
            async with sweep(TARGETS, fleets.label, on=dask):
                await until_transferring(dask, len(TARGETS))
                asyncio.get_running_loop().call_soon(asyncio.ensure_future, held.pop_all().aclose())
        await assert_nothing_left(workers)
        assert await collect(sweep(TARGETS, fleets.label, on=dask)) == LABELS


async def test_a_transfer_that_the_program_cancels_is_a_failure_of_its_target() -> None:
    async with cluster() as (_, dask), transfers_held(dask):
        own = asyncio.create_task(_result(dask.submit(_sweep_target, "gone", TARGETS[0])))
        await until_transferring(dask, 1)
        results = asyncio.create_task(collect(sweep(TARGETS[:1], fleets.label, on=dask)))
        await until_transferring(dask, 2)
        await settle()
        own.cancel()
        error = (await results)["0"]
    assert isinstance(error, WorkError)
    assert str(error) == "the Dask client cancelled the result's transfer"


OUT_OF_REACH = "the cluster is out of reach: it may keep tasks and clients of a sweep"


@pytest.mark.parametrize("method", ["register_worker_plugin", "unregister_worker_plugin"])
async def test_a_scheduler_that_does_not_answer_does_not_hold_a_cancelled_sweep(
    method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweeps_on_dask, "_PATIENCE", 0.0)
    asked, answers = asyncio.Event(), asyncio.Event()

    async def hang(**_: object) -> NoReturn:
        asked.set()
        await answers.wait()
        raise ValueError

    async with cluster() as (workers, dask):
        handlers = workers.scheduler.handlers
        for name in (method, "unregister_worker_plugin"):
            monkeypatch.setitem(handlers, name, hang)
        running = asyncio.create_task(collect(sweep(TARGETS[:1], fleets.hang, on=dask)))
        if method == "unregister_worker_plugin":
            await until_at_work(1)
        else:
            await asked.wait()
        running.cancel()
        await asyncio.wait([running])
        answers.set()
    assert running.cancelled()
    assert caplog.messages.count(OUT_OF_REACH) == 1


async def test_a_dask_client_that_is_closed_ends_the_sweep(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with cluster() as (_, dask), sweep(TARGETS[:1], fleets.hang, on=dask) as run:
        await until_at_work(1)
        await dask.close()
        with pytest.raises(CancelledError, match="cancelled"):
            await anext(aiter(run))
    assert caplog.messages.count(OUT_OF_REACH) == 1


async def test_a_task_that_starts_after_its_sweep_does_nothing() -> None:
    async with cluster() as (_, dask):
        result = await dask.submit(_sweep_target, "gone", TARGETS[0])
    assert str(pickle.loads(result)) == "the sweep has been left"  # noqa: S301 - of this test


async def test_a_failure_on_a_worker_has_its_traceback() -> None:
    async def work(client: LambdaCoreClient) -> NoReturn:
        await client.get_network_connector("") if client.options.label == "0" else None
        raise ValueError("broken")

    async with cluster() as (_, dask):
        results = await collect(sweep(TARGETS[:2], work, on=dask))
    assert isinstance(results["0"], ParameterError)
    assert str(results["1"]) == "ValueError: broken"
    assert "in work\n" in results["1"].traceback


async def test_work_that_cancels_its_own_task_is_a_failure_of_its_target_on_a_cluster() -> None:
    async def work(client: LambdaCoreClient) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async with cluster() as (_, dask):
        results = await collect(sweep(TARGETS[:1], work, on=dask))
    assert str(results["0"]) == "the work cancelled itself"


def secret() -> Credentials:
    return CREDENTIALS


class _Unreadable:
    def __reduce__(self) -> Any:
        return fleets.refuse, ()

    async def __call__(self, client: LambdaCoreClient) -> str | None:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (threading.Lock, "ParameterError: work: cannot be pickled: cannot pickle"),
        (secret, "ParameterError: work: cannot be pickled: credentials: are secret"),
        (_Unreadable, "ValueError: refused"),
    ],
)
async def test_a_result_that_cannot_be_sent_is_a_failure_of_its_target(
    result: Any, text: str
) -> None:
    async def work(client: LambdaCoreClient) -> Any:
        return result()

    async with cluster() as (_, dask):
        results = await collect(sweep(TARGETS[:1], work, on=dask))
    assert str(results["0"]).startswith(text)
    assert isinstance(results["0"], WorkError)
    assert_no_secret(results["0"])


async def test_work_that_workers_cannot_read_is_refused_at_the_start() -> None:
    async with cluster() as (workers, dask):
        with pytest.raises(ValueError, match="refused"):
            await sweep(TARGETS, _Unreadable(), on=dask).__aenter__()
        await assert_nothing_left(workers)


async def provide() -> Credentials:
    return CREDENTIALS


async def holding(client: LambdaCoreClient, held: object) -> None: ...


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"options": {"region": "us-east-1"}}, "options"),
    ({"targets": [*TARGETS, Target("us-east-1", CREDENTIALS)]}, "targets[8].credentials"),
    ({"targets": [Target("us-east-1", partial(provide))]}, "targets[0].credentials"),
    ({"options": ClientOptions(credentials=CREDENTIALS)}, "options"),
    ({"work": partial(holding, held=CREDENTIALS)}, "work"),
    ({"work": lambda: CREDENTIALS.session_token}, "work"),
    ({"work": partial(holding, held=LambdaCoreClient(credentials=CREDENTIALS))}, "work"),
    ({"work": threading.Lock().acquire}, "work"),
]


@pytest.mark.parametrize(("change", "parameter"), REFUSED)
async def test_what_must_not_be_sent_to_the_cluster_is_refused(
    change: dict[str, Any], parameter: str
) -> None:
    async with cluster() as (_, dask):
        arguments: dict[str, Any] = {"targets": TARGETS, "work": fleets.label, "on": dask}
        with pytest.raises(ParameterError) as raised:
            sweep(**(arguments | change))
    assert raised.value.parameter == parameter
    assert_no_secret(raised.value)


async def test_a_checkpoint_skips_targets_on_a_cluster_too(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    async with cluster() as (_, dask):
        first = sweep(TARGETS[:5], fleets.label, on=dask, checkpoint=path)
        assert len(await collect(first)) == 5
        again = sweep(TARGETS, fleets.label, on=dask, checkpoint=path)
        assert sorted(map(str, await collect(again))) == ["5", "6", "7"]
        assert again.skipped == 5


async def test_a_synchronous_client_is_refused() -> None:
    async with cluster() as (workers, _):
        refused = await asyncio.to_thread(Client, workers.scheduler_address)
        try:
            with pytest.raises(ParameterError, match="^on: the Dask client must use this"):
                sweep(TARGETS, fleets.label, on=refused)
        finally:
            await asyncio.to_thread(refused.close)
