"""A simulated service for tests of the cache, and what went over its wire."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from attrs import evolve

from lambdacore_async import (
    AccessDeniedException,
    ApiError,
    ComputeResourceType,
    LambdaCoreClient,
    NetworkProtocol,
    VpcEgressConfiguration,
)
from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.pipeline import Pipeline
from lambdacore_async.protocol.messages import Request
from support.simulation import World, inject

ROLE: Final = "arn:aws:iam::123456789012:role/operator"
VPC: Final = VpcEgressConfiguration(
    subnet_ids=("subnet-a",),
    security_group_ids=("sg-a",),
    network_protocol=NetworkProtocol.IPV4,
    associated_compute_resource_types=(ComputeResourceType.MICRO_VM,),
)
OTHER_VPC: Final = evolve(VPC, subnet_ids=("subnet-b",))


def is_get(request: Request) -> bool:
    return request.method == "GET" and "/network-connectors/" in request.target


class Wire:
    """Counts gets and listings, and fails them on demand.

    Attributes:
        gets, listings: the number of requests, by the time.
        error: what reads fail with.
    """

    def __init__(self, here: World) -> None:
        self.gets: list[float] = []
        self.listings: list[float] = []
        self.error: Exception | None = None
        self._here = here
        here.transport.before = self

    def __call__(self, request: Request) -> None:
        if request.method == "GET":
            (self.gets if is_get(request) else self.listings).append(self._here.clock.monotonic())
            if self.error is not None:
                raise self.error


def world(*names: str, **options: Any) -> tuple[World, Wire]:
    """Return a service with connectors that were created long ago, and its wire."""
    here = World(provisioning_seconds=0, update_seconds=0, deletion_seconds=0, **options)
    for name in names:
        here.state.put_network_connector(name, configuration=VPC)
    here.clock.advance(3600)
    return here, Wire(here)


def denied(message: str) -> ApiError:
    return AccessDeniedException(message, status_code=403)


class WrongClock(Clock):
    """The clock of a process: its time of day is wrong, and its monotonic time starts anywhere."""

    def __init__(self, here: World, error: float) -> None:
        self.error = error
        self._here = here.clock
        self._start = here.clock.monotonic() + 1000 + error

    def now(self) -> datetime:
        return self._here.now() + timedelta(seconds=self.error)

    def monotonic(self) -> float:
        return self._here.monotonic() - self._start

    async def sleep(self, seconds: float) -> None:
        await self._here.sleep(seconds)


def process(here: World, error: float, **parts: Any) -> LambdaCoreClient:
    """Return a client of another process, whose clock is wrong by these seconds.

    Args:
        here: the service.
        error: is added to the time of day.
        parts: other fields of `Shared`.
    """
    client = here.client()
    settings = client._core.pipeline.settings
    inject(client, clock=WrongClock(here, error), **parts)
    client._core.pipeline = Pipeline(client._core.shared, settings)
    return client
