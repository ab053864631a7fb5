"""Credentials that botocore finds: roles, web identities, SSO, login sessions and processes."""

from __future__ import annotations

import importlib
import os
import shlex
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from lambdacore_async.engine.identity.redaction import redact
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import CredentialsError
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol.sigv4 import Credentials

#: The command that installs botocore.
INSTALL: Final = "pip install 'lambdacore-async[botocore]'"
#: The command that fixes an error of botocore, by the name of the error's class.
_LOGINS: Final = {
    "SSOError": "aws sso login",
    "TokenRetrievalError": "aws sso login",
    "LoginRefreshRequired": "aws login",
    "LoginTokenLoadError": "aws login",
}


class BotocoreCredentials:
    """A provider for a credentials object of botocore; equal for the same object.

    Args:
        held: botocore's object, which refreshes itself.
    """

    def __init__(self, held: Any) -> None:
        self._held = held

    async def __call__(self) -> Credentials:
        """Return the current credentials; botocore refreshes them if they are due.

        Raises:
            CredentialsError: if botocore fails.
        """
        return await run_in_thread(self._read)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BotocoreCredentials) and other._held is self._held

    def __hash__(self) -> int:
        return id(self._held)

    def _read(self) -> Credentials:
        try:
            return _read_credentials(self._held)
        except CredentialsError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - botocore raises errors of many kinds
            problem = f"{type(error).__name__}: {redact(str(error))}"
        raise CredentialsError(f"botocore: {problem}")


class BotocoreChain:
    """A provider that runs botocore's own credential chain, in a thread.

    Args:
        needed_for: the variable or setting that needs botocore; errors start with it.
        profile: the profile that the caller passed; `None` if there is none.
        region: the region whose STS is called; `None` lets botocore find it.
        ca_bundle: a file of trusted certificates; `None` lets botocore find it.
    """

    def __init__(
        self,
        needed_for: str,
        *,
        profile: str | None,
        region: str | None,
        ca_bundle: str | None,
    ) -> None:
        self._needed_for = needed_for
        self._profile = profile
        self._region = region
        self._ca_bundle = ca_bundle

    async def __call__(self) -> Credentials:
        """Return the credentials that botocore finds.

        Raises:
            CredentialsError: if botocore is not installed, finds none, or fails.
        """
        found = await run_in_thread(self._find)
        if isinstance(found, str):
            raise CredentialsError(f"{self._needed_for}{found}")
        return found

    def _find(self) -> Credentials | str:
        """Return the credentials, or the rest of the error message. It blocks."""
        session: Any = None
        try:
            session = open_session(self._profile, region=self._region, ca_bundle=self._ca_bundle)
            found = session.get_credentials()
            if found is None:
                return ": botocore finds no credentials"
            return _read_credentials(found)
        except ImportError:
            return f" needs botocore: {INSTALL}"
        except CredentialsError as error:
            return f": {error}"
        except Exception as error:  # noqa: BLE001 - botocore raises errors of many kinds
            return f": {explain(error, session)}"


def open_session(
    profile: str | None, *, region: str | None = None, ca_bundle: str | None = None
) -> Any:
    """Return a session of botocore that prompts for nothing, for which empty variables are unset.

    Args:
        profile: the profile that the caller passed; `None` lets botocore find it.
        region: the region whose STS is called; `None` lets botocore find it.
        ca_bundle: a file of trusted certificates; `None` lets botocore find it.

    Raises:
        ImportError: if botocore, which is optional and slow to import, is not installed.
    """
    session: Any = importlib.import_module("botocore.session").Session(profile=profile)
    known: Any = session.session_var_map
    for name, (key, given, default, convert) in list(known.items()):
        variables = [given] if isinstance(given, str) else given or []
        used = [each for each in variables if os.environ.get(each) != ""]
        if len(used) < len(variables):
            known[name] = (key, used or None, default, convert)
    for name, value in (("region", region), ("ca_bundle", ca_bundle)):
        if value is not None:
            session.set_config_variable(name, value)
    with suppress(AttributeError):  # a private name, which another version may lack
        provider = session.get_component("credential_provider").get_provider("assume-role")
        provider._prompter = partial(_refuse_prompt, session)  # noqa: SLF001 - there is no other way
    return session


def _refuse_prompt(session: Any, _: str) -> str:
    """Replace the prompt at a terminal, which would block a service forever."""
    raise CredentialsError(
        "the role needs an MFA code; pass temporary credentials, such as those of "
        f"`aws configure export-credentials --profile {shlex.quote(_profile_of(session))}`"
    )


def explain(error: Exception, session: Any) -> str:
    """Return an error of botocore's session, and what to do about it."""
    kinds = (kind.__name__ for kind in type(error).__mro__)
    command = next((_LOGINS[kind] for kind in kinds if kind in _LOGINS), None)
    if command is not None:
        name = shlex.quote(_login_profile(session))
        return f"no valid login; run `{command} --profile {name}`"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{escaped(str(error.filename))}: {error.strerror}"
    return f"botocore: {type(error).__name__}: {redact(str(error))}"


def _profile_of(session: Any) -> str:
    return str(getattr(session, "profile", None) or "default")


def _login_profile(session: Any) -> str:
    """Return the profile to log in with: the session's, or the one that it gets its keys from."""
    sections: Any = getattr(session, "full_config", {}).get("profiles", {})
    name, seen = _profile_of(session), set[str]()
    while name not in seen:
        seen.add(name)
        section: Any = sections.get(name, {})
        if "sso_account_id" in section or "login_session" in section:
            return name
        name = str(section.get("source_profile", name))
    return _profile_of(session)


def _read_credentials(held: Any) -> Credentials:
    """Return the current keys of botocore's object; it blocks if it has to refresh them."""
    _assume_utc(held)
    keys = held.get_frozen_credentials()
    _assume_utc(held)
    expires_at = getattr(held, "_expiry_time", None)
    return Credentials(keys.access_key, keys.secret_key, keys.token or None, expires_at)


def _assume_utc(held: Any) -> None:
    """Give an expiry without a time zone UTC; botocore cannot compare it otherwise."""
    expiry = getattr(held, "_expiry_time", None)
    if isinstance(expiry, datetime) and expiry.utcoffset() is None:
        held._expiry_time = expiry.replace(tzinfo=UTC)  # noqa: SLF001 - it has no public name
