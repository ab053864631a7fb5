"""Runs a command, reports its errors and sets its exit status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, NoReturn, TypeVar

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.results import code_of, explanation_of
from lambdacore_async.engine.observation import logger
from lambdacore_async.errors import (
    EXPIRED_CODES,
    REPLACED_CODES,
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
    ResponseError,
    TransportError,
)
from lambdacore_async.workflows.lookups import Failed, Lookup
from lambdacore_async_command import streams

#: Something failed: it was not found, was refused, or ended in a failed state.
SOME_FAILED: Final = 1
#: The command or the set-up is wrong: arguments, configuration or credentials.
USAGE_ERROR: Final = 2
#: With `--check`, connectors differ from what they should be, as in `terraform plan`.
DRIFTED: Final = 2
#: The service or the network failed.
UNAVAILABLE: Final = 3
#: The status that shells report for a process killed by a signal: 128 plus the signal's number.
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_USAGE_ERRORS: Final = (ConfigurationError, CredentialsError, ParameterError)

Result = TypeVar("Result")


async def result_of(identifier: str, work: Awaitable[Result]) -> Result | Failed:
    """Return the result of work on one connector, or a `Failed` if the work fails.

    Raises:
        ConfigurationError: if the client is not configured correctly.
        CredentialsError: if there are no usable credentials.
        ParameterError: if an argument is invalid.
    """
    try:
        return await work
    except _USAGE_ERRORS:
        raise
    except LambdaCoreError as error:
        return Failed(identifier, error)


def status_of(results: Iterable[Lookup]) -> int:
    """Return the exit status of a command with these results.

    An identifier that cannot be sent is one that failed: the others were looked up. The failures
    are logged with their tracebacks.
    """
    failed = [result.error for result in results if isinstance(result, Failed)]
    for error in failed:
        _log(error)
    return max(
        (
            SOME_FAILED if isinstance(error, ParameterError) else status_of_error(error)
            for error in failed
        ),
        default=0,
    )


def status_of_error(error: LambdaCoreError) -> int:
    """Return the exit status of a command that ends with an error."""
    if isinstance(error, _USAGE_ERRORS) or code_of(error) in EXPIRED_CODES | REPLACED_CODES:
        return USAGE_ERROR
    unreadable = isinstance(error, TransportError | ResponseError)
    if unreadable or error.transient or error.throttling:
        return UNAVAILABLE
    from lambdacore_async.workflows.waiters import WaiterTimeoutError  # most commands do not wait

    if isinstance(error, WaiterTimeoutError) and error.last is None:
        cause = error.__cause__  # `None` if no poll was answered
        return status_of_error(cause) if isinstance(cause, LambdaCoreError) else UNAVAILABLE
    return SOME_FAILED


def _log(error: LambdaCoreError) -> None:
    logger.debug("failed", exc_info=error)


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command and exit with its status.

    Args:
        work: the command, which returns the exit status.
    """
    # Without a handler, Python prints the library's warnings, which repeat the command's own error.
    logger.addHandler(logging.NullHandler())
    try:
        status = asyncio.run(work)
        streams.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = BROKEN_PIPE
        streams.discard()
    except LambdaCoreError as error:
        _log(error)
        status = status_of_error(error)
        printing.error(explanation_of(error))
    except OSError as error:
        status = USAGE_ERROR
        printing.error(streams.explain(error))
    raise typer.Exit(status)
