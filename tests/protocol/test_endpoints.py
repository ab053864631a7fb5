"""Endpoints are those of the service's own rule set."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import ConfigurationError
from lambdacore_async.protocol.endpoints import PARTITIONS, Endpoint, partition_of, resolve
from support import botocore_judge as judge
from support.generation import thorough
from support.vectors import Case, each_case

REGIONS = [
    *judge.regions(),
    # Regions that nobody has heard of yet, in known and in unknown shapes.
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
def test_what_goes_together_is_what_goes_together_for_botocore(
    region: str | None, url: str | None, *, fips: bool, dualstack: bool
) -> None:
    """As in the official cases, which are not everywhere."""
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
def test_any_text_is_a_region_just_where_botocore_says_so(region: str) -> None:
    if judge.is_region(region):
        url = judge.endpoint(region, use_fips=False, use_dualstack=False)
        assert resolve(region).url == url
    else:
        with pytest.raises(ConfigurationError, match="is not a valid region name"):
            resolve(region)


def test_the_partitions_are_those_of_botocore() -> None:
    ours = [(p.id, p.regions, p.dns_suffix, p.dual_stack_dns_suffix) for p in PARTITIONS]

    theirs = [
        (
            partition["id"],
            # Ours end the match by \Z, and hold the pseudo-regions beside the pattern.
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


def test_each_region_that_botocore_lists_is_in_the_partition_that_lists_it() -> None:
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
        ("https://user@example.com", "only a scheme, host, port and path"),
        ("https://user:secret@example.com", "only a scheme, host, port and path"),
        ("https://:secret@example.com", "only a scheme, host, port and path"),
        ("https://example.com?a=b", "only a scheme, host, port and path"),
        ("https://example.com#a", "only a scheme, host, port and path"),
        ("http://example.com", "plain http is for loopback addresses"),
        ("http://10.0.0.1", "plain http is for loopback addresses"),
        ("http://169.254.169.254", "plain http is for loopback addresses"),
        ("http://[2001:db8::1]", "plain http is for loopback addresses"),
        ("http://localhost.example.com", "plain http is for loopback addresses"),
        ("http://notlocalhost", "plain http is for loopback addresses"),
        ("https://exa mple.com", "is not a valid host name"),
        ("https://example.com\\@evil.example", "only a scheme, host, port and path"),
        ("https://example.com\\.evil.example", "is not a valid host name"),
        ("https://example.com%2f", "is not a valid host name"),
        ("https://exämple.com", "is not a valid host name"),
        ("https://ﷺ.example", "is not a valid host name"),
        ("http://user:secret/x@host", "is not a valid URL"),
        ("http://user:12345/x@secret", "would send credentials' signatures unencrypted"),
        ("http://user:secret", "is not a valid URL"),
        ("user:secret", "is not an http or https URL"),
        ("user:secret@host", "is not an http or https URL"),
        ("//user:secret@host", "only a scheme, host, port and path"),
        ("https:user:secret@host", "is not an http or https URL"),
        ("ftp://user:secret@host", "only a scheme, host, port and path"),
        ("https://user%3Asecret%40host", "is not a valid host name"),
        ("https://user:secret@[::1", "is not a valid URL"),
        ("https://user:secret@ho℀st", "is not a valid URL"),
        ("https://user:secret\\@host", "only a scheme, host, port and path"),
        ("https://host?secret", "only a scheme, host, port and path"),
        ("https://host#secret", "only a scheme, host, port and path"),
        ("https://user:secret\n@host", "cannot be printed"),
        ("https://user:secret\ud800@host", "cannot be printed"),
        ("https://\ud800", "cannot be printed"),
        ("https://example.com/\udfff", "cannot be printed"),
        ("https://example.com/\x1b[2J", "cannot be printed"),
        ("https://example.com/\u202e", "cannot be printed"),
        ("https://example.com\r\nX-Evil: 1", "cannot be printed"),
        ("https://exam\tple.com", "cannot be printed"),
        ("https://example.com\n", "cannot be printed"),
        (" https://example.com", "white space around it"),
        ("https://example.com ", "white space around it"),
        (f"https://{'a.' * 126}aa", "is not a valid host name"),
        (f"https://example.com/{'a' * 2048}", "is longer than 2048 characters"),
        (f"https://user:secret@{'a' * 2048}", "is longer than 2048 characters"),
        ("https://[fe80::1%25eth0]", "an IPv6 address with a zone"),
        ("http://[::1%lo]", "an IPv6 address with a zone"),
        ("https://[v1.a]", "endpoint_url: "),
        ("https://example.com:0", "has port 0"),
        ("https://example.com:-1", "is not a valid URL"),
        ("https://example.com:65536", "is not a valid URL"),
        ("https://example.com:8443x", "is not a valid URL"),
    ],
)
def test_an_unusable_custom_endpoint_is_refused(url: str, problem: str) -> None:
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
def test_any_url_is_usable_or_refused_in_words(url: str) -> None:
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
def test_what_is_no_host_label_is_no_region(region: str, url: str | None) -> None:
    with pytest.raises(ConfigurationError, match="^region: .* is not a valid region name"):
        resolve(region, endpoint_url=url)
