"""Runs over many accounts and regions; each result comes with its target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

from attrs import frozen

from lambdacore_async.engine.identity.providers import CredentialsLike, as_provider
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.endpoints import is_region
from lambdacore_async.workflows.arguments import check_count

Result = TypeVar("Result")


@frozen
class Target:
    """A region, and whose account in it.

    Attributes:
        region: the AWS region.
        credentials: who signs there, in any form that a client takes; `None` for the client's own.
        label: what you call it, for your own use.

    Raises:
        ParameterError: the region is not a valid region name, or the credentials are of a wrong
            kind.
        CredentialsError: the keys cannot be used.
    """

    region: str
    credentials: CredentialsLike | None = None
    label: str | None = None

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.region, str) and is_region(self.region)):
            raise ParameterError("region", f"{self.region!r} is not a valid region name")
        if self.credentials is not None:
            as_provider(self.credentials)


class MultiTargetRun(Generic[Result]):
    """A run over targets: an async context manager, and inside it an async iterator.

    It yields pairs of a target and a result, as they come. Leaving the context, however it is left,
    ends all that is under way. A target's failure is reported as a result.

    Args:
        targets: the targets; the run reads all of them when it is made.
        work: makes the results of one target; closed when the run is left.
        targets_at_once: how many targets may be under way at once, at least 1.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        work: Callable[[Target], AsyncGenerator[Result]],
        *,
        targets_at_once: int,
    ) -> None:
        check_count("targets_at_once", targets_at_once)
        if not isinstance(targets, Iterable):
            raise ParameterError(
                "targets", f"expected an iterable of targets, got {type(targets).__name__}"
            )
        listed = list(targets)
        for position, target in enumerate(listed):
            if not isinstance(target, Target):
                raise ParameterError(
                    f"targets[{position}]", f"expected Target, got {type(target).__name__}"
                )
        self._targets = iter(listed)
        self._work = work
        self._working = min(targets_at_once, len(listed))
        # `None` in the queue says that all workers are done.
        self._results: asyncio.Queue[tuple[Target, Result] | None] = asyncio.Queue(targets_at_once)
        self._tasks: list[asyncio.Task[None]] = []
        self._running = self._entered = False
        self._fault: Exception | None = None

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a multi-target run can be entered once; start another run")
        self._running = self._entered = True
        if not self._working:
            self._results.put_nowait(None)
        self._tasks = [asyncio.create_task(self._go()) for _ in range(self._working)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._results.empty():
            self._results.put_nowait(None)  # another task may wait for a result

    def __aiter__(self) -> AsyncIterator[tuple[Target, Result]]:
        return self

    async def __anext__(self) -> tuple[Target, Result]:
        """The next result, of whichever target.

        Raises:
            RuntimeError: the run is not entered, or it is left.
            Exception: a defect, such as a closed client; after all results that came.
        """
        result = None
        if self._running and (result := await self._results.get()) is None:
            self._results.put_nowait(None)  # for other tasks that wait
        if not self._running:
            raise RuntimeError(
                "iterate over a multi-target run inside `async with`; "
                "once it is left, start another run"
            )
        if result is not None:
            return result
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    async def _go(self) -> None:
        try:
            while self._fault is None and (target := next(self._targets, None)) is not None:
                async with aclosing(self._work(target)) as results:
                    async for result in results:
                        await self._results.put((target, result))
        except Exception as error:  # noqa: BLE001 - a defect; raised at the end
            self._fault = self._fault or error
        self._working -= 1
        if not self._working:
            await self._results.put(None)
