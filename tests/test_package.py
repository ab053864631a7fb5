"""The package's metadata: versions of Python, addresses, long description and SBOM."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[1]
PYPROJECT: Final = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT: Final[dict[str, Any]] = tomllib.loads(PYPROJECT)["project"]
HOOK: Final = runpy.run_path(str(ROOT / "hatch_build.py"))


def versions(text: str) -> list[str]:
    return re.findall(r"3\.\d+", text)


def test_the_versions_of_python_are_the_same_everywhere() -> None:
    classifiers = versions(" ".join(PROJECT["classifiers"]))
    assert classifiers == [f"3.{minor}" for minor in range(11, 16)]
    [loop] = re.findall("for version in (.*);", (ROOT / ".ci" / "run").read_text("utf-8"))
    assert versions(loop) == classifiers
    assert PROJECT["requires-python"] == f">={classifiers[0]}"
    text = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
    assert re.findall(r"^\| Python (3\.\d+) ", text, re.MULTILINE) == classifiers


def test_the_only_addresses_are_those_of_the_project() -> None:
    addresses = re.findall(r"https?://[^\s\"']+", PYPROJECT)
    assert addresses == [*PROJECT.get("urls", {}).values()]


def test_the_long_description_ends_with_the_newest_changes() -> None:
    hooks = tomllib.loads(PYPROJECT)["tool"]["hatch"]["metadata"]["hooks"]
    fragments: list[dict[str, str]] = hooks["fancy-pypi-readme"]["fragments"]
    readme, _, changes = fragments
    changelog = (ROOT / changes["path"]).read_text("utf-8")
    newest = re.search(changes["pattern"], changelog)
    assert readme == {"path": "README.md"}
    assert newest is not None
    titles = re.findall(r"^## .*", changelog, re.MULTILINE)
    assert re.findall(r"^## .*", newest[1], re.MULTILINE) == titles[:1]
    assert "\n- " in newest[1]


def sbom() -> dict[str, Any]:
    document: dict[str, Any] = HOOK["sbom"](PROJECT, "1.2.3")
    return document


def test_the_sbom_names_the_package_and_each_of_its_dependencies() -> None:
    document = sbom()
    names = [re.split("[><=]", text)[0] for text in PROJECT["dependencies"]]
    assert [row["name"] for row in document["components"]] == sorted(names)
    package = document["metadata"]["component"]
    assert package["purl"] == "pkg:pypi/lambdacore-async@1.2.3"
    assert package["licenses"] == [{"license": {"id": PROJECT["license"]}}]
    assert document["dependencies"][0] == {
        "ref": package["bom-ref"],
        "dependsOn": [row["bom-ref"] for row in document["components"]],
    }


def test_each_reference_of_the_sbom_is_unique_and_known() -> None:
    document = sbom()
    defined = [document["metadata"]["component"], *document["components"]]
    references = [row["bom-ref"] for row in defined]
    assert len(set(references)) == len(references)
    assert [row["ref"] for row in document["dependencies"]] == references


@pytest.mark.parametrize("kind", ["standard", "editable"])
def test_the_build_adds_the_sbom_and_removes_its_temporary_file(kind: str) -> None:
    hook: Any = object.__new__(HOOK["SbomHook"])
    metadata = SimpleNamespace(name=PROJECT["name"], version="1.2.3", core_raw_metadata=PROJECT)
    hook._BuildHookInterface__metadata = metadata
    build_data: dict[str, Any] = {"sbom_files": []}
    hook.initialize(kind, build_data)
    [file] = map(Path, build_data["sbom_files"])
    assert file.name == "lambdacore-async.cdx.json"
    assert json.loads(file.read_text("utf-8")) == sbom()
    hook.finalize(kind, build_data, "lambdacore_async-1.2.3.whl")
    assert not file.parent.exists()
