"""Measures CPU of `lambdacore`, beside `aws` and a bare Python.

    python benchmarks/command_line.py [PATH OF aws]

Runs in an environment with the extra `cli`, against the embedded service. `aws` must know
`lambda-core`; set AWS_DATA_PATH to the `data` folder of a newer botocore if it does not. CPU is
what the system charges for the whole process, the least of seven runs. Runs on Linux and macOS.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from pathlib import Path

from lambdacore_async.local import LocalLambdaCore


def seconds_of(command: tuple[str, ...], environment: dict[str, str]) -> float:
    """Return the CPU of a command, in seconds."""
    found: list[float] = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(found)


async def main() -> None:
    """Print a line for each command."""
    ours = str(Path(sys.executable).with_name("lambdacore"))
    commands: list[tuple[str, ...]] = [
        (sys.executable, "-c", "pass"),
        (ours, "--version"),
        (ours, "--help"),
        (ours, "get", "prod"),
        (ours, "list", "--output", "json"),
    ]
    if len(sys.argv) > 1:
        get = ("lambda-core", "get-network-connector", "--identifier", "prod")
        commands += [(sys.argv[1], "--version"), (sys.argv[1], *get)]
    async with LocalLambdaCore() as service:
        service.state.put_network_connector("prod")
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": service.endpoint_url,
            "AWS_REGION": service.region,
            "AWS_DEFAULT_REGION": service.region,
            "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
        }
        for command in commands:
            seconds = await asyncio.to_thread(seconds_of, command, environment)
            print(f"{seconds:6.3f} s  {' '.join((Path(command[0]).name, *command[1:]))}")


if __name__ == "__main__":
    asyncio.run(main())
