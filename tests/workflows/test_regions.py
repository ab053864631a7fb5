"""Every call and every workflow sends an ARN to its own region."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import unquote

import pytest
from attrs import evolve

from lambdacore_async import (
    ComputeResourceType,
    Found,
    LambdaCoreClient,
    NetworkConnector,
    NetworkConnectorState,
    NetworkProtocol,
    ParameterError,
    Target,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.pipeline import Pipeline, Settings
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.leaks import CREDENTIALS
from support.simulation import EventClock, InProcess, World
from support.transports import answer, refusal

HOME, ELSEWHERE = "us-east-1", "eu-west-1"
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
RUNTIME: Final = "arn:aws:lambda:{}:123456789012:runtime:python"


def arn(region: str, name: str = "prod", partition: str = "aws") -> str:
    return f"arn:{partition}:lambda:{region}:123456789012:network-connector:{name}"


class Recorder:
    """A service of all regions that has one connector and one runtime; it keeps where calls go.

    Attributes:
        regions: by request, the host and the region that it is signed for.
    """

    def __init__(self) -> None:
        self.regions: list[tuple[str, str]] = []
        self.targets: list[str] = []
        self.deleted = False

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        await asyncio.sleep(0)
        signed_for = request.headers["authorization"].split("/")[2]
        self.regions.append((endpoint.host, signed_for))
        self.targets.append(f"{request.method} {request.target}")
        region = signed_for
        connector = {
            "Arn": arn(region), "Id": "nc-1", "Name": "prod", "Type": "VPC_EGRESS", "Version": 2,
            "State": "DELETING" if self.deleted else "ACTIVE", "LatestVersion": 2,
        }  # fmt: skip
        if "/runtimes" in request.target:
            return self.runtime(request)
        if self.deleted and request.method == "GET":
            return refusal("ResourceNotFoundException", 404)
        self.deleted = self.deleted or request.method == "DELETE"
        if request.target.partition("?")[0].endswith("/versions"):
            versions = [
                {**connector, "Version": number, "VersionArn": f"{arn(region)}:{number}"}
                for number in (1, 2)
            ]
            return answer(200, json.dumps({"NetworkConnectorVersions": versions}).encode())
        return answer(200, json.dumps(connector).encode())

    def runtime(self, request: Request) -> Response:
        path = request.target.partition("?")[0]
        if path.endswith(("/versions", "/aliases")) and request.method == "GET":
            return answer(200, b'{"Items": []}')
        last = unquote(path).rpartition("/")[2].rpartition(":")[2]
        content = {
            "Arn": RUNTIME.format(HOME), "State": "ACTIVE", "CreatedAt": "x",
            "Created": "x", "LastModified": "x", "ResolvedUri": "x", "RuntimeVersion": "v",
            "RuntimeVersionArn": "x", "RuntimeName": "python", "Name": last,
            **json.loads(request.body or b"{}"),
        }  # fmt: skip
        return answer(200, json.dumps(content).encode())

    async def close(self) -> None:
        """See `Transport.close`."""


def client_of(transport: Any, endpoint_url: str | None = None) -> LambdaCoreClient:
    client = LambdaCoreClient(HOME, credentials=CREDENTIALS, endpoint_url=endpoint_url)
    shared = evolve(client._core.pipeline.shared, transport=transport, clock=EventClock())
    client._core.pipeline = Pipeline(shared, Settings(HOME, endpoint_url))
    return client


async def drain(listing: Any) -> list[Any]:
    return [item async for item in listing]


async def across(client: LambdaCoreClient, connector: str) -> None:
    async with client.lookup_across([Target(HOME)], [connector]) as run:
        async for _, lookup in run:
            assert isinstance(lookup, Found)


Call = Callable[[LambdaCoreClient, str], Awaitable[object]]
#: Calls for a connector that is given by an ARN.
CALLS: Final[dict[str, Call]] = {
    "get": lambda c, a: c.get_network_connector(a),
    "update": lambda c, a: c.update_network_connector(a, configuration=VPC),
    "delete": lambda c, a: c.delete_network_connector(a),
    "versions": lambda c, a: drain(c.list_network_connector_versions(a)),
    "lookup": lambda c, a: c.lookup_network_connectors([a]).report(),
    "lookup_across": across,
    "wait active": lambda c, a: c.wait_until_network_connector_active(a),
    "wait updated": lambda c, a: c.wait_until_network_connector_updated(a),
    "wait deleted": lambda c, a: delete_then_wait(c, a),
    "wait for a model": lambda c, a: c.wait_until_network_connector_active(model(a)),
    "wait for an updated model": lambda c, a: c.wait_until_network_connector_updated(model(a)),
    "update and wait": lambda c, a: c.update_network_connector_and_wait(a, configuration=VPC),
    "delete and wait": lambda c, a: c.delete_network_connector_and_wait(a),
    "prune": lambda c, a: c.prune_network_connector_versions(a, keep=1),
}
#: Calls for what belongs to a runtime that is given by an ARN.
RUNTIME_CALLS: Final[dict[str, Call]] = {
    "get": lambda c, a: c.get_runtime(a),
    "update": lambda c, a: c.update_runtime(a, description="x"),
    "delete": lambda c, a: c.delete_runtime(a),
    "restore": lambda c, a: c.restore_runtime(a),
    "create version": lambda c, a: c.create_runtime_version(a, "image", "v"),
    "get version": lambda c, a: c.get_runtime_version(a, "v"),
    "versions": lambda c, a: drain(c.list_runtime_versions(a)),
    "create alias": lambda c, a: c.create_runtime_alias(a, "v", "live"),
    "aliases": lambda c, a: drain(c.list_runtime_aliases(a)),
    "wait version": lambda c, a: c.wait_until_runtime_version_active(a, "v"),
    "wait alias": lambda c, a: c.wait_until_runtime_alias_active(a, "live"),
}


def model(connector: str) -> NetworkConnector:
    return NetworkConnector(connector, "prod", "nc-1", version=2)


async def delete_then_wait(client: LambdaCoreClient, connector: str) -> None:
    await client.delete_network_connector(connector)
    await client.wait_until_network_connector_deleted(connector)


@pytest.mark.parametrize("region", [HOME, ELSEWHERE])
@pytest.mark.parametrize("name", CALLS)
async def test_an_arn_of_a_connector_goes_to_its_region(name: str, region: str) -> None:
    recorder = Recorder()
    await CALLS[name](client_of(recorder), arn(region))
    assert set(recorder.regions) == {(f"lambda.{region}.amazonaws.com", region)}


@pytest.mark.parametrize("region", [HOME, ELSEWHERE])
@pytest.mark.parametrize("name", RUNTIME_CALLS)
async def test_an_arn_of_a_runtime_goes_to_its_region(name: str, region: str) -> None:
    recorder = Recorder()
    await RUNTIME_CALLS[name](client_of(recorder), RUNTIME.format(region))
    assert set(recorder.regions) == {(f"lambda.{region}.amazonaws.com", region)}


@pytest.mark.parametrize(
    ("call", "identifier"),
    [
        *((call, arn(ELSEWHERE)) for call in CALLS.values()),
        *((call, RUNTIME.format(ELSEWHERE)) for call in RUNTIME_CALLS.values()),
    ],
)
async def test_a_custom_endpoint_gets_everything_signed_for_the_client_s_region(
    call: Call, identifier: str
) -> None:
    recorder = Recorder()
    await call(client_of(recorder, "https://localhost:1"), identifier)
    assert set(recorder.regions) == {("localhost:1", HOME)}


@pytest.mark.parametrize(
    ("call", "identifier", "parameter"),
    [
        *(
            (CALLS[name], arn("cn-north-1", partition="aws-cn"), "identifier")
            for name in CALLS
            if not name.startswith("lookup") and "model" not in name
        ),
        *(
            (call, RUNTIME.format("cn-north-1").replace("arn:aws:", "arn:aws-cn:"), "runtime_name")
            for call in RUNTIME_CALLS.values()
        ),
    ],
)
async def test_an_arn_of_another_partition_is_refused_by_name(
    call: Call, identifier: str, parameter: str
) -> None:
    recorder = Recorder()
    with pytest.raises(ParameterError, match="partition") as raised:
        await call(client_of(recorder), identifier)
    assert raised.value.parameter == parameter
    assert recorder.regions == []


async def test_every_target_gets_the_identifiers_that_were_given_at_the_start() -> None:
    client, names = client_of(Recorder()), ["a", "b"]
    run = client.lookup_across([Target(HOME), Target(ELSEWHERE)], names)
    names.clear()
    async with run:
        found = sorted([(target.region, lookup.identifier) async for target, lookup in run])
    assert found == [(ELSEWHERE, "a"), (ELSEWHERE, "b"), (HOME, "a"), (HOME, "b")]


async def test_a_connector_with_an_emulator_s_arn_is_polled_in_the_client_s_region() -> None:
    recorder = Recorder()
    foreign = model(arn("cn-north-1", partition="aws-cn"))
    await client_of(recorder).wait_until_network_connector_active(foreign)
    assert {region for _, region in recorder.regions} == {HOME}


class TwoRegions:
    """Two embedded services on one clock, one in each of two regions."""

    def __init__(self) -> None:
        self.home = World(deletion_seconds=20, provisioning_seconds=60)
        clock = self.home.clock
        there = LocalLambdaCore(
            region=ELSEWHERE,
            clock=clock.now,
            signature_clock=clock.now,
            credentials=CREDENTIALS,
            deletion_seconds=20,
            provisioning_seconds=60,
        )
        self.state = there.state
        self.calls = there._server.calls
        self._there = InProcess(there._server, clock)

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        side = self._there if ELSEWHERE in endpoint.host else self.home.transport
        return await side.send(endpoint, request, timeout)

    async def close(self) -> None:
        """See `Transport.close`."""

    def client(self) -> LambdaCoreClient:
        client = self.home.client()
        client._core = client._core.replace(transport=self)
        client._core.pipeline = Pipeline(client._core.shared, Settings(HOME))
        return client


async def test_deleting_by_an_arn_of_another_region_deletes_there() -> None:
    both = TwoRegions()
    both.home.state.put_network_connector("prod")
    there = both.state.put_network_connector("prod")
    await both.client().delete_network_connector_and_wait(there.arn)
    assert len(both.state.list_network_connectors()) == 0
    assert [each.name for each in both.home.state.list_network_connectors()] == ["prod"]
    assert both.home.calls == {}
    assert both.home.clock.monotonic() >= 20


async def test_a_deletion_elsewhere_is_not_taken_for_the_connector_of_that_name_at_home() -> None:
    both = TwoRegions()
    there = both.state.put_network_connector("prod")
    client = both.client()
    deleted = await client.delete_network_connector(there.arn)
    await client.wait_until_network_connector_deleted(deleted)
    assert both.home.clock.monotonic() >= 20


async def test_an_update_elsewhere_is_waited_for_there() -> None:
    both = TwoRegions()
    there = both.state.put_network_connector("prod", configuration=VPC)
    updated = await both.client().update_network_connector_and_wait(
        there.arn, configuration=evolve(VPC, subnet_ids=("subnet-b",))
    )
    assert (updated.arn, updated.last_update_status) == (there.arn, "Successful")
    assert both.home.calls == {}


async def test_old_versions_elsewhere_are_pruned_there() -> None:
    both = TwoRegions()
    there = both.state.put_network_connector("prod", configuration=VPC)
    both.state.update_network_connector("prod", configuration=evolve(VPC, subnet_ids=("subnet-b",)))
    both.home.clock.advance(100)
    deleted = await both.client().prune_network_connector_versions(there.arn, keep=1)
    assert [version.version for version in deleted] == [1]
    assert both.home.calls == {}


async def test_waiters_in_another_region_share_listings_there() -> None:
    both = TwoRegions()
    pending = NetworkConnectorState.PENDING
    there = [both.state.put_network_connector(f"c-{n}", state=pending).arn for n in range(100)]
    home = both.home.state.put_network_connector("home", state=pending)
    client = both.client()
    waits = (
        client.wait_until_network_connector_active(each, timeout=100) for each in (*there, home.id)
    )
    await asyncio.gather(*waits, return_exceptions=True)
    assert both.calls.keys() == {"ListNetworkConnectors"}
    assert both.home.calls.keys() == {"GetNetworkConnector"}
