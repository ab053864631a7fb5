"""Network connectors and their versions, as the service keeps them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Final

from attrs import define, evolve, field, frozen

from lambdacore_async.local.account import REASONS, Account, Change, Failure, paginate
from lambdacore_async.local.errors import conflict, connector_limit, invalid, not_found
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    ElasticIpType,
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

#: The connectors that AWS manages: each account can read them by ARN, nobody can change them.
MANAGED_CONNECTORS: Final = ("ALL_INGRESS", "HTTP_INGRESS", "INTERNET_EGRESS", "SHELL_INGRESS")

_MAXIMUM_IDENTIFIER: Final = 140
_MAXIMUM_ROLE: Final = 10_000
_MAXIMUM_VPC_ID: Final = 1024
_MAXIMUM_VPC_IDS: Final = 16
_MAXIMUM_TOKEN: Final = 64
_MAXIMUM_TAG_KEY: Final = 128
_MAXIMUM_TAG_VALUE: Final = 256

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLE: Final = re.compile(r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_SUBNET: Final = re.compile(r"subnet-[0-9a-z]*")
_SECURITY_GROUP: Final = re.compile(r"sg-[0-9a-zA-Z]*")
_VERSION: Final = re.compile(r"[1-9][0-9]*")

_DEFAULT_CONFIGURATION: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-0123456789abcdef0",),
    security_group_ids=("sg-0123456789abcdef0",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)


@frozen
class _Status:
    """The state of a connector or version, and why."""

    state: NetworkConnectorState
    reason_code: NetworkConnectorStateReasonCode | None = None
    reason: str | None = None

    @property
    def is_deleting(self) -> bool:
        return self.state is NetworkConnectorState.DELETING


@frozen
class _UpdateStatus:
    """How the latest update goes, and why; without a status, there was none."""

    status: NetworkConnectorLastUpdateStatus | None = None
    reason_code: NetworkConnectorStateReasonCode | None = None
    reason: str | None = None


_PENDING: Final = _Status(NetworkConnectorState.PENDING)
_ACTIVE: Final = _Status(NetworkConnectorState.ACTIVE)
_DELETING: Final = _Status(NetworkConnectorState.DELETING)
_NO_UPDATE: Final = _UpdateStatus()
_IN_PROGRESS: Final = _UpdateStatus(NetworkConnectorLastUpdateStatus.IN_PROGRESS)
_SUCCESSFUL: Final = _UpdateStatus(NetworkConnectorLastUpdateStatus.SUCCESSFUL)

_UNREADY: Final = frozenset({NetworkConnectorState.PENDING, NetworkConnectorState.FAILED})
#: The states of versions that are not what the connector is, or is becoming.
_PASSED_OVER: Final = frozenset({NetworkConnectorState.FAILED, NetworkConnectorState.DELETING})
_DELETABLE: Final = frozenset(
    {
        NetworkConnectorState.ACTIVE,
        NetworkConnectorState.FAILED,
        NetworkConnectorState.DELETE_FAILED,
    }
)


@define
class _Version:
    """One version; its status is None once it is gone."""

    number: int
    configuration: VpcEgressConfiguration
    role: Change[str]
    modified: datetime
    life: Change[_Status | None]


@define
class _Connector:
    """One connector; its status is None once it is gone.

    It and its versions are kept when gone, so that deleting them again can succeed.
    """

    sequence: int
    name: str
    id: str
    arn: str
    life: Change[_Status | None]
    update: Change[_UpdateStatus]
    versions: dict[int, _Version]
    #: What reads show for a while after an update: the connector before it.
    echo: Change[NetworkConnector | None] | None = None
    #: What was asked with each client token of an update, and answered.
    updates: dict[str, tuple[object, NetworkConnector]] = field(
        factory=dict[str, tuple[object, NetworkConnector]]
    )

    def version_arn(self, version: _Version) -> str:
        return f"{self.arn}:{version.number}"

    def live_versions(self, now: datetime) -> list[_Version]:
        return [version for version in self.versions.values() if version.life.status(now)]

    def current(self, now: datetime) -> _Version:
        """The newest version that has not failed; the newest, if all have."""
        versions = self.live_versions(now)
        fit = [v for v in versions if _status(v.life, now).state not in _PASSED_OVER]
        return (fit or versions)[-1]

    def latest_active(self, now: datetime) -> _Version | None:
        active = [v for v in self.live_versions(now) if v.life.status(now) == _ACTIVE]
        return active[-1] if active else None

    def version_status(self, version: _Version, now: datetime) -> _Status:
        """A version's own status, unless the whole connector is being deleted."""
        whole = _status(self.life, now)
        return whole if whole.is_deleting else _status(version.life, now)


def _status(life: Change[_Status | None], now: datetime) -> _Status:
    """The status of what is known not to be gone; what is gone was last seen DELETING."""
    return life.status(now) or _DELETING


class NetworkConnectors:
    """The network connectors of an account: the API's operations on them, and states on demand."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._connectors: list[_Connector] = []
        #: By ID, name and ARN; a name and its ARN stand for the newest connector so named.
        self._identifiers: dict[str, _Connector] = {}
        #: What was asked with each client token of a creation, and the connector that resulted.
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
        """Put a connector into a state, at once; make the connector if there is none of that name.

        It stays so, whatever the time, until an operation or another call changes it. Limits do not
        count here.

        Args:
            name: 1 to 64 letters, digits, hyphens and underscores.
            state: the state.
            state_reason_code: why it is in that state.
            state_reason: why, in words; by default the usual text for that code.
            last_update_status: how its latest update went; `None` for no update so far.
            last_update_status_reason_code: why.
            last_update_status_reason: why, in words; by default the usual text for that code.
            configuration: its configuration; by default what it has, or one subnet and one group.
            operator_role: its role's ARN; by default what it has, or some role of the account.

        Returns:
            The connector, as GetNetworkConnector shows it.

        Raises:
            InvalidParameterValueException: the name, configuration or role is not valid.
        """
        now = self._account.clock()
        _check_name(name)
        connector = self._live(name, now)
        current = None if connector is None else connector.current(now)
        if configuration is None:
            configuration = _DEFAULT_CONFIGURATION if current is None else current.configuration
        if operator_role is None:
            operator_role = self._default_role if current is None else current.role.status(now)
        _check_configuration(configuration)
        _check_role(operator_role)
        status = _Status(state, state_reason_code, _words(state_reason_code, state_reason))
        life: Change[_Status | None] = Change(status, status, now)
        if connector is None:
            connector = self._add(name, configuration, operator_role, life, now)
        version = connector.current(now)
        version.configuration = configuration
        version.role = _always(operator_role, now)
        # A connector that is not ready has no version that is; unless it has an older one.
        ready = state not in _UNREADY or len(connector.live_versions(now)) > 1
        version.life = Change(_ACTIVE, _ACTIVE, now) if ready else life
        connector.life = life
        connector.echo = None
        update = _UpdateStatus(
            last_update_status,
            last_update_status_reason_code,
            _words(last_update_status_reason_code, last_update_status_reason),
        )
        connector.update = Change(update, update, now)
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
        """CreateNetworkConnector: PENDING first, then ACTIVE or FAILED."""
        now = self._account.clock()
        _check_name(name)
        vpc = _check_configuration(configuration)
        role = _check_role(operator_role)
        _check_token(client_token)
        _check_tags(tags or {})
        asked = (name, vpc, role, dict(tags or {}))
        if client_token is not None and client_token in self._creations:
            asked_before, connector = self._creations[client_token]
            if connector.life.status(now) is not None:
                if asked_before != asked:
                    raise conflict("The client token was used with other parameters")
                return _created(connector, _status(connector.life, now), now)
        if self._live(name, now) is not None:
            raise conflict(f"Network connector already exists: {name}")
        if sum(1 for _ in self._all(now)) >= self._account.limits.network_connectors:
            raise connector_limit(
                "The account has reached the maximum number of network connectors allowed: "
                f"{self._account.limits.network_connectors}"
            )
        failure = self._account.take_failure("CreateNetworkConnector", name)
        end = _ACTIVE if failure is None else _failed(NetworkConnectorState.FAILED, failure)
        at = self._account.provisioned_at(name, failure)
        connector = self._add(name, vpc, role, Change(_PENDING, end, at), now)
        if client_token is not None:
            self._creations[client_token] = (asked, connector)
        return _created(connector, _PENDING, now)

    def get_network_connector(self, identifier: str) -> NetworkConnector:
        """GetNetworkConnector: the connector as it is now, or one of its versions."""
        now = self._account.clock()
        if identifier in self._managed:
            return self._managed[identifier]
        connector, version = self._find_any(identifier)
        if connector.life.status(now) is None:
            raise not_found("Network connector", identifier)
        if version is not None:
            if version.life.status(now) is None:
                raise not_found("Network connector version", identifier)
            status = connector.version_status(version, now)
            return evolve(
                _shown(connector, version, status, now),
                version_arn=connector.version_arn(version),
                last_modified=version.modified,
                state_reason=status.reason,
                state_reason_code=status.reason_code,
            )
        return self._view(connector, now)

    def _view(self, connector: _Connector, now: datetime) -> NetworkConnector:
        """What reads show of the connector: what it is, or was before an update just begun."""
        echo = None if connector.echo is None else connector.echo.status(now)
        status = _status(connector.life, now)
        if echo is not None and status == _ACTIVE:
            return echo
        current, latest = connector.current(now), connector.latest_active(now)
        update = connector.update.status(now)
        return evolve(
            _shown(connector, current, status, now),
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
        """UpdateNetworkConnector: a new version, InProgress first, then Successful or Failed."""
        now = self._account.clock()
        connector = self._find_whole(identifier, now)
        _check_token(client_token)
        asked = (configuration, operator_role)
        if client_token is not None and client_token in connector.updates:
            asked_before, answer = connector.updates[client_token]
            if asked_before != asked:
                raise conflict("The client token was used with other parameters")
            update = connector.update.status(now)
            return evolve(
                answer,
                state=_status(connector.life, now).state,
                last_update_status=update.status,
                last_update_status_reason=update.reason,
            )
        current = connector.current(now)
        vpc, role = current.configuration, current.role.status(now)
        if configuration is not None:
            vpc = _check_configuration(configuration, vpc)
        if operator_role is not None:
            role = _check_role(operator_role)
        state = _status(connector.life, now).state
        if state is not NetworkConnectorState.ACTIVE:
            raise conflict(f"Network connector {connector.name} is {state}, not ACTIVE")
        if connector.update.status(now).status is _IN_PROGRESS.status:
            raise conflict(f"An update of network connector {connector.name} is in progress")
        version, update = current, _SUCCESSFUL
        if (vpc, role) == (current.configuration, current.role.status(now)):
            connector.update = Change(_SUCCESSFUL, _SUCCESSFUL, now)
        else:
            version, update = self._begin_update(connector, vpc, role, now), _IN_PROGRESS
        answer = evolve(
            _shown(connector, version, _ACTIVE, now),
            version_arn=connector.version_arn(version),
            operator_role=role,
            last_update_status=update.status,
            last_modified=now,
        )
        if client_token is not None:
            connector.updates[client_token] = (asked, answer)
        return answer

    def delete_network_connector(self, identifier: str) -> NetworkConnector:
        """DeleteNetworkConnector: DELETING first, then gone or DELETE_FAILED."""
        now = self._account.clock()
        self._check_changeable(identifier)
        connector, version = self._find_any(identifier)
        status = connector.life.status(now)
        if version is not None:
            if status is not None:
                self._delete_version(connector, version, now)
            return evolve(
                _shown(connector, version, _DELETING, now),
                version_arn=connector.version_arn(version),
            )
        if status is not None and not status.is_deleting:
            if status.state not in _DELETABLE:
                raise conflict(
                    f"Network connector {connector.name} is {status.state}, "
                    "and can be deleted only when it is ACTIVE or FAILED"
                )
            failure = self._account.take_failure("DeleteNetworkConnector", connector.name)
            end = None
            if failure is not None:
                end = _failed(NetworkConnectorState.DELETE_FAILED, failure)
            at = self._account.deleted_at(connector.name, failure)
            connector.life = Change(_DELETING, end, at)
        return evolve(_shown(connector, connector.current(now), _DELETING, now), version=None)

    def list_network_connectors(
        self,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        marker: str | None = None,
        max_items: int | None = None,
    ) -> Page[NetworkConnectorSummary]:
        """ListNetworkConnectors: the account's own, in the order of their creation."""
        now = self._account.clock()
        _check_state(state)

        def summary(connector: _Connector) -> NetworkConnectorSummary:
            shown = self._view(connector, now)
            return NetworkConnectorSummary(
                connector.arn,
                connector.name,
                connector.id,
                NetworkConnectorType.VPC_EGRESS,
                shown.state,
                shown.last_modified,
                f"{connector.arn}:{shown.version}",
                shown.version,
            )

        return paginate(
            (
                (connector.sequence, connector)
                for connector in self._all(now)
                if state in (None, _status(connector.life, now).state)
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
        """ListNetworkConnectorVersions: the connector's versions, the oldest first."""
        now = self._account.clock()
        _check_state(state)
        if identifier in self._managed:
            return Page(())
        connector = self._find_whole(identifier, now)

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
                for version in connector.live_versions(now)
                if state in (None, connector.version_status(version, now).state)
            ),
            summary,
            listing=f"versions of {connector.id}",
            token=("Marker", marker),
            size=("MaxItems", max_items),
        )

    def _all(self, now: datetime) -> Iterator[_Connector]:
        """Those that are not gone."""
        return (c for c in self._connectors if c.life.status(now) is not None)

    def _live(self, name: str, now: datetime) -> _Connector | None:
        connector = self._identifiers.get(name)
        return None if connector is None or connector.life.status(now) is None else connector

    def _find_any(self, identifier: str) -> tuple[_Connector, _Version | None]:
        """The connector, gone or not, and the version if the identifier is qualified with one."""
        if not 1 <= len(identifier) <= _MAXIMUM_IDENTIFIER:
            raise invalid("Identifier", f"must have 1 to {_MAXIMUM_IDENTIFIER} characters")
        connector = self._identifiers.get(identifier)
        if connector is not None:
            return connector, None
        arn, _, qualifier = identifier.rpartition(":")
        connector = self._identifiers.get(arn)
        if connector is None or connector.arn != arn or not _VERSION.fullmatch(qualifier):
            raise not_found("Network connector", identifier)
        version = connector.versions.get(int(qualifier))
        if version is None:
            raise not_found("Network connector version", identifier)
        return connector, version

    def _find_whole(self, identifier: str, now: datetime) -> _Connector:
        """The connector, not gone, by an identifier without a version."""
        self._check_changeable(identifier)
        connector, version = self._find_any(identifier)
        if connector.life.status(now) is None:
            raise not_found("Network connector", identifier)
        if version is not None:
            raise invalid("Identifier", "must not be qualified with a version")
        return connector

    def _check_changeable(self, identifier: str) -> None:
        if identifier in self._managed:
            raise invalid("Identifier", "stands for a connector that AWS manages")

    def _add(
        self,
        name: str,
        configuration: VpcEgressConfiguration,
        operator_role: str,
        life: Change[_Status | None],
        now: datetime,
    ) -> _Connector:
        sequence = len(self._connectors) + 1
        arn = self._account.arn(f"network-connector:{name}")
        connector = _Connector(
            sequence,
            name,
            f"nc-{sha256(f'{arn} {sequence}'.encode()).hexdigest()[:17]}",
            arn,
            life,
            Change(_NO_UPDATE, _NO_UPDATE, now),
            {1: _Version(1, configuration, _always(operator_role, now), now, life)},
        )
        self._connectors.append(connector)
        for identifier in (connector.id, name, arn):
            self._identifiers[identifier] = connector
        return connector

    def _begin_update(
        self, connector: _Connector, configuration: VpcEgressConfiguration, role: str, now: datetime
    ) -> _Version:
        """Begin an update, and tell which version will have what is asked for."""
        version = connector.current(now)
        makes_version = self._account.versioned_roles or configuration != version.configuration
        limit = self._account.limits.network_connector_versions
        if makes_version and len(connector.live_versions(now)) >= limit:
            raise connector_limit(
                f"The connector has reached the maximum number of versions allowed: {limit}"
            )
        failure = self._account.take_failure("UpdateNetworkConnector", connector.name)
        version_end, update_end = _ACTIVE, _SUCCESSFUL
        if failure is not None:
            version_end = _failed(NetworkConnectorState.FAILED, failure)
            update_end = _UpdateStatus(
                NetworkConnectorLastUpdateStatus.FAILED, failure.reason_code, failure.reason
            )
        shown = self._account.shown_at(connector.name)
        connector.echo = Change(self._view(connector, now), None, shown)
        at = self._account.updated_at(connector.name, failure)
        connector.update = Change(_IN_PROGRESS, update_end, at)
        if makes_version:
            number = max(connector.versions) + 1
            life: Change[_Status | None] = Change(_PENDING, version_end, at)
            version = _Version(number, configuration, _always(role, now), now, life)
            connector.versions[number] = version
        elif failure is None:
            version.role = Change(version.role.status(now), role, at)
        return version

    def _delete_version(self, connector: _Connector, version: _Version, now: datetime) -> None:
        if version in (connector.current(now), connector.latest_active(now)):
            raise conflict(
                f"Version {version.number} is the latest version of network connector "
                f"{connector.name}: delete the connector instead"
            )
        if not connector.version_status(version, now).is_deleting:
            version.life = Change(_DELETING, None, self._account.deleted_at(connector.name))


def _shown(
    connector: _Connector, version: _Version, status: _Status, now: datetime
) -> NetworkConnector:
    """What all operations show of a connector."""
    return NetworkConnector(
        connector.arn,
        connector.name,
        connector.id,
        version=version.number,
        configuration=version.configuration,
        operator_role=version.role.status(now),
        state=status.state,
    )


def _created(connector: _Connector, status: _Status, now: datetime) -> NetworkConnector:
    first = connector.versions[1]
    return evolve(_shown(connector, first, status, now), version_arn=connector.version_arn(first))


def _always(role: str, now: datetime) -> Change[str]:
    return Change(role, role, now)


def _failed(state: NetworkConnectorState, failure: Failure) -> _Status:
    return _Status(state, failure.reason_code, failure.reason)


def _words(code: NetworkConnectorStateReasonCode | None, reason: str | None) -> str | None:
    return REASONS[code] if code is not None and reason is None else reason


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise invalid("Name", "must be 1 to 64 letters, digits, hyphens and underscores")


def _check_role(role: str | None) -> str:
    if role is None:
        raise invalid("OperatorRole", "required")
    if len(role) > _MAXIMUM_ROLE or not _ROLE.fullmatch(role):
        raise invalid("OperatorRole", f"{role[:200]!r} is not the ARN of an IAM role")
    return role


def _check_token(token: str | None) -> None:
    if token is not None and not 1 <= len(token) <= _MAXIMUM_TOKEN:
        raise invalid("ClientToken", f"must have 1 to {_MAXIMUM_TOKEN} characters")


def _check_tags(tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        if not 1 <= len(key) <= _MAXIMUM_TAG_KEY or not _is_tag_text(key):
            raise invalid("Tags", f"{key[:200]!r} is not a valid key")
        if len(value) > _MAXIMUM_TAG_VALUE or not _is_tag_text(value):
            raise invalid("Tags", f"{value[:300]!r} is not a valid value")


def _is_tag_text(text: str) -> bool:
    return all(c in "_.:/=+-@" or unicodedata.category(c)[0] in "LZN" for c in text)


def _check_state(state: str | None) -> None:
    if state is not None and not isinstance(state, NetworkConnectorState):
        raise invalid("State", f"{state!r} is not a state of network connectors")


def _check_configuration(
    configuration: NetworkConnectorConfiguration, current: VpcEgressConfiguration | None = None
) -> VpcEgressConfiguration:
    """The configuration, valid and complete.

    It replaces the current one, if any, but for the two members that no connector can be without.
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
    subnets, groups = configuration.subnet_ids or (), configuration.security_group_ids or ()
    if not 1 <= len(subnets) <= _MAXIMUM_VPC_IDS:
        raise invalid("SubnetIds", f"must be 1 to {_MAXIMUM_VPC_IDS} subnets")
    if len(groups) > _MAXIMUM_VPC_IDS:
        raise invalid("SecurityGroupIds", f"must be at most {_MAXIMUM_VPC_IDS} security groups")
    _check_vpc_ids("SubnetIds", subnets, _SUBNET)
    _check_vpc_ids("SecurityGroupIds", groups, _SECURITY_GROUP)
    if not isinstance(configuration.network_protocol, NetworkProtocol):
        raise invalid("NetworkProtocol", "must be IPv4 or DualStack")
    kinds = configuration.associated_compute_resource_types or ()
    if len(kinds) != 1 or not isinstance(kinds[0], ComputeResourceType):
        raise invalid("AssociatedComputeResourceTypes", "must be one of MicroVm, WebFunction")
    elastic_ip = configuration.elastic_ip_configuration
    if elastic_ip is not None and not isinstance(elastic_ip.type, ElasticIpType):
        raise invalid("ElasticIpConfiguration.Type", "must be None or ServiceManaged")
    return configuration


def _check_vpc_ids(parameter: str, ids: tuple[str, ...], pattern: re.Pattern[str]) -> None:
    for vpc_id in ids:
        if len(vpc_id) > _MAXIMUM_VPC_ID or not pattern.fullmatch(vpc_id):
            raise invalid(parameter, f"{vpc_id[:200]!r} is not a valid ID")
