"""State of the emulator: the resources of one account, and how they change over time.

This module does no I/O. The clock is injected, and every read computes the changes up to now.
Methods take a lock, because tests may use a state while a service in another thread serves it. Each
operation of the API is a method with the name and parameters of the client's. It returns the model
of the response, or raises the error of the response.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from lambdacore_async.errors import ParameterError
from lambdacore_async.local.account import (
    REASONS,
    Account,
    FailingOperation,
    Failure,
    FailureRate,
    ScheduledFailure,
    Seconds,
    check_seconds,
)
from lambdacore_async.local.network_connectors import NetworkConnectors
from lambdacore_async.local.runtimes import Runtimes
from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode

Result = TypeVar("Result")


class State(NetworkConnectors, Runtimes):
    """The network connectors and runtimes of an account.

    In addition to the API's operations, it has methods for tests: `fail_next` and `fail_at_random`
    make operations fail, and the `put` methods set up connectors and the resources that use them.

    Args:
        account: the account; defaults to `Account()`.
    """

    def __init__(self, account: Account | None = None) -> None:
        self._lock = threading.RLock()
        account = Account() if account is None else account
        NetworkConnectors.__init__(self, account)
        Runtimes.__init__(self, account)

    @property
    def account(self) -> Account:
        """The account, with its clock and limits."""
        return self._account

    def fail_next(
        self,
        operation: FailingOperation,
        reason_code: NetworkConnectorStateReasonCode = (
            NetworkConnectorStateReasonCode.INTERNAL_ERROR
        ),
        reason: str | None = None,
        *,
        name: str | None = None,
        seconds: Seconds | None = None,
    ) -> None:
        """Make the next matching operation fail after the service has accepted it.

        A connector ends FAILED if its creation fails, and DELETE_FAILED if its deletion fails. If
        its update fails, it stays ACTIVE with the LastUpdateStatus Failed. A runtime or runtime
        version ends FAILED; the API reports no reason for these.

        Calls add up: after two calls, two operations fail.

        Args:
            operation: the operation's name.
            reason_code: the reason code to report.
            reason: the reason to report, as text; defaults to the usual text of the code.
            name: the name of the connector, runtime or version; `None` for any.
            seconds: the time until the work fails, 0 to 1e9 s; defaults to the time that success
                takes.

        Raises:
            ParameterError: if `seconds` is out of bounds.
        """
        check_seconds("seconds", seconds)
        failure = Failure(reason_code, REASONS[reason_code] if reason is None else reason, seconds)
        self._account.scheduled_failures.append(ScheduledFailure(operation, name, failure))

    def fail_at_random(
        self,
        operation: FailingOperation,
        probability: float,
        reason_codes: Iterable[NetworkConnectorStateReasonCode] = NetworkConnectorStateReasonCode,
        *,
        seconds: Seconds | None = None,
    ) -> None:
        """Make an operation fail with a probability, from now on.

        This replaces the operation's earlier probability. Failures of `fail_next` take precedence.

        Args:
            operation: the operation's name.
            probability: the probability, 0 to 1; 1 for every time.
            reason_codes: the possible reason codes, at least one; all are equally likely.
            seconds: the time until the work fails, 0 to 1e9 s; defaults to the time that success
                takes.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        if not 0 <= probability <= 1:
            raise ParameterError("probability", f"must be 0 to 1, got {probability!r}")
        check_seconds("seconds", seconds)
        failures = tuple(Failure(code, REASONS[code], seconds) for code in reason_codes)
        if not failures:
            raise ParameterError("reason_codes", "must have at least one reason code, got none")
        self._account.failure_rates[operation] = FailureRate(probability, failures)


def _locked(method: Callable[..., Result]) -> Callable[..., Result]:
    """Return a method that holds the lock of its state."""

    @functools.wraps(method)
    def locked(self: State, *args: object, **options: object) -> Result:
        with self._lock:
            return method(self, *args, **options)

    return locked


for _class in reversed(State.__mro__[:-1]):  # the most derived method is set last
    for _method_name, _method in list(vars(_class).items()):
        if callable(_method) and not _method_name.startswith("_"):
            setattr(State, _method_name, _locked(_method))
