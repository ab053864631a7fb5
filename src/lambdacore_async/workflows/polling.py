"""How many look together: waiters and watches of one client share what they ask for.

Looks happen at rounds: moments on a grid that all share. At each round, those who look are counted.
Few are answered by a call each; many by one listing, of 50 connectors a call. The listing is given
up where it grows longer than the calls that it saves.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, TypeAlias

from attrs import define, field, frozen

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import ApiError, LambdaCoreError
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
from lambdacore_async.workflows.pagination import Pager

#: What a look shows: the connector, or what a listing tells of it, or that it could not be seen.
Observation: TypeAlias = NetworkConnector | NetworkConnectorSummary | LambdaCoreError

#: Seconds by which a moment is yet to come at least, so that rounding cannot make it the present.
_INSTANT: Final = 1e-6

#: Calls that a listing takes, as long as none has been made.
_PAGES: Final = 2


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
        return result.observations[identifier]

    async def list_all(self, interval: float) -> Sequence[NetworkConnectorSummary]:
        """List all connectors at the next round.

        Args:
            interval: seconds between two rounds; 0 is to list at once.

        Raises:
            LambdaCoreError: they cannot be listed.
        """
        result = await self._join(None, interval)
        if isinstance(result.listing, LambdaCoreError):
            raise copy.copy(result.listing)  # others may get it too
        return result.listing

    async def pause(self, interval: float) -> None:
        """Wait for the next round."""
        await self.clock.sleep(self._next(interval) - self.clock.monotonic())

    def _next(self, interval: float) -> float:
        """The first moment of the grid that is to come."""
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
        self._drop(when, round_)  # who comes from now on wants to see what is from now on
        named = [name for name, count in round_.wanted.items() if name is not None and count]
        listing: Sequence[NetworkConnectorSummary] | LambdaCoreError | None = None
        if round_.wanted[None]:
            listing = await self._list(math.inf)
        elif len(named) > self._pages:
            listing = await self._list(len(named))
        if listing is None or isinstance(listing, LambdaCoreError):
            return _PollResult(await self._get_each(named), listing or ())
        listed: dict[str, Observation] = {
            name: each for each in listing for name in (each.id, each.name, each.arn)
        }
        # Versions are not in the listing, nor is what is gone.
        missing = await self._get_each(name for name in named if name not in listed)
        return _PollResult({**listed, **missing}, listing)

    async def _list(
        self, most: float
    ) -> Sequence[NetworkConnectorSummary] | LambdaCoreError | None:
        """List all connectors; `None` if that takes more pages than so many."""
        found: list[NetworkConnectorSummary] = []
        pages = 0
        try:
            async with aclosing(self._listing.by_page()) as listing:
                async for page in listing:
                    found += page.items
                    pages += 1
                    if pages >= most and page.next_token is not None:
                        self._pages = pages
                        return None
        except LambdaCoreError as error:
            # Who may not list will not be allowed to at the next round either; all else may pass.
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
        except LambdaCoreError as error:
            return error


@frozen(eq=False, repr=False)
class _PollResult:
    """What a round showed.

    Attributes:
        sights: by identifier, for those who asked for one.
        listing: all connectors, if they were listed, or why they were not.
    """

    observations: Mapping[str, Observation]
    listing: Sequence[NetworkConnectorSummary] | LambdaCoreError


@define(eq=False, repr=False)
class _Round:
    """A moment to come, and who looks then; `None` stands for all connectors."""

    wanted: Counter[str | None] = field(factory=Counter[str | None])
    task: asyncio.Task[_PollResult] = field(init=False)
