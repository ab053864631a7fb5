"""Escapes characters that change how a terminal or a log shows the text around them."""

from __future__ import annotations


def escaped(text: str, limit: int | None = None) -> str:
    r"""Return text that is safe to print: on one line, without invisible characters.

    Control characters, line breaks, bidirectional overrides, surrogates and all other unprintable
    characters become backslash escapes, such as `\x1b` and `\u202e`.

    Args:
        text: text from another party.
        limit: the number of characters to keep; longer text ends with `...`. Defaults to no limit.
    """
    if limit is not None and len(text) > limit:
        return escaped(text[:limit]) + "..."
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
