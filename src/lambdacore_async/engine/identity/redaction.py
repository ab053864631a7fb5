"""Removes keys from text that credential sources send, before an error or a log shows it."""

from __future__ import annotations

import re
from typing import Final

from lambdacore_async.escaping import escaped

#: The number of characters that are shown, and the number that are searched for keys.
_SHOWN: Final = 200
_SEARCHED: Final = 10_000
#: Matches keys by their names, by the form of an access key ID or a secret key, and as a header's
#: value. It is compiled at the first use; `re` caches it.
_KEYS: Final = r"""(?x)
    (?P<name>
        (?<! [/\w-] ) [\w-]{0,40}
        (?i: secret[\s_-]?(access[\s_-]?)?key | access[\s_-]?key([\s_-]?id)? | client[\s_-]?secret
           | token | authorization | password )
        [\\"']* \s* [:=>] \s* [\\"']* ( (?i: bearer | basic ) \s+ )?
    ) [^\s"'\\<>,;&]+
    | \b A[KS]I[AD] [A-Z0-9]{7,}
    | (?<! [\w/+=.-] ) (?= [a-z0-9/+=]* [A-Z] ) (?= [A-Z0-9/+=]* [a-z] ) (?= [A-Za-z/+=]* [0-9] )
      [A-Za-z0-9/+=]{40,}
"""


def redact(text: str, *secrets: str | None) -> str:
    """Return text on one line, with keys masked, and cut to 200 characters.

    Args:
        text: text from a credential source.
        secrets: strings to mask in addition to everything that looks like a key.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    text = re.sub(_KEYS, lambda match: f"{match['name'] or ''}***", text[:_SEARCHED])
    return escaped(escaped(text, _SHOWN), _SHOWN)
