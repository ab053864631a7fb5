"""Figures of caches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from attrs import frozen


@frozen(kw_only=True)
class CacheStats:
    """Figures of all caches of a client for one account in one region, since the first one."""

    connectors: int = 0
    """The number of connectors held."""
    hits: int = 0
    """Answers that needed no call."""
    misses: int = 0
    """Answers that waited for a call, and `peek`s without an answer."""
    stale_answers: int = 0
    """Answers that were older than `max_age`, given because of `stale_if_error`."""
    requests: int = 0
    """Calls made: gets, and pages of listings. Retries are not counted."""
    oldest_age: float = 0.0
    """The age of the oldest connector held, in seconds; 0 without connectors."""

    @property
    def hit_rate(self) -> float:
        """The share of answers that needed no call, 0 to 1; 0 before the first answer."""
        return self.hits / max(self.hits + self.misses, 1)

    @property
    def calls_saved(self) -> int:
        """Calls saved compared with a call for each answer; negative if the cache costs more."""
        return self.hits + self.misses - self.requests


@runtime_checkable
class CacheObserver(Protocol):
    """An `on_call` that also shows the figures of caches, as `OpenTelemetry` does."""

    def add_cache(self, stats: Callable[[], CacheStats], region: str, label: str | None) -> None:
        """Show the figures that a function returns, in any thread, until `remove_cache`."""

    def remove_cache(self, stats: Callable[[], CacheStats]) -> None:
        """Stop showing the figures that a function returns."""
