"""AWS Signature Version 4: signs a request for given credentials, region and time.

aws-requests-auth derives the signing keys. Unlike that library, this module signs every header of
a request, takes the time as an argument, derives a key once a day, and normalizes paths and
queries that the library gets wrong. A `Signer` holds the derived keys; the module holds none.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from attrs import field, frozen

from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.messages import Request

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "lambda"
#: Characters of a correctly encoded path.
_PATH: Final = f"{ascii_letters}{digits}/-_.~%".encode()


@frozen(init=False)
class Credentials:
    """AWS credentials; no `repr` shows their secrets.

    Raises:
        CredentialsError: if a part is empty or has a character that an HTTP header cannot carry,
            or if `expires_at` is not a `datetime` with a time zone.
    """

    access_key_id: str
    """The public part of the key."""
    secret_access_key: str = field(repr=False)
    """The secret part of the key."""
    session_token: str | None = field(default=None, repr=False)
    """The token of temporary credentials; `None` for permanent ones."""
    expires_at: datetime | None = None
    """When temporary credentials expire, with a time zone; `None` if they never do."""

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str,
        session_token: str | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        for name, value in (
            ("access_key_id", access_key_id),
            ("secret_access_key", secret_access_key),
            ("session_token", session_token),
            ("expires_at", expires_at),
        ):
            # Members of `class Name(str, Enum)` are text too, but formatted by their name.
            object.__setattr__(self, name, str.__str__(value) if isinstance(value, str) else value)
        problem = self._problem()
        if problem is not None:
            del secret_access_key, session_token  # a traceback may show local variables
            raise CredentialsError(problem)

    def _problem(self) -> str | None:
        """Describe the first invalid part without its value; `None` if all parts are valid."""
        for name in ("access_key_id", "secret_access_key", "session_token"):
            value: object = getattr(self, name)
            if value is None and name == "session_token":
                continue
            if not isinstance(value, str) or not value:
                return f"{name}: expected a string that is not empty"
            if not (value.isascii() and value.isprintable()) or " " in value:
                return f"{name}: has whitespace or characters other than printable ASCII"
        end: object = self.expires_at
        if end is not None and not isinstance(end, datetime):
            return f"expires_at: expected a datetime, got {type(end).__name__}"
        if end is not None and end.utcoffset() is None:
            return "expires_at: has no time zone; use datetime.now(UTC), not datetime.utcnow()"
        return None


class Signer:
    """Signs requests, and caches what all signatures of one second share.

    The cache has an entry per host, region and service, for the latest credentials only. An entry
    holds the signing key of one day.
    """

    def __init__(self) -> None:
        self._cache: dict[tuple[str, str, str], _Common] = {}

    def sign(
        self,
        request: Request,
        *,
        host: str,
        credentials: Credentials,
        region: str,
        time: datetime,
        service: str = SERVICE,
        unsigned: Mapping[str, str] = MappingProxyType({}),
    ) -> Request:
        """Return the request with the headers that authenticate it.

        The signature covers every header of the request.

        Args:
            request: the request to sign; its target is signed unchanged.
            host: the value of the `Host` header.
            credentials: the credentials to sign with.
            region: the region of the credential scope.
            time: the time of the signature, with a time zone.
            service: the signing name of the credential scope. Defaults to Lambda's.
            unsigned: headers to add that the signature does not cover, names in lower case.
        """
        place = (host, region, service)
        seconds = time.timestamp() // 1
        common = self._cache.get(place)
        if common is None or common.seconds != seconds or common.credentials is not credentials:
            common = _common(credentials, host, region, service, seconds, common)
            self._cache[place] = common
        headers = {**request.headers, **common.headers}
        names, rest = common.names, common.rest
        if request.headers or request.body:
            names = ";".join(sorted(headers))
            rest = _canonical_rest(headers, names, request.body)
        digest = sha256(_canonical_start(request).encode() + rest).hexdigest()
        mac = common.mac.copy()
        mac.update(digest.encode())
        headers["authorization"] = f"{common.authorization}{names}, Signature={mac.hexdigest()}"
        headers.update(unsigned)
        return Request(request.method, request.target, headers, request.body, request.max_response)

    def forget(self) -> None:
        """Drop everything derived from credentials."""
        self._cache.clear()


def sign(
    request: Request,
    *,
    host: str,
    credentials: Credentials,
    region: str,
    time: datetime,
    service: str = SERVICE,
    unsigned: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    """Sign one request without a cache; see `Signer.sign`."""
    return Signer().sign(
        request,
        host=host,
        credentials=credentials,
        region=region,
        time=time,
        service=service,
        unsigned=unsigned,
    )


@frozen(eq=False, repr=False)
class _Common:
    """The parts that all signatures of one second share.

    Attributes:
        credentials: the credentials that sign.
        seconds: the second, since 1970.
        day: the day that the key is for, as `YYYYMMDD`.
        headers: the headers added to every request.
        names: the names of these headers, sorted and joined by semicolons.
        rest: the canonical request after the target, for a request without headers and body.
        key: the signing key.
        mac: the signature of the string to sign so far; only the digest at its end is missing.
        authorization: the `Authorization` header up to the names of the signed headers.
    """

    credentials: Credentials
    seconds: float
    day: str
    headers: Mapping[str, str]
    names: str
    rest: bytes
    key: bytes
    mac: hmac.HMAC
    authorization: str


def _common(
    credentials: Credentials,
    host: str,
    region: str,
    service: str,
    seconds: float,
    last: _Common | None,
) -> _Common:
    timestamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ")
    day = timestamp[:8]
    headers = {"host": host, "x-amz-date": timestamp}
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token
    names = ";".join(sorted(headers))
    scope = credential_scope(timestamp, region, service)
    if last is not None and last.day == day and last.credentials is credentials:
        key = last.key
    else:
        key = signing_key(credentials.secret_access_key, day, region, service)
    return _Common(
        credentials,
        seconds,
        day,
        headers,
        names,
        _canonical_rest(headers, names, None),
        key,
        hmac.new(key, _string_to_sign(timestamp, scope, digest="").encode(), sha256),
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders=",
    )


def canonical_request(request: Request, signed_headers: str) -> str:
    """Return the canonical form of a request, which client and service compute alike.

    Args:
        request: the request, with all headers that are signed.
        signed_headers: the names of these headers, sorted and joined by semicolons.
    """
    rest = _canonical_rest(request.headers, signed_headers, request.body)
    return _canonical_start(request) + rest.decode()


def _canonical_start(request: Request) -> str:
    path, _, query = request.target.partition("?")
    query = canonical_query(query) if query else ""
    return f"{request.method}\n{canonical_path(path)}\n{query}\n"


def _canonical_rest(headers: Mapping[str, str], names: str, body: bytes | None) -> bytes:
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";")]
    return f"{''.join(lines)}\n{names}\n{sha256(body or b'').hexdigest()}".encode()


def canonical_path(path: str) -> str:
    """Encode a path once more, percent signs included."""
    if path.encode().translate(None, _PATH):  # never true of this API's own paths
        return quote(path, safe="/-_.~")
    return path.replace("%", "%25")


def canonical_query(query: str) -> str:
    """Sort an encoded query by its keys, and give each key an equals sign."""
    pairs = sorted(pair.partition("=") for pair in query.split("&"))
    return "&".join([f"{key}={value}" for key, _, value in pairs if key])


def credential_scope(timestamp: str, region: str, service: str = SERVICE) -> str:
    """Return the scope of a signature: a day, a region and a service."""
    return f"{timestamp[:8]}/{region}/{service}/aws4_request"


def string_to_sign(canonical: str, timestamp: str, region: str, service: str = SERVICE) -> str:
    """Return the text to sign: timestamp, scope and the digest of a canonical request."""
    scope = credential_scope(timestamp, region, service)
    return _string_to_sign(timestamp, scope, sha256(canonical.encode()).hexdigest())


def _string_to_sign(timestamp: str, scope: str, digest: str) -> str:
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


def signature_of(text: str, key: bytes) -> str:
    """Return the signature of a string to sign, in hexadecimal digits."""
    return hmac.digest(key, text.encode(), "sha256").hex()


def signing_key(secret: str, day: str, region: str, service: str = SERVICE) -> bytes:
    """Derive the key of one day (`YYYYMMDD`), region and service."""
    # Not at the top: it imports requests, and code that never signs starts faster without it.
    from aws_requests_auth.aws_auth import getSignatureKey

    return getSignatureKey(secret, day, region, service)
