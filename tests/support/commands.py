"""Runs commands of the command line in a thread or in a process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Self

import pytest
from typer.testing import CliRunner, Result

from lambdacore_async import ConnectorChange, ConnectorDeleted, NetworkConnectorSummary
from lambdacore_async.cli import app
from lambdacore_async.engine import threads
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async_command.root import COMMANDS
from support.simulation import EventClock

COMMAND = (sys.executable, "-m", "lambdacore_async")


def variables(service: LocalLambdaCore) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_LAMBDA_CORE": service.endpoint_url,
        "AWS_REGION": service.region,
        "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
    }


def names_of_commands() -> set[str]:
    """Return the names of all commands."""
    return set(COMMANDS)


async def run(
    *arguments: str, env: Mapping[str, str | None] | None = None, answer: str = ""
) -> Result:
    """Run a command in a thread, while the service runs on the event loop.

    Args:
        arguments: the command and its arguments.
        env: variables to set or remove.
        answer: the text on standard input.
    """
    return await asyncio.to_thread(
        CliRunner().invoke, app, arguments, input=answer, env=env, prog_name="lambdacore"
    )


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


class Changes:
    """A watch that ends after the given changes."""

    def __init__(self, *changes: ConnectorChange) -> None:
        self.snapshot: tuple[NetworkConnectorSummary, ...] = ()
        self._changes = iter(changes)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ConnectorChange:
        change = next(self._changes, None)
        if change is None:
            raise StopAsyncIteration
        others = [each for each in self.snapshot if each.id != change.connector.id]
        gone = isinstance(change, ConnectorDeleted)
        self.snapshot = (*others,) if gone else (*others, change.connector)
        return change


class ImmediateThread:
    """A thread that runs its target when it is started."""

    def __init__(self, *, target: Callable[[], None], **_: object) -> None:
        self.start = target


def skip_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sleeps of commands end at once while no request is in progress."""
    time, send = EventClock(), AiohttpTransport.send

    # Like a real sleep, it ends a little late: the clock rounds to microseconds.
    async def sleep(clock: Clock, seconds: float) -> None:
        await time.sleep(seconds + 1e-6)

    def monotonic(clock: Clock) -> float:
        return time.monotonic()

    async def count_and_send(
        transport: AiohttpTransport, endpoint: Endpoint, request: Request, timeout: Timeout
    ) -> Response:
        time.busy += 1
        try:
            return await send(transport, endpoint, request, timeout)
        finally:
            time.busy -= 1
            time.stir()

    monkeypatch.setattr(AiohttpTransport, "send", count_and_send)
    # The simulated clock does not wait for threads.
    monkeypatch.setattr(threads, "threading", SimpleNamespace(Thread=ImmediateThread))
    monkeypatch.setattr(Clock, "sleep", sleep)
    monkeypatch.setattr(Clock, "monotonic", monotonic)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Response]) -> None:
    """Let a function answer the requests of commands."""

    async def send(
        transport: AiohttpTransport, endpoint: Endpoint, request: Request, timeout: Timeout
    ) -> Response:
        return answer(request)

    monkeypatch.setattr(AiohttpTransport, "send", send)
    skip_waiting(monkeypatch)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
