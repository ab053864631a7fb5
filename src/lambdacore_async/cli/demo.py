"""Creates connectors in an emulator, and runs the demo that looks them up."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from attrs import frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.results import code_of, reason_code_of, state_of
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
from lambdacore_async.workflows.lookups import Failed, Found


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
_NEXT: Final = """\
Try next:
  lambdacore local                   # the emulator, until Ctrl-C
Paste the `export` lines that it prints into another shell. There:
  lambdacore list
  lambdacore get prod-egress
  lambdacore doctor staging-egress   # why it failed, and what to do
  lambdacore delete old-egress"""
#: The demo looks up one connector that does not exist per this many that do.
_PER_MISSING: Final = 25


def seed(service: LocalLambdaCore, count: int) -> list[NetworkConnector]:
    """Create `count` connectors of all kinds in the service; their states do not change."""
    return [_numbered(service, number) for number in range(1, count + 1)]


def seed_named(service: LocalLambdaCore) -> None:
    """Create the connectors and the runtimes that the README and the help of commands use."""
    configuration = VpcEgressConfiguration(
        subnet_ids=["subnet-0a1b", "subnet-0c2d"],
        security_group_ids=["sg-0e3f"],
        network_protocol=NetworkProtocol.IPV4,
        associated_compute_resource_types=[ComputeResourceType.MICRO_VM],
    )
    for name, kind in _NAMED.items():
        _put(service, name, kind, configuration)
    service.state.put_runtime("old-python")
    service.state.put_runtime("python", versions=["v1", "v2"], aliases={"live": "v1"})


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


async def look_up(
    service: LocalLambdaCore,
    identifiers: list[str],
    progress: Callable[[int], None],
) -> tuple[list[NetworkConnector], list[Failed]]:
    """Look up connectors; the demo prints this function."""
    found: list[NetworkConnector] = []
    failed: list[Failed] = []
    async with (
        service,
        service.client() as client,  # for AWS: LambdaCoreClient("us-east-1")
        client.lookup_network_connectors(identifiers) as lookups,
    ):
        async for lookup in lookups:  # as they complete
            match lookup:
                case Found(connector=connector):
                    found.append(connector)
                case failure:
                    failed.append(failure)
            progress(len(failed))
    return found, failed


async def run_demo(count: int, *, as_json: bool) -> int:
    """Look up all connectors of a seeded service, print a summary, and return the exit status."""
    service = LocalLambdaCore()
    identifiers = _demo_identifiers(service, count)
    with printing.counter("Looking up", len(identifiers)) as step:
        start = time.perf_counter()
        found, failed = await look_up(service, identifiers, lambda failures: step(failures, ""))
        seconds = time.perf_counter() - start
    found.sort(key=lambda connector: connector.name)
    states = Counter(str(connector.state) for connector in found)
    errors = Counter(code_of(failure.error) for failure in failed)
    calls = service.calls.total()
    if as_json:
        printing.json_line(
            {
                "identifiers": len(identifiers),
                "found": len(found),
                "failed": dict(errors),
                "states": dict(states),
                "calls": calls,
                "seconds": round(seconds, 3),
            }
        )
        return 0
    printing.line(f"{len(found):,} connectors found. One of each state and reason:")
    printing.line()
    _print_groups(found)
    printing.line()
    printing.labelled("Found", f"{len(found):,}: {_listed(states)}")
    printing.labelled("Failed", f"{len(failed):,}: {_listed(errors)}")
    printing.labelled("Calls", f"{calls:,} in {seconds:.2f} s, {calls / seconds:,.0f} per second")
    about = f"The {len(failed):,} failures are there on purpose: a failure stops no other lookup."
    for text in (f"{about}\nThis code ran:", inspect.getsource(look_up), _NEXT):
        printing.line()
        for line in text.splitlines():
            printing.line(line)
    return 0


def _group_of(connector: NetworkConnector) -> tuple[str, ...]:
    return (
        connector.state or "",
        connector.last_update_status or "",
        reason_code_of(connector) or "",
    )


def _print_groups(connectors: Sequence[NetworkConnector]) -> None:
    """Print the first connector of each group, with the number of connectors in the group."""
    counts = Counter(map(_group_of, connectors))
    first = {_group_of(connector): connector for connector in reversed(connectors)}
    columns: list[Column[NetworkConnector]] = [
        Column("Count", lambda connector: str(counts[_group_of(connector)]), right=True),
        Column("Name", lambda connector: connector.name),
        Column("State", state_of),  # with the last update, so that 80 columns are enough
        Column("Reason code", reason_code_of),
    ]
    printing.table(columns, [first[group] for group in sorted(first)])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
