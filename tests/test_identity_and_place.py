"""Settings, regions and accounts of a client, through its public API."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import aiohttp
import pytest
from attrs import evolve
from yarl import URL

from lambdacore_async import (
    ApiError,
    Attempt,
    ConfigurationError,
    Credentials,
    CredentialsError,
    Failed,
    Found,
    LambdaCoreClient,
    ParameterError,
    ResourceNotFoundException,
    Target,
)
from lambdacore_async.engine import core
from lambdacore_async.engine.identity.providers import CredentialsLike
from lambdacore_async.local import LocalLambdaCore
from support.certificates import authority_pem, server_context, trusting_context
from support.clocks import FakeClock
from support.leaks import (
    CREDENTIALS,
    assert_no_secret,
    assert_no_secret_in_frames,
    other_tasks,
    settle,
)
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


# Settings of the machine


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
    assert client._core.pipeline.settings.policy.max_attempts == 5
    async with LambdaCoreClient(profile="gone", credentials=aws.credentials) as client:
        with pytest.raises(ConfigurationError, match=r"^GetNetworkConnector: .*'gone'"):
            await client.get_network_connector("a")
    assert aws.calls.total() == 2


async def test_no_set_up_error_has_a_secret_in_a_local_variable(
    aws: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = "aws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = the-secret-key\n"
    (tmp_path / "credentials").write_text(f"[dev]\n{keys}[bad]\n{keys.replace('-key', '- key')}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-secret-token")
    for profile, kind in (("gone", ConfigurationError), ("bad", CredentialsError)):
        async with aws.client(profile=profile, credentials=None) as client:
            with pytest.raises(kind) as caught:
                await client.get_network_connector("a")
        assert_no_secret(caught.value)
        assert_no_secret_in_frames(caught.value, "the-secret")


#: Names and invalid values of arguments; the constructor and `with_options` reject them.
WRONG: list[tuple[str, object]] = [
    ("region", 5),
    ("region", "us east"),
    ("profile", 5),
    ("credentials", "AKIDEXAMPLE"),
    ("credentials", {"AccessKeyId": "AKIDEXAMPLE"}),
    ("endpoint_url", 5),
    ("endpoint_url", b"http://localhost"),
    ("allow_plain_http", "no"),
    ("use_fips_endpoint", "true"),
    ("use_dualstack_endpoint", 0),
    ("retry_mode", 5),
    ("retry_mode", "legacy"),
    ("max_attempts", "3"),
    ("max_attempts", True),
    ("timeout", "5"),
    ("timeout", True),
    ("ca_bundle", 5),
    ("ca_bundle", False),
    ("trust_env", "no"),
    ("user_agent_extra", 5),
    ("user_agent_extra", "a\r\nx-forged: 1"),
    ("on_attempt", 5),
    ("on_attempt", mock.AsyncMock()),
    ("on_attempt", partial(asyncio.sleep, 1)),
]
OF_VIEWS = ("region", "credentials", "timeout", "retry_mode", "max_attempts")


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_argument_of_a_wrong_type_is_rejected_by_name(name: str, value: object) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(ParameterError) as caught:
        LambdaCoreClient(**wrong)
    assert caught.value.parameter == name
    if name in OF_VIEWS:
        with pytest.raises(ParameterError) as caught:
            LambdaCoreClient("us-east-1").with_options(**wrong)
        assert caught.value.parameter == name


async def test_a_url_object_can_be_an_endpoint(aws: LocalLambdaCore) -> None:
    async with LambdaCoreClient(
        aws.region, credentials=aws.credentials, endpoint_url=URL(aws.endpoint_url)
    ) as client:
        assert (await client.get_network_connector("a")).name == "a"


async def test_an_empty_profile_counts_as_none(
    aws: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.credentials.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.credentials.secret_access_key)
    async with aws.client(profile="", credentials=None) as client:
        assert (await client.get_network_connector("a")).name == "a"


async def test_plain_http_to_other_machines_must_be_allowed(aws: LocalLambdaCore) -> None:
    url = "http://10.255.255.1"
    async with aws.client(endpoint_url=url) as client:
        with pytest.raises(ConfigurationError, match="or allow_plain_http$"):
            await client.get_network_connector("a")
    async with aws.client(endpoint_url=url, allow_plain_http=True) as client:
        assert (await client._core.pipeline.resolve_settings("x")).endpoint_url == url


async def test_a_ca_bundle_replaces_the_trusted_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(authority_pem())
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


@pytest.mark.parametrize("way", ["argument", "variable", "profile", "with a session", "none"])
async def test_a_ca_bundle_applies_to_container_credentials(
    aws: LocalLambdaCore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text(authority_pem())
    keys = {
        "AccessKeyId": aws.credentials.access_key_id,
        "SecretAccessKey": aws.credentials.secret_access_key,
        "Token": "made-up",
        "Expiration": "2999-11-24T18:00:00Z",
    }
    if way == "profile":
        (tmp_path / "config").write_text(f"[default]\nca_bundle = {bundle}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if way in ("variable", "with a session"):
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    given: dict[str, Any] = {"ca_bundle": bundle} if way == "argument" else {}
    async with (
        aiohttp.ClientSession() as session,
        wire(*[[http(json.dumps(keys).encode())]] * 3, tls=server_context()) as peer,
    ):
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", peer.endpoint.url)
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # it is not for these services
        if way == "with a session":
            given["http_session"] = session
        async with LambdaCoreClient(aws.region, endpoint_url=aws.endpoint_url, **given) as client:
            client._core.pipeline.shared.credentials._provider._clock = FakeClock()  # type: ignore[union-attr] # the chain
            found = client._core.pipeline.shared.credentials.get()
            await client._core.pipeline.resolve_settings("GetNetworkConnector")
            if way == "none":
                with pytest.raises(CredentialsError, match="the container's .*: TLS failed"):
                    await found
            else:
                assert (await found).access_key_id == aws.credentials.access_key_id


async def test_a_callers_session_keeps_its_certificates_and_stays_open(
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


async def test_the_user_agent_has_the_application_and_the_execution_environment(
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


async def test_a_custom_endpoint_receives_all_arns_of_its_partition(aws: LocalLambdaCore) -> None:
    attempts: list[Attempt] = []
    here = aws.state.get_network_connector("a").arn
    identifiers = ["a", here, arn("eu-west-1"), arn("cn-north-1", partition="aws-cn")]
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


async def test_a_target_without_credentials_does_not_affect_others(
    aws: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    where = [Target(aws.region, label="missing"), Target(aws.region, aws.credentials, "mine")]
    async with aws.client(credentials=None) as client:
        identifiers = ["a", *(f"x-{number}" for number in range(20))]
        async with client.lookup_across(where, identifiers) as run:
            results = [(target.label, lookup) async for target, lookup in run]
        async with client.list_across(where, LambdaCoreClient.list_network_connectors) as listed:
            items = [(target.label, type(item).__name__) async for target, item in listed]
    missing = [lookup for label, lookup in results if label == "missing"]
    assert {lookup.identifier for lookup in missing} == set(identifiers)
    for lookup in missing:
        assert isinstance(lookup, Failed)
        assert "no credentials" in str(lookup.error)
    assert len(results) == 42
    assert sorted(items) == [("mine", "NetworkConnectorSummary"), ("missing", "CredentialsError")]


async def test_listings_across_targets_yield_items_and_one_error_a_target(
    aws: LocalLambdaCore,
) -> None:
    for number in range(7):
        aws.state.put_network_connector(f"n-{number}")
    async with aws.client() as client:
        run = client.list_across(
            targets(aws),
            lambda view: view.list_network_connectors(page_size=3, prefetch=True),
            targets_at_once=2,
        )
        async with run:
            items = [(target.label, item) async for target, item in run]
    assert len([item for label, item in items if label == "mine"]) == 8
    errors = [(label, item) for label, item in items if isinstance(item, ApiError)]
    assert sorted(label or "" for label, _ in errors) == ["elsewhere", "theirs"]


async def test_any_async_iterable_can_be_a_listing(aws: LocalLambdaCore) -> None:
    class Once:
        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    async with aws.client() as client, client.list_across(targets(aws), lambda _: Once()) as run:
        assert [pair async for pair in run] == []


async def test_only_views_with_equal_credentials_share_rate_limiters_and_quota(
    aws: LocalLambdaCore,
) -> None:
    async with aws.client() as client:
        same = client.with_options(credentials=aws.credentials)
        one = client.with_options(credentials=OTHER, region="eu-west-1")
        two = one.with_options(credentials=Credentials(OTHER.access_key_id, "another-secret-key"))
        mine, theirs = client._core.pipeline.shared, one._core.pipeline.shared
        assert same._core.pipeline.shared is mine
        assert two._core.pipeline.shared is theirs
        assert theirs.transport is mine.transport
        assert theirs.rate_limiters is not mine.rate_limiters
        assert theirs.quota is not mine.quota


class Auth:
    """An object of aws-requests-auth that gets its keys from botocore."""

    aws_access_key = aws_secret_access_key = aws_token = None

    def __init__(self, credentials: Credentials) -> None:
        self.calls = 0
        self._refreshable_credentials = self
        self._keys = SimpleNamespace(
            access_key=credentials.access_key_id,
            secret_key=credentials.secret_access_key,
            token=credentials.session_token,
        )

    def get_frozen_credentials(self) -> object:
        self.calls += 1
        return self._keys


@dataclass  # equal to others, and so without a hash
class Vault:
    """Returns credentials from a method, and when called."""

    credentials: Credentials
    calls: int = 0

    async def __call__(self) -> Credentials:
        self.calls += 1
        return self.credentials

    async def get(self, *_account: object, **_options: object) -> Credentials:
        return await self()


#: Forms of credentials that are created for each view, and equal each time.
SAME: dict[str, Callable[[Vault], CredentialsLike]] = {
    "a bound method": lambda vault: vault.get,
    "an object without a hash": lambda vault: vault,
    "a part of a function": lambda vault: partial(vault.get, "orders", region="x", fips=True),
    "a part of an object without a hash": lambda vault: partial(vault),
}


@pytest.mark.parametrize("form", SAME)
async def test_equal_providers_share_one_account(aws: LocalLambdaCore, form: str) -> None:
    vault = Vault(aws.credentials)
    where = [Target(aws.region, SAME[form](vault)) for _ in range(10)]
    async with aws.client(credentials=OTHER) as client:
        async with client.lookup_across(where, ["a"]) as run:
            assert [type(lookup) async for _, lookup in run] == [Found] * 10
        views = [client.with_options(credentials=SAME[form](vault)) for _ in range(10)]
        assert len({id(view._core.pipeline.shared) for view in views}) == 1
        assert views[0]._core.pipeline.shared is not client._core.pipeline.shared
    assert vault.calls == 1


async def test_views_with_one_auth_object_share_rate_limiters_and_quota(
    aws: LocalLambdaCore,
) -> None:
    auth: Any = Auth(aws.credentials)
    async with aws.client(credentials=OTHER) as client:
        views = [client.with_options(credentials=auth) for _ in range(10)]
        assert len({id(view._core.pipeline.shared) for view in views}) == 1
        for view in views:
            await view.get_network_connector("a")
    assert auth.calls == 1


async def test_unequal_providers_share_nothing(aws: LocalLambdaCore) -> None:
    vaults = [Vault(aws.credentials), Vault(aws.credentials)]
    assert vaults[0] == vaults[1]
    calls = [partial(vaults[0].get, name) for name in ("a", "b")]
    unhashable = [partial(vaults[0].get, [name]) for name in ("a", "b")]
    providers: list[CredentialsLike] = [*vaults, *calls, *unhashable]
    async with aws.client(credentials=OTHER) as client:
        views = [client.with_options(credentials=provider) for provider in providers]
        assert len({id(view._core.pipeline.shared) for view in views}) == 6


async def test_views_created_for_each_call_reuse_the_credentials_of_a_provider(
    aws: LocalLambdaCore,
) -> None:
    vault = Vault(evolve(aws.credentials, expires_at=datetime.now(UTC) + timedelta(hours=1)))
    async with aws.client(credentials=OTHER) as client:
        for _ in range(5):
            await client.with_options(credentials=vault.get).get_network_connector("a")
            gc.collect()
    assert vault.calls == 1


async def test_a_new_provider_is_not_mistaken_for_a_deleted_one(
    aws: LocalLambdaCore,
) -> None:
    calls = 0

    def made() -> Callable[[], Awaitable[Credentials]]:
        async def provide() -> Credentials:
            nonlocal calls
            calls += 1
            return aws.credentials

        return provide

    async with aws.client(credentials=OTHER) as client:
        for _ in range(20):
            await client.with_options(credentials=made()).get_network_connector("a")
            gc.collect()
    assert calls == 20


async def test_the_latest_accounts_and_those_in_use_are_remembered(
    aws: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core, "_REMEMBERED", 3)
    vaults = [Vault(aws.credentials) for _ in range(5)]
    async with aws.client(credentials=OTHER) as client:
        own = client._core.pipeline.shared
        in_use = client.with_options(credentials=vaults[0])
        for vault in vaults * 2:
            await client.with_options(credentials=vault).get_network_connector("a")
        gc.collect()
        assert len(client._core._accounts._latest) == 3
        # Three, the client's, and the one in use.
        assert len(client._core._accounts._known) == 5
        assert [vault.calls for vault in vaults] == [1, 2, 2, 2, 2]
        again = client.with_options(credentials=vaults[0])
        assert again._core.pipeline.shared is in_use._core.pipeline.shared
        assert client.with_options(credentials=OTHER)._core.pipeline.shared is own


async def test_closing_a_client_cancels_the_refreshes_of_deleted_views(
    aws: LocalLambdaCore,
) -> None:
    started = asyncio.Event()
    ended: list[str] = []

    async def provide(name: str) -> Credentials:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)
        return aws.credentials

    client = aws.client(credentials=OTHER)
    for name in ("a", "b"):
        view = client.with_options(credentials=partial(provide, name))
        call = asyncio.create_task(view.get_network_connector("a"))
        await started.wait()
        started.clear()
        call.cancel()
        await asyncio.wait([call])
        del view, call
    gc.collect()
    assert ended == []
    await client.close()
    assert sorted(ended) == ["a", "b"]
    assert not {task for task in other_tasks() if "_call_provider" in repr(task)}


async def test_a_cancelled_close_still_closes_the_connections(
    aws: LocalLambdaCore,
) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    async def provide() -> Credentials:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await release.wait()
        return aws.credentials

    client = aws.client(credentials=provide)
    call = asyncio.create_task(client.get_network_connector("a"))
    await started.wait()
    closing = asyncio.create_task(client.close())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    release.set()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await call
    with pytest.raises(RuntimeError, match="the client is closed"):
        await client.with_options(credentials=aws.credentials).get_network_connector("a")


async def test_refused_keys_that_the_provider_returns_again_are_not_sent_again() -> None:
    vault = Vault(CREDENTIALS)
    refused = http(b"{}", "x-amzn-ErrorType: ExpiredTokenException", status="403 Forbidden")
    async with (
        wire(*[[refused]] * 20) as peer,
        LambdaCoreClient("us-east-1", credentials=vault, endpoint_url=peer.endpoint.url) as client,
    ):
        calls = [client.get_network_connector("a") for _ in range(10)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, ApiError)
            assert (error.code, error.attempts) == ("ExpiredTokenException", 1)
        assert (len(peer.requests), vault.calls) == (10, 2)
        for _ in range(5):
            with pytest.raises(ApiError):
                await client.get_network_connector("a")
        assert (len(peer.requests), vault.calls) == (15, 2)


async def test_a_provider_that_awaits_a_cancelled_task_fails_calls_and_lookups(
    aws: LocalLambdaCore,
) -> None:
    async def provide() -> Credentials:
        task = asyncio.create_task(asyncio.sleep(1))
        task.cancel()
        await task
        return aws.credentials

    async with aws.client(credentials=provide) as client:
        with pytest.raises(CredentialsError, match="the credentials provider was cancelled$"):
            await client.get_network_connector("a")
        async with client.lookup_across([Target(aws.region)], ["a", "b"]) as run:
            lookups = [lookup async for _, lookup in run]
    assert [type(lookup) for lookup in lookups] == [Failed] * 2


async def test_an_expiration_without_a_zone_fails_a_call(aws: LocalLambdaCore) -> None:
    async def provide() -> Credentials:
        return Credentials("AKIDEXAMPLE", "made-up", expires_at=datetime(2099, 1, 1))  # noqa: DTZ001 - it is the point

    async with aws.client(credentials=provide) as client:
        with pytest.raises(CredentialsError, match="expires_at: has no time zone"):
            await client.get_network_connector("a")


async def test_views_with_one_provider_share_one_refresh(aws: LocalLambdaCore) -> None:
    calls = 0

    async def provide() -> Credentials:
        nonlocal calls
        calls += 1
        return aws.credentials

    where = [Target(aws.region, provide, label=str(number)) for number in range(5)]
    async with aws.client(credentials=OTHER) as client:
        first = client.with_options(credentials=provide)
        async with first.lookup_across(where, ["a"]) as run:
            assert [type(lookup) async for _, lookup in run] == [Found] * 5
        with pytest.raises(ParameterError, match="^credentials: "):
            client.with_options(credentials="AKIDEXAMPLE")
    assert calls == 1


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


async def test_targets_and_views_show_no_secret() -> None:
    target = Target("us-east-1", CREDENTIALS, "prod")
    async with LambdaCoreClient("us-east-1", credentials=CREDENTIALS) as client:
        view = client.with_options(credentials=CREDENTIALS)
        assert_no_secret(
            target, client, view, view._core.pipeline.shared, view._core.pipeline.settings
        )


@pytest.mark.parametrize("region", ["", "us east", None, 3])
def test_a_target_needs_a_region(region: str) -> None:
    with pytest.raises(ParameterError, match="^region: "):
        Target(region)


@pytest.mark.parametrize("option", ["concurrency", "targets_at_once"])
async def test_the_arguments_of_a_run_over_targets_are_checked(
    aws: LocalLambdaCore, option: str
) -> None:
    async with aws.client() as client:
        with pytest.raises(ParameterError, match=f"^{option}: "):
            client.lookup_across(targets(aws), ["a"], **{option: 0})
        with pytest.raises(ParameterError, match="^identifiers: "):
            client.lookup_across(targets(aws), "a")
