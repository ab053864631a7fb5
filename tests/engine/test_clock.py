"""The machine's clock, and what the service teaches about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdacore_async.engine.clock import Clock, ServiceClock
from support.clocks import NOON, FakeClock


def http_date(minutes: float) -> str:
    """A `Date` header so many minutes after noon."""
    return format_datetime(NOON + timedelta(minutes=minutes), usegmt=True)


async def test_the_machines_clock_tells_the_time_in_utc_and_goes_on() -> None:
    clock = Clock()
    before = datetime.now(UTC)
    start = clock.monotonic()
    await clock.sleep(0)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert start <= clock.monotonic()


def test_the_machines_time_counts_until_an_answer_shows_that_it_is_wrong() -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    clock.advance(60)
    assert service.now() == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("minutes", [5, -5, 6.5, 60 * 24 * 365])
def test_a_clock_that_is_off_by_five_minutes_or_more_is_corrected(minutes: float) -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    assert service.correct(http_date(minutes), service.now())
    assert service.now() == NOON + timedelta(minutes=minutes)
    clock.advance(1)
    assert service.now() == NOON + timedelta(minutes=minutes, seconds=1)


@pytest.mark.parametrize("minutes", [0, 4.98, -4.98])
def test_a_clock_that_is_off_by_less_is_believed(minutes: float) -> None:
    service = ServiceClock(FakeClock())
    assert not service.correct(http_date(minutes), service.now())
    assert service.now() == NOON


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "yesterday",
        "2026-11-24T12:30:00Z",
        "Tue, 24 Nov 2026 12:30:00",
        "Tue, 24 Nov 2026 12:30:00 -0000",
        "Tue, 99 Nov 2026 12:30:00 GMT",
        "Tue, 24 Nov 99999 12:30:00 GMT",
        "Tue, 24 Nov 99999999999999999999 12:30:00 GMT",
        "Tue, 24 Nov 2026 12:30:00 +9999999999999999",
    ],
)
def test_a_date_that_cannot_be_read_teaches_nothing(date: str | None) -> None:
    service = ServiceClock(FakeClock())
    assert not service.correct(date, service.now())
    assert service.now() == NOON


@given(st.text())
@example("0")
def test_no_text_at_all_for_a_date_is_an_error(date: str) -> None:
    service = ServiceClock(FakeClock())
    assert service.correct(date, service.now()) in (True, False)


def test_a_second_drift_is_measured_anew() -> None:
    service = ServiceClock(FakeClock())
    assert service.correct(http_date(30), service.now())
    assert not service.correct(http_date(30), service.now())
    assert service.correct(http_date(10), service.now())
    assert service.now() == NOON + timedelta(minutes=10)
    assert service.correct(http_date(0), service.now())
    assert service.now() == NOON


def test_a_request_signed_before_the_correction_had_the_wrong_time_too() -> None:
    service = ServiceClock(FakeClock())
    signed = service.now()
    assert service.correct(http_date(30), signed)
    assert service.correct(http_date(30), signed)
    assert service.now() == NOON + timedelta(minutes=30)


def test_a_long_wait_for_the_refusal_is_no_drift() -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    signed = service.now()
    clock.advance(600)
    assert service.correct(http_date(10), signed), "the request was old when it was judged"
    assert service.now() == clock.now()
