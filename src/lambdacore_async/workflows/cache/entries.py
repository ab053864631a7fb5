"""Entries: what a picture knows about each connector, and the names that find it.

Every time is monotonic and the moment before a request was sent, so the age of an answer is never
understated.
"""

from __future__ import annotations

import copy
import math
from datetime import datetime
from sys import intern
from typing import Final, NamedTuple

from attrs import define, evolve

from lambdacore_async.engine.clock import LAG
from lambdacore_async.errors import LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)

#: Maximum seconds between two gets of a connector. They find what a summary does not show.
_FULL_READ: Final = 600.0
_BUSY: Final = frozenset({NetworkConnectorState.PENDING, NetworkConnectorState.DELETING})


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
    """The knowledge under an identifier.

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

    def record_get(self, connector: NetworkConnector, sent: float, now: float) -> bool:
        """Record the result of a get; return whether the connector changed."""
        if sent < max(self.read_at, self.floor):
            return False
        before = self.connector
        # Reads may lag behind a change for a while. One that does confirms what is known. A failed
        # update may restore the time of the last change.
        failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
        may_lag = sent - self.changed_at <= LAG and not failed
        if may_lag and before is not None and _is_before(connector, before):
            connector = before
        self.connector = connector
        self.as_of, self.read_at = max(self.as_of, sent), sent
        self.hits_at_read, self.error = self.hits, None
        self.is_bound = self.key is not None and (
            self._matches(self.key)
            or (sent >= self.key_at and not (may_lag and _is_before(connector, self.key)))
        )
        if self.key == (own := _Key.of(connector)):
            self.key = own  # one copy is enough
        if before is not None and before != connector:
            self.changed_at = now
        return before != connector

    def record_summary(self, summary: NetworkConnectorSummary, sent: float, now: float) -> bool:
        """Record what a listing shows; return whether it confirms the connector."""
        self.listed_at = sent
        if sent < self.floor:
            return False
        key = _Key.of(summary)
        if key != self.key:
            if self.key is not None:
                self.changed_at = now
            self.key, self.key_at, self.is_bound = key, sent, self._matches(key)
        if not self.is_bound or self._is_busy:
            return False
        self.as_of = max(self.as_of, sent)
        return True

    def record_write(self, now: float) -> None:
        """Forget the age, because the client has written the connector."""
        self.as_of, self.floor, self.changed_at = -math.inf, now, now
        self.key, self.is_bound = None, False

    def is_due(self, now: float, *, is_watched: bool) -> bool:
        """Return whether to get a listed connector.

        Args:
            now: the time.
            is_watched: whether a consumer wants all changes.
        """
        if not self.is_bound:
            return True
        lag = self.read_at - self.changed_at
        if lag <= LAG and now - self.read_at >= lag:  # the last get may have missed the change
            return True
        if self._is_busy and (self.hits > self.hits_at_read or is_watched):
            return True
        # From half of the maximum, so that connectors that were read together are not due together.
        return now - self.read_at > _FULL_READ * (1 - (hash(self.id) & 255) / 512)

    def may_lag(self, now: float) -> bool:
        """Return whether "not found" may come from a read that lags behind the creation."""
        known = self.connector or self.key
        is_deleted = known is not None and known.state == NetworkConnectorState.DELETING
        return not is_deleted and now - self.changed_at <= LAG

    @property
    def _is_busy(self) -> bool:
        """Whether the connector may change without a change of its summary."""
        connector = self.connector
        return connector is not None and (
            connector.state in _BUSY
            or connector.last_update_status == NetworkConnectorLastUpdateStatus.IN_PROGRESS
        )

    def _matches(self, key: _Key) -> bool:
        """Return whether the connector's own members show that it belongs to a summary."""
        connector = self.connector
        return (
            connector is not None
            and connector.last_modified is not None
            and self.read_at >= self.floor
            and _Key.of(connector) == key
        )


class Entries:
    """The entries of an account in a region.

    Attributes:
        index: the entries by ID, name, ARN and any other identifier that was asked for.
        connectors: the connectors of the account, by ID.
        others: versions, and identifiers that were not found.
    """

    def __init__(self) -> None:
        self.index: dict[str, Entry] = {}
        self.connectors: dict[str, Entry] = {}
        self.others: dict[str, Entry] = {}
        self._former_hits = 0

    @property
    def hits(self) -> int:
        """The number of answers of all entries, also of those that are forgotten."""
        # Copies, because the event loop may add and remove entries at the same time.
        entries = [*self.connectors.values(), *self.others.values()]
        return self._former_hits + sum(entry.hits for entry in entries)

    def put_other(self, entry: Entry) -> Entry:
        """Put a version, or an identifier that was not found, in place of an earlier entry."""
        self.forget_other(entry.id)
        self.index[entry.id] = self.others[entry.id] = entry
        return entry

    def name(self, entry: Entry, sent: float, *names: str) -> None:
        """Let names find a connector, except names under which another connector was seen later.

        A name that is the ID of another connector finds that one.
        """
        for name in names:
            other = self.index.get(name)
            if other is None or (
                other is not entry
                and (name == entry.id or name not in self.connectors)
                and max(other.as_of, other.listed_at, other.read_at) <= sent
            ):
                self.forget_other(name)
                self.index[name] = entry

    def remove(self, entry: Entry) -> None:
        """Forget a connector and all its names."""
        del self.connectors[entry.id]
        self._former_hits += entry.hits
        for name in [name for name, each in self.index.items() if each is entry]:
            del self.index[name]

    def forget_other(self, identifier: str) -> None:
        """Forget a version, or an identifier that was not found, if it is known."""
        other = self.others.pop(identifier, None)
        if other is not None:
            self._former_hits += other.hits
            del self.index[identifier]

    def forget_others(self, oldest: float) -> None:
        """Forget versions and identifiers that were not read since a time."""
        for identifier in [each for each, other in self.others.items() if other.read_at < oldest]:
            self.forget_other(identifier)

    def clear(self) -> None:
        """Forget everything but the number of answers."""
        self._former_hits = self.hits
        for held in (self.index, self.connectors, self.others):
            held.clear()


def _is_before(connector: NetworkConnector, other: NetworkConnector | _Key) -> bool:
    """Return whether a connector is certainly older than another observation of it."""
    before, after = connector.last_modified, other.last_modified
    return before is not None and after is not None and before < after


def compact(connector: NetworkConnector) -> NetworkConnector:
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
