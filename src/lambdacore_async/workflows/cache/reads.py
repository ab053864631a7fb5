"""Gets of connectors: one call for all callers that want a connector, the most wanted first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from heapq import heappop, heappush
from itertools import count
from typing import Final

from attrs import define

from lambdacore_async.models.network_connectors import NetworkConnector

#: Maximum concurrent gets. More of them would delay the listings, which confirm all connectors.
_MAX_GETS: Final = 10


@define(eq=False, repr=False)
class Read:
    """A get that is queued or in progress, shared by all callers that want its result.

    Attributes:
        identifier: the identifier to send.
        done: the end of the get, with its result; `None` if it was not sent.
        sent: the time at which it started; infinite while it is queued.
        wants: the number of callers that want it.
        place: the number of its place in the queue; 0 if it is not queued.
        alias: the ID, if the identifier is a name or an ARN and a listing has shown the ID.
        is_valid: whether no write happened since it started.
    """

    identifier: str
    done: asyncio.Future[NetworkConnector | Exception | None]
    sent: float = math.inf
    wants: int = 0
    place: int = 0
    alias: str = ""
    is_valid: bool = True


class Reads:
    """Gets connectors, at most 10 at a time.

    Args:
        get: gets a connector. It retries transient failures.
        record: is called with each identifier, the result of its get, and the time at which it was
            sent, unless a write followed.
        monotonic: returns the time.

    Attributes:
        sent: the number of gets that were sent.
    """

    def __init__(
        self,
        get: Callable[[str], Awaitable[NetworkConnector]],
        record: Callable[[str, NetworkConnector | Exception, float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.sent: int = 0
        self._get = get
        self._record = record
        self._monotonic = monotonic
        self._reads: dict[str, Read] = {}
        self._queue: list[tuple[int, int, Read]] = []
        self._places = count(1)
        self._tasks: set[asyncio.Task[NetworkConnector | Exception]] = set()

    def __len__(self) -> int:
        return len(set(self._reads.values()))

    def start(self, identifier: str, since: float = -math.inf, *, wants: int = 0) -> Read:
        """Return a get that is queued, or was sent after a time; queue one if there is none.

        Args:
            identifier: the identifier to send.
            since: the earliest time at which the get may have been sent.
            wants: the number of callers that want it.
        """
        read = self._reads.get(identifier)
        if read is None or read.sent < since or not read.is_valid:
            done = asyncio.get_running_loop().create_future()
            read = self._reads[identifier] = Read(identifier, done)
        elif not wants:
            return read
        level = read.wants.bit_length()
        read.wants += wants
        # Moving up at powers of two alone keeps the queue short, however many callers there are.
        if read.sent == math.inf and (not read.place or read.wants.bit_length() > level):
            read.place = next(self._places)  # an earlier place no longer counts
            heappush(self._queue, (-read.wants, read.place, read))
            self._send()
        return read

    def rename(self, name: str, identifier: str) -> None:
        """Use the get of a name for the connector's ID too, unless that has another get.

        A get serves one ID: while it is in progress, the name may pass to another connector.
        """
        read = self._reads.get(name)
        if read is not None and not read.alias and identifier not in self._reads:
            self._reads[identifier], read.alias = read, identifier

    def invalidate(self, identifier: str) -> None:
        """Discard the result of a get in progress, because a write followed it."""
        read = self._reads.get(identifier)
        if read is not None and read.sent < math.inf:
            read.is_valid = False

    def cancel_queued(self, identifier: str) -> None:
        """End a get that is not sent yet, because a listing has answered its callers."""
        read = self._reads.get(identifier)
        if read is not None and read.sent == math.inf:
            self._end(read, None)

    def cancel(self) -> list[asyncio.Task[NetworkConnector | Exception]]:
        """Cancel all gets, end the waits of their callers, and return the tasks that are ending."""
        for read in list(self._reads.values()):
            self._end(read, None)
        self._queue.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks

    def _send(self) -> None:
        """Send the gets that most callers want."""
        while self._queue and len(self._tasks) < _MAX_GETS:
            _, place, read = heappop(self._queue)
            if read.place == place:
                read.place, read.sent = 0, self._monotonic()
                self.sent += 1
                task = asyncio.create_task(self._find(read))
                self._tasks.add(task)
                task.add_done_callback(partial(self._finish, read))

    async def _find(self, read: Read) -> NetworkConnector | Exception:
        try:
            found: NetworkConnector | Exception = await self._get(read.identifier)
        except Exception as error:  # noqa: BLE001 - the callers raise it
            found = error
        if read.is_valid:
            self._record(read.identifier, found, read.sent)
        return found

    def _finish(self, read: Read, task: asyncio.Task[NetworkConnector | Exception]) -> None:
        """End a get, even if its task was cancelled before it began."""
        self._tasks.discard(task)
        self._end(read, None if task.cancelled() else task.result())
        self._send()

    def _end(self, read: Read, found: NetworkConnector | Exception | None) -> None:
        """Wake the callers of a get."""
        for identifier in (read.identifier, read.alias):
            if self._reads.get(identifier) is read:
                del self._reads[identifier]
        read.place = 0
        if not read.done.done():
            read.done.set_result(found)
