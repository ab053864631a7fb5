"""Picture: the connectors of one account in one region, as the caches of a client know them.

Each round lists all connectors, which confirms the connectors whose summaries are unchanged. Gets
read the others. `entries` keeps what they show.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Final, Protocol
from weakref import WeakSet

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.observation import logger
from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorSummary
from lambdacore_async.workflows.cache.entries import (
    Entries,
    Entry,
    compact,
    copy_of,
    is_transient,
)
from lambdacore_async.workflows.cache.reads import Reads
from lambdacore_async.workflows.cache.snapshots import Aged, read_snapshot, write_snapshot
from lambdacore_async.workflows.cache.stats import CacheObserver, CacheStats
from lambdacore_async.workflows.polling import Poller

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
        self._entries = Entries()
        self.index: Mapping[str, Entry] = self._entries.index
        self.failing: bool = False
        self.error: Exception | None = None
        self.misses: int = 0
        self.stale_answers: int = 0
        self._core = core
        self._region = core.pipeline.settings.region
        self._poller = poller
        self._reads = Reads(poller.get, self._record, poller.clock.monotonic)
        self._pages = 0
        self._users: list[User] = []
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
        self._entries.clear()
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
            self._record_connector(identifier, compact(found), sent)
        self._signal()

    def _record_connector(self, identifier: str, connector: NetworkConnector, sent: float) -> None:
        # The ARN of a connector ends with its ID, that of a version with a number.
        is_arn = identifier == connector.arn and identifier.endswith(connector.id)
        if is_arn or identifier in (connector.id, connector.name):
            entry = self._entries.connectors.get(connector.id) or self._add(connector)
            self._entries.name(entry, sent, connector.id, connector.arn, connector.name)
        else:
            known = self._entries.others.get(identifier)
            entry = known or self._entries.put_other(Entry(identifier))
        if entry.record_get(connector, sent, self.clock.monotonic()):
            self._notify(entry.id)

    def _record_error(self, identifier: str, error: Exception, sent: float) -> None:
        entry = self._entries.connectors.get(identifier)
        if not isinstance(error, ResourceNotFoundException):
            if entry is not None and not is_transient(error):
                entry.error = error
            return
        if entry is not None:
            if max(entry.as_of, entry.listed_at, entry.floor) > sent:
                return  # it was seen, or written, after the get was sent
            if entry.may_lag(self.clock.monotonic()):
                entry.error = error
                return
            self._entries.remove(entry)
            self._notify(entry.id)
        elif identifier in self.index and identifier not in self._entries.others:
            return  # a listing has found the name since
        if self._core.was_written(identifier):  # the read may lag behind the creation
            self._entries.forget_other(identifier)
        else:
            missing = copy_of(error)  # without its traceback
            self._entries.put_other(Entry(identifier, read_at=sent, error=missing))

    def _add(self, connector: NetworkConnector | NetworkConnectorSummary) -> Entry:
        entry = self._entries.connectors[connector.id] = Entry(connector.id)
        if connector.last_modified is not None:
            age = (self._core.pipeline.now() - connector.last_modified).total_seconds()
            entry.changed_at = self.clock.monotonic() - max(age, 0.0)
        return entry

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
            keep = max(max(user.max_age + user.stale_if_error, MISSING) for user in self._users)
            self._entries.forget_others(self.clock.monotonic() - keep)
            self._signal()

    def _record_listing(self, listing: Iterable[NetworkConnectorSummary], sent: float) -> None:
        now = self.clock.monotonic()
        listed = confirmed = 0
        # If the listing still has a deleted connector, its name leads to the newer one.
        for summary in sorted(listing, key=lambda each: each.last_modified or _LONG_AGO):
            listed += 1
            entry = self._entries.connectors.get(summary.id)
            if entry is None:
                entry = self._add(summary)
                self._reads.rename(summary.arn, summary.id)
                self._reads.rename(summary.name, summary.id)
            if entry.record_summary(summary, sent, now):
                confirmed += 1
                self._reads.cancel_queued(entry.id)
                self._notify(entry.id)  # consumers have not seen connectors of a snapshot
            names = map(intern, (summary.id, summary.arn, summary.name))
            self._entries.name(entry, sent, *names)
            if entry.is_due(now, is_watched=bool(self._consumers)):
                self._reads.start(entry.id)
        for entry in self._entries.connectors.values():
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
                each
                for each in self._entries.others
                if each.rpartition(":")[0] in names or each in names
            )
            for name in names:
                self._reads.invalidate(name)
                self._entries.forget_other(name)
            if entry is not None and entry.id in self._entries.connectors:
                entry.record_write(now)
                self._reads.start(entry.id)

    # News

    def subscribe(self, consumer: Consumer) -> list[str]:
        """Notify a consumer of changes; return the IDs of the connectors that are known."""
        self._consumers.add(consumer)
        return [each.id for each in self.connectors() if each.as_of >= self._opened_at]

    def connector(self, identifier: str) -> NetworkConnector | None:
        """Return the connector with this ID as last read."""
        entry = self._entries.connectors.get(identifier)
        return None if entry is None else entry.connector

    def connectors(self) -> list[Entry]:
        """Return the entries of all connectors of the account."""
        return list(self._entries.connectors.values())

    @property
    def is_complete(self) -> bool:
        """Whether every connector of the account was read, or cannot be read."""
        return self._is_listed and all(
            entry.as_of > -math.inf or entry.error is not None for entry in self.connectors()
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
            hits=self._entries.hits,
            misses=self.misses,
            stale_answers=self.stale_answers,
            requests=self._reads.sent + self._pages,
            oldest_age=max(ages, default=0.0),
        )

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
            if connector.id in self._entries.connectors:
                continue
            loaded += 1
            entry = self._add(connector)
            entry.connector = connector = compact(connector)
            # Before the opening, so that the first listing replaces the age.
            entry.as_of = min(now - age, math.nextafter(self._opened_at, -math.inf))
            entry.read_at = now - read_age
            self._entries.name(entry, entry.as_of, connector.id, connector.name, connector.arn)
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
