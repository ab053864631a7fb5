"""The commands `local` and `demo`, which need no AWS account."""

from __future__ import annotations

import asyncio
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.demo import look_up_seeded, seed, seed_named
from lambdacore_async.cli.running import run
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.endpoints import is_region


class DemoOutput(StrEnum):
    """How the demo's results are printed."""

    TABLE = "table"
    JSON = "json"


def demo(
    connectors: Annotated[int, typer.Option(min=1, help="How many connectors to seed.")] = 300,
    output: Annotated[
        DemoOutput, typer.Option(help="How to print the results.")
    ] = DemoOutput.TABLE,
) -> None:
    """Look up hundreds of connectors of an embedded Lambda Core; no AWS account is needed."""
    run(look_up_seeded(connectors, as_json=output is DemoOutput.JSON))


def local(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The TCP port on 127.0.0.1; 0 for any free one.")
    ] = 4600,
    region: Annotated[str, typer.Option(help="The AWS region that it is in.")] = "us-east-1",
    connectors: Annotated[
        int,
        typer.Option(
            min=0,
            help="How many connectors to seed, in every state, "
            "beside `prod-egress`, `staging-egress` and `old-egress`.",
        ),
    ] = 0,
    provisioning_seconds: Annotated[
        float, typer.Option(min=0, max=1e9, help="How long a new connector is PENDING.")
    ] = 2.0,
) -> None:
    """Run an embedded Lambda Core for any AWS SDK, until Ctrl-C; it keeps all in memory."""
    if not is_region(region):
        raise typer.BadParameter(f"{region!r} is not a region's name", param_hint="--region")

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
    """What to paste into another shell; it is a script as it stands."""
    variables = {
        "AWS_ENDPOINT_URL_LAMBDA_CORE": service.endpoint_url,
        "AWS_REGION": service.region,
        "AWS_DEFAULT_REGION": service.region,
        "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    script = f"""\
# Lambda Core in {service.region}, in memory, until Ctrl-C. Paste this into another shell:
{exports}
unset AWS_SESSION_TOKEN
# and then, for example:
#   lambdacore get prod-egress
#   aws lambda-core list-network-connectors
#   python -c "import boto3; print(boto3.client('lambda-core').list_network_connectors())\""""
    return script.splitlines()
