"""The help of every command, and its examples, which run against an emulator."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

from lambdacore_async.cli import app
from lambdacore_async.cli.demo import seed_named
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command.help import Command
from lambdacore_async_command.root import COMMANDS, load
from support.commands import COMMAND, run, start, variables


def walk(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield a command and the commands in it, each with its path."""
    yield path, command
    if isinstance(command, TyperGroup):
        for name, each in command.commands.items():
            yield from walk((*path, name), each)


ALL = dict(entry for name in COMMANDS for entry in walk((name,), load(name)))
#: Commands that run until Ctrl-C.
ENDLESS = {("watch",), ("local",)}
PATHS = [pytest.param(path, id=" ".join(path)) for path in ((), *ALL)]


def help_of(path: tuple[str, ...], columns: int = 80) -> str:
    shown = CliRunner().invoke(
        app, [*path, "--help"], env={"COLUMNS": str(columns)}, prog_name="lambdacore"
    )
    assert (shown.exit_code, shown.stderr) == (0, "")
    return shown.stdout


def examples_of(path: tuple[str, ...]) -> list[str]:
    text = re.search(r"^Examples:\n((?:  .*\n)+)\n", help_of(path), re.MULTILINE)
    assert text, f"{path} has no examples"
    return text[1].replace("\\\n", "").splitlines()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("columns", [80, 160])
def test_the_help_fits_and_has_examples_first(path: tuple[str, ...], columns: int) -> None:
    text = help_of(path, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert re.findall(r"^(\w[\w ]*):", text, re.MULTILINE)[:2] == ["Usage", "Examples"]
    assert re.search(r"\n  Exit status +0 success, 1 ", text)
    assert re.search(r"\n  Documentation +docs/command-line.md ", text)


@pytest.mark.parametrize("path", ALL)
def test_values_have_standard_names_and_no_type_of_python(path: tuple[str, ...]) -> None:
    assert not re.search(r"<\w|range|<=", help_of(path))
    for parameter in ALL[path].params:
        if parameter.param_type_name == "argument" or not parameter.is_flag:
            assert re.fullmatch(r"[A-Z_]+(,\.\.\.|=VALUE|\[:[A-Z]+\])?", parameter.metavar)


@pytest.mark.parametrize(
    ("line", "help_has"),
    [
        ("get", "-o, --output FORMAT   Output format: table, json, jsonl, csv, name."),
        ("prune", "Number of newest versions to keep. [required]"),
        ("watch", "Polling interval in seconds. [default: 10]"),
        ("local", "--verify / --no-verify     Verify signatures, or accept any credentials and"),
        ("local", "[env: LAMBDACORE_LOCAL_ACCESS_KEY_ID]"),
        ("get", "Usage: lambdacore get [OPTIONS] IDENTIFIER..."),
        ("ensure", "Usage: lambdacore ensure [OPTIONS] [NAME]"),
    ],
)
def test_the_help_says(line: str, help_has: str) -> None:
    assert help_has in help_of((line,))


def test_a_command_without_examples_or_descriptions_has_a_help_too() -> None:
    def bare(place: str, *, level: int = 3) -> None: ...

    group = typer.Typer(rich_markup_mode=None, add_completion=False)
    group.command(cls=Command)(bare)
    shown = CliRunner().invoke(group, ["--help"]).stdout
    assert "Examples" not in shown
    assert shown.startswith("Usage: bare [OPTIONS] PLACE\n")
    assert re.search(r"\nArguments:\n  PLACE *\n", shown)
    assert re.search(r"\n  --level LEVEL +\[default: 3\]\n", shown)


async def test_choices_are_taken_in_any_letter_case(service: LocalLambdaCore) -> None:
    for state in ("failed", "FAILED", "Failed"):
        listed = await run("list", "--state", state, "-o", "NAME")
        assert (listed.exit_code, listed.stdout) == (0, "full\n")
    for words in (
        ("wait", "prod", "--for", "Active", "-o", "Json"),
        ("ensure", "prod", "--network-protocol", "ipv4", "--compute", "MICROVM"),
        ("versions", "prod", "--state", "active"),
    ):
        assert (await run(*words)).exit_code == 0


@pytest.fixture
async def seeded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[LocalLambdaCore]:
    """What `lambdacore local` serves; the environment and the directory point to it."""
    async with LocalLambdaCore(
        provisioning_seconds=0, update_seconds=0, deletion_seconds=0
    ) as service:
        seed_named(service)
        for name, value in variables(service).items():
            monkeypatch.setenv(name, value)
        program = tmp_path / "bin" / "lambdacore"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        monkeypatch.chdir(tmp_path)
        yield service


def save(file: str, text: str) -> None:
    Path(file).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("path", [path for path in PATHS if path.values[0] not in ENDLESS])
async def test_the_examples_work_with_the_connectors_of_local(
    path: tuple[str, ...], seeded: LocalLambdaCore
) -> None:
    lines = examples_of(path)
    if "|" in "".join(lines):
        arguments = ("-euo", "pipefail", "-c", "\n".join(lines))
        assert await (await asyncio.create_subprocess_exec("bash", *arguments)).wait() == 0
        return
    values: dict[str, str] = {}
    for line in lines:
        # Most lines run in this process, which is ten times as fast as a shell that starts others.
        assignment = re.fullmatch(r"  (\w+)=(.*)", line)
        command = Template(assignment[2] if assignment else line).safe_substitute(values)
        words = shlex.split(command.removeprefix("$(").removesuffix(")"), comments=True)
        if assignment and words[0] != "lambdacore":
            (values[assignment[1]],) = words
            continue
        file = None
        if ">" in words:
            place = words.index(">")
            _, file = words[place : place + 2]
            del words[place : place + 2]
        result = await run(*words[1:])
        # The emulator has a connector that failed, and `doctor` says so.
        expected = 1 if "staging-egress" in words and path == ("doctor",) else 0
        assert result.exit_code == expected, f"{line}\n{result.output}"
        if assignment:
            values[assignment[1]] = result.stdout.strip()
        if file:
            save(file, result.stdout)


@pytest.mark.parametrize("line", [line for path in sorted(ENDLESS) for line in examples_of(path)])
async def test_the_examples_that_run_until_ctrl_c_work(line: str, seeded: LocalLambdaCore) -> None:
    _, *words = shlex.split(line)
    words += ["--port", "0"] if "local" in words else []
    process = await start(*words)
    assert process.stdout
    assert await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode == 130
