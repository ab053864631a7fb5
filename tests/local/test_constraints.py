"""The constraints are those of botocore's model, and violations are reported as AWS does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import ValidationException, Violation
from lambdacore_async.local.constraints import (
    CONSTRAINTS,
    Constraint,
    Items,
    Map,
    Number,
    Structure,
    Text,
    check,
)
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.restjson import Operation
from support import botocore_judge as judge

VPC = "configuration.vpcEgressConfiguration"


def of_model(shape: Any) -> Constraint | None:
    """Return the constraint of a shape of botocore; `None` if it has none."""
    bounds = shape.metadata
    match shape.type_name:
        case "structure":
            inner = {name: of_model(member) for name, member in shape.members.items()}
            members = {name: member for name, member in inner.items() if member is not None}
            return Structure(members, frozenset(shape.required_members)) if members else None
        case "list":
            item = of_model(shape.member)
            assert isinstance(item, Text)
            return Items(item, bounds.get("min"), bounds.get("max"))
        case "map":
            key, value = of_model(shape.key), of_model(shape.value)
            return Map(key, value) if isinstance(key, Text) and isinstance(value, Text) else None
        case "integer":
            return Number(bounds["min"], bounds["max"])
        case "string":
            text = Text(bounds.get("min"), bounds.get("max"), bounds.get("pattern"), shape.enum)
            return None if text == Text() else text
        case _:
            return None


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
def test_the_constraints_of_an_operation_are_those_of_the_model(operation: Operation[Any]) -> None:
    shape = judge.shapes().shape_for(f"{operation.name}Request")
    theirs = {name: of_model(member) for name, member in shape.members.items()}
    expected = {name: constraint for name, constraint in theirs.items() if constraint is not None}
    assert CONSTRAINTS[operation.name] == expected


def violations(operation: str, **members: Any) -> tuple[Violation, ...]:
    with pytest.raises(ValidationException) as caught:
        check(OPERATIONS[operation], members)
    error = caught.value
    noun = "error" if len(error.violations) == 1 else "errors"
    assert error.message.startswith(f"{len(error.violations)} validation {noun} detected: ")
    return error.violations


def vpc(**members: Any) -> dict[str, Any]:
    return {"name": "prod", "configuration": {"VpcEgressConfiguration": members}}


@pytest.mark.parametrize(
    ("operation", "members", "expected"),
    [
        ("GetNetworkConnector", {}, [("identifier", None, "Member must not be null")]),
        (
            "GetNetworkConnector",
            {"identifier": ""},
            [("identifier", "", "Member must have length greater than or equal to 1")],
        ),
        (
            "ListNetworkConnectors",
            {"max_items": 101, "state": "ASLEEP"},
            [
                (
                    "state",
                    "ASLEEP",
                    (
                        "Member must satisfy enum value set: "
                        "[PENDING, ACTIVE, INACTIVE, FAILED, DELETING, DELETE_FAILED]"
                    ),
                ),
                ("maxItems", "101", "Member must have value less than or equal to 100"),
            ],
        ),
        (
            "DeleteRuntime",
            {"runtime_name": "r1", "recovery_window_in_days": 6},
            [("recoveryWindowInDays", "6", "Member must have value greater than or equal to 7")],
        ),
        (
            "CreateRuntime",
            {"name": "R1"},
            [
                (
                    "name",
                    "R1",
                    (
                        "Member must satisfy regular expression pattern: "
                        "[a-z0-9]([a-z0-9_.-]{0,126})?[a-z0-9]"
                    ),
                )
            ],
        ),
        (
            "CreateNetworkConnector",
            vpc(
                SubnetIds=[],
                SecurityGroupIds=["group-1", "sg-1"],
                NetworkProtocol="IPv9",
                AssociatedComputeResourceTypes=["Toaster"],
                ElasticIpConfiguration={},
            ),
            [
                (f"{VPC}.subnetIds", "[]", "Member must have length greater than or equal to 1"),
                (
                    f"{VPC}.securityGroupIds",
                    "[group-1, sg-1]",
                    (
                        "Member must satisfy constraint: [Member must have length less than or "
                        "equal to 1024, Member must have length greater than or equal to 0, "
                        "Member must satisfy regular expression pattern: sg-[0-9a-zA-Z]*]"
                    ),
                ),
                (
                    f"{VPC}.networkProtocol",
                    "IPv9",
                    "Member must satisfy enum value set: [IPv4, DualStack]",
                ),
                (
                    f"{VPC}.associatedComputeResourceTypes",
                    "[Toaster]",
                    (
                        "Member must satisfy constraint: [Member must satisfy enum value set: "
                        "[MicroVm, WebFunction]]"
                    ),
                ),
                (f"{VPC}.elasticIpConfiguration.type", None, "Member must not be null"),
            ],
        ),
        (
            "CreateNetworkConnector",
            {**vpc(SubnetIds=["subnet-1"]), "tags": {"k!": "v", "k": "v\n"}},
            [
                (
                    "tags",
                    "{k!=v, k=v\n}",
                    (
                        f"Map {kind} must satisfy constraint: [Member must have length less than "
                        f"or equal to {most}, Member must have length greater than or equal to "
                        rf"{least}, Member must satisfy regular expression pattern: "
                        r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)]"
                    ),
                )
                for kind, most, least in (("keys", 128, 1), ("value", 256, 0))
            ],
        ),
    ],
)
def test_all_violations_are_reported_in_the_words_of_aws(
    operation: str, members: dict[str, Any], expected: list[tuple[str, str | None, str]]
) -> None:
    assert violations(operation, **members) == tuple(Violation(*each) for each in expected)


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("CreateNetworkConnector", vpc(SubnetIds=["subnet-1"], SecurityGroupIds=["sg-A"])),
        ("CreateNetworkConnector", {**vpc(), "tags": {"Größe 1_.:/=+-@": "", "k": "²"}}),
        ("CreateNetworkConnector", {"name": "a", "configuration": {"Satellite": {"Dish": 1}}}),
        ("CreateRuntimeAlias", {"runtime_name": "r1", "name": "v", "runtime_version": "v",
                                "description": "Größe: 1 €"}),
        # AWS refuses values of the wrong type in another way.
        ("GetNetworkConnector", {"identifier": 1}),
        ("CreateNetworkConnector", {"name": "a", "configuration": 1, "tags": 1}),
        ("CreateNetworkConnector", vpc(SubnetIds="x", ElasticIpConfiguration=[])),
        ("ListNetworkConnectors", {"max_items": "x"}),
    ],
)  # fmt: skip
def test_a_request_without_violations_passes(operation: str, members: dict[str, Any]) -> None:
    check(OPERATIONS[operation], members)


@pytest.mark.parametrize("description", ["\x1b", "\u202e", "\ue000"])
def test_control_characters_violate_a_pattern(description: str) -> None:
    alias = {"runtime_name": "r1", "name": "v", "runtime_version": "v"}
    (violation,) = violations("CreateRuntimeAlias", **alias, description=description)
    assert violation.constraint == r"Member must satisfy regular expression pattern: [^\p{C}]*"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["VpcEgressConfiguration", "SubnetIds", "Type", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from([*OPERATIONS.values()]), st.data())
def test_any_members_pass_or_violate(operation: Operation[Any], data: st.DataObject) -> None:
    names = st.sampled_from([member.name for member in operation.members])
    members = data.draw(st.dictionaries(names, anything))
    try:
        check(operation, members)
    except ValidationException as error:
        assert "detected: Value " in error.message  # noqa: PT017 - passing is valid too
