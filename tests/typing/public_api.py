"""The public API as a type checker sees it: checked with the rest of the tests, never run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, assert_never, assert_type

from distributed import Client

from lambdacore_async import (
    ApiError,
    Attempt,
    CacheStats,
    Cause,
    ClientOptions,
    ClientStats,
    ComputeResourceType,
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    Credentials,
    Drift,
    DriftValue,
    ElasticIpConfiguration,
    ElasticIpType,
    Failed,
    Found,
    JSONValue,
    LambdaCoreClient,
    LambdaCoreError,
    Lookup,
    LookupReport,
    Lookups,
    MultiTargetRun,
    NetworkConnector,
    NetworkConnectorCache,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorVersionSummary,
    NetworkProtocol,
    Page,
    Pager,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    ResponseMetadata,
    RestoredRuntime,
    Runtime,
    RuntimeAlias,
    RuntimeReleaseLifecycle,
    RuntimeVersion,
    Sweep,
    Target,
    ThrottleReason,
    Timeout,
    TransportError,
    TransportTimeoutError,
    UnknownMember,
    UnknownValue,
    VpcEgressConfiguration,
    Wait,
    WaiterFailedError,
    __version__,
    diff_network_connector,
    from_dict,
    sweep,
    to_dict,
)
from lambdacore_async.local import LocalLambdaCore


def making_a_client(on_attempt: list[Attempt]) -> LambdaCoreClient:
    LambdaCoreClient()
    LambdaCoreClient("us-east-1", timeout=1.5)
    return LambdaCoreClient(
        "us-east-1",
        profile="work",
        credentials=Credentials("id", "secret", "token"),
        endpoint_url="https://lambda.example",
        allow_plain_http=False,
        use_fips_endpoint=False,
        use_dualstack_endpoint=False,
        retry_mode="adaptive",
        max_attempts=5,
        timeout=Timeout(connect=1, read=2, attempt=3, total=None),
        max_connections=10,
        max_rate=10,
        ca_bundle=Path("ca.pem"),
        trust_env=True,
        user_agent_extra="app/1",
        on_attempt=on_attempt.append,
    )


async def a_client_in_use(client: LambdaCoreClient) -> None:
    async with client as entered:
        assert_type(entered, LambdaCoreClient)
    assert_type(client.with_options(region="eu-north-1", timeout=2), LambdaCoreClient)
    assert_type(client.options, ClientOptions)
    assert_type(LambdaCoreClient.from_options(client.options), LambdaCoreClient)
    assert_type(client.stats(), ClientStats)
    assert_type(client.stats().rate, float | None)
    assert_type(await client.close(), None)


async def network_connectors(client: LambdaCoreClient, vpc: VpcEgressConfiguration) -> None:
    assert_type(
        await client.create_network_connector(
            "name", vpc, operator_role="arn", client_token="token", tags={"key": "value"}
        ),
        NetworkConnector,
    )
    assert_type(await client.get_network_connector("name"), NetworkConnector)
    assert_type(
        await client.update_network_connector("name", configuration=vpc, operator_role="arn"),
        NetworkConnector,
    )
    assert_type(await client.delete_network_connector("name"), NetworkConnector)
    waiting = client.wait_until_network_connector_active("name", timeout=1, poll_interval=0.5)
    assert_type(waiting, Wait[NetworkConnector])
    assert_type(waiting.token(), str)
    connector = await waiting
    assert_type(connector, NetworkConnector)
    assert_type(await client.wait_until_network_connector_active(connector), NetworkConnector)
    assert_type(await client.wait_until_network_connector_deleted(connector), None)
    assert_type(await client.wait_until_network_connector_updated(connector), NetworkConnector)
    assert_type(
        await client.wait_until_network_connector_updated("name", version=2), NetworkConnector
    )
    assert_type(await client.wait_until_network_connector_deleted("name", on_change=print), None)


async def provisioning(client: LambdaCoreClient, vpc: VpcEgressConfiguration) -> None:
    connector = await client.ensure_network_connector(
        "name", vpc, operator_role="arn", tags={"key": "value"}, timeout=60, on_change=print
    )
    assert_type(connector, NetworkConnector)
    assert_type(
        await client.update_network_connector_and_wait("name", configuration=vpc), NetworkConnector
    )
    assert_type(await client.delete_network_connector_and_wait("name"), None)
    assert_type(
        await client.prune_network_connector_versions("name", keep=5),
        tuple[NetworkConnectorVersionSummary, ...],
    )
    drifts = diff_network_connector(connector, vpc, operator_role="arn")
    assert_type(drifts, tuple[Drift, ...])
    for drift in drifts:
        assert_type(drift.field, str)
        assert_type(drift.actual, DriftValue)


def causes(error: WaiterFailedError) -> None:
    assert_type(error.last, NetworkConnector | RuntimeVersion | RuntimeAlias | None)
    assert_type(error.cause, Cause | None)


async def watch(client: LambdaCoreClient) -> None:
    async with client.watch_network_connectors() as changes:
        assert_type(changes.snapshot, tuple[NetworkConnectorSummary, ...])
        async for change in changes:
            match change:
                case ConnectorAdded(connector) | ConnectorDeleted(connector):
                    assert_type(connector, NetworkConnectorSummary)
                case ConnectorStateChanged(before, _) | ConnectorUpdated(before, _):
                    assert_type(before, NetworkConnectorSummary)
                case _:
                    assert_never(change)


async def cache(client: LambdaCoreClient) -> None:
    async with client.cached_network_connectors(max_age=1, stale_if_error=60) as cached:
        assert_type(cached, NetworkConnectorCache)
        assert_type(await cached.get("a"), NetworkConnector)
        assert_type(cached.peek("a"), NetworkConnector | None)
        assert_type(cached.all(), tuple[NetworkConnector, ...])
        assert_type((await cached.read("a")).age, float)
        assert_type(cached.stats(), CacheStats)
        async for change in cached.changes():
            match change:
                case ConnectorAdded(connector) | ConnectorDeleted(connector):
                    assert_type(connector, NetworkConnector)
                case ConnectorStateChanged(before, _) | ConnectorUpdated(before, _):
                    assert_type(before, NetworkConnector)
                case _:
                    assert_never(change)
    async with client.cache_across([Target("us-east-1")]) as caches:
        assert_type(caches[Target("us-east-1")], NetworkConnectorCache)
        async for target, _ in caches.changes():
            assert_type(target, Target)


async def runtime_waiters(client: LambdaCoreClient) -> None:
    assert_type(await client.wait_until_runtime_version_active("python", "v1"), RuntimeVersion)
    assert_type(await client.wait_until_runtime_alias_active("python", "live"), RuntimeAlias)


async def runtimes(client: LambdaCoreClient, lifecycle: RuntimeReleaseLifecycle) -> None:
    assert_type(await client.get_runtime("name"), Runtime)
    assert_type(await client.get_runtime_version("name", "version"), RuntimeVersion)
    assert_type(await client.get_runtime_alias("name", "alias"), RuntimeAlias)
    assert_type(await client.restore_runtime("name"), RestoredRuntime)
    assert_type(await client.delete_runtime("name"), None)
    assert_type(await client.delete_runtime_version("name", "version"), None)
    assert_type(await client.delete_runtime_alias("name", "alias"), None)
    assert_type(
        await client.update_runtime_alias(
            "name", "alias", runtime_version="version", release_lifecycle=lifecycle
        ),
        RuntimeAlias,
    )
    assert_type(client.list_runtimes(), Pager[Runtime])
    assert_type(client.list_runtime_versions("name"), Pager[RuntimeVersion])
    assert_type(client.list_runtime_aliases("name"), Pager[RuntimeAlias])


async def listings(client: LambdaCoreClient) -> None:
    connectors = client.list_network_connectors(
        state=NetworkConnectorState.ACTIVE, page_size=10, limit=100, prefetch=True
    )
    assert_type(client.list_network_connectors(state="ACTIVE"), Pager[NetworkConnectorSummary])
    client.list_network_connectors(state="ASLEEP")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    configuration = VpcEgressConfiguration(
        network_protocol="IPv4", associated_compute_resource_types=["MicroVm"]
    )
    assert_type(configuration.network_protocol, NetworkProtocol | UnknownValue | None)
    VpcEgressConfiguration(network_protocol="IPv9")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert_type(connectors, Pager[NetworkConnectorSummary])
    async for summary in connectors:
        assert_type(summary, NetworkConnectorSummary)
        assert_type(summary.type, NetworkConnectorType | UnknownValue)
    assert_type(connectors.by_page(), AsyncGenerator[Page[NetworkConnectorSummary], None])
    async for page in connectors.by_page(continuation_token="token"):
        assert_type(page.items, tuple[NetworkConnectorSummary, ...])
        assert_type(page.next_token, str | None)
        assert_type(page.response_metadata, ResponseMetadata | None)
        assert_type(len(page), int)
        for item in page:
            assert_type(item, NetworkConnectorSummary)
    versions = client.list_network_connector_versions("name", state=UnknownValue("NEW"))
    async for version in versions:
        assert_type(version, NetworkConnectorVersionSummary)


async def lookups(client: LambdaCoreClient, endless: AsyncIterator[str]) -> None:
    client.lookup_network_connectors({"a", "b"})
    client.lookup_network_connectors(iter(("a", "b")), deadline=1)
    run = client.lookup_network_connectors(endless, concurrency=8, deadline=1.5)
    assert_type(run, Lookups)
    async with run as entered:
        assert_type(entered, Lookups)
        async for lookup in run:
            assert_type(lookup, Found | Failed)
            print(outcome(lookup))
    report = await run.report()
    assert_type(report, LookupReport)
    assert_type(report.found, dict[str, NetworkConnector])
    assert_type(report.failed, dict[str, LambdaCoreError])
    assert_type(report.raise_for_failures(), None)


def outcome(lookup: Lookup) -> str:
    """Match both kinds of result exhaustively."""
    match lookup:
        case Found(identifier, connector):
            assert_type(connector, NetworkConnector)
            return identifier
        case Failed(identifier, error):
            assert_type(error, LambdaCoreError)
            return identifier
        case _:
            assert_never(lookup)


def subnets(configuration: NetworkConnectorConfiguration | None) -> tuple[str, ...]:
    """Match the union and `None` exhaustively."""
    match configuration:
        case VpcEgressConfiguration(subnet_ids=subnet_ids):
            assert_type(subnet_ids, tuple[str, ...] | None)
            return subnet_ids or ()
        case UnknownMember(tag=tag):
            return (tag,)
        case None:
            return ()
        case _:
            assert_never(configuration)


def usable(connector: NetworkConnector) -> bool:
    """Match an open enum and `None` exhaustively."""
    match connector.state:
        case NetworkConnectorState.ACTIVE:
            return True
        case NetworkConnectorState.PENDING | NetworkConnectorState.INACTIVE:
            return False
        case NetworkConnectorState.FAILED | NetworkConnectorState.DELETE_FAILED:
            return False
        case NetworkConnectorState.DELETING:
            return False
        case UnknownValue():
            return False
        case None:
            return False
        case _:
            assert_never(connector.state)


def members(connector: NetworkConnector, vpc: VpcEgressConfiguration) -> None:
    assert_type(connector.arn, str)
    assert_type(connector.version, int | None)
    assert_type(connector.configuration, VpcEgressConfiguration | UnknownMember | None)
    assert_type(connector.state, NetworkConnectorState | UnknownValue | None)
    assert_type(connector.state_reason_code, NetworkConnectorStateReasonCode | UnknownValue | None)
    assert_type(
        connector.last_update_status, NetworkConnectorLastUpdateStatus | UnknownValue | None
    )
    assert_type(connector.last_modified, datetime | None)
    assert_type(connector.response_metadata, ResponseMetadata | None)
    assert_type(vpc.network_protocol, NetworkProtocol | UnknownValue | None)
    assert_type(
        vpc.associated_compute_resource_types,
        tuple[ComputeResourceType | UnknownValue, ...] | None,
    )
    assert_type(vpc.elastic_ip_configuration, ElasticIpConfiguration | None)


def making_a_configuration() -> VpcEgressConfiguration:
    """Pass lists as any iterable."""
    VpcEgressConfiguration(("subnet-1",), (f"sg-{number}" for number in range(3)))
    return VpcEgressConfiguration(
        subnet_ids=["subnet-1"],
        security_group_ids={"sg-1"},
        network_protocol=NetworkProtocol.IPV4,
        associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
        elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED),
    )


def as_data(data: Mapping[str, Any], connector: NetworkConnector) -> None:
    assert_type(to_dict(connector), dict[str, JSONValue])
    assert_type(from_dict(NetworkConnector, data), NetworkConnector)
    assert_type(from_dict(Runtime, to_dict(connector)), Runtime)
    assert_type(
        from_dict(NetworkConnectorConfiguration, data), VpcEgressConfiguration | UnknownMember
    )
    assert_type(from_dict(VpcEgressConfiguration, data), VpcEgressConfiguration)
    # Other unions are not accepted.
    from_dict(NetworkConnector | Runtime, data)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]
    from_dict(int | str, data)  # type: ignore[arg-type] # pyright: ignore[reportCallIssue, reportArgumentType]


def errors(
    api: ApiError, response: ResponseError, transport: TransportError, parameter: ParameterError
) -> None:
    root: LambdaCoreError = ResourceNotFoundException("gone")
    assert_type(root.operation, str | None)
    assert_type(root.attempts, int)
    assert_type(root.retry_after, float | None)
    assert_type(api.code, str)
    assert_type(api.message, str)
    assert_type(api.status_code, int)
    assert_type(api.request_id, str | None)
    assert_type(api.fault, str | None)
    assert_type(api.reason, ThrottleReason | str | None)
    assert_type(response.status_code, int)
    assert_type(response.body_start, bytes)
    assert_type(transport.not_executed, bool)
    assert_type(parameter.parameter, str)
    value_error: ValueError = parameter
    timeout: TimeoutError = TransportTimeoutError("late")
    print(value_error, timeout)


def attempts(attempt: Attempt) -> None:
    assert_type(attempt.operation, str)
    assert_type(attempt.number, int)
    assert_type(attempt.status, int | None)
    assert_type(attempt.seconds, float)
    assert_type(attempt.error, LambdaCoreError | None)
    assert_type(attempt.delay, float | None)


async def the_embedded_service() -> None:
    async with LocalLambdaCore(region="eu-north-1", provisioning_seconds=1) as service:
        assert_type(service, LocalLambdaCore)
        assert_type(service.endpoint_url, str)
        assert_type(service.region, str)
        assert_type(service.credentials, Credentials)
        assert_type(service.client(timeout=1, max_attempts=1), LambdaCoreClient)
        service.client(max_attempts="1")  # type: ignore[arg-type] # the options are known
        assert_type(service.state.put_network_connector("name"), NetworkConnector)


async def many_accounts(client: LambdaCoreClient) -> None:
    targets = [Target("us-east-1"), Target("eu-west-1", Credentials("a", "b"), label="theirs")]
    async with client.lookup_across(targets, ["a"], concurrency=1, targets_at_once=1) as run:
        async for target, lookup in run:
            assert_type(target, Target)
            assert_type(lookup, Found | Failed)
    listing = client.list_across(targets, LambdaCoreClient.list_network_connectors)
    assert_type(listing, MultiTargetRun[NetworkConnectorSummary | LambdaCoreError])
    async with client.list_across(targets, lambda view: view.list_runtimes(page_size=1)) as items:
        assert_type(items, MultiTargetRun[Runtime | LambdaCoreError])


async def sweeps(client: LambdaCoreClient, dask: Client) -> None:
    targets = [Target("us-east-1"), Target("eu-west-1", label="theirs")]
    async with sweep(targets, LambdaCoreClient.list_network_connectors, on=client) as run:
        assert_type(run, Sweep[tuple[NetworkConnectorSummary, ...]])

    async def work(view: LambdaCoreClient) -> int:
        return len([each async for each in view.list_network_connectors()])

    async with sweep(targets, work, on=dask, options=client.options, checkpoint=Path()) as counts:
        async for target, count in counts:
            assert_type(target, Target)
            assert_type(count, int | LambdaCoreError)
    sweep(targets, lambda view: view.lookup_network_connectors(["a"]).report(), on=client)
    sweep(targets, lambda view: view.options, on=client)  # type: ignore[arg-type, return-value] # no work


version: str = __version__
