"""The commands `get`, `lookup` and `list`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from typing import Annotated, TypeAlias

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.identifiers import read_identifiers
from lambdacore_async.cli.options import EndpointUrl, Output, Profile, Region
from lambdacore_async.cli.results import (
    as_json,
    show_members,
    show_results,
    show_rows,
    summary_row,
)
from lambdacore_async.cli.running import run, status_of
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorSummary,
)
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Lookup, Lookups

#: Starts a run of lookups.
Start: TypeAlias = Callable[[Iterable[str] | AsyncIterable[str]], Lookups]


def get(
    identifiers: Annotated[
        list[str], typer.Argument(help="IDs, names or ARNs.", metavar="IDENTIFIER")
    ],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the results.")] = Output.TABLE,
) -> None:
    """Show network connectors, each with every field."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            start = client.lookup_network_connectors
            if output is Output.JSONL:
                return await _stream(start(identifiers))
            return await _look_up(start, identifiers, output, show_members)

    run(work())


def lookup(
    file: Annotated[
        str, typer.Argument(help="Identifiers, one a line; `-` is standard input.", metavar="FILE")
    ],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="How many lookups may be under way at once.")
    ] = 64,
    deadline: Annotated[
        float | None,
        typer.Option(
            min=0, max=1e9, help="Seconds for the whole run; what is not done then has failed."
        ),
    ] = None,
    output: Annotated[
        Output, typer.Option(help="How to print the results; `jsonl` prints each as it completes.")
    ] = Output.TABLE,
) -> None:
    """Look up the network connectors that a file or another command names, many at once."""

    async def work() -> int:
        async with (
            LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client,
            aclosing(read_identifiers(file)) as lines,
        ):

            def start(identifiers: Iterable[str] | AsyncIterable[str]) -> Lookups:
                return client.lookup_network_connectors(
                    identifiers, concurrency=concurrency, deadline=deadline
                )

            if output is not Output.JSONL:
                return await _look_up(start, [line async for line in lines], output, show_rows)
            refused: list[Failed] = []
            async with aclosing(_identifiers(lines, refused)) as identifiers:
                return await _stream(start(identifiers)) | status_of(refused)

    run(work())


def list_connectors(
    *,
    state: Annotated[
        NetworkConnectorState | None, typer.Option(help="Only connectors in this state.")
    ] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[
        Output, typer.Option(help="How to print them; `jsonl` prints each as it comes.")
    ] = Output.TABLE,
) -> None:
    """List the network connectors of the account in the region."""

    async def work() -> int:
        listed: list[NetworkConnectorSummary] = []
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            async for connector in client.list_network_connectors(state=state):
                if output is Output.JSONL:
                    printing.json_line(to_dict(connector))
                else:
                    listed.append(connector)
        if output is Output.JSON:
            printing.json_document([to_dict(connector) for connector in listed])
        else:
            printing.table([summary_row(connector) for connector in listed])
        return 0

    run(work())


async def collect(lookups: Lookups, count: int, results: dict[str, Lookup]) -> None:
    """Collect the results of a run by identifier; a terminal shows meanwhile how far it is."""
    failed = 0
    with printing.counter("Looking up", count) as step:
        async with lookups:
            async for result in lookups:
                results[result.identifier] = result
                failed += isinstance(result, Failed)
                step(failed)


async def _look_up(
    start: Start,
    lines: Iterable[str | Failed],
    output: Output,
    as_table: Callable[[list[Lookup]], None],
) -> int:
    """Look up and print all at once, in the order of the input; returns the exit status."""
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
        await collect(start(identifiers), len(identifiers), results)
    except LambdaCoreError:
        # What ended the run, such as credentials that expired, takes no earlier result along.
        if results:
            show()
        raise
    return show()


async def _stream(lookups: Lookups) -> int:
    """Print each result as a line of JSON as it completes; returns the exit status."""
    status = 0
    async with lookups:
        async for result in lookups:
            printing.json_line(as_json(result))
            status |= status_of([result])
    return status


async def _identifiers(
    lines: AsyncIterable[str | Failed], refused: list[Failed]
) -> AsyncGenerator[str]:
    """The identifiers of a file; a line that is none is printed and kept."""
    async for line in lines:
        if isinstance(line, str):
            yield line
        else:
            printing.json_line(as_json(line))
            refused.append(line)
