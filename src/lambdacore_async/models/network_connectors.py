"""Network connectors: how Lambda compute resources reach a VPC."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from attrs import field, frozen

from lambdacore_async.models.shared import (
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
    as_tuple,
)


class NetworkConnectorState(StrEnum):
    """Where a connector is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    FAILED = "FAILED"
    DELETING = "DELETING"
    DELETE_FAILED = "DELETE_FAILED"


class NetworkConnectorStateReasonCode(StrEnum):
    """Why a connector, or its latest update, is in its state.

    The API has two enums for it, of the same values; here they are one.
    """

    DISALLOWED_BY_VPC_ENCRYPTION_CONTROL = "DisallowedByVpcEncryptionControl"
    EC2_REQUEST_LIMIT_EXCEEDED = "Ec2RequestLimitExceeded"
    INSUFFICIENT_ROLE_PERMISSIONS = "InsufficientRolePermissions"
    INTERNAL_ERROR = "InternalError"
    INTERNET_GATEWAY_NOT_ATTACHED = "InternetGatewayNotAttached"
    INVALID_SECURITY_GROUP = "InvalidSecurityGroup"
    INVALID_SUBNET = "InvalidSubnet"
    SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED = "SecurityGroupsPerInterfaceLimitExceeded"
    SUBNET_OUT_OF_IP_ADDRESSES = "SubnetOutOfIPAddresses"


class NetworkConnectorLastUpdateStatus(StrEnum):
    """How the latest update of a connector went."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"


class NetworkConnectorType(StrEnum):
    """The kind of a connector, in listings."""

    VPC_EGRESS = "VPC_EGRESS"


class NetworkProtocol(StrEnum):
    """Which IP versions a connector carries."""

    IPV4 = "IPv4"
    DUAL_STACK = "DualStack"


class ComputeResourceType(StrEnum):
    """Which Lambda compute resources may use a connector."""

    MICRO_VM = "MicroVm"
    WEB_FUNCTION = "WebFunction"


class ElasticIpType(StrEnum):
    """How a connector's network interfaces get an Elastic IP address."""

    NONE = "None"
    SERVICE_MANAGED = "ServiceManaged"


@frozen
class ElasticIpConfiguration:
    """How a connector's network interfaces get an Elastic IP address."""

    type: ElasticIpType | UnknownValue


def _subnet_ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return values if isinstance(values, tuple) else as_tuple("subnet_ids", values)


def _security_group_ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return values if isinstance(values, tuple) else as_tuple("security_group_ids", values)


def _compute_resource_types(
    values: Iterable[ComputeResourceType | UnknownValue] | None,
) -> tuple[ComputeResourceType | UnknownValue, ...] | None:
    return (
        values
        if isinstance(values, tuple)
        else as_tuple("associated_compute_resource_types", values)
    )


@frozen
class VpcEgressConfiguration:
    """The VPC that a connector sends traffic to.

    Lists may be given in any iterable form; they are kept as tuples.

    Attributes:
        subnet_ids: 1 to 16 subnets of one VPC, in which Lambda makes network interfaces.
        security_group_ids: at most 16 security groups of the same VPC.
        network_protocol: IPv4 alone, or both IP versions. The service wants it on creation.
        associated_compute_resource_types: which compute may use the connector; one at most. The
            service wants it on creation.
        elastic_ip_configuration: how the network interfaces get an Elastic IP address.
    """

    subnet_ids: tuple[str, ...] | None = field(default=None, converter=_subnet_ids)
    security_group_ids: tuple[str, ...] | None = field(default=None, converter=_security_group_ids)
    network_protocol: NetworkProtocol | UnknownValue | None = None
    associated_compute_resource_types: tuple[ComputeResourceType | UnknownValue, ...] | None = (
        field(default=None, converter=_compute_resource_types)
    )
    elastic_ip_configuration: ElasticIpConfiguration | None = None


NetworkConnectorConfiguration: TypeAlias = VpcEgressConfiguration | UnknownMember
"""A connector's configuration: a tagged union, of one known member so far."""


@frozen
class NetworkConnector:
    """A network connector.

    One class for all operations that return one; each of them leaves some members out.

    Attributes:
        arn: the connector's ARN, without a version.
        name: unique in the account and region.
        id: given by the service at creation.
        version_arn: the ARN of this version; only where one version was asked for or made.
        version: the version's number, from 1; each change of the configuration makes a new one.
        latest_version_arn: the ARN of the latest active version; only on an unqualified get.
        latest_version: the number of the latest active version; only on an unqualified get.
        configuration: where the traffic goes.
        operator_role: the ARN of the role with which Lambda manages the network interfaces.
        state: where the connector is in its life.
        state_reason: why it is in that state, in words; after a failure.
        state_reason_code: why it is in that state; after a failure.
        last_update_status: how the latest update went; `None` before the first.
        last_update_status_reason: why, in words.
        last_update_status_reason_code: why.
        last_modified: when the configuration last changed.
        response_metadata: what the answer said about itself; not compared, not shown.
    """

    arn: str
    name: str
    id: str
    version_arn: str | None = None
    version: int | None = None
    latest_version_arn: str | None = None
    latest_version: int | None = None
    configuration: NetworkConnectorConfiguration | None = None
    operator_role: str | None = None
    state: NetworkConnectorState | UnknownValue | None = None
    state_reason: str | None = None
    state_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    last_update_status: NetworkConnectorLastUpdateStatus | UnknownValue | None = None
    last_update_status_reason: str | None = None
    last_update_status_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    last_modified: datetime | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)


OnChange: TypeAlias = Callable[[NetworkConnector], object]
"""Is told of a connector when it is first seen, and whenever it has changed."""


@frozen
class NetworkConnectorSummary:
    """What a listing tells of a network connector."""

    arn: str
    name: str
    id: str
    type: NetworkConnectorType | UnknownValue
    state: NetworkConnectorState | UnknownValue | None = None
    last_modified: datetime | None = None
    latest_version_arn: str | None = None
    latest_version: int | None = None


@frozen
class NetworkConnectorVersionSummary:
    """What a listing tells of one version of a network connector."""

    arn: str
    version_arn: str
    name: str
    id: str
    version: int
    state: NetworkConnectorState | UnknownValue
    state_reason: str | None = None
    state_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    last_modified: datetime | None = None
