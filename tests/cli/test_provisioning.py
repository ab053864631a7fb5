"""The commands `ensure` and `delete`, against an embedded service."""

from __future__ import annotations

import json
import re

import pytest

from lambdacore_async.cli import printing
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.models.reason_codes import CAUSES
from support.commands import run

OUT_OF_ADDRESSES = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES

VPC = (
    *("--subnet", "subnet-a", "--subnet", "subnet-b", "--security-group", "sg-a"),
    *("--network-protocol", "IPv4", "--compute", "MicroVm"),
    *("--operator-role", "arn:aws:iam::123456789012:role/operator"),
)


async def test_ensure_creates_a_connector_waits_and_prints_it(service: LocalLambdaCore) -> None:
    result = await run("ensure", "new", *VPC, "--tag", "team=net")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"State +ACTIVE *\n", result.stdout)
    assert re.search(r"SubnetIds +subnet-a, subnet-b *\n", result.stdout)


async def test_ensure_changes_only_what_differs(service: LocalLambdaCore) -> None:
    before = service.state.get_network_connector("prod")
    result = await run("ensure", "prod", "--security-group", "sg-new", "--output", "json")
    (found,) = json.loads(result.stdout)
    vpc = found["connector"]["Configuration"]["VpcEgressConfiguration"]
    assert vpc["SecurityGroupIds"] == ["sg-new"]
    assert found["connector"]["OperatorRole"] == before.operator_role
    again = await run("ensure", "prod", "--security-group", "sg-new", "--output", "jsonl")
    assert json.loads(again.stdout) == found
    assert service.calls["UpdateNetworkConnector"] == 1


async def test_ensure_prints_why_a_connector_failed_and_the_remedy(
    service: LocalLambdaCore,
) -> None:
    service.state.fail_next("CreateNetworkConnector", OUT_OF_ADDRESSES)
    result = await run("ensure", "new", *VPC)
    assert result.exit_code == 1
    assert re.search(r"new: WaiterFailedError: .*SubnetOutOfIPAddresses", result.stderr)
    assert CAUSES[OUT_OF_ADDRESSES].remedy in result.stderr


async def test_ensure_shows_the_state_on_a_terminal_until_its_timeout(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, no_waiting: None
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    service.state.put_network_connector("slow", state=NetworkConnectorState.PENDING)
    result = await run("ensure", "slow", *VPC, "--timeout", "60")
    assert result.exit_code == 1
    assert re.search(r"slow: WaiterTimeoutError: ", result.stderr)
    assert re.search(r"Ensuring slow +PENDING", result.stderr)


async def test_a_request_that_the_service_refuses_is_a_failure(service: LocalLambdaCore) -> None:
    result = await run("ensure", "new", "--output", "jsonl")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "InvalidParameterValueException"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no such name",), "name"),
        (("new", "--tag", "team"), "KEY=VALUE"),
        (("new", "--tag", "=net"), "KEY=VALUE"),
        (("new", "--tag", "team=a", "--tag", "team=b"), "duplicate key 'team'"),
        (("new", "--timeout", "inf"), "--timeout"),
        (("new", "--timeout", "0"), "--timeout"),
    ],
)
async def test_ensure_refuses_invalid_arguments(
    service: LocalLambdaCore, arguments: tuple[str, ...], message: str
) -> None:
    result = await run("ensure", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not service.calls


@pytest.mark.parametrize("wait", [False, True])
async def test_delete_says_what_it_does(service: LocalLambdaCore, *, wait: bool) -> None:
    result = await run("delete", "prod", "full", *(["--wait"] if wait else []))
    what = "deleted" if wait else "deletion started"
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"prod: {what}\nfull: {what}\n"
    assert service.calls["DeleteNetworkConnector"] == 2


async def test_delete_prints_what_it_deleted_as_json(service: LocalLambdaCore) -> None:
    result = await run("delete", "prod", "none", "--output", "json")
    deleted, failed = json.loads(result.stdout)
    assert (result.exit_code, deleted["connector"]["State"]) == (1, "DELETING")
    assert failed["error"]["code"] == "ResourceNotFoundException"


async def test_delete_sends_nothing_but_the_deletion(service: LocalLambdaCore) -> None:
    assert (await run("delete", "prod")).exit_code == 0
    assert service.calls == {"DeleteNetworkConnector": 1}


@pytest.mark.parametrize("wait", [False, True])
async def test_deleting_a_connector_that_does_not_exist_fails_unless_that_is_ignored(
    service: LocalLambdaCore, *, wait: bool
) -> None:
    options = ["--wait"] if wait else []
    result = await run("delete", "nope", "prod", *options)
    assert result.exit_code == 1
    assert result.stderr.startswith("lambdacore: nope: ResourceNotFoundException: ")
    assert service.calls["DeleteNetworkConnector"] == (1 if wait else 2)
    ignored = await run("delete", "nope", "--ignore-not-found", *options)
    assert (ignored.exit_code, ignored.stderr) == (0, "nope: not found\n")


@pytest.mark.parametrize(
    ("answer", "deleted"), [("y\n", True), ("YES\n", True), ("n\n", False), ("", False)]
)
async def test_delete_shows_users_and_asks_on_a_terminal(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, answer: str, *, deleted: bool
) -> None:
    service.state.put_web_function("shop", "prod")
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("delete", "prod", answer=answer)
    assert result.exit_code == (0 if deleted else 1)
    assert "prod is used by WebFunction arn:aws:lambda" in result.stderr
    assert "Delete prod? [y/N] " in result.stderr
    assert service.calls["DeleteNetworkConnector"] == deleted


async def test_delete_goes_on_after_a_no(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("delete", "prod", "full", answer="n\ny\n")
    assert (result.exit_code, result.stdout) == (1, "full: deletion started\n")
    assert "prod: not deleted\n" in result.stderr


async def test_delete_asks_though_it_may_not_look_for_users(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.faults.script(None, ErrorResponse("AccessDeniedException", 403))
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("delete", "prod", answer="y\n")
    assert result.exit_code == 0
    assert "prod: could not look for what uses it: AccessDeniedException\n" in result.stderr


async def test_refused_credentials_are_told_once(service: LocalLambdaCore) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong", "AWS_SESSION_TOKEN": "wrong"}
    result = await run("delete", "prod", "full", env=wrong)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("lambdacore: 2 connectors: UnrecognizedClientException: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["--yes", "-y"])
async def test_delete_does_not_ask_if_told_so(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("delete", "prod", option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert service.calls["ListMicrovms"] == 0


async def test_a_connector_in_use_is_not_deleted(service: LocalLambdaCore) -> None:
    service.state.put_microvm("m-1", ["prod"])
    result = await run("delete", "prod", "--unless-used")
    assert result.exit_code == 1
    assert "prod: ConnectorInUseError: " in result.stderr
    assert service.calls["DeleteNetworkConnector"] == 0
    service.state.put_microvm("m-1", [])
    assert (await run("delete", "prod", "--unless-used")).exit_code == 0
    assert service.calls["DeleteNetworkConnector"] == 1


async def test_a_failed_deletion_exits_with_1_and_prints_why(service: LocalLambdaCore) -> None:
    # The command must see the deletion: otherwise, the failure could be that of an earlier one.
    service.state.fail_next("DeleteNetworkConnector", OUT_OF_ADDRESSES, seconds=0.3)
    result = await run("delete", "prod", "--wait")
    assert result.exit_code == 1
    assert re.search(r"prod: WaiterFailedError: .*SubnetOutOfIPAddresses", result.stderr)
