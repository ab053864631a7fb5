"""The help of commands: what they do, examples, options and exit statuses.

A command's docstring ends with the section `Examples:`. Its arguments and options have metavars in
capitals, because typer would show the names of Python's types.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from typer.core import TyperCommand, TyperGroup

#: Options of most commands. They are listed last.
_COMMON: Final = frozenset(
    {
        *("--region", "--regions", "--profile", "--profiles", "--endpoint-url"),
        *("--timeout", "--max-attempts", "--debug", "--help"),
    }
)
#: Maximum width of the column of options, in characters.
_WIDEST: Final = 26
_MORE: Final = (
    (
        "Exit status",
        "0 success, 1 something failed, 2 wrong usage or set-up, 3 the service or network failed",
    ),
    (
        "Documentation",
        "docs/command-line.md and docs/command-line-reference.md in the sources",
    ),
)

Row: TypeAlias = tuple[str, str]
"""A term and its description."""


class _Help:
    """Writes the help of typer's commands and groups."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help; click calls it."""
        command: Any = self
        command.format_usage(ctx, formatter)
        text, _, examples = (command.help or "").partition("\n\nExamples:\n")
        for paragraph in text.split("\n\n"):
            formatter.write("".join(f"\n{line}" for line in _wrapped(paragraph, formatter.width)))
            formatter.write("\n")
        if examples:
            formatter.write(f"\nExamples:\n{textwrap.indent(textwrap.dedent(examples), '  ')}\n")
        for title, rows in _sections(command, ctx):
            if rows:
                formatter.write("\n".join(("", f"{title}:", *_lines(rows, formatter.width), "")))


class Command(_Help, TyperCommand):
    """A command with examples in its help."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the usage after the name; click calls it."""
        pieces = ["[OPTIONS]"]
        for each in self.get_params(ctx):
            if each.param_type_name == "argument":
                piece = f"{_value(each)}{'...' if each.nargs == -1 else ''}"
                pieces.append(piece if each.required else f"[{piece}]")
        return pieces


class Group(_Help, TyperGroup):
    """A group of commands with examples in its help."""


def _sections(command: Any, ctx: Any) -> Iterator[tuple[str, list[Row]]]:
    if isinstance(command, TyperGroup):
        names = command.list_commands(ctx)
        commands: list[Any] = [command.get_command(ctx, name) for name in names]
        yield "Commands", [(each.name, each.get_short_help_str(99)) for each in commands]
    parameters: list[Any] = command.get_params(ctx)
    arguments = [each for each in parameters if each.param_type_name == "argument"]
    common: list[Any] = [each for each in parameters if _COMMON.intersection(each.opts)]
    options = [each for each in parameters if each not in arguments and each not in common]
    if len(common) < 3:  # not worth a section
        options, common = [*options, *common], []
    yield "Arguments", [(_value(each), each.help or "") for each in arguments]
    yield "Options", [_row(each) for each in options]
    yield "Common options", [_row(each) for each in common]
    yield "More", list(_MORE)


def _value(parameter: Any) -> str:
    """Return the name of a parameter's value."""
    value: str = parameter.metavar or parameter.name.upper()
    return value


def _row(option: Any) -> Row:
    """Return an option's names with its metavar, and its description with its default."""
    names, default = ", ".join(sorted(option.opts, key=len)), option.default
    if option.secondary_opts:
        names = f"{names} / {option.secondary_opts[0]}"
        default = (option.opts if default else option.secondary_opts)[0]
    elif not option.is_flag:
        names = f"{names} {_value(option)}"
    notes = [f"[env: {option.envvar}]"] if option.envvar else []
    if option.required:
        notes.append("[required]")
    elif isinstance(default, str | float | int) and not isinstance(default, bool):
        notes.append(f"[default: {default if isinstance(default, str) else f'{default:g}'}]")
    return names, " ".join((option.help or "", *notes))


def _lines(rows: list[Row], width: int) -> Iterator[str]:
    """Yield the lines of a list of terms; a wide term has a line for itself."""
    column = max(len(term) for term, _ in rows if len(term) <= _WIDEST)
    for term, description in rows:
        indent = " " * (column + 4)
        lines = _wrapped(description, width, indent) or [""]
        if len(term) <= column:
            lines[0] = f"  {term:<{column}}  {lines[0].strip()}"
        else:
            yield f"  {term}"
        yield from lines


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    # Words with hyphens are names of options and connectors.
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
