"""Caches of many accounts and regions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Self

from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.workflows.cache.cache import NetworkConnectorCache
from lambdacore_async.workflows.cache.changes import CachedConnectorChange, Changes
from lambdacore_async.workflows.targets import Target


class NetworkConnectorCaches(Mapping[Target, NetworkConnectorCache]):
    """Caches of many accounts and regions, by target: use it in `async with`.

    `client.cache_across` creates it. `caches[target]` is the cache of a target. A target that
    cannot be read does not affect the others.
    """

    def __init__(self, caches: Mapping[Target, NetworkConnectorCache]) -> None:
        self._caches = dict(caches)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for cache in self._caches.values():
                await stack.enter_async_context(cache)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def __getitem__(self, target: Target) -> NetworkConnectorCache:
        return self._caches[target]

    def __iter__(self) -> Iterator[Target]:
        return iter(self._caches)

    def __len__(self) -> int:
        return len(self._caches)

    def all(self) -> tuple[tuple[Target, NetworkConnector], ...]:
        """Return all connectors with their targets; see `NetworkConnectorCache.all`."""
        return tuple(
            (target, connector)
            for target, cache in self._caches.items()
            for connector in cache.all()
        )

    async def changes(self) -> AsyncGenerator[tuple[Target, CachedConnectorChange]]:
        """Iterate over changes with their targets; see `NetworkConnectorCache.changes`.

        The failure of a target is logged and does not end the iteration; `ready` of its cache
        raises it.

        Raises:
            RuntimeError: on iteration, if the caches are not open.
        """
        pictures = {target: cache.picture for target, cache in self._caches.items()}
        async for change in Changes(pictures, self._is_any_open, raises=False):
            yield change

    def _is_any_open(self) -> bool:
        return any(cache.is_open for cache in self._caches.values())
