"""Finds secrets in errors and tasks that outlive a call, and cancels calls at any await."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, Final

from lambdacore_async.protocol.sigv4 import Credentials

#: Credentials with secrets that are easy to search for.
CREDENTIALS: Final = Credentials("AKIDEXAMPLE", "the-secret-key", "the-session-token")
_TESTS: Final = str(Path(__file__).parents[1])
_SECRETS: Final = ("the-secret-key", "the-session-token", "AWS4-HMAC-SHA256", "Signature=")


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error with all its causes and contexts, also those that tracebacks suppress."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        if error.__context__ is not error.__cause__:
            yield from chain(error.__context__)


def assert_no_secret(*shown: object) -> None:
    """Assert that no text, and no error or its attributes, contain a secret or a signature."""
    for item in shown:
        errors = chain(item) if isinstance(item, BaseException) else ()
        texts = [str(item), repr(item)]
        for error in errors:
            texts += (str(error), repr(error), repr(error.args), repr(vars(error)))
        for text, secret in itertools.product(texts, _SECRETS):
            assert secret not in text


def assert_no_secret_in_frames(error: BaseException, *secrets: str) -> None:
    """Assert that no local variable in the tracebacks of an error, or its causes, holds a secret.

    Crash reporters and some traceback formatters show local variables. The frames of tests may hold
    secrets.
    """
    for shown in chain(error):
        for frame, _ in traceback.walk_tb(shown.__traceback__):
            if _TESTS not in frame.f_code.co_filename:
                for name, value in frame.f_locals.items():
                    for secret in secrets or _SECRETS:
                        assert secret not in repr(value), f"{name} in {frame.f_code.co_qualname}"


def other_tasks() -> set[asyncio.Task[object]]:
    """Return all tasks but the current one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


async def settle() -> None:
    """Run the loop until every task waits."""
    for _ in range(20):
        await asyncio.sleep(0)


class _CancelledAt(Awaitable[object]):
    """Runs a coroutine in the current task, and cancels the task at one of its awaits."""

    def __init__(self, coroutine: Coroutine[Any, Any, object], step: int) -> None:
        self._coroutine = coroutine
        self._step = step

    def __await__(self) -> Generator[Any, Any, object]:
        error: BaseException | None = None
        for step in itertools.count():
            try:
                if error is None:
                    awaited = self._coroutine.send(None)
                else:
                    awaited = self._coroutine.throw(error)
            except StopIteration as end:
                return end.value
            if step == self._step:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield awaited
                error = None
            except BaseException as raised:  # noqa: BLE001 - passed to the coroutine
                error = raised
        raise AssertionError


async def cancel_at(step: int, coroutine: Coroutine[Any, Any, Any]) -> bool:
    """Run a coroutine in a task that is cancelled at one of its awaits.

    Args:
        step: number of the await, from 0.
        coroutine: the coroutine to run.

    Returns:
        Whether the coroutine reached that await. If not, it ran to its end.
    """

    async def run() -> object:
        return await _CancelledAt(coroutine, step)

    task = asyncio.create_task(run())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return task.cancelled()
