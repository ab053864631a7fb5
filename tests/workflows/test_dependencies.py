"""Checks with botocore's own clients, which parse and validate the stubbed answers."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

import pytest
from attrs import evolve

from lambdacore_async import Check, ClientOptions, Credentials, NetworkConnector, NetworkProtocol
from lambdacore_async.models.network_connectors import VpcEgressConfiguration
from lambdacore_async.models.remedies import OPERATOR_POLICY, OPERATOR_PRINCIPAL
from lambdacore_async.workflows import dependencies
from lambdacore_async.workflows.dependencies import botocore_clients, check_dependencies

_stub: Any = importlib.import_module("botocore.stub")
KEYS: Final = Credentials("AKIDEXAMPLE", "secret")
ARN: Final = "arn:aws:lambda:us-east-1:123456789012:network-connector:nc-1"
ROLE: Final = "arn:aws:iam::123456789012:role/service/operator"
CONNECTOR: Final = NetworkConnector(
    ARN,
    "prod",
    "nc-1",
    operator_role=ROLE,
    configuration=VpcEgressConfiguration(
        subnet_ids=("subnet-a", "subnet-b"),
        security_group_ids=("sg-a",),
        network_protocol=NetworkProtocol.IPV4,
    ),
)
#: A method of a client and its answer, or the code of its error.
Call = tuple[str, dict[str, Any] | str]


def check(connector: NetworkConnector, **calls: list[Call]) -> dict[str, Check]:
    """Return the checks by name; a client without stubbed calls refuses everything."""
    create = botocore_clients("us-east-1", KEYS, ClientOptions())
    stubs: dict[str, Any] = {}

    def stubbed(service: str) -> Any:
        if service not in stubs:
            client = stubs[service] = create(service)
            stub = _stub.Stubber(client)
            stub.activate()
            for method, answer in calls.get(service, []):
                if isinstance(answer, str):
                    stub.add_client_error(method, answer, "no")
                else:
                    stub.add_response(method, answer)
        return stubs[service]

    return {each.name: each for each in check_dependencies(connector, lambda: stubbed)}


def document(*statements: dict[str, Any]) -> str:
    """Return a policy as IAM sends it; botocore decodes it."""
    return quote(json.dumps({"Version": "2012-10-17", "Statement": [*statements]}))


def role(*statements: dict[str, Any]) -> Call:
    return "get_role", {
        "Role": {
            "Path": "/service/",
            "RoleName": "operator",
            "RoleId": "AROAEXAMPLEEXAMPLE",
            "Arn": ROLE,
            "CreateDate": datetime(2026, 11, 24, tzinfo=UTC),
            "AssumeRolePolicyDocument": document(*statements),
        }
    }


def trust(service: object, **more: object) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
        **more,
    }


def only_trust(*statements: dict[str, Any]) -> Check:
    connector = evolve(CONNECTOR, configuration=None)
    return check(connector, iam=[role(*statements)])["role trust"]


@pytest.mark.parametrize(
    ("statements", "status", "detail"),
    [
        ([trust(OPERATOR_PRINCIPAL)], "ok", "may assume"),
        ([trust(["lambda.amazonaws.com", OPERATOR_PRINCIPAL])], "ok", "may assume"),
        ([trust(OPERATOR_PRINCIPAL, Action=["sts:*"])], "ok", "may assume"),
        ([trust("lambda.amazonaws.com")], "unknown", "names lambda.amazonaws.com"),
        ([trust("ec2.amazonaws.com")], "wrong", "names ec2.amazonaws.com"),
        ([trust(OPERATOR_PRINCIPAL, Action="sts:TagSession")], "wrong", "no service"),
        ([trust(OPERATOR_PRINCIPAL, Effect="Deny")], "wrong", "no service"),
        ([trust("x", Principal="*")], "wrong", "no service"),
        ([trust("x", Principal={"AWS": "*"})], "wrong", "no service"),
        ([], "wrong", "no service"),
        (
            [
                trust(
                    OPERATOR_PRINCIPAL,
                    Condition={"StringEquals": {"aws:SourceAccount": "999999999999"}},
                )
            ],
            "wrong",
            "aws:SourceAccount must be 999999999999, is 123456789012",
        ),
        (
            [
                trust(
                    OPERATOR_PRINCIPAL,
                    Condition={
                        "StringEquals": {"aws:SourceAccount": ["123456789012"]},
                        "ArnLike": {"aws:SourceArn": "arn:*"},
                    },
                )
            ],
            "unknown",
            "on conditions",
        ),
    ],
)
def test_the_trust_policy_must_name_the_principal_without_a_condition_that_fails(
    statements: list[dict[str, Any]], status: str, detail: str
) -> None:
    found = only_trust(*statements)
    assert found.status == status
    assert detail in found.detail
    assert (found.next_step is None) == (status == "ok")


def permissions(*calls: Call) -> Check:
    connector = evolve(CONNECTOR, configuration=None)
    return check(connector, iam=[role(), *calls])["role permissions"]


def attached(*names: str) -> Call:
    policies = [
        {"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"} for name in names
    ]
    return "list_attached_role_policies", {"AttachedPolicies": policies, "IsTruncated": False}


def inline(*statements: dict[str, Any]) -> list[Call]:
    return [
        ("list_role_policies", {"PolicyNames": ["inline"], "IsTruncated": False}),
        (
            "get_role_policy",
            {
                "RoleName": "operator",
                "PolicyName": "inline",
                "PolicyDocument": document(*statements),
            },
        ),
    ]


def allow(*actions: str, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": [*actions], "Resource": "*"}


NEEDED: Final = ("ec2:CreateNetworkInterface", "ec2:CreateTags")


@pytest.mark.parametrize(
    ("statements", "status", "detail"),
    [
        ([allow(*NEEDED)], "ok", "policies allow"),
        ([allow("ec2:Create*")], "ok", "policies allow"),
        ([allow("EC2:*")], "ok", "policies allow"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "ok", "policies allow"),
        ([allow(NEEDED[0])], "wrong", "ec2:createtags"),
        ([], "wrong", "ec2:createnetworkinterface and ec2:createtags"),
        ([allow(*NEEDED), allow("ec2:*", effect="Deny")], "unknown", "denies"),
    ],
)
def test_the_role_must_be_allowed_to_create_and_tag_network_interfaces(
    statements: list[dict[str, Any]], status: str, detail: str
) -> None:
    found = permissions(attached(), *inline(*statements))
    assert (found.status, detail in found.detail) == (status, True)


def test_the_managed_policy_is_enough_and_attached_policies_are_read() -> None:
    assert permissions(attached(OPERATOR_POLICY)).detail == f"{OPERATOR_POLICY} is attached"
    found = permissions(
        attached("custom"),
        ("list_role_policies", {"PolicyNames": [], "IsTruncated": False}),
        ("get_policy", {"Policy": {"DefaultVersionId": "v3"}}),
        (
            "get_policy_version",
            {"PolicyVersion": {"Document": document(allow(*NEEDED))}},
        ),
    )
    assert found.status == "ok"


def subnet(identifier: str, *, vpc: str = "vpc-1", free: int = 9, ipv6: bool = False) -> Any:
    blocks = [{"Ipv6CidrBlock": "2001:db8::/64"}] if ipv6 else []
    return {
        "SubnetId": identifier,
        "VpcId": vpc,
        "AvailabilityZoneId": "use1-az1",
        "AvailableIpAddressCount": free,
        "Ipv6CidrBlockAssociationSet": blocks,
    }


def vpc_checks(
    *subnets: Any, group_vpc: str = "vpc-1", protocol: NetworkProtocol = NetworkProtocol.IPV4
) -> dict[str, Check]:
    assert isinstance(CONNECTOR.configuration, VpcEgressConfiguration)
    connector = evolve(
        CONNECTOR,
        operator_role=None,
        configuration=evolve(CONNECTOR.configuration, network_protocol=protocol),
    )
    groups = {"SecurityGroups": [{"GroupId": "sg-a", "VpcId": group_vpc}]}
    return check(
        connector,
        ec2=[("describe_subnets", {"Subnets": [*subnets]}), ("describe_security_groups", groups)],
    )


def test_subnets_and_groups_of_one_vpc_with_free_addresses_are_right() -> None:
    found = vpc_checks(subnet("subnet-a"), subnet("subnet-b"))
    assert [each.status for each in found.values()] == ["ok", "ok"]
    assert "subnet-a in use1-az1 of vpc-1, 9 free addresses" in found["subnets"].detail


def test_two_vpcs_no_addresses_and_no_ipv6_are_wrong() -> None:
    two = vpc_checks(subnet("subnet-a"), subnet("subnet-b", vpc="vpc-2"))
    assert "single VPC" in (two["subnets"].next_step or "")
    full = vpc_checks(subnet("subnet-a", free=0), group_vpc="vpc-2")
    assert "larger subnets" in (full["subnets"].next_step or "")
    assert full["security groups"].status == "wrong"
    dual = vpc_checks(subnet("subnet-a"), protocol=NetworkProtocol.DUAL_STACK)
    assert "IPv6" in (dual["subnets"].next_step or "")
    right = vpc_checks(subnet("subnet-a", ipv6=True), protocol=NetworkProtocol.DUAL_STACK)
    assert right["subnets"].status == "ok"


def test_a_check_without_permission_says_what_to_allow() -> None:
    found = check(
        CONNECTOR,
        iam=[("get_role", "AccessDenied"), ("list_attached_role_policies", "AccessDenied")],
        ec2=[
            ("describe_subnets", "InvalidSubnetID.NotFound"),
            ("describe_security_groups", "UnauthorizedOperation"),
        ],
    )
    assert [(name, each.status) for name, each in found.items()] == [
        ("role trust", "unknown"),
        ("role permissions", "unknown"),
        ("subnets", "wrong"),
        ("security groups", "unknown"),
    ]
    assert found["role trust"].next_step == "Allow iam:GetRole."
    assert "not checked" in found["security groups"].detail


def test_an_answer_that_cannot_be_read_is_unknown() -> None:
    found = check(CONNECTOR, ec2=[("describe_subnets", {})])
    assert {each.status for each in found.values()} == {"unknown"}


def test_a_policy_or_an_arn_of_another_form_is_no_defect() -> None:
    assert dependencies._statements("text", "Allow") == []
    connector = evolve(CONNECTOR, arn="arn:x", configuration=None)
    condition = {"StringEquals": {"aws:SourceAccount": "1"}}
    found = check(connector, iam=[role(trust(OPERATOR_PRINCIPAL, Condition=condition))])
    assert found["role trust"].status == "wrong"


def test_without_botocore_the_checks_say_how_to_install_it() -> None:
    def clients() -> Callable[[str], Any]:
        raise ImportError("no botocore")

    found = check_dependencies(CONNECTOR, clients)
    assert {each.status for each in found} == {"unknown"}
    assert "pip install" in (found[0].next_step or "")
