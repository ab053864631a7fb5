from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from lambdacore_async.errors import (
    InvalidParameterValueException,
    ResourceConflictException,
    ResourceNotFoundException,
    ServiceQuotaExceededException,
)
from lambdacore_async.local import State
from lambdacore_async.models.runtimes import (
    RestoredRuntime,
    Runtime,
    RuntimeAlias,
    RuntimeAliasState,
    RuntimeReleaseLifecycle,
    RuntimeReleaseState,
    RuntimeState,
    RuntimeVersion,
    RuntimeVersionState,
)
from lambdacore_async.models.shared import UnknownValue
from local.clock import Clock

ARN = "arn:aws:lambda:us-east-1:123456789012:runtime/python-corp"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/runtime:1.0"
NOON = "2026-11-24T12:00:00.000Z"
TODAY, TOMORROW = "2026-11-24", "2026-11-25"
GA = RuntimeReleaseLifecycle(RuntimeReleaseState.GA, TOMORROW)


@pytest.fixture
def runtime(state: State) -> Runtime:
    state.create_runtime("python-corp", description="Python", license_info="PSF")
    return state.get_runtime("python-corp")


@pytest.fixture
def version(state: State, clock: Clock, runtime: Runtime) -> RuntimeVersion:
    state.create_runtime_version(runtime.name, IMAGE, "v1", release_notes="First.")
    clock.advance(60)
    return state.get_runtime_version(runtime.name, "v1")


@pytest.fixture
def alias(state: State, clock: Clock, version: RuntimeVersion) -> RuntimeAlias:
    state.create_runtime_alias("python-corp", version.name, "live", description="Use this.")
    clock.advance(60)
    return state.get_runtime_alias("python-corp", "live")


# Runtimes


def test_creating_a_runtime_returns_neither_state_nor_id(state: State) -> None:
    created = state.create_runtime("python-corp", tags={"a": "b"}, release_lifecycle=GA)
    assert created == Runtime(ARN, "python-corp", NOON, NOON, release_lifecycle=GA)
    shown = state.get_runtime("python-corp")
    assert shown.id
    assert shown == evolve(created, id=shown.id, state=RuntimeState.ACTIVE)
    (listed,) = state.list_runtimes()
    assert listed == evolve(shown, id=None)


def test_a_runtime_is_found_by_name_and_arn(state: State, runtime: Runtime) -> None:
    assert state.get_runtime(ARN) == state.get_runtime("python-corp") == runtime


def test_a_runtime_can_be_put_with_active_versions_and_aliases(state: State) -> None:
    put = state.put_runtime("python", versions=["v1", "v2"], aliases={"live": "v2"})
    assert (put.name, put.state) == ("python", RuntimeState.ACTIVE)
    for version in ("v1", "v2"):
        found = state.get_runtime_version("python", version)
        assert found.state == RuntimeVersionState.ACTIVE
    alias = state.get_runtime_alias("python", "live")
    assert (alias.state, alias.runtime_version) == (RuntimeAliasState.ACTIVE, "v2")
    assert state.put_runtime("ruby").name == "ruby"


def test_the_creation_of_a_runtime_can_fail(state: State) -> None:
    state.fail_next("CreateRuntime")
    state.create_runtime("python-corp")
    assert state.get_runtime("python-corp").state == "FAILED"
    with pytest.raises(ResourceConflictException, match="FAILED"):
        state.update_runtime("python-corp")
    with pytest.raises(ResourceConflictException, match="FAILED"):
        state.restore_runtime("python-corp")
    state.delete_runtime("python-corp")
    assert state.restore_runtime("python-corp").state == "FAILED"


@pytest.mark.parametrize("name", ["x", "Python", "-python", "python.", "x" * 129])
def test_an_invalid_runtime_name_is_rejected(state: State, name: str) -> None:
    with pytest.raises(InvalidParameterValueException):
        state.create_runtime(name)
    with pytest.raises(InvalidParameterValueException):
        state.get_runtime(name)


@pytest.mark.parametrize("identifier", ["other", ARN + "x", ARN.replace("us-east-1", "eu-west-1")])
def test_an_unknown_runtime_is_not_found(state: State, runtime: Runtime, identifier: str) -> None:
    with pytest.raises(ResourceNotFoundException) as error:
        state.get_runtime(identifier)
    assert error.value.status_code == 404


@pytest.mark.parametrize("member", ["description", "license_info"])
def test_texts_have_at_most_1024_characters(state: State, runtime: Runtime, member: str) -> None:
    state.update_runtime("python-corp", **{member: "x" * 1024})  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterValueException):
        state.update_runtime("python-corp", **{member: "x" * 1025})  # type: ignore[arg-type]


def test_a_name_in_use_is_a_conflict_even_pending_deletion(state: State, runtime: Runtime) -> None:
    state.delete_runtime("python-corp")
    with pytest.raises(ResourceConflictException):
        state.create_runtime("python-corp")


def test_the_account_has_a_quota_of_runtimes(state: State) -> None:
    state.create_runtime("r1")
    state.create_runtime("r2")
    with pytest.raises(ServiceQuotaExceededException) as error:
        state.create_runtime("r3")
    assert error.value.status_code == 402


def test_an_update_keeps_omitted_members_but_removes_the_lifecycle(
    state: State, clock: Clock, runtime: Runtime
) -> None:
    clock.advance(1)
    updated = state.update_runtime("python-corp", release_lifecycle=GA, license_info="MIT")
    assert updated == Runtime(
        ARN,
        "python-corp",
        NOON,
        "2026-11-24T12:00:01.000Z",
        description="Python",
        license_info="MIT",
        release_lifecycle=GA,
    )
    assert state.update_runtime("python-corp", description="").release_lifecycle is None
    state.update_runtime("python-corp", release_lifecycle=GA)
    state.update_runtime("python-corp", release_lifecycle=RuntimeReleaseLifecycle())
    shown = state.get_runtime("python-corp")
    assert (shown.description, shown.release_lifecycle) == ("", None)


@pytest.mark.parametrize(
    ("state_name", "date", "valid"),
    [
        (None, None, True),
        (None, TODAY, True),
        (None, TOMORROW, True),
        ("DEPRECATED", None, False),
        ("DEPRECATED", TODAY, True),
        ("DEPRECATED", TOMORROW, False),
        ("GA", None, True),
        ("GA", TODAY, False),
        ("GA", TOMORROW, True),
        ("PREVIEW", None, True),
        ("PREVIEW", "2026-11-23", False),
        ("PREVIEW", TOMORROW, True),
    ],
)
def test_a_release_state_and_its_deprecation_date_agree(
    state: State, state_name: str | None, date: str | None, *, valid: bool
) -> None:
    release_state = None if state_name is None else RuntimeReleaseState(state_name)
    lifecycle = RuntimeReleaseLifecycle(release_state, date, function_create_block_date=TODAY)
    if valid:
        state.create_runtime("python-corp", release_lifecycle=lifecycle)
    else:
        with pytest.raises(InvalidParameterValueException, match="DeprecationDate"):
            state.create_runtime("python-corp", release_lifecycle=lifecycle)


@pytest.mark.parametrize("date", ["", "tomorrow", "2026-11-31", "20261124", "2026-W48-2"])
@pytest.mark.parametrize(
    "member", ["deprecation_date", "function_create_block_date", "function_update_block_date"]
)
def test_lifecycle_dates_are_real_dates(state: State, member: str, date: str) -> None:
    dates: dict[str, Any] = {member: date}
    lifecycle = RuntimeReleaseLifecycle(**dates)
    with pytest.raises(InvalidParameterValueException, match="yyyy-mm-dd"):
        state.create_runtime("python-corp", release_lifecycle=lifecycle)


def test_an_unknown_release_state_is_rejected(state: State) -> None:
    lifecycle = RuntimeReleaseLifecycle(UnknownValue("RIPE"))
    with pytest.raises(InvalidParameterValueException, match="ReleaseState"):
        state.create_runtime("python-corp", release_lifecycle=lifecycle)


def test_reads_report_deprecated_once_the_date_is_reached(
    state: State, clock: Clock, runtime: Runtime
) -> None:
    state.update_runtime("python-corp", release_lifecycle=GA)
    clock.advance(12 * 3600 - 1)
    assert state.get_runtime("python-corp").release_lifecycle == GA
    clock.advance(1)
    deprecated = evolve(GA, release_state=RuntimeReleaseState.DEPRECATED)
    assert state.get_runtime("python-corp").release_lifecycle == deprecated
    (listed,) = state.list_runtimes()
    assert listed.release_lifecycle == deprecated


@pytest.mark.parametrize(("window", "days"), [(None, 30), (7, 7), (30, 30)])
def test_a_deleted_runtime_is_pending_then_deleting_then_not_found(
    state: State, clock: Clock, runtime: Runtime, window: int | None, days: int
) -> None:
    state.delete_runtime("python-corp", recovery_window_in_days=window)
    pending = state.get_runtime("python-corp")
    assert pending.state == "PENDING_DELETION"
    assert (
        pending.pending_deletion_at
        == {
            7: "2026-12-01T12:00:00.000Z",
            30: "2026-12-24T12:00:00.000Z",
        }[days]
    )
    clock.advance(days=days)
    deleting = state.get_runtime("python-corp")
    assert (deleting.state, deleting.pending_deletion_at) == ("DELETING", None)
    with pytest.raises(ResourceConflictException, match="DELETING"):
        state.restore_runtime("python-corp")
    clock.advance(20)
    for call in (state.get_runtime, state.restore_runtime, state.delete_runtime):
        with pytest.raises(ResourceNotFoundException):
            call("python-corp")
    assert not state.list_runtimes().items


@pytest.mark.parametrize("window", [-1, 0, 6, 31])
def test_a_recovery_window_is_7_to_30_days(state: State, runtime: Runtime, window: int) -> None:
    with pytest.raises(InvalidParameterValueException, match="RecoveryWindowInDays"):
        state.delete_runtime("python-corp", recovery_window_in_days=window)


def test_deleting_again_keeps_the_first_date(state: State, clock: Clock, runtime: Runtime) -> None:
    state.delete_runtime("python-corp", recovery_window_in_days=7)
    first = state.get_runtime("python-corp")
    clock.advance(days=1)
    state.delete_runtime("python-corp", recovery_window_in_days=30)
    assert state.get_runtime("python-corp") == first


def test_the_name_of_a_deleted_runtime_can_be_reused(
    state: State, clock: Clock, alias: RuntimeAlias, runtime: Runtime
) -> None:
    state.create_runtime("other")
    state.delete_runtime_alias("python-corp", "live")
    state.delete_runtime_version("python-corp", "v1")
    state.delete_runtime("python-corp", recovery_window_in_days=7)
    clock.advance(20, days=7)
    state.create_runtime("python-corp")
    assert [r.name for r in state.list_runtimes()] == ["other", "python-corp"]
    assert not state.list_runtime_versions("python-corp").items
    assert state.get_runtime("python-corp").id != runtime.id


def test_a_runtime_pending_deletion_cannot_be_changed(
    state: State, version: RuntimeVersion
) -> None:
    state.delete_runtime_version("python-corp", "v1")
    state.delete_runtime("python-corp")
    for change in (
        lambda: state.update_runtime("python-corp"),
        lambda: state.create_runtime_version("python-corp", IMAGE, "v2"),
        lambda: state.create_runtime_alias("python-corp", "v1", "live"),
        lambda: state.restore_runtime("python-corp", runtime_version="v1"),
        lambda: state.restore_runtime("python-corp", runtime_alias="live"),
    ):
        with pytest.raises(ResourceConflictException, match="PENDING_DELETION"):
            change()


def test_a_runtime_is_deleted_after_its_versions_and_aliases(
    state: State, alias: RuntimeAlias
) -> None:
    with pytest.raises(ResourceConflictException, match="version/v1"):
        state.delete_runtime("python-corp")
    state.delete_runtime_version("python-corp", "v1")
    with pytest.raises(ResourceConflictException, match="alias/live"):
        state.delete_runtime("python-corp")
    state.delete_runtime_alias("python-corp", "live")
    state.delete_runtime("python-corp")
    assert state.get_runtime("python-corp").state == "PENDING_DELETION"


def test_a_restored_runtime_is_active(state: State, clock: Clock, runtime: Runtime) -> None:
    state.delete_runtime("python-corp")
    clock.advance(1)
    restored = state.restore_runtime(ARN)
    assert restored == RestoredRuntime(
        "python-corp", ARN, RuntimeState.ACTIVE, "2026-11-24T12:00:01.000Z"
    )
    assert state.get_runtime("python-corp") == evolve(runtime, last_modified=restored.last_modified)


def test_restoring_an_active_resource_does_nothing(
    state: State, clock: Clock, alias: RuntimeAlias
) -> None:
    clock.advance(1)
    assert state.restore_runtime("python-corp").last_modified == NOON
    restored = state.restore_runtime("python-corp", runtime_alias="live")
    assert restored == RestoredRuntime(
        "python-corp", alias.arn, RuntimeState.ACTIVE, alias.last_modified, runtime_alias="live"
    )


def test_a_restored_version_is_active(state: State, version: RuntimeVersion) -> None:
    state.delete_runtime_version("python-corp", "v1")
    restored = state.restore_runtime("python-corp", runtime_version="v1")
    assert (restored.runtime_version, restored.arn) == ("v1", version.arn)
    assert state.get_runtime_version("python-corp", "v1").state == "ACTIVE"


def test_a_restore_accepts_a_version_or_an_alias_but_not_both(
    state: State, alias: RuntimeAlias
) -> None:
    with pytest.raises(InvalidParameterValueException):
        state.restore_runtime("python-corp", runtime_version="v1", runtime_alias="live")


# Versions


def test_creating_a_version_returns_its_image_by_digest(state: State, runtime: Runtime) -> None:
    created = state.create_runtime_version("python-corp", IMAGE, "v1", release_notes="First.")
    assert created.arn == f"{ARN}/version/v1"
    assert (created.state, created.release_notes) == ("CREATING", "First.")
    repository, _, digest = created.resolved_uri.partition("@")
    assert repository == IMAGE.removesuffix(":1.0")
    assert digest.startswith("sha256:")
    assert [(p.architecture, p.os) for p in created.platforms or ()] == [
        ("x86_64", "linux"),
        ("arm64", "linux"),
    ]
    assert created.compatibility is not None
    assert created.compatibility.architectures == ("x86_64", "arm64")
    assert state.get_runtime_version("python-corp", "v1") == created
    (listed,) = state.list_runtime_versions("python-corp")
    assert listed == evolve(created, platforms=None)


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("repo@sha256:" + "a" * 64, "repo@sha256:" + "a" * 64),
        ("localhost:5000/repo:tag@sha256:" + "b" * 64, "localhost:5000/repo@sha256:" + "b" * 64),
    ],
)
def test_the_digest_of_an_image_is_kept(
    state: State, runtime: Runtime, uri: str, resolved: str
) -> None:
    assert state.create_runtime_version("python-corp", uri, "v1").resolved_uri == resolved


def test_a_version_becomes_active_after_the_provisioning_seconds(
    state: State, clock: Clock, runtime: Runtime
) -> None:
    state.create_runtime_version("python-corp", IMAGE, "v1")
    clock.advance(59)
    for change in (
        lambda: state.update_runtime_version("python-corp", "v1", "Notes."),
        lambda: state.delete_runtime_version("python-corp", "v1"),
        lambda: state.restore_runtime("python-corp", runtime_version="v1"),
        lambda: state.create_runtime_alias("python-corp", "v1", "live"),
    ):
        with pytest.raises(ResourceConflictException, match="CREATING"):
            change()
    clock.advance(1)
    assert state.get_runtime_version("python-corp", "v1").state == "ACTIVE"


def test_a_version_can_fail(state: State, clock: Clock, runtime: Runtime) -> None:
    state.fail_next("CreateRuntimeVersion", name="v1")
    assert state.create_runtime_version("python-corp", IMAGE, "v1").state == "CREATING"
    clock.advance(60)
    assert state.get_runtime_version("python-corp", "v1").state == RuntimeVersionState.FAILED


def test_a_dry_run_checks_everything_and_creates_nothing(
    state: State, version: RuntimeVersion
) -> None:
    state.fail_next("CreateRuntimeVersion")
    response = state.create_runtime_version("python-corp", IMAGE, "v2", dry_run=True)
    assert (response.name, response.state) == ("v2", "CREATING")
    with pytest.raises(ResourceNotFoundException):
        state.get_runtime_version("python-corp", "v2")
    with pytest.raises(ResourceConflictException):
        state.create_runtime_version("python-corp", IMAGE, "v1", dry_run=True)


@pytest.mark.parametrize("uri", ["", "a b", "repo@sha256:abc", "repo:", "a:b:c"])
def test_an_invalid_image_uri_is_rejected(state: State, runtime: Runtime, uri: str) -> None:
    with pytest.raises(InvalidParameterValueException, match="ImageUri"):
        state.create_runtime_version("python-corp", uri, "v1")


@pytest.mark.parametrize("name", ["", "-v1", "v1.", "v 1", "v" * 129])
def test_an_invalid_version_or_alias_name_is_rejected(
    state: State, version: RuntimeVersion, name: str
) -> None:
    with pytest.raises(InvalidParameterValueException, match="Name"):
        state.create_runtime_version("python-corp", IMAGE, name)
    with pytest.raises(InvalidParameterValueException, match="Name"):
        state.create_runtime_alias("python-corp", "v1", name)


def test_a_runtime_has_a_quota_of_versions(state: State, version: RuntimeVersion) -> None:
    state.create_runtime_version("python-corp", IMAGE, "v2")
    with pytest.raises(ServiceQuotaExceededException):
        state.create_runtime_version("python-corp", IMAGE, "v3")


def test_release_notes_of_an_active_version_can_be_updated(
    state: State, clock: Clock, version: RuntimeVersion
) -> None:
    updated = state.update_runtime_version(ARN, "v1", "")
    assert updated == evolve(version, release_notes="", last_modified="2026-11-24T12:01:00.000Z")


def test_a_version_can_be_deleted_while_an_alias_points_to_it(
    state: State, clock: Clock, alias: RuntimeAlias
) -> None:
    state.delete_runtime_version("python-corp", "v1", recovery_window_in_days=7)
    pending = state.get_runtime_version("python-corp", "v1")
    assert pending.pending_deletion_at == "2026-12-01T12:02:00.000Z"
    (listed,) = state.list_runtime_versions("python-corp")
    assert listed.state == "PENDING_DELETION"
    clock.advance(days=7)
    assert state.get_runtime_version("python-corp", "v1").state == "DELETING"
    clock.advance(20)
    with pytest.raises(ResourceNotFoundException):
        state.get_runtime_version("python-corp", "v1")
    assert state.get_runtime_alias("python-corp", "live") == alias


# Aliases


def test_creating_an_alias_returns_no_compatibility(state: State, version: RuntimeVersion) -> None:
    created = state.create_runtime_alias("python-corp", "v1", "live", description="Use this.")
    assert created == RuntimeAlias(
        f"{ARN}/alias/live",
        "live",
        "v1",
        version.arn,
        RuntimeAliasState.CREATING,
        "2026-11-24T12:01:00.000Z",
        "2026-11-24T12:01:00.000Z",
        description="Use this.",
    )
    shown = state.get_runtime_alias("python-corp", "live")
    assert shown == evolve(created, compatibility=version.compatibility)
    assert state.list_runtime_aliases("python-corp").items == (shown,)


def test_an_alias_inherits_the_lifecycle_unless_it_has_its_own(
    state: State, alias: RuntimeAlias
) -> None:
    state.update_runtime("python-corp", release_lifecycle=GA)
    assert state.get_runtime_alias("python-corp", "live").release_lifecycle == GA
    own = RuntimeReleaseLifecycle(RuntimeReleaseState.PREVIEW)
    state.create_runtime_alias("python-corp", "v1", "next", release_lifecycle=own)
    assert state.get_runtime_alias("python-corp", "next").release_lifecycle == own


def test_an_updated_alias_is_updating_then_active(
    state: State, clock: Clock, alias: RuntimeAlias
) -> None:
    state.create_runtime_version("python-corp", IMAGE, "v2")
    with pytest.raises(ResourceConflictException, match="CREATING"):
        state.update_runtime_alias("python-corp", "live", "v2")
    clock.advance(60)
    updated = state.update_runtime_alias("python-corp", "live", "v2", release_lifecycle=GA)
    assert (updated.runtime_name, updated.runtime_version) == ("python-corp", "v2")
    assert updated.runtime_version_arn == f"{ARN}/version/v2"
    assert (updated.state, updated.description) == ("UPDATING", "Use this.")
    with pytest.raises(ResourceConflictException, match="UPDATING"):
        state.update_runtime_alias("python-corp", "live", "v1")
    with pytest.raises(ResourceConflictException, match="UPDATING"):
        state.delete_runtime_alias("python-corp", "live")
    clock.advance(30)
    assert state.get_runtime_alias("python-corp", "live").state == "ACTIVE"
    updated = state.update_runtime_alias("python-corp", "live", "v1", description="Not this.")
    assert (updated.description, updated.release_lifecycle) == ("Not this.", None)


def test_an_alias_points_to_a_version_that_exists(state: State, alias: RuntimeAlias) -> None:
    with pytest.raises(ResourceNotFoundException):
        state.create_runtime_alias("python-corp", "v9", "other")
    with pytest.raises(ResourceNotFoundException):
        state.update_runtime_alias("python-corp", "live", "v9")


@pytest.mark.parametrize("description", ["line\nbreak", "\u200b", "x" * 1025])
def test_an_alias_description_has_no_control_characters(
    state: State, alias: RuntimeAlias, description: str
) -> None:
    with pytest.raises(InvalidParameterValueException, match="Description"):
        state.update_runtime_alias("python-corp", "live", "v1", description=description)


def test_a_runtime_has_a_quota_of_aliases(state: State, alias: RuntimeAlias) -> None:
    state.create_runtime_alias("python-corp", "v1", "next")
    with pytest.raises(ServiceQuotaExceededException):
        state.create_runtime_alias("python-corp", "v1", "last")


def test_a_deleted_alias_is_pending_then_deleting_then_not_found(
    state: State, clock: Clock, alias: RuntimeAlias
) -> None:
    state.delete_runtime_alias("python-corp", "live")
    pending = state.get_runtime_alias("python-corp", "live")
    assert pending.state == "PENDING_DELETION"
    assert pending.pending_deletion_at == "2026-12-24T12:02:00.000Z"
    clock.advance(days=30)
    assert state.get_runtime_alias("python-corp", "live").state == "DELETING"
    clock.advance(20)
    with pytest.raises(ResourceNotFoundException):
        state.get_runtime_alias("python-corp", "live")
    state.create_runtime_alias("python-corp", "v1", "live")


def test_the_runtime_listings_are_paginated(state: State, version: RuntimeVersion) -> None:
    state.create_runtime("other")
    state.create_runtime_version("python-corp", IMAGE, "v2")
    for name in ("live", "next"):
        state.create_runtime_alias("python-corp", "v1", name)
    first, second = (
        state.list_runtimes(max_results=1),
        state.list_runtime_versions("python-corp", max_results=1),
    )
    third = state.list_runtime_aliases("python-corp", max_results=1)
    assert [r.name for r in state.list_runtimes(next_token=first.next_token)] == ["other"]
    following = state.list_runtime_versions("python-corp", next_token=second.next_token)
    assert [v.name for v in following] == ["v2"]
    aliases = state.list_runtime_aliases("python-corp", next_token=third.next_token)
    assert [a.name for a in aliases] == ["next"]
    with pytest.raises(InvalidParameterValueException, match="NextToken"):
        state.list_runtimes(next_token=second.next_token)
    with pytest.raises(InvalidParameterValueException, match="MaxResults"):
        state.list_runtimes(max_results=101)
