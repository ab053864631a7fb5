"""TLS certificates for servers on 127.0.0.1, issued in every test run."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache

import trustme


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def authority_pem() -> str:
    """Return the certificate of the authority that issues every server's certificate, in PEM."""
    return _authority().cert_pem.bytes().decode()


def server_context(name: str = "127.0.0.1", *, expired: bool = False) -> ssl.SSLContext:
    """Return a context for a server with this name or address."""
    end = datetime.now(UTC) - timedelta(days=1) if expired else None
    certificate = _authority().issue_cert(name, not_after=end)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with certificate.private_key_and_cert_chain_pem.tempfile() as path:
        context.load_cert_chain(path)
    return context


def trusting_context() -> ssl.SSLContext:
    """Return a context for a client that trusts the authority and no other."""
    return ssl.create_default_context(cadata=authority_pem())
