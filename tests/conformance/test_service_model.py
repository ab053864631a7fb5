"""The library agrees with AWS's newest model of the service.

When the service changes, the first test fails, and each line of its output is one thing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lambdacore_async.errors import ERRORS_BY_CODE, ApiError
from lambdacore_async.models.runtimes import Runtime
from lambdacore_async.protocol import operations as table
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.reading import wire_name
from lambdacore_async.protocol.restjson import ListOperation, Operation, body
from lambdacore_async.workflows.pagination import LARGEST_PAGE
from support.botocore_judge import paginators, service_model
from support.service_diff import differences

Model = dict[str, Any]
Change = Callable[[Model], object]


def test_the_library_agrees_with_the_newest_model() -> None:
    assert differences() == []


def test_the_largest_page_is_the_models() -> None:
    model = service_model()
    for row in OPERATIONS.values():
        if isinstance(row, ListOperation):
            members = _members(model, _operation(model, row.name)["input"]["shape"])
            size = _shape(model, members[wire_name(row.page_size)]["shape"])
            assert (size["min"], size["max"]) == (1, LARGEST_PAGE)


def _operation(model: Model, name: str) -> Model:
    row: Model = model["operations"][name]
    return row


def _shape(model: Model, name: str) -> Model:
    shape: Model = model["shapes"][name]
    return shape


def _members(model: Model, name: str) -> Model:
    members: Model = _shape(model, name)["members"]
    return members


def _require(model: Model, shape: str, member: str) -> None:
    _shape(model, shape).setdefault("required", []).append(member)


def _release(model: Model, shape: str, member: str) -> None:
    _shape(model, shape)["required"].remove(member)


def _new_operation(model: Model) -> None:
    model["operations"]["PauseRuntime"] = _operation(model, "GetRuntime")


def _new_error(model: Model) -> None:
    model["shapes"]["NewException"] = _shape(model, "ServiceException")
    _operation(model, "GetRuntime")["errors"].append({"shape": "NewException"})


CHANGES: dict[str, tuple[Change, tuple[str, ...]]] = {
    "new operation": (_new_operation, ("operation PauseRuntime: new in the model",)),
    "operation gone": (
        lambda m: m["operations"].pop("GetRuntime"),
        ("operation GetRuntime: not in the model",),
    ),
    "method": (
        lambda m: _operation(m, "UpdateRuntimeVersion")["http"].update(method="PUT"),
        ("operation UpdateRuntimeVersion: method is PUT in the model, PATCH here",),
    ),
    "URI": (
        lambda m: _operation(m, "ListRuntimes")["http"].update(requestUri="/x"),
        ("operation ListRuntimes: URI is /x in the model, /2026-10-01/runtimes here",),
    ),
    "success status": (
        lambda m: _operation(m, "CreateRuntime")["http"].update(responseCode=201),
        ("operation CreateRuntime: status is 201 in the model, 202 here",),
    ),
    "no longer idempotent": (
        lambda m: _operation(m, "CreateRuntime").pop("idempotent"),
        ("operation CreateRuntime: idempotent is False in the model, True here",),
    ),
    "readonly": (
        lambda m: _operation(m, "CreateRuntime").update(readonly=True),
        ("operation CreateRuntime: readonly is True in the model, False here",),
    ),
    "new operation trait": (
        lambda m: _operation(m, "GetRuntime").update(deprecated=True),
        ("operation GetRuntime: has trait deprecated, unknown here",),
    ),
    "new input": (
        lambda m: _members(m, "GetRuntimeRequest").update(
            Expand={"shape": "Boolean", "location": "querystring"}
        ),
        ("operation GetRuntime: input Expand is new in the model",),
    ),
    "input gone": (
        lambda m: _members(m, "CreateRuntimeRequest").pop("Tags"),
        ("operation CreateRuntime: input tags is not in the model",),
    ),
    "input order": (
        lambda m: _members(m, "UpdateRuntimeAliasRequest").update(
            RuntimeName=_members(m, "UpdateRuntimeAliasRequest").pop("RuntimeName")
        ),
        (
            (
                "operation UpdateRuntimeAlias: order of inputs is ['name', 'runtime_version', "
                "'description', 'release_lifecycle', 'runtime_name'] in the model, "
                "['runtime_name', "
                "'name', 'runtime_version', 'description', 'release_lifecycle'] here"
            ),
        ),
    ),
    "input location": (
        lambda m: _members(m, "ListRuntimesRequest")["NextToken"].update(location="header"),
        ("operation ListRuntimes: input NextToken: location is header in the model, query here",),
    ),
    "input wire name": (
        lambda m: _members(m, "ListRuntimesRequest")["NextToken"].update(locationName="token"),
        (
            (
                "operation ListRuntimes: input NextToken: name on the wire is token in the model, "
                "nextToken here"
            ),
        ),
    ),
    "input required": (
        lambda m: _require(m, "CreateRuntimeRequest", "Description"),
        ("operation CreateRuntime: input Description: required is True in the model, False here",),
    ),
    "input type": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(shape="Boolean"),
        (
            (
                "operation CreateRuntime: input Description: Boolean is a boolean in the model, "
                "str here"
            ),
        ),
    ),
    "input list": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(shape="PlatformList"),
        (
            (
                "operation CreateRuntime: input Description: PlatformList is a list in the model, "
                "str here"
            ),
        ),
    ),
    "input map": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(shape="TagMap"),
        ("operation CreateRuntime: input Description: TagMap is a map in the model, str here",),
    ),
    "input enum": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(shape="RuntimeState"),
        (
            (
                "operation CreateRuntime: input Description: RuntimeState is a string in the "
                "model, str here"
            ),
        ),
    ),
    "input structure": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(shape="Platform"),
        (
            (
                "operation CreateRuntime: input Description: Platform is a structure in the model, "
                "str here"
            ),
        ),
    ),
    "input union": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(
            shape="NetworkConnectorConfiguration"
        ),
        (
            (
                "operation CreateRuntime: input Description: NetworkConnectorConfiguration is a "
                "structure in the model, str here"
            ),
        ),
    ),
    "input string": (
        lambda m: _members(m, "CreateRuntimeRequest")["ReleaseLifecycle"].update(shape="String"),
        (
            (
                "operation CreateRuntime: input ReleaseLifecycle: String is a string in the model, "
                "RuntimeReleaseLifecycle here"
            ),
        ),
    ),
    "map's values": (
        lambda m: _shape(m, "TagMap")["value"].update(shape="Boolean"),
        ("operation CreateRuntime: input Tags: Boolean is a boolean in the model, str here",),
    ),
    "idempotency token": (
        lambda m: _members(m, "CreateRuntimeRequest")["Description"].update(idempotencyToken=True),
        (
            (
                "operation CreateRuntime: input Description: idempotency token is True in the "
                "model, False here"
            ),
        ),
    ),
    "blank input": (
        lambda m: _members(m, "UpdateRuntimeVersionRequest")["ReleaseNotes"].update(
            shape="RuntimeTimestamp"
        ),
        (
            (
                "operation UpdateRuntimeVersion: input ReleaseNotes: may be empty here, not in the "
                "model"
            ),
        ),
    ),
    "new input trait": (
        lambda m: _members(m, "GetRuntimeRequest")["RuntimeName"].update(hostLabel=True),
        ("shape GetRuntimeRequest: RuntimeName has trait hostLabel, unknown here",),
    ),
    "new output": (
        lambda m: _members(m, "GetRuntimeResponse").update(Owner={"shape": "String"}),
        ("structure GetRuntimeResponse: Owner: is new in the model; no field of Runtime",),
    ),
    "output gone": (
        lambda m: [
            _members(m, f"{verb}NetworkConnectorResponse").pop("OperatorRole")
            for verb in ("Create", "Get", "Update", "Delete")
            if "OperatorRole" in _members(m, f"{verb}NetworkConnectorResponse")
        ],
        ("class NetworkConnector: operator_role: not in the model",),
    ),
    "output no longer required": (
        lambda m: _release(m, "UpdateRuntimeResponse", "Arn"),
        (
            "class Runtime: arn: required is False in the model, True here",
            "class Runtime: arn: may be None is True in the model, False here",
        ),
    ),
    "output now required": (
        lambda m: _require(m, "RestoreRuntimeResponse", "RuntimeAlias"),
        (
            "class RestoredRuntime: runtime_alias: required is True in the model, False here",
            "class RestoredRuntime: runtime_alias: may be None is False in the model, True here",
        ),
    ),
    "output type": (
        lambda m: _members(m, "NetworkConnectorSummary")["LatestVersion"].update(shape="String"),
        (
            (
                "structure NetworkConnectorSummary: LatestVersion: String is a string in the "
                "model, int here"
            ),
        ),
    ),
    "output in a header": (
        lambda m: _members(m, "GetRuntimeResponse")["Description"].update(location="header"),
        ("structure GetRuntimeResponse: Description: comes in the header, unknown here",),
    ),
    "nested member": (
        lambda m: _members(m, "Platform").update(Variant={"shape": "String"}),
        ("structure Platform: Variant: is new in the model; no field of Platform",),
    ),
    "empty output filled": (
        lambda m: _members(m, "DeleteRuntimeResponse").update(State={"shape": "RuntimeState"}),
        ("operation DeleteRuntime: output members is {'State'} in the model, set() here",),
    ),
    "new enum value": (
        lambda m: _shape(m, "NetworkConnectorState")["enum"].append("PAUSED"),
        ("enum NetworkConnectorState: value PAUSED is new in the model",),
    ),
    "enum value gone": (
        lambda m: _shape(m, "ElasticIpType")["enum"].remove("None"),
        ("enum ElasticIpType: value None is not in the model",),
    ),
    "the second enum of reason codes": (
        lambda m: _shape(m, "NetworkConnectorLastUpdateStatusReasonCode")["enum"].append("New"),
        ("enum NetworkConnectorLastUpdateStatusReasonCode: value New is new in the model",),
    ),
    "enum renamed": (
        lambda m: (
            m["shapes"].update(NewName=_shape(m, "NetworkConnectorType")),
            _members(m, "NetworkConnectorSummary")["Type"].update(shape="NewName"),
        ),
        ("enum NewName: name is NewName in the model, NetworkConnectorType here",),
    ),
    "throttle reason": (
        lambda m: _shape(m, "ThrottleReason")["enum"].append("New"),
        ("enum ThrottleReason: value New is new in the model",),
    ),
    "union member": (
        lambda m: _members(m, "NetworkConnectorConfiguration").update(
            PeeringConfiguration={"shape": "Platform"}
        ),
        ("union NetworkConnectorConfiguration: member PeeringConfiguration is new in the model",),
    ),
    "union member gone": (
        lambda m: _members(m, "NetworkConnectorConfiguration").clear(),
        ("union NetworkConnectorConfiguration: member VpcEgressConfiguration is not in the model",),
    ),
    "shape trait": (
        lambda m: _shape(m, "Platform").update(document=True),
        ("shape Platform: has trait document, unknown here",),
    ),
    "new error": (
        _new_error,
        (
            "operation GetRuntime: can raise NewException, not listed here",
            "error NewException: in the model, has no class here",
        ),
    ),
    "error gone": (
        lambda m: (
            m["shapes"].pop("ServiceQuotaExceededException"),
            _operation(m, "CreateRuntime")["errors"].remove(
                {"shape": "ServiceQuotaExceededException"}
            ),
        ),
        (
            "error ServiceQuotaExceededException: not in the model, in_model=True here",
            (
                "operation CreateRuntime: ServiceQuotaExceededException is listed here, not in the "
                "model"
            ),
        ),
    ),
    "error status": (
        lambda m: _shape(m, "ResourceConflictException")["error"].update(httpStatusCode=412),
        ("error ResourceConflictException: status is 412 in the model, 409 here",),
    ),
    "error member": (
        lambda m: _members(m, "ServiceException").update(Detail={"shape": "String"}),
        ("error ServiceException: member Detail is new in the model",),
    ),
    "error header": (
        lambda m: _members(m, "TooManyRequestsException")["retryAfterSeconds"].update(
            locationName="Come-Back"
        ),
        (
            (
                "error TooManyRequestsException: retryAfterSeconds: as retry_after of the "
                "exception is 7 in the model, None here"
            ),
        ),
    ),
    "error message's case": (
        lambda m: _members(m, "ServiceException").update(
            message=_members(m, "ServiceException").pop("Message")
        ),
        ("error ServiceException: the embedded service sends Message, which is not in the model",),
    ),
    "signing name": (
        lambda m: m["metadata"].update(signingName="lambdacore"),
        ("service: signingName is lambdacore in the model, lambda here",),
    ),
    "API version": (
        lambda m: m["metadata"].update(apiVersion="2027-01-01"),
        ("service: apiVersion is 2027-01-01 in the model, 2026-04-30 here",),
    ),
    "protocol": (
        lambda m: m["metadata"].update(protocol="smithy-rpc-v2-cbor"),
        ("service: protocol is smithy-rpc-v2-cbor in the model, rest-json here",),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_service_is_reported_in_one_line(change: str) -> None:
    mutate, expected = CHANGES[change]
    model = service_model()
    mutate(model)

    lines = differences(model)

    for line in expected:
        assert any(found.startswith(line) for found in lines), lines
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("input_token", "Next", "'input_token': 'next'"),
        ("output_token", "Next", "'output_token': 'Next'"),
        ("limit_key", "Size", "'limit_key': 'size'"),
        ("result_key", "Things", "'result_key': 'Things'"),
        ("more_results", "Truncated", "'more_results': 'Truncated'"),
    ],
)
def test_a_change_of_a_paginator_is_reported(key: str, value: str, part: str) -> None:
    pages = paginators()
    pages["ListRuntimes"][key] = value

    (line,) = differences(paginators=pages)

    assert line.startswith("operation ListRuntimes: pagination is {")
    assert part in line


def test_a_new_paginator_is_reported() -> None:
    pages = paginators()
    pages["GetRuntime"] = {"input_token": "NextToken"}

    (line,) = differences(paginators=pages)

    assert line == (
        "operation GetRuntime: pagination is {'input_token': 'NextToken'} in the model, {} here"
    )


def test_a_paginated_output_of_other_members_is_reported() -> None:
    model = service_model()
    members = _members(model, "ListRuntimesResponse")
    members["Runtimes"] = members.pop("Items")
    del members["NextToken"]
    model["shapes"]["ListRuntimesResponse"].pop("required", None)

    (line,) = differences(model)

    assert line.startswith("operation ListRuntimes: output members is {'Runtimes'} in the model, ")


def test_a_row_that_the_model_lacks_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd(Operation[Runtime]):
        pass

    known = OPERATIONS["GetRuntime"]
    odd = Odd("GetRuntime", "GET", known.uri, 200, known.members, known.errors, readonly=True)
    extra = Odd("Extra", "GET", "/", 200, (body("name"),), frozenset[str]())
    monkeypatch.setattr(table, "OPERATIONS", {**OPERATIONS, "GetRuntime": odd, "Extra": extra})

    lines = differences()

    assert "operation Extra: not in the model" in lines
    assert "operation GetRuntime: has a kind that this comparison does not know" in lines


def test_an_error_class_that_the_model_lacks_needs_the_flag(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PlainException(ApiError):  # noqa: N818 - named like AWS's errors
        pass

    class FlaggedException(ApiError, in_model=False):  # noqa: N818 - the same
        pass

    for kind in (PlainException, FlaggedException):
        monkeypatch.setitem(ERRORS_BY_CODE, kind.__name__, kind)
    assert differences() == ["error PlainException: not in the model, in_model=True here"]

    monkeypatch.delitem(ERRORS_BY_CODE, "PlainException")
    monkeypatch.setitem(ERRORS_BY_CODE, "ServiceException", FlaggedException)
    assert "error ServiceException: in the model, in_model=False here" in differences()


def test_a_forgotten_error_class_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ERRORS_BY_CODE, "ServiceException")

    assert differences() == ["error ServiceException: in the model, has no class here"]
