"""The commands `local` and `demo`, which need no AWS account."""

from __future__ import annotations

import asyncio
import shlex
import signal
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.demo import run_demo, seed, seed_named
from lambdacore_async.cli.emulation import FAULTS, faults_of, rate_limit_of, seed_file
from lambdacore_async.cli.options import choice
from lambdacore_async.cli.running import run
from lambdacore_async.local import AnsweredRequest, LocalLambdaCore
from lambdacore_async.local.server import LOOPBACK
from lambdacore_async.protocol.endpoints import is_region
from lambdacore_async.protocol.sigv4 import Credentials


class DemoOutput(StrEnum):
    """Output format of the demo."""

    TABLE = "table"
    JSON = "json"


def demo(
    connectors: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of connectors to create.")
    ] = 300,
    output: Annotated[
        DemoOutput,
        choice(DemoOutput, "--output", "-o", metavar="FORMAT", help="Output format: {}."),
    ] = DemoOutput.TABLE,
) -> None:
    """Look up hundreds of connectors in a local emulator; needs no AWS account.

    Examples:
        lambdacore demo
        lambdacore demo --connectors 1000 -o json
    """
    run(run_demo(connectors, as_json=output is DemoOutput.JSON))


def local(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="TCP port; 0 picks a free port.")
    ] = 4600,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; 0.0.0.0 for other machines and containers.",
        ),
    ] = LOOPBACK,
    region: Annotated[
        str, typer.Option(metavar="NAME", help="AWS region of the emulator.")
    ] = "us-east-1",
    access_key_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            envvar="LAMBDACORE_LOCAL_ACCESS_KEY_ID",
            help="Access key ID to accept. Defaults to a random one.",
        ),
    ] = None,
    secret_access_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="LAMBDACORE_LOCAL_SECRET_ACCESS_KEY",
            help="Secret access key to accept; requires --access-key-id.",
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify/--no-verify", help="Verify signatures, or accept any credentials and region."
        ),
    ] = True,
    seed_path: Annotated[
        Path | None,
        typer.Option(
            "--seed",
            metavar="FILE",
            help="JSON or YAML file of the connectors to create. "
            "Defaults to `prod-egress`, `staging-egress` and `old-egress`.",
        ),
    ] = None,
    connectors: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Number of further connectors to create, in every state."
        ),
    ] = 0,
    provisioning_seconds: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, max=1e9, help="Seconds that a new connector stays PENDING."
        ),
    ] = 2.0,
    latency: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECONDS[:PROBABILITY]",
            help="Delay responses by SECONDS, with PROBABILITY (1 by default); repeatable.",
        ),
    ] = None,
    rate_limit: Annotated[
        str | None,
        typer.Option(
            metavar="RATE[:BURST]",
            help="Requests per second of all clients together; AWS documents 15.",
        ),
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:PROBABILITY]",
            help=f"Fault to inject at random; repeatable. One of {', '.join(FAULTS)}.",
        ),
    ] = None,
    access_log: Annotated[
        bool, typer.Option(help="Print one line per request to standard error.")
    ] = True,
) -> None:
    """Run a local in-memory emulator of Lambda Core for any AWS SDK, until Ctrl-C or SIGTERM.

    Examples:
        lambdacore local
        lambdacore local --port 4601 --connectors 300 --rate-limit 15
        lambdacore local --port 4601 --latency 0.05 --faults throttle:0.1
    """
    if not is_region(region):
        raise typer.BadParameter(f"{region!r} is not a valid region name", param_hint="--region")
    if bool(access_key_id) != bool(secret_access_key):
        raise typer.BadParameter("--access-key-id and --secret-access-key need each other")

    async def work() -> int:
        given = (
            Credentials(access_key_id, secret_access_key)
            if access_key_id and secret_access_key
            else None
        )
        service = LocalLambdaCore(
            region=region,
            host=host,
            port=port,
            credentials=given,
            verify_signatures=verify,
            provisioning_seconds=provisioning_seconds,
            on_request=_log if access_log else None,
        )
        service.faults.at_random(faults_of(faults or (), latency or ()))
        if rate_limit is not None:
            rate, burst = rate_limit_of(rate_limit)
            service.faults.limit_rate(rate, burst=burst)
        if seed_path is None:
            seed_named(service)
        else:
            seed_file(service, seed_path)
        seed(service, connectors)
        async with service:
            for line in _instructions(service, secret_is_given=given is not None):
                printing.line(line)
            terminated = asyncio.Event()
            # As process 1, in a container, a process ends only by signals that it handles. Not on
            # Windows, and not in a thread.
            with suppress(NotImplementedError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
            await terminated.wait()
        return 0

    run(work())


def _log(request: AnsweredRequest) -> None:
    printing.log(
        f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        request.method,
        request.target,
        request.operation,
        "-" if request.status is None else str(request.status),
        *([] if request.fault is None else [repr(request.fault)]),
    )


def _instructions(service: LocalLambdaCore, *, secret_is_given: bool) -> list[str]:
    """Return the lines of a shell script that points other programs at the service."""
    variables = service.environment
    if secret_is_given:  # users know it, and it stays out of the logs of containers
        del variables["AWS_SECRET_ACCESS_KEY"]
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
