"""Tools for tests of code that uses this library: simulated time, and a response for aioresponses.

with simulated_time() as time:
    async with LocalLambdaCore(provisioning_seconds=600) as aws, aws.client() as client:
        await client.create_network_connector(...)
        await client.wait_until_network_connector_active("prod-egress")  # takes milliseconds
    assert time.elapsed >= 600
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import patch

import aiohttp

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.threads import THREAD_NAME
from lambdacore_async.errors import ConfigurationError, ParameterError
from lambdacore_async.local import account
from lambdacore_async.local.threads import RUNNING, LoopThread

__all__ = ["AioresponsesResponse", "SimulatedTime", "simulated_time"]

#: Real seconds to wait for sockets before a long jump. The loopback interface delivers data
#: immediately, but the system may be busy, and a jump may end the timeouts of requests under way.
#: A sleep also lets the system catch up; selectors cannot wait for less than a millisecond.
_QUIET: Final = 0.0002
#: The minimum seconds of a long jump, shorter than any timeout of a request.
_LONG: Final = 1.0
#: Real seconds between two checks of threads, and of a clock that another thread may advance.
_LOOK: Final = 0.002
#: Maximum real seconds to wait for a thread before time moves on.
_PATIENCE: Final = 1.0


class SimulatedTime:
    """A clock that stands still while any task runs, and jumps ahead while all tasks wait.

    See `simulated_time`, which creates it.
    """

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._elapsed = 0.0
        self._monotonic = time.monotonic()
        self._lock = threading.Lock()
        #: The loop that moves time.
        self._leader: asyncio.AbstractEventLoop | None = None
        self._followers: dict[LoopThread, _Follower] = {}

    @property
    def elapsed(self) -> float:
        """The simulated seconds since the start."""
        return self._elapsed

    def now(self) -> datetime:
        """Return the simulated time of day, in UTC."""
        return self._start + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
        """Move time forward, for code that does not wait on an event loop.

        Args:
            seconds: the seconds to move by, 0 to 1e9.

        Raises:
            ParameterError: if `seconds` is out of bounds.
        """
        if not 0 <= seconds <= 1e9:
            raise ParameterError("seconds", f"must be 0 to 1e9 s, got {seconds!r}")
        with self._lock:
            self._elapsed += seconds

    @contextmanager
    def _installed(self) -> Generator[None]:
        """Replace the clocks of clients and services, and the way that event loops run."""
        run_forever = asyncio.BaseEventLoop.run_forever

        def run_on_simulated_time(loop: asyncio.BaseEventLoop) -> None:
            with self._led_by(loop):
                run_forever(loop)

        shut_down_executor = asyncio.BaseEventLoop.shutdown_default_executor

        async def join_threads(
            loop: asyncio.BaseEventLoop,
            timeout: float | None = None,  # noqa: ARG001 - threads take real time, no simulated one
        ) -> None:
            await shut_down_executor(loop)

        def now(_: Clock) -> datetime:
            return self.now()

        def monotonic(_: Clock) -> float:
            return self._monotonic + self._elapsed

        async def sleep(_: Clock, seconds: float) -> None:
            self._check_loop()
            await asyncio.sleep(seconds)

        with (
            patch.object(Clock, "now", now),
            patch.object(Clock, "monotonic", monotonic),
            patch.object(Clock, "sleep", sleep),
            patch.object(account, "time_of_day", self.now),
            patch.object(asyncio.BaseEventLoop, "run_forever", run_on_simulated_time),
            patch.object(asyncio.BaseEventLoop, "shutdown_default_executor", join_threads),
        ):
            yield

    @contextmanager
    def _led_by(self, loop: asyncio.AbstractEventLoop) -> Generator[None]:
        """Let a loop move time while it runs, unless another loop does, or it runs a service."""
        with self._lock:
            leads = self._leader is None and not any(each.loop is loop for each in RUNNING)
            if leads:
                self._leader = loop
        if not leads:
            yield
            return
        leader = _Leader(loop, self)
        try:
            yield
        finally:
            leader.release()
            for follower in list(self._followers.values()):
                follower.release()
            self._leader = None

    def _check_loop(self) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(getattr(loop.time, "__self__", None), _Member):
            kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
            raise ConfigurationError(
                f"simulated time cannot move this event loop, a {kind}: use one of asyncio's own "
                "loops, and run one at a time"
            )

    def _follow(self) -> list[_Follower]:
        """Return the loops of all services in threads; let new ones follow this time."""
        for thread in RUNNING - self._followers.keys():
            self._followers[thread] = _Follower(thread, self)
        return list(self._followers.values())

    def _move_to(self, elapsed: float) -> None:
        with self._lock:
            self._elapsed = max(self._elapsed, elapsed)


@contextmanager
def simulated_time(*, start: datetime | None = None) -> Generator[SimulatedTime]:
    """Run clients, emulators and asyncio's event loops on simulated time.

    Time stands still while any task runs. While all tasks wait, time jumps to the end of the next
    sleep or timeout. Outages, throttling and waiters of half an hour therefore take milliseconds,
    and a slow machine causes no timeouts. Inside the block, it applies to:

    - every `LambdaCoreClient`
    - every `LocalLambdaCore`, on an event loop or in a thread, unless it was given a `clock`
    - `asyncio.sleep`, `asyncio.timeout`, `loop.call_later` and `loop.time` of the event loop

    It does not apply to `time.time`, `time.sleep` or `datetime.now`. Use it in a coroutine or
    around `asyncio.run`; it needs one of asyncio's own event loops, not uvloop. Create and close
    clients inside the block, because their clocks go back to real time after it.

    Time waits up to one real second for work in threads, such as `asyncio.to_thread`. Other
    processes, and servers that are not in this process, do not stop it.

    Args:
        start: the time of day at the start, as an aware `datetime`; defaults to the real time.

    Returns:
        A context manager that returns the `SimulatedTime`.

    Raises:
        ParameterError: if `start` has no time zone.
        ConfigurationError: if time is simulated already, or the running event loop cannot be moved.
    """
    if start is not None and start.utcoffset() is None:
        raise ParameterError("start", f"must have a time zone, got {start!r}")
    simulated = SimulatedTime((start or datetime.now(UTC)).astimezone(UTC))
    if not _in_use.acquire(blocking=False):
        raise ConfigurationError("time is simulated already: use the existing SimulatedTime")
    try:
        with simulated._installed():  # noqa: SLF001 - this function is its constructor
            try:
                running = asyncio.get_running_loop()
            except RuntimeError:
                yield simulated
                return
            with simulated._led_by(running):  # noqa: SLF001
                simulated._check_loop()  # noqa: SLF001
                yield simulated
    finally:
        _in_use.release()


_in_use: Final = threading.Lock()


class _Ahead:
    """The time of a loop after simulated time: the loop's clock must not go back."""

    def __init__(self, read: Callable[[], float], seconds: float) -> None:
        self.read = read
        self._seconds = seconds

    def __call__(self) -> float:
        return self.read() + self._seconds


class _Member:
    """An event loop on simulated time. Its timers and its waiting for sockets are replaced."""

    def __init__(self, loop: asyncio.AbstractEventLoop, simulated: SimulatedTime) -> None:
        self._simulated = simulated
        self._loop: Any = loop
        self._base = loop.time() - simulated.elapsed
        inner: Any = loop
        read = inner.time
        self._read: Callable[[], float] = read.read if isinstance(read, _Ahead) else read
        self._selector: Any = getattr(loop, "_selector", None)
        if self._selector is not None:  # only asyncio's own loops have one
            self._select = self._selector.select
            inner.time, self._selector.select = self.time, self.select

    def time(self) -> float:
        """Return the time of the loop."""
        return self._base + self._simulated.elapsed

    def select(self, timeout: float | None = None) -> Any:
        """Wait for sockets; see `selectors.BaseSelector.select`."""
        raise NotImplementedError

    def release(self) -> None:
        """Give the loop its own clock back."""
        if self._selector is not None:
            self._selector.select = self._select
            self._loop.time = _Ahead(self._read, self.time() - self._read())

    def _due(self, timeout: float | None) -> float:
        """Return the simulated time at which a timeout ends."""
        now = self._simulated.elapsed
        # At least one step of the float ahead, or time would never get there.
        return math.inf if timeout is None else max(now + timeout, math.nextafter(now, math.inf))


class _Leader(_Member):
    """The loop that moves time once it and all other loops are idle."""

    def __init__(self, loop: asyncio.AbstractEventLoop, simulated: SimulatedTime) -> None:
        super().__init__(loop, simulated)
        #: Number of calls in progress in the threads of executors.
        self._in_executors = 0
        if self._selector is not None:
            self._run_in_executor = self._loop.run_in_executor
            self._loop.run_in_executor = self._counted

    def release(self) -> None:
        """See `_Member.release`."""
        super().release()
        if self._selector is not None:
            del self._loop.run_in_executor

    def select(self, timeout: float | None = None) -> Any:
        """Return socket events. If there are none, move time, at most by the timeout."""
        if timeout is not None and timeout <= 0:
            return self._select(0)
        due = self._due(timeout)
        while True:
            followers = self._simulated._follow()  # noqa: SLF001
            if events := self._wait_until_idle(followers):
                return events
            earliest = min([due, *(each.due for each in followers)])
            if earliest - self._simulated.elapsed >= _LONG:
                time.sleep(_QUIET)
            # Without a timer, only another thread or process can make progress.
            if events := self._select(_LOOK if earliest == math.inf else 0):
                return events
            if earliest < math.inf:
                self._simulated._move_to(earliest)  # noqa: SLF001
            if self._simulated.elapsed >= due:
                return []

    def _wait_until_idle(self, followers: list[_Follower]) -> Any:
        """Return events as soon as there are any, or none once other loops and threads are idle."""
        if events := self._select(0):
            return events
        end = time.monotonic() + _PATIENCE
        while self._threads_work() and time.monotonic() < end:
            if events := self._select(_LOOK):
                return events
        for follower in followers:
            follower.settle()
        return []

    def _threads_work(self) -> bool:
        return self._in_executors > 0 or any(
            thread.name == THREAD_NAME for thread in threading.enumerate()
        )

    def _counted(self, executor: Any, work: Any, *args: Any) -> Any:
        """See `loop.run_in_executor`."""
        future: asyncio.Future[Any] = self._run_in_executor(executor, work, *args)
        self._in_executors += 1
        future.add_done_callback(self._end_of_work)
        return future

    def _end_of_work(self, _: asyncio.Future[Any]) -> None:
        self._in_executors -= 1


class _Follower(_Member):
    """The loop of a service in a thread, whose timers wait for the leader to move time."""

    def __init__(self, thread: LoopThread, simulated: SimulatedTime) -> None:
        self.due = math.inf
        """The simulated time of the loop's next timer."""
        self._asked: threading.Event | None = None
        self._thread = thread
        super().__init__(thread.loop, simulated)
        thread.on_stop = self.release

    def select(self, timeout: float | None = None) -> Any:
        """Return socket events, and tell the leader when there are none."""
        events = self._select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        self.due = self._due(timeout)
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.set()
        return self._select(None)

    def settle(self) -> None:
        """Let the loop run its due timers and handle all its events, and wait until it is idle."""
        idle = threading.Event()

        def ask() -> None:
            self._asked = idle

        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(ask)
            idle.wait(_PATIENCE)

    def release(self) -> None:
        """See `_Member.release`; the loop continues in real time."""
        self._simulated._followers.pop(self._thread, None)  # noqa: SLF001
        self._thread.on_stop = None
        super().release()
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(lambda: None)  # ends its wait for the leader


class AioresponsesResponse(aiohttp.ClientResponse):
    """Response class for aioresponses, whose 0.7.9 cannot create responses of aiohttp 3.14.

        with aioresponses() as mocked:
            mocked.get(url, payload={}, response_class=AioresponsesResponse)

    aiohttp 3.14 requires an argument, `stream_writer`, that aioresponses up to 0.7.9 does not pass.
    With later versions of aioresponses that pass it, this class changes nothing and is not needed.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("stream_writer", SimpleNamespace(output_size=0))
        super().__init__(*args, **options)
