"""The options `--regions` and `--profiles`: what they accept, and what is told of failures."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lambdacore_async import (
    AccessDeniedException,
    Credentials,
    LambdaCoreError,
    Target,
    TransportError,
    UnrecognizedClientException,
)
from lambdacore_async.cli import app
from lambdacore_async.cli.connection import Connection
from lambdacore_async.cli.targets import Choice, Fleet, chosen, fleet_of, report
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async_command.regions import REGIONS
from support import botocore_judge as judge
from support.commands import run


def fleet(*targets: Target, everywhere: bool = False) -> Fleet:
    return Fleet(targets, everywhere, {})


def refused() -> UnrecognizedClientException:
    return UnrecognizedClientException("invalid token", status_code=403)


def test_the_regions_are_those_that_botocore_knows_for_the_service() -> None:
    assert judge.regions_of_service() == REGIONS


def test_without_either_option_a_command_has_one_account_and_region() -> None:
    assert chosen(Connection("us-east-1", "orders"), None, None) is None


@given(st.lists(st.sampled_from(["us-east-1", "eu-west-1", "zz-new-9"]), min_size=1))
def test_regions_are_distinct_and_keep_their_order(names: list[str]) -> None:
    choice = chosen(Connection(), " , ".join(names) + ",", None)
    assert choice == Choice(tuple(dict.fromkeys(names)), (), Connection())


def test_region_and_profiles_go_together_and_profile_and_regions_too() -> None:
    here, mine = Connection("us-east-1"), Connection(profile="a")
    assert chosen(here, None, "a,b") == Choice(("us-east-1",), ("a", "b"), here)
    assert chosen(mine, "all,us-east-1", None) == Choice(("all",), ("a",), mine)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--regions", "us-east-1", "--region", "us-east-1"], "either --region or --regions"),
        (["--profiles", "a", "--profile", "a"], "either --profile or --profiles"),
        (["--regions", "us-east-1,\x1b_1"], r"'\x1b_1' is not a valid region name"),
        (["--regions", " ,"], "expected names, separated by commas"),
        (["--profiles", ""], "expected names, separated by commas"),
    ],
)
async def test_options_that_cannot_be_used_are_status_2(arguments: list[str], problem: str) -> None:
    for command in (["list"], ["lookup", "-"]):
        result = await run(*command, *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert problem in result.stderr.replace("\\\\", "\\")


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "config"
    file.write_text("[profile china]\nregion = cn-north-1\n[profile none]\noutput = json\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return file


async def test_all_regions_are_those_of_the_profiles_partition(config: Path) -> None:
    async with fleet_of(Choice(("all",), ("china", "none"), Connection())) as opened:
        places = [(target.label, target.region) for target in opened.targets]
    assert places == [
        *(("china", region) for region in REGIONS["aws-cn"]),
        *(("none", region) for region in REGIONS["aws"]),
    ]
    assert opened.everywhere


async def test_profiles_have_regions_of_their_own(config: Path) -> None:
    async with fleet_of(Choice((), ("china",), Connection())) as opened:
        assert opened.targets == [Target("cn-north-1", label="china")]


async def test_a_profile_without_a_region_is_named(config: Path) -> None:
    result = await run("list", "--profiles", "china,none")
    assert result.exit_code == 2
    assert result.stderr == (
        "lambdacore: no region for profile 'none': "
        "pass --regions, or set AWS_REGION or the profile's region\n"
    )


def profile(name: str, service: LocalLambdaCore, keys: Credentials) -> str:
    return (
        f"[profile {name}]\nendpoint_url = {service.endpoint_url}\n"
        f"aws_access_key_id = {keys.access_key_id}\n"
        f"aws_secret_access_key = {keys.secret_access_key}\n"
    )


def test_each_profile_has_its_own_endpoint_and_keys(config: Path) -> None:
    with LocalLambdaCore().in_thread() as first, LocalLambdaCore().in_thread() as second:
        second.state.put_network_connector("seconds")
        wrong = profile("typo", first, Credentials("AKIDEXAMPLE", "made-up"))
        config.write_text(wrong + profile("second", second, second.credentials))
        result = CliRunner().invoke(
            app,
            [
                *("list", "--profiles", "typo,second,absent", "--regions", "us-east-1"),
                *("-o", "csv", "--columns", "Profile,Region,Name"),
            ],
        )
    assert result.stdout == "Profile,Region,Name\nsecond,us-east-1,seconds\n"
    assert result.exit_code == 2
    refusal, absence = result.stderr.splitlines()
    assert refusal.startswith("lambdacore: typo us-east-1: UnrecognizedClientException: ")
    assert absence.startswith("lambdacore: absent us-east-1: profile 'absent' not found in ")


def test_equal_failures_of_targets_are_one_line_without_their_request_ids(
    capsys: pytest.CaptureFixture[str],
) -> None:
    targets = [Target(region) for region in ("us-east-1", "us-east-2", "eu-west-1")]

    def denied(request_id: str) -> LambdaCoreError:
        return AccessDeniedException("no", status_code=403, request_id=request_id)

    failures = [(targets[1], None, denied("2")), (targets[0], None, denied("1"))]
    assert report(fleet(*targets), failures) == 1
    assert report(fleet(*targets), failures[:1]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "lambdacore: us-east-1, us-east-2: AccessDeniedException: no",
        "lambdacore: us-east-2: AccessDeniedException: no (request ID 2)",
    ]


def test_alike_failures_of_a_target_name_three_connectors_and_count_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = Target("us-east-1", label="a")
    down: LambdaCoreError = TransportError("down")
    failures = [
        (target, "x", down),
        (target, "y", down),
        *((target, name, AccessDeniedException(name, status_code=403)) for name in "pqrst"),
    ]
    assert report(fleet(target), failures) == 3
    assert capsys.readouterr().err.splitlines() == [
        "lambdacore: a us-east-1: x, y: TransportError: down",
        "lambdacore: a us-east-1: p, q, r and 2 more: AccessDeniedException",
    ]


@pytest.mark.parametrize(("everywhere", "status"), [(True, 0), (False, 1)])
def test_a_region_that_is_not_enabled_fails_only_if_it_is_named(
    *, everywhere: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there, far = (Target(region) for region in ("us-east-1", "me-south-1", "af-south-1"))
    failures = [(there, None, refused()), (far, None, refused())]
    assert report(fleet(here, there, far, everywhere=everywhere), failures) == status
    assert capsys.readouterr().err == (
        "lambdacore: me-south-1, af-south-1: the region is not enabled, or refuses the "
        "credentials: UnrecognizedClientException\n"
    )


def test_credentials_that_no_region_accepts_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    here, there = Target("us-east-1"), Target("me-south-1")
    failures = [(here, None, refused()), (there, None, refused())]
    assert report(fleet(here, there, everywhere=True), failures) == 2
    (line,) = capsys.readouterr().err.splitlines()
    start = "lambdacore: us-east-1, me-south-1: UnrecognizedClientException: invalid token. Get new"
    assert line.startswith(start)
