"""Concurrent lookups of many identifiers, which yield `Found` or `Failed` as each completes."""

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
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, Final, Self, TypeAlias, TypeVar

from attrs import frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.rate_limit import FIRST_IN_FLIGHT
from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import (
    EXPIRED_CODES,
    REPLACED_CODES,
    ApiError,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
    TransportTimeoutError,
)
from lambdacore_async.models.network_connectors import (
    ConnectorIdentifier,
    NetworkConnector,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from lambdacore_async.workflows.arguments import check_callback, check_count
from lambdacore_async.workflows.fanout import FanOut
from lambdacore_async.workflows.recent_set import RecentSet

#: A duplicate in a stream is recognised within at least this many distinct identifiers.
_DUPLICATE_WINDOW: Final = 32_768

Result = TypeVar("Result")


@frozen
class Found:
    """A successful lookup."""

    identifier: str
    """The identifier that was looked up."""
    connector: NetworkConnector
    """The connector."""


@frozen
class Failed:
    """A failed lookup."""

    identifier: str
    """The identifier that was looked up."""
    error: LambdaCoreError
    """Why the lookup failed."""


Lookup: TypeAlias = Found | Failed
"""The result of one lookup."""


@frozen
class LookupReport:
    """All results of a run, in the order of the input."""

    found: dict[str, NetworkConnector]
    """Connectors by identifier."""
    failed: dict[str, LambdaCoreError]
    """Errors by identifier."""

    def raise_for_failures(self) -> None:
        """Raise the errors of all failed lookups.

        Raises:
            ExceptionGroup: if a lookup failed; it contains all errors.
        """
        if self.failed:
            total = len(self.failed) + len(self.found)
            raise ExceptionGroup(
                f"{len(self.failed)} of {total} lookups failed", list(self.failed.values())
            )


class Lookups:
    """A run of lookups: use it in `async with`, and iterate over its results inside.

    Leaving the context cancels the lookups in progress. Iterate over a run or call `report()`, not
    both: each result goes to one consumer. A duplicate identifier is looked up once and yields one
    result. In a collection, every duplicate is recognised. In other inputs, which are not kept in
    memory, a duplicate is recognised within 32,768 distinct identifiers.

    Args:
        get: gets one connector.
        identifiers: IDs, names and ARNs, or connectors and summaries, which are looked up by ARN.
            The run checks a collection when it is created; it reads other inputs only as fast as
            results are consumed.
        concurrency: the maximum number of concurrent lookups, at least 1.
        deadline: seconds for the whole run, or a `timedelta`; at least 0. Lookups that are not
            finished by then fail with `TransportTimeoutError`, and the run reads no more of an
            asynchronous input.
        clock: times the deadline.
        is_elsewhere: returns whether an identifier is looked up outside the client's region.
            Another region may refuse credentials that are valid in the client's.
        fail_fast: whether an error that affects every lookup, such as missing or refused
            credentials, ends the run. Otherwise each remaining lookup fails with it, unsent.
        first_workers: returns the number of concurrent lookups to start with; see `FanOut`.
        observe: returns a context manager in which the lookups run; see `FanOut`.
        client: its text is in the `repr`.

    Raises:
        ParameterError: if an argument is invalid.
    """

    def __init__(
        self,
        get: Callable[[str], Coroutine[Any, Any, NetworkConnector]],
        identifiers: Iterable[ConnectorIdentifier] | AsyncIterable[ConnectorIdentifier],
        *,
        concurrency: int = 64,
        deadline: float | timedelta | None = None,
        clock: Clock,
        is_elsewhere: Callable[[str], bool] = lambda _: False,
        fail_fast: bool = True,
        first_workers: Callable[[], int] = lambda: FIRST_IN_FLIGHT,
        observe: Callable[[], AbstractContextManager[object]] = nullcontext,
        client: object = "",
    ) -> None:
        if isinstance(identifiers, str | bytes) or not isinstance(
            identifiers, Iterable | AsyncIterable
        ):
            raise ParameterError(
                "identifiers",
                f"expected an iterable of identifiers, got {type(identifiers).__name__}; "
                "pass [identifier] to look up one connector",
            )
        check_count("concurrency", concurrency)
        if deadline is not None:
            deadline = as_seconds("deadline", deadline, allow_zero=True)
        self._get = get
        self._client = client
        self._source: enumerate[str] | AsyncGenerator[tuple[int, str]] = (
            enumerate(_distinct(identifiers))
            if isinstance(identifiers, Iterable)
            else _distinct_async(identifiers)
        )
        self._source_lock = asyncio.Lock()
        self._fan_out = FanOut(
            self._work,
            first_workers=first_workers,
            workers=concurrency,
            capacity=concurrency,
            background=None if deadline is None else partial(self._expire_after, deadline),
            observe=observe,
        )
        self._deadline = deadline
        self._clock = clock
        self._is_elsewhere = is_elsewhere
        self._fail_fast = fail_fast
        self._common_error: LambdaCoreError | None = None
        self._iterated = self._reported = False
        self._scopes: set[asyncio.Timeout] = set()
        self._expired = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._fan_out.state}, {self._client}>"

    async def __aenter__(self) -> Self:
        self._fan_out.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._fan_out.stop()
        if isinstance(self._source, AsyncGenerator):
            await self._source.aclose()

    def __aiter__(self) -> AsyncIterator[Lookup]:
        return self

    async def __anext__(self) -> Lookup:
        """Return the next result, in the order in which lookups complete.

        Errors are raised after the last result.

        Raises:
            ConfigurationError: if the client's configuration allows no lookup.
            CredentialsError: if there are no credentials to sign with.
            ApiError: if the service refused the credentials.
            RuntimeError: if the run is not entered, or `report()` was called.
            Exception: if reading the input raised it, or because of a defect.
        """
        if self._reported:
            raise RuntimeError("report() consumes this run; start another run to iterate")
        self._iterated = self._iterated or self._fan_out.running
        return (await self._fan_out.next())[1]

    async def report(self, on_result: Callable[[Lookup], object] | None = None) -> LookupReport:
        """Finish the run and return all results, in the order of the input.

        Call this once, and do not iterate over the same run. Outside `async with`, this method
        enters and leaves the run.

        Args:
            on_result: a plain function, called with each `Found` or `Failed` as it completes, for
                example to show progress. Its errors end the report.

        Raises:
            ParameterError: if `on_result` is not a plain function.
            ConfigurationError: if the client's configuration allows no lookup.
            CredentialsError: if there are no credentials to sign with.
            ApiError: if the service refused the credentials.
            RuntimeError: if the report would be incomplete, because results were consumed by
                iteration or by another report.
            Exception: if reading the input raised it, or because of a defect. A note on the
                exception gives the number of completed lookups; to keep their results, iterate over
                the run instead.
        """
        if self._iterated or self._reported:
            consumer = "iterating over the run" if self._iterated else "an earlier report()"
            raise RuntimeError(
                f"the report would be incomplete: {consumer} consumes results of this run; "
                "a run can be consumed once, so start another run"
            )
        if on_result is not None:
            check_callback("on_result", on_result)
        if not self._fan_out.running:
            async with self:
                return await self.report(on_result)
        self._reported = True
        results: list[tuple[int, Lookup]] = []
        while True:
            try:
                result = await self._fan_out.next()
            except StopAsyncIteration:
                break
            except Exception as error:
                error.add_note(f"{len(results)} lookups had completed before this error")
                raise
            results.append(result)
            if on_result is not None:
                on_result(result[1])
        results.sort(key=lambda result: result[0])
        lookups = [lookup for _, lookup in results]
        return LookupReport(
            {each.identifier: each.connector for each in lookups if isinstance(each, Found)},
            {each.identifier: each.error for each in lookups if isinstance(each, Failed)},
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
        """Return the next identifier of an asynchronous input and its position, or `None`."""
        async with self._source_lock:
            return None if self._fan_out.error else await anext(source, None)

    async def _look_up(self, identifier: str) -> Lookup:
        if self._expired:
            return Failed(identifier, _deadline_error(sent=False))
        if self._common_error is not None:
            return Failed(identifier, self._common_error)
        try:
            connector = await self._until_deadline(self._get(identifier))
        except LambdaCoreError as error:
            if self._is_common(error, identifier):
                if self._fail_fast:
                    raise
                self._common_error = error
            return Failed(identifier, error)
        return (
            Failed(identifier, _deadline_error(sent=True))
            if connector is None
            else Found(identifier, connector)
        )

    def _is_common(self, error: LambdaCoreError, identifier: str) -> bool:
        """Return whether an error affects every lookup."""
        if isinstance(error, ApiError):
            return error.code in EXPIRED_CODES or (
                error.code in REPLACED_CODES and not self._is_elsewhere(identifier)
            )
        return isinstance(error, ConfigurationError | CredentialsError)

    async def _until_deadline(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Return the result of a coroutine, or `None` if it is not done by the deadline."""
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


def _distinct(identifiers: Iterable[ConnectorIdentifier]) -> Iterator[str]:
    """Return the identifiers without duplicates."""
    texts = map(_as_text, identifiers)
    if isinstance(identifiers, Collection):
        return iter(dict.fromkeys(texts))
    return filter(RecentSet(_DUPLICATE_WINDOW).add, texts)


async def _distinct_async(
    identifiers: AsyncIterable[ConnectorIdentifier],
) -> AsyncGenerator[tuple[int, str]]:
    """Yield the identifiers without duplicates, each with its position."""
    recent = RecentSet(_DUPLICATE_WINDOW)
    position = 0
    iterator = aiter(identifiers)
    try:
        async for item in iterator:
            identifier = _as_text(item)
            if recent.add(identifier):
                yield position, identifier
                position += 1
    finally:
        # The caller closes an iterator that it passed in.
        if iterator is not identifiers and isinstance(iterator, AsyncGenerator):
            await iterator.aclose()


def _as_text(identifier: ConnectorIdentifier) -> str:
    """Return an identifier, or the ARN of a connector or of a version.

    A value of another type fails alone, like an invalid string, if it is hashable.

    Raises:
        ParameterError: if it is not.
    """
    if isinstance(identifier, str):
        return identifier
    if isinstance(identifier, NetworkConnectorVersionSummary):
        return identifier.version_arn
    if isinstance(identifier, NetworkConnector | NetworkConnectorSummary):
        return identifier.arn
    try:
        hash(identifier)
    except TypeError:
        raise ParameterError(
            "identifiers", f"expected str or a connector, got {type(identifier).__name__}"
        ) from None
    return identifier


def _deadline_error(*, sent: bool) -> TransportTimeoutError:
    error = TransportTimeoutError("not done by the run's deadline", not_executed=not sent)
    error.operation = GET_NETWORK_CONNECTOR.name
    return error
