"""The commands `ensure` and `delete`, against an embedded service."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

import pytest

from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.models.reason_codes import CAUSES
from support.commands import run

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
boto3: Any = importlib.import_module("boto3")

VPC = (
    *("--subnet", "subnet-a", "--subnet", "subnet-b", "--security-group", "sg-a"),
    *("--network-protocol", "IPv4", "--compute", "MicroVm"),
    *("--operator-role", "arn:aws:iam::123456789012:role/operator"),
)


async def test_ensure_creates_a_connector_waits_and_shows_it(service: LocalLambdaCore) -> None:
    result = await run("ensure", "new", *VPC, "--tag", "team=net")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"State +ACTIVE *\n", result.stdout)
    assert re.search(r"SubnetIds +subnet-a, subnet-b *\n", result.stdout)


async def test_ensure_changes_what_differs_and_nothing_else(service: LocalLambdaCore) -> None:
    before = service.state.get_network_connector("prod")
    result = await run("ensure", "prod", "--security-group", "sg-new", "--output", "json")
    (found,) = json.loads(result.stdout)
    vpc = found["connector"]["Configuration"]["VpcEgressConfiguration"]
    assert vpc["SecurityGroupIds"] == ["sg-new"]
    assert found["connector"]["OperatorRole"] == before.operator_role
    again = await run("ensure", "prod", "--security-group", "sg-new", "--output", "jsonl")
    assert json.loads(again.stdout) == found
    assert service.calls["UpdateNetworkConnector"] == 1


async def test_ensure_says_why_a_connector_failed_and_what_to_do(service: LocalLambdaCore) -> None:
    service.state.fail_next("CreateNetworkConnector", NO_ROOM)
    result = await run("ensure", "new", *VPC)
    assert result.exit_code == 1
    assert re.search(r"new +WaiterFailedError +.*SubnetOutOfIPAddresses", result.stdout)
    assert CAUSES[NO_ROOM].remedy in result.stdout


async def test_ensure_gives_up_in_time_and_shows_a_terminal_the_state_until_then(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, unwaited: None
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    service.state.put_network_connector("slow", state=NetworkConnectorState.PENDING)
    result = await run("ensure", "slow", *VPC, "--timeout", "60")
    assert result.exit_code == 1
    assert re.search(r"slow +WaiterTimeoutError", result.stdout)
    assert re.search(r"Ensuring slow +PENDING", result.stderr)


async def test_what_the_service_refuses_is_a_failure(service: LocalLambdaCore) -> None:
    result = await run("ensure", "new", "--output", "jsonl")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("no such name",), "name"),
        (("new", "--tag", "team"), "KEY=VALUE"),
        (("new", "--tag", "=net"), "KEY=VALUE"),
        (("new", "--tag", "team=a", "--tag", "team=b"), "twice"),
        (("new", "--timeout", "inf"), "--timeout"),
        (("new", "--timeout", "0"), "--timeout"),
    ],
)
async def test_ensure_refuses_misuse(
    service: LocalLambdaCore, arguments: tuple[str, ...], complaint: str
) -> None:
    result = await run("ensure", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert not service.calls


@pytest.mark.parametrize("wait", [False, True])
async def test_delete_prints_nothing_and_can_wait(service: LocalLambdaCore, *, wait: bool) -> None:
    result = await run("delete", "prod", *(["--wait"] if wait else []))
    assert (result.exit_code, result.output) == (0, "")
    assert service.calls["DeleteNetworkConnector"] == 1
    assert (service.calls["GetNetworkConnector"] > 0) is wait


@pytest.mark.parametrize("wait", [False, True])
async def test_what_is_not_there_is_deleted_already(
    service: LocalLambdaCore, *, wait: bool
) -> None:
    result = await run("delete", "none", *(["--wait"] if wait else []))
    assert (result.exit_code, result.output) == (0, "")


async def test_a_deletion_that_fails_exits_with_1_and_says_why(service: LocalLambdaCore) -> None:
    service.state.fail_next("DeleteNetworkConnector", NO_ROOM)
    result = await run("delete", "prod", "--wait")
    assert result.exit_code == 1
    assert re.search(r"prod +WaiterFailedError +.*SubnetOutOfIPAddresses", result.stdout)
