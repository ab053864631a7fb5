"""Background and blocking refreshes of credentials, and their failures."""

from __future__ import annotations

import asyncio
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
)
from lambdacore_async.engine.identity.refresh import (
    CredentialsProvider,
    RefreshingCredentials,
    keys_equal,
)
from lambdacore_async.protocol.messages import Request
from support.clocks import NOON, FakeClock
from support.leaks import CREDENTIALS, assert_no_secret, other_tasks, settle


class Provider:
    """Returns numbered credentials; a test can block it or make it fail.

    Attributes:
        calls: the number of calls.
        lifetime: seconds until the returned credentials expire; `None` if they do not.
        failure: is raised instead of returning credentials.
        gate: each call waits for it.
    """

    def __init__(self, clock: FakeClock, lifetime: float | None = 3600) -> None:
        self.calls = 0
        self.lifetime = lifetime
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._clock = clock

    async def __call__(self) -> Credentials:
        self.calls += 1
        number = self.calls
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        expires_at = (
            None if self.lifetime is None else self._clock.now() + timedelta(seconds=self.lifetime)
        )
        return Credentials(f"AKID{number}", "the-secret-key", expires_at=expires_at)


def refreshing(provider: Provider, jitter: float = 0.0) -> RefreshingCredentials:
    return RefreshingCredentials(provider, clock=provider._clock, jitter=lambda: jitter)


async def key(source: RefreshingCredentials) -> str:
    """Return the access key ID that a request would be signed with now."""
    return (source.current() or await source.get()).access_key_id


async def test_fixed_credentials_are_current_and_never_refreshed() -> None:
    source = RefreshingCredentials(CREDENTIALS)
    assert source.current() is CREDENTIALS
    assert await source.get() is CREDENTIALS
    assert source.renew(CREDENTIALS) is False
    assert source.current() is CREDENTIALS
    await source.close()


async def test_fixed_credentials_are_used_even_after_they_expire() -> None:
    expired = Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=NOON - timedelta(days=1))
    assert RefreshingCredentials(expired, clock=FakeClock()).current() is expired


async def test_a_thousand_first_calls_share_one_refresh() -> None:
    provider = Provider(FakeClock())
    given = refreshing(provider)
    assert set(await asyncio.gather(*[key(given) for _ in range(1000)])) == {"AKID1"}
    assert provider.calls == 1


async def test_credentials_without_an_expiration_are_fetched_once() -> None:
    clock = FakeClock()
    provider = Provider(clock, lifetime=None)
    given = refreshing(provider)
    assert await key(given) == "AKID1"
    clock.advance(1e6)
    assert await key(given) == "AKID1"


@pytest.mark.parametrize(
    ("lifetime", "background", "blocking"),
    [(3600, 2700, 3540), (43200, 42300, 43140), (900, 450, 840), (60, 30, 54)],
)
async def test_a_refresh_runs_in_the_background_first_and_later_blocks_calls(
    lifetime: float, background: float, blocking: float
) -> None:
    clock = FakeClock()
    provider = Provider(clock, lifetime)
    given = refreshing(provider)
    await key(given)
    clock.advance(background - 0.1)
    assert (await key(given), provider.calls) == ("AKID1", 1)
    clock.advance(0.1)
    provider.gate.clear()
    assert await key(given) == "AKID1"
    await settle()
    assert (await key(given), provider.calls) == ("AKID1", 2)
    clock.advance(blocking - background)
    assert given.current() is None
    waiting = [asyncio.create_task(key(given)) for _ in range(10)]
    await settle()
    assert not any(task.done() for task in waiting)
    provider.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"AKID2"}
    assert provider.calls == 2


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_jitter_delays_a_refresh_by_at_most_a_fifth_of_its_lead(
    jitter: float, lifetime: float
) -> None:
    async def run() -> None:
        clock = FakeClock()
        given = refreshing(Provider(clock, lifetime), jitter)
        await key(given)
        early = min(900, lifetime / 2)
        seconds = (given._background_at - NOON).total_seconds()
        assert lifetime - early - 1e-3 <= seconds <= lifetime - early * 0.8 + 1e-3
        assert given._background_at <= given._blocking_at

    asyncio.run(run())


async def test_a_cancelled_caller_does_not_cancel_the_refresh() -> None:
    provider = Provider(FakeClock())
    provider.gate.clear()
    given = refreshing(provider)
    first, second = (asyncio.create_task(key(given)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.gate.set()
    assert (await second, provider.calls) == ("AKID1", 1)


async def test_a_failed_refresh_leaves_the_old_credentials_until_they_expire() -> None:
    clock = FakeClock()
    provider = Provider(clock, 3600)
    given = refreshing(provider)
    await key(given)
    provider.failure = CredentialsError("the service is down")
    clock.advance(2700)
    assert await key(given) == "AKID1"
    await settle()
    assert (await key(given), provider.calls) == ("AKID1", 2)  # not called again at once
    clock.advance(30)
    assert await key(given) == "AKID1"
    await settle()
    assert provider.calls == 3
    clock.advance(860)  # ten seconds are left
    assert (await key(given), provider.calls) == ("AKID1", 4)
    assert (await key(given), provider.calls) == ("AKID1", 4)
    clock.advance(10)
    with pytest.raises(CredentialsError, match="the service is down"):
        await key(given)
    provider.failure = None
    assert await key(given) == "AKID6"


class HostileError(Exception):
    """An error whose text forges a line of a log, and quotes keys."""

    def __str__(self) -> str:
        return (
            "no\nforged \x1b[2J the-secret-key "
            '{"SecretAccessKey": "wJalrXUtnFEMI", "Token": "xyz"} ' + "x" * 10**6
        )


async def test_a_background_refresh_that_fails_is_logged_once_with_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    provider = Provider(clock, 3600)
    given = refreshing(provider)
    await key(given)
    provider.failure = HostileError()
    clock.advance(2700)
    for _ in range(10):
        await key(given)
        await settle()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("lambdacore_async", "WARNING")
    assert record.getMessage() == "credentials cannot be refreshed"
    text = vars(record)["error"]
    assert text.startswith("the credentials provider failed: HostileError: no\\nforg")
    assert vars(record)["expires_at"] == "2026-11-24T13:00:00+00:00"
    assert len(text) < 400
    assert text.isprintable()
    assert_no_secret(text)
    for secret in ("wJalr", "xyz"):
        assert secret not in text
    clock.advance(900)
    with pytest.raises(CredentialsError, match="provider failed: HostileError$") as caught:
        await key(given)
    assert caught.value.__cause__ is provider.failure
    assert len(caplog.records) == 1


async def test_each_caller_gets_a_separate_error() -> None:
    provider = Provider(FakeClock())
    provider.failure = CredentialsError("there are none")
    given = refreshing(provider)
    errors = await asyncio.gather(*[key(given) for _ in range(3)], return_exceptions=True)
    assert len({id(error) for error in errors}) == 3
    assert {str(error) for error in errors} == {"there are none"}
    assert provider.calls == 1


async def test_a_configuration_error_of_a_provider_is_raised_unchanged() -> None:
    provider = Provider(FakeClock())
    provider.failure = ConfigurationError("profile: there is none")
    with pytest.raises(ConfigurationError, match="there is none"):
        await key(refreshing(provider))


async def test_the_exception_of_a_provider_is_the_cause_of_the_error() -> None:
    provider = Provider(FakeClock())
    provider.failure = KeyError("the-secret-key")
    with pytest.raises(CredentialsError, match="provider failed: KeyError") as caught:
        await key(refreshing(provider))
    assert caught.value.__cause__ is provider.failure
    assert "the-secret-key" not in str(caught.value)


async def test_a_provider_must_return_credentials() -> None:
    async def provide() -> Any:
        return {"AccessKeyId": "the-secret-key"}

    with pytest.raises(CredentialsError, match="must return Credentials, got dict"):
        await RefreshingCredentials(provide).get()


async def test_credentials_that_are_expired_on_arrival_are_used_and_refreshed_later() -> None:
    clock = FakeClock()
    provider = Provider(clock, -60)
    given = refreshing(provider)
    assert await key(given) == "AKID1"
    assert await key(given) == "AKID1"
    clock.advance(30)
    assert await key(given) == "AKID2"


async def test_refused_credentials_are_replaced_and_others_kept() -> None:
    provider = Provider(FakeClock())
    given = refreshing(provider)
    old = await given.get()
    assert given.renew(old) is True
    assert given.current() is None
    new = await given.get()
    assert (new.access_key_id, provider.calls) == ("AKID2", 2)
    assert given.renew(old) is True
    assert given.current() is new


@pytest.mark.parametrize("lifetime", [None, 3600])
async def test_a_provider_that_returns_refused_keys_again_has_a_cooldown(
    lifetime: float | None,
) -> None:
    clock = FakeClock()
    calls = 0

    async def provide() -> Credentials:
        nonlocal calls
        calls += 1
        end = None if lifetime is None else clock.now() + timedelta(seconds=lifetime)
        return Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=end)

    given = RefreshingCredentials(provide, clock=clock, jitter=lambda: 0.5)
    first = await given.get()
    assert [given.renew(first) for _ in range(1000)] == [True] * 1000
    again = await asyncio.gather(*[given.get() for _ in range(1000)])
    assert {keys_equal(first, each) for each in again} == {True}
    assert calls == 2
    for _ in range(1000):
        assert given.renew(again[0]) is False
        assert (await given.get(), calls) == (again[0], 2)
    clock.advance(45)
    assert given.renew(again[0]) is True
    await given.get()
    assert calls == 3


@pytest.mark.parametrize("lifetime", [None, 3600])
async def test_refused_credentials_stay_current_while_the_provider_fails(
    lifetime: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    provider = Provider(clock, lifetime)
    given = refreshing(provider)
    old = await given.get()
    provider.failure = OSError("the vault is sealed")
    assert given.renew(old) is True
    assert (await given.get(), provider.calls) == (old, 2)
    assert given.renew(old) is False
    assert (given.current(), provider.calls) == (old, 2)
    assert len(caplog.messages) == 1
    clock.advance(30)
    assert given.renew(old) is True


async def test_refused_credentials_of_another_provider_need_only_the_first_refresh() -> None:
    provider = Provider(FakeClock())
    given = refreshing(provider)
    assert given.renew(CREDENTIALS) is True
    assert (await key(given), provider.calls) == ("AKID1", 1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (evolve(CREDENTIALS, expires_at=NOON), True),
        (evolve(CREDENTIALS, access_key_id="other"), False),
        (evolve(CREDENTIALS, secret_access_key="other"), False),
        (evolve(CREDENTIALS, session_token=None), False),
        (None, False),
    ],
)
def test_keys_are_equal_regardless_of_their_expiration(
    other: Credentials | None, *, same: bool
) -> None:
    assert keys_equal(CREDENTIALS, other) is same


async def cancelling_itself() -> Credentials:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)
    return CREDENTIALS


async def awaiting_a_cancelled_task() -> Credentials:
    task = asyncio.create_task(cancelling_itself())
    return await task


async def raising_it() -> Credentials:
    raise asyncio.CancelledError


@pytest.mark.parametrize("provide", [cancelling_itself, awaiting_a_cancelled_task, raising_it])
async def test_a_cancelled_provider_raises_a_credentials_error(
    provide: CredentialsProvider,
) -> None:
    given = RefreshingCredentials(provide)
    errors = await asyncio.gather(*[given.get() for _ in range(3)], return_exceptions=True)
    assert {str(error) for error in errors} == {"the credentials provider was cancelled"}
    assert {type(error) for error in errors} == {CredentialsError}


async def test_a_provider_cancelled_in_the_background_leaves_the_old_credentials(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()
    end = NOON + timedelta(hours=1)
    answers = iter([Credentials("AKID1", "the-secret-key", expires_at=end)])

    async def provide() -> Credentials:
        for each in answers:
            return each
        return await awaiting_a_cancelled_task()

    given = RefreshingCredentials(provide, clock=clock, jitter=lambda: 0.0)
    await given.get()
    clock.advance(2700)
    assert await key(given) == "AKID1"
    await settle()
    assert await key(given) == "AKID1"
    (record,) = caplog.records
    assert record.getMessage() == "credentials cannot be refreshed"
    assert vars(record)["error"] == "the credentials provider was cancelled"


def test_the_end_of_a_loop_in_the_middle_of_a_refresh_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider = Provider(FakeClock(), 3600)
    given = refreshing(provider)
    asyncio.run(key(given))
    provider._clock.advance(2700)
    provider.gate.clear()

    async def leave() -> None:
        await given.get()
        await settle()

    asyncio.run(leave())
    assert caplog.records == []
    provider.gate = asyncio.Event()
    provider.gate.set()
    refused = given._credentials
    assert refused is not None
    assert given.renew(refused)
    asyncio.run(key(given))
    assert given._credentials != refused


def test_a_refresh_on_a_closed_loop_is_forgotten() -> None:
    provider = Provider(FakeClock(), 3600)
    given = refreshing(provider)
    asyncio.run(key(given))
    old = given._credentials
    for close_now in (False, True):
        provider._clock.advance(2700)
        provider.gate = asyncio.Event()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(key(given))
        loop.run_until_complete(settle())
        loop.close()
        provider.gate = asyncio.Event()
        provider.gate.set()
        provider._clock.advance(3600)
        if close_now:
            asyncio.run(given.close())
        else:
            asyncio.run(key(given))
            assert given._credentials != old


@pytest.mark.parametrize("lifetime", [3600, 0.001])
async def test_closing_ends_a_refresh_and_the_callers_that_wait_for_it(lifetime: float) -> None:
    provider = Provider(FakeClock(), lifetime)
    provider.gate.clear()
    given = refreshing(provider)
    waiting = asyncio.create_task(key(given))
    await settle()
    await given.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await waiting
    with pytest.raises(RuntimeError, match="the client is closed"):
        await key(given)
    assert other_tasks() == set()


async def test_closed_credentials_hold_no_keys() -> None:
    for each in (RefreshingCredentials(CREDENTIALS), refreshing(Provider(FakeClock()))):
        credentials = await each.get()
        request = Request("GET", "/")
        each.signer.sign(request, host="h", credentials=credentials, region="r", time=NOON)
        await each.close()
        assert not each.signer._cache
        assert each.current() is None
        with pytest.raises(RuntimeError, match="the client is closed"):
            await each.get()


@pytest.mark.parametrize("zone", [-14, 0, 14])
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
async def test_any_expiration_can_be_scheduled(end: str, zone: int) -> None:
    time = datetime.fromisoformat(end).replace(tzinfo=timezone(timedelta(hours=zone)))

    async def provide() -> Credentials:
        return Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=time)

    for jitter in (0.0, 1.0):
        given = RefreshingCredentials(provide, clock=FakeClock(), jitter=lambda: jitter)  # noqa: B023
        credentials = await given.get()
        assert given.current() is credentials
        assert given.renew(credentials) is True
        assert keys_equal(await given.get(), credentials)
        await given.close()


def test_neither_a_client_nor_a_view_can_be_pickled_with_its_secrets() -> None:
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    source = client._core.pipeline.shared.credentials
    for each in (client, client.with_options(region="eu-west-1"), source):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(each)
    assert_no_secret(repr(vars(source)))
