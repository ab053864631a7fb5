from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from urllib.parse import quote
from uuid import UUID

import aiohttp
import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from lambdacore_async.errors import ConfigurationError
from lambdacore_async.local import State
from lambdacore_async.local.server import Server
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.sigv4 import Credentials, sign
from local.clock import Clock

CREDENTIALS = Credentials("AKIDLOCAL", "secret")
CONNECTORS = "/2026-04-04/network-connectors"
JSON = {"content-type": "application/json"}


@frozen
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return self.headers["x-amzn-errortype"]

    @property
    def content(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.body)
        return content


@pytest.fixture
async def server(state: State, clock: Clock) -> AsyncIterator[Server]:
    async with Server(state, credentials=[CREDENTIALS], clock=clock) as server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def send(
    session: aiohttp.ClientSession, server: Server, request: Request, *, signed: bool = True
) -> Reply:
    url = URL(server.endpoint_url + request.target, encoded=True)
    if signed:
        request = sign(
            request,
            host=url.authority,
            credentials=CREDENTIALS,
            region="us-east-1",
            time=server._clock(),
        )
    async with session.request(
        request.method,
        url,
        headers=request.headers,
        data=request.body,
        skip_auto_headers=["content-type"],
    ) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, headers, await response.read())


async def test_a_response_has_a_request_id_a_date_and_json(
    server: Server, session: aiohttp.ClientSession, clock: Clock
) -> None:
    first, second = [await send(session, server, Request("GET", CONNECTORS)) for _ in range(2)]
    assert (first.status, first.content) == (200, {"NetworkConnectors": []})
    assert first.headers["content-type"] == "application/json"
    assert parsedate_to_datetime(first.headers["date"]) == clock()
    assert UUID(first.headers["x-amzn-requestid"]) != UUID(second.headers["x-amzn-requestid"])


async def test_an_error_response_has_the_format_of_the_service(
    server: Server, session: aiohttp.ClientSession
) -> None:
    response = await send(session, server, Request("GET", f"{CONNECTORS}/prod"))
    assert (response.status, response.code) == (404, "ResourceNotFoundException")
    assert response.content == {
        "Message": "Network connector not found for: "
        "arn:aws:lambda:us-east-1:123456789012:network-connector:prod"
    }
    assert response.headers["content-type"] == "application/json"
    assert UUID(response.headers["x-amzn-requestid"])


async def test_an_identifier_arrives_exactly_as_it_was_sent(
    server: Server, session: aiohttp.ClientSession
) -> None:
    for identifier in ("a%2Fb", "%2E%2E", "a%3Fb%23c", "%25", "a%20b", "%C3%A4", "a%3Ab"):
        response = await send(session, server, Request("GET", f"{CONNECTORS}/{identifier}"))
        expected = URL(f"http://h/{identifier}", encoded=True).path_safe[1:]
        assert response.status == 404
        assert response.content["Message"] == (
            "Network connector not found for: "
            "arn:aws:lambda:us-east-1:123456789012:network-connector:"
            + expected.replace("%2F", "/").replace("%25", "%")
        )


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/"),
        ("GET", CONNECTORS + "/"),
        ("GET", f"/{CONNECTORS}"),
        ("PATCH", CONNECTORS),
        ("OPTIONS", CONNECTORS),
        ("DELETE", "/2026-10-01/runtimes"),
    ],
)
async def test_a_request_that_matches_no_operation_is_unknown(
    server: Server, session: aiohttp.ClientSession, method: str, target: str
) -> None:
    response = await send(session, server, Request(method, target))
    assert (response.status, response.code) == (404, "UnknownOperationException")
    assert server.calls == {"UnknownOperation": 1}


@pytest.mark.parametrize(
    ("target", "method", "body", "code", "text"),
    [
        (CONNECTORS, "POST", b"{", "SerializationException", "is not JSON"),
        (CONNECTORS, "POST", b"\xff", "SerializationException", "is not JSON"),
        (CONNECTORS, "POST", b"[]", "SerializationException", "is not a JSON object"),
        (CONNECTORS, "POST", b"{}", "ValidationException", "Value null at 'name' failed"),
        (CONNECTORS, "POST", None, "ValidationException", "2 validation errors detected: "),
        (
            CONNECTORS,
            "POST",
            b'{"Name": 1, "Configuration": {}}',
            "InvalidParameterValueException",
            "Name: ",
        ),
        (
            CONNECTORS,
            "POST",
            b'{"Name": "a", "Configuration": {"VpcEgressConfiguration": {}}}',
            "InvalidParameterValueException",
            "ClientToken is a required field",
        ),
        (f"{CONNECTORS}?MaxItems=x", "GET", None, "InvalidParameterValueException", "MaxItems: "),
        (
            f"{CONNECTORS}?MaxItems=0",
            "GET",
            None,
            "ValidationException",
            (
                "Value '0' at 'maxItems' failed to satisfy constraint: "
                "Member must have value greater than or equal to 1"
            ),
        ),
    ],
)
async def test_a_request_that_cannot_be_parsed_is_rejected(
    server: Server,
    session: aiohttp.ClientSession,
    target: str,
    method: str,
    body: bytes | None,
    code: str,
    text: str,
) -> None:
    response = await send(session, server, Request(method, target, JSON if body else {}, body))
    assert (response.status, response.code) == (400, code)
    assert text in str(response.content["message"])


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_body_that_is_too_large_is_rejected(
    server: Server, session: aiohttp.ClientSession
) -> None:
    request = Request("POST", CONNECTORS, JSON, b" " * (1024**2 + 1))
    response = await send(session, server, request)
    assert (response.status, response.code) == (413, "RequestTooLargeException")


async def test_a_signature_covers_the_body_as_sent(
    server: Server, session: aiohttp.ClientSession
) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    response = await send(session, server, Request("POST", CONNECTORS, headers, b"not gzip"))
    assert response.code == "SerializationException"


async def test_an_unsigned_request_is_rejected_first(
    server: Server, session: aiohttp.ClientSession
) -> None:
    for target in (CONNECTORS, "/"):
        response = await send(session, server, Request("GET", target), signed=False)
        assert (response.status, response.code) == (403, "MissingAuthenticationTokenException")


async def test_a_repeated_header_is_one_header_with_two_values(
    server: Server, session: aiohttp.ClientSession, state: State
) -> None:
    state.create_runtime("r1")
    name = "x-amzn-runtime-recovery-window-in-days"
    host = URL(server.endpoint_url).authority
    request = sign(
        Request("DELETE", "/2026-10-01/runtimes/r1", {name: "7,7"}),
        host=host,
        credentials=CREDENTIALS,
        region="us-east-1",
        time=server._clock(),
    )
    headers = [(key, value) for key, value in request.headers.items() if key != name]
    async with session.delete(
        URL(server.endpoint_url + request.target, encoded=True),
        headers=[*headers, (name, "7"), (name, "7")],
    ) as response:
        assert response.status == 400
        assert "'7,7'" in (await response.json())["message"]


async def test_calls_are_counted_by_operation(
    server: Server, session: aiohttp.ClientSession
) -> None:
    await send(session, server, Request("GET", CONNECTORS))
    await send(session, server, Request("GET", CONNECTORS), signed=False)
    await send(session, server, Request("GET", f"{CONNECTORS}/x"))
    assert server.calls == {"ListNetworkConnectors": 2, "GetNetworkConnector": 1}


@pytest.mark.usefixtures("leaps")
async def test_a_stopped_server_leaves_no_task_and_no_socket(
    state: State, clock: Clock, session: aiohttp.ClientSession
) -> None:
    before = asyncio.all_tasks()
    server = Server(state, credentials=[CREDENTIALS], clock=clock)
    await server.start()
    port = URL(server.endpoint_url).port
    assert port is not None
    await send(session, server, Request("GET", CONNECTORS))  # leaves its connection open
    await asyncio.wait_for(server.stop(), timeout=10)
    assert asyncio.all_tasks() == before
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.1", port)) != 0
    await server.stop()


async def test_a_server_reports_that_it_is_not_running(state: State) -> None:
    server = Server(state, credentials=[CREDENTIALS])
    with pytest.raises(ConfigurationError, match="not running"):
        _ = server.endpoint_url
    async with server:
        with pytest.raises(ConfigurationError, match="already running"):
            await server.start()
    with pytest.raises(ConfigurationError, match="not running"):
        _ = server.endpoint_url


async def test_a_server_does_not_start_on_a_port_in_use(state: State, server: Server) -> None:
    port = URL(server.endpoint_url).port
    assert port is not None
    second = Server(state, credentials=[CREDENTIALS], port=port)
    with pytest.raises(OSError, match="address already in use"):
        await second.start()
    with pytest.raises(ConfigurationError):
        _ = second.endpoint_url


TEXT = st.text(max_size=20) | st.sampled_from(["prod", "python-corp", "v1", "GA", "IPv4"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXT, values, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_every_request_gets_a_response(data: st.DataObject) -> None:
    state = State()
    state.put_network_connector("prod")
    state.create_runtime("python-corp")
    operation = data.draw(st.sampled_from(list(OPERATIONS.values())))
    target, queries, content, headers = operation.uri, list[str](), dict[str, object](), dict(JSON)
    for member in operation.members:
        text = quote(data.draw(TEXT | st.integers(-1, 200).map(str)), safe="")
        match member.location:
            case "path":
                target = target.replace(f"{{{member.wire}}}", text)
            case "query":
                queries.append(f"{member.wire}={text}")
            case "header":
                headers[member.wire] = text
            case "body":
                content[member.wire] = data.draw(JSON_VALUES)
    query = "&".join(data.draw(st.lists(st.sampled_from(queries), unique=True)) if queries else [])
    request = Request(
        operation.method,
        f"{target}?{query}" if query else target,
        headers,
        data.draw(st.just(json.dumps(content).encode()) | st.binary(max_size=20)),
    )
    clock = Clock()
    server = Server(state, credentials=[CREDENTIALS], clock=clock)
    response = server.answer(
        sign(request, host="h", credentials=CREDENTIALS, region="us-east-1", time=clock())
    )
    assert response.status in {operation.status, 400, 404, 409}
    assert isinstance(json.loads(response.body), dict)


async def test_a_server_logs_nothing(
    server: Server, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await send(session, server, Request("GET", CONNECTORS))
    assert not [r for r in caplog.records if r.name.startswith("aiohttp")]
