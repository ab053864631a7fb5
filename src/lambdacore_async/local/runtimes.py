"""Customer-managed runtimes of the embedded service, their versions and aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, Generic, TypeVar

from attrs import define, evolve, field, frozen

from lambdacore_async.local.account import Account, Transition, constant, paginate
from lambdacore_async.local.constraints import CONSTRAINTS, LIFECYCLE, check_members
from lambdacore_async.local.errors import conflict, invalid, not_found, quota_exceeded
from lambdacore_async.models.runtimes import (
    Compatibility,
    CompatibilityPolicy,
    IntegrationModel,
    Platform,
    RestoredRuntime,
    Runtime,
    RuntimeAlias,
    RuntimeAliasState,
    RuntimeArchitecture,
    RuntimeReleaseLifecycle,
    RuntimeReleaseState,
    RuntimeState,
    RuntimeVersion,
    RuntimeVersionState,
)
from lambdacore_async.models.shared import Page

#: Recovery window of deletions that do not specify one, as in AWS KMS.
DEFAULT_RECOVERY_WINDOW_IN_DAYS: Final = 30

_CREATION: Final = CONSTRAINTS["CreateRuntime"]
_ALIAS: Final = CONSTRAINTS["CreateRuntimeAlias"]
_RUNTIME_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9_.-]{0,126})?[a-z0-9]")
_RUNTIME_ARN: Final = re.compile(
    r"arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:[0-9]{12}:runtime/" + _RUNTIME_NAME.pattern
)
_IMAGE: Final = re.compile(
    r"(?P<repository>[^\s:@]+(:[0-9]+/[^\s:@]+)?)(:[\w.-]{1,128})?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_COMPATIBILITY: Final = Compatibility(
    integration_models=(IntegrationModel.RUNTIME_API,),
    architectures=(RuntimeArchitecture.X86_64, RuntimeArchitecture.ARM64),
    managed_instances=CompatibilityPolicy.SUPPORTED,
)

StateEnum = TypeVar("StateEnum", bound=StrEnum)


@frozen
class _Deletion:
    """A scheduled deletion: it can be cancelled until it begins, and is complete when it ends."""

    begins: datetime
    ends: datetime


@define(kw_only=True)
class _Record(Generic[StateEnum]):
    """The common attributes of runtimes, versions and aliases; deleted ones stay in memory."""

    sequence: int
    name: str
    arn: str
    lifecycle: Transition[StateEnum]
    created: datetime
    modified: datetime
    deletion: _Deletion | None = None

    def state(self, now: datetime) -> StateEnum | None:
        """Return the state, or `None` once the resource is deleted."""
        state = self.lifecycle.value(now)
        if self.deletion is None:
            return state
        if now >= self.deletion.ends:
            return None
        return type(state)("DELETING" if now >= self.deletion.begins else "PENDING_DELETION")

    def pending_deletion_at(self, now: datetime) -> str | None:
        if self.deletion is None or now >= self.deletion.begins:
            return None
        return _timestamp(self.deletion.begins)


@define(kw_only=True)
class _Version(_Record[RuntimeVersionState]):
    resolved_uri: str
    platforms: tuple[Platform, ...]
    release_notes: str | None


@define(kw_only=True)
class _Alias(_Record[RuntimeAliasState]):
    version: str
    description: str | None
    release_lifecycle: RuntimeReleaseLifecycle | None


@define(kw_only=True)
class _Runtime(_Record[RuntimeState]):
    id: str
    description: str | None
    license_info: str | None
    release_lifecycle: RuntimeReleaseLifecycle | None
    versions: dict[str, _Version] = field(factory=dict[str, _Version])
    aliases: dict[str, _Alias] = field(factory=dict[str, _Alias])


Resource = TypeVar("Resource", _Runtime, _Version, _Alias)


class Runtimes:
    """The customer-managed runtimes of an account, with the API's operations on them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        #: Runtimes by name, in the order of creation.
        self._runtimes: dict[str, _Runtime] = {}
        self._records = 0

    def put_runtime(
        self,
        name: str,
        *,
        versions: Iterable[str] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> Runtime:
        """Create a runtime, with versions and aliases that are ACTIVE at once.

        Args:
            name: the runtime's name.
            versions: the names of its versions.
            aliases: the names of its aliases, each with the name of its version.

        Raises:
            ApiError: if the service would refuse a creation.
        """
        self.create_runtime(name)
        runtime = self._runtimes[name]
        repository = f"{self._account.account_id}.dkr.ecr.{self._account.region}.amazonaws.com"
        for version in versions:
            self.create_runtime_version(name, f"{repository}/{name}:{version}", version)
            runtime.versions[version].lifecycle = constant(RuntimeVersionState.ACTIVE)
        for alias, version in (aliases or {}).items():
            self.create_runtime_alias(name, version, alias)
            runtime.aliases[alias].lifecycle = constant(RuntimeAliasState.ACTIVE)
        return self.get_runtime(name)

    # Runtimes

    def create_runtime(
        self,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,  # noqa: ARG002 - no operation returns them
        description: str | None = None,
        license_info: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> Runtime:
        """CreateRuntime: the runtime is ACTIVE at once."""
        now = self._account.clock()
        texts = {"Name": name, "Description": description, "LicenseInfo": license_info}
        check_members(_CREATION, texts)
        lifecycle = _check_lifecycle(release_lifecycle, now)
        self._check_new(self._runtimes, name, now, "runtime", self._account.limits.runtimes)
        failed = self._account.take_failure("CreateRuntime", name) is not None
        state = RuntimeState.FAILED if failed else RuntimeState.ACTIVE
        sequence = self._next_sequence()
        runtime = _Runtime(
            sequence=sequence,
            name=name,
            arn=self._account.arn(f"runtime/{name}"),
            lifecycle=constant(state),
            created=now,
            modified=now,
            id=f"rt-{sha256(f'{name} {sequence}'.encode()).hexdigest()[:17]}",
            description=description,
            license_info=license_info,
            release_lifecycle=lifecycle,
        )
        _add(self._runtimes, runtime)
        return _without_state(_to_runtime(runtime, now))

    def get_runtime(self, runtime_name: str) -> Runtime:
        """GetRuntime: a runtime by its name or ARN."""
        now = self._account.clock()
        return _to_runtime(self._find_runtime(runtime_name, now), now)

    def update_runtime(
        self,
        runtime_name: str,
        *,
        description: str | None = None,
        license_info: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> Runtime:
        """UpdateRuntime: omitted members stay unchanged; an omitted lifecycle is removed."""
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        check_members(_CREATION, {"Description": description, "LicenseInfo": license_info})
        lifecycle = _check_lifecycle(release_lifecycle, now)
        _check_active(runtime, now)
        runtime.release_lifecycle = lifecycle
        runtime.modified = now
        if description is not None:
            runtime.description = description
        if license_info is not None:
            runtime.license_info = license_info
        return _without_state(_to_runtime(runtime, now))

    def delete_runtime(
        self, runtime_name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """DeleteRuntime: schedules the deletion.

        First delete the runtime's versions and aliases, or schedule them for deletion.
        """
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        for children in (runtime.versions, runtime.aliases):
            for child in children.values():
                if child.deletion is None:
                    raise conflict(
                        f"{child.arn} must be deleted or scheduled for deletion before its runtime"
                    )
        self._schedule_deletion(runtime, recovery_window_in_days, now)

    def restore_runtime(
        self,
        runtime_name: str,
        *,
        runtime_version: str | None = None,
        runtime_alias: str | None = None,
    ) -> RestoredRuntime:
        """RestoreRuntime: cancels the deletion of a runtime, or of one version or alias of it.

        A version or alias can only be restored while its runtime is ACTIVE.
        """
        now = self._account.clock()
        if runtime_version is not None and runtime_alias is not None:
            raise invalid("RuntimeVersion", "must not be combined with RuntimeAlias")
        runtime = self._find_runtime(runtime_name, now)
        record: _Runtime | _Version | _Alias = runtime
        if runtime_version is not None:
            _check_active(runtime, now)
            record = _get(runtime.versions, runtime_version, "Runtime version", now)
        if runtime_alias is not None:
            _check_active(runtime, now)
            record = _get(runtime.aliases, runtime_alias, "Runtime alias", now)
        if record.state(now) == "PENDING_DELETION":
            record.deletion = None
            record.modified = now
        elif record.state(now) != "ACTIVE":
            raise conflict(f"{record.arn} is {record.state(now)}, not PENDING_DELETION")
        return RestoredRuntime(
            runtime.name,
            record.arn,
            RuntimeState(str(record.state(now))),
            _timestamp(record.modified),
            runtime_version,
            runtime_alias,
        )

    def list_runtimes(
        self, *, next_token: str | None = None, max_results: int | None = None
    ) -> Page[Runtime]:
        """ListRuntimes: the account's runtimes, in the order of creation."""
        now = self._account.clock()
        return paginate(
            _existing(self._runtimes, now),
            lambda runtime: evolve(_to_runtime(runtime, now), id=None),
            listing="runtimes",
            token=("NextToken", next_token),
            size=("MaxResults", max_results),
        )

    # Versions

    def create_runtime_version(
        self,
        runtime_name: str,
        image_uri: str,
        name: str,
        *,
        release_notes: str | None = None,
        dry_run: bool = False,
    ) -> RuntimeVersion:
        """CreateRuntimeVersion: the version is CREATING, then ACTIVE or FAILED.

        A dry run checks the parameters and creates nothing.
        """
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        check_members(_ALIAS, {"Name": name})
        image = _IMAGE.fullmatch(image_uri)
        if image is None:
            raise invalid("ImageUri", f"{image_uri[:200]!r} is not the URI of a container image")
        _check_active(runtime, now)
        limit = self._account.limits.runtime_versions
        self._check_new(runtime.versions, name, now, "runtime version", limit)
        digest = image["digest"] or _digest(image_uri)
        version = _Version(
            sequence=self._next_sequence(),
            name=name,
            arn=f"{runtime.arn}/version/{name}",
            lifecycle=Transition(
                RuntimeVersionState.CREATING,
                RuntimeVersionState.ACTIVE,
                self._account.provisioned_at(name),
            ),
            created=now,
            modified=now,
            resolved_uri=f"{image['repository']}@{digest}",
            platforms=tuple(
                Platform(architecture, "linux", _digest(f"{digest} {architecture}"))
                for architecture in RuntimeArchitecture
            ),
            release_notes=release_notes,
        )
        if not dry_run:
            failure = self._account.take_failure("CreateRuntimeVersion", name)
            if failure is not None:
                version.lifecycle = evolve(
                    version.lifecycle,
                    after=RuntimeVersionState.FAILED,
                    at=self._account.provisioned_at(name, failure),
                )
            _add(runtime.versions, version)
        return evolve(_to_version(version, now), state=RuntimeVersionState.CREATING)

    def get_runtime_version(self, runtime_name: str, name: str) -> RuntimeVersion:
        """GetRuntimeVersion: a version of a runtime."""
        now = self._account.clock()
        version = self._find_version(runtime_name, name, now)
        return _to_version(version, now)

    def update_runtime_version(
        self, runtime_name: str, name: str, release_notes: str
    ) -> RuntimeVersion:
        """UpdateRuntimeVersion: changes the release notes of an ACTIVE version."""
        now = self._account.clock()
        version = self._find_version(runtime_name, name, now)
        _check_active(version, now)
        version.release_notes = release_notes
        version.modified = now
        return _to_version(version, now)

    def delete_runtime_version(
        self, runtime_name: str, name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """DeleteRuntimeVersion: schedules the deletion, even if an alias points to the version."""
        now = self._account.clock()
        version = self._find_version(runtime_name, name, now)
        self._schedule_deletion(version, recovery_window_in_days, now)

    def list_runtime_versions(
        self, runtime_name: str, *, next_token: str | None = None, max_results: int | None = None
    ) -> Page[RuntimeVersion]:
        """ListRuntimeVersions: a runtime's versions, in the order of creation."""
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        return paginate(
            _existing(runtime.versions, now),
            lambda version: evolve(_to_version(version, now), platforms=None),
            listing=f"versions of {runtime.id}",
            token=("NextToken", next_token),
            size=("MaxResults", max_results),
        )

    # Aliases

    def create_runtime_alias(
        self,
        runtime_name: str,
        runtime_version: str,
        name: str,
        *,
        description: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> RuntimeAlias:
        """CreateRuntimeAlias: the alias of an ACTIVE version is CREATING, then ACTIVE."""
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        check_members(_ALIAS, {"Name": name, "Description": description})
        lifecycle = _check_lifecycle(release_lifecycle, now)
        _check_active(runtime, now)
        version = _get(runtime.versions, runtime_version, "Runtime version", now)
        _check_active(version, now)
        limit = self._account.limits.runtime_aliases
        self._check_new(runtime.aliases, name, now, "runtime alias", limit)
        alias = _Alias(
            sequence=self._next_sequence(),
            name=name,
            arn=f"{runtime.arn}/alias/{name}",
            lifecycle=Transition(
                RuntimeAliasState.CREATING,
                RuntimeAliasState.ACTIVE,
                self._account.provisioned_at(name),
            ),
            created=now,
            modified=now,
            version=runtime_version,
            description=description,
            release_lifecycle=lifecycle,
        )
        _add(runtime.aliases, alias)
        response = _to_alias(runtime, alias, now)
        return evolve(response, state=RuntimeAliasState.CREATING, compatibility=None)

    def get_runtime_alias(self, runtime_name: str, name: str) -> RuntimeAlias:
        """GetRuntimeAlias: an alias of a runtime."""
        now = self._account.clock()
        runtime, alias = self._find_alias(runtime_name, name, now)
        return _to_alias(runtime, alias, now)

    def update_runtime_alias(
        self,
        runtime_name: str,
        name: str,
        runtime_version: str,
        *,
        description: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> RuntimeAlias:
        """UpdateRuntimeAlias: the alias is UPDATING, then ACTIVE again."""
        now = self._account.clock()
        runtime, alias = self._find_alias(runtime_name, name, now)
        check_members(_ALIAS, {"Description": description})
        lifecycle = _check_lifecycle(release_lifecycle, now)
        _check_active(alias, now)
        _check_active(_get(runtime.versions, runtime_version, "Runtime version", now), now)
        alias.version = runtime_version
        alias.release_lifecycle = lifecycle
        alias.modified = now
        if description is not None:
            alias.description = description
        alias.lifecycle = Transition(
            RuntimeAliasState.UPDATING, RuntimeAliasState.ACTIVE, self._account.updated_at(name)
        )
        response = _to_alias(runtime, alias, now)
        return evolve(response, state=RuntimeAliasState.UPDATING, runtime_name=runtime.name)

    def delete_runtime_alias(
        self, runtime_name: str, name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """DeleteRuntimeAlias: schedules the deletion."""
        now = self._account.clock()
        _, alias = self._find_alias(runtime_name, name, now)
        self._schedule_deletion(alias, recovery_window_in_days, now)

    def list_runtime_aliases(
        self, runtime_name: str, *, next_token: str | None = None, max_results: int | None = None
    ) -> Page[RuntimeAlias]:
        """ListRuntimeAliases: a runtime's aliases, in the order of creation."""
        now = self._account.clock()
        runtime = self._find_runtime(runtime_name, now)
        return paginate(
            _existing(runtime.aliases, now),
            lambda alias: _to_alias(runtime, alias, now),
            listing=f"aliases of {runtime.id}",
            token=("NextToken", next_token),
            size=("MaxResults", max_results),
        )

    def _next_sequence(self) -> int:
        self._records += 1
        return self._records

    def _find_runtime(self, identifier: str, now: datetime) -> _Runtime:
        """Return the runtime with this name or ARN."""
        name = identifier.removeprefix(self._account.arn("runtime/"))
        if not _RUNTIME_NAME.fullmatch(name) and not _RUNTIME_ARN.fullmatch(identifier):
            raise invalid("RuntimeName", f"{identifier[:200]!r} is not a runtime name or ARN")
        return _get(self._runtimes, name, "Runtime", now)

    def _find_version(self, runtime_name: str, name: str, now: datetime) -> _Version:
        return _get(self._find_runtime(runtime_name, now).versions, name, "Runtime version", now)

    def _find_alias(self, runtime_name: str, name: str, now: datetime) -> tuple[_Runtime, _Alias]:
        runtime = self._find_runtime(runtime_name, now)
        return runtime, _get(runtime.aliases, name, "Runtime alias", now)

    def _check_new(
        self, records: Mapping[str, Resource], name: str, now: datetime, kind: str, limit: int
    ) -> None:
        live = [record.name for _, record in _existing(records, now)]
        if name in live:
            raise conflict(f"A {kind} with this name already exists: {name}")
        if len(live) >= limit:
            raise quota_exceeded(f"The {kind} quota of {limit} has been reached")

    def _schedule_deletion(
        self, record: _Runtime | _Version | _Alias, days: int | None, now: datetime
    ) -> None:
        check_members(CONSTRAINTS["DeleteRuntime"], {"RecoveryWindowInDays": days})
        if record.state(now) in ("CREATING", "UPDATING"):
            raise conflict(f"{record.arn} is {record.state(now)}")
        if record.deletion is None:
            wait = timedelta(days=DEFAULT_RECOVERY_WINDOW_IN_DAYS if days is None else days)
            record.deletion = _Deletion(now + wait, self._account.deleted_at(record.name) + wait)
            record.modified = now


def _add(records: dict[str, Resource], record: Resource) -> None:
    """Append a record, and replace a deleted one of the same name."""
    records.pop(record.name, None)
    records[record.name] = record


def _existing(records: Mapping[str, Resource], now: datetime) -> Iterator[tuple[int, Resource]]:
    """Yield the existing records and their numbers, in the order of creation."""
    return (
        (record.sequence, record) for record in records.values() if record.state(now) is not None
    )


def _get(records: Mapping[str, Resource], name: str, kind: str, now: datetime) -> Resource:
    record = records.get(name)
    if record is None or record.state(now) is None:
        raise not_found(kind, name)
    return record


def _to_runtime(runtime: _Runtime, now: datetime) -> Runtime:
    return Runtime(
        runtime.arn,
        runtime.name,
        _timestamp(runtime.created),
        _timestamp(runtime.modified),
        runtime.id,
        runtime.description,
        runtime.license_info,
        _lifecycle_today(runtime.release_lifecycle, now),
        runtime.state(now),
        runtime.pending_deletion_at(now),
    )


def _without_state(runtime: Runtime) -> Runtime:
    return evolve(runtime, id=None, state=None, pending_deletion_at=None)


def _to_version(version: _Version, now: datetime) -> RuntimeVersion:
    return RuntimeVersion(
        version.arn,
        version.name,
        version.resolved_uri,
        version.state(now) or RuntimeVersionState.DELETING,
        _timestamp(version.created),
        _timestamp(version.modified),
        version.release_notes,
        version.platforms,
        _COMPATIBILITY,
        version.pending_deletion_at(now),
    )


def _to_alias(runtime: _Runtime, alias: _Alias, now: datetime) -> RuntimeAlias:
    return RuntimeAlias(
        alias.arn,
        alias.name,
        alias.version,
        runtime.versions[alias.version].arn,
        alias.state(now) or RuntimeAliasState.DELETING,
        _timestamp(alias.created),
        _timestamp(alias.modified),
        description=alias.description,
        compatibility=_COMPATIBILITY,
        release_lifecycle=_lifecycle_today(
            alias.release_lifecycle or runtime.release_lifecycle, now
        ),
        pending_deletion_at=alias.pending_deletion_at(now),
    )


def _lifecycle_today(
    lifecycle: RuntimeReleaseLifecycle | None, now: datetime
) -> RuntimeReleaseLifecycle | None:
    """Return the lifecycle as of today: DEPRECATED from its deprecation date on."""
    if lifecycle is None or lifecycle.deprecation_date is None:
        return lifecycle
    if lifecycle.deprecation_date > _today(now):
        return lifecycle
    return evolve(lifecycle, release_state=RuntimeReleaseState.DEPRECATED)


def _check_lifecycle(
    lifecycle: RuntimeReleaseLifecycle | None, now: datetime
) -> RuntimeReleaseLifecycle | None:
    """Return the lifecycle if it is valid, or `None` if it is empty."""
    if lifecycle is None or lifecycle == RuntimeReleaseLifecycle():
        return None
    check_members(LIFECYCLE.members, {"ReleaseState": lifecycle.release_state})
    for parameter, text in (
        ("DeprecationDate", lifecycle.deprecation_date),
        ("FunctionCreateBlockDate", lifecycle.function_create_block_date),
        ("FunctionUpdateBlockDate", lifecycle.function_update_block_date),
    ):
        if text is not None and not _is_date(text):
            raise invalid(parameter, f"{text[:200]!r} is not a date in the format yyyy-mm-dd")
    state, deprecation = lifecycle.release_state, lifecycle.deprecation_date
    reached = deprecation is not None and deprecation <= _today(now)
    if state is RuntimeReleaseState.DEPRECATED and not reached:
        raise invalid("DeprecationDate", "must not be after today if the state is DEPRECATED")
    if state in (RuntimeReleaseState.PREVIEW, RuntimeReleaseState.GA) and reached:
        raise invalid("DeprecationDate", f"must be after today if the state is {state}")
    return lifecycle


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _check_active(record: _Runtime | _Version | _Alias, now: datetime) -> None:
    if record.state(now) != "ACTIVE":
        raise conflict(f"{record.arn} is {record.state(now)}, not ACTIVE")


def _digest(text: str) -> str:
    """Return a deterministic digest of a text, in the format of image digests."""
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def _today(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def _timestamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
