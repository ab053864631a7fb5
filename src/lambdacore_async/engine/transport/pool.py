"""Connection pool: aiohttp's, made safe against stale connections and unsolicited responses."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from lambdacore_async.engine.threads import run_in_thread

#: Seconds for which an idle connection can be used; AWS load balancers allow more.
KEEPALIVE: Final = 20.0
#: Seconds for which the direct transport keeps idle connections before it returns them here.
KEEP: Final = 5.0
#: Bytes of one response that are read from a connection, interim responses and framing included.
#: A body within any bound in use is smaller, even in chunks of a single byte.
MAX_RECEIVED: Final = 16 * 1024 * 1024
_DNS_CACHE: Final = 60
#: Seconds after which an event loop may have left something unread on an idle connection.
UNPOLLED: Final = 0.01
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class UnusableConnectionError(aiohttp.ServerDisconnectedError):
    """Nothing can be sent on a new connection: it is closed, or the server spoke first."""


class OverlongResponseError(aiohttp.ClientPayloadError):
    """A response has more than `MAX_RECEIVED` bytes."""


class Pool(aiohttp.TCPConnector):
    """Connections to any number of endpoints, on one event loop.

    Args:
        limit: the maximum number of connections.
        ssl_context: verifies servers; `None` uses the system's certificates.
        time_of_day: a clock, in seconds, that counts while the machine is suspended.
    """

    def __init__(
        self,
        *,
        limit: int,
        ssl_context: ssl.SSLContext | None = None,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] # a parameter not used here
            limit=limit,
            keepalive_timeout=KEEPALIVE - KEEP,
            ttl_dns_cache=_DNS_CACHE,
            ssl=ssl_context or True,
            resolver=_Resolver(),
        )
        self._time_of_day = time_of_day

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """See `BaseConnector.connect` and `lease`."""
        return (await self.lease(req, traces, timeout))[0]

    async def lease(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> tuple[Connection, Guard]:
        """Lease a connection that is neither stale nor holds an unsolicited response.

        Raises:
            UnusableConnectionError: a new connection cannot be used.
            aiohttp.ClientError: no connection can be made.
        """
        while True:
            lease = await super().connect(req, traces, timeout)
            handler, transport = lease.protocol, lease.transport
            guard = None if transport is None else transport.get_protocol()
            if isinstance(guard, Guard):
                try:
                    usable = await guard.is_usable()
                except BaseException:
                    lease.close()
                    raise
                if not usable:
                    lease.close()
                    continue
            elif handler is None or transport is None or handler.should_close:
                lease.close()
                raise UnusableConnectionError
            else:
                guard = Guard(self, handler, transport)
                transport.set_protocol(guard)
            guard.start()
            lease.add_callback(guard.rest)
            return lease, guard

    def now(self) -> tuple[float, float]:
        """The time on two clocks, for `elapsed`."""
        return self._loop.time(), self._time_of_day()


def elapsed(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Seconds between two times that `Pool.now` returned.

    The loop's clock may stop while the machine is suspended, and the time of day may be set back.
    The clock that counted more seconds is right, or errs on the safe side.
    """
    return max(end[0] - start[0], end[1] - start[1])


async def poll() -> None:
    """Let the loop read what arrived on idle connections while it did not run."""
    for _ in range(2):  # in the first turn, this task may run before the sockets are read
        await asyncio.sleep(0)


class Guard(asyncio.Protocol):
    """Passes what a pooled connection receives to aiohttp's protocol, but only during an exchange.

    Closes the connection if it receives anything else; aiohttp would take that for the response to
    the next request.

    Attributes:
        handler: aiohttp's protocol.
        transport: the connection's transport.
        idle_since: the end of its last exchange; `None` during an exchange.
    """

    def __init__(self, pool: Pool, handler: ResponseHandler, transport: asyncio.Transport) -> None:
        self.handler = handler
        self.transport = transport
        self.idle_since: tuple[float, float] | None = None
        self._pool = pool
        self._allowance = MAX_RECEIVED

    def start(self) -> None:
        """Begin an exchange."""
        self.idle_since = None
        self._allowance = MAX_RECEIVED

    def rest(self) -> None:
        """End an exchange."""
        if self.idle_since is None:
            self.idle_since = self._pool.now()

    async def is_usable(self) -> bool:
        """Whether a request can be sent on this idle connection."""
        now = self._pool.now()
        age = elapsed(self.idle_since or now, now)
        if age > UNPOLLED:
            await poll()
        handler = self.handler
        return age <= KEEPALIVE and handler.is_connected() and not handler.should_close

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._allowance -= len(data)
        if self.idle_since is not None:
            self.handler.close()
        elif self._allowance < 0:
            self.handler.set_exception(OverlongResponseError())
            self.transport.close()
        else:
            self.handler.data_received(data)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self.handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self.handler.resume_writing()


class _Resolver(AbstractResolver):
    """Resolves names as aiohttp does by default, but in threads of their own.

    aiohttp uses the loop's default executor, which may be busy for minutes.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        return await run_in_thread(partial(_addresses, host, port, family))

    async def close(self) -> None:
        """See `AbstractResolver`."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """The addresses of a name.

    Raises:
        socket.gaierror: there are none.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
    try:
        found = look_up(flags=socket.AI_ADDRCONFIG)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
    except socket.gaierror:
        # Windows has no address for localhost while it is offline, unless asked this way.
        if sys.platform != "win32" or host.rstrip(".").casefold() != "localhost":
            raise
        found = look_up()
    return [
        ResolveResult(
            hostname=host,
            # With the zone, which a link-local address of IPv6 is of no use without.
            host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
            port=port,
            family=kind,
            proto=protocol,
            flags=_NUMERIC,
        )
        for kind, _, protocol, _, address in found
        if isinstance(address[0], str)  # unless this Python lacks that family
    ]
