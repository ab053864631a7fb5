"""`LocalLambdaCore`: the emulator, and clients for it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, Self

from lambdacore_async import LambdaCoreClient
from lambdacore_async.local.account import Account, Clock, Limits, Seconds, utc_now
from lambdacore_async.local.faults import Faults
from lambdacore_async.local.server import LOOPBACK, AnsweredRequest, Server
from lambdacore_async.local.state import State
from lambdacore_async.local.threads import LoopThread
from lambdacore_async.protocol.sigv4 import Credentials

Options = ParamSpec("Options")


def _with_options_of(
    constructor: Callable[Options, LambdaCoreClient],  # noqa: ARG001 - only its type counts
) -> Callable[
    [Callable[..., LambdaCoreClient]],
    Callable[Concatenate[LocalLambdaCore, Options], LambdaCoreClient],
]:
    """Give a method the parameters of the client's constructor."""
    return lambda method: method


class LocalLambdaCore:
    """An emulator of AWS Lambda Core. Use it in `async with`; the constructor does no I/O.

    Synchronous code uses `with LocalLambdaCore().in_thread() as aws:` instead.

    The state outlives the server: you can fill it before the service starts, read it after the
    service has stopped, and start the service again. Do not use one instance on several event loops
    at the same time. Any thread may read and change `state` and `faults`.

    A duration is a number of seconds, or a function that draws one for each piece of work, such as
    `lambda random: random.lognormvariate(4, 0.6)`. The function gets a `random.Random` that depends
    only on the seed, the resource's name and the number of earlier draws for it. Runs with the same
    seed therefore give the same results, whatever the order of concurrent tasks. Drawn durations
    below 0 count as 0. The response to an operation reports the work as started, even if it takes 0
    seconds.

    Args:
        region: the AWS region of the service.
        account_id: the 12-digit account ID.
        port: the TCP port, 1 to 65535; 0 for any free port.
        host: the address to listen on; defaults to 127.0.0.1. With `0.0.0.0`, other machines and
            containers can reach the service, over plain HTTP.
        credentials: the credentials that requests are signed with; random by default.
        verify_signatures: whether to refuse requests that are not signed with known credentials.
        clock: returns the time by which resources change, as an aware `datetime`; defaults to real
            time.
        signature_clock: returns the time by which signatures are verified, which is also the `Date`
            of responses; defaults to real time, so that `clock` can differ from it.
        provisioning_seconds: how long a connector is PENDING, or a runtime version or alias is
            CREATING; 0 to 1e9 s, defaults to 0.1 s.
        update_seconds: how long a connector's update is InProgress, or an alias is UPDATING;
            0 to 1e9 s, defaults to 0.1 s.
        deletion_seconds: how long a resource is DELETING; 0 to 1e9 s, defaults to 0.1 s.
        stale_seconds: how long GetNetworkConnector and ListNetworkConnectors return the state
            before an update; 0 to 1e9 s, defaults to 0 s.
        versioned_roles: whether an update of only the role of a connector creates a version, as an
            update of its configuration does. The API's documentation does not specify this.
        seed: the seed of all random draws.
        limits: the maximum numbers of resources; 1000 connectors, and 100 of everything else, by
            default.
        faults: the faults to inject; none by default, and `faults` can be changed at any time.
        rate_limit: the rate of requests per second that all clients share, and the burst, as in
            `(15, 15)`; see `Faults.limit_rate`. Defaults to no limit. AWS documents 15 per second
            for an account and region.
        on_request: a plain function, called with an `AnsweredRequest` for each response, for
            an access log. It runs on the service's event loop.

    Raises:
        ParameterError: if an argument is out of bounds.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        port: int = 0,
        host: str = LOOPBACK,
        credentials: Credentials | None = None,
        verify_signatures: bool = True,
        clock: Clock = utc_now,
        signature_clock: Clock = utc_now,
        provisioning_seconds: Seconds = 0.1,
        update_seconds: Seconds = 0.1,
        deletion_seconds: Seconds = 0.1,
        stale_seconds: Seconds = 0.0,
        versioned_roles: bool = True,
        seed: int = 0,
        limits: Limits | None = None,
        faults: Faults | None = None,
        rate_limit: tuple[float, float] | None = None,
        on_request: Callable[[AnsweredRequest], None] | None = None,
    ) -> None:
        self.credentials: Credentials = (
            _random_credentials() if credentials is None else credentials
        )
        """The credentials that requests are signed with."""
        self.state: State = State(
            Account(
                region=region,
                account_id=account_id,
                clock=clock,
                provisioning_seconds=provisioning_seconds,
                update_seconds=update_seconds,
                deletion_seconds=deletion_seconds,
                stale_seconds=stale_seconds,
                versioned_roles=versioned_roles,
                seed=seed,
                limits=Limits() if limits is None else limits,
            )
        )
        """All resources, with methods that make operations fail and put connectors in a state."""
        self._server = Server(
            self.state,
            credentials=[self.credentials],
            port=port,
            host=host,
            clock=signature_clock,
            faults=faults,
            verifies=verify_signatures,
            on_request=on_request,
        )
        if rate_limit is not None:
            rate, burst = rate_limit
            self.faults.limit_rate(rate, burst=burst)

    @property
    def region(self) -> str:
        """The AWS region of the service."""
        return self.state.account.region

    @property
    def endpoint_url(self) -> str:
        """The URL of the service, for programs on this machine.

        Raises:
            ConfigurationError: if the service is not running.
        """
        return self._server.endpoint_url

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that point AWS SDKs and `LambdaCoreClient` to the service.

        Raises:
            ConfigurationError: if the service is not running.
        """
        variables = {
            "AWS_ENDPOINT_URL_LAMBDA_CORE": self.endpoint_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": self.credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.credentials.secret_access_key,
        }
        if self.credentials.session_token is not None:
            variables["AWS_SESSION_TOKEN"] = self.credentials.session_token
        return variables

    @property
    def faults(self) -> Faults:
        """The faults to inject: throttling, latency, broken responses, dead connections."""
        return self._server.faults

    @property
    def calls(self) -> Counter[str]:
        """The number of requests by operation, rejected requests included.

        Requests that match no operation count as `UnknownOperation`.
        """
        return self._server.calls

    def accept(self, credentials: Credentials) -> None:
        """Accept requests signed with these credentials too.

        Args:
            credentials: the credentials, with their session token and expiry if they have them.
                They replace accepted credentials with the same access key ID.
        """
        self._server.credentials[credentials.access_key_id] = credentials

    @_with_options_of(LambdaCoreClient)
    def client(self, region: str | None = None, **options: Any) -> LambdaCoreClient:
        """Create a client for this service.

        Args:
            region: the AWS region; it defaults to that of this service.
            options: the options of `LambdaCoreClient`; credentials and endpoint default to this
                service's.

        Raises:
            ConfigurationError: if the service is not running.
            ParameterError: if an option is out of bounds.
        """
        defaults: dict[str, Any] = {
            "credentials": self.credentials,
            "endpoint_url": self.endpoint_url,
            # The service has neither kind of endpoint, whatever the environment requests.
            "use_fips_endpoint": False,
            "use_dualstack_endpoint": False,
        }
        return LambdaCoreClient(region or self.region, **{**defaults, **options})

    @contextmanager
    def in_thread(self) -> Generator[Self]:
        """Run the service in a thread, for code without asyncio or with several event loops.

            with LocalLambdaCore().in_thread() as aws:
                client = boto3.client("lambda-core", endpoint_url=aws.endpoint_url, ...)

        Clients from `client()` can be used on any event loop.

        Returns:
            A context manager that returns this service.

        Raises:
            ConfigurationError: if the service is already running.
            OSError: if the port is in use.
        """
        with LoopThread() as thread:
            thread.wait_for(self._server.start())
            try:
                yield self
            finally:
                thread.release()  # the server waits for requests in real time
                thread.wait_for(self._server.stop())

    def __repr__(self) -> str:
        account = self.state.account
        place = f"region={account.region!r} account_id={account.account_id!r}"
        state = f"endpoint={self.endpoint_url!r}" if self._server.is_running else "stopped"
        return f"<{type(self).__name__} {place} {state}>"

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()


def _random_credentials() -> Credentials:
    return Credentials(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
