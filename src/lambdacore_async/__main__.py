"""Entry point of `python -m lambdacore_async` and of the `lambdacore` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; exit with status 2 if the extra `cli` is not installed."""
    try:
        # Imported here because without the extra this function still has to print a message.
        from lambdacore_async.cli import app
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in ("typer", "rich"):
            raise
        print(
            f"lambdacore: {missing} is not installed; run: pip install 'lambdacore-async[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    app(prog_name="lambdacore")


if __name__ == "__main__":
    main()
