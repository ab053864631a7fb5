"""Sweeps: the same work in each of many accounts and regions, with one result for each target."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

from lambdacore_async.engine.cancellation import is_cancelled
from lambdacore_async.engine.identity.providers import CredentialsLike
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.workflows.checkpoints import Checkpoint
from lambdacore_async.workflows.fanout import FanOut
from lambdacore_async.workflows.targets import Target

Value = TypeVar("Value")


@runtime_checkable
class DaskClient(Protocol):
    """An asynchronous `distributed.Client`, which needs the extra `dask`."""

    @property
    def asynchronous(self) -> bool:
        """Whether the client works on the running event loop."""
        ...

    def submit(self, func: Callable[..., object], /, *args: object) -> object:
        """Submit a task to the cluster."""
        ...


class _HasViews(Protocol):
    def with_options(
        self,
        *,
        region: str | None = None,
        credentials: CredentialsLike | None = None,
        label: str | None = None,
    ) -> Self: ...


View = TypeVar("View", bound=_HasViews)


class WorkError(LambdaCoreError):
    """The work of a sweep failed in a target, with an error from outside this library.

    The message has the error's type and text. If the work ran in this process, the error is also
    the `__cause__`.

    Args:
        message: the problem.
        traceback: the error's traceback as text.
    """

    traceback: str
    """The error's traceback as text, with line breaks; empty if there is none."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return the failure of a target whose work raised an error."""
        failure = cls(
            f"{type(error).__qualname__}: {error}", "".join(traceback.format_exception(error))
        )
        failure.__cause__ = error
        return failure


async def do_work(
    work: Callable[[View], Awaitable[Any] | AsyncIterable[Any]], client: View, target: Target
) -> Any | LambdaCoreError:
    """Return the result of the work in a target: its value, a tuple of its items, or its error.

    Args:
        work: returns an awaitable of a value, or an async iterable of items.
        client: the client of which the work gets a view.
        target: the account and region.
    """
    view = client.with_options(
        region=target.region, credentials=target.credentials, label=target.label
    )
    try:
        # In a task of its own, which the work may cancel without ending the sweep.
        return await asyncio.create_task(_result_of(work, view))
    except LambdaCoreError as error:
        return error
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return WorkError("the work cancelled itself")
    except Exception as error:  # noqa: BLE001 - a failure of this target
        return WorkError.of(error)


async def _result_of(
    work: Callable[[View], Awaitable[Any] | AsyncIterable[Any]], view: View
) -> Any | LambdaCoreError:
    result = work(view)
    if isinstance(result, Awaitable):
        return await result
    if isinstance(result, AsyncIterable):
        return tuple([item async for item in result])
    return ParameterError(
        "work", f"must return an awaitable or an async iterable, got {type(result).__name__}"
    )


class Sweep(Generic[Value]):
    """A sweep over targets: use it in `async with`, and iterate over its results inside.

    It yields pairs of a target and its result as the targets complete, in any order. A result is
    what the work returned, or a `LambdaCoreError` if the work failed in that target. The other
    targets continue. Leaving the context cancels the work in progress.

    With a checkpoint, a target is done once the loop asks for the next result. So a process that
    ends while it handles a result gets that result again. A target that failed is not done.

    Args:
        groups: the targets. Those of a group run one after another.
        run: returns the result of a target.
        engine: what `run` needs; it is entered and left with the sweep.
        targets_at_once: the maximum number of targets in progress, and of results that are not
            consumed yet; at least 1.
        checkpoint: records which targets are done.
    """

    def __init__(
        self,
        groups: Sequence[Iterable[Target]],
        run: Callable[[Target], Awaitable[Value | LambdaCoreError]],
        engine: AbstractAsyncContextManager[object],
        *,
        targets_at_once: int,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._groups = iter(groups)
        self._run = run
        self._engine = engine
        self._checkpoint = checkpoint
        #: The target whose result a consumer handles until it asks for the next one.
        self._handled: dict[asyncio.Task[Any] | None, Target] = {}
        self._exit = AsyncExitStack()
        self._entered = False
        workers = min(targets_at_once, len(groups)) or 1
        self._fan_out = FanOut(
            self._work,
            first_workers=lambda: workers,
            workers=workers,
            capacity=targets_at_once,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._fan_out.state}>"

    @property
    def skipped(self) -> int:
        """The number of targets that were done when the sweep opened the checkpoint."""
        return 0 if self._checkpoint is None else self._checkpoint.done_before

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a sweep can be entered once; start another sweep")
        self._entered = True
        async with AsyncExitStack() as stack:
            if self._checkpoint is not None:
                await self._checkpoint.open()
            await stack.enter_async_context(self._engine)
            self._fan_out.start()
            stack.push_async_callback(self._fan_out.stop)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    def __aiter__(self) -> AsyncIterator[tuple[Target, Value | LambdaCoreError]]:
        return self

    async def __anext__(self) -> tuple[Target, Value | LambdaCoreError]:
        """Return the next result.

        Raises:
            RuntimeError: if the sweep is not entered, or it is left.
            OSError: if the checkpoint cannot be written.
            Exception: if the cluster failed, after the last result.
        """
        consumer = asyncio.current_task()
        if self._checkpoint is not None and (done := self._handled.get(consumer)) is not None:
            await self._checkpoint.add(done)
            del self._handled[consumer]
        target, result = await self._fan_out.next()
        if self._checkpoint is not None and not isinstance(result, LambdaCoreError):
            self._handled[consumer] = target
        return target, result

    async def _work(self) -> AsyncGenerator[tuple[Target, Value | LambdaCoreError]]:
        while self._fan_out.error is None and (group := next(self._groups, None)) is not None:
            for target in group:
                if self._checkpoint is None or target not in self._checkpoint:
                    yield target, await self._run(target)
