"""Provisioning, against the embedded service in the same process, on a clock of events."""

from __future__ import annotations

import asyncio
import itertools
import json
import pickle
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ComputeResourceType,
    Drift,
    ElasticIpConfiguration,
    ElasticIpType,
    InvalidParameterValueException,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorLimitExceededException,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    ParameterError,
    ResourceConflictException,
    ResourceNotFoundException,
    TransportError,
    UnknownMember,
    ValidationException,
    VpcEgressConfiguration,
    WaiterFailedError,
    WaiterTimeoutError,
    diff_network_connector,
    to_dict,
)
from lambdacore_async.engine.pipeline import Pipeline, Settings
from lambdacore_async.engine.retry import RetryPolicy
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.local import Limits
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.workflows.provisioning import Wanted
from support.examples import examples
from support.leaks import cancel_at, other_tasks
from support.simulation import World
from support.transports import refusal

ROLE = "arn:aws:iam::123456789012:role/operator"
OTHER_ROLE = f"{ROLE}-2"
NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
VPC = VpcEgressConfiguration(
    subnet_ids=("subnet-a", "subnet-b"),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC = evolve(VPC, subnet_ids=("subnet-c",))


def world(**options: Any) -> World:
    """A service in which connectors take 60 s, updates 30 s, deletions 20 s."""
    usual = {"provisioning_seconds": 60, "update_seconds": 30, "deletion_seconds": 20}
    return World(**{**usual, **options})


def is_as_wanted(
    connector: NetworkConnector, configuration: NetworkConnectorConfiguration = VPC
) -> bool:
    drifts = diff_network_connector(connector, configuration, operator_role=ROLE)
    return connector.state == "ACTIVE" and not drifts


async def ensure(client: LambdaCoreClient, **options: Any) -> NetworkConnector:
    merged: dict[str, Any] = {"configuration": VPC, "operator_role": ROLE, **options}
    return await client.ensure_network_connector("prod", **merged)


# What drifts

CONNECTOR = NetworkConnector(
    "arn:x",
    "prod",
    "nc-1",
    configuration=VPC,
    operator_role=ROLE,
    state=NetworkConnectorState.ACTIVE,
)
SUBNETS = st.lists(st.sampled_from(["subnet-a", "subnet-b", "subnet-c"]), min_size=1)


@given(SUBNETS, SUBNETS)
def test_lists_drift_as_sets(actual: list[str], wanted: list[str]) -> None:
    connector = evolve(CONNECTOR, configuration=evolve(VPC, subnet_ids=actual))
    drifts = diff_network_connector(connector, evolve(VPC, subnet_ids=wanted))
    if set(actual) == set(wanted):
        assert drifts == ()
    else:
        assert drifts == (Drift("subnet_ids", tuple(actual), tuple(wanted)),)


def test_every_member_can_drift_in_order_with_the_role_last() -> None:
    elastic = ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED)
    wanted = VpcEgressConfiguration(
        subnet_ids=("subnet-z",),
        security_group_ids=(),
        network_protocol=NetworkProtocol.DUAL_STACK,
        associated_compute_resource_types=(ComputeResourceType.WEB_FUNCTION,),
        elastic_ip_configuration=elastic,
    )
    assert diff_network_connector(CONNECTOR, wanted, operator_role=OTHER_ROLE) == (
        Drift("subnet_ids", ("subnet-a", "subnet-b"), ("subnet-z",)),
        Drift("security_group_ids", ("sg-a",), ()),
        Drift("network_protocol", "IPv4", "DualStack"),
        Drift("associated_compute_resource_types", ("MicroVm",), ("WebFunction",)),
        Drift("elastic_ip_configuration", None, elastic),
        Drift("operator_role", ROLE, OTHER_ROLE),
    )


def test_members_with_no_desired_value_do_not_drift() -> None:
    assert diff_network_connector(CONNECTOR, VpcEgressConfiguration()) == ()


@pytest.mark.parametrize(
    ("actual", "wanted"),
    [
        (evolve(VPC, security_group_ids=None), evolve(VPC, security_group_ids=())),
        (VPC, evolve(VPC, elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.NONE))),
        (evolve(VPC, elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.NONE)), VPC),
    ],
)
def test_all_forms_of_an_empty_value_are_equal(
    actual: VpcEgressConfiguration, wanted: VpcEgressConfiguration
) -> None:
    assert diff_network_connector(evolve(CONNECTOR, configuration=actual), wanted) == ()


@pytest.mark.parametrize("actual", [None, UnknownMember("New", {})])
def test_another_kind_of_configuration_drifts_as_a_whole(
    actual: UnknownMember | None,
) -> None:
    connector = evolve(CONNECTOR, configuration=actual)
    (drift,) = diff_network_connector(connector, VPC)
    assert drift == Drift("configuration", actual, VPC)
    assert pickle.loads(pickle.dumps(drift)) == drift  # noqa: S301 - our own


def test_missing_and_different_tags_drift_and_other_tags_do_not() -> None:
    current = {"team": "edge", "stage": "prod"}
    wanted = {"team": "net", "stage": "prod", "cost": "7"}
    assert diff_network_connector(CONNECTOR, VPC, tags=wanted, current_tags=current) == (
        Drift("tags['team']", "edge", "net"),
        Drift("tags['cost']", None, "7"),
    )
    assert len(diff_network_connector(CONNECTOR, VPC, tags=wanted)) == 3
    assert diff_network_connector(CONNECTOR, VPC, current_tags=current) == ()
    with pytest.raises(ParameterError, match="tags: expected a mapping or None, got list"):
        diff_network_connector(CONNECTOR, VPC, tags=[])  # type: ignore[arg-type] # the point


# Ensure


async def test_ensure_adds_the_tags_that_a_connector_lacks_and_keeps_the_others() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    arn = here.state.get_network_connector("prod").arn
    here.state.tag_resource(arn, {"team": "edge", "stage": "prod"})
    for _ in range(2):  # the second time, nothing is left to do
        await ensure(here.client(), tags={"team": "net", "cost": "7"})
        assert here.state.list_tags(arn) == {"team": "net", "cost": "7", "stage": "prod"}
    assert (here.calls["ListTags"], here.calls["TagResource"]) == (2, 1)


async def test_ensure_adds_tags_after_an_update() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=OTHER_ROLE)
    connector = await ensure(here.client(), tags={"team": "net"})
    assert is_as_wanted(connector)
    assert here.state.list_tags(connector.arn) == {"team": "net"}


async def test_ensure_pauses_while_another_change_keeps_tags_from_being_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    tag_resource, refusals = here.state.tag_resource, iter(["busy", "still busy"])

    def tag_resource_later(resource: str, tags: dict[str, str]) -> None:
        for problem in refusals:
            raise ResourceConflictException(problem, status_code=409)
        tag_resource(resource, tags)

    monkeypatch.setattr(here.state, "tag_resource", tag_resource_later)
    connector = await ensure(here.client(), tags={"team": "net"}, poll_interval=10)
    assert here.state.list_tags(connector.arn) == {"team": "net"}
    assert here.clock.monotonic() == 20


async def test_ensure_creates_a_missing_connector_and_waits() -> None:
    here = world()
    connector = await ensure(here.client(), tags={"team": "net"})
    assert is_as_wanted(connector)
    assert here.state.list_tags(connector.arn) == {"team": "net"}
    assert "ListTags" not in here.calls
    assert here.clock.monotonic() >= 60
    assert here.calls["CreateNetworkConnector"] == 1


async def test_ensure_adopts_a_connector_without_drift_with_one_call() -> None:
    here = world()
    there = here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    assert await ensure(here.client()) == there
    assert here.calls == {"GetNetworkConnector": 1}


async def test_ensure_updates_a_drift_and_waits() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=OTHER_ROLE)
    connector = await ensure(here.client())
    assert is_as_wanted(connector)
    assert (connector.version, connector.last_update_status) == (2, "Successful")
    assert here.clock.monotonic() >= 30


async def test_ensure_sends_only_what_drifted_and_keeps_what_is_not_wanted() -> None:
    here = world()
    elastic = ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED)
    there = evolve(OTHER_VPC, elastic_ip_configuration=elastic)
    here.state.put_network_connector("prod", configuration=there, operator_role=OTHER_ROLE)
    client = here.client()
    subnets = VpcEgressConfiguration(subnet_ids=VPC.subnet_ids)
    connector = await ensure(client, configuration=subnets, operator_role=None)
    assert connector.configuration == evolve(there, subnet_ids=VPC.subnet_ids)
    assert connector.operator_role == OTHER_ROLE
    connector = await ensure(client, configuration=VpcEgressConfiguration())
    assert connector.configuration == evolve(there, subnet_ids=VPC.subnet_ids)
    assert connector.operator_role == ROLE


async def test_ensure_waits_for_a_creation_by_another_caller() -> None:
    here = world()
    here.state.create_network_connector("prod", VPC, operator_role=ROLE)
    assert is_as_wanted(await ensure(here.client()))
    assert "CreateNetworkConnector" not in here.calls


@pytest.mark.parametrize("fails", [False, True])
async def test_ensure_waits_for_an_update_by_another_caller(*, fails: bool) -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    if fails:
        here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    here.state.update_network_connector("prod", configuration=VPC)
    assert is_as_wanted(await ensure(here.client()))
    assert here.calls.get("UpdateNetworkConnector", 0) == fails


async def test_ensure_recreates_a_connector_that_is_being_deleted() -> None:
    here = world()
    old = here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    here.state.delete_network_connector("prod")
    connector = await ensure(here.client())
    assert is_as_wanted(connector)
    assert connector.id != old.id


@pytest.mark.parametrize(
    "state", [NetworkConnectorState.FAILED, NetworkConnectorState.DELETE_FAILED]
)
async def test_ensure_leaves_a_failed_connector_alone_and_explains_it(
    state: NetworkConnectorState,
) -> None:
    here = world()
    here.state.put_network_connector(
        "prod", state=state, state_reason_code=NO_ROOM, configuration=VPC, operator_role=ROLE
    )
    with pytest.raises(WaiterFailedError) as raised:
        await ensure(here.client())
    assert (raised.value.state, raised.value.reason_code) == (state, NO_ROOM)
    assert here.calls.keys() == {"GetNetworkConnector"}


async def test_a_deletion_that_fails_is_the_end_of_ensure() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    here.state.fail_next("DeleteNetworkConnector", NO_ROOM)
    here.state.delete_network_connector("prod")
    with pytest.raises(WaiterFailedError) as raised:
        await ensure(here.client())
    assert raised.value.state == "DELETE_FAILED"


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
async def test_a_failed_creation_is_explained(code: NetworkConnectorStateReasonCode) -> None:
    here = world()
    here.state.fail_next("CreateNetworkConnector", code, seconds=40)
    with pytest.raises(WaiterFailedError) as raised:
        await ensure(here.client())
    assert (raised.value.state, raised.value.reason_code) == ("FAILED", code)
    assert raised.value.cause is not None


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
async def test_a_failed_update_is_explained(code: NetworkConnectorStateReasonCode) -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    here.state.fail_next("UpdateNetworkConnector", code)
    with pytest.raises(WaiterFailedError) as raised:
        await ensure(here.client())
    assert (raised.value.state, raised.value.reason_code) == ("Failed", code)


async def test_ensure_is_not_fooled_by_stale_reads() -> None:
    here = world(stale_seconds=8)
    client = here.client()
    await ensure(client)
    await ensure(client, configuration=OTHER_VPC)
    started = here.clock.monotonic()
    connector = await ensure(client)
    assert is_as_wanted(connector)
    assert connector.version == 3
    assert here.clock.monotonic() - started >= 30


def test_a_configuration_of_another_kind_is_replaced_whole() -> None:
    wanted = Wanted("prod", VPC, ROLE, None)
    connector = evolve(CONNECTOR, configuration=UnknownMember("New", {}))
    assert wanted.changes(connector, wanted.drifts(connector)) == (VPC, None)


# Roles


@pytest.mark.parametrize("exists", [False, True])
async def test_a_fresh_role_is_given_time_to_spread(*, exists: bool) -> None:
    here = world()
    here.faults.delay_roles(100)
    if exists:
        here.state.put_network_connector("prod", configuration=VPC, operator_role=OTHER_ROLE)
    assert is_as_wanted(await ensure(here.client()))
    assert here.clock.monotonic() >= 100


async def test_a_role_that_never_spreads_is_the_service_s_error() -> None:
    here = world()
    here.faults.delay_roles(1e6)
    with pytest.raises(InvalidParameterValueException, match="unable to assume"):
        await ensure(here.client())
    assert 115 <= here.clock.monotonic() <= 130


async def test_a_role_is_given_no_more_time_than_there_is() -> None:
    here = world()
    here.faults.delay_roles(1e6)
    with pytest.raises(InvalidParameterValueException, match="unable to assume"):
        await ensure(here.client(), timeout=10)
    assert here.clock.monotonic() <= 13


async def test_any_other_refusal_is_final() -> None:
    here = world()
    with pytest.raises(ValidationException, match="subnetIds"):
        await ensure(here.client(), configuration=evolve(VPC, subnet_ids=("nonsense",)))
    assert here.calls["CreateNetworkConnector"] == 1


# Bounds


@pytest.mark.parametrize(
    ("parameter", "options"),
    [
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": float("nan")}),
        ("timeout", {"timeout": float("inf")}),
        ("poll_interval", {"poll_interval": -1}),
        ("configuration", {"configuration": UnknownMember("New", {})}),
        ("operator_role", {"operator_role": 7}),
        ("tags", {"tags": {"team": 7}}),
    ],
)
async def test_bad_input_is_refused_before_anything_is_sent(
    parameter: str, options: dict[str, Any]
) -> None:
    here = world()
    with pytest.raises(ParameterError) as raised:
        await ensure(here.client(), **options)
    assert raised.value.parameter.startswith(parameter)
    assert here.calls == {}


@pytest.mark.parametrize("name", ["", "n" * 65, "arn:aws:lambda:us-east-1:123456789012:x", "a b"])
async def test_a_name_that_no_connector_can_have_is_refused(name: str) -> None:
    here = world()
    with pytest.raises(ParameterError, match="name"):
        await here.client().ensure_network_connector(name, VPC)
    assert here.calls == {}


async def test_an_id_is_no_name() -> None:
    here = world()
    there = here.state.put_network_connector("prod")
    with pytest.raises(ParameterError, match="name"):
        await here.client().ensure_network_connector(there.id, VPC)
    assert here.calls == {"GetNetworkConnector": 1}


@pytest.mark.parametrize("seconds", [1, 59])
async def test_ensure_times_out_with_the_last_state(seconds: float) -> None:
    here = world()
    with pytest.raises(WaiterTimeoutError) as raised:
        await ensure(here.client(), timeout=seconds)
    assert raised.value.last is not None
    assert raised.value.last.state == "PENDING"
    assert here.clock.monotonic() <= seconds + 1


async def test_a_conflict_that_does_not_pass_ends_in_time_and_is_the_cause() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)

    def interfere(request: Any) -> None:
        if request.method == "PUT":
            here.state.put_network_connector("prod", state=NetworkConnectorState.INACTIVE)
        else:
            here.state.put_network_connector("prod", state=NetworkConnectorState.ACTIVE)

    here.transport.before = interfere
    with pytest.raises(WaiterTimeoutError) as raised:
        await ensure(here.client(), timeout=100)
    assert isinstance(raised.value.__cause__, ResourceConflictException)
    assert 90 <= here.clock.monotonic() <= 110


async def test_a_drift_that_comes_back_after_three_updates_is_a_failure() -> None:
    here = world(update_seconds=0)
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)

    def undo(request: Any) -> None:
        if request.method == "GET":
            here.state.put_network_connector("prod", configuration=OTHER_VPC)

    here.transport.before = undo
    with pytest.raises(WaiterFailedError, match="subnet_ids") as raised:
        await ensure(here.client())
    assert raised.value.state == "ACTIVE"
    assert here.calls["UpdateNetworkConnector"] == 3


async def test_a_version_limit_is_the_service_s_error() -> None:
    here = world(limits=Limits(network_connector_versions=1))
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    with pytest.raises(NetworkConnectorLimitExceededException):
        await ensure(here.client())


# States that flap

PENDING = NetworkConnectorState.PENDING
IN_PROGRESS = NetworkConnectorLastUpdateStatus.IN_PROGRESS
VIEWS = st.sampled_from(
    [
        evolve(CONNECTOR, state=state, last_update_status=status, configuration=configuration)
        for state in (NetworkConnectorState.ACTIVE, PENDING, NetworkConnectorState.DELETING)
        for status in (None, IN_PROGRESS, NetworkConnectorLastUpdateStatus.FAILED)
        for configuration in (VPC, OTHER_VPC)
    ]
)
ERRORS = st.sampled_from(
    [
        ResourceNotFoundException("gone", status_code=404),
        ResourceConflictException("busy", status_code=409),
        TransportError("the network is down"),
        InvalidParameterValueException("unable to assume the role"),
    ]
)


class Flapping:
    """A service that answers each request from a script, which repeats.

    Attributes:
        at: when requests were made.
    """

    def __init__(self, script: list[NetworkConnector | LambdaCoreError]) -> None:
        self.at: list[float] = []
        self._script = itertools.cycle(script)
        self._here = World()
        self.clock = self._here.clock
        self.client = self._here.client()
        shared = evolve(self.client._core.pipeline.shared, transport=self)
        policy = RetryPolicy(max_attempts=1)
        self.client._core.pipeline = Pipeline(shared, Settings("us-east-1", policy=policy))

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        self.at.append(self.clock.monotonic())
        assert len(self.at) < 10_000, "time stands still"
        await asyncio.sleep(0)
        self.clock.stir()
        answer = next(self._script)
        if isinstance(answer, LambdaCoreError):
            if isinstance(answer, ApiError):
                return refusal(answer.code, answer.status_code)
            raise TransportError(str(answer))
        return Response(200, {}, json.dumps(to_dict(answer)).encode())

    async def close(self) -> None:
        """See `Transport.close`."""

    async def run(self, call: Callable[[LambdaCoreClient], Awaitable[object]]) -> object:
        (outcome,) = await asyncio.gather(call(self.client), return_exceptions=True)
        return outcome


@given(
    script=st.lists(VIEWS | ERRORS, min_size=1, max_size=8),
    interval=st.sampled_from([0.5, 10.0]),
    verb=st.sampled_from(["ensure", "update", "delete", "active", "updated", "deleted"]),
)
@example(
    [evolve(CONNECTOR, last_update_status=IN_PROGRESS), evolve(CONNECTOR, state=PENDING)],
    10.0,
    "ensure",
)
def test_whatever_is_seen_requests_are_bounded_by_the_poll_interval(
    script: list[NetworkConnector | LambdaCoreError], interval: float, verb: str
) -> None:
    service = Flapping(script)
    options: dict[str, Any] = {"timeout": 300, "poll_interval": interval}
    calls: dict[str, Callable[[LambdaCoreClient], Awaitable[object]]] = {
        "ensure": lambda c: ensure(c, operator_role=None, **options),
        "update": lambda c: c.update_network_connector_and_wait(
            "prod", configuration=VPC, **options
        ),
        "delete": lambda c: c.delete_network_connector_and_wait("prod", **options),
        "active": lambda c: c.wait_until_network_connector_active(CONNECTOR, **options),
        "updated": lambda c: c.wait_until_network_connector_updated(CONNECTOR, **options),
        "deleted": lambda c: c.wait_until_network_connector_deleted(CONNECTOR, **options),
    }
    outcome = asyncio.run(service.run(calls[verb]))
    assert isinstance(outcome, NetworkConnector | LambdaCoreError | None)
    assert service.clock.monotonic() <= 301
    # A role is tried every two seconds for two minutes; all else goes by the interval.
    assert len(service.at) <= 5 * (300 / interval) + 80
    for start in service.at:
        assert sum(start <= moment < start + 1 for moment in service.at) <= 5 / min(interval, 1)


# Twice at once, and again


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("count", [2, 5])
async def test_many_at_once_end_with_one_connector_and_all_are_satisfied(
    count: int, *, exists: bool
) -> None:
    here = world()
    if exists:
        here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    clients = [here.client() for _ in range(count)]  # as in different processes
    connectors = await asyncio.gather(*(ensure(client) for client in clients))
    assert all(is_as_wanted(connector) for connector in connectors)
    assert len({connector.id for connector in connectors}) == 1
    assert len(here.state.list_network_connectors()) == 1
    versions = here.state.list_network_connector_versions("prod")
    assert len(versions) == 1 + exists


async def test_of_two_that_want_different_things_each_had_its_way_and_one_lasts() -> None:
    here = world()
    first, second = await asyncio.gather(
        ensure(here.client()), ensure(here.client(), configuration=OTHER_VPC)
    )
    assert is_as_wanted(first)
    assert is_as_wanted(second, OTHER_VPC)
    there = here.state.get_network_connector("prod")
    assert is_as_wanted(there) or is_as_wanted(there, OTHER_VPC)


@pytest.mark.parametrize("exists", [False, True])
async def test_ensure_can_be_cancelled_anywhere_and_run_again(*, exists: bool) -> None:
    for step in range(1000):
        here = world(stale_seconds=3)
        here.faults.delay_roles(5)
        if exists:
            here.state.put_network_connector(
                "prod", configuration=OTHER_VPC, operator_role=OTHER_ROLE
            )
        before = other_tasks()
        cancelled = await cancel_at(step, ensure(here.client()))
        assert other_tasks() == before
        assert is_as_wanted(await ensure(here.client()))
        assert len(here.state.list_network_connectors()) == 1
        if not cancelled:
            break
    else:
        pytest.fail("it never came to its end")
    assert step > 10


# Update and wait


async def test_update_and_wait_waits_for_its_own_update() -> None:
    here = world(stale_seconds=8)
    here.state.put_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    client = here.client()
    for version, configuration in ((2, VPC), (3, OTHER_VPC)):
        connector = await client.update_network_connector_and_wait(
            "prod", configuration=configuration
        )
        assert (connector.version, connector.last_update_status) == (version, "Successful")
        assert connector.configuration == configuration


async def test_update_and_wait_gives_a_role_time_to_spread() -> None:
    here = world()
    here.state.put_network_connector("prod")
    here.faults.delay_roles(20)
    connector = await here.client().update_network_connector_and_wait("prod", operator_role=ROLE)
    assert connector.operator_role == ROLE


async def test_update_and_wait_raises_what_the_service_refuses() -> None:
    here = world()
    with pytest.raises(ResourceNotFoundException):
        await here.client().update_network_connector_and_wait("prod", configuration=VPC)
    here.state.create_network_connector("prod", VPC, operator_role=ROLE)
    with pytest.raises(ResourceConflictException):
        await here.client().update_network_connector_and_wait("prod", configuration=VPC)


# Delete and wait


@pytest.mark.parametrize("form", ["id", "name", "arn"])
async def test_delete_and_wait_ends_when_it_is_gone(form: str) -> None:
    here = world()
    there = here.state.put_network_connector("prod")
    await here.client().delete_network_connector_and_wait(getattr(there, form))
    assert 20 <= here.clock.monotonic() <= 30
    assert len(here.state.list_network_connectors()) == 0


async def test_a_connector_that_does_not_exist_counts_as_deleted() -> None:
    here = world()
    await here.client().delete_network_connector_and_wait("prod")
    assert here.calls == {"DeleteNetworkConnector": 1}


async def test_another_of_the_same_name_is_not_waited_for() -> None:
    here = world()
    here.state.put_network_connector("prod")

    def make_anew(_: object) -> None:
        if here.clock.monotonic() >= 20 and not len(here.state.list_network_connectors()):
            here.state.put_network_connector("prod")

    here.transport.before = make_anew
    await here.client().delete_network_connector_and_wait("prod")
    assert len(here.state.list_network_connectors()) == 1


async def test_a_busy_connector_is_deleted_once_it_is_idle() -> None:
    here = world()
    here.state.create_network_connector("prod", VPC, operator_role=ROLE)
    await here.client().delete_network_connector_and_wait("prod")
    assert here.clock.monotonic() >= 80
    assert len(here.state.list_network_connectors()) == 0


async def test_a_state_in_which_nothing_can_be_deleted_is_the_service_s_error() -> None:
    here = world()
    here.state.put_network_connector("prod", state=NetworkConnectorState.INACTIVE)
    with pytest.raises(ResourceConflictException):
        await here.client().delete_network_connector_and_wait("prod")
    assert here.clock.monotonic() <= 10


async def test_a_work_that_never_ends_keeps_a_deletion_no_longer_than_its_timeout() -> None:
    here = world()
    here.state.put_network_connector("prod", state=NetworkConnectorState.PENDING)
    with pytest.raises(WaiterTimeoutError) as raised:
        await here.client().delete_network_connector_and_wait("prod", timeout=45)
    assert isinstance(raised.value.__cause__, ResourceConflictException)


async def test_a_busy_connector_that_disappears_counts_as_deleted() -> None:
    here = world()
    here.state.put_network_connector("prod", state=NetworkConnectorState.INACTIVE)

    def go(request: Any) -> None:
        if request.method == "GET":
            here.state.put_network_connector("prod")
            here.state.delete_network_connector("prod")
            here.clock.advance(20)

    here.transport.before = go
    await here.client().delete_network_connector_and_wait("prod")
    assert here.calls["DeleteNetworkConnector"] == 2


async def test_a_failed_deletion_is_explained() -> None:
    here = world()
    here.state.put_network_connector("prod")
    here.state.fail_next("DeleteNetworkConnector", NO_ROOM)
    with pytest.raises(WaiterFailedError) as raised:
        await here.client().delete_network_connector_and_wait("prod")
    assert (raised.value.state, raised.value.reason_code) == ("DELETE_FAILED", NO_ROOM)


async def test_one_version_can_be_deleted() -> None:
    here = with_versions(3)
    arn = here.state.get_network_connector("prod").arn
    await here.client().delete_network_connector_and_wait(f"{arn}:1")
    assert live_versions(here) == [2, 3]


# Prune


def with_versions(count: int, **options: Any) -> World:
    here = world(**options)
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    for number in range(1, count):
        here.state.update_network_connector(
            "prod", configuration=evolve(VPC, subnet_ids=(f"subnet-{number}",))
        )
        here.clock.advance(30)
    return here


def live_versions(here: World) -> list[int]:
    return [
        item.version
        for item in here.state.list_network_connector_versions("prod")
        if item.state != "DELETING"
    ]


@given(st.integers(1, 8), st.integers(1, 10))
@settings(max_examples=examples(0.25))
def test_prune_keeps_the_newest_and_returns_the_deleted_versions(count: int, keep: int) -> None:
    here = with_versions(count)
    deleted = asyncio.run(here.client().prune_network_connector_versions("prod", keep=keep))
    assert [version.version for version in deleted] == list(range(1, count - keep + 1))
    assert live_versions(here) == list(range(max(1, count - keep + 1), count + 1))


async def test_prune_never_deletes_the_version_in_use_however_old() -> None:
    here = with_versions(3)
    for number in range(2):
        here.state.fail_next("UpdateNetworkConnector")
        here.state.update_network_connector(
            "prod", configuration=evolve(VPC, subnet_ids=(f"subnet-x{number}",))
        )
        here.clock.advance(30)
    deleted = await here.client().prune_network_connector_versions("prod", keep=1)
    assert [version.version for version in deleted] == [1, 2, 4]
    assert live_versions(here) == [3, 5]


async def test_prune_makes_room_for_an_update() -> None:
    here = with_versions(3, limits=Limits(network_connector_versions=3))
    client = here.client()
    with pytest.raises(NetworkConnectorLimitExceededException):
        await ensure(client)
    await client.prune_network_connector_versions("prod", keep=1)
    here.clock.advance(20)
    assert is_as_wanted(await ensure(client))


async def test_a_version_that_prune_cannot_delete_does_not_stop_the_others() -> None:
    here = with_versions(5)

    def interfere(request: Any) -> None:
        if request.target.endswith("%3A1"):
            raise ResourceNotFoundException("another caller was faster")
        if request.target.endswith("%3A2"):
            raise ResourceConflictException("it is in use")

    here.transport.before = interfere
    with pytest.raises(ExceptionGroup, match="1 of 3 versions") as raised:
        await here.client().prune_network_connector_versions("prod", keep=1)
    (error,) = raised.value.exceptions
    assert isinstance(error, ResourceConflictException)
    assert live_versions(here) == [1, 2, 5]


@pytest.mark.parametrize("keep", [0, -1])
async def test_prune_keeps_one_at_least(keep: int) -> None:
    here = world()
    with pytest.raises(ParameterError, match="keep"):
        await here.client().prune_network_connector_versions("prod", keep=keep)
    assert here.calls == {}


# Any history

OTHERS: dict[str, Callable[[World], object]] = {
    "create": lambda w: w.state.create_network_connector("prod", VPC, operator_role=ROLE),
    "create other": lambda w: w.state.create_network_connector(
        "prod", OTHER_VPC, operator_role=OTHER_ROLE
    ),
    "update": lambda w: w.state.update_network_connector("prod", configuration=VPC),
    "update other": lambda w: w.state.update_network_connector("prod", configuration=OTHER_VPC),
    "role": lambda w: w.state.update_network_connector("prod", operator_role=OTHER_ROLE),
    "delete": lambda w: w.state.delete_network_connector("prod"),
    "fail create": lambda w: w.state.fail_next("CreateNetworkConnector", NO_ROOM, seconds=7),
    "fail update": lambda w: w.state.fail_next("UpdateNetworkConnector", NO_ROOM),
    "fail delete": lambda w: w.state.fail_next("DeleteNetworkConnector", NO_ROOM),
}
HISTORIES = st.lists(st.tuples(st.floats(0, 90), st.sampled_from(sorted(OTHERS))), max_size=8)


@given(
    before=HISTORIES,
    meanwhile=HISTORIES,
    seconds=st.tuples(st.floats(0, 120), st.floats(0, 60), st.floats(0, 60)),
    stale=st.sampled_from([0, 5, 25]),
    role=st.sampled_from([0, 15]),
    limit=st.sampled_from([2, 100]),
    versioned=st.booleans(),
    runs=st.integers(1, 3),
)
@example(
    before=[],
    meanwhile=[(0.0, "create other"), (27.0, "role")],
    seconds=(0.0, 0.0, 0.0),
    stale=5,
    role=15,
    limit=2,
    versioned=False,
    runs=1,
)
def test_whatever_others_do_ensure_ends_as_wanted_or_in_a_typed_cause(
    before: list[tuple[float, str]],
    meanwhile: list[tuple[float, str]],
    seconds: tuple[float, float, float],
    stale: float,
    role: float,
    limit: int,
    versioned: bool,
    runs: int,
) -> None:
    provisioning, update, deletion = seconds
    here = world(
        provisioning_seconds=provisioning,
        update_seconds=update,
        deletion_seconds=deletion,
        stale_seconds=stale,
        limits=Limits(network_connector_versions=limit),
        versioned_roles=versioned,
    )
    here.faults.delay_roles(role)

    async def act(history: list[tuple[float, str]]) -> None:
        for pause, deed in history:
            await here.clock.sleep(pause)
            with suppress(LambdaCoreError):  # the others are refused at times, too
                OTHERS[deed](here)

    async def play() -> None:
        await act(before)
        client = here.client()
        *results, _ = await asyncio.gather(
            *(ensure(client, timeout=2000) for _ in range(runs)),
            act(meanwhile),
            return_exceptions=True,
        )
        for result in results:
            assert is_an_end(result)
        # Once the others are done and reads do not lag, the result is the current state.
        await here.clock.sleep(stale)
        (result,) = await asyncio.gather(ensure(client, timeout=2000), return_exceptions=True)
        assert is_an_end(result)
        await here.clock.sleep(stale)
        if isinstance(result, NetworkConnector):
            assert is_as_wanted(here.state.get_network_connector("prod"))
        assert len(here.state.list_network_connectors()) <= 1
        assert other_tasks() == set()

    asyncio.run(play())


def is_an_end(result: object) -> bool:
    """Whether it is the connector as wanted, or a typed cause."""
    match result:
        case NetworkConnector():
            return is_as_wanted(result)
        case WaiterFailedError(state=state, reason_code=code):
            return code == NO_ROOM or state in (None, NetworkConnectorState.DELETING)
        case _:
            return isinstance(result, NetworkConnectorLimitExceededException)
