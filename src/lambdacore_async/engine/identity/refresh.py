"""Caches credentials and refreshes them before they expire, once for all concurrent callers."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeAlias

from lambdacore_async.engine.cancellation import is_cancelled
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.redaction import redact
from lambdacore_async.engine.observation import (
    Call,
    CallKind,
    Observed,
    OnCall,
    logger,
    shown_text,
)
from lambdacore_async.errors import CredentialsError, LambdaCoreError
from lambdacore_async.protocol.sigv4 import Credentials, Signer

#: An async function that returns credentials, which are refreshed before their `expires_at`.
CredentialsProvider: TypeAlias = Callable[[], Awaitable[Credentials]]

#: A background refresh starts this long before the credentials expire, and calls wait for the
#: refresh from this long before. Both are at most these fractions of the lifetime.
_BACKGROUND: Final = timedelta(minutes=15)
_BACKGROUND_PART: Final = 0.5
_BLOCKING: Final = timedelta(minutes=1)
_BLOCKING_PART: Final = 0.1
#: A random delay of up to this part of the lead spreads the refreshes of many processes.
_SPREAD: Final = 0.2
#: Minimum time between two refreshes, if the first one failed or returned the same keys.
_COOLDOWN: Final = timedelta(seconds=30)
_CANCELLED: Final = "the credentials provider was cancelled"
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class RefreshingCredentials:
    """The current credentials of an account, refreshed before they expire.

    Args:
        provider: an async function that returns credentials, or fixed credentials.
        clock: the time of day. Defaults to the machine's.
        jitter: returns a random number from 0 to 1.
        on_call: called when a refresh starts.
        label: the label of the first view with these credentials, for logs and `on_call`.

    Attributes:
        signer: signs requests; its cached keys are dropped when the credentials are replaced.
    """

    def __init__(
        self,
        provider: Credentials | CredentialsProvider,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        on_call: OnCall | None = None,
        label: str | None = None,
    ) -> None:
        self.signer: Signer = Signer()
        self._clock = clock or Clock()
        self._jitter = jitter
        self._on_call = on_call
        self._label = label
        self._credentials = provider if isinstance(provider, Credentials) else None
        self._provider = None if isinstance(provider, Credentials) else provider
        self._background_at = self._blocking_at = _NEVER
        #: Until then, a refusal by the service does not call the provider.
        self._cooldown_until: datetime | None = None
        self._refresh: asyncio.Task[Credentials] | None = None
        self._failure: LambdaCoreError | None = None
        self._closed = False

    def current(self) -> Credentials | None:
        """Return the credentials to sign with now, or `None` if callers have to wait for them."""
        credentials = self._credentials
        if credentials is None or self._background_at is _NEVER:
            return credentials
        now = self._clock.now()
        if now >= self._blocking_at:
            return None
        if now >= self._background_at:
            self._start_refresh()
        return credentials

    async def get(self) -> Credentials:
        """Return the credentials to sign with now, after a refresh if one is due.

        Raises:
            CredentialsError: if there are no credentials.
            ConfigurationError: if the files or variables that name their source are invalid.
            RuntimeError: if the client is closed.
        """
        credentials = self.current()
        while credentials is None:
            # If this caller is cancelled, the refresh continues for the other callers.
            await asyncio.wait([self._start_refresh()])
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._failure is None:
                credentials = self._credentials
            elif (credentials := self._unexpired()) is None:
                raise copy.copy(self._failure) from self._failure.__cause__
        return credentials

    def renew(self, refused: Credentials) -> bool:
        """Request a refresh, after the service refused credentials as expired or replaced.

        The next caller of `get` waits for the provider. The refused credentials stay current until
        it returns, and if it fails: another region may accept them.

        Returns:
            Whether a retry may be signed with other credentials. `False` for fixed credentials, and
            for at least 30 seconds after the provider failed or returned the same keys again.
        """
        if self._provider is None:
            return False
        if self._credentials is None or not keys_equal(self._credentials, refused):
            return True
        now = self._clock.now()
        if self._cooldown_until is not None and now < self._cooldown_until:
            return False
        self._background_at = self._blocking_at = now
        return True

    async def close(self) -> None:
        """Cancel a refresh in progress, and forget all keys."""
        self._closed = True
        self._credentials = None
        self.signer.forget()
        if self._refresh is not None and _is_of_this_loop(self._refresh):
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled: it holds secrets and connections")

    def _unexpired(self) -> Credentials | None:
        """Return the current credentials, or `None` if they have expired."""
        old = self._credentials
        if old is None or old.expires_at is None or old.expires_at > self._clock.now():
            return old
        return None

    def _start_refresh(self) -> asyncio.Task[Credentials]:
        """Return the refresh in progress; start one if there is none."""
        # A loop that was closed in the middle of a refresh never ends it.
        if self._refresh is None or not _is_of_this_loop(self._refresh):
            if self._closed or self._provider is None:
                raise RuntimeError("the client is closed")
            self._refresh = asyncio.create_task(self._call(self._provider))
            # The callback runs before the callers that wait for the task continue.
            self._refresh.add_done_callback(self._finish_refresh)
        return self._refresh

    async def _call(self, provider: CredentialsProvider) -> Credentials:
        try:
            if self._on_call is None:
                return await _call_provider(provider)
            call = Call("RefreshCredentials", CallKind.REFRESH, label=self._label)
            with Observed(self._on_call, call, self._clock.monotonic):
                return await _call_provider(provider)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
        raise CredentialsError(_CANCELLED)  # the provider awaited something that was cancelled

    def _finish_refresh(self, refresh: asyncio.Task[Credentials]) -> None:
        """Store the result or the failure: a background refresh has no caller to raise it to."""
        self._refresh = None
        cause = None if refresh.cancelled() else refresh.exception()
        if self._closed:
            return
        self._failure = None
        if refresh.cancelled():
            # As at the end of `asyncio.run`. The provider has not failed, so the next call asks it.
            self._failure = CredentialsError(_CANCELLED)
            return
        if isinstance(cause, LambdaCoreError):
            self._failure = cause
        elif cause is not None:
            kind = type(cause).__name__
            self._failure = CredentialsError(f"the credentials provider failed: {kind}")
            self._failure.__cause__ = cause
        if self._failure is None:
            self._replace(refresh.result())
        else:
            self._postpone(self._failure)

    def _postpone(self, failure: LambdaCoreError) -> None:
        """Keep the old credentials while they are valid, and log the failure."""
        self._background_at = self._cooldown_until = self._after_cooldown()
        old = self._unexpired()
        if old is None:
            return
        if old.expires_at is None:
            self._background_at = self._blocking_at = _NEVER
        else:
            self._blocking_at = min(max(self._blocking_at, self._background_at), old.expires_at)
        why = str(failure) if failure.__cause__ is None else f"{failure}: {failure.__cause__}"
        logger.warning(
            "credentials cannot be refreshed",
            extra={
                "label": shown_text(self._label),
                "error": redact(why, old.secret_access_key, old.session_token),
                "expires_at": None if old.expires_at is None else old.expires_at.isoformat(),
            },
        )

    def _replace(self, credentials: Credentials) -> None:
        """Use new credentials, and schedule their refresh."""
        old, self._credentials = self._credentials, credentials
        if old is not None and keys_equal(old, credentials):
            self._cooldown_until = self._after_cooldown()
        self.signer.forget()
        self._background_at = self._blocking_at = _NEVER
        if credentials.expires_at is None:
            return
        now = self._clock.now()
        lifetime = credentials.expires_at - now
        if lifetime > timedelta():
            early = min(_BACKGROUND, lifetime * _BACKGROUND_PART) * (1 - _SPREAD * self._jitter())
            self._background_at = credentials.expires_at - early
            self._blocking_at = credentials.expires_at - min(_BLOCKING, lifetime * _BLOCKING_PART)
        else:  # the source is late; the service decides whether it still accepts these
            self._background_at = self._blocking_at = now + _COOLDOWN

    def _after_cooldown(self) -> datetime:
        return self._clock.now() + _COOLDOWN * (1 + self._jitter())


def _is_of_this_loop(task: asyncio.Task[Credentials]) -> bool:
    return task.get_loop() is asyncio.get_running_loop()


async def _call_provider(provider: CredentialsProvider) -> Credentials:
    credentials: object = await provider()
    if not isinstance(credentials, Credentials):
        raise CredentialsError(
            f"the credentials provider must return Credentials, got {type(credentials).__name__}"
        )
    return credentials


def keys_equal(first: Credentials, second: Credentials | None) -> bool:
    """Return whether two credentials have the same keys and token, regardless of their expiry."""
    return second is not None and (
        first.access_key_id == second.access_key_id
        and first.secret_access_key == second.secret_access_key
        and first.session_token == second.session_token
    )
