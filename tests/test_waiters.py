"""Waiters, against the embedded service in the same process, on a clock of events."""

from __future__ import annotations

import pickle

import pytest

from lambdacore_async import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    ParameterError,
    ResourceNotFoundException,
    VpcEgressConfiguration,
    WaiterFailedError,
    WaiterTimeoutError,
)
from lambdacore_async.models.causes import CAUSES
from support.leaks import cancel_at, other_tasks
from support.simulation import World

ROLE = "arn:aws:iam::123456789012:role/operator"
NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES


@pytest.fixture
def here() -> World:
    """A service with a connector, in which updates take 30 s and are seen after 5."""
    here = World(provisioning_seconds=60, update_seconds=30, deletion_seconds=20, stale_seconds=5.0)
    here.state.put_network_connector("prod")
    return here


def update(here: World, subnet: str) -> NetworkConnector:
    current = here.state.get_network_connector("prod").configuration
    assert isinstance(current, VpcEgressConfiguration)
    wanted = VpcEgressConfiguration(subnet_ids=[subnet])
    return here.state.update_network_connector("prod", configuration=wanted)


def test_every_reason_code_has_a_cause_and_a_remedy_of_one_line() -> None:
    assert CAUSES.keys() == set(NetworkConnectorStateReasonCode)
    assert all(cause.remedy.endswith(".") and "\n" not in cause.remedy for cause in CAUSES.values())


async def test_active_tells_of_each_change(here: World) -> None:
    configuration = here.state.get_network_connector("prod").configuration
    assert configuration is not None
    here.state.create_network_connector("new", configuration, operator_role=ROLE)
    seen: list[NetworkConnector] = []
    waiting = here.client().wait_until_network_connector_active("new", on_change=seen.append)
    connector = await waiting
    assert [c.state for c in seen] == ["PENDING", "ACTIVE"]
    assert seen[-1] == connector
    assert 60 <= here.clock.monotonic() <= 70
    assert here.calls["GetNetworkConnector"] < 20


@pytest.mark.parametrize("state", ["FAILED", "DELETING", "DELETE_FAILED"])
async def test_what_cannot_become_active_is_a_failure_that_says_why(
    here: World, state: str
) -> None:
    here.state.put_network_connector(
        "prod", state=NetworkConnectorState(state), state_reason_code=NO_ROOM
    )
    client = here.client()
    for waiting in (
        client.wait_until_network_connector_active("prod"),
        client.wait_until_network_connector_updated("prod"),
    ):
        with pytest.raises(WaiterFailedError, match=f"{state}: {NO_ROOM}") as raised:
            await waiting
        assert (raised.value.state, raised.value.reason_code) == (state, NO_ROOM)
        assert raised.value.cause == CAUSES[NO_ROOM]
        copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own
        assert (str(copy), copy.last) == (str(raised.value), raised.value.last)


async def test_what_goes_while_it_is_waited_for_was_deleted(here: World) -> None:
    here.state.put_network_connector("prod", state=NetworkConnectorState.PENDING)

    def go(_: object) -> None:
        if here.calls:
            here.state.put_network_connector("prod")
            here.state.delete_network_connector("prod")
            here.clock.advance(20)

    here.transport.before = go
    with pytest.raises(WaiterFailedError, match="prod was deleted") as raised:
        await here.client().wait_until_network_connector_active("prod")
    assert (raised.value.state, raised.value.cause) == (None, None)


async def test_what_never_was_is_the_service_s_error(here: World) -> None:
    with pytest.raises(ResourceNotFoundException):
        await here.client().wait_until_network_connector_active("none")
    await here.client().wait_until_network_connector_deleted("none")


async def test_updated_is_not_fooled_by_an_earlier_success_or_failure(here: World) -> None:
    client = here.client()
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    with pytest.raises(WaiterFailedError, match=NO_ROOM) as raised:
        await client.wait_until_network_connector_updated(update(here, "subnet-2"))
    assert raised.value.state == "Failed"
    for number in (3, 4):
        updated = update(here, f"subnet-{number}")
        connector = await client.wait_until_network_connector_updated(updated)
        assert (connector.version, connector.last_update_status) == (number, "Successful")


async def test_a_failed_update_is_found_below_a_later_one(here: World) -> None:
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    updated = update(here, "subnet-2")
    here.clock.advance(30)
    before = here.state.get_network_connector("prod")
    here.state.update_network_connector("prod", configuration=before.configuration)
    with pytest.raises(WaiterFailedError, match=NO_ROOM):
        await here.client().wait_until_network_connector_updated(updated)


@pytest.mark.parametrize("version", [None, 9])
async def test_a_failure_that_no_version_tells_of_is_believed(
    here: World, version: int | None
) -> None:
    here.state.put_network_connector(
        "prod",
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason_code=NO_ROOM,
    )
    with pytest.raises(WaiterFailedError, match=NO_ROOM):
        await here.client().wait_until_network_connector_updated("prod", version=version)


async def test_a_version_that_is_not_seen_is_waited_for(here: World) -> None:
    with pytest.raises(WaiterTimeoutError, match="ACTIVE after 60 seconds") as raised:
        await here.client().wait_until_network_connector_updated("prod", version=9, timeout=60)
    assert raised.value.last == here.state.get_network_connector("prod")
    assert here.clock.monotonic() == pytest.approx(60)


async def test_deleted_ends_when_it_is_gone_or_has_failed(here: World) -> None:
    here.state.delete_network_connector("prod")
    await here.client().wait_until_network_connector_deleted("prod")
    assert here.clock.monotonic() >= 20
    here.state.put_network_connector("prod", state=NetworkConnectorState.DELETE_FAILED)
    with pytest.raises(WaiterFailedError, match="DELETE_FAILED"):
        await here.client().wait_until_network_connector_deleted("prod")


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
async def test_bounds_are_checked_before_anything_is_sent(here: World, seconds: float) -> None:
    client = here.client()
    with pytest.raises(ParameterError, match="timeout"):
        await client.wait_until_network_connector_active("prod", timeout=seconds)
    with pytest.raises(ParameterError, match="poll_interval"):
        await client.wait_until_network_connector_deleted("prod", poll_interval=seconds)
    assert here.calls == {}


async def test_a_wait_can_be_cancelled_anywhere(here: World) -> None:
    here.state.put_network_connector("prod", state=NetworkConnectorState.PENDING)
    before = other_tasks()
    for step in range(30):
        waiting = here.client().wait_until_network_connector_active("prod", timeout=10_000)
        assert await cancel_at(step, waiting)
        assert other_tasks() == before
