"""`sweep`: the same work in many accounts and regions, in this process or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar, overload

from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.configuration import ClientOptions
from lambdacore_async.engine.core import account_key
from lambdacore_async.engine.identity.providers import CredentialsLike
from lambdacore_async.engine.identity.roles import AssumeRole
from lambdacore_async.errors import ParameterError
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.workflows.arguments import check_count
from lambdacore_async.workflows.checkpoints import Checkpoint
from lambdacore_async.workflows.sweeps import DaskClient, Sweep, do_work
from lambdacore_async.workflows.targets import Target, check_targets

Value = TypeVar("Value")
Item = TypeVar("Item")


@overload
def sweep(
    targets: Iterable[Target],
    work: Callable[[LambdaCoreClient], Awaitable[Value]],
    *,
    on: LambdaCoreClient | DaskClient,
    options: ClientOptions | None = None,
    targets_at_once: int = 100,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Sweep[Value]: ...


@overload
def sweep(
    targets: Iterable[Target],
    work: Callable[[LambdaCoreClient], AsyncIterable[Item]],
    *,
    on: LambdaCoreClient | DaskClient,
    options: ClientOptions | None = None,
    targets_at_once: int = 100,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Sweep[tuple[Item, ...]]: ...


def sweep(
    targets: Iterable[Target],
    work: Callable[[LambdaCoreClient], Awaitable[Any] | AsyncIterable[Any]],
    *,
    on: LambdaCoreClient | DaskClient,
    options: ClientOptions | None = None,
    targets_at_once: int = 100,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Sweep[Any]:
    """Do the same work in many accounts and regions, and yield one result for each target.

    Targets of the same account and region run one after another, even on several workers, because
    processes cannot share a rate limit well. Two `AssumeRole`s with roles of one account count as
    the same account, and so do other credentials if they are equal.

    On Dask, each target is a task. A worker has one client for all its tasks of the sweep, and runs
    one task per thread at a time, all on its event loop. If a worker dies, Dask repeats
    its unfinished tasks on other workers, so the work must be safe to run twice. No secret is sent
    to the cluster: workers get their own credentials.

    Args:
        targets: the accounts and regions. All of them are read immediately.
        work: called with a client for each target. It is an async function, or it returns an async
            iterable, whose items become a tuple; `LambdaCoreClient.list_network_connectors` is
            work. On Dask it must be picklable, and so must its results.
        on: the client to use in this process, or an asynchronous `distributed.Client`, which needs
            the extra `dask`.
        options: the options of the workers' clients, for Dask only. Defaults to `ClientOptions()`,
            which takes credentials from each worker's environment.
        targets_at_once: the maximum number of targets in progress, and of results that are not
            consumed yet; at least 1.
        checkpoint: a file of the targets that are done, which a later sweep with the same work
            skips. It is created if it is missing.

    Raises:
        ParameterError: if an argument is invalid, or would send a secret to the cluster; on
            entering, if the checkpoint belongs to another sweep.
        OSError: on entering, if the checkpoint cannot be read or written.
        Exception: on entering, if the cluster cannot prepare its workers.
    """
    check_count("targets_at_once", targets_at_once)
    listed = check_targets(targets)
    if not callable(work):
        raise ParameterError("work", f"expected a function, got {type(work).__name__}")
    run: Callable[[Target], Awaitable[Any]]
    engine: AbstractAsyncContextManager[object]
    if isinstance(on, LambdaCoreClient):
        if options is not None:
            raise ParameterError("options", "are for Dask; here, the client has its own")
        options = on.options
        run, engine = partial(do_work, work, on), nullcontext()
    elif isinstance(on, DaskClient):
        from lambdacore_async.dask import Cluster

        options = ClientOptions() if options is None else options
        if not isinstance(options, ClientOptions):
            raise ParameterError("options", f"must be ClientOptions, got {type(options).__name__}")
        engine = cluster = Cluster(on, work, options, listed)
        run = cluster.run
    else:
        raise ParameterError(
            "on", f"expected a LambdaCoreClient or a Dask client, got {type(on).__name__}"
        )
    groups: dict[object, list[Target]] = {}
    for target in listed:
        account = _account(target.credentials or options.credentials)
        groups.setdefault((account, target.region), []).append(target)
    return Sweep(
        list(groups.values()),
        run,
        engine,
        targets_at_once=targets_at_once,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, work, options, listed),
    )


def _account(credentials: CredentialsLike | None) -> object:
    """Return a key that is equal for credentials of the same account, as far as they show it."""
    if isinstance(credentials, AssumeRole) and (arn := parse_arn(credentials.role_arn)) is not None:
        return arn.account
    return account_key(credentials)
