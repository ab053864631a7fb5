"""Text of other parties is escaped and bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.escaping import escaped

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_escaped_text_is_printable_and_can_be_encoded(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    shown.encode()


@given(ANY_TEXT.filter(str.isprintable))
def test_printable_text_is_unchanged(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b[2J\x9b\x7f", r"\x1b[2J\x9b\x7f"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2028\ud800\U000e0041", r"\u2028\ud800\U000e0041"),
    ],
)
def test_unprintable_characters_are_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(ANY_TEXT, st.integers(0, 100))
def test_long_text_is_cut(text: str, limit: int) -> None:
    shown = escaped(text, limit)
    assert len(shown) <= 10 * limit + 3
    assert shown == escaped(text) or shown == escaped(text[:limit]) + "..."
