"""Watches: applying the changes yields the current connectors."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import pytest
from attrs import evolve
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
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorWatch,
    NetworkProtocol,
    Page,
    Pager,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    TransportError,
    VpcEgressConfiguration,
    from_dict,
    to_dict,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.operations import LIST_NETWORK_CONNECTORS
from lambdacore_async.workflows.polling import Poller
from support.leaks import cancel_at, other_tasks, settle
from support.simulation import EventClock, World

VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC: Final = VpcEgressConfiguration(subnet_ids=("subnet-b",), security_group_ids=("sg-a",))


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


async def test_each_kind_of_change_has_its_class() -> None:
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
        assert updated.before.latest_version is None
        assert updated.connector.latest_version == 2
        here.state.delete_network_connector("new")
        *_, deleted = await take(watch, 1)
        if isinstance(deleted, ConnectorStateChanged):
            (deleted,) = await take(watch, 1)
        assert isinstance(deleted, ConnectorDeleted)
        assert deleted.connector.name == "new"
        assert [each.name for each in watch.snapshot] == ["old"]


async def test_a_watch_polls_every_ten_seconds_and_only_on_demand() -> None:
    here = World()
    here.state.put_network_connector("one")
    here.state.put_network_connector("two")
    polled: list[float] = []
    here.transport.before = lambda _: polled.append(here.clock.monotonic())
    async with here.client().watch_network_connectors() as watch:
        await take(watch, 1)
        await here.clock.sleep(1000)
        await take(watch, 1)
        assert polled == [0]
        here.state.put_network_connector("three")
        await take(watch, 1)
        assert len(polled) == 2
        assert 1000 < polled[1] <= 1010


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
async def test_a_watch_resumes_from_a_snapshot_where_the_last_one_ended(form: str) -> None:
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


async def test_a_connector_that_a_page_left_out_is_not_deleted() -> None:
    here = World()
    there = here.state.put_network_connector("one")
    client = here.client()
    async with client.watch_network_connectors() as watch:
        await take(watch, 1)
        poller = client._workflows._poller(client._core.pipeline)
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


async def test_a_caller_without_permission_to_list_gets_the_error() -> None:
    here = World()

    def refuse(_: Request) -> None:
        raise ApiError("no", code="AccessDeniedException", status_code=403)

    here.transport.before = refuse
    async with here.client().watch_network_connectors() as watch:
        with pytest.raises(ApiError, match="AccessDenied"):
            await anext(watch)


async def test_a_watch_is_read_only_inside_its_context() -> None:
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
def test_applying_all_changes_yields_the_current_connectors(steps: list[tuple[str, int]]) -> None:
    """This holds for all changes, and wherever the watch stops and resumes."""

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


# Deletions are checked one by one, and hold nothing back


class Checks:
    """Answers listings and gets from a script, and counts the gets."""

    def __init__(self, count: int) -> None:
        self.there = {
            f"nc-{number}": NetworkConnectorSummary(
                arn=f"arn:{number}", name=f"c-{number}", id=f"nc-{number}",
                type=NetworkConnectorType.VPC_EGRESS,
            )
            for number in range(count)
        }  # fmt: skip
        self.asked: Counter[str] = Counter()
        self.under_way = self.most_under_way = 0
        self.listings = 0
        self.fails: dict[str, Exception] = {}
        self.failures = 1
        self.silent: set[str] = set()
        self.listing_fails: Exception | None = None

    async def get(self, identifier: str) -> NetworkConnector:
        self.asked[identifier] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            if identifier in self.silent:
                await asyncio.Event().wait()
        finally:
            self.under_way -= 1
        if identifier in self.fails and self.asked[identifier] <= self.failures:
            raise self.fails[identifier]
        if identifier not in self.there:
            raise ResourceNotFoundException("gone")
        each = self.there[identifier]
        return NetworkConnector(each.arn, each.name, each.id)

    async def call(self, operation: Any, arguments: Any) -> Page[Any]:
        self.listings += 1
        await asyncio.sleep(0)
        if self.listing_fails is not None:
            raise self.listing_fails
        return Page(tuple(self.there.values()))

    def watch(self, clock: Clock | None = None) -> NetworkConnectorWatch:
        poller = Poller(
            self.get, Pager(self.call, LIST_NETWORK_CONNECTORS, {}), clock or EventClock(), 0
        )
        return NetworkConnectorWatch(poller, tuple(self.there.values()), 10)


async def test_deletions_are_checked_many_at_a_time_and_each_once() -> None:
    checks = Checks(300)
    watch = checks.watch()
    checks.there.clear()
    checks.silent = {"nc-0", "nc-150"}
    async with watch:
        changes = await take(watch, 298)
    assert {type(change) for change in changes} == {ConnectorDeleted}
    assert len({change.connector.id for change in changes}) == 298
    assert set(checks.asked.values()) == {1}
    assert 10 <= checks.most_under_way <= 20
    assert checks.listings <= 2
    assert other_tasks() == set()


async def test_changes_of_a_listing_come_before_its_checks_of_deletions() -> None:
    checks = Checks(3)
    watch = checks.watch()
    silent = set(checks.there)
    checks.silent |= silent
    new = evolve(checks.there["nc-0"], id="nc-9", name="new")
    checks.there = {"nc-9": new}
    async with watch:
        assert told(await take(watch, 1)) == [("ConnectorAdded", "new")]
        assert not checks.asked


async def test_a_check_without_an_answer_holds_back_neither_deletions_nor_listings() -> None:
    checks = Checks(30)
    watch = checks.watch()
    new = evolve(checks.there["nc-0"], id="nc-30", name="new")
    checks.there.clear()
    checks.silent = {"nc-7"}
    async with watch:
        gone = await take(watch, 29)
        assert {change.connector.id for change in gone} == set(watch_ids(30)) - {"nc-7"}
        for name in ("new", "newer"):
            checks.there[name] = evolve(new, id=name, name=name)
            assert told(await take(watch, 1)) == [("ConnectorAdded", name)]
        assert checks.asked["nc-7"] == 1
    assert other_tasks() == set()


def watch_ids(count: int) -> list[str]:
    return [f"nc-{number}" for number in range(count)]


@pytest.mark.parametrize(
    "error",
    [
        TransportError("the network is down"),
        ApiError("boom", code="ServiceException", status_code=500),
        ResponseError("cannot read the answer", status_code=200),
        ApiError("odd", code="OddException", status_code=418),
    ],
)
async def test_a_check_that_fails_is_repeated_alone_at_the_next_listing(
    error: LambdaCoreError,
) -> None:
    checks = Checks(50)
    watch = checks.watch()
    checks.there.clear()
    checks.fails["nc-0"] = error
    checks.failures = 2
    async with watch:
        changes = await take(watch, 50)
        assert told(changes[-1:]) == [("ConnectorDeleted", "c-0")]
    assert checks.asked.pop("nc-0") == checks.listings == 3
    assert set(checks.asked.values()) == {1}
    assert watch.snapshot == ()


@pytest.mark.parametrize(
    "error",
    [
        ApiError("no", code="AccessDeniedException", status_code=403),
        RuntimeError("the client is closed"),
    ],
)
async def test_an_error_that_affects_all_checks_is_raised_after_all_changes(
    error: Exception,
) -> None:
    checks = Checks(5)
    watch = checks.watch()
    checks.there.clear()
    checks.fails["nc-0"] = error
    async with watch:
        assert len(await take(watch, 4)) == 4
        with pytest.raises(type(error)):
            await anext(watch)
        assert told(await take(watch, 1)) == [("ConnectorDeleted", "c-0")]


async def test_a_defect_in_a_listing_is_raised_and_the_watch_continues() -> None:
    checks = Checks(1)
    watch = checks.watch()
    checks.there.clear()
    checks.listing_fails = OverflowError("a defect")
    async with watch:
        with pytest.raises(OverflowError):
            await anext(watch)
        checks.listing_fails = None
        assert told(await take(watch, 1)) == [("ConnectorDeleted", "c-0")]


async def test_cancelling_a_watch_during_checks_leaves_no_task_and_loses_no_change() -> None:
    step = 0
    while True:
        checks = Checks(4)
        watch = checks.watch()
        checks.there = {"nc-9": evolve(checks.there["nc-0"], id="nc-9", name="new")}
        checks.silent = {"nc-3"}
        seen: list[ConnectorChange] = []
        async with watch:
            if not await cancel_at(step, read(watch, seen, 4)):
                break
            assert other_tasks() == set()
            checks.silent.clear()
            seen += await take(watch, 5 - len(seen))
        assert sorted(told(seen)) == [
            ("ConnectorAdded", "new"),
            *(("ConnectorDeleted", f"c-{n}") for n in range(4)),
        ]
        step += 1
    assert step >= 3  # from Python 3.12 on, one turn of the loop less
    assert other_tasks() == set()


async def test_two_tasks_on_one_watch_get_each_change_once() -> None:
    checks = Checks(40)
    watch = checks.watch()
    checks.there = {"nc-99": evolve(checks.there["nc-0"], id="nc-99", name="new")}
    seen: list[ConnectorChange] = []
    async with watch:
        await asyncio.gather(read(watch, seen, 20), read(watch, seen, 21))
    assert len({change.connector.id for change in seen}) == 41


async def test_leaving_a_watch_ends_a_task_that_waits_for_a_change() -> None:
    checks = Checks(1)
    async with checks.watch() as watch:
        waiting = asyncio.create_task(watch.__anext__())
        await settle()
    for _ in range(10):  # until the next listing
        await settle()
    assert waiting.done()
    with pytest.raises(RuntimeError, match="async with"):
        await waiting
