"""Exceptions of the library, with the facts that a retry decision reads.

These facts are properties of the error, not of the retry policy: whether the service throttled,
whether the failure is transient, whether the request can have had an effect, and how long the
service asked to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, Final

from attrs import frozen

from lambdacore_async.escaping import escaped

#: Bounds, in characters, of an error's text and of the parts that the service sent.
_MAX_TEXT: Final = 2000
_MAX_MESSAGE: Final = 1000
_MAX_NAME: Final = 100

#: Throttling codes of AWS services, as in botocore's standard retry mode.
THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
TRANSIENT_CODES = frozenset({"RequestTimeout", "RequestTimeoutException"})
TRANSIENT_STATUSES = frozenset({500, 502, 503, 504})
#: Codes that a wrong clock can cause; the `Date` of the response shows whether it did.
CLOCK_SKEW_CODES = frozenset(
    {
        "AuthFailure",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)
#: Codes that new credentials resolve.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
#: Codes with which AWS services refuse unknown keys, such as keys that were replaced. A replaced
#: secret key can also cause a wrong signature, but never a lack of permission.
REPLACED_CODES = frozenset(
    {
        "AuthFailure",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "InvalidToken",
        "InvalidTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "UnrecognizedClientException",
    }
)


class ThrottleReason(StrEnum):
    """The limit that a throttled call exceeded."""

    CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ConcurrentInvocationLimitExceeded"
    FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "FunctionInvocationRateLimitExceeded"
    RESERVED_FUNCTION_CONCURRENT_INVOCATION_LIMIT_EXCEEDED = (
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    )
    RESERVED_FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "ReservedFunctionInvocationRateLimitExceeded"
    CALLER_RATE_LIMIT_EXCEEDED = "CallerRateLimitExceeded"
    CONCURRENT_SNAPSHOT_CREATE_LIMIT_EXCEEDED = "ConcurrentSnapshotCreateLimitExceeded"


class LambdaCoreError(Exception):
    """Base class of all errors that this library raises on purpose.

    The text is safe to print and to log: it is at most 2,000 characters long before control
    characters and line breaks are escaped. The attributes hold what the service sent, unchanged.
    """

    operation: str | None = None
    """The API operation, such as `GetNetworkConnector`; `None` if the error belongs to none."""
    attempts: int = 0
    """The number of requests sent before the error was raised."""
    request_id: str | None = None
    """The service's ID of the request, for AWS Support; `None` if no response had one."""
    throttling: bool = False
    """Whether the service asked for fewer calls."""
    transient: bool = False
    """Whether the same request may well succeed a moment later."""
    not_executed: bool = False
    """Whether the service cannot have executed the request, so a write can be repeated safely."""
    retry_after: float | None = None
    """Seconds that the service asked to wait in `Retry-After`, at least 0."""
    backoff_hint: float | None = None
    """Seconds that the service asked to wait in `x-amz-retry-after`, the SDKs' own header."""

    def __init__(self, message: str = "") -> None:
        super().__init__(escaped(message, _MAX_TEXT))

    @property
    def details(self) -> tuple[str, ...]:
        """Details appended to the message: status, request id, attempts."""
        return (f"{self.attempts} attempts",) if self.attempts > 1 else ()

    @property
    def _request_details(self) -> tuple[str, ...]:
        if self.request_id is None:
            return ()
        return (f"request id {escaped(self.request_id, _MAX_NAME)}",)

    def __str__(self) -> str:
        text = super().__str__()
        if self.operation is not None:
            text = f"{self.operation}: {text}"
        return f"{text} ({', '.join(self.details)})" if self.details else text

    def __reduce__(self) -> tuple[Callable[..., LambdaCoreError], tuple[Any, ...]]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    kind: type[LambdaCoreError], args: tuple[object, ...], state: Mapping[str, object]
) -> LambdaCoreError:
    """Create an unpickled error without `__init__`: pickle cannot pass keyword arguments."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


#: The class of each error code. Defining a subclass of `ApiError` in this module adds it, unless
#: it is only a base of others.
ERRORS_BY_CODE: Final[dict[str, type[ApiError]]] = {}


class ApiError(LambdaCoreError):
    """The service answered with an error. Subclasses are named after the error code.

    A 429 with any code counts as a throttle, unless the operation models that code (`modelled`).

    Args:
        message: the service's text.
        code: the error code. Defaults to the name of the class.
        status_code: the HTTP status. Defaults to the status of this error in the API's model.
        request_id: the service's ID of the request.
        fault: the party at fault.
        reason: the limit that a throttled call exceeded.
        retry_after: seconds that the service asked to wait in `Retry-After`.
        backoff_hint: seconds that the service asked to wait in `x-amz-retry-after`.
        modelled: whether the API's model lists the code for this operation.
        operation: the API operation.
    """

    code: str
    """The error code, such as `AccessDeniedException`; the status as text if it is missing."""
    message: str
    """The service's text; may be empty."""
    status_code: int
    """The HTTP status."""
    fault: str | None
    """The party at fault according to the service: `User` or `Service`."""
    reason: ThrottleReason | str | None
    """The limit that was exceeded, if a throttled response says so."""

    usual_status: ClassVar[int] = 400
    """The HTTP status of this error in the API's model."""
    in_model: ClassVar[bool] = True
    """Whether the API's model has this error; AWS also sends errors that no model has."""

    def __init_subclass__(
        cls, *, in_model: bool = True, is_base: bool = False, other_codes: tuple[str, ...] = ()
    ) -> None:
        super().__init_subclass__()
        cls.in_model = in_model
        # Subclasses elsewhere do not change what a client raises.
        if cls.__module__ == __name__ and not is_base:
            ERRORS_BY_CODE.update(dict.fromkeys((cls.__name__, *other_codes), cls))

    def __init__(
        self,
        message: str = "",
        *,
        code: str | None = None,
        status_code: int | None = None,
        request_id: str | None = None,
        fault: str | None = None,
        reason: ThrottleReason | str | None = None,
        retry_after: float | None = None,
        backoff_hint: float | None = None,
        modelled: bool = True,
        operation: str | None = None,
    ) -> None:
        self.code = type(self).__name__ if code is None else code
        text = escaped(self.code, _MAX_NAME)
        super().__init__(f"{text}: {escaped(message, _MAX_MESSAGE)}" if message else text)
        self.message = message
        self.status_code = self.usual_status if status_code is None else status_code
        self.request_id = request_id
        self.fault = fault
        self.reason = reason
        self.retry_after = retry_after
        self.backoff_hint = backoff_hint
        self.operation = operation
        self.throttling: bool = self.code in THROTTLING_CODES or (
            self.status_code == 429 and not modelled
        )
        self.transient: bool = not self.throttling and (
            self.code in TRANSIENT_CODES or self.status_code in TRANSIENT_STATUSES
        )
        self.not_executed: bool = self.throttling

    @property
    def details(self) -> tuple[str, ...]:
        """Details appended to the message; see `LambdaCoreError.details`."""
        return (f"HTTP {self.status_code}", *self._request_details, *super().details)


class InvalidRequestError(ApiError, is_base=True):
    """Base class of the two errors with which the service refuses a parameter."""


class InvalidParameterValueException(InvalidRequestError):  # noqa: N818 - AWS's own name
    """A parameter of the request is invalid."""


class NetworkConnectorLimitExceededException(ApiError):  # noqa: N818 - AWS's own name
    """The account has reached its quota of connectors, or the connector its quota of versions."""


class ResourceConflictException(ApiError):  # noqa: N818 - AWS's own name
    """The resource already exists, or another operation on it is in progress."""

    usual_status = 409


class ResourceNotFoundException(ApiError):  # noqa: N818 - AWS's own name
    """The resource does not exist."""

    usual_status = 404


class ServiceException(ApiError):  # noqa: N818 - AWS's own name
    """The service had an internal error."""

    usual_status = 500


class ServiceQuotaExceededException(ApiError):  # noqa: N818 - AWS's own name
    """The request would exceed a service quota of the account."""

    usual_status = 402


class TooManyRequestsException(ApiError):  # noqa: N818 - AWS's own name
    """The request was throttled."""

    usual_status = 429


class CommonError(ApiError, in_model=False, is_base=True):
    """An error that any AWS service can send, and that no operation's model lists.

    AWS services use several codes for some of these errors. `code` holds the code that was sent.
    """


class AccessDeniedException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("AccessDenied",)
):
    """The identity has no permission for the operation or for the resource."""

    usual_status = 403


class ExpiredTokenException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("ExpiredToken", "TokenRefreshRequired")
):
    """The temporary credentials have expired."""

    usual_status = 403


class IncompleteSignatureException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("IncompleteSignature",)
):
    """The signature lacks a part, or has a part that is malformed."""

    usual_status = 403


class InvalidSignatureException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("SignatureDoesNotMatch",)
):
    """The signature is wrong: check the secret key, the clock, and proxies that alter requests."""

    usual_status = 403


class MissingAuthenticationTokenException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("MissingAuthenticationToken",)
):
    """The request is not signed."""

    usual_status = 403


class RequestExpired(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("RequestInTheFuture", "RequestTimeTooSkewed")
):
    """The time of the signature is too far from the service's time."""

    usual_status = 403


class ThrottlingException(  # noqa: N818 - AWS's own name
    CommonError, in_model=False, other_codes=("Throttling",)
):
    """A layer in front of the service throttled the request."""


class UnrecognizedClientException(  # noqa: N818 - AWS's own name
    CommonError,
    in_model=False,
    other_codes=("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClient"),
):
    """The access key or the session token is unknown to AWS."""

    usual_status = 403


@frozen
class Violation:
    """One broken constraint of a request."""

    member: str
    """The path to the member, as the service writes it, such as `configuration.operatorRole`."""
    value: str | None
    """The value as text; `None` if the member was missing."""
    constraint: str
    """The constraint, such as `Member must have length less than or equal to 16`."""


_FAILED: Final = " failed to satisfy constraint: "


class ValidationException(  # noqa: N818 - AWS's own name
    InvalidRequestError, CommonError, in_model=False
):
    """A layer in front of the service found that the request breaks constraints of the API's model.

    The API's model does not list this error, but the service was seen to send it.
    """

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All broken constraints, as far as the message can be read; empty if none can."""
        first, *rest = self.message.split(_FAILED)
        before = first.partition("Value ")[2]
        found: list[Violation] = []
        for part in rest:
            constraint, _, following = part.partition("; Value ")
            value, at, member = before.rpartition(" at '")
            if at and member.endswith("'"):
                found.append(Violation(member[:-1], _unquoted(value), constraint))
            before = following
        return tuple(found)


def _unquoted(value: str) -> str | None:
    if value == "null":
        return None
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == "'" else value


class TransportError(LambdaCoreError):
    """No complete response arrived: name resolution, TLS or the connection failed.

    Args:
        message: the problem.
        not_executed: whether the request cannot have reached the service.
        transient: whether the same request may well succeed a moment later.
        request_id: the service's ID of the request, if the head of a response arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        not_executed: bool = False,
        transient: bool = True,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.not_executed = not_executed
        self.transient = transient
        self.request_id = request_id

    @property
    def details(self) -> tuple[str, ...]:
        """Details appended to the message; see `LambdaCoreError.details`."""
        return (*self._request_details, *super().details)


class TransportTimeoutError(TransportError, TimeoutError):
    """No complete response arrived in time."""


class ResponseError(LambdaCoreError):
    """The response cannot be read.

    Args:
        message: the problem.
        status_code: the HTTP status.
        request_id: the service's ID of the request.
        body_start: the body, or the start of it.
        transient: whether the same request may well succeed a moment later.
        operation: the API operation.
    """

    status_code: int
    """The HTTP status."""
    body_start: bytes
    """The first bytes of the body, at most 256."""

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        request_id: str | None = None,
        body_start: bytes = b"",
        transient: bool = False,
        operation: str | None = None,
    ) -> None:
        super().__init__(message)
        self.transient = transient
        self.status_code = status_code
        self.request_id = request_id
        self.body_start = body_start[:256]
        self.operation = operation

    @property
    def details(self) -> tuple[str, ...]:
        """Details appended to the message, including the start of the body."""
        start = (f"body starts {self.body_start[:64]!r}",) if self.body_start else ()
        return (f"HTTP {self.status_code}", *self._request_details, *start, *super().details)


class CredentialsError(LambdaCoreError):
    """Credentials are missing or unusable."""


class ConfigurationError(LambdaCoreError):
    """The client's configuration does not allow this call."""


class ParameterError(LambdaCoreError, ValueError):
    """A parameter is invalid; nothing was sent.

    Args:
        parameter: the parameter's name, or the path to the invalid part.
        problem: the reason.
        operation: the API operation.
    """

    parameter: str
    """The parameter's name, or the path to a part, such as `configuration.subnet_ids[0]`."""

    def __init__(self, parameter: str, problem: str, *, operation: str | None = None) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter
        self.operation = operation
