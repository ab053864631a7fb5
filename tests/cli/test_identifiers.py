"""Files and pipes of identifiers: encodings, line endings and invalid lines."""

from __future__ import annotations

import asyncio
import codecs
import json
import os
import tracemalloc
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.cli import identifiers
from lambdacore_async.errors import ParameterError
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.workflows.lookups import Failed
from support.commands import run

NAMES = st.text(st.sampled_from("aZ09-_:é界\N{ROCKET}\x1b\u202e[]"), min_size=1, max_size=20)
ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",  # Python's codec writes the byte order mark
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


def read(data: bytes, chunk: int = 65_536) -> list[str | Failed]:
    """Return the lines read from a pipe with this data."""

    async def collect() -> list[str | Failed]:
        reading, writing = os.pipe()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(identifiers, "_CHUNK", chunk)
            os.write(writing, data)
            os.close(writing)
            try:
                async with aclosing(identifiers.read_identifiers(f"/dev/fd/{reading}")) as lines:
                    return [line async for line in lines]
            finally:
                os.close(reading)

    return asyncio.run(collect())


def problem(line: str | Failed) -> str:
    assert isinstance(line, Failed)
    assert isinstance(line.error, ParameterError)
    return str(line.error.args[0])


@given(
    st.lists(NAMES, max_size=5),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n", " \r\n\t"]),
    st.booleans(),
    st.integers(1, 7),
)
def test_identifiers_are_read_as_written_in_every_encoding_and_line_ending(
    names: list[str], encoding: str, end: str, end_at_last: bool, chunk: int
) -> None:
    text = end.join(names) + (end if end_at_last else "")
    assert read(ENCODINGS[encoding] + text.encode(encoding), chunk) == names


@given(st.binary(max_size=60), st.integers(1, 7))
def test_each_line_of_any_file_is_an_identifier_or_a_failure_with_its_line_number(
    data: bytes, chunk: int
) -> None:
    for line in read(data, chunk):
        if isinstance(line, Failed):
            assert problem(line).startswith("line ")
        else:
            assert line == line.strip(identifiers._BLANKS) != ""
            assert not {"\0", "\n", "\r", "\N{REPLACEMENT CHARACTER}"} & set(line)
            assert not line.startswith("\N{ZERO WIDTH NO-BREAK SPACE}")


def test_byte_order_marks_of_joined_files_are_not_part_of_identifiers() -> None:
    one = codecs.BOM_UTF8 + b"a\n"
    assert read(one + one + codecs.BOM_UTF8) == ["a", "a"]
    assert read("\ufeffa\n\ufeffb\n".encode("utf-16-le")) == ["a", "b"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_each_line_in_an_unsupported_encoding_fails_and_names_the_supported_ones(
    encoding: str,
) -> None:
    lines = read("prod\nfull\n".encode(encoding))
    assert lines
    for line in lines:
        assert "files must be UTF-8, or UTF-16 with a byte order mark" in problem(line)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"caf\xe9", "line 2: not valid UTF-8"),
        (b"\xed\xa0\x80", "line 2: not valid UTF-8"),
        (b"a\0b", "line 2: contains a NUL character"),
        (b".", "line 2: identifier: '.' cannot be sent in a URL's path"),
        (b"..", "line 2: identifier: '..' cannot be sent in a URL's path"),
        (b"n" * 2_049, "line 2: longer than 2,048 characters"),
        (b" " * 3_000 + b"n" * 2_049, "line 2: longer than 2,048 characters"),
    ],
)
def test_an_invalid_line_fails_with_its_number_and_the_others_are_read(
    line: bytes, message: str
) -> None:
    before, failed, after = read(b"before\n" + line + b"\nafter")
    assert (before, after) == ("before", "after")
    assert message in problem(failed)


def test_an_identifier_may_be_as_long_as_the_longest_arn_whatever_white_space_surrounds_it() -> (
    None
):
    name = "n" * 2_048
    assert read(f"{' ' * 5_000}{name}\n{' ' * 5_000}\n".encode(), 100) == [name]


def test_a_truncated_character_at_the_end_is_a_failure() -> None:
    (failed,) = read(codecs.BOM_UTF16_LE + b"a")
    assert "line 1: not valid UTF-8, or UTF-16" in problem(failed)


@pytest.mark.parametrize("data", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\n", b" "])
def test_a_blank_file_has_no_identifiers(data: bytes) -> None:
    assert read(data) == []


def test_a_huge_line_takes_bounded_memory_and_is_cut_in_messages(tmp_path: Path) -> None:
    file = tmp_path / "identifiers"
    with file.open("wb") as writing:
        for _ in range(20):
            writing.write(b"n" * 1_000_000)
        writing.write(b"\nprod")

    async def collect() -> list[str | Failed]:
        return [line async for line in identifiers.read_identifiers(str(file))]

    tracemalloc.start()
    try:
        failed, found = asyncio.run(collect())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(failed, Failed)
    assert failed.identifier == "n" * 100 + "..."
    assert found == "prod"
    assert peak < 2_000_000


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
async def test_the_valid_lines_of_a_file_are_looked_up(
    service: LocalLambdaCore, tmp_path: Path, output: str
) -> None:
    file = tmp_path / "identifiers"
    file.write_bytes(b"prod\n..\ncaf\xe9\nfull\n" + b"n" * 3_000)
    result = await run("lookup", str(file), "--output", output)
    assert result.exit_code == 1
    assert service.calls == {"GetNetworkConnector": 2}
    for message in ("line 2: identifier: '..'", "line 3: not valid", "line 5: longer than"):
        assert message in (result.stderr if output == "table" else result.stdout)


async def test_json_reports_invalid_lines_in_input_order(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_bytes(b"prod\n..\nprod\n..\nfull")
    result = await run("lookup", str(file), "--output", "json")
    shown = json.loads(result.stdout)
    assert [each["identifier"] for each in shown] == ["prod", "..", "..", "full"]
    assert shown[2]["error"] == {
        "code": "ParameterError",
        "message": "line 4: identifier: '..' cannot be sent in a URL's path",
        "request_id": None,
    }


async def test_a_file_of_only_invalid_lines_exits_with_1(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    file = tmp_path / "identifiers"
    file.write_bytes(b"..\n.\n")
    for output in ("table", "json", "jsonl"):
        result = await run("lookup", str(file), "--output", output)
        assert result.exit_code == 1
        if output == "table":
            assert result.stderr.count("lambdacore: .") == 2
        else:
            assert result.stdout.count("ParameterError") == 2
    assert not service.calls
