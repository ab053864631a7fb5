"""The operations of AWS Lambda Core, as in its model of 2026-04-30, and of tags.

Each operation is a row of data; `restjson` builds and parses its messages.
"""

from typing import TYPE_CHECKING, Final

from lambdacore_async.on_demand import names_of
from lambdacore_async.protocol.operations.network_connectors import (
    CREATE_NETWORK_CONNECTOR,
    DELETE_NETWORK_CONNECTOR,
    GET_NETWORK_CONNECTOR,
    LIST_NETWORK_CONNECTOR_VERSIONS,
    LIST_NETWORK_CONNECTORS,
    UPDATE_NETWORK_CONNECTOR,
)

if TYPE_CHECKING:
    from lambdacore_async.protocol.operations.runtimes import (
        CREATE_RUNTIME,
        CREATE_RUNTIME_ALIAS,
        CREATE_RUNTIME_VERSION,
        DELETE_RUNTIME,
        DELETE_RUNTIME_ALIAS,
        DELETE_RUNTIME_VERSION,
        GET_RUNTIME,
        GET_RUNTIME_ALIAS,
        GET_RUNTIME_VERSION,
        LIST_RUNTIME_ALIASES,
        LIST_RUNTIME_VERSIONS,
        LIST_RUNTIMES,
        RESTORE_RUNTIME,
        UPDATE_RUNTIME,
        UPDATE_RUNTIME_ALIAS,
        UPDATE_RUNTIME_VERSION,
    )
    from lambdacore_async.protocol.operations.table import OPERATIONS
    from lambdacore_async.protocol.operations.tags import LIST_TAGS, TAG_RESOURCE, UNTAG_RESOURCE
else:
    # Programs without runtimes and tags start faster without their rows and models.
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "lambdacore_async.protocol.operations.runtimes": (
                "CREATE_RUNTIME",
                "CREATE_RUNTIME_ALIAS",
                "CREATE_RUNTIME_VERSION",
                "DELETE_RUNTIME",
                "DELETE_RUNTIME_ALIAS",
                "DELETE_RUNTIME_VERSION",
                "GET_RUNTIME",
                "GET_RUNTIME_ALIAS",
                "GET_RUNTIME_VERSION",
                "LIST_RUNTIMES",
                "LIST_RUNTIME_ALIASES",
                "LIST_RUNTIME_VERSIONS",
                "RESTORE_RUNTIME",
                "UPDATE_RUNTIME",
                "UPDATE_RUNTIME_ALIAS",
                "UPDATE_RUNTIME_VERSION",
            ),
            "lambdacore_async.protocol.operations.table": ("OPERATIONS",),
            "lambdacore_async.protocol.operations.tags": (
                "LIST_TAGS",
                "TAG_RESOURCE",
                "UNTAG_RESOURCE",
            ),
        },
    )

__all__ = [
    "API_VERSION",
    "CREATE_NETWORK_CONNECTOR",
    "CREATE_RUNTIME",
    "CREATE_RUNTIME_ALIAS",
    "CREATE_RUNTIME_VERSION",
    "DELETE_NETWORK_CONNECTOR",
    "DELETE_RUNTIME",
    "DELETE_RUNTIME_ALIAS",
    "DELETE_RUNTIME_VERSION",
    "GET_NETWORK_CONNECTOR",
    "GET_RUNTIME",
    "GET_RUNTIME_ALIAS",
    "GET_RUNTIME_VERSION",
    "LIST_NETWORK_CONNECTORS",
    "LIST_NETWORK_CONNECTOR_VERSIONS",
    "LIST_RUNTIMES",
    "LIST_RUNTIME_ALIASES",
    "LIST_RUNTIME_VERSIONS",
    "LIST_TAGS",
    "OPERATIONS",
    "RESTORE_RUNTIME",
    "SERVICE_ID",
    "TAG_RESOURCE",
    "UNTAG_RESOURCE",
    "UPDATE_NETWORK_CONNECTOR",
    "UPDATE_RUNTIME",
    "UPDATE_RUNTIME_ALIAS",
    "UPDATE_RUNTIME_VERSION",
]

SERVICE_ID: Final = "Lambda Core"
API_VERSION: Final = "2026-04-30"
