"""`list` and `lookup` in several regions, each an emulator of its own."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdacore_async.cli import app
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.messages import Request, Response
from support.commands import answering, run
from support.emulated_regions import emulated_regions
from support.transports import CONNECTOR

REGIONS = ("us-east-1", "eu-west-1")


@pytest.fixture
async def services(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, LocalLambdaCore]]:
    async with emulated_regions(monkeypatch, *REGIONS) as services:
        yield services


async def test_a_listing_tells_the_region_in_every_format(
    services: dict[str, LocalLambdaCore],
) -> None:
    expected = [(region, name) for region in REGIONS for name in ("prod", f"only-{region}")]

    async def listed(output: str) -> str:
        result = await run("list", "--regions", ",".join(REGIONS), "-o", output)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    table = (await listed("table")).splitlines()
    assert table[0].split()[:2] == ["Region", "Name"]
    assert [tuple(line.split()[:2]) for line in table[2:]] == expected
    items = json.loads(await listed("json"))
    assert [(each["Region"], each["Name"]) for each in items] == expected
    lines = [json.loads(line) for line in (await listed("jsonl")).splitlines()]
    assert sorted((each["Region"], each["Name"]) for each in lines) == sorted(expected)
    rows = csv.DictReader(io.StringIO(await listed("csv")))
    assert [(row["Region"], row["Name"]) for row in rows] == expected


async def test_all_regions_are_listed_and_those_not_enabled_are_told_in_one_line(
    services: dict[str, LocalLambdaCore],
) -> None:
    result = await run("list", "--regions", "all", "-o", "name", "--sort", "Region")
    assert result.exit_code == 0
    assert result.stdout.split() == ["prod", "only-eu-west-1", "prod", "only-us-east-1"]
    (line,) = result.stderr.splitlines()
    assert line.count("-") > 30
    assert line.endswith(
        ": the region is not enabled, or refuses the credentials: UnrecognizedClientException"
    )


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
async def test_a_lookup_asks_each_region_and_an_arn_only_its_own(
    services: dict[str, LocalLambdaCore], tmp_path: Path, output: str
) -> None:
    arn = services["eu-west-1"].state.get_network_connector("prod").arn
    elsewhere = arn.replace("eu-west-1", "ap-south-1")
    file = tmp_path / "identifiers"
    file.write_text(f"prod\nonly-us-east-1\n..\n{arn}\n{elsewhere}\n")
    regions = ",".join((*REGIONS, "me-south-1"))
    result = await run("lookup", str(file), "--regions", regions, "--output", output)
    assert result.exit_code == 1
    found = [("us-east-1", "prod"), ("us-east-1", "only-us-east-1"), *[("eu-west-1", "prod")] * 2]
    if output == "table":
        rows = [tuple(line.split()[:2]) for line in result.stdout.splitlines()]
        assert rows[0] == ("Region", "Name")
        assert rows[2:] == found
    else:
        items = (
            json.loads(result.stdout)
            if output == "json"
            else [json.loads(line) for line in result.stdout.splitlines()]
        )
        names = [
            (each["region"], each["connector"]["Name"]) for each in items if "connector" in each
        ]
        assert sorted(names) == sorted(found)
        failed = [each for each in items if "error" in each]
        assert [each["identifier"] for each in failed[:2]] == ["..", elsewhere]
        assert {each["region"] for each in failed[2:]} == {"eu-west-1", "me-south-1"}
        assert len(failed) == 5
    lines = result.stderr.splitlines()
    assert lines[:2] == [
        "lambdacore: ..: line 3: identifier: '..' cannot be sent in a URL's path",
        f"lambdacore: {elsewhere}: Identifier: its region, ap-south-1, is not one of --regions",
    ]
    assert lines[2].startswith("lambdacore: eu-west-1: only-us-east-1: ResourceNotFoundException: ")
    (disabled,) = lines[3:]
    assert disabled == (
        "lambdacore: me-south-1: the region is not enabled, or refuses the credentials: "
        "UnrecognizedClientException"
    )


def test_ctrl_c_prints_what_is_done_in_all_regions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(request: Request) -> Response:
        if request.target.endswith("/second"):
            signal.raise_signal(signal.SIGINT)
        return CONNECTOR

    answering(monkeypatch, interrupt)
    file = tmp_path / "identifiers"
    file.write_text("first\nsecond\n")
    arguments = ("lookup", str(file), "--regions", "us-east-1", "--concurrency", "1")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 130
    assert re.search(r"^lambdacore: interrupted: [01] of 2 done\n$", result.stderr, re.MULTILINE)
