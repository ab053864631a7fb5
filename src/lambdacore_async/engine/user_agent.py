"""How the client introduces itself."""

from __future__ import annotations

import platform
from string import ascii_letters, digits
from typing import Final

from lambdacore_async._version import VERSION
from lambdacore_async.errors import ParameterError

_ALLOWED: Final = frozenset(ascii_letters + digits + "!$%&'*+-.^_`|~,")
#: The systems that AWS has a name for, by what Python calls them.
_SYSTEMS: Final = {
    name: name
    for name in ("windows", "linux", "macos", "android", "ios", "watchos", "tvos", "other")
} | {"darwin": "macos"}


class UserAgent:
    """Makes the `User-Agent` header, in the form of AWS SDKs (2.1).

    Args:
        extra: text of the caller's own, put at the end.
        execution_env: where the program runs, as `AWS_EXECUTION_ENV` says.

    Raises:
        ParameterError: the extra text is not printable ASCII, and could forge headers.
    """

    def __init__(self, extra: str | None = None, execution_env: str | None = None) -> None:
        if extra is not None and not (
            isinstance(extra, str) and extra.isascii() and extra.isprintable()
        ):
            raise ParameterError("user_agent_extra", "must be printable ASCII")
        self._extra = extra
        self._execution_env = execution_env

    def text(self, retry_mode: str, app_id: str | None = None) -> str:
        """The header's value.

        Args:
            retry_mode: the client's.
            app_id: the application's name, as `AWS_SDK_UA_APP_ID` says.
        """
        facts = (
            ("md", "arch", platform.machine().lower()),
            ("lang", "python", platform.python_version()),
            ("md", "pyimpl", platform.python_implementation()),
        )
        parts = [f"lambdacore-async/{VERSION}", "ua/2.1"]
        parts += _system(platform.system(), platform.release())
        parts += (_part(*fact) for fact in facts if fact[-1])
        if self._execution_env:
            parts.append(_part("exec-env", self._execution_env))
        parts.append(_part("cfg", "retry-mode", retry_mode))
        if app_id:
            parts.append(f"app/{_clean(app_id, '#')}")
        return " ".join(parts + (self._extra or "").split())


def _system(name: str, release: str) -> tuple[str, ...]:
    known = _SYSTEMS.get(name.lower())
    if known is not None:
        return (_part("os", known, release),)
    return ("os/other", _part("md", name, release))


def _part(prefix: str, name: str, value: str = "") -> str:
    text = f"{prefix}/{_clean(name)}"
    return f"{text}#{_clean(value, '#')}" if value else text


def _clean(text: str, also: str = "") -> str:
    """What AWS allows in a part; a dash in the place of all else."""
    return "".join(c if c in _ALLOWED or c in also else "-" for c in text)
