"""Waits that another process resumes; two clients stand for two processes."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async import (
    LambdaCoreClient,
    NetworkConnector,
    NetworkConnectorState,
    ParameterError,
    ResourceNotFoundException,
    Wait,
    WaiterFailedError,
    WaiterTimeoutError,
)
from support.leaks import CREDENTIALS, assert_no_secret, other_tasks
from support.simulation import World
from workflows.test_waiters import OTHER_VPC, VPC, create, world


async def interrupted(here: World, wait: Wait[Any], seconds: float) -> str:
    """Run a wait for some seconds, and return its token."""
    task = asyncio.create_task(wait)
    await here.clock.sleep(seconds)
    token = wait.token()
    task.cancel()
    await asyncio.wait([task])
    return token


async def test_another_process_resumes_a_wait() -> None:
    here = world()
    created = await create(client := here.client())
    token = await interrupted(here, client.wait_until_network_connector_active(created), 10)
    connector = await here.client().resume_wait(token)
    assert connector == await client.get_network_connector("prod")
    assert isinstance(connector, NetworkConnector)
    assert connector.state == NetworkConnectorState.ACTIVE
    assert other_tasks() == set()


async def test_a_token_is_taken_without_a_call() -> None:
    here = world()
    here.state.put_network_connector("prod")
    token = here.client().wait_until_network_connector_active("prod").token()
    assert here.calls == {}
    assert token.isascii()
    assert await here.client().resume_wait(token) == here.state.get_network_connector("prod")


async def test_an_update_is_distinguished_from_the_state_before_it() -> None:
    here = world(stale_seconds=20)
    connector = here.state.put_network_connector("prod")
    client = here.client()
    updated = await client.update_network_connector("prod", configuration=OTHER_VPC)
    token = client.wait_until_network_connector_updated(updated).token()
    resumed = await here.client().resume_wait(token)
    assert resumed == await client.get_network_connector("prod")
    assert resumed != connector
    by_version = client.wait_until_network_connector_updated("prod", version=updated.version)
    assert await here.client().resume_wait(by_version.token()) == resumed


async def test_a_deletion_is_waited_for() -> None:
    here = world()
    here.state.put_network_connector("prod")
    client = here.client()
    deleted = await client.delete_network_connector("prod")
    token = await interrupted(here, client.wait_until_network_connector_deleted(deleted), 5)
    assert await here.client().resume_wait(token) is None
    with pytest.raises(ResourceNotFoundException):
        await client.get_network_connector("prod")


@pytest.mark.parametrize("kind", ["version", "alias"])
async def test_versions_and_aliases_of_runtimes_are_waited_for(kind: str) -> None:
    here = world()
    client = here.client()
    wait: Wait[Any] = getattr(client, f"wait_until_runtime_{kind}_active")("python", "v1")
    with pytest.raises(ResourceNotFoundException):
        await here.client().resume_wait(wait.token())


async def test_a_resumed_wait_has_the_deadline_of_the_first() -> None:
    here = world(provisioning_seconds=10_000)
    created = await create(client := here.client())
    wait = client.wait_until_network_connector_active(created, timeout=timedelta(seconds=600))
    token = await interrupted(here, wait, 100)
    before = here.clock.monotonic()
    with pytest.raises(WaiterTimeoutError, match="after 500 seconds"):
        await here.client().resume_wait(token)
    assert here.clock.monotonic() - before == 500


async def test_a_wait_whose_deadline_has_passed_still_sees_the_resource() -> None:
    here = world()
    created = await create(client := here.client())
    token = client.wait_until_network_connector_active(created, timeout=10).token()
    here.clock.advance(10_000)
    active = await here.client().resume_wait(token)
    assert active == await client.get_network_connector("prod")


async def test_a_connector_that_took_the_name_is_another_one() -> None:
    here = world()
    await create(client := here.client())
    wait = client.wait_until_network_connector_active("prod", timeout=1800)
    token = await interrupted(here, wait, 10)
    here.clock.advance(100)
    await client.delete_network_connector("prod")
    here.clock.advance(100)
    await create(client)
    with pytest.raises(WaiterFailedError, match="prod was deleted"):
        await here.client().resume_wait(token)


async def test_the_token_of_a_resumed_wait_is_the_same() -> None:
    here = world()
    created = await create(client := here.client())
    token = await interrupted(here, client.wait_until_network_connector_active(created), 10)
    resumed = here.client().resume_wait(token)
    assert resumed.token() == token
    assert await interrupted(here, resumed, 10) == token


async def test_a_wait_resumes_in_its_region() -> None:
    here = world()
    here.state.put_network_connector("prod")
    facts = json.loads(here.client().wait_until_network_connector_active("prod").token())
    assert facts["region"] == "us-east-1"
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    wait = client.resume_wait(json.dumps({**facts, "region": "eu-west-1"}))
    assert json.loads(wait.token())["region"] == "eu-west-1"


async def test_a_token_holds_no_secret_and_little_else() -> None:
    here = world()
    created = await create(client := here.client())
    token = client.wait_until_network_connector_active(created).token()
    assert_no_secret(token)
    assert len(token) < 2000
    long = evolve(created, configuration=evolve(VPC, subnet_ids=("s" * 20_000,)))
    with pytest.raises(ParameterError, match="^token: "):
        client.wait_until_network_connector_active(long).token()


async def test_a_wait_is_a_coroutine() -> None:
    here = world()
    here.state.put_network_connector("prod")
    client = here.client()
    client.wait_until_network_connector_active("prod").close()
    first = client.wait_until_network_connector_active("prod")
    second = client.wait_until_network_connector_active("prod")
    one, other = await asyncio.gather(asyncio.create_task(first), second)
    assert one == other
    first.close()


# Damaged tokens


def good() -> dict[str, Any]:
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    facts: dict[str, Any] = json.loads(
        client.wait_until_network_connector_updated("prod", version=3).token()
    )
    return facts


def refuse(token: Any, text: str = "") -> None:
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    with pytest.raises(ParameterError, match=f"^token: .*{text}"):
        client.resume_wait(token)


@pytest.mark.parametrize(
    ("token", "text"),
    [
        (None, "expected str, got NoneType"),
        (b"{}", "expected str, got bytes"),
        ("", "not a wait token"),
        ("[]", "not a wait token"),
        ("{}", "not a wait token"),
        ("[" * 10_000, "not a wait token"),
        (" " * 20_000, "not a wait token"),
        ('{"lambdacore_wait":2}', "a version other than 1"),
        ('{"lambdacore_wait":1}', "is damaged"),
    ],
)
def test_a_token_of_something_else_is_refused(token: Any, text: str) -> None:
    refuse(token, text)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "network_connector_eaten"),
        ("kind", []),
        ("kind", "runtime_alias_active"),
        ("names", []),
        ("names", [5]),
        ("names", None),
        ("began", "2026-11-24T12:00:00"),
        ("deadline", "soon"),
        ("deadline", 5),
        ("poll_interval", -1),
        ("poll_interval", "10"),
        ("exists", 1),
        ("region", "us east"),
        ("region", 5),
        ("version", 0),
        ("version", True),
        ("id", 5),
        ("connector", 5),
        ("connector", {"Arn": 5}),
    ],
)
def test_a_damaged_token_is_refused(key: str, value: object) -> None:
    refuse(json.dumps({**good(), key: value}))


@given(st.integers(0, 300), st.characters())
def test_no_damage_ends_in_another_error(position: int, character: str) -> None:
    token = json.dumps(good())
    damaged = token[:position] + character + token[position + 1 :]
    client = LambdaCoreClient("us-east-1", credentials=CREDENTIALS)
    with suppress(ParameterError):
        client.resume_wait(damaged)
