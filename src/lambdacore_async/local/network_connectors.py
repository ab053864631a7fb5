"""Network connectors of the embedded service, and their versions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from attrs import define, evolve, field, frozen

from lambdacore_async.errors import ResourceNotFoundException
from lambdacore_async.local import users
from lambdacore_async.local.account import (
    REASONS,
    Account,
    Failure,
    Transition,
    constant,
    paginate,
)
from lambdacore_async.local.constraints import CONSTRAINTS, VPC_EGRESS, check_members
from lambdacore_async.local.errors import (
    conflict,
    connector_limit_exceeded,
    invalid,
    not_found,
    refused,
)
from lambdacore_async.local.users import ConnectorUsers
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorVersionSummary,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import Page, UnknownValue
from lambdacore_async.protocol.endpoints import partition_of
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.writing import to_dict

#: Connectors that AWS manages. Every account can read them by ARN; no account can change them.
MANAGED_CONNECTORS: Final = (
    "ALL_INGRESS",
    "HTTP_INGRESS",
    "INTERNET_EGRESS",
    "NO_INGRESS",
    "SHELL_INGRESS",
)

_MAXIMUM_TAGS: Final = 50

_CREATION: Final = CONSTRAINTS["CreateNetworkConnector"]
_LISTING: Final = CONSTRAINTS["ListNetworkConnectors"]

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_VERSION: Final = re.compile(r"[1-9][0-9]*")
_TAGGABLE: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:network-connector:[\w-]+"
)

_DEFAULT_CONFIGURATION: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-0123456789abcdef0",),
    security_group_ids=("sg-0123456789abcdef0",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


@frozen
class _Status:
    """The state of a connector or version, and its reason."""

    state: NetworkConnectorState
    reason_code: NetworkConnectorStateReasonCode | None = None
    reason: str | None = None

    @property
    def is_active(self) -> bool:
        return self.state is NetworkConnectorState.ACTIVE

    @property
    def is_deleting(self) -> bool:
        return self.state is NetworkConnectorState.DELETING


@frozen
class _UpdateStatus:
    """The status of the latest update, and its reason; no status if there was no update."""

    status: NetworkConnectorLastUpdateStatus | None = None
    reason_code: NetworkConnectorStateReasonCode | None = None
    reason: str | None = None


#: The reason of a connector's state until its first failure, and the reason of an update that
#: changes nothing, as AWS was seen to give them.
_INITIAL_CREATION: Final = "Initial creation"
_NO_CHANGES: Final = "No configuration changes detected"

_PENDING: Final = _Status(NetworkConnectorState.PENDING, reason=_INITIAL_CREATION)
_ACTIVE: Final = _Status(NetworkConnectorState.ACTIVE, reason=_INITIAL_CREATION)
_DELETING: Final = _Status(NetworkConnectorState.DELETING)
_USUAL_REASONS: Final = {status.state: status.reason for status in (_PENDING, _ACTIVE)}
_IN_PROGRESS: Final = _UpdateStatus(NetworkConnectorLastUpdateStatus.IN_PROGRESS)
_SUCCESSFUL: Final = _UpdateStatus(NetworkConnectorLastUpdateStatus.SUCCESSFUL)
_UNCHANGED: Final = _UpdateStatus(NetworkConnectorLastUpdateStatus.SUCCESSFUL, reason=_NO_CHANGES)
_NO_UPDATE: Final = constant(_UpdateStatus())
_NO_STALE_VIEW: Final[Transition[NetworkConnector | None]] = constant(None)

_UNREADY: Final = frozenset({NetworkConnectorState.PENDING, NetworkConnectorState.FAILED})
#: States of versions that are not in use and never will be.
_UNUSED: Final = frozenset({NetworkConnectorState.FAILED, NetworkConnectorState.DELETING})
_DELETABLE: Final = frozenset(
    {
        NetworkConnectorState.ACTIVE,
        NetworkConnectorState.FAILED,
        NetworkConnectorState.DELETE_FAILED,
    }
)


@define
class _Record:
    """A connector or version; its status is `None` once it is deleted.

    Deleted records stay in memory, so that deleting them again succeeds.
    """

    lifecycle: Transition[_Status | None]

    def exists(self, now: datetime) -> bool:
        return self.lifecycle.value(now) is not None

    def status(self, now: datetime) -> _Status:
        return self.lifecycle.value(now) or _DELETING


@define
class _Version(_Record):
    number: int
    configuration: VpcEgressConfiguration
    role: Transition[str]
    modified: datetime


@define
class _Connector(_Record):
    sequence: int
    name: str
    id: str
    arn: str
    versions: dict[int, _Version]
    tags: dict[str, str] = field(factory=dict[str, str])
    update: Transition[_UpdateStatus] = _NO_UPDATE
    #: The connector before the latest update, which reads return for a while.
    stale_view: Transition[NetworkConnector | None] = _NO_STALE_VIEW
    #: Parameters and response of each update, by client token.
    updates: dict[str, tuple[object, NetworkConnector]] = field(
        factory=dict[str, tuple[object, NetworkConnector]]
    )

    @property
    def has_versions(self) -> bool:
        """Whether responses include versions. AWS's recorded ones about a first version do not."""
        return max(self.versions) > 1

    def version_arn(self, version: _Version) -> str:
        return f"{self.arn}:{version.number}"

    def existing_versions(self, now: datetime) -> list[_Version]:
        return [version for version in self.versions.values() if version.exists(now)]

    def current(self, now: datetime) -> _Version:
        """Return the newest version that has not failed, or the newest one if all have failed."""
        versions = self.existing_versions(now)
        usable = [v for v in versions if v.status(now).state not in _UNUSED]
        return (usable or versions)[-1]

    def latest_active(self, now: datetime) -> _Version | None:
        active = [v for v in self.versions.values() if v.status(now).is_active]
        return active[-1] if active else None

    def version_status(self, version: _Version, now: datetime) -> _Status:
        """Return the version's status: DELETING if the connector is being deleted."""
        status = self.status(now)
        return status if status.is_deleting else version.status(now)


class NetworkConnectors:
    """The network connectors of an account, with the API's operations on them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._users = ConnectorUsers(account)
        self._connectors: list[_Connector] = []
        #: Connectors by ID, name and ARN. A name refers to its newest connector.
        self._identifiers: dict[str, _Connector] = {}
        #: Parameters and connector of each creation, by client token.
        self._creations: dict[str, tuple[object, _Connector]] = {}
        partition = partition_of(account.region).id
        self._default_role = (
            f"arn:{partition}:iam::{account.account_id}:role/NetworkConnectorOperator"
        )
        self._managed = {
            arn: NetworkConnector(arn, name, name, state=NetworkConnectorState.ACTIVE)
            for name in MANAGED_CONNECTORS
            for arn in [
                account.arn(f"network-connector:aws-network-connector:{name}", account_id="aws")
            ]
        }

    def put_network_connector(
        self,
        name: str,
        *,
        state: NetworkConnectorState = NetworkConnectorState.ACTIVE,
        state_reason_code: NetworkConnectorStateReasonCode | None = None,
        state_reason: str | None = None,
        last_update_status: NetworkConnectorLastUpdateStatus | None = None,
        last_update_status_reason_code: NetworkConnectorStateReasonCode | None = None,
        last_update_status_reason: str | None = None,
        configuration: VpcEgressConfiguration | None = None,
        operator_role: str | None = None,
    ) -> NetworkConnector:
        """Put a connector into a state immediately; create the connector if it does not exist.

        The state lasts until an operation or another call changes it. Limits do not apply.

        Args:
            name: the connector's name, 1 to 64 letters, digits, hyphens and underscores.
            state: the connector's state.
            state_reason_code: the reason code of the state.
            state_reason: the reason of the state, as text; defaults to the usual text of the code,
                or of the state PENDING or ACTIVE if there is no code.
            last_update_status: the status of the latest update; `None` for no update.
            last_update_status_reason_code: the reason code of that status.
            last_update_status_reason: the reason of that status, as text; defaults to the usual
                text of the code.
            configuration: the configuration; defaults to the existing one, or to one subnet and
                one security group.
            operator_role: the ARN of the role; defaults to the existing one, or to one of the
                account.

        Returns:
            The connector, as GetNetworkConnector returns it.

        Raises:
            InvalidParameterValueException: if the name, configuration or role is not valid.
        """
        now = self._account.clock()
        _check_name(name)
        connector = self._existing(name, now)
        current = None if connector is None else connector.current(now)
        if configuration is None:
            configuration = _DEFAULT_CONFIGURATION if current is None else current.configuration
        if operator_role is None:
            operator_role = self._default_role if current is None else current.role.value(now)
        _check_configuration(configuration)
        _check_role(operator_role)
        if state_reason is None and state_reason_code is None:
            state_reason = _USUAL_REASONS.get(state)
        status = _Status(state, state_reason_code, _reason(state_reason_code, state_reason))
        lifecycle: Transition[_Status | None] = constant(status)
        if connector is None:
            connector = self._add(name, configuration, operator_role, lifecycle, now)
        version = connector.current(now)
        version.configuration = configuration
        version.role = constant(operator_role)
        # Only an older version can be ready while the connector itself is not.
        ready = state not in _UNREADY or len(connector.existing_versions(now)) > 1
        version.lifecycle = constant(_ACTIVE) if ready else lifecycle
        connector.lifecycle = lifecycle
        connector.stale_view = _NO_STALE_VIEW
        connector.update = constant(
            _UpdateStatus(
                last_update_status,
                last_update_status_reason_code,
                _reason(last_update_status_reason_code, last_update_status_reason),
            )
        )
        return self.get_network_connector(name)

    def create_network_connector(
        self,
        name: str,
        configuration: NetworkConnectorConfiguration,
        *,
        operator_role: str | None = None,
        client_token: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> NetworkConnector:
        """CreateNetworkConnector: the connector is PENDING, then ACTIVE or FAILED."""
        now = self._account.clock()
        _check_name(name)
        vpc = _check_configuration(configuration)
        role = _check_role(operator_role)
        check_members(_CREATION, {"ClientToken": client_token, "Tags": tags})
        parameters = (name, vpc, role, dict(tags or {}))
        if client_token is not None and client_token in self._creations:
            earlier, connector = self._creations[client_token]
            if connector.exists(now):
                _check_same(earlier, parameters)
                return _describe(connector, connector.versions[1], connector.status(now), now)
        if self._existing(name, now) is not None:
            raise conflict(f"Network connector already exists: {name}")
        if sum(1 for _ in self._all_existing(now)) >= self._account.limits.network_connectors:
            raise connector_limit_exceeded(
                "The account has reached the maximum number of network connectors allowed: "
                f"{self._account.limits.network_connectors}"
            )
        failure = self._account.take_failure("CreateNetworkConnector", name)
        end = _ACTIVE if failure is None else _failed(NetworkConnectorState.FAILED, failure)
        at = self._account.provisioned_at(name, failure)
        connector = self._add(name, vpc, role, Transition(_PENDING, end, at), now)
        connector.tags.update(tags or {})
        if client_token is not None:
            self._creations[client_token] = (parameters, connector)
        return _describe(connector, connector.versions[1], _PENDING, now)

    def get_network_connector(self, identifier: str) -> NetworkConnector:
        """GetNetworkConnector: the current connector, or one of its versions."""
        now = self._account.clock()
        if identifier in self._managed:
            return self._managed[identifier]
        connector, version = self._find(identifier)
        if not connector.exists(now):
            raise self._not_found(identifier)
        if version is None:
            return self._view(connector, now)
        if not version.exists(now):
            raise self._not_found(identifier)
        status = connector.version_status(version, now)
        return evolve(
            _describe_version(connector, version, status, now),
            last_modified=version.modified,
            state_reason=status.reason,
            state_reason_code=status.reason_code,
        )

    def _view(self, connector: _Connector, now: datetime) -> NetworkConnector:
        """Return what reads show: the current connector, or a stale view of it."""
        stale_view = connector.stale_view.value(now)
        status = connector.status(now)
        if stale_view is not None and status.is_active:
            return stale_view
        current, latest = connector.current(now), connector.latest_active(now)
        update = connector.update.value(now)
        if not connector.has_versions:
            latest = None
        return evolve(
            _describe(connector, current, status, now),
            version=current.number if connector.has_versions else None,
            latest_version_arn=None if latest is None else connector.version_arn(latest),
            latest_version=None if latest is None else latest.number,
            state_reason=status.reason,
            state_reason_code=status.reason_code,
            last_update_status=update.status,
            last_update_status_reason=update.reason,
            last_update_status_reason_code=update.reason_code,
            last_modified=current.modified,
        )

    def update_network_connector(
        self,
        identifier: str,
        *,
        configuration: NetworkConnectorConfiguration | None = None,
        operator_role: str | None = None,
        client_token: str | None = None,
    ) -> NetworkConnector:
        """UpdateNetworkConnector: the update is InProgress, then Successful or Failed."""
        now = self._account.clock()
        connector = self._find_connector(identifier, now)
        check_members(_CREATION, {"ClientToken": client_token})
        parameters = (configuration, operator_role)
        if client_token is not None and client_token in connector.updates:
            earlier, response = connector.updates[client_token]
            _check_same(earlier, parameters)
            update = connector.update.value(now)
            return evolve(
                response,
                state=connector.status(now).state,
                last_update_status=update.status,
                last_update_status_reason=update.reason,
            )
        current = connector.current(now)
        vpc, role = current.configuration, current.role.value(now)
        if configuration is not None:
            vpc = _check_configuration(configuration, vpc)
        if operator_role is not None:
            role = _check_role(operator_role)
        state = connector.status(now).state
        if state is not NetworkConnectorState.ACTIVE:
            raise conflict(f"Network connector {connector.name} is {state}, not ACTIVE")
        if connector.update.value(now).status is _IN_PROGRESS.status:
            raise conflict(f"An update of network connector {connector.name} is in progress")
        if self._users.has_microvm(connector.arn):
            raise conflict(f"Network connector {connector.name} is in use by MicroVMs")
        if (vpc, role) == (current.configuration, current.role.value(now)):
            update = _UNCHANGED
            connector.update = constant(update)
            response = _describe(connector, current, _ACTIVE, now)
        else:
            update = _IN_PROGRESS
            version = self._start_update(connector, vpc, role, now)
            response = _describe_version(connector, version, _ACTIVE, now)
        response = evolve(
            response,
            operator_role=role,
            last_update_status=update.status,
            last_update_status_reason=update.reason,
            last_modified=now,
        )
        if client_token is not None:
            connector.updates[client_token] = (parameters, response)
        return response

    def delete_network_connector(self, identifier: str) -> NetworkConnector:
        """DeleteNetworkConnector: the connector is DELETING, then deleted or DELETE_FAILED."""
        now = self._account.clock()
        self._check_not_managed(identifier)
        connector, version = self._find(identifier)
        if version is not None:
            if connector.exists(now):
                self._delete_version(connector, version, now)
            return _describe_version(connector, version, _DELETING, now)
        status = connector.status(now)
        if not status.is_deleting:
            if status.state not in _DELETABLE:
                raise conflict(
                    f"Network connector {connector.name} is {status.state}, and can only be "
                    "deleted when it is ACTIVE, FAILED or DELETE_FAILED"
                )
            failure = self._account.take_failure("DeleteNetworkConnector", connector.name)
            end = None
            if failure is not None:
                end = _failed(NetworkConnectorState.DELETE_FAILED, failure)
            at = self._account.deleted_at(connector.name, failure)
            connector.lifecycle = Transition(_DELETING, end, at)
        return _describe(connector, connector.current(now), _DELETING, now)

    def list_network_connectors(
        self,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Page[NetworkConnectorSummary]:
        """ListNetworkConnectors: the account's connectors, in the order of creation."""
        now = self._account.clock()
        check_members(_LISTING, {"State": state})

        def summary(connector: _Connector) -> NetworkConnectorSummary:
            view = self._view(connector, now)
            version = view.version
            return NetworkConnectorSummary(
                connector.arn,
                connector.name,
                connector.id,
                NetworkConnectorType.VPC_EGRESS,
                view.state,
                view.last_modified,
                None if version is None else f"{connector.arn}:{version}",
                version,
            )

        return paginate(
            (
                (connector.sequence, connector)
                for connector in self._all_existing(now)
                if state in (None, connector.status(now).state)
            ),
            summary,
            listing="network-connectors",
            token=("Marker", marker),
            size=("MaxItems", max_items),
        )

    def list_network_connector_versions(
        self,
        identifier: str,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Page[NetworkConnectorVersionSummary]:
        """ListNetworkConnectorVersions: the connector's versions, oldest first."""
        now = self._account.clock()
        check_members(_LISTING, {"State": state})
        if identifier in self._managed:
            return Page(())
        connector = self._find_connector(identifier, now)

        def summary(version: _Version) -> NetworkConnectorVersionSummary:
            status = connector.version_status(version, now)
            return NetworkConnectorVersionSummary(
                connector.arn,
                connector.version_arn(version),
                connector.name,
                connector.id,
                version.number,
                status.state,
                status.reason,
                status.reason_code,
                version.modified,
            )

        return paginate(
            (
                (version.number, version)
                for version in connector.existing_versions(now)
                if state in (None, connector.version_status(version, now).state)
            ),
            summary,
            listing=f"versions of {connector.id}",
            token=("Marker", marker),
            size=("MaxItems", max_items),
        )

    def _all_existing(self, now: datetime) -> Iterator[_Connector]:
        return (connector for connector in self._connectors if connector.exists(now))

    def _existing(self, name: str, now: datetime) -> _Connector | None:
        connector = self._identifiers.get(name)
        return connector if connector is not None and connector.exists(now) else None

    def list_tags(self, resource: str) -> dict[str, str]:
        """ListTags."""
        return dict(self._find_tagged(resource).tags)

    def tag_resource(self, resource: str, tags: Mapping[str, str]) -> None:
        """TagResource: add tags, or replace their values."""
        check_members(_CREATION, {"Tags": tags})
        connector = self._find_tagged(resource)
        changed = {**connector.tags, **tags}
        if len(changed) > _MAXIMUM_TAGS:
            raise invalid("Tags", f"a resource has at most {_MAXIMUM_TAGS} tags")
        connector.tags = changed

    def untag_resource(self, resource: str, tag_keys: Collection[str]) -> None:
        """UntagResource: remove tags; unknown keys are ignored."""
        connector = self._find_tagged(resource)
        kept = connector.tags.keys() - set(tag_keys)
        connector.tags = {key: value for key, value in connector.tags.items() if key in kept}

    def _find_tagged(self, arn: str) -> _Connector:
        if not _TAGGABLE.fullmatch(arn):
            raise invalid("Resource", f"{arn[:200]!r} is not the ARN of a taggable resource")
        connector = self._identifiers.get(arn)
        if connector is None or not connector.exists(self._account.clock()):
            raise not_found("Resource", arn)
        return connector

    def put_microvm(self, name: str, connectors: Iterable[str]) -> None:
        """Put a running MicroVM that uses connectors; updates of these connectors are refused.

        Args:
            name: the MicroVM's ID.
            connectors: the names, IDs or ARNs of the connectors; none to terminate the MicroVM.

        Raises:
            ResourceNotFoundException: if a connector does not exist.
        """
        self._put_user(users.MICROVM, name, connectors)

    def put_microvm_image(self, name: str, connectors: Iterable[str]) -> None:
        """Put a MicroVM image whose version 1 uses connectors.

        Args:
            name: the image's name.
            connectors: the names, IDs or ARNs of the connectors; none to delete the image.

        Raises:
            ResourceNotFoundException: if a connector does not exist.
        """
        self._put_user(users.IMAGE, name, connectors)

    def put_web_function(self, name: str, connector: str | None) -> None:
        """Put a Web Function whose revision 1 uses a connector.

        Args:
            name: the function's name.
            connector: the name, ID or ARN of the connector; `None` to delete the function.

        Raises:
            ResourceNotFoundException: if the connector does not exist.
        """
        self._put_user(users.FUNCTION, name, () if connector is None else (connector,))

    def answer_neighbour(self, operation: str, request: Request) -> Response:
        """Return the response to a read of MicroVMs, images or Web Functions."""
        return self._users.answer(operation, request)

    def _put_user(self, kind: str, name: str, identifiers: Iterable[str]) -> None:
        found = [self._find(identifier) for identifier in identifiers]
        arns = [
            connector.arn if version is None else connector.version_arn(version)
            for connector, version in found
        ]
        if arns:
            self._users.put(kind, name, arns)
        else:
            self._users.remove(kind, name)

    def _find(self, identifier: str) -> tuple[_Connector, _Version | None]:
        """Return the connector, deleted or not, and the version if the identifier has one."""
        check_members(CONSTRAINTS["GetNetworkConnector"], {"Identifier": identifier})
        connector = self._identifiers.get(identifier)
        if connector is not None:
            return connector, None
        arn, _, qualifier = identifier.rpartition(":")
        connector = self._identifiers.get(arn)
        if connector is None or connector.arn != arn or not _VERSION.fullmatch(qualifier):
            raise self._not_found(identifier)
        version = connector.versions.get(int(qualifier))
        if version is None:
            raise self._not_found(identifier)
        return connector, version

    def _find_connector(self, identifier: str, now: datetime) -> _Connector:
        """Return the existing connector of an identifier without a version."""
        self._check_not_managed(identifier)
        connector, version = self._find(identifier)
        if not connector.exists(now):
            raise self._not_found(identifier)
        if version is not None:
            raise invalid("Identifier", "must not have a version")
        return connector

    def _not_found(self, identifier: str) -> ResourceNotFoundException:
        """Return AWS's error, which turns any identifier into an ARN."""
        if not identifier.startswith("arn:"):
            identifier = self._account.arn(f"network-connector:{identifier}")
        message = f"Network connector not found for: {identifier}"
        return ResourceNotFoundException(message, status_code=404)

    def _check_not_managed(self, identifier: str) -> None:
        if identifier in self._managed:
            raise invalid("Identifier", "must not be a connector that AWS manages")

    def _add(
        self,
        name: str,
        configuration: VpcEgressConfiguration,
        operator_role: str,
        lifecycle: Transition[_Status | None],
        now: datetime,
    ) -> _Connector:
        sequence = len(self._connectors) + 1
        # The ID is the same in every run, and unique to a connector of an account and region.
        seed = f"{self._account.arn(f'network-connector:{name}')} {sequence}"
        connector_id = f"nc-{UUID(bytes=sha256(seed.encode()).digest()[:16], version=4)}"
        arn = self._account.arn(f"network-connector:{connector_id}")
        connector = _Connector(
            lifecycle,
            sequence,
            name,
            connector_id,
            arn,
            {1: _Version(lifecycle, 1, configuration, constant(operator_role), now)},
        )
        self._connectors.append(connector)
        for identifier in (connector.id, name, arn):
            self._identifiers[identifier] = connector
        return connector

    def _start_update(
        self, connector: _Connector, configuration: VpcEgressConfiguration, role: str, now: datetime
    ) -> _Version:
        """Start an update, and return the version that it changes or creates."""
        version = connector.current(now)
        makes_version = self._account.versioned_roles or configuration != version.configuration
        limit = self._account.limits.network_connector_versions
        if makes_version and len(connector.existing_versions(now)) >= limit:
            raise connector_limit_exceeded(
                f"The connector has reached the maximum number of versions allowed: {limit}"
            )
        failure = self._account.take_failure("UpdateNetworkConnector", connector.name)
        version_end, update_end = _ACTIVE, _SUCCESSFUL
        if failure is not None:
            version_end = _failed(NetworkConnectorState.FAILED, failure)
            update_end = _UpdateStatus(
                NetworkConnectorLastUpdateStatus.FAILED, failure.reason_code, failure.reason
            )
        visible = self._account.visible_at(connector.name)
        connector.stale_view = Transition(self._view(connector, now), None, visible)
        at = self._account.updated_at(connector.name, failure)
        connector.update = Transition(_IN_PROGRESS, update_end, at)
        if makes_version:
            number = max(connector.versions) + 1
            lifecycle: Transition[_Status | None] = Transition(_PENDING, version_end, at)
            version = _Version(lifecycle, number, configuration, constant(role), now)
            connector.versions[number] = version
        elif failure is None:
            version.role = Transition(version.role.value(now), role, at)
        return version

    def _delete_version(self, connector: _Connector, version: _Version, now: datetime) -> None:
        if version in (connector.current(now), connector.latest_active(now)):
            raise conflict(
                f"Version {version.number} is the latest version of network connector "
                f"{connector.name}: delete the connector instead"
            )
        if not connector.version_status(version, now).is_deleting:
            at = self._account.deleted_at(connector.name)
            version.lifecycle = Transition(_DELETING, None, at)


def _describe(
    connector: _Connector, version: _Version, status: _Status, now: datetime
) -> NetworkConnector:
    """Return the six members that every operation returns."""
    return NetworkConnector(
        connector.arn,
        connector.name,
        connector.id,
        configuration=version.configuration,
        operator_role=version.role.value(now),
        state=status.state,
    )


def _describe_version(
    connector: _Connector, version: _Version, status: _Status, now: datetime
) -> NetworkConnector:
    """Return the members of a response about one version."""
    return evolve(
        _describe(connector, version, status, now),
        version_arn=connector.version_arn(version),
        version=version.number,
    )


def _failed(state: NetworkConnectorState, failure: Failure) -> _Status:
    return _Status(state, failure.reason_code, failure.reason)


def _reason(code: NetworkConnectorStateReasonCode | None, reason: str | None) -> str | None:
    return REASONS[code] if code is not None and reason is None else reason


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid("Name", "must be 1 to 64 letters, digits, hyphens and underscores")


def _check_role(role: str | None) -> str:
    if not role:
        raise refused("NetworkConnectorOperatorRole is required for VPC_EGRESS connector type")
    check_members(_CREATION, {"OperatorRole": role})
    return role


def _check_same(earlier: object, parameters: object) -> None:
    if earlier != parameters:
        raise conflict("The client token was already used with different parameters")


def _check_configuration(
    configuration: NetworkConnectorConfiguration, current: VpcEgressConfiguration | None = None
) -> VpcEgressConfiguration:
    """Return the configuration, valid and complete.

    It replaces the current one, if any. Only the network protocol and the compute resource types,
    which every connector has, default to their current values.
    """
    if not isinstance(configuration, VpcEgressConfiguration):
        raise invalid("Configuration", f"{configuration.tag!r} is not a known configuration")
    if current is not None:
        configuration = evolve(
            configuration,
            network_protocol=configuration.network_protocol or current.network_protocol,
            associated_compute_resource_types=configuration.associated_compute_resource_types
            or current.associated_compute_resource_types,
        )
    if not configuration.subnet_ids:
        raise invalid("SubnetIds", "must be 1 to 16 subnets")
    for member, value in (
        ("NetworkProtocol", configuration.network_protocol),
        ("AssociatedComputeResourceTypes", configuration.associated_compute_resource_types),
        ("SecurityGroupIds", configuration.security_group_ids),
    ):
        if not value:
            raise refused(f"{member} cannot be null or empty")
    check_members(VPC_EGRESS.members, to_dict(configuration))
    return configuration
