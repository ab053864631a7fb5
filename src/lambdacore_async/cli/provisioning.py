"""The commands `ensure` and `delete`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.declarations import read_declarations
from lambdacore_async.cli.options import (
    Identifiers,
    Output,
    OutputOption,
    Yes,
    choice,
    tags_of,
)
from lambdacore_async.cli.plans import (
    Plan,
    apply_all,
    confirm_all,
    plan_all,
    show_plans,
    status_of_plans,
    summary_of,
)
from lambdacore_async.cli.results import (
    code_of,
    found_in,
    show_failures,
    show_results,
    state_of,
)
from lambdacore_async.cli.running import DRIFTED, SOME_FAILED, result_of, run, status_of
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
from lambdacore_async.workflows.provisioning import Wanted
from lambdacore_async.workflows.users import ConnectorInUseError


@connected
def ensure(
    connection: Connection,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the connector.")
    ] = None,
    *,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="Ensure all connectors that this file declares, in YAML, JSON or lines of JSON.",
            exists=True,
        ),
    ] = None,
    subnets: Annotated[
        list[str] | None,
        typer.Option("--subnet", metavar="ID", help="ID of a subnet of the VPC; repeatable."),
    ] = None,
    security_groups: Annotated[
        list[str] | None,
        typer.Option("--security-group", metavar="ID", help="ID of a security group; repeatable."),
    ] = None,
    network_protocol: Annotated[
        NetworkProtocol | None,
        choice(
            NetworkProtocol,
            metavar="PROTOCOL",
            help="Network protocol: {}. Required for a new connector.",
        ),
    ] = None,
    compute: Annotated[
        ComputeResourceType | None,
        choice(
            ComputeResourceType,
            metavar="TYPE",
            help="Compute that may use the connector: {}. Required for a new one.",
        ),
    ] = None,
    operator_role: Annotated[
        str | None,
        typer.Option(
            metavar="ARN", help="ARN of the role with which Lambda manages the network interfaces."
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="KEY=VALUE", help="Tag that the connector must have; repeatable."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Like --dry-run, but exit with status 2 on differences.")
    ] = False,
    yes: Yes = False,
    output: OutputOption = Output.TABLE,
) -> None:
    r"""Create a network connector, or update it if it differs, and wait until it is active.

    Settings that are not given stay unchanged. Repeatable options replace the connector's whole
    list, except for tags. Before it removes subnets or security groups, and before it applies a
    file, the command asks on a terminal.

    Examples:
        lambdacore ensure prod-egress --subnet subnet-0a1b --dry-run
        lambdacore ensure new-egress --subnet subnet-0a1b --subnet subnet-0c2d \
            --security-group sg-0e3f --network-protocol IPv4 --compute MicroVm \
            --operator-role arn:aws:iam::123456789012:role/NetworkConnectorOperator
        lambdacore get prod-egress -o json > connectors.json
        lambdacore ensure -f connectors.json
    """
    if (name is None) == (file is None):
        raise typer.BadParameter("expected either NAME or --file")
    configuration = VpcEgressConfiguration(
        subnet_ids=subnets,
        security_group_ids=security_groups,
        network_protocol=network_protocol,
        associated_compute_resource_types=None if compute is None else [compute],
    )
    values_by_key = tags_of(tags or [])
    if file and (values_by_key or operator_role or configuration != VpcEgressConfiguration()):
        raise typer.BadParameter("--file declares all settings; remove the other ones")

    async def work() -> int:
        if file is not None:
            wanted = read_declarations(file)
        else:
            wanted = [Wanted(name or "", configuration, operator_role, values_by_key)]
        async with connection.client() as client:
            planned = await plan_all(client, wanted)
            plans = [plan for plan in planned if isinstance(plan, Plan)]
            if check or dry_run or len(plans) < len(planned):
                show_plans(planned, output)
                if plans and not (check or dry_run):
                    printing.log("nothing was changed")
                return status_of_plans(planned, if_different=DRIFTED if check else 0)
            await confirm_all(plans, always=file is not None, yes=yes)
            done = await apply_all(client, plans, connection.wait_timeout)
        show_plans(done, output)
        if len(done) > 1:
            printing.log(summary_of(done))
        return status_of_plans(done)

    run(work())


@connected
def delete(
    connection: Connection,
    identifiers: Identifiers,
    *,
    yes: Yes = False,
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
            "--unless-used", help="Fail if a MicroVM, a MicroVM image or a Web Function uses it."
        ),
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Delete network connectors, or versions of them.

    On a terminal, the command shows the users of each connector, and asks for confirmation.

    Examples:
        lambdacore delete old-egress
        lambdacore delete old-egress staging-egress --ignore-not-found --yes
        lambdacore delete prod-egress --unless-used --wait
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
    """Print the users of a connector to standard error, if the caller may read them."""
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
