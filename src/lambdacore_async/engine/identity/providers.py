"""The forms in which callers pass credentials, and their conversion into one."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any, Protocol, TypeAlias

from lambdacore_async.engine.identity.refresh import CredentialsProvider
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.sigv4 import Credentials


class RequestsAuth(Protocol):
    """An object of aws-requests-auth that holds keys, such as `AWSRequestsAuth`."""

    @property
    def aws_access_key(self) -> str | None: ...  # noqa: D102 - the library's own names
    @property
    def aws_secret_access_key(self) -> str | None: ...  # noqa: D102
    @property
    def aws_token(self) -> str | None: ...  # noqa: D102


CredentialsLike: TypeAlias = Credentials | CredentialsProvider | RequestsAuth


def as_provider(credentials: CredentialsLike) -> Credentials | CredentialsProvider:
    """Convert what a caller passed into fixed credentials or a provider.

    Args:
        credentials: `Credentials`, an async function that returns them, or an object of
            aws-requests-auth. An object that gets its keys from botocore becomes a provider, so
            botocore is asked again at each refresh.

    Raises:
        ParameterError: if the argument is none of these.
        CredentialsError: if the keys are invalid.
    """
    if isinstance(credentials, Credentials):
        return credentials
    if not isinstance(credentials, type) and is_async_callable(credentials):
        return credentials  # type: ignore[return-value] # a coroutine function is a provider
    held: Any = getattr(credentials, "_refreshable_credentials", None)
    if held is not None:
        from lambdacore_async.engine.identity.botocore_chain import BotocoreCredentials

        return BotocoreCredentials(held)
    key = getattr(credentials, "aws_access_key", None)
    secret = getattr(credentials, "aws_secret_access_key", None)
    if isinstance(key, str) and isinstance(secret, str):
        return Credentials(key, secret, getattr(credentials, "aws_token", None) or None)
    raise ParameterError(
        "credentials",
        "must be Credentials, an async function that returns them, or an AWSRequestsAuth with "
        f"keys, got {type(credentials).__name__}",
    )


def is_async_callable(value: object) -> bool:
    """Return whether a value is an async function, or an object with an async `__call__`."""
    while isinstance(value, partial):
        value = value.func
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(
        getattr(value, "__call__", None)  # noqa: B004 - inspected, not called
    )
