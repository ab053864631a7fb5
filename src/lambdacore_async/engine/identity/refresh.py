"""Who signs: credentials at hand, renewed in time, by one refresh for all who wait."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeAlias

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import CredentialsError, LambdaCoreError
from lambdacore_async.protocol.sigv4 import Credentials

#: Gives credentials whenever it is awaited; those with an `expires_at` are renewed before it.
CredentialsProvider: TypeAlias = Callable[[], Awaitable[Credentials]]

#: How long before their end credentials are renewed in the background, and how long before it
#: calls wait for that; of short-lived ones, at most these parts of their life.
_SOON: Final = timedelta(minutes=15)
_SOON_PART: Final = 0.5
_DUE: Final = timedelta(minutes=1)
_DUE_PART: Final = 0.1
#: The background refresh comes earlier by up to this part, so that many processes spread out.
_SPREAD: Final = 0.2
#: After a refresh that failed, or brought nothing new, the next one is so long in coming.
_PAUSE: Final = timedelta(seconds=30)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)


class RefreshingCredentials:
    """Gives the credentials that sign the next request.

    Args:
        origin: credentials, or what provides them.
        clock: tells when they are to be renewed; else the machine's.
        jitter: a random number from 0 to 1.
    """

    def __init__(
        self,
        origin: Credentials | CredentialsProvider,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock or Clock()
        self._jitter = jitter
        self._credentials = origin if isinstance(origin, Credentials) else None
        self._provide = None if isinstance(origin, Credentials) else origin
        self._soon = self._due = _NEVER
        self._refresh: asyncio.Task[LambdaCoreError | None] | None = None
        self._closed = False

    def current(self) -> Credentials | None:
        """The credentials to sign with now; `None` if they have to be waited for."""
        credentials = self._credentials
        if credentials is None or self._soon is _NEVER:
            return credentials
        now = self._clock.now()
        if now >= self._due:
            return None
        if now >= self._soon:
            self._start()
        return credentials

    async def get(self) -> Credentials:
        """The credentials to sign with now, after a refresh if that is due.

        Raises:
            CredentialsError: there are none.
            ConfigurationError: the files or variables that tell where they are cannot be used.
        """
        credentials = self.current()
        while credentials is None:
            refresh = self._start()
            await asyncio.wait([refresh])  # it goes on for others if this caller is cancelled
            if refresh.cancelled():
                raise RuntimeError("the client is closed")
            error = refresh.result()
            if error is None:
                credentials = self._credentials
            elif (credentials := self._valid()) is None:
                raise copy.copy(error) from error.__cause__
        return credentials

    def renew(self, refused: Credentials) -> bool:
        """Learn that the service no longer takes some credentials.

        Returns:
            Whether there may be others: a request is worth signing anew.
        """
        if self._provide is None:
            return False
        if self._credentials is refused:
            self._credentials = None
        return True

    async def close(self) -> None:
        """End a refresh that is under way."""
        self._closed = True
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled: it holds secrets and connections")

    def _valid(self) -> Credentials | None:
        """The old credentials, if they are good for a while yet."""
        old = self._credentials
        expired = old is None or old.expires_at is None or old.expires_at <= self._clock.now()
        return None if expired else old

    def _start(self) -> asyncio.Task[LambdaCoreError | None]:
        if self._refresh is None or self._refresh.done():
            # Without a provider, the credentials are always at hand, and nobody comes here.
            if self._closed or self._provide is None:
                raise RuntimeError("the client is closed")
            self._refresh = asyncio.create_task(self._fetch(self._provide))
        return self._refresh

    async def _fetch(self, provide: CredentialsProvider) -> LambdaCoreError | None:
        """Ask the provider; the error is returned, for there may be nobody to catch it."""
        try:
            self._keep(await provide())
        except LambdaCoreError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - a provider of the caller's own
            problem = CredentialsError(f"the credentials provider failed: {type(error).__name__}")
            problem.__cause__ = error
        else:
            return None
        self._soon = self._clock.now() + _PAUSE * (1 + self._jitter())
        old = self._valid()
        if old is not None and old.expires_at is not None:
            self._due = min(max(self._due, self._soon), old.expires_at)
        return problem

    def _keep(self, credentials: Credentials) -> None:
        if not isinstance(credentials, Credentials):
            raise CredentialsError(
                f"the credentials provider gave no Credentials, but {type(credentials).__name__}"
            )
        self._credentials = credentials
        self._soon = self._due = _NEVER
        if credentials.expires_at is None:
            return
        now = self._clock.now()
        life = credentials.expires_at - now
        if life > timedelta():
            early = min(_SOON, life * _SOON_PART) * (1 - _SPREAD * self._jitter())
            self._soon = credentials.expires_at - early
            self._due = credentials.expires_at - min(_DUE, life * _DUE_PART)
        else:  # a source that is behind: whether these are still good is for the service to say
            self._soon = self._due = now + _PAUSE
