"""The `lambdacore` command line: `get`, `lookup`, `list`, `ensure`, `wait`, `watch` and more.

Results go to standard output, progress and errors to standard error. The exit status is 0 on
success, 1 if something failed (was not found, was refused, ended in a failed state), 2 for wrong
usage or set-up (a missing region or refused credentials, for example), 3 if the service or the
network failed, 130 after Ctrl-C, and 141 if standard output was closed.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperGroup

from lambdacore_async._version import VERSION
from lambdacore_async.cli import doctor, lookups, printing, provisioning, service, waiting


@runtime_checkable
class _UsageError(Protocol):
    """An error of typer or click; their classes share no public base class."""

    message: str


class _Commands(TyperGroup):
    """The group of all commands; it escapes the messages that typer itself prints."""

    def main(self, *args: Any, **options: Any) -> Any:
        printing.prepare_streams()
        return super().main(*args, **options)

    def make_context(self, *args: Any, **options: Any) -> Any:
        with _escaped_usage_errors():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_usage_errors():
            return super().invoke(ctx)


@contextmanager
def _escaped_usage_errors() -> Generator[None]:
    try:
        yield
    except Exception as error:
        if isinstance(error, _UsageError):
            error.message = printing.printable(error.message)
        raise


app: typer.Typer = typer.Typer(
    cls=_Commands,
    help="Look up, provision and watch AWS Lambda Core network connectors; run a local emulator.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    # Typer's tracebacks would show the values of local variables, credentials included.
    pretty_exceptions_enable=False,
)
app.command()(lookups.get)
app.command()(lookups.lookup)
app.command("list")(lookups.list_connectors)
app.command()(provisioning.ensure)
app.command()(provisioning.delete)
app.command()(waiting.wait)
app.command()(waiting.watch)
app.command()(doctor.doctor)
app.command()(service.demo)
app.command()(service.local)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer's calling convention
    if requested:
        printing.line(f"lambdacore-async {VERSION}")
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
