"""Polling, shared by the waiters and watches of one client in one region.

Polls happen in rounds, at moments on a grid that all callers share. A round for few callers gets
each connector separately. A round for many callers lists all connectors, 50 per call, but abandons
the listing if it takes more calls than it saves.
"""

from __future__ import annotations

import asyncio
import copy
import math
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, TypeAlias, TypeVar

from attrs import define, field, frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import ApiError, LambdaCoreError, ResponseError
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
from lambdacore_async.protocol.operations import LIST_NETWORK_CONNECTORS
from lambdacore_async.workflows.pagination import Pager

#: The connector, its entry in a listing, or the error that kept it from being read.
Observation: TypeAlias = NetworkConnector | NetworkConnectorSummary | Exception
#: All connectors, or the error that kept them from being listed.
Listing: TypeAlias = Sequence[NetworkConnectorSummary] | Exception

Value = TypeVar("Value")

#: The minimum seconds until the next round, so that rounding never gives the current moment.
_RESOLUTION: Final = 1e-6

#: The assumed number of calls per listing before the first one.
_ASSUMED_PAGES: Final = 2

#: Limits of a listing, above the needs of any real account: the pages hold 50,000 connectors, and
#: the memory over 40,000.
_MAX_PAGES: Final = 1000
_MAX_BYTES: Final = 40 * 1024 * 1024
#: The approximate bytes that a connector takes in memory, without its text.
_CONNECTOR_BYTES: Final = 300


class Poller:
    """Polls connectors in rounds, each shared by all callers that wait for it.

    Args:
        get: gets a connector. It retries transient failures.
        listing: lists all connectors. It retries transient failures.
        clock: tells the time.
        phase: seconds to shift the grid of rounds by, so that clients do not poll simultaneously.
    """

    def __init__(
        self,
        get: Callable[[str], Awaitable[NetworkConnector]],
        listing: Pager[NetworkConnectorSummary],
        clock: Clock,
        phase: float,
    ) -> None:
        self.get = get
        self.clock = clock
        self._listing = listing
        self._phase = phase
        self._rounds: dict[float, _Round] = {}
        self._pages: float = _ASSUMED_PAGES

    async def poll(self, identifier: str, interval: float) -> Observation:
        """Return an observation of a connector at the next round.

        Args:
            identifier: the connector's ID, name or ARN.
            interval: seconds between two rounds; 0 polls immediately.
        """
        result = await self._join(identifier, interval)
        return _copy_error(result.observations[identifier])

    async def list_all(self, interval: float) -> Sequence[NetworkConnectorSummary]:
        """Return all connectors at the next round.

        Args:
            interval: seconds between two rounds; 0 lists immediately.

        Raises:
            LambdaCoreError: if the listing failed.
            ResponseError: if the listing is too long.
            Exception: because of a defect.
        """
        result = await self._join(None, interval)
        if isinstance(result.listing, Exception):
            raise _copy_error(result.listing)
        return result.listing

    async def pause(self, interval: float) -> None:
        """Sleep until the next round.

        Args:
            interval: seconds between two rounds, more than 0.
        """
        await self.clock.sleep(self.next_round(interval) - self.clock.monotonic())

    def next_round(self, interval: float) -> float:
        """Return the time of the next round."""
        interval = max(interval, _RESOLUTION)
        now = self.clock.monotonic() + _RESOLUTION
        number = math.floor((now - self._phase) / interval) + 1
        return round(self._phase + number * interval, 6)  # equal moments become equal floats

    async def _join(self, identifier: str | None, interval: float) -> _PollResult:
        when = self.next_round(interval) if interval else -math.inf
        round_ = self._rounds.get(when)
        # A round ends before its callers if all tasks of its loop are cancelled.
        if round_ is None or not round_.is_alive:
            round_ = self._rounds[when] = _Round()
            round_.task = asyncio.create_task(self._run(when, round_))
        round_.wanted[identifier] += 1
        try:
            await asyncio.wait([round_.task])  # the round outlives a cancelled caller
        finally:
            round_.wanted[identifier] -= 1
            if not round_.wanted.total() and not round_.task.done():
                self._drop(when, round_)
                round_.task.cancel()
                await asyncio.wait([round_.task])
        return round_.task.result()

    def _drop(self, when: float, round_: _Round) -> None:
        if self._rounds.get(when) is round_:
            del self._rounds[when]

    async def _run(self, when: float, round_: _Round) -> _PollResult:
        await self.clock.sleep(max(when - self.clock.monotonic(), 0.0))
        self._drop(when, round_)  # later callers need a later observation
        named = [name for name, count in round_.wanted.items() if name is not None and count]
        listing: Listing | None = None
        if round_.wanted[None]:
            listing = await self._list(_MAX_PAGES)
        elif len(named) > self._pages:
            listing = await self._list(min(len(named), _MAX_PAGES))
        if listing is None or isinstance(listing, Exception):
            return _PollResult(await self._get_each(named), listing or _too_long_error())
        listed: dict[str, Observation] = {
            name: each for each in listing for name in (each.id, each.name, each.arn)
        }
        # The listing contains neither versions nor deleted connectors.
        missing = await self._get_each(name for name in named if name not in listed)
        return _PollResult({**listed, **missing}, listing)

    async def _list(self, max_pages: int) -> Listing | None:
        """List all connectors.

        Returns:
            The connectors, or the error that ended the listing; `None` if it takes more than
            `max_pages` pages or more than 40 MiB of memory.
        """
        found: list[NetworkConnectorSummary] = []
        pages = size = 0
        try:
            async with aclosing(self._listing.by_page()) as listing:
                async for page in listing:
                    found += page.items
                    pages += 1
                    size += sum(map(_approximate_size, page.items))
                    if size > _MAX_BYTES or (pages >= max_pages and page.next_token is not None):
                        self._pages = pages
                        return None
        except Exception as error:  # noqa: BLE001 - waiters fall back to gets; watches raise it
            # Without permission to list, do not try to list for waiters again.
            if isinstance(error, ApiError) and error.code == "AccessDeniedException":
                self._pages = math.inf
            return error
        self._pages = pages
        return found

    async def _get_each(self, identifiers: Iterable[str]) -> dict[str, Observation]:
        names = list(identifiers)
        return dict(zip(names, await asyncio.gather(*map(self._observe, names)), strict=True))

    async def _observe(self, identifier: str) -> Observation:
        try:
            return await self.get(identifier)
        except Exception as error:  # noqa: BLE001 - the callers of this connector raise it
            return error


def _copy_error(observation: Value) -> Value:
    """Return a copy of an error, because raising it changes it; return other values unchanged."""
    return copy.copy(observation) if isinstance(observation, LambdaCoreError) else observation


def _approximate_size(connector: NetworkConnectorSummary) -> int:
    """Return the approximate bytes that a connector takes in memory."""
    texts = (
        connector.arn,
        connector.name,
        connector.id,
        connector.type,
        connector.state,
        connector.latest_version_arn,
    )
    return _CONNECTOR_BYTES + sum(map(sys.getsizeof, texts))


def _too_long_error() -> ResponseError:
    return ResponseError(
        f"the listing is longer than {_MAX_PAGES} pages or {_MAX_BYTES >> 20} MiB",
        status_code=200,
        operation=LIST_NETWORK_CONNECTORS.name,
    )


@frozen(eq=False, repr=False)
class _PollResult:
    """The result of a round.

    Attributes:
        observations: observations by identifier, for the callers of `poll`.
        listing: all connectors, or the error of the listing, for the callers of `list_all`.
    """

    observations: Mapping[str, Observation]
    listing: Listing


@define(eq=False, repr=False)
class _Round:
    """A future round.

    Attributes:
        wanted: the number of callers by identifier; `None` stands for all connectors.
        task: waits for the moment of the round, and polls.
    """

    wanted: Counter[str | None] = field(factory=Counter[str | None])
    task: asyncio.Task[_PollResult] = field(init=False)

    @property
    def is_alive(self) -> bool:
        """Whether the round can still poll, on this event loop."""
        return not self.task.done() and self.task.get_loop() is asyncio.get_running_loop()
