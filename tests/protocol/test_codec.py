"""Dicts to models and back, at the edges that the protocol's own tests do not reach."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import (
    ElasticIpConfiguration,
    ElasticIpType,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    VpcEgressConfiguration,
)
from lambdacore_async.models.runtimes import RuntimeReleaseLifecycle, RuntimeVersion
from lambdacore_async.models.shared import Page, ResponseMetadata, UnknownMember, UnknownValue
from lambdacore_async.protocol.codec import from_dict, restructure, to_dict, wire_name
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.workflows.lookups import Found
from support import botocore_judge as judge
from support.models import CLASSES

CONNECTOR: dict[str, object] = {"Arn": "a", "Name": "n", "Id": "i"}


def test_every_wire_name_is_the_one_that_botocore_turns_into_ours() -> None:
    members = {
        name
        for shape in judge.service_model()["shapes"].values()
        if not shape.get("exception")  # read by hand, in restjson
        for name in shape.get("members", ())
    }

    assert {wire_name(judge.python_name(name)) for name in members} == members


def test_a_list_may_be_a_tuple() -> None:
    data = {"SubnetIds": ("subnet-1", None, "subnet-2")}
    assert from_dict(VpcEgressConfiguration, data).subnet_ids == ("subnet-1", "subnet-2")


def test_a_model_is_read_from_what_boto3_returns() -> None:
    connector = from_dict(
        NetworkConnector,
        {
            **CONNECTOR,
            "Version": 7,
            "State": "ACTIVE",
            "Configuration": {"SDK_UNKNOWN_MEMBER": {"name": "Peering"}},
            "LastModified": datetime(2026, 11, 24, 3, 2, 3, tzinfo=timezone(timedelta(hours=2))),
            "ResponseMetadata": {"RequestId": "id-1", "HTTPStatusCode": 200},
        },
    )

    assert connector == NetworkConnector(
        "a", "n", "i",
        version=7,
        state=NetworkConnectorState.ACTIVE,
        configuration=UnknownMember("Peering"),
        last_modified=datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC),
    )  # fmt: skip
    assert connector.response_metadata is None


def test_members_are_read_by_their_names_whatever_their_order() -> None:
    reverse = dict(reversed(CONNECTOR.items()))

    assert from_dict(NetworkConnector, reverse) == NetworkConnector("a", "n", "i")


@pytest.mark.parametrize(
    ("data", "configuration"),
    [
        (
            {"VpcEgressConfiguration": {"SubnetIds": ["s"], "Added": 1}},
            VpcEgressConfiguration(subnet_ids=["s"]),
        ),
        ({"VpcEgressConfiguration": {}, "__type": "x", "Other": None}, VpcEgressConfiguration()),
        ({"Peering": {"A": 1}}, UnknownMember("Peering", {"A": 1})),
        ({"SDK_UNKNOWN_MEMBER": {"name": "Peering"}}, UnknownMember("Peering")),
    ],
)
def test_a_union_is_read_by_itself(data: dict[str, object], configuration: object) -> None:
    assert from_dict(NetworkConnectorConfiguration, data) == configuration


def test_a_model_is_written_as_json() -> None:
    connector = NetworkConnector(
        "a", "n", "i",
        state=UnknownValue("PAUSED"),
        configuration=VpcEgressConfiguration(
            subnet_ids=["s"],
            elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED),
        ),
        last_modified=datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))),
    )  # fmt: skip

    data = to_dict(connector)

    assert data == {
        **CONNECTOR,
        "State": "PAUSED",
        "Configuration": {
            "VpcEgressConfiguration": {
                "SubnetIds": ["s"],
                "ElasticIpConfiguration": {"Type": "ServiceManaged"},
            }
        },
        "LastModified": "2026-11-24T00:02:03Z",
    }
    assert json.loads(json.dumps(data)) == data
    state = data["State"]
    assert type(state) is str


def test_a_time_without_a_zone_is_written_as_utc() -> None:
    naive = datetime(2026, 11, 24, 1, 2, 3, 4)  # noqa: DTZ001 - the point

    data = to_dict(NetworkConnector("a", "n", "i", last_modified=naive))

    assert data["LastModified"] == "2026-11-24T01:02:03.000004Z"


@pytest.mark.parametrize("value", [{}, "x", None, 7, [NetworkConnector("a", "n", "i")]])
def test_only_a_model_can_be_written(value: object) -> None:
    with pytest.raises(
        ParameterError, match=f"model: expected a model, got {type(value).__name__}"
    ):
        to_dict(value)


UNREADABLE: list[tuple[Any, Any, str]] = [
    (NetworkConnector, {}, "arn: required, but missing; name: required, but missing; id: "),
    (NetworkConnector, [], "expected an object, got list"),
    (NetworkConnector, None, "expected an object, got NoneType"),
    (NetworkConnector, {**CONNECTOR, "Version": "x"}, "version: expected int, got str"),
    (NetworkConnector, {**CONNECTOR, "LastModified": "soon"}, "last_modified: Invalid"),
    (NetworkConnectorConfiguration, {}, "expected one member of the union, got 0"),
    (NetworkConnectorConfiguration, "x", "expected an object, got str"),
    (
        NetworkConnectorConfiguration,
        {"VpcEgressConfiguration": {"SubnetIds": [7]}},
        r"subnet_ids\[0\]: expected str, got int",
    ),
    (
        RuntimeVersion,
        {"Platforms": [{}], "Compatibility": 7},
        r"platforms\[0\].architecture: required, but missing",
    ),
]


@pytest.mark.parametrize(("kind", "data", "problem"), UNREADABLE)
def test_what_cannot_be_read_is_explained(kind: Any, data: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=f"data: .*{problem}") as caught:
        from_dict(kind, data)

    assert caught.value.parameter == "data"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", CLASSES)
def test_null_is_the_same_as_absent_also_where_a_fault_is_explained(kind: Any) -> None:
    nulls = {wire_name(field.name): None for field in attrs.fields(kind)}
    required = [field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING]

    if not required:
        assert from_dict(kind, nulls) == kind()
        return
    with pytest.raises(ParameterError) as caught:
        from_dict(kind, nulls)
    problems = str(caught.value).removeprefix("data: ").split("; ")
    assert [problem.split(":")[0] for problem in problems] == required


def test_a_number_is_read_from_text_as_botocore_reads_it() -> None:
    assert from_dict(NetworkConnector, {**CONNECTOR, "Version": "7"}).version == 7
    assert from_dict(NetworkConnector, {**CONNECTOR, "Version": 7.0}).version == 7


@pytest.mark.parametrize(
    "kind",
    [
        int, str, dict, object, None, "NetworkConnector", NetworkConnectorState, Page,
        UnknownMember, UnknownValue, ResponseMetadata, list[NetworkConnector],
        NetworkConnector | None, NetworkConnector | RuntimeVersion, Any, [],
        NetworkConnectorConfiguration | None,
        NetworkConnector("a", "n", "i"), Found,
    ],
    ids=repr,
)  # fmt: skip
def test_only_models_and_their_union_can_be_read(kind: Any) -> None:
    with pytest.raises(ParameterError, match="^kind: expected a model class, got ") as caught:
        from_dict(kind, CONNECTOR)

    assert caught.value.parameter == "kind"


@pytest.mark.parametrize("kind", CLASSES)
def test_every_model_can_be_read(kind: Any) -> None:
    try:
        from_dict(kind, {})
    except ParameterError as error:
        assert error.parameter == "data"  # noqa: PT017 - some need no members


def test_a_union_may_be_put_together_anew() -> None:
    data: dict[str, object] = {"VpcEgressConfiguration": {}}

    assert from_dict(UnknownMember | VpcEgressConfiguration, data) == VpcEgressConfiguration()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({**CONNECTOR, "Name": "\ud800"}, "has a lone surrogate"),
        ({**CONNECTOR, "Configuration": {"\ud800": 1}}, "has a lone surrogate"),
        (MappingProxyType({**CONNECTOR, "Id": "\udfff"}), "has a lone surrogate"),
        ({**CONNECTOR, "Configuration": {"Peering": {1, 2}}}, "configuration: "),
        ({**CONNECTOR, "Configuration": {"Peering": math.nan}}, "configuration: "),
        ({**CONNECTOR, "Configuration": {7: "x"}}, "configuration: expected str, got int"),
        (
            {**CONNECTOR, "Configuration": {"SDK_UNKNOWN_MEMBER": {"name": ["x"]}}},
            "configuration: expected str, got list",
        ),
        ({**CONNECTOR, "Version": True}, "version: expected int, got bool"),
    ],
)
def test_what_could_not_be_written_again_is_not_read(data: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=f"^data: {problem}"):
        from_dict(NetworkConnector, data)


def test_data_that_holds_itself_is_refused() -> None:
    circle: dict[str, object] = {**CONNECTOR}
    circle["Added"] = circle
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}

    for data in (circle, {**CONNECTOR, "Added": deep}):
        with pytest.raises(ParameterError, match="^data: "):
            from_dict(NetworkConnector, data)


def test_members_of_other_kinds_that_are_ignored_do_no_harm() -> None:
    data: dict[Any, object] = {**CONNECTOR, "Added": object(), 7: {1, 2}, (1, 2): b"x"}

    assert from_dict(NetworkConnector, data) == NetworkConnector("a", "n", "i")


def test_the_place_of_a_fault_counts_all_items() -> None:
    data = {"VpcEgressConfiguration": {"SubnetIds": [None, "s", None, 7]}}

    with pytest.raises(ParameterError, match=r"subnet_ids\[3\]: expected str, got int"):
        from_dict(NetworkConnectorConfiguration, data)


def test_the_service_is_strict_about_what_clients_send() -> None:
    with pytest.raises(ParameterError, match="MaxItems: expected int, got str"):
        restructure(int, "7", "MaxItems")
    lifecycle = restructure(RuntimeReleaseLifecycle, {"ReleaseState": "GA"}, "ReleaseLifecycle")
    assert lifecycle == RuntimeReleaseLifecycle(release_state=UnknownValue("GA"))


def test_the_table_is_complete() -> None:
    assert sorted(OPERATIONS) == judge.operation_names()
