"""Runs over many accounts and regions; each result comes with its target."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Generic, Self, TypeVar

from attrs import frozen

from lambdacore_async.engine.identity.chain import CredentialsLike, as_provider
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.endpoints import is_region
from lambdacore_async.workflows.arguments import check_count
from lambdacore_async.workflows.fanout import FanOut

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
        self._results_of = work
        workers = min(targets_at_once, len(listed)) or 1
        self._fan_out = FanOut(
            self._work, first_workers=workers, workers=workers, capacity=targets_at_once
        )

    async def __aenter__(self) -> Self:
        self._fan_out.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._fan_out.stop()

    def __aiter__(self) -> AsyncIterator[tuple[Target, Result]]:
        return self

    async def __anext__(self) -> tuple[Target, Result]:
        """The next result, of whichever target.

        Raises:
            RuntimeError: the run is not entered, or it is left.
            Exception: a defect, such as a closed client; after all results that came.
        """
        return await self._fan_out.next()

    async def _work(self) -> AsyncGenerator[tuple[Target, Result]]:
        while self._fan_out.error is None and (target := next(self._targets, None)) is not None:
            async with aclosing(self._results_of(target)) as results:
                async for result in results:
                    yield target, result
