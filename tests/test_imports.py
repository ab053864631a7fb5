"""What is imported when: what a plain service needs at once, all else when somebody uses it."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pickle
import subprocess
import sys
from importlib import import_module
from types import ModuleType
from typing import Final, get_type_hints

import pytest

import lambdacore_async
from lambdacore_async import LambdaCoreClient
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.protocol import operations

#: What gets a connector does without.
NOT_NEEDED: Final = {
    *(
        f"lambdacore_async.{name}"
        for name in (
            "cli",
            "engine.identity.metadata",
            "engine.regions",
            "local",
            "models.reason_codes",
            "models.runtimes",
            "protocol.arns",
            "protocol.operations.runtimes",
            "protocol.operations.table",
            "workflows.lookups",
            "workflows.pagination",
            "workflows.polling",
            "workflows.provisioning",
            "workflows.targets",
            "workflows.waiters",
            "workflows.watching",
        )
    ),
    "aws_requests_auth.aws_auth",
    "botocore",
    "configparser",
    "importlib.metadata",
    "requests",
    "rich",
    "typer",
}
#: Makes a first call, and tells which modules that took.
FIRST_CALL: Final = """
import asyncio, json, sys

from lambdacore_async import Credentials, LambdaCoreClient


async def main():
    url, region, *keys = sys.argv[1:]
    async with LambdaCoreClient(
        region, endpoint_url=url, credentials=Credentials(*keys)
    ) as client:
        assert (await client.get_network_connector("prod")).name == "prod"


asyncio.run(main())
print(json.dumps(sorted(sys.modules)))
"""
#: In a process of their own, since here all is imported already.
IN_A_FRESH_PROCESS: Final = {
    "a star import gives all public names": """
import lambdacore_async
from lambdacore_async import *
assert not set(lambdacore_async.__all__) - set(globals())
""",
    "dir shows all public names before any of them is used": """
import lambdacore_async, sys
assert not set(lambdacore_async.__all__) - set(dir(lambdacore_async))
assert "lambdacore_async.workflows.waiters" not in sys.modules
""",
    "a name is found once": """
import lambdacore_async
assert "Runtime" not in vars(lambdacore_async)
assert lambdacore_async.Runtime is vars(lambdacore_async)["Runtime"]
""",
    "an error is pickled and unpickled": """
import pickle
from lambdacore_async import WaiterFailedError
error = pickle.loads(pickle.dumps(WaiterFailedError("x", state="FAILED")))
assert error.state == "FAILED"
""",
    "a row of the runtimes is found by its name": """
from lambdacore_async.protocol import operations
assert operations.OPERATIONS["GetRuntime"] is operations.GET_RUNTIME
""",
}


async def run(program: str, *arguments: str) -> str:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", program, *arguments],
        env={
            **{name: value for name, value in os.environ.items() if "COV" not in name},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_a_first_call_imports_nothing_that_it_does_not_need() -> None:
    async with LocalLambdaCore() as aws:
        aws.state.put_network_connector("prod")
        keys = (aws.credentials.access_key_id, aws.credentials.secret_access_key)
        imported = set(json.loads(await run(FIRST_CALL, aws.endpoint_url, aws.region, *keys)))

    assert "lambdacore_async.client" in imported
    assert NOT_NEEDED & imported == set()


@pytest.mark.parametrize("program", IN_A_FRESH_PROCESS.values(), ids=IN_A_FRESH_PROCESS)
async def test_names_are_there_before_what_they_are_from(program: str) -> None:
    await run(program)


def test_an_unneeded_module_is_one_that_there_is() -> None:
    for name in NOT_NEEDED:
        import_module(name)


@pytest.mark.parametrize("module", [lambdacore_async, operations])
def test_every_public_name_is_found(module: ModuleType) -> None:
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("module", [lambdacore_async, operations])
def test_no_other_name_is_found(module: ModuleType) -> None:
    with pytest.raises(
        AttributeError, match=f"^module '{module.__name__}' has no attribute 'Nil'$"
    ):
        getattr(module, "Nil")  # noqa: B009 - the type checkers know that it is not there
    assert not hasattr(module, "Nil")
    with pytest.raises(ImportError, match="cannot import name 'Nil'"):
        exec(f"from {module.__name__} import Nil")  # noqa: S102 - the same


def test_hints_of_methods_are_found_among_the_public_names() -> None:
    names = {name: getattr(lambdacore_async, name) for name in lambdacore_async.__all__}
    for name, method in inspect.getmembers(LambdaCoreClient, inspect.isfunction):
        if not name.startswith("_"):
            assert get_type_hints(method, localns=names)


def test_classes_found_on_demand_are_those_of_their_modules() -> None:
    from lambdacore_async.models.runtimes import Runtime

    assert lambdacore_async.Runtime is Runtime
    assert pickle.loads(pickle.dumps(Runtime)) is Runtime  # noqa: S301 - it was just made
