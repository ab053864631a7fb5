"""Provisioning: calls that bring a connector to a desired state, and wait until it is reached.

Each verb reads the connector, acts and waits. If the service refuses because another caller acts on
the same connector, the verb waits and reads it again. Nothing is remembered between calls: a verb
that was cancelled, or runs twice at once, continues from the state that it finds.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, TypeAlias, TypeVar

from attrs import asdict, evolve, fields, frozen

from lambdacore_async.engine.core import Core
from lambdacore_async.errors import (
    InvalidParameterValueException,
    LambdaCoreError,
    ParameterError,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdacore_async.models.network_connectors import (
    ElasticIpConfiguration,
    ElasticIpType,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorVersionSummary,
    OnChange,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol import operations
from lambdacore_async.workflows.arguments import check_count, check_wait
from lambdacore_async.workflows.pagination import Pager
from lambdacore_async.workflows.waiters import ConnectorWait, WaiterFailedError, WaiterTimeoutError

DriftValue: TypeAlias = (
    str | tuple[str, ...] | ElasticIpConfiguration | NetworkConnectorConfiguration | None
)
"""What a drifted member is, or should be."""

Output = TypeVar("Output")

#: Seconds that a role which cannot be assumed is held to be fresh, and between two attempts.
_SPREADING: Final = 120.0
_SPREADING_INTERVAL: Final = 2.0
#: How the service says that it cannot use a role; IAM may only not have spread it yet.
_UNASSUMABLE: Final = re.compile("unable to assume|cannot be assumed", re.IGNORECASE)
#: Updates that succeed and leave a drift: the service, or somebody else, keeps undoing them.
_MAXIMUM_UPDATES: Final = 3
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@frozen
class Drift:
    """One member in which a connector is not as wanted.

    Attributes:
        field: the member's name, such as `subnet_ids`, `operator_role`, or `configuration` where
            it is of another kind altogether.
        actual: what it is.
        wanted: what it should be.
    """

    field: str
    actual: DriftValue
    wanted: DriftValue


def diff_network_connector(
    connector: NetworkConnector,
    configuration: NetworkConnectorConfiguration,
    *,
    operator_role: str | None = None,
) -> tuple[Drift, ...]:
    """Tell in what a connector is not as wanted.

    Lists count as sets. What is wanted as `None` is left to the service, and never a drift; an
    empty list is wanted empty.

    Args:
        connector: as `get_network_connector` shows it.
        configuration: what is wanted.
        operator_role: the ARN of the role that is wanted.

    Returns:
        The differences, in the order of the configuration's members, the role last.

    Raises:
        ParameterError: an argument is of a wrong kind.
    """
    for parameter, value, kind in (
        ("connector", connector, NetworkConnector),
        ("configuration", configuration, NetworkConnectorConfiguration),
        ("operator_role", operator_role, str | None),
    ):
        if not isinstance(value, kind):
            raise ParameterError(parameter, f"got {type(value).__name__}")
    drifts = _configuration_drifts(connector.configuration, configuration)
    if operator_role not in (None, connector.operator_role):
        drifts.append(Drift("operator_role", connector.operator_role, operator_role))
    return tuple(drifts)


def _configuration_drifts(
    actual: NetworkConnectorConfiguration | None, wanted: NetworkConnectorConfiguration
) -> list[Drift]:
    if not (
        isinstance(actual, VpcEgressConfiguration) and isinstance(wanted, VpcEgressConfiguration)
    ):
        return [] if actual == wanted else [Drift("configuration", actual, wanted)]
    pairs = (
        (member.name, getattr(actual, member.name), getattr(wanted, member.name))
        for member in fields(VpcEgressConfiguration)
    )
    return [
        Drift(name, is_, should_be)
        for name, is_, should_be in pairs
        if should_be is not None and _essence(is_) != _essence(should_be)
    ]


def _essence(value: DriftValue) -> object:
    """What of a value counts: no order, and nothing where it stands for nothing."""
    if value == ElasticIpConfiguration(ElasticIpType.NONE):
        return None
    if isinstance(value, tuple):
        return frozenset(value) or None
    return value


@frozen
class Wanted:
    """The connector that is to be.

    Raises:
        ParameterError: a member is such that no service could accept it.
    """

    name: str
    configuration: NetworkConnectorConfiguration
    operator_role: str | None
    tags: Mapping[str, str] | None

    def __attrs_post_init__(self) -> None:
        arguments = asdict(self, recurse=False)
        operations.CREATE_NETWORK_CONNECTOR.build_request(arguments)
        if not _NAME.fullmatch(self.name):
            raise ParameterError(
                "name", f"must be 1 to 64 letters, digits, `-` and `_`, got {self.name!r}"
            )

    def drifts(self, connector: NetworkConnector | None) -> tuple[Drift, ...]:
        """In what the connector is not as wanted; one that is not there drifts in nothing."""
        if connector is None:
            return ()
        if connector.name != self.name:
            raise ParameterError("name", f"{self.name} is the ID of {connector.name}")
        return diff_network_connector(
            connector, self.configuration, operator_role=self.operator_role
        )

    def changes(
        self, connector: NetworkConnector, drifts: tuple[Drift, ...]
    ) -> tuple[NetworkConnectorConfiguration | None, str | None]:
        """The configuration and the role that end the drifts, each only if it has one.

        An update replaces the whole configuration: what is not wanted otherwise, stays.
        """
        drifted = {drift.field for drift in drifts}
        role = self.operator_role if "operator_role" in drifted else None
        if drifted == {"operator_role"}:
            return None, role
        wanted, actual = self.configuration, connector.configuration
        if isinstance(wanted, VpcEgressConfiguration) and isinstance(
            actual, VpcEgressConfiguration
        ):
            names = [member.name for member in fields(VpcEgressConfiguration)]
            kept = {name: getattr(actual, name) for name in names if getattr(wanted, name) is None}
            wanted = evolve(wanted, **kept)
        return wanted, role


class StartWait(Protocol):
    """Starts a wait for a connector; see `Workflows.connector_wait`."""

    async def __call__(
        self,
        connector: str | NetworkConnector,
        timeout: float,
        poll_interval: float,
        on_change: OnChange | None,
        *,
        gone: bool = False,
    ) -> ConnectorWait:
        """See `Workflows.connector_wait`."""
        ...


class Provisioning:
    """One run of a verb: what it acts on, how long it may take, and whom it tells of changes.

    Args:
        core: makes the calls.
        start_wait: starts a wait for a connector.
        timeout: seconds for the whole run, more than 0.
        poll_interval: seconds between two polls, and between two rounds, more than 0.
        on_change: see the waiters.

    Raises:
        ParameterError: an argument is out of its bounds.
    """

    def __init__(
        self,
        core: Core,
        start_wait: StartWait,
        *,
        timeout: float,
        poll_interval: float,
        on_change: OnChange | None,
    ) -> None:
        check_wait(timeout, poll_interval, on_change)
        self._core = core
        self._start_wait = start_wait
        self._clock = core.clock
        self._deadline = core.clock.monotonic() + timeout
        self._poll_interval = poll_interval
        self._on_change = on_change

    async def ensure(self, wanted: Wanted) -> NetworkConnector:
        """See `LambdaCoreClient.ensure_network_connector`."""
        updates = 0
        connector = await self._find(wanted.name)
        while True:
            drifts = wanted.drifts(connector)
            reason: LambdaCoreError | None = None
            try:
                if connector is None:
                    connector = await self._create(wanted)
                elif connector.state == NetworkConnectorState.DELETING:
                    await self._wait_until_deleted(connector)
                elif connector.state != NetworkConnectorState.ACTIVE:
                    connector = await self._wait_until_active(connector)
                elif _is_busy(connector):
                    connector = await self._wait_for_others(connector)
                elif drifts and updates == _MAXIMUM_UPDATES:
                    raise _undone(connector, drifts)
                elif drifts:
                    connector = await self.update(connector.id, *wanted.changes(connector, drifts))
                    updates += 1
            except (ResourceConflictException, ResourceNotFoundException) as error:
                reason = error  # another caller acts on it, or has just done so
            if connector is not None and _is_idle(connector) and not wanted.drifts(connector):
                return connector
            # Always pause before another round, for the states that the service shows may flap.
            await self._pause(connector, reason)
            connector = await self._find(wanted.name)

    async def update(
        self,
        identifier: str,
        configuration: NetworkConnectorConfiguration | None,
        operator_role: str | None,
    ) -> NetworkConnector:
        """See `LambdaCoreClient.update_network_connector_and_wait`."""
        updated = await self._while_role_spreads(
            lambda: self._core.write(
                operations.UPDATE_NETWORK_CONNECTOR,
                {
                    "identifier": identifier,
                    "configuration": configuration,
                    "operator_role": operator_role,
                },
            )
        )
        return await (await self._wait(updated, updated)).until_updated(None)

    async def delete(self, identifier: str) -> None:
        """See `LambdaCoreClient.delete_network_connector_and_wait`."""
        was_idle = False
        while True:
            try:
                deleted = await self._core.call(
                    operations.DELETE_NETWORK_CONNECTOR, {"identifier": identifier}
                )
                break
            except ResourceNotFoundException:
                return
            except ResourceConflictException as error:
                connector = await self._find(identifier)
                idle = connector is not None and not _is_busy(connector)
                if idle and was_idle:  # once may be chance: the work ended between the two calls
                    raise
                was_idle = idle
                await self._pause(connector, error)
        # The name may soon be another connector's, the ID never.
        whole = identifier in (deleted.id, deleted.name, deleted.arn)
        await self._wait_until_deleted(deleted if whole else identifier)

    async def _create(self, wanted: Wanted) -> NetworkConnector:
        created = await self._while_role_spreads(
            lambda: self._core.write(
                operations.CREATE_NETWORK_CONNECTOR, asdict(wanted, recurse=False)
            )
        )
        return await self._wait_until_active(created)

    async def _find(self, identifier: str) -> NetworkConnector | None:
        try:
            return await self._core.call(
                operations.GET_NETWORK_CONNECTOR, {"identifier": identifier}
            )
        except ResourceNotFoundException:
            return None

    async def _while_role_spreads(self, attempt: Callable[[], Awaitable[Output]]) -> Output:
        """Repeat what the service refuses because it cannot assume a role, for a while."""
        end = min(self._clock.monotonic() + _SPREADING, self._deadline)
        while True:
            try:
                return await attempt()
            except InvalidParameterValueException as error:
                if not _UNASSUMABLE.search(error.message) or self._clock.monotonic() >= end:
                    raise
            await self._clock.sleep(_SPREADING_INTERVAL)

    async def _wait_for_others(self, connector: NetworkConnector) -> NetworkConnector:
        """Wait until an update by another caller ends, whether it succeeds or fails."""
        try:
            return await (await self._wait(connector.id, connector)).until_updated(None)
        except WaiterFailedError:
            return connector

    async def _wait_until_active(self, connector: NetworkConnector) -> NetworkConnector:
        return await (await self._wait(connector, connector)).until_active()

    async def _wait_until_deleted(self, connector: str | NetworkConnector) -> None:
        await (await self._wait(connector, None, gone=True)).until_deleted()

    async def _wait(
        self,
        connector: str | NetworkConnector,
        last: NetworkConnector | None,
        *,
        gone: bool = False,
    ) -> ConnectorWait:
        left = self._left(last)
        return await self._start_wait(
            connector, left, self._poll_interval, self._on_change, gone=gone
        )

    async def _pause(self, last: NetworkConnector | None, reason: LambdaCoreError | None) -> None:
        """Wait before the next round.

        Raises:
            WaiterTimeoutError: there is no time left; because of the reason.
        """
        try:
            left = self._left(last)
        except WaiterTimeoutError as error:
            raise error from reason
        await self._clock.sleep(min(self._poll_interval, left))

    def _left(self, last: NetworkConnector | None) -> float:
        """Seconds until the deadline.

        Raises:
            WaiterTimeoutError: there are none.
        """
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise WaiterTimeoutError("there is no time left", last=last)
        return left


async def prune(
    core: Core, identifier: str, keep: int
) -> tuple[NetworkConnectorVersionSummary, ...]:
    """See `LambdaCoreClient.prune_network_connector_versions`."""
    check_count("keep", keep)
    listing = Pager(
        core.call, operations.LIST_NETWORK_CONNECTOR_VERSIONS, {"identifier": identifier}
    )
    versions = [version async for version in listing]
    versions.sort(key=lambda version: version.version)
    old = [v for v in versions[:-keep] if v.state != NetworkConnectorState.DELETING]
    if not old:
        return ()
    connector = await core.call(operations.GET_NETWORK_CONNECTOR, {"identifier": old[0].arn})
    latest = {connector.version, connector.latest_version}
    deleted: list[NetworkConnectorVersionSummary] = []
    errors: list[LambdaCoreError] = []
    for version in old:
        if version.version in latest:
            continue
        try:
            await core.call(
                operations.DELETE_NETWORK_CONNECTOR, {"identifier": version.version_arn}
            )
        except ResourceNotFoundException:
            pass  # somebody else deleted it
        except LambdaCoreError as error:
            errors.append(error)
        else:
            deleted.append(version)
    if errors:
        raise ExceptionGroup(
            f"{len(errors)} of {len(errors) + len(deleted)} versions were not deleted", errors
        )
    return tuple(deleted)


def _is_idle(connector: NetworkConnector) -> bool:
    return connector.state == NetworkConnectorState.ACTIVE and not _is_busy(connector)


def _is_busy(connector: NetworkConnector) -> bool:
    """Whether the service is at work on it, so that nothing can be changed meanwhile."""
    return (
        connector.state == NetworkConnectorState.PENDING
        or connector.last_update_status == NetworkConnectorLastUpdateStatus.IN_PROGRESS
    )


def _undone(connector: NetworkConnector, drifts: tuple[Drift, ...]) -> WaiterFailedError:
    names = ", ".join(drift.field for drift in drifts)
    return WaiterFailedError(
        f"{names} drifted again after each of {_MAXIMUM_UPDATES} updates",
        state=connector.state,
        last=connector,
    )
