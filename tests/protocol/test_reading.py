"""Models are read from dicts as from responses, and every fault is explained."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    VpcEgressConfiguration,
)
from lambdacore_async.models.runtimes import RuntimeReleaseLifecycle, RuntimeVersion
from lambdacore_async.models.shared import Page, ResponseMetadata, UnknownMember, UnknownValue
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.reading import from_dict, structure_argument, wire_name
from lambdacore_async.workflows.lookups import Found
from support import botocore_judge as judge
from support.models import CLASSES

CONNECTOR: dict[str, object] = {"Arn": "a", "Name": "n", "Id": "i"}


def test_wire_names_match_botocores_python_names() -> None:
    members = {
        name
        for shape in judge.service_model()["shapes"].values()
        if not shape.get("exception")  # restjson reads errors
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


def test_members_are_read_by_name_in_any_order() -> None:
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
def test_a_fault_in_the_data_is_explained(kind: Any, data: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=f"data: .*{problem}") as caught:
        from_dict(kind, data)

    assert caught.value.parameter == "data"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", CLASSES)
def test_null_means_the_same_as_absent_in_explanations_too(kind: Any) -> None:
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


def test_an_equal_union_is_the_same_type() -> None:
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
def test_data_that_could_not_be_written_again_is_refused(data: Any, problem: str) -> None:
    with pytest.raises(ParameterError, match=f"^data: {problem}"):
        from_dict(NetworkConnector, data)


def test_data_that_contains_itself_is_refused() -> None:
    circle: dict[str, object] = {**CONNECTOR}
    circle["Added"] = circle
    deep: dict[str, object] = {}
    for _ in range(100_000):
        deep = {"a": deep}

    for data in (circle, {**CONNECTOR, "Added": deep}):
        with pytest.raises(ParameterError, match="^data: "):
            from_dict(NetworkConnector, data)


def test_ignored_members_may_have_any_type() -> None:
    data: dict[Any, object] = {**CONNECTOR, "Added": object(), 7: {1, 2}, (1, 2): b"x"}

    assert from_dict(NetworkConnector, data) == NetworkConnector("a", "n", "i")


def test_the_index_of_a_fault_counts_all_items() -> None:
    data = {"VpcEgressConfiguration": {"SubnetIds": [None, "s", None, 7]}}

    with pytest.raises(ParameterError, match=r"subnet_ids\[3\]: expected str, got int"):
        from_dict(NetworkConnectorConfiguration, data)


def test_the_embedded_service_reads_arguments_strictly() -> None:
    with pytest.raises(ParameterError, match="MaxItems: expected int, got str"):
        structure_argument(int, "7", "MaxItems")
    lifecycle = structure_argument(
        RuntimeReleaseLifecycle, {"ReleaseState": "GA"}, "ReleaseLifecycle"
    )
    assert lifecycle == RuntimeReleaseLifecycle(release_state=UnknownValue("GA"))


def test_the_table_is_complete() -> None:
    assert sorted(OPERATIONS) == judge.operation_names()
