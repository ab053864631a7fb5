"""AWS's public test vectors, where a copy lies beside the project.

They are not this project's to ship, so that a clone is without them. Whatever they test is there
also tested against botocore, which a clone installs.
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
        f"AWS's test vectors ({name}) are not this project's to ship, and there is no copy in"
        " ../shared/vectors; the tests beside this one have botocore judge the same"
    )


def load_cases(name: str, key: str) -> list[Case]:
    """The cases of a file of vectors; the test that asks for them is skipped where it is not."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(_why_skipped(name))
    cases: list[Case] = json.loads(path.read_text())[key]
    return cases


def each_case(
    name: str, key: str, identify: Callable[[Case], str], *, where: Callable[[Case], bool] = bool
) -> pytest.MarkDecorator:
    """Run a test once for each case of a file of vectors, or skip it where the file is not.

    Args:
        name: the file.
        key: under which the file keeps its cases.
        identify: the test's id for a case.
        where: which cases to take; all of them unless given.
    """
    if not (_FOLDER / name).exists():
        skip = pytest.mark.skip(reason=_why_skipped(name))
        return pytest.mark.parametrize("case", [pytest.param({}, marks=skip)])
    cases = [case for case in load_cases(name, key) if where(case)]
    return pytest.mark.parametrize("case", cases, ids=identify)
