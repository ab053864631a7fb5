"""The package exports every public class of its models and errors."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

import lambdacore_async
from lambdacore_async import errors
from lambdacore_async.models import network_connectors, reason_codes, runtimes, shared


@pytest.mark.parametrize("module", [errors, network_connectors, reason_codes, runtimes, shared])
def test_every_public_class_can_be_imported_from_the_package(module: ModuleType) -> None:
    classes = {
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_"
    }
    assert classes - set(lambdacore_async.__all__) == set()
