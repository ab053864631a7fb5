"""Checks of a connector's role, subnets and security groups, with clients of botocore."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from attrs import frozen

from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.identity.botocore_chain import open_session
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.models.remedies import (
    OPERATOR_POLICY,
    OPERATOR_PRINCIPAL,
    PERMISSIONS,
    TRUST,
)
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.protocol.reading import is_array, is_object
from lambdacore_async.protocol.sigv4 import Credentials

_ACTIONS: Final = ("ec2:createnetworkinterface", "ec2:createtags")
_MAX_DETAIL: Final = 500
#: The actions that each check needs.
_NEEDS: Final = {
    "role trust": "iam:GetRole",
    "role permissions": "iam:ListAttachedRolePolicies, iam:ListRolePolicies, iam:GetRolePolicy, "
    "iam:GetPolicy and iam:GetPolicyVersion",
    "subnets": "ec2:DescribeSubnets",
    "security groups": "ec2:DescribeSecurityGroups",
}
#: Prefixes of EC2's error codes for resources that do not exist.
_MISSING: Final = ("InvalidSubnetID", "InvalidGroup", "NoSuchEntity")


class CheckStatus(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@frozen
class Check:
    """One check of a diagnosis."""

    name: str
    """What was checked, such as `state` or `subnets`."""
    status: CheckStatus
    """`ok`, `wrong`, or `unknown` if the check failed or is inconclusive."""
    detail: str
    """The finding, or the reason why the check failed."""
    next_step: str | None = None
    """What to do or to look at next; `None` if nothing."""


ClientFactory = Callable[[str], Any]
"""Returns a botocore client of a service, such as `ec2`."""


def botocore_clients(
    region: str, credentials: Credentials, options: ClientOptions
) -> ClientFactory:
    """Return a factory of botocore clients. It blocks, as its clients do.

    Args:
        region: the region of the resources.
        credentials: the credentials to sign with.
        options: the options of the client, whose profile and trusted certificates apply.

    Raises:
        ImportError: if botocore is not installed.
    """
    session = open_session(options.profile or None, ca_bundle=options.ca_bundle)
    config: Any = importlib.import_module("botocore.config").Config(
        connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2}
    )

    def create(service: str) -> Any:
        return session.create_client(
            service,
            region_name=region,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=config,
        )

    return create


def check_dependencies(
    connector: NetworkConnector, clients: Callable[[], ClientFactory]
) -> tuple[Check, ...]:
    """Check a connector's role, subnets and security groups. It blocks.

    Args:
        connector: the connector.
        clients: returns a factory of botocore clients.
    """
    vpc = connector.configuration
    subnets = groups = None
    if isinstance(vpc, VpcEgressConfiguration):
        subnets, groups = vpc.subnet_ids, vpc.security_group_ids
    try:
        create = clients()
    except ImportError:
        install = "pip install 'lambdacore-async[botocore]'"
        return unchecked("botocore is not installed", f"Install it: {install}")
    vpc_ids = set[str]()
    found: list[Check] = []
    if connector.operator_role:
        role = connector.operator_role
        found.append(_run("role trust", lambda: _trust(create("iam"), role, connector.arn)))
        found.append(_run("role permissions", lambda: _permissions(create("iam"), role)))
    if subnets:
        protocol = vpc.network_protocol if isinstance(vpc, VpcEgressConfiguration) else None
        found.append(_run("subnets", lambda: _subnets(create("ec2"), subnets, protocol, vpc_ids)))
    if groups:
        found.append(_run("security groups", lambda: _groups(create("ec2"), groups, vpc_ids)))
    return tuple(found)


def unchecked(why: str, next_step: str | None = None) -> tuple[Check, ...]:
    """Return this module's checks as unknown, for one reason."""
    return tuple(Check(name, CheckStatus.UNKNOWN, why, next_step) for name in _NEEDS)


def _run(name: str, check: Callable[[], tuple[CheckStatus, str, str | None]]) -> Check:
    try:
        return Check(name, *check())
    except Exception as error:  # noqa: BLE001 - botocore raises errors of many kinds
        response: Any = getattr(error, "response", {})
        code = str(response.get("Error", {}).get("Code", "")) if response else ""
        detail = escaped(str(error), _MAX_DETAIL)
        if code.startswith(_MISSING):
            return Check(name, CheckStatus.WRONG, detail, "Use resources that exist in the region.")
        return Check(name, CheckStatus.UNKNOWN, f"not checked: {detail}", f"Allow {_NEEDS[name]}.")


def _trust(iam: Any, role: str, connector_arn: str) -> tuple[CheckStatus, str, str | None]:
    document: Any = iam.get_role(RoleName=_name_of(role))["Role"]["AssumeRolePolicyDocument"]
    services = set[str]()
    conditions: list[object] = []
    for statement in _statements(document, "Allow"):
        if not _has_action(statement, "sts:assumerole"):
            continue
        principal: Any = statement.get("Principal", {})
        named = set(_as_list(principal.get("Service")) if is_object(principal) else ())
        services |= named
        if OPERATOR_PRINCIPAL in named:
            conditions.append(statement.get("Condition"))
    if not conditions:
        trusted = ", ".join(sorted(services)) or "no service"
        # Some users report that connectors also work with Lambda's own principal.
        status = CheckStatus.UNKNOWN if "lambda.amazonaws.com" in services else CheckStatus.WRONG
        return status, f"the trust policy names {trusted}, not {OPERATOR_PRINCIPAL}", TRUST
    if None in conditions:
        return CheckStatus.OK, f"{OPERATOR_PRINCIPAL} may assume the role", None
    arn = parse_arn(connector_arn)
    account = "" if arn is None else arn.account
    for condition in conditions:
        accounts = _values_of(condition, "aws:sourceaccount")
        if accounts and account not in accounts:
            shown = ", ".join(sorted(accounts))
            return CheckStatus.WRONG, f"aws:SourceAccount must be {shown}, is {account}", TRUST
    return CheckStatus.UNKNOWN, f"{OPERATOR_PRINCIPAL} may assume the role on conditions", TRUST


def _permissions(iam: Any, role: str) -> tuple[CheckStatus, str, str | None]:
    name = _name_of(role)
    attached = list(_pages(iam, "list_attached_role_policies", "AttachedPolicies", name))
    if any(policy["PolicyName"] == OPERATOR_POLICY for policy in attached):
        return CheckStatus.OK, f"{OPERATOR_POLICY} is attached", None
    documents: list[Any] = [
        iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        for policy in _pages(iam, "list_role_policies", "PolicyNames", name)
    ]
    for policy in attached:
        arn = policy["PolicyArn"]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(
            iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        )
    allowed = [each for document in documents for each in _statements(document, "Allow")]
    denied = [each for document in documents for each in _statements(document, "Deny")]
    missing = [
        action for action in _ACTIONS if not any(_has_action(each, action) for each in allowed)
    ]
    if missing:
        return CheckStatus.WRONG, f"no policy allows {' and '.join(missing)}", PERMISSIONS
    if any(_has_action(each, action) for each in denied for action in _ACTIONS):
        return CheckStatus.UNKNOWN, "a policy denies some of the needed actions", PERMISSIONS
    return CheckStatus.OK, "policies allow ec2:CreateNetworkInterface and ec2:CreateTags", None


def _subnets(
    ec2: Any, ids: Iterable[str], protocol: object, vpc_ids: set[str]
) -> tuple[CheckStatus, str, str | None]:
    subnets: list[Any] = ec2.describe_subnets(SubnetIds=list(ids))["Subnets"]
    vpc_ids.update(subnet["VpcId"] for subnet in subnets)
    detail = "; ".join(
        f"{subnet['SubnetId']} in {subnet.get('AvailabilityZoneId', '?')} of {subnet['VpcId']}, "
        f"{subnet['AvailableIpAddressCount']} free addresses"
        for subnet in subnets
    )
    if len(vpc_ids) > 1:
        return CheckStatus.WRONG, detail, "Use subnets of a single VPC."
    if any(subnet["AvailableIpAddressCount"] == 0 for subnet in subnets):
        return CheckStatus.WRONG, detail, "Free addresses in the subnets, or use larger subnets."
    if protocol == NetworkProtocol.DUAL_STACK and not all(
        subnet.get("Ipv6CidrBlockAssociationSet") for subnet in subnets
    ):
        return CheckStatus.WRONG, detail, "Give each subnet an IPv6 CIDR block, or use IPv4."
    return CheckStatus.OK, detail, None


def _groups(ec2: Any, ids: Iterable[str], vpc_ids: set[str]) -> tuple[CheckStatus, str, str | None]:
    groups: list[Any] = ec2.describe_security_groups(GroupIds=list(ids))["SecurityGroups"]
    detail = "; ".join(f"{group['GroupId']} of {group['VpcId']}" for group in groups)
    if len(vpc_ids | {group["VpcId"] for group in groups}) > 1:
        return CheckStatus.WRONG, detail, "Use security groups of the VPC of the subnets."
    return CheckStatus.OK, detail, None


def _name_of(role: str) -> str:
    return role.rpartition("/")[2]


def _pages(iam: Any, operation: str, member: str, role: str) -> Iterator[Any]:
    for page in iam.get_paginator(operation).paginate(RoleName=role):
        yield from page[member]


def _statements(document: Any, effect: str) -> list[Mapping[str, Any]]:
    """Return the statements of a policy with an effect: `Allow` or `Deny`."""
    listed = _as_list(document.get("Statement")) if is_object(document) else []
    return [each for each in listed if is_object(each) and each.get("Effect") == effect]


def _has_action(statement: Mapping[str, Any], action: str) -> bool:
    """Return whether a statement covers an action, given in lower case."""
    if "NotAction" in statement:
        return not _matches(statement["NotAction"], action)
    return _matches(statement.get("Action"), action)


def _matches(patterns: Any, action: str) -> bool:
    return any(fnmatchcase(action, str(pattern).lower()) for pattern in _as_list(patterns))


def _values_of(condition: Any, key: str) -> set[str]:
    """Return the values that an equality condition requires of a key, given in lower case."""
    return {
        str(value)
        for operator, wanted in condition.items()
        if str(operator).lower().startswith("stringequals")
        for name, values in wanted.items()
        if str(name).lower() == key
        for value in _as_list(values)
    }


def _as_list(value: Any) -> list[Any]:
    """Return a value of a policy as a list; policies may omit the brackets around one value."""
    if value is None:
        return []
    return list(value) if is_array(value) else [value]
