"""The transport on both paths: it sends what was signed, and every failure has one clear error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import logging
import re
import socket
import ssl
import tracemalloc
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from aioresponses import aioresponses

from lambdacore_async import ParameterError, ResponseError, TransportError, TransportTimeoutError
from lambdacore_async.engine.transport import direct, session
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import ConfigurationError, LambdaCoreError
from lambdacore_async.protocol import sigv4
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import MAX_RESPONSE, Request
from support.certificates import server_context, trusting_context
from support.clocks import NOON
from support.leaks import (
    CREDENTIALS,
    assert_no_secret,
    assert_no_secret_in_frames,
    cancel_at,
    other_tasks,
    settle,
)
from support.tunnel import tunnel
from support.wire import Script, Step, Wire, http, reset, talking, wire

NOWHERE: Final = Endpoint("https://lambda.us-east-1.example", "lambda.us-east-1.example")


def signed(
    endpoint: Endpoint,
    method: str = "GET",
    target: str = "/2026-04-04/network-connectors/prod-egress",
    body: bytes | None = None,
    max_response: int = MAX_RESPONSE,
) -> Request:
    """Return a request that is signed as in the pipeline, so that it contains secrets."""
    return sigv4.sign(
        Request(method, target, {}, body, max_response),
        host=endpoint.host,
        credentials=CREDENTIALS,
        region="us-east-1",
        time=NOON,
        unsigned={"user-agent": "test", "accept-encoding": "identity"},
    )


@pytest.fixture(autouse=True, params=["direct connection", "session"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test on both paths."""
    monkeypatch.setattr(direct, "_KNOWN_SERIES", request.param == "direct connection")


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport()
    yield transport
    await transport.close()


async def failure(
    transport: AiohttpTransport,
    endpoint: Endpoint,
    *,
    method: str = "GET",
    timeout: Timeout | None = None,
    max_response: int = MAX_RESPONSE,
) -> LambdaCoreError:
    """Return the error of a request that fails; assert that it contains no secret."""
    request = signed(endpoint, method, max_response=max_response)
    with pytest.raises(LambdaCoreError) as caught:
        await transport.send(endpoint, request, timeout or Timeout())
    assert_no_secret(caught.value)
    assert_no_secret_in_frames(caught.value)
    return caught.value


def connections(transport: AiohttpTransport) -> tuple[int, int]:
    """Return the numbers of used and of idle connections."""
    session = transport._session
    assert session is not None
    pool = session.connector
    assert pool is not None
    direct = transport._direct
    kept = 0 if direct is None else sum(map(len, direct._idle.values()))
    return len(pool._acquired) - kept, kept + sum(map(len, pool._conns.values()))


# Requests


@pytest.mark.parametrize(
    "target",
    [
        "/2026-04-04/network-connectors/prod-egress",
        "/2026-04-04/network-connectors/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Anc%3Ax",
        "/2026-04-04/network-connectors/a%2Fb/versions",
        "/2026-04-04/network-connectors/..%2F..%2Fa",
        "/2026-04-04/network-connectors/%2E%2E",
        "/2026-04-04/network-connectors/a%20b%25%3F%23",
        "/2026-04-04/network-connectors/%E6%97%A5%00",
        "/2026-04-04/network-connectors?Marker=a%2Fb%3D%3D%26&State=a%20b%2B",
        "/2026-04-04/network-connectors?Marker=",
        "/prefix/../2026-04-04//network-connectors/~x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_the_request_line_is_the_signed_target_byte_for_byte(
    transport: AiohttpTransport, method: str, target: str
) -> None:
    async with wire([http()]) as peer:
        await transport.send(peer.endpoint, signed(peer.endpoint, method, target), Timeout())
    assert peer.requests[0].startswith(f"{method} {target} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [None, b"{}", '{"Name":"日本"}'.encode()])
async def test_the_headers_are_those_of_the_request_and_the_length(
    transport: AiohttpTransport, method: str, body: bytes | None
) -> None:
    async with wire([http()]) as peer:
        request = signed(peer.endpoint, method, body=body)
        await transport.send(peer.endpoint, request, Timeout())
    assert peer.headers() == {**request.headers, "content-length": str(len(body or b""))}
    assert peer.requests[0].split(b"\r\n\r\n", 1)[1] == (body or b"")


async def test_a_get_has_no_content_length(transport: AiohttpTransport) -> None:
    async with wire([http()]) as peer:
        request = signed(peer.endpoint)
        await transport.send(peer.endpoint, request, Timeout())
    assert peer.headers() == request.headers


async def test_a_cookie_is_not_stored(transport: AiohttpTransport) -> None:
    async with wire([http(b"{}", "Set-Cookie: a=b; Path=/")], [http()]) as peer:
        host = f"localhost:{peer.port}"  # clients store no cookies of IP addresses
        for _ in range(2):
            await transport.send(Endpoint(f"http://{host}", host), signed(peer.endpoint), Timeout())
    assert "cookie" not in peer.headers(1)


# Responses


async def test_a_response_has_its_status_headers_and_body(
    transport: AiohttpTransport,
) -> None:
    async with wire([http(b'{"a":1}', "X-Amzn-RequestId: id-1", status="418 Tea")]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
    assert (response.status, response.body) == (418, b'{"a":1}')
    assert response.headers.get("x-amzn-requestid") == "id-1"


async def test_an_interim_response_is_skipped(transport: AiohttpTransport) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with wire([hints, http(b'{"a": 1}')]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
    assert (response.status, response.body) == (200, b'{"a": 1}')


@pytest.mark.parametrize("value", ["a\r\nx-more: b", "a\nb", "a\rb"])
async def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(
    transport: AiohttpTransport, value: str
) -> None:
    async with wire() as peer:
        request = signed(peer.endpoint)
        request.headers = {**request.headers, "user-agent": value}
        with pytest.raises(ValueError, match="headers") as caught:
            await transport.send(peer.endpoint, request, Timeout())
        assert peer.requests == []
    assert_no_secret(caught.value)
    if transport._direct is not None:  # aiohttp's own frames contain the headers
        assert_no_secret_in_frames(caught.value)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 There", "308 There"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_returned_and_not_followed(
    transport: AiohttpTransport, method: str, status: str
) -> None:
    async with wire([http(b"", "Location: /elsewhere", status=status)], [http()]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint, method), Timeout())
    assert response.status == int(status.split()[0])
    assert len(peer.requests) == 1


async def test_a_body_in_many_parts_is_joined(transport: AiohttpTransport) -> None:
    body = bytes(range(256)) * 8192
    async with wire([http(body)]) as peer:
        request = signed(peer.endpoint, max_response=len(body))
        response = await transport.send(peer.endpoint, request, Timeout())
    assert response.body == body


async def test_chunks_are_joined(transport: AiohttpTransport) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with wire([head, b"3\r\n{}\n\r\n", b"1\r\n\n\r\n", b"0\r\n\r\n"]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
    assert response.body == b"{}\n\n"


async def test_a_compressed_response_is_decoded_although_it_was_not_requested(
    transport: AiohttpTransport,
) -> None:
    async with wire([http(gzip.compress(b"{}"), "Content-Encoding: gzip")]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
    assert response.body == b"{}"


async def test_a_connection_serves_many_requests(transport: AiohttpTransport) -> None:
    async with wire(*[[http()]] * 5) as peer:
        for _ in range(5):
            await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        assert (peer.connections, connections(transport)) == (1, (0, 1))


async def test_connections_never_exceed_the_limit() -> None:
    transport = AiohttpTransport(max_connections=2)
    held: Script = [Step.GO, http()]
    async with wire(*[held] * 6) as peer, asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(
                transport.send(peer.endpoint, signed(peer.endpoint, "POST"), Timeout())
            )
        await peer.requested()
        await settle()
        assert (peer.connections, connections(transport)) == (2, (2, 0))
        peer.go.set()
    assert (peer.connections, len(peer.requests)) == (2, 6)
    await transport.close()


# Failures


def chunked(*parts: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("script", "text"),
    [
        pytest.param([Step.RESET], "the connection broke", id="reset before the head"),
        pytest.param([Step.CLOSE], "closed before a response", id="closed before the head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nX", Step.RESET], "broke", id="reset in the head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nX", Step.CLOSE], "closed", id="closed in the head"),
        pytest.param(
            [http(b"{}", length=9), Step.RESET], "cut short|broke", id="reset in the body"
        ),
        pytest.param([http(b"{}", length=9), Step.CLOSE], "cut short", id="closed in the body"),
        pytest.param([chunked(b"2\r\n{}\r\n"), Step.CLOSE], "cut short", id="no last chunk"),
        pytest.param([chunked(b"2\r\n{"), Step.CLOSE], "cut short", id="closed in a chunk"),
        pytest.param([chunked(b"zz\r\n{}\r\n")], "HTTP|decoded", id="not the size of a chunk"),
        pytest.param([http(b"no", "Content-Encoding: gzip")], "decoded", id="garbage for gzip"),
        pytest.param([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "not HTTP", id="another protocol"),
        pytest.param([b"\x15\x03\x01\x00\x02\x02\x28"], "not HTTP", id="bytes of TLS"),
        pytest.param([http(length=-1)], "not HTTP", id="a length below 0"),
        pytest.param(
            [http(b"", "X: " + "x" * 100_000)], "not HTTP|too large", id="a header line without end"
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_broken_response_is_a_transport_error_after_one_request(
    transport: AiohttpTransport,
    caplog: pytest.LogCaptureFixture,
    method: str,
    script: Script,
    text: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with wire(script, [http()]) as peer:
        error = await failure(transport, peer.endpoint, method=method)
        assert len(peer.requests) == 1, "aiohttp sent the request again"
        await peer.disconnected()
        assert connections(transport) == (0, 0)
    assert type(error) is TransportError
    assert (error.transient, error.throttling, error.not_executed) == (True, False, False)
    assert re.search(text, str(error))
    assert_no_secret(caplog.text)


async def test_a_refused_connection_executes_nothing(
    transport: AiohttpTransport,
) -> None:
    async with wire() as peer:
        endpoint = peer.endpoint
    error = await failure(transport, endpoint, method="POST")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (True, True)
    assert "no connection" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


class Names(AbstractResolver):
    """A resolver that awaits a callback and then fails."""

    def __init__(self, resolve: Callable[[], Any], code: int = socket.EAI_NONAME) -> None:
        self._resolve = resolve
        self._code = code

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        await self._resolve()
        raise socket.gaierror(self._code, "Name or service not known")

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        pytest.param(socket.EAI_NONAME, False, id="the name does not exist"),
        pytest.param(socket.EAI_NODATA, False, id="the name has no address"),
        pytest.param(socket.EAI_AGAIN, True, id="the resolver failed temporarily"),
        pytest.param(socket.EAI_FAIL, True, id="the resolver failed"),
    ],
)
async def test_a_name_that_does_not_resolve_executes_nothing(code: int, transient: bool) -> None:
    connector = aiohttp.TCPConnector(resolver=Names(settle, code))
    async with aiohttp.ClientSession(connector=connector) as session:
        error = await failure(AiohttpTransport(session=session), NOWHERE)
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (transient, True)
    assert str(error).startswith("the name lambda.us-east-1.example did not resolve: ")
    assert isinstance(error.__cause__, socket.gaierror)


async def test_an_untrusted_certificate_is_refused(
    transport: AiohttpTransport,
) -> None:
    async with wire(tls=server_context()) as peer:
        error = await failure(transport, peer.endpoint, method="POST")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (False, True)
    assert "TLS failed" in str(error)
    assert "certificate verify failed" in str(error)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
    assert peer.requests == []


async def refusal_of(server: ssl.SSLContext, client: ssl.SSLContext) -> LambdaCoreError:
    """Return the error of a request for which client and server refuse each other."""

    def serve(listener: socket.socket) -> None:
        """Send the TLS alert that explains the refusal, which asyncio's servers do not send."""
        connection, _ = listener.accept()
        with (
            contextlib.suppress(ConnectionError),
            server.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ) as wrapped,
        ):
            with contextlib.suppress(ssl.SSLError):
                wrapped.do_handshake()
            while socket.socket.recv(wrapped, 1000):  # closing before would reset the connection
                pass

    transport = AiohttpTransport(ssl_context=lambda: client)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(asyncio.to_thread(serve, listener))
        name = "localhost" if client.check_hostname else "127.0.0.1"
        host = f"{name}:{listener.getsockname()[1]}"
        error = await failure(transport, Endpoint(f"https://{host}", host), method="POST")
        await serving
        await transport.close()
    assert type(error) is TransportError
    return error


async def test_a_certificate_for_another_host_is_a_permanent_error() -> None:
    error = await refusal_of(server_context(), trusting_context())
    assert (error.transient, error.not_executed) == (False, True)
    assert "Hostname mismatch" in str(error)


async def test_an_expired_certificate_is_a_permanent_error() -> None:
    error = await refusal_of(server_context("localhost", expired=True), trusting_context())
    assert (error.transient, error.not_executed) == (False, True)
    assert "certificate has expired" in str(error)


def without_names(context: ssl.SSLContext) -> ssl.SSLContext:
    context.check_hostname = False
    return context


async def test_no_common_version_of_tls_is_a_permanent_error() -> None:
    server, client = server_context(), without_names(trusting_context())
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    error = await refusal_of(server, client)
    assert (error.transient, error.not_executed) == (False, True)


async def test_no_common_cipher_is_a_permanent_error() -> None:
    server, client = server_context(), without_names(trusting_context())
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    error = await refusal_of(server, client)
    assert (error.transient, error.not_executed) == (False, True)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate_is_a_permanent_error(
    version: ssl.TLSVersion,
) -> None:
    server, client = server_context(), without_names(trusting_context())
    server.verify_mode = ssl.CERT_REQUIRED
    server.maximum_version = version
    error = await refusal_of(server, client)
    assert not error.transient


async def test_a_server_without_tls_is_a_permanent_error(
    transport: AiohttpTransport,
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example ESMTP\r\n")
        await reader.read()

    async with talking(greet) as host:
        error = await failure(transport, Endpoint(f"https://{host}", host))
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (False, True)
    assert "TLS failed" in str(error)


@pytest.mark.parametrize(
    ("number", "transient"),
    [
        pytest.param(0, True, id="close_notify"),
        pytest.param(20, True, id="bad_record_mac"),
        pytest.param(40, False, id="handshake_failure"),
        pytest.param(42, False, id="bad_certificate"),
        pytest.param(48, False, id="unknown_ca"),
        pytest.param(49, False, id="access_denied"),
        pytest.param(70, False, id="protocol_version"),
        pytest.param(71, False, id="insufficient_security"),
        pytest.param(80, True, id="internal_error"),
        pytest.param(90, True, id="user_canceled"),
        pytest.param(112, False, id="unrecognized_name"),
        pytest.param(120, False, id="no_application_protocol"),
    ],
)
async def test_the_alert_in_a_handshake_decides_whether_the_error_is_transient(
    transport: AiohttpTransport, number: int, transient: bool
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(bytes((21, 3, 3, 0, 2, 1 if number in (0, 90) else 2, number)))

    async with talking(refuse) as host:
        error = await failure(transport, Endpoint(f"https://{host}", host), method="POST")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (transient, True)


@pytest.mark.parametrize("step", [Step.CLOSE, Step.RESET])
async def test_an_interrupted_handshake_is_a_transient_error(
    transport: AiohttpTransport, step: Step
) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        if step is Step.RESET:
            reset(writer)

    async with talking(hang_up) as host:
        error = await failure(transport, Endpoint(f"https://{host}", host), method="POST")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (True, True)


async def test_a_certificate_with_another_fingerprint_is_a_permanent_error() -> None:
    connector = aiohttp.TCPConnector(ssl=aiohttp.Fingerprint(bytes(32)))
    async with (
        wire(tls=server_context()) as peer,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        error = await failure(AiohttpTransport(session=session), peer.endpoint)
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (False, True)
    assert "TLS failed" in str(error)


async def test_an_error_does_not_quote_aiohttps_message() -> None:
    async def fail(*_: object) -> aiohttp.ClientResponse:
        raise aiohttp.ClientConnectionError("https://someone:the-secret-key@proxy")

    async with aiohttp.ClientSession(middlewares=[fail]) as session:
        error = await failure(AiohttpTransport(session=session), NOWHERE)
    assert type(error) is TransportError
    assert str(error) == "the connection broke: ClientConnectionError"


async def test_a_host_that_aiohttp_refuses_is_a_permanent_error(
    transport: AiohttpTransport,
) -> None:
    error = await failure(transport, Endpoint("http://2130706433:9", "2130706433:9"))
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (False, True)


@pytest.mark.usefixtures("leaps")
async def test_a_connection_that_is_not_established_times_out_and_executes_nothing(
    transport: AiohttpTransport,
) -> None:
    async with wire() as peer:  # it waits for HTTP while the client waits for TLS
        endpoint = Endpoint(f"https://{peer.endpoint.host}", peer.endpoint.host)
        error = await failure(transport, endpoint, timeout=Timeout(connect=10))
    assert type(error) is TransportTimeoutError
    assert (error.transient, error.not_executed) == (True, True)
    assert isinstance(error, TimeoutError)


@pytest.mark.usefixtures("leaps")
@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        (Timeout(read=10), "the response stopped arriving"),
        (Timeout(attempt=10), "the response was not complete in time"),
    ],
)
@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Step.WAIT], id="no head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-", Step.WAIT], id="half a head"),
        pytest.param([http(b"{", length=2), Step.WAIT], id="half a body"),
        pytest.param([chunked(b"1\r\n{\r\n"), Step.WAIT], id="no last chunk"),
    ],
)
async def test_a_response_that_stops_arriving_times_out(
    transport: AiohttpTransport, script: Script, timeout: Timeout, text: str
) -> None:
    async with wire(script, [http()]) as peer:
        error = await failure(transport, peer.endpoint, timeout=timeout)
        await peer.disconnected()
        assert connections(transport) == (0, 0)
    assert type(error) is TransportTimeoutError
    assert (error.transient, error.throttling, error.not_executed) == (True, False, False)
    assert text in str(error)
    assert len(peer.requests) == 1


@pytest.mark.usefixtures("leaps")
async def test_a_trickling_response_ends_with_the_attempt(
    transport: AiohttpTransport,
) -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)

    async with talking(trickle) as host:
        endpoint = Endpoint(f"http://{host}", host)
        error = await failure(transport, endpoint, timeout=Timeout(read=10, attempt=60))
        assert connections(transport) == (0, 0)
    assert type(error) is TransportTimeoutError


async def test_a_response_beyond_the_bound_is_not_read_to_its_end(
    transport: AiohttpTransport,
) -> None:
    head = ("X-Amzn-RequestId: id-1",)
    endless = http(b"0123456789a", *head, length=1_000_000)
    async with wire([http(b"0123456789", *head)], [endless, Step.WAIT]) as peer:
        request = signed(peer.endpoint, max_response=10)
        response = await transport.send(peer.endpoint, request, Timeout())
        assert response.body == b"0123456789"
        error = await failure(transport, peer.endpoint, max_response=10)
        await peer.disconnected()
        assert connections(transport) == (0, 0)
    assert isinstance(error, ResponseError)
    assert (error.status_code, error.request_id) == (200, "id-1")
    assert (error.transient, error.throttling) == (False, False)
    assert "larger than 10 bytes" in str(error)


@pytest.mark.parametrize("step", [Step.WAIT, Step.CLOSE])
async def test_the_body_of_an_error_is_cut_at_the_bound(
    transport: AiohttpTransport, step: Step
) -> None:
    page = http(b"<html>" * 1000, "X-Amzn-RequestId: id-1", status="502 Bad", length=1_000_000)
    async with wire([page, step]) as peer:
        request = signed(peer.endpoint, max_response=10)
        response = await transport.send(peer.endpoint, request, Timeout())
        await peer.disconnected()
        assert connections(transport) == (0, 0)
    assert (response.status, response.body) == (502, b"<html><htm")
    assert response.headers.get("x-amzn-requestid") == "id-1"


@pytest.mark.parametrize("status", ["200 OK", "502 Bad"])
async def test_a_compressed_response_uses_bounded_memory(
    transport: AiohttpTransport, status: str
) -> None:
    bomb = gzip.compress(bytes(200_000_000), 9)
    response = http(bomb, "Content-Encoding: gzip", status=status)
    async with wire([http()], [response]) as peer:
        await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        tracemalloc.start()
        try:
            with contextlib.suppress(ResponseError):
                await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most < 16_000_000


async def test_a_connection_that_ends_while_aiohttp_decodes_cuts_the_body_short() -> None:
    stream = Mock(aiohttp.StreamReader)
    stream.readany.side_effect = RuntimeError  # aiohttp raises this
    with pytest.raises(aiohttp.ClientPayloadError):
        await session._read_body(stream, 200, {}, 10)


async def test_a_body_that_arrives_byte_by_byte_is_joined_in_linear_time(
    transport: AiohttpTransport,
) -> None:
    """The buffer grows; it is not copied for each part."""
    parts = [b"1\r\nx\r\n" * 100] * 500
    async with wire([chunked(*parts, b"0\r\n\r\n")]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
    assert response.body == b"x" * 50_000


async def test_an_idle_connection_that_the_server_closed_is_not_used_again(
    transport: AiohttpTransport,
) -> None:
    async with wire([http(), Step.CLOSE], [http()]) as peer:
        await transport.send(peer.endpoint, signed(peer.endpoint, "POST"), Timeout())
        await peer.disconnected()
        await settle()
        await transport.send(peer.endpoint, signed(peer.endpoint, "POST"), Timeout())
    assert peer.connections == 2


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_reused_connection_that_the_server_closes_is_a_transient_error(
    transport: AiohttpTransport, method: str
) -> None:
    async with wire([http()], [Step.CLOSE], [http()]) as peer:
        await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        error = await failure(transport, peer.endpoint, method=method)
        assert (peer.connections, len(peer.requests)) == (1, 2)
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (True, False)


# Proxies and sessions of the caller


async def test_a_session_of_the_caller_is_used_and_not_closed() -> None:
    connector = aiohttp.TCPConnector(ssl=trusting_context())
    async with aiohttp.ClientSession(
        connector=connector, headers={"X-Mine": "yes"}, raise_for_status=True
    ) as session:
        transport = AiohttpTransport(session=session)
        async with wire([http(status="404 No")], tls=server_context()) as peer:
            response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
            assert response.status == 404
            await transport.close()
            assert not session.closed
            with pytest.raises(RuntimeError, match="the client is closed"):
                await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
            await session.close()
    assert peer.headers()["x-mine"] == "yes"


async def test_a_closed_session_of_the_caller_is_an_error() -> None:
    session = aiohttp.ClientSession()
    await session.close()
    with pytest.raises(RuntimeError, match="Session is closed"):
        await AiohttpTransport(session=session).send(NOWHERE, signed(NOWHERE), Timeout())


async def test_closing_the_callers_session_is_an_error_of_all_its_pending_requests() -> None:
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
    transport = AiohttpTransport(session=session)
    async with wire([Step.WAIT]) as peer:
        calls = [asyncio.create_task(failure(transport, peer.endpoint)) for _ in range(3)]
        await peer.requested()
        await session.close()
        _, *waiting = await asyncio.gather(*calls)
    assert [type(error) for error in waiting] == [TransportError, TransportError]
    assert {str(error) for error in waiting} == {"the session cancelled the request"}
    assert_no_secret(*waiting)
    assert_no_secret_in_frames(waiting[0])


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
async def test_the_environments_proxy_is_used_if_trust_env_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(variable, raising=False)
    # aiohttp's `trust_env` would read this file and refuse the signature in `Authorization`.
    (tmp_path / "netrc").write_text("default login someone password the-secret-key")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with wire(*[[http()]] * 3) as proxy, wire([http()], [http()]) as peer:
        monkeypatch.setenv(name, f"http://someone:the-secret-key@{proxy.endpoint.host}")
        trusting, untrusting = AiohttpTransport(trust_env=True), AiohttpTransport()
        for _ in range(2):
            await trusting.send(peer.endpoint, signed(peer.endpoint), Timeout())
        await untrusting.send(peer.endpoint, signed(peer.endpoint), Timeout())
        await trusting.close()
        trusting = AiohttpTransport(trust_env=True)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await trusting.send(peer.endpoint, signed(peer.endpoint), Timeout())
        for transport in (trusting, untrusting):
            await transport.close()
    assert [head[0].split()[1].startswith(peer.endpoint.url) for head in proxy.heads] == [True] * 2
    assert proxy.headers()["proxy-authorization"].startswith("Basic ")
    assert proxy.headers()["authorization"].startswith("AWS4-HMAC-SHA256 ")
    assert len(peer.requests) == 2


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_https_goes_through_the_tunnel_of_a_proxy(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with wire([http(b"1")], tls=server_context()) as peer, tunnel() as proxy:
        monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{proxy.port}")
        transport = AiohttpTransport(trust_env=True, ssl_context=trusting_context)
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        await transport.close()
    assert response.body == b"1"
    assert [head.split()[:2] for head in proxy.heads] == [["CONNECT", peer.endpoint.host]]
    assert "authorization" not in proxy.heads[0].lower()


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://someone:the-secret-key@127.0.0.1:9", "socks5 proxies are not supported"),
        ("http://someone:the-secret-key@127.0.0.1:port", "not a URL"),
    ],
)
async def test_an_unusable_proxy_is_refused_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, problem: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("https_proxy", proxy)
    transport = AiohttpTransport(trust_env=True)
    with pytest.raises(ConfigurationError, match=f"^https_proxy: {problem}") as raised:
        await transport.send(NOWHERE, signed(NOWHERE), Timeout())
    await transport.close()
    assert_no_secret(raised.value)
    assert_no_secret_in_frames(raised.value)


async def test_trust_env_cannot_be_combined_with_a_session() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ParameterError, match="^trust_env: "):
            AiohttpTransport(session=session, trust_env=True)


async def test_certificates_are_loaded_once_at_the_first_request() -> None:
    contexts = [trusting_context()]
    transport = AiohttpTransport(ssl_context=lambda: contexts.pop())
    async with wire([http()], [http()], tls=server_context()) as peer:
        for _ in range(2):
            response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
            assert response.status == 200
        await transport.close()
    assert contexts == []


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        ("400 Bad Request", False),
        ("403 Forbidden", False),
        ("404 Not Found", False),
        ("405 Method Not Allowed", False),
        ("407 Proxy Authentication Required", False),
        ("302 Found", False),
        ("500 Internal Server Error", True),
        ("501 Not Implemented", False),
        ("502 Bad Gateway", True),
        ("503 Service Unavailable", True),
        ("504 Gateway Timeout", True),
        ("599", False),
    ],
)
@pytest.mark.parametrize("own_session", [False, True])
async def test_a_proxy_that_refuses_to_connect_executes_nothing(
    monkeypatch: pytest.MonkeyPatch, own_session: bool, status: str, transient: bool
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    code = status.split()[0]
    async with wire([http(status=f"{code} the-secret-key was wrong")]) as peer:
        proxy = f"http://someone:the-secret-key@{peer.endpoint.host}"
        monkeypatch.setenv("https_proxy", proxy)
        async with aiohttp.ClientSession(proxy=proxy) as session:
            transport = AiohttpTransport(
                session=session if own_session else None, trust_env=not own_session
            )
            error = await failure(transport, NOWHERE, method="POST")
            await transport.close()
    assert peer.requests[0].startswith(b"CONNECT ")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (transient, True)
    assert str(error) == f"the proxy refused to connect: {status}"


async def test_the_certificate_of_a_proxy_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with wire(tls=server_context()) as peer:
        monkeypatch.setenv("https_proxy", f"https://someone:the-secret-key@{peer.endpoint.host}")
        transport = AiohttpTransport(trust_env=True)
        error = await failure(transport, NOWHERE, method="POST")
        await transport.close()
    assert (error.transient, error.not_executed) == (False, True)
    assert "TLS failed with 127.0.0.1" in str(error)


async def test_the_certificate_at_the_end_of_a_tunnel_is_verified(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    async with wire(tls=server_context()) as peer, tunnel() as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        transport = AiohttpTransport(trust_env=True)
        error = await failure(transport, peer.endpoint, method="POST")
        await transport.close()
    assert (error.transient, error.not_executed) == (False, True)
    assert "certificate verify failed" in str(error)


async def test_an_unreachable_proxy_executes_nothing() -> None:
    async with wire() as peer:
        proxy = f"http://someone:the-secret-key@{peer.endpoint.host}"
    async with aiohttp.ClientSession(proxy=proxy) as session:
        error = await failure(AiohttpTransport(session=session), NOWHERE, method="POST")
    assert type(error) is TransportError
    assert (error.transient, error.not_executed) == (True, True)
    assert "no connection" in str(error)


class _Response(aiohttp.ClientResponse):
    """A response that aioresponses can create on aiohttp 3.14 and later (its issue 289)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        writer: Any = SimpleNamespace(output_size=0)
        super().__init__(*args, stream_writer=writer, **options)


@pytest.fixture
def responses() -> Iterator[Any]:  # its annotations are incomplete
    with aioresponses() as mocked:
        yield mocked


async def test_aioresponses_replaces_responses(transport: AiohttpTransport, responses: Any) -> None:
    # It compares normalised URLs, so percent-encoded identifiers are matched by pattern.
    pattern = re.compile(r"https://lambda\.us-east-1\.example/2026-04-04/.*a%2Fb$")
    responses.get(pattern, status=429, body=b'{"a": 1}', response_class=_Response)
    request = signed(NOWHERE, target="/2026-04-04/network-connectors/a%2Fb")
    response = await transport.send(NOWHERE, request, Timeout())
    assert (response.status, response.body) == (429, b'{"a": 1}')
    ((_, url),) = responses.requests
    assert url.raw_path == "/2026-04-04/network-connectors/a%2Fb"


# Closing


async def test_a_closed_client_refuses_requests(transport: AiohttpTransport) -> None:
    await transport.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await transport.send(NOWHERE, signed(NOWHERE), Timeout())


async def test_closing_twice_is_allowed(transport: AiohttpTransport) -> None:
    async with wire([http()]) as peer:
        await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        await transport.close()
        await peer.disconnected()
        await transport.close()


async def test_closing_interrupts_a_pending_request(transport: AiohttpTransport) -> None:
    async with wire([Step.WAIT]) as peer:
        call = asyncio.create_task(failure(transport, peer.endpoint))
        await peer.requested()
        await transport.close()
        error = await call
        await peer.disconnected()
    assert type(error) is TransportError
    assert error.transient


# Several event loops


async def once(transport: AiohttpTransport) -> None:
    async with wire([http()]) as peer:
        response = await transport.send(peer.endpoint, signed(peer.endpoint), Timeout())
        assert response.status == 200


@pytest.mark.parametrize("debug", [False, True])
def test_each_event_may_have_its_own_loop(debug: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transport = AiohttpTransport()
        for _ in range(3):
            asyncio.run(once(transport), debug=debug)
        asyncio.run(transport.close())
        del transport
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_an_unclosed_client_leaves_nothing_open() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transport = AiohttpTransport()
        asyncio.run(once(transport))
        del transport
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("closes", [False, True])
def test_a_loop_closed_without_a_shutdown_leaves_nothing_of_aiohttp_open(closes: bool) -> None:
    """asyncio warns about its own transports in this case, and about those only."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        transport = AiohttpTransport()
        for _ in range(2):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(once(transport))
            loop.close()
        if closes:
            asyncio.run(transport.close())
        else:
            asyncio.run(once(transport))
        del transport
        gc.collect()
    assert [text for text in map(str, (w.message for w in caught)) if "nclosed c" in text] == []


def test_two_loops_at_once_are_refused() -> None:
    transport = AiohttpTransport()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    first.run_until_complete(once(transport))
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        second.run_until_complete(once(transport))
    first.run_until_complete(transport.close())
    for loop in (first, second):
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_a_session_of_the_caller_stays_on_its_loop() -> None:
    async def use() -> AiohttpTransport:
        async with aiohttp.ClientSession() as session:
            transport = AiohttpTransport(session=session)
            await once(transport)
            return transport

    transport = asyncio.run(use())
    with pytest.raises(RuntimeError, match="belongs to another event loop"):
        asyncio.run(once(transport))


@pytest.mark.parametrize("count", [0, -1, True, False, 2.5, 5.0, "5", None, float("nan")])
def test_max_connections_is_a_whole_number_from_1(count: Any) -> None:
    with pytest.raises(ParameterError, match="^max_connections: ") as caught:
        AiohttpTransport(max_connections=count)
    assert caught.value.parameter == "max_connections"


@pytest.mark.parametrize("session", [True, False, "session", 5, aiohttp.ClientSession, object()])
def test_a_session_is_an_aiohttp_session(session: Any) -> None:
    with pytest.raises(ParameterError, match="^http_session: must be an aiohttp.ClientSession"):
        AiohttpTransport(session=session)


@pytest.mark.parametrize("trust_env", [None, 1, "false"])
def test_trust_env_is_true_or_false(trust_env: Any) -> None:
    with pytest.raises(ParameterError, match="^trust_env: "):
        AiohttpTransport(trust_env=trust_env)


async def test_an_unused_transport_can_be_closed() -> None:
    await AiohttpTransport().close()


# Cancellation


async def cancelled(
    transport: AiohttpTransport, peer: Wire, endpoint: Endpoint | None = None
) -> None:
    """Cancel a request that waits, and assert that nothing is left of it."""
    endpoint = endpoint or peer.endpoint
    call = asyncio.create_task(transport.send(endpoint, signed(endpoint), Timeout()))
    await peer.connected()
    await settle()
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    if transport._direct is not None:  # aiohttp's own frames contain the headers
        assert_no_secret_in_frames(caught.value)
    await peer.disconnected()
    await settle()
    assert connections(transport) == (0, 0)
    assert other_tasks() == set()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Step.WAIT], id="before the head"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-", Step.WAIT], id="in the head"),
        pytest.param([http(b"{", length=2), Step.WAIT], id="in the body"),
        pytest.param([chunked(b"1\r\n{\r\n"), Step.WAIT], id="between chunks"),
    ],
)
async def test_cancelling_a_request_leaves_no_task_and_no_connection(
    transport: AiohttpTransport, script: Script
) -> None:
    async with wire(script) as peer:
        await cancelled(transport, peer)


async def test_cancelling_in_the_handshake_leaves_no_task_and_no_connection(
    transport: AiohttpTransport,
) -> None:
    async with wire() as peer:
        endpoint = Endpoint(f"https://{peer.endpoint.host}", peer.endpoint.host)
        await cancelled(transport, peer, endpoint)


async def test_cancelling_while_a_name_resolves_leaves_no_task_and_no_connection() -> None:
    connector = aiohttp.TCPConnector(resolver=Names(asyncio.Event().wait))
    async with aiohttp.ClientSession(connector=connector) as session:
        transport = AiohttpTransport(session=session)
        call = asyncio.create_task(transport.send(NOWHERE, signed(NOWHERE), Timeout()))
        await settle()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert connections(transport) == (0, 0)
        # aiohttp continues the lookup for later requests, and cancels it with the session.
    await settle()
    assert other_tasks() == set()


async def test_cancelling_the_wait_for_a_connection_leaves_the_pool_unchanged() -> None:
    transport = AiohttpTransport(max_connections=1)
    async with wire([Step.GO, http()], [http()]) as peer:
        request = signed(peer.endpoint)
        first = asyncio.create_task(transport.send(peer.endpoint, request, Timeout()))
        await peer.requested()
        second = asyncio.create_task(transport.send(peer.endpoint, request, Timeout()))
        await settle()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        peer.go.set()
        await first
        await transport.send(peer.endpoint, request, Timeout())
        assert (peer.connections, connections(transport)) == (1, (0, 1))
        await transport.close()


async def test_cancelling_at_any_await_leaves_the_pool_usable() -> None:
    transport = AiohttpTransport(max_connections=1)
    big = bytes(1_000_000)
    async with wire(*[[http(big)]] * 200) as peer:
        request = signed(peer.endpoint, "POST", body=b"{}")
        step = 0
        while await cancel_at(step, transport.send(peer.endpoint, request, Timeout())):
            assert connections(transport)[0] == 0
            step += 1
        assert step > 2
        response = await transport.send(peer.endpoint, request, Timeout())
        assert response.body == big
        await transport.close()
        await peer.disconnected()
    await settle()
    assert other_tasks() == set()


# Timeouts


@pytest.mark.parametrize("name", ["connect", "read", "attempt", "total"])
@pytest.mark.parametrize(
    "value",
    [0, -1, float("nan"), float("inf"), pytest.param(10**5000, id="huge"), "5", b"5", "", True,
     False, [1], {}, 1j, timedelta(0), Decimal(5), Fraction(5)],
)  # fmt: skip
def test_a_timeout_is_a_finite_number_above_0(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"^timeout.{name}: (must be|expected) "):
        Timeout(**{name: value})


def test_a_timeout_may_be_unlimited() -> None:
    assert Timeout(None, None, None, None) == Timeout(
        connect=None, read=None, attempt=None, total=None
    )


async def test_a_request_without_any_timeout_succeeds(transport: AiohttpTransport) -> None:
    async with wire([http()]) as peer:
        timeout = Timeout(None, None, None, None)
        response = await transport.send(peer.endpoint, signed(peer.endpoint), timeout)
    assert response.status == 200
