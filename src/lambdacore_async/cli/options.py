"""Options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


Region = Annotated[
    str | None,
    typer.Option(help="The AWS region; else AWS_REGION, AWS_DEFAULT_REGION or the profile's."),
]
Profile = Annotated[
    str | None,
    typer.Option(help="The profile of the AWS config files; else AWS_PROFILE."),
]
EndpointUrl = Annotated[
    str | None,
    typer.Option(help="An endpoint instead of the region's own; else as configured."),
]
WaitTimeout = Annotated[
    float, typer.Option(min=0.01, max=1e9, help="Give up after this many seconds.")
]
