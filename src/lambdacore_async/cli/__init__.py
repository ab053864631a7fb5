"""The `lambdacore` command line: `get`, `lookup`, `list`, `ensure`, `wait`, `watch` and more.

Results go to standard output, progress and errors to standard error. The exit status is 0 on
success, 1 if something failed (was not found, was refused, ended in a failed state), 2 for wrong
usage or set-up (a missing region or refused credentials, for example), 3 if the service or the
network failed, 130 after Ctrl-C, and 141 if standard output was closed.

`lambdacore_async_command.root` lists the commands, and imports a module of this folder when one of
its commands runs.
"""

from __future__ import annotations

from lambdacore_async_command.root import app

__all__ = ["app"]
