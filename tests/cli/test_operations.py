"""Commands made from the table of operations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lambdacore_async.cli import app, operations, printing
from lambdacore_async.cli.operations import skeleton
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.reading import is_array, is_object, wire_name
from support.botocore_judge import service_model
from support.commands import answering, run

#: They are in the models of Lambda, not in that of Lambda Core.
TAG_OPERATIONS = ("ListTags", "TagResource", "UntagResource")
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/runtime:1"


async def done(*arguments: str) -> Result:
    result = await run(*arguments)
    assert result.exit_code == 0, result.output
    return result


async def json_of(*arguments: str) -> Any:
    return json.loads((await done(*arguments, "-o", "json")).stdout)


async def test_runtimes_versions_and_aliases_live_and_end(service: LocalLambdaCore) -> None:
    created = await json_of("runtimes", "create", "python", "--description", "ours", "--tag", "a=b")
    assert (created["Name"], created["Description"]) == ("python", "ours")
    await done("runtimes", "versions", "create", "python", "v1", "--image-uri", IMAGE)
    await done("runtimes", "aliases", "create", "python", "live", "--runtime-version", "v1")
    await done("runtimes", "versions", "update", "python", "v1", "--release-notes", "fast")
    await done("runtimes", "aliases", "update", "python", "live", "--runtime-version", "v1")
    assert (await json_of("runtimes", "versions", "get", "python", "v1"))["ReleaseNotes"] == "fast"
    assert (await json_of("runtimes", "aliases", "get", "python", "live"))["RuntimeVersion"] == "v1"
    for family in ("versions", "aliases"):
        assert len(await json_of("runtimes", family, "list", "python")) == 1
    lifecycle = '{"ReleaseState": "PREVIEW"}'
    updated = await json_of("runtimes", "update", "python", "--release-lifecycle", lifecycle)
    assert updated["ReleaseLifecycle"] == {"ReleaseState": "PREVIEW"}
    await done("runtimes", "aliases", "delete", "python", "live")
    await done("runtimes", "versions", "delete", "python", "v1")
    deleted = await done("runtimes", "delete", "python", "--recovery-window-in-days", "7")
    assert (deleted.stdout, deleted.stderr) == ("", "deletion started: python\n")
    restored = await json_of("runtimes", "restore", "python")
    assert restored["RuntimeName"] == "python"


async def test_connectors_are_created_and_updated(service: LocalLambdaCore, tmp_path: Path) -> None:
    file = tmp_path / "new.json"
    vpc = {
        "SubnetIds": ["subnet-0123456789abcdef0"],
        "SecurityGroupIds": ["sg-0123456789abcdef0"],
        "NetworkProtocol": "IPv4",
        "AssociatedComputeResourceTypes": ["MicroVm"],
    }
    role = "arn:aws:iam::123456789012:role/operator"
    file.write_text(
        json.dumps(
            {
                "Name": "other",
                "OperatorRole": role,
                "Configuration": {"VpcEgressConfiguration": vpc},
            }
        ),
        "utf-16",  # as PowerShell writes it
    )
    created = await json_of("create", "new", "--cli-input-json", f"file://{file}")
    assert created["Name"] == "new"  # the argument overrides the file
    role += "-2"
    updated = await json_of("update", "new", "--operator-role", role)
    assert updated["OperatorRole"] == role
    versions = await json_of("versions", "new", "--limit", "1", "--state", "active")
    assert len(versions) == 1


async def test_tags_are_added_listed_and_removed(service: LocalLambdaCore) -> None:
    arn = (await json_of("get", "prod"))[0]["Arn"]
    added = await done("tags", "add", arn, "--tag", "team=web", "--tag", "owner=ada")
    assert added.stderr == f"tagged: {arn}\n"
    await done("tags", "remove", arn, "owner")
    assert await json_of("tags", "list", arn) == {"team": "web"}


async def test_names_are_printed_as_they_arrive(service: LocalLambdaCore) -> None:
    await done("runtimes", "create", "python")
    assert (await done("runtimes", "list", "-o", "name", "--limit", "5")).stdout == "python\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("runtimes", "get"), "RUNTIME_NAME: required, here or in --cli-input-json"),
        (("tags", "add", "arn"), "--tag: required"),
        (("tags", "remove", "arn"), "TAG_KEY: required"),
        (("create", "new"), "--configuration: required"),
        (("create", "new", "--configuration", "[]"), "is not a JSON object"),
        (("create", "new", "--configuration", "{"), "cannot be read"),
        (("create", "--cli-input-json", "file:///no/such"), "cannot be read"),
        (("create", "--cli-input-json", '{"Nome": "x"}'), "unknown member 'Nome'"),
        (("runtimes", "list", "--limit", "0"), "--limit"),
    ],
)
async def test_misuse_is_refused_before_any_call(
    arguments: tuple[str, ...], problem: str, service: LocalLambdaCore
) -> None:
    result = await run(*arguments)
    assert result.exit_code == 2
    assert problem in result.stderr
    assert not service.calls


async def test_a_value_of_a_wrong_type_is_refused(service: LocalLambdaCore) -> None:
    result = await run("runtimes", "get", "--cli-input-json", '{"RuntimeName": 1}')
    assert result.exit_code == 2
    assert "RuntimeName" in result.stderr
    assert not service.calls


@pytest.mark.parametrize(("answer", "calls"), [("y\n", 1), ("n\n", 0)])
def test_a_deletion_is_asked_for_on_a_terminal(
    answer: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Request] = []

    def respond(request: Request) -> Response:
        sent.append(request)
        return Response(202, {}, b"{}")

    answering(monkeypatch, respond)
    monkeypatch.setattr(printing, "can_ask", lambda: True)
    result = CliRunner().invoke(app, ["runtimes", "delete", "python"], input=answer)
    assert (len(sent), result.exit_code) == (calls, 1 - calls)
    assert "Delete python? [y/N] " in result.stderr


async def test_a_template_is_printed_without_a_call() -> None:
    result = await run("runtimes", "versions", "delete", "--generate-cli-skeleton")
    assert json.loads(result.stdout) == {
        "RuntimeName": "",
        "Name": "",
        "RecoveryWindowInDays": 0,
    }


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in TAG_OPERATIONS])
def test_templates_have_the_members_of_aws_model(name: str) -> None:
    model = service_model()

    def template(shape_name: str) -> Any:
        shape = model["shapes"][shape_name]
        match shape["type"]:
            case "structure":
                members = shape["members"].items()
                return {key: template(member["shape"]) for key, member in members}
            case "list":
                return [template(shape["member"]["shape"])]
            case "map":
                return {"KeyName": "str"}
            case kind:
                return {"string": "str", "integer": "int", "boolean": "bool"}[kind]

    ours = {wire_name(member.name): skeleton(member.kind) for member in OPERATIONS[name].members}
    expected = template(model["operations"][name]["input"]["shape"])
    assert {key: _types(value) for key, value in ours.items()} == expected


def _types(value: JSONValue) -> Any:
    if is_object(value):
        return {key: _types(item) for key, item in value.items()}
    return [_types(item) for item in value] if is_array(value) else type(value).__name__


def test_every_operation_has_a_command() -> None:
    source = Path(operations.__file__).read_text()
    by_hand = {"GetNetworkConnector", "ListNetworkConnectors", "DeleteNetworkConnector"}
    assert {name for name in OPERATIONS if f'"{name}"' not in source} == by_hand
