"""Simulated durations, random failures and stale reads of the embedded service."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest
from attrs import evolve

from lambdacore_async.errors import ParameterError
from lambdacore_async.local import Seconds, State
from lambdacore_async.local.account import REASONS, Account
from lambdacore_async.local.server import Server
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from local.clock import Clock
from local.test_boto3 import CONFIGURATION, CREDENTIALS, ROLE, Boto3
from local.test_network_connectors import create, vpc

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
OTHER_VPC = vpc(SubnetIds=["subnet-2"])


def seconds_until_active(state: State, clock: Clock, names: list[str]) -> dict[str, int]:
    """Create all connectors, and return the second at which each leaves PENDING."""
    for name in names:
        create(state, name)
    seen: dict[str, int] = {}
    for second in range(1000):
        for name in names:
            if name not in seen and state.get_network_connector(name).state != "PENDING":
                seen[name] = second
        clock.advance(1)
    return seen


def simulated(seed: int, names: list[str]) -> dict[str, int]:
    clock = Clock()
    account = Account(clock=clock, provisioning_seconds=_uniform, seed=seed)
    return seconds_until_active(State(account), clock, names)


def _uniform(random: Random) -> float:
    return random.uniform(30, 600)


NAMES = [f"c-{number}" for number in range(20)]


def test_each_piece_of_work_draws_its_duration() -> None:
    seen = simulated(7, NAMES)
    assert len(set(seen.values())) > 10
    assert all(30 <= seconds <= 601 for seconds in seen.values())


def test_the_same_seed_gives_the_same_results_in_any_order() -> None:
    assert simulated(7, NAMES) == simulated(7, NAMES[::-1])
    assert simulated(7, NAMES) != simulated(8, NAMES)


@pytest.mark.parametrize(("drawn", "state"), [(-5.0, "ACTIVE"), (5.0, "PENDING")])
def test_a_duration_drawn_below_0_counts_as_0(drawn: float, state: str) -> None:
    service = State(Account(clock=Clock(), provisioning_seconds=lambda _: drawn))
    create(service)
    assert service.get_network_connector("prod").state == state


def test_a_duration_drawn_out_of_bounds_is_rejected() -> None:
    service = State(Account(provisioning_seconds=lambda _: float("inf")))
    with pytest.raises(ParameterError, match="seconds"):
        create(service)


def test_every_kind_of_duration_can_be_drawn(clock: Clock) -> None:
    account = Account(
        clock=clock,
        provisioning_seconds=lambda _: 60,
        update_seconds=lambda _: 30,
        deletion_seconds=lambda _: 20,
    )
    state = State(account)
    create(state)
    clock.advance(60)
    state.update_network_connector("prod", configuration=OTHER_VPC)
    clock.advance(29.9)
    assert state.get_network_connector("prod").last_update_status == "InProgress"
    clock.advance(0.1)
    assert state.get_network_connector("prod").last_update_status == "Successful"
    state.delete_network_connector("prod")
    clock.advance(19.9)
    assert state.get_network_connector("prod").state == "DELETING"


def test_a_scheduled_failure_happens_after_its_seconds(state: State, clock: Clock) -> None:
    state.fail_next("CreateNetworkConnector", NO_ROOM, seconds=40)
    create(state)
    clock.advance(39.9)
    assert state.get_network_connector("prod").state == "PENDING"
    clock.advance(0.1)
    failed = state.get_network_connector("prod")
    assert (failed.state, failed.state_reason_code) == ("FAILED", NO_ROOM)


def test_a_scheduled_failure_of_a_runtime_version_happens_after_its_seconds(
    state: State, clock: Clock
) -> None:
    state.create_runtime("corp")
    state.fail_next("CreateRuntimeVersion", seconds=5)
    state.create_runtime_version("corp", "host/image:1", "v1")
    assert state.get_runtime_version("corp", "v1").state == "CREATING"
    clock.advance(5)
    assert state.get_runtime_version("corp", "v1").state == "FAILED"


def test_random_failures_have_every_reason_and_their_probability(clock: Clock) -> None:
    state = State(Account(clock=clock, provisioning_seconds=60))
    state.fail_at_random("CreateNetworkConnector", 0.5, seconds=_uniform)
    for number in range(400):
        create(state, f"c-{number}")
    clock.advance(600)
    connectors = [state.get_network_connector(f"c-{number}") for number in range(400)]
    failed = Counter(c.state_reason_code for c in connectors if c.state == "FAILED")
    assert failed.keys() == set(NetworkConnectorStateReasonCode)
    assert 150 < failed.total() < 250
    assert all(
        c.state_reason == REASONS.get(c.state_reason_code, "Initial creation")  # type: ignore[arg-type]
        for c in connectors
    )


def test_scheduled_failures_come_before_random_ones(state: State, clock: Clock) -> None:
    state.fail_at_random("CreateNetworkConnector", 1, [NO_ROOM])
    state.fail_next("CreateNetworkConnector")
    for name in ("a", "b"):
        create(state, name)
    clock.advance(60)
    codes = [state.get_network_connector(name).state_reason_code for name in ("a", "b")]
    assert codes == ["InternalError", NO_ROOM]


def test_a_failure_rate_can_be_reset(state: State, clock: Clock) -> None:
    state.fail_at_random("CreateNetworkConnector", 1)
    state.fail_at_random("CreateNetworkConnector", 0)
    create(state)
    clock.advance(60)
    assert state.get_network_connector("prod").state == "ACTIVE"


@pytest.mark.parametrize(
    ("parameter", "arguments"),
    [
        ("probability", (1.1,)),
        ("probability", (float("nan"),)),
        ("reason_codes", (0.5, ())),
    ],
)
def test_a_failure_rate_out_of_bounds_is_rejected(
    state: State, parameter: str, arguments: tuple[Any, ...]
) -> None:
    with pytest.raises(ParameterError, match=parameter):
        state.fail_at_random("CreateNetworkConnector", *arguments)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), 1e10])
def test_the_seconds_of_a_failure_are_bounded(state: State, seconds: Seconds) -> None:
    with pytest.raises(ParameterError, match="seconds"):
        state.fail_next("CreateNetworkConnector", seconds=seconds)
    with pytest.raises(ParameterError, match="seconds"):
        state.fail_at_random("CreateNetworkConnector", 0.5, seconds=seconds)


# Stale reads


@pytest.fixture
def stale(clock: Clock) -> State:
    """A state with one active connector, whose reads lag 5 s behind updates."""
    account = Account(clock=clock, provisioning_seconds=60, update_seconds=30, stale_seconds=5)
    state = State(account)
    create(state)
    clock.advance(60)
    state.update_network_connector("prod", configuration=vpc(SubnetIds=["subnet-9"]))
    clock.advance(30)
    return state


def test_reads_are_stale_for_a_while_after_an_update(stale: State, clock: Clock) -> None:
    before = stale.get_network_connector("prod")
    summary = next(iter(stale.list_network_connectors()))
    assert (before.last_update_status, before.version) == ("Successful", 2)
    response = stale.update_network_connector("prod", configuration=OTHER_VPC)
    assert (response.last_update_status, response.version) == ("InProgress", 3)
    clock.advance(4.9)
    assert stale.get_network_connector("prod") == before
    assert next(iter(stale.list_network_connectors())) == summary
    clock.advance(0.1)
    now = stale.get_network_connector("prod")
    assert (now.last_update_status, now.version) == ("InProgress", 3)
    assert next(iter(stale.list_network_connectors())).latest_version == 3


def test_an_update_does_not_use_the_stale_view(stale: State) -> None:
    stale.update_network_connector("prod", configuration=OTHER_VPC)
    with pytest.raises(Exception, match="in progress"):
        stale.update_network_connector("prod", configuration=OTHER_VPC)


def test_a_deletion_is_visible_at_once(stale: State) -> None:
    stale.update_network_connector("prod", configuration=OTHER_VPC)
    stale.delete_network_connector("prod")
    assert stale.get_network_connector("prod").state == "DELETING"


def test_a_put_connector_is_visible_at_once(stale: State) -> None:
    stale.update_network_connector("prod", configuration=OTHER_VPC)
    put = stale.put_network_connector("prod", state=NetworkConnectorState.ACTIVE)
    assert put.last_update_status is None


# boto3


async def test_boto3_sees_the_simulation(clock: Clock) -> None:
    limits = evolve(Account().limits, network_connector_versions=2)
    account = Account(
        clock=clock,
        provisioning_seconds=_uniform,
        update_seconds=30,
        stale_seconds=5,
        limits=limits,
    )
    state = State(account)
    vpc_2 = {"VpcEgressConfiguration": {"SubnetIds": ["subnet-2"], "SecurityGroupIds": ["sg-1"]}}
    vpc_3 = {"VpcEgressConfiguration": {"SubnetIds": ["subnet-3"], "SecurityGroupIds": ["sg-1"]}}
    async with Server(state, credentials=[CREDENTIALS]) as server:
        boto3 = await asyncio.to_thread(Boto3, server)
        new = {"Configuration": CONFIGURATION, "OperatorRole": ROLE}
        server.faults.delay_roles(10)
        await boto3.fails(
            "InvalidParameterValueException", 400, "CreateNetworkConnector", Name="prod", **new
        )
        clock.advance(10)
        await boto3.call("CreateNetworkConnector", Name="prod", **new)
        state.fail_next("CreateNetworkConnector", NO_ROOM, seconds=40)
        await boto3.call("CreateNetworkConnector", Name="full", **new)
        clock.advance(29)
        assert (await boto3.call("GetNetworkConnector", Identifier="prod"))["State"] == "PENDING"
        clock.advance(600)
        assert (await boto3.call("GetNetworkConnector", Identifier="prod"))["State"] == "ACTIVE"
        full = await boto3.call("GetNetworkConnector", Identifier="full")
        assert (full["State"], full["StateReasonCode"]) == ("FAILED", "SubnetOutOfIPAddresses")

        state.fail_next("UpdateNetworkConnector", NO_ROOM)
        await boto3.call("UpdateNetworkConnector", Identifier="prod", Configuration=vpc_2)
        shown = await boto3.call("GetNetworkConnector", Identifier="prod")
        assert "LastUpdateStatus" not in shown
        clock.advance(30)
        shown = await boto3.call("GetNetworkConnector", Identifier="prod")
        assert (shown["LastUpdateStatus"], shown["LastUpdateStatusReasonCode"]) == (
            "Failed",
            "SubnetOutOfIPAddresses",
        )
        await boto3.fails(
            "NetworkConnectorLimitExceededException",
            400,
            "UpdateNetworkConnector",
            Identifier="prod",
            Configuration=vpc_3,
        )
        boto3.client.close()
