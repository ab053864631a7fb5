"""The forms in which callers pass credentials, and their conversion to a single form."""

from __future__ import annotations

import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any, Protocol, TypeAlias

from attrs import frozen

from lambdacore_async.engine.identity.refresh import CredentialsProvider
from lambdacore_async.errors import CredentialsError, ParameterError
from lambdacore_async.protocol.sigv4 import Credentials


class RequestsAuth(Protocol):
    """An object of aws-requests-auth that holds keys, such as `AWSRequestsAuth`."""

    @property
    def aws_access_key(self) -> str | None: ...  # noqa: D102 - the library's own names
    @property
    def aws_secret_access_key(self) -> str | None: ...  # noqa: D102
    @property
    def aws_token(self) -> str | None: ...  # noqa: D102


CredentialsLike: TypeAlias = Credentials | CredentialsProvider | RequestsAuth | str


class CredentialsRecipe(ABC):
    """Base of credentials providers that may be pickled, because their attributes hold no secret.

    A subclass describes where the credentials come from, such as an account in a vault. Define its
    equality and its hash, as `attrs.frozen` does: a client shares the credentials of equal recipes.
    """

    @abstractmethod
    async def __call__(self) -> Credentials:
        """Return the credentials. The client calls this again before they expire."""

    def _for_client(
        self,
        region: Callable[[], Awaitable[str | None]],  # noqa: ARG002 - for subclasses
        ca_bundle: str | None,  # noqa: ARG002
    ) -> CredentialsProvider:
        """Return a provider for a client with a region and a file of trusted certificates."""
        return self


@frozen
class _ImportedProvider(CredentialsRecipe):
    """A provider that is imported when credentials are first needed.

    Attributes:
        path: the import path of an async function, `package.module:function`.
    """

    path: str

    async def __call__(self) -> Credentials:
        module, _, name = self.path.partition(":")
        try:
            provider = attrgetter(name)(import_module(module))
        except (ImportError, AttributeError) as error:
            raise CredentialsError(f"credentials: cannot import {self.path!r}") from error
        if not is_async_callable(provider):
            raise CredentialsError(f"credentials: {self.path!r} is not an async function")
        credentials: Credentials = await provider()  # its caller checks the type
        return credentials


def as_provider(credentials: CredentialsLike) -> Credentials | CredentialsProvider:
    """Convert what a caller passed into fixed credentials or a provider.

    Args:
        credentials: `Credentials`, an async function that returns them or its import path, or an
            object of aws-requests-auth. An object that gets its keys from botocore becomes a
            provider, so botocore is asked again at each refresh.

    Raises:
        ParameterError: if the argument is none of these.
        CredentialsError: if the keys are invalid.
    """
    if isinstance(credentials, Credentials):
        return credentials
    if isinstance(credentials, str):
        if re.fullmatch(r"[^\W\d][\w.]*:[^\W\d][\w.]*", credentials) is None:
            # The text is not quoted, because it may be a key.
            raise ParameterError(
                "credentials", "a str must be an import path such as package.module:function"
            )
        return _ImportedProvider(str.__str__(credentials))
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


def for_client(
    provider: Credentials | CredentialsProvider,
    region: Callable[[], Awaitable[str | None]],
    ca_bundle: str | None,
) -> Credentials | CredentialsProvider:
    """Let a recipe use the region and the trusted certificates of a client.

    Args:
        provider: a provider in the form of `as_provider`.
        region: returns the client's region, or `None` if it has none.
        ca_bundle: the path of the trusted certificates that the caller passed.
    """
    if isinstance(provider, CredentialsRecipe):
        return provider._for_client(region, ca_bundle)  # noqa: SLF001 - recipes are of this module
    return provider


def is_async_callable(value: object) -> bool:
    """Return whether a value is an async function, or an object with an async `__call__`."""
    while isinstance(value, partial):
        value = value.func
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(
        getattr(value, "__call__", None)  # noqa: B004 - inspected, not called
    )


def check_picklable(credentials: CredentialsLike | None) -> None:
    """Check that credentials hold no secret, and that another process can use them.

    Raises:
        ParameterError: if they are not.
    """
    recipe = isinstance(credentials, str | CredentialsRecipe | None) or _is_importable(credentials)
    if not recipe:
        raise ParameterError(
            "credentials",
            "cannot be pickled, because they may hold secrets; use a profile, an AssumeRole, the "
            "import path of an async function, or the credentials of the other process, instead of "
            f"{shown(credentials)}",
        )


def check_picklable_hook(parameter: str, hook: object) -> None:
    """Check that another process can import a function.

    Raises:
        ParameterError: if it cannot.
    """
    if hook is not None and not _is_importable(hook):
        raise ParameterError(
            parameter,
            "cannot be pickled, because another process cannot import it; use a function of a "
            f"module instead of {shown(hook)}",
        )


def _is_importable(value: object) -> bool:
    """Return whether any process can import this object by its module and name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module.endswith("main__"):
        return False
    try:
        found: object = attrgetter(name)(sys.modules[module])
    except (KeyError, AttributeError):
        return False
    return found is value


def shown(value: object) -> str:
    """Return the `repr` of an option that may hold secrets, without them."""
    if isinstance(value, str | Credentials | CredentialsRecipe | None):
        return repr(value)
    name = getattr(value, "__qualname__", None)
    if isinstance(name, str):
        return f"{getattr(value, '__module__', None)}.{name}"
    return f"<{type(value).__name__}>"
