"""Whether a text is Dutch. Small words decide most sentences at once; for the rest, and for single words, the word lists are asked."""

from __future__ import annotations

from collections.abc import Iterable

from fanfold.apps.voorbeelden.lexicon import WORD, is_dutch, is_english, words

SMALL = {
    "nl": "de het een en van te dat niet aan met voor zijn er maar dan wat men zo door ze zich bij ook tot je uit haar naar heeft hebben deze "
    "dit nog zij nu geen omdat iets worden toch al veel meer moet zonder kan hun dus onder wie werd wordt kunnen ons zelf tegen na wil kon "
    "uw iemand andere waar als hij hem om ik jij wij jullie deed mag mogen moeten zodat tijdens terwijl volgens elke alle eigen heb "
    "bent waarin waarvoor waarbij waardoor alleen samen vaak meestal daarom daardoor wanneer",
    "en": "the of and to that it for with as his they at be this have from or had by but what were when your can said there use an each which she "
    "how their will up other about out many then them these so some her would make like him into has look two more write go see no way could "
    "people my than been who its now did get our you we he are not was on",
    "de": "der und das nicht ist ein eine einen einem einer des dem den mit sich auf für als auch es nach wird bei noch wie über zum war haben nur "
    "oder aber vor zur bis mehr durch sie er wurde sind ich du wir ihr kein keine dass",
    "fr": "le la les des et un une est pour que qui dans ce il sur pas plus par je avec tout faire son mais nous ou si leur du au aux cette",
    "es": "el los las y que por para con una su se lo como pero sus este ha esta entre cuando muy sin sobre también",
}  # fmt: skip
_SETS = {language: frozenset(text.split()) for language, text in SMALL.items()}
_OTHER = {name: found - _SETS["nl"] for name, found in _SETS.items() if name != "nl"}
_AFRIKAANS = frozenset({"nie", "vir", "deur", "hulle", "hy", "gister"})
_OWN = _SETS["nl"] - frozenset().union(*(_SETS[name] for name in ("en", "de", "fr", "es"))) - {"al"}
"""Small words that none of the others has."""
ENOUGH = 0.5  # of the words


def dutch_sentence(text: str) -> bool:
    """Whether a sentence (or more) is Dutch. Names and loan words may be in it."""
    found = words(text)
    own = sum(word in _OWN for word in found)
    other = max(*(sum(word in some for word in found) for some in _OTHER.values()), 2 * sum(w in _AFRIKAANS for w in found))
    if own >= 2 and own >= 2 * other:
        return True
    if other >= 2 and own * 2 <= other:
        return False
    return _dutch_by_words(text)


def _dutch_by_words(text: str) -> bool:
    """By the words that are no names: most are in the Dutch list, and no fewer than in the English one."""
    found = [match for match in WORD.findall(text) if not match[0].isupper()] or WORD.findall(text)
    lower = [word.casefold() for word in found if len(word) > 1]
    if not lower:
        return True
    dutch = sum(map(_may_be_dutch, lower))
    return dutch >= ENOUGH * len(lower) and dutch >= sum(map(is_english, lower))


def _may_be_dutch(word: str) -> float:
    """A long word that nobody knows is half a Dutch one: that is how Dutch makes its words."""
    if is_dutch(word):
        return 1.0
    return 0.5 if len(word) > 8 and not is_english(word) else 0.0


def foreign(items: Iterable[str]) -> list[str]:
    """Of short items, those that are English and not Dutch: words, or expressions of which every word is."""
    found = []
    for item in items:
        parts = [part for part in words(item) if len(part) > 1]
        if (parts and all(not is_dutch(part) and is_english(part) for part in parts)) or (
            len(parts) > 1 and not dutch_sentence(item)
        ):
            found.append(item)
    return found
