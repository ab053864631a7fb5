"""The users of connectors, as this library, boto3 and botocore's models see them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from lambdacore_async import (
    ConnectorInUseError,
    ConnectorUser,
    ConnectorUserKind,
    LambdaCoreClient,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.users import operation_of
from lambdacore_async.protocol.messages import Request
from support.aws_sdk import Sdk, SdkError
from support.botocore_judge import neighbour_operations

PREFIX = "arn:aws:lambda:us-east-1:123456789012"


@pytest.fixture
async def service() -> AsyncIterator[LocalLambdaCore]:
    async with LocalLambdaCore() as aws:
        aws.state.put_network_connector("prod")
        aws.state.put_network_connector("test")
        yield aws


@pytest.fixture
async def client(service: LocalLambdaCore) -> AsyncIterator[LambdaCoreClient]:
    async with service.client() as client:
        yield client


def missing(shape: Any, data: Any, path: str) -> Iterator[str]:
    """Yield the required members that a response lacks, by botocore's model."""
    if shape.type_name == "structure":
        yield from (f"{path}.{name}" for name in shape.required_members if name not in data)
        for name in shape.members.keys() & data.keys():
            yield from missing(shape.members[name], data[name], f"{path}.{name}")
    elif shape.type_name == "list":
        for item in data:
            yield from missing(shape.member, item, path)


async def call(sdk: Sdk, operation: str, **members: object) -> Mapping[str, Any]:
    """Call an operation, and check the response against its model."""
    response = await sdk.call(operation, **members)
    shape = sdk.client.meta.service_model.operation_model(operation).output_shape
    assert list(missing(shape, response, operation)) == []
    return response


async def test_the_client_finds_the_users_of_a_connector(
    service: LocalLambdaCore, client: LambdaCoreClient
) -> None:
    arn = service.state.get_network_connector("prod").arn
    service.state.put_microvm("microvm-1", ["test", "prod"])
    service.state.put_microvm("microvm-2", ["test"])
    service.state.put_microvm_image("web", [f"{arn}:1"])
    service.state.put_web_function("shop", "prod")

    users = await client.users_of("prod")

    assert users == (
        ConnectorUser(ConnectorUserKind.MICRO_VM, "microvm-1", None, arn),
        ConnectorUser(
            ConnectorUserKind.MICRO_VM_IMAGE, f"{PREFIX}:microvm-image:web", "1", f"{arn}:1"
        ),
        ConnectorUser(ConnectorUserKind.WEB_FUNCTION, f"{PREFIX}:web-function:shop", "1", arn),
    )
    assert service.calls["GetMicrovm"] == 2
    with pytest.raises(ConnectorInUseError, match="microvm-1"):
        await client.delete_network_connector_and_wait("prod", unless_used=True)


async def test_a_user_without_connectors_is_gone(
    service: LocalLambdaCore, client: LambdaCoreClient
) -> None:
    service.state.put_microvm("microvm-1", ["prod"])
    service.state.put_microvm_image("web", ["prod"])
    service.state.put_web_function("shop", "prod")

    service.state.put_microvm("microvm-1", [])
    service.state.put_microvm_image("web", [])
    service.state.put_web_function("shop", None)
    service.state.put_web_function("never", None)

    assert await client.users_of("prod") == ()
    await client.delete_network_connector_and_wait("prod", unless_used=True)


async def test_microvms_stop_updates_of_their_connectors_and_nothing_else_does(
    service: LocalLambdaCore, client: LambdaCoreClient
) -> None:
    version = service.state.get_network_connector("prod").arn + ":1"
    service.state.put_microvm("microvm-1", [version])
    service.state.put_web_function("shop", "test")

    with pytest.raises(ResourceConflictException, match="prod is in use by MicroVMs"):
        await client.update_network_connector("prod", operator_role=f"{ROLE}2")

    await client.update_network_connector("test", operator_role=f"{ROLE}2")
    await client.delete_network_connector("prod")


ROLE = "arn:aws:iam::123456789012:role/operator"


def test_a_user_names_connectors_that_exist(service: LocalLambdaCore) -> None:
    with pytest.raises(ResourceNotFoundException):
        service.state.put_web_function("shop", "none")


async def test_boto3_reads_microvms_and_images(service: LocalLambdaCore) -> None:
    arn = service.state.get_network_connector("prod").arn
    for number in range(3):
        service.state.put_microvm(f"microvm-{number}", ["prod"])
    service.state.put_microvm_image("web", ["prod"])
    sdk = Sdk(service.endpoint_url, service.credentials, service.region, "lambda-microvms")

    first = await call(sdk, "ListMicrovms", maxResults=2)
    rest = await call(sdk, "ListMicrovms", maxResults=2, nextToken=first["nextToken"])
    microvm = await call(sdk, "GetMicrovm", microvmIdentifier="microvm-2")
    images = await call(sdk, "ListMicrovmImages")
    (image,) = images["items"]
    versions = await call(sdk, "ListMicrovmImageVersions", imageIdentifier=image["imageArn"])

    names = [item["microvmId"] for page in (first, rest) for item in page["items"]]
    assert names == ["microvm-0", "microvm-1", "microvm-2"]
    assert "nextToken" not in rest
    assert microvm["egressNetworkConnectors"] == [arn]
    assert [item["egressNetworkConnectors"] for item in versions["items"]] == [[arn]]
    assert "items" in await call(sdk, "ListMicrovmImageVersions", imageIdentifier="web")
    for token in ("x", "-1"):
        with pytest.raises(SdkError, match="ValidationException"):
            await sdk.call("ListMicrovms", nextToken=token)
    with pytest.raises(SdkError, match="ResourceNotFoundException"):
        await sdk.call("GetMicrovm", microvmIdentifier="microvm-9")
    sdk.close()


async def test_boto3_reads_web_functions(service: LocalLambdaCore) -> None:
    service.state.put_web_function("shop", "prod")
    sdk = Sdk(service.endpoint_url, service.credentials, service.region, "lambda-web")

    (function,) = (await call(sdk, "ListWebFunctions", maxResults=1))["functions"]
    name = function["functionName"]
    (revision,) = (await call(sdk, "ListWebFunctionRevisions", functionName=name))["revisions"]
    details = await call(
        sdk, "GetWebFunctionRevision", functionName=name, revisionId=revision["revisionId"]
    )

    arn = service.state.get_network_connector("prod").arn
    assert details["serviceConfig"]["egressNetworkConnectorArn"] == arn
    with pytest.raises(SdkError, match="ResourceNotFoundException"):
        await sdk.call("GetWebFunctionRevision", functionName=name, revisionId="2")
    sdk.close()


@pytest.mark.parametrize("body", [b"{", b"[]"])
async def test_a_body_that_is_no_json_object_is_refused(
    service: LocalLambdaCore, body: bytes
) -> None:
    response = service.state.answer_neighbour
    with pytest.raises(Exception, match="not a JSON object"):
        response("ListWebFunctions", Request("POST", "/2025-03-07/web-functions", {}, body))


def test_paths_belong_to_the_operations_of_the_models() -> None:
    operations = neighbour_operations()
    for method, path in (
        ("GET", "/2025-09-09/microvms"),
        ("GET", "/2025-09-09/microvms/a%3Ab"),
        ("GET", "/2025-09-09/microvm-images"),
        ("GET", "/2025-09-09/microvm-images/web/versions"),
        ("POST", "/2025-03-07/web-functions"),
        ("POST", "/2025-03-07/web-functions/shop/list-revisions"),
        ("GET", "/2025-03-07/web-functions/shop/revisions/1"),
    ):
        name = operation_of(Request(method, f"{path}?nextToken=1", {}, b""))
        assert name is not None
        assert operations[name](method, path)
    assert operation_of(Request("DELETE", "/2025-09-09/microvms", {}, b"")) is None
