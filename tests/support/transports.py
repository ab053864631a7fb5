"""A fake transport, which records requests and returns scripted responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: The result of a request: a response, an error, or a function that returns a response. With
#: `None`, no response ever comes.
Answer = Response | Exception | Callable[[Request], Response] | None


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Response:
    """Return a response; underscores in header names become hyphens."""
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, CIMultiDictProxy(fields), body)


def refusal(code: str, status: int = 400, **headers: str) -> Response:
    """Return an error response, as the service sends it."""
    body = json.dumps({"Type": "User", "Message": f"{code} it is"}).encode()
    return answer(status, body, x_amzn_ErrorType=code, **headers)


#: A successful response to any call that returns a network connector.
CONNECTOR: Final = answer(200, b'{"Arn": "arn:aws:x", "Id": "nc-1", "Name": "prod-egress"}')


class FakeTransport:
    """Answers requests in order, each with the next entry of a script.

    Attributes:
        requests: the requests sent, in order.
        endpoints: the endpoint of each request.
        timeouts: the timeout of each request.
        under_way: number of requests that wait for their response.
        closed: whether the transport was closed.
    """

    def __init__(self, *script: Answer) -> None:
        self.requests: list[Request] = []
        self.endpoints: list[Endpoint] = []
        self.timeouts: list[Timeout] = []
        self.under_way = 0
        self.closed = False
        self._script = iter(script)

    def then(self, script: Iterable[Answer]) -> None:
        """Replace the rest of the script."""
        self._script = iter(script)

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        self.requests.append(request)
        self.endpoints.append(endpoint)
        self.timeouts.append(timeout)
        self.under_way += 1
        try:
            await asyncio.sleep(0)
            match next(self._script):
                case None:
                    silence: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
                    return await silence
                case Response() as response:
                    return response
                case Exception() as error:
                    raise error
                case respond:
                    return respond(request)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """See `Transport.close`."""
        self.closed = True
