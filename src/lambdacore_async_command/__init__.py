"""Entry point of the `lambdacore` command.

It is outside the package `lambdacore_async`, whose import takes five times as long as it takes to
print the help or the version.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Final

from lambdacore_async_command import streams

#: The modules of the extra `cli`.
_EXTRA: Final = ("jmespath", "rich", "typer", "yaml")


def main() -> None:
    """Run the command line; exit with status 2 if the extra `cli` is not installed."""
    # Python would search everything for cycles before it exits: a sixth of the CPU of a `get`.
    atexit.register(gc.freeze)
    streams.open_missing()
    try:
        # Imported here because without the extra this function still has to print a message.
        from lambdacore_async_command.root import app

        try:
            app(prog_name="lambdacore")
        finally:
            streams.flush()
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in _EXTRA:
            raise
        print(
            f"lambdacore: {missing} is not installed; run: pip install 'lambdacore-async[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:  # before a command runs
        sys.exit(130)
    except BrokenPipeError:
        streams.discard()
        sys.exit(141)
    except OSError as error:  # in commands, `running` reports it
        print(f"lambdacore: {streams.explain(error)}", file=sys.stderr)
        sys.exit(2)
