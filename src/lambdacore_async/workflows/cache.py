"""A cache of network connectors, kept fresh by the listings that waiters and watches share.

A picture holds the connectors of one account in one region for all caches of a client. Each round
lists all connectors, which confirms the connectors whose summaries are unchanged. Gets read the
others. Every time is the moment before a request was sent, so the age of an answer is never
understated.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from sys import intern
from types import TracebackType
from typing import Any, Final, NamedTuple, Self, TypeAlias, TypeVar
from weakref import WeakSet

from attrs import define, evolve, frozen

from lambdacore_async.engine.clock import LAG, Clock
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import LambdaCoreError, ParameterError, ResourceNotFoundException
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR, LIST_NETWORK_CONNECTORS
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.polling import Poller
from lambdacore_async.workflows.targets import Target
from lambdacore_async.workflows.watching import (
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    change_between,
)

logger: Final = logging.getLogger("lambdacore_async")

CachedConnectorChange: TypeAlias = (
    ConnectorAdded[NetworkConnector]
    | ConnectorStateChanged[NetworkConnector]
    | ConnectorUpdated[NetworkConnector]
    | ConnectorDeleted[NetworkConnector]
)
"""One change of one connector, with whole connectors."""

Result = TypeVar("Result")

#: Maximum seconds between two gets of a connector. They find what a summary does not show.
_FULL_READ: Final = 600.0
#: Maximum seconds for which "not found" is kept.
_MISSING: Final = 5.0
#: Minimum seconds between two listings.
_MIN_INTERVAL: Final = 1.0
#: Minimum seconds between two listings while the service refuses them.
_REFUSED_INTERVAL: Final = 60.0
#: Maximum concurrent gets. More of them would delay the listings, which confirm all connectors.
_MAX_GETS: Final = 10
#: The most connectors that the service returns per page.
_PAGE_SIZE: Final = 50
_SNAPSHOT_VERSION: Final = 1

_BUSY: Final = frozenset({NetworkConnectorState.PENDING, NetworkConnectorState.DELETING})


@frozen
class CachedNetworkConnector:
    """A connector, with the age of what is known of it."""

    connector: NetworkConnector
    """The connector."""
    age: float
    """Seconds since the read that last confirmed the connector was sent."""
    is_stale: bool
    """Whether the connector is older than `max_age`, because the service cannot be reached."""


@frozen(kw_only=True)
class CacheStats:
    """Figures of all caches of a client for one account in one region, since the first one."""

    connectors: int
    """The number of connectors held."""
    hits: int
    """Answers that needed no call."""
    misses: int
    """Answers that waited for a call, and `peek`s without an answer."""
    stale_answers: int
    """Answers that were older than `max_age`, given because of `stale_if_error`."""
    requests: int
    """Calls made: gets, and pages of listings. Retries are not counted."""
    oldest_age: float
    """The age of the oldest connector held, in seconds; 0 without connectors."""

    @property
    def hit_rate(self) -> float:
        """The share of answers that needed no call, 0 to 1; 0 before the first answer."""
        return self.hits / max(self.hits + self.misses, 1)

    @property
    def calls_saved(self) -> int:
        """Calls saved compared with a call for each answer; negative if the cache costs more."""
        return self.hits + self.misses - self.requests


class _Key(NamedTuple):
    """The members of a summary that change with the connector."""

    state: str | None
    last_modified: datetime | None
    latest_version: int | None

    @classmethod
    def of(cls, connector: NetworkConnector | NetworkConnectorSummary) -> _Key:
        return cls(connector.state, connector.last_modified, connector.latest_version)


@define(eq=False, repr=False)
class _Entry:
    """What is known under an identifier. Times are monotonic, of the moment before a request.

    Attributes:
        id: the connector's ID; for another entry, its identifier.
        connector: the connector as last read.
        as_of: the time of the last read that confirmed the connector.
        read_at: the time of the last get.
        hits: the number of answers.
        hits_at_read: the number of answers before the last get, less the answers missed since.
        key: the summary in the last listing.
        key_at: the time of the first listing with that summary.
        is_bound: whether the connector is known to match the key.
        changed_at: when the connector last changed, as far as is known.
        listed_at: the time of the last listing that had it.
        floor: reads sent before this time do not count, because a write followed them.
        error: why the last get failed, if it may not succeed later.
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


@define(eq=False, repr=False)
class _Flight:
    """A get that is queued or in progress, shared by all callers that want its result.

    Attributes:
        identifier: the identifier to send.
        done: the end of the get, with its error.
        sent: the time at which it started; infinite while it is queued.
        wants: the number of callers that want it.
        place: the number of its place in the queue; 0 if it is not queued.
        is_valid: whether no write happened since it started.
    """

    identifier: str
    done: asyncio.Future[Exception | None]
    sent: float = math.inf
    wants: int = 0
    place: int = 0
    is_valid: bool = True


class Picture:
    """The connectors of one account in one region, shared by the caches of a client.

    It lists all connectors twice per `max_age` while a cache is open.

    Args:
        core: makes the calls, and reports writes.
        poller: lists and gets connectors.

    Attributes:
        index: the entries by ID, name, ARN and any other identifier that was asked for.
        failing: whether the last read failed for a passing reason.
        error: the lasting error of the last listing.
    """

    def __init__(self, core: Core, poller: Poller) -> None:
        self.core = core
        self.clock: Clock = poller.clock
        self.index: dict[str, _Entry] = {}
        self.failing: bool = False
        self.error: Exception | None = None
        self.misses: int = 0
        self.stale_answers: int = 0
        self._former_hits = self._requests = 0
        self._poller = poller
        self._caches: list[NetworkConnectorCache] = []
        #: The connectors of the account, by ID.
        self._connectors: dict[str, _Entry] = {}
        #: Versions, identifiers that were not found, and those to be read for the first time.
        self._others: dict[str, _Entry] = {}
        self._flights: dict[str, _Flight] = {}
        #: All tasks, of listings and of gets.
        self._tasks: set[asyncio.Task[object]] = set()
        self._in_flight = 0
        self._queue: list[tuple[int, int, _Flight]] = []
        self._places = count(1)
        self._consumers: WeakSet[_Changes] = WeakSet()
        self._progress = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._interval = math.inf
        self._opened_at = math.inf
        self._is_listed = False

    # Opening and closing

    async def open(self, cache: NetworkConnectorCache) -> None:
        """Poll for a cache until it is closed.

        Raises:
            ConfigurationError: if the settings of the client cannot be used.
        """
        await self.core.pipeline.resolve_settings(LIST_NETWORK_CONNECTORS.name)
        if not self._caches:
            self._opened_at = self.clock.monotonic()
            self.core.shared.on_write.append(self._invalidate)
        self._caches.append(cache)
        if self._polling is None or self._polling.done() or self._next_interval() < self._interval:
            if self._polling is not None:
                self._polling.cancel()
            self._polling = self._run(self._poll())

    async def close(self, cache: NetworkConnectorCache) -> None:
        """Stop polling for a cache; forget everything after the last one."""
        self._caches.remove(cache)
        self._signal()
        if self._caches:
            return
        self.core.shared.on_write.remove(self._invalidate)
        self._former_hits += sum(entry.hits for entry in self._entries())
        for flight in self._flights.values():
            flight.done.cancel()
        for held in (self.index, self._connectors, self._others, self._flights, self._queue):
            held.clear()
        self._is_listed, self.failing, self.error, self._polling = False, False, None, None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _next_interval(self) -> float:
        return max(min(cache.max_age for cache in self._caches) / 2, _MIN_INTERVAL)

    # Reading

    def check(self, identifier: str) -> None:
        """Check an identifier.

        Raises:
            ParameterError: if it cannot be sent, or is an ARN of another region.
        """
        GET_NETWORK_CONNECTOR.build_request({"identifier": identifier})
        if self.core.is_elsewhere(identifier):
            raise ParameterError(
                "identifier",
                f"'{escaped(identifier, 256)}' is not in the cache's region, "
                f"{self.core.pipeline.settings.region}; open a cache for its region with "
                "client.with_options(region=...), or use client.cache_across",
            )

    async def read(self, identifier: str, since: float) -> tuple[str, Exception | None]:
        """Get a connector, or wait for a get in progress.

        Args:
            identifier: the identifier.
            since: the earliest time at which the get may have started.

        Returns:
            The identifier that was sent, and the error of the get.
        """
        entry = self.index.get(identifier)
        flight = self._enqueue(identifier if entry is None else entry.id, since, wants=1)
        await asyncio.wait([flight.done])  # the get outlives a cancelled caller
        if flight.done.cancelled():
            raise _not_open()
        return flight.identifier, flight.done.result()

    def want(self, identifier: str) -> None:
        """Read a connector in the background, before those that fewer callers want."""
        self.misses += 1
        entry = self.index.get(identifier)
        if entry is not None:
            entry.hits_at_read -= 1
            identifier = entry.id
        self._enqueue(identifier, wants=1)

    def _enqueue(self, identifier: str, since: float = -math.inf, *, wants: int = 0) -> _Flight:
        """Queue a get, unless one is queued or was sent after a time."""
        flight = self._flights.get(identifier)
        if flight is None or flight.sent < since:
            done = asyncio.get_running_loop().create_future()
            flight = self._flights[identifier] = _Flight(identifier, done)
        elif wants == 0:
            return flight
        flight.wants += wants
        if flight.sent == math.inf:
            flight.place = next(self._places)  # an earlier place no longer counts
            heappush(self._queue, (-flight.wants, flight.place, flight))
            self._send()
        return flight

    def _send(self) -> None:
        """Start the gets that most callers want."""
        while self._queue and self._in_flight < _MAX_GETS:
            _, place, flight = heappop(self._queue)
            if flight.place == place:
                flight.place = 0
                flight.sent = self.clock.monotonic()
                self._in_flight += 1
                self._run(self._get(flight))

    def _run(self, work: Coroutine[None, None, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _get(self, flight: _Flight) -> None:
        self._requests += 1
        identifier, failure = flight.identifier, None
        try:
            connector = await self._poller.get(identifier)
        except Exception as error:  # noqa: BLE001 - its callers raise it
            failure = error
            if flight.is_valid:
                self._record_error(identifier, error, flight.sent)
        else:
            if flight.is_valid:
                self._record(identifier, connector, flight.sent)
        finally:
            self._in_flight -= 1
            self._end(flight, failure)
            self._send()
            self._signal()

    def _end(self, flight: _Flight, error: Exception | None) -> None:
        """Wake the callers of a get."""
        if self._flights.get(flight.identifier) is flight:
            del self._flights[flight.identifier]
        flight.place = 0
        if not flight.done.done():
            flight.done.set_result(error)

    # Results of gets

    def _record(self, identifier: str, connector: NetworkConnector, sent: float) -> None:
        self._set_failing(None)
        connector = _compact(connector)
        if identifier in (connector.id, connector.name, connector.arn):
            entry = self._connectors.get(connector.id)
            if entry is None:
                entry = self._add(connector)
            self._name(entry, sent, connector.id, connector.arn, connector.name)
        else:  # a version
            entry = self._others.setdefault(identifier, _Entry(identifier))
            self.index[identifier] = entry
        if sent < max(entry.read_at, entry.floor):
            return
        before, entry.connector = entry.connector, connector
        entry.as_of, entry.read_at = max(entry.as_of, sent), sent
        entry.hits_at_read, entry.error = entry.hits, None
        entry.is_bound = entry.key is not None and (
            sent >= entry.key_at or entry.matches(entry.key)
        )
        if entry.key == (own := _Key.of(connector)):
            entry.key = own  # one copy is enough
        if before != connector:
            if before is not None:
                entry.changed_at = self.clock.monotonic()
            self._notify(entry.id)

    def _record_error(self, identifier: str, error: Exception, sent: float) -> None:
        self._set_failing(error)
        entry = self._connectors.get(identifier)
        if not isinstance(error, ResourceNotFoundException):
            if entry is not None and not _is_transient(error):
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
        if self.core.was_written(identifier):  # the read may lag behind the creation
            return
        missing = _Entry(identifier, read_at=sent, error=_copy(error))  # without its traceback
        self.index[identifier] = self._others[identifier] = missing

    def _may_lag(self, entry: _Entry) -> bool:
        """Return whether "not found" may come from a read that lags behind the creation."""
        known = entry.connector or entry.key
        return (
            known is None or known.state != NetworkConnectorState.DELETING
        ) and self.clock.monotonic() - entry.changed_at <= LAG

    def _add(self, connector: NetworkConnector | NetworkConnectorSummary) -> _Entry:
        entry = self._connectors[connector.id] = _Entry(connector.id)
        if connector.last_modified is not None:
            age = (self.clock.now() - connector.last_modified).total_seconds()
            entry.changed_at = self.clock.monotonic() - max(age, 0.0)
        return entry

    def _forget_other(self, identifier: str) -> None:
        other = self._others.pop(identifier, None)
        if other is not None:
            self._former_hits += other.hits
            del self.index[identifier]

    def _name(self, entry: _Entry, sent: float, *names: str) -> None:
        """Let names lead to a connector, unless another connector was seen under one later."""
        for name in names:
            other = self.index.get(name)
            if other is None or (
                other is not entry and max(other.as_of, other.listed_at, other.read_at) <= sent
            ):
                self._forget_other(name)
                self.index[name] = entry

    def _remove(self, entry: _Entry) -> None:
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
                if not _is_transient(error):
                    self.error = error
                    self._interval = max(self._interval, _REFUSED_INTERVAL)
                    logger.warning("cache: connectors cannot be listed: %s", _shown(error))
                    if not isinstance(error, LambdaCoreError):  # such as a closed client
                        self._signal()
                        return
            else:
                self._set_failing(None)
                self.error, self._interval = None, self._next_interval()
            self._signal()

    def _record_listing(self, listing: Iterable[NetworkConnectorSummary], sent: float) -> None:
        now = self.clock.monotonic()
        listed = confirmed = 0
        for summary in listing:
            listed += 1
            entry = self._connectors.get(summary.id)
            if entry is None:
                entry = self._add(summary)
            entry.listed_at = sent
            self._name(entry, sent, intern(summary.id), intern(summary.name))
            key = _Key.of(summary)
            if sent >= entry.floor and key != entry.key:
                if entry.key is not None:
                    entry.changed_at = now
                entry.key, entry.key_at, entry.is_bound = key, sent, entry.matches(key)
            if self._confirm(entry, sent):
                confirmed += 1
            if self._is_due(entry, now):
                self._enqueue(entry.id)
        for entry in self._connectors.values():
            if entry.listed_at < sent and entry.read_at < sent:
                self._enqueue(entry.id)  # to see whether it is gone
        keep = max(max(cache.max_age + cache.stale_if_error, _MISSING) for cache in self._caches)
        for identifier, other in list(self._others.items()):
            if now - other.read_at > keep:
                self._forget_other(identifier)
        self._requests += max(math.ceil(listed / _PAGE_SIZE), 1)
        self._is_listed = True
        logger.debug(
            "cache: %d connectors listed, %d unchanged, %d to get",
            listed, confirmed, len(self._flights),
        )  # fmt: skip

    def _confirm(self, entry: _Entry, sent: float) -> bool:
        """Let a listing confirm a connector, if the connector cannot have changed."""
        if not entry.is_bound or entry.is_busy or sent < entry.floor:
            return False
        entry.as_of = max(entry.as_of, sent)
        flight = self._flights.get(entry.id)
        if flight is not None and flight.sent == math.inf:
            self._end(flight, None)  # its callers can have the connector now
        self._notify(entry.id)  # consumers have not seen connectors of a snapshot
        return True

    def _is_due(self, entry: _Entry, now: float) -> bool:
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
        """Forget the age of a connector that the client has written."""
        now = self.clock.monotonic()
        for identifier in identifiers:
            entry = self.index.get(identifier)
            names = {identifier}
            if entry is not None and entry.connector is not None:
                names |= {entry.id, entry.connector.name, entry.connector.arn}
            for name in names:
                flight = self._flights.get(name)
                if flight is not None and flight.sent < math.inf:
                    flight.is_valid = False
                    del self._flights[name]
            if entry is None:
                continue
            if identifier in self._others:
                self._forget_other(identifier)
            else:
                entry.as_of, entry.floor, entry.changed_at = -math.inf, now, now
                entry.key, entry.is_bound = None, False
                self._enqueue(entry.id)

    # News

    def subscribe(self, consumer: _Changes) -> list[str]:
        """Notify a consumer of changes; return the IDs of the connectors that are known."""
        self._consumers.add(consumer)
        return [each.id for each in self._connectors.values() if each.as_of >= self._opened_at]

    def connector(self, identifier: str) -> NetworkConnector | None:
        """Return the connector with this ID as last read."""
        entry = self._connectors.get(identifier)
        return None if entry is None else entry.connector

    def connectors(self) -> list[_Entry]:
        """Return the entries of all connectors of the account."""
        return list(self._connectors.values())

    async def ready(self, cache: NetworkConnectorCache) -> None:
        """Wait for a cache until every connector was read.

        Raises:
            LambdaCoreError: if the connectors cannot be listed, for a lasting reason.
        """
        while True:
            if not cache.is_open:
                raise _not_open()
            if self.error is not None:
                raise _copy(self.error)
            if self._is_listed and all(
                entry.connector is not None or entry.error is not None
                for entry in self._connectors.values()
            ):
                return
            await self._progress.wait()

    def stats(self) -> CacheStats:
        """Return the figures of all caches."""
        now = self.clock.monotonic()
        ages = [now - each.as_of for each in self._connectors.values() if each.as_of > -math.inf]
        return CacheStats(
            connectors=len(ages),
            hits=self._former_hits + sum(entry.hits for entry in self._entries()),
            misses=self.misses,
            stale_answers=self.stale_answers,
            requests=self._requests,
            oldest_age=max(ages, default=0.0),
        )

    def _entries(self) -> Iterator[_Entry]:
        yield from self._connectors.values()
        yield from self._others.values()

    def _notify(self, identifier: str) -> None:
        for consumer in self._consumers:
            consumer.note(self, identifier)

    def _signal(self) -> None:
        self._progress.set()
        self._progress = asyncio.Event()
        for consumer in self._consumers:
            consumer.wake()

    def _set_failing(self, error: Exception | None) -> None:
        failing = error is not None and _is_transient(error)
        if failing and not self.failing:
            logger.warning("cache: the service cannot be read: %s", _shown(error))
        elif self.failing and not failing:
            logger.info("cache: the service can be read again")
        self.failing = failing

    # Snapshots

    def save(self) -> str:
        """See `NetworkConnectorCache.save`."""
        offset = self.clock.now().timestamp() - self.clock.monotonic()
        saved = [
            {
                "connector": to_dict(entry.connector),
                "confirmed_at": entry.as_of + offset,
                "read_at": entry.read_at + offset,
            }
            for entry in self._connectors.values()
            if entry.connector is not None and entry.as_of > -math.inf
        ]
        region = self.core.pipeline.settings.region
        return json.dumps({"version": _SNAPSHOT_VERSION, "region": region, "connectors": saved})

    def load(self, snapshot: str | bytes) -> int:
        """See `NetworkConnectorCache.load`."""
        saved = _read_snapshot(snapshot, self.core.pipeline.settings.region)
        now = self.clock.monotonic()
        offset = self.clock.now().timestamp() - now
        loaded = 0
        for connector, confirmed_at, read_at in saved:
            if connector.id in self._connectors:
                continue
            loaded += 1
            entry = self._add(connector)
            entry.connector = connector = _compact(connector)
            if read_at <= confirmed_at <= now + offset:  # else the clock was set back
                entry.as_of, entry.read_at = confirmed_at - offset, read_at - offset
            self._name(entry, entry.as_of, connector.id, connector.name, connector.arn)
        return loaded


class NetworkConnectorCache:
    """A cache of the network connectors of an account in a region: use it in `async with`.

    `client.cached_network_connectors` creates it. All caches of a client share their connectors.

    Args:
        picture: holds the connectors.
        max_age: maximum seconds of an answer's age, or a `timedelta`; more than 0.
        stale_if_error: additional seconds, or a `timedelta`, while the service cannot be reached.

    Raises:
        ParameterError: if an argument is out of bounds.
    """

    def __init__(
        self,
        picture: Picture,
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
        self.picture = picture
        """What all caches of the client share."""
        self._index: dict[str, _Entry] = {}  # the picture's while the cache is open
        self.is_open: bool = False
        """Whether the cache is inside `async with`."""
        self._now = picture.clock.monotonic

    async def __aenter__(self) -> Self:
        if self.is_open:
            raise RuntimeError("the cache is open already: create another one")
        await self.picture.open(self)
        self.is_open, self._index = True, self.picture.index
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_open, self._index = False, {}
        await self.picture.close(self)

    def peek(self, identifier: str) -> NetworkConnector | None:
        """Return a connector that is known, without waiting.

        Without an answer, the cache gets the connector in the background.

        Args:
            identifier: the connector's ID, name or ARN.

        Returns:
            What `get` would return without waiting; `None` if `get` would wait.

        Raises:
            ParameterError: if the identifier is invalid, or an ARN of another region.
            RuntimeError: if the cache is not open.
        """
        entry = self._index.get(identifier)
        if entry is not None and self._now() - entry.as_of <= self.max_age:
            entry.hits += 1
            return entry.connector
        return self._peek(identifier)

    async def get(self, identifier: str) -> NetworkConnector:
        """Return a connector that is at most `max_age` seconds old, or get it.

        Callers that ask for the same connector at the same time share one call. If that call takes
        longer than `max_age`, its result is returned all the same.

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
        entry = self._index.get(identifier)
        if entry is not None and self._now() - entry.as_of <= self.max_age:
            entry.hits += 1
            connector = entry.connector
        else:
            connector = (await self._read(identifier)).connector
        assert connector is not None  # noqa: S101 - an entry with an age has a connector
        return connector

    async def read(self, identifier: str) -> CachedNetworkConnector:
        """Return a connector with its age; see `get`, whose arguments and errors it has."""
        entry = self._index.get(identifier)
        if entry is None or self._now() - entry.as_of > self.max_age:
            entry = await self._read(identifier)
        else:
            entry.hits += 1
        assert entry.connector is not None  # noqa: S101 - an entry with an age has a connector
        age = self._now() - entry.as_of
        return CachedNetworkConnector(entry.connector, age, age > self.max_age)

    def age(self, identifier: str) -> float | None:
        """Return the age of a connector in seconds, at most or above `max_age`.

        Args:
            identifier: the connector's ID, name or ARN.

        Returns:
            Seconds since the read that last confirmed the connector was sent; `None` if no read
            did, or the client has written the connector since.
        """
        entry = self._index.get(identifier)
        if entry is None or entry.as_of == -math.inf:
            return None
        return self._now() - entry.as_of

    def all(self) -> tuple[NetworkConnector, ...]:
        """Return all connectors that `peek` would return, without waiting.

        These are all connectors of the account once `ready` has returned.

        Raises:
            RuntimeError: if the cache is not open.
        """
        self._check_open()
        found: list[NetworkConnector] = []
        for entry in self.picture.connectors():
            if self._is_usable(entry) and entry.connector is not None:
                self._count(entry)
                found.append(entry.connector)
        return tuple(found)

    async def ready(self) -> None:
        """Wait until every connector of the account was read once.

        Connectors that cannot be read for a lasting reason do not keep it waiting.

        Raises:
            LambdaCoreError: if the connectors cannot be listed, for a lasting reason.
            RuntimeError: if the cache is not open.
        """
        self._check_open()
        await self.picture.ready(self)

    async def changes(self) -> AsyncGenerator[CachedConnectorChange]:
        """Iterate over changes of the connectors, as the cache notices them.

        It reports every connector as `ConnectorAdded` first. A slow consumer gets the net change.
        When a change arrives, `get` returns that connector or a later one. The iteration ends when
        the cache is left.

        Raises (on iteration):
            LambdaCoreError: if the connectors cannot be listed, for a lasting reason.
            RuntimeError: if the cache is not open.
        """
        self._check_open()
        async for _, change in _Changes(self, raises=True):
            yield change

    def stats(self) -> CacheStats:
        """Return figures of all caches of the client, in this account and region."""
        return self.picture.stats()

    def save(self) -> str:
        """Return a snapshot of the connectors as JSON, for `load` in another process.

        It has the configuration, the role and the state of each connector, but no credentials.

        Raises:
            RuntimeError: if the cache is not open.
        """
        self._check_open()
        return self.picture.save()

    def load(self, snapshot: str | bytes) -> int:
        """Add the connectors of a snapshot that the cache does not know yet.

        Their age counts from the time of day at which they were read, so they are answers only if
        they are young enough. The first listing confirms the connectors that have not changed,
        without a call for each. After the clock was set back, they count as too old.

        Args:
            snapshot: the JSON that `save` returned for the same account and region.

        Returns:
            The number of connectors added.

        Raises:
            ParameterError: if the snapshot is not one, has another version or is of another region.
            RuntimeError: if the cache is not open.
        """
        self._check_open()
        return self.picture.load(snapshot)

    def _check_open(self) -> None:
        if not self.is_open:
            raise _not_open()

    def _is_usable(self, entry: _Entry) -> bool:
        """Return whether an entry is young enough, also for an outage."""
        age = self._now() - entry.as_of
        return age <= self.max_age or (
            self.picture.failing and age <= self.max_age + self.stale_if_error
        )

    def _count(self, entry: _Entry, *, called: bool = False) -> None:
        """Count an answer."""
        self.picture.misses += called
        entry.hits += not called
        self.picture.stale_answers += self._now() - entry.as_of > self.max_age

    def _peek(self, identifier: str) -> NetworkConnector | None:
        self._check_open()
        self.picture.check(identifier)
        entry = self._index.get(identifier)
        if entry is not None and self._is_usable(entry):
            self._count(entry)
            return entry.connector
        if entry is not None and self._is_missing(entry, math.inf):
            entry.hits += 1
        else:
            self.picture.want(identifier)
        return None

    def _is_missing(self, entry: _Entry, asked: float) -> bool:
        """Return whether a connector was not found, shortly before or after a time."""
        since = min(asked, self._now() - min(self.max_age, _MISSING))
        return (
            entry.connector is None
            and isinstance(entry.error, ResourceNotFoundException)
            and entry.read_at >= since
        )

    async def _read(self, identifier: str) -> _Entry:
        picture = self.picture
        self._check_open()
        picture.check(identifier)
        asked, called = self._now(), False
        while True:
            entry = self._index.get(identifier)
            if entry is not None:
                if entry.as_of >= asked or self._is_usable(entry):
                    self._count(entry, called=called)
                    return entry
                if entry.error is not None and self._is_missing(entry, asked):
                    entry.hits += 1
                    raise _copy(entry.error)
            called = True
            since = min(asked, self._now() - self.max_age)
            sent_as, error = await picture.read(identifier, since)
            self._check_open()
            if error is None:
                continue
            known = self._index.get(identifier)
            if known is not None and self._is_usable(known):
                continue
            # If its ID was not found, another connector may have the name.
            missing = isinstance(error, ResourceNotFoundException)
            if missing and sent_as != identifier and known is not entry:
                continue
            picture.misses += 1
            raise _copy(error)


class NetworkConnectorCaches(Mapping[Target, NetworkConnectorCache]):
    """Caches of many accounts and regions, by target: use it in `async with`.

    `client.cache_across` creates it. `caches[target]` is the cache of a target. A target that
    cannot be read does not affect the others.
    """

    def __init__(self, caches: Mapping[Target, NetworkConnectorCache]) -> None:
        self._caches = dict(caches)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for cache in self._caches.values():
                await stack.enter_async_context(cache)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def __getitem__(self, target: Target) -> NetworkConnectorCache:
        return self._caches[target]

    def __iter__(self) -> Iterator[Target]:
        return iter(self._caches)

    def __len__(self) -> int:
        return len(self._caches)

    def all(self) -> tuple[tuple[Target, NetworkConnector], ...]:
        """Return all connectors with their targets; see `NetworkConnectorCache.all`."""
        return tuple(
            (target, connector)
            for target, cache in self._caches.items()
            for connector in cache.all()
        )

    async def changes(self) -> AsyncGenerator[tuple[Target, CachedConnectorChange]]:
        """Iterate over changes with their targets; see `NetworkConnectorCache.changes`.

        The failure of a target is logged, and ends nothing; its `ready` raises it.
        """
        targets = {cache: target for target, cache in self._caches.items()}
        async for cache, change in _Changes(*targets, raises=False):
            yield targets[cache], change


class _Changes:
    """The changes that caches notice.

    Args:
        caches: the caches.
        raises: whether to raise lasting errors of listings.
    """

    def __init__(self, *caches: NetworkConnectorCache, raises: bool) -> None:
        self._caches = {cache.picture: cache for cache in caches}
        self._raises = raises
        self._known: dict[tuple[Picture, str], NetworkConnector] = {}
        self._event = asyncio.Event()
        self._pending = dict.fromkeys(
            (picture, identifier)
            for picture in self._caches
            for identifier in picture.subscribe(self)
        )

    def note(self, picture: Picture, identifier: str) -> None:
        """Note that a connector may have changed."""
        self._pending[picture, identifier] = None

    def wake(self) -> None:
        """Let the consumer look for changes."""
        self._event.set()

    def __aiter__(self) -> AsyncIterator[tuple[NetworkConnectorCache, CachedConnectorChange]]:
        return self

    async def __anext__(self) -> tuple[NetworkConnectorCache, CachedConnectorChange]:
        while True:
            if not any(cache.is_open for cache in self._caches.values()):
                raise StopAsyncIteration
            while self._pending:
                place = picture, identifier = next(iter(self._pending))
                del self._pending[place]
                before, after = self._known.pop(place, None), picture.connector(identifier)
                if after is not None:
                    self._known[place] = after
                change = change_between(before, after)
                if change is not None:
                    return self._caches[picture], change
            for picture in self._caches:
                if self._raises and picture.error is not None:
                    raise _copy(picture.error)
            self._event.clear()
            await self._event.wait()


def _read_snapshot(
    snapshot: str | bytes, region: str
) -> list[tuple[NetworkConnector, float, float]]:
    """Return the connectors of a snapshot, and the times of day of their last two reads.

    Raises:
        ParameterError: if the snapshot is not one, has another version or is of another region.
    """
    try:
        data: Any = json.loads(snapshot)
        given = data["version"], data["region"]
        connectors = [
            (
                from_dict(NetworkConnector, each["connector"]),
                float(each["confirmed_at"]),
                float(each["read_at"]),
            )
            for each in data["connectors"]
        ]
    except (ValueError, TypeError, LookupError, RecursionError):  # a ParameterError too
        raise ParameterError("snapshot", "is not what save() of a cache returned") from None
    if given != (_SNAPSHOT_VERSION, region):
        raise ParameterError(
            "snapshot",
            f"expected version {_SNAPSHOT_VERSION} and region {region}, got {_shown(given)}",
        )
    return connectors


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
        id=intern(connector.id),
        name=intern(connector.name),
        configuration=configuration,
        operator_role=None if role is None else intern(role),
        state_reason=None if reason is None else intern(reason),
        response_metadata=None,
    )


def _interned(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(map(intern, texts))


def _is_transient(error: Exception) -> bool:
    return isinstance(error, LambdaCoreError) and (error.transient or error.throttling)


def _copy(error: Exception) -> Exception:
    """Return a copy of an error, because raising an error changes it."""
    return copy.copy(error) if isinstance(error, LambdaCoreError) else error


def _shown(value: object) -> str:
    return escaped(str(value), 200)


def _not_open() -> RuntimeError:
    return RuntimeError("use the cache inside `async with`")
