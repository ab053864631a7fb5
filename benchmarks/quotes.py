"""Copies tables from `benchmarks/results/` into the documents that quote them, and draws one.

    python benchmarks/quotes.py

A document marks the place of a table with a comment that names its file and heading:

    <!-- table: calls.md, TLS, the default loop -->

It can quote the rows with one value in the first column alone:

    <!-- table: latency.md, Lookups with network latency (300 only) -->

`throttled.svg` is drawn from the results of `throttling.py`.
"""

from __future__ import annotations

import re
from typing import Final

import environments
import plots
import results

DOCUMENTS: Final = (
    "README.md", "docs/performance.md", "docs/throttling.md", "docs/waiters.md", "docs/cache.md",
    "docs/fleets.md",
)  # fmt: skip
MARK: Final = re.compile(
    r"^(<!-- table: (\S+), (.*?)(?: \((.*) only\))? -->)\n+(?:\|.*\n)*\n*", re.MULTILINE
)
CASE: Final = "600 at 50/s, burst 50; 100 ms"
CLIENTS: Final = {
    "ours:standard": "lambdacore-async",
    "aiobotocore:adaptive": "aiobotocore, adaptive",
    "aiobotocore:standard": "aiobotocore, standard",
    "capo": "capo-lambda-core",
}


def find(name: str, heading: str, only: str | None = None) -> str:
    """Return the first table below a heading in a file of results, or its rows of one kind."""
    text = (results.FOLDER / name).read_text(encoding="utf-8")
    below = re.split(rf"^#+ {re.escape(heading)}\n", f"{text}\n#", maxsplit=1, flags=re.MULTILINE)
    first = re.search(r"^(?:\|.*\n)+", below[-1].partition("\n#")[0], re.MULTILINE)
    if len(below) == 1 or first is None:
        raise LookupError(f"{name} has no table below the heading {heading!r}")
    rows = first[0].splitlines(keepends=True)
    if only is not None:
        rows[2:] = [row for row in rows[2:] if row.startswith(f"| {only} |")]
    return "".join(rows)


def throttled() -> str:
    """Return the chart of a throttled run, as the text of an SVG file."""
    rows = {}
    for row in find("throttling.md", "With latency", CASE).splitlines()[2:]:
        _, client, found, lost, seconds, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        rows[CLIENTS[client]] = (float(found), float(lost), f"{seconds} s")
    title = "600 lookups, at most 50 a second, latency 100 ms"
    return plots.bars(title, {name: rows[name] for name in CLIENTS.values()}, ("found", "lost"))


def quoted(text: str) -> str:
    """Return a document's text with the current tables."""
    new = MARK.sub(lambda mark: f"{mark[1]}\n\n{find(mark[2], mark[3], mark[4])}\n", text)
    return f"{new.rstrip()}\n"


if __name__ == "__main__":
    for name in DOCUMENTS:
        document = environments.ROOT / name
        document.write_text(quoted(document.read_text(encoding="utf-8")), encoding="utf-8")
    (results.FOLDER / "throttled.svg").write_text(throttled(), encoding="utf-8")
