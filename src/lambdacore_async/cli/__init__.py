"""The command line: `lambdacore get`, `lookup`, `list`, `ensure`, `wait`, `watch` and more.

Results go to standard output; progress and complaints to standard error. The exit status is 0 if
all went well, 1 if anything failed, 2 if the command was misused or lacks a region, credentials or
the like, 130 after Ctrl-C, and 141 when nobody reads standard output any more.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import threading
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import Future
from contextlib import aclosing, contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final, NoReturn, TypeAlias, TypeVar

import typer
from attrs import frozen
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.user_agent import VERSION
from lambdacore_async.errors import (
    ApiError,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
    ResourceNotFoundException,
)
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.network_connectors import MANAGED_CONNECTORS
from lambdacore_async.models.network_connectors import (
    ComputeResourceType,
    NetworkConnector,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.codec import to_dict
from lambdacore_async.workflows.lookups import Failed, Found, Lookup, Lookups
from lambdacore_async.workflows.waiters import WaiterFailedError
from lambdacore_async.workflows.watching import (
    ConnectorAdded,
    ConnectorChange,
    ConnectorDeleted,
    ConnectorStateChanged,
    ConnectorUpdated,
)

SOME_FAILED: Final = 1
MISUSED: Final = 2
#: As a shell reports a program that a signal ended: 128 and the signal's number.
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_CHUNK: Final = 65_536
#: Columns that a table has only where a terminal has so many characters a line.
_LUXURIES: Final = frozenset({"Protocol", "Subnets", "Like it"})
_WIDE: Final = 105
_COUNTS: Final = frozenset({"Subnets", "Like it"})
#: Where no terminal bounds it, a table is as wide as its longest row.
_UNBOUNDED: Final = 10_000

_STYLES: Final[Mapping[str, str]] = {
    NetworkConnectorState.ACTIVE: "green",
    NetworkConnectorState.PENDING: "yellow",
    NetworkConnectorState.DELETING: "yellow",
    NetworkConnectorState.FAILED: "red",
    NetworkConnectorState.DELETE_FAILED: "red",
}


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class WatchOutput(StrEnum):
    """How changes are printed."""

    TABLE = "table"
    JSONL = "jsonl"


class Goal(StrEnum):
    """What can be waited for."""

    ACTIVE = "active"
    UPDATED = "updated"
    DELETED = "deleted"


class DemoOutput(StrEnum):
    """How the demo's results are printed."""

    TABLE = "table"
    JSON = "json"


Region = Annotated[
    str | None,
    typer.Option(help="The AWS region; else AWS_REGION, AWS_DEFAULT_REGION or the profile's."),
]
Profile = Annotated[
    str | None,
    typer.Option(help="Whose settings of the shared config files count; else AWS_PROFILE."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(help="An endpoint instead of the region's own; else as configured."),
]
WaitTimeout = Annotated[
    float, typer.Option(min=0.01, help="Seconds until what is not through has failed.")
]

Result = TypeVar("Result")

app = typer.Typer(
    help="Provision and look up AWS Lambda Core network connectors, or run a service of your own.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # A traceback with the values of local variables would show credentials.
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer's calling convention
    if asked:
        print(f"lambdacore-async {VERSION}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None: ...


@app.command()
def get(
    identifiers: Annotated[
        list[str], typer.Argument(help="IDs, names or ARNs.", metavar="IDENTIFIER")
    ],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the results.")] = Output.TABLE,
) -> None:
    """Show network connectors, each with all that the service tells of it."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            return await _look_up(client.lookup_network_connectors, identifiers, output, _show_all)

    _run(work())


@app.command()
def lookup(
    file: Annotated[
        str, typer.Argument(help="Identifiers, one a line; `-` is standard input.", metavar="FILE")
    ],
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    concurrency: Annotated[
        int, typer.Option(min=1, help="How many lookups may be under way at once.")
    ] = 64,
    deadline: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds for the whole run; what is not done then has failed."),
    ] = None,
    output: Annotated[
        Output, typer.Option(help="How to print the results; `jsonl` prints each as it completes.")
    ] = Output.TABLE,
) -> None:
    """Look up the network connectors that a file or another command names, many at once."""

    async def work() -> int:
        async with (
            LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client,
            aclosing(_lines(file)) as lines,
        ):

            def start(identifiers: Iterable[str] | AsyncIterable[str]) -> Lookups:
                return client.lookup_network_connectors(
                    identifiers, concurrency=concurrency, deadline=deadline
                )

            return await _look_up(start, lines, output, _show_rows)

    _run(work())


@app.command("list")
def list_connectors(
    *,
    state: Annotated[
        NetworkConnectorState | None, typer.Option(help="Only connectors in this state.")
    ] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[
        Output, typer.Option(help="How to print them; `jsonl` prints each as it comes.")
    ] = Output.TABLE,
) -> None:
    """List the network connectors of the account in the region."""

    async def work() -> int:
        listed: list[NetworkConnectorSummary] = []
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            async for connector in client.list_network_connectors(state=state):
                if output is Output.JSONL:
                    print(json.dumps(to_dict(connector)), flush=True)
                else:
                    listed.append(connector)
        if output is Output.JSON:
            print(json.dumps([to_dict(connector) for connector in listed], indent=2))
        elif listed:
            console = _StandardOutput()
            console.print(_table([_summary_row(each) for each in listed], console.width))
        return 0

    _run(work())


@app.command()
def ensure(
    name: Annotated[str, typer.Argument(help="The connector's name.")],
    subnets: Annotated[
        list[str] | None,
        typer.Option("--subnet", help="A subnet of the VPC; give the option for each one."),
    ] = None,
    security_groups: Annotated[
        list[str] | None,
        typer.Option("--security-group", help="A security group; give the option for each one."),
    ] = None,
    network_protocol: Annotated[
        NetworkProtocol | None, typer.Option(help="A new connector needs it.")
    ] = None,
    compute: Annotated[
        ComputeResourceType | None,
        typer.Option(help="Which compute may use the connector; a new one needs it."),
    ] = None,
    operator_role: Annotated[
        str | None,
        typer.Option(help="The ARN of the role that Lambda manages the network interfaces with."),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="KEY=VALUE", help="A tag, if the connector is new; for each one."
        ),
    ] = None,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the result.")] = Output.TABLE,
) -> None:
    """Create a network connector, or change it where it differs, and wait until it is active.

    What no option tells is left as it is.
    """
    configuration = VpcEgressConfiguration(
        subnet_ids=subnets,
        security_group_ids=security_groups,
        network_protocol=network_protocol,
        associated_compute_resource_types=None if compute is None else [compute],
    )
    pairs = [tag.partition("=") for tag in tags or ()]
    if not all(separator for _, separator, _ in pairs):
        raise typer.BadParameter("a tag is KEY=VALUE", param_hint="--tag")

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with _progress(f"Ensuring {name}") as on_change:
                ensuring = client.ensure_network_connector(
                    name,
                    configuration,
                    operator_role=operator_role,
                    tags={key: value for key, _, value in pairs},
                    timeout=timeout,
                    on_change=on_change,
                )
                connector = await _or_failed(name, ensuring)
        result = connector if isinstance(connector, Failed) else Found(name, connector)
        return _print([result], output, _show_all)

    _run(work())


@app.command()
def delete(
    identifier: Annotated[str, typer.Argument(help="An ID, name or ARN.")],
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it is gone.")] = False,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Delete a network connector, or one version of it; what is not there is deleted already."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with _progress(f"Deleting {identifier}") as on_change:
                deleting = (
                    client.delete_network_connector_and_wait(
                        identifier, timeout=timeout, on_change=on_change
                    )
                    if wait
                    else client.delete_network_connector(identifier)
                )
                result = await _or_failed(identifier, deleting)
        if not isinstance(result, Failed):
            return 0
        if isinstance(result.error, ResourceNotFoundException):
            return 0
        _show_failures(_StandardOutput(), [result])
        return SOME_FAILED

    _run(work())


@app.command()
def wait(
    identifier: Annotated[str, typer.Argument(help="An ID, name or ARN.")],
    *,
    goal: Annotated[Goal, typer.Option("--for", help="What to wait for.")] = Goal.ACTIVE,
    timeout: WaitTimeout = 900.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[Output, typer.Option(help="How to print the result.")] = Output.TABLE,
) -> None:
    """Wait until a network connector is active, updated or deleted; or say why not."""

    async def work() -> int:
        async with LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client:
            with _progress(f"Waiting for {identifier}") as on_change:
                waiting: Awaitable[NetworkConnector | None] = {
                    Goal.ACTIVE: client.wait_until_network_connector_active,
                    Goal.UPDATED: client.wait_until_network_connector_updated,
                    Goal.DELETED: client.wait_until_network_connector_deleted,
                }[goal](identifier, timeout=timeout, on_change=on_change)
                result = await _or_failed(identifier, waiting)
        if result is None:
            return 0
        found = result if isinstance(result, Failed) else Found(identifier, result)
        return _print([found], output, _show_all)

    _run(work())


@app.command()
def watch(
    *,
    interval: Annotated[
        float, typer.Option(min=0.1, help="Seconds between two looks at the connectors.")
    ] = 10.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
    output: Annotated[
        WatchOutput,
        typer.Option(help="A table on a terminal, elsewhere a line a change; or lines of JSON."),
    ] = WatchOutput.TABLE,
) -> None:
    """Watch all network connectors of the account in the region, until Ctrl-C."""

    async def work() -> int:
        async with (
            LambdaCoreClient(region, profile=profile, endpoint_url=endpoint_url) as client,
            client.watch_network_connectors(poll_interval=interval) as changes,
        ):
            with _picture(output) as show:
                async for change in changes:
                    show(change, changes.snapshot)
        return 0

    _run(work())


@app.command()
def demo(
    connectors: Annotated[int, typer.Option(min=1, help="How many connectors to seed.")] = 300,
    output: Annotated[
        DemoOutput, typer.Option(help="How to print the results.")
    ] = DemoOutput.TABLE,
) -> None:
    """Look up hundreds of connectors of an embedded Lambda Core; no AWS account is needed."""
    _run(_demo(connectors, output))


@app.command()
def local(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="The TCP port on 127.0.0.1; 0 for any free one.")
    ] = 4600,
    region: Annotated[str, typer.Option(help="The AWS region that it is in.")] = "us-east-1",
    connectors: Annotated[
        int, typer.Option(min=0, help="How many connectors to seed, in every state.")
    ] = 0,
    provisioning_seconds: Annotated[
        float, typer.Option(min=0, max=1e9, help="How long a new connector is PENDING.")
    ] = 2.0,
) -> None:
    """Run an embedded Lambda Core for any AWS SDK, until Ctrl-C; it keeps all in memory."""
    _run(_local(port, region, connectors, provisioning_seconds))


def _run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end, however it ends, and exit with the status that tells how."""
    try:
        status = asyncio.run(work)
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = BROKEN_PIPE
        # What is still buffered has nowhere to go; at its exit, Python would complain about that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (LambdaCoreError, OSError) as error:
        status = MISUSED
        print(f"lambdacore: {_message(error)}", file=sys.stderr)
    raise typer.Exit(status)


# Lookups


async def _look_up(
    start: Callable[[Iterable[str] | AsyncIterable[str]], Lookups],
    identifiers: list[str] | AsyncIterable[str],
    output: Output,
    show: Callable[[list[Lookup]], None],
) -> int:
    """Look up and print; the exit status."""
    if output is Output.JSONL:
        return await _stream(start(identifiers))
    if not isinstance(identifiers, list):
        # Nothing is printed before all is known; so the progress can tell of how many.
        identifiers = [identifier async for identifier in identifiers]
    return _print(await _collect(start(identifiers), identifiers), output, show)


def _print(results: list[Lookup], output: Output, show: Callable[[list[Lookup]], None]) -> int:
    """Print all results at once; the exit status."""
    match output:
        case Output.JSON:
            print(json.dumps([_as_json(result) for result in results], indent=2))
        case Output.JSONL:
            print(*(json.dumps(_as_json(result)) for result in results), sep="\n")
        case _:  # a table
            show(results)
    return _status(results)


async def _stream(lookups: Lookups) -> int:
    """Print each result as a line of JSON as it completes."""
    status = 0
    async with lookups:
        async for result in lookups:
            print(json.dumps(_as_json(result)), flush=True)
            status |= _status([result])
    return status


async def _collect(lookups: Lookups, identifiers: list[str]) -> list[Lookup]:
    """All results in the order of the input; a terminal shows meanwhile how far it is."""
    results: dict[str, Lookup] = {}
    distinct = dict.fromkeys(identifiers)
    console = Console(stderr=True)
    with Progress(
        TextColumn("Looking up"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]} failed"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=len(distinct), failed=0)
        failed = 0
        async with lookups:
            async for result in lookups:
                results[result.identifier] = result
                failed += isinstance(result, Failed)
                progress.update(task, advance=1, failed=failed)
    return [results[identifier] for identifier in distinct]


def _status(results: Iterable[Lookup]) -> int:
    return SOME_FAILED if any(isinstance(result, Failed) for result in results) else 0


async def _lines(file: str) -> AsyncGenerator[str]:
    """The lines of a file or of standard input as they come, without those that are blank."""
    descriptor = 0 if file == "-" else os.open(file, os.O_RDONLY)
    try:
        rest = b""
        while chunk := await _read(descriptor):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if text := _text(line):
                    yield text
        if text := _text(rest):
            yield text
    finally:
        if descriptor:
            os.close(descriptor)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip()


async def _read(descriptor: int) -> bytes:
    """Read what there is, in a thread of its own.

    At its end, the loop would wait for a thread of its pool, and a pipe or a terminal may have
    nothing to say for hours. A daemon is left behind. It reads past `sys.stdin`, whose lock it
    would take with it.
    """
    chunk: Future[bytes] = Future()
    chunk.set_running_or_notify_cancel()

    def read() -> None:
        try:
            chunk.set_result(os.read(descriptor, _CHUNK))
        except OSError as error:
            chunk.set_exception(error)

    threading.Thread(target=read, daemon=True).start()
    return await asyncio.wrap_future(chunk)


# Provisioning


@contextmanager
def _progress(text: str) -> Generator[Callable[[NetworkConnector], None]]:
    """Show on a terminal how long something takes, and in which state the connector is."""
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(escape(text), state="")
        yield lambda connector: progress.update(task, state=_shown_state(connector))


def _shown_state(connector: NetworkConnector) -> str:
    """The state, and how an update goes."""
    return " ".join(filter(None, (connector.state, connector.last_update_status)))


async def _or_failed(identifier: str, work: Awaitable[Result]) -> Result | Failed:
    """What the work results in; what is wrong with the set-up or the command is raised."""
    try:
        return await work
    except (ConfigurationError, CredentialsError, ParameterError):
        raise
    except LambdaCoreError as error:
        return Failed(identifier, error)


# Watching

_CHANGES: Final[Mapping[type[ConnectorChange], str]] = {
    ConnectorAdded: "added",
    ConnectorStateChanged: "state changed",
    ConnectorUpdated: "updated",
    ConnectorDeleted: "deleted",
}
#: So many of the latest changes are marked in the table.
_LATEST: Final = 10

Show: TypeAlias = Callable[[ConnectorChange, Iterable[NetworkConnectorSummary]], None]


@contextmanager
def _picture(output: WatchOutput) -> Generator[Show]:
    """What shows each change: a live table on a terminal, lines elsewhere."""
    console = _StandardOutput()
    if output is WatchOutput.JSONL or not console.is_terminal:
        yield lambda change, _: print(_line_of(change, output), flush=True)
        return
    latest: dict[str, str] = {}
    with Live(console=console, auto_refresh=False) as live:

        def show(change: ConnectorChange, connectors: Iterable[NetworkConnectorSummary]) -> None:
            latest.pop(change.connector.id, None)
            latest[change.connector.id] = _CHANGES[type(change)]
            for forgotten in list(latest)[:-_LATEST]:
                del latest[forgotten]
            rows = [
                {**_summary_row(each), "Change": latest.get(each.id, "")}
                for each in sorted(connectors, key=lambda each: each.name)
            ]
            live.update(_table(rows, console.width) if rows else Text("none"), refresh=True)

        yield show


def _line_of(change: ConnectorChange, output: WatchOutput) -> str:
    connector = change.connector
    if output is WatchOutput.JSONL:
        return json.dumps({"change": _CHANGES[type(change)], "connector": to_dict(connector)})
    return f"{connector.name} {connector.state or ''} {_CHANGES[type(change)]}"


# The demo and the embedded service


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
#: For so many connectors, the demo also asks for one that does not exist.
_PER_MISSING: Final = 25


def _seed(service: LocalLambdaCore, count: int) -> list[NetworkConnector]:
    """Put connectors into the service, of all kinds; they stay as they are."""
    return [_put(service, number) for number in range(1, count + 1)]


def _put(service: LocalLambdaCore, number: int) -> NetworkConnector:
    cycle, place = divmod(number, _RARITY)
    kind = _USUAL if place else _RARE[cycle % len(_RARE)]
    return service.state.put_network_connector(
        f"egress-{number:04}",
        state=kind.state,
        state_reason_code=kind.reason_code,
        last_update_status=kind.update,
        last_update_status_reason_code=kind.update_reason_code,
        configuration=VpcEgressConfiguration(
            subnet_ids=[f"subnet-{number:04x}{zone}" for zone in "abc"[: 1 + number // 2 % 3]],
            security_group_ids=[f"sg-{number:04x}"],
            network_protocol=list(NetworkProtocol)[number % 4 // 3],
            associated_compute_resource_types=[list(ComputeResourceType)[number % 5 // 4]],
        ),
    )


def _demo_identifiers(service: LocalLambdaCore, count: int) -> list[str]:
    """Seed the service; IDs, names and ARNs of what it has, and of some that it has not."""
    seeded = _seed(service, count)
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


async def _demo(count: int, output: DemoOutput) -> int:
    service = LocalLambdaCore()
    identifiers = _demo_identifiers(service, count)
    async with service, service.client() as client:
        start = time.perf_counter()
        results = await _collect(client.lookup_network_connectors(identifiers), identifiers)
        seconds = time.perf_counter() - start
    found, failed = _found(results), _failed(results)
    states = Counter(str(connector.state) for connector in found)
    errors = Counter(_code(failure.error) for failure in failed)
    calls = service.calls.total()
    if output is DemoOutput.JSON:
        summary = {
            "identifiers": len(results),
            "found": len(found),
            "failed": errors,
            "states": states,
            "calls": calls,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(summary))
        return 0
    console = _StandardOutput()
    console.print(f"Of {len(found)} connectors found, one of each kind:\n")
    console.print(_table(_one_of_each(found), console.width))
    console.print()
    for label, text in (
        ("Found", f"{len(found)}: {_listed(states)}"),
        ("Failed", f"{len(failed)}: {_listed(errors)}"),
        ("Calls", f"{calls} in {seconds:.2f} s, {calls / seconds:,.0f} a second"),
    ):
        console.print(Text.assemble((f"{label:<8}", "bold"), text))
    return 0


async def _local(port: int, region: str, count: int, provisioning_seconds: float) -> int:
    service = LocalLambdaCore(region=region, port=port, provisioning_seconds=provisioning_seconds)
    _seed(service, count)
    async with service:
        print(_welcome(service), flush=True)
        forever: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await forever


def _welcome(service: LocalLambdaCore) -> str:
    """What to paste into another shell; it is a script as it stands."""
    variables = {
        "AWS_ENDPOINT_URL_LAMBDA_CORE": service.endpoint_url,
        "AWS_REGION": service.region,
        "AWS_DEFAULT_REGION": service.region,
        "AWS_ACCESS_KEY_ID": service.credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": service.credentials.secret_access_key,
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())
    return f"""\
# Lambda Core in {service.region}, in memory, until Ctrl-C. Paste this into another shell:
{exports}
unset AWS_SESSION_TOKEN
# and then, for example:
#   aws lambda-core list-network-connectors
#   python -c "import boto3; print(boto3.client('lambda-core').list_network_connectors())\""""


# What is printed


def _found(results: Iterable[Lookup]) -> list[NetworkConnector]:
    return [result.connector for result in results if isinstance(result, Found)]


def _failed(results: Iterable[Lookup]) -> list[Failed]:
    return [result for result in results if isinstance(result, Failed)]


def _code(error: LambdaCoreError) -> str:
    """The service's code, or what this library calls an error of its own."""
    return error.code if isinstance(error, ApiError) else type(error).__name__


def _message(error: Exception) -> str:
    """An error's text without the operation, the status and so on."""
    if isinstance(error, ApiError):
        return error.message
    if isinstance(error, WaiterFailedError) and error.cause is not None:
        return f"{error.args[0]} {error.cause.remedy}"
    return str(error.args[0]) if isinstance(error, LambdaCoreError) else str(error)


def _as_json(result: Lookup) -> dict[str, JSONValue]:
    if isinstance(result, Found):
        return {"identifier": result.identifier, "connector": to_dict(result.connector)}
    error = result.error
    return {
        "identifier": result.identifier,
        "error": {
            "code": _code(error),
            "message": _message(error),
            "request_id": getattr(error, "request_id", None),
        },
    }


class _StandardOutput(Console):
    """Standard output; where it is no terminal, a row is one line, however long."""

    def __init__(self) -> None:
        super().__init__(highlight=False)
        if not self.is_terminal:
            self.width = _UNBOUNDED

    def on_broken_pipe(self) -> None:
        """Leave it to `_run`; rich would exit with a status that means something else here."""
        raise


def _show_rows(results: list[Lookup]) -> None:
    """Print a row for each connector, and then the failures."""
    console = _StandardOutput()
    if found := _found(results):
        console.print(_table([_row(connector) for connector in found], console.width))
        console.print()
    _show_failures(console, results)


def _show_all(results: list[Lookup]) -> None:
    """Print all members of each connector by their names on the wire, and then the failures."""
    console = _StandardOutput()
    for connector in _found(results):
        members = Table.grid(padding=(0, 2))
        for name, value in _flat(to_dict(connector)):
            members.add_row(Text(name, style="bold"), _cell(value))
        console.print(members)
        console.print()
    _show_failures(console, results)


def _show_failures(console: Console, results: list[Lookup]) -> None:
    rows = [
        {
            "Failed": failure.identifier,
            "Error": _code(failure.error),
            "Message": _message(failure.error),
        }
        for failure in _failed(results)
    ]
    if rows:
        console.print(_table(rows, console.width))


def _one_of_each(connectors: Iterable[NetworkConnector]) -> list[dict[str, str]]:
    """A row for each kind of connector: the first of its kind, and how many there are."""
    kinds: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in map(_row, connectors):
        kind = (row["State"], row["Last update"], row["Reason code"], row["Protocol"] and "any")
        kinds.setdefault(kind, []).append(row)
    return [{**kinds[kind][0], "Like it": str(len(kinds[kind]))} for kind in sorted(kinds)]


def _row(connector: NetworkConnector) -> dict[str, str]:
    """What a table tells of a connector, by column."""
    vpc = connector.configuration
    if not isinstance(vpc, VpcEgressConfiguration):
        vpc = VpcEgressConfiguration()
    return {
        "Name": connector.name,
        "State": connector.state or "",
        "Last update": connector.last_update_status or "",
        "Reason code": (
            connector.state_reason_code or connector.last_update_status_reason_code or ""
        ),
        "Protocol": vpc.network_protocol or "",
        "Subnets": str(len(vpc.subnet_ids)) if vpc.subnet_ids else "",
    }


def _summary_row(connector: NetworkConnectorSummary) -> dict[str, str]:
    """What a table tells of a connector that was listed, by column."""
    modified = connector.last_modified
    return {
        "Name": connector.name,
        "Id": connector.id,
        "State": connector.state or "",
        "Version": "" if connector.latest_version is None else str(connector.latest_version),
        "Last modified": "" if modified is None else f"{modified:%Y-%m-%d %H:%M:%S}",
    }


def _table(rows: list[dict[str, str]], width: int) -> Table:
    columns = [name for name in rows[0] if width >= _WIDE or name not in _LUXURIES]
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        table.add_column(name, justify="right" if name in _COUNTS else "left")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    return table


def _cell(value: str) -> Text:
    """A value as it is: what looks like markup is none."""
    return Text(value, style=_STYLES.get(value, ""), overflow="fold")


def _flat(value: JSONValue, path: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a JSON value, each with the path that leads to it."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _flat(member, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield path, ", ".join(str(item) for item in value)
    else:
        yield path, str(value)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"
