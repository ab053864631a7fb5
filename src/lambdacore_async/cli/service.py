"""The commands `local` and `demo`, which need no AWS account."""

from __future__ import annotations

import asyncio
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.demo import run_demo, seed, seed_named
from lambdacore_async.cli.running import run
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.endpoints import is_region


class DemoOutput(StrEnum):
    """Output format of the demo."""

    TABLE = "table"
    JSON = "json"


def demo(
    connectors: Annotated[int, typer.Option(min=1, help="Number of connectors to create.")] = 300,
    output: Annotated[DemoOutput, typer.Option(help="Output format.")] = DemoOutput.TABLE,
) -> None:
    """Look up hundreds of connectors in a local emulator; needs no AWS account."""
    run(run_demo(connectors, as_json=output is DemoOutput.JSON))


def local(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="TCP port on 127.0.0.1; 0 picks a free port.")
    ] = 4600,
    region: Annotated[str, typer.Option(help="AWS region of the emulator.")] = "us-east-1",
    connectors: Annotated[
        int,
        typer.Option(
            min=0,
            help="Number of connectors to create, in every state, in addition to "
            "`prod-egress`, `staging-egress` and `old-egress`.",
        ),
    ] = 0,
    provisioning_seconds: Annotated[
        float, typer.Option(min=0, max=1e9, help="Seconds that a new connector stays PENDING.")
    ] = 2.0,
) -> None:
    """Run a local in-memory emulator of Lambda Core for any AWS SDK, until Ctrl-C."""
    if not is_region(region):
        raise typer.BadParameter(f"{region!r} is not a valid region name", param_hint="--region")

    async def work() -> int:
        service = LocalLambdaCore(
            region=region, port=port, provisioning_seconds=provisioning_seconds
        )
        seed_named(service)
        seed(service, connectors)
        async with service:
            for line in _instructions(service):
                printing.line(line)
            forever: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            return await forever

    run(work())


def _instructions(service: LocalLambdaCore) -> list[str]:
    """Return the lines of a shell script that points other programs at the service."""
    variables = {
        "AWS_ENDPOINT_URL_LAMBDA_CORE": service.endpoint_url,
        "AWS_REGION": service.region,
        "AWS_DEFAULT_REGION": service.region,
        "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    script = f"""\
# Local emulator of Lambda Core in {service.region}; Ctrl-C stops it. Paste into another shell:
{exports}
unset AWS_SESSION_TOKEN
# Then, for example:
#   lambdacore get prod-egress
#   aws lambda-core list-network-connectors
#   python -c "import boto3; print(boto3.client('lambda-core').list_network_connectors())\""""
    return script.splitlines()
