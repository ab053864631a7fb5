"""Operations on runtimes, their versions and their aliases."""

# ruff: noqa: S106 - the tokens belong to listings; they are not passwords

from __future__ import annotations

from typing import Final

from lambdacore_async.models.runtimes import (
    RestoredRuntime,
    Runtime,
    RuntimeAlias,
    RuntimeReleaseLifecycle,
    RuntimeVersion,
)
from lambdacore_async.protocol.operations.rows import ANY, CHANGE, CREATE, LOOKUP, TAGS
from lambdacore_async.protocol.restjson import (
    NOTHING,
    ONE_RUNTIME_VERSION,
    EmptyOperation,
    ListOperation,
    ModelOperation,
    body,
    header,
    path,
    query,
)

_RUNTIMES: Final = "/2026-10-01/runtimes"
_RUNTIME: Final = f"{_RUNTIMES}/{{RuntimeName}}"

_QUOTA: Final = {"ServiceQuotaExceededException"}
_RECOVERY_WINDOW: Final = header(
    "recovery_window_in_days", int, "x-amzn-runtime-recovery-window-in-days"
)
_RUNTIME_PAGE: Final = (
    query("next_token", str, "nextToken"),
    query("max_results", int, "maxResults"),
)

# Runtimes

CREATE_RUNTIME = ModelOperation(
    "CreateRuntime", "POST", _RUNTIMES, 202,
    (
        body("name", required=True, identifies=True),
        body("tags", TAGS),
        body("description"),
        body("license_info"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=CREATE | _QUOTA, idempotent=True, output=Runtime,
)  # fmt: skip

GET_RUNTIME = ModelOperation(
    "GetRuntime", "GET", _RUNTIME, 200,
    (path("runtime_name"),),
    errors=LOOKUP, readonly=True, output=Runtime,
)  # fmt: skip

UPDATE_RUNTIME = ModelOperation(
    "UpdateRuntime", "PUT", _RUNTIME, 200,
    (
        path("runtime_name"),
        body("description"),
        body("license_info"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=CHANGE, idempotent=True, output=Runtime,
)  # fmt: skip

DELETE_RUNTIME = EmptyOperation(
    "DeleteRuntime", "DELETE", _RUNTIME, 202,
    (path("runtime_name"), _RECOVERY_WINDOW),
    errors=CHANGE, idempotent=True, max_response=NOTHING,
)  # fmt: skip

RESTORE_RUNTIME = ModelOperation(
    "RestoreRuntime", "POST", f"{_RUNTIME}/restore", 200,
    (path("runtime_name"), query("runtime_version", str), query("runtime_alias", str)),
    errors=CHANGE, idempotent=True, output=RestoredRuntime,
)  # fmt: skip

LIST_RUNTIMES = ListOperation(
    "ListRuntimes", "GET", _RUNTIMES, 200,
    _RUNTIME_PAGE,
    errors=ANY, readonly=True,
    item=Runtime, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip

# Runtime versions

CREATE_RUNTIME_VERSION = ModelOperation(
    "CreateRuntimeVersion", "POST", f"{_RUNTIME}/versions", 201,
    (
        path("runtime_name"),
        body("image_uri", required=True),
        body("name", required=True, identifies=True),
        body("release_notes"),
        body("dry_run", bool),
    ),
    errors=CHANGE | _QUOTA, idempotent=True, output=RuntimeVersion,
    max_response=ONE_RUNTIME_VERSION,
)  # fmt: skip

GET_RUNTIME_VERSION = ModelOperation(
    "GetRuntimeVersion", "GET", f"{_RUNTIME}/versions/{{Name}}", 200,
    (path("runtime_name"), path("name")),
    errors=LOOKUP, readonly=True, output=RuntimeVersion,
    max_response=ONE_RUNTIME_VERSION,
)  # fmt: skip

UPDATE_RUNTIME_VERSION = ModelOperation(
    "UpdateRuntimeVersion", "PATCH", f"{_RUNTIME}/versions/{{Name}}", 200,
    (path("runtime_name"), path("name"), body("release_notes", required=True, blank=True)),
    errors=CHANGE, idempotent=True, output=RuntimeVersion,
    max_response=ONE_RUNTIME_VERSION,
)  # fmt: skip

DELETE_RUNTIME_VERSION = EmptyOperation(
    "DeleteRuntimeVersion", "DELETE", f"{_RUNTIME}/versions/{{Name}}", 202,
    (path("runtime_name"), path("name"), _RECOVERY_WINDOW),
    errors=CHANGE, idempotent=True, max_response=NOTHING,
)  # fmt: skip

LIST_RUNTIME_VERSIONS = ListOperation(
    "ListRuntimeVersions", "GET", f"{_RUNTIME}/versions", 200,
    (path("runtime_name"), *_RUNTIME_PAGE),
    errors=LOOKUP, readonly=True,
    item=RuntimeVersion, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip

# Runtime aliases

CREATE_RUNTIME_ALIAS = ModelOperation(
    "CreateRuntimeAlias", "POST", f"{_RUNTIME}/aliases", 201,
    (
        path("runtime_name"),
        body("runtime_version", required=True),
        body("name", required=True, identifies=True),
        body("description"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=CHANGE | _QUOTA, idempotent=True, output=RuntimeAlias,
)  # fmt: skip

GET_RUNTIME_ALIAS = ModelOperation(
    "GetRuntimeAlias", "GET", f"{_RUNTIME}/aliases/{{Name}}", 200,
    (path("runtime_name"), path("name")),
    errors=LOOKUP, readonly=True, output=RuntimeAlias,
)  # fmt: skip

UPDATE_RUNTIME_ALIAS = ModelOperation(
    "UpdateRuntimeAlias", "PUT", f"{_RUNTIME}/aliases/{{Name}}", 200,
    (
        path("runtime_name"),
        path("name"),
        body("runtime_version", required=True),
        body("description"),
        body("release_lifecycle", RuntimeReleaseLifecycle),
    ),
    errors=CHANGE, idempotent=True, output=RuntimeAlias,
)  # fmt: skip

DELETE_RUNTIME_ALIAS = EmptyOperation(
    "DeleteRuntimeAlias", "DELETE", f"{_RUNTIME}/aliases/{{Name}}", 202,
    (path("runtime_name"), path("name"), _RECOVERY_WINDOW),
    errors=CHANGE, idempotent=True, max_response=NOTHING,
)  # fmt: skip

LIST_RUNTIME_ALIASES = ListOperation(
    "ListRuntimeAliases", "GET", f"{_RUNTIME}/aliases", 200,
    (path("runtime_name"), *_RUNTIME_PAGE),
    errors=LOOKUP, readonly=True,
    item=RuntimeAlias, items="Items",
    input_token="next_token", output_token="NextToken", page_size="max_results",
)  # fmt: skip
