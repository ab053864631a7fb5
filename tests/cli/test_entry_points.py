"""`python -m lambdacore_async`, and the command `lambdacore`."""

from __future__ import annotations

import importlib
import re
import runpy
import sys
from typing import Any

import pytest

from lambdacore_async.__main__ import main
from lambdacore_async._version import VERSION
from lambdacore_async.models.network_connectors import (
    NetworkConnectorStateReasonCode,
)

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
boto3: Any = importlib.import_module("boto3")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in tuple(sys.modules):
        if name.partition(".")[0] == missing or name.startswith("lambdacore_async.cli"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(SystemExit) as exited:
        main()
    output, complaints = capsys.readouterr()
    assert (exited.value.code, output) == (2, "")
    assert complaints == (f"lambdacore needs {missing}: pip install 'lambdacore-async[cli]'\n")


def test_a_module_of_our_own_that_is_missing_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lambdacore_async.cli", None)
    with pytest.raises(ModuleNotFoundError, match=re.escape("lambdacore_async.cli")):
        main()


def test_python_m_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "lambdacore_async.__main__")
    monkeypatch.setattr(sys, "argv", ["lambdacore", "--version"])
    with pytest.raises(SystemExit) as exited:
        runpy.run_module("lambdacore_async", run_name="__main__", alter_sys=True)
    assert exited.value.code == 0
    assert VERSION in capsys.readouterr().out
