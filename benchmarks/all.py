"""Runs the benchmarks, and writes their output to `benchmarks/results/`.

    python benchmarks/all.py [--quick] [NAME ...]

Python 3.11 or newer runs it. The first run creates virtual environments for the measured clients.
With names, only these benchmarks run, for example those that are left after an interruption. If a
benchmark fails, its earlier results stay, and its name is printed at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Final

import environments
import results
import servers
from rounds import progress

#: The scripts and their titles, in the order in which they run.
TITLES: Final = {
    "parts": "Parts of a call",
    "cold_start": "From `python` to the first response",
    "calls": "The cost of a call",
    "instructions": "Instructions of a call",
    "latency": "Lookups with network latency",
    "scale": "Scale",
    "waiters": "Calls of waiters",
    "cache": "The cache of network connectors",
    "fleet": "Sweeps of a fleet",
    "command_line": "The command line",
}
#: The environments of scripts that import packages. The other scripts need none.
ENVIRONMENTS: Final = {"parts": "parts", "waiters": "ours", "cache": "ours", "fleet": "fleet"}


def run(name: str, *, quick: bool, machine: str) -> bool:
    """Run a benchmark and write its output; return whether it succeeded."""
    progress(f"== {name}")
    home = ENVIRONMENTS.get(name)
    interpreter = sys.executable if home is None else environments.python(home)
    command = [interpreter, str(environments.HERE / f"{name}.py"), *["--quick"] * quick]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return False
    shown = f"python benchmarks/{name}.py{' --quick' if quick else ''}"
    text = f"# {TITLES[name]}\n\nMeasured by `{shown}` on\n\n{machine}\n\n{done.stdout.strip()}\n"
    results.FOLDER.mkdir(exist_ok=True)
    (results.FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TITLES))
    parser.add_argument("--quick", action="store_true", help="fewer rounds and points")
    options = parser.parse_args()
    names = options.names or list(TITLES)
    if unknown := set(names) - set(TITLES):
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    machine = f"{results.machine()}\n- service: {servers.kind()}"
    failed = [name for name in names if not run(name, quick=options.quick, machine=machine)]
    progress(f"{time.monotonic() - started:.0f} s; results are in benchmarks/results")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
