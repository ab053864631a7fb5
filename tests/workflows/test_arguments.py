"""Arguments of workflows: an invalid one is refused by name, before any request."""

from __future__ import annotations

import math
import sys
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    LambdaCoreClient,
    NetworkConnector,
    ParameterError,
    Target,
    Timeout,
    VpcEgressConfiguration,
    diff_network_connector,
)
from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.workflows.arguments import check_callback, check_count
from support.simulation import World

VPC: Final = VpcEgressConfiguration(subnet_ids=("subnet-a",))
NUMBERS: Final = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400)])
OTHER_KINDS: Final = st.text() | st.binary() | st.none() | st.booleans() | st.lists(st.integers())


async def async_function(_: object) -> None:
    """Would never be awaited."""


async def async_generator(_: object) -> AsyncGenerator[None]:
    yield None


class AsyncCallable:
    async def __call__(self, _: object) -> None:
        """Would never be awaited."""


@given(NUMBERS, st.booleans())
def test_seconds_are_finite_and_not_negative(value: float, allow_zero: bool) -> None:
    if value <= sys.float_info.max and (value > 0 or (allow_zero and value == 0)):
        assert as_seconds("timeout", value, allow_zero=allow_zero) == float(value)
    else:
        with pytest.raises(ParameterError, match="^timeout: must be "):
            as_seconds("timeout", value, allow_zero=allow_zero)


@given(st.timedeltas(), st.booleans())
def test_a_timedelta_stands_for_its_seconds(value: timedelta, allow_zero: bool) -> None:
    if value > timedelta(0) or (allow_zero and value == timedelta(0)):
        assert as_seconds("timeout", value, allow_zero=allow_zero) == value.total_seconds()
    else:
        with pytest.raises(ParameterError, match="^timeout: must be "):
            as_seconds("timeout", value, allow_zero=allow_zero)


def test_each_limit_of_a_call_takes_a_timedelta() -> None:
    second = timedelta(seconds=1)
    assert Timeout(second, second, second, second) == Timeout(1, 1, 1, 1)
    for name in ("connect", "read", "attempt", "total"):
        with pytest.raises(ParameterError, match=f"^timeout.{name}: must be above 0 seconds"):
            Timeout(**{name: -second})
        with pytest.raises(ParameterError, match=f"^timeout.{name}: expected a number"):
            Timeout(**{name: "1"})  # type: ignore[arg-type] # the mistake


@given(OTHER_KINDS)
def test_a_value_of_another_type_is_neither_seconds_nor_a_count(value: object) -> None:
    for check in (as_seconds, check_count):
        with pytest.raises(ParameterError, match=f"got {type(value).__name__}$"):
            check("x", value)


@given(st.integers() | st.floats())
def test_a_count_is_a_whole_number_from_1(value: float) -> None:
    if isinstance(value, int) and value >= 1:
        check_count("keep", value)
    else:
        with pytest.raises(ParameterError, match="^keep: "):
            check_count("keep", value)


CALLBACKS: Final[tuple[Callable[..., object], ...]] = (print, partial(print), dict, set[int]().add)


@pytest.mark.parametrize("function", CALLBACKS)
def test_a_plain_function_is_a_callback(function: object) -> None:
    check_callback("on_change", function)


NO_CALLBACKS: Final = (
    5, "print", async_function, async_generator, AsyncCallable(), partial(async_function),
)  # fmt: skip


@pytest.mark.parametrize("function", NO_CALLBACKS)
def test_a_callback_is_callable_and_not_async(function: object) -> None:
    with pytest.raises(ParameterError) as raised:
        check_callback("on_change", function)
    assert raised.value.parameter == "on_change"


#: Methods that wait, and their positional arguments.
WAITS: Final[dict[str, tuple[object, ...]]] = {
    "wait_until_network_connector_active": ("a",),
    "wait_until_network_connector_updated": ("a",),
    "wait_until_network_connector_deleted": ("a",),
    "wait_until_runtime_version_active": ("r", "v"),
    "wait_until_runtime_alias_active": ("r", "a"),
    "ensure_network_connector": ("a", VPC),
    "update_network_connector_and_wait": ("a",),
    "delete_network_connector_and_wait": ("a",),
}
WRONG_SECONDS: Final = (
    "5", 0, -1, True, math.nan, math.inf, 10**400, timedelta(0), timedelta(-1), [5], None,
)  # fmt: skip


@pytest.mark.parametrize("method", WAITS)
async def test_a_wait_refuses_invalid_times_and_callbacks(method: str) -> None:
    here = World()
    wait = getattr(here.client(), method)
    for parameter, values in (
        ("timeout", WRONG_SECONDS),
        ("poll_interval", WRONG_SECONDS),
        ("on_change", NO_CALLBACKS),
    ):
        for value in values:
            with pytest.raises(ParameterError) as raised:
                await wait(*WAITS[method], **{parameter: value})
            assert raised.value.parameter == parameter
    assert here.calls == {}


#: Calls with an argument of a wrong kind, and its parameter.
REFUSED: Final[list[tuple[Callable[[Any], Any], str]]] = [
    *(
        (lambda c, name=name, value=value: getattr(c, name)(value), "identifier")
        for value in (5, None, ["a"], {"a"}, b"a", "")
        for name in (
            "wait_until_network_connector_active",
            "wait_until_network_connector_updated",
            "wait_until_network_connector_deleted",
        )
    ),
    *(
        (lambda c, v=v: c.wait_until_network_connector_updated("a", version=v), "version")
        for v in ("1", 0, -1, 1.0, True)
    ),
    *(
        (lambda c, v=v: c.prune_network_connector_versions("a", keep=v), "keep")
        for v in ("3", 2.5, True, 0, None)
    ),
    (lambda c: c.wait_until_runtime_version_active(["r"], "v"), "runtime_name"),
    (lambda c: c.wait_until_runtime_alias_active("r", 5), "name"),
    (lambda c: c.watch_network_connectors(poll_interval="10"), "poll_interval"),
    (lambda c: c.watch_network_connectors(poll_interval=True), "poll_interval"),
    (lambda c: c.watch_network_connectors(poll_interval=timedelta(-1)), "poll_interval"),
    (lambda c: c.watch_network_connectors(5), "snapshot"),
    (lambda c: c.lookup_network_connectors("a"), "identifiers"),
    (lambda c: c.lookup_network_connectors(None), "identifiers"),
    (lambda c: c.lookup_network_connectors(["a"], concurrency="5"), "concurrency"),
    (lambda c: c.lookup_network_connectors(["a"], concurrency=True), "concurrency"),
    (lambda c: c.lookup_network_connectors(["a"], deadline="5"), "deadline"),
    (lambda c: c.list_network_connectors(page_size="5"), "page_size"),
    (lambda c: c.list_network_connectors(page_size=2.5), "page_size"),
    (lambda c: c.list_network_connectors(page_size=True), "page_size"),
    (lambda c: c.list_network_connectors(page_size=0), "page_size"),
    (lambda c: c.list_network_connectors(page_size=101), "page_size"),
    (lambda c: c.list_network_connectors(page_size=10**30), "page_size"),
    (lambda c: c.list_network_connectors(limit="5"), "limit"),
    (lambda c: c.list_network_connectors(limit=True), "limit"),
    (lambda c: c.list_network_connectors(limit=0), "limit"),
    (lambda c: c.list_network_connectors(state=5), "state"),
    (lambda c: c.list_network_connectors(prefetch="yes"), "prefetch"),
    (lambda c: c.list_network_connectors().by_page(5), "continuation_token"),
    (lambda c: c.list_network_connector_versions(5), "identifier"),
    (lambda c: c.list_runtime_versions(None), "runtime_name"),
    (lambda c: c.list_runtime_aliases(""), "runtime_name"),
    *(
        (lambda c, v=v: c.lookup_across([Target("us-east-1")], v), "identifiers")
        for v in ("a", b"a", 5, None, iter(["a"]), (x for x in "ab"))
    ),
    (lambda c: c.lookup_across(None, ["a"]), "targets"),
    (lambda c: c.lookup_across("us-east-1", ["a"]), "targets[0]"),
    (lambda c: c.lookup_across([], ["a"], concurrency="1"), "concurrency"),
    (lambda c: c.lookup_across([], ["a"], targets_at_once="1"), "targets_at_once"),
    (lambda c: c.list_across(5, LambdaCoreClient.list_runtimes), "targets"),
    (lambda c: c.list_across([], 5), "listing"),
    (lambda c: c.list_across([], async_function), "listing"),
    (
        lambda c: c.list_across([], LambdaCoreClient.list_runtimes, targets_at_once=0),
        "targets_at_once",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "parameter"), REFUSED)
async def test_an_argument_of_a_wrong_kind_is_refused_by_name_before_any_request(
    call: Callable[[Any], Any], parameter: str
) -> None:
    here = World()
    with pytest.raises(ParameterError) as raised:
        result = call(here.client())
        await result
    assert raised.value.parameter == parameter
    assert here.calls == {}


async def test_an_async_generator_is_a_listing() -> None:
    async def names(client: LambdaCoreClient) -> AsyncGenerator[str]:
        yield "first"
        yield "last"

    async with World().client().list_across([Target("us-east-1")], names) as run:
        assert [item async for _, item in run] == ["first", "last"]


LISTINGS: Final[tuple[Callable[[Any], Any], ...]] = (
    lambda _: 5,
    lambda _: ["a"],
    lambda client: client.list_runtimes(page_size="5"),
)


@pytest.mark.parametrize("listing", LISTINGS)
async def test_a_listing_that_cannot_start_is_a_failure_of_each_target(listing: Any) -> None:
    targets = [Target("us-east-1"), Target("eu-west-1")]
    async with World().client().list_across(targets, listing) as run:
        failures = [(target, failure) async for target, failure in run]
    assert sorted(target.region for target, _ in failures) == ["eu-west-1", "us-east-1"]
    assert all(isinstance(failure, ParameterError) for _, failure in failures)


CONNECTOR: Final = NetworkConnector("arn:x", "a", "nc-1")


@pytest.mark.parametrize(
    ("connector", "configuration", "role", "parameter"),
    [
        ("prod", VPC, None, "connector"),
        (CONNECTOR, {"SubnetIds": ["subnet-a"]}, None, "configuration"),
        (CONNECTOR, VPC, 5, "operator_role"),
    ],
)
def test_a_diff_refuses_arguments_of_another_type(
    connector: Any, configuration: Any, role: Any, parameter: str
) -> None:
    with pytest.raises(ParameterError) as raised:
        diff_network_connector(connector, configuration, operator_role=role)
    assert raised.value.parameter == parameter
