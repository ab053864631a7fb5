"""Lookups: each identifier yields one result, in bounded memory, and no task is left."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ConfigurationError,
    CredentialsError,
    Failed,
    Found,
    LambdaCoreError,
    Lookup,
    LookupReport,
    Lookups,
    NetworkConnector,
    NetworkConnectorState,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorVersionSummary,
    ParameterError,
    ResourceNotFoundException,
    TransportTimeoutError,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.models.network_connectors import ConnectorIdentifier


class ManualClock(Clock):
    """A clock whose sleeps end when the test sets `alarm`."""

    def __init__(self) -> None:
        self.alarm = asyncio.Event()
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        await self.alarm.wait()


class Service:
    """Answers lookups; if `held`, only after `let_go`."""

    def __init__(self, *, held: bool = False) -> None:
        self.asked: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self.cancelled = 0
        self._gate = asyncio.Event()
        if not held:
            self.let_go()

    def let_go(self) -> None:
        self._gate.set()

    async def get(self, identifier: str) -> NetworkConnector:
        self.asked.append(identifier)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            await self._gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if identifier.startswith("missing"):
            raise ResourceNotFoundException(f"no {identifier}", status_code=404)
        return NetworkConnector(arn=f"arn:{identifier}", name=identifier, id=f"nc-{identifier}")


def lookups(
    service: Service,
    identifiers: Iterable[str] | AsyncIterable[str],
    *,
    concurrency: int = 64,
    deadline: float | timedelta | None = None,
    clock: Clock | None = None,
) -> Lookups:
    return Lookups(
        service.get,
        identifiers,
        concurrency=concurrency,
        deadline=deadline,
        clock=clock or Clock(),
    )


async def settle() -> None:
    """Run all tasks until they wait."""
    for _ in range(50):
        await asyncio.sleep(0)


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def streamed(identifiers: Iterable[str]) -> AsyncGenerator[str]:
    for identifier in identifiers:
        yield identifier


async def numbers(count: int) -> AsyncGenerator[str]:
    for number in range(count):
        yield f"nc-{number}"


@pytest.mark.parametrize("as_input", [list, tuple, set, iter, dict.fromkeys])
async def test_each_identifier_of_any_iterable_yields_one_result(
    as_input: Callable[[list[str]], Iterable[str]],
) -> None:
    async with lookups(Service(), as_input(["a", "missing-b", "c"])) as run:
        results = {lookup.identifier: lookup async for lookup in run}
    assert isinstance(results["a"], Found)
    assert results["a"].connector.name == "a"
    assert isinstance(results["missing-b"], Failed)
    assert isinstance(results["missing-b"].error, ResourceNotFoundException)
    assert isinstance(results["c"], Found)


async def test_an_asynchronous_input_is_read_to_its_end() -> None:
    service = Service()
    report = await lookups(service, numbers(100)).report()
    assert list(report.found) == [f"nc-{number}" for number in range(100)]


@given(
    st.lists(st.sampled_from("abcdefgh")),
    st.integers(1, 5),
    st.sampled_from([list[str], iter, streamed]),
)
def test_a_duplicate_is_looked_up_once(
    identifiers: list[str],
    concurrency: int,
    form: Callable[[list[str]], Iterable[str] | AsyncIterable[str]],
) -> None:
    async def run() -> None:
        service = Service()
        report = await lookups(service, form(identifiers), concurrency=concurrency).report()
        assert list(report.found) == list(dict.fromkeys(identifiers))
        assert sorted(service.asked) == sorted(set(identifiers))

    asyncio.run(run())


async def test_duplicates_in_a_stream_are_recognised_within_a_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lambdacore_async.workflows.lookups._DUPLICATE_WINDOW", 2)
    service = Service()
    await lookups(service, iter("abacdeab"), concurrency=1).report()
    assert service.asked == ["a", "b", "c", "d", "e", "a", "b"]


async def test_every_duplicate_in_a_collection_is_recognised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lambdacore_async.workflows.lookups._DUPLICATE_WINDOW", 2)
    service = Service()
    await lookups(service, list("abacdeab"), concurrency=1).report()
    assert service.asked == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("concurrency", [1, 3, 17])
async def test_concurrency_bounds_the_lookups_in_progress(concurrency: int) -> None:
    service = Service()
    report = await lookups(service, numbers(200), concurrency=concurrency).report()
    assert len(report.found) == 200
    assert service.most_under_way == concurrency


async def test_the_first_run_of_a_client_starts_with_a_dozen_lookups() -> None:
    service = Service(held=True)
    async with lookups(service, numbers(200)):
        await settle()
        assert service.under_way == 12


async def test_every_third_answer_brings_one_more_worker() -> None:
    class OneByOne(Service):
        def __init__(self) -> None:
            super().__init__()
            self.permits = asyncio.Semaphore(0)

        async def get(self, identifier: str) -> NetworkConnector:
            self.under_way += 1
            await self.permits.acquire()
            self.under_way -= 1
            return await super().get(identifier)

    service = OneByOne()
    async with lookups(service, numbers(200)) as run:
        for answers in range(20):
            await settle()
            assert service.under_way == 12 + answers // 3
            service.permits.release()
            await anext(run)


async def test_the_input_is_read_only_as_fast_as_results_are_consumed() -> None:
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"nc-{read}"

    async with lookups(Service(), endless(), concurrency=5) as run:
        await settle()
        assert read <= 2 * 5
        for _ in range(100):
            await anext(run)
        await settle()
        assert read <= 100 + 2 * 5


async def test_a_report_is_in_the_order_of_the_input() -> None:
    class Reversed(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            for _ in range(20 - int(identifier.removeprefix("missing"))):
                await asyncio.sleep(0)
            return await super().get(identifier)

    identifiers = ["1", "missing2", "3", "missing4", "5"]
    report = await lookups(Reversed(), identifiers).report()
    assert list(report.found) == ["1", "3", "5"]
    assert list(report.failed) == ["missing2", "missing4"]


async def test_a_report_raises_all_failures_as_one_group() -> None:
    report = await lookups(Service(), ["missing-a", "b", "missing-c"]).report()
    with pytest.raises(ExceptionGroup, match="2 of 3 lookups failed") as raised:
        report.raise_for_failures()
    assert list(raised.value.exceptions) == list(report.failed.values())


def test_a_report_without_failures_raises_nothing() -> None:
    LookupReport({}, {}).raise_for_failures()


async def test_an_empty_input_yields_nothing() -> None:
    assert await lookups(Service(), []).report() == LookupReport({}, {})


async def test_leaving_early_cancels_lookups_and_leaves_no_task() -> None:
    service = Service(held=True)
    async with lookups(service, numbers(100), concurrency=3):
        await settle()
        assert service.under_way == 3
    assert service.cancelled == 3
    assert not others()


async def test_an_exception_of_the_consumer_leaves_no_task() -> None:
    service = Service()
    with pytest.raises(KeyError):
        async with lookups(service, numbers(100)) as run:
            async for _ in run:
                raise KeyError
    assert service.under_way == 0
    assert not others()


@pytest.mark.parametrize("steps", range(12))
async def test_cancelling_the_consumer_at_any_point_leaves_no_task(steps: int) -> None:
    service = Service()
    source = [str(number) for number in range(10)]

    async def consume() -> None:
        async with lookups(service, source, concurrency=2) as run:
            async for _ in run:
                await asyncio.sleep(0)

    task = asyncio.create_task(consume())
    for _ in range(steps):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert service.under_way == 0
    assert not others()


async def test_an_error_of_the_input_is_raised_after_all_results_are_out() -> None:
    def broken() -> Iterator[str]:
        yield "a"
        yield "b"
        raise OSError("the list is unreadable")

    seen: list[str] = []
    async with lookups(Service(), broken()) as run:
        with pytest.raises(OSError, match="unreadable"):
            async for lookup in run:
                seen.append(lookup.identifier)
    assert sorted(seen) == ["a", "b"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_cancellation_inside_the_input_is_an_error_of_the_input(
    asynchronous: bool,
) -> None:
    def broken() -> Iterator[str]:
        yield "a"
        raise asyncio.CancelledError

    async def asynchronously() -> AsyncGenerator[str]:
        for identifier in broken():
            yield identifier

    run = lookups(Service(), asynchronously() if asynchronous else broken())
    with pytest.raises(RuntimeError, match="something that the run awaits was cancelled") as raised:
        await run.report()
    assert isinstance(raised.value.__cause__, asyncio.CancelledError)
    assert raised.value.__notes__ == ["1 lookups had completed before this error"]
    assert not others()


async def test_a_defect_in_a_lookup_ends_the_run() -> None:
    class Defective(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            raise RuntimeError("the client is closed")

    with pytest.raises(RuntimeError, match="closed"):
        await lookups(Defective(), ["a", "b"]).report()
    assert not others()


async def test_a_defect_keeps_the_results_that_came_and_starts_no_more_lookups() -> None:
    class Defective(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            connector = await super().get(identifier)
            if identifier == "nc-5":
                raise OverflowError("a defect")
            return connector

    service = Defective()
    seen: list[str] = []
    async with lookups(service, numbers(1000), concurrency=2) as run:
        with pytest.raises(OverflowError):
            async for lookup in run:
                seen.append(lookup.identifier)
    assert {f"nc-{number}" for number in range(5)} <= set(seen)
    assert len(service.asked) < 10


async def test_without_fail_fast_a_common_error_fails_each_lookup_after_one_request() -> None:
    class Unequipped(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            self.asked.append(identifier)
            raise CredentialsError("no credentials")

    service = Unequipped()
    run = Lookups(service.get, list("abcdef"), concurrency=1, clock=Clock(), fail_fast=False)
    report = await run.report()
    assert list(report.failed) == list("abcdef")
    assert service.asked == ["a"]


@pytest.mark.parametrize("kind", [ConfigurationError, CredentialsError])
async def test_a_common_error_ends_the_run(
    kind: type[LambdaCoreError],
) -> None:
    class Unequipped(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            if identifier == "a":
                return await super().get(identifier)
            raise kind("no more")

    seen: list[str] = []
    async with lookups(Unequipped(), iter("abcdef"), concurrency=1) as run:
        with pytest.raises(kind, match="no more"):
            async for lookup in run:
                seen.append(lookup.identifier)
    assert seen == ["a"]


async def test_a_finished_run_stays_finished() -> None:
    async with lookups(Service(), ["a"]) as run:
        assert [lookup.identifier async for lookup in run] == ["a"]
        assert [lookup.identifier async for lookup in run] == []


@given(st.integers(0, 6), st.integers(0, 6), st.booleans())
def test_a_report_has_everything_or_is_refused(count: int, taken: int, left: bool) -> None:
    async def go() -> None:
        names = [f"missing-{number}" for number in range(count)]
        run = lookups(Service(), names)
        async with run:
            for _ in range(taken):
                await anext(run, None)
            if not left:
                await check(run, names)
        if left:
            await check(run, names)

    async def check(run: Lookups, names: list[str]) -> None:
        if taken or left:
            with pytest.raises(RuntimeError, match="once"):
                await run.report()
        else:
            assert list((await run.report()).failed) == names

    asyncio.run(go())


@pytest.mark.parametrize("inside", [False, True])
async def test_a_second_report_is_refused(inside: bool) -> None:
    async def twice(run: Lookups) -> None:
        assert list((await run.report()).failed) == ["missing"]
        with pytest.raises(RuntimeError, match="an earlier report"):
            await run.report()
        with pytest.raises(RuntimeError, match=r"report\(\) consumes this run"):
            await anext(run)

    run = lookups(Service(), ["missing"])
    if inside:
        async with run:
            await twice(run)
    else:
        await twice(run)


async def test_a_report_is_refused_while_another_task_iterates() -> None:
    service = Service(held=True)
    async with lookups(service, ["missing"]) as run:
        first = asyncio.create_task(run.__anext__())
        await settle()
        with pytest.raises(RuntimeError, match="iterating over the run"):
            await run.report()
        service.let_go()
        assert isinstance(await first, Failed)


async def test_two_reports_at_once_share_no_results() -> None:
    run = lookups(Service(), ["missing", "b"])
    first, second = await asyncio.gather(run.report(), run.report(), return_exceptions=True)
    assert isinstance(first, LookupReport)
    assert (list(first.failed), list(first.found)) == (["missing"], ["b"])
    assert isinstance(second, RuntimeError)


@given(st.integers(0, 30), st.integers(1, 4))
def test_tasks_that_iterate_over_one_run_get_each_result_once(count: int, tasks: int) -> None:
    async def go() -> None:
        async with lookups(Service(), numbers(count), concurrency=3) as run:

            async def consume() -> list[str]:
                return [lookup.identifier async for lookup in run]

            parts = await asyncio.gather(*(consume() for _ in range(tasks)))
        assert sorted(itertools.chain.from_iterable(parts)) == sorted(
            f"nc-{number}" for number in range(count)
        )

    asyncio.run(go())


async def test_leaving_a_run_wakes_a_task_that_waits_for_a_result() -> None:
    async with lookups(Service(held=True), ["a"]) as run:
        waiting = asyncio.create_task(run.__anext__())
        await settle()
    await settle()
    assert waiting.done()
    with pytest.raises(RuntimeError, match="start another run"):
        await waiting


async def test_an_error_that_ends_a_report_notes_the_number_of_completed_lookups() -> None:
    def broken() -> Iterator[str]:
        yield from "abc"
        raise OSError("the list is unreadable")

    with pytest.raises(OSError, match="unreadable") as raised:
        await lookups(Service(), broken()).report()
    assert raised.value.__notes__ == ["3 lookups had completed before this error"]


async def test_iterating_outside_the_context_is_refused() -> None:
    run = lookups(Service(), ["a"])
    with pytest.raises(RuntimeError, match="async with"):
        await anext(run)
    async with run:
        pass
    with pytest.raises(RuntimeError, match="async with"):
        await anext(run)


async def test_a_run_is_entered_once() -> None:
    run = lookups(Service(), ["a"])
    await run.report()
    with pytest.raises(RuntimeError, match="once"):
        await run.report()


async def test_a_refused_second_entry_starts_no_timer() -> None:
    clock = ManualClock()
    run = lookups(Service(held=True), ["a"], deadline=1, clock=clock)
    async with run:
        await settle()
        with pytest.raises(RuntimeError, match="once"):
            await run.__aenter__()
        await settle()
    assert clock.sleeps == [1]
    assert not others()


async def test_lookups_that_miss_the_deadline_fail_and_earlier_results_stay() -> None:
    class Stuck(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            if identifier == "stuck":
                await asyncio.Event().wait()
            return await super().get(identifier)

    clock = ManualClock()
    identifiers = ["a", "stuck", "b"]
    async with lookups(Stuck(), identifiers, concurrency=2, deadline=9.5, clock=clock) as run:
        early = {(await anext(run)).identifier for _ in range(2)}
        clock.alarm.set()
        (late,) = [lookup async for lookup in run]
    assert early == {"a", "b"}
    assert clock.sleeps == [9.5]
    assert isinstance(late, Failed)
    assert late.identifier == "stuck"
    assert isinstance(late.error, TransportTimeoutError)
    assert not late.error.not_executed
    assert late.error.operation == "GetNetworkConnector"
    assert not others()


async def test_a_lookup_that_never_started_before_the_deadline_was_not_executed() -> None:
    clock = ManualClock()
    service = Service(held=True)
    async with lookups(service, iter("abcdef"), concurrency=2, deadline=1, clock=clock) as run:
        await settle()
        clock.alarm.set()
        results = [lookup async for lookup in run]
    assert sorted(service.asked) == ["a", "b"]
    assert {x.identifier: x.error.not_executed for x in results if isinstance(x, Failed)} == {
        "a": False,
        "b": False,
        "c": True,
        "d": True,
        "e": True,
        "f": True,
    }


async def test_an_asynchronous_input_that_stalls_ends_with_the_deadline() -> None:
    async def stalling() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    clock = ManualClock()
    async with lookups(Service(), stalling(), deadline=1, clock=clock) as run:
        assert (await anext(run)).identifier == "a"
        clock.alarm.set()
        assert [lookup async for lookup in run] == []
    assert not others()


async def test_a_timeout_of_a_lookup_is_reported_as_itself() -> None:
    class Impatient(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            raise TransportTimeoutError("no answer")

    report = await lookups(Impatient(), ["a"], deadline=1, clock=ManualClock()).report()
    assert str(report.failed["a"]) == "no answer"


async def test_a_foreign_timeout_in_a_lookup_is_a_defect() -> None:
    class Foreign(Service):
        async def get(self, identifier: str) -> NetworkConnector:
            raise TimeoutError("not ours")

    with pytest.raises(TimeoutError, match="not ours"):
        await lookups(Foreign(), ["a"], deadline=1, clock=ManualClock()).report()


async def test_an_iterator_that_was_passed_in_is_left_to_its_owner() -> None:
    source = numbers(100)
    async with lookups(Service(), source, concurrency=1) as run:
        await anext(run)
    assert (await anext(source)).startswith("nc-")
    await source.aclose()


async def test_an_iterator_that_was_made_for_the_run_is_closed_with_it() -> None:
    class Source:
        closed = False

        async def __aiter__(self) -> AsyncIterator[str]:
            try:
                for number in range(100):
                    yield str(number)
            finally:
                self.closed = True

    source = Source()
    async with lookups(Service(), source, concurrency=1) as run:
        await anext(run)
    assert source.closed


async def test_a_run_that_is_never_entered_leaves_nothing() -> None:
    lookups(Service(), numbers(3))
    gc.collect()
    await settle()
    assert not others()


@pytest.mark.parametrize("identifiers", ["prod-egress", b"prod-egress", 5, None])
def test_a_single_identifier_is_refused(identifiers: object) -> None:
    with pytest.raises(ParameterError, match="^identifiers: expected an iterable") as raised:
        lookups(Service(), identifiers)  # type: ignore[arg-type] # the mistake
    assert raised.value.parameter == "identifiers"


@pytest.mark.parametrize("as_input", [list, iter])
async def test_an_identifier_that_is_not_hashable_is_refused_by_name(
    as_input: Callable[[list[Any]], Iterable[Any]],
) -> None:
    with pytest.raises(
        ParameterError, match=r"^identifiers: expected str or a connector, got list"
    ) as raised:
        await lookups(Service(), as_input([["a"]])).report()
    assert raised.value.parameter == "identifiers"
    assert not others()


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, "64", True])
def test_a_concurrency_below_one_is_refused(concurrency: int) -> None:
    with pytest.raises(ParameterError, match="^concurrency"):
        lookups(Service(), [], concurrency=concurrency)


@pytest.mark.parametrize("deadline", [-1, float("nan"), float("inf"), 10**400, True, "5", [5]])
def test_an_invalid_deadline_is_refused(deadline: Any) -> None:
    with pytest.raises(ParameterError, match="^deadline"):
        lookups(Service(), [], deadline=deadline)


async def test_a_deadline_may_be_a_timedelta() -> None:
    clock = ManualClock()
    async with lookups(Service(held=True), ["a"], deadline=timedelta(minutes=1), clock=clock):
        await settle()
        assert clock.sleeps == [60.0]


SUMMARY: Final = NetworkConnectorSummary(
    arn="arn:summary", name="s", id="nc-s", type=NetworkConnectorType.VPC_EGRESS
)
VERSION: Final = NetworkConnectorVersionSummary(
    arn="arn:version",
    version_arn="arn:version:3",
    name="v",
    id="nc-v",
    version=3,
    state=NetworkConnectorState.ACTIVE,
)
MODELS: Final[list[ConnectorIdentifier]] = [
    SUMMARY,
    NetworkConnector(arn="arn:connector", name="c", id="nc-c"),
    VERSION,
    "arn:summary",
    "name",
]


@pytest.mark.parametrize("kind", ["a list", "an iterator", "a stream"])
async def test_connectors_and_summaries_are_looked_up_by_arn(kind: str) -> None:
    async def stream() -> AsyncGenerator[ConnectorIdentifier]:
        for model in MODELS:
            yield model

    inputs: dict[str, Iterable[ConnectorIdentifier] | AsyncIterable[ConnectorIdentifier]] = {
        "a list": MODELS,
        "an iterator": iter(MODELS),
        "a stream": stream(),
    }
    service = Service()
    report = await Lookups(service.get, inputs[kind], clock=Clock()).report()
    expected = ["arn:summary", "arn:connector", "arn:version:3", "name"]
    assert list(report.found) == expected
    assert sorted(service.asked) == sorted(expected)


async def test_a_report_passes_on_each_result_as_it_completes() -> None:
    seen: list[Lookup] = []
    report = await lookups(Service(), ["a", "missing", "b"]).report(on_result=seen.append)
    assert {each.identifier for each in seen if isinstance(each, Found)} == set(report.found)
    assert {each.identifier for each in seen if isinstance(each, Failed)} == set(report.failed)
    assert len(seen) == 3


async def test_an_error_of_on_result_ends_the_report_and_its_lookups() -> None:
    def broken(_: object) -> None:
        raise OverflowError("of the caller")

    service = Service()
    with pytest.raises(OverflowError, match="of the caller"):
        await lookups(service, numbers(1000), concurrency=2).report(broken)
    assert len(service.asked) < 10
    assert not others()


async def test_on_result_is_a_plain_function() -> None:
    async def progress(_: object) -> None:
        """Would never be awaited."""

    for wrong in (progress, 5):
        run = lookups(Service(), ["a"])
        with pytest.raises(ParameterError, match="^on_result: "):
            await run.report(wrong)  # type: ignore[arg-type] # the mistake
        assert list((await run.report()).found) == ["a"]


class Refusing(Service):
    """Refuses the credentials of each lookup but the first."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code

    async def get(self, identifier: str) -> NetworkConnector:
        if not self.asked:
            return await super().get(identifier)
        self.asked.append(identifier)
        raise ApiError("no", code=self._code, status_code=403)


REFUSALS: Final = (
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "ExpiredToken",
    "ExpiredTokenException",
)


@pytest.mark.parametrize("code", REFUSALS)
async def test_refused_credentials_end_the_run(code: str) -> None:
    service = Refusing(code)
    seen: list[str] = []
    async with lookups(service, list("abcdef"), concurrency=1) as run:
        with pytest.raises(ApiError, match=code):
            async for lookup in run:
                seen.append(lookup.identifier)
    assert (seen, service.asked) == (["a"], ["a", "b"])


@pytest.mark.parametrize("code", REFUSALS)
async def test_without_fail_fast_refused_credentials_fail_the_rest_unsent(code: str) -> None:
    service = Refusing(code)
    run = Lookups(service.get, list("abcdef"), concurrency=1, clock=Clock(), fail_fast=False)
    report = await run.report()
    assert (list(report.found), list(report.failed)) == (["a"], list("bcdef"))
    assert service.asked == ["a", "b"]


async def test_a_denied_lookup_fails_alone() -> None:
    report = await lookups(Refusing("AccessDeniedException"), list("abc"), concurrency=1).report()
    assert list(report.failed) == ["b", "c"]


async def test_credentials_that_another_region_does_not_know_fail_alone() -> None:
    service = Refusing("UnrecognizedClientException")
    run = Lookups(
        service.get, list("abc"), concurrency=1, clock=Clock(), is_elsewhere=lambda _: True
    )
    assert list((await run.report()).failed) == ["b", "c"]
