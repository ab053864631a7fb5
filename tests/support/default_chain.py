"""A default chain without delays, its failures, and stand-ins for objects of botocore."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Final

import pytest

from lambdacore_async import (
    CredentialsError,
)
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.engine.transport.session import AiohttpTransport
from support.clocks import NOON, FakeClock
from support.leaks import assert_no_secret, assert_no_secret_in_frames

FULL: Final = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "the-secret-key",
    "AWS_SESSION_TOKEN": "the-session-token",
}


KEYS: Final = "aws_access_key_id = AKIDFILE\naws_secret_access_key = the-secret-key\n"


def chain(environ: Mapping[str, str], profile: str | None = None) -> DefaultChain:
    return DefaultChain(environ, AiohttpTransport, FakeClock(), profile)


async def failure(environ: Mapping[str, str], profile: str | None = None) -> str:
    with pytest.raises(CredentialsError) as caught:
        await chain(environ, profile)()
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value)
    return str(caught.value)


class Session:
    """Stands in for `botocore.session.Session`."""

    def __init__(self, found: object, profiles: list[str | None]) -> None:
        self._found = found
        self._profiles = profiles
        self.profile: str | None = None
        self.session_var_map: dict[str, object] = {}

    def __call__(self, profile: str | None) -> Session:
        self._profiles.append(profile)
        self.profile = profile or os.environ.get("AWS_PROFILE")
        return self

    def get_credentials(self) -> object:
        assert threading.current_thread() is not threading.main_thread()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def held(failure: Exception | None = None) -> SimpleNamespace:
    """A credentials object of botocore."""

    def get() -> SimpleNamespace:
        assert threading.current_thread() is not threading.main_thread()
        if failure is not None:
            raise failure
        return SimpleNamespace(access_key="AKIDBOTO", secret_key="the-secret-key", token="")

    return SimpleNamespace(get_frozen_credentials=get, _expiry_time=NOON)
