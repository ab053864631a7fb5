"""Entry point of the `lambdacore` command.

It is outside the package `lambdacore_async`, whose import takes five times as long as it takes to
print the help or the version.
"""

from __future__ import annotations

import atexit
import gc
import sys
from typing import Final

#: The modules of the extra `cli`.
_EXTRA: Final = ("jmespath", "rich", "typer", "yaml")


def main() -> None:
    """Run the command line; exit with status 2 if the extra `cli` is not installed."""
    # Python would search everything for cycles before it exits: a sixth of the CPU of a `get`.
    atexit.register(gc.freeze)
    try:
        # Imported here because without the extra this function still has to print a message.
        from lambdacore_async_command.root import app

        app(prog_name="lambdacore")
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
