"""Where credentials come from: what callers pass, and what the AWS CLI would find on this machine.

Keys in variables, files and metadata services are read here. Whatever takes more, such as roles to
assume, web identities, SSO, login sessions and processes, goes through botocore's own chain.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias

from lambdacore_async.engine import profiles
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.refresh import CredentialsProvider
from lambdacore_async.engine.profiles import Profile, Setting
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.errors import CredentialsError, ParameterError
from lambdacore_async.protocol.sigv4 import Credentials

#: Settings for which a profile needs botocore, looked for before keys in the files and after.
_BEFORE_KEYS: Final = ("role_arn", "web_identity_token_file", "sso_account_id", "sso_role_name")
_AFTER_KEYS: Final = ("login_session", "credential_process")


class RequestsAuth(Protocol):
    """An object of aws-requests-auth, such as `AWSRequestsAuth`, for its keys."""

    @property
    def aws_access_key(self) -> str | None: ...  # noqa: D102 - the library's own names
    @property
    def aws_secret_access_key(self) -> str | None: ...  # noqa: D102
    @property
    def aws_token(self) -> str | None: ...  # noqa: D102


CredentialsLike: TypeAlias = Credentials | CredentialsProvider | RequestsAuth


def as_provider(credentials: CredentialsLike) -> Credentials | CredentialsProvider:
    """Say in two ways what callers may say in many.

    Args:
        credentials: fixed ones, an async provider, or an object of aws-requests-auth. One of
            those that finds its keys through botocore gives them anew whenever they are due.

    Raises:
        ParameterError: it is none of these.
        CredentialsError: the keys cannot be used.
    """
    if isinstance(credentials, Credentials):
        return credentials
    of_botocore: Any = getattr(credentials, "_refreshable_credentials", None)
    if of_botocore is not None:
        return lambda: asyncio.to_thread(_frozen, of_botocore)
    key = getattr(credentials, "aws_access_key", None)
    secret = getattr(credentials, "aws_secret_access_key", None)
    if isinstance(key, str) and isinstance(secret, str):
        return Credentials(key, secret, getattr(credentials, "aws_token", None) or None)
    if inspect.iscoroutinefunction(credentials) or inspect.iscoroutinefunction(
        getattr(credentials, "__call__", None)  # noqa: B004 - it is looked at, not called
    ):
        return credentials  # type: ignore[return-value] # what else is a coroutine function
    raise ParameterError(
        "credentials",
        "expected Credentials, an async function that returns some, or an AWSRequestsAuth; "
        f"got {type(credentials).__name__}",
    )


class DefaultChain:
    """Finds credentials as the AWS CLI does, anew at each refresh; the first that are found count.

    Args:
        environ: the environment's variables.
        connect: opens a transport to a metadata service.
        clock: waits between attempts to ask one.
        profile: one that the caller named; then the keys in the environment do not count.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        connect: Callable[[], Transport],
        clock: Clock,
        profile: str | None = None,
    ) -> None:
        self._environ = environ
        self._connect = connect
        self._clock = clock
        self._profile = profile

    async def __call__(self) -> Credentials:
        """Look everywhere, in order.

        Raises:
            CredentialsError: there are none, or those that are found first cannot be used.
            ConfigurationError: a file cannot be read, or the profile is not there.
        """
        if self._profile is None and (found := from_environment(self._environ)) is not None:
            return found
        profile = await asyncio.to_thread(profiles.load, self._environ, self._profile)
        web_identity = self._profile is None and self._environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
        if web_identity or profile.has(_BEFORE_KEYS):
            return await self._from_botocore(profile)
        if (found := _from_section(profile.credentials, "credentials")) is not None:
            return found
        if profile.has(_AFTER_KEYS):
            return await self._from_botocore(profile)
        if (found := _from_section(profile.config, "config")) is not None:
            return found
        from lambdacore_async.engine.identity.metadata import (
            Metadata,
        )  # only where there are no keys

        metadata = Metadata(self._environ, self._connect, self._clock)
        if (found := await metadata.container()) is not None:
            return found
        try:
            return await metadata.instance(profile)
        except CredentialsError as error:
            raise CredentialsError(
                "no credentials: pass credentials=Credentials(...), or set AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY, or give the profile {profile.name!r} keys; "
                f"nor are there any of the machine: {error}"
            ) from None

    async def _from_botocore(self, profile: Profile) -> Credentials:
        return await asyncio.to_thread(_from_botocore, self._profile, profile.name)


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Read the variables that all AWS tools read; `None` if there is no key.

    Raises:
        CredentialsError: naming the variable that is missing or cannot be read.
    """
    access_key_id = environ.get("AWS_ACCESS_KEY_ID")
    if not access_key_id:
        return None
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY")
    if not secret_access_key:
        raise CredentialsError("incomplete credentials: AWS_SECRET_ACCESS_KEY is not set")
    token = environ.get("AWS_SECURITY_TOKEN") or environ.get("AWS_SESSION_TOKEN") or None
    return Credentials(access_key_id, secret_access_key, token, _expiration(environ))


def _expiration(environ: Mapping[str, str]) -> datetime | None:
    text = environ.get("AWS_CREDENTIAL_EXPIRATION")
    if not text:
        return None
    from lambdacore_async.engine.identity.metadata import instant

    try:
        return instant(text)
    except ValueError:
        raise CredentialsError(f"AWS_CREDENTIAL_EXPIRATION: {text[:40]!r} is no time") from None


def _from_section(section: Mapping[str, Setting], file: str) -> Credentials | None:
    """Read the keys in a profile's section of a file; `None` if there is none."""
    key = profiles.text(section.get("aws_access_key_id"))
    if key is None:
        return None
    secret = profiles.text(section.get("aws_secret_access_key"))
    if secret is None:
        raise CredentialsError(
            f"incomplete credentials: the profile in the {file} file has no aws_secret_access_key"
        )
    tokens = (section.get("aws_security_token"), section.get("aws_session_token"))
    return Credentials(key, secret, next(filter(None, map(profiles.text, tokens)), None))


def _from_botocore(explicit: str | None, name: str) -> Credentials:
    """Ask botocore's chain; it blocks.

    Raises:
        CredentialsError: botocore is not there, or finds none.
    """
    try:
        # An extra, and heavy: only who needs it pays for it.
        session: Any = importlib.import_module("botocore.session")
    except ImportError:
        raise CredentialsError(
            f"the profile {name!r} needs more than keys: install lambdacore-async[botocore]"
        ) from None
    try:
        found = session.Session(profile=explicit).get_credentials()
    except Exception as error:
        raise CredentialsError(
            f"the profile {name!r}: botocore: {type(error).__name__}: {error}"
        ) from error
    if found is None:
        raise CredentialsError(f"the profile {name!r}: botocore finds no credentials")
    return _frozen(found)


def _frozen(found: Any) -> Credentials:
    """What an object of botocore's holds at the moment; it blocks if it has to renew that.

    Raises:
        CredentialsError: it cannot.
    """
    try:
        keys = found.get_frozen_credentials()
    except Exception as error:
        raise CredentialsError(f"botocore: {type(error).__name__}: {error}") from error
    expires_at = getattr(found, "_expiry_time", None)
    return Credentials(keys.access_key, keys.secret_key, keys.token or None, expires_at)
