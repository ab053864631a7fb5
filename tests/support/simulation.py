"""Runs clients against the embedded service on a simulated clock, without sockets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, Final

from attrs import evolve
from multidict import CIMultiDict, CIMultiDictProxy

from lambdacore_async import LambdaCoreClient
from lambdacore_async.engine.pipeline import Pipeline, Settings
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.local import LocalLambdaCore, State
from lambdacore_async.local.server import Server
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.clocks import FakeClock
from support.leaks import CREDENTIALS

#: After this many turns of the loop without activity, every task waits for the clock.
_TURNS: Final = 20


class EventClock(FakeClock):
    """A clock that jumps to the end of the next sleep once every task is waiting.

    Attributes:
        busy: number of operations in progress. Time stands still while there are any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.busy = 0
        self._alarms: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._quiet_turns = 0
        self._driving = False

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        rung = loop.create_future()
        heappush(self._alarms, (self.monotonic() + max(seconds, 0.0), next(self._numbers), rung))
        self._quiet_turns = 0
        if not self._driving:
            self._driving = True
            loop.call_soon(self._turn, loop)
        self.sleepers += 1
        try:
            await rung
        finally:
            self.sleepers -= 1
        self.sleeps.append(seconds)

    def stir(self) -> None:
        """Note activity: time stands still until its consequences are done."""
        self._quiet_turns = 0

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quiet_turns += 1
        if self._quiet_turns > _TURNS and not self.busy:
            while self._alarms and self._alarms[0][2].done():  # the sleep was cancelled
                heappop(self._alarms)
            if not self._alarms:
                self._driving = False
                return
            now = self._alarms[0][0]
            self.advance(now - self.monotonic())
            self._elapsed = max(self._elapsed, now)  # the sum may round down
            while self._alarms and self._alarms[0][0] <= now:
                rung = heappop(self._alarms)[2]
                if not rung.done():
                    rung.set_result(None)
            self._quiet_turns = 0
        loop.call_soon(self._turn, loop)


class InProcess:
    """A transport that passes each request directly to the embedded service.

    Attributes:
        before: called with each request before the service receives it.
    """

    def __init__(self, server: Server, clock: EventClock) -> None:
        self._server = server
        self._clock = clock
        self.before: Callable[[Request], None] = lambda _: None

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        self._clock.busy += 1
        try:
            await asyncio.sleep(0)
            self.before(request)
            answer = self._server.answer(request)
            await asyncio.sleep(0)  # a request cancelled here has taken effect
        finally:
            self._clock.busy -= 1
            self._clock.stir()
        return evolve(answer, headers=CIMultiDictProxy(CIMultiDict(answer.headers)))

    async def close(self) -> None:
        """See `Transport.close`."""


def inject(client: LambdaCoreClient, **parts: Any) -> None:
    """Replace a new client's transport, clock or other fields of `Shared`."""
    client._core = client._core.replace(**parts)


class World:
    """An embedded service and its clients, on one simulated clock.

    Args:
        options: passed to `LocalLambdaCore`.

    Attributes:
        clock: the clock of the service and its clients.
        state: the service's state.
        faults: the faults that the service injects.
        transport: the transport of all clients.
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
        self.transport = InProcess(self.server, self.clock)

    def client(self) -> LambdaCoreClient:
        """Return a new client of the service."""
        region, url = self.state.account.region, "https://simulated"
        client = LambdaCoreClient(region, credentials=CREDENTIALS, endpoint_url=url)
        inject(client, transport=self.transport, clock=self.clock, jitter=lambda: 0.5)
        # Resolved settings: reading files takes a thread, which the simulated clock does not see.
        client._core.pipeline = Pipeline(client._core.pipeline.shared, Settings(region, url))
        return client

    @property
    def calls(self) -> dict[str, int]:
        """Number of requests that the service received, by operation."""
        return dict(self.server.calls)
