"""The commands `wait` and `watch`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.options import Identifier, Output, OutputOption, choice
from lambdacore_async.cli.results import SUMMARY_COLUMNS, show_results, state_of
from lambdacore_async.cli.running import result_of, run, status_of
from lambdacore_async.cli.tables import Column
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found
from lambdacore_async.workflows.watching import (
    ConnectorAdded,
    ConnectorChange,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
)

_CHANGES: Final[Mapping[type[ConnectorChange], str]] = {
    ConnectorAdded: "added",
    ConnectorStateChanged: "state changed",
    ConnectorUpdated: "updated",
    ConnectorDeleted: "deleted",
}
_SECONDS_PER_DRAWING: Final = 0.25


class Goal(StrEnum):
    """A state that a connector can be waited for to reach."""

    ACTIVE = "active"
    UPDATED = "updated"
    DELETED = "deleted"


class WatchOutput(StrEnum):
    """Output format of changes."""

    TABLE = "table"
    JSONL = "jsonl"


@connected
def wait(
    connection: Connection,
    identifier: Identifier,
    *,
    goal: Annotated[
        Goal, choice(Goal, "--for", metavar="STATE", help="State to wait for: {}.")
    ] = Goal.ACTIVE,
    output: OutputOption = Output.TABLE,
) -> None:
    """Wait until a network connector is active, updated or deleted; explain a failure.

    Examples:
        lambdacore wait prod-egress
        lambdacore wait prod-egress --for updated --timeout 600
        lambdacore delete old-egress
        lambdacore wait old-egress --for deleted
    """

    async def work() -> int:
        async with connection.client() as client:
            with printing.spinner(f"Waiting for {identifier}") as show:
                waiting: Awaitable[NetworkConnector | None] = {
                    Goal.ACTIVE: client.wait_until_network_connector_active,
                    Goal.UPDATED: client.wait_until_network_connector_updated,
                    Goal.DELETED: client.wait_until_network_connector_deleted,
                }[goal](
                    identifier,
                    timeout=connection.wait_timeout,
                    on_change=lambda connector: show(state_of(connector)),
                )
                connector = await result_of(identifier, waiting)
        if connector is None:
            return 0
        result = connector if isinstance(connector, Failed) else Found(identifier, connector)
        show_results([result], output)
        return status_of([result])

    run(work())


@connected
def watch(
    connection: Connection,
    *,
    interval: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, max=1e9, help="Polling interval in seconds."),
    ] = 10.0,
    output: Annotated[
        WatchOutput,
        choice(WatchOutput, "--output", "-o", metavar="FORMAT", help="Output format: {}."),
    ] = WatchOutput.TABLE,
) -> None:
    """Watch the account's network connectors in the region for changes, until Ctrl-C.

    If standard output is not a terminal, it prints one line per change instead of a live table.

    Examples:
        lambdacore watch
        lambdacore watch --interval 2 -o jsonl
    """

    async def work() -> int:
        async with (
            connection.client() as client,
            client.watch_network_connectors(poll_interval=interval) as changes,
            _printing(output) as show,
        ):
            async for change in changes:
                show(change)
        return 0

    run(work())


@asynccontextmanager
async def _printing(output: WatchOutput) -> AsyncGenerator[Callable[[ConnectorChange], None]]:
    """Yield a function that prints changes in the format of `output`."""
    if output is WatchOutput.JSONL:
        yield lambda change: printing.json_line(_as_json(change))
    elif printing.is_terminal():
        async with _live_table() as show:
            yield show
    else:
        yield lambda change: printing.line(
            _now(), change.connector.name, _states(change), _CHANGES[type(change)]
        )


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _before(change: ConnectorChange) -> NetworkConnectorSummary | None:
    return change.before if isinstance(change, ConnectorStateChanged | ConnectorUpdated) else None


def _states(change: ConnectorChange) -> str:
    """Return the state, after the former one if it has changed."""
    before, now = _before(change), change.connector.state or "-"
    return f"{before.state or '-'} -> {now}" if before and before.state != now else now


def _as_json(change: ConnectorChange) -> dict[str, JSONValue]:
    before = _before(change)
    return {
        "time": _now(),
        "change": _CHANGES[type(change)],
        "connector": to_dict(change.connector),
        "before": None if before is None else to_dict(before),
    }


@asynccontextmanager
async def _live_table() -> AsyncGenerator[Callable[[ConnectorChange], None]]:
    """Keep a table of connectors on the terminal, the latest change on top.

    It is drawn at most four times a second, because the first poll alone may bring thousands of
    changes, and with as many rows as fit.
    """
    #: The last change of each connector, in the order of changes.
    latest: dict[str, ConnectorChange] = {}
    states: Counter[str] = Counter()
    changed = asyncio.Event()

    def show(change: ConnectorChange) -> None:
        last = latest.pop(change.connector.id, None)
        if last is not None:
            states[last.connector.state or "-"] -= 1
        if not isinstance(change, ConnectorDeleted):
            latest[change.connector.id] = change
            states[change.connector.state or "-"] += 1
        changed.set()

    of_name, of_id, *others = (
        Column(each.header, partial(_of_connector, each)) for each in SUMMARY_COLUMNS
    )
    of_change = Column[ConnectorChange]("Change", lambda change: _CHANGES[type(change)])
    columns = [of_name, of_change, *others, of_id]  # a narrow terminal hides the last ones
    with printing.live_table(columns) as draw:

        def redraw() -> None:
            counts = [f"{count:,} {state}" for state, count in states.most_common() if count]
            caption = ", ".join(counts) or "waiting for changes"
            noun = "connector" if len(latest) == 1 else "connectors"
            draw(reversed(latest.values()), f"{len(latest):,} {noun}: {caption}")

        async def redraw_often() -> None:
            while True:
                await changed.wait()
                changed.clear()
                redraw()
                await asyncio.sleep(_SECONDS_PER_DRAWING)

        redraw()
        drawing = asyncio.create_task(redraw_often())
        try:
            yield show
            redraw()
        finally:
            drawing.cancel()


def _of_connector(column: Column[NetworkConnectorSummary], change: ConnectorChange) -> str | None:
    return column.value(change.connector)
