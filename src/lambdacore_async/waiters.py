"""Waiters: look until something has come about, and if it cannot any more, say why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import LambdaCoreError, ParameterError, ResourceNotFoundException
from lambdacore_async.models.causes import CAUSES, Cause
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
)

OnChange: TypeAlias = Callable[[NetworkConnector], object]
"""Is told of a connector when it is first seen, and whenever it has changed."""

#: Seconds between the first two looks, and how the pause grows from one to the next.
_FIRST_PAUSE: Final = 1.0
_GROWTH: Final = 1.5

#: The states from which no connector becomes active.
_LOST: Final = frozenset(
    {
        NetworkConnectorState.FAILED,
        NetworkConnectorState.DELETING,
        NetworkConnectorState.DELETE_FAILED,
    }
)


class WaiterError(LambdaCoreError):
    """What was waited for did not come about.

    Attributes:
        last: the connector as last seen; `None` if it was not.
    """

    def __init__(self, message: str, *, last: NetworkConnector | None = None) -> None:
        super().__init__(message)
        self.last = last


class WaiterFailedError(WaiterError):
    """What was waited for cannot come about any more.

    Attributes:
        state: the connector's state, or its last update's; `None` if it is gone.
        reason: why, in the service's words.
        reason_code: why.
        last: the connector as last seen.
    """

    def __init__(
        self,
        message: str,
        *,
        state: str | None,
        reason: str | None = None,
        reason_code: str | None = None,
        last: NetworkConnector | None = None,
    ) -> None:
        super().__init__(message, last=last)
        self.state = state
        self.reason = reason
        self.reason_code = reason_code

    @property
    def cause(self) -> Cause | None:
        """Whether a retry can help, and what to do, if the reason code tells."""
        return CAUSES.get(self.reason_code or "")


class WaiterTimeoutError(WaiterError, TimeoutError):
    """What was waited for did not come about in time."""


class Waiter:
    """One wait for one connector.

    Args:
        get: gets the connector.
        clock: tells the time.
        jitter: a random number from 0 to 1.
        timeout: seconds to wait, more than 0.
        poll_interval: seconds between two looks, at the slowest, more than 0.
        on_change: called with the connector at the first look and on each change.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        get: Callable[[str], Awaitable[NetworkConnector]],
        *,
        clock: Clock,
        jitter: Callable[[], float],
        timeout: float,
        poll_interval: float,
        on_change: OnChange | None,
    ) -> None:
        check_seconds(timeout=timeout, poll_interval=poll_interval)
        self._get = get
        self._clock = clock
        self._jitter = jitter
        self._deadline = clock.monotonic() + timeout
        self._timeout = timeout
        self._poll_interval = poll_interval
        self._pause = min(_FIRST_PAUSE, poll_interval)
        self._on_change = on_change
        self._last: NetworkConnector | None = None

    async def until_active(self, identifier: str) -> NetworkConnector:
        """See `LambdaCoreClient.wait_until_network_connector_active`."""
        while True:
            connector = await self._look(identifier)
            if connector.state == NetworkConnectorState.ACTIVE:
                return connector
            if connector.state in _LOST:
                raise _lost(connector)
            await self._wait(connector)

    async def until_updated(self, identifier: str, version: int | None) -> NetworkConnector:
        """See `LambdaCoreClient.wait_until_network_connector_updated`."""
        while True:
            connector = await self._look(identifier)
            if connector.state in _LOST:
                raise _lost(connector)
            if connector.last_update_status != NetworkConnectorLastUpdateStatus.IN_PROGRESS:
                failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
                seen = version is None or (connector.version or 0) >= version
                if seen and not failed:
                    return connector
                failure = await self._update_failure(connector, version)
                if failure is not None:
                    raise failure
            await self._wait(connector)

    async def until_deleted(self, identifier: str) -> None:
        """See `LambdaCoreClient.wait_until_network_connector_deleted`."""
        while True:
            try:
                connector = await self._look(identifier)
            except (ResourceNotFoundException, WaiterFailedError):
                return
            if connector.state == NetworkConnectorState.DELETE_FAILED:
                raise _lost(connector)
            await self._wait(connector)

    async def _look(self, identifier: str) -> NetworkConnector:
        try:
            connector = await self._get(identifier)
        except ResourceNotFoundException as error:
            if self._last is None:
                raise
            message = f"network connector {self._last.name} was deleted"
            raise WaiterFailedError(message, state=None, last=self._last) from error
        changed, self._last = connector != self._last, connector
        if changed and self._on_change is not None:
            self._on_change(connector)
        return connector

    async def _update_failure(
        self, connector: NetworkConnector, version: int | None
    ) -> WaiterFailedError | None:
        """How the update to this version failed, if it did.

        What the connector tells may be of an update before, or after; the version tells of its own.
        """
        failed = NetworkConnectorLastUpdateStatus.FAILED
        reason = connector.last_update_status_reason
        code = connector.last_update_status_reason_code
        if version is not None:
            try:
                own = await self._get(f"{connector.arn}:{version}")
            except ResourceNotFoundException:
                if connector.last_update_status != failed:
                    return None  # it is yet to be seen
            else:
                if own.state != NetworkConnectorState.FAILED:
                    return None
                reason, code = own.state_reason, own.state_reason_code
        return _failure(f"the update of {connector.name} failed", failed, reason, code, connector)

    async def _wait(self, connector: NetworkConnector) -> None:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            status = filter(None, (connector.state, connector.last_update_status))
            raise WaiterTimeoutError(
                f"network connector {connector.name} is still {', '.join(status)} "
                f"after {self._timeout:g} seconds",
                last=connector,
            )
        await self._clock.sleep(min(self._pause * (0.75 + 0.25 * self._jitter()), left))
        self._pause = min(self._pause * _GROWTH, self._poll_interval)


def check_seconds(**durations: float) -> None:
    """Refuse durations that are not more than 0 and finite.

    Raises:
        ParameterError: one is not.
    """
    for parameter, seconds in durations.items():
        if not 0 < seconds < float("inf"):
            raise ParameterError(parameter, f"must be more than 0 and finite, got {seconds!r}")


def _lost(connector: NetworkConnector) -> WaiterFailedError:
    return _failure(
        f"network connector {connector.name} is {connector.state}",
        connector.state,
        connector.state_reason,
        connector.state_reason_code,
        connector,
    )


def _failure(
    what: str, state: str | None, reason: str | None, code: str | None, last: NetworkConnector
) -> WaiterFailedError:
    why = ": ".join(filter(None, (what, code, reason)))
    return WaiterFailedError(why, state=state, reason=reason, reason_code=code, last=last)
