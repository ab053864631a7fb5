"""A simulated world: the client and the embedded service in one process, on a clock of events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from heapq import heapify, heappush
from typing import Any, Final

from attrs import evolve
from multidict import CIMultiDict, CIMultiDictProxy

from lambdacore_async import LambdaCoreClient
from lambdacore_async.engine.timeouts import Timeout
from lambdacore_async.local import LocalLambdaCore, State
from lambdacore_async.local.server import Server
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.clocks import FakeClock
from support.leaks import CREDENTIALS

#: Turns of the loop in which all that can go on without time going by has gone on.
_TURNS: Final = 20


class EventClock(FakeClock):
    """A clock that goes to the next moment that somebody sleeps until, once all others wait."""

    def __init__(self) -> None:
        super().__init__()
        self._alarms: list[tuple[float, int]] = []
        self._numbers = itertools.count()
        self._woken = 0

    async def sleep(self, seconds: float) -> None:
        alarm = (self.monotonic() + max(seconds, 0.0), next(self._numbers))
        heappush(self._alarms, alarm)
        self.sleepers += 1
        try:
            await asyncio.sleep(0)
            while self.monotonic() < alarm[0]:
                if await self._is_quiet() and self._alarms[0] == alarm:
                    self.advance(alarm[0] - self.monotonic())
                    break  # as floats go, the sum may fall short of the moment
        finally:
            self.sleepers -= 1
            self._alarms.remove(alarm)
            heapify(self._alarms)
            self._woken += 1
        self.sleeps.append(seconds)

    async def _is_quiet(self) -> bool:
        """Whether nobody wakes while all others have their turns."""
        woken = self._woken
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        return woken == self._woken


class InProcess:
    """A transport that hands each request to the embedded service, with no socket in between.

    Attributes:
        before: called with each request before the service has it, for others to act.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.before: Callable[[Request], None] = lambda _: None

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        await asyncio.sleep(0)
        self.before(request)
        answer = self._server.answer(request)
        await asyncio.sleep(0)  # what was cancelled here has been done all the same
        return evolve(answer, headers=CIMultiDictProxy(CIMultiDict(answer.headers)))

    async def close(self) -> None:
        """See `Transport.close`."""


class World:
    """An embedded service and its clients, on one clock.

    Args:
        options: those of `LocalLambdaCore`.

    Attributes:
        clock: of both sides.
        state: the service's.
        transport: of all clients.
    """

    def __init__(self, **options: Any) -> None:
        self.clock = EventClock()
        local = LocalLambdaCore(
            clock=self.clock.now,
            signature_clock=self.clock.now,
            credentials=CREDENTIALS,
            **options,
        )
        self.state: State = local.state
        self.faults = local.faults
        self.server = local._server
        self.transport = InProcess(self.server)

    def client(self) -> LambdaCoreClient:
        """A client of the service."""
        client = LambdaCoreClient(
            self.state.account.region, credentials=CREDENTIALS, endpoint_url="https://simulated"
        )
        shared = evolve(
            client._pipeline.shared,
            transport=self.transport,
            clock=self.clock,
            jitter=lambda: 0.5,
        )
        client._set_up(shared, client._options)
        return client

    @property
    def calls(self) -> dict[str, int]:
        """How often the service was asked, by operation."""
        return dict(self.server.calls)
