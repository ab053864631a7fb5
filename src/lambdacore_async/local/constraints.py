"""Constraints of the API's model, which AWS checks before anything else.

The check compares the members of a request with the lengths, patterns, values and required members
of the model. It reports all violations at once, as `ValidationException`, in the words of AWS.
`tests/local/test_constraints.py` compares the table with botocore's model.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from lambdacore_async.errors import ValidationException
from lambdacore_async.local.errors import invalid
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    ElasticIpType,
    NetworkConnectorState,
    NetworkProtocol,
)
from lambdacore_async.models.runtimes import RuntimeReleaseState
from lambdacore_async.protocol.reading import is_array, is_object, wire_name
from lambdacore_async.protocol.restjson import Operation


@frozen
class Text:
    """Bounds on a text: its length, its pattern, and its possible values."""

    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    values: tuple[str, ...] = field(default=(), converter=tuple[str, ...])


@frozen
class Number:
    """Bounds on a number."""

    minimum: int
    maximum: int


@frozen
class Items:
    """Bounds on the length of a list, and on each of its items."""

    item: Text
    minimum: int | None = None
    maximum: int | None = None


@frozen
class Map:
    """Bounds on each key and value of a map."""

    key: Text
    value: Text


@frozen
class Structure:
    """Bounds on the members of a structure, by wire name."""

    members: Mapping[str, Constraint]
    required: frozenset[str] = frozenset()


Constraint: TypeAlias = Text | Number | Items | Map | Structure

_REGION: Final = r"(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}"
_PAGE_SIZE: Final = Number(1, 100)
_WINDOW: Final = Number(7, 30)

_IDENTIFIER: Final = Text(1, 140)
_STATE: Final = Text(values=tuple(NetworkConnectorState))
_TAG: Final = r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"
_TAG_KEY: Final = Text(1, 128, _TAG)
_TAGS: Final = Map(_TAG_KEY, Text(0, 256, _TAG))
_TAGGED: Final = Text(
    1,
    10_000,
    rf"arn:(aws[a-zA-Z-]*):lambda:{_REGION}:\d{{12}}:"
    r"(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)"
    r"|code-signing-config:csc-[a-z0-9]{17}"
    r"|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(capacity-provider|network-connector|microvm-image):[a-zA-Z0-9-_]+)",
)
_CONNECTOR_NAME: Final = Text(
    1,
    140,
    rf"(arn:aws[a-zA-Z-]*:lambda:{_REGION}:\d{{12}}:network-connector:[a-zA-Z0-9-_]+"
    r"(:[1-9][0-9]*)?)|[a-zA-Z0-9_-]{1,64}",
)
VPC_EGRESS: Final = Structure(
    {
        "SubnetIds": Items(Text(0, 1024, "subnet-[0-9a-z]*"), 1, 16),
        "SecurityGroupIds": Items(Text(0, 1024, "sg-[0-9a-zA-Z]*"), 0, 16),
        "NetworkProtocol": Text(values=tuple(NetworkProtocol)),
        "AssociatedComputeResourceTypes": Items(Text(values=tuple(ComputeResourceType)), 1, 1),
        "ElasticIpConfiguration": Structure(
            {"Type": Text(values=tuple(ElasticIpType))}, frozenset({"Type"})
        ),
    }
)
_CONNECTOR: Final[Mapping[str, Constraint]] = {
    "Configuration": Structure({"VpcEgressConfiguration": VPC_EGRESS}),
    "OperatorRole": Text(
        0, 10_000, r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
    ),
    "ClientToken": Text(1, 64),
}
_CONNECTOR_PAGE: Final[Mapping[str, Constraint]] = {"State": _STATE, "MaxItems": _PAGE_SIZE}

_NAME: Final = "[a-z0-9]([a-z0-9_.-]{0,126})?[a-z0-9]"
_RUNTIME: Final[Mapping[str, Constraint]] = {
    "RuntimeName": Text(
        2, 2048, rf"(arn:(aws[a-zA-Z-]*):lambda:{_REGION}:\d{{12}}:runtime/)?{_NAME}"
    )
}
_CHILD_NAME: Final = Text(1, 128, "[A-Za-z0-9_]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_CHILD: Final[Mapping[str, Constraint]] = {**_RUNTIME, "Name": _CHILD_NAME}
_DATE: Final = Text(10, 10, r"\d{4}-\d{2}-\d{2}")
LIFECYCLE: Final = Structure(
    {
        "ReleaseState": Text(values=tuple(RuntimeReleaseState)),
        "DeprecationDate": _DATE,
        "FunctionCreateBlockDate": _DATE,
        "FunctionUpdateBlockDate": _DATE,
    }
)
_DESCRIBED: Final[Mapping[str, Constraint]] = {
    "Description": Text(0, 1024),
    "LicenseInfo": Text(0, 1024),
    "ReleaseLifecycle": LIFECYCLE,
}
_ALIAS: Final[Mapping[str, Constraint]] = {
    **_CHILD,
    "RuntimeVersion": _CHILD_NAME,
    "Description": Text(0, 1024, r"[^\p{C}]*"),
    "ReleaseLifecycle": LIFECYCLE,
}

#: The constraints on the members of each operation; members without constraints are left out.
CONSTRAINTS: Final[Mapping[str, Mapping[str, Constraint]]] = {
    "CreateNetworkConnector": {
        "Name": _CONNECTOR_NAME,
        **_CONNECTOR,
        "Tags": _TAGS,
    },
    "GetNetworkConnector": {"Identifier": _IDENTIFIER},
    "UpdateNetworkConnector": {"Identifier": _IDENTIFIER, **_CONNECTOR},
    "DeleteNetworkConnector": {"Identifier": _IDENTIFIER},
    "ListNetworkConnectors": _CONNECTOR_PAGE,
    "ListNetworkConnectorVersions": {"Identifier": _IDENTIFIER, **_CONNECTOR_PAGE},
    "CreateRuntime": {"Name": Text(2, 128, _NAME), **_DESCRIBED},
    "GetRuntime": _RUNTIME,
    "UpdateRuntime": {**_RUNTIME, **_DESCRIBED},
    "DeleteRuntime": {**_RUNTIME, "RecoveryWindowInDays": _WINDOW},
    "RestoreRuntime": {**_RUNTIME, "RuntimeVersion": _CHILD_NAME, "RuntimeAlias": _CHILD_NAME},
    "ListRuntimes": {"MaxResults": _PAGE_SIZE},
    "CreateRuntimeVersion": _CHILD,
    "GetRuntimeVersion": _CHILD,
    "UpdateRuntimeVersion": _CHILD,
    "DeleteRuntimeVersion": {**_CHILD, "RecoveryWindowInDays": _WINDOW},
    "ListRuntimeVersions": {**_RUNTIME, "MaxResults": _PAGE_SIZE},
    "CreateRuntimeAlias": _ALIAS,
    "GetRuntimeAlias": _CHILD,
    "UpdateRuntimeAlias": _ALIAS,
    "DeleteRuntimeAlias": {**_CHILD, "RecoveryWindowInDays": _WINDOW},
    "ListRuntimeAliases": {**_RUNTIME, "MaxResults": _PAGE_SIZE},
    "ListTags": {"Resource": _TAGGED},
    "TagResource": {"Resource": _TAGGED, "Tags": _TAGS},
    "UntagResource": {"Resource": _TAGGED, "TagKeys": Items(_TAG_KEY)},
}

#: Classes of characters that Python's `re` lacks, for texts in which `_simplified` replaced them.
_CLASSES: Final = {r"\p{L}": "a-zA-Z", r"\p{N}": "0-9", r"\p{Z}": " ", r"\p{C}": r"\x00-\x1f\x7f"}
_SIMPLE: Final = {"L": "a", "N": "0", "Z": " ", "C": "\0"}


def check(operation: Operation[Any], data: Mapping[str, Any]) -> None:
    """Check the members of a request.

    Args:
        operation: the operation.
        data: the members as they arrived, by the parameter's name.

    Raises:
        ValidationException: if a member is missing or violates a constraint.
    """
    constraints = CONSTRAINTS[operation.name]
    found: list[str] = []
    for member in operation.members:
        wire = wire_name(member.name)
        value = data.get(member.name)
        if value is None and member.required:
            found.append(_violation(None, wire, "Member must not be null"))
        elif value is not None and wire in constraints:
            found += _violations(constraints[wire], value, wire)
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise ValidationException(f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def check_members(constraints: Mapping[str, Constraint], members: Mapping[str, object]) -> None:
    """Check members that tests pass to a state directly, not in a request.

    Args:
        constraints: the constraints by wire name.
        members: the members by wire name; `None` for no value.

    Raises:
        InvalidParameterValueException: if a member violates its constraint.
    """
    for wire, value in members.items():
        for violation in _violations(constraints[wire], value, wire):
            raise invalid(wire, violation)


def _violation(value: object, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{_shown(value)}'"
    path = ".".join(map(_lower, path.split(".")))  # the wire's names are in Pascal case
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _shown(value: object) -> str:
    """Return a value as AWS shows it: a list or map without quotes."""
    if is_array(value):
        return f"[{', '.join(map(_shown, value))}]"
    if is_object(value):
        return f"{{{', '.join(f'{key}={_shown(item)}' for key, item in value.items())}}}"
    return str(value)


def _lower(wire: str) -> str:
    return wire[:1].lower() + wire[1:]


def _violations(constraint: Constraint, value: Any, path: str) -> Iterator[str]:
    """Yield the violations of a value; a value of the wrong type has none."""
    match constraint:
        case Structure() if is_object(value):
            for wire, inner in constraint.members.items():
                item = value.get(wire)
                if item is not None:
                    yield from _violations(inner, item, f"{path}.{wire}")
                elif wire in constraint.required:
                    yield _violation(None, f"{path}.{wire}", "Member must not be null")
        case Number() if isinstance(value, int):
            for rule in _out_of_bounds(value, constraint, "value"):
                yield _violation(value, path, f"Member must {rule}")
        case Items() if is_array(value):
            for rule in _out_of_bounds(len(value), constraint, "length"):
                yield _violation(value, path, f"Member must {rule}")
            if any(isinstance(item, str) and any(_broken(constraint.item, item)) for item in value):
                inner_rules = f"Member must satisfy constraint: {_all_rules(constraint.item)}"
                yield _violation(value, path, inner_rules)
        case Map() if is_object(value):
            for kind, inner, texts in (
                ("keys", constraint.key, value.keys()),
                ("value", constraint.value, value.values()),
            ):
                if any(isinstance(text, str) and any(_broken(inner, text)) for text in texts):
                    inner_rules = f"Map {kind} must satisfy constraint: {_all_rules(inner)}"
                    yield _violation(value, path, inner_rules)
        case Text() if isinstance(value, str):
            for rule in _broken(constraint, value):
                yield _violation(value, path, f"Member must {rule}")
        case _:
            pass


def _broken(constraint: Text, text: str) -> Iterator[str]:
    """Yield the rules that a text breaks."""
    yield from _out_of_bounds(len(text), constraint, "length")
    if constraint.pattern is not None and not _matches(constraint.pattern, text):
        yield f"satisfy regular expression pattern: {constraint.pattern}"
    if constraint.values and text not in constraint.values:
        yield f"satisfy enum value set: [{', '.join(constraint.values)}]"


def _out_of_bounds(number: int, bounds: Text | Number | Items, what: str) -> Iterator[str]:
    if bounds.maximum is not None and number > bounds.maximum:
        yield f"have {what} less than or equal to {bounds.maximum}"
    if bounds.minimum is not None and number < bounds.minimum:
        yield f"have {what} greater than or equal to {bounds.minimum}"


def _all_rules(constraint: Text) -> str:
    """Return all rules for a list's items, which AWS shows together."""
    rules: list[str] = []
    if constraint.maximum is not None and constraint.minimum is not None:
        rules.append(f"have length less than or equal to {constraint.maximum}")
        rules.append(f"have length greater than or equal to {constraint.minimum}")
    if constraint.pattern is not None:
        rules.append(f"satisfy regular expression pattern: {constraint.pattern}")
    if constraint.values:
        rules.append(f"satisfy enum value set: [{', '.join(constraint.values)}]")
    return f"[{', '.join(f'Member must {rule}' for rule in rules)}]"


def _matches(pattern: str, text: str) -> bool:
    if r"\p{" in pattern:
        text = "".join(c if c.isascii() else _simplified(c) for c in text)
        for name, characters in _CLASSES.items():
            pattern = pattern.replace(name, characters)
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _simplified(character: str) -> str:
    """Return an ASCII character of the same class."""
    return _SIMPLE.get(unicodedata.category(character)[0], "!")
