"""Runs blocking work in dedicated threads, independent of the loop's default executor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

Result = TypeVar("Result")

#: The name of the threads. Simulated time waits for them.
THREAD_NAME: Final = "lambdacore-async"


async def run_in_thread(work: Callable[[], Result]) -> Result:
    """Run blocking work in a new daemon thread, and return its result.

    A busy default executor cannot delay the work. A thread that hangs prevents neither the loop nor
    the process from ending. If the caller is cancelled, the work continues without it.

    Args:
        work: a blocking function without parameters.

    Raises:
        Exception: any error that the work raises.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[Result] = loop.create_future()

    def deliver(value: Result | None, error: BaseException | None) -> None:
        if result.done():  # the caller was cancelled
            return
        if error is None:
            result.set_result(value)  # type: ignore[arg-type] # without an error, it is a `Result`
        else:
            result.set_exception(error)

    def run() -> None:
        value: Result | None = None
        error: BaseException | None = None
        try:
            value = work()
        except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
            error = raised
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(deliver, value, error)

    threading.Thread(target=run, name=THREAD_NAME, daemon=True).start()
    return await result
