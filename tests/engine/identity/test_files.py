"""Credentials in the sections of a profile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lambdacore_async import (
    Credentials,
)
from support.default_chain import KEYS, chain, failure


@pytest.mark.parametrize("file", ["config", "credentials"])
async def test_keys_in_a_file_are_found_and_need_their_secret(
    files: Callable[..., dict[str, str]], file: str
) -> None:
    environ = files(**{file: f"[default]\n{KEYS}aws_session_token = the-session-token\n"})
    assert await chain(environ)() == Credentials("AKIDFILE", "the-secret-key", "the-session-token")
    environ = files(**{file: "[default]\naws_access_key_id = AKIDFILE\naws_session_token = t\n"})
    assert f"in the {file} file has no aws_secret_access_key" in await failure(environ)
    environ = files(**{file: f"[default]\n{KEYS.replace('-key', '-key with space')}"})
    assert await failure(environ) == (
        f"aws_secret_access_key of profile 'default' in the {file} file: "
        "has whitespace or characters other than printable ASCII"
    )
