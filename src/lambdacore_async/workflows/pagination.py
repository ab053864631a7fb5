"""Items and pages over any listing, in both of the API's token dialects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from lambdacore_async.errors import ResponseError
from lambdacore_async.models.shared import Page
from lambdacore_async.protocol.restjson import ListOperation

Item = TypeVar("Item")


class Pager(Generic[Item]):
    """A listing: iterate over its items, or over its pages with `by_page`.

    Each iteration starts a new listing. Nothing is requested before the first item or page is asked
    for, and a page is requested when the one before it is used up, unless `prefetch` is on.

    Args:
        call: makes one call of the operation.
        operation: the listing's row of the table.
        arguments: values by parameter name.
        prefetch: request the next page while the current one is consumed.
    """

    def __init__(
        self,
        call: Callable[[ListOperation[Item], Mapping[str, object]], Awaitable[Page[Item]]],
        operation: ListOperation[Item],
        arguments: Mapping[str, object],
        *,
        prefetch: bool = False,
    ) -> None:
        self._call = call
        self._operation = operation
        self._arguments = arguments
        self._prefetch = prefetch

    async def __aiter__(self) -> AsyncGenerator[Item]:
        """Iterate over all items, in the service's order.

        Raises:
            LambdaCoreError: a call failed; or `ResponseError`, the service repeated a token.
        """
        async for page in self.by_page():
            for item in page.items:
                yield item

    async def by_page(self, continuation_token: str | None = None) -> AsyncGenerator[Page[Item]]:
        """Iterate over pages.

        Args:
            continuation_token: the `next_token` of a page seen before, to go on after it; also in
                another process, on another day, as long as the service honours it.

        Raises:
            LambdaCoreError: a call failed; or `ResponseError`, the service repeated a token.
        """
        seen = {continuation_token}
        fetching: asyncio.Task[Page[Item]] | None = None
        page = await self._fetch(continuation_token)
        try:
            while (token := page.next_token) is not None:
                repeated = token in seen
                seen.add(token)
                if self._prefetch and not repeated:
                    fetching = asyncio.create_task(self._fetch(token))
                yield page
                if repeated:
                    raise self._repeated(page)
                page = await (fetching or self._fetch(token))
            yield page
        finally:
            if fetching is not None:
                fetching.cancel()
                # Whatever it came to, nobody asks any more; but nothing is left running.
                await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch(self, token: str | None) -> Page[Item]:
        return await self._call(
            self._operation, {**self._arguments, self._operation.input_token: token}
        )

    def _repeated(self, page: Page[Item]) -> ResponseError:
        metadata = page.response_metadata
        return ResponseError(
            f"the listing would never end: its token {page.next_token!r} has come before",
            status_code=200 if metadata is None else metadata.http_status,
            request_id=None if metadata is None else metadata.request_id,
            operation=self._operation.name,
        )
