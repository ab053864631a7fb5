"""Timeouts of a call and of its parts."""

from __future__ import annotations

import math

from attrs import asdict, frozen

from lambdacore_async.errors import ParameterError


@frozen(cache_hash=True)
class Timeout:
    """Time limits of a call, in seconds; `None` means no limit.

    Raises:
        ParameterError: if a value is not a finite number above 0.
    """

    connect: float | None = 5.0
    """Limit for opening a connection, including the TLS handshake. Defaults to 5 seconds."""

    read: float | None = 30.0
    """Limit for the wait between two parts of a response. Defaults to 30 seconds."""

    attempt: float | None = 60.0
    """Limit for one request and its complete response. Defaults to 60 seconds."""

    total: float | None = None
    """Limit for the call, including all attempts and the delays between them. Defaults to none."""

    def __attrs_post_init__(self) -> None:
        for name, value in asdict(self, recurse=False).items():
            if value is None:
                continue
            if not isinstance(value, int | float) or isinstance(value, bool):
                given = type(value).__name__
                raise ParameterError(f"timeout.{name}", f"must be a number of seconds, got {given}")
            try:
                seconds = float(value)
            except OverflowError:
                seconds = math.inf
            if not 0 < seconds < math.inf:
                raise ParameterError(
                    f"timeout.{name}", f"must be above 0 seconds and finite, got {seconds:g}"
                )
