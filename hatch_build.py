"""Puts a software bill of materials into the wheel (PEP 770), made from `pyproject.toml`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def sbom(core: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a CycloneDX document: the package, which contains no other, and what it depends on.

    It has no time and no serial number, so that the same source makes the same wheel. Its
    dependencies have no version, because the installer chooses them.

    Args:
        core: the table `project` of `pyproject.toml`.
        version: the package's version.
    """
    names = [re.split(r"[^A-Za-z0-9._-]", text)[0].lower() for text in core["dependencies"]]
    package = f"pkg:pypi/{core['name']}@{version}"
    dependencies = [f"pkg:pypi/{name}" for name in sorted(names)]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": package,
                "name": core["name"],
                "version": version,
                "description": core["description"],
                "licenses": [{"license": {"id": core["license"]}}],
                "purl": package,
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": purl,
                "name": purl.removeprefix("pkg:pypi/"),
                "scope": "required",
                "purl": purl,
            }
            for purl in dependencies
        ],
        "dependencies": [
            {"ref": package, "dependsOn": dependencies},
            *({"ref": purl} for purl in dependencies),
        ],
    }


class SbomHook(BuildHookInterface[Any]):
    """Adds the document to `.dist-info/sboms/`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the kind of build
        """See `BuildHookInterface.initialize`."""
        document = sbom(self.metadata.core_raw_metadata, self.metadata.version)
        file = Path(mkdtemp()) / f"{self.metadata.name}.cdx.json"
        file.write_text(json.dumps(document, indent=2) + "\n")
        build_data["sbom_files"].append(str(file))
        self._folder = file.parent

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """See `BuildHookInterface.finalize`."""
        shutil.rmtree(self._folder)
