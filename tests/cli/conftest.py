"""Fixtures: a service that the environment points to, and control of time and input."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from support.commands import skip_waiting, variables

OUT_OF_ADDRESSES = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the colour and the width of the terminal."""
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalLambdaCore]:
    """A service that the environment variables point to."""
    async with LocalLambdaCore(
        provisioning_seconds=0, update_seconds=0, deletion_seconds=0
    ) as service:
        for name, value in variables(service).items():
            monkeypatch.setenv(name, value)
        service.state.put_network_connector("prod")
        service.state.put_network_connector(
            "full", state=NetworkConnectorState.FAILED, state_reason_code=OUT_OF_ADDRESSES
        )
        yield service


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command's sleeps end at once while no request is in progress."""
    skip_waiting(monkeypatch)


@pytest.fixture
def standard_input() -> Iterator[int]:
    """The write end of a pipe connected to this process's standard input."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(before, 0)
    os.close(before)
