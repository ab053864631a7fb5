"""The `User-Agent` header, with the package's version."""

from __future__ import annotations

import platform
from string import ascii_letters, digits
from typing import Final

from lambdacore_async._version import VERSION
from lambdacore_async.errors import ParameterError

_ALLOWED: Final = frozenset(ascii_letters + digits + "!$%&'*+-.^_`|~,")
#: AWS's names of operating systems, by Python's names in lower case.
_SYSTEMS: Final = {
    name: name
    for name in ("windows", "linux", "macos", "android", "ios", "watchos", "tvos", "other")
} | {"darwin": "macos"}


class UserAgent:
    """Builds the `User-Agent` header in the format of AWS SDKs (2.1).

    Args:
        extra: the caller's text, appended to the header.
        execution_env: the value of `AWS_EXECUTION_ENV`, which names the runtime environment.

    Raises:
        ParameterError: if the extra text is not printable ASCII, because it could forge headers.
    """

    def __init__(self, extra: str | None = None, execution_env: str | None = None) -> None:
        if extra is not None and not (
            isinstance(extra, str) and extra.isascii() and extra.isprintable()
        ):
            raise ParameterError("user_agent_extra", "must be printable ASCII")
        self._extra = extra
        self._execution_env = execution_env

    def text(self, retry_mode: str, app_id: str | None = None) -> str:
        """Return the header's value.

        Args:
            retry_mode: the client's retry mode.
            app_id: the application's name, from `AWS_SDK_UA_APP_ID` or the profile.
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


def _clean(text: str, extra: str = "") -> str:
    """Replace each character that AWS does not allow in a part by a dash."""
    return "".join(c if c in _ALLOWED or c in extra else "-" for c in text)
