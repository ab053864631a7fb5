"""Where credentials come from, and what is said when they do not come."""

from __future__ import annotations

import pytest

from lambdacore_async import Credentials, CredentialsError
from lambdacore_async.engine.credentials import CredentialsSource, from_environment
from support.leaks import CREDENTIALS

FULL = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "the-secret-key",
    "AWS_SESSION_TOKEN": "the-session-token",
}


def test_the_environment_gives_all_three_parts() -> None:
    assert from_environment(FULL) == CREDENTIALS


@pytest.mark.parametrize("token", [{}, {"AWS_SESSION_TOKEN": ""}])
def test_a_session_token_that_is_absent_or_empty_is_none(token: dict[str, str]) -> None:
    environ = {**FULL, **token} if token else {k: v for k, v in FULL.items() if "TOKEN" not in k}
    assert from_environment(environ) == Credentials("AKIDEXAMPLE", "the-secret-key")


@pytest.mark.parametrize(
    "environ",
    [{}, {"AWS_SESSION_TOKEN": "t"}, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}],
)
def test_without_credentials_the_error_says_how_to_give_them(environ: dict[str, str]) -> None:
    with pytest.raises(CredentialsError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        from_environment(environ)


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
@pytest.mark.parametrize("how", ["absent", "empty"])
def test_half_of_the_credentials_is_an_error_that_names_the_other_half(
    missing: str, how: str
) -> None:
    environ = {**FULL, missing: ""}
    if how == "absent":
        del environ[missing]
    with pytest.raises(CredentialsError, match=f"{missing} is not set") as caught:
        from_environment(environ)
    assert "the-secret-key" not in str(caught.value)


async def test_explicit_credentials_win_over_the_environment() -> None:
    explicit = Credentials("AKIDOTHER", "another-secret")
    assert await CredentialsSource(explicit, FULL).get() is explicit


async def test_the_environment_is_read_at_first_use_and_then_no_more() -> None:
    environ: dict[str, str] = {}
    source = CredentialsSource(environ=environ)
    with pytest.raises(CredentialsError):
        await source.get()
    environ.update(FULL)
    assert await source.get() == CREDENTIALS
    environ.clear()
    assert await source.get() == CREDENTIALS


async def test_the_environment_is_the_processs_own_unless_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = CredentialsSource()
    for name, value in FULL.items():
        monkeypatch.setenv(name, value)
    assert await source.get() == CREDENTIALS


async def test_an_environment_that_is_given_empty_is_not_the_processs_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in FULL.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CredentialsError):
        await CredentialsSource(environ={}).get()


async def test_a_source_shows_no_secret() -> None:
    source = CredentialsSource(CREDENTIALS)
    for shown in (source, await source.get()):
        assert "the-s" not in f"{shown!r} {shown}"
