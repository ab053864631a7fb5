"""Options shared by several commands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from typer.models import OptionInfo


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


def choice(kind: type[StrEnum], *names: str, metavar: str, help: str) -> OptionInfo:  # noqa: A002 - as typer
    """Return an option whose values are those of an enum, in any letter case.

    Args:
        kind: the enum.
        names: the names of the option; by default, that of the parameter.
        metavar: the value's name in the help.
        help: the description, with `{}` for the values.
    """
    text = help.format(", ".join(kind))
    option: OptionInfo = typer.Option(*names, metavar=metavar, case_sensitive=False, help=text)
    return option


Identifier = Annotated[
    str, typer.Argument(metavar="IDENTIFIER", help="ID, name or ARN of the connector.")
]
Identifiers = Annotated[
    list[str], typer.Argument(metavar="IDENTIFIER", help="IDs, names or ARNs of connectors.")
]
OutputOption = Annotated[
    Output, choice(Output, "--output", "-o", metavar="FORMAT", help="Output format: {}.")
]
FormatOption = Annotated[
    Format, choice(Format, "--output", "-o", metavar="FORMAT", help="Output format: {}.")
]
Query = Annotated[
    str | None,
    typer.Option(
        metavar="EXPRESSION",
        help="JMESPath query on the API's members, as `--query` of the AWS CLI.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="MEMBER,...", help="Members for `table` and `csv`, such as `Name,LastModified`."
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(metavar="MEMBER", help="Sort by this member; `-MEMBER` for the reverse order."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Region = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="AWS region. Defaults to AWS_REGION, AWS_DEFAULT_REGION or the profile's region.",
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Profile in the AWS files. Defaults to AWS_DEFAULT_PROFILE, AWS_PROFILE or `default`.",
    ),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="URL of the endpoint. Defaults to the configured endpoint, then to the region's.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.01,
        max=1e9,
        help="Time limit of a call with all its retries, or of a wait. A wait has 1800 by default.",
    ),
]
MaxAttempts = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Maximum number of requests per call. Defaults to AWS_MAX_ATTEMPTS, the profile's "
        "value or 3.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Log each request, and print tracebacks of errors.")
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
