"""AWS's public test vectors, if there is a copy next to the project's folder.

This project does not distribute them. Without them, the tests that read them are skipped, and say
where the vectors come from and which test proves the same from botocore's own code and data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

Case = dict[str, Any]

_FOLDER = Path(__file__).parents[2] / ".." / "shared" / "vectors"


class Source(NamedTuple):
    """The origin of a file of vectors, and the tests that prove the same without it."""

    origin: str
    tests: tuple[str, ...]


SOURCES: Final = {
    "sigv4.json": Source(
        "tests/aws-signing-test-suite/v4 of awslabs/aws-c-auth and"
        " tests/unit/auth/aws4_testsuite of boto/botocore, as JSON",
        (
            "tests/protocol/test_sigv4.py::test_each_stage_of_signing_matches_botocore",
            "tests/protocol/test_sigv4.py::test_any_request_is_signed_as_botocore_signs_it",
            "tests/protocol/test_sigv4.py::test_any_encoded_target_is_signed_as_botocore_signs_it",
        ),
    ),
    "endpoint-tests-1.json": Source(
        "the endpoint tests of lambda-core in boto/botocore",
        (
            "tests/protocol/test_endpoints.py::test_options_are_combined_as_in_botocore",
            "tests/protocol/test_endpoints.py::test_every_region_has_the_endpoint_that_botocore_finds",
        ),
    ),
    "retry-standard.json": Source(
        "the tables of the AWS SDKs' retry behavior 2.1, in the tests of smithy-kotlin and"
        " aws-sdk-go-v2, as JSON",
        ("tests/engine/test_retry.py::test_attempts_delays_and_quota_are_those_of_botocore",),
    ),
    "retry-adaptive.json": Source(
        "packages/util-retry/src/DefaultRateLimiter.spec.ts of smithy-typescript, as JSON",
        ("tests/engine/test_rate_limit.py::test_the_adaptive_rate_is_that_of_botocore",),
    ),
}


def why_skipped(name: str) -> str:
    """Return where a file of vectors comes from, and which tests need none."""
    source = SOURCES[name]
    return (
        f"no ../shared/vectors/{name}, which holds {source.origin}; proved from botocore by"
        f" {', '.join(source.tests)}"
    )


def load_cases(name: str, key: str) -> list[Case]:
    """Return the cases of a file of vectors; skip the test if the file does not exist."""
    path = _FOLDER / name
    if not path.exists():
        pytest.skip(why_skipped(name))
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
        skip = pytest.mark.skip(reason=why_skipped(name))
        return pytest.mark.parametrize("case", [pytest.param({}, marks=skip)])
    cases = [case for case in load_cases(name, key) if where(case)]
    return pytest.mark.parametrize("case", cases, ids=identify)
