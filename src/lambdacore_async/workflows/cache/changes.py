"""Changes of the connectors in pictures, with whole connectors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Generic, TypeAlias, TypeVar

from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.workflows.cache.entries import copy_of
from lambdacore_async.workflows.cache.picture import Picture
from lambdacore_async.workflows.watching import (
    ConnectorAdded,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
    change_between,
)

CachedConnectorChange: TypeAlias = (
    ConnectorAdded[NetworkConnector]
    | ConnectorStateChanged[NetworkConnector]
    | ConnectorUpdated[NetworkConnector]
    | ConnectorDeleted[NetworkConnector]
)
"""One change of one connector, with whole connectors."""

Label = TypeVar("Label", bound=Hashable)


class Changes(Generic[Label]):
    """The changes of the connectors in pictures, each with the label of its picture.

    Args:
        pictures: the pictures, by a label.
        is_open: returns whether the iteration continues.
        raises: whether to raise errors of listings that are not transient.
    """

    def __init__(
        self, pictures: Mapping[Label, Picture], is_open: Callable[[], bool], *, raises: bool
    ) -> None:
        self._pictures = pictures
        self._is_open = is_open
        self._raises = raises
        self._known: dict[tuple[Label, str], NetworkConnector] = {}
        self._event = asyncio.Event()
        self._pending = dict.fromkeys(
            (label, identifier)
            for label, picture in pictures.items()
            for identifier in picture.subscribe(self)
        )

    def note(self, picture: Picture, identifier: str) -> None:
        """Note that a connector may have changed."""
        for label, each in self._pictures.items():
            if each is picture:
                self._pending[label, identifier] = None

    def wake(self) -> None:
        """Let the consumer look for changes."""
        self._event.set()

    def __aiter__(self) -> AsyncIterator[tuple[Label, CachedConnectorChange]]:
        return self

    async def __anext__(self) -> tuple[Label, CachedConnectorChange]:
        while True:
            if not self._is_open():
                raise StopAsyncIteration
            while self._pending:
                place = label, identifier = next(iter(self._pending))
                del self._pending[place]
                before = self._known.pop(place, None)
                after = self._pictures[label].connector(identifier)
                if after is not None:
                    self._known[place] = after
                change = change_between(before, after)
                if change is not None:
                    return label, change
            for picture in self._pictures.values():
                if self._raises and picture.error is not None:
                    raise copy_of(picture.error)
            self._event.clear()
            await self._event.wait()
