"""What the model is told. What is the same for every cell comes first, so that providers can reuse it."""

from __future__ import annotations

from fanfold import Cell
from fanfold.apps.voorbeelden.kinds import BY_NAME
from fanfold.apps.voorbeelden.params import Params

SYSTEM = """\
Je werkt mee aan een Nederlandstalige begrippenlijst. Je schrijft helder, correct en natuurlijk Nederlands op taalniveau B1 tot B2, \
voor lezers die het begrip nog niet kennen. Houd je aan de definitie en aan de context die gegeven zijn. Verzin geen wetsartikelen, \
cijfers of namen van bestaande personen. Geef alleen wat gevraagd wordt, zonder inleiding, nummering of opmaak."""


def about(begrip: str, kader: str) -> str:
    return f"Begrip: {begrip}\nContext: {kader}\n"


ABOUT = about("{term.begrip}", "{term.kader}")
DEFINITION = (
    ABOUT
    + """
Opdracht: schrijf een definitie van het begrip in één of twee zinnen: eerst waar het een soort van is, dan waarin het verschilt van wat \
erop lijkt. Gebruik het begrip zelf niet in de definitie."""
)
DEFINED = ABOUT + "Definitie: {definitie.definitie}\n\nOpdracht: "

TASKS = {
    "voorbeeldzinnen": "geef {count} voorbeeldzinnen. Gebruik in elke zin het begrip, ook vervoegd, verbogen of in een samenstelling. Laat \
uit de zin blijken wat het begrip betekent, en geef de zinnen een verschillende opbouw.",
    "praktijkvoorbeelden": "geef {count} praktijkvoorbeelden: korte, concrete situaties (elk één of twee zinnen) waarin het begrip van \
toepassing is, uit verschillende hoeken.",
    "tegenvoorbeelden": "geef {count} tegenvoorbeelden: situaties (elk één of twee zinnen) die erop lijken, maar er volgens de definitie \
net niet onder vallen. Zeg erbij waarom niet.",
    "synoniemen": "geef hoogstens {count} synoniemen: woorden of korte uitdrukkingen met (bijna) dezelfde betekenis in deze context. Geef \
er liever minder dan een die niet past. Herhaal het begrip zelf niet.",
    "antoniemen": "geef hoogstens {count} antoniemen: woorden of korte uitdrukkingen met de tegengestelde betekenis in deze context, en \
geen synoniemen. Geef er liever minder dan een die niet past.",
    "toelichting": "schrijf één toelichting van drie tot zes zinnen: wat het begrip inhoudt, waarvoor het dient, en waarmee het vaak \
verward wordt.",
}  # fmt: skip


def task(kind: str, params: Params) -> str:
    """What is asked for one kind."""
    text = TASKS[kind].replace("{count}", str(params.count(kind)))
    if params.count(kind) == 1 and BY_NAME[kind].count is not None:
        for many, one in (("1 voorbeeldzinnen", "1 voorbeeldzin"), ("1 praktijkvoorbeelden", "1 praktijkvoorbeeld"),
                          ("1 tegenvoorbeelden", "1 tegenvoorbeeld"), ("1 synoniemen", "1 synoniem"), ("1 antoniemen", "1 antoniem")):  # fmt: skip
            text = text.replace(many, one)
    return text


def prompt(kind: str, params: Params) -> str:
    """The prompt of a kind's own step."""
    return DEFINED + task(kind, params)


def combined(params: Params) -> dict[str, str]:
    """By kind, what is asked, for a step that has the kind as an axis."""
    return {kind: task(kind, params) for kind in params.soorten}


def asked(cell: Cell) -> str:
    """The prompt of one kind of one term, of a combined step."""
    term = cell["term"]
    return f"{about(term.begrip, term.kader)}Definitie: {cell['definitie'].definitie}\n\nSoort: {cell['soort']}\nOpdracht: {cell['opdrachten'][cell['soort']]}"
