"""Which language a text is in, by its most common words or its script: enough to tell an answer in the wrong language, no more."""

from __future__ import annotations

import re
from collections.abc import Mapping

_COMMON = {
    "da": "og i at det er en den til på som med de for af ikke der et han hun var har jeg vi kan men om ved fra blev når",
    "de": "und der die das ist in zu den mit nicht ein eine es sich auf für von dem wird auch als an er sie ich wir bei oder nach sind",
    "en": "the and of to a in is that it for was on with as be are this by at from or an not have which you we they their has but",
    "es": "el la de que y en los las un una es por con no para se del al lo como más pero sus le su está son muy ya o",
    "fr": "le la les de des et un une est en que qui dans pour pas sur au aux avec ce il elle ne se du par plus sont mais ou",
    "it": "il la di e che un una in è per non con si da i le del della dei gli lo ma come più anche sono al alla nel ha",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als dan maar bij of uit wordt door naar die deze worden",
    "pl": "i w na z się nie do to jest że o jak po co ale za od czy dla przez są był tak tym być ze jego może tylko oraz",
    "pt": "o a de que e do da em um uma para com não os as no na por se dos das mais como mas ao foi são ou é pelo",
    "sv": "och i att det är en den till på som med för av inte de ett han hon var har jag vi kan men om vid från när så",
    "tr": "ve bir bu da de için ile çok en o ne gibi daha olarak kadar ama sonra var her olan değil ki mi ben sen biz onu",
}  # fmt: skip
WORDS: Mapping[str, frozenset[str]] = {code: frozenset(common.split()) for code, common in _COMMON.items()}
SCRIPTS: Mapping[str, re.Pattern[str]] = {
    "ar": re.compile("[\u0600-\u06ff]"), "el": re.compile("[\u0370-\u03ff]"), "he": re.compile("[\u0590-\u05ff]"), "hi": re.compile("[\u0900-\u097f]"),
    "ja": re.compile("[\u3040-\u30ff]"), "ko": re.compile("[\uac00-\ud7af]"), "ru": re.compile("[\u0400-\u04ff]"), "th": re.compile("[\u0e00-\u0e7f]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
}  # fmt: skip
KNOWN = (*sorted({*WORDS, *SCRIPTS}),)
FEWEST = 3  # common words that say something
LEAST_SCRIPT = 0.2  # of the letters: names and terms keep theirs
_WORD = re.compile(r"[^\W\d_]+")


def reads_as(text: str, language: str) -> str | None:
    """None where the text may be in the language, else the language that it seems to be in ("" for no known one).

    A text with too few common words, a name or a heading, may be in any language of its script.
    """
    found = _WORD.findall(text.casefold())
    letters = sum(map(len, found))
    for name, pattern in SCRIPTS.items():
        if letters and name != "zh" and len(pattern.findall(text)) >= LEAST_SCRIPT * letters:
            return None if name == language else name
    if letters and len(SCRIPTS["zh"].findall(text)) >= LEAST_SCRIPT * letters:
        return None if language in ("zh", "ja") else "zh"
    if language in SCRIPTS:
        return "" if letters else None
    scores = {name: sum(word in common for word in found) for name, common in WORDS.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] < FEWEST or scores[language] >= 0.75 * scores[best]:  # neighbours share many of their words
        return None
    return best
