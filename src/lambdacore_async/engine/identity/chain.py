"""Where credentials come from: what callers pass, and what the AWS CLI would find on this machine.

Keys in variables, files and metadata services are read here. Roles to assume, web identities, SSO,
login sessions and processes go through botocore's own chain.
"""

from __future__ import annotations

import importlib
import inspect
import shlex
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.refresh import CredentialsProvider, told
from lambdacore_async.engine.profiles import Profile, SharedConfig
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.errors import CredentialsError, ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol.sigv4 import Credentials

#: Settings for which a profile needs botocore, looked for before keys in the files and after.
_BEFORE_KEYS: Final = ("role_arn", "web_identity_token_file", "sso_account_id", "sso_role_name")
_AFTER_KEYS: Final = ("login_session", "credential_process")
_WEB_IDENTITY: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"
_INSTALL: Final = "pip install 'lambdacore-async[botocore]'"
#: Errors of botocore, by the names of their classes, that end with a new login; and the command.
_LOGINS: Final = {
    "SSOError": "aws sso login",
    "TokenRetrievalError": "aws sso login",
    "LoginRefreshRequired": "aws login",
    "LoginTokenLoadError": "aws login",
}


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
    """Normalise what callers may pass into credentials or a provider.

    Args:
        credentials: credentials, an async function that returns some, or an object of
            aws-requests-auth. One that finds its keys through botocore is asked again at each
            refresh.

    Raises:
        ParameterError: it is none of these.
        CredentialsError: the keys cannot be used.
    """
    if isinstance(credentials, Credentials):
        return credentials
    if not isinstance(credentials, type) and is_async(credentials):
        return credentials  # type: ignore[return-value] # what else is a coroutine function
    of_botocore: Any = getattr(credentials, "_refreshable_credentials", None)
    if of_botocore is not None:
        return _OfBotocore(of_botocore)
    key = getattr(credentials, "aws_access_key", None)
    secret = getattr(credentials, "aws_secret_access_key", None)
    if isinstance(key, str) and isinstance(secret, str):
        return Credentials(key, secret, getattr(credentials, "aws_token", None) or None)
    raise ParameterError(
        "credentials",
        "expected Credentials, an async function that returns some, or an AWSRequestsAuth with "
        f"keys; got {type(credentials).__name__}",
    )


def is_async(function: object) -> bool:
    """Whether it is an async function, or an object that is called as one."""
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - it is looked at, not called
    )


class _OfBotocore:
    """A provider of what an object of botocore holds; for the same object, an equal one."""

    def __init__(self, held: Any) -> None:
        self._held = held

    async def __call__(self) -> Credentials:
        """Return the current credentials, which botocore renews when they are due."""
        return await run_in_thread(self._ask)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _OfBotocore) and other._held is self._held

    def __hash__(self) -> int:
        return id(self._held)

    def _ask(self) -> Credentials:
        try:
            return _frozen(self._held)
        except CredentialsError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            problem = f"{type(error).__name__}: {told(str(error))}"
        raise CredentialsError(f"botocore: {problem}")


async def _nothing() -> None:
    """Do nothing: botocore finds the region, and the system's certificates are trusted."""


class DefaultChain:
    """Finds credentials as the AWS CLI does, again at each refresh; the first found are used.

    Args:
        environ: the environment's variables.
        connect: opens a transport to a metadata service.
        clock: waits between attempts to ask one.
        profile: one that the caller named; then the keys in the environment do not count.
        region: finds the region whose STS is asked for roles; `None` leaves it to botocore.
        ca_bundle: a file of the certificates to trust that the caller named.
        trust: reads the certificates to trust; awaited before a connection over https.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        connect: Callable[[], Transport],
        clock: Clock,
        profile: str | None = None,
        *,
        region: Callable[[], Awaitable[str | None]] = _nothing,
        ca_bundle: str | None = None,
        trust: Callable[[], Awaitable[object]] = _nothing,
    ) -> None:
        self._environ = environ
        self._files = SharedConfig(environ, profile)
        self._connect = connect
        self._clock = clock
        self._profile = profile
        self._region = region
        self._ca_bundle = ca_bundle
        self._trust = trust

    async def __call__(self) -> Credentials:
        """Look everywhere, in order.

        Raises:
            CredentialsError: there are none, or those that are found first cannot be used.
            ConfigurationError: a file or a setting cannot be used, or the profile is not there.
        """
        if self._profile is None and (found := from_environment(self._environ)) is not None:
            return found
        profile = await run_in_thread(self._files.read)
        if self._profile is None and self._environ.get(_WEB_IDENTITY):
            return await self._from_botocore(profile, _WEB_IDENTITY)
        if (setting := profile.first(_BEFORE_KEYS)) is not None:
            return await self._from_botocore(profile, setting)
        if (found := _from_file(profile, "credentials")) is not None:
            return found
        if (setting := profile.first(_AFTER_KEYS)) is not None:
            return await self._from_botocore(profile, setting)
        if (found := _from_file(profile, "config")) is not None:
            return found
        # Only where there are no keys.
        from lambdacore_async.engine.identity.metadata import Metadata

        metadata = Metadata(self._environ, self._connect, self._clock, self._trust)
        if (found := await metadata.container()) is not None:
            return found
        try:
            return await metadata.instance(profile)
        except CredentialsError as error:
            problem = str(error)
        raise CredentialsError(
            "no credentials: pass credentials=Credentials(...), or set AWS_ACCESS_KEY_ID and "
            f"AWS_SECRET_ACCESS_KEY, or give the profile {profile.name!r} keys; "
            f"the machine has none either: {problem}"
        )

    async def _from_botocore(self, profile: Profile, need: str) -> Credentials:
        """Ask botocore's chain.

        Args:
            profile: the client's.
            need: the variable or setting for which botocore is needed.

        Raises:
            CredentialsError: botocore is not there, or finds none.
        """
        chain = _BotocoreChain(
            self._profile, profile.name, need, await self._region(), self._ca_bundle
        )
        found = await run_in_thread(chain.ask)
        if isinstance(found, str):
            raise CredentialsError(found)
        return found


def from_environment(environ: Mapping[str, str]) -> Credentials | None:
    """Read the variables that all AWS tools read; `None` if there is no key.

    Raises:
        CredentialsError: naming the variable that is missing or cannot be read.
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
    expires_at = _expiration(environ)
    try:
        return Credentials(access_key_id, secret_access_key, token, expires_at)
    except CredentialsError as error:
        part, _, problem = str(error).partition(": ")
        raise CredentialsError(f"AWS_{part.upper()}: {problem}") from None


def _expiration(environ: Mapping[str, str]) -> datetime | None:
    text = environ.get("AWS_CREDENTIAL_EXPIRATION")
    if not text:
        return None
    from lambdacore_async.engine.identity.metadata import instant

    try:
        return instant(text)
    except ValueError:
        raise CredentialsError(f"AWS_CREDENTIAL_EXPIRATION: {text[:40]!r} is no time") from None


def _from_file(profile: Profile, file: str) -> Credentials | None:
    """Read the keys in a profile's section of a file; `None` if there is no key.

    Raises:
        CredentialsError: a key is missing, or cannot be used.
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


class _BotocoreChain:
    """Asks botocore's chain for credentials.

    Args:
        profile: the name of the profile that the caller named.
        name: the name of the profile that counts.
        need: the variable or setting for which botocore is needed.
        region: whose STS is asked.
        ca_bundle: a file of the certificates to trust.
    """

    def __init__(
        self,
        profile: str | None,
        name: str,
        need: str,
        region: str | None,
        ca_bundle: str | None,
    ) -> None:
        self._profile = profile
        self._name = name
        self._need = need
        self._settings = {"region": region, "ca_bundle": ca_bundle}
        self._where = need if need == _WEB_IDENTITY else f"{need} of profile {name!r}"

    def ask(self) -> Credentials | str:
        """Return the credentials, or why there are none. It blocks."""
        try:
            # An extra, and heavy: imported only where it is needed.
            module: Any = importlib.import_module("botocore.session")
        except ImportError:
            return f"{self._where} needs botocore: {_INSTALL}"
        session: Any = None
        try:
            session = module.Session(profile=self._profile)
            for name, value in self._settings.items():
                if value is not None:
                    session.set_config_variable(name, value)
            with suppress(AttributeError):  # a private name, which another version may lack
                provider = session.get_component("credential_provider").get_provider("assume-role")
                provider._prompter = self._refuse_prompt  # noqa: SLF001 - there is no other way
            found = session.get_credentials()
            if found is None:
                return f"{self._where}: botocore finds no credentials"
            return _frozen(found)
        except CredentialsError as error:
            return f"{self._where}: {error}"
        except Exception as error:  # noqa: BLE001 - whatever botocore raises
            return f"{self._where}: {self._explained(error, session)}"

    def _refuse_prompt(self, _: str) -> str:
        """Stand in for the prompt at a terminal, which would wait for ever in a service."""
        raise CredentialsError(
            "the role needs an MFA code; pass temporary credentials, such as those of "
            f"`aws configure export-credentials --profile {shlex.quote(self._name)}`"
        )

    def _explained(self, error: Exception, session: Any) -> str:
        """What went wrong, and what to do about it."""
        kinds = (kind.__name__ for kind in type(error).__mro__)
        command = next((_LOGINS[kind] for kind in kinds if kind in _LOGINS), None)
        if command is not None:
            name = shlex.quote(self._login_profile(session))
            return f"there is no valid login; run `{command} --profile {name}`"
        if isinstance(error, OSError) and error.filename is not None:
            return f"{escaped(str(error.filename))}: {error.strerror}"
        return f"botocore: {type(error).__name__}: {told(str(error))}"

    def _login_profile(self, session: Any) -> str:
        """The profile to log in with: this one, or the one that its keys come from."""
        sections: Any = getattr(session, "full_config", {}).get("profiles", {})
        name, seen = self._name, set[str]()
        while name not in seen:
            seen.add(name)
            section: Any = sections.get(name, {})
            if "sso_account_id" in section or "login_session" in section:
                return name
            name = str(section.get("source_profile", name))
        return self._name


def _frozen(found: Any) -> Credentials:
    """What an object of botocore holds at the moment; it blocks if it has to renew that."""
    _set_zone(found)
    keys = found.get_frozen_credentials()
    _set_zone(found)
    expires_at = getattr(found, "_expiry_time", None)
    return Credentials(keys.access_key, keys.secret_key, keys.token or None, expires_at)


def _set_zone(found: Any) -> None:
    """Take an end without a time zone to be in UTC. botocore fails to compare it with the time."""
    end = getattr(found, "_expiry_time", None)
    if isinstance(end, datetime) and end.utcoffset() is None:
        found._expiry_time = end.replace(tzinfo=UTC)  # noqa: SLF001 - it has no public name
