"""Checkpoints: whole lines count, torn ones do not, and other sweeps' files are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import ClientOptions, Credentials, LambdaCoreClient, ParameterError, Target
from lambdacore_async.workflows.checkpoints import Checkpoint
from support import fleets
from support.fleets import Vault
from support.leaks import CREDENTIALS, assert_no_secret

TARGETS = [
    Target("us-east-1"),
    Target("us-east-1", label="a\n\x1b"),
    Target("us-east-1", CREDENTIALS, "theirs"),
    Target("eu-west-1", Vault("123456789012")),
    Target("eu-west-1", "app.identity:provide"),
]


def checkpoint(
    path: str | Path,
    work: Callable[..., object] = fleets.label,
    options: ClientOptions = ClientOptions(),  # noqa: B008 - frozen
    targets: list[Target] = TARGETS,
) -> Checkpoint:
    return Checkpoint(path, work, options, targets)


async def test_a_checkpoint_knows_what_another_one_has_recorded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = checkpoint(path)
    await first.open()
    for target in TARGETS[:3]:
        await first.add(target)
    assert TARGETS[0] not in first  # it runs once in a sweep anyway
    again = checkpoint(str(path))
    await again.open()
    assert again.done_before == 3
    assert [target in again for target in TARGETS] == [True, True, True, False, False]
    assert not (tmp_path / "checkpoint.new").exists()
    assert_no_secret(path.read_text(encoding="utf-8"))


async def test_new_keys_of_an_account_do_not_make_another_target(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    first = checkpoint(path)
    await first.open()
    await first.add(TARGETS[2])
    renewed = Target("us-east-1", Credentials("AKIDNEW", "new"), "theirs")
    again = checkpoint(path, targets=[renewed])
    await again.open()
    assert renewed in again


@given(st.data())
async def test_a_file_that_was_cut_off_anywhere_keeps_its_whole_lines(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "checkpoint"
    whole = checkpoint(path)
    await whole.open()
    header = path.stat().st_size
    for target in TARGETS:
        await whole.add(target)
    text = path.read_bytes()
    cut = data.draw(st.integers(header, len(text)))
    path.write_bytes(text[:cut])
    torn = checkpoint(path)
    await torn.open()
    assert torn.done_before == text[header:cut].count(b"\n")
    for target in TARGETS:
        if target not in torn:
            await torn.add(target)
    again = checkpoint(path)
    await again.open()
    assert again.done_before == len(TARGETS)


async def test_an_empty_file_becomes_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.touch()
    await checkpoint(path).open()
    assert json.loads(path.read_bytes())["lambdacore_sweep"] == 1


@pytest.mark.parametrize(
    ("work", "options", "name"),
    [
        (fleets.lookup, ClientOptions(), "work"),
        (partial(fleets.label), ClientOptions(), "work"),
        (fleets.label, ClientOptions(profile="other"), "profile"),
        (fleets.label, ClientOptions(credentials=Vault("1")), "credentials"),
        (fleets.label, ClientOptions(endpoint_url="https://a.example"), "endpoint_url"),
    ],
)
async def test_a_checkpoint_of_another_sweep_is_refused(
    work: Any, options: ClientOptions, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    await checkpoint(path).open()
    before = path.read_bytes()
    with pytest.raises(ParameterError, match=f"belongs to another sweep: its {name} is"):
        await checkpoint(path, work, options).open()
    assert path.read_bytes() == before


async def test_other_arguments_of_a_partial_make_another_sweep(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    get = LambdaCoreClient.get_network_connector
    await checkpoint(path, partial(get, identifier="a")).open()
    await checkpoint(path, partial(get, identifier="a")).open()
    with pytest.raises(ParameterError, match="belongs to another sweep"):
        await checkpoint(path, partial(get, identifier="b")).open()


@pytest.mark.parametrize(
    "text",
    [
        b"my precious\n",
        b"my precious",
        b"\xff\n",
        b"[]\n",
        b"{}\n",
        b"5\n",
        b"\n",
        b"[" * 100_000,
        b'{"lambdacore_sweep":1',
    ],
)
async def test_other_files_are_refused_and_left_as_they_are(text: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(text)
    with pytest.raises(ParameterError, match="is not the checkpoint of a sweep"):
        await checkpoint(path).open()
    assert path.read_bytes() == text


async def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_text('{"lambdacore_sweep":2}\n', encoding="utf-8")
    with pytest.raises(ParameterError, match="has a version other than 1"):
        await checkpoint(path).open()


async def test_a_file_that_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await checkpoint(tmp_path / "no" / "checkpoint").open()
    with pytest.raises(IsADirectoryError):
        await checkpoint(tmp_path).open()


def test_targets_that_look_alike_are_refused(tmp_path: Path) -> None:
    targets = [Target("us-east-1"), Target("eu-west-1"), Target("us-east-1")]
    with pytest.raises(ParameterError) as raised:
        checkpoint(tmp_path / "checkpoint", targets=targets)
    assert raised.value.parameter == "targets[2]"
    assert "looks like targets[0]" in str(raised.value)
