"""Every model is immutable, and can be compared, hashed, copied and pickled."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdacore_async.errors import ParameterError, ThrottleReason
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorState,
    VpcEgressConfiguration,
)
from lambdacore_async.models.runtimes import Compatibility, Platform, Runtime, RuntimeVersion
from lambdacore_async.models.shared import (
    Model,
    Page,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.writing import to_dict
from support.examples import examples
from support.generation import json_values, thorough
from support.models import CLASSES, ENUMS, SHARED, instances
from support.pickled import through_pickle

METADATA = ResponseMetadata("id-1", 200, 1)
LISTS = [
    pytest.param(kind, field.name, id=f"{kind.__name__}-{field.name}")
    for kind in CLASSES
    for field in attrs.fields(kind)
    if "tuple[" in str(field.type)
]
WITH_METADATA = [kind for kind in CLASSES if "response_metadata" in attrs.fields_dict(kind)]


def required(kind: type) -> dict[str, Any]:
    return {field.name: "x" for field in attrs.fields(kind) if field.default is attrs.NOTHING}


def test_all_classes_are_tested() -> None:
    names = {kind.__name__ for kind in CLASSES}

    assert {"NetworkConnector", "VpcEgressConfiguration", "RuntimeAlias", "Platform"} < names
    assert len(CLASSES) == 12
    assert {kind.__name__ for kind in WITH_METADATA} == {
        "NetworkConnector", "Runtime", "RuntimeVersion", "RuntimeAlias", "RestoredRuntime"
    }  # fmt: skip


@pytest.mark.parametrize("kind", [*CLASSES, *SHARED])
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_an_instance_is_an_immutable_value(kind: type, data: st.DataObject) -> None:
    one = data.draw(instances(kind)) if kind in CLASSES else kind(**required(kind))

    twin = attrs.evolve(one)
    assert (twin, hash(twin), repr(twin)) == (one, hash(one), repr(one))
    for again in (through_pickle(one), copy.copy(one), copy.deepcopy(one)):
        assert again == one
        assert hash(again) == hash(one)
        assert type(again) is kind
    assert repr(one).startswith(f"{kind.__name__}(")


@pytest.mark.parametrize("kind", [*CLASSES, *SHARED])
def test_no_attribute_can_be_set_or_added(kind: type) -> None:
    model = kind(**required(kind))

    for name in (attrs.fields(kind)[-1].name, "added"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(model, name, "y")
    assert not hasattr(model, "__dict__")


@pytest.mark.parametrize("kind", WITH_METADATA)
def test_response_metadata_is_neither_compared_nor_hashed_nor_shown_nor_written(kind: type) -> None:
    bare: Any = kind(**required(kind))
    model: Any = kind(**required(kind), response_metadata=METADATA)

    assert model == bare
    assert hash(model) == hash(bare)
    assert repr(model) == repr(bare)
    assert to_dict(model) == to_dict(bare)
    assert model.response_metadata == METADATA
    assert through_pickle(model).response_metadata == METADATA


@pytest.mark.parametrize("kind", CLASSES)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data(), value=json_values.filter(lambda value: value is not None))
def test_extra_members_are_kept_and_written_but_neither_compared_nor_shown(
    kind: Any, data: st.DataObject, value: Any
) -> None:
    bare: Model = from_dict(kind, to_dict(data.draw(instances(kind))))
    extra = {"AddedLater": value}
    sent = {**to_dict(bare), **extra}

    model: Model = from_dict(kind, {**sent, "AddedAndNull": None})

    assert model.extra == extra
    assert to_dict(model) == sent
    assert (model, hash(model), repr(model)) == (bare, hash(bare), repr(bare))
    assert through_pickle(model).extra == copy.deepcopy(model).extra == extra


def test_extra_members_of_a_member_are_its_own() -> None:
    connector = from_dict(
        NetworkConnector,
        {
            "Arn": "a", "Name": "n", "Id": "i", "Extra": 1, "__type": "x", "ResponseMetadata": {},
            "Configuration": {"VpcEgressConfiguration": {"SubnetIds": ["s"], "Ipam": {"Pool": 1}}},
        },
    )  # fmt: skip

    assert connector.extra == {"Extra": 1}
    assert isinstance(connector.configuration, VpcEgressConfiguration)
    assert connector.configuration.extra == {"Ipam": {"Pool": 1}}


def test_unknown_members_that_are_no_json_are_ignored() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    data: Any = {"SubnetIds": ["s"], "A": object(), "B": float("nan"), "C": deep, 7: 1, "D": [1]}

    assert from_dict(VpcEgressConfiguration, data).extra == {"D": [1]}


def test_a_known_member_comes_before_an_extra_one_of_its_name() -> None:
    model = VpcEgressConfiguration(subnet_ids=["a"], extra={"SubnetIds": ["b"], "New": 1})

    assert to_dict(model) == {"SubnetIds": ["a"], "New": 1}


def test_extra_members_that_are_no_json_are_refused() -> None:
    with pytest.raises(ParameterError, match="model"):
        to_dict(VpcEgressConfiguration(extra={"New": object()}))  # type: ignore[dict-item]


@pytest.mark.parametrize("kind", CLASSES)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_from_dict_reads_the_output_of_to_dict(kind: type, data: st.DataObject) -> None:
    model = data.draw(instances(kind))

    assert from_dict(kind, to_dict(model)) == model


@pytest.mark.parametrize(("kind", "name"), LISTS)
def test_a_list_accepts_any_iterable_and_is_stored_as_a_tuple(kind: type, name: str) -> None:
    def one_by_one() -> Iterator[str]:
        yield from ("a", "b")

    for given_as in (
        ["a", "b"],
        ("a", "b"),
        {"a": 1, "b": 2},
        one_by_one(),
        one_by_one().__iter__(),
    ):
        model = kind(**{**required(kind), name: given_as})
        assert getattr(model, name) == ("a", "b")
        hash(model)
    assert getattr(kind(**{**required(kind), name: []}), name) == ()
    assert getattr(kind(**{**required(kind), name: None}), name) is None


@pytest.mark.parametrize(("kind", "name"), LISTS)
@pytest.mark.parametrize("value", ["subnet-1", "", b"subnet-1", 7, object])
def test_other_values_are_refused_for_a_list(kind: type, name: str, value: object) -> None:
    with pytest.raises(ParameterError, match="expected a list of values") as caught:
        kind(**{**required(kind), name: value})

    assert caught.value.parameter == name


@pytest.mark.parametrize("kind", CLASSES)
def test_an_optional_member_defaults_to_none_by_value_and_type(kind: type) -> None:
    hints = get_type_hints(kind)
    for field in attrs.fields(kind):
        if field.name == "extra":
            continue
        optional = type(None) in get_args(hints[field.name])
        assert optional == (field.default is None)
        assert optional or field.default is attrs.NOTHING


# Enums


@pytest.mark.parametrize("enum", [*ENUMS, ThrottleReason])
def test_an_enum_member_is_its_text(enum: type[StrEnum]) -> None:
    for member in enum:
        assert member == member.value == str(member) == f"{member}"
        assert hash(member) == hash(member.value)
        assert through_pickle(member) is member
        assert member.name == member.name.upper()


@pytest.mark.parametrize("enum", ENUMS)
def test_every_enum_field_accepts_unknown_values(enum: type[StrEnum]) -> None:
    annotations = [
        hint
        for kind in CLASSES
        for hint in get_type_hints(kind).values()
        if enum.__name__ in str(hint)
    ]

    assert annotations
    assert all("UnknownValue" in str(hint) for hint in annotations)


def test_an_unknown_value_is_a_string_with_a_repr_of_its_class() -> None:
    value = UnknownValue("PAUSED")

    assert value == "PAUSED"
    assert hash(value) == hash("PAUSED")
    assert f"{value}" == str(value) == "PAUSED"
    assert repr(value) == "UnknownValue('PAUSED')"
    assert value not in [*NetworkConnectorState]
    again = through_pickle(value)
    assert (again, type(again)) == (value, UnknownValue)
    assert not hasattr(value, "__dict__")


# Unions


def test_a_union_can_be_matched() -> None:
    def describe(connector: NetworkConnector) -> str:
        match connector.configuration:
            case VpcEgressConfiguration(subnet_ids=subnets):
                return f"{subnets}"
            case UnknownMember(tag=tag):
                return tag
            case None:
                return "none"

    vpc = VpcEgressConfiguration(subnet_ids=["subnet-1"])
    described = [
        describe(NetworkConnector("a", "n", "i", configuration=configuration))
        for configuration in (vpc, UnknownMember("Peering", {"A": 1}), None)
    ]
    assert described == ["('subnet-1',)", "Peering", "none"]


def test_unknown_members_of_unhashable_values_can_be_hashed() -> None:
    one, other = UnknownMember("Peering", {"A": [1]}), UnknownMember("Peering", {"A": [2]})

    assert one != other
    assert len({one, other, UnknownMember("Peering", {"A": [1]})}) == 2


# Pages


def test_a_page_is_a_sequence_of_its_items() -> None:
    page = Page(("a", "b"), "token", METADATA)

    assert list(page) == ["a", "b"]
    assert len(page) == 2
    assert page == Page(("a", "b"), "token")
    assert repr(page) == "Page(items=('a', 'b'), next_token='token')"
    assert not Page(())


# Names


def test_names_are_those_of_the_api() -> None:
    runtime = Runtime("arn", "name", "created", "modified", license_info="MIT")
    version = RuntimeVersion(
        "arn", "name", "uri", UnknownValue("NEW"), "created", "modified",
        platforms=[Platform("arm64", "linux", "sha256:0")],
        compatibility=Compatibility(architectures=()),
    )  # fmt: skip

    assert to_dict(runtime) == {
        "Arn": "arn", "Name": "name", "Created": "created", "LastModified": "modified",
        "LicenseInfo": "MIT",
    }  # fmt: skip
    assert to_dict(version) == {
        "Arn": "arn", "Name": "name", "ResolvedUri": "uri", "State": "NEW",
        "Created": "created", "LastModified": "modified",
        "Platforms": [{"Architecture": "arm64", "Os": "linux", "Digest": "sha256:0"}],
        "Compatibility": {"Architectures": []},
    }  # fmt: skip
