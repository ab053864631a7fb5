"""How the client introduces itself."""

from __future__ import annotations

import platform
import sys
from typing import Final

from lambdacore_async.errors import ParameterError

VERSION: Final = "0.1.0"


def user_agent(retry_mode: str, extra: str | None = None) -> str:
    """The `User-Agent` header, in the form of AWS SDKs.

    Args:
        retry_mode: the client's.
        extra: text of the caller's own, put at the end.

    Raises:
        ParameterError: the extra text is not printable ASCII, and could forge headers.
    """
    parts = [
        f"lambdacore-async/{VERSION}",
        "ua/2.1",
        f"os/{sys.platform}",
        f"lang/python#{platform.python_version()}",
        f"md/pyimpl#{platform.python_implementation()}",
        f"cfg/retry-mode#{retry_mode}",
    ]
    if extra is not None:
        if not (isinstance(extra, str) and extra.isascii() and extra.isprintable()):
            raise ParameterError("user_agent_extra", "must be printable ASCII")
        parts += extra.split()
    return " ".join(parts)
