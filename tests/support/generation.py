"""Hypothesis strategies for calls and responses, derived from AWS's model of the service.

Strategies draw values in their wire format, as botocore accepts and returns them. `as_ours`
converts them into the library's models by type annotations, without the library's reader.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from functools import cache
from typing import Any, Final, get_args, get_origin, get_type_hints

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from lambdacore_async.models.shared import UnknownMember, UnknownValue
from lambdacore_async.protocol.operations import OPERATIONS
from support import botocore_judge as judge
from support.examples import examples

#: Deterministic examples, so that a new failure is caused by a change.
thorough: Final = settings(
    max_examples=examples(2),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)

ABSENT: Final = "<absent>"
#: Strings that break encoders: reserved and control characters, ARNs, other scripts.
AWKWARD_TEXTS: Final = (
    "prod-egress",
    "a b",
    "a+b",
    "a/b",
    "a//b",
    "../a",
    "./",
    "...",
    "a%2Fb",
    "%",
    "%zz",
    "a?b=c&d",
    "a#b",
    "a;b",
    "a=b",
    "a,b",
    "a\\b",
    "~_-.",
    "{Identifier}",
    "'\"<>`|^[]@!$*()",
    "line\nfeed",
    "\r\n\t\x00\x7f",
    "\N{NO-BREAK SPACE}\N{ZERO WIDTH SPACE}\N{RIGHT-TO-LEFT OVERRIDE}",
    "grüße",
    "日本語",
    "\N{PILE OF POO}",
    "e\N{COMBINING ACUTE ACCENT}",
    "arn:aws:lambda:us-east-1:123456789012:network-connector:prod:7",
    "arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:INTERNET_EGRESS",
)
_SENDABLE: Final = st.characters(exclude_categories=["Cs"])

texts: Final = st.sampled_from(AWKWARD_TEXTS) | st.text(_SENDABLE, max_size=8)
full_texts: Final = st.sampled_from(AWKWARD_TEXTS) | st.text(_SENDABLE, min_size=1, max_size=8)
#: Strings valid as path labels. The client rejects others; see test_requests.
labels: Final = full_texts.filter(lambda text: text not in (".", ".."))
json_values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
times: Final = st.datetimes(
    datetime(1000, 1, 1),  # noqa: DTZ001 - hypothesis requires naive bounds, and adds the zone
    datetime(9998, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)


@st.composite
def timestamps(draw: st.DrawFn) -> str | int | float:
    """Draw a timestamp in any format that AWS services are known to send."""
    time = draw(times)
    zone = timezone(timedelta(minutes=draw(st.integers(-14 * 60, 14 * 60))))
    match draw(st.integers(0, 7)):
        case 0:
            return time.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
        case 1:
            return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case 2:
            return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case 3:
            return time.astimezone(zone).isoformat()
        case 4:
            return time.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")
        case 5:
            return draw(st.integers(0, 4_000_000_000))
        case 6:
            return str(draw(st.integers(0, 4_000_000_000)))
        case _:
            return draw(st.integers(0, 4_000_000_000_000)) / 1000


# Calls


@cache
def _argument(shape: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for arguments of this shape."""
    if getattr(shape, "enum", None):
        return st.sampled_from(shape.enum) | full_texts
    match shape.type_name:
        case "string":
            return texts
        case "boolean":
            return st.booleans()
        case "long" | "integer":
            return st.integers(-(2**63), 2**63)
        case "list":
            # An empty list in the query cannot be told from an absent one.
            least = 1 if shape.name == "TagKeyList" else 0
            return st.lists(_argument(shape.member), min_size=least, max_size=3)
        case "map":
            return st.dictionaries(_argument(shape.key), _argument(shape.value), max_size=3)
        case "structure" if shape.is_tagged_union:
            return st.one_of(
                [_tagged(tag, _argument(member)) for tag, member in shape.members.items()]
            )
        case "structure":
            return _members(
                {
                    name: _argument(member)
                    if name in shape.required_members
                    else _optional(_argument(member))
                    for name, member in shape.members.items()
                }
            )
        case other:
            raise NotImplementedError(other)


def _tagged(tag: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return values.map(lambda value: {tag: value})


def _optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(ABSENT) | strategy


def _members(members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for objects with these members, in the model's order."""
    return st.tuples(*members.values()).map(
        lambda drawn: {
            name: value for name, value in zip(members, drawn, strict=True) if value is not ABSENT
        }
    )


@cache
def calls(operation: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the arguments of a call, by wire name, in the model's order."""
    shape = judge.shapes().operation_model(operation).input_shape
    members: dict[str, st.SearchStrategy[Any]] = {}
    blank = {member.wire for member in OPERATIONS[operation].members if member.blank}
    for name, member in shape.members.items():
        if member.serialization.get("location") == "uri":
            members[name] = labels
        elif name in shape.required_members:
            required = full_texts if member.type_name == "string" else _argument(member)
            members[name] = texts if name in blank else required
        elif _is_token(shape, name):
            # botocore generates a missing token, and so does the client, above this layer.
            members[name] = texts
        else:
            members[name] = _optional(_argument(member))
    return _members(members)


def _is_token(shape: Any, name: str) -> bool:
    return bool(shape.members[name].metadata.get("idempotencyToken"))


def as_arguments(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for the library: by parameter name, as models, `None` if absent."""
    return {
        member.name: as_ours(member.kind, params[wire]) if wire in params else None
        for member, wire in zip(
            OPERATIONS[operation].members,
            judge.shapes().operation_model(operation).input_shape.members,
            strict=True,
        )
    }


def as_ours(kind: Any, value: Any) -> Any:
    """Return the library's model of a value, by its type annotation."""
    options = [option for option in get_args(kind) if option is not type(None)]
    if value is None:
        return None
    if UnknownMember in options:
        ((tag, inner),) = value.items()
        if tag == "SDK_UNKNOWN_MEMBER":  # botocore's name for it; botocore drops the value
            return UnknownMember(inner["name"])
        member = next((option for option in options if option.__name__ == tag), None)
        return UnknownMember(tag, inner) if member is None else as_ours(member, inner)
    if UnknownValue in options:
        (enum,) = (option for option in options if issubclass(option, StrEnum))
        return enum(value) if value in [*enum] else UnknownValue(value)
    if get_origin(kind) is tuple:
        return tuple(as_ours(options[0], item) for item in value)
    if get_origin(kind) is dict:
        return {key: as_ours(options[1], item) for key, item in value.items()}
    if attrs.has(kind):
        hints = get_type_hints(kind)
        return kind(
            **{
                judge.python_name(name): as_ours(hints[judge.python_name(name)], inner)
                for name, inner in value.items()
            }
        )
    return as_ours(options[0], value) if len(options) == 1 else value


# Responses


@cache
def _content(shape: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of this shape in a response."""
    if getattr(shape, "enum", None):
        return st.sampled_from([*shape.enum, "AddedLater"])
    match shape.type_name:
        case "string":
            return texts
        case "timestamp":
            return timestamps()
        case "boolean":
            return st.booleans()
        case "long" | "integer":
            return st.integers(-(2**63), 2**63)
        case "list":
            return st.lists(_content(shape.member), max_size=2)
        case "map":
            return st.dictionaries(_content(shape.key), _content(shape.value), max_size=2)
        case "structure" if shape.is_tagged_union:
            known = [_tagged(tag, _content(member)) for tag, member in shape.members.items()]
            # A null member counts as absent.
            unknown = _tagged("AddedLater", json_values.filter(lambda value: value is not None))
            noise = st.sampled_from([{}, {"__type": "x#y"}, {"Other": None}])
            return st.tuples(st.one_of([*known, unknown]), noise).map(
                lambda drawn: {**drawn[0], **drawn[1]}
            )
        case "structure":
            return responses(shape)
        case other:
            raise NotImplementedError(other)


@cache
def responses(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for JSON objects of a structure.

    Optional members can be absent or null, and unknown members can be present.
    """
    members: dict[str, st.SearchStrategy[Any]] = {
        name: _content(member)
        if name in shape.required_members
        else st.sampled_from([ABSENT, None]) | _content(member)
        for name, member in shape.members.items()
    }
    members["AddedLater"] = st.just(ABSENT) | json_values
    return _members(members)
