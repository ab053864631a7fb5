"""Memory of recent values in bounded space, to recognise values that come again."""

from __future__ import annotations

from collections.abc import Hashable


class Recent:
    """Remembers recent values.

    Args:
        size: how many different values to remember at least. It never keeps more than twice as
            many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._recent: set[Hashable] = set()
        self._older: set[Hashable] = set()

    def is_new(self, value: Hashable) -> bool:
        """Remember a value, and return whether it was not remembered before."""
        if value in self._recent or value in self._older:
            return False
        if len(self._recent) >= self._size:
            self._recent, self._older = set(), self._recent
        self._recent.add(value)
        return True
