"""Copies values as another process receives them."""

from __future__ import annotations

import pickle
from typing import TypeVar

Value = TypeVar("Value")


def through_pickle(value: Value, protocol: int | None = None) -> Value:
    """Return a copy of a value made by pickling and unpickling it."""
    again: Value = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - pickled on this line
    return again
