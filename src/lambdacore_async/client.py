"""The client: one short method an operation, and where lookups start."""

from __future__ import annotations

import os
from collections.abc import (
    AsyncIterable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
)
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar

import aiohttp
from attrs import evolve
from yarl import URL

from lambdacore_async import models, workflows
from lambdacore_async.engine.configuration import Options, as_plain_str, as_url, check_flag
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.identity.providers import CredentialsLike, is_async_callable
from lambdacore_async.engine.pipeline import Attempt
from lambdacore_async.engine.transport.timeouts import Timeout
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
from lambdacore_async.protocol.restjson import Operation

if TYPE_CHECKING:
    # All workflows are imported together at their first use. Public methods annotate with the names
    # of the packages `models` and `workflows`, which import on demand: `typing.get_type_hints`
    # resolves them.
    from lambdacore_async.workflows.factory import Workflows
    from lambdacore_async.workflows.targets import Target

Output = TypeVar("Output")
Item = TypeVar("Item")


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
        check_flag("trust_env", trust_env, optional=False)
        _check_listener(on_attempt)
        self._core = Core.of_client(
            Options(
                region=region,
                endpoint_url=as_url(endpoint_url),
                use_fips=use_fips_endpoint,
                use_dualstack=use_dualstack_endpoint,
                allow_plain_http=allow_plain_http,
                retry_mode=retry_mode,
                max_attempts=max_attempts,
                timeout=_as_timeout(timeout),
            ),
            profile=as_plain_str("profile", profile) or None,
            credentials=credentials,
            max_connections=max_connections,
            ca_bundle=ca_bundle,
            trust_env=trust_env,
            http_session=http_session,
            user_agent_extra=user_agent_extra,
            on_attempt=on_attempt,
        )
        self._is_view = False

    @classmethod
    def of_core(cls, core: Core, *, is_view: bool = False) -> Self:
        """Return a client of a core that was made elsewhere, such as one with another transport.

        Args:
            core: makes the calls.
            is_view: whether the core's connections belong to another client, which closes them.
        """
        client = object.__new__(cls)
        client._core = core
        client._is_view = is_view
        return client

    @cached_property
    def _workflows(self) -> Workflows:
        from lambdacore_async.workflows.factory import Workflows

        return Workflows(self._core)

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
            await self._core.close()

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
        old = self._core.options
        options = evolve(
            old,
            region=old.region if region is None else region,
            timeout=old.timeout if timeout is None else _as_timeout(timeout),
            retry_mode=old.retry_mode if retry_mode is None else retry_mode,
            max_attempts=old.max_attempts if max_attempts is None else max_attempts,
        )
        return self.of_core(self._core.view(options, credentials), is_view=True)

    def _view_of(self, target: Target) -> Self:
        return self.with_options(region=target.region, credentials=target.credentials)

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
        return await self._core.write(
            operations.CREATE_NETWORK_CONNECTOR,
            {
                "name": name,
                "configuration": configuration,
                "operator_role": operator_role,
                "client_token": client_token,
                "tags": tags,
            },
        )

    async def get_network_connector(self, identifier: str) -> NetworkConnector:
        """Get a network connector: its configuration, its state, and why it failed if it did.

        Args:
            identifier: its ID, name or ARN; a version-qualified ARN gets that version.

        Raises:
            ResourceNotFoundException: there is no such connector or version.
        """
        return await self._core.call(operations.GET_NETWORK_CONNECTOR, {"identifier": identifier})

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
        return await self._core.write(
            operations.UPDATE_NETWORK_CONNECTOR,
            {
                "identifier": identifier,
                "configuration": configuration,
                "operator_role": operator_role,
                "client_token": client_token,
            },
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
    ) -> workflows.Pager[NetworkConnectorSummary]:
        """List the network connectors of the account in the region.

        Args:
            state: only connectors in this state.
            max_items: connectors a page, 1 to 100; the service returns 50 at most.
            prefetch: request the next page while the current one is consumed.
        """
        return self._workflows.pager(
            operations.LIST_NETWORK_CONNECTORS, prefetch=prefetch, state=state, max_items=max_items
        )

    def list_network_connector_versions(
        self,
        identifier: str,
        *,
        state: NetworkConnectorState | UnknownValue | None = None,
        max_items: int | None = None,
        prefetch: bool = False,
    ) -> workflows.Pager[NetworkConnectorVersionSummary]:
        """List the versions of a network connector.

        Args:
            identifier: its ID, name or ARN.
            state: only versions in this state.
            max_items: versions a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such connector.
        """
        return self._workflows.pager(
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
    ) -> workflows.Lookups:
        """Get many network connectors at once, each `Found` or `Failed` as it completes.

        Iterate over the run inside `async with`, or `await` its `report()`. An identifier that
        comes twice is asked for once. A lookup that the service throttles has not failed: it waits
        its turn, at the pace that all calls of the client in the region share. One that meets a
        passing failure is tried again for 20 seconds, unless nothing at all has got through for so
        long, or `max_attempts` is 1.

        Args:
            identifiers: IDs, names and ARNs, in any iterable or async iterable; it may be endless.
                An ARN is looked up in its own region.
            concurrency: how many lookups may be under way at once, at least 1.
            deadline: seconds for the whole run, at least 0 and finite; lookups that are not done by
                then fail.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        return self._workflows.lookups(identifiers, concurrency=concurrency, deadline=deadline)

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
        `diff_network_connector`), and waits until that is through. It pauses for `poll_interval`
        between two rounds. A member of the configuration that is `None` is left as it is, or to the
        service. A role that the service cannot assume
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
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector on each change seen while
                this method waits.

        Returns:
            The connector, `ACTIVE`, and without drift.

        Raises:
            ParameterError: an argument is out of its bounds.
            WaiterFailedError: it failed, and why; or its drift came back after three updates.
            WaiterTimeoutError: it is not as wanted in time.
            NetworkConnectorLimitExceededException: there is no room for another connector, or for
                another version of it; see `prune_network_connector_versions`.
        """
        wanted = self._workflows.wanted(name, configuration, operator_role, tags)
        provisioning = self._workflows.provisioning(timeout, poll_interval, on_change)
        return await provisioning.ensure(wanted)

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
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector on each change seen while
                this method waits.

        Raises:
            ResourceNotFoundException: there is no such connector.
            ResourceConflictException: it is not `ACTIVE`, or an update is in progress.
            NetworkConnectorLimitExceededException: it has no room for more versions.
            WaiterFailedError: the update failed, and why.
            WaiterTimeoutError: it does not end in time.
            ParameterError: an argument is out of its bounds.
        """
        provisioning = self._workflows.provisioning(timeout, poll_interval, on_change)
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
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector on each change seen while
                this method waits.

        Raises:
            ParameterError: an argument is out of its bounds.
            ResourceConflictException: it is in a state in which it cannot be deleted.
            WaiterFailedError: the deletion failed, and why.
            WaiterTimeoutError: it is not gone in time.
        """
        provisioning = self._workflows.provisioning(timeout, poll_interval, on_change)
        await provisioning.delete(identifier)

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
            ParameterError: `keep` is no whole number of at least 1.
            ResourceNotFoundException: there is no such connector.
            ExceptionGroup: of the errors, if some versions could not be deleted.
        """
        return await self._workflows.prune(identifier, keep)

    async def wait_until_network_connector_active(
        self,
        identifier: str | NetworkConnector,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Wait until a connector is `ACTIVE`.

        Reads may lag behind a creation. A connector that is given as such, or that this client
        created or updated in the last minute, may be missing from reads for a minute.

        Args:
            identifier: what `create_network_connector` returned, or the connector's ID, name or
                ARN. An ARN and a connector are polled in their own region.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector at the first poll and on
                each change.

        Raises:
            ParameterError: an argument is out of its bounds.
            ResourceNotFoundException: there is no such connector.
            WaiterFailedError: it failed, and why; or it is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        wait = await self._workflows.connector_wait(identifier, timeout, poll_interval, on_change)
        return await wait.until_active()

    async def wait_until_network_connector_updated(
        self,
        identifier: str | NetworkConnector,
        *,
        version: int | None = None,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Wait until an update of a connector ends.

        Args:
            identifier: what `update_network_connector` returned, to wait for that very update,
                whatever the reads tell of an earlier one; or the connector's ID, name or ARN. An
                ARN and a connector are polled in their own region.
            version: the version that the update made, at least 1; by default that of a connector
                given, else that of any update.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector at the first poll and on
                each change.

        Raises:
            ParameterError: an argument is out of its bounds.
            ResourceNotFoundException: there is no such connector.
            WaiterFailedError: the update failed, and why; or the connector is being deleted.
            WaiterTimeoutError: the update does not end in time.
        """
        wait = await self._workflows.connector_wait(identifier, timeout, poll_interval, on_change)
        return await wait.until_updated(version)

    async def wait_until_network_connector_deleted(
        self,
        identifier: str | NetworkConnector,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: OnChange | None = None,
    ) -> None:
        """Wait until a connector, or a version of it, is gone.

        Args:
            identifier: what `delete_network_connector` returned for a whole connector; or its ID,
                for another connector may have its name already; or its name or ARN. An ARN and a
                connector are polled in their own region.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the connector at the first poll and on
                each change.

        Raises:
            ParameterError: an argument is out of its bounds.
            WaiterFailedError: the deletion failed, and why.
            WaiterTimeoutError: it is not gone in time.
        """
        wait = await self._workflows.connector_wait(
            identifier, timeout, poll_interval, on_change, gone=True
        )
        await wait.until_deleted()

    async def wait_until_runtime_version_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: Callable[[models.RuntimeVersion], object] | None = None,
    ) -> models.RuntimeVersion:
        """Wait until a version of a runtime is `ACTIVE`.

        A version that this client created or updated in the last minute may be missing from reads
        for a minute.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the version at the first poll and on
                each change.

        Raises:
            ParameterError: an argument is out of its bounds.
            ResourceNotFoundException: there is no such runtime or version.
            WaiterFailedError: it failed, or is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        wait = self._workflows.runtime_wait(
            operations.GET_RUNTIME_VERSION,
            {"runtime_name": runtime_name, "name": name},
            timeout,
            poll_interval,
            on_change,
        )
        return await wait.until_active()

    async def wait_until_runtime_alias_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float = 900.0,
        poll_interval: float = 10.0,
        on_change: Callable[[models.RuntimeAlias], object] | None = None,
    ) -> models.RuntimeAlias:
        """Wait until an alias of a runtime is `ACTIVE`.

        An alias that this client created or updated in the last minute may be missing from reads
        for a minute.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            timeout: seconds to wait, more than 0.
            poll_interval: seconds between two polls, at the slowest, more than 0.
            on_change: a plain function that is called with the alias at the first poll and on each
                change.

        Raises:
            ParameterError: an argument is out of its bounds.
            ResourceNotFoundException: there is no such runtime or alias.
            WaiterFailedError: it is being deleted.
            WaiterTimeoutError: it is not active in time.
        """
        wait = self._workflows.runtime_wait(
            operations.GET_RUNTIME_ALIAS,
            {"runtime_name": runtime_name, "name": name},
            timeout,
            poll_interval,
            on_change,
        )
        return await wait.until_active()

    def watch_network_connectors(
        self,
        snapshot: Iterable[NetworkConnectorSummary] | None = None,
        *,
        poll_interval: float = 10.0,
    ) -> workflows.NetworkConnectorWatch:
        """Watch the network connectors of the account in the region, as a stream of changes.

        Iterate over it inside `async with`; it has no end. Watches and waiters of a client share
        their polls. A slow consumer misses no connector, but it misses states in between: a change
        is the net difference since the last one.

        Args:
            snapshot: the `snapshot` of an earlier watch, to resume it. Without one, every existing
                connector comes as `ConnectorAdded` first.
            poll_interval: seconds between two polls, more than 0.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        return self._workflows.watch(snapshot, poll_interval)

    # Many accounts

    def lookup_across(
        self,
        targets: Iterable[workflows.Target],
        identifiers: Collection[str],
        *,
        concurrency: int = 10,
        targets_at_once: int = 10,
    ) -> workflows.MultiTargetRun[workflows.Lookup]:
        """Get network connectors in many accounts and regions: pairs of a target and a lookup.

        Iterate over the run inside `async with`. Each identifier is `Found` or `Failed` once for
        each target, even if the target's credentials are invalid. Each account has its own rate
        limiter in each region. An ARN is looked up in its own region, as by
        `lookup_network_connectors`.

        Args:
            targets: the accounts and regions; the run reads all of them when it is made.
            identifiers: IDs, names and ARNs, in a collection such as a list, because every target
                gets all of them. An iterator is refused.
            concurrency: how many lookups may be under way at once for one target, at least 1.
            targets_at_once: how many targets may be under way at once, at least 1.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        return self._workflows.lookup_across(
            targets,
            identifiers,
            lambda target: self._view_of(target)._workflows,  # noqa: SLF001 - it is a client's
            concurrency=concurrency,
            targets_at_once=targets_at_once,
        )

    def list_across(
        self,
        targets: Iterable[workflows.Target],
        listing: Callable[[LambdaCoreClient], AsyncIterable[Item]],
        *,
        targets_at_once: int = 10,
    ) -> workflows.MultiTargetRun[Item | LambdaCoreError]:
        """List in many accounts and regions: pairs of a target and an item, or its error.

        Iterate over the run inside `async with`. A target whose listing fails yields the error as
        its last result; the others go on.

        Args:
            targets: the accounts and regions; the run reads all of them when it is made.
            listing: starts one of the client's listings, such as
                `LambdaCoreClient.list_network_connectors`. It is called with the view of each
                target, and is no coroutine function.
            targets_at_once: how many targets may be under way at once, at least 1.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        return self._workflows.list_across(
            targets, listing, self._view_of, targets_at_once=targets_at_once
        )

    # Runtimes

    async def create_runtime(
        self,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        description: str | None = None,
        license_info: str | None = None,
        release_lifecycle: models.RuntimeReleaseLifecycle | None = None,
    ) -> models.Runtime:
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

    async def get_runtime(self, runtime_name: str) -> models.Runtime:
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
        release_lifecycle: models.RuntimeReleaseLifecycle | None = None,
    ) -> models.Runtime:
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
    ) -> models.RestoredRuntime:
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
    ) -> workflows.Pager[models.Runtime]:
        """List the runtimes of the account in the region.

        Args:
            max_items: runtimes a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.
        """
        return self._workflows.pager(
            operations.LIST_RUNTIMES, prefetch=prefetch, max_results=max_items
        )

    # Runtime versions

    async def create_runtime_version(
        self,
        runtime_name: str,
        image_uri: str,
        name: str,
        *,
        release_notes: str | None = None,
        dry_run: bool | None = None,
    ) -> models.RuntimeVersion:
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
        result = await self._call(
            operations.CREATE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            image_uri=image_uri,
            name=name,
            release_notes=release_notes,
            dry_run=dry_run,
        )
        if not dry_run:
            self._core.note_write((operations.GET_RUNTIME_VERSION.name, runtime_name, name))
        return result

    async def get_runtime_version(self, runtime_name: str, name: str) -> models.RuntimeVersion:
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
    ) -> models.RuntimeVersion:
        """Change the release notes of a version that is `ACTIVE`; nothing else of it can change.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            release_notes: the new text, possibly empty.

        Raises:
            ResourceNotFoundException: there is no such runtime or version.
            ResourceConflictException: the version is not `ACTIVE`.
        """
        result = await self._call(
            operations.UPDATE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            name=name,
            release_notes=release_notes,
        )
        self._core.note_write((operations.GET_RUNTIME_VERSION.name, runtime_name, name))
        return result

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
    ) -> workflows.Pager[models.RuntimeVersion]:
        """List the versions of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            max_items: versions a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such runtime.
        """
        return self._workflows.pager(
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
        release_lifecycle: models.RuntimeReleaseLifecycle | None = None,
    ) -> models.RuntimeAlias:
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
        result = await self._call(
            operations.CREATE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            runtime_version=runtime_version,
            name=name,
            description=description,
            release_lifecycle=release_lifecycle,
        )
        self._core.note_write((operations.GET_RUNTIME_ALIAS.name, runtime_name, name))
        return result

    async def get_runtime_alias(self, runtime_name: str, name: str) -> models.RuntimeAlias:
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
        release_lifecycle: models.RuntimeReleaseLifecycle | None = None,
    ) -> models.RuntimeAlias:
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
        result = await self._call(
            operations.UPDATE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            name=name,
            runtime_version=runtime_version,
            description=description,
            release_lifecycle=release_lifecycle,
        )
        self._core.note_write((operations.GET_RUNTIME_ALIAS.name, runtime_name, name))
        return result

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
    ) -> workflows.Pager[models.RuntimeAlias]:
        """List the aliases of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            max_items: aliases a page, 1 to 100.
            prefetch: request the next page while the current one is consumed.

        Raises (on iteration):
            ResourceNotFoundException: there is no such runtime.
        """
        return self._workflows.pager(
            operations.LIST_RUNTIME_ALIASES,
            prefetch=prefetch,
            runtime_name=runtime_name,
            max_results=max_items,
        )

    def _call(
        self, operation: Operation[Output], **arguments: object
    ) -> Coroutine[None, None, Output]:
        return self._core.call(operation, arguments)


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
    if is_async_callable(listener):
        raise ParameterError("on_attempt", "must not be async: it is called and never awaited")
