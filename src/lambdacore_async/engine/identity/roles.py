"""`AssumeRole`: credentials of a role, as a recipe that other processes can use."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from typing import Any

from attrs import frozen

from lambdacore_async.engine.identity.botocore_chain import INSTALL, explain, open_session
from lambdacore_async.engine.identity.providers import CredentialsRecipe
from lambdacore_async.engine.identity.refresh import CredentialsProvider
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import CredentialsError, ParameterError
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.protocol.sigv4 import Credentials


@frozen
class AssumeRole(CredentialsRecipe):
    """Credentials of a role that botocore assumes with the credentials of this process.

    It needs the extra `botocore`. It holds no secret and can be pickled. Use it for a client, a
    view or a `Target`.

    Raises:
        ParameterError: if `role_arn` is not an ARN.
    """

    role_arn: str
    """The ARN of the role."""
    profile: str | None = None
    """The profile whose credentials assume the role; `None` for those that botocore finds."""
    region: str | None = None
    """The region whose STS is called; `None` for the client's, or without a client that of the
    environment or the profile."""
    external_id: str | None = None
    """The external ID that the role's trust policy requires; it is not a secret."""
    session_name: str = "lambdacore-async"
    """The name of the session, which CloudTrail shows; 2 to 64 characters."""
    duration_seconds: int = 3600
    """Seconds that the credentials are valid, 900 to 43,200. The role's maximum applies."""

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.role_arn, str) or parse_arn(self.role_arn) is None:
            raise ParameterError("role_arn", "must be the ARN of a role")

    async def __call__(self) -> Credentials:
        """Return credentials of the role.

        Raises:
            CredentialsError: if botocore is not installed, or cannot assume the role.
        """
        return await self._assume_in(None, None)

    def _for_client(
        self, region: Callable[[], Awaitable[str | None]], ca_bundle: str | None
    ) -> CredentialsProvider:
        async def assume() -> Credentials:
            return await self._assume_in(await region(), ca_bundle)

        return assume

    async def _assume_in(self, region: str | None, ca_bundle: str | None) -> Credentials:
        region = self.region or region or os.environ.get("AWS_REGION") or None
        return await run_in_thread(partial(self._assume, region, ca_bundle))

    def _assume(self, region: str | None, ca_bundle: str | None) -> Credentials:
        parameters: dict[str, object] = {
            "RoleArn": self.role_arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration_seconds,
        }
        if self.external_id is not None:
            parameters["ExternalId"] = self.external_id
        session: Any = None
        try:
            session = open_session(self.profile, region=region, ca_bundle=ca_bundle)
            with closing(session.create_client("sts")) as sts:
                keys = sts.assume_role(**parameters)["Credentials"]
            return Credentials(
                keys["AccessKeyId"],
                keys["SecretAccessKey"],
                keys["SessionToken"],
                keys["Expiration"],
            )
        except ImportError:
            problem = f"it needs botocore: {INSTALL}"
        except CredentialsError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - botocore raises errors of many kinds
            problem = explain(error, session)
        raise CredentialsError(f"cannot assume {self.role_arn}: {problem}")
