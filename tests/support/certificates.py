"""A self-signed certificate for 127.0.0.1, made anew by each run: no key lies in the repository.

The standard library speaks TLS but makes no certificates, so this writes one: X.509 in DER, signed
by ECDSA on the curve P-256. It is for tests on the loopback interface and nothing else.
"""

from __future__ import annotations

import secrets
import ssl
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from attrs import frozen

# The curve, by its name in FIPS 186: y**2 = x**3 - 3x + b over the field of P.
_P: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G: Final = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_Point = tuple[int, int] | None

_ECDSA_SHA256: Final = bytes.fromhex("06082a8648ce3d040302")
_EC_PUBLIC_KEY: Final = bytes.fromhex("06072a8648ce3d0201")
_PRIME256V1: Final = bytes.fromhex("06082a8648ce3d030107")
_COMMON_NAME: Final = bytes.fromhex("0603550403")
_BASIC_CONSTRAINTS: Final = bytes.fromhex("0603551d13")
_KEY_USAGE: Final = bytes.fromhex("0603551d0f")
_KEY_ID: Final = bytes.fromhex("0603551d0e")
_ALT_NAME: Final = bytes.fromhex("0603551d11")

_INTEGER, _BITS, _OCTETS, _TEXT, _TIME, _SEQUENCE, _SET = 0x02, 0x03, 0x04, 0x0C, 0x18, 0x30, 0x31


@frozen
class Certificate:
    """A certificate and its key, in PEM."""

    certificate: str
    key: str


def _add(a: _Point, b: _Point) -> _Point:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % _P == 0:
        return None
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, _P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, _P)
    x = (slope * slope - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(factor: int, point: _Point) -> tuple[int, int]:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    assert total is not None
    return total


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _pem(label: str, der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", label)


@cache
def self_signed(*, expired: bool = False) -> Certificate:
    """The certificate of this run."""
    end = b"20200102000000Z" if expired else b"21200101000000Z"
    key = secrets.randbelow(_N - 1) + 1
    point = b"\x04" + b"".join(part.to_bytes(32, "big") for part in _times(key, _G))
    name = _der(_SEQUENCE, _der(_SET, _der(_SEQUENCE, _COMMON_NAME, _der(_TEXT, b"loopback"))))
    algorithm = _der(_SEQUENCE, _ECDSA_SHA256)
    true = bytes((0x01, 0x01, 0xFF))
    signs = bytes((_BITS, 0x02, 0x02, 0x84))  # messages and certificates
    key_id = _der(_OCTETS, sha256(point).digest()[:20])
    address = _der(0x87, bytes((127, 0, 0, 1)))
    extensions = _der(
        _SEQUENCE,
        _der(_SEQUENCE, _BASIC_CONSTRAINTS, true, _der(_OCTETS, _der(_SEQUENCE, true))),
        _der(_SEQUENCE, _KEY_USAGE, true, _der(_OCTETS, signs)),
        _der(_SEQUENCE, _KEY_ID, _der(_OCTETS, key_id)),
        _der(_SEQUENCE, _ALT_NAME, _der(_OCTETS, _der(_SEQUENCE, address))),
    )
    to_sign = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),
        _integer(secrets.randbits(63)),
        algorithm,
        name,
        _der(_SEQUENCE, _der(_TIME, b"20200101000000Z"), _der(_TIME, end)),
        name,
        _der(_SEQUENCE, _der(_SEQUENCE, _EC_PUBLIC_KEY, _PRIME256V1), _der(_BITS, b"\0" + point)),
        _der(0xA3, extensions),
    )
    nonce = secrets.randbelow(_N - 1) + 1
    r = _times(nonce, _G)[0] % _N
    digest = int.from_bytes(sha256(to_sign).digest(), "big")
    s = pow(nonce, -1, _N) * (digest + r * key) % _N
    signature = _der(_SEQUENCE, _integer(r), _integer(s))
    certificate = _der(_SEQUENCE, to_sign, algorithm, _der(_BITS, b"\0" + signature))
    private = _der(
        _SEQUENCE,
        _integer(1),
        _der(_OCTETS, key.to_bytes(32, "big")),
        _der(0xA0, _PRIME256V1),
        _der(0xA1, _der(_BITS, b"\0" + point)),
    )
    return Certificate(_pem("CERTIFICATE", certificate), _pem("EC PRIVATE KEY", private))


def server_context(*, expired: bool = False) -> ssl.SSLContext:
    """For a server that shows the certificate."""
    shown = self_signed(expired=expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:  # a context takes its key from a file only
        path = Path(folder) / "both.pem"
        path.write_text(shown.certificate + shown.key)
        context.load_cert_chain(path)
    return context


def trusting_context(*, expired: bool = False) -> ssl.SSLContext:
    """For a client that trusts the certificate, and no other."""
    context = ssl.create_default_context(cadata=self_signed(expired=expired).certificate)
    context.check_hostname = not expired
    return context
