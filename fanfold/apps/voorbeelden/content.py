"""What the simulated provider writes: it reads the prompt as a model would, and answers from the terms it knows (`begrippen.json`).

Of a term that it does not know it writes sentences that suit any word, and says that they are simulated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any, Protocol

from fanfold.apps.voorbeelden.kinds import BY_NAME

Json = dict[str, Any]

_TERM = re.compile(r"^Begrip: (.+)$", re.MULTILINE)
_KIND = re.compile(r"^Soort: (\w+)$", re.MULTILINE)
_COUNT = re.compile(r"^Opdracht: geef (?:hoogstens )?(\d+)", re.MULTILINE)
WHO = ("De docent", "Een collega", "De voorzitter", "Mijn buurvrouw", "De schrijver", "Een lezer", "De medewerker aan de balie")
SENTENCES = (
    "{who} legde het woord “{term}” uit met een voorbeeld.",
    "{who} vroeg wat er precies met “{term}” wordt bedoeld.",
    "{who} gebruikte “{term}” en iedereen wist meteen waar het over ging.",
)
CASES = (
    "(Gesimuleerd) {who} komt in het werk iets tegen dat precies past bij de definitie van “{term}”.",
    "(Gesimuleerd) {who} herkent op straat een duidelijk geval van “{term}” en vertelt het thuis.",
    "(Gesimuleerd) {who} leest in de krant een bericht over “{term}” en ziet dat alle kenmerken kloppen.",
)
OTHERS = (
    "(Gesimuleerd) {who} noemt iets “{term}”, maar één kenmerk uit de definitie ontbreekt.",
    "(Gesimuleerd) {who} bedoelt iets dat er alleen van buiten op lijkt: dat is geen “{term}”.",
    "(Gesimuleerd) {who} gebruikt “{term}” als grap, en dan telt het niet.",
)
DEFINITION = (
    "Een verzonnen omschrijving van de simulatie: iets met eigen kenmerken, waardoor het te onderscheiden is van wat erop lijkt."
)
EXPLANATION = (
    "Dit is een gesimuleerde toelichting bij “{term}”: er is geen echt taalmodel gevraagd. Een echte toelichting zegt wat het begrip inhoudt, "
    "waarvoor het dient en waarmee het vaak verward wordt. Daarna volgt een grens: wat er net niet meer onder valt."
)
ENGLISH = "This sentence about the term was written by mistake in English, and somebody will have to ask for it once more."
ENGLISH_WORDS = ("misunderstanding", "neighbourhood", "weather", "thought", "building", "knowledge", "government", "childhood")
WITHOUT = "Hier staat een zin waarin het gevraagde woord ontbreekt."


class Pen(Protocol):
    """What the simulated provider gives to whoever writes for it."""

    prompt: str
    rng: Random

    def slips(self, what: str) -> bool: ...


@lru_cache(maxsize=1)
def _known() -> dict[str, Json]:
    entries = json.loads(Path(__file__).with_name("begrippen.json").read_text("utf-8"))
    return {entry["begrip"].casefold(): entry for entry in entries}


def definitie(pen: Pen) -> Json:
    term = _term(pen)
    text = _known().get(term.casefold(), {}).get("definitie", DEFINITION)
    if pen.slips("definitie"):
        text = pen.rng.choice([f"Van {term} is sprake als er {term} is, zoals het woord al zegt.", ENGLISH])
    return {"definitie": text}


def of_kind(name: str) -> Callable[[Pen], Json]:
    """The content function of a kind's own answer."""

    def write(pen: Pen) -> Json:
        texts = _written(name, pen)
        return {name: texts[0] if BY_NAME[name].count is None else texts}

    write.__name__ = name
    return write


voorbeeldzinnen, praktijkvoorbeelden, tegenvoorbeelden = map(
    of_kind, ("voorbeeldzinnen", "praktijkvoorbeelden", "tegenvoorbeelden")
)
synoniemen, antoniemen, toelichting = map(of_kind, ("synoniemen", "antoniemen", "toelichting"))


def voorbeeldsoort(pen: Pen) -> Json:
    """An answer that says of which kind it is; of the kind that the prompt asks for."""
    asked = _KIND.search(pen.prompt)
    name = asked[1] if asked and asked[1] in BY_NAME else "voorbeeldzinnen"
    return {"soort": name, "teksten": _written(name, pen)}


# -------------------------------------------------------------------- writing


def _term(pen: Pen) -> str:
    found = _TERM.search(pen.prompt)
    return found[1].strip() if found else "begrip"


def _written(name: str, pen: Pen) -> list[str]:
    term = _term(pen)
    count = int(found[1]) if (found := _COUNT.search(pen.prompt)) and BY_NAME[name].count is not None else 1
    known = _known().get(term.casefold())
    own = [] if known is None else known[name] if isinstance(known[name], list) else [known[name]]
    chosen = [own[i] for i in sorted(pen.rng.sample(range(len(own)), min(count, len(own))))]
    if known is None or BY_NAME[name].exact:
        more = _general(name, term)
        start = 0 if BY_NAME[name].listed else pen.rng.randrange(len(more))
        chosen += [more[(start + i) % len(more)] for i in range(count - len(chosen))]
    return _slipped(name, term, chosen, pen)


def _general(name: str, term: str) -> Sequence[str]:
    """What can be said of any term."""
    texts = {
        "voorbeeldzinnen": SENTENCES,
        "praktijkvoorbeelden": CASES,
        "tegenvoorbeelden": OTHERS,
        "toelichting": (EXPLANATION,),
    }
    if name in texts:
        return [text.replace("{who}", who).replace("{term}", term) for who, text in product(WHO, texts[name])]
    return [f"gesimuleerd {name.removesuffix('en')} {number}" for number in range(1, 21)]


def _slipped(name: str, term: str, texts: list[str], pen: Pen) -> list[str]:
    """One of the mistakes that models make: another language, the term itself, a sentence without it, the same twice."""
    if not pen.slips("voorbeelden"):
        return texts
    listed, place = BY_NAME[name].listed, pen.rng.randrange(len(texts))
    mistakes = ["taal", *(["zelf"] if listed else []), *(["zonder"] if name == "voorbeeldzinnen" else [])]
    mistake = pen.rng.choice([*mistakes, *(["twee keer"] if len(texts) > 1 else [])])
    if mistake == "taal" and listed:
        return [ENGLISH_WORDS[i % len(ENGLISH_WORDS)] for i in range(len(texts))]
    wrong = {"taal": ENGLISH, "zelf": term, "zonder": WITHOUT, "twee keer": texts[place - 1]}[mistake]
    return [*texts[:place], wrong, *texts[place + 1 :]]
