"""A live picture of the network connectors: a stream of the changes between two polls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

from attrs import frozen

from lambdacore_async.errors import (
    ApiError,
    LambdaCoreError,
    ParameterError,
    ResourceNotFoundException,
)
from lambdacore_async.models.network_connectors import NetworkConnectorSummary
from lambdacore_async.workflows.arguments import check_seconds
from lambdacore_async.workflows.polling import Poller

#: Connectors that a watch asks for at the same time.
_MAX_CHECKS: Final = 20


@frozen
class ConnectorAdded:
    """A connector that was not there before."""

    connector: NetworkConnectorSummary


@frozen
class ConnectorStateChanged:
    """A connector in another state than before."""

    before: NetworkConnectorSummary
    connector: NetworkConnectorSummary


@frozen
class ConnectorUpdated:
    """A connector in the same state, of which something else has changed: it has a new version."""

    before: NetworkConnectorSummary
    connector: NetworkConnectorSummary


@frozen
class ConnectorDeleted:
    """A connector that is gone, as last seen."""

    connector: NetworkConnectorSummary


ConnectorChange: TypeAlias = (
    ConnectorAdded | ConnectorStateChanged | ConnectorUpdated | ConnectorDeleted
)


class NetworkConnectorWatch:
    """A watch: an async context manager, and inside it an endless async iterator of changes.

    It polls only when it is asked for a change and has none left, so nothing piles up before a slow
    consumer. A poll that fails for a passing reason is repeated in the next round.

    A connector that a listing lacks is asked for by itself, for a page may lack what moved while it
    was turned. These checks hold no other change back.

    Args:
        poller: polls.
        snapshot: the connectors known so far.
        poll_interval: seconds between two polls, more than 0.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        poller: Poller,
        snapshot: Iterable[NetworkConnectorSummary] | None,
        poll_interval: float,
    ) -> None:
        check_seconds("poll_interval", poll_interval)
        self._poller = poller
        self._poll_interval = poll_interval
        self._known: dict[str, NetworkConnectorSummary] = {}
        if snapshot is not None and not isinstance(snapshot, Iterable):
            raise ParameterError("snapshot", f"expected many, got {type(snapshot).__name__}")
        for connector in snapshot or ():
            if not isinstance(connector, NetworkConnectorSummary):
                raise ParameterError(
                    "snapshot", f"expected summaries, got {type(connector).__name__}"
                )
            self._known[connector.id] = connector
        #: What is to be told next, the last first; `None` stands for a deletion.
        self._news: dict[str, NetworkConnectorSummary | None] = {}
        self._refusal: BaseException | None = None
        self._unlisted: list[str] = []
        self._checks: dict[str, asyncio.Task[bool]] = {}
        self._interval = 0.0
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        await self._end_checks()

    @property
    def snapshot(self) -> tuple[NetworkConnectorSummary, ...]:
        """The connectors, after the changes delivered so far.

        To resume later, or elsewhere, start a watch with it: no change is lost, and none comes
        twice. `to_dict` makes JSON of each.
        """
        return tuple(self._known.values())

    def __aiter__(self) -> AsyncIterator[ConnectorChange]:
        return self

    async def __anext__(self) -> ConnectorChange:
        """The next change, as soon as there is one.

        Raises:
            LambdaCoreError: the connectors cannot be listed, for a reason that will not pass.
            RuntimeError: the watch is not entered, or it is left.
        """
        while True:
            if not self._open:
                raise RuntimeError("iterate over a watch inside `async with`")
            while self._news:
                change = self._tell(*self._news.popitem())
                if change is not None:
                    return change
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                raise refusal
            await self._look()

    def _tell(
        self, identifier: str, connector: NetworkConnectorSummary | None
    ) -> ConnectorChange | None:
        """The change to what is known now; `None` if another consumer has been told of it."""
        before = self._known.get(identifier)
        if connector is None:
            return None if before is None else ConnectorDeleted(self._known.pop(identifier))
        self._known[identifier] = connector
        if before is None:
            return ConnectorAdded(connector)
        if before.state != connector.state:
            return ConnectorStateChanged(before, connector)
        return None if before == connector else ConnectorUpdated(before, connector)

    async def _look(self) -> None:
        """Wait for the next listing, or for a check if one ends before, and note the news."""
        for identifier in self._unlisted[: _MAX_CHECKS - len(self._checks)]:
            self._checks[identifier] = asyncio.create_task(self._is_gone(identifier))
            self._unlisted.remove(identifier)
        interval, self._interval = self._interval, self._poll_interval
        listing = asyncio.create_task(self._poller.list_all(interval))
        completed = False
        try:
            await asyncio.wait(
                [listing, *self._checks.values()], return_when=asyncio.FIRST_COMPLETED
            )
            listing.cancel()
            await asyncio.gather(listing, return_exceptions=True)
            completed = True
        finally:
            if not completed:  # the caller is cancelled
                listing.cancel()
                await self._end_checks()
                await asyncio.gather(listing, return_exceptions=True)
        self._note_checks()
        if not listing.cancelled():
            self._note_listing(listing)

    async def _is_gone(self, identifier: str) -> bool:
        try:
            await self._poller.get(identifier)
        except ResourceNotFoundException:
            return True
        return False

    async def _end_checks(self) -> None:
        checks, self._checks = self._checks, {}
        for check in checks.values():
            check.cancel()
        await asyncio.gather(*checks.values(), return_exceptions=True)

    def _note_checks(self) -> None:
        for identifier in [each for each, check in self._checks.items() if check.done()]:
            check = self._checks.pop(identifier)
            error = check.exception()
            if error is None:
                if check.result():
                    self._news[identifier] = None
            elif not isinstance(error, LambdaCoreError) or _is_denied(error):
                self._refusal = error
            # Any other failure is this connector's alone. The next listing brings the next check.

    def _note_listing(self, task: asyncio.Task[Sequence[NetworkConnectorSummary]]) -> None:
        error = task.exception()
        if error is not None:
            if not (isinstance(error, LambdaCoreError) and (error.transient or error.throttling)):
                self._refusal = error
            return
        listed = {connector.id: connector for connector in task.result()}
        for identifier, connector in reversed(listed.items()):
            if self._known.get(identifier) != connector:
                self._news[identifier] = connector
        self._unlisted = [
            identifier
            for identifier in self._known
            if identifier not in listed and identifier not in self._checks
        ]


def _is_denied(error: LambdaCoreError) -> bool:
    """Whether a caller without this permission cannot check any connector."""
    return isinstance(error, ApiError) and error.code == "AccessDeniedException"
