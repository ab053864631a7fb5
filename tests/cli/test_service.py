"""The commands `demo` and `local`."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import sys
import threading
from typing import Any

import pytest

from lambdacore_async import NetworkConnector, UnknownMember
from lambdacore_async.__main__ import main
from lambdacore_async.cli.demo import _print_groups
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from support.commands import run, start

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
        assert re.search(rf"FAILED +{code} ", result.stdout)
    assert re.search(r"ALL_INGRESS +ACTIVE +5 *\n", result.stdout)
    assert re.search(r"\nFound +65: \d+ ACTIVE, ", result.stdout)
    assert re.search(
        r"\nFailed +5: 4 ResourceNotFoundException, 1 ValidationException\n",
        result.stdout,
    )
    assert re.search(r"\nCalls +70 in [\d.]+ s, [\d,]+ per second\n$", result.stdout)


async def test_a_narrow_terminal_shows_fewer_columns_and_wraps_no_row() -> None:
    result = await run("demo", env={"FORCE_COLOR": "1", "COLUMNS": "80"})
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", result.stdout)
    assert "Protocol" not in plain
    assert "SecurityGroupsPerInterfaceLimitExceeded" in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_a_configuration_of_an_unknown_kind_leaves_its_cells_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    connector = NetworkConnector("arn", "new", "id", configuration=UnknownMember("Nat"))
    _print_groups([connector, connector])
    header, _, row = capsys.readouterr().out.splitlines()
    assert header.split()[0] == "Name"
    assert header.split()[-3:] == ["Protocol", "Subnets", "Count"]
    assert row.split() == ["new", "2"]


def test_local_serves_other_sdks_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
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
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

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
    assert exited.value.code == 130
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
