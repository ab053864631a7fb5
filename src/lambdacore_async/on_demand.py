"""Imports the names of a module at their first use (PEP 562).

Names that most programs never use therefore do not slow down the import. Type checkers see these
names as imports under `TYPE_CHECKING`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def names_of(
    module: str, places: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a module.

    Args:
        module: the module's name.
        places: the names to import on demand, by the module that defines them.
    """
    homes = {name: home for home, names in places.items() for name in names}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value: object = getattr(import_module(homes[name]), name)
        setattr(sys.modules[module], name, value)  # later uses find it directly
        return value

    def list_all() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return get, list_all
