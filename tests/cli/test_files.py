"""The files of an export: lines of JSON, CSV and Parquet, each read by another program."""

from __future__ import annotations

import csv
import importlib
import io
import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lambdacore_async import ConfigurationError
from lambdacore_async.cli import files
from lambdacore_async.cli.files import ExportFormat, Record, columns_of, csv_line, replacing

COLUMNS = columns_of(("Profile", "Region"))
MODIFIED = "2026-11-28T09:36:30.747350Z"
RECORD: Record = {
    "Profile": "orders",
    "Region": "us-east-1",
    "Name": 'prod,"egress"\x1b[2J\n',
    "Version": 2**40,
    "LastModified": MODIFIED,
    "Configuration": {
        "VpcEgressConfiguration": {
            "SubnetIds": ["subnet-1", "subnet-2"],
            "NetworkProtocol": "IPv6",
            "ElasticIpConfiguration": {"Type": "AMAZON"},
            "Later": True,
        }
    },
    "Later": {"x": [1]},
}
OTHER: Record = {"Region": "eu-\ud800", "Configuration": {"Later": {"x": "\u2028" * 2_000}}}
VPC = "Configuration.VpcEgressConfiguration"


def write(path: Path, form: ExportFormat, *records: Record) -> None:
    with replacing(path, form, COLUMNS) as append:
        for record in records:
            append([record])


def test_the_columns_are_all_members_of_the_model() -> None:
    assert list(COLUMNS)[:5] == ["Profile", "Region", "Arn", "Name", "Id"]
    assert {name: kind for name, kind in COLUMNS.items() if kind is not str} == {
        "Version": int,
        "LatestVersion": int,
        "LastModified": datetime,
        f"{VPC}.SubnetIds": list,
        f"{VPC}.SecurityGroupIds": list,
        f"{VPC}.AssociatedComputeResourceTypes": list,
    }
    assert f"{VPC}.ElasticIpConfiguration.Type" in COLUMNS


def test_lines_of_json_have_every_member(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    write(path, ExportFormat.JSONL, RECORD, OTHER)
    assert [json.loads(line) for line in path.read_text().splitlines()] == [RECORD, OTHER]


def test_csv_has_whole_values_and_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    write(path, ExportFormat.CSV, RECORD, OTHER)
    text = path.read_text()
    assert text.count("\n") == 3
    assert text.replace("\n", "").isprintable()
    first, second = csv.DictReader(io.StringIO(text))
    assert first["Name"] == 'prod,"egress"\\x1b[2J\\n'
    assert first["Version"] == str(2**40)
    assert first[f"{VPC}.SubnetIds"] == "subnet-1, subnet-2"
    assert first[f"{VPC}.ElasticIpConfiguration.Type"] == "AMAZON"
    assert json.loads(first["Configuration"]) == RECORD["Configuration"]
    assert json.loads(second["Configuration"]) == OTHER["Configuration"]
    assert second["Region"] == "eu-\\ud800"
    assert second["Profile"] == second[f"{VPC}.SubnetIds"] == ""
    assert text.splitlines()[:2] == [csv_line(None, COLUMNS), csv_line(RECORD, COLUMNS)]


def test_parquet_has_types(tmp_path: Path) -> None:
    path = tmp_path / "all.parquet"
    write(path, ExportFormat.PARQUET, RECORD, OTHER)
    parquet: Any = importlib.import_module("pyarrow.parquet")
    first, second = parquet.read_table(path).to_pylist()
    assert list(first) == list(COLUMNS)
    assert first["Name"] == RECORD["Name"]
    assert first["Version"] == 2**40
    assert first["LastModified"] == datetime(2026, 11, 28, 9, 36, 30, 747350, tzinfo=UTC)
    assert first[f"{VPC}.SubnetIds"] == ["subnet-1", "subnet-2"]
    assert json.loads(first["Configuration"]) == RECORD["Configuration"]
    assert second["Region"] == "eu-\\ud800"
    assert second["Name"] is second["LastModified"] is second[f"{VPC}.SubnetIds"] is None


def test_an_empty_export_has_the_columns(tmp_path: Path) -> None:
    for form, content in (
        (ExportFormat.CSV, csv_line(None, COLUMNS) + "\n"),
        (ExportFormat.JSONL, ""),
    ):
        write(tmp_path / form, form)
        assert (tmp_path / form).read_text() == content
    write(tmp_path / "parquet", ExportFormat.PARQUET)
    parquet: Any = importlib.import_module("pyarrow.parquet")
    assert parquet.read_schema(tmp_path / "parquet").names == list(COLUMNS)


def test_a_write_that_fails_leaves_the_former_file(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("before")
    with pytest.raises(RuntimeError), replacing(path, ExportFormat.CSV, COLUMNS) as append:
        append([RECORD])
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o444])
def test_a_new_file_has_the_permissions_of_the_one_that_it_replaces(
    tmp_path: Path, mode: int
) -> None:
    path, new = tmp_path / "all.csv", tmp_path / "all.csv.new"
    path.touch()
    path.chmod(mode)
    new.write_text("of a run that was killed")
    with replacing(path, ExportFormat.CSV, COLUMNS):
        assert stat.S_IMODE(new.stat().st_mode) == mode | 0o600
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_without_pyarrow_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    files.check_parquet()

    def absent(name: str) -> Mapping[str, object]:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(files, "import_module", absent)
    with pytest.raises(ConfigurationError, match=r"pip install 'lambdacore-async\[parquet\]'"):
        files.check_parquet()
