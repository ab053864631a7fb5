"""The order of the credential sources; botocore's own chain is the reference."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
)
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.local import LocalLambdaCore
from support import botocore_judge as judge
from support.clocks import NOON, FakeClock
from support.default_chain import FULL, KEYS, chain, failure, held
from support.leaks import CREDENTIALS, assert_no_secret
from support.transports import FakeTransport, answer
from support.wire import http, wire


async def test_the_environment_precedes_the_files_unless_a_profile_is_passed(
    files: Callable[..., dict[str, str]],
) -> None:
    environ = {**files(credentials=f"[default]\n{KEYS}[dev]\n{KEYS}"), **FULL}
    assert await chain(environ)() == CREDENTIALS
    assert await chain({**environ, "AWS_PROFILE": "dev"})() == CREDENTIALS
    assert (await chain(environ, "dev")()).access_key_id == "AKIDFILE"


async def test_the_credentials_file_precedes_the_config_file(
    files: Callable[..., dict[str, str]],
) -> None:
    other = KEYS.replace("AKIDFILE", "AKIDCONFIG")
    environ = files(f"[default]\n{other}", f"[default]\n{KEYS}")
    assert (await chain(environ)()).access_key_id == "AKIDFILE"


async def test_a_file_is_read_again_at_each_refresh(files: Callable[..., dict[str, str]]) -> None:
    find = chain(files(credentials=f"[default]\n{KEYS}"))
    await find()
    files(credentials=f"[default]\n{KEYS}".replace("AKIDFILE", "AKIDNEW"))
    assert (await find()).access_key_id == "AKIDNEW"


async def test_a_missing_profile_is_a_configuration_error(
    files: Callable[..., dict[str, str]],
) -> None:
    with pytest.raises(ConfigurationError, match="'dev'"):
        await chain(files(), "dev")()


async def test_without_credentials_the_error_says_how_to_pass_them(
    files: Callable[..., dict[str, str]],
) -> None:
    text = await failure(files())
    for word in (
        "credentials=Credentials(...)",
        "AWS_ACCESS_KEY_ID",
        "`aws configure --profile default`",
        "DISABLED",
    ):
        assert word in text


async def test_a_container_follows_the_files_and_precedes_the_instance(
    files: Callable[..., dict[str, str]],
) -> None:
    body = {
        "AccessKeyId": "AKIDBOX",
        "SecretAccessKey": "the-secret-key",
        "Token": "the-session-token",
        "Expiration": "2026-11-24T18:00:00Z",
    }
    async with wire([http(json.dumps(body).encode())]) as peer:
        environ = {**files(), "AWS_CONTAINER_CREDENTIALS_FULL_URI": peer.endpoint.url}
        assert (await chain(environ)()).access_key_id == "AKIDBOX"
    with_keys = {**environ, **files(credentials=f"[default]\n{KEYS}")}
    assert (await chain(with_keys)()).access_key_id == "AKIDFILE"


async def test_the_instance_is_the_last_source(files: Callable[..., dict[str, str]]) -> None:
    body = b'{"AccessKeyId": "AKIDEC2", "SecretAccessKey": "the-secret-key", "Token": "t", '
    body += b'"Expiration": "2026-11-24T18:00:00Z"}'
    transport = FakeTransport(answer(body=b"token"), answer(body=b"role"), answer(body=body))
    environ = {**files(), "AWS_EC2_METADATA_DISABLED": "false"}
    found = await DefaultChain(environ, lambda: transport, FakeClock())()
    assert found.access_key_id == "AKIDEC2"


@pytest.mark.parametrize(
    "setting",
    [
        "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = y",
        "web_identity_token_file = /token\nrole_arn = arn",
        "sso_account_id = 123456789012",
        "sso_role_name = x",
        "login_session = x",
        "credential_process = /bin/true",
    ],
)
@pytest.mark.parametrize("explicit", [None, "dev"])
async def test_profiles_that_need_more_than_keys_go_through_botocore(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    setting: str,
    explicit: str | None,
) -> None:
    profiles = botocore(held())
    environ = {**files(f"[profile dev]\n{setting}\n"), "AWS_PROFILE": "dev"}
    found = await chain(environ, explicit)()
    assert found == Credentials("AKIDBOTO", "the-secret-key", None, NOON)
    assert profiles == [explicit]


@pytest.mark.parametrize(
    ("setting", "key"),
    [("role_arn = x", "AKIDBOTO"), ("credential_process = x", "AKIDFILE")],
)
async def test_roles_precede_keys_in_the_credentials_file_and_processes_follow_them(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    setting: str,
    key: str,
) -> None:
    botocore(held())
    environ = files(f"[default]\n{setting}\n", f"[default]\n{KEYS}")
    assert (await chain(environ)()).access_key_id == key


async def test_a_web_identity_in_the_environment_wins_unless_a_profile_is_passed(
    files: Callable[..., dict[str, str]], botocore: Callable[[object], list[str | None]]
) -> None:
    botocore(held())
    environ = {
        **files(credentials=f"[default]\n{KEYS}"),
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/token",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x",
    }
    assert (await chain(environ)()).access_key_id == "AKIDBOTO"
    assert (await chain(environ, "default")()).access_key_id == "AKIDFILE"


SECTIONS: Final = st.dictionaries(
    st.sampled_from(["default", "dev"]),
    st.fixed_dictionaries(
        {},
        optional={
            "aws_access_key_id": st.sampled_from(["AKIDA", "AKIDB"]),
            "aws_secret_access_key": st.sampled_from(["one", "two"]),
            "aws_session_token": st.just("token"),
            "aws_security_token": st.just("older"),
            "region": st.just("us-east-1"),
        },
    ),
)


VARIABLES: Final = st.fixed_dictionaries(
    {},
    optional={
        "AWS_ACCESS_KEY_ID": st.sampled_from(["AKIDC", ""]),
        "AWS_SECRET_ACCESS_KEY": st.sampled_from(["three", ""]),
        "AWS_SESSION_TOKEN": st.sampled_from(["token", ""]),
        "AWS_SECURITY_TOKEN": st.sampled_from(["older", ""]),
        "AWS_PROFILE": st.just("dev"),
        "AWS_DEFAULT_PROFILE": st.just("default"),
    },
)


def written(sections: Mapping[str, Mapping[str, str]], prefix: str) -> str:
    return "".join(
        f"[{name if name == 'default' else prefix + name}]\n"
        + "".join(f"{key} = {value}\n" for key, value in section.items())
        for name, section in sections.items()
    )


def _keys(variables: Mapping[str, str]) -> Credentials | None:
    key, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
    tokens = (variables.get("AWS_SECURITY_TOKEN"), variables.get("AWS_SESSION_TOKEN"))
    return Credentials(key, secret, tokens[0] or tokens[1] or None) if key and secret else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SECTIONS, SECTIONS, VARIABLES, st.sampled_from([None, "dev"]))
def test_the_chain_finds_the_same_credentials_as_botocore(
    files: Callable[..., dict[str, str]],
    config: dict[str, dict[str, str]],
    credentials: dict[str, dict[str, str]],
    variables: dict[str, str],
    profile: str | None,
) -> None:
    environ = {**files(written(config, "profile "), written(credentials, "")), **variables}
    with pytest.MonkeyPatch.context() as patch:
        for name in (*FULL, "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        try:
            theirs = judge.credentials(profile)
        except judge.PartialCredentialsError:
            theirs = None
        except judge.ProfileNotFoundError:
            # With keys in the environment, the files are not opened; botocore opens them first.
            theirs = _keys(variables) if profile is None else None
    try:
        ours = asyncio.run(chain(environ, profile)())
    except (CredentialsError, ConfigurationError):
        ours = None
    assert ours == theirs


async def test_a_client_finds_the_credentials_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with LocalLambdaCore() as aws:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.credentials.secret_access_key)
        async with LambdaCoreClient(aws.region, endpoint_url=aws.endpoint_url) as client:
            assert [connector async for connector in client.list_network_connectors()] == []


async def test_no_file_is_opened_on_the_loop_and_no_secret_is_logged(
    files: Callable[..., dict[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    environ = files(f"[default]\n{KEYS}", "[default]\ncredential_process = x\n")
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        on_loop = threading.current_thread() is threading.main_thread()
        if watching and event == "open" and on_loop and arguments[0] in environ.values():
            opened.append(arguments[0])

    sys.addaudithook(watch)
    for _ in range(2):
        with pytest.raises(CredentialsError):
            await chain({**environ, "AWS_PROFILE": "default"})()
    watching = False
    assert opened == []
    assert_no_secret(caplog.text)
