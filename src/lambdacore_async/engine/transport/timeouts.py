"""Timeouts of a call and its parts."""

from __future__ import annotations

import math

from attrs import asdict, frozen

from lambdacore_async.errors import ParameterError


@frozen(cache_hash=True)
class Timeout:
    """How long a call may take, in seconds; `None` is without bound.

    Attributes:
        connect: to make a connection, the TLS handshake included.
        read: between two parts of an answer.
        attempt: for one request and its whole answer.
        total: for the call, with all its attempts and the waiting between them.

    Raises:
        ParameterError: a value is not a finite number above 0.
    """

    connect: float | None = 5.0
    read: float | None = 30.0
    attempt: float | None = 60.0
    total: float | None = None

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
