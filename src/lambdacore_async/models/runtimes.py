"""Customer-managed runtimes, their versions and their aliases.

Timestamps of this family are text on the wire and remain text; dates are `YYYY-MM-DD`.
"""

from __future__ import annotations

# `typing.get_type_hints` looks here for the names in the type of `Model.extra`.
from collections.abc import Iterable, Mapping  # noqa: F401 # pyright: ignore[reportUnusedImport]
from enum import StrEnum
from typing import Literal, TypeAlias

from attrs import field, frozen

from lambdacore_async.models.shared import (
    JSONValue,  # noqa: F401 # pyright: ignore[reportUnusedImport]
    Model,
    ResponseMetadata,
    UnknownValue,
    as_enum,
    as_tuple,
)


class RuntimeState(StrEnum):
    """A state in the lifecycle of a runtime."""

    ACTIVE = "ACTIVE"
    PENDING_DELETION = "PENDING_DELETION"
    DELETING = "DELETING"
    FAILED = "FAILED"


class RuntimeVersionState(StrEnum):
    """A state in the lifecycle of a runtime version."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    DELETING = "DELETING"
    PENDING_DELETION = "PENDING_DELETION"


class RuntimeAliasState(StrEnum):
    """A state in the lifecycle of a runtime alias."""

    CREATING = "CREATING"
    ACTIVE = "ACTIVE"
    UPDATING = "UPDATING"
    DELETING = "DELETING"
    PENDING_DELETION = "PENDING_DELETION"


class RuntimeReleaseState(StrEnum):
    """The maturity of a runtime or alias, as its publisher declares it."""

    PREVIEW = "PREVIEW"
    GA = "GA"
    DEPRECATED = "DEPRECATED"


class RuntimeArchitecture(StrEnum):
    """A processor architecture that a runtime version supports."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class IntegrationModel(StrEnum):
    """The interface between functions and a runtime version."""

    RUNTIME_API = "RuntimeAPI"


class CompatibilityPolicy(StrEnum):
    """Whether a runtime version supports a feature."""

    SUPPORTED = "Supported"
    NOT_SUPPORTED = "NotSupported"


RuntimeReleaseStateLiteral: TypeAlias = Literal["PREVIEW", "GA", "DEPRECATED"]
"""A `RuntimeReleaseState` as a string."""


def _release_state(
    value: RuntimeReleaseState | UnknownValue | RuntimeReleaseStateLiteral | None,
) -> RuntimeReleaseState | UnknownValue | None:
    return None if value is None else as_enum("release_state", RuntimeReleaseState, value)


@frozen
class RuntimeReleaseLifecycle(Model):
    """When a runtime or alias is deprecated and blocked.

    The state may be given as a string, and is stored as an enum member.

    An update with an empty lifecycle, or with none, removes the current one.
    """

    release_state: RuntimeReleaseState | UnknownValue | None = field(
        default=None, converter=_release_state
    )
    """The maturity. `DEPRECATED` requires a deprecation date up to today (UTC); the other states
    require a later one, or none."""
    deprecation_date: str | None = None
    """The UTC date of deprecation."""
    function_create_block_date: str | None = None
    """The UTC date from which no new function may use it."""
    function_update_block_date: str | None = None
    """The UTC date from which functions that use it cannot be updated."""


def _integration_models(
    values: Iterable[IntegrationModel | UnknownValue] | None,
) -> tuple[IntegrationModel | UnknownValue, ...] | None:
    return as_tuple("integration_models", values)


def _architectures(
    values: Iterable[RuntimeArchitecture | UnknownValue] | None,
) -> tuple[RuntimeArchitecture | UnknownValue, ...] | None:
    return as_tuple("architectures", values)


@frozen
class Compatibility(Model):
    """The features that a runtime version supports."""

    integration_models: tuple[IntegrationModel | UnknownValue, ...] | None = field(
        default=None, converter=_integration_models
    )
    """The supported interfaces to functions."""
    architectures: tuple[RuntimeArchitecture | UnknownValue, ...] | None = field(
        default=None, converter=_architectures
    )
    """The supported processor architectures."""
    managed_instances: CompatibilityPolicy | UnknownValue | None = None
    """Whether it is compatible with managed instances."""


@frozen
class Platform(Model):
    """An image of a runtime version."""

    architecture: str
    """The processor architecture."""
    os: str
    """The operating system."""
    digest: str
    """The digest of the image."""


def _platforms(values: Iterable[Platform] | None) -> tuple[Platform, ...] | None:
    return as_tuple("platforms", values)


@frozen
class Runtime(Model):
    """A customer-managed runtime, the parent of its versions and aliases."""

    arn: str
    """The runtime's ARN."""
    name: str
    """The name, unique in the account and region."""
    created: str
    """When it was created."""
    last_modified: str
    """When it last changed."""
    id: str | None = None
    """The ID that the service gave it."""
    description: str | None = None
    """The publisher's description."""
    license_info: str | None = None
    """The licence."""
    release_lifecycle: RuntimeReleaseLifecycle | None = None
    """When it is deprecated and blocked."""
    state: RuntimeState | UnknownValue | None = None
    """The state in its lifecycle."""
    pending_deletion_at: str | None = None
    """When it will be deleted permanently; set only in state `PENDING_DELETION`."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""


@frozen
class RuntimeVersion(Model):
    """An immutable version of a runtime: one container image."""

    arn: str
    """The version's ARN."""
    name: str
    """The name, unique in the runtime."""
    resolved_uri: str
    """The URI of the image, by digest."""
    state: RuntimeVersionState | UnknownValue
    """The state in its lifecycle."""
    created: str
    """When it was created."""
    last_modified: str
    """When it last changed."""
    release_notes: str | None = None
    """The publisher's release notes."""
    platforms: tuple[Platform, ...] | None = field(default=None, converter=_platforms)
    """The images that the URI resolved to."""
    compatibility: Compatibility | None = None
    """The features that it supports."""
    pending_deletion_at: str | None = None
    """When it will be deleted permanently; set only in state `PENDING_DELETION`."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""


@frozen
class RuntimeAlias(Model):
    """A named pointer to a runtime version, through which functions use the runtime."""

    arn: str
    """The alias's ARN."""
    name: str
    """The name, unique in the runtime."""
    runtime_version: str
    """The name of the version that it points to."""
    runtime_version_arn: str
    """The ARN of that version."""
    state: RuntimeAliasState | UnknownValue
    """The state in its lifecycle."""
    created: str
    """When it was created."""
    last_modified: str
    """When it last changed."""
    runtime_name: str | None = None
    """The runtime's name; set only by an update."""
    description: str | None = None
    """The publisher's description."""
    compatibility: Compatibility | None = None
    """The features that the version supports."""
    release_lifecycle: RuntimeReleaseLifecycle | None = None
    """When it is deprecated and blocked; the runtime's unless overridden."""
    pending_deletion_at: str | None = None
    """When it will be deleted permanently; set only in state `PENDING_DELETION`."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""


@frozen
class RestoredRuntime(Model):
    """The result of a restore: a runtime, or one of its versions or aliases."""

    runtime_name: str
    """The runtime's name."""
    arn: str
    """The ARN of the restored resource."""
    state: RuntimeState | UnknownValue
    """The state of the restored resource."""
    last_modified: str
    """When it last changed."""
    runtime_version: str | None = None
    """The version's name, if a version was restored."""
    runtime_alias: str | None = None
    """The alias's name, if an alias was restored."""
    response_metadata: ResponseMetadata | None = field(default=None, eq=False, repr=False)
    """Metadata of the response; counts for neither equality nor `repr`."""
