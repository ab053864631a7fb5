"""A transport for tests: it keeps what it is given to send, and answers as scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

#: What comes of a request: an answer, an error, what the function makes of it; `None` is silence.
Answer = Response | Exception | Callable[[Request], Response] | None


def answer(status: int = 200, body: bytes = b"{}", **headers: str) -> Response:
    """An answer; an underscore in a header's name stands for a hyphen."""
    fields = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Response(status, CIMultiDictProxy(fields), body)


def refusal(code: str, status: int = 400, **headers: str) -> Response:
    """An answer of failure, as the service makes it."""
    body = json.dumps({"Type": "User", "Message": f"{code} it is"}).encode()
    return answer(status, body, x_amzn_ErrorType=code, **headers)


#: The answer of success of any call that returns a network connector.
CONNECTOR: Final = answer(200, b'{"Arn": "arn:aws:x", "Id": "nc-1", "Name": "prod-egress"}')


class FakeTransport:
    """Answers one request after another as the script says.

    Attributes:
        requests: what was sent, in order.
        endpoints: where to.
        timeouts: with which timeouts.
        under_way: how many requests wait for their answer.
        closed: whether it was closed.
    """

    def __init__(self, *script: Answer) -> None:
        self.requests: list[Request] = []
        self.endpoints: list[Endpoint] = []
        self.timeouts: list[Timeout] = []
        self.under_way = 0
        self.closed = False
        self._script = iter(script)

    def then(self, script: Iterable[Answer]) -> None:
        """Go on with another script."""
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
