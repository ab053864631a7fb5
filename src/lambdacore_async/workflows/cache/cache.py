"""A cache of the network connectors of an account in a region."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable, Mapping
from datetime import timedelta
from typing import Self

from attrs import frozen

from lambdacore_async.engine.core import Core
from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import ParameterError, ResourceNotFoundException
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR, LIST_NETWORK_CONNECTORS
from lambdacore_async.workflows.cache.changes import CachedConnectorChange, Changes
from lambdacore_async.workflows.cache.entries import Entry, copy_of, is_transient
from lambdacore_async.workflows.cache.picture import MISSING, Picture, picture_of
from lambdacore_async.workflows.cache.stats import CacheStats
from lambdacore_async.workflows.polling import Poller


@frozen
class CachedNetworkConnector:
    """A connector, with its age."""

    connector: NetworkConnector
    """The connector."""
    age: float
    """Seconds since the read that last confirmed the connector was sent."""
    is_stale: bool
    """Whether the connector is older than `max_age`, because the service cannot be reached."""


class NetworkConnectorCache:
    """A cache of the network connectors of an account in a region: use it in `async with`.

    `client.cached_network_connectors` creates it. All caches of a client and its views share the
    connectors of an account and region.

    Args:
        core: makes the calls.
        poller: returns the poller of the client's view.
        max_age: maximum seconds of an answer's age, or a `timedelta`; more than 0.
        stale_if_error: additional seconds, or a `timedelta`, while the service cannot be reached.

    Raises:
        ParameterError: if an argument is out of bounds.
    """

    def __init__(
        self,
        core: Core,
        poller: Callable[[], Poller],
        max_age: float | timedelta,
        stale_if_error: float | timedelta | None,
    ) -> None:
        self.max_age: float = as_seconds("max_age", max_age)
        """The maximum age of an answer in seconds."""
        self.stale_if_error: float = (
            0.0
            if stale_if_error is None
            else as_seconds("stale_if_error", stale_if_error, allow_zero=True)
        )
        """Additional seconds while the service cannot be reached."""
        self.is_open: bool = False
        """Whether the cache is inside `async with`."""
        self._core = core
        self._poller = poller
        self._picture: Picture | None = None
        self._index: Mapping[str, Entry] = {}  # the picture's while the cache is open
        self._now = core.clock.monotonic

    async def __aenter__(self) -> Self:
        await self._core.pipeline.resolve_settings(LIST_NETWORK_CONNECTORS.name)
        if self.is_open:
            raise RuntimeError("the cache is open already: create another one")
        self._picture = picture_of(self._core, self._poller)
        self._picture.open(self)
        self.is_open, self._index = True, self._picture.index
        return self

    async def __aexit__(self, *_: object) -> None:
        picture, self.is_open, self._index = self.picture, False, {}
        await picture.close(self)

    @property
    def picture(self) -> Picture:
        """The state that all caches of the client share in this account and region."""
        if self._picture is None or not self.is_open:
            raise RuntimeError("use the cache inside `async with`")
        return self._picture

    def peek(self, identifier: str) -> NetworkConnector | None:
        """Return a connector from memory, without waiting.

        Without an answer, the cache gets the connector in the background.

        Args:
            identifier: the connector's ID, name or ARN.

        Returns:
            The result of `get` if it needs no waiting, or `None`.

        Raises:
            ParameterError: if the identifier is invalid, or an ARN of another region.
            RuntimeError: if the cache is not open.
        """
        entry = self._hit(identifier)
        return self._peek(identifier) if entry is None else entry.connector

    async def get(self, identifier: str) -> NetworkConnector:
        """Return a connector that is at most `max_age` seconds old, or get it.

        Callers that ask for the same connector at the same time share one call. If that call takes
        longer than `max_age`, its result is still returned.

        Args:
            identifier: the connector's ID, name or ARN. A version-qualified ARN is cached too, and
                read again when it is older than `max_age`.

        Raises:
            ParameterError: if the identifier is invalid, or an ARN of another region.
            ResourceNotFoundException: if the connector does not exist, or did not exist within the
                last 5 seconds.
            LambdaCoreError: if the connector cannot be read, and is too old.
            RuntimeError: if the cache is not open.
        """
        entry = self._hit(identifier) or await self._read(identifier)
        assert entry.connector is not None  # noqa: S101 - an entry with an age has a connector
        return entry.connector

    async def read(self, identifier: str) -> CachedNetworkConnector:
        """Return a connector with its age; see `get` for arguments and errors."""
        entry = self._hit(identifier) or await self._read(identifier)
        assert entry.connector is not None  # noqa: S101 - an entry with an age has a connector
        age = self._now() - entry.as_of
        return CachedNetworkConnector(entry.connector, age, age > self.max_age)

    def age(self, identifier: str) -> float | None:
        """Return the age of a connector in seconds, even above `max_age`.

        Args:
            identifier: the connector's ID, name or ARN.

        Returns:
            Seconds since the last read that confirmed the connector was sent; `None` without such a
            read, or if the client has written the connector since.

        Raises:
            ParameterError: if the identifier is invalid, or an ARN of another region.
        """
        self._check(identifier)
        entry = self._index.get(identifier)
        if entry is None or entry.as_of == -math.inf:
            return None
        return self._now() - entry.as_of

    def all(self) -> tuple[NetworkConnector, ...]:
        """Return all connectors that `peek` would return, without waiting.

        Once `ready` has returned, these are all connectors of the account, while the service can be
        read.

        Raises:
            RuntimeError: if the cache is not open.
        """
        picture, found = self.picture, list[NetworkConnector]()
        for entry in picture.connectors():
            if self._is_usable(entry, failing=picture.failing) and entry.connector is not None:
                self._count(entry)
                found.append(entry.connector)
        return tuple(found)

    async def ready(self) -> None:
        """Wait until every connector of the account has been read or confirmed once.

        This does not wait for connectors that cannot be read for a reason that is not transient.

        Raises:
            LambdaCoreError: if the connectors cannot be listed, for a reason that is not transient.
            RuntimeError: if the cache is not open.
        """
        while (error := self.picture.error) is None and not self.picture.is_complete:
            await self.picture.progress()
        if error is not None:
            raise copy_of(error)

    async def changes(self) -> AsyncGenerator[CachedConnectorChange]:
        """Iterate over changes of the connectors, as the cache notices them.

        It reports every connector as `ConnectorAdded` first. A slow consumer gets the net change.
        When a change arrives, `get` returns that connector or a later one. The iteration ends when
        the cache is left.

        Raises:
            LambdaCoreError: on iteration, if the connectors cannot be listed, for a reason that is
                not transient.
            RuntimeError: on iteration, if the cache is not open.
        """
        pictures = {None: self.picture}
        async for _, change in Changes(pictures, lambda: self.is_open, raises=True):
            yield change

    def stats(self) -> CacheStats:
        """Return figures of all caches of the client, in this account and region."""
        picture = self._picture or self._core.shared.pictures.get(self._core.region or "")
        return picture.stats() if isinstance(picture, Picture) else CacheStats()

    def save(self) -> str:
        """Return a snapshot of the connectors as JSON, for `load` in another process.

        The snapshot has the configuration, the role and the state of each connector, but no
        credentials.

        Raises:
            RuntimeError: if the cache is not open.
        """
        return self.picture.save()

    def load(self, snapshot: str | bytes) -> int:
        """Add the connectors of a snapshot that the cache does not know yet.

        Their age counts from the time of day at which they were read, and only young connectors are
        returned. From the first listing on, only those that the listing confirms are returned,
        which takes no call for each. If a clock was set back, all count as too old until then.

        Args:
            snapshot: the JSON that `save` returned for the same account and region.

        Returns:
            The number of connectors added.

        Raises:
            ParameterError: if it is not a snapshot, has another version or belongs to another
                region.
            RuntimeError: if the cache is not open.
        """
        return self.picture.load(snapshot)

    def _check(self, identifier: str) -> None:
        """Check an identifier.

        Raises:
            ParameterError: if it cannot be sent, or is an ARN of another region.
        """
        GET_NETWORK_CONNECTOR.build_request({"identifier": identifier})
        if self._core.is_elsewhere(identifier):
            raise ParameterError(
                "identifier",
                f"'{escaped(identifier, 256)}' is not in the cache's region, {self._core.region}; "
                "open a cache for its region with client.with_options(region=...), or use "
                "client.cache_across",
            )

    def _hit(self, identifier: str) -> Entry | None:
        """Return and count an entry that is young enough, if there is one."""
        entry = self._index.get(identifier) if isinstance(identifier, str) else None
        if entry is None or self._now() - entry.as_of > self.max_age:
            return None
        entry.hits += 1
        return entry

    def _is_usable(self, entry: Entry, *, failing: bool) -> bool:
        """Return whether an entry is young enough, or young enough for an outage."""
        age = self._now() - entry.as_of
        return age <= self.max_age or (failing and age <= self.max_age + self.stale_if_error)

    def _count(self, entry: Entry, *, called: bool = False) -> None:
        """Count an answer."""
        self.picture.misses += called
        entry.hits += not called
        if self._now() - entry.as_of > self.max_age:
            self.picture.count_stale(entry)

    def _peek(self, identifier: str) -> NetworkConnector | None:
        picture = self.picture
        self._check(identifier)
        entry = self._index.get(identifier)
        if entry is not None and self._is_usable(entry, failing=picture.failing):
            self._count(entry)
            return entry.connector
        if entry is not None and self._is_missing(entry, math.inf):
            entry.hits += 1
        else:
            picture.want(identifier)
        return None

    def _is_missing(self, entry: Entry, asked: float) -> bool:
        """Return whether a connector was not found, shortly before or after a time."""
        since = min(asked, self._now() - min(self.max_age, MISSING))
        return (
            entry.connector is None
            and isinstance(entry.error, ResourceNotFoundException)
            and entry.read_at >= since
        )

    async def _read(self, identifier: str) -> Entry:
        picture = self.picture
        self._check(identifier)
        asked, called, is_gone = self._now(), False, False
        while True:
            entry = self._index.get(identifier)
            if entry is not None:
                if entry.as_of >= asked or self._is_usable(entry, failing=picture.failing):
                    self._count(entry, called=called)
                    return entry
                if entry.error is not None and self._is_missing(entry, asked):
                    entry.hits += 1
                    raise copy_of(entry.error)
            send = identifier if entry is None or is_gone else entry.id
            since, called = min(asked, self._now() - self.max_age), True
            found, sent = await picture.read(send, since)
            picture = self.picture
            known = self._index.get(identifier)
            if isinstance(found, NetworkConnector):
                if known is not None and max(known.as_of, known.floor) < sent >= asked:
                    # The service found another connector than a listing has under this name.
                    known = Entry(identifier, found, as_of=sent)
                    self._count(known, called=True)
                    return known
            elif found is not None:
                if known is not None and self._is_usable(known, failing=is_transient(found)):
                    self._count(known, called=True)
                    return known
                # If its ID was not found, another connector may have the name.
                is_gone = isinstance(found, ResourceNotFoundException) and send != identifier
                if not is_gone:
                    picture.misses += 1
                    raise copy_of(found)
