"""The command `doctor`, against an embedded service."""

from __future__ import annotations

import json

import pytest

from lambdacore_async.local import LocalLambdaCore
from support.commands import run


async def test_doctor_prints_a_row_for_each_check(service: LocalLambdaCore) -> None:
    result = await run("doctor", "prod")
    assert (result.exit_code, result.stderr) == (0, "")
    for name in ("state", "last update", "versions", "tags", "role trust", "subnets"):
        assert name in result.stdout


@pytest.mark.parametrize("output", ["json", "jsonl"])
async def test_doctor_exits_with_1_if_something_is_wrong(
    service: LocalLambdaCore, output: str
) -> None:
    result = await run("doctor", "full", "--output", output)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["connector"]["Name"] == "full"
    state = found["checks"][0]
    assert (state["name"], state["status"]) == ("state", "wrong")
    assert "larger subnets" in state["next_step"]


async def test_doctor_explains_a_connector_that_does_not_exist(service: LocalLambdaCore) -> None:
    result = await run("doctor", "nothing", "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["connector"] is None
