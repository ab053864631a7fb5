"""The parts of `distributed` that this project uses; most of its own types are missing."""

from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Generator, Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar, overload

_Result = TypeVar("_Result", covariant=True)

class Scheduler:
    allowed_failures: int
    handlers: dict[str, Callable[..., object]]
    tasks: dict[object, object]
    worker_plugins: dict[str, bytes]
    async def remove_worker(self, address: str, *, stimulus_id: str) -> object: ...

class Worker:
    address: str
    plugins: dict[str, WorkerPlugin]
    async def close(self) -> object: ...

class WorkerPlugin:
    def setup(self, worker: Worker) -> Awaitable[None] | None: ...
    def teardown(self, worker: Worker) -> Awaitable[None] | None: ...

class KilledWorker(Exception): ...  # noqa: N818 - its own name

def get_worker() -> Worker: ...

class LocalCluster:
    scheduler: Scheduler
    scheduler_address: str
    workers: dict[object, Worker]
    def __init__(
        self,
        *,
        n_workers: int,
        threads_per_worker: int,
        processes: bool = True,
        host: str | None = None,
        asynchronous: bool = False,
        dashboard_address: str | None = ":8787",
        local_directory: str | None = None,
    ) -> None: ...
    def scale(self, n: int) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

class Future(Generic[_Result]):
    def __await__(self) -> Generator[object, None, _Result]: ...

class Client:
    # Two private attributes, with which tests hold and see the transfers of results.
    _gather_semaphore: Semaphore
    _gather_keys: set[str] | None
    status: str
    def __init__(
        self,
        address: str | LocalCluster,
        *,
        asynchronous: bool = False,
        set_as_default: bool = True,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    @property
    def asynchronous(self) -> bool: ...
    @overload
    def submit(
        self,
        func: Callable[..., Awaitable[_Result]],
        *args: object,
        key: str | None = None,
        pure: bool = True,
    ) -> Future[_Result]: ...
    @overload
    def submit(
        self,
        func: Callable[..., object],
        *args: object,
        key: str | None = None,
        pure: bool = True,
    ) -> Future[object]: ...
    async def cancel(self, futures: Iterable[object]) -> None: ...
    async def register_plugin(self, plugin: WorkerPlugin, name: str | None = None) -> object: ...
    async def unregister_worker_plugin(self, name: str) -> object: ...
    async def wait_for_workers(self, n_workers: int) -> None: ...
    async def run(self, function: Callable[[], object]) -> dict[str, object]: ...
    def close(self) -> Awaitable[None]: ...
