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
WaitTimeout = Annotated[
    float, typer.Option(min=0.01, max=1e9, help="Give up after this many seconds.")
]
