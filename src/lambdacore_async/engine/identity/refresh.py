"""Caches credentials and refreshes them before they expire, once for all concurrent callers."""

from __future__ import annotations

import asyncio
import copy
import logging
import random
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn, TypeAlias

from lambdacore_async.engine.clock import Clock
from lambdacore_async.errors import CredentialsError, LambdaCoreError
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol.sigv4 import Credentials, Signer

#: Gives credentials whenever it is awaited; those with an `expires_at` are renewed before it.
CredentialsProvider: TypeAlias = Callable[[], Awaitable[Credentials]]

logger: Final = logging.getLogger("lambdacore_async")

#: How long before they expire credentials are refreshed in the background, and how long before
#: that calls wait for the refresh; for short-lived credentials, at most these parts of their life.
_SOON: Final = timedelta(minutes=15)
_SOON_PART: Final = 0.5
_DUE: Final = timedelta(minutes=1)
_DUE_PART: Final = 0.1
#: The background refresh starts earlier by up to this part, so that many processes spread out.
_SPREAD: Final = 0.2
#: The least time between two refreshes, if the first one failed or brought nothing new.
_PAUSE: Final = timedelta(seconds=30)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)

#: How much text of another party an error or a log shows, and how much of it is looked at.
_SHOWN: Final = 200
_READ: Final = 10_000
#: Finds keys by their names, by the form of an access key ID or a secret key, and as a header's
#: value. It is compiled at the first use; `re` caches it.
_KEYS: Final = r"""(?x)
    (?P<name>
        (?<! [/\w-] ) [\w-]{0,40}
        (?i: secret[\s_-]?(access[\s_-]?)?key | access[\s_-]?key([\s_-]?id)? | client[\s_-]?secret
           | token | authorization | password )
        [\\"']* \s* [:=>] \s* [\\"']* ( (?i: bearer | basic ) \s+ )?
    ) [^\s"'\\<>,;&]+
    | \b A[KS]I[AD] [A-Z0-9]{7,}
    | (?<! [\w/+=.-] ) (?= [a-z0-9/+=]* [A-Z] ) (?= [A-Z0-9/+=]* [a-z] ) (?= [A-Za-z/+=]* [0-9] )
      [A-Za-z0-9/+=]{40,}
"""


class RefreshingCredentials:
    """The credentials that sign the next request.

    Args:
        origin: credentials, or their provider.
        clock: the time of day. Defaults to the machine's.
        jitter: returns a random number from 0 to 1.

    Attributes:
        signer: signs with these credentials; it forgets their keys as they are replaced.
    """

    def __init__(
        self,
        origin: Credentials | CredentialsProvider,
        *,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.signer = Signer()
        self._clock = clock or Clock()
        self._jitter = jitter
        self._credentials = origin if isinstance(origin, Credentials) else None
        self._provide = None if isinstance(origin, Credentials) else origin
        self._soon = self._due = _NEVER
        #: Until then, asking the provider again would bring nothing new.
        self._settled_until: datetime | None = None
        self._refresh: asyncio.Task[Credentials] | None = None
        self._problem: LambdaCoreError | None = None
        self._closed = False

    def current(self) -> Credentials | None:
        """Return the credentials to sign with now, or `None` if callers have to wait for them."""
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
        """Return the credentials to sign with now, after a refresh if one is due.

        Raises:
            CredentialsError: there are none.
            ConfigurationError: the files or variables that say where they are cannot be used.
            RuntimeError: the client is closed.
        """
        credentials = self.current()
        while credentials is None:
            # It goes on for the other callers if this one is cancelled.
            await asyncio.wait([self._start()])
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._problem is None:
                credentials = self._credentials
            elif (credentials := self._valid()) is None:
                raise copy.copy(self._problem) from self._problem.__cause__
        return credentials

    def renew(self, refused: Credentials) -> bool:
        """Learn that the service refuses some credentials: they have expired, or were replaced.

        The next caller of `get` waits until the provider was asked once more. Until the provider
        answers, and if it fails, the refused credentials stay: another region may accept them.

        Returns:
            Whether there may be others. `False` for fixed credentials, and for half a minute after
            the provider failed or gave these very keys again.
        """
        if self._provide is None:
            return False
        if self._credentials is None or not same_keys(self._credentials, refused):
            return True
        now = self._clock.now()
        if self._settled_until is not None and now < self._settled_until:
            return False
        self._soon = self._due = now
        return True

    async def close(self) -> None:
        """Cancel a refresh that is in progress, and forget all keys."""
        self._closed = True
        self._credentials = None
        self.signer.forget()
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.wait([self._refresh])

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled: it holds secrets and connections")

    def _valid(self) -> Credentials | None:
        """The credentials at hand, unless they have expired."""
        old = self._credentials
        if old is None or old.expires_at is None or old.expires_at > self._clock.now():
            return old
        return None

    def _start(self) -> asyncio.Task[Credentials]:
        if self._refresh is None:
            if self._closed or self._provide is None:
                raise RuntimeError("the client is closed")
            self._refresh = asyncio.create_task(_ask(self._provide))
            # Runs before the callers who wait for the task go on.
            self._refresh.add_done_callback(self._learn)
        return self._refresh

    def _learn(self, refresh: asyncio.Task[Credentials]) -> None:
        """Keep what the provider gave, or how it failed: there may be no caller to raise it to."""
        self._refresh = None
        cause = None if refresh.cancelled() else refresh.exception()
        if self._closed:
            return
        self._problem = None
        if refresh.cancelled():
            # Not by `close`: the provider cancelled itself, or awaited a task that was cancelled.
            self._problem = CredentialsError("the credentials provider was cancelled")
        elif isinstance(cause, LambdaCoreError):
            self._problem = cause
        elif cause is not None:
            kind = type(cause).__name__
            self._problem = CredentialsError(f"the credentials provider failed: {kind}")
            self._problem.__cause__ = cause
        if self._problem is None:
            self._keep(refresh.result())
        else:
            self._put_off(self._problem)

    def _put_off(self, problem: LambdaCoreError) -> None:
        """Go on with the old credentials while they are valid, and say so."""
        self._soon = self._settled_until = self._pause()
        old = self._valid()
        if old is None:
            return
        if old.expires_at is None:
            self._soon = self._due = _NEVER
        else:
            self._due = min(max(self._due, self._soon), old.expires_at)
        why = str(problem) if problem.__cause__ is None else f"{problem}: {problem.__cause__}"
        logger.warning(
            "credentials cannot be refreshed: %s; the current ones %s",
            told(why, old.secret_access_key, old.session_token),
            "do not expire" if old.expires_at is None else f"expire at {old.expires_at}",
        )

    def _keep(self, credentials: Credentials) -> None:
        old, self._credentials = self._credentials, credentials
        if old is not None and same_keys(old, credentials):
            self._settled_until = self._pause()
        self.signer.forget()
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

    def _pause(self) -> datetime:
        return self._clock.now() + _PAUSE * (1 + self._jitter())


async def _ask(provide: CredentialsProvider) -> Credentials:
    credentials: object = await provide()
    if not isinstance(credentials, Credentials):
        raise CredentialsError(
            f"the credentials provider gave no Credentials, but {type(credentials).__name__}"
        )
    return credentials


def same_keys(one: Credentials, other: Credentials | None) -> bool:
    """Whether both sign alike, whenever they expire."""
    return other is not None and (
        one.access_key_id == other.access_key_id
        and one.secret_access_key == other.secret_access_key
        and one.session_token == other.session_token
    )


def told(text: str, *secrets: str | None) -> str:
    """Text of another party, for an error or a log: without keys, on one line, and cut.

    Args:
        text: what the other party said.
        secrets: what to take out wherever it stands, besides what looks like a key.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(_KEYS, lambda found: f"{found['name'] or ''}***", text[:_READ])
    return escaped(escaped(text, _SHOWN), _SHOWN)
