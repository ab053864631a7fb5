"""Wires the parts of a client, and sends each call to the region of its resource."""

from __future__ import annotations

import asyncio
import math
import os
import random
from collections.abc import Callable, Coroutine, Hashable, Mapping
from functools import partial
from typing import Final, Self, TypeVar
from weakref import WeakSet, WeakValueDictionary

from attrs import evolve

from lambdacore_async.engine.clock import LAG, Clock
from lambdacore_async.engine.configuration import ClientOptions, Configuration
from lambdacore_async.engine.identity.chain import DefaultChain
from lambdacore_async.engine.identity.providers import as_provider, for_client
from lambdacore_async.engine.identity.refresh import CredentialsProvider, RefreshingCredentials
from lambdacore_async.engine.pipeline import Pipeline, Settings, Shared
from lambdacore_async.engine.profiles import SharedConfig
from lambdacore_async.engine.stats import ClientStats
from lambdacore_async.engine.transport.session import AiohttpTransport, Transport
from lambdacore_async.engine.user_agent import UserAgent
from lambdacore_async.errors import ParameterError
from lambdacore_async.escaping import escaped
from lambdacore_async.models.network_connectors import NetworkConnector
from lambdacore_async.protocol.endpoints import Arn, is_region, parse_arn, partition_of
from lambdacore_async.protocol.restjson import Operation
from lambdacore_async.protocol.sigv4 import Credentials

Output = TypeVar("Output")

#: The maximum number of accounts whose state a client keeps without a view.
_REMEMBERED: Final = 1000


class Core:
    """Makes the calls of one view of a client, each in the region that its ARN names.

    Args:
        shared: state shared by views for the same account.
        options: the options of this view.
        configuration: resolves the options, at the first call.
        accounts: the shared state of each account.

    Attributes:
        options: the options of this view.
        pipeline: makes the calls in the view's own region.
    """

    def __init__(
        self,
        shared: Shared,
        options: ClientOptions,
        configuration: Configuration,
        accounts: Accounts,
    ) -> None:
        self.options = options
        self.pipeline: Pipeline = Pipeline(
            shared,
            Settings(timeout=options.timeout, label=options.label),
            partial(configuration.resolve, options),
        )
        self._configuration = configuration
        self._accounts = accounts
        self._elsewhere: dict[str, Pipeline] = {}

    @classmethod
    def of_client(
        cls,
        options: ClientOptions,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> Self:
        """Return the core of a new client.

        Args:
            options: the options of the client.
            transport: sends requests; defaults to connections that the core opens.
            clock: tells the time and sleeps; defaults to the clock of this machine.
            jitter: returns a random number from 0 to 1.
        """
        environ = os.environ
        profile = options.profile or None
        configuration = Configuration(
            environ,
            SharedConfig(environ, profile),
            ca_bundle=options.ca_bundle,
            verifies=options.http_session is None,
        )
        clock = clock or Clock()
        region = partial(configuration.home_region, options)
        provider = (
            DefaultChain(
                environ,
                lambda: AiohttpTransport(ssl_context=lambda: configuration.ssl_context),
                clock,
                profile,
                region=region,
                ca_bundle=options.ca_bundle,
                trust=configuration.trust,
            )
            if options.credentials is None
            else as_provider(options.credentials)
        )
        shared = Shared(
            transport=transport
            or AiohttpTransport(
                max_connections=options.max_connections,
                session=options.http_session,
                trust_env=options.trust_env,
                ssl_context=lambda: configuration.ssl_context,
            ),
            credentials=RefreshingCredentials(
                for_client(provider, region, options.ca_bundle),
                clock=clock,
                on_call=options.on_call,
            ),
            clock=clock,
            jitter=jitter,
            user_agent=UserAgent(options.user_agent_extra, environ.get("AWS_EXECUTION_ENV")),
            max_in_flight=options.max_connections,
            max_rate=options.max_rate,
            on_attempt=options.on_attempt,
            on_call=options.on_call,
        )
        accounts = Accounts()
        accounts.get(provider, lambda: shared)
        return cls(shared, options, configuration, accounts)

    @property
    def shared(self) -> Shared:
        """State shared by views for the same account."""
        return self.pipeline.shared

    @property
    def clock(self) -> Clock:
        """The clock of the client."""
        return self.pipeline.shared.clock

    def replace(
        self,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        jitter: Callable[[], float] | None = None,
    ) -> Self:
        """Return a core with another transport, clock or source of randomness.

        Args:
            transport: sends requests. Each argument defaults to the current value.
            clock: tells the time and sleeps.
            jitter: returns a random number from 0 to 1.
        """
        shared = self.shared
        shared = evolve(
            shared,
            transport=transport or shared.transport,
            clock=clock or shared.clock,
            jitter=jitter or shared.jitter,
        )
        return type(self)(shared, self.options, self._configuration, self._accounts)

    def view(self, options: ClientOptions) -> Self:
        """Return the core of a view with other options, on the same connections.

        Args:
            options: the options of the view. Different credentials count as another account.
        """
        shared, credentials = self.shared, options.credentials
        if credentials is not None and credentials is not self.options.credentials:
            provider, mine = as_provider(credentials), shared
            shared = self._accounts.get(
                provider,
                lambda: evolve(
                    mine,
                    credentials=RefreshingCredentials(
                        for_client(
                            provider,
                            partial(self._configuration.home_region, options),
                            options.ca_bundle,
                        ),
                        clock=mine.clock,
                        on_call=mine.on_call,
                        label=options.label,
                    ),
                ),
            )
        return type(self)(shared, options, self._configuration, self._accounts)

    def call(
        self,
        operation: Operation[Output],
        arguments: Mapping[str, object],
        *,
        outlasts_throttling: bool = False,
    ) -> Coroutine[None, None, Output]:
        """Build the request of a call, and return a coroutine; see `Pipeline.call`."""
        resource = arguments.get(operation.resource)
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
        operation.build_request(arguments)  # validates the arguments before any file is read
        pipeline = await self.pipeline_of(arn, operation.name, operation.resource)
        return await pipeline.call(operation, arguments, outlasts_throttling=outlasts_throttling)

    async def pipeline_of(
        self, identifier: str, operation: str, parameter: str = "identifier"
    ) -> Pipeline:
        """Return the pipeline of an ARN's region, or the view's pipeline for other identifiers.

        A client with a custom endpoint sends all calls there, signed for the view's region.

        Args:
            identifier: an ARN, an ID or a name.
            operation: the name of the API operation, for errors.
            parameter: the name of the parameter that has the identifier, for errors.

        Raises:
            ParameterError: if the ARN is in another partition than the view's credentials.
            ConfigurationError: if the settings of the view cannot be used.
        """
        arn = _arn_in_region(identifier)
        if arn is None:
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

    def is_elsewhere(self, identifier: str) -> bool:
        """Return whether calls for an ARN go to another region than the view's."""
        arn, settings = _arn_in_region(identifier), self.pipeline.settings
        return arn is not None and settings.endpoint_url is None and arn.region != settings.region

    async def write(
        self, operation: Operation[NetworkConnector], arguments: Mapping[str, object]
    ) -> NetworkConnector:
        """Create or update a connector, and record the write, because reads may lag behind."""
        connector = await self.change(operation, arguments)
        self.note_write(connector.id, connector.name, connector.arn)
        return connector

    async def change(
        self, operation: Operation[NetworkConnector], arguments: Mapping[str, object]
    ) -> NetworkConnector:
        """Change a connector, and notify caches. A failed call may have changed it too."""
        call = self.call(operation, arguments)  # validates the arguments
        names = [arguments.get("identifier") or arguments.get("name")]
        try:
            connector = await call
            names += connector.id, connector.name, connector.arn
        finally:
            self.note_change(*names)
        return connector

    def note_change(self, *identifiers: object) -> None:
        """Notify caches that connectors may have changed."""
        for listener in self.shared.on_write:
            listener(*identifiers)

    def note_write(self, *keys: Hashable) -> None:
        """Record for a minute that a resource was created or updated.

        Args:
            keys: the keys under which `was_written` finds the resource.
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

    @property
    def region(self) -> str | None:
        """The AWS region; `None` before the first call if the environment or profile has it."""
        return (
            self.pipeline.settings.region
            or self.options.region
            or self._configuration.default_region
        )

    @property
    def endpoint_url(self) -> str | None:
        """The URL of the endpoint; `None` before the first call, unless it is an option."""
        return self.options.endpoint_url or self.shared.endpoint_urls.get(self.region or "")

    def __str__(self) -> str:
        state = "closed" if self._accounts.closed else "open"
        return f"region={self.region!r} endpoint={self.endpoint_url!r} {state}"

    @property
    def has_open_session(self) -> bool:
        """Whether the client has an open session that it created."""
        transport = self.shared.transport
        return isinstance(transport, AiohttpTransport) and transport.is_open

    def stats(self) -> ClientStats:
        """Return the figures of the view's account in the view's region."""
        shared, region = self.shared, self.region
        url = None if region is None else shared.endpoint_urls.get(region)
        # One for each retry mode in use.
        limiters = [each for (its_url, _), each in shared.rate_limiters.items() if its_url == url]
        return ClientStats(
            region=region,
            rate=min((each.rate for each in limiters if each.rate is not None), default=None),
            max_rate=shared.max_rate,
            in_flight=sum(each.in_flight for each in limiters),
            waiting=sum(each.waiting for each in limiters),
            requests=sum(each.requests for each in limiters),
            throttles=sum(each.throttles for each in limiters),
            pause=max((each.pause for each in limiters), default=0.0),
        )

    async def close(self) -> None:
        """Close all connections and forget all credentials."""
        try:
            await self._accounts.close()
        finally:
            await self.shared.transport.close()


class Accounts:
    """Shared state of each account that a client uses; equal credentials are one account.

    The 1,000 most recently used accounts are kept even without a view, with their credentials.

    Attributes:
        closed: whether the client is closed.
    """

    def __init__(self) -> None:
        self.closed: bool = False
        self._latest: dict[object, Shared] = {}
        self._known: WeakValueDictionary[object, Shared] = WeakValueDictionary()
        self._credentials: WeakSet[RefreshingCredentials] = WeakSet()

    def get(
        self, provider: Credentials | CredentialsProvider, make: Callable[[], Shared]
    ) -> Shared:
        """Return the state of credentials or of a provider, created at its first use."""
        key = account_key(provider)
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
        self.closed = True
        self._latest.clear()
        self._known.clear()
        await asyncio.gather(*[credentials.close() for credentials in self._credentials])


def _arn_in_region(identifier: str) -> Arn | None:
    """Return the ARN of a Lambda resource in a region; `None` for other identifiers."""
    arn = parse_arn(identifier)
    if arn is None or arn.service != "lambda" or not is_region(arn.region):
        return None
    return arn


def account_key(provider: object) -> object:
    """Return a hashable key that is equal for equal credentials or providers."""
    identity = id(provider)  # it stays unique, because the account's state holds the provider
    try:
        if isinstance(provider, partial):  # two partials are never equal
            keywords = frozenset(provider.keywords.items())
            key: object = (partial, account_key(provider.func), provider.args, keywords)
        else:
            key = provider
        hash(key)
    except TypeError:
        return identity
    return key
