"""Screens of the installed command in a terminal are as recorded in `screens`.

`python -m pytest tests/cli/test_screens.py --rewrite-screens` records them again. Look at each
changed file as a user before you commit it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from attrs import frozen

from lambdacore_async import VpcEgressConfiguration
from lambdacore_async.cli.demo import seed, seed_named
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command.root import COMMANDS, load
from support.commands import run
from support.terminal import Terminal

FOLDER: Final = Path(__file__).with_name("screens")
WIDTHS: Final = (80, 160)
ROLE: Final = "arn:aws:iam::123456789012:role/NetworkConnectorOperator"


@frozen
class Screen:
    """What a person types, and what to wait for in between."""

    command: str
    #: Texts to wait for, each with the keys that are typed when it is on the screen.
    answers: tuple[tuple[str, str], ...] = ()
    #: Enough for all output, so that nothing scrolls out of sight.
    lines: int = 100


SCREENS: Final = {
    "get": Screen("lambdacore get prod-egress"),
    "get-several": Screen("lambdacore get prod-egress nope staging-egress"),
    "get-columns": Screen("lambdacore get prod-egress staging-egress --columns Name,Configuration"),
    "get-dead-endpoint": Screen(
        "env AWS_MAX_ATTEMPTS=1 lambdacore get prod-egress --endpoint-url http://127.0.0.1:1"
    ),
    "get-wrong-credentials": Screen("env AWS_SECRET_ACCESS_KEY=wrong lambdacore get prod-egress"),
    "get-no-credentials": Screen(
        "env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY lambdacore get a"
    ),
    "get-no-region": Screen("env -u AWS_REGION -u AWS_DEFAULT_REGION lambdacore get prod-egress"),
    "get-without-identifier": Screen("lambdacore get"),
    "list": Screen("lambdacore list"),
    "list-state": Screen("lambdacore list --state FAILED -o name"),
    "list-empty": Screen("lambdacore list --state DELETE_FAILED"),
    "list-wrong-state": Screen("lambdacore list --state nope"),
    "list-query": Screen("lambdacore list --query '[?State==`FAILED`].{Name: Name, Id: Id}'"),
    "list-regions": Screen("lambdacore list --regions us-east-1,eu-west-1 --state FAILED"),
    "lookup": Screen("lambdacore lookup identifiers.txt"),
    "lookup-identifier": Screen("lambdacore lookup prod-egress"),
    "ensure-created": Screen(
        "lambdacore ensure test-egress --subnet subnet-0a1b --security-group sg-0e3f "
        f"--network-protocol IPv4 --compute MicroVm --operator-role {ROLE}"
    ),
    "ensure-updated": Screen("lambdacore ensure prod-egress --network-protocol DualStack"),
    "ensure-unchanged": Screen("lambdacore ensure prod-egress --network-protocol IPv4"),
    "ensure-file": Screen("lambdacore ensure -f connectors.yaml", (("[y/N]", "y\r"),)),
    "ensure-file-no": Screen("lambdacore ensure -f connectors.yaml", (("[y/N]", "n\r"),)),
    "export": Screen("lambdacore export connectors.csv"),
    "export-refused": Screen("env AWS_SECRET_ACCESS_KEY=wrong lambdacore export connectors.csv"),
    "diff": Screen("lambdacore diff connectors.yaml"),
    "create-incomplete": Screen("lambdacore create test-egress"),
    "create-skeleton": Screen("lambdacore create --generate-cli-skeleton"),
    "update": Screen(f"lambdacore update prod-egress --operator-role {ROLE}"),
    "delete": Screen("lambdacore delete old-egress", (("[y/N]", "y\r"),)),
    "delete-no": Screen("lambdacore delete old-egress", (("[y/N]", "n\r"),)),
    "delete-several": Screen("lambdacore delete old-egress nope --yes --wait"),
    "wait": Screen("lambdacore wait prod-egress"),
    "wait-failed": Screen("lambdacore wait staging-egress"),
    "watch": Screen("lambdacore watch", (("24 connectors:", "\x03"),), lines=24),
    "doctor": Screen("lambdacore doctor staging-egress"),
    "prune": Screen("lambdacore prune prod-egress --keep 1", (("[y/N]", "y\r"),)),
    "versions": Screen("lambdacore versions prod-egress"),
    "tags": Screen("lambdacore tags list $ARN"),
    "runtimes": Screen("lambdacore runtimes list"),
    "runtimes-get": Screen("lambdacore runtimes get python"),
    "runtimes-versions": Screen("lambdacore runtimes versions list python"),
    "runtimes-aliases": Screen("lambdacore runtimes aliases list python"),
    "demo": Screen("lambdacore demo"),
    "local": Screen("lambdacore local --port 0", (("import boto3", "\x03"),)),
    "version": Screen("lambdacore --version"),
    "unknown-command": Screen("lambdacore lst"),
    "no-command": Screen("lambdacore"),
}


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and those of its subcommands."""
    yield path
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*path, name))


#: The paths of all commands by the name of the file with their help.
HELP: Final = {
    f"help-{'-'.join(path)}": path for name in COMMANDS for path in commands(load(name), (name,))
}

IDENTIFIERS: Final = "# ours\nprod-egress\nnope\nstaging-egress\n"
CONNECTORS: Final = f"""\
- Name: prod-egress
  Configuration:
    VpcEgressConfiguration:
      SubnetIds: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
      NetworkProtocol: DualStack
- Name: new-egress
  OperatorRole: {ROLE}
  Configuration:
    VpcEgressConfiguration:
      SubnetIds: [subnet-0a1b]
      SecurityGroupIds: [sg-0e3f]
      NetworkProtocol: IPv4
      AssociatedComputeResourceTypes: [MicroVm]
"""


@contextmanager
def environment() -> Generator[dict[str, str]]:
    """Run a service with resources of all kinds; yield the variables that point to it."""
    service = LocalLambdaCore(
        # Fractions of a second would make columns wider than those of AWS.
        clock=lambda: datetime.now(UTC).replace(microsecond=0),
        provisioning_seconds=0,
        update_seconds=0,
        deletion_seconds=0,
    )
    seed_named(service)
    seed(service, 21)
    state = service.state
    arn = state.get_network_connector("prod-egress").arn
    state.tag_resource(arn, {"team": "web", "stage": "prod"})
    for subnet in ("subnet-0e5f", "subnet-0c2d"):
        configuration = VpcEgressConfiguration(["subnet-0a1b", subnet], ["sg-0e3f"])
        state.update_network_connector("prod-egress", configuration=configuration)
    with service.in_thread() as aws:
        yield {**aws.environment, "ARN": arn, "AWS_EC2_METADATA_DISABLED": "true"}


#: What differs between runs, and what stands for it.
VOLATILE: Final = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "2026-11-28T09:00:00"),
    (r"━+ (\S+ \d+ failed) *[\d,]*(/s)? *\d:\d\d:\d\d", r"━━━━ \1 N/s 0:00:00"),
    (r"in \d+\.\d\d s, [\d,]+ per second", "in N s, N per second"),
    (r"127\.0\.0\.1:\d{5}", "127.0.0.1:41234"),
    (r"(ACCESS_KEY_ID)=.*", r"\1=AKIDEXAMPLE"),
    (r"(SECRET_ACCESS_KEY)=.*", r"\1=made-up"),
)


def shown(terminal: Terminal, screen: Screen) -> str:
    """Return what a terminal shows after a command, and the exit status."""
    for text, keys in screen.answers:
        terminal.wait_for(text)
        terminal.type(keys)
    status = terminal.wait()
    text = terminal.text
    for pattern, stable in VOLATILE:
        text = re.sub(pattern, stable, text)
    return f"{text}\n[exit status {status}]\n"


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_recorded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr("lambdacore_async.local.server.uuid4", lambda: UUID(int=0))
    screen = SCREENS[name]
    with ExitStack() as stack:
        terminals: list[Terminal] = []
        for columns in WIDTHS:
            folder = tmp_path / str(columns)
            folder.mkdir()
            folder.joinpath("identifiers.txt").write_text(IDENTIFIERS)
            folder.joinpath("connectors.yaml").write_text(CONNECTORS)
            env = stack.enter_context(environment())
            terminal = Terminal(
                screen.command, env, columns=columns, lines=screen.lines, folder=folder
            )
            terminals.append(stack.enter_context(terminal))
        screens = [shown(terminal, screen) for terminal in terminals]
    check(name, screen.command, screens, request.config)


@pytest.mark.parametrize("name", HELP)
async def test_the_help_is_as_recorded(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    screens: list[str] = []
    for columns in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(columns))
        screens.append((await run(*HELP[name], "--help")).output)
    check(name, f"lambdacore {' '.join(HELP[name])} --help", screens, request.config)


def check(name: str, command: str, screens: list[str], config: pytest.Config) -> None:
    """Compare the screens of a command at each width with the recorded ones, or record them."""
    text = f"$ {command}\n"
    for screen, group in groupby(zip(screens, WIDTHS, strict=True), lambda pair: pair[0]):
        widths = " and ".join(str(width) for _, width in group)
        text += f"\n{f' {widths} columns '.center(80, '=')}\n\n{screen}"
    file = FOLDER / f"{name}.txt"
    if config.getoption("--rewrite-screens"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), (
        "look at it; if it is right, run this file again with --rewrite-screens"
    )


def test_each_recorded_screen_is_tested() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == SCREENS.keys() | HELP.keys()
