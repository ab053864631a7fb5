"""Measures the parts of a call, each compared with other libraries: microseconds of CPU.

    python benchmarks/parts.py [--quick]

All parts run in one process and do the same work: a GetNetworkConnector call with temporary
credentials, and a response with every member that a healthy connector has. Each round runs every
part once, so that a busy moment of the machine affects all of them. The table shows the median and
the quartiles. botocore comes with the `dev` extra.

The library reads HTTP with httptools, JSON with orjson, and models with cattrs. The rows for
httptools and cattrs alone show what the library adds: bounds on sizes, content codings and the
response object; unknown enum values, lenient timestamps and error messages.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from enum import EnumType
from functools import partial
from statistics import quantiles
from typing import Any, Final

import aws_requests_auth.aws_auth
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.parsers
import botocore.retries.quota
import botocore.retries.standard
import botocore.serialize
import botocore.session
import cattrs
import httptools
import orjson
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser
from attrs import define, field, fields_dict, frozen
from cattrs.gen import make_dict_structure_fn, override

import results
from lambdacore_async import (
    Credentials,
    ElasticIpConfiguration,
    Lookups,
    NetworkConnector,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.rate_limit import RateLimiter
from lambdacore_async.engine.retry import RetryQuota
from lambdacore_async.models import network_connectors as models
from lambdacore_async.models.network_connectors import NetworkConnectorConfiguration
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.protocol import reading, sigv4
from lambdacore_async.protocol.http1 import ResponseReader
from lambdacore_async.protocol.messages import Response
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from static_server import CONNECTOR, http_response

REGION: Final = "us-east-1"
HOST: Final = f"lambda.{REGION}.amazonaws.com"
IDENTIFIER: Final = str(CONNECTOR["Arn"])
CREDENTIALS: Final = Credentials("ASIAEXAMPLE", "made-up/" * 5, "made-up/" * 80)
BODY: Final = json.dumps(CONNECTOR).encode()
HEADERS: Final = {"x-amzn-requestid": "00000000-0000-4000-8000-000000000000"}
RESPONSE: Final = http_response(
    "200 OK", BODY, "Date: Wed, 25 Nov 2026 10:00:00 GMT", "Connection: keep-alive"
)
REQUEST: Final = GET_NETWORK_CONNECTOR.build_request({"identifier": IDENTIFIER})
URL: Final = f"https://{HOST}{REQUEST.target}"
OPERATION: Final = (
    botocore.session.Session().get_service_model("lambda-core").operation_model(
        GET_NETWORK_CONNECTOR.name
    )
)  # fmt: skip

FOUND: Final = NetworkConnector("a", "n", "i")

Work = Callable[[int], Coroutine[Any, Any, None] | None]


@define
class Part:
    """A part of a call, as one library does it.

    Attributes:
        part: name of the part.
        library: name of the library.
        work: function that does the work a given number of times.
        calls: number of repetitions in a round.
        rounds: microseconds per repetition, for each round.
    """

    part: str
    library: str
    work: Work
    calls: int
    rounds: list[float] = field(factory=list)

    def measure(self, share: float) -> None:
        calls = max(1, int(self.calls * share))
        gc.collect()
        started = time.process_time()
        pending = self.work(calls)
        if pending is not None:
            asyncio.run(pending)
        self.rounds.append((time.process_time() - started) / calls * 1e6)

    def row(self) -> tuple[str, ...]:
        low, middle, high = quantiles(self.rounds, n=4)
        return self.part, self.library, f"{middle:.1f}", f"{low:.1f} to {high:.1f}"


def repeated(call: Callable[[], object]) -> Work:
    def work(calls: int) -> None:
        for _ in range(calls):
            call()

    return work


# Signing


def signer() -> Callable[[], object]:
    """Return a function that signs as the client does, with one signer for all calls."""
    sign = partial(sigv4.Signer().sign, REQUEST, host=HOST, credentials=CREDENTIALS, region=REGION)
    return lambda: sign(time=datetime.now(UTC))


def botocore_signer() -> Callable[[], object]:
    keys = botocore.credentials.Credentials(
        CREDENTIALS.access_key_id, CREDENTIALS.secret_access_key, CREDENTIALS.session_token
    )
    signer = botocore.auth.SigV4Auth(keys, "lambda", REGION)
    return lambda: signer.add_auth(botocore.awsrequest.AWSRequest("GET", URL))


@frozen
class Prepared:
    """The attributes of a request that aws-requests-auth reads."""

    url: str
    method: str
    body: bytes | None
    headers: dict[str, str]


def aws_requests_auth_signer() -> Callable[[], object]:
    signer = aws_requests_auth.aws_auth.AWSRequestsAuth(
        CREDENTIALS.access_key_id,
        CREDENTIALS.secret_access_key,
        HOST,
        REGION,
        "lambda",
        CREDENTIALS.session_token,
    )
    return lambda: signer(Prepared(URL, "GET", None, {}))


# Responses: each of the first three reads one header and the body


def response_reader() -> Callable[[], object]:
    reader = ResponseReader()

    def read() -> object:
        reader.expect(2**24)
        response = reader.feed(RESPONSE)
        assert response is not None
        return response.headers["x-amzn-requestid"], response.body

    return read


class Collector:
    """Keeps what httptools reports: the least that any client does with it."""

    def on_message_begin(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, data: bytes) -> None:
        self.body += data


def plain_httptools() -> Callable[[], object]:
    collector = Collector()
    parser = httptools.HttpResponseParser(collector)

    def read() -> object:
        parser.feed_data(RESPONSE)
        return collector.headers[b"x-amzn-requestid"], collector.body

    return read


async def aiohttp_parser(calls: int) -> None:
    loop = asyncio.get_running_loop()
    parser = HttpResponseParser(BaseProtocol(loop), loop, 2**16)
    for _ in range(calls):
        messages, _, _ = parser.feed_data(RESPONSE)
        head, stream = messages[0]
        _ = head.headers["x-amzn-requestid"], stream.read_nowait()


def botocore_parser() -> Callable[[], object]:
    parser: Any = botocore.parsers.create_parser("rest-json")
    headers = botocore.awsrequest.HeadersDict(HEADERS)
    response = {"status_code": 200, "headers": headers, "body": BODY, "context": {}}
    return lambda: parser.parse(response, OPERATION.output_shape)


def botocore_structuring() -> Callable[[], object]:
    parser: Any = botocore.parsers.create_parser("rest-json")
    return lambda: parser._parse_shape(OPERATION.output_shape, CONNECTOR)  # noqa: SLF001


def plain_cattrs() -> cattrs.Converter:
    """Return a converter for the models, without detailed validation, with the fewest hooks.

    The hooks rename members, and read the types that cattrs does not know.
    """
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    for enum in vars(models).values():
        if isinstance(enum, EnumType):
            converter.register_structure_hook(enum | UnknownValue, reads(enum))
            converter.register_structure_hook(enum | UnknownValue | None, reads(enum))
    converter.register_structure_hook(
        NetworkConnectorConfiguration | None,
        lambda data, _: converter.structure(data["VpcEgressConfiguration"], VpcEgressConfiguration),
    )
    for kind in (ElasticIpConfiguration, VpcEgressConfiguration, NetworkConnector):
        names: dict[str, Any] = {
            name: override(rename=name.title().replace("_", "")) for name in fields_dict(kind)
        }
        names["extra"] = override(omit=True)
        converter.register_structure_hook(kind, make_dict_structure_fn(kind, converter, **names))
    return converter


def reads(enum: Any) -> Callable[[Any, Any], object]:
    return lambda text, _: enum(text)


# Retries, rate limit and fan-out


def botocore_retries() -> Callable[[], object]:
    standard = botocore.retries.standard
    handler: Any = standard.RetryHandler(
        retry_policy=standard.RetryPolicy(
            retry_checker=standard.StandardRetryConditions(max_attempts=3),
            retry_backoff=standard.ExponentialBackoff(max_backoff=20),
        ),
        retry_event_adapter=standard.RetryEventAdapter(),
        retry_quota=standard.RetryQuotaChecker(botocore.retries.quota.RetryQuota()),
    )
    parsed = {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
    http = botocore.awsrequest.AWSResponse(URL, 200, {}, None)
    return lambda: handler.needs_retry(
        response=(http, parsed),
        attempts=1,
        caught_exception=None,
        request_dict={"context": {}},
        operation=OPERATION,
    )


async def retries_and_rate_limit(calls: int) -> None:
    rate_limiter, quota = RateLimiter(Clock()), RetryQuota()
    for _ in range(calls):
        permit = rate_limiter.acquire_nowait()
        if permit is None:
            permit = await rate_limiter.acquire()
        rate_limiter.release(permit, "success")
        quota.release(None)


async def get(_: str) -> NetworkConnector:
    """Stand in for a call: it waits once."""
    await asyncio.sleep(0)
    return FOUND


async def fan_out(calls: int) -> None:
    async with Lookups(get, map(str, range(calls)), clock=Clock()) as lookups:
        async for _ in lookups:
            pass


async def semaphore_and_gather(calls: int) -> None:
    gate = asyncio.Semaphore(64)

    async def one(identifier: str) -> NetworkConnector:
        async with gate:
            return await get(identifier)

    await asyncio.gather(*[one(str(number)) for number in range(calls)])


def parts() -> list[Part]:
    response = Response(200, HEADERS, BODY)
    serializer: Any = botocore.serialize.create_serializer("rest-json")
    converter = plain_cattrs()
    assert converter.structure(CONNECTOR, NetworkConnector) == reading.structure(
        NetworkConnector, CONNECTOR
    )
    rows: list[tuple[str, str, Work, int]] = [
        ("sign the request", "this library", repeated(signer()), 10_000),
        ("sign the request", "aws-requests-auth", repeated(aws_requests_auth_signer()), 2_000),
        ("sign the request", "botocore", repeated(botocore_signer()), 1_000),
        (
            "read the model",
            "this library",
            repeated(lambda: reading.structure(NetworkConnector, CONNECTOR)),
            10_000,
        ),
        (
            "read the model",
            "cattrs alone",
            repeated(lambda: converter.structure(CONNECTOR, NetworkConnector)),
            5_000,
        ),
        ("read the model", "botocore", repeated(botocore_structuring()), 1_000),
        ("read HTTP", "this library", repeated(response_reader()), 10_000),
        ("read HTTP", "httptools alone", repeated(plain_httptools()), 10_000),
        ("read HTTP", "aiohttp's parser", aiohttp_parser, 5_000),
        ("decode JSON", "orjson", repeated(lambda: orjson.loads(BODY)), 10_000),
        ("decode JSON", "json", repeated(lambda: json.loads(BODY)), 10_000),
        (
            "body to model",
            "this library",
            repeated(lambda: GET_NETWORK_CONNECTOR.parse_response(response)),
            10_000,
        ),
        ("body to model", "botocore", repeated(botocore_parser()), 1_000),
        (
            "build the request",
            "this library",
            repeated(lambda: GET_NETWORK_CONNECTOR.build_request({"identifier": IDENTIFIER})),
            10_000,
        ),
        (
            "build the request",
            "botocore",
            repeated(
                lambda: serializer.serialize_to_request({"Identifier": IDENTIFIER}, OPERATION)
            ),
            1_000,
        ),
        ("retries and rate limit, at success", "this library", retries_and_rate_limit, 20_000),
        ("retries, at success", "botocore", repeated(botocore_retries()), 5_000),
        ("fan-out, per identifier", "this library", fan_out, 20_000),
        ("fan-out, per identifier", "semaphore and gather", semaphore_and_gather, 20_000),
    ]
    return [Part(*row) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, fewer rounds")
    options = parser.parse_args()
    measured = parts()
    for part in measured:
        part.measure(0.1)  # fills caches
        part.rounds.clear()
    for _ in range(5 if options.quick else 21):
        for part in measured:
            part.measure(0.1 if options.quick else 1)
    header = ("part", "library", "CPU, us, median", "quartiles")
    print(results.table(header, [part.row() for part in measured]))


if __name__ == "__main__":
    main()
