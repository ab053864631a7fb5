"""The command `doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.options import Identifier, Output, OutputOption
from lambdacore_async.cli.results import in_words_of_the_shell
from lambdacore_async.cli.running import SOME_FAILED, run
from lambdacore_async.cli.tables import Column
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.dependencies import Check, CheckStatus
from lambdacore_async.workflows.diagnosis import Diagnosis


def _next_step(check: Check) -> str | None:
    return None if check.next_step is None else in_words_of_the_shell(check.next_step)


_COLUMNS: Final[Sequence[Column[Check]]] = (
    Column("Check", lambda check: check.name),
    Column("Status", lambda check: check.status),
    Column("Found", lambda check: check.detail),
    Column("Next step", _next_step),
)


@connected
def doctor(
    connection: Connection,
    identifier: Identifier,
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check why a network connector is stuck or failed, and say what to look at next.

    With the extra `botocore`, it also checks the operator role, the subnets and the security
    groups. The exit status is 1 if a check finds something wrong.

    Examples:
        lambdacore doctor prod-egress
        lambdacore doctor staging-egress -o json
    """

    async def work() -> int:
        async with connection.client() as client:
            with printing.spinner(f"Checking {identifier}"):
                diagnosis = await client.diagnose_network_connector(identifier)
        if output is Output.TABLE:
            printing.table(_COLUMNS, diagnosis.checks)
        elif output is Output.JSON:
            printing.json_document(_as_json(identifier, diagnosis))
        else:
            printing.json_line(_as_json(identifier, diagnosis))
        wrong = any(check.status is CheckStatus.WRONG for check in diagnosis.checks)
        return SOME_FAILED if wrong else 0

    run(work())


def _as_json(identifier: str, diagnosis: Diagnosis) -> dict[str, JSONValue]:
    connector = diagnosis.connector
    return {
        "identifier": identifier,
        "connector": None if connector is None else to_dict(connector),
        "checks": [
            {
                "name": check.name,
                "status": check.status,
                "detail": check.detail,
                "next_step": _next_step(check),
            }
            for check in diagnosis.checks
        ],
    }
