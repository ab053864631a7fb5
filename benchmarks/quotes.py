"""Puts tables of `benchmarks/results/` into the documents that quote them.

    python benchmarks/quotes.py

A document marks the place of a table by its file and heading, and the table follows:

    <!-- table: calls.md, TLS, the default loop -->
"""

from __future__ import annotations

import re
from typing import Final

import environments
import results

DOCUMENTS: Final = ("README.md", "docs/performance.md", "docs/waiters.md")
MARK: Final = re.compile(r"^(<!-- table: (\S+), (.*) -->)\n+(?:\|.*\n)*\n*", re.MULTILINE)


def find(name: str, heading: str) -> str:
    """The first table below a heading of a file of results."""
    text = (results.FOLDER / name).read_text(encoding="utf-8")
    below = re.split(rf"^#+ {re.escape(heading)}\n", f"{text}\n#", maxsplit=1, flags=re.MULTILINE)
    first = re.search(r"^(?:\|.*\n)+", below[-1].partition("\n#")[0], re.MULTILINE)
    if len(below) == 1 or first is None:
        raise LookupError(f"{name} has no table below {heading!r}")
    return first[0]


def quoted(text: str) -> str:
    """A document's text with the tables that are there now."""
    new = MARK.sub(lambda mark: f"{mark[1]}\n\n{find(mark[2], mark[3])}\n", text)
    return f"{new.rstrip()}\n"


if __name__ == "__main__":
    for name in DOCUMENTS:
        document = environments.ROOT / name
        document.write_text(quoted(document.read_text(encoding="utf-8")), encoding="utf-8")
