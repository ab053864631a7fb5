"""Test vectors that a clone does not have: other tests, which need none, prove the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.vectors import SOURCES, Source, each_case, load_cases, why_skipped

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_what_vectors_prove_is_also_proved_without_them(source: Source) -> None:
    for test in source.tests:
        file, name = test.split("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        [function] = [
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name
        ]
        used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        assert used & {"each_case", "load_cases", "skip", "skipif", "importorskip"} == set()


@pytest.mark.parametrize("name", SOURCES)
def test_a_test_without_its_vectors_says_where_they_come_from_and_what_proves_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr("support.vectors._FOLDER", tmp_path)
    reason = why_skipped(name)
    assert name in reason
    assert SOURCES[name].origin in reason
    assert all(test in reason for test in SOURCES[name].tests)
    with pytest.raises(pytest.skip.Exception) as skipped:
        load_cases(name, "cases")
    assert str(skipped.value) == reason
    [case] = each_case(name, "cases", str).mark.args[1]
    assert case.marks[0].kwargs == {"reason": reason}
