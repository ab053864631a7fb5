"""Runs the benchmarks, and keeps what they print in `benchmarks/results/`.

    python benchmarks/all.py [--quick] [NAME ...]

Any Python from 3.11 on will do: what is measured runs in environments that are made at the first
run. With names, only these are run, such as those that an interrupted run had not come to. What
failed keeps its results of before, and is told at the end.
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

#: Each is a script of this name, in the order in which they run.
TITLES: Final = {
    "parts": "Parts of a call",
    "cold_start": "From `python` to the first answer",
    "calls": "The cost of a call",
    "instructions": "Instructions of a call",
    "scale": "Scale",
    "waiters": "Calls of waiters",
}
#: What runs in an environment with this library; the others start theirs, and need nothing.
ENVIRONMENTS: Final = {"parts": "parts", "waiters": "ours"}


def run(name: str, *, quick: bool, machine: str) -> bool:
    """Run one, and keep what it printed; or say that it failed."""
    progress(f"== {name}")
    home = ENVIRONMENTS.get(name)
    interpreter = sys.executable if home is None else environments.python(home)
    command = [interpreter, str(environments.HERE / f"{name}.py"), *["--quick"] * quick]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return False
    shown = f"python benchmarks/{name}.py{' --quick' if quick else ''}"
    text = (
        f"# {TITLES[name]}\n\nAs `{shown}` measured it on\n\n{machine}\n\n{done.stdout.strip()}\n"
    )
    results.FOLDER.mkdir(exist_ok=True)
    (results.FOLDER / f"{name}.md").write_text(text, encoding="utf-8")
    return True


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TITLES))
    parser.add_argument("--quick", action="store_true", help="minutes: few rounds, few points")
    options = parser.parse_args()
    names = options.names or list(TITLES)
    if unknown := set(names) - set(TITLES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    machine = f"{results.machine()}\n- service: {servers.kind()}"
    failed = [name for name in names if not run(name, quick=options.quick, machine=machine)]
    progress(f"{time.monotonic() - started:.0f} s; results are in benchmarks/results")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
