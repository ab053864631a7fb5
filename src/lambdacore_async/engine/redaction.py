"""Removes the secrets of a request from a response that quotes it, and from its errors."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Iterator
from html.entities import html5
from typing import Final

from lambdacore_async.errors import LambdaCoreError
from lambdacore_async.protocol.messages import Request, Response
from lambdacore_async.protocol.sigv4 import Credentials

_MASK: Final = "[redacted]"
#: The number of first or last characters by which a quotation is recognised. Shorter secrets cannot
#: be told from other text.
_LEAST: Final = 8
#: AWS's explanations of a wrong signature start like an authorization header.
_LEAST_OF_AUTHORIZATION: Final = len("AWS4-HMAC-SHA256 Credential=") + _LEAST
#: A text with more quotations is masked completely.
_MAX_QUOTATIONS: Final = 100
#: Encodings may be nested, such as a URL in JSON in HTML.
_MAX_NESTING: Final = 3
_ESCAPE: Final = re.compile(
    r"""
    (?: \\(?:u00|x) | % | &\#x0* ) (?P<hex> [0-9a-f]{2} ) ;?
    | &\#0* (?P<decimal> [0-9]{2,3} ) ;
    | & (?P<name> [a-z]{2,8} ; )
    | \\(?P<character> . )
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)


class Redaction:
    """Masks the secrets of one request, plain or escaped for JSON, HTML or a URL.

    Args:
        signed: the request; its signature and session token are secrets.
        credentials: the credentials that signed it.
    """

    def __init__(self, signed: Request, credentials: Credentials) -> None:
        authorization = signed.headers["authorization"]
        secrets = (
            (credentials.session_token or "", _LEAST),
            (credentials.secret_access_key, _LEAST),
            (authorization, _LEAST_OF_AUTHORIZATION),
            (authorization.replace(" ", "+"), _LEAST_OF_AUTHORIZATION),  # as in a form
            (authorization.rpartition("=")[2], _LEAST),
        )
        self._secrets = [(secret, least) for secret, least in secrets if len(secret) >= least]

    def text(self, text: str) -> str:
        """Return a text with each secret masked, even where only its start or end is quoted."""
        spans: list[tuple[int, int]] = []
        for view, starts in _views(text):
            backwards = view[::-1]
            for secret, least in self._secrets:
                for start, end in _quotations(view, secret, least):
                    spans.append((starts[start], starts[end]))
                for start, end in _quotations(backwards, secret[::-1], _LEAST):
                    spans.append((starts[len(view) - end], starts[len(view) - start]))
            if len(spans) > _MAX_QUOTATIONS:
                return _MASK
        if not spans:
            return text
        parts: list[str] = []
        done = 0
        for start, end in sorted(spans):
            if start >= done:
                parts += (text[done:start], _MASK)
            done = max(done, end)
        return "".join([*parts, text[done:]])

    def data(self, data: bytes) -> bytes:
        """Return encoded text with each secret masked: UTF-8, UTF-16 or UTF-32."""
        if b"\0" in data:
            data = data.decode(json.detect_encoding(data), "replace").encode()
        return self.text(data.decode("latin-1")).encode("latin-1")

    def response(self, response: Response) -> Response:
        """Return a response without secrets; the same object if it quotes none."""
        body = self.data(response.body)
        headers: dict[str, str] = {}
        for name, value in response.headers.items():
            headers.setdefault(name.lower(), self.text(value))
        if body == response.body and all(
            response.headers[name] == value for name, value in headers.items()
        ):
            return response
        return Response(response.status, headers, body)

    def error(self, error: LambdaCoreError) -> None:
        """Mask the secrets in an error, and drop its causes if one of them contains a secret."""
        error.args = tuple(self._value(value) for value in error.args)
        for name, value in vars(error).items():
            setattr(error, name, self._value(value))
        if any(self.text(text) != text for cause in _causes(error) for text in _shown(cause)):
            error.__cause__ = error.__context__ = None

    def _value(self, value: object) -> object:
        match value:
            case str():
                clean = self.text(value)
                return value if clean == value else clean
            case bytes():
                return self.data(value)
            case _:
                return value


def _views(text: str) -> Iterator[tuple[str, array[int]]]:
    """Yield the text, then each level of decoding, with the positions of its characters."""
    starts = array("I", range(len(text) + 1))
    yield text, starts
    for _ in range(_MAX_NESTING):
        parts: list[str] = []
        new_starts = array("I")
        done = 0
        for escape in _ESCAPE.finditer(text):
            character = _unescaped(escape)
            parts += (text[done : escape.start()], character)
            new_starts += starts[done : escape.start()]
            new_starts.extend([starts[escape.start()]] * len(character))
            done = escape.end()
        decoded = "".join([*parts, text[done:]])
        if decoded == text:
            return
        text, starts = decoded, new_starts + starts[done:]
        yield text, starts


def _unescaped(escape: re.Match[str]) -> str:
    match escape.lastgroup:
        case "hex":
            return chr(int(escape["hex"], 16))
        case "decimal":
            return chr(int(escape["decimal"]))
        case "name":
            return html5.get(escape["name"], escape[0])
        case _:
            return escape["character"]


def _quotations(text: str, secret: str, least: int) -> Iterator[tuple[int, int]]:
    """Yield each span of the text with at least the first `least` characters of the secret."""
    start = text.find(secret[:least])
    while start >= 0:
        size = least
        while secret[size : size + 1] == text[start + size : start + size + 1] != "":
            size += 1
        yield start, start + size
        start = text.find(secret[:least], start + size)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield all causes and contexts of an error, even those that a traceback hides."""
    for cause in {id(cause): cause for cause in (error.__cause__, error.__context__)}.values():
        if cause is not None:
            yield cause
            yield from _causes(cause)


def _shown(error: BaseException) -> tuple[str, ...]:
    """Return the texts in which an error may show a secret."""
    return str(error), repr(error.args), repr(vars(error))
