"""Fixtures and settings of all tests."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from support.leaps import leaping

LOOPS: Final = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

# Shells ignore SIGINT in background jobs and all processes that they start. Some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Choose one with `--hypothesis-profile`. The time that an example takes depends on the machine.
for name, max_examples in {"quick": 25, "normal": 100, "deep": 2500}.items():
    settings.register_profile(
        name,
        settings(),
        max_examples=max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("normal")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-screens",
        action="store_true",
        help="record the screens of the command line again",
    )


def pytest_collection_finish() -> None:
    """Exclude all tests and modules from garbage collections, which otherwise visit them each time.

    They live until the end. Tests that call `gc.collect` would take seconds.
    """
    gc.collect()
    gc.freeze()


def pytest_asyncio_loop_factories(
    item: pytest.Function,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on asyncio's own loop, and tests marked `on_both_loops` on uvloop too."""
    both = item.get_closest_marker("on_both_loops") and "leaps" not in item.fixturenames
    return LOOPS if both else {"asyncio": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def no_identity(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide this machine's AWS configuration from tests."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name == "REQUESTS_CA_BUNDLE":
            monkeypatch.delenv(name)
    nowhere = tmp_path_factory.getbasetemp()  # one folder, as making 10,000 takes seconds
    monkeypatch.setenv("AWS_CONFIG_FILE", str(nowhere / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nowhere / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
async def leaps() -> AsyncGenerator[None]:
    """Skip waiting while the test's loop is idle; see `leaping`."""
    with leaping(asyncio.get_running_loop()):
        yield
