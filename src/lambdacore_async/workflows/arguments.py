"""Checks of arguments that several workflows take, made before any request is sent."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable

from lambdacore_async.errors import ParameterError


def check_count(parameter: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1.

    Raises:
        ParameterError: the value is refused.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise ParameterError(parameter, f"expected int, got {type(value).__name__}")
    if value < 1:
        raise ParameterError(parameter, f"must be at least 1, got {value}")


def check_seconds(parameter: str, value: object, *, at_once: bool = False) -> None:
    """Refuse what is not a finite number of seconds above 0.

    Args:
        parameter: the parameter's name.
        value: what the caller passed.
        at_once: also accept 0.

    Raises:
        ParameterError: the value is refused.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ParameterError(parameter, f"expected a number of seconds, got {type(value).__name__}")
    largest = sys.float_info.max
    if not (value >= 0 if at_once else value > 0) or value > largest:
        least = "at least 0" if at_once else "above 0"
        shown = f"{value:g}" if isinstance(value, float) or abs(value) <= largest else "more"
        raise ParameterError(parameter, f"must be {least} seconds and finite, got {shown}")


def check_function(parameter: str, value: object) -> None:
    """Refuse what cannot be called, and coroutine functions, whose result is never awaited.

    Raises:
        ParameterError: the value is refused.
    """
    if not callable(value):
        raise ParameterError(parameter, f"expected a function, got {type(value).__name__}")
    if _is_any(inspect.iscoroutinefunction, value):
        raise ParameterError(parameter, "expected a plain function, got an async one")


def check_callback(parameter: str, value: object) -> None:
    """Refuse what `check_function` refuses, and async generators, whose body would never run.

    Raises:
        ParameterError: the value is refused.
    """
    check_function(parameter, value)
    if _is_any(inspect.isasyncgenfunction, value):
        raise ParameterError(parameter, "expected a plain function, got an async generator")


def _is_any(is_kind: Callable[[object], bool], function: object) -> bool:
    """Whether a function, or the method that a callable object has, is of a kind."""
    return is_kind(function) or is_kind(
        getattr(function, "__call__", None)  # noqa: B004 - it is looked at, not called
    )


def check_wait(timeout: object, poll_interval: object, on_change: object) -> None:
    """Check what all calls that wait have in common.

    Raises:
        ParameterError: one is not as the client's methods document it.
    """
    check_seconds("timeout", timeout)
    check_seconds("poll_interval", poll_interval)
    if on_change is not None:
        check_callback("on_change", on_change)
