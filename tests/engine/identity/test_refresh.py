"""Credentials at hand: who waits for a refresh, who does not, and what is left when it fails."""

from __future__ import annotations

import asyncio
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
)
from lambdacore_async.engine.identity.refresh import RefreshingCredentials
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
        seconds = (given._soon - NOON).total_seconds()
        assert life - early - 1e-3 <= seconds <= life - early * 0.8 + 1e-3
        assert given._soon <= given._due

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

    with pytest.raises(CredentialsError, match="gave no Credentials, but dict"):
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
    new = await given.get()
    assert (new.access_key_id, provider.asked) == ("AKID2", 2)
    assert given.renew(old) is True
    assert given.current() is new


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


def test_neither_a_client_nor_a_view_can_be_pickled_with_its_secrets() -> None:
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    source = client._pipeline.shared.credentials
    for each in (client, client.with_options(region="eu-west-1"), source):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(each)
    assert_no_secret(repr(vars(source)))
