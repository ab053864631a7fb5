"""Exit statuses and error messages of commands."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lambdacore_async
from lambdacore_async import LambdaCoreClient
from lambdacore_async.__main__ import main
from lambdacore_async._version import VERSION
from lambdacore_async.cli import results
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import ErrorResponse
from support.commands import COMMAND, run, variables

PLAIN_HTTP = "would send credentials' signatures unencrypted; use https or a loopback address"


async def test_options_override_the_environment(service: LocalLambdaCore) -> None:
    env = {"AWS_REGION": "eu-north-1", "AWS_ENDPOINT_URL_LAMBDA_CORE": "http://127.0.0.1:1"}
    options = ("--region", service.region, "--endpoint-url", service.endpoint_url)
    assert (await run("get", "prod", *options, env=env)).exit_code == 0


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ({"AWS_REGION": None}, (), "no region"),
        ({"AWS_SECRET_ACCESS_KEY": None}, (), "incomplete credentials"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, (), "no credentials"),
        ({}, ("--endpoint-url", "nowhere"), "'nowhere' is not an http or https URL"),
        ({"AWS_MAX_ATTEMPTS": "many"}, (), "AWS_MAX_ATTEMPTS"),
        ({}, ("--profile", "gone"), "'gone'"),
    ],
)
async def test_a_configuration_error_is_one_line_and_status_2(
    service: LocalLambdaCore, env: dict[str, str | None], options: tuple[str, ...], message: str
) -> None:
    result = await run("get", "prod", "full", *options, env=env)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(rf"lambdacore: .*{message}.*\n", result.stderr)


def test_messages_for_programs_are_replaced_by_words_of_the_shell() -> None:
    """Each message that is replaced exists, and has no name of Python afterwards."""
    package = Path(lambdacore_async.__file__).parent
    source = "".join(
        re.sub(r'"\s+f?"', "", file.read_text(encoding="utf-8"))
        for file in package.rglob("*.py")
        if "cli" not in file.parts
    )
    for words, replacement in results._SHELL_WORDS.items():
        assert words in source or words == "endpoint_url: "
        assert not re.search(r"[a-z]_[a-z]|\(\.\.\.\)", replacement)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("create", "x", "--configuration", '{"VpcEgressConfiguration": {"SubnetIds": "x"}}'),
            "Configuration.SubnetIds: expected a list, got str",
        ),
        (
            ("runtimes", "versions", "create", "x", "v1", "--image-uri", ""),
            "ImageUri: must not be empty",
        ),
        (
            ("list", "--endpoint-url", "http://x.net"),
            f"--endpoint-url: 'http://x.net' {PLAIN_HTTP}",
        ),
    ],
)
async def test_a_message_names_members_as_the_api_does_and_options_as_the_shell_does(
    service: LocalLambdaCore, arguments: tuple[str, ...], message: str
) -> None:
    result = await run(*arguments)
    assert (result.exit_code, result.stderr) == (2, f"lambdacore: {message}\n")
    assert not service.calls


async def test_without_credentials_the_error_says_where_they_come_from(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    nothing = {
        "AWS_ACCESS_KEY_ID": None,
        "AWS_SECRET_ACCESS_KEY": None,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    result = await run("list", env=nothing)
    assert result.exit_code == 2
    assert result.stderr == (
        "lambdacore: no credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run "
        "`aws configure --profile default`, or pass another --profile; "
        "no instance role: instance metadata is disabled (AWS_EC2_METADATA_DISABLED)\n"
    )


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_if_credentials_are_refused_the_error_says_how_to_get_others(
    service: LocalLambdaCore, code: str
) -> None:
    service.faults.at_random({ErrorResponse(code, 403, "refused"): 1.0})
    for command in (("list",), ("get", "prod")):
        result = await run(*command)
        assert result.exit_code == 2
        assert f"{code}: refused. Get new credentials: run `aws sso login" in result.stderr
        assert result.stderr.count("\n") == 1


async def test_another_region_than_the_endpoints_is_no_fault_of_the_credentials(
    service: LocalLambdaCore,
) -> None:
    result = await run("list", "--region", "eu-north-1")
    assert result.exit_code == 2
    assert "Pass the endpoint's region." in result.stderr
    assert "Get new credentials" not in result.stderr


async def test_an_empty_identifier_is_visible_in_its_error(service: LocalLambdaCore) -> None:
    result = await run("get", "")
    assert (result.exit_code, result.stderr) == (
        1,
        "lambdacore: '': Identifier: must not be empty\n",
    )


async def test_without_an_sso_login_the_error_says_how_to_log_in(
    service: LocalLambdaCore, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile dev]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
        "sso_account_id = 123456789012\nsso_role_name = x\n"
    )
    env = {"AWS_CONFIG_FILE": str(config), "HOME": str(tmp_path)}
    result = await run("list", "--profile", "dev", env=env)
    assert result.exit_code == 2
    assert result.stderr.endswith(": no valid login; run `aws sso login --profile dev`\n")


async def test_an_unreachable_service_is_a_failed_lookup(no_waiting: None) -> None:
    async with LocalLambdaCore() as service:
        env = variables(service)
    result = await run("get", "prod", "--output", "jsonl", env=env)
    assert result.exit_code == 3
    retrying, error = result.stderr.splitlines()
    assert re.fullmatch(r"retrying: no connection to .* \(attempt 2 of 3\)", retrying)
    assert error.startswith("lambdacore: prod: TransportError: no connection to ")


async def test_an_outage_is_two_lines_of_a_process() -> None:
    async with LocalLambdaCore() as service:
        env = variables(service)
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *("list", "--output", "json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **env, "AWS_MAX_ATTEMPTS": "2"},
    )
    output, errors = await process.communicate()
    assert (process.returncode, output) == (3, b"")
    assert re.fullmatch(rb"retrying: .*\nlambdacore: TransportError: .*\n", errors)


async def test_no_secret_is_printed(service: LocalLambdaCore) -> None:
    wrong = {"AWS_SECRET_ACCESS_KEY": "wrong-secret", "AWS_SESSION_TOKEN": "wrong-token"}
    for output in ("table", "json", "jsonl"):
        result = await run("get", "prod", "--output", output, env=wrong)
        assert "UnrecognizedClientException" in result.output
        assert "wrong" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("get",),
        ("lookup", "-", "--concurrency", "0"),
        ("lookup", "-", "--deadline", "-1"),
        ("lookup", "-", "--deadline", "inf"),
        ("wait", "prod", "--timeout", "inf"),
        ("watch", "--interval", "inf"),
        ("watch", "--interval", "0"),
        ("local", "--port", "70000"),
        ("demo", "--output", "jsonl"),
        ("unheard-of",),
    ],
)
async def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert (await run(*arguments)).exit_code == 2


async def test_the_version_is_that_of_the_package() -> None:
    assert (await run("--version")).stdout == f"lambdacore-async {VERSION}\n"


async def test_a_closed_standard_output_ends_the_command_quietly(service: LocalLambdaCore) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "get", "prod", stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (141, b"")


@pytest.mark.parametrize("command", [["get", "prod"], ["list"]])
async def test_a_broken_pipe_found_at_the_last_flush_is_status_141_too(
    service: LocalLambdaCore, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "argv", ["lambdacore", *command])
        with pytest.raises(SystemExit) as exited:
            await asyncio.to_thread(main)
    assert exited.value.code == 141


async def test_the_library_finds_the_service_of_the_environment_too(
    service: LocalLambdaCore,
) -> None:
    async with LambdaCoreClient(endpoint_url=service.endpoint_url) as client:
        assert (await client.get_network_connector("prod")).name == "prod"


@pytest.mark.parametrize(
    "url",
    [
        "http://user:PASSWORD@host",
        "http://user:PASSWORD/x@host",
        "https://user:PASSWORD@127.0.0.1:1",
        "user:PASSWORD@host",
        "//user:PASSWORD@host",
        "http:/user:PASSWORD@host",
        "http:\\\\user:PASSWORD@host",
        "http://user:PASSWORD",
        "http://[PASSWORD@host",
        "ftp://user:PASSWORD@host",
        "http://host\n/PASSWORD@x",
        "https://user%3APASSWORD@host",
        "http://127.0.0.1:1?token=PASSWORD",
        "http://127.0.0.1:1#PASSWORD",
    ],
)
@pytest.mark.parametrize("command", [("list",), ("get", "prod"), ("wait", "prod"), ("watch",)])
async def test_no_password_of_an_endpoint_is_repeated(command: tuple[str, ...], url: str) -> None:
    env = {
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    given = await run(*command, "--endpoint-url", url, env=env)
    configured = await run(*command, env={**env, "AWS_ENDPOINT_URL_LAMBDA_CORE": url})
    sources = ((given, "--endpoint-url"), (configured, "AWS_ENDPOINT_URL_LAMBDA_CORE"))
    for result, source in sources:
        assert result.exit_code == 2
        assert "PASSWORD" not in result.output
        assert result.stderr.startswith(f"lambdacore: {source}: ")
