"""Picture: the connectors of one account in one region, as the caches of a client know them.

Each round lists all connectors, which confirms the connectors whose summaries are unchanged. Gets
read the others. Every time is the moment before a request was sent, so the age of an answer is
never understated.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from sys import intern
from typing import Final, NamedTuple, Protocol
from weakref import WeakSet

from attrs import define, evolve

from lambdacore_async.engine.clock import LAG, Clock
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.observation import logger
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.workflows.cache.reads import Reads
from lambdacore_async.workflows.cache.snapshots import Aged, read_snapshot, write_snapshot
from lambdacore_async.workflows.cache.stats import CacheObserver, CacheStats
from lambdacore_async.workflows.polling import Poller

#: Maximum seconds between two gets of a connector. They find what a summary does not show.
_FULL_READ: Final = 600.0
#: Maximum seconds for which "not found" is kept.
MISSING: Final = 5.0
#: Minimum seconds between two listings.
_MIN_INTERVAL: Final = 1.0
#: Minimum seconds between two listings while the service refuses them.
_REFUSED_INTERVAL: Final = 60.0
#: The most connectors that the service returns per page.
_PAGE_SIZE: Final = 50
_MAX_TEXT: Final = 200
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)

_BUSY: Final = frozenset({NetworkConnectorState.PENDING, NetworkConnectorState.DELETING})


class Consumer(Protocol):
    """Receives changes of a picture."""

    def note(self, picture: Picture, identifier: str) -> None:
        """Note that a connector may have changed."""

    def wake(self) -> None:
        """Let the consumer look for changes."""


class User(Protocol):
    """A cache that uses a picture."""

    max_age: float
    stale_if_error: float


class _Key(NamedTuple):
    """The members of a summary that change with the connector."""

    state: str | None
    last_modified: datetime | None
    latest_version: int | None

    @classmethod
    def of(cls, connector: NetworkConnector | NetworkConnectorSummary) -> _Key:
        return cls(connector.state, connector.last_modified, connector.latest_version)


@define(eq=False, repr=False)
class Entry:
    """The knowledge under an identifier. Times are monotonic, of the moment before a request.

    Attributes:
        id: the connector's ID; for another entry, its identifier.
        connector: the connector as last read.
        as_of: the time of the last read that confirmed the connector.
        read_at: the time of the last get.
        hits: the number of answers.
        hits_at_read: the number of answers before the last get, minus the answers missed since.
        key: the summary in the last listing.
        key_at: the time of the first listing with that summary.
        is_bound: whether the connector is known to match the key.
        changed_at: when the connector last changed, as far as is known.
        listed_at: the time of the last listing that included it.
        floor: reads sent before this time do not count, because a write followed them.
        error: the error of the last get, unless it is transient.
    """

    id: str
    connector: NetworkConnector | None = None
    as_of: float = -math.inf
    read_at: float = -math.inf
    hits: int = 0
    hits_at_read: int = 0
    key: _Key | None = None
    key_at: float = math.inf
    is_bound: bool = False
    changed_at: float = -math.inf
    listed_at: float = -math.inf
    floor: float = -math.inf
    error: Exception | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the connector may change without a change of its summary."""
        connector = self.connector
        return connector is not None and (
            connector.state in _BUSY
            or connector.last_update_status == NetworkConnectorLastUpdateStatus.IN_PROGRESS
        )

    def matches(self, key: _Key) -> bool:
        """Return whether the connector's own members show that it belongs to a summary."""
        connector = self.connector
        return (
            connector is not None
            and connector.last_modified is not None
            and self.read_at >= self.floor
            and _Key.of(connector) == key
        )


class Picture:
    """The connectors of one account in one region, shared by the caches of a client.

    It lists all connectors twice per `max_age` while a cache is open.

    Args:
        core: makes the calls, and reports writes. Its settings are resolved.
        poller: lists and gets connectors.

    Attributes:
        index: the entries by ID, name, ARN and any other identifier that was asked for.
        failing: whether the last read failed for a transient reason.
        error: the error of the last listing, unless it is transient.
        misses: see `CacheStats`.
        stale_answers: see `CacheStats`.
    """

    def __init__(self, core: Core, poller: Poller) -> None:
        self.clock: Clock = poller.clock
        self.index: dict[str, Entry] = {}
        self.failing: bool = False
        self.error: Exception | None = None
        self.misses: int = 0
        self.stale_answers: int = 0
        self._core = core
        self._region = core.pipeline.settings.region
        self._poller = poller
        self._reads = Reads(poller.get, self._record, poller.clock.monotonic)
        self._former_hits = self._pages = 0
        self._users: list[User] = []
        #: The connectors of the account, by ID.
        self._connectors: dict[str, Entry] = {}
        #: Versions, and identifiers that were not found.
        self._others: dict[str, Entry] = {}
        self._consumers: WeakSet[Consumer] = WeakSet()
        self._progress = asyncio.Event()
        #: The task that polls, and its predecessors that are ending.
        self._polls: set[asyncio.Task[None]] = set()
        self._polling: asyncio.Task[None] | None = None
        self._interval = math.inf
        self._opened_at = math.inf
        self._is_listed = False

    # Opening and closing

    def open(self, user: User) -> None:
        """Poll for a cache until it is closed."""
        if not self._users:
            self._opened_at = self.clock.monotonic()
            self._core.shared.on_write.append(self._invalidate)
            hook = self._core.shared.on_call
            if isinstance(hook, CacheObserver):
                hook.add_cache(self.stats, self._region, self._core.options.label)
        self._users.append(user)
        if self._polling is None or self._polling.done() or self._next_interval() < self._interval:
            if self._polling is not None:
                self._polling.cancel()
            self._polling = asyncio.create_task(self._poll())
            self._polls.add(self._polling)
            self._polling.add_done_callback(self._polls.discard)

    async def close(self, user: User) -> None:
        """Stop polling for a cache; forget everything after the last one."""
        self._users.remove(user)
        self._signal()
        if self._users:
            return
        self._core.shared.on_write.remove(self._invalidate)
        hook = self._core.shared.on_call
        if isinstance(hook, CacheObserver):
            hook.remove_cache(self.stats)
        self._former_hits += sum(entry.hits for entry in self._entries())
        for held in (self.index, self._connectors, self._others):
            held.clear()
        self._is_listed, self.failing, self.error, self._polling = False, False, None, None
        polls = list(self._polls)
        for poll in polls:
            poll.cancel()
        await asyncio.gather(*self._reads.cancel(), *polls, return_exceptions=True)

    def _next_interval(self) -> float:
        return max(min(user.max_age for user in self._users) / 2, _MIN_INTERVAL)

    # Reading

    async def read(
        self, identifier: str, since: float
    ) -> tuple[NetworkConnector | Exception | None, float]:
        """Get a connector, or wait for a get in progress.

        Args:
            identifier: the identifier to send.
            since: the earliest time at which the get may have been sent.

        Returns:
            The result of the get, and the time at which it was sent; nothing if a write followed
            it.
        """
        read = self._reads.start(identifier, since, wants=1)
        await asyncio.wait([read.done])  # the get outlives a cancelled caller
        return read.done.result() if read.is_valid else None, read.sent

    def want(self, identifier: str) -> None:
        """Read a connector in the background, before those that fewer callers want."""
        self.misses += 1
        entry = self.index.get(identifier)
        if entry is not None:
            entry.hits_at_read -= 1
            identifier = entry.id
        self._reads.start(identifier, wants=1)

    def count_stale(self, entry: Entry) -> None:
        """Count an answer that is too old because the service could not be reached."""
        self.stale_answers += 1
        if self.error is not None:  # no listing finds that the service can be reached again
            self._reads.start(entry.id)

    # Results of gets

    def _record(self, identifier: str, found: NetworkConnector | Exception, sent: float) -> None:
        if isinstance(found, Exception):
            self._set_failing(found)
            self._record_error(identifier, found, sent)
        else:
            self._set_failing(None)
            self._record_connector(identifier, _compact(found), sent)
        self._signal()

    def _record_connector(self, identifier: str, connector: NetworkConnector, sent: float) -> None:
        # The ARN of a connector ends with its ID, that of a version with a number.
        is_arn = identifier == connector.arn and identifier.endswith(connector.id)
        if is_arn or identifier in (connector.id, connector.name):
            entry = self._connectors.get(connector.id)
            if entry is None:
                entry = self._add(connector)
            self._name(entry, sent, connector.id, connector.arn, connector.name)
        else:
            entry = self._others.setdefault(identifier, Entry(identifier))
            self.index[identifier] = entry
        if sent < max(entry.read_at, entry.floor):
            return
        before = entry.connector
        # Reads may lag behind a change for a while. One that does confirms what is known. A failed
        # update may restore the time of the last change.
        failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
        may_lag = sent - entry.changed_at <= LAG and not failed
        if may_lag and before is not None and _is_before(connector, before):
            connector = before
        entry.connector = connector
        entry.as_of, entry.read_at = max(entry.as_of, sent), sent
        entry.hits_at_read, entry.error = entry.hits, None
        entry.is_bound = entry.key is not None and (
            entry.matches(entry.key)
            or (sent >= entry.key_at and not (may_lag and _is_before(connector, entry.key)))
        )
        if entry.key == (own := _Key.of(connector)):
            entry.key = own  # one copy is enough
        if before != connector:
            if before is not None:
                entry.changed_at = self.clock.monotonic()
            self._notify(entry.id)

    def _record_error(self, identifier: str, error: Exception, sent: float) -> None:
        entry = self._connectors.get(identifier)
        if not isinstance(error, ResourceNotFoundException):
            if entry is not None and not is_transient(error):
                entry.error = error
            return
        if entry is not None:
            if max(entry.as_of, entry.listed_at, entry.floor) > sent:
                return  # it was seen, or written, after the get was sent
            if self._may_lag(entry):
                entry.error = error
                return
            self._remove(entry)
        elif identifier in self.index and identifier not in self._others:
            return  # a listing has found the name since
        self._forget_other(identifier)
        if self._core.was_written(identifier):  # the read may lag behind the creation
            return
        missing = Entry(identifier, read_at=sent, error=copy_of(error))  # without its traceback
        self.index[identifier] = self._others[identifier] = missing

    def _may_lag(self, entry: Entry) -> bool:
        """Return whether "not found" may come from a read that lags behind the creation."""
        known = entry.connector or entry.key
        return (
            known is None or known.state != NetworkConnectorState.DELETING
        ) and self.clock.monotonic() - entry.changed_at <= LAG

    def _add(self, connector: NetworkConnector | NetworkConnectorSummary) -> Entry:
        entry = self._connectors[connector.id] = Entry(connector.id)
        if connector.last_modified is not None:
            age = (self._core.pipeline.now() - connector.last_modified).total_seconds()
            entry.changed_at = self.clock.monotonic() - max(age, 0.0)
        return entry

    def _forget_other(self, identifier: str) -> None:
        other = self._others.pop(identifier, None)
        if other is not None:
            self._former_hits += other.hits
            del self.index[identifier]

    def _name(self, entry: Entry, sent: float, *names: str) -> None:
        """Let names find a connector, except names under which another connector was seen later.

        A name that is the ID of another connector finds that one.
        """
        for name in names:
            other = self.index.get(name)
            if other is None or (
                other is not entry
                and (name == entry.id or name not in self._connectors)
                and max(other.as_of, other.listed_at, other.read_at) <= sent
            ):
                self._forget_other(name)
                self.index[name] = entry

    def _remove(self, entry: Entry) -> None:
        del self._connectors[entry.id]
        self._former_hits += entry.hits
        for name in [name for name, each in self.index.items() if each is entry]:
            del self.index[name]
        self._notify(entry.id)

    # Listings

    async def _poll(self) -> None:
        self._interval = 0.0
        while True:
            now = self.clock.monotonic()
            sent = self._poller.next_round(self._interval) if self._interval else now
            try:
                # Without a name for the listing, which would be kept until the next one.
                self._record_listing(await self._poller.list_all(self._interval), sent)
            except Exception as error:  # noqa: BLE001 - callers raise it
                self._set_failing(error)
                self._interval = self._next_interval()
                if not is_transient(error):
                    self.error = error
                    self._interval = max(self._interval, _REFUSED_INTERVAL)
                    self._log(logging.WARNING, "the cache cannot list the connectors", error)
                    if not isinstance(error, LambdaCoreError):  # such as a closed client
                        self._signal()
                        return
            else:
                self._set_failing(None)
                self.error, self._interval = None, self._next_interval()
            self._forget_old()
            self._signal()

    def _record_listing(self, listing: Iterable[NetworkConnectorSummary], sent: float) -> None:
        now = self.clock.monotonic()
        listed = confirmed = 0
        # If the listing still has a deleted connector, its name leads to the newer one.
        for summary in sorted(listing, key=lambda each: each.last_modified or _LONG_AGO):
            listed += 1
            entry = self._connectors.get(summary.id)
            if entry is None:
                entry = self._add(summary)
                self._reads.rename(summary.arn, summary.id)
                self._reads.rename(summary.name, summary.id)
            entry.listed_at = sent
            self._name(entry, sent, *map(intern, (summary.id, summary.arn, summary.name)))
            key = _Key.of(summary)
            if sent >= entry.floor and key != entry.key:
                if entry.key is not None:
                    entry.changed_at = now
                entry.key, entry.key_at, entry.is_bound = key, sent, entry.matches(key)
            if self._confirm(entry, sent):
                confirmed += 1
            if self._is_due(entry, now):
                self._reads.start(entry.id)
        for entry in self._connectors.values():
            if entry.as_of < self._opened_at:
                entry.as_of = -math.inf  # a snapshot's age, which the time of day may understate
            if entry.listed_at < sent and entry.read_at < sent:
                self._reads.start(entry.id)  # to see whether it is gone
        self._pages += max(math.ceil(listed / _PAGE_SIZE), 1)
        self._is_listed = True
        if logger.isEnabledFor(logging.DEBUG):
            stats = self.stats()
            self._log(
                logging.DEBUG,
                "the cache has listed the connectors",
                listed=listed,
                unchanged=confirmed,
                to_get=len(self._reads),
                hit_rate=stats.hit_rate,
                calls_saved=stats.calls_saved,
                oldest_age=stats.oldest_age,
            )

    def _forget_old(self) -> None:
        """Forget versions and identifiers that were not read for a while."""
        keep = max(max(user.max_age + user.stale_if_error, MISSING) for user in self._users)
        oldest = self.clock.monotonic() - keep
        for identifier in [each for each, other in self._others.items() if other.read_at < oldest]:
            self._forget_other(identifier)

    def _confirm(self, entry: Entry, sent: float) -> bool:
        """Let a listing confirm a connector, if the connector cannot have changed."""
        if not entry.is_bound or entry.is_busy or sent < entry.floor:
            return False
        entry.as_of = max(entry.as_of, sent)
        self._reads.cancel_queued(entry.id)
        self._notify(entry.id)  # consumers have not seen connectors of a snapshot
        return True

    def _is_due(self, entry: Entry, now: float) -> bool:
        """Return whether to get a listed connector."""
        if not entry.is_bound:
            return True
        lag = entry.read_at - entry.changed_at
        if lag <= LAG and now - entry.read_at >= lag:  # the last get may have missed the change
            return True
        if entry.is_busy and (entry.hits > entry.hits_at_read or self._consumers):
            return True
        # From half of the maximum, so that connectors that were read together are not due together.
        return now - entry.read_at > _FULL_READ * (1 - (hash(entry.id) & 255) / 512)

    # Writes

    def _invalidate(self, *identifiers: str) -> None:
        """Forget the age of connectors that the client has written, and of their versions."""
        now = self.clock.monotonic()
        for identifier in identifiers:
            entry = self.index.get(identifier)
            names = {identifier}
            if entry is not None:
                names.add(entry.id)
                if entry.connector is not None:
                    names |= {entry.connector.name, entry.connector.arn}
            names.update(
                each for each in self._others if each.rpartition(":")[0] in names or each in names
            )
            for name in names:
                self._reads.invalidate(name)
                self._forget_other(name)
            if entry is not None and entry.id in self._connectors:
                entry.as_of, entry.floor, entry.changed_at = -math.inf, now, now
                entry.key, entry.is_bound = None, False
                self._reads.start(entry.id)

    # News

    def subscribe(self, consumer: Consumer) -> list[str]:
        """Notify a consumer of changes; return the IDs of the connectors that are known."""
        self._consumers.add(consumer)
        return [each.id for each in self._connectors.values() if each.as_of >= self._opened_at]

    def connector(self, identifier: str) -> NetworkConnector | None:
        """Return the connector with this ID as last read."""
        entry = self._connectors.get(identifier)
        return None if entry is None else entry.connector

    def connectors(self) -> list[Entry]:
        """Return the entries of all connectors of the account."""
        return list(self._connectors.values())

    @property
    def is_complete(self) -> bool:
        """Whether every connector of the account was read, or cannot be read."""
        return self._is_listed and all(
            entry.as_of > -math.inf or entry.error is not None
            for entry in self._connectors.values()
        )

    async def progress(self) -> None:
        """Wait until a connector is read or a cache is closed."""
        await self._progress.wait()

    def stats(self) -> CacheStats:
        """Return the figures of all caches. Any thread may call this."""
        now = self.clock.monotonic()
        # A copy, because the event loop may add and remove entries at the same time.
        ages = [now - each.as_of for each in self.connectors() if each.as_of > -math.inf]
        return CacheStats(
            connectors=len(ages),
            hits=self._former_hits + sum(entry.hits for entry in self._entries()),
            misses=self.misses,
            stale_answers=self.stale_answers,
            requests=self._reads.sent + self._pages,
            oldest_age=max(ages, default=0.0),
        )

    def _entries(self) -> list[Entry]:
        return [*self._connectors.values(), *self._others.values()]

    def _notify(self, identifier: str) -> None:
        for consumer in self._consumers:
            consumer.note(self, identifier)

    def _signal(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()
        for consumer in self._consumers:
            consumer.wake()

    def _set_failing(self, error: Exception | None) -> None:
        failing = error is not None and is_transient(error)
        if failing and not self.failing:
            self._log(logging.WARNING, "the cache cannot reach the service", error)
        elif self.failing and not failing:
            self._log(logging.INFO, "the cache can reach the service again")
        self.failing = failing

    def _log(
        self, level: int, message: str, error: Exception | None = None, **values: object
    ) -> None:
        if level > logging.DEBUG:
            limit, now = self._core.shared.log_limit, self.clock.monotonic()
            values["withheld"] = withheld = limit.admits(message, self._region, now)
            if withheld is None:
                return
        if error is not None:
            values["error"] = escaped(str(error), _MAX_TEXT)
        label = self._core.options.label
        logger.log(level, message, extra={"region": self._region, "label": label, **values})

    # Snapshots

    def save(self) -> str:
        """See `NetworkConnectorCache.save`."""
        now = self.clock.monotonic()
        aged = [
            Aged(entry.connector, now - entry.as_of, now - entry.read_at)
            for entry in self.connectors()
            if entry.connector is not None and min(entry.as_of, entry.read_at) > -math.inf
        ]
        return write_snapshot(aged, self._region, self._core.pipeline.now())

    def load(self, snapshot: str | bytes) -> int:
        """See `NetworkConnectorCache.load`."""
        now, time = self.clock.monotonic(), self._core.pipeline.now()
        loaded = 0
        for connector, age, read_age in read_snapshot(snapshot, self._region, time):
            if connector.id in self._connectors:
                continue
            loaded += 1
            entry = self._add(connector)
            entry.connector = connector = _compact(connector)
            # Before the opening, so that the first listing replaces the age.
            entry.as_of = min(now - age, math.nextafter(self._opened_at, -math.inf))
            entry.read_at = now - read_age
            self._name(entry, entry.as_of, connector.id, connector.name, connector.arn)
        return loaded


def picture_of(core: Core, poller: Callable[[], Poller]) -> Picture:
    """Return the picture that all views of a client for an account and region share.

    Args:
        core: makes the calls of a view, whose settings are resolved.
        poller: returns the poller of the view. The first view's polls for all.
    """
    pictures, region = core.shared.pictures, core.pipeline.settings.region
    picture = pictures.get(region)
    if not isinstance(picture, Picture):
        picture = pictures[region] = Picture(core, poller())
    return picture


def _is_before(connector: NetworkConnector, other: NetworkConnector | _Key) -> bool:
    """Return whether a connector is certainly older than another observation of it."""
    before, after = connector.last_modified, other.last_modified
    return before is not None and after is not None and before < after


def _compact(connector: NetworkConnector) -> NetworkConnector:
    """Return a connector that shares texts with others, without the metadata of its response."""
    configuration = connector.configuration
    if isinstance(configuration, VpcEgressConfiguration):
        configuration = evolve(
            configuration,
            subnet_ids=_interned(configuration.subnet_ids),
            security_group_ids=_interned(configuration.security_group_ids),
        )
    role, reason = connector.operator_role, connector.state_reason
    return evolve(
        connector,
        arn=intern(connector.arn),
        id=intern(connector.id),
        name=intern(connector.name),
        configuration=configuration,
        operator_role=None if role is None else intern(role),
        state_reason=None if reason is None else intern(reason),
        response_metadata=None,
    )


def _interned(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(map(intern, texts))


def is_transient(error: Exception) -> bool:
    """Return whether a read may succeed later."""
    return isinstance(error, LambdaCoreError) and (error.transient or error.throttling)


def copy_of(error: Exception) -> Exception:
    """Return a copy of an error, because raising an error changes it."""
    return copy.copy(error) if isinstance(error, LambdaCoreError) else error
