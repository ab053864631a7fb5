"""The `User-Agent` header."""

from __future__ import annotations

import importlib.metadata
import platform
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import ParameterError
from lambdacore_async._version import VERSION
from lambdacore_async.engine.user_agent import UserAgent
from support import botocore_judge as judge

UNTRUSTED = ["a\r\nx-forged: 1", "a\nb", "a\0", "a\tb", "\x7f", "é"]
texts = st.text() | st.sampled_from(["Linux", "Darwin", "Windows", "iOS", "FreeBSD", "6.1-x#1"])


def facts(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setattr(platform, name, lambda value=value: value)


@given(
    system=texts,
    release=texts,
    machine=texts,
    implementation=texts,
    execution_env=st.none() | texts,
    mode=st.sampled_from(["standard", "adaptive"]),
    app_id=st.none() | texts,
    extra=st.none() | st.from_regex(r"[!-~]+( [!-~]+)*", fullmatch=True),
)
def test_the_header_is_that_of_botocore_except_for_the_product(
    system: str,
    release: str,
    machine: str,
    implementation: str,
    execution_env: str | None,
    mode: str,
    app_id: str | None,
    extra: str | None,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        facts(
            patch,
            system=system,
            release=release,
            machine=machine,
            python_version="3.11.9",
            python_implementation=implementation,
        )
        ours = UserAgent(extra, execution_env).text(mode, app_id)
        theirs = judge.user_agent(execution_env, mode, app_id, extra)
    assert ours.split()[0] == f"lambdacore-async/{VERSION}"
    assert ours.split()[1:] == theirs.split()[1:]


def test_the_version_is_that_of_the_package() -> None:
    assert importlib.metadata.version("lambdacore-async") == VERSION


@pytest.mark.parametrize("extra", ["app/my-service#1.0", "  app/my-service#1.0 "])
def test_the_extra_text_comes_last(extra: str) -> None:
    plain = UserAgent().text("standard", "my-app")
    assert UserAgent(extra).text("standard", "my-app") == f"{plain} app/my-service#1.0"


@pytest.mark.parametrize("extra", [None, "", "  "])
def test_empty_extra_text_changes_nothing(extra: str | None) -> None:
    assert UserAgent(extra).text("standard") == UserAgent().text("standard")


@pytest.mark.parametrize("extra", [*UNTRUSTED, 7, b"a"])
def test_text_that_could_forge_headers_is_refused(extra: Any) -> None:
    with pytest.raises(ParameterError, match="user_agent_extra"):
        UserAgent(extra)


@given(st.text(), st.text())
def test_the_header_is_one_line_of_ascii_for_any_environment(
    execution_env: str, app_id: str
) -> None:
    text = UserAgent(None, execution_env).text("standard", app_id)
    assert re.fullmatch(r"[!-~]+( [!-~]+)*", text)


@given(st.text())
def test_the_header_is_one_line_of_ascii_for_any_accepted_text(extra: str) -> None:
    try:
        text = UserAgent(extra).text("standard")
    except ParameterError:
        return
    assert re.fullmatch(r"[!-~]+( [!-~]+)*", text)
