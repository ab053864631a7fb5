"""Runs programs in a pseudo-terminal, and shows what a person sees there."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sysconfig
import termios
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pyte import ByteStream, Screen

#: The folder of the installed command.
_SCRIPTS: Final = sysconfig.get_path("scripts")
#: Seconds until a program that hangs fails its test. Other tests may share the processor.
_DEADLINE: Final = 120.0


class Terminal:
    """A command in a pseudo-terminal. Use it in `with`, which kills what still runs.

    Args:
        command: a program with its arguments, or a pipeline, as a line for the shell. `lambdacore`
            is the installed command.
        env: the environment, in addition to the terminal's type, an encoding and the path.
        columns: width in characters.
        lines: height in lines. What scrolls out of sight is not in `text`.
        folder: the working directory. Defaults to that of the test.
    """

    def __init__(
        self,
        command: str,
        env: Mapping[str, str],
        *,
        columns: int = 80,
        lines: int = 24,
        folder: Path | None = None,
    ) -> None:
        self.output = b""
        """All that the program has written to the terminal."""
        self._screen = Screen(columns, lines)
        self._stream = ByteStream(self._screen)
        self._terminal, inside = pty.openpty()
        try:
            fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
            # The first terminal that a new session opens becomes its controlling terminal, which
            # turns ^C into a signal. Python alone could do this only between fork and exec, which
            # is unsafe while a service runs in a thread.
            self._process = subprocess.Popen(  # noqa: S603 - tests write the command
                ("/bin/sh", "-c", f': <>"$0"; exec {command}', os.ttyname(inside)),
                stdin=inside,
                stdout=inside,
                stderr=inside,
                env={
                    "TERM": "xterm-256color",
                    "LANG": "C.UTF-8",
                    "PATH": f"{_SCRIPTS}:{os.defpath}",
                    **env,
                },
                cwd=folder,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._terminal)
            raise
        finally:
            os.close(inside)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._terminal)

    @property
    def text(self) -> str:
        """The screen, without spaces at the ends of lines and without blank lines at its end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def cursor_is_shown(self) -> bool:
        """Whether the terminal shows its cursor."""
        return not self._screen.cursor.hidden

    def type(self, keys: str) -> None:
        """Type keys; `\\x03` is Ctrl-C."""
        os.write(self._terminal, keys.encode())

    def wait_for(self, text: str) -> None:
        """Wait until the screen shows a text.

        Raises:
            AssertionError: if the program ends or hangs before.
        """
        deadline = time.monotonic() + _DEADLINE
        while text not in self.text:
            assert self._read(deadline), f"{text!r} is not on the screen:\n{self.text}"

    def wait(self) -> int:
        """Wait until the program ends, and return its exit status.

        Raises:
            AssertionError: if it hangs.
        """
        deadline = time.monotonic() + _DEADLINE
        while self._read(deadline):
            pass
        return self._process.wait(_DEADLINE)

    def _read(self, deadline: float) -> bool:
        """Read what the program writes next; return whether it goes on."""
        ready, _, _ = select.select([self._terminal], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"hangs:\n{self.text}"
        try:
            data = os.read(self._terminal, 65_536)
        except OSError:  # on Linux, the end of the last process in the terminal
            return False
        self.output += data
        self._stream.feed(data)
        return bool(data)
