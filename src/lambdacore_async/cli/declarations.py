"""The commands `diff` and `prune`, and `ensure` of a file: connectors declared in YAML or JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

import typer
import yaml
from attrs import frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.options import Output, Yes
from lambdacore_async.cli.results import explanation_of, show_failures
from lambdacore_async.cli.running import SOME_FAILED, result_of, run, status_of, status_of_error
from lambdacore_async.cli.tables import Column
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import LambdaCoreError, ParameterError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.operations import CREATE_NETWORK_CONNECTOR
from lambdacore_async.protocol.reading import is_array, is_object, wire_name
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Lookup
from lambdacore_async.workflows.provisioning import Drift, diff_network_connector

#: Maximum number of connectors that are compared or changed at the same time.
_AT_ONCE: Final = 10
#: Members of a connector that a declaration may hold, so that exported connectors can be declared.
_IGNORED: Final = frozenset(map(wire_name, NetworkConnector.__annotations__))
_MEMBERS: Final = {
    wire_name(member.name): member.name
    for member in CREATE_NETWORK_CONNECTOR.members
    if not member.token
}

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="Declared connectors, in YAML, JSON or lines of JSON.", exists=True
    ),
]
FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="Ensure all connectors that this file declares.", exists=True
    ),
]
Check = Annotated[
    bool,
    typer.Option("--check", help="With --file: change nothing; exit with 1 on differences."),
]


@frozen
class Declared:
    """A connector as a file declares it."""

    name: str
    """The connector's name."""
    configuration: NetworkConnectorConfiguration
    """The wanted configuration; members that are `None` may have any value."""
    operator_role: str | None = None
    """The ARN of the wanted role; `None` for any."""
    tags: dict[str, str] | None = None
    """The tags that it must have."""


@frozen
class Plan:
    """What `ensure` would do with a declared connector."""

    declared: Declared
    """The declaration."""
    drifts: tuple[Drift, ...] | None
    """The differences; `None` if the connector does not exist."""

    @property
    def action(self) -> str:
        """The action: create, update or unchanged."""
        if self.drifts is None:
            return "create"
        return "update" if self.drifts else "unchanged"


Row: TypeAlias = tuple[str, str, str, str, str]
_PLAN_COLUMNS: Final[Sequence[Column[Row]]] = (
    Column("Action", lambda row: row[0]),
    Column("Name", lambda row: row[1]),
    Column("Member", lambda row: row[2]),
    Column("Actual", lambda row: row[3]),
    Column("Declared", lambda row: row[4]),
)


def read_declarations(path: Path) -> list[Declared]:
    """Return the connectors that a file declares.

    A connector has the members of `CreateNetworkConnector`, as `get --output json` prints them. The
    file holds one connector, a list of them, an object with the list in `NetworkConnectors`, or a
    JSON object on each line.

    Raises:
        ParameterError: if the file declares something else, nothing, or a connector twice.
        OSError: if the file cannot be read.
    """
    text = path.read_text("utf-8-sig", errors="replace")
    try:
        data = _parsed(text, is_lines=path.suffix == ".jsonl")
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        problem = " ".join(str(error).split())
        raise ParameterError(str(path), f"not YAML or JSON: {problem}") from None
    if is_object(data) and "NetworkConnectors" in data:
        data = data["NetworkConnectors"]
    items = data if is_array(data) else [data]
    found: dict[str, Declared] = {}
    for position, item in enumerate(items):
        declared = _declared(f"{path}: connector {position + 1}", item)
        if declared.name in found:
            raise ParameterError(str(path), f"declares {declared.name!r} twice")
        found[declared.name] = declared
    if not found:
        raise ParameterError(str(path), "declares no connectors")
    return list(found.values())


@connected
def diff(
    connection: Connection,
    file: File,
    output: Annotated[Output, typer.Option("--output", "-o", help="Output format.")] = Output.TABLE,
) -> None:
    """Example: lambdacore diff connectors.yaml

    Compare network connectors with the file that declares them, and change nothing. The exit status
    is 0 without differences and 1 with some, like that of `diff` and `kubectl diff`.
    """  # noqa: D415 - the example comes first
    ensure_file(connection, file, output, check=True, yes=False)


def ensure_file(
    connection: Connection,
    file: Path,
    output: Output,
    *,
    check: bool,
    yes: bool,
) -> None:
    """Print the plan for a file of declared connectors, ask, apply it, and exit.

    Args:
        connection: how to call the service.
        file: the file.
        output: the format of the plan.
        check: apply nothing; the exit status is 1 if there are differences.
        yes: do not ask.
    """

    async def work() -> int:
        declared = read_declarations(file)
        async with connection.client() as client:
            at_once = asyncio.Semaphore(_AT_ONCE)

            async def plan(each: Declared) -> Plan | Failed:
                async with at_once:
                    return await result_of(each.name, _plan(client, each))

            async def apply(each: Declared) -> NetworkConnector | Failed:
                async with at_once:
                    ensuring = client.ensure_network_connector(
                        each.name,
                        each.configuration,
                        operator_role=each.operator_role,
                        tags=each.tags,
                        timeout=connection.wait_timeout,
                    )
                    return await result_of(each.name, ensuring)

            plans = await asyncio.gather(*map(plan, declared))
            _show(plans, output)
            changes = [
                each.declared for each in plans if isinstance(each, Plan) and each.drifts != ()
            ]
            failures = _report(plans)
            if check or failures or not changes:
                return status_of(failures) or (SOME_FAILED if changes else 0)
            if not yes:
                _ask(len(changes))
            with printing.spinner(f"Ensuring {len(changes)} connectors"):
                results = await asyncio.gather(*map(apply, changes))
            failures = _report(results)
            printing.log(f"{len(results) - len(failures)} of {len(results)} connectors ensured")
            return status_of(failures)

    run(work())


@connected
def prune(
    connection: Connection,
    identifier: Annotated[str, typer.Argument(help="ID, name or ARN of the connector.")],
    keep: Annotated[int, typer.Option(min=1, help="Number of newest versions to keep.")],
    *,
    yes: Yes = False,
) -> None:
    """Example: lambdacore prune prod-egress --keep 5

    Delete old versions of a network connector. The version in use and the latest active version are
    never deleted.
    """  # noqa: D415 - the example comes first
    if not printing.agrees(f"Delete versions of {identifier} except the newest {keep}?", yes=yes):
        raise typer.Abort

    async def work() -> int:
        async with connection.client() as client:
            pruned: Sequence[NetworkConnectorVersionSummary] = ()
            try:
                pruned = await client.prune_network_connector_versions(identifier, keep=keep)
            except ExceptionGroup as group:
                errors = [each for each in group.exceptions if isinstance(each, LambdaCoreError)]
                for error in errors:
                    printing.error(explanation_of(error))
                return max(map(status_of_error, errors))
        for version in pruned:
            printing.line(version.version_arn)
        printing.log(f"deletion started: {len(pruned)} versions")
        return 0

    run(work())


def _parsed(text: str, *, is_lines: bool) -> Any:
    if is_lines:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return yaml.safe_load(text)  # JSON is YAML


def _declared(place: str, item: Any) -> Declared:
    if not is_object(item):
        raise ParameterError(place, f"expected an object, got {type(item).__name__}")
    for key in item:
        if key not in _MEMBERS and key not in _IGNORED:
            raise ParameterError(place, f"unknown member {key!r}; expected {', '.join(_MEMBERS)}")
    members = {_MEMBERS[key]: value for key, value in item.items() if key in _MEMBERS}
    try:
        return Declared(**CREATE_NETWORK_CONNECTOR.parse_members(members))
    except ParameterError as error:
        raise ParameterError(place, str(error.args[0])) from None


async def _plan(client: LambdaCoreClient, declared: Declared) -> Plan:
    try:
        connector = await client.get_network_connector(declared.name)
    except ResourceNotFoundException:
        return Plan(declared, None)
    current = await client.list_tags(connector.arn) if declared.tags else None
    drifts = diff_network_connector(
        connector,
        declared.configuration,
        operator_role=declared.operator_role,
        tags=declared.tags,
        current_tags=current,
    )
    return Plan(declared, drifts)


def _show(plans: Sequence[Plan | Failed], output: Output) -> None:
    found = [plan for plan in plans if isinstance(plan, Plan)]
    match output:
        case Output.JSON:
            printing.json_document([_as_json(plan) for plan in found])
        case Output.JSONL:
            for plan in found:
                printing.json_line(_as_json(plan))
        case _:
            printing.table(_PLAN_COLUMNS, [row for plan in found for row in _rows(plan)])


def _rows(plan: Plan) -> list[Row]:
    name = plan.declared.name
    return [
        (plan.action, name, drift.field, _text(drift.actual), _text(drift.wanted))
        for drift in plan.drifts or ()
    ] or [(plan.action, name, "", "", "")]


def _as_json(plan: Plan) -> JSONValue:
    return {
        "Action": plan.action,
        "Name": plan.declared.name,
        "Drifts": [
            {"Member": drift.field, "Actual": _json(drift.actual), "Declared": _json(drift.wanted)}
            for drift in plan.drifts or ()
        ],
    }


def _json(value: Any) -> JSONValue:
    if value is None or isinstance(value, str):
        return value
    return [str(item) for item in value] if is_array(value) else to_dict(value)


def _text(value: Any) -> str:
    data = _json(value)
    if isinstance(data, list):
        return ", ".join(map(str, data))
    return "" if data is None else data if isinstance(data, str) else json.dumps(data)


def _report(results: Sequence[object]) -> list[Lookup]:
    """Print the failures to standard error, and return them."""
    failures: list[Lookup] = [result for result in results if isinstance(result, Failed)]
    show_failures(failures)
    return failures


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise ParameterError("--yes", "required to apply changes without a terminal")
    typer.confirm(f"change {count} connectors?", abort=True, err=True)
