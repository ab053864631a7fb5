"""The command `export`: complete files, and runs that continue an interrupted one."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import signal
import stat
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lambdacore_async import LambdaCoreClient, Lookups
from lambdacore_async.cli import app
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse, Latency
from lambdacore_async.protocol.messages import Request, Response
from support.commands import COMMAND as COMMAND_LINE
from support.commands import answering, run, start, variables
from support.emulated_regions import emulated_regions
from support.examples import examples
from support.transports import CONNECTOR, answer

REGIONS = ("us-east-1", "eu-west-1")


@pytest.fixture
async def services(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncGenerator[dict[str, LocalLambdaCore]]:
    monkeypatch.chdir(tmp_path)
    async with emulated_regions(monkeypatch, *REGIONS) as services:
        yield services


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def names_in(path: Path) -> list[tuple[str, str]]:
    return sorted((each["Region"], each["Name"]) for each in lines_of(path))


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


EVERYTHING = sorted((region, name) for region in REGIONS for name in ("prod", f"only-{region}"))


async def test_an_export_has_the_configurations_of_all_regions(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    result = await run("export", "all.jsonl", "--regions", ",".join(REGIONS))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "all.jsonl: 4 connectors of 2 accounts and regions\n"
    assert names_in(tmp_path / "all.jsonl") == EVERYTHING
    for each in lines_of(tmp_path / "all.jsonl"):
        assert each["Configuration"]["VpcEgressConfiguration"]["SubnetIds"]
    assert names(tmp_path) == ["all.jsonl"]


@pytest.mark.parametrize("exists", [True, False])
async def test_the_target_of_a_link_is_written_and_the_link_stays(
    services: dict[str, LocalLambdaCore], tmp_path: Path, *, exists: bool
) -> None:
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "28.txt"
    if exists:
        target.write_text("before")
    link = tmp_path / "latest.csv"
    link.symlink_to("data/28.txt")
    result = await run("export", "latest.csv", "--region", "us-east-1")
    assert (result.exit_code, result.stderr) == (0, "latest.csv: 2 connectors\n")
    assert link.readlink() == Path("data/28.txt")
    assert target.read_bytes().startswith(b"Region,Arn,")  # the format of the link's ending
    assert names(tmp_path / "data") == ["28.txt"]


async def test_a_private_file_and_its_partial_file_stay_private(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    path, partial = tmp_path / "all.jsonl", tmp_path / "all.jsonl.partial"
    path.touch(0o600)
    services["us-east-1"].faults.script(None, ErrorResponse("AccessDeniedException", 403, "no"))
    arguments = ("export", "all.jsonl", "--region", "us-east-1")
    assert (await run(*arguments)).exit_code == 1
    assert stat.S_IMODE(partial.stat().st_mode) == 0o600
    assert (await run(*arguments)).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("file", ["out.jsonl", "link", "other name"])
async def test_the_file_of_standard_output_is_refused(file: str, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    (tmp_path / "link").symlink_to("/dev/fd/1")  # as /dev/stdout is
    with output.open("wb") as stream:
        (tmp_path / "other name").hardlink_to(output)
        process = await asyncio.create_subprocess_exec(
            *COMMAND_LINE, "export", str(tmp_path / file), stdout=stream, stderr=subprocess.PIPE
        )
        _, errors = await process.communicate()
    assert process.returncode == 2
    assert "is where standard output goes; `-` is standard output" in errors.decode()
    assert (tmp_path / "link").is_symlink()
    assert sorted(names(tmp_path)) == ["link", "other name", "out.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["all.CSV"], b"Region,Arn,"),
        (["all", "-o", "csv"], b"Region,Arn,"),
        (["all.parquet"], b"PAR1"),
        (["all.txt"], b'{"Region": '),
    ],
)
async def test_the_ending_of_the_file_is_its_format_unless_one_is_named(
    services: dict[str, LocalLambdaCore], tmp_path: Path, arguments: list[str], start: bytes
) -> None:
    assert (await run("export", *arguments, "--region", "us-east-1")).exit_code == 0
    assert (tmp_path / arguments[0]).read_bytes().startswith(start)


async def test_standard_output_gets_each_connector_as_it_arrives(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    result = await run("export", "-", "--region", "us-east-1")
    assert {json.loads(line)["Name"] for line in result.stdout.splitlines()} == {
        "prod",
        "only-us-east-1",
    }
    assert result.stderr == "2 connectors\n"
    result = await run("export", "-", "--regions", "us-east-1,me-south-1", "-o", "csv")
    assert result.exit_code == 1
    rows = csv.DictReader(io.StringIO(result.stdout))
    assert {row["Name"] for row in rows} == {"prod", "only-us-east-1"}
    assert "me-south-1: the region is not enabled" in result.stderr
    assert names(tmp_path) == []


async def test_regions_that_are_not_enabled_are_no_failure_of_all(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    result = await run("export", "all.jsonl", "--regions", "all")
    assert result.exit_code == 0
    assert names_in(tmp_path / "all.jsonl") == EVERYTHING


async def test_what_failed_is_missing_only_on_request_and_is_got_by_the_next_run(
    services: dict[str, LocalLambdaCore], tmp_path: Path, no_waiting: None
) -> None:
    west = services["eu-west-1"]
    regions = ",".join(REGIONS)
    west.faults.script(ErrorResponse("AccessDeniedException", 403, "no"))
    result = await run("export", "all.jsonl", "--regions", regions)
    assert result.exit_code == 1
    assert "eu-west-1: AccessDeniedException: no " in result.stderr
    assert "all.jsonl is not written, because results are missing; run the same" in result.stderr
    assert names(tmp_path) == ["all.jsonl.partial"]

    result = await run("export", "all.jsonl", "--regions", "us-east-1")
    assert result.exit_code == 2
    assert "export with other accounts and regions: us-east-1, eu-west-1, not us" in result.stderr

    before = dict(services["us-east-1"].calls)
    denied = ErrorResponse("AccessDeniedException", 403, "no")
    west.faults.script(None, denied)  # the listing succeeds, a get does not
    arguments = ("export", "all.jsonl", "--regions", regions)
    result = await run(*arguments, "--ignore-failures")
    assert result.exit_code == 1
    assert re.search(r"eu-west-1: nc-[-0-9a-f]+: AccessDeniedException: no", result.stderr)
    assert len(lines_of(tmp_path / "all.jsonl")) == 3
    assert services["us-east-1"].calls == before  # this region was finished
    assert names(tmp_path) == ["all.jsonl"]


async def test_a_run_after_failures_gets_only_what_is_missing(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    west = services["eu-west-1"]
    west.faults.script(None, ErrorResponse("AccessDeniedException", 403, "no"))
    arguments = ("export", "all.jsonl", "--regions", ",".join(REGIONS))
    assert (await run(*arguments)).exit_code == 1
    result = await run(*arguments)
    assert result.exit_code == 0
    assert west.calls == {"ListNetworkConnectors": 2, "GetNetworkConnector": 3}
    assert names_in(tmp_path / "all.jsonl") == EVERYTHING


async def test_refused_credentials_end_the_target_and_none_of_it_is_finished(
    services: dict[str, LocalLambdaCore], tmp_path: Path
) -> None:
    expired = ErrorResponse("ExpiredTokenException", 403, "the token has expired")
    services["us-east-1"].faults.script(None, *[expired] * 9)
    result = await run("export", "all.jsonl", "--region", "us-east-1")
    assert result.exit_code == 2
    assert result.stderr.startswith("lambdacore: us-east-1: ExpiredTokenException: the token has")
    assert b"Finished" not in (tmp_path / "all.jsonl.partial").read_bytes()


async def test_a_connector_that_is_deleted_after_the_listing_is_no_failure(
    services: dict[str, LocalLambdaCore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = LambdaCoreClient.lookup_network_connectors

    def delete_and_get(client: LambdaCoreClient, *arguments: Any, **options: Any) -> Lookups:
        services["us-east-1"].state.delete_network_connector("prod")
        return get(client, *arguments, **options)

    monkeypatch.setattr(LambdaCoreClient, "lookup_network_connectors", delete_and_get)
    result = await run("export", "all.jsonl", "--region", "us-east-1")
    assert result.exit_code == 0
    assert result.stderr == "all.jsonl: 1 connectors, 1 deleted meanwhile\n"


@pytest.fixture
async def interrupted(
    service: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> bytes:
    """The partial file of an export of `service` that has one of two connectors."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config"
    config.write_text("[profile orders]\n[profile payments]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "orders")
    service.faults.script(None, ErrorResponse("AccessDeniedException", 403, "no"))
    assert (await run("export", "all.jsonl")).exit_code == 1
    return (tmp_path / "all.jsonl.partial").read_bytes()


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        (
            "AWS_ENDPOINT_URL_LAMBDA_CORE",
            r"endpoint: http://127.0.0.1:\d+, not http://127.0.0.1:1;",
        ),
        ("AWS_PROFILE", "profile: orders, not payments;"),
    ],
)
async def test_another_environment_is_refused_and_loses_nothing(
    interrupted: bytes, service: LocalLambdaCore, tmp_path: Path, variable: str, problem: str
) -> None:
    before = dict(service.calls)
    other = {"AWS_ENDPOINT_URL_LAMBDA_CORE": "http://127.0.0.1:1", "AWS_PROFILE": "payments"}
    result = await run("export", "all.jsonl", env={variable: other[variable]})
    assert result.exit_code == 2
    assert re.search(f"is of an export with other {problem} use the same options", result.stderr)
    assert service.calls == before
    assert (tmp_path / "all.jsonl.partial").read_bytes() == interrupted
    result = await run("export", "all.jsonl")
    assert (result.exit_code, len(lines_of(tmp_path / "all.jsonl"))) == (0, 2)


async def test_the_keys_of_another_account_are_refused(
    interrupted: bytes, service: LocalLambdaCore, tmp_path: Path
) -> None:
    keys = service.credentials
    async with LocalLambdaCore(account_id="210987654321", credentials=keys) as other:
        other.state.put_network_connector("theirs")
        text = interrupted.replace(service.endpoint_url.encode(), other.endpoint_url.encode())
        (tmp_path / "all.jsonl.partial").write_bytes(text)  # as if both had AWS's endpoint
        result = await run("export", "all.jsonl", env=variables(other))
        assert "GetNetworkConnector" not in other.calls
    assert result.exit_code == 2
    assert "with other account: 123456789012, not 210987654321; use" in result.stderr
    assert sorted(names(tmp_path)) == ["all.jsonl.partial", "config"]
    assert (tmp_path / "all.jsonl.partial").read_bytes() == text


async def test_an_export_goes_on_once_a_profile_that_was_missing_is_there(
    service: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    keys = (
        f"aws_access_key_id = {service.credentials.access_key_id}\n"
        f"aws_secret_access_key = {service.credentials.secret_access_key}\n"
    )
    config.write_text(f"[profile orders]\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    arguments = ("export", str(tmp_path / "all.jsonl"), "--profiles", "orders,payments")
    assert (await run(*arguments)).exit_code == 2
    assert service.calls["GetNetworkConnector"] == 2
    config.write_text(f"[profile orders]\n{keys}[profile payments]\n{keys}")
    assert (await run(*arguments)).exit_code == 0
    assert service.calls["GetNetworkConnector"] == 4
    profiles = [each["Profile"] for each in lines_of(tmp_path / "all.jsonl")]
    assert sorted(profiles) == ["orders", "orders", "payments", "payments"]


@pytest.mark.parametrize("end", ["SIGKILL", "SIGINT"])
async def test_an_export_that_was_killed_goes_on_where_it_was(
    service: LocalLambdaCore, tmp_path: Path, end: str
) -> None:
    for number in range(98):
        service.state.put_network_connector(f"connector-{number}")
    hanging = asyncio.Event()

    async def hang(_: float) -> None:
        hanging.set()
        await asyncio.Event().wait()

    service.faults.sleep = hang
    service.faults.script(*[None] * 32, Latency(1.0))
    path = tmp_path / "all.jsonl"
    process = await start("export", str(path))
    await hanging.wait()
    process.send_signal(signal.Signals[end])
    _, errors = await process.communicate()
    there = (tmp_path / "all.jsonl.partial").read_bytes().count(b"\n") - 1
    assert there < 100
    words = f"lambdacore: interrupted: {there} of 100 done; run the same command again to resume\n"
    assert errors.decode() == (words if end == "SIGINT" else "")
    before = service.calls["GetNetworkConnector"]
    result = await run("export", str(path))
    assert result.exit_code == 0
    assert result.stderr.endswith(f"{path}: 100 connectors\n")
    assert (f": {there} done\n" in result.stderr) is (there > 0)
    assert service.calls["GetNetworkConnector"] - before == 100 - there
    assert len({each["Id"] for each in lines_of(path)}) == len(lines_of(path)) == 100
    assert names(tmp_path) == ["all.jsonl"]


def partial_of(service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return the partial file of an export to which only one of two regions is missing."""
    for name, value in variables(service).items():
        monkeypatch.setenv(name, value)
    assert CliRunner().invoke(app, COMMAND).exit_code == 1
    return Path("all.jsonl.partial").read_bytes()


COMMAND = ("export", "all.jsonl", "--regions", "us-east-1,eu-west-1")


def test_a_partial_file_that_was_cut_anywhere_is_completed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with LocalLambdaCore().in_thread() as service:
        for number in range(4):
            service.state.put_network_connector(f"connector-{number}")
        whole = partial_of(service, monkeypatch)

        @settings(max_examples=examples(0.2))
        @given(st.integers(0, len(whole)))
        def complete(cut: int) -> None:
            Path("all.jsonl.partial").write_bytes(whole[:cut])
            before = service.calls["GetNetworkConnector"]
            assert CliRunner().invoke(app, (*COMMAND, "--ignore-failures")).exit_code == 1
            there = sum(b'"Id"' in line for line in whole[:cut].split(b"\n")[1:-1])
            assert service.calls["GetNetworkConnector"] - before == 4 - there
            assert {each["Name"] for each in lines_of(Path("all.jsonl"))} == {
                f"connector-{number}" for number in range(4)
            }
            assert len(lines_of(Path("all.jsonl"))) == 4

        complete()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-", "-o", "parquet"], "parquet needs a file"),
        (["."], "is no regular file; `-` is standard output"),
        (["all", "--region", "a", "--regions", "b"], "either --region or --regions"),
    ],
)
def test_what_cannot_be_written_is_status_2(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(app, ["export", *arguments])
    assert result.exit_code == 2
    assert problem in result.stderr


async def test_a_terminal_shows_the_progress(
    services: dict[str, LocalLambdaCore], no_waiting: None
) -> None:
    result = await run(
        *("export", "all.csv", "--regions", ",".join(REGIONS)),
        env={"TTY_COMPATIBLE": "1", "COLUMNS": "120"},
    )
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stderr)
    assert re.search(r"Exporting .* 4/4 0 failed +[\d,]+/s +\d:\d\d:\d\d", text)


LISTED = answer(
    200,
    json.dumps(
        {
            "NetworkConnectors": [
                {"Arn": f"arn:aws:x{each}", "Name": each, "Id": each, "Type": "VPC_EGRESS"}
                for each in ("nc-1", "nc-2")
            ]
        }
    ).encode(),
)


@pytest.mark.parametrize("file", ["-", "all.jsonl"])
@pytest.mark.parametrize("while_listing", [True, False])
def test_ctrl_c_says_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str, *, while_listing: bool
) -> None:
    monkeypatch.chdir(tmp_path)

    def interrupt(request: Request) -> Response:
        is_listing = "nc-" not in request.target
        if is_listing is while_listing:
            signal.raise_signal(signal.SIGINT)
        return LISTED if is_listing else CONNECTOR

    answering(monkeypatch, interrupt)
    result = CliRunner().invoke(app, ["export", file])
    assert result.exit_code == 130
    words = "while listing" if while_listing else "[0-2] of 2 done"
    again = "" if file == "-" else "; run the same command again to resume"
    assert re.fullmatch(f"lambdacore: interrupted: {words}{again}\n", result.stderr)
