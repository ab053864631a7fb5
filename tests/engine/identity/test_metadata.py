"""Credentials from metadata services; a loopback server plays the services."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdacore_async import (
    ConfigurationError,
    Credentials,
    CredentialsError,
    ResponseError,
    TransportError,
)
from lambdacore_async.engine.identity.metadata import (
    ContainerCredentials,
    InstanceCredentials,
    MetadataClient,
)
from lambdacore_async.engine.profiles import Profile
from lambdacore_async.engine.transport.session import AiohttpTransport, Transport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.clocks import FakeClock
from support.leaks import (
    assert_no_secret,
    assert_no_secret_in_frames,
    cancel_at,
    other_tasks,
    settle,
)
from support.threads import busy_executor
from support.transports import FakeTransport, answer
from support.wire import Script, Step, Wire, http, wire

KEYS: Final = {
    "AccessKeyId": "AKIDEXAMPLE",
    "SecretAccessKey": "the-secret-key",
    "Token": "the-session-token",
    "Expiration": "2026-11-24T18:00:00Z",
}
ANSWER: Final = http(json.dumps(KEYS).encode())
FOUND: Final = Credentials(
    "AKIDEXAMPLE", "the-secret-key", "the-session-token", datetime(2026, 11, 24, 18, tzinfo=UTC)
)
RELATIVE: Final = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x?a=b"}
PROFILE: Final = Profile("default")
PUT: Final = [http(b"a-token==")]


class PatientTransport(AiohttpTransport):
    """Ignores the short timeouts of metadata services, because the test machine may be busy."""

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        return await super().send(endpoint, request, Timeout())


async def trust_the_system() -> None:
    """Load no certificates."""


def metadata_client(
    connect: Callable[[], Transport] = PatientTransport,
    clock: FakeClock | None = None,
    trust: Callable[[], Awaitable[object]] = trust_the_system,
) -> MetadataClient:
    return MetadataClient(connect, clock or FakeClock(), trust)


async def container(
    environ: Mapping[str, str], transport: Transport | None = None, clock: FakeClock | None = None
) -> Credentials | None:
    connect = PatientTransport if transport is None else lambda: transport
    return await ContainerCredentials(environ, metadata_client(connect, clock))()


async def instance(
    environ: Mapping[str, str], transport: Transport | None = None, profile: Profile = PROFILE
) -> Credentials:
    connect = PatientTransport if transport is None else lambda: transport
    return await InstanceCredentials(environ, metadata_client(connect), profile)()


def full(peer: Wire) -> dict[str, str]:
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{peer.endpoint.url}/get?id=1"}


def base(peer: Wire) -> dict[str, str]:
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{peer.endpoint.url}/"}


async def failure(found: Any) -> CredentialsError:
    with pytest.raises(CredentialsError) as caught:
        await found
    assert_no_secret(caught.value)
    return caught.value


# Containers


async def test_without_its_variables_the_container_has_no_credentials() -> None:
    assert await container({}) is None


async def test_a_container_returns_credentials_with_their_expiration() -> None:
    async with wire([ANSWER]) as peer:
        assert await container(full(peer)) == FOUND
    assert peer.requests[0].startswith(b"GET /get?id=1 HTTP/1.1\r\n")
    assert "authorization" not in peer.headers()
    assert other_tasks() == set()


async def test_a_relative_uri_is_on_the_host_of_ecs() -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    assert await container(RELATIVE, transport) == FOUND
    assert transport.endpoints[0].url == "http://169.254.170.2"
    assert transport.requests[0].target == "/v2/credentials/x?a=b"
    assert transport.closed


async def test_a_uri_without_a_path_is_requested_at_its_root() -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://example.com"}
    await container(environ, transport)
    assert (transport.endpoints[0].url, transport.requests[0].target) == (
        "https://example.com",
        "/",
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a",
        "http://[::1]:80/a",
        "http://localhost:8080/a",
        "http://169.254.170.2/a",
        "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/credentials",
        "https://anywhere.example/a",
    ],
)
async def test_a_token_is_sent_to_this_machine_or_over_tls(url: str) -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc",
    }
    await container(environ, transport)
    assert transport.requests[0].headers["authorization"] == "Basic abc"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/a",
        "http://169.254.169.254/a",
        "http://localhost.example/a",
        "ftp://localhost/a",
        "https:///a",
        "nonsense",
        "http://[::1/a",
        "http://localhost:99999/a",
        "http://localhost:0x50/a",
        "http://me@localhost/a",
        "https://@example.com/a",
        "http://user:PASSWORD@localhost/a",
        "http://user:PASSWORD/x@localhost",
        "https://user:PASSWORD/x@[::1",
        "https://PASSWORD@",
        "https://example.com/a b",
        "https://example.com/a\r\nx-forged: 1",
        "https://example.com/a\tb",
        " https://example.com/a",
        "https://example.com/ä",
        "https://exämple.com/a",
        "https://example.com/\ud800",
        "https://example.com/a\\b",
        "https://example.com/a?b={c}",
    ],
)
async def test_a_token_is_sent_to_no_other_url(url: str) -> None:
    transport = FakeTransport()
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic the-secret-key",
    }
    error = await failure(container(environ, transport))
    assert str(error).startswith("AWS_CONTAINER_CREDENTIALS_FULL_URI: must be ")
    assert "PASSWORD" not in str(error)
    assert str(error).isprintable()
    assert transport.requests == []
    assert_no_secret_in_frames(error)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("@evil.example/a", "must start with a slash"),
        (":80/a", "must start with a slash"),
        (".evil.example", "must start with a slash"),
        ("/a b", "must be "),
        ("/ä", "must be "),
        ("/a\r\nb", "must be "),
    ],
)
async def test_a_relative_uri_must_be_a_path(uri: str, problem: str) -> None:
    error = await failure(container({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": uri}))
    assert str(error).startswith(f"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: {problem}")


@given(st.text() | st.text(st.sampled_from("http://[]:@?#%12.a \r\n")))
def test_any_uri_is_requested_or_rejected_with_an_error(url: str) -> None:
    assume(url)
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}
    problem = ""
    try:
        asyncio.run(container(environ, transport))
    except CredentialsError as error:
        problem = str(error)
    targets = [request.target for request in transport.requests]
    assert len(targets) == (0 if problem else 1)
    assert problem.isprintable()
    assert all(re.fullmatch(r"/[!-~]*", target) for target in targets)


async def test_the_trusted_certificates_are_loaded_for_https_only() -> None:
    read = 0

    async def trust() -> None:
        nonlocal read
        read += 1

    for url, times in (("http://localhost/a", 0), ("https://example.com/a", 1)):
        transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
        environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}
        connect = partial(next, iter([transport]))
        await ContainerCredentials(environ, metadata_client(connect, trust=trust))()
        assert read == times


async def test_a_token_file_is_read_at_each_refresh_and_precedes_the_variable(
    tmp_path: Path,
) -> None:
    file = tmp_path / "token"
    async with wire([ANSWER], [ANSWER]) as peer:
        environ = {
            **full(peer),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "old",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file),
        }
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            await container(environ)
            assert peer.headers()["authorization"] == token


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"the-secret-key\xff", "the file is not UTF-8 text"),
        (b"the-secret-key\nb", "the token is not printable ASCII"),
        ("the-secret-keyä".encode(), "the token is not printable ASCII"),
    ],
)
async def test_the_error_of_an_invalid_token_file_does_not_show_the_token(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    error = await failure(container({**RELATIVE, variable: str(file)}))
    assert str(error) == f"{variable}: {file}: {problem}"
    assert_no_secret_in_frames(error)


async def test_the_error_of_an_invalid_token_variable_does_not_show_the_token() -> None:
    environ = {**RELATIVE, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "the-secret-key\nb"}
    error = await failure(container(environ))
    assert str(error) == ("AWS_CONTAINER_AUTHORIZATION_TOKEN: the token is not printable ASCII")
    assert_no_secret_in_frames(error)


async def test_a_token_file_is_read_in_a_dedicated_thread(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc")
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    environ = {**RELATIVE, variable: str(tmp_path / "token")}
    async with busy_executor():
        await container(environ, transport)
    assert transport.requests[0].headers["authorization"] == "abc"


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([http(b"no json")], "the response is not a JSON object"),
        ([http(b"[]")], "the response is not a JSON object"),
        ([http(b"{}")], "the response has no complete credentials"),
        (
            [http(json.dumps({**KEYS, "Expiration": None}).encode())],
            "the response has no complete credentials",
        ),
        (
            [http(json.dumps({**KEYS, "Expiration": "soon"}).encode())],
            "the response has no complete credentials",
        ),
        (
            [http(json.dumps({**KEYS, "AccessKeyId": 1}).encode())],
            "the response has no complete credentials",
        ),
        (
            [http(json.dumps({**KEYS, "Token": "a b"}).encode())],
            "the response has no complete credentials",
        ),
        ([http(b'{"Code": "Failed", "Message": "no trust"}')], "Failed: no trust"),
        ([http(b"[" * 60_000)], "the response is not a JSON object"),
        (
            [http(json.dumps({**KEYS, "Expiration": 1.8e9}).encode())],
            "the response has no complete credentials",
        ),
        ([http(json.dumps({**KEYS, "Code": ["x"]}).encode())], "['x']"),
    ],
)
async def test_an_invalid_response_is_an_error(script: Script, problem: str) -> None:
    async with wire(script) as peer:
        error = await failure(container(full(peer)))
    assert problem in str(error)
    assert len(peer.requests) == 1
    assert_no_secret_in_frames(error)


async def test_an_expiration_without_a_zone_is_in_utc() -> None:
    body = json.dumps({**KEYS, "Expiration": "2026-11-24T18:00:00"}).encode()
    async with wire([http(body)]) as peer:
        assert await container(full(peer)) == FOUND


#: A hostile message: a forged line, terminal escapes, keys, and too much text.
HOSTILE: Final = (
    "no\r\nforged: line \x1b[2J\u202e the-secret-key the-session-token Basic the-container "
    + "x" * 10_000
)


@pytest.mark.parametrize(
    ("status", "names"),
    [("200 OK", ("Code", "Message")), ("403 No", ("code", "message")), ("500 No", ("Message",))],
)
async def test_the_message_of_a_service_is_shown_on_one_line_cut_and_without_keys(
    status: str, names: tuple[str, ...]
) -> None:
    body = json.dumps({**KEYS, **dict.fromkeys(names, HOSTILE)}).encode()
    async with wire(*[[http(body, status=status)]] * 3) as peer:
        environ = {**full(peer), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic the-container"}
        error = await failure(container(environ))
    assert str(error).isprintable()
    assert len(str(error)) < 300
    assert "no\\r\\nforged: line \\x1b[2J\\u202e *** ***" in str(error)
    if status != "200 OK":
        assert "the-container " not in str(error)
    assert_no_secret_in_frames(error)


async def test_a_response_that_is_too_large_is_an_error_and_not_shown() -> None:
    start = json.dumps(KEYS).encode()
    refused = ResponseError("the body is too large", status_code=200, body_start=start)
    transport = FakeTransport(*[refused] * 3)
    error = await failure(container(RELATIVE, transport))
    assert str(error) == "the container's credentials service: the body is too large"
    assert transport.requests[0].max_response == 64 * 1024


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([http(b'{"message": "no such role"}', status="404 No")], "404 no such role"),
        ([http(b"no json", status="500 No")], "it answered 500"),
        ([http(b"", status="401 No")], "it answered 401 with an empty body"),
        ([http(b"")], "it answered 200 with an empty body"),
        ([Step.RESET], "connection"),
        ([b"garbage\r\n\r\n"], "not HTTP"),
    ],
)
async def test_a_service_that_fails_gets_three_attempts(script: Script, problem: str) -> None:
    clock = FakeClock()
    async with wire(*[script] * 3) as peer:
        error = await failure(container(full(peer), clock=clock))
    assert problem in str(error)
    assert (len(peer.requests), clock.sleeps) == (3, [1.0, 1.0])


async def test_a_service_that_recovers_returns_credentials() -> None:
    async with wire([Step.CLOSE], [http(b"", status="503 No")], [ANSWER]) as peer:
        assert await container(full(peer)) == FOUND


async def test_a_request_times_out_after_two_seconds() -> None:
    transport = FakeTransport(*[TransportError("nothing comes")] * 3)
    error = await failure(container(RELATIVE, transport))
    assert "nothing comes" in str(error)
    assert {timeout.attempt for timeout in transport.timeouts} == {2.0}
    assert transport.closed


async def test_cancelling_leaves_no_connection_and_no_task() -> None:
    async with wire(*[[http(status="500 Oops")]] * 50) as peer:
        step = 0
        while await cancel_at(step, failure(container(full(peer)))):
            step += 1
        await peer.disconnected()
    await settle()
    assert step > 4
    assert other_tasks() == set()


# Instances


async def test_an_instance_gives_the_credentials_of_its_role() -> None:
    async with wire(PUT, [http(b"my role\n".replace(b" ", b"-"))], [ANSWER]) as peer:
        assert await instance(base(peer)) == FOUND
    assert [head[0] for head in peer.heads] == [
        "PUT /latest/api/token HTTP/1.1",
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1",
        "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1",
    ]
    assert peer.headers(0)["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert peer.headers(1)["x-aws-ec2-metadata-token"] == "a-token=="
    assert peer.headers(2)["x-aws-ec2-metadata-token"] == "a-token=="


@pytest.mark.parametrize(
    ("variable", "value", "name"),
    [
        ("AWS_EC2_METADATA_DISABLED", "yes", "AWS_EC2_METADATA_DISABLED: must be true or false"),
        ("AWS_EC2_METADATA_DISABLED", "1\n", "AWS_EC2_METADATA_DISABLED: must be true or false"),
        (
            "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
            "ipv5",
            "ec2_metadata_service_endpoint_mode (AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE): must be",
        ),
        *(
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                url,
                "ec2_metadata_service_endpoint (AWS_EC2_METADATA_SERVICE_ENDPOINT): must be",
            )
            for url in (
                "localhost",
                "ftp://localhost",
                "http://[::1",
                "http://user:PASSWORD@localhost",
                "http://user:PASSWORD/x@localhost",
                "http://localhost:PASSWORD",
                "http://localhost/a b",
                "http://localhost/?a",
                "http://localhost/#a",
                "http://exämple.com",
            )
        ),
    ],
)
async def test_an_invalid_setting_of_the_metadata_service_is_named(
    variable: str, value: str, name: str
) -> None:
    transport = FakeTransport()
    with pytest.raises(ConfigurationError) as caught:
        await instance({variable: value}, transport)
    assert str(caught.value).startswith(name)
    assert str(caught.value).isprintable()
    assert "PASSWORD" not in str(caught.value)
    assert transport.requests == []


async def test_the_metadata_service_can_be_disabled() -> None:
    error = await failure(instance({"AWS_EC2_METADATA_DISABLED": "True"}))
    assert "AWS_EC2_METADATA_DISABLED" in str(error)


@pytest.mark.parametrize(
    ("environ", "settings", "url"),
    [
        ({}, {}, "http://169.254.169.254"),
        ({}, {"ec2_metadata_service_endpoint_mode": "IPv6"}, "http://[fd00:ec2::254]"),
        (
            {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4"},
            {"ec2_metadata_service_endpoint_mode": "IPv6"},
            "http://169.254.169.254",
        ),
        ({}, {"ec2_metadata_service_endpoint": "http://localhost:1/"}, "http://localhost:1"),
        (
            {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://localhost:2"},
            {"ec2_metadata_service_endpoint": "http://localhost:1"},
            "http://localhost:2",
        ),
    ],
)
async def test_the_endpoint_of_the_service_can_be_set(
    environ: dict[str, str], settings: dict[str, str], url: str
) -> None:
    transport = FakeTransport(TransportError("connection refused"))
    error = await failure(instance(environ, transport, Profile("default", settings)))
    assert transport.endpoints[0].url == url
    assert str(error) == f"the EC2 metadata service at {url}: connection refused"
    assert transport.timeouts[0].attempt == 1


async def test_timeout_and_attempts_can_be_set() -> None:
    transport = FakeTransport(*[TransportError("connection refused")] * 4)
    environ = {"AWS_METADATA_SERVICE_TIMEOUT": "3"}
    profile = Profile("default", {"metadata_service_num_attempts": "4"})
    await failure(instance(environ, transport, profile))
    assert [timeout.attempt for timeout in transport.timeouts] == [3] * 4


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "1000", "²", "0001" + "0" * 5000])
async def test_a_number_out_of_bounds_is_an_error(value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await instance({"AWS_METADATA_SERVICE_TIMEOUT": value})
    assert str(caught.value).startswith(
        "metadata_service_timeout (AWS_METADATA_SERVICE_TIMEOUT): must be a whole number from 1"
    )


@pytest.mark.parametrize(
    ("scripts", "problem"),
    [
        ([[http(b"", status="403 No")]], "403"),
        ([[http(b"a\r\nb")]], "an unexpected response"),
        ([PUT, [http(b"", status="404 No")]], "404"),
        ([PUT, [http(b"two words")]], "an unexpected response"),
        ([PUT, [http(b"role")], [http(b"<html>")]], "the response is not a JSON object"),
        ([PUT, [http(b"role")], [http(b"", status="500 No")]], "500"),
        ([[Step.CLOSE]], "closed"),
    ],
)
async def test_an_instance_that_has_no_credentials_says_why(
    scripts: list[Script], problem: str
) -> None:
    async with wire(*scripts) as peer:
        error = await failure(instance(base(peer)))
    assert problem in str(error)
    assert len(peer.requests) == len(scripts)
    assert_no_secret_in_frames(error, "the-secret-key", "a-token==")


async def test_credentials_of_an_instance_show_no_secret() -> None:
    async with wire(PUT, [http(b"role")], [ANSWER]) as peer:
        found = await instance(base(peer))
    assert_no_secret(found)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own
