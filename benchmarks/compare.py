"""Compares the instructions of a call between two commits.

    python benchmarks/compare.py BEFORE [AFTER]

AFTER defaults to HEAD; `.` is the working tree. Both commits run with the same versions of all
other packages. The exit status is 1 if a call takes over 3% more instructions than before.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import environments
import instructions
import results
import servers
from rounds import progress

#: More growth than this is a regression. Repeated counts usually differ by less than 0.1%.
BOUND: Final = 0.03
#: Rows: label, the way of `workers.make_calls`, concurrency, and the body of the response.
ROWS: Final = (
    ("`get_network_connector`", "get", 1, servers.CONNECTOR_BODY),
    ("`get_network_connector`, 64 at once", "get", 64, servers.CONNECTOR_BODY),
    ("`lookup_network_connectors`, 64 at once", "lookups", 64, servers.CONNECTOR_BODY),
    ("`list_network_connectors`, a page of 10", "page", 1, servers.page_of(10)),
)


def source(commit: str, folder: Path) -> str:
    """Return the path of a commit's packages; write them to a folder first."""
    if commit == ".":
        return str(environments.ROOT / "src")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit, "src"],
        cwd=environments.ROOT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    # Compiled now, so that it does not count for the first run.
    subprocess.run([environments.python("ours"), "-m", "compileall", "-q", folder], check=True)
    return str(folder / "src")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="a commit")
    parser.add_argument("after", nargs="?", default="HEAD", help="a commit, or .")
    options = parser.parse_args()
    counter = instructions.choose_counter()
    lines: list[tuple[str, ...]] = []
    slower: list[str] = []
    with TemporaryDirectory() as name:
        sources = [
            source(commit, Path(name, place))
            for place, commit in (("before", options.before), ("after", options.after))
        ]
        for label, way, concurrency, body in ROWS:
            progress(f"compare: {label}")
            with servers.serving(body) as server:
                before, after = (
                    instructions.of_a_call(
                        counter, "ours", way, concurrency, server, PYTHONPATH=path
                    )
                    for path in sources
                )
            growth = after / before - 1
            lines.append((label, f"{before / 1e3:,.1f}", f"{after / 1e3:,.1f}", f"{growth:+.2%}"))
            if growth > BOUND:
                slower.append(f"{label} takes {growth:.1%} more instructions than before")
    print(results.table(("thousands of instructions", "before", "after", "growth"), lines))
    if slower:
        sys.exit("\n".join(slower))


if __name__ == "__main__":
    main()
