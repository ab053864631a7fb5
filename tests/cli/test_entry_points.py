"""`python -m lambdacore_async` and the `lambdacore` command."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

import lambdacore_async
from lambdacore_async._version import VERSION
from lambdacore_async.protocol.messages import Response
from lambdacore_async_command import main
from support.commands import answering

LISTING = b'{"NetworkConnectors": [{"Arn": "x", "Name": "x", "Id": "x", "Type": "VPC_EGRESS"}]}'


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in tuple(sys.modules):
        if name.partition(".")[0] == missing or name.startswith(
            ("lambdacore_async.cli", "lambdacore_async_command.")
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    answering(monkeypatch, lambda _: Response(200, {}, LISTING))
    monkeypatch.setattr(sys, "argv", ["lambdacore", "list"])
    with pytest.raises(SystemExit) as exited:
        main()
    output, errors = capsys.readouterr()
    assert (exited.value.code, output) == (2, "")
    assert errors == (
        f"lambdacore: {missing} is not installed; run: pip install 'lambdacore-async[cli]'\n"
    )


def test_a_missing_module_of_the_package_is_not_reported_as_a_missing_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "lambdacore_async.cli.lookups", None)
    monkeypatch.setattr(sys, "argv", ["lambdacore", "list"])
    with pytest.raises(ModuleNotFoundError, match=re.escape("lambdacore_async.cli.lookups")):
        main()


def test_ctrl_c_before_a_command_runs_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Mock(app=Mock(side_effect=KeyboardInterrupt))
    monkeypatch.setitem(sys.modules, "lambdacore_async_command.root", root)
    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 130


def test_python_m_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As a file: pytest loads the modules of an installed plugin in a way that `run_module` lacks.
    file = Path(lambdacore_async.__file__).with_name("__main__.py")
    monkeypatch.setattr(sys, "argv", ["lambdacore", "--version"])
    with pytest.raises(SystemExit) as exited:
        runpy.run_path(str(file), run_name="__main__")
    assert exited.value.code == 0
    assert VERSION in capsys.readouterr().out
