"""Who we are: where credentials come from."""

from __future__ import annotations

import os
from collections.abc import Mapping

from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.sigv4 import Credentials


class CredentialsSource:
    """Gives the credentials that sign the next request.

    Args:
        credentials: explicit ones; without them, those of the environment, read at first use.
        environ: the environment's variables; the process's own unless given.
    """

    def __init__(
        self, credentials: Credentials | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._credentials = credentials
        self._environ = os.environ if environ is None else environ

    def current(self) -> Credentials | None:
        """The credentials to sign with now, if they are at hand."""
        return self._credentials

    async def get(self) -> Credentials:
        """The credentials to sign with now.

        Raises:
            CredentialsError: there are none.
        """
        if self._credentials is None:
            self._credentials = from_environment(self._environ)
        return self._credentials


def from_environment(environ: Mapping[str, str]) -> Credentials:
    """Read credentials from the variables that all AWS tools read.

    Raises:
        CredentialsError: naming the variable that is missing.
    """
    access_key_id = environ.get("AWS_ACCESS_KEY_ID")
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY")
    if not access_key_id and not secret_access_key:
        raise CredentialsError(
            "no credentials: pass credentials=Credentials(...), or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if not access_key_id or not secret_access_key:
        missing = "AWS_SECRET_ACCESS_KEY" if access_key_id else "AWS_ACCESS_KEY_ID"
        raise CredentialsError(f"incomplete credentials: {missing} is not set")
    return Credentials(access_key_id, secret_access_key, environ.get("AWS_SESSION_TOKEN") or None)
