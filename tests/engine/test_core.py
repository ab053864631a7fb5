"""The core: the region of each call."""

from __future__ import annotations

import pytest

from lambdacore_async import ConfigurationError, ParameterError
from lambdacore_async.engine.configuration import Options
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.pipeline import Pipeline, Settings
from support.leaks import CREDENTIALS
from support.transports import FakeTransport

OPERATION = "GetNetworkConnector"


def make(region: str, endpoint_url: str | None = None) -> Core:
    core = Core.of_client(Options(region), credentials=CREDENTIALS, transport=FakeTransport())
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
