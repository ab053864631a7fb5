"""Imports: what a simple service needs at once, everything else at its first use."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Final, get_type_hints

import pytest

import lambdacore_async
from lambdacore_async import local, otel, testing
from lambdacore_async.local import LocalLambdaCore, faults, proxy
from lambdacore_async.protocol import operations

#: Modules that are not needed to get a connector.
NOT_NEEDED: Final = {
    *(
        f"lambdacore_async.{name}"
        for name in (
            "cli",
            "dask",
            "engine.identity.botocore_chain",
            "engine.identity.metadata",
            "engine.identity.roles",
            "fleet",
            "local",
            "models.reason_codes",
            "models.remedies",
            "models.runtimes",
            "protocol.operations.runtimes",
            "protocol.operations.table",
            "workflows.arguments",
            "workflows.cache.cache",
            "workflows.cache.picture",
            "workflows.checkpoints",
            "workflows.diagnosis",
            "workflows.factory",
            "workflows.fanout",
            "workflows.lookups",
            "workflows.pagination",
            "workflows.polling",
            "workflows.provisioning",
            "workflows.recent_set",
            "workflows.dependencies",
            "workflows.sweeps",
            "workflows.targets",
            "workflows.wait_tokens",
            "workflows.waiters",
            "workflows.watching",
        )
    ),
    "botocore",
    "configparser",
    "distributed",
    "rich",
    "typer",
}
#: Makes a first call, and prints the imported modules.
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
#: Programs for new processes, because everything is already imported in this one.
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
    "a name is imported once": """
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
async def test_names_are_available_before_their_modules_are_imported(program: str) -> None:
    await run(program)


def test_the_unneeded_modules_exist() -> None:
    for name in NOT_NEEDED:
        import_module(name)


@pytest.mark.parametrize("module", [lambdacore_async, operations])
def test_every_public_name_exists(module: ModuleType) -> None:
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("module", [lambdacore_async, operations])
def test_other_names_raise_attribute_error(module: ModuleType) -> None:
    with pytest.raises(
        AttributeError, match=f"^module '{module.__name__}' has no attribute 'Nil'$"
    ):
        getattr(module, "Nil")  # noqa: B009 - type checkers know that it does not exist
    assert not hasattr(module, "Nil")
    with pytest.raises(ImportError, match="cannot import name 'Nil'"):
        exec(f"from {module.__name__} import Nil")  # noqa: S102 - the same


def hinted(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module, and their methods and properties."""
    here = [
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", None) == module.__name__
    ]
    for name in getattr(module, "__all__", here):
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        for member, raw in vars(value).items() if inspect.isclass(value) else ():
            function = getattr(raw, "fget", None) or getattr(raw, "__func__", raw)
            public = not member.startswith("_") or member.startswith("__")
            if public and inspect.isfunction(function):
                yield f"{name}.{member}", function


HINTED: Final = {
    f"{module.__name__}.{name}": value
    for module in (lambdacore_async, local, faults, proxy, otel, testing)
    for name, value in hinted(module)
    if name != "AioresponsesResponse"  # aiohttp's class, whose hints do not resolve either
}


@pytest.mark.parametrize("value", HINTED.values(), ids=HINTED)
def test_type_hints_resolve_at_run_time(value: Any) -> None:
    get_type_hints(value)


async def test_type_hints_resolve_before_their_modules_are_imported() -> None:
    await run("""
import sys, typing
from lambdacore_async import LambdaCoreClient
assert "lambdacore_async.workflows.lookups" not in sys.modules
for name, method in vars(LambdaCoreClient).items():
    if callable(method) and not name.startswith("_"):
        typing.get_type_hints(method)
hints = typing.get_type_hints(LambdaCoreClient.lookup_network_connectors)
from lambdacore_async.workflows.lookups import Lookups
assert hints["return"] is Lookups
""")


def test_classes_imported_on_demand_are_those_of_their_modules() -> None:
    from lambdacore_async.models.runtimes import Runtime

    assert lambdacore_async.Runtime is Runtime
    assert pickle.loads(pickle.dumps(Runtime)) is Runtime  # noqa: S301 - pickled on this line
