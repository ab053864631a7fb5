"""A minimal service, which answers every request with the same connector.

    python benchmarks/static_server.py [--rate CALLS_PER_SECOND --burst CALLS] [--others RATE]
                                       [--stray FRACTION] [--latency SECONDS [--jitter]]
                                       [--body FILE] [--certificate FILE]

Run it in a separate process, so that only the client is measured. It prints its port, and when
its standard input closes, the number of requests that it served and throttled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import ssl
import sys
import time
from pathlib import Path
from typing import Final

CONNECTOR: Final = {
    "Arn": "arn:aws:lambda:us-east-1:123456789012:network-connector:prod-egress",
    "Name": "prod-egress",
    "Id": "nc-0123456789abcdef0",
    "Version": 3,
    "LatestVersionArn": "arn:aws:lambda:us-east-1:123456789012:network-connector:prod-egress:3",
    "LatestVersion": 3,
    "Configuration": {
        "VpcEgressConfiguration": {
            "SubnetIds": ["subnet-0a1b2c3d4e5f60718", "subnet-1a1b2c3d4e5f60718"],
            "SecurityGroupIds": ["sg-0a1b2c3d4e5f60718"],
            "NetworkProtocol": "DualStack",
            "AssociatedComputeResourceTypes": ["MicroVm"],
            "ElasticIpConfiguration": {"Type": "None"},
        }
    },
    "OperatorRole": "arn:aws:iam::123456789012:role/connector-operator",
    "State": "ACTIVE",
    "LastUpdateStatus": "Successful",
    "LastModified": "2026-11-01T12:34:56Z",
}


def http_response(status: str, body: bytes, *headers: str) -> bytes:
    head = (
        f"HTTP/1.1 {status}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "x-amzn-RequestId: 00000000-0000-4000-8000-000000000000",
        *headers,
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


CONNECTOR_BODY: Final = json.dumps(CONNECTOR).encode()
THROTTLED: Final = http_response(
    "429 Too Many Requests",
    b'{"Type": "User", "message": "Rate exceeded", "Reason": "CallerRateLimitExceeded"}',
    "x-amzn-ErrorType: TooManyRequestsException",
)


class Bucket:
    """A token bucket, whose rate may change once.

    Other callers take `others` tokens a second, as far as there are any.
    """

    def __init__(
        self, rate: float, burst: float, change_at: float, change_to: float, others: float = 0
    ) -> None:
        self.rate, self.burst, self.others = rate, burst, others
        self.change_at, self.change_to = change_at, change_to
        self.tokens = burst
        self.filled = self.first = 0.0

    def take(self) -> bool:
        """Take a token; return whether there was one."""
        now = time.monotonic()
        if not self.first:
            self.first = self.filled = self.next_other = now
        elif self.change_at and now - self.first >= self.change_at:
            self.rate, self.change_at = self.change_to, 0
        while self.others and self.next_other <= now:
            self._take(self.next_other)
            self.next_other += 1 / self.others
        return self._take(now)

    def _take(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Counts:
    """Chooses responses, and counts them.

    Args:
        bucket: the limit; `None` for no limit.
        body: body of the responses that are not throttled.
        stray: the fraction of requests that are throttled at random.
    """

    def __init__(self, bucket: Bucket | None, body: bytes, stray: float = 0) -> None:
        self.bucket = bucket
        self.stray = stray
        self.found = http_response("200 OK", body)
        self.served = 0
        self.throttled = 0

    def respond(self) -> bytes:
        """Return the response to the next request."""
        stray = self.stray and random.random() < self.stray  # noqa: S311 - no secret
        if not stray and (self.bucket is None or self.bucket.take()):
            self.served += 1
            return self.found
        self.throttled += 1
        return THROTTLED


class Connection(asyncio.Protocol):
    """One connection, for requests without a body.

    Args:
        counts: chooses the responses.
        latency: seconds between a request and its response.
        handshakes: the first response is later by this many times the latency, which a client
            on a network waits before it can send its first request.
        jitter: whether each latency is multiplied by a random number from 0.7 to 1.6.
    """

    def __init__(
        self, counts: Counts, latency: float, handshakes: int, *, jitter: bool = False
    ) -> None:
        self.counts = counts
        self.jitter = jitter
        self.latency, self.handshakes = latency, handshakes
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.ready = self.loop.time() + self.handshakes * self.latency

    def data_received(self, data: bytes) -> None:
        *requests, self.pending = (self.pending + data).split(b"\r\n\r\n")
        for _ in requests:
            response = self.counts.respond()
            if self.latency:
                factor = random.uniform(0.7, 1.6) if self.jitter else 1  # noqa: S311
                due = max(self.loop.time(), self.ready) + self.latency * factor
                self.loop.call_at(due, self.transport.write, response)
            else:
                self.transport.write(response)


async def serve(
    counts: Counts, tls: ssl.SSLContext | None, latency: float, *, jitter: bool
) -> None:
    loop = asyncio.get_running_loop()
    handshakes = 2 if tls else 1  # TCP takes a round trip, and so does TLS 1.3
    server = await loop.create_server(
        lambda: Connection(counts, latency, handshakes, jitter=jitter),
        "127.0.0.1",
        0,
        backlog=1024,
        ssl=tls,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps({"served": counts.served, "throttled": counts.throttled}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=0, help="calls per second; 0 for no limit")
    parser.add_argument("--burst", type=float, default=0, help="size of the token bucket")
    parser.add_argument("--change-at", type=float, default=0, help="seconds after the first call")
    parser.add_argument("--change-to", type=float, default=0, help="the rate from then on")
    parser.add_argument("--others", type=float, default=0, help="calls per second of others")
    parser.add_argument("--stray", type=float, default=0, help="fraction throttled at random")
    parser.add_argument("--body", type=Path, help="body of every response (default: a connector)")
    parser.add_argument("--certificate", type=Path, help="certificate and key, for TLS")
    parser.add_argument("--latency", type=float, default=0, help="of responses, in seconds")
    parser.add_argument("--jitter", action="store_true", help="latency times 0.7 to 1.6")
    options = parser.parse_args()
    bucket = tls = None
    if options.rate:
        bucket = Bucket(
            options.rate, options.burst, options.change_at, options.change_to, options.others
        )
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    body = options.body.read_bytes() if options.body else CONNECTOR_BODY
    counts = Counts(bucket, body, options.stray)
    asyncio.run(serve(counts, tls, options.latency, jitter=options.jitter))


if __name__ == "__main__":
    main()
