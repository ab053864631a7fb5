"""Verifies the signatures of requests as AWS does; pure functions.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from lambdacore_async.errors import ApiError
from lambdacore_async.local.errors import unmodelled
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.sigv4 import (
    ALGORITHM,
    SERVICE,
    Credentials,
    canonical_request,
    signature_of,
    signing_key,
    string_to_sign,
)

#: Maximum difference between the time of a request and the time of the service.
TOLERANCE: Final = timedelta(minutes=5)

_TIMESTAMP: Final = "%Y%m%dT%H%M%SZ"
_PARTS: Final = ("Credential", "SignedHeaders", "Signature")
_SCOPE_PARTS: Final = 5
#: Headers that must be signed if they are sent. Intermediaries add others, which need no signature.
_TO_BE_SIGNED: Final = re.compile(r"host|content-type|x-amz-.*|x-amzn-.*")
_ADDED_ON_THE_WAY: Final = "x-amzn-trace-id"
#: Targets with one interpretation. Other characters would make a signed target ambiguous.
_TARGET: Final = re.compile(r"/[^;?#\x00-\x20\x7f-\U0010ffff]*(\?[^#\x00-\x20\x7f-\U0010ffff]*)?")


@frozen
class _Authorization:
    """The parsed `Authorization` header."""

    access_key_id: str
    day: str
    region: str
    service: str
    terminator: str
    signed_headers: str
    signature: str


def authenticate(
    request: Request, *, credentials: Mapping[str, Credentials], region: str, now: datetime
) -> None:
    """Check that a request is signed with known credentials, for this service and time.

    Args:
        request: the request as received, with header names in lower case.
        credentials: the known credentials, by access key ID.
        region: the region of the service.
        now: the time of the service, as an aware `datetime`.

    Raises:
        ApiError: if the check fails, with status 403 and the code that AWS uses.
    """
    authorization = _parse(request.headers)
    timestamp = request.headers.get("x-amz-date")
    if timestamp is None:
        raise _refused(
            "IncompleteSignatureException",
            "Authorization header requires existence of a 'X-Amz-Date' header.",
        )
    known = credentials.get(authorization.access_key_id)
    if known is None:
        raise _unrecognized()
    _check_session(request, known, now)
    _check_scope(authorization, timestamp, region)
    _check_time(timestamp, now)
    _check_signed_headers(request, authorization.signed_headers)
    if not hmac.compare_digest(
        _expected_signature(request, authorization, timestamp, known),
        authorization.signature.encode(errors="replace"),
    ):
        raise _mismatch()


def _parse(headers: Mapping[str, str]) -> _Authorization:
    header = headers.get("authorization")
    if header is None:
        raise _refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise _refused("IncompleteSignatureException", f"Unsupported AWS 'algorithm': {algorithm}")
    pairs = (part.strip().partition("=") for part in rest.split(","))
    parts = {key: value for key, _, value in pairs if value}
    missing = [f"Authorization header requires '{p}' parameter." for p in _PARTS if p not in parts]
    if missing:
        raise _refused("IncompleteSignatureException", " ".join(missing))
    scope = parts["Credential"].split("/")
    if len(scope) != _SCOPE_PARTS:
        raise _refused(
            "IncompleteSignatureException",
            "Credential must have exactly 5 slash-delimited elements, "
            "e.g. keyid/date/region/service/term",
        )
    key_id, day, region, service, end = scope
    return _Authorization(
        key_id, day, region, service, end, parts["SignedHeaders"], parts["Signature"]
    )


def _check_session(request: Request, known: Credentials, now: datetime) -> None:
    given = request.headers.get("x-amz-security-token", "").encode(errors="replace")
    if not hmac.compare_digest(given, (known.session_token or "").encode()):
        raise _unrecognized()
    if known.expires_at is not None and now >= known.expires_at:
        raise _refused(
            "ExpiredTokenException", "The security token included in the request is expired"
        )


def _check_scope(authorization: _Authorization, timestamp: str, region: str) -> None:
    problems: list[str] = []
    if authorization.region != region:
        problems.append(
            f"Credential should be scoped to a valid region, not '{authorization.region}'."
        )
    if authorization.service != SERVICE:
        problems.append(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if authorization.terminator != "aws4_request":
        problems.append("Credential should be scoped with a valid terminator: 'aws4_request'.")
    if authorization.day != timestamp[:8]:
        problems.append(
            "Date in Credential scope does not match YYYYMMDD "
            "from ISO-8601 version of date from HTTP."
        )
    if problems:
        raise _refused("InvalidSignatureException", " ".join(problems))


def _check_time(timestamp: str, now: datetime) -> None:
    try:
        time = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
    except ValueError:
        raise _refused(
            "IncompleteSignatureException", "Date must be in ISO-8601 'basic format'."
        ) from None
    now = now.astimezone(UTC)
    earliest, latest = now - TOLERANCE, now + TOLERANCE
    if time < earliest:
        raise _refused(
            "InvalidSignatureException",
            f"Signature expired: {timestamp} is now earlier than {earliest:{_TIMESTAMP}} "
            f"({now:{_TIMESTAMP}} - 5 min.)",
        )
    if time > latest:
        raise _refused(
            "InvalidSignatureException",
            f"Signature not yet current: {timestamp} is still later than {latest:{_TIMESTAMP}} "
            f"({now:{_TIMESTAMP}} + 5 min.)",
        )


def _check_signed_headers(request: Request, signed_headers: str) -> None:
    signed = set(signed_headers.split(";"))
    sent = {name for name in request.headers if _TO_BE_SIGNED.fullmatch(name)}
    unsigned = sorted((sent | {"host"}) - signed - {_ADDED_ON_THE_WAY})
    if unsigned:
        names = ", ".join(f"'{name}'" for name in unsigned)
        raise _refused(
            "InvalidSignatureException",
            f"{names} must be a 'SignedHeader' in the AWS Authorization.",
        )
    if not signed <= request.headers.keys() or not _TARGET.fullmatch(request.target):
        raise _mismatch()


def _expected_signature(
    request: Request, authorization: _Authorization, timestamp: str, known: Credentials
) -> bytes:
    region, service = authorization.region, authorization.service
    try:
        canonical = canonical_request(request, authorization.signed_headers)
        text = string_to_sign(canonical, timestamp, region, service)
    except UnicodeEncodeError:  # a header has bytes that no encoding decodes
        raise _mismatch() from None
    key = signing_key(known.secret_access_key, authorization.day, region, service)
    return signature_of(text, key).encode()


def _refused(code: str, message: str) -> ApiError:
    return unmodelled(code, message, status_code=403)


def _unrecognized() -> ApiError:
    return _refused(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    )


def _mismatch() -> ApiError:
    return _refused(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details.",
    )
