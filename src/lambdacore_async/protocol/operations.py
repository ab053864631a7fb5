"""The operations of AWS Lambda Core, as its model of 2026-04-30 has them.

Each row says what the API is; `restjson` knows what to do with it.
"""

# ruff: noqa: S106 - the tokens are those of listings, no passwords

from __future__ import annotations

from typing import Any, Final

from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.models.runtimes import (
    RestoredRuntime,
    Runtime,
    RuntimeAlias,
    RuntimeReleaseLifecycle,
    RuntimeVersion,
)
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.protocol.restjson import (
    EmptyOperation,
    ListOperation,
    ModelOperation,
    Operation,
    body,
    header,
    path,
    query,
)

SERVICE_ID: Final = "Lambda Core"
API_VERSION: Final = "2026-04-30"

_CONNECTORS: Final = "/2026-04-04/network-connectors"
_CONNECTOR: Final = f"{_CONNECTORS}/{{Identifier}}"
_RUNTIMES: Final = "/2026-10-01/runtimes"
_RUNTIME: Final = f"{_RUNTIMES}/{{RuntimeName}}"

_ANY: Final = frozenset(
    {"InvalidParameterValueException", "ServiceException", "TooManyRequestsException"}
)
_LOOKUP: Final = _ANY | {"ResourceNotFoundException"}
_CHANGE: Final = _LOOKUP | {"ResourceConflictException"}
_CREATE: Final = _ANY | {"ResourceConflictException"}
_CONNECTOR_LIMIT: Final = {"NetworkConnectorLimitExceededException"}
_QUOTA: Final = {"ServiceQuotaExceededException"}

_STATE: Final[Any] = NetworkConnectorState | UnknownValue
_TAGS: Final[Any] = dict[str, str]
_RECOVERY_WINDOW: Final = header(
    "recovery_window_in_days", int, "x-amzn-runtime-recovery-window-in-days"
)
_CONNECTOR_PAGE: Final = (query("state", _STATE), query("marker", str), query("max_items", int))
_RUNTIME_PAGE: Final = (
    query("next_token", str, "nextToken"),
    query("max_results", int, "maxResults"),
)

# Network connectors

CREATE_NETWORK_CONNECTOR = ModelOperation(
    "CreateNetworkConnector", "POST", _CONNECTORS, 202,
    (
        body("name", required=True),
        body("configuration", NetworkConnectorConfiguration, required=True),
        body("operator_role"),
        body("client_token", token=True),
        body("tags", _TAGS),
    ),
    errors=_CREATE | _CONNECTOR_LIMIT, idempotent=True, output=NetworkConnector,
)  # fmt: skip

GET_NETWORK_CONNECTOR = ModelOperation(
    "GetNetworkConnector", "GET", _CONNECTOR, 200,
    (path("identifier"),),
    errors=_LOOKUP, readonly=True, output=NetworkConnector,
)  # fmt: skip

UPDATE_NETWORK_CONNECTOR = ModelOperation(
    "UpdateNetworkConnector", "PUT", _CONNECTOR, 202,
    (
        path("identifier"),
        body("configuration", NetworkConnectorConfiguration),
        body("operator_role"),
        body("client_token", token=True),
    ),
    errors=_CHANGE | _CONNECTOR_LIMIT, output=NetworkConnector,
)  # fmt: skip

DELETE_NETWORK_CONNECTOR = ModelOperation(
    "DeleteNetworkConnector", "DELETE", _CONNECTOR, 202,
    (path("identifier"),),
    errors=_CHANGE, idempotent=True, output=NetworkConnector,
)  # fmt: skip

LIST_NETWORK_CONNECTORS = ListOperation(
    "ListNetworkConnectors", "GET", _CONNECTORS, 200,
    _CONNECTOR_PAGE,
    errors=_ANY, readonly=True,
    item=NetworkConnectorSummary, items="NetworkConnectors",
    input_token="marker", output_token="NextMarker", page_size="max_items",
)  # fmt: skip

LIST_NETWORK_CONNECTOR_VERSIONS = ListOperation(
    "ListNetworkConnectorVersions", "GET", f"{_CONNECTOR}/versions", 200,
    (path("identifier"), *_CONNECTOR_PAGE),
    errors=_LOOKUP, readonly=True,
    item=NetworkConnectorVersionSummary, items="NetworkConnectorVersions",
    input_token="marker", output_token="NextMarker", page_size="max_items",
)  # fmt: skip

# Runtimes

CREATE_RUNTIME = ModelOperation(
    "CreateRuntime", "POST", _RUNTIMES, 202,
    (
        body("name", required=True),
        body("tags", _TAGS),
        body("description"),
        body("license_info"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=_CREATE | _QUOTA, idempotent=True, output=Runtime,
)  # fmt: skip

GET_RUNTIME = ModelOperation(
    "GetRuntime", "GET", _RUNTIME, 200,
    (path("runtime_name"),),
    errors=_LOOKUP, readonly=True, output=Runtime,
)  # fmt: skip

UPDATE_RUNTIME = ModelOperation(
    "UpdateRuntime", "PUT", _RUNTIME, 200,
    (
        path("runtime_name"),
        body("description"),
        body("license_info"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=_CHANGE, idempotent=True, output=Runtime,
)  # fmt: skip

DELETE_RUNTIME = EmptyOperation(
    "DeleteRuntime", "DELETE", _RUNTIME, 202,
    (path("runtime_name"), _RECOVERY_WINDOW),
    errors=_CHANGE, idempotent=True,
)  # fmt: skip

RESTORE_RUNTIME = ModelOperation(
    "RestoreRuntime", "POST", f"{_RUNTIME}/restore", 200,
    (path("runtime_name"), query("runtime_version", str), query("runtime_alias", str)),
    errors=_CHANGE, idempotent=True, output=RestoredRuntime,
)  # fmt: skip

LIST_RUNTIMES = ListOperation(
    "ListRuntimes", "GET", _RUNTIMES, 200,
    _RUNTIME_PAGE,
    errors=_ANY, readonly=True,
    item=Runtime, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip

# Runtime versions

CREATE_RUNTIME_VERSION = ModelOperation(
    "CreateRuntimeVersion", "POST", f"{_RUNTIME}/versions", 201,
    (
        path("runtime_name"),
        body("image_uri", required=True),
        body("name", required=True),
        body("release_notes"),
        body("dry_run", bool),
    ),
    errors=_CHANGE | _QUOTA, idempotent=True, output=RuntimeVersion,
)  # fmt: skip

GET_RUNTIME_VERSION = ModelOperation(
    "GetRuntimeVersion", "GET", f"{_RUNTIME}/versions/{{Name}}", 200,
    (path("runtime_name"), path("name")),
    errors=_LOOKUP, readonly=True, output=RuntimeVersion,
)  # fmt: skip

UPDATE_RUNTIME_VERSION = ModelOperation(
    "UpdateRuntimeVersion", "PATCH", f"{_RUNTIME}/versions/{{Name}}", 200,
    (path("runtime_name"), path("name"), body("release_notes", required=True, blank=True)),
    errors=_CHANGE, idempotent=True, output=RuntimeVersion,
)  # fmt: skip

DELETE_RUNTIME_VERSION = EmptyOperation(
    "DeleteRuntimeVersion", "DELETE", f"{_RUNTIME}/versions/{{Name}}", 202,
    (path("runtime_name"), path("name"), _RECOVERY_WINDOW),
    errors=_CHANGE, idempotent=True,
)  # fmt: skip

LIST_RUNTIME_VERSIONS = ListOperation(
    "ListRuntimeVersions", "GET", f"{_RUNTIME}/versions", 200,
    (path("runtime_name"), *_RUNTIME_PAGE),
    errors=_LOOKUP, readonly=True,
    item=RuntimeVersion, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip

# Runtime aliases

CREATE_RUNTIME_ALIAS = ModelOperation(
    "CreateRuntimeAlias", "POST", f"{_RUNTIME}/aliases", 201,
    (
        path("runtime_name"),
        body("runtime_version", required=True),
        body("name", required=True),
        body("description"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=_CHANGE | _QUOTA, idempotent=True, output=RuntimeAlias,
)  # fmt: skip

GET_RUNTIME_ALIAS = ModelOperation(
    "GetRuntimeAlias", "GET", f"{_RUNTIME}/aliases/{{Name}}", 200,
    (path("runtime_name"), path("name")),
    errors=_LOOKUP, readonly=True, output=RuntimeAlias,
)  # fmt: skip

UPDATE_RUNTIME_ALIAS = ModelOperation(
    "UpdateRuntimeAlias", "PUT", f"{_RUNTIME}/aliases/{{Name}}", 200,
    (
        path("runtime_name"),
        path("name"),
        body("runtime_version", required=True),
        body("description"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=_CHANGE, idempotent=True, output=RuntimeAlias,
)  # fmt: skip

DELETE_RUNTIME_ALIAS = EmptyOperation(
    "DeleteRuntimeAlias", "DELETE", f"{_RUNTIME}/aliases/{{Name}}", 202,
    (path("runtime_name"), path("name"), _RECOVERY_WINDOW),
    errors=_CHANGE, idempotent=True,
)  # fmt: skip

LIST_RUNTIME_ALIASES = ListOperation(
    "ListRuntimeAliases", "GET", f"{_RUNTIME}/aliases", 200,
    (path("runtime_name"), *_RUNTIME_PAGE),
    errors=_LOOKUP, readonly=True,
    item=RuntimeAlias, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip

#: All of them, by the API's name.
OPERATIONS: Final[dict[str, Operation[Any]]] = {
    operation.name: operation
    for operation in tuple(globals().values())
    if isinstance(operation, Operation)
}
