"""Users of a connector, found in the listings of the services that use connectors."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from lambdacore_async import (
    AccessDeniedException,
    ConnectorInUseError,
    ConnectorUser,
    ConnectorUserKind,
    LambdaCoreClient,
    NetworkConnector,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.models.network_connectors import ComputeResourceType, NetworkProtocol
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.botocore_judge import neighbour_operations
from support.leaks import cancel_at, other_tasks
from support.simulation import World, inject
from support.transports import answer, refusal

ROLE = "arn:aws:iam::123456789012:role/operator"
VPC = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
PREFIX = "arn:aws:lambda:us-east-1:123456789012"
IMAGE = f"{PREFIX}:microvm-image:web"
FUNCTION = f"{PREFIX}:web-function:shop"
MICRO_VM, MICRO_VM_IMAGE, WEB_FUNCTION = ConnectorUserKind


class Neighbours:
    """The listings of MicroVMs, images and Web Functions, two items a page.

    Attributes:
        answers: the items of each listing, and the resource of each other path.
        requests: the requests received.
        limit: the largest number of requests in progress so far.
    """

    def __init__(self, here: World) -> None:
        self.answers: dict[str, Any] = {
            "/2025-09-09/microvms": [],
            "/2025-09-09/microvm-images": [],
            "/2025-03-07/web-functions": [],
        }
        self.requests: list[Request] = []
        self.active = self.limit = 0
        self._here = here

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        url = urlsplit(request.target)
        path = unquote(url.path)
        if path.startswith("/2026"):
            return await self._here.transport.send(endpoint, request, timeout)
        self.requests.append(request)
        self.active += 1
        self.limit = max(self.limit, self.active)
        await asyncio.sleep(0)
        self.active -= 1
        found: Any = self.answers.get(path)
        if isinstance(found, Response):
            return found
        if found is None:
            return refusal("ResourceNotFoundException", 404)
        if isinstance(found, list):
            token = (
                json.loads(request.body or b"{}").get("nextToken")
                if request.method == "POST"
                else parse_qs(url.query).get("nextToken", [None])[0]
            )
            found = self._page(path, [*found], int(token or 0))
        return answer(200, json.dumps(found).encode(), content_type="application/json")

    @staticmethod
    def _page(path: str, items: list[Any], start: int) -> dict[str, Any]:
        member = {"web-functions": "functions", "list-revisions": "revisions"}
        page: dict[str, Any] = {
            member.get(path.rpartition("/")[2], "items"): items[start : start + 2]
        }
        return page if start + 2 >= len(items) else {**page, "nextToken": str(start + 2)}

    async def close(self) -> None:
        """See `Transport.close`."""

    def microvm(self, name: str, state: str = "RUNNING", **connectors: list[str]) -> None:
        self.answers["/2025-09-09/microvms"].append({"microvmId": name, "state": state})
        self.answers[f"/2025-09-09/microvms/{name}"] = {"microvmId": name, **connectors}

    def image(self, arn: str, **versions: list[str]) -> None:
        self.answers["/2025-09-09/microvm-images"].append({"imageArn": arn, "state": "CREATED"})
        self.answers[f"/2025-09-09/microvm-images/{arn}/versions"] = [
            {"imageVersion": version, "state": "SUCCESSFUL", "egressNetworkConnectors": connectors}
            for version, connectors in versions.items()
        ]

    def web_function(self, name: str, **revisions: str | None) -> None:
        path = f"/2025-03-07/web-functions/{name}"
        self.answers["/2025-03-07/web-functions"].append(
            {"functionName": name, "functionArn": FUNCTION, "state": "ACTIVE"}
        )
        self.answers[f"{path}/list-revisions"] = [{"revisionId": r} for r in revisions]
        for revision, connector in revisions.items():
            config = {} if connector is None else {"egressNetworkConnectorArn": connector}
            self.answers[f"{path}/revisions/{revision}"] = {"serviceConfig": config}


def world() -> tuple[LambdaCoreClient, Neighbours, NetworkConnector]:
    here = World()
    connector = here.state.put_network_connector("prod", configuration=VPC, operator_role=ROLE)
    neighbours = Neighbours(here)
    client = here.client()
    inject(client, transport=neighbours)
    return client, neighbours, connector


async def test_every_resource_that_names_the_connector_is_a_user() -> None:
    client, neighbours, connector = world()
    other = f"{PREFIX}:network-connector:nc-other"
    neighbours.microvm("m-1", egressNetworkConnectors=[other, connector.arn])
    neighbours.microvm("m-2", ingressNetworkConnectors=[connector.name])
    neighbours.microvm("m-3", egressNetworkConnectors=[f"{connector.arn}x"])
    neighbours.microvm("m-4")
    neighbours.microvm("m-5", "TERMINATED", egressNetworkConnectors=[connector.arn])
    neighbours.image(IMAGE, v1=[f"{connector.arn}:7"], v2=[other], v3=[connector.id])
    neighbours.web_function("shop", r1=f"{PREFIX}:network-connector:prod:1", r2=None, r3=other)

    expected = (
        ConnectorUser(MICRO_VM, "m-1", None, connector.arn),
        ConnectorUser(MICRO_VM, "m-2", None, connector.name),
        ConnectorUser(MICRO_VM_IMAGE, IMAGE, "v1", f"{connector.arn}:7"),
        ConnectorUser(MICRO_VM_IMAGE, IMAGE, "v3", connector.id),
        ConnectorUser(WEB_FUNCTION, FUNCTION, "r1", f"{PREFIX}:network-connector:prod:1"),
    )
    for identifier in (connector, connector.arn, connector.name, connector.id):
        assert await client.users_of(identifier) == expected
    assert not any("m-5" in request.target for request in neighbours.requests)


async def test_every_request_is_an_operation_of_the_services_models() -> None:
    client, neighbours, _ = world()
    for number in range(5):
        neighbours.microvm(f"m-{number}")
    neighbours.image(IMAGE, v1=[], v2=[], v3=[])
    neighbours.web_function("shop", r1=None)
    assert await client.users_of("prod") == ()
    made = {
        name
        for request in neighbours.requests
        for name, operation in neighbour_operations().items()
        if operation(request.method, urlsplit(request.target).path)
    }
    assert made == {
        "ListMicrovms", "GetMicrovm", "ListMicrovmImages", "ListMicrovmImageVersions",
        "ListWebFunctions", "ListWebFunctionRevisions", "GetWebFunctionRevision",
    }  # fmt: skip


async def test_a_resource_that_is_gone_after_the_listing_is_no_user() -> None:
    client, neighbours, connector = world()
    neighbours.microvm("m-1", egressNetworkConnectors=[connector.arn])
    del neighbours.answers["/2025-09-09/microvms/m-1"]
    assert await client.users_of("prod") == ()


async def test_reads_are_concurrent_within_a_bound() -> None:
    client, neighbours, _ = world()
    for number in range(100):
        neighbours.microvm(f"m-{number}")
    await client.users_of("prod")
    assert 10 < neighbours.limit <= 20


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"items": [{"state": "RUNNING"}]}', b'{"items": [{"microvmId": 7}]}',
     b'{"nextToken": "1"}', b'{"nextToken": 7}', b"{"],
)  # fmt: skip
async def test_a_listing_that_cannot_be_read_is_an_error(body: bytes) -> None:
    client, neighbours, _ = world()
    unreadable = answer(200, body, content_type="application/json")
    neighbours.answers["/2025-09-09/microvms"] = unreadable
    with pytest.raises(ResponseError):
        await client.users_of("prod")
    assert other_tasks() == set()


async def test_a_listing_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdacore_async.workflows.users._MAX_PAGES", 3)
    client, neighbours, _ = world()
    for number in range(10):
        neighbours.microvm(f"m-{number}")
    with pytest.raises(ResponseError, match="does not end"):
        await client.users_of("prod")


async def test_a_refusal_is_an_error_and_not_an_empty_result() -> None:
    client, neighbours, _ = world()
    neighbours.microvm("m-1")
    neighbours.answers["/2025-03-07/web-functions"] = refusal("AccessDeniedException", 403)
    with pytest.raises(AccessDeniedException):
        await client.users_of("prod")
    assert other_tasks() == set()


async def test_a_connector_that_does_not_exist_is_an_error() -> None:
    client, _, _ = world()
    with pytest.raises(ResourceNotFoundException):
        await client.users_of("gone")


async def test_cancelling_a_search_leaks_nothing() -> None:
    step = 0
    while True:
        client, neighbours, connector = world()
        neighbours.microvm("m-1", egressNetworkConnectors=[connector.arn])
        neighbours.image(IMAGE, v1=[])
        if not await cancel_at(step, client.users_of("prod")):
            break
        assert other_tasks() == set()
        step += 1
    assert step > 3


# Deletion


async def test_a_connector_in_use_is_not_deleted() -> None:
    client, neighbours, connector = world()
    for number in range(7):
        neighbours.microvm(f"m-{number}", egressNetworkConnectors=[connector.arn])
    neighbours.image(IMAGE, v1=[connector.arn])
    with pytest.raises(ConnectorInUseError) as caught:
        await client.delete_network_connector_and_wait("prod", unless_used=True)
    assert len(caught.value.users) == 8
    assert str(caught.value) == (
        "DeleteNetworkConnector: the connector is in use by MicroVm m-0; MicroVm m-1; MicroVm m-2; "
        "MicroVm m-3; MicroVm m-4; 3 more"
    )
    assert pickle.loads(pickle.dumps(caught.value)).users == caught.value.users  # noqa: S301 - our own
    assert str(caught.value.users[-1]) == f"MicroVmImage {IMAGE}, version v1"
    assert (await client.get_network_connector("prod")).state == "ACTIVE"
    user = caught.value.users[0]
    assert str(ConnectorInUseError((user,))).endswith("is in use by MicroVm m-0")


async def test_a_connector_without_users_is_deleted() -> None:
    client, neighbours, connector = world()
    await client.delete_network_connector_and_wait(connector.arn, unless_used=True)
    with pytest.raises(ResourceNotFoundException):
        await client.get_network_connector("prod")
    requests = len(neighbours.requests)
    await client.delete_network_connector_and_wait("prod", unless_used=True)
    assert len(neighbours.requests) == requests


async def test_a_listing_that_is_not_found_does_not_count_as_a_deleted_connector() -> None:
    client, neighbours, connector = world()
    neighbours.microvm("m-1", egressNetworkConnectors=[connector.arn])
    neighbours.answers["/2025-03-07/web-functions"] = refusal("ResourceNotFoundException", 404)
    with pytest.raises(ResponseError, match="the listing is not found"):
        await client.delete_network_connector_and_wait("prod", unless_used=True)
    assert (await client.get_network_connector("prod")).state == "ACTIVE"


async def test_a_wrong_flag_is_refused() -> None:
    client, _, _ = world()
    with pytest.raises(ParameterError, match="unless_used"):
        await client.delete_network_connector_and_wait("prod", unless_used="yes")  # type: ignore[arg-type] # the point
