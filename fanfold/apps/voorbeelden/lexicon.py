"""What is known of words: whether they are Dutch or English, and the form under which a dictionary has them.

The word lists (simplemma: 0.4 s and 40 MB for the two languages) are loaded in a thread of their own while the first calls are in the air.
"""

from __future__ import annotations

import re
from functools import lru_cache
from threading import Lock, Thread
from typing import Any

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_loading = Lock()
_loaded: list[Any] = []


def warm() -> None:
    """Begin to load what will be needed; whoever needs it before it is there waits for it."""
    if not _loaded:
        Thread(target=_library, name="woordenlijst", daemon=True).start()


def _library() -> Any:
    with _loading:
        if not _loaded:
            import simplemma

            for language in ("nl", "en"):
                simplemma.is_known("huis", lang=language)
            _loaded.append(simplemma)
    return _loaded[0]


@lru_cache(maxsize=20_000)
def is_dutch(word: str) -> bool:
    """Whether the Dutch word list has it, in lower case."""
    return bool(_library().is_known(word, lang="nl"))


@lru_cache(maxsize=20_000)
def is_english(word: str) -> bool:
    return bool(_library().is_known(word, lang="en"))


@lru_cache(maxsize=20_000)
def lemma(word: str) -> str:
    """ "gebeld" -> "bellen", "huizen" -> "huis"; the word itself where nothing is known of it."""
    return str(_library().lemmatize(word, lang="nl"))


def words(text: str) -> list[str]:
    """Lower case, in order; a hyphenated word is one word."""
    return [word.replace("’", "'") for word in WORD.findall(text.casefold())]
