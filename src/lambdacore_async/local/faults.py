"""Faults to inject between the emulator and its clients, scripted or random.

    async with LocalLambdaCore() as aws:
        aws.faults.script(Throttle(retry_after=2), None, Reset("before_answer"))
        aws.faults.at_random({ServiceError(503): 0.1, Truncated(): 0.05}, seed=7)

A fault is a value that describes its effect as a sequence of steps. Steps can be compared and
tested without a socket; only `perform` uses a socket.

The `executed` attribute of a fault says whether the request takes effect. If so, the client misses
the usual response, and a client token makes its retry safe.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from http.client import responses
from itertools import accumulate
from typing import Any, Final, Literal, Protocol, Self, TypeAlias, cast

from attrs import Attribute, evolve, field, frozen

from lambdacore_async.errors import ParameterError, ThrottleReason, TooManyRequestsException
from lambdacore_async.local.errors import refused, unmodelled
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.restjson import build_error

Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""A function that sleeps for a number of seconds."""

_MAXIMUM_SECONDS: Final = 1e6
_MAXIMUM_RATE: Final = 1e6
_MAXIMUM_SIZE: Final = 256 * 1024 * 1024
#: One mebibyte above the limit of this library's client.
_OVERSIZE: Final = 17 * 1024 * 1024
#: Seconds between two checks of whether all data is sent.
_FLUSH_INTERVAL: Final = 0.001
#: Closing with a linger time of 0 seconds sends RST instead of FIN.
_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

#: Operations that take an operator role.
_WITH_ROLE: Final = frozenset({"CreateNetworkConnector", "UpdateNetworkConnector"})
_JSON: Final = {"content-type": "application/json"}
_HTML: Final = {"content-type": "text/html"}
_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\r\n"
#: Response that a fault gets if the request is not executed.
EMPTY: Final = Response(200, _JSON, b"{}")


@frozen
class Pause:
    """A step: wait for this many seconds."""

    seconds: float


class End(Enum):
    """A step: how the connection ends."""

    RESET = auto()  # reset once all data is sent
    STALE = auto()  # reset at the next request


Step: TypeAlias = Response | bytes | Pause | End
"""A complete response to send as usual, raw bytes, a pause, or the end of the connection.

A complete response and a reset end a sequence. A sequence without either closes the connection
gracefully (FIN).
"""


class Fault(Protocol):
    """A fault of one request: a class of this module, or one that users define."""

    @property
    def executed(self) -> bool:
        """Whether the request takes effect."""
        ...

    def steps(self, response: Response, /) -> Iterator[Step]:
        """Return the steps that the client observes.

        Args:
            response: the usual response; `{}` if the request is not executed.
        """
        ...


class _Executed:
    """Base class of faults that follow the execution of the request."""

    __slots__ = ()

    @property
    def executed(self) -> bool:
        """Whether the request takes effect: always."""
        return True


class _NotExecuted:
    """Base class of faults that replace the execution of the request."""

    __slots__ = ()

    @property
    def executed(self) -> bool:
        """Whether the request takes effect: never."""
        return False


def _number(low: float, high: float) -> Callable[[object, Attribute[Any], float | None], None]:
    def check(_: object, attribute: Attribute[Any], value: float | None) -> None:
        if value is not None and not low <= value <= high:
            raise ParameterError(attribute.name, f"must be {low:g} to {high:g}, got {value!r}")

    return check


def _one_of(*choices: object) -> Callable[[object, Attribute[Any], object], None]:
    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value not in choices:
            raise ParameterError(attribute.name, f"must be one of {choices}, got {value!r}")

    return check


def _printable(_: object, attribute: Attribute[Any], value: str) -> None:
    if not (value and value.isascii() and value.isprintable()):
        raise ParameterError(attribute.name, f"must be printable ASCII characters, got {value!r}")


_seconds = _number(0, _MAXIMUM_SECONDS)


@frozen
class Throttle(_NotExecuted):
    """Status 429 with TooManyRequestsException; the request is not executed.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    retry_after: float | None = field(default=None, validator=_seconds)
    """Value of the `Retry-After` header, 0 to 1e6 s; `None` for no header."""
    reason: ThrottleReason | None = ThrottleReason.CALLER_RATE_LIMIT_EXCEEDED
    """The limit that was exceeded; `None` for no reason."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield build_error(self.error())

    def error(self) -> TooManyRequestsException:
        """Return the error that the client receives."""
        return TooManyRequestsException(
            "Rate exceeded", reason=self.reason, retry_after=self.retry_after
        )


@frozen
class ServiceError:
    """Status 500, 502, 503 or 504, from the service or from a load balancer in front of it.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    status: int = field(default=500, validator=_one_of(500, 502, 503, 504))
    """The HTTP status."""
    body: Literal["json", "html", "empty"] = field(
        default="json", validator=_one_of("json", "html", "empty")
    )
    """The body: `json` for a ServiceException, `html` for a load balancer's page, or `empty`."""
    executed: bool = field(default=False, kw_only=True)
    """Whether the request takes effect."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        phrase = responses[self.status]
        match self.body:
            case "json":
                yield build_error(unmodelled("ServiceException", phrase, status_code=self.status))
            case "html":
                page = _PAGE.format(f"{self.status} {phrase}")
                yield Response(self.status, _HTML, page.encode())
            case _:  # empty
                yield Response(self.status, {}, b"")


@frozen
class ErrorResponse:
    """Any error that the service can return, such as ExpiredTokenException.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    code: str = field(validator=_printable)
    """The error code, printable ASCII characters."""
    status: int = field(default=400, validator=_number(400, 599))
    """The HTTP status, 400 to 599."""
    message: str = ""
    """The error message."""
    executed: bool = field(default=False, kw_only=True)
    """Whether the request takes effect."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield build_error(unmodelled(self.code, self.message, status_code=self.status))


@frozen
class Latency(_Executed):
    """A delayed response; the request is executed without delay.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    seconds: float = field(validator=_seconds)
    """The delay, 0 to 1e6 s."""

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Pause(self.seconds)
        yield response


@frozen
class Reset:
    """A reset of the connection (RST).

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    when: Literal["before_work", "before_answer", "during_answer", "after_answer"] = field(
        default="before_work",
        validator=_one_of("before_work", "before_answer", "during_answer", "after_answer"),
    )
    """When the reset happens.

    - `before_work`: before the request is executed, so that it has no effect
    - `before_answer`: after the request is executed, before the response
    - `during_answer`: in the middle of the response's body
    - `after_answer`: after the response
    """

    @property
    def executed(self) -> bool:
        """Whether the request takes effect: unless the reset is before the work."""
        return self.when != "before_work"

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        head, body = _encode(response)
        if self.when == "during_answer":
            yield head + body[: len(body) // 2]
        elif self.when == "after_answer":
            yield head + body
        yield End.RESET


@frozen
class Truncated(_Executed):
    """An incomplete response, after which the connection is closed gracefully (FIN).

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    share: float = field(default=0.5, validator=_number(0, math.nextafter(1, 0)))
    """The share of the part that is sent, 0 to less than 1."""
    part: Literal["body", "head"] = field(default="body", validator=_one_of("body", "head"))
    """The part that is cut: the `body` after a complete head, or the `head`, without a body.

    Cutting the `head` to a share of 0 closes the connection without a response.
    """

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        # A response without a body is one byte short, too.
        head, body = _encode(response, f"content-length: {max(1, len(response.body))}")
        if self.part == "head":
            yield head[: int(self.share * len(head))]
        else:
            yield head + body[: int(self.share * len(body))]


@frozen
class EndlessChunks(_Executed):
    """A complete body in chunks without the final chunk, then FIN."""

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        head, body = _encode(response, "transfer-encoding: chunked")
        yield head
        for part in (body[: len(body) // 2], body[len(body) // 2 :]):
            if part:  # an empty chunk would be the final one
                yield b"%x\r\n%b\r\n" % (len(part), part)


@frozen
class Trickle(_Executed):
    """A complete response in small parts with pauses between them.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    seconds: float = field(default=0.01, validator=_seconds)
    """The pause before each part except the first, 0 to 1e6 s."""
    size: int = field(default=64, validator=_number(1, _MAXIMUM_SIZE))
    """The size of a part in bytes, 1 to 2**28."""

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        # Announce that the connection closes, so that closing it is not a second fault.
        closing = evolve(response, headers={**response.headers, "connection": "close"})
        whole = b"".join(_encode(closing))
        yield whole[: self.size]
        for start in range(self.size, len(whole), self.size):
            yield Pause(self.seconds)
            yield whole[start : start + self.size]


@frozen
class GarbageGzip:
    """Status 200 with `Content-Encoding: gzip` and a body that is not gzip."""

    executed: bool = field(default=True, kw_only=True)
    """Whether the request takes effect."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, {**_JSON, "content-encoding": "gzip"}, b"\x1f\x8b\x08" + b"\xff" * 61)


@frozen
class Oversized(_Executed):
    """The usual response, padded with spaces to a size above the limits of clients.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    size: int = field(default=_OVERSIZE, validator=_number(0, _MAXIMUM_SIZE))
    """The size of the body in bytes, 0 to 2**28; a larger body stays unchanged."""

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield evolve(response, body=response.body.ljust(self.size))


@frozen
class InvalidJson:
    """Status 200 with `Content-Type: application/json` and a body that is not valid JSON."""

    body: bytes = b'{"Name": "prod-egr'
    """The body."""
    executed: bool = field(default=True, kw_only=True)
    """Whether the request takes effect."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, _JSON, self.body)


@frozen
class WrongContentType:
    """Status 200 with an HTML page, such as the login page of a proxy."""

    executed: bool = field(default=False, kw_only=True)
    """Whether the request takes effect."""

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, _HTML, _PAGE.format("Sign in").encode())


@frozen
class ClosedAfter(_Executed):
    """A complete response on a connection that is dead afterwards, unknown to the client.

    The next request on the connection is reset and has no effect. Clients that keep connections
    open cannot avoid this race.
    """

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield End.STALE
        yield response


@frozen
class SkewedClock(_Executed):
    """A skewed clock of the service, shown in the `Date` header of the response.

    The service rejects the request if its signature is more than five minutes from that time.

    Raises:
        ParameterError: if an attribute is out of bounds.
    """

    seconds: float = field(validator=_number(-_MAXIMUM_SECONDS, _MAXIMUM_SECONDS))
    """How far the service's clock is ahead, -1e6 to 1e6 s."""

    def steps(self, response: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield response


class Faults:
    """The faults to inject: scripted ones first, then random ones, then the rate limit.

    Faults for one operation come before faults for any operation. Methods return the object, so
    that calls can be chained.

    Args:
        sleep: sleeps for a number of seconds; defaults to `asyncio.sleep`. Pauses use it.
    """

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self.happened: Counter[Fault] = Counter()
        """How often each fault was injected."""
        self.sleep = sleep
        """Sleeps for a number of seconds."""
        self._scripts: dict[str | None, deque[Fault | None]] = {}
        self._random: dict[str | None, _RandomFaults] = {}
        self._role_delay = timedelta()
        self._roles: dict[str, datetime] = {}
        self._bucket: _TokenBucket | None = None

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The scripted faults that were not injected yet."""
        return tuple(
            fault for script in self._scripts.values() for fault in script if fault is not None
        )

    def script(self, *faults: Fault | None, operation: str | None = None) -> Self:
        """Apply these faults to the next requests, one each; further calls append.

        Args:
            faults: the faults in the order of requests; `None` for a request without a fault.
            operation: the operation, such as `GetNetworkConnector`; `None` for any.

        Raises:
            ParameterError: if the operation does not exist.
        """
        _check_operation(operation)
        self._scripts.setdefault(operation, deque()).extend(faults)
        return self

    def at_random(
        self, probabilities: Mapping[Fault, float], *, seed: int = 0, operation: str | None = None
    ) -> Self:
        """Apply faults at random from now on, in place of earlier random faults.

        Whether a request fails depends only on the seed, on its method, path and query, and on the
        number of equal requests before it. A fan-out therefore meets the same faults in every run,
        whatever the order of its requests.

        Args:
            probabilities: the probability of each fault, 0 to 1, at most 1 in total.
            seed: the seed of the random draws.
            operation: the operation, such as `GetNetworkConnector`; `None` for any.

        Raises:
            ParameterError: if the operation does not exist, or a probability is out of bounds.
        """
        _check_operation(operation)
        total = sum(probabilities.values())
        # The tolerance allows for rounding: ten times 0.1 can exceed 1.
        if not all(0 <= p <= 1 for p in probabilities.values()) or total > 1 + 1e-9:
            raise ParameterError(
                "probabilities", f"must be 0 to 1, at most 1 in total, got a total of {total:g}"
            )
        self._random[operation] = _RandomFaults(probabilities, seed)
        return self

    def delay_roles(self, seconds: float) -> Self:
        """Reject each new operator role for a while, as if IAM had not propagated it yet.

        CreateNetworkConnector and UpdateNetworkConnector return InvalidParameterValueException
        until the delay has passed since the first request with the role, by the service's clock.

        Args:
            seconds: the delay, 0 to 1e6 s.

        Raises:
            ParameterError: if `seconds` is out of bounds.
        """
        if not 0 <= seconds <= _MAXIMUM_SECONDS:
            raise ParameterError("seconds", f"must be 0 to {_MAXIMUM_SECONDS:g} s, got {seconds!r}")
        self._role_delay = timedelta(seconds=seconds)
        return self

    def limit_rate(self, rate: float | None, *, burst: float | None = None) -> Self:
        """Limit the rate of requests from now on, or remove the limit.

        All clients of the service share the limit, as all callers of an account and region share
        AWS's. It is a token bucket, full at first, that fills by the service's clock. A request
        that finds no token gets TooManyRequestsException, and `happened` counts it as `Throttle()`.
        Requests with a wrong signature, and requests that another fault replaces, take no token.

        Args:
            rate: the tokens that are added per second, more than 0 to 1e6; `None` for no limit.
            burst: the maximum number of tokens, 1 to 1e6; defaults to `rate`, but at least 1.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        if rate is None:
            if burst is not None:
                raise ParameterError("burst", f"needs a rate, got {burst!r} without one")
            self._bucket = None
            return self
        if not 0 < rate <= _MAXIMUM_RATE:
            raise ParameterError("rate", f"must be more than 0 to {_MAXIMUM_RATE:g}, got {rate!r}")
        size = max(rate, 1.0) if burst is None else burst
        if not 1 <= size <= _MAXIMUM_RATE:
            raise ParameterError("burst", f"must be 1 to {_MAXIMUM_RATE:g}, got {size!r}")
        self._bucket = _TokenBucket(rate, size)
        return self

    def clear(self) -> Self:
        """Remove all faults and the rate limit; `happened` stays unchanged."""
        self._scripts.clear()
        self._random.clear()
        self._bucket = None
        self._role_delay = timedelta()
        self._roles.clear()
        return self

    def take(self, operation: str, request: Request) -> Fault | None:
        """Return the fault of the next request and count it; `None` for no fault."""
        fault = self._next(operation, request)
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def check_rate(self, now: datetime) -> None:
        """Take a token for a request; see `limit_rate`.

        Raises:
            TooManyRequestsException: if there is none.
        """
        bucket = self._bucket
        if bucket is not None and not bucket.take(now):
            self.happened[_RATE_EXCEEDED] += 1
            raise _RATE_EXCEEDED.error()

    def check_role(self, operation: str, arguments: Mapping[str, object], now: datetime) -> None:
        """Check that the operator role of a request is not too new; see `delay_roles`.

        Raises:
            InvalidParameterValueException: if the role is too new.
        """
        role = arguments.get("operator_role")
        if operation not in _WITH_ROLE or not isinstance(role, str):
            return
        if self._role_delay and now < self._roles.setdefault(role, now) + self._role_delay:
            raise refused("unable to assume the provided NetworkConnectorOperatorRole")

    def _next(self, operation: str, request: Request) -> Fault | None:
        for key in (operation, None):
            if script := self._scripts.get(key):
                return script.popleft()
        for key in (operation, None):
            if key in self._random:
                return self._random[key].draw(request)
        return None


_RATE_EXCEEDED: Final = Throttle()


class _TokenBucket:
    """Tokens that requests take, added at a constant rate up to a maximum."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate = rate
        self._size = size
        self._tokens = size
        self._updated: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Take a token if one is left, and return whether it was."""
        passed = timedelta() if self._updated is None else now - self._updated
        # A clock that was set back adds no tokens.
        added = self._rate * max(passed.total_seconds(), 0.0)
        self._tokens = min(self._tokens + added, self._size)
        self._updated = now
        # The tolerance allows for rounding: ten additions of 0.1 tokens are less than 1 token.
        if self._tokens < 1 - 1e-9:
            return False
        self._tokens -= 1
        return True


class _RandomFaults:
    """Draws faults from the seed, the request and the number of equal earlier requests."""

    def __init__(self, probabilities: Mapping[Fault, float], seed: int) -> None:
        self._faults = tuple(zip(accumulate(probabilities.values()), probabilities, strict=True))
        self._seed = seed
        self._drawn: Counter[tuple[str, str]] = Counter()

    def draw(self, request: Request) -> Fault | None:
        key = (request.method, request.target)
        text = f"{self._seed} {request.method} {request.target} {self._drawn[key]}"
        self._drawn[key] += 1
        # Unlike `hash`, a digest is the same in every process; unlike `random`, it is the same in
        # every Python version. Its first 53 bits make all floats from 0 to 1 equally likely.
        number = (int.from_bytes(sha256(text.encode()).digest()[:8]) >> 11) / 2**53
        return next((fault for bound, fault in self._faults if number < bound), None)


async def perform(
    steps: Iterable[Step], transport: asyncio.Transport, sleep: Sleep
) -> tuple[Response | None, bool]:
    """Apply the steps of a fault to a connection.

    Args:
        steps: the steps of the fault.
        transport: the connection of the request.
        sleep: sleeps for a number of seconds.

    Returns:
        The response to send as usual, or `None` if the connection has ended; and whether the
        connection is stale after the response.
    """
    stale = False
    for step in steps:
        match step:
            case Response():
                return step, stale
            case Pause(seconds):
                await sleep(seconds)
            case End.STALE:
                stale = True
            case End.RESET:
                await flush(transport)
                reset(transport)
            case data:
                transport.write(data)
    transport.close()
    return None, stale


async def flush(transport: asyncio.WriteTransport) -> None:
    """Wait until the system has all written data, or the connection is closed."""
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_FLUSH_INTERVAL)  # an event would need the transport's protocol


def reset(transport: asyncio.WriteTransport) -> None:
    """Reset a connection, so that the other side sees RST instead of FIN."""
    if not transport.is_closing():  # its socket may be closed otherwise
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    transport.abort()


def _encode(response: Response, framing: str | None = None) -> tuple[bytes, bytes]:
    """Return the head and the body of a response as bytes."""
    lines = [
        f"HTTP/1.1 {response.status} {responses.get(response.status, '')}",
        *(f"{name}: {value}" for name, value in response.headers.items()),
        framing or f"content-length: {len(response.body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n", response.body


def _check_operation(operation: str | None) -> None:
    if operation is not None and operation not in OPERATIONS:
        raise ParameterError("operation", f"unknown operation {operation!r}")
