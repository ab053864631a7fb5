"""The tree of commands: what starting it costs, its help, and its completion."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from lambdacore_async.cli import app
from lambdacore_async.cli.options import Format
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command.root import COMMANDS, _Converter, _without_pydantic, load

#: Prints the modules that a command imports.
_IMPORTS = """
import json, sys
from lambdacore_async_command import main
try:
    main()
except SystemExit:
    pass
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(*arguments: str) -> set[str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", _IMPORTS, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_the_version_and_the_help_import_neither_the_package_nor_rich(argument: str) -> None:
    assert not {"lambdacore_async", "aiohttp", "rich", "asyncio"} & imported(argument)


def test_a_command_imports_neither_the_emulator_nor_yaml() -> None:
    assert not {"lambdacore_async.local", "yaml", "jmespath", "botocore"} & imported("list", "-h")


async def test_a_get_imports_only_what_it_needs(service: LocalLambdaCore) -> None:
    modules = await asyncio.to_thread(imported, "get", "prod", "-o", "json")
    assert {"lambdacore_async.client", "aws_requests_auth"} <= modules
    unneeded = {
        *("jmespath", "markdown_it", "pydantic", "pygments", "rich", "yaml"),
        "lambdacore_async.cli.operations",
        "lambdacore_async.cli.screen",
        "lambdacore_async.local",
        "lambdacore_async.models.remedies",
        "lambdacore_async.models.runtimes",
        "lambdacore_async.protocol.operations.table",
        "lambdacore_async.workflows.factory",
    }
    assert not unneeded & modules


@pytest.mark.parametrize(
    ("kind", "value", "converted"),
    [
        (str, None, None),
        (str, "x", "x"),
        (list[str], ("x", "y"), ["x", "y"]),
        (Format, "json", Format.JSON),
        (Format, Format.CSV, Format.CSV),
        (Format, "JSON", "by typer"),
        (int, "1", "by typer"),
    ],
)
def test_texts_and_choices_are_converted_without_typer(
    kind: object, value: object, converted: object
) -> None:
    typers = Mock()
    typers.coerce.return_value = "by typer"
    parameter = SimpleNamespace(multiple=False, nargs=1)
    assert _Converter(lambda: typers, kind).coerce(value, parameter, None) == converted


def test_a_list_that_is_not_given_is_empty() -> None:
    for parameter in (SimpleNamespace(multiple=True), SimpleNamespace(multiple=False, nargs=-1)):
        assert _Converter(lambda: None, list[str]).coerce(None, parameter, None) == ()


def test_parameters_of_an_older_typer_are_left_alone() -> None:
    older = SimpleNamespace(name="output")
    assert _without_pydantic([older]) == [SimpleNamespace(name="output")]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_the_help_exists(name: str) -> None:
    assert load(name).get_short_help_str()
    assert CliRunner().invoke(app, [name, "-h"]).exit_code == 0


def test_without_a_command_the_help_is_printed() -> None:
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.stderr) == (2, help_text)


def test_output_that_is_no_text_stream_of_a_file_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    with pytest.raises(SystemExit):
        app(["--version"])
    assert stream.getvalue().startswith("lambdacore-async ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    shown = CliRunner().invoke(app, ["--show-completion", shell])
    assert shown.exit_code == 0
    assert "_COMPLETE" in shown.stdout


def test_names_of_commands_are_completed_without_the_package() -> None:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", _IMPORTS],
        env={
            "_LAMBDACORE_COMPLETE": "complete_bash",
            "COMP_WORDS": "lambdacore ru",
            "COMP_CWORD": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["runtimes"]
    assert "lambdacore_async" not in json.loads(done.stderr.splitlines()[-1])
