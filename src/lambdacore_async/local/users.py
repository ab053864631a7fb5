"""MicroVMs, MicroVM images and Web Functions of the emulator, which use connectors.

The emulator answers the reads that find the users of a connector. Paths and members are
those of the models of Lambda MicroVMs (2025-09-09) and Lambda Web Functions (2025-03-07); members
unrelated to connectors have placeholder values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs, unquote

from attrs import frozen

from lambdacore_async.local.account import Account
from lambdacore_async.local.errors import not_found, unmodelled
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.reading import is_object

JSONObject: TypeAlias = dict[str, Any]

#: The kinds of resources, as they appear in ARNs.
MICROVM: Final = "microvm"
IMAGE: Final = "microvm-image"
FUNCTION: Final = "web-function"

_MICROVMS: Final = "/2025-09-09/microvms"
_IMAGES: Final = "/2025-09-09/microvm-images"
_WEB_FUNCTIONS: Final = "/2025-03-07/web-functions"
_PAGE_SIZE: Final = 50
#: The only version of each image, and the only revision of each Web Function.
_VERSION: Final = "1"
_ROLE: Final = "arn:aws:iam::123456789012:role/execution"


@frozen
class _User:
    arn: str
    name: str
    connectors: tuple[str, ...]
    created: datetime

    def uses(self, arn: str) -> bool:
        """Return whether the resource uses a connector, or a version of it."""
        return any(used == arn or used.startswith(f"{arn}:") for used in self.connectors)


class ConnectorUsers:
    """The resources of an account that use its connectors, one version of each.

    Args:
        account: the account.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._users: dict[str, dict[str, _User]] = {kind: {} for kind in (MICROVM, IMAGE, FUNCTION)}

    def put(self, kind: str, name: str, connectors: Iterable[str]) -> None:
        """Put a resource that references connectors by ARN."""
        arn = self._account.arn(f"{kind}:{name}")
        self._users[kind][name] = _User(arn, name, tuple(connectors), self._account.clock())

    def remove(self, kind: str, name: str) -> None:
        """Remove a resource, if it exists."""
        self._users[kind].pop(name, None)

    def has_microvm(self, arn: str) -> bool:
        """Return whether a MicroVM uses a connector."""
        return any(user.uses(arn) for user in self._users[MICROVM].values())

    def answer(self, operation: str, request: Request) -> Response:
        """Return the response to a request.

        Raises:
            ResourceNotFoundException: if the resource does not exist.
            ApiError: if the request cannot be read.
        """
        path, _, query = request.target.partition("?")
        _, pattern, answer = _OPERATIONS[operation]
        found = re.fullmatch(pattern, path)
        names = [] if found is None else [unquote(name) for name in found.groups()]
        content = answer(self, *names)
        for member, items in content.items():
            if member in _LISTS:
                content = _page(member, items, _parameters(request, query))
        body = json.dumps(content).encode()
        return Response(200, {"content-type": "application/json"}, body)

    def _of(self, kind: str) -> Iterable[_User]:
        return self._users[kind].values()

    def _find(self, kind: str, identifier: str) -> _User:
        """Return a resource by its name or ARN."""
        for user in self._of(kind):
            if identifier in (user.name, user.arn):
                return user
        raise not_found(kind, identifier)

    def list_microvms(self) -> JSONObject:
        """ListMicrovms."""
        return {"items": [self._microvm(user) for user in self._of(MICROVM)]}

    def get_microvm(self, name: str) -> JSONObject:
        """GetMicrovm."""
        user = self._find(MICROVM, name)
        return {
            **self._microvm(user),
            "endpoint": f"{user.name}.lambda-microvm.{self._account.region}.on.aws",
            "maximumDurationInSeconds": 28_800,
            "egressNetworkConnectors": user.connectors,
        }

    def _microvm(self, user: _User) -> JSONObject:
        return {
            "microvmId": user.name,
            "state": "RUNNING",
            "imageArn": self._account.arn("microvm-image:image"),
            "imageVersion": _VERSION,
            "startedAt": user.created.timestamp(),
        }

    def list_microvm_images(self) -> JSONObject:
        """ListMicrovmImages."""
        return {
            "items": [
                {
                    "imageArn": user.arn,
                    "name": user.name,
                    "state": "CREATED",
                    "latestActiveImageVersion": _VERSION,
                    "createdAt": user.created.timestamp(),
                }
                for user in self._of(IMAGE)
            ]
        }

    def list_microvm_image_versions(self, name: str) -> JSONObject:
        """ListMicrovmImageVersions."""
        user = self._find(IMAGE, name)
        version = {
            "baseImageArn": self._account.arn("microvm-image:base"),
            "buildRoleArn": _ROLE,
            "codeArtifact": {"uri": f"s3://images/{user.name}"},
            "egressNetworkConnectors": user.connectors,
            "imageArn": user.arn,
            "imageVersion": _VERSION,
            "state": "SUCCESSFUL",
            "status": "ACTIVE",
            "createdAt": user.created.timestamp(),
        }
        return {"items": [version]}

    def list_web_functions(self) -> JSONObject:
        """ListWebFunctions."""
        return {
            "functions": [
                {
                    "functionName": user.name,
                    "functionArn": user.arn,
                    "state": "Active",
                    "stateReason": "",
                    "createdAt": user.created.timestamp(),
                    "updatedAt": user.created.timestamp(),
                }
                for user in self._of(FUNCTION)
            ]
        }

    def list_web_function_revisions(self, name: str) -> JSONObject:
        """ListWebFunctionRevisions."""
        return {"revisions": [self._revision(self._find(FUNCTION, name))]}

    def get_web_function_revision(self, name: str, revision: str) -> JSONObject:
        """GetWebFunctionRevision."""
        user = self._find(FUNCTION, name)
        if revision != _VERSION:
            raise not_found("Revision", revision)
        (connector,) = user.connectors
        return {
            **self._revision(user),
            "functionArn": user.arn,
            "buildConfig": {
                "codeConfig": {"s3Object": {"bucket": "functions", "key": user.name}},
                "runtimeConfig": {"runtime": "python3.13"},
            },
            "serviceConfig": {"executionRoleArn": _ROLE, "egressNetworkConnectorArn": connector},
        }

    def _revision(self, user: _User) -> JSONObject:
        return {
            "revisionArn": f"{user.arn}:{_VERSION}",
            "revisionId": _VERSION,
            "state": "Active",
            "stateReason": "",
            "createdAt": user.created.timestamp(),
        }


#: The members that hold the items of a listing.
_LISTS: Final = frozenset({"items", "functions", "revisions"})

_ANY: Final = "/([^/]+)"
#: The method, path and response of each operation.
_OPERATIONS: Final[Mapping[str, tuple[str, str, Callable[..., JSONObject]]]] = {
    "ListMicrovms": ("GET", _MICROVMS, ConnectorUsers.list_microvms),
    "GetMicrovm": ("GET", _MICROVMS + _ANY, ConnectorUsers.get_microvm),
    "ListMicrovmImages": ("GET", _IMAGES, ConnectorUsers.list_microvm_images),
    "ListMicrovmImageVersions": (
        "GET", f"{_IMAGES}{_ANY}/versions", ConnectorUsers.list_microvm_image_versions,
    ),
    "ListWebFunctions": ("POST", _WEB_FUNCTIONS, ConnectorUsers.list_web_functions),
    "ListWebFunctionRevisions": (
        "POST",
        f"{_WEB_FUNCTIONS}{_ANY}/list-revisions",
        ConnectorUsers.list_web_function_revisions,
    ),
    "GetWebFunctionRevision": (
        "GET", f"{_WEB_FUNCTIONS}{_ANY}/revisions{_ANY}", ConnectorUsers.get_web_function_revision,
    ),
}  # fmt: skip


def operation_of(request: Request) -> str | None:
    """Return the name of a request's operation; `None` for operations outside this module."""
    path = request.target.partition("?")[0]
    for name, (method, pattern, _) in _OPERATIONS.items():
        if request.method == method and re.fullmatch(pattern, path):
            return name
    return None


def _parameters(request: Request, query: str) -> Mapping[str, Any]:
    if request.method == "GET":
        return {name: values[0] for name, values in parse_qs(query).items()}
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        content = None
    if is_object(content):
        return content
    raise unmodelled("SerializationException", "The body is not a JSON object", status_code=400)


def _page(member: str, items: Sequence[object], parameters: Mapping[str, Any]) -> JSONObject:
    try:
        size = int(parameters.get("maxResults", _PAGE_SIZE))
        start = int(parameters.get("nextToken", 0))
    except (TypeError, ValueError):
        size = start = 0
    if size < 1 or start < 0:
        raise unmodelled("ValidationException", "Invalid page size or token", status_code=400)
    page: JSONObject = {member: items[start : start + size]}
    return page if start + size >= len(items) else {**page, "nextToken": str(start + size)}
