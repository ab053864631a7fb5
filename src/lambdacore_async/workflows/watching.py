"""A live picture of the network connectors: a stream of what changes between two looks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container, Iterable
from types import TracebackType
from typing import Self, TypeAlias

from attrs import frozen

from lambdacore_async.errors import LambdaCoreError, ParameterError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import NetworkConnectorSummary
from lambdacore_async.workflows.polling import Poller
from lambdacore_async.workflows.waiters import check_seconds


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

    It looks only when it is asked for a change and has none left: nothing runs in the background,
    and nothing piles up before a slow consumer. A look that fails for a passing reason is repeated
    at the next tick.

    Args:
        poller: looks.
        snapshot: the connectors known so far.
        poll_interval: seconds between two looks, more than 0.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        poller: Poller,
        snapshot: Iterable[NetworkConnectorSummary] | None,
        poll_interval: float,
    ) -> None:
        check_seconds(poll_interval=poll_interval)
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
        self._pending: list[ConnectorChange] = []
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

    @property
    def snapshot(self) -> tuple[NetworkConnectorSummary, ...]:
        """The connectors as the changes that have come so far tell of them.

        To go on later, or elsewhere, start a watch with it: no change is lost, and none comes
        twice. `to_dict` makes JSON of each.
        """
        return tuple(self._known.values())

    def __aiter__(self) -> AsyncIterator[ConnectorChange]:
        return self

    async def __anext__(self) -> ConnectorChange:
        """The next change, as soon as there is one.

        Raises:
            LambdaCoreError: the connectors cannot be listed, for a reason that will not pass.
        """
        if not self._open:
            raise RuntimeError("iterate over a watch inside `async with`")
        while not self._pending:
            interval, self._interval = self._interval, self._poll_interval
            try:
                listing = {each.id: each for each in await self._poller.list_all(interval)}
                gone = await self._gone(listing)
            except LambdaCoreError as error:
                if not (error.transient or error.throttling):
                    raise
            else:
                self._pending = [*self._differences(listing.values()), *gone][::-1]
        change = self._pending.pop()
        if isinstance(change, ConnectorDeleted):
            del self._known[change.connector.id]
        else:
            self._known[change.connector.id] = change.connector
        return change

    def _differences(self, listing: Iterable[NetworkConnectorSummary]) -> list[ConnectorChange]:
        changes: list[ConnectorChange] = []
        for connector in listing:
            before = self._known.get(connector.id)
            if before is None:
                changes.append(ConnectorAdded(connector))
            elif before.state != connector.state:
                changes.append(ConnectorStateChanged(before, connector))
            elif before != connector:
                changes.append(ConnectorUpdated(before, connector))
        return changes

    async def _gone(self, listed: Container[str]) -> list[ConnectorDeleted]:
        """What is not listed any more; a page may lack what moved while it was turned, so ask."""
        deleted: list[ConnectorDeleted] = []
        for connector in self._known.values():
            if connector.id not in listed:
                try:
                    await self._poller.get(connector.id)
                except ResourceNotFoundException:
                    deleted.append(ConnectorDeleted(connector))
        return deleted
