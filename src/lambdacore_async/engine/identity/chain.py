"""The default credential chain: the sources that the AWS CLI searches, in its order."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.environment import from_environment
from lambdacore_async.engine.identity.files import from_file
from lambdacore_async.engine.observation import logger
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.errors import CredentialsError
from lambdacore_async.protocol.sigv4 import Credentials

#: Settings of a profile that need botocore: checked before the keys in the files, and after.
_BEFORE_KEYS: Final = ("role_arn", "web_identity_token_file", "sso_account_id", "sso_role_name")
_AFTER_KEYS: Final = ("login_session", "credential_process")
_WEB_IDENTITY: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"


async def _nothing() -> None:
    """Do nothing: botocore finds the region, and the system's certificates are trusted."""


class DefaultChain:
    """A provider that searches all sources at each refresh; the first match wins.

    Args:
        environ: the environment's variables.
        connect: opens a transport to a metadata service.
        clock: sleeps between attempts to reach a metadata service.
        profile: the profile that the caller passed; it disables the keys in the environment.
        region: returns the region whose STS is called for roles; `None` lets botocore find it.
        ca_bundle: the path of the trusted certificates that the caller passed.
        trust: loads the trusted certificates; awaited before an https connection.
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
        """Search all sources in order, and return the first credentials.

        Raises:
            CredentialsError: if there are none, or the first ones found are invalid.
            ConfigurationError: if a file or a setting is invalid, or the profile does not exist.
        """
        source, found = await self._search()
        logger.debug("credentials found", extra={"source": source})
        return found

    async def _search(self) -> tuple[str, Credentials]:
        """Return the name of a source and its credentials."""
        if self._profile is None and (found := from_environment(self._environ)) is not None:
            return "environment", found
        profile = await run_in_thread(self._files.read)
        if self._profile is None and self._environ.get(_WEB_IDENTITY):
            return _WEB_IDENTITY, await self._from_botocore(_WEB_IDENTITY)
        if (setting := profile.first(_BEFORE_KEYS)) is not None:
            source = f"{setting} of profile {profile.name!r}"
            return source, await self._from_botocore(source)
        if (found := from_file(profile, "credentials")) is not None:
            return f"credentials file, profile {profile.name!r}", found
        if (setting := profile.first(_AFTER_KEYS)) is not None:
            source = f"{setting} of profile {profile.name!r}"
            return source, await self._from_botocore(source)
        if (found := from_file(profile, "config")) is not None:
            return f"config file, profile {profile.name!r}", found
        # Programs with keys never need it.
        from lambdacore_async.engine.identity.metadata import (
            ContainerCredentials,
            InstanceCredentials,
            MetadataClient,
        )

        client = MetadataClient(self._connect, self._clock, self._trust)
        if (found := await ContainerCredentials(self._environ, client)()) is not None:
            return "container", found
        try:
            return "instance", await InstanceCredentials(self._environ, client, profile)()
        except CredentialsError as error:
            problem = str(error)
        raise CredentialsError(
            "no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run "
            f"`aws configure --profile {shlex.quote(profile.name)}`, or pass "
            f"credentials=Credentials(...); no instance role: {problem}"
        )

    async def _from_botocore(self, needed_for: str) -> Credentials:
        from lambdacore_async.engine.identity.botocore_chain import BotocoreChain

        return await BotocoreChain(
            needed_for,
            profile=self._profile,
            region=await self._region(),
            ca_bundle=self._ca_bundle,
        )()
