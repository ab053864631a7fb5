"""The embedded service and the models against responses that AWS gave.

The responses were recorded on 2026-07-29 and 30 by the conformance suite of INTENTIUS/m80, under
the license next to them. Accounts, regions, UUIDs and timestamps are replaced by words.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lambdacore_async.errors import ResourceNotFoundException, ValidationException
from lambdacore_async.local import State
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol.messages import Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.restjson import build_error
from local.clock import Clock

RECORDINGS = Path(__file__).with_name("recordings")
NAME = "m80-conf-connector"
ROLE = "arn:aws:iam::123456789012:role/m80-conformance-connector-operator"
#: Members that the recorded responses lack, and that the embedded service sends nevertheless: its
#: versions need them.
VERSIONS = {"Version", "VersionArn", "LatestVersion", "LatestVersionArn"}


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def configuration() -> VpcEgressConfiguration:
    content = recorded("connectors-create")["Configuration"]["VpcEgressConfiguration"]
    return from_dict(VpcEgressConfiguration, content)


def with_words(data: Any) -> Any:
    """Replace accounts, regions, UUIDs and timestamps, as the recordings do."""
    text = json.dumps(data)
    text = re.sub(r"nc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "nc-UUID", text)
    text = text.replace("us-east-1", "REGION").replace("123456789012", "ACCOUNT")
    return json.loads(re.sub(r'("LastModified": )("[^"]*"|[0-9.]+)', r'\1"TIMESTAMP"', text))


def sent(operation: str, output: object) -> tuple[int, Any]:
    response = OPERATIONS[operation].build_response(output)
    return response.status, with_words(json.loads(response.body))


def without_versions(content: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in VERSIONS}


def status_of(name: str) -> int:
    status: int = recorded(f"{name}.meta")["status"]
    return status


def test_a_connectors_life_matches_the_recordings(state: State, clock: Clock) -> None:
    created = state.create_network_connector(NAME, configuration(), operator_role=ROLE)
    assert sent("CreateNetworkConnector", created) == (
        status_of("connectors-create"),
        recorded("connectors-create"),
    )

    clock.advance(60)
    status, shown = sent("GetNetworkConnector", state.get_network_connector(NAME))
    assert status == status_of("connectors-get-until-active")
    assert without_versions(shown) == recorded("connectors-get-until-active")

    status, listed = sent("ListNetworkConnectors", state.list_network_connectors())
    assert status == status_of("connectors-list")
    listed["NetworkConnectors"] = [without_versions(c) for c in listed["NetworkConnectors"]]
    assert listed == recorded("connectors-list")

    updated = state.update_network_connector(NAME, configuration=configuration())
    status, content = sent("UpdateNetworkConnector", updated)
    assert status == status_of("connectors-update")
    assert without_versions(content) == recorded("connectors-update")

    deleted = state.delete_network_connector(NAME)
    assert sent("DeleteNetworkConnector", deleted) == (
        status_of("connectors-delete"),
        recorded("connectors-delete"),
    )


def test_a_missing_connector_matches_the_recording(state: State) -> None:
    name = "errors-not-found-get-connector-missing"
    with pytest.raises(ResourceNotFoundException) as raised:
        state.get_network_connector("nc-m80-does-not-exist")

    response = build_error(raised.value)

    meta = recorded(f"{name}.meta")
    assert (response.status, raised.value.code) == (meta["status"], meta["errorType"])
    content = with_words(json.loads(response.body))
    assert content["Message"] == recorded(name)["Message"]


def test_a_connector_that_is_created_again_has_another_arn(state: State, clock: Clock) -> None:
    first = state.create_network_connector(NAME, configuration(), operator_role=ROLE)
    clock.advance(60)
    state.delete_network_connector(NAME)
    clock.advance(20)

    second = state.create_network_connector(NAME, configuration(), operator_role=ROLE)

    assert first.arn != second.arn
    assert second.arn.endswith(f":network-connector:{second.id}")


@pytest.mark.parametrize("name", ["create", "delete", "get-until-active", "update"])
def test_recorded_connectors_can_be_read(name: str) -> None:
    content = recorded(f"connectors-{name}") | {"LastModified": "2026-07-29T10:00:00Z"}

    connector = from_dict(NetworkConnector, content)

    assert (connector.name, connector.version, connector.version_arn) == (NAME, None, None)


def test_a_recorded_summary_can_be_read() -> None:
    (content,) = recorded("connectors-list")["NetworkConnectors"]

    summary = from_dict(NetworkConnectorSummary, {**content, "LastModified": 1.7e9})

    assert (summary.name, summary.type, summary.latest_version) == (NAME, "VPC_EGRESS", None)


def test_a_recorded_validation_error_tells_its_violation() -> None:
    name = "errors-validation-connector-too-many-subnets"
    meta = recorded(f"{name}.meta")
    body = (RECORDINGS / f"{name}.json").read_bytes()
    response = Response(meta["status"], {"x-amzn-errortype": meta["errorType"]}, body)

    with pytest.raises(ValidationException) as raised:
        OPERATIONS["CreateNetworkConnector"].parse_response(response)

    (violation,) = raised.value.violations
    assert violation.member == "configuration.vpcEgressConfiguration.subnetIds"
    assert violation.value is not None
    assert len(violation.value[1:-1].split(", ")) == 17
    assert violation.constraint == "Member must have length less than or equal to 16"
