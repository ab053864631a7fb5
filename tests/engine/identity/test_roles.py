"""`AssumeRole`, with botocore's client of STS and a server that speaks as STS does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from lambdacore_async import (
    AssumeRole,
    Credentials,
    CredentialsError,
    LambdaCoreClient,
    ParameterError,
)
from lambdacore_async.local import LocalLambdaCore
from support.certificates import authority_pem, server_context
from support.leaks import assert_no_secret
from support.pickled import through_pickle

ARN = "arn:aws:iam::123456789012:role/reader"
GRANTED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>
<SecretAccessKey>the-secret-key</SecretAccessKey><SessionToken>the-session-token</SessionToken>
<Expiration>2999-11-24T12:00:00Z</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""
DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"""


class Sts(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, str] = (200, GRANTED)
        self.asked: list[dict[str, list[str]]] = []
        self.scopes: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Sts)
        credential = self.headers["authorization"].partition("Credential=")[2]
        self.server.scopes.append(credential.partition(",")[0])
        length = int(self.headers["content-length"])
        self.server.asked.append(parse_qs(self.rfile.read(length).decode()))
        status, body = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its name


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    with Sts() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOURS")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-secret-key")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_the_role_is_assumed_with_the_credentials_of_the_process(sts: Sts) -> None:
    recipe = through_pickle(AssumeRole(ARN, region="eu-west-1", external_id="ours"))
    granted = Credentials(
        "ASIAROLE",
        "the-secret-key",
        "the-session-token",
        datetime(2999, 11, 24, 12, tzinfo=UTC),
    )
    assert await recipe() == granted
    (asked,) = sts.asked
    assert asked["RoleArn"] == [ARN]
    assert asked["ExternalId"] == ["ours"]
    assert asked["DurationSeconds"] == ["3600"]
    assert asked["RoleSessionName"] == ["lambdacore-async"]


async def test_a_refused_role_is_an_error_that_names_it(sts: Sts) -> None:
    sts.answer = (403, DENIED)
    problem = f"^cannot assume {ARN}: botocore: ClientError: "
    with pytest.raises(CredentialsError, match=problem) as raised:
        await AssumeRole(ARN, region="eu-west-1")()
    assert "AccessDenied" in str(raised.value)
    assert "ExternalId" not in sts.asked[0]
    assert_no_secret(raised.value)


async def test_without_botocore_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    with pytest.raises(CredentialsError, match=r"needs botocore: pip install 'lambdacore-async\["):
        await AssumeRole(ARN)()


@pytest.mark.parametrize(
    ("environ", "own", "of_client", "asked"),
    [
        ({}, None, "eu-west-1", "eu-west-1"),
        ({"AWS_REGION": "eu-west-2"}, None, None, "eu-west-2"),
        ({"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "us-west-2"}, None, None, "eu-west-2"),
        ({"AWS_DEFAULT_REGION": "us-west-2"}, None, None, "us-west-2"),
        ({"AWS_REGION": "eu-west-2"}, None, "eu-west-1", "eu-west-1"),
        ({"AWS_REGION": "eu-west-2"}, "eu-west-3", "eu-west-1", "eu-west-3"),
    ],
)
async def test_a_role_is_assumed_in_its_region_or_that_of_the_client_or_the_environment(
    sts: Sts,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    own: str | None,
    of_client: str | None,
    asked: str,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    role = AssumeRole(ARN, region=own)
    async with LocalLambdaCore(verify_signatures=False) as aws:
        aws.state.put_network_connector("prod")
        async with LambdaCoreClient(
            of_client, credentials=role, endpoint_url=aws.endpoint_url
        ) as client:
            await client.get_network_connector("prod")
    assert [scope.split("/")[2] for scope in sts.scopes] == [asked]


async def test_a_view_assumes_its_role_in_its_region(sts: Sts) -> None:
    async with LocalLambdaCore(verify_signatures=False) as aws:
        aws.state.put_network_connector("prod")
        async with aws.client() as client:
            view = client.with_options(region="eu-south-1", credentials=AssumeRole(ARN))
            await view.get_network_connector("prod")
    assert [scope.split("/")[2] for scope in sts.scopes] == ["eu-south-1"]


async def test_the_clients_certificates_apply_to_sts(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(authority_pem())
    sts.socket = server_context().wrap_socket(sts.socket, server_side=True)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"https://127.0.0.1:{sts.server_port}")
    client = LambdaCoreClient("eu-west-1", credentials=AssumeRole(ARN), ca_bundle=str(bundle))
    async with client:
        granted = await client._core.shared.credentials.get()
    assert granted.access_key_id == "ASIAROLE"


async def test_a_profile_that_needs_an_mfa_code_or_a_login_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = the-secret-key\n"
        "[profile ops]\nrole_arn = arn:aws:iam::1:role/hub\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::1:mfa/me\n"
        "[profile sso]\nsso_account_id = 1\nsso_role_name = r\nsso_region = eu-west-1\n"
        "sso_start_url = https://x.example\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(CredentialsError, match="the role needs an MFA code; .* --profile ops`"):
        await AssumeRole(ARN, profile="ops", region="eu-west-1")()
    with pytest.raises(CredentialsError, match="run `aws sso login --profile sso`"):
        await AssumeRole(ARN, profile="sso", region="eu-west-1")()


@pytest.mark.parametrize(
    "variable",
    [
        *("AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"),
        *("AWS_CA_BUNDLE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_DEFAULTS_MODE", "AWS_REGION"),
    ],
)
async def test_an_empty_variable_is_unset_for_botocore_too(
    sts: Sts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(
        f"[default]\nrole_arn = {ARN}\nsource_profile = base\nregion = eu-west-1\n"
    )
    (tmp_path / ".aws" / "credentials").write_text(
        "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = the-secret-key\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, "")
    for credentials in (None, AssumeRole(ARN)):
        client = LambdaCoreClient(credentials=credentials)
        async with client:
            granted = await client._core.shared.credentials.get()
        assert granted.access_key_id == "ASIAROLE"


@pytest.mark.parametrize("arn", ["reader", "", None, 5])
def test_a_role_is_an_arn(arn: str) -> None:
    with pytest.raises(ParameterError, match="^role_arn: "):
        AssumeRole(arn)
