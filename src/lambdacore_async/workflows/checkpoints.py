"""Checkpoints of sweeps: files that record which targets are done.

A checkpoint is a file of JSON lines. The first line identifies the sweep; a line follows for each
target that is done. Lines are only appended. A line that a crash has cut off matches no target, so
that target runs again. Results are not in the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from io import BufferedWriter
from pathlib import Path
from typing import Any, Final

from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.identity.providers import CredentialsLike, shown
from lambdacore_async.engine.threads import run_in_thread
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.sigv4 import Credentials
from lambdacore_async.workflows.targets import Target

_VERSION: Final = 1


class Checkpoint:
    """Records which targets of a sweep are done.

    Args:
        path: the file. It is created if it is missing or empty.
        work: the work of the sweep. The file names it, and cannot be used with other work.
        options: the options of the clients, with the default credentials of targets.
        targets: the targets of the sweep.

    Attributes:
        done_before: the number of targets that were done when the checkpoint was opened.

    Raises:
        ParameterError: if the path is not a path, or two targets would have the same line.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        work: Callable[..., object],
        options: ClientOptions,
        targets: Iterable[Target],
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise ParameterError("checkpoint", f"expected a path, got {type(path).__name__}")
        self.done_before: int = 0
        self._path = Path(path)
        self._header = {
            "lambdacore_sweep": _VERSION,
            "work": _name(work),
            "profile": options.profile,
            "credentials": _text(options.credentials),
            "endpoint_url": options.endpoint_url,
        }
        self._lines: dict[bytes, int] = {}
        for position, target in enumerate(targets):
            first = self._lines.setdefault(_line(target), position)
            if first != position:
                raise ParameterError(
                    f"targets[{position}]",
                    f"looks like targets[{first}] in a checkpoint; give each a label",
                )
        self._done: set[bytes] = set()

    async def open(self) -> None:
        """Read the file, or create it.

        Raises:
            ParameterError: if the file is not the checkpoint of this sweep.
            OSError: if the file cannot be read or written.
        """
        await run_in_thread(self._open)

    def __contains__(self, target: Target) -> bool:
        return _line(target) in self._done

    async def add(self, target: Target) -> None:
        """Record that a target is done; the line is on the disk when this returns.

        Raises:
            OSError: if the file cannot be written.
        """
        await run_in_thread(partial(self._append, _line(target)))

    def _open(self) -> None:
        path = self._path
        if not path.exists() or not path.stat().st_size:
            # The first line is complete or missing, because the file gets its name afterwards.
            new = path.with_name(f"{path.name}.new")
            with new.open("wb") as file:
                _write(file, _json(self._header))
            new.replace(path)
        lines = path.read_bytes().splitlines(keepends=True)
        self._check(lines[0])
        self._done = self._lines.keys() & set(lines)
        self.done_before = len(self._done)
        if not lines[-1].endswith(b"\n"):
            self._append(b"\n")

    def _check(self, line: bytes) -> None:
        try:
            header: Any = json.loads(line)
            version: object = header["lambdacore_sweep"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ParameterError(
                "checkpoint", f"{str(self._path)!r} is not the checkpoint of a sweep"
            ) from None
        if version != _VERSION:
            raise ParameterError(
                "checkpoint",
                f"{str(self._path)!r} has a version other than {_VERSION}; start with a new file",
            )
        for name, mine in self._header.items():
            theirs: object = header.get(name)
            if theirs != mine:
                raise ParameterError(
                    "checkpoint",
                    f"{str(self._path)!r} belongs to another sweep: its {name} is {theirs!r}, "
                    f"not {mine!r}; name another file",
                )

    def _append(self, line: bytes) -> None:
        with self._path.open("ab") as file:
            _write(file, line)


def _write(file: BufferedWriter, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _line(target: Target) -> bytes:
    """Return the line of a target. It holds no secret, and is equal in every process."""
    label = None if target.label is None else str(target.label)
    return _json(
        {"region": target.region, "label": label, "credentials": _text(target.credentials)}
    )


def _text(credentials: CredentialsLike | None) -> str | None:
    """Return the recipe of credentials; only the kind of keys, which may change between runs."""
    if credentials is None:
        return None
    return "Credentials" if isinstance(credentials, Credentials) else shown(credentials)


def _name(work: Callable[..., object]) -> str:
    """Return the name of a function, with a hash of the arguments that a `partial` adds."""
    if isinstance(work, partial):
        arguments = sha256(repr((work.args, work.keywords)).encode()).hexdigest()[:16]
        return f"{_name(work.func)}({arguments})"
    return shown(work)
