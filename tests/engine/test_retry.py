"""Retry decisions, compared with the public tables and with botocore itself."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    LambdaCoreError,
    ParameterError,
    TransportError,
    TransportTimeoutError,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.identity.refresh import RefreshingCredentials
from lambdacore_async.engine.observation import Attempt
from lambdacore_async.engine.pipeline import Pipeline, Settings, Shared
from lambdacore_async.engine.retry import Outage, RetryPolicy, RetryQuota, is_retryable
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import CLOCK_SKEW_CODES, THROTTLING_CODES, TRANSIENT_CODES
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import (
    CREATE_NETWORK_CONNECTOR,
    DELETE_RUNTIME,
    GET_NETWORK_CONNECTOR,
)
from lambdacore_async.protocol.restjson import Operation
from support import botocore_judge as judge
from support.clocks import FakeClock
from support.generation import thorough
from support.leaks import CREDENTIALS
from support.transports import CONNECTOR, Answer, FakeTransport, answer, refusal
from support.vectors import Case, each_case, load_cases

TABLE: Final = "retry-standard.json"
#: Cases of the table that do not apply to this service.
NOT_OURS: Final = {
    "DynamoDB base backoff and increased retries": "the delays and attempts of DynamoDB",
    "Long-polling backoff when token bucket empty": "no operation here polls",
    "Long-polling max attempts exceeded must not delay": "no operation here polls",
    "Long-polling success must not delay": "no operation here polls",
    "Long-polling non-retriable errors must not delay": "no operation here polls",
}
THREADS: Final = "Shared multi-threaded scenarios"


def name_of(case: Case) -> str:
    name: str = case["name"]
    return name


def pipeline(
    transport: FakeTransport,
    policy: RetryPolicy,
    *,
    tokens: int = 500,
    jitter: Iterator[float] | None = None,
) -> tuple[Pipeline, list[Attempt]]:
    """Return the real pipeline, and the list in which it records its attempts."""
    attempts: list[Attempt] = []
    values = jitter or itertools.repeat(1.0)
    shared = Shared(
        transport=transport,
        credentials=RefreshingCredentials(CREDENTIALS),
        on_attempt=attempts.append,
        clock=FakeClock(),
        jitter=lambda: next(values),
    )
    shared.quota.available = tokens
    return Pipeline(shared, Settings(region="us-east-1", policy=policy)), attempts


# The public table


def as_answer(response: Mapping[str, Any]) -> Response:
    """Return a response of the table as the wire would carry it."""
    headers = {name.replace("-", "_"): text for name, text in response.get("headers", {}).items()}
    status = response["status_code"]
    if "error_code" in response:
        return refusal(response["error_code"], status, **headers)
    return CONNECTOR if status == 200 else answer(status, b"", **headers)


def test_each_case_either_runs_or_is_known_to_concern_another_service() -> None:
    cases = load_cases(TABLE, "cases")
    assert {name_of(case) for case in cases if "service" in case} == set(NOT_OURS)
    assert {name_of(case) for case in cases if "responses" not in case} == {THREADS}


@each_case(
    TABLE,
    "cases",
    name_of,
    where=lambda case: case["name"] not in NOT_OURS and case["name"] != THREADS,
)
async def test_the_public_table_holds(case: Case) -> None:
    policy = RetryPolicy(
        max_attempts=case.get("max_attempts", 3), max_backoff=case.get("max_backoff_time", 20)
    )
    steps = case["responses"]
    quotas: list[int] = []

    def watched(step: Mapping[str, Any]) -> Answer:
        def respond(_: Request) -> Response:
            quotas.append(ours.shared.quota.available)
            return as_answer(step["response"])

        return respond

    transport = FakeTransport(*map(watched, steps))
    ours, attempts = pipeline(transport, policy, tokens=case.get("initial_retry_tokens", 500))
    while len(attempts) < len(steps):
        try:
            await ours.call(GET_NETWORK_CONNECTOR, {"identifier": "x"})
        except ApiError:
            assert steps[len(attempts) - 1]["expected"]["outcome"] in (
                "max_attempts_exceeded",
                "retry_quota_exceeded",
            )
        else:
            assert steps[len(attempts) - 1]["expected"]["outcome"] == "success"
    expected = [step["expected"] for step in steps]
    assert [*quotas[1:], ours.shared.quota.available] == [row["retry_quota"] for row in expected]
    assert [attempt.delay for attempt in attempts] == [row.get("delay") for row in expected]
    clock = ours.shared.clock
    assert isinstance(clock, FakeClock)
    assert clock.sleeps == [row["delay"] for row in expected if "delay" in row]


class Gates(FakeTransport):
    """Answers a call's request when the test opens that call's gate."""

    def __init__(self, scripts: Mapping[str, Sequence[Response]]) -> None:
        super().__init__()
        self._scripts = {name: iter(script) for name, script in scripts.items()}
        self.waiting: dict[str, asyncio.Future[None]] = {}

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        name = request.target[-1]
        self.waiting[name] = asyncio.get_running_loop().create_future()
        await self.waiting[name]
        return next(self._scripts[name])


@each_case(TABLE, "cases", name_of, where=lambda case: case["name"] == THREADS)
async def test_the_public_tables_calls_share_one_quota(case: Case) -> None:
    scripts = {
        str(number): [as_answer(step["response"]) for step in steps]
        for number, steps in enumerate(case["threads"])
    }
    expected = {
        str(number): [step["expected"]["retry_quota"] for step in steps]
        for number, steps in enumerate(case["threads"])
    }
    gates = Gates(scripts)
    ours, _ = pipeline(gates, RetryPolicy(max_attempts=case["max_attempts"]))
    calls = [
        asyncio.create_task(ours.call(GET_NETWORK_CONNECTOR, {"identifier": f"prod-egress:{name}"}))
        for name in scripts
    ]
    found: dict[str, list[int]] = {name: [] for name in scripts}
    for name in "00110":  # the order that yields the table's numbers
        for _ in range(9):
            await asyncio.sleep(0)
        gates.waiting[name].set_result(None)
        for _ in range(3):
            await asyncio.sleep(0)
        found[name].append(ours.shared.quota.available)
    await asyncio.gather(*calls)
    assert found == expected
    assert ours.shared.quota.available == case["expected_final_quota"]


# botocore itself


_standard: Final[Any] = importlib.import_module("botocore.retries.standard")
_quota: Final[Any] = importlib.import_module("botocore.retries.quota")
_errors: Final[Any] = importlib.import_module("botocore.exceptions")


@frozen
class Fault:
    """A failure without a response, as botocore's error and as ours."""

    theirs: Exception
    ours: LambdaCoreError


_URL: Final = "https://lambda.us-east-1.amazonaws.com/"
FAULTS: Final = (
    Fault(_errors.EndpointConnectionError(endpoint_url=_URL), TransportError("no connection")),
    Fault(
        _errors.ConnectTimeoutError(endpoint_url=_URL),
        TransportTimeoutError("no connection within the timeout", not_executed=True),
    ),
    Fault(_errors.ReadTimeoutError(endpoint_url=_URL), TransportTimeoutError("no answer in time")),
    Fault(_errors.ConnectionClosedError(endpoint_url=_URL), TransportError("closed")),
    Fault(_errors.ProxyConnectionError(proxy_url=_URL), TransportError("no proxy")),
    Fault(_errors.SSLError(endpoint_url=_URL, error="e"), TransportError("TLS failed")),
    Fault(_errors.HTTPClientError(error="e"), TransportError("the connection broke")),
)
OPERATIONS: Final = (GET_NETWORK_CONNECTOR, CREATE_NETWORK_CONNECTOR, DELETE_RUNTIME)
ARGUMENTS: Final[dict[str, dict[str, object]]] = {
    "GetNetworkConnector": {"identifier": "x"},
    "CreateNetworkConnector": {
        "name": "x",
        "configuration": VpcEgressConfiguration(subnet_ids=["subnet-1"]),
    },
    "DeleteRuntime": {"runtime_name": "x"},
}
CODES: Final = sorted(
    THROTTLING_CODES
    | TRANSIENT_CODES
    | CLOCK_SKEW_CODES
    | GET_NETWORK_CONNECTOR.errors
    | CREATE_NETWORK_CONNECTOR.errors
    | {"AccessDeniedException", "ValidationException", "Wat", "InternalFailure"}
)
STATUSES: Final = (400, 402, 403, 404, 408, 409, 429, 500, 501, 502, 503, 504, 505, 599)
HINTS: Final = ("0", "1", "20", "1500", "5050", "10000", "007", "invalid", "-5", "1.5", "")


@st.composite
def failures(draw: st.DrawFn) -> Response:
    """Draw an error response with its code in the header, in the body, or nowhere."""
    status = draw(st.sampled_from(STATUSES))
    code = draw(st.sampled_from(CODES))
    headers = draw(st.sampled_from([{}, *({"x_amz_retry_after": hint} for hint in HINTS)]))
    match draw(st.sampled_from(("header", "body", "nowhere"))):
        case "header":
            return refusal(code, status, **headers)
        case "body":
            return answer(status, f'{{"__type": "ns#{code}"}}'.encode(), **headers)
        case _:
            return answer(status, b"", **headers)


REACTIONS: Final = st.one_of(failures(), st.sampled_from(FAULTS), st.just(CONNECTOR))
#: Consecutive calls, each with the responses to its first attempts.
CALLS: Final = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.lists(REACTIONS, min_size=1, max_size=9)),
    min_size=1,
    max_size=8,
)

#: The delays of each call, and the quota left after it.
Course = list[tuple[list[float], int]]


def botocore_course(
    calls: Sequence[tuple[Operation[Any], Sequence[Response | Fault]]],
    max_attempts: int,
    tokens: int,
    seed: int,
) -> Course:
    """Return the course of these calls under botocore's own retry handler."""
    adapter = _standard.RetryEventAdapter()
    detector = _standard.ThrottlingErrorDetector(adapter)
    quota = _quota.RetryQuota()
    quota.acquire(500 - tokens)
    checker = _standard.RetryQuotaChecker(quota, detector)
    handler = _standard.RetryHandler(
        _standard.RetryPolicy(
            _standard.StandardRetryConditions(max_attempts),
            _standard.ExponentialBackoff(
                random=random.Random(seed).random,  # noqa: S311 - the same on both sides
                service_name=judge.SERVICE,
                throttling_detector=detector,
            ),
        ),
        adapter,
        checker,
        judge.SERVICE,
    )
    course: Course = []
    for operation, reactions in calls:
        context: dict[str, Any] = {}
        delays: list[float] = []
        for number, reaction in enumerate(reactions, 1):
            response, fault = None, None
            if isinstance(reaction, Fault):
                fault = reaction.theirs
            else:
                # Like botocore's endpoint: its own parser reads the same bytes.
                http = judge._answer(reaction.status, reaction.headers, reaction.body)
                parsed = judge.parse(
                    operation.name, reaction.status, reaction.headers, reaction.body
                )
                response = (http, parsed)
            delay = handler.needs_retry(
                response=response,
                operation=judge.shapes().operation_model(operation.name),
                attempts=number,
                caught_exception=fault,
                request_dict={"context": context},
            )
            if delay is None:
                if response is not None:
                    checker.release_retry_quota(context, response[0])
                break
            delays.append(delay)
        course.append((delays, quota.available_capacity))
    return course


def our_course(
    calls: Sequence[tuple[Operation[Any], Sequence[Response | Fault]]],
    max_attempts: int,
    tokens: int,
    seed: int,
) -> Course:
    """Return the course of these calls under our pipeline."""
    numbers = random.Random(seed)  # noqa: S311 - the same on both sides
    transport = FakeTransport()
    ours, attempts = pipeline(
        transport,
        RetryPolicy(max_attempts=max_attempts),
        tokens=tokens,
        jitter=iter(numbers.random, None),
    )

    async def run() -> Course:
        course: Course = []
        for operation, reactions in calls:
            attempts.clear()
            transport.then([r.ours if isinstance(r, Fault) else r for r in reactions])
            with contextlib.suppress(LambdaCoreError):
                await ours.call(operation, ARGUMENTS[operation.name])
            delays = [attempt.delay for attempt in attempts if attempt.delay is not None]
            assert len(delays) == len(attempts) - 1
            course.append((delays, ours.shared.quota.available))
        return course

    return asyncio.run(run())


@thorough
@given(CALLS, st.integers(1, 9), st.integers(0, 500), st.integers(0, 9))
def test_attempts_delays_and_quota_are_those_of_botocore(
    calls: list[tuple[Operation[Any], list[Response | Fault]]],
    max_attempts: int,
    tokens: int,
    seed: int,
) -> None:
    # Fill up with successes, so that every attempt has a response.
    whole = [
        (operation, [*reactions, *[CONNECTOR] * (max_attempts - len(reactions))])
        for operation, reactions in calls
    ]
    ours = our_course(whole, max_attempts, tokens, seed)
    assert ours == botocore_course(whole, max_attempts, tokens, seed)


# Headers that this service documents in addition to the SDKs


def throttled(**facts: Any) -> ApiError:
    return ApiError("slow down", code="ThrottlingException", status_code=400, **facts)


@pytest.mark.parametrize(
    ("retry_after", "delay"), [(None, 1.0), (0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (3600.0, 20.0)]
)
def test_retry_after_lengthens_the_delay_up_to_the_longest_backoff(
    retry_after: float | None, delay: float
) -> None:
    assert RetryPolicy().backoff(throttled(retry_after=retry_after), 1, jitter=1.0) == delay


def test_the_sdks_own_header_wins_over_retry_after() -> None:
    error = throttled(retry_after=15.0, backoff_hint=3.0)
    assert RetryPolicy().backoff(error, 1, jitter=1.0) == 3.0


@pytest.mark.parametrize("attempt", [1, 7, 1024, 10**6])
def test_the_backoff_accepts_any_number_of_attempts(attempt: int) -> None:
    policy = RetryPolicy(max_attempts=10**7)
    assert policy.backoff(throttled(), attempt, jitter=1.0) <= 20.0
    assert policy.backoff(TransportError("broke"), attempt, jitter=0.0) == 0.0


# Facts and bounds


@pytest.mark.parametrize(
    ("error", "once", "again"),
    [
        (throttled(), True, True),
        (TransportError("broke"), False, True),
        (TransportError("no connection", not_executed=True), True, True),
        (ApiError(code="ServiceException", status_code=500), False, True),
        (ApiError(code="ValidationException", status_code=400), False, False),
        (LambdaCoreError("unknown"), False, False),
    ],
)
def test_a_request_that_may_have_been_executed_is_retried_only_if_it_is_repeatable(
    error: LambdaCoreError, once: bool, again: bool
) -> None:
    assert is_retryable(error, repeatable=False) is once
    assert is_retryable(error, repeatable=True) is again


def test_a_retry_takes_its_cost_from_the_quota_or_nothing() -> None:
    quota = RetryQuota(20)
    assert quota.acquire(TransportError("broke")) == 14
    assert quota.acquire(TransportError("broke")) is None
    assert quota.acquire(throttled()) == 5
    assert quota.acquire(throttled()) is None
    assert quota.available == 1


@given(st.lists(st.sampled_from([None, 5, 14, "throttled", "broke"]), max_size=300))
def test_a_quota_stays_between_zero_and_its_capacity(
    steps: list[int | str | None],
) -> None:
    quota = RetryQuota(30)
    for step in steps:
        if isinstance(step, str):
            quota.acquire(throttled() if step == "throttled" else TransportError(step))
        else:
            quota.release(step)
        assert 0 <= quota.available <= 30


@pytest.mark.parametrize("mode", ["legacy", "Standard", "", None, 3, [], object])
def test_an_unknown_mode_is_rejected(mode: Any) -> None:
    with pytest.raises(ParameterError, match="retry_mode: must be one of"):
        RetryPolicy(mode)


class Mode(str, Enum):  # noqa: UP042 - a member of such an enum formats as its name
    ADAPTIVE = "adaptive"


def test_a_mode_may_be_a_member_of_a_string_enum() -> None:
    mode = RetryPolicy(Mode.ADAPTIVE).mode
    assert (type(mode), mode) == (str, "adaptive")


@pytest.mark.parametrize("attempts", [0, -1, 2.0, 2.5, "3", True, None, math.inf])
def test_max_attempts_is_a_whole_number_of_at_least_1(attempts: Any) -> None:
    with pytest.raises(ParameterError, match="max_attempts: must be a whole number from 1"):
        RetryPolicy(max_attempts=attempts)


# Outages


@pytest.mark.parametrize("now", [0.0, 18.0, 19.8, 25.0])
def test_an_outage_never_lengthens_the_timeout_of_an_attempt(now: float) -> None:
    outage = Outage()
    since = outage.record(TransportError("broke"), seconds=0.0, now=0.0)
    assert outage.attempt_timeout(0.5, since, now) == 0.5
