"""OpenTelemetry: spans and metrics of a client's calls.

    client = LambdaCoreClient("us-east-1", on_call=OpenTelemetry())

This module needs the extra `otel`. Names follow OpenTelemetry's semantic conventions for RPC and
AWS. Names that the conventions lack begin with `lambdacore`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.utils import suppress_http_instrumentation
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.util.types import AttributeValue

from lambdacore_async._version import VERSION
from lambdacore_async.engine.observation import Attempt, Call, CallKind
from lambdacore_async.errors import ApiError
from lambdacore_async.escaping import escaped
from lambdacore_async.workflows.cache.stats import CacheStats

_SCOPE: Final = "lambdacore_async"
_SYSTEM: Final = {"rpc.system.name": "aws-api"}
#: Bounds of the histograms in seconds, as the conventions advise for calls.
_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_MAX_TEXT: Final = 500

_Figure: TypeAlias = Callable[[CacheStats], float]


class OpenTelemetry:
    """Creates spans and metrics; pass an instance as the client's `on_call`.

    A call has a span of kind CLIENT, and each of its attempts has a child span of that kind. A run
    of lookups has a span around the spans of its calls. A refresh of credentials serves all calls,
    so its span has no parent. OpenTelemetry's instrumentation of aiohttp creates no spans for a
    call in progress.

    Args:
        tracer_provider: creates the spans. Defaults to the global provider.
        meter_provider: creates the metrics. Defaults to the global provider.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_SCOPE, VERSION, tracer_provider)
        meter = metrics.get_meter(_SCOPE, VERSION, meter_provider)
        self._duration = meter.create_histogram(
            "rpc.client.call.duration",
            "s",
            "Duration of calls, with all attempts",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._wait = meter.create_histogram(
            "lambdacore.client.rate_limiter.wait",
            "s",
            "Time for which the rate limiter delayed requests",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._throttles = meter.create_counter(
            "lambdacore.client.throttles", "{request}", "Requests that the service throttled"
        )
        self._refreshes = meter.create_counter(
            "lambdacore.client.credential_refreshes", "{refresh}", "Refreshes of credentials"
        )
        #: The rate that the client has learnt, by label and region.
        self._rates: dict[tuple[str | None, str], float] = {}
        meter.create_observable_gauge(
            "lambdacore.client.rate",
            [self._observe_rates],
            "{request}/s",
            "Rate of requests that the client has learnt from throttling",
        )
        #: The functions that return the figures of caches, with the attributes of these figures.
        self._caches: dict[Callable[[], CacheStats], dict[str, AttributeValue]] = {}
        counter, gauge = meter.create_observable_counter, meter.create_observable_gauge
        figures: tuple[tuple[Callable[..., object], str, str, str, _Figure], ...] = (
            (counter, "hits", "{answer}", "Answers that needed no call", lambda s: s.hits),
            (counter, "misses", "{answer}", "Answers that waited for a call", lambda s: s.misses),
            (counter, "stale_answers", "{answer}", "Answers above the maximum age, in an outage",
             lambda s: s.stale_answers),
            (counter, "requests", "{request}", "Calls made", lambda s: s.requests),
            (gauge, "calls_saved", "{request}", "Calls saved", lambda s: s.calls_saved),
            (gauge, "hit_rate", "1", "Share of answers that needed no call", lambda s: s.hit_rate),
            (gauge, "connectors", "{connector}", "Connectors held", lambda s: s.connectors),
            (gauge, "oldest_age", "s", "Age of the oldest connector", lambda s: s.oldest_age),
        )  # fmt: skip
        for create, name, unit, description, figure in figures:
            observe = partial(self._observe_caches, figure)
            create(f"lambdacore.client.cache.{name}", [observe], unit, description)

    def add_cache(self, stats: Callable[[], CacheStats], region: str, label: str | None) -> None:
        """Observe the caches of an account and region; the client calls it when one opens.

        Args:
            stats: returns their figures.
            region: the AWS region.
            label: the label of the client's view.
        """
        self._caches[stats] = _known({"cloud.region": region, "lambdacore.label": label})

    def remove_cache(self, stats: Callable[[], CacheStats]) -> None:
        """Observe caches no longer; the client calls it when the last one closes.

        Args:
            stats: what `add_cache` was given.
        """
        self._caches.pop(stats, None)

    def _observe_caches(self, figure: _Figure, _: CallbackOptions) -> Iterable[Observation]:
        # A copy, because readers call this in a thread.
        return [Observation(figure(stats()), its) for stats, its in list(self._caches.items())]

    @contextmanager
    def __call__(self, call: Call) -> Generator[None]:
        """Observe a call; see `OnCall`."""
        match call.kind:
            case CallKind.OPERATION:
                with (
                    self._span(call, f"LambdaCore/{call.operation}", SpanKind.CLIENT) as span,
                    suppress_http_instrumentation(),
                ):
                    try:
                        yield
                    finally:
                        self._end_call(call, span)
            case CallKind.RUN:
                with self._span(call, call.operation, SpanKind.INTERNAL):
                    yield
            case _:  # a refresh of credentials
                token = context.attach(Context())
                try:
                    with self._span(call, call.operation, SpanKind.INTERNAL):
                        yield
                finally:
                    context.detach(token)
                    label = _known({"lambdacore.label": call.label})
                    self._refreshes.add(1, {**label, **_error_type(call.error)})

    @contextmanager
    def _span(self, call: Call, name: str, kind: SpanKind) -> Generator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            finally:
                span.set_attributes(
                    _known({"cloud.region": call.region, "lambdacore.label": call.label})
                )
                _set_error(span, call.error)

    def _end_call(self, call: Call, span: Span) -> None:
        attributes = {
            **_SYSTEM,
            "rpc.method": f"LambdaCore/{call.operation}",
            **_place(call.region, call.endpoint),
        }
        span.set_attributes({**attributes, **_known({"lambdacore.identifier": call.identifier})})
        for attempt in call.attempts:
            self._add_attempt(attempt, attributes)
        if call.attempts:
            span.set_attributes(_outcome(call.attempts[-1]))
        self._duration.record(call.seconds, {**attributes, **_error_type(call.error)})

    def _add_attempt(self, attempt: Attempt, attributes: dict[str, AttributeValue]) -> None:
        if attempt.ended is not None:
            end = int(attempt.ended.timestamp() * 1e9)
            span = self._tracer.start_span(
                "attempt",
                kind=SpanKind.CLIENT,
                attributes={
                    **attributes,
                    **_outcome(attempt),
                    "lambdacore.waited": attempt.waited,
                },
                start_time=end - int(attempt.seconds * 1e9),
                record_exception=False,
                set_status_on_exception=False,
            )
            _set_error(span, attempt.error)
            span.end(end)
        place = _place(attempt.region, attempt.endpoint)
        if attempt.throttled:
            self._throttles.add(1, place)
        if attempt.waited:
            self._wait.record(attempt.waited, place)
        key = (attempt.label, attempt.region)
        if attempt.rate is None:
            self._rates.pop(key, None)
        else:
            self._rates[key] = attempt.rate

    def _observe_rates(self, _: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(rate, _known({"lambdacore.label": label, "cloud.region": region}))
            for (label, region), rate in self._rates.items()
        ]


def _known(attributes: dict[str, str | int | None]) -> dict[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _outcome(attempt: Attempt) -> dict[str, AttributeValue]:
    return _known(
        {
            "http.response.status_code": attempt.status,
            "aws.request_id": attempt.request_id and escaped(attempt.request_id, _MAX_TEXT),
            "http.request.resend_count": attempt.number - 1 or None,
        }
    )


def _place(region: str | None, endpoint: str | None) -> dict[str, AttributeValue]:
    url = urlsplit(endpoint or "")
    return _known({"cloud.region": region, "server.address": url.hostname, "server.port": url.port})


def _error_type(error: BaseException | None) -> dict[str, AttributeValue]:
    if error is None:
        return {}
    kind = error.code if isinstance(error, ApiError) else type(error).__name__
    return {"error.type": escaped(kind, _MAX_TEXT)}


def _set_error(span: Span, error: BaseException | None) -> None:
    if error is not None:
        span.set_attributes(_error_type(error))
        span.set_status(Status(StatusCode.ERROR, escaped(str(error), _MAX_TEXT)))
