"""`python -m lambdacore_async`, and the command `lambdacore`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say what it lacks."""
    try:
        # Here, not above: without the extra, there is still this one line to print.
        from lambdacore_async.cli import app
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in ("typer", "rich"):
            raise
        print(f"lambdacore needs {missing}: pip install 'lambdacore-async[cli]'", file=sys.stderr)
        sys.exit(2)
    app(prog_name="lambdacore")


if __name__ == "__main__":
    main()
