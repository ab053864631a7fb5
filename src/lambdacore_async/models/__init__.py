"""Models: attrs classes, enums and unions of the API.

Models of runtimes are imported on demand.
"""

from typing import TYPE_CHECKING

from lambdacore_async.on_demand import names_of

if TYPE_CHECKING:
    from lambdacore_async.models.runtimes import (
        Compatibility,
        CompatibilityPolicy,
        IntegrationModel,
        Platform,
        RestoredRuntime,
        Runtime,
        RuntimeAlias,
        RuntimeAliasState,
        RuntimeArchitecture,
        RuntimeReleaseLifecycle,
        RuntimeReleaseState,
        RuntimeReleaseStateLiteral,
        RuntimeState,
        RuntimeVersion,
        RuntimeVersionState,
    )
else:
    __getattr__, __dir__ = names_of(
        __name__,
        {
            "lambdacore_async.models.runtimes": (
                "Compatibility",
                "CompatibilityPolicy",
                "IntegrationModel",
                "Platform",
                "RestoredRuntime",
                "Runtime",
                "RuntimeAlias",
                "RuntimeAliasState",
                "RuntimeArchitecture",
                "RuntimeReleaseLifecycle",
                "RuntimeReleaseState",
                "RuntimeReleaseStateLiteral",
                "RuntimeState",
                "RuntimeVersion",
                "RuntimeVersionState",
            ),
        },
    )

__all__ = [
    "Compatibility",
    "CompatibilityPolicy",
    "IntegrationModel",
    "Platform",
    "RestoredRuntime",
    "Runtime",
    "RuntimeAlias",
    "RuntimeAliasState",
    "RuntimeArchitecture",
    "RuntimeReleaseLifecycle",
    "RuntimeReleaseState",
    "RuntimeReleaseStateLiteral",
    "RuntimeState",
    "RuntimeVersion",
    "RuntimeVersionState",
]
