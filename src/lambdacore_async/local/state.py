"""The state of the embedded service: all resources of an account, and how they change in time.

It is pure: the clock is given, and what time brings is worked out whenever something is read. Each
operation of the API is a method, named and called as the client's, that returns the answer's model
or raises the answer's error.
"""

from __future__ import annotations

from collections.abc import Iterable

from lambdacore_async.errors import ParameterError
from lambdacore_async.local.account import (
    REASONS,
    Account,
    FailingOperation,
    Failure,
    Order,
    Risk,
    Seconds,
    check_seconds,
)
from lambdacore_async.local.network_connectors import NetworkConnectors
from lambdacore_async.local.runtimes import Runtimes
from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode


class State(NetworkConnectors, Runtimes):
    """An account's network connectors and runtimes.

    Three methods beside the operations bring about what a test needs: `fail_next` and
    `fail_at_random` let the work of operations fail, `put_network_connector` puts a connector into
    any state.

    Args:
        account: the account; one of defaults if not given.
    """

    def __init__(self, account: Account | None = None) -> None:
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
        """Let the work of the next such operation fail, in its time after the service accepted it.

        A connector whose creation fails ends FAILED, one whose deletion fails DELETE_FAILED. A
        failed update ends with LastUpdateStatus Failed, and the connector stays ACTIVE. A runtime,
        or a version of one, ends FAILED; these have no reason to show.

        Failures add up: after two calls, two operations will fail.

        Args:
            operation: the operation's name.
            reason_code: the reason code to show.
            reason: the reason in words; by default the usual text for that code.
            name: the name of the connector, runtime or version that shall fail; `None` for any.
            seconds: how long it takes to fail, 0 to 1e9 s; by default as long as to succeed.

        Raises:
            ParameterError: the seconds are out of bounds.
        """
        check_seconds("seconds", seconds)
        failure = Failure(reason_code, REASONS[reason_code] if reason is None else reason, seconds)
        self._account.orders.append(Order(operation, name, failure))

    def fail_at_random(
        self,
        operation: FailingOperation,
        probability: float,
        reason_codes: Iterable[NetworkConnectorStateReasonCode] = NetworkConnectorStateReasonCode,
        *,
        seconds: Seconds | None = None,
    ) -> None:
        """Let the work of such operations fail by chance, from now on, in its time.

        It replaces the chance so far. What `fail_next` orders goes first.

        Args:
            operation: the operation's name.
            probability: 0 to 1; 1 is always.
            reason_codes: each is equally likely; one at least.
            seconds: how long it takes to fail, 0 to 1e9 s; by default as long as to succeed.

        Raises:
            ParameterError: an argument is out of bounds.
        """
        if not 0 <= probability <= 1:
            raise ParameterError("probability", f"must be 0 to 1, got {probability!r}")
        check_seconds("seconds", seconds)
        failures = tuple(Failure(code, REASONS[code], seconds) for code in reason_codes)
        if not failures:
            raise ParameterError("reason_codes", "must be one at least")
        self._account.risks[operation] = Risk(probability, failures)
