"""The Python blocks and commands of the README and docs run unchanged against the emulator."""

from __future__ import annotations

import asyncio
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lambdacore_async import Credentials, to_dict
from lambdacore_async.cli import app
from lambdacore_async.cli.demo import seed, seed_named
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol import endpoints
from support.commands import COMMAND, names_of_commands, variables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    file.name: file.read_text(encoding="utf-8")
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}


def blocks(language: str) -> list[Any]:
    """Return the blocks in a language, each with its document, whose name and line are its id."""
    return [
        pytest.param(match[1], text, id=f"{name}:{text.count(chr(10), 0, match.start()) + 1}")
        for name, text in DOCUMENTS.items()
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalLambdaCore]:
    """Replace AWS, below the client, by an emulator with the connectors that the README uses."""
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
        monkeypatch.setenv("AWS_REGION", service.region)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", service.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", service.credentials.secret_access_key)
        service.accept(Credentials("AKIDEXAMPLE", "made-up"))
        seed_named(service)
        seed(service, 30)
        yield service


@pytest.mark.parametrize(("code", "document"), blocks("python"))
async def test_each_block_of_python_runs_unchanged(
    code: str,
    document: str,
    service: LocalLambdaCore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for module in ("pandas", "polars"):  # heavy; the extra `docs` has them
        if f"import {module}" in code:
            pytest.importorskip(module)
    if "def test_" not in code:
        file = tmp_path / "program.py"
        file.write_text(code, encoding="utf-8")
        await asyncio.to_thread(runpy.run_path, str(file), run_name="__main__")
        assert service.calls["UnknownOperation"] == 0
        calls = "asyncio.run(" in code and "LocalLambdaCore" not in code
        assert service.calls.total() > 0 or not calls
        assert ("print(" in code) == bool(capsys.readouterr().out)
        return
    for name, module in re.findall(
        r"^<!-- file: (\S+) -->\n+```python\n(.*?)^```$", document, re.MULTILINE | re.DOTALL
    ):
        (tmp_path / name).write_text(module, encoding="utf-8")
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


def test_the_documents_contain_python() -> None:
    assert len(blocks("python")) >= 10


#: The commands of shell blocks that no test here runs, and why.
NOT_RUN = {
    "python3 -m venv": "it installs pip, which takes long; `.ci/run` runs it",
    ".venv/bin/activate": "it needs the former",
    "pip install": "it needs a package index; `.ci/run` installs the package and its extras",
    "-m pytest": "the tests would run themselves; `.ci/run` runs this command of the README",
    "benchmarks/all.py": "it takes minutes",
    "lambdacore watch": "it runs until Ctrl-C; `tests/cli` tests it",
    "lambdacore local": "the same",
}


def is_run(command: str) -> bool:
    return not any(text in command for text in NOT_RUN)


#: The shell blocks, also of pages outside `docs`.
SHELL = [
    match[1].replace("\\\n", "")
    for text in (
        *DOCUMENTS.values(),
        *((ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "benchmarks/README.md")),
    )
    for match in re.finditer(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
]
#: The blocks of commands that use `lambdacore`.
COMMANDS = [block for block in SHELL if re.search(r"^lambdacore", block, re.MULTILINE)]
LINES = [line for block in COMMANDS for line in block.splitlines()]
#: The runnable commands of the other blocks.
STEPS = [
    step.strip()
    for block in SHELL
    if block not in COMMANDS
    for line in block.splitlines()
    for step in line.partition("#")[0].split("&&")
    if is_run(step)
]


@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize("step", STEPS)
def test_the_steps_of_other_shell_blocks_run(step: str, tmp_path: Path) -> None:
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    # The tests' own command, in place of the environment that the steps before would make.
    (commands / "lambdacore").symlink_to(Path(sys.executable).with_name("lambdacore"))
    ran = subprocess.run(  # noqa: S603 - the documents' own commands
        ["bash", "-c", step],  # noqa: S607 - bash is where the system has it
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_each_extra_that_the_documents_install_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = "\n".join((*DOCUMENTS.values(), *SHELL))
    named = set(re.findall(r"pip install[^\n]*(?:lambdacore-async|\.)\[(\w+)\]", text))
    assert named
    assert named <= project["optional-dependencies"].keys()


@pytest.mark.parametrize("line", LINES)
def test_each_command_and_its_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)
    if "lambdacore" not in words:
        return
    command, *arguments = words[words.index("lambdacore") + 1 :]
    options = [argument for argument in arguments if argument.startswith("--")]
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert [option for option in options if option not in shown.output] == []


def test_the_documents_show_every_command() -> None:
    text = "\n".join(LINES)
    assert {name for name in names_of_commands() if f"lambdacore {name}" not in text} == set()


async def test_the_commands_run_unchanged(
    service: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA_CORE", service.endpoint_url)
    monkeypatch.setenv("AWS_REGION", service.region)
    monkeypatch.chdir(tmp_path)
    for line in LINES:
        before, named, after = line.partition("lambdacore ")
        arguments = shlex.split(after, comments=True)
        if not is_run(line):
            continue
        shell = before.rstrip(" |") or "true"
        writer = await asyncio.create_subprocess_exec("bash", "-c", shell, stdout=subprocess.PIPE)
        piped, _ = await writer.communicate()
        if named:
            result = await asyncio.to_thread(run_with_input, arguments, piped)
            assert result.exit_code == 0, f"{line}\n{result.output}"
    assert service.calls["UpdateNetworkConnector"] == 1  # of `update`; `ensure` found no difference
    assert service.calls["DeleteNetworkConnector"] == 1


def run_with_input(arguments: list[str], data: bytes) -> Result:
    """Run a command with this data on standard input."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        return CliRunner().invoke(app, arguments)
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading):
            os.close(descriptor)


@pytest.mark.parametrize(
    ("subnet", "status", "output"),
    [
        ("subnet-0123456789abcdef0", 0, ""),
        ("subnet-0a1b", 0, "differences: [\n"),
        ('"', 2, ""),  # no JSON any more
    ],
)
async def test_the_script_tells_differences_from_a_wrong_file(
    service: LocalLambdaCore, tmp_path: Path, subnet: str, status: int, output: str
) -> None:
    (script,) = (block.values[0] for block in blocks("bash"))
    connector = service.state.put_network_connector("scripted")
    declared = to_dict(connector)
    text = json.dumps({name: declared[name] for name in ("Name", "Configuration", "OperatorRole")})
    (tmp_path / "connectors.yaml").write_text(text.replace("subnet-0123456789abcdef0", subnet))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f'lambdacore() {{ {shlex.join(COMMAND)} "$@"; }}\n{script}'),
        cwd=tmp_path,
        env={**os.environ, **variables(service)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    assert process.returncode == status, errors
    assert printed.decode().startswith(output)
    assert bool(printed) == bool(output)


async def test_the_ensure_command_also_creates_a_connector(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA_CORE", service.endpoint_url)
    monkeypatch.setenv("AWS_REGION", service.region)
    (line,) = [line for line in LINES if "ensure prod-egress" in line]
    _, *arguments = shlex.split(line.replace("prod-egress", "new-egress"))
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"SubnetIds +subnet-0a1b, subnet-0c2d", result.stdout)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_each_link_has_a_target(name: str) -> None:
    text = DOCUMENTS[name]
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    home = ROOT if name == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", text):
        place = target.partition("#")[0]
        assert target[1:] in anchors if target[0] == "#" else (home / place).is_file()
