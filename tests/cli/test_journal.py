"""The partial file of an export: another run goes on with it, wherever the last one ended."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdacore_async import ConfigurationError, Target
from lambdacore_async.cli.journal import opened
from lambdacore_async.cli.targets import members_of
from lambdacore_async.models.shared import JSONValue

OPTIONS: Mapping[str, JSONValue] = {"accounts and regions": ["us-east-1"], "format": "jsonl"}
BEGAN = datetime(2026, 11, 28, 9, tzinfo=UTC)
TARGETS = [Target("us-east-1", label="a"), Target("us-east-1", label="b"), Target("eu-west-1")]
RECORDS: list[dict[str, JSONValue]] = [
    {"Profile": "a", "Region": "us-east-1", "Id": "nc-1", "Name": "x\n\u2028{"},
    {"Profile": "b", "Region": "us-east-1", "Id": "nc-1", "Name": "y"},
    {"Region": "eu-west-1", "Id": "nc-2"},
]


def written(path: Path) -> bytes:
    """Write all records, and finish two targets."""
    with opened(path, OPTIONS, BEGAN, restart=False) as journal:
        assert journal.count == 0
        for target, record in zip(TARGETS, RECORDS, strict=True):
            journal.add(record)
            if target.label != "b":
                journal.finish(target)
    return path.read_bytes()


with TemporaryDirectory() as _folder:
    WHOLE = written(Path(_folder) / "partial")
HEAD = WHOLE.index(b"\n") + 1


@given(st.integers(0, len(WHOLE)), st.integers(0, 9))
@example(HEAD - 1, 0)
@example(HEAD, 0)
def test_a_file_that_was_cut_anywhere_is_completed_without_loss_or_duplicate(
    cut: int, zeros: int
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "partial"
        # A crash of the machine may leave zeros, where blocks were not written.
        path.write_bytes(WHOLE[:cut] + b"\0" * (zeros if cut > HEAD else 0))
        later = BEGAN.replace(hour=10)
        with opened(path, OPTIONS, later, restart=False) as journal:
            assert journal.began == f"2026-11-28T{'09' if cut >= HEAD else '10'}:00:00Z"
            for target, record in zip(TARGETS, RECORDS, strict=True):
                has = journal.has(target, str(record["Id"]))
                assert has or not journal.is_finished(target)
                if not has:
                    journal.add(record)
            assert list(journal.records()) == RECORDS
        with opened(path, OPTIONS, later, restart=False) as journal:
            assert journal.count == len(RECORDS)


def test_a_finished_target_is_known_and_one_of_another_profile_is_not(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(WHOLE)
    with opened(path, OPTIONS, BEGAN, restart=False) as journal:
        assert [journal.is_finished(target) for target in TARGETS] == [True, False, True]
        assert not journal.has(TARGETS[2], "nc-1")


@pytest.mark.parametrize("line", [b"[]\n", b"{}\n", b"1\n", b"\xff\n", b"nonsense\n"])
def test_what_follows_a_damaged_line_is_got_again(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "partial"
    lines = WHOLE.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    with opened(path, OPTIONS, BEGAN, restart=False) as journal:
        assert (journal.count, list(journal.records())) == (1, RECORDS[:1])


def test_a_restart_discards_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(WHOLE)
    with opened(path, {"format": "csv"}, BEGAN, restart=True) as journal:
        assert (journal.count, list(journal.records())) == (0, [])


def test_other_options_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(WHOLE)
    options = {**OPTIONS, "accounts and regions": ["us-east-1", "eu-west-1"]}
    problem = (
        "is of an export with other accounts and regions: us-east-1, not us-east-1, eu-west-1; "
        "use the same options and environment, or --restart to discard it"
    )
    with (
        pytest.raises(ConfigurationError, match=problem),
        opened(path, options, BEGAN, restart=False),
    ):
        pass
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize("name", ["endpoint", "endpoint of a"])
def test_what_only_one_of_two_runs_knows_is_not_compared(tmp_path: Path, name: str) -> None:
    path = tmp_path / "partial"
    path.write_bytes(WHOLE)
    with opened(path, {**OPTIONS, name: "http://other"}, BEGAN, restart=False) as journal:
        assert journal.count == len(RECORDS)
    path.unlink()
    with opened(path, {**OPTIONS, name: None}, BEGAN, restart=False):
        pass
    with opened(path, OPTIONS, BEGAN, restart=False):
        pass
    with (
        pytest.raises(ConfigurationError, match=f"with other {name}: none, not http://other; use"),
        opened(path, {**OPTIONS, name: "http://other"}, BEGAN, restart=False),
    ):
        pass


def arn_of(account: str) -> str:
    return f"arn:aws:lambda:us-east-1:{account}:network-connector:nc-1"


def test_a_profile_has_one_account_in_all_regions(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    with opened(path, OPTIONS, BEGAN, restart=False) as journal:
        for target, account in zip(TARGETS, ("111111111111", "222222222222", "aws"), strict=True):
            journal.check_account(target, arn_of(account))
            journal.add({**members_of(target), "Id": "nc-1", "Arn": arn_of(account)})
    with opened(path, OPTIONS, BEGAN, restart=False) as journal:
        journal.check_account(TARGETS[0], arn_of("111111111111"))
        journal.check_account(Target("eu-west-1", label="b"), arn_of("222222222222"))
        journal.check_account(TARGETS[0], arn_of("aws"))
        journal.check_account(TARGETS[2], arn_of("333333333333"))
        journal.check_account(TARGETS[0], "no ARN")
        problem = "partial: is of an export with other account: 111111111111, not 222222222222; use"
        with pytest.raises(ConfigurationError, match=problem):
            journal.check_account(Target("eu-west-1", label="a"), arn_of("222222222222"))


@pytest.mark.parametrize(
    "content", [b"precious", b"precious\nlines\n", WHOLE[: HEAD - 5] + b"\0\0\n", b"\n"]
)
def test_a_file_of_another_program_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "partial"
    path.write_bytes(content)
    with (
        pytest.raises(ConfigurationError, match="is not a partial export; move it"),
        opened(path, OPTIONS, BEGAN, restart=False),
    ):
        pass
    assert path.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    with (
        opened(path, OPTIONS, BEGAN, restart=False) as journal,
        pytest.raises(ConfigurationError, match="another export is writing this file"),
        opened(path, OPTIONS, BEGAN, restart=True),
    ):
        pass
    assert json.loads(path.read_bytes())["began"] == journal.began


def test_windows_has_no_such_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    path = tmp_path / "partial"
    with opened(path, OPTIONS, BEGAN, restart=False), opened(path, OPTIONS, BEGAN, restart=False):
        pass
