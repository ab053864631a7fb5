"""Names of a module that are imported when they are first used, by PEP 562.

What most programs never use need not delay the start of all. The type checkers see these names as
imports under `TYPE_CHECKING`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def names_of(
    module: str, places: Mapping[str, Iterable[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and the `__dir__` of a module.

    Args:
        module: the module's name.
        places: the names that it gives, by the name of the module that has them.
    """
    homes = {name: home for home, names in places.items() for name in names}

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value: object = getattr(import_module(homes[name]), name)
        setattr(sys.modules[module], name, value)  # nobody asks for it again
        return value

    def list_all() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return get, list_all
