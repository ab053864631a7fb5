"""The hook around calls, as users see it, and the limit of logs."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    Attempt,
    Call,
    CallKind,
    ConfigurationError,
    Credentials,
    LambdaCoreClient,
    ResourceNotFoundException,
    Target,
)
from lambdacore_async.engine.clock import Clock, ServiceClock
from lambdacore_async.engine.observation import LogLimit
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Throttle
from lambdacore_async.testing import simulated_time


@pytest.fixture
async def service() -> AsyncIterator[LocalLambdaCore]:
    async with LocalLambdaCore() as aws:
        for name in ("a", "b"):
            aws.state.put_network_connector(name)
        yield aws


class Recorder:
    """Records what the hook sees, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.calls: list[Call] = []

    @contextmanager
    def __call__(self, call: Call) -> Generator[None]:
        self.calls.append(call)
        self.events.append(("start", call.operation))
        try:
            yield
        except BaseException as error:
            assert call.error is error  # noqa: PT017 - the hook is under test
            self.events.append((type(error).__name__, call.operation))
            raise
        else:
            self.events.append(("end", call.operation))


def test_a_call_is_observed_from_start_to_end() -> None:
    seen = Recorder()
    service = LocalLambdaCore()

    async def call_once() -> str:
        service.faults.script(Throttle())
        service.state.put_network_connector("a")
        async with service, service.client(on_call=seen) as client:
            await client.with_options(label="blue").get_network_connector("a")
            return service.endpoint_url

    with simulated_time():
        endpoint_url = asyncio.run(call_once())
    (call,) = seen.calls
    assert seen.events == [("start", "GetNetworkConnector"), ("end", "GetNetworkConnector")]
    assert (call.kind, call.identifier, call.label) == (CallKind.OPERATION, "a", "blue")
    assert (call.region, call.endpoint) == (service.region, endpoint_url)
    assert [(each.number, each.throttled) for each in call.attempts] == [(1, True), (2, False)]
    assert call.error is None
    assert call.seconds > 0
    assert "GetNetworkConnector" in repr(call)


async def test_a_failed_call_is_observed_with_its_error(service: LocalLambdaCore) -> None:
    seen = Recorder()
    async with service.client(on_call=seen, timeout=10) as client:
        with pytest.raises(ResourceNotFoundException):
            await client.get_network_connector("none")
    assert seen.events[-1] == ("ResourceNotFoundException", "GetNetworkConnector")


async def test_a_cancelled_call_is_observed(service: LocalLambdaCore) -> None:
    seen = Recorder()
    async with service.client(on_call=seen) as client:
        task = asyncio.create_task(client.get_network_connector("a"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert seen.events[-1] == ("CancelledError", "GetNetworkConnector")


async def test_a_call_without_settings_is_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    seen = Recorder()
    async with LambdaCoreClient(credentials=Credentials("AKID", "secret"), on_call=seen) as client:
        with pytest.raises(ConfigurationError):
            await client.get_network_connector("a")
    assert (seen.calls[0].region, seen.calls[0].attempts) == (None, [])


async def test_a_hook_may_return_nothing(service: LocalLambdaCore) -> None:
    calls: list[Call] = []
    async with service.client(on_call=calls.append) as client:
        await client.get_network_connector("a")
    assert [call.operation for call in calls] == ["GetNetworkConnector"]
    assert len(calls[0].attempts) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
@pytest.mark.parametrize("where", ["start", "enter", "end"])
async def test_an_error_of_the_hook_is_logged_and_changes_nothing(
    service: LocalLambdaCore,
    caplog: pytest.LogCaptureFixture,
    where: str,
    error: type[BaseException],
) -> None:
    @contextmanager
    def manager() -> Generator[None]:
        if where == "enter":
            raise error
        yield
        raise error

    def hook(_: Call) -> AbstractContextManager[None]:
        if where == "start":
            raise error
        return manager()

    async with service.client(on_call=hook) as client:
        assert (await client.get_network_connector("a")).name == "a"
    assert caplog.messages == ["on_call failed"]


async def test_a_hook_cannot_suppress_an_error(service: LocalLambdaCore) -> None:
    @contextmanager
    def hook(_: Call) -> Generator[None]:
        with suppress(ResourceNotFoundException):
            yield

    async with service.client(on_call=hook) as client:
        with pytest.raises(ResourceNotFoundException):
            await client.get_network_connector("none")


CURRENT: ContextVar[str] = ContextVar("CURRENT", default="nothing")


async def test_context_variables_of_a_run_reach_its_calls_and_not_the_caller(
    service: LocalLambdaCore,
) -> None:
    parents: list[tuple[str, str]] = []

    @contextmanager
    def hook(call: Call) -> Generator[None]:
        parents.append((call.operation, CURRENT.get()))
        token = CURRENT.set(call.operation)
        yield
        CURRENT.reset(token)

    targets = [Target(service.region, label="blue")]
    async with service.client(on_call=hook) as client:
        async with client.lookup_network_connectors(["a", "b"]) as run:
            assert CURRENT.get() == "nothing"
            assert len([each async for each in run]) == 2
        async with client.lookup_across(targets, ["a"]) as across:
            assert len([each async for each in across]) == 1
        async with client.list_across(targets, lambda view: view.list_network_connectors()) as all_:
            assert len([each async for each in all_]) == 2
    assert parents == [
        ("lookup_network_connectors", "nothing"),
        ("GetNetworkConnector", "lookup_network_connectors"),
        ("GetNetworkConnector", "lookup_network_connectors"),
        ("lookup_across", "nothing"),
        ("lookup_network_connectors", "lookup_across"),
        ("GetNetworkConnector", "lookup_network_connectors"),
        ("list_across", "nothing"),
        ("ListNetworkConnectors", "list_across"),
    ]


async def test_the_error_of_a_run_is_observed(service: LocalLambdaCore) -> None:
    seen = Recorder()

    async def identifiers() -> AsyncIterator[str]:
        yield "a"
        raise ZeroDivisionError

    async with service.client(on_call=seen) as client:
        with pytest.raises(ZeroDivisionError):
            await client.lookup_network_connectors(identifiers()).report()
    assert isinstance(seen.calls[0].error, ZeroDivisionError)


async def test_a_refresh_of_credentials_is_observed(service: LocalLambdaCore) -> None:
    seen = Recorder()

    async def provide() -> Credentials:
        return service.credentials

    async with service.client(on_call=seen, credentials=provide) as client:
        await client.get_network_connector("a")
        await client.with_options(credentials=service.credentials).get_network_connector("a")
    assert [(call.operation, call.kind) for call in seen.calls] == [
        ("GetNetworkConnector", "operation"),
        ("RefreshCredentials", "refresh"),
        ("GetNetworkConnector", "operation"),
    ]


def test_an_attempt_has_the_time_for_which_the_rate_limiter_delayed_it() -> None:
    attempts: list[Attempt] = []

    async def main() -> None:
        service = LocalLambdaCore()
        service.state.put_network_connector("a")
        async with service, service.client(max_rate=100, on_attempt=attempts.append) as client:
            await asyncio.gather(*[client.get_network_connector("a") for _ in range(31)])

    with simulated_time():
        asyncio.run(main())
    waited = sorted(each.waited for each in attempts)
    # The maximum rate lets eleven requests go at once, then one every 10 ms.
    assert waited[:11] == [0] * 11
    assert waited[11:] == pytest.approx([0.01 * number for number in range(1, 21)])


# Logs


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from("ab")), max_size=100))
def test_a_message_is_logged_at_most_every_five_seconds_and_none_is_forgotten(
    events: list[tuple[float, str]],
) -> None:
    limit, now = LogLimit(), 0.0
    logged: dict[str, list[float]] = {"a": [], "b": []}
    counted = {"a": 0, "b": 0}
    pending = {"a": 0, "b": 0}
    for pause, region in events:
        now += pause
        withheld = limit.admits("message", region, now)
        if withheld is None:
            pending[region] += 1
        else:
            logged[region].append(now)
            counted[region] += withheld + 1
            pending[region] = 0
    for region, times in logged.items():
        assert all(later - earlier >= 5 for earlier, later in pairwise(times))
        assert counted[region] + pending[region] == sum(each == region for _, each in events)


def test_a_corrected_clock_is_a_warning_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ServiceClock(Clock(), host="lambda.test")
    correction = clock.compare("Tue, 24 Nov 2099 12:00:00 GMT", clock.now())
    for _ in range(2):
        clock.accept(correction)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        "the clock of this machine is wrong: requests are signed with the service's time",
    )
    assert vars(record)["host"] == "lambda.test"
    assert vars(record)["offset_seconds"] > 1e9


def test_logs_about_an_account_have_its_label(caplog: pytest.LogCaptureFixture) -> None:
    service = LocalLambdaCore(rate_limit=(10, 10))
    start = datetime(2026, 11, 24, tzinfo=UTC)
    refreshes = 0

    async def provide() -> Credentials:
        nonlocal refreshes
        refreshes += 1
        if refreshes > 1:
            raise OSError("the vault is sealed")
        return evolve(service.credentials, expires_at=start + timedelta(minutes=10))

    async def main() -> None:
        async with service, service.client() as client:
            view = client.with_options(credentials=provide, label="blue\n")
            await view.lookup_network_connectors([f"c-{n}" for n in range(100)]).report()
            await asyncio.sleep(420)
            with pytest.raises(ResourceNotFoundException):
                await view.get_network_connector("c-1")

    with caplog.at_level("INFO", "lambdacore_async"), simulated_time(start=start):
        asyncio.run(main())
    labels = {record.getMessage(): vars(record)["label"] for record in caplog.records}
    for message in (
        "the service throttles: requests are sent at a limited rate",
        "a request failed, and is retried",
        "credentials cannot be refreshed",
    ):
        assert labels[message] == "blue\\n"


# repr and forgotten clients


async def test_reprs_show_region_endpoint_and_state(service: LocalLambdaCore) -> None:
    client = service.client()
    place = f"region='{service.region}' endpoint='{service.endpoint_url}'"
    assert repr(client) == f"<LambdaCoreClient {place} open>"
    view = client.with_options(region="eu-west-1")
    assert repr(view).startswith("<view of LambdaCoreClient region='eu-west-1'")
    pager = client.list_network_connector_versions("a", limit=7)
    assert repr(pager) == (
        f"<Pager of ListNetworkConnectorVersions(identifier='a', limit=7) {place} open>"
    )
    assert repr(client.lookup_network_connectors(["a"])) == f"<Lookups not entered, {place} open>"
    async with client.lookup_network_connectors(["a"]) as run:
        assert repr(run) == f"<Lookups running, {place} open>"
    assert repr(run) == f"<Lookups ended, {place} open>"
    across = client.lookup_across([Target(service.region)], ["a"])
    assert repr(across) == f"<MultiTargetRun not entered, {place} open>"
    await client.close()
    assert repr(client) == f"<LambdaCoreClient {place} closed>"
    assert repr(LambdaCoreClient()) == "<LambdaCoreClient region=None endpoint=None open>"
    assert repr(service) == (
        f"<LocalLambdaCore region='us-east-1' account_id='123456789012' "
        f"endpoint='{service.endpoint_url}'>"
    )
    assert repr(LocalLambdaCore()).endswith("stopped>")


async def test_a_forgotten_client_is_one_warning_that_names_it(service: LocalLambdaCore) -> None:
    client = service.client()
    await client.get_network_connector("a")
    name = repr(client)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del client
        gc.collect()
        await asyncio.sleep(0)
        gc.collect()
    assert [(each.category, str(each.message)) for each in caught] == [
        (ResourceWarning, f"unclosed client {name}")
    ]


async def test_a_client_that_was_closed_or_not_used_is_no_warning(service: LocalLambdaCore) -> None:
    used = service.client()
    await used.with_options(max_attempts=1).get_network_connector("a")
    await used.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del used
        service.client()
        gc.collect()
