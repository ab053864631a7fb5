"""`AssumeRole`: credentials of a role, as a recipe that other processes can use."""

from __future__ import annotations

import importlib
from contextlib import closing
from typing import Any

from attrs import frozen

from lambdacore_async.engine.identity.botocore_chain import INSTALL
from lambdacore_async.engine.identity.providers import CredentialsRecipe
from lambdacore_async.engine.identity.redaction import redact
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
    """The region whose STS is called; `None` for that of the environment or the profile."""
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
        return await run_in_thread(self._assume)

    def _assume(self) -> Credentials:
        try:
            module: Any = importlib.import_module("botocore.session")
        except ImportError:
            raise CredentialsError(f"{self.role_arn} needs botocore: {INSTALL}") from None
        parameters: dict[str, object] = {
            "RoleArn": self.role_arn,
            "RoleSessionName": self.session_name,
            "DurationSeconds": self.duration_seconds,
        }
        if self.external_id is not None:
            parameters["ExternalId"] = self.external_id
        try:
            session = module.Session(profile=self.profile)
            with closing(session.create_client("sts", region_name=self.region)) as sts:
                keys = sts.assume_role(**parameters)["Credentials"]
            return Credentials(
                keys["AccessKeyId"],
                keys["SecretAccessKey"],
                keys["SessionToken"],
                keys["Expiration"],
            )
        except Exception as error:  # noqa: BLE001 - botocore raises errors of many kinds
            problem = f"{type(error).__name__}: {redact(str(error))}"
        raise CredentialsError(f"cannot assume {self.role_arn}: {problem}")
