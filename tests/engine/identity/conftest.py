"""Fixtures of the credential sources: shared files, and a botocore that finds what a test says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from support.default_chain import Session


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes the shared files, and returns the variables that name them."""

    def write(config: str = "", credentials: str = "") -> dict[str, str]:
        environ = {"AWS_EC2_METADATA_DISABLED": "true"}
        for variable, name, content in (
            ("AWS_CONFIG_FILE", "config", config),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", credentials),
        ):
            (tmp_path / name).write_text(content)
            environ[variable] = str(tmp_path / name)
        return environ

    return write


@pytest.fixture
def botocore(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], list[str | None]]:
    """Sets the result of botocore's chain; returns the list of profiles that it is called with."""

    def play(found: object) -> list[str | None]:
        profiles: list[str | None] = []
        module = SimpleNamespace(Session=Session(found, profiles))
        monkeypatch.setitem(sys.modules, "botocore.session", module)
        return profiles

    return play
