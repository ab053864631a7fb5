"""Formats connectors and failures as tables and as JSON.

Each table is a list of columns. To add a column, add an entry to one of the lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Output
from lambdacore_async.cli.printing import Column
from lambdacore_async.errors import ApiError, LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.remedies import notes_of
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found, Lookup

#: Width of a terminal, in characters, from which on tables have their less important columns.
WIDE: Final = 105


def code_of(error: LambdaCoreError) -> str:
    """Return the service's error code, or the class's name for the library's own errors."""
    return error.code if isinstance(error, ApiError) else type(error).__name__


def message_of(error: LambdaCoreError) -> str:
    """Return an error's message and notes, without details such as its operation and status."""
    message = error.message if isinstance(error, ApiError) else str(error.args[0])
    return " ".join((message, *notes_of(error)))


def reason_code_of(connector: NetworkConnector) -> str | None:
    """Return the reason code of the connector's state, or else that of its last update."""
    return connector.state_reason_code or connector.last_update_status_reason_code


def state_of(connector: NetworkConnector) -> str:
    """Return the connector's state and the status of its last update."""
    return " ".join(filter(None, (connector.state, connector.last_update_status)))


def protocol_of(connector: NetworkConnector) -> str | None:
    """Return the network protocol of the connector's VPC configuration."""
    vpc = connector.configuration
    return vpc.network_protocol if isinstance(vpc, VpcEgressConfiguration) else None


def _subnet_count(connector: NetworkConnector) -> str | None:
    vpc = connector.configuration
    has_subnets = isinstance(vpc, VpcEgressConfiguration) and vpc.subnet_ids
    return str(len(has_subnets)) if has_subnets else None


def _version(connector: NetworkConnectorSummary) -> str | None:
    return None if connector.latest_version is None else str(connector.latest_version)


def _last_modified(connector: NetworkConnectorSummary) -> str | None:
    modified = connector.last_modified
    return None if modified is None else f"{modified:%Y-%m-%d %H:%M:%S}"


#: Columns of connectors.
CONNECTOR_COLUMNS: Final[Sequence[Column[NetworkConnector]]] = (
    Column("Name", lambda connector: connector.name),
    Column("State", lambda connector: connector.state),
    Column("Last update", lambda connector: connector.last_update_status),
    Column("Reason code", reason_code_of),
    Column("Protocol", protocol_of, min_width=WIDE),
    Column("Subnets", _subnet_count, min_width=WIDE, right=True),
)
#: Columns of listed connectors.
SUMMARY_COLUMNS: Final[Sequence[Column[NetworkConnectorSummary]]] = (
    Column("Name", lambda connector: connector.name),
    Column("Id", lambda connector: connector.id),
    Column("State", lambda connector: connector.state),
    Column("Version", _version),
    Column("Last modified", _last_modified),
)
#: Columns of failures.
FAILURE_COLUMNS: Final[Sequence[Column[Failed]]] = (
    Column("Failed", lambda failure: failure.identifier),
    Column("Error", lambda failure: code_of(failure.error)),
    Column("Message", lambda failure: message_of(failure.error)),
)


def show_rows(results: list[Lookup]) -> None:
    """Print a row for each connector, then a row for each failure."""
    if found := found_in(results):
        printing.table(CONNECTOR_COLUMNS, found)
        printing.line()
    show_failures(results)


def show_members(results: list[Lookup]) -> None:
    """Print every member of each connector by its API name, then a row for each failure."""
    for connector in found_in(results):
        printing.members(_leaves(to_dict(connector)))
        printing.line()
    show_failures(results)


def show_failures(results: list[Lookup]) -> None:
    """Print a row for each failure."""
    printing.table(FAILURE_COLUMNS, failed_in(results))


def show_results(
    results: list[Lookup],
    output: Output,
    as_table: Callable[[list[Lookup]], None] = show_members,
) -> None:
    """Print the results in the format of `output`; `as_table` prints the format `table`."""
    match output:
        case Output.JSON:
            printing.json_document([as_json(result) for result in results])
        case Output.JSONL:
            for result in results:
                printing.json_line(as_json(result))
        case _:
            as_table(results)


def found_in(results: Iterable[Lookup]) -> list[NetworkConnector]:
    """Return the connectors that were found."""
    return [result.connector for result in results if isinstance(result, Found)]


def failed_in(results: Iterable[Lookup]) -> list[Failed]:
    """Return the failures."""
    return [result for result in results if isinstance(result, Failed)]


def as_json(result: Lookup) -> dict[str, JSONValue]:
    """Return a result as a JSON object."""
    if isinstance(result, Found):
        return {"identifier": result.identifier, "connector": to_dict(result.connector)}
    error = result.error
    return {
        "identifier": result.identifier,
        "error": {
            "code": code_of(error),
            "message": message_of(error),
            "request_id": error.request_id,
        },
    }


def _leaves(value: Mapping[str, JSONValue], indent: str = "") -> Iterator[tuple[str, str]]:
    """Yield the names and values of an object; those of its objects are indented."""
    for name, member in value.items():
        if isinstance(member, Mapping):
            yield f"{indent}{name}", ""
            yield from _leaves(member, f"{indent}  ")
        elif isinstance(member, Sequence) and not isinstance(member, str):
            yield f"{indent}{name}", ", ".join(str(item) for item in member)
        else:
            yield f"{indent}{name}", str(member)
