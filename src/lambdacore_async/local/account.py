"""Account shared by all resources: its clock, limits, planned failures and pagination."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from random import Random
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

from attrs import Attribute, field, frozen

from lambdacore_async.errors import ParameterError
from lambdacore_async.local.errors import invalid
from lambdacore_async.models.network_connectors import NetworkConnectorStateReasonCode
from lambdacore_async.models.shared import Page
from lambdacore_async.protocol.endpoints import partition_of

Clock: TypeAlias = Callable[[], datetime]
"""A function that returns the current time as an aware `datetime`."""

Seconds: TypeAlias = float | Callable[[Random], float]
"""A duration in seconds: a constant, or a function that draws one for each piece of work.

For example, `lambda random: random.lognormvariate(4, 0.6)`.
"""

Value = TypeVar("Value")
Record = TypeVar("Record")
Item = TypeVar("Item")

FailingOperation: TypeAlias = Literal[
    "CreateNetworkConnector",
    "UpdateNetworkConnector",
    "DeleteNetworkConnector",
    "CreateRuntime",
    "CreateRuntimeVersion",
]
"""An operation whose work continues, and can fail, after its response."""

#: The text that the service gives for each reason code.
REASONS: Final[Mapping[NetworkConnectorStateReasonCode, str]] = MappingProxyType(
    {
        NetworkConnectorStateReasonCode.DISALLOWED_BY_VPC_ENCRYPTION_CONTROL: (
            "The VPC's encryption control does not allow the network interfaces."
        ),
        NetworkConnectorStateReasonCode.EC2_REQUEST_LIMIT_EXCEEDED: (
            "Amazon EC2 throttled the requests for network interfaces."
        ),
        NetworkConnectorStateReasonCode.INSUFFICIENT_ROLE_PERMISSIONS: (
            "The operator role lacks permission to manage network interfaces."
        ),
        NetworkConnectorStateReasonCode.INTERNAL_ERROR: "An internal error occurred.",
        NetworkConnectorStateReasonCode.INTERNET_GATEWAY_NOT_ATTACHED: (
            "No internet gateway is attached to the VPC."
        ),
        NetworkConnectorStateReasonCode.INVALID_SECURITY_GROUP: (
            "A security group does not exist, or is not in the same VPC as the subnets."
        ),
        NetworkConnectorStateReasonCode.INVALID_SUBNET: (
            "A subnet does not exist, or is not in the same VPC as the others."
        ),
        NetworkConnectorStateReasonCode.SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED: (
            "There are more security groups than a network interface can have."
        ),
        NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES: (
            "A subnet has no free IP addresses."
        ),
    }
)

_MAXIMUM_SECONDS: Final = 1e9
_PAGE_SIZE: Final = 50
_MAXIMUM_PAGE_SIZE: Final = 100


#: Reads the clock of this machine; simulated time replaces it.
time_of_day: Clock = partial(datetime.now, UTC)


def utc_now() -> datetime:
    """Return the current time in UTC."""
    return time_of_day()


def _check_limit(_: object, attribute: Attribute[int], value: int) -> None:
    if value < 0:
        raise ParameterError(attribute.name, f"must be at least 0, got {value!r}")


@frozen(kw_only=True)
class Limits:
    """Maximum numbers of resources. AWS does not publish its quotas.

    Raises:
        ParameterError: if a limit is negative.
    """

    network_connectors: int = field(default=1000, validator=_check_limit)
    """Connectors in the account, at least 0."""
    network_connector_versions: int = field(default=100, validator=_check_limit)
    """Versions of one connector, at least 0. A connector always has one version."""
    runtimes: int = field(default=100, validator=_check_limit)
    """Runtimes in the account, at least 0."""
    runtime_versions: int = field(default=100, validator=_check_limit)
    """Versions of one runtime, at least 0."""
    runtime_aliases: int = field(default=100, validator=_check_limit)
    """Aliases of one runtime, at least 0."""


@frozen
class Transition(Generic[Value]):
    """A value that changes at a known time.

    Attributes:
        before: the value before `at`.
        after: the value from `at` on.
        at: the time of the change.
    """

    before: Value
    after: Value
    at: datetime

    def value(self, now: datetime) -> Value:
        """Return the value at a time."""
        return self.after if now >= self.at else self.before


def constant(value: Value) -> Transition[Value]:
    """Return a transition that keeps its value."""
    return Transition(value, value, datetime.max.replace(tzinfo=UTC))


@frozen
class Failure:
    """The failure of an operation's work.

    Attributes:
        reason_code: the reason code to report.
        reason: the reason to report, as text.
        seconds: the time until the work fails; `None` for the time that success takes.
    """

    reason_code: NetworkConnectorStateReasonCode
    reason: str
    seconds: Seconds | None = None


@frozen
class ScheduledFailure:
    """A failure for the next matching operation; see `State.fail_next`."""

    operation: FailingOperation
    name: str | None
    failure: Failure


@frozen
class FailureRate:
    """The probability that an operation's work fails, and its possible failures."""

    probability: float
    failures: tuple[Failure, ...]


def check_seconds(parameter: str, seconds: Seconds | None) -> None:
    """Check a constant duration; a drawn duration is checked when it is drawn.

    Raises:
        ParameterError: if the duration is not 0 to 1e9 s.
    """
    if seconds is not None and not callable(seconds) and not 0 <= seconds <= _MAXIMUM_SECONDS:
        raise ParameterError(parameter, f"must be 0 to {_MAXIMUM_SECONDS:g} s, got {seconds!r}")


def _check_seconds(_: object, attribute: Attribute[Any], value: Seconds) -> None:
    check_seconds(attribute.name, value)


def _check_account_id(_: object, attribute: Attribute[str], value: str) -> None:
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ParameterError(attribute.name, f"must be 12 digits, got {value!r}")


@frozen(kw_only=True)
class Account:
    """An account in one region: its clock, limits, durations and planned failures.

    The parameters are those of `LocalLambdaCore`, which documents them.

    Attributes:
        scheduled_failures: failures that are still to be used.
        failure_rates: random failures, by operation.

    Raises:
        ParameterError: if an argument is out of bounds.
    """

    region: str = "us-east-1"
    account_id: str = field(default="123456789012", validator=_check_account_id)
    clock: Clock = utc_now
    provisioning_seconds: Seconds = field(default=0.1, validator=_check_seconds)
    update_seconds: Seconds = field(default=0.1, validator=_check_seconds)
    deletion_seconds: Seconds = field(default=0.1, validator=_check_seconds)
    stale_seconds: Seconds = field(default=0.0, validator=_check_seconds)
    versioned_roles: bool = True
    seed: int = 0
    limits: Limits = field(factory=Limits)
    scheduled_failures: list[ScheduledFailure] = field(
        factory=list[ScheduledFailure], init=False, repr=False, eq=False
    )
    failure_rates: dict[FailingOperation, FailureRate] = field(
        factory=dict[FailingOperation, FailureRate], init=False, repr=False, eq=False
    )
    _draws: Counter[str] = field(factory=Counter[str], init=False, repr=False, eq=False)

    def provisioned_at(self, name: str, failure: Failure | None = None) -> datetime:
        """Return when provisioning that starts now will complete or fail."""
        return self._end(self.provisioning_seconds, name, failure)

    def updated_at(self, name: str, failure: Failure | None = None) -> datetime:
        """Return when an update that starts now will complete or fail."""
        return self._end(self.update_seconds, name, failure)

    def deleted_at(self, name: str, failure: Failure | None = None) -> datetime:
        """Return when a deletion that starts now will complete or fail."""
        return self._end(self.deletion_seconds, name, failure)

    def visible_at(self, name: str) -> datetime:
        """Return when reads will show an update that starts now."""
        return self._end(self.stale_seconds, name)

    def _end(self, seconds: Seconds, name: str, failure: Failure | None = None) -> datetime:
        if failure is not None and failure.seconds is not None:
            seconds = failure.seconds
        if callable(seconds):
            seconds = max(seconds(self._random(name)), 0.0)
            check_seconds("seconds", seconds)
        return self.clock() + timedelta(seconds=seconds)

    def _random(self, name: str) -> Random:
        """Return the random numbers for the next event of a resource."""
        self._draws[name] += 1
        return Random(f"{self.seed} {name} {self._draws[name]}")  # noqa: S311 - a simulation

    def take_failure(self, operation: FailingOperation, name: str) -> Failure | None:
        """Return the failure of an operation on a resource, or `None` for success.

        A scheduled failure is used up, and takes precedence over a random one.
        """
        for scheduled in self.scheduled_failures:
            if scheduled.operation == operation and scheduled.name in (None, name):
                self.scheduled_failures.remove(scheduled)
                return scheduled.failure
        rate = self.failure_rates.get(operation)
        if rate is None:
            return None
        random = self._random(name)
        return random.choice(rate.failures) if random.random() < rate.probability else None

    def arn(self, resource: str, account_id: str | None = None) -> str:
        """Return the ARN of a resource.

        Args:
            resource: the resource part of the ARN.
            account_id: the account part of the ARN; defaults to this account.
        """
        partition = partition_of(self.region).id
        return f"arn:{partition}:lambda:{self.region}:{account_id or self.account_id}:{resource}"


def paginate(
    records: Iterable[tuple[int, Record]],
    view: Callable[[Record], Item],
    *,
    listing: str,
    token: tuple[str, str | None],
    size: tuple[str, int | None],
) -> Page[Item]:
    """Return one page of a listing.

    A token holds the number of the last record on its page, not a position. Records created or
    deleted between two pages therefore never repeat or hide another record.

    Args:
        records: all records in ascending order, each with its number.
        view: converts a record into an item of the page.
        listing: the name of the listing; a token of another listing is not valid.
        token: the name and value of the token parameter.
        size: the name and value of the page size parameter, 1 to 100. Defaults to 50, and larger
            sizes count as 50.

    Raises:
        InvalidParameterValueException: if the token is not valid, or the size is out of bounds.
    """
    last = 0 if token[1] is None else _read_token(token[0], token[1], listing)
    limit = _PAGE_SIZE if size[1] is None else size[1]
    if not 1 <= limit <= _MAXIMUM_PAGE_SIZE:
        raise invalid(size[0], f"must be 1 to {_MAXIMUM_PAGE_SIZE}, got {limit}")
    limit = min(limit, _PAGE_SIZE)
    found = list(islice((record for record in records if record[0] > last), limit + 1))
    items = tuple(view(record) for _, record in found[:limit])
    more = len(found) > limit
    return Page(items, _write_token(found[limit - 1][0], listing) if more else None)


def _write_token(number: int, listing: str) -> str:
    return urlsafe_b64encode(f"{number} {listing}".encode()).decode()


def _read_token(parameter: str, token: str, listing: str) -> int:
    try:
        number, _, of = urlsafe_b64decode(token).decode().partition(" ")
    except ValueError:
        number, of = "", ""
    if of != listing or not re.fullmatch(r"[0-9]{1,18}", number):
        raise invalid(parameter, "is not a valid token for this listing")
    return int(number)
