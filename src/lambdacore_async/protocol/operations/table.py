"""Table of all operations."""

from __future__ import annotations

from typing import Any, Final

from lambdacore_async.protocol.operations import network_connectors, runtimes, tags
from lambdacore_async.protocol.restjson import Operation

#: All operations by the API's name.
OPERATIONS: Final[dict[str, Operation[Any]]] = {
    operation.name: operation
    for family in (network_connectors, runtimes, tags)
    for operation in vars(family).values()
    if isinstance(operation, Operation)
}
