from __future__ import annotations

import inspect

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lambdacore_async.errors import ApiError
from lambdacore_async.local import Limits, State
from lambdacore_async.local.account import Account
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol.operations import OPERATIONS
from local.clock import Clock
from support.examples import examples

CONFIGURATION = VpcEgressConfiguration(
    subnet_ids=["subnet-1"],
    security_group_ids=["sg-1"],
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
)
NAMES = st.sampled_from(["a", "b", "c"])
ROLES = st.sampled_from([f"arn:aws:iam::123456789012:role/{n}" for n in range(3)])


def method_name(operation: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_a_method_with_the_same_parameters(name: str) -> None:
    signature = inspect.signature(getattr(State(), method_name(name)))
    members = OPERATIONS[name].members
    assert set(signature.parameters) == {member.name for member in members}
    required = [p.name for p in signature.parameters.values() if p.default is p.empty]
    assert required == [member.name for member in members if member.required]


def test_a_state_has_a_default_account() -> None:
    account = Account(region="eu-west-1")
    assert State(account).account is account
    assert State().account.region == "us-east-1"


def test_two_scheduled_failures_make_two_operations_fail() -> None:
    state = State(Account(provisioning_seconds=0))
    for _ in range(2):
        state.fail_next("CreateNetworkConnector")
    for name in ("a", "b", "c"):
        state.create_network_connector(
            name, CONFIGURATION, operator_role="arn:aws:iam::123456789012:role/r"
        )
    assert [c.state for c in state.list_network_connectors()] == ["FAILED", "FAILED", "ACTIVE"]


class ConnectorLifecycle(RuleBasedStateMachine):
    """Any sequence of operations and failures keeps the account consistent."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        limits = Limits(network_connectors=2, network_connector_versions=3)
        self.state = State(
            Account(
                clock=self.clock,
                provisioning_seconds=60,
                update_seconds=30,
                deletion_seconds=20,
                limits=limits,
            )
        )
        self.roles: dict[str, str | None] = {}

    @rule(name=NAMES, role=ROLES, token=st.sampled_from([None, "t1", "t2"]))
    def create(self, name: str, role: str, token: str | None) -> None:
        try:
            created = self.state.create_network_connector(
                name, CONFIGURATION, operator_role=role, client_token=token
            )
        except ApiError as error:
            assert error.status_code in (400, 409)  # noqa: PT017 - success is valid too
        else:
            assert created.version is None
            assert created.operator_role == role

    @rule(name=NAMES, role=ROLES)
    def update(self, name: str, role: str) -> None:
        try:
            updated = self.state.update_network_connector(name, operator_role=role)
        except ApiError as error:
            assert error.status_code in (400, 404, 409)  # noqa: PT017 - success is valid too
        else:
            assert updated.state == "ACTIVE"
            assert updated.operator_role == role

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        try:
            deleted = self.state.delete_network_connector(name)
        except ApiError as error:
            assert error.status_code in (404, 409)  # noqa: PT017 - success is valid too
        else:
            assert deleted.state == "DELETING"

    @rule(name=NAMES, version=st.integers(1, 4))
    def delete_version(self, name: str, version: int) -> None:
        try:
            arn = self.state.get_network_connector(name).arn
            self.state.delete_network_connector(f"{arn}:{version}")
        except ApiError as error:
            assert error.status_code in (404, 409)  # noqa: PT017 - success is valid too

    @rule(
        operation=st.sampled_from(
            ["CreateNetworkConnector", "UpdateNetworkConnector", "DeleteNetworkConnector"]
        ),
        code=st.sampled_from(NetworkConnectorStateReasonCode),
    )
    def fail_next(self, operation: str, code: NetworkConnectorStateReasonCode) -> None:
        self.state.fail_next(operation, code)  # type: ignore[arg-type]

    @rule(name=NAMES, wanted=st.sampled_from(NetworkConnectorState))
    def put(self, name: str, wanted: NetworkConnectorState) -> None:
        if name in {c.name for c in self.state.list_network_connectors()}:
            assert self.state.put_network_connector(name, state=wanted).state == wanted

    @rule(seconds=st.sampled_from([1, 20, 30, 60]))
    def advance(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def listings_and_reads_agree(self) -> None:
        listed = self.state.list_network_connectors().items
        assert len(listed) <= 2
        assert len({c.name for c in listed}) == len({c.id for c in listed}) == len(listed)
        for summary in listed:
            shown = self.state.get_network_connector(summary.id)
            assert shown == self.state.get_network_connector(summary.name)
            assert shown == self.state.get_network_connector(summary.arn)
            assert (shown.state, shown.version) == (summary.state, summary.latest_version)
            assert (shown.latest_version or 0) <= (shown.version or 0)

    @invariant()
    def versions_are_numbered_in_order_and_never_change(self) -> None:
        for summary in self.state.list_network_connectors():
            versions = self.state.list_network_connector_versions(summary.name).items
            numbers = [version.version for version in versions]
            assert numbers == sorted(set(numbers))
            assert 1 <= len(numbers) <= 3
            assert summary.latest_version in (numbers if max(numbers) > 1 else [None])
            for version in versions:
                role = self.state.get_network_connector(version.version_arn).operator_role
                assert role == self.roles.setdefault(f"{summary.id}:{version.version}", role)

    @invariant()
    def failures_have_reasons(self) -> None:
        for summary in self.state.list_network_connectors():
            for version in self.state.list_network_connector_versions(summary.name):
                assert version.state_reason_code is None or version.state_reason


ConnectorLifecycle.TestCase.settings = settings(
    max_examples=examples(0.6), stateful_step_count=30, deadline=None
)
TestConnectorLifecycle = ConnectorLifecycle.TestCase
