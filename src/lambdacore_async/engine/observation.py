"""Observation of a client's work: hooks for callers, and logs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, TypeAlias

from attrs import define, field, frozen

from lambdacore_async.errors import LambdaCoreError
from lambdacore_async.escaping import escaped

logger: Final = logging.getLogger("lambdacore_async")

#: The maximum number of characters of received text in a log or a `repr`.
_SHOWN: Final = 200
#: The minimum time in seconds between two equal messages about one account and region.
_LOGGED_EVERY: Final = 5.0


def shown(value: object) -> str:
    """Return the `repr` of a value as one line of bounded length."""
    return escaped(repr(value), _SHOWN)


def shown_text(value: object) -> str | None:
    """Return the text of a value as one line of bounded length; `None` for `None`."""
    return None if value is None else escaped(str(value), _SHOWN)


@frozen
class Attempt:
    """One request of a call and its outcome, for metrics and tracing.

    Its `repr` is one line, whatever the service sent.
    """

    operation: str
    """The name of the API operation."""
    number: int
    """The number of the attempt, from 1."""
    status: int | None
    """The HTTP status; `None` if no response arrived."""
    request_id: str | None = field(repr=shown)
    """The service's ID of the request; `None` if the response has none."""
    seconds: float
    """Seconds from sending the request until the response was read."""
    error: LambdaCoreError | None = field(repr=shown)
    """The error of the attempt; `None` if it succeeded."""
    delay: float | None
    """Seconds until the next attempt; `None` if this was the last."""
    region: str = ""
    """The AWS region."""
    endpoint: str = ""
    """The URL of the endpoint."""
    identifier: str | None = field(default=None, repr=shown)
    """The resource's ID, name or ARN as the caller gave it; `None` for a listing."""
    label: str | None = field(default=None, repr=shown)
    """The label of the view or `Target`."""
    throttled: bool = False
    """Whether the service refused the request because of its rate."""
    waited: float = 0.0
    """Seconds for which the rate limiter delayed the request."""
    rate: float | None = None
    """The rate in requests per second that the client has learnt; `None` without a limit."""
    ended: datetime | None = field(default=None, repr=False)
    """The time of day at which the attempt ended, by this machine's clock."""
    max_attempts: int | None = None
    """The maximum number of attempts of the call; `None` for a call of a fan-out, which retries for
    a time instead."""


class CallKind(StrEnum):
    """A kind of work that `on_call` observes."""

    OPERATION = "operation"
    """A call of an API operation, with all its attempts."""
    RUN = "run"
    """A fan-out, such as `lookup_network_connectors`; its calls start and end within it."""
    REFRESH = "refresh"
    """A refresh of credentials."""


@define(eq=False)
class Call:
    """Work in progress, as `on_call` observes it.

    The client sets the region and the endpoint once they are resolved, the rest as the work
    proceeds.
    """

    operation: str
    """The name of the API operation, of the client's method, or `RefreshCredentials`."""
    kind: CallKind = CallKind.OPERATION
    """The kind of work."""
    identifier: str | None = field(default=None, repr=shown)
    """The resource's ID, name or ARN as the caller gave it; `None` for other work."""
    label: str | None = field(default=None, repr=shown)
    """The label of the view or `Target`."""
    region: str | None = None
    """The AWS region; `None` until the client knows it, for a refresh, and for a run across
    targets."""
    endpoint: str | None = None
    """The URL of the endpoint; `None` until the client knows it."""
    attempts: list[Attempt] = field(factory=list[Attempt], repr=False)
    """The attempts so far, in order."""
    error: BaseException | None = field(default=None, repr=shown)
    """The error that ended the work; `None` while it is in progress, and if it succeeded."""
    seconds: float = 0.0
    """The duration of the work in seconds, once it has ended."""


OnCall: TypeAlias = Callable[[Call], AbstractContextManager[object] | None]
"""A plain function that is called when a call starts. It may return a context manager: the client
enters it before the call, and leaves it after the call, with the call's error if it failed."""


class Observed:
    """Calls a hook around work. An error of the hook is logged and has no other effect.

    Args:
        hook: the hook.
        call: the work.
        monotonic: returns seconds since an arbitrary point in the past.
    """

    def __init__(self, hook: OnCall, call: Call, monotonic: Callable[[], float]) -> None:
        self._hook = hook
        self._call = call
        self._monotonic = monotonic
        self._started = 0.0
        self._manager: AbstractContextManager[object] | None = None

    def __enter__(self) -> Call:
        self._started = self._monotonic()
        try:
            manager = self._hook(self._call)
            if manager is not None:
                manager.__enter__()
            self._manager = manager
        # A bug in the hook must not lose a result. The hook does not await, so a `CancelledError`
        # comes from a cancelled future, not from a cancellation of the call.
        except (Exception, asyncio.CancelledError):
            logger.exception("on_call failed")
        return self._call

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._call.error = error
        self._call.seconds = self._monotonic() - self._started
        if self._manager is None:
            return
        try:
            self._manager.__exit__(kind, error, traceback)
        except (Exception, asyncio.CancelledError):
            logger.exception("on_call failed")


class LogLimit:
    """Limits equal messages about one account and region to one in five seconds."""

    def __init__(self) -> None:
        #: For each message and region: when the next line is due, and the number of lines withheld.
        self._state: dict[tuple[str, str], tuple[float, int]] = {}

    def admits(self, message: str, region: str, now: float) -> int | None:
        """Return the number of lines withheld before this one; `None` to withhold this one too.

        Args:
            message: the message.
            region: the region that it is about.
            now: the current monotonic time.
        """
        due, withheld = self._state.get((message, region), (now, 0))
        if now < due:
            self._state[message, region] = (due, withheld + 1)
            return None
        self._state[message, region] = (now + _LOGGED_EVERY, 0)
        return withheld


_MESSAGES: Final = {
    logging.INFO: "a request failed, and is retried",
    logging.WARNING: "a request failed, and is not retried again",
}


def log_attempt(attempt: Attempt, level: int, limit: LogLimit, now: float) -> None:
    """Log an attempt.

    Args:
        attempt: the attempt.
        level: INFO for an attempt that is retried, WARNING for a retryable one with no retry left,
            and DEBUG for all others.
        limit: withholds excess lines above DEBUG.
        now: the current monotonic time.
    """
    values = _values(attempt)
    logger.debug("a request has ended", extra=values)
    if level == logging.DEBUG:
        return
    message = _MESSAGES[level]
    withheld = limit.admits(message, attempt.region, now)
    if withheld is not None:
        logger.log(level, message, extra={**values, "withheld": withheld})


def _values(attempt: Attempt) -> dict[str, object]:
    error = attempt.error
    return {
        "operation": attempt.operation,
        "identifier": shown_text(attempt.identifier),
        "region": attempt.region,
        "endpoint": attempt.endpoint,
        "label": shown_text(attempt.label),
        "attempt": attempt.number,
        "status": attempt.status,
        "request_id": shown_text(attempt.request_id),
        "error": shown_text(error),
        "error_code": None
        if error is None
        else shown_text(getattr(error, "code", type(error).__name__)),
        "throttled": attempt.throttled,
        "seconds": attempt.seconds,
        "delay": attempt.delay,
        "waited": attempt.waited,
    }
