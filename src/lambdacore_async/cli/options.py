"""Options shared by several commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """Output format of results."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Format(StrEnum):
    """Output format of resources."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    NAME = "name"


FormatOption = Annotated[
    Format,
    typer.Option(
        "--output",
        "-o",
        case_sensitive=False,
        help="Output format. `jsonl` is one line of JSON per resource, `name` only names.",
    ),
]
Query = Annotated[
    str | None,
    typer.Option(help="JMESPath query on the API's members, as `--query` of the AWS CLI."),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="MEMBER,...",
        help="Members for `table` and `csv`, such as Name,Configuration.VpcEgressConfiguration.",
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(metavar="MEMBER", help="Sort by this member; -MEMBER for the reverse order."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask on a terminal.")]
Region = Annotated[
    str | None,
    typer.Option(
        help="AWS region. Defaults to AWS_REGION, AWS_DEFAULT_REGION or the profile's region."
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(help="Profile in the AWS config files. Defaults to AWS_PROFILE."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        help="URL of the endpoint. Defaults to the configured endpoint, then to the region's."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.01,
        max=1e9,
        help="Give up on a call with all its retries after SECONDS; also on a wait, which has "
        "1800 by default.",
    ),
]
MaxAttempts = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Maximum number of requests per call. Defaults to AWS_MAX_ATTEMPTS, or 3.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Log each request, and show where errors come from.")
]


def tags_of(texts: list[str]) -> dict[str, str]:
    """Return tags from texts `KEY=VALUE`.

    Raises:
        typer.BadParameter: if a text has another form, or a key is given twice.
    """
    tags: dict[str, str] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not (key and separator):
            raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--tag")
        if key in tags:
            raise typer.BadParameter(f"duplicate key {key!r}", param_hint="--tag")
        tags[key] = value
    return tags
