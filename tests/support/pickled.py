"""Values as another process gets them."""

from __future__ import annotations

import pickle
from typing import TypeVar

Value = TypeVar("Value")


def through_pickle(value: Value, protocol: int | None = None) -> Value:
    """The value after a journey through pickle."""
    again: Value = pickle.loads(pickle.dumps(value, protocol))  # noqa: S301 - our own, just made
    return again
