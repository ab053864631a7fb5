"""Requests that callers write themselves."""

from __future__ import annotations

import json
from collections import UserDict, UserList
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import Credentials, ParameterError, ResponseError
from lambdacore_async.errors import ResourceNotFoundException
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.raw import RawOperation, RawResponse, raw_operation
from lambdacore_async.protocol.sigv4 import sign
from support import botocore_judge as judge
from support.generation import thorough, times

SENDABLE = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | SENDABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SENDABLE, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def operation(method: str = "GET", path: str = "/x", **options: Any) -> RawOperation:
    usual: dict[str, Any] = {"query": None, "body": None, "headers": None, "idempotent": False}
    return raw_operation(method, path, **{**usual, **options})


def request(method: str = "GET", path: str = "/x", **options: Any) -> Request:
    return operation(method, path, **options).build_request({})


def parsed(body: bytes, headers: Mapping[str, str], status: int = 200) -> RawResponse:
    return operation().parse_response(Response(status, headers, body))


@given(
    st.lists(st.tuples(SENDABLE.filter(bool), SENDABLE | st.lists(SENDABLE, max_size=3))).map(dict)
)
def test_a_query_arrives_as_it_was_given(query: dict[str, str | list[str]]) -> None:
    target = request(query=query).target
    expected = [
        (name, item)
        for name, value in query.items()
        for item in ([value] if isinstance(value, str) else value)
    ]
    raw = target.partition("?")[2]
    assert parse_qsl(raw, keep_blank_values=True) == expected
    assert unquote(raw).isascii() or "%" in raw


@thorough
@given(
    query=st.dictionaries(SENDABLE.filter(bool), SENDABLE, max_size=3),
    body=st.none() | st.binary(min_size=1, max_size=20),
    headers=st.dictionaries(
        st.sampled_from(["X-Amz-Log-Type", "accept", "x-custom"]),
        st.text("abc  :;=,", min_size=1).map(str.strip).filter(bool),
        max_size=2,
    ),
    time=times,
)
def test_botocore_signs_every_request_alike(
    query: dict[str, str], body: bytes | None, headers: dict[str, str], time: Any
) -> None:
    sent = request("POST", "/2015-03-31/functions/a%3Ab/invocations", query=query, body=body,
                   headers=headers)  # fmt: skip
    keys = Credentials("AKIDEXAMPLE", "secret", "token")
    time = time.replace(microsecond=0)
    mine = sign(sent, host="h.example.com", credentials=keys, region="us-east-1", time=time)
    theirs = judge.sign(
        "POST", f"https://h.example.com{sent.target}", sent.headers, body,
        credentials=keys, region="us-east-1", service="lambda", time=time,
    )  # fmt: skip
    assert mine.headers["authorization"] == theirs.authorization


@given(JSON_VALUES.filter(lambda value: value is not None))
def test_a_json_value_is_sent_as_json(value: Any) -> None:
    sent = request("POST", body=value)
    assert json.loads(sent.body or b"") == value
    assert sent.headers == {"content-type": "application/json"}


def test_any_mapping_and_sequence_can_be_sent() -> None:
    body = UserDict({"tags": UserList(["a", ("b",)])})
    assert json.loads(request("POST", body=body).body or b"") == {"tags": ["a", ["b"]]}


def test_bytes_and_the_caller_s_content_type_are_sent_unchanged() -> None:
    sent = request("PUT", body=b"\x00{", headers={"Content-Type": "application/octet-stream"})
    assert (sent.body, dict(sent.headers)) == (
        b"\x00{", {"content-type": "application/octet-stream"}
    )  # fmt: skip
    assert request("PUT", body=b"x").headers == {}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"method": "get"}, "method"),
    ({"method": "HEAD"}, "method"),
    ({"method": None}, "method"),
    ({"path": ""}, "path"),
    ({"path": "x"}, "path"),
    ({"path": "/a b"}, "path"),
    ({"path": "/a?b=c"}, "path"),
    ({"path": "/a#b"}, "path"),
    ({"path": "/a%zz"}, "path"),
    ({"path": "/ü"}, "path"),
    ({"path": "/a\r\nHost: x"}, "path"),
    ({"path": "/a\n"}, "path"),
    ({"path": "/a/../b"}, "path"),
    ({"path": "/a//b"}, "path"),
    ({"path": "//a"}, "path"),
    ({"path": "/a//"}, "path"),
    ({"query": {"": "x"}}, "query"),
    ({"path": "/."}, "path"),
    ({"path": "/a/%2e%2E/b"}, "path"),
    ({"path": "/.%2e"}, "path"),
    ({"path": b"/x"}, "path"),
    ({"query": "a=b"}, "query"),
    ({"query": {"a": 1}}, "query['a']"),
    ({"query": {"a": ["b", None]}}, "query['a']"),
    ({"query": {1: "a"}}, "query[1]"),
    ({"query": {"a": "\ud800"}}, "query['a']"),
    ({"headers": ["a"]}, "headers"),
    ({"headers": {"Host": "x"}}, "headers['Host']"),
    ({"headers": {"authorization": "x"}}, "headers['authorization']"),
    ({"headers": {"a b": "x"}}, "headers['a b']"),
    ({"headers": {1: "x"}}, "headers[1]"),
    ({"headers": {"a": "x\r\ny"}}, "headers['a']"),
    ({"headers": {"a": "ü"}}, "headers['a']"),
    ({"headers": {"a": 1}}, "headers['a']"),
    ({"body": {"a": object()}}, "body"),
    ({"body": {"a": float("nan")}}, "body"),
    ({"body": {1j: "a"}}, "body"),
    ({"idempotent": 1}, "idempotent"),
]


@pytest.mark.parametrize(("arguments", "parameter"), REFUSED)
def test_what_cannot_be_sent_is_refused(arguments: dict[str, Any], parameter: str) -> None:
    with pytest.raises(ParameterError) as caught:
        request(**{"method": "POST", **arguments})
    assert caught.value.parameter == parameter
    assert str(caught.value).isprintable()


def test_a_body_that_contains_itself_is_refused() -> None:
    body: list[Any] = []
    body.append(body)
    with pytest.raises(ParameterError, match="body: cannot be sent as JSON"):
        request("POST", body=body)


def test_only_get_and_idempotent_requests_are_repeatable() -> None:
    assert operation("GET").repeatable
    assert operation("PUT", idempotent=True).repeatable
    assert not operation("PUT").repeatable


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b'{"items": []}', "application/json", {"items": []}),
        (b"[1]", "application/x-amz-json-1.1", [1]),
        (b"{}", "application/problem+json; charset=utf-8", {}),
        (b"", "application/json", None),
        (b"{}", "text/plain", None),
        (b"{}", "", None),
    ],
)
def test_a_body_is_read_as_its_content_type_says(body: bytes, kind: str, expected: Any) -> None:
    response = parsed(body, {"Content-Type": kind} if kind else {}, 202)
    assert (response.status, response.body, response.json) == (202, body, expected)
    assert response.response_metadata.http_status == 202
    assert "items" not in repr(response)


def test_headers_are_found_by_their_names_in_lower_case() -> None:
    response = parsed(b"", {"X-Amzn-RequestId": "id"})
    assert dict(response.headers) == {"x-amzn-requestid": "id"}


@pytest.mark.parametrize("body", [b"{", b'"\\ud800"', b"[" * 100_000])
def test_a_body_that_is_not_the_json_that_it_claims_is_an_error(body: bytes) -> None:
    with pytest.raises(ResponseError, match="GET /x: cannot read the response"):
        parsed(body, {"content-type": "application/json"})


def test_an_error_has_the_class_of_its_code() -> None:
    with pytest.raises(ResourceNotFoundException, match="^GET /x: .*gone") as caught:
        parsed(b'{"Message": "gone"}', {"x-amzn-errortype": "ResourceNotFoundException"}, 404)
    assert caught.value.operation == "GET /x"
