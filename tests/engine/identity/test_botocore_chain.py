"""Credentials that botocore finds, and the errors that say what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from lambdacore_async import (
    Credentials,
    CredentialsError,
    LambdaCoreClient,
)
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.engine.identity.providers import as_provider
from lambdacore_async.engine.transport.session import AiohttpTransport
from support import botocore_judge as judge
from support.certificates import authority_pem
from support.clocks import NOON, FakeClock
from support.default_chain import KEYS, chain, failure, held
from support.threads import busy_executor


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
async def test_an_error_says_why_botocore_finds_no_credentials(
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
    """Writes the shared files, and sets the variables in the process, for botocore."""

    def write(config: str = "", **more: str) -> dict[str, str]:
        environ = {**files(config), **more}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        return environ

    return write


async def test_botocore_runs_a_credential_process(real: Callable[..., dict[str, str]]) -> None:
    keys = {"Version": 1, "AccessKeyId": "AKIDRUN", "SecretAccessKey": "the-secret-key"}
    program = f"import json; print(json.dumps({keys}))"
    environ = real(f'[default]\ncredential_process = {sys.executable} -c "{program}"\n')
    assert (await chain(environ)()).access_key_id == "AKIDRUN"


async def test_an_expiration_without_a_zone_from_a_process_is_in_utc(
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
async def test_the_error_of_a_failed_process_masks_the_keys_that_it_printed(
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
        provider = as_provider(auth)
        assert not isinstance(provider, Credentials)
        assert (await provider()).access_key_id == "AKIDBOTO"


#: A program that cancels a call whose credentials never arrive, and ends.
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


def test_a_process_that_hangs_does_not_block_the_end_of_the_program(
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
async def test_the_error_of_a_missing_login_names_the_command_to_run(
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
    assert str(caught.value).endswith(f": no valid login; run `aws sso login --profile {login}`")


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
async def test_the_error_of_an_expired_login_names_the_command_to_run(
    files: Callable[..., dict[str, str]],
    botocore: Callable[[object], list[str | None]],
    kind: str,
    command: str,
) -> None:
    botocore(judge.error(kind, error_msg="ended", provider="sso"))
    environ = files("[profile dev]\nrole_arn = x\nsource_profile = dev\n")
    assert await failure(environ, "dev") == (
        f"role_arn of profile 'dev': no valid login; run `{command} --profile dev`"
    )


class Sts:
    """Records the requests of botocore, and fails them."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.bundles: list[object] = []

    def send(self, session: Any, request: Any) -> None:
        self.urls.append(request.url)
        self.bundles.append(session._verify)
        raise ConnectionError("connection refused")


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Sts:
    """Records the URLs and the CA bundles of botocore's requests."""
    recorder = Sts()

    def send(session: Any, request: Any) -> None:
        recorder.send(session, request)

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", send)
    return recorder


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
    (tmp_path / "ca.pem").write_text(authority_pem())
    given: dict[str, Any] = {"region": region} if way == "argument" else {}
    profile = "dev" if identity == "role" else None
    async with LambdaCoreClient(profile=profile, ca_bundle=tmp_path / "ca.pem", **given) as client:
        view = client.with_options(region=region) if way == "view" else client
        with pytest.raises(CredentialsError, match="connection refused"):
            await view.get_network_connector("a")
    assert sts.urls == [f"https://{host}/"]
    assert sts.bundles == [str(tmp_path / "ca.pem")]


async def test_a_role_that_needs_an_mfa_code_is_an_error_without_a_prompt(
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


async def test_an_auth_object_of_botocore_becomes_a_provider_that_runs_in_a_thread() -> None:
    auth: Any = SimpleNamespace(
        aws_access_key=None,
        aws_secret_access_key=None,
        aws_token=None,
        _refreshable_credentials=held(),
    )
    provider = as_provider(auth)
    assert not isinstance(provider, Credentials)
    assert await provider() == Credentials("AKIDBOTO", "the-secret-key", None, NOON)
    again = as_provider(auth)
    assert (provider, hash(provider)) == (again, hash(again))
    auth._refreshable_credentials = held()
    assert as_provider(auth) != provider
    assert provider != auth


async def test_an_expiration_without_a_zone_from_botocore_is_in_utc() -> None:
    found = held()
    found._expiry_time = NOON.replace(tzinfo=None)
    auth: Any = SimpleNamespace(_refreshable_credentials=found)
    provider = as_provider(auth)
    assert not isinstance(provider, Credentials)
    assert (await provider()).expires_at == NOON


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (OSError("sts\n is down"), r"^botocore: OSError: sts\\n is down$"),
        (CredentialsError("no"), "^botocore: no$"),
    ],
)
async def test_a_botocore_object_that_fails_raises_a_credentials_error(
    failure: Exception, problem: str
) -> None:
    auth: Any = SimpleNamespace(_refreshable_credentials=held(failure))
    provider = as_provider(auth)
    assert not isinstance(provider, Credentials)
    with pytest.raises(CredentialsError, match=problem):
        await provider()
