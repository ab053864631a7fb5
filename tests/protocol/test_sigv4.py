"""Signatures are those of AWS's test suites and of botocore's signer."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from enum import Enum
from hashlib import sha256
from importlib.machinery import ModuleSpec, SourceFileLoader
from itertools import permutations
from types import CodeType
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
    """Why a case says nothing about requests that this library can make."""
    names = [name.lower() for name, _ in case["headers"]]
    path = case["target"].partition("?")[0]
    if not case["normalize_path"]:
        return "the variant of S3, which leaves paths as they are"
    if len(set(names)) < len(names):
        return "repeats a header; a Request has one value for each"
    if not case["target"].isascii() or " " in path:
        return "a target that is not encoded; ours always are"
    if {"", ".", ".."} & set(path.split("/")[1:]) and path != "/":
        return "a path to be folded; labels of dots are refused, empty ones too"
    return None


def test_the_vectors_left_out_are_of_kinds_that_cannot_arise() -> None:
    reasons = Counter(why_not(case) for case in load_cases("sigv4.json", "cases"))

    assert reasons == {
        None: 43,
        "a path to be folded; labels of dots are refused, empty ones too": 12,
        "the variant of S3, which leaves paths as they are": 7,
        "a target that is not encoded; ours always are": 6,
        "repeats a header; a Request has one value for each": 4,
    }


@each_case(
    "sigv4.json",
    "cases",
    lambda case: f"{case['suite']}-{case['name']}",
    where=lambda case: why_not(case) is None,
)
def test_each_stage_of_signing_is_as_in_the_vectors(case: Case) -> None:
    body = case["body"].encode()
    headers = {name.lower(): value for name, value in case["headers"]}
    host = headers["host"]
    for name in SIGNED_BY_US:
        headers.pop(name, None)
    if case["add_x_amz_content_sha256"]:
        headers["x-amz-content-sha256"] = sha256(body).hexdigest()
    keys = case["credentials"]
    # Where the token is not to be signed, the signature is that of credentials without one.
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
    assert key.sign(text) == expected["signature"]
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
    """The target of some call of some operation."""
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


def test_the_default_is_the_services_signing_name() -> None:
    signed = sign(
        Request("GET", "/"), host="h", credentials=judge.CREDENTIALS, region="eu-west-1", time=TIME
    )

    assert signed.headers["authorization"].startswith(
        f"{ALGORITHM} Credential=AKIDEXAMPLE/20261124/eu-west-1/lambda/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature="
    )
    assert credential_scope("20261124T010203Z", "r") == "20261124/r/lambda/aws4_request"


def test_the_request_to_be_signed_is_left_as_it_was() -> None:
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


def test_headers_can_be_added_that_the_signature_does_not_cover() -> None:
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
    """Day and region of every key that is derived."""
    seen: list[tuple[str, ...]] = []

    def spy(secret: str, day: str, region: str, service: str) -> sigv4.SigningKey:
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


def test_nothing_but_the_latest_credentials_is_cached() -> None:
    signer = Signer()
    for credentials in (judge.CREDENTIALS, judge.TEMPORARY_CREDENTIALS):
        for seconds in range(100):
            signed_by(signer, credentials, TIME + timedelta(seconds=seconds))
    (common,) = signer._cache.values()
    assert common.credentials is judge.TEMPORARY_CREDENTIALS
    signer.forget()
    assert not signer._cache


def test_no_cache_of_the_module_outlives_a_signer() -> None:
    caches = {name for name, value in vars(sigv4).items() if hasattr(value, "cache_info")}
    assert caches == {"_key_derivation"}  # a function, and no key


_steps = st.tuples(
    st.sampled_from([judge.CREDENTIALS, judge.TEMPORARY_CREDENTIALS]),
    st.sampled_from(["us-east-1", "eu-west-1"]),
    st.sampled_from(["h", "other"]),
    st.sampled_from([0.0, 0.5, 1.0, 3600.0, 86400.0]),
)


@given(st.lists(_steps | st.none(), max_size=12))
def test_a_signer_signs_as_one_that_has_signed_nothing_yet(
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
    signatures = {signing_key(secret, "20261124", "r").sign("text") for secret in ("one", "two")}

    assert len(signatures) == 2


def test_the_key_is_the_one_that_aws_requests_auth_derives() -> None:
    derive = sigv4._key_derivation()

    assert derive("secret", "20261124", "r", "lambda") == getSignatureKey(
        "secret", "20261124", "r", "lambda"
    )
    assert getattr(derive, "__code__") == getattr(getSignatureKey, "__code__")  # noqa: B009


def test_signing_does_not_import_requests() -> None:
    """It would take a sixth of the time from the start of Python to the first answer."""
    program = (
        "import sys; from lambdacore_async.protocol.sigv4 import signing_key; "
        "signing_key('secret', '20261124', 'r'); assert 'requests' not in sys.modules"
    )
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([sys.executable, "-c", program], check=True, env=paths)  # noqa: S603 - ours


class _Loader(SourceFileLoader):
    """Loads a module of this text; `None` is for one without code."""

    def __init__(self, text: str | None) -> None:
        super().__init__("library", "nowhere")
        self._text = text

    def get_code(self, fullname: str) -> CodeType | None:
        return None if self._text is None else compile(self._text, fullname, "exec")


@pytest.mark.parametrize(
    "spec",
    [
        None,
        ModuleSpec("library", None),
        ModuleSpec("library", _Loader(None)),
        ModuleSpec("library", _Loader("def sign(): ...")),
    ],
)
def test_where_the_function_is_not_found_by_itself_the_whole_library_is_imported(
    spec: ModuleSpec | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(_: str) -> ModuleSpec | None:
        return spec

    monkeypatch.setattr(sigv4, "find_spec", find)

    assert sigv4._key_derivation.__wrapped__() is getSignatureKey


# Paths and queries: as aws-requests-auth puts them where it is right, as botocore does elsewhere

_encoded = st.text(
    st.sampled_from("aZ09-._~") | st.characters(max_codepoint=0x2FFF, exclude_categories=["Cs"]),
    max_size=8,
).map(lambda text: quote(text, safe=""))
_segments = _encoded.filter(lambda segment: segment not in ("", ".", ".."))
_keys = _encoded.filter(bool)
_pairs = _keys | st.tuples(_keys, _encoded).map("=".join)


@frozen
class Url:
    """What aws-requests-auth reads of a request."""

    url: str


#: Requests as those of AWS's vectors, which are not everywhere: method, target, headers, body.
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
def test_each_stage_of_signing_is_as_botocore_has_it(
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
def test_a_path_is_put_as_aws_requests_auth_puts_it(path: str) -> None:
    assert canonical_path(path) == AWSRequestsAuth.get_canonical_path(Url(f"https://h{path}"))


@thorough
@given(pairs=st.lists(_pairs | st.sampled_from(["", "=", "=v"]), max_size=4))
def test_a_query_is_put_as_aws_requests_auth_puts_it(pairs: list[str]) -> None:
    query = "&".join(pairs)
    keys = {pair.partition("=")[0] for pair in pairs} - {""}
    assume(not any(one != other and other.startswith(one) for one, other in permutations(keys, 2)))

    url = Url(f"https://h/?{query}")
    assert canonical_query(query) == AWSRequestsAuth.get_canonical_querystring(url)


def test_where_aws_requests_auth_is_wrong_we_are_not() -> None:
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
def test_what_no_header_can_carry_is_refused_without_showing_it(part: str, value: Any) -> None:
    parts: dict[str, Any] = {"access_key_id": "id", "secret_access_key": "key", part: value}

    with pytest.raises(CredentialsError, match=f"^{part}: ") as caught:
        Credentials(**parts)

    assert "den" not in str(caught.value)
    assert "den" not in repr(caught.value).replace("Credentials", "")


@pytest.mark.parametrize("part", ["access_key_id", "secret_access_key"])
def test_both_halves_are_needed(part: str) -> None:
    parts: dict[str, Any] = {"access_key_id": "id", "secret_access_key": "key", part: None}

    with pytest.raises(CredentialsError, match=f"^{part}: must be text that is not empty"):
        Credentials(**parts)


class Text(str, Enum):  # noqa: UP042 - a StrEnum formats as its value
    """Text whose format is another."""

    KEY = "AKIDEXAMPLE"
    SECRET = "the-secret-key"


def test_text_of_an_enum_signs_as_its_value() -> None:
    credentials = Credentials(Text.KEY, Text.SECRET, Text.KEY)
    assert credentials == Credentials("AKIDEXAMPLE", "the-secret-key", "AKIDEXAMPLE")
    assert "Credential=AKIDEXAMPLE/" in signed_by(Signer(), credentials, TIME)


class Nowhere(tzinfo):
    """A zone that does not know how far from UTC it is."""

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
def test_an_end_that_is_no_time_with_a_zone_is_refused(end: Any) -> None:
    with pytest.raises(
        CredentialsError, match=r"^expires_at: (must be a datetime|has no time zone)"
    ):
        Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=end)


@pytest.mark.parametrize(
    "zone", [UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=14))]
)
@pytest.mark.parametrize("end", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"])
def test_any_time_with_a_zone_is_an_end(end: str, zone: timezone) -> None:
    time = datetime.fromisoformat(end).replace(tzinfo=zone)
    credentials = Credentials("AKIDEXAMPLE", "the-secret-key", expires_at=time)
    assert credentials == pickle.loads(pickle.dumps(credentials))  # noqa: S301 - it was just made
    assert repr(credentials)
    assert hash(credentials) == hash(copy.copy(credentials))


def test_a_refusal_leaves_no_secret_in_a_local_variable() -> None:
    for parts in (("the-secret-key", "the-session token"), ("the-secret key", "the-session-token")):
        with pytest.raises(CredentialsError) as caught:
            Credentials("AKIDEXAMPLE", *parts)
        assert_no_secret_in_frames(caught.value, "the-secret", "the-session")


def test_credentials_can_be_changed_in_a_part() -> None:
    changed = evolve(Credentials("AKIDEXAMPLE", "the-secret-key"), session_token="t")
    assert changed == Credentials("AKIDEXAMPLE", "the-secret-key", "t")


def test_no_secret_shows() -> None:
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
