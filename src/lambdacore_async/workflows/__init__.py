"""Workflows that make many calls: listings, fan-outs, waiters, watches and provisioning.

Their public names are imported on demand.
"""

from typing import TYPE_CHECKING

from lambdacore_async.on_demand import names_of

if TYPE_CHECKING:
    from lambdacore_async.protocol.raw import RawResponse
    from lambdacore_async.workflows.cache.across import NetworkConnectorCaches
    from lambdacore_async.workflows.cache.cache import (
        CachedNetworkConnector,
        NetworkConnectorCache,
    )
    from lambdacore_async.workflows.cache.changes import CachedConnectorChange
    from lambdacore_async.workflows.cache.stats import CacheStats
    from lambdacore_async.workflows.dependencies import Check, CheckStatus
    from lambdacore_async.workflows.diagnosis import Diagnosis
    from lambdacore_async.workflows.lookups import Failed, Found, Lookup, LookupReport, Lookups
    from lambdacore_async.workflows.pagination import Pager
    from lambdacore_async.workflows.provisioning import Drift, DriftValue, diff_network_connector
    from lambdacore_async.workflows.sweeps import DaskClient, Sweep, WorkError
    from lambdacore_async.workflows.targets import MultiTargetRun, Target
    from lambdacore_async.workflows.users import (
        ConnectorInUseError,
        ConnectorUser,
        ConnectorUserKind,
    )
    from lambdacore_async.workflows.wait_tokens import Wait
    from lambdacore_async.workflows.waiters import (
        WaiterError,
        WaiterFailedError,
        WaiterTimeoutError,
    )
    from lambdacore_async.workflows.watching import (
        ConnectorAdded,
        ConnectorChange,
        ConnectorDeleted,
        ConnectorStateChanged,
        ConnectorUpdated,
        NetworkConnectorWatch,
    )
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "lambdacore_async.protocol.raw": ("RawResponse",),
            "lambdacore_async.workflows.cache.across": ("NetworkConnectorCaches",),
            "lambdacore_async.workflows.cache.cache": (
                "CachedNetworkConnector",
                "NetworkConnectorCache",
            ),
            "lambdacore_async.workflows.cache.changes": ("CachedConnectorChange",),
            "lambdacore_async.workflows.cache.stats": ("CacheStats",),
            "lambdacore_async.workflows.diagnosis": ("Diagnosis",),
            "lambdacore_async.workflows.lookups": (
                "Failed",
                "Found",
                "Lookup",
                "LookupReport",
                "Lookups",
            ),
            "lambdacore_async.workflows.pagination": ("Pager",),
            "lambdacore_async.workflows.provisioning": (
                "Drift",
                "DriftValue",
                "diff_network_connector",
            ),
            "lambdacore_async.workflows.dependencies": ("Check", "CheckStatus"),
            "lambdacore_async.workflows.sweeps": ("DaskClient", "Sweep", "WorkError"),
            "lambdacore_async.workflows.targets": ("MultiTargetRun", "Target"),
            "lambdacore_async.workflows.users": (
                "ConnectorInUseError",
                "ConnectorUser",
                "ConnectorUserKind",
            ),
            "lambdacore_async.workflows.wait_tokens": ("Wait",),
            "lambdacore_async.workflows.waiters": (
                "WaiterError",
                "WaiterFailedError",
                "WaiterTimeoutError",
            ),
            "lambdacore_async.workflows.watching": (
                "ConnectorAdded",
                "ConnectorChange",
                "ConnectorDeleted",
                "ConnectorStateChanged",
                "ConnectorUpdated",
                "NetworkConnectorWatch",
            ),
        },
    )

__all__ = [
    "CacheStats",
    "CachedConnectorChange",
    "CachedNetworkConnector",
    "Check",
    "CheckStatus",
    "ConnectorAdded",
    "ConnectorChange",
    "ConnectorDeleted",
    "ConnectorInUseError",
    "ConnectorStateChanged",
    "ConnectorUpdated",
    "ConnectorUser",
    "ConnectorUserKind",
    "DaskClient",
    "Diagnosis",
    "Drift",
    "DriftValue",
    "Failed",
    "Found",
    "Lookup",
    "LookupReport",
    "Lookups",
    "MultiTargetRun",
    "NetworkConnectorCache",
    "NetworkConnectorCaches",
    "NetworkConnectorWatch",
    "Pager",
    "RawResponse",
    "Sweep",
    "Target",
    "Wait",
    "WaiterError",
    "WaiterFailedError",
    "WaiterTimeoutError",
    "WorkError",
    "diff_network_connector",
]
