"""Reads the body of an answer, up to a size that no honest answer has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import aiohttp

from lambdacore_async.errors import ResponseError

#: More than a page of the largest resources needs; an answer beyond it is not read to its end.
MAX_BODY: Final = 16 * 1024 * 1024


async def read_body(
    stream: aiohttp.StreamReader,
    status: int,
    headers: Mapping[str, str],
    on_part: Callable[[], None] = lambda: None,
) -> bytes:
    """Read to the end of the stream.

    Args:
        stream: the body, as it comes in.
        status: of the answer, for the error.
        headers: of the answer, for the error.
        on_part: called for each part.

    Raises:
        ResponseError: the body is larger than `MAX_BODY`; the rest of it was not read.
        aiohttp.ClientError: the body broke off, or cannot be decoded.
    """
    parts: list[bytes] = []
    size = 0
    while part := await stream.readany():
        on_part()
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise ResponseError(
                f"the answer is larger than {MAX_BODY} bytes",
                status_code=status,
                request_id=headers.get("x-amzn-requestid"),
                body_start=b"".join(parts)[:256],
            )
    return b"".join(parts)
