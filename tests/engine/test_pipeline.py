"""The loop: what each attempt sends, when there is another, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import pickle
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import pytest
from attrs import evolve

from lambdacore_async import (
    ApiError,
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
from lambdacore_async.engine.pipeline import Attempt, Pipeline, Settings, Shared
from lambdacore_async.engine.rate_limit import AdaptiveRateLimiter, Outcome, RateLimiter
from lambdacore_async.engine.retry import RetryPolicy
from lambdacore_async.engine.transport.session import AiohttpTransport, Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import CLOCK_SKEW_CODES, EXPIRED_CODES
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import (
    CREATE_NETWORK_CONNECTOR,
    GET_NETWORK_CONNECTOR,
)
from lambdacore_async.protocol.restjson import Operation
from support import botocore_judge as judge
from support.clocks import NOON, FakeClock
from support.leaks import CREDENTIALS, assert_no_secret, cancel_at, other_tasks, settle
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
#: A write that has its effect twice if it is sent twice; the service has none, so far.
WRITE: Final = evolve(GET_NETWORK_CONNECTOR, name="Write", method="PUT", readonly=False)


class CountingPace(RateLimiter):
    """Lets everything pass, and counts.

    Attributes:
        held: tickets that were taken and not given back.
        outcomes: with what they were given back.
    """

    def __init__(self) -> None:
        self.held = 0
        self.outcomes: list[tuple[Outcome, float | None]] = []

    def acquire_nowait(self) -> None:
        """There is never a turn for the asking, so that calls may be cancelled as they wait."""

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
    """The pipeline, with all that could make it slow or different each time taken out."""
    numbers = itertools.count(1)
    shared = Shared(
        transport=transport,
        credentials=RefreshingCredentials(credentials or nobody),
        clock=FakeClock(),
        jitter=lambda: 1.0,
        new_token=lambda: f"token-{next(numbers)}",
        **options,
    )
    return Pipeline(shared, settings or Settings(region="us-east-1"))


async def nobody() -> Credentials:
    """A provider that has no credentials."""
    raise CredentialsError("no credentials")


def count(pipeline: Pipeline) -> CountingPace:
    """Put a pace that counts in the place of the one of us-east-1."""
    rate_limiter = CountingPace()
    pipeline.shared.rate_limiters["https://lambda.us-east-1.amazonaws.com", "standard"] = (
        rate_limiter
    )
    return rate_limiter


def clock_of(pipeline: Pipeline) -> FakeClock:
    clock = pipeline.shared.clock
    assert isinstance(clock, FakeClock)
    return clock


def date(minutes: float) -> str:
    """A `Date` header so many minutes after noon."""
    return format_datetime(NOON + timedelta(minutes=minutes), usegmt=True)


def times(requests: Sequence[Request]) -> list[str]:
    """The hour and minute at which each request was signed."""
    return [f"{request.headers['x-amz-date'][9:11]}:{request.headers['x-amz-date'][11:13]}"
            for request in requests]  # fmt: skip


def assert_rightly_signed(request: Request, time: datetime, region: str = "us-east-1") -> None:
    """botocore's signer gives the same signature, at this time."""
    ours = {"host", "x-amz-date", "x-amz-security-token"}  # it adds them by itself
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


async def test_every_attempt_is_signed_anew_by_the_clock() -> None:
    transport = FakeTransport(TransportError("broke"), refusal("SlowDown"), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    assert clock_of(pipeline).sleeps == [0.05, 2.0]
    seconds = (0, 0.05, 2.05)
    for request, elapsed in zip(transport.requests, seconds, strict=True):
        assert_rightly_signed(request, NOON + timedelta(seconds=elapsed))
    assert len({request.headers["authorization"] for request in transport.requests}) == 2


async def test_what_need_not_be_signed_is_not() -> None:
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


async def test_a_token_of_the_callers_own_is_sent() -> None:
    transport = FakeTransport(CONNECTOR)
    await make(transport).call(CREATE_NETWORK_CONNECTOR, {**CREATE, "client_token": "mine"})
    assert json.loads(transport.requests[0].body or b"")["ClientToken"] == "mine"


async def test_tokens_and_invocation_ids_are_random_uuids() -> None:
    ids: set[uuid.UUID] = set()
    for _ in range(10):  # clients, which may live in as many processes
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


def test_jitter_is_a_part_of_one() -> None:
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


async def test_the_result_tells_its_attempts_and_request_id() -> None:
    success = answer(200, CONNECTOR.body, x_amzn_RequestId="req-2")
    pipeline = make(FakeTransport(TransportError("broke"), success))
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    metadata = connector.response_metadata
    assert metadata is not None
    assert (metadata.attempts, metadata.request_id, metadata.http_status) == (2, "req-2", 200)


# Where to


async def test_the_path_of_an_endpoint_precedes_what_is_signed_and_sent() -> None:
    transport = FakeTransport(TransportError("broke"), CONNECTOR)
    settings = Settings("us-east-1", endpoint_url="https://gateway.example:8443/lambda/")
    await make(transport, settings=settings).call(GET_NETWORK_CONNECTOR, {"identifier": "a/b"})
    for request, endpoint in zip(transport.requests, transport.endpoints, strict=True):
        assert endpoint.url == "https://gateway.example:8443"
        assert request.headers["host"] == "gateway.example:8443"
        assert request.target == "/lambda/2026-04-04/network-connectors/a%2Fb"
    assert_rightly_signed(transport.requests[0], NOON)


async def test_the_transport_is_told_the_timeouts() -> None:
    transport = FakeTransport(CONNECTOR)
    timeout = Timeout(connect=1, read=2, attempt=3, total=4)
    await make(transport, settings=Settings("us-east-1", timeout=timeout)).call(
        GET_NETWORK_CONNECTOR, GET
    )
    assert transport.timeouts == [timeout]


# What is refused before anything is sent


async def test_without_credentials_nothing_is_sent_and_no_attempt_is_told() -> None:
    attempts: list[Attempt] = []
    transport = FakeTransport()
    pipeline = make(transport, credentials=None, on_attempt=attempts.append)
    rate_limiter = count(pipeline)
    with pytest.raises(CredentialsError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert (transport.requests, attempts, rate_limiter.held) == ([], [], 0)
    assert (caught.value.operation, caught.value.attempts) == ("GetNetworkConnector", 0)
    assert rate_limiter.outcomes == [(Outcome.OTHER, None)]


class Vanishing(RefreshingCredentials):
    """Gives credentials once."""

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


# Credentials that the service no longer takes


def changing(*keys: str) -> tuple[CredentialsProvider, list[str]]:
    """A provider that gives one key after another, and the keys that it gave."""
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


@pytest.mark.parametrize("code", sorted(EXPIRED_CODES))
@pytest.mark.parametrize("outlasts_throttling", [False, True])
async def test_expired_credentials_are_renewed_and_the_request_is_signed_anew_at_once(
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


async def test_credentials_that_are_new_and_refused_all_the_same_end_the_call() -> None:
    provide, given = changing("AKIDOLD", "AKIDNEW")
    transport = FakeTransport(*[refusal("ExpiredToken", 403)] * 2)
    with pytest.raises(ApiError, match="ExpiredToken"):
        await make(transport, credentials=provide).call(GET_NETWORK_CONNECTOR, GET)
    assert given == ["AKIDOLD", "AKIDNEW"]


async def test_one_refresh_serves_all_calls_that_were_refused() -> None:
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
async def test_arguments_that_cannot_be_sent_are_refused_before_all_else(
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
async def test_a_wrong_clock_is_corrected_and_the_call_made_again_at_once(code: str) -> None:
    transport = FakeTransport(refusal(code, 403, date=date(30)), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30"]
    assert_rightly_signed(transport.requests[1], NOON + timedelta(minutes=30))
    assert clock_of(pipeline).sleeps == []
    assert pipeline.shared.quota.available == 500


async def test_what_one_call_learns_of_the_clock_counts_for_all_calls_and_views() -> None:
    skewed = refusal("RequestTimeTooSkewed", 403, date=date(-45))
    transport = FakeTransport(skewed, CONNECTOR, CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    view = Pipeline(pipeline.shared, Settings("eu-west-1"))
    await view.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "11:15", "11:15", "11:15"]


async def test_calls_under_way_together_all_learn_of_the_clock() -> None:
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
async def test_a_bad_signature_at_the_right_time_is_an_error_like_any_other(
    headers: dict[str, str],
) -> None:
    transport = FakeTransport(refusal("InvalidSignatureException", 403, **headers))
    with pytest.raises(ApiError, match="InvalidSignatureException"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00"]


async def test_another_error_teaches_nothing_about_the_clock() -> None:
    denied = refusal("AccessDeniedException", 403, date=date(30))
    transport = FakeTransport(denied, CONNECTOR)
    pipeline = make(transport)
    with pytest.raises(ApiError, match="AccessDeniedException"):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:00"]


async def test_a_clock_that_jumps_at_every_attempt_ends_with_the_attempts() -> None:
    transport = FakeTransport(
        *[refusal("RequestExpired", 403, date=date(30 * number)) for number in range(1, 4)]
    )
    with pytest.raises(ApiError, match="RequestExpired"):
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert len(transport.requests) == 3


async def test_the_last_attempt_still_teaches_the_next_call_about_the_clock() -> None:
    transport = FakeTransport(refusal("RequestExpired", 403, date=date(30)), CONNECTOR)
    once = Settings("us-east-1", policy=RetryPolicy(max_attempts=1))
    pipeline = make(transport, settings=once)
    with pytest.raises(ApiError, match="RequestExpired"):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert times(transport.requests) == ["12:00", "12:30"]


# Another attempt, or none


async def test_the_error_that_ends_a_call_states_operation_and_attempts() -> None:
    transport = FakeTransport(*[TransportError("broke")] * 3)
    with pytest.raises(TransportError) as caught:
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert str(caught.value) == "GetNetworkConnector: broke (3 attempts)"
    assert pickle.loads(pickle.dumps(caught.value)).attempts == 3  # noqa: S301 - our own


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
async def test_a_write_that_cannot_be_repeated_is_sent_again_only_if_it_had_no_effect(
    first: Answer, requests: int
) -> None:
    transport = FakeTransport(first, CONNECTOR)
    with contextlib.suppress(LambdaCoreError):
        await make(transport).call(WRITE, GET)
    assert len(transport.requests) == requests


async def test_an_answer_that_is_no_json_is_asked_for_again() -> None:
    transport = FakeTransport(answer(200, b"<html>"), answer(200, b""), CONNECTOR)
    assert (await make(transport).call(GET_NETWORK_CONNECTOR, GET)).response_metadata is not None
    assert len(transport.requests) == 3


async def test_an_answer_of_the_wrong_shape_is_not_asked_for_again() -> None:
    transport = FakeTransport(answer(200, b"{}"))
    with pytest.raises(ResponseError) as caught:
        await make(transport).call(GET_NETWORK_CONNECTOR, GET)
    assert (caught.value.operation, caught.value.attempts) == ("GetNetworkConnector", 1)


async def test_a_delay_of_nothing_is_not_slept() -> None:
    pipeline = make(FakeTransport(TransportError("broke"), CONNECTOR))
    object.__setattr__(pipeline.shared, "jitter", lambda: 0.0)
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert clock_of(pipeline).sleeps == []


async def test_a_patient_call_pays_nothing_for_throttling() -> None:
    transport = FakeTransport(*[refusal("TooManyRequestsException", 429)] * 20, CONNECTOR)
    pipeline = make(transport)
    count(pipeline)
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert connector.response_metadata is not None
    assert connector.response_metadata.attempts == 21
    assert pipeline.shared.quota.available == 500
    assert clock_of(pipeline).sleeps == []


async def test_a_patient_call_goes_on_through_passing_failures_and_pays_nothing() -> None:
    throttled, broke = refusal("TooManyRequestsException", 429), TransportError("broke")
    pipeline = make(FakeTransport(throttled, broke, broke, throttled, broke, broke, CONNECTOR))
    count(pipeline)
    connector = await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert connector.response_metadata is not None
    assert clock_of(pipeline).sleeps == [0.05, 0.1, 0.2, 0.4]
    assert pipeline.shared.quota.available == 500


async def test_a_patient_call_gives_up_after_twenty_seconds_of_failures() -> None:
    pipeline = make(FakeTransport(*[TransportError("broke")] * 20))
    with pytest.raises(TransportError) as caught:
        await pipeline.call(GET_NETWORK_CONNECTOR, GET, outlasts_throttling=True)
    assert sum(clock_of(pipeline).sleeps) == pytest.approx(0.05 * (2**9 - 1))
    assert caught.value.attempts == 10


async def test_patient_calls_wait_for_an_outage_once_and_not_each_anew() -> None:
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


async def test_a_patient_call_of_one_attempt_is_made_once() -> None:
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


async def test_a_timeout_of_an_attempt_is_not_taken_for_that_of_the_call() -> None:
    slow = TransportTimeoutError("the answer stopped coming")
    settings = Settings("us-east-1", timeout=Timeout(total=60))
    with pytest.raises(TransportTimeoutError) as caught:
        await make(FakeTransport(*[slow] * 3), settings=settings).call(GET_NETWORK_CONNECTOR, GET)
    assert caught.value is slow


@pytest.mark.usefixtures("leaps")
@pytest.mark.parametrize("total", [None, 60])
async def test_the_callers_own_timeout_stays_the_callers(total: float | None) -> None:
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
async def test_a_cancellation_passes_as_it_is(total: float | None) -> None:
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
async def test_cancelling_wherever_a_call_waits_leaves_nothing_behind(total: float | None) -> None:
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
    assert waits == 3 * 2 + 2, "a turn and a send for each attempt, and two delays"


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
async def test_cancelling_wherever_a_call_waits_leaves_its_turn_to_the_next(mode: str) -> None:
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


async def test_cancelling_wherever_a_call_over_sockets_waits_leaves_nothing_behind() -> None:
    waits, was_cancelled = 0, True
    while was_cancelled:
        async with wire([Step.CLOSE], [http(CONNECTOR.body)], [http(CONNECTOR.body)]) as peer:
            settings = Settings("us-east-1", endpoint_url=peer.endpoint.url)
            transport = AiohttpTransport(max_connections=1)
            pipeline = make(transport, settings=settings, max_in_flight=1)
            was_cancelled = await cancel_at(waits, pipeline.call(GET_NETWORK_CONNECTOR, GET))
            # The one connection, and the one turn, are there for the next.
            assert (await pipeline.call(GET_NETWORK_CONNECTOR, GET)).name == "prod-egress"
            await transport.close()
            await peer.hung_up()
        await settle()
        assert other_tasks() == set()
        waits += was_cancelled
    assert waits >= 5, "two connections, two answers, and a delay"


# The pace


@pytest.mark.parametrize(
    ("reaction", "outcome", "hint"),
    [
        (CONNECTOR, Outcome.SUCCESS, None),
        (refusal("ResourceNotFoundException", 404), Outcome.SUCCESS, None),
        (refusal("TooManyRequestsException", 429), Outcome.THROTTLED, None),
        (refusal("TooManyRequestsException", 429, retry_after="7"), Outcome.THROTTLED, 7.0),
        (refusal("Busy", 503), Outcome.OTHER, None),
        (TransportError("broke"), Outcome.OTHER, None),
        (answer(200, b"<html>"), Outcome.OTHER, None),
        (ZeroDivisionError(), Outcome.OTHER, None),
    ],
)
async def test_the_pace_is_told_what_came_of_each_attempt(
    reaction: Answer, outcome: Outcome, hint: float | None
) -> None:
    once = Settings("us-east-1", policy=RetryPolicy(max_attempts=1))
    pipeline = make(FakeTransport(reaction), settings=once)
    rate_limiter = count(pipeline)
    with contextlib.suppress(LambdaCoreError, ZeroDivisionError):
        await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    assert (rate_limiter.outcomes, rate_limiter.held) == ([(outcome, hint)], 0)


async def test_a_delay_holds_up_nobody_else() -> None:
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
async def test_no_more_requests_are_under_way_than_allowed(mode: str) -> None:
    most = 0

    def look(_: Request) -> Response:
        nonlocal most
        most = max(most, transport.under_way)
        return CONNECTOR

    transport = FakeTransport(*[look] * 10)
    settings = Settings("us-east-1", policy=RetryPolicy(mode))
    pipeline = make(transport, settings=settings, max_in_flight=3)
    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(pipeline.call(GET_NETWORK_CONNECTOR, GET))
    assert most == 3


async def test_views_of_one_region_and_mode_share_pace_quota_and_connections() -> None:
    transport = FakeTransport(TransportError("broke"), refusal("SlowDown"), CONNECTOR, CONNECTOR)
    pipeline = make(transport)
    shared = pipeline.shared
    view = Pipeline(shared, Settings("us-east-1", timeout=Timeout(total=60)))
    await pipeline.call(GET_NETWORK_CONNECTOR, GET)
    await view.call(GET_NETWORK_CONNECTOR, GET)
    assert list(shared.rate_limiters) == [("https://lambda.us-east-1.amazonaws.com", "standard")]
    assert type(next(iter(shared.rate_limiters.values()))) is RateLimiter
    assert shared.quota.available == 500 - 14 - 5 + 5 + 1


async def test_another_region_or_mode_has_a_pace_of_its_own() -> None:
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


# What is told of attempts


async def test_every_attempt_is_told_in_order() -> None:
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
    first, second, third = (evolve(told, seconds=round(told.seconds, 9)) for told in attempts)
    assert first == Attempt("GetNetworkConnector", 1, None, None, 0.0, broke, 0.05)
    assert isinstance(second.error, ApiError)
    assert second == Attempt("GetNetworkConnector", 2, 400, "req-2", 0.25, second.error, 2.0)
    assert third == Attempt("GetNetworkConnector", 3, 200, "req-3", 0.5, None, None)


async def test_the_last_failure_is_told_without_a_delay() -> None:
    attempts: list[Attempt] = []
    transport = FakeTransport(refusal("ResourceNotFoundException", 404))
    with pytest.raises(ResourceNotFoundException) as caught:
        await make(transport, on_attempt=attempts.append).call(GET_NETWORK_CONNECTOR, GET)
    assert attempts == [
        Attempt("GetNetworkConnector", 1, 404, None, 0.0, caught.value, None),
    ]


async def test_an_attempt_without_an_answer_has_nothing_of_the_one_before() -> None:
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


async def test_a_listener_that_raises_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
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


async def test_the_debug_log_has_a_line_an_attempt_and_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = FakeTransport(TransportError("broke"), CONNECTOR)
    pipeline = make(transport)
    await pipeline.call(CREATE_NETWORK_CONNECTOR, CREATE)
    records = [record for record in caplog.records if record.name == "lambdacore_async"]
    assert len(records) == 2
    for number, record in enumerate(records, 1):
        assert record.levelno == logging.DEBUG
        assert f"operation='CreateNetworkConnector', number={number}" in record.getMessage()
    assert_no_secret(caplog.text, pipeline.shared, pipeline.settings, *transport.requests)


async def test_without_debug_there_is_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await make(FakeTransport(TransportError("broke"), CONNECTOR)).call(GET_NETWORK_CONNECTOR, GET)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("operation", "script"),
    [
        (GET_NETWORK_CONNECTOR, [TransportError("broke")] * 3),
        (GET_NETWORK_CONNECTOR, [refusal("AccessDeniedException", 403)]),
        (GET_NETWORK_CONNECTOR, [answer(200, b"{")] * 3),
    ],
)
async def test_no_error_of_a_call_tells_a_secret(
    operation: Operation[NetworkConnector], script: Sequence[Answer]
) -> None:
    with pytest.raises(LambdaCoreError) as caught:
        await make(FakeTransport(*script)).call(operation, GET)
    assert_no_secret(caught.value)


async def test_over_sockets_no_failure_tells_a_secret(caplog: pytest.LogCaptureFixture) -> None:
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
