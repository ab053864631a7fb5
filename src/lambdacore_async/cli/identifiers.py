"""Reads identifiers from a file or from standard input, one per line."""

from __future__ import annotations

import codecs
import io
import os
import string
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from lambdacore_async.cli.texts import UNDECODABLE, encoding_of
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from lambdacore_async.workflows.lookups import Failed
from lambdacore_async_command.streams import naming

_CHUNK: Final = 65_536
#: Maximum length of an identifier, in characters: that of the API's longest ARNs.
_MAX_LENGTH: Final = 2_048
#: Length to which a longer line is cut in messages, in characters.
_SHOWN: Final = 100
#: Characters ignored around an identifier: white space, and byte order marks of joined files.
_BLANKS: Final = string.whitespace + "\N{NO-BREAK SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"


async def read_identifiers(file: str) -> AsyncGenerator[str | Failed]:
    """Yield each line's identifier as it is read, or a `Failed` if the line is not an identifier.

    Blank lines, and lines that start with `#`, are skipped. Memory use does not depend on the
    length of a line.

    Args:
        file: path of a file in UTF-8, or in UTF-16 with a byte order mark; `-` is standard input.

    Raises:
        OSError: if the file cannot be read.
    """
    number, line = 0, ""
    async with aclosing(_read_text(file)) as texts:
        async for text in texts:
            *ends, rest = text.split("\n")
            for end in ends:
                number += 1
                if identifier := _identifier(number, line + end):
                    yield identifier
                line = ""
            # Keep one character more than the maximum, so that `_identifier` can tell.
            line = (line + rest).lstrip(_BLANKS)[: _MAX_LENGTH + 1]
    if identifier := _identifier(number + 1, line):
        yield identifier


def _identifier(number: int, line: str) -> str | Failed | None:
    """Return a line's identifier, a `Failed` if it is invalid, or `None` if it has none."""
    text = line.strip(_BLANKS)
    if not text or text.startswith("#"):
        return None
    if len(text) > _MAX_LENGTH:
        problem = f"longer than {_MAX_LENGTH:,} characters"
        text = f"{text[:_SHOWN]}..."
    elif "\N{REPLACEMENT CHARACTER}" in text:
        problem = UNDECODABLE
    elif "\0" in text:
        problem = "contains a NUL character; files must be UTF-8, or UTF-16 with a byte order mark"
    else:
        try:
            GET_NETWORK_CONNECTOR.build_request({"identifier": text})
        except ParameterError as error:
            problem = str(error.args[0])
        else:
            return text
    return Failed(text, ParameterError(f"line {number}", problem))


async def _read_text(file: str) -> AsyncGenerator[str]:
    r"""Yield decoded text, with `\n` as the line ending and U+FFFD for undecodable bytes."""
    try:
        descriptor = 0 if file == "-" else os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        raise ParameterError(
            "FILE", f"no such file: {file}; to look up one connector, run `lambdacore get {file}`"
        ) from None

    def read() -> bytes:
        # A pipe or a terminal may be silent for hours. The descriptor is read directly because the
        # waiting thread would hold the lock of `sys.stdin`.
        with naming("standard input" if file == "-" else file):
            return os.read(descriptor, _CHUNK)

    try:
        chunk = b""
        while len(chunk) < len(codecs.BOM_UTF16) and (more := await run_in_thread(read)):
            chunk += more
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(encoding_of(chunk))("replace"), translate=True
        )
        while chunk:
            yield decoder.decode(chunk)
            chunk = await run_in_thread(read)
        yield decoder.decode(b"", final=True)
    finally:
        if descriptor:
            os.close(descriptor)
