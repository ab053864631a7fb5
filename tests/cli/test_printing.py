"""Output never controls the terminal, whatever text the service and files contain."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import pty
import re
import termios
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
from support.commands import COMMAND, Changes, answering, names_of_commands
from support.examples import examples
from support.transports import answer

#: The control sequences that rich itself sends: styles, and cursor moves of progress and tables.
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

#: Every command that prints text of a service or a caller.
COMMANDS = {
    "get": ("get", "name"),
    "get of text": ("get", "TEXT"),
    "lookup": ("lookup", "FILE"),
    "list": ("list",),
    "list in regions": ("list", "--regions", "us-east-1"),
    "lookup in regions": ("lookup", "FILE", "--regions", "us-east-1"),
    "export": ("export", "-", "-o", "csv"),
    "watch": ("watch",),
    "wait": ("wait", "name"),
    "wait of text": ("wait", "TEXT"),
    "delete": ("delete", "name"),
    "delete and wait": ("delete", "name", "--wait"),
    "delete of text": ("delete", "TEXT"),
    "doctor": ("doctor", "name"),
    "ensure": ("ensure", "name"),
    "list as csv": ("list", "-o", "csv"),
    "get as names": ("get", "name", "-o", "name"),
    "versions": ("versions", "name"),
    "update": ("update", "TEXT"),
    "create": ("create", "TEXT", "--configuration", '{"VpcEgressConfiguration": {}}'),
    "tags": ("tags", "list", "TEXT"),
    "runtimes": ("runtimes", "delete", "TEXT", "--yes"),
    "prune": ("prune", "TEXT", "--keep", "1", "--yes"),
    "diff": ("diff", "DECLARED"),
    "usage": ("list", "TEXT"),
    "option": ("list", "--TEXT"),
    "command": ("TEXT",),
    "state": ("list", "--state", "TEXT"),
    "region": ("list", "--region", "TEXT"),
    "profile": ("list", "--profile", "TEXT"),
    "regions": ("list", "--regions", "TEXT"),
    "profiles": ("list", "--profiles", "TEXT"),
    "endpoint": ("list", "--endpoint-url", "http://TEXT"),
    "tag": ("ensure", "name", "--tag", "TEXT"),
    "no file": ("lookup", "/TEXT"),
}

#: The commands among them that call the service.
CALLING = [*COMMANDS][: [*COMMANDS].index("usage")]

ANSWERS = ("a connector", "a state", "a refusal")


def connector(text: str) -> dict[str, object]:
    """Return a connector with this text in all members of free text."""
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
    """Return a response with this text in all members except the given ones."""
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
    """Run a command with this text as input, against a service that sends the same text."""
    file = directory / "identifiers"
    line = re.sub(r"[\r\n]", " ", text)  # in a file, these end the line
    file.write_text(f"{line}\nname", encoding="utf-8", errors="surrogatepass")

    def respond(request: Request) -> Response:
        if answered == "a refusal":
            return refused(text)
        members = {"State": text} if answered == "a state" else {}
        members["Id"] = unquote(request.target.rpartition("/")[2])  # the requested identifier
        return found(text, **members, **({"Name": "name"} if command == "ensure" else {}))

    def watch(client: LambdaCoreClient, *, poll_interval: float) -> Changes:
        state = UnknownValue(text) if answered == "a state" else None
        summary = NetworkConnectorSummary(text, text, text, UnknownValue(text), state)
        return Changes(ConnectorAdded(summary))

    # Arguments of a process cannot contain NUL; undecodable bytes arrive as surrogates.
    given = text.replace("\0", "").encode(errors="surrogatepass").decode(errors="surrogateescape")
    arguments = [
        word.replace("TEXT", given).replace("FILE", str(file)) for word in COMMANDS[command]
    ]
    declared = directory / "declared.json"
    member = {"Name": given, "Configuration": {"VpcEgressConfiguration": {"SubnetIds": [given]}}}
    declared.write_text(json.dumps([member]), encoding="utf-8")
    arguments = [word.replace("DECLARED", str(declared)) for word in arguments]
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
        for answered in (ANSWERS if command in CALLING else ANSWERS[:1])
    ],
)
@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
def test_hostile_text_does_not_control_the_terminal(
    command: str, answered: str, env: dict[str, str] | None, tmp_path: Path
) -> None:
    assert_harmless(run(command, "".join(HOSTILE), answered, tmp_path, env))


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=examples(0.4),
)
@given(
    command=st.sampled_from(sorted(COMMANDS)),
    text=TEXTS,
    answered=st.sampled_from(ANSWERS),
    env=st.sampled_from([None, TERMINAL]),
)
def test_no_text_controls_the_terminal(
    tmp_path: Path, command: str, text: str, answered: str, env: dict[str, str] | None
) -> None:
    assert_harmless(run(command, text, answered, tmp_path, env))


@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", ["get", "list", "ensure", "watch"])
def test_markup_and_emoji_codes_are_printed_unchanged(
    command: str, env: dict[str, str] | None, tmp_path: Path
) -> None:
    text = "[red]x[/red][link=http://a]:smile:"
    assert text in RICH.sub("", run(command, text, "a connector", tmp_path, env).output)


def test_progress_shows_markup_and_emoji_codes_unchanged(tmp_path: Path) -> None:
    text = "[red]x[/red]:smile:"
    result = run("wait of text", text, "a state", tmp_path, TERMINAL)
    assert f"Waiting for {text} {text} {text}" in RICH.sub("", result.stderr)


def test_a_name_cannot_forge_a_line_of_watch(tmp_path: Path) -> None:
    result = run("watch", "a ACTIVE added\nprod ACTIVE deleted\n", "a connector", tmp_path)
    _, line = result.stdout.split(" ", 1)
    assert line == "a ACTIVE added\\nprod ACTIVE deleted\\n - added\n"


def test_a_long_text_is_cut(tmp_path: Path) -> None:
    result = run("watch", "n" * 5_000, "a connector", tmp_path)
    assert result.stdout.endswith(f"Z {'n' * 1_000}... - added\n")


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\ud800" not in text])
@pytest.mark.parametrize("command", ["get", "list", "lookup", "watch"])
@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_json_output_is_printable_ascii_and_keeps_every_text(
    command: str, output: str, text: str, tmp_path: Path
) -> None:
    if (command, output) != ("watch", "json"):
        result = run(command, text, "a connector", tmp_path, options=("--output", output))
        assert all(line.isascii() and line.isprintable() for line in result.stdout.splitlines())
        assert json.dumps(text)[1:-1].replace("\x7f", r"\u007f") in result.stdout


@given(st.lists(TEXTS | st.dictionaries(TEXTS, TEXTS)))
def test_json_round_trips_every_value(value: JSONValue) -> None:
    for indent in (None, 2):
        shown = printing._json(value, indent)
        assert all(line.isascii() and line.isprintable() for line in shown.split("\n"))
        # JSON joins two adjacent surrogates, so compare with the standard library.
        assert json.loads(shown) == json.loads(json.dumps(value))


def test_every_command_that_prints_text_of_others_is_tested() -> None:
    tested = {words[0] for words in COMMANDS.values()}
    assert names_of_commands() - tested == {"demo", "local"}  # these print only their own text


def test_only_the_printing_modules_write_to_the_streams() -> None:
    package = Path(lambdacore_async.cli.__file__).parent
    for file in package.glob("*.py"):
        if file.name in ("printing.py", "screen.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case (
                    ast.Name(id="print" | "stdout" | "stderr")
                    | ast.Attribute(attr="echo" | "secho" | "write")
                ):
                    pytest.fail(f"{file.name}:{node.lineno} bypasses printing.py")
                case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "rich":
                    pytest.fail(f"{file.name}:{node.lineno} bypasses printing.py")
                case _:
                    pass


# Encodings

UNICODE = "caf\xe9 界 \N{ROCKET}"


@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("env", [None, TERMINAL], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", ["get", "lookup", "list", "watch", "wait of text", "usage"])
def test_a_character_missing_in_the_encoding_is_escaped(
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
def test_help_and_frames_use_only_ascii_where_the_encoding_has_no_more(
    arguments: tuple[str, ...], charset: str, env: dict[str, str] | None
) -> None:
    result = CliRunner(charset=charset).invoke(app, arguments, env=env)
    assert_harmless(result)
    assert not re.search(r"\\u2[58]", result.output)  # frames, bars and spinners


@pytest.mark.parametrize("charset", ["ascii", "cp1252", "cp437"])
async def test_a_process_prints_names_and_errors_in_a_strict_encoding(
    service: LocalLambdaCore, charset: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("get", "prod", UNICODE),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": f"{charset}:strict"},
    )
    output, errors = await process.communicate()
    assert process.returncode == 1
    assert b"ACTIVE" in output
    assert UNICODE.encode(charset, "backslashreplace") in errors


# Values behind labels


def folded(text: str, columns: int, indent: int) -> str:
    parent, child = pty.openpty()
    try:
        termios.tcsetwinsize(child, (24, columns))
        with os.fdopen(child, "w", encoding="utf-8") as stream:
            return printing._folding(stream, indent)(text)
    finally:
        os.close(parent)


@given(
    st.lists(st.text("abc-:,", min_size=1, max_size=60), min_size=1),
    st.integers(1, 100),
    st.integers(2, 40),
)
def test_a_terminal_breaks_values_between_words_only(
    words: list[str], columns: int, indent: int
) -> None:
    lines = folded(" ".join(words), columns, indent).split("\n")
    assert " ".join(lines).split() == words
    lines[0] = " " * indent + lines[0]
    assert all(len(line) <= columns or len(line.split()) <= 1 for line in lines)


def test_a_value_that_fits_on_the_next_line_begins_there() -> None:
    arn = "arn:aws:iam::123456789012:role/NetworkConnectorOperator"
    assert folded(arn, 80, 36) == f"\n    {arn}"
    assert folded(arn, 40, 36) == arn
    assert folded(arn, 0, 36) == arn  # a terminal that does not tell its width
