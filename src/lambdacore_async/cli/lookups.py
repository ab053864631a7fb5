"""The commands `get`, `lookup` and `list`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.across import list_across, look_up_across
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.identifiers import read_identifiers
from lambdacore_async.cli.options import (
    Columns,
    Format,
    FormatOption,
    Identifiers,
    Output,
    OutputOption,
    Query,
    Sort,
    choice,
)
from lambdacore_async.cli.results import (
    SUMMARY_MEMBERS,
    as_json,
    show_connectors,
    show_members,
    show_results,
    show_rows,
)
from lambdacore_async.cli.running import run, status_of
from lambdacore_async.cli.targets import Choice, Profiles, Regions, chosen, fleet_of
from lambdacore_async.cli.views import SPINNER_AFTER, View, show_all
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import ConfigurationError, CredentialsError, LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
)
from lambdacore_async.workflows.lookups import Failed, Found, Lookup, Lookups


@connected
def get(
    connection: Connection,
    identifiers: Identifiers,
    output: FormatOption = Format.TABLE,
    query: Query = None,
    columns: Columns = None,
    sort: Sort = None,
) -> None:
    """Show every field of network connectors.

    Examples:
        lambdacore get prod-egress
        lambdacore get prod-egress staging-egress -o json
        lambdacore get prod-egress --query "[].[Name, Configuration.*.SubnetIds]"
    """
    view = View(output, query, columns, sort)
    show = show_members if view.is_default else partial(show_connectors, view=view)

    async def work() -> int:
        async with connection.client() as client:
            return await _look_up(partial(_get_each, client), identifiers, Output.TABLE, show)

    run(work())


@connected
def lookup(
    connection: Connection,
    file: Annotated[
        str,
        typer.Argument(
            help="File with one identifier per line; `-` is standard input.", metavar="FILE"
        ),
    ],
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, help="Maximum number of concurrent lookups.")
    ] = 64,
    deadline: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=1e9,
            help="Time limit of the whole run; unfinished lookups fail.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    regions: Regions = None,
    profiles: Profiles = None,
) -> None:
    """Look up the network connectors named in a file or on standard input, many at a time.

    `--output jsonl` prints each result as it completes, so standard input may be endless.

    Examples:
        lambdacore list -o name | lambdacore lookup -
        lambdacore list -o name > identifiers.txt
        lambdacore lookup identifiers.txt --concurrency 16 -o jsonl
    """
    choice = chosen(connection, regions, profiles)

    async def across(choice: Choice) -> int:
        async with aclosing(read_identifiers(file)) as lines:
            listed = [line async for line in lines]
        async with fleet_of(choice, max_connections=max(concurrency, 100)) as fleet:
            return await look_up_across(
                fleet, listed, output, concurrency=concurrency, deadline=deadline
            )

    async def work() -> int:
        async with (
            connection.client(max_connections=max(concurrency, 100)) as client,
            aclosing(read_identifiers(file)) as lines,
        ):

            def start(identifiers: Iterable[str] | AsyncIterable[str]) -> Lookups:
                return client.lookup_network_connectors(
                    identifiers, concurrency=concurrency, deadline=deadline
                )

            async def look_up(identifiers: list[str], results: dict[str, Lookup]) -> None:
                await collect(client, start(identifiers), len(identifiers), results)

            if output is not Output.JSONL:
                return await _look_up(look_up, [line async for line in lines], output, show_rows)
            refused: list[Failed] = []
            async with aclosing(_identifiers(lines, refused)) as identifiers:
                return await _stream(start(identifiers)) | status_of(refused)

    run(work() if choice is None else across(choice))


@connected
def list_connectors(
    connection: Connection,
    *,
    state: Annotated[
        NetworkConnectorState | None,
        choice(
            NetworkConnectorState, metavar="STATE", help="List only connectors in this state: {}."
        ),
    ] = None,
    output: FormatOption = Format.TABLE,
    query: Query = None,
    columns: Columns = None,
    sort: Sort = None,
    regions: Regions = None,
    profiles: Profiles = None,
) -> None:
    """List the account's network connectors in the region, or in several accounts and regions.

    Examples:
        lambdacore list --state failed
        lambdacore list -o csv --columns Name,State --sort -LastModified
        lambdacore list --regions all
        lambdacore list --query "[?State=='ACTIVE'].Name" -o name
    """
    view = View(output, query, columns, sort)
    choice = chosen(connection, regions, profiles)

    async def across(choice: Choice) -> int:
        async with fleet_of(choice) as fleet:
            return await list_across(fleet, state, view)

    async def work() -> int:
        async with connection.client() as client:
            await show_all(client.list_network_connectors(state=state), view, SUMMARY_MEMBERS)
        return 0

    run(work() if choice is None else across(choice))


async def collect(
    client: LambdaCoreClient, lookups: Lookups, count: int, results: dict[str, Lookup]
) -> None:
    """Add the results of a run to `results` by identifier, with progress shown on a terminal."""
    failed = 0
    with printing.counter("Looking up", count) as step:
        async with lookups:
            async for result in lookups:
                results[result.identifier] = result
                failed += isinstance(result, Failed)
                step(failed, _pace(client))


def _pace(client: LambdaCoreClient) -> str:
    """Show on the progress line that throttling slows the client down."""
    rate = client.stats().rate
    return "" if rate is None else f"throttled to {rate:,.0f}/s"


async def _get_each(
    client: LambdaCoreClient, identifiers: list[str], results: dict[str, Lookup]
) -> None:
    """Add the connectors to `results`, each by a call that is retried as any other call."""

    async def get_one(identifier: str) -> None:
        try:
            connector = await client.get_network_connector(identifier)
            results[identifier] = Found(identifier, connector)
        except (ConfigurationError, CredentialsError):
            raise
        except LambdaCoreError as error:
            results[identifier] = Failed(identifier, error)

    with printing.spinner("Getting", after=SPINNER_AFTER):
        try:
            async with asyncio.TaskGroup() as calls:
                for identifier in identifiers:
                    calls.create_task(get_one(identifier))
        except ExceptionGroup as errors:  # all calls have failed in the same way
            raise errors.exceptions[0] from None


async def _look_up(
    look_up: Callable[[list[str], dict[str, Lookup]], Awaitable[None]],
    lines: Iterable[str | Failed],
    output: Output,
    as_table: Callable[[list[Lookup]], None],
) -> int:
    """Look up all identifiers, print them in input order, and return the exit status.

    Args:
        look_up: adds the results for a list of identifiers to a dictionary, by identifier.
        lines: identifiers, and lines that are none.
        output: the output format.
        as_table: prints the results in the format `table`.
    """
    distinct = dict.fromkeys(lines)
    identifiers = [line for line in distinct if isinstance(line, str)]
    results: dict[str, Lookup] = {}

    def show() -> int:
        done = [
            line if isinstance(line, Failed) else results[line]
            for line in distinct
            if isinstance(line, Failed) or line in results
        ]
        show_results(done, output, as_table)
        return status_of(done)

    try:
        await look_up(identifiers, results)
    except asyncio.CancelledError:  # Ctrl-C
        show()
        printing.error(f"interrupted: {len(results):,} of {len(identifiers):,} done")
        raise
    except LambdaCoreError:
        # Print the results so far even if an error, such as expired credentials, ends the run.
        if results:
            show()
        raise
    return show()


async def _stream(lookups: Lookups) -> int:
    """Print each result as a line of JSON as it completes, and return the exit status."""
    status = 0
    async with lookups:
        async for result in lookups:
            printing.json_line(as_json(result))
            status |= status_of([result])
    return status


async def _identifiers(
    lines: AsyncIterable[str | Failed], refused: list[Failed]
) -> AsyncGenerator[str]:
    """Yield the identifiers; print each invalid line and append it to `refused`."""
    async for line in lines:
        if isinstance(line, str):
            yield line
        else:
            printing.json_line(as_json(line))
            refused.append(line)
