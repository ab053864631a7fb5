"""What lies behind each reason code: whether a retry can help, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode


@frozen
class Cause:
    """What a reason code means for whoever meets it.

    Attributes:
        retryable: the same request may succeed later, though nobody changes anything.
        remedy: what to do about it, in one line.
    """

    retryable: bool
    remedy: str


CAUSES: Final[Mapping[str, Cause]] = MappingProxyType(
    {
        NetworkConnectorStateReasonCode.DISALLOWED_BY_VPC_ENCRYPTION_CONTROL: Cause(
            retryable=False,
            remedy="Exclude Lambda from the VPC's encryption control, or use another VPC.",
        ),
        NetworkConnectorStateReasonCode.EC2_REQUEST_LIMIT_EXCEEDED: Cause(
            retryable=True, remedy="Try again later: Amazon EC2 throttled the account's requests."
        ),
        NetworkConnectorStateReasonCode.INSUFFICIENT_ROLE_PERMISSIONS: Cause(
            retryable=False,
            remedy="Let the operator role manage network interfaces, and Lambda assume it.",
        ),
        NetworkConnectorStateReasonCode.INTERNAL_ERROR: Cause(
            retryable=True, remedy="Try again; if it lasts, ask AWS Support."
        ),
        NetworkConnectorStateReasonCode.INTERNET_GATEWAY_NOT_ATTACHED: Cause(
            retryable=False, remedy="Attach an internet gateway to the VPC."
        ),
        NetworkConnectorStateReasonCode.INVALID_SECURITY_GROUP: Cause(
            retryable=False, remedy="Name security groups that exist in the VPC of the subnets."
        ),
        NetworkConnectorStateReasonCode.INVALID_SUBNET: Cause(
            retryable=False, remedy="Name subnets that exist, all of one VPC."
        ),
        NetworkConnectorStateReasonCode.SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED: Cause(
            retryable=False, remedy="Name fewer security groups, or raise the quota for interfaces."
        ),
        NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES: Cause(
            retryable=False, remedy="Free IP addresses in the subnets, or name larger ones."
        ),
    }
)
"""The cause behind each reason code that this version knows."""
