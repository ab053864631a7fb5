"""Formats tables in Markdown, and describes the machine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import environments

FOLDER: Final = environments.HERE / "results"
#: `ru_maxrss` counts bytes on macOS, and KiB elsewhere.
PER_MIB: Final = 2**20 if sys.platform == "darwin" else 2**10
#: Names in the tables.
LABELS: Final = {
    "ours": "lambdacore-async",
    "ours, lookups": "lambdacore-async, `lookup_network_connectors`",
    "ours, gather": "lambdacore-async, `asyncio.gather`",
    "aiohttp": "bare aiohttp",
    "aiobotocore": "aiobotocore",
    "capo": "capo-lambda-core",
    "boto3": "boto3, threads",
}
PACKAGES: Final = {
    "ours": ("lambdacore-async", "aiohttp", "httptools", "orjson", "attrs", "cattrs", "uvloop"),
    "aiobotocore": ("aiobotocore", "botocore", "aiohttp"),
    "capo": ("capo-lambda-core", "zapros"),
    "boto3": ("boto3", "botocore", "urllib3"),
}


class Bar(NamedTuple):
    """A target: a measured value and its bound."""

    what: str
    value: float
    bound: float
    at_least: bool = False

    def cells(self) -> tuple[str, str, str, str]:
        """Return the row of the table."""
        held = self.value >= self.bound if self.at_least else self.value <= self.bound
        bound = f"at {'least' if self.at_least else 'most'} {self.bound:g}"
        return self.what, bound, f"{self.value:.2f}", "yes" if held else "no"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bars(these: Iterable[Bar]) -> str:
    """Return a table of targets."""
    return table(("target", "bound", "measured", "met"), [bar.cells() for bar in these])


def processor() -> str:
    """Return the model of the processor, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """Describe the machine and the packages in Markdown, without host names and paths."""
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    lines = [
        f"- {processor()}, {os.cpu_count()} cores; {system}",
        f"- {platform.python_implementation()} {platform.python_version()}",
    ]
    for contender, names in PACKAGES.items():
        versions = environments.versions(contender)
        shown = ", ".join(f"{name} {versions[name]}" for name in names)
        lines.append(f"- {shown}")
    return "\n".join(lines)
