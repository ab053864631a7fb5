"""Waiters: poll until a resource reaches a state; explain why if it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Coroutine
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import frozen

from lambdacore_async.engine.clock import LAG
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorSummary,
    OnChange,
)
from lambdacore_async.models.reason_codes import CAUSES, Cause
from lambdacore_async.models.runtimes import RuntimeAlias, RuntimeVersion
from lambdacore_async.protocol import operations
from lambdacore_async.workflows.arguments import check_count
from lambdacore_async.workflows.polling import Poller

Model = TypeVar("Model", bound=RuntimeVersion | RuntimeAlias)
Output = TypeVar("Output")

#: Seconds between the first two looks; each pause is twice the one before.
_FIRST_INTERVAL: Final = 1.0

#: The states from which no connector becomes active.
_LOST: Final = frozenset(
    {
        NetworkConnectorState.FAILED,
        NetworkConnectorState.DELETING,
        NetworkConnectorState.DELETE_FAILED,
    }
)


Awaited: TypeAlias = NetworkConnector | RuntimeVersion | RuntimeAlias


#: The states from which no version and no alias of a runtime becomes active.
_LOST_RUNTIME: Final = frozenset({"FAILED", "DELETING", "PENDING_DELETION"})


class WaiterError(LambdaCoreError):
    """What was waited for did not come about.

    Attributes:
        last: the resource as last seen; `None` if it was not. Of a connector that was only seen in
            a listing, it has no configuration.
    """

    def __init__(
        self, message: str, *, last: Awaited | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message)
        self.last = last
        self.operation = operation


class WaiterFailedError(WaiterError):
    """What was waited for cannot come about any more.

    Attributes:
        state: the resource's state, or its last update's; `None` if it is gone.
        reason: why, in the service's words.
        reason_code: why.
        last: the resource as last seen.
    """

    def __init__(
        self,
        message: str,
        *,
        state: str | None,
        reason: str | None = None,
        reason_code: str | None = None,
        last: Awaited | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(message, last=last, operation=operation)
        self.state = state
        self.reason = reason
        self.reason_code = reason_code

    @property
    def cause(self) -> Cause | None:
        """Whether a retry can help, and what to do, if the reason code tells."""
        return CAUSES.get(self.reason_code or "")


class WaiterTimeoutError(WaiterError, TimeoutError):
    """What was waited for did not come about in time."""


class _Wait:
    """One wait: how long, how often to poll, and what was seen last.

    Args:
        poller: polls.
        timeout: seconds to wait, more than 0.
        poll_interval: seconds between two polls, at the slowest, more than 0.
        exists: whether the resource is known to exist, so that "not found" can only be a read
            that lags behind.
    """

    operation: str

    def __init__(
        self, poller: Poller, *, timeout: float, poll_interval: float, exists: bool
    ) -> None:
        self._poller = poller
        self._timeout = timeout
        self._poll_interval = poll_interval
        self._interval = 0.0
        self._late = poller.clock.monotonic() + LAG
        self._exists = exists
        self._problem: LambdaCoreError | None = None
        self._seen: Awaited | None = None

    async def _within_timeout(self, waiting: Coroutine[None, None, Output]) -> Output:
        """Wait, but not for longer than the clock allows.

        Raises:
            WaiterTimeoutError: it took longer.
        """
        scope = asyncio.timeout(None)
        alarm = asyncio.create_task(self._ring(scope))
        try:
            async with scope:
                return await waiting
        except TimeoutError:
            if not scope.expired():
                raise
            raise WaiterTimeoutError(
                f"not within {self._timeout:g} seconds: {_last_words(self._seen)}",
                last=self._seen,
                operation=self.operation,
            ) from self._problem
        finally:
            alarm.cancel()
            await asyncio.wait([alarm])

    async def _ring(self, scope: asyncio.Timeout) -> None:
        await self._poller.clock.sleep(self._timeout)
        scope.reschedule(asyncio.get_running_loop().time())

    def _pause(self) -> float:
        """Seconds between the ticks to look at next: at once, after a second, then twice that."""
        interval = self._interval
        self._interval = min(max(2 * interval, _FIRST_INTERVAL), self._poll_interval)
        return interval

    def _missed(self, error: LambdaCoreError) -> None:
        """Let a failed poll be if the reason may pass; there is another poll to come."""
        if isinstance(error, ResourceNotFoundException):
            passing = self._exists and not self._is_late()
            if not passing and self._seen is not None:
                raise self._deleted(self._seen.name) from error
        else:
            passing = error.transient or error.throttling
        if not passing:
            raise error
        self._problem = error

    def _is_late(self) -> bool:
        """Whether no read is so far behind that it shows what was before this wait."""
        return self._poller.clock.monotonic() >= self._late

    def _deleted(self, name: str) -> WaiterFailedError:
        return WaiterFailedError(
            f"{name} was deleted", state=None, last=self._seen, operation=self.operation
        )


@frozen
class Update:
    """What tells an update from those before it and after it; without any of it, it is any update.

    Attributes:
        version: the version that it made; the connector's version, if it made none.
        operator_role: the role that the connector has by it.
        began: when.
    """

    version: int | None = None
    operator_role: str | None = None
    began: datetime | None = None

    def is_shown_by(self, connector: NetworkConnector) -> bool:
        """Whether the connector is as the update makes it.

        A version has one configuration, but an update of the role alone may have made no version.
        """
        return _agree(self.version, connector.version) and _agree(
            self.operator_role, connector.operator_role
        )

    def made(self, version: NetworkConnector) -> bool:
        """Whether the version that the connector has by the update was made by it."""
        return _agree(self.operator_role, version.operator_role) and not (
            self.began and version.last_modified and version.last_modified < self.began
        )

    def precedes(self, connector: NetworkConnector) -> bool:
        """Whether the connector tells that it is seen as it was after the update began."""
        if self.version and connector.version and connector.version != self.version:
            return connector.version > self.version
        return bool(self.began and connector.last_modified and connector.last_modified > self.began)


class ConnectorWait(_Wait):
    """One wait for one connector.

    Args:
        poller: polls connectors in the connector's region.
        connector: the connector, known to exist, or its ID, name or ARN.
        timeout: seconds to wait, more than 0.
        poll_interval: seconds between two polls, at the slowest, more than 0.
        on_change: called with the connector at the first poll and on each change.
        exists: whether the connector is known to exist.
    """

    operation = operations.GET_NETWORK_CONNECTOR.name

    def __init__(
        self,
        poller: Poller,
        connector: str | NetworkConnector,
        *,
        timeout: float,
        poll_interval: float,
        on_change: OnChange | None,
        exists: bool,
    ) -> None:
        super().__init__(poller, timeout=timeout, poll_interval=poll_interval, exists=exists)
        self._identifier = connector if isinstance(connector, str) else connector.id
        self._given = None if isinstance(connector, str) else connector
        self._on_change = on_change
        self._listed: NetworkConnector | None = None
        self._id: str | None = None
        self._was_deleting = False

    async def until_active(self) -> NetworkConnector:
        """See `LambdaCoreClient.wait_until_network_connector_active`."""
        return await self._within_timeout(self._until_active())

    async def until_updated(self, version: int | None) -> NetworkConnector:
        """See `LambdaCoreClient.wait_until_network_connector_updated`."""
        if version is not None:
            check_count("version", version)
        given = self._given
        update = (
            Update(version)
            if version is not None or given is None
            else Update(given.version, given.operator_role, given.last_modified)
        )
        return await self._within_timeout(self._until_updated(update))

    async def until_deleted(self) -> None:
        """See `LambdaCoreClient.wait_until_network_connector_deleted`."""
        await self._within_timeout(self._until_deleted())

    async def _until_active(self) -> NetworkConnector:
        decided = {NetworkConnectorState.ACTIVE, *_LOST}
        while True:
            connector = await self._poll(decided)
            if connector is None:
                continue
            if connector.state == NetworkConnectorState.ACTIVE:
                return connector
            if connector.state in _LOST:
                raise _lost(connector)

    async def _until_updated(self, update: Update) -> NetworkConnector:
        was_busy = False
        while True:
            # A listing does not tell how an update goes.
            connector = await self._get_in_turn()
            if connector is None:
                continue
            if connector.state in _LOST:
                raise _lost(connector)
            late = update == Update() or self._is_late()
            if connector.last_update_status == NetworkConnectorLastUpdateStatus.IN_PROGRESS:
                was_busy = True
            elif await self._is_through(connector, update, late=late, was_busy=was_busy):
                return connector

    async def _is_through(
        self, connector: NetworkConnector, update: Update, *, late: bool, was_busy: bool
    ) -> bool:
        """Whether the update is through, if the connector is seen idle.

        What the connector tells may be of an update before, or after; the version tells of its own.

        Args:
            connector: as it was seen.
            update: that is waited for.
            late: no read is so far behind that it shows what was before the update.
            was_busy: an update has been seen in progress.

        Raises:
            WaiterFailedError: the update failed.
        """
        # The version passed in may not exist yet; an update that was accepted does.
        after = update.precedes(connector) or (late and update.began is not None)
        failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
        if not failed and update.is_shown_by(connector):
            return True
        if update.version is not None:
            try:
                version = await self._poller.get(f"{connector.arn}:{update.version}")
            except ResourceNotFoundException:
                pass  # not to be seen yet, or deleted
            except LambdaCoreError as error:
                self._missed(error)
                return False
            else:
                if version.state == NetworkConnectorState.FAILED:
                    raise _failed_update(connector, version.state_reason, version.state_reason_code)
                if update.made(version):
                    seen = after or update.is_shown_by(connector)
                    return seen and version.state == NetworkConnectorState.ACTIVE
        if failed and (after or late or was_busy):
            raise _failed_update(
                connector,
                connector.last_update_status_reason,
                connector.last_update_status_reason_code,
            )
        return after and not failed

    async def _until_deleted(self) -> None:
        # If the deletion was accepted, a read that lags behind may show that an earlier one failed.
        accepted = self._given is not None and self._given.state == NetworkConnectorState.DELETING
        while True:
            try:
                connector = await self._poll({NetworkConnectorState.DELETE_FAILED})
            except (ResourceNotFoundException, WaiterFailedError):
                return
            if connector is None or connector.state != NetworkConnectorState.DELETE_FAILED:
                continue
            if not accepted or self._was_deleting or self._is_late():
                raise _lost(connector)

    async def _poll(self, decided: Container[object]) -> NetworkConnector | None:
        """Poll at the next round; `None` if there is no more to see than a listing shows."""
        observation = await self._poller.poll(self._identifier, self._pause())
        if isinstance(observation, LambdaCoreError):
            self._missed(observation)
            return None
        if isinstance(observation, Exception):
            raise observation
        if isinstance(observation, NetworkConnectorSummary):
            listed = _as_connector(observation)
            self._recognise(listed)
            changed = listed != self._listed
            if observation.state in decided or (changed and self._on_change is not None):
                connector = await self._get(observation.id)
                if connector is not None:  # else the change is yet to be told
                    self._listed = listed
                return connector
            self._listed = listed
            self._seen = listed if changed else self._seen
            return None
        return self._see(observation)

    async def _get_in_turn(self) -> NetworkConnector | None:
        if interval := self._pause():
            await self._poller.pause(interval)
        return await self._get(self._identifier)

    async def _get(self, identifier: str) -> NetworkConnector | None:
        """Get the connector; `None` if a passing failure kept it from being seen."""
        try:
            return self._see(await self._poller.get(identifier))
        except LambdaCoreError as error:
            self._missed(error)
            return None

    def _recognise(self, connector: NetworkConnector) -> None:
        """Tell the connector from another one that has its name since."""
        if self._id not in (None, connector.id):
            raise self._deleted(connector.name)
        self._id = connector.id
        if connector.state == NetworkConnectorState.DELETING:
            self._was_deleting = True

    def _see(self, connector: NetworkConnector) -> NetworkConnector:
        self._recognise(connector)
        changed, self._seen = connector != self._seen, connector
        if changed and self._on_change is not None:
            self._on_change(connector)
        return connector


class RuntimeWait(_Wait, Generic[Model]):
    """One wait for a version or an alias of a runtime.

    Args:
        get: gets it; only for a lasting reason does it fail.
        operation: the API operation's name.
        poller: keeps the time.
        timeout: seconds to wait, more than 0.
        poll_interval: seconds between two polls, at the slowest, more than 0.
        on_change: called with it at the first poll and on each change.
        exists: whether it is known to exist.
    """

    def __init__(
        self,
        get: Callable[[], Awaitable[Model]],
        operation: str,
        poller: Poller,
        *,
        timeout: float,
        poll_interval: float,
        on_change: Callable[[Model], object] | None,
        exists: bool,
    ) -> None:
        super().__init__(poller, timeout=timeout, poll_interval=poll_interval, exists=exists)
        self._get = get
        self.operation = operation
        self._on_change = on_change

    async def until_active(self) -> Model:
        """See `LambdaCoreClient.wait_until_runtime_version_active` and its sibling."""
        return await self._within_timeout(self._until_active())

    async def _until_active(self) -> Model:
        while True:
            if interval := self._pause():
                await self._poller.pause(interval)
            try:
                resource = await self._get()
            except LambdaCoreError as error:
                self._missed(error)
                continue
            changed, self._seen = resource != self._seen, resource
            if changed and self._on_change is not None:
                self._on_change(resource)
            if resource.state == "ACTIVE":
                return resource
            if resource.state in _LOST_RUNTIME:
                raise WaiterFailedError(
                    f"{resource.name} is {resource.state}",
                    state=resource.state,
                    last=resource,
                    operation=self.operation,
                )


def _agree(one: object, other: object) -> bool:
    """Whether two members are the same, as far as the service told them."""
    return one is None or other is None or one == other


def _last_words(seen: Awaited | None) -> str:
    """What was seen last, in words."""
    if seen is None:
        return "it was not seen"
    words = [f"{seen.name} is {seen.state}"]
    if isinstance(seen, NetworkConnector) and seen.last_update_status is not None:
        words.append(f"its last update {seen.last_update_status}")
        words += filter(None, (seen.last_update_status_reason_code, seen.last_update_status_reason))
    return ", ".join(words)


def _as_connector(summary: NetworkConnectorSummary) -> NetworkConnector:
    """What a listing tells of a connector; it may leave out the rest, as any answer."""
    return NetworkConnector(
        arn=summary.arn,
        name=summary.name,
        id=summary.id,
        state=summary.state,
        last_modified=summary.last_modified,
        latest_version_arn=summary.latest_version_arn,
        latest_version=summary.latest_version,
    )


def _lost(connector: NetworkConnector) -> WaiterFailedError:
    return _failure(
        f"network connector {connector.name} is {connector.state}",
        connector.state,
        connector.state_reason,
        connector.state_reason_code,
        connector,
    )


def _failed_update(
    connector: NetworkConnector, reason: str | None, code: str | None
) -> WaiterFailedError:
    what = f"the update of {connector.name} failed"
    return _failure(what, NetworkConnectorLastUpdateStatus.FAILED, reason, code, connector)


def _failure(
    what: str, state: str | None, reason: str | None, code: str | None, last: NetworkConnector
) -> WaiterFailedError:
    return WaiterFailedError(
        ": ".join(filter(None, (what, code, reason))),
        state=state,
        reason=reason,
        reason_code=code,
        last=last,
        operation=operations.GET_NETWORK_CONNECTOR.name,
    )
