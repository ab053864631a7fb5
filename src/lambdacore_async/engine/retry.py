"""Retry decisions: whether to retry a request, and after what delay. No I/O and no sleep.

The rules and constants are those of retry behavior 2.1 of the AWS SDKs, as in the standard mode of
botocore 1.44. In addition, `Retry-After` is honoured, which this service documents.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from lambdacore_async.errors import (
    LambdaCoreError,
    ParameterError,
    TransportError,
    TransportTimeoutError,
)

RetryMode: TypeAlias = Literal["standard", "adaptive"]
"""A retry mode: `standard`, or `adaptive`, which also limits the send rate."""
MODES: Final = ("standard", "adaptive")
MAX_ATTEMPTS: Final = 3

_THROTTLE_BASE: Final = 1.0
_TRANSIENT_BASE: Final = 0.05
_MAX_BACKOFF: Final = 20.0
_MAX_HINT_EXCESS: Final = 5.0

_CAPACITY: Final = 500
_THROTTLE_COST: Final = 5
_TRANSIENT_COST: Final = 14
_SUCCESS_REFUND: Final = 1

#: Seconds for which the calls of a fan-out retry transient failures, including their last attempt.
_MAX_OUTAGE: Final = 20.0
#: Seconds of this time that are reserved for the last attempt.
_LAST_ATTEMPT: Final = 1.0


class RetryPolicy:
    """Limits of a call's attempts, and the delays between them.

    Args:
        mode: `standard`, or `adaptive`, which also limits the send rate as in the AWS SDKs.
        max_attempts: the maximum number of requests per call, at least 1.
        max_backoff: the maximum delay in seconds, unless the service asks for more.

    Raises:
        ParameterError: if an argument is out of bounds.
    """

    def __init__(
        self,
        mode: str = MODES[0],
        max_attempts: int = MAX_ATTEMPTS,
        max_backoff: float = _MAX_BACKOFF,
    ) -> None:
        if mode not in MODES:
            raise ParameterError("retry_mode", f"must be one of {MODES}, got {mode!r}")
        if type(max_attempts) is not int or max_attempts < 1:
            raise ParameterError(
                "max_attempts", f"must be a whole number from 1, got {max_attempts!r}"
            )
        self.mode: str = str.__str__(mode)  # the value, if it is a member of a string enum
        self.max_attempts = max_attempts
        self.max_backoff = max_backoff

    def backoff(self, error: LambdaCoreError, attempt: int, jitter: float) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            error: the error of the last attempt.
            attempt: the number of the last attempt, from 1.
            jitter: a random number from 0 to 1.
        """
        base = _THROTTLE_BASE if error.throttling else _TRANSIENT_BASE
        # 2.0 ** 1024 overflows; the maximum is reached long before.
        delay = jitter * min(base * 2.0 ** min(attempt - 1, 64), self.max_backoff)
        if error.backoff_hint is not None:
            delay = max(delay, min(error.backoff_hint, delay + _MAX_HINT_EXCESS))
        elif error.retry_after is not None:
            delay = max(delay, min(error.retry_after, self.max_backoff))
        return delay


def is_retryable(error: LambdaCoreError, *, repeatable: bool) -> bool:
    """Return whether another attempt may succeed and is safe.

    Args:
        error: the error of the last attempt.
        repeatable: whether the operation is idempotent.
    """
    return (error.throttling or error.transient) and (repeatable or error.not_executed)


class RetryQuota:
    """Retry quota that all calls of a client share, so that retries do not amplify an outage.

    Args:
        capacity: the initial and maximum number of tokens.

    Attributes:
        available: the number of tokens left.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self.available: int = capacity

    def acquire(self, error: LambdaCoreError) -> int | None:
        """Take the tokens of a retry; return their number, or `None` if too few are left."""
        cost = _THROTTLE_COST if error.throttling else _TRANSIENT_COST
        if cost > self.available:
            return None
        self.available -= cost
        return cost

    def release(self, cost: int | None) -> None:
        """Return tokens after a success: the cost of the last retry, or 1 if there was none."""
        if self.available < self._capacity:
            refund = _SUCCESS_REFUND if cost is None else cost
            self.available = min(self._capacity, self.available + refund)


class Outage:
    """Transient failures of an endpoint, and for how long the calls of a fan-out retry them.

    A call retries for 20 seconds after its first failure, or after the start of the outage if that
    is earlier. So all calls wait for the end of an outage together, not one after the other.

    Attributes:
        since: the monotonic time of the first transient failure since a request was last served;
            `None` without a failure since.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self._last_failure = self._last_timeout = 0.0

    def record(self, error: LambdaCoreError, seconds: float, now: float) -> float:
        """Record a failure, and return the monotonic time from which it counts.

        Args:
            error: the error of the attempt.
            seconds: the duration of the attempt.
            now: the current monotonic time.
        """
        # If the request never reached the service, the failure began with the attempt.
        start = now - seconds if error.not_executed else now
        if self.since is None:
            self.since = start
        self._last_failure = now
        self._last_timeout = seconds if isinstance(error, TransportTimeoutError) else 0.0
        return start

    def delay(self, backoff: float, failing_since: float, now: float) -> float | None:
        """Return the seconds until the next attempt of a call, or `None` to stop.

        Args:
            backoff: the seconds that the retry policy asks for.
            failing_since: the monotonic time of the call's first failure.
            now: the current monotonic time.
        """
        left = self._left(failing_since, now) - _LAST_ATTEMPT
        return min(backoff, left) if left > 0 else None

    def is_over(self, failing_since: float | None, now: float) -> bool:
        """Return whether a call must not be sent again, because an outage has lasted too long.

        Args:
            failing_since: the monotonic time of the call's first failure; `None` if there is none.
            now: the current monotonic time.
        """
        if self.since is None or failing_since is None:
            return False  # the service serves requests
        return self._left(failing_since, now) <= 0

    def attempt_timeout(
        self, timeout: float | None, failing_since: float | None, now: float
    ) -> float | None:
        """Return the timeout of an attempt, shortened so that the call ends in time.

        After 20 seconds of failures, an attempt has its full timeout again.

        Args:
            timeout: the configured timeout of an attempt in seconds; `None` for no limit.
            failing_since: the monotonic time of the call's first failure; `None` if there is none.
            now: the current monotonic time.
        """
        left = self._left(failing_since, now)
        if left <= 0:
            return timeout
        left = max(left, _LAST_ATTEMPT)
        return left if timeout is None else min(timeout, left)

    def expected_failure(self, now: float) -> TransportError | None:
        """Return an error in place of an attempt that would probably only time out.

        This is the case if no request was served for 20 seconds, and less time has passed since the
        last timeout than it took.

        Args:
            now: the current monotonic time.
        """
        if self._left(None, now) > 0 or now - self._last_failure >= self._last_timeout:
            return None
        return TransportError(
            f"no request has succeeded for {_MAX_OUTAGE:g} seconds, and the last one timed out"
            f" after {self._last_timeout:.1f} seconds",
            not_executed=True,
        )

    def _left(self, failing_since: float | None, now: float) -> float:
        starts = (start for start in (failing_since, self.since) if start is not None)
        return min(starts, default=now) + _MAX_OUTAGE - now
