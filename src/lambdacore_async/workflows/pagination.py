"""Pagination: iterates over the items or the pages of any listing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Final, Generic, TypeVar

from lambdacore_async.errors import ParameterError, ResponseError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.shared import Page
from lambdacore_async.protocol.restjson import ListOperation
from lambdacore_async.workflows.arguments import check_count
from lambdacore_async.workflows.recent_set import RecentSet

Item = TypeVar("Item")

#: A repeated token is recognised within at least this many pages.
_TOKEN_WINDOW: Final = 32_768
#: The maximum number of items on a page of the API.
LARGEST_PAGE: Final = 100


class Pager(Generic[Item]):
    """A listing: iterate over its items, or over its pages with `by_page`.

    Each iteration starts a new listing. It requests the first page for the first item or page, and
    each later page once the previous one is consumed, or earlier with `prefetch`.

    With a limit, no request asks for more items than are left, and there is none once the limit is
    reached. The token of the last page therefore resumes the listing at the item after the limit.

    Args:
        call: calls the operation.
        operation: the list operation.
        arguments: values by parameter name.
        page_size: the maximum number of items per page, 1 to 100. Defaults to the service's.
        limit: the maximum number of items of each iteration, at least 1. Defaults to no limit.
        prefetch: whether to request the next page while the current one is consumed.
        client: its text is in the `repr`.

    Raises:
        ParameterError: if an argument is invalid.
    """

    def __init__(
        self,
        call: Callable[[ListOperation[Item], Mapping[str, object]], Awaitable[Page[Item]]],
        operation: ListOperation[Item],
        arguments: Mapping[str, object],
        *,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        client: object = "",
    ) -> None:
        for name, count in (("page_size", page_size), ("limit", limit)):
            if count is not None:
                check_count(name, count)
        if page_size is not None and page_size > LARGEST_PAGE:
            raise ParameterError("page_size", f"must be at most {LARGEST_PAGE}, got {page_size}")
        if not isinstance(prefetch, bool):
            raise ParameterError("prefetch", f"expected bool, got {type(prefetch).__name__}")
        operation.build_request(arguments)  # validates the arguments early
        self._call = call
        self._operation = operation
        self._arguments = arguments
        self._page_size = page_size
        self._limit = limit
        self._prefetch = prefetch
        self._client = client

    def __repr__(self) -> str:
        arguments = {**self._arguments, "page_size": self._page_size, "limit": self._limit}
        given = (f"{name}={value!r}" for name, value in arguments.items() if value is not None)
        what = f"{self._operation.name}({', '.join(given)})"
        return f"<{type(self).__name__} of {what} {self._client}>"

    async def __aiter__(self) -> AsyncGenerator[Item]:
        """Iterate over the items, in the service's order, up to the limit.

        Raises:
            LambdaCoreError: if a call failed.
            ResponseError: if the service repeated a token.
        """
        async with aclosing(self.by_page()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    def by_page(self, continuation_token: str | None = None) -> AsyncGenerator[Page[Item]]:
        """Iterate over pages, up to the limit of items.

        If the service returns more items than requested, the page that reaches the limit is cut and
        has no token, because a token would skip the items that were cut off.

        Args:
            continuation_token: the `next_token` of an earlier page, to resume after that page. It
                also works in another process, for as long as the service accepts it.

        Raises:
            ParameterError: if the token is not a string.
            LambdaCoreError: on iteration, if a call failed.
            ResponseError: on iteration, if the service repeated a token.
        """
        if not isinstance(continuation_token, str | None):
            raise ParameterError(
                "continuation_token", f"expected str, got {type(continuation_token).__name__}"
            )
        return self._pages(continuation_token)

    async def _pages(self, continuation_token: str | None) -> AsyncGenerator[Page[Item]]:
        left = self._limit
        page, left = _cut(await self._fetch(continuation_token, left), left)
        if page.next_token is None or left == 0:
            yield page
            return
        # Hashes take less memory than tokens.
        seen = RecentSet(_TOKEN_WINDOW)
        seen.add(hash(continuation_token))
        fetching: asyncio.Task[Page[Item]] | None = None
        try:
            while (token := page.next_token) is not None and left != 0:
                repeated = not seen.add(hash(token))
                if self._prefetch and not repeated:
                    fetching = asyncio.create_task(self._fetch(token, left))
                yield page
                if repeated:
                    raise self._repeated_token(page, token)
                page, left = _cut(await (fetching or self._fetch(token, left)), left)
            yield page
        finally:
            if fetching is not None:
                fetching.cancel()
                # The page is not needed, but the request must end before the iteration does.
                await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch(self, token: str | None, left: int | None) -> Page[Item]:
        arguments = {**self._arguments, self._operation.input_token: token}
        size = self._page_size
        if left is not None and left < (size or LARGEST_PAGE):
            size = left
        if size is not None:
            arguments[self._operation.page_size] = size
        return await self._call(self._operation, arguments)

    def _repeated_token(self, page: Page[Item], token: str) -> ResponseError:
        metadata = page.response_metadata
        return ResponseError(
            f"the listing would never end: the service repeated its token '{escaped(token, 64)}'",
            status_code=200 if metadata is None else metadata.http_status,
            request_id=None if metadata is None else metadata.request_id,
            operation=self._operation.name,
        )


def _cut(page: Page[Item], left: int | None) -> tuple[Page[Item], int | None]:
    """Return a page with at most as many items as are left, and how many are left after it."""
    if left is None:
        return page, None
    if len(page) > left:
        page = Page(page.items[:left], None, page.response_metadata)
    return page, left - len(page)
