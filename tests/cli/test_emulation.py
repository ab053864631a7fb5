"""Connectors, faults and limits that `lambdacore local` starts with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.cli.emulation import FAULTS, faults_of, rate_limit_of, seed_file
from lambdacore_async.errors import ParameterError
from lambdacore_async.local import LocalLambdaCore
from lambdacore_async.local.faults import Latency, ServiceError, Throttle
from lambdacore_async.protocol.writing import to_dict

YAML = """
- prod-egress
- Name: full-egress
  State: FAILED
  StateReasonCode: SubnetOutOfIPAddresses
  StateReason: no addresses
  OperatorRole: arn:aws:iam::123456789012:role/operator
  LastUpdateStatus: Failed
  LastUpdateStatusReasonCode: InternalError
  LastUpdateStatusReason: try again
  Configuration:
    VpcEgressConfiguration:
      SubnetIds: [subnet-1]
      SecurityGroupIds: [sg-1]
      NetworkProtocol: IPv4
      AssociatedComputeResourceTypes: [MicroVm]
"""


def seeded(path: Path) -> LocalLambdaCore:
    service = LocalLambdaCore()
    seed_file(service, path)
    return service


@pytest.mark.parametrize("suffix", ["yaml", "yml", "YAML"])
def test_a_seed_in_yaml_sets_every_member(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"seed.{suffix}"
    file.write_text(YAML, encoding="utf-8")
    state = seeded(file).state
    assert state.get_network_connector("prod-egress").state == "ACTIVE"
    full = to_dict(state.get_network_connector("full-egress"))
    assert {
        "State": "FAILED",
        "StateReasonCode": "SubnetOutOfIPAddresses",
        "StateReason": "no addresses",
        "OperatorRole": "arn:aws:iam::123456789012:role/operator",
        "LastUpdateStatus": "Failed",
        "LastUpdateStatusReasonCode": "InternalError",
        "LastUpdateStatusReason": "try again",
    }.items() <= full.items()


def test_a_seed_can_be_what_the_service_returned(tmp_path: Path) -> None:
    service = LocalLambdaCore()
    names = ["prod", "staging"]
    connectors = [to_dict(service.state.put_network_connector(name)) for name in names]
    for content in (connectors, {"NetworkConnectors": connectors}):
        file = tmp_path / "seed.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        state = seeded(file).state
        assert [state.get_network_connector(name).name for name in names] == names


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_seed_can_start_with_a_byte_order_mark(
    tmp_path: Path, suffix: str, encoding: str
) -> None:
    file = tmp_path / f"seed.{suffix}"
    file.write_text('["prod"]', encoding)
    assert seeded(file).state.get_network_connector("prod").name == "prod"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "cannot read"),
        ("3", "no list of connectors"),
        ("{}", "no list of connectors"),
        ('"prod"', "no list of connectors"),
        ("[3]", "connector 1: Name: must be a string, got 3"),
        ('["a", {}]', "connector 2: Name: must be a string, got None"),
        ('["a b"]', "connector 1: "),
        ('[{"Name": "a", "Stat": "ACTIVE"}]', "no member 'Stat'"),
        ('[{"Name": "a", "State": "BROKEN"}]', "must be one of PENDING, ACTIVE"),
        ('[{"Name": "a", "State": 3}]', "must be one of PENDING, ACTIVE"),
        ('[{"Name": "a", "StateReason": []}]', "must be a string"),
        ('[{"Name": "a", "Configuration": []}]', "must be an object"),
        ('[{"Name": "a", "Configuration": {}}]', "connector 1: "),
        ('[{"Name": "a", "Configuration": {"Nat": {}}}]', "must have a VpcEgressConfiguration"),
        ('[{"Name": "a", "OperatorRole": "none"}]', "connector 1: "),
    ],
)
def test_a_seed_with_a_mistake_names_it(tmp_path: Path, content: str, problem: str) -> None:
    file = tmp_path / "seed.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError) as raised:
        seeded(file)
    assert raised.value.parameter == "seed"
    assert problem in str(raised.value)


@pytest.mark.parametrize("content", [b"- [", b"a: !!python/object:os.system x", b"\xff\xfe\xfa"])
def test_a_seed_that_is_not_yaml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "seed.yaml"
    file.write_bytes(content)
    with pytest.raises(ParameterError, match="cannot read"):
        seeded(file)


def test_a_seed_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot read"):
        seeded(tmp_path / "none.json")


def test_a_null_member_counts_as_absent(tmp_path: Path) -> None:
    file = tmp_path / "seed.json"
    file.write_text('[{"Name": "a", "State": null}]', encoding="utf-8")
    assert seeded(file).state.get_network_connector("a").state == "ACTIVE"


def test_faults_have_names_and_probabilities() -> None:
    assert faults_of([], []) == {}
    assert faults_of(["throttle"], []) == {Throttle(): 1}
    assert faults_of(["throttle:0.1", "503:0.05"], []) == {Throttle(): 0.1, ServiceError(503): 0.05}


def test_a_latency_without_a_probability_gets_the_rest() -> None:
    assert faults_of([], ["0.05"]) == {Latency(0.05): 1}
    faults = faults_of(["throttle:0.25"], ["0.05", "2:0.25"])
    assert faults == {Throttle(): 0.25, Latency(2): 0.25, Latency(0.05): 0.5}
    assert faults_of(["throttle"], ["0.05"]) == {Throttle(): 1, Latency(0.05): 0}
    assert faults_of([], ["1", "2"]) == {Latency(1): 0.5, Latency(2): 0.5}


@pytest.mark.parametrize("name", FAULTS)
def test_every_named_fault_can_be_injected(name: str) -> None:
    LocalLambdaCore().faults.at_random(faults_of([f"{name}:0.5"], []))


def test_a_rate_limit_has_a_rate_and_a_burst() -> None:
    assert rate_limit_of("15") == (15, None)
    assert rate_limit_of("15:20") == (15, 20)


@given(text=st.text())
def test_other_texts_are_refused(text: str) -> None:
    refusals: set[str] = set()
    for faults, latencies in (([text], []), ([], [text])):
        try:
            faults_of(faults, latencies)
        except ParameterError as error:
            refusals.add(error.parameter)
    try:
        rate_limit_of(text)
    except ParameterError as error:
        refusals.add(error.parameter)
    assert refusals <= {"faults", "latency", "seconds", "rate_limit"}
