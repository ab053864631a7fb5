"""Diagnosis of a connector that is stuck or failed: checks of its state and its dependencies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from attrs import frozen

from lambdacore_async.engine.core import Core
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ApiError, LambdaCoreError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
)
from lambdacore_async.models.reason_codes import CAUSES
from lambdacore_async.models.remedies import SLOW, remedy_of, remedy_of_reason
from lambdacore_async.protocol import operations
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.workflows.dependencies import (
    Check,
    CheckStatus,
    botocore_clients,
    check_dependencies,
    unchecked,
)
from lambdacore_async.workflows.pagination import Pager
from lambdacore_async.workflows.waiters import is_busy

#: The longest time that work on a connector normally takes.
_NORMAL: Final = timedelta(minutes=10)
_STATUSES: Final[Mapping[str, CheckStatus]] = {
    NetworkConnectorState.ACTIVE: CheckStatus.OK,
    NetworkConnectorState.PENDING: CheckStatus.OK,
    NetworkConnectorState.DELETING: CheckStatus.OK,
    NetworkConnectorState.FAILED: CheckStatus.WRONG,
    NetworkConnectorState.DELETE_FAILED: CheckStatus.WRONG,
}
#: AWS publishes no limit of versions. From this number on, a check says how to delete old ones.
_MANY_VERSIONS: Final = 80


@frozen
class Diagnosis:
    """The findings about a connector."""

    connector: NetworkConnector | None
    """The connector; `None` if it could not be read."""
    checks: tuple[Check, ...]
    """The checks, in the order in which to read them."""


async def diagnose(core: Core, identifier: str) -> Diagnosis:
    """See `LambdaCoreClient.diagnose_network_connector`."""
    try:
        connector = await core.call(operations.GET_NETWORK_CONNECTOR, {"identifier": identifier})
    except ApiError as error:
        missing = error.status_code == 404
        status = CheckStatus.WRONG if missing else CheckStatus.UNKNOWN
        return Diagnosis(None, (Check("state", status, str(error), remedy_of(error)),))
    others = await asyncio.gather(
        _versions(core, connector), _tags(core, connector), _dependencies(core, connector)
    )
    checks = [_state(connector), _update(connector), _age(core, connector)]
    for found in others:
        checks += found
    return Diagnosis(connector, tuple(checks))


def _state(connector: NetworkConnector) -> Check:
    status = _STATUSES.get(connector.state or "", CheckStatus.UNKNOWN)
    return _explained(
        "state", status, connector.state, connector.state_reason_code, connector.state_reason
    )


def _update(connector: NetworkConnector) -> Check:
    failed = connector.last_update_status == NetworkConnectorLastUpdateStatus.FAILED
    return _explained(
        "last update",
        CheckStatus.WRONG if failed else CheckStatus.OK,
        connector.last_update_status or "none",
        connector.last_update_status_reason_code,
        connector.last_update_status_reason,
    )


def _explained(
    name: str, status: CheckStatus, state: str | None, code: str | None, reason: str | None
) -> Check:
    detail = ": ".join(filter(None, (state, code, reason)))
    step = None
    if status is CheckStatus.WRONG:
        cause = CAUSES.get(code or "")
        step = remedy_of_reason(reason) or (None if cause is None else cause.remedy)
    return Check(name, status, detail, step)


def _age(core: Core, connector: NetworkConnector) -> Check:
    if connector.last_modified is None:
        return Check("age", CheckStatus.UNKNOWN, "the time of the last change is unknown")
    age = max(core.clock.now() - connector.last_modified, timedelta())
    detail = f"last changed {age.total_seconds() / 60:.0f} minutes ago"
    busy = connector.state == NetworkConnectorState.DELETING or is_busy(connector)
    if busy and age > _NORMAL:
        return Check("age", CheckStatus.WRONG, f"in progress for too long: {detail}", SLOW)
    return Check("age", CheckStatus.OK, detail)


async def _versions(core: Core, connector: NetworkConnector) -> tuple[Check, ...]:
    listing = Pager(
        core.call, operations.LIST_NETWORK_CONNECTOR_VERSIONS, {"identifier": connector.arn}
    )
    try:
        count = len([version async for version in listing])
    except LambdaCoreError as error:
        return (_not_seen("versions", error, "lambda:ListNetworkConnectorVersions"),)
    if count < _MANY_VERSIONS:
        return (Check("versions", CheckStatus.OK, str(count)),)
    step = "Delete old ones with prune_network_connector_versions before the service refuses more."
    return (Check("versions", CheckStatus.UNKNOWN, f"{count}; the limit is not published", step),)


async def _tags(core: Core, connector: NetworkConnector) -> tuple[Check, ...]:
    try:
        tags = await core.call(operations.LIST_TAGS, {"resource": connector.arn})
    except LambdaCoreError as error:
        return (_not_seen("tags", error, "lambda:ListTags"),)
    shown = ", ".join(f"{key}={value}" for key, value in sorted(tags.items()))
    return (Check("tags", CheckStatus.OK, shown or "none"),)


def _not_seen(name: str, error: LambdaCoreError, permission: str) -> Check:
    return Check(name, CheckStatus.UNKNOWN, f"not checked: {error}", f"Allow {permission}.")


async def _dependencies(core: Core, connector: NetworkConnector) -> tuple[Check, ...]:
    settings = core.pipeline.settings
    url = settings.endpoint_url
    if url is not None and ".amazonaws." not in url:
        return unchecked("not checked: the client's endpoint is not AWS's")
    arn = parse_arn(connector.arn)
    region = settings.region if arn is None else arn.region
    try:
        credentials = core.shared.credentials.current() or await core.shared.credentials.get()
    except LambdaCoreError as error:  # they expired meanwhile
        return unchecked(f"not checked: {error}")
    return await run_in_thread(
        lambda: check_dependencies(
            connector, lambda: botocore_clients(region, credentials, core.options)
        )
    )
