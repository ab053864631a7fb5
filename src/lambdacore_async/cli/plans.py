"""Plans: what `ensure` and `diff` find to change, and the application of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import typer
from attrs import evolve, frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import Output
from lambdacore_async.cli.results import as_json, called, show_failures, show_members, state_of
from lambdacore_async.cli.running import result_of, status_of
from lambdacore_async.cli.views import SPINNER_AFTER
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ResourceNotFoundException
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorState,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.reading import is_array, wire_name
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async.workflows.lookups import Failed, Found
from lambdacore_async.workflows.provisioning import Drift, Wanted, is_idle

#: Maximum number of connectors that are compared or changed at the same time.
_AT_ONCE: Final = 10
#: The lists whose items `ensure` does not remove without a question.
_GUARDED: Final = ("subnet_ids", "security_group_ids")
_DONE: Final = {"create": "created", "update": "updated", "unchanged": "unchanged"}

Input = TypeVar("Input")
Result = TypeVar("Result")


@frozen
class Plan:
    """What `ensure` would do with a connector, or has done."""

    wanted: Wanted
    """The desired state."""
    before: NetworkConnector | None
    """The connector before; `None` if it did not exist or was being deleted."""
    drifts: tuple[Drift, ...]
    """The differences; for a connector that did not exist, all desired values."""
    after: NetworkConnector | None = None
    """The connector after the plan was applied."""

    @property
    def action(self) -> str:
        """The action: `create`, `update` or `unchanged`; `created` or `updated` once it is done."""
        action = "create" if self.before is None else "update" if self.drifts else "unchanged"
        return action if self.after is None else _DONE[action]

    @property
    def removed(self) -> list[str]:
        """The subnets and security groups that the connector would lose."""
        return [
            str(item)
            for drift in self.drifts
            if drift.field in _GUARDED and is_array(drift.actual) and is_array(drift.wanted)
            for item in drift.actual
            if item not in drift.wanted
        ]


async def plan_all(client: LambdaCoreClient, wanted: Sequence[Wanted]) -> list[Plan | Failed]:
    """Compare connectors with their desired states, in order.

    Raises:
        ParameterError: if a name is the ID of a connector.
    """
    what = called([each.name for each in wanted])
    with printing.spinner(f"Comparing {what}", after=SPINNER_AFTER):
        return await _each(wanted, lambda each: result_of(each.name, _plan(client, each)))


async def apply_all(
    client: LambdaCoreClient, plans: Sequence[Plan], timeout: float
) -> list[Plan | Failed]:
    """Apply plans and wait.

    Args:
        client: makes the calls.
        plans: the plans; one without differences is a wait until the connector is active.
        timeout: seconds until a creation or an update has failed.
    """
    what = called([plan.wanted.name for plan in plans])
    with printing.spinner(f"Ensuring {what}") as show:

        async def apply(plan: Plan) -> Plan | Failed:
            wanted, connector = plan.wanted, plan.before
            if connector is not None and not plan.drifts and is_idle(connector):
                return evolve(plan, after=connector)
            ensuring = client.ensure_network_connector(
                wanted.name,
                wanted.configuration,
                operator_role=wanted.operator_role,
                tags=wanted.tags,
                timeout=timeout,
                on_change=lambda connector: show(state_of(connector)),
            )
            done = await result_of(wanted.name, ensuring)
            return done if isinstance(done, Failed) else evolve(plan, after=done)

        return await _each(plans, apply)


async def confirm_all(plans: Sequence[Plan], *, always: bool, yes: bool) -> None:
    """Show the changes on a terminal and ask for them, if there is a reason.

    Args:
        plans: the plans.
        always: ask for any change, not only for those that remove subnets or security groups.
        yes: do not ask.

    Raises:
        typer.Abort: if the answer is no.
    """
    changes = [plan for plan in plans if plan.before is None or plan.drifts]
    removed = [item for plan in changes for item in plan.removed]
    if yes or not printing.can_ask() or not (removed or (always and changes)):
        return
    for plan in changes:
        _show(plan, is_question=True)
    what = called([plan.wanted.name for plan in changes])
    loss = f" and remove {', '.join(removed)}" if removed else ""
    if not await run_in_thread(partial(printing.ask, f"Change {what}{loss}?")):
        raise typer.Abort


def show_plans(plans: Sequence[Plan | Failed], output: Output) -> None:
    """Print plans in the format of `output`, and every member if there is only one connector."""
    match output:
        case Output.JSON:
            printing.json_document([_as_json(plan) for plan in plans])
        case Output.JSONL:
            for plan in plans:
                printing.json_line(_as_json(plan))
        case _:
            done = [plan for plan in plans if isinstance(plan, Plan)]
            for plan in done:
                _show(plan)
            if len(done) == 1 and done[0].after:
                printing.line()
                show_members([Found(done[0].wanted.name, done[0].after)])
            show_failures([plan for plan in plans if isinstance(plan, Failed)])


def status_of_plans(plans: Sequence[Plan | Failed], *, if_different: int = 0) -> int:
    """Return the exit status for these plans.

    Args:
        plans: the plans.
        if_different: the status if a connector is not as it should be.
    """
    failures = [plan for plan in plans if isinstance(plan, Failed)]
    drifted = any(isinstance(plan, Plan) and plan.action != "unchanged" for plan in plans)
    return max(status_of(failures), if_different if drifted else 0)


def summary_of(plans: Sequence[Plan | Failed]) -> str:
    """Return the number of plans by action, such as `2 updated, 1 failed`."""
    counts = Counter(plan.action if isinstance(plan, Plan) else "failed" for plan in plans)
    return ", ".join(f"{count:,} {action}" for action, count in sorted(counts.items()))


async def _plan(client: LambdaCoreClient, wanted: Wanted) -> Plan:
    try:
        connector = await client.get_network_connector(wanted.name)
    except ResourceNotFoundException:
        connector = None
    if connector is None or connector.state == NetworkConnectorState.DELETING:
        nothing = NetworkConnector("", wanted.name, "", configuration=VpcEgressConfiguration())
        return Plan(wanted, None, wanted.drifts(nothing, {}))
    tags = await client.list_tags(connector.arn) if wanted.tags else None
    return Plan(wanted, connector, wanted.drifts(connector, tags))


async def _each(items: Iterable[Input], work: Callable[[Input], Awaitable[Result]]) -> list[Result]:
    """Return the results of work on each item, with at most `_AT_ONCE` at a time."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def limited(item: Input) -> Result:
        async with at_once:
            return await work(item)

    return await asyncio.gather(*map(limited, items))


def _show(plan: Plan, *, is_question: bool = False) -> None:
    """Print the action, and a line for each changed member."""
    (printing.log if is_question else printing.line)(f"{plan.wanted.name}: {plan.action}")
    changes = [
        (
            f"  {wire_name(drift.field)}",
            _text(drift.wanted)
            if plan.before is None
            else f"{_text(drift.actual)} -> {_text(drift.wanted)}",
        )
        for drift in plan.drifts
    ]
    printing.members(changes, stderr=is_question)


def _as_json(plan: Plan | Failed) -> JSONValue:
    if isinstance(plan, Failed):
        return as_json(plan)
    done: dict[str, JSONValue] = {} if plan.after is None else {"connector": to_dict(plan.after)}
    return {
        "identifier": plan.wanted.name,
        "action": plan.action,
        "drifts": [
            {
                "member": wire_name(drift.field),
                "old": _json(drift.actual),
                "new": _json(drift.wanted),
            }
            for drift in plan.drifts
        ],
        **done,
    }


def _json(value: Any) -> JSONValue:
    if value is None or isinstance(value, str):
        return value
    return [str(item) for item in value] if is_array(value) else to_dict(value)


def _text(value: Any) -> str:
    data = _json(value)
    if isinstance(data, list):
        data = ", ".join(map(str, data))
    return (data or "none") if data is None or isinstance(data, str) else json.dumps(data)
