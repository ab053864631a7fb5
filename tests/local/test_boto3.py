"""boto3 against the embedded service; botocore's model validates every response."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache, partial
from typing import Any

import pytest

from lambdacore_async.local import State
from lambdacore_async.local.server import Server
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.sigv4 import Credentials
from local.clock import Clock
from support.botocore_judge import isolated_session

_boto3: Any = importlib.import_module("boto3")
_config: Any = importlib.import_module("botocore.config")
_exceptions: Any = importlib.import_module("botocore.exceptions")
_session = cache(isolated_session)

CREDENTIALS = Credentials("AKIDLOCAL", "secret", "token")
ROLE = "arn:aws:iam::123456789012:role/operator"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/runtime:1.0"
CONFIGURATION = {
    "VpcEgressConfiguration": {
        "SubnetIds": ["subnet-1"],
        "SecurityGroupIds": ["sg-1"],
        "NetworkProtocol": "DualStack",
        "AssociatedComputeResourceTypes": ["WebFunction"],
        "ElasticIpConfiguration": {"Type": "ServiceManaged"},
    }
}


def mismatches(shape: Any, data: Any, path: str) -> Iterator[str]:
    """Yield every difference between a response and its shape in botocore's model."""
    if shape.type_name == "structure":
        members = shape.members
        if getattr(shape, "is_tagged_union", False) and len(data) != 1:
            yield f"{path}: a union of {len(data)} members"
        yield from (f"{path}.{name}: unknown" for name in data if name not in members)
        yield from (f"{path}.{n}: missing" for n in shape.required_members if n not in data)
        for name in members.keys() & data.keys():
            yield from mismatches(members[name], data[name], f"{path}.{name}")
    elif shape.type_name == "map":
        for key, value in data.items():
            yield from mismatches(shape.key, key, f"{path}: key")
            yield from mismatches(shape.value, value, f"{path}[{key!r}]")
    elif shape.type_name == "list":
        for number, item in enumerate(data):
            yield from mismatches(shape.member, item, f"{path}[{number}]")
    elif shape.type_name in ("integer", "long"):
        if type(data) is not int:
            yield f"{path}: {data!r} is not a number"
    elif type(data) is not str:
        yield f"{path}: {data!r} is not a string"
    elif getattr(shape, "enum", None) and data not in shape.enum:
        yield f"{path}: {data!r} is not in {shape.enum}"
    content: Any = data
    size = len(content) if shape.type_name in ("string", "list", "map") else 1
    bounds = shape.metadata
    if not bounds.get("min", 0) <= size <= bounds.get("max", size):
        yield f"{path}: {size} is out of bounds"
    pattern = bounds.get("pattern", "").replace(r"[^\p{C}]", ".")
    pattern = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    if pattern and not re.fullmatch(pattern, content):
        yield f"{path}: {content!r} does not match {pattern}"


class Boto3:
    """A boto3 client that runs in a thread and never retries."""

    def __init__(self, server: Server, credentials: Credentials = CREDENTIALS) -> None:
        session = _boto3.session.Session(botocore_session=_session())
        self.client = session.client(
            "lambda-core",
            region_name="us-east-1",
            endpoint_url=server.endpoint_url,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=_config.Config(retries={"total_max_attempts": 1}),
        )
        self.mismatches: list[str] = []
        self.client.meta.events.register("after-call.lambda-core.*", self._check)

    def _check(self, http_response: Any, model: Any, **_: object) -> None:
        if http_response.status_code != model.http["responseCode"]:
            return
        body = json.loads(http_response.content or b"{}")
        self.mismatches += mismatches(model.output_shape, body, model.name)

    async def call(self, operation: str, **members: object) -> dict[str, Any]:
        method = self.client.meta.method_to_api_mapping
        (name,) = (python for python, api in method.items() if api == operation)
        response: dict[str, Any] = await self.run(lambda: getattr(self.client, name)(**members))
        return response

    async def run(self, do: Callable[[], Any]) -> Any:
        response = await asyncio.to_thread(do)
        assert self.mismatches == []
        return response

    async def fails(self, code: str, status: int, operation: str, **members: object) -> None:
        """Call an operation, and expect boto3's exception for the code."""
        kind = getattr(self.client.exceptions, code, _exceptions.ClientError)
        with pytest.raises(kind) as error:
            await self.call(operation, **members)
        response = error.value.response
        assert response["Error"]["Code"] == code
        assert response["Error"]["Message"]
        assert response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert response["ResponseMetadata"]["RequestId"]

    async def pages(self, operation: str, **members: object) -> list[list[Any]]:
        paginator = self.client.get_paginator(operation)
        (key,) = (expression.expression for expression in paginator.result_keys)
        pages: list[list[Any]] = await self.run(
            lambda: [page[key] for page in paginator.paginate(**members)]
        )
        return pages


@pytest.fixture
async def server(state: State) -> AsyncIterator[Server]:
    async with Server(state, credentials=[CREDENTIALS]) as server:
        yield server


@pytest.fixture
async def boto3(server: Server) -> AsyncIterator[Boto3]:
    boto3 = await asyncio.to_thread(Boto3, server)
    yield boto3
    boto3.client.close()


async def test_every_operation_works(
    boto3: Boto3, state: State, server: Server, clock: Clock
) -> None:
    created = await boto3.call(
        "CreateNetworkConnector",
        Name="prod",
        Configuration=CONFIGURATION,
        OperatorRole=ROLE,
        Tags={"team": "net"},
    )
    assert (created["State"], created["Configuration"]) == ("PENDING", CONFIGURATION)
    clock.advance(60)
    shown = await boto3.call("GetNetworkConnector", Identifier=created["Arn"])
    assert shown["State"] == "ACTIVE"
    assert shown["LastModified"].tzinfo is not None
    updated = await boto3.call("UpdateNetworkConnector", Identifier="prod", OperatorRole=ROLE + "2")
    assert (updated["LastUpdateStatus"], updated["Version"]) == ("InProgress", 2)
    clock.advance(30)
    versions = await boto3.call("ListNetworkConnectorVersions", Identifier=created["Id"])
    assert [v["Version"] for v in versions["NetworkConnectorVersions"]] == [1, 2]
    first = {"Identifier": f"{created['Arn']}:1"}
    await boto3.call("GetNetworkConnector", **first)
    await boto3.call("DeleteNetworkConnector", **first)
    listed = await boto3.call("ListNetworkConnectors", State="ACTIVE")
    assert [c["Name"] for c in listed["NetworkConnectors"]] == ["prod"]
    resource = {"Resource": created["Arn"]}
    assert (await boto3.call("ListTags", **resource))["Tags"] == {"team": "net"}
    await boto3.call("TagResource", **resource, Tags={"team": "edge", "stage": "prod"})
    await boto3.call("UntagResource", **resource, TagKeys=["stage", "unknown"])
    assert (await boto3.call("ListTags", **resource))["Tags"] == {"team": "edge"}
    deleted = await boto3.call("DeleteNetworkConnector", Identifier="prod")
    assert deleted["State"] == "DELETING"

    lifecycle = {"ReleaseState": "GA", "DeprecationDate": "2027-01-01"}
    runtime = {"RuntimeName": "python-corp"}
    await boto3.call(
        "CreateRuntime", Name="python-corp", Description="d", ReleaseLifecycle=lifecycle
    )
    await boto3.call("UpdateRuntime", **runtime, LicenseInfo="MIT")
    assert (await boto3.call("GetRuntime", **runtime))["LicenseInfo"] == "MIT"
    version = await boto3.call(
        "CreateRuntimeVersion", **runtime, ImageUri=IMAGE, Name="v1", ReleaseNotes="n"
    )
    assert version["State"] == "CREATING"
    dry = await boto3.call(
        "CreateRuntimeVersion", **runtime, ImageUri=IMAGE, Name="v2", DryRun=True
    )
    assert dry["Name"] == "v2"
    clock.advance(60)
    await boto3.call("UpdateRuntimeVersion", **runtime, Name="v1", ReleaseNotes="")
    assert len((await boto3.call("GetRuntimeVersion", **runtime, Name="v1"))["Platforms"]) == 2
    assert len((await boto3.call("ListRuntimeVersions", **runtime))["Items"]) == 1
    alias = {**runtime, "Name": "live"}
    await boto3.call("CreateRuntimeAlias", **alias, RuntimeVersion="v1", ReleaseLifecycle=lifecycle)
    clock.advance(60)
    await boto3.call("UpdateRuntimeAlias", **alias, RuntimeVersion="v1", Description="d")
    clock.advance(30)
    assert (await boto3.call("GetRuntimeAlias", **alias))["State"] == "ACTIVE"
    await boto3.call("DeleteRuntimeAlias", **alias, RecoveryWindowInDays=7)
    assert (await boto3.call("GetRuntimeAlias", **alias))["State"] == "PENDING_DELETION"
    assert len((await boto3.call("ListRuntimeAliases", **runtime))["Items"]) == 1
    await boto3.call("DeleteRuntimeVersion", **runtime, Name="v1")
    assert (await boto3.call("GetRuntimeVersion", **runtime, Name="v1"))["PendingDeletionAt"]
    await boto3.call("DeleteRuntime", **runtime, RecoveryWindowInDays=30)
    assert (await boto3.call("GetRuntime", **runtime))["State"] == "PENDING_DELETION"
    assert len((await boto3.call("ListRuntimes"))["Items"]) == 1
    assert (await boto3.call("RestoreRuntime", **runtime))["State"] == "ACTIVE"
    restored = await boto3.call("RestoreRuntime", **runtime, RuntimeVersion="v1")
    assert restored["RuntimeVersion"] == "v1"
    restored = await boto3.call("RestoreRuntime", **runtime, RuntimeAlias="live")
    assert restored["RuntimeAlias"] == "live"

    api = boto3.client.meta.service_model.operation_names
    assert set(server.calls) == set(api) == set(OPERATIONS)


@pytest.mark.parametrize("code", NetworkConnectorStateReasonCode)
async def test_every_failure_matches_the_model(
    boto3: Boto3, state: State, clock: Clock, code: NetworkConnectorStateReasonCode
) -> None:
    state.fail_next("CreateNetworkConnector", code)
    state.fail_next("UpdateNetworkConnector", code)
    state.fail_next("DeleteNetworkConnector", code)
    for name in ("failed", "prod"):
        await boto3.call(
            "CreateNetworkConnector", Name=name, Configuration=CONFIGURATION, OperatorRole=ROLE
        )
    clock.advance(60)
    failed = await boto3.call("GetNetworkConnector", Identifier="failed")
    assert (failed["State"], failed["StateReasonCode"]) == ("FAILED", code)
    await boto3.call("ListNetworkConnectorVersions", Identifier="failed", State="FAILED")
    await boto3.call("UpdateNetworkConnector", Identifier="prod", OperatorRole=ROLE + "2")
    clock.advance(30)
    shown = await boto3.call("GetNetworkConnector", Identifier="prod")
    assert (shown["LastUpdateStatus"], shown["LastUpdateStatusReasonCode"]) == ("Failed", code)
    await boto3.call("DeleteNetworkConnector", Identifier="prod")
    clock.advance(20)
    shown = await boto3.call("GetNetworkConnector", Identifier="prod")
    assert (shown["State"], shown["StateReasonCode"]) == ("DELETE_FAILED", code)


@pytest.mark.parametrize("wanted", NetworkConnectorState)
async def test_every_state_matches_the_model(
    boto3: Boto3, state: State, wanted: NetworkConnectorState
) -> None:
    state.put_network_connector("prod", state=wanted)
    assert (await boto3.call("GetNetworkConnector", Identifier="prod"))["State"] == wanted
    listed = await boto3.call("ListNetworkConnectors", State=wanted)
    assert len(listed["NetworkConnectors"]) == 1


async def test_every_modelled_error_has_its_code_and_status(boto3: Boto3, state: State) -> None:
    connector = {"Configuration": CONFIGURATION, "OperatorRole": ROLE}
    for name in ("a", "b", "c"):
        await boto3.call("CreateNetworkConnector", Name=name, **connector)
    create = "CreateNetworkConnector"
    await boto3.fails("ResourceConflictException", 409, create, Name="a", **connector)
    await boto3.fails("NetworkConnectorLimitExceededException", 400, create, Name="d", **connector)
    await boto3.fails("ValidationException", 400, create, Name="a b", **connector)
    get = "GetNetworkConnector"
    await boto3.fails("ResourceNotFoundException", 404, get, Identifier="z")
    for name in ("r1", "r2"):
        await boto3.call("CreateRuntime", Name=name)
    await boto3.fails("ServiceQuotaExceededException", 402, "CreateRuntime", Name="r3")
    marker = {"Marker": "nonsense"}
    await boto3.fails("InvalidParameterValueException", 400, "ListNetworkConnectors", **marker)


@pytest.mark.parametrize(
    "identifier", ["a/b", "a b", "a?b=c", "100%", "%2F", "ä", "a;b", "a#b", "x+y", "a//b"]
)
async def test_every_identifier_arrives_as_boto3_sends_it(boto3: Boto3, identifier: str) -> None:
    with pytest.raises(boto3.client.exceptions.ResourceNotFoundException) as error:
        await boto3.call("GetNetworkConnector", Identifier=identifier)
    assert error.value.response["Error"]["Message"].endswith(f":network-connector:{identifier}")


async def test_the_paginators_return_all_pages(boto3: Boto3, state: State, clock: Clock) -> None:
    for number in range(120):
        state.put_network_connector(f"c-{number:03}")
    pages = await boto3.pages("list_network_connectors")
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [c["Name"] for page in pages for c in page] == [f"c-{n:03}" for n in range(120)]
    for number in (2, 3):
        state.update_network_connector("c-000", operator_role=f"{ROLE}{number}")
        clock.advance(30)
    one = {"PaginationConfig": {"PageSize": 1}}
    pages = await boto3.pages("list_network_connector_versions", Identifier="c-000", **one)
    assert [[v["Version"] for v in page] for page in pages] == [[1], [2], [3]]
    for name in ("r1", "r2"):
        state.create_runtime(name)
    for name in ("v1", "v2"):
        state.create_runtime_version("r1", IMAGE, name)
    clock.advance(60)
    for name in ("live", "next"):
        state.create_runtime_alias("r1", "v1", name)
    for operation, members in (
        ("list_runtimes", {}),
        ("list_runtime_versions", {"RuntimeName": "r1"}),
        ("list_runtime_aliases", {"RuntimeName": "r1"}),
    ):
        pages = await boto3.pages(operation, **members, **one)
        assert [len(page) for page in pages] == [1, 1]


async def test_the_waiters_recognise_an_active_runtime_version_and_alias(
    boto3: Boto3, state: State, clock: Clock
) -> None:
    state.create_runtime("python-corp")
    state.create_runtime_version("python-corp", IMAGE, "v1")
    clock.advance(60)
    state.create_runtime_alias("python-corp", "v1", "live")
    clock.advance(60)
    once = {"WaiterConfig": {"MaxAttempts": 1}}
    for waiter, name in (("runtime_version_active", "v1"), ("runtime_alias_active", "live")):
        waiting = boto3.client.get_waiter(waiter)
        members = {"RuntimeName": "python-corp", "Name": name}
        await boto3.run(partial(waiting.wait, **members, **once))


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (Credentials("AKIDLOCAL", "wrong", "token"), "InvalidSignatureException"),
        (Credentials("AKIDOTHER", "secret"), "UnrecognizedClientException"),
        (Credentials("AKIDLOCAL", "secret", "wrong"), "UnrecognizedClientException"),
    ],
)
async def test_wrong_credentials_are_rejected(
    server: Server, credentials: Credentials, code: str
) -> None:
    boto3 = await asyncio.to_thread(Boto3, server, credentials)
    await boto3.fails(code, 403, "ListNetworkConnectors")
    boto3.client.close()


def altered_url(request: Any) -> None:
    request.url = request.url.replace("a%3Ab", "other")


def altered_query(request: Any) -> None:
    request.url += "?Marker=x"


def altered_body(request: Any) -> None:
    request.body = request.body.replace(b"role/operator", b"role/intruder")


def altered_method(request: Any) -> None:
    request.method = "DELETE"


def altered_date(request: Any) -> None:
    request.headers["X-Amz-Date"] = "20260101T000000Z"


def added_header(request: Any) -> None:
    request.headers["X-Amz-Target"] = "x"


def without_token(request: Any) -> None:
    del request.headers["X-Amz-Security-Token"]


def without_authorization(request: Any) -> None:
    del request.headers["Authorization"]


def without_date(request: Any) -> None:
    del request.headers["X-Amz-Date"]


@pytest.mark.parametrize(
    ("alter", "code"),
    [
        (altered_url, "InvalidSignatureException"),
        (altered_query, "InvalidSignatureException"),
        (altered_body, "InvalidSignatureException"),
        (altered_method, "InvalidSignatureException"),
        (altered_date, "InvalidSignatureException"),
        (added_header, "InvalidSignatureException"),
        (without_token, "UnrecognizedClientException"),
        (without_authorization, "MissingAuthenticationTokenException"),
        (without_date, "IncompleteSignatureException"),
    ],
)
async def test_a_request_altered_after_signing_is_rejected(
    boto3: Boto3, alter: Callable[[Any], None], code: str
) -> None:
    def change(request: Any, **_: object) -> None:
        alter(request)

    boto3.client.meta.events.register("before-send.lambda-core.*", change)
    await boto3.fails(code, 403, "UpdateNetworkConnector", Identifier="a:b", OperatorRole=ROLE)
