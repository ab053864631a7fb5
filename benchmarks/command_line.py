"""Measures CPU of the `lambdacore` command, compared with the AWS CLI and a bare Python.

    python benchmarks/command_line.py [--quick]

Creates an environment with the extra `cli`, and one with the AWS CLI. The service is an emulator.
CPU is what the system charges for a whole process, from its start to its end, the least of all
rounds. `watch` runs in a pseudo-terminal of 80 columns and gets SIGINT after its first picture, as
by Ctrl-C, so its CPU includes its end. Runs on Linux and macOS.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import environments
import results

GET: Final = ("lambda-core", "get-network-connector", "--identifier", "prod-egress")
LIST: Final = ("lambda-core", "list-network-connectors")
#: The arguments of `lambdacore`, and those of `aws` for the same.
COMMANDS: Final[dict[tuple[str, ...], tuple[str, ...] | None]] = {
    ("--version",): ("--version",),
    ("--help",): None,  # `aws help` opens a pager
    ("get", "prod-egress"): GET,
    ("list", "--output", "json"): LIST,
}
WATCHED: Final = (100, 300, 1000, 5000)
#: Serves connectors of the number that it is given until its input ends; prints the environment.
SERVICE: Final = """\
import json, sys
from lambdacore_async.local import Limits, LocalLambdaCore
count = int(sys.argv[1])
service = LocalLambdaCore(limits=Limits(network_connectors=count))
service.state.put_network_connector("prod-egress")
for number in range(1, count):
    service.state.put_network_connector(f"egress-{number:04}")
with service.in_thread():
    print(json.dumps(service.environment), flush=True)
    sys.stdin.read()
"""


@contextmanager
def serving(count: int) -> Iterator[dict[str, str]]:
    """Run a service with connectors; yield the environment of its clients."""
    with subprocess.Popen(
        [environments.python("command_line"), "-c", SERVICE, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        yield environments.variables(**json.loads(service.stdout.readline()))
        service.communicate()


def cpu() -> float:
    """Return the CPU of all processes that have ended, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: tuple[str, ...], variables: dict[str, str]) -> float:
    """Return the CPU of a command, in seconds."""
    before = cpu()
    subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=True)
    return cpu() - before


def watch(count: int, variables: dict[str, str]) -> tuple[float, float]:
    """Return the CPU of `watch`, and the time from SIGINT to its end, in seconds."""
    before = cpu()
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    with subprocess.Popen(
        [command("command_line", "lambdacore"), "watch"],
        env=variables | {"TERM": "xterm"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    ) as process:
        os.close(inside)
        shown = b""
        while f"{count:,} connectors".encode() not in shown:
            shown += os.read(terminal, 65_536)
        interrupted = time.perf_counter()
        process.send_signal(signal.SIGINT)
        try:
            while os.read(terminal, 65_536):
                pass
        except OSError:  # on Linux, the end of the process
            pass
        status = process.wait()
        took = time.perf_counter() - interrupted
    os.close(terminal)
    assert status == 130, shown
    return cpu() - before, took


def command(environment: str, name: str) -> str:
    """Return the path of a command of an environment."""
    return str(Path(environments.python(environment)).with_name(name))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = range(3 if parser.parse_args().quick else 7)
    bare = (environments.python("command_line"), "-c", "pass")
    lambdacore, aws = command("command_line", "lambdacore"), command("aws", "aws")
    lines = [
        bare,
        *((lambdacore, *arguments) for arguments in COMMANDS),
        *((aws, *arguments) for arguments in COMMANDS.values() if arguments),
    ]
    with serving(1) as variables:
        found = [{line: run(line, variables) for line in lines} for _ in rounds]
    seconds = {line: min(each[line] for each in found) for line in lines}
    watched: dict[int, tuple[float, float]] = {}
    for count in WATCHED:
        with serving(count) as variables:
            costs, ends = zip(*(watch(count, variables) for _ in rounds), strict=True)
            watched[count] = min(costs), min(ends)

    bars = [
        results.Bar(
            f"`{name}`, s over a bare Python", seconds[lambdacore, name] - seconds[bare], 0.15
        )
        for name in ("--version", "--help")
    ]
    get = seconds[lambdacore, "get", "prod-egress"] / seconds[(aws, *GET)]
    bars += [
        results.Bar("`get` / the AWS CLI's", get, 1),
        results.Bar("`watch`, 5,000 connectors, s", watched[5000][0], 1),
        results.Bar("`watch`, 5,000 connectors, from Ctrl-C to its end, s", watched[5000][1], 0.3),
    ]
    print(f"## What must hold\n\n{results.bars(bars)}")

    version = environments.versions("aws")["awscli"]
    rows = [("`python -c pass`", f"{seconds[bare]:.3f}", "")]
    for ours, theirs in COMMANDS.items():
        rows.append(
            (
                f"`{' '.join(ours)}`",
                f"{seconds[(lambdacore, *ours)]:.3f}",
                f"{seconds[(aws, *theirs)]:.3f}" if theirs else "",
            )
        )
    print(f"\n## Commands\n\n{results.table(('', 'lambdacore, s', f'AWS CLI {version}, s'), rows)}")

    header = ("connectors", "CPU, s", "from Ctrl-C to the end, s")
    rows = [(f"{count:,}", f"{cost:.2f}", f"{end:.2f}") for count, (cost, end) in watched.items()]
    print(f"\n## `watch`\n\n{results.table(header, rows)}")


if __name__ == "__main__":
    main()
