"""Whether to send a request again, and after how long: decisions only, nobody sleeps here.

The rules and constants are those of AWS SDKs' retry behavior 2.1, as in botocore 1.44's standard
mode; in addition the `Retry-After` header counts, which this service documents.
"""

from __future__ import annotations

from typing import Final

from lambdacore_async.errors import LambdaCoreError, ParameterError

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


class RetryPolicy:
    """Which failures are worth another attempt, and when.

    Args:
        mode: `standard`, or `adaptive`, which also paces sends as the SDKs' adaptive mode does.
        max_attempts: requests a call in all, at least 1.
        max_backoff: seconds that a delay may last, unless the service asks for more.

    Raises:
        ParameterError: an argument is out of its bounds.
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
        self.mode = str.__str__(mode)  # of a member of an enum too, its value
        self.max_attempts = max_attempts
        self.max_backoff = max_backoff

    def backoff(self, error: LambdaCoreError, attempt: int, jitter: float) -> float:
        """Seconds to wait before the attempt after this one.

        Args:
            error: how this attempt failed.
            attempt: its number, from 1.
            jitter: a random number from 0 to 1.
        """
        base = _THROTTLE_BASE if error.throttling else _TRANSIENT_BASE
        # 2.0 ** 1024 overflows; the cap is reached long before.
        delay = jitter * min(base * 2.0 ** min(attempt - 1, 64), self.max_backoff)
        if error.backoff_hint is not None:
            delay = max(delay, min(error.backoff_hint, delay + _MAX_HINT_EXCESS))
        elif error.retry_after is not None:
            delay = max(delay, min(error.retry_after, self.max_backoff))
        return delay


def is_retryable(error: LambdaCoreError, *, repeatable: bool) -> bool:
    """Whether another attempt can help, and can do no harm.

    Args:
        error: how the attempt failed.
        repeatable: doing the operation twice has the effect of doing it once.
    """
    return (error.throttling or error.transient) and (repeatable or error.not_executed)


class RetryQuota:
    """A budget of retries that all calls of a client share, so that an outage is not amplified.

    Args:
        capacity: what the budget starts with, and never exceeds.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self.available = capacity

    def acquire(self, error: LambdaCoreError) -> int | None:
        """Pay for a retry: the price, or `None` if the budget does not allow it."""
        cost = _THROTTLE_COST if error.throttling else _TRANSIENT_COST
        if cost > self.available:
            return None
        self.available -= cost
        return cost

    def release(self, cost: int | None) -> None:
        """Refund after a success: what the last retry cost, or a little if there was none."""
        if self.available < self._capacity:
            refund = _SUCCESS_REFUND if cost is None else cost
            self.available = min(self._capacity, self.available + refund)
