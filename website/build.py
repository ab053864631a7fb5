"""Builds the documentation site into `build/site`, and checks it.

    python website/build.py

The pages are `docs/`, the benchmarks' results and the changelog. Each page is also written as
Markdown next to its HTML, and `llms.txt` lists these. The build fails on a warning, and on a link
that leads to no page or to no heading of it. It needs no network.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import griffe

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "build" / "docs"
SITE: Final = ROOT / "build" / "site"


def stage() -> None:
    """Copy all pages into one folder, with links between them that fit this folder."""
    shutil.rmtree(PAGES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", PAGES)
    benchmarks = PAGES / "benchmarks"
    shutil.copytree(ROOT / "benchmarks" / "results", benchmarks / "results")
    shutil.copy(ROOT / "benchmarks" / "README.md", benchmarks)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        shutil.copy(ROOT / name, PAGES)
    for page in PAGES.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        text = re.sub(r"\]\((?:\.\./)*README\.md", f"]({up(page)}index.md", text)
        if page.parent == PAGES:
            text = text.replace("](../", "](").replace("](docs/", "](")
        else:
            text = text.replace("](../docs/", "](../")
        page.write_text(text, encoding="utf-8")


def up(page: Path) -> str:
    return "../" * (len(page.relative_to(PAGES).parts) - 1)


def with_docstrings(text: str) -> str:
    """Return a page of the API reference with docstrings where it names objects."""
    package = griffe.load("lambdacore_async", search_paths=[ROOT / "src"], resolve_aliases=True)

    def describe(match: re.Match[str]) -> str:
        return "\n".join(describe_object(package[match[1]], "##"))

    return re.sub(r"^::: lambdacore_async\.(\S+)$", describe, text, flags=re.MULTILINE)


def describe_object(found: Any, marks: str) -> Iterator[str]:
    name = found.name
    if found.is_function:
        name += f"({', '.join(str(parameter) for parameter in found.parameters)})"
    yield f"{marks} {name}\n"
    if found.docstring is not None:
        yield f"{found.docstring.value}\n"
    if found.is_class:
        for member in found.members.values():
            if not member.name.startswith("_") and member.docstring is not None:
                yield from describe_object(member, f"{marks}#")


def write_markdown() -> None:
    """Write each page as Markdown, and the list of them."""
    with (ROOT / "zensical.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    listed = [f"# {project['site_name']}\n\n> {project['site_description']}.\n"]
    for group in project["nav"]:
        for title, pages in group.items():
            links = [f"- [{t}]({name})" for page in pages for t, name in page.items()]
            listed.append(f"## {title}\n\n" + "\n".join(links) + "\n")
    (SITE / "llms.txt").write_text("\n".join(listed), encoding="utf-8")
    for page in PAGES.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        target = SITE / page.relative_to(PAGES)
        target.write_text(with_docstrings(text) if "\n::: " in text else text, encoding="utf-8")


class Page(HTMLParser):
    """Collects the links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, _: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
            elif value and name in ("id", "name"):
                self.anchors.add(value)


def broken_links() -> Iterator[str]:
    """Yield the links of the site that lead nowhere."""
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in SITE.rglob("*.html")}
    for file, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc or file.name == "404.html":
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            if target.is_dir():
                target /= "index.html"
            known = pages.get(target)
            lost = url.fragment and known and unquote(url.fragment) not in known.anchors
            if not target.exists() or (lost and not url.fragment.startswith("__")):
                yield f"{file.relative_to(SITE)}: {link}"
    for name in re.findall(r"\]\(([^)]+)\)", (SITE / "llms.txt").read_text(encoding="utf-8")):
        if not (SITE / name).is_file():
            yield f"llms.txt: {name}"


if __name__ == "__main__":
    stage()
    build = ("-m", "zensical", "build", "--clean", "--strict")
    subprocess.run([sys.executable, *build], cwd=ROOT, check=True)
    write_markdown()
    sys.exit("\n".join(broken_links()) or None)  # an empty text would be a failure
