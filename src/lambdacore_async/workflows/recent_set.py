"""Set of recent values in bounded memory, to recognise duplicates in a long stream."""

from __future__ import annotations

from collections.abc import Hashable


class RecentSet:
    """A set that forgets the oldest values.

    Args:
        size: the minimum number of values to remember. The set holds at most twice as many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._recent: set[Hashable] = set()
        self._older: set[Hashable] = set()

    def add(self, value: Hashable) -> bool:
        """Add a value, and return whether it was missing from the set."""
        if value in self._recent or value in self._older:
            return False
        if len(self._recent) >= self._size:
            self._recent, self._older = set(), self._recent
        self._recent.add(value)
        return True
