"""An embedded AWS Lambda Core, for tests and demonstrations: the service's side of the protocol.

    async with LocalLambdaCore(provisioning_seconds=lambda random: random.uniform(30, 600)) as aws:
        aws.state.fail_next("CreateNetworkConnector", reason_code)
        aws.faults.script(Throttle(retry_after=2), Reset("before_answer"))
        async with aws.client() as client:
            ...

It keeps all resources in memory, answers on a free port of the loopback interface, and verifies the
signature of each request as AWS does. Any AWS SDK can use it, by its `endpoint_url` and
`credentials`.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Self, TypedDict, Unpack

import aiohttp

from lambdacore_async import Attempt, CredentialsLike, LambdaCoreClient, Timeout
from lambdacore_async.local.account import (
    Account,
    Clock,
    FailingOperation,
    Limits,
    Seconds,
    utc_now,
)
from lambdacore_async.local.faults import Faults
from lambdacore_async.local.proxy import FaultProxy
from lambdacore_async.local.server import Server
from lambdacore_async.local.state import State
from lambdacore_async.protocol.sigv4 import Credentials

__all__ = [
    "ClientOptions",
    "FailingOperation",
    "FaultProxy",
    "Faults",
    "Limits",
    "LocalLambdaCore",
    "Seconds",
    "State",
]


class ClientOptions(TypedDict, total=False):
    """The options of `LambdaCoreClient`, which documents them."""

    region: str | None
    profile: str | None
    credentials: CredentialsLike | None
    endpoint_url: str | None
    allow_plain_http: bool
    use_fips_endpoint: bool | None
    use_dualstack_endpoint: bool | None
    retry_mode: str | None
    max_attempts: int | None
    timeout: float | Timeout
    max_connections: int
    ca_bundle: str | os.PathLike[str] | None
    trust_env: bool
    http_session: aiohttp.ClientSession | None
    user_agent_extra: str | None
    on_attempt: Callable[[Attempt], None] | None


class LocalLambdaCore:
    """An embedded AWS Lambda Core; it runs inside `async with`, and making one does no I/O.

    The state outlives the server: it can be filled before, and read after, and the service can be
    entered again. Not to be shared among event loops at the same time.

    How long work takes is a number of seconds, or a function that draws one for each piece of work:
    `lambda random: random.lognormvariate(4, 0.6)`. It is given a `random.Random` that depends on
    the seed, the resource's name and what was drawn for it before, on nothing else: so each run
    brings the same, in whatever order many tasks act.

    Args:
        region: the AWS region that it is in.
        account_id: the twelve digits of the account that it serves.
        port: the TCP port, 1 to 65535; 0 for any free one.
        credentials: with which requests are to be signed; made up if not given.
        clock: the time by which resources change, with a time zone; the real time by default.
        signature_clock: the time that signatures are checked against, and that the `Date` of
            answers tells; the real time by default, so that `clock` can go its own way.
        provisioning_seconds: how long a connector is PENDING, a runtime version or alias CREATING;
            0 to 1e9 s, by default 0.1 s.
        update_seconds: how long a connector's update is InProgress, an alias UPDATING; 0 to 1e9 s,
            by default 0.1 s.
        deletion_seconds: how long a resource is DELETING; 0 to 1e9 s, by default 0.1 s.
        stale_seconds: how long GetNetworkConnector and ListNetworkConnectors show a connector as it
            was before an update; 0 to 1e9 s, by default 0 s.
        versioned_roles: whether an update of a connector's role alone makes a new version, as one
            of the configuration does; the API's documentation leaves it open.
        seed: for what is drawn; another one makes another run.
        limits: how many resources there may be; by default 1000 connectors, and 100 of all else.
        faults: what goes wrong; nothing by default, until the plan is filled.

    Attributes:
        state: all resources, with the methods that bring about failures and states on demand.
        credentials: with which requests are to be signed.

    Raises:
        ParameterError: an argument is out of bounds.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        port: int = 0,
        credentials: Credentials | None = None,
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
    ) -> None:
        self.credentials = _made_up_credentials() if credentials is None else credentials
        self.state = State(
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
        self._server = Server(
            self.state,
            credentials=[self.credentials],
            port=port,
            clock=signature_clock,
            faults=faults,
        )

    @property
    def region(self) -> str:
        """The AWS region that it is in."""
        return self.state.account.region

    @property
    def endpoint_url(self) -> str:
        """Where it listens.

        Raises:
            ConfigurationError: it is not running.
        """
        return self._server.endpoint_url

    @property
    def faults(self) -> Faults:
        """The plan of what goes wrong: throttles, latency, broken answers, dead connections."""
        return self._server.faults

    @property
    def calls(self) -> Counter[str]:
        """How many requests it has answered, by operation's name, refused ones included.

        Those that are for no operation count under `UnknownOperation`.
        """
        return self._server.calls

    def accept(self, credentials: Credentials) -> None:
        """Accept requests signed with these credentials too, or in place of others of the same ID.

        Args:
            credentials: with a session token and a time of expiry, if they have them.
        """
        self._server.credentials[credentials.access_key_id] = credentials

    def client(self, **options: Unpack[ClientOptions]) -> LambdaCoreClient:
        """Make a client of this service.

        Args:
            options: those of `LambdaCoreClient`; region, credentials and endpoint are this
                service's unless given.

        Raises:
            ConfigurationError: the service is not running.
            ParameterError: an option is out of its bounds.
        """
        merged: ClientOptions = {
            "region": self.region,
            "credentials": self.credentials,
            "endpoint_url": self.endpoint_url,
            # It has neither variant; what the machine asks of AWS is not meant for it.
            "use_fips_endpoint": False,
            "use_dualstack_endpoint": False,
        }
        merged.update(options)
        return LambdaCoreClient(**merged)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()


def _made_up_credentials() -> Credentials:
    return Credentials(f"AKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30))
