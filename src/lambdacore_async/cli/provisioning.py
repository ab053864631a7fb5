"""The commands `ensure` and `delete`."""

from __future__ import annotations

from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import EndpointUrl, Output, Profile, Region, WaitTimeout
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


def ensure(
    name: Annotated[str, typer.Argument(help="The connector's name.")],
    subnets: Annotated[
        list[str] | None,
        typer.Option("--subnet", help="A subnet of the VPC; give the option for each one."),
    ] = None,
    security_groups: Annotated[
        list[str] | None,
        typer.Option("--security-group", help="A security group; give the option for each one."),
    ] = None,
    network_protocol: Annotated[
        NetworkProtocol | None, typer.Option(help="Required for a new connector.")
    ] = None,
    compute: Annotated[
        ComputeResourceType | None,
        typer.Option(help="Which compute may use the connector; required for a new one."),
    ] = None,
    operator_role: Annotated[
        str | None,
        typer.Option(help="The ARN of the role that Lambda manages the network interfaces with."),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="KEY=VALUE", help="A tag for a new connector; repeatable."),
    ] = None,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the result.")] = Output.TABLE,
) -> None:
    """Create a network connector, or change it where it differs, and wait until it is active.

    A list that is given replaces the connector's; settings that are not given stay unchanged.
    """
    configuration = VpcEgressConfiguration(
        subnet_ids=subnets,
        security_group_ids=security_groups,
        network_protocol=network_protocol,
        associated_compute_resource_types=None if compute is None else [compute],
    )
    values_by_key = _tags(tags or [])

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
    identifier: Annotated[str, typer.Argument(help="An ID, name or ARN.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is gone.")] = False,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Delete a network connector, or one version of it; succeeds if it does not exist."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with printing.spinner(f"Deleting {identifier}") as show:
                deleting = (
                    client.delete_network_connector_and_wait(
                        identifier,
                        timeout=timeout,
                        on_change=lambda connector: show(state_of(connector)),
                    )
                    if wait
                    else client.delete_network_connector(identifier)
                )
                result = await result_of(identifier, deleting)
        if not isinstance(result, Failed) or isinstance(result.error, ResourceNotFoundException):
            return 0
        show_failures([result])
        return status_of([result])

    run(work())


def _tags(texts: list[str]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not (key and separator):
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--tag")
        if key in tags:
            raise typer.BadParameter(f"the key {key!r} is given twice", param_hint="--tag")
        tags[key] = value
    return tags
