"""Every piece of Python in README and docs runs as it stands, against an embedded service."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lambdacore_async import Credentials
from lambdacore_async.cli import app
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.protocol import endpoints

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    file.name: file.read_text(encoding="utf-8")
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


def blocks(language: str) -> list[Any]:
    """The blocks in a language, each with the place where it begins as its name."""
    return [
        pytest.param(match[1], id=f"{name}:{text.count(chr(10), 0, match.start()) + 1}")
        for name, text in DOCUMENTS.items()
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def run(code: str) -> None:
    """Run a piece of code in this thread; if it awaits at its top level, on a loop of its own."""
    compiled = compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, {"__name__": "readme"})  # noqa: S307 - our own text
    if inspect.iscoroutine(result):
        asyncio.run(result)


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalLambdaCore]:
    """What stands in for AWS: below the client, and with what the README's names stand for."""
    async with LocalLambdaCore() as service:
        local = endpoints.resolve(service.region, endpoint_url=service.endpoint_url)
        resolve = endpoints.resolve

        def resolve_to_local(
            region: str, *, endpoint_url: str | None = None, **options: Any
        ) -> endpoints.Endpoint:
            if endpoint_url is None:
                return local
            return resolve(region, endpoint_url=endpoint_url, **options)

        monkeypatch.setattr(endpoints, "resolve", resolve_to_local)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", service.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", service.credentials.secret_access_key)
        service.accept(Credentials("AKIDEXAMPLE", "made-up"))
        for number in range(30):
            service.state.put_network_connector(f"egress-{number}")
        for name in ("prod-egress", "old-egress"):
            service.state.put_network_connector(name)
        service.state.put_network_connector(
            "staging-egress",
            state=NetworkConnectorState.FAILED,
            state_reason_code=NetworkConnectorStateReasonCode.INVALID_SUBNET,
        )
        yield service


@pytest.mark.parametrize("code", blocks("python"))
async def test_the_code_runs_as_it_stands(
    code: str,
    service: LocalLambdaCore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "import pytest" not in code:
        await asyncio.to_thread(run, code)
        assert service.calls["UnknownOperation"] == 0
        assert service.calls.total() > 0 or "LocalLambdaCore" in code
        assert ("print(" in code) == bool(capsys.readouterr().out)
        return
    (tmp_path / "test_users.py").write_text(code, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    users = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_users.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert users.returncode == 0, users.stdout + users.stderr
    assert "1 passed" in users.stdout


def test_the_code_covers_what_the_contents_promise() -> None:
    assert len(blocks("python")) >= 10


@pytest.mark.parametrize(
    "line", re.findall(r"^lambdacore (.*)$", README, re.MULTILINE), ids=lambda line: line.split()[0]
)
def test_each_command_exists_with_its_options(line: str) -> None:
    command, *arguments = shlex.split(line, comments=True)
    options = [argument for argument in arguments if argument.startswith("--")]
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert [option for option in options if option not in shown.output] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_link_leads_somewhere(name: str) -> None:
    text = DOCUMENTS[name]
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    home = ROOT if name == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        place = target.partition("#")[0]
        assert target[1:] in anchors if target[0] == "#" else (home / place).is_file()
