"""The only loop: for each attempt pace, sign, send, parse, and decide whether to go on."""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator, Mapping
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from attrs import evolve, field, frozen

from lambdacore_async.engine.clock import Clock, Correction, ServiceClock
from lambdacore_async.engine.identity.refresh import RefreshingCredentials, keys_equal
from lambdacore_async.engine.rate_limit import AdaptiveRateLimiter, Outcome, RateLimiter
from lambdacore_async.engine.retry import RetryPolicy, RetryQuota, is_retryable
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
from lambdacore_async.escaping import escaped
from lambdacore_async.protocol import endpoints
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials

if TYPE_CHECKING:
    from lambdacore_async.engine.redaction import Redaction

Output = TypeVar("Output")
Found = TypeVar("Found")

logger: Final = logging.getLogger("lambdacore_async")

#: Seconds for which one of many calls is retried in spite of transient failures; its last attempt
#: ends within them too.
_PATIENCE: Final = 20.0
#: Of these, the seconds that are left to the last attempt.
_LAST_ATTEMPT: Final = 1.0
#: Characters of other parties' text that an attempt shows.
_SHOWN: Final = 200


def _new_uuid() -> str:
    """A random UUID, as `uuid.uuid4` makes them, for a third of the cost."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _numbered_uuids() -> Iterator[str]:
    """One random UUID after another, of which all but the last digits are the same."""
    start = _new_uuid()[:-12]
    return (f"{start}{number:012x}" for number in count())


#: Codes that other credentials may mend, and codes that tell nothing of a clock that was corrected.
_REFUSED_KEYS: Final = EXPIRED_CODES | REPLACED_CODES
_REFUSALS: Final = CLOCK_SKEW_CODES | _REFUSED_KEYS


def _shown(value: object) -> str:
    return escaped(repr(value), _SHOWN)


@frozen
class Attempt:
    """One request of a call, and what came of it; for metrics and tracing.

    Its `repr` is one line, whatever the service sent.

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
    request_id: str | None = field(repr=_shown)
    seconds: float
    error: LambdaCoreError | None = field(repr=_shown)
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
        service_clocks: the time at each host. Views for other accounts share them, since the clock
            is not an account's.
        quota: the budget of retries.
        rate_limiters: the limit of the send rate, for each region and retry mode.
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
    service_clocks: dict[str, ServiceClock] = field(factory=dict[str, ServiceClock])
    quota: RetryQuota = field(init=False, factory=RetryQuota)
    rate_limiters: dict[tuple[str, str], RateLimiter] = field(
        init=False, factory=dict[tuple[str, str], RateLimiter]
    )
    written: dict[Hashable, float] = field(init=False, factory=dict[Hashable, float])


class _Route:
    """Where the requests of a view go, found at its first call, and since when none gets through.

    Attributes:
        clock: the time at the endpoint.
        invocation_ids: unique ids of calls, sent in `amz-sdk-invocation-id`.
        failing_since: the monotonic time of the first transient failure since a request was served.
        failed_at: the monotonic time of the last one.
        failed_after: the seconds that the last one took, if it was a timeout; else 0.
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
        self.failing_since: float | None = None
        self.failed_at = self.failed_after = 0.0


class _Call(Generic[Output]):
    """A call under way, and what has come of it so far.

    Attributes:
        credentials: what signed the last attempt.
        refused: credentials that the service refused, so that the provider was asked for others.
        renewed: whether the provider was asked once more.
        signed: the request of the last attempt.
        correction: of the clock, to be tried by this call.
        failing_since: the monotonic time since which it fails.
    """

    invocation_id: str
    signed_at: datetime
    credentials: Credentials
    signed: Request

    def __init__(
        self, operation: Operation[Output], request: Request, *, outlasts_throttling: bool
    ) -> None:
        self.operation = operation
        self.request = request
        self.outlasts_throttling = outlasts_throttling
        self.attempts = self.charged_attempts = 0
        self.renewed = False
        self.refused: Credentials | None = None
        self.correction: Correction | None = None
        self.seconds = 0.0
        self.response: Response | None = None
        self.error: LambdaCoreError | None = None
        self.retry_cost: int | None = None
        self.failing_since: float | None = None


def _redaction(call: _Call[Output]) -> Redaction:
    from lambdacore_async.engine.redaction import Redaction

    return Redaction(call.signed, call.credentials)


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
        if route.clock.untried is not None:
            call.correction = route.clock.take_untried()
        if call.outlasts_throttling and route.failing_since is not None:
            self._check_outage(call.operation.name, route, route.failing_since)
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
                    call.response = None  # the error keeps this frame, which need not keep a body
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
            credentials = shared.credentials.current() or await self._wait_for_credentials()
            if call.refused is not None:
                self._check_renewed(call, credentials)
            timeout = self.settings.timeout
            if call.outlasts_throttling and not (
                route.failing_since is None and call.failing_since is None
            ):
                timeout = self._timeout_amid_failures(call, route)
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
            except Exception as error:  # noqa: BLE001 - it is raised below, without what it quotes
                failure = error
            else:
                outcome = Outcome.SUCCESS
                route.clock.accept(call.correction)
                return output
            # Out here, since what is raised in a handler keeps the handled error as its context.
            failure = self._without_secrets(call, failure)
            raise failure
        except ApiError as error:
            if error.throttling:
                outcome, hint = Outcome.THROTTLED, error.retry_after
            elif not error.transient:
                outcome = Outcome.SUCCESS  # served, if not as hoped
                if error.code not in _REFUSALS:
                    route.clock.accept(call.correction)
            raise
        finally:
            route.rate_limiter.release(permit, outcome, hint)
            if outcome is not Outcome.OTHER:
                route.failing_since = None

    def _delay(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> float | None:
        """Seconds until the next attempt, or `None` if there is to be none."""
        policy = self.settings.policy
        if call.outlasts_throttling and error.throttling:
            return 0.0  # the rate limiter delays it
        # Evaluate both, even if no attempt is left: each updates shared state.
        corrected = self._clock_was_wrong(call, route, error) or self._keys_were_refused(
            call, error
        )
        call.charged_attempts += 1
        exhausted = call.charged_attempts >= policy.max_attempts
        if corrected and not exhausted:
            return 0.0
        retryable = is_retryable(error, repeatable=call.operation.repeatable)
        if call.outlasts_throttling and policy.max_attempts > 1 and (corrected or retryable):
            return self._patience(call, route, error)
        if corrected:
            route.clock.untried = call.correction
        if exhausted or not retryable:
            return None
        cost = self.shared.quota.acquire(error)
        if cost is None:
            return None
        call.retry_cost = cost
        return policy.backoff(error, call.charged_attempts, self.shared.jitter())

    def _patience(self, call: _Call[Output], route: _Route, error: LambdaCoreError) -> float | None:
        """The delay of one of many: an outage is waited for once, not by each anew."""
        now = self.shared.clock.monotonic()
        # If nothing could be reached, trying was failing.
        since = now - call.seconds if error.not_executed else now
        route.failed_at = now
        route.failed_after = call.seconds if isinstance(error, TransportTimeoutError) else 0.0
        if route.failing_since is None:
            route.failing_since = since
        if call.failing_since is None:
            call.failing_since = since
        left = min(call.failing_since, route.failing_since) + _PATIENCE - _LAST_ATTEMPT - now
        if left <= 0:
            return None
        backoff = self.settings.policy.backoff(error, call.charged_attempts, self.shared.jitter())
        return min(backoff, left)

    def _timeout_amid_failures(self, call: _Call[Output], route: _Route) -> Timeout:
        """The timeout of one of many that failed, or that comes while no request is served."""
        timeout, now = self.settings.timeout, self.shared.clock.monotonic()
        since = [x for x in (call.failing_since, route.failing_since) if x is not None]
        left = min(since) + _PATIENCE - now
        if left <= 0 or (timeout.attempt is not None and timeout.attempt <= left):
            return timeout
        return evolve(timeout, attempt=max(left, _LAST_ATTEMPT))

    def _check_outage(self, operation: str, route: _Route, since: float) -> None:
        """Spare one of many an attempt in an outage that shows in timeouts.

        Raises:
            TransportError: no request was served for 20 seconds, and less time has passed since the
                last timeout than it took, so that another attempt would only wait as long.
        """
        now = self.shared.clock.monotonic()
        if now - since >= _PATIENCE and now - route.failed_at < route.failed_after:
            error = TransportError(
                f"no request has succeeded for {_PATIENCE:g} seconds, and the last one timed out"
                f" after {route.failed_after:.1f} seconds",
                not_executed=True,
            )
            error.operation = operation
            raise error

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
        """Whether the credentials were the fault, and the provider may have others; once a call."""
        if call.renewed or not isinstance(error, ApiError) or error.code not in _REFUSED_KEYS:
            return False
        call.renewed = self.shared.credentials.renew(call.credentials)
        if call.renewed:
            call.refused = call.credentials
        return call.renewed

    @staticmethod
    def _check_renewed(call: _Call[Output], credentials: Credentials) -> None:
        """Raise the refusal again if the provider has only the refused keys."""
        if call.refused and call.error and keys_equal(credentials, call.refused):
            raise call.error

    async def _wait_for_credentials(self) -> Credentials:
        # The refresh goes on for others if this caller stops waiting.
        return await self._in_time(
            self.shared.credentials.get(),
            CredentialsError,
            "no credentials within {:g} seconds: the provider has not answered",
        )

    async def _in_time(
        self, work: Awaitable[Found], kind: type[LambdaCoreError], problem: str
    ) -> Found:
        """Wait for what a request needs, no longer than an attempt may take."""
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
        """The failure of an attempt as an error of this library, without what quotes the request.

        Texts are cut as an answer is read. So it is read again after the secrets were taken out,
        for a cut might leave a part of one.
        """
        redaction = _redaction(call)
        if call.response is None:
            # A closed client is a programming error. All else is raised by a session of the user's.
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
        self, call: _Call[Output], error: LambdaCoreError | None, delay: float | None
    ) -> None:
        listener, verbose = self.shared.on_attempt, logger.isEnabledFor(logging.DEBUG)
        if listener is None and not verbose:
            return
        response = call.response
        request_id = None if response is None else response.headers.get("x-amzn-requestid")
        if request_id is not None and error is None:  # of a failure, it is redacted already
            request_id = _redaction(call).text(request_id)
        attempt = Attempt(
            operation=call.operation.name,
            number=call.attempts,
            status=None if response is None else response.status,
            request_id=request_id,
            seconds=call.seconds,
            error=error,
            delay=delay,
        )
        if verbose:
            logger.debug("%s", attempt)
        if listener is not None:
            try:
                listener(attempt)
            # A fault in somebody's metrics is no reason to lose an answer. The listener does not
            # wait, so this is no cancellation of the call, but the result of a cancelled future.
            except (Exception, asyncio.CancelledError):
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
            settings = (
                self.settings
                if self._configure is None
                else await self._in_time(
                    self._configure(),
                    ConfigurationError,
                    "no configuration within {:g} seconds: reading the AWS files takes longer",
                )
            )
            if self._route is None:  # nor has another call found it meanwhile
                self._route, self.settings = self._resolve_route(settings), settings
        except LambdaCoreError as error:
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
        clocks = shared.service_clocks
        if endpoint.host not in clocks:
            latest = next(reversed(clocks.values()), None)
            clocks[endpoint.host] = ServiceClock(shared.clock, latest)
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
            clocks[endpoint.host],
            shared.rate_limiters[key],
            shared.user_agent.text(settings.policy.mode, settings.app_id),
        )
