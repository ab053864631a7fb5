"""Timeouts of a call and of its parts."""

from __future__ import annotations

import sys
from datetime import timedelta

from attrs import field, frozen

from lambdacore_async.errors import ParameterError


def as_seconds(parameter: str, value: object, *, allow_zero: bool = False) -> float:
    """Return a duration in seconds.

    Args:
        parameter: the parameter's name.
        value: a number of seconds, or a `timedelta`.
        allow_zero: whether 0 is valid too.

    Raises:
        ParameterError: if the value is not a finite duration above 0.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or isinstance(value, bool):
        given = type(value).__name__
        raise ParameterError(parameter, f"expected a number of seconds or a timedelta, got {given}")
    largest = sys.float_info.max
    if not (value >= 0 if allow_zero else value > 0) or value > largest:
        least = "at least 0" if allow_zero else "above 0"
        shown = (
            f"{value:g}" if isinstance(value, float) or abs(value) <= largest else "a larger number"
        )
        raise ParameterError(parameter, f"must be {least} seconds and finite, got {shown}")
    return float(value)


def _without_timedelta(value: float | timedelta | None) -> float | None:
    return value.total_seconds() if isinstance(value, timedelta) else value


@frozen(cache_hash=True)
class Timeout:
    """Time limits of a call, in seconds or as a `timedelta`; `None` means no limit.

    Raises:
        ParameterError: if a value is not a finite duration above 0.
    """

    connect: float | None = field(default=5.0, converter=_without_timedelta)
    """Limit for opening a connection, including the TLS handshake. Defaults to 5 seconds."""

    read: float | None = field(default=30.0, converter=_without_timedelta)
    """Limit for the wait between two parts of a response. Defaults to 30 seconds."""

    attempt: float | None = field(default=60.0, converter=_without_timedelta)
    """Limit for one request and its complete response. Defaults to 60 seconds."""

    total: float | None = field(default=None, converter=_without_timedelta)
    """Limit for the call, including all attempts and the delays between them. Defaults to none."""

    def __attrs_post_init__(self) -> None:
        for name in ("connect", "read", "attempt", "total"):
            if (value := getattr(self, name)) is not None:
                as_seconds(f"timeout.{name}", value)
