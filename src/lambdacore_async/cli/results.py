"""Formats connectors and failures as tables and as JSON.

Each table is a list of columns. To add a column, add an entry to one of the lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import UTC
from typing import Final

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Output
from lambdacore_async.cli.tables import Column
from lambdacore_async.cli.views import View, indented
from lambdacore_async.errors import (
    EXPIRED_CODES,
    REPLACED_CODES,
    ApiError,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
)
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.reading import wire_name
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found, Lookup

#: Width of a terminal, in characters, from which on tables have their less important columns.
WIDE: Final = 105
#: The number of identifiers that a line about alike failures names.
_NAMED: Final = 3


def code_of(error: LambdaCoreError) -> str:
    """Return the service's error code, or the class's name for the library's own errors."""
    return error.code if isinstance(error, ApiError) else type(error).__name__


def message_of(error: LambdaCoreError) -> str:
    """Return an error's message and notes, without details such as its operation and status."""
    message = error.message if isinstance(error, ApiError) else str(error.args[0])
    if isinstance(error, ParameterError):
        message = message.replace(error.parameter, _in_the_apis_words(error.parameter), 1)
    from lambdacore_async.models.remedies import notes_of  # most commands have no errors

    notes = [*notes_of(error)]
    if not notes and code_of(error) in EXPIRED_CODES | REPLACED_CODES:
        notes.append(_NEW_KEYS)
    if notes and message and not message.endswith("."):
        message += "."
    return in_words_of_the_shell(" ".join((message, *notes)))


def reason_of(error: LambdaCoreError) -> str:
    """Return why a request is retried: the service's code and message, or the library's words."""
    if isinstance(error, ApiError):
        return ": ".join(filter(None, (error.code, error.message)))
    return str(error.args[0])


def explanation_of(error: LambdaCoreError) -> str:
    """Return an error as one line: its code, message, operation and request ID."""
    if isinstance(error, ConfigurationError | CredentialsError | ParameterError):
        return message_of(error)
    details = [
        f"{name} {value}"
        for name, value in (("operation", error.operation), ("request ID", error.request_id))
        if value
    ]
    about = f" ({', '.join(details)})" if details else ""
    return f"{code_of(error)}: {message_of(error)}{about}"


def in_words_of_the_shell(message: str) -> str:
    """Return a message of the library with what a person at a shell can do."""
    for argument, option in _SHELL_WORDS.items():
        message = message.replace(argument, option)
    return message


def _in_the_apis_words(parameter: str) -> str:
    """Return `Configuration.SubnetIds` for `configuration.subnet_ids`; other texts unchanged."""
    from lambdacore_async.protocol.operations import OPERATIONS  # it imports all operations

    names = [wire_name(name) for name in parameter.split(".")]
    members = (each for operation in OPERATIONS.values() for each in operation.members)
    known = names[0] in {wire_name(member.name) for member in members}
    return ".".join(names) if known else parameter


#: What the library's messages suggest to programs, and what the command line has instead.
_SHELL_WORDS: Final = {
    "pass credentials=Credentials(...)": "pass another --profile",
    "use https, a loopback address, or allow_plain_http": "use https or a loopback address",
    "endpoint_url: ": "--endpoint-url: ",
    "no region: pass one": "no region: pass --region",
    "Pass operator_role": "Pass --operator-role",
    "call delete_network_connector_and_wait": "run `lambdacore delete` with --wait",
    "with prune_network_connector_versions": "with `lambdacore prune`",
    "look at state_reason": "look at StateReason",
}
#: What to do if the service refuses the credentials.
_NEW_KEYS: Final = (
    "Get new credentials: run `aws sso login --profile NAME` or `aws configure`, replace those in "
    "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or pass another --profile."
)


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
    return None if modified is None else f"{modified.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


#: Columns of connectors.
CONNECTOR_COLUMNS: Final[Sequence[Column[NetworkConnector]]] = (
    Column("Name", lambda connector: connector.name),
    Column("State", lambda connector: connector.state),
    Column("Last update", lambda connector: connector.last_update_status),
    Column("Reason code", reason_code_of),
    Column("Protocol", protocol_of, min_width=WIDE),
    Column("Subnets", _subnet_count, min_width=WIDE, right=True),
)
#: The members of connectors, and of listed connectors, in tables and CSV.
CONNECTOR_MEMBERS: Final = ("Name", "State", "LastUpdateStatus", "StateReasonCode", "LastModified")
SUMMARY_MEMBERS: Final = ("Name", "State", "LatestVersion", "LastModified", "Id")
#: Columns of listed connectors.
SUMMARY_COLUMNS: Final[Sequence[Column[NetworkConnectorSummary]]] = (
    Column("Name", lambda connector: connector.name),
    Column("Id", lambda connector: connector.id),
    Column("State", lambda connector: connector.state),
    Column("Version", _version),
    Column("Last modified", _last_modified),
)


def called(identifiers: Sequence[str]) -> str:
    """Return the only identifier, or the number of connectors."""
    return identifiers[0] if len(identifiers) == 1 else f"{len(identifiers):,} connectors"


def named(identifiers: Sequence[str]) -> str:
    """Return the first identifiers, and the number of the others."""
    names = ", ".join(each or "''" for each in identifiers[:_NAMED])
    more = len(identifiers) - _NAMED
    return f"{names} and {more:,} more" if more > 0 else names


def show_rows(results: list[Lookup]) -> None:
    """Print a row for each connector, then a row for each failure."""
    if found := found_in(results):
        printing.table(CONNECTOR_COLUMNS, found)
        printing.line()
    show_failures(results)


def show_members(results: list[Lookup]) -> None:
    """Print every member of each connector by its API name, then a row for each failure."""
    for connector in found_in(results):
        printing.members(indented(to_dict(connector)))
        printing.line()
    show_failures(results)


def show_connectors(results: list[Lookup], view: View) -> None:
    """Print the connectors as the view says, and the failures to standard error."""
    view.show([to_dict(connector) for connector in found_in(results)], CONNECTOR_MEMBERS)
    show_failures(results)


def show_failures(results: list[Lookup]) -> None:
    """Print a line for each failure to standard error; one for all that failed in the same way."""
    same: dict[str, list[str]] = {}
    for failure in failed_in(results):
        error = copy(failure.error)
        if isinstance(error, ApiError) and error.code in EXPIRED_CODES | REPLACED_CODES:
            error.request_id = None  # the credentials are refused whatever the request
        same.setdefault(explanation_of(error), []).append(failure.identifier)
    for explanation, identifiers in same.items():
        printing.error(f"{named(identifiers)}:", explanation)


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
