"""The commands `demo` and `local`."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

from lambdacore_async import Credentials, NetworkConnector, UnknownMember
from lambdacore_async.__main__ import main
from lambdacore_async.cli.demo import _print_groups, look_up, seed_named
from lambdacore_async.cli.service import _instructions, _log
from lambdacore_async.local import AnsweredRequest, LocalLambdaCore
from lambdacore_async.local.faults import Reset
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from support.aws_sdk import Sdk, SdkError
from support.commands import COMMAND, run, start

boto3: Any = importlib.import_module("boto3")


async def test_the_demo_as_json_prints_one_object() -> None:
    process = await start("demo", "--output", "json")
    output, errors = await process.communicate()
    summary: dict[str, Any] = json.loads(output)
    assert (process.returncode, errors) == (0, b"")
    assert set(summary) == {"identifiers", "found", "failed", "states", "calls", "seconds"}
    assert summary["found"] == 305
    assert summary["failed"] == {
        "ResourceNotFoundException": 14,
        "ValidationException": 1,
    }
    assert set(summary["states"]) == set(NetworkConnectorState)
    assert sum(summary["states"].values()) == summary["found"]
    assert summary["identifiers"] == summary["calls"] == 305 + 15
    assert summary["seconds"] > 0


async def test_a_demo_of_one_connector_still_looks_up_missing_ones() -> None:
    summary = json.loads((await run("demo", "--connectors", "1", "--output", "json")).stdout)
    assert (summary["identifiers"], summary["found"]) == (9, 6)


async def test_the_demo_prints_one_connector_of_each_kind_and_a_summary() -> None:
    result = await run("demo", "--connectors", "60")
    assert (result.exit_code, result.stderr) == (0, "")
    for code in NetworkConnectorStateReasonCode:
        assert re.search(rf"FAILED +{code} *\n", result.stdout)
    assert re.search(r"\n +45  ALL_INGRESS +ACTIVE *\n", result.stdout)
    assert re.search(r"\nFound +65: \d+ ACTIVE, ", result.stdout)
    assert re.search(
        r"\nFailed +5: 4 ResourceNotFoundException, 1 ValidationException\n",
        result.stdout,
    )
    assert re.search(r"\nCalls +70 in [\d.]+ s, [\d,]+ per second\n", result.stdout)
    assert "\nThe 5 failures are there on purpose" in result.stdout


async def test_the_demo_shows_the_code_that_it_ran() -> None:
    shown = (await run("demo", "--connectors", "1")).stdout
    assert inspect.getsource(look_up) in shown
    assert "client.lookup_network_connectors(identifiers)" in shown


async def test_the_demo_suggests_commands_that_work_with_local(service: LocalLambdaCore) -> None:
    seed_named(service)
    _, next_steps = (await run("demo", "--connectors", "1")).stdout.split("Try next:\n")
    lines = re.findall(r"^  lambdacore (.*)", next_steps, re.MULTILINE)
    assert lines[0].startswith("local ")
    for line in lines[1:]:
        words = shlex.split(line, comments=True)
        expected = 1 if words[0] == "doctor" else 0  # it explains a failure
        assert (await run(*words)).exit_code == expected, line


async def test_a_narrow_terminal_has_every_column_of_the_demo_and_wraps_no_row() -> None:
    result = await run("demo", env={"FORCE_COLOR": "1", "COLUMNS": "80"})
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.stdout)
    assert re.search(r"^Count +Name +State +Reason code *$", plain, re.MULTILINE)
    assert "SecurityGroupsPerInterfaceLimitExceeded" in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_a_configuration_of_an_unknown_kind_leaves_its_cells_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    connector = NetworkConnector("arn", "new", "id", configuration=UnknownMember("Nat"))
    _print_groups([connector, connector])
    header, _, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["Count", "Name", "State", "Reason", "code"]
    assert row.split() == ["2", "new"]


@pytest.mark.parametrize(("end", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_local_serves_other_sdks_until_ctrl_c_or_sigterm(
    end: signal.Signals, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def call_it() -> None:
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
            signal.pthread_kill(threading.main_thread().ident or 0, end)

    reading, writing = os.pipe()
    user = threading.Thread(target=call_it)
    command = ["lambdacore", "local", "--port", "0", "--region", "eu-north-1", "--connectors", "3"]
    with os.fdopen(reading) as output, os.fdopen(writing, "w") as printed:
        monkeypatch.setattr(sys, "stdout", printed)
        monkeypatch.setattr(sys, "argv", command)
        user.start()
        with pytest.raises(SystemExit) as exited:
            main()
        user.join()
    assert exited.value.code == status
    named = ["prod-egress", "staging-egress", "old-egress"]
    assert names == [*named, "egress-0001", "egress-0002", "egress-0003"]


async def test_local_reports_a_port_in_use_in_one_line(service: LocalLambdaCore) -> None:
    port = service.endpoint_url.rpartition(":")[2]
    result = await run("local", "--port", port)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(r"lambdacore: .*address already in use\n", result.stderr)


@pytest.mark.parametrize("region", ["", "us east", "us-east-1\nrm -r /", "\x1b[2J"])
async def test_local_refuses_an_invalid_region_name(region: str) -> None:
    result = await run("local", "--port", "0", "--region", region)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not a valid region name" in result.stderr
    assert "--region" in result.stderr


class Emulator:
    """A process that runs `lambdacore local`."""

    def __init__(self, *options: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - the program is this project's
            [*COMMAND, "local", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
        )
        assert self.process.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("unset"):
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            lines.append(line)
        words = shlex.split("".join(lines), comments=True)
        self.variables = dict(word.split("=", 1) for word in words if "=" in word)
        self.url = self.variables["AWS_ENDPOINT_URL_LAMBDA_CORE"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def sdk(self, access_key_id: str, secret_access_key: str, region: str = "us-east-1") -> Sdk:
        return Sdk(self.url, Credentials(access_key_id, secret_access_key), region)

    def end(self) -> tuple[int, list[str]]:
        """Send SIGTERM, and return the exit status and the lines of the access log."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.splitlines()


def test_local_takes_fixed_credentials_and_ends_on_sigterm(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text("- prod\n- staging\n", encoding="utf-8")
    keys = {
        "LAMBDACORE_LOCAL_ACCESS_KEY_ID": "AKIDFIXED",
        "LAMBDACORE_LOCAL_SECRET_ACCESS_KEY": "made-up",
    }
    with Emulator("--seed", str(file), "--host", "0.0.0.0", env=keys) as emulator:  # noqa: S104
        assert emulator.variables["AWS_ACCESS_KEY_ID"] == "AKIDFIXED"
        assert "AWS_SECRET_ACCESS_KEY" not in emulator.variables
        sdk = emulator.sdk("AKIDFIXED", "made-up")
        listed = sdk._call("ListNetworkConnectors", {})["NetworkConnectors"]
        assert [each["Name"] for each in listed] == ["prod", "staging"]
        with pytest.raises(SdkError):
            emulator.sdk("AKIDOTHER", "made-up")._call("ListNetworkConnectors", {})
        with urllib.request.urlopen(f"{emulator.url}/_health") as response:  # noqa: S310
            assert json.load(response) == {"status": "running"}
        status, log = emulator.end()
        sdk.close()
    assert status == 0
    path = "GET /2026-04-04/network-connectors ListNetworkConnectors"
    assert [line.partition(" ")[2] for line in log] == [f"{path} 200", f"{path} 403"]


def test_local_accepts_any_credentials_without_verification() -> None:
    with Emulator("--no-verify", "--no-access-log") as emulator:
        sdk = emulator.sdk("AKIDANY", "any", "eu-west-1")
        assert sdk._call("GetNetworkConnector", {"Identifier": "prod-egress"})["State"] == "ACTIVE"
        sdk.close()
        assert emulator.end() == (0, [])


def test_local_injects_faults_and_limits_the_rate() -> None:
    options = ("--rate-limit", "0.001:1", "--faults", "503:0", "--latency", "0")
    with Emulator(*options) as emulator:
        sdk = emulator.sdk(
            emulator.variables["AWS_ACCESS_KEY_ID"], emulator.variables["AWS_SECRET_ACCESS_KEY"]
        )
        sdk._call("ListNetworkConnectors", {})
        with pytest.raises(SdkError) as raised:
            sdk._call("ListNetworkConnectors", {})
        assert raised.value.code == "TooManyRequestsException"
        sdk.close()
        _, log = emulator.end()
    assert [line.split()[4:] for line in log] == [
        ["200", "Latency(seconds=0.0)"],
        ["429", "Latency(seconds=0.0)"],
    ]


def test_a_given_secret_is_not_printed() -> None:
    with LocalLambdaCore(credentials=Credentials("AKIDFIXED", "made-up")).in_thread() as aws:
        lines = "\n".join(_instructions(aws, secret_is_given=True))
    assert "AKIDFIXED" in lines
    assert "made-up" not in lines


def test_the_access_log_escapes_what_clients_send(capsys: pytest.CaptureFixture[str]) -> None:
    _log(AnsweredRequest("GET", "/\x1b[2J\nFORGED", "UnknownOperation", None, Reset()))
    line = capsys.readouterr().err
    assert line.endswith("UnknownOperation - Reset(when='before_work')\n")
    assert line.removesuffix("\n").isprintable()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--access-key-id", "AKID"], "need each other"),
        (["--secret-access-key", "made-up"], "need each other"),
        (["--faults", "nonsense"], "unknown fault 'nonsense', expected one of throttle"),
        (["--faults", "503:2"], "at most 1 in total"),
        (["--latency", "soon"], "expected SECONDS"),
        (["--rate-limit", "0"], "rate"),
        (["--seed", "/no/such/file"], "cannot read"),
    ],
)
async def test_local_refuses_options_that_make_no_sense(options: list[str], problem: str) -> None:
    result = await run("local", "--port", "0", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert problem in " ".join(result.stderr.replace("│", " ").split())
    assert "made-up" not in result.stderr
