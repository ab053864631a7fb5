"""The client against a service and a network with every kind of fault."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from lambdacore_async import (
    AccessDeniedException,
    ApiError,
    Attempt,
    ComputeResourceType,
    ExpiredTokenException,
    Failed,
    Found,
    InvalidParameterValueException,
    InvalidSignatureException,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorState,
    NetworkProtocol,
    ResourceConflictException,
    ResourceNotFoundException,
    ResponseError,
    ServiceException,
    Timeout,
    TooManyRequestsException,
    TransportError,
    TransportTimeoutError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import ThrottleReason
from lambdacore_async.local import FaultProxy, Faults, LocalLambdaCore
from lambdacore_async.local.faults import (
    ClosedAfter,
    EndlessChunks,
    ErrorResponse,
    Fault,
    GarbageGzip,
    InvalidJson,
    Latency,
    Oversized,
    Reset,
    ServiceError,
    SkewedClock,
    Throttle,
    Trickle,
    Truncated,
    WrongContentType,
)
from lambdacore_async.local.proxy import ConnectionFault
from support.leaks import CREDENTIALS, assert_no_secret, cancel_at, other_tasks, settle

pytestmark = pytest.mark.usefixtures("leaps")

ROLE = "arn:aws:iam::123456789012:role/connector-operator"
CONFIGURATION = VpcEgressConfiguration(
    subnet_ids=["subnet-0a1b2c3d"],
    security_group_ids=["sg-0a1b2c3d"],
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
)
DUAL_STACK = evolve(CONFIGURATION, network_protocol=NetworkProtocol.DUAL_STACK)

#: Transient faults, whether the request was executed or not: another attempt succeeds.
TRANSIENT: tuple[Fault, ...] = (
    Throttle(),
    ServiceError(500),
    ServiceError(500, executed=True),
    ServiceError(502, "html"),
    ServiceError(502, "html", executed=True),
    ServiceError(503, "empty", executed=True),
    ServiceError(504, "html", executed=True),
    ErrorResponse("ThrottlingException", 400),
    Reset("before_work"),
    Reset("before_answer"),
    Reset("during_answer"),
    Truncated(),
    Truncated(0, "head"),
    Truncated(0.5, "head"),
    EndlessChunks(),
    GarbageGzip(),
    InvalidJson(),
    WrongContentType(),
)
#: Faults that fail no call.
HARMLESS: tuple[Fault, ...] = (
    Latency(0.001),
    Trickle(seconds=0.0001),
    Oversized(100_000),
    Reset("after_answer"),
    ClosedAfter(),
    SkewedClock(200),
)


class SkippingClock(Clock):
    """The real clock, except that `sleep` moves it forward instead of waiting."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._skipped = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.sleeps.append(seconds)
        self._skipped += seconds


class World:
    """A service, a proxy in front of it, and clients that use the proxy."""

    def __init__(self, clock: SkippingClock, aws: LocalLambdaCore, proxy: FaultProxy) -> None:
        self.clock, self.aws, self.proxy = clock, aws, proxy
        self.attempts: list[Attempt] = []

    @property
    def faults(self) -> Faults:
        return self.aws.faults

    def client(self, **options: Any) -> LambdaCoreClient:
        client = self.aws.client(
            endpoint_url=self.proxy.endpoint_url, on_attempt=self.attempts.append, **options
        )
        client._core = client._core.replace(clock=self.clock, jitter=lambda: 0.5)
        return client

    @property
    def connectors(self) -> list[str]:
        return [item.name for item in self.aws.state.list_network_connectors().items]


@asynccontextmanager
async def new_world(**options: Any) -> AsyncGenerator[World]:
    """Yield a world with one connector, `prod`; assert that no task or connection is left."""
    before = other_tasks()
    clock = SkippingClock()
    service = LocalLambdaCore(
        clock=clock.now,
        signature_clock=clock.now,
        credentials=CREDENTIALS,
        deletion_seconds=60,  # longer than any test on a slow machine
        **options,
    )
    async with service as aws, FaultProxy(aws.endpoint_url) as proxy:
        aws.state.put_network_connector("prod")
        yield World(clock, aws, proxy)
        async with asyncio.timeout(5):
            while proxy.connections:
                await settle()
    await settle()
    assert other_tasks() <= before


@pytest.fixture
async def world() -> AsyncGenerator[World]:
    async with new_world() as world:
        yield world


# Single faults


@pytest.mark.parametrize(
    ("fault", "kind", "status", "text"),
    [
        (Throttle(2.5), TooManyRequestsException, 429, "Rate exceeded"),
        (ServiceError(500), ServiceException, 500, "Internal Server Error"),
        (ServiceError(503), ServiceException, 503, "Service Unavailable"),
        (ServiceError(502, "html"), ApiError, 502, "502: Bad Gateway"),
        (ServiceError(504, "empty"), ApiError, 504, "504: Gateway Timeout"),
        (
            ErrorResponse("ExpiredTokenException", 403, "It is expired"),
            ExpiredTokenException,
            403,
            "It is expired",
        ),
        (
            ErrorResponse("AccessDeniedException", 403),
            AccessDeniedException,
            403,
            "AccessDeniedException",
        ),
        (Reset("before_work"), TransportError, None, "connection broke"),
        (Reset("before_answer"), TransportError, None, "connection broke"),
        (Reset("during_answer"), TransportError, None, ""),
        (Truncated(), TransportError, None, "cut short"),
        (Truncated(0), TransportError, None, "cut short"),
        (Truncated(0, "head"), TransportError, None, "closed before a response arrived"),
        (Truncated(0.5, "head"), TransportError, None, ""),
        (EndlessChunks(), TransportError, None, "cut short"),
        (GarbageGzip(), TransportError, None, "cannot be decoded"),
        (Oversized(), ResponseError, 200, "larger than"),
        (InvalidJson(), ResponseError, 200, "not JSON"),
        (InvalidJson(b""), ResponseError, 200, "the body is empty"),
        (InvalidJson(b"null"), ResponseError, 200, "expected a JSON object"),
        (InvalidJson(b'{"Name": []}'), ResponseError, 200, "Name"),
        (InvalidJson(b"[" * 100_000), ResponseError, 200, "not JSON"),
        (WrongContentType(), ResponseError, 200, "<html>"),
        (SkewedClock(3600), InvalidSignatureException, 403, "Signature expired"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_each_fault_raises_its_error_without_secrets(
    world: World, fault: Fault, kind: type[LambdaCoreError], status: int | None, text: str
) -> None:
    world.faults.script(fault)
    async with world.client(max_attempts=1) as client:
        with pytest.raises(kind) as raised:
            await client.get_network_connector("prod")
    error = raised.value
    assert type(error) is kind
    assert text in str(error)
    assert (error.operation, error.attempts) == ("GetNetworkConnector", 1)
    assert getattr(error, "status_code", None) == status
    assert_no_secret(error, *world.attempts)


async def test_a_throttle_has_its_reason_and_delay(world: World) -> None:
    world.faults.script(Throttle(2.5, ThrottleReason.CONCURRENT_SNAPSHOT_CREATE_LIMIT_EXCEEDED))
    async with world.client(max_attempts=1) as client:
        with pytest.raises(TooManyRequestsException) as raised:
            await client.get_network_connector("prod")
    assert raised.value.retry_after == 2.5
    assert raised.value.reason is ThrottleReason.CONCURRENT_SNAPSHOT_CREATE_LIMIT_EXCEEDED


@pytest.mark.parametrize("fault", HARMLESS, ids=repr)
async def test_harmless_faults_raise_no_error(world: World, fault: Fault) -> None:
    world.faults.script(fault)
    async with world.client() as client:
        first = await client.get_network_connector("prod")
        second = await client.get_network_connector("prod")
    assert first == second == world.aws.state.get_network_connector("prod")
    assert first.response_metadata is not None
    assert first.response_metadata.attempts == 1


@pytest.mark.parametrize("fault", [Latency(1e6), Trickle(seconds=1e6)], ids=repr)
async def test_a_response_that_does_not_arrive_is_a_timeout(world: World, fault: Fault) -> None:
    world.faults.script(fault, fault)
    for timeout in (Timeout(read=10), Timeout(attempt=10)):
        async with world.client(max_attempts=1, timeout=timeout) as client:
            with pytest.raises(TransportTimeoutError) as raised:
                await client.get_network_connector("prod")
        assert (raised.value.attempts, raised.value.not_executed) == (1, False)
        assert_no_secret(raised.value)


async def test_a_timeout_is_retried(world: World) -> None:
    world.faults.script(Latency(1e6))
    async with world.client(timeout=Timeout(attempt=10)) as client:
        assert (await client.get_network_connector("prod")).name == "prod"
    assert [type(attempt.error) for attempt in world.attempts] == [
        TransportTimeoutError,
        type(None),
    ]


async def test_the_total_timeout_ends_a_call(world: World) -> None:
    world.faults.at_random({Latency(1e6): 1})
    async with world.client(timeout=Timeout(attempt=10, total=25)) as client:
        with pytest.raises(TransportTimeoutError, match=r"not done within 25 seconds"):
            await client.get_network_connector("prod")


# Retries, without double effects

Call = Callable[[LambdaCoreClient], Awaitable[object]]


async def _create(client: LambdaCoreClient) -> None:
    created = await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
    assert created.state == NetworkConnectorState.PENDING


async def _update(client: LambdaCoreClient) -> None:
    updated = await client.update_network_connector("prod", configuration=DUAL_STACK)
    assert updated.configuration == DUAL_STACK


async def _delete(client: LambdaCoreClient) -> None:
    deleted = await client.delete_network_connector("prod")
    assert deleted.state == NetworkConnectorState.DELETING


async def _list(client: LambdaCoreClient) -> None:
    assert [item.name async for item in client.list_network_connectors()] == ["prod"]


@pytest.mark.parametrize("call", [_create, _update, _delete, _list])
@pytest.mark.parametrize("fault", TRANSIENT, ids=repr)
async def test_transient_faults_are_retried_and_take_effect_once(
    world: World, call: Call, fault: Fault
) -> None:
    world.faults.script(fault)
    async with world.client() as client:
        await call(client)
    assert world.aws.calls.total() == 2
    assert [attempt.number for attempt in world.attempts] == [1, 2]
    versions = world.aws.state.list_network_connector_versions("prod").items
    assert sorted(world.connectors) == (["new", "prod"] if call is _create else ["prod"])
    assert len(versions) == (2 if call is _update else 1)


@pytest.mark.parametrize("fault", TRANSIENT, ids=repr)
async def test_a_lasting_fault_ends_after_the_last_attempt(world: World, fault: Fault) -> None:
    world.faults.at_random({fault: 1})
    async with world.client(max_attempts=4) as client:
        with pytest.raises((ApiError, TransportError, ResponseError)) as raised:
            await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
    assert raised.value.attempts == len(world.attempts) == world.aws.calls.total() == 4
    assert world.connectors.count("new") == int(fault.executed)
    assert_no_secret(raised.value, *world.attempts)


@pytest.mark.parametrize(
    "fault",
    [
        ErrorResponse("ExpiredTokenException", 403),
        ErrorResponse("AccessDeniedException", 403),
        ErrorResponse("ServiceQuotaExceededException", 402),
        ErrorResponse("NotImplemented", 501),
        InvalidJson(b'{"Name": []}'),
        Oversized(),
    ],
    ids=repr,
)
async def test_permanent_faults_are_not_retried(world: World, fault: Fault) -> None:
    world.faults.script(fault)
    async with world.client() as client:
        with pytest.raises((ApiError, ResponseError)) as raised:
            await client.get_network_connector("prod")
    assert raised.value.attempts == world.aws.calls.total() == 1


async def test_all_attempts_of_a_creation_have_the_same_token(world: World) -> None:
    """The service creates one connector, even if it becomes ACTIVE between two attempts."""
    world.faults.script(Reset("before_answer"), Truncated(), Reset("during_answer"))
    async with world.client(max_attempts=4) as client:
        created = await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
        assert created.response_metadata is not None
        assert created.response_metadata.attempts == 4
        # Another call has another token.
        with pytest.raises(ResourceConflictException):
            await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
    assert world.connectors == ["prod", "new"]


async def test_a_retried_creation_without_a_token_takes_effect_once_but_raises_a_conflict(
    world: World,
) -> None:
    world.faults.script(Reset("before_answer"))
    async with world.client() as client:
        with pytest.raises(ResourceConflictException) as raised:
            await client.create_runtime("perl")
    assert raised.value.attempts == 2
    assert [item.name for item in world.aws.state.list_runtimes().items] == ["perl"]


async def test_retry_after_is_honoured(world: World) -> None:
    world.faults.script(Throttle(retry_after=7))
    async with world.client() as client:
        await client.get_network_connector("prod")
    assert sum(world.clock.sleeps) >= 7


async def test_a_stale_connection_is_replaced(world: World) -> None:
    world.faults.script(ClosedAfter())
    async with world.client() as client:
        await client.get_network_connector("prod")
        await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
    assert world.aws.calls == {"GetNetworkConnector": 1, "CreateNetworkConnector": 1}
    assert [attempt.error is None for attempt in world.attempts] == [True, False, True]
    assert world.proxy.accepted == 2


async def test_a_wrong_clock_is_corrected_at_once_for_all_calls(world: World) -> None:
    world.faults.at_random({SkewedClock(-3600): 1})
    async with world.client() as client:
        for _ in range(3):
            await client.get_network_connector("prod")
    assert [attempt.number for attempt in world.attempts] == [1, 2, 1, 1]
    assert world.attempts[0].delay == 0
    assert world.clock.sleeps == []


async def test_a_clock_that_jumps_back_is_corrected_again(world: World) -> None:
    world.faults.script(SkewedClock(3600), SkewedClock(3600))
    async with world.client() as client:
        await client.get_network_connector("prod")
        await client.get_network_connector("prod")
    assert [attempt.number for attempt in world.attempts] == [1, 2, 1, 2]


async def test_a_new_role_is_rejected_until_iam_has_propagated_it(world: World) -> None:
    world.faults.delay_roles(10)
    async with world.client() as client:
        with pytest.raises(InvalidParameterValueException, match="unable to assume") as raised:
            await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
        assert raised.value.attempts == 1
        await world.clock.sleep(10)
        await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)


async def test_a_listing_continues_after_a_failed_page(world: World) -> None:
    names = [f"nc-{number:03}" for number in range(120)]
    for name in names:
        world.aws.state.put_network_connector(name)
    world.faults.script(None, Truncated(), Reset(), None, EndlessChunks(), ServiceError(503))
    async with world.client() as client:
        listed = [item.name async for item in client.list_network_connectors()]
    assert listed == ["prod", *names]


@pytest.mark.parametrize("step", range(0, 12, 2))
async def test_cancelling_a_call_during_faults_leaks_nothing(world: World, step: int) -> None:
    world.faults.script(Reset("during_answer"), Trickle(seconds=0.0001, size=200), Truncated())
    async with world.client() as client:
        await cancel_at(step, client.get_network_connector("prod"))
        assert (await client.get_network_connector("prod")).name == "prod"


# Faults of the network


@pytest.mark.parametrize(
    "fault",
    [
        ConnectionFault(reset_on_accept=True),
        ConnectionFault(reset_after_sent=100),
        ConnectionFault(reset_after_received=0),
        ConnectionFault(reset_after_received=50),
        ConnectionFault(reset_after_received=500),
    ],
    ids=repr,
)
async def test_a_broken_connection_is_retried_on_another(
    world: World, fault: ConnectionFault
) -> None:
    world.proxy.script(fault)
    async with world.client() as client:
        await client.create_network_connector("new", CONFIGURATION, operator_role=ROLE)
    assert [type(attempt.error) for attempt in world.attempts] == [TransportError, type(None)]
    assert world.connectors == ["prod", "new"]
    assert world.proxy.accepted == 2


async def test_a_slow_connection_is_no_error(world: World) -> None:
    world.proxy.default_fault = ConnectionFault(bytes_per_second=50_000)
    async with world.client() as client:
        assert (await client.get_network_connector("prod")).name == "prod"
    assert len(world.attempts) == 1


async def test_a_stalled_connection_is_a_timeout(world: World) -> None:
    world.proxy.stall()
    async with world.client(timeout=Timeout(read=10), max_attempts=2) as client:
        with pytest.raises(TransportTimeoutError, match="stopped arriving") as raised:
            await client.get_network_connector("prod")
        world.proxy.resume()
        assert (await client.get_network_connector("prod")).name == "prod"
    assert_no_secret(raised.value)


async def test_a_refused_connection_is_not_executed(world: World) -> None:
    async with world.client() as client:
        async with world.proxy.outage():
            with pytest.raises(TransportError, match="no connection") as raised:
                await client.create_runtime("perl")
        assert raised.value.not_executed
        assert raised.value.attempts == 3
        assert_no_secret(raised.value, *world.attempts)
        await client.create_runtime("perl")


async def test_a_service_that_recovers_between_two_attempts_is_reached(world: World) -> None:
    async with world.client() as client:
        await client.get_network_connector("prod")  # opens a connection
        await world.proxy.go_down()
        sleep = world.clock.sleep

        async def sleep_and_come_up(seconds: float) -> None:
            await sleep(seconds)
            if len(world.clock.sleeps) == 2:
                await world.proxy.come_up()

        world.clock.sleep = sleep_and_come_up  # type: ignore[method-assign]
        assert (await client.get_network_connector("prod")).name == "prod"
    assert [attempt.number for attempt in world.attempts] == [1, 1, 2, 3]


# Faults at random

ALL_KINDS: dict[Fault, float] = dict.fromkeys(
    (
        Throttle(),
        Throttle(retry_after=1),
        ServiceError(500),
        ServiceError(500, executed=True),
        ServiceError(502, "html"),
        ServiceError(503, "empty"),
        ServiceError(504, "html"),
        ErrorResponse("AccessDeniedException", 403),
        Latency(0.001),
        Latency(1e6),
        Reset("before_work"),
        Reset("before_answer"),
        Reset("during_answer"),
        Reset("after_answer"),
        Truncated(),
        Truncated(0, "head"),
        Truncated(0.5, "head"),
        EndlessChunks(),
        Trickle(seconds=0.0001),
        GarbageGzip(),
        Oversized(100_000),
        InvalidJson(),
        WrongContentType(),
        ClosedAfter(),
    ),
    0.3 / 24,
)
#: The error of a lookup whose last attempt met this fault. Other faults fail no lookup.
CAUSES: dict[type, type[LambdaCoreError]] = {
    Throttle: TooManyRequestsException,
    ServiceError: ApiError,
    ErrorResponse: ApiError,
    Latency: TransportTimeoutError,
    Reset: TransportError,
    Truncated: TransportError,
    EndlessChunks: TransportError,
    GarbageGzip: TransportError,
    InvalidJson: ResponseError,
    WrongContentType: ResponseError,
}


class Fates(Faults):
    """Records the faults of each connector's requests."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[Fault | None]] = {}

    def take(self, operation: str, request: Any) -> Fault | None:
        fault = super().take(operation, request)
        self.of.setdefault(request.target.rpartition("/")[2], []).append(fault)
        return fault


@pytest.mark.parametrize(("seed", "mode"), [(1, "standard"), (2, "standard"), (3, "adaptive")])
async def test_a_fan_out_during_faults_yields_each_result_once_with_the_right_error(
    seed: int, mode: str
) -> None:
    fates = Fates()
    async with new_world(faults=fates) as world:
        names = [f"nc-{number:03}" for number in range(300)]
        for name in names[::10]:
            world.aws.state.put_network_connector(f"x-{name}")  # looked up under another name
        for name in set(names) - set(names[::10]):
            world.aws.state.put_network_connector(name)
        fates.at_random(ALL_KINDS, seed=seed)
        timeout = Timeout(attempt=10)
        async with (
            world.client(retry_mode=mode, timeout=timeout) as client,
            client.lookup_network_connectors(names, concurrency=32) as lookups,
        ):
            results = [lookup async for lookup in lookups]
        assert Counter(lookup.identifier for lookup in results) == Counter(names)
        truth = {
            name: world.aws.state.get_network_connector(name)
            for name in set(names) - set(names[::10])
        }
    failures = 0
    for lookup in results:
        match lookup:
            case Found(identifier, connector):
                assert connector == truth[identifier]
            case Failed(identifier, error):
                assert_true(error, identifier, fates.of.get(identifier, [None]), truth)
                assert_no_secret(error)
                failures += identifier in truth
    assert failures < 60
    assert any(
        lookup.connector.response_metadata.attempts > 3
        for lookup in results
        if isinstance(lookup, Found) and lookup.connector.response_metadata
    )
    assert len(fates.happened) > 18
    assert_no_secret(*world.attempts)


def assert_true(
    error: LambdaCoreError,
    identifier: str,
    fates: list[Fault | None],
    truth: dict[str, NetworkConnector],
) -> None:
    if isinstance(error, ResourceNotFoundException):
        assert identifier not in truth
        return
    expected = CAUSES.get(type(fates[-1]))
    # On a stale connection, a request fails before the service receives it.
    stale = isinstance(error, TransportError) and error.attempts > len(fates)
    assert stale or (expected is not None and isinstance(error, expected))
    if isinstance(fates[-1], ErrorResponse) and not stale:
        assert isinstance(error, ApiError)
        assert error.code == "AccessDeniedException"
    else:
        assert error.attempts > 1


async def test_a_fan_out_during_an_outage_yields_each_result_once_and_recovers(
    world: World,
) -> None:
    names = [f"nc-{number:03}" for number in range(200)]
    for name in names:
        world.aws.state.put_network_connector(name)
    results: list[Found | Failed] = []
    async with world.client() as client:
        async with client.lookup_network_connectors(names, concurrency=16) as lookups:
            async for lookup in lookups:
                results.append(lookup)
                if len(results) == 50:
                    await world.proxy.go_down()
                if len(results) == 100:
                    await world.proxy.come_up()
        assert Counter(lookup.identifier for lookup in results) == Counter(names)
        failed = [lookup.error for lookup in results if isinstance(lookup, Failed)]
        assert all(type(error) is TransportError for error in failed)
        assert 40 <= len(failed) <= 90
        assert isinstance(results[-1], Found)
        report = await client.lookup_network_connectors(names).report()
    assert list(report.found) == names
