"""The loop of a call: rate limit, sign, send and parse each attempt, then retry or stop."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from attrs import evolve, field, frozen

from lambdacore_async.engine.clock import Clock, Correction, ServiceClock
from lambdacore_async.engine.identity.refresh import RefreshingCredentials, keys_equal
from lambdacore_async.engine.observation import (
    Attempt,
    Call,
    LogLimit,
    Observed,
    OnCall,
    log_attempt,
    logger,
)
from lambdacore_async.engine.rate_limit import (
    FIRST_IN_FLIGHT,
    AdaptiveRateLimiter,
    MaxRate,
    Outcome,
    RateLimiter,
)
from lambdacore_async.engine.retry import Outage, RetryPolicy, RetryQuota, is_retryable
from lambdacore_async.engine.transport.session import Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import (
    CLOCK_SKEW_CODES,
    EXPIRED_CODES,
    REPLACED_CODES,
    ApiError,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    TransportError,
    TransportTimeoutError,
)
from lambdacore_async.protocol import endpoints
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials

if TYPE_CHECKING:
    from lambdacore_async.engine.redaction import Redaction

Output = TypeVar("Output")
Result = TypeVar("Result")


def _new_uuid() -> str:
    """Return a random UUID (version 4), at a third of the cost of `uuid.uuid4`."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _numbered_uuids() -> Iterator[str]:
    """Yield UUIDs that share a random start and end in consecutive numbers."""
    start = _new_uuid()[:-12]
    return (f"{start}{number:012x}" for number in count())


#: Error codes after which other credentials may help.
_REFUSED_KEYS: Final = EXPIRED_CODES | REPLACED_CODES
#: Error codes that do not prove that a corrected clock is right.
_REFUSALS: Final = CLOCK_SKEW_CODES | _REFUSED_KEYS


class Settings(NamedTuple):
    """Resolved settings of one view of a client.

    Attributes:
        region: the AWS region.
        endpoint_url: the custom endpoint for all regions; `None` if each region has its own.
        resolve_endpoint: `endpoints.resolve` with the other endpoint options applied.
        policy: decides on retries.
        timeout: the time limits.
        app_id: the application's name.
        label: the label of the view.
    """

    region: str = ""
    endpoint_url: str | None = None
    resolve_endpoint: Callable[..., Endpoint] = endpoints.resolve
    policy: RetryPolicy = RetryPolicy()
    timeout: Timeout = Timeout()
    app_id: str | None = None
    label: str | None = None


@frozen(eq=False, repr=False)
class Shared:
    """State that all views of a client for the same account share.

    Attributes:
        transport: sends requests.
        credentials: returns the credentials to sign with.
        user_agent: builds the `User-Agent` header.
        max_in_flight: the maximum number of concurrent requests per region.
        max_rate: the maximum requests per second and region; `None` for no maximum.
        on_attempt: called after each attempt.
        on_call: called when a call, a run or a refresh starts.
        clock: tells the time of this machine, and sleeps.
        jitter: returns a random number from 0 to 1.
        new_token: returns a new idempotency token.
        service_clocks: the clock of each host; shared with views for other accounts.
        quota: the retry quota.
        rate_limiters: the rate limiter of each endpoint and retry mode.
        max_rates: the maximum rate of each endpoint, whatever the retry mode.
        endpoint_urls: the URL of the endpoint of each region.
        log_limit: limits the logs of the account.
        written: the monotonic time of each recent creation or update, by the key of the resource.
        on_write: functions to call with the identifiers of connectors that may have changed.
        pollers: the pollers of workflows, by the settings that their polls depend on.
        pictures: the picture that the caches of a region share.
    """

    transport: Transport
    credentials: RefreshingCredentials
    user_agent: UserAgent = field(factory=UserAgent)
    max_in_flight: int = 100
    max_rate: float | None = None
    on_attempt: Callable[[Attempt], None] | None = None
    on_call: OnCall | None = None
    clock: Clock = field(factory=Clock)
    jitter: Callable[[], float] = random.random
    new_token: Callable[[], str] = _new_uuid
    service_clocks: dict[str, ServiceClock] = field(factory=dict[str, ServiceClock])
    quota: RetryQuota = field(init=False, factory=RetryQuota)
    rate_limiters: dict[tuple[str, str], RateLimiter] = field(
        init=False, factory=dict[tuple[str, str], RateLimiter]
    )
    max_rates: dict[str, MaxRate] = field(init=False, factory=dict[str, MaxRate])
    endpoint_urls: dict[str, str] = field(init=False, factory=dict[str, str])
    log_limit: LogLimit = field(init=False, factory=LogLimit)
    written: dict[Hashable, float] = field(init=False, factory=dict[Hashable, float])
    on_write: list[Callable[..., None]] = field(init=False, factory=list[Callable[..., None]])
    pollers: WeakValueDictionary[Hashable, object] = field(
        init=False, factory=WeakValueDictionary[Hashable, object]
    )
    pictures: dict[str, object] = field(init=False, factory=dict[str, object])


class _Route:
    """Endpoint of a view's requests, and the state of that endpoint.

    Attributes:
        clock: the clock of the endpoint.
        invocation_ids: unique IDs of calls, sent in `amz-sdk-invocation-id`.
        outage: the transient failures since a request was last served.
    """

    def __init__(
        self,
        region: str,
        endpoint: Endpoint,
        clock: ServiceClock,
        rate_limiter: RateLimiter,
        user_agent: str,
    ) -> None:
        self.region = region
        self.endpoint = endpoint
        self.clock = clock
        self.rate_limiter = rate_limiter
        self.user_agent = user_agent
        self.invocation_ids = _numbered_uuids()
        self.outage = Outage()


class _Call(Generic[Output]):
    """State of one call in progress.

    Attributes:
        signed_at: the time of the last attempt's signature.
        credentials: the credentials of the last attempt.
        signed: the signed request of the last attempt.
        attempts: the number of attempts.
        charged_attempts: the number of attempts that count towards `max_attempts`.
        renewed: whether the call has asked the provider for other credentials.
        refused: the credentials that the service refused earlier.
        correction: a correction of the clock that this call tries.
        seconds: the duration of the last attempt.
        response: the response to the last attempt.
        error: the error of the last attempt.
        retry_cost: the tokens that the last retry took from the quota.
        failing_since: the monotonic time of the first transient failure.
        waited: the seconds for which the rate limiter delayed the last attempt.
        observed: the call as `on_call` observes it.
    """

    invocation_id: str
    signed_at: datetime
    credentials: Credentials
    signed: Request
    attempts: int = 0
    charged_attempts: int = 0
    renewed: bool = False
    refused: Credentials | None = None
    correction: Correction | None = None
    seconds: float = 0.0
    response: Response | None = None
    error: LambdaCoreError | None = None
    retry_cost: int | None = None
    failing_since: float | None = None
    waited: float = 0.0
    observed: Call | None = None

    def __init__(
        self, operation: Operation[Output], request: Request, *, outlasts_throttling: bool
    ) -> None:
        self.operation = operation
        self.request = request
        self.outlasts_throttling = outlasts_throttling


def _redaction(call: _Call[Output]) -> Redaction:
    from lambdacore_async.engine.redaction import Redaction

    return Redaction(call.signed, call.credentials)


def _identifier(call: _Call[Output]) -> str | None:
    """Return the identifier of the call's resource, as the caller gave it."""
    return "/".join(call.request.identifiers) or None


def _explain(error: LambdaCoreError) -> None:
    """Add what to do about an error as a note."""
    from lambdacore_async.models.remedies import add_note, remedy_of

    add_note(error, remedy_of(error))


class Pipeline:
    """Makes the calls of one view of a client in one region.

    Args:
        shared: state shared with other views.
        settings: the view's settings; with `configure`, only the timeout is used.
        configure: resolves the settings, at the first call.
    """

    def __init__(
        self,
        shared: Shared,
        settings: Settings,
        configure: Callable[[], Awaitable[Settings]] | None = None,
    ) -> None:
        self.shared = shared
        self.settings: Settings = settings
        self._configure = configure
        self._route: _Route | None = None

    @property
    def proven(self) -> int:
        """The number of concurrent requests that the service is known to serve."""
        return FIRST_IN_FLIGHT if self._route is None else self._route.rate_limiter.proven

    def now(self) -> datetime:
        """Return the time of day, corrected by the service if the machine's clock is wrong."""
        return (self.shared.clock if self._route is None else self._route.clock).now()

    def call(
        self,
        operation: Operation[Output],
        arguments: Mapping[str, object],
        *,
        outlasts_throttling: bool = False,
    ) -> Coroutine[None, None, Output]:
        """Build the request of a call, and return a coroutine that makes the call.

        Args:
            operation: a row of the operation table.
            arguments: values by parameter name.
            outlasts_throttling: whether the call is one of a fan-out. After throttling, it waits
                for a permit of the rate limiter. After transient failures, it is retried for up to
                20 seconds, or until no call has succeeded for 20 seconds. Neither counts towards
                `max_attempts`, nor is charged to the retry quota.

        Returns:
            A coroutine that makes the call. It raises `LambdaCoreError` if the call fails.

        Raises:
            ParameterError: if an argument cannot be sent.
        """
        if operation.token is not None and arguments.get(operation.token) is None:
            arguments = {**arguments, operation.token: self.shared.new_token()}
        call = _Call(
            operation, operation.build_request(arguments), outlasts_throttling=outlasts_throttling
        )
        if self.shared.on_call is not None:
            return self._run_observed(call, self.shared.on_call)
        return self._run_in_time(call)

    def _run_in_time(self, call: _Call[Output]) -> Coroutine[None, None, Output]:
        total = self.settings.timeout.total
        return self._run(call) if total is None else self._run_within(total, call)

    async def _run_observed(self, call: _Call[Output], hook: OnCall) -> Output:
        call.observed = Call(
            call.operation.name, identifier=_identifier(call), label=self.settings.label
        )
        with Observed(hook, call.observed, self.shared.clock.monotonic):
            return await self._run_in_time(call)

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
        if call.observed is not None:
            call.observed.region, call.observed.endpoint = route.region, route.endpoint.url
        if route.clock.untried is not None:
            call.correction = route.clock.take_untried()
        if call.outlasts_throttling and route.outage.since is not None:
            failure = route.outage.expected_failure(self.shared.clock.monotonic())
            if failure is not None:
                failure.operation = call.operation.name
                raise failure
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
                if call.attempts > sent:  # otherwise credentials were missing and nothing was sent
                    self._report(call, route, error, delay)
                if delay is None:
                    call.response = None  # the error's traceback keeps this frame alive
                    _explain(error)
                    raise
            else:
                self.shared.quota.release(call.retry_cost)
                self._report(call, route, None, None)
                return output
            if delay > 0:
                await self.shared.clock.sleep(delay)

    async def _attempt(self, call: _Call[Output], route: _Route) -> Output:
        shared = self.shared
        call.response = None
        outcome: Outcome = "other"
        hint = None
        permit = route.rate_limiter.acquire_nowait()
        call.waited = 0.0
        if permit is None:
            asked = shared.clock.monotonic()
            permit = await route.rate_limiter.acquire()
            call.waited = permit - asked
        try:
            credentials = shared.credentials.current() or await self._wait_for_credentials()
            if call.refused is not None:
                self._check_renewed(call, credentials)
            timeout = self.settings.timeout
            if call.outlasts_throttling and (
                route.outage.since is not None or call.failing_since is not None
            ):
                now = shared.clock.monotonic()
                if call.error is not None and route.outage.is_over(call.failing_since, now):
                    raise call.error  # the call waited too long for its permit
                seconds = route.outage.attempt_timeout(timeout.attempt, call.failing_since, now)
                timeout = evolve(timeout, attempt=seconds)
            call.attempts += 1
            call.credentials = credentials
            call.signed_at = route.clock.now(call.correction)
            call.signed = shared.credentials.signer.sign(
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
                try:
                    call.response = await shared.transport.send(
                        route.endpoint, call.signed, timeout
                    )
                finally:
                    call.seconds = shared.clock.monotonic() - started
                output = call.operation.parse_response(
                    call.response, call.attempts, call.request.identifiers
                )
            except Exception as error:  # noqa: BLE001 - raised below, without secrets
                failure = error
            else:
                outcome = "success"
                route.clock.accept(call.correction)
                return output
            # Outside the handler, so that the new error does not keep this one as its context.
            failure = self._without_secrets(call, failure)
            raise failure
        except ApiError as error:
            if error.throttling:
                outcome, hint = "throttled", error.retry_after
            elif not error.transient:
                outcome = "success"  # the service handled the request
                if error.code not in _REFUSALS:
                    route.clock.accept(call.correction)
            raise
        finally:
            route.rate_limiter.release(permit, outcome, hint)
            if outcome != "other":
                route.outage.since = None

    def _delay(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> float | None:
        """Return the seconds until the next attempt, or `None` to stop."""
        policy = self.settings.policy
        if call.outlasts_throttling and error.throttling:
            return 0.0  # the rate limiter delays it
        # Evaluate these even if no attempt is left: they update shared state.
        corrected = self._clock_was_wrong(call, route, error) or self._keys_were_refused(
            call, error
        )
        call.charged_attempts += 1
        exhausted = call.charged_attempts >= policy.max_attempts
        if corrected and not exhausted:
            return 0.0
        retryable = is_retryable(error, repeatable=call.operation.repeatable)
        if call.outlasts_throttling and policy.max_attempts > 1 and (corrected or retryable):
            now = self.shared.clock.monotonic()
            start = route.outage.record(error, call.seconds, now)
            if call.failing_since is None:
                call.failing_since = start
            backoff = policy.backoff(error, call.charged_attempts, self.shared.jitter())
            return route.outage.delay(backoff, call.failing_since, now)
        if corrected:
            route.clock.untried = call.correction
        if exhausted or not retryable:
            return None
        cost = self.shared.quota.acquire(error)
        if cost is None:
            return None
        call.retry_cost = cost
        return policy.backoff(error, call.charged_attempts, self.shared.jitter())

    def _clock_was_wrong(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> bool:
        if (
            not isinstance(error, ApiError)
            or error.code not in CLOCK_SKEW_CODES
            or call.response is None
        ):
            return False
        call.correction = route.clock.compare(call.response.headers.get("date"), call.signed_at)
        return call.correction is not None

    def _keys_were_refused(self, call: _Call[Output], error: LambdaCoreError) -> bool:
        """Return whether other credentials may help; at most once per call."""
        if call.renewed or not isinstance(error, ApiError) or error.code not in _REFUSED_KEYS:
            return False
        call.renewed = self.shared.credentials.renew(call.credentials)
        if call.renewed:
            call.refused = call.credentials
        return call.renewed

    @staticmethod
    def _check_renewed(call: _Call[Output], credentials: Credentials) -> None:
        """Raise the last error again if the provider returned the refused keys again."""
        if call.refused and call.error and keys_equal(credentials, call.refused):
            raise call.error

    async def _wait_for_credentials(self) -> Credentials:
        # The refresh continues for other callers if this one stops waiting.
        return await self._in_time(
            self.shared.credentials.get(),
            CredentialsError,
            "no credentials within {:g} seconds: the provider has not answered",
        )

    async def _in_time(
        self, work: Awaitable[Result], kind: type[LambdaCoreError], problem: str
    ) -> Result:
        """Wait for a precondition of the request, at most for the timeout of an attempt."""
        seconds = self.settings.timeout.attempt
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await work
        except TimeoutError:
            if not scope.expired():
                raise
        raise kind(problem.format(seconds))

    def _without_secrets(self, call: _Call[Output], failure: Exception) -> Exception:
        """Return the failure of an attempt as an error without secrets of the request.

        Parsing shortens texts, which may cut a secret in two, so this removes the secrets from the
        response and parses it again.
        """
        redaction = _redaction(call)
        if call.response is None:
            # A `RuntimeError` means a closed client. Other errors come from the user's session.
            if not isinstance(failure, LambdaCoreError) and type(failure) is not RuntimeError:
                unsent = TransportError(f"sending failed: {type(failure).__name__}")
                unsent.transient, unsent.__cause__ = False, failure
                failure = unsent
        else:
            response = redaction.response(call.response)
            if response is not call.response:
                call.response = response
                try:
                    call.operation.parse_response(response, call.attempts, call.request.identifiers)
                except LambdaCoreError as error:
                    failure = error
        if isinstance(failure, LambdaCoreError):
            redaction.error(failure)
        return failure

    def _report(
        self,
        call: _Call[Output],
        route: _Route,
        error: LambdaCoreError | None,
        delay: float | None,
    ) -> None:
        listener, level = self.shared.on_attempt, logging.DEBUG
        if delay is not None:
            level = logging.INFO
        elif (
            error is not None
            and self.settings.policy.max_attempts > 1
            and is_retryable(error, repeatable=call.operation.repeatable)
        ):
            level = logging.WARNING
        logged = logger.isEnabledFor(level)
        if listener is None and call.observed is None and not logged:
            return
        response = call.response
        request_id = None if response is None else response.headers.get("x-amzn-requestid")
        if request_id is not None and error is None:  # failed responses are redacted already
            request_id = _redaction(call).text(request_id)
        attempt = Attempt(
            operation=call.operation.name,
            number=call.attempts,
            status=None if response is None else response.status,
            request_id=request_id,
            seconds=call.seconds,
            error=error,
            delay=delay,
            region=route.region,
            endpoint=route.endpoint.url,
            identifier=_identifier(call),
            label=self.settings.label,
            throttled=error is not None and error.throttling,
            waited=call.waited,
            rate=route.rate_limiter.rate,
            ended=self.shared.clock.now(),
            max_attempts=None if call.outlasts_throttling else self.settings.policy.max_attempts,
        )
        if logged:
            now = self.shared.clock.monotonic()
            log_attempt(attempt, level, self.shared.log_limit, now)
        if call.observed is not None:
            call.observed.attempts.append(attempt)
        if listener is not None:
            try:
                listener(attempt)
            # A bug in the listener must not lose a result. The listener does not await, so a
            # `CancelledError` comes from a cancelled future, not from a cancellation of the call.
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 - logged
                logger.exception("on_attempt failed")

    async def resolve_settings(self, operation: str) -> Settings:
        """Return the settings, and resolve them before the first call.

        Args:
            operation: the name of the API operation, for errors.

        Raises:
            ConfigurationError: if the settings cannot be used.
        """
        if self._route is None:
            await self._find_route(operation)
        return self.settings

    async def _find_route(self, operation: str) -> _Route:
        try:
            settings = (
                self.settings
                if self._configure is None
                else await self._in_time(
                    self._configure(),
                    ConfigurationError,
                    "no configuration within {:g} seconds: reading the AWS files takes longer",
                )
            )
            if self._route is None:  # no other call has found it meanwhile
                self._route, self.settings = self._resolve_route(settings), settings
        except LambdaCoreError as error:
            error.operation = operation
            raise
        return self._route

    def _resolve_route(self, settings: Settings) -> _Route:
        shared = self.shared
        endpoint = settings.resolve_endpoint(settings.region, endpoint_url=settings.endpoint_url)
        clocks = shared.service_clocks
        if endpoint.host not in clocks:
            latest = next(reversed(clocks.values()), None)
            clocks[endpoint.host] = ServiceClock(shared.clock, latest, host=endpoint.host)
        shared.endpoint_urls[settings.region] = endpoint.url
        if shared.max_rate is not None and endpoint.url not in shared.max_rates:
            shared.max_rates[endpoint.url] = MaxRate(shared.max_rate)
        key = (endpoint.url, settings.policy.mode)
        if key not in shared.rate_limiters:
            rate_limiter = (
                AdaptiveRateLimiter if settings.policy.mode == "adaptive" else RateLimiter
            )
            shared.rate_limiters[key] = rate_limiter(
                shared.clock,
                max_in_flight=shared.max_in_flight,
                max_rate=shared.max_rates.get(endpoint.url),
                region=settings.region,
                label=settings.label,
            )
        return _Route(
            settings.region,
            endpoint,
            clocks[endpoint.host],
            shared.rate_limiters[key],
            shared.user_agent.text(settings.policy.mode, settings.app_id),
        )
