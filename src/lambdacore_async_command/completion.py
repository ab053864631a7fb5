"""Completes names of connectors and runtimes, regions, profiles and states in a shell.

A word is completed by a stand-in for its command, because the import of a command takes longer.
Names come from a file in the user's cache directory. If it is older than 30 seconds, one short
listing replaces it. Whatever goes wrong, completion prints no text.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from lambdacore_async_command.regions import REGIONS

#: Commands that have no values to complete.
_WITHOUT_VALUES: Final = ("demo", "local")
#: Commands with further commands. `tags` takes ARNs, which bash and zsh split at colons.
_GROUPS: Final = ("runtimes", "tags")
#: Commands whose only argument is the name of a connector, and commands that take any number.
_SINGLE: Final = ("doctor", "ensure", "prune", "update", "versions", "wait")
_NAMED: Final = (*_SINGLE, "get", "delete", "runtimes")
#: Arguments that are names, in the commands themselves.
_ARGUMENTS: Final = ("identifier", "identifiers", "name", "names")
_RUNTIME: Final = "runtime_name"
#: Commands that filter connectors by state.
_WITH_STATE: Final = ("list", "versions")
#: The states of connectors.
STATES: Final = ("PENDING", "ACTIVE", "INACTIVE", "FAILED", "DELETING", "DELETE_FAILED")

#: Characters of names that no shell interprets.
_SAFE: Final = re.compile(r"[\w.@+:/-]+", re.ASCII)
_PROFILE: Final = re.compile(r"^\[(?:profile\s+)?([^\s\]]+)\s*\]", re.MULTILINE)
#: Seconds for which listed names are used again.
_FRESH: Final = 30.0
#: Variables that tell which connectors are listed.
_VARIABLES: Final = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ENDPOINT_URL_LAMBDA_CORE",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)
#: The options of a listing.
_PLACE: Final = ("region", "profile", "endpoint_url")


def for_completion(name: str, words: list[str], load: Callable[[str], Any]) -> Any:
    """Return a command that completes values.

    Args:
        name: the command's name.
        words: the complete words after the name.
        load: imports the command itself.
    """
    if name in _WITHOUT_VALUES:
        return load(name)
    stand_in = _stand_in(name)
    completing = {param.name: param.shell_complete for param in stand_in.params}
    if name in _GROUPS:
        return _with_completion(load(name), {**completing, _RUNTIME: completing["names"]})
    known = {option for param in stand_in.params for option in param.opts}
    if all(word.partition("=")[0] in known for word in words if word.startswith("-")):

        def complete_options(ctx: Any, incomplete: str) -> Any:
            return load(name).shell_complete(ctx, incomplete)

        stand_in.shell_complete = complete_options
        return stand_in
    return _with_completion(
        load(name), {**completing, **dict.fromkeys(_ARGUMENTS, completing["names"])}
    )


def _with_completion(command: Any, completing: dict[str, Any]) -> Any:
    """Let a command, and the commands in it, complete these parameters."""
    for param in command.params:
        if param.name in completing:
            param.shell_complete = completing[param.name]
    for each in getattr(command, "commands", {}).values():
        _with_completion(each, completing)
    return command


def _stand_in(name: str) -> Any:
    """Return a command with only the options and arguments whose values are completed here."""
    values: dict[str, Callable[..., list[str]]] = {
        "region": _regions,
        "regions": _several(_regions),
        "profile": _profiles,
        "profiles": _several(_profiles),
        "endpoint_url": _nothing,
    }
    if name in _WITH_STATE:
        values["state"] = _states
    kinds: dict[str, Any] = {
        option: Annotated[str | None, typer.Option(autocompletion=complete)]
        for option, complete in values.items()
    }
    kinds["names"] = Annotated[
        (str if name in _SINGLE else list[str]) | None,
        typer.Argument(autocompletion=_names if name in _NAMED else _nothing),
    ]

    def command(**_: object) -> None: ...

    keyword = inspect.Parameter.KEYWORD_ONLY
    command.__annotations__ = kinds
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(key, keyword, default=None, annotation=kinds[key]) for key in kinds]
    )
    group = typer.Typer(add_completion=False)
    group.command(name, context_settings={"allow_extra_args": True})(command)
    return get_command(group)


def _nothing() -> list[str]:
    return []


def _regions() -> list[str]:
    return [region for regions in REGIONS.values() for region in regions]


def _states() -> list[str]:
    return list(STATES)


def _profiles() -> list[str]:
    found: list[str] = []
    for variable, default in (
        ("AWS_CONFIG_FILE", "~/.aws/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    ):
        with suppress(OSError, RuntimeError):  # RuntimeError if there is no home directory
            path = Path(os.environ.get(variable) or default).expanduser()
            found += _PROFILE.findall(path.read_text("utf-8-sig", errors="replace"))
    return _safe(found)


def _several(complete: Callable[[], list[str]]) -> Callable[[str], list[str]]:
    """Complete the last of several names with commas between them."""

    def last(incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        given = before.split(",")
        return [f"{before}{comma}{name}" for name in complete() if name not in given]

    return last


def _names(ctx: typer.Context) -> list[str]:
    """Return the names of connectors or runtimes, without those on the command line."""
    given = ctx.params.get("names") or ctx.params.get("identifiers") or ()
    names = _listed(
        [ctx.params.get(option) for option in _PLACE],
        is_runtime=any(param.name == _RUNTIME for param in ctx.command.params),
    )
    return [name for name in names if name not in given]


def _safe(names: Iterable[object]) -> list[str]:
    """Return the distinct names that cannot have a meaning for a shell or a terminal."""
    return [*dict.fromkeys(n for n in names if isinstance(n, str) and _SAFE.fullmatch(n))]


def _listed(place: list[str | None], *, is_runtime: bool) -> list[str]:
    """Return the names of a listing, from the cache if it is fresh."""
    key = json.dumps([is_runtime, *place, *(os.environ.get(name) for name in _VARIABLES)])
    name = hashlib.sha256(key.encode()).hexdigest()
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or "~/.cache"
    path = Path(os.path.expanduser(cache), "lambdacore-async", "completion", f"{name}.json")  # noqa: PTH111 - leaves `~` if there is no home directory
    with suppress(OSError, ValueError):
        if 0 <= time.time() - path.stat().st_mtime < _FRESH:
            return _safe(json.loads(path.read_bytes()))
    with _silence():
        from lambdacore_async.cli.completing import list_names

        names = _safe(list_names(*place, is_runtime=is_runtime))
    with suppress(OSError):
        _store(path, names)  # also if the listing has failed, so that the next word is quick
    return names


def _store(path: Path, names: list[str]) -> None:
    """Write a file that only the user can read, and delete old ones of other places."""
    import tempfile  # only a new listing needs it

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in path.parent.iterdir():
        if time.time() - other.stat().st_mtime >= _FRESH:
            other.unlink(missing_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - it is no path
        json.dump(names, file)
    Path(temporary).replace(path)


@contextmanager
def _silence() -> Generator[None]:
    """Discard standard error, also of processes that get credentials."""
    sys.stderr.flush()
    before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)
