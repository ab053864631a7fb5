"""Verbs and waiters against a scripted service, which answers as AWS was seen to answer.

Its answers have the members of recorded answers, without versions. It shares no code with the
embedded service.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    ApiError,
    ComputeResourceType,
    InvalidParameterValueException,
    LambdaCoreClient,
    NetworkConnector,
    NetworkProtocol,
    VpcEgressConfiguration,
    WaiterFailedError,
    WaiterTimeoutError,
)
from lambdacore_async.engine.pipeline import Pipeline, Settings
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.protocol.endpoints import Endpoint
from lambdacore_async.protocol.messages import Request, Response
from support.leaks import CREDENTIALS
from support.simulation import EventClock, inject
from support.transports import answer

ROLE: Final = "arn:aws:iam::123456789012:role/operator"
ARN: Final = "arn:aws:lambda:us-east-1:123456789012:network-connector:nc-1"
NEW_ARN: Final = f"{ARN[:-1]}2"
CANNOT_ASSUME: Final = (
    "Lambda was unable to assume the provided NetworkConnectorOperatorRole. Check its trust policy"
)
NO_PERMISSION: Final = (
    "Encountered unauthorized operation while calling EC2 due to invalid ConnectorOperatorRole "
    "permissions"
)


def vpc(*subnets: str) -> VpcEgressConfiguration:
    return VpcEgressConfiguration(
        subnet_ids=subnets,
        security_group_ids=("sg-a",),
        network_protocol=NetworkProtocol.IPV4,
        associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
    )


#: A status, and a body.
Answer = tuple[int, dict[str, Any]]


def connector(state: str, *, subnet: str = "subnet-a", arn: str = ARN, **members: Any) -> Answer:
    """Return an answer with the members of a recorded one, and these."""
    egress = {
        "AssociatedComputeResourceTypes": ["MicroVm"],
        "NetworkProtocol": "IPv4",
        "SecurityGroupIds": ["sg-a"],
        "SubnetIds": [subnet],
    }
    return 202, {
        "Arn": arn,
        "Configuration": {"VpcEgressConfiguration": egress},
        "Id": arn.rpartition(":")[2],
        "Name": "prod",
        "OperatorRole": ROLE,
        "State": state,
        **members,
    }


def updated(status: str, subnet: str, at: float, **members: Any) -> Answer:
    return connector(
        "ACTIVE", subnet=subnet, LastUpdateStatus=status, LastModified=1e9 + at, **members
    )


def refused(code: str, message: str, status: int = 400) -> Answer:
    return status, {"Type": "User", "code": code, "message": message}


def bad(message: str) -> Answer:
    return refused("InvalidParameterValueException", message)


CONFLICT: Final = refused("ResourceConflictException", "it exists, or is busy", 409)
NOT_FOUND: Final[Answer] = (
    404,
    {"code": "ResourceNotFoundException", "Message": "Network connector not found for: prod"},
)
PENDING: Final = connector("PENDING", StateReason="Initial creation")
ACTIVE: Final = connector("ACTIVE", StateReason="Initial creation", LastModified=1e9)
DELETING: Final = connector("DELETING")
DELETE_FAILED: Final = connector("DELETE_FAILED", StateReason="of an earlier deletion")


class Script:
    """A transport that answers each method of HTTP from a script, whose last answer repeats.

    Attributes:
        clock: the client's clock.
        calls: the requests, as method and target.
    """

    def __init__(self, **scripts: Iterable[Answer]) -> None:
        self.clock = EventClock()
        self.calls: list[tuple[str, str]] = []
        self._scripts = {method: list(answers) for method, answers in scripts.items()}

    def count(self, method: str) -> int:
        return sum(method == each for each, _ in self.calls)

    async def send(self, endpoint: Endpoint, request: Request, timeout: Timeout) -> Response:
        """See `Transport.send`."""
        self.calls.append((request.method, request.target))
        assert len(self.calls) < 1000, "no verb needs so many calls"
        await asyncio.sleep(0)
        self.clock.stir()
        answers = self._scripts[request.method]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        headers = {"x_amzn_ErrorType": body["code"]} if "code" in body else {}
        return answer(status, json.dumps(body).encode(), **headers)

    async def close(self) -> None:
        """See `Transport.close`."""

    async def run(self, call: Callable[[LambdaCoreClient], Awaitable[Any]]) -> Any:
        """Return the result of a call, or its error."""
        client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
        inject(client, transport=self, clock=self.clock, jitter=lambda: 0.5)
        client._core.pipeline = Pipeline(client._core.shared, Settings("us-east-1"))
        try:
            return await call(client)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error

    async def ensure(self, subnet: str = "subnet-a") -> Any:
        return await self.run(
            lambda client: client.ensure_network_connector("prod", vpc(subnet), operator_role=ROLE)
        )

    async def update(self, subnet: str = "subnet-b") -> Any:
        return await self.run(
            lambda client: client.update_network_connector_and_wait(
                "prod", configuration=vpc(subnet)
            )
        )

    async def delete(self) -> Any:
        return await self.run(lambda client: client.delete_network_connector_and_wait("prod"))


def subnets_of(result: object) -> tuple[str, ...] | None:
    assert isinstance(result, NetworkConnector), result
    assert isinstance(result.configuration, VpcEgressConfiguration)
    return result.configuration.subnet_ids


# Some reads after a creation or an update answer 404


@pytest.mark.parametrize("reads", [1, 5, 20])
async def test_twenty_reads_may_miss_what_ensure_created_and_it_is_created_once(
    reads: int,
) -> None:
    service = Script(POST=[PENDING], GET=[NOT_FOUND, *[NOT_FOUND] * reads, PENDING, ACTIVE])
    assert (await service.ensure()).state == "ACTIVE"
    assert service.count("POST") == 1
    assert service.clock.monotonic() < 80


async def test_a_creation_that_never_shows_ends_with_the_timeout_and_few_creations() -> None:
    service = Script(POST=[PENDING, CONFLICT], GET=[NOT_FOUND])
    assert isinstance(await service.ensure(), WaiterTimeoutError)
    assert service.clock.monotonic() == 1800
    assert service.count("POST") <= 1800 / 60


async def test_ensure_creates_nothing_again_while_reads_may_miss_what_it_created() -> None:
    drifted = connector("ACTIVE", subnet="subnet-z", LastModified=1e9)
    reads = [NOT_FOUND, PENDING, drifted, *[NOT_FOUND] * 4, ACTIVE]
    service = Script(POST=[PENDING, CONFLICT], GET=reads)
    assert subnets_of(await service.ensure()) == ("subnet-a",)
    assert service.count("POST") == 1


async def test_ensure_creates_nothing_again_while_reads_may_miss_what_another_created() -> None:
    service = Script(POST=[CONFLICT], GET=[*[NOT_FOUND] * 5, PENDING, ACTIVE])
    assert (await service.ensure()).state == "ACTIVE"
    assert service.count("POST") == 1


async def test_ensure_creates_again_what_reads_miss_for_longer_than_they_may_lag() -> None:
    # The refusal was about a connector whose deletion had not ended.
    service = Script(POST=[CONFLICT, PENDING], GET=[*[NOT_FOUND] * 8, PENDING, ACTIVE])
    assert (await service.ensure()).state == "ACTIVE"
    assert service.count("POST") == 2
    assert 60 <= service.clock.monotonic() < 80


async def test_reads_may_miss_a_connector_that_another_process_just_created() -> None:
    async def wait(client: LambdaCoreClient) -> NetworkConnector:
        return await client.wait_until_network_connector_active("prod")

    reads = [PENDING, NOT_FOUND, PENDING, *[NOT_FOUND] * 5, ACTIVE]
    assert (await Script(GET=reads).run(wait)).state == "ACTIVE"
    gone = Script(GET=[PENDING, NOT_FOUND])
    error = await gone.run(wait)
    assert isinstance(error, WaiterFailedError)
    assert "was deleted" in str(error)
    assert 60 <= gone.clock.monotonic() < 70


@pytest.mark.parametrize("reads", [1, 20])
async def test_twenty_reads_may_miss_a_connector_that_was_updated(reads: int) -> None:
    done = updated("Successful", "subnet-b", 9)
    service = Script(
        PUT=[updated("InProgress", "subnet-b", 9)],
        PATCH=[updated("InProgress", "subnet-b", 9)],
        GET=[*[NOT_FOUND] * reads, updated("InProgress", "subnet-b", 9), done],
    )
    assert subnets_of(await service.update()) == ("subnet-b",)


async def test_a_connector_may_be_created_and_deleted_before_any_read_shows_it() -> None:
    async def create_and_delete(client: LambdaCoreClient) -> None:
        await client.create_network_connector("prod", vpc("subnet-a"), operator_role=ROLE)
        await client.delete_network_connector_and_wait("prod")

    reads = [NOT_FOUND, DELETING, DELETING, NOT_FOUND]
    service = Script(POST=[PENDING], DELETE=[DELETING], GET=reads)
    assert await service.run(create_and_delete) is None
    assert service.count("GET") == 5  # the first one lagged, and the last one was confirmed


# A role that was just created


@pytest.mark.parametrize("verb", ["ensure", "update", "ensure of drift"])
async def test_both_refusals_of_a_fresh_role_are_retried(verb: str) -> None:
    refusals = [bad(CANNOT_ASSUME)] * 12 + [bad(NO_PERMISSION)] * 12
    done = updated("Successful", "subnet-b", 9)
    put = [*refusals, updated("InProgress", "subnet-b", 9)]
    service = Script(PUT=put, PATCH=put, POST=[*refusals, PENDING])
    service._scripts["GET"] = {
        "ensure": [NOT_FOUND, PENDING, ACTIVE],
        "update": [updated("InProgress", "subnet-b", 9), done],
        "ensure of drift": [ACTIVE, updated("InProgress", "subnet-b", 9), done],
    }[verb]
    if verb == "ensure":
        assert (await service.ensure()).state == "ACTIVE"
    else:
        result = await (service.update() if verb == "update" else service.ensure("subnet-b"))
        assert subnets_of(result) == ("subnet-b",)
    assert 24 * 2 <= service.clock.monotonic() < 90


@pytest.mark.parametrize("message", [CANNOT_ASSUME, NO_PERMISSION])
@pytest.mark.parametrize(
    "code", ["InvalidParameterValueException", "ValidationException", "AccessDeniedException"]
)
async def test_a_refusal_of_a_role_lasts_two_minutes_whatever_its_code(
    message: str, code: str
) -> None:
    service = Script(POST=[refused(code, message)], GET=[NOT_FOUND])
    error = await service.ensure()
    assert isinstance(error, ApiError)
    assert error.code == code
    (note,) = error.__notes__
    assert ("aws:SourceAccount" if message == CANNOT_ASSUME else "ec2:CreateTags") in note
    assert 120 <= service.clock.monotonic() <= 125


async def test_another_refusal_is_not_retried() -> None:
    service = Script(POST=[bad("NetworkProtocol cannot be null or empty")], GET=[NOT_FOUND])
    assert isinstance(await service.ensure(), InvalidParameterValueException)
    assert service.count("POST") == 1


# Deletions


async def test_active_is_read_for_a_while_after_a_deletion_began() -> None:
    reads = [ACTIVE] * 5 + [DELETING, ACTIVE, DELETING, NOT_FOUND, DELETING]
    service = Script(DELETE=[DELETING], GET=reads)
    assert await service.delete() is None
    assert service.count("DELETE") == 1


@pytest.mark.parametrize("seen", [DELETING, NOT_FOUND])
async def test_a_connector_that_another_caller_deletes_is_waited_for(seen: Answer) -> None:
    # Whether AWS accepts a second deletion is not known.
    service = Script(DELETE=[CONFLICT, NOT_FOUND], GET=[seen, DELETING, DELETING, NOT_FOUND])
    assert await service.delete() is None


async def test_the_failure_of_an_earlier_deletion_passes() -> None:
    reads = [DELETE_FAILED] * 5 + [DELETING, DELETE_FAILED, DELETING, NOT_FOUND]
    service = Script(DELETE=[DELETING], GET=reads)
    assert await service.delete() is None
    assert service.count("DELETE") == 1


async def test_a_failed_deletion_is_deleted_again_if_it_was_never_seen_at_work() -> None:
    service = Script(DELETE=[DELETING], GET=[DELETE_FAILED])
    error = await service.delete()
    assert isinstance(error, WaiterFailedError)
    assert (error.state, error.reason) == ("DELETE_FAILED", "of an earlier deletion")
    assert service.count("DELETE") == 2
    assert service.clock.monotonic() < 150
    service = Script(DELETE=[DELETING], GET=[*[DELETE_FAILED] * 25, DELETING, NOT_FOUND])
    assert await service.delete() is None
    assert service.count("DELETE") == 2
    service = Script(DELETE=[DELETING, NOT_FOUND], GET=[DELETE_FAILED])
    assert await service.delete() is None


async def test_a_failure_of_this_deletion_is_raised() -> None:
    service = Script(DELETE=[DELETING], GET=[DELETING, DELETE_FAILED])
    assert isinstance(await service.delete(), WaiterFailedError)
    assert service.count("DELETE") == 1
    assert service.clock.monotonic() < 10


async def test_ensure_is_not_fooled_by_reads_that_still_show_a_deleted_connector() -> None:
    new = connector("ACTIVE", arn=NEW_ARN)
    created = connector("PENDING", arn=NEW_ARN)
    reads = [DELETING, ACTIVE, NOT_FOUND, NOT_FOUND, ACTIVE, created, new]
    service = Script(POST=[created], GET=reads)
    result = await service.ensure()
    assert isinstance(result, NetworkConnector)
    assert result.arn == NEW_ARN
    assert service.count("POST") == 1


async def test_waits_go_by_arn() -> None:
    service = Script(POST=[PENDING], DELETE=[DELETING], GET=[NOT_FOUND, PENDING, ACTIVE])
    await service.ensure()
    service._scripts["GET"] = [NOT_FOUND]
    await service.delete()
    targets = [target for method, target in service.calls if method == "GET"]
    assert targets[0].endswith("/prod")
    assert all("network-connector%3Anc-1" in target for target in targets[1:])


# An answer that flips


OLD: Final = updated("Successful", "subnet-a", 0)
BUSY: Final = updated("InProgress", "subnet-b", 9)
DONE: Final = updated("Successful", "subnet-b", 9)
FAILED_BEFORE: Final = updated("Failed", "subnet-a", 0, LastUpdateStatusReason="an earlier one")


@given(
    reads=st.lists(st.sampled_from([OLD, BUSY, FAILED_BEFORE, NOT_FOUND, ACTIVE]), max_size=6).map(
        lambda reads: [*reads, BUSY]
    )
)
def test_an_update_is_done_when_its_own_configuration_shows(reads: list[Answer]) -> None:
    service = Script(PUT=[BUSY], PATCH=[BUSY], GET=[*reads, DONE])
    assert subnets_of(asyncio.run(service.update())) == ("subnet-b",)


async def test_one_read_of_the_new_configuration_alone_does_not_end_an_update() -> None:
    service = Script(PUT=[BUSY], PATCH=[BUSY], GET=[DONE, OLD, DONE, BUSY, BUSY, DONE])
    assert subnets_of(await service.update()) == ("subnet-b",)
    assert service.count("GET") == 6
    service = Script(PUT=[BUSY], PATCH=[BUSY], GET=[DONE])
    assert subnets_of(await service.update()) == ("subnet-b",)
    assert service.count("GET") == 2


async def test_a_failed_update_is_distinguished_from_an_earlier_failure() -> None:
    failed = updated("Failed", "subnet-a", 9, LastUpdateStatusReason="this one")
    service = Script(PUT=[BUSY], PATCH=[BUSY], GET=[BUSY, FAILED_BEFORE, BUSY, failed])
    error = await service.update()
    assert isinstance(error, WaiterFailedError)
    assert error.reason == "this one"


async def test_an_update_that_changes_nothing_is_done_at_the_first_read() -> None:
    same = updated(
        "Successful", "subnet-a", 0, LastUpdateStatusReason="No configuration changes detected"
    )
    service = Script(PUT=[same], PATCH=[same], GET=[same])
    assert subnets_of(await service.update("subnet-a")) == ("subnet-a",)
    assert service.count("GET") == 1


# Durations


async def test_a_creation_may_take_half_an_hour() -> None:
    service = Script(POST=[PENDING], GET=[NOT_FOUND, *[PENDING] * 170, ACTIVE])
    assert (await service.ensure()).state == "ACTIVE"
    assert 1600 < service.clock.monotonic() < 1800


async def test_a_timeout_has_the_reason_of_the_state() -> None:
    stuck = connector("PENDING", StateReason="Creating", StateReasonCode="InternalError")
    service = Script(GET=[stuck])
    error = await service.run(
        lambda client: client.wait_until_network_connector_active(
            "prod", timeout=timedelta(minutes=1)
        )
    )
    assert isinstance(error, WaiterTimeoutError)
    assert "prod is PENDING: InternalError: Creating" in str(error)
    assert (error.state, error.reason, error.reason_code) == (
        "PENDING",
        "Creating",
        "InternalError",
    )
    assert WaiterTimeoutError("late").state is None
