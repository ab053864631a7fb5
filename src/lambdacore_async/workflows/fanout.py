"""Fan-out: concurrent workers that pass results to consumers through a bounded queue.

Workers wait while the queue is full. Memory use therefore depends on the concurrency, not on the
number of results, and a slow consumer slows down the workers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractContextManager, aclosing, nullcontext
from contextvars import copy_context
from typing import Final, Generic, TypeVar

Result = TypeVar("Result")

#: Every third result starts another worker, up to the limit.
_RESULTS_PER_WORKER: Final = 3


class FanOut(Generic[Result]):
    """Runs workers until all of them end or the run is stopped.

    A run starts with 12 workers, or with the highest number of requests that the service has served
    concurrently, which the client remembers for each account and region. Every third result adds a
    worker, so their number grows by a third in each round trip. This is a compromise. When a bucket
    is empty, the service throttles all requests of the next round trip, and faster growth sends
    more of them.
    With 12 workers, a service that allows 15 requests per second with a burst of 15 throttles less
    than a tenth of the requests of a run of 300. Without a limit, the first 50 lookups of a client
    take two to three times as long as if all were sent at once, and the next 50 take no longer than
    that. Once there is a limit, the rate limiter spaces the requests, and the number of workers
    matters little.

    A worker is an async generator of results. If one raises an exception, the others continue, and
    `next` raises the exception after the last result. Workers that share an input check `error`
    before they take more from it.

    Args:
        worker: starts a worker.
        first_workers: returns the number of workers to start with, at least 1.
        workers: the maximum number of workers.
        capacity: the number of results in the queue at which workers begin to wait, at least 1.
            Each worker may add one more.
        background: a coroutine function that runs until the run is stopped.
        observe: returns a context manager in which the workers run. Its context variables reach the
            workers, not the caller.
    """

    def __init__(
        self,
        worker: Callable[[], AsyncGenerator[Result]],
        *,
        first_workers: Callable[[], int],
        workers: int,
        capacity: int,
        background: Callable[[], Coroutine[None, None, None]] | None = None,
        observe: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self._worker = worker
        self._first_workers = first_workers
        self._workers = workers
        self._capacity = capacity
        self._background = background
        self._observed = observe()
        self._context = copy_context()  # of the task that enters the run
        # `None` marks the end of the results.
        self._results: deque[Result | None] = deque()
        self._arrived = asyncio.Event()
        # Set once half of the queue is free: waking workers for each result would cost more.
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = self._working = self._results_made = 0
        self._entered = False
        self.running: bool = False
        self.error: Exception | None = None

    @property
    def state(self) -> str:
        """The state of the run, in words."""
        if self.running:
            return "running"
        return "ended" if self._entered else "not entered"

    def start(self) -> None:
        """Start the first workers.

        Raises:
            RuntimeError: if the run was started before.
        """
        if self._entered:
            raise RuntimeError("a run can be entered once; start another run")
        self._entered = self.running = True
        self._context = copy_context()
        self._context.run(self._observed.__enter__)
        if self._background is not None:
            self._tasks.append(asyncio.create_task(self._background()))
        self._start_workers(self._first_workers())

    async def stop(self) -> None:
        """Cancel all workers, and wake the tasks that wait for a result."""
        self.running = False
        self._arrived.set()
        for task in self._tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            error = self.error
            kind = None if error is None else type(error)
            self._context.run(self._observed.__exit__, kind, error, None)

    async def next(self) -> Result:
        """Return the next result.

        Raises:
            StopAsyncIteration: if there are no more results.
            RuntimeError: if the run is not started, or it is stopped.
            Exception: if a worker raised it, after the last result.
        """
        results = self._results
        while self.running and not results:
            self._arrived.clear()
            await self._arrived.wait()
        if not self.running:
            raise RuntimeError(
                "iterate over a run inside `async with`; to iterate again, start another run"
            )
        result = results.popleft()
        if len(results) <= self._capacity // 2:
            self._has_room.set()
        if result is not None:
            return result
        self._put(None)  # for the next call
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    def _start_workers(self, count: int) -> None:
        """Start workers until this many were started."""
        while self._started < min(count, self._workers):
            self._started += 1
            self._working += 1
            # Each task has its own copy, because a context is for one task at a time.
            task = asyncio.create_task(self._work(), context=self._context.copy())
            self._tasks.append(task)

    async def _work(self) -> None:
        try:
            async with aclosing(self._worker()) as results:
                async for result in results:
                    self._put(result)
                    if len(self._results) >= self._capacity:
                        self._has_room.clear()
                    if not self._has_room.is_set():
                        await self._has_room.wait()
                    if self._started < self._workers:
                        self._results_made += 1
                        if self._results_made == 1:  # only now does the client know the region
                            self._start_workers(self._first_workers())
                        if self._results_made % _RESULTS_PER_WORKER == 0:
                            self._start_workers(self._started + 1)
        except asyncio.CancelledError as error:
            if not self.running:
                raise
            # `stop` did not do this: the input raised it. Consumers are not cancelled, so they get
            # an exception, and do not wait for the end of this worker for ever.
            cancelled = RuntimeError("something that the run awaits was cancelled")
            cancelled.__cause__ = error
            self.error = self.error or cancelled
        except Exception as error:  # noqa: BLE001 - raised after the last result
            self.error = self.error or error
        self._working -= 1
        if not self._working:
            self._put(None)

    def _put(self, result: Result | None) -> None:
        self._results.append(result)
        self._arrived.set()
