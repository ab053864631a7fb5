"""The commands `get`, `lookup` and `list`, against an embedded service."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdacore_async import CredentialsError
from lambdacore_async.cli import app, views
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Latency, Throttle
from lambdacore_async.protocol.messages import Request, Response
from support.commands import answering, run, start
from support.transports import CONNECTOR, refusal


async def test_get_prints_all_members_of_a_connector(service: LocalLambdaCore) -> None:
    result = await run("get", "prod")
    connector = service.state.get_network_connector("prod")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(rf"Arn +{connector.arn} *\n", result.stdout)
    assert re.search(r"SubnetIds +subnet-0123456789abcdef0 *\n", result.stdout)
    assert re.search(r"State +ACTIVE *\n", result.stdout)


async def test_get_exits_with_1_and_prints_the_error_if_a_lookup_fails(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "prod", "[red]none")
    assert result.exit_code == 1
    assert re.search(
        r"^lambdacore: \[red\]none: ResourceNotFoundException: Network connector not found for: "
        r"arn:aws:lambda:us-east-1:123456789012:network-connector:\[red\]none\. .*"
        r"\(operation GetNetworkConnector, request ID [0-9a-f-]{36}\)\n$",
        result.stderr,
    )


async def test_get_as_json_keeps_the_order_and_looks_up_duplicates_once(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "none", "prod", "none", "--output", "json")
    (found,) = json.loads(result.stdout)
    assert service.calls == {"GetNetworkConnector": 2}
    assert found["Name"] == "prod"
    assert found["Configuration"]["VpcEgressConfiguration"]["NetworkProtocol"] == "IPv4"
    assert result.stderr.startswith(
        "lambdacore: none: ResourceNotFoundException: Network connector not found for: "
        "arn:aws:lambda:us-east-1:123456789012:network-connector:none"
    )


async def test_an_identifier_that_cannot_be_sent_is_a_failure_without_a_code(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "..", "--output", "jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "lambdacore: ..: Identifier: '..' cannot be sent in a URL's path\n"


async def test_lookup_reads_a_file_with_one_identifier_per_line(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_bytes(b"full\r\n\n  \nnone\n# prod\nprod")
    result = await run("lookup", str(file))
    assert result.exit_code == 1
    assert re.search(r"full +FAILED +SubnetOutOfIPAddresses +IPv4 +1", result.stdout)
    assert re.search(r"prod +ACTIVE +IPv4 +1", result.stdout)
    assert result.stderr.startswith("lambdacore: none: ResourceNotFoundException: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout.index("full") < result.stdout.index("prod")


async def test_lookup_reads_standard_input(service: LocalLambdaCore, standard_input: int) -> None:
    os.write(standard_input, b"prod\nfull\n")
    os.close(standard_input)
    result = await run("lookup", "-", "--output", "json", "--concurrency", "1")
    assert result.exit_code == 0
    assert [found["identifier"] for found in json.loads(result.stdout)] == ["prod", "full"]


async def test_an_empty_file_prints_nothing(tmp_path: Path) -> None:
    file = tmp_path / "identifiers"
    file.touch()
    result = await run("lookup", str(file))
    assert (result.exit_code, result.output) == (0, "")


async def test_lookups_not_done_by_the_deadline_fail(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_text("prod\nfull\n")
    result = await run("lookup", str(file), "--deadline", "0", "--output", "json")
    codes = [failed["error"]["code"] for failed in json.loads(result.stdout)]
    assert codes == ["TransportTimeoutError"] * 2


@pytest.mark.parametrize("output", ["table", "jsonl"])
async def test_a_file_that_cannot_be_read_is_a_one_line_error_and_status_2(
    tmp_path: Path, output: str
) -> None:
    for path in (tmp_path, tmp_path / "none"):
        result = await run("lookup", str(path), "--output", output)
        assert (result.exit_code, result.stdout) == (2, "")
        assert re.fullmatch(r"lambdacore: .*(directory|no such file).*\n", result.stderr)
    assert f"to look up one connector, run `lambdacore get {path}`" in result.stderr


async def test_an_open_pipe_is_served_line_by_line_until_ctrl_c(
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
    rest, errors = await process.communicate()
    assert (process.returncode, rest, errors) == (130, b"", b"")


async def test_a_terminal_shows_colours_and_progress(
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


async def test_list_prints_a_row_for_each_connector(service: LocalLambdaCore) -> None:
    result = await run("list")
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.search(
        r"^Name +State +Latest version +Last modified +Id *$", result.stdout, re.MULTILINE
    )
    assert re.search(r"^prod +ACTIVE +\d{4}-\d\d-\d\dT[\d:.]+Z +nc-", result.stdout, re.MULTILINE)
    failed = await run("list", "--state", "FAILED", "--output", "json")
    assert [each["Name"] for each in json.loads(failed.stdout)] == ["full"]
    lines = (await run("list", "--output", "jsonl")).stdout.splitlines()
    assert {"prod", "full"} <= {json.loads(line)["Name"] for line in lines}


async def test_an_empty_listing_says_so_on_standard_error(service: LocalLambdaCore) -> None:
    result = await run("list", "--state", "DELETE_FAILED")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing found\n")


@pytest.mark.parametrize("output", ["table", "json"])
def test_results_before_an_error_that_ends_the_run_are_printed(
    output: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_text("first\nsecond\n")

    def lookup(request: Request) -> Response:
        if request.target.endswith("/first"):
            return CONNECTOR
        raise CredentialsError("the credentials have expired")

    answering(monkeypatch, lookup)
    result = CliRunner().invoke(app, ["lookup", str(file), "--output", output])
    assert result.exit_code == 2
    assert result.stderr.endswith("lambdacore: the credentials have expired\n")
    assert "prod-egress" in result.output


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
def test_a_refused_listing_exits_with_1_and_prints_the_code(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, lambda _: refusal("AccessDeniedException", 403))
    result = CliRunner().invoke(app, ["list", "--output", output])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "lambdacore: AccessDeniedException: AccessDeniedException it is "
        "(operation ListNetworkConnectors)\n"
    )


async def test_ctrl_c_prints_what_is_done_and_how_much_that_is(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    hanging = asyncio.Event()

    async def hang(_: float) -> None:
        hanging.set()
        await asyncio.Event().wait()

    service.faults.sleep = hang
    service.faults.script(None, Latency(1.0))
    file = tmp_path / "identifiers"
    file.write_text("prod\nfull\n")
    process = await start("lookup", str(file), "--concurrency", "1")
    await hanging.wait()
    process.send_signal(signal.SIGINT)
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"lambdacore: interrupted: 1 of 2 done\n")
    assert re.search(r"^prod +ACTIVE", output.decode(), re.MULTILINE)


def test_ctrl_c_during_a_get_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(request: Request) -> Response:
        if request.target.endswith("/first"):
            signal.raise_signal(signal.SIGINT)
        return CONNECTOR

    answering(monkeypatch, interrupt)
    result = CliRunner().invoke(app, ["get", "first", "second"])
    assert result.exit_code == 130
    assert re.search(r"^lambdacore: interrupted: [0-2] of 2 done\n$", result.stderr, re.MULTILINE)


async def test_get_indents_the_members_of_objects_and_breaks_no_value_in_two(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "prod", env={"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "40"})
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", result.stdout).splitlines()]
    place = lines.index("Configuration")
    assert lines[place + 1] == "  VpcEgressConfiguration"
    assert lines[place + 2].startswith("    ")
    arn = service.state.get_network_connector("prod").arn
    assert any(line.split() == ["Arn", arn] for line in lines)


async def test_a_lookup_shows_its_rate_and_the_pace_that_throttling_sets(
    service: LocalLambdaCore, no_waiting: None, tmp_path: Path
) -> None:
    service.faults.script(*[Throttle()] * 8)
    file = tmp_path / "identifiers"
    file.write_text("\n".join(f"none-{number}" for number in range(20)))
    env = {"TTY_COMPATIBLE": "1", "COLUMNS": "120"}
    result = await run("lookup", str(file), env=env)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stderr)
    assert re.search(r"20/20 20 failed +[\d,]+/s +\d:\d\d:\d\d throttled to [\d,]+/s", text)


@pytest.mark.parametrize("shown", [False, True])
async def test_a_listing_that_takes_long_shows_a_spinner_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, service: LocalLambdaCore, *, shown: bool
) -> None:
    monkeypatch.setattr(views, "SPINNER_AFTER", 1e-9 if shown else 3600.0)
    result = await run("list", env={"TTY_COMPATIBLE": "1"})
    assert result.exit_code == 0
    assert ("Listing" in result.stderr) is shown
