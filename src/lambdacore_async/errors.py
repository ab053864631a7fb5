"""Every exception of the library, and the facts about itself that a retry decision reads.

The facts are properties of the error, not of the policy that reads them: whether the service
throttled, whether the failure is passing, whether the request can have had an effect, and how long
the service asked to wait.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from lambdacore_async.escaping import escaped

#: Characters of an error's text, and of the parts of it that others wrote.
_MAX_TEXT: Final = 2000
_MAX_MESSAGE: Final = 1000
_MAX_NAME: Final = 100
#: A session token that an answer quotes: the header's name, what divides it from the value (white
#: space, quotes, signs, an HTML tag), and the value. The name is also in lists of signed headers.
_QUOTED_HEADER: Final = (
    r"((?i:(?<!</)x-amz-security-token)(?:<[^>]{0,40}>|[^\w;\n]){1,16}+)"
    r"[^\s\"'<>,]+"
)

#: Codes by which AWS services say "slow down", as in botocore's standard retry mode.
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
#: Codes that a wrong clock can cause; whether it did is for the `Date` of the answer to tell.
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
#: Codes that end with new credentials.
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
#: Codes by which AWS services refuse keys that they do not know, as keys that were replaced. A
#: signature that is wrong at the right time may come of a secret key that was; a lack of permission
#: never does.
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
    """Which limit a throttled call ran into."""

    CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ConcurrentInvocationLimitExceeded"
    FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "FunctionInvocationRateLimitExceeded"
    RESERVED_FUNCTION_CONCURRENT_INVOCATION_LIMIT_EXCEEDED = (
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    )
    RESERVED_FUNCTION_INVOCATION_RATE_LIMIT_EXCEEDED = "ReservedFunctionInvocationRateLimitExceeded"
    CALLER_RATE_LIMIT_EXCEEDED = "CallerRateLimitExceeded"
    CONCURRENT_SNAPSHOT_CREATE_LIMIT_EXCEEDED = "ConcurrentSnapshotCreateLimitExceeded"


def without_quoted_token(text: str) -> str:
    """The text without session tokens that it names as such.

    The service answers a wrong signature with what should have been signed; other servers and
    debug pages repeat the headers of the request.
    """
    return re.sub(_QUOTED_HEADER, r"\1...", text)


class LambdaCoreError(Exception):
    """The root of all errors that this library raises on purpose.

    Its text is safe to print and to log: control characters and line breaks in it are escaped, and
    it ends after 2,000 characters. The attributes hold what the service sent, unchanged.

    Attributes:
        operation: the API operation's name, such as `GetNetworkConnector`; `None` where the error
            belongs to no operation.
        attempts: how many requests were sent before the error was raised; 0 if none was.
        request_id: the service's id of the request, for AWS Support; `None` if no answer told it.
    """

    operation: str | None = None
    attempts: int = 0
    request_id: str | None = None

    #: The service asked for fewer calls.
    throttling: bool = False
    #: The same request may well succeed a moment later.
    transient: bool = False
    #: The service cannot have acted on the request, so that even a write can be sent again.
    not_executed: bool = False
    #: Seconds that the service asked to wait (`Retry-After`), at least 0.
    retry_after: float | None = None
    #: Seconds that the service asked to wait in the SDKs' own header, `x-amz-retry-after`.
    backoff_hint: float | None = None

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
    """Make an unpickled error; past `__init__`, whose keyword arguments pickle cannot give."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ApiError(LambdaCoreError):
    """The service answered with an error; also the class of every code that has none of its own.

    Attributes:
        code: the error's code, such as `AccessDeniedException`; the status as text if none came.
        message: the service's text, possibly empty.
        status_code: the HTTP status; unless given, the one that the API has for this class.
        request_id: the service's id of the request, for AWS Support.
        fault: whose fault the service says it is: `User` or `Service`.
        reason: which limit was hit, where a throttled answer tells.
        retry_after: seconds that the service asked to wait.

    A 429 counts as a throttle whatever its code, unless the operation models that code
    (`modelled`).
    """

    #: The status that the API's model has for the error.
    usual_status: ClassVar[int] = 400

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
        self.throttling = self.code in THROTTLING_CODES or (
            self.status_code == 429 and not modelled
        )
        self.transient = not self.throttling and (
            self.code in TRANSIENT_CODES or self.status_code in TRANSIENT_STATUSES
        )
        self.not_executed = self.throttling

    @property
    def details(self) -> tuple[str, ...]:
        """See `LambdaCoreError.details`."""
        return (f"HTTP {self.status_code}", *self._request_details, *super().details)


class InvalidParameterValueException(ApiError):  # noqa: N818 - AWS's own name
    """A parameter of the request is not valid."""


class NetworkConnectorLimitExceededException(ApiError):  # noqa: N818 - AWS's own name
    """The account has as many network connectors, or the connector as many versions, as allowed."""


class ResourceConflictException(ApiError):  # noqa: N818 - AWS's own name
    """The resource already exists, or another operation on it is in progress."""

    usual_status = 409


class ResourceNotFoundException(ApiError):  # noqa: N818 - AWS's own name
    """The resource does not exist."""

    usual_status = 404


class ServiceException(ApiError):  # noqa: N818 - AWS's own name
    """The service met an internal error."""

    usual_status = 500


class ServiceQuotaExceededException(ApiError):  # noqa: N818 - AWS's own name
    """The request would exceed a service quota of the account."""

    usual_status = 402


class TooManyRequestsException(ApiError):  # noqa: N818 - AWS's own name
    """The request was throttled."""

    usual_status = 429


#: The errors that the API models, by their code on the wire.
MODELLED_ERRORS: Mapping[str, type[ApiError]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            InvalidParameterValueException,
            NetworkConnectorLimitExceededException,
            ResourceConflictException,
            ResourceNotFoundException,
            ServiceException,
            ServiceQuotaExceededException,
            TooManyRequestsException,
        )
    }
)


class TransportError(LambdaCoreError):
    """No complete answer came: the name did not resolve, TLS or the connection failed, or broke.

    Attributes:
        not_executed: the request cannot have reached the service.
        transient: the same request may well succeed a moment later.
        request_id: the service's id of the request, where the head of an answer came.
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
        """See `LambdaCoreError.details`."""
        return (*self._request_details, *super().details)


class TransportTimeoutError(TransportError, TimeoutError):
    """No complete answer came in time."""


class ResponseError(LambdaCoreError):
    """The service answered, but the answer cannot be read.

    Attributes:
        status_code: the HTTP status.
        request_id: the service's id of the request, for AWS Support.
        body_start: the first bytes of the body, at most 256, without a session token that they
            quote.
    """

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
        start = without_quoted_token(body_start[:256].decode("latin-1"))
        self.body_start = start.encode("latin-1")[:256]
        self.operation = operation

    @property
    def details(self) -> tuple[str, ...]:
        """See `LambdaCoreError.details`; here also the start of the body."""
        start = (f"body starts {self.body_start[:64]!r}",) if self.body_start else ()
        return (f"HTTP {self.status_code}", *self._request_details, *start, *super().details)


class CredentialsError(LambdaCoreError):
    """No credentials were found, or they cannot be used."""


class ConfigurationError(LambdaCoreError):
    """The client is not set up so that it can make this call."""


class ParameterError(LambdaCoreError, ValueError):
    """A parameter was refused before anything was sent.

    Attributes:
        parameter: the parameter's name, with a path into it where the fault lies inside, such as
            `configuration.subnet_ids[0]`.
    """

    def __init__(self, parameter: str, problem: str, *, operation: str | None = None) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter
        self.operation = operation
