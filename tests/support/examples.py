"""How many examples hypothesis tries: a share of the number that the profile gives."""

from __future__ import annotations

from hypothesis import settings


def examples(share: float) -> int:
    """Return a share of the profile's number of examples, at least one.

    Tests that are slow or repeated for each operation ask for less than all of them.
    """
    return max(1, round(settings().max_examples * share))
