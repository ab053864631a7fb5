"""The commands `diff` and `prune`, and connectors declared in files of YAML or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.options import Identifier, Output, OutputOption, Yes
from lambdacore_async.cli.plans import plan_all, show_plans, status_of_plans
from lambdacore_async.cli.results import explanation_of
from lambdacore_async.cli.running import SOME_FAILED, run, status_of_error
from lambdacore_async.cli.texts import read_text
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.operations import CREATE_NETWORK_CONNECTOR
from lambdacore_async.protocol.reading import is_array, is_object, wire_name
from lambdacore_async.workflows.provisioning import Wanted

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


def read_declarations(path: Path) -> list[Wanted]:
    """Return the connectors that a file declares.

    A connector has the members of `CreateNetworkConnector`, as `get --output json` prints them. The
    file holds one connector, a list of them, an object with the list in `NetworkConnectors`, or a
    JSON object on each line.

    Raises:
        ParameterError: if the file declares something else, nothing, or a connector twice.
        OSError: if the file cannot be read.
    """
    try:
        data = _parsed(read_text(path), path.suffix)
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise ParameterError(str(path), f"not YAML or JSON: {problem}") from None
    if is_object(data) and "NetworkConnectors" in data:
        data = data["NetworkConnectors"]
    items = [] if data is None else data if is_array(data) else [data]
    found: dict[str, Wanted] = {}
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
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare network connectors with the file that declares them, and change nothing.

    The exit status is 0 without differences and 1 with some, like that of `diff` and `kubectl
    diff`. `ensure -f FILE` applies the differences.

    Examples:
        lambdacore get prod-egress staging-egress -o json > connectors.json
        lambdacore diff connectors.json
        lambdacore diff connectors.json -o jsonl
    """

    async def work() -> int:
        wanted = read_declarations(file)
        async with connection.client() as client:
            plans = await plan_all(client, wanted)
        show_plans(plans, output)
        return status_of_plans(plans, if_different=SOME_FAILED)

    run(work())


@connected
def prune(
    connection: Connection,
    identifier: Identifier,
    keep: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of newest versions to keep.")
    ],
    *,
    yes: Yes = False,
) -> None:
    """Delete old versions of a network connector.

    The version in use and the latest active version are never deleted.

    Examples:
        lambdacore prune prod-egress --keep 5
        lambdacore prune prod-egress --keep 1 --yes
    """
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
            printing.whole_line(version.version_arn)
        printing.log(f"deletion started: {len(pruned)} versions")
        return 0

    run(work())


def _parsed(text: str, suffix: str) -> Any:
    """Return the value of a text in JSON, in lines of JSON, or in YAML.

    PyYAML refuses some JSON: tabs as indentation, and surrogate pairs.

    Raises:
        ValueError: if it is none of these, or not lines of JSON although the suffix says so.
    """
    with suppress(ValueError):
        return json.loads(text)
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except ValueError:
        if suffix == ".jsonl":
            raise
    import yaml  # only this function needs it, and it takes long to import

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _declared(place: str, item: Any) -> Wanted:
    if not is_object(item):
        raise ParameterError(place, f"expected an object, got {type(item).__name__}")
    for key in item:
        if key not in _MEMBERS and key not in _IGNORED:
            raise ParameterError(place, f"unknown member {key!r}; expected {', '.join(_MEMBERS)}")
    members = {_MEMBERS[key]: value for key, value in item.items() if key in _MEMBERS}
    try:
        parsed = CREATE_NETWORK_CONNECTOR.parse_members(members)
        sent = json.loads(CREATE_NETWORK_CONNECTOR.build_request(parsed).body or b"")
        _check_known("Configuration", item["Configuration"], sent["Configuration"])
        return Wanted(
            parsed["name"],
            parsed["configuration"],
            parsed.get("operator_role"),
            parsed.get("tags"),
        )
    except ParameterError as error:
        raise ParameterError(place, str(error.args[0])) from None


def _check_known(path: str, given: JSONValue, known: JSONValue) -> None:
    """Check that a configuration has only members that are sent, and so can be compared.

    Raises:
        ParameterError: if it has another one.
    """
    if is_object(given) and is_object(known):
        for key, value in given.items():
            if key not in known and value is not None:
                raise ParameterError(path, f"unknown member {key!r}")
            _check_known(f"{path}.{key}", value, known.get(key))
