"""Responses are read as botocore reads them; each deliberate difference has its own test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdacore_async.errors import (
    ERRORS_BY_CODE,
    ApiError,
    ResourceNotFoundException,
    ResponseError,
    ServiceException,
    ThrottleReason,
    TooManyRequestsException,
)
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorState,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.runtimes import RestoredRuntime, Runtime
from lambdacore_async.models.shared import (
    Model,
    Page,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)
from lambdacore_async.protocol.messages import Response
from lambdacore_async.protocol.operations import (
    DELETE_RUNTIME,
    GET_NETWORK_CONNECTOR,
    GET_RUNTIME,
    GET_RUNTIME_VERSION,
    LIST_NETWORK_CONNECTORS,
    LIST_RUNTIMES,
    OPERATIONS,
    RESTORE_RUNTIME,
)
from lambdacore_async.protocol.operations.tags import LIST_TAGS
from lambdacore_async.protocol.reading import from_dict, is_array, is_object
from lambdacore_async.protocol.restjson import (
    EmptyOperation,
    ListOperation,
    ModelOperation,
    Operation,
    build_error,
)
from lambdacore_async.protocol.writing import to_dict
from support import botocore_judge as judge
from support.examples import examples
from support.generation import as_ours, responses, texts, thorough

HEADERS = {"x-amzn-requestid": "id-1"}
CONNECTOR = {"Arn": "a", "Name": "n", "Id": "i"}
MODEL_OPERATIONS = [row for row in OPERATIONS.values() if isinstance(row, ModelOperation)]
LIST_OPERATIONS: list[ListOperation[Any]] = [
    row for row in OPERATIONS.values() if isinstance(row, ListOperation)
]
EMPTY_OPERATIONS = [row for row in OPERATIONS.values() if isinstance(row, EmptyOperation)]


def success(operation: Operation[Any], content: object) -> Response:
    return Response(operation.status, HEADERS, json.dumps(content).encode())


def judged(operation: Operation[Any], response: Response) -> dict[str, Any]:
    """Return the members that botocore reads, without its metadata."""
    parsed = judge.parse(operation.name, response.status, response.headers, response.body)
    del parsed["ResponseMetadata"]
    return parsed


def as_json(parsed: Any) -> Any:
    """Return botocore's values as JSON."""
    if is_object(parsed):
        return {key: as_json(value) for key, value in parsed.items()}
    if is_array(parsed):
        return [as_json(value) for value in parsed]
    if isinstance(parsed, datetime):
        return parsed.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return parsed


def as_botocore_sees(model: Any) -> Any:
    """Return the model without unknown members, which botocore drops."""
    if is_array(model):
        return tuple(as_botocore_sees(item) for item in model)
    if isinstance(model, UnknownMember):
        return UnknownMember(model.tag)
    if isinstance(model, Model):
        members = [field.name for field in attrs.fields(type(model)) if field.name != "extra"]
        seen = {name: as_botocore_sees(getattr(model, name)) for name in members}
        return attrs.evolve(model, **seen, extra={})
    return model


# Success


@pytest.mark.parametrize("operation", MODEL_OPERATIONS, ids=str)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_a_response_is_read_as_botocore_reads_it(
    operation: ModelOperation[Any], data: st.DataObject
) -> None:
    shape = judge.shapes().operation_model(operation.name).output_shape
    content = data.draw(responses(shape))
    response = success(operation, content)

    ours = operation.parse_response(response, attempts=2)

    theirs = judged(operation, response)
    seen = as_botocore_sees(ours)
    assert type(ours) is operation.output
    assert seen == as_ours(operation.output, theirs)
    assert to_dict(seen) == as_json(theirs)
    assert ours.response_metadata == ResponseMetadata("id-1", operation.status, 2)
    # The dict that boto3 returns gives the same model, despite its metadata.
    assert from_dict(operation.output, {**theirs, "ResponseMetadata": {"RetryAttempts": 0}}) == seen
    # The embedded service writes the same response.
    again = operation.build_response(ours)
    assert as_json(judged(operation, again)) == as_json(theirs)
    assert operation.parse_response(again) == ours


@pytest.mark.parametrize("operation", LIST_OPERATIONS, ids=str)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_a_page_is_read_as_botocore_reads_it(
    operation: ListOperation[Any], data: st.DataObject
) -> None:
    shape = judge.shapes().operation_model(operation.name).output_shape
    response = success(operation, data.draw(responses(shape)))

    ours = operation.parse_response(response)

    theirs = judged(operation, response)
    assert ours.items == tuple(as_ours(operation.item, item) for item in theirs[operation.items])
    assert ours.next_token == (theirs.get(operation.output_token) or None)
    assert [to_dict(as_botocore_sees(item)) for item in ours] == as_json(theirs[operation.items])
    assert ours.response_metadata == ResponseMetadata("id-1", 200, 1)
    again = operation.build_response(ours)
    if ours.next_token is None:
        theirs.pop(operation.output_token, None)
    assert judged(operation, again) == theirs
    assert operation.parse_response(again) == ours


@pytest.mark.parametrize("operation", EMPTY_OPERATIONS, ids=str)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"[]", b"<html>", b"{", b'{"State": 1}'])
def test_an_output_without_members_is_none_whatever_the_body(
    operation: Operation[Any], body: bytes
) -> None:
    assert operation.parse_response(Response(operation.status, HEADERS, body)) is None


@pytest.mark.parametrize("operation", EMPTY_OPERATIONS, ids=str)
def test_the_service_answers_without_members_or_content(operation: Operation[Any]) -> None:
    response = operation.build_response(None)

    assert (response.status, response.body) in ((202, b"{}"), (204, b""))
    assert judged(operation, response) == {}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_tags_are_read_as_botocore_reads_them(tags: dict[str, str]) -> None:
    response = LIST_TAGS.build_response(tags)

    assert LIST_TAGS.parse_response(response) == tags
    assert judged(LIST_TAGS, response) == {"Tags": tags}


@pytest.mark.parametrize("body", [b"{}", b'{"Tags": null}'])
def test_absent_tags_are_no_tags(body: bytes) -> None:
    assert LIST_TAGS.parse_response(Response(200, HEADERS, body)) == {}


@pytest.mark.parametrize(
    "body", [b'{"Tags": []}', b'{"Tags": {"team": 1}}', b'{"Tags": {"a": {}}}']
)
def test_tags_that_are_no_texts_are_an_error(body: bytes) -> None:
    with pytest.raises(ResponseError, match="cannot read the response"):
        LIST_TAGS.parse_response(Response(200, HEADERS, body))


@pytest.mark.parametrize("status", [200, 201, 202, 203, 299])
def test_any_2xx_status_is_a_success(status: int) -> None:
    connector = GET_NETWORK_CONNECTOR.parse_response(
        Response(status, {}, json.dumps(CONNECTOR).encode())
    )

    assert connector == NetworkConnector("a", "n", "i")
    assert connector.response_metadata == ResponseMetadata(None, status, 1)


def test_a_member_response_metadata_of_the_service_is_ignored() -> None:
    content = {"Arn": "a", "Name": "n", "Created": "c", "LastModified": "l"}
    spoof = {**content, "ResponseMetadata": {"RequestId": "spoof"}}

    runtime = GET_RUNTIME.parse_response(success(GET_RUNTIME, spoof))
    page = LIST_RUNTIMES.parse_response(success(LIST_RUNTIMES, {"Items": [spoof]}))

    assert runtime.response_metadata == ResponseMetadata("id-1", 200, 1)
    assert page.items[0].response_metadata is None


@pytest.mark.parametrize("token", [None, ""])
def test_an_empty_token_ends_a_listing(token: str | None) -> None:
    page = LIST_RUNTIMES.parse_response(success(LIST_RUNTIMES, {"Items": [], "NextToken": token}))

    assert page == Page((), None)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24T01:02:03Z", datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)),
        ("2026-11-24T01:02:03.5Z", datetime(2026, 11, 24, 1, 2, 3, 500_000, tzinfo=UTC)),
        ("2026-11-24T01:02:03.123456789Z", datetime(2026, 11, 24, 1, 2, 3, 123_456, tzinfo=UTC)),
        ("2026-11-24T03:02:03+02:00", datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)),
        ("2026-11-23T18:32:03-0630", datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)),
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        (1795482123, datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)),
        (1795482123.5, datetime(2026, 11, 24, 1, 2, 3, 500_000, tzinfo=UTC)),
        ("1795482123", datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)),
        ("1795482123.5", datetime(2026, 11, 24, 1, 2, 3, 500_000, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_read_in_many_forms(text: object, time: datetime) -> None:
    response = success(GET_NETWORK_CONNECTOR, {**CONNECTOR, "LastModified": text})

    ours = GET_NETWORK_CONNECTOR.parse_response(response).last_modified

    assert ours == time
    assert ours is not None
    assert ours.tzinfo is not None
    theirs: datetime = judged(GET_NETWORK_CONNECTOR, response)["LastModified"]
    assert ours == theirs.replace(tzinfo=theirs.tzinfo or UTC)


# Deliberate differences in success


def test_a_timestamp_without_a_zone_is_utc() -> None:
    """botocore keeps it naive, so comparing it with an aware one raises."""
    response = success(GET_NETWORK_CONNECTOR, {**CONNECTOR, "LastModified": "2026-11-24T01:02:03"})

    connector = GET_NETWORK_CONNECTOR.parse_response(response)

    assert connector.last_modified == datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
    assert judged(GET_NETWORK_CONNECTOR, response)["LastModified"].tzinfo is None


def test_a_null_in_a_list_is_left_out() -> None:
    """botocore keeps it as `None`, which the item types of its stubs do not include."""
    response = success(LIST_RUNTIMES, {"Items": [None]})
    nested = success(
        GET_NETWORK_CONNECTOR,
        {**CONNECTOR, "Configuration": {"VpcEgressConfiguration": {"SubnetIds": [None, "s"]}}},
    )

    assert LIST_RUNTIMES.parse_response(response).items == ()
    assert judged(LIST_RUNTIMES, response) == {"Items": [None]}
    connector = GET_NETWORK_CONNECTOR.parse_response(nested)
    assert connector.configuration == VpcEgressConfiguration(subnet_ids=("s",))


def test_an_unknown_union_member_keeps_its_value() -> None:
    """botocore keeps only the name."""
    configuration = {"__type": "x", "Peering": {"To": ["vpc-1"]}, "VpcEgressConfiguration": None}
    response = success(GET_NETWORK_CONNECTOR, {**CONNECTOR, "Configuration": configuration})

    connector = GET_NETWORK_CONNECTOR.parse_response(response)

    assert connector.configuration == UnknownMember("Peering", {"To": ["vpc-1"]})
    tag = {"SDK_UNKNOWN_MEMBER": {"name": "__type"}}
    # botocore detects the unknown member, but reports the first key as its name.
    assert judged(GET_NETWORK_CONNECTOR, response)["Configuration"] == tag


def test_an_unknown_enum_value_differs_in_type_from_a_known_one() -> None:
    """botocore has no enums; comparing with strings works the same."""
    connector = GET_NETWORK_CONNECTOR.parse_response(
        success(GET_NETWORK_CONNECTOR, {**CONNECTOR, "State": "PAUSED"})
    )

    assert connector.state == UnknownValue("PAUSED") == "PAUSED"
    assert not isinstance(connector.state, NetworkConnectorState)


# Unreadable responses: botocore returns an empty dict, or the raw value


@pytest.mark.parametrize(
    ("operation", "body", "problem"),
    [
        (GET_RUNTIME, b"", "the body is empty"),
        (GET_RUNTIME, b"<html>proxy</html>", "the body is not JSON"),
        (GET_RUNTIME, b'{"Arn": "a"', "the body is not JSON"),
        (GET_RUNTIME, b'{"Arn": "\xff"}', "the body is not JSON"),
        (GET_RUNTIME, b"[" * 100_000, "the body is not JSON"),
        (GET_RUNTIME, b'{"A":' * 100_000, "the body is not JSON"),
        (GET_RUNTIME, b'{"A": ' + b"9" * 5000 + b"}", "the body is not JSON"),
        (GET_RUNTIME, b"[]", "expected a JSON object, got list"),
        (GET_RUNTIME, b"null", "expected a JSON object, got NoneType"),
        (GET_RUNTIME, b'"x"', "expected a JSON object, got str"),
        (
            GET_RUNTIME,
            b"{}",
            (
                "arn: required, but missing; name: required, but missing; "
                "created: required, but missing; last_modified: required, but missing"
            ),
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": null, "Name": "n", "Id": "i"}',
            "arn: expected str, got NoneType",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": 7, "Name": [], "Id": {}}',
            "arn: expected str, got int; name: expected str, got list; id: expected str, got dict",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Version": "many"}',
            "version: expected int, got str",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Version": 1e999}',
            "the body is not JSON",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "State": ["ACTIVE"]}',
            "state: expected str, got list",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "LastModified": "soon"}',
            "last_modified: Invalid isoformat string: 'soon'",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "LastModified": {}}',
            "last_modified: ",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "LastModified": 1e30}',
            "last_modified: ",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "LastModified": NaN}',
            "the body is not JSON",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Configuration": []}',
            "configuration: expected an object, got list",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Configuration": {}}',
            "configuration: expected one member of the union, got 0",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Configuration": {"A": 1, "B": 2}}',
            "configuration: expected one member of the union, got 2",
        ),
        (
            GET_NETWORK_CONNECTOR,
            b'{"Arn": "a", "Name": "n", "Id": "i", "Configuration": {"SDK_UNKNOWN_MEMBER": 1}}',
            "configuration: ",
        ),
        (
            GET_NETWORK_CONNECTOR,
            (
                b'{"Arn": "a", "Name": "n", "Id": "i", '
                b'"Configuration": {"VpcEgressConfiguration": {"SubnetIds": "subnet-1"}}}'
            ),
            "configuration.subnet_ids: expected a list, got str",
        ),
        (
            GET_RUNTIME_VERSION,
            (
                b'{"Name": "n", "Arn": "a", "ResolvedUri": "u", "State": "ACTIVE", "Created": "c", '
                b'"LastModified": "l", "Platforms": [{"Os": "linux", "Digest": "d"}, 7]}'
            ),
            (
                "platforms[0].architecture: required, but missing; "
                "platforms[1]: expected an object, got int"
            ),
        ),
        (LIST_RUNTIMES, b"{}", "Items: expected a list, got NoneType"),
        (LIST_RUNTIMES, b'{"Items": {}}', "Items: expected a list, got dict"),
        (LIST_RUNTIMES, b'{"Items": ["x"]}', "expected an object, got str"),
        (LIST_RUNTIMES, b'{"Items": [], "NextToken": 7}', "NextToken: got int"),
        (
            LIST_NETWORK_CONNECTORS,
            b'{"NetworkConnectors": [{"Arn": "a", "Name": "n", "Id": "i"}]}',
            "type: required, but missing",
        ),
    ],
)
def test_an_unreadable_response_is_explained_and_its_start_quoted(
    operation: Operation[Any], body: bytes, problem: str
) -> None:
    with pytest.raises(ResponseError) as caught:
        operation.parse_response(Response(200, HEADERS, body))

    error = caught.value
    assert str(error).startswith(f"{operation.name}: cannot read the response: {problem}")
    assert error.operation == operation.name
    assert (error.status_code, error.request_id) == (200, "id-1")
    assert error.body_start == body[:256]
    assert error.__cause__ is None
    assert error.__suppress_context__


# Errors


def codes(operation: Operation[Any]) -> st.SearchStrategy[str]:
    unmodelled = ("AccessDeniedException", "ExpiredTokenException", "ThrottlingException", "X")
    return st.sampled_from([*ERRORS_BY_CODE, *unmodelled])


@st.composite
def error_responses(draw: st.DrawFn, operation: Operation[Any]) -> Response:
    """Draw an error in one of the formats that AWS services use."""
    code = draw(codes(operation))
    written = draw(
        st.sampled_from(
            [
                code,
                f"com.amazonaws.lambda#{code}",
                f"{code}:http://internal.amazon.com/coral/com.amazon.coral.service/",
                f"aws.protocoltests.restjson#{code}:http://internal.amazon.com/",
            ]
        )
    )
    place = draw(st.sampled_from(["header", "code", "Code", "__type", "both", "nowhere"]))
    headers = {**HEADERS, "Content-Type": "application/json"}
    content: dict[str, object] = {}
    if place in ("header", "both"):
        headers["x-amzn-ErrorType"] = written
    if place == "both":
        content["code"] = "Overruled"
    elif place in ("code", "Code", "__type"):
        content[place] = written
    if place != "__type" and draw(st.booleans()):
        content["__type"] = written if place == "nowhere" else "Overruled"
    message = draw(st.sampled_from(["message", "Message", "neither"]))
    if message != "neither":
        content[message] = draw(texts)
    if draw(st.booleans()):
        content["Type"] = draw(st.sampled_from(["User", "Service"]))
    if draw(st.booleans()):
        content["Reason"] = draw(st.sampled_from([*map(str, ThrottleReason), "AddedLater"]))
    if draw(st.booleans()):
        headers["Retry-After"] = str(draw(st.integers(0, 1000)))
    status = draw(
        st.sampled_from([301, 307, 400, 402, 403, 404, 409, 413, 429, 499, 500, 503, 599])
    )
    return Response(status, judge.CaseInsensitive(headers), json.dumps(content).encode())


def raised(operation: Operation[Any], response: Response) -> ApiError:
    with pytest.raises(ApiError) as caught:
        operation.parse_response(response)
    return caught.value


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_an_error_is_read_as_botocore_reads_it(
    operation: Operation[Any], data: st.DataObject
) -> None:
    response = data.draw(error_responses(operation))

    ours = raised(operation, response)

    theirs = judged(operation, response)
    assert ours.code == theirs["Error"]["Code"]
    assert ours.message == theirs["Error"]["Message"]
    assert type(ours) is ERRORS_BY_CODE.get(ours.code, ApiError)
    assert (ours.status_code, ours.request_id) == (response.status, "id-1")
    assert ours.operation == operation.name
    # botocore reads only the members of errors that the model lists for the operation.
    if ours.code in operation.errors:
        assert ours.fault == theirs.get("Type")
        if "retryAfterSeconds" in theirs:
            assert ours.retry_after == float(theirs["retryAfterSeconds"])
        if "Reason" in theirs:
            assert ours.reason == theirs["Reason"]


def test_text_other_than_json_is_the_message() -> None:
    for body in (b"upstream failed", b'{"message": "cut sho', b"{'single': 'quotes'}"):
        response = Response(502, HEADERS, body)
        theirs = judged(GET_RUNTIME, response)["Error"]
        ours = raised(GET_RUNTIME, response)
        assert (ours.code, ours.message) == (theirs["Code"], theirs["Message"])
        assert (ours.code, ours.message) == ("502", body.decode())


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"  \n", b"<html><body>Service Unavailable</body></html>"])
def test_the_status_replaces_an_html_page_or_an_empty_body(status: int, body: bytes) -> None:
    response = Response(status, HEADERS, body)
    theirs = judged(GET_RUNTIME, response)["Error"]

    ours = raised(GET_RUNTIME, response)

    assert (ours.code, ours.message) == (theirs["Code"], theirs["Message"])
    assert ours.transient


# Deliberate differences in errors


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"", "Not Found"),  # botocore: no message
        (403, b"<html>a proxy's page</html>", "Forbidden"),  # botocore: the page
        (502, b"<!DOCTYPE html><p>page", "Bad Gateway"),  # botocore: the page
        (502, b"<HTML>", "Bad Gateway"),  # botocore: the page
        (400, b"null", "Bad Request"),  # botocore: AttributeError
        (400, b"[]", "Bad Request"),  # botocore: AttributeError
        (400, b'"text"', "Bad Request"),  # botocore: AttributeError
        (499, b"", ""),  # no phrase is registered for it
        (400, b"\xff\xfe\xfd", "\N{REPLACEMENT CHARACTER}" * 3),  # botocore: UnicodeDecodeError
        (400, b"[" * 100_000, "[" * 1000),  # botocore: RecursionError
        (400, b"x" * 100_000, "x" * 1000),  # botocore: the whole body
    ],
)
def test_an_error_is_readable_whatever_its_body(status: int, body: bytes, message: str) -> None:
    error = raised(GET_RUNTIME, Response(status, HEADERS, body))

    assert (error.code, error.message) == (str(status), message)
    assert (error.status_code, error.request_id) == (status, "id-1")


def test_the_code_in_the_header_counts_even_if_the_body_is_a_page() -> None:
    """botocore reads only the page, and finds no code."""
    headers = {**HEADERS, "x-amzn-errortype": "ServiceException"}
    for body in (b"", b"<html></html>"):
        response = Response(500, headers, body)
        assert type(raised(GET_RUNTIME, response)) is ServiceException
        assert judged(GET_RUNTIME, response)["Error"]["Code"] == "500"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({"code": 7, "message": 7}, "404", ""),
        ({"code": None, "Code": "X", "message": None, "Message": "m"}, "X", "m"),
        ({"code": 7, "__type": "x#X", "message": ["m"]}, "X", ""),
        ({"code": "", "__type": "X"}, "404", ""),
        ({"code": ":http://x", "message": ""}, "404", ""),
        ({"code": "x#", "message": ""}, "404", ""),
    ],
)
def test_code_and_message_are_always_text_and_the_code_is_never_empty(
    content: Mapping[str, object], code: str, message: str
) -> None:
    """botocore returns any JSON value."""
    error = raised(GET_RUNTIME, Response(404, HEADERS, json.dumps(content).encode()))

    assert (error.code, error.message) == (code, message)


def test_an_empty_header_counts_as_none() -> None:
    """botocore returns the empty code."""
    headers = {**HEADERS, "x-amzn-errortype": ""}
    error = raised(GET_RUNTIME, Response(404, headers, b'{"code": "ResourceNotFoundException"}'))

    assert type(error) is ResourceNotFoundException


@pytest.mark.parametrize("status", [100, 199, 300, 304])
def test_any_other_status_is_an_error(status: int) -> None:
    """botocore treats every status below 301 as a success."""
    assert raised(GET_RUNTIME, Response(status, HEADERS, b"")).code == str(status)


# Retry facts


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (" 3 ", 3.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e308", 86_400.0),
        ("1e400", None),
        ("86401", 86_400.0),
        ("", None),
        ("Tue, 24 Nov 2026 01:02:03 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_in_seconds(header: str | None, seconds: float | None) -> None:
    headers = HEADERS if header is None else {**HEADERS, "retry-after": header}

    assert raised(GET_RUNTIME, Response(429, headers, b"{}")).retry_after == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("1500", 1.5),
        ("0", 0.0),
        ("-1", None),
        ("1.5", None),
        ("1e308", None),
        ("9" * 5000, None),
        ("nan", None),
        ("soon", None),
        (None, None),
    ],
)
def test_the_sdks_own_header_is_in_milliseconds(header: str | None, seconds: float | None) -> None:
    headers = HEADERS if header is None else {**HEADERS, "x-amz-retry-after": header}

    assert raised(GET_RUNTIME, Response(503, headers, b"{}")).backoff_hint == seconds


def test_a_429_is_a_throttle_unless_the_operation_models_its_code() -> None:
    unmodelled = raised(
        GET_RUNTIME, Response(429, HEADERS, b'{"code": "ResourceConflictException"}')
    )
    modelled = raised(GET_RUNTIME, Response(429, HEADERS, b'{"code": "ResourceNotFoundException"}'))

    assert (unmodelled.throttling, modelled.throttling) == (True, False)


def test_an_unknown_reason_is_kept() -> None:
    error = raised(GET_RUNTIME, Response(429, HEADERS, b'{"Reason": "AddedLater"}'))

    assert error.reason == UnknownValue("AddedLater")
    assert isinstance(error.reason, UnknownValue)


# The embedded service's side


@pytest.mark.parametrize("kind", [kind for kind in ERRORS_BY_CODE.values() if kind.in_model])
@pytest.mark.parametrize("reason", [None, ThrottleReason.CALLER_RATE_LIMIT_EXCEEDED])
@pytest.mark.parametrize("retry_after", [None, 1.5, 30.0])
def test_an_error_of_the_embedded_service_is_read_back_unchanged(
    kind: type[ApiError], reason: ThrottleReason | None, retry_after: float | None
) -> None:
    fault = None if retry_after is None else "User"
    stated = kind("what went wrong", fault=fault, reason=reason, retry_after=retry_after)

    response = build_error(stated)

    operation = next(row for row in OPERATIONS.values() if stated.code in row.errors)
    ours, theirs = raised(operation, response), judged(operation, response)
    assert type(ours) is kind
    assert (ours.code, ours.message) == (theirs["Error"]["Code"], theirs["Error"]["Message"])
    assert ours.message == "what went wrong"
    assert ours.status_code == kind.usual_status
    assert (ours.reason, ours.retry_after) == (reason, retry_after)
    assert ours.fault == theirs.get("Type") == fault
    members = judge.shapes().shape_for(stated.code).members
    assert theirs[next(name for name in members if name.lower() == "message")] == ours.message


def test_an_error_of_another_code_keeps_its_code() -> None:
    stated = ApiError("denied", code="OptInRequired", status_code=403, fault="Service")

    error = raised(GET_RUNTIME, build_error(stated))

    assert type(error) is ApiError
    assert (error.code, error.status_code) == ("OptInRequired", 403)
    assert (error.message, error.fault) == ("denied", "Service")


def test_models_are_sent_without_absent_members() -> None:
    restored = RestoredRuntime("r", "arn", UnknownValue("NEW"), "l")

    assert json.loads(RESTORE_RUNTIME.build_response(restored).body) == {
        "RuntimeName": "r",
        "Arn": "arn",
        "State": "NEW",
        "LastModified": "l",
    }


def test_pages_are_sent_with_their_token_if_any() -> None:
    summary = NetworkConnectorSummary("a", "n", "i", UnknownValue("T"))
    page = Page((summary,), "next", ResponseMetadata("id", 200, 1))

    assert json.loads(LIST_NETWORK_CONNECTORS.build_response(page).body) == {
        "NetworkConnectors": [{"Arn": "a", "Name": "n", "Id": "i", "Type": "T"}],
        "NextMarker": "next",
    }
    empty: Page[Runtime] = Page(())
    assert LIST_RUNTIMES.build_response(empty).body == b'{"Items": []}'


def test_a_throttle_is_a_throttle_on_every_operation() -> None:
    for operation in OPERATIONS.values():
        error = raised(operation, build_error(TooManyRequestsException("slow down")))
        assert error.throttling
        assert not error.transient


def test_a_deletion_returns_none() -> None:
    assert DELETE_RUNTIME.parse_response(Response(202, {}, b"{}")) is None
