"""AWS's public test vectors, if there is a copy next to the project's folder.

This project may not distribute them. In a clone without them, tests with botocore as the judge
cover the same behaviour.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

_FOLDER = Path(__file__).parents[2] / ".." / "shared" / "vectors"


def _why_skipped(name: str) -> str:
    return (
        f"no copy of AWS's test vectors ({name}) in ../shared/vectors; other tests cover the same"
        " behaviour with botocore as the judge"
    )


def load_cases(name: str, key: str) -> list[Case]:
    """Return the cases of a file of vectors; skip the test if the file does not exist."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(_why_skipped(name))
    cases: list[Case] = json.loads(path.read_text())[key]
    return cases


def each_case(
    name: str, key: str, identify: Callable[[Case], str], *, where: Callable[[Case], bool] = bool
) -> pytest.MarkDecorator:
    """Run a test once per case of a file of vectors; skip it if the file does not exist.

    Args:
        name: the name of the file.
        key: the key of the cases in the file.
        identify: returns the test's id for a case.
        where: selects cases. Defaults to all.
    """
    if not (_FOLDER / name).exists():
        skip = pytest.mark.skip(reason=_why_skipped(name))
        return pytest.mark.parametrize("case", [pytest.param({}, marks=skip)])
    cases = [case for case in load_cases(name, key) if where(case)]
    return pytest.mark.parametrize("case", cases, ids=identify)
