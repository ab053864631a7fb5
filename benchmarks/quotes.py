"""Copies tables from `benchmarks/results/` into the documents that quote them.

    python benchmarks/quotes.py

A document marks the place of a table with a comment that names its file and heading:

    <!-- table: calls.md, TLS, the default loop -->
"""

from __future__ import annotations

import re
from typing import Final

import environments
import results

DOCUMENTS: Final = ("README.md", "docs/performance.md", "docs/waiters.md", "docs/cache.md")
MARK: Final = re.compile(r"^(<!-- table: (\S+), (.*) -->)\n+(?:\|.*\n)*\n*", re.MULTILINE)


def find(name: str, heading: str) -> str:
    """Return the first table below a heading in a file of results."""
    text = (results.FOLDER / name).read_text(encoding="utf-8")
    below = re.split(rf"^#+ {re.escape(heading)}\n", f"{text}\n#", maxsplit=1, flags=re.MULTILINE)
    first = re.search(r"^(?:\|.*\n)+", below[-1].partition("\n#")[0], re.MULTILINE)
    if len(below) == 1 or first is None:
        raise LookupError(f"{name} has no table below the heading {heading!r}")
    return first[0]


def quoted(text: str) -> str:
    """Return a document's text with the current tables."""
    new = MARK.sub(lambda mark: f"{mark[1]}\n\n{find(mark[2], mark[3])}\n", text)
    return f"{new.rstrip()}\n"


if __name__ == "__main__":
    for name in DOCUMENTS:
        document = environments.ROOT / name
        document.write_text(quoted(document.read_text(encoding="utf-8")), encoding="utf-8")
