from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.errors import InvalidParameterValueException, ParameterError
from lambdacore_async.local import Limits
from lambdacore_async.local.account import Account, paginate, utc_now
from lambdacore_async.models.shared import Page


def page(
    numbers: list[int], token: str | None = None, size: int | None = None, listing: str = "things"
) -> Page[str]:
    records = ((number, number) for number in numbers)
    return paginate(records, str, listing=listing, token=("Marker", token), size=("Max", size))


def test_the_default_clock_is_aware() -> None:
    assert utc_now().tzinfo is not None


@pytest.mark.parametrize("seconds", [-0.1, float("nan"), float("inf"), 1e10])
@pytest.mark.parametrize("name", ["provisioning_seconds", "update_seconds", "deletion_seconds"])
def test_durations_are_bounded(name: str, seconds: float) -> None:
    with pytest.raises(ParameterError, match=name):
        Account(**{name: seconds})  # type: ignore[arg-type]


@pytest.mark.parametrize("account_id", ["", "12345678901", "1234567890123", "12345678901x"])
def test_an_account_id_has_12_digits(account_id: str) -> None:
    with pytest.raises(ParameterError, match="account_id"):
        Account(account_id=account_id)


def test_limits_are_not_negative() -> None:
    with pytest.raises(ParameterError, match="runtimes"):
        Limits(runtimes=-1)


def test_an_arn_names_the_partition_of_the_region() -> None:
    assert Account(region="cn-north-1").arn("x") == "arn:aws-cn:lambda:cn-north-1:123456789012:x"


@given(
    st.lists(st.integers(1, 500), unique=True).map(sorted),
    st.none() | st.integers(1, 100),
    st.data(),
)
def test_pages_list_the_remaining_records_once_and_in_order(
    numbers: list[int], size: int | None, data: st.DataObject
) -> None:
    remaining = data.draw(st.sets(st.sampled_from(numbers))) if numbers else set[int]()
    seen: list[int] = []
    token = None
    while True:
        found = page(numbers, token, size)
        assert len(found) <= min(size or 50, 50)
        seen += map(int, found)
        if found.next_token is None:
            break
        token = found.next_token
        others = st.sets(st.integers(1, 500), max_size=20)
        numbers = sorted(remaining | data.draw(others) | {max(seen) + 1})
        if len(seen) > 500:
            break
    assert seen == sorted(set(seen))
    assert remaining <= set(seen)


@pytest.mark.parametrize("size", [0, -1, 101])
def test_a_page_size_is_1_to_100(size: int) -> None:
    with pytest.raises(InvalidParameterValueException, match="Max"):
        page([1], size=size)


def test_no_page_is_longer_than_50() -> None:
    assert len(page(list(range(1, 101)), size=100)) == 50


def test_a_full_last_page_has_no_token() -> None:
    assert page([1, 2], size=2).next_token is None


@pytest.mark.parametrize(
    "token",
    ["", "x", "ä", "====", *(urlsafe_b64encode(t).decode() for t in (b"\xff", b"- things"))],
)
def test_an_invalid_token_is_rejected(token: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="Marker"):
        page([1], token)


def test_a_token_is_valid_for_its_listing_only() -> None:
    token = page([1, 2], size=1).next_token
    assert page([1, 2], token).items == ("2",)
    with pytest.raises(InvalidParameterValueException):
        page([1, 2], token, listing="others")
