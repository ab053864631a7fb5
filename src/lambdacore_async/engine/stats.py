"""Figures of the requests that a client sends."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class ClientStats:
    """Figures of all calls of a client for one account in one region.

    The counts start with the client. A request counts when it ends.
    """

    region: str | None
    """The region; `None` before the first call, if the client takes its region from the environment
    or the profile."""
    rate: float | None
    """The rate in requests per second that the client has learnt from throttling; `None` while it
    sends without such a limit."""
    max_rate: float | None
    """The client's `max_rate` in requests per second; `None` without one."""
    in_flight: int
    """The number of requests in progress."""
    waiting: int
    """The number of calls that wait to send a request."""
    requests: int
    """The number of requests that have ended, retries included."""
    throttles: int
    """The number of these requests that the service throttled."""
    pause: float
    """Seconds left of a pause that the service asked for in `Retry-After`; 0 without a pause."""
