"""Waiters, against the embedded service in the same process, on a clock of events."""

from __future__ import annotations

import asyncio
import itertools
import pickle
from datetime import timedelta
from typing import Any, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ComputeResourceType,
    LambdaCoreClient,
    LambdaCoreError,
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    TransportError,
    VpcEgressConfiguration,
    WaiterError,
    WaiterFailedError,
    WaiterTimeoutError,
)
from lambdacore_async.models.runtimes import RuntimeAlias, RuntimeVersion
from lambdacore_async.protocol.messages import Request
from support import botocore_judge as judge
from support.leaks import cancel_at, other_tasks
from support.simulation import World

NO_ROOM: Final = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC: Final = evolve(VPC, subnet_ids=("subnet-b",))
DELETING: Final = NetworkConnectorState.DELETING
FAILED_TO_DELETE: Final = NetworkConnectorState.DELETE_FAILED
ROLE: Final = "arn:aws:iam::123456789012:role/operator"
OTHER_ROLE: Final = f"{ROLE}-2"


def world(**options: Any) -> World:
    """A service in which connectors take 60 s, updates 30 s, deletions 20 s."""
    usual = {"provisioning_seconds": 60, "update_seconds": 30, "deletion_seconds": 20}
    return World(**{**usual, **options})


async def create(client: LambdaCoreClient, name: str = "prod") -> NetworkConnector:
    return await client.create_network_connector(name, VPC, operator_role=ROLE)


# Until active


@pytest.mark.parametrize("form", ["id", "name", "arn"])
async def test_a_connector_is_returned_whole_once_it_is_active(form: str) -> None:
    here = world()
    client = here.client()
    created = await create(client)
    connector = await client.wait_until_network_connector_active(getattr(created, form))
    assert connector == await client.get_network_connector("prod")
    assert connector.state == NetworkConnectorState.ACTIVE
    assert isinstance(connector.configuration, VpcEgressConfiguration)
    assert 60 <= here.clock.monotonic() < 70
    assert other_tasks() == set()


async def test_an_active_connector_is_returned_at_once() -> None:
    here = world()
    here.state.put_network_connector("prod")
    client = here.client()
    await client.wait_until_network_connector_active("prod")
    assert (here.clock.monotonic(), here.calls) == (0, {"GetNetworkConnector": 1})


@pytest.mark.parametrize("many", [False, True])
async def test_a_failure_is_explained(many: bool) -> None:
    here = world()
    client = here.client()
    here.state.fail_next("CreateNetworkConnector", NO_ROOM)
    await create(client)
    names = ["prod", *([f"other-{number}" for number in range(9)] if many else [])]
    for name in names[1:]:
        await create(client, name)
    error, *connectors = await asyncio.gather(
        *map(client.wait_until_network_connector_active, names), return_exceptions=True
    )
    assert isinstance(error, WaiterFailedError)
    assert (error.state, error.reason_code) == ("FAILED", NO_ROOM)
    assert error.reason
    assert isinstance(error.last, NetworkConnector)
    assert error.last.configuration is not None
    assert error.cause is not None
    assert str(error) == (
        f"GetNetworkConnector: network connector prod is FAILED: {NO_ROOM}: {error.reason}"
    )
    assert all(isinstance(connector, NetworkConnector) for connector in connectors)
    same = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(same), same.last, same.cause) == (str(error), error.last, error.cause)


@pytest.mark.parametrize("state", ["DELETING", "DELETE_FAILED", "FAILED"])
async def test_a_failure_state_ends_the_wait(state: str) -> None:
    here = world()
    here.state.put_network_connector(
        "prod",
        state=NetworkConnectorState(state),
        state_reason_code=None if state == "DELETING" else NO_ROOM,
    )
    with pytest.raises(WaiterFailedError) as caught:
        await here.client().wait_until_network_connector_active("prod")
    assert caught.value.state == state
    assert here.clock.monotonic() == 0


async def test_a_connector_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ResourceNotFoundException):
        await world().client().wait_until_network_connector_active("prod")


@pytest.mark.parametrize("many", [False, True])
async def test_a_deletion_during_the_wait_is_a_failure(many: bool) -> None:
    here = world(deletion_seconds=0)
    client = here.client()
    names = [f"c-{number}" for number in range(9 if many else 1)]
    here.state.fail_next("CreateNetworkConnector", NO_ROOM, seconds=20)
    for name in names:
        await create(client, name)
    waiting = [
        asyncio.create_task(client.wait_until_network_connector_active(name)) for name in names
    ]
    await here.clock.sleep(20)
    here.state.delete_network_connector("c-0")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[0], WaiterFailedError)
    assert str(results[0]) == "GetNetworkConnector: c-0 was deleted"
    assert results[0].state is None
    assert isinstance(results[0].last, NetworkConnector)
    assert results[0].last.name == "c-0"
    assert isinstance(results[0].__cause__, ResourceNotFoundException)


async def test_a_new_connector_of_the_same_name_is_not_the_one_waited_for() -> None:
    here = world(deletion_seconds=0)
    client = here.client()
    there = here.state.put_network_connector("prod", state=NetworkConnectorState.PENDING)
    waiting = asyncio.create_task(client.wait_until_network_connector_active("prod"))
    await here.clock.sleep(5)
    here.state.put_network_connector("prod")
    here.state.delete_network_connector("prod")
    await create(client)
    with pytest.raises(WaiterFailedError, match="prod was deleted") as caught:
        await waiting
    assert isinstance(caught.value.last, NetworkConnector)
    assert caught.value.last.id == there.id


@pytest.mark.parametrize("many", [False, True])
async def test_a_timeout_has_the_last_observation(many: bool) -> None:
    here = world(provisioning_seconds=1000)
    client = here.client()
    names = [f"c-{number}" for number in range(9 if many else 1)]
    for name in names:
        await create(client, name)
    waits = (client.wait_until_network_connector_active(name, timeout=100) for name in names)
    errors = await asyncio.gather(*waits, return_exceptions=True)
    for error, name in zip(errors, names, strict=True):
        assert isinstance(error, WaiterTimeoutError)
        assert isinstance(error, TimeoutError)
        assert f"timed out after 100 seconds: {name} is PENDING" in str(error)
        assert isinstance(error.last, NetworkConnector)
        assert (error.last.name, error.last.state) == (name, "PENDING")
    assert here.clock.monotonic() == pytest.approx(100)
    assert other_tasks() == set()


async def test_polls_are_frequent_at_first_and_then_every_ten_seconds() -> None:
    here = world(provisioning_seconds=1000)
    client = here.client()
    await create(client)
    polled: list[float] = []
    here.transport.before = lambda _: polled.append(here.clock.monotonic())
    with pytest.raises(WaiterTimeoutError):
        await client.wait_until_network_connector_active("prod", timeout=60)
    pauses = [after - before for before, after in itertools.pairwise(polled)]
    assert polled[0] == 0
    assert all(pause <= most for pause, most in zip(pauses, (1, 2, 4, 8, 10, 10), strict=False))
    assert pauses[-3:] == pytest.approx([10, 10, 10])


async def test_each_change_calls_the_callback_once() -> None:
    here = world()
    client = here.client()
    names = [f"c-{number}" for number in range(5)]
    for name in names:
        await create(client, name)
    seen: list[tuple[str, str | None, bool]] = []

    def note(connector: NetworkConnector) -> None:
        seen.append((connector.name, connector.state, connector.configuration is not None))

    await asyncio.gather(
        *(client.wait_until_network_connector_active(name, on_change=note) for name in names)
    )
    for name in names:
        assert [each for each in seen if each[0] == name] == [
            (name, "PENDING", True),
            (name, "ACTIVE", True),
        ]


async def test_a_change_that_could_not_be_read_calls_the_callback_after_a_later_poll() -> None:
    here = world(provisioning_seconds=1000)
    client = here.client()
    names = [f"c-{number}" for number in range(9)]
    for name in names:
        await create(client, name)
    seen: list[str] = []

    def fail(request: Request) -> None:
        if "/network-connectors/" in request.target and here.clock.monotonic() < 50:
            raise TransportError("the network is down")

    here.transport.before = fail
    waits = (
        client.wait_until_network_connector_active(
            name, timeout=100, on_change=lambda connector: seen.append(connector.name)
        )
        for name in names
    )
    await asyncio.gather(*waits, return_exceptions=True)
    assert sorted(seen) == names


# Lagging reads


class Hidden:
    """Answers reads below a path with 404 for some seconds, or for a number of reads."""

    def __init__(self, here: World, *, seconds: float = 0, path: str = "") -> None:
        self.reads = 0
        self._here, self._until, self._path = here, here.clock.monotonic() + seconds, path
        here.transport.before = self

    def __call__(self, request: Request) -> None:
        is_read = request.method == "GET" and not is_listing(request)
        if is_read and self._path in request.target and self._here.clock.monotonic() < self._until:
            self.reads += 1
            raise ResourceNotFoundException("not yet", status_code=404)


def is_listing(request: Request) -> bool:
    return request.target.partition("?")[0].endswith("/network-connectors")


@pytest.mark.parametrize("form", ["model", "id", "name", "arn"])
@pytest.mark.parametrize("seconds", [1, 20, 59])
async def test_a_connector_that_was_just_created_may_be_hidden_for_a_minute(
    form: str, seconds: float
) -> None:
    here = world()
    client = here.client()
    created = await create(client)
    hidden = Hidden(here, seconds=seconds)
    connector = await client.wait_until_network_connector_active(
        created if form == "model" else getattr(created, form)
    )
    assert connector.state == "ACTIVE"
    assert hidden.reads
    assert other_tasks() == set()


@given(st.lists(st.booleans(), max_size=40))
def test_reads_may_flip_between_found_and_not_found_while_they_may_lag(shown: list[bool]) -> None:
    async def play() -> None:
        here = world(provisioning_seconds=30)
        client = here.client()
        created = await create(client)
        script = iter(shown)

        def flip(_: Request) -> None:
            if not next(script, True) and here.clock.monotonic() < 60:
                raise ResourceNotFoundException("not yet", status_code=404)

        here.transport.before = flip
        connector = await client.wait_until_network_connector_active(created)
        assert connector.state == "ACTIVE"
        assert here.clock.monotonic() < 90

    asyncio.run(play())


@pytest.mark.parametrize("count", [1, 9])
async def test_a_connector_that_stays_hidden_is_not_found_after_a_minute(count: int) -> None:
    here = world()
    client = here.client()
    models = [NetworkConnector(f"arn:{n}", f"c-{n}", f"nc-{n}") for n in range(count)]
    waits = map(client.wait_until_network_connector_active, models)
    outcomes = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {ResourceNotFoundException}
    assert 60 <= here.clock.monotonic() <= 75
    assert 20 * count < here.calls["GetNetworkConnector"] <= 25 * count


async def test_a_client_remembers_for_a_minute_what_it_created() -> None:
    here = world(deletion_seconds=0, provisioning_seconds=0)
    client = here.client()
    early = await create(client, "early")
    await here.clock.sleep(61)
    late = await create(client, "late")
    assert set(client._core.pipeline.shared.written) == {late.id, late.name, late.arn}
    Hidden(here, seconds=1e9)
    start = here.clock.monotonic()
    for each, seconds in ((early, 0), (late, 60)):
        with pytest.raises(ResourceNotFoundException):
            await client.wait_until_network_connector_active(each.id)
        assert seconds <= here.clock.monotonic() - start <= seconds + 15


async def test_what_is_written_again_keeps_nothing_older_in_memory() -> None:
    here = world()
    client = here.client()
    for at, name in ((0, "a"), (1, "b"), (50, "a"), (62, "c")):
        here.clock.advance(at - here.clock.monotonic())
        client._core.note_write(name)
    assert list(client._core.pipeline.shared.written) == ["a", "c"]


async def test_a_view_knows_what_another_view_created() -> None:
    here = world()
    client = here.client()
    created = await create(client)
    Hidden(here, seconds=20)
    view = client.with_options(timeout=5)
    view._core.pipeline = client._core.pipeline
    assert (await view.wait_until_network_connector_active(created.id)).state == "ACTIVE"


@pytest.mark.parametrize("form", ["model", "id"])
async def test_an_update_may_hide_its_connector_for_a_minute(form: str) -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    hidden = Hidden(here, seconds=20)
    connector = await client.wait_until_network_connector_updated(
        updated if form == "model" else updated.id
    )
    assert connector.configuration == OTHER_VPC
    assert hidden.reads


@pytest.mark.parametrize("kind", ["version", "alias"])
async def test_a_part_of_a_runtime_that_was_just_written_may_be_hidden(kind: str) -> None:
    here = world()
    client = here.client()
    await runtime(client)
    hidden = Hidden(here, seconds=20, path="/runtimes/")
    assert (await client.wait_until_runtime_version_active("python", "v1")).state == "ACTIVE"
    assert hidden.reads
    await here.clock.sleep(100)
    await client.update_runtime_version("python", "v1", "notes")
    hidden = Hidden(here, seconds=20, path="/versions/")
    await client.wait_until_runtime_version_active("python", "v1")
    assert hidden.reads
    for write in (client.create_runtime_alias, None):
        if write is not None:
            await write("python", "v1", "live")
        else:
            await here.clock.sleep(100)
            await client.update_runtime_alias("python", "live", "v1")
        hidden = Hidden(here, seconds=20, path="/aliases/")
        assert (await client.wait_until_runtime_alias_active("python", "live")).state == "ACTIVE"
        assert hidden.reads


async def test_a_dry_run_creates_nothing_to_wait_for() -> None:
    here = world()
    client = here.client()
    await client.create_runtime("python")
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:1"
    await client.create_runtime_version("python", image, "v1", dry_run=True)
    with pytest.raises(ResourceNotFoundException):
        await client.wait_until_runtime_version_active("python", "v1")
    assert here.clock.monotonic() == 0


@pytest.mark.parametrize("count", [1, 9])
async def test_a_failure_of_an_earlier_deletion_is_no_failure_of_this_one(count: int) -> None:
    here = world()
    client = here.client()
    names = [f"c-{number}" for number in range(count)]
    deleted: list[NetworkConnector] = []
    for name in names:
        here.state.put_network_connector(name)
        stale = here.state.put_network_connector(f"old-{name}", state=FAILED_TO_DELETE)
        gone = await client.delete_network_connector(name)
        deleted.append(evolve(gone, id=stale.id, name=stale.name, arn=stale.arn))
    waiting = [
        asyncio.create_task(client.wait_until_network_connector_deleted(each)) for each in deleted
    ]
    await here.clock.sleep(40)
    assert not any(task.done() for task in waiting)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {WaiterFailedError}
    assert 60 <= here.clock.monotonic() <= 75


@pytest.mark.parametrize("count", [1, 9])
async def test_a_deletion_that_was_seen_to_fail_is_a_failure_at_once(count: int) -> None:
    here = world()
    client = here.client()
    deleted: list[NetworkConnector] = []
    for number in range(count):
        here.state.put_network_connector(f"c-{number}")
        here.state.fail_next("DeleteNetworkConnector", NO_ROOM, name=f"c-{number}")
        deleted.append(await client.delete_network_connector(f"c-{number}"))
    waits = map(client.wait_until_network_connector_deleted, deleted)
    outcomes = await asyncio.gather(*waits, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {WaiterFailedError}
    assert here.clock.monotonic() < 35


async def test_a_read_that_still_shows_active_is_no_failure_of_a_deletion() -> None:
    here = world()
    there = here.state.put_network_connector("prod")
    client = here.client()

    def begin(_: Request) -> None:
        if here.clock.monotonic() >= 15 and here.state.get_network_connector("prod").state == (
            "ACTIVE"
        ):
            here.state.delete_network_connector("prod")
            here.transport.before = lambda _: None

    here.transport.before = begin
    await client.wait_until_network_connector_deleted(evolve(there, state=DELETING))
    assert here.clock.monotonic() >= 35


# One answer that cannot be read


@pytest.mark.parametrize("count", [2, 9])
@pytest.mark.parametrize(
    "error",
    [ResponseError("cannot read the answer", status_code=200), OverflowError("a defect")],
)
async def test_an_answer_that_cannot_be_read_ends_the_wait_for_its_connector_alone(
    count: int, error: Exception
) -> None:
    here = world()
    client = here.client()
    created = [await create(client, f"c-{number}") for number in range(count)]

    def poison(request: Request) -> None:
        if request.target.endswith(created[0].id) or is_listing(request):
            raise error

    here.transport.before = poison
    waits = (client.wait_until_network_connector_active(each) for each in created)
    first, *others = await asyncio.gather(*waits, return_exceptions=True)
    # The pipeline wraps the errors of a transport.
    assert isinstance(first, ResponseError | TransportError)
    assert [connector.state for connector in others if isinstance(connector, NetworkConnector)] == (
        ["ACTIVE"] * (count - 1)
    )


async def test_a_defect_in_a_poll_ends_the_wait() -> None:
    client = world().client()
    created = await create(client, "c")

    async def get(identifier: str) -> NetworkConnector:
        raise OverflowError("a defect")

    client._workflows._poller(client._core.pipeline).get = get
    with pytest.raises(OverflowError, match="a defect"):
        await client.wait_until_network_connector_active(created)


# What passes


class Weather:
    """Makes requests fail for some seconds."""

    def __init__(self, here: World, error: LambdaCoreError, until: float) -> None:
        self.failed = 0
        self._here, self._error, self._until = here, error, until
        here.transport.before = self

    def __call__(self, _: Request) -> None:
        if self._here.clock.monotonic() < self._until:
            self.failed += 1
            raise self._error


@pytest.mark.parametrize("count", [1, 9])
async def test_an_outage_ends_no_wait(count: int) -> None:
    here = world()
    client = here.client()
    names = [f"c-{number}" for number in range(count)]
    for name in names:
        await create(client, name)
    weather = Weather(here, TransportError("the network is down"), until=300)
    connectors = await asyncio.gather(*map(client.wait_until_network_connector_active, names))
    assert [connector.name for connector in connectors] == names
    assert weather.failed > count
    assert here.clock.monotonic() < 340


async def test_an_outage_that_outlasts_the_wait_is_the_cause_of_its_end() -> None:
    here = world()
    client = here.client()
    Weather(here, TransportError("the network is down"), until=1e9)
    with pytest.raises(WaiterTimeoutError) as caught:
        await client.wait_until_network_connector_active("prod", timeout=200)
    assert isinstance(caught.value.__cause__, TransportError)
    assert caught.value.last is None
    assert f"no poll succeeded: {caught.value.__cause__}" in str(caught.value)
    assert here.clock.monotonic() == pytest.approx(200, abs=1)


async def test_a_caller_without_permission_gets_the_error_at_once() -> None:
    here = world()
    Weather(here, ApiError("no", code="AccessDeniedException", status_code=403), until=1e9)
    with pytest.raises(ApiError, match="AccessDenied"):
        await here.client().wait_until_network_connector_active("prod")


async def test_a_timeout_error_of_a_callback_is_not_a_timeout_of_the_wait() -> None:
    here = world()
    await create(here.client())

    def note(_: NetworkConnector) -> None:
        raise TimeoutError("of the callback's own")

    with pytest.raises(TimeoutError, match="callback") as caught:
        await here.client().wait_until_network_connector_active("prod", on_change=note)
    assert not isinstance(caught.value, WaiterError)


@pytest.mark.parametrize("count", [1, 4])
async def test_cancelling_a_wait_anywhere_leaves_nothing(count: int) -> None:
    step = 0
    cancelled = True
    while cancelled:
        here = world(provisioning_seconds=4)
        client = here.client()
        names = [f"c-{number}" for number in range(count)]
        for name in names:
            await create(client, name)
        others = [
            asyncio.create_task(client.wait_until_network_connector_active(name))
            for name in names[1:]
        ]
        cancelled = await cancel_at(step, client.wait_until_network_connector_active("c-0"))
        assert other_tasks() >= {task for task in others if not task.done()}
        connectors = await asyncio.gather(*others)
        assert [connector.name for connector in connectors] == names[1:]
        assert other_tasks() == set()
        step += 1
    assert step > 3


# Until updated


async def test_an_update_is_waited_for_and_not_an_earlier_one() -> None:
    here = world(stale_seconds=15)
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    for configuration in (OTHER_VPC, VPC):
        updated = await client.update_network_connector("prod", configuration=configuration)
        connector = await client.wait_until_network_connector_updated(updated)
        assert connector.version == updated.version
        assert connector.last_update_status == "Successful"
        assert connector.configuration == configuration


@pytest.mark.parametrize("form", ["connector", "version"])
async def test_an_update_followed_by_a_failed_one_is_done(form: str) -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    await here.clock.sleep(40)
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    later = await client.update_network_connector("prod", configuration=VPC)
    await here.clock.sleep(40)
    if form == "connector":
        connector = await client.wait_until_network_connector_updated(updated)
    else:
        waiting = client.wait_until_network_connector_updated(later, version=updated.version)
        connector = await waiting
    assert connector.configuration == OTHER_VPC
    assert here.clock.monotonic() == 80
    with pytest.raises(WaiterFailedError):
        await client.wait_until_network_connector_updated(later)


@given(
    updates=st.lists(
        st.tuples(
            st.sampled_from([VPC, OTHER_VPC, None]),
            st.sampled_from([ROLE, OTHER_ROLE, None]),
            st.sampled_from([None, *NetworkConnectorStateReasonCode]),
        ),
        min_size=1,
        max_size=6,
    ),
    seconds=st.sampled_from([0, 3, 30, 300]),
    stale=st.sampled_from([0, 2, 15, 55]),
    versioned=st.booleans(),
)
def test_every_update_ends_as_itself_and_not_as_the_one_before(
    updates: list[
        tuple[VpcEgressConfiguration | None, str | None, NetworkConnectorStateReasonCode | None]
    ],
    seconds: float,
    stale: float,
    versioned: bool,
) -> None:
    here = world(update_seconds=seconds, stale_seconds=stale, versioned_roles=versioned)
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)

    async def play() -> None:
        client = here.client()
        for configuration, role, reason in updates:
            if reason is not None:
                here.state.fail_next("UpdateNetworkConnector", reason)
            updated = await client.update_network_connector(
                "prod", configuration=configuration or VPC, operator_role=role
            )
            (result,) = await asyncio.gather(
                client.wait_until_network_connector_updated(updated), return_exceptions=True
            )
            if updated.last_update_status == "InProgress" and reason is not None:
                assert isinstance(result, WaiterFailedError)
                assert result.reason_code == reason
            else:
                assert isinstance(result, NetworkConnector)
                assert result.operator_role == updated.operator_role
                assert result.configuration == updated.configuration
            # An update that changed nothing took none.
            here.state.account.scheduled_failures.clear()

    asyncio.run(play())


@pytest.mark.parametrize("configuration", [None, OTHER_VPC])
async def test_an_update_whose_role_was_changed_in_the_same_moment_is_done(
    configuration: VpcEgressConfiguration | None,
) -> None:
    here = world(update_seconds=0, versioned_roles=False)
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    client = here.client()
    updated = await client.update_network_connector(
        "prod", configuration=configuration, operator_role=OTHER_ROLE
    )
    await client.update_network_connector("prod", operator_role=ROLE)
    connector = await client.wait_until_network_connector_updated(updated)
    assert connector.last_modified == updated.last_modified
    assert (connector.operator_role, connector.configuration) == (ROLE, configuration or VPC)


async def test_a_version_that_is_never_made_times_out() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    with pytest.raises(WaiterTimeoutError, match="prod is ACTIVE"):
        await here.client().wait_until_network_connector_updated("prod", version=2)


async def test_an_update_of_the_role_followed_by_another_is_done() -> None:
    here = world(versioned_roles=False)
    here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    client = here.client()
    updated = await client.update_network_connector("prod", operator_role=OTHER_ROLE)
    await here.clock.sleep(40)
    await client.update_network_connector("prod", configuration=OTHER_VPC, operator_role=ROLE)
    connector = await client.wait_until_network_connector_updated(updated)
    assert (connector.operator_role, here.clock.monotonic() >= 70) == (ROLE, True)


@pytest.mark.parametrize(
    ("role", "age", "seconds"), [(ROLE, -1, 0), (ROLE, 0, 60), (ROLE, 1, 60), (OTHER_ROLE, 1, 60)]
)
async def test_a_failure_is_the_update_s_own_if_no_older_read_could_show_it(
    role: str, age: float, seconds: float
) -> None:
    here = world()
    there = here.state.put_network_connector(
        "prod",
        operator_role=role,
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason_code=NO_ROOM,
    )
    assert there.last_modified is not None
    # As a service answers that makes no version for another role; it was never seen at work.
    updated = evolve(
        there, operator_role=OTHER_ROLE, last_modified=there.last_modified + timedelta(seconds=age)
    )
    with pytest.raises(WaiterFailedError, match=NO_ROOM):
        await here.client().wait_until_network_connector_updated(updated)
    assert seconds <= here.clock.monotonic() < seconds + 20


async def test_a_wait_that_cannot_decide_times_out_with_its_last_observation() -> None:
    here = world()
    there = here.state.put_network_connector(
        "prod",
        last_update_status=NetworkConnectorLastUpdateStatus.FAILED,
        last_update_status_reason_code=NO_ROOM,
        last_update_status_reason="no addresses",
    )
    updated = evolve(there, operator_role=OTHER_ROLE)
    with pytest.raises(WaiterTimeoutError) as caught:
        await here.client().wait_until_network_connector_updated(updated, timeout=50)
    assert f"prod is ACTIVE, last update Failed: {NO_ROOM}: no addresses" in str(caught.value)


async def test_a_failed_update_is_explained() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    with pytest.raises(WaiterFailedError, match="the update of prod failed") as caught:
        await client.wait_until_network_connector_updated("prod", version=updated.version)
    assert (caught.value.state, caught.value.reason_code) == ("Failed", NO_ROOM)


async def test_a_connector_that_is_deleted_will_not_be_updated() -> None:
    here = world()
    there = here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    await client.delete_network_connector("prod")
    with pytest.raises(WaiterFailedError, match="is DELETING"):
        await client.wait_until_network_connector_updated(there.id)


async def test_the_connector_explains_a_failed_update_whose_version_was_deleted() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)

    def hide(request: Request) -> None:
        if request.target.endswith(f"%3A{updated.version}"):
            raise ResourceNotFoundException("pruned", status_code=404)

    here.transport.before = hide
    with pytest.raises(WaiterFailedError) as caught:
        await client.wait_until_network_connector_updated(updated)
    assert caught.value.reason_code == NO_ROOM


async def test_an_outage_while_an_update_fails_only_delays_the_error() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    here.state.fail_next("UpdateNetworkConnector", NO_ROOM)
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    failed = 0

    def fail(request: Request) -> None:
        nonlocal failed
        if request.target.endswith(f"%3A{updated.version}") and here.clock.monotonic() < 90:
            failed += 1
            raise TransportError("the network is down")

    here.transport.before = fail
    with pytest.raises(WaiterFailedError):
        await client.wait_until_network_connector_updated(updated)
    assert failed > 1


async def test_an_outage_ends_no_wait_for_an_update() -> None:
    here = world()
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    weather = Weather(here, TransportError("the network is down"), until=100)
    connector = await client.wait_until_network_connector_updated(updated)
    assert connector.version == updated.version
    assert weather.failed


async def test_a_version_that_is_yet_to_be_seen_is_waited_for() -> None:
    here = world(stale_seconds=15)
    here.state.put_network_connector("prod", configuration=VPC)
    client = here.client()
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    hidden = 0

    def hide(request: Request) -> None:
        nonlocal hidden
        if request.target.endswith(f"%3A{updated.version}") and here.clock.monotonic() < 15:
            hidden += 1
            raise ResourceNotFoundException("not yet", status_code=404)

    here.transport.before = hide
    connector = await client.wait_until_network_connector_updated(updated)
    assert connector.version == updated.version
    assert hidden


# Until deleted


@pytest.mark.parametrize("count", [1, 9])
async def test_a_deletion_is_over_when_nothing_is_found(count: int) -> None:
    here = world()
    client = here.client()
    names = [f"c-{number}" for number in range(count)]
    for name in names:
        here.state.put_network_connector(name)
        await client.delete_network_connector(name)
    await asyncio.gather(*map(client.wait_until_network_connector_deleted, names))
    assert 20 <= here.clock.monotonic() < 30
    await client.wait_until_network_connector_deleted("c-0")


@pytest.mark.parametrize("count", [1, 9])
async def test_a_new_connector_of_the_same_name_keeps_no_deletion_waiting(count: int) -> None:
    here = world(deletion_seconds=6, provisioning_seconds=5000)
    client = here.client()
    names = [f"c-{number}" for number in range(count)]
    for name in names:
        here.state.put_network_connector(name)
        await client.delete_network_connector(name)
    waits = map(client.wait_until_network_connector_deleted, names)
    waiting = asyncio.gather(*waits)
    await here.clock.sleep(6)
    for name in names:
        await create(client, name)
    await waiting
    assert here.clock.monotonic() < 20


async def test_a_failed_deletion_is_explained() -> None:
    here = world()
    here.state.put_network_connector("prod")
    client = here.client()
    here.state.fail_next("DeleteNetworkConnector", NO_ROOM)
    await client.delete_network_connector("prod")
    with pytest.raises(WaiterFailedError) as caught:
        await client.wait_until_network_connector_deleted("prod")
    assert (caught.value.state, caught.value.reason_code) == ("DELETE_FAILED", NO_ROOM)


# Runtimes


def test_the_states_are_those_of_the_modelled_waiters() -> None:
    assert judge.waiter_states("RuntimeVersionActive") == {"success": "ACTIVE", "failure": "FAILED"}
    assert judge.waiter_states("RuntimeAliasActive") == {"success": "ACTIVE"}


async def runtime(client: LambdaCoreClient) -> None:
    await client.create_runtime("python")
    await client.create_runtime_version(
        "python", "123456789012.dkr.ecr.us-east-1.amazonaws.com/python:1", "v1"
    )


async def test_a_version_of_a_runtime_is_waited_for() -> None:
    here = world()
    client = here.client()
    await runtime(client)
    seen: list[RuntimeVersion] = []
    version = await client.wait_until_runtime_version_active("python", "v1", on_change=seen.append)
    assert version.state == "ACTIVE"
    assert [each.state for each in seen] == ["CREATING", "ACTIVE"]


async def test_a_version_of_a_runtime_that_takes_too_long_times_out() -> None:
    client = world().client()
    await runtime(client)
    with pytest.raises(WaiterTimeoutError, match="v1 is CREATING") as caught:
        await client.wait_until_runtime_version_active("python", "v1", timeout=0.5)
    assert (caught.value.state, caught.value.reason) == ("CREATING", None)
    assert caught.value.reason_code is None


async def test_an_alias_of_a_runtime_is_waited_for() -> None:
    here = world()
    client = here.client()
    await runtime(client)
    await client.wait_until_runtime_version_active("python", "v1")
    await client.create_runtime_alias("python", "v1", "live")
    seen: list[RuntimeAlias] = []
    alias = await client.wait_until_runtime_alias_active("python", "live", on_change=seen.append)
    assert alias.state == "ACTIVE"
    assert seen[-1] == alias


async def test_a_version_that_is_being_deleted_will_not_be_active() -> None:
    here = world()
    client = here.client()
    await runtime(client)
    await client.wait_until_runtime_version_active("python", "v1")
    await client.delete_runtime_version("python", "v1")
    with pytest.raises(WaiterFailedError, match="v1 is PENDING_DELETION") as caught:
        await client.wait_until_runtime_version_active("python", "v1")
    assert isinstance(caught.value.last, RuntimeVersion)
    assert caught.value.operation == "GetRuntimeVersion"


async def test_a_runtime_s_waiter_outlasts_an_outage() -> None:
    here = world()
    client = here.client()
    await runtime(client)
    weather = Weather(here, TransportError("the network is down"), until=100)
    assert (await client.wait_until_runtime_version_active("python", "v1")).state == "ACTIVE"
    assert weather.failed


# Arguments


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
@pytest.mark.parametrize("parameter", ["timeout", "poll_interval"])
async def test_durations_are_more_than_0_and_finite(parameter: str, seconds: float) -> None:
    here = world()
    with pytest.raises(ParameterError, match=parameter):
        options: dict[str, Any] = {parameter: seconds}
        await here.client().wait_until_network_connector_active("prod", **options)
    assert here.calls == {}
