"""Direct connections: which requests use them, and how connections are shared and reused."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import Mock, patch

import aiohttp
import pytest
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection

from lambdacore_async import TransportError, TransportTimeoutError
from lambdacore_async.engine.transport import direct
from lambdacore_async.engine.transport.direct import DirectTransport
from lambdacore_async.engine.transport.pool import KEEP, Pool
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.certificates import server_context, trusting_context
from support.leaks import other_tasks, settle
from support.wire import Script, Step, http, wire

# The loops treat protocols differently.
pytestmark = pytest.mark.on_both_loops


def get(endpoint: Endpoint) -> Request:
    return Request("GET", "/", {"host": endpoint.host})


@pytest.fixture
def sent_directly() -> Iterator[list[Request]]:
    """Requests that were sent on direct connections."""
    requests: list[Request] = []
    send = DirectTransport.send

    async def spy(
        direct: DirectTransport, endpoint: Endpoint, request: Request, timeout: Timeout
    ) -> Response:
        requests.append(request)
        return await send(direct, endpoint, request, timeout)

    with patch.object(DirectTransport, "send", spy):
        yield requests


async def exchange(session: aiohttp.ClientSession | None = None, body: bytes | None = None) -> None:
    """Send one request and check that the server receives it."""
    transport = AiohttpTransport(session=session)
    async with wire([http()]) as peer:
        request = Request("PUT", "/", {"host": peer.endpoint.host}, body)
        assert (await transport.send(peer.endpoint, request, Timeout())).status == 200
        await transport.close()
    (received,) = peer.requests
    assert received.endswith(b"\r\n\r\n" + (body or b""))


@pytest.mark.parametrize("body", [None, b"{}", bytes(direct.MAX_SENT)])
async def test_requests_use_direct_connections_by_default(
    sent_directly: list[Request], body: bytes | None
) -> None:
    await exchange(body=body)
    assert len(sent_directly) == 1


async def test_a_body_that_may_fill_the_socket_goes_through_the_session(
    sent_directly: list[Request],
) -> None:
    await exchange(body=bytes(direct.MAX_SENT + 1))
    assert sent_directly == []


async def test_a_session_of_the_caller_sees_every_request(sent_directly: list[Request]) -> None:
    async with aiohttp.ClientSession() as session:
        await exchange(session)
    assert sent_directly == []


async def test_another_series_of_aiohttp_is_used_through_its_session(
    sent_directly: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(direct, "_KNOWN_SERIES", False)
    await exchange()
    assert sent_directly == []


async def test_a_wrapper_of_sessions_sees_every_request(
    sent_directly: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    send: Any = aiohttp.ClientSession._request
    seen: list[str] = []

    @functools.wraps(send)
    async def traced(*args: Any, **options: Any) -> Any:
        seen.append(args[1])
        return await send(*args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", traced)
    await exchange()
    assert (seen, sent_directly) == (["PUT"], [])


def test_a_wrapper_installed_before_this_library_was_imported_is_recognised() -> None:
    def wrapper(*args: Any, **options: Any) -> Any:
        return send(*args, **options)

    send: Any = aiohttp.ClientSession._request
    assert direct._genuine(send) is send
    assert direct._genuine(wrapper) is None
    assert direct._genuine(Mock(wraps=send)) is None


async def test_an_object_that_replaces_the_method_sees_every_request(
    sent_directly: list[Request],
) -> None:
    send: Any = aiohttp.ClientSession._request
    with patch.object(aiohttp.ClientSession, "_request", autospec=True, side_effect=send) as mock:
        await exchange()
    assert mock.call_count == 1
    assert sent_directly == []


async def test_a_trace_of_all_sessions_sees_every_request(
    sent_directly: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    async def started(_: Any, __: Any, parameters: aiohttp.TraceRequestStartParams) -> None:
        seen.append(parameters.method)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(started)
    construct: Any = aiohttp.ClientSession.__init__

    def instrumented(session: aiohttp.ClientSession, **options: Any) -> None:
        construct(session, trace_configs=[tracing], **options)

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)
    await exchange()
    assert (seen, sent_directly) == (["PUT"], [])


async def test_direct_connections_support_tls() -> None:
    connector = Pool(limit=1, ssl_context=trusting_context())
    direct = DirectTransport(connector)
    async with wire([http(b"1")], [http(b"2")], tls=server_context()) as peer:
        for body in (b"1", b"2"):
            response = await direct.send(peer.endpoint, get(peer.endpoint), Timeout())
            assert response.body == body
        assert peer.connections == 1
        direct.close()
        await connector.close()


# Which connection a request gets


@pytest.fixture(params=["plain", "TLS"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    return server_context() if request.param == "TLS" else None


async def reply(transport: AiohttpTransport, endpoint: Endpoint, body: bytes | None = None) -> str:
    """Send a request and return the body of the response, which identifies the script."""
    request = Request("POST", "/", {"host": endpoint.host}, body)
    return (await transport.send(endpoint, request, Timeout())).body.decode()


@asynccontextmanager
async def pool(max_connections: int = 100) -> AsyncGenerator[AiohttpTransport]:
    transport = AiohttpTransport(max_connections=max_connections, ssl_context=trusting_context)
    yield transport
    await transport.close()


async def test_an_unsolicited_response_is_not_taken_for_the_next_one(
    tls: ssl.SSLContext | None,
) -> None:
    late = http(b"late", status="408 Request Timeout")
    async with (
        wire([http(b"1"), Step.GO, late], [http(b"2")], tls=tls) as peer,
        pool() as transport,
    ):
        assert await reply(transport, peer.endpoint) == "1"
        peer.go.set()
        await peer.disconnected()
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 2


async def test_an_unsolicited_response_in_the_pool_is_not_taken_for_the_next_one() -> None:
    script: Script = [http(b"1"), Step.GO, http(b"late", status="408 Request Timeout")]
    async with wire(script, [http(b"2")]) as peer, pool() as transport:
        assert await reply(transport, peer.endpoint) == "1"
        direct = transport._direct
        assert direct is not None
        direct._release_idle()
        peer.go.set()
        await settle()
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 2


async def test_a_body_that_arrives_after_its_head_is_awaited(tls: ssl.SSLContext | None) -> None:
    head, body = http(b"1" * 5000)[:41], http(b"1" * 5000)[41:]
    async with wire([head, Step.GO, body], [http(b"2")], tls=tls) as peer, pool() as transport:
        call = asyncio.create_task(reply(transport, peer.endpoint))
        await peer.requested()
        await settle()
        assert not call.done()
        peer.go.set()
        assert await call == "1" * 5000
        assert await reply(transport, peer.endpoint) == "2"
        assert peer.connections == 1


async def test_an_idle_connection_that_the_server_closed_is_not_used_again(
    tls: ssl.SSLContext | None,
) -> None:
    script: Script = [http(b"1"), Step.GO, Step.CLOSE]
    async with wire(script, [http(b"2")], tls=tls) as peer, pool() as transport:
        assert await reply(transport, peer.endpoint) == "1"
        peer.go.set()
        await peer.disconnected()
        assert await reply(transport, peer.endpoint) == "2"


async def test_idle_connections_of_one_endpoint_do_not_block_another(
    tls: ssl.SSLContext | None,
) -> None:
    async with (
        wire([http(b"1")], [http(b"3")], tls=tls) as one,
        wire([http(b"2")], tls=tls) as other,
        pool(max_connections=1) as transport,
    ):
        endpoints = (one.endpoint, other.endpoint, one.endpoint)
        assert [await reply(transport, endpoint) for endpoint in endpoints] == ["1", "2", "3"]
        assert one.connections == 1


async def test_alternating_endpoints_keep_one_connection_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = aiohttp.TCPConnector.connect
    leases: list[ClientRequest] = []

    async def spy(pool: Any, request: ClientRequest, *args: Any) -> Connection:
        leases.append(request)
        return await connect(pool, request, *args)

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", spy)
    scripts = [[http(b"%d" % number)] for number in range(3)]
    async with wire(*scripts) as one, wire(*scripts) as other, pool() as transport:
        for expected in "012":
            for peer in (one, other):
                assert await reply(transport, peer.endpoint) == expected
    assert len(leases) == 2


async def test_idle_connections_do_not_block_the_session(tls: ssl.SSLContext | None) -> None:
    large = bytes(direct.MAX_SENT + 1)
    bodies = (b"", large, b"", large)
    scripts = [[http(b"%d" % number)] for number, _ in enumerate(bodies)]
    async with wire(*scripts, tls=tls) as peer, pool(max_connections=1) as transport:
        replies = [await reply(transport, peer.endpoint, body) for body in bodies]
        assert replies == ["0", "1", "2", "3"]
        assert peer.connections == 1


async def test_waiting_callers_get_the_first_free_connection(
    tls: ssl.SSLContext | None,
) -> None:
    async with (
        wire([Step.GO, http(b"1")], [http(b"2")], tls=tls) as one,
        wire([http(b"3")], tls=tls) as other,
        pool(max_connections=1) as transport,
    ):
        first = asyncio.create_task(reply(transport, one.endpoint))
        await one.requested()
        waiting = [
            asyncio.create_task(reply(transport, endpoint))
            for endpoint in (one.endpoint, other.endpoint)
        ]
        await settle()
        one.go.set()
        assert await asyncio.gather(first, *waiting) == ["1", "2", "3"]


@pytest.mark.usefixtures("leaps")
async def test_idle_connections_are_closed_in_time(
    tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr("aiohttp.connector.monotonic", loop.time)
    async with wire([http()], [http()], tls=tls) as peer, pool() as transport:
        await reply(transport, peer.endpoint)
        await asyncio.sleep(15)
        await reply(transport, peer.endpoint)
        assert peer.connections == 1
        started = loop.time()
        await peer.disconnected()
        # Every 15 seconds, the pool closes connections that were idle for 15.
        assert 15 <= loop.time() - started <= KEEP + 30


async def test_chunked_and_plain_responses_alternate_on_one_connection(
    tls: ssl.SSLContext | None,
) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n"
    order = "cpccpp"
    scripts = [[chunked if kind == "c" else http(b"p")] for kind in order]
    async with wire(*scripts, tls=tls) as peer, pool() as transport:
        assert [await reply(transport, peer.endpoint) for _ in order] == list(order)
        assert peer.connections == 1


async def test_a_response_that_arrives_during_close_leaves_nothing_behind() -> None:
    async with wire([Step.GO, http(b"1")]) as peer, pool() as transport:
        call = asyncio.create_task(reply(transport, peer.endpoint))
        await peer.requested()
        direct = transport._direct
        assert direct is not None
        direct.close()
        peer.go.set()
        assert await call == "1"
        assert not any(direct._idle.values())
        assert has_no_timer(direct)


# Failures


async def test_a_connection_that_is_closed_at_once_is_a_transient_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect = aiohttp.TCPConnector.connect

    async def broken(pool: Any, request: ClientRequest, *args: Any) -> Connection:
        connection = await connect(pool, request, *args)
        assert connection.protocol is not None
        connection.protocol.close()
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", broken)
    transport = AiohttpTransport()
    async with wire() as peer:
        with pytest.raises(TransportError) as caught:
            await transport.send(peer.endpoint, get(peer.endpoint), Timeout())
        assert type(caught.value) is TransportError
        assert (caught.value.transient, caught.value.not_executed) == (True, True)
        await transport.close()
        await peer.disconnected()


@pytest.mark.usefixtures("leaps")
async def test_each_request_has_its_own_deadline() -> None:
    transport = AiohttpTransport()
    timeouts = [
        Timeout(),
        Timeout(read=20),
        Timeout(attempt=10),
        Timeout(None, None, None),
    ]
    async with wire(*[[Step.WAIT]] * 3) as mute, wire([Step.GO, http()]) as peer:
        ends = [mute.endpoint] * 3 + [peer.endpoint]
        waiting, slow, late, unlimited = (
            asyncio.create_task(transport.send(endpoint, get(endpoint), timeout))
            for endpoint, timeout in zip(ends, timeouts, strict=True)
        )
        for call, problem in ((late, "not complete"), (slow, "stopped arriving")):
            with pytest.raises(TransportTimeoutError, match=problem):
                await call
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        peer.go.set()
        assert (await unlimited).status == 200
        await transport.close()
        await mute.disconnected()
    await settle()
    assert other_tasks() == set()


async def test_closing_leaves_no_timer() -> None:
    transport = AiohttpTransport()
    async with wire([http()]) as peer:
        await transport.send(peer.endpoint, get(peer.endpoint), Timeout())
        direct = transport._direct
        assert direct is not None
        assert not has_no_timer(direct)
        await transport.close()
    assert has_no_timer(direct)


async def test_a_finished_exchange_has_no_deadline() -> None:
    transport = AiohttpTransport()
    async with wire([http()], [Step.CLOSE]) as peer, wire([Step.WAIT]) as mute:
        assert (await transport.send(peer.endpoint, get(peer.endpoint), Timeout())).status == 200
        direct = transport._direct
        assert direct is not None
        assert direct._deadlines.pending == {}
        with pytest.raises(TransportError):
            await transport.send(peer.endpoint, get(peer.endpoint), Timeout())
        assert direct._deadlines.pending == {}
        call = asyncio.create_task(transport.send(mute.endpoint, get(mute.endpoint), Timeout()))
        await mute.requested()
        assert len(direct._deadlines.pending) == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert direct._deadlines.pending == {}
        await transport.close()


def has_no_timer(direct: DirectTransport) -> bool:
    """Return whether no timer is set."""
    deadlines = direct._deadlines._timer
    return direct._timer is None and (deadlines is None or deadlines.cancelled())
