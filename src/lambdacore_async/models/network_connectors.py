"""Network connectors, through which Lambda compute resources reach a VPC."""

from __future__ import annotations

# `typing.get_type_hints` looks here for the names in the type of `Model.extra`.
from collections.abc import Callable, Iterable, Mapping  # noqa: F401 # pyright: ignore[reportUnusedImport]
from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

from attrs import field, frozen

from lambdacore_async.models.shared import (
    JSONValue,  # noqa: F401 # pyright: ignore[reportUnusedImport]
    Model,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
    as_enum,
    as_tuple,
)


class NetworkConnectorState(StrEnum):
    """A state in the lifecycle of a connector."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    FAILED = "FAILED"
    DELETING = "DELETING"
    DELETE_FAILED = "DELETE_FAILED"


class NetworkConnectorStateReasonCode(StrEnum):
    """The reason for the state of a connector, or for the outcome of its latest update.

    The API has an enum for each of the two, with the same values. This enum serves both.
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
    """The outcome of the latest update of a connector."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    IN_PROGRESS = "InProgress"


class NetworkConnectorType(StrEnum):
    """The kind of a connector in a listing."""

    VPC_EGRESS = "VPC_EGRESS"


class NetworkProtocol(StrEnum):
    """The IP versions that a connector carries."""

    IPV4 = "IPv4"
    DUAL_STACK = "DualStack"


class ComputeResourceType(StrEnum):
    """A Lambda compute resource that may use a connector."""

    MICRO_VM = "MicroVm"
    WEB_FUNCTION = "WebFunction"


class ElasticIpType(StrEnum):
    """The source of Elastic IP addresses for a connector's network interfaces."""

    NONE = "None"
    SERVICE_MANAGED = "ServiceManaged"


NetworkConnectorStateLiteral: TypeAlias = Literal[
    "PENDING", "ACTIVE", "INACTIVE", "FAILED", "DELETING", "DELETE_FAILED"
]
"""A `NetworkConnectorState` as a string."""
NetworkProtocolLiteral: TypeAlias = Literal["IPv4", "DualStack"]
"""A `NetworkProtocol` as a string."""
ComputeResourceTypeLiteral: TypeAlias = Literal["MicroVm", "WebFunction"]
"""A `ComputeResourceType` as a string."""
ElasticIpTypeLiteral: TypeAlias = Literal["None", "ServiceManaged"]
"""An `ElasticIpType` as a string."""


def _elastic_ip_type(
    value: ElasticIpType | UnknownValue | ElasticIpTypeLiteral,
) -> ElasticIpType | UnknownValue:
    return value if isinstance(value, ElasticIpType) else as_enum("type", ElasticIpType, value)


@frozen
class ElasticIpConfiguration(Model):
    """Elastic IP addresses of a connector's network interfaces.

    Enum values may be given as strings, and are stored as enum members.
    """

    type: ElasticIpType | UnknownValue = field(converter=_elastic_ip_type)
    """The source of the addresses."""


def _subnet_ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return values if isinstance(values, tuple) else as_tuple("subnet_ids", values)


def _security_group_ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return values if isinstance(values, tuple) else as_tuple("security_group_ids", values)


def _network_protocol(
    value: NetworkProtocol | UnknownValue | NetworkProtocolLiteral | None,
) -> NetworkProtocol | UnknownValue | None:
    if value is None or isinstance(value, NetworkProtocol):
        return value
    return as_enum("network_protocol", NetworkProtocol, value)


def _compute_resource_types(
    values: Iterable[ComputeResourceType | UnknownValue | ComputeResourceTypeLiteral] | None,
) -> tuple[ComputeResourceType | UnknownValue, ...] | None:
    name, kind = "associated_compute_resource_types", ComputeResourceType
    items = as_tuple(name, values)
    if items is None:
        return None
    return tuple([item if isinstance(item, kind) else as_enum(name, kind, item) for item in items])


@frozen
class VpcEgressConfiguration(Model):
    """The VPC that a connector sends traffic to.

    Lists accept any iterable and are stored as tuples. Enum values may be given as strings, and are
    stored as enum members.
    """

    subnet_ids: tuple[str, ...] | None = field(default=None, converter=_subnet_ids)
    """1 to 16 subnets of one VPC, in which Lambda creates network interfaces."""
    security_group_ids: tuple[str, ...] | None = field(default=None, converter=_security_group_ids)
    """At most 16 security groups of the same VPC."""
    network_protocol: NetworkProtocol | UnknownValue | None = field(
        default=None, converter=_network_protocol
    )
    """IPv4 alone, or both IP versions. The service requires it on creation."""
    associated_compute_resource_types: tuple[ComputeResourceType | UnknownValue, ...] | None = (
        field(default=None, converter=_compute_resource_types)
    )
    """The compute resources that may use the connector; at most one. Required on creation."""
    elastic_ip_configuration: ElasticIpConfiguration | None = None
    """How the network interfaces get an Elastic IP address."""


NetworkConnectorConfiguration: TypeAlias = VpcEgressConfiguration | UnknownMember
"""The configuration of a connector: a tagged union with one known member so far."""


@frozen
class NetworkConnector(Model):
    """A network connector.

    All operations that return a connector use this class; each leaves some members out.
    """

    arn: str
    """The connector's ARN, without a version."""
    name: str
    """The name, unique in the account and region."""
    id: str
    """The ID that the service gave it at creation."""
    version_arn: str | None = None
    """The ARN of this version; set only if the call requested or created a version."""
    version: int | None = None
    """The version's number, from 1; each change of the configuration creates a version."""
    latest_version_arn: str | None = None
    """The ARN of the latest active version; set only by a get without a version."""
    latest_version: int | None = None
    """The number of the latest active version; set only by a get without a version."""
    configuration: NetworkConnectorConfiguration | None = None
    """The destination of the connector's traffic."""
    operator_role: str | None = None
    """The ARN of the role with which Lambda manages the network interfaces."""
    state: NetworkConnectorState | UnknownValue | None = None
    """The state in the connector's lifecycle."""
    state_reason: str | None = None
    """The reason for the state in words; set after a failure, and by a get after creation."""
    state_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    """The reason for the state; set after a failure."""
    last_update_status: NetworkConnectorLastUpdateStatus | UnknownValue | None = None
    """The outcome of the latest update; `None` before the first one."""
    last_update_status_reason: str | None = None
    """The reason for that outcome in words."""
    last_update_status_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    """The reason for that outcome."""
    last_modified: datetime | None = None
    """When the configuration last changed."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""


OnChange: TypeAlias = Callable[[NetworkConnector], object]
"""Callback for a connector: called when it is first seen, and after every change."""


@frozen
class NetworkConnectorSummary(Model):
    """A network connector in a listing."""

    arn: str
    """The connector's ARN, without a version."""
    name: str
    """The name, unique in the account and region."""
    id: str
    """The ID that the service gave it at creation."""
    type: NetworkConnectorType | UnknownValue
    """The kind of connector."""
    state: NetworkConnectorState | UnknownValue | None = None
    """The state in the connector's lifecycle."""
    last_modified: datetime | None = None
    """When the connector last changed."""
    latest_version_arn: str | None = None
    """The ARN of the latest active version."""
    latest_version: int | None = None
    """The number of the latest active version."""


@frozen
class NetworkConnectorVersionSummary(Model):
    """A version of a network connector in a listing."""

    arn: str
    """The connector's ARN, without a version."""
    version_arn: str
    """The ARN of this version."""
    name: str
    """The connector's name."""
    id: str
    """The connector's ID."""
    version: int
    """The version's number, from 1."""
    state: NetworkConnectorState | UnknownValue
    """The state of this version."""
    state_reason: str | None = None
    """The reason for the state in words; set after a failure."""
    state_reason_code: NetworkConnectorStateReasonCode | UnknownValue | None = None
    """The reason for the state; set after a failure."""
    last_modified: datetime | None = None
    """When the version last changed."""


ConnectorIdentifier: TypeAlias = (
    str | NetworkConnector | NetworkConnectorSummary | NetworkConnectorVersionSummary
)
"""A reference to a connector: its ID, name or ARN, or a model that has its ARN."""
