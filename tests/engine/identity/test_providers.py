"""The forms in which callers pass credentials."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from aws_requests_auth.aws_auth import AWSRequestsAuth

from lambdacore_async import (
    Credentials,
    LambdaCoreClient,
    ParameterError,
)
from lambdacore_async.engine.identity.providers import as_provider
from lambdacore_async.local import LocalLambdaCore
from support.leaks import CREDENTIALS, assert_no_secret


async def provide() -> Credentials:
    return CREDENTIALS


class Provider:
    async def __call__(self) -> Credentials:
        return CREDENTIALS


async def test_credentials_can_be_passed_in_several_forms() -> None:
    assert as_provider(CREDENTIALS) is CREDENTIALS
    assert as_provider(provide) is provide
    for provider in (as_provider(Provider()), as_provider(Provider().__call__)):
        assert not isinstance(provider, Credentials)
        assert await provider() is CREDENTIALS
    parts = ("AKIDEXAMPLE", "the-secret-key", "host", "us-east-1", "lambda")
    auth: Any = AWSRequestsAuth
    assert as_provider(auth(*parts, "the-session-token")) == CREDENTIALS
    assert as_provider(auth(*parts)) == Credentials("AKIDEXAMPLE", "the-secret-key")


async def test_a_mock_of_a_provider_is_a_provider() -> None:
    provider = mock.AsyncMock(return_value=CREDENTIALS)
    assert as_provider(provider) is provider


@pytest.mark.parametrize(
    "credentials",
    [
        {"AccessKeyId": "the-secret-key"},
        "the-secret-key",
        lambda: CREDENTIALS,
        1,
        True,
        Credentials,
        Provider,
        SimpleNamespace(aws_access_key=None, aws_secret_access_key=None),
    ],
)
def test_other_values_are_rejected_by_type_and_not_shown(credentials: Any) -> None:
    with pytest.raises(ParameterError, match="credentials: (a str )?must be") as caught:
        LambdaCoreClient("us-east-1", credentials=credentials)
    assert_no_secret(caught.value)


async def test_a_client_signs_with_the_credentials_of_a_provider() -> None:
    async with LocalLambdaCore() as aws:

        async def provide() -> Credentials:
            return aws.credentials

        async with LambdaCoreClient(
            aws.region, credentials=provide, endpoint_url=aws.endpoint_url
        ) as client:
            assert [connector async for connector in client.list_network_connectors()] == []
