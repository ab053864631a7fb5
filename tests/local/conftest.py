from __future__ import annotations

import pytest

from lambdacore_async.local import Limits, State
from lambdacore_async.local.account import Account
from local.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """A state where provisioning takes 60 s, updates 30 s and deletions 20 s."""
    account = Account(
        clock=clock,
        provisioning_seconds=60,
        update_seconds=30,
        deletion_seconds=20,
        limits=Limits(
            network_connectors=3,
            network_connector_versions=3,
            runtimes=2,
            runtime_versions=2,
            runtime_aliases=2,
        ),
    )
    return State(account)
