"""Commands that are one operation each, made from the table of operations.

An operation's members in the path, and the name of what it creates, become arguments; its other
members become options. `--cli-input-json` and `--generate-cli-skeleton` work as in the AWS CLI.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import typer
from attrs import fields

from lambdacore_async.cli import printing
from lambdacore_async.cli.connection import Connection, connected
from lambdacore_async.cli.options import (
    Columns,
    Format,
    FormatOption,
    Query,
    Sort,
    Yes,
    tags_of,
)
from lambdacore_async.cli.running import run
from lambdacore_async.cli.texts import read_text
from lambdacore_async.cli.views import View, show_all, text_of
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.operations import OPERATIONS
from lambdacore_async.protocol.operations.rows import TAGS
from lambdacore_async.protocol.reading import (
    is_list,
    is_model,
    is_object,
    is_open_enum,
    is_open_union,
    union_members,
    wire_name,
)
from lambdacore_async.protocol.restjson import ListOperation, Member, Operation
from lambdacore_async.protocol.writing import to_dict
from lambdacore_async_command.help import Command, Group

#: Columns of tables, by family.
_CONNECTOR_VERSIONS: Final = ("Version", "State", "StateReasonCode", "LastModified", "Arn")
_RUNTIMES: Final = ("Name", "State", "LastModified", "Description")
_VERSIONS: Final = ("Name", "State", "LastModified", "ResolvedUri")
_ALIASES: Final = ("Name", "RuntimeVersion", "State", "LastModified")

_HELPS: Final = {
    "OperatorRole": "ARN of the role with which Lambda manages the network interfaces.",
    "Configuration": "Configuration as JSON, or file://PATH.",
    "ReleaseLifecycle": "Release state and dates as JSON, or file://PATH.",
    "ClientToken": "Idempotency token; a new one for each command by default.",
    "Tags": "Tag of the resource; repeatable.",
    "TagKeys": "Keys of the tags to remove.",
    "State": "List only resources in this state",
    "RecoveryWindowInDays": "Days until it is deleted, 7 to 30.",
    "ImageUri": "URI of the image.",
    "Description": "Description of the resource.",
    "LicenseInfo": "License of the runtime.",
    "ReleaseNotes": "Release notes.",
    "DryRun": "Check the image, create nothing.",
    "RuntimeVersion": "Name of the runtime's version.",
    "RuntimeAlias": "Name of the runtime's alias.",
    "RuntimeName": "Name or ARN of the runtime.",
    "Identifier": "ID, name or ARN of the connector.",
    "Resource": "ARN of the resource.",
    "Name": "Name of the resource.",
}
#: Names of options' values in the help.
_METAVARS: Final = {
    "OperatorRole": "ARN",
    "ImageUri": "URI",
    "RuntimeVersion": "NAME",
    "State": "STATE",
    "ClientToken": "TOKEN",
}
_DONE: Final = {"Delete": "deletion started:", "Tag": "tagged:", "Untag": "untagged:"}


def command_of(
    name: str, summary: str, *examples: str, columns: tuple[str, ...] = ()
) -> Callable[..., None]:
    """Return the function of an operation's command.

    Args:
        name: the operation's name.
        summary: what the command does, in a sentence.
        examples: lines of a shell.
        columns: the members in tables.
    """
    operation = OPERATIONS[name]
    members = _inputs(operation)

    def command(connection: Connection, **given: Any) -> None:
        if given["generate_cli_skeleton"]:
            printing.json_document({wire_name(each.name): skeleton(each.kind) for each in members})
            return
        data = _read_json("--cli-input-json", given["cli_input_json"]) or {}
        inputs = _checked(members, data)
        for member in members:
            value = _from_option(member, given[member.name])
            if value is not None:
                inputs[member.name] = value
            elif member.required and inputs.get(member.name) is None:
                raise typer.BadParameter(
                    "required, here or in --cli-input-json", param_hint=_hint(member)
                )
        view = View(given["output"], given["query"], given["columns"], given["sort"])
        target = " ".join(text_of(inputs[place]) for place in _places(members) if place in inputs)
        if name.startswith("Delete") and not printing.agrees(f"Delete {target}?", yes=given["yes"]):
            raise typer.Abort

        async def work() -> int:
            arguments = operation.parse_members(inputs)
            async with connection.client() as client:
                method: Callable[..., Any] = getattr(client, _snake(name))
                if isinstance(operation, ListOperation):
                    await show_all(method(**arguments), view, columns, given["limit"])
                    return 0
                calling: Awaitable[Any] = method(**arguments)
                result = await calling
            if result is None:
                printing.log(_DONE[re.findall("[A-Z][a-z]*", name)[0]], target)
            else:
                view.show(result if is_object(result) else to_dict(result), columns)
            return 0

        run(work())

    _sign(command, operation, members)
    command.__doc__ = "\n".join((summary, "", "Examples:", *(f"    {line}" for line in examples)))
    return connected(command)


def skeleton(kind: Any) -> JSONValue:
    """Return an example of the JSON of a type, with all its members."""
    if kind is TAGS:
        return {"KeyName": ""}
    if is_list(kind):
        return [skeleton(get_args(kind)[0])]
    if is_open_union(kind):
        return {member.__name__: skeleton(member) for member in union_members(kind)}
    if get_origin(kind) in (Union, UnionType):  # an enum or `UnknownValue`, or `X | None`
        return skeleton(get_args(kind)[0])
    if is_model(kind):
        hints = get_type_hints(kind)
        return {
            wire_name(each.name): skeleton(hints[each.name])
            for each in fields(kind)
            if each.name != "extra"
        }
    if issubclass(kind, Enum):
        return str(next(iter(kind)))
    values: dict[type, JSONValue] = {str: "", int: 0, bool: True}
    return values[kind]


def _inputs(operation: Operation[Any]) -> list[Member]:
    """Return the members that a command takes; it reads all pages of a listing by itself."""
    paging = (
        (operation.input_token, operation.page_size) if isinstance(operation, ListOperation) else ()
    )
    return [member for member in operation.members if member.name not in paging]


def _places(members: list[Member]) -> list[str]:
    """Return the names of the members that are arguments, in their order."""
    return [member.name for member in members if member.identifies or (is_list(member.kind))]


def _sign(command: Callable[..., None], operation: Operation[Any], members: list[Member]) -> None:
    """Give the command's function the parameters that typer reads."""
    places = _places(members)
    annotations: dict[str, Any] = {"connection": Connection} | {
        member.name: _annotation(member, is_argument=member.name in places) for member in members
    }
    if isinstance(operation, ListOperation):
        annotations["limit"] = Annotated[
            int | None,
            typer.Option(metavar="N", min=1, help="Maximum number of resources. Defaults to all."),
        ]
    if operation.name.startswith("Delete"):
        annotations["yes"] = Yes
    annotations |= {
        "cli_input_json": Annotated[
            str | None,
            typer.Option(
                metavar="JSON",
                help="Members as JSON, or file://PATH; arguments and options take precedence.",
            ),
        ],
        "generate_cli_skeleton": Annotated[
            bool,
            typer.Option(
                "--generate-cli-skeleton",
                help="Print a template for --cli-input-json and exit.",
            ),
        ],
        "output": FormatOption,
        "query": Query,
        "columns": Columns,
        "sort": Sort,
    }
    defaults: dict[str, object] = {
        "output": Format.TABLE, "generate_cli_skeleton": False, "yes": False
    }  # fmt: skip
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name),
                annotation=annotation,
            )
            for name, annotation in annotations.items()
        ]
    )
    command.__annotations__ = annotations


def _annotation(member: Member, *, is_argument: bool) -> Any:
    text = _HELPS[wire_name(member.name)]
    if is_argument:
        kind: Any = list[str] if is_list(member.kind) else str
        return Annotated[kind | None, typer.Argument(metavar=_metavar(member), help=text)]
    if member.kind is TAGS:
        return Annotated[list[str] | None, typer.Option("--tag", metavar="KEY=VALUE", help=text)]
    kind = member.kind if member.kind in (int, bool) else str
    if is_open_enum(member.kind):
        text = f"{text}: {', '.join(get_args(member.kind)[0])}."
    return Annotated[kind | None, typer.Option(metavar=_metavar_of_option(member), help=text)]


def _metavar(member: Member) -> str:
    return member.name.upper().removesuffix("S") if is_list(member.kind) else member.name.upper()


def _metavar_of_option(member: Member) -> str:
    if is_model(member.kind) or is_open_union(member.kind):
        return "JSON"
    return "N" if member.kind is int else _METAVARS.get(wire_name(member.name), "TEXT")


def _hint(member: Member) -> str:
    if member.kind is TAGS:
        return "--tag"
    in_place = member.identifies or is_list(member.kind)
    return _metavar(member) if in_place else f"--{member.name.replace('_', '-')}"


def _from_option(member: Member, value: Any) -> Any:
    """Return the value of an argument or option as JSON; `None` if it is not given."""
    if value is None or value == []:
        return None
    if member.kind is TAGS:
        return tags_of(value)
    if is_model(member.kind) or is_open_union(member.kind):
        return _read_json(_hint(member), value)
    if is_open_enum(member.kind):
        known = {str(each).casefold(): str(each) for each in get_args(member.kind)[0]}
        return known.get(value.casefold(), value)
    return value


def _read_json(option: str, text: str | None) -> Mapping[str, JSONValue] | None:
    """Return a JSON object from text or from the file of `file://PATH`."""
    if text is None:
        return None
    try:
        if text.startswith("file://"):
            text = read_text(Path(text.removeprefix("file://")).expanduser())
        data = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"cannot be read: {error}", param_hint=option) from None
    if not is_object(data):
        raise typer.BadParameter("is not a JSON object", param_hint=option)
    return data


def _checked(members: list[Member], data: Mapping[str, JSONValue]) -> dict[str, Any]:
    names = {wire_name(member.name): member.name for member in members}
    for key in data:
        if key not in names:
            raise typer.BadParameter(
                f"unknown member {key!r}; expected {', '.join(names)}",
                param_hint="--cli-input-json",
            )
    return {names[key]: value for key, value in data.items()}


def _snake(name: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "_", name).lower()


def _group(summary: str, *examples: str, **commands: Callable[..., None]) -> typer.Typer:
    text = "\n".join((summary, "", "Examples:", *(f"    {line}" for line in examples)))
    group = typer.Typer(
        cls=Group, help=text, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )
    for name, command in commands.items():
        group.command(name, cls=Command)(command)
    return group


_ARN: Final = 'arn=$(lambdacore get prod-egress --query "[0].Arn" -o name)'

create: Callable[..., None] = command_of(
    "CreateNetworkConnector",
    "Create a network connector; `ensure` also waits until it is active.",
    "lambdacore create --generate-cli-skeleton",
    "lambdacore get prod-egress -o json > prod-egress.json \\",
    '    --query "[0].{Configuration: Configuration, OperatorRole: OperatorRole}"',
    "lambdacore create new-egress --cli-input-json file://prod-egress.json",
)
update: Callable[..., None] = command_of(
    "UpdateNetworkConnector",
    "Update a network connector; `ensure` also waits until it is updated.",
    "lambdacore update prod-egress \\",
    "    --operator-role arn:aws:iam::123456789012:role/NetworkConnectorOperator",
    "lambdacore update --generate-cli-skeleton",
)
versions: Callable[..., None] = command_of(
    "ListNetworkConnectorVersions",
    "List the versions of a network connector.",
    "lambdacore versions prod-egress",
    "lambdacore versions prod-egress --state failed -o json",
    columns=_CONNECTOR_VERSIONS,
)
tags: typer.Typer = _group(
    "Tags of network connectors and runtimes.",
    _ARN,
    'lambdacore tags add "$arn" --tag team=web',
    'lambdacore tags list "$arn"',
    list=command_of(
        "ListTags",
        "List the tags of a resource.",
        _ARN,
        'lambdacore tags list "$arn"',
        'lambdacore tags list "$arn" -o json',
    ),
    add=command_of(
        "TagResource",
        "Add tags, or replace their values.",
        _ARN,
        'lambdacore tags add "$arn" --tag team=web --tag stage=prod',
    ),
    remove=command_of(
        "UntagResource",
        "Remove tags.",
        _ARN,
        'lambdacore tags remove "$arn" team stage',
    ),
)
runtimes: typer.Typer = _group(
    "Runtimes, their versions and aliases.",
    "lambdacore runtimes list",
    "lambdacore runtimes get python",
    "lambdacore runtimes versions list python",
    list=command_of(
        "ListRuntimes",
        "List runtimes.",
        "lambdacore runtimes list",
        "lambdacore runtimes list -o name",
        columns=_RUNTIMES,
    ),
    get=command_of(
        "GetRuntime",
        "Show a runtime.",
        "lambdacore runtimes get python",
        "lambdacore runtimes get python -o json",
    ),
    create=command_of(
        "CreateRuntime",
        "Create a runtime.",
        'lambdacore runtimes create my-python --description "Python with our CA"',
        "lambdacore runtimes create --generate-cli-skeleton",
    ),
    update=command_of(
        "UpdateRuntime",
        "Update a runtime.",
        'lambdacore runtimes update python --description "Python with our CA"',
        "lambdacore runtimes update python \\",
        """    --release-lifecycle '{"ReleaseState": "PREVIEW"}'""",
    ),
    delete=command_of(
        "DeleteRuntime",
        "Schedule a runtime for deletion.",
        "lambdacore runtimes delete old-python --recovery-window-in-days 7",
        "lambdacore runtimes restore old-python",
    ),
    restore=command_of(
        "RestoreRuntime",
        "Restore a runtime, a version or an alias that is scheduled for deletion.",
        "lambdacore runtimes delete old-python",
        "lambdacore runtimes restore old-python",
    ),
)
_runtime_versions = _group(
    "Versions of a runtime.",
    "lambdacore runtimes versions list python",
    "lambdacore runtimes versions get python v1",
    list=command_of(
        "ListRuntimeVersions",
        "List versions.",
        "lambdacore runtimes versions list python",
        "lambdacore runtimes versions list python -o name",
        columns=_VERSIONS,
    ),
    get=command_of(
        "GetRuntimeVersion",
        "Show a version.",
        "lambdacore runtimes versions get python v1",
        "lambdacore runtimes versions get python v1 --query ResolvedUri",
    ),
    create=command_of(
        "CreateRuntimeVersion",
        "Create a version from an image.",
        "image=123456789012.dkr.ecr.us-east-1.amazonaws.com/python:3.14",
        'lambdacore runtimes versions create python v3 --image-uri "$image" --dry-run',
        'lambdacore runtimes versions create python v3 --image-uri "$image"',
    ),
    update=command_of(
        "UpdateRuntimeVersion",
        "Replace the release notes of a version.",
        'lambdacore runtimes versions update python v1 --release-notes "OpenSSL 3.5"',
    ),
    delete=command_of(
        "DeleteRuntimeVersion",
        "Schedule a version for deletion.",
        "lambdacore runtimes versions delete python v2",
    ),
)
_runtime_aliases = _group(
    "Aliases of a runtime's versions.",
    "lambdacore runtimes aliases list python",
    "lambdacore runtimes aliases get python live",
    list=command_of(
        "ListRuntimeAliases",
        "List aliases.",
        "lambdacore runtimes aliases list python",
        "lambdacore runtimes aliases list python -o json",
        columns=_ALIASES,
    ),
    get=command_of(
        "GetRuntimeAlias",
        "Show an alias.",
        "lambdacore runtimes aliases get python live",
        "lambdacore runtimes aliases get python live --query RuntimeVersion",
    ),
    create=command_of(
        "CreateRuntimeAlias",
        "Create an alias of a version.",
        "lambdacore runtimes aliases create python next --runtime-version v2",
    ),
    update=command_of(
        "UpdateRuntimeAlias",
        "Point an alias to another version.",
        "lambdacore runtimes aliases update python live --runtime-version v2",
    ),
    delete=command_of(
        "DeleteRuntimeAlias",
        "Schedule an alias for deletion.",
        "lambdacore runtimes aliases delete python live",
    ),
)
runtimes.add_typer(_runtime_versions, name="versions")
runtimes.add_typer(_runtime_aliases, name="aliases")
