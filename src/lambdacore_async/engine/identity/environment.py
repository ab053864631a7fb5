"""Credentials in the environment's variables."""

from __future__ import annotations

from collections.abc import Mapping

from lambdacore_async.engine.clock import parse_timestamp
from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.sigv4 import Credentials


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Return the credentials in the variables of the AWS tools, or `None` if no key is set.

    Raises:
        CredentialsError: if a variable is missing or invalid; the message names it.
    """
    try:
        return _from_environment(environ)
    except CredentialsError as error:
        problem = str(error)
    del environ  # it has the keys, and a traceback may show local variables
    raise CredentialsError(problem)


def _from_environment(environ: Mapping[str, str]) -> Credentials | None:
    access_key_id = environ.get("AWS_ACCESS_KEY_ID")
    if not access_key_id:
        return None
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY")
    if not secret_access_key:
        raise CredentialsError("incomplete credentials: AWS_SECRET_ACCESS_KEY is not set")
    token = environ.get("AWS_SECURITY_TOKEN") or environ.get("AWS_SESSION_TOKEN") or None
    text = environ.get("AWS_CREDENTIAL_EXPIRATION")
    try:
        expires_at = parse_timestamp(text) if text else None
    except ValueError:
        raise CredentialsError(
            f"AWS_CREDENTIAL_EXPIRATION: must be an ISO 8601 time, got {(text or '')[:40]!r}"
        ) from None
    try:
        return Credentials(access_key_id, secret_access_key, token, expires_at)
    except CredentialsError as error:
        part, _, problem = str(error).partition(": ")
        raise CredentialsError(f"AWS_{part.upper()}: {problem}") from None
