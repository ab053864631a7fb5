"""Credentials at hand: who waits for a refresh, who does not, and what is left when it fails."""

from __future__ import annotations

import asyncio
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
)
from lambdacore_async.engine.identity.redaction import redact
from lambdacore_async.engine.identity.refresh import (
    CredentialsProvider,
    RefreshingCredentials,
    keys_equal,
)
from lambdacore_async.protocol.messages import Request
from support.clocks import NOON, FakeClock
from support.leaks import CREDENTIALS, assert_no_secret, other_tasks, settle


class Provider:
    """Gives credentials of a life, numbered; it can be held up, or told to fail.

    Attributes:
        asked: how often it was.
        life: seconds for which what it gives is good; `None` for ever.
        failure: what it raises in place of giving.
        gate: what it waits for.
    """

    def __init__(self, clock: FakeClock, life: float | None = 3600) -> None:
        self.asked = 0
        self.life = life
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self._clock = clock

    async def __call__(self) -> Credentials:
        self.asked += 1
        number = self.asked
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        expires_at = None if self.life is None else self._clock.now() + timedelta(seconds=self.life)
        return Credentials(f"AKID{number}", "the-secret-key", expires_at=expires_at)


def source(provider: Provider, jitter: float = 0.0) -> RefreshingCredentials:
    return RefreshingCredentials(provider, clock=provider._clock, jitter=lambda: jitter)


async def key(source: RefreshingCredentials) -> str:
    """The key that a request is signed with now."""
    return (source.current() or await source.get()).access_key_id


async def test_fixed_credentials_are_at_hand_and_stay() -> None:
    source = RefreshingCredentials(CREDENTIALS)
    assert source.current() is CREDENTIALS
    assert await source.get() is CREDENTIALS
    assert source.renew(CREDENTIALS) is False
    assert source.current() is CREDENTIALS
    await source.close()


async def test_fixed_credentials_are_used_even_after_their_end() -> None:
    expired = Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=NOON - timedelta(days=1))
    assert RefreshingCredentials(expired, clock=FakeClock()).current() is expired


async def test_a_thousand_first_calls_ask_once() -> None:
    provider = Provider(FakeClock())
    given = source(provider)
    assert set(await asyncio.gather(*[key(given) for _ in range(1000)])) == {"AKID1"}
    assert provider.asked == 1


async def test_credentials_that_last_are_asked_for_once() -> None:
    clock = FakeClock()
    provider = Provider(clock, life=None)
    given = source(provider)
    assert await key(given) == "AKID1"
    clock.advance(1e6)
    assert await key(given) == "AKID1"


@pytest.mark.parametrize(
    ("life", "soon", "due"),
    [(3600, 2700, 3540), (43200, 42300, 43140), (900, 450, 840), (60, 30, 54)],
)
async def test_a_refresh_is_in_the_background_when_soon_due_and_awaited_when_due(
    life: float, soon: float, due: float
) -> None:
    clock = FakeClock()
    provider = Provider(clock, life)
    given = source(provider)
    await key(given)
    clock.advance(soon - 0.1)
    assert (await key(given), provider.asked) == ("AKID1", 1)
    clock.advance(0.1)
    provider.gate.clear()
    assert await key(given) == "AKID1"
    await settle()
    assert (await key(given), provider.asked) == ("AKID1", 2)
    clock.advance(due - soon)
    assert given.current() is None
    waiting = [asyncio.create_task(key(given)) for _ in range(10)]
    await settle()
    assert not any(task.done() for task in waiting)
    provider.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"AKID2"}
    assert provider.asked == 2


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_jitter_only_makes_the_refresh_earlier_and_by_a_fifth_at_most(
    jitter: float, life: float
) -> None:
    async def run() -> None:
        clock = FakeClock()
        given = source(Provider(clock, life), jitter)
        await key(given)
        early = min(900, life / 2)
        seconds = (given._background_at - NOON).total_seconds()
        assert life - early - 1e-3 <= seconds <= life - early * 0.8 + 1e-3
        assert given._background_at <= given._blocking_at

    asyncio.run(run())


async def test_a_cancelled_caller_does_not_cancel_the_refresh() -> None:
    provider = Provider(FakeClock())
    provider.gate.clear()
    given = source(provider)
    first, second = (asyncio.create_task(key(given)) for _ in range(2))
    await settle()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    provider.gate.set()
    assert (await second, provider.asked) == ("AKID1", 1)


async def test_a_failed_refresh_leaves_the_old_ones_while_they_are_good() -> None:
    clock = FakeClock()
    provider = Provider(clock, 3600)
    given = source(provider)
    await key(given)
    provider.failure = CredentialsError("the service is down")
    clock.advance(2700)
    assert await key(given) == "AKID1"
    await settle()
    assert (await key(given), provider.asked) == ("AKID1", 2)  # not asked again at once
    clock.advance(30)
    assert await key(given) == "AKID1"
    await settle()
    assert provider.asked == 3
    clock.advance(860)  # ten seconds are left
    assert (await key(given), provider.asked) == ("AKID1", 4)
    assert (await key(given), provider.asked) == ("AKID1", 4)
    clock.advance(10)
    with pytest.raises(CredentialsError, match="the service is down"):
        await key(given)
    provider.failure = None
    assert await key(given) == "AKID6"


class HostileError(Exception):
    """Says what would forge a line of a log, and quotes keys."""

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
    given = source(provider)
    await key(given)
    provider.failure = HostileError()
    clock.advance(2700)
    for _ in range(10):
        await key(given)
        await settle()
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("lambdacore_async", "WARNING")
    text = record.getMessage()
    assert text.startswith(
        "credentials cannot be refreshed: the credentials provider failed: HostileError: no\\nforg"
    )
    assert text.endswith("; the current ones expire at 2026-11-24 13:00:00+00:00")
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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"Token": "abc", "code": 7}', '{"Token": "***", "code": 7}'),
        ("AccessKeyId=ASIA12345678, x", "AccessKeyId=***, x"),
        ("for AKIAIOSFODNN7EXAMPLE.", "for ***."),
        ("aws_secret_access_key = abc", "aws_secret_access_key = ***"),
        ("x-amz-security-token: abc def", "x-amz-security-token: *** def"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("<SessionToken>abc</SessionToken>", "<SessionToken>***</SessionToken>"),
        ("by wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 it", "by *** it"),
        ("Token for my-sso does not exist", "Token for my-sso does not exist"),
        ("/run/secrets/token: No such file", "/run/secrets/token: No such file"),
        (
            "role/service-role/Execution-20260101T000001",
            "role/service-role/Execution-20260101T000001",
        ),
        ("\u202e\r\n", "\\u202e\\r\\n"),
        ("x" * 300, "x" * 200 + "..."),
    ],
)
def test_others_text_is_told_without_keys_on_one_line_and_cut(text: str, shown: str) -> None:
    assert redact(text) == shown


@given(st.text(max_size=300), st.text(min_size=8, max_size=20))
def test_what_is_told_has_no_secret_that_is_known(text: str, secret: str) -> None:
    assume(secret.isprintable() and "*" not in secret)
    shown = redact(f"{text}{secret}{text}{secret}", secret)
    assert shown.isprintable()
    assert len(shown) <= 203
    assert secret not in shown or secret in f"{text}***{text}***"


async def test_everybody_gets_an_error_of_their_own() -> None:
    provider = Provider(FakeClock())
    provider.failure = CredentialsError("there are none")
    given = source(provider)
    errors = await asyncio.gather(*[key(given) for _ in range(3)], return_exceptions=True)
    assert len({id(error) for error in errors}) == 3
    assert {str(error) for error in errors} == {"there are none"}
    assert provider.asked == 1


async def test_a_file_that_cannot_be_used_is_told_as_that() -> None:
    provider = Provider(FakeClock())
    provider.failure = ConfigurationError("profile: there is none")
    with pytest.raises(ConfigurationError, match="there is none"):
        await key(source(provider))


async def test_a_provider_that_breaks_is_the_cause_of_the_error() -> None:
    provider = Provider(FakeClock())
    provider.failure = KeyError("the-secret-key")
    with pytest.raises(CredentialsError, match="provider failed: KeyError") as caught:
        await key(source(provider))
    assert caught.value.__cause__ is provider.failure
    assert "the-secret-key" not in str(caught.value)


async def test_a_provider_that_gives_something_else_is_told_so() -> None:
    async def provide() -> Any:
        return {"AccessKeyId": "the-secret-key"}

    with pytest.raises(CredentialsError, match="must return Credentials, got dict"):
        await RefreshingCredentials(provide).get()


async def test_credentials_that_come_expired_are_used_and_asked_for_again_later() -> None:
    clock = FakeClock()
    provider = Provider(clock, -60)
    given = source(provider)
    assert await key(given) == "AKID1"
    assert await key(given) == "AKID1"
    clock.advance(30)
    assert await key(given) == "AKID2"


async def test_refused_credentials_are_replaced_and_others_kept() -> None:
    provider = Provider(FakeClock())
    given = source(provider)
    old = await given.get()
    assert given.renew(old) is True
    assert given.current() is None
    new = await given.get()
    assert (new.access_key_id, provider.asked) == ("AKID2", 2)
    assert given.renew(old) is True
    assert given.current() is new


@pytest.mark.parametrize("life", [None, 3600])
async def test_a_source_that_gives_refused_keys_again_is_not_asked_for_a_while(
    life: float | None,
) -> None:
    clock = FakeClock()
    asked = 0

    async def provide() -> Credentials:
        nonlocal asked
        asked += 1
        end = None if life is None else clock.now() + timedelta(seconds=life)
        return Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=end)

    given = RefreshingCredentials(provide, clock=clock, jitter=lambda: 0.5)
    first = await given.get()
    assert [given.renew(first) for _ in range(1000)] == [True] * 1000
    again = await asyncio.gather(*[given.get() for _ in range(1000)])
    assert {keys_equal(first, each) for each in again} == {True}
    assert asked == 2
    for _ in range(1000):
        assert given.renew(again[0]) is False
        assert (await given.get(), asked) == (again[0], 2)
    clock.advance(45)
    assert given.renew(again[0]) is True
    await given.get()
    assert asked == 3


@pytest.mark.parametrize("life", [None, 3600])
async def test_refused_credentials_stay_at_hand_while_the_source_fails(
    life: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    provider = Provider(clock, life)
    given = source(provider)
    old = await given.get()
    provider.failure = OSError("the vault is sealed")
    assert given.renew(old) is True
    assert (await given.get(), provider.asked) == (old, 2)
    assert given.renew(old) is False
    assert (given.current(), provider.asked) == (old, 2)
    assert len(caplog.messages) == 1
    clock.advance(30)
    assert given.renew(old) is True


async def test_refused_credentials_that_were_never_had_are_renewed_by_the_first_refresh() -> None:
    provider = Provider(FakeClock())
    given = source(provider)
    assert given.renew(CREDENTIALS) is True
    assert (await key(given), provider.asked) == ("AKID1", 1)


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
def test_keys_are_the_same_whenever_they_expire(other: Credentials | None, *, same: bool) -> None:
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
async def test_a_provider_that_was_cancelled_is_reported_as_that(
    provide: CredentialsProvider,
) -> None:
    given = RefreshingCredentials(provide)
    errors = await asyncio.gather(*[given.get() for _ in range(3)], return_exceptions=True)
    assert {str(error) for error in errors} == {"the credentials provider was cancelled"}
    assert {type(error) for error in errors} == {CredentialsError}


async def test_a_provider_that_was_cancelled_in_the_background_leaves_the_old_credentials(
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
    (message,) = caplog.messages
    assert message.startswith(
        "credentials cannot be refreshed: the credentials provider was cancelled; "
    )


@pytest.mark.parametrize("life", [3600, 0.001])
async def test_closing_ends_a_refresh_and_whoever_waits_for_it(life: float) -> None:
    provider = Provider(FakeClock(), life)
    provider.gate.clear()
    given = source(provider)
    waiting = asyncio.create_task(key(given))
    await settle()
    await given.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await waiting
    with pytest.raises(RuntimeError, match="the client is closed"):
        await key(given)
    assert other_tasks() == set()


async def test_nothing_is_left_of_the_keys_of_closed_credentials() -> None:
    for each in (RefreshingCredentials(CREDENTIALS), source(Provider(FakeClock()))):
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
async def test_no_end_is_too_far_away_to_refresh_by(end: str, zone: int) -> None:
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
    source = client._pipeline.shared.credentials
    for each in (client, client.with_options(region="eu-west-1"), source):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(each)
    assert_no_secret(repr(vars(source)))
