"""ARNs: which partition, region and account a resource is in."""

from __future__ import annotations

from typing import Final

from attrs import frozen

_PARTS: Final = 6


@frozen
class Arn:
    """The name of a resource that no other has, anywhere.

    Attributes:
        partition: the group of regions, such as `aws` or `aws-cn`.
        service: the service's namespace, such as `lambda`.
        region: the AWS region; empty where a resource belongs to none.
        account: the account's twelve digits, or `aws` for what AWS manages.
        resource: the rest, which each service writes in its own way.
    """

    partition: str
    service: str
    region: str
    account: str
    resource: str


def parse(text: str) -> Arn | None:
    """Read an ARN; `None` if the text is none."""
    parts = text.split(":", _PARTS - 1)
    if len(parts) != _PARTS or parts[0] != "arn":
        return None
    return Arn(*parts[1:])
