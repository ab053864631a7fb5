"""Timestamps of every form are read as botocore reads them."""

from __future__ import annotations

import copy
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.writing import to_dict
from support import botocore_judge as judge
from support.generation import thorough
from support.pickled import through_pickle

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
times = st.datetimes(datetime(1000, 1, 2), datetime(9998, 1, 1))  # noqa: DTZ001 - zones are drawn
zones = st.sampled_from(["", "Z", "UTC", "GMT", " Z", " UTC", " GMT"]) | st.builds(
    "{}{}{:02}{}{:02}".format,
    st.sampled_from(["", " "]),
    st.sampled_from("+-"),
    st.integers(0, 14),
    st.sampled_from(["", ":"]),
    st.integers(0, 59),
)
fractions = st.just("") | st.from_regex(r"[.,][0-9]{1,12}", fullmatch=True)


def read(value: object) -> datetime:
    """Return the time that the library reads from a connector's `LastModified`."""
    data = {"Arn": "a", "Name": "n", "Id": "i", "LastModified": value}
    time = from_dict(NetworkConnector, data).last_modified
    assert time is not None
    return time


def judged(value: object) -> datetime:
    """Return the time that botocore reads; a naive one is UTC."""
    time = judge.timestamp(value)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


@st.composite
def iso_8601(draw: st.DrawFn) -> str:
    time = draw(times)
    text = time.strftime("%Y-%m-%d").zfill(10)
    clock = draw(st.sampled_from(["%H:%M", "%H:%M:%S"]))
    if draw(st.booleans()):
        text, clock = text.replace("-", ""), clock.replace(":", "")
    fraction = draw(fractions) if "S" in clock else ""
    text += draw(st.sampled_from("Tt ")) + time.strftime(clock) + fraction + draw(zones)
    # botocore does not read names of zones in lower case.
    return text.lower() if text[-1] not in "TC" and draw(st.booleans()) else text


@st.composite
def http_date(draw: st.DrawFn) -> str:
    time = draw(times)
    day, month = WEEKDAYS[time.weekday()], MONTHS[time.month - 1]
    clock = time.strftime("%H:%M:%S") + draw(fractions).replace(",", ".")
    zone = draw(st.sampled_from(["GMT", "UTC", "Z", "+0000", "-0730", "+05:30"]))
    match draw(st.sampled_from(["fixdate", "no day", "no comma", "rfc 850", "asctime"])):
        case "fixdate":
            text = f"{day[:3]}, {time.day:02} {month} {time.year:04} {clock} {zone}"
        case "no day":
            text = f"{time.day} {month} {time.year:04} {clock} {zone}"
        case "no comma":
            text = f"{day[:3]} {time.day:02} {month} {time.year:04} {clock} {zone}"
        case "rfc 850":
            text = f"{day}, {time.day:02}-{month}-{time.year % 70:02} {clock} {zone}"
        case _:
            text = f"{day[:3]} {month} {time.day:2} {clock} {time.year:04}"
    return text


@st.composite
def epochs(draw: st.DrawFn) -> int | float | str:
    number = draw(
        st.integers(-62_135_596_800, 253_402_300_799)
        | st.floats(-6e10, 2.5e11).map(lambda seconds: round(seconds, 6))
    )
    return draw(st.sampled_from([number, str(number), repr(float(number)), f"{number:.9e}"]))


@thorough
@given(iso_8601() | http_date() | epochs())
def test_a_timestamp_is_read_as_botocore_reads_it(value: str | float) -> None:
    assert read(value) == judged(value)


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-04-04t12:34:56z", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-04-04 12:34:56Z", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-04-04 12:34:56 +0000", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("2026-04-04 12:34:56 UTC", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        (" 2026-04-04T12:34:56Z ", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("20260404T123456Z", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("Sat, 04 Apr 2026 12:34:56 GMT", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("Saturday, 04-Apr-26 12:34:56 GMT", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("Sat Apr  4 12:34:56 2026", datetime(2026, 4, 4, 12, 34, 56, tzinfo=UTC)),
        ("20260404", datetime(1970, 8, 23, 11, 53, 24, tzinfo=UTC)),  # seconds, as in botocore
        ("-1e3", datetime(1969, 12, 31, 23, 43, 20, tzinfo=UTC)),
        (253_402_300_799, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime.max.replace(tzinfo=UTC)),
        ("9999-12-31T23:59:59+14:00", datetime(9999, 12, 31, 9, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_read_as_utc(value: str | float, time: datetime) -> None:
    ours = read(value)

    assert (ours, ours.tzinfo) == (time, UTC)
    assert judged(value) == time


@pytest.mark.parametrize(
    "value",
    [
        # Outside the range of a datetime, at least in UTC.
        1.75e18, 1e15, -1e18, 1e308, 10**20, 10**400, 253_402_300_800, -62_135_596_801,
        "1.75e18", "1e400", "9" * 5000,
        "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00Z",
        # Neither numbers nor times.
        math.nan, math.inf, -math.inf, "nan", "inf", "Infinity", True, False, [], {}, b"2026-04-04",
        "", " ", "soon", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-04T25:00:00Z",
        "2026-04-04T12:34:60Z", "2026-04-04T12:34:56+25:00", "Sat, 31 Apr 2026 12:34:56 GMT",
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ParameterError, match=r"^data: last_modified: ") as caught:
        read(value)

    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "value",
    [
        "2026", "April 2026", "12:34", "Saturday", "2026-04", "04/05/2026", "4 Apr 2026",
        "2026-04-04T12:34:56 EST", "2026-04-04T12:34:56 GMT+3", "Sat, 04 Apr 2026 12:34:56 PST",
        "Today is 2026-04-04T12:34:56Z", "2026-04-04T12:34:56Z.", "1_000",
        "\N{FULLWIDTH DIGIT TWO}026-04-04",
    ],
)  # fmt: skip
def test_forms_that_botocore_guesses_are_refused(value: str) -> None:
    """dateutil fills in missing parts from the current date, and drops unknown zones."""
    if value == "2026":  # a number of seconds
        assert read(value) == judged(value)
        return
    with pytest.raises(ParameterError, match="last_modified"):
        read(value)


@thorough
@given(
    st.text("0123456789-+:.,TtZz GMTUCeE", max_size=30)
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.[0-9:]{2,8}.{0,6}", fullmatch=True)
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat)
    | st.floats()
    | st.integers()
    | st.booleans()
)
def test_a_time_that_was_read_can_be_used(value: Any) -> None:
    try:
        time = read(value)
    except ParameterError:
        return
    assert time.tzinfo is UTC
    assert (time > datetime(2026, 4, 4, tzinfo=UTC)) in (True, False)
    assert time - time.astimezone(UTC) == timedelta()
    assert through_pickle(time) == copy.deepcopy(time) == time
    written = json.loads(json.dumps(to_dict(NetworkConnector("a", "n", "i", last_modified=time))))
    assert from_dict(NetworkConnector, written).last_modified == time
    assert (str(time), hash(time), time.timestamp()) is not None


def test_a_time_that_cannot_be_written_is_an_error_of_this_library() -> None:
    """Such a time can be constructed, but never read."""
    first = datetime.fromisoformat("0001-01-01T00:00:00+14:00")

    with pytest.raises(ParameterError, match="^model: ") as caught:
        to_dict(NetworkConnector("a", "n", "i", last_modified=first))

    assert caught.value.parameter == "model"
