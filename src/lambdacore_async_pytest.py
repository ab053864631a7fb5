"""pytest plugin of lambdacore-async: an emulator, a client for it, and simulated time.

It is a module outside the package, and its fixtures import the package. Test suites that do not use
the plugin therefore do not pay for the import. The fixtures are synchronous, so that they work with
pytest-asyncio in both modes, with anyio's plugin, and in synchronous tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lambdacore_async import LambdaCoreClient
    from lambdacore_async.local import LocalLambdaCore
    from lambdacore_async.testing import SimulatedTime

_MARKERS = (
    "lambda_core(**options): arguments of LocalLambdaCore for the fixture lambda_core",
    "lambda_core_faults(*faults, operation=None): faults of lambda_core; each must be injected",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test during which not all faults of its marker were injected."""
    result = yield
    if item.get_closest_marker("lambda_core_faults") is not None:
        service: LocalLambdaCore | None = getattr(item, "funcargs", {}).get("lambda_core")
        if service is None:
            pytest.fail(
                "the marker lambda_core_faults needs the fixture lambda_core", pytrace=False
            )
        if pending := service.faults.pending:
            unused = ", ".join(map(repr, pending))
            pytest.fail(f"faults of lambda_core_faults were not injected: {unused}", pytrace=False)
    return result


@pytest.fixture
def lambda_core(request: pytest.FixtureRequest) -> Generator[LocalLambdaCore]:
    """An emulator for this test, in a thread; see `LocalLambdaCore`.

    The marker `lambda_core` sets its arguments. The marker `lambda_core_faults` scripts its faults.
    """
    from lambdacore_async.local import LocalLambdaCore

    options: dict[str, Any] = {}
    for marker in reversed([*request.node.iter_markers("lambda_core")]):  # the closest one wins
        options.update(marker.kwargs)
    service = LocalLambdaCore(**options)
    for marker in request.node.iter_markers("lambda_core_faults"):
        service.faults.script(*marker.args, **marker.kwargs)
    with service.in_thread():
        yield service


@pytest.fixture
def lambda_core_client(lambda_core: LocalLambdaCore) -> Generator[LambdaCoreClient]:
    """A client of the service `lambda_core`, for the event loop of the test."""
    client = lambda_core.client()
    yield client
    _close(client)


@pytest.fixture
def lambda_core_environment(
    lambda_core: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch
) -> LocalLambdaCore:
    """The service `lambda_core`; environment variables point AWS SDKs and clients to it."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in lambda_core.environment.items():
        monkeypatch.setenv(name, value)
    return lambda_core


@pytest.fixture(scope="session")
def lambda_core_server() -> Generator[LocalLambdaCore]:
    """An emulator in a thread, shared by all tests of the session.

    To change its arguments, define a fixture of this name that uses `LocalLambdaCore.in_thread`.
    """
    from lambdacore_async.local import LocalLambdaCore

    with LocalLambdaCore().in_thread() as service:
        yield service


@pytest.fixture
def simulated_time() -> Generator[SimulatedTime]:
    """Simulated time for this test and for the fixtures that it uses after this one."""
    from lambdacore_async import testing

    with testing.simulated_time() as time:
        yield time


def _close(client: LambdaCoreClient) -> None:
    """Close a client whose event loop keeps running, such as a loop for all tests of a session.

    The end of a loop closes the client. Until then, the loop is idle between two tests.
    """
    loop = getattr(client._core.shared.transport, "_loop", None)  # noqa: SLF001
    if isinstance(loop, asyncio.AbstractEventLoop) and not (loop.is_closed() or loop.is_running()):
        loop.run_until_complete(client.close())
