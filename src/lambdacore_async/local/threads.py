"""Event loops in threads, for services that synchronous code uses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self, TypeVar

Result = TypeVar("Result")

#: The running loops. Simulated time moves them together with the loop of the test.
RUNNING: Final[set[LoopThread]] = set()


class LoopThread:
    """An event loop that runs in a daemon thread. Use it in `with`.

    It is asyncio's own loop, whatever loop the program uses, so that simulated time can move it.
    """

    def __init__(self) -> None:
        self.loop: Final = asyncio.SelectorEventLoop()
        """The event loop."""
        self.on_stop: Callable[[], None] | None = None
        """Called before the loop stops; simulated time sets it while it controls the loop."""
        self._thread = threading.Thread(target=self._run, name="lambdacore-local", daemon=True)

    def release(self) -> None:
        """Give the loop real time back."""
        if self.on_stop is not None:
            self.on_stop()

    def wait_for(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine on the loop, block until it ends, and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def __enter__(self) -> Self:
        RUNNING.add(self)  # before it starts: simulated time must know the loops of services
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        RUNNING.discard(self)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()
