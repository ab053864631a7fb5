"""Lists names of connectors and runtimes for completion in a shell."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Final

from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.observation import logger

#: Maximum seconds of a listing for completion.
_PATIENCE: Final = 1.0
#: The maximum number of names.
_LIMIT: Final = 500


def list_names(
    region: str | None, profile: str | None, endpoint_url: str | None, *, is_runtime: bool
) -> list[str]:
    """Return the first names, as many as a second allows; it never raises.

    Args:
        region: the AWS region, or `None` for the default one.
        profile: the profile, or `None` for the default one.
        endpoint_url: the endpoint, or `None` for the configured one.
        is_runtime: whether to list runtimes instead of connectors.
    """
    names: list[str] = []

    async def work() -> None:
        async with (
            asyncio.timeout(_PATIENCE),
            LambdaCoreClient(
                region, profile=profile, endpoint_url=endpoint_url, max_attempts=1
            ) as client,
        ):
            if is_runtime:
                async for runtimes in client.list_runtimes(page_size=100, limit=_LIMIT).by_page():
                    names.extend(runtime.name for runtime in runtimes.items)
                return
            async for page in client.list_network_connectors(page_size=100, limit=_LIMIT).by_page():
                names.extend(summary.name for summary in page.items)

    logger.addHandler(logging.NullHandler())
    with suppress(Exception):  # a shell shows no errors while a word is typed
        asyncio.run(work())
    return names
