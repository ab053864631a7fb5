"""The documentation names every public name, and its tables say what the code does."""

from __future__ import annotations

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import lambdacore_async
from lambdacore_async import LambdaCoreClient, Timeout
from lambdacore_async.engine import rate_limit, retry
from lambdacore_async.models.reason_codes import CAUSES
from lambdacore_async.workflows import factory

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def rows(page: str) -> dict[str, str]:
    """Return the last cell of each row of a page's tables by its first cell."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (.*?) \|.*?([^| ][^|]*) \|$", text, re.MULTILINE))


def test_the_reference_has_every_public_name_once() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference/*.md"))
    named = re.findall(r"^::: lambdacore_async\.(\w+)$", pages, re.MULTILINE)
    assert sorted(named) == sorted(set(lambdacore_async.__all__) - {"__version__"})


def default(name: str, method: str = "__init__") -> object:
    return inspect.signature(getattr(LambdaCoreClient, method)).parameters[name].default


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *((f"`Timeout.{name}`", getattr(Timeout(), name)) for name in ("connect", "read")),
        *((f"`Timeout.{name}`", getattr(Timeout(), name)) for name in ("attempt", "total")),
        ("`max_attempts`", retry.MAX_ATTEMPTS),
        ("`retry_mode`", retry.MODES[0]),
        *((f"`{name}`", default(name)) for name in ("max_connections", "max_rate")),
        *((f"`{name}`", default(name)) for name in ("trust_env", "allow_plain_http")),
        ("`concurrency` of lookups", factory._CONCURRENCY),
        ("`deadline` of lookups", default("deadline", "lookup_network_connectors")),
        ("`concurrency` per target of `lookup_across`", factory._CONCURRENCY_PER_TARGET),
        ("`targets_at_once`", default("targets_at_once", "lookup_across")),
        (
            "`targets_at_once` of `sweep`",
            inspect.signature(lambdacore_async.sweep).parameters["targets_at_once"].default,
        ),
        (
            "`timeout` of waiters and provisioning",
            default("timeout", "wait_until_network_connector_active"),
        ),
        ("`poll_interval`", default("poll_interval", "ensure_network_connector")),
        ("maximum backoff between attempts", retry._MAX_BACKOFF),
        ("maximum time that a lookup is retried in an outage", retry._MAX_OUTAGE),
        ("concurrent lookups at the start of a client's first run", rate_limit.FIRST_IN_FLIGHT),
    ],
)
def test_the_table_of_defaults_is_that_of_the_code(setting: str, value: object) -> None:
    shown = rows("defaults.md")[setting].strip("`")
    if isinstance(value, float):
        assert shown == f"{value:g} s"
    else:
        assert shown == ("none" if value is None else str(value)).replace("False", "false")


def test_provisioning_explains_every_reason_code() -> None:
    shown = rows("provisioning.md")
    assert {str(code): cause.remedy for code, cause in CAUSES.items()} == {
        code: shown[f"`{code}`"] for code in CAUSES
    }


def test_permissions_names_every_method_of_the_client() -> None:
    text = (DOCS / "permissions.md").read_text(encoding="utf-8")
    others = {"close", "from_options", "list_across", "options", "request", "stats", "with_options"}
    methods = {name for name in vars(LambdaCoreClient) if not name.startswith("_")}
    unnamed = {name for name in methods - others if f"`{name}`" not in text}
    unnamed = {name for name in unnamed if "runtime" not in name and "wait_until" not in name}
    assert unnamed == {"of_core"}


def test_the_navigation_has_every_page() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
    named = {
        page
        for group in project["nav"]
        for entries in group.values()
        for entry in entries
        for page in entry.values()
    }
    assert {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} - named == set()


def test_diagrams_are_pictures_of_the_site() -> None:
    # The theme draws Mermaid's diagrams with a script that it loads from another host.
    drawn = [page.name for page in DOCS.rglob("*.md") if "```mermaid" in page.read_text("utf-8")]
    assert drawn == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 150


def test_the_long_description_has_no_relative_link() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    hook = settings["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for substitution in hook["substitutions"]:
        text = re.sub(substitution["pattern"], substitution["replacement"], text)
    assert not re.findall(r"\]\((?!https:)", text)
    assert "Tutorial: build a service" in text
