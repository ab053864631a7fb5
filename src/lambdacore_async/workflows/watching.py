"""Watches: streams of the changes of all network connectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Final, Generic, Self, TypeAlias, TypeVar

from attrs import frozen

from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import (
    ApiError,
    LambdaCoreError,
    ParameterError,
    ResourceNotFoundException,
)
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
from lambdacore_async.workflows.polling import Poller

#: The maximum number of concurrent gets of one watch.
_MAX_CHECKS: Final = 20


Connector = TypeVar("Connector", NetworkConnectorSummary, NetworkConnector)


@frozen
class ConnectorAdded(Generic[Connector]):
    """A new connector."""

    connector: Connector
    """The connector."""


@frozen
class ConnectorStateChanged(Generic[Connector]):
    """A connector whose state changed."""

    before: Connector
    """The connector as last seen before the change."""
    connector: Connector
    """The connector after the change."""


@frozen
class ConnectorUpdated(Generic[Connector]):
    """A connector that changed but stayed in the same state, such as after an update."""

    before: Connector
    """The connector as last seen before the change."""
    connector: Connector
    """The connector after the change."""


@frozen
class ConnectorDeleted(Generic[Connector]):
    """A connector that was deleted."""

    connector: Connector
    """The connector as last seen."""


ConnectorChange: TypeAlias = (
    ConnectorAdded[NetworkConnectorSummary]
    | ConnectorStateChanged[NetworkConnectorSummary]
    | ConnectorUpdated[NetworkConnectorSummary]
    | ConnectorDeleted[NetworkConnectorSummary]
)
"""One change of one connector."""


def change_between(
    before: Connector | None, after: Connector | None
) -> (
    ConnectorAdded[Connector]
    | ConnectorStateChanged[Connector]
    | ConnectorUpdated[Connector]
    | ConnectorDeleted[Connector]
    | None
):
    """Return the change between two observations of a connector; `None` means that it is gone."""
    if after is None:
        return None if before is None else ConnectorDeleted(before)
    if before is None:
        return ConnectorAdded(after)
    if before.state != after.state:
        return ConnectorStateChanged(before, after)
    return None if before == after else ConnectorUpdated(before, after)


class NetworkConnectorWatch:
    """An endless stream of changes: use it in `async with`, and iterate over it inside.

    The watch polls only when the consumer wants a change and none is left, so changes never pile up
    for a slow consumer. A poll that fails for a transient reason is repeated in the next round.

    If a listing lacks a connector, the watch gets that connector to check whether it was deleted,
    because connectors can move between pages during a listing. Checks do not delay other changes.

    Args:
        poller: polls.
        snapshot: the connectors known so far.
        poll_interval: seconds between two polls, or a `timedelta`; more than 0.

    Raises:
        ParameterError: if an argument is invalid.
    """

    def __init__(
        self,
        poller: Poller,
        snapshot: Iterable[NetworkConnectorSummary] | None,
        poll_interval: float | timedelta,
    ) -> None:
        self._poller = poller
        self._poll_interval = as_seconds("poll_interval", poll_interval)
        self._known: dict[str, NetworkConnectorSummary] = {}
        if snapshot is not None and not isinstance(snapshot, Iterable):
            raise ParameterError("snapshot", f"expected an iterable, got {type(snapshot).__name__}")
        for connector in snapshot or ():
            if not isinstance(connector, NetworkConnectorSummary):
                raise ParameterError(
                    "snapshot", f"expected NetworkConnectorSummary, got {type(connector).__name__}"
                )
            self._known[connector.id] = connector
        #: Changed connectors, the next one last; `None` stands for a deletion.
        self._changed: dict[str, NetworkConnectorSummary | None] = {}
        self._error: BaseException | None = None
        self._unlisted: list[str] = []
        self._checks: dict[str, asyncio.Task[bool]] = {}
        self._interval = 0.0
        self._open = False

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False
        await self._end_checks()

    @property
    def snapshot(self) -> tuple[NetworkConnectorSummary, ...]:
        """The connectors after the changes delivered so far.

        Start a watch with a snapshot to resume later or in another process: every change is
        delivered once. `to_dict` converts each connector to JSON.
        """
        return tuple(self._known.values())

    def __aiter__(self) -> AsyncIterator[ConnectorChange]:
        return self

    async def __anext__(self) -> ConnectorChange:
        """Wait for the next change, and return it.

        Raises:
            LambdaCoreError: if the connectors cannot be listed, for a reason that is not transient.
            RuntimeError: if the watch is not entered, or it is left.
        """
        while True:
            if not self._open:
                raise RuntimeError("iterate over a watch inside `async with`")
            while self._changed:
                change = self._apply(*self._changed.popitem())
                if change is not None:
                    return change
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            await self._poll()

    def _apply(
        self, identifier: str, connector: NetworkConnectorSummary | None
    ) -> ConnectorChange | None:
        """Apply a change to the snapshot, and return it; `None` if another consumer took it."""
        before = self._known.pop(identifier, None)
        if connector is not None:
            self._known[identifier] = connector
        return change_between(before, connector)

    async def _poll(self) -> None:
        """Wait for the next listing or the next end of a check, and record its changes."""
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
        self._record_checks()
        if not listing.cancelled():
            self._record_listing(listing)

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

    def _record_checks(self) -> None:
        for identifier in [each for each, check in self._checks.items() if check.done()]:
            check = self._checks.pop(identifier)
            error = check.exception()
            if error is None:
                if check.result():
                    self._changed[identifier] = None
            elif not isinstance(error, LambdaCoreError) or _is_denied(error):
                self._error = error
            # Other errors concern this connector alone: check it after the next listing.

    def _record_listing(self, task: asyncio.Task[Sequence[NetworkConnectorSummary]]) -> None:
        error = task.exception()
        if error is not None:
            if not (isinstance(error, LambdaCoreError) and (error.transient or error.throttling)):
                self._error = error
            return
        listed = {connector.id: connector for connector in task.result()}
        for identifier, connector in reversed(listed.items()):
            if self._known.get(identifier) != connector:
                self._changed[identifier] = connector
        self._unlisted = [
            identifier
            for identifier in self._known
            if identifier not in listed and identifier not in self._checks
        ]


def _is_denied(error: LambdaCoreError) -> bool:
    """Return whether the caller lacks the permission to get any connector."""
    return isinstance(error, ApiError) and error.code == "AccessDeniedException"
