"""Snapshots of connectors as JSON, with their ages, for other processes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.reading import from_dict
from lambdacore_async.protocol.writing import to_dict

_VERSION: Final = 1


class Aged(NamedTuple):
    """A connector with its ages in seconds.

    Attributes:
        connector: the connector.
        age: seconds since the read that last confirmed the connector was sent.
        read_age: seconds since the connector was last read in full.
    """

    connector: NetworkConnector
    age: float
    read_age: float


def write_snapshot(connectors: Iterable[Aged], region: str, now: datetime) -> str:
    """Return a snapshot of a region's connectors at a time of day."""
    time = now.timestamp()
    saved = [
        {
            "connector": to_dict(each.connector),
            "confirmed_at": time - each.age,
            "read_at": time - each.read_age,
        }
        for each in connectors
    ]
    return json.dumps(
        {"version": _VERSION, "region": region, "saved_at": time, "connectors": saved}
    )


def read_snapshot(snapshot: str | bytes, region: str, now: datetime) -> list[Aged]:
    """Return the connectors of a snapshot.

    The time of day shows how long ago it was saved. If times contradict each other, a clock was
    set, and all ages are infinite.

    Raises:
        ParameterError: if it is not a snapshot, has another version or belongs to another region.
    """
    time = now.timestamp()
    try:
        data: Any = json.loads(snapshot)
        given = data["version"], data["region"]
        if given == (_VERSION, region):
            saved_at = float(data["saved_at"])
            return [
                Aged(
                    from_dict(NetworkConnector, each["connector"]),
                    _age(float(each["confirmed_at"]), saved_at, time),
                    _age(float(each["read_at"]), saved_at, time),
                )
                for each in data["connectors"]
            ]
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        raise ParameterError("snapshot", "is not the result of save() of a cache") from None
    raise ParameterError(
        "snapshot",
        f"expected version {_VERSION} and region {region}, got {escaped(str(given), 200)}",
    )


def _age(then: float, saved_at: float, now: float) -> float:
    return now - then if then <= saved_at <= now else math.inf
