"""Types at run time: enums as strings, and JSON values in the models of web frameworks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import attrs
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import TypeAdapter

import lambdacore_async
from lambdacore_async import (
    ClientOptions,
    ComputeResourceType,
    ElasticIpConfiguration,
    ElasticIpType,
    JSONValue,
    LambdaCoreClient,
    NetworkConnector,
    NetworkConnectorState,
    NetworkProtocol,
    ParameterError,
    RetryMode,
    RuntimeReleaseLifecycle,
    RuntimeReleaseState,
    UnknownValue,
    VpcEgressConfiguration,
    from_dict,
    to_dict,
)
from lambdacore_async.engine.retry import MODES

#: Models that callers create to send them.
INPUTS: Final = (VpcEgressConfiguration, ElasticIpConfiguration, RuntimeReleaseLifecycle)


def parts(hint: Any) -> Iterator[Any]:
    """Yield a type and the types that it is made of."""
    yield hint
    if get_origin(hint) is not Literal:
        for part in get_args(hint):
            yield from parts(part)


def parameters() -> Iterator[Any]:
    """Yield each parameter that takes an enum's value: of public methods and of input models."""
    methods = inspect.getmembers(LambdaCoreClient, inspect.isfunction)
    functions = {
        **{model.__name__: model.__init__ for model in INPUTS},
        **{name: method for name, method in methods if name[0] != "_"},
    }
    for name, function in functions.items():
        hints = get_type_hints(function)
        del hints["return"]
        for parameter, hint in hints.items():
            for enum in parts(hint):
                if inspect.isclass(enum) and issubclass(enum, StrEnum):
                    yield pytest.param(hint, enum, id=f"{name}.{parameter}")


PARAMETERS: Final = list(parameters())


@pytest.mark.parametrize(("hint", "enum"), PARAMETERS)
def test_a_parameter_with_an_enum_takes_its_values_as_literal_strings(
    hint: Any, enum: type[StrEnum]
) -> None:
    literals = [get_args(part) for part in parts(hint) if get_origin(part) is Literal]
    assert literals == [tuple(member.value for member in enum)]


def test_all_parameters_with_enums_are_found() -> None:
    assert {parameter.id for parameter in PARAMETERS} == {
        "ElasticIpConfiguration.type",
        "RuntimeReleaseLifecycle.release_state",
        "VpcEgressConfiguration.associated_compute_resource_types",
        "VpcEgressConfiguration.network_protocol",
        "list_network_connector_versions.state",
        "list_network_connectors.state",
    }


def test_retry_modes_are_literal_strings() -> None:
    assert get_args(RetryMode) == MODES
    functions = (LambdaCoreClient.__init__, LambdaCoreClient.with_options, ClientOptions.__init__)
    for function in functions:
        assert get_type_hints(function)["retry_mode"] == RetryMode | None


def test_every_literal_type_is_public_and_has_the_values_of_its_enum() -> None:
    names = [name for name in lambdacore_async.__all__ if name.endswith("Literal")]
    for name in names:
        enum = getattr(lambdacore_async, name.removesuffix("Literal"))
        assert get_args(getattr(lambdacore_async, name)) == tuple(enum)
    assert len(names) == 5


def test_strings_become_enum_members() -> None:
    configuration = VpcEgressConfiguration(
        network_protocol="IPv4",
        associated_compute_resource_types=("MicroVm",),
        elastic_ip_configuration=ElasticIpConfiguration("ServiceManaged"),
    )
    assert configuration.network_protocol is NetworkProtocol.IPV4
    kinds = configuration.associated_compute_resource_types or ()
    assert [type(kind) for kind in kinds] == [ComputeResourceType]
    assert configuration.elastic_ip_configuration is not None
    assert configuration.elastic_ip_configuration.type is ElasticIpType.SERVICE_MANAGED
    lifecycle = RuntimeReleaseLifecycle("GA")
    assert lifecycle.release_state is RuntimeReleaseState.GA
    assert attrs.evolve(lifecycle, release_state="PREVIEW").release_state == "PREVIEW"


def test_other_strings_become_unknown_values() -> None:
    value: Any = "IPv9"
    protocol = VpcEgressConfiguration(network_protocol=value).network_protocol
    assert protocol == UnknownValue("IPv9")
    assert type(protocol) is UnknownValue
    assert VpcEgressConfiguration(network_protocol=protocol).network_protocol is protocol


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"network_protocol": 4}, "network_protocol"),
        ({"associated_compute_resource_types": [4]}, "associated_compute_resource_types"),
        ({"associated_compute_resource_types": [None]}, "associated_compute_resource_types"),
    ],
)
def test_an_enum_is_no_number(arguments: Any, parameter: str) -> None:
    with pytest.raises(ParameterError, match="expected (NetworkProtocol|ComputeRes.*), got"):
        VpcEgressConfiguration(**arguments)


CONNECTOR: Final = NetworkConnector(
    "arn:x", "prod", "nc-1", state=NetworkConnectorState.ACTIVE, configuration=(
        VpcEgressConfiguration(subnet_ids=["subnet-a"], network_protocol="IPv4")
    ),
)  # fmt: skip


async def test_json_values_are_response_models_of_fastapi() -> None:
    app = FastAPI()

    def one() -> dict[str, JSONValue]:
        return to_dict(CONNECTOR)

    def anything() -> JSONValue:
        return [to_dict(CONNECTOR), None, 1.5, True, "text"]

    app.get("/one")(one)
    app.get("/anything")(anything)
    async with AsyncClient(transport=ASGITransport(app), base_url="http://test") as client:
        assert from_dict(NetworkConnector, (await client.get("/one")).json()) == CONNECTOR
        assert (await client.get("/anything")).json() == anything()
    assert "JSONValue" in app.openapi()["components"]["schemas"]


def test_pydantic_validates_json_values() -> None:
    adapter = TypeAdapter[JSONValue](JSONValue)
    data: JSONValue = {"a": [1, {"b": None}], "c": "text"}
    assert adapter.validate_python(data) == data
    assert adapter.validate_json(adapter.dump_json(data)) == data
    with pytest.raises(ValueError, match="valid dictionary"):
        adapter.validate_python({"a": object()})
