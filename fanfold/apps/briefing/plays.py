"""The plays that the simulated provider writes: moves that it knows, each with the sentences of the evidence that speak for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fanfold.apps.briefing.reading import Piece, Saying, cue, phrases, topic, words

Json = dict[str, Any]
FEWEST, MOST = 4, 7


def plays(pen: Any, found: list[Piece], title: str) -> Iterator[str]:
    """Markdown, line by line."""
    sayings = [saying for piece in found for saying in piece.sayings]
    moves = _moves(found, sayings)
    about = topic(found)
    yield f"# Plays: {title or 'what could be done now' + (f' about the {about}' if about else '')}\n"
    yield phrases()["simulated"] + "\n"
    ids = list(dict.fromkeys(saying.id for _, why in moves for saying in why))
    yield f"{_count(len(moves))} moves, the cheapest that can be undone first. They stand on {_listed(ids)}.\n"
    waits = [one for one in sayings if cue(phrases()["wait"]).search(one.text)] or sayings
    for number, (move, why) in enumerate(moves, 1):
        wait = _wait(waits, why)
        waits = [one for one in waits if one is not wait] or sayings
        yield from _play(number, move, why, wait)


def _moves(found: Sequence[Piece], sayings: Sequence[Saying]) -> list[tuple[Json, list[Saying]]]:
    """Those that the evidence speaks for, in the order in which they are known; no sentence is used twice."""
    used: set[tuple[str, int]] = set()
    moves: list[tuple[Json, list[Saying]]] = []
    for move in phrases()["plays"]:
        spoken = cue(move["cues"])
        fitting = [one for one in sayings if spoken.search(one.text) and (one.id, one.place) not in used]
        fitting.sort(key=lambda one: (-len(spoken.findall(one.text)), -one.weight))
        why = _spread(fitting)
        if why and len(moves) < MOST:
            moves.append((move, why))
            used |= {(one.id, one.place) for one in why}
    rest = [piece for piece in found if not any(one.id == piece.id for _, why in moves for one in why)] or list(found)
    for piece in rest[: max(0, FEWEST - len(moves))]:
        move = {key: text.format(title=f"“{piece.title}”") for key, text in phrases()["fallback_play"].items()}
        moves.append((move, list(piece.sayings[:3])))
    return moves


def _spread(fitting: Sequence[Saying]) -> list[Saying]:
    """At most four sentences, two of a piece at most, those of a piece together and in their order."""
    chosen: list[Saying] = []
    for one in fitting:
        if len(chosen) < 4 and sum(one.id == other.id for other in chosen) < 2:
            chosen.append(one)
    first = list(dict.fromkeys(one.id for one in chosen))
    return sorted(chosen, key=lambda one: (first.index(one.id), one.place))


def _wait(waits: Sequence[Saying], why: Sequence[Saying]) -> Saying:
    """What speaks of time or money lost, and of the same thing; not what was just said."""
    about = words(" ".join(one.text for one in why))
    fresh = [one for one in waits if one not in why] or waits
    return max(fresh, key=lambda one: (2 * len(words(one.text) & about) + one.weight, -one.place))


def _play(number: int, move: Json, why: Sequence[Saying], wait: Saying) -> Iterator[str]:
    yield f"## Play {number}: {move['name']}\n"
    yield f"{move['why']} {' '.join(saying.cited() for saying in why)}\n"
    yield f"- **First step:** {move['first']} [{why[0].id}]."
    yield f"- **What it costs to wait:** {wait.cited()}"
    yield f"- **Stop if** {move['stop']}.\n"


def _count(number: int) -> str:
    return {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six", 7: "Seven"}.get(number, str(number))


def _listed(ids: Sequence[str]) -> str:
    return "[" + ", ".join(ids) + "]"
