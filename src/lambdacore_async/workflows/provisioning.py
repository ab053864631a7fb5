"""Provisioning: calls that bring a connector to a desired state and wait until it is reached.

Each call reads the connector, acts and waits. If the service refuses because another caller is
changing the same connector, the call waits and reads it again. Calls keep no state: a call that is
repeated after a cancellation, or made concurrently, continues from the connector's current state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, TypeVar

from attrs import asdict, evolve, fields, frozen

from lambdacore_async.engine.clock import LAG
from lambdacore_async.engine.core import Core
from lambdacore_async.errors import (
    ApiError,
    LambdaCoreError,
    ParameterError,
    ResourceConflictException,
    ResourceNotFoundException,
)
from lambdacore_async.models.network_connectors import (
    ElasticIpConfiguration,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkConnectorVersionSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.models.remedies import PERMISSIONS, TRUST, remedy_of
from lambdacore_async.protocol import operations
from lambdacore_async.workflows.arguments import WaitOptions, check_count
from lambdacore_async.workflows.pagination import Pager
from lambdacore_async.workflows.waiters import (
    ConnectorWait,
    WaiterFailedError,
    is_busy,
    normalised,
    timeout_error,
)

DriftValue: TypeAlias = (
    str | tuple[str, ...] | ElasticIpConfiguration | NetworkConnectorConfiguration | None
)
"""The actual or the desired value of a member."""

Output = TypeVar("Output")

#: Maximum seconds to wait while IAM propagates a new role, and seconds between two attempts.
_ROLE_PROPAGATION: Final = 120.0
_ROLE_RETRY_INTERVAL: Final = 2.0
#: The remedies of errors that a role causes: the service cannot assume it, or it lacks permissions.
#: IAM may still be propagating the role, and then its policy.
_ROLE_REMEDIES: Final = (TRUST, PERMISSIONS)
#: Successful updates of one run. If drift remains after them, the service or another caller keeps
#: reverting them.
_MAX_UPDATES: Final = 3
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@frozen
class Drift:
    """A difference between a connector and the desired state, in one member."""

    field: str
    """The name of the member: `operator_role`, a member of the configuration such as `subnet_ids`,
    `configuration` if the whole configuration has another type, or a tag such as `tags['team']`."""
    actual: DriftValue
    """The connector's value."""
    wanted: DriftValue
    """The desired value."""


def diff_network_connector(
    connector: NetworkConnector,
    configuration: NetworkConnectorConfiguration,
    *,
    operator_role: str | None = None,
    tags: Mapping[str, str] | None = None,
    current_tags: Mapping[str, str] | None = None,
) -> tuple[Drift, ...]:
    """Return the differences between a connector and its desired state.

    Lists are compared as sets. A desired value of `None` matches any value; an empty list matches
    only an empty list.

    Args:
        connector: the connector, as `get_network_connector` returns it.
        configuration: the desired configuration.
        operator_role: the ARN of the desired role.
        tags: the desired tags, compared with `current_tags`. Tags with other keys are ignored.
        current_tags: the connector's tags, as `list_tags` returns them; `None` for no tags.

    Returns:
        The differences, in the order of the configuration's members, then the role and the tags.

    Raises:
        ParameterError: if an argument has a wrong type.
    """
    for parameter, value, kind, expected in (
        ("connector", connector, NetworkConnector, "NetworkConnector"),
        ("configuration", configuration, NetworkConnectorConfiguration, "a configuration"),
        ("operator_role", operator_role, str | None, "str or None"),
        ("tags", tags, (Mapping, type(None)), "a mapping or None"),
        ("current_tags", current_tags, (Mapping, type(None)), "a mapping or None"),
    ):
        if not isinstance(value, kind):
            raise ParameterError(parameter, f"expected {expected}, got {type(value).__name__}")
    drifts = _configuration_drifts(connector.configuration, configuration)
    if operator_role not in (None, connector.operator_role):
        drifts.append(Drift("operator_role", connector.operator_role, operator_role))
    drifts += [
        Drift(f"tags[{key!r}]", (current_tags or {}).get(key), value)
        for key, value in _tag_drifts(current_tags or {}, tags or {}).items()
    ]
    return tuple(drifts)


def _tag_drifts(current: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the desired tags that are missing or have another value."""
    return {key: value for key, value in wanted.items() if current.get(key) != value}


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
        if member.eq
    )
    return [
        Drift(name, value, desired)
        for name, value, desired in pairs
        if desired is not None and normalised(value) != normalised(desired)
    ]


@frozen
class Wanted:
    """The desired state of a connector.

    Raises:
        ParameterError: if a member is invalid.
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

    def drifts(
        self, connector: NetworkConnector | None, current_tags: Mapping[str, str] | None = None
    ) -> tuple[Drift, ...]:
        """Return the connector's drifts; none if there is no connector.

        Args:
            connector: the connector.
            current_tags: its tags; `None` leaves tags out of the comparison.

        Raises:
            ParameterError: if the connector has another name, because `name` is its ID.
        """
        if connector is None:
            return ()
        if connector.name != self.name:
            raise ParameterError("name", f"got the ID of {connector.name}; pass its name")
        return diff_network_connector(
            connector,
            self.configuration,
            operator_role=self.operator_role,
            tags=None if current_tags is None else self.tags,
            current_tags=current_tags,
        )

    def changes(
        self, connector: NetworkConnector, drifts: tuple[Drift, ...]
    ) -> tuple[NetworkConnectorConfiguration | None, str | None]:
        """Return the configuration and the role of an update that removes the drifts.

        Each is `None` if it has not drifted. An update replaces the whole configuration, so members
        with no desired value keep the connector's value.
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
            wanted = evolve(wanted, **kept, extra={**actual.extra, **wanted.extra})
        return wanted, role


StartWait: TypeAlias = Callable[
    [str | NetworkConnector, WaitOptions[NetworkConnector]], Awaitable[ConnectorWait]
]
"""Starts a wait for a connector; see `Workflows.connector_wait`."""


class Provisioning:
    """One run of a provisioning call.

    Args:
        core: makes the calls.
        start_wait: starts a wait for a connector.
        options: `timeout` is for the whole run; `poll_interval` is also the time between two rounds
            of `ensure` or `delete`.
    """

    def __init__(
        self, core: Core, start_wait: StartWait, options: WaitOptions[NetworkConnector]
    ) -> None:
        self._core = core
        self._start_wait = start_wait
        self._options = options
        self._clock = core.clock
        self._deadline = core.clock.monotonic() + options.timeout

    async def ensure(self, wanted: Wanted) -> NetworkConnector:
        """See `LambdaCoreClient.ensure_network_connector`."""
        updates = 0
        gone = set[str]()
        hidden_until = -math.inf  # until then, reads may miss the connector although it exists
        connector = await self._find(wanted.name)
        # Only a creation sets the tags. Reading them back would require another permission.
        has_tags = not wanted.tags
        while True:
            drifts = wanted.drifts(connector)
            reason: LambdaCoreError | None = None
            try:
                if connector is None and self._clock.monotonic() >= hidden_until:
                    try:
                        accepted = await self._create(wanted)
                    finally:  # a refusal may mean that another caller created it
                        hidden_until = self._clock.monotonic() + LAG
                    has_tags = True
                    connector = await self._wait_until_active(accepted)
                elif connector is None:
                    pass  # read it again
                elif connector.state == NetworkConnectorState.DELETING:
                    await self._wait_until_deleted(connector)
                    gone.add(connector.arn)
                elif connector.state != NetworkConnectorState.ACTIVE:
                    connector = await self._wait_until_active(connector)
                elif is_busy(connector):
                    connector = await self._wait_for_others(connector)
                elif drifts and updates == _MAX_UPDATES:
                    raise _recurring_drift(connector, drifts)
                elif drifts:
                    connector = await self.update(connector.arn, *wanted.changes(connector, drifts))
                    updates += 1
                elif not has_tags:
                    await self._tag(connector, wanted.tags or {})
                    has_tags = True
            except (ResourceConflictException, ResourceNotFoundException) as error:
                reason = error  # another caller is changing the connector, or just did
            if connector is not None and is_idle(connector) and not wanted.drifts(connector):
                if has_tags:
                    return connector
                if reason is None:
                    continue  # with the tags
            # Always pause between rounds, because the states that reads show may flap.
            await self._pause(connector, reason)
            connector = await self._find(wanted.name)
            if connector is not None and connector.arn in gone:
                connector = None  # a read that still shows the deleted connector

    async def update(
        self,
        identifier: str,
        configuration: NetworkConnectorConfiguration | None,
        operator_role: str | None,
    ) -> NetworkConnector:
        """See `LambdaCoreClient.update_network_connector_and_wait`."""
        updated = await self._while_role_propagates(
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
        deleted = await self._begin_deletion(identifier)
        if deleted is None:
            return
        # Another connector may get the name meanwhile, but never the ARN.
        if identifier in (deleted.id, deleted.name):
            identifier = deleted.arn
        wait = await self._wait(identifier, deleted)
        try:
            await wait.until_deleted(accepted=deleted.state == NetworkConnectorState.DELETING)
        except WaiterFailedError:
            if wait.was_deleting:
                raise
            # The failure is that of an earlier deletion.
            if await self._begin_deletion(identifier) is not None:
                await (await self._wait(identifier, deleted)).until_deleted(accepted=True)

    async def _begin_deletion(self, identifier: str) -> NetworkConnector | None:
        """Delete a connector once it is idle; return `None` if it does not exist.

        If another caller is already deleting the connector, return it.
        """
        was_idle = False
        while True:
            try:
                return await self._core.change(
                    operations.DELETE_NETWORK_CONNECTOR, {"identifier": identifier}
                )
            except ResourceNotFoundException:
                return None
            except ResourceConflictException as error:
                connector = await self._find(identifier)
                if connector is not None and connector.state == NetworkConnectorState.DELETING:
                    return connector  # another caller is deleting it
                idle = connector is not None and not is_busy(connector)
                if idle and was_idle:  # the first time, work may have ended between the calls
                    raise
                was_idle = idle
                await self._pause(connector, error)

    async def _create(self, wanted: Wanted) -> NetworkConnector:
        return await self._while_role_propagates(
            lambda: self._core.write(
                operations.CREATE_NETWORK_CONNECTOR, asdict(wanted, recurse=False)
            )
        )

    async def _tag(self, connector: NetworkConnector, wanted: Mapping[str, str]) -> None:
        """Add the desired tags that the connector lacks, and keep its other tags."""
        resource = {"resource": connector.arn}
        current = await self._core.call(operations.LIST_TAGS, resource)
        drifted = _tag_drifts(current, wanted)
        if drifted:
            await self._core.call(operations.TAG_RESOURCE, {**resource, "tags": drifted})

    async def _find(self, identifier: str) -> NetworkConnector | None:
        try:
            return await self._core.call(
                operations.GET_NETWORK_CONNECTOR, {"identifier": identifier}
            )
        except ResourceNotFoundException:
            return None

    async def _while_role_propagates(self, attempt: Callable[[], Awaitable[Output]]) -> Output:
        """Retry an attempt for at most two minutes while the service cannot assume its role."""
        end = min(self._clock.monotonic() + _ROLE_PROPAGATION, self._deadline)
        while True:
            try:
                return await attempt()
            except ApiError as error:
                if remedy_of(error) not in _ROLE_REMEDIES or self._clock.monotonic() >= end:
                    raise
            await self._clock.sleep(_ROLE_RETRY_INTERVAL)

    async def _wait_for_others(self, connector: NetworkConnector) -> NetworkConnector:
        """Wait until another caller's update ends, whether it succeeds or fails."""
        try:
            return await (await self._wait(connector.arn, connector)).until_updated(None)
        except WaiterFailedError:
            return connector

    async def _wait_until_active(self, connector: NetworkConnector) -> NetworkConnector:
        return await (await self._wait(connector, connector)).until_active()

    async def _wait_until_deleted(self, connector: NetworkConnector) -> None:
        await (await self._wait(connector, None)).until_deleted()

    async def _wait(
        self, connector: str | NetworkConnector, last: NetworkConnector | None
    ) -> ConnectorWait:
        remaining = self._remaining(last)
        return await self._start_wait(connector, evolve(self._options, timeout=remaining))

    async def _pause(self, last: NetworkConnector | None, reason: LambdaCoreError | None) -> None:
        """Wait before the next round.

        Raises:
            WaiterTimeoutError: if the deadline has passed, with the reason as its cause.
        """
        remaining = self._remaining(last, reason)
        await self._clock.sleep(min(self._options.poll_interval, remaining))

    def _remaining(
        self, last: NetworkConnector | None, reason: LambdaCoreError | None = None
    ) -> float:
        """Return the seconds until the deadline.

        Raises:
            WaiterTimeoutError: if the deadline has passed, with the reason as its cause.
        """
        remaining = self._deadline - self._clock.monotonic()
        if remaining <= 0:
            raise timeout_error(self._options.timeout, last, last_error=reason) from reason
        return remaining


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
            await core.change(
                operations.DELETE_NETWORK_CONNECTOR, {"identifier": version.version_arn}
            )
        except ResourceNotFoundException:
            pass  # another caller deleted it
        except LambdaCoreError as error:
            errors.append(error)
        else:
            deleted.append(version)
    if errors:
        raise ExceptionGroup(
            f"{len(errors)} of {len(errors) + len(deleted)} versions were not deleted", errors
        )
    return tuple(deleted)


def is_idle(connector: NetworkConnector) -> bool:
    """Return whether a connector is active and no update of it is in progress."""
    return connector.state == NetworkConnectorState.ACTIVE and not is_busy(connector)


def _recurring_drift(connector: NetworkConnector, drifts: tuple[Drift, ...]) -> WaiterFailedError:
    names = ", ".join(drift.field for drift in drifts)
    return WaiterFailedError(
        f"{names} drifted again after each of {_MAX_UPDATES} updates",
        state=connector.state,
        last=connector,
    )
