"""The partial file of an export: its results so far, from which another run continues.

It is a file of JSON lines next to the export. The first line has the options. Each of the others is
a connector, or an account and region that is finished. A run that was killed leaves at most one
incomplete line, at the end, which the next run removes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from attrs import field, frozen

from lambdacore_async.cli.targets import members_of
from lambdacore_async.errors import ConfigurationError
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.protocol.reading import is_object
from lambdacore_async.workflows.targets import Target
from lambdacore_async_command.streams import naming

_HEAD: Final = b'{"lambdacore export": 1, '
_FINISHED: Final = "Finished"
#: A profile, if the export names profiles, and a region.
_Place = tuple[JSONValue, JSONValue]


@frozen
class Journal:
    """An open partial file, which no other process can open at the same time."""

    began: str
    """When the export began, as in RFC 3339."""
    count: int
    """The number of connectors that earlier runs got."""
    _path: Path = field(alias="path")
    _file: BinaryIO = field(alias="file", repr=False)
    _ids: dict[_Place, set[JSONValue]] = field(alias="ids", repr=False)
    _finished: set[_Place] = field(alias="finished", repr=False)
    _accounts: dict[JSONValue, str] = field(alias="accounts", repr=False)

    def is_finished(self, target: Target) -> bool:
        """Return whether earlier runs got all connectors of a target."""
        return _place(members_of(target)) in self._finished

    def has(self, target: Target, connector_id: str) -> bool:
        """Return whether an earlier run got a connector."""
        return connector_id in self._ids.get(_place(members_of(target)), ())

    def check_account(self, target: Target, arn: str) -> None:
        """Check that a connector is in the account of those that earlier runs got.

        The keys of a profile, or of the environment, may now be those of another account.

        Raises:
            ConfigurationError: if it is not.
        """
        account = _account_of(arn)
        theirs = self._accounts.get(target.label, account)
        if account is not None and theirs != account:
            raise _other(self._path, "account", theirs, account)

    def add(self, record: Mapping[str, JSONValue]) -> None:
        """Append a connector, with the members of its target."""
        self._append(record)

    def finish(self, target: Target) -> None:
        """Record that all connectors of a target are there."""
        self._append({_FINISHED: members_of(target)})

    def records(self) -> Iterator[Mapping[str, JSONValue]]:
        """Yield all connectors."""
        with self._path.open("rb") as lines:
            next(lines)
            for line in lines:
                record = json.loads(line)
                if _FINISHED not in record:
                    yield record

    def _append(self, value: Mapping[str, JSONValue]) -> None:
        with naming(self._path):
            self._file.writelines([json.dumps(value).encode(), b"\n"])
            self._file.flush()  # to survive the end of the process


@contextmanager
def opened(
    path: Path, options: Mapping[str, JSONValue], now: datetime, *, restart: bool
) -> Generator[Journal]:
    """Open the partial file of an export, or create it.

    Args:
        path: the path of the partial file.
        options: the options of the export. A name that is missing, here or in the file, agrees.
        now: the time.
        restart: whether to discard what earlier runs got.

    Raises:
        ConfigurationError: if the file is of an export with other options, is of another program,
            or is in use by another process.
        OSError: if the file cannot be read or written.
    """
    path.touch()
    with path.open("r+b") as file:
        _lock(file, path)
        began, end = now.isoformat(timespec="seconds").replace("+00:00", "Z"), 0
        ids: dict[_Place, set[JSONValue]] = {}
        finished: set[_Place] = set()
        accounts: dict[JSONValue, str] = {}
        with path.open("rb") as lines:
            head = b"" if restart else next(lines, b"")
            if head.endswith(b"\n"):
                began = _began(path, head, options)
                end = len(head)
                for line in lines:
                    if (record := _record(line)) is None:
                        break  # and get the rest again
                    end += len(line)
                    if is_object(done := record.get(_FINISHED)):
                        finished.add(_place(done))
                    else:
                        ids.setdefault(_place(record), set()).add(record["Id"])
                        if account := _account_of(str(record.get("Arn"))):
                            accounts[record.get("Profile")] = account
            elif not (head.startswith(_HEAD) or _HEAD.startswith(head)):
                raise _foreign(path)
        file.truncate(end)
        file.seek(end)
        if not end:
            values = json.dumps({"began": began, "options": options})
            with naming(path):
                file.writelines([_HEAD, values[1:].encode(), b"\n"])
                file.flush()
        yield Journal(began, sum(map(len, ids.values())), path, file, ids, finished, accounts)


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes from the file until it is closed."""
    if sys.platform != "win32":  # which has other locks, and exports from one process as well
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"{path}: another export is writing this file; wait for its end"
            ) from None


def _began(path: Path, head: bytes, options: Mapping[str, JSONValue]) -> str:
    """Return when the export of a header began, if it has these options."""
    if not head.startswith(_HEAD):
        raise _foreign(path)
    try:
        header = json.loads(head)
    except ValueError:
        raise _foreign(path) from None
    for name, value in options.items():
        if (theirs := header["options"].get(name, value)) != value:
            raise _other(path, name, theirs, value)
    return str(header["began"])


def _other(path: Path, name: str, theirs: JSONValue, ours: JSONValue) -> ConfigurationError:
    return ConfigurationError(
        f"{path}: is of an export with other {name}: {_shown(theirs)}, not {_shown(ours)}; use the "
        "same options and environment, or --restart to discard it"
    )


def _foreign(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path}: is not a partial export; move it, or choose another FILE")


def _shown(value: JSONValue) -> str:
    if value is None:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _account_of(text: str) -> str | None:
    """Return the account of an ARN, if it is the ARN of an account's resource."""
    arn = parse_arn(text)
    return arn.account if arn is not None and arn.account.isdecimal() else None


def _record(line: bytes) -> Mapping[str, JSONValue] | None:
    """Return the record of a whole line, or `None` if the line is damaged."""
    if not line.endswith(b"\n"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if is_object(record) and ("Id" in record or _FINISHED in record) else None


def _place(members: Mapping[str, JSONValue]) -> _Place:
    return members.get("Profile"), members.get("Region")
