"""A typed asyncio client for AWS Lambda Core."""

from typing import TYPE_CHECKING

from lambdacore_async import models, workflows
from lambdacore_async._version import VERSION as __version__  # noqa: N811 - its usual name
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.identity.providers import CredentialsLike, CredentialsRecipe
from lambdacore_async.engine.identity.refresh import CredentialsProvider
from lambdacore_async.engine.observation import Attempt, Call, CallKind, OnCall
from lambdacore_async.engine.retry import RetryMode
from lambdacore_async.engine.stats import ClientStats
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import (
    AccessDeniedException,
    ApiError,
    CommonError,
    ConfigurationError,
    CredentialsError,
    ExpiredTokenException,
    IncompleteSignatureException,
    InvalidParameterValueException,
    InvalidRequestError,
    InvalidSignatureException,
    LambdaCoreError,
    MissingAuthenticationTokenException,
    NetworkConnectorLimitExceededException,
    ParameterError,
    RequestExpired,
    ResourceConflictException,
    ResourceNotFoundException,
    ResponseError,
    ServiceException,
    ServiceQuotaExceededException,
    ThrottleReason,
    ThrottlingException,
    TooManyRequestsException,
    TransportError,
    TransportTimeoutError,
    UnrecognizedClientException,
    ValidationException,
    Violation,
)
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    ComputeResourceTypeLiteral,
    ElasticIpConfiguration,
    ElasticIpType,
    ElasticIpTypeLiteral,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateLiteral,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    NetworkConnectorType,
    NetworkConnectorVersionSummary,
    NetworkProtocol,
    NetworkProtocolLiteral,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import (
    JSONValue,
    Model,
    Page,
    ResponseMetadata,
    UnknownMember,
    UnknownValue,
)
from lambdacore_async.on_demand import names_of
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.sigv4 import Credentials
from lambdacore_async.protocol.writing import to_dict

if TYPE_CHECKING:
    from lambdacore_async.engine.identity.roles import AssumeRole
    from lambdacore_async.fleet import sweep
    from lambdacore_async.models.reason_codes import Cause
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
            "lambdacore_async.engine.identity.roles": ("AssumeRole",),
            "lambdacore_async.fleet": ("sweep",),
            "lambdacore_async.models": models.__all__,
            "lambdacore_async.models.reason_codes": ("Cause",),
            "lambdacore_async.workflows": workflows.__all__,
        },
    )

__all__ = [
    "AccessDeniedException",
    "ApiError",
    "AssumeRole",
    "Attempt",
    "CacheStats",
    "CachedConnectorChange",
    "CachedNetworkConnector",
    "Call",
    "CallKind",
    "Cause",
    "Check",
    "CheckStatus",
    "ClientOptions",
    "ClientStats",
    "CommonError",
    "Compatibility",
    "CompatibilityPolicy",
    "ComputeResourceType",
    "ComputeResourceTypeLiteral",
    "ConfigurationError",
    "ConnectorAdded",
    "ConnectorChange",
    "ConnectorDeleted",
    "ConnectorInUseError",
    "ConnectorStateChanged",
    "ConnectorUpdated",
    "ConnectorUser",
    "ConnectorUserKind",
    "Credentials",
    "CredentialsError",
    "CredentialsLike",
    "CredentialsProvider",
    "CredentialsRecipe",
    "DaskClient",
    "Diagnosis",
    "Drift",
    "DriftValue",
    "ElasticIpConfiguration",
    "ElasticIpType",
    "ElasticIpTypeLiteral",
    "ExpiredTokenException",
    "Failed",
    "Found",
    "IncompleteSignatureException",
    "IntegrationModel",
    "InvalidParameterValueException",
    "InvalidRequestError",
    "InvalidSignatureException",
    "JSONValue",
    "LambdaCoreClient",
    "LambdaCoreError",
    "Lookup",
    "LookupReport",
    "Lookups",
    "MissingAuthenticationTokenException",
    "Model",
    "MultiTargetRun",
    "NetworkConnector",
    "NetworkConnectorCache",
    "NetworkConnectorCaches",
    "NetworkConnectorConfiguration",
    "NetworkConnectorLastUpdateStatus",
    "NetworkConnectorLimitExceededException",
    "NetworkConnectorState",
    "NetworkConnectorStateLiteral",
    "NetworkConnectorStateReasonCode",
    "NetworkConnectorSummary",
    "NetworkConnectorType",
    "NetworkConnectorVersionSummary",
    "NetworkConnectorWatch",
    "NetworkProtocol",
    "NetworkProtocolLiteral",
    "OnCall",
    "Page",
    "Pager",
    "ParameterError",
    "Platform",
    "RawResponse",
    "RequestExpired",
    "ResourceConflictException",
    "ResourceNotFoundException",
    "ResponseError",
    "ResponseMetadata",
    "RestoredRuntime",
    "RetryMode",
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
    "ServiceException",
    "ServiceQuotaExceededException",
    "Sweep",
    "Target",
    "ThrottleReason",
    "ThrottlingException",
    "Timeout",
    "TooManyRequestsException",
    "TransportError",
    "TransportTimeoutError",
    "UnknownMember",
    "UnknownValue",
    "UnrecognizedClientException",
    "ValidationException",
    "Violation",
    "VpcEgressConfiguration",
    "Wait",
    "WaiterError",
    "WaiterFailedError",
    "WaiterTimeoutError",
    "WorkError",
    "__version__",
    "diff_network_connector",
    "from_dict",
    "sweep",
    "to_dict",
]
