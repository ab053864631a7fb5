"""The metadata services of containers and instances, played by a server on this machine."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from lambdacore_async import Credentials, CredentialsError, TransportError
from lambdacore_async.engine.identity.metadata import Metadata
from lambdacore_async.engine.profiles import Profile
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.clocks import FakeClock
from support.leaks import assert_no_secret, cancel_at, other_tasks, settle
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


class Patient(AiohttpTransport):
    """Waits longer than one does for a metadata service; this machine may be busy."""

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        return await super().send(endpoint, request, Timeout())


def metadata(environ: Mapping[str, str], clock: FakeClock | None = None) -> Metadata:
    return Metadata(environ, Patient, clock or FakeClock())


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


async def test_without_its_variables_there_is_no_container() -> None:
    assert await metadata({}).container() is None


async def test_a_container_gives_credentials_with_their_end() -> None:
    async with wire([ANSWER]) as peer:
        assert await metadata(full(peer)).container() == FOUND
    assert peer.requests[0].startswith(b"GET /get?id=1 HTTP/1.1\r\n")
    assert "authorization" not in peer.headers()
    assert other_tasks() == set()


async def test_a_relative_address_is_on_the_host_of_ecs() -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    assert await Metadata(RELATIVE, lambda: transport, FakeClock()).container() == FOUND
    assert transport.endpoints[0].url == "http://169.254.170.2"
    assert transport.requests[0].target == "/v2/credentials/x?a=b"
    assert transport.closed


async def test_an_address_without_a_path_is_asked_for_its_root() -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://example.com"}
    await Metadata(environ, lambda: transport, FakeClock()).container()
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
async def test_a_token_goes_to_this_machine_or_over_tls(url: str) -> None:
    transport = FakeTransport(answer(body=json.dumps(KEYS).encode()))
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic abc",
    }
    await Metadata(environ, lambda: transport, FakeClock()).container()
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
    ],
)
async def test_a_token_goes_nowhere_else(url: str) -> None:
    error = await failure(metadata({"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}).container())
    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI" in str(error)


async def test_a_token_file_is_read_for_each_refresh_and_counts_before_the_variable(
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
            await metadata(environ).container()
            assert peer.headers()["authorization"] == token


@pytest.mark.parametrize("content", [None, b"\xff", b"a\nb", "ä".encode()])
async def test_a_token_that_cannot_be_sent_is_an_error_that_does_not_show_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    environ = {**RELATIVE, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
    error = await failure(metadata(environ).container())
    assert "token" in str(error).lower()
    assert "\\xff" not in str(error)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([http(b"no json")], "the answer is not a JSON object"),
        ([http(b"[]")], "the answer is not a JSON object"),
        ([http(b"{}")], "no complete credentials"),
        ([http(json.dumps({**KEYS, "Expiration": None}).encode())], "no complete credentials"),
        ([http(json.dumps({**KEYS, "Expiration": "soon"}).encode())], "no complete credentials"),
        ([http(json.dumps({**KEYS, "AccessKeyId": 1}).encode())], "no complete credentials"),
        ([http(json.dumps({**KEYS, "Token": "a b"}).encode())], "no complete credentials"),
        ([http(b'{"Code": "Failed", "Message": "no trust"}')], "Failed: no trust"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_an_error(script: Script, problem: str) -> None:
    async with wire(script) as peer:
        error = await failure(metadata(full(peer)).container())
    assert problem in str(error)
    assert len(peer.requests) == 1


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([http(b'{"message": "no such role"}', status="404 No")], "404 no such role"),
        ([http(b"no json", status="500 No")], "it answered 500"),
        ([http(b"", status="401 No")], "401 without a word"),
        ([http(b"")], "200 without a word"),
        ([Step.RESET], "connection"),
        ([b"garbage\r\n\r\n"], "not HTTP"),
    ],
)
async def test_a_service_that_fails_is_asked_three_times(script: Script, problem: str) -> None:
    clock = FakeClock()
    async with wire(*[script] * 3) as peer:
        error = await failure(metadata(full(peer), clock).container())
    assert problem in str(error)
    assert (len(peer.requests), clock.sleeps) == (3, [1.0, 1.0])


async def test_a_service_that_recovers_is_forgiven() -> None:
    async with wire([Step.CLOSE], [http(b"", status="503 No")], [ANSWER]) as peer:
        assert await metadata(full(peer)).container() == FOUND


async def test_a_request_has_two_seconds_and_goes_through_no_proxy() -> None:
    transport = FakeTransport(*[TransportError("nothing comes")] * 3)
    error = await failure(Metadata(RELATIVE, lambda: transport, FakeClock()).container())
    assert "nothing comes" in str(error)
    assert {timeout.attempt for timeout in transport.timeouts} == {2.0}
    assert transport.closed


async def test_cancelling_leaves_no_connection_and_no_task() -> None:
    async with wire(*[[http(status="500 Oops")]] * 50) as peer:
        step = 0
        while await cancel_at(step, failure(metadata(full(peer)).container())):
            step += 1
        await peer.hung_up()
    await settle()
    assert step > 4
    assert other_tasks() == set()


# Instances


def instance(peer: Wire, **more: str) -> Any:
    return metadata({**base(peer), **more}).instance(PROFILE)


async def test_an_instance_gives_the_credentials_of_its_role() -> None:
    async with wire(PUT, [http(b"my role\n".replace(b" ", b"-"))], [ANSWER]) as peer:
        assert await instance(peer) == FOUND
    assert [head[0] for head in peer.heads] == [
        "PUT /latest/api/token HTTP/1.1",
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1",
        "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1",
    ]
    assert peer.headers(0)["x-aws-ec2-metadata-token-ttl-seconds"] == "21600"
    assert peer.headers(1)["x-aws-ec2-metadata-token"] == "a-token=="
    assert peer.headers(2)["x-aws-ec2-metadata-token"] == "a-token=="


async def test_the_metadata_service_can_be_switched_off() -> None:
    error = await failure(metadata({"AWS_EC2_METADATA_DISABLED": "True"}).instance(PROFILE))
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
async def test_where_the_service_is_can_be_set(
    environ: dict[str, str], settings: dict[str, str], url: str
) -> None:
    transport = FakeTransport(TransportError("nobody there"))
    found = Metadata(environ, lambda: transport, FakeClock())
    error = await failure(found.instance(Profile("default", settings)))
    assert transport.endpoints[0].url == url
    assert str(error) == f"the EC2 metadata service at {url}: nobody there"
    assert transport.timeouts[0].attempt == 1


async def test_timeout_and_attempts_can_be_set() -> None:
    transport = FakeTransport(*[TransportError("nobody there")] * 4)
    environ = {"AWS_METADATA_SERVICE_TIMEOUT": "3"}
    profile = Profile("default", {"metadata_service_num_attempts": "4"})
    await failure(Metadata(environ, lambda: transport, FakeClock()).instance(profile))
    assert [timeout.attempt for timeout in transport.timeouts] == [3] * 4


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "1000", "²"])
async def test_a_number_out_of_its_bounds_is_refused(value: str) -> None:
    environ = {"AWS_METADATA_SERVICE_TIMEOUT": value}
    error = await failure(metadata(environ).instance(PROFILE))
    assert "metadata_service_timeout" in str(error)


@pytest.mark.parametrize(
    ("scripts", "problem"),
    [
        ([[http(b"", status="403 No")]], "403"),
        ([[http(b"a\r\nb")]], "something else"),
        ([PUT, [http(b"", status="404 No")]], "404"),
        ([PUT, [http(b"two words")]], "something else"),
        ([PUT, [http(b"role")], [http(b"<html>")]], "not a JSON object"),
        ([PUT, [http(b"role")], [http(b"", status="500 No")]], "500"),
        ([[Step.CLOSE]], "closed"),
    ],
)
async def test_an_instance_that_has_no_credentials_says_why(
    scripts: list[Script], problem: str
) -> None:
    async with wire(*scripts) as peer:
        error = await failure(instance(peer))
    assert problem in str(error)
    assert len(peer.requests) == len(scripts)


async def test_credentials_of_the_machine_show_no_secret() -> None:
    async with wire(PUT, [http(b"role")], [ANSWER]) as peer:
        found = await instance(peer)
    assert_no_secret(found)
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own
