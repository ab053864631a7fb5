"""Every response becomes a model or an error of this library, at a bounded cost."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import sys
import tracemalloc
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdacore_async.errors import ApiError, LambdaCoreError, ResponseError
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.models.shared import JSONValue, UnknownMember
from lambdacore_async.protocol.messages import MAX_RESPONSE, Response
from lambdacore_async.protocol.operations import (
    CREATE_NETWORK_CONNECTOR,
    CREATE_RUNTIME,
    CREATE_RUNTIME_ALIAS,
    DELETE_NETWORK_CONNECTOR,
    DELETE_RUNTIME,
    GET_NETWORK_CONNECTOR,
    GET_RUNTIME,
    GET_RUNTIME_ALIAS,
    GET_RUNTIME_VERSION,
    LIST_NETWORK_CONNECTOR_VERSIONS,
    LIST_NETWORK_CONNECTORS,
    LIST_RUNTIME_VERSIONS,
    LIST_RUNTIMES,
    OPERATIONS,
    RESTORE_RUNTIME,
    UPDATE_RUNTIME_ALIAS,
)
from lambdacore_async.protocol.reading import from_dict, is_array, is_object, wire_name
from lambdacore_async.protocol.restjson import (
    ListOperation,
    ModelOperation,
    Operation,
    TagsOperation,
)
from lambdacore_async.protocol.writing import to_dict
from support import botocore_judge as judge
from support.examples import examples
from support.generation import responses, thorough
from support.pickled import through_pickle

CONNECTOR: Final[dict[str, object]] = {"Arn": "a", "Name": "n", "Id": "i"}
MEGABYTE: Final = 1024 * 1024


def nested(depth: int, value: JSONValue = 1) -> JSONValue:
    for _ in range(depth):
        value = [value]
    return value


#: JSON texts that are no honest value of any member.
POISON: Final = (
    "1.75e18", "1e15", "-1e18", "NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 300,
    "1" + "0" * 4299, "1" + "0" * 5000, "-1", "0.5", "true", "false", "null", '""', "[]", "{}",
    '"0001-01-01T00:00:00+14:00"', '"9999-12-31T23:59:59-14:00"', '"1.75e18"', '"NaN"',
    '"\\ud800"', '"\\udfff\\ud800"', '"a\\u0000\\u001b[2J\\u202e\\r\\n"', '{"\\ud800": 1}',
    '{"Peering": "\\ud800"}', '{"Peering": NaN}', '{"Peering": 1e999}', '{"Peering": [{"a": 1}]}',
    '{"SDK_UNKNOWN_MEMBER": 1}', '{"SDK_UNKNOWN_MEMBER": {"name": ["x"]}}',
    '{"SDK_UNKNOWN_MEMBER": {"name": "Peering"}}', '{"SDK_UNKNOWN_MEMBER": {}}',
    '{"VpcEgressConfiguration": {"SubnetIds": ["\\ud800"]}}', '{"a": 1, "b": 2}',
    '{"VpcEgressConfiguration": {"SubnetIds": [[]]}}', '["\\ud800"]', "[null]", "[[1]]",
    *(json.dumps({"Peering": nested(depth)}) for depth in (63, 64, 65, 300, 900)),
    *(json.dumps(nested(depth)) for depth in (65, 900)),
    '{"Peering": ' + '{"a": ' * 900 + "1" + "}" * 901,
)  # fmt: skip
poison: Final = st.sampled_from(POISON)


def check_usable(value: Any) -> None:
    """Check that a result can be compared, hashed, shown, copied, pickled and written."""
    assert through_pickle(value) == copy.deepcopy(value) == copy.copy(value) == value
    if isinstance(value, dict):  # tags
        assert json.dumps(value, ensure_ascii=False).encode()
        return
    assert hash(value) == hash(through_pickle(value))
    assert repr(value).isprintable()
    assert str(value).encode()
    items: tuple[Any, ...] = getattr(value, "items", (value,))
    for item in items:
        kind: Any = item.__class__
        data = to_dict(item)
        assert json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
        assert from_dict(kind, data) == item
        assert from_dict(kind, json.loads(json.dumps(data))) == item


def check_error(error: LambdaCoreError, body: bytes) -> None:
    """Check that an error can be shown and pickled, and keeps only the start of a body."""
    for text in (str(error), repr(error)):
        assert text.isprintable()
        assert len(text) < 2500
        assert text.encode()
    again = through_pickle(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
    assert (error.__context__, error.__cause__) == (None, None)
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename != __file__:
            held = traceback.tb_frame.f_locals.values()
            assert not [value for value in held if isinstance(value, Response | bytes)]
        traceback = traceback.tb_next
    if isinstance(error, ResponseError):
        assert len(pickle.dumps(error)) < 5000 + len(error.request_id or "")
        assert error.body_start == body[:256]


def outcome(operation: Operation[Any], response: Response) -> Any:
    try:
        value = operation.parse_response(response)
    except (ResponseError, ApiError) as error:
        check_error(error, response.body)
        return error
    if value is not None:
        check_usable(value)
    return value


@st.composite
def poisoned_bodies(draw: st.DrawFn, operation: Operation[Any]) -> bytes:
    """Draw a valid response in which one member, at any depth, has an unexpected value."""
    shape = judge.shapes().operation_model(operation.name).output_shape
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        keys: list[Any] = [*value] if is_object(value) else [*range(len(value))]
        for key in keys:
            places.append((value, key))
            inner: Any = value[key]
            if is_object(inner) or is_array(inner):
                visit(inner)

    content = draw(responses(shape)) if shape else {}
    visit(content)
    marks: dict[str, str] = {}
    for number in range(draw(st.integers(0, 2)) if places else 0):
        where, key = draw(st.sampled_from(places))
        mark = f"poison-{number}"
        where[key], marks[f'"{mark}"'] = mark, draw(poison)
    text = json.dumps(content)
    for mark, value in marks.items():
        text = text.replace(mark, value)
    # Repeated keys, and text around the JSON.
    text = draw(st.sampled_from([text, text[:-1] + ', "Arn": 1, "Arn": "\\ud83d"}', f" {text}\n"]))
    body = text.encode()
    return draw(
        st.sampled_from([body, body[: len(body) // 2], body.replace(b"a", b"\xed\xa0\x80")])
    )


headers: Final = st.dictionaries(
    st.sampled_from(
        ["x-amzn-requestid", "retry-after", "x-amz-retry-after", "date", "x-amzn-errortype"]
    ),
    st.sampled_from(
        ["1e308", "-1", "nan", "inf", "1_0", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT", "", " ",
         "a\udc80b", "\x1b[2J", "TooManyRequestsException", "\u0661", "#", ":", "\ud800#x"]
    ),
)  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data(), status=st.sampled_from([200, 204, 299]), headers=headers)
def test_any_response_is_usable_or_an_error_of_this_library(
    operation: Operation[Any], data: st.DataObject, status: int, headers: dict[str, str]
) -> None:
    outcome(operation, Response(status, headers, data.draw(poisoned_bodies(operation))))


LISTINGS: Final[list[ListOperation[Any]]] = [
    row for row in OPERATIONS.values() if isinstance(row, ListOperation)
]
#: An operation for each class that can be read.
READERS: Final[dict[Any, Operation[Any]]] = {
    **{row.item: row for row in LISTINGS},
    **{row.output: row for row in OPERATIONS.values() if isinstance(row, ModelOperation)},
}


@pytest.mark.parametrize(("kind", "operation"), READERS.items())
@pytest.mark.parametrize("value", POISON, ids=lambda value: value[:30])
def test_no_value_of_any_member_raises_another_error(
    kind: Any, operation: Operation[Any], value: str
) -> None:
    names = [wire_name(field.name) for field in attrs.fields(kind)]
    for poisoned in names:
        members = ", ".join(f'"{name}": {value if name == poisoned else 1}' for name in names)
        rest = {name: "x" for name in names if name not in (poisoned, "Version")}
        for text in (f"{{{members}}}", json.dumps(rest)[:-1] + f', "{poisoned}": {value}}}'):
            outcome(operation, Response(200, {}, in_place(operation, text)))


def in_place(operation: Operation[Any], text: str) -> bytes:
    """Return the body of a response with this JSON of a resource."""
    page = next((row for row in LISTINGS if row is operation), None)
    return (text if page is None else f'{{"{page.items}": [{text}]}}').encode()


error_texts: Final = st.text(
    st.characters() | st.sampled_from("\ud800\udfff\x1b\r\n\u202e\x9b"), max_size=8
)


@thorough
@given(
    operation=st.sampled_from([*OPERATIONS.values()]),
    status=st.integers(0, 999).filter(lambda status: not 200 <= status < 300),
    headers=headers,
    content=st.dictionaries(
        st.sampled_from(["code", "Code", "__type", "message", "Message", "Type", "Reason"]),
        error_texts.map(json.dumps) | poison,
    ),
    body=st.sampled_from([None, b"", b"[" * 100_000, b'"\\ud800"', b"\xed\xa0\x80", b"null"]),
)
@example(GET_RUNTIME, 500, {}, {"Reason": '"\\ud800"'}, None)
def test_any_error_response_is_an_error_of_this_library(
    operation: Operation[Any],
    status: int,
    headers: dict[str, str],
    content: dict[str, str],
    body: bytes | None,
) -> None:
    text = ", ".join(f'"{name}": {value}' for name, value in content.items())
    response = Response(status, headers, f"{{{text}}}".encode() if body is None else body)

    error = outcome(operation, response)

    assert isinstance(error, ApiError)
    for value in (error.code, error.message, error.request_id, error.fault, error.reason):
        assert (value or "").encode() is not None
    assert error.retry_after is None or 0 <= error.retry_after <= 24 * 60 * 60
    assert error.backoff_hint is None or 0 <= error.backoff_hint <= 1_000_000


@pytest.mark.parametrize("fault", [RecursionError(), MemoryError(), OSError(75, "x"), Exception()])
def test_any_exception_while_parsing_is_an_error_of_this_call(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("lambdacore_async.protocol.reading.structure", fail)
    body = json.dumps(CONNECTOR).encode()

    with pytest.raises(
        ResponseError, match=r"^GetNetworkConnector: cannot read the response: "
    ) as caught:
        GET_NETWORK_CONNECTOR.parse_response(Response(200, {}, body))

    check_error(caught.value, body)


@pytest.mark.parametrize("fault", [KeyboardInterrupt, SystemExit])
def test_exceptions_that_end_the_program_propagate(
    fault: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr("lambdacore_async.protocol.reading.structure", fail)

    with pytest.raises(fault):
        GET_NETWORK_CONNECTOR.parse_response(Response(200, {}, json.dumps(CONNECTOR).encode()))


@pytest.mark.parametrize(
    ("depth", "readable"), [(1, True), (64, True), (65, False), (300, False), (900, False)]
)
def test_an_unknown_member_may_be_nested_sixty_four_levels_deep(
    depth: int, *, readable: bool
) -> None:
    content = {**CONNECTOR, "Configuration": {"Peering": nested(depth)}}
    response = Response(200, {}, json.dumps(content).encode())

    result = outcome(GET_NETWORK_CONNECTOR, response)

    if readable:
        assert result.configuration == UnknownMember("Peering", nested(depth))
    else:
        assert "configuration: nested more than 64 levels deep" in str(result)


def test_a_lone_surrogate_makes_a_response_unreadable_and_a_pair_does_not() -> None:
    for written, readable in (
        ("\\ud83d\\udca9", True),
        ("\\ud83d", False),
        ("\\udca9\\ud83d", False),
    ):
        body = f'{{"Arn": "a", "Name": "{written}", "Id": "i"}}'.encode()
        result = outcome(GET_NETWORK_CONNECTOR, Response(200, {}, body))
        if readable:
            assert result == NetworkConnector("a", "\N{PILE OF POO}", "i")
        else:
            assert isinstance(result, ResponseError)


def test_the_last_of_two_equal_keys_counts_as_in_botocore() -> None:
    body = b'{"Arn": "a", "Name": "n", "Id": "i", "Name": "m"}'

    assert GET_NETWORK_CONNECTOR.parse_response(Response(200, {}, body)).name == "m"
    assert judge.parse("GetNetworkConnector", 200, {}, body)["Name"] == "m"


# Bounds


def test_the_bound_of_every_operation_is_close_to_its_longest_response() -> None:
    bounds = {operation: operation.max_response for operation in OPERATIONS.values()}

    assert max(bounds.values()) <= MAX_RESPONSE
    for operation, bound in bounds.items():
        values: dict[str, object] = {"tags": {}, "tag_keys": ["x"]}
        arguments = {m.name: values.get(m.name, "x") for m in operation.members if m.required}
        arguments.pop("configuration", None)
        if operation is not CREATE_NETWORK_CONNECTOR:
            assert operation.build_request(arguments).max_response == bound
        if isinstance(operation, ListOperation):
            assert bound == MEGABYTE
        elif isinstance(operation, ModelOperation | TagsOperation):
            assert bound <= MEGABYTE / 4
        else:
            assert bound <= MEGABYTE / 16


def test_the_longest_connector_that_the_api_allows_fits() -> None:
    configuration = {
        "VpcEgressConfiguration": {
            "SubnetIds": ["s" * 1024] * 16,
            "SecurityGroupIds": ["g" * 1024] * 16,
        }
    }
    connector = dict.fromkeys(("Arn", "Name", "Id", "VersionArn"), "x" * 140)
    content = {**connector, "Configuration": configuration, "OperatorRole": "r" * 10_000}

    assert len(json.dumps(content)) < GET_NETWORK_CONNECTOR.max_response / 2


def test_the_longest_runtimes_that_the_api_allows_fit() -> None:
    runtime = {
        **dict.fromkeys(("Name", "Created", "LastModified", "Id"), "x" * 128),
        "Arn": "x" * 2048,
        "Description": "\N{SNOWMAN}" * 1024,
        "LicenseInfo": "x" * 1024,
    }

    assert len(json.dumps({"Items": [runtime] * 100})) < LIST_RUNTIMES.max_response
    runtime["Description"] = runtime["LicenseInfo"] = "\N{PILE OF POO}" * 1024
    assert len(json.dumps(runtime)) < GET_RUNTIME.max_response


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_page_of_more_than_a_thousand_items_is_refused(count: int) -> None:
    summary = {**CONNECTOR, "Type": "T"}
    body = json.dumps({"NetworkConnectors": [summary] * count}).encode()

    result = outcome_of_page(body)

    if count == 1000:
        assert len(result) == count
    else:
        assert "NetworkConnectors: expected at most 1000, got 1001" in str(result)


@pytest.mark.parametrize("length", [8192, 8193])
def test_a_token_that_no_url_could_carry_is_refused(length: int) -> None:
    body = json.dumps({"NetworkConnectors": [], "NextMarker": "x" * length}).encode()

    result = outcome_of_page(body)

    if length == 8192:
        assert len(result.next_token) == length
    else:
        assert "NextMarker: longer than 8192 characters" in str(result)


def outcome_of_page(body: bytes) -> Any:
    try:
        return LIST_NETWORK_CONNECTORS.parse_response(Response(200, {}, body))
    except ResponseError as error:
        return error


def filled(template: str, item: str, size: int) -> bytes:
    """Return a body of this size, made of one repeated item."""
    count = (size - len(template)) // (len(item) + 1) // template.count("ITEMS")
    return template.replace("ITEMS", ",".join([item] * count)).encode()


SUBNETS: Final = (
    '{"Arn": "a", "Name": "n", "Id": "i", "Configuration": '
    '{"VpcEgressConfiguration": {"SubnetIds": [ITEMS]}}}'
)
PEERING: Final = '{"Arn": "a", "Name": "n", "Id": "i", "Configuration": {"Peering": [ITEMS]}}'
PLATFORMS: Final = (
    '{"Name": "n", "Arn": "a", "ResolvedUri": "u", "State": "ACTIVE", "Created": "c", '
    '"LastModified": "l", "Platforms": [ITEMS]}'
)
_RESOURCES: Final[list[tuple[Operation[Any], str, str]]] = [
    (GET_NETWORK_CONNECTOR, template, item)
    for template in (SUBNETS, PEERING, '{"A": [ITEMS]}', "[ITEMS]")
    for item in ("1", "[]", "{}", '"a"', '""', "null", "1.5", '{"":0}', '"\\ud800"', '"\\u0041"')
]
_VERSIONS: Final[list[tuple[Operation[Any], str, str]]] = [
    (GET_RUNTIME_VERSION, PLATFORMS, item)
    for item in ("1", "{}", "[]", '{"Os": 1}', '{"Os": "", "Digest": "", "Architecture": ""}')
]
_PAGES: Final[list[tuple[Operation[Any], str, str]]] = [
    (LIST_NETWORK_CONNECTORS, '{"NetworkConnectors": [ITEMS]}', item)
    for item in ("1", "{}", "[]", "null", '{"":0}', '{"Arn":1}')
]
_MORE: Final[list[tuple[Operation[Any], str, str]]] = [
    (LIST_RUNTIMES, '{"Items": [{ITEMS}]}', '"Arn":{}'),
    (LIST_RUNTIMES, '{"Items": [], "NextToken": "ITEMS"}', "x"),
]


@contextmanager
def counted_calls() -> Generator[Callable[[], int]]:
    """Count the Python functions called: a measure of work that no machine affects."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield lambda: calls
    finally:
        sys.setprofile(before)


CASES: Final[list[tuple[Operation[Any], str, str, int]]] = [
    *((*case, 200) for case in (*_RESOURCES, *_VERSIONS, *_PAGES, *_MORE)),
    *((GET_NETWORK_CONNECTOR, "[ITEMS]", item, 400) for item in ("1", "[]", '{"":0}')),
    *((LIST_RUNTIMES, '{"message": "ITEMS"}', item, 500) for item in ("x", "\\n", "\\ud800")),
    (DELETE_RUNTIME, '{"code": "ITEMS", "Reason": "ITEMS"}', "\\u202e", 429),
    (GET_RUNTIME, '{"message": "ITEMS"}', "x-amz-security-token<<<", 403),
]


@pytest.mark.parametrize(
    ("operation", "template", "item", "status"),
    CASES,
    ids=[f"{case[0]}-{case[1][-20:]}-{case[2]}-{case[3]}" for case in CASES],
)
def test_memory_and_work_are_bounded_for_any_body(
    operation: Operation[Any], template: str, item: str, status: int
) -> None:
    size = operation.max_response
    response = Response(status, {}, filled(template, item, size))
    gc.collect()
    tracemalloc.start()
    try:
        result: object = None
        try:
            result = operation.parse_response(response)
        except LambdaCoreError as error:
            result = error
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * MEGABYTE
    if isinstance(result, LambdaCoreError):
        assert kept < MEGABYTE + 2 * size
        check_error(result, response.body)
    del result
    with counted_calls() as calls:
        with suppress(LambdaCoreError):
            operation.parse_response(response)
        # A few calls per item of a readable list, and none to explain the rest.
        assert calls() < size


def test_at_most_ten_faults_are_explained_briefly() -> None:
    response = Response(200, {}, filled(SUBNETS, "1", 900_000))

    with pytest.raises(ResponseError) as caught:
        GET_NETWORK_CONNECTOR.parse_response(response)

    text = str(caught.value)
    assert text.count("expected str, got int") == 10
    assert "configuration.subnet_ids[9]: expected str, got int; and more" in text
    assert len(text) < 1000


def test_a_long_value_is_quoted_in_part() -> None:
    content = {**CONNECTOR, "LastModified": "soon\n" * 20_000}

    with pytest.raises(ResponseError) as caught:
        GET_NETWORK_CONNECTOR.parse_response(Response(200, {}, json.dumps(content).encode()))

    assert "last_modified: Invalid isoformat string: 'soon\\nsoon" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_error_does_not_keep_the_body_alive() -> None:
    """A fan-out keeps its errors until it reports; their bodies would add up."""
    body = filled("[ITEMS]", "[]", GET_NETWORK_CONNECTOR.max_response)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        errors = [outcome_of_connector(body) for _ in range(20)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert len(errors) == 20
    assert kept < MEGABYTE


def outcome_of_connector(body: bytes) -> ResponseError:
    with pytest.raises(ResponseError) as caught:
        GET_NETWORK_CONNECTOR.parse_response(Response(200, {}, body))
    return caught.value


# Responses about another resource


CONNECTOR_ARN: Final = "arn:aws:lambda:us-east-1:123456789012:network-connector:nc-1"
MANAGED: Final = (
    "arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:INTERNET_EGRESS"
)
RUNTIME_ARN: Final = "arn:aws:lambda:us-east-1:123456789012:runtime/rt"
STAMPS: Final = {"Created": "c", "LastModified": "l"}


def connector(arn: str = CONNECTOR_ARN, name: str = "prod", identity: str = "nc-1") -> Any:
    return {"Arn": arn, "Name": name, "Id": identity}


def is_accepted(operation: Operation[Any], content: object, *identifiers: str) -> bool:
    response = Response(200, {"x-amzn-requestid": "id-1"}, json.dumps(content).encode())
    try:
        operation.parse_response(response, 1, identifiers)
    except ResponseError as error:
        found = ("about another resource: requested " in str(error), error.transient)
        if found != (True, False):
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("identifier", "content"),
    [
        ("prod", connector()),
        ("nc-1", connector()),
        (CONNECTOR_ARN, connector()),
        (f"{CONNECTOR_ARN}:7", connector()),
        (f"{CONNECTOR_ARN}:7", connector(f"{CONNECTOR_ARN}:7")),
        ("PROD", connector()),
        ("Nc-1", connector()),
        ("arn:aws:lambda:us-east-1:123456789012:network-connector:prod", connector()),
        ("arn:aws:lambda:us-east-1:123456789012:network-connector:prod:3", connector()),
        ("123456789012:network-connector:prod", connector()),
        ("network-connector:nc-1", connector()),
        ("prod:3", connector()),
        ("network-connector/prod", connector()),
        (CONNECTOR_ARN, connector(name=CONNECTOR_ARN, identity="other")),
        (MANAGED, connector(MANAGED, "INTERNET_EGRESS", "x")),
        (MANAGED, connector(MANAGED, "x", "y")),
        ("INTERNET_EGRESS", connector(MANAGED, "x", "y")),
        ("aws-network-connector:INTERNET_EGRESS", connector(MANAGED, "x", "y")),
        ("7", connector(name="7")),
        (" prod ", connector()),
        (":", connector()),
        (f"{CONNECTOR_ARN}:", connector()),
    ],
)
def test_a_response_possibly_about_the_resource_is_accepted(identifier: str, content: Any) -> None:
    for operation in (GET_NETWORK_CONNECTOR, DELETE_NETWORK_CONNECTOR, CREATE_NETWORK_CONNECTOR):
        assert is_accepted(operation, content, identifier)
    version = {**content, "VersionArn": f"{content['Arn']}:1", "Version": 1, "State": "ACTIVE"}
    versions = {"NetworkConnectorVersions": [None, version]}
    assert is_accepted(LIST_NETWORK_CONNECTOR_VERSIONS, versions, identifier)


@pytest.mark.parametrize(
    "identifier",
    [
        "poison", "nc-2", "pro", "prod2", f"{CONNECTOR_ARN}2", f"{CONNECTOR_ARN}2:7", "other:3",
        "arn:aws:lambda:us-east-1:123456789012:network-connector:other:7", MANAGED, "7", "a\n" * 99,
    ],
)  # fmt: skip
def test_a_response_about_another_resource_is_refused(identifier: str) -> None:
    content = connector(f"{CONNECTOR_ARN}:7" if identifier.endswith(":7") else CONNECTOR_ARN)
    for operation in (GET_NETWORK_CONNECTOR, DELETE_NETWORK_CONNECTOR, CREATE_NETWORK_CONNECTOR):
        assert not is_accepted(operation, content, identifier)
    version = {**content, "VersionArn": f"{CONNECTOR_ARN}:1", "Version": 1, "State": "ACTIVE"}
    versions = {"NetworkConnectorVersions": [version]}
    assert not is_accepted(LIST_NETWORK_CONNECTOR_VERSIONS, versions, identifier)


@pytest.mark.parametrize(
    ("operation", "content", "right", "wrong"),
    [
        (
            GET_RUNTIME,
            {"Arn": RUNTIME_ARN, "Name": "rt", **STAMPS},
            [("rt",), (RUNTIME_ARN,), ("runtime/rt",)],
            [("other",), (f"{RUNTIME_ARN}2",)],
        ),
        (
            CREATE_RUNTIME,
            {"Arn": RUNTIME_ARN, "Name": "rt", **STAMPS},
            [("rt",)],
            [("other",)],
        ),
        (
            GET_RUNTIME_VERSION,
            {"Arn": f"{RUNTIME_ARN}/version/1.2", "Name": "1.2", "ResolvedUri": "u",
             "State": "ACTIVE", **STAMPS},
            [("rt", "1.2"), (RUNTIME_ARN, "1.2")],
            [("rt", "1.3"), ("other", "1.2")],
        ),
        (
            GET_RUNTIME_ALIAS,
            {"Arn": f"{RUNTIME_ARN}/alias/prod", "Name": "prod", "RuntimeVersion": "1",
             "RuntimeVersionArn": f"{RUNTIME_ARN}/version/1", "State": "ACTIVE", **STAMPS},
            [("rt", "prod"), (RUNTIME_ARN, "prod")],
            [("rt", "1"), ("other", "prod")],
        ),
        (
            UPDATE_RUNTIME_ALIAS,
            {"RuntimeName": "rt", "Arn": "a", "Name": "prod", "RuntimeVersion": "1",
             "RuntimeVersionArn": "b", "State": "ACTIVE", **STAMPS},
            [("rt", "prod")],
            [("other", "prod")],
        ),
        (
            RESTORE_RUNTIME,
            {"RuntimeName": "rt", "Arn": "a", "State": "ACTIVE", "LastModified": "l"},
            [("rt",), (RUNTIME_ARN,)],
            [("other",)],
        ),
        (
            LIST_RUNTIME_VERSIONS,
            {"Items": [{"Arn": f"{RUNTIME_ARN}/version/1", "Name": "1", "ResolvedUri": "u",
                        "State": "ACTIVE", **STAMPS}]},
            [("rt",), (RUNTIME_ARN,)],
            [("other",)],
        ),
        (LIST_RUNTIME_VERSIONS, {"Items": []}, [("rt",)], []),
    ],
    ids=str,
)  # fmt: skip
def test_the_same_holds_for_runtimes(
    operation: Operation[Any],
    content: object,
    right: list[tuple[str, ...]],
    wrong: list[tuple[str, ...]],
) -> None:
    for identifiers in right:
        assert is_accepted(operation, content, *identifiers)
    for identifiers in wrong:
        assert not is_accepted(operation, content, *identifiers)


def test_a_request_has_the_identifiers_of_its_resource() -> None:
    for operation, arguments, identifiers in (
        (GET_NETWORK_CONNECTOR, {"identifier": "prod"}, ("prod",)),
        (CREATE_RUNTIME, {"name": "rt"}, ("rt",)),
        (GET_RUNTIME_ALIAS, {"runtime_name": "rt", "name": "prod"}, ("rt", "prod")),
        (
            CREATE_RUNTIME_ALIAS,
            {"runtime_name": "rt", "name": "prod", "runtime_version": "1"},
            ("rt", "prod"),
        ),
        (LIST_RUNTIMES, {}, ()),
    ):
        assert operation.build_request(arguments).identifiers == identifiers
