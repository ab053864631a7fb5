"""Shared polling: the number of calls, and failures that concern one waiter alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ComputeResourceType,
    ConnectorAdded,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorWatch,
    NetworkProtocol,
    Page,
    Pager,
    ResourceNotFoundException,
    ResponseError,
    TransportError,
    VpcEgressConfiguration,
    WaiterFailedError,
)
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.operations import LIST_NETWORK_CONNECTORS
from lambdacore_async.workflows.polling import Poller
from support.leaks import other_tasks, settle
from support.simulation import EventClock, World

HOUR: Final = 3600.0
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


@given(
    now=st.floats(0, 1e7),
    phase=st.floats(0, HOUR),
    interval=st.floats(5e-324, 1e308, exclude_min=False),
)
def test_the_next_round_comes_within_the_interval(
    now: float, phase: float, interval: float
) -> None:
    here = World()
    here.clock.advance(now)
    client = here.client()
    poller = Poller(
        client.get_network_connector, client.list_network_connectors(), here.clock, phase
    )
    assert now < poller.next_round(interval) <= now + interval + 3e-6


def is_listing(request: Request) -> bool:
    return request.target.partition("?")[0].endswith("/network-connectors")


def half_a_minute_to_ten(random: Random) -> float:
    return random.uniform(30, 600)


def a_minute_or_so(random: Random) -> float:
    return random.lognormvariate(4, 0.6)


class Calls:
    """Counts requests by the moment at which they are made."""

    def __init__(self, here: World) -> None:
        self.at: Counter[float] = Counter()
        self.by_kind: Counter[str] = Counter()
        self._here = here
        here.transport.before = self

    def __call__(self, request: Request) -> None:
        self.at[self._here.clock.monotonic()] += 1
        self.by_kind["list" if is_listing(request) else "get"] += 1


def pending(here: World, count: int) -> list[str]:
    """Put connectors into the service that stay `PENDING`."""
    for number in range(count):
        here.state.put_network_connector(f"c-{number}", state=NetworkConnectorState.PENDING)
    return [f"c-{number}" for number in range(count)]


async def end(waiting: Awaitable[object]) -> object:
    """What a wait ends with: a result, or an error."""
    (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
    return outcome


async def wait(client: LambdaCoreClient, names: list[str], timeout: float = 300) -> list[Any]:
    waits = (client.wait_until_network_connector_active(name, timeout=timeout) for name in names)
    return await asyncio.gather(*waits, return_exceptions=True)


@pytest.mark.parametrize(("count", "most"), [(1, 1), (2, 2), (10, 1), (100, 2), (1000, 20)])
async def test_a_round_makes_the_fewer_calls_of_gets_and_pages(count: int, most: int) -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, count)
    calls = Calls(here)
    await wait(here.client(), names)
    assert len(calls.at) > 30
    assert max(calls.at.values()) <= most <= 25


async def test_few_waiters_in_a_large_account_ask_one_by_one() -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 1000)[:5]
    calls = Calls(here)
    await wait(here.client(), names)
    first, *others = calls.at.values()
    assert first == 10  # five pages were enough to see that five gets cost less
    assert set(others) == {5}


async def test_waiters_that_begin_at_different_times_share_rounds() -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 60)
    client = here.client()
    calls = Calls(here)

    async def begin(number: int) -> None:
        await here.clock.sleep(number * 0.7)
        await wait(client, [names[number]], timeout=600)

    await asyncio.gather(*map(begin, range(60)))
    late = {moment: count for moment, count in calls.at.items() if 100 < moment < 600}
    assert set(late.values()) == {2}
    assert len(late) in (49, 50)


async def test_a_finished_listing_sets_the_number_of_waiters_that_justify_the_next() -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 1000)
    client = here.client()
    calls = Calls(here)
    await wait(client, names[:25], timeout=0.5)
    assert calls.by_kind == {"list": 20}
    await wait(client, names[:10], timeout=0.5)
    assert calls.by_kind == {"list": 20, "get": 10}


class Listing:
    """An endless listing, whose pages a test chooses."""

    def __init__(self, page: Callable[[int], tuple[NetworkConnectorSummary, ...]]) -> None:
        self.pages = 0
        self._page = page

    async def call(self, operation: Any, arguments: Any) -> Page[NetworkConnectorSummary]:
        self.pages += 1
        await asyncio.sleep(0)
        return Page(self._page(self.pages), f"token-{self.pages}")

    def poller(self) -> Poller:
        async def get(identifier: str) -> NetworkConnector:
            return NetworkConnector(f"arn:{identifier}", identifier, identifier)

        return Poller(get, Pager(self.call, LIST_NETWORK_CONNECTORS, {}), EventClock(), 0)


def summaries(page: int, count: int, length: int) -> tuple[NetworkConnectorSummary, ...]:
    return tuple(
        NetworkConnectorSummary(
            f"arn:{page}-{n}" + "x" * length, "n", "i", NetworkConnectorType.VPC_EGRESS
        )
        for n in range(count)
    )


@pytest.mark.parametrize(
    ("count", "length", "most"), [(0, 0, 1000), (1, 2**20, 50), (100, 80, 700)]
)
async def test_a_listing_without_end_is_refused_before_it_fills_the_memory(
    count: int, length: int, most: int
) -> None:
    listing = Listing(lambda page: summaries(page, count, length))
    poller = listing.poller()
    with pytest.raises(ResponseError, match="longer than 1000 pages or 40 MiB"):
        await poller.list_all(0)
    assert listing.pages <= most
    watch = NetworkConnectorWatch(poller, None, 10)
    async with watch:
        with pytest.raises(ResponseError):
            await anext(watch)


async def test_waiters_do_without_a_listing_that_has_no_end() -> None:
    listing = Listing(lambda page: summaries(page, 1, 2**20))
    poller = listing.poller()
    names = [f"c-{number}" for number in range(200)]
    seen = await asyncio.gather(*(poller.poll(name, 0) for name in names))
    assert [each.name for each in seen if isinstance(each, NetworkConnector)] == names
    assert listing.pages <= 50


async def test_a_listing_of_forty_thousand_connectors_is_no_attack() -> None:
    page = tuple(
        NetworkConnectorSummary(
            arn=f"arn:aws:lambda:us-east-1:123456789012:network-connector:nc-{number:036}",
            name=f"connector-{number}",
            id=f"nc-{number:036}",
            type=NetworkConnectorType.VPC_EGRESS,
        )
        for number in range(50)
    )

    async def call(operation: Any, arguments: Any) -> Page[NetworkConnectorSummary]:
        token = int(arguments["marker"] or 0) + 1
        return Page(page, str(token) if token < 800 else None)

    poller = Poller(
        World().client().get_network_connector,
        Pager(call, LIST_NETWORK_CONNECTORS, {}),
        EventClock(),
        0,
    )
    assert len(await poller.list_all(0)) == 40_000


async def test_callers_that_share_a_failed_poll_get_an_error_of_their_own_each() -> None:
    error = ApiError("no", code="AccessDeniedException", status_code=403)

    async def refuse(_: str) -> NetworkConnector:
        raise error

    poller = Poller(refuse, World().client().list_network_connectors(), EventClock(), 0)
    one, other = await asyncio.gather(poller.poll("a", 0), poller.poll("a", 0))
    assert str(one) == str(other) == str(error)
    assert one is not other


async def test_without_permission_to_list_waiters_use_gets() -> None:
    here = World(provisioning_seconds=60)
    client = here.client()
    names = pending(here, 9)
    calls = Calls(here)

    def refuse(request: Request) -> None:
        calls(request)
        if is_listing(request):
            raise ApiError("no", code="AccessDeniedException", status_code=403)

    here.transport.before = refuse
    await wait(client, names, timeout=50)
    assert calls.by_kind["list"] == 1
    assert calls.by_kind["get"] == 9 * len(calls.at)


@pytest.mark.parametrize(
    "error",
    [
        ApiError("boom", code="ServiceException", status_code=500),
        ApiError("renew", code="ExpiredTokenException", status_code=403),
        TransportError("the network is down"),
    ],
)
async def test_waiters_list_again_once_listing_works_again(error: LambdaCoreError) -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 200)
    calls = Calls(here)

    def fail(request: Request) -> None:
        calls(request)
        if is_listing(request) and 5 < here.clock.monotonic() < 100:
            raise error

    here.transport.before = fail
    await wait(here.client(), names)
    assert max(calls.at.values()) > 200
    assert {count for moment, count in calls.at.items() if 150 < moment < 290} == {4}


async def test_a_version_is_in_no_listing_and_asked_for_itself() -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 9)
    there = here.state.put_network_connector("versioned")
    results = await wait(here.client(), [*names, f"{there.arn}:1"], timeout=50)
    assert results[-1].version_arn == f"{there.arn}:1"


async def test_a_watch_and_waiters_share_one_listing() -> None:
    here = World(provisioning_seconds=HOUR)
    names = pending(here, 100)
    client = here.client()
    calls = Calls(here)

    async def watch() -> None:
        async with client.watch_network_connectors() as changes:
            async for _ in changes:
                pass

    watching = asyncio.create_task(watch())
    await wait(client, names)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert calls.by_kind["get"] == 0
    assert max(calls.at.values()) == 2
    await settle()
    assert other_tasks() == set()


async def test_a_listing_that_fails_a_watch_fails_no_waiter() -> None:
    here = World(provisioning_seconds=HOUR)
    (name,) = pending(here, 1)
    client = here.client()

    def refuse(request: Request) -> None:
        if is_listing(request):
            raise ApiError("no", code="AccessDeniedException", status_code=403)

    here.transport.before = refuse

    async def watch() -> None:
        async with client.watch_network_connectors() as changes:
            assert isinstance(await anext(changes), ConnectorAdded)

    results = await asyncio.gather(
        watch(), watch(), wait(client, [name], timeout=50), return_exceptions=True
    )
    assert [type(result) for result in results] == [ApiError, ApiError, list]
    assert results[0] is not results[1]


async def test_a_cancelled_waiter_takes_no_other_with_it() -> None:
    here = World(provisioning_seconds=60)
    client = here.client()
    names = pending(here, 10)
    waiting = [
        asyncio.create_task(client.wait_until_network_connector_active(name, timeout=30))
        for name in names
    ]
    await settle()
    for task in waiting[:5]:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == (
        [True] * 5 + [False] * 5
    )
    assert other_tasks() == set()


async def test_waits_for_three_hundred_connectors_end_with_the_truth_for_each() -> None:
    here = World(
        provisioning_seconds=half_a_minute_to_ten,
        deletion_seconds=a_minute_or_so,
        seed=7,
    )
    here.state.fail_at_random("CreateNetworkConnector", 0.3)
    here.state.fail_at_random("DeleteNetworkConnector", 0.1)
    client = here.client()
    ends: Counter[str] = Counter()

    async def live(number: int) -> None:
        await here.clock.sleep(2.4 * number)
        created = await client.create_network_connector(
            f"c-{number}", VPC, operator_role="arn:aws:iam::123456789012:role/x"
        )
        waiting = client.wait_until_network_connector_active(created.id)
        outcome, truth = await end(waiting), here.state.get_network_connector(created.id)
        if isinstance(outcome, WaiterFailedError):
            assert (outcome.state, outcome.reason_code) == ("FAILED", truth.state_reason_code)
            assert outcome.cause is not None
            ends[f"failed: {outcome.reason_code}"] += 1
        else:
            assert outcome == truth
            assert truth.state == "ACTIVE"
            ends["active"] += 1
        await client.delete_network_connector(created.id)
        outcome = await end(client.wait_until_network_connector_deleted(created.id))
        if isinstance(outcome, WaiterFailedError):
            truth = here.state.get_network_connector(created.id)
            assert (outcome.state, truth.state) == ("DELETE_FAILED", "DELETE_FAILED")
            ends["not deleted"] += 1
        else:
            with pytest.raises(ResourceNotFoundException):
                here.state.get_network_connector(created.id)
            ends["deleted"] += 1

    await asyncio.gather(*map(live, range(300)))
    assert 720 < here.clock.monotonic() < HOUR
    codes = {f"failed: {code}" for code in NetworkConnectorStateReasonCode}
    assert ends.keys() == {"active", "deleted", "not deleted"} | codes
    assert ends["active"] + sum(ends[code] for code in codes) == 300
    assert ends["deleted"] + ends["not deleted"] == 300
