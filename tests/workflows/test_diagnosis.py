"""Diagnoses of connectors, against the embedded service in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from lambdacore_async import (
    AccessDeniedException,
    Check,
    ComputeResourceType,
    CredentialsError,
    Diagnosis,
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    TransportError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.pipeline import Pipeline, Settings
from lambdacore_async.protocol.messages import Request
from lambdacore_async.workflows import diagnosis
from support.simulation import World

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
VPC = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


async def checks_of(here: World) -> dict[str, Check]:
    found = await here.client().diagnose_network_connector("prod")
    assert found.connector is not None
    return {check.name: check for check in found.checks}


async def test_a_healthy_connector_has_nothing_wrong() -> None:
    here = World()
    there = here.state.put_network_connector("prod", configuration=VPC)
    here.state.tag_resource(there.arn, {"team": "net"})
    checks = await checks_of(here)
    assert [name for name, check in checks.items() if check.status == "ok"] == [
        "state",
        "last update",
        "age",
        "versions",
        "tags",
    ]
    assert {check.status for check in checks.values()} == {"ok", "unknown"}
    assert checks["tags"].detail == "team=net"
    assert "endpoint is not AWS's" in checks["subnets"].detail


async def test_a_failed_connector_has_its_reason_and_remedy() -> None:
    here = World()
    here.state.put_network_connector(
        "prod",
        state=NetworkConnectorState.FAILED,
        state_reason_code=NO_ROOM,
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason="Lambda was unable to assume the role",
    )
    checks = await checks_of(here)
    assert checks["state"].status == checks["last update"].status == "wrong"
    assert "larger subnets" in (checks["state"].next_step or "")
    assert "trust policy" in (checks["last update"].next_step or "")


async def test_a_failure_for_an_unknown_reason_has_no_remedy() -> None:
    here = World()
    here.state.put_network_connector("prod", state=NetworkConnectorState.FAILED)
    assert (await checks_of(here))["state"].next_step is None


@pytest.mark.parametrize(("minutes", "status"), [(9, "ok"), (11, "wrong")])
async def test_work_for_more_than_ten_minutes_is_too_long(minutes: int, status: str) -> None:
    here = World()
    here.state.put_network_connector("prod", state=NetworkConnectorState.PENDING)
    await here.clock.sleep(timedelta(minutes=minutes).total_seconds())
    age = (await checks_of(here))["age"]
    assert age.status == status
    assert f"{minutes} minutes ago" in age.detail


def test_a_connector_without_a_time_has_no_age() -> None:
    found = diagnosis._age(World().client()._core, NetworkConnector("arn", "prod", "nc-1"))
    assert found.status == "unknown"


async def test_many_versions_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    here = World(update_seconds=0)
    here.state.put_network_connector("prod", configuration=VPC)
    for number in range(2):
        here.state.update_network_connector(
            "prod", configuration=evolve(VPC, subnet_ids=(f"subnet-{number}",))
        )
    monkeypatch.setattr(diagnosis, "_MANY_VERSIONS", 3)
    versions = (await checks_of(here))["versions"]
    assert (versions.status, versions.detail[0]) == ("unknown", "3")


async def test_a_connector_that_does_not_exist_is_a_diagnosis() -> None:
    found = await World().client().diagnose_network_connector("prod")
    assert found.connector is None
    assert [(check.name, check.status) for check in found.checks] == [("state", "wrong")]
    assert "name, ID or ARN" in (found.checks[0].next_step or "")


@pytest.mark.parametrize("error", [AccessDeniedException("no"), TransportError("down")])
async def test_what_cannot_be_read_is_unknown(error: Exception) -> None:
    here = World()
    here.state.put_network_connector("prod")

    def refuse(request: Request) -> None:
        if "/tags/" in request.target or "/versions" in request.target:
            raise error

    here.transport.before = refuse
    checks = await checks_of(here)
    assert checks["tags"].next_step == "Allow lambda:ListTags."
    assert checks["versions"].status == "unknown"


async def test_a_connector_that_may_not_be_read_is_unknown() -> None:
    here = World()

    def refuse(_: Request) -> None:
        raise AccessDeniedException("no")

    here.transport.before = refuse
    found: Diagnosis = await here.client().diagnose_network_connector("prod")
    assert [check.status for check in found.checks] == ["unknown"]


@pytest.mark.parametrize("arn", [None, "arn:x"])
async def test_with_botocore_the_dependencies_are_checked_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, arn: str | None
) -> None:
    here = World()
    there = here.state.put_network_connector("prod", operator_role=None, configuration=VPC)
    connector = evolve(there, arn=arn or there.arn)
    client = here.client()
    client._core.pipeline = Pipeline(client._core.shared, Settings("us-east-1"))
    regions: list[str] = []

    def botocore_clients(region: str, credentials: object, options: object) -> Callable[[str], Any]:
        regions.append(region)
        raise ImportError

    monkeypatch.setattr(diagnosis, "botocore_clients", botocore_clients)
    checks = await diagnosis._dependencies(client._core, connector)
    assert regions == ["us-east-1"]
    assert {check.detail for check in checks} == {"botocore is not installed"}


async def test_credentials_that_expired_meanwhile_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = World()
    there = here.state.put_network_connector("prod")
    client = here.client()
    client._core.pipeline = Pipeline(client._core.shared, Settings("us-east-1"))

    async def get() -> None:
        await asyncio.sleep(0)
        raise CredentialsError("expired")

    monkeypatch.setattr(client._core.shared.credentials, "current", lambda: None)
    monkeypatch.setattr(client._core.shared.credentials, "get", get)
    checks = await diagnosis._dependencies(client._core, there)
    assert {check.detail for check in checks} == {"not checked: expired"}
