"""One client for many regions and accounts, and on machines set up in many ways."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from lambdacore_async import (
    ApiError,
    Attempt,
    ConfigurationError,
    Credentials,
    Failed,
    Found,
    LambdaCoreClient,
    ParameterError,
    ResourceNotFoundException,
    Target,
)
from lambdacore_async.local import LocalLambdaCore
from support.certificates import self_signed, server_context, trusting_context
from support.leaks import CREDENTIALS, assert_no_secret, other_tasks
from support.wire import http, wire

CONNECTOR = http(b'{"Arn": "arn:aws:x", "Id": "nc-1", "Name": "a"}')
OTHER = Credentials("AKIDOTHER", "another-secret-key")


def arn(region: str, name: str = "a", partition: str = "aws") -> str:
    return f"arn:{partition}:lambda:{region}:123456789012:network-connector:{name}"


@pytest.fixture
async def aws() -> AsyncIterator[LocalLambdaCore]:
    async with LocalLambdaCore() as service:
        service.state.put_network_connector("a")
        yield service


# The machine


async def test_region_endpoint_and_retries_come_from_a_profile(
    aws: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text(
        "[profile local]\n"
        f"region = {aws.region}\nendpoint_url = {aws.endpoint_url}\nmax_attempts = 5\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    async with LambdaCoreClient(profile="local", credentials=aws.credentials) as client:
        assert (await client.get_network_connector("a")).name == "a"
        assert (await client.with_options(timeout=60).get_network_connector("a")).name == "a"
    assert client._pipeline.settings.policy.max_attempts == 5
    async with LambdaCoreClient(profile="gone", credentials=aws.credentials) as client:
        with pytest.raises(ConfigurationError, match=r"^GetNetworkConnector: .*'gone'"):
            await client.get_network_connector("a")
    assert aws.calls.total() == 2


async def test_plain_http_to_other_machines_must_be_asked_for(aws: LocalLambdaCore) -> None:
    url = "http://10.255.255.1"
    async with aws.client(endpoint_url=url) as client:
        with pytest.raises(ConfigurationError, match="unless allow_plain_http is set"):
            await client.get_network_connector("a")
    async with aws.client(endpoint_url=url, allow_plain_http=True) as client:
        assert (await client._pipeline.resolve_settings("x")).allow_plain_http


async def test_a_ca_bundle_is_all_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(self_signed().certificate)
    async with wire(*[[CONNECTOR]] * 2, tls=server_context()) as peer:
        url = peer.endpoint.url
        async with LambdaCoreClient(
            "us-east-1", credentials=CREDENTIALS, endpoint_url=url, ca_bundle=bundle
        ) as client:
            await client.get_network_connector("a")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
        async with LambdaCoreClient(
            "us-east-1", credentials=CREDENTIALS, endpoint_url=url
        ) as client:
            await client.get_network_connector("a")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "gone.pem"))
        async with LambdaCoreClient(
            "us-east-1", credentials=CREDENTIALS, endpoint_url=url
        ) as client:
            with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE: '.*gone\.pem': No such"):
                await client.get_network_connector("a")
    assert len(peer.requests) == 2


async def test_a_session_of_the_callers_own_has_its_own_certificates_and_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/no/such/file")
    connector = aiohttp.TCPConnector(ssl=trusting_context(), limit=1)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        wire([CONNECTOR], tls=server_context()) as peer,
    ):
        async with LambdaCoreClient(
            "us-east-1",
            credentials=CREDENTIALS,
            endpoint_url=peer.endpoint.url,
            http_session=session,
        ) as client:
            await client.get_network_connector("a")
        assert not session.closed
        with pytest.raises(ParameterError, match="^ca_bundle: "):
            LambdaCoreClient("us-east-1", http_session=session, ca_bundle="ca.pem")
        with pytest.raises(ParameterError, match="^trust_env: "):
            LambdaCoreClient("us-east-1", http_session=session, trust_env=True)


async def test_the_application_and_where_it_runs_are_in_the_user_agent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "orders\r\nx-forged: 1")
    monkeypatch.setenv("AWS_EXECUTION_ENV", "AWS_Lambda_python3.13")
    async with wire([CONNECTOR], [CONNECTOR]) as peer:
        async with LambdaCoreClient(
            "us-east-1", credentials=CREDENTIALS, endpoint_url=peer.endpoint.url,
            user_agent_extra="lib/x#1",
        ) as client:  # fmt: skip
            await client.get_network_connector("a")
            await client.with_options(retry_mode="adaptive").get_network_connector("a")
        for index, mode in enumerate(("standard", "adaptive")):
            assert peer.headers(index)["user-agent"].endswith(
                " exec-env/AWS_Lambda_python3.13"
                f" cfg/retry-mode#{mode} app/orders--x-forged--1 lib/x#1"
            )


# Many regions


async def test_a_custom_endpoint_gets_all_arns_of_its_partition(aws: LocalLambdaCore) -> None:
    attempts: list[Attempt] = []
    identifiers = ["a", arn("us-east-1"), arn("eu-west-1"), arn("cn-north-1", partition="aws-cn")]
    async with aws.client(on_attempt=attempts.append) as client:
        report = await client.lookup_network_connectors(identifiers).report()
        with pytest.raises(ResourceNotFoundException):
            await client.get_network_connector(identifiers[2])
        with pytest.raises(ParameterError):
            await client.get_network_connector(identifiers[3])
    assert list(report.found) == identifiers[:2]
    elsewhere, foreign = report.failed.values()
    # The signature is for the client's own region, and so accepted.
    assert isinstance(elsewhere, ResourceNotFoundException)
    assert isinstance(foreign, ParameterError)
    assert (foreign.parameter, foreign.attempts) == ("identifier", 0)
    assert len(attempts) == 4


# Many accounts


@pytest.fixture
async def others() -> AsyncIterator[LocalLambdaCore]:
    async with LocalLambdaCore(region="eu-west-1") as service:
        service.state.put_network_connector("b")
        yield service


def targets(service: LocalLambdaCore) -> list[Target]:
    return [
        Target(service.region, label="mine"),
        Target(service.region, OTHER, "theirs"),
        Target("eu-west-1", label="elsewhere"),
    ]


async def test_lookups_across_targets_yield_one_result_for_each_pair(aws: LocalLambdaCore) -> None:
    aws.accept(OTHER)
    seen: dict[tuple[str | None, str], Found | Failed] = {}
    async with aws.client() as client:
        run = client.lookup_across(targets(aws), ["a", "gone", "a"], concurrency=2)
        async with run:
            async for target, lookup in run:
                assert (target.label, lookup.identifier) not in seen
                seen[target.label, lookup.identifier] = lookup
    assert len(seen) == 6
    for label in ("mine", "theirs"):
        assert isinstance(seen[label, "a"], Found)
        assert isinstance(seen[label, "gone"], Failed)
    for identifier in ("a", "gone"):
        lookup = seen["elsewhere", identifier]
        assert isinstance(lookup, Failed)
        assert isinstance(lookup.error, ApiError)
        assert "valid region" in lookup.error.message


async def test_a_target_without_credentials_fails_by_itself(
    aws: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    where = [Target(aws.region, label="nobody"), Target(aws.region, aws.credentials, "mine")]
    async with aws.client(credentials=None) as client:
        identifiers = ["a", *(f"x-{number}" for number in range(20))]
        async with client.lookup_across(where, identifiers) as run:
            results = [(target.label, lookup) async for target, lookup in run]
        async with client.list_across(where, LambdaCoreClient.list_network_connectors) as listed:
            items = [(target.label, type(item).__name__) async for target, item in listed]
    nobody = [lookup for label, lookup in results if label == "nobody"]
    assert {lookup.identifier for lookup in nobody} == set(identifiers)
    for lookup in nobody:
        assert isinstance(lookup, Failed)
        assert "no credentials" in str(lookup.error)
    assert len(results) == 42
    assert sorted(items) == [("mine", "NetworkConnectorSummary"), ("nobody", "CredentialsError")]


async def test_listings_across_targets_yield_items_and_one_error_a_target(
    aws: LocalLambdaCore,
) -> None:
    for number in range(7):
        aws.state.put_network_connector(f"n-{number}")
    async with aws.client() as client:
        run = client.list_across(
            targets(aws),
            lambda view: view.list_network_connectors(max_items=3, prefetch=True),
            targets_at_once=2,
        )
        async with run:
            items = [(target.label, item) async for target, item in run]
    assert len([item for label, item in items if label == "mine"]) == 8
    errors = [(label, item) for label, item in items if isinstance(item, ApiError)]
    assert sorted(label or "" for label, _ in errors) == ["elsewhere", "theirs"]


async def test_any_iterable_may_be_a_listing(aws: LocalLambdaCore) -> None:
    class Once:
        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    async with aws.client() as client, client.list_across(targets(aws), lambda _: Once()) as run:
        assert [pair async for pair in run] == []


async def test_views_with_equal_credentials_share_pace_and_quota_and_no_others_do(
    aws: LocalLambdaCore,
) -> None:
    async with aws.client() as client:
        same = client.with_options(credentials=aws.credentials)
        one = client.with_options(credentials=OTHER, region="eu-west-1")
        two = one.with_options(credentials=Credentials(OTHER.access_key_id, "another-secret-key"))
        mine, theirs = client._pipeline.shared, one._pipeline.shared
        assert same._pipeline.shared is mine
        assert two._pipeline.shared is theirs
        assert theirs.transport is mine.transport
        assert theirs.rate_limiters is not mine.rate_limiters
        assert theirs.quota is not mine.quota
        assert len(client._accounts) == 2
        del one, two, theirs
        gc.collect()
        assert len(client._accounts) == 1


async def test_a_provider_is_asked_once_for_all_views_that_use_it(aws: LocalLambdaCore) -> None:
    asked = 0

    async def provide() -> Credentials:
        nonlocal asked
        asked += 1
        return aws.credentials

    where = [Target(aws.region, provide, label=str(number)) for number in range(5)]
    async with aws.client(credentials=OTHER) as client:
        first = client.with_options(credentials=provide)
        async with first.lookup_across(where, ["a"]) as run:
            assert [type(lookup) async for _, lookup in run] == [Found] * 5
        with pytest.raises(ParameterError, match="^credentials: "):
            client.with_options(credentials="AKIDEXAMPLE")  # type: ignore[arg-type] # as it says
    assert asked == 1


async def test_leaving_a_run_early_leaves_nothing_behind(aws: LocalLambdaCore) -> None:
    async with aws.client() as client:
        async with client.lookup_across(targets(aws) * 20, ["a", "b", "c"]) as run:
            await anext(run)
        async with client.list_across(
            targets(aws) * 20, LambdaCoreClient.list_network_connectors
        ) as run_of_lists:
            await anext(run_of_lists)
        await asyncio.sleep(0)
        assert not {task for task in other_tasks() if "_go" in repr(task) or "_work" in repr(task)}


async def test_secrets_are_in_no_text_of_targets_and_views() -> None:
    target = Target("us-east-1", CREDENTIALS, "prod")
    async with LambdaCoreClient("us-east-1", credentials=CREDENTIALS) as client:
        view = client.with_options(credentials=CREDENTIALS)
        assert_no_secret(target, client, view, view._pipeline.shared, view._pipeline.settings)


@pytest.mark.parametrize("region", ["", "us east", None, 3])
def test_a_target_is_in_a_region(region: str) -> None:
    with pytest.raises(ParameterError, match="^region: "):
        Target(region)


@pytest.mark.parametrize("option", ["concurrency", "targets_at_once"])
async def test_a_run_over_targets_has_bounds(aws: LocalLambdaCore, option: str) -> None:
    async with aws.client() as client:
        with pytest.raises(ParameterError, match=f"^{option}: "):
            client.lookup_across(targets(aws), ["a"], **{option: 0})
        with pytest.raises(ParameterError, match="^identifiers: "):
            client.lookup_across(targets(aws), "a")
