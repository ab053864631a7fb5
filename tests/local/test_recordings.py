"""The embedded service answers as AWS did: status, error code, and each member of each body.

One scenario runs through boto3 and through the library's client. Neither notices a member too many,
so the tests compare the bodies that the service sends with the recorded ones.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
from attrs import fields

from lambdacore_async import (
    ApiError,
    LambdaCoreClient,
    NetworkConnector,
    ResourceNotFoundException,
)
from lambdacore_async.local.server import Server
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import LIST_NETWORK_CONNECTORS, OPERATIONS
from lambdacore_async.protocol.reading import from_dict, wire_name
from lambdacore_async.protocol.writing import to_dict
from local.clock import Clock
from local.test_boto3 import Boto3, boto3, server

__all__ = ["boto3", "server"]  # fixtures

RECORDINGS: Final = Path(__file__).with_name("recordings")

CREATE: Final[dict[str, Any]] = {
    "Name": "m80-conf-connector",
    "Configuration": {
        "VpcEgressConfiguration": {
            "AssociatedComputeResourceTypes": ["MicroVm"],
            "NetworkProtocol": "IPv4",
            "SecurityGroupIds": ["sg-f0e6979f"],
            "SubnetIds": ["subnet-15c2f37d"],
        }
    },
    "OperatorRole": "arn:aws:iam::123456789012:role/m80-conformance-connector-operator",
}
CONNECTOR: Final = {"Identifier": "m80-conf-connector"}
MISSING: Final = {"Identifier": "nc-m80-does-not-exist"}
#: As in the recording, members that the service itself requires are missing too.
TOO_MANY: Final[dict[str, Any]] = {
    "Name": "m80-conf-connector",
    "Configuration": {
        "VpcEgressConfiguration": {"SubnetIds": [f"subnet-{n:017}" for n in range(1, 18)]}
    },
}

Answer: TypeAlias = tuple[int, str | None, Any]
"""Status, error code and body of a response."""

Call: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Answer]]
"""Makes a call, and returns the answer as it was sent."""


def recorded(name: str) -> Any:
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def in_words(data: Any) -> Any:
    """Replace accounts, regions, UUIDs and timestamps with the words of the recordings."""
    text = json.dumps(data)
    for pattern, word in (
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"123456789012", "ACCOUNT"),
        (r"us-east-1", "REGION"),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+(\+00:00|Z)", "TIMESTAMP"),
    ):
        text = re.sub(pattern, word, text)
    return json.loads(text)


async def play(call: Call, clock: Clock) -> None:
    """Play what was recorded, and compare each answer."""

    async def holds(name: str, operation: str, members: dict[str, Any]) -> None:
        status, code, body = await call(operation, members)
        meta = recorded(f"{name}.meta")
        assert (status, code) == (meta["status"], meta.get("errorType")), name
        assert in_words(body) == recorded(name), name

    await holds("errors-not-found-get-connector-missing", "GetNetworkConnector", MISSING)
    await holds("errors-validation-connector-too-many-subnets", "CreateNetworkConnector", TOO_MANY)
    await holds("connectors-create", "CreateNetworkConnector", CREATE)
    _, _, pending = await call("GetNetworkConnector", CONNECTOR)
    assert (pending["State"], pending["StateReason"]) == ("PENDING", "Initial creation")
    clock.advance(60)
    await holds("connectors-get-until-active", "GetNetworkConnector", CONNECTOR)
    await holds("connectors-list", "ListNetworkConnectors", {})
    unchanged = {**CONNECTOR, "Configuration": CREATE["Configuration"]}
    await holds("connectors-update", "UpdateNetworkConnector", unchanged)
    await holds("connectors-delete", "DeleteNetworkConnector", CONNECTOR)
    clock.advance(60)
    status, code, _ = await call("GetNetworkConnector", CONNECTOR)
    assert (status, code) == (404, "ResourceNotFoundException")


@pytest.fixture
def answers(server: Server) -> Iterator[list[Response]]:
    """The answers of the server, as they were sent."""
    sent: list[Response] = []
    answer = server.answer

    def keep(request: Request, **options: Any) -> Response:
        sent.append(answer(request, **options))
        return sent[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "answer", keep)
        yield sent


def last(answers: list[Response]) -> Answer:
    response = answers[-1]
    code = response.headers.get("x-amzn-errortype")
    return response.status, code, json.loads(response.body)


async def test_boto3_gets_the_answers_that_aws_gave(
    boto3: Boto3, answers: list[Response], clock: Clock
) -> None:
    async def call(operation: str, members: dict[str, Any]) -> Answer:
        with contextlib.suppress(boto3.client.exceptions.ClientError):
            await boto3.call(operation, **members)
        return last(answers)

    await play(call, clock)


async def test_the_client_gets_the_answers_that_aws_gave(
    server: Server, answers: list[Response], clock: Clock
) -> None:
    (credentials,) = server.credentials.values()
    async with LambdaCoreClient(
        "us-east-1",
        credentials=credentials,
        endpoint_url=server.endpoint_url,
    ) as client:

        async def call(operation: str, members: dict[str, Any]) -> Answer:
            arguments = {
                member.name: from_dict(member.kind, members[member.wire])
                if member.wire == "Configuration"
                else members[member.wire]
                for member in OPERATIONS[operation].members
                if member.wire in members
            }
            if operation == "ListNetworkConnectors":
                await anext(client.list_network_connectors().by_page())
                return last(answers)
            called = getattr(client, re.sub("(?<=[a-z])(?=[A-Z])", "_", operation).lower())
            with contextlib.suppress(ApiError):
                await called(**arguments)
            return last(answers)

        await play(call, clock)


# The client reads what AWS sent


def recorded_response(name: str) -> Response:
    meta = recorded(f"{name}.meta")
    text = (RECORDINGS / f"{name}.json").read_text().replace("TIMESTAMP", "2026-07-30T08:00:00Z")
    headers = {"x-amzn-errortype": meta["errorType"]} if "errorType" in meta else {}
    return Response(meta["status"], headers, text.encode())


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("connectors-create", "CreateNetworkConnector"),
        ("connectors-get-until-active", "GetNetworkConnector"),
        ("connectors-update", "UpdateNetworkConnector"),
        ("connectors-delete", "DeleteNetworkConnector"),
    ],
)
def test_the_client_reads_a_connector_as_aws_sent_it(name: str, operation: str) -> None:
    response = recorded_response(name)
    connector = OPERATIONS[operation].parse_response(response)
    assert isinstance(connector, NetworkConnector)
    sent = json.loads(response.body)
    assert to_dict(connector) == sent
    for attribute in fields(NetworkConnector):
        present = wire_name(attribute.name) in sent or not attribute.eq
        assert (getattr(connector, attribute.name) is not None) is present


def test_the_client_reads_a_listing_as_aws_sent_it() -> None:
    page = LIST_NETWORK_CONNECTORS.parse_response(recorded_response("connectors-list"))
    assert page.next_token is None
    (summary,) = page
    assert (summary.name, summary.type, summary.state) == (
        "m80-conf-connector",
        "VPC_EGRESS",
        "ACTIVE",
    )
    assert (summary.latest_version, summary.latest_version_arn) == (None, None)


def test_the_client_reads_a_missing_connector_as_aws_sent_it() -> None:
    response = recorded_response("errors-not-found-get-connector-missing")
    with pytest.raises(ResourceNotFoundException) as error:
        OPERATIONS["GetNetworkConnector"].parse_response(response)
    assert error.value.message == json.loads(response.body)["Message"]
    assert error.value.fault is None
