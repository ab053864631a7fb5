"""How the client introduces itself."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import ParameterError
from lambdacore_async.engine.user_agent import VERSION, user_agent


def test_it_has_the_form_of_aws_sdks() -> None:
    text = user_agent("adaptive")
    assert re.fullmatch(
        rf"lambdacore-async/{re.escape(VERSION)} ua/2\.1 os/\S+ lang/python#3\.\S+ "
        r"md/pyimpl#\S+ cfg/retry-mode#adaptive",
        text,
    )


def test_the_version_is_the_packages() -> None:
    assert importlib.metadata.version("lambdacore-async") == VERSION


@pytest.mark.parametrize("extra", ["app/my-service#1.0", "  app/my-service#1.0 "])
def test_the_callers_text_comes_last(extra: str) -> None:
    assert user_agent("standard", extra) == f"{user_agent('standard')} app/my-service#1.0"


@pytest.mark.parametrize("extra", [None, "", "  "])
def test_no_text_leaves_no_trace(extra: str | None) -> None:
    assert user_agent("standard", extra) == user_agent("standard")


@pytest.mark.parametrize("extra", ["a\r\nx-forged: 1", "a\nb", "a\0", "a\tb", "\x7f", "é", 7, b"a"])
def test_text_that_could_forge_headers_is_refused(extra: Any) -> None:
    with pytest.raises(ParameterError, match="user_agent_extra"):
        user_agent("standard", extra)


@given(st.text())
def test_whatever_is_accepted_is_one_line_of_ascii(extra: str) -> None:
    try:
        text = user_agent("standard", extra)
    except ParameterError:
        return
    assert re.fullmatch(r"[!-~]+( [!-~]+)*", text)
