"""Credentials in the environment's variables: names, errors, and no leaked secrets."""

from __future__ import annotations

import pytest

from lambdacore_async import (
    Credentials,
    CredentialsError,
)
from lambdacore_async.engine.identity.environment import from_environment
from support.clocks import NOON
from support.default_chain import FULL
from support.leaks import CREDENTIALS, assert_no_secret, assert_no_secret_in_frames


def test_the_environment_has_key_secret_and_token() -> None:
    assert from_environment(FULL) == CREDENTIALS


@pytest.mark.parametrize("token", [{}, {"AWS_SESSION_TOKEN": ""}])
def test_an_absent_or_empty_session_token_is_none(token: dict[str, str]) -> None:
    environ = {**FULL, **token} if token else {k: v for k, v in FULL.items() if "TOKEN" not in k}
    assert from_environment(environ) == Credentials("AKIDEXAMPLE", "the-secret-key")


def test_the_older_variable_of_the_token_wins_as_in_botocore() -> None:
    found = from_environment({**FULL, "AWS_SECURITY_TOKEN": "the-session-token-of-old"})
    assert found is not None
    assert found.session_token == "the-session-token-of-old"


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00"])
def test_credentials_in_the_environment_may_have_an_expiration(text: str) -> None:
    found = from_environment({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})
    assert found is not None
    assert found.expires_at == NOON


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ACCESS_KEY_ID", "AKID EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret key"),
        ("AWS_SESSION_TOKEN", "the-session-token\n"),
        ("AWS_CREDENTIAL_EXPIRATION", "soon"),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ],
)
def test_an_invalid_variable_is_named_and_no_secret_is_in_the_frames(
    variable: str, value: str
) -> None:
    with pytest.raises(CredentialsError, match=variable) as caught:
        from_environment({**FULL, variable: value})
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value, "the-secret", "the-session")


@pytest.mark.parametrize("text", ["soon", "12", "2026-13-01"])
def test_an_expiration_that_is_not_a_time_is_an_error(text: str) -> None:
    with pytest.raises(CredentialsError, match="AWS_CREDENTIAL_EXPIRATION"):
        from_environment({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})


@pytest.mark.parametrize("how", [{}, {"AWS_ACCESS_KEY_ID": ""}])
def test_without_a_key_the_environment_has_no_credentials(how: dict[str, str]) -> None:
    assert from_environment({"AWS_SECRET_ACCESS_KEY": "the-secret-key", **how}) is None


@pytest.mark.parametrize("how", [{}, {"AWS_SECRET_ACCESS_KEY": ""}])
def test_a_key_without_its_secret_is_an_error_that_names_it(how: dict[str, str]) -> None:
    with pytest.raises(CredentialsError, match="AWS_SECRET_ACCESS_KEY is not set"):
        from_environment({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", **how})
