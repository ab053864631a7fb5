"""What caches know: reads that lag, names that are ambiguous, and views that share it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from lambdacore_async import (
    ConnectorAdded,
    Credentials,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    ParameterError,
    ResourceNotFoundException,
    Target,
    TransportError,
)
from lambdacore_async.engine.pipeline import Pipeline
from lambdacore_async.protocol.messages import Request
from lambdacore_async.workflows.cache.picture import Picture
from support.caching import OTHER_VPC, ROLE, VPC, denied, is_get, world
from support.simulation import World


def reads_of(picture: Picture, answer: Callable[[str], NetworkConnector | None]) -> None:
    """Answer the gets of a picture before the service does, unless the answer is `None`."""
    get = picture._reads._get

    async def answered(identifier: str) -> NetworkConnector:
        return answer(identifier) or await get(identifier)

    picture._reads._get = answered


async def test_a_get_that_lags_behind_a_listing_is_not_confirmed() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        before = await cache.get("a")
        lagging = True
        reads_of(cache.picture, lambda _: before if lagging else None)
        await here.clock.sleep(100)
        here.state.update_network_connector("a", configuration=OTHER_VPC)
        await here.clock.sleep(30)
        lagging = False
        await here.clock.sleep(5.1)
        assert (await cache.get("a")).configuration == OTHER_VPC


async def test_a_get_that_flips_back_does_not_replace_what_is_newer() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        before = await cache.get("a")
        await here.clock.sleep(100)
        here.state.update_network_connector("a", configuration=OTHER_VPC)
        await here.clock.sleep(6)
        assert (await cache.get("a")).configuration == OTHER_VPC
        reads_of(cache.picture, lambda _: before)
        for _ in range(50):
            await here.clock.sleep(1)
            assert (await cache.get("a")).configuration == OTHER_VPC
        assert cache.stats().requests > 10


async def test_times_that_differ_between_listings_and_gets_cost_no_calls_for_long() -> None:
    here, wire = world("a")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        connector = here.state.get_network_connector("a")
        assert connector.last_modified is not None
        older = evolve(connector, last_modified=connector.last_modified.replace(year=1999))
        reads_of(cache.picture, lambda _: older)
        await cache.ready()
        await here.clock.sleep(200)
        assert wire.gets == []
        assert cache.picture._reads.sent < 3
        assert cache.peek("a") is not None


async def test_a_name_that_equals_the_id_of_another_connector_does_not_hide_it() -> None:
    here, _ = world("a")
    connector = here.state.get_network_connector("a")
    impostor = here.state.put_network_connector("b")
    async with here.client().cached_network_connectors() as cache:
        await cache.ready()
        picture = cache.picture
        listing = await picture._poller.list_all(0)
        renamed = [
            evolve(each, name=connector.id) if each.name == "b" else each for each in listing
        ]
        for order in (renamed, renamed[::-1]):
            picture._record_listing(order, here.clock.monotonic())
            picture._record(
                impostor.id, evolve(impostor, name=connector.id), here.clock.monotonic()
            )
            assert (await cache.get(connector.id)).arn == connector.arn
            assert (await cache.get(impostor.id)).arn == impostor.arn
            assert len(cache.all()) == 2


async def test_an_answer_under_another_name_than_the_listing_has_is_returned() -> None:
    here, _ = world("a", "b")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        await cache.ready()
        first, other = await cache.get("a"), await cache.get("b")
        await here.clock.sleep(1)  # no get is in progress any more
        reads_of(cache.picture, lambda _: other)
        cache.picture.index["a"].as_of -= 100
        assert (await cache.get("a")).id == other.id
        assert (await cache.get(first.id)).id == other.id


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_listing_with_a_deleted_connector_leads_to_its_successor(
    newest_first: bool,
) -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors(max_age=10) as cache:
        await cache.ready()
        picture = cache.picture
        old = await picture._poller.list_all(0)
        here.state.delete_network_connector("a")
        await here.clock.sleep(1)
        here.state.create_network_connector("a", OTHER_VPC, operator_role=ROLE)
        new = await picture._poller.list_all(0)
        await here.clock.sleep(1)
        both = [*new, *old] if newest_first else [*old, *new]
        picture._record_listing(both, here.clock.monotonic())
        assert picture.index["a"].id == new[0].id
        assert (await cache.get("a")).configuration == OTHER_VPC


async def test_a_version_is_stale_at_once_when_its_connector_is_deleted() -> None:
    here, _ = world("a")
    arn = here.state.update_network_connector("a", configuration=OTHER_VPC).arn
    client = here.client()
    async with client.cached_network_connectors(max_age=3600) as cache:
        assert (await cache.get(f"{arn}:1")).configuration == VPC
        await client.delete_network_connector("a")
        with pytest.raises(ResourceNotFoundException):
            await cache.get(f"{arn}:1")


async def test_a_version_whose_arn_is_the_identifier_is_not_the_connector() -> None:
    here, _ = world("a")
    async with here.client().cached_network_connectors() as cache:
        connector = await cache.get("a")
        arn = f"{connector.arn}:1"
        reads_of(cache.picture, lambda _: evolve(connector, arn=arn, configuration=OTHER_VPC))
        assert (await cache.get(arn)).configuration == OTHER_VPC
        assert (await cache.get("a")).configuration == VPC


async def test_identifiers_that_are_not_found_are_forgotten_without_listings_too() -> None:
    here, wire = world("a")
    here.transport.before = lambda request: None if is_get(request) else wire(request)
    wire.error = denied("no")
    async with here.client().cached_network_connectors() as cache:
        with pytest.raises(ResourceNotFoundException):
            await cache.get("missing")
        await here.clock.sleep(100)
        assert cache.picture.index == {}


async def test_stale_if_error_does_not_depend_on_the_reads_of_other_connectors() -> None:
    here, _ = world("a", "b")
    bad = here.state.get_network_connector("a").id

    def fail_one(request: Request) -> None:
        if bad in request.target or not is_get(request):
            raise TransportError("lost")

    async with here.client().cached_network_connectors(5, stale_if_error=3600) as cache:
        await cache.ready()
        here.transport.before = fail_one
        for _ in range(60):
            await here.clock.sleep(1)
            assert not (await cache.read("b")).is_stale or cache.picture.failing
            assert (await cache.get("a")).name == "a"


async def test_the_end_of_an_outage_is_noticed_without_listings() -> None:
    here, wire = world("a")

    def refuse_listings(request: Request) -> None:
        wire(request)
        if not is_get(request):
            raise denied("no")

    here.transport.before = refuse_listings
    async with here.client().cached_network_connectors(5, stale_if_error=3600) as cache:
        await cache.get("a")
        await here.clock.sleep(1)
        assert cache.picture.error is not None
        wire.error = TransportError("down")
        await here.clock.sleep(70)
        assert (await cache.read("a")).is_stale
        wire.error = None
        assert (await cache.read("a")).is_stale
        await here.clock.sleep(1)
        assert not (await cache.read("a")).is_stale


def settled(view: LambdaCoreClient, client: LambdaCoreClient) -> LambdaCoreClient:
    """Return a view with its settings resolved, because reading files takes a thread."""
    core = client._core
    view._core.pipeline = Pipeline(
        view._core.shared,
        core.pipeline.settings._replace(
            timeout=view._core.options.timeout,
            region=view._core.options.region or "",
        ),
    )
    return view


async def test_views_of_an_account_and_region_share_one_picture() -> None:
    here, wire = world(*(f"c-{number}" for number in range(10)))
    client = here.client()
    views = [
        client,
        settled(client.with_options(label="other"), client),
        settled(client.with_options(timeout=5, max_attempts=1), client),
    ]
    caches = [view.cached_network_connectors(max_age=age) for view in views for age in (10, 60)]
    for cache in caches:
        await cache.__aenter__()
    await caches[-1].ready()
    await here.clock.sleep(60)
    assert len({cache.picture for cache in caches}) == 1
    assert (len(wire.gets), len(set(wire.gets))) == (10, 1)
    assert len(wire.listings) in (12, 13)
    await views[1].delete_network_connector("c-1")
    assert caches[0].peek("c-1") is None
    for cache in caches:
        await cache.__aexit__(None, None, None)
    late = settled(client.with_options(timeout=9), client).cached_network_connectors()
    assert late.stats().misses == 1


async def test_other_accounts_and_regions_have_pictures_of_their_own() -> None:
    here, _ = world("a")
    client = here.client()
    views = [
        client,
        settled(client.with_options(region="eu-west-1"), client),
        settled(client.with_options(credentials=Credentials("AKIDOTHER", "other")), client),
    ]
    caches = [view.cached_network_connectors() for view in views]
    for cache in caches:
        await cache.__aenter__()
    assert len({cache.picture for cache in caches}) == 3
    for cache in caches:
        await cache.__aexit__(None, None, None)


async def test_targets_that_share_a_picture_get_all_changes_each() -> None:
    here, wire = world("a")
    client = here.client()
    targets = [Target("us-east-1", label="one"), Target("us-east-1", label="two")]
    caches = client.cache_across(targets)
    for cache in caches.values():
        cache._core.pipeline = client._core.pipeline
    async with caches:
        assert len({cache.picture for cache in caches.values()}) == 1
        changes = caches.changes()
        seen = [await anext(changes), await anext(changes)]
        assert [target for target, _ in seen] == targets
        assert all(isinstance(change, ConnectorAdded) for _, change in seen)
        await changes.aclose()
        await here.clock.sleep(10)
        assert len(wire.gets) == 1


async def test_targets_of_other_accounts_get_their_own_changes() -> None:
    here, _ = world("a")
    client = here.client()
    other = Credentials("AKIDOTHER", "other-secret")
    targets = [Target("us-east-1"), Target("us-east-1", credentials=other)]
    caches = client.cache_across(targets)
    for cache in caches.values():
        cache._core.pipeline = Pipeline(cache._core.shared, client._core.pipeline.settings)
    async with caches:
        changes = caches.changes()
        await caches[targets[0]].ready()
        target, change = await anext(changes)
        assert (target, change.connector.name) == (targets[0], "a")
        here.state.put_network_connector("b")
        target, change = await anext(changes)
        assert (target, change.connector.name) == (targets[0], "b")
        await changes.aclose()


async def test_caches_watches_and_waiters_of_views_make_one_listing_a_round() -> None:
    here = World(provisioning_seconds=600)
    for number in range(8):
        here.state.create_network_connector(f"new-{number}", VPC, operator_role=ROLE)
    client = here.client()
    view = settled(client.with_options(label="view"), client)
    listings: list[float] = []
    gets: list[float] = []

    def note(request: Request) -> None:
        (gets if is_get(request) else listings).append(here.clock.monotonic())

    async def watch(watching: LambdaCoreClient) -> None:
        async with watching.watch_network_connectors() as changes:
            async for _ in changes:
                pass

    async with client.cached_network_connectors() as cache, view.cached_network_connectors():
        waiting = [
            asyncio.create_task(each.wait_until_network_connector_active(f"new-{number}"))
            for number in range(8)
            for each in (client, view)
        ]
        watching = [asyncio.create_task(watch(each)) for each in (client, view)]
        await here.clock.sleep(60)
        await cache.ready()
        here.transport.before = note
        started = here.clock.monotonic()
        await here.clock.sleep(300)
        assert len(listings) == len(set(listings)) == 300 / 5
        assert all(each >= started for each in listings)
        for task in (*waiting, *watching):
            task.cancel()
        await asyncio.gather(*waiting, *watching, return_exceptions=True)


@pytest.mark.parametrize("identifier", [[], {}, b"a", ("a",), "", 5, None, True, "\ud800"])
async def test_wrong_identifiers_are_refused_before_any_request(identifier: Any) -> None:
    here, wire = world("a")
    client = here.client()
    async with client.cached_network_connectors() as cache:
        await cache.ready()
        requests = len(wire.gets) + len(wire.listings)
        for use in (cache.peek, cache.age):
            with pytest.raises(ParameterError, match="identifier"):
                use(identifier)
        for ask in (
            cache.get,
            cache.read,
            client.delete_network_connector,
            client.update_network_connector,
        ):
            with pytest.raises((ParameterError, LambdaCoreError), match="identifier"):
                await ask(identifier)
        assert len(wire.gets) + len(wire.listings) == requests
