"""Endpoints follow the service's own rule set, and ARNs are parsed as AWS writes them."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import ConfigurationError
from lambdacore_async.protocol.endpoints import (
    PARTITIONS,
    Arn,
    Endpoint,
    parse_arn,
    partition_of,
    resolve,
)
from support import botocore_judge as judge
from support.generation import thorough
from support.vectors import Case, each_case

REGIONS = [
    *judge.regions(),
    # Unknown regions, in known and in unknown shapes.
    "eu-west-9",
    "us-gov-north-1",
    "cn-south-2",
    "us-isof-west-7",
    "xx-middle-1",
    "local",
    "a",
    "US-EAST-1",
    "us-east-1a",
]


@each_case("endpoint-tests-1.json", "testCases", lambda case: case["documentation"])
def test_the_official_cases_hold(case: Case) -> None:
    params = case.get("params", {})
    region, url = params.get("Region", ""), params.get("Endpoint")
    fips, dualstack = params.get("UseFIPS", False), params.get("UseDualStack", False)
    expected = case["expect"]
    if "endpoint" in expected:
        # A custom endpoint needs no region in the rules; here a signature always does.
        endpoint = resolve(
            region or "us-east-1", endpoint_url=url, use_fips=fips, use_dualstack=dualstack
        )
        assert endpoint.url == expected["endpoint"]["url"]
    else:
        with pytest.raises(ConfigurationError) as caught:
            resolve(region, endpoint_url=url, use_fips=fips, use_dualstack=dualstack)
        problem = expected["error"].removeprefix("Invalid Configuration: ")
        assert problem in str(caught.value) or problem == "Missing Region"


@pytest.mark.parametrize("region", [None, "us-east-1", "cn-north-1"])
@pytest.mark.parametrize("url", [None, "https://example.com"])
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dualstack", [False, True])
def test_options_are_combined_as_in_botocore(
    region: str | None, url: str | None, *, fips: bool, dualstack: bool
) -> None:
    """Compare like the official cases, which are not in every clone."""
    # A custom endpoint needs no region in the rules; here a signature always does.
    ours = region or ("us-east-1" if url else "")
    try:
        expected = judge.endpoint(region, use_fips=fips, use_dualstack=dualstack, custom=url)
    except judge.EndpointError as error:
        with pytest.raises(ConfigurationError) as caught:
            resolve(ours, endpoint_url=url, use_fips=fips, use_dualstack=dualstack)
        problem = str(error).removeprefix("Invalid Configuration: ")
        assert problem in str(caught.value) or (problem, ours) == ("Missing Region", "")
    else:
        found = resolve(ours, endpoint_url=url, use_fips=fips, use_dualstack=dualstack)
        assert found.url == expected


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("fips", [False, True])
@pytest.mark.parametrize("dualstack", [False, True])
def test_every_region_has_the_endpoint_that_botocore_finds(
    region: str, *, fips: bool, dualstack: bool
) -> None:
    url = judge.endpoint(region, use_fips=fips, use_dualstack=dualstack)

    endpoint = resolve(region, use_fips=fips, use_dualstack=dualstack)

    assert endpoint == Endpoint(url, url.removeprefix("https://"))


@thorough
@given(
    region=st.from_regex(r"[a-z]{2}(-(gov|iso[a-z]?))?-[a-z]{1,9}-[0-9]{1,2}", fullmatch=True)
    | st.from_regex(r"[a-zA-Z0-9-]{1,12}", fullmatch=True)
    | st.text(max_size=5)
)
def test_a_text_is_a_region_if_and_only_if_botocore_says_so(region: str) -> None:
    if judge.is_region(region):
        url = judge.endpoint(region, use_fips=False, use_dualstack=False)
        assert resolve(region).url == url
    else:
        with pytest.raises(ConfigurationError, match="is not a valid region name"):
            resolve(region)


def test_the_partitions_match_botocore() -> None:
    ours = [(p.id, p.regions, p.dns_suffix, p.dual_stack_dns_suffix) for p in PARTITIONS]

    theirs = [
        (
            partition["id"],
            # The patterns here end with \Z, and also match the pseudo-regions.
            partition["regionRegex"].strip("^$").replace("\\-", "-"),
            partition["outputs"]["dnsSuffix"],
            partition["outputs"]["dualStackDnsSuffix"],
        )
        for partition in judge.partitions()
    ]
    assert [(name, pattern.split("\\Z")[0], *rest) for name, pattern, *rest in ours] == theirs
    assert all(
        partition["outputs"]["supportsFIPS"] and partition["outputs"]["supportsDualStack"]
        for partition in judge.partitions()
    )


def test_each_region_is_in_the_partition_in_which_botocore_lists_it() -> None:
    for partition in judge.partitions():
        for region in partition["regions"]:
            assert partition_of(region).id == partition["id"]


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://example.com", Endpoint("https://example.com", "example.com")),
        ("https://example.com/", Endpoint("https://example.com", "example.com")),
        ("HTTPS://Example.COM", Endpoint("https://example.com", "example.com")),
        ("https://example.com:443", Endpoint("https://example.com", "example.com")),
        ("https://example.com:8443", Endpoint("https://example.com:8443", "example.com:8443")),
        ("https://example.com/a/b/", Endpoint("https://example.com", "example.com", "/a/b")),
        ("https://example.com/a b", Endpoint("https://example.com", "example.com", "/a%20b")),
        ("https://example.com/a%20b", Endpoint("https://example.com", "example.com", "/a%20b")),
        ("https://[2001:db8::1]", Endpoint("https://[2001:db8::1]", "[2001:db8::1]")),
        (
            "https://[2001:db8::1]:8443/x",
            Endpoint("https://[2001:db8::1]:8443", "[2001:db8::1]:8443", "/x"),
        ),
        ("http://localhost:4566", Endpoint("http://localhost:4566", "localhost:4566")),
        ("http://localhost:80", Endpoint("http://localhost", "localhost")),
        ("http://aws.localhost", Endpoint("http://aws.localhost", "aws.localhost")),
        ("http://127.0.0.1:8080", Endpoint("http://127.0.0.1:8080", "127.0.0.1:8080")),
        ("http://127.8.9.10", Endpoint("http://127.8.9.10", "127.8.9.10")),
        ("http://[::1]:8080", Endpoint("http://[::1]:8080", "[::1]:8080")),
    ],
)
def test_a_custom_endpoint_is_used_as_given(url: str, endpoint: Endpoint) -> None:
    assert resolve("us-east-1", endpoint_url=url) == endpoint


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "is not an http or https URL"),
        ("example.com", "is not an http or https URL"),
        ("//example.com", "is not an http or https URL"),
        ("ftp://example.com", "is not an http or https URL"),
        ("https://", "is not an http or https URL"),
        ("https:///path", "is not an http or https URL"),
        ("https://:8443", "is not an http or https URL"),
        ("https://example.com:x", "endpoint_url: "),
        ("https://example.com:99999", "endpoint_url: "),
        ("https://[::1", "endpoint_url: "),
        ("https://[nonsense]", "endpoint_url: "),
        ("https://user@example.com", "must not have a user, password, query or fragment"),
        ("https://user:secret@example.com", "must not have a user, password, query or fragment"),
        ("https://:secret@example.com", "must not have a user, password, query or fragment"),
        ("https://example.com?a=b", "must not have a user, password, query or fragment"),
        ("https://example.com#a", "must not have a user, password, query or fragment"),
        ("http://example.com", "use https, a loopback address, or allow_plain_http"),
        ("http://10.0.0.1", "use https, a loopback address, or allow_plain_http"),
        ("http://169.254.169.254", "use https, a loopback address, or allow_plain_http"),
        ("http://[2001:db8::1]", "use https, a loopback address, or allow_plain_http"),
        ("http://localhost.example.com", "use https, a loopback address, or allow_plain_http"),
        ("http://notlocalhost", "use https, a loopback address, or allow_plain_http"),
        ("https://exa mple.com", "has an invalid host name"),
        ("https://example.com\\@evil.example", "must not have a user, password, query or fragment"),
        ("https://example.com\\.evil.example", "has an invalid host name"),
        ("https://example.com%2f", "has an invalid host name"),
        ("https://exämple.com", "has an invalid host name"),
        ("https://ﷺ.example", "has an invalid host name"),
        ("http://user:secret/x@host", "is not a valid URL"),
        ("http://user:12345/x@secret", "would send credentials' signatures unencrypted"),
        ("http://user:secret", "is not a valid URL"),
        ("user:secret", "is not an http or https URL"),
        ("user:secret@host", "is not an http or https URL"),
        ("//user:secret@host", "must not have a user, password, query or fragment"),
        ("https:user:secret@host", "is not an http or https URL"),
        ("ftp://user:secret@host", "must not have a user, password, query or fragment"),
        ("https://user%3Asecret%40host", "has an invalid host name"),
        ("https://user:secret@[::1", "is not a valid URL"),
        ("https://user:secret@ho℀st", "is not a valid URL"),
        ("https://user:secret\\@host", "must not have a user, password, query or fragment"),
        ("https://host?secret", "must not have a user, password, query or fragment"),
        ("https://host#secret", "must not have a user, password, query or fragment"),
        ("https://user:secret\n@host", "unprintable characters"),
        ("https://user:secret\ud800@host", "unprintable characters"),
        ("https://\ud800", "unprintable characters"),
        ("https://example.com/\udfff", "unprintable characters"),
        ("https://example.com/\x1b[2J", "unprintable characters"),
        ("https://example.com/\u202e", "unprintable characters"),
        ("https://example.com\r\nX-Evil: 1", "unprintable characters"),
        ("https://exam\tple.com", "unprintable characters"),
        ("https://example.com\n", "unprintable characters"),
        (" https://example.com", "surrounding whitespace"),
        ("https://example.com ", "surrounding whitespace"),
        (f"https://{'a.' * 126}aa", "has an invalid host name"),
        (f"https://example.com/{'a' * 2048}", "is longer than 2048 characters"),
        (f"https://user:secret@{'a' * 2048}", "is longer than 2048 characters"),
        ("https://[fe80::1%25eth0]", "an IPv6 address with a zone"),
        ("http://[::1%lo]", "an IPv6 address with a zone"),
        ("https://[v1.a]", "endpoint_url: "),
        ("https://example.com/a//b", "has a path with an empty segment or one of dots"),
        ("https://example.com//a", "has a path with an empty segment or one of dots"),
        ("https://example.com/a/../b", "has a path with an empty segment or one of dots"),
        ("https://example.com/a/%2E", "has a path with an empty segment or one of dots"),
        ("https://example.com:0", "has port 0"),
        ("https://example.com:-1", "is not a valid URL"),
        ("https://example.com:65536", "is not a valid URL"),
        ("https://example.com:8443x", "is not a valid URL"),
    ],
)
def test_an_invalid_custom_endpoint_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match="^endpoint_url: ") as caught:
        resolve("us-east-1", endpoint_url=url)

    error = caught.value
    assert problem in str(error)
    assert "secret" not in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 300
    assert error.__context__ is None


@pytest.mark.parametrize("url", ["nowhere", "ftp://example.com", "http://example.com/a b"])
def test_a_refused_url_without_user_information_is_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^endpoint_url: '{url}' "):
        resolve("us-east-1", endpoint_url=url)


@thorough
@given(
    url=st.text(max_size=20)
    | st.from_regex(r"(https?|ftp)?:?(//)?.{0,9}@?.{0,9}:?.{0,5}/?.{0,9}", fullmatch=True)
)
def test_any_url_is_valid_or_refused_with_a_reason(url: str) -> None:
    try:
        endpoint = resolve("us-east-1", endpoint_url=url)
    except ConfigurationError as error:
        refused = str(error)
        assert (refused[:14], refused.isprintable()) == ("endpoint_url: ", True)
        return
    assert (endpoint.url + endpoint.host + endpoint.path).isascii()
    assert not set(endpoint.url + endpoint.host + endpoint.path) & set(" \r\n\t@?#")


class Place(str, Enum):  # noqa: UP042 - the point
    REGION = "eu-west-1"
    URL = "https://example.com/path"


def test_region_and_url_may_be_members_of_an_enum() -> None:
    assert resolve(Place.REGION).host == "lambda.eu-west-1.amazonaws.com"
    endpoint = resolve(Place.REGION, endpoint_url=Place.URL)
    assert endpoint == Endpoint("https://example.com", "example.com", "/path")


@pytest.mark.parametrize(
    "region",
    ["", " ", "us_east_1", "us-east-1.", "-us-east-1", "us-east-1-", "a" * 64, "a.b", "a/b",
     "us-east-1@evil.example", "us-east-1\n", "123", "ümlaut-1"],
)  # fmt: skip
@pytest.mark.parametrize("url", [None, "https://example.com"])
def test_a_text_that_is_not_a_host_label_is_not_a_region(region: str, url: str | None) -> None:
    with pytest.raises(ConfigurationError, match="^region: .* is not a valid region name"):
        resolve(region, endpoint_url=url)


# ARNs

_PART = st.text(st.characters(exclude_characters=":"))


@given(_PART, _PART, _PART, _PART, st.text())
def test_an_arn_has_six_parts_and_the_last_one_may_contain_colons(
    partition: str, service: str, region: str, account: str, resource: str
) -> None:
    text = f"arn:{partition}:{service}:{region}:{account}:{resource}"
    assert parse_arn(text) == Arn(partition, service, region, account, resource)


def test_resources_that_aws_manages_have_no_account_number() -> None:
    arn = parse_arn("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:EGRESS")
    assert arn == Arn(
        "aws", "lambda", "us-east-1", "aws", "network-connector:aws-network-connector:EGRESS"
    )


@pytest.mark.parametrize(
    "text", ["", "arn", "prod-egress", "arn:aws:lambda:us-east-1:1", "ARN:::::"]
)
def test_other_text_is_not_an_arn(text: str) -> None:
    assert parse_arn(text) is None
