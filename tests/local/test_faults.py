"""The order of planned faults, and what each fault sends over the wire."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import logging
import math
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.client import responses
from typing import Any, Literal, Self

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import (
    InvalidParameterValueException,
    ParameterError,
    TooManyRequestsException,
)
from lambdacore_async.local import Faults, LocalLambdaCore, State
from lambdacore_async.local.faults import (
    ClosedAfter,
    EndlessChunks,
    ErrorResponse,
    Fault,
    GarbageGzip,
    InvalidJson,
    Latency,
    Oversized,
    Pause,
    Reset,
    ServiceError,
    SkewedClock,
    Step,
    Throttle,
    Trickle,
    Truncated,
    WrongContentType,
)
from lambdacore_async.local.server import Server
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.sigv4 import Credentials, sign
from local.clock import Clock, Sleeper
from support.aws_sdk import Sdk, SdkError
from support.leaps import leaping

_config: Any = importlib.import_module("botocore.config")
_session: Any = importlib.import_module("boto3.session")

CREDENTIALS = Credentials("AKIDLOCAL", "secret")
ROLE = "arn:aws:iam::123456789012:role/operator"
CONFIGURATION = {
    "VpcEgressConfiguration": {
        "SubnetIds": ["subnet-1"],
        "SecurityGroupIds": ["sg-1"],
        "NetworkProtocol": "IPv4",
        "AssociatedComputeResourceTypes": ["MicroVm"],
    }
}
GET = Request("GET", "/2026-04-04/network-connectors/prod")
LIST = Request("GET", "/2026-04-04/network-connectors")
CREATE = Request(
    "POST",
    "/2026-04-04/network-connectors",
    {"content-type": "application/json"},
    json.dumps(
        {
            "Name": "new",
            "Configuration": CONFIGURATION,
            "OperatorRole": ROLE,
            "ClientToken": "token",
        }
    ).encode(),
)
#: Every fault class, with its variants.
ALL: tuple[Fault, ...] = (
    Throttle(),
    *(ServiceError(s, b) for s in (500, 502, 503, 504) for b in ("json", "html", "empty")),
    ServiceError(500, executed=True),
    ErrorResponse("ExpiredTokenException", 403),
    ErrorResponse("Busy", 409, executed=True),
    Latency(3),
    Reset("before_work"),
    Reset("before_answer"),
    Reset("during_answer"),
    Reset("after_answer"),
    Truncated(),
    Truncated(0, "head"),
    EndlessChunks(),
    Trickle(),
    GarbageGzip(),
    GarbageGzip(executed=False),
    Oversized(10_000),
    InvalidJson(),
    InvalidJson(executed=False),
    WrongContentType(),
    WrongContentType(executed=True),
    ClosedAfter(),
    SkewedClock(10),
)

Ending = Literal["kept", "closed", "reset"]


# The rate limit


def _accepted(faults: Faults, clock: Clock) -> bool:
    try:
        faults.check_rate(clock())
    except TooManyRequestsException:
        return False
    return True


def test_a_burst_is_accepted_before_the_limit_applies(clock: Clock) -> None:
    faults = Faults().limit_rate(15, burst=20)
    assert [_accepted(faults, clock) for _ in range(22)] == [True] * 20 + [False] * 2
    assert faults.happened == {Throttle(): 2}


@given(
    rate=st.floats(0.1, 1000),
    burst=st.floats(1, 1000),
    pauses=st.lists(st.floats(0, 10), max_size=50),
)
def test_no_period_has_more_requests_than_rate_and_burst_allow(
    rate: float, burst: float, pauses: list[float]
) -> None:
    clock, accepted = Clock(), 0
    start = clock()
    faults = Faults().limit_rate(rate, burst=burst)
    for pause in pauses:
        clock.advance(pause)
        accepted += sum(_accepted(faults, clock) for _ in range(40))
        # A microsecond is the resolution of the clock.
        seconds = (clock() - start).total_seconds() + 1e-6 * len(pauses)
        assert accepted <= burst + rate * seconds + 1e-6


def test_tokens_come_back_at_the_rate(clock: Clock) -> None:
    faults = Faults().limit_rate(10, burst=1)
    accepted = 0
    for _ in range(100):
        clock.advance(0.1)
        accepted += _accepted(faults, clock)
    assert accepted == 100


def test_a_clock_that_is_set_back_adds_no_tokens(clock: Clock) -> None:
    faults = Faults().limit_rate(1, burst=1)
    assert _accepted(faults, clock)
    clock.advance(-3600)
    assert not _accepted(faults, clock)
    clock.advance(1)
    assert _accepted(faults, clock)


@pytest.mark.parametrize(("rate", "burst"), [(3, 3), (0.5, 1)])
def test_the_burst_defaults_to_one_second_of_the_rate(
    rate: float, burst: int, clock: Clock
) -> None:
    faults = Faults().limit_rate(rate)
    assert [_accepted(faults, clock) for _ in range(burst + 1)] == [True] * burst + [False]


@pytest.mark.parametrize("how", ["limit_rate", "clear"])
def test_the_limit_can_be_lifted(how: str, clock: Clock) -> None:
    faults = Faults().limit_rate(1)
    assert [_accepted(faults, clock) for _ in range(2)] == [True, False]
    faults.limit_rate(None) if how == "limit_rate" else faults.clear()
    assert all(_accepted(faults, clock) for _ in range(100))


@pytest.mark.parametrize(
    ("rate", "burst", "parameter"),
    [
        (0, None, "rate"),
        (-1, None, "rate"),
        (math.nan, None, "rate"),
        (math.inf, None, "rate"),
        (1, 0, "burst"),
        (1, 0.5, "burst"),
        (1, math.nan, "burst"),
        (None, 5, "burst"),
    ],
)
def test_limits_out_of_bounds_are_refused(
    rate: float | None, burst: float | None, parameter: str
) -> None:
    with pytest.raises(ParameterError) as raised:
        Faults().limit_rate(rate, burst=burst)
    assert raised.value.parameter == parameter


@frozen
class Reply:
    """The received bytes, and the state of the connection after them."""

    raw: bytes
    ending: Ending

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {key.lower(): value for key, value in (line.split(": ", 1) for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A raw client connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._host = server.endpoint_url.removeprefix("http://")

    async def __aenter__(self) -> Self:
        host, port = self._host.split(":")
        self._reader, self._writer = await asyncio.open_connection(host, port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def send(self, request: Request, *, ahead: float = 0) -> None:
        """Sign and send a request, by a clock that is this many seconds ahead."""
        request = sign(
            request,
            host=self._host,
            credentials=CREDENTIALS,
            region="us-east-1",
            time=self._server._clock() + timedelta(seconds=ahead),
        )
        head = [f"{request.method} {request.target} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in request.headers.items()]
        body = request.body or b""
        head.append(f"content-length: {len(body)}")
        self._writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    async def receive(self) -> Reply:
        """Read until the end of the response or of the connection."""
        raw = bytearray()
        with leaping(asyncio.get_running_loop()):
            try:
                async with asyncio.timeout(60):
                    while part := await self._reader.read(2**16):
                        raw += part
            except TimeoutError:
                assert len(raw) >= (_size(raw) or math.inf)
                return Reply(bytes(raw), "kept")
            except ConnectionError:
                return Reply(bytes(raw), "reset")
            return Reply(bytes(raw), "closed")

    async def ask(self, request: Request, *, ahead: float = 0) -> Reply:
        self.send(request, ahead=ahead)
        return await self.receive()


def _size(raw: bytearray) -> int | None:
    """Return the size of head and body, if the head has it."""
    head, end, _ = bytes(raw[:4096]).lower().partition(b"\r\n\r\n")
    length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return len(head) + 4 + int(length) if end and length else None


async def ask(server: Server, request: Request, *, ahead: float = 0) -> Reply:
    async with Connection(server) as connection:
        return await connection.ask(request, ahead=ahead)


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
async def server(state: State, clock: Clock, sleeper: Sleeper) -> AsyncIterator[Server]:
    """A service with one connector, `prod`."""
    state.put_network_connector("prod")
    faults = Faults(sleep=sleeper)
    async with Server(state, credentials=[CREDENTIALS], clock=clock, faults=faults) as server:
        yield server


@pytest.fixture
async def usual(server: Server) -> Reply:
    """The response without a fault."""
    return await ask(server, GET)


def exists(state: State, name: str) -> bool:
    return name in [item.name for item in state.list_network_connectors().items]


# Effects on the response


async def test_without_a_fault_the_response_is_complete_and_the_connection_kept(
    usual: Reply,
) -> None:
    assert (usual.status, usual.ending, usual.content["Name"]) == (200, "kept", "prod")


async def test_a_throttle_is_429_with_its_reason_and_delay(server: Server) -> None:
    server.faults.script(Throttle(), Throttle(retry_after=1.5, reason=None))
    bare, delayed = await ask(server, GET), await ask(server, GET)
    assert (bare.status, bare.ending) == (429, "kept")
    assert bare.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert "retry-after" not in bare.headers
    assert bare.content["Reason"] == "CallerRateLimitExceeded"
    assert delayed.headers["retry-after"] == "1.5"
    assert "Reason" not in delayed.content


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_service_error_comes_from_the_service_or_a_load_balancer(
    server: Server, status: int
) -> None:
    server.faults.script(
        ServiceError(status), ServiceError(status, "html"), ServiceError(status, "empty")
    )
    own, page, empty = [await ask(server, GET) for _ in range(3)]
    assert {own.status, page.status, empty.status} == {status}
    assert own.headers["x-amzn-errortype"] == "ServiceException"
    assert own.content == {"Message": responses[status]}
    assert page.headers["content-type"] == "text/html"
    assert page.body.startswith(b"<html>")
    assert str(status).encode() in page.body
    assert "x-amzn-errortype" not in page.headers
    assert empty.body == b""
    assert "x-amzn-errortype" not in empty.headers


async def test_any_error_response_can_be_injected(server: Server) -> None:
    server.faults.script(ErrorResponse("ExpiredTokenException", 403, "The token is expired"))
    response = await ask(server, GET)
    assert response.status == 403
    assert response.headers["x-amzn-errortype"] == "ExpiredTokenException"
    assert response.content == {"message": "The token is expired"}


async def test_latency_delays_the_usual_response(
    server: Server, usual: Reply, sleeper: Sleeper
) -> None:
    server.faults.script(Latency(12.5))
    response = await ask(server, GET)
    assert (response.status, response.body, response.ending) == (200, usual.body, "kept")
    assert sleeper.sleeps == [12.5]


@pytest.mark.parametrize("when", ["before_work", "before_answer"])
async def test_a_reset_before_the_response_sends_nothing(
    server: Server, when: Literal["before_work", "before_answer"]
) -> None:
    server.faults.script(Reset(when))
    assert await ask(server, GET) == Reply(b"", "reset")


async def test_a_reset_during_the_response_sends_its_head_and_half_its_body(
    server: Server, usual: Reply
) -> None:
    server.faults.script(Reset("during_answer"))
    response = await ask(server, GET)
    assert (response.status, response.ending) == (200, "reset")
    assert response.body == usual.body[: len(usual.body) // 2]
    assert int(response.headers["content-length"]) == len(usual.body)


async def test_a_reset_after_the_response_sends_all_of_it(server: Server, usual: Reply) -> None:
    server.faults.script(Reset("after_answer"))
    response = await ask(server, GET)
    assert (response.body, response.ending) == (usual.body, "reset")


@pytest.mark.parametrize("share", [0, 0.25, 0.999999])
async def test_a_truncated_body_ends_before_its_length(
    server: Server, usual: Reply, share: float
) -> None:
    server.faults.script(Truncated(share))
    response = await ask(server, GET)
    assert response.ending == "closed"
    assert response.body == usual.body[: int(share * len(usual.body))]
    assert int(response.headers["content-length"]) == len(usual.body) > len(response.body)


@pytest.mark.parametrize("share", [0, 0.5])
async def test_a_truncated_head_is_incomplete(server: Server, share: float) -> None:
    server.faults.script(Truncated(share, "head"))
    response = await ask(server, GET)
    assert response.ending == "closed"
    assert b"\r\n\r\n" not in response.raw
    assert bool(response.raw) == bool(share)


def test_a_response_without_a_body_is_truncated_too() -> None:
    (raw,) = Truncated().steps(Response(204, {}, b""))
    assert raw == b"HTTP/1.1 204 No Content\r\ncontent-length: 1\r\n\r\n"


async def test_endless_chunks_lack_only_the_final_chunk(server: Server, usual: Reply) -> None:
    server.faults.script(EndlessChunks())
    response = await ask(server, GET)
    assert response.ending == "closed"
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    body, rest = b"", response.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        assert int(size, 16) > 0
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    assert body == usual.body


def test_endless_chunks_of_an_empty_body_lack_the_final_chunk() -> None:
    assert list(EndlessChunks().steps(Response(200, {}, b"")))[1:] == []


async def test_a_trickle_is_complete_and_announces_that_it_closes(
    server: Server, usual: Reply, sleeper: Sleeper
) -> None:
    server.faults.script(Trickle(seconds=2, size=100))
    response = await ask(server, GET)
    assert (response.body, response.ending) == (usual.body, "closed")
    assert response.headers["connection"] == "close"
    assert sleeper.sleeps == [2.0] * ((len(response.raw) - 1) // 100)


def test_a_trickle_pauses_between_its_parts() -> None:
    steps = list(Trickle(seconds=2, size=7).steps(Response(200, {}, b"{}")))
    assert steps[1::2] == [Pause(2)] * (len(steps) // 2)
    parts = [step for step in steps[::2] if isinstance(step, bytes)]
    assert {len(part) for part in parts[:-1]} == {7}
    assert b"".join(parts).endswith(b"\r\n\r\n{}")


async def test_garbage_gzip_claims_to_be_gzip(server: Server) -> None:
    server.faults.script(GarbageGzip())
    response = await ask(server, GET)
    assert (response.status, response.headers["content-encoding"]) == (200, "gzip")
    with pytest.raises(zlib.error):
        zlib.decompress(response.body, wbits=31)


async def test_an_oversized_response_has_the_usual_content(server: Server, usual: Reply) -> None:
    server.faults.script(Oversized(3_000_000), Oversized(0))
    response = await ask(server, GET)
    assert len(response.body) == int(response.headers["content-length"]) == 3_000_000
    assert response.content == usual.content
    assert (await ask(server, GET)).body == usual.body


async def test_invalid_json_claims_to_be_json(server: Server) -> None:
    server.faults.script(InvalidJson(), InvalidJson(b"null"))
    response = await ask(server, GET)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        _ = response.content
    assert (await ask(server, GET)).body == b"null"


async def test_a_wrong_content_type_is_an_html_page_with_status_200(server: Server) -> None:
    server.faults.script(WrongContentType())
    response = await ask(server, GET)
    assert (response.status, response.headers["content-type"]) == (200, "text/html")
    assert response.body.startswith(b"<html>")


async def test_a_connection_closed_after_its_response_is_reset_at_the_next_request(
    server: Server, usual: Reply, state: State
) -> None:
    server.faults.script(ClosedAfter())
    async with Connection(server) as connection:
        first = await connection.ask(GET)
        assert (first.body, first.ending) == (usual.body, "kept")
        calls = server.calls.total()
        assert await connection.ask(CREATE) == Reply(b"", "reset")
        assert server.calls.total() == calls
    assert not exists(state, "new")
    assert (await ask(server, CREATE)).status == 202


async def test_a_skewed_clock_rejects_a_request_signed_at_the_true_time(
    server: Server, clock: Clock
) -> None:
    server.faults.at_random({SkewedClock(3600): 1})
    refused, accepted = await ask(server, GET), await ask(server, GET, ahead=3600)
    assert refused.status == 403
    assert refused.headers["x-amzn-errortype"] == "InvalidSignatureException"
    date = parsedate_to_datetime(refused.headers["date"])
    assert date == clock() + timedelta(hours=1)
    assert accepted.status == 200
    assert parsedate_to_datetime(accepted.headers["date"]) == date


# Effects on the request


@pytest.mark.parametrize("fault", ALL, ids=repr)
async def test_a_request_takes_effect_only_if_the_fault_is_executed(
    server: Server, state: State, fault: Fault
) -> None:
    server.faults.script(fault)
    await ask(server, CREATE)
    assert exists(state, "new") == fault.executed
    assert server.calls == {"CreateNetworkConnector": 1}
    assert server.faults.happened == {fault: 1}


@pytest.mark.parametrize("fault", ALL, ids=repr)
async def test_a_fault_affects_no_later_request_and_leaves_nothing(
    state: State, clock: Clock, sleeper: Sleeper, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "aiohttp")
    before = asyncio.all_tasks()
    state.put_network_connector("prod")
    faults = Faults(sleep=sleeper).script(fault)
    async with Server(state, credentials=[CREDENTIALS], clock=clock, faults=faults) as server:
        await ask(server, GET)
        assert (await ask(server, GET)).status == 200
        assert not server._faulty
    assert asyncio.all_tasks() == before
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


class Hold:
    """A sleep that lasts until it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: float) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


@pytest.mark.usefixtures("leaps")
async def test_a_disconnected_client_ends_the_pause(server: Server) -> None:
    server.faults.sleep = hold = Hold()
    server.faults.script(Latency(1))
    async with Connection(server) as connection:
        connection.send(GET)
        await hold.begun.wait()
    await asyncio.wait_for(hold.ended.wait(), timeout=10)


@pytest.mark.usefixtures("leaps")
async def test_a_stopping_server_does_not_wait_for_faults(server: Server) -> None:
    server.faults.sleep = hold = Hold()
    server.faults.script(Latency(1))
    before = asyncio.all_tasks()
    async with Connection(server) as connection:
        connection.send(GET)
        await hold.begun.wait()
        await asyncio.wait_for(server.stop(), timeout=10)
        assert await connection.receive() == Reply(b"", "closed")
    assert hold.ended.is_set()
    assert asyncio.all_tasks() <= before


@pytest.mark.usefixtures("leaps")
async def test_a_reset_waits_until_all_data_is_sent(server: Server) -> None:
    @frozen
    class LargeThenReset:
        executed: bool = True

        def steps(self, _: Response, /) -> Iterator[Step]:
            yield from Reset("after_answer").steps(Response(200, {}, b" " * 20_000_000))

    server.faults.script(LargeThenReset())
    async with Connection(server) as connection:
        connection.send(GET)
        await asyncio.sleep(1)  # the system's buffers fill up
        response = await connection.receive()
    assert len(response.body) > 10_000_000
    assert response.ending == "reset"


# The order of faults


def draws(faults: Faults, requests: list[Request]) -> list[Fault | None]:
    return [faults.take("GetNetworkConnector", request) for request in requests]


def test_a_script_applies_in_order_and_then_ends() -> None:
    faults = Faults().script(Throttle(), None).script(Latency(1))
    assert draws(faults, [GET] * 5) == [Throttle(), None, Latency(1), None, None]
    assert faults.happened == {Throttle(): 1, Latency(1): 1}


def test_a_script_for_one_operation_comes_before_one_for_any() -> None:
    faults = Faults().script(Reset()).script(Throttle(), None, operation="GetNetworkConnector")
    assert faults.take("ListNetworkConnectors", LIST) == Reset()
    faults.script(ServiceError())
    assert draws(faults, [GET] * 4) == [Throttle(), None, ServiceError(), None]


def test_a_script_comes_before_random_faults() -> None:
    faults = Faults().at_random({Throttle(): 1}).script(None, Reset())
    assert draws(faults, [GET] * 3) == [None, Reset(), Throttle()]


def test_random_faults_for_one_operation_come_before_those_for_any() -> None:
    faults = Faults().at_random({Throttle(): 1})
    faults.at_random({Reset(): 1}, operation="GetNetworkConnector")
    assert draws(faults, [GET]) == [Reset()]
    assert faults.take("ListNetworkConnectors", LIST) == Throttle()
    faults.at_random({}, operation="GetNetworkConnector")
    assert draws(faults, [GET]) == [None]


def test_random_faults_keep_their_probabilities() -> None:
    faults = Faults().at_random({Throttle(): 0.2, Reset(): 0.1}, seed=3)
    drawn = Counter(draws(faults, [GET] * 10_000))
    assert abs(drawn[Throttle()] - 2000) < 200
    assert abs(drawn[Reset()] - 1000) < 150
    assert abs(drawn[None] - 7000) < 250


def test_probabilities_that_add_up_to_1_always_draw_a_fault() -> None:
    probabilities: dict[Fault, float] = {Latency(seconds): 0.1 for seconds in range(10)}
    assert None not in draws(Faults().at_random(probabilities), [GET] * 1000)


PROBABILITIES: dict[Fault, float] = {Throttle(): 0.2, Reset(): 0.2, Truncated(): 0.1}
TARGETS = [Request("GET", f"/2026-04-04/network-connectors/nc-{n}") for n in range(20)]


@given(st.integers(), st.permutations(TARGETS * 3))
def test_a_request_draws_the_same_faults_in_any_order_of_requests(
    seed: int, order: list[Request]
) -> None:
    def drawn(requests: list[Request]) -> dict[str, list[Fault | None]]:
        faults = Faults().at_random(PROBABILITIES, seed=seed)
        found: dict[str, list[Fault | None]] = {}
        for request in requests:
            fault = faults.take("GetNetworkConnector", request)
            found.setdefault(request.target, []).append(fault)
        return found

    assert drawn(order) == drawn(TARGETS * 3)


def test_another_seed_draws_other_faults() -> None:
    runs = {
        tuple(draws(Faults().at_random(PROBABILITIES, seed=seed), TARGETS)) for seed in range(20)
    }
    assert len(runs) == 20


def test_random_faults_do_not_change_between_versions() -> None:
    drawn = draws(Faults().at_random({Throttle(): 0.5}, seed=7), TARGETS)
    assert "".join("x" if fault else "." for fault in drawn) == "xxx.x..x..xxx.x..xxx"


def test_clear_removes_all_faults(clock: Clock) -> None:
    faults = Faults().script(Throttle()).at_random({Reset(): 1}).delay_roles(10)
    faults.limit_rate(1, burst=1).check_rate(clock())
    assert draws(faults, [GET]) == [Throttle()]
    faults.clear()
    assert draws(faults.script(), [GET]) == [None]
    faults.check_role("CreateNetworkConnector", {"operator_role": ROLE}, clock())
    faults.check_rate(clock())
    assert faults.happened == {Throttle(): 1}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Throttle(-1),
        lambda: Throttle(float("nan")),
        lambda: ServiceError(501),
        lambda: ServiceError(500, "xml"),  # type: ignore[arg-type]
        lambda: ErrorResponse(""),
        lambda: ErrorResponse("Two\r\nlines"),
        lambda: ErrorResponse("Fine", 200),
        lambda: Latency(-1),
        lambda: Latency(float("inf")),
        lambda: Reset("sometimes"),  # type: ignore[arg-type]
        lambda: Truncated(1),
        lambda: Truncated(0.5, "tail"),  # type: ignore[arg-type]
        lambda: Trickle(-1),
        lambda: Trickle(1, 0),
        lambda: Oversized(2**28 + 1),
        lambda: SkewedClock(1e7),
        lambda: Faults().script(operation="GetConnector"),
        lambda: Faults().at_random({}, operation="GetConnector"),
        lambda: Faults().at_random({Throttle(): -0.1}),
        lambda: Faults().at_random({Throttle(): 0.6, Reset(): 0.6}),
        lambda: Faults().at_random({Throttle(): float("nan")}),
        lambda: Faults().delay_roles(-1),
    ],
)
def test_bounds_are_checked(make: Any) -> None:
    with pytest.raises(ParameterError):
        make()


# New roles


def test_a_new_role_is_rejected_until_it_is_propagated(clock: Clock) -> None:
    faults = Faults().delay_roles(10)
    arguments = {"operator_role": ROLE}
    for seconds in (0, 9.9):
        clock.advance(seconds)
        with pytest.raises(
            InvalidParameterValueException,
            match=r"unable to assume the provided NetworkConnectorOperatorRole",
        ):
            faults.check_role("CreateNetworkConnector", arguments, clock())
    clock.advance(0.1)
    faults.check_role("CreateNetworkConnector", arguments, clock())
    with pytest.raises(InvalidParameterValueException):
        other = {"operator_role": ROLE + "-2"}
        faults.check_role("CreateNetworkConnector", other, clock())


def test_only_operations_with_a_role_are_delayed(clock: Clock) -> None:
    faults = Faults().delay_roles(10)
    with pytest.raises(InvalidParameterValueException):
        faults.check_role("UpdateNetworkConnector", {"operator_role": ROLE}, clock())
    faults.check_role("UpdateNetworkConnector", {"operator_role": None}, clock())
    faults.check_role("CreateNetworkConnector", {}, clock())


async def test_the_service_rejects_a_new_role_by_its_own_clock(
    server: Server, state: State, clock: Clock
) -> None:
    server.faults.delay_roles(10)
    refused = await ask(server, CREATE)
    assert (refused.status, refused.headers["x-amzn-errortype"]) == (
        400,
        "InvalidParameterValueException",
    )
    assert not exists(state, "new")
    clock.advance(10)
    assert (await ask(server, CREATE)).status == 202


async def test_the_service_throttles_all_operations_of_the_account_together(clock: Clock) -> None:
    async with LocalLambdaCore(rate_limit=(15, 15), clock=clock) as aws:
        sdk = Sdk(aws.endpoint_url, aws.credentials, aws.region)
        for _ in range(14):
            await sdk.call("ListNetworkConnectors")
        await sdk.call("ListRuntimes")
        with pytest.raises(SdkError) as raised:
            await sdk.call("ListRuntimes")
        sdk.close()
    assert (raised.value.status, raised.value.code) == (429, "TooManyRequestsException")


# boto3


async def test_boto3_recognises_a_throttle() -> None:
    async with LocalLambdaCore(faults=Faults().script(Throttle(retry_after=3))) as aws:
        sdk = Sdk(aws.endpoint_url, aws.credentials, aws.region)
        with pytest.raises(SdkError) as raised:
            await sdk.call("GetNetworkConnector", Identifier="prod")
        sdk.close()
    assert (raised.value.code, raised.value.status) == ("TooManyRequestsException", 429)


@pytest.mark.parametrize(
    "fault",
    [
        Reset("before_work"),
        Reset("before_answer"),
        ServiceError(503, "html", executed=True),
        Truncated(0, "head"),
    ],
    ids=repr,
)
async def test_boto3_creates_one_connector_despite_a_fault(
    fault: Fault,
) -> None:
    async with LocalLambdaCore() as aws:
        sdk = Sdk(aws.endpoint_url, aws.credentials, aws.region)
        sdk.client.close()
        sdk.client = _session.Session().client(
            "lambda-core",
            region_name=aws.region,
            endpoint_url=aws.endpoint_url,
            aws_access_key_id=aws.credentials.access_key_id,
            aws_secret_access_key=aws.credentials.secret_access_key,
            config=_config.Config(retries={"mode": "standard"}),
        )
        aws.faults.script(fault)
        try:
            created = await sdk.call(
                "CreateNetworkConnector",
                Name="new",
                Configuration=CONFIGURATION,
                OperatorRole=ROLE,
            )
        finally:
            sdk.close()
        assert created["Name"] == "new"
        assert aws.calls == {"CreateNetworkConnector": 2}
        assert len(aws.state.list_network_connectors().items) == 1
