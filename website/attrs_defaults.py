"""Shows the defaults of attributes in the API reference, not the code that sets them."""

from __future__ import annotations

from typing import Any

import griffe


class AttrsDefaults(griffe.Extension):
    """Replaces `field(default=None, ...)` with `None`, and drops the assignments in methods."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """See `griffe.Extension`."""
        value = attr.value
        if "class-attribute" not in attr.labels and "instance-attribute" in attr.labels:
            attr.value = None
        elif isinstance(value, griffe.ExprCall) and str(value.function) == "field":
            named = {a.name: a.value for a in value.arguments if isinstance(a, griffe.ExprKeyword)}
            attr.value = named.get("default")
