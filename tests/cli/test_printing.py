"""What reaches the terminal: nothing that drives it, whatever the service and files hold."""

from __future__ import annotations

import ast
import asyncio
import io
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import lambdacore_async.cli
from lambdacore_async import ConnectorAdded, LambdaCoreClient, NetworkConnectorSummary, UnknownValue
from lambdacore_async.cli import app, printing
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.messages import Request, Response
from support.commands import COMMAND, Changes, answering
from support.transports import answer

#: What rich itself sends to a terminal: styles, and what keeps progress and tables in their place.
RICH = re.compile(r"\x1b\[[0-9;]*m|\x1b\[2K|\x1b\[1A|\x1b\[\?25[lh]|\r")
TERMINAL = {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "200"}

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b2J\x9d0;title\x9c",
    "\u202egnp.exe\u2066",
    "a\nFORGED added",
    "a\r\nFORGED ACTIVE added",
    "a\u2028\x85\x0b\x0cFORGED",
    "[red]x[/red][link=http://example.com]y[/link]",
    "[/]",
    ":smile: :warning:",
    "\x7f\x00\b\t",
    "\udfff\ud800",
    "{task.description}",
    "\N{ROCKET} caf\xe9 界",
    "x" * 3_000,
]
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=30),
    st.tuples(st.sampled_from(HOSTILE), st.text(max_size=5)).map("".join),
)

#: Every command that prints what a service or a caller says.
COMMANDS = {
    "get": ("get", "name"),
    "get of text": ("get", "TEXT"),
    "lookup": ("lookup", "FILE"),
    "list": ("list",),
    "watch": ("watch",),
    "wait": ("wait", "name"),
    "wait of text": ("wait", "TEXT"),
    "delete": ("delete", "name"),
    "delete and wait": ("delete", "name", "--wait"),
    "delete of text": ("delete", "TEXT"),
    "ensure": ("ensure", "name"),
    "usage": ("list", "TEXT"),
    "option": ("list", "--TEXT"),
    "command": ("TEXT",),
    "state": ("list", "--state", "TEXT"),
    "region": ("list", "--region", "TEXT"),
    "profile": ("list", "--profile", "TEXT"),
    "endpoint": ("list", "--endpoint-url", "http://TEXT"),
    "tag": ("ensure", "name", "--tag", "TEXT"),
    "no file": ("lookup", "/TEXT"),
}

#: Those of them that ask the service.
ASKING = [*COMMANDS][: [*COMMANDS].index("usage")]

ANSWERS = ("a connector", "a state", "a refusal")


def connector(text: str) -> dict[str, object]:
    """A connector with a text in all members that take any."""
    return {
        "Arn": f"arn:aws:lambda:us-east-1:123456789012:network-connector:{text}",
        "Name": text,
        "Id": text,
        "State": "FAILED",
        "StateReason": text,
        "StateReasonCode": text,
        "LastUpdateStatus": text,
        "LastUpdateStatusReason": text,
        "LastUpdateStatusReasonCode": text,
        "OperatorRole": text,
        "Type": text,
        "Configuration": {text: {text: [text, {text: text}]}},
    }


def found(text: str, **members: str) -> Response:
    """An answer with hostile text everywhere but in these members."""
    shown = {**connector(text), **members}
    return answer(200, json.dumps({**shown, "NetworkConnectors": [shown]}).encode())


def refused(text: str) -> Response:
    body = json.dumps({"code": text, "message": text, "Message": text}).encode()
    return answer(400, body)


def run(
    command: str,
    text: str,
    answered: str,
    directory: Path,
    env: dict[str, str] | None = None,
    options: Sequence[str] = (),
    charset: str = "utf-8",
) -> Result:
    """Run a command with a text from a service that sends nothing else."""
    file = directory / "identifiers"
    line = re.sub(r"[\r\n]", " ", text)  # in a file, they do end a line
    file.write_text(f"{line}\nname", encoding="utf-8", errors="surrogatepass")

    def respond(request: Request) -> Response:
        if answered == "a refusal":
            return refused(text)
        members = {"State": text} if answered == "a state" else {}
        members["Id"] = unquote(request.target.rpartition("/")[2])  # what was asked for
        return found(text, **members, **({"Name": "name"} if command == "ensure" else {}))

    def watch(client: LambdaCoreClient, *, poll_interval: float) -> Changes:
        state = UnknownValue(text) if answered == "a state" else None
        summary = NetworkConnectorSummary(text, text, text, UnknownValue(text), state)
        return Changes(ConnectorAdded(summary))

    # What a program can be given: no NUL, and of what is no text, bytes.
    given = text.replace("\0", "").encode(errors="surrogatepass").decode(errors="surrogateescape")
    arguments = [
        word.replace("TEXT", given).replace("FILE", str(file)) for word in COMMANDS[command]
    ]
    with pytest.MonkeyPatch.context() as patch:
        answering(patch, respond)
        patch.setattr(LambdaCoreClient, "watch_network_connectors", watch)
        return CliRunner(charset=charset).invoke(app, [*arguments, *options], env=env)


def assert_harmless(result: Result) -> None:
    for stream in (result.stdout, result.stderr):
        for line in RICH.sub("", stream).split("\n"):
            assert line.isprintable()
            assert not line.startswith("FORGED")
    assert isinstance(result.exception, SystemExit | None)


@pytest.mark.parametrize(
    ("command", "answered"),
    [
        (command, answered)
        for command in COMMANDS
        for answered in (ANSWERS if command in ASKING else ANSWERS[:1])
    ],
)
@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
def test_no_text_of_others_drives_a_terminal(
    command: str, answered: str, env: dict[str, str] | None, tmp_path: Path
) -> None:
    assert_harmless(run(command, "".join(HOSTILE), answered, tmp_path, env))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
@given(
    command=st.sampled_from(sorted(COMMANDS)),
    text=TEXTS,
    answered=st.sampled_from(ANSWERS),
    env=st.sampled_from([None, TERMINAL]),
)
def test_no_text_at_all_drives_a_terminal(
    tmp_path: Path, command: str, text: str, answered: str, env: dict[str, str] | None
) -> None:
    assert_harmless(run(command, text, answered, tmp_path, env))


@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", ["get", "list", "ensure", "watch"])
def test_markup_and_emoji_codes_are_shown_as_they_are(
    command: str, env: dict[str, str] | None, tmp_path: Path
) -> None:
    text = "[red]x[/red][link=http://a]:smile:"
    assert text in RICH.sub("", run(command, text, "a connector", tmp_path, env).stdout)


def test_the_progress_shows_markup_and_emoji_codes_as_they_are(tmp_path: Path) -> None:
    text = "[red]x[/red]:smile:"
    result = run("wait of text", text, "a state", tmp_path, TERMINAL)
    assert f"Waiting for {text} {text} {text}" in RICH.sub("", result.stderr)


def test_a_name_forges_no_line_of_watch(tmp_path: Path) -> None:
    result = run("watch", "a ACTIVE added\nprod ACTIVE deleted\n", "a connector", tmp_path)
    assert result.stdout == "a ACTIVE added\\nprod ACTIVE deleted\\n  added\n"


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    result = run("watch", "n" * 5_000, "a connector", tmp_path)
    assert result.stdout == f"{'n' * 1_000}...  added\n"


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
@pytest.mark.parametrize("command", ["get", "list", "lookup", "watch"])
@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_json_keeps_every_text_in_printable_ascii(
    command: str, output: str, text: str, tmp_path: Path
) -> None:
    if (command, output) != ("watch", "json"):
        result = run(command, text, "a connector", tmp_path, options=("--output", output))
        assert all(line.isascii() and line.isprintable() for line in result.stdout.splitlines())
        assert json.dumps(text)[1:-1].replace("\x7f", r"\u007f") in result.stdout


@given(st.lists(TEXTS | st.dictionaries(TEXTS, TEXTS)))
def test_json_keeps_every_text(value: JSONValue) -> None:
    for indent in (None, 2):
        shown = printing._json(value, indent)
        assert all(line.isascii() and line.isprintable() for line in shown.split("\n"))
        # Two halves of a pair that JSON would join are no text.
        assert json.loads(shown) == json.loads(json.dumps(value))


def test_only_one_module_writes_to_the_streams() -> None:
    package = Path(lambdacore_async.cli.__file__).parent
    for file in package.glob("*.py"):
        if file.name == "printing.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Name(id="print" | "stdout" | "stderr")
                    | ast.Attribute(attr="echo" | "secho" | "write")
                ):
                    pytest.fail(f"{file.name}:{node.lineno} prints past printing.py")
                case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "rich":
                    pytest.fail(f"{file.name}:{node.lineno} prints past printing.py")
                case _:
                    pass


# Encodings

UNICODE = "caf\xe9 界 \N{ROCKET}"


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", ["get", "lookup", "list", "watch", "wait of text", "usage"])
def test_a_character_that_the_encoding_lacks_is_written_as_an_escape(
    command: str, env: dict[str, str] | None, charset: str, tmp_path: Path
) -> None:
    result = run(command, UNICODE, "a connector", tmp_path, env, charset=charset)
    assert_harmless(result)
    shown = UNICODE.encode(charset, "backslashreplace").decode(charset)
    assert shown in RICH.sub("", result.output)


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("lookup", "--help"), ("demo",), ("list", "--state", UNICODE), (UNICODE,), ()],
)
@pytest.mark.parametrize("charset", ["ascii", "cp1252"])
@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
def test_help_and_frames_need_no_more_than_ascii(
    arguments: tuple[str, ...], charset: str, env: dict[str, str] | None
) -> None:
    result = CliRunner(charset=charset).invoke(app, arguments, env=env)
    assert_harmless(result)
    assert not re.search(r"\\u2[58]", result.output)  # frames, bars and spinners


async def test_a_process_in_ascii_prints_names_and_errors(service: LocalLambdaCore) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("get", "prod", UNICODE),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors) == (1, b"")
    assert rb"caf\xe9 \u754c \U0001f680" in output


def test_streams_that_cannot_be_changed_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    printing.prepare_streams()
