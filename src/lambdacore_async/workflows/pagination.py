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
from lambdacore_async.workflows.recent_set import RecentSet

Item = TypeVar("Item")

#: A repeated token is recognised within at least this many pages.
_TOKEN_WINDOW: Final = 32_768


class Pager(Generic[Item]):
    """A listing: iterate over its items, or over its pages with `by_page`.

    Each iteration starts a new listing. It requests the first page when the first item or page is
    wanted, and every other page once the previous one is consumed, or earlier with `prefetch`.

    Args:
        call: calls the operation.
        operation: the list operation.
        arguments: values by parameter name.
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
        prefetch: bool = False,
        client: object = "",
    ) -> None:
        if not isinstance(prefetch, bool):
            raise ParameterError("prefetch", f"expected bool, got {type(prefetch).__name__}")
        operation.build_request(arguments)  # validates the arguments early
        self._call = call
        self._operation = operation
        self._arguments = arguments
        self._prefetch = prefetch
        self._client = client

    def __repr__(self) -> str:
        given = (
            f"{name}={value!r}" for name, value in self._arguments.items() if value is not None
        )
        what = f"{self._operation.name}({', '.join(given)})"
        return f"<{type(self).__name__} of {what} {self._client}>"

    async def __aiter__(self) -> AsyncGenerator[Item]:
        """Iterate over all items, in the service's order.

        Raises:
            LambdaCoreError: if a call failed.
            ResponseError: if the service repeated a token.
        """
        async with aclosing(self.by_page()) as pages:
            async for page in pages:
                for item in page.items:
                    yield item

    def by_page(self, continuation_token: str | None = None) -> AsyncGenerator[Page[Item]]:
        """Iterate over pages.

        Args:
            continuation_token: the `next_token` of an earlier page, to resume after that page. It
                also works in another process, for as long as the service accepts it.

        Raises:
            ParameterError: if the token is not a string.

        Raises (on iteration):
            LambdaCoreError: if a call failed.
            ResponseError: if the service repeated a token.
        """
        if not isinstance(continuation_token, str | None):
            raise ParameterError(
                "continuation_token", f"expected str, got {type(continuation_token).__name__}"
            )
        return self._pages(continuation_token)

    async def _pages(self, continuation_token: str | None) -> AsyncGenerator[Page[Item]]:
        page = await self._fetch(continuation_token)
        if page.next_token is None:
            yield page
            return
        # Hashes take less memory than tokens.
        seen = RecentSet(_TOKEN_WINDOW)
        seen.add(hash(continuation_token))
        fetching: asyncio.Task[Page[Item]] | None = None
        try:
            while (token := page.next_token) is not None:
                repeated = not seen.add(hash(token))
                if self._prefetch and not repeated:
                    fetching = asyncio.create_task(self._fetch(token))
                yield page
                if repeated:
                    raise self._repeated_token(page, token)
                page = await (fetching or self._fetch(token))
            yield page
        finally:
            if fetching is not None:
                fetching.cancel()
                # Nothing needs the page, but the request must end before the iteration does.
                await asyncio.gather(fetching, return_exceptions=True)

    async def _fetch(self, token: str | None) -> Page[Item]:
        return await self._call(
            self._operation, {**self._arguments, self._operation.input_token: token}
        )

    def _repeated_token(self, page: Page[Item], token: str) -> ResponseError:
        metadata = page.response_metadata
        return ResponseError(
            f"the listing would never end: the service repeated its token '{escaped(token, 64)}'",
            status_code=200 if metadata is None else metadata.http_status,
            request_id=None if metadata is None else metadata.request_id,
            operation=self._operation.name,
        )
