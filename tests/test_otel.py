"""Spans and metrics, as OpenTelemetry's SDK exports them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import aiohttp
import pytest
from attrs import evolve
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from lambdacore_async import (
    ApiError,
    Attempt,
    Call,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
    ResourceNotFoundException,
    Target,
    TransportError,
)
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Reset, ServiceError, Throttle
from lambdacore_async.otel import OpenTelemetry
from lambdacore_async.testing import simulated_time


class Telemetry:
    """An `OpenTelemetry` with exporters in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.hook = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters)

    def spans(self) -> dict[str, list[ReadableSpan]]:
        found: dict[str, list[ReadableSpan]] = {}
        for span in self._exporter.get_finished_spans():
            found.setdefault(span.name, []).append(span)
        return found

    def points(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Return the attributes and the value, or the sum, of each metric's points."""
        data: Any = self._reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: [
                (dict(point.attributes), point.value if hasattr(point, "value") else point.sum)
                for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


Work = Callable[[LambdaCoreClient], Coroutine[Any, Any, None]]


def use(service: LocalLambdaCore, telemetry: Telemetry, work: Work, **options: Any) -> None:
    """Do work with a client, in simulated time."""

    async def main() -> None:
        async with service, service.client(on_call=telemetry.hook, **options) as client:
            await work(client)

    service.state.put_network_connector("prod")
    with simulated_time():
        asyncio.run(main())


def test_a_call_has_a_span_and_one_within_it_for_each_attempt(telemetry: Telemetry) -> None:
    service = LocalLambdaCore()
    service.faults.script(ServiceError(503))

    async def work(client: LambdaCoreClient) -> None:
        await client.get_network_connector("prod")

    use(service, telemetry, work)
    spans = telemetry.spans()
    (call,) = spans["LambdaCore/GetNetworkConnector"]
    first, second = spans["attempt"]
    assert call.kind is first.kind is SpanKind.CLIENT
    assert call.context is not None
    for attempt in (first, second):
        assert attempt.parent is not None
        assert attempt.parent.span_id == call.context.span_id
    common = {
        "rpc.system.name": "aws-api",
        "rpc.method": "LambdaCore/GetNetworkConnector",
        "cloud.region": "us-east-1",
        "server.address": "127.0.0.1",
    }
    for span in (call, first, second):
        assert span.attributes is not None
        assert common.items() <= dict(span.attributes).items()
    assert call.attributes is not None
    assert first.attributes is not None
    assert second.attributes is not None
    assert call.attributes["lambdacore.identifier"] == "prod"
    assert call.attributes["http.response.status_code"] == 200
    assert call.attributes["aws.request_id"] == second.attributes["aws.request_id"]
    assert call.attributes["http.request.resend_count"] == 1
    assert "http.request.resend_count" not in first.attributes
    assert first.attributes["http.response.status_code"] == 503
    assert first.attributes["error.type"] == "ServiceException"
    assert first.status.status_code is StatusCode.ERROR
    assert call.status.status_code is second.status.status_code is StatusCode.UNSET
    ((attributes, _),) = telemetry.points()["rpc.client.call.duration"]
    assert common.items() <= attributes.items()
    assert "lambdacore.identifier" not in attributes
    assert "error.type" not in attributes


def test_a_failed_call_has_the_type_of_its_error(telemetry: Telemetry) -> None:
    async def work(client: LambdaCoreClient) -> None:
        with pytest.raises(ResourceNotFoundException):
            await client.get_network_connector("none")

    use(LocalLambdaCore(), telemetry, work)
    (call,) = telemetry.spans()["LambdaCore/GetNetworkConnector"]
    assert call.attributes is not None
    assert call.attributes["error.type"] == "ResourceNotFoundException"
    assert call.status.status_code is StatusCode.ERROR
    assert "Network connector not found" in (call.status.description or "")
    ((attributes, _),) = telemetry.points()["rpc.client.call.duration"]
    assert attributes["error.type"] == "ResourceNotFoundException"


def test_a_call_has_the_outcome_of_its_last_attempt(telemetry: Telemetry) -> None:
    service = LocalLambdaCore()
    service.faults.script(ServiceError(503), Reset())

    async def work(client: LambdaCoreClient) -> None:
        with pytest.raises(TransportError):
            await client.get_network_connector("prod")

    use(service, telemetry, work, max_attempts=2)
    (call,) = telemetry.spans()["LambdaCore/GetNetworkConnector"]
    assert call.attributes is not None
    assert call.attributes["http.request.resend_count"] == 1
    assert call.attributes["error.type"] == "TransportError"
    assert "http.response.status_code" not in call.attributes
    assert "aws.request_id" not in call.attributes


def test_the_type_of_an_error_has_no_control_characters(telemetry: Telemetry) -> None:
    call = Call("GetRuntime", error=ApiError("", code="Odd\x1b[2JException"))

    with telemetry.hook(call):
        pass

    (span,) = telemetry.spans()["LambdaCore/GetRuntime"]
    assert span.attributes is not None
    assert span.attributes["error.type"] == "Odd\\x1b[2JException"


def test_a_run_is_the_parent_of_its_calls(telemetry: Telemetry) -> None:
    async def work(client: LambdaCoreClient) -> None:
        await client.lookup_network_connectors(["prod"]).report()

    use(LocalLambdaCore(), telemetry, work)
    spans = telemetry.spans()
    (run,) = spans["lookup_network_connectors"]
    (call,) = spans["LambdaCore/GetNetworkConnector"]
    assert run.context is not None
    assert call.parent is not None
    assert (run.kind, run.parent) == (SpanKind.INTERNAL, None)
    assert call.parent.span_id == run.context.span_id
    assert run.attributes == {"cloud.region": "us-east-1"}


def test_throttling_and_the_rate_are_metrics(telemetry: Telemetry) -> None:
    service = LocalLambdaCore(rate_limit=(10, 10))
    seen: list[dict[str, Any]] = []

    async def work(client: LambdaCoreClient) -> None:
        targets = [Target("us-east-1", label="blue")]
        async with client.lookup_across(targets, [f"c-{n}" for n in range(100)]) as run:
            async for _ in run:
                seen.append(telemetry.points())

    use(service, telemetry, work)
    points = telemetry.points()
    place = {"cloud.region": "us-east-1", "server.address": "127.0.0.1"}
    ((attributes, throttles),) = points["lambdacore.client.throttles"]
    assert place.items() <= attributes.items()
    assert throttles == service.faults.happened[Throttle()] > 0
    ((_, waited),) = points["lambdacore.client.rate_limiter.wait"]
    assert waited > 0
    rates = [point["lambdacore.client.rate"] for point in seen if "lambdacore.client.rate" in point]
    assert ({"lambdacore.label": "blue", "cloud.region": "us-east-1"}, rates[-1][0][1]) == (
        rates[-1][0]
    )
    assert rates[-1][0][1] < 50


def test_the_rate_ends_with_the_limit(telemetry: Telemetry) -> None:
    attempt = Attempt("GetRuntime", 1, 200, None, 0.1, None, None, "us-east-1", rate=5.0)

    for each in (attempt, evolve(attempt, region="eu-west-1"), evolve(attempt, rate=None)):
        with telemetry.hook(Call("GetRuntime", attempts=[each])):
            pass

    assert telemetry.points()["lambdacore.client.rate"] == [({"cloud.region": "eu-west-1"}, 5.0)]


def test_caches_have_metrics_while_they_are_open(telemetry: Telemetry) -> None:
    prefix = "lambdacore.client.cache"

    def figures() -> dict[str, Any]:
        points = telemetry.points()
        return {name.removeprefix(f"{prefix}."): points[name] for name in points if prefix in name}

    async def work(client: LambdaCoreClient) -> None:
        assert figures() == {}
        view = client.with_options(label="team")
        async with view.cached_network_connectors() as cache, client.cached_network_connectors():
            await cache.ready()
            for _ in range(9):
                await cache.get("prod")
            with pytest.raises(ResourceNotFoundException):
                await cache.get("missing")
            stats = cache.stats()
            assert stats.hits == 9
            assert stats.misses == 1
            oldest_age = figures().pop("oldest_age")
            where = {"cloud.region": client.options.region, "lambdacore.label": "team"}
            assert oldest_age[0][0] == where
            assert {name: points for name, points in figures().items() if name != "oldest_age"} == {
                "hits": [(where, 9)],
                "misses": [(where, 1)],
                "stale_answers": [(where, 0)],
                "requests": [(where, stats.requests)],
                "calls_saved": [(where, stats.calls_saved)],
                "hit_rate": [(where, 0.9)],
                "connectors": [(where, 1)],
            }
            in_a_thread = await asyncio.to_thread(figures)
            assert in_a_thread["hits"] == [(where, 9)]
        assert figures() == {}

    use(LocalLambdaCore(), telemetry, work)


def test_a_refresh_of_credentials_has_a_span_without_a_parent(telemetry: Telemetry) -> None:
    service = LocalLambdaCore()
    answers: Iterator[Exception | Credentials] = iter(
        [OSError("the vault is sealed"), service.credentials]
    )

    async def provide() -> Credentials:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def work(client: LambdaCoreClient) -> None:
        view = client.with_options(credentials=provide, label="blue")
        with pytest.raises(CredentialsError):
            await view.get_network_connector("prod")
        await asyncio.sleep(60)
        await view.get_network_connector("prod")

    use(service, telemetry, work)
    failed, done = telemetry.spans()["RefreshCredentials"]
    assert (failed.parent, done.parent) == (None, None)
    assert failed.status.status_code is StatusCode.ERROR
    points = telemetry.points()["lambdacore.client.credential_refreshes"]
    label = {"lambdacore.label": "blue"}
    assert points == [({**label, "error.type": "OSError"}, 1), (label, 1)]
    assert done.attributes == label


async def test_the_instrumentation_of_aiohttp_adds_nothing(telemetry: Telemetry) -> None:
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        async with LocalLambdaCore() as service, aiohttp.ClientSession() as session:
            service.state.put_network_connector("prod")
            url = f"{service.endpoint_url}/_health"

            async def provide() -> Credentials:
                async with session.get(url):
                    return service.credentials

            async with service.client(
                on_call=telemetry.hook, http_session=session, credentials=provide
            ) as client:
                await client.get_network_connector("prod")
    finally:
        instrumentor.uninstrument()
    names = {name: len(spans) for name, spans in telemetry.spans().items()}
    # The provider's own request is no part of the call, and has its span.
    assert names == {
        "GET": 1,
        "RefreshCredentials": 1,
        "attempt": 1,
        "LambdaCore/GetNetworkConnector": 1,
    }
