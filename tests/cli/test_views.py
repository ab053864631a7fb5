"""Formats, columns, order and queries of resources."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.cli.options import Format
from lambdacore_async.cli.views import View, indented, leaves, text_of
from lambdacore_async.errors import ParameterError
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.models.shared import JSONValue
from support.commands import run

ITEMS: list[JSONValue] = [
    {"Name": "b", "Size": 10, "Tags": {"team": "web"}, "Zones": ["x", "y"]},
    {"Name": "a", "Size": 9, "Parts": [{"Id": 1}], "Empty": {}},
    {"Arn": "arn:c"},
]


def shown(capsys: pytest.CaptureFixture[str], value: JSONValue, view: View) -> str:
    view.show(value, ("Name", "Size"))
    return capsys.readouterr().out


def test_names_are_the_first_member_that_names_the_resource(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, ITEMS, View(Format.NAME)).split() == ["b", "a", "arn:c"]
    assert shown(capsys, ["x"], View(Format.NAME)) == "x\n"


def test_jsonl_prints_a_line_for_each_resource(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, ITEMS, View(Format.JSONL)).splitlines()
    assert list(map(json.loads, lines)) == ITEMS


def test_csv_has_the_columns_of_the_table_or_those_that_are_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, ITEMS, View(Format.CSV)) == "Name,Size\nb,10\na,9\n,\n"
    view = View(Format.CSV, columns="name,tags.TEAM,zones,parts,name.no")
    assert shown(capsys, ITEMS[:2], view) == (
        'name,tags.TEAM,zones,parts,name.no\nb,web,"x, y",,\na,,,"[{""Id"": 1}]",\n'
    )


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1)))
def test_csv_is_read_back_as_it_was(names: list[str]) -> None:
    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        View(Format.CSV).show([{"Name": name} for name in names], ("Name",))
    assert list(csv.reader(io.StringIO(stream.getvalue()))) == [["Name"], *([n] for n in names)]


@pytest.mark.parametrize("length", [999, 1_000, 1_001, 5_000])
def test_data_for_programs_is_never_cut(capsys: pytest.CaptureFixture[str], length: int) -> None:
    text = '"' + "x" * length + '"'
    items: list[JSONValue] = [{"Name": text, "Size": 1}, {"Name": "b", "Size": text}]
    rows = list(csv.reader(io.StringIO(shown(capsys, items, View(Format.CSV)))))
    assert rows == [["Name", "Size"], [text, "1"], ["b", text]]
    assert shown(capsys, items, View(Format.NAME)) == f"{text}\nb\n"
    for form in (Format.NAME, Format.TABLE):
        assert shown(capsys, items, View(form, query="[0].Name")) == f"{text}\n"


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("size", ["a", "b", "arn:c"]),
        ("-Name", ["arn:c", "b", "a"]),
        ("Tags.team", ["b", "a", "arn:c"]),
    ],
)
def test_resources_are_sorted_by_numbers_and_texts(
    sort: str, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, ITEMS, View(Format.NAME, sort=sort)).split() == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("[0].Name", "b\n"),
        ("length(@)", "3\n"),
        ("[9]", "\n"),
        ("[0].Tags", "team  web\n"),
        ("[?Size==`9`].Name", "Value\n─────\na    \n"),
        ("[?Size].{n: Name}", "N\n─\nb\na\n"),
    ],
)
def test_a_query_selects_what_is_printed(
    query: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, ITEMS, View(query=query)) == expected


def test_a_wrong_query_is_misuse() -> None:
    with pytest.raises(typer.BadParameter, match="not a JMESPath expression"):
        View(query="[[")
    with pytest.raises(ParameterError, match="does not fit the result"):
        View(query="abs(@)").show("text", ())


def test_a_query_for_one_value_prints_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    View(Format.TABLE, query="Name").show(ITEMS[0], ())
    assert capsys.readouterr().out == "b\n"


def test_an_empty_listing_has_only_a_header_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [], View(Format.CSV)) == "Name,Size\n"
    assert shown(capsys, [], View()) == ""


def test_a_member_without_members_is_a_leaf() -> None:
    assert leaves({"a": {"b": {}, "c": None}, "d": [True]}) == [
        ("a.b", "{}"),
        ("a.c", ""),
        ("d", "true"),
    ]
    assert text_of(["x", 1]) == "x, 1"


def test_members_of_members_are_indented() -> None:
    assert list(indented({"a": {"b": {}, "c": {"d": None}}, "e": [True]})) == [
        ("a", ""),
        ("  b", "{}"),
        ("  c", ""),
        ("    d", ""),
        ("e", "true"),
    ]


@pytest.mark.parametrize(
    ("width", "header"),
    [
        ("160", ["Name", "State", "Latest version", "Last modified", "Id"]),
        ("80", ["Name", "State", "Latest version", "Last modified"]),
    ],
)
async def test_a_narrow_terminal_hides_columns_at_the_end_and_cuts_none(
    width: str, header: list[str], service: LocalLambdaCore
) -> None:
    result = await run("list", env={"TTY_COMPATIBLE": "1", "COLUMNS": width})
    lines = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout).splitlines()
    assert [word.strip() for word in lines[0].split("  ") if word.strip()] == header
    assert len(lines) == 4
    assert all(len(line) <= int(width) for line in lines)


async def test_get_and_list_print_connectors_in_one_shape(service: LocalLambdaCore) -> None:
    got = json.loads((await run("get", "prod", "-o", "json")).stdout)
    listed = json.loads((await run("list", "-o", "json", "--query", "[?Name=='prod']")).stdout)
    assert got[0].items() >= {key: listed[0][key] for key in ("Arn", "Name", "Id", "State")}.items()
    assert got[0]["LastModified"].endswith("Z")
