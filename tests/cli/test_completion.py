"""Completion in a shell: values of arguments and options, quickly, and never a word of an error."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lambdacore_async import NetworkConnectorState
from lambdacore_async.cli import app, completing
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command import completion
from support.commands import variables

SAFE = re.compile(r"[A-Za-z0-9_.@+:/-]+")


def request(words: str, shell: str = "bash") -> dict[str, str]:
    """Return the variables with which a shell asks to complete the last word."""
    line = f"lambdacore {words}"
    return {
        "_LAMBDACORE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


def complete(words: str, shell: str = "bash") -> list[str]:
    result = CliRunner().invoke(app, [], env=request(words, shell), prog_name="lambdacore")
    assert (result.exit_code, result.stderr) == (0, "")
    return [line for line in result.stdout.splitlines() if line]  # typer ends with a line break


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "lambdacore-async" / "completion"


@pytest.fixture
def connectors(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalLambdaCore]:
    monkeypatch.setattr(completing, "_PATIENCE", 60.0)  # for a machine that is busy
    with LocalLambdaCore().in_thread() as service:
        for name, value in variables(service).items():
            monkeypatch.setenv(name, value)
        for name in ("prod-egress", "prod-other", "staging"):
            service.state.put_network_connector(name)
        yield service


@pytest.mark.parametrize(
    "command", ["get", "delete", "wait", "update", "doctor", "versions", "prune", "ensure"]
)
def test_names_of_connectors_are_completed(command: str, connectors: LocalLambdaCore) -> None:
    assert complete(f"{command} prod-") == ["prod-egress", "prod-other"]
    assert complete(f"{command} --region us-east-1 s") == ["staging"]


@pytest.mark.parametrize("command", ["get", "versions list", "aliases get", "delete"])
def test_names_of_runtimes_are_completed(command: str, connectors: LocalLambdaCore) -> None:
    connectors.state.put_runtime("python")
    assert complete(f"runtimes {command} --region us-east-1 py") == ["python"]
    assert complete("get p") == ["prod-egress", "prod-other"]  # each kind has its listing
    assert complete(f"runtimes {command} --region eu-no") == ["eu-north-1"]
    assert complete("tags list --region eu-no") == ["eu-north-1"]


def test_names_on_the_command_line_are_not_offered_again(connectors: LocalLambdaCore) -> None:
    assert complete("get staging prod-egress ") == ["prod-other"]
    assert complete("delete staging --yes ") == ["prod-egress", "prod-other"]


def test_each_shell_gets_its_own_form(connectors: LocalLambdaCore) -> None:
    assert complete("get s", "fish") == ["staging"]
    assert complete("get s", "zsh") == ["""_arguments '*: :(("staging"))'"""]


def test_the_values_of_other_options_are_completed_by_the_command_itself(
    connectors: LocalLambdaCore,
) -> None:
    assert complete("get --output js") == ["json", "jsonl"]
    assert complete("get --output json s") == ["staging"]
    assert "--region" in complete("get --re")
    assert complete("runtimes li") == ["list"]
    assert complete("local --po") == ["--port"]
    assert complete("export ") == []  # and the shell completes the names of files


def test_a_listing_is_used_for_30_seconds_and_only_by_the_user(
    connectors: LocalLambdaCore, cache: Path
) -> None:
    for _ in range(3):
        assert complete("get s") == ["staging"]
    assert connectors.calls == {"ListNetworkConnectors": 1}
    (file,) = cache.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    old = time.time() - 31
    os.utime(file, (old, old))
    connectors.state.put_network_connector("stable")
    assert complete("get sta") == ["staging", "stable"]


def test_other_places_have_other_files_and_old_ones_are_deleted(
    connectors: LocalLambdaCore, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete("get s")
    assert complete("get --region eu-west-1 s") == []  # it is not signed for this emulator
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    assert complete("get s") == []
    files = list(cache.iterdir())
    assert len(files) == 3
    for file in files:
        os.utime(file, (0, 0))
    complete("get s")
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("content", [b"nonsense", b"\xff", b'[1, null, [], "a;b", "staging"]'])
def test_a_damaged_file_does_no_harm(
    connectors: LocalLambdaCore, cache: Path, content: bytes
) -> None:
    complete("get s")
    (file,) = cache.iterdir()
    file.write_bytes(content)
    assert complete("get s") == ["staging"]


def test_a_cache_that_cannot_be_written_is_done_without(
    connectors: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert complete("get s") == ["staging"]


def test_a_listing_that_takes_too_long_ends_and_is_not_repeated(
    connectors: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completing, "_PATIENCE", 0.0)
    assert complete("get s") == []
    assert complete("get s") == []
    assert connectors.calls["ListNetworkConnectors"] <= 1


def test_failures_print_nothing_at_all(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lambdacore_async_command import main; main()"],
        env={
            **request("get p"),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_PROFILE": "nope",
            "XDG_CACHE_HOME": str(tmp_path),
        },
        capture_output=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == (b"", b"")


@given(st.lists(st.text(max_size=8) | st.from_regex(SAFE, fullmatch=True)))
def test_only_names_without_a_meaning_for_shells_are_offered(names: list[str]) -> None:
    safe = completion._safe(names)
    assert safe == list(dict.fromkeys(name for name in names if SAFE.fullmatch(name)))


def test_a_fresh_name_needs_neither_the_package_nor_rich(connectors: LocalLambdaCore) -> None:
    complete("get s")
    program = (
        "import json, sys\n"
        "from lambdacore_async_command import main\n"
        "try:\n    main()\n"
        "finally:\n    print(json.dumps(list(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", program],
        env={**os.environ, **request("get s")},
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"staging\n"
    assert not {"lambdacore_async", "asyncio", "rich"} & set(json.loads(done.stderr))


# Other values


def test_states_are_those_of_connectors() -> None:
    assert list(NetworkConnectorState) == list(completion.STATES)
    assert complete("list --state DELET") == ["DELETING", "DELETE_FAILED"]
    assert complete("versions --state PEND") == ["PENDING"]


def test_regions_are_completed_alone_and_in_lists() -> None:
    assert complete("get --region eu-no") == ["eu-north-1"]
    assert complete("get --region=eu-no") == ["eu-north-1"]
    assert complete("list --regions eu-north-1,eu-no") == []
    assert complete("list --output json --regions sa-east-1,eu-no") == ["sa-east-1,eu-north-1"]


def test_profiles_are_those_of_both_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config, credentials = tmp_path / "config", tmp_path / "credentials"
    config.write_text("[default]\n[profile dev]\nx = [no]\n[sso-session sso]\n[profile a;b]\n")
    credentials.write_text("[dev]\n[ops]\n[\x1b[2J]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    assert complete("get --profile ") == ["default", "dev", "ops"]
    assert complete("list --profiles dev,") == ["dev,default", "dev,ops"]
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert complete("get --profile ") == ["dev", "ops"]
