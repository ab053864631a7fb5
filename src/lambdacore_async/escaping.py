"""Escapes characters that would change how a terminal or a log shows the text around them."""

from __future__ import annotations


def escaped(text: str, limit: int | None = None) -> str:
    r"""Make text from elsewhere safe to print: on one line, and with nothing invisible in it.

    Control characters, line breaks, bidirectional overrides, surrogates and all else that is not
    printable become backslash escapes, such as `\x1b` and `\u202e`.

    Args:
        text: what another party sent.
        limit: the number of characters to keep; longer text ends with `...`. Unlimited by default.
    """
    if limit is not None and len(text) > limit:
        return escaped(text[:limit]) + "..."
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
