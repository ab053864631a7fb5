"""A client, and the embedded service, on more than one event loop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Generator
from datetime import UTC, datetime

import pytest

from lambdacore_async import ConfigurationError, Credentials, LambdaCoreClient
from lambdacore_async.engine.locks import LoopLock
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Throttle
from lambdacore_async.testing import simulated_time
from support.aws_sdk import Sdk
from support.caching import ROLE, VPC
from support.clocks import FakeClock

NAMES = [f"connector-{number}" for number in range(8)]


@pytest.fixture(scope="module")
def service() -> Generator[LocalLambdaCore]:
    with LocalLambdaCore().in_thread() as aws:
        for name in NAMES:
            aws.state.put_network_connector(name)
        yield aws


async def handle_event(client: LambdaCoreClient) -> None:
    """Make calls that wait for each other: for settings, credentials, permits, connections."""
    report = await client.lookup_network_connectors(NAMES).report()
    assert list(report.found) == NAMES
    view = client.with_options(max_attempts=4)
    await asyncio.gather(*[view.get_network_connector(name) for name in NAMES])


def test_one_client_serves_one_event_loop_after_another(service: LocalLambdaCore) -> None:
    async def provide() -> Credentials:
        await asyncio.sleep(0)
        return service.credentials

    client = service.client(credentials=provide)
    # The rate limiter's pauses take no time.
    client = LambdaCoreClient.of_core(client._core.replace(clock=FakeClock(datetime.now(UTC))))
    for _ in range(3):
        service.faults.script(*[Throttle()] * 5)
        asyncio.run(handle_event(client))
    asyncio.run(client.close())
    gc.collect()  # a connection or task left open is a warning, and so an error


@pytest.mark.parametrize("loops", [1, 2])
def test_waits_work_after_all_tasks_were_cancelled_between_two_polls(loops: int) -> None:
    async def abandon(client: LambdaCoreClient) -> None:
        await client.create_network_connector("new", VPC, operator_role=ROLE)
        waiting = client.wait_until_network_connector_active
        for _ in range(5):
            asyncio.create_task(waiting("new", poll_interval=4))  # noqa: RUF006 - left alone
        await asyncio.sleep(10)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.wait(others)

    async def work(client: LambdaCoreClient) -> None:
        if loops == 1:
            await abandon(client)
        await client.wait_until_network_connector_active("new", poll_interval=4)

    with simulated_time(), LocalLambdaCore(provisioning_seconds=60).in_thread() as aws:
        client = aws.client()
        if loops == 2:
            asyncio.run(abandon(client))
        asyncio.run(work(client))
        asyncio.run(client.close())


def test_a_client_works_after_a_loop_that_ended_with_calls_in_progress(
    service: LocalLambdaCore,
) -> None:
    client = service.client()

    async def leave() -> None:
        calls = [
            client.wait_until_network_connector_deleted("connector-1"),
            client.get_network_connector("connector-1"),
        ]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def wait() -> None:
        await asyncio.gather(*[client.wait_until_network_connector_active(name) for name in NAMES])

    for _ in range(2):
        asyncio.run(leave())
        asyncio.run(wait())
    asyncio.run(handle_event(client))
    asyncio.run(client.close())


def test_a_client_refuses_two_running_loops_at_once(service: LocalLambdaCore) -> None:
    client = service.client()

    async def use() -> None:
        await client.get_network_connector("connector-1")
        with pytest.raises(RuntimeError, match="one client per loop"):
            await asyncio.to_thread(
                lambda: asyncio.run(client.get_network_connector("connector-1"))
            )
        await client.close()

    asyncio.run(use())


def test_a_lock_works_on_one_loop_after_another() -> None:
    lock = LoopLock()

    async def contend() -> None:
        async def hold() -> None:
            async with lock.of_loop():
                await asyncio.sleep(0)

        await asyncio.gather(*[hold() for _ in range(3)])

    for _ in range(2):
        asyncio.run(contend())


# The service in a thread


def test_boto3_uses_a_service_in_a_thread(service: LocalLambdaCore) -> None:
    sdk = Sdk(service.endpoint_url, service.credentials, service.region)
    connector = sdk.client.get_network_connector(Identifier="connector-1")
    assert connector["Name"] == "connector-1"
    sdk.close()


def test_a_service_in_a_thread_ends_with_its_block() -> None:
    aws = LocalLambdaCore()
    for _ in range(2):  # it can be started again
        with aws.in_thread():
            assert aws.endpoint_url
            with pytest.raises(ConfigurationError, match="already running"), aws.in_thread():
                pass
        with pytest.raises(ConfigurationError, match="not running"):
            _ = aws.endpoint_url


def test_a_port_in_use_is_an_error(service: LocalLambdaCore) -> None:
    port = int(service.endpoint_url.rpartition(":")[2])
    with pytest.raises(OSError), LocalLambdaCore(port=port).in_thread():  # noqa: PT011 - any
        pass
