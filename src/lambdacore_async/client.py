"""The client of AWS Lambda Core: one method per operation, and methods that start workflows."""

from __future__ import annotations

import os
import warnings
from collections.abc import (
    AsyncIterable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from collections.abc import (
    Set as AbstractSet,
)
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar

import aiohttp
from attrs import evolve
from yarl import URL

from lambdacore_async import models, workflows
from lambdacore_async.engine.configuration import ClientOptions, as_timeout, check_flag
from lambdacore_async.engine.core import Core
from lambdacore_async.engine.identity.providers import CredentialsLike
from lambdacore_async.engine.observation import Attempt, OnCall
from lambdacore_async.engine.retry import RetryMode
from lambdacore_async.engine.stats import ClientStats
from lambdacore_async.engine.transport.timeouts import Timeout
from lambdacore_async.errors import LambdaCoreError, ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import (
    ConnectorIdentifier,
    NetworkConnector,
    NetworkConnectorConfiguration,
    NetworkConnectorState,
    NetworkConnectorStateLiteral,
    NetworkConnectorSummary,
    NetworkConnectorVersionSummary,
    OnChange,
)
from lambdacore_async.models.shared import JSONValue, UnknownValue
from lambdacore_async.protocol import operations
from lambdacore_async.protocol.endpoints import parse_arn
from lambdacore_async.protocol.restjson import Operation

if TYPE_CHECKING:
    # The first use imports all workflows together. Public methods refer to types through `models`
    # and `workflows`, which import on demand, so `typing.get_type_hints` resolves them.
    from lambdacore_async.workflows.factory import Workflows
    from lambdacore_async.workflows.targets import Target

Output = TypeVar("Output")
Item = TypeVar("Item")


class LambdaCoreClient:
    """A client of AWS Lambda Core, shared by the tasks of one event loop.

    Use it in `async with`, or keep it for the lifetime of a service and call `await
    client.close()` at the end. The constructor does no I/O. Calls open connections as they need
    them, and share them.

    Every method raises `ParameterError` before it sends anything if the service could not accept
    an argument. It raises `ApiError`, or the subclass that its documentation names, if the service
    responds with an error; `TransportError` if no complete response arrives; and `ResponseError` if
    a response cannot be read. Any method may raise `InvalidParameterValueException`,
    `ServiceException` and `TooManyRequestsException`.

    Options that you do not pass come from the environment, or from the profile in the shared
    `config` and `credentials` files, as in the AWS CLI. The first call reads the files, in a
    thread.

    Args:
        region: the AWS region. Defaults to `AWS_REGION`, `AWS_DEFAULT_REGION`, or the profile's.
        profile: the profile of the shared files. Defaults to `AWS_PROFILE`.
        credentials: `Credentials`, an `AWSRequestsAuth`, an `AssumeRole`, an async function that
            returns `Credentials` and is called again before they expire, or the import path of such
            a function, for example `"package.module:function"`. Defaults to the credentials that
            the AWS CLI finds.
        endpoint_url: a custom endpoint, as a string or a URL object. It must use https, or http to
            a loopback address. Defaults to `AWS_ENDPOINT_URL_LAMBDA_CORE`, `AWS_ENDPOINT_URL`, the
            profile's endpoint, or the endpoint of the region.
        allow_plain_http: whether the endpoint may use http to any address.
        use_fips_endpoint: whether to use the endpoint with FIPS 140 validated cryptography.
            Defaults to `AWS_USE_FIPS_ENDPOINT`, or the profile's setting.
        use_dualstack_endpoint: whether to use the endpoint that also has IPv6 addresses. Defaults
            to `AWS_USE_DUALSTACK_ENDPOINT`, or the profile's setting.
        retry_mode: `standard` or `adaptive`. Defaults to `AWS_RETRY_MODE`, the profile's mode, or
            `standard`.
        max_attempts: the maximum number of requests per call, at least 1. Defaults to
            `AWS_MAX_ATTEMPTS`, the profile's value, or 3.
        timeout: seconds for a call with all its attempts, as a number or a `timedelta`, or a
            `Timeout` that sets each limit.
        max_connections: the maximum number of concurrent connections, at least 1. Defaults to 100.
        max_rate: the maximum requests per second of all calls for one account in one region, more
            than 0. Views share it, in every retry mode. Defaults to no maximum.
        ca_bundle: a PEM file of the certificates to trust instead of the system's. Defaults to
            `AWS_CA_BUNDLE`, or the profile's file.
        trust_env: whether to use the proxies in `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
        http_session: an aiohttp session to send requests with, for its connector, proxy or TLS
            settings. The client does not close it.
        user_agent_extra: text to append to the `User-Agent` header.
        on_attempt: a plain function, called with an `Attempt` after each request, for metrics and
            tracing. It must not be async, because it is never awaited.
        on_call: a plain function, called with a `Call` when a call, a run of lookups or a refresh
            of credentials starts. It may return a context manager, which is left when the work
            ends, with its error if it fails.

    Raises:
        ParameterError: if an argument has a wrong type or is out of bounds.
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
        retry_mode: RetryMode | None = None,
        max_attempts: int | None = None,
        timeout: float | timedelta | Timeout = Timeout(),
        max_connections: int = 100,
        max_rate: float | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        trust_env: bool = False,
        http_session: aiohttp.ClientSession | None = None,
        user_agent_extra: str | None = None,
        on_attempt: Callable[[Attempt], None] | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        self._core = Core.of_client(
            ClientOptions(
                region,
                profile=profile,
                credentials=credentials,
                endpoint_url=endpoint_url,
                allow_plain_http=allow_plain_http,
                use_fips_endpoint=use_fips_endpoint,
                use_dualstack_endpoint=use_dualstack_endpoint,
                retry_mode=retry_mode,
                max_attempts=max_attempts,
                timeout=timeout,
                max_connections=max_connections,
                max_rate=max_rate,
                ca_bundle=ca_bundle,
                trust_env=trust_env,
                http_session=http_session,
                user_agent_extra=user_agent_extra,
                on_attempt=on_attempt,
                on_call=on_call,
            )
        )
        self._is_view = False

    @classmethod
    def from_options(cls, options: ClientOptions) -> Self:
        """Return a new client with the options of another one, which may be in another process.

        Args:
            options: the `options` of a client or of a view.

        Raises:
            ParameterError: if `options` is not a `ClientOptions`.
        """
        if not isinstance(options, ClientOptions):
            raise ParameterError("options", f"must be ClientOptions, got {type(options).__name__}")
        return cls.of_core(Core.of_client(options))

    @property
    def options(self) -> ClientOptions:
        """The options of this client or view, for `from_options`.

        They are the options that the caller passed, without settings from the environment or the
        profile. Options with literal credentials cannot be pickled.
        """
        return self._core.options

    @classmethod
    def of_core(cls, core: Core, *, is_view: bool = False) -> Self:
        """Return a client that uses an existing core, such as a core with another transport.

        Args:
            core: the core that makes the calls.
            is_view: whether another client owns the core's connections and closes them.
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

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        kind = f"view of {type(self).__name__}" if self._is_view else type(self).__name__
        return f"<{kind} {self._core}>"

    def __del__(self) -> None:
        # The event loop closes the connections that the client has left open.
        if not getattr(self, "_is_view", True) and self._core.has_open_session:
            warnings.warn(f"unclosed client {self!r}", ResourceWarning, source=self, stacklevel=1)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled: it holds secrets and connections")

    async def close(self) -> None:
        """Close all connections and forget all credentials. On a view, do nothing."""
        if not self._is_view:
            await self._core.close()

    def with_options(
        self,
        *,
        region: str | None = None,
        credentials: CredentialsLike | None = None,
        timeout: float | timedelta | Timeout | None = None,
        retry_mode: RetryMode | None = None,
        max_attempts: int | None = None,
        label: str | None = None,
    ) -> Self:
        """Return a view of the client: other options, the same connections.

        A view costs next to nothing and need not be closed. Another region has its own rate
        limiter. Other credentials have their own rate limiters and their own retry quota; views
        with equal credentials share them. The client keeps the credentials that an async function
        returned while they are valid, even after the view is gone. So you can make a view for each
        call, if you pass the same function or an equal one.

        Args:
            region: the AWS region.
            credentials: credentials in any form that the constructor accepts.
            timeout: seconds for a call with all its attempts, as a number or a `timedelta`, or a
                `Timeout` that sets each limit.
            retry_mode: `standard` or `adaptive`.
            max_attempts: the maximum number of requests per call, at least 1.
            label: a label for your own use, such as the name of an account. It appears in logs,
                `Attempt` and `Call`.

        Raises:
            ParameterError: if an argument has a wrong type or is out of bounds.
        """
        old = self._core.options
        options = evolve(
            old,
            region=old.region if region is None else region,
            credentials=old.credentials if credentials is None else credentials,
            timeout=old.timeout if timeout is None else as_timeout(timeout),
            retry_mode=old.retry_mode if retry_mode is None else retry_mode,
            max_attempts=old.max_attempts if max_attempts is None else max_attempts,
            label=old.label if label is None else label,
        )
        return self.of_core(self._core.view(options), is_view=True)

    def stats(self) -> ClientStats:
        """Return figures of all calls for the client's account in its region.

        They include the calls of all views for the same account and region. For another region or
        account, use a view: `client.with_options(region="eu-west-1").stats()`.
        """
        return self._core.stats()

    def _view_of(self, target: Target) -> Self:
        return self.with_options(
            region=target.region, credentials=target.credentials, label=target.label
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

        The connector starts in state `PENDING`. Lambda takes up to ten minutes to create its
        network interfaces. Retries of this call never create a second connector.

        Args:
            name: a name that is unique in the account and region; 1 to 64 letters, digits, `-` and
                `_`.
            configuration: where the connector sends traffic.
            operator_role: the ARN of the role with which Lambda manages the network interfaces.
            client_token: the idempotency token, 1 to 64 characters. Defaults to a new one per call.
            tags: keys and values to organise connectors, allocate costs, or control access.

        Raises:
            ResourceConflictException: if the name is taken, or the token belongs to another
                request.
            NetworkConnectorLimitExceededException: if the account has reached its quota.
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
        """Get a network connector, with its configuration, its state and the reason for a failure.

        Args:
            identifier: the connector's ID, name or ARN. A version-qualified ARN gets that version.

        Raises:
            ResourceNotFoundException: if the connector or the version does not exist.
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

        The connector stays `ACTIVE` during the update; `last_update_status` reports the progress.
        A change of the configuration creates a version. An update that changes nothing creates
        none.

        Args:
            identifier: the connector's ID, name or ARN.
            configuration: the complete new configuration; it replaces the old one.
            operator_role: the ARN of the new role.
            client_token: the idempotency token, 1 to 64 characters. Defaults to a new one per call.

        Raises:
            ResourceNotFoundException: if the connector does not exist.
            ResourceConflictException: if the connector is not `ACTIVE`, or is being updated.
            NetworkConnectorLimitExceededException: if the connector has too many versions.
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

        The connector is `DELETING` until its network interfaces are gone; then it no longer exists.
        Compute resources that use it lose access to the VPC immediately.

        Args:
            identifier: the connector's ID, name or ARN. A version-qualified ARN deletes that
                version, which cannot be the latest.

        Raises:
            ResourceNotFoundException: if the connector or the version does not exist.
            ResourceConflictException: if the connector's state does not allow deletion.
        """
        return await self._core.change(
            operations.DELETE_NETWORK_CONNECTOR, {"identifier": identifier}
        )

    def list_network_connectors(
        self,
        *,
        state: NetworkConnectorState | UnknownValue | NetworkConnectorStateLiteral | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        max_items: int | None = None,
    ) -> workflows.Pager[NetworkConnectorSummary]:
        """List the network connectors of the account in the region.

        Args:
            state: list only connectors in this state.
            page_size: connectors per page, 1 to 100. The service returns at most 50.
            limit: the maximum number of connectors in total, at least 1. Defaults to no limit.
            prefetch: whether to request the next page while the current one is consumed.
            max_items: the deprecated name of `page_size`.
        """
        return self._workflows.pager(
            operations.LIST_NETWORK_CONNECTORS,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            max_items=max_items,
            state=state,
        )

    def list_network_connector_versions(
        self,
        identifier: str,
        *,
        state: NetworkConnectorState | UnknownValue | NetworkConnectorStateLiteral | None = None,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        max_items: int | None = None,
    ) -> workflows.Pager[NetworkConnectorVersionSummary]:
        """List the versions of a network connector.

        Args:
            identifier: the connector's ID, name or ARN.
            state: list only versions in this state.
            page_size: versions per page, 1 to 100.
            limit: the maximum number of versions in total, at least 1. Defaults to no limit.
            prefetch: whether to request the next page while the current one is consumed.
            max_items: the deprecated name of `page_size`.

        Raises:
            ResourceNotFoundException: on iteration, if the connector does not exist.
        """
        return self._workflows.pager(
            operations.LIST_NETWORK_CONNECTOR_VERSIONS,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            max_items=max_items,
            identifier=identifier,
            state=state,
        )

    async def list_tags(self, resource: str) -> dict[str, str]:
        """List the tags of a network connector, or of another taggable resource of Lambda.

        Args:
            resource: the resource's ARN, without a version.

        Raises:
            ParameterError: if `resource` is not an ARN.
            ResourceNotFoundException: if the resource does not exist.
        """
        return await self._call_by_arn(operations.LIST_TAGS, resource)

    async def tag_resource(self, resource: str, tags: Mapping[str, str]) -> None:
        """Add tags to a network connector or another resource of Lambda, or replace their values.

        Tags with other keys stay.

        Args:
            resource: the resource's ARN, without a version.
            tags: values of up to 256 characters, by keys of 1 to 128.

        Raises:
            ParameterError: if `resource` is not an ARN.
            ResourceNotFoundException: if the resource does not exist.
            ResourceConflictException: if the resource's state does not allow the change.
        """
        await self._call_by_arn(operations.TAG_RESOURCE, resource, tags=tags)

    async def untag_resource(self, resource: str, tag_keys: Collection[str]) -> None:
        """Remove tags from a network connector or another resource of Lambda.

        Keys that the resource does not have are ignored.

        Args:
            resource: the resource's ARN, without a version.
            tag_keys: the keys to remove, at least one.

        Raises:
            ParameterError: if `resource` is not an ARN, or there is no key.
            ResourceNotFoundException: if the resource does not exist.
            ResourceConflictException: if the resource's state does not allow the change.
        """
        keys = tuple(tag_keys) if isinstance(tag_keys, AbstractSet) else tag_keys
        await self._call_by_arn(operations.UNTAG_RESOURCE, resource, tag_keys=keys)

    def lookup_network_connectors(
        self,
        identifiers: Iterable[ConnectorIdentifier] | AsyncIterable[ConnectorIdentifier],
        *,
        concurrency: int | None = None,
        deadline: float | timedelta | None = None,
    ) -> workflows.Lookups:
        """Get many network connectors concurrently, as a stream of `Found` and `Failed` results.

        Iterate over the run inside `async with`, or `await` its `report()`. A repeated identifier
        is looked up once. Throttling does not make a lookup fail: the lookup waits for the rate
        limiter that all calls of the client in the region share. After a transient failure, a
        lookup is retried for up to 20 seconds, or until no call of the client has succeeded for
        20 seconds. With `max_attempts=1` it is not retried. Missing credentials, and credentials
        that the service refuses, end the run.

        Args:
            identifiers: IDs, names and ARNs, in any iterable or async iterable, even an endless
                one. An ARN is looked up in its own region. Connectors and summaries are accepted
                too, and are looked up by ARN. The summary of a version gets that version.
            concurrency: the maximum number of concurrent lookups, from 1 to `max_connections`.
                Defaults to 64, or to `max_connections` if that is lower.
            deadline: seconds for the whole run, or a `timedelta`; at least 0 and finite. Lookups
                that are not complete by then fail. Defaults to no deadline.

        Raises:
            ParameterError: if an argument has a wrong type or is out of bounds.
        """
        return self._workflows.lookups(identifiers, concurrency=concurrency, deadline=deadline)

    async def ensure_network_connector(
        self,
        name: str,
        configuration: NetworkConnectorConfiguration,
        *,
        operator_role: str | None = None,
        tags: Mapping[str, str] | None = None,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Create or update a connector so that it is active and has the given configuration.

        This method creates the connector, or adopts an existing one with the same name. It updates
        the connector if it has drifted (see `diff_network_connector`), and waits until the update
        is complete. Configuration members that are `None` keep their value, or get the service's
        default. If the service cannot use the role yet, creation and updates are retried for two
        minutes while IAM propagates the role and its policy. If the connector is being deleted, it
        is created again after that. Between two rounds the method waits `poll_interval` seconds.

        The method is idempotent: you can run it concurrently, in one process or in several, cancel
        it and run it again. If concurrent runs differ, the last one wins.

        A connector in state `FAILED` is left alone because it may be in use. Delete it, then call
        this method again.

        Args:
            name: a name that is unique in the account and region; 1 to 64 letters, digits, `-` and
                `_`.
            configuration: where the connector sends traffic.
            operator_role: the ARN of the role with which Lambda manages the network interfaces.
            tags: tags that the connector must have. Its other tags stay.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector on each change that is observed
                while this method waits.

        Returns:
            The connector, which is `ACTIVE` and has no drift.

        Raises:
            ParameterError: if an argument is out of bounds.
            WaiterFailedError: if the connector failed, or drifted again after three updates; the
                error has the reason.
            WaiterTimeoutError: if the connector is not ready within the timeout.
            NetworkConnectorLimitExceededException: if the account has reached its quota of
                connectors, or the connector its quota of versions; see
                `prune_network_connector_versions`.
        """
        wanted = self._workflows.wanted(name, configuration, operator_role, tags)
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        provisioning = self._workflows.provisioning(options)
        return await provisioning.ensure(wanted)

    async def update_network_connector_and_wait(
        self,
        identifier: str,
        *,
        configuration: NetworkConnectorConfiguration | None = None,
        operator_role: str | None = None,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> NetworkConnector:
        """Update a connector and wait until this update is complete.

        If the service cannot use the role yet, the update is retried for two minutes while IAM
        propagates the role and its policy.

        Args:
            identifier: the connector's ID, name or ARN.
            configuration: the complete new configuration; it replaces the old one.
            operator_role: the ARN of the new role.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector on each change that is observed
                while this method waits.

        Raises:
            ResourceNotFoundException: if the connector does not exist.
            ResourceConflictException: if the connector is not `ACTIVE`, or is being updated.
            NetworkConnectorLimitExceededException: if the connector has too many versions.
            WaiterFailedError: if the update failed; the error has the reason.
            WaiterTimeoutError: if the update is not complete within the timeout.
            ParameterError: if an argument is out of bounds.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        provisioning = self._workflows.provisioning(options)
        return await provisioning.update(identifier, configuration, operator_role)

    async def delete_network_connector_and_wait(
        self,
        identifier: str,
        *,
        unless_used: bool = False,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> None:
        """Delete a connector with all its versions, or one old version, and wait until it is gone.

        A connector that does not exist counts as deleted. If the service is still creating or
        updating the connector, it is deleted after that. If polls only show the failure of an
        earlier deletion, the connector is deleted once more.

        Args:
            identifier: the connector's ID, name or ARN. A version-qualified ARN deletes that
                version, which cannot be the latest.
            unless_used: whether to refuse to delete a connector that `users_of` finds users of.
                The service itself deletes a connector that Web Functions use. Users of any version
                count, even if only one version is to be deleted. The check misses a resource that
                starts to use the connector later.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector on each change that is observed
                while this method waits.

        Raises:
            ParameterError: if an argument is out of bounds.
            ConnectorInUseError: if the connector has users and `unless_used` is true.
            ResourceConflictException: if the connector's state does not allow deletion.
            WaiterFailedError: if the deletion failed; the error has the reason.
            WaiterTimeoutError: if the connector is not gone within the timeout.
        """
        check_flag("unless_used", unless_used, optional=False)
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        provisioning = self._workflows.provisioning(options)
        if unless_used:
            await self._workflows.refuse_if_used(identifier)
        await provisioning.delete(identifier)

    async def users_of(
        self, connector: str | NetworkConnector
    ) -> tuple[workflows.ConnectorUser, ...]:
        """Find the MicroVMs, MicroVM images and Web Functions that name a connector.

        It makes one call per page of resources, per MicroVM, per image and per revision of a Web
        Function in the account and the client's region. The rate limiter applies to these calls.

        Args:
            connector: the connector's ID, name or ARN, or a connector.

        Returns:
            A user for each reference to the connector or one of its versions: MicroVMs first, then
            images and Web Functions.

        Raises:
            ResourceNotFoundException: if the connector does not exist.
            AccessDeniedException: if the credentials may not list or read these resources.
        """
        return await self._workflows.users_of(connector)

    async def prune_network_connector_versions(
        self, identifier: str, *, keep: int
    ) -> tuple[NetworkConnectorVersionSummary, ...]:
        """Start to delete old versions of a connector, to make room under the quota.

        The version in use and the latest active version are never deleted, however old they are. If
        one version cannot be deleted, the others still are.

        Args:
            identifier: the connector's ID, name or ARN.
            keep: the number of newest versions to keep, at least 1.

        Returns:
            The versions that are now being deleted, oldest first.

        Raises:
            ParameterError: if `keep` is not a whole number of at least 1.
            ResourceNotFoundException: if the connector does not exist.
            ExceptionGroup: if some versions could not be deleted; it holds their errors.
        """
        return await self._workflows.prune(identifier, keep)

    async def diagnose_network_connector(self, identifier: str) -> workflows.Diagnosis:
        """Check why a connector is stuck or failed, and suggest what to do next.

        The checks are its state, its last update, its age, its versions and its tags. With the
        extra `botocore`, the operator role, the subnets and the security groups are checked too. A
        check that lacks a permission is `unknown` and says why.

        Args:
            identifier: the connector's ID, name or ARN.
        """
        return await self._workflows.diagnose(identifier)

    def wait_until_network_connector_active(
        self,
        identifier: str | NetworkConnector,
        *,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> workflows.Wait[NetworkConnector]:
        """Wait until a connector is `ACTIVE`.

        Reads may lag behind a creation. If you pass a connector object, or the client created or
        updated the connector in the last minute, the waiter tolerates "not found" for a minute.

        Args:
            identifier: the result of `create_network_connector`, or the connector's ID, name or
                ARN. A connector object and an ARN are polled in their own region.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector at the first poll and on changes.

        Raises:
            ParameterError: if an argument is out of bounds.
            ResourceNotFoundException: if the connector does not exist.
            WaiterFailedError: if the connector failed or is being deleted, with the reason.
            WaiterTimeoutError: if the connector is not active within the timeout.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        return self._workflows.until_active(identifier, options)

    def wait_until_network_connector_updated(
        self,
        identifier: str | NetworkConnector,
        *,
        version: int | None = None,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> workflows.Wait[NetworkConnector]:
        """Wait until an update of a connector is complete.

        Args:
            identifier: the result of `update_network_connector`, to wait for exactly that update
                even if reads still show an earlier one; or the connector's ID, name or ARN. A
                connector object and an ARN are polled in their own region.
            version: the version that the update created, at least 1. Defaults to the version of the
                connector object; for an ID, name or ARN, any update counts.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector at the first poll and on changes.

        Raises:
            ParameterError: if an argument is out of bounds.
            ResourceNotFoundException: if the connector does not exist.
            WaiterFailedError: if the update failed or the connector is being deleted, with the
                reason.
            WaiterTimeoutError: if the update is not complete within the timeout.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        return self._workflows.until_updated(identifier, version, options)

    def wait_until_network_connector_deleted(
        self,
        identifier: str | NetworkConnector,
        *,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: OnChange | None = None,
    ) -> workflows.Wait[None]:
        """Wait until a connector, or a version of it, is gone.

        Args:
            identifier: the result of `delete_network_connector` for a whole connector; or the
                connector's ID, name or ARN. Prefer the ID, because a new connector may already have
                the name. A connector object and an ARN are polled in their own region.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the connector at the first poll and on changes.

        Raises:
            ParameterError: if an argument is out of bounds.
            WaiterFailedError: if the deletion failed; the error has the reason.
            WaiterTimeoutError: if the connector is not gone within the timeout.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        return self._workflows.until_deleted(identifier, options)

    def wait_until_runtime_version_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: Callable[[models.RuntimeVersion], object] | None = None,
    ) -> workflows.Wait[models.RuntimeVersion]:
        """Wait until a version of a runtime is `ACTIVE`.

        If the client created or updated the version in the last minute, the waiter tolerates "not
        found" for a minute.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the version at the first poll and on changes.

        Raises:
            ParameterError: if an argument is out of bounds.
            ResourceNotFoundException: if the runtime or the version does not exist.
            WaiterFailedError: if the version failed, or is being deleted.
            WaiterTimeoutError: if the version is not active within the timeout.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        operation = operations.GET_RUNTIME_VERSION
        return self._workflows.runtime_until_active(operation, runtime_name, name, options)

    def wait_until_runtime_alias_active(
        self,
        runtime_name: str,
        name: str,
        *,
        timeout: float | timedelta = 1800.0,
        poll_interval: float | timedelta = 10.0,
        on_change: Callable[[models.RuntimeAlias], object] | None = None,
    ) -> workflows.Wait[models.RuntimeAlias]:
        """Wait until an alias of a runtime is `ACTIVE`.

        If the client created or updated the alias in the last minute, the waiter tolerates "not
        found" for a minute.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            timeout: maximum seconds to wait, or a `timedelta`; more than 0.
            poll_interval: maximum seconds between two polls, or a `timedelta`; more than 0.
            on_change: a plain function, called with the alias at the first poll and on changes.

        Raises:
            ParameterError: if an argument is out of bounds.
            ResourceNotFoundException: if the runtime or the alias does not exist.
            WaiterFailedError: if the alias is being deleted.
            WaiterTimeoutError: if the alias is not active within the timeout.
        """
        options = self._workflows.wait_options(timeout, poll_interval, on_change)
        operation = operations.GET_RUNTIME_ALIAS
        return self._workflows.runtime_until_active(operation, runtime_name, name, options)

    def resume_wait(
        self, token: str
    ) -> workflows.Wait[NetworkConnector | models.RuntimeVersion | models.RuntimeAlias | None]:
        """Resume a wait from its token, in this process or another one.

        The wait keeps the deadline of the token, but gets at least 30 seconds, so it polls even if
        the deadline has passed. It polls in the region of the token.

        Args:
            token: the result of `Wait.token()`. This client must be for the same account.

        Raises:
            ParameterError: if the token is damaged, has another version, or is no wait token.
        """
        return self._workflows.resume_wait(
            token,
            lambda region: self.with_options(region=region)._workflows,  # noqa: SLF001 - a client
        )

    def watch_network_connectors(
        self,
        snapshot: Iterable[NetworkConnectorSummary] | None = None,
        *,
        poll_interval: float | timedelta = 10.0,
    ) -> workflows.NetworkConnectorWatch:
        """Watch the network connectors of the account in the region, as a stream of changes.

        Iterate over the watch inside `async with`; it never ends. Watches and waiters of a client
        share their polls. A slow consumer misses no connector, but may miss intermediate states:
        each change is the net difference since the previous one.

        Args:
            snapshot: the `snapshot` of an earlier watch, to resume it. Without a snapshot, every
                existing connector is reported as `ConnectorAdded` first.
            poll_interval: seconds between two polls, or a `timedelta`; more than 0.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        return self._workflows.watch(snapshot, poll_interval)

    def cached_network_connectors(
        self,
        max_age: float | timedelta = 10.0,
        stale_if_error: float | timedelta | None = None,
    ) -> workflows.NetworkConnectorCache:
        """Return a cache of the account's network connectors in the region, kept fresh by polls.

        Use it in `async with`. Its answers are at most `max_age` seconds old. The cache lists all
        connectors twice in that time, at most once a second, and gets those that changed. All
        caches of an account and region share their connectors, across views of the client too, and
        their listings with its watches and waiters.

        A connector that this client creates, updates or deletes is read again.

        Args:
            max_age: the maximum age of an answer in seconds, or a `timedelta`; more than 0.
            stale_if_error: additional seconds, or a `timedelta`, for which the last known answer is
                returned while the service cannot be reached or throttles. Defaults to none.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        return self._workflows.cache(max_age, stale_if_error)

    # Many accounts

    def lookup_across(
        self,
        targets: Iterable[workflows.Target],
        identifiers: Collection[ConnectorIdentifier],
        *,
        concurrency: int | None = None,
        targets_at_once: int = 10,
    ) -> workflows.MultiTargetRun[workflows.Lookup]:
        """Get network connectors in many accounts and regions, as pairs of a target and a lookup.

        Iterate over the run inside `async with`. For each target, each identifier is `Found` or
        `Failed` once, even if the target's credentials are invalid. Each account has its own rate
        limiter in each region. An ARN is looked up in its own region, as in
        `lookup_network_connectors`.

        Args:
            targets: the accounts and regions. The run reads all of them when it is created.
            identifiers: IDs, names, ARNs, connectors and summaries, in a collection such as a list.
                Iterators are not accepted, because every target looks up all identifiers.
            concurrency: the maximum number of concurrent lookups per target, from 1 to
                `max_connections`. Defaults to 10, or to `max_connections` if that is lower.
            targets_at_once: the maximum number of concurrent targets, at least 1.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        return self._workflows.lookup_across(
            targets,
            identifiers,
            lambda target: self._view_of(target)._workflows,  # noqa: SLF001 - the view is a client
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
        """List in many accounts and regions, as pairs of a target and an item or an error.

        Iterate over the run inside `async with`. If the listing of a target fails, its last result
        is the error; the other targets continue.

        Args:
            targets: the accounts and regions. The run reads all of them when it is created.
            listing: a function that starts a listing, such as
                `LambdaCoreClient.list_network_connectors`. It is called with the view of each
                target. It must not be a coroutine function.
            targets_at_once: the maximum number of concurrent targets, at least 1.

        Raises:
            ParameterError: if an argument is out of bounds.
        """
        return self._workflows.list_across(
            targets, listing, self._view_of, targets_at_once=targets_at_once
        )

    def cache_across(
        self,
        targets: Iterable[workflows.Target],
        *,
        max_age: float | timedelta = 10.0,
        stale_if_error: float | timedelta | None = None,
    ) -> workflows.NetworkConnectorCaches:
        """Return a cache for each of many accounts and regions; see `cached_network_connectors`.

        Use it in `async with`; `caches[target]` is the cache of a target.

        Args:
            targets: the accounts and regions.
            max_age: as in `cached_network_connectors`.
            stale_if_error: as in `cached_network_connectors`.

        Raises:
            ParameterError: if an argument is invalid.
        """
        return self._workflows.caches(
            targets,
            lambda target: self._view_of(target)._workflows,  # noqa: SLF001 - the view is a client
            max_age,
            stale_if_error,
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
            name: a name that is unique in the account and region; 2 to 128 lower-case letters,
                digits, `_`, `.` and `-`.
            tags: keys and values.
            description: a description, at most 1,024 characters.
            license_info: the licence of the runtime, at most 1,024 characters.
            release_lifecycle: when the runtime is deprecated and blocked.

        Raises:
            ResourceConflictException: if the name is taken.
            ServiceQuotaExceededException: if the account has reached its quota.
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
            runtime_name: the runtime's name or ARN.

        Raises:
            ResourceNotFoundException: if the runtime does not exist.
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
        """Change the description, licence or release lifecycle of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            description: the new description, at most 1,024 characters.
            license_info: the new licence, at most 1,024 characters.
            release_lifecycle: when the runtime is deprecated and blocked. If it is not given or
                empty, the previous lifecycle is removed.

        Raises:
            ResourceNotFoundException: if the runtime does not exist.
            ResourceConflictException: if the runtime's state does not allow changes.
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
        """Schedule a runtime for deletion; it can be restored until it is deleted.

        Delete its versions and aliases first, or schedule them for deletion. Invocations of
        functions that use the runtime fail from now on.

        Args:
            runtime_name: the runtime's name or ARN.
            recovery_window_in_days: days until the runtime is deleted, 7 to 30.

        Raises:
            ResourceNotFoundException: if the runtime does not exist.
            ResourceConflictException: if it has versions or aliases that are not scheduled for
                deletion.
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
        """Cancel the scheduled deletion of a runtime, or of one of its versions or aliases.

        Restoring a resource that is `ACTIVE` succeeds and changes nothing.

        Args:
            runtime_name: the runtime's name or ARN. Without a version or an alias, the runtime
                itself is restored.
            runtime_version: the name of the version to restore.
            runtime_alias: the name of the alias to restore. Pass a version or an alias, not both.

        Raises:
            ResourceNotFoundException: if the runtime, the version or the alias does not exist.
            ResourceConflictException: if the deletion has begun.
        """
        return await self._call(
            operations.RESTORE_RUNTIME,
            runtime_name=runtime_name,
            runtime_version=runtime_version,
            runtime_alias=runtime_alias,
        )

    def list_runtimes(
        self,
        *,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        max_items: int | None = None,
    ) -> workflows.Pager[models.Runtime]:
        """List the runtimes of the account in the region.

        Args:
            page_size: runtimes per page, 1 to 100.
            limit: the maximum number of runtimes in total, at least 1. Defaults to no limit.
            prefetch: whether to request the next page while the current one is consumed.
            max_items: the deprecated name of `page_size`.
        """
        return self._workflows.pager(
            operations.LIST_RUNTIMES,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            max_items=max_items,
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
        """Create an immutable version of a runtime from a container image.

        Args:
            runtime_name: the runtime's name or ARN.
            image_uri: the URI of the container image.
            name: a name that is unique in the runtime; 1 to 128 letters, digits, `_`, `.` and `-`.
            release_notes: what is new in the version.
            dry_run: whether to only check that the call would succeed.

        Raises:
            ResourceNotFoundException: if the runtime does not exist.
            ResourceConflictException: if the name is taken.
            ServiceQuotaExceededException: if the runtime has reached its quota of versions.
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
            ResourceNotFoundException: if the runtime or the version does not exist.
        """
        return await self._call(
            operations.GET_RUNTIME_VERSION, runtime_name=runtime_name, name=name
        )

    async def update_runtime_version(
        self, runtime_name: str, name: str, release_notes: str
    ) -> models.RuntimeVersion:
        """Change the release notes of a version that is `ACTIVE`; nothing else can be changed.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            release_notes: the new text; it may be empty.

        Raises:
            ResourceNotFoundException: if the runtime or the version does not exist.
            ResourceConflictException: if the version is not `ACTIVE`.
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
        """Schedule a version for deletion; it can be restored until it is deleted.

        Invocations of functions that use the version fail from now on.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the version's name.
            recovery_window_in_days: days until the version is deleted, 7 to 30.

        Raises:
            ResourceNotFoundException: if the runtime or the version does not exist.
            ResourceConflictException: if the version's state does not allow deletion.
        """
        return await self._call(
            operations.DELETE_RUNTIME_VERSION,
            runtime_name=runtime_name,
            name=name,
            recovery_window_in_days=recovery_window_in_days,
        )

    def list_runtime_versions(
        self,
        runtime_name: str,
        *,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        max_items: int | None = None,
    ) -> workflows.Pager[models.RuntimeVersion]:
        """List the versions of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            page_size: versions per page, 1 to 100.
            limit: the maximum number of versions in total, at least 1. Defaults to no limit.
            prefetch: whether to request the next page while the current one is consumed.
            max_items: the deprecated name of `page_size`.

        Raises:
            ResourceNotFoundException: on iteration, if the runtime does not exist.
        """
        return self._workflows.pager(
            operations.LIST_RUNTIME_VERSIONS,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            max_items=max_items,
            runtime_name=runtime_name,
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
        """Create an alias: a named pointer to a version, through which functions use a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            runtime_version: the name of the version that the alias points to.
            name: a name that is unique in the runtime; 1 to 128 letters, digits, `_`, `.` and `-`.
            description: a description, at most 1,024 characters.
            release_lifecycle: a lifecycle that overrides the runtime's.

        Raises:
            ResourceNotFoundException: if the runtime or the version does not exist.
            ResourceConflictException: if the name is taken.
            ServiceQuotaExceededException: if the runtime has reached its quota of aliases.
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
            ResourceNotFoundException: if the runtime or the alias does not exist.
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
        """Point an alias to another version, or change its description or release lifecycle.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            runtime_version: the name of the version that the alias points to from now on.
            description: the new description, at most 1,024 characters.
            release_lifecycle: a lifecycle that overrides the runtime's. If it is not given or
                empty, the previous override is removed.

        Raises:
            ResourceNotFoundException: if the runtime, the alias or the version does not exist.
            ResourceConflictException: if the alias's state does not allow changes.
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
        """Schedule an alias for deletion; it can be restored until it is deleted.

        Invocations of functions that use the alias fail from now on.

        Args:
            runtime_name: the runtime's name or ARN.
            name: the alias's name.
            recovery_window_in_days: days until the alias is deleted, 7 to 30.

        Raises:
            ResourceNotFoundException: if the runtime or the alias does not exist.
            ResourceConflictException: if the alias's state does not allow deletion.
        """
        return await self._call(
            operations.DELETE_RUNTIME_ALIAS,
            runtime_name=runtime_name,
            name=name,
            recovery_window_in_days=recovery_window_in_days,
        )

    def list_runtime_aliases(
        self,
        runtime_name: str,
        *,
        page_size: int | None = None,
        limit: int | None = None,
        prefetch: bool = False,
        max_items: int | None = None,
    ) -> workflows.Pager[models.RuntimeAlias]:
        """List the aliases of a runtime.

        Args:
            runtime_name: the runtime's name or ARN.
            page_size: aliases per page, 1 to 100.
            limit: the maximum number of aliases in total, at least 1. Defaults to no limit.
            prefetch: whether to request the next page while the current one is consumed.
            max_items: the deprecated name of `page_size`.

        Raises:
            ResourceNotFoundException: on iteration, if the runtime does not exist.
        """
        return self._workflows.pager(
            operations.LIST_RUNTIME_ALIASES,
            page_size=page_size,
            limit=limit,
            prefetch=prefetch,
            max_items=max_items,
            runtime_name=runtime_name,
        )

    # Other operations

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | Sequence[str]] | None = None,
        body: JSONValue | bytes = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool = False,
    ) -> workflows.RawResponse:
        """Send a request for which the client has no method, such as one to Lambda MicroVMs.

        The endpoint, credentials, signature, rate limiter, retries and errors are those of other
        calls.

        Args:
            method: `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
            path: the path, which starts with `/` and is percent-encoded. Encode a name with
                `urllib.parse.quote(name, safe="")`.
            query: parameters of the query, which the client encodes. A list repeats its parameter.
            body: a JSON value, or the bytes of the body. Defaults to no body.
            headers: additional headers, which are signed. A JSON body has the `content-type`
                `application/json`.
            idempotent: whether sending the request twice has the effect of sending it once. If not,
                and the method is not `GET`, the request is not retried after a failure in which the
                service may have handled it.

        Raises:
            ParameterError: if an argument cannot be sent.
            ApiError: if the service responds with an error; its class is chosen by the error code.
            ResponseError: if the response is longer than 1 MiB, or claims to be JSON and is not.
        """
        return await self._workflows.request(
            method, path, query=query, body=body, headers=headers, idempotent=idempotent
        )

    def _call(
        self, operation: Operation[Output], **arguments: object
    ) -> Coroutine[None, None, Output]:
        return self._core.call(operation, arguments)

    def _call_by_arn(
        self, operation: Operation[Output], resource: str, **arguments: object
    ) -> Coroutine[None, None, Output]:
        if not isinstance(resource, str) or parse_arn(resource) is None:
            problem = f"expected an ARN, got {escaped(repr(resource), 100)}"
            raise ParameterError("resource", problem, operation=operation.name)
        return self._core.call(operation, {"resource": resource, **arguments})
