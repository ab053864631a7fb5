"""The options of all commands that call the service, and the client that they configure.

An option that all these commands take is a field of `Connection`, which `client` uses.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any, Final, get_type_hints

from attrs import fields, frozen

from lambdacore_async.cli import printing
from lambdacore_async.cli.options import (
    Debug,
    EndpointUrl,
    MaxAttempts,
    Profile,
    Region,
    Timeout,
)
from lambdacore_async.cli.results import code_of, reason_of
from lambdacore_async.client import LambdaCoreClient
from lambdacore_async.engine.observation import Attempt
from lambdacore_async.engine.transport import timeouts
from lambdacore_async.errors import EXPIRED_CODES, REPLACED_CODES, ApiError, TransportTimeoutError

#: Seconds of a wait without `--timeout`.
_WAIT: Final = 1800.0
#: Errors after which the client reads the credentials again, and retries only with others.
_REFUSED_KEYS: Final = EXPIRED_CODES | REPLACED_CODES


@frozen
class Connection:
    """How a command calls the service. Each attribute is an option of the command."""

    region: Region = None
    """The AWS region."""
    profile: Profile = None
    """The profile of the AWS files."""
    endpoint_url: EndpointUrl = None
    """The endpoint."""
    timeout: Timeout = None
    """Seconds until the command gives up on a call, and on a wait."""
    max_attempts: MaxAttempts = None
    """The maximum number of requests per call."""
    debug: Debug = False
    """Whether to print the library's logs."""

    @property
    def wait_timeout(self) -> float:
        """The seconds until the command gives up on a wait."""
        return _WAIT if self.timeout is None else self.timeout

    def client(self, *, max_connections: int = 100) -> LambdaCoreClient:
        """Return a client that reports what it retries on standard error.

        Args:
            max_connections: the maximum number of concurrent connections.
        """
        return LambdaCoreClient(
            self.region,
            profile=self.profile,
            endpoint_url=self.endpoint_url,
            timeout=timeouts.Timeout(total=self.timeout),
            max_attempts=self.max_attempts,
            max_connections=max_connections,
            on_attempt=_RetryNotices(),
        )


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Connection` to a command, which receives one as its first argument."""
    signature = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Connection, include_extras=True)
    _, *own = signature.parameters.values()
    shared = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=hints[option.name],
        )
        for option in fields(Connection)
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        connection = Connection(**{option.name: given.pop(option.name) for option in shared})
        with printing.logs() if connection.debug else nullcontext():
            command(connection, **given)

    parameters = [
        *(each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own),
        *shared,
    ]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


class _RetryNotices:
    """Prints why a client retries, one line for each reason."""

    def __init__(self) -> None:
        self._told = set[str]()

    def __call__(self, attempt: Attempt) -> None:
        """Print a line if the client sends the request again, and has not said why before."""
        error = attempt.error
        if error is None or attempt.delay is None or code_of(error) in _REFUSED_KEYS:
            return
        reason = reason_of(error)
        # The service's messages and the seconds of timeouts differ, though the reason is the same.
        kind = code_of(error) if isinstance(error, ApiError | TransportTimeoutError) else reason
        if kind not in self._told:
            self._told.add(kind)
            limit = "" if attempt.max_attempts is None else f" of {attempt.max_attempts}"
            printing.log(f"retrying: {reason} (attempt {attempt.number + 1}{limit})")
