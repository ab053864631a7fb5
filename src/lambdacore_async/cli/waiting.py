"""The commands `wait` and `watch`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Final, TypeAlias

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import EndpointUrl, Output, Profile, Region, WaitTimeout
from lambdacore_async.cli.results import show_results, state_of, summary_row
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
#: So many of the latest changes are marked in the table.
_LATEST: Final = 10

#: Shows a change, given all connectors after it.
Show: TypeAlias = Callable[[ConnectorChange, Iterable[NetworkConnectorSummary]], None]


class Goal(StrEnum):
    """What can be waited for."""

    ACTIVE = "active"
    UPDATED = "updated"
    DELETED = "deleted"


class WatchOutput(StrEnum):
    """How changes are printed."""

    TABLE = "table"
    JSONL = "jsonl"


def wait(
    identifier: Annotated[str, typer.Argument(help="An ID, name or ARN.")],
    *,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.ACTIVE,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the result.")] = Output.TABLE,
) -> None:
    """Wait until a network connector is active, updated or deleted; or say why not."""

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
        typer.Option(help="A table on a terminal, elsewhere a line a change; or lines of JSON."),
    ] = WatchOutput.TABLE,
) -> None:
    """Watch all network connectors of the account in the region, until Ctrl-C."""

    async def work() -> int:
        async with (
            LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client,
            client.watch_network_connectors(poll_interval=interval) as changes,
        ):
            with _shown(output) as show:
                async for change in changes:
                    show(change, changes.snapshot)
        return 0

    run(work())


@contextmanager
def _shown(output: WatchOutput) -> Generator[Show]:
    if output is WatchOutput.JSONL:
        yield lambda change, _: printing.json_line(
            {"change": _CHANGES[type(change)], "connector": to_dict(change.connector)}
        )
    elif printing.is_terminal():
        with printing.live_table() as update:
            yield _Marked(update)
    else:
        yield lambda change, _: printing.line(
            change.connector.name, change.connector.state or "", _CHANGES[type(change)]
        )


class _Marked:
    """A live table of all connectors, with marks at the latest changes.

    Args:
        update: shows rows in place of those before.
    """

    def __init__(self, update: Callable[[list[dict[str, str]]], None]) -> None:
        self._update = update
        self._latest: dict[str, str] = {}

    def __call__(
        self, change: ConnectorChange, connectors: Iterable[NetworkConnectorSummary]
    ) -> None:
        latest = self._latest
        latest.pop(change.connector.id, None)
        latest[change.connector.id] = _CHANGES[type(change)]
        for forgotten in list(latest)[:-_LATEST]:
            del latest[forgotten]
        self._update(
            [
                {**summary_row(each), "Change": latest.get(each.id, "")}
                for each in sorted(connectors, key=lambda each: each.name)
            ]
        )
