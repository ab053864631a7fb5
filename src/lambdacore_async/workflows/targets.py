"""One run over many accounts and regions; each result comes with the target that it is from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

from attrs import frozen

from lambdacore_async.engine.identity.chain import CredentialsLike
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.endpoints import is_region

Result = TypeVar("Result")


@frozen
class Target:
    """A region, and whose account in it.

    Attributes:
        region: the AWS region.
        credentials: who signs there, in any form that a client takes; `None` for the client's own.
        label: what you call it, for your own use.

    Raises:
        ParameterError: the region is no region's name.
    """

    region: str
    credentials: CredentialsLike | None = None
    label: str | None = None

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.region, str) and is_region(self.region)):
            raise ParameterError("region", f"{self.region!r} is not a valid region name")


class MultiTargetRun(Generic[Result]):
    """A run over targets: an async context manager, and inside it an async iterator.

    It yields pairs of a target and a result, as they come. Leaving the context, however it is left,
    ends all that is under way. What a target fails with is a result of its own.

    Args:
        targets: where to go.
        work: what to do at one; closed when the run is left.
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
        if type(targets_at_once) is not int or targets_at_once < 1:
            raise ParameterError("targets_at_once", f"must be at least 1, got {targets_at_once!r}")
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
            raise RuntimeError("a sweep can be entered once")
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

    def __aiter__(self) -> AsyncIterator[tuple[Target, Result]]:
        return self

    async def __anext__(self) -> tuple[Target, Result]:
        """The next result, of whichever target.

        Raises:
            Exception: a defect, such as a closed client; after all results that came.
        """
        if not self._running:
            raise RuntimeError("iterate over a sweep inside `async with`, so that none is left")
        result = await self._results.get()
        if result is not None:
            return result
        self._results.put_nowait(None)  # for whoever asks again
        if self._fault is not None:
            raise self._fault
        raise StopAsyncIteration

    async def _go(self) -> None:
        try:
            for target in self._targets:
                async with aclosing(self._work(target)) as results:
                    async for result in results:
                        await self._results.put((target, result))
        except Exception as error:  # noqa: BLE001 - a defect; raised at the end
            self._fault = self._fault or error
            self._targets = iter(())
        self._working -= 1
        if not self._working:
            await self._results.put(None)
