"""What the simulated provider writes for the four stages: it reads the evidence in the prompt, quotes it with its ids, and now and then slips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from fanfold.apps.briefing.plays import plays
from fanfold.apps.briefing.prompts import BRIEFING, PLAYS
from fanfold.apps.briefing.reading import Pen, Piece, Saying, asked, cue, nobodys, phrases, pieces, topic, words

Json = dict[str, Any]
POINTS = 5  # in short
TITLE = re.compile(r"^What is to be decided: (.+)$", re.MULTILINE)


def text(pen: Pen) -> str | None:
    """A briefing or plays, in a fence; None where the prompt asks for neither."""
    wanted = asked(pen.prompt).lstrip()
    found = pieces(pen.prompt)
    if not found or not wanted.startswith((BRIEFING, PLAYS)):
        return None
    title = question[1] if (question := TITLE.search(wanted)) else ""
    lines = _briefing(pen, found, title) if wanted.startswith(BRIEFING) else plays(pen, found, title)
    return _fenced(pen, _slipped(pen, "\n".join(lines), found))


def _slipped(pen: Pen, written: str, found: Sequence[Piece]) -> str:
    """The mistakes that models make: an id that nobody has, a claim whose source is left out."""
    citations = list(re.finditer(r" \[([\w.-]+)\]", written))
    if citations and pen.slips("citation"):
        one = pen.rng.choice(citations)
        written = written[: one.start()] + f" [{nobodys(found)}]" + written[one.end() :]
    elif pen.slips("source"):
        points = [line for line in written.splitlines() if line.startswith("- ") and re.search(r"\d", line)]
        if points:
            one = pen.rng.choice(points)
            written = written.replace(one, re.sub(r" \[[^\]]+\]", "", one), 1)
    return written


def _fenced(pen: Pen, written: str) -> str:
    """As models do: nearly always in a fence, sometimes with a word before it, sometimes without its end."""
    before = "Here is the text.\n\n" if pen.rng.random() < 0.2 else ""
    if pen.rng.random() < 0.1:
        return written
    return f"{before}```markdown\n{written}" + ("" if pen.slips("fence") else "\n```")


# -------------------------------------------------------------------- the briefing


def _briefing(pen: Pen, found: list[Piece], title: str) -> Iterator[str]:
    said = phrases()
    primary = [piece for piece in found if piece.tier == "primary"]
    supporting = [piece for piece in found if piece.tier != "primary"]
    yield f"# {title or _titled(found)}\n"
    yield said["simulated"] + "\n"
    yield "## In short\n"
    leads = sorted((max(piece.sayings, key=lambda one: one.weight) for piece in primary), key=lambda one: -one.weight)
    yield from (f"- {lead.cited()}" for lead in leads[:POINTS])
    yield "\n## What the primary evidence shows\n"
    order = {lead.id: place for place, lead in enumerate(leads)}
    for place, piece in enumerate(sorted(primary, key=lambda piece: order[piece.id])):
        yield _paragraph(pen, piece, supporting, place) + "\n"
    if supporting:
        yield "## What the supporting evidence adds\n"
        for place, piece in enumerate(supporting):
            yield _paragraph(pen, piece, primary, place) + "\n"
    yield "## What is not known\n"
    yield from _unknown(pen, found, primary)


def _titled(found: Sequence[Piece]) -> str:
    about = topic(found)
    return f"Before it is decided: the {about}" if about else f"Before it is decided: {found[0].title}"


def _paragraph(pen: Pen, piece: Piece, others: Sequence[Piece], place: int) -> str:
    """A title (of primary evidence with its theme), then what the piece says, then what to read beside it."""
    openers = phrases()["openers"]
    first = piece.tier == "primary"
    opener = openers[place % len(openers)] if first else ""
    chosen = sorted(sorted(piece.sayings, key=lambda one: -one.weight)[: 4 if first else 3], key=lambda one: one.place)
    parts = [saying.cited() if n in (0, len(chosen) - 1) else saying.text for n, saying in enumerate(chosen)]
    heading = f"{_theme(piece)}: {_title_of(piece)}" if first else piece.title.rstrip(".:! ")
    end = "" if heading.endswith("?") else "."
    return f"**{heading}{end}** {opener}{' '.join(parts)}{_beside(pen, piece, others)}"


def _theme(piece: Piece) -> str:
    """The theme that most of its sentences speak of."""
    told = " ".join([*[piece.title] * 3, *(saying.text for saying in piece.sayings)])
    counted = [(len(cue(theme["cues"]).findall(told)), theme["name"]) for theme in phrases()["themes"]]
    most = max(counted, key=lambda pair: pair[0])
    return most[1] if most[0] else str(phrases()["theme"])


def _title_of(piece: Piece) -> str:
    title = piece.title.rstrip(".:!? ")
    return (
        title[:1].lower() + title[1:]
        if title[1:2].islower() and len(title.split()) > 1 and not title.split()[1][:1].isupper()
        else title
    )


def _beside(pen: Pen, piece: Piece, others: Sequence[Piece]) -> str:
    """The piece of the other tier that shares most words with it, where it shares some."""
    shared = [(len(piece.words & other.words), other.id) for other in others]
    most = max(shared, default=(0, ""), key=lambda pair: pair[0])
    if most[0] < 4:
        return ""
    return " " + str(pen.rng.choice(phrases()["beside"])).format(ids=f"[{most[1]}]")


def _unknown(pen: Pen, found: Sequence[Piece], primary: Sequence[Piece]) -> Iterator[str]:
    open_ones = [saying for piece in found for saying in piece.sayings if cue(phrases()["unknown"]).search(saying.text)]
    open_ones.sort(key=lambda saying: (saying.tier == "primary", saying.place))
    for saying in open_ones[:3]:
        alone = saying.tier != "primary" and not any(len(words(saying.text) & piece.words) > 1 for piece in primary)
        yield f"- {saying.cited()}" + (f" {phrases()['alone'].format(id=saying.id)}" if alone else "")
    yield from (f"- {line}" for line in pen.rng.sample(phrases()["unanswered"], 2))


# -------------------------------------------------------------------- the annex


def annex(pen: Pen) -> Json:
    """Two or three of each, about the pieces that say most."""
    found = pieces(pen.prompt)
    sayings = sorted((max(piece.sayings, key=lambda one: one.weight) for piece in found), key=lambda one: -one.weight)
    primary = [saying for saying in sayings if saying.tier == "primary"] or sayings
    supporting = [saying for saying in sayings if saying.tier != "primary"] or sayings
    data: Json = {
        "assumptions": _notes(phrases()["assumptions"], primary[:2]),
        "open_questions": _notes(phrases()["questions"], [*supporting[:1], *primary[2:3]]),
        "look_again": f"Simulated. {_again(primary)}",
    }
    if found and pen.slips("id in a list"):
        data["assumptions"][0]["evidence"] = [nobodys(found)]
    return data


def _notes(patterns: Sequence[str], about: Sequence[Saying]) -> list[Json]:
    told = about or [Saying("", "", "primary", 0)]
    return [
        {"text": patterns[n % len(patterns)].format(id=saying.id or "the evidence"), "evidence": [saying.id] if saying.id else []}
        for n, saying in enumerate(told)
    ]


def _again(primary: Sequence[Saying]) -> str:
    """The first figure of what weighs most."""
    for saying in primary:
        figure = re.search(r"(?:€|\$|£)?\d[\d,.]*\d?(?:\s?(?:%|kWh|kVA|MVA|mm|dB\(A\)|kW|weeks?|hours?|days?|°C))?", saying.text)
        if figure:
            return str(phrases()["again"]).format(what=figure[0].rstrip(".,"), id=saying.id)
    return "Whatever was measured only once."
