"""What is printed of connectors and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Output
from lambdacore_async.errors import ApiError, LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found, Lookup
from lambdacore_async.workflows.waiters import WaiterFailedError


def show_rows(results: list[Lookup]) -> None:
    """Print a row for each connector, and then the failures."""
    if found := found_in(results):
        printing.table([row(connector) for connector in found])
        printing.line()
    show_failures(results)


def show_members(results: list[Lookup]) -> None:
    """Print all members of each connector by their names in the API, and then the failures."""
    for connector in found_in(results):
        printing.members(_flat(to_dict(connector)))
        printing.line()
    show_failures(results)


def show_failures(results: list[Lookup]) -> None:
    """Print a row for each failure."""
    printing.table(
        [
            {
                "Failed": failure.identifier,
                "Error": code_of(failure.error),
                "Message": message_of(failure.error),
            }
            for failure in failed_in(results)
        ]
    )


def show_results(
    results: list[Lookup],
    output: Output,
    as_table: Callable[[list[Lookup]], None] = show_members,
) -> None:
    """Print all results at once."""
    match output:
        case Output.JSON:
            printing.json_document([as_json(result) for result in results])
        case Output.JSONL:
            for result in results:
                printing.json_line(as_json(result))
        case _:  # a table
            as_table(results)


def found_in(results: Iterable[Lookup]) -> list[NetworkConnector]:
    """The connectors that were found."""
    return [result.connector for result in results if isinstance(result, Found)]


def failed_in(results: Iterable[Lookup]) -> list[Failed]:
    """The failures."""
    return [result for result in results if isinstance(result, Failed)]


def code_of(error: LambdaCoreError) -> str:
    """The service's code of an error; of the library's own errors, the class's name."""
    return error.code if isinstance(error, ApiError) else type(error).__name__


def message_of(error: LambdaCoreError) -> str:
    """An error's text without the operation, the status and so on."""
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, WaiterFailedError) and error.cause is not None:
        return f"{error.args[0]} {error.cause.remedy}"
    return str(error.args[0])


def as_json(result: Lookup) -> dict[str, JSONValue]:
    """A result as it is printed in JSON."""
    if isinstance(result, Found):
        return {"identifier": result.identifier, "connector": to_dict(result.connector)}
    error = result.error
    return {
        "identifier": result.identifier,
        "error": {
            "code": code_of(error),
            "message": message_of(error),
            "request_id": getattr(error, "request_id", None),
        },
    }


def row(connector: NetworkConnector) -> dict[str, str]:
    """A connector's columns in a table."""
    vpc = connector.configuration
    if not isinstance(vpc, VpcEgressConfiguration):
        vpc = VpcEgressConfiguration()
    return {
        "Name": connector.name,
        "State": connector.state or "",
        "Last update": connector.last_update_status or "",
        "Reason code": (
            connector.state_reason_code or connector.last_update_status_reason_code or ""
        ),
        "Protocol": vpc.network_protocol or "",
        "Subnets": str(len(vpc.subnet_ids)) if vpc.subnet_ids else "",
    }


def summary_row(connector: NetworkConnectorSummary) -> dict[str, str]:
    """A listed connector's columns in a table."""
    modified = connector.last_modified
    return {
        "Name": connector.name,
        "Id": connector.id,
        "State": connector.state or "",
        "Version": "" if connector.latest_version is None else str(connector.latest_version),
        "Last modified": "" if modified is None else f"{modified:%Y-%m-%d %H:%M:%S}",
    }


def state_of(connector: NetworkConnector) -> str:
    """The state, and how an update goes."""
    return " ".join(filter(None, (connector.state, connector.last_update_status)))


def _flat(value: JSONValue, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value, each with the path that leads to it."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _flat(member, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield path, ", ".join(str(item) for item in value)
    else:
        yield path, str(value)
