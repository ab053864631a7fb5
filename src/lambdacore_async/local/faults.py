"""Everything that can go wrong between the service and its clients, on demand.

    async with LocalLambdaCore() as aws:
        aws.faults.script(Throttle(retry_after=2), None, Reset("before_answer"))
        aws.faults.at_random({ServiceError(503): 0.1, Truncated(): 0.05}, seed=7)

Each fault is a value. What it does is a row of steps, so that it can be read, compared and tested
without a socket; only `perform` touches one.

A fault is told apart by what became of the request: where `executed` is true, the work was done,
and the client merely does not learn of it as it should. That is what client tokens are for.
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
from lambdacore_async.local.errors import invalid, unmodelled
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.restjson import build_error

Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""Lets so many seconds pass."""

_MAXIMUM_SECONDS: Final = 1e6
_MAXIMUM_SIZE: Final = 256 * 1024 * 1024
#: One mebibyte more than this library's client reads.
_OVERSIZE: Final = 17 * 1024 * 1024
#: Seconds between two looks at whether all has been sent.
_FLUSH_INTERVAL: Final = 0.001
#: Closing with a linger of 0 seconds sends RST in place of FIN.
_LINGER: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

#: The operations that name an operator role.
_WITH_ROLE: Final = frozenset({"CreateNetworkConnector", "UpdateNetworkConnector"})
_JSON: Final = {"content-type": "application/json"}
_HTML: Final = {"content-type": "text/html"}
_PAGE: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\r\n"
#: What there is to spoil where the request is not executed.
BLANK: Final = Response(200, _JSON, b"{}")


@frozen
class Pause:
    """A step: nothing happens for so many seconds."""

    seconds: float


class End(Enum):
    """A step: what becomes of the connection."""

    RESET = auto()  # broken, once all is sent
    STALE = auto()  # broken as soon as a further request comes over it


Step: TypeAlias = Response | bytes | Pause | End
"""A whole answer, sent in good order; or bytes as they are; or a pause; or the connection's end.

A whole answer and a reset are the last of their row; a row that ends without either closes the
connection in good order (FIN).
"""


class Fault(Protocol):
    """What goes wrong with one request: a value of one of the classes below, or of your own."""

    @property
    def executed(self) -> bool:
        """Whether the request takes effect."""
        ...

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """What comes over the wire.

        Args:
            answer: what the service would answer; `{}` if the request is not executed.
        """
        ...


class _Executed:
    """What goes wrong comes after the work."""

    __slots__ = ()

    @property
    def executed(self) -> bool:
        """Always."""
        return True


class _NotExecuted:
    """What goes wrong comes before the work."""

    __slots__ = ()

    @property
    def executed(self) -> bool:
        """Never."""
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
    """Status 429, TooManyRequestsException; the request is not executed.

    Attributes:
        retry_after: what the `Retry-After` header says, 0 to 1e6 s; `None` for no such header.
        reason: which limit was hit.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    retry_after: float | None = field(default=None, validator=_seconds)
    reason: ThrottleReason | None = ThrottleReason.CALLER_RATE_LIMIT_EXCEEDED

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield build_error(
            TooManyRequestsException(
                "Rate exceeded", reason=self.reason, retry_after=self.retry_after
            )
        )


@frozen
class ServiceError:
    """Status 500, 502, 503 or 504, from the service or from what stands before it.

    Attributes:
        status: the HTTP status.
        body: `json` for the service's own ServiceException, `html` for a load balancer's page,
            `empty` for nothing.
        executed: whether the request takes effect all the same.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    status: int = field(default=500, validator=_one_of(500, 502, 503, 504))
    body: Literal["json", "html", "empty"] = field(
        default="json", validator=_one_of("json", "html", "empty")
    )
    executed: bool = field(default=False, kw_only=True)

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
class Refuse:
    """Any error that the service can answer with, such as ExpiredTokenException.

    Attributes:
        code: the error's code, of printable ASCII characters.
        status: the HTTP status, 400 to 599.
        message: the error's text.
        executed: whether the request takes effect all the same.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    code: str = field(validator=_printable)
    status: int = field(default=400, validator=_number(400, 599))
    message: str = ""
    executed: bool = field(default=False, kw_only=True)

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield build_error(unmodelled(self.code, self.message, status_code=self.status))


@frozen
class Latency(_Executed):
    """The request is executed at once, and answered late.

    Attributes:
        seconds: how late, 0 to 1e6 s.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    seconds: float = field(validator=_seconds)

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Pause(self.seconds)
        yield answer


@frozen
class Reset:
    """The connection breaks (RST).

    Attributes:
        when: `before_work`, so that the request has no effect; or `before_answer`, when the work is
            done; or `during_answer`, in the middle of its body; or `after_answer`.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    when: Literal["before_work", "before_answer", "during_answer", "after_answer"] = field(
        default="before_work",
        validator=_one_of("before_work", "before_answer", "during_answer", "after_answer"),
    )

    @property
    def executed(self) -> bool:
        """Unless the connection breaks before the work."""
        return self.when != "before_work"

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        head, body = _on_the_wire(answer)
        if self.when == "during_answer":
            yield head + body[: len(body) // 2]
        elif self.when == "after_answer":
            yield head + body
        yield End.RESET


@frozen
class Truncated(_Executed):
    """The answer is cut, and the connection closed in good order (FIN).

    Attributes:
        share: how much of the part is sent, 0 to less than 1.
        part: what is cut: the `body`, after a whole head; or the `head`, so that no body follows.
            A share of 0 of the head is a connection closed without a word.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    share: float = field(default=0.5, validator=_number(0, math.nextafter(1, 0)))
    part: Literal["body", "head"] = field(default="body", validator=_one_of("body", "head"))

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        # An answer without a body is one byte short too.
        head, body = _on_the_wire(answer, f"content-length: {max(1, len(answer.body))}")
        if self.part == "head":
            yield head[: int(self.share * len(head))]
        else:
            yield head + body[: int(self.share * len(body))]


@frozen
class EndlessChunks(_Executed):
    """The answer is whole, in chunks; but the chunk that ends them never comes, then FIN does."""

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        head, body = _on_the_wire(answer, "transfer-encoding: chunked")
        yield head
        for part in (body[: len(body) // 2], body[len(body) // 2 :]):
            if part:  # an empty one would be the end
                yield b"%x\r\n%b\r\n" % (len(part), part)


@frozen
class Trickle(_Executed):
    """The answer is whole, and comes in small parts with pauses between them.

    Attributes:
        seconds: the pause before each part but the first, 0 to 1e6 s.
        size: the bytes of a part, 1 to 2**28.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    seconds: float = field(default=0.01, validator=_seconds)
    size: int = field(default=64, validator=_number(1, _MAXIMUM_SIZE))

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        # Announced, so that closing it is no fault on top of the other.
        closing = evolve(answer, headers={**answer.headers, "connection": "close"})
        whole = b"".join(_on_the_wire(closing))
        yield whole[: self.size]
        for start in range(self.size, len(whole), self.size):
            yield Pause(self.seconds)
            yield whole[start : start + self.size]


@frozen
class GarbageGzip:
    """Status 200 with a body that says it is gzip, and is not.

    Attributes:
        executed: whether the request takes effect.
    """

    executed: bool = field(default=True, kw_only=True)

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, {**_JSON, "content-encoding": "gzip"}, b"\x1f\x8b\x08" + b"\xff" * 61)


@frozen
class Oversized(_Executed):
    """The answer is right, but followed by spaces up to a size that no answer should have.

    Attributes:
        size: the bytes of the body, 0 to 2**28; by default 17 MiB. No body becomes smaller.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    size: int = field(default=_OVERSIZE, validator=_number(0, _MAXIMUM_SIZE))

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield evolve(answer, body=answer.body.ljust(self.size))


@frozen
class InvalidJson:
    """Status 200 with a body that says it is JSON, and is not.

    Attributes:
        body: the body.
        executed: whether the request takes effect.
    """

    body: bytes = b'{"Name": "prod-egr'
    executed: bool = field(default=True, kw_only=True)

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, _JSON, self.body)


@frozen
class WrongContentType:
    """Status 200 with a page of HTML, as a login page or a proxy on the way answers.

    Attributes:
        executed: whether the request takes effect all the same.
    """

    executed: bool = field(default=False, kw_only=True)

    def steps(self, _: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield Response(200, _HTML, _PAGE.format("Sign in").encode())


@frozen
class ClosedAfter(_Executed):
    """The answer is whole, but its connection is dead from then on, and the client not told.

    The next request over it meets a reset, and has no effect: the race that every client loses now
    and then which keeps connections open.
    """

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield End.STALE
        yield answer


@frozen
class SkewedClock(_Executed):
    """The service judges the signature by another time, which the `Date` of its answer tells.

    A request is refused if it was signed more than five minutes from that time, else executed.

    Attributes:
        seconds: how far the service's clock is ahead, -1e6 to 1e6 s.

    Raises:
        ParameterError: an attribute is out of bounds.
    """

    seconds: float = field(validator=_number(-_MAXIMUM_SECONDS, _MAXIMUM_SECONDS))

    def steps(self, answer: Response, /) -> Iterator[Step]:
        """See `Fault.steps`."""
        yield answer


class Faults:
    """The plan of what goes wrong: a script first, then chance, and nothing otherwise.

    What is planned for one operation goes before what is planned for any. Methods return the plan,
    so that one line can make it.

    Args:
        sleep: lets pauses pass; `asyncio.sleep` by default, so that a test need not wait.

    Attributes:
        happened: how often each fault has happened.
        sleep: lets pauses pass.
    """

    def __init__(self, *, sleep: Sleep = asyncio.sleep) -> None:
        self.happened: Counter[Fault] = Counter()
        self.sleep = sleep
        self._scripts: dict[str | None, deque[Fault | None]] = {}
        self._chances: dict[str | None, _Chance] = {}
        self._role_delay = timedelta()
        self._roles: dict[str, datetime] = {}

    def script(self, *faults: Fault | None, operation: str | None = None) -> Self:
        """Let the next requests go wrong, each as the next fault says.

        Scripts add up: another call goes on where the one before ends.

        Args:
            faults: in the order of requests; `None` for one that goes well.
            operation: whose requests, such as `GetNetworkConnector`; `None` for any.

        Raises:
            ParameterError: there is no such operation.
        """
        _check_operation(operation)
        self._scripts.setdefault(operation, deque()).extend(faults)
        return self

    def at_random(
        self, probabilities: Mapping[Fault, float], *, seed: int = 0, operation: str | None = None
    ) -> Self:
        """Let requests go wrong by chance, from now on; it replaces the chances so far.

        The fate of a request depends on the seed, on its method, path and query, and on how many
        like it came before; not on what else is under way. So a fan-out meets the same faults in
        each run, in whatever order its requests come.

        Args:
            probabilities: of each fault, 0 to 1, and no more than 1 in all; 1 is always.
            seed: another one makes another run.
            operation: whose requests, such as `GetNetworkConnector`; `None` for any.

        Raises:
            ParameterError: there is no such operation, or a probability is out of bounds.
        """
        _check_operation(operation)
        total = sum(probabilities.values())
        # Ten tenths are more than 1, as floats go.
        if not all(0 <= p <= 1 for p in probabilities.values()) or total > 1 + 1e-9:
            raise ParameterError("probabilities", f"must be 0 to 1, and 1 in all, got {total:g}")
        self._chances[operation] = _Chance(probabilities, seed)
        return self

    def delay_roles(self, seconds: float) -> Self:
        """Let each operator role be useless at first, as one is that IAM has not spread yet.

        CreateNetworkConnector and UpdateNetworkConnector answer InvalidParameterValueException
        until so many seconds, by the service's clock, after the first request that names the role.

        Args:
            seconds: 0 to 1e6 s.

        Raises:
            ParameterError: the seconds are out of bounds.
        """
        if not 0 <= seconds <= _MAXIMUM_SECONDS:
            raise ParameterError("seconds", f"must be 0 to {_MAXIMUM_SECONDS:g}, got {seconds!r}")
        self._role_delay = timedelta(seconds=seconds)
        return self

    def clear(self) -> Self:
        """Let all go well from now on; what has happened stays counted."""
        self._scripts.clear()
        self._chances.clear()
        self._role_delay = timedelta()
        self._roles.clear()
        return self

    def take(self, operation: str, request: Request) -> Fault | None:
        """The fault of the next request, counted; `None` if it goes well."""
        fault = self._next(operation, request)
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def check_role(self, operation: str, arguments: Mapping[str, object], now: datetime) -> None:
        """Refuse a request whose operator role is too fresh.

        Raises:
            InvalidParameterValueException: it is.
        """
        role = arguments.get("operator_role")
        if operation not in _WITH_ROLE or not isinstance(role, str):
            return
        if self._role_delay and now < self._roles.setdefault(role, now) + self._role_delay:
            raise invalid("OperatorRole", f"The service is unable to assume the role {role[:2048]}")

    def _next(self, operation: str, request: Request) -> Fault | None:
        for key in (operation, None):
            if script := self._scripts.get(key):
                return script.popleft()
        for key in (operation, None):
            if key in self._chances:
                return self._chances[key].draw(request)
        return None


class _Chance:
    """Draws faults: the same request, the same number of times, always draws the same."""

    def __init__(self, probabilities: Mapping[Fault, float], seed: int) -> None:
        self._faults = tuple(zip(accumulate(probabilities.values()), probabilities, strict=True))
        self._seed = seed
        self._drawn: Counter[tuple[str, str]] = Counter()

    def draw(self, request: Request) -> Fault | None:
        key = (request.method, request.target)
        text = f"{self._seed} {request.method} {request.target} {self._drawn[key]}"
        self._drawn[key] += 1
        # A digest: unlike `hash`, the same in each process, and unlike `random`, in each version.
        # Its first 53 bits make each float from 0 to 1 (exclusive) equally likely.
        number = (int.from_bytes(sha256(text.encode()).digest()[:8]) >> 11) / 2**53
        return next((fault for bound, fault in self._faults if number < bound), None)


async def perform(
    steps: Iterable[Step], transport: asyncio.Transport, sleep: Sleep
) -> tuple[Response | None, bool]:
    """Do on a connection what a fault says.

    Args:
        steps: of the fault.
        transport: of the connection that the request came over.
        sleep: lets pauses pass.

    Returns:
        The answer that is to be sent in good order, `None` if there is none since the connection
        has ended; and whether the connection is stale once it is sent.
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
    """Wait until all that was written is in the hands of the system, or the connection is gone."""
    while transport.get_write_buffer_size() and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(_FLUSH_INTERVAL)  # an event would take the transport's own protocol


def reset(transport: asyncio.WriteTransport) -> None:
    """Break a connection, so that the other side sees RST in place of FIN."""
    if not transport.is_closing():  # else its socket may be gone
        connection = cast("socket.socket", transport.get_extra_info("socket"))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    transport.abort()


def _on_the_wire(answer: Response, framing: str | None = None) -> tuple[bytes, bytes]:
    """Head and body of an answer, byte for byte."""
    lines = [
        f"HTTP/1.1 {answer.status} {responses.get(answer.status, '')}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        framing or f"content-length: {len(answer.body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n", answer.body


def _check_operation(operation: str | None) -> None:
    if operation is not None and operation not in OPERATIONS:
        raise ParameterError("operation", f"there is no operation {operation!r}")
