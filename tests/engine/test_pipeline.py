"""The loop: what each attempt sends, when it is retried, and that nothing leaks."""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import json
import logging
import pickle
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreError,
    NetworkConnector,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    TransportError,
    TransportTimeoutError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.identity.refresh import CredentialsProvider, RefreshingCredentials
from lambdacore_async.engine.observation import Attempt
from lambdacore_async.engine.pipeline import Pipeline, Settings, Shared
from lambdacore_async.engine.rate_limit import AdaptiveRateLimiter, Outcome, RateLimiter
from lambdacore_async.engine.retry import RetryPolicy
from lambdacore_async.engine.transport.session import AiohttpTransport, Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import CLOCK_SKEW_CODES, EXPIRED_CODES, REPLACED_CODES
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import (
    CREATE_NETWORK_CONNECTOR,
    GET_NETWORK_CONNECTOR,
)
from lambdacore_async.protocol.restjson import ModelOperation, Operation
from support import botocore_judge as judge
from support.clocks import NOON, FakeClock
from support.leaks import CREDENTIALS, assert_no_secret, cancel_at, chain, other_tasks, settle
from support.pickled import through_pickle
from support.transports import CONNECTOR, Answer, FakeTransport, answer, refusal
from support.wire import Script, Step, http, wire

UNSIGNED: Final = {
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "user-agent",
}
GET: Final = {"identifier": "prod-egress"}
CREATE: Final[dict[str, object]] = {
    "name": "prod-egress",
    "configuration": VpcEgressConfiguration(subnet_ids=["subnet-1"]),
}
#: A write that is not idempotent; the service has none yet.
WRITE: Final = evolve(GET_NETWORK_CONNECTOR, name="Write", method="PUT", readonly=False)


class CountingRateLimiter(RateLimiter):
    """Grants every permit, and counts them.

    Attributes:
        held: the number of permits that are not released.
        outcomes: the outcome and the delay of each release.
    """

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.held = 0
        self.outcomes: list[tuple[Outcome, float | None]] = []

    def acquire_nowait(self) -> None:
        """Return `None`, so that every call waits and can be cancelled while it does."""

    async def acquire(self) -> float:
        await asyncio.sleep(0)
        self.held += 1
        return 0.0

    def release(self, permit: float, outcome: Outcome, retry_after: float | None = None) -> None:
        self.held -= 1
        self.outcomes.append((outcome, retry_after))


def make(
    transport: Transport,
    *,
    settings: Settings | None = None,
    credentials: Credentials | CredentialsProvider | None = CREDENTIALS,
    **options: Any,
) -> Pipeline:
    """Return a pipeline with a fake clock, and without randomness."""
    numbers = itertools.count(1)
    shared = Shared(
        transport=transport,
        credentials=RefreshingCredentials(credentials or no_credentials),
        clock=FakeClock(),
        jitter=lambda: 1.0,
        new_token=lambda: f"token-{next(numbers)}",
        **options,
    )
    return Pipeline(shared, settings or Settings(region="us-east-1"))


async def no_credentials() -> Credentials:
    """Raise, like a provider without credentials."""
    raise CredentialsError("no credentials")


def count(pipeline: Pipeline) -> CountingRateLimiter:
    """Replace the rate limiter of us-east-1 by one that counts."""
    rate_limiter = CountingRateLimiter()
    pipeline.shared.rate_limiters["https://lambda.us-east-1.amazonaws.com", "standard"] = (
        rate_limiter
    )
    return rate_limiter


def clock_of(pipeline: Pipeline) -> FakeClock:
    clock = pipeline.shared.clock
    assert isinstance(clock, FakeClock)
    return clock


def date(minutes: float) -> str:
    """Return a `Date` header, this many minutes after noon."""
    return format_datetime(NOON + timedelta(minutes=minutes), usegmt=True)


def times(requests: Sequence[Request]) -> list[str]:
    """Return the hour and minute at which each request was signed."""
    return [f"{request.headers['x-amz-date'][9:11]}:{request.headers['x-amz-date'][11:13]}"
            for request in requests]  # fmt: skip


def assert_rightly_signed(request: Request, time: datetime, region: str = "us-east-1") -> None:
    """Assert that botocore's signer makes the same signature at this time."""
    ours = {"host", "x-amz-date", "x-amz-security-token"}  # its signer adds them
    signed = {name: text for name, text in request.headers.items() if name not in UNSIGNED}
    theirs = judge.sign(
        request.method,
        f"https://{request.headers['host']}{request.target}",
        {name: text for name, text in signed.items() if name not in ours},
        request.body,
        credentials=CREDENTIALS,
        region=region,
        service="lambda",
        time=time,
    )
    assert request.headers["authorization"] == theirs.authorization
    assert theirs.signed.keys() == signed.keys()


# What an attempt sends


async def test_every_attempt_is_signed_at_its_own_time() -> None:
    transport = FakeTransport(TransportError("broke"), refusal("SlowDown"), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    assert clock_of(pipeline).sleeps == [0.05, 2.0]
    seconds = (0, 0.05, 2.05)
    for request, elapsed in zip(transport.requests, seconds, strict=True):
        assert_rightly_signed(request, NOON + timedelta(seconds=elapsed))
    assert len({request.headers["authorization"] for request in transport.requests}) == 2


async def test_only_required_headers_are_signed() -> None:
    transport = FakeTransport(CONNECTOR)
    await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    (request,) = transport.requests
    names = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    assert names == "host;x-amz-date;x-amz-security-token"
    assert request.headers.keys() == set(names.split(";")) | UNSIGNED
    assert request.headers["user-agent"] == UserAgent().text("standard")
    assert request.headers["accept-encoding"] == "identity"


async def test_a_call_has_one_token_and_one_invocation_id_on_every_attempt() -> None:
    transport = FakeTransport(TransportError("broke"), refusal("X", 503), CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    bodies = [json.loads(request.body or b"") for request in transport.requests]
    assert [body["ClientToken"] for body in bodies] == ["token-1"] * 3 + ["token-2"]
    ids = [request.headers["amz-sdk-invocation-id"] for request in transport.requests]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert "client_token" not in CREATE


async def test_the_callers_own_token_is_sent() -> None:
    transport = FakeTransport(CONNECTOR)
    await make(transport).call(CREATE_NETWORK_CONNECTOR, {**CREATE, "client_token": "mine"})
    assert json.loads(transport.requests[0].body or b"")["ClientToken"] == "mine"


async def test_tokens_and_invocation_ids_are_random_uuids() -> None:
    ids: set[uuid.UUID] = set()
    for _ in range(10):  # clients, which may run in different processes
        transport = FakeTransport(*[CONNECTOR] * 10)
        shared = Shared(transport=transport, credentials=RefreshingCredentials(CREDENTIALS))
        pipeline = Pipeline(shared, Settings(region="us-east-1"))
        for _ in range(10):
            await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
        for request in transport.requests:
            ids.add(uuid.UUID(request.headers["amz-sdk-invocation-id"]))
            ids.add(uuid.UUID(json.loads(request.body or b"")["ClientToken"]))
    assert len(ids) == 200
    assert {(made.version, made.variant) for made in ids} == {(4, uuid.RFC_4122)}


def test_jitter_is_between_zero_and_one() -> None:
    shared = Shared(transport=FakeTransport(), credentials=RefreshingCredentials(CREDENTIALS))
    assert all(0 <= shared.jitter() < 1 for _ in range(100))


async def test_attempts_are_counted_in_a_header() -> None:
    transport = FakeTransport(*[TransportError("broke")] * 3, CONNECTOR)
    policy = RetryPolicy(max_attempts=4)
    await make(transport, settings=Settings("us-east-1", policy=policy)).call(
        GET_NETWORK_CONNECTOR, GET
    )
    assert [request.headers["amz-sdk-request"] for request in transport.requests] == [
        f"attempt={number}; max=4" for number in (1, 2, 3, 4)
    ]


async def test_the_result_has_the_attempts_and_the_request_id() -> None:
    success = answer(200, CONNECTOR.body, x_amzn_RequestId="req-2")
    pipeline = make(FakeTransport(TransportError("broke"), success))
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    metadata = connector.response_metadata
    assert metadata is not None
    assert (metadata.attempts, metadata.request_id, metadata.http_status) == (2, "req-2", 200)


# Endpoints


async def test_the_path_of_an_endpoint_is_signed_and_sent() -> None:
    transport = FakeTransport(TransportError("broke"), CONNECTOR)
    settings = Settings("us-east-1", endpoint_url="https://gateway.example:8443/lambda/")
    await make(transport, settings=settings).call(
        GET_NETWORK_CONNECTOR, {"identifier": "a/prod-egress"}
    )
    for request, endpoint in zip(transport.requests, transport.endpoints, strict=True):
        assert endpoint.url == "https://gateway.example:8443"
        assert request.headers["host"] == "gateway.example:8443"
        assert request.target == "/lambda/2026-04-04/network-connectors/a%2Fprod-egress"
    assert_rightly_signed(transport.requests[0], NOON)


async def test_the_transport_gets_the_timeouts() -> None:
    transport = FakeTransport(CONNECTOR)
    timeout = Timeout(connect=1, read=2, attempt=3, total=4)
    await make(transport, settings=Settings("us-east-1", timeout=timeout)).call(
        GET_NETWORK_CONNECTOR, GET
    )
    assert transport.timeouts == [timeout]


# Errors before anything is sent


async def test_without_credentials_nothing_is_sent_and_no_attempt_is_reported() -> None:
    attempts: list[Attempt] = []
    transport = FakeTransport()
    pipeline = make(transport, credentials=None, on_attempt=attempts.append)
    rate_limiter = count(pipeline)
    with pytest.raises(CredentialsError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert (transport.requests, attempts, rate_limiter.held) == ([], [], 0)
    assert (caught.value.operation, caught.value.attempts) == ("GetNetworkConnector", 0)
    assert rate_limiter.outcomes == [("other", None)]


class Vanishing(RefreshingCredentials):
    """Returns credentials once."""

    def current(self) -> Credentials | None:
        credentials, self._credentials = self._credentials, None
        return credentials

    async def get(self) -> Credentials:
        raise CredentialsError("they are gone")


async def test_credentials_that_vanish_between_attempts_end_the_call() -> None:
    attempts: list[Attempt] = []
    shared = Shared(
        transport=FakeTransport(TransportError("broke")),
        credentials=Vanishing(CREDENTIALS),
        on_attempt=attempts.append,
        clock=FakeClock(),
    )
    with pytest.raises(CredentialsError) as caught:
        await Pipeline(shared, Settings("us-east-1")).call(GET_NETWORK_CONNECTOR, GET)
    assert caught.value.attempts == 1
    assert [attempt.number for attempt in attempts] == [1]


# Credentials that the service rejects


def changing(*keys: str) -> tuple[CredentialsProvider, list[str]]:
    """Return a provider of these keys, one after the other, and the keys it has returned."""
    given: list[str] = []

    async def provide() -> Credentials:
        given.append(keys[len(given)])
        return Credentials(given[-1], "the-secret-key")

    return provide, given


def signers(transport: FakeTransport) -> list[str]:
    return [
        request.headers["authorization"].split("Credential=")[1].split("/")[0]
        for request in transport.requests
    ]


@pytest.mark.parametrize("code", sorted(EXPIRED_CODES | REPLACED_CODES))
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_rejected_credentials_are_renewed_and_the_request_is_signed_again_at_once(
    code: str, outlasts_throttling: bool
) -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(refusal(code, 403), CONNECTOR)
    pipeline = make(transport, credentials=provide)
    result = await pipeline.call(
        GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling
    )
    assert isinstance(result, NetworkConnector)
    assert (given, signers(transport)) == (["AKIDOLD", "AKIDNEW"], ["AKIDOLD", "AKIDNEW"])
    assert clock_of(pipeline).sleeps == []


@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_new_credentials_that_are_rejected_too_end_the_call(
    outlasts_throttling: bool,
) -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(*[refusal("ExpiredToken", 403)] * 2)
    with pytest.raises(ApiError, match="ExpiredToken"):
        await make(transport, credentials=provide).call(
            GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling
        )
    assert given == ["AKIDOLD", "AKIDNEW"]


@pytest.mark.parametrize("code", sorted(EXPIRED_CODES | REPLACED_CODES))
async def test_rejected_keys_that_the_provider_returns_again_are_not_sent_again(code: str) -> None:
    asked = 0

    async def provide() -> Credentials:
        nonlocal asked
        asked += 1
        return Credentials("AKID", "the-secret-key", expires_at=NOON + timedelta(hours=asked))

    attempts: list[Attempt] = []
    transport = FakeTransport(refusal(code, 403))
    pipeline = make(transport, credentials=provide, on_attempt=attempts.append)
    rate_limiter = count(pipeline)
    with pytest.raises(ApiError, match=code) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert (asked, caught.value.attempts, rate_limiter.held) == (2, 1, 0)
    assert [attempt.number for attempt in attempts] == [1]


async def test_after_new_keys_a_transient_failure_is_retried_like_any_other() -> None:
    provide, _ = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(
        refusal("InvalidClientTokenId", 403), TransportError("broke"), CONNECTOR
    )
    await make(transport, credentials=provide).call(GET_NETWORK_CONNECTOR, GET)
    assert signers(transport) == ["AKIDOLD", "AKIDNEW", "AKIDNEW"]


async def test_missing_permissions_do_not_renew_the_credentials() -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(refusal("AccessDeniedException", 403))
    with pytest.raises(ApiError, match="AccessDeniedException"):
        await make(transport, credentials=provide).call(GET_NETWORK_CONNECTOR, GET)
    assert given == ["AKIDOLD"]


async def test_a_signature_with_a_wrong_time_does_not_renew_the_credentials() -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(refusal("SignatureDoesNotMatch", 403, date=date(30)), CONNECTOR)
    await make(transport, credentials=provide).call(GET_NETWORK_CONNECTOR, GET)
    assert given == ["AKIDOLD"]


# Waiting for credentials and configuration


def endless(asked: list[object]) -> CredentialsProvider:
    """Return a provider that never returns, and adds the calling task to `asked`."""

    async def provide() -> Credentials:
        asked.append(asyncio.current_task())
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    return provide


@pytest.mark.usefixtures("leaps")
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_a_call_waits_for_credentials_up_to_the_timeout_of_an_attempt(
    outlasts_throttling: bool,
) -> None:
    asked: list[object] = []
    settings = Settings("us-east-1", timeout=Timeout(attempt=8))
    transport = FakeTransport()
    pipeline = make(transport, settings=settings, credentials=endless(asked))
    rate_limiter = count(pipeline)
    calls = [
        pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling)
        for _ in range(5)
    ]
    for result in await asyncio.gather(*calls, return_exceptions=True):
        assert type(result) is CredentialsError
        assert str(result) == (
            "GetNetworkConnector: no credentials within 8 seconds: the provider has not answered"
        )
        assert (result.attempts, list(chain(result))) == (0, [result])
    assert (transport.requests, rate_limiter.held) == ([], 0)
    assert other_tasks() == {*asked}, "one refresh continues, for later calls"
    await pipeline.shared.credentials.close()
    assert other_tasks() == set()


@pytest.mark.usefixtures("leaps")
async def test_the_total_timeout_counts_while_a_call_waits_for_credentials() -> None:
    settings = Settings("us-east-1", timeout=Timeout(attempt=20, total=8))
    pipeline = make(FakeTransport(), settings=settings, credentials=endless([]))
    with pytest.raises(TransportTimeoutError, match="not done within 8 seconds"):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.shared.credentials.close()


async def test_cancelling_a_call_that_waits_for_credentials_keeps_the_shared_refresh() -> None:
    given = asyncio.get_running_loop().create_future()

    async def provide() -> Credentials:
        await given
        return CREDENTIALS

    pipeline = make(FakeTransport(CONNECTOR), credentials=provide)
    rate_limiter = count(pipeline)
    first, second = (
        asyncio.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET)) for _ in range(2)
    )
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    given.set_result(None)
    assert (await second).name == "prod-egress"
    assert (rate_limiter.held, other_tasks()) == (0, set())


class Slow(RefreshingCredentials):
    """Has no cached credentials, and raises its own timeout."""

    def current(self) -> Credentials | None:
        return None

    async def get(self) -> Credentials:
        raise TimeoutError("its own")


async def test_a_providers_own_timeout_is_raised_unchanged() -> None:
    shared = Shared(transport=FakeTransport(), credentials=Slow(CREDENTIALS), clock=FakeClock())
    with pytest.raises(TimeoutError, match="its own"):
        await Pipeline(shared, Settings("us-east-1")).call(GET_NETWORK_CONNECTOR, GET)


def configured_by(configure: Any, timeout: Timeout) -> Pipeline:
    return Pipeline(make(FakeTransport(CONNECTOR)).shared, Settings(timeout=timeout), configure)


@pytest.mark.usefixtures("leaps")
async def test_a_call_waits_for_its_configuration_up_to_the_timeout_of_an_attempt() -> None:
    async def configure() -> Settings:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    pipeline = configured_by(configure, Timeout(attempt=8))
    with pytest.raises(ConfigurationError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert str(caught.value) == (
        "GetNetworkConnector: no configuration within 8 seconds: reading the AWS files takes longer"
    )
    assert (caught.value.attempts, other_tasks()) == (0, set())


async def test_an_error_of_the_configuration_names_the_operation() -> None:
    async def configure() -> Settings:
        raise ParameterError("max_attempts", "is odd")

    with pytest.raises(ParameterError, match="GetNetworkConnector: max_attempts: is odd"):
        await configured_by(configure, Timeout()).call(GET_NETWORK_CONNECTOR, GET)


async def test_one_refresh_serves_all_calls_with_rejected_credentials() -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(*[refusal("ExpiredToken", 403)] * 10, *[CONNECTOR] * 10)
    pipeline = make(transport, credentials=provide)
    await asyncio.gather(*[pipeline.call(GET_NETWORK_CONNECTOR, GET) for _ in range(10)])
    assert given == ["AKIDOLD", "AKIDNEW"]
    assert signers(transport) == ["AKIDOLD"] * 10 + ["AKIDNEW"] * 10


async def test_fixed_credentials_that_expired_end_the_call() -> None:
    transport = FakeTransport(refusal("ExpiredToken", 403))
    with pytest.raises(ApiError, match="ExpiredToken"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)


async def test_a_call_of_one_attempt_leaves_new_credentials_to_the_next() -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(refusal("ExpiredToken", 403), CONNECTOR)
    settings = Settings("us-east-1", policy=RetryPolicy(max_attempts=1))
    pipeline = make(transport, credentials=provide, settings=settings)
    with pytest.raises(ApiError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert signers(transport) == given == ["AKIDOLD", "AKIDNEW"]


@pytest.mark.parametrize("arguments", [{}, {"identifier": ""}, {"identifier": ".."}])
async def test_arguments_that_cannot_be_sent_are_rejected_first(
    arguments: dict[str, object],
) -> None:
    transport = FakeTransport()
    pipeline = make(transport, credentials=None)
    rate_limiter = count(pipeline)
    with pytest.raises(ParameterError, match="identifier"):
        await pipeline.call(GET_NETWORK_CONNECTOR, arguments)
    assert (transport.requests, rate_limiter.outcomes) == ([], [])


# The clock


@pytest.mark.parametrize("code", sorted(CLOCK_SKEW_CODES))
async def test_a_wrong_clock_is_corrected_and_the_request_is_retried_at_once(code: str) -> None:
    transport = FakeTransport(refusal(code, 403, date=date(30)), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30"]
    assert_rightly_signed(transport.requests[1], NOON + timedelta(minutes=30))
    assert clock_of(pipeline).sleeps == []
    assert pipeline.shared.quota.available == 500


async def test_a_correction_of_the_clock_applies_to_all_calls_and_views() -> None:
    skewed = refusal("RequestTimeTooSkewed", 403, date=date(-45))
    transport = FakeTransport(skewed, CONNECTOR, CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    view = Pipeline(pipeline.shared, Settings("eu-west-1"))
    await view.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "11:15", "11:15", "11:15"]


async def test_a_correction_of_the_clock_applies_to_all_accounts() -> None:
    def judged(request: Request) -> Response:
        right = times([request]) == ["12:30"]
        return CONNECTOR if right else refusal("RequestTimeTooSkewed", 403, date=date(30))

    transport = FakeTransport(*[judged] * 5)
    shared = make(transport).shared
    for number in range(4):
        account = RefreshingCredentials(Credentials(f"AKID{number}", "the-secret-key"))
        view = Pipeline(evolve(shared, credentials=account), Settings("us-east-1"))
        await view.call(GET_NETWORK_CONNECTOR, GET)
    assert len(transport.requests) == 5


@pytest.mark.parametrize("code", sorted(CLOCK_SKEW_CODES))
@pytest.mark.parametrize(
    "absurd", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1900 00:00:00 GMT"]
)
async def test_an_absurd_date_ends_one_call_and_no_other(code: str, absurd: str) -> None:
    transport = FakeTransport(refusal(code, 403, date=absurd), CONNECTOR)
    pipeline = make(transport)
    with pytest.raises(ApiError, match=code):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    clock_of(pipeline).advance(1)
    assert (await pipeline.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"


async def test_the_wrong_time_of_one_host_affects_no_other_call() -> None:
    skewed = refusal("RequestTimeTooSkewed", 403, date=date(83))
    honest = refusal("RequestTimeTooSkewed", 403, date=date(0))
    transport = FakeTransport(skewed, honest, CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "13:23", "12:00", "12:00"]


@pytest.mark.parametrize(
    "accepting", [CONNECTOR, refusal("ResourceNotFoundException", 404), refusal("Wat", 400)]
)
async def test_a_correction_is_kept_once_a_request_with_its_time_was_accepted(
    accepting: Response,
) -> None:
    transport = FakeTransport(refusal("RequestExpired", 403, date=date(30)), accepting, CONNECTOR)
    pipeline = make(transport)
    with contextlib.suppress(ApiError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30", "12:30"]


@pytest.mark.parametrize(
    "refusing",
    [
        refusal("AuthFailure", 403),
        refusal("ExpiredToken", 403),
        refusal("UnrecognizedClientException", 403),
        answer(200, b"[]"),
    ],
)
async def test_a_correction_is_not_kept_if_the_response_does_not_confirm_it(
    refusing: Response,
) -> None:
    transport = FakeTransport(refusal("RequestExpired", 403, date=date(30)), refusing, CONNECTOR)
    pipeline = make(transport)
    with pytest.raises(LambdaCoreError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30", "12:00"]


async def test_no_lookup_fails_when_five_percent_of_responses_have_a_wrong_clock() -> None:
    chance = random.Random(1)  # noqa: S311 - the same in every run

    def judged(request: Request) -> Response:
        minutes = 83 if chance.random() < 0.05 else 0
        right = times([request]) == [f"{12 + minutes // 60}:{minutes % 60:02}"]
        return CONNECTOR if right else refusal("RequestTimeTooSkewed", 403, date=date(minutes))

    class Still(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    transport = FakeTransport(*[judged] * 10_000)
    pipeline = make(transport)
    object.__setattr__(pipeline.shared, "clock", Still())
    for _ in range(50):
        async with asyncio.TaskGroup() as group:
            for _ in range(64):
                group.create_task(
                    pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
                )
    assert len(transport.requests) < 1.25 * 50 * 64


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(CLOCK_SKEW_CODES)),
            st.sampled_from([403, 400, 500, 200]),
            st.one_of(
                st.text(max_size=30),
                st.sampled_from(["Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 01 Jan 01 00:00:00 GMT"]),
                st.floats(-1e9, 1e9).map(date),
            ),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_after_any_dates_a_correct_one_corrects_the_clock_within_one_retry(
    history: list[tuple[str, int, str]], outlasts_throttling: bool
) -> None:
    def judged(request: Request) -> Response:
        return CONNECTOR if times([request]) == ["12:00"] else honest

    honest = refusal("RequestTimeTooSkewed", 403, date=date(0))

    async def run() -> None:
        answers = [refusal(code, status, date=text) for code, status, text in history]
        transport = FakeTransport(*answers)
        pipeline = make(transport)
        for _ in history:
            with contextlib.suppress(LambdaCoreError, StopIteration, RuntimeError):
                await pipeline.call(
                    GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling
                )
        del transport.requests[:]
        object.__setattr__(pipeline.shared, "clock", FakeClock())
        transport.then([judged] * 2)
        settings = Settings("us-east-1", policy=RetryPolicy(max_attempts=2))
        view = Pipeline(pipeline.shared, settings)
        assert (await view.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"

    asyncio.run(run())


async def test_concurrent_calls_all_correct_the_clock() -> None:
    def judged(request: Request) -> Response:
        late = times([request]) == ["12:00"]
        return refusal("RequestExpired", 403, date=date(30)) if late else CONNECTOR

    transport = FakeTransport(*[judged] * 20)
    pipeline = make(transport, settings=Settings("us-east-1", policy=RetryPolicy(max_attempts=2)))
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
    assert times(transport.requests) == ["12:00"] * 10 + ["12:30"] * 10


async def test_a_second_drift_is_corrected_too() -> None:
    transport = FakeTransport(
        refusal("RequestTimeTooSkewed", 403, date=date(30)),
        CONNECTOR,
        refusal("RequestInTheFuture", 403, date=date(10)),
        CONNECTOR,
    )
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30", "12:30", "12:10"]


@pytest.mark.parametrize("headers", [{}, {"date": date(4)}, {"date": "yesterday"}])
async def test_a_bad_signature_at_the_right_time_is_not_retried(
    headers: dict[str, str],
) -> None:
    transport = FakeTransport(refusal("InvalidSignatureException", 403, **headers))
    with pytest.raises(ApiError, match="InvalidSignatureException"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00"]


async def test_other_errors_do_not_correct_the_clock() -> None:
    denied = refusal("AccessDeniedException", 403, date=date(30))
    transport = FakeTransport(denied, CONNECTOR)
    pipeline = make(transport)
    with pytest.raises(ApiError, match="AccessDeniedException"):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:00"]


async def test_corrections_of_the_clock_count_as_attempts() -> None:
    transport = FakeTransport(
        *[refusal("RequestExpired", 403, date=date(30 * number)) for number in range(1, 4)]
    )
    with pytest.raises(ApiError, match="RequestExpired"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert len(transport.requests) == 3


async def test_the_last_attempt_still_corrects_the_clock_of_the_next_call() -> None:
    transport = FakeTransport(refusal("RequestExpired", 403, date=date(30)), CONNECTOR)
    once = Settings("us-east-1", policy=RetryPolicy(max_attempts=1))
    pipeline = make(transport, settings=once)
    with pytest.raises(ApiError, match="RequestExpired"):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30"]


# Retries


async def test_the_error_of_a_call_has_its_operation_and_attempts() -> None:
    transport = FakeTransport(*[TransportError("broke")] * 3)
    with pytest.raises(TransportError) as caught:
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert str(caught.value) == "GetNetworkConnector: broke (3 attempts)"
    assert pickle.loads(pickle.dumps(caught.value)).attempts == 3  # noqa: S301 - pickled on this line


@pytest.mark.parametrize(
    ("first", "requests"),
    [
        (refusal("TooManyRequestsException", 429), 2),
        (TransportError("no connection", not_executed=True), 2),
        (TransportError("broke"), 1),
        (TransportTimeoutError("no answer"), 1),
        (refusal("ServiceException", 500), 1),
    ],
)
async def test_a_write_that_is_not_idempotent_is_retried_only_if_it_was_not_executed(
    first: Answer, requests: int
) -> None:
    transport = FakeTransport(first, CONNECTOR)
    with contextlib.suppress(LambdaCoreError):
        await make(transport).call(WRITE, GET)
    assert len(transport.requests) == requests


async def test_a_response_that_is_not_json_is_retried() -> None:
    transport = FakeTransport(answer(200, b"<html>"), answer(200, b""), CONNECTOR)
    assert (await make(transport).call(GET_NETWORK_CONNECTOR, GET)).response_metadata is not None
    assert len(transport.requests) == 3


async def test_a_response_of_the_wrong_shape_is_not_retried() -> None:
    transport = FakeTransport(answer(200, b"{}"))
    with pytest.raises(ResponseError) as caught:
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert (caught.value.operation, caught.value.attempts) == ("GetNetworkConnector", 1)


async def test_a_delay_of_zero_does_not_sleep() -> None:
    pipeline = make(FakeTransport(TransportError("broke"), CONNECTOR))
    object.__setattr__(pipeline.shared, "jitter", lambda: 0.0)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert clock_of(pipeline).sleeps == []


async def test_throttling_does_not_charge_a_call_of_a_fan_out() -> None:
    transport = FakeTransport(*[refusal("TooManyRequestsException", 429)] * 20, CONNECTOR)
    pipeline = make(transport)
    count(pipeline)
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert connector.response_metadata is not None
    assert connector.response_metadata.attempts == 21
    assert pipeline.shared.quota.available == 500
    assert clock_of(pipeline).sleeps == []


async def test_transient_failures_do_not_charge_a_call_of_a_fan_out() -> None:
    throttled, broke = refusal("TooManyRequestsException", 429), TransportError("broke")
    pipeline = make(FakeTransport(throttled, broke, broke, throttled, broke, broke, CONNECTOR))
    count(pipeline)
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert connector.response_metadata is not None
    assert clock_of(pipeline).sleeps == [0.05, 0.1, 0.2, 0.4]
    assert pipeline.shared.quota.available == 500


class Outage(FakeTransport):
    """A service that repeats failures, each after some seconds or the timeout of the attempt.

    Attributes:
        starts: the monotonic time at which each attempt began.
    """

    def __init__(self, *failures: tuple[float, Answer]) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.starts: list[float] = []
        self._failures = itertools.cycle(failures)

    def then_fail(self, seconds: float, failure: Answer) -> None:
        """Replace the failures."""
        self._failures = itertools.cycle([(seconds, failure)])

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        self.starts.append(self.clock.monotonic())
        self.timeouts.append(timeout)
        seconds, failure = next(self._failures)
        allowed = min(seconds, timeout.attempt or seconds)
        self.clock.advance(allowed)
        if allowed < seconds:
            raise TransportTimeoutError("no answer in time")
        if isinstance(failure, Exception):
            raise failure
        assert isinstance(failure, Response)
        return failure


def amid(outage: Outage, timeout: Timeout = Timeout()) -> Pipeline:
    """Return a pipeline on the clock of the outage."""
    pipeline = make(outage, settings=Settings("us-east-1", timeout=timeout))
    object.__setattr__(pipeline.shared, "clock", outage.clock)
    return pipeline


NO_NAME: Final = TransportError("the name did not resolve", not_executed=True)
REFUSED: Final = TransportError("no connection: refused", not_executed=True)
BLACK_HOLE: Final = TransportTimeoutError("no connection within the timeout", not_executed=True)
OUTAGES: Final[dict[str, list[tuple[float, Answer]]]] = {
    "a dead name": [(0.0, NO_NAME)],
    "a slow resolver": [(4.0, NO_NAME)],
    "a refused port": [(0.001, REFUSED)],
    "a black hole": [(5.0, BLACK_HOLE)],
    "a server's errors": [(0.0, refusal("ServiceException", 500))],
    "a server's errors with a delay": [(0.0, refusal("ServiceException", 503, retry_after="30"))],
    "broken connections": [(0.0, TransportError("broke"))],
    "invalid responses": [(0.0, answer(200, b"<html>"))],
    "all in turn": [
        (0.0, NO_NAME), (5.0, BLACK_HOLE), (0.0, refusal("Busy", 503)), (0.0, TransportError("x")),
    ],
}  # fmt: skip


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_a_call_of_a_fan_out_fails_within_twenty_seconds(
    outage: list[tuple[float, Answer]],
) -> None:
    dead = Outage(*outage)
    with pytest.raises(LambdaCoreError) as caught:
        await amid(dead, Timeout(attempt=20)).call(
            GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True
        )
    assert caught.value.attempts == len(dead.starts)
    assert 18.9 <= dead.clock.monotonic() <= 20.0
    assert max(dead.starts) <= 19.0 + 1e-6


async def test_the_last_delay_leaves_one_second_for_the_last_attempt() -> None:
    dead = Outage((0.0, REFUSED))
    with pytest.raises(TransportError):
        await amid(dead).call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    expected = [0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 6.35, 12.75, 19.0]
    assert dead.starts == pytest.approx(expected)
    assert [timeout.attempt for timeout in dead.timeouts] == pytest.approx(
        [60, *(20 - start for start in expected[1:])]
    )


async def test_a_timeout_of_more_than_twenty_seconds_is_retried() -> None:
    lost = Outage((30.0, TransportTimeoutError("no answer")), (0.0, CONNECTOR))
    connector = await amid(lost).call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert connector.response_metadata is not None
    assert connector.response_metadata.attempts == 2


async def test_an_outage_keeps_a_shorter_timeout_of_an_attempt() -> None:
    dead = Outage((0.0, REFUSED))
    with pytest.raises(TransportError):
        await amid(dead, Timeout(attempt=0.5)).call(
            GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True
        )
    assert {timeout.attempt for timeout in dead.timeouts} == {0.5}


async def test_without_a_timeout_of_an_attempt_retries_still_end_in_time() -> None:
    dead = Outage((0.0, REFUSED), (100.0, BLACK_HOLE))
    with pytest.raises(TransportError):
        await amid(dead, Timeout(attempt=None)).call(
            GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True
        )
    assert dead.clock.monotonic() == pytest.approx(20.0)


@pytest.mark.parametrize(("seconds", "failure"), [(5.0, BLACK_HOLE), (0.0, REFUSED)])
async def test_all_lookups_of_an_outage_end_within_twenty_seconds(
    seconds: float, failure: Answer
) -> None:
    dead = Outage((seconds, failure))
    pipeline = amid(dead)
    for _ in range(100):
        with pytest.raises(TransportError):
            await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert dead.clock.monotonic() <= 20.0


@given(
    failures=st.lists(
        st.tuples(st.floats(0, 90), st.sampled_from([each[0][1] for each in OUTAGES.values()])),
        min_size=1,
        max_size=6,
    ),
    attempt=st.none() | st.floats(0.1, 90),
)
def test_no_delay_and_no_attempt_of_a_fan_out_goes_beyond_twenty_seconds(
    failures: list[tuple[float, Answer]], attempt: float | None
) -> None:
    async def go() -> None:
        dead = Outage(*failures)
        with pytest.raises(LambdaCoreError):
            await amid(dead, Timeout(attempt=attempt)).call(
                GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True
            )
        # Until the first failure, the attempt has its own timeout.
        first = min(failures[0][0], 90.0 if attempt is None else attempt)
        assert dead.clock.monotonic() <= first + 20.0 + 1e-6

    asyncio.run(go())


@pytest.mark.parametrize("others_succeed", [False, True])
async def test_a_call_that_waits_too_long_for_a_permit_in_an_outage_is_not_sent_again(
    others_succeed: bool,
) -> None:
    class Queue(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            permit = limiter.acquire_nowait()
            assert permit is not None
            asyncio.get_running_loop().call_soon(self.let_go, permit)

        def let_go(self, permit: float) -> None:
            self.advance(30)
            if others_succeed:
                route.outage.since = None
            limiter.release(permit, "other")

    transport = FakeTransport(TransportError("broke"), CONNECTOR)
    pipeline = make(transport, max_in_flight=1)
    object.__setattr__(pipeline.shared, "clock", Queue())
    route = await pipeline._find_route("GetNetworkConnector")
    limiter = route.rate_limiter
    call = pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    if others_succeed:
        await call
    else:
        with pytest.raises(TransportError, match="broke") as caught:
            await call
        assert caught.value.attempts == 1
    assert limiter.acquire_nowait() is not None, "the permit was released"


async def test_in_a_slow_outage_one_attempt_is_made_per_timeout() -> None:
    dead = Outage((5.0, BLACK_HOLE))
    pipeline = amid(dead)
    with pytest.raises(TransportError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    with pytest.raises(TransportError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert str(caught.value) == (
        "GetNetworkConnector: no request has succeeded for 20 seconds,"
        " and the last one timed out after 4.7 seconds"
    )
    assert (caught.value.attempts, caught.value.not_executed) == (0, True)
    # A single call is always sent.
    sent = len(dead.starts)
    with pytest.raises(TransportError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert len(dead.starts) == sent + 3
    dead.then_fail(3.0, CONNECTOR)
    dead.clock.advance(5)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert dead.timeouts[-1] == Timeout()
    await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)


async def test_a_call_during_an_outage_has_the_rest_of_the_twenty_seconds() -> None:
    dead = Outage((0.0, REFUSED))
    pipeline = amid(dead)
    first = pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert await cancel_at(7, first), "in its seventh delay"
    assert dead.clock.monotonic() == pytest.approx(6.35)
    dead.then_fail(100.0, BLACK_HOLE)
    with pytest.raises(TransportTimeoutError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert caught.value.attempts == 1
    assert dead.clock.monotonic() == pytest.approx(20.0)


async def test_a_call_late_in_an_outage_has_one_second() -> None:
    dead = Outage((0.0, REFUSED))
    pipeline = amid(dead)
    first = pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert await cancel_at(1, first), "in its first delay"
    dead.clock.advance(19.5)
    dead.then_fail(100.0, BLACK_HOLE)
    with pytest.raises(TransportTimeoutError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert dead.timeouts[-1].attempt == 1.0


async def test_early_in_a_slow_outage_every_call_is_sent() -> None:
    dead = Outage((5.0, BLACK_HOLE))
    pipeline = amid(dead)
    first = pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert await cancel_at(0, first), "in its first delay"
    dead.then_fail(0.0, CONNECTOR)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)


async def test_a_call_that_fails_while_others_succeed_ends_within_twenty_seconds() -> None:
    class Watch(FakeClock):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            transport.then([CONNECTOR])
            await pipeline.call(GET_NETWORK_CONNECTOR, GET)
            transport.then([TransportError("broke")])

    transport = FakeTransport(TransportError("broke"))
    pipeline = make(transport)
    clock = Watch()
    object.__setattr__(pipeline.shared, "clock", clock)
    with pytest.raises(TransportError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert clock.monotonic() == pytest.approx(19.0)


def final(error: LambdaCoreError) -> LambdaCoreError:
    """Return the error, marked as not transient."""
    error.transient = False
    return error


@pytest.mark.parametrize(
    "failure",
    [
        final(TransportError("TLS failed: certificate verify failed", not_executed=True)),
        final(TransportError("the proxy refused: 407", not_executed=True)),
        final(TransportError("the name does not exist", not_executed=True)),
        final(TransportTimeoutError("never")),
        final(ApiError("no", code="ServiceException", status_code=500)),
        ResponseError("too large", status_code=200),
    ],
)
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_permanent_failures_are_not_retried(
    failure: LambdaCoreError, outlasts_throttling: bool
) -> None:
    transport = FakeTransport(*[failure] * 3)
    pipeline = make(transport)
    for number in range(3):
        with pytest.raises(type(failure)) as caught:
            await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling)
        assert caught.value.attempts == 1
        assert len(transport.requests) == number + 1
    assert clock_of(pipeline).sleeps == []


async def test_calls_of_a_fan_out_wait_for_an_outage_only_once() -> None:
    broke = [TransportError("broke")] * 11
    pipeline = make(FakeTransport(*broke, CONNECTOR, broke[0], CONNECTOR))
    for attempts in (10, 1):
        with pytest.raises(TransportError) as caught:
            await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
        assert caught.value.attempts == attempts
    await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    recovered = await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert recovered.response_metadata is not None
    assert recovered.response_metadata.attempts == 2


async def test_a_call_of_a_fan_out_with_one_attempt_is_not_retried() -> None:
    transport = FakeTransport(TransportError("broke"))
    settings = Settings(region="us-east-1", policy=RetryPolicy(max_attempts=1))
    with pytest.raises(TransportError):
        await make(transport, settings=settings).call(
            GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True
        )
    assert len(transport.requests) == 1


# Timeouts and cancellation


@pytest.mark.usefixtures("leaps")
async def test_the_total_timeout_ends_a_call_with_the_last_error_as_its_cause() -> None:
    broke = TransportError("broke")
    pipeline = make(
        FakeTransport(broke, None), settings=Settings("us-east-1", timeout=Timeout(total=12.5))
    )
    rate_limiter = count(pipeline)
    with pytest.raises(TransportTimeoutError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    error = caught.value
    assert error.__cause__ is broke
    assert (error.operation, error.attempts, error.not_executed) == (
        "GetNetworkConnector",
        2,
        False,
    )
    assert str(error) == "GetNetworkConnector: not done within 12.5 seconds (2 attempts)"
    assert isinstance(error, TimeoutError)
    assert_no_secret(error)
    assert (rate_limiter.held, other_tasks()) == (0, set())


@pytest.mark.usefixtures("leaps")
async def test_the_total_timeout_of_a_first_attempt_has_no_cause() -> None:
    settings = Settings("us-east-1", timeout=Timeout(total=10))
    with pytest.raises(TransportTimeoutError) as caught:
        await make(FakeTransport(None), settings=settings).call(GET_NETWORK_CONNECTOR, GET)
    assert caught.value.__cause__ is None


async def test_the_timeout_of_an_attempt_is_not_the_total_timeout() -> None:
    slow = TransportTimeoutError("the answer stopped coming")
    settings = Settings("us-east-1", timeout=Timeout(total=60))
    with pytest.raises(TransportTimeoutError) as caught:
        await make(FakeTransport(*[slow] * 3), settings=settings).call(GET_NETWORK_CONNECTOR, GET)
    assert caught.value is slow


@pytest.mark.usefixtures("leaps")
@pytest.mark.parametrize("total", [None, 60])
async def test_the_callers_own_timeout_is_raised_unchanged(total: float | None) -> None:
    settings = Settings("us-east-1", timeout=Timeout(total=total))
    pipeline = make(FakeTransport(TransportError("broke"), None), settings=settings)
    rate_limiter = count(pipeline)
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(10):
            await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert type(caught.value) is TimeoutError
    assert type(caught.value.__cause__) is asyncio.CancelledError
    assert rate_limiter.held == 0


@pytest.mark.parametrize("total", [None, 60])
async def test_a_cancellation_is_raised_unchanged(total: float | None) -> None:
    attempts: list[Attempt] = []
    settings = Settings("us-east-1", timeout=Timeout(total=total))
    pipeline = make(FakeTransport(None), settings=settings, on_attempt=attempts.append)
    call = asyncio.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
    await settle()
    call.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await call
    assert attempts == []


@pytest.mark.parametrize("total", [None, 60])
async def test_cancelling_a_call_at_any_await_leaks_nothing(total: float | None) -> None:
    settings = Settings("us-east-1", timeout=Timeout(total=total))
    failures = (TransportError("broke"), refusal("SlowDown"))
    waits, was_cancelled = 0, True
    while was_cancelled:
        transport = FakeTransport(*failures, CONNECTOR)
        pipeline = make(transport, settings=settings)
        rate_limiter = count(pipeline)
        was_cancelled = await cancel_at(waits, pipeline.call(GET_NETWORK_CONNECTOR, GET))
        assert (rate_limiter.held, transport.under_way) == (0, 0)
        assert (clock_of(pipeline).sleepers, other_tasks()) == (0, set())
        waits += was_cancelled
    assert waits == 3 * 2 + 2, "a permit and a send for each attempt, and two delays"


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
async def test_cancelling_a_call_at_any_await_releases_its_permit(mode: str) -> None:
    settings = Settings("us-east-1", policy=RetryPolicy(mode))
    waits, was_cancelled = 0, True
    while was_cancelled:
        transport = FakeTransport(TransportError("broke"), *[CONNECTOR] * 3)
        pipeline = make(transport, settings=settings, max_in_flight=1)
        first = asyncio.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
        second = cancel_at(waits, pipeline.call(GET_NETWORK_CONNECTOR, GET))
        third = asyncio.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
        was_cancelled = await second
        for call in (first, third):
            assert (await call).name == "prod-egress"
        assert other_tasks() == set()
        waits += was_cancelled
    assert waits > 0


async def test_cancelling_a_call_over_sockets_at_any_await_leaks_nothing() -> None:
    waits, was_cancelled = 0, True
    while was_cancelled:
        async with wire([Step.CLOSE], [http(CONNECTOR.body)], [http(CONNECTOR.body)]) as peer:
            settings = Settings("us-east-1", endpoint_url=peer.endpoint.url)
            transport = AiohttpTransport(max_connections=1)
            pipeline = make(transport, settings=settings, max_in_flight=1)
            was_cancelled = await cancel_at(waits, pipeline.call(GET_NETWORK_CONNECTOR, GET))
            # The only connection and the only permit are free again.
            assert (await pipeline.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"
            await transport.close()
            await peer.disconnected()
        await settle()
        assert other_tasks() == set()
        waits += was_cancelled
    assert waits >= 5, "two connections, two responses, and a delay"


# Rate limiter


@pytest.mark.parametrize(
    ("reaction", "outcome", "hint"),
    [
        (CONNECTOR, "success", None),
        (refusal("ResourceNotFoundException", 404), "success", None),
        (refusal("TooManyRequestsException", 429), "throttled", None),
        (refusal("TooManyRequestsException", 429, retry_after="7"), "throttled", 7.0),
        (refusal("Busy", 503), "other", None),
        (TransportError("broke"), "other", None),
        (answer(200, b"<html>"), "other", None),
        (ZeroDivisionError(), "other", None),
    ],
)
async def test_the_rate_limiter_gets_the_outcome_of_each_attempt(
    reaction: Answer, outcome: Outcome, hint: float | None
) -> None:
    once = Settings("us-east-1", policy=RetryPolicy(max_attempts=1))
    pipeline = make(FakeTransport(reaction), settings=once)
    rate_limiter = count(pipeline)
    with contextlib.suppress(LambdaCoreError, ZeroDivisionError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert (rate_limiter.outcomes, rate_limiter.held) == ([(outcome, hint)], 0)


async def test_no_permit_is_held_during_a_delay() -> None:
    pipeline = make(FakeTransport(TransportError("broke"), CONNECTOR))
    rate_limiter = count(pipeline)
    held: list[int] = []

    class Watch(FakeClock):
        async def sleep(self, seconds: float) -> None:
            held.append(rate_limiter.held)

    object.__setattr__(pipeline.shared, "clock", Watch())
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert held == [0]


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
async def test_concurrent_requests_are_limited(mode: str) -> None:
    most = 0

    def respond(_: Request) -> Response:
        nonlocal most
        most = max(most, transport.under_way)
        return CONNECTOR

    transport = FakeTransport(*[respond] * 10)
    settings = Settings("us-east-1", policy=RetryPolicy(mode))
    pipeline = make(transport, settings=settings, max_in_flight=3)
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
    assert most == 3


async def test_views_of_one_region_and_mode_share_rate_limiter_quota_and_connections() -> None:
    transport = FakeTransport(TransportError("broke"), refusal("SlowDown"), CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    shared = pipeline.shared
    view = Pipeline(shared, Settings("us-east-1", timeout=Timeout(total=60)))
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await view.call(GET_NETWORK_CONNECTOR, GET)
    assert list(shared.rate_limiters) == [("https://lambda.us-east-1.amazonaws.com", "standard")]
    assert type(next(iter(shared.rate_limiters.values()))) is RateLimiter
    assert shared.quota.available == 500 - 14 - 5 + 5 + 1


async def test_another_region_or_mode_has_its_own_rate_limiter() -> None:
    pipeline = make(FakeTransport(*[CONNECTOR] * 3))
    adaptive = RetryPolicy("adaptive")
    for settings in (Settings("eu-west-1"), Settings("us-east-1", policy=adaptive)):
        await Pipeline(pipeline.shared, settings).call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert {
        key: type(rate_limiter) for key, rate_limiter in pipeline.shared.rate_limiters.items()
    } == {
        ("https://lambda.us-east-1.amazonaws.com", "standard"): RateLimiter,
        ("https://lambda.us-east-1.amazonaws.com", "adaptive"): AdaptiveRateLimiter,
        ("https://lambda.eu-west-1.amazonaws.com", "standard"): RateLimiter,
    }


# Reports of attempts


async def test_every_attempt_is_reported_in_order() -> None:
    attempts: list[Attempt] = []
    broke = TransportError("broke")

    def after(seconds: float, response: Response) -> Answer:
        def respond(_: Request) -> Response:
            clock_of(pipeline).advance(seconds)
            return response

        return respond

    transport = FakeTransport(
        broke,
        after(0.25, refusal("SlowDown", 400, x_amzn_requestid="req-2")),
        after(0.5, answer(200, CONNECTOR.body, x_amzn_requestid="req-3")),
    )
    pipeline = make(transport, on_attempt=attempts.append)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert isinstance(attempts[1].error, ApiError)
    assert [
        (
            told.operation,
            told.number,
            told.status,
            told.request_id,
            round(told.seconds, 9),
            told.error,
            told.delay,
        )
        for told in attempts
    ] == [
        ("GetNetworkConnector", 1, None, None, 0.0, broke, 0.05),
        ("GetNetworkConnector", 2, 400, "req-2", 0.25, attempts[1].error, 2.0),
        ("GetNetworkConnector", 3, 200, "req-3", 0.5, None, None),
    ]
    assert [told.throttled for told in attempts] == [False, True, False]
    for told in attempts:
        assert (told.region, told.identifier) == ("us-east-1", "prod-egress")
        assert told.endpoint == "https://lambda.us-east-1.amazonaws.com"
        assert (told.label, told.rate) == (None, None)
    assert attempts[-1].ended == clock_of(pipeline).now()


async def test_the_last_failure_is_reported_without_a_delay() -> None:
    attempts: list[Attempt] = []
    transport = FakeTransport(refusal("ResourceNotFoundException", 404))
    with pytest.raises(ResourceNotFoundException) as caught:
        await make(transport, on_attempt=attempts.append).call(GET_NETWORK_CONNECTOR, GET)
    (told,) = attempts
    assert (told.number, told.status, told.error, told.delay) == (1, 404, caught.value, None)


async def test_an_attempt_without_a_response_reports_nothing_of_the_previous_one() -> None:
    attempts: list[Attempt] = []
    transport = FakeTransport(
        refusal("Busy", 503, x_amzn_requestid="req-1"), TransportError("broke"), CONNECTOR
    )
    await make(transport, on_attempt=attempts.append).call(GET_NETWORK_CONNECTOR, GET)
    assert [(told.status, told.request_id) for told in attempts] == [
        (503, "req-1"),
        (None, None),
        (200, None),
    ]


async def test_a_listener_that_raises_does_not_fail_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def listen(_: Attempt) -> None:
        raise ZeroDivisionError

    transport = FakeTransport(
        TransportError("broke"), CONNECTOR, refusal("ResourceNotFoundException", 404)
    )
    pipeline = make(transport, on_attempt=listen)
    assert (await pipeline.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"
    with pytest.raises(ResourceNotFoundException):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert [record.getMessage() for record in caplog.records] == ["on_attempt failed"] * 3
    assert {record.name for record in caplog.records} == {"lambdacore_async"}
    assert "ZeroDivisionError" in caplog.text


async def test_a_listener_that_raises_cancelled_error_does_not_fail_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cancelled = asyncio.get_running_loop().create_future()
    cancelled.cancel()

    def listen(_: Attempt) -> None:
        cancelled.result()

    pipeline = make(FakeTransport(CONNECTOR), on_attempt=listen)
    assert (await pipeline.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"
    assert [record.getMessage() for record in caplog.records] == ["on_attempt failed"]


async def test_a_base_exception_of_a_listener_ends_the_call() -> None:
    class Exit(BaseException):
        pass

    def listen(_: Attempt) -> None:
        raise Exit

    pipeline = make(FakeTransport(CONNECTOR), on_attempt=listen)
    rate_limiter = count(pipeline)
    with pytest.raises(Exit):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert rate_limiter.held == 0


async def test_the_repr_of_an_attempt_is_one_short_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    forged = "id\nERROR root: forged \x1b]0;x\x07 \u202e \x85\u2028"
    attempts: list[Attempt] = []
    transport = FakeTransport(
        refusal(f"Code{forged}", 404, x_amzn_requestid=forged * 1000),
        answer(200, CONNECTOR.body, x_amzn_requestid=forged),
    )
    pipeline = make(transport, on_attempt=attempts.append)
    with pytest.raises(ApiError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert [attempt.request_id for attempt in attempts] == [forged * 1000, forged]
    for line in (*map(repr, attempts), *(record.getMessage() for record in caplog.records)):
        assert line.isprintable()
        assert len(line) < 900
    for record in caplog.records:
        for value in vars(record).values():
            assert not isinstance(value, str) or record.pathname == value or value.isprintable()


async def test_the_debug_log_has_one_line_per_attempt_and_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = FakeTransport(TransportError("broke"), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    records = [record for record in caplog.records if record.levelno == logging.DEBUG]
    assert [vars(record)["attempt"] for record in records] == [1, 2]
    for record in records:
        assert (record.name, record.getMessage()) == ("lambdacore_async", "a request has ended")
        assert vars(record)["operation"] == "CreateNetworkConnector"
        assert_no_secret(repr(vars(record)))
    assert_no_secret(caplog.text, pipeline.shared, pipeline.settings, *transport.requests)


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


RETRIED = ("INFO", "a request failed, and is retried")
GIVEN_UP = ("WARNING", "a request failed, and is not retried again")


async def test_a_retry_is_logged_with_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    transport = FakeTransport(refusal("Busy", 503, x_amzn_requestid="req-1"), CONNECTOR)
    await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    (record,) = caplog.records
    assert logged(caplog) == [RETRIED]
    values = vars(record)
    assert (values["operation"], values["identifier"]) == ("GetNetworkConnector", "prod-egress")
    assert (values["region"], values["label"]) == ("us-east-1", None)
    assert (values["attempt"], values["status"], values["error_code"]) == (1, 503, "Busy")
    assert (values["request_id"], values["throttled"], values["withheld"]) == ("req-1", False, 0)
    assert values["delay"] > 0
    assert "Busy" in values["error"]


async def test_a_call_that_is_given_up_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(TransportError):
        await make(FakeTransport(*[TransportError("broke")] * 3)).call(GET_NETWORK_CONNECTOR, GET)
    assert logged(caplog) == [GIVEN_UP]
    assert vars(caplog.records[0])["attempt"] == 3
    assert vars(caplog.records[0])["error_code"] == "TransportError"


@pytest.mark.parametrize(
    ("answer_", "settings"),
    [
        (refusal("ResourceNotFoundException", 404), Settings(region="us-east-1")),
        (
            refusal("Busy", 503),
            Settings(region="us-east-1", policy=RetryPolicy("standard", max_attempts=1)),
        ),
    ],
)
async def test_an_error_that_nothing_would_retry_is_not_logged(
    answer_: Answer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(ApiError):
        await make(FakeTransport(answer_), settings=settings).call(GET_NETWORK_CONNECTOR, GET)
    assert caplog.records == []


async def test_a_storm_of_failures_is_a_line_every_five_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    transport = FakeTransport(*[refusal("Busy", 503), CONNECTOR] * 1000)
    pipeline = make(transport)
    clock = clock_of(pipeline)
    started = clock.monotonic()
    for _ in range(1000):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    lines = [vars(record) for record in caplog.records]
    assert len(lines) <= (clock.monotonic() - started) / 5 + 1
    withheld = sum(line["withheld"] for line in lines)
    assert 900 < len(lines) + withheld <= 1000


@pytest.mark.parametrize(
    ("operation", "script"),
    [
        (GET_NETWORK_CONNECTOR, [TransportError("broke")] * 3),
        (GET_NETWORK_CONNECTOR, [refusal("AccessDeniedException", 403)]),
        (GET_NETWORK_CONNECTOR, [answer(200, b"{")] * 3),
    ],
)
async def test_errors_contain_no_secret(
    operation: Operation[NetworkConnector], script: Sequence[Answer]
) -> None:
    with pytest.raises(LambdaCoreError) as caught:
        await make(FakeTransport(*script)).call(operation, GET)
    assert_no_secret(caught.value)


async def test_errors_over_sockets_contain_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    scripts: list[Script] = [
        [Step.RESET],
        [http(b"{", length=9), Step.CLOSE],
        [b"SSH-2.0-x\r\n\r\n"],
    ]
    async with wire(*scripts) as peer:
        transport = AiohttpTransport()
        settings = Settings("us-east-1", endpoint_url=peer.endpoint.url)
        with pytest.raises(TransportError) as caught:
            await make(transport, settings=settings).call(GET_NETWORK_CONNECTOR, GET)
        await transport.close()
    assert caught.value.attempts == len(peer.requests) == 3
    assert_no_secret(caught.value, caplog.text)


# Servers that quote the request

Encoding = Callable[[str], str]
Place = Callable[[str], Response]

QUOTING: Final[dict[str, Encoding]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with escaped slashes": lambda text: text.replace("/", "\\/"),
    "a URL": lambda text: quote(text, safe=""),
    "HTML": lambda text: html.escape(text).replace("/", "&#x2F;"),
}


class Quoting(FakeTransport):
    """Quotes the headers of the request in its responses.

    Args:
        quotes: makes a response of the header lines.
    """

    def __init__(self, quotes: Place) -> None:
        def respond(request: Request) -> Response:
            return quotes(self.lines(request))

        super().__init__(*[respond] * 9)

    @staticmethod
    def lines(request: Request) -> str:
        return ", ".join(f"{name}: {text}" for name, text in request.headers.items())


PLACES: Final[dict[str, Place]] = {
    "the message of an error": lambda text: answer(
        403, json.dumps({"Message": text, "code": "Wat"}).encode()
    ),
    "a debug page": lambda text: answer(500, f"<html><pre>{text}</pre>".encode()),
    "text": lambda text: answer(400, text.encode()),
    "a response that is not JSON": lambda text: answer(200, f"{{{text}".encode()),
    "a response that is cut in the quotation": lambda text: answer(
        200, b"x" * 200 + text[text.index("x-amz-security-token") :].encode()
    ),
    "a response of the wrong shape": lambda text: answer(
        200, json.dumps({"Arn": [text], text: 1}).encode()
    ),
    "a name that is not a string": lambda text: answer(
        200, json.dumps({"Arn": "a", "Id": "b", "Name": {text: [text]}}).encode()
    ),
    "a reason": lambda text: answer(
        429, json.dumps({"Reason": text, "Type": text, "code": "TooManyRequestsException"}).encode()
    ),
    "the request id": lambda text: refusal("Wat", 404, x_amzn_requestid=text),
    "the request id of a throttle": lambda text: refusal("SlowDown", 400, x_amzn_requestid=text),
    "the error type": lambda text: refusal(text, 400),
    "the code in the body": lambda text: answer(400, json.dumps({"__type": text}).encode()),
    "the request id of an unreadable response": lambda text: answer(
        200, b"[]", x_amzn_requestid=text
    ),
    "UTF-16": lambda text: answer(400, json.dumps({"message": text}).encode("utf-16")),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("encode", QUOTING.values(), ids=QUOTING)
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_a_server_that_quotes_the_request_reveals_no_secret(
    place: Place, encode: Encoding, outlasts_throttling: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = "FwoGZXIvYXdzEJr//////////wEaDXVz+LWVhc3Qt/MSJHMEUCIQDx=="
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", token)
    attempts: list[Attempt] = []
    pipeline = make(
        Quoting(lambda text: place(encode(text))),
        settings=Settings("us-east-1", policy=RetryPolicy(max_attempts=2)),
        credentials=credentials,
        on_attempt=attempts.append,
    )
    count(pipeline)
    with pytest.raises((LambdaCoreError, RuntimeError)) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling)
    told: list[object] = [*attempts, *(attempt.error for attempt in attempts), caplog.text]
    if isinstance(caught.value, LambdaCoreError):
        told += (caught.value, through_pickle(caught.value))
    seen = [*map(str, told), *map(repr, told)]
    for error in told:
        for each in chain(error) if isinstance(error, LambdaCoreError) else ():
            seen += (str(each), repr(each.args), repr(vars(each)))
    for text in seen:
        plain = html.unescape(text).replace("\\", "")
        for secret in (token[:12], token[-12:], "wJalrXUt", "Signature=", quote(token, safe="")):
            assert secret not in plain
    assert attempts


async def test_no_part_of_a_token_becomes_an_error_code() -> None:
    token = "namespace-of-it#the-middle-of-the-token:the-rest-of-it"
    transport = FakeTransport(refusal(f"x{token}", 400))
    with pytest.raises(ApiError) as caught:
        await make(transport, credentials=Credentials("AKID", "the-secret-key", token)).call(
            GET_NETWORK_CONNECTOR, GET
        )
    assert "middle" not in repr(vars(caught.value)) + str(caught.value)


async def test_a_token_in_the_request_id_of_a_success_is_redacted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    attempts: list[Attempt] = []
    success = answer(200, CONNECTOR.body, x_amzn_requestid="the-session-token")
    await make(FakeTransport(success), on_attempt=attempts.append).call(GET_NETWORK_CONNECTOR, GET)
    assert [attempt.request_id for attempt in attempts] == ["[redacted]"]
    assert_no_secret(caplog.text)


async def test_redaction_keeps_the_error_code() -> None:
    quoting = Quoting(
        lambda text: answer(404, json.dumps({"Message": f"no {text}"}).encode(),
                            x_amzn_errortype="ResourceNotFoundException",
                            x_amzn_requestid="req-1")
    )  # fmt: skip
    with pytest.raises(ResourceNotFoundException) as caught:
        await make(quoting).call(GET_NETWORK_CONNECTOR, GET)
    assert caught.value.request_id == "req-1"
    assert "[redacted]" in caught.value.message


@pytest.mark.parametrize("text", ["the-session-token", "Signature=", "AWS4-HMAC-SHA256"])
async def test_errors_of_a_transport_that_quotes_the_request_contain_no_secret(text: str) -> None:
    def quoted(request: Request) -> Response:
        line = Quoting.lines(request)
        assert text in line
        raise TransportError(f"not HTTP: {line}", request_id=line) from ValueError(line)

    with pytest.raises(TransportError) as caught:
        await make(FakeTransport(*[quoted] * 3)).call(GET_NETWORK_CONNECTOR, GET)
    assert_no_secret(caught.value, through_pickle(caught.value))
    assert caught.value.attempts == 3


async def test_a_response_that_is_valid_only_after_redaction_is_still_an_error() -> None:
    class Odd(ModelOperation[NetworkConnector]):
        def parse_response(
            self, response: Response, attempts: int = 1, identifiers: tuple[str, ...] = ()
        ) -> NetworkConnector:
            if b"the-session-token" in response.body:
                raise ResponseError("odd", status_code=200, body_start=response.body)
            return super().parse_response(response, attempts, identifiers)

    operation = Odd("Odd", "GET", "/x", 200, (), frozenset(), output=NetworkConnector)
    odd = answer(200, b'{"Arn": "the-session-token", "Id": "a", "Name": "b"}')
    with pytest.raises(ResponseError, match="Odd: odd") as caught:
        await make(FakeTransport(odd)).call(operation, {})
    assert_no_secret(caught.value)


@pytest.mark.parametrize(
    "failure",
    [ValueError("odd"), KeyError("x-amz-security-token: the-session-token"), TimeoutError("t"),
     NotImplementedError(), UnicodeError(), StopAsyncIteration(), AssertionError("the-secret-key")],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_any_exception_of_the_users_session_is_a_transport_error(
    failure: Exception, outlasts_throttling: bool
) -> None:
    transport = FakeTransport(failure)
    pipeline = make(transport, settings=Settings("us-east-1", timeout=Timeout(total=60)))
    rate_limiter = count(pipeline)
    with pytest.raises(TransportError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=outlasts_throttling)
    error = caught.value
    assert str(error) == f"GetNetworkConnector: sending failed: {type(failure).__name__}"
    assert error.__cause__ is (None if "the-s" in str(failure) else failure)
    assert (error.attempts, len(transport.requests), rate_limiter.held) == (1, 1, 0)
    assert_no_secret(error)


async def test_a_closed_client_raises_runtime_error() -> None:
    transport = FakeTransport(RuntimeError("the client is closed"))
    with pytest.raises(RuntimeError, match="the client is closed"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
