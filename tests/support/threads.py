"""Threads that block the loop's default executor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager


@asynccontextmanager
async def busy_executor() -> AsyncGenerator[None]:
    """Keep the default executor of the loop busy, so that work given to it never starts."""
    release = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(executor)
        busy = loop.run_in_executor(None, release.wait)
        try:
            yield
        finally:
            release.set()
            await busy
