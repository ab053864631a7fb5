"""What hypothesis draws: calls and answers, made from AWS's model of the service.

Everything is drawn in its shape on the wire, as botocore takes and gives it; `as_ours` makes our
models of it by their annotations, without our own codec.
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

#: The same examples at each run, so that a failure is a change and not chance.
thorough: Final = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)

ABSENT: Final = "<absent>"
#: What breaks encoders: reserved and special characters, ARNs, other scripts, control characters.
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
#: Any text that can stand in a path: what a URL cannot carry is refused, see test_requests.
labels: Final = full_texts.filter(lambda text: text not in (".", ".."))
json_values: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
times: Final = st.datetimes(
    datetime(1000, 1, 1),  # noqa: DTZ001 - hypothesis wants it without, and adds the zone
    datetime(9998, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.just(UTC),
)


@st.composite
def timestamps(draw: st.DrawFn) -> str | int | float:
    """A timestamp in any form that AWS services have been seen to send."""
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
    """A value that a call may give for this shape."""
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
            return st.lists(_argument(shape.member), max_size=3)
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
    """An object with its members in the model's order."""
    return st.tuples(*members.values()).map(
        lambda drawn: {
            name: value for name, value in zip(members, drawn, strict=True) if value is not ABSENT
        }
    )


@cache
def calls(operation: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a call, by their names on the wire, in the model's order."""
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
            # botocore makes one up where it is absent, and so does our client, above this layer.
            members[name] = texts
        else:
            members[name] = _optional(_argument(member))
    return _members(members)


def _is_token(shape: Any, name: str) -> bool:
    return bool(shape.members[name].metadata.get("idempotencyToken"))


def as_arguments(operation: str, params: dict[str, Any]) -> dict[str, Any]:
    """The same call for us: by parameter names, with our models, and `None` for what is absent."""
    return {
        member.name: as_ours(member.kind, params[wire]) if wire in params else None
        for member, wire in zip(
            OPERATIONS[operation].members,
            judge.shapes().operation_model(operation).input_shape.members,
            strict=True,
        )
    }


def as_ours(kind: Any, value: Any) -> Any:
    """Our model of a value, by our annotation of where it stands."""
    options = [option for option in get_args(kind) if option is not type(None)]
    if value is None:
        return None
    if UnknownMember in options:
        ((tag, inner),) = value.items()
        if tag == "SDK_UNKNOWN_MEMBER":  # botocore's word for it; it drops the value
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


# Answers


@cache
def _content(shape: Any) -> st.SearchStrategy[Any]:
    """A value that the service may send for this shape."""
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
        case "structure" if shape.is_tagged_union:
            known = [_tagged(tag, _content(member)) for tag, member in shape.members.items()]
            # A null member is no member, see test_an_unreadable_answer_says_what_is_wrong.
            unknown = _tagged("AddedLater", json_values.filter(lambda value: value is not None))
            noise = st.sampled_from([{}, {"__type": "x#y"}, {"Other": None}])
            return st.tuples(st.one_of([*known, unknown]), noise).map(
                lambda drawn: {**drawn[0], **drawn[1]}
            )
        case "structure":
            return answers(shape)
        case other:
            raise NotImplementedError(other)


@cache
def answers(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A JSON object for a structure: optional members may be absent or null, others unheard of."""
    members: dict[str, st.SearchStrategy[Any]] = {
        name: _content(member)
        if name in shape.required_members
        else st.sampled_from([ABSENT, None]) | _content(member)
        for name, member in shape.members.items()
    }
    members["AddedLater"] = st.just(ABSENT) | json_values
    return _members(members)
