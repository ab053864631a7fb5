"""An unreadable response fails only its own lookup, which names the identifier."""

from __future__ import annotations

import asyncio
import importlib
import json
from itertools import repeat
from typing import Any

import pytest

from lambdacore_async import Failed, Found, Lookups, ResponseError
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.identity.refresh import RefreshingCredentials
from lambdacore_async.engine.pipeline import Pipeline, Settings, Shared
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Fault, InvalidJson, WrongContentType
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.operations import GET_NETWORK_CONNECTOR
from lambdacore_async.protocol.sigv4 import Credentials
from support.transports import FakeTransport


@pytest.mark.parametrize(
    "poison",
    [
        '"Name": "poisoned", "LastModified": 1.75e18',
        '"Name": "poisoned", "LastModified": "0001-01-01T00:00:00+14:00"',
        '"Name": "\\ud800"',
        '"Name": "poisoned", "Configuration": {"Peering": ' + "[" * 900 + "]" * 900 + "}",
        '"Name": "other"',
        '"Name": "poisoned", "Version": 1' + "0" * 5000,
    ],
    ids=lambda poison: poison[:60],
)
async def test_one_bad_response_of_a_fan_out_is_one_failed_lookup(poison: str) -> None:
    def respond(request: Request) -> Response:
        name = request.target.rpartition("/")[2]
        members = poison if name == "poisoned" else f'"Name": {json.dumps(name)}'
        return Response(200, {}, f'{{"Arn": "a", "Id": "i", {members}}}'.encode())

    shared = Shared(
        transport=FakeTransport(*repeat(respond, 100)),
        credentials=RefreshingCredentials(Credentials("AKIDEXAMPLE", "secret")),
    )
    pipeline = Pipeline(shared, Settings("us-east-1"))
    identifiers = [*map(str, range(25)), "poisoned", *map(str, range(25, 50))]

    found: list[str] = []
    failed: list[Failed] = []
    async with Lookups(
        lambda identifier: pipeline.call(GET_NETWORK_CONNECTOR, {"identifier": identifier}),
        identifiers,
        concurrency=8,
        clock=Clock(),
    ) as lookups:
        async for lookup in lookups:
            match lookup:
                case Found(identifier, connector):
                    assert connector.name == identifier
                    found.append(identifier)
                case _:
                    failed.append(lookup)

    assert sorted(found, key=int) == [str(number) for number in range(50)]
    assert [lookup.identifier for lookup in failed] == ["poisoned"]
    assert isinstance(failed[0].error, ResponseError)
    frames = failed[0].error.__traceback__
    while frames is not None:  # the error does not keep the body alive either
        held = frames.tb_frame.f_locals.values()
        assert not [value for value in held if isinstance(value, Response)]
        response = getattr(frames.tb_frame.f_locals.get("call"), "response", None)
        assert response is None
        frames = frames.tb_next


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (InvalidJson(b'{"NetworkConnectors": ['), "the body is not JSON"),
        (WrongContentType(), "the body is not JSON"),
        (InvalidJson(b""), "the body is empty"),
        (InvalidJson(b"{}"), "NetworkConnectors: expected a list, got NoneType"),
    ],
    ids=["cut off", "HTML", "empty", "no members"],
)
async def test_a_listing_that_boto3_shows_as_empty_is_an_error(
    response: Fault, problem: str
) -> None:
    with LocalLambdaCore().in_thread() as aws:
        aws.state.put_network_connector("prod-egress")
        aws.faults.script(response)
        core: Any = importlib.import_module("boto3").client(
            "lambda-core",
            endpoint_url=aws.endpoint_url,
            region_name=aws.region,
            aws_access_key_id=aws.credentials.access_key_id,
            aws_secret_access_key=aws.credentials.secret_access_key,
        )
        answer: dict[str, object] = await asyncio.to_thread(core.list_network_connectors)
        core.close()
        assert set(answer) == {"ResponseMetadata"}
        aws.faults.script(response)
        async with aws.client(max_attempts=1) as client:
            with pytest.raises(ResponseError, match=problem):
                await anext(aiter(client.list_network_connectors()))
