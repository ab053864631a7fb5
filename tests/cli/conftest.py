"""A service that the environment leads to, and time and input that a test controls."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.network_connectors import (
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
)
from support.commands import unwait, variables

NO_ROOM = NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No colour, and no width but what a test asks for."""
    for name in ("FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalLambdaCore]:
    """A service that the environment leads to."""
    async with LocalLambdaCore(
        provisioning_seconds=0, update_seconds=0, deletion_seconds=0
    ) as service:
        for name, value in variables(service).items():
            monkeypatch.setenv(name, value)
        service.state.put_network_connector("prod")
        service.state.put_network_connector(
            "full", state=NetworkConnectorState.FAILED, state_reason_code=NO_ROOM
        )
        yield service


@pytest.fixture
def unwaited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's time goes on to the end of the next sleep, once no request is under way."""
    unwait(monkeypatch)


@pytest.fixture
def standard_input() -> Iterator[int]:
    """The writing end of a pipe to this process's standard input."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.dup2(reading, 0)
    os.close(reading)
    yield writing
    os.dup2(before, 0)
    os.close(before)
