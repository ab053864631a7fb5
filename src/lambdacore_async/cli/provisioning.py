"""The commands `ensure` and `delete`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.declarations import Check, FileOption, ensure_file
from lambdacore_async.cli.options import (
    EndpointUrl,
    Output,
    Profile,
    Region,
    WaitTimeout,
    Yes,
    tags_of,
)
from lambdacore_async.cli.results import show_failures, show_results, state_of
from lambdacore_async.cli.running import result_of, run, status_of
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.workflows.lookups import Failed, Found
from lambdacore_async.workflows.users import ConnectorInUseError


def ensure(
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
    timeout: WaitTimeout = 1800.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="Output format.")] = Output.TABLE,
) -> None:
    """Create a network connector, or update it if it differs, and wait until it is active.

    Repeatable options replace the connector's whole list. Settings that are not given stay
    unchanged.
    """
    if file is not None and name is None:
        ensure_file(
            file, region, profile, endpoint_url, output, timeout=timeout, check=check, yes=yes
        )
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
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with printing.spinner(f"Ensuring {name}") as show:
                ensuring = client.ensure_network_connector(
                    name,
                    configuration,
                    operator_role=operator_role,
                    tags=values_by_key,
                    timeout=timeout,
                    on_change=lambda connector: show(state_of(connector)),
                )
                connector = await result_of(name, ensuring)
        result = connector if isinstance(connector, Failed) else Found(name, connector)
        show_results([result], output)
        return status_of([result])

    run(work())


def delete(
    identifier: Annotated[str, typer.Argument(help="ID, name or ARN of the connector.")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the connector is deleted.")
    ] = False,
    unless_used: Annotated[
        bool,
        typer.Option(
            "--unless-used", help="Fail if a MicroVM, a MicroVM image or a Web Function names it."
        ),
    ] = False,
    timeout: WaitTimeout = 1800.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Delete a network connector or one of its versions; succeeds if it does not exist."""

    async def begin(client: LambdaCoreClient, show: Callable[[str], None]) -> object:
        if unless_used and (users := await client.users_of(identifier)):
            raise ConnectorInUseError(users)
        if not wait:
            return await client.delete_network_connector(identifier)
        await client.delete_network_connector_and_wait(
            identifier, timeout=timeout, on_change=lambda connector: show(state_of(connector))
        )
        return None

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with printing.spinner(f"Deleting {identifier}") as show:
                result = await result_of(identifier, begin(client, show))
        if not isinstance(result, Failed) or isinstance(result.error, ResourceNotFoundException):
            return 0
        show_failures([result])
        return status_of([result])

    run(work())
