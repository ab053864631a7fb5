"""Errors that the service returns, each with its HTTP status."""

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
    """Return the error for an invalid parameter of the request."""
    return InvalidParameterValueException(f"{parameter}: {problem}", status_code=400)


def refused(message: str) -> InvalidParameterValueException:
    """Return the error for a request that the service refuses, in the words of AWS."""
    return InvalidParameterValueException(message, status_code=400)


def conflict(message: str) -> ResourceConflictException:
    """Return the error for a resource in a state that does not permit the operation."""
    return ResourceConflictException(message, status_code=409)


def not_found(kind: str, name: str) -> ResourceNotFoundException:
    """Return the error for a resource that does not exist."""
    return ResourceNotFoundException(f"{kind} not found: {name}", status_code=404)


def connector_limit_exceeded(message: str) -> NetworkConnectorLimitExceededException:
    """Return the error for too many connectors, or too many versions of a connector."""
    return NetworkConnectorLimitExceededException(message, status_code=400)


def quota_exceeded(message: str) -> ServiceQuotaExceededException:
    """Return the error for too many runtimes, or too many versions or aliases of a runtime."""
    return ServiceQuotaExceededException(message, status_code=402)


def unmodelled(code: str, message: str, *, status_code: int) -> ApiError:
    """Return an error that AWS sends but the service's model does not define."""
    return ApiError(message, code=code, status_code=status_code)
