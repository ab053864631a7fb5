"""Waiters: poll a resource until it reaches a state, and explain why if it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Coroutine
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from attrs import astuple, frozen

from lambdacore_async.engine.clock import LAG
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    ElasticIpConfiguration,
    ElasticIpType,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.reason_codes import CAUSES, Cause
from lambdacore_async.models.remedies import SLOW, add_note, remedy_of_reason
from lambdacore_async.models.runtimes import RuntimeAlias, RuntimeVersion
from lambdacore_async.protocol import operations
from lambdacore_async.workflows.arguments import WaitOptions, check_count
from lambdacore_async.workflows.polling import Poller

Awaited: TypeAlias = NetworkConnector | RuntimeVersion | RuntimeAlias

Model = TypeVar("Model", bound=RuntimeVersion | RuntimeAlias)
Resource = TypeVar("Resource", bound=Awaited)
Output = TypeVar("Output")

#: Seconds between the first two polls. Each interval is twice the previous one.
_FIRST_INTERVAL: Final = 1.0

#: Maximum seconds until the next poll after one that may lag behind, so that 20 polls miss a
#: resource before a wait concludes that it does not exist.
_LAG_INTERVAL: Final = 3.0

#: States from which a connector never becomes active.
_FAILURE_STATES: Final = frozenset(
    {
        NetworkConnectorState.FAILED,
        NetworkConnectorState.DELETING,
        NetworkConnectorState.DELETE_FAILED,
    }
)

#: States from which a version or an alias of a runtime never becomes active.
_RUNTIME_FAILURE_STATES: Final = frozenset({"FAILED", "DELETING", "PENDING_DELETION"})


class WaiterError(LambdaCoreError):
    """A wait ended before the resource reached the wanted state."""

    last: Awaited | None
    """The resource as last seen; `None` if no poll succeeded. A connector that only a listing
    showed has no configuration."""

    def __init__(
        self, message: str, *, last: Awaited | None = None, operation: str | None = None
    ) -> None:
        super().__init__(message)
        self.last = last
        self.operation = operation


class WaiterFailedError(WaiterError):
    """The resource can no longer reach the wanted state."""

    state: str | None
    """The state of the resource, or the status of its last update; `None` if it was deleted."""
    reason: str | None
    """The reason in the service's words."""
    reason_code: str | None
    """The service's code of the reason."""

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
        if self.cause is not None:
            self.add_note(self.cause.remedy)
        add_note(self, remedy_of_reason(reason))

    @property
    def cause(self) -> Cause | None:
        """Whether a retry can help, and the remedy; `None` for an unknown reason code."""
        return CAUSES.get(self.reason_code or "")


class WaiterTimeoutError(WaiterError, TimeoutError):
    """The resource did not reach the wanted state within the timeout."""

    @property
    def state(self) -> str | None:
        """The state of the resource as last seen; `None` if no poll succeeded."""
        return None if self.last is None else self.last.state

    @property
    def reason(self) -> str | None:
        """The reason for that state in the service's words."""
        return self.last.state_reason if isinstance(self.last, NetworkConnector) else None

    @property
    def reason_code(self) -> str | None:
        """The service's code of that reason."""
        return self.last.state_reason_code if isinstance(self.last, NetworkConnector) else None


def timeout_error(
    seconds: float,
    last: Awaited | None,
    operation: str | None = None,
    *,
    last_error: LambdaCoreError | None = None,
) -> WaiterTimeoutError:
    """Return the error of a wait that timed out.

    Args:
        seconds: the timeout.
        last: the resource as last seen.
        operation: the name of the API operation.
        last_error: the last error of the calls. The message has it if `last` is `None`.
    """
    message = f"timed out after {seconds:g} seconds: {_describe(last)}"
    if last is None and last_error is not None:
        message = f"{message}: {last_error}"
    error = WaiterTimeoutError(message, last=last, operation=operation)
    add_note(error, remedy_of_reason(error.reason))
    if isinstance(last, NetworkConnector) and last.state == NetworkConnectorState.PENDING:
        add_note(error, SLOW)
    return error


class _Wait(Generic[Resource]):
    """One wait for one resource: its schedule of polls, and the last observation.

    Args:
        poller: polls.
        options: how long and how often to poll.
        exists: whether the resource is known to exist. If so, "not found" can only come from a read
            that lags behind.
    """

    operation: str

    def __init__(
        self,
        poller: Poller,
        options: WaitOptions[Resource],
        *,
        exists: bool,
    ) -> None:
        self._poller = poller
        self._options = options
        self._exists = exists
        self._interval = 0.0
        self._end_of_lag = poller.clock.monotonic() + LAG
        self.seen_id: str | None = None
        self._last: Resource | None = None
        self._last_error: LambdaCoreError | None = None

    def _see(self, identifier: str) -> None:
        """Record the ID of the awaited resource."""
        self.seen_id = identifier

    def resume(self, seen_id: str | None, age: float, *, exists: bool) -> None:
        """Resume a wait of another process.

        Args:
            seen_id: the connector's ID that the other process saw.
            age: seconds since the wait began.
            exists: whether the resource is known to exist.
        """
        self.seen_id, self._exists = seen_id, exists
        self._end_of_lag -= min(max(age, 0.0), LAG)

    async def _within_timeout(self, waiting: Coroutine[None, None, Output]) -> Output:
        """Await a coroutine for at most `timeout` seconds of the clock.

        Raises:
            WaiterTimeoutError: if it takes longer.
        """
        scope = asyncio.timeout(None)
        timer = asyncio.create_task(self._expire(scope))
        try:
            async with scope:
                return await waiting
        except TimeoutError:
            if not scope.expired():
                raise
            error = self._last_error
            raise timeout_error(
                self._options.timeout, self._last, self.operation, last_error=error
            ) from error
        finally:
            timer.cancel()
            await asyncio.wait([timer])

    async def _expire(self, scope: asyncio.Timeout) -> None:
        await self._poller.clock.sleep(self._options.timeout)
        scope.reschedule(asyncio.get_running_loop().time())

    def _next_interval(self) -> float:
        """Return the seconds between rounds for the next poll: 0, 1, 2, 4 and so on."""
        interval = self._interval
        self._interval = min(max(2 * interval, _FIRST_INTERVAL), self._options.poll_interval)
        return interval

    def _hurry(self) -> None:
        """Make the next poll soon, because the last one may lag behind."""
        self._interval = min(self._interval, _LAG_INTERVAL)

    def _record(self, resource: Resource) -> Resource:
        """Keep an observation, and call `on_change` if it differs from the last one."""
        changed, self._last = resource != self._last, resource
        if changed and self._options.on_change is not None:
            self._options.on_change(resource)
        return resource

    def _tolerate(self, error: LambdaCoreError) -> None:
        """Keep the error of a poll if a later poll may succeed; raise it otherwise."""
        if isinstance(error, ResourceNotFoundException):
            passing = self._exists and not self._is_past_lag()
            if not passing and self._last is not None:
                raise self._deleted(self._last.name) from error
            self._hurry()
        else:
            passing = error.transient or error.throttling
        if not passing:
            raise error
        self._last_error = error

    def _is_past_lag(self) -> bool:
        """Return whether reads can no longer show a state from before this wait."""
        return self._poller.clock.monotonic() >= self._end_of_lag

    def _deleted(self, name: str) -> WaiterFailedError:
        return WaiterFailedError(
            f"{name} was deleted", state=None, last=self._last, operation=self.operation
        )


@frozen
class Update:
    """The facts that identify an update; without facts, it matches any update.

    Attributes:
        version: the version that the update created, or the connector's version if it created none.
        operator_role: the connector's role after the update.
        began: when the update began.
        configuration: the connector's configuration after the update.
    """

    version: int | None = None
    operator_role: str | None = None
    began: datetime | None = None
    configuration: NetworkConnectorConfiguration | None = None

    def is_shown_by(self, connector: NetworkConnector) -> bool:
        """Return whether the connector shows the outcome of the update.

        A version has one configuration, but an update of the role alone may create no version. A
        response without a version has the time at which the configuration was modified.
        """
        if not _may_equal(self.operator_role, connector.operator_role):
            return False
        if self.version is not None and connector.version is not None:
            return self.version == connector.version
        if self.began is None and self.configuration is None:
            return self.version is None
        return not self.follows(connector) and _may_equal(
            normalised(self.configuration), normalised(connector.configuration)
        )

    def follows(self, connector: NetworkConnector) -> bool:
        """Return whether this observation shows the connector as it was before the update."""
        return bool(self.began and connector.last_modified and connector.last_modified < self.began)

    def made(self, version: NetworkConnector) -> bool:
        """Return whether this update created the version with the update's number."""
        return _may_equal(self.operator_role, version.operator_role) and not self.follows(version)

    def precedes(self, connector: NetworkConnector) -> bool:
        """Return whether this observation of the connector was certainly made after the update."""
        if self.version and connector.version and connector.version != self.version:
            return connector.version > self.version
        return bool(self.began and connector.last_modified and connector.last_modified > self.began)


class ConnectorWait(_Wait[NetworkConnector]):
    """One wait for one connector.

    Args:
        poller: polls connectors in the connector's region.
        connector: the connector, known to exist, or its ID, name or ARN.
        options: how long and how often to poll.
        exists: whether the connector is known to exist.

    Attributes:
        was_deleting: whether a poll saw the connector in state `DELETING`.
    """

    operation: str = operations.GET_NETWORK_CONNECTOR.name

    def __init__(
        self,
        poller: Poller,
        connector: str | NetworkConnector,
        options: WaitOptions[NetworkConnector],
        *,
        exists: bool,
    ) -> None:
        super().__init__(poller, options, exists=exists)
        self._identifier = connector if isinstance(connector, str) else connector.arn
        self._given = None if isinstance(connector, str) else connector
        self._last_listed: NetworkConnector | None = None
        self.was_deleting: bool = False

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
            else Update(
                given.version, given.operator_role, given.last_modified, given.configuration
            )
        )
        return await self._within_timeout(self._until_updated(update))

    async def until_deleted(self, *, accepted: bool = False) -> None:
        """See `LambdaCoreClient.wait_until_network_connector_deleted`.

        Args:
            accepted: whether the service is known to have accepted the deletion.
        """
        given = self._given
        accepted = accepted or (given is not None and given.state == NetworkConnectorState.DELETING)
        # A read that lags behind a creation also fails with "not found".
        needed, self._exists = 1 + self._exists, False
        await self._within_timeout(self._until_deleted(needed, accepted=accepted))

    async def _until_active(self) -> NetworkConnector:
        final = {NetworkConnectorState.ACTIVE, *_FAILURE_STATES}
        while True:
            connector = await self._poll(final)
            if self._last is not None and self._last.state == NetworkConnectorState.PENDING:
                self._exists = True  # a read that misses it lags behind its creation
            if connector is None:
                continue
            if connector.state == NetworkConnectorState.ACTIVE:
                return connector
            if connector.state in _FAILURE_STATES:
                raise _failed_state(connector)

    async def _until_updated(self, update: Update) -> NetworkConnector:
        was_busy = was_done = False
        # Without versions, reads may show the new configuration before the update in progress.
        twice = update.version is None and _is_updating(self._given)
        while True:
            # A listing does not show the status of an update.
            connector = await self._get_at_next_round()
            if connector is None:
                continue
            if connector.state in _FAILURE_STATES:
                raise _failed_state(connector)
            past_lag = update == Update() or self._is_past_lag()
            if _is_updating(connector):
                was_busy, was_done = True, False
            elif await self._is_done(connector, update, past_lag=past_lag, was_busy=was_busy):
                if was_done or was_busy or past_lag or not twice:
                    return connector
                was_done = True
                self._hurry()
            else:
                was_done = False

    async def _is_done(
        self, connector: NetworkConnector, update: Update, *, past_lag: bool, was_busy: bool
    ) -> bool:
        """Return whether the update is done, if no update is in progress.

        The connector may show an earlier or a later update. The version that the update created
        shows this update.

        Args:
            connector: the last observation.
            update: the awaited update.
            past_lag: whether reads can no longer show a state from before the update.
            was_busy: whether this wait saw an update in progress.

        Raises:
            WaiterFailedError: if the update failed.
        """
        # The version passed in may not exist yet; an update that was accepted does.
        after = update.precedes(connector) or (past_lag and update.began is not None)
        failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
        if not failed and update.is_shown_by(connector):
            return True
        if update.follows(connector) and not past_lag:
            return False
        if update.version is not None:
            try:
                version = await self._poller.get(f"{connector.arn}:{update.version}")
            except ResourceNotFoundException:
                pass  # reads do not show the version yet, or it was deleted
            except LambdaCoreError as error:
                self._tolerate(error)
                return False
            else:
                if version.state == NetworkConnectorState.FAILED:
                    raise _failed_update(connector, version.state_reason, version.state_reason_code)
                if update.made(version):
                    # AWS leaves the version out of some reads.
                    unnumbered = past_lag and connector.version is None
                    is_shown = after or unnumbered or update.is_shown_by(connector)
                    return is_shown and version.state == NetworkConnectorState.ACTIVE
        if failed and (after or past_lag or was_busy):
            raise _failed_update(
                connector,
                connector.last_update_status_reason,
                connector.last_update_status_reason_code,
            )
        return after and not failed

    async def _until_deleted(self, needed: int, *, accepted: bool) -> None:
        """Wait until the connector is deleted.

        Args:
            needed: the number of consecutive polls that must miss the connector.
            accepted: whether the deletion was accepted. If so, a lagging read may show the failure
                of an earlier deletion.
        """
        missed = failed = 0
        while True:
            try:
                connector = await self._poll({NetworkConnectorState.DELETE_FAILED})
            except (ResourceNotFoundException, WaiterFailedError):
                missed, failed = missed + 1, 0
                if missed == needed:
                    return
                self._hurry()
                continue
            if connector is None:
                continue
            missed = 0
            if connector.state != NetworkConnectorState.DELETE_FAILED:
                failed = 0
                continue
            failed += 1
            seen_twice = self.was_deleting and failed > 1
            if not accepted or seen_twice or self._is_past_lag():
                raise _failed_state(connector)
            self._hurry()

    async def _poll(self, final: Container[object]) -> NetworkConnector | None:
        """Poll the connector at the next round.

        Args:
            final: the states that end the wait, in which a listed connector is read in full.

        Returns:
            The connector; `None` if the poll failed for a transient reason, or if a listing shows
            that reading the connector in full is not necessary.
        """
        observation = await self._poller.poll(self._identifier, self._next_interval())
        if isinstance(observation, LambdaCoreError):
            self._tolerate(observation)
            return None
        if isinstance(observation, Exception):
            raise observation
        if isinstance(observation, NetworkConnectorSummary):
            listed = _as_connector(observation)
            self._check_id(listed)
            changed = listed != self._last_listed
            if observation.state in final or (changed and self._options.on_change is not None):
                connector = await self._get(observation.id)
                if connector is not None:  # otherwise `on_change` is yet to be called
                    self._last_listed = listed
                return connector
            self._last_listed = listed
            self._last = listed if changed else self._last
            return None
        self._check_id(observation)
        return self._record(observation)

    async def _get_at_next_round(self) -> NetworkConnector | None:
        if interval := self._next_interval():
            await self._poller.pause(interval)
        return await self._get(self._identifier)

    async def _get(self, identifier: str) -> NetworkConnector | None:
        """Get the connector; return `None` if that failed for a transient reason."""
        try:
            connector = await self._poller.get(identifier)
        except LambdaCoreError as error:
            self._tolerate(error)
            return None
        self._check_id(connector)
        return self._record(connector)

    def _check_id(self, connector: NetworkConnector) -> None:
        """Check that this is the same connector as before.

        Raises:
            WaiterFailedError: if another connector has its name now.
        """
        if self.seen_id not in (None, connector.id):
            raise self._deleted(connector.name)
        self._see(connector.id)
        if connector.state == NetworkConnectorState.DELETING:
            self.was_deleting = True


class RuntimeWait(_Wait[Model]):
    """One wait for a version or an alias of a runtime.

    Args:
        get: gets the resource. It retries transient failures.
        operation: the name of the API operation.
        poller: schedules the polls.
        options: how long and how often to poll.
        exists: whether the resource is known to exist.
    """

    def __init__(
        self,
        get: Callable[[], Awaitable[Model]],
        operation: str,
        poller: Poller,
        options: WaitOptions[Model],
        *,
        exists: bool,
    ) -> None:
        super().__init__(poller, options, exists=exists)
        self._get = get
        self.operation = operation

    async def until_active(self) -> Model:
        """See `LambdaCoreClient.wait_until_runtime_version_active`."""
        return await self._within_timeout(self._until_active())

    async def _until_active(self) -> Model:
        while True:
            if interval := self._next_interval():
                await self._poller.pause(interval)
            try:
                resource = await self._get()
            except LambdaCoreError as error:
                self._tolerate(error)
                continue
            self._record(resource)
            if resource.state == "ACTIVE":
                return resource
            if resource.state in _RUNTIME_FAILURE_STATES:
                raise WaiterFailedError(
                    f"{resource.name} is {resource.state}",
                    state=resource.state,
                    last=resource,
                    operation=self.operation,
                )


def normalised(
    value: NetworkConnectorConfiguration | ElasticIpConfiguration | tuple[str, ...] | str | None,
) -> object:
    """Return a normal form of a member's value, to compare meanings.

    Lists become sets. `None` stands for an empty list, and for no elastic IP addresses.
    """
    if value == ElasticIpConfiguration(ElasticIpType.NONE):
        return None
    if isinstance(value, tuple):
        return frozenset(value) or None
    if isinstance(value, VpcEgressConfiguration):
        return tuple(map(normalised, astuple(value, recurse=False)))
    return value


def is_busy(connector: NetworkConnector) -> bool:
    """Return whether the service is working on the connector, so that it refuses other changes."""
    return connector.state == NetworkConnectorState.PENDING or _is_updating(connector)


def _is_updating(connector: NetworkConnector | None) -> bool:
    return (
        connector is not None
        and connector.last_update_status == NetworkConnectorLastUpdateStatus.IN_PROGRESS
    )


def _may_equal(one: object, other: object) -> bool:
    """Return whether two values are equal, or one of them is unknown."""
    return one is None or other is None or one == other


def _describe(last: Awaited | None) -> str:
    """Describe the last observation in an error message."""
    if last is None:
        return "no poll succeeded"
    state = f"{last.name} is {last.state}"
    if not isinstance(last, NetworkConnector):
        return state
    if last.state != NetworkConnectorState.ACTIVE:
        state = ": ".join(filter(None, (state, last.state_reason_code, last.state_reason)))
    if last.last_update_status is None:
        return state
    update = f"{state}, last update {last.last_update_status}"
    code, reason = last.last_update_status_reason_code, last.last_update_status_reason
    return ": ".join(filter(None, (update, code, reason)))


def _as_connector(summary: NetworkConnectorSummary) -> NetworkConnector:
    """Return a connector with the members that a listing shows."""
    return NetworkConnector(
        arn=summary.arn,
        name=summary.name,
        id=summary.id,
        state=summary.state,
        last_modified=summary.last_modified,
        latest_version_arn=summary.latest_version_arn,
        latest_version=summary.latest_version,
    )


def _failed_state(connector: NetworkConnector) -> WaiterFailedError:
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
    message = f"the update of {connector.name} failed"
    return _failure(message, NetworkConnectorLastUpdateStatus.FAILED, reason, code, connector)


def _failure(
    message: str, state: str | None, reason: str | None, code: str | None, last: NetworkConnector
) -> WaiterFailedError:
    return WaiterFailedError(
        ": ".join(filter(None, (message, code, reason))),
        state=state,
        reason=reason,
        reason_code=code,
        last=last,
        operation=operations.GET_NETWORK_CONNECTOR.name,
    )
