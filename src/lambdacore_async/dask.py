"""Sweeps on Dask: a task for each target, and a plugin that gives each worker one client.

A worker's plugins live until the end of the sweep or of the worker. Dask sets them up and closes
them on the worker's event loop, so all tasks share the client's connections, credentials and rate
limiters. Workers that start later get the plugin too. Tasks are coroutines, which Dask runs on the
same loop.

This module needs the extra `dask`.
"""

from __future__ import annotations

import asyncio
import io
import itertools
import pickle
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self
from uuid import uuid4

import cloudpickle
from distributed import Client, Future, KilledWorker, Worker, WorkerPlugin, get_worker

from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.cancellation import is_cancelled
from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.identity.providers import check_picklable
from lambdacore_async.engine.observation import logger
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.sigv4 import Credentials
from lambdacore_async.workflows.sweeps import WorkError, do_work
from lambdacore_async.workflows.targets import Target

#: Seconds to wait for a scheduler that does not answer, before a sweep is left without it.
_PATIENCE: Final = 10.0


class Cluster:
    """The sweep's side of Dask: submits tasks once it is entered, and cancels them when it is left.

    Args:
        dask: the client of the cluster.
        work: the work of the sweep.
        options: the options of the workers' clients.
        targets: the targets of the sweep.

    Raises:
        ParameterError: if `dask` is not an asynchronous client, or if something cannot be pickled
            or holds a secret.
    """

    def __init__(
        self,
        dask: object,
        work: Callable[[LambdaCoreClient], Awaitable[Any] | AsyncIterable[Any]],
        options: ClientOptions,
        targets: Iterable[Target],
    ) -> None:
        if not (isinstance(dask, Client) and dask.asynchronous):
            raise ParameterError(
                "on", "the Dask client must use this event loop: create it with asynchronous=True"
            )
        for position, target in enumerate(targets):
            try:
                check_picklable(target.credentials)
            except ParameterError as error:
                problem = str(error).removeprefix("credentials: ")
                raise ParameterError(f"targets[{position}].credentials", problem) from None
        self._dask = dask
        self._name = f"lambdacore-sweep-{uuid4().hex}"
        self._plugin = _ClientPlugin(_dump("options", options), _dump("work", work))
        self._numbers = itertools.count()
        #: The tasks on the cluster, by the local task that waits for their result.
        self._tasks: dict[asyncio.Task[bytes], Future[bytes]] = {}

    async def __aenter__(self) -> Self:
        try:
            await _finish(self._dask.register_plugin(self._plugin, self._name), _PATIENCE)
        except BaseException:
            await _finish(self._close())
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await _finish(self._close())

    async def run(self, target: Target) -> Any:
        """Return the result of a target: what the work returned, or its error.

        Raises:
            Exception: if the cluster failed.
        """
        key = f"{self._name}-{next(self._numbers)}"
        future = self._dask.submit(_sweep_target, self._name, target, key=key, pure=False)
        waiting = asyncio.create_task(_result(future))
        waiting.add_done_callback(_retrieve)
        self._tasks[waiting] = future
        try:
            # A Dask client transfers several results at once. Cancelling a task that waits for one
            # would break the other transfers, and all later ones too if theirs has not begun yet.
            pickled = await asyncio.shield(waiting)
        except KilledWorker as error:
            pickled = _dump("work", WorkError.of(error))
        except asyncio.CancelledError:
            if is_cancelled():  # then `_close` cancels the task
                raise
            pickled = _dump("work", WorkError("the Dask client cancelled the result's transfer"))
        del self._tasks[waiting]
        try:
            return pickle.loads(pickled)  # noqa: S301 - from the caller's own cluster
        except Exception as error:  # noqa: BLE001 - a failure of this target
            return WorkError.of(error)

    async def _close(self) -> None:
        if self._dask.status != "closed":
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._withdraw()
                return
        logger.warning(
            "the cluster is out of reach: it may keep tasks and clients of a sweep",
            extra={"sweep": self._name},
        )

    async def _withdraw(self) -> None:
        """Remove the sweep from the cluster."""
        if self._tasks:
            await self._dask.cancel(list(self._tasks.values()))
            await asyncio.wait(self._tasks)
        # A scheduler that was restarted has no plugin, and a worker that died has no client.
        with suppress(ValueError, OSError):
            await self._dask.unregister_worker_plugin(self._name)


class _ClientPlugin(WorkerPlugin):
    """Runs the tasks of a sweep on a worker, with one client.

    Args:
        options: the pickled options of the client.
        work: the pickled work.
    """

    def __init__(self, options: bytes, work: bytes) -> None:
        self._options = options
        self._work = work
        self._running: set[asyncio.Task[bytes]] = set()
        self._client: LambdaCoreClient | None = None

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask passes it by name
        """Create the client, which does no I/O yet."""
        work = pickle.loads(self._work)  # noqa: S301 - from the sweep
        client = self._client = LambdaCoreClient.from_options(pickle.loads(self._options))  # noqa: S301
        self._do_work = partial(do_work, work, client)

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Cancel the tasks in progress, and close the client."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._client is not None:
            await self._client.close()

    async def run(self, target: Target) -> bytes:
        """Return the pickled result of a target.

        The work has its own task, because cancelling Dask's task would be a failure.
        """
        task = asyncio.create_task(self._run(target))
        self._running.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if is_cancelled():  # the worker closes, and Dask runs the task elsewhere
                raise
            return _LEFT
        finally:
            self._running.discard(task)

    async def _run(self, target: Target) -> bytes:
        try:
            return _dump("work", await self._do_work(target))
        except ParameterError as error:
            return _dump("work", WorkError.of(error))


async def _result(future: Future[bytes]) -> bytes:
    return await future


async def _sweep_target(name: str, target: Target) -> bytes:
    """Run a task on a worker, with the plugin of this name."""
    plugin = get_worker().plugins.get(name)
    return await plugin.run(target) if isinstance(plugin, _ClientPlugin) else _LEFT


class _Pickler(cloudpickle.Pickler):
    """Pickles functions and classes of programs too, and refuses credentials."""

    def reducer_override(self, obj: object) -> object:
        if isinstance(obj, Credentials):
            raise ParameterError("credentials", "are secret, and do not leave their process")
        return super().reducer_override(obj)


def _dump(parameter: str, value: object) -> bytes:
    """Return a pickled value.

    Raises:
        ParameterError: if the value cannot be pickled, or holds credentials.
    """
    file = io.BytesIO()
    try:
        _Pickler(file).dump(value)
    except Exception as error:
        raise ParameterError(parameter, f"cannot be pickled: {error}") from error
    return file.getvalue()


#: The result of a task that runs after its sweep.
_LEFT: Final = _dump("work", WorkError("the sweep has been left"))


def _retrieve(waiting: asyncio.Task[bytes]) -> None:
    """Retrieve the error of a task that nobody awaits any more, or asyncio would log it."""
    if not waiting.cancelled():
        waiting.exception()


async def _finish(work: Coroutine[Any, Any, object], patience: float | None = None) -> None:
    """Run work to its end, and raise a cancellation of the caller only afterwards.

    Args:
        work: the work.
        patience: seconds after a cancellation in which the work may end. Defaults to no limit.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=patience)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
