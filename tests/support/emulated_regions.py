"""Several emulators that stand for AWS's regions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from lambdacore_async import Credentials
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response

KEYS = Credentials("AKIDEXAMPLE", "made-up")


@asynccontextmanager
async def emulated_regions(
    monkeypatch: pytest.MonkeyPatch, *regions: str
) -> AsyncGenerator[dict[str, LocalLambdaCore]]:
    """Run an emulator for each region, and send the requests for AWS's endpoints there.

    All other regions refuse the credentials, as regions do that are not enabled for an account.
    """
    async with AsyncExitStack() as stack:

        async def start(region: str, keys: Credentials | None) -> LocalLambdaCore:
            service = LocalLambdaCore(region=region, credentials=keys, deletion_seconds=0)
            return await stack.enter_async_context(service)

        services = {region: await start(region, KEYS) for region in regions}
        disabled = await start("us-west-1", None)
        send = AiohttpTransport.send

        async def send_there(
            transport: AiohttpTransport, endpoint: Endpoint, request: Request, timeout: Timeout
        ) -> Response:
            service = services.get(endpoint.host.split(".")[1], disabled)
            address = endpoint._replace(url=service.endpoint_url)
            return await send(transport, address, request, timeout)

        monkeypatch.setattr(AiohttpTransport, "send", send_there)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS.secret_access_key)
        monkeypatch.delenv("AWS_REGION", raising=False)
        for region, service in services.items():
            service.state.put_network_connector("prod")
            service.state.put_network_connector(f"only-{region}")
        yield services
