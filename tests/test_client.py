"""The client against the embedded service, compared with boto3."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lambdacore_async
from lambdacore_async import (
    ApiError,
    Attempt,
    ComputeResourceType,
    ConfigurationError,
    Credentials,
    CredentialsError,
    Failed,
    Found,
    LambdaCoreClient,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkProtocol,
    Page,
    Pager,
    ParameterError,
    ResourceConflictException,
    ResourceNotFoundException,
    RuntimeReleaseLifecycle,
    Timeout,
    TransportError,
    VpcEgressConfiguration,
    from_dict,
    to_dict,
)
from lambdacore_async.engine.core import Core
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Reset
from lambdacore_async.protocol import operations
from lambdacore_async.protocol.reading import is_array, is_object
from lambdacore_async.protocol.restjson import ListOperation, TagsOperation
from support.aws_sdk import Sdk, SdkError, method_name
from support.examples import examples

ROLE = "arn:aws:iam::123456789012:role/connector-operator"
CONFIGURATION = VpcEgressConfiguration(
    subnet_ids=["subnet-0a1b2c3d"],
    security_group_ids=["sg-0a1b2c3d"],
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
)
EGRESS = {
    "VpcEgressConfiguration": {
        "SubnetIds": ["subnet-0a1b2c3d"],
        "SecurityGroupIds": ["sg-0a1b2c3d"],
        "NetworkProtocol": "IPv4",
        "AssociatedComputeResourceTypes": ["MicroVm"],
        "ElasticIpConfiguration": {"Type": "ServiceManaged"},
    }
}
DUAL = {
    "VpcEgressConfiguration": {**EGRESS["VpcEgressConfiguration"], "NetworkProtocol": "DualStack"}
}
RUNTIME: dict[str, Any] = {"RuntimeName": "perl"}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/perl:5.40"
MINUTE = timedelta(minutes=1)
ARN = "arn:aws:lambda:us-east-1:123456789012:network-connector:prod"
#: Calls of each operation, some in more than one state. A duration moves the clock.
SCENARIO: tuple[tuple[str, dict[str, Any]] | timedelta, ...] = (
    ("CreateNetworkConnector", {"Name": "a", "Configuration": EGRESS, "OperatorRole": ROLE,
                                "ClientToken": "t1", "Tags": {"team": "edge"}}),
    ("CreateNetworkConnector", {"Name": "b", "Configuration": EGRESS, "OperatorRole": ROLE}),
    ("CreateNetworkConnector", {"Name": "a", "Configuration": EGRESS, "OperatorRole": ROLE}),
    ("CreateNetworkConnector", {"Name": "c", "Configuration": EGRESS}),
    ("GetNetworkConnector", {"Identifier": "a"}),
    MINUTE,
    ("GetNetworkConnector", {"Identifier": "a"}),
    ("UpdateNetworkConnector", {"Identifier": "a", "Configuration": DUAL, "ClientToken": "t2"}),
    ("UpdateNetworkConnector", {"Identifier": "a", "OperatorRole": ROLE + "-2"}),
    ("GetNetworkConnector", {"Identifier": "a"}),
    MINUTE,
    ("GetNetworkConnector", {"Identifier": "a"}),
    ("GetNetworkConnector",
     {"Identifier": "arn:aws:lambda:us-east-1:123456789012:network-connector:a:1"}),
    ("UpdateNetworkConnector", {"Identifier": "a"}),
    ("ListNetworkConnectors", {"MaxItems": 1}),
    ("ListNetworkConnectors", {"State": "ACTIVE"}),
    ("ListNetworkConnectors", {"State": "Asleep"}),
    ("ListNetworkConnectorVersions", {"Identifier": "a", "State": "ACTIVE", "MaxItems": 1}),
    ("ListNetworkConnectorVersions", {"Identifier": "gone"}),
    ("DeleteNetworkConnector", {"Identifier": "b"}),
    MINUTE,
    ("GetNetworkConnector", {"Identifier": "b"}),
    ("CreateRuntime", {"Name": "perl", "Tags": {"team": "edge"}, "Description": "Perl 5",
                       "LicenseInfo": "Artistic-2.0", "ReleaseLifecycle": {"ReleaseState": "GA"}}),
    ("CreateRuntime", {"Name": "perl"}),
    ("GetRuntime", RUNTIME),
    ("UpdateRuntime", {**RUNTIME, "Description": "Perl", "ReleaseLifecycle": {}}),
    ("UpdateRuntime", RUNTIME),
    ("ListRuntimes", {"MaxResults": 10}),
    ("CreateRuntimeVersion", {**RUNTIME, "ImageUri": IMAGE, "Name": "v1", "DryRun": True}),
    ("CreateRuntimeVersion",
     {**RUNTIME, "ImageUri": IMAGE, "Name": "v1", "ReleaseNotes": "The first"}),
    MINUTE,
    ("GetRuntimeVersion", {**RUNTIME, "Name": "v1"}),
    ("UpdateRuntimeVersion", {**RUNTIME, "Name": "v1", "ReleaseNotes": ""}),
    ("ListRuntimeVersions", {**RUNTIME, "MaxResults": 5}),
    ("CreateRuntimeAlias", {**RUNTIME, "RuntimeVersion": "v1", "Name": "live",
                            "Description": "in use",
                            "ReleaseLifecycle": {"ReleaseState": "PREVIEW"}}),
    MINUTE,
    ("GetRuntimeAlias", {**RUNTIME, "Name": "live"}),
    ("UpdateRuntimeAlias", {**RUNTIME, "Name": "live", "RuntimeVersion": "v1", "Description": "x"}),
    MINUTE,
    ("ListRuntimeAliases", RUNTIME),
    ("DeleteRuntime", RUNTIME),
    ("DeleteRuntimeAlias", {**RUNTIME, "Name": "live", "RecoveryWindowInDays": 7}),
    ("RestoreRuntime", {**RUNTIME, "RuntimeAlias": "live"}),
    ("RestoreRuntime", {**RUNTIME, "RuntimeAlias": "live", "RuntimeVersion": "v1"}),
    ("DeleteRuntimeAlias", {**RUNTIME, "Name": "live", "RecoveryWindowInDays": 7}),
    ("DeleteRuntimeVersion", {**RUNTIME, "Name": "v1", "RecoveryWindowInDays": 31}),
    ("DeleteRuntimeVersion", {**RUNTIME, "Name": "v1", "RecoveryWindowInDays": 30}),
    ("DeleteRuntime", {**RUNTIME, "RecoveryWindowInDays": 7}),
    ("RestoreRuntime", RUNTIME),
    ("GetRuntime", RUNTIME),
)  # fmt: skip


#: Calls on the tags of the connector `a`.
TAGGING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ListTags", {}),
    ("TagResource", {"Tags": {"team": "net", "stage": "prod"}}),
    ("TagResource", {"Tags": {"a*b": "not a key"}}),
    ("UntagResource", {"TagKeys": ["team", "unknown"]}),
    ("ListTags", {}),
    ("ListTags", {"Resource": "arn:aws:lambda:us-east-1:123456789012:network-connector:gone"}),
    ("ListTags", {"Resource": "arn:aws:lambda:us-east-1:123456789012:runtime:perl"}),
)

#: Calls that no service could accept, and the wrong parameter.
REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda c: c.get_network_connector(""), "identifier"),
    (lambda c: c.get_network_connector("."), "identifier"),
    (lambda c: c.get_network_connector(7), "identifier"),
    (lambda c: c.get_network_connector(None), "identifier"),
    (lambda c: c.create_network_connector("", CONFIGURATION), "name"),
    (lambda c: c.create_network_connector("a", None), "configuration"),
    (lambda c: c.create_network_connector("a", EGRESS), "configuration"),
    (lambda c: c.create_network_connector("a", CONFIGURATION, tags={"a": 1}), "tags['a']"),
    (lambda c: c.update_runtime("perl", description=7), "description"),
    (
        lambda c: c.delete_runtime("perl", recovery_window_in_days="7"),
        "recovery_window_in_days",
    ),
    (lambda c: c.list_tags("prod-egress"), "resource"),
    (lambda c: c.list_tags(None), "resource"),
    (lambda c: c.tag_resource(ARN, None), "tags"),
    (lambda c: c.tag_resource(ARN, {"team": 7}), "tags['team']"),
    (lambda c: c.untag_resource(ARN, []), "tag_keys"),
    (lambda c: c.untag_resource(ARN, "team"), "tag_keys"),
    (lambda c: c.untag_resource(ARN, [7]), "tag_keys[0]"),
]


class Time:
    """The clock of the services, which tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def aws() -> AsyncIterator[LocalLambdaCore]:
    async with LocalLambdaCore(clock=Time()) as service:
        yield service


def sdk_of(service: LocalLambdaCore, credentials: Credentials | None = None) -> Sdk:
    return Sdk(service.endpoint_url, credentials or service.credentials, service.region)


def arguments(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return our arguments for boto3's parameters."""
    types: dict[str, Any] = {
        "Configuration": NetworkConnectorConfiguration,
        "ReleaseLifecycle": RuntimeReleaseLifecycle,
    }
    return {
        "page_size" if name in ("MaxItems", "MaxResults") else method_name(name): (
            from_dict(types[name], value) if name in types else value
        )
        for name, value in parameters.items()
    }


async def ours(client: LambdaCoreClient, operation: str, parameters: dict[str, Any]) -> Any:
    """Return our client's result in the shape of boto3's."""
    result: Any = getattr(client, method_name(operation))(**arguments(parameters))
    row = operations.OPERATIONS[operation]
    if isinstance(row, ListOperation):
        page: Any = await anext(result.by_page())
        token = {} if page.next_token is None else {row.output_token: page.next_token}
        return {row.items: [to_dict(item) for item in page], **token}
    model = await result
    if isinstance(row, TagsOperation):
        return {"Tags": model}
    return {} if model is None else to_dict(model)


def plain(value: object) -> object:
    """Return a boto3 result with timestamps as the wire has them."""
    if is_object(value):
        return {key: plain(item) for key, item in value.items()}
    if is_array(value):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


async def outcome(call: Callable[[], Any]) -> object:
    try:
        return plain(await call())
    except (ApiError, SdkError) as error:
        status = error.status if isinstance(error, SdkError) else error.status_code
        return error.code, error.message, status


async def test_every_operation_returns_the_same_fields_as_boto3() -> None:
    time = Time()
    credentials = Credentials("AKIDEXAMPLE", "made-up")
    options: dict[str, Any] = {"clock": time, "credentials": credentials}
    async with (
        LocalLambdaCore(**options) as theirs,
        LocalLambdaCore(**options) as mine,
        mine.client() as client,
    ):
        sdk = sdk_of(theirs)

        async def compare(operation: str, parameters: dict[str, Any]) -> None:
            expected = await outcome(lambda: sdk.call(operation, **parameters))
            actual = await outcome(lambda: ours(client, operation, parameters))
            assert actual == expected, (operation, parameters)

        for step in SCENARIO:
            if isinstance(step, timedelta):
                time.now += step
                continue
            await compare(*step)
        arn = (await client.get_network_connector("a")).arn
        for operation, parameters in TAGGING:
            await compare(operation, {"Resource": arn, **parameters})
        sdk.close()
    assert set(mine.calls) == set(theirs.calls) == set(operations.OPERATIONS)


async def test_a_request_of_the_callers_own_gets_what_a_method_gets(aws: LocalLambdaCore) -> None:
    async with aws.client() as client:
        connector = await client.create_network_connector("a", CONFIGURATION, operator_role=ROLE)
        arn = quote(connector.arn, safe="")
        await client.request("POST", f"/2017-03-31/tags/{arn}", body={"Tags": {"team": "net"}})
        response = await client.request("GET", f"/2017-03-31/tags/{arn}")
        assert (response.status, response.json) == (200, {"Tags": {"team": "net"}})
        page = await client.request(
            "GET", "/2026-04-04/network-connectors", query={"MaxItems": "1"}
        )
        assert response.response_metadata.attempts == 1
        summaries = await anext(client.list_network_connectors(page_size=1).by_page())
        assert page.json == {"NetworkConnectors": [to_dict(item) for item in summaries]}
        with pytest.raises(ResourceNotFoundException) as caught:
            await client.request("GET", "/2026-04-04/network-connectors/gone")
        assert caught.value.operation == "GET /2026-04-04/network-connectors/gone"


async def test_a_request_of_the_callers_own_is_retried_if_that_cannot_do_harm(
    aws: LocalLambdaCore,
) -> None:
    async with aws.client() as client:
        for method, idempotent, attempts in (
            ("GET", False, 2),
            ("PUT", True, 2),
            ("PUT", False, 1),
        ):
            aws.faults.script(Reset("before_answer"))
            aws.calls.clear()
            with pytest.raises(lambdacore_async.LambdaCoreError):
                await client.request(method, "/2015-03-31/nothing", idempotent=idempotent)
            assert aws.calls["UnknownOperation"] == attempts


async def test_boto3_and_the_client_read_what_the_other_created(aws: LocalLambdaCore) -> None:
    sdk = sdk_of(aws)
    async with aws.client() as client:
        await sdk.call(
            "CreateNetworkConnector", Name="theirs", Configuration=EGRESS, OperatorRole=ROLE
        )
        await client.create_network_connector("mine", CONFIGURATION, operator_role=ROLE)
        read = await client.get_network_connector("theirs")
        assert to_dict(read) == plain(await sdk.call("GetNetworkConnector", Identifier="theirs"))
        assert from_dict(type(read), await sdk.call("GetNetworkConnector", Identifier="mine")) == (
            await client.get_network_connector("mine")
        )
    sdk.close()


async def test_a_wrong_secret_raises_the_same_error_as_in_boto3(aws: LocalLambdaCore) -> None:
    wrong = Credentials(aws.credentials.access_key_id, "wrong")
    sdk = sdk_of(aws, wrong)
    async with aws.client(credentials=wrong) as client:
        with pytest.raises(ApiError) as raised:
            await client.get_network_connector("a")
        with pytest.raises(SdkError) as refused:
            await sdk.call("GetNetworkConnector", Identifier="a")
    assert raised.value.code == refused.value.code == "InvalidSignatureException"
    assert raised.value.message == refused.value.message
    sdk.close()


async def test_hundreds_of_connectors_are_looked_up_with_the_right_results(
    aws: LocalLambdaCore,
) -> None:
    names = [f"nc-{number}" for number in range(300)]
    for name in names[::2]:
        aws.state.put_network_connector(name)
    async with aws.client() as client:
        async with client.lookup_network_connectors(names) as lookups:
            results = {lookup.identifier: lookup async for lookup in lookups}
        report = await client.lookup_network_connectors(iter(names), concurrency=7).report()
    assert list(report.found) == names[::2]
    assert list(report.failed) == names[1::2]
    assert all(isinstance(results[name], Found) for name in names[::2])
    for name in names[1::2]:
        failed = results[name]
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, ResourceNotFoundException)
        assert failed.error.request_id is not None
        assert failed.error.operation == "GetNetworkConnector"


async def test_invalid_identifiers_fail_alone_and_before_any_io(aws: LocalLambdaCore) -> None:
    aws.state.put_network_connector("good")
    identifiers: list[Any] = ["", ".", "..", 5, None, "good", "\ud800"]
    async with aws.client() as client:
        report = await client.lookup_network_connectors(identifiers).report()
    assert list(report.found) == ["good"]
    assert all(isinstance(error, ParameterError) for error in report.failed.values())
    assert aws.calls == {"GetNetworkConnector": 1}


@pytest.mark.parametrize(("call", "parameter"), REFUSED)
async def test_invalid_arguments_are_rejected_by_name_before_any_io(
    aws: LocalLambdaCore, call: Callable[[Any], Any], parameter: str
) -> None:
    async with aws.client() as client:
        with pytest.raises(ParameterError) as raised:
            await call(client)
    assert raised.value.parameter == parameter
    assert raised.value.operation is not None
    assert not aws.calls


async def test_without_a_region_or_credentials_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, aws: LocalLambdaCore
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    async with LambdaCoreClient(endpoint_url=aws.endpoint_url) as client:
        with pytest.raises(ConfigurationError, match="no region"):
            await client.get_network_connector("a")
    async with LambdaCoreClient("us-east-1", endpoint_url=aws.endpoint_url) as client:
        with pytest.raises(CredentialsError, match="no credentials"):
            await client.get_network_connector("a")
    assert not aws.calls


async def test_region_and_credentials_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, aws: LocalLambdaCore
) -> None:
    aws.state.put_network_connector("a")
    monkeypatch.setenv("AWS_REGION", aws.region)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.credentials.secret_access_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    async with LambdaCoreClient(endpoint_url=aws.endpoint_url) as client:
        assert (await client.get_network_connector("a")).name == "a"


async def test_listings_return_all_pages(aws: LocalLambdaCore) -> None:
    names = [f"nc-{number}" for number in range(120)]
    for name in names:
        aws.state.put_network_connector(name)
    async with aws.client() as client:
        assert [item.name async for item in client.list_network_connectors()] == names
        pages = [page async for page in client.list_network_connectors(page_size=45).by_page()]
        ahead = client.list_network_connectors(prefetch=True)
        assert [item.name async for item in ahead] == names
        again = client.list_network_connectors().by_page(pages[0].next_token)
        assert [item.name for item in await anext(again)] == names[45:95]
    assert [len(page) for page in pages] == [45, 45, 30]


async def test_two_calls_with_one_token_create_one_connector(
    aws: LocalLambdaCore,
) -> None:
    async with aws.client() as client:
        create = client.create_network_connector
        first = await create("a", CONFIGURATION, operator_role=ROLE, client_token="t")
        assert await create("a", CONFIGURATION, operator_role=ROLE, client_token="t") == first
        with pytest.raises(ResourceConflictException):
            await create("a", CONFIGURATION, operator_role=ROLE)


async def test_a_view_shares_the_connections_and_its_close_does_nothing(
    aws: LocalLambdaCore,
) -> None:
    aws.state.put_network_connector("a")
    attempts: list[Attempt] = []
    async with aws.client(on_attempt=attempts.append) as client:
        async with client.with_options(timeout=30, max_attempts=1) as view:
            await view.get_network_connector("a")
        elsewhere = client.with_options(
            region="eu-west-1", timeout=Timeout(total=9), retry_mode="adaptive"
        )
        with pytest.raises(ApiError, match="valid region"):
            await elsewhere.get_network_connector("a")
        await client.get_network_connector("a")
    assert [attempt.status for attempt in attempts] == [200, 403, 200]


async def test_a_closed_client_raises_runtime_error() -> None:
    client = LambdaCoreClient("us-east-1", credentials=Credentials("AKIDEXAMPLE", "made-up"))
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get_network_connector("a")
    with pytest.raises(RuntimeError, match="closed"):
        await client.lookup_network_connectors(["a"]).report()


async def test_a_refused_connection_is_a_transport_error_that_names_the_operation() -> None:
    async with LocalLambdaCore() as gone:
        url = gone.endpoint_url
    async with LambdaCoreClient(
        "us-east-1",
        credentials=Credentials("AKIDEXAMPLE", "made-up"),
        endpoint_url=url,
        max_attempts=1,
    ) as client:
        with pytest.raises(TransportError, match=r"^GetNetworkConnector: no connection"):
            await client.get_network_connector("a")


@settings(max_examples=examples(0.6), derandomize=True)
@given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
def test_any_identifier_reaches_the_service_unchanged_and_correctly_signed(text: str) -> None:
    async def run() -> str:
        async with LocalLambdaCore() as service, service.client() as client:
            try:
                await client.get_network_connector(text)
            except ApiError as error:
                return f"{error.code} {error.message}"
        raise AssertionError("found")

    told = asyncio.run(run())
    if len(text) <= 140:
        assert told.startswith("ResourceNotFoundException Network connector not found for: arn:")
        assert told.endswith(f":{text}")
    else:
        assert told.startswith("ValidationException 1 validation error detected: Value ")


def test_every_operation_is_a_method_with_its_parameters_in_the_models_order() -> None:
    paging = {"marker", "next_token", "max_items", "max_results"}
    for name, operation in operations.OPERATIONS.items():
        parameters = inspect.signature(getattr(LambdaCoreClient, method_name(name))).parameters
        required = [member.name for member in operation.members if member.required]
        optional = [m.name for m in operation.members if not m.required and m.name not in paging]
        positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        keywords = {p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
        assert [p.name for p in positional] == ["self", *required]
        assert set(optional) <= keywords
        listing = {"page_size", "limit", "prefetch", "max_items"}
        assert keywords == {*optional, *(listing if isinstance(operation, ListOperation) else ())}


class NotSentError(Exception):
    """Raised instead of sending a request."""


@pytest.mark.parametrize("name", operations.OPERATIONS)
async def test_each_method_passes_all_its_arguments_under_the_names_of_its_operation(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: list[tuple[object, dict[str, object]]] = []

    def record(core: Core, operation: object, arguments: dict[str, object]) -> None:
        calls.append((operation, arguments))
        raise NotSentError

    monkeypatch.setattr(Core, "call", record)
    operation = operations.OPERATIONS[name]
    method: Any = getattr(LambdaCoreClient(), method_name(name))
    names = inspect.signature(method).parameters.keys() - {"prefetch", "limit", "max_items"}
    valid = {  # the methods validate these first
        "page_size": 7,
        "state": NetworkConnectorState.ACTIVE,
        "resource": ARN,
        "tag_keys": ("team",),
    }
    given = {name: valid.get(name, f"the-{name}") for name in names}
    with pytest.raises(NotSentError):
        result = method(**given)
        await (anext(result.by_page()) if isinstance(operation, ListOperation) else result)
    [(called, arguments)] = calls
    assert called is operation
    assert set(arguments) <= {member.name for member in operation.members}
    assert given == {
        "page_size" if name in ("max_items", "max_results") else name: value
        for name, value in arguments.items()
        if value is not None  # the token of a first page
    }


LISTINGS: Final = [
    name for name, row in operations.OPERATIONS.items() if isinstance(row, ListOperation)
]


def listing(client: LambdaCoreClient, name: str, **arguments: int) -> Pager[Any]:
    """Return a listing of all versions or aliases of `a`, or of all connectors or runtimes."""
    required = {m.name: "a" for m in operations.OPERATIONS[name].members if m.required}
    pager: Pager[Any] = getattr(client, method_name(name))(**required, **arguments)
    return pager


@pytest.mark.parametrize("name", LISTINGS)
async def test_each_listing_has_pages_of_a_size_and_a_limit_for_the_total(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row: Any = operations.OPERATIONS[name]
    sizes: list[int | None] = []

    async def call(core: Core, operation: object, arguments: dict[str, Any]) -> Page[int]:
        sizes.append(arguments.get(row.page_size))
        start = int(arguments[row.input_token] or 0)
        end = start + (arguments.get(row.page_size) or 100)
        return Page(tuple(range(start, end)), str(end))

    monkeypatch.setattr(Core, "call", call)
    client = LambdaCoreClient()

    assert [n async for n in listing(client, name, page_size=40, limit=90)] == [*range(90)]
    assert sizes == [40, 40, 10]
    sizes.clear()
    assert [n async for n in listing(client, name, limit=250)] == [*range(250)]
    assert sizes == [None, None, 50]


@pytest.mark.parametrize("name", LISTINGS)
async def test_max_items_is_the_deprecated_name_of_page_size(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row: Any = operations.OPERATIONS[name]

    async def call(core: Core, operation: object, arguments: dict[str, Any]) -> Page[object]:
        return Page((arguments[row.page_size],))

    monkeypatch.setattr(Core, "call", call)
    client = LambdaCoreClient()

    with pytest.warns(DeprecationWarning, match="pass page_size for the size") as warnings:
        pager = listing(client, name, max_items=7)
    assert warnings[0].filename == __file__
    assert [size async for size in pager] == [7]
    with (
        pytest.warns(DeprecationWarning, match="max_items"),
        pytest.raises(ParameterError, match="^max_items: is the old name of page_size"),
    ):
        listing(client, name, max_items=7, page_size=7)


def test_all_public_names_exist() -> None:
    for name in lambdacore_async.__all__:
        assert hasattr(lambdacore_async, name)


def test_states_compare_equal_to_strings() -> None:
    assert NetworkConnectorState.ACTIVE == "ACTIVE"
