"""Emulator of AWS Lambda Core, for tests and demonstrations.

    async with LocalLambdaCore(provisioning_seconds=lambda random: random.uniform(30, 600)) as aws:
        aws.state.fail_next("CreateNetworkConnector", reason_code)
        aws.faults.script(Throttle(retry_after=2), Reset("before_answer"))
        async with aws.client() as client:
            ...

The emulator keeps all resources in memory, listens on a free port of the loopback interface, and
verifies the signature of each request as AWS does. Any AWS SDK can use it with its `endpoint_url`
and `credentials`.
"""

from __future__ import annotations

from lambdacore_async.local.account import FailingOperation, Limits, Seconds
from lambdacore_async.local.faults import Faults
from lambdacore_async.local.proxy import FaultProxy
from lambdacore_async.local.server import AnsweredRequest
from lambdacore_async.local.service import LocalLambdaCore
from lambdacore_async.local.state import State

__all__ = [
    "AnsweredRequest",
    "FailingOperation",
    "FaultProxy",
    "Faults",
    "Limits",
    "LocalLambdaCore",
    "Seconds",
    "State",
]
