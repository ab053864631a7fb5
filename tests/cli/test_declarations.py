"""Connectors declared in files: the plan, its application, drift; and pruning."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdacore_async.cli import app, printing
from lambdacore_async.cli.declarations import read_declarations
from lambdacore_async.errors import ParameterError
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse
from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.writing import to_dict
from support.commands import answering, run

NEW = """
- Name: new
  OperatorRole: arn:aws:iam::123456789012:role/operator
  Tags: {team: web}
  Configuration:
    VpcEgressConfiguration:
      SubnetIds: [subnet-0123456789abcdef0]
      SecurityGroupIds: [sg-0123456789abcdef0]
      NetworkProtocol: IPv4
      AssociatedComputeResourceTypes: [MicroVm]
"""
DUAL_STACK = """
- Name: prod
  Configuration: {VpcEgressConfiguration: {NetworkProtocol: DualStack, SubnetIds: [subnet-1]}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "connectors.yaml"
    path.write_text(NEW + DUAL_STACK.replace(", SubnetIds: [subnet-1]", ""))
    return path


async def test_a_plan_shows_what_would_change_and_changes_nothing(
    service: LocalLambdaCore, file: Path
) -> None:
    for status, arguments in (
        (1, ("diff", str(file))),
        (2, ("ensure", "-f", str(file), "--check")),
        (0, ("ensure", "-f", str(file), "--dry-run")),
    ):
        result = await run(*arguments)
        assert (result.exit_code, result.stderr) == (status, "")
        new, prod = result.stdout.split("prod: update\n")
        assert re.match(r"new: create\n(.*\n)+  NetworkProtocol +IPv4\n", new)
        assert prod == "  NetworkProtocol  IPv4 -> DualStack\n"
    assert "CreateNetworkConnector" not in service.calls


async def test_a_plan_is_applied_once(service: LocalLambdaCore, file: Path) -> None:
    result = await run("ensure", "--file", str(file), "--yes")
    assert (result.exit_code, result.stderr) == (0, "1 created, 1 updated\n")
    assert "\nprod: updated\n  NetworkProtocol  IPv4 -> DualStack\n" in result.stdout
    again = await run("ensure", "-f", str(file))
    assert (again.exit_code, again.stderr) == (0, "2 unchanged\n")
    assert again.stdout.count("unchanged") == 2


@pytest.mark.parametrize("output", ["json", "jsonl"])
async def test_a_plan_is_printed_as_json(
    output: str, service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(DUAL_STACK)
    plan = json.loads((await run("diff", str(file), "-o", output)).stdout)
    only = plan[0] if output == "json" else plan
    assert (only["action"], only["identifier"]) == ("update", "prod")
    assert {
        "member": "SubnetIds",
        "old": ["subnet-0123456789abcdef0"],
        "new": ["subnet-1"],
    } in only["drifts"]
    shown = (await run("diff", str(file))).stdout
    assert "subnet-0123456789abcdef0 -> subnet-1" in shown


async def test_structures_and_unset_members_are_shown_in_a_plan(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "prod.yaml"
    elastic = "ElasticIpConfiguration: {Type: ServiceManaged}"
    file.write_text(f"[{{Name: prod, Configuration: {{VpcEgressConfiguration: {{{elastic}}}}}}}]")
    table = (await run("diff", str(file))).stdout
    assert 'none -> {"Type": "ServiceManaged"}\n' in table


async def test_what_get_prints_is_a_declaration_without_drift(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    for output in ("json", "jsonl"):
        file = tmp_path / f"prod.{output}"
        file.write_text((await run("get", "prod", "-o", output)).stdout)
        assert (await run("diff", str(file))).exit_code == 0


VPC: dict[str, JSONValue] = {"SubnetIds": ["subnet-1"]}
TAGGED: dict[str, JSONValue] = {
    "Name": "prod",
    "Tags": {"team": "𠮷é\u2028"},
    "Configuration": {"VpcEgressConfiguration": VPC},
}
WRITTEN = {
    "tabs": json.dumps([TAGGED], indent="\t"),
    "tabs, not escaped": json.dumps([TAGGED], indent="\t", ensure_ascii=False),
    "surrogate pairs": json.dumps(TAGGED),
    "an object": json.dumps({"NetworkConnectors": [TAGGED]}, indent="\t"),
    "lines": "\r\n".join(json.dumps(TAGGED, ensure_ascii=text) for text in (True, False)).replace(
        "prod", "other", 1
    ),
    "YAML": '- Name: prod\n  Tags: {team: "𠮷é\\u2028"}\n'
    "  Configuration: {VpcEgressConfiguration: {SubnetIds: [subnet-1]}}\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["file.json", "file.yaml", "file"])
@pytest.mark.parametrize("form", WRITTEN)
def test_json_and_yaml_are_read_as_they_were_written(
    form: str, name: str, encoding: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(WRITTEN[form], encoding)
    declared = read_declarations(path)
    assert [each.name for each in declared] == (["other", "prod"] if form == "lines" else ["prod"])
    for each in declared:
        assert each.tags == {"team": "𠮷é\u2028"}
        assert to_dict(each.configuration) == VPC


def test_a_wrong_line_of_json_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "connectors.jsonl"
    path.write_text(f"{json.dumps(TAGGED)}\n{{\n")
    with pytest.raises(ParameterError, match="not YAML or JSON: Expecting property name"):
        read_declarations(path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not YAML or JSON"),
        ("[]", "declares no connectors"),
        ("", "declares no connectors"),
        ("\n", "declares no connectors"),
        ("# nothing yet\n", "declares no connectors"),
        ("null", "declares no connectors"),
        ("NetworkConnectors:", "declares no connectors"),
        ("NetworkConnectors: [x]", "connector 1: expected an object, got str"),
        ("[{Name: a, Nmae: b}]", "connector 1: unknown member 'Nmae'"),
        (DUAL_STACK.replace("prod", "no such name"), "connector 1: name: must be 1 to 64 letters"),
        ("[{Name: a}]", "connector 1: Configuration: required"),
        (
            DUAL_STACK.replace("NetworkProtocol", "networkProtocol"),
            "connector 1: Configuration.VpcEgressConfiguration: unknown member 'networkProtocol'",
        ),
        (json.dumps({**TAGGED, "Tags": {"a": "\ud842"}}), "Tags['a']: has a lone surrogate"),
        (DUAL_STACK + DUAL_STACK, "declares 'prod' twice"),
    ],
)
async def test_a_wrong_file_is_misuse(text: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "connectors.yaml"
    file.write_text(text)
    result = await run("diff", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in result.stderr


async def test_without_a_terminal_changes_are_not_asked_for(
    service: LocalLambdaCore, file: Path
) -> None:
    result = await run("ensure", "-f", str(file))
    assert (result.exit_code, result.stderr) == (0, "1 created, 1 updated\n")


def test_a_refused_plan_applies_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods: list[str] = []

    def respond(request: Request) -> Response:
        methods.append(request.method)
        return Response(403, {}, b'{"code": "AccessDeniedException"}')

    answering(monkeypatch, respond)
    result = CliRunner().invoke(app, ["ensure", "-f", str(file), "--yes"])
    assert (result.exit_code, methods) == (1, ["GET", "GET"])
    assert "AccessDeniedException" in result.stderr
    as_json = CliRunner().invoke(app, ["ensure", "-f", str(file), "--yes", "-o", "json"])
    codes = [plan["error"]["code"] for plan in json.loads(as_json.stdout)]
    assert codes == ["AccessDeniedException"] * 2


async def test_if_a_connector_cannot_be_compared_nothing_is_changed(
    service: LocalLambdaCore, file: Path
) -> None:
    service.faults.script(ErrorResponse("AccessDeniedException", 403))
    result = await run("ensure", "-f", str(file))
    assert result.exit_code == 1
    assert "AccessDeniedException" in result.stderr
    assert result.stderr.endswith("\nnothing was changed\n")
    assert set(service.calls) == {"GetNetworkConnector"}


async def test_a_plan_that_fails_in_part_says_which(service: LocalLambdaCore, file: Path) -> None:
    service.state.fail_next(
        "CreateNetworkConnector", NetworkConnectorStateReasonCode.INVALID_SUBNET
    )
    result = await run("ensure", "-f", str(file))
    assert result.exit_code == 1
    assert result.stdout.startswith("prod: updated\n")
    assert result.stderr.startswith("lambdacore: new: WaiterFailedError: ")
    assert result.stderr.endswith("1 failed, 1 updated\n")


def test_an_outage_is_no_difference(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, lambda _: Response(503, {}, b"{}"))
    assert CliRunner().invoke(app, ["diff", str(file)]).exit_code == 3


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
async def test_on_a_terminal_changes_are_asked_for(
    answer: str, service: LocalLambdaCore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("ensure", "-f", str(file), answer=answer)
    assert "Change 2 connectors? [y/N] " in result.stderr
    assert "\nprod: update\n  NetworkProtocol  IPv4 -> DualStack\n" in result.stderr
    assert result.exit_code == (0 if answer == "y\n" else 1)
    assert ("CreateNetworkConnector" in service.calls) == (answer == "y\n")


async def test_no_changes_are_not_asked_for(
    service: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prod.json"
    file.write_text((await run("get", "prod", "-o", "json")).stdout)
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = await run("ensure", "-f", str(file))
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected either NAME or --file"),
        (("prod", "-f", "FILE"), "expected either NAME or --file"),
        (("-f", "FILE", "--subnet", "subnet-1"), "--file declares all settings"),
        (("-f", "FILE", "--tag", "team=web"), "--file declares all settings"),
    ],
)
async def test_ensure_takes_a_name_or_a_file(
    arguments: tuple[str, ...], message: str, file: Path
) -> None:
    result = await run("ensure", *(word.replace("FILE", str(file)) for word in arguments))
    assert result.exit_code == 2
    assert message in result.stderr


async def test_old_versions_are_pruned(service: LocalLambdaCore, tmp_path: Path) -> None:
    file = tmp_path / "prod.yaml"
    file.write_text(DUAL_STACK.replace(", SubnetIds: [subnet-1]", ""))
    assert (await run("ensure", "-f", str(file), "--yes")).exit_code == 0
    result = await run("prune", "prod", "--keep", "1", "--yes")
    assert result.exit_code == 0
    assert result.stdout.endswith(":1\n")
    assert result.stderr == "deletion started: 1 versions\n"


def test_versions_that_cannot_be_deleted_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def respond(request: Request) -> Response:
        if request.method == "DELETE":
            return Response(409, {}, b'{"code": "ResourceConflictException"}')
        arn = "arn:aws:lambda:us-east-1:123456789012:network-connector:nc-1"
        if request.target.endswith("versions") or "versions?" in request.target:
            each = [
                {"Arn": arn, "VersionArn": f"{arn}:{n}", "Name": "prod", "Id": "nc-1", "Version": n,
                 "State": "ACTIVE"} for n in (1, 2, 3)
            ]  # fmt: skip
            return Response(200, {}, json.dumps({"NetworkConnectorVersions": each}).encode())
        body = {"Arn": arn, "Name": "prod", "Id": "nc-1", "State": "ACTIVE"}
        return Response(200, {}, json.dumps(body).encode())

    answering(monkeypatch, respond)
    result = CliRunner().invoke(app, ["prune", "prod", "--keep", "1", "--yes"])
    assert result.exit_code == 1
    assert result.stderr.startswith("lambdacore: ResourceConflictException: ")
    assert "delete_network_connector" not in result.stderr


def test_pruning_is_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = CliRunner().invoke(app, ["prune", "prod", "--keep", "1"], input="n\n")
    assert result.exit_code == 1
    assert "Delete versions of prod except the newest 1? [y/N] " in result.stderr
