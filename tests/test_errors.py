"""Errors say what happened, can be pickled, and state the facts that retries read."""

from __future__ import annotations

import copy
import pickle
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lambdacore_async
from lambdacore_async import errors
from lambdacore_async.errors import (
    CLOCK_SKEW_CODES,
    ERRORS_BY_CODE,
    THROTTLING_CODES,
    TRANSIENT_CODES,
    TRANSIENT_STATUSES,
    AccessDeniedException,
    ApiError,
    CommonError,
    ConfigurationError,
    CredentialsError,
    ExpiredTokenException,
    InvalidParameterValueException,
    InvalidRequestError,
    InvalidSignatureException,
    LambdaCoreError,
    ParameterError,
    ResourceNotFoundException,
    ResponseError,
    ServiceException,
    ThrottleReason,
    TooManyRequestsException,
    TransportError,
    TransportTimeoutError,
    UnrecognizedClientException,
    ValidationException,
    Violation,
)
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.workflows.waiters import (
    WaiterError,
    WaiterFailedError,
    WaiterTimeoutError,
)
from support.pickled import through_pickle


def with_attempts(error: LambdaCoreError, operation: str | None = None) -> LambdaCoreError:
    """Return the error as the pipeline raises it."""
    error.attempts = 3
    if operation is not None:
        error.operation = operation
    return error


EXAMPLES: list[LambdaCoreError] = [
    LambdaCoreError("text"),
    ApiError("denied", code="AccessDeniedException", status_code=403, request_id="id-1"),
    ApiError(),
    *(kind("text", request_id="id-1", operation="GetRuntime") for kind in ERRORS_BY_CODE.values()),
    TooManyRequestsException(
        "slow down",
        fault="User",
        reason=ThrottleReason.CALLER_RATE_LIMIT_EXCEEDED,
        retry_after=1.5,
        backoff_hint=0.25,
    ),
    TooManyRequestsException(reason=UnknownValue("AddedLater"), modelled=False),
    TransportError("reset", not_executed=True, request_id="id-1"),
    TransportError("no such name", not_executed=True, transient=False),
    TransportTimeoutError("late"),
    ResponseError("odd", status_code=200, request_id="id-1", body_start=b"<html>"),
    ResponseError("odd", status_code=200, operation="GetRuntime"),
    CredentialsError("none"),
    ConfigurationError("no region"),
    ParameterError("configuration.subnet_ids[0]", "too long", operation="GetRuntime"),
    with_attempts(TransportError("reset"), "GetRuntime"),
    with_attempts(ResourceNotFoundException("gone")),
]


def state(error: LambdaCoreError) -> dict[str, Any]:
    names = {name for name in dir(error) if not name.startswith("_")}
    return {name: getattr(error, name, None) for name in names - {"add_note", "with_traceback"}}


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_pickling_and_copying_keep_everything(error: LambdaCoreError) -> None:
    pickled = [through_pickle(error, protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for again in (*pickled, copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert state(again) == state(error)
        assert (str(again), repr(again)) == (str(error), repr(error))


def test_a_note_survives_pickling() -> None:
    error = ServiceException("text")
    error.add_note("while looking up prod-egress")

    again = through_pickle(error)

    assert again.__notes__ == ["while looking up prod-egress"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (LambdaCoreError("text"), "text"),
        (with_attempts(LambdaCoreError("text")), "text (3 attempts)"),
        (ApiError("denied", code="X", status_code=403), "X: denied (HTTP 403)"),
        (ApiError(code="X"), "X (HTTP 400)"),
        (ApiError(), "ApiError (HTTP 400)"),
        (
            with_attempts(ServiceException("oops", request_id="id-1"), "GetRuntime"),
            "GetRuntime: ServiceException: oops (HTTP 500, request id id-1, 3 attempts)",
        ),
        (TransportError("reset"), "reset"),
        (
            with_attempts(TransportTimeoutError("late", request_id="id-1"), "GetRuntime"),
            "GetRuntime: late (request id id-1, 3 attempts)",
        ),
        (ResponseError("odd", status_code=200), "odd (HTTP 200)"),
        (
            with_attempts(
                ResponseError("odd", status_code=200, request_id="id-1", body_start=b"<p>"),
                "GetRuntime",
            ),
            "GetRuntime: odd (HTTP 200, request id id-1, body starts b'<p>', 3 attempts)",
        ),
        (ParameterError("name", "required"), "name: required"),
        (ParameterError("name", "required", operation="GetRuntime"), "GetRuntime: name: required"),
    ],
)
def test_the_text_has_operation_status_request_and_attempts(
    error: LambdaCoreError, text: str
) -> None:
    assert str(error) == text


HOSTILE = "a\r\nb\x1b]0;x\x07\x1b[2J\x9b\u202e\u2028\ud800\x00c"
SHOWN = r"a\r\nb\x1b]0;x\x07\x1b[2J\x9b\u202e\u2028\ud800\x00c"


class OurError(LambdaCoreError):
    """A subclass elsewhere whose message includes the service's text."""


HOSTILE_ERRORS: list[LambdaCoreError] = [
    *(kind(HOSTILE, code=HOSTILE, request_id=HOSTILE) for kind in ERRORS_BY_CODE.values()),
    ApiError(HOSTILE, code=HOSTILE, request_id=HOSTILE, fault=HOSTILE, reason=HOSTILE),
    TransportError(HOSTILE, request_id=HOSTILE),
    TransportTimeoutError(HOSTILE, request_id=HOSTILE),
    ResponseError(
        HOSTILE, status_code=200, request_id=HOSTILE, body_start=HOSTILE.encode(errors="replace")
    ),
    CredentialsError(HOSTILE),
    ConfigurationError(HOSTILE),
    ParameterError(HOSTILE, HOSTILE),
    WaiterError(HOSTILE),
    WaiterFailedError(HOSTILE, state=HOSTILE, reason=HOSTILE, reason_code=HOSTILE),
    WaiterTimeoutError(HOSTILE),
    LambdaCoreError(HOSTILE),
    OurError(HOSTILE),
]


@pytest.mark.parametrize("error", HOSTILE_ERRORS, ids=lambda error: type(error).__name__)
def test_the_text_of_an_error_is_one_line_without_control_characters(
    error: LambdaCoreError,
) -> None:
    for shown in (error, through_pickle(error), copy.deepcopy(error), with_attempts(error)):
        for text in (str(shown), repr(shown), "".join(traceback.format_exception_only(shown))[:-1]):
            assert text.isprintable()
            assert text.encode()
        assert SHOWN in str(shown)
        assert all(str(argument).isprintable() for argument in shown.args)


def test_what_the_service_sent_stays_in_the_attributes() -> None:
    error = ApiError(HOSTILE, code=HOSTILE, request_id=HOSTILE)
    parameter = ParameterError(HOSTILE, "unknown")

    assert (error.message, error.code, error.request_id) == (HOSTILE, HOSTILE, HOSTILE)
    assert parameter.parameter == HOSTILE


@pytest.mark.parametrize(
    "error",
    [
        ApiError("m" * 10**6, code="c" * 10**6, request_id="r" * 10**6),
        TransportError("m" * 10**6, request_id="r" * 10**6),
        ResponseError(
            "m" * 10**6, status_code=200, request_id="\x1b" * 10**6, body_start=b"\xff" * 10**6
        ),
        ParameterError("p" * 10**6, "m" * 10**6),
        ConfigurationError("\u202e" * 10**6),
        OurError("m" * 10**6),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_text_of_an_error_is_bounded(error: LambdaCoreError) -> None:
    limit = 13_000 if isinstance(error, ConfigurationError) else 3000  # escaped, after the cut

    assert len(str(error)) < limit
    assert len(repr(error)) < 2 * limit
    assert "..." in str(error)


def test_code_message_and_request_id_are_bounded_separately() -> None:
    error = ApiError("m" * 1001, code="c" * 101, request_id="r" * 101)

    assert str(error) == (f"{'c' * 100}...: {'m' * 1000}... (HTTP 400, request id {'r' * 100}...)")
    assert str(ApiError("m" * 1000, code="c" * 100)) == f"{'c' * 100}: {'m' * 1000} (HTTP 400)"


def test_a_single_attempt_is_not_mentioned() -> None:
    error = TransportError("reset")
    error.attempts = 1

    assert str(error) == "reset"


def test_only_the_start_of_a_body_is_kept_and_less_is_shown() -> None:
    error = ResponseError("odd", status_code=200, body_start=b"x" * 1000)

    assert error.body_start == b"x" * 256
    assert str(error).count("x") == 64


# Families


def test_every_exception_is_a_lambda_core_error() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception)
    ]

    assert len(kinds) >= 15
    assert all(issubclass(kind, LambdaCoreError) for kind in kinds)


def test_errors_are_also_built_in_ones() -> None:
    assert issubclass(TransportTimeoutError, TimeoutError)
    assert issubclass(ParameterError, ValueError)


@pytest.mark.parametrize("kind", dict.fromkeys(ERRORS_BY_CODE.values()))
def test_the_code_of_a_public_error_class_is_its_name(kind: type[ApiError]) -> None:
    error = kind("text")

    assert (error.code, error.message) == (kind.__name__, "text")
    assert ERRORS_BY_CODE[error.code] is kind
    assert kind.__name__ in lambdacore_async.__all__
    assert error.status_code == kind.usual_status


@pytest.mark.parametrize("kind", [InvalidParameterValueException, ValidationException])
def test_one_except_serves_both_errors_of_a_refused_parameter(kind: type[ApiError]) -> None:
    assert issubclass(kind, InvalidRequestError)


def test_codes_that_no_operation_lists_share_a_base() -> None:
    common = {kind for kind in ERRORS_BY_CODE.values() if not kind.in_model}

    assert {AccessDeniedException, ExpiredTokenException, ValidationException} <= common
    assert all(issubclass(kind, CommonError) for kind in common)
    assert "CommonError" not in ERRORS_BY_CODE
    assert "InvalidRequestError" not in ERRORS_BY_CODE


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ExpiredToken", ExpiredTokenException),
        ("SignatureDoesNotMatch", InvalidSignatureException),
        ("InvalidClientTokenId", UnrecognizedClientException),
    ],
)
def test_other_codes_of_the_same_problem_have_the_same_class(
    code: str, kind: type[ApiError]
) -> None:
    assert ERRORS_BY_CODE[code] is kind


TOO_MANY = (
    "2 validation errors detected: Value '[subnet-1, subnet-2]' at "
    "'configuration.vpcEgressConfiguration.subnetIds' failed to satisfy constraint: Member must "
    "have length less than or equal to 16; Value null at 'operatorRole' failed to satisfy "
    "constraint: Member must not be null"
)


def test_a_validation_error_lists_its_violations() -> None:
    assert ValidationException(TOO_MANY).violations == (
        Violation(
            "configuration.vpcEgressConfiguration.subnetIds",
            "[subnet-1, subnet-2]",
            "Member must have length less than or equal to 16",
        ),
        Violation("operatorRole", None, "Member must not be null"),
    )


#: Text without the phrases that separate the parts of a violation.
PLAIN = st.text(st.characters(exclude_characters=";'"))


@given(st.lists(st.builds(Violation, PLAIN, PLAIN | st.none(), PLAIN)))
def test_every_violation_that_was_written_is_read(violations: list[Violation]) -> None:
    written = "; ".join(
        f"Value {'null' if v.value is None else repr_of(v.value)} at '{v.member}' failed to "
        f"satisfy constraint: {v.constraint}"
        for v in violations
    )
    message = f"{len(violations)} validation errors detected: {written}"

    assert ValidationException(message).violations == tuple(violations)


def repr_of(value: str) -> str:
    return f"'{value}'"


@given(
    st.lists(
        st.sampled_from([" failed to satisfy constraint: ", "; Value ", " at '", "'", "null", "x"])
        | st.text(max_size=3)
    )
)
def test_violations_can_be_read_from_any_text(parts: list[str]) -> None:
    for violation in ValidationException("".join(parts)).violations:
        assert violation.member in "".join(parts)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "ClientToken is a required field",
        "Value 'x' failed to satisfy constraint: y",
        "Value 'x' at 'name failed to satisfy constraint: y",
    ],
)
def test_a_message_of_another_form_has_no_violations(message: str) -> None:
    assert ValidationException(message).violations == ()


def test_a_value_without_quotes_is_taken_as_it_is() -> None:
    error = ValidationException("Value 5 at 'maxItems' failed to satisfy constraint: y")

    assert error.violations == (Violation("maxItems", "5", "y"),)


def test_a_subclass_elsewhere_does_not_change_what_a_client_raises() -> None:
    class ResourceNotFoundException(ApiError):  # noqa: N818 - the point
        pass

    assert ERRORS_BY_CODE["ResourceNotFoundException"] is not ResourceNotFoundException


def test_a_given_status_overrides_the_usual_one() -> None:
    assert ResourceNotFoundException("text", status_code=410).status_code == 410


def test_an_error_has_no_operation_and_no_attempts_by_default() -> None:
    error = TransportError("reset")

    assert (error.operation, error.attempts) == (None, 0)


# Facts that retries read: (throttling, transient, not executed)


@pytest.mark.parametrize("code", sorted(THROTTLING_CODES))
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_a_throttling_code_is_a_throttle_whatever_the_status(code: str, status: int) -> None:
    assert facts(ApiError(code=code, status_code=status)) == (True, False, True)


@pytest.mark.parametrize("code", sorted(TRANSIENT_CODES))
def test_a_transient_code_is_transient_whatever_the_status(code: str) -> None:
    assert facts(ApiError(code=code, status_code=400)) == (False, True, False)


@pytest.mark.parametrize("status", sorted(TRANSIENT_STATUSES))
def test_a_transient_status_is_transient_whatever_the_code(status: int) -> None:
    for code in ("X", "ResourceNotFoundException", str(status)):
        assert facts(ApiError(code=code, status_code=status)) == (False, True, False)


@pytest.mark.parametrize("status", [300, 304, 400, 401, 402, 403, 404, 408, 409, 501, 505, 599])
def test_other_statuses_are_not_worth_a_retry(status: int) -> None:
    assert facts(ApiError(code="X", status_code=status)) == (False, False, False)


def test_a_429_is_a_throttle_unless_its_code_is_modelled() -> None:
    assert facts(ApiError(code="X", status_code=429, modelled=False)) == (True, False, True)
    assert facts(ApiError(code="X", status_code=429, modelled=True)) == (False, False, False)


@pytest.mark.parametrize("code", sorted(CLOCK_SKEW_CODES))
def test_a_clock_skew_is_by_itself_not_worth_a_retry(code: str) -> None:
    assert facts(ApiError(code=code, status_code=403)) == (False, False, False)


def test_a_lost_connection_is_transient_and_says_if_the_request_was_sent() -> None:
    assert facts(TransportError("reset")) == (False, True, False)
    assert facts(TransportError("no route", not_executed=True)) == (False, True, True)
    assert facts(TransportError("no such name", transient=False)) == (False, False, False)
    assert facts(TransportTimeoutError("late")) == (False, True, False)


@pytest.mark.parametrize(
    "error",
    [
        LambdaCoreError("x"),
        ResponseError("x", status_code=200),
        CredentialsError("x"),
        ConfigurationError("x"),
        ParameterError("x", "y"),
    ],
)
def test_an_error_that_would_recur_is_not_worth_a_retry(error: LambdaCoreError) -> None:
    assert facts(error) == (False, False, False)
    assert (error.retry_after, error.backoff_hint) == (None, None)


def facts(error: LambdaCoreError) -> tuple[bool, bool, bool]:
    return error.throttling, error.transient, error.not_executed


def test_the_codes_are_those_of_botocores_standard_mode() -> None:
    standard = pytest.importorskip("botocore.retries.standard")

    assert set(standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES) == THROTTLING_CODES
    # botocore has PriorRequestNotComplete in both sets; being a throttle, there and here, wins.
    transient = set(standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES)
    assert transient - THROTTLING_CODES == TRANSIENT_CODES
    assert set(standard.TransientRetryableChecker._TRANSIENT_STATUS_CODES) == TRANSIENT_STATUSES
