"""The options of all commands that call the service, against an embedded service."""

from __future__ import annotations

import json
import re

import pytest

from lambdacore_async.cli.connection import Connection
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse, Latency, ServiceError, Throttle
from lambdacore_async.models.network_connectors import NetworkConnectorState
from lambdacore_async_command.root import COMMANDS, load
from support.commands import run

OFFLINE = {"demo", "local"}
OPTIONS = {"--region", "--profile", "--endpoint-url", "--timeout", "--max-attempts", "--debug"}


def commands(name: str) -> list[object]:
    """Return a command, or all commands of a group."""
    found = [load(name)]
    while any(hasattr(each, "commands") for each in found):
        found = [
            command for each in found for command in getattr(each, "commands", {"": each}).values()
        ]
    return found


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - OFFLINE))
def test_every_command_that_calls_the_service_has_the_same_options(name: str) -> None:
    for command in commands(name):
        given = {option for each in command.params for option in each.opts}  # type: ignore[attr-defined]
        assert given >= OPTIONS


async def test_a_call_ends_at_its_timeout(service: LocalLambdaCore) -> None:
    service.faults.at_random({Latency(60.0): 1.0})
    for command in (("list",), ("get", "prod"), ("delete", "prod", "--yes"), ("runtimes", "list")):
        result = await run(*command, "--timeout", "0.01")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "TransportTimeoutError: not done within 0.01 seconds" in result.stderr


async def test_a_wait_ends_at_its_timeout(service: LocalLambdaCore, no_waiting: None) -> None:
    service.state.put_network_connector("slow", state=NetworkConnectorState.PENDING)
    result = await run("wait", "slow", "--timeout", "30")
    assert result.exit_code == 1
    assert "slow: WaiterTimeoutError: " in result.stderr


def test_a_wait_without_a_timeout_has_half_an_hour() -> None:
    assert Connection().wait_timeout == 1800
    assert Connection(timeout=2.5).wait_timeout == 2.5


@pytest.mark.parametrize("command", [("list",), ("get", "prod"), ("versions", "prod")])
async def test_max_attempts_limits_the_requests_of_a_call(
    service: LocalLambdaCore, command: tuple[str, ...]
) -> None:
    service.faults.at_random({ServiceError(503): 1.0})
    result = await run(*command, "--max-attempts", "1")
    assert (result.exit_code, sum(service.calls.values())) == (3, 1)
    assert "retrying" not in result.stderr


@pytest.mark.parametrize("command", [("list",), ("get", "prod"), ("runtimes", "list")])
async def test_each_reason_of_retries_is_told_once(
    service: LocalLambdaCore, no_waiting: None, command: tuple[str, ...]
) -> None:
    service.faults.script(Throttle(), ServiceError(503), ServiceError(503), Throttle())
    result = await run(*command, "--max-attempts", "9", "-o", "name")
    assert result.exit_code == 0
    throttled, unavailable = result.stderr.splitlines()
    assert re.fullmatch(r"retrying: TooManyRequestsException: .* \(attempt 2 of 9\)", throttled)
    assert re.fullmatch(r"retrying: ServiceException\b.* \(attempt 3 of 9\)", unavailable)


async def test_under_throttling_get_ends_as_one_call_does(
    service: LocalLambdaCore, no_waiting: None
) -> None:
    service.faults.at_random({Throttle(): 1.0})
    result = await run("get", "prod")
    assert result.exit_code == 3
    assert sum(service.calls.values()) == 3
    assert "prod: TooManyRequestsException: " in result.stderr


async def test_debug_prints_attempts_request_ids_and_the_source_of_credentials(
    service: LocalLambdaCore,
) -> None:
    result = await run("get", "prod", "--debug", "-o", "json")
    assert (result.exit_code, json.loads(result.stdout)[0]["Name"]) == (0, "prod")
    assert re.search(r"Z DEBUG credentials found source=environment$", result.stderr, re.MULTILINE)
    assert re.search(
        r"DEBUG a request has ended operation=GetNetworkConnector identifier=prod .*"
        r" attempt=1 status=200 request_id=[\w-]+ ",
        result.stderr,
    )
    assert service.credentials.secret_access_key not in result.stderr
    quiet = await run("get", "prod")
    assert quiet.stderr == ""


@pytest.mark.parametrize("command", [("list",), ("get", "prod"), ("wait", "prod")])
async def test_debug_prints_the_traceback_of_an_error(
    service: LocalLambdaCore, command: tuple[str, ...]
) -> None:
    text = "\x1b]0;title\x07"
    service.faults.at_random({ErrorResponse("AccessDeniedException", 403, text): 1.0})
    result = await run(*command, "--debug")
    assert result.exit_code == 1
    assert "Traceback (most recent call last):\n" in result.stderr
    assert re.search(r"^lambdacore_async\.errors\.AccessDenied", result.stderr, re.MULTILINE)
    assert all(line.isprintable() for line in result.stderr.splitlines())
