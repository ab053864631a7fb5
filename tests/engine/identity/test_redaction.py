"""Keys in text that credential sources send are masked before an error or a log shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdacore_async.engine.identity.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"Token": "abc", "code": 7}', '{"Token": "***", "code": 7}'),
        ("AccessKeyId=ASIA12345678, x", "AccessKeyId=***, x"),
        ("for AKIAIOSFODNN7EXAMPLE.", "for ***."),
        ("aws_secret_access_key = abc", "aws_secret_access_key = ***"),
        ("x-amz-security-token: abc def", "x-amz-security-token: *** def"),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("<SessionToken>abc</SessionToken>", "<SessionToken>***</SessionToken>"),
        ("by wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1 it", "by *** it"),
        ("Token for my-sso does not exist", "Token for my-sso does not exist"),
        ("/run/secrets/token: No such file", "/run/secrets/token: No such file"),
        (
            "role/service-role/Execution-20260101T000001",
            "role/service-role/Execution-20260101T000001",
        ),
        ("\u202e\r\n", "\\u202e\\r\\n"),
        ("x" * 300, "x" * 200 + "..."),
    ],
)
def test_redacted_text_has_no_keys_and_is_one_short_line(text: str, shown: str) -> None:
    assert redact(text) == shown


#: The characters that keys can have: printable ones, except those of the mask.
KEY_CHARACTERS = st.characters(
    exclude_categories=["C", "Z"], include_characters=" ", exclude_characters="*"
)


@given(st.text(max_size=300), st.text(KEY_CHARACTERS, min_size=8, max_size=20))
def test_redacted_text_has_no_known_secret(text: str, secret: str) -> None:
    shown = redact(f"{text}{secret}{text}{secret}", secret)
    assert shown.isprintable()
    assert len(shown) <= 203
    assert secret not in shown or secret in f"{text}***{text}***"
