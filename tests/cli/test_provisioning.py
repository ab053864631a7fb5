"""The commands `ensure` and `delete`, against an embedded service."""

from __future__ import annotations

import json
import re

import pytest

from lambdacore_async.cli import printing
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    VpcEgressConfiguration,
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
    assert json.loads(again.stdout)["connector"] == found["connector"]
    assert service.calls["UpdateNetworkConnector"] == 1


async def test_ensure_says_what_it_did(service: LocalLambdaCore) -> None:
    created = await run("ensure", "new", *VPC, "--tag", "team=net")
    assert created.stdout.startswith("""\
new: created
  SubnetIds                       subnet-a, subnet-b
  SecurityGroupIds                sg-a
  NetworkProtocol                 IPv4
  AssociatedComputeResourceTypes  MicroVm
  OperatorRole                    arn:aws:iam::123456789012:role/operator
  Tags['team']                    net

Arn """)
    changes = ("--subnet", "subnet-b", "--tag", "team=web", "--tag", "owner=me")
    updated = await run("ensure", "new", *changes)
    assert updated.stdout.startswith("""\
new: updated
  SubnetIds      subnet-a, subnet-b -> subnet-b
  Tags['team']   net -> web
  Tags['owner']  none -> me

Arn """)
    again = await run("ensure", "new", *changes)
    assert again.stdout.startswith("new: unchanged\n\nArn ")
    assert {created.exit_code, updated.exit_code, again.exit_code} == {0}
    assert service.calls["UpdateNetworkConnector"] == 1


async def test_ensure_says_what_it_did_as_json(service: LocalLambdaCore) -> None:
    for action, drifts in (
        ("updated", [{"member": "NetworkProtocol", "old": "IPv4", "new": "DualStack"}]),
        ("unchanged", []),
    ):
        result = await run("ensure", "prod", "--network-protocol", "dualstack", "-o", "jsonl")
        done = json.loads(result.stdout)
        assert (done["identifier"], done["action"], done["drifts"]) == ("prod", action, drifts)
        assert done["connector"]["Name"] == "prod"


@pytest.mark.parametrize(("option", "status"), [("--dry-run", 0), ("--check", 2)])
async def test_a_dry_run_shows_what_would_change_and_changes_nothing(
    service: LocalLambdaCore, option: str, status: int
) -> None:
    for name, action in (("prod", "update"), ("new", "create")):
        shown = await run("ensure", name, *VPC, option)
        assert (shown.exit_code, shown.stderr) == (status, "")
        assert shown.stdout.startswith(f"{name}: {action}\n  SubnetIds ")
        as_json = await run("ensure", name, *VPC, option, "-o", "json")
        (plan,) = json.loads(as_json.stdout)
        assert (set(plan), plan["action"]) == ({"identifier", "action", "drifts"}, action)
    unchanged = await run("ensure", "prod", option)
    assert (unchanged.exit_code, unchanged.stdout) == (0, "prod: unchanged\n")
    assert set(service.calls) == {"GetNetworkConnector"}


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("", 1)])
@pytest.mark.parametrize(("option", "kind"), [("--subnet", "subnet"), ("--security-group", "sg")])
async def test_ensure_asks_on_a_terminal_before_it_removes_subnets_or_groups(
    service: LocalLambdaCore,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    kind: str,
    answer: str,
    status: int,
) -> None:
    configuration = VpcEgressConfiguration(
        ["subnet-1", "subnet-2"],
        ["sg-1", "sg-2"],
        NetworkProtocol.IPV4,
        [ComputeResourceType.MICRO_VM],
    )
    service.state.put_network_connector("two", configuration=configuration)
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("ensure", "two", option, f"{kind}-1", answer=answer)
    assert result.exit_code == status
    assert re.match(rf"two: update\n  \w+  {kind}-1, {kind}-2 -> {kind}-1\n", result.stderr)
    assert f"Change two and remove {kind}-2? [y/N] " in result.stderr
    assert service.calls["UpdateNetworkConnector"] == 1 - status
    again = await run("ensure", "two", option, f"{kind}-1", "--yes")
    assert (again.exit_code, again.stderr) == (0, "")


async def test_ensure_does_not_ask_for_what_removes_nothing(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    for arguments in (("new", *VPC), ("new", *VPC, "--subnet", "subnet-c"), ("new",)):
        result = await run("ensure", *arguments)
        assert (result.exit_code, result.stderr) == (0, "")


async def test_scripts_are_not_asked(service: LocalLambdaCore) -> None:
    result = await run("ensure", "prod", "--subnet", "subnet-1")
    assert (result.exit_code, result.stderr) == (0, "")
    changed = "SubnetIds  subnet-0123456789abcdef0 -> subnet-1"
    assert result.stdout.startswith(f"prod: updated\n  {changed}\n")


async def test_a_connector_that_is_being_deleted_is_created_again(
    service: LocalLambdaCore,
) -> None:
    service.state.put_network_connector("leaving", state=NetworkConnectorState.DELETING)
    plan = json.loads((await run("ensure", "leaving", *VPC, "--dry-run", "-o", "jsonl")).stdout)
    assert plan["action"] == "create"


async def test_ensure_waits_for_a_connector_that_needs_no_change(
    service: LocalLambdaCore, no_waiting: None
) -> None:
    service.state.put_network_connector("slow", state=NetworkConnectorState.PENDING)
    result = await run("ensure", "slow", "--timeout", "60")
    assert result.exit_code == 1
    assert "slow: WaiterTimeoutError: " in result.stderr


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
    lines = await run("delete", "full", "none", "--output", "jsonl")
    assert [json.loads(line)["identifier"] for line in lines.stdout.splitlines()] == [
        "full",
        "none",
    ]


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
    assert result.stderr.startswith("lambdacore: prod, full: UnrecognizedClientException: ")
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
