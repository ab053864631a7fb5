"""Reads identifiers from a file or from standard input, one a line."""

from __future__ import annotations

import codecs
import io
import os
import string
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Final

from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from lambdacore_async.workflows.lookups import Failed

_CHUNK: Final = 65_536
#: Characters that a line may have; the API's longest ARNs have as many.
_LONGEST: Final = 2_048
#: Characters that are shown of a longer line.
_SHOWN: Final = 100
#: What may surround an identifier: white space, and the byte order marks of joined files.
_BLANKS: Final = string.whitespace + "\N{NO-BREAK SPACE}\N{ZERO WIDTH NO-BREAK SPACE}"


async def read_identifiers(file: str) -> AsyncGenerator[str | Failed]:
    """Read identifiers as they come; a line that cannot be one is a failure of its own.

    Blank lines are skipped. Memory does not depend on how long a line is.

    Args:
        file: its path; `-` is standard input. UTF-8, or UTF-16 with a byte order mark.

    Raises:
        OSError: the file cannot be read.
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
            # One character more than a line may have tells that it has too many.
            line = (line + rest).lstrip(_BLANKS)[: _LONGEST + 1]
    if identifier := _identifier(number + 1, line):
        yield identifier


def _identifier(number: int, line: str) -> str | Failed | None:
    """The identifier of a line, or what is wrong with it; `None` of a blank line."""
    text = line.strip(_BLANKS)
    if not text:
        return None
    if len(text) > _LONGEST:
        problem = f"longer than {_LONGEST:,} characters"
        text = f"{text[:_SHOWN]}..."
    elif "\N{REPLACEMENT CHARACTER}" in text:
        problem = "not valid UTF-8, or UTF-16 with a byte order mark"
    elif "\0" in text:
        problem = "has a NUL character; a file is UTF-8, or UTF-16 with a byte order mark"
    else:
        try:
            GET_NETWORK_CONNECTOR.build_request({"identifier": text})
        except ParameterError as error:
            problem = str(error.args[0])
        else:
            return text
    return Failed(text, ParameterError(f"line {number}", problem))


async def _read_text(file: str) -> AsyncGenerator[str]:
    r"""Read text with `\n` for every end of a line, and with U+FFFD for what is no text."""
    descriptor = 0 if file == "-" else os.open(file, os.O_RDONLY)
    # A pipe or a terminal may be silent for hours. It is read past `sys.stdin`, whose lock the
    # waiting thread would hold.
    read = partial(os.read, descriptor, _CHUNK)
    try:
        chunk = b""
        while len(chunk) < len(codecs.BOM_UTF16) and (more := await run_in_thread(read)):
            chunk += more
        utf_16 = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-16" if utf_16 else "utf-8-sig")("replace"),
            translate=True,
        )
        while chunk:
            yield decoder.decode(chunk)
            chunk = await run_in_thread(read)
        yield decoder.decode(b"", final=True)
    finally:
        if descriptor:
            os.close(descriptor)
