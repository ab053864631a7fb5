"""Text files of users, in each encoding that commands read."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from lambdacore_async.cli.texts import read_text

ENCODED = {
    "utf-8": "a: é\n𠮷\n".encode(),
    "utf-8 with a mark": codecs.BOM_UTF8 + "a: é\n𠮷\n".encode(),
    "utf-16-le": codecs.BOM_UTF16_LE + "a: é\r\n𠮷\r".encode("utf-16-le"),
    "utf-16-be": codecs.BOM_UTF16_BE + "a: é\r\n𠮷\n".encode("utf-16-be"),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_text_is_the_same_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(ENCODED[encoding])
    assert read_text(path) == "a: é\n𠮷\n"


@pytest.mark.parametrize("data", [b"caf\xe9", codecs.BOM_UTF16_LE + b"a", b"\xff"])
def test_bytes_of_another_encoding_are_refused_not_replaced(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="^not valid UTF-8, or UTF-16 with a byte order mark$"):
        read_text(path)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        read_text(tmp_path / "none")
    assert raised.value.filename == str(tmp_path / "none")
