"""How a command runs and ends: its errors and its exit status."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, NoReturn, TypeVar

import typer

from lambdacore_async.cli import printing
from lambdacore_async.cli.results import code_of, message_of
from lambdacore_async.errors import (
    ConfigurationError,
    CredentialsError,
    LambdaCoreError,
    ParameterError,
)
from lambdacore_async.workflows.lookups import Failed, Lookup

SOME_FAILED: Final = 1
MISUSED: Final = 2
#: As a shell reports a program that a signal ended: 128 and the signal's number.
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_MISUSE: Final = (ConfigurationError, CredentialsError, ParameterError)

Result = TypeVar("Result")


async def result_of(identifier: str, work: Awaitable[Result]) -> Result | Failed:
    """The result of work on one connector, or its failure.

    Raises:
        LambdaCoreError: the set-up or an argument is wrong, which is not the connector's failure.
    """
    try:
        return await work
    except _MISUSE:
        raise
    except LambdaCoreError as error:
        return Failed(identifier, error)


def status_of(results: Iterable[Lookup]) -> int:
    """The exit status of a command with these results."""
    return SOME_FAILED if any(isinstance(result, Failed) for result in results) else 0


def run(work: Coroutine[Any, Any, int]) -> NoReturn:
    """Run a command to its end and exit with its status.

    Args:
        work: the command; returns the exit status.
    """
    try:
        status = asyncio.run(work)
        printing.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        status = BROKEN_PIPE
        # What is still buffered has nowhere to go; at its exit, Python would complain about that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except _MISUSE as error:
        status = MISUSED
        printing.error(message_of(error))
    except LambdaCoreError as error:
        status = SOME_FAILED
        printing.error(f"{code_of(error)}:", message_of(error))
    except OSError as error:
        status = MISUSED
        printing.error(str(error))
    raise typer.Exit(status)
