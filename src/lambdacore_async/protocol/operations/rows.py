"""What the rows of all families share: the errors that the API names for most of its operations."""

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
