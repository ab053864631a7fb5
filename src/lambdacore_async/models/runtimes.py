"""Customer-managed runtimes, their versions and their aliases.

All timestamps of this family are text on the wire and stay text; dates are `YYYY-MM-DD`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from attrs import field, frozen

from lambdacore_async.models.shared import ResponseMetadata, UnknownValue, as_tuple


class RuntimeState(StrEnum):
    """Where a runtime is in its life."""

    ACTIVE = "ACTIVE"
    PENDING_DELETION = "PENDING_DELETION"
    DELETING = "DELETING"
    FAILED = "FAILED"


class RuntimeVersionState(StrEnum):
    """Where a runtime version is in its life."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    DELETING = "DELETING"
    PENDING_DELETION = "PENDING_DELETION"


class RuntimeAliasState(StrEnum):
    """Where a runtime alias is in its life."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    UPDATING = "UPDATING"
    DELETING = "DELETING"
    PENDING_DELETION = "PENDING_DELETION"


class RuntimeReleaseState(StrEnum):
    """How mature its publisher says a runtime or alias is."""

    PREVIEW = "PREVIEW"
    GA = "GA"
    DEPRECATED = "DEPRECATED"


class RuntimeArchitecture(StrEnum):
    """A processor architecture that a runtime version supports."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class IntegrationModel(StrEnum):
    """How functions talk to a runtime version."""

    RUNTIME_API = "RuntimeAPI"


class CompatibilityPolicy(StrEnum):
    """Whether a runtime version supports a feature."""

    SUPPORTED = "Supported"
    NOT_SUPPORTED = "NotSupported"


@frozen
class RuntimeReleaseLifecycle:
    """When a runtime or alias is deprecated and blocked.

    Given empty, or not at all, in an update, it removes what was set.

    Attributes:
        release_state: `DEPRECATED` needs a deprecation date up to today (UTC); the others need a
            later one, or none.
        deprecation_date: the UTC date of deprecation.
        function_create_block_date: the UTC date from which no new function may use it.
        function_update_block_date: the UTC date from which no function that uses it may change.
    """

    release_state: RuntimeReleaseState | UnknownValue | None = None
    deprecation_date: str | None = None
    function_create_block_date: str | None = None
    function_update_block_date: str | None = None


def _integration_models(
    values: Iterable[IntegrationModel | UnknownValue] | None,
) -> tuple[IntegrationModel | UnknownValue, ...] | None:
    return as_tuple("integration_models", values)


def _architectures(
    values: Iterable[RuntimeArchitecture | UnknownValue] | None,
) -> tuple[RuntimeArchitecture | UnknownValue, ...] | None:
    return as_tuple("architectures", values)


@frozen
class Compatibility:
    """What a runtime version works with."""

    integration_models: tuple[IntegrationModel | UnknownValue, ...] | None = field(
        default=None, converter=_integration_models
    )
    architectures: tuple[RuntimeArchitecture | UnknownValue, ...] | None = field(
        default=None, converter=_architectures
    )
    managed_instances: CompatibilityPolicy | UnknownValue | None = None


@frozen
class Platform:
    """One image of a runtime version: its architecture, operating system and digest."""

    architecture: str
    os: str
    digest: str


def _platforms(values: Iterable[Platform] | None) -> tuple[Platform, ...] | None:
    return as_tuple("platforms", values)


@frozen
class Runtime:
    """A customer-managed runtime, the parent of its versions and aliases.

    Attributes:
        arn: the runtime's ARN.
        name: unique in the account and region.
        created: when it was made.
        last_modified: when it last changed.
        id: given by the service.
        description: what its publisher says of it.
        license_info: under which licence it stands.
        release_lifecycle: when it is deprecated and blocked.
        state: where it is in its life.
        pending_deletion_at: when it will be deleted for good; only in state `PENDING_DELETION`.
        response_metadata: what the answer said about itself; not compared, not shown.
    """

    arn: str
    name: str
    created: str
    last_modified: str
    id: str | None = None
    description: str | None = None
    license_info: str | None = None
    release_lifecycle: RuntimeReleaseLifecycle | None = None
    state: RuntimeState | UnknownValue | None = None
    pending_deletion_at: str | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)


@frozen
class RuntimeVersion:
    """An immutable version of a runtime: one container image.

    Attributes:
        arn: the version's ARN.
        name: unique in its runtime.
        resolved_uri: the image, by digest.
        state: where it is in its life.
        created: when it was made.
        last_modified: when it last changed.
        release_notes: what its publisher says of it.
        platforms: the images that the URI resolved to.
        compatibility: what it works with.
        pending_deletion_at: when it will be deleted for good; only in state `PENDING_DELETION`.
        response_metadata: what the answer said about itself; not compared, not shown.
    """

    arn: str
    name: str
    resolved_uri: str
    state: RuntimeVersionState | UnknownValue
    created: str
    last_modified: str
    release_notes: str | None = None
    platforms: tuple[Platform, ...] | None = field(default=None, converter=_platforms)
    compatibility: Compatibility | None = None
    pending_deletion_at: str | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)


@frozen
class RuntimeAlias:
    """A named pointer to a runtime version, through which functions use the runtime.

    Attributes:
        arn: the alias's ARN.
        name: unique in its runtime.
        runtime_version: the name of the version that it points to.
        runtime_version_arn: the ARN of that version.
        state: where it is in its life.
        created: when it was made.
        last_modified: when it last changed.
        runtime_name: the runtime; only an update returns it.
        description: what its publisher says of it.
        compatibility: what the version works with.
        release_lifecycle: when it is deprecated and blocked; the runtime's unless overridden.
        pending_deletion_at: when it will be deleted for good; only in state `PENDING_DELETION`.
        response_metadata: what the answer said about itself; not compared, not shown.
    """

    arn: str
    name: str
    runtime_version: str
    runtime_version_arn: str
    state: RuntimeAliasState | UnknownValue
    created: str
    last_modified: str
    runtime_name: str | None = None
    description: str | None = None
    compatibility: Compatibility | None = None
    release_lifecycle: RuntimeReleaseLifecycle | None = None
    pending_deletion_at: str | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)


@frozen
class RestoredRuntime:
    """What a restore brought back: a runtime, or one of its versions or aliases.

    Attributes:
        runtime_name: the runtime.
        arn: the ARN of what was restored.
        state: the state that it is in now.
        last_modified: when it last changed.
        runtime_version: the version's name, if one was restored.
        runtime_alias: the alias's name, if one was restored.
        response_metadata: what the answer said about itself; not compared, not shown.
    """

    runtime_name: str
    arn: str
    state: RuntimeState | UnknownValue
    last_modified: str
    runtime_version: str | None = None
    runtime_alias: str | None = None
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
