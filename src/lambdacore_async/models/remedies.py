"""Remedies for the service's errors, found by the error's code and text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from lambdacore_async.errors import ApiError, LambdaCoreError

#: The principal that an operator role must trust, and AWS's managed policy for the role.
OPERATOR_PRINCIPAL: Final = "network-connectors.lambda.amazonaws.com"
OPERATOR_POLICY: Final = "AWSLambdaNetworkConnectorOperatorPolicy"

TRUST: Final = (
    "Check the operator role's trust policy: it must allow sts:AssumeRole to the service principal "
    f"{OPERATOR_PRINCIPAL}, and its conditions, such as aws:SourceAccount, must hold. IAM takes up "
    "to two minutes to propagate a new role."
)
PERMISSIONS: Final = (
    "Check the operator role's permissions: ec2:CreateNetworkInterface and ec2:CreateTags, as in "
    f"the managed policy {OPERATOR_POLICY}, without a boundary or an organisation's policy that "
    "denies them. IAM takes up to two minutes to propagate a new policy."
)
#: The number of characters of an error's text that the patterns see. Some of them take time that
#: grows with the square of the length, and a hostile server may send a long text.
_MAX_MESSAGE: Final = 1000

SLOW: Final = (
    "Creation takes about three minutes, and up to ten. After that, look at state_reason, and "
    "run `lambdacore doctor` with the connector's name."
)


@frozen
class Remedy:
    """What to do about errors that match a code, a text and an operation."""

    text: str
    """What to check or to do."""
    message: str = ""
    """A regular expression to find in the service's text, ignoring case."""
    codes: tuple[str, ...] = ()
    """The error codes; empty for any code."""
    operation: str = ""
    """A regular expression to find in the operation's name."""

    def fits(self, error: ApiError) -> bool:
        """Return whether this is a remedy for the error."""
        return (
            (not self.codes or error.code in self.codes)
            and re.search(self.operation, error.operation or "") is not None
            and re.search(self.message, error.message[:_MAX_MESSAGE], re.IGNORECASE | re.DOTALL)
            is not None
        )


_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_CONFLICT: Final = ("ResourceConflictException",)
_NOT_FOUND: Final = ("ResourceNotFoundException",)

REMEDIES: Final[tuple[Remedy, ...]] = (
    Remedy(
        "The endpoint is in another region than the one that the request was signed for. Pass the "
        "endpoint's region.",
        "scoped to a valid region",
        ("InvalidSignatureException",),
    ),
    Remedy(TRUST, "unable to assume|cannot be assumed"),
    Remedy(
        PERMISSIONS,
        "invalid (NetworkConnector|Connector)OperatorRole permissions"
        "|unauthorized operation while calling EC2",
    ),
    Remedy(
        "Pass operator_role: the service requires it to create a connector, although its model "
        "says that it is optional.",
        "OperatorRole( is required|.*(must not be null|cannot be null))",
    ),
    Remedy(
        "Allow lambda:PassNetworkConnector on the connector's ARN to the identity that starts the "
        "compute resource; for Web Functions, on the version-qualified ARN (ARN:VERSION).",
        "lambda:PassNetworkConnector",
        _DENIED,
    ),
    Remedy(
        "Allow iam:PassRole on the operator role to the identity that makes the call.",
        "iam:PassRole",
        _DENIED,
    ),
    Remedy(
        "Use subnets in other availability zones. The supported zones differ by region "
        "and account: compare zone IDs such as use1-az1, not names.",
        "availability zone",
    ),
    Remedy(
        "Use subnets and security groups of a single VPC, which exist in the connector's region.",
        "(subnet|security ?group).*\\bVPCs?\\b|\\bVPCs?\\b.*(subnet|security ?group)",
    ),
    Remedy(
        "For DualStack, each subnet needs an IPv6 CIDR block; or use IPv4.",
        "dual.?stack|IPv6",
    ),
    Remedy(
        "A connector cannot be updated while MicroVMs use it or while another update runs. Stop "
        "the MicroVMs, or create a connector with another name and move them.",
        codes=_CONFLICT,
        operation="^UpdateNetworkConnector$",
    ),
    Remedy(
        "A connector cannot be deleted during its creation or update, nor a version in use. "
        "Wait and delete it again, or call delete_network_connector_and_wait.",
        codes=_CONFLICT,
        operation="^DeleteNetworkConnector$",
    ),
    Remedy(
        "Pass the connector's name, ID or ARN in the right account and region. An ARN ends with "
        "the ID, so a connector that was created again has another ARN; only an ARN can have a "
        "version (ARN:VERSION).",
        codes=_NOT_FOUND,
        operation="NetworkConnector",
    ),
)
"""The remedies; the first one that fits an error applies."""


def remedy_of(error: LambdaCoreError) -> str | None:
    """Return what to do about an error of the service; `None` if nothing is known."""
    if not isinstance(error, ApiError):
        return None
    return next((remedy.text for remedy in REMEDIES if remedy.fits(error)), None)


def remedy_of_reason(reason: str | None) -> str | None:
    """Return what to do about the reason of a state, in the service's words."""
    return None if reason is None else remedy_of(ApiError(reason, code="StateReason"))


def add_note(error: LambdaCoreError, note: str | None) -> None:
    """Add a note to an error, once."""
    if note is not None and note not in notes_of(error):
        error.add_note(note)


def notes_of(error: LambdaCoreError) -> Iterable[str]:
    """Return the notes of an error."""
    return getattr(error, "__notes__", ())
