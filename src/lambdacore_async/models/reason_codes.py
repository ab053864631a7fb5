"""Causes of reason codes, with a remedy for each and whether a retry can help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode


@frozen
class Cause:
    """The cause behind a reason code."""

    retryable: bool
    """Whether the same request may succeed later without any other change."""
    remedy: str
    """What to do, in one line."""


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
            remedy="Allow the operator role to manage network interfaces, and Lambda to assume it.",
        ),
        NetworkConnectorStateReasonCode.INTERNAL_ERROR: Cause(
            retryable=True, remedy="Try again; if the error persists, contact AWS Support."
        ),
        NetworkConnectorStateReasonCode.INTERNET_GATEWAY_NOT_ATTACHED: Cause(
            retryable=False, remedy="Attach an internet gateway to the VPC."
        ),
        NetworkConnectorStateReasonCode.INVALID_SECURITY_GROUP: Cause(
            retryable=False, remedy="Use security groups that exist in the VPC of the subnets."
        ),
        NetworkConnectorStateReasonCode.INVALID_SUBNET: Cause(
            retryable=False, remedy="Use existing subnets of a single VPC."
        ),
        NetworkConnectorStateReasonCode.SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED: Cause(
            retryable=False,
            remedy="Use fewer security groups, or raise the quota per interface.",
        ),
        NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES: Cause(
            retryable=False, remedy="Free IP addresses in the subnets, or use larger subnets."
        ),
    }
)
"""The cause of each reason code that this version knows."""
