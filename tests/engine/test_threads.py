"""Blocking work in dedicated threads, independent of the loop's executor."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdacore_async.engine.threads import run_in_thread


async def test_the_caller_gets_the_result_or_the_error_of_the_work() -> None:
    assert await run_in_thread(lambda: 7) == 7
    with pytest.raises(KeyError, match="LOST"):
        await run_in_thread(lambda: os.environ["LOST"])


async def test_a_busy_default_executor_delays_nothing() -> None:
    release = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        asyncio.get_running_loop().set_default_executor(executor)
        busy = asyncio.get_running_loop().run_in_executor(None, release.wait)
        assert await run_in_thread(threading.get_ident) != threading.get_ident()
        release.set()
        await busy


async def test_work_runs_in_a_daemon_thread() -> None:
    assert await run_in_thread(lambda: threading.current_thread().daemon)


async def test_a_cancelled_caller_does_not_wait_for_the_work() -> None:
    release, done = threading.Event(), threading.Event()

    def work() -> None:
        release.wait()
        done.set()

    waiting = asyncio.create_task(run_in_thread(work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
    assert done.wait(10)
    await asyncio.sleep(0)


def test_a_closed_loop_gets_no_result() -> None:
    release = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        release.wait()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await run_in_thread(work)

    asyncio.run(give_up())
    release.set()
    while not threads:
        pass
    threads[0].join(10)
    assert not threads[0].is_alive()
