"""Connection pool of aiohttp, protected from stale connections and unsolicited responses."""

# The transport uses these undocumented parts of aiohttp. The tests run with the lowest supported
# aiohttp and with the newest.
#
# - `BaseConnector.connect(request, traces, timeout)`, called and overridden: documented with its
#   first parameter only. It is the only way to get a connection, and to check pooled ones.
# - The constructor of `ClientRequest`: the pool identifies an endpoint by a request to it.
# - `Connection.add_callback`: tells when a session has finished with a connection.
# - `Connection.protocol.should_close`: tells whether a server sent data before any request.
# - `ResponseHandler.set_exception`: fails a response that is too long.
# - `ClientSession._request`, compared and never called: tells whether test doubles or monitoring
#   agents have replaced it.
#
# Everything else is documented by aiohttp or asyncio. `Guard` otherwise uses `ResponseHandler` as
# an `asyncio.Protocol`, and `client_proto`, `connector` and `tracing` are imported for types only.

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
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
#: Seconds for which `DirectTransport` holds idle connections before it releases them to the pool.
KEEP: Final = 5.0
#: Bytes that a session may receive for one response, including interim responses and framing.
#: It is above every bound on bodies, even if each byte arrives in a separate chunk.
MAX_RECEIVED: Final = 16 * 1024 * 1024
_DNS_CACHE: Final = 60
#: Seconds without a response after which an idle connection may hold unread data.
UNPOLLED: Final = 0.01
_NUMERIC: Final = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class UnusableConnectionError(aiohttp.ClientConnectionError):
    """A new connection was closed, or received data, before a request was sent."""


class Pool(aiohttp.TCPConnector):
    """Connections to any number of endpoints, on one event loop.

    Args:
        limit: maximum number of connections.
        ssl_context: verifies servers. `None` uses the system's certificates.
        time_of_day: clock, in seconds, that keeps counting while the machine is suspended.
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
        self._event_loop = asyncio.get_running_loop()
        self._time_of_day = time_of_day

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """See `lease`; sessions call this."""
        return (await self.lease(req, traces, timeout))[0]

    async def lease(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> tuple[Connection, Guard]:
        """Lease a connection that is not stale and has received no unsolicited data.

        Raises:
            UnusableConnectionError: if a new connection cannot be used.
            aiohttp.ClientError: if no connection can be opened.
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
            guard.begin_exchange()
            lease.add_callback(guard.end_exchange)
            return lease, guard

    def now(self) -> tuple[float, float]:
        """Return the time on the loop's clock and the time of day; see `elapsed`."""
        return self._event_loop.time(), self._time_of_day()


def elapsed(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the seconds between two results of `Pool.now`.

    The loop's clock may stop while the machine is suspended, and the time of day may be set back.
    The larger difference is either right or errs on the safe side.
    """
    return max(end[0] - start[0], end[1] - start[1])


async def read_idle(transports: Iterable[asyncio.Transport]) -> None:
    """Let the loop read data that arrived on idle connections while the loop was not running."""
    if _may_have_data(transports):
        for _ in range(2):  # in the first iteration, this task may run before the sockets are read
            await asyncio.sleep(0)


def _may_have_data(transports: Iterable[asyncio.Transport]) -> bool:
    """Return whether data may wait to be read; asking the system costs less than an iteration."""
    if sys.platform == "win32":  # its loop takes data from the sockets in the background
        return True
    ready = select.poll()
    for transport in transports:
        connected: socket.socket | None = transport.get_extra_info("socket")
        if connected is None or connected.fileno() < 0:
            return True
        ready.register(connected, select.POLLIN)
    return bool(ready.poll(0))


class Guard(asyncio.Protocol):
    """Protocol of a pooled connection: passes data to aiohttp's protocol during exchanges only.

    Data received at any other time closes the connection. aiohttp would treat it as the response to
    the next request. During an exchange on a direct connection, `DirectConnection` replaces it.

    Attributes:
        transport: the connection's transport.
        idle_since: end of the last exchange, as `Pool.now` returned it; `None` during an exchange.
    """

    def __init__(self, pool: Pool, handler: ResponseHandler, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.idle_since: tuple[float, float] | None = None
        self._handler = handler
        self._pool = pool
        self._allowance = MAX_RECEIVED

    def begin_exchange(self) -> None:
        """Expect a response."""
        self.idle_since = None
        self._allowance = MAX_RECEIVED

    def end_exchange(self) -> None:
        """Expect no more data."""
        if self.idle_since is None:
            self.idle_since = self._pool.now()

    async def is_usable(self) -> bool:
        """Return whether a request can be sent on this idle connection."""
        now = self._pool.now()
        age = elapsed(self.idle_since or now, now)
        if age > UNPOLLED:
            await read_idle([self.transport])
        return age <= KEEPALIVE and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._allowance -= len(data)
        if self.idle_since is not None:
            self.transport.close()
        elif self._allowance < 0:
            self._handler.set_exception(aiohttp.ClientPayloadError())
            self.transport.close()
        else:
            self._handler.data_received(data)

    def eof_received(self) -> None:
        """See `asyncio.Protocol`."""
        self._handler.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._handler.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._handler.resume_writing()


class _Resolver(AbstractResolver):
    """Resolves names as aiohttp does by default, but in dedicated threads.

    aiohttp uses the loop's default executor, which other code may occupy for minutes.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """See `AbstractResolver`."""
        return await run_in_thread(partial(_addresses, host, port, family))

    async def close(self) -> None:
        """See `AbstractResolver`."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """Return the addresses of a name.

    Raises:
        socket.gaierror: if the name has no address.
    """
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, family=family)
    try:
        found = look_up(flags=socket.AI_ADDRCONFIG)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a valid host name") from None
    except socket.gaierror:
        # With AI_ADDRCONFIG, Windows does not resolve localhost while the machine is offline.
        if sys.platform != "win32" or host.rstrip(".").casefold() != "localhost":
            raise
        found = look_up()
    return [
        ResolveResult(
            hostname=host,
            # getnameinfo keeps the zone, which link-local addresses of IPv6 need.
            host=socket.getnameinfo(address, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0],
            port=port,
            family=kind,
            proto=protocol,
            flags=_NUMERIC,
        )
        for kind, _, protocol, _, address in found
        if isinstance(address[0], str)  # not a str if this Python does not support the family
    ]
