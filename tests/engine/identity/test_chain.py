"""Where credentials are looked for, in which order; botocore's chain is the judge of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest import mock

import pytest
from aws_requests_auth.aws_auth import AWSRequestsAuth
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
    ParameterError,
)
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.engine.identity.environment import from_environment
from lambdacore_async.engine.identity.providers import as_provider
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.local import LocalLambdaCore
from support import botocore_judge as judge
from support.certificates import self_signed
from support.clocks import NOON, FakeClock
from support.leaks import CREDENTIALS, assert_no_secret, assert_no_secret_in_frames
from support.threads import busy_executor
from support.transports import FakeTransport, answer
from support.wire import http, wire

FULL: Final = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "the-secret-key",
    "AWS_SESSION_TOKEN": "the-session-token",
}
KEYS: Final = "aws_access_key_id = AKIDFILE\naws_secret_access_key = the-secret-key\n"


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Writes the shared files, and gives the variables that point to them."""

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


def chain(environ: Mapping[str, str], profile: str | None = None) -> DefaultChain:
    return DefaultChain(environ, AiohttpTransport, FakeClock(), profile)


async def failure(environ: Mapping[str, str], profile: str | None = None) -> str:
    with pytest.raises(CredentialsError) as caught:
        await chain(environ, profile)()
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value)
    return str(caught.value)


# The environment


def test_the_environment_gives_all_three_parts() -> None:
    assert from_environment(FULL) == CREDENTIALS


@pytest.mark.parametrize("token", [{}, {"AWS_SESSION_TOKEN": ""}])
def test_a_session_token_that_is_absent_or_empty_is_none(token: dict[str, str]) -> None:
    environ = {**FULL, **token} if token else {k: v for k, v in FULL.items() if "TOKEN" not in k}
    assert from_environment(environ) == Credentials("AKIDEXAMPLE", "the-secret-key")


def test_the_older_name_of_the_token_counts_first_as_in_botocore() -> None:
    found = from_environment({**FULL, "AWS_SECURITY_TOKEN": "the-session-token-of-old"})
    assert found is not None
    assert found.session_token == "the-session-token-of-old"


@pytest.mark.parametrize("text", ["2026-11-24T12:00:00Z", "2026-11-24T12:00:00"])
def test_credentials_in_the_environment_may_say_when_they_end(text: str) -> None:
    found = from_environment({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})
    assert found is not None
    assert found.expires_at == NOON


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AWS_ACCESS_KEY_ID", "AKID EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret key"),
        ("AWS_SESSION_TOKEN", "the-session-token\n"),
        ("AWS_CREDENTIAL_EXPIRATION", "soon"),
        ("AWS_SECRET_ACCESS_KEY", ""),
    ],
)
def test_what_is_wrong_in_the_environment_is_named_and_no_secret_is_at_hand(
    variable: str, value: str
) -> None:
    with pytest.raises(CredentialsError, match=variable) as caught:
        from_environment({**FULL, variable: value})
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value, "the-secret", "the-session")


@pytest.mark.parametrize("text", ["soon", "12", "2026-13-01"])
def test_an_end_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CredentialsError, match="AWS_CREDENTIAL_EXPIRATION"):
        from_environment({**FULL, "AWS_CREDENTIAL_EXPIRATION": text})


@pytest.mark.parametrize("how", [{}, {"AWS_ACCESS_KEY_ID": ""}])
def test_without_a_key_the_environment_has_none(how: dict[str, str]) -> None:
    assert from_environment({"AWS_SECRET_ACCESS_KEY": "the-secret-key", **how}) is None


@pytest.mark.parametrize("how", [{}, {"AWS_SECRET_ACCESS_KEY": ""}])
def test_a_key_without_its_secret_is_an_error_that_names_it(how: dict[str, str]) -> None:
    with pytest.raises(CredentialsError, match="AWS_SECRET_ACCESS_KEY is not set"):
        from_environment({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", **how})


async def test_the_environment_counts_before_the_files_unless_a_profile_is_named(
    files: Callable[..., dict[str, str]],
) -> None:
    environ = {**files(credentials=f"[default]\n{KEYS}[dev]\n{KEYS}"), **FULL}
    assert await chain(environ)() == CREDENTIALS
    assert await chain({**environ, "AWS_PROFILE": "dev"})() == CREDENTIALS
    assert (await chain(environ, "dev")()).access_key_id == "AKIDFILE"


# Files


@pytest.mark.parametrize("file", ["config", "credentials"])
async def test_keys_in_a_file_are_found_and_need_their_secret(
    files: Callable[..., dict[str, str]], file: str
) -> None:
    environ = files(**{file: f"[default]\n{KEYS}aws_session_token = the-session-token\n"})
    assert await chain(environ)() == Credentials("AKIDFILE", "the-secret-key", "the-session-token")
    environ = files(**{file: "[default]\naws_access_key_id = AKIDFILE\naws_session_token = t\n"})
    assert f"in the {file} file has no aws_secret_access_key" in await failure(environ)
    environ = files(**{file: f"[default]\n{KEYS.replace('-key', '-key with space')}"})
    assert await failure(environ) == (
        f"aws_secret_access_key of profile 'default' in the {file} file: "
        "has white space or a character beyond ASCII"
    )


async def test_the_credentials_file_counts_before_the_config_file(
    files: Callable[..., dict[str, str]],
) -> None:
    other = KEYS.replace("AKIDFILE", "AKIDCONFIG")
    environ = files(f"[default]\n{other}", f"[default]\n{KEYS}")
    assert (await chain(environ)()).access_key_id == "AKIDFILE"


async def test_a_file_is_read_anew_at_each_refresh(files: Callable[..., dict[str, str]]) -> None:
    find = chain(files(credentials=f"[default]\n{KEYS}"))
    await find()
    files(credentials=f"[default]\n{KEYS}".replace("AKIDFILE", "AKIDNEW"))
    assert (await find()).access_key_id == "AKIDNEW"


async def test_a_profile_that_is_not_there_is_told_as_that(
    files: Callable[..., dict[str, str]],
) -> None:
    with pytest.raises(ConfigurationError, match="'dev'"):
        await chain(files(), "dev")()


async def test_without_any_credentials_the_error_says_how_to_give_them(
    files: Callable[..., dict[str, str]],
) -> None:
    text = await failure(files())
    for word in ("credentials=Credentials(...)", "AWS_ACCESS_KEY_ID", "'default'", "DISABLED"):
        assert word in text


# The machine


async def test_a_container_counts_after_the_files_and_before_the_instance(
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


async def test_an_instance_counts_last(files: Callable[..., dict[str, str]]) -> None:
    body = b'{"AccessKeyId": "AKIDEC2", "SecretAccessKey": "the-secret-key", "Token": "t", '
    body += b'"Expiration": "2026-11-24T18:00:00Z"}'
    transport = FakeTransport(answer(body=b"token"), answer(body=b"role"), answer(body=body))
    environ = {**files(), "AWS_EC2_METADATA_DISABLED": "false"}
    found = await DefaultChain(environ, lambda: transport, FakeClock())()
    assert found.access_key_id == "AKIDEC2"


# botocore


class Session:
    """Plays `botocore.session.Session`."""

    def __init__(self, found: object, asked: list[str | None]) -> None:
        self._found = found
        self._asked = asked

    def __call__(self, profile: str | None) -> Session:
        self._asked.append(profile)
        return self

    def get_credentials(self) -> object:
        assert threading.current_thread() is not threading.main_thread()
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


def held(failure: Exception | None = None) -> SimpleNamespace:
    """What botocore holds."""

    def get() -> SimpleNamespace:
        assert threading.current_thread() is not threading.main_thread()
        if failure is not None:
            raise failure
        return SimpleNamespace(access_key="AKIDBOTO", secret_key="the-secret-key", token="")

    return SimpleNamespace(get_frozen_credentials=get, _expiry_time=NOON)


@pytest.fixture
def botocore(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], list[str | None]]:
    """Lets botocore's chain find something; gives the profiles that it is asked for."""

    def play(found: object) -> list[str | None]:
        asked: list[str | None] = []
        module = SimpleNamespace(Session=Session(found, asked))
        monkeypatch.setitem(sys.modules, "botocore.session", module)
        return asked

    return play


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
async def test_what_takes_more_than_keys_goes_through_botocore(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    setting: str,
    explicit: str | None,
) -> None:
    asked = botocore(held())
    environ = {**files(f"[profile dev]\n{setting}\n"), "AWS_PROFILE": "dev"}
    found = await chain(environ, explicit)()
    assert found == Credentials("AKIDBOTO", "the-secret-key", None, NOON)
    assert asked == [explicit]


@pytest.mark.parametrize(
    ("setting", "key"),
    [("role_arn = x", "AKIDBOTO"), ("credential_process = x", "AKIDFILE")],
)
async def test_roles_count_before_keys_in_the_credentials_file_and_processes_after(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    setting: str,
    key: str,
) -> None:
    botocore(held())
    environ = files(f"[default]\n{setting}\n", f"[default]\n{KEYS}")
    assert (await chain(environ)()).access_key_id == key


async def test_a_web_identity_in_the_environment_counts_unless_a_profile_is_named(
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


@pytest.mark.parametrize(
    ("config", "environ", "what"),
    [
        ("", {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *(
            (f"[profile a b]\n{setting} = x\n[default]\n{setting} = x\n", {}, setting)
            for setting in (
                "role_arn",
                "web_identity_token_file",
                "sso_account_id",
                "login_session",
                "credential_process",
            )
        ),
    ],
)
async def test_without_botocore_the_error_says_what_to_install_and_for_what(
    files: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    environ: dict[str, str],
    what: str,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    text = await failure({**files(config), **environ})
    where = what if environ else f"{what} of profile 'default'"
    assert text == f"{where} needs botocore: pip install 'lambdacore-async[botocore]'"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (None, "finds no credentials"),
        (KeyError("no source"), "KeyError: 'no source'"),
        (held(OSError("sts is down")), "botocore: OSError: sts is down"),
    ],
)
async def test_what_botocore_cannot_find_is_an_error(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    found: object,
    problem: str,
) -> None:
    botocore(found)
    assert problem in await failure(files("[default]\nrole_arn = x\n"))


@pytest.fixture
def real(
    files: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, str]]:
    """Writes the shared files, and sets the variables for botocore itself."""

    def write(config: str = "", **more: str) -> dict[str, str]:
        environ = {**files(config), **more}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return environ

    return write


async def test_a_process_is_run_by_botocore_itself(real: Callable[..., dict[str, str]]) -> None:
    keys = {"Version": 1, "AccessKeyId": "AKIDRUN", "SecretAccessKey": "the-secret-key"}
    program = f"import json; print(json.dumps({keys}))"
    environ = real(f'[default]\ncredential_process = {sys.executable} -c "{program}"\n')
    assert (await chain(environ)()).access_key_id == "AKIDRUN"


async def test_an_end_without_a_zone_that_a_process_tells_is_in_utc(
    real: Callable[..., dict[str, str]],
) -> None:
    keys = {
        "Version": 1,
        "AccessKeyId": "AKIDRUN",
        "SecretAccessKey": "the-secret-key",
        "SessionToken": "the-session-token",
        "Expiration": "2999-11-24T12:00:00",
    }
    program = f"import json; print(json.dumps({keys}))"
    environ = real(f'[default]\ncredential_process = {sys.executable} -c "{program}"\n')
    found = await chain(environ)()
    assert found.expires_at == datetime(2999, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("no-such-program --x", "no-such-program: No such file or directory"),
        (os.devnull, f"{os.devnull}: Permission denied"),
        ("/bin/echo the-secret-key", "botocore: JSONDecodeError: Expecting value"),
        (
            """/bin/sh -c 'printf "a\\r\\nSecretAccessKey: the-secret-key\\033[2J" >&2; exit 1'""",
            "custom-process: a\\r\\nSecretAccessKey: ***",
        ),
    ],
)
async def test_a_process_that_fails_is_told_without_what_it_printed_of_keys(
    real: Callable[..., dict[str, str]], program: str, problem: str
) -> None:
    text = await failure(real(f"[default]\ncredential_process = {program}\n"))
    assert text.startswith("credential_process of profile 'default': ")
    assert problem in text
    assert text.isprintable()


async def test_a_busy_executor_delays_neither_files_nor_botocore(
    real: Callable[..., dict[str, str]], botocore: Callable[[object], list[str | None]]
) -> None:
    botocore(held())
    async with busy_executor():
        environ = real("[default]\nrole_arn = x\n")
        assert (await chain(environ)()).access_key_id == "AKIDBOTO"
        auth: Any = SimpleNamespace(_refreshable_credentials=held())
        origin = as_provider(auth)
        assert not isinstance(origin, Credentials)
        assert (await origin()).access_key_id == "AKIDBOTO"


#: A call whose credentials never come, given up by the caller; then the program ends.
GIVES_UP: Final = """
import asyncio

from lambdacore_async import LambdaCoreClient


async def main():
    async with LambdaCoreClient("us-east-1", endpoint_url="http://127.0.0.1:9") as client:
        try:
            async with asyncio.timeout(0.5):
                await client.get_network_connector("a")
        except TimeoutError:
            print("given up")


asyncio.run(main())
"""


def test_a_process_that_hangs_does_not_keep_the_program_from_ending(
    real: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "hang").write_text(f"echo $$ > {tmp_path / 'pid'}; exec sleep 600")
    real(f"[default]\ncredential_process = /bin/sh {tmp_path / 'hang'}\n")
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", GIVES_UP],
        env={name: value for name, value in os.environ.items() if "COV" not in name},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if (tmp_path / "pid").exists():
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert (done.returncode, done.stdout, done.stderr) == (0, "given up\n", "")


SSO: Final = (
    "sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
    "sso_account_id = 123456789012\nsso_role_name = x\n"
)
SESSION: Final = (
    "[sso-session my]\nsso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n"
    "[profile dev]\nsso_session = my\nsso_account_id = 123456789012\nsso_role_name = x\n"
)
CHAINED: Final = (
    "[profile top]\nrole_arn = x\nsource_profile = mid\n"
    f"[profile mid]\nrole_arn = x\nsource_profile = dev\n[profile dev]\n{SSO}"
)


@pytest.mark.parametrize(
    ("config", "profile", "login"),
    [
        (f"[profile dev]\n{SSO}", "dev", "dev"),
        (f"[default]\n{SSO}", None, "default"),
        (f'[profile "my own"]\n{SSO}', "my own", "'my own'"),
        (SESSION, "dev", "dev"),
        (CHAINED, "top", "dev"),
    ],
)
async def test_a_login_that_is_missing_is_told_with_what_to_run(
    real: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    config: str,
    profile: str | None,
    login: str,
) -> None:
    for name in ("credentials.SSOProvider", "tokens.SSOTokenProvider"):
        monkeypatch.setattr(f"botocore.{name}._SSO_TOKEN_CACHE_DIR", str(tmp_path / "cache"))

    async def region() -> str:
        return "eu-west-1"

    environ = real(config)
    find = DefaultChain(environ, AiohttpTransport, FakeClock(), profile, region=region)
    with pytest.raises(CredentialsError) as caught:
        await find()
    assert str(caught.value).endswith(
        f": there is no valid login; run `aws sso login --profile {login}`"
    )


@pytest.mark.parametrize(
    ("kind", "command"),
    [
        ("UnauthorizedSSOTokenError", "aws sso login"),
        ("SSOTokenLoadError", "aws sso login"),
        ("TokenRetrievalError", "aws sso login"),
        ("LoginRefreshRequired", "aws login"),
        ("LoginTokenLoadError", "aws login"),
    ],
)
async def test_a_login_that_has_ended_is_told_with_what_to_run(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    kind: str,
    command: str,
) -> None:
    botocore(judge.error(kind, error_msg="ended", provider="sso"))
    environ = files("[profile dev]\nrole_arn = x\nsource_profile = dev\n")
    assert await failure(environ, "dev") == (
        f"role_arn of profile 'dev': there is no valid login; run `{command} --profile dev`"
    )


class Sts:
    """Stands in the place of botocore's connections."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.bundles: list[object] = []

    def send(self, session: Any, request: Any) -> None:
        self.urls.append(request.url)
        self.bundles.append(session._verify)
        raise ConnectionError("nobody there")


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Sts:
    """Where botocore sends, with which CA bundle."""
    played = Sts()

    def send(session: Any, request: Any) -> None:
        played.send(session, request)

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)
    return played


ROLE: Final = (
    f"[profile dev]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = dev\n{KEYS}"
)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("eu-west-1", "sts.eu-west-1.amazonaws.com"),
        ("fips-us-east-1", "sts.us-east-1.amazonaws.com"),
    ],
)
@pytest.mark.parametrize("way", ["argument", "variable", "profile", "view"])
@pytest.mark.parametrize("identity", ["web", "role"])
async def test_roles_are_assumed_in_the_clients_region(
    real: Callable[..., dict[str, str]],
    sts: Sts,
    tmp_path: Path,
    region: str,
    host: str,
    way: str,
    identity: str,
) -> None:
    config = ROLE + (f"region = {region}\n" if way == "profile" else "")
    real(config, **({"AWS_REGION": region} if way == "variable" else {}))
    if identity == "web":
        os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(tmp_path / "credentials")
        os.environ["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/x"
        os.environ["AWS_PROFILE"] = "dev"
        (tmp_path / "credentials").write_text("the-web-identity")
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    (tmp_path / "ca.pem").write_text(self_signed().certificate)
    given: dict[str, Any] = {"region": region} if way == "argument" else {}
    profile = "dev" if identity == "role" else None
    async with LambdaCoreClient(profile=profile, ca_bundle=tmp_path / "ca.pem", **given) as client:
        view = client.with_options(region=region) if way == "view" else client
        with pytest.raises(CredentialsError, match="nobody there"):
            await view.get_network_connector("a")
    assert sts.urls == [f"https://{host}/"]
    assert sts.bundles == [str(tmp_path / "ca.pem")]


async def test_a_role_that_needs_an_mfa_code_is_refused_and_nobody_prompted(
    real: Callable[..., dict[str, str]], sts: Sts
) -> None:
    environ = real(f"{ROLE}mfa_serial = arn:aws:iam::123456789012:mfa/x\n")
    with pytest.raises(CredentialsError) as caught:
        await chain(environ, "dev")()
    assert str(caught.value) == (
        "role_arn of profile 'dev': the role needs an MFA code; pass temporary credentials, such "
        "as those of `aws configure export-credentials --profile dev`"
    )
    assert sts.urls == []


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
def test_the_credentials_are_those_that_botocore_finds(
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
            # The files are not asked for what the environment has; botocore opens them first.
            theirs = _keys(variables) if profile is None else None
    try:
        ours = asyncio.run(chain(environ, profile)())
    except (CredentialsError, ConfigurationError):
        ours = None
    assert ours == theirs


# What callers pass


async def provide() -> Credentials:
    return CREDENTIALS


class Provider:
    async def __call__(self) -> Credentials:
        return CREDENTIALS


async def test_credentials_may_be_passed_in_many_forms() -> None:
    assert as_provider(CREDENTIALS) is CREDENTIALS
    assert as_provider(provide) is provide
    for origin in (as_provider(Provider()), as_provider(Provider().__call__)):
        assert not isinstance(origin, Credentials)
        assert await origin() is CREDENTIALS
    parts = ("AKIDEXAMPLE", "the-secret-key", "host", "us-east-1", "lambda")
    auth: Any = AWSRequestsAuth
    assert as_provider(auth(*parts, "the-session-token")) == CREDENTIALS
    assert as_provider(auth(*parts)) == Credentials("AKIDEXAMPLE", "the-secret-key")


async def test_an_object_that_asks_botocore_is_asked_again_in_a_thread() -> None:
    auth: Any = SimpleNamespace(
        aws_access_key=None,
        aws_secret_access_key=None,
        aws_token=None,
        _refreshable_credentials=held(),
    )
    origin = as_provider(auth)
    assert not isinstance(origin, Credentials)
    assert await origin() == Credentials("AKIDBOTO", "the-secret-key", None, NOON)
    again = as_provider(auth)
    assert (origin, hash(origin)) == (again, hash(again))
    auth._refreshable_credentials = held()
    assert as_provider(auth) != origin
    assert origin != auth


async def test_an_end_without_a_zone_that_botocore_holds_is_in_utc() -> None:
    found = held()
    found._expiry_time = NOON.replace(tzinfo=None)
    auth: Any = SimpleNamespace(_refreshable_credentials=found)
    origin = as_provider(auth)
    assert not isinstance(origin, Credentials)
    assert (await origin()).expires_at == NOON


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (OSError("sts\n is down"), r"^botocore: OSError: sts\\n is down$"),
        (CredentialsError("no"), "^botocore: no$"),
    ],
)
async def test_an_object_of_botocore_that_fails_is_an_error(
    failure: Exception, problem: str
) -> None:
    auth: Any = SimpleNamespace(_refreshable_credentials=held(failure))
    origin = as_provider(auth)
    assert not isinstance(origin, Credentials)
    with pytest.raises(CredentialsError, match=problem):
        await origin()


async def test_a_mock_of_a_provider_is_a_provider() -> None:
    provider = mock.AsyncMock(return_value=CREDENTIALS)
    assert as_provider(provider) is provider


@pytest.mark.parametrize(
    "credentials",
    [
        {"AccessKeyId": "the-secret-key"},
        "the-secret-key",
        lambda: CREDENTIALS,
        1,
        True,
        Credentials,
        Provider,
        SimpleNamespace(aws_access_key=None, aws_secret_access_key=None),
    ],
)
def test_anything_else_is_refused_by_name_and_not_shown(credentials: Any) -> None:
    with pytest.raises(ParameterError, match="credentials: must be") as caught:
        LambdaCoreClient("us-east-1", credentials=credentials)
    assert_no_secret(caught.value)


async def test_a_client_signs_with_what_a_provider_gives() -> None:
    async with LocalLambdaCore() as aws:

        async def provide() -> Credentials:
            return aws.credentials

        async with LambdaCoreClient(
            aws.region, credentials=provide, endpoint_url=aws.endpoint_url
        ) as client:
            assert [connector async for connector in client.list_network_connectors()] == []


async def test_a_client_finds_what_the_environment_has(monkeypatch: pytest.MonkeyPatch) -> None:
    async with LocalLambdaCore() as aws:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.credentials.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.credentials.secret_access_key)
        async with LambdaCoreClient(aws.region, endpoint_url=aws.endpoint_url) as client:
            assert [connector async for connector in client.list_network_connectors()] == []


async def test_nothing_is_opened_on_the_loop_and_no_secret_is_logged(
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
