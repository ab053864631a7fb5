"""`AssumeRole`, with botocore's client of STS and a server that speaks as STS does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs

import pytest

from lambdacore_async import AssumeRole, Credentials, CredentialsError, ParameterError
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


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Sts)
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
    with pytest.raises(CredentialsError, match=f"^cannot assume {ARN}: ClientError: ") as raised:
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


@pytest.mark.parametrize("arn", ["reader", "", None, 5])
def test_a_role_is_an_arn(arn: str) -> None:
    with pytest.raises(ParameterError, match="^role_arn: "):
        AssumeRole(arn)
