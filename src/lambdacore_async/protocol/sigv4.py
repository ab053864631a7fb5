"""AWS Signature Version 4: signs a request for given credentials, region and time.

aws-requests-auth derives the keys. Around it, this module goes further than that library: it signs
every header that the request carries, takes the time as an argument, derives a key once a day, and
puts paths and queries in order that the library does not. Keys are cached in a `Signer`, so that
they live no longer than the one that signs.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from string import ascii_letters, digits
from types import CodeType, FunctionType, MappingProxyType
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from attrs import field, frozen

from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.messages import Request

_KeyDerivation: TypeAlias = Callable[[str, str, str, str], bytes]

ALGORITHM: Final = "AWS4-HMAC-SHA256"
SERVICE: Final = "lambda"
_BLANK: Final = sha256()
#: What stands in a path that is encoded as it should be.
_PATH: Final = f"{ascii_letters}{digits}/-_.~%".encode()


@frozen(init=False)
class Credentials:
    """AWS credentials.

    Attributes:
        access_key_id: the public half.
        secret_access_key: the secret half; in no repr.
        session_token: goes with temporary credentials; in no repr.
        expires_at: when temporary credentials end, with a time zone; `None` for those that last.

    Raises:
        CredentialsError: a part is empty, or has a character that no HTTP header can carry; or the
            end is no time with a time zone.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

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
        """Say what is wrong with a part, without showing it."""
        for name in ("access_key_id", "secret_access_key", "session_token"):
            value: object = getattr(self, name)
            if value is None and name == "session_token":
                continue
            if not isinstance(value, str) or not value:
                return f"{name}: must be text that is not empty"
            if not (value.isascii() and value.isprintable()) or " " in value:
                return f"{name}: has white space or a character beyond ASCII"
        end: object = self.expires_at
        if end is not None and not isinstance(end, datetime):
            return f"expires_at: must be a datetime, is of type {type(end).__name__}"
        if end is not None and end.utcoffset() is None:
            return "expires_at: has no time zone; use datetime.now(UTC), not datetime.utcnow()"
        return None


class Signer:
    """Signs requests, and caches what the signatures of one second have in common.

    The cache has an entry for each host, region and service, of the latest credentials only.
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
        """Give the request with the headers that authenticate it.

        Every header that the request carries is signed.

        Args:
            request: what to sign; its target is signed as it stands.
            host: the value of the `Host` header.
            credentials: who signs.
            region: the region of the credential scope.
            time: when, with a time zone.
            service: the signing name of the credential scope.
            unsigned: headers to add that stay out of the signature, names in lower case.
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
        digest = _sha256(_canonical_start(request).encode(), rest)
        signature = common.key.sign(common.text + digest)
        headers["authorization"] = f"{common.authorization}{names}, Signature={signature}"
        headers.update(unsigned)
        return Request(request.method, request.target, headers, request.body, request.max_response)

    def forget(self) -> None:
        """Drop all that was derived from credentials."""
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
    """Sign a single request; nothing is cached. See `Signer.sign`."""
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
    """What the signatures of one second have in common; without a body, all but the target's part.

    Attributes:
        credentials: who signs.
        seconds: the second, since 1970.
        day: the day that the key is for.
        headers: those that every request gets.
        names: of these headers, as a signature has them.
        rest: of the canonical request, what follows the target.
        text: the string to sign, but for the digest.
        key: what signs it.
        authorization: the header, up to the names.
    """

    credentials: Credentials
    seconds: float
    day: str
    headers: Mapping[str, str]
    names: str
    rest: bytes
    text: str
    key: SigningKey
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
        _string_to_sign(timestamp, scope, digest=""),
        key,
        f"{ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders=",
    )


def canonical_request(request: Request, signed_headers: str) -> str:
    """The form of a request that both sides agree on.

    Args:
        request: its headers include all that are signed.
        signed_headers: their names, sorted, joined by semicolons.
    """
    rest = _canonical_rest(request.headers, signed_headers, request.body)
    return _canonical_start(request) + rest.decode()


def _canonical_start(request: Request) -> str:
    path, _, query = request.target.partition("?")
    query = canonical_query(query) if query else ""
    return f"{request.method}\n{canonical_path(path)}\n{query}\n"


def _canonical_rest(headers: Mapping[str, str], names: str, body: bytes | None) -> bytes:
    lines = [f"{name}:{' '.join(headers[name].split())}\n" for name in names.split(";")]
    return f"{''.join(lines)}\n{names}\n{_sha256(body or b'')}".encode()


def canonical_path(path: str) -> str:
    """A path, encoded once more: its percent signs too, and what it should not have as it is."""
    if path.encode().translate(None, _PATH):  # in no path of this API's own
        return quote(path, safe="/-_.~")
    return path.replace("%", "%25")


def canonical_query(query: str) -> str:
    """An encoded query, in the order of its keys, each with an equals sign."""
    pairs = sorted(pair.partition("=") for pair in query.split("&"))
    return "&".join([f"{key}={value}" for key, _, value in pairs if key])


def credential_scope(timestamp: str, region: str, service: str = SERVICE) -> str:
    """What a signature is good for: a day, a region and a service."""
    return f"{timestamp[:8]}/{region}/{service}/aws4_request"


def string_to_sign(canonical: str, timestamp: str, region: str, service: str = SERVICE) -> str:
    """What is signed: the canonical request's digest, and when and for what it is good."""
    scope = credential_scope(timestamp, region, service)
    return _string_to_sign(timestamp, scope, _sha256(canonical.encode()))


def _string_to_sign(timestamp: str, scope: str, digest: str) -> str:
    return f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"


def _sha256(*data: bytes) -> str:
    """The digest in hexadecimal digits. OpenSSL copies a hash sooner than it makes one."""
    digest = _BLANK.copy()
    for part in data:
        digest.update(part)
    return digest.hexdigest()


class SigningKey:
    """A key of HMAC-SHA-256, with the inner and outer hash states precomputed (RFC 2104).

    Args:
        key: at most 64 bytes.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, text: str) -> str:
        """The signature of a string to sign, in hexadecimal digits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.hexdigest()


def signing_key(secret: str, day: str, region: str, service: str = SERVICE) -> SigningKey:
    """The key of one day (`YYYYMMDD`), region and service."""
    return SigningKey(_key_derivation()(secret, day, region, service))


@cache
def _key_derivation() -> _KeyDerivation:
    """aws-requests-auth's `getSignatureKey`; without the rest of its module, if that can be had.

    The module imports requests, for which there is no other use here, and which takes a sixth of
    the time from the start of Python to the first answer. What the function needs is `sign` beside
    it and the standard library. So both are taken from the module's compiled code as it is
    installed, and its body is not run.
    """
    name = "aws_requests_auth.aws_auth"
    spec = find_spec(name)
    if spec is not None and isinstance(spec.loader, SourceFileLoader):
        code = spec.loader.get_code(name)
        functions: dict[str, Any] = {"hmac": hmac, "hashlib": hashlib}
        for part in code.co_consts if code is not None else ():
            if isinstance(part, CodeType) and part.co_name in ("sign", "getSignatureKey"):
                functions[part.co_name] = FunctionType(part, functions)
        if "getSignatureKey" in functions:
            derive: _KeyDerivation = functions["getSignatureKey"]
            return derive
    # Where modules are no files, in an executable made of a program for instance.
    from aws_requests_auth.aws_auth import getSignatureKey

    return getSignatureKey
