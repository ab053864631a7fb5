"""Runs over many accounts and regions, which yield each result with its target."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Generic, Self, TypeVar

from attrs import frozen

from lambdacore_async.engine.identity.providers import CredentialsLike, as_provider
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.endpoints import is_region
from lambdacore_async.workflows.arguments import check_count
from lambdacore_async.workflows.fanout import FanOut

Result = TypeVar("Result")


@frozen
class Target:
    """A region and an account's credentials, for runs over many of them.

    Raises:
        ParameterError: if the region's name is not valid, or the credentials have a wrong type.
        CredentialsError: if the keys cannot be used.
    """

    region: str
    """The AWS region."""
    credentials: CredentialsLike | None = None
    """Credentials in any form that a client accepts; `None` for the client's own."""
    label: str | None = None
    """A label for your own use."""

    def __attrs_post_init__(self) -> None:
        if not (isinstance(self.region, str) and is_region(self.region)):
            raise ParameterError("region", f"{self.region!r} is not a valid region name")
        if self.credentials is not None:
            as_provider(self.credentials)


def check_targets(targets: Iterable[Target]) -> list[Target]:
    """Return targets as a list.

    Raises:
        ParameterError: if it is not an iterable of targets.
    """
    if not isinstance(targets, Iterable):
        raise ParameterError(
            "targets", f"expected an iterable of Target, got {type(targets).__name__}"
        )
    listed = list(targets)
    for position, target in enumerate(listed):
        if not isinstance(target, Target):
            raise ParameterError(
                f"targets[{position}]", f"expected Target, got {type(target).__name__}"
            )
    return listed


class MultiTargetRun(Generic[Result]):
    """A run over many targets: use it in `async with`, and iterate over its results inside.

    It yields pairs of a target and a result as they arrive. A target's failure is reported as a
    result. Leaving the context cancels the work in progress.

    Args:
        targets: the targets. The constructor reads all of them.
        work: yields the results of one target; it is closed when the run is left.
        targets_at_once: the maximum number of concurrent targets, at least 1.
        observe: returns a context manager in which the work runs; see `FanOut`.
        client: its text is in the `repr`.

    Raises:
        ParameterError: if an argument is invalid.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        work: Callable[[Target], AsyncGenerator[Result]],
        *,
        targets_at_once: int,
        observe: Callable[[], AbstractContextManager[object]] = nullcontext,
        client: object = "",
    ) -> None:
        check_count("targets_at_once", targets_at_once)
        listed = check_targets(targets)
        self._targets = iter(listed)
        self._results_of = work
        self._client = client
        workers = min(targets_at_once, len(listed)) or 1
        self._fan_out = FanOut(
            self._work,
            first_workers=lambda: workers,
            workers=workers,
            capacity=targets_at_once,
            observe=observe,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._fan_out.state}, {self._client}>"

    async def __aenter__(self) -> Self:
        self._fan_out.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._fan_out.stop()

    def __aiter__(self) -> AsyncIterator[tuple[Target, Result]]:
        return self

    async def __anext__(self) -> tuple[Target, Result]:
        """Return the next result of any target, with that target.

        Raises:
            RuntimeError: if the run is not entered, or it is left.
            Exception: because of a defect or a closed client, after the last result.
        """
        return await self._fan_out.next()

    async def _work(self) -> AsyncGenerator[tuple[Target, Result]]:
        while self._fan_out.error is None and (target := next(self._targets, None)) is not None:
            async with aclosing(self._results_of(target)) as results:
                async for result in results:
                    yield target, result
