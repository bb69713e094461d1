"""What may not be said: the keys of this process, in any form that others may repeat them in, and what looks like one.

The list belongs to the process, not to a run: a key leaves with whatever is said by whoever has met it, in any room.
"""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

HIDDEN = "[key]"
SHORTEST = 8  # shorter keys are placeholders for servers that want none; hiding "x" would garble every message

_known: dict[str, tuple[str, ...]] = {}

_LOOKS = (
    (re.compile(r"(://)[^/@\s'\"]+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"([?&;](?:key|api[-_]?key|(?:access[-_]?|auth[-_]?)?token|sig|signature|secret|passw(?:or)?d)=)[^&\s\"'<>#;]+", re.I
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(?:sk-[\w-]{16,}[\w/+=.-]*|AIza[\w-]{30,}|gh[pousr]_\w{30,})"), HIDDEN),
)
"""Addresses with a password or a key in them, headers, and keys of well-known shapes."""


def keep_unsaid(text: str) -> None:
    """From now on `hide` takes this text out of everything. Too short a one is no secret."""
    if len(text) >= SHORTEST and text not in _known:
        _known[text] = forms_of(text)


def forms_of(secret: str) -> tuple[str, ...]:
    """A secret as others may write it: plain, escaped in JSON or Python or HTML, encoded in a URL, in base64 or in hex."""
    if len(secret) < SHORTEST:
        return ()
    in_json = json.dumps(secret)[1:-1]
    careful = "".join(f"\\u{ord(char):04x}" if char in "<>&'+=/" else char for char in in_json)  # as in JSON inside HTML
    percent = quote(secret, safe="")
    data = secret.encode("utf-8", "replace")
    forms = (
        secret, in_json, in_json.replace("/", "\\/"), careful, repr(secret)[1:-1], html.escape(secret), percent, percent.lower(),
        quote(secret), quote(secret).lower(), data.hex(), data.hex().upper(), *_in_base64(data),
    )  # fmt: skip
    return tuple(sorted(dict.fromkeys(forms), key=len, reverse=True))


def _in_base64(data: bytes) -> list[str]:
    """What does not change of it wherever it stands in a longer text: each of three characters may begin a group."""
    found = []
    for before in range(3):
        bits_before, bits = 8 * before, 8 * (before + len(data))
        first, last = -(-bits_before // 6), bits // 6
        for encode in (b64encode, urlsafe_b64encode):
            found.append(encode(b"\0" * before + data).decode("ascii")[first:last])
    return found


def hide(text: str) -> str:
    """The same text without the keys of this process."""
    for forms in _known.values():
        for form in forms:
            if form in text:
                text = text.replace(form, HIDDEN)
    return text


def redact(text: str) -> str:
    """A message without the keys of this process, and without what looks like a key: for words, never for values."""
    text = hide(text)
    for pattern, instead in _LOOKS:
        text = pattern.sub(instead, text)
    return text
