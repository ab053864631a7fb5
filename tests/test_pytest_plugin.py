"""The pytest plugin, in runs of pytest with each plugin for async tests."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

#: Settles a choice that pytest-asyncio otherwise warns about.
SCOPE: Final = "-oasyncio_default_fixture_loop_scope=function"
#: How async tests run: arguments of pytest, and the marker that the tests need.
MODES: Final = {
    "pytest-asyncio, auto": (["-p", "no:anyio", SCOPE, "--asyncio-mode=auto"], ""),
    "pytest-asyncio, strict": (["-p", "no:anyio", SCOPE, "--asyncio-mode=strict"], "asyncio"),
    "pytest-asyncio, session loop": (
        ["-p", "no:anyio", SCOPE, "--asyncio-mode=strict"],
        "asyncio(loop_scope='session')",
    ),
    "anyio": (["-p", "no:asyncio"], "anyio"),
}
HEADER: Final = """
import asyncio

import pytest

from lambdacore_async import (
    ComputeResourceType, LambdaCoreClient, NetworkProtocol, ServiceException, VpcEgressConfiguration
)
from lambdacore_async.local.faults import Latency, Reset, ServiceError, Throttle

CONFIGURATION = VpcEgressConfiguration(
    subnet_ids=["subnet-1"],
    security_group_ids=["sg-1"],
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
)
ROLE = "arn:aws:iam::123456789012:role/operator"


@pytest.fixture
def anyio_backend():
    return "asyncio"

"""


def run(pytester: pytest.Pytester, code: str, mode: str) -> pytest.RunResult:
    """Run tests in this process, with warnings as errors."""
    arguments, marker = MODES[mode]
    pytestmark = f"pytestmark = pytest.mark.{marker}\n" if marker else ""
    pytester.makepyfile(HEADER + pytestmark + code)
    return pytester.runpytest_inprocess("-q", "-Werror", "-p", "no:cacheprovider", *arguments)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_a_test_gets_a_service_and_a_client(pytester: pytest.Pytester, mode: str) -> None:
    code = """
async def test_one(lambda_core, lambda_core_client):
    lambda_core.state.put_network_connector("prod")
    assert (await lambda_core_client.get_network_connector("prod")).name == "prod"
    assert lambda_core.calls == {"GetNetworkConnector": 1}

async def test_two(lambda_core_client, lambda_core):
    assert [each async for each in lambda_core_client.list_network_connectors()] == []

async def test_three(lambda_core_environment):
    async with LambdaCoreClient() as client:
        assert [each async for each in client.list_network_connectors()] == []
    assert lambda_core_environment.calls.total() == 1
"""
    run(pytester, code, mode).assert_outcomes(passed=3)


def test_async_fixtures_use_the_client_before_and_after_a_test(
    pytester: pytest.Pytester, mode: str
) -> None:
    scope = "loop_scope='session'" if "session" in mode else ""
    fixture = f"pytest_asyncio.fixture({scope})" if "asyncio" in mode else "pytest.fixture"
    imported = "import pytest_asyncio" if "asyncio" in mode else ""
    code = f"""
{imported}

@{fixture}
async def names(lambda_core_client, lambda_core):
    lambda_core.state.put_network_connector("prod")
    yield [each.name async for each in lambda_core_client.list_network_connectors()]
    assert (await lambda_core_client.get_network_connector("prod")).name == "prod"

async def test_it(names, lambda_core_client):
    assert names == ["prod"]
    await lambda_core_client.get_network_connector("prod")
"""
    if mode == "anyio":
        code = code.replace("names(", "names(anyio_backend, ", 1)
    run(pytester, code, mode).assert_outcomes(passed=1)


def test_outages_and_throttling_take_no_time(pytester: pytest.Pytester, mode: str) -> None:
    code = """
import time

@pytest.mark.lambda_core(provisioning_seconds=1500)
async def test_waiter(simulated_time, lambda_core_client):
    await lambda_core_client.create_network_connector(
        "prod", configuration=CONFIGURATION, operator_role=ROLE
    )
    await lambda_core_client.wait_until_network_connector_active("prod", timeout=1800)
    assert 1500 <= simulated_time.elapsed <= 1800

@pytest.mark.lambda_core_faults(Latency(1e6), Latency(1e6), Latency(1e6))
async def test_outage(lambda_core, lambda_core_client, simulated_time):
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await lambda_core_client.get_network_connector("prod")
    assert simulated_time.elapsed > 50
    assert time.monotonic() - began < 50
"""
    run(pytester, code, mode).assert_outcomes(passed=2)


def test_synchronous_tests_share_a_service(pytester: pytest.Pytester) -> None:
    code = """
import boto3

@pytest.fixture(scope="session")
def sdk(lambda_core_server):
    client = boto3.client(
        "lambda-core",
        endpoint_url=lambda_core_server.endpoint_url,
        region_name=lambda_core_server.region,
        aws_access_key_id=lambda_core_server.credentials.access_key_id,
        aws_secret_access_key=lambda_core_server.credentials.secret_access_key,
    )
    yield client
    client.close()

def test_one(sdk, lambda_core_server):
    lambda_core_server.state.put_network_connector("prod")
    assert sdk.get_network_connector(Identifier="prod")["Name"] == "prod"

def test_two(sdk, lambda_core_server):
    assert len(sdk.list_network_connectors()["NetworkConnectors"]) == 1
"""
    run(pytester, code, "pytest-asyncio, auto").assert_outcomes(passed=2)


def test_a_client_that_no_test_uses_is_no_problem(pytester: pytest.Pytester) -> None:
    code = """
def test_it(lambda_core_client):
    pass

def test_loops_of_a_synchronous_test(lambda_core, lambda_core_client):
    lambda_core.state.put_network_connector("prod")

    async def get():
        return (await lambda_core_client.get_network_connector("prod")).name

    assert [asyncio.run(get()) for _ in range(2)] == ["prod", "prod"]
"""
    run(pytester, code, "pytest-asyncio, auto").assert_outcomes(passed=2)


def test_the_closest_marker_sets_an_argument(pytester: pytest.Pytester) -> None:
    code = """
@pytest.mark.lambda_core(region="eu-west-1", account_id="999999999999")
class TestIt:
    @pytest.mark.lambda_core(region="eu-north-1")
    def test_it(self, lambda_core):
        assert lambda_core.region == "eu-north-1"
        assert lambda_core.state.account.account_id == "999999999999"
"""
    run(pytester, code, "pytest-asyncio, auto").assert_outcomes(passed=1)


# Scripted faults


def test_faults_of_the_marker_are_injected(pytester: pytest.Pytester, mode: str) -> None:
    code = """
@pytest.mark.lambda_core_faults(
    ServiceError(503), None, Throttle(), operation="GetNetworkConnector"
)
async def test_it(lambda_core, lambda_core_client, simulated_time):
    lambda_core.state.put_network_connector("prod")
    for _ in range(2):
        await lambda_core_client.get_network_connector("prod")
    assert lambda_core.faults.happened == {ServiceError(503): 1, Throttle(): 1}
"""
    run(pytester, code, mode).assert_outcomes(passed=1)


def test_a_fault_that_was_not_injected_fails_the_test(pytester: pytest.Pytester, mode: str) -> None:
    code = """
@pytest.mark.lambda_core_faults(ServiceError(503), Reset(), None)
async def test_it(lambda_core, lambda_core_client, simulated_time):
    lambda_core.faults.script(Latency(7), operation="ListNetworkConnectors")
    lambda_core.state.put_network_connector("prod")
    assert (await lambda_core_client.with_options(max_attempts=1)
        .list_network_connectors().by_page().__anext__()).items
"""
    result = run(pytester, code, mode)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not injected: ServiceError(status=503*), Reset(*"])


def test_the_error_of_a_test_comes_before_its_unused_faults(pytester: pytest.Pytester) -> None:
    code = """
@pytest.mark.lambda_core_faults(ServiceError(503))
def test_it(lambda_core):
    assert 1 == 2
"""
    result = run(pytester, code, "pytest-asyncio, auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2"])
    result.stdout.no_fnmatch_line("*not injected*")


def test_the_marker_needs_the_service(pytester: pytest.Pytester) -> None:
    code = """
@pytest.mark.lambda_core_faults(ServiceError(503))
def test_it():
    pass
"""
    result = run(pytester, code, "pytest-asyncio, auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*lambda_core_faults needs the fixture lambda_core*"])


# Imports


def test_a_suite_that_does_not_use_the_plugin_does_not_import_the_library(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("lambdacore_async")
    for name in ("lambdacore_async", "aiohttp", "attrs"):
        assert name not in sys.modules
"""
    )
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": ""},
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_markers_are_documented(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--markers", SCOPE)
    result.stdout.fnmatch_lines(["@pytest.mark.lambda_core(*", "@pytest.mark.lambda_core_faults(*"])
