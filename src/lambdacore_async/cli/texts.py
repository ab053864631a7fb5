"""Reads text files of users: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it."""

from __future__ import annotations

import codecs
import io
from pathlib import Path
from typing import Final

from lambdacore_async_command.streams import naming

#: What is wrong with a text in another encoding.
UNDECODABLE: Final = "not valid UTF-8, or UTF-16 with a byte order mark"


def encoding_of(start: bytes) -> str:
    """Return the encoding of a text from its first two bytes; its codec removes the mark."""
    is_utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return "utf-16" if is_utf_16 else "utf-8-sig"


def read_text(path: Path) -> str:
    r"""Return the text of a file, with `\n` as the line ending.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it has another encoding.
    """
    with naming(str(path)):
        data = path.read_bytes()
    try:
        return io.TextIOWrapper(io.BytesIO(data), encoding_of(data)).read()
    except UnicodeDecodeError:
        raise ValueError(UNDECODABLE) from None
