"""The command `export`: all connectors with their configurations, of accounts and regions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer
from attrs import define, field

from lambdacore_async.cli import files, printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.files import ExportFormat, Record
from lambdacore_async.cli.journal import Journal, opened
from lambdacore_async.cli.options import choice
from lambdacore_async.cli.running import run
from lambdacore_async.cli.targets import (
    Choice,
    Failure,
    Fleet,
    Profiles,
    Regions,
    choice_of,
    fleet_of,
    members_of,
    name_of,
    report,
    results_of,
    sources_of,
)
from lambdacore_async.cli.views import SPINNER_AFTER
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import NetworkConnectorSummary
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Found, Lookup
from lambdacore_async.workflows.targets import Target

#: The number of connectors that are written together.
_BATCH: Final = 1_000


@connected
def export(
    connection: Connection,
    file: Annotated[
        str, typer.Argument(help="File to write; `-` is standard output.", metavar="FILE")
    ],
    *,
    output: Annotated[
        ExportFormat | None,
        choice(
            ExportFormat,
            "--output",
            "-o",
            metavar="FORMAT",
            help="Output format: {}. Defaults to that of FILE's ending, or to jsonl.",
        ),
    ] = None,
    regions: Regions = None,
    profiles: Profiles = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the results of an interrupted export.")
    ] = False,
    ignore_failures: Annotated[
        bool, typer.Option("--ignore-failures", help="Write FILE even if results are missing.")
    ] = False,
) -> None:
    """Write all network connectors with their configurations to a file.

    To resume an interrupted export, run the same command again.

    Examples:
        lambdacore export connectors.csv
        lambdacore export connectors.jsonl --regions all
        lambdacore export - -o csv
    """
    targets = choice_of(connection, regions, profiles)
    path = Path(file)
    form = output or {
        ".csv": ExportFormat.CSV, ".parquet": ExportFormat.PARQUET
    }.get(path.suffix.lower(), ExportFormat.JSONL)  # fmt: skip
    if file == "-":
        if form is ExportFormat.PARQUET:
            raise typer.BadParameter("parquet needs a file", param_hint="FILE")
        run(_to_stdout(targets, form))
    problem = files.problem_of(path)
    if problem is not None:
        raise typer.BadParameter(f"{problem}; `-` is standard output", param_hint="FILE")
    run(_to_file(targets, path, form, restart=restart, ignore_failures=ignore_failures))


async def _to_stdout(choice: Choice, form: ExportFormat) -> int:
    async with fleet_of(choice) as fleet:
        columns = files.columns_of(tuple(members_of(fleet.targets[0])))

        def add(record: Record) -> None:
            if form is ExportFormat.CSV:
                printing.whole_line(files.csv_line(record, columns))
            else:
                printing.json_line(record)

        if form is ExportFormat.CSV:
            printing.whole_line(files.csv_line(None, columns))
        export = _Export(fleet, add)
        try:
            await export.run()
        except asyncio.CancelledError:  # Ctrl-C
            printing.error(f"interrupted: {export.progress}")
            raise
        printing.log(export.summary)
        return report(fleet, export.failures)


async def _to_file(
    choice: Choice, path: Path, form: ExportFormat, *, restart: bool, ignore_failures: bool
) -> int:
    if form is ExportFormat.PARQUET:
        files.check_parquet()
    real = files.target_of(path)
    partial = real.with_name(f"{real.name}.partial")
    async with fleet_of(choice) as fleet:
        options: dict[str, JSONValue] = {
            "accounts and regions": [name_of(target) for target in fleet.targets],
            "format": form,
            **await sources_of(choice, fleet),
        }
        files.create(partial, files.mode_of(real))
        with opened(partial, options, datetime.now(UTC), restart=restart) as journal:
            if journal.count:
                printing.log(f"resuming the export of {journal.began}: {journal.count:,} done")
            export = _Export(fleet, journal.add, journal)
            try:
                await export.run()
                status = report(fleet, export.failures)
                if status and not ignore_failures:
                    printing.error(
                        f"{path} is not written, because results are missing; run the same "
                        "command again to get them, or pass --ignore-failures to omit them"
                    )
                    return status
                columns = files.columns_of(tuple(members_of(fleet.targets[0])))
                with files.replacing(real, form, columns) as write:
                    for batch in _batches(journal.records()):
                        write(batch)
                        await asyncio.sleep(0)  # lets Ctrl-C interrupt it
            except asyncio.CancelledError:  # Ctrl-C
                again = "run the same command again to resume"
                printing.error(f"interrupted: {export.progress}; {again}")
                raise
        partial.unlink()
        printing.log(f"{path}: {export.summary}")
        return status


@define
class _Export:
    """One run of an export: lists all targets, then gets the connectors that are not there yet."""

    fleet: Fleet
    add: Callable[[Record], None]
    journal: Journal | None = None
    failures: list[Failure] = field(factory=list[Failure], init=False)
    _done: int = field(default=0, init=False)
    _deleted: int = field(default=0, init=False)
    _total: int | None = field(default=None, init=False)

    @property
    def progress(self) -> str:
        """The progress of the export, in words."""
        return "while listing" if self._total is None else f"{self._done:,} of {self._total:,} done"

    @property
    def summary(self) -> str:
        """The results of the export, in words."""
        places = len(self.fleet.targets)
        whose = "" if places == 1 else f" of {places:,} accounts and regions"
        deleted = f", {self._deleted:,} deleted meanwhile" if self._deleted else ""
        return f"{self._done:,} connectors{whose}{deleted}"

    async def run(self) -> None:
        """Get all connectors."""
        wanted = await self._list()
        self._done = 0 if self.journal is None else self.journal.count
        self._total = self._done + sum(map(len, wanted.values()))
        await self._get(wanted)

    async def _list(self) -> dict[Target, list[str]]:
        """Return the IDs of the connectors to get in each target."""
        journal = self.journal
        wanted: dict[Target, list[str]] = {
            target: []
            for target in self.fleet.targets
            if journal is None or not journal.is_finished(target)
        }
        count = 0
        with printing.spinner("Listing", after=SPINNER_AFTER) as show:
            async with self.fleet.run(_summaries, wanted) as run:
                async for target, result in run:
                    if isinstance(result, LambdaCoreError):
                        self.failures.append((target, None, result))
                        continue
                    if journal is not None:
                        journal.check_account(target, result.arn)
                        if journal.has(target, result.id):
                            continue
                    wanted[target].append(result.id)
                    count += 1
                    show(f"{count:,}")
        return wanted

    async def _get(self, wanted: dict[Target, list[str]]) -> None:
        def lookups(target: Target, client: LambdaCoreClient) -> AsyncGenerator[Lookup]:
            return results_of(client.lookup_network_connectors(wanted[target]))

        left = {target: len(ids) for target, ids in wanted.items()}
        for target in wanted:
            self._finish(target, left)
        total, streams = sum(left.values()), self.journal is None
        with printing.counter("Exporting", total, streams=streams) as step:
            async with self.fleet.run(lookups, filter(left.get, wanted)) as run:
                async for target, result in run:
                    left[target] -= 1
                    if isinstance(result, Found):
                        self._done += 1
                        self.add({**members_of(target), **to_dict(result.connector)})
                    elif isinstance(result, LambdaCoreError):
                        self.failures.append((target, None, result))
                    elif isinstance(result.error, ResourceNotFoundException):
                        self._deleted += 1
                    else:
                        self.failures.append((target, result.identifier, result.error))
                    step(len(self.failures), "")
                    self._finish(target, left)

    def _finish(self, target: Target, left: dict[Target, int]) -> None:
        """Record that a target is finished, if nothing is left and nothing has failed."""
        if self.journal is None or left[target]:
            return
        if all(target is not failed for failed, _, _ in self.failures):
            self.journal.finish(target)


async def _summaries(
    _: Target, client: LambdaCoreClient
) -> AsyncGenerator[NetworkConnectorSummary]:
    async for summary in client.list_network_connectors():
        yield summary


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(records, _BATCH)):
        yield batch
