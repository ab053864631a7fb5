"""Writes exported connectors as lines of JSON, as CSV, or as Parquet."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import Enum, StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, get_args, get_origin, get_type_hints

from attrs import fields

from lambdacore_async.cli.views import text_of
from lambdacore_async.errors import ConfigurationError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol.reading import (
    is_array,
    is_list,
    is_model,
    is_object,
    is_open_union,
    union_members,
    wire_name,
)
from lambdacore_async_command.streams import naming

Record: TypeAlias = Mapping[str, JSONValue]
"""A connector in the API's shape, with the members of its account and region."""
Columns: TypeAlias = Mapping[str, type]
"""The paths of members, and the types of their values: `str`, `int`, `datetime` or `list`."""
Write: TypeAlias = Callable[[Sequence[Record]], None]
"""A function that appends records to a file."""

#: Fields that are no members of the API.
_NOT_MEMBERS: Final = ("extra", "response_metadata")


class ExportFormat(StrEnum):
    """Format of an export."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


def columns_of(places: Sequence[str]) -> Columns:
    """Return the columns of CSV and Parquet: all members that the model of a connector has.

    Args:
        places: the members that tell the account and region.
    """
    return {**dict.fromkeys(places, str), **dict(_members(NetworkConnector))}


def _members(model: type, path: str = "") -> Iterator[tuple[str, type]]:
    hints = get_type_hints(model)
    for each in fields(model):
        if each.name not in _NOT_MEMBERS:
            yield from _columns(f"{path}{wire_name(each.name)}", hints[each.name])


def _columns(path: str, kind: Any) -> Iterator[tuple[str, type]]:
    if is_open_union(kind):
        yield path, str  # as JSON, also if it is a configuration of a newer service
        for member in union_members(kind):
            yield from _members(member, f"{path}.{member.__name__}.")
    elif is_list(kind):
        yield path, list
    elif get_origin(kind) is not None:  # an enum or `UnknownValue`, or `X | None`
        yield from _columns(path, get_args(kind)[0])
    elif is_model(kind):
        yield from _members(kind, f"{path}.")
    else:
        yield path, str if issubclass(kind, Enum) else kind


def _cell(record: Record, path: str) -> JSONValue:
    value: JSONValue = record
    for name in path.split("."):
        value = value.get(name) if is_object(value) else None
    return value


def csv_line(record: Record | None, columns: Columns) -> str:
    """Return a connector's row in CSV, or the header for `None`."""
    row = columns if record is None else [text_of(_cell(record, path)) for path in columns]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(map(escaped, row))
    return stream.getvalue()


def check_parquet() -> None:
    """Import what writes Parquet.

    Raises:
        ConfigurationError: if the extra `parquet` is not installed.
    """
    try:
        import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        problem = "pyarrow is not installed; run: pip install 'lambdacore-async[parquet]'"
        raise ConfigurationError(problem) from None


def problem_of(path: Path) -> str | None:
    """Return why no export can be written to a path: it is a device, or where the output goes."""
    if not path.exists():
        return None
    if not path.is_file():
        return "is no regular file"
    is_output = os.path.samestat(path.stat(), os.fstat(1))
    return "is where standard output goes" if is_output else None


def target_of(path: Path) -> Path:
    """Return the path that a symbolic link points to, or the path itself."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def mode_of(path: Path) -> int | None:
    """Return the permissions of a file, or `None` if there is no file."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def create(path: Path, mode: int | None) -> None:
    """Create a file that its owner can read and write, unless it is there.

    Args:
        path: the path of the file.
        mode: permissions for others. Defaults to those of any new file.
    """
    with suppress(FileExistsError):
        path.touch(0o666 if mode is None else 0o600, exist_ok=False)
        if mode is not None:
            path.chmod(mode | 0o600)


@contextmanager
def replacing(path: Path, form: ExportFormat, columns: Columns) -> Generator[Write]:
    """Write a new file, and replace `path` by it, with its permissions, once it is complete.

    Args:
        path: the path of the file.
        form: the format.
        columns: the columns of CSV and Parquet.
    """
    new = path.with_name(f"{path.name}.new")
    mode = mode_of(path)
    try:
        new.unlink(missing_ok=True)
        create(new, mode)
        with naming(new), new.open("wb") as file:
            if form is ExportFormat.PARQUET:
                with _parquet(file, columns) as write:
                    yield write
            else:
                yield _lines(file, form, columns)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            new.chmod(mode)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _lines(file: BinaryIO, form: ExportFormat, columns: Columns) -> Write:
    if form is ExportFormat.JSONL:
        return lambda records: file.writelines(f"{json.dumps(each)}\n".encode() for each in records)
    file.writelines([f"{csv_line(None, columns)}\n".encode()])
    return lambda records: file.writelines(
        f"{csv_line(each, columns)}\n".encode() for each in records
    )


@contextmanager
def _parquet(file: BinaryIO, columns: Columns) -> Generator[Write]:
    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    types = {
        str: arrow.string(),
        int: arrow.int64(),
        datetime: arrow.timestamp("us", tz="UTC"),
        list: arrow.list_(arrow.string()),
    }
    schema = arrow.schema([(path, types[kind]) for path, kind in columns.items()])

    def write(records: Sequence[Record]) -> None:
        rows = [
            {path: _typed(_cell(record, path), kind) for path, kind in columns.items()}
            for record in records
        ]
        writer.write_table(arrow.Table.from_pylist(rows, schema=schema))

    with parquet.ParquetWriter(file, schema) as writer:
        yield write


def _typed(value: JSONValue, kind: type) -> object:
    if value is None or kind is int:
        return value
    if kind is datetime:
        return datetime.fromisoformat(str(value))
    return [_storable(each) for each in value] if is_array(value) else _storable(value)


def _storable(value: JSONValue) -> str:
    """Return text that UTF-8 can encode; JSON may have half of a surrogate pair."""
    return text_of(value).encode(errors="backslashreplace").decode()
