"""Wiring of a client: what its views share, and the region and account of each call."""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Callable, Coroutine, Hashable, Mapping
from functools import partial
from typing import Any, Final, Self, TypeVar
from weakref import WeakSet, WeakValueDictionary

import aiohttp
from attrs import evolve

from lambdacore_async.engine.clock import LAG, Clock
from lambdacore_async.engine.configuration import Configuration, Options
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.engine.identity.providers import CredentialsLike, as_provider
from lambdacore_async.engine.identity.refresh import CredentialsProvider, RefreshingCredentials
from lambdacore_async.engine.pipeline import Attempt, Pipeline, Settings, Shared
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.engine.transport.session import AiohttpTransport, Transport
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.endpoints import is_region, parse_arn, partition_of
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials

Output = TypeVar("Output")

#: Accounts that a client remembers after their last view is gone.
_REMEMBERED: Final = 1000


class Core:
    """Makes the calls of one view of a client, each in the region that its resource's ARN names.

    Args:
        shared: what views for the same account have in common.
        options: the options of this view.
        configuration: resolves the options, at the first call.
        accounts: what the client's views share, for each account.

    Attributes:
        pipeline: makes the calls of the view's own region.
    """

    def __init__(
        self, shared: Shared, options: Options, configuration: Configuration, accounts: Accounts
    ) -> None:
        self.options = options
        self.pipeline = Pipeline(
            shared, Settings(timeout=options.timeout), partial(configuration.resolve, options)
        )
        self._configuration = configuration
        self._accounts = accounts
        self._elsewhere: dict[str, Pipeline] = {}

    @classmethod
    def of_client(
        cls,
        options: Options,
        *,
        profile: str | None = None,
        credentials: CredentialsLike | None = None,
        max_connections: int = 100,
        ca_bundle: str | os.PathLike[str] | None = None,
        trust_env: bool = False,
        http_session: aiohttp.ClientSession | None = None,
        user_agent_extra: str | None = None,
        on_attempt: Callable[[Attempt], None] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> Self:
        """Return the core of a new client, which `LambdaCoreClient` documents the options of.

        Args:
            options: what its views may change.
            profile: see `LambdaCoreClient`, as for all that is not listed here.
            credentials: fixed credentials or a provider; `None` uses the default chain.
            max_connections: the maximum number of connections.
            ca_bundle: a file of certificates in PEM.
            trust_env: whether to use the proxies of the environment.
            http_session: the caller's own session.
            user_agent_extra: text to add to the `User-Agent` header.
            on_attempt: is called after each request.
            transport: sends requests, in place of connections of the client's own.
            clock: tells the time and sleeps.
            jitter: returns a random number from 0 to 1.

        Raises:
            ParameterError: an argument is out of its bounds.
        """
        if http_session is not None and ca_bundle is not None:
            raise ParameterError("ca_bundle", "cannot be combined with http_session")
        environ = os.environ
        configuration = Configuration(
            environ,
            SharedConfig(environ, profile),
            ca_bundle=ca_bundle,
            verifies=http_session is None,
        )
        clock = clock or Clock()
        provider = (
            DefaultChain(
                environ,
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
            transport=transport
            or AiohttpTransport(
                max_connections=max_connections,
                session=http_session,
                trust_env=trust_env,
                ssl_context=lambda: configuration.ssl_context,
            ),
            credentials=RefreshingCredentials(provider, clock=clock),
            clock=clock,
            jitter=jitter,
            user_agent=UserAgent(user_agent_extra, environ.get("AWS_EXECUTION_ENV")),
            max_in_flight=max_connections,
            on_attempt=on_attempt,
        )
        accounts = Accounts()
        accounts.get(provider, lambda: shared)
        return cls(shared, options, configuration, accounts)

    @property
    def shared(self) -> Shared:
        """What this view has in common with others for the same account."""
        return self.pipeline.shared

    @property
    def clock(self) -> Clock:
        """The clock of the client."""
        return self.pipeline.shared.clock

    def replace(self, **parts: Any) -> Self:
        """Return a core with other parts of `Shared`, such as a transport or a clock."""
        shared = evolve(self.shared, **parts)
        return type(self)(shared, self.options, self._configuration, self._accounts)

    def view(self, options: Options, credentials: CredentialsLike | None = None) -> Self:
        """Return the core of a view with other options, on the same connections.

        Args:
            options: the options of the view.
            credentials: those of another account; `None` keeps this view's account.

        Raises:
            ParameterError: these are no credentials.
        """
        shared = self.shared
        if credentials is not None:
            provider, mine = as_provider(credentials), shared
            shared = self._accounts.get(
                provider,
                lambda: evolve(mine, credentials=RefreshingCredentials(provider, clock=mine.clock)),
            )
        return type(self)(shared, options, self._configuration, self._accounts)

    def call(
        self,
        operation: Operation[Output],
        arguments: Mapping[str, object],
        *,
        outlasts_throttling: bool = False,
    ) -> Coroutine[None, None, Output]:
        """Make a call; see `Pipeline.call`."""
        resource = arguments.get("identifier") or arguments.get("runtime_name")
        if isinstance(resource, str) and resource.startswith("arn:"):
            return self._call_region_of(
                operation, resource, arguments, outlasts_throttling=outlasts_throttling
            )
        return self.pipeline.call(operation, arguments, outlasts_throttling=outlasts_throttling)

    async def _call_region_of(
        self,
        operation: Operation[Output],
        arn: str,
        arguments: Mapping[str, object],
        *,
        outlasts_throttling: bool,
    ) -> Output:
        operation.build_request(arguments)  # validates them before any file is read
        parameter = "identifier" if "identifier" in arguments else "runtime_name"
        pipeline = await self.pipeline_of(arn, operation.name, parameter)
        return await pipeline.call(operation, arguments, outlasts_throttling=outlasts_throttling)

    async def pipeline_of(
        self, identifier: str, operation: str, parameter: str = "identifier"
    ) -> Pipeline:
        """Return the pipeline of an ARN's region; that of the view for all else.

        A client with a custom endpoint sends all calls there, signed for its own region.

        Args:
            identifier: an ARN, or anything else.
            operation: the API operation's name, for errors.
            parameter: the name of the parameter that has the identifier, for errors.

        Raises:
            ParameterError: the ARN is in another partition, where the view's credentials are
                unknown.
            ConfigurationError: the settings of the view cannot be used.
        """
        arn = parse_arn(identifier)
        if arn is None or arn.service != "lambda" or not is_region(arn.region):
            return self.pipeline
        settings = await self.pipeline.resolve_settings(operation)
        partition = partition_of(settings.region)
        if arn.partition != partition.id or partition_of(arn.region) is not partition:
            raise ParameterError(
                parameter,
                f"'{escaped(identifier, 256)}' is not in the client's partition, {partition.id}",
                operation=operation,
            )
        if arn.region == settings.region or settings.endpoint_url is not None:
            return self.pipeline
        if arn.region not in self._elsewhere:
            self._elsewhere[arn.region] = Pipeline(
                self.shared, settings._replace(region=arn.region)
            )
        return self._elsewhere[arn.region]

    async def write(
        self, operation: Operation[NetworkConnector], arguments: Mapping[str, object]
    ) -> NetworkConnector:
        """Create or update a connector, and note that reads may not show it yet."""
        connector = await self.call(operation, arguments)
        self.note_write(connector.id, connector.name, connector.arn)
        return connector

    def note_write(self, *keys: Hashable) -> None:
        """Remember for a minute that a resource was created or updated.

        Args:
            keys: what identifies the resource when it is read.
        """
        written, now = self.shared.written, self.clock.monotonic()
        while written and now - written[oldest := next(iter(written))] > LAG:
            del written[oldest]
        for key in keys:
            written.pop(key, None)
            written[key] = now

    def was_written(self, key: Hashable) -> bool:
        """Return whether a resource was created or updated in the last minute."""
        return self.clock.monotonic() - self.shared.written.get(key, -math.inf) <= LAG

    async def close(self) -> None:
        """Close all connections of the client, and forget all credentials."""
        try:
            await self._accounts.close()
        finally:
            await self.shared.transport.close()


class Accounts:
    """What the views of one client share for each account; equal credentials are one account.

    The latest accounts are remembered after their last view is gone, with their credentials.
    """

    def __init__(self) -> None:
        self._latest: dict[object, Shared] = {}
        self._known: WeakValueDictionary[object, Shared] = WeakValueDictionary()
        self._credentials: WeakSet[RefreshingCredentials] = WeakSet()

    def get(
        self, provider: Credentials | CredentialsProvider, make: Callable[[], Shared]
    ) -> Shared:
        """Return what belongs to credentials or to a provider, made at their first use."""
        key = _key(provider)
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


def _key(provider: object) -> object:
    """Return a key that is equal for equal credentials and providers, and keeps them alive."""
    identity = _Identity(provider)
    try:
        if isinstance(provider, partial):  # two partials are never equal
            keywords = frozenset(provider.keywords.items())
            key: object = (partial, _key(provider.func), provider.args, keywords)
        else:
            key = provider
        hash(key)
    except TypeError:
        return identity
    return key


class _Identity:
    """Compares an object that has no hash by its identity."""

    def __init__(self, it: object) -> None:
        self._it = it

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other._it is self._it

    def __hash__(self) -> int:
        return id(self._it)
