from __future__ import annotations

import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import (
    ApiError,
    InvalidParameterValueException,
    NetworkConnectorLimitExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdacore_async.local import State
from lambdacore_async.local.account import REASONS, Account
from lambdacore_async.local.network_connectors import MANAGED_CONNECTORS
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    ElasticIpConfiguration,
    ElasticIpType,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import UnknownMember, UnknownValue
from lambdacore_async.protocol.reading import from_dict
from local.clock import Clock

ROLE = "arn:aws:iam::123456789012:role/operator"
ID = "nc-12773c1e-fd20-4233-a89b-472e6ada27da"
ARN = f"arn:aws:lambda:us-east-1:123456789012:network-connector:{ID}"
NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES


def vpc(**members: Any) -> VpcEgressConfiguration:
    data = {
        "SubnetIds": ["subnet-1"],
        "SecurityGroupIds": ["sg-1"],
        "NetworkProtocol": "IPv4",
        "AssociatedComputeResourceTypes": ["MicroVm"],
        **members,
    }
    return from_dict(VpcEgressConfiguration, data)


def create(state: State, name: str = "prod", **options: Any) -> NetworkConnector:
    merged: dict[str, Any] = {"configuration": vpc(), "operator_role": ROLE, **options}
    return state.create_network_connector(name, **merged)


@pytest.fixture
def active(state: State, clock: Clock) -> NetworkConnector:
    create(state)
    clock.advance(60)
    return state.get_network_connector("prod")


def test_a_created_connector_is_pending(state: State) -> None:
    created = create(state)
    assert re.fullmatch(r"nc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", created.id)
    assert created.arn == f"arn:aws:lambda:us-east-1:123456789012:network-connector:{created.id}"
    assert created == NetworkConnector(
        ARN,
        "prod",
        created.id,
        configuration=vpc(),
        operator_role=ROLE,
        state=NetworkConnectorState.PENDING,
    )


def test_a_connector_becomes_active_after_the_provisioning_seconds(
    state: State, clock: Clock
) -> None:
    create(state)
    clock.advance(59.9)
    pending = state.get_network_connector("prod")
    assert (pending.state, pending.state_reason) == ("PENDING", "Initial creation")
    clock.advance(0.1)
    active = state.get_network_connector("prod")
    assert (active.state, active.state_reason) == ("ACTIVE", "Initial creation")


def test_responses_have_versions_once_an_update_created_one(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    (summary,) = state.list_network_connectors()
    assert (active.version, active.latest_version, active.latest_version_arn) == (None, None, None)
    assert (summary.latest_version, summary.latest_version_arn) == (None, None)
    assert state.get_network_connector(f"{ARN}:1").version == 1
    state.update_network_connector("prod", operator_role=ROLE + "2")
    clock.advance(30)
    active = state.get_network_connector("prod")
    (summary,) = state.list_network_connectors()
    assert (active.version, active.latest_version, active.latest_version_arn) == (2, 2, f"{ARN}:2")
    assert (summary.latest_version, summary.latest_version_arn) == (2, f"{ARN}:2")


def test_creation_returns_pending_even_if_provisioning_takes_no_time() -> None:
    state = State(Account(provisioning_seconds=0))
    assert create(state).state == "PENDING"
    assert state.get_network_connector("prod").state == "ACTIVE"


def test_a_connector_is_found_by_id_name_and_arn(state: State, active: NetworkConnector) -> None:
    for identifier in (active.id, active.name, active.arn):
        assert state.get_network_connector(identifier) == active


def test_no_update_status_before_the_first_update(active: NetworkConnector) -> None:
    assert active.last_update_status is None


@pytest.mark.parametrize(
    "identifier",
    [
        "other",
        "arn:aws:lambda:us-east-1:123456789012:network-connector:other",
        "arn:aws:lambda:us-east-1:123456789012:network-connector:prod",
        ARN.replace("123456789012", "999999999999"),
        ARN.replace("us-east-1", "eu-west-1"),
        f"{ARN}:2",
        f"{ARN}:01",
        f"{ARN}:$LATEST",
        "prod:1",
        "a/b?c%d",
    ],
)
def test_an_unknown_identifier_is_not_found(
    state: State, active: NetworkConnector, identifier: str
) -> None:
    for call in (
        state.get_network_connector,
        state.delete_network_connector,
        state.update_network_connector,
        state.list_network_connector_versions,
    ):
        with pytest.raises(ResourceNotFoundException) as error:
            call(identifier)
        assert error.value.status_code == 404
        arn = identifier.removeprefix(ARN.rpartition(":")[0] + ":")
        arn = arn if arn.startswith("arn:") else f"{ARN.rpartition(':')[0]}:{arn}"
        assert error.value.message == f"Network connector not found for: {arn}"


@pytest.mark.parametrize("identifier", ["", "x" * 141])
def test_an_identifier_has_1_to_140_characters(state: State, identifier: str) -> None:
    with pytest.raises(InvalidParameterValueException):
        state.get_network_connector(identifier)


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
def test_provisioning_can_fail_for_every_reason(
    state: State, clock: Clock, code: NetworkConnectorStateReasonCode
) -> None:
    state.fail_next("CreateNetworkConnector", code)
    assert create(state).state == "PENDING"
    clock.advance(60)
    failed = state.get_network_connector("prod")
    assert (failed.state, failed.state_reason_code) == ("FAILED", code)
    assert failed.state_reason == REASONS[code]
    (version,) = state.list_network_connector_versions("prod")
    assert (version.state, version.state_reason_code) == ("FAILED", code)
    assert version.state_reason == REASONS[code]
    assert state.get_network_connector(f"{ARN}:1").state_reason_code == code


def test_a_failure_waits_for_the_resource_of_its_name(state: State, clock: Clock) -> None:
    state.fail_next("CreateNetworkConnector", NO_ROOM, "It is full.", name="prod")
    create(state, "test")
    create(state)
    create(state, "more")
    clock.advance(60)
    states = {c.name: c.state for c in state.list_network_connectors()}
    assert states == {"test": "ACTIVE", "prod": "FAILED", "more": "ACTIVE"}
    assert state.get_network_connector("prod").state_reason == "It is full."


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", "a:b", "ä", ARN])
def test_a_name_is_1_to_64_letters_digits_hyphens_and_underscores(state: State, name: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="Name"):
        create(state, name)


@pytest.mark.parametrize(
    ("parameter", "configuration"),
    [
        ("Configuration", UnknownMember("Satellite", {})),
        ("SubnetIds", vpc(SubnetIds=None)),
        ("SubnetIds", vpc(SubnetIds=[])),
        ("SubnetIds", vpc(SubnetIds=["subnet-1"] * 17)),
        ("SubnetIds", vpc(SubnetIds=["subnet-X"])),
        ("SubnetIds", vpc(SubnetIds=["subnet-" + "1" * 1018])),
        ("SecurityGroupIds", vpc(SecurityGroupIds=["sg-1"] * 17)),
        ("SecurityGroupIds", vpc(SecurityGroupIds=["group-1"])),
        ("NetworkProtocol", vpc(NetworkProtocol="IPv9")),
        ("AssociatedComputeResourceTypes", vpc(AssociatedComputeResourceTypes=["MicroVm"] * 2)),
        ("AssociatedComputeResourceTypes", vpc(AssociatedComputeResourceTypes=["Toaster"])),
        ("ElasticIpConfiguration", vpc(ElasticIpConfiguration={"Type": "Rubber"})),
    ],
)
def test_an_invalid_configuration_is_rejected(
    state: State, parameter: str, configuration: NetworkConnectorConfiguration
) -> None:
    with pytest.raises(InvalidParameterValueException, match=f"^InvalidParam.*: {parameter}: "):
        create(state, configuration=configuration)


@pytest.mark.parametrize(
    ("member", "empty"),
    [
        ("SecurityGroupIds", None),
        ("SecurityGroupIds", []),
        ("NetworkProtocol", None),
        ("AssociatedComputeResourceTypes", None),
        ("AssociatedComputeResourceTypes", []),
    ],
)
def test_members_that_only_the_model_has_optional_are_required(
    state: State, member: str, empty: object
) -> None:
    with pytest.raises(InvalidParameterValueException) as error:
        create(state, configuration=vpc(**{member: empty}))
    assert error.value.message == f"{member} cannot be null or empty"


@pytest.mark.parametrize("role", [None, ""])
def test_an_operator_role_is_required(state: State, role: str | None) -> None:
    with pytest.raises(InvalidParameterValueException) as error:
        create(state, operator_role=role)
    assert error.value.message == (
        "NetworkConnectorOperatorRole is required for VPC_EGRESS connector type"
    )


@pytest.mark.parametrize("role", ["operator", ROLE + "x" * 10_000])
def test_creation_requires_the_arn_of_an_operator_role(state: State, role: str | None) -> None:
    with pytest.raises(InvalidParameterValueException, match="OperatorRole"):
        create(state, operator_role=role)


@pytest.mark.parametrize("token", ["", "x" * 65])
def test_a_client_token_has_1_to_64_characters(state: State, token: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="ClientToken"):
        create(state, client_token=token)


@pytest.mark.parametrize(
    "tags", [{"": "v"}, {"k" * 129: "v"}, {"k!": "v"}, {"k": "v" * 257}, {"k": "v\n"}]
)
def test_invalid_tags_are_rejected(state: State, tags: dict[str, str]) -> None:
    with pytest.raises(InvalidParameterValueException, match="Tags"):
        create(state, tags=tags)


def test_valid_tags_and_all_members_are_accepted(state: State) -> None:
    full = evolve(
        vpc(SubnetIds=[f"subnet-{n}" for n in range(16)]),
        security_group_ids=tuple(f"sg-{n}" for n in range(16)),
        network_protocol=NetworkProtocol.DUAL_STACK,
        associated_compute_resource_types=(ComputeResourceType.WEB_FUNCTION,),
        elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED),
    )
    created = create(state, configuration=full, tags={"Größe 1_.:/=+-@": "", "k": "v" * 256})
    assert created.configuration == full


def test_a_taken_name_is_a_conflict(state: State, active: NetworkConnector) -> None:
    with pytest.raises(ResourceConflictException) as error:
        create(state)
    assert error.value.status_code == 409


def test_a_second_create_with_the_same_token_returns_the_same_connector(
    state: State, clock: Clock
) -> None:
    first = create(state, client_token="token")
    clock.advance(60)
    assert create(state, client_token="token") == evolve(first, state=NetworkConnectorState.ACTIVE)
    assert len(state.list_network_connectors()) == 1


def test_a_token_used_with_different_parameters_is_a_conflict(state: State) -> None:
    create(state, client_token="token")
    with pytest.raises(ResourceConflictException, match="token"):
        create(state, "other", client_token="token")


def test_the_token_of_a_deleted_connector_creates_a_new_one(state: State, clock: Clock) -> None:
    first = create(state, client_token="token")
    clock.advance(60)
    state.delete_network_connector("prod")
    clock.advance(20)
    assert create(state, client_token="token").id != first.id


def test_the_account_has_a_limit_of_connectors(state: State) -> None:
    for name in ("a", "b", "c"):
        create(state, name)
    with pytest.raises(NetworkConnectorLimitExceededException) as error:
        create(state, "d")
    assert error.value.status_code == 400


def test_an_update_runs_while_the_connector_stays_active(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    wider = vpc(SubnetIds=["subnet-1", "subnet-2"])
    clock.advance(5)
    response = state.update_network_connector("prod", configuration=wider)
    assert response == evolve(
        active,
        version=2,
        version_arn=f"{ARN}:2",
        configuration=wider,
        state_reason=None,
        last_update_status=NetworkConnectorLastUpdateStatus.IN_PROGRESS,
        last_modified=clock(),
    )
    running = state.get_network_connector("prod")
    assert (running.state, running.last_update_status) == ("ACTIVE", "InProgress")
    assert (running.version, running.latest_version) == (2, 1)
    clock.advance(30)
    done = state.get_network_connector("prod")
    assert (done.state, done.last_update_status) == ("ACTIVE", "Successful")
    assert (done.version, done.latest_version, done.configuration) == (2, 2, wider)
    assert state.get_network_connector(f"{ARN}:1").configuration == vpc()


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
def test_an_update_can_fail_for_every_reason(
    state: State, clock: Clock, active: NetworkConnector, code: NetworkConnectorStateReasonCode
) -> None:
    state.fail_next("UpdateNetworkConnector", code)
    state.update_network_connector("prod", operator_role=ROLE + "2")
    clock.advance(30)
    assert state.get_network_connector("prod") == evolve(
        active,
        version=1,
        latest_version=1,
        latest_version_arn=f"{ARN}:1",
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason=REASONS[code],
        last_update_status_reason_code=code,
    )
    states = [v.state for v in state.list_network_connector_versions("prod")]
    assert states == ["ACTIVE", "FAILED"]


def test_an_update_without_changes_is_successful_at_once(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    same: list[dict[str, Any]] = [{}, {"configuration": vpc()}, {"operator_role": ROLE}]
    for changes in same:
        response = state.update_network_connector("prod", **changes)
        assert response == evolve(
            active,
            state_reason=None,
            last_update_status=NetworkConnectorLastUpdateStatus.SUCCESSFUL,
            last_update_status_reason="No configuration changes detected",
            last_modified=clock(),
        )
        assert state.get_network_connector("prod") == evolve(
            response, state_reason="Initial creation", last_modified=active.last_modified
        )


def test_an_update_replaces_the_configuration_except_members_that_every_connector_has(
    state: State, active: NetworkConnector
) -> None:
    state.update_network_connector(
        "prod",
        configuration=VpcEgressConfiguration(security_group_ids=["sg-2"], subnet_ids=["subnet-9"]),
    )
    assert state.get_network_connector("prod").configuration == vpc(
        SubnetIds=["subnet-9"], SecurityGroupIds=["sg-2"]
    )
    with pytest.raises(InvalidParameterValueException, match="SubnetIds"):
        state.update_network_connector("prod", configuration=VpcEgressConfiguration())


def test_an_update_during_another_is_a_conflict(state: State, active: NetworkConnector) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2")
    with pytest.raises(ResourceConflictException, match="in progress"):
        state.update_network_connector("prod", operator_role=ROLE + "3")


@pytest.mark.parametrize("other", [s for s in NetworkConnectorState if s != "ACTIVE"])
def test_an_update_needs_an_active_connector(state: State, other: NetworkConnectorState) -> None:
    state.put_network_connector("prod", state=other)
    with pytest.raises(ResourceConflictException, match=other):
        state.update_network_connector("prod", operator_role=ROLE)


def test_a_second_update_with_the_same_token_creates_no_version(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2", client_token="token")
    clock.advance(30)
    again = state.update_network_connector("prod", operator_role=ROLE + "2", client_token="token")
    assert (again.version, again.last_update_status) == (2, "Successful")
    with pytest.raises(ResourceConflictException, match="token"):
        state.update_network_connector("prod", operator_role=ROLE, client_token="token")


def test_an_update_does_not_accept_a_version(state: State, active: NetworkConnector) -> None:
    with pytest.raises(InvalidParameterValueException, match="Identifier"):
        state.update_network_connector(f"{ARN}:1", operator_role=ROLE)


def test_a_connector_has_a_limit_of_versions_until_older_ones_are_deleted(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    for n in (2, 3):
        state.update_network_connector("prod", operator_role=f"{ROLE}{n}")
        clock.advance(30)
    with pytest.raises(NetworkConnectorLimitExceededException):
        state.update_network_connector("prod", operator_role=ROLE)
    state.delete_network_connector(f"{ARN}:1")
    clock.advance(20)
    assert state.update_network_connector("prod", operator_role=ROLE).version == 4


def test_a_get_with_a_version_returns_that_version(state: State, active: NetworkConnector) -> None:
    assert state.get_network_connector(f"{ARN}:1") == evolve(
        active, version=1, version_arn=f"{ARN}:1"
    )


def test_one_historical_version_can_be_deleted(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2")
    clock.advance(30)
    response = state.delete_network_connector(f"{ARN}:1")
    assert (response.version, response.version_arn, response.state) == (1, f"{ARN}:1", "DELETING")
    assert state.delete_network_connector(f"{ARN}:1") == response
    assert state.get_network_connector(f"{ARN}:1").state == "DELETING"
    clock.advance(20)
    with pytest.raises(ResourceNotFoundException):
        state.get_network_connector(f"{ARN}:1")
    assert state.delete_network_connector(f"{ARN}:1") == response
    assert [v.version for v in state.list_network_connector_versions("prod")] == [2]
    assert state.get_network_connector("prod").state == "ACTIVE"


def test_the_latest_version_cannot_be_deleted_alone(state: State, active: NetworkConnector) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2")
    for version in (1, 2):  # the active one, and the pending one
        with pytest.raises(ResourceConflictException, match="latest"):
            state.delete_network_connector(f"{ARN}:{version}")


def test_a_deleted_connector_is_deleting_then_not_found(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    response = state.delete_network_connector("prod")
    assert response == NetworkConnector(
        ARN,
        "prod",
        active.id,
        configuration=vpc(),
        operator_role=ROLE,
        state=NetworkConnectorState.DELETING,
    )
    assert state.get_network_connector("prod").state == "DELETING"
    assert [v.state for v in state.list_network_connector_versions("prod")] == ["DELETING"]
    clock.advance(20)
    for call in (state.get_network_connector, state.list_network_connector_versions):
        with pytest.raises(ResourceNotFoundException):
            call("prod")
    assert not state.list_network_connectors().items


def test_deleting_again_succeeds_while_deleting_and_after(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    response = state.delete_network_connector("prod")
    clock.advance(19)
    assert state.delete_network_connector(active.id) == response
    clock.advance(1)
    assert state.delete_network_connector("prod") == response
    assert state.delete_network_connector(f"{ARN}:1").state == "DELETING"
    with pytest.raises(ResourceNotFoundException):
        state.get_network_connector(f"{ARN}:1")


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
def test_a_deletion_can_fail_for_every_reason_and_be_repeated(
    state: State, clock: Clock, active: NetworkConnector, code: NetworkConnectorStateReasonCode
) -> None:
    state.fail_next("DeleteNetworkConnector", code)
    state.delete_network_connector("prod")
    clock.advance(20)
    stuck = state.get_network_connector("prod")
    assert (stuck.state, stuck.state_reason_code) == ("DELETE_FAILED", code)
    state.delete_network_connector("prod")
    clock.advance(20)
    with pytest.raises(ResourceNotFoundException):
        state.get_network_connector("prod")


@pytest.mark.parametrize("other", [NetworkConnectorState.PENDING, NetworkConnectorState.INACTIVE])
def test_a_connector_that_is_not_active_or_failed_cannot_be_deleted(
    state: State, other: NetworkConnectorState
) -> None:
    state.put_network_connector("prod", state=other)
    with pytest.raises(ResourceConflictException, match=other):
        state.delete_network_connector("prod")


def test_the_name_of_a_deleted_connector_can_be_reused(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    state.delete_network_connector("prod")
    with pytest.raises(ResourceConflictException):
        create(state)
    clock.advance(20)
    created = create(state)
    assert created.id != active.id
    assert state.get_network_connector("prod").id == created.id
    with pytest.raises(ResourceNotFoundException):
        state.get_network_connector(active.id)


@pytest.mark.parametrize("name", MANAGED_CONNECTORS)
def test_managed_connectors_can_be_read_but_not_changed(state: State, name: str) -> None:
    arn = f"arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:{name}"
    managed = state.get_network_connector(arn)
    assert (managed.arn, managed.name, managed.state) == (arn, name, "ACTIVE")
    assert not state.list_network_connector_versions(arn).items
    assert not state.list_network_connectors().items
    for change in (state.update_network_connector, state.delete_network_connector):
        with pytest.raises(InvalidParameterValueException, match="AWS manages"):
            change(arn)


def test_listings_filter_by_state(state: State, clock: Clock, active: NetworkConnector) -> None:
    create(state, "young")
    names = {
        wanted: [c.name for c in state.list_network_connectors(state=wanted)]
        for wanted in NetworkConnectorState
    }
    assert names["ACTIVE"] == ["prod"]  # type: ignore[index]
    assert names["PENDING"] == ["young"]  # type: ignore[index]
    versions = state.list_network_connector_versions
    assert len(versions("prod", state=NetworkConnectorState.ACTIVE)) == 1
    assert len(versions("prod", state=NetworkConnectorState.FAILED)) == 0
    with pytest.raises(InvalidParameterValueException, match="State"):
        state.list_network_connectors(state=UnknownValue("ASLEEP"))
    with pytest.raises(InvalidParameterValueException, match="State"):
        versions("prod", state=UnknownValue("ASLEEP"))


def test_a_summary_has_the_latest_version(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2")
    (summary,) = state.list_network_connectors()
    assert (summary.latest_version, summary.latest_version_arn) == (2, f"{ARN}:2")
    assert (summary.type, summary.last_modified) == ("VPC_EGRESS", clock())


@pytest.mark.parametrize("wanted", NetworkConnectorState)
def test_a_connector_can_be_put_in_any_state_and_stays_there(
    state: State, clock: Clock, wanted: NetworkConnectorState
) -> None:
    put = state.put_network_connector("prod", state=wanted, state_reason_code=NO_ROOM)
    clock.advance(days=365)
    assert state.get_network_connector("prod") == put
    assert (put.state, put.state_reason_code, put.state_reason) == (
        wanted,
        NO_ROOM,
        REASONS[NO_ROOM],
    )


def test_a_reason_does_not_change_the_behaviour_of_a_state(state: State) -> None:
    state.put_network_connector(
        "prod", state=NetworkConnectorState.DELETING, state_reason_code=NO_ROOM
    )
    assert state.delete_network_connector("prod").state == "DELETING"
    assert [v.state for v in state.list_network_connector_versions("prod")] == ["DELETING"]
    state.put_network_connector(
        "prod",
        last_update_status=NetworkConnectorLastUpdateStatus.IN_PROGRESS,
        last_update_status_reason="Slow.",
    )
    with pytest.raises(ResourceConflictException, match="in progress"):
        state.update_network_connector("prod", operator_role=ROLE)


def test_putting_a_connector_changes_an_existing_one(
    state: State, clock: Clock, active: NetworkConnector
) -> None:
    state.update_network_connector("prod", operator_role=ROLE + "2")
    put = state.put_network_connector(
        "prod",
        state=NetworkConnectorState.FAILED,
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason_code=NO_ROOM,
        last_update_status_reason="Full.",
    )
    assert (put.id, put.operator_role, put.version) == (active.id, ROLE + "2", 2)
    assert (put.last_update_status, put.last_update_status_reason) == ("Failed", "Full.")
    changed = state.put_network_connector(
        "prod", configuration=vpc(SubnetIds=["subnet-7"]), operator_role=ROLE
    )
    assert (changed.configuration, changed.operator_role) == (vpc(SubnetIds=["subnet-7"]), ROLE)
    assert (changed.state, changed.last_update_status) == ("ACTIVE", None)


def test_an_invalid_connector_cannot_be_put(state: State) -> None:
    invalid: list[dict[str, Any]] = [
        {"operator_role": "x"},
        {"configuration": VpcEgressConfiguration()},
    ]
    for options in invalid:
        with pytest.raises(InvalidParameterValueException):
            state.put_network_connector("prod", **options)
    with pytest.raises(InvalidParameterValueException):
        state.put_network_connector("not a name")
    assert not state.list_network_connectors().items


def test_more_connectors_can_be_put_than_the_limit_allows(state: State) -> None:
    for n in range(60):
        state.put_network_connector(f"c-{n}")
    first = state.list_network_connectors(max_items=100)
    assert len(first) == 50
    assert len(state.list_network_connectors(marker=first.next_token)) == 10


@given(st.text(max_size=150))
def test_every_identifier_is_found_or_rejected(identifier: str) -> None:
    state = State()
    state.put_network_connector("prod")
    for call in (
        state.get_network_connector,
        state.update_network_connector,
        state.list_network_connector_versions,
        state.delete_network_connector,
    ):
        try:
            call(identifier)
        except ApiError as error:
            assert error.status_code in (400, 404)  # noqa: PT017 - success is valid too


def test_only_arns_have_tags(state: State) -> None:
    state.put_network_connector("prod")
    with pytest.raises(InvalidParameterValueException, match="Resource: 'prod' is not the ARN"):
        state.list_tags("prod")


def test_a_resource_has_at_most_50_tags(state: State) -> None:
    arn = state.put_network_connector("prod").arn
    state.tag_resource(arn, {str(number): "x" for number in range(50)})
    state.tag_resource(arn, {"0": "y"})
    with pytest.raises(InvalidParameterValueException, match="at most 50 tags"):
        state.tag_resource(arn, {"50": "x"})
    assert len(state.list_tags(arn)) == 50
