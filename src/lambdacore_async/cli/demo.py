"""What an embedded service is seeded with, and the demo's lookups of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.lookups import collect
from lambdacore_async.cli.results import code_of, failed_in, found_in, row
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
    """What the embedded service's connectors differ in."""

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
#: Of so many connectors, one is of a rare kind.
_RARITY: Final = 3
#: The connectors of the README, by name.
_NAMED: Final = {
    "prod-egress": _USUAL,
    "staging-egress": _Kind(
        NetworkConnectorState.FAILED, NetworkConnectorStateReasonCode.INVALID_SUBNET
    ),
    "old-egress": _USUAL,
}
#: For so many connectors, the demo also asks for one that does not exist.
_PER_MISSING: Final = 25


def seed(service: LocalLambdaCore, count: int) -> list[NetworkConnector]:
    """Put connectors into the service, of all kinds; they stay as they are."""
    return [_numbered(service, number) for number in range(1, count + 1)]


def seed_named(service: LocalLambdaCore) -> None:
    """Put the connectors of the README into the service; they stay as they are."""
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
    """Seed the service; IDs, names and ARNs of what it has, and of some that it has not."""
    seeded = seed(service, count)
    there = [
        (connector.id, connector.name, connector.arn)[place % 3]
        for place, connector in enumerate(seeded)
    ]
    managed = [
        service.state.account.arn(f"network-connector:aws-network-connector:{name}", "aws")
        for name in MANAGED_CONNECTORS
    ]
    missing = [f"retired-{number:03}" for number in range(1, count // _PER_MISSING + 2)]
    return [*there, *managed, *missing, f"{seeded[0].arn}:99", "n" * 141]


async def look_up_seeded(count: int, *, as_json: bool) -> int:
    """Seed a service, look up all it has, and print what came of it; returns the exit status."""
    service = LocalLambdaCore()
    identifiers = _demo_identifiers(service, count)
    collected: dict[str, Lookup] = {}
    async with service, service.client() as client:
        start = time.perf_counter()
        lookups = client.lookup_network_connectors(identifiers)
        await collect(lookups, len(identifiers), collected)
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
    printing.line(f"Of {len(found)} connectors found, one of each kind:")
    printing.line()
    printing.table(_one_of_each(found))
    printing.line()
    printing.labelled("Found", f"{len(found)}: {_listed(states)}")
    printing.labelled("Failed", f"{len(failed)}: {_listed(errors)}")
    printing.labelled("Calls", f"{calls} in {seconds:.2f} s, {calls / seconds:,.0f} a second")
    return 0


def _one_of_each(connectors: Iterable[NetworkConnector]) -> list[dict[str, str]]:
    """A row for each kind of connector: the first of its kind, and how many there are."""
    kinds: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for columns in map(row, connectors):
        kind = (
            columns["State"],
            columns["Last update"],
            columns["Reason code"],
            columns["Protocol"] and "any",
        )
        kinds.setdefault(kind, []).append(columns)
    return [{**kinds[kind][0], "Like it": str(len(kinds[kind]))} for kind in sorted(kinds)]


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
