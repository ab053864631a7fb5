"""The commands `wait` and `watch`, against an embedded service."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime

import pytest
from attrs import evolve

from lambdacore_async import (
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    NetworkConnectorSummary,
    NetworkConnectorType,
)
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from support.commands import Changes, run, start

OUT_OF_ADDRESSES = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES


async def test_wait_prints_the_connector_once_it_reaches_the_state(
    service: LocalLambdaCore,
) -> None:
    for goal in ([], ["--for", "updated"]):
        result = await run("wait", "prod", *goal)
        assert (result.exit_code, result.stderr) == (0, "")
        assert re.search(r"State +ACTIVE", result.stdout)


async def test_wait_for_a_deletion_prints_nothing(service: LocalLambdaCore) -> None:
    service.state.delete_network_connector("prod")
    result = await run("wait", "prod", "--for", "deleted")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


async def test_wait_prints_why_it_failed_and_the_remedy(service: LocalLambdaCore) -> None:
    result = await run("wait", "full", "--output", "json")
    assert result.exit_code == 1
    (failed,) = json.loads(result.stdout)
    assert failed["error"]["code"] == "WaiterFailedError"
    assert OUT_OF_ADDRESSES in failed["error"]["message"]
    assert "subnet" in failed["error"]["message"].lower()


async def test_watch_prints_lines_until_ctrl_c(service: LocalLambdaCore) -> None:
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
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (130, b"")


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `watch` see twelve connectors, one of which changes twice before all are deleted."""
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


async def test_watch_prints_one_line_per_change_if_not_on_a_terminal(
    service: LocalLambdaCore, changes: None
) -> None:
    lines = (await run("watch")).stdout.splitlines()
    assert lines[0] == "c-00  added"
    assert lines[12:15] == [
        "c-00 ACTIVE state changed",
        "c-00 ACTIVE updated",
        "c-00 ACTIVE deleted",
    ]


async def test_watch_updates_a_table_on_a_terminal(service: LocalLambdaCore, changes: None) -> None:
    result = await run("watch", env={"TTY_COMPATIBLE": "1", "FORCE_COLOR": "1", "COLUMNS": "120"})
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stdout)
    assert result.exit_code == 0
    assert re.search(r"c-00 +nc-0 +ACTIVE +state changed", text)
    assert re.search(r"c-00 +nc-0 +ACTIVE +2 +2026-11-24T00:00:00Z +updated", text)
    assert re.search(r"c-01 +nc-1 *\n", text)  # no longer among the most recent changes
    assert text.rstrip().endswith("none")
