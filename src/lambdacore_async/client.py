"""The client: one short method an operation, and where lookups start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
)
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar
from weakref import WeakSet, WeakValueDictionary

import aiohttp
from attrs import evolve
from yarl import URL

from lambdacore_async.engine.clock import Clock
from lambdacore_async.engine.configuration import (
    Configuration,
    Options,
    as_text,
    as_url,
    check_flag,
)
from lambdacore_async.engine.identity.chain import (
    CredentialsLike,
    DefaultChain,
    as_provider,
    is_async,
)
from lambdacore_async.engine.identity.refresh import CredentialsProvider, RefreshingCredentials
from lambdacore_async.engine.pipeline import Attempt, Pipeline, Settings, Shared
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.engine.transport.session import AiohttpTransport
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.models.network_connectors import (
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
    OnChange,
)
from lambdacore_async.models.shared import UnknownValue
from lambdacore_async.protocol import operations
from lambdacore_async.protocol.restjson import ListOperation, Operation
from lambdacore_async.protocol.sigv4 import Credentials

if TYPE_CHECKING:
    # What a service that looks at single connectors does without is imported where it is used.
    from lambdacore_async.engine.regions import Regions
    from lambdacore_async.models.runtimes import (
        RestoredRuntime,
        Runtime,
        RuntimeAlias,
        RuntimeReleaseLifecycle,
        RuntimeVersion,
    )
    from lambdacore_async.workflows.lookups import Lookup, Lookups
    from lambdacore_async.workflows.pagination import Pager
    from lambdacore_async.workflows.polling import Poller
    from lambdacore_async.workflows.provisioning import Provisioning
    from lambdacore_async.workflows.targets import MultiTargetRun, Target
    from lambdacore_async.workflows.waiters import ConnectorWait
    from lambdacore_async.workflows.watching import NetworkConnectorWatch

Output = TypeVar("Output")
Item = TypeVar("Item")

#: How many accounts a client remembers of which it has no view any more.
_REMEMBERED: Final = 1000


class LambdaCoreClient:
    """A client of AWS Lambda Core, for the tasks of one event loop.

    Use it in `async with`, or for a service's lifetime with `await client.close()`. Making one does
    no I/O; connections are made as calls need them, and shared.

    Every method raises `ParameterError` for arguments that no service could accept, before anything
    is sent; `ApiError`, or the subclass that its documentation names, when the service answers with
    an error; `TransportError` when no complete answer comes; and `ResponseError` when an answer
    cannot be read. Any of them may raise `InvalidParameterValueException`, `ServiceException` and
    `TooManyRequestsException`.

    What is left out comes from the environment, then from the profile in the shared `config` and
    `credentials` files, as for the AWS CLI. The files are read at the first call, in a thread.

    Args:
        region: the AWS region; else `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's.
        profile: whose settings of the shared files count; else that of `AWS_PROFILE`.
        credentials: who signs: `Credentials`, an async function that returns some and is asked
            again before they expire, or an `AWSRequestsAuth`; else what the AWS CLI would find.
        endpoint_url: an endpoint instead of the region's own, as text or as a URL object: https, or
            http to a loopback address; else `AWS_ENDPOINT_URL_LAMBDA_CORE`, `AWS_ENDPOINT_URL`, or
            the profile's.
        allow_plain_http: let an endpoint be http to any address.
        use_fips_endpoint: use the endpoint whose cryptography is FIPS 140 validated; else
            `AWS_USE_FIPS_ENDPOINT`, or the profile's.
        use_dualstack_endpoint: use the endpoint that has IPv6 addresses too; else
            `AWS_USE_DUALSTACK_ENDPOINT`, or the profile's.
        retry_mode: `standard` or `adaptive`; else `AWS_RETRY_MODE`, the profile's, or `standard`.
        max_attempts: requests a call, at least 1; else `AWS_MAX_ATTEMPTS`, the profile's, or 3.
        timeout: seconds for a call with all its attempts, or a `Timeout` with all its parts.
        max_connections: how many connections there may be at once, at least 1.
        ca_bundle: a file of the certificates to trust, in PEM, in place of the system's; else
            `AWS_CA_BUNDLE`, or the profile's.
        trust_env: go through the proxies of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
        http_session: an aiohttp session of your own, to use its connector, proxy or TLS settings;
            it is not closed with the client.
        user_agent_extra: text to add to the `User-Agent` header.
        on_attempt: called with an `Attempt` after each request, for metrics and tracing; not an
            async function, which would never be awaited.

    Raises:
        ParameterError: an argument is of a wrong type, or out of its bounds.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        profile: str | None = None,
        credentials: CredentialsLike | None = None,
        endpoint_url: str | URL | None = None,
        allow_plain_http: bool = False,
        use_fips_endpoint: bool | None = None,
        use_dualstack_endpoint: bool | None = None,
        retry_mode: str | None = None,
        max_attempts: int | None = None,
        timeout: float | Timeout = Timeout(),
        max_connections: int = 100,
        ca_bundle: str | os.PathLike[str] | None = None,
        trust_env: bool = False,
        http_session: aiohttp.ClientSession | None = None,
        user_agent_extra: str | None = None,
        on_attempt: Callable[[Attempt], None] | None = None,
    ) -> None:
        if http_session is not None and ca_bundle is not None:
            raise ParameterError("ca_bundle", "a session of your own has TLS settings of its own")
        check_flag("trust_env", trust_env, optional=False)
        _check_listener(on_attempt)
        options = Options(
            region=region,
            endpoint_url=as_url(endpoint_url),
            use_fips=use_fips_endpoint,
            use_dualstack=use_dualstack_endpoint,
            allow_plain_http=allow_plain_http,
            retry_mode=retry_mode,
            max_attempts=max_attempts,
            timeout=_as_timeout(timeout),
        )
        profile = as_text("profile", profile) or None
        configuration = Configuration(
            os.environ,
            SharedConfig(os.environ, profile),
            ca_bundle=ca_bundle,
            verifies=http_session is None,
        )
        transport = AiohttpTransport(
            max_connections=max_connections,
            session=http_session,
            trust_env=trust_env,
            ssl_context=lambda: configuration.ssl_context,
        )
        clock = Clock()
        origin = (
            DefaultChain(
                os.environ,
                lambda: AiohttpTransport(ssl_context=lambda: configuration.ssl_context),
                clock,
                profile,
                region=partial(configuration.home_region, options),
                ca_bundle=configuration.ca_bundle,
                trust=configuration.trust,
            )
            if credentials is None
            else as_provider(credentials)
        )
        shared = Shared(
            transport=transport,
            credentials=RefreshingCredentials(origin, clock=clock),
            clock=clock,
            user_agent=UserAgent(user_agent_extra, os.environ.get("AWS_EXECUTION_ENV")),
            max_in_flight=max_connections,
            on_attempt=on_attempt,
        )
        #: What views that act for the same account share.
        self._accounts = _Accounts()
        self._accounts.get(origin, lambda: shared)
        self._configuration = configuration
        self._is_view = False
        self._set_up(shared, options)

    def _set_up(self, shared: Shared, options: Options) -> None:
        self._options = options
        self._pipeline = Pipeline(
            shared,
            Settings(timeout=options.timeout),
            partial(self._configuration.resolve, options),
        )

    @cached_property
    def _regions(self) -> Regions:
        from lambdacore_async.engine.regions import Regions

        return Regions(self._pipeline)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled: it holds secrets and connections")

    async def close(self) -> None:
        """Close all connections and forget all credentials; a view's `close` does nothing."""
        if not self._is_view:
            try:
                await self._accounts.close()
            finally:
                await self._pipeline.shared.transport.close()

    def with_options(
        self,
        *,
        region: str | None = None,
        credentials: CredentialsLike | None = None,
        timeout: float | Timeout | None = None,
        retry_mode: str | None = None,
        max_attempts: int | None = None,
    ) -> Self:
        """A view on the same connections, with some options changed.

        It costs next to nothing, and needs no closing. Another region has a rate limiter of its
        own. Other credentials have rate limiters and a retry quota of their own, which views with
        equal ones share. What an async function gave is kept while it is valid, also after the
        view is gone, so a view can be made for each call; pass the same function, or an equal one.

        Args:
            region: the AWS region.
            credentials: who signs, in any form that the client takes.
            timeout: seconds for a call with all its attempts, or a `Timeout` with all its parts.
            retry_mode: `standard` or `adaptive`.
            max_attempts: requests a call, at least 1.

        Raises:
            ParameterError: an argument is of a wrong type, or out of its bounds.
        """
        old = self._options
        view = object.__new__(type(self))
        view._accounts = self._accounts
        view._configuration = self._configuration
        view._is_view = True
        view._set_up(
            self._pipeline.shared if credentials is None else self._shared_of(credentials),
            evolve(
                old,
                region=old.region if region is None else region,
                timeout=old.timeout if timeout is None else _as_timeout(timeout),
                retry_mode=old.retry_mode if retry_mode is None else retry_mode,
                max_attempts=old.max_attempts if max_attempts is None else max_attempts,
            ),
        )
        return view

    def _shared_of(self, credentials: CredentialsLike) -> Shared:
        origin, mine = as_provider(credentials), self._pipeline.shared
        return self._accounts.get(
            origin,
            lambda: evolve(mine, credentials=RefreshingCredentials(origin, clock=mine.clock)),
        )

    # Network connectors

    async def create_network_connector(
        self,
        name: str,
        configuration: NetworkConnectorConfiguration,
        *,
        operator_role: str | None = None,
        client_token: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> NetworkConnector:
        """Create a network connector.

        It starts in state `PENDING`; making its network interfaces takes up to ten minutes. The
        same call sent twice, as a retry does, makes one connector.

        Args:
            name: unique in the account and region; 1 to 64 letters, digits, `-` and `_`.
            configuration: where the connector sends traffic.
            operator_role: the ARN of the role with which Lambda manages the network interfaces.
            client_token: makes the call idempotent, 1 to 64 characters; else a fresh one is made.
            tags: keys and values to organise connectors, account for cost, or control access.

        Raises:
            ResourceConflictException: the name is taken, or the token was used for another request.
            NetworkConnectorLimitExceededException: the account has no room for more.
        """
        return await self._call(
            operations.CREATE_NETWORK_CONNECTOR,
            name=name,
            configuration=configuration,
            operator_role=operator_role,
            client_token=client_token,
            tags=tags,
        )

    async def get_network_connector(self, identifier: str) -> NetworkConnector:
        """Get a network connector: its configuration, its state, and why it failed if it did.

        Args:
            identifier: its ID, name or ARN; a version-qualified ARN gets that version.

        Raises:
            ResourceNotFoundException: there is no such connector or version.
        """
        return await self._call(operations.GET_NETWORK_CONNECTOR, identifier=identifier)

    async def update_network_connector(
        self,
        identifier: str,
        *,
        configuration: NetworkConnectorConfiguration | None = None,
        operator_role: str | None = None,
        client_token: str | None = None,
    ) -> NetworkConnector:
        """Change the configuration or the operator role of a connector that is `ACTIVE`.

        It stays `ACTIVE` meanwhile: `last_update_status` tells how the update goes. Each change of
        the configuration makes a new version; an update that changes nothing makes none.

        Args:
            identifier: its ID, name or ARN.
            configuration: the whole new configuration; it replaces the old one.
            operator_role: the ARN of the new role.
            client_token: makes the call idempotent, 1 to 64 characters; else a fresh one is made.

        Raises:
            ResourceNotFoundException: there is no such connector.
            ResourceConflictException: it is not `ACTIVE`, or an update is in progress.
            NetworkConnectorLimitExceededException: it has no room for more versions.
        """
        return await self._call(
            operations.UPDATE_NETWORK_CONNECTOR,
            identifier=identifier,
            configuration=configuration,
            operator_role=operator_role,
            client_token=client_token,
        )

    async def delete_network_connector(self, identifier: str) -> NetworkConnector:
        """Start to delete a connector with all its versions, or one old version of it.

        The connector is `DELETING` until its network interfaces are gone, and then not found.
        Compute that uses it loses its way into the VPC at once.

        Args:
            identifier: its ID, name or ARN; a version-qualified ARN deletes that version, which
                cannot be the latest.

        Raises:
            ResourceNotFoundException: there is no such connector or version.
            ResourceConflictException: it is in a state in which it cannot be deleted.
        """
        return await self._call(operations.DELETE_NETWORK_CONNECTOR, identifier=identifier)

    def list_network_connectors(
        self,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        max_items: int | None = None,
        prefetch: bool = False,
    ) -> Pager[NetworkConnectorSummary]:
        """List the network connectors of the account in the region.

        Args:
            state: only connectors in this state.
            max_items: connectors a page, 1 to 100; the service returns 50 at most.
            prefetch: request the next page while the current one is consumed.
        """
        return self._list(
            operations.LIST_NETWORK_CONNECTORS, prefetch=prefetch, state=state, max_items=max_items
        )

    def list_network_connector_versions(
        self,
        identifier: str,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        max_items: int | None = None,
        prefetch: bool = False,
    ) -> Pager[NetworkConnectorVersionSummary]:
        """List the versions of a network connector.

        Args:
            identifier: its ID, name or ARN.
            state: only versions in this state.
            max_items: versions a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such connector.
        """
        return self._list(
            operations.LIST_NETWORK_CONNECTOR_VERSIONS,
            prefetch=prefetch,
            identifier=identifier,
            state=state,
            max_items=max_items,
        )

    def lookup_network_connectors(
        self,
        identifiers: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int = 64,
        deadline: float | None = None,
    ) -> Lookups:
        """Get many network connectors at once, each `Found` or `Failed` as it completes.

        Iterate over the run inside `async with`, or `await` its `report()`. An identifier that
        comes twice is asked for once. A lookup that the service throttles has not failed: it waits
        its turn, at the pace that all calls of the client in the region share. One that meets a
        passing failure is tried again for 20 seconds, unless nothing at all has got through for so
        long, or `max_attempts` is 1.

        Args:
            identifiers: IDs, names and ARNs, in any iterable or async iterable; it may be endless.
            concurrency: how many lookups may be under way at once, at least 1.
            deadline: seconds for the whole run, at least 0; what is not done by then has failed.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        return self._lookups(identifiers, concurrency=concurrency, deadline=deadline)

    def _lookups(
        self,
        identifiers: Iterable[str] | AsyncIterable[str],
        *,
        concurrency: int,
        deadline: float | None = None,
        fail_fast: bool = True,
    ) -> Lookups:
        from lambdacore_async.workflows.lookups import Lookups

        return Lookups(
            self._look_up,
            identifiers,
            concurrency=concurrency,
            deadline=deadline,
            clock=self._pipeline.shared.clock,
            fail_fast=fail_fast,
        )

    async def ensure_network_connector(
        self,
        name: str,
        configuration: NetworkConnectorConfiguration,
        *,
        operator_role: str | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Bring about a connector of this name that is active and as wanted, whatever there is now.

        It creates the connector or adopts the one that there is, updates it if it has drifted (see
        `diff_network_connector`), and waits until that is through. A member of the configuration
        that is `None` is left as it is, or to the service. A role that the service cannot assume
        yet is given two minutes to spread. One that is being deleted is waited for, and made anew.

        It may run many times at once, in one process or in several, and be cancelled and run again:
        it finds what there is. Where the runs want different things, the last one wins.

        One that has failed stays as it is, for it may have users: delete it, and ensure it again.

        Args:
            name: unique in the account and region; 1 to 64 letters, digits, `-` and `_`.
            configuration: where the connector is to send traffic.
            operator_role: the ARN of the role with which Lambda manages the network interfaces.
            tags: of the connector, if it is created; the API cannot change them later.
            timeout: seconds for all of it, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector on each change seen while it waits.

        Returns:
            The connector, `ACTIVE`, and without drift.

        Raises:
            WaiterFailedError: it failed, and why; or its drift came back after three updates.
            WaiterTimeoutError: it is not as wanted in time.
            NetworkConnectorLimitExceededException: there is no room for another connector, or for
                another version of it; see `prune_network_connector_versions`.
        """
        from lambdacore_async.workflows.provisioning import Wanted

        wanted = Wanted(name, configuration, operator_role, tags)
        return await self._provisioning(timeout, poll_interval, on_change).ensure(wanted)

    async def update_network_connector_and_wait(
        self,
        identifier: str,
        *,
        configuration: NetworkConnectorConfiguration | None = None,
        operator_role: str | None = None,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Update a connector, and wait until that very update is through.

        A role that the service cannot assume yet is given two minutes to spread.

        Args:
            identifier: its ID, name or ARN.
            configuration: the whole new configuration; it replaces the old one.
            operator_role: the ARN of the new role.
            timeout: seconds for all of it, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector on each change seen while it waits.

        Raises:
            ResourceNotFoundException: there is no such connector.
            ResourceConflictException: it is not `ACTIVE`, or an update is in progress.
            NetworkConnectorLimitExceededException: it has no room for more versions.
            WaiterFailedError: the update failed, and why.
            WaiterTimeoutError: it is not through in time.
        """
        provisioning = self._provisioning(timeout, poll_interval, on_change)
        return await provisioning.update(identifier, configuration, operator_role)

    async def delete_network_connector_and_wait(
        self,
        identifier: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> None:
        """Delete a connector with all its versions, or one old version, and wait until it is gone.

        One that is not there is gone already. One that the service is still at work on is deleted
        when that is through.

        Args:
            identifier: its ID, name or ARN; a version-qualified ARN deletes that version, which
                cannot be the latest.
            timeout: seconds for all of it, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector on each change seen while it waits.

        Raises:
            ResourceConflictException: it is in a state in which it cannot be deleted.
            WaiterFailedError: the deletion failed, and why.
            WaiterTimeoutError: it is not gone in time.
        """
        await self._provisioning(timeout, poll_interval, on_change).delete(identifier)

    async def prune_network_connector_versions(
        self, identifier: str, *, keep: int
    ) -> tuple[NetworkConnectorVersionSummary, ...]:
        """Start to delete all versions of a connector but the newest ones, to make room for more.

        The version in use and the latest active one are never deleted, however old. One that fails
        to be deleted stops no other.

        Args:
            identifier: the connector's ID, name or ARN.
            keep: how many of the newest versions to keep, at least 1.

        Returns:
            The versions that are being deleted now, the oldest first.

        Raises:
            ResourceNotFoundException: there is no such connector.
            ExceptionGroup: of the errors, if some versions could not be deleted.
        """
        from lambdacore_async.workflows.provisioning import prune

        return await prune(self, identifier, keep)

    def _provisioning(
        self, timeout: float, poll_interval: float, on_change: OnChange | None
    ) -> Provisioning:
        from lambdacore_async.workflows.provisioning import Provisioning

        return Provisioning(
            self,
            self._pipeline.shared.clock,
            timeout=timeout,
            poll_interval=poll_interval,
            on_change=on_change,
        )

    async def wait_until_network_connector_active(
        self,
        identifier: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Wait until a connector is `ACTIVE`.

        Args:
            identifier: its ID, name or ARN.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector at the first look and on each change.

        Raises:
            ResourceNotFoundException: there is no such connector.
            WaiterFailedError: it failed, and why; or it is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        wait = self._wait(timeout, poll_interval, on_change)
        return await wait.until_active(identifier)

    async def wait_until_network_connector_updated(
        self,
        identifier: str | NetworkConnector,
        *,
        version: int | None = None,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Wait until an update of a connector is through.

        Args:
            identifier: what `update_network_connector` returned, to wait for that very update,
                whatever the reads tell of an earlier one; or the connector's ID, name or ARN.
            version: the version that the update made; by default that of a connector given, else
                that of any update.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector at the first look and on each change.

        Raises:
            ResourceNotFoundException: there is no such connector.
            WaiterFailedError: the update failed, and why; or the connector is being deleted.
            WaiterTimeoutError: the update is not through in time.
        """
        from lambdacore_async.workflows.waiters import Update

        wait = self._wait(timeout, poll_interval, on_change)
        if not isinstance(identifier, NetworkConnector):
            return await wait.until_updated(identifier, Update(version))
        if version is not None:
            return await wait.until_updated(identifier.id, Update(version))
        update = Update(identifier.version, identifier.operator_role, identifier.last_modified)
        return await wait.until_updated(identifier.id, update)

    async def wait_until_network_connector_deleted(
        self,
        identifier: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> None:
        """Wait until a connector, or a version of it, is gone.

        Args:
            identifier: its ID, for a name may be another connector's already; or its name or ARN.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the connector at the first look and on each change.

        Raises:
            WaiterFailedError: the deletion failed, and why.
            WaiterTimeoutError: it is not gone in time.
        """
        await self._wait(timeout, poll_interval, on_change).until_deleted(identifier)

    async def wait_until_runtime_version_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: Callable[[RuntimeVersion], object] | None = None,
    ) -> RuntimeVersion:
        """Wait until a version of a runtime is `ACTIVE`.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the version at the first look and on each change.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
            WaiterFailedError: it failed, or is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        from lambdacore_async.workflows.waiters import RuntimeWait

        operation = operations.GET_RUNTIME_VERSION
        get = partial(self._get_patiently, operation, runtime_name=runtime_name, name=name)
        return await RuntimeWait(
            get,
            operation.name,
            self._poller,
            timeout=timeout,
            poll_interval=poll_interval,
            on_change=on_change,
        ).until_active()

    async def wait_until_runtime_alias_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: Callable[[RuntimeAlias], object] | None = None,
    ) -> RuntimeAlias:
        """Wait until an alias of a runtime is `ACTIVE`.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two looks, at the slowest, more than 0.
            on_change: called with the alias at the first look and on each change.

        Raises:
            ResourceNotFoundException: there is no such runtime or alias.
            WaiterFailedError: it is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        from lambdacore_async.workflows.waiters import RuntimeWait

        operation = operations.GET_RUNTIME_ALIAS
        get = partial(self._get_patiently, operation, runtime_name=runtime_name, name=name)
        return await RuntimeWait(
            get,
            operation.name,
            self._poller,
            timeout=timeout,
            poll_interval=poll_interval,
            on_change=on_change,
        ).until_active()

    @cached_property
    def _poller(self) -> Poller:
        from lambdacore_async.workflows.pagination import Pager
        from lambdacore_async.workflows.polling import Poller

        shared = self._pipeline.shared
        listing = Pager(
            partial(self._pipeline.call, outlasts_throttling=True),
            operations.LIST_NETWORK_CONNECTORS,
            {"max_items": 100},
        )
        # Any grid will do, if only it is not the next client's.
        return Poller(self._look_up, listing, shared.clock, phase=3600 * shared.jitter())

    def _get_patiently(
        self, operation: Operation[Output], **arguments: object
    ) -> Coroutine[None, None, Output]:
        return self._pipeline.call(operation, arguments, outlasts_throttling=True)

    def _wait(
        self, timeout: float, poll_interval: float, on_change: OnChange | None
    ) -> ConnectorWait:
        from lambdacore_async.workflows.waiters import ConnectorWait

        return ConnectorWait(
            self._poller, timeout=timeout, poll_interval=poll_interval, on_change=on_change
        )

    def watch_network_connectors(
        self,
        snapshot: Iterable[NetworkConnectorSummary] | None = None,
        *,
        poll_interval: float = 10.0,
    ) -> NetworkConnectorWatch:
        """Watch the network connectors of the account in the region, as a stream of changes.

        Iterate over it inside `async with`; it has no end. Watches and waiters of a client share
        what they ask for. A consumer that is slow misses no connector, but states in between: a
        change tells of the net difference since the last one.

        Args:
            snapshot: what was known when an earlier watch ended, from its `snapshot`; without one,
                every connector that there is comes as `ConnectorAdded` first.
            poll_interval: seconds between two looks, more than 0.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        from lambdacore_async.workflows.watching import NetworkConnectorWatch

        return NetworkConnectorWatch(self._poller, snapshot, poll_interval)

    def _look_up(self, identifier: str) -> Coroutine[None, None, NetworkConnector]:
        if isinstance(identifier, str) and identifier.startswith("arn:"):
            return self._look_up_arn(identifier)
        return self._pipeline.call(
            operations.GET_NETWORK_CONNECTOR, {"identifier": identifier}, outlasts_throttling=True
        )

    async def _look_up_arn(self, arn: str) -> NetworkConnector:
        operation = operations.GET_NETWORK_CONNECTOR
        pipeline = await self._regions.pipeline_of(arn, operation.name)
        return await pipeline.call(operation, {"identifier": arn}, outlasts_throttling=True)

    # Many accounts

    def lookup_across(
        self,
        targets: Iterable[Target],
        identifiers: Collection[str],
        *,
        concurrency: int = 10,
        targets_at_once: int = 10,
    ) -> MultiTargetRun[Lookup]:
        """Get network connectors in many accounts and regions: pairs of a target and a lookup.

        Iterate over the run inside `async with`. Each identifier is `Found` or `Failed` once for
        each target, also if the target's credentials are no good. Each account has a pace of its
        own in each region. An ARN is asked for in its own region, as by
        `lookup_network_connectors`.

        Args:
            targets: whom to ask, and where.
            identifiers: IDs, names and ARNs.
            concurrency: how many lookups may be under way at once for one target, at least 1.
            targets_at_once: how many targets may be under way at once, at least 1.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        from lambdacore_async.workflows.targets import MultiTargetRun

        self._lookups(identifiers, concurrency=concurrency)  # refuses what none could do

        async def look_up(target: Target) -> AsyncGenerator[Lookup]:
            view = self.with_options(region=target.region, credentials=target.credentials)
            run = view._lookups(identifiers, concurrency=concurrency, fail_fast=False)  # noqa: SLF001 - one of us
            async with run:
                async for lookup in run:
                    yield lookup

        return MultiTargetRun(targets, look_up, targets_at_once=targets_at_once)

    def list_across(
        self,
        targets: Iterable[Target],
        listing: Callable[[LambdaCoreClient], AsyncIterable[Item]],
        *,
        targets_at_once: int = 10,
    ) -> MultiTargetRun[Item | LambdaCoreError]:
        """List in many accounts and regions: pairs of a target and an item, or its error.

        Iterate over the run inside `async with`. A target whose listing fails yields the error as
        its last result; the others go on.

        Args:
            targets: whom to ask, and where.
            listing: starts one of the client's listings, such as
                `LambdaCoreClient.list_network_connectors`.
            targets_at_once: how many targets may be under way at once, at least 1.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        from lambdacore_async.workflows.targets import MultiTargetRun

        async def list_there(target: Target) -> AsyncGenerator[Item | LambdaCoreError]:
            view = self.with_options(region=target.region, credentials=target.credentials)
            items = aiter(listing(view))
            try:
                async for item in items:
                    yield item
            except LambdaCoreError as error:
                yield error
            finally:
                if isinstance(items, AsyncGenerator):
                    await items.aclose()

        return MultiTargetRun(targets, list_there, targets_at_once=targets_at_once)

    # Runtimes

    async def create_runtime(
        self,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        license_info: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> Runtime:
        """Create a customer-managed runtime, the parent of versions and aliases.

        Args:
            name: unique in the account and region; 2 to 128 lower-case letters, digits, `_`, `.`
                and `-`.
            tags: keys and values.
            description: at most 1,024 characters.
            license_info: under which licence it stands, at most 1,024 characters.
            release_lifecycle: when it is deprecated and blocked.

        Raises:
            ResourceConflictException: the name is taken.
            ServiceQuotaExceededException: the account has no room for more.
        """
        return await self._call(
            operations.CREATE_RUNTIME,
            name=name,
            tags=tags,
            description=description,
            license_info=license_info,
            release_lifecycle=release_lifecycle,
        )

    async def get_runtime(self, runtime_name: str) -> Runtime:
        """Get a runtime.

        Args:
            runtime_name: its name or ARN.

        Raises:
            ResourceNotFoundException: there is no such runtime.
        """
        return await self._call(operations.GET_RUNTIME, runtime_name=runtime_name)

    async def update_runtime(
        self,
        runtime_name: str,
        *,
        description: str | None = None,
        license_info: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> Runtime:
        """Change what is said of a runtime.

        Args:
            runtime_name: its name or ARN.
            description: at most 1,024 characters.
            license_info: under which licence it stands, at most 1,024 characters.
            release_lifecycle: when it is deprecated and blocked; left out or empty, what was set
                is removed.

        Raises:
            ResourceNotFoundException: there is no such runtime.
            ResourceConflictException: it is in a state in which it cannot be changed.
        """
        return await self._call(
            operations.UPDATE_RUNTIME,
            runtime_name=runtime_name,
            description=description,
            license_info=license_info,
            release_lifecycle=release_lifecycle,
        )

    async def delete_runtime(
        self, runtime_name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """Schedule a runtime for deletion; until it is gone, it can be restored.

        Its versions and aliases must be deleted, or scheduled for deletion, before it. Functions
        that use it fail from now on.

        Args:
            runtime_name: its name or ARN.
            recovery_window_in_days: days until it is gone for good, 7 to 30.

        Raises:
            ResourceNotFoundException: there is no such runtime.
            ResourceConflictException: it has versions or aliases that are not to be deleted.
        """
        return await self._call(
            operations.DELETE_RUNTIME,
            runtime_name=runtime_name,
            recovery_window_in_days=recovery_window_in_days,
        )

    async def restore_runtime(
        self,
        runtime_name: str,
        *,
        runtime_version: str | None = None,
        runtime_alias: str | None = None,
    ) -> RestoredRuntime:
        """Call off the scheduled deletion of a runtime, or of one of its versions or aliases.

        To restore what is `ACTIVE` changes nothing and succeeds.

        Args:
            runtime_name: the runtime's name or ARN; alone, it is the runtime that is restored.
            runtime_version: the name of the version to restore.
            runtime_alias: the name of the alias to restore; only one of the two can be given.

        Raises:
            ResourceNotFoundException: there is no such runtime, version or alias.
            ResourceConflictException: its deletion has begun.
        """
        return await self._call(
            operations.RESTORE_RUNTIME,
            runtime_name=runtime_name,
            runtime_version=runtime_version,
            runtime_alias=runtime_alias,
        )

    def list_runtimes(
        self, *, max_items: int | None = None, prefetch: bool = False
    ) -> Pager[Runtime]:
        """List the runtimes of the account in the region.

        Args:
            max_items: runtimes a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.
        """
        return self._list(operations.LIST_RUNTIMES, prefetch=prefetch, max_results=max_items)

    # Runtime versions

    async def create_runtime_version(
        self,
        runtime_name: str,
        image_uri: str,
        name: str,
        *,
        release_notes: str | None = None,
        dry_run: bool | None = None,
    ) -> RuntimeVersion:
        """Create a version of a runtime from a container image; it never changes afterwards.

        Args:
            runtime_name: the runtime's name or ARN.
            image_uri: the URI of the container image.
            name: unique in the runtime; 1 to 128 letters, digits, `_`, `.` and `-`.
            release_notes: what is new in it.
            dry_run: only check that the call would succeed.

        Raises:
            ResourceNotFoundException: there is no such runtime.
            ResourceConflictException: the name is taken.
            ServiceQuotaExceededException: the runtime has no room for more.
        """
        return await self._call(
            operations.CREATE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            image_uri=image_uri,
            name=name,
            release_notes=release_notes,
            dry_run=dry_run,
        )

    async def get_runtime_version(self, runtime_name: str, name: str) -> RuntimeVersion:
        """Get a version of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
        """
        return await self._call(
            operations.GET_RUNTIME_VERSION, runtime_name=runtime_name, name=name
        )

    async def update_runtime_version(
        self, runtime_name: str, name: str, release_notes: str
    ) -> RuntimeVersion:
        """Change the release notes of a version that is `ACTIVE`; nothing else of it can change.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            release_notes: the new text, possibly empty.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
            ResourceConflictException: the version is not `ACTIVE`.
        """
        return await self._call(
            operations.UPDATE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            name=name,
            release_notes=release_notes,
        )

    async def delete_runtime_version(
        self, runtime_name: str, name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """Schedule a version for deletion; until it is gone, it can be restored.

        Functions that use it fail from now on.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            recovery_window_in_days: days until it is gone for good, 7 to 30.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
            ResourceConflictException: it is in a state in which it cannot be deleted.
        """
        return await self._call(
            operations.DELETE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            name=name,
            recovery_window_in_days=recovery_window_in_days,
        )

    def list_runtime_versions(
        self, runtime_name: str, *, max_items: int | None = None, prefetch: bool = False
    ) -> Pager[RuntimeVersion]:
        """List the versions of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            max_items: versions a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such runtime.
        """
        return self._list(
            operations.LIST_RUNTIME_VERSIONS,
            prefetch=prefetch,
            runtime_name=runtime_name,
            max_results=max_items,
        )

    # Runtime aliases

    async def create_runtime_alias(
        self,
        runtime_name: str,
        runtime_version: str,
        name: str,
        *,
        description: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> RuntimeAlias:
        """Create an alias, a named pointer to a version, through which functions use a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            runtime_version: the name of the version to point to.
            name: unique in the runtime; 1 to 128 letters, digits, `_`, `.` and `-`.
            description: at most 1,024 characters.
            release_lifecycle: overrides the runtime's own.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
            ResourceConflictException: the name is taken.
            ServiceQuotaExceededException: the runtime has no room for more.
        """
        return await self._call(
            operations.CREATE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            runtime_version=runtime_version,
            name=name,
            description=description,
            release_lifecycle=release_lifecycle,
        )

    async def get_runtime_alias(self, runtime_name: str, name: str) -> RuntimeAlias:
        """Get an alias of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.

        Raises:
            ResourceNotFoundException: there is no such runtime or alias.
        """
        return await self._call(operations.GET_RUNTIME_ALIAS, runtime_name=runtime_name, name=name)

    async def update_runtime_alias(
        self,
        runtime_name: str,
        name: str,
        runtime_version: str,
        *,
        description: str | None = None,
        release_lifecycle: RuntimeReleaseLifecycle | None = None,
    ) -> RuntimeAlias:
        """Point an alias to another version, or change what is said of it.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            runtime_version: the name of the version to point to.
            description: at most 1,024 characters.
            release_lifecycle: overrides the runtime's own; left out or empty, the override is
                removed.

        Raises:
            ResourceNotFoundException: there is no such runtime, alias or version.
            ResourceConflictException: the alias is in a state in which it cannot be changed.
        """
        return await self._call(
            operations.UPDATE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            name=name,
            runtime_version=runtime_version,
            description=description,
            release_lifecycle=release_lifecycle,
        )

    async def delete_runtime_alias(
        self, runtime_name: str, name: str, *, recovery_window_in_days: int | None = None
    ) -> None:
        """Schedule an alias for deletion; until it is gone, it can be restored.

        Functions that use it fail from now on.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            recovery_window_in_days: days until it is gone for good, 7 to 30.

        Raises:
            ResourceNotFoundException: there is no such runtime or alias.
            ResourceConflictException: it is in a state in which it cannot be deleted.
        """
        return await self._call(
            operations.DELETE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            name=name,
            recovery_window_in_days=recovery_window_in_days,
        )

    def list_runtime_aliases(
        self, runtime_name: str, *, max_items: int | None = None, prefetch: bool = False
    ) -> Pager[RuntimeAlias]:
        """List the aliases of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            max_items: aliases a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such runtime.
        """
        return self._list(
            operations.LIST_RUNTIME_ALIASES,
            prefetch=prefetch,
            runtime_name=runtime_name,
            max_results=max_items,
        )

    def _call(self, operation: Operation[Output], **arguments: object) -> Awaitable[Output]:
        return self._pipeline.call(operation, arguments)

    def _list(
        self, operation: ListOperation[Item], *, prefetch: bool, **arguments: object
    ) -> Pager[Item]:
        from lambdacore_async.workflows.pagination import Pager

        return Pager(self._pipeline.call, operation, arguments, prefetch=prefetch)


def _as_timeout(timeout: float | Timeout | None) -> Timeout:
    if isinstance(timeout, Timeout):
        return timeout
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float)):
        kind = type(timeout).__name__
        raise ParameterError("timeout", f"must be a number of seconds or a Timeout, got {kind}")
    return Timeout(total=timeout)


def _check_listener(listener: object) -> None:
    if listener is not None and not callable(listener):
        raise ParameterError("on_attempt", f"must be a function, got {type(listener).__name__}")
    if is_async(listener):
        raise ParameterError("on_attempt", "must not be async: it is called and never awaited")


class _Accounts:
    """What the views of one client share for each account; equal credentials are one account.

    The latest accounts are remembered after their last view is gone, with their credentials.
    """

    def __init__(self) -> None:
        self._latest: dict[object, Shared] = {}
        self._known: WeakValueDictionary[object, Shared] = WeakValueDictionary()
        self._credentials: WeakSet[RefreshingCredentials] = WeakSet()

    def get(self, origin: Credentials | CredentialsProvider, make: Callable[[], Shared]) -> Shared:
        """Return what belongs to credentials or to a provider, made at their first use."""
        key = _key(origin)
        shared = self._latest.pop(key, None) or self._known.get(key)
        if shared is None:
            shared = self._known[key] = make()
            self._credentials.add(shared.credentials)
        self._latest[key] = shared
        if len(self._latest) > _REMEMBERED:
            del self._latest[next(iter(self._latest))]
        return shared

    async def close(self) -> None:
        """Cancel all refreshes, and forget all credentials."""
        self._latest.clear()
        self._known.clear()
        await asyncio.gather(*[credentials.close() for credentials in self._credentials])


def _key(origin: object) -> object:
    """What is equal for equal credentials and for equal providers, and keeps them alive."""
    identity = _Identity(origin)
    try:
        if isinstance(origin, partial):  # one that is made anew for each view equals no other
            keywords = frozenset(origin.keywords.items())
            key: object = (partial, _key(origin.func), origin.args, keywords)
        else:
            key = origin
        hash(key)
    except TypeError:
        return identity
    return key


class _Identity:
    """Compares an object that has no hash by which one it is."""

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._it is self._it

    def __hash__(self) -> int:
        return id(self._it)
