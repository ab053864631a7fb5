"""The errors that the service answers with, each with its HTTP status."""

from __future__ import annotations

from lambdacore_async.errors import (
    ApiError,
    InvalidParameterValueException,
    NetworkConnectorLimitExceededException,
    ResourceConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
)


def invalid(parameter: str, problem: str) -> InvalidParameterValueException:
    """A parameter of the request is not valid."""
    return InvalidParameterValueException(f"{parameter}: {problem}", status_code=400)


def conflict(message: str) -> ResourceConflictException:
    """The resource is not in a state that permits the operation."""
    return ResourceConflictException(message, status_code=409)


def not_found(kind: str, name: str) -> ResourceNotFoundException:
    """The resource does not exist."""
    return ResourceNotFoundException(f"{kind} not found: {name}", status_code=404)


def connector_limit(message: str) -> NetworkConnectorLimitExceededException:
    """There are as many connectors, or versions of one, as allowed."""
    return NetworkConnectorLimitExceededException(message, status_code=400)


def quota(message: str) -> ServiceQuotaExceededException:
    """There are as many runtimes, or versions or aliases of one, as allowed."""
    return ServiceQuotaExceededException(message, status_code=402)


def unmodelled(code: str, message: str, *, status_code: int) -> ApiError:
    """An error that the model of the service does not name, but AWS answers with."""
    return ApiError(message, code=code, status_code=status_code)
