"""Constants of all families of operations: the usual sets of errors, and the type of tags."""

from __future__ import annotations

from typing import Any, Final

ANY: Final = frozenset(
    {"InvalidParameterValueException", "ServiceException", "TooManyRequestsException"}
)
LOOKUP: Final = ANY | {"ResourceNotFoundException"}
CHANGE: Final = LOOKUP | {"ResourceConflictException"}
CREATE: Final = ANY | {"ResourceConflictException"}

#: The type of tags.
TAGS: Final[Any] = dict[str, str]
