from __future__ import annotations

import asyncio
import socket
import threading
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.local import AnsweredRequest, Limits, LocalLambdaCore
from lambdacore_async.local.faults import Reset, ServiceError
from lambdacore_async.protocol.sigv4 import Credentials
from support.aws_sdk import Sdk, SdkError


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


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


@pytest.mark.parametrize("token", [None, "the-token"])
async def test_the_environment_points_clients_to_the_service(
    monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    async with LocalLambdaCore(credentials=Credentials("AKID", "secret", token)) as aws:
        aws.state.put_network_connector("prod")
        monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        async with LambdaCoreClient() as client:
            assert (await client.get_network_connector("prod")).name == "prod"


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


def test_a_service_in_a_thread_serves_synchronous_code() -> None:
    with LocalLambdaCore().in_thread() as aws:
        aws.state.put_network_connector("prod")
        sdk = Sdk(aws.endpoint_url, aws.credentials, aws.region)
        assert sdk._call("GetNetworkConnector", {"Identifier": "prod"})["Name"] == "prod"
        sdk.close()
    with pytest.raises(ConfigurationError, match="not running"):
        _ = aws.endpoint_url


def test_a_service_in_a_thread_serves_one_event_loop_after_another() -> None:
    async def name() -> str:
        return (await client.get_network_connector("prod")).name

    with LocalLambdaCore().in_thread() as aws:
        aws.state.put_network_connector("prod")
        client = aws.client()
        assert [asyncio.run(name()), asyncio.run(name())] == ["prod", "prod"]


def test_a_service_in_a_thread_starts_again_after_an_error_of_the_test() -> None:
    service = LocalLambdaCore()
    with pytest.raises(ZeroDivisionError), service.in_thread():
        raise ZeroDivisionError
    with service.in_thread() as aws:
        assert aws.endpoint_url.startswith("http://127.0.0.1:")
    assert not [each for each in threading.enumerate() if each.name == "lambdacore-local"]


def test_a_port_in_use_leaves_no_thread() -> None:
    with LocalLambdaCore().in_thread() as aws:
        port = int(aws.endpoint_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), LocalLambdaCore(port=port).in_thread():
            pass
    assert not [each for each in threading.enumerate() if each.name == "lambdacore-local"]


def test_a_service_in_a_thread_cannot_be_started_twice() -> None:
    with (
        LocalLambdaCore().in_thread() as aws,
        pytest.raises(ConfigurationError, match="already running"),
        aws.in_thread(),
    ):
        pass


def test_the_state_can_be_changed_while_a_thread_serves_it() -> None:
    with LocalLambdaCore(limits=Limits(network_connectors=10_000)).in_thread() as aws:
        sdk, done = Sdk(aws.endpoint_url, aws.credentials, aws.region), threading.Event()

        def create() -> None:
            for number in range(5000):
                aws.state.put_network_connector(f"egress-{number}")
                if done.is_set():
                    return

        creator = threading.Thread(target=create)
        creator.start()
        try:
            for _ in range(20):
                sdk._call("ListNetworkConnectors", {})
        finally:
            done.set()
            creator.join()
            sdk.close()


def test_the_rate_limit_is_shared_by_all_clients() -> None:
    with LocalLambdaCore(rate_limit=(0.001, 3)).in_thread() as aws:
        aws.state.put_network_connector("prod")
        sdks = [Sdk(aws.endpoint_url, aws.credentials, aws.region) for _ in range(2)]
        for number in range(3):
            sdks[number % 2]._call("GetNetworkConnector", {"Identifier": "prod"})
        for sdk in sdks:
            with pytest.raises(SdkError) as raised:
                sdk._call("GetNetworkConnector", {"Identifier": "prod"})
            assert raised.value.code == "TooManyRequestsException"
        aws.faults.limit_rate(None)
        for sdk in sdks:
            sdk._call("GetNetworkConnector", {"Identifier": "prod"})
            sdk.close()


def test_a_service_on_all_interfaces_has_the_url_of_the_loopback_interface() -> None:
    with LocalLambdaCore(host="0.0.0.0").in_thread() as aws:  # noqa: S104
        assert aws.endpoint_url.startswith("http://127.0.0.1:")


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 on its loopback interface")
@pytest.mark.parametrize("host", ["::1", "::"])
async def test_a_service_listens_on_ipv6(host: str) -> None:
    async with LocalLambdaCore(host=host) as aws, aws.client() as client:
        aws.state.put_network_connector("prod")
        assert aws.endpoint_url.startswith("http://[::1]:")
        assert (await client.get_network_connector("prod")).name == "prod"


async def test_a_service_without_verification_accepts_any_credentials() -> None:
    unknown = Credentials("AKIDUNKNOWN", "secret")
    async with (
        LocalLambdaCore(verify_signatures=False) as aws,
        aws.client(credentials=unknown) as client,
    ):
        aws.state.put_network_connector("prod")
        assert (await client.get_network_connector("prod")).name == "prod"


async def test_each_response_is_reported() -> None:
    seen: list[AnsweredRequest] = []
    async with LocalLambdaCore(on_request=seen.append) as aws, aws.client() as client:
        aws.state.put_network_connector("prod")
        aws.faults.script(Reset(), ServiceError(503))
        await client.get_network_connector("prod")
    assert [(each.operation, each.status, each.fault) for each in seen] == [
        ("GetNetworkConnector", None, Reset()),
        ("GetNetworkConnector", 503, ServiceError(503)),
        ("GetNetworkConnector", 200, None),
    ]
    assert {(each.method, each.target) for each in seen} == {
        ("GET", "/2026-04-04/network-connectors/prod")
    }


async def test_a_health_check_needs_no_signature_and_is_no_request() -> None:
    seen: list[AnsweredRequest] = []
    async with LocalLambdaCore(on_request=seen.append) as aws, aiohttp.ClientSession() as session:
        aws.faults.script(ServiceError(503))
        async with session.get(f"{aws.endpoint_url}/_health") as response:
            assert (response.status, await response.json()) == (200, {"status": "running"})
        assert (seen, aws.calls, aws.faults.happened) == ([], {}, {})
