"""HTTP server that serves a `State`, by default on the loopback interface."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any, Final, Self, cast
from uuid import uuid4
from weakref import WeakSet

from aiohttp import web
from attrs import evolve, frozen

from lambdacore_async.errors import ApiError, ConfigurationError, ParameterError
from lambdacore_async.local import users
from lambdacore_async.local.account import Clock, utc_now
from lambdacore_async.local.authentication import authenticate
from lambdacore_async.local.constraints import check
from lambdacore_async.local.errors import invalid, refused, unmodelled
from lambdacore_async.local.faults import EMPTY, Fault, Faults, SkewedClock, perform, reset
from lambdacore_async.local.state import State
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.restjson import Operation, build_error
from lambdacore_async.protocol.sigv4 import Credentials

LOOPBACK: Final = "127.0.0.1"
#: The path of health checks by load balancers and containers.
HEALTH: Final = "/_health"
#: The address at which to reach a server that listens on all interfaces.
_REACHABLE: Final = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 - not an address to bind to
#: Seconds that active requests get to finish when the server stops.
_SHUTDOWN_TIMEOUT = 1.0
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@frozen
class AnsweredRequest:
    """A request that the emulator has answered, for access logs."""

    method: str
    """The HTTP method."""
    target: str
    """The path and query as received. They are text from a client, which may be hostile."""
    operation: str
    """The operation's name, or `UnknownOperation`."""
    status: int | None
    """The status of the response; `None` if a fault broke the response or the connection."""
    fault: Fault | None
    """The fault that was injected, if any; the rate limit is not one."""


class Server:
    """Serves a state over HTTP. Use it in `async with`, or `start` and `stop` it.

    Args:
        state: the state to serve.
        credentials: the credentials that requests may be signed with.
        port: the TCP port; 0 for any free port.
        host: the address to listen on.
        clock: returns the time by which signatures are verified, which is also the `Date` of
            responses.
        faults: the faults to inject; none by default.
        verifies: whether to verify signatures.
        on_request: called for each response.

    Attributes:
        state: the state to serve.
        credentials: the credentials that requests may be signed with, by access key ID; mutable.
        faults: the faults to inject.
        calls: the number of requests by operation; `UnknownOperation` counts all others.
    """

    def __init__(
        self,
        state: State,
        *,
        credentials: Iterable[Credentials],
        port: int = 0,
        host: str = LOOPBACK,
        clock: Clock = utc_now,
        faults: Faults | None = None,
        verifies: bool = True,
        on_request: Callable[[AnsweredRequest], None] | None = None,
    ) -> None:
        self.state = state
        self.credentials: dict[str, Credentials] = {
            known.access_key_id: known for known in credentials
        }
        self.faults: Faults = Faults() if faults is None else faults
        self.calls: Counter[str] = Counter()
        self._port = port
        self._host = host
        self._verifies = verifies
        self._on_request = on_request
        self._clock = clock
        self._runner: web.ServerRunner | None = None
        #: Connections to reset at their next request.
        self._stale: WeakSet[asyncio.Transport] = WeakSet()
        #: Requests that a fault is being applied to.
        self._faulty: set[asyncio.Task[object]] = set()

    @property
    def endpoint_url(self) -> str:
        """The URL of the server.

        Raises:
            ConfigurationError: if the server is not running.
        """
        if self._runner is None:
            raise ConfigurationError("the emulator is not running: use it in `async with`")
        bound: str = self._runner.addresses[0][0]
        port: int = self._runner.addresses[0][1]
        host = _REACHABLE.get(bound, bound)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def is_running(self) -> bool:
        """Whether the server listens."""
        return self._runner is not None

    async def start(self) -> None:
        """Start to listen.

        Raises:
            ConfigurationError: if the server is already running.
            OSError: if the port is in use.
        """
        if self._runner is not None:
            raise ConfigurationError("the emulator is already running")
        # auto_decompress: the signature covers the body as sent.
        # handler_cancellation: a slow fault ends when the client disconnects.
        server = web.Server(
            self._handle, access_log=None, auto_decompress=False, handler_cancellation=True
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Wait up to one second for active requests, then close all sockets."""
        runner, self._runner = self._runner, None
        for task in self._faulty:
            task.cancel()
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        # Never None here: a disconnect cancels the handler.
        transport = cast("asyncio.Transport", received.transport)
        if transport in self._stale:
            reset(transport)
            return web.Response()  # is not sent: the connection is closed
        try:
            request = await _read(received)
        except web.HTTPRequestEntityTooLarge:
            error = unmodelled("RequestTooLargeException", "The body is too large", status_code=413)
            return self._convert(build_error(error))
        if request.target == HEALTH:
            return web.json_response({"status": "running"})
        operation = _name_of(_find_operation(request), request)
        fault = self.faults.take(operation, request)
        response = (
            self.answer(request) if fault is None else await self._apply(fault, request, transport)
        )
        if self._on_request is not None:
            status = None if response is None else response.status
            self._on_request(
                AnsweredRequest(request.method, request.target, operation, status, fault)
            )
        if response is None:
            return web.Response()  # is not sent: the connection is closed
        return self._convert(response)

    async def _apply(
        self, fault: Fault, request: Request, transport: asyncio.Transport
    ) -> Response | None:
        """Return the response to send as usual; `None` if the fault ended the connection."""
        skew = timedelta(seconds=fault.seconds if isinstance(fault, SkewedClock) else 0)
        if fault.executed:
            response = self.answer(request, skew=skew)
        else:
            self.calls[_name_of(_find_operation(request), request)] += 1
            response = EMPTY
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._faulty.add(task)
        try:
            steps = fault.steps(self._add_metadata(response, skew))
            remaining, stale = await perform(steps, transport, self.faults.sleep)
        finally:
            self._faulty.discard(task)
        if stale:
            self._stale.add(transport)
        return remaining

    def _add_metadata(self, response: Response, skew: timedelta = timedelta()) -> Response:
        """Add a request ID and a date, unless the response has them."""
        metadata = {
            "x-amzn-requestid": str(uuid4()),
            "date": format_datetime((self._clock() + skew).astimezone(UTC), usegmt=True),
        }
        return evolve(response, headers={**metadata, **response.headers})

    def _convert(self, response: Response) -> web.Response:
        response = self._add_metadata(response)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    def answer(self, request: Request, *, skew: timedelta = timedelta()) -> Response:
        """Return the response to a request: find the operation, authenticate, execute.

        Args:
            request: the request as received.
            skew: how far the clock that verifies the signature is ahead of the server's.
        """
        operation = _find_operation(request)
        self.calls[_name_of(operation, request)] += 1
        try:
            return self._execute(operation, request, skew)
        except ApiError as error:
            return build_error(error)
        except ParameterError as error:
            return build_error(_as_api_error(error))

    def _execute(
        self, operation: Operation[Any] | None, request: Request, skew: timedelta
    ) -> Response:
        if self._verifies:
            authenticate(
                request,
                credentials=self.credentials,
                region=self.state.account.region,
                now=self._clock() + skew,
            )
        self.faults.check_rate(self.state.account.clock())
        if operation is None:
            neighbour = users.operation_of(request)
            if neighbour is not None:
                return self.state.answer_neighbour(neighbour, request)
            raise unmodelled("UnknownOperationException", "", status_code=404)
        members = operation.read_members(request)
        check(operation, members)
        arguments = operation.parse_members(members)
        if operation.token is not None and operation.token not in arguments:
            # AWS's model makes it optional, because SDKs fill it in.
            raise refused("ClientToken is a required field")
        self.faults.check_role(operation.name, arguments, self.state.account.clock())
        return operation.build_response(self._method(operation)(**arguments))

    def _method(self, operation: Operation[Any]) -> Callable[..., object]:
        """Return the state's method for the operation, named in snake case."""
        method: Callable[..., object] = getattr(
            self.state, _CAPITAL.sub("_", operation.name).lower()
        )
        return method


def _name_of(operation: Operation[Any] | None, request: Request) -> str:
    if operation is not None:
        return operation.name
    return users.operation_of(request) or "UnknownOperation"


def _find_operation(request: Request) -> Operation[Any] | None:
    path = request.target.partition("?")[0]
    for operation in OPERATIONS.values():
        if operation.match(request.method, path) is not None:
            return operation
    return None


async def _read(received: web.BaseRequest) -> Request:
    headers: dict[str, str] = {}
    for name, value in received.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    body = await received.read()
    return Request(received.method, received.raw_path, headers, body or None)


def _as_api_error(error: ParameterError) -> ApiError:
    """Return the service's error for a request that cannot be parsed."""
    problem = error.args[0].removeprefix(f"{error.parameter}: ")
    if error.parameter == "body":
        return unmodelled("SerializationException", f"The body {problem}", status_code=400)
    return invalid(error.parameter, problem)
