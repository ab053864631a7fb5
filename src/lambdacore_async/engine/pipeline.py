"""The only loop: for each attempt pace, sign, send, parse, and decide whether to go on."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import Final, Generic, NamedTuple, TypeVar

from attrs import evolve, field, frozen

from lambdacore_async.engine.clock import Clock, ServiceClock
from lambdacore_async.engine.identity.refresh import RefreshingCredentials
from lambdacore_async.engine.rate_limit import AdaptiveRateLimiter, Outcome, RateLimiter
from lambdacore_async.engine.retry import RetryPolicy, RetryQuota, is_retryable
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import (
    CLOCK_SKEW_CODES,
    EXPIRED_CODES,
    ApiError,
    ConfigurationError,
    LambdaCoreError,
    TransportTimeoutError,
)
from lambdacore_async.protocol import endpoints, sigv4
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials

Output = TypeVar("Output")

logger: Final = logging.getLogger("lambdacore_async")

#: Seconds for which one of many calls goes on in spite of passing failures.
_PATIENCE: Final = 20.0


def _new_uuid() -> str:
    """A random UUID, as `uuid.uuid4` makes them, for a third of the cost."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _numbered_uuids() -> Iterator[str]:
    """One random UUID after another, of which all but the last digits are the same."""
    start = _new_uuid()[:-12]
    return (f"{start}{number:012x}" for number in count())


@frozen
class Attempt:
    """One request of a call, and what came of it; for metrics and tracing.

    Attributes:
        operation: the API operation's name.
        number: the attempt's number, from 1.
        status: the HTTP status; `None` if no answer came.
        request_id: the service's id of the request, where an answer told it.
        seconds: from sending the request to having read the answer.
        error: how it failed; `None` if it did not.
        delay: seconds until the next attempt; `None` if this was the last.
    """

    operation: str
    number: int
    status: int | None
    request_id: str | None
    seconds: float
    error: LambdaCoreError | None
    delay: float | None


class Settings(NamedTuple):
    """What may differ between two views of one client."""

    region: str = ""
    endpoint_url: str | None = None
    use_fips: bool = False
    use_dualstack: bool = False
    allow_plain_http: bool = False
    policy: RetryPolicy = RetryPolicy()
    timeout: Timeout = Timeout()
    app_id: str | None = None


@frozen(eq=False, repr=False)
class Shared:
    """What all views of one client have in common that act for the same account.

    Attributes:
        transport: the connections.
        credentials: who signs.
        user_agent: makes the `User-Agent` header.
        max_in_flight: requests that may be under way at once, for each region.
        on_attempt: told of every attempt.
        clock: the machine's time.
        jitter: a random number from 0 to 1.
        new_token: a fresh idempotency token.
        service_clock: the time as the service has it.
        quota: the budget of retries.
        paces: the limit of the send rate, for each region and retry mode.
        written: when resources were created or updated lately, by what they are read with.
    """

    transport: Transport
    credentials: RefreshingCredentials
    user_agent: UserAgent = field(factory=UserAgent)
    max_in_flight: int = 100
    on_attempt: Callable[[Attempt], None] | None = None
    clock: Clock = field(factory=Clock)
    jitter: Callable[[], float] = random.random
    new_token: Callable[[], str] = _new_uuid
    service_clock: ServiceClock = field(init=False)
    quota: RetryQuota = field(init=False, factory=RetryQuota)
    rate_limiters: dict[tuple[str, str], RateLimiter] = field(
        init=False, factory=dict[tuple[str, str], RateLimiter]
    )
    written: dict[Hashable, float] = field(init=False, factory=dict[Hashable, float])

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "service_clock", ServiceClock(self.clock))


class _Route:
    """Where the requests of a view go, found at its first call, and since when none gets through.

    Attributes:
        invocation_ids: tell its calls from all others, whoever makes them.
        failing_since: the monotonic time of the first passing failure since a request was served.
    """

    def __init__(
        self, region: str, endpoint: Endpoint, rate_limiter: RateLimiter, user_agent: str
    ) -> None:
        self.region = region
        self.endpoint = endpoint
        self.rate_limiter = rate_limiter
        self.user_agent = user_agent
        self.invocation_ids = _numbered_uuids()
        self.failing_since: float | None = None


class _Call(Generic[Output]):
    """A call under way, and what has come of it so far."""

    invocation_id: str
    signed_at: datetime

    def __init__(
        self, operation: Operation[Output], request: Request, *, outlasts_throttling: bool
    ) -> None:
        self.operation = operation
        self.request = request
        self.outlasts_throttling = outlasts_throttling
        self.attempts = self.charged_attempts = 0
        self.renewed = False
        self.seconds = 0.0
        self.credentials: Credentials | None = None
        self.response: Response | None = None
        self.error: LambdaCoreError | None = None
        self.retry_cost: int | None = None
        self.failing_since: float | None = None


class Pipeline:
    """Makes calls for one view of a client.

    Args:
        shared: what it has in common with other views.
        settings: what is its own; with `configure`, only its timeout counts.
        configure: finds the settings, at the first call.
    """

    def __init__(
        self,
        shared: Shared,
        settings: Settings,
        configure: Callable[[], Awaitable[Settings]] | None = None,
    ) -> None:
        self.shared = shared
        self.settings = settings
        self._configure = configure
        self._route: _Route | None = None

    def call(
        self,
        operation: Operation[Output],
        arguments: Mapping[str, object],
        *,
        outlasts_throttling: bool = False,
    ) -> Coroutine[None, None, Output]:
        """Make one call, with as many attempts as the policy allows.

        Args:
            operation: a row of the table.
            arguments: values by parameter name.
            outlasts_throttling: for one call of a fan-out. A throttled attempt waits for a permit,
                and a transient failure is retried for 20 seconds, unless no call has succeeded for
                that long. Neither counts as an attempt or is charged to the retry quota.

        Returns:
            What makes it when awaited. It raises `LambdaCoreError` if the call failed, for the
            reason that its class and text tell.

        Raises:
            ParameterError: an argument cannot be sent.
        """
        if operation.token is not None and arguments.get(operation.token) is None:
            arguments = {**arguments, operation.token: self.shared.new_token()}
        call = _Call(
            operation, operation.build_request(arguments), outlasts_throttling=outlasts_throttling
        )
        total = self.settings.timeout.total
        return self._run(call) if total is None else self._run_within(total, call)

    async def _run_within(self, total: float, call: _Call[Output]) -> Output:
        scope = asyncio.timeout(total)
        try:
            async with scope:
                return await self._run(call)
        except TimeoutError:
            if not scope.expired():
                raise
            error = TransportTimeoutError(f"not done within {total:g} seconds")
            error.operation, error.attempts = call.operation.name, call.attempts
            raise error from call.error

    async def _run(self, call: _Call[Output]) -> Output:
        route = self._route or await self._find_route(call.operation.name)
        call.invocation_id = next(route.invocation_ids)
        if route.endpoint.path:
            call.request = evolve(call.request, target=route.endpoint.path + call.request.target)
        while True:
            sent = call.attempts
            try:
                output = await self._attempt(call, route)
            except LambdaCoreError as error:
                error.operation, error.attempts = call.operation.name, call.attempts
                call.error = error
                delay = self._delay(call, route, error)
                if call.attempts > sent:  # else it failed before, for want of credentials
                    self._report(call, error, delay)
                if delay is None:
                    raise
            else:
                self.shared.quota.release(call.retry_cost)
                self._report(call, None, None)
                return output
            if delay > 0:
                await self.shared.clock.sleep(delay)

    async def _attempt(self, call: _Call[Output], route: _Route) -> Output:
        shared = self.shared
        call.response = None
        outcome, hint = Outcome.OTHER, None
        permit = route.rate_limiter.acquire_nowait()
        if permit is None:
            permit = await route.rate_limiter.acquire()
        try:
            credentials = shared.credentials.current() or await shared.credentials.get()
            call.attempts += 1
            call.credentials = credentials
            call.signed_at = shared.service_clock.now()
            signed = sigv4.sign(
                call.request,
                host=route.endpoint.host,
                credentials=credentials,
                region=route.region,
                time=call.signed_at,
                unsigned={
                    "user-agent": route.user_agent,
                    "accept-encoding": "identity",
                    "amz-sdk-invocation-id": call.invocation_id,
                    "amz-sdk-request": (
                        f"attempt={call.attempts}; max={self.settings.policy.max_attempts}"
                    ),
                },
            )
            started = shared.clock.monotonic()
            try:
                call.response = await shared.transport.send(
                    route.endpoint, signed, self.settings.timeout
                )
            finally:
                call.seconds = shared.clock.monotonic() - started
            output = call.operation.parse_response(call.response, call.attempts)
        except ApiError as error:
            if error.throttling:
                outcome, hint = Outcome.THROTTLED, error.retry_after
            elif not error.transient:
                outcome = Outcome.SUCCESS  # served, if not as hoped
            raise
        else:
            outcome = Outcome.SUCCESS
            return output
        finally:
            route.rate_limiter.release(permit, outcome, hint)
            if outcome is not Outcome.OTHER:
                route.failing_since = None

    def _delay(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> float | None:
        """Seconds until the next attempt, or `None` if there is to be none."""
        policy = self.settings.policy
        if call.outlasts_throttling and error.throttling:
            return 0.0  # the pace has its turn for it
        # Both are learnt, whoever may use it.
        corrected = self._clock_was_wrong(call, error) or self._credentials_expired(call, error)
        call.charged_attempts += 1
        exhausted = call.charged_attempts >= policy.max_attempts
        if corrected and not exhausted:
            return 0.0
        if not is_retryable(error, repeatable=call.operation.repeatable):
            return None
        if call.outlasts_throttling and policy.max_attempts > 1:
            return self._patience(call, route, error)
        if exhausted:
            return None
        cost = self.shared.quota.acquire(error)
        if cost is None:
            return None
        call.retry_cost = cost
        return policy.backoff(error, call.charged_attempts, self.shared.jitter())

    def _patience(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> float | None:
        """The delay of one of many: an outage is waited for once, not by each anew."""
        now = self.shared.clock.monotonic()
        call.failing_since = now if call.failing_since is None else call.failing_since
        route.failing_since = now if route.failing_since is None else route.failing_since
        if now - min(call.failing_since, route.failing_since) > _PATIENCE:
            return None
        return self.settings.policy.backoff(error, call.charged_attempts, self.shared.jitter())

    def _clock_was_wrong(self, call: _Call[Output], error: LambdaCoreError) -> bool:
        return (
            isinstance(error, ApiError)
            and error.code in CLOCK_SKEW_CODES
            and call.response is not None
            and self.shared.service_clock.correct(call.response.headers.get("date"), call.signed_at)
        )

    def _credentials_expired(self, call: _Call[Output], error: LambdaCoreError) -> bool:
        """Whether the credentials were the fault, and others may be had; once a call."""
        expired = isinstance(error, ApiError) and error.code in EXPIRED_CODES
        if not expired or call.renewed or call.credentials is None:
            return False
        call.renewed = self.shared.credentials.renew(call.credentials)
        return call.renewed

    def _report(
        self, call: _Call[Output], error: LambdaCoreError | None, delay: float | None
    ) -> None:
        listener, verbose = self.shared.on_attempt, logger.isEnabledFor(logging.DEBUG)
        if listener is None and not verbose:
            return
        response = call.response
        attempt = Attempt(
            operation=call.operation.name,
            number=call.attempts,
            status=None if response is None else response.status,
            request_id=None if response is None else response.headers.get("x-amzn-requestid"),
            seconds=call.seconds,
            error=error,
            delay=delay,
        )
        if verbose:
            logger.debug("%s", attempt)
        if listener is not None:
            try:
                listener(attempt)
            except Exception:  # a fault in somebody's metrics is no reason to lose an answer
                logger.exception("on_attempt failed")

    async def resolve_settings(self, operation: str) -> Settings:
        """The settings, found as at a first call of this operation if there was none.

        Raises:
            ConfigurationError: they cannot be used.
        """
        if self._route is None:
            await self._find_route(operation)
        return self.settings

    async def _find_route(self, operation: str) -> _Route:
        try:
            settings = self.settings if self._configure is None else await self._configure()
            if self._route is None:  # nor has another call found it meanwhile
                self._route, self.settings = self._resolve_route(settings), settings
        except ConfigurationError as error:
            error.operation = operation
            raise
        return self._route

    def _resolve_route(self, settings: Settings) -> _Route:
        shared = self.shared
        endpoint = endpoints.resolve(
            settings.region,
            endpoint_url=settings.endpoint_url,
            use_fips=settings.use_fips,
            use_dualstack=settings.use_dualstack,
            allow_plain_http=settings.allow_plain_http,
        )
        key = (endpoint.url, settings.policy.mode)
        if key not in shared.rate_limiters:
            rate_limiter = (
                AdaptiveRateLimiter if settings.policy.mode == "adaptive" else RateLimiter
            )
            shared.rate_limiters[key] = rate_limiter(
                shared.clock, max_in_flight=shared.max_in_flight
            )
        return _Route(
            settings.region,
            endpoint,
            shared.rate_limiters[key],
            shared.user_agent.text(settings.policy.mode, settings.app_id),
        )
