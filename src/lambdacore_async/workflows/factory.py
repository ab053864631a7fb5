"""Factory of workflows, which a client imports when it first uses one."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar
from urllib.parse import unquote
from warnings import warn

from lambdacore_async.engine.core import Core
from lambdacore_async.engine.observation import Call, CallKind, Observed
from lambdacore_async.engine.pipeline import Pipeline
from lambdacore_async.errors import (
    LambdaCoreError,
    ParameterError,
    ResourceNotFoundException,
)
from lambdacore_async.models.network_connectors import (
    ConnectorIdentifier,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
)
from lambdacore_async.models.shared import JSONValue
from lambdacore_async.protocol import operations
from lambdacore_async.protocol.raw import RawResponse, raw_operation
from lambdacore_async.protocol.restjson import ListOperation, Operation
from lambdacore_async.workflows.arguments import (
    WaitOptions,
    check_count,
    check_function,
    check_wait,
)
from lambdacore_async.workflows.cache.across import NetworkConnectorCaches
from lambdacore_async.workflows.cache.cache import NetworkConnectorCache
from lambdacore_async.workflows.diagnosis import Diagnosis, diagnose
from lambdacore_async.workflows.lookups import Lookup, Lookups
from lambdacore_async.workflows.pagination import Pager
from lambdacore_async.workflows.polling import Poller
from lambdacore_async.workflows.provisioning import Provisioning, Wanted, prune
from lambdacore_async.workflows.targets import MultiTargetRun, Target, check_targets
from lambdacore_async.workflows.users import ConnectorInUseError, ConnectorUser, find_users
from lambdacore_async.workflows.wait_tokens import Wait, WaitToken
from lambdacore_async.workflows.waiters import Awaited, ConnectorWait, Model, RuntimeWait
from lambdacore_async.workflows.watching import NetworkConnectorWatch

#: Concurrent lookups by default, if the client has as many connections.
_CONCURRENCY: Final = 64
_CONCURRENCY_PER_TARGET: Final = 10
#: Minimum seconds that a resumed wait lasts.
_LEAST: Final = 30.0
#: The kinds of waits for a runtime, by the operation that gets the resource.
_RUNTIME_KINDS: Final = {
    operations.GET_RUNTIME_VERSION.name: "runtime_version_active",
    operations.GET_RUNTIME_ALIAS.name: "runtime_alias_active",
}

Item = TypeVar("Item")
Output = TypeVar("Output")
View = TypeVar("View")


class Workflows:
    """Creates the workflows of one view of a client. Its waiters and watches share pollers.

    Args:
        core: makes the calls.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._pollers: dict[Pipeline, Poller] = {}

    def pager(
        self,
        operation: ListOperation[Item],
        *,
        page_size: int | None,
        limit: int | None,
        prefetch: bool,
        max_items: int | None,
        **arguments: object,
    ) -> Pager[Item]:
        """Return a listing for a method of the client; warnings point to that method's caller."""
        if max_items is not None:
            warn(
                "max_items is deprecated and will be removed in 1.0: pass page_size for the size "
                "of a page, or limit for the total",
                DeprecationWarning,
                stacklevel=3,
            )
            if page_size is not None:
                raise ParameterError("max_items", "is the old name of page_size; pass one of them")
            page_size = max_items
        return Pager(
            self._core.call,
            operation,
            arguments,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            client=self._core,
        )

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        body: JSONValue | bytes = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> RawResponse:
        """See `LambdaCoreClient.request`."""
        operation = raw_operation(
            method, path, query=query, body=body, headers=headers, idempotent=idempotent
        )
        try:
            return await self._core.call(operation, {})
        finally:
            if method != "GET":
                self._core.note_change(unquote(path.rpartition("/")[2]))

    def lookups(
        self,
        identifiers: Iterable[ConnectorIdentifier] | AsyncIterable[ConnectorIdentifier],
        *,
        concurrency: int | None = None,
        deadline: float | timedelta | None = None,
        fail_fast: bool = True,
    ) -> Lookups:
        """Return a run of lookups.

        Raises:
            ParameterError: if an argument is invalid, or the client has fewer connections than
                `concurrency`.
        """
        connections = self._core.shared.max_in_flight
        if concurrency is None:
            concurrency = min(_CONCURRENCY, connections)
        check_count("concurrency", concurrency)
        if concurrency > connections:
            raise ParameterError(
                "concurrency",
                f"must be at most the client's max_connections, {connections}, got {concurrency};"
                " create the client with more connections",
            )
        return Lookups(
            lambda identifier: self._core.call(
                operations.GET_NETWORK_CONNECTOR,
                {"identifier": identifier},
                outlasts_throttling=True,
            ),
            identifiers,
            concurrency=concurrency,
            deadline=deadline,
            clock=self._core.clock,
            is_elsewhere=self._core.is_elsewhere,
            fail_fast=fail_fast,
            first_workers=lambda: self._core.pipeline.proven,
            observe=partial(self._observe, "lookup_network_connectors", self._core.region),
            client=self._core,
        )

    def _observe(self, method: str, region: str | None = None) -> AbstractContextManager[object]:
        """Return a context manager that shows a run to the client's `on_call`."""
        hook = self._core.shared.on_call
        if hook is None:
            return nullcontext()
        run = Call(method, CallKind.RUN, label=self._core.options.label, region=region)
        return Observed(hook, run, self._core.clock.monotonic)

    def lookup_across(
        self,
        targets: Iterable[Target],
        identifiers: Collection[ConnectorIdentifier],
        view: Callable[[Target], Workflows],
        *,
        concurrency: int | None,
        targets_at_once: int,
    ) -> MultiTargetRun[Lookup]:
        """Return a run of lookups in many accounts and regions.

        Args:
            targets: the accounts and regions.
            identifiers: IDs, names and ARNs.
            view: returns the workflows for a target.
            concurrency: the maximum number of concurrent lookups for one target; by default 10, or
                the number of connections if that is lower.
            targets_at_once: the maximum number of concurrent targets.
        """
        # All targets need all identifiers, which an iterator yields only once.
        if isinstance(identifiers, str | bytes) or not isinstance(identifiers, Collection):
            raise ParameterError(
                "identifiers",
                "expected a collection such as a list, because each target needs all of it, "
                f"got {type(identifiers).__name__}",
            )
        if concurrency is None:
            concurrency = min(_CONCURRENCY_PER_TARGET, self._core.shared.max_in_flight)
        listed = tuple(identifiers)
        self.lookups(listed, concurrency=concurrency)  # validates the arguments early

        async def look_up(target: Target) -> AsyncGenerator[Lookup]:
            run = view(target).lookups(listed, concurrency=concurrency, fail_fast=False)
            async with run:
                async for lookup in run:
                    yield lookup

        return MultiTargetRun(
            targets,
            look_up,
            targets_at_once=targets_at_once,
            observe=partial(self._observe, "lookup_across"),
            client=self._core,
        )

    def list_across(
        self,
        targets: Iterable[Target],
        listing: Callable[[View], AsyncIterable[Item]],
        view: Callable[[Target], View],
        *,
        targets_at_once: int,
    ) -> MultiTargetRun[Item | LambdaCoreError]:
        """Return a run of listings in many accounts and regions.

        Args:
            targets: the accounts and regions.
            listing: starts a listing with a view.
            view: returns the view for a target.
            targets_at_once: the maximum number of concurrent targets.
        """
        check_function("listing", listing)

        async def list_there(target: Target) -> AsyncGenerator[Item | LambdaCoreError]:
            try:
                listed = listing(view(target))
                if not isinstance(listed, AsyncIterable):
                    raise ParameterError(
                        "listing", f"must return an async iterable, got {type(listed).__name__}"
                    )
                iterator = aiter(listed)
                try:
                    async for item in iterator:
                        yield item
                finally:
                    if isinstance(iterator, AsyncGenerator):
                        await iterator.aclose()
            except LambdaCoreError as error:
                yield error

        return MultiTargetRun(
            targets,
            list_there,
            targets_at_once=targets_at_once,
            observe=partial(self._observe, "list_across"),
            client=self._core,
        )

    @staticmethod
    def wanted(
        name: str,
        configuration: NetworkConnectorConfiguration,
        operator_role: str | None,
        tags: Mapping[str, str] | None,
    ) -> Wanted:
        """Return the desired state of a connector."""
        return Wanted(name, configuration, operator_role, tags)

    async def prune(self, identifier: str, keep: int) -> tuple[NetworkConnectorVersionSummary, ...]:
        """See `LambdaCoreClient.prune_network_connector_versions`."""
        return await prune(self._core, identifier, keep)

    async def users_of(self, connector: str | NetworkConnector) -> tuple[ConnectorUser, ...]:
        """See `LambdaCoreClient.users_of`."""
        if not isinstance(connector, NetworkConnector):
            connector = await self._core.call(
                operations.GET_NETWORK_CONNECTOR, {"identifier": connector}
            )
        return await find_users(self.request, connector)

    async def refuse_if_used(self, identifier: str) -> None:
        """Raise `ConnectorInUseError` if resources use a connector; do nothing if it is gone."""
        try:
            users = await self.users_of(identifier)
        except ResourceNotFoundException:
            return
        if users:
            raise ConnectorInUseError(users)

    async def diagnose(self, identifier: str) -> Diagnosis:
        """See `LambdaCoreClient.diagnose_network_connector`."""
        return await diagnose(self._core, identifier)

    def provisioning(self, options: WaitOptions[NetworkConnector]) -> Provisioning:
        """Return one run of a provisioning call."""
        return Provisioning(self._core, self.connector_wait, options)

    @staticmethod
    def wait_options(
        timeout: float | timedelta,
        poll_interval: float | timedelta,
        on_change: Callable[[Item], object] | None,
    ) -> WaitOptions[Item]:
        """Check the options of a wait; see `check_wait`."""
        return check_wait(timeout, poll_interval, on_change)

    async def connector_wait(
        self, connector: str | NetworkConnector, options: WaitOptions[NetworkConnector]
    ) -> ConnectorWait:
        """Return a wait for a connector."""
        identifier = _identifier_of(connector)
        return ConnectorWait(
            await self._poller_of(connector),
            connector,
            options,
            exists=identifier is not connector or self._core.was_written(identifier),
        )

    def until_active(
        self,
        connector: str | NetworkConnector,
        options: WaitOptions[NetworkConnector],
        resumed: WaitToken | None = None,
    ) -> Wait[NetworkConnector]:
        """See `LambdaCoreClient.wait_until_network_connector_active`."""
        kind, until = "network_connector_active", ConnectorWait.until_active
        return self._until(kind, until, connector, options, resumed)

    def until_updated(
        self,
        connector: str | NetworkConnector,
        version: int | None,
        options: WaitOptions[NetworkConnector],
        resumed: WaitToken | None = None,
    ) -> Wait[NetworkConnector]:
        """See `LambdaCoreClient.wait_until_network_connector_updated`."""
        if version is not None:
            check_count("version", version)
        until = partial(ConnectorWait.until_updated, version=version)
        kind = "network_connector_updated"
        return self._until(kind, until, connector, options, resumed, version)

    def until_deleted(
        self,
        connector: str | NetworkConnector,
        options: WaitOptions[NetworkConnector],
        resumed: WaitToken | None = None,
    ) -> Wait[None]:
        """See `LambdaCoreClient.wait_until_network_connector_deleted`."""
        kind, until = "network_connector_deleted", ConnectorWait.until_deleted
        return self._until(kind, until, connector, options, resumed)

    def _until(
        self,
        kind: str,
        until: Callable[[ConnectorWait], Coroutine[None, None, Output]],
        connector: str | NetworkConnector,
        options: WaitOptions[NetworkConnector],
        resumed: WaitToken | None,
        version: int | None = None,
    ) -> Wait[Output]:
        """Return a wait for a connector, whose identifier is checked now."""
        identifier = _identifier_of(connector)
        operations.GET_NETWORK_CONNECTOR.build_request({"identifier": identifier})
        given = connector if isinstance(connector, NetworkConnector) else None
        return Wait(
            lambda: self.connector_wait(connector, options),
            until,
            lambda began: WaitToken(
                kind,
                (identifier,),
                began,
                began + timedelta(seconds=options.timeout),
                options.poll_interval,
                given is not None or self._core.was_written(identifier),
                self._core.region,
                version,
                connector=given,
            ),
            self._core.clock,
            resumed,
        )

    def runtime_until_active(
        self,
        operation: Operation[Model],
        runtime_name: str,
        name: str,
        options: WaitOptions[Model],
        resumed: WaitToken | None = None,
    ) -> Wait[Model]:
        """See `LambdaCoreClient.wait_until_runtime_version_active`.

        Args:
            operation: the operation that gets the version or the alias.
            runtime_name: the runtime's name or ARN.
            name: the name of the version or the alias.
            options: how long and how often to poll.
            resumed: the token of the wait in another process.

        Raises:
            ParameterError: if an argument is invalid.
        """
        arguments = {"runtime_name": runtime_name, "name": name}
        operation.build_request(arguments)  # validates the arguments early
        core, key = self._core, (operation.name, runtime_name, name)

        async def wait() -> RuntimeWait[Model]:
            return RuntimeWait(
                partial(core.call, operation, arguments, outlasts_throttling=True),
                operation.name,
                self._poller(core.pipeline),
                options,
                exists=core.was_written(key),
            )

        return Wait(
            wait,
            RuntimeWait[Model].until_active,
            lambda began: WaitToken(
                _RUNTIME_KINDS[operation.name],
                (runtime_name, name),
                began,
                began + timedelta(seconds=options.timeout),
                options.poll_interval,
                core.was_written(key),
                core.region,
            ),
            core.clock,
            resumed,
        )

    def resume_wait(self, text: str, view: Callable[[str], Workflows]) -> Wait[Awaited | None]:
        """Return a wait resumed from a token; see `LambdaCoreClient.resume_wait`.

        Args:
            text: the token.
            view: returns the workflows of another region.

        Raises:
            ParameterError: if the token cannot be used.
        """
        token = WaitToken.load(text)
        if token.region in (None, self._core.region):  # the waits of a region share their polls
            return self.wait_of(token)
        return view(token.region).wait_of(token)

    def wait_of(self, token: WaitToken) -> Wait[Awaited | None]:
        """Return a wait resumed from a token, which lasts at least 30 seconds."""
        left = (token.deadline - self._core.clock.now()).total_seconds()
        timeout, interval = max(left, _LEAST), token.poll_interval
        identifier, *others = token.names
        if token.kind == _RUNTIME_KINDS[operations.GET_RUNTIME_VERSION.name]:
            return self.runtime_until_active(
                operations.GET_RUNTIME_VERSION,
                identifier,
                others[0],
                WaitOptions(timeout, interval),
                token,
            )
        if token.kind == _RUNTIME_KINDS[operations.GET_RUNTIME_ALIAS.name]:
            return self.runtime_until_active(
                operations.GET_RUNTIME_ALIAS,
                identifier,
                others[0],
                WaitOptions(timeout, interval),
                token,
            )
        connector = token.connector or identifier
        options = WaitOptions[NetworkConnector](timeout, interval)
        if token.kind == "network_connector_updated":
            return self.until_updated(connector, token.version, options, token)
        if token.kind == "network_connector_deleted":
            return self.until_deleted(connector, options, token)
        return self.until_active(connector, options, token)

    def watch(
        self, snapshot: Iterable[NetworkConnectorSummary] | None, poll_interval: float | timedelta
    ) -> NetworkConnectorWatch:
        """Return a watch of all connectors."""
        return NetworkConnectorWatch(self._poller(self._core.pipeline), snapshot, poll_interval)

    def cache(
        self, max_age: float | timedelta, stale_if_error: float | timedelta | None
    ) -> NetworkConnectorCache:
        """Return a cache of all connectors."""
        poller = partial(self._poller, self._core.pipeline)
        return NetworkConnectorCache(self._core, poller, max_age, stale_if_error)

    @staticmethod
    def caches(
        targets: Iterable[Target],
        view: Callable[[Target], Workflows],
        max_age: float | timedelta,
        stale_if_error: float | timedelta | None,
    ) -> NetworkConnectorCaches:
        """Return a cache for each target."""
        return NetworkConnectorCaches(
            {
                target: view(target).cache(max_age, stale_if_error)
                for target in check_targets(targets)
            }
        )

    async def _poller_of(self, connector: str | NetworkConnector) -> Poller:
        """Return the poller of the region that an ARN names; otherwise that of the view."""
        arn, pipeline = _identifier_of(connector), self._core.pipeline
        if arn.startswith("arn:"):
            try:
                pipeline = await self._core.pipeline_of(arn, operations.GET_NETWORK_CONNECTOR.name)
            except ParameterError:
                if arn is connector:  # the ARN of an emulator's connector may name any region
                    raise
        return self._poller(pipeline)

    def _poller(self, pipeline: Pipeline) -> Poller:
        """Return the poller of a pipeline, shared with all views that make calls alike."""
        poller = self._pollers.get(pipeline)
        if poller is None:
            options, shared = self._core.options, pipeline.shared
            own = pipeline is self._core.pipeline  # whose region may not be resolved yet
            region = options.region if own else pipeline.settings.region
            key = (region, options.timeout, options.retry_mode, options.max_attempts)
            known = shared.pollers.get(key)
            poller = known if isinstance(known, Poller) else _poller_of_calls(pipeline)
            self._pollers[pipeline] = shared.pollers[key] = poller
        return poller


def _identifier_of(connector: str | NetworkConnector) -> str:
    return connector.arn if isinstance(connector, NetworkConnector) else connector


def _poller_of_calls(pipeline: Pipeline) -> Poller:
    call = partial(pipeline.call, outlasts_throttling=True)
    return Poller(
        lambda identifier: call(operations.GET_NETWORK_CONNECTOR, {"identifier": identifier}),
        Pager(call, operations.LIST_NETWORK_CONNECTORS, {}, page_size=100),
        pipeline.shared.clock,
        phase=3600 * pipeline.shared.jitter(),  # so that clients do not poll simultaneously
    )
