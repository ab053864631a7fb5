"""Credentials in a profile's sections of the shared `credentials` and `config` files."""

from __future__ import annotations

from lambdacore_async.engine.profiles import Profile
from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.sigv4 import Credentials


def from_file(profile: Profile, file: str) -> Credentials | None:
    """Return the credentials in a profile's section of one file, or `None` if it has no key.

    Args:
        profile: the profile.
        file: `credentials` or `config`.

    Raises:
        CredentialsError: if a key is missing or invalid.
    """
    key = profile.in_file(file, "aws_access_key_id")
    if key is None:
        return None
    where = f"profile {profile.name!r} in the {file} file"
    if profile.in_file(file, "aws_secret_access_key") is None:
        raise CredentialsError(f"incomplete credentials: {where} has no aws_secret_access_key")
    try:
        return Credentials(
            key,
            profile.in_file(file, "aws_secret_access_key") or "",
            profile.in_file(file, "aws_security_token")
            or profile.in_file(file, "aws_session_token"),
        )
    except CredentialsError as error:
        part, _, problem = str(error).partition(": ")
    raise CredentialsError(f"aws_{part} of {where}: {problem}")
