"""Standard streams that are closed, and outputs that cannot be written."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambdacore_async.__main__ import main
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command import streams
from support.commands import COMMAND, run

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has this device")


async def shell(redirection: str, *arguments: str) -> tuple[int | None, str]:
    """Run a command in a shell; return its exit status and what it prints on standard error."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


@pytest.mark.parametrize(
    ("redirection", "problem"),
    [
        pytest.param(f">{FULL}", "No space left on device", marks=needs_full),
        (">&-", "Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("arguments", [("--version",), ("list", "--help"), ("get", "prod")])
async def test_an_output_that_cannot_be_written_is_one_line_and_status_2(
    service: LocalLambdaCore, redirection: str, problem: str, arguments: tuple[str, ...]
) -> None:
    line = f"lambdacore: standard output: {problem}\n"
    assert await shell(redirection, *arguments) == (2, line)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (("get", "prod"), (0, "")),
        (("lookup", "-"), (2, "lambdacore: standard input: Bad file descriptor\n")),
        (("delete", "prod"), (0, "")),
    ],
)
async def test_a_closed_standard_input_matters_only_to_commands_that_read_it(
    service: LocalLambdaCore, arguments: tuple[str, ...], result: tuple[int, str]
) -> None:
    assert await shell("<&-", *arguments) == result


async def test_a_closed_standard_error_takes_only_the_messages(service: LocalLambdaCore) -> None:
    assert await shell("2>&-", "get", "gone") == (1, "")


def test_missing_streams_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    streams.open_missing()
    with sys.stdin, sys.stdout, sys.stderr:
        assert not sys.stdin.isatty()
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.read(sys.stdin.fileno(), 1)
        print("discarded", file=sys.stderr, flush=True)
        print("lost")
        with pytest.raises(OSError, match="Bad file descriptor") as raised:
            streams.flush()
        assert streams.explain(raised.value) == "standard output: Bad file descriptor"
        streams.flush()


@needs_full
@pytest.mark.parametrize("arguments", [("--version",), ("get", "prod")])
async def test_the_last_flush_reports_a_full_disk_too(
    service: LocalLambdaCore,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
) -> None:
    with FULL.open("w") as output:  # noqa: ASYNC230 - a device
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "argv", ["lambdacore", *arguments])
        with pytest.raises(SystemExit) as exited:
            await asyncio.to_thread(main)
    assert exited.value.code == 2
    assert capsys.readouterr().err == "lambdacore: standard output: No space left on device\n"


def test_help_to_a_closed_pipe_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "argv", ["lambdacore", "--version"])
        with pytest.raises(SystemExit) as exited:
            main()
    assert exited.value.code == 141


@needs_full
def test_a_file_that_cannot_be_written_is_named() -> None:
    with pytest.raises(OSError) as raised, FULL.open("wb") as file, streams.naming(FULL):  # noqa: PT011 - by its text below
        file.write(b"lost")
        file.flush()
    assert raised.value.filename is None  # closing the file failed too
    assert streams.explain(raised.value) == "/dev/full: No space left on device"


async def test_an_input_that_cannot_be_read_is_named(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    result = await run("lookup", str(tmp_path))
    assert (result.exit_code, result.stderr) == (2, f"lambdacore: {tmp_path}: Is a directory\n")
