"""Reads the body of a response, up to the size that its request allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import aiohttp


class OversizedBodyError(aiohttp.ClientPayloadError):
    """The body of a successful response is longer than its request allows.

    Attributes:
        status: the response's status.
        request_id: the service's id of the request, if the response has one.
        limit: the number of bytes that the request allows.
    """

    def __init__(self, status: int, request_id: str | None, limit: int) -> None:
        super().__init__()
        self.status = status
        self.request_id = request_id
        self.limit = limit


class UnexpectedStatusError(aiohttp.ClientError):
    """The status is that of no final response, such as 101 to a request for no other protocol.

    Attributes:
        status: the status.
    """

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


async def read_body(
    stream: aiohttp.StreamReader,
    status: int,
    headers: Mapping[str, str],
    limit: int,
    on_part: Callable[[], None] = lambda: None,
) -> bytes:
    """Read to the end of the stream, or to the limit if the response is an error.

    The body of an error is often a page of a proxy. Its status matters more than its end.

    Args:
        stream: the decoded body.
        status: the response's status.
        headers: the response's headers.
        limit: the number of bytes that the body may have.
        on_part: called for each part that arrives.

    Raises:
        UnexpectedStatusError: there is no body to read, since this is no final response.
        OversizedBodyError: the body is longer than the limit; the rest of it was not read.
        aiohttp.ClientError: the body broke off, or cannot be decoded.
    """
    if status < 200:
        raise UnexpectedStatusError(status)
    body = bytearray()
    while len(body) <= limit:
        try:
            part = await stream.readany()
        except RuntimeError:  # aiohttp's error if the connection ends before decoding does
            raise aiohttp.ClientPayloadError from None
        if not part:
            return bytes(body)
        on_part()
        body += part
    if status < 300:
        raise OversizedBodyError(status, headers.get("x-amzn-requestid"), limit)
    return bytes(body[:limit])
