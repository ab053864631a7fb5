"""The stream of changes: what a consumer builds of it is what there is."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Iterable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ComputeResourceType,
    ConnectorAdded,
    ConnectorChange,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    LambdaCoreClient,
    NetworkConnectorSummary,
    NetworkConnectorWatch,
    NetworkProtocol,
    ParameterError,
    TransportError,
    VpcEgressConfiguration,
    from_dict,
    to_dict,
)
from lambdacore_async.protocol.messages import Request
from support.leaks import cancel_at, other_tasks
from support.simulation import World

VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC: Final = VpcEgressConfiguration(subnet_ids=("subnet-b",))


async def take(watch: NetworkConnectorWatch, count: int) -> list[ConnectorChange]:
    return [await anext(watch) for _ in range(count)]


async def read(watch: NetworkConnectorWatch, seen: list[ConnectorChange], count: int) -> None:
    for _ in range(count):
        seen.append(await anext(watch))


def create(here: World, name: str) -> None:
    role = "arn:aws:iam::123456789012:role/operator"
    here.state.create_network_connector(name, VPC, operator_role=role)


def told(changes: Iterable[ConnectorChange]) -> list[tuple[str, str]]:
    return [(type(change).__name__, change.connector.name) for change in changes]


async def test_each_kind_of_change_comes_as_what_it_is() -> None:
    here = World(provisioning_seconds=60, update_seconds=5, deletion_seconds=5)
    here.state.put_network_connector("old", configuration=VPC)
    client = here.client()
    async with client.watch_network_connectors() as watch:
        assert told(await take(watch, 1)) == [("ConnectorAdded", "old")]
        here.state.create_network_connector(
            "new", VPC, operator_role="arn:aws:iam::123456789012:role/x"
        )
        added, changed = await take(watch, 2)
        assert isinstance(added, ConnectorAdded)
        assert added.connector.state == "PENDING"
        assert isinstance(changed, ConnectorStateChanged)
        assert (changed.before, changed.connector.state) == (added.connector, "ACTIVE")
        assert 60 <= here.clock.monotonic() <= 80
        here.state.update_network_connector("old", configuration=OTHER_VPC)
        (updated,) = await take(watch, 1)
        assert isinstance(updated, ConnectorUpdated)
        assert updated.before.latest_version == 1
        assert updated.connector.latest_version == 2
        here.state.delete_network_connector("new")
        *_, deleted = await take(watch, 1)
        if isinstance(deleted, ConnectorStateChanged):
            (deleted,) = await take(watch, 1)
        assert isinstance(deleted, ConnectorDeleted)
        assert deleted.connector.name == "new"
        assert [each.name for each in watch.snapshot] == ["old"]


async def test_it_looks_every_ten_seconds_and_only_when_asked() -> None:
    here = World()
    here.state.put_network_connector("one")
    here.state.put_network_connector("two")
    looks: list[float] = []
    here.transport.before = lambda _: looks.append(here.clock.monotonic())
    async with here.client().watch_network_connectors() as watch:
        await take(watch, 1)
        await here.clock.sleep(1000)
        await take(watch, 1)
        assert looks == [0]
        here.state.put_network_connector("three")
        await take(watch, 1)
        assert len(looks) == 2
        assert 1000 < looks[1] <= 1010


async def test_a_slow_consumer_sees_the_net_change() -> None:
    here = World(provisioning_seconds=1, deletion_seconds=1)
    create(here, "a")
    async with here.client().watch_network_connectors() as watch:
        await take(watch, 1)
        here.state.put_network_connector("brief")
        here.state.delete_network_connector("brief")
        await here.clock.sleep(100)
        here.state.put_network_connector("b")
        changes = await take(watch, 2)
    assert sorted(told(changes)) == [("ConnectorAdded", "b"), ("ConnectorStateChanged", "a")]


@pytest.mark.parametrize("form", ["pickle", "json"])
async def test_a_watch_goes_on_from_a_snapshot_where_the_last_one_ended(form: str) -> None:
    here = World(deletion_seconds=0)
    for number in range(5):
        here.state.put_network_connector(f"c-{number}")
    client = here.client()
    async with client.watch_network_connectors() as watch:
        await take(watch, 3)
        snapshot: Any = watch.snapshot
    if form == "pickle":
        snapshot = pickle.loads(pickle.dumps(snapshot))  # noqa: S301 - our own
    else:
        written = json.dumps([to_dict(connector) for connector in snapshot])
        snapshot = [from_dict(NetworkConnectorSummary, each) for each in json.loads(written)]
    here.state.delete_network_connector("c-0")
    async with client.watch_network_connectors(snapshot) as watch:
        changes = await take(watch, 3)
    assert told(changes) == [
        ("ConnectorAdded", "c-3"),
        ("ConnectorAdded", "c-4"),
        ("ConnectorDeleted", "c-0"),
    ]


async def test_what_a_page_left_out_is_not_gone() -> None:
    here = World()
    there = here.state.put_network_connector("one")
    client = here.client()
    async with client.watch_network_connectors() as watch:
        await take(watch, 1)
        poller = client._poller
        list_all = poller.list_all
        hidden = True

        async def with_a_gap(interval: float) -> Any:
            nonlocal hidden
            listing = await list_all(interval)
            if hidden:
                hidden = False
                return [each for each in listing if each.id != there.id]
            here.state.put_network_connector("two")
            return await list_all(interval)

        poller.list_all = with_a_gap  # type: ignore[method-assign]
        assert told(await take(watch, 1)) == [("ConnectorAdded", "two")]


async def test_an_outage_delays_changes_and_loses_none() -> None:
    here = World()
    here.state.put_network_connector("one")
    failed = 0

    def fail(_: Request) -> None:
        nonlocal failed
        if here.clock.monotonic() < 100:
            failed += 1
            raise TransportError("the network is down")

    here.transport.before = fail
    async with here.client().watch_network_connectors() as watch:
        assert told(await take(watch, 1)) == [("ConnectorAdded", "one")]
    assert failed
    assert here.clock.monotonic() >= 100


async def test_who_may_not_list_is_told_so() -> None:
    here = World()

    def refuse(_: Request) -> None:
        raise ApiError("no", code="AccessDeniedException", status_code=403)

    here.transport.before = refuse
    async with here.client().watch_network_connectors() as watch:
        with pytest.raises(ApiError, match="AccessDenied"):
            await anext(watch)


async def test_it_is_read_inside_its_context_only() -> None:
    watch = World().client().watch_network_connectors()
    with pytest.raises(RuntimeError, match="async with"):
        await anext(watch)
    async with watch:
        assert aiter(watch) is watch
    with pytest.raises(RuntimeError, match="async with"):
        await anext(watch)


async def test_cancelling_a_watch_anywhere_loses_no_change() -> None:
    step = 0
    while True:
        here = World()
        client = here.client()
        names = [f"c-{number}" for number in range(3)]
        for name in names:
            here.state.put_network_connector(name)
        seen: list[ConnectorChange] = []
        async with client.watch_network_connectors() as watch:
            cancelled = await cancel_at(step, read(watch, seen, len(names)))
            assert other_tasks() == set()
            seen += await take(watch, len(names) - len(seen))
        assert [change.connector.name for change in seen] == names
        if not cancelled:
            break
        step += 1
    assert step > 0


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf")])
def test_the_interval_is_more_than_0_and_finite(interval: float) -> None:
    with pytest.raises(ParameterError, match="poll_interval"):
        World().client().watch_network_connectors(poll_interval=interval)


@pytest.mark.parametrize("snapshot", [["nc-1"], [{"Id": "nc-1"}], 5, "nc-1"])
def test_a_snapshot_is_summaries(snapshot: Any) -> None:
    with pytest.raises(ParameterError, match="snapshot"):
        LambdaCoreClient("us-east-1").watch_network_connectors(snapshot)


STEPS: Final = st.lists(
    st.tuples(
        st.sampled_from(["put", "fail", "delete", "wait", "read", "resume"]), st.integers(0, 4)
    ),
    max_size=30,
)


@given(STEPS)
def test_the_picture_that_the_changes_paint_is_the_truth(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, and wherever the watch is broken off and resumed."""

    async def run() -> None:
        here = World(deletion_seconds=0)
        client = here.client()
        picture: dict[str, NetworkConnectorSummary] = {}

        def paint(change: ConnectorChange) -> None:
            match change:
                case ConnectorAdded(connector):
                    assert connector.id not in picture
                    picture[connector.id] = connector
                case ConnectorStateChanged(before, connector) | ConnectorUpdated(before, connector):
                    assert picture[connector.id] == before != connector
                    picture[connector.id] = connector
                case ConnectorDeleted(connector):
                    assert picture.pop(connector.id) == connector

        watch = await client.watch_network_connectors().__aenter__()
        number = 0
        for step, index in steps:
            names = [each.name for each in picture.values()]
            truth = [each async for each in client.list_network_connectors()]
            match step:
                case "put":
                    number += 1
                    here.state.put_network_connector(f"c-{number}")
                case "delete" if truth:
                    here.state.delete_network_connector(truth[index % len(truth)].id)
                case "wait":
                    here.clock.advance(7)
                case "read" if {each.id: each for each in truth} != picture:
                    paint(await anext(watch))
                case "resume":
                    watch = await client.watch_network_connectors(watch.snapshot).__aenter__()
                case _:
                    assert names == [each.name for each in picture.values()]
        truth = [each async for each in client.list_network_connectors()]
        while {each.id: each for each in truth} != picture:
            paint(await anext(watch))
        assert {each.id: each for each in watch.snapshot} == picture

    asyncio.run(run())
