"""The tree of commands, without the commands: each is imported when it runs or shows its help."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final, NamedTuple, Protocol, runtime_checkable

import typer
from typer.core import TyperCommand
from typer.main import get_command

from lambdacore_async_command.help import Command, Group


class Place(NamedTuple):
    """A command or a group of commands.

    Attributes:
        place: its module in `lambdacore_async.cli` and the name of its function there, or of its
            `typer.Typer`.
        help: its line in the list of commands.
    """

    place: str
    help: str


#: All commands by name, in the order of the help.
COMMANDS: Final = {
    "get": Place("lookups:get", "Show every field of network connectors."),
    "list": Place("lookups:list_connectors", "List the network connectors in the region."),
    "lookup": Place("lookups:lookup", "Look up connectors named in a file, many at a time."),
    "export": Place("export:export", "Write all connectors with their configurations to a file."),
    "ensure": Place("provisioning:ensure", "Create or update a connector and wait for it."),
    "create": Place("operations:create", "Create a network connector."),
    "update": Place("operations:update", "Update a network connector."),
    "delete": Place("provisioning:delete", "Delete a network connector."),
    "diff": Place("declarations:diff", "Compare connectors with the file that declares them."),
    "wait": Place("waiting:wait", "Wait until a connector is active, updated or deleted."),
    "watch": Place("waiting:watch", "Watch network connectors for changes."),
    "doctor": Place("doctor:doctor", "Explain why a connector is stuck or failed."),
    "prune": Place("declarations:prune", "Delete old versions of a connector."),
    "versions": Place("operations:versions", "List the versions of a connector."),
    "tags": Place("operations:tags", "Tags of connectors and runtimes."),
    "runtimes": Place("operations:runtimes", "Runtimes, their versions and aliases."),
    "demo": Place("service:demo", "Run a demo, without an AWS account."),
    "local": Place("service:local", "Run a local emulator of AWS Lambda Core."),
}


@runtime_checkable
class _UsageError(Protocol):
    """An error of typer or click; their classes share no public base class."""

    message: str


class _Converter:
    """Converts texts and choices as typer does, and leaves other values to typer.

    To convert any value, typer imports pydantic, which takes a fifth of the CPU of `get`.

    Args:
        of_typer: returns typer's converter.
        kind: the type of the values.
    """

    def __init__(self, of_typer: Callable[[], Any], kind: Any) -> None:
        self._of_typer = of_typer
        self._kind = kind

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value of a parameter; `None` stands for a value that is not given."""
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if self._kind is str:
            return value
        if self._kind == list[str]:
            return list(value)
        if isinstance(self._kind, type) and issubclass(self._kind, Enum):
            with suppress(ValueError):  # typer ignores the case, and says what is wrong
                return self._kind(value)
        return self._of_typer().coerce(value, param=param, ctx=ctx)


def _without_pydantic(parameters: list[Any]) -> list[Any]:
    for each in parameters:
        of_typer: Any = getattr(each, "get_runtime_param", None)  # typer 0.29 and later
        if of_typer is not None and not isinstance(of_typer, partial):
            each.get_runtime_param = partial(_Converter, of_typer, each.type_descriptor.annotation)
    return parameters


class _Command(Command):
    """A command that converts its values without pydantic where it can."""

    def get_params(self, ctx: Any) -> Any:
        return _without_pydantic(super().get_params(ctx))


class _Commands(Group):
    """The group of all commands; it escapes the messages that typer itself prints."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer passes it
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer passes it
        """Return a stand-in, which is enough for the help and the completion of names."""
        command = COMMANDS.get(cmd_name)
        return None if command is None else TyperCommand(cmd_name, help=command.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and ctx.resilient_parsing:
            from lambdacore_async_command.completion import for_completion

            return name, for_completion(str(name), rest, load), rest
        return name, command and load(str(name)), rest

    def main(self, *args: Any, **options: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # some encodings lack the characters of names
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)

    def get_params(self, ctx: Any) -> Any:
        return _without_pydantic(super().get_params(ctx))

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _escaped_usage_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_usage_errors():
            return super().invoke(ctx)


def load(name: str) -> Any:
    """Import a command and return it as typer runs it."""
    module, _, attribute = COMMANDS[name].place.partition(":")
    found = getattr(import_module(f"lambdacore_async.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        group = typer.Typer(rich_markup_mode=None, add_completion=False)
        group.command(name, cls=_Command, context_settings=SETTINGS)(found)
        found = group
    return get_command(found)


@contextmanager
def _escaped_usage_errors() -> Generator[None]:
    try:
        yield
    except Exception as error:
        # The help of a command without arguments is an error too.
        if isinstance(error, _UsageError) and type(error).__name__ != "NoArgsIsHelpError":
            from lambdacore_async.cli.tables import printable  # too slow to import for the help

            # Typer itself would write UTF-8 to a stream in ASCII.
            encoding = sys.stderr.encoding
            text = error.message.replace("Value error, ", "")  # words of pydantic
            message = printable(text).encode(encoding, "backslashreplace")
            error.message = message.decode(encoding)
        raise


SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app: typer.Typer = typer.Typer(
    cls=_Commands,
    help="""Look up, provision and watch AWS Lambda Core network connectors; run a local emulator.

Examples:
    lambdacore list --state failed
    lambdacore get prod-egress
    lambdacore ensure prod-egress --network-protocol DualStack --dry-run
    lambdacore get --help                  # each command has examples""",
    no_args_is_help=True,
    context_settings=SETTINGS,
    # Rich's help takes half as much time again, and breaks the lines of examples.
    rich_markup_mode=None,
    # Typer's tracebacks would show the values of local variables, credentials included.
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer's calling convention
    if requested:
        from importlib.metadata import version  # only this line needs it

        print(f"lambdacore-async {version('lambdacore-async')}")
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
