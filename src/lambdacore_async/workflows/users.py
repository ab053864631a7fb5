"""Users of a connector: the MicroVMs, MicroVM images and Web Functions that name it.

Only these services know which connectors they use, so finding the users of one takes a call per
resource. The paths and members are those of the models of Lambda MicroVMs (2025-09-09) and Lambda
Web Functions (2025-03-07).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from attrs import frozen

from lambdacore_async.errors import LambdaCoreError, ResourceNotFoundException, ResponseError
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.raw import RawResponse
from lambdacore_async.protocol.reading import is_array, is_object

Send: TypeAlias = Callable[..., Awaitable[RawResponse]]
"""Sends a request; see `LambdaCoreClient.request`."""

_MICROVMS: Final = "/2025-09-09/microvms"
_IMAGES: Final = "/2025-09-09/microvm-images"
_WEB_FUNCTIONS: Final = "/2025-03-07/web-functions"
#: States of resources that no longer use a connector.
_ENDED: Final = frozenset({"TERMINATED", "DELETED"})
_CONCURRENCY: Final = 16
_MAX_PAGES: Final = 1000
_MAX_SHOWN: Final = 5


class ConnectorUserKind(StrEnum):
    """A kind of resource that can use a connector."""

    MICRO_VM = "MicroVm"
    MICRO_VM_IMAGE = "MicroVmImage"
    WEB_FUNCTION = "WebFunction"


@frozen
class ConnectorUser:
    """A resource that names a connector."""

    kind: ConnectorUserKind
    """The kind of resource."""
    identifier: str
    """A MicroVM's ID, or the ARN of an image or of a Web Function."""
    version: str | None
    """The version of an image, or the revision of a Web Function; `None` for a MicroVM."""
    reference: str
    """The reference to the connector, such as an ARN with a version."""

    def __str__(self) -> str:
        version = "" if self.version is None else f", version {self.version}"
        return f"{self.kind} {self.identifier}{version}"


class ConnectorInUseError(LambdaCoreError):
    """A connector was not deleted, because resources use it."""

    users: tuple[ConnectorUser, ...]
    """The resources that use it."""

    def __init__(self, users: tuple[ConnectorUser, ...]) -> None:
        shown = [str(user) for user in users[:_MAX_SHOWN]]
        if len(users) > _MAX_SHOWN:
            shown.append(f"{len(users) - _MAX_SHOWN} more")
        super().__init__(f"the connector is in use by {'; '.join(shown)}")
        self.users = users
        self.operation: str | None = "DeleteNetworkConnector"


async def find_users(send: Send, connector: NetworkConnector) -> tuple[ConnectorUser, ...]:
    """Return the resources that name a connector, or one of its versions.

    Raises:
        ApiError: if the caller may not list or read a resource.
        ResponseError: if a response cannot be read.
    """
    search = _Search(send, connector)
    return tuple(await _gather(search.microvms(), search.images(), search.web_functions()))


async def _gather(*parts: Coroutine[Any, Any, list[ConnectorUser]]) -> list[ConnectorUser]:
    """Return the users that concurrent coroutines find; cancel all of them if one fails."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        return [user for found in await asyncio.gather(*tasks) for user in found]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Search:
    def __init__(self, send: Send, connector: NetworkConnector) -> None:
        self._send = send
        self._names = {connector.arn, connector.id, connector.name}
        # Older references may end with the name, and newer ones with the ID.
        prefix = connector.arn.rpartition(":")[0]
        self._names |= {f"{prefix}:{connector.id}", f"{prefix}:{connector.name}"}
        self._slots = asyncio.Semaphore(_CONCURRENCY)

    async def microvms(self) -> list[ConnectorUser]:
        async def users(listed: Mapping[str, Any]) -> list[ConnectorUser]:
            identifier = _text(listed, "microvmId")
            found = await self._get(f"{_MICROVMS}/{quote(identifier, safe='')}")
            references = _list(found, "ingressNetworkConnectors") + _list(
                found, "egressNetworkConnectors"
            )
            return self._users(ConnectorUserKind.MICRO_VM, identifier, None, references)

        return await self._each(self._listed(_MICROVMS, "items"), users)

    async def images(self) -> list[ConnectorUser]:
        async def users(image: Mapping[str, Any]) -> list[ConnectorUser]:
            arn = _text(image, "imageArn")
            versions = self._listed(f"{_IMAGES}/{quote(arn, safe='')}/versions", "items")
            return [
                user
                async for version in versions
                for user in self._users(
                    ConnectorUserKind.MICRO_VM_IMAGE,
                    arn,
                    _text(version, "imageVersion"),
                    _list(version, "egressNetworkConnectors"),
                )
            ]

        return await self._each(self._listed(_IMAGES, "items"), users)

    async def web_functions(self) -> list[ConnectorUser]:
        async def users(function: Mapping[str, Any]) -> list[ConnectorUser]:
            path = f"{_WEB_FUNCTIONS}/{quote(_text(function, 'functionName'), safe='')}"
            found: list[ConnectorUser] = []
            async for listed in self._listed(f"{path}/list-revisions", "revisions", "POST"):
                revision = _text(listed, "revisionId")
                details = await self._get(f"{path}/revisions/{quote(revision, safe='')}")
                config = details.get("serviceConfig")
                reference = config.get("egressNetworkConnectorArn") if is_object(config) else None
                found += self._users(
                    ConnectorUserKind.WEB_FUNCTION,
                    _text(function, "functionArn"),
                    revision,
                    [reference],
                )
            return found

        return await self._each(self._listed(_WEB_FUNCTIONS, "functions", "POST"), users)

    def _users(
        self,
        kind: ConnectorUserKind,
        identifier: str,
        version: str | None,
        references: list[object],
    ) -> list[ConnectorUser]:
        """Return a user for each reference that names the connector or a version of it."""
        return [
            ConnectorUser(kind, identifier, version, reference)
            for reference in references
            if isinstance(reference, str) and self._names_connector(reference)
        ]

    def _names_connector(self, reference: str) -> bool:
        start, _, qualifier = reference.rpartition(":")
        return reference in self._names or (qualifier.isdecimal() and start in self._names)

    async def _each(
        self,
        listed: AsyncIterator[Mapping[str, Any]],
        users: Callable[[Mapping[str, Any]], Awaitable[list[ConnectorUser]]],
    ) -> list[ConnectorUser]:
        """Return the users that a function finds for each listed resource, in their order."""

        async def find(resource: Mapping[str, Any]) -> list[ConnectorUser]:
            async with self._slots:
                try:
                    return await users(resource)
                except ResourceNotFoundException:
                    return []  # it was deleted after it was listed

        try:
            resources = [resource async for resource in listed]
        except ResourceNotFoundException as error:  # callers would attribute it to the connector
            raise _unreadable(f"the listing is not found: {error.message}", 404) from error
        return await _gather(*[find(resource) for resource in resources])

    async def _listed(
        self, path: str, members: str, method: str = "GET"
    ) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the items of all pages of a listing, without those that have ended."""
        token: str | None = None
        for _ in range(_MAX_PAGES):
            page = {} if token is None else {"nextToken": token}
            where: dict[str, Any] = {"query": page} if method == "GET" else {"body": page}
            content = _object(await self._send(method, path, **where, idempotent=True))
            for item in _list(content, members):
                if is_object(item) and item.get("state") not in _ENDED:
                    yield item
            last, token = token, content.get("nextToken")
            if not token:
                return
            if not isinstance(token, str) or token == last:
                break
        raise _unreadable(f"the listing {path} does not end")

    async def _get(self, path: str) -> Mapping[str, Any]:
        return _object(await self._send("GET", path))


def _object(response: RawResponse) -> Mapping[str, Any]:
    if is_object(response.json):
        return response.json
    raise _unreadable("expected a JSON object")


def _list(content: Mapping[str, Any], member: str) -> list[object]:
    """Return the items of a list, which may be absent."""
    items: object = content.get(member)
    return list(items) if is_array(items) else []


def _text(content: Mapping[str, Any], member: str) -> str:
    value: object = content.get(member)
    if isinstance(value, str) and value:
        return value
    raise _unreadable(f"{member}: expected str")


def _unreadable(problem: str, status_code: int = 200) -> ResponseError:
    return ResponseError(f"cannot read the response: {problem}", status_code=status_code)
