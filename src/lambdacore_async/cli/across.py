"""`list` and `lookup` in several accounts and regions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Output
from lambdacore_async.cli.results import (
    CONNECTOR_COLUMNS,
    SUMMARY_MEMBERS,
    as_json,
    show_failures,
)
from lambdacore_async.cli.running import status_of
from lambdacore_async.cli.tables import Column
from lambdacore_async.cli.targets import Failure, Fleet, members_of, report, results_of
from lambdacore_async.cli.views import View, show_all
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorState,
    NetworkConnectorSummary,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found, Lookup
from lambdacore_async.workflows.targets import Target


async def list_across(fleet: Fleet, state: NetworkConnectorState | None, view: View) -> int:
    """List the connectors of all accounts and regions, and return the exit status."""
    failures: list[Failure] = []

    async def summaries(
        _: Target, client: LambdaCoreClient
    ) -> AsyncGenerator[NetworkConnectorSummary]:
        async for summary in client.list_network_connectors(state=state):
            yield summary

    async def successes() -> AsyncGenerator[tuple[Target, NetworkConnectorSummary]]:
        async with fleet.run(summaries) as run:
            async for target, result in run:
                if isinstance(result, LambdaCoreError):
                    failures.append((target, None, result))
                else:
                    yield target, result

    places = {target: place for place, target in enumerate(fleet.targets)}
    async with aclosing(successes()) as found:
        await show_all(
            found,
            view,
            (*members_of(fleet.targets[0]), *SUMMARY_MEMBERS),
            as_json=lambda each: {**members_of(each[0]), **to_dict(each[1])},
            order=lambda each: places[each[0]],
        )
    return report(fleet, failures)


async def look_up_across(
    fleet: Fleet,
    lines: Iterable[str | Failed],
    output: Output,
    *,
    concurrency: int,
    deadline: float | None,
) -> int:
    """Look up connectors in all accounts and regions, print them, and return the exit status.

    An ARN is looked up in its own region only.
    """
    distinct = list(dict.fromkeys(lines))
    refused = [line for line in distinct if isinstance(line, Failed)]
    identifiers = [line for line in distinct if isinstance(line, str)]
    regions = {target.region for target in fleet.targets}
    for identifier in identifiers:
        arn = parse_arn(identifier)
        if arn is not None and arn.region and arn.region not in regions:
            problem = f"its region, {arn.region}, is not one of --regions"
            refused.append(Failed(identifier, ParameterError("identifier", problem)))
    by_region = {region: _in_region(identifiers, region) for region in regions}
    total = sum(len(by_region[target.region]) for target in fleet.targets)
    results: dict[tuple[Target, str], Lookup] = {}

    def lookups(target: Target, client: LambdaCoreClient) -> AsyncGenerator[Lookup]:
        identifiers = by_region[target.region]
        return results_of(
            client.lookup_network_connectors(
                identifiers, concurrency=concurrency, deadline=deadline
            )
        )

    async def collect() -> None:
        failed = 0
        with printing.counter("Looking up", total, streams=output is Output.JSONL) as step:
            async with fleet.run(lookups) as run:
                async for target, result in run:
                    for each in _results(target, result):
                        results[target, each.identifier] = each
                        failed += isinstance(each, Failed)
                        step(failed, "")
                        if output is Output.JSONL:
                            printing.json_line(_as_json(target, each))

    def _results(target: Target, result: Lookup | LambdaCoreError) -> list[Lookup]:
        if not isinstance(result, LambdaCoreError):
            return [result]
        identifiers = by_region[target.region]
        return [Failed(each, result) for each in identifiers if (target, each) not in results]

    def show() -> int:
        done = [
            (target, results[target, identifier])
            for target in fleet.targets
            for identifier in by_region[target.region]
            if (target, identifier) in results
        ]
        if output is Output.JSON:
            lookups = [_as_json(target, result) for target, result in done]
            printing.json_document([*map(as_json, refused), *lookups])
        elif output is Output.TABLE:
            found = [(target, each.connector) for target, each in done if isinstance(each, Found)]
            printing.table(_columns(fleet), found)
        show_failures([*refused])
        failures = [
            (target, each.identifier, each.error)
            for target, each in done
            if isinstance(each, Failed)
        ]
        return max(status_of(refused), report(fleet, failures))

    if output is Output.JSONL:
        for each in refused:
            printing.json_line(as_json(each))
    try:
        await collect()
    except asyncio.CancelledError:  # Ctrl-C
        show()
        printing.error(f"interrupted: {len(results):,} of {total:,} done")
        raise
    return show()


def _in_region(identifiers: Iterable[str], region: str) -> list[str]:
    """Return the identifiers that a target looks up: all but the ARNs of other regions."""
    arns = ((identifier, parse_arn(identifier)) for identifier in identifiers)
    return [identifier for identifier, arn in arns if not (arn and arn.region not in ("", region))]


def _as_json(target: Target, result: Lookup) -> dict[str, JSONValue]:
    place = {name.lower(): value for name, value in members_of(target).items()}
    return {**place, **as_json(result)}


def _columns(fleet: Fleet) -> list[Column[tuple[Target, NetworkConnector]]]:
    def of_target(name: str, each: tuple[Target, NetworkConnector]) -> str:
        return str(members_of(each[0])[name])

    def of_connector(
        column: Column[NetworkConnector], each: tuple[Target, NetworkConnector]
    ) -> str | None:
        return column.value(each[1])

    return [
        *(Column(name, partial(of_target, name)) for name in members_of(fleet.targets[0])),
        *(
            Column(each.header, partial(of_connector, each), each.min_width, each.right)
            for each in CONNECTOR_COLUMNS
        ),
    ]
