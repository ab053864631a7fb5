"""Remedies of the service's errors, as notes on the errors that callers get."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    InvalidParameterValueException,
    ParameterError,
    ResourceNotFoundException,
    WaiterFailedError,
    WaiterTimeoutError,
)
from lambdacore_async.errors import ERRORS_BY_CODE
from lambdacore_async.models.network_connectors import NetworkConnector, NetworkConnectorState
from lambdacore_async.models.remedies import add_note, notes_of, remedy_of
from lambdacore_async.workflows.waiters import timeout_error
from support.simulation import World

UPDATE, DELETE, GET = (f"{verb}NetworkConnector" for verb in ("Update", "Delete", "Get"))
CREATE = "CreateNetworkConnector"


@pytest.mark.parametrize(
    ("operation", "code", "message", "remedy"),
    [
        (
            CREATE,
            "InvalidParameterValueException",
            "NetworkConnectorOperatorRole is required for VPC_EGRESS connector type",
            "Pass operator_role",
        ),
        (
            CREATE,
            "ValidationException",
            "Value null at 'operatorRole' failed to satisfy constraint: Member must not be null",
            "Pass operator_role",
        ),
        (
            CREATE,
            "InvalidParameterValueException",
            "Lambda was unable to assume the provided NetworkConnectorOperatorRole",
            "aws:SourceAccount",
        ),
        (
            UPDATE,
            "InvalidParameterValueException",
            "Encountered an error due to invalid ConnectorOperatorRole permissions",
            "ec2:CreateNetworkInterface",
        ),
        (
            "CreateWebFunction",
            "AccessDeniedException",
            "User: x is not authorized to perform: lambda:PassNetworkConnector on resource: y",
            "version-qualified ARN",
        ),
        (
            CREATE,
            "AccessDenied",
            "User: x is not authorized to perform: iam:PassRole on resource: y",
            "iam:PassRole",
        ),
        (
            CREATE,
            "InvalidParameterValueException",
            "The subnet is in an Availability Zone that is not supported",
            "use1-az1",
        ),
        (
            CREATE,
            "InvalidParameterValueException",
            "Subnets and security groups must be in the same VPC",
            "single VPC",
        ),
        (CREATE, "InvalidParameterValueException", "DualStack is not possible", "IPv6 CIDR"),
        (UPDATE, "ResourceConflictException", "it is in use", "MicroVMs use it"),
        (DELETE, "ResourceConflictException", "it is busy", "delete_network_connector_and_wait"),
        (
            GET,
            "InvalidSignatureException",
            "Credential should be scoped to a valid region.",
            "the endpoint's region",
        ),
        (GET, "ResourceNotFoundException", "Network connector not found for: x", "ARN:VERSION"),
    ],
)
def test_what_users_ask_has_its_answer(
    operation: str, code: str, message: str, remedy: str
) -> None:
    kind = ERRORS_BY_CODE[code]
    found = remedy_of(kind(message, code=code, operation=operation))
    assert found is not None
    assert remedy in found


def test_other_errors_have_no_remedy() -> None:
    assert remedy_of(ApiError("no", code="AccessDeniedException")) is None
    assert remedy_of(ResourceNotFoundException("Function not found", operation="GetX")) is None
    assert remedy_of(ParameterError("name", "too long")) is None


@given(st.sampled_from(sorted(ERRORS_BY_CODE)), st.text(), st.text() | st.none())
def test_whatever_the_service_says_a_remedy_is_text_or_none(
    code: str, message: str, operation: str | None
) -> None:
    assert isinstance(remedy_of(ApiError(message, code=code, operation=operation)), str | None)


def test_a_note_is_added_once_and_survives_pickling() -> None:
    error = InvalidParameterValueException("unable to assume the role")
    for _ in range(2):
        add_note(error, remedy_of(error))
    add_note(error, None)
    (note,) = notes_of(error)
    same = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert list(notes_of(same)) == [note]
    assert str(same) == str(error)


async def test_an_error_of_a_call_has_the_note() -> None:
    with pytest.raises(ResourceNotFoundException) as caught:
        await World().client().get_network_connector("prod")
    (note,) = notes_of(caught.value)
    assert "name, ID or ARN" in note


def test_a_failed_wait_has_the_remedies_of_its_reason() -> None:
    error = WaiterFailedError("failed", state="FAILED", reason="Lambda was unable to assume it")
    assert "trust policy" in " ".join(notes_of(error))
    coded = WaiterFailedError("failed", state="FAILED", reason_code="InvalidSubnet")
    assert coded.cause is not None
    assert list(notes_of(coded)) == [coded.cause.remedy]
    assert list(notes_of(WaiterFailedError("failed", state=None))) == []


def test_a_wait_for_a_pending_connector_says_how_long_is_normal() -> None:
    stuck = NetworkConnector("arn", "prod", "nc-1", state=NetworkConnectorState.PENDING)
    error = timeout_error(1800, stuck)
    assert isinstance(error, WaiterTimeoutError)
    assert "three minutes" in " ".join(notes_of(error))
    assert list(notes_of(timeout_error(5, None))) == []


@pytest.mark.parametrize("word", ["subnet ", "OperatorRole ", "VPC "])
def test_only_the_start_of_a_long_text_is_searched(word: str) -> None:
    # To search all of it would take minutes, in which the event loop stands still.
    assert remedy_of(ApiError(word * 1_000_000, code="X")) is None
    assert remedy_of(ApiError(" " * 1000 + "iam:PassRole", code="AccessDenied")) is None
