"""What all resources of the account share: time, limits, failures on demand, paging."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
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
"""Tells the time, with a time zone."""

Seconds: TypeAlias = float | Callable[[Random], float]
"""How long work takes: always the same, or drawn anew for each, as from `Random.lognormvariate`."""

Status = TypeVar("Status")
Record = TypeVar("Record")
Item = TypeVar("Item")

FailingOperation: TypeAlias = Literal[
    "CreateNetworkConnector",
    "UpdateNetworkConnector",
    "DeleteNetworkConnector",
    "CreateRuntime",
    "CreateRuntimeVersion",
]
"""An operation whose work goes on after its answer, and can fail then."""

#: How the service explains each reason code, in words.
REASONS: Final[Mapping[NetworkConnectorStateReasonCode, str]] = MappingProxyType(
    {
        NetworkConnectorStateReasonCode.DISALLOWED_BY_VPC_ENCRYPTION_CONTROL: (
            "The VPC's encryption control does not allow the network interfaces."
        ),
        NetworkConnectorStateReasonCode.EC2_REQUEST_LIMIT_EXCEEDED: (
            "Amazon EC2 throttled the requests for network interfaces."
        ),
        NetworkConnectorStateReasonCode.INSUFFICIENT_ROLE_PERMISSIONS: (
            "The operator role does not allow to manage network interfaces."
        ),
        NetworkConnectorStateReasonCode.INTERNAL_ERROR: "An internal error occurred.",
        NetworkConnectorStateReasonCode.INTERNET_GATEWAY_NOT_ATTACHED: (
            "No internet gateway is attached to the VPC."
        ),
        NetworkConnectorStateReasonCode.INVALID_SECURITY_GROUP: (
            "A security group does not exist, or belongs to another VPC than the subnets."
        ),
        NetworkConnectorStateReasonCode.INVALID_SUBNET: (
            "A subnet does not exist, or belongs to another VPC than the others."
        ),
        NetworkConnectorStateReasonCode.SECURITY_GROUPS_PER_INTERFACE_LIMIT_EXCEEDED: (
            "There are more security groups than a network interface may have."
        ),
        NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES: (
            "A subnet has no free IP addresses left."
        ),
    }
)

_MAXIMUM_SECONDS: Final = 1e9
_PAGE_SIZE: Final = 50
_MAXIMUM_PAGE_SIZE: Final = 100


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def _check_limit(_: object, attribute: Attribute[int], value: int) -> None:
    if value < 0:
        raise ParameterError(attribute.name, f"must be at least 0, got {value!r}")


@frozen(kw_only=True)
class Limits:
    """How many resources the account may have; the service's own figures are not public.

    Attributes:
        network_connectors: connectors in the account, at least 0.
        network_connector_versions: versions of one connector, at least 0; there is always one.
        runtimes: runtimes in the account, at least 0.
        runtime_versions: versions of one runtime, at least 0.
        runtime_aliases: aliases of one runtime, at least 0.

    Raises:
        ParameterError: a limit is negative.
    """

    network_connectors: int = field(default=1000, validator=_check_limit)
    network_connector_versions: int = field(default=100, validator=_check_limit)
    runtimes: int = field(default=100, validator=_check_limit)
    runtime_versions: int = field(default=100, validator=_check_limit)
    runtime_aliases: int = field(default=100, validator=_check_limit)


@frozen
class Change(Generic[Status]):
    """One status until a moment, another from then on."""

    before: Status
    after: Status
    at: datetime

    def status(self, now: datetime) -> Status:
        """The status at a moment."""
        return self.after if now >= self.at else self.before


@frozen
class Failure:
    """How the work of an operation fails, and after how long, unless it is the usual time."""

    reason_code: NetworkConnectorStateReasonCode
    reason: str
    seconds: Seconds | None = None


@frozen
class Order:
    """A failure as ordered by `State.fail_next`, until an operation takes it."""

    operation: FailingOperation
    name: str | None
    failure: Failure


@frozen
class Risk:
    """With which probability an operation's work fails, and for which of some reasons."""

    probability: float
    failures: tuple[Failure, ...]


def check_seconds(parameter: str, seconds: Seconds | None) -> None:
    """Refuse a duration that is out of bounds; of one to be drawn, nothing is known yet.

    Raises:
        ParameterError: it is out of bounds.
    """
    if seconds is not None and not callable(seconds) and not 0 <= seconds <= _MAXIMUM_SECONDS:
        raise ParameterError(parameter, f"must be 0 to {_MAXIMUM_SECONDS}, got {seconds!r}")


def _check_seconds(_: object, attribute: Attribute[Any], value: Seconds) -> None:
    check_seconds(attribute.name, value)


def _check_account_id(_: object, attribute: Attribute[str], value: str) -> None:
    if not re.fullmatch(r"[0-9]{12}", value):
        raise ParameterError(attribute.name, f"must be twelve digits, got {value!r}")


@frozen(kw_only=True)
class Account:
    """An account in a region: its clock, its limits, and how long its work takes.

    The answer to an operation always tells of work begun, even if it takes 0 seconds.

    What is drawn for a resource depends on the seed, on its name, and on how much was drawn for it
    before; not on what else is under way. So each run brings the same, in whatever order many tasks
    act. What is drawn below 0 counts as 0.

    Attributes:
        region: the AWS region.
        account_id: the account's twelve digits.
        clock: tells the time, with a time zone; the real time by default.
        provisioning_seconds: how long a connector is PENDING, a runtime version or alias CREATING;
            0 to 1e9 s, by default 0.1 s.
        update_seconds: how long a connector's update is InProgress, an alias UPDATING; 0 to 1e9 s,
            by default 0.1 s.
        deletion_seconds: how long a resource is DELETING; 0 to 1e9 s, by default 0.1 s.
        stale_seconds: how long reads show a connector as it was before an update; 0 to 1e9 s, by
            default 0 s.
        versioned_roles: whether an update of a connector's role alone makes a version.
        seed: another one makes another run.
        limits: how many resources there may be.
        orders: the failures ordered and not yet taken.
        risks: the failures by chance.

    Raises:
        ParameterError: an argument is out of bounds.
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
    orders: list[Order] = field(factory=list[Order], init=False, repr=False, eq=False)
    risks: dict[FailingOperation, Risk] = field(
        factory=dict[FailingOperation, Risk], init=False, repr=False, eq=False
    )
    _drawn: Counter[str] = field(factory=Counter[str], init=False, repr=False, eq=False)

    def provisioned_at(self, name: str, failure: Failure | None = None) -> datetime:
        """When the resource so named will be provisioned, or have failed, if it begins now."""
        return self._end(self.provisioning_seconds, name, failure)

    def updated_at(self, name: str, failure: Failure | None = None) -> datetime:
        """When an update of the resource so named will be through, or have failed."""
        return self._end(self.update_seconds, name, failure)

    def deleted_at(self, name: str, failure: Failure | None = None) -> datetime:
        """When the resource so named will be gone, or its deletion have failed."""
        return self._end(self.deletion_seconds, name, failure)

    def shown_at(self, name: str) -> datetime:
        """When reads will show what an update does now."""
        return self._end(self.stale_seconds, name)

    def _end(self, seconds: Seconds, name: str, failure: Failure | None = None) -> datetime:
        if failure is not None and failure.seconds is not None:
            seconds = failure.seconds
        if callable(seconds):
            seconds = max(seconds(self._draw(name)), 0.0)
            check_seconds("seconds", seconds)
        return self.clock() + timedelta(seconds=seconds)

    def _draw(self, name: str) -> Random:
        """The randomness of the next thing that happens to the resource so named."""
        self._drawn[name] += 1
        return Random(f"{self.seed} {name} {self._drawn[name]}")  # noqa: S311 - a simulation

    def take_failure(self, operation: FailingOperation, name: str) -> Failure | None:
        """The failure of this operation on the resource so named: an ordered one, or by chance."""
        for order in self.orders:
            if order.operation == operation and order.name in (None, name):
                self.orders.remove(order)
                return order.failure
        risk = self.risks.get(operation)
        if risk is None:
            return None
        random = self._draw(name)
        return random.choice(risk.failures) if random.random() < risk.probability else None

    def arn(self, resource: str, account_id: str | None = None) -> str:
        """The ARN of a resource of the account, or of another."""
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
    """Cut one page out of a listing.

    A token remembers the last record that was shown, not a position: whatever comes or goes between
    two pages, no other record is shown twice or left out.

    Args:
        records: all of them, each with its number, in rising order.
        view: shows one of them.
        listing: what is listed; tokens of one listing are not valid for another.
        token: the token parameter's name and value.
        size: the page size parameter's name and value, 1 to 100; no page is longer than 50.

    Raises:
        InvalidParameterValueException: the token is not one of this listing, or the size is out of
            bounds.
    """
    last = 0 if token[1] is None else _read_token(token[0], token[1], listing)
    limit = _PAGE_SIZE if size[1] is None else size[1]
    if not 1 <= limit <= _MAXIMUM_PAGE_SIZE:
        raise invalid(size[0], f"must be from 1 to {_MAXIMUM_PAGE_SIZE}, got {limit}")
    limit = min(limit, _PAGE_SIZE)
    following = ((number, record) for number, record in records if number > last)
    found = list(islice(following, limit + 1))
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
        raise invalid(parameter, "is not a token of this listing")
    return int(number)
