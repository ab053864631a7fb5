"""A minimal service, which answers every request with the same connector.

    python benchmarks/static_server.py [--rate CALLS_PER_SECOND --burst CALLS]
                                       [--body FILE] [--certificate FILE] [--latency SECONDS]

Run it in a separate process, so that only the client is measured. It prints its port, and when
its standard input closes, the number of requests that it served and throttled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
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
    """A token bucket, whose rate may change once."""

    def __init__(self, rate: float, burst: float, change_at: float, change_to: float) -> None:
        self.rate, self.burst = rate, burst
        self.change_at, self.change_to = change_at, change_to
        self.tokens = burst
        self.filled = self.first = 0.0

    def take(self) -> bool:
        """Take a token; return whether there was one."""
        now = time.monotonic()
        if not self.first:
            self.first = self.filled = now
        elif self.change_at and now - self.first >= self.change_at:
            self.rate, self.change_at = self.change_to, 0
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Counts:
    """Chooses responses, and counts them."""

    def __init__(self, bucket: Bucket | None, body: bytes) -> None:
        self.bucket = bucket
        self.found = http_response("200 OK", body)
        self.served = 0
        self.throttled = 0

    def respond(self) -> bytes:
        """Return the response to the next request."""
        if self.bucket is None or self.bucket.take():
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
    """

    def __init__(self, counts: Counts, latency: float, handshakes: int) -> None:
        self.counts = counts
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
                due = max(self.loop.time(), self.ready) + self.latency
                self.loop.call_at(due, self.transport.write, response)
            else:
                self.transport.write(response)


async def serve(
    bucket: Bucket | None, body: bytes, tls: ssl.SSLContext | None, latency: float
) -> None:
    loop = asyncio.get_running_loop()
    counts = Counts(bucket, body)
    handshakes = 2 if tls else 1  # TCP takes a round trip, and so does TLS 1.3
    server = await loop.create_server(
        lambda: Connection(counts, latency, handshakes), "127.0.0.1", 0, backlog=1024, ssl=tls
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
    parser.add_argument("--body", type=Path, help="body of every response (default: a connector)")
    parser.add_argument("--certificate", type=Path, help="certificate and key, for TLS")
    parser.add_argument("--latency", type=float, default=0, help="of responses, in seconds")
    options = parser.parse_args()
    bucket = tls = None
    if options.rate:
        bucket = Bucket(options.rate, options.burst, options.change_at, options.change_to)
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate)
    body = options.body.read_bytes() if options.body else CONNECTOR_BODY
    asyncio.run(serve(bucket, body, tls, options.latency))


if __name__ == "__main__":
    main()
