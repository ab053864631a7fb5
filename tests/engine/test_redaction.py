"""Secrets are taken out of what quotes them, in whichever way, and of nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdacore_async import ApiError, Credentials, LambdaCoreError, TransportError
from lambdacore_async.engine.redaction import Redaction
from lambdacore_async.protocol.messages import Request
from lambdacore_async.protocol.sigv4 import sign
from support.clocks import NOON
from support.transports import answer

TOKEN: Final = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVz+LWVhc3Qt/MSJH=" * 8 + "MEUCIQDx=="
SECRET: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
CREDENTIALS: Final = Credentials("AKIDEXAMPLE", SECRET, TOKEN)
MASK: Final = "[redacted]"

Encoding = Callable[[str], str]


def escape_each(form: str) -> Encoding:
    """An encoding that escapes every character."""
    return lambda text: "".join(form.format(ord(character)) for character in text)


ENCODINGS: Final[dict[str, Encoding]] = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON with escaped signs": lambda text: text.replace("+", "\\u002b").replace("=", "\\u003D"),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text).replace("/", "\\/")),
    "URL": quote,
    "URL without slashes": lambda text: quote(text, safe=""),
    "URL in lower case": lambda text: quote(text, safe="").replace("%2F", "%2f"),
    "form": quote_plus,
    "URL in a URL": lambda text: quote(quote(text, safe=""), safe=""),
    "URL in a URL in a URL": lambda text: quote(quote(quote(text, safe=""), safe=""), safe=""),
    "HTML": html.escape,
    "HTML with numbers": lambda text: text.replace("/", "&#x2F;").replace("+", "&#43;"),
    "HTML with names": lambda text: text.replace("=", "&equals;").replace("/", "&sol;"),
    "HTML of JSON": lambda text: html.escape(json.dumps(text).replace("/", "\\/")),
    "JSON of HTML": lambda text: json.dumps(text.replace("/", "&#x2F;")).replace("&", "\\u0026"),
    "a Python string": lambda text: repr(text.encode()),
    "every character in JSON": escape_each("\\u00{:02x}"),
    "every character in a URL": escape_each("%{:02X}"),
    "every character in HTML": escape_each("&#{};"),
    "every character in hexadecimal HTML": escape_each("&#x{:x};"),
}


def signed(credentials: Credentials = CREDENTIALS) -> Request:
    return sign(
        Request("GET", "/"), host="h", credentials=credentials, region="us-east-1", time=NOON
    )


def redaction(credentials: Credentials = CREDENTIALS) -> Redaction:
    return Redaction(signed(credentials), credentials)


AUTHORIZATION: Final = signed().headers["authorization"]
SIGNATURE: Final = AUTHORIZATION.rpartition("=")[2]


@pytest.mark.parametrize("secret", [TOKEN, SECRET, AUTHORIZATION, SIGNATURE])
@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_is_masked_however_it_is_quoted(encode: Encoding, secret: str) -> None:
    quoted = encode(secret)
    text = redaction().text(f"you sent <{quoted}>, {quoted}.")
    assert text.startswith("you sent <")
    assert text.endswith(".")
    assert text.count(MASK) == 2
    assert len(text) < 60


@pytest.mark.parametrize("secret", [TOKEN, SECRET, SIGNATURE])
@pytest.mark.parametrize("kept", [8, 20, 39])
def test_a_start_or_an_end_of_a_secret_is_masked_too(secret: str, kept: int) -> None:
    assert redaction().text(f"it starts {secret[:kept]}") == f"it starts {MASK}"
    assert redaction().text(f"cut: {secret[:kept]}... here") == f"cut: {MASK}... here"
    assert redaction().text(f"{secret[-kept:]} it ends") == f"{MASK} it ends"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rate exceeded",
        '{"message": "The connector \\"prod\\" is caf\\u00e9 &amp; 100% busy\\n"}',
        "Credential should be scoped to a valid region",
        "The String-to-Sign should have been 'AWS4-HMAC-SHA256\n20261124T120000Z\n...'",
        "x-amz-security-token is expired",
        "ünïcödé 日本語 \ud800",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert redaction().text(text) is text


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", "日本語".encode(), b'{"a": "\\u00e9"}'])
def test_other_bytes_say_the_same(data: bytes) -> None:
    clean = redaction().data(data)
    assert clean == data or b"\0" in data


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_secret_is_masked_in_all_encodings_of_json(encoding: str) -> None:
    clean = redaction().data(json.dumps({"message": f"é {TOKEN}"}).encode(encoding))
    assert json.loads(clean) == {"message": f"é {MASK}"}


@pytest.mark.parametrize("word", ["test", "testing", "key"])
def test_a_secret_too_short_to_be_one_masks_nothing(word: str) -> None:
    assert redaction(Credentials(word, word, word)).text(f"a {word} it is") == f"a {word} it is"


def test_a_secret_of_signs_alone_is_masked() -> None:
    secret = "\"<>'/!+=:,;~^"
    for encode in ENCODINGS.values():
        clean = redaction(Credentials("a", secret)).text(f"x {encode(secret)} y")
        assert MASK in clean
        assert len(clean) <= len(f'x "\\"{MASK}\\"" y') + 20


@given(
    secret=st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="%&\\"),
        min_size=8,
        max_size=60,
    ),
    encode=st.sampled_from(sorted(ENCODINGS)),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_no_secret_is_left_in_any_text(secret: str, encode: str, before: str, after: str) -> None:
    assume(not {"%", "&", "\\"} & set(before + after))
    clean = redaction(Credentials("a", secret)).text(
        f"{before} {ENCODINGS[encode](secret)} {after}"
    )
    decoded = clean
    for _ in range(2):
        assert secret not in decoded
        decoded = html.unescape(decoded)


def test_an_answer_is_masked_in_its_body_and_headers() -> None:
    quoting = answer(
        400,
        json.dumps({"message": TOKEN, "code": "Wat"}).encode(),
        x_amzn_requestid=f"id-{SECRET}",
        x_amzn_errortype=quote(TOKEN, safe=""),
        date="today",
    )
    clean = redaction().response(quoting)
    assert json.loads(clean.body) == {"message": MASK, "code": "Wat"}
    assert dict(clean.headers) == {
        "x-amzn-requestid": f"id-{MASK}",
        "x-amzn-errortype": MASK,
        "date": "today",
    }
    assert clean.status == 400


def test_an_answer_that_quotes_nothing_is_the_very_same() -> None:
    honest = answer(400, b'{"message": "no"}', X_Amzn_RequestId="id", x_twice="a")
    assert redaction().response(honest) is honest


def test_an_error_is_masked_in_all_that_it_says() -> None:
    error = ApiError(f"bad: {TOKEN}", code="Wat", request_id=TOKEN, fault=SECRET, status_code=403)
    error.__dict__["start"] = TOKEN[:60].encode()
    redaction().error(error)
    assert str(error) == f"Wat: bad: {MASK} (HTTP 403, request id {MASK})"
    assert (error.message, error.fault, error.request_id) == (f"bad: {MASK}", MASK, MASK)
    assert vars(error)["start"] == MASK.encode()


def failed(text: str) -> LambdaCoreError:
    """An error with a cause of a cause that says this."""
    try:
        try:
            raise ValueError(text)
        finally:
            raise OSError("a cause")
    except OSError as cause:
        error = TransportError("broke")
        error.__cause__ = cause
        return error


def test_causes_that_contain_a_secret_are_dropped_and_others_are_kept() -> None:
    error, other = failed(f"400, message: {TOKEN!r}"), failed("400, message: Bad")
    for each in (error, other):
        redaction().error(each)
    assert (error.__cause__, error.__context__) == (None, None)
    assert isinstance(other.__cause__, OSError)


def test_a_text_of_quotations_is_masked_as_a_whole() -> None:
    assert redaction().text(f"{TOKEN[:8]}, " * 100) == f"{MASK}, " * 100
    assert redaction().text(f"{TOKEN[:8]}, " * 101) == MASK
