"""Checks of arguments that several workflows share, made before any request is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from attrs import frozen

from lambdacore_async.engine.transport.timeouts import as_seconds
from lambdacore_async.errors import ParameterError

Resource = TypeVar("Resource")


def check_count(parameter: str, value: object) -> None:
    """Check that a value is a whole number of at least 1.

    Raises:
        ParameterError: if it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise ParameterError(parameter, f"expected int, got {type(value).__name__}")
    if value < 1:
        raise ParameterError(parameter, f"must be at least 1, got {value}")


def check_function(parameter: str, value: object) -> None:
    """Check that a value is callable and not a coroutine function, which would not be awaited.

    Raises:
        ParameterError: if it is not.
    """
    if not callable(value):
        raise ParameterError(parameter, f"expected a function, got {type(value).__name__}")
    if _is_any(inspect.iscoroutinefunction, value):
        raise ParameterError(parameter, "expected a plain function, got an async one")


def check_callback(parameter: str, value: object) -> None:
    """Check a function with `check_function`, and that it is not an async generator function.

    The body of an async generator function would never run.

    Raises:
        ParameterError: if the value is invalid.
    """
    check_function(parameter, value)
    if _is_any(inspect.isasyncgenfunction, value):
        raise ParameterError(parameter, "expected a plain function, got an async generator")


def _is_any(is_kind: Callable[[object], bool], function: object) -> bool:
    """Return whether `is_kind` is true for a function or for an object's `__call__`."""
    return is_kind(function) or is_kind(
        getattr(function, "__call__", None)  # noqa: B004 - inspected, not called
    )


@frozen
class WaitOptions(Generic[Resource]):
    """How long and how often a wait polls, with valid values.

    Attributes:
        timeout: seconds to wait, more than 0.
        poll_interval: maximum seconds between two polls, more than 0.
        on_change: is called with the resource at the first poll and on each change.
    """

    timeout: float
    poll_interval: float
    on_change: Callable[[Resource], object] | None = None


def check_wait(
    timeout: float | timedelta,
    poll_interval: float | timedelta,
    on_change: Callable[[Resource], object] | None,
) -> WaitOptions[Resource]:
    """Return the options that all calls with a timeout share.

    Raises:
        ParameterError: if an argument is invalid.
    """
    if on_change is not None:
        check_callback("on_change", on_change)
    seconds, interval = as_seconds("timeout", timeout), as_seconds("poll_interval", poll_interval)
    return WaitOptions(seconds, interval, on_change)
