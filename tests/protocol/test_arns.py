"""ARNs are read as AWS writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.protocol.arns import Arn, parse

PART = st.text(st.characters(exclude_characters=":"))


@given(PART, PART, PART, PART, st.text())
def test_an_arn_has_six_parts_of_which_the_last_may_have_more(
    partition: str, service: str, region: str, account: str, resource: str
) -> None:
    text = f"arn:{partition}:{service}:{region}:{account}:{resource}"
    assert parse(text) == Arn(partition, service, region, account, resource)


def test_what_aws_manages_has_no_account_number() -> None:
    arn = parse("arn:aws:lambda:us-east-1:aws:network-connector:aws-network-connector:EGRESS")
    assert arn == Arn(
        "aws", "lambda", "us-east-1", "aws", "network-connector:aws-network-connector:EGRESS"
    )


@pytest.mark.parametrize(
    "text", ["", "arn", "prod-egress", "arn:aws:lambda:us-east-1:1", "ARN:::::"]
)
def test_other_text_is_no_arn(text: str) -> None:
    assert parse(text) is None
