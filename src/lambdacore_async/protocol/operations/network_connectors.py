"""Operations on network connectors."""

# ruff: noqa: S106 - the tokens belong to listings; they are not passwords

from __future__ import annotations

from typing import Any, Final

from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.protocol.operations.rows import ANY, CHANGE, CREATE, LOOKUP, TAGS
from lambdacore_async.protocol.restjson import ListOperation, ModelOperation, body, path, query

_CONNECTORS: Final = "/2026-04-04/network-connectors"
_CONNECTOR: Final = f"{_CONNECTORS}/{{Identifier}}"

_CONNECTOR_LIMIT: Final = {"NetworkConnectorLimitExceededException"}
_STATE: Final[Any] = NetworkConnectorState | UnknownValue
_CONNECTOR_PAGE: Final = (query("state", _STATE), query("marker", str), query("max_items", int))

CREATE_NETWORK_CONNECTOR = ModelOperation(
    "CreateNetworkConnector", "POST", _CONNECTORS, 202,
    (
        body("name", required=True, identifies=True),
        body("configuration", NetworkConnectorConfiguration, required=True),
        body("operator_role"),
        body("client_token", token=True),
        body("tags", TAGS),
    ),
    errors=CREATE | _CONNECTOR_LIMIT, idempotent=True, output=NetworkConnector,
)  # fmt: skip

GET_NETWORK_CONNECTOR = ModelOperation(
    "GetNetworkConnector", "GET", _CONNECTOR, 200,
    (path("identifier"),),
    errors=LOOKUP, readonly=True, output=NetworkConnector,
)  # fmt: skip

UPDATE_NETWORK_CONNECTOR = ModelOperation(
    "UpdateNetworkConnector", "PUT", _CONNECTOR, 202,
    (
        path("identifier"),
        body("configuration", NetworkConnectorConfiguration),
        body("operator_role"),
        body("client_token", token=True),
    ),
    errors=CHANGE | _CONNECTOR_LIMIT, output=NetworkConnector,
)  # fmt: skip

DELETE_NETWORK_CONNECTOR = ModelOperation(
    "DeleteNetworkConnector", "DELETE", _CONNECTOR, 202,
    (path("identifier"),),
    errors=CHANGE, idempotent=True, output=NetworkConnector,
)  # fmt: skip

LIST_NETWORK_CONNECTORS = ListOperation(
    "ListNetworkConnectors", "GET", _CONNECTORS, 200,
    _CONNECTOR_PAGE,
    errors=ANY, readonly=True,
    item=NetworkConnectorSummary, items="NetworkConnectors",
    input_token="marker", output_token="NextMarker", page_size="max_items",
)  # fmt: skip

LIST_NETWORK_CONNECTOR_VERSIONS = ListOperation(
    "ListNetworkConnectorVersions", "GET", f"{_CONNECTOR}/versions", 200,
    (path("identifier"), *_CONNECTOR_PAGE),
    errors=LOOKUP, readonly=True,
    item=NetworkConnectorVersionSummary, items="NetworkConnectorVersions",
    input_token="marker", output_token="NextMarker", page_size="max_items",
)  # fmt: skip
