"""Simulated time, and the tools for other libraries' test doubles."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import aiohttp
import pytest
from aioresponses import aioresponses

from lambdacore_async import (
    ComputeResourceType,
    ConfigurationError,
    Credentials,
    LambdaCoreClient,
    NetworkConnector,
    NetworkProtocol,
    ParameterError,
    ServiceException,
    Timeout,
    TransportTimeoutError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Latency, ServiceError, Throttle
from lambdacore_async.testing import AioresponsesResponse, SimulatedTime, simulated_time
from support.aws_sdk import Sdk

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONFIGURATION = VpcEgressConfiguration(
    subnet_ids=["subnet-1"],
    security_group_ids=["sg-1"],
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
)
ROLE = "arn:aws:iam::123456789012:role/operator"


@pytest.fixture
def simulated() -> Generator[SimulatedTime]:
    with simulated_time(start=NOON) as simulated:
        yield simulated


@pytest.fixture(params=["on the loop", "in a thread"])
def where(request: pytest.FixtureRequest) -> str:
    place: str = request.param
    return place


@asynccontextmanager
async def running(aws: LocalLambdaCore, where: str) -> AsyncGenerator[LambdaCoreClient]:
    """Run a service on the test's loop or in a thread, and return a client for it."""
    if where == "in a thread":
        with aws.in_thread():
            async with aws.client() as client:
                yield client
    else:
        async with aws, aws.client() as client:
            yield client


# Time


async def test_sleeps_take_no_time_and_end_in_order(simulated: SimulatedTime) -> None:
    ends: list[tuple[float, float]] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        ends.append((seconds, round(simulated.elapsed, 6)))

    await asyncio.gather(*map(sleep, [1e6, 3, 0.5, 86_400, 3]))
    assert ends == [(0.5, 0.5), (3, 3), (3, 3), (86_400, 86_400), (1e6, 1e6)]


async def test_both_clocks_show_simulated_time(simulated: SimulatedTime) -> None:
    clock, loop = Clock(), asyncio.get_running_loop()
    assert clock.now() == simulated.now() == NOON
    begin = clock.monotonic(), loop.time()
    await clock.sleep(1800)
    assert clock.now() == simulated.now() == NOON + timedelta(seconds=1800)
    assert clock.monotonic() - begin[0] == pytest.approx(1800)
    assert loop.time() - begin[1] == pytest.approx(1800)


async def test_a_timeout_ends_at_its_time(simulated: SimulatedTime) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1800):
            await asyncio.sleep(3600)
    assert simulated.elapsed == pytest.approx(1800)


async def test_time_advances_on_request(simulated: SimulatedTime) -> None:
    simulated.advance(60)
    sleep = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    simulated.advance(60)
    await sleep
    assert simulated.elapsed == pytest.approx(120)


@pytest.mark.parametrize("seconds", [-1, 1e10, float("nan")])
def test_time_does_not_go_back(seconds: float, simulated: SimulatedTime) -> None:
    with pytest.raises(ParameterError, match="seconds"):
        simulated.advance(seconds)


async def test_time_waits_for_work_in_threads(simulated: SimulatedTime) -> None:
    def work() -> str:
        finished.wait(10)
        return "done"

    for call in (asyncio.to_thread, run_in_thread):
        finished = threading.Event()
        # A real timer: it is far from its end when an idle loop would jump.
        threading.Timer(0.05, finished.set).start()
        async with asyncio.timeout(60):
            assert await call(work) == "done"
    assert simulated.elapsed == 0


async def test_time_moves_on_if_a_thread_hangs(
    simulated: SimulatedTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdacore_async.testing._PATIENCE", 0.01)
    finished = threading.Event()
    hanging = asyncio.create_task(asyncio.to_thread(finished.wait, 10))
    await asyncio.sleep(3600)
    assert simulated.elapsed == pytest.approx(3600)
    finished.set()
    await hanging


def test_the_end_of_a_loop_waits_for_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdacore_async.testing._PATIENCE", 0.0)
    finished = threading.Event()
    timer = threading.Timer(0.02, finished.set)

    async def work() -> None:
        asyncio.get_running_loop().run_in_executor(None, finished.wait, 10)
        timer.start()

    with simulated_time() as simulated:
        asyncio.run(work())
        assert simulated.elapsed == 0
    timer.join()


async def test_a_loop_without_timers_waits_for_other_threads(simulated: SimulatedTime) -> None:
    loop = asyncio.get_running_loop()
    event = asyncio.Event()
    timer = threading.Timer(0.02, loop.call_soon_threadsafe, [event.set])
    timer.start()
    await event.wait()
    assert simulated.elapsed == 0
    timer.join()


def test_it_applies_to_loops_that_are_run_inside() -> None:
    async def work() -> float:
        await Clock().sleep(600)
        return asyncio.get_running_loop().time()

    with simulated_time() as simulated, asyncio.Runner() as runner:
        begin = runner.get_loop().time()
        assert runner.run(work()) == pytest.approx(begin + 600)
        assert runner.run(work()) == pytest.approx(begin + 1200)
        assert simulated.elapsed == pytest.approx(1200)


def test_the_clock_of_a_loop_never_goes_back() -> None:
    async def simulate() -> float:
        with simulated_time():
            await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    async def read() -> float:
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time()

    with asyncio.Runner() as runner:
        times = [runner.run(work()) for work in (read, simulate, read, simulate, read)]
    assert times == sorted(times)
    assert times[-1] - times[0] == pytest.approx(7200, abs=100)


def test_everything_is_real_again_after_it() -> None:
    before = (vars(Clock).copy(), vars(asyncio.BaseEventLoop).copy())
    with pytest.raises(ZeroDivisionError), simulated_time():
        raise ZeroDivisionError
    assert (vars(Clock).copy(), vars(asyncio.BaseEventLoop).copy()) == before
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(minutes=1)


async def test_time_is_simulated_once(simulated: SimulatedTime) -> None:
    with pytest.raises(ConfigurationError, match="already"), simulated_time():
        pass


def test_a_start_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ParameterError, match="start"), simulated_time(start=datetime(2026, 1, 1)):  # noqa: DTZ001
        pass


def test_uvloop_is_refused() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def enter() -> None:
        with simulated_time():
            pass

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with pytest.raises(ConfigurationError, match="uvloop"):
            runner.run(enter())
        with simulated_time(), pytest.raises(ConfigurationError, match="uvloop"):
            runner.run(Clock().sleep(1))


def test_a_second_loop_at_the_same_time_is_refused() -> None:
    async def outer() -> None:
        await asyncio.to_thread(asyncio.run, Clock().sleep(1))

    with simulated_time(), pytest.raises(ConfigurationError, match="one at a time"):
        asyncio.run(outer())


# Clients and services


async def test_a_waiter_of_half_an_hour_ends_at_once(simulated: SimulatedTime, where: str) -> None:
    aws = LocalLambdaCore(provisioning_seconds=1500)
    async with running(aws, where) as client:
        await client.create_network_connector(
            "prod", configuration=CONFIGURATION, operator_role=ROLE
        )
        connector = await client.wait_until_network_connector_active("prod", timeout=1800)
    assert connector.state == "ACTIVE"
    assert 1500 <= simulated.elapsed < 1800


async def test_a_response_that_never_comes_ends_in_a_timeout(
    simulated: SimulatedTime, where: str
) -> None:
    aws = LocalLambdaCore()
    aws.faults.script(Latency(1e6))
    async with running(aws, where) as client:
        with pytest.raises(TransportTimeoutError):
            await client.with_options(
                max_attempts=1, timeout=Timeout(attempt=20)
            ).get_network_connector("prod")
    assert simulated.elapsed == pytest.approx(20, abs=0.1)


async def test_a_slow_response_arrives_at_its_time(simulated: SimulatedTime, where: str) -> None:
    aws = LocalLambdaCore()
    aws.state.put_network_connector("prod")
    aws.faults.script(Latency(5))
    async with running(aws, where) as client:
        await client.get_network_connector("prod")
    assert simulated.elapsed == pytest.approx(5, abs=0.1)


async def test_an_outage_ends_a_call_after_its_attempts(
    simulated: SimulatedTime, where: str
) -> None:
    aws = LocalLambdaCore()
    aws.faults.at_random({ServiceError(503): 1})
    async with running(aws, where) as client:
        with pytest.raises(ServiceException):
            await client.get_network_connector("prod")
    assert aws.calls["GetNetworkConnector"] == 3


async def test_a_rate_limit_is_kept_in_simulated_time(simulated: SimulatedTime, where: str) -> None:
    aws = LocalLambdaCore(rate_limit=(15, 15))
    names = [f"egress-{number}" for number in range(100)]
    for name in names:
        aws.state.put_network_connector(name)
    async with running(aws, where) as client:
        report = await client.lookup_network_connectors(names).report()
    assert set(report.found) == set(names)
    assert aws.faults.happened[Throttle()] > 0
    assert simulated.elapsed >= (100 - 15) / 15


async def test_a_service_that_starts_later_follows_simulated_time(
    simulated: SimulatedTime,
) -> None:
    await asyncio.sleep(100)
    for _ in range(2):
        with LocalLambdaCore().in_thread() as aws:
            aws.state.put_network_connector("prod")
            aws.faults.script(Latency(10))
            async with aws.client() as client:
                await client.get_network_connector("prod")
    assert simulated.elapsed == pytest.approx(120, abs=0.1)


def test_a_service_outlives_simulated_time() -> None:
    with LocalLambdaCore().in_thread() as aws:
        aws.state.put_network_connector("prod")
        for _ in range(2):

            async def get() -> NetworkConnector:
                async with aws.client() as client:
                    return await client.get_network_connector("prod")

            with simulated_time():
                aws.faults.script(Latency(50))
                assert asyncio.run(get()).name == "prod"
            assert asyncio.run(get()).name == "prod"


def test_synchronous_code_moves_the_time_of_a_service() -> None:
    with (
        simulated_time() as simulated,
        LocalLambdaCore(provisioning_seconds=600).in_thread() as aws,
    ):
        aws.state.create_network_connector("prod", configuration=CONFIGURATION, operator_role=ROLE)
        sdk = Sdk(aws.endpoint_url, aws.credentials, aws.region)
        try:
            # boto3 signs with real time, which the simulated time starts with.
            assert sdk._call("GetNetworkConnector", {"Identifier": "prod"})["State"] == "PENDING"
            simulated.advance(290)
            assert aws.state.get_network_connector("prod").state == "PENDING"
            simulated.advance(311)
            assert aws.state.get_network_connector("prod").state == "ACTIVE"
        finally:
            sdk.close()


async def test_a_closed_service_does_not_hold_time(simulated: SimulatedTime) -> None:
    with LocalLambdaCore().in_thread():
        await asyncio.sleep(10)
    await asyncio.sleep(10)
    assert simulated.elapsed == pytest.approx(20)


# Other test doubles


async def test_aioresponses_answers_a_client() -> None:
    session = aiohttp.ClientSession()
    async with (
        session,
        LambdaCoreClient(
            "us-east-1", credentials=Credentials("AKID", "made-up"), http_session=session
        ) as client,
    ):
        responses: Any = aioresponses()  # its annotations are incomplete
        with responses as mocked:
            mocked.get(
                "https://lambda.us-east-1.amazonaws.com/2026-04-04/network-connectors/prod",
                payload={"Arn": "arn:aws:x", "Id": "nc-1", "Name": "prod"},
                response_class=AioresponsesResponse,
            )
            assert (await client.get_network_connector("prod")).id == "nc-1"


async def test_the_response_class_keeps_what_aioresponses_passes() -> None:
    passed: dict[str, Any] = {}

    class Recorded(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **options: Any) -> None:
            passed.update(options)

    class Response(AioresponsesResponse, Recorded): ...

    writer = object()
    Response(stream_writer=writer)
    assert passed == {"stream_writer": writer}


async def test_an_autospec_checks_calls_and_returns_models() -> None:
    client = create_autospec(LambdaCoreClient, instance=True)
    client.get_network_connector.return_value = NetworkConnector("arn:aws:x", "prod", "nc-1")
    assert (await client.get_network_connector("prod")).id == "nc-1"
    client.get_network_connector.assert_awaited_once_with("prod")
    with pytest.raises(TypeError):
        client.get_network_connector()
    with pytest.raises(AttributeError):
        _ = client.get_network_conector


def test_vcrpy_replays_a_recorded_response(tmp_path: Path) -> None:
    vcr: Any = importlib.import_module("vcr")
    cassette = tmp_path / "cassette.yaml"
    recorder = vcr.VCR(filter_headers=["authorization", "x-amz-security-token"])
    with LocalLambdaCore().in_thread() as aws:
        aws.state.put_network_connector("prod")

        async def get() -> str:
            with recorder.use_cassette(str(cassette)):
                async with aws.client() as client:
                    return (await client.get_network_connector("prod")).name

        assert [asyncio.run(get()) for _ in range(2)] == ["prod", "prod"]
        assert aws.calls == {"GetNetworkConnector": 1}
        assert aws.credentials.access_key_id not in cassette.read_text(encoding="utf-8")
