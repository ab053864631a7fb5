"""The commands `wait` and `watch`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import EndpointUrl, Output, Profile, Region, WaitTimeout
from lambdacore_async.cli.printing import Column
from lambdacore_async.cli.results import SUMMARY_COLUMNS, show_results, state_of
from lambdacore_async.cli.running import result_of, run, status_of
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
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
#: Number of recently changed connectors whose last change the table shows.
_RECENT: Final = 10

#: A function that shows a change, given all connectors after it.
Show: TypeAlias = Callable[[ConnectorChange, Iterable[NetworkConnectorSummary]], None]


class Goal(StrEnum):
    """A state that a connector can be waited for to reach."""

    ACTIVE = "active"
    UPDATED = "updated"
    DELETED = "deleted"


class WatchOutput(StrEnum):
    """Output format of changes."""

    TABLE = "table"
    JSONL = "jsonl"


def wait(
    identifier: Annotated[str, typer.Argument(help="ID, name or ARN of the connector.")],
    *,
    goal: Annotated[Goal, typer.Option("--for", help="State to wait for.")] = Goal.ACTIVE,
    timeout: WaitTimeout = 1800.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="Output format.")] = Output.TABLE,
) -> None:
    """Wait until a network connector is active, updated or deleted; explain a failure."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with printing.spinner(f"Waiting for {identifier}") as show:
                waiting: Awaitable[NetworkConnector | None] = {
                    Goal.ACTIVE: client.wait_until_network_connector_active,
                    Goal.UPDATED: client.wait_until_network_connector_updated,
                    Goal.DELETED: client.wait_until_network_connector_deleted,
                }[goal](
                    identifier,
                    timeout=timeout,
                    on_change=lambda connector: show(state_of(connector)),
                )
                connector = await result_of(identifier, waiting)
        if connector is None:
            return 0
        result = connector if isinstance(connector, Failed) else Found(identifier, connector)
        show_results([result], output)
        return status_of([result])

    run(work())


def watch(
    *,
    interval: Annotated[
        float, typer.Option(min=0.1, max=1e9, help="Polling interval in seconds.")
    ] = 10.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[
        WatchOutput,
        typer.Option(
            help="Output format; `table` prints one line per change if not on a terminal."
        ),
    ] = WatchOutput.TABLE,
) -> None:
    """Watch the account's network connectors in the region for changes, until Ctrl-C."""

    async def work() -> int:
        async with (
            LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client,
            client.watch_network_connectors(poll_interval=interval) as changes,
        ):
            with _printing(output) as show:
                async for change in changes:
                    show(change, changes.snapshot)
        return 0

    run(work())


@contextmanager
def _printing(output: WatchOutput) -> Generator[Show]:
    """Yield a function that prints changes in the format of `output`."""
    if output is WatchOutput.JSONL:
        yield lambda change, _: printing.json_line(
            {"change": _CHANGES[type(change)], "connector": to_dict(change.connector)}
        )
    elif printing.is_terminal():
        with _live_table() as show:
            yield show
    else:
        yield lambda change, _: printing.line(
            change.connector.name, change.connector.state or "", _CHANGES[type(change)]
        )


@contextmanager
def _live_table() -> Generator[Show]:
    """Keep a table of all connectors on the terminal, with the most recent changes."""
    recent: dict[str, str] = {}
    changed = Column[NetworkConnectorSummary]("Change", lambda each: recent.get(each.id))
    with printing.live_table([*SUMMARY_COLUMNS, changed]) as replace_rows:

        def show(change: ConnectorChange, connectors: Iterable[NetworkConnectorSummary]) -> None:
            recent.pop(change.connector.id, None)
            recent[change.connector.id] = _CHANGES[type(change)]
            for forgotten in list(recent)[:-_RECENT]:
                del recent[forgotten]
            replace_rows(sorted(connectors, key=lambda each: each.name))

        yield show
