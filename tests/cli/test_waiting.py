"""The commands `wait` and `watch`, against an embedded service."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from attrs import evolve

from lambdacore_async import (
    ApiError,
    ConnectorAdded,
    ConnectorChange,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnectorSummary,
    NetworkConnectorType,
    ResourceNotFoundException,
    TransportError,
)
from lambdacore_async.cli import waiting
from lambdacore_async.cli.running import status_of_error
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.workflows.waiters import timeout_error
from support.commands import Changes, run, start, variables

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


async def test_a_wait_that_ends_in_an_outage_has_the_status_and_the_words_of_the_outage(
    no_waiting: None,
) -> None:
    async with LocalLambdaCore() as service:
        env = variables(service)
    result = await run("wait", "prod", "--timeout", "300", env=env)
    assert result.exit_code == 3
    message = result.stderr.splitlines()[-1]
    assert "WaiterTimeoutError: timed out after 300 seconds: no poll succeeded: " in message
    assert "no connection to " in message


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (None, 3),  # not even the first poll was answered
        (TransportError("no connection"), 3),
        (ApiError("unavailable", code="X", status_code=503), 3),
        (ResourceNotFoundException("not found"), 1),
    ],
)
def test_the_status_of_a_wait_without_a_successful_poll_is_that_of_its_cause(
    cause: LambdaCoreError | None, status: int
) -> None:
    error = timeout_error(3, None, last_error=cause)
    error.__cause__ = cause
    assert status_of_error(error) == status


async def test_watch_prints_lines_until_ctrl_c(service: LocalLambdaCore) -> None:
    process = await start("watch", "--interval", "0.1")
    assert process.stdout is not None
    lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in lines)
    assert {"prod ACTIVE added\n", "full FAILED added\n"} == {line[21:] for line in lines}
    service.state.put_network_connector("late")
    while not (line := (await process.stdout.readline()).decode()).endswith(" late ACTIVE added\n"):
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
    assert lines[13]["before"]["State"] == "ACTIVE"
    assert lines[0]["before"] is None
    assert all(line["time"].endswith("Z") for line in lines)


async def test_watch_prints_one_line_per_change_if_not_on_a_terminal(
    service: LocalLambdaCore, changes: None
) -> None:
    lines = [line[21:] for line in (await run("watch")).stdout.splitlines()]
    assert lines[0] == "c-00 - added"
    assert lines[12:15] == [
        "c-00 - -> ACTIVE state changed",
        "c-00 ACTIVE updated",
        "c-00 ACTIVE deleted",
    ]


TERMINAL = {"TTY_COMPATIBLE": "1", "FORCE_COLOR": "1", "COLUMNS": "120", "LINES": "10"}


async def test_watch_draws_once_for_many_changes(service: LocalLambdaCore, changes: None) -> None:
    result = await run("watch", env=TERMINAL)
    assert result.exit_code == 0
    assert result.stdout.count("connectors:") <= 3  # at the start, during the changes, at the end
    assert "0 connectors: " in result.stdout


async def test_the_latest_change_is_on_top_and_as_many_rows_as_fit(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    connectors = [
        NetworkConnectorSummary(
            f"arn:{number}",
            f"c-{number:04}",
            f"nc-{number}",
            NetworkConnectorType.VPC_EGRESS,
            NetworkConnectorState.PENDING,
        )
        for number in range(1000)
    ]
    active = evolve(connectors[7], state=NetworkConnectorState.ACTIVE)
    watch = Changes(*map(ConnectorAdded, connectors), ConnectorStateChanged(connectors[7], active))
    start_watch = Mock(return_value=watch)
    monkeypatch.setattr(LambdaCoreClient, "watch_network_connectors", start_watch)
    text = (await run("watch", env=TERMINAL)).stdout
    rows = re.findall(r"c-\d{4} .*", text)
    assert "1,000 connectors: 999 PENDING, 1 ACTIVE" in text
    assert re.search(r"c-0007 +state changed .*ACTIVE.* nc-7", rows[0])
    assert rows[1].startswith("c-0999")
    drawings = text.count("1,000 connectors")
    assert (len(rows), drawings <= 2) == (6 * drawings, True)


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ("120", "Name Change State Version Last modified Id"),
        ("30", "Name Change State Version"),
        ("5", "Name"),
    ],
)
async def test_a_narrow_terminal_hides_the_last_columns_of_a_watch(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, columns: str, header: str
) -> None:
    connector = NetworkConnectorSummary(
        "arn:1",
        "c-12",
        "nc-5f3afe4b",
        NetworkConnectorType.VPC_EGRESS,
        NetworkConnectorState.ACTIVE,
    )
    start_watch = Mock(return_value=Changes(ConnectorAdded(connector)))
    monkeypatch.setattr(LambdaCoreClient, "watch_network_connectors", start_watch)
    text = (await run("watch", env={**TERMINAL, "COLUMNS": columns})).stdout
    lines = [" ".join(re.sub("\x1b\\[.*?m", "", line).split()) for line in text.splitlines()]
    assert header in lines


async def test_the_table_is_drawn_again_while_the_watch_goes_on(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SlowChanges(Changes):
        async def __anext__(self) -> ConnectorChange:
            for _ in range(10):
                await asyncio.sleep(0)
            return await super().__anext__()

    connector = NetworkConnectorSummary("arn:1", "c-1", "nc-1", NetworkConnectorType.VPC_EGRESS)
    watch = SlowChanges(
        ConnectorAdded(connector),
        ConnectorStateChanged(connector, evolve(connector, state=NetworkConnectorState.ACTIVE)),
    )
    monkeypatch.setattr(LambdaCoreClient, "watch_network_connectors", Mock(return_value=watch))
    monkeypatch.setattr(waiting, "_SECONDS_PER_DRAWING", 0)
    text = (await run("watch", env=TERMINAL)).stdout
    assert text.index("1 connector: 1 -") < text.index("1 connector: 1 ACTIVE")
