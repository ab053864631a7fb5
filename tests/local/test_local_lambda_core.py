from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.local import Limits, LocalLambdaCore
from lambdacore_async.protocol.sigv4 import Credentials


def test_the_constructor_does_no_io() -> None:
    aws = LocalLambdaCore(region="eu-west-1", account_id="999999999999")
    assert aws.region == "eu-west-1"
    assert aws.credentials.secret_access_key not in repr(aws.credentials)
    put = aws.state.put_network_connector("prod")
    assert put.arn == f"arn:aws:lambda:eu-west-1:999999999999:network-connector:{put.id}"
    for use in (lambda: aws.endpoint_url, aws.client):
        with pytest.raises(ConfigurationError, match="async with"):
            use()


def test_credentials_are_random_by_default() -> None:
    assert LocalLambdaCore().credentials != LocalLambdaCore().credentials
    given = Credentials("AKID", "secret")
    assert LocalLambdaCore(credentials=given).credentials is given


def test_bounds_are_checked() -> None:
    with pytest.raises(ParameterError):
        LocalLambdaCore(provisioning_seconds=-1)
    with pytest.raises(ParameterError):
        LocalLambdaCore(limits=Limits(runtimes=-1))


async def test_the_client_reaches_the_service() -> None:
    async with LocalLambdaCore() as aws, aws.client() as client:
        aws.state.put_network_connector("prod")
        connector = await client.get_network_connector("prod")
        assert connector == aws.state.get_network_connector("prod")
        assert aws.calls == {"GetNetworkConnector": 1}


async def test_further_credentials_can_be_accepted() -> None:
    expires = datetime.now(UTC) + timedelta(hours=1)
    temporary = Credentials("AKIDTEMPORARY", "secret", "token", expires)
    async with LocalLambdaCore() as aws, aws.client(credentials=temporary) as client:
        aws.state.put_network_connector("prod")
        aws.accept(temporary)
        assert (await client.get_network_connector("prod")).name == "prod"


async def test_the_state_outlives_the_server() -> None:
    aws = LocalLambdaCore()
    aws.state.put_network_connector("prod")
    for _ in range(2):
        async with aws, aws.client() as client:
            assert (await client.get_network_connector("prod")).state == "ACTIVE"
