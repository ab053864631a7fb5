"""The command line, against an embedded service; as a process of its own where that matters."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import pytest
from attrs import evolve
from typer.testing import CliRunner, Result

from lambdacore_async import (
    ConnectorAdded,
    ConnectorChange,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    NetworkConnector,
    NetworkConnectorSummary,
    NetworkConnectorType,
    Timeout,
    UnknownMember,
)
from lambdacore_async.__main__ import main
from lambdacore_async.cli import app
from lambdacore_async.cli.demo import _one_of_each
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.user_agent import VERSION
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.models.reason_codes import CAUSES
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.simulation import EventClock

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
boto3: Any = importlib.import_module("boto3")
COMMAND = (sys.executable, "-m", "lambdacore_async")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour, and no width but what a test asks for."""
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalLambdaCore]:
    """A service that the environment leads to."""
    async with LocalLambdaCore(
        provisioning_seconds=0, update_seconds=0, deletion_seconds=0
    ) as service:
        for name, value in variables(service).items():
            monkeypatch.setenv(name, value)
        service.state.put_network_connector("prod")
        service.state.put_network_connector(
            "full", state=NetworkConnectorState.FAILED, state_reason_code=NO_ROOM
        )
        yield service


@pytest.fixture
def unwaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's time goes on to the end of the next sleep, once no request is under way."""
    time, send = EventClock(), AiohttpTransport.send

    # Like a real sleep, it is too long by a little: ticks are rounded to microseconds.
    async def sleep(clock: Clock, seconds: float) -> None:
        await time.sleep(seconds + 1e-6)

    def monotonic(clock: Clock) -> float:
        return time.monotonic()

    async def busily(
        transport: AiohttpTransport, endpoint: Endpoint, request: Request, timeout: Timeout
    ) -> Response:
        time.busy += 1
        try:
            return await send(transport, endpoint, request, timeout)
        finally:
            time.busy -= 1
            time.stir()

    monkeypatch.setattr(AiohttpTransport, "send", busily)
    monkeypatch.setattr(Clock, "sleep", sleep)
    monkeypatch.setattr(Clock, "monotonic", monotonic)


def variables(service: LocalLambdaCore) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LAMBDA_CORE": service.endpoint_url,
        "AWS_REGION": service.region,
        "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
    }


async def run(*arguments: str, env: Mapping[str, str | None] | None = None) -> Result:
    """Run a command in a thread, beside the service."""
    return await asyncio.to_thread(CliRunner().invoke, app, arguments, env=env)


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def standard_input() -> Iterator[int]:
    """The writing end of a pipe to this process's standard input."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(before, 0)
    os.close(before)


# get


async def test_get_shows_all_members_of_a_connector(service: LocalLambdaCore) -> None:
    result = await run("get", "prod")
    connector = service.state.get_network_connector("prod")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(rf"Arn +{connector.arn} *\n", result.stdout)
    assert re.search(r"SubnetIds +subnet-0123456789abcdef0 *\n", result.stdout)
    assert re.search(r"State +ACTIVE *\n", result.stdout)


async def test_get_exits_with_1_and_says_why_if_a_lookup_failed(service: LocalLambdaCore) -> None:
    result = await run("get", "prod", "[red]none")
    assert result.exit_code == 1
    assert re.search(
        r"\[red\]none +ResourceNotFoundException +Network connector not found: \[red\]none",
        result.stdout,
    )


async def test_get_as_json_keeps_the_order_and_asks_once_for_repeats(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "none", "prod", "none", "--output", "json")
    failed, found = json.loads(result.stdout)
    assert service.calls == {"GetNetworkConnector": 2}
    assert found["identifier"] == "prod"
    assert found["connector"]["Name"] == "prod"
    assert (
        found["connector"]["Configuration"]["VpcEgressConfiguration"]["NetworkProtocol"] == "IPv4"
    )
    assert failed["identifier"] == "none"
    assert failed["error"]["code"] == "ResourceNotFoundException"
    assert failed["error"]["message"] == "Network connector not found: none"
    assert re.fullmatch(r"[0-9a-f-]{36}", failed["error"]["request_id"])


async def test_an_error_of_this_library_has_its_class_for_a_code(service: LocalLambdaCore) -> None:
    result = await run("get", "..", "--output", "jsonl")
    assert json.loads(result.stdout) == {
        "identifier": "..",
        "error": {
            "code": "ParameterError",
            "message": "identifier: '..' cannot be sent in a URL's path",
            "request_id": None,
        },
    }


async def test_options_win_over_the_environment(service: LocalLambdaCore) -> None:
    env = {"AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL_LAMBDA_CORE": "http://127.0.0.1:1"}
    options = ("--region", service.region, "--endpoint-url", service.endpoint_url)
    assert (await run("get", "prod", *options, env=env)).exit_code == 0


@pytest.mark.parametrize(
    ("env", "options", "complaint"),
    [
        ({"AWS_REGION": None}, (), "no region"),
        ({"AWS_SECRET_ACCESS_KEY": None}, (), "incomplete credentials"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, (), "no credentials"),
        ({}, ("--endpoint-url", "nowhere"), "'nowhere' is not an http or https URL"),
        ({"AWS_MAX_ATTEMPTS": "many"}, (), "AWS_MAX_ATTEMPTS"),
        ({}, ("--profile", "gone"), "'gone'"),
    ],
)
async def test_what_no_identifier_is_to_blame_for_is_one_line_and_status_2(
    service: LocalLambdaCore, env: dict[str, str | None], options: tuple[str, ...], complaint: str
) -> None:
    result = await run("get", "prod", "full", *options, env=env)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(rf"lambdacore: .*{complaint}.*\n", result.stderr)


async def test_a_service_that_is_not_there_is_a_failed_lookup(unwaited: None) -> None:
    async with LocalLambdaCore() as service:
        env = variables(service)
    result = await run("get", "prod", "--output", "jsonl", env=env)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["error"]["code"] == "TransportError"


async def test_no_secret_is_printed(service: LocalLambdaCore) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong-secret", "AWS_SESSION_TOKEN": "wrong-token"}
    for output in ("table", "json", "jsonl"):
        result = await run("get", "prod", "--output", output, env=wrong)
        assert "UnrecognizedClientException" in result.stdout
        assert "wrong" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("get",),
        ("lookup", "-", "--concurrency", "0"),
        ("lookup", "-", "--deadline", "-1"),
        ("demo", "--output", "jsonl"),
        ("unheard-of",),
    ],
)
async def test_misuse_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert (await run(*arguments)).exit_code == 2


async def test_the_version_is_the_packages() -> None:
    assert (await run("--version")).stdout == f"lambdacore-async {VERSION}\n"


# lookup


async def test_lookup_reads_a_file_of_one_identifier_a_line(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_bytes(b"full\r\n\n  \nnone\xff\nprod")
    result = await run("lookup", str(file))
    assert (result.exit_code, result.stderr) == (1, "")
    assert re.search(r"full +FAILED +SubnetOutOfIPAddresses +IPv4 +1", result.stdout)
    assert re.search(r"prod +ACTIVE +IPv4 +1", result.stdout)
    assert re.search(r"none\N{REPLACEMENT CHARACTER} +ResourceNotFoundException", result.stdout)
    assert result.stdout.index("full") < result.stdout.index("prod")


async def test_lookup_reads_standard_input(service: LocalLambdaCore, standard_input: int) -> None:
    os.write(standard_input, b"prod\nfull\n")
    os.close(standard_input)
    result = await run("lookup", "-", "--output", "json", "--concurrency", "1")
    assert result.exit_code == 0
    assert [found["identifier"] for found in json.loads(result.stdout)] == ["prod", "full"]


async def test_nothing_to_look_up_prints_nothing(tmp_path: Path) -> None:
    file = tmp_path / "identifiers"
    file.touch()
    result = await run("lookup", str(file))
    assert (result.exit_code, result.output) == (0, "")


async def test_a_deadline_fails_what_is_not_done_by_then(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_text("prod\nfull\n")
    result = await run("lookup", str(file), "--deadline", "0", "--output", "json")
    codes = [failed["error"]["code"] for failed in json.loads(result.stdout)]
    assert codes == ["TransportTimeoutError"] * 2


@pytest.mark.parametrize("output", ["table", "jsonl"])
async def test_what_cannot_be_read_is_one_line_and_status_2(tmp_path: Path, output: str) -> None:
    for path in (tmp_path, tmp_path / "none"):
        result = await run("lookup", str(path), "--output", output)
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.fullmatch(r"lambdacore: .*directory.*\n", result.stderr)


async def test_a_pipe_without_end_has_its_results_at_once_and_ctrl_c_ends_it_quietly(
    service: LocalLambdaCore,
) -> None:
    process = await start("lookup", "-", "--output", "jsonl")
    assert process.stdin is not None
    assert process.stdout is not None
    for name, state in (("prod", "ACTIVE"), ("full", "FAILED")):
        process.stdin.write(f"{name}\n".encode())
        result = json.loads(await process.stdout.readline())
        assert (result["identifier"], result["connector"]["State"]) == (name, state)
    process.send_signal(signal.SIGINT)
    rest, complaints = await process.communicate()
    assert (process.returncode, rest, complaints) == (130, b"", b"")


async def test_a_reader_that_leaves_ends_the_run_quietly(service: LocalLambdaCore) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "get", "prod", stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    _, complaints = await process.communicate()
    assert (process.returncode, complaints) == (141, b"")


async def test_a_broken_pipe_is_status_141_also_when_it_shows_at_the_last_flush(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "argv", ["lambdacore", "get", "prod"])
        with pytest.raises(SystemExit) as exited:
            await asyncio.to_thread(main)
    assert exited.value.code == 141


# What a terminal shows


async def test_a_terminal_has_colours_and_progress(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_text("prod\nfull\nnone\n")
    result = await run("lookup", str(file), env={"FORCE_COLOR": "1", "COLUMNS": "120"})
    assert "\x1b[32mACTIVE" in result.stdout
    assert "Protocol" in result.stdout
    assert "Looking up" not in result.stdout
    assert "3/3" in result.stderr
    assert "1 failed" in result.stderr


async def test_a_narrow_terminal_has_fewer_columns_and_no_row_is_folded() -> None:
    result = await run("demo", env={"FORCE_COLOR": "1", "COLUMNS": "80"})
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.stdout)
    assert "Protocol" not in plain
    assert "SecurityGroupsPerInterfaceLimitExceeded" in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_a_configuration_of_a_new_kind_shows_as_none_known() -> None:
    connector = NetworkConnector("arn", "new", "id", configuration=UnknownMember("Nat"))
    assert _one_of_each([connector, connector]) == [
        {
            "Name": "new",
            "State": "",
            "Last update": "",
            "Reason code": "",
            "Protocol": "",
            "Subnets": "",
            "Like it": "2",
        }
    ]


# ensure


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


# list


async def test_list_shows_a_row_for_each_connector(service: LocalLambdaCore) -> None:
    result = await run("list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(r"^Name +Id +State +Version +Last modified *$", result.stdout, re.MULTILINE)
    assert re.search(r"^prod +nc-\w+ +ACTIVE +1 +\d{4}-\d\d-\d\d ", result.stdout, re.MULTILINE)
    failed = await run("list", "--state", "FAILED", "--output", "json")
    assert [each["Name"] for each in json.loads(failed.stdout)] == ["full"]
    lines = (await run("list", "--output", "jsonl")).stdout.splitlines()
    assert {"prod", "full"} <= {json.loads(line)["Name"] for line in lines}


async def test_list_of_nothing_is_nothing(service: LocalLambdaCore) -> None:
    result = await run("list", "--state", "DELETE_FAILED")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


# wait


async def test_wait_shows_the_connector_once_it_is_as_wanted(service: LocalLambdaCore) -> None:
    for goal in ([], ["--for", "updated"]):
        result = await run("wait", "prod", *goal)
        assert (result.exit_code, result.stderr) == (0, "")
        assert re.search(r"State +ACTIVE", result.stdout)


async def test_wait_for_a_deletion_prints_nothing(service: LocalLambdaCore) -> None:
    service.state.delete_network_connector("prod")
    result = await run("wait", "prod", "--for", "deleted")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


async def test_wait_says_why_and_what_to_do(service: LocalLambdaCore) -> None:
    result = await run("wait", "full", "--output", "json")
    assert result.exit_code == 1
    (failed,) = json.loads(result.stdout)
    assert failed["error"]["code"] == "WaiterFailedError"
    assert NO_ROOM in failed["error"]["message"]
    assert "subnet" in failed["error"]["message"].lower()


# watch


async def test_watch_prints_lines_until_it_is_interrupted(service: LocalLambdaCore) -> None:
    process = await start("watch", "--interval", "0.1")
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    assert {"prod ACTIVE added\n", "full FAILED added\n"} >= {
        line for line in lines if not line.startswith("aws")
    }
    service.state.put_network_connector("late")
    while (line := (await process.stdout.readline()).decode()) != "late ACTIVE added\n":
        assert line
    process.send_signal(signal.SIGINT)
    _, complaints = await process.communicate()
    assert (process.returncode, complaints) == (130, b"")


class Changes:
    """A watch that has an end."""

    def __init__(self, *changes: ConnectorChange) -> None:
        self.snapshot: tuple[NetworkConnectorSummary, ...] = ()
        self._changes = iter(changes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ConnectorChange:
        change = next(self._changes, None)
        if change is None:
            raise StopAsyncIteration
        others = [each for each in self.snapshot if each.id != change.connector.id]
        gone = isinstance(change, ConnectorDeleted)
        self.snapshot = (*others,) if gone else (*others, change.connector)
        return change


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch shows twelve connectors, of which one changes twice and is then gone."""
    first, *others = [
        NetworkConnectorSummary(
            f"arn:{number}", f"c-{number:02}", f"nc-{number}", NetworkConnectorType.VPC_EGRESS
        )
        for number in range(12)
    ]
    active = evolve(first, state=NetworkConnectorState.ACTIVE)
    newer = evolve(active, latest_version=2, last_modified=datetime(2026, 11, 24, tzinfo=UTC))
    watch = Changes(
        ConnectorAdded(first),
        *map(ConnectorAdded, others),
        ConnectorStateChanged(first, active),
        ConnectorUpdated(active, newer),
        ConnectorDeleted(newer),
        *map(ConnectorDeleted, others),
    )

    def start(client: LambdaCoreClient, *, poll_interval: float) -> Changes:
        return watch

    monkeypatch.setattr(LambdaCoreClient, "watch_network_connectors", start)


async def test_watch_prints_each_change_as_json(service: LocalLambdaCore, changes: None) -> None:
    result = await run("watch", "--output", "jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["change"] for line in lines[11:15]] == [
        "added",
        "state changed",
        "updated",
        "deleted",
    ]
    assert lines[13]["connector"]["LatestVersion"] == 2


async def test_watch_prints_a_line_a_change_where_there_is_no_terminal(
    service: LocalLambdaCore, changes: None
) -> None:
    lines = (await run("watch")).stdout.splitlines()
    assert lines[0] == "c-00  added"
    assert lines[12:15] == [
        "c-00 ACTIVE state changed",
        "c-00 ACTIVE updated",
        "c-00 ACTIVE deleted",
    ]


async def test_watch_keeps_a_table_on_a_terminal(service: LocalLambdaCore, changes: None) -> None:
    result = await run("watch", env={"TTY_COMPATIBLE": "1", "FORCE_COLOR": "1", "COLUMNS": "120"})
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stdout)
    assert result.exit_code == 0
    assert re.search(r"c-00 +nc-0 +ACTIVE +state changed", text)
    assert re.search(r"c-00 +nc-0 +ACTIVE +2 +2026-11-24 00:00:00 +updated", text)
    assert re.search(r"c-01 +nc-1 *\n", text)  # not among the latest any more
    assert text.rstrip().endswith("none")


# delete


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


# demo


async def test_the_demo_as_json_is_one_object() -> None:
    process = await start("demo", "--output", "json")
    output, complaints = await process.communicate()
    summary: dict[str, Any] = json.loads(output)
    assert (process.returncode, complaints) == (0, b"")
    assert set(summary) == {"identifiers", "found", "failed", "states", "calls", "seconds"}
    assert summary["found"] == 304
    assert summary["failed"] == {
        "ResourceNotFoundException": 14,
        "InvalidParameterValueException": 1,
    }
    assert set(summary["states"]) == set(NetworkConnectorState)
    assert sum(summary["states"].values()) == summary["found"]
    assert summary["identifiers"] == summary["calls"] == 304 + 15
    assert summary["seconds"] > 0


async def test_a_demo_of_one_connector_looks_up_what_is_missing_too() -> None:
    summary = json.loads((await run("demo", "--connectors", "1", "--output", "json")).stdout)
    assert (summary["identifiers"], summary["found"]) == (8, 5)


async def test_the_demo_shows_one_of_each_kind_and_a_summary() -> None:
    result = await run("demo", "--connectors", "60")
    assert (result.exit_code, result.stderr) == (0, "")
    for code in NetworkConnectorStateReasonCode:
        assert re.search(rf"FAILED +{code} ", result.stdout)
    assert re.search(r"ALL_INGRESS +ACTIVE +4 *\n", result.stdout)
    assert re.search(r"\nFound +64: \d+ ACTIVE, ", result.stdout)
    assert re.search(
        r"\nFailed +5: 4 ResourceNotFoundException, 1 InvalidParameterValueException\n",
        result.stdout,
    )
    assert re.search(r"\nCalls +69 in [\d.]+ s, [\d,]+ a second\n$", result.stdout)


# local


def test_local_serves_other_sdks_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def use_it() -> None:
        try:
            lines = [output.readline() for _ in range(10)]
            exports = shlex.split("".join(lines), comments=True)
            pasted = dict(word.split("=", 1) for word in exports if "=" in word)
            client = boto3.client(
                "lambda-core",
                endpoint_url=pasted["AWS_ENDPOINT_URL_LAMBDA_CORE"],
                region_name=pasted["AWS_DEFAULT_REGION"],
                aws_access_key_id=pasted["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=pasted["AWS_SECRET_ACCESS_KEY"],
            )
            listed = client.list_network_connectors()["NetworkConnectors"]
            names.extend(connector["Name"] for connector in listed)
            client.close()
        finally:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    reading, writing = os.pipe()
    user = threading.Thread(target=use_it)
    command = ["lambdacore", "local", "--port", "0", "--region", "eu-north-1", "--connectors", "3"]
    with os.fdopen(reading) as output, os.fdopen(writing, "w") as printed:
        monkeypatch.setattr(sys, "stdout", printed)
        monkeypatch.setattr(sys, "argv", command)
        user.start()
        with pytest.raises(SystemExit) as exited:
            main()
        user.join()
    assert exited.value.code == 130
    assert names == ["egress-0001", "egress-0002", "egress-0003"]


async def test_local_says_in_one_line_that_its_port_is_taken(service: LocalLambdaCore) -> None:
    port = service.endpoint_url.rpartition(":")[2]
    result = await run("local", "--port", port)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"lambdacore: .*address already in use\n", result.stderr)


# The entry points


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in tuple(sys.modules):
        if name.partition(".")[0] == missing or name.startswith("lambdacore_async.cli"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as exited:
        main()
    output, complaints = capsys.readouterr()
    assert (exited.value.code, output) == (2, "")
    assert complaints == (f"lambdacore needs {missing}: pip install 'lambdacore-async[cli]'\n")


def test_a_module_of_our_own_that_is_missing_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lambdacore_async.cli", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("lambdacore_async.cli")):
        main()


def test_python_m_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "lambdacore_async.__main__")
    monkeypatch.setattr(sys, "argv", ["lambdacore", "--version"])
    with pytest.raises(SystemExit) as exited:
        runpy.run_module("lambdacore_async", run_name="__main__", alter_sys=True)
    assert exited.value.code == 0
    assert VERSION in capsys.readouterr().out


async def test_the_service_that_was_looked_up_can_be_asked_by_the_library_too(
    service: LocalLambdaCore,
) -> None:
    async with LambdaCoreClient(endpoint_url=service.endpoint_url) as client:
        assert (await client.get_network_connector("prod")).name == "prod"
