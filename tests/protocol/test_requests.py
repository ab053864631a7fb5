"""Requests are built and signed as botocore does it, byte for byte."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    ElasticIpConfiguration,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    VpcEgressConfiguration,
)
from lambdacore_async.models.runtimes import Compatibility, RuntimeReleaseLifecycle
from lambdacore_async.models.shared import UnknownMember, UnknownValue
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.operations import (
    CREATE_NETWORK_CONNECTOR,
    CREATE_RUNTIME,
    CREATE_RUNTIME_VERSION,
    DELETE_RUNTIME,
    GET_NETWORK_CONNECTOR,
    LIST_NETWORK_CONNECTORS,
    LIST_RUNTIMES,
    OPERATIONS,
    RESTORE_RUNTIME,
    UPDATE_NETWORK_CONNECTOR,
    UPDATE_RUNTIME,
    UPDATE_RUNTIME_VERSION,
)
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials, sign
from lambdacore_async.protocol.writing import to_dict
from support import botocore_judge as judge
from support.examples import examples
from support.generation import as_arguments, calls, labels, thorough

TIME = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
CREDENTIALS = (judge.CREDENTIALS, judge.TEMPORARY_CREDENTIALS)
CONFIGURATION = VpcEgressConfiguration(subnet_ids=["subnet-1"], security_group_ids=["sg-1"])
LABELS = [
    pytest.param(operation, member.name, id=f"{operation}-{member.name}")
    for operation in OPERATIONS.values()
    for member in operation.members
    if member.location == "path"
]
REQUIRED = [
    pytest.param(operation, member.name, id=f"{operation}-{member.name}")
    for operation in OPERATIONS.values()
    for member in operation.members
    if member.required
]
TEXTS = [
    pytest.param(operation, member.name, id=f"{operation}-{member.name}")
    for operation in OPERATIONS.values()
    for member in operation.members
    if member.kind is str
]


def signed(request: Request, credentials: Credentials) -> judge.Sent:
    """Return the library's request in the form of the judge."""
    request = sign(
        request,
        host=judge.ENDPOINT.removeprefix("https://"),
        credentials=credentials,
        region=judge.REGION,
        time=TIME,
    )
    headers = dict(request.headers)
    authorization = headers.pop("authorization")
    body = request.body or b""
    return judge.Sent(request.method, request.target, headers, body, authorization)


def valid_arguments(operation: Operation[Any]) -> dict[str, object]:
    values: dict[Any, object] = {str: "x", dict[str, str]: {"x": "y"}, tuple[str, ...]: ["x"]}
    return {
        member.name: values.get(member.kind, CONFIGURATION)
        for member in operation.members
        if member.required
    }


@pytest.mark.parametrize("name", judge.operation_names())
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_every_request_equals_botocores(name: str, data: st.DataObject) -> None:
    params = data.draw(calls(name))
    credentials = data.draw(st.sampled_from(CREDENTIALS))

    ours = signed(OPERATIONS[name].build_request(as_arguments(name, params)), credentials)

    assert ours == judge.serialize(name, params, time=TIME, credentials=credentials)


@thorough
@given(identifier=labels)
def test_every_identifier_is_sent_as_botocore_sends_it(identifier: str) -> None:
    request = GET_NETWORK_CONNECTOR.build_request({"identifier": identifier})

    theirs = judge.serialize("GetNetworkConnector", {"Identifier": identifier}, time=TIME)
    assert signed(request, judge.CREDENTIALS) == theirs
    assert GET_NETWORK_CONNECTOR.parse_request(request) == {"identifier": identifier}


@pytest.mark.parametrize("name", judge.operation_names())
@settings(thorough, max_examples=examples(0.4))
@given(data=st.data())
def test_the_embedded_service_reads_the_arguments_that_the_client_wrote(
    name: str, data: st.DataObject
) -> None:
    operation = OPERATIONS[name]
    arguments = as_arguments(name, data.draw(calls(name)))

    request = operation.build_request(arguments)

    present = {key: value for key, value in arguments.items() if value is not None}
    assert operation.parse_request(request) == present
    path = request.target.partition("?")[0]
    matching = [
        row.name for row in OPERATIONS.values() if row.match(request.method, path) is not None
    ]
    assert matching == [name]


@pytest.mark.parametrize(("operation", "parameter"), LABELS)
@pytest.mark.parametrize("value", [".", "..", "", "\ud800", "a\udfff", 7, b"x", None, ["x"], True])
def test_an_argument_that_no_path_can_carry_is_refused(
    operation: Operation[Any], parameter: str, value: object
) -> None:
    arguments = {**valid_arguments(operation), parameter: value}

    with pytest.raises(ParameterError) as caught:
        operation.build_request(arguments)

    assert caught.value.parameter == parameter
    assert caught.value.operation == operation.name
    assert str(caught.value).startswith(f"{operation.name}: {parameter}: ")


@pytest.mark.parametrize(("operation", "parameter"), REQUIRED)
def test_a_required_parameter_cannot_be_omitted(operation: Operation[Any], parameter: str) -> None:
    arguments = valid_arguments(operation)
    del arguments[parameter]

    with pytest.raises(ParameterError, match=f"{operation.name}: {parameter}: required") as caught:
        operation.build_request(arguments)

    assert caught.value.parameter == parameter


@pytest.mark.parametrize(("operation", "parameter"), TEXTS)
@pytest.mark.parametrize("value", ["\ud800", 7, b"x", ["x"], True])
def test_only_strings_are_sent_as_strings(
    operation: Operation[Any], parameter: str, value: object
) -> None:
    with pytest.raises(ParameterError) as caught:
        operation.build_request({**valid_arguments(operation), parameter: value})

    assert (caught.value.parameter, caught.value.operation) == (parameter, operation.name)


@pytest.mark.parametrize(
    ("operation", "parameter", "value", "path", "problem"),
    [
        (CREATE_NETWORK_CONNECTOR, "name", "", "name", "must not be empty"),
        (CREATE_RUNTIME_VERSION, "image_uri", "", "image_uri", "must not be empty"),
        (LIST_NETWORK_CONNECTORS, "max_items", "7", "max_items", "expected int, got str"),
        (LIST_NETWORK_CONNECTORS, "max_items", 7.0, "max_items", "expected int, got float"),
        (LIST_NETWORK_CONNECTORS, "max_items", True, "max_items", "expected int, got bool"),
        (LIST_NETWORK_CONNECTORS, "state", 7, "state", "expected str, got int"),
        (LIST_NETWORK_CONNECTORS, "state", ["ACTIVE"], "state", "expected str, got list"),
        (LIST_NETWORK_CONNECTORS, "state", "\ud800", "state", "has a lone surrogate"),
        (DELETE_RUNTIME, "recovery_window_in_days", "7", None, "expected int, got str"),
        (CREATE_RUNTIME_VERSION, "dry_run", "yes", "dry_run", "expected bool, got str"),
        (CREATE_RUNTIME_VERSION, "dry_run", 1, "dry_run", "expected bool, got int"),
        (CREATE_RUNTIME, "tags", {"a": 7}, "tags['a']", "expected str, got int"),
        (CREATE_RUNTIME, "tags", {7: "a"}, "tags[7]", "expected str, got int"),
        (CREATE_RUNTIME, "tags", {"a": "\ud800"}, "tags['a']", "has a lone surrogate"),
        (CREATE_RUNTIME, "tags", 7, "tags", "expected a mapping, got int"),
        (
            CREATE_RUNTIME,
            "release_lifecycle",
            {"ReleaseState": "GA"},
            "release_lifecycle",
            "expected RuntimeReleaseLifecycle, got dict",
        ),
        (
            CREATE_RUNTIME,
            "release_lifecycle",
            Compatibility(),
            "release_lifecycle",
            "expected RuntimeReleaseLifecycle, got Compatibility",
        ),
        (
            UPDATE_NETWORK_CONNECTOR,
            "configuration",
            {"VpcEgressConfiguration": {}},
            "configuration",
            "expected VpcEgressConfiguration, got dict",
        ),
        (
            UPDATE_NETWORK_CONNECTOR,
            "configuration",
            UnknownMember("Other", {"A": 1}),
            "configuration",
            "cannot send the unknown member 'Other'",
        ),
        (
            UPDATE_NETWORK_CONNECTOR,
            "configuration",
            VpcEgressConfiguration(subnet_ids=("subnet-1", 7)),  # type: ignore[arg-type] # the point
            "configuration.subnet_ids[1]",
            "expected str, got int",
        ),
    ],
)
def test_an_error_names_the_wrong_argument_and_the_path_into_it(
    operation: Operation[Any], parameter: str, value: object, path: str | None, problem: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        operation.build_request({**valid_arguments(operation), parameter: value})

    error = caught.value
    assert str(error) == f"{operation.name}: {path or parameter}: {problem}"
    assert (error.parameter, error.operation) == (path or parameter, operation.name)


def test_strings_are_accepted_for_enum_members() -> None:
    for state in ("ACTIVE", NetworkConnectorState.ACTIVE, UnknownValue("ACTIVE")):
        request = LIST_NETWORK_CONNECTORS.build_request({"state": state})
        assert request.target == "/2026-04-04/network-connectors?State=ACTIVE"


def test_enum_members_are_accepted_for_strings() -> None:
    request = LIST_RUNTIMES.build_request({"next_token": NetworkConnectorState.ACTIVE})

    assert request.target == "/2026-10-01/runtimes?nextToken=ACTIVE"


class Name(str, Enum):  # noqa: UP042 - the point
    """An enum as command-line and schema frameworks define it; not a `StrEnum`."""

    EGRESS = "prod-egress"


class Size(IntEnum):
    SMALL = 7


class Odd(str):
    """A string whose `str` is another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "odd"

    def __repr__(self) -> str:
        return "odd"

    def __format__(self, spec: str) -> str:
        return "odd"

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return b"odd"


class Capital(StrEnum):
    EGRESS = "prod-egress"

    def __str__(self) -> str:
        return self.name


TEXT_FORMS: list[str] = [
    Name.EGRESS,
    Capital.EGRESS,
    Odd("prod-egress"),
    UnknownValue("prod-egress"),
]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
@pytest.mark.parametrize("form", TEXT_FORMS, ids=lambda form: type(form).__name__)
def test_subclasses_of_str_are_sent_as_their_value(operation: Operation[Any], form: str) -> None:
    def arguments(text: str) -> dict[str, object]:
        configuration = VpcEgressConfiguration(
            subnet_ids=[text],
            security_group_ids=(text, "x"),
            network_protocol=UnknownValue(text) if text is plain else text,  # type: ignore[arg-type] # the point
            elastic_ip_configuration=ElasticIpConfiguration(text),  # type: ignore[arg-type] # the point
        )
        values: dict[Any, object] = {
            str: text,
            int: 7,
            bool: True,
            dict[str, str]: {text: text},
            tuple[str, ...]: [text],
            RuntimeReleaseLifecycle: RuntimeReleaseLifecycle(deprecation_date=text),
            NetworkConnectorConfiguration: configuration,
        }
        return {member.name: values.get(member.kind, text) for member in operation.members}

    plain = "prod-egress"
    expected = operation.build_request(arguments(plain))

    request = operation.build_request(arguments(form))

    assert request.target == expected.target
    assert request.headers == expected.headers
    assert request.body == expected.body
    assert request.identifiers == expected.identifiers
    assert {type(text) for text in request.identifiers} <= {str}


def test_subclasses_of_str_are_written_as_their_value() -> None:
    connector = NetworkConnector(
        Name.EGRESS,
        Capital.EGRESS,
        Odd("prod-egress"),
        state=Name.EGRESS,  # type: ignore[arg-type] # the point
    )

    data = to_dict(connector)

    assert data == dict.fromkeys(("Arn", "Name", "Id", "State"), "prod-egress")
    assert {type(text) for text in data.values()} == {str}


def test_a_member_of_an_int_enum_is_sent_as_its_number() -> None:
    class Shown(int):
        def __str__(self) -> str:
            return "shown"

        def __int__(self) -> int:
            return 8

    for number in (Size.SMALL, Shown(7)):
        request = LIST_NETWORK_CONNECTORS.build_request({"max_items": number})
        assert request.target == "/2026-04-04/network-connectors?MaxItems=7"
        request = DELETE_RUNTIME.build_request(
            {"runtime_name": "x", "recovery_window_in_days": number}
        )
        assert list(request.headers.values()) == ["7"]


@pytest.mark.parametrize("number", [2**64, -(2**64), 10**400, 10**5000], ids=int.bit_length)
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(ParameterError, match="max_items: out of range") as caught:
        LIST_NETWORK_CONNECTORS.build_request({"max_items": number})

    assert caught.value.parameter == "max_items"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
def test_an_unknown_argument_is_refused(
    operation: Operation[Any],
) -> None:
    with pytest.raises(ParameterError, match=f"^{operation.name}: identifer: unknown") as caught:
        operation.build_request({**valid_arguments(operation), "identifer": None})

    assert (caught.value.parameter, caught.value.operation) == ("identifer", operation.name)


WRONG: list[Any] = [
    b"x", 7, 7.5, 1j, True, [], ["x"], ("x",), {"x"}, {"x": "y"}, {"x": 7}, object(), object,
    "\ud800", lambda: "x", range(3), iter("x"), Compatibility(), UnknownMember("x"), float("nan"),
    10**5000,
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=str)
def test_an_error_names_the_argument_of_the_wrong_type(operation: Operation[Any]) -> None:
    right: dict[Any, tuple[Any, ...]] = {
        str: (),
        int: (7, 10**5000),
        bool: (True,),
        dict[str, str]: ({"x": "y"},),
        tuple[str, ...]: (["x"], ("x",)),
    }
    for member in operation.members:
        for value in WRONG:
            if any(value is fit or value == fit for fit in right.get(member.kind, ())):
                continue
            with pytest.raises(ParameterError) as caught:
                operation.build_request({**valid_arguments(operation), member.name: value})
            assert caught.value.operation == operation.name
            assert caught.value.parameter.split("[")[0] == member.name


@pytest.mark.parametrize("key", ["a @ b", " @ ", "a'b", "x" * 10_000, "line\nbreak", "a.b[0]"])
def test_an_error_names_the_parameter_whatever_its_keys_are(key: str) -> None:
    with pytest.raises(ParameterError) as caught:
        CREATE_RUNTIME.build_request({"name": "x", "tags": {"fine": "x", key: 7}})

    path = repr(key) if len(key) < 100 else repr(key)[:100] + "..."
    assert caught.value.parameter == f"tags[{path}]"
    assert str(caught.value) == f"CreateRuntime: tags[{path}]: expected str, got int"


def test_tags_may_be_any_mapping() -> None:
    request = CREATE_RUNTIME.build_request({"name": "x", "tags": MappingProxyType({"a": "b"})})

    assert json.loads(request.body or b"")["Tags"] == {"a": "b"}


def test_enum_members_are_plain_text_in_a_body() -> None:
    configuration = VpcEgressConfiguration(
        associated_compute_resource_types=[ComputeResourceType.MICRO_VM, UnknownValue("New")],
        elastic_ip_configuration=ElasticIpConfiguration(UnknownValue("Leased")),
    )
    request = UPDATE_NETWORK_CONNECTOR.build_request(
        {"identifier": "x", "configuration": configuration}
    )

    assert json.loads(request.body or b"") == {
        "Configuration": {
            "VpcEgressConfiguration": {
                "AssociatedComputeResourceTypes": ["MicroVm", "New"],
                "ElasticIpConfiguration": {"Type": "Leased"},
            }
        }
    }


def test_a_request_without_body_members_has_no_body() -> None:
    request = RESTORE_RUNTIME.build_request({"runtime_name": "x"})

    assert (request.body, request.headers) == (None, {})


def test_a_request_with_all_body_members_absent_sends_an_empty_object() -> None:
    request = UPDATE_RUNTIME.build_request({"runtime_name": "x", "description": None})

    assert request.body == b"{}"
    assert request.headers == {"content-type": "application/json"}


def test_an_empty_structure_differs_from_none() -> None:
    request = UPDATE_RUNTIME.build_request(
        {"runtime_name": "x", "release_lifecycle": RuntimeReleaseLifecycle()}
    )

    assert request.body == b'{"ReleaseLifecycle": {}}'


def test_an_empty_string_is_sent_where_the_model_allows_it() -> None:
    arguments = {"runtime_name": "x", "name": "1", "release_notes": ""}

    assert UPDATE_RUNTIME_VERSION.build_request(arguments).body == b'{"ReleaseNotes": ""}'


def test_an_operation_knows_which_parameter_is_its_idempotency_token() -> None:
    tokens = {operation.name: operation.token for operation in OPERATIONS.values()}

    assert {name for name, token in tokens.items() if token == "client_token"} == {
        "CreateNetworkConnector",
        "UpdateNetworkConnector",
    }
    assert {token for token in tokens.values() if token != "client_token"} == {None}


def test_every_operation_is_repeatable() -> None:
    """An update of a connector is idempotent only because of its token."""
    assert all(operation.repeatable for operation in OPERATIONS.values())
    assert not Operation("Odd", "POST", "/", 200, (), frozenset[str]()).repeatable


def test_an_operation_shows_as_its_name() -> None:
    assert str(GET_NETWORK_CONNECTOR) == "GetNetworkConnector"


# The embedded service's side


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/2026-04-04/network-connectors/"),
        ("GET", "/2026-04-04/network-connectors/a/b"),
        ("GET", "/2026-04-04/others/a"),
        ("POST", "/2026-04-04/network-connectors/a"),
        ("GET", "/"),
    ],
)
def test_another_path_or_method_does_not_match(method: str, path: str) -> None:
    assert GET_NETWORK_CONNECTOR.match(method, path) is None


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", "body: is not JSON"),
        (b"[" * 100_000, "body: is not JSON"),
        (b"[]", "body: is not a JSON object"),
        (b"", "Name: required"),
        (b'{"Name": null}', "Name: required"),
        (b'{"Name": 7}', "Name: expected str, got int"),
        (b'{"Name": "x", "Tags": {"a": 7}}', r"Tags\['a'\]: expected str, got int"),
        (b'{"Name": "x", "Tags": []}', "Tags: "),
    ],
)
def test_the_embedded_service_refuses_an_unreadable_body(body: bytes, problem: str) -> None:
    request = Request("POST", "/2026-10-01/runtimes", {}, body)

    with pytest.raises(ParameterError, match=problem):
        CREATE_RUNTIME.parse_request(request)


def test_the_embedded_service_refuses_an_invalid_number() -> None:
    request = Request("GET", "/2026-10-01/runtimes?maxResults=many", {})

    with pytest.raises(ParameterError, match="maxResults: expected a number, got 'many'"):
        LIST_RUNTIMES.parse_request(request)


def test_the_embedded_service_ignores_unknown_members() -> None:
    request = Request("GET", "/2026-10-01/runtimes?other=1&&nextToken=%20&flag", {"x-other": "1"})

    assert LIST_RUNTIMES.parse_request(request) == {"next_token": " "}
