"""The machine's clock, and its correction by the service's time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdacore_async.engine.clock import Clock, Correction, ServiceClock, parse_timestamp
from support.clocks import NOON, FakeClock

#: Values of `Date` that are invalid, implausible or without a usable time zone.
NO_TIME: Final = (
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
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 -1400",
    "Mon, 01 Jan 1900 00:00:00 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Wed, 01 Jan 2200 00:00:00 GMT",
)


def http_date(minutes: float) -> str:
    """Return a `Date` header for this many minutes after noon."""
    return format_datetime(NOON + timedelta(minutes=minutes), usegmt=True)


def refused(service: ServiceClock, minutes: float) -> Correction:
    """Return the correction after a rejection at this many minutes after noon."""
    correction = service.compare(http_date(minutes), service.now())
    assert correction is not None
    return correction


def learn(service: ServiceClock, minutes: float) -> None:
    """Reject a request, and accept the corrected one."""
    service.accept(refused(service, minutes))


async def test_the_machines_clock_is_in_utc_and_advances() -> None:
    clock = Clock()
    before = datetime.now(UTC)
    start = clock.monotonic()
    await clock.sleep(0)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().tzinfo is UTC
    assert start <= clock.monotonic()


@pytest.mark.parametrize(
    "text", ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00", "2026-11-24T13:00:00+01:00"]
)
def test_a_timestamp_without_a_zone_is_in_utc(text: str) -> None:
    assert parse_timestamp(text) == NOON
    with pytest.raises(ValueError, match="isoformat"):
        parse_timestamp("soon")


@pytest.mark.usefixtures("leaps")
async def test_a_sleep_takes_its_time() -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    await Clock().sleep(1000)
    assert loop.time() >= start + 1000


def test_the_machines_time_is_used_until_a_response_shows_that_it_is_wrong() -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    clock.advance(60)
    assert service.now() == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("minutes", [5, -5, 6.5, 60 * 24 * 365])
def test_a_clock_that_is_off_by_five_minutes_or_more_is_corrected(minutes: float) -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    correction = refused(service, minutes)
    assert service.now(correction) == NOON + timedelta(minutes=minutes)
    assert service.now() == NOON, "one rejection corrects the rejected call only"
    service.accept(correction)
    assert service.now() == NOON + timedelta(minutes=minutes)
    clock.advance(1)
    assert service.now() == NOON + timedelta(minutes=minutes, seconds=1)


@pytest.mark.parametrize("minutes", [0, 4.98, -4.98])
def test_a_smaller_offset_is_not_corrected(minutes: float) -> None:
    service = ServiceClock(FakeClock())
    assert service.compare(http_date(minutes), service.now()) is None


@pytest.mark.parametrize("date", NO_TIME)
def test_an_implausible_date_is_ignored(date: str | None) -> None:
    service = ServiceClock(FakeClock())
    assert service.compare(date, service.now()) is None


@pytest.mark.parametrize("date", ["Tuesday, 24-Nov-26 12:30:00 GMT", "Tue Nov 24 12:30:00 2026 Z"])
def test_the_older_forms_of_a_date_are_read(date: str) -> None:
    service = ServiceClock(FakeClock())
    correction = service.compare(date, service.now())
    assert correction is not None
    assert service.now(correction) == NOON + timedelta(minutes=30)


@pytest.mark.parametrize("year", [1970, 1980, 2000, 2038, 2106])
def test_a_clock_that_was_reset_is_corrected(year: int) -> None:
    service = ServiceClock(FakeClock(datetime(year, 1, 1, tzinfo=UTC)))
    learn(service, 0)
    assert service.now() == NOON


def test_a_second_drift_is_measured_again() -> None:
    service = ServiceClock(FakeClock())
    learn(service, 30)
    assert service.compare(http_date(30), service.now()) is None
    learn(service, 10)
    assert service.now() == NOON + timedelta(minutes=10)
    learn(service, 0)
    assert service.now() == NOON


def test_a_correction_within_the_tolerance_restores_the_machines_time() -> None:
    service = ServiceClock(FakeClock())
    learn(service, 30)
    learn(service, 4)
    assert service.now() == NOON


def test_a_request_signed_before_the_correction_is_corrected_too() -> None:
    service = ServiceClock(FakeClock())
    signed = service.now()
    learn(service, 30)
    correction = service.compare(http_date(30), signed)
    assert correction is not None
    assert service.now(correction) == NOON + timedelta(minutes=30)


def test_a_long_wait_for_the_rejection_is_not_drift() -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    signed = service.now()
    clock.advance(600)
    correction = service.compare(http_date(10), signed)
    assert correction is not None, "the request was old when the service checked it"
    assert service.now(correction) == clock.now()


def test_no_correction_is_shared_while_the_shared_time_is_accepted() -> None:
    service = ServiceClock(FakeClock())
    correction = refused(service, 30)
    service.accept(None)
    service.accept(correction)
    assert service.now() == NOON
    learn(service, 30)
    assert service.now() == NOON + timedelta(minutes=30), "no other request was accepted since"


def test_one_call_takes_an_untried_correction() -> None:
    service = ServiceClock(FakeClock())
    service.untried = refused(service, 30)
    assert service.take_untried() == Correction(timedelta(minutes=30), 0)
    assert service.take_untried() is None


def test_a_new_endpoints_clock_starts_with_the_offset_of_another() -> None:
    clock = FakeClock()
    service = ServiceClock(clock)
    learn(service, 30)
    other = ServiceClock(clock, service)
    assert other.now() == NOON + timedelta(minutes=30)
    learn(other, 0)
    assert (other.now(), service.now()) == (NOON, NOON + timedelta(minutes=30))


@pytest.mark.parametrize(("start", "year"), [(1970, 9999), (2199, 1)])
def test_an_offset_that_leads_out_of_range_is_ignored(start: int, year: int) -> None:
    clock = FakeClock(datetime(start, 1, 1, tzinfo=UTC))
    service = ServiceClock(clock)
    learn(service, 0)
    clock._start = datetime(year, 1, 1, tzinfo=UTC)
    assert service.now() == clock._start


_dates = st.one_of(
    st.sampled_from(NO_TIME),
    st.text(),
    st.builds(
        "{}, {:02} {} {:0{}} {:02}:{:02}:{:02}{}".format,
        st.sampled_from(["Mon", "Fri", "", "Monday"]),
        st.integers(0, 32),
        st.sampled_from(["Jan", "Feb", "Nov", "Dec"]),
        st.integers(0, 10**5),
        st.sampled_from([2, 4]),
        st.integers(0, 25),
        st.integers(0, 61),
        st.integers(0, 61),
        st.sampled_from(["", " GMT", " Z", " -0000", " +0000", " +1400", " -1400", " +9999", " X"]),
    ),
)


@given(
    history=st.lists(st.tuples(_dates, st.booleans(), st.booleans()), max_size=20),
    minutes=st.floats(-1e6, 1e6),
    start=st.datetimes(
        datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
        datetime(2199, 12, 31),  # noqa: DTZ001 - the same
        timezones=st.just(UTC),
    ),
)
@example([("Fri, 31 Dec 9999 23:59:59 GMT", True, True)], 0, NOON)
@example([("Mon, 01 Jan 0001 00:00:00 +1400", True, True)], 0, NOON)  # for two digits of a year
def test_after_any_dates_a_correct_rejection_corrects_the_clock_at_once(
    history: list[tuple[str | None, bool, bool]], minutes: float, start: datetime
) -> None:
    service = ServiceClock(FakeClock(start))
    for date, tried, left in history:
        correction = service.compare(date, service.now())
        if tried and correction is not None:
            service.now(correction)
            service.accept(correction)
        if left:
            service.untried = correction
    date = http_date(minutes)
    actual = NOON + timedelta(minutes=minutes)
    correction = service.compare(date, service.now())
    assert abs(service.now(correction) - actual) < timedelta(minutes=5, seconds=1)
    if correction is not None:
        service.accept(correction)
    assert abs(service.now() - actual) < timedelta(minutes=5, seconds=1)
