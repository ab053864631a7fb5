"""Polling shared among the waiters and watches of one client in one region.

Polls happen in rounds, at moments on a grid that all callers share. A round with few callers makes
one call for each; a round with many lists all connectors, 50 a call. It gives the listing up when
that takes more calls than it saves.
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

#: What a poll shows: the connector, its entry in a listing, or why it could not be read.
Observation: TypeAlias = NetworkConnector | NetworkConnectorSummary | Exception
#: All connectors, or why they could not be listed.
Listing: TypeAlias = Sequence[NetworkConnectorSummary] | Exception

Seen = TypeVar("Seen")

#: Seconds by which a moment is yet to come at least, so that rounding cannot make it the present.
_INSTANT: Final = 1e-6

#: Calls that a listing takes, as long as none has been made.
_PAGES: Final = 2

#: More pages, or more memory, than the listing of any real account takes: 50,000 connectors by
#: pages, and over 40,000 by memory. Longer listings are refused.
_MAX_PAGES: Final = 1000
_MAX_SIZE: Final = 40 * 1024 * 1024
#: Bytes that a connector takes in memory beside its text, about.
_CONNECTOR_SIZE: Final = 300


class Poller:
    """Looks at connectors, once for all who look at the same moment.

    Args:
        get: gets a connector; only for a lasting reason does it fail.
        listing: lists all connectors; likewise.
        clock: tells the time.
        phase: shifts the grid of rounds by so many seconds, so that clients do not look together.
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
        self._pages: float = _PAGES

    async def poll(self, identifier: str, interval: float) -> Observation:
        """Look at a connector at the next round.

        Args:
            identifier: its ID, name or ARN.
            interval: seconds between two rounds; 0 is to look at once.
        """
        result = await self._join(identifier, interval)
        return _own(result.observations[identifier])

    async def list_all(self, interval: float) -> Sequence[NetworkConnectorSummary]:
        """List all connectors at the next round.

        Args:
            interval: seconds between two rounds; 0 is to list at once.

        Raises:
            LambdaCoreError: they cannot be listed.
            Exception: a defect kept them from being listed.
        """
        result = await self._join(None, interval)
        if isinstance(result.listing, Exception):
            raise _own(result.listing)
        return result.listing

    async def pause(self, interval: float) -> None:
        """Wait for the next round."""
        await self.clock.sleep(self._next(interval) - self.clock.monotonic())

    def _next(self, interval: float) -> float:
        """The first moment of the grid that is to come."""
        interval = max(interval, _INSTANT)
        now = self.clock.monotonic() + _INSTANT
        turns = math.floor((now - self._phase) / interval) + 1
        return round(self._phase + turns * interval, 6)  # so that equal moments are equal

    async def _join(self, identifier: str | None, interval: float) -> _PollResult:
        when = self._next(interval) if interval else -math.inf
        round_ = self._rounds.get(when)
        if round_ is None:
            round_ = self._rounds[when] = _Round()
            round_.task = asyncio.create_task(self._run(when, round_))
        round_.wanted[identifier] += 1
        try:
            await asyncio.wait([round_.task])  # it goes on for others if this caller is cancelled
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
            return _PollResult(await self._get_each(named), listing or _too_long())
        listed: dict[str, Observation] = {
            name: each for each in listing for name in (each.id, each.name, each.arn)
        }
        # Versions are not in the listing, nor are connectors that are gone.
        missing = await self._get_each(name for name in named if name not in listed)
        return _PollResult({**listed, **missing}, listing)

    async def _list(self, most: int) -> Listing | None:
        """List all connectors; `None` if that takes more than this many pages, or is too large."""
        found: list[NetworkConnectorSummary] = []
        pages = size = 0
        try:
            async with aclosing(self._listing.by_page()) as listing:
                async for page in listing:
                    found += page.items
                    pages += 1
                    size += sum(map(_size, page.items))
                    if size > _MAX_SIZE or (pages >= most and page.next_token is not None):
                        self._pages = pages
                        return None
        except Exception as error:  # noqa: BLE001 - gets serve the others; it is raised for watches
            # A caller without permission to list will not have it at the next round either.
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
        except Exception as error:  # noqa: BLE001 - it is raised for the callers that it concerns
            return error


def _own(observation: Seen) -> Seen:
    """A copy of an error for each caller: raising one changes it."""
    return copy.copy(observation) if isinstance(observation, LambdaCoreError) else observation


def _size(connector: NetworkConnectorSummary) -> int:
    """Bytes that a connector takes in memory, about."""
    texts = (
        connector.arn,
        connector.name,
        connector.id,
        connector.type,
        connector.state,
        connector.latest_version_arn,
    )
    return _CONNECTOR_SIZE + sum(map(sys.getsizeof, texts))


def _too_long() -> ResponseError:
    return ResponseError(
        "the listing is longer than that of any real account",
        status_code=200,
        operation=LIST_NETWORK_CONNECTORS.name,
    )


@frozen(eq=False, repr=False)
class _PollResult:
    """What a round showed.

    Attributes:
        observations: by identifier, for callers that asked for one.
        listing: all connectors, or why they could not be listed; for callers that asked for all.
    """

    observations: Mapping[str, Observation]
    listing: Listing


@define(eq=False, repr=False)
class _Round:
    """A moment to come, and who looks then; `None` stands for all connectors."""

    wanted: Counter[str | None] = field(factory=Counter[str | None])
    task: asyncio.Task[_PollResult] = field(init=False)
