"""Creates connectors in an embedded service, and runs the demo that looks them up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.lookups import collect
from lambdacore_async.cli.results import (
    CONNECTOR_COLUMNS,
    WIDE,
    code_of,
    failed_in,
    found_in,
    protocol_of,
    reason_code_of,
)
from lambdacore_async.cli.tables import Column
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.network_connectors import MANAGED_CONNECTORS
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.workflows.lookups import Lookup


@frozen
class _Kind:
    """A kind of connector: the state, the last update and their reason codes."""

    state: NetworkConnectorState = NetworkConnectorState.ACTIVE
    reason_code: NetworkConnectorStateReasonCode | None = None
    update: NetworkConnectorLastUpdateStatus | None = None
    update_reason_code: NetworkConnectorStateReasonCode | None = None


_USUAL: Final = _Kind()
_RARE: Final = (
    _Kind(NetworkConnectorState.PENDING),
    _Kind(NetworkConnectorState.INACTIVE),
    _Kind(NetworkConnectorState.DELETING),
    _Kind(update=NetworkConnectorLastUpdateStatus.IN_PROGRESS),
    _Kind(update=NetworkConnectorLastUpdateStatus.SUCCESSFUL),
    _Kind(
        update=NetworkConnectorLastUpdateStatus.FAILED,
        update_reason_code=NetworkConnectorStateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES,
    ),
    *(_Kind(NetworkConnectorState.FAILED, code) for code in NetworkConnectorStateReasonCode),
    _Kind(
        NetworkConnectorState.DELETE_FAILED,
        NetworkConnectorStateReasonCode.INSUFFICIENT_ROLE_PERMISSIONS,
    ),
)
#: One connector in this many is of a rare kind.
_RARITY: Final = 3
#: The connectors that the README uses, by name.
_NAMED: Final = {
    "prod-egress": _USUAL,
    "staging-egress": _Kind(
        NetworkConnectorState.FAILED, NetworkConnectorStateReasonCode.INVALID_SUBNET
    ),
    "old-egress": _USUAL,
}
#: The demo looks up one connector that does not exist per this many that do.
_PER_MISSING: Final = 25


def seed(service: LocalLambdaCore, count: int) -> list[NetworkConnector]:
    """Create `count` connectors of all kinds in the service; their states do not change."""
    return [_numbered(service, number) for number in range(1, count + 1)]


def seed_named(service: LocalLambdaCore) -> None:
    """Create the connectors that the README uses; their states do not change."""
    configuration = VpcEgressConfiguration(
        subnet_ids=["subnet-0a1b", "subnet-0c2d"],
        security_group_ids=["sg-0e3f"],
        network_protocol=NetworkProtocol.IPV4,
        associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
    )
    for name, kind in _NAMED.items():
        _put(service, name, kind, configuration)


def _numbered(service: LocalLambdaCore, number: int) -> NetworkConnector:
    cycle, place = divmod(number, _RARITY)
    configuration = VpcEgressConfiguration(
        subnet_ids=[f"subnet-{number:04x}{zone}" for zone in "abc"[: 1 + number // 2 % 3]],
        security_group_ids=[f"sg-{number:04x}"],
        network_protocol=list(NetworkProtocol)[number % 4 // 3],
        associated_compute_resource_types=[list(ComputeResourceType)[number % 5 // 4]],
    )
    kind = _USUAL if place else _RARE[cycle % len(_RARE)]
    return _put(service, f"egress-{number:04}", kind, configuration)


def _put(
    service: LocalLambdaCore, name: str, kind: _Kind, configuration: VpcEgressConfiguration
) -> NetworkConnector:
    return service.state.put_network_connector(
        name,
        state=kind.state,
        state_reason_code=kind.reason_code,
        last_update_status=kind.update,
        last_update_status_reason_code=kind.update_reason_code,
        configuration=configuration,
    )


def _demo_identifiers(service: LocalLambdaCore, count: int) -> list[str]:
    """Seed the service; return identifiers of all its connectors and of some that do not exist."""
    seeded = seed(service, count)
    existing = [
        (connector.id, connector.name, connector.arn)[place % 3]
        for place, connector in enumerate(seeded)
    ]
    managed = [
        service.state.account.arn(f"network-connector:aws-network-connector:{name}", "aws")
        for name in MANAGED_CONNECTORS
    ]
    missing = [f"retired-{number:03}" for number in range(1, count // _PER_MISSING + 2)]
    return [*existing, *managed, *missing, f"{seeded[0].arn}:99", "n" * 141]


async def run_demo(count: int, *, as_json: bool) -> int:
    """Look up all connectors of a seeded service, print a summary, and return the exit status."""
    service = LocalLambdaCore()
    identifiers = _demo_identifiers(service, count)
    collected: dict[str, Lookup] = {}
    async with service, service.client() as client:
        start = time.perf_counter()
        lookups = client.lookup_network_connectors(identifiers)
        await collect(client, lookups, len(identifiers), collected)
        seconds = time.perf_counter() - start
    results = [collected[identifier] for identifier in identifiers]
    found, failed = found_in(results), failed_in(results)
    states = Counter(str(connector.state) for connector in found)
    errors = Counter(code_of(failure.error) for failure in failed)
    calls = service.calls.total()
    if as_json:
        printing.json_line(
            {
                "identifiers": len(results),
                "found": len(found),
                "failed": dict(errors),
                "states": dict(states),
                "calls": calls,
                "seconds": round(seconds, 3),
            }
        )
        return 0
    printing.line(f"{len(found)} connectors found, grouped by state and reason:")
    printing.line()
    _print_groups(found)
    printing.line()
    printing.labelled("Found", f"{len(found)}: {_listed(states)}")
    printing.labelled("Failed", f"{len(failed)}: {_listed(errors)}")
    printing.labelled("Calls", f"{calls} in {seconds:.2f} s, {calls / seconds:,.0f} per second")
    return 0


def _group_of(connector: NetworkConnector) -> tuple[str, ...]:
    return (
        connector.state or "",
        connector.last_update_status or "",
        reason_code_of(connector) or "",
        "any protocol" if protocol_of(connector) else "",
    )


def _print_groups(connectors: Sequence[NetworkConnector]) -> None:
    """Print the first connector of each group, with the number of connectors in the group."""
    counts = Counter(map(_group_of, connectors))
    first = {_group_of(connector): connector for connector in reversed(connectors)}
    count = Column[NetworkConnector](
        "Count", lambda connector: str(counts[_group_of(connector)]), min_width=WIDE, right=True
    )
    printing.table([*CONNECTOR_COLUMNS, count], [first[group] for group in sorted(first)])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
