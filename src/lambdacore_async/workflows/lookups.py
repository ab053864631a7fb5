"""Fan-out: many identifiers in, `Found` or `Failed` out, each as it completes.

A fixed set of workers takes identifiers from the input and puts results into a bounded queue. So
memory depends on the concurrency alone, however long the input is, and a slow consumer slows the
workers down.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
)
from functools import partial
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypeVar

from attrs import frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import (
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
    TransportTimeoutError,
)
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from lambdacore_async.workflows.arguments import check_count, check_seconds
from lambdacore_async.workflows.fanout import FanOut
from lambdacore_async.workflows.recent import Recent

#: Workers to start with; every fourth answer brings one more, up to the concurrency. A
#: service that throttles is so met softly: the first wave is small.
_FIRST_WORKERS: Final = 2
_ANSWERS_PER_WORKER: Final = 4
#: Of an input that is no collection, a repeat is recognised within at least so many identifiers.
_MEMORY: Final = 32_768

Result = TypeVar("Result")


@frozen
class Found:
    """A connector that was found."""

    identifier: str
    connector: NetworkConnector


@frozen
class Failed:
    """A lookup that failed, and why."""

    identifier: str
    error: LambdaCoreError


Lookup: TypeAlias = Found | Failed


@frozen
class LookupReport:
    """All results of a run, in the order of the input.

    Attributes:
        found: connectors by identifier.
        failed: errors by identifier.
    """

    found: dict[str, NetworkConnector]
    failed: dict[str, LambdaCoreError]

    def raise_for_failures(self) -> None:
        """Raise what failed, if anything did.

        Raises:
            ExceptionGroup: of all the errors.
        """
        if self.failed:
            total = len(self.failed) + len(self.found)
            raise ExceptionGroup(
                f"{len(self.failed)} of {total} lookups failed", list(self.failed.values())
            )


class Lookups:
    """A run of lookups: an async context manager, and inside it an async iterator.

    Leaving the context, however it is left, cancels lookups in progress. Either iterate over a run
    or call `report()`: each result goes to one consumer. An identifier that comes twice is looked
    up once and yields one result. That holds for a whole collection. Any other input is not kept in
    memory, and repeats are recognised within at least 32,768 identifiers.

    Args:
        get: looks up one connector.
        identifiers: the input; it is read only as fast as results are consumed.
        concurrency: how many lookups may be under way at once, at least 1.
        deadline: seconds for the whole run, at least 0; lookups that are not done by then fail with
            `TransportTimeoutError`, and no more of an asynchronous input is read.
        clock: tells when the deadline has come.
        fail_fast: whether an error that affects every lookup, such as missing credentials, ends
            the run instead of being reported for each.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        get: Callable[[str], Coroutine[Any, Any, NetworkConnector]],
        identifiers: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = 64,
        deadline: float | None = None,
        clock: Clock,
        fail_fast: bool = True,
    ) -> None:
        if isinstance(identifiers, str | bytes) or not isinstance(
            identifiers, Iterable | AsyncIterable
        ):
            raise ParameterError(
                "identifiers", f"expected many identifiers, got {type(identifiers).__name__}"
            )
        check_count("concurrency", concurrency)
        if deadline is not None:
            check_seconds("deadline", deadline, at_once=True)
        self._get = get
        self._source: enumerate[str] | AsyncGenerator[tuple[int, str]] = (
            enumerate(_distinct(identifiers))
            if isinstance(identifiers, Iterable)
            else _distinct_async(identifiers)
        )
        self._source_lock = asyncio.Lock()
        self._fan_out = FanOut(
            self._work,
            first_workers=min(_FIRST_WORKERS, concurrency),
            workers=concurrency,
            capacity=concurrency,
            background=None if deadline is None else partial(self._expire_after, deadline),
        )
        self._deadline = deadline
        self._clock = clock
        self._fail_fast = fail_fast
        self._common_error: LambdaCoreError | None = None
        self._iterated = self._reported = False
        self._scopes: set[asyncio.Timeout] = set()
        self._expired = False

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
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()

    def __aiter__(self) -> AsyncIterator[Lookup]:
        return self

    async def __anext__(self) -> Lookup:
        """The next result, as lookups complete.

        Raises:
            ConfigurationError: the client is not set up for any lookup.
            CredentialsError: there are no credentials to sign with.
            RuntimeError: the run is not entered, or `report()` collects its results.
            Exception: what reading the input raised, or a defect. Like the errors above, it is
                raised after all results are out.
        """
        if self._reported:
            raise RuntimeError("report() has the results of this run; iterate over another run")
        self._iterated = self._iterated or self._fan_out.running
        return (await self._fan_out.next())[1]

    async def report(self) -> LookupReport:
        """Run to the end and collect all results, in the order of the input.

        A run has one consumer: call this once, and do not iterate over the same run.

        Raises:
            ConfigurationError: the client is not set up for any lookup.
            CredentialsError: there are no credentials to sign with.
            RuntimeError: a report would lack results that were taken before, by iterating over the
                run or by another report.
            Exception: what reading the input raised, or a defect. A note tells how many lookups had
                completed; iterate over a run to keep their results.
        """
        if self._iterated or self._reported:
            taken = "iterating over the run" if self._iterated else "an earlier report()"
            raise RuntimeError(
                f"the report would be incomplete, because {taken} takes results of this run; "
                "a run can be consumed once, so start another run"
            )
        if not self._fan_out.running:
            async with self:
                return await self.report()
        self._reported = True
        results: list[tuple[int, Lookup]] = []
        try:
            while True:
                results.append(await self._fan_out.next())
        except StopAsyncIteration:
            pass
        except Exception as error:
            error.add_note(f"{len(results)} lookups had completed before this error")
            raise
        results.sort(key=lambda result: result[0])
        lookups = [lookup for _, lookup in results]
        return LookupReport(
            found={x.identifier: x.connector for x in lookups if isinstance(x, Found)},
            failed={x.identifier: x.error for x in lookups if isinstance(x, Failed)},
        )

    async def _work(self) -> AsyncGenerator[tuple[int, Lookup]]:
        source = self._source
        while self._fan_out.error is None:
            numbered = (
                next(source, None)
                if isinstance(source, enumerate)
                else await self._until_deadline(self._pull(source))
            )
            if numbered is None:
                return
            position, identifier = numbered
            yield position, await self._look_up(identifier)

    async def _pull(self, source: AsyncGenerator[tuple[int, str]]) -> tuple[int, str] | None:
        """The next identifier of an asynchronous input, and its place there; `None` at the end."""
        async with self._source_lock:
            return None if self._fan_out.error else await anext(source, None)

    async def _look_up(self, identifier: str) -> Lookup:
        if self._expired:
            return Failed(identifier, _too_late(asked=False))
        if self._common_error is not None:
            return Failed(identifier, self._common_error)
        try:
            connector = await self._until_deadline(self._get(identifier))
        except (ConfigurationError, CredentialsError) as error:
            if self._fail_fast:
                raise
            self._common_error = error
            return Failed(identifier, error)
        except LambdaCoreError as error:
            return Failed(identifier, error)
        return (
            Failed(identifier, _too_late(asked=True))
            if connector is None
            else Found(identifier, connector)
        )

    async def _until_deadline(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Do some work; `None` if it is not done by the deadline."""
        if self._deadline is None:
            return await work
        scope = asyncio.timeout(0 if self._expired else None)
        try:
            async with scope:
                self._scopes.add(scope)
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
            return None
        finally:
            self._scopes.discard(scope)

    async def _expire_after(self, deadline: float) -> None:
        await self._clock.sleep(deadline)
        self._expired = True
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            scope.reschedule(now)


def _distinct(identifiers: Iterable[str]) -> Iterator[str]:
    """The input without repeats."""
    if isinstance(identifiers, Collection):
        yield from dict.fromkeys(map(_hashable, identifiers))
    else:
        yield from filter(Recent(_MEMORY).is_new, map(_hashable, identifiers))


async def _distinct_async(identifiers: AsyncIterable[str]) -> AsyncGenerator[tuple[int, str]]:
    """The input without repeats, numbered."""
    recent = Recent(_MEMORY)
    position = 0
    iterator = aiter(identifiers)
    try:
        async for identifier in iterator:
            if recent.is_new(_hashable(identifier)):
                yield position, identifier
                position += 1
    finally:
        # An iterator that was made here is closed here; one that was passed in is its owner's.
        if iterator is not identifiers and isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _hashable(identifier: str) -> str:
    """The identifier; what cannot be told from another cannot be reported on by itself."""
    try:
        hash(identifier)
    except TypeError:
        raise ParameterError(
            "identifiers", f"expected str, got {type(identifier).__name__}"
        ) from None
    return identifier


def _too_late(*, asked: bool) -> TransportTimeoutError:
    error = TransportTimeoutError("not done by the run's deadline", not_executed=not asked)
    error.operation = GET_NETWORK_CONNECTOR.name
    return error
