"""The core: the region of each call."""

from __future__ import annotations

from typing import Any

import pytest

from lambdacore_async import (
    ClientStats,
    ConfigurationError,
    Credentials,
    LambdaCoreClient,
    ParameterError,
    RetryMode,
    Target,
)
from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.pipeline import Pipeline, Settings
from support.clocks import FakeClock
from support.leaks import CREDENTIALS
from support.transports import CONNECTOR, FakeTransport, refusal

OPERATION = "GetNetworkConnector"


def make(region: str, endpoint_url: str | None = None) -> Core:
    core = Core.of_client(ClientOptions(region, credentials=CREDENTIALS), transport=FakeTransport())
    core.pipeline = Pipeline(core.shared, Settings(region, endpoint_url))
    return core


def arn(region: str, partition: str = "aws", service: str = "lambda") -> str:
    return f"arn:{partition}:{service}:{region}:123456789012:network-connector:a"


@pytest.mark.parametrize(
    "identifier",
    [
        "prod-egress",
        "arn:aws",
        arn("us-east-1"),
        arn("eu-west-1", service="iam"),
        # The service explains what is wrong with these.
        arn(""),
        arn("eu west 1"),
        arn("evil.example/"),
    ],
)
async def test_identifiers_without_another_region_use_the_views_pipeline(identifier: str) -> None:
    core = make("us-east-1")
    assert await core.pipeline_of(identifier, OPERATION) is core.pipeline


@pytest.mark.parametrize(
    ("home", "partition", "other"),
    [
        ("us-east-1", "aws", "eu-west-1"),
        ("us-east-1", "aws", "xx-unheard-of-1"),
        ("cn-north-1", "aws-cn", "cn-northwest-1"),
        ("us-gov-west-1", "aws-us-gov", "us-gov-east-1"),
    ],
)
async def test_another_region_of_the_partition_has_its_own_pipeline_and_rate_limiter(
    home: str, partition: str, other: str
) -> None:
    core = make(home)
    elsewhere = await core.pipeline_of(arn(other, partition), OPERATION)
    assert elsewhere is await core.pipeline_of(arn(other, partition), OPERATION)
    assert elsewhere.shared is core.shared
    assert (await elsewhere.resolve_settings(OPERATION)).region == other
    assert len(core.shared.rate_limiters) == 2


@pytest.mark.parametrize(
    ("home", "identifier"),
    [
        ("us-east-1", arn("cn-north-1", "aws-cn")),
        ("us-east-1", arn("us-gov-west-1", "aws-us-gov")),
        ("cn-north-1", arn("us-east-1")),
        # The partition and the region of the ARN contradict each other.
        ("us-east-1", arn("cn-north-1")),
        ("us-east-1", arn("us-east-1", "aws-cn")),
        ("cn-north-1", arn("us-east-1", "aws-cn")),
        ("us-east-1", arn("us-east-1", "")),
    ],
)
async def test_another_partition_is_rejected_by_name(home: str, identifier: str) -> None:
    core = make(home)
    with pytest.raises(ParameterError, match="is not in the client's partition, aws") as raised:
        await core.pipeline_of(identifier, OPERATION)
    assert (raised.value.parameter, raised.value.operation) == ("identifier", OPERATION)


async def test_a_custom_endpoint_serves_all_regions() -> None:
    core = make("us-east-1", "https://localhost:1")
    assert await core.pipeline_of(arn("eu-west-1"), OPERATION) is core.pipeline


async def test_an_error_names_the_parameter_and_escapes_the_arn() -> None:
    core = make("us-east-1")
    with pytest.raises(ParameterError) as raised:
        await core.pipeline_of(arn("cn-north-1") + "\n" * 1000, OPERATION, "runtime_name")
    assert raised.value.parameter == "runtime_name"
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


async def test_unusable_settings_raise_the_same_error_as_a_call() -> None:
    core = make("")
    with pytest.raises(ConfigurationError) as raised:
        await core.pipeline_of(arn("us-east-1"), OPERATION)
    assert raised.value.operation == OPERATION


def client_of(transport: FakeTransport, region: str | None, **options: Any) -> LambdaCoreClient:
    return LambdaCoreClient.of_core(
        Core.of_client(
            ClientOptions(region, credentials=CREDENTIALS, **options),
            transport=transport,
            clock=FakeClock(),
        )
    )


async def test_the_statistics_of_a_region_count_the_calls_of_all_views() -> None:
    transport = FakeTransport(*[refusal("TooManyRequestsException", 429), CONNECTOR] * 2, CONNECTOR)
    client = client_of(transport, "us-east-1")
    assert client.stats() == ClientStats(
        region="us-east-1",
        rate=None,
        max_rate=None,
        in_flight=0,
        waiting=0,
        requests=0,
        throttles=0,
        pause=0.0,
    )
    await client.get_network_connector("prod-egress")
    await client.with_options(retry_mode="adaptive").get_network_connector("prod-egress")
    there = client.with_options(region="eu-west-1")
    await there.get_network_connector("prod-egress")
    stats = client.with_options(timeout=3).stats()
    assert (stats.region, stats.requests, stats.throttles) == ("us-east-1", 4, 2)
    assert stats.rate is not None
    assert stats == client.stats()
    elsewhere = there.stats()
    assert (elsewhere.region, elsewhere.requests, elsewhere.rate) == ("eu-west-1", 1, None)
    account = client.with_options(credentials=Credentials("other", "secret"))
    assert account.stats().requests == 0


async def test_the_statistics_name_the_region_of_the_environment_after_the_first_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    client = client_of(FakeTransport(CONNECTOR, CONNECTOR), None)
    assert (client.stats().region, client.stats().requests) == (None, 0)
    await client.with_options(region="eu-west-1").get_network_connector("prod-egress")
    assert client.stats().region is None
    await client.with_options(timeout=3).get_network_connector("prod-egress")
    assert (client.stats().region, client.stats().requests) == ("us-west-2", 1)


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
async def test_all_calls_in_a_region_share_the_maximum_rate(mode: RetryMode) -> None:
    transport = FakeTransport(*[CONNECTOR] * 40)
    client = client_of(transport, "us-east-1", max_rate=2)
    views = [client, client.with_options(retry_mode=mode), client.with_options(max_attempts=1)]
    for _ in range(7):
        for view in views:
            await view.get_network_connector("prod-egress")
    run = client.lookup_network_connectors(["prod-egress", "nc-1"])
    assert len((await run.report()).found) == 2
    assert client._core.clock.monotonic() == pytest.approx(22 / 2 - 0.1)
    assert client.stats().max_rate == 2
    other = client.with_options(region="eu-west-1")
    before = client._core.clock.monotonic()
    await other.get_network_connector("prod-egress")
    assert client._core.clock.monotonic() == before


@pytest.mark.parametrize(
    ("identifier", "endpoint_url", "elsewhere"),
    [
        ("prod-egress", None, False),
        (arn("us-east-1"), None, False),
        (arn(""), None, False),
        (arn("eu-west-1", service="iam"), None, False),
        (arn("eu-west-1"), None, True),
        (arn("eu-west-1"), "https://localhost:1", False),
    ],
)
async def test_an_arn_of_another_region_is_elsewhere(
    identifier: str, endpoint_url: str | None, elsewhere: bool
) -> None:
    assert make("us-east-1", endpoint_url).is_elsewhere(identifier) is elsewhere


async def test_a_run_has_at_most_as_many_lookups_as_the_client_has_connections() -> None:
    few = client_of(FakeTransport(), "us-east-1", max_connections=5)

    def across(concurrency: int | None) -> None:
        few.lookup_across([Target("us-east-1")], [], concurrency=concurrency)

    def look_up(concurrency: int | None) -> None:
        few.lookup_network_connectors([], concurrency=concurrency)

    for start in (across, look_up):
        start(None)
        start(5)
        with pytest.raises(ParameterError, match="max_connections, 5, got 6") as raised:
            start(6)
        assert raised.value.parameter == "concurrency"
