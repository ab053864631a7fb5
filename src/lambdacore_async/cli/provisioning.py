"""The commands `ensure` and `delete`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.declarations import Check, FileOption, ensure_file
from lambdacore_async.cli.options import Output, Yes, tags_of
from lambdacore_async.cli.results import (
    code_of,
    found_in,
    show_failures,
    show_results,
    state_of,
)
from lambdacore_async.cli.running import SOME_FAILED, result_of, run, status_of
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnector,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.workflows.lookups import Failed, Found, Lookup
from lambdacore_async.workflows.users import ConnectorInUseError


@connected
def ensure(
    connection: Connection,
    name: Annotated[str | None, typer.Argument(help="Name of the connector.")] = None,
    *,
    file: FileOption = None,
    check: Check = False,
    yes: Yes = False,
    subnets: Annotated[
        list[str] | None,
        typer.Option("--subnet", help="ID of a subnet of the VPC; repeatable."),
    ] = None,
    security_groups: Annotated[
        list[str] | None,
        typer.Option("--security-group", help="ID of a security group; repeatable."),
    ] = None,
    network_protocol: Annotated[
        NetworkProtocol | None, typer.Option(help="Network protocol; required for a new connector.")
    ] = None,
    compute: Annotated[
        ComputeResourceType | None,
        typer.Option(help="Compute that may use the connector; required for a new connector."),
    ] = None,
    operator_role: Annotated[
        str | None,
        typer.Option(help="ARN of the role with which Lambda manages the network interfaces."),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY=VALUE", help="Tag that it must have; repeatable."),
    ] = None,
    output: Annotated[Output, typer.Option(help="Output format.")] = Output.TABLE,
) -> None:
    """Create a network connector, or update it if it differs, and wait until it is active.

    Repeatable options replace the connector's whole list. Settings that are not given stay
    unchanged.
    """
    if file is not None and name is None:
        ensure_file(connection, file, output, check=check, yes=yes)
    if name is None or file is not None or check:
        raise typer.BadParameter("expected either NAME, or --file with or without --check")
    configuration = VpcEgressConfiguration(
        subnet_ids=subnets,
        security_group_ids=security_groups,
        network_protocol=network_protocol,
        associated_compute_resource_types=None if compute is None else [compute],
    )
    values_by_key = tags_of(tags or [])

    async def work() -> int:
        async with connection.client() as client:
            with printing.spinner(f"Ensuring {name}") as show:
                ensuring = client.ensure_network_connector(
                    name,
                    configuration,
                    operator_role=operator_role,
                    tags=values_by_key,
                    timeout=connection.wait_timeout,
                    on_change=lambda connector: show(state_of(connector)),
                )
                connector = await result_of(name, ensuring)
        result = connector if isinstance(connector, Failed) else Found(name, connector)
        show_results([result], output)
        return status_of([result])

    run(work())


@connected
def delete(
    connection: Connection,
    identifiers: Annotated[
        list[str], typer.Argument(help="IDs, names or ARNs of connectors.", metavar="IDENTIFIER...")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
    ignore_not_found: Annotated[
        bool,
        typer.Option("--ignore-not-found", help="Succeed if a connector does not exist."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the connectors are deleted.")
    ] = False,
    unless_used: Annotated[
        bool,
        typer.Option(
            "--unless-used", help="Fail if a MicroVM, a MicroVM image or a Web Function names it."
        ),
    ] = False,
    output: Annotated[Output, typer.Option(help="Output format.")] = Output.TABLE,
) -> None:
    """Delete network connectors, or versions of them.

    On a terminal, it shows what uses each connector, and asks.

    Example: lambdacore delete prod-egress test-egress --wait
    """

    async def begin(client: LambdaCoreClient, identifier: str) -> NetworkConnector | None:
        """Delete a connector; return `None` if the answer is no."""
        asks = not yes and printing.can_ask()
        found = None
        if asks or unless_used or wait:  # a wait would take a missing connector for a deleted one
            found = await client.get_network_connector(identifier)
            users = await client.users_of(found) if unless_used else ()
            if users:
                raise ConnectorInUseError(users)
            if asks and not unless_used:
                await _show_users(client, found)
        question = f"Delete {identifier}?"
        if asks and not await run_in_thread(partial(printing.ask, question)):
            return None
        with printing.spinner(f"Deleting {identifier}") as show:
            if found is None or not wait:
                return await client.delete_network_connector(identifier)
            await client.delete_network_connector_and_wait(
                identifier,
                timeout=connection.wait_timeout,
                on_change=lambda connector: show(state_of(connector)),
            )
            return found

    async def work() -> int:
        results: list[Lookup] = []
        status = 0
        async with connection.client() as client:
            for identifier in dict.fromkeys(identifiers):
                done = await result_of(identifier, begin(client, identifier))
                missing = isinstance(done, Failed) and isinstance(
                    done.error, ResourceNotFoundException
                )
                if missing and ignore_not_found:
                    printing.log(f"{identifier}: not found")
                    continue
                if done is None:
                    printing.log(f"{identifier}: not deleted")
                    status = SOME_FAILED
                    continue
                results.append(done if isinstance(done, Failed) else Found(identifier, done))
        show_results(results, output, partial(_show_deleted, waited=wait))
        return max(status, status_of(results))

    run(work())


async def _show_users(client: LambdaCoreClient, connector: NetworkConnector) -> None:
    """Tell on standard error what uses a connector, as far as the caller may know."""
    try:
        users = await client.users_of(connector)
    except LambdaCoreError as error:
        printing.log(f"{connector.name}: could not look for what uses it: {code_of(error)}")
        return
    for user in users:
        printing.log(f"{connector.name} is used by {user}")


def _show_deleted(results: list[Lookup], *, waited: bool) -> None:
    for connector in found_in(results):
        printing.line(f"{connector.name}: {'deleted' if waited else 'deletion started'}")
    show_failures(results)
