"""Listings: items, pages, tokens, and early ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    NetworkConnectorSummary,
    NetworkConnectorType,
    Page,
    Pager,
    ParameterError,
    ResponseError,
    ResponseMetadata,
)
from lambdacore_async.protocol.operations import LIST_NETWORK_CONNECTORS, LIST_RUNTIMES
from lambdacore_async.protocol.restjson import ListOperation

Summary = NetworkConnectorSummary


def summary(name: str) -> Summary:
    return Summary(arn=f"arn:{name}", name=name, id=name, type=NetworkConnectorType.VPC_EGRESS)


class Listing:
    """A service that lists connectors in scripted pages: the names on each, and its next token."""

    def __init__(self, pages: Mapping[str | None, tuple[str, str | None]]) -> None:
        self.pages = pages
        self.asked: list[Mapping[str, object]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.cancelled = 0

    async def call(
        self, operation: ListOperation[Summary], arguments: Mapping[str, object]
    ) -> Page[Summary]:
        self.asked.append(arguments)
        token = arguments[operation.input_token]
        assert token is None or isinstance(token, str)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        names, next_token = self.pages[token]
        if names == "broken":
            raise ApiError("no page", code="ServiceException", status_code=500)
        items = tuple(summary(name) for name in names)
        return Page(items, next_token, ResponseMetadata("request-7", 200, 1))

    def pager(self, *, prefetch: bool = False, limit: int | None = None) -> Pager[Summary]:
        return Pager(
            self.call, LIST_NETWORK_CONNECTORS, {}, page_size=2, limit=limit, prefetch=prefetch
        )


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@given(st.lists(st.text("abc", max_size=3), min_size=1), st.booleans())
def test_items_come_in_order_and_empty_pages_do_not_end_a_listing(
    contents: list[str], prefetch: bool
) -> None:
    tokens = [None, *(f"t{number}" for number in range(1, len(contents))), None]
    listing = Listing({tokens[n]: (content, tokens[n + 1]) for n, content in enumerate(contents)})

    async def run() -> list[str]:
        return [item.name async for item in listing.pager(prefetch=prefetch)]

    assert asyncio.run(run()) == list("".join(contents))
    assert listing.asked == [{"marker": token, "max_items": 2} for token in tokens[:-1]]


async def test_nothing_is_requested_before_the_first_item() -> None:
    listing = Listing({None: ("a", None)})
    pager = listing.pager()
    assert listing.asked == []
    assert [item.name async for item in pager] == ["a"]


async def test_each_iteration_is_a_new_listing() -> None:
    pager = Listing({None: ("a", "t"), "t": ("b", None)}).pager()
    assert [item.name async for item in pager] == ["a", "b"]
    assert [item.name async for item in pager] == ["a", "b"]


async def test_a_saved_token_resumes_a_listing() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", "u"), "u": ("c", None)})
    async with aclosing(listing.pager().by_page()) as pages:
        first = await anext(pages)
    assert first.next_token == "t"
    rest = [page async for page in listing.pager().by_page(continuation_token=first.next_token)]
    assert [[item.name for item in page] for page in rest] == [["b"], ["c"]]
    assert [len(page) for page in rest] == [1, 1]


async def test_the_runtimes_dialect_has_its_own_token_parameter() -> None:
    asked: list[Mapping[str, object]] = []

    async def call(operation: object, arguments: Mapping[str, object]) -> Page[object]:
        asked.append(arguments)
        return Page((), "next" if len(asked) == 1 else None)

    pager = Pager(call, LIST_RUNTIMES, {})  # type: ignore[arg-type] # an empty page fits all
    assert [item async for item in pager] == []
    assert asked == [{"next_token": None}, {"next_token": "next"}]


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("again", ["t", "u"])
async def test_a_repeated_token_is_an_error_after_its_page(again: str, prefetch: bool) -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", "u"), "u": ("c", again)})
    seen: list[str] = []
    with pytest.raises(ResponseError, match=f"the service repeated its token '{again}'") as raised:
        async for item in listing.pager(prefetch=prefetch):
            seen.append(item.name)
    assert seen == ["a", "b", "c"]
    assert raised.value.request_id == "request-7"
    assert raised.value.operation == "ListNetworkConnectors"


async def test_a_token_that_equals_the_one_it_was_asked_with_is_an_error() -> None:
    pages = Listing({"t": ("a", "t")}).pager().by_page("t")
    assert [item.name for item in await anext(pages)] == ["a"]
    with pytest.raises(ResponseError):
        await anext(pages)


async def test_a_repeated_token_is_an_error_even_without_response_metadata() -> None:
    async def call(operation: object, arguments: Mapping[str, object]) -> Page[object]:
        return Page((), "t")

    pages = Pager(call, LIST_RUNTIMES, {}).by_page("t")  # type: ignore[arg-type] # fits all
    await anext(pages)
    with pytest.raises(ResponseError) as raised:
        await anext(pages)
    assert raised.value.request_id is None


async def test_an_error_on_a_later_page_comes_after_the_items_before_it() -> None:
    listing = Listing({None: ("ab", "t"), "t": ("broken", None)})
    seen: list[str] = []
    with pytest.raises(ApiError, match="no page"):
        async for item in listing.pager():
            seen.append(item.name)
    assert seen == ["a", "b"]


async def test_without_prefetch_the_next_page_is_asked_for_when_it_is_needed() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", None)})
    async with aclosing(listing.pager().by_page()) as pages:
        await anext(pages)
        await settle()
        assert len(listing.asked) == 1


async def test_with_prefetch_one_page_is_asked_for_ahead_and_no_more() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", "u"), "u": ("c", None)})
    async with aclosing(listing.pager(prefetch=True).by_page()) as pages:
        await anext(pages)
        await settle()
        assert len(listing.asked) == 2
        await anext(pages)
        await settle()
        assert len(listing.asked) == 3


async def test_closing_a_listing_ends_the_prefetch_under_way() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", None)})
    async with aclosing(listing.pager(prefetch=True).by_page()) as pages:
        await anext(pages)
        listing.gate.clear()
        await settle()
    assert listing.cancelled == 1
    assert len(asyncio.all_tasks()) == 1


async def test_breaking_out_of_a_listing_ends_the_prefetch_under_way() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", None)})
    async for _ in listing.pager(prefetch=True):
        listing.gate.clear()
        await settle()
        break
    await settle()
    assert listing.cancelled == 1
    assert len(asyncio.all_tasks()) == 1


async def test_closing_an_iteration_over_items_ends_the_prefetch_under_way() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", None)})
    async with aclosing(aiter(listing.pager(prefetch=True))) as items:
        await anext(items)
        listing.gate.clear()
        await settle()
    assert listing.cancelled == 1
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_repeats_are_recognised_in_bounded_memory(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdacore_async.workflows.pagination._TOKEN_WINDOW", size)
    tokens = [None, *(f"t{number}" for number in range(30))]
    pages = {token: ("a", after) for token, after in itertools.pairwise(tokens)}
    near = Listing({**pages, "t29": ("a", f"t{30 - size}")})
    with pytest.raises(ResponseError):
        assert [item async for item in near.pager()] == []
    far = Listing({**pages, "t29": ("a", "t0")})
    async with aclosing(far.pager().by_page()) as endless:
        for _ in range(100):
            await anext(endless)


async def test_a_token_in_an_error_is_escaped_and_cut() -> None:
    token = "t\n\x1b" + "x" * 100_000
    listing = Listing({None: ("a", token), token: ("b", token)})
    with pytest.raises(ResponseError) as raised:
        assert [item async for item in listing.pager()] == []
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("token", [5, b"t", ["t"], True])
def test_a_continuation_token_is_text(token: Any) -> None:
    listing = Listing({})
    with pytest.raises(ParameterError) as raised:
        listing.pager().by_page(token)
    assert raised.value.parameter == "continuation_token"
    assert listing.asked == []


@pytest.mark.parametrize("prefetch", ["yes", 1, None])
def test_prefetch_is_a_boolean(prefetch: Any) -> None:
    with pytest.raises(ParameterError) as raised:
        Listing({}).pager(prefetch=prefetch)
    assert raised.value.parameter == "prefetch"


async def test_stopping_early_ignores_a_failed_prefetch() -> None:
    listing = Listing({None: ("a", "t"), "t": ("broken", None)})
    async with aclosing(listing.pager(prefetch=True).by_page()) as pages:
        await anext(pages)
        await settle()


async def test_cancelling_a_consumer_cancels_the_prefetch() -> None:
    listing = Listing({None: ("a", "t"), "t": ("b", None)})

    async def consume() -> None:
        async for _ in listing.pager(prefetch=True):
            listing.gate.clear()

    task = asyncio.create_task(consume())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settle()
    assert listing.cancelled == 1
    assert len(asyncio.all_tasks()) == 1


@given(
    st.lists(st.text("abc", max_size=5), min_size=1),
    st.integers(1, 30),
    st.none() | st.integers(1, 100),
    st.booleans(),
)
def test_a_limit_gives_the_first_items_and_requests_no_page_after_them(
    contents: list[str], limit: int, page_size: int | None, prefetch: bool
) -> None:
    tokens = [None, *(f"t{number}" for number in range(1, len(contents))), None]
    service = Listing({tokens[n]: (text, tokens[n + 1]) for n, text in enumerate(contents)})
    pager = Pager(
        service.call,
        LIST_NETWORK_CONNECTORS,
        {},
        page_size=page_size,
        limit=limit,
        prefetch=prefetch,
    )

    async def run() -> list[str]:
        return [item.name async for item in pager]

    assert asyncio.run(run()) == list("".join(contents))[:limit]
    before = [len("".join(contents[:number])) for number in range(len(contents))]
    assert len(service.asked) == sum(count < limit for count in before)
    for asked, count in zip(service.asked, before, strict=False):
        left = limit - count
        assert asked.get("max_items") == (min(page_size, left) if page_size else left)


async def test_the_last_page_of_a_limit_has_the_token_of_the_next_item() -> None:
    service = Listing({None: ("ab", "t"), "t": ("c", "u"), "u": ("d", None)})
    pages = [page async for page in service.pager(limit=3).by_page()]
    assert [len(page) for page in pages] == [2, 1]
    assert [item["max_items"] for item in service.asked] == [2, 1]
    rest = [page async for page in service.pager(limit=3).by_page(pages[-1].next_token)]
    assert [item.name for page in rest for item in page] == ["d"]


async def test_a_page_that_is_cut_has_no_token_that_would_skip_items() -> None:
    service = Listing({None: ("abc", "t")})
    [page] = [page async for page in service.pager(limit=2).by_page()]
    assert ([item.name for item in page], page.next_token) == (["a", "b"], None)
    assert page.response_metadata == ResponseMetadata("request-7", 200, 1)


async def test_with_prefetch_no_page_beyond_the_limit_is_asked_for() -> None:
    service = Listing({None: ("ab", "t")})
    async with aclosing(service.pager(prefetch=True, limit=2).by_page()) as pages:
        await anext(pages)
        await settle()
    assert len(service.asked) == 1
