"""Models are written as wire-shaped JSON."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from lambdacore_async.errors import ParameterError
from lambdacore_async.models.network_connectors import (
    ElasticIpConfiguration,
    ElasticIpType,
    NetworkConnector,
    VpcEgressConfiguration,
)
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.protocol.writing import to_dict


def test_a_model_is_written_as_json() -> None:
    connector = NetworkConnector(
        "a", "n", "i",
        state=UnknownValue("PAUSED"),
        configuration=VpcEgressConfiguration(
            subnet_ids=["s"],
            elastic_ip_configuration=ElasticIpConfiguration(ElasticIpType.SERVICE_MANAGED),
        ),
        last_modified=datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))),
    )  # fmt: skip

    data = to_dict(connector)

    assert data == {
        "Arn": "a",
        "Name": "n",
        "Id": "i",
        "State": "PAUSED",
        "Configuration": {
            "VpcEgressConfiguration": {
                "SubnetIds": ["s"],
                "ElasticIpConfiguration": {"Type": "ServiceManaged"},
            }
        },
        "LastModified": "2026-11-24T00:02:03Z",
    }
    assert json.loads(json.dumps(data)) == data
    state = data["State"]
    assert type(state) is str


def test_a_time_without_a_zone_is_written_as_utc() -> None:
    naive = datetime(2026, 11, 24, 1, 2, 3, 4)  # noqa: DTZ001 - the point

    data = to_dict(NetworkConnector("a", "n", "i", last_modified=naive))

    assert data["LastModified"] == "2026-11-24T01:02:03.000004Z"


@pytest.mark.parametrize("value", [{}, "x", None, 7, [NetworkConnector("a", "n", "i")]])
def test_only_a_model_can_be_written(value: object) -> None:
    with pytest.raises(
        ParameterError, match=f"model: expected a model, got {type(value).__name__}"
    ):
        to_dict(value)
