"""Operations on the tags of resources, as in the service's models of Lambda and Lambda MicroVMs."""

from __future__ import annotations

from typing import Any, Final

from lambdacore_async.protocol.operations.rows import CHANGE, LOOKUP, TAGS
from lambdacore_async.protocol.restjson import (
    NOTHING,
    EmptyOperation,
    TagsOperation,
    body,
    path,
    query,
)

_TAGS: Final = "/2017-03-31/tags/{Resource}"
_KEYS: Final[Any] = tuple[str, ...]

LIST_TAGS = TagsOperation(
    "ListTags", "GET", _TAGS, 200,
    (path("resource"),),
    errors=LOOKUP, readonly=True,
)  # fmt: skip

TAG_RESOURCE = EmptyOperation(
    "TagResource", "POST", _TAGS, 204,
    (path("resource"), body("tags", TAGS, required=True)),
    errors=CHANGE, idempotent=True, max_response=NOTHING,
)  # fmt: skip

UNTAG_RESOURCE = EmptyOperation(
    "UntagResource", "DELETE", _TAGS, 204,
    (path("resource"), query("tag_keys", _KEYS, "tagKeys", required=True)),
    errors=CHANGE, idempotent=True, max_response=NOTHING,
)  # fmt: skip
