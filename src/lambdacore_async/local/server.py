"""An HTTP server on loopback that speaks for a `State`."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, timedelta
from email.utils import format_datetime
from typing import Any, Self, cast
from uuid import uuid4
from weakref import WeakSet

from aiohttp import web
from attrs import evolve

from lambdacore_async.errors import ApiError, ConfigurationError, ParameterError
from lambdacore_async.local.account import Clock, utc_now
from lambdacore_async.local.authentication import authenticate
from lambdacore_async.local.errors import invalid, unmodelled
from lambdacore_async.local.faults import BLANK, Fault, Faults, SkewedClock, perform, reset
from lambdacore_async.local.state import State
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.restjson import Operation, build_error
from lambdacore_async.protocol.sigv4 import Credentials

_HOST = "127.0.0.1"
#: Seconds that a request under way may still take when the server stops.
_GRACE = 1.0
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Server:
    """Answers requests on loopback out of a state; use it in `async with`, or start and stop it.

    Args:
        state: what it speaks for.
        credentials: with which requests may be signed.
        port: the TCP port; 0 for any free one.
        clock: the time that signatures are checked against, and that the `Date` of answers tells.
        faults: what goes wrong; a plan to be filled later, if not given.

    Attributes:
        state: what it speaks for.
        credentials: with which requests may be signed, by access key ID; may be changed.
        faults: what goes wrong.
        calls: how many requests it has answered, by operation's name; those that are for none
            count under `UnknownOperation`.
    """

    def __init__(
        self,
        state: State,
        *,
        credentials: Iterable[Credentials],
        port: int = 0,
        clock: Clock = utc_now,
        faults: Faults | None = None,
    ) -> None:
        self.state = state
        self.credentials = {known.access_key_id: known for known in credentials}
        self.faults = Faults() if faults is None else faults
        self.calls: Counter[str] = Counter()
        self._port = port
        self._clock = clock
        self._runner: web.ServerRunner | None = None
        self._stale: WeakSet[asyncio.Transport] = WeakSet()
        self._misbehaving: set[asyncio.Task[object]] = set()

    @property
    def endpoint_url(self) -> str:
        """Where it listens.

        Raises:
            ConfigurationError: it is not running.
        """
        if self._runner is None:
            raise ConfigurationError("the embedded service is not running: use it in `async with`")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            ConfigurationError: it is running already.
            OSError: the port is taken.
        """
        if self._runner is not None:
            raise ConfigurationError("the embedded service is running already")
        # auto_decompress: the signature is over the body as it was sent
        # handler_cancellation: a fault that takes its time ends when the client hangs up
        server = web.Server(
            self._handle, access_log=None, auto_decompress=False, handler_cancellation=True
        )
        runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    async def stop(self) -> None:
        """Finish the requests under way, for a second at most, and close all sockets."""
        runner, self._runner = self._runner, None
        for task in self._misbehaving:
            task.cancel()
        if runner is not None:
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, received: web.BaseRequest) -> web.StreamResponse:
        # Never None here: a client that goes takes its handler with it.
        transport = cast("asyncio.Transport", received.transport)
        if transport in self._stale:
            reset(transport)
            return web.Response()  # which reaches nobody
        try:
            request = await _read(received)
        except web.HTTPRequestEntityTooLarge:
            return self._sent(
                build_error(
                    unmodelled("RequestTooLargeException", "The body is too large", status_code=413)
                )
            )
        fault = self.faults.take(_name(_find_operation(request)), request)
        if fault is None:
            return self._sent(self.answer(request))
        return await self._misbehave(fault, request, transport)

    async def _misbehave(
        self, fault: Fault, request: Request, transport: asyncio.Transport
    ) -> web.StreamResponse:
        skew = timedelta(seconds=fault.seconds if isinstance(fault, SkewedClock) else 0)
        if fault.executed:
            answer = self.answer(request, skew=skew)
        else:
            self.calls[_name(_find_operation(request))] += 1
            answer = BLANK
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._misbehaving.add(task)
        try:
            steps = fault.steps(self._stamped(answer, skew))
            remaining, stale = await perform(steps, transport, self.faults.sleep)
        finally:
            self._misbehaving.discard(task)
        if remaining is None:
            return web.Response()  # which reaches nobody
        if stale:
            self._stale.add(transport)
        return self._sent(remaining)

    def _stamped(self, response: Response, skew: timedelta = timedelta()) -> Response:
        """The answer with a request ID and a date, unless it has them."""
        stamps = {
            "x-amzn-requestid": str(uuid4()),
            "date": format_datetime((self._clock() + skew).astimezone(UTC), usegmt=True),
        }
        return evolve(response, headers={**stamps, **response.headers})

    def _sent(self, response: Response) -> web.Response:
        response = self._stamped(response)
        return web.Response(status=response.status, headers=response.headers, body=response.body)

    def answer(self, request: Request, *, skew: timedelta = timedelta()) -> Response:
        """Answer one request: find its operation, verify its signature, do what it asks.

        Args:
            request: what came over the wire.
            skew: how far the clock that judges the signature is ahead.
        """
        operation = _find_operation(request)
        self.calls[_name(operation)] += 1
        try:
            return self._perform(operation, request, skew)
        except ApiError as error:
            return build_error(error)
        except ParameterError as error:
            return build_error(_as_answered(error))

    def _perform(
        self, operation: Operation[Any] | None, request: Request, skew: timedelta
    ) -> Response:
        authenticate(
            request,
            credentials=self.credentials,
            region=self.state.account.region,
            now=self._clock() + skew,
        )
        if operation is None:
            raise unmodelled("UnknownOperationException", "", status_code=404)
        arguments = operation.parse_request(request)
        self.faults.check_role(operation.name, arguments, self.state.account.clock())
        return operation.build_response(self._method(operation)(**arguments))

    def _method(self, operation: Operation[Any]) -> Callable[..., object]:
        """The state's method for an operation: the operation's name in snake case."""
        method: Callable[..., object] = getattr(
            self.state, _CAPITAL.sub("_", operation.name).lower()
        )
        return method


def _name(operation: Operation[Any] | None) -> str:
    return "UnknownOperation" if operation is None else operation.name


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


def _as_answered(error: ParameterError) -> ApiError:
    """What the service answers to a request that cannot be read."""
    problem = error.args[0].removeprefix(f"{error.parameter}: ")
    if error.parameter == "body":
        return unmodelled("SerializationException", f"The body {problem}", status_code=400)
    return invalid(error.parameter, problem)
