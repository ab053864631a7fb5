"""Reads the connectors, faults, latencies and limits that `lambdacore local` starts with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

import yaml
from attrs import fields

from lambdacore_async.cli.texts import read_text
from lambdacore_async.errors import ApiError, ParameterError
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import (
    ClosedAfter,
    Fault,
    InvalidJson,
    Latency,
    Reset,
    ServiceError,
    Throttle,
    Truncated,
)
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorLastUpdateStatus,
    NetworkConnectorState,
    NetworkConnectorStateReasonCode,
    NetworkConnectorSummary,
    VpcEgressConfiguration,
)
from lambdacore_async.protocol.reading import from_dict, is_array, is_object

Choice = TypeVar("Choice", bound=StrEnum)

#: The faults that have a name on the command line.
FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "throttle": Throttle(),
        "500": ServiceError(500),
        "502": ServiceError(502, "html"),
        "503": ServiceError(503),
        "504": ServiceError(504, "html"),
        "reset": Reset(),
        "reset-after-work": Reset("before_answer"),
        "truncated": Truncated(),
        "closed": ClosedAfter(),
        "invalid-json": InvalidJson(),
    }
)
#: Members of a connector that are text.
_TEXTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "StateReason": "state_reason",
        "LastUpdateStatusReason": "last_update_status_reason",
        "OperatorRole": "operator_role",
    }
)
#: Members of a connector that are one of several values.
_CHOICES: Final[Mapping[str, tuple[str, type[StrEnum]]]] = MappingProxyType(
    {
        "State": ("state", NetworkConnectorState),
        "StateReasonCode": ("state_reason_code", NetworkConnectorStateReasonCode),
        "LastUpdateStatus": ("last_update_status", NetworkConnectorLastUpdateStatus),
        "LastUpdateStatusReasonCode": (
            "last_update_status_reason_code",
            NetworkConnectorStateReasonCode,
        ),
    }
)
#: Members that the service decides itself. They may be present, as in the output of the AWS CLI.
_IGNORED: Final = {"ResponseMetadata"} | {
    each.name.title().replace("_", "")
    for model in (NetworkConnector, NetworkConnectorSummary)
    for each in fields(model)
}


def seed_file(service: LocalLambdaCore, path: Path) -> None:
    """Create the connectors of a JSON or YAML file in the service.

    The file has a list of connectors, or an object with such a list as `NetworkConnectors`, as in
    the output of the AWS CLI. A connector is a name, or an object with the members that
    GetNetworkConnector returns, of which only `Name` is required.

    Raises:
        ParameterError: if the file cannot be read or has another content.
    """
    try:
        text = read_text(path)
        content: object = yaml.safe_load(text) if _is_yaml(path) else json.loads(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ParameterError("seed", f"cannot read {str(path)!r}: {error}") from None
    if is_object(content):
        content = content.get("NetworkConnectors")
    if not is_array(content):
        raise ParameterError("seed", f"{str(path)!r} has no list of connectors")
    for number, entry in enumerate(content, 1):
        try:
            _put(service, entry)
        except (ParameterError, ApiError) as error:
            raise ParameterError("seed", f"connector {number}: {error.args[0]}") from None


def faults_of(specifications: Iterable[str], latencies: Iterable[str]) -> dict[Fault, float]:
    """Return the probability of each fault, for `Faults.at_random`.

    Args:
        specifications: a fault's name and its probability, as in `throttle:0.1`.
        latencies: seconds and their probability, as in `2:0.1`. One without a probability gets
            what the others leave.

    Raises:
        ParameterError: if a text has another form, or the probabilities exceed 1.
    """
    faults: dict[Fault, float] = {}
    for text in specifications:
        name, _, share = text.partition(":")
        if name not in FAULTS:
            names = ", ".join(FAULTS)
            raise ParameterError("faults", f"unknown fault {name!r}, expected one of {names}")
        faults[FAULTS[name]] = _number("faults", share or "1", text, "NAME:PROBABILITY")
    rest: list[Latency] = []
    for text in latencies:
        seconds, _, share = text.partition(":")
        form = "SECONDS or SECONDS:PROBABILITY"
        latency = Latency(_number("latency", seconds, text, form))
        if share:
            faults[latency] = _number("latency", share, text, form)
        else:
            rest.append(latency)
    if rest:
        left = max(1 - sum(faults.values()), 0.0)
        faults.update(dict.fromkeys(rest, left / len(rest)))
    return faults


def rate_limit_of(text: str) -> tuple[float, float | None]:
    """Return the rate and the burst of `RATE` or `RATE:BURST`.

    Raises:
        ParameterError: if the text has another form.
    """
    rate, _, burst = text.partition(":")
    form = "RATE or RATE:BURST"
    return (
        _number("rate_limit", rate, text, form),
        _number("rate_limit", burst, text, form) if burst else None,
    )


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _number(parameter: str, number: str, text: str, form: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise ParameterError(parameter, f"expected {form}, got {text!r}") from None


def _put(service: LocalLambdaCore, entry: object) -> None:
    members = entry if is_object(entry) else {"Name": entry}
    name = members.get("Name")
    if not isinstance(name, str):
        raise ParameterError("Name", f"must be a string, got {name!r}")
    options: dict[str, Any] = {}
    for member, value in members.items():
        if value is None:
            continue
        if member == "Configuration":
            options["configuration"] = _configuration(value)
        elif member in _TEXTS:
            options[_TEXTS[member]] = _checked(member, value, str)
        elif member in _CHOICES:
            option, choices = _CHOICES[member]
            options[option] = _checked(member, value, choices)
        elif member not in _IGNORED:
            raise ParameterError(member, f"connectors have no member {member!r}")
    service.state.put_network_connector(name, **options)


def _checked(member: str, value: object, kind: Callable[[str], object]) -> object:
    try:
        if isinstance(value, str):
            return kind(value)
    except ValueError:
        pass
    expected = f"one of {', '.join(kind)}" if isinstance(kind, type(StrEnum)) else "a string"
    raise ParameterError(member, f"must be {expected}, got {value!r}")


def _configuration(value: object) -> VpcEgressConfiguration:
    if not is_object(value):
        raise ParameterError("Configuration", f"must be an object, got {value!r}")
    configuration = from_dict(NetworkConnectorConfiguration, value)
    if not isinstance(configuration, VpcEgressConfiguration):
        raise ParameterError("Configuration", f"must have a VpcEgressConfiguration, got {value!r}")
    return configuration
