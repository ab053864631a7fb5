"""Signatures are those of AWS's test suites and of botocore's signer."""

from __future__ import annotations

import copy
import pickle
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum
from hashlib import sha256
from itertools import permutations
from typing import Any
from urllib.parse import quote

import pytest
from attrs import evolve, frozen
from aws_requests_auth.aws_auth import AWSRequestsAuth, getSignatureKey
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol import sigv4
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.sigv4 import (
    ALGORITHM,
    SERVICE,
    Credentials,
    Signer,
    canonical_path,
    canonical_query,
    canonical_request,
    credential_scope,
    sign,
    signature_of,
    signing_key,
    string_to_sign,
)
from support import botocore_judge as judge
from support.generation import as_arguments, calls, thorough
from support.leaks import assert_no_secret_in_frames
from support.vectors import Case, each_case, load_cases

TIME = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)
SIGNED_BY_US = ("host", "x-amz-date", "x-amz-security-token")


# AWS's vectors


def why_not(case: Case) -> str | None:
    """Return why a case does not apply to requests of this library; `None` if it applies."""
    names = [name.lower() for name, _ in case["headers"]]
    path = case["target"].partition("?")[0]
    if not case["normalize_path"]:
        return "the variant for S3, which leaves paths unchanged"
    if len(set(names)) < len(names):
        return "repeats a header; a Request has one value per name"
    if not case["target"].isascii() or " " in path:
        return "a target that is not encoded; targets of this library always are"
    if {"", ".", ".."} & set(path.split("/")[1:]) and path != "/":
        return "a path to normalize; empty labels and labels of dots are refused"
    return None


def test_the_vectors_left_out_cannot_occur_here() -> None:
    reasons = Counter(why_not(case) for case in load_cases("sigv4.json", "cases"))

    assert reasons == {
        None: 43,
        "a path to normalize; empty labels and labels of dots are refused": 12,
        "the variant for S3, which leaves paths unchanged": 7,
        "a target that is not encoded; targets of this library always are": 6,
        "repeats a header; a Request has one value per name": 4,
    }


@each_case(
    "sigv4.json",
    "cases",
    lambda case: f"{case['suite']}-{case['name']}",
    where=lambda case: why_not(case) is None,
)
def test_each_stage_of_signing_matches_the_vectors(case: Case) -> None:
    body = case["body"].encode()
    headers = {name.lower(): value for name, value in case["headers"]}
    host = headers["host"]
    for name in SIGNED_BY_US:
        headers.pop(name, None)
    if case["add_x_amz_content_sha256"]:
        headers["x-amz-content-sha256"] = sha256(body).hexdigest()
    keys = case["credentials"]
    # A token that is not to be signed counts as none.
    token = None if case["omit_session_token"] else keys.get("token")
    credentials = Credentials(keys["access_key_id"], keys["secret_access_key"], token)

    signed = sign(
        Request(case["method"], case["target"], headers, body),
        host=host,
        credentials=credentials,
        region=case["region"],
        service=case["service"],
        time=datetime.fromisoformat(case["timestamp"]),
    )

    expected, timestamp = case["header"], signed.headers["x-amz-date"]
    names = signed.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    canonical = canonical_request(signed, names)
    text = string_to_sign(canonical, timestamp, case["region"], case["service"])
    key = signing_key(credentials.secret_access_key, timestamp[:8], case["region"], case["service"])
    assert canonical == expected["canonical_request"]
    assert text == expected["string_to_sign"]
    assert signature_of(text, key) == expected["signature"]
    assert signed.headers["authorization"] == expected["authorization"]


# botocore's signer

_printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
_header_names = st.from_regex(r"x-[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
_header_values = st.text(st.sampled_from("aZ0 \t,;:=/+\"'~%"), max_size=20)
_times = st.datetimes(
    datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2199, 1, 1),  # noqa: DTZ001 - the same
    timezones=st.integers(-720, 720).map(lambda m: timezone(timedelta(minutes=m))),
)


@st.composite
def targets(draw: st.DrawFn) -> str:
    """Generate the target of a call of any operation."""
    name = draw(st.sampled_from(sorted(OPERATIONS)))
    return OPERATIONS[name].build_request(as_arguments(name, draw(calls(name)))).target


@thorough
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    target=targets(),
    headers=st.dictionaries(_header_names, _header_values, max_size=4),
    body=st.none() | st.binary(max_size=30),
    credentials=st.builds(Credentials, _printable, _printable, st.none() | _printable),
    region=st.sampled_from(["us-east-1", "cn-north-1", "eusc-de-east-1"]),
    service=st.sampled_from([SERVICE, "execute-api"]),
    host=st.sampled_from(["lambda.us-east-1.amazonaws.com", "localhost:8080", "[::1]:8443"]),
    time=_times,
)
def test_any_request_is_signed_as_botocore_signs_it(
    method: str,
    target: str,
    headers: dict[str, str],
    body: bytes | None,
    credentials: Credentials,
    region: str,
    service: str,
    host: str,
    time: datetime,
) -> None:
    ours = sign(
        Request(method, target, headers, body),
        host=host,
        credentials=credentials,
        region=region,
        service=service,
        time=time,
    )

    theirs = judge.sign(
        method,
        f"https://{host}{target}",
        headers,
        body,
        credentials=credentials,
        region=region,
        service=service,
        time=time.astimezone(UTC),
    )
    authorization = theirs.authorization
    assert ours.headers == {**theirs.signed, "authorization": authorization}
    assert (ours.method, ours.target, ours.body) == (method, target, body)


def test_the_service_defaults_to_lambdas_signing_name() -> None:
    signed = sign(
        Request("GET", "/"), host="h", credentials=judge.CREDENTIALS, region="eu-west-1", time=TIME
    )

    assert signed.headers["authorization"].startswith(
        f"{ALGORITHM} Credential=AKIDEXAMPLE/20261124/eu-west-1/lambda/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature="
    )
    assert credential_scope("20261124T010203Z", "r") == "20261124/r/lambda/aws4_request"


def test_signing_does_not_change_the_request() -> None:
    headers = {"content-type": "application/json"}
    request = Request("POST", "/x", headers, b"{}")

    signed = sign(request, host="h", credentials=judge.CREDENTIALS, region="r", time=TIME)

    assert request.headers == headers == {"content-type": "application/json"}
    assert set(signed.headers) == {"content-type", "host", "x-amz-date", "authorization"}


def test_a_request_can_be_signed_again() -> None:
    first = sign(
        Request("GET", "/x"), host="h", credentials=judge.CREDENTIALS, region="r", time=TIME
    )
    later = sign(
        Request("GET", "/x"),
        host="h",
        credentials=judge.TEMPORARY_CREDENTIALS,
        region="r",
        time=TIME + timedelta(days=1),
    )

    assert first.headers["authorization"] != later.headers["authorization"]
    assert later.headers["x-amz-security-token"] == "session+token/with=signs"


def test_unsigned_headers_are_added_but_not_covered() -> None:
    bare = sign(
        Request("GET", "/x"), host="h", credentials=judge.CREDENTIALS, region="r", time=TIME
    )
    signed = sign(
        Request("GET", "/x"),
        host="h",
        credentials=judge.CREDENTIALS,
        region="r",
        time=TIME,
        unsigned={"user-agent": "me", "amz-sdk-request": "attempt=1"},
    )

    assert signed.headers == {**bare.headers, "user-agent": "me", "amz-sdk-request": "attempt=1"}


# What a signer caches


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Record the day and region of every derived key."""
    seen: list[tuple[str, ...]] = []

    def spy(secret: str, day: str, region: str, service: str) -> bytes:
        seen.append((day, region))
        return signing_key(secret, day, region, service)

    monkeypatch.setattr(sigv4, "signing_key", spy)
    return seen


def signed_by(signer: Signer, credentials: Credentials, time: datetime, region: str = "r") -> str:
    request = Request("GET", "/x")
    signed = signer.sign(request, host="h", credentials=credentials, region=region, time=time)
    return signed.headers["authorization"]


def test_a_key_is_derived_once_a_day_and_region(derived: list[tuple[str, ...]]) -> None:
    signer = Signer()
    for hours in range(25):
        for region in ("us-east-1", "eu-west-1"):
            signed_by(signer, judge.CREDENTIALS, TIME + timedelta(hours=hours), region)
    assert derived == [
        (day, region) for day in ("20261124", "20261125") for region in ("us-east-1", "eu-west-1")
    ]


def test_only_the_latest_credentials_are_cached() -> None:
    signer = Signer()
    for credentials in (judge.CREDENTIALS, judge.TEMPORARY_CREDENTIALS):
        for seconds in range(100):
            signed_by(signer, credentials, TIME + timedelta(seconds=seconds))
    (common,) = signer._cache.values()
    assert common.credentials is judge.TEMPORARY_CREDENTIALS
    signer.forget()
    assert not signer._cache


def test_the_module_caches_nothing() -> None:
    assert not [name for name, value in vars(sigv4).items() if hasattr(value, "cache_info")]


_steps = st.tuples(
    st.sampled_from([judge.CREDENTIALS, judge.TEMPORARY_CREDENTIALS]),
    st.sampled_from(["us-east-1", "eu-west-1"]),
    st.sampled_from(["h", "other"]),
    st.sampled_from([0.0, 0.5, 1.0, 3600.0, 86400.0]),
)


@given(st.lists(_steps | st.none(), max_size=12))
def test_a_used_signer_signs_like_a_new_one(
    steps: list[tuple[Credentials, str, str, float] | None],
) -> None:
    signer = Signer()
    for step in steps:
        if step is None:
            signer.forget()
            continue
        credentials, region, host, seconds = step
        how: dict[str, Any] = {
            "host": host,
            "credentials": credentials,
            "region": region,
            "time": TIME + timedelta(seconds=seconds),
        }
        request = Request("GET", "/x")
        assert signer.sign(request, **how).headers == sign(request, **how).headers


def test_keys_of_different_secrets_are_different() -> None:
    assert signing_key("one", "20261124", "r") != signing_key("two", "20261124", "r")


def test_aws_requests_auth_derives_the_key() -> None:
    derived = getSignatureKey("secret", "20261124", "r", "lambda")

    assert signing_key("secret", "20261124", "r") == derived


# Paths and queries: as in aws-requests-auth where it is right, as in botocore elsewhere

_encoded = st.text(
    st.sampled_from("aZ09-._~") | st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]),
    max_size=8,
).map(lambda text: quote(text, safe=""))
_segments = _encoded.filter(lambda segment: segment not in ("", ".", ".."))
_keys = _encoded.filter(bool)
_pairs = _keys | st.tuples(_keys, _encoded).map("=".join)


@frozen
class Url:
    """The part of a request that aws-requests-auth reads."""

    url: str


#: Like AWS's vectors, which are not in every clone: method, target, headers, body.
LIKE_THE_VECTORS: dict[str, tuple[str, str, dict[str, str], bytes | None]] = {
    "vanilla": ("GET", "/", {}, None),
    "an empty query's key": ("GET", "/?Param1=value1", {}, None),
    "a query in the order of keys": ("GET", "/?Param2=value2&Param1=value1", {}, None),
    "a query in the order of values": ("GET", "/?Param1=value2&Param1=value1", {}, None),
    "keys in the order of bytes": ("GET", "/?b=1&B=2&a=3&A=4&%E1%88%B4=5&-=6", {}, None),
    "a key without a value": ("GET", "/?Param1&Param2=", {}, None),
    "unreserved signs": ("GET", "/-._~0123456789/?-._~0123456789=-._~ABCxyz", {}, None),
    "a path beyond ASCII": ("GET", "/%E1%88%B4", {}, None),
    "a space in a path": ("GET", "/example%20space/", {}, None),
    "a name in a path": ("GET", "/2026-04-04/network-connectors/arn%3Aaws%3Ax%2Fy", {}, None),
    "a header to trim": ("GET", "/", {"my-header1": " v ", "my-header2": ' "a   b   c" '}, None),
    "headers in the order of names": ("POST", "/", {"x-b": "2", "my-h": "v", "x-a": "1"}, None),
    "an empty body": ("POST", "/", {}, b""),
    "a form": ("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"a=b"),
    "a parameter of the content type": (
        "POST", "/", {"content-type": "application/json; charset=utf8"}, b'{"a": "\xe2\x98\x83"}',
    ),
}  # fmt: skip


@pytest.mark.parametrize("token", [None, "AQoDYXdzEPT//////////wEXAMPLE=="])
@pytest.mark.parametrize("case", LIKE_THE_VECTORS.values(), ids=LIKE_THE_VECTORS)
def test_each_stage_of_signing_matches_botocore(
    case: tuple[str, str, dict[str, str], bytes | None], token: str | None
) -> None:
    method, target, headers, body = case
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)

    signed = sign(
        Request(method, target, headers, body),
        host="example.amazonaws.com",
        credentials=credentials,
        region="us-east-1",
        service="service",
        time=TIME,
    )

    names = signed.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    canonical = canonical_request(signed, names)
    text = string_to_sign(canonical, signed.headers["x-amz-date"], "us-east-1", "service")
    signature = signed.headers["authorization"].rpartition("Signature=")[2]
    assert (canonical, text, signature) == judge.stages_of_signing(
        method,
        f"https://example.amazonaws.com{target}",
        headers,
        body,
        credentials=credentials,
        region="us-east-1",
        service="service",
        time=TIME,
    )


@thorough
@given(segments=st.lists(_segments, min_size=1, max_size=4), pairs=st.lists(_pairs, max_size=4))
def test_any_encoded_target_is_signed_as_botocore_signs_it(
    segments: list[str], pairs: list[str]
) -> None:
    target = f"/{'/'.join(segments)}?{'&'.join(pairs)}".removesuffix("?")

    ours = sign(
        Request("GET", target), host="h", credentials=judge.CREDENTIALS, region="r", time=TIME
    )

    theirs = judge.sign(
        "GET",
        f"https://h{target}",
        {},
        None,
        credentials=judge.CREDENTIALS,
        region="r",
        service=SERVICE,
        time=TIME,
    )
    assert ours.headers["authorization"] == theirs.authorization


@thorough
@given(
    path=st.lists(_encoded | st.text(st.sampled_from("a!$&'()*+,:=@[]|^\"`{}<>"), max_size=5)).map(
        lambda segments: "/" + "/".join(segments)
    )
)
def test_a_canonical_path_matches_aws_requests_auth(path: str) -> None:
    assert canonical_path(path) == AWSRequestsAuth.get_canonical_path(Url(f"https://h{path}"))


@thorough
@given(pairs=st.lists(_pairs | st.sampled_from(["", "=", "=v"]), max_size=4))
def test_a_canonical_query_matches_aws_requests_auth(pairs: list[str]) -> None:
    query = "&".join(pairs)
    keys = {pair.partition("=")[0] for pair in pairs} - {""}
    assume(not any(one != other and other.startswith(one) for one, other in permutations(keys, 2)))

    url = Url(f"https://h/?{query}")
    assert canonical_query(query) == AWSRequestsAuth.get_canonical_querystring(url)


def test_paths_and_queries_that_aws_requests_auth_gets_wrong_are_right_here() -> None:
    assert AWSRequestsAuth.get_canonical_path(Url("https://h/a;b")) == "/a"
    assert canonical_path("/a;b") == "/a%3Bb"
    assert AWSRequestsAuth.get_canonical_querystring(Url("https://h/?a=1&a1=2")) == "a1=2&a=1"
    assert canonical_query("a1=2&a=1") == "a=1&a1=2"


# Credentials


@pytest.mark.parametrize("part", ["access_key_id", "secret_access_key", "session_token"])
@pytest.mark.parametrize(
    "value",
    ["", " ", "hid den", "hidden\n", "\thidden", "hidden\x00", "hïdden", 7, b"hidden", ["x"]],
)
def test_a_part_that_no_header_can_carry_is_refused_unseen(part: str, value: Any) -> None:
    parts: dict[str, Any] = {"access_key_id": "id", "secret_access_key": "key", part: value}

    with pytest.raises(CredentialsError, match=f"^{part}: ") as caught:
        Credentials(**parts)

    assert "den" not in str(caught.value)
    assert "den" not in repr(caught.value).replace("Credentials", "")


@pytest.mark.parametrize("part", ["access_key_id", "secret_access_key"])
def test_both_parts_of_the_key_are_required(part: str) -> None:
    parts: dict[str, Any] = {"access_key_id": "id", "secret_access_key": "key", part: None}

    with pytest.raises(CredentialsError, match=f"^{part}: expected a string that is not empty"):
        Credentials(**parts)


class Text(str, Enum):  # noqa: UP042 - a StrEnum formats as its value
    """An enum whose members do not format as their values."""

    KEY = "AKIDEXAMPLE"
    SECRET = "the-secret-key"


def test_an_enum_member_signs_as_its_value() -> None:
    credentials = Credentials(Text.KEY, Text.SECRET, Text.KEY)
    assert credentials == Credentials("AKIDEXAMPLE", "the-secret-key", "AKIDEXAMPLE")
    assert "Credential=AKIDEXAMPLE/" in signed_by(Signer(), credentials, TIME)


class Nowhere(tzinfo):
    """A time zone without an offset."""

    def utcoffset(self, dt: datetime | None) -> None:
        return None

    dst = tzname = utcoffset


@pytest.mark.parametrize(
    "end",
    [
        datetime(2026, 11, 24, 12),  # noqa: DTZ001 - it is the point
        datetime.max,  # noqa: DTZ901 - the same
        datetime(2026, 11, 24, 12, tzinfo=Nowhere()),
        date(2026, 11, 24),
        "2026-11-24T12:00:00Z",
        1.8e9,
        True,
        timedelta(hours=1),
    ],
)
def test_an_expiry_without_a_time_zone_is_refused(end: Any) -> None:
    with pytest.raises(
        CredentialsError, match=r"^expires_at: (expected a datetime|has no time zone)"
    ):
        Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=end)


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=14))]
)
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_any_time_with_a_zone_is_a_valid_expiry(end: str, zone: timezone) -> None:
    time = datetime.fromisoformat(end).replace(tzinfo=zone)
    credentials = Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=time)
    assert credentials == pickle.loads(pickle.dumps(credentials))  # noqa: S301 - it was just made
    assert repr(credentials)
    assert hash(credentials) == hash(copy.copy(credentials))


def test_an_invalid_part_leaves_no_secret_in_a_local_variable() -> None:
    for parts in (("the-secret-key", "the-session token"), ("the-secret key", "the-session-token")):
        with pytest.raises(CredentialsError) as caught:
            Credentials("AKIDEXAMPLE", *parts)
        assert_no_secret_in_frames(caught.value, "the-secret", "the-session")


def test_a_part_of_credentials_can_be_replaced() -> None:
    changed = evolve(Credentials("AKIDEXAMPLE", "the-secret-key"), session_token="t")
    assert changed == Credentials("AKIDEXAMPLE", "the-secret-key", "t")


def test_no_repr_shows_a_secret() -> None:
    credentials = Credentials("AKID", "the-secret", "the-token", TIME)
    signed = sign(
        Request("POST", "/x", body=b"the-body"),
        host="h",
        credentials=credentials,
        region="r",
        time=TIME,
    )

    for shown in (repr(credentials), str(credentials), f"{credentials}", repr(signed)):
        assert "AKID" in shown or "/x" in shown
        assert not re.search("the-(secret|token|body)|Signature", shown)
