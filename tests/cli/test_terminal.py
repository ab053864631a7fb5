"""What only a terminal shows: Ctrl-C, questions, live output, and pipes beside it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdacore_async.cli.demo import seed, seed_named
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Latency
from support.terminal import Terminal

CTRL_C = "\x03"
#: A response that no test waits for.
HANGS = Latency(3600)
#: What Python, asyncio and aiohttp say of a program that ends in disorder.
DISORDER = re.compile(
    "Traceback|Unclosed|Exception|Task was destroyed|RuntimeError|never awaited|KeyboardInterrupt"
)


@pytest.fixture
def aws() -> Iterator[LocalLambdaCore]:
    """A service with the connectors of `lambdacore local`."""
    service = LocalLambdaCore(provisioning_seconds=0, update_seconds=0, deletion_seconds=0)
    seed_named(service)
    with service.in_thread() as running:
        yield running


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the commands, which have no home."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def terminal(command: str, aws: LocalLambdaCore, *, columns: int = 80, lines: int = 24) -> Terminal:
    return Terminal(command, aws.environment, columns=columns, lines=lines)


def assert_interrupted(terminal: Terminal) -> None:
    """Assert that Ctrl-C ends the command in order."""
    terminal.type(CTRL_C)
    assert terminal.wait() == 130
    assert not DISORDER.search(terminal.text)
    assert terminal.cursor_is_shown


def test_ctrl_c_ends_a_watch_and_leaves_its_picture(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore watch", aws) as watch:
        watch.wait_for("prod-egress")
        assert not watch.cursor_is_shown
        assert_interrupted(watch)
        assert watch.text.startswith("3 connectors: 2 ACTIVE, 1 FAILED\n")


@pytest.mark.parametrize(
    "command",
    ["export -", "lookup identifiers.txt --regions us-east-1,us-west-2 -o jsonl", "list -o jsonl"],
)
def test_a_file_gets_the_lines_that_a_terminal_does_not_show(
    aws: LocalLambdaCore, folder: Path, command: str
) -> None:
    names = ["prod-egress", "staging-egress", "old-egress"]
    (folder / "identifiers.txt").write_text("\n".join(names))
    # Progress is on the terminal, at the latest after a fraction of a second.
    aws.faults.at_random({Latency(0.2): 1})
    with terminal(f"lambdacore {command} >lines", aws) as shown:
        shown.wait()
    lines = (folder / "lines").read_text()
    assert all(json.loads(line) for line in lines.splitlines())
    assert all(name in lines for name in names)
    assert "prod-egress" not in shown.text


def test_lines_on_a_terminal_are_whole_and_without_progress(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore export -", aws, columns=2000) as shown:
        assert shown.wait() == 0
    *lines, summary = shown.text.splitlines()
    assert summary == "3 connectors"
    assert len([json.loads(line) for line in lines]) == 3


@pytest.mark.parametrize(
    ("command", "task"),
    [
        ("list", "Listing"),
        ("lookup identifiers.txt", "Looking up"),
        ("watch", "0 connectors: waiting for changes"),
        ("wait prod-egress", "Waiting for prod-egress"),
        ("doctor prod-egress", "Checking prod-egress"),
        ("ensure prod-egress --network-protocol IPv4", "Comparing prod-egress"),
    ],
)
def test_a_service_that_hangs_shows_the_task_until_ctrl_c(
    aws: LocalLambdaCore, folder: Path, command: str, task: str
) -> None:
    (folder / "identifiers.txt").write_text("prod-egress\nold-egress\n")
    aws.faults.at_random({HANGS: 1})
    with terminal(f"lambdacore {command}", aws) as hanging:
        hanging.wait_for(task)
        assert_interrupted(hanging)


def test_ctrl_c_ends_a_lookup_with_what_is_done(aws: LocalLambdaCore, folder: Path) -> None:
    names = [connector.name for connector in seed(aws, 20)]
    (folder / "identifiers.txt").write_text("\n".join(names))
    aws.faults.script(*[None] * 15, *[HANGS] * 5, operation="GetNetworkConnector")
    with terminal("lambdacore lookup identifiers.txt", aws, lines=60) as lookup:
        lookup.wait_for("15/20")
        assert_interrupted(lookup)
        assert lookup.text.endswith("\nlambdacore: interrupted: 15 of 20 done")
        assert len(re.findall(r"^egress-\d{4} ", lookup.text, re.MULTILINE)) == 15


def test_progress_goes_to_the_terminal_while_a_pipe_has_the_results(
    aws: LocalLambdaCore, folder: Path
) -> None:
    (folder / "identifiers.txt").write_text("prod-egress\nold-egress\n")
    for options in ("", " --output json"):
        command = f"lambdacore lookup identifiers.txt{options}"
        with terminal(f"{command} | tee piped >/dev/null", aws) as lookup:
            assert lookup.wait() == 0
            assert "2/2" in lookup.text
            assert "prod-egress" not in lookup.text
        piped = (folder / "piped").read_text()
        assert "prod-egress" in piped
        assert "\x1b" not in piped


def test_a_pipe_gets_whole_rows_however_narrow_the_terminal_is(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore list | cat", aws, columns=20, lines=60) as piped:
        assert piped.wait() == 0
        assert b"\x1b" not in piped.output
        rows = piped.output.decode().splitlines()
    (connector,) = [row for row in rows if row.startswith("prod-egress")]
    assert re.search(r" ACTIVE .* nc-[0-9a-f-]{36}$", connector)


def test_a_reader_that_has_enough_ends_the_command_quietly(aws: LocalLambdaCore) -> None:
    seed(aws, 200)
    with terminal("lambdacore list | head -n 1", aws) as piped:
        assert piped.wait() == 0
        assert piped.text.startswith("Name")
        assert "\n" not in piped.text


@pytest.mark.parametrize(("keys", "status"), [("y\r", 0), ("\r", 1), ("\x04", 1)])
def test_a_deletion_is_asked_for(aws: LocalLambdaCore, keys: str, status: int) -> None:
    with terminal("lambdacore delete old-egress", aws) as delete:
        delete.wait_for("Delete old-egress? [y/N]")
        assert aws.calls["DeleteNetworkConnector"] == 0
        delete.type(keys)
        assert delete.wait() == status
    assert aws.calls["DeleteNetworkConnector"] == (status == 0)


def test_ctrl_c_at_a_question_deletes_nothing(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore delete old-egress", aws) as delete:
        delete.wait_for("[y/N]")
        assert_interrupted(delete)
    assert aws.calls["DeleteNetworkConnector"] == 0


def test_a_script_is_not_asked(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore delete old-egress </dev/null", aws) as delete:
        assert delete.wait() == 0
        assert delete.text == "old-egress: deletion started"


def test_identifiers_can_be_typed(aws: LocalLambdaCore) -> None:
    with terminal("lambdacore lookup - --output jsonl", aws, columns=2000) as lookup:
        for name in ("prod-egress", "old-egress"):
            lookup.type(f"{name}\r")
            lookup.wait_for(f'{{"identifier": "{name}"')
        lookup.type("\x04")
        assert lookup.wait() == 0


def test_a_file_of_another_system_is_read(aws: LocalLambdaCore, folder: Path) -> None:
    text = "# ours\r\nprod-egress\r\nold-egress\r\n"
    (folder / "utf-8").write_bytes(codecs.BOM_UTF8 + text.encode())
    (folder / "utf-16").write_text(text, "utf-16", newline="")
    for name in ("utf-8", "utf-16"):
        with terminal(f"lambdacore lookup {name} --output jsonl", aws, columns=2000) as lookup:
            assert lookup.wait() == 0
            assert len(lookup.text.splitlines()) == 2


def test_refused_credentials_of_many_lookups_are_one_line(
    aws: LocalLambdaCore, folder: Path
) -> None:
    (folder / "identifiers.txt").write_text("\n".join(f"name-{number}" for number in range(120)))
    command = "env AWS_SECRET_ACCESS_KEY=wrong lambdacore lookup identifiers.txt 2>errors"
    with terminal(command, aws) as lookup:
        assert lookup.wait() == 2
    assert len((folder / "errors").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("get prod-egress", 0),
        ("get nope", 1),
        ("delete nope --yes", 1),
        ("lst", 2),
        ("get prod-egress --profile nope", 2),
        ("list --endpoint-url http://127.0.0.1:1", 3),
        ("get prod-egress --endpoint-url http://127.0.0.1:1", 3),
    ],
)
def test_all_commands_have_one_set_of_exit_statuses(
    aws: LocalLambdaCore, command: str, status: int
) -> None:
    with terminal(f"env AWS_MAX_ATTEMPTS=1 lambdacore {command} >output 2>errors", aws) as run:
        assert run.wait() == status
    errors = Path("errors").read_text()
    assert bool(errors) == bool(status)
    assert not DISORDER.search(errors.replace("ResourceNotFoundException", ""))


@pytest.mark.parametrize("command", ["list", "watch", "demo", "get prod-egress nope", "--help"])
def test_a_terminal_without_unicode_shows_other_characters(
    aws: LocalLambdaCore, command: str
) -> None:
    encoding = "env -u LANG PYTHONIOENCODING=cp1252:strict"
    with terminal(f"{encoding} lambdacore {command}", aws, lines=60) as shown:
        if command == "watch":
            shown.wait_for("prod-egress")
            shown.type(CTRL_C)
        shown.wait()
        assert "Traceback" not in shown.text
        shown.output.decode("cp1252")


@pytest.mark.parametrize(("columns", "lines"), [(40, 10), (20, 5), (1, 1), (0, 0)])
def test_a_small_terminal_breaks_no_command(aws: LocalLambdaCore, columns: int, lines: int) -> None:
    size = f"stty columns {columns} rows {lines}; "
    for command in ("list", "get prod-egress"):
        with terminal(f"sh -c '{size} lambdacore {command}; echo status $?'", aws) as small:
            small.wait()
            assert small.text.endswith("status 0")


def test_a_dumb_terminal_gets_no_control_characters(aws: LocalLambdaCore) -> None:
    with terminal("env TERM=dumb lambdacore list", aws) as dumb:
        assert dumb.wait() == 0
        assert b"\x1b" not in dumb.output


def test_colours_can_be_turned_off(aws: LocalLambdaCore) -> None:
    for colours, command in ((True, "lambdacore list"), (False, "env NO_COLOR=1 lambdacore list")):
        with terminal(command, aws) as shown:
            assert shown.wait() == 0
            assert bool(re.search(rb"\x1b\[3\dm", shown.output)) == colours
