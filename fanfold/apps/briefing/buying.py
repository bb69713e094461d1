"""The procurement that the simulated provider writes: from the figures in the prompt, or from what the evidence says about money."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from fanfold.apps.briefing.reading import Pen, Piece, asked, nobodys, phrases, pieces, words

Json = dict[str, Any]
_FIGURES = re.compile(r"^Figures:\n(\{.*?^\})", re.MULTILINE | re.DOTALL)
_MONEY = re.compile(r"(€|\$|£)\s?(\d[\d,.]*\d|\d)")
_CURRENCY = {"€": "EUR", "$": "USD", "£": "GBP"}
_WEEKS = re.compile(r"\b(\d{1,3}|two|three|four|five|six|eight|nine|ten|twelve) weeks?\b")
_NUMBER = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "nine": 9, "ten": 10, "twelve": 12}


def procurement(pen: Pen) -> Json:
    """Lines from the figures in the prompt, or from what the evidence says about money."""
    found = pieces(pen.prompt)
    figures = _figures(asked(pen.prompt))
    items = _supplied(figures) if figures else _priced(found)
    lines = [_line(item, found, place) for place, item in enumerate(sorted(items, key=lambda item: -item["lead_weeks"])[:5])]
    total = round(sum(line["cost"] for line in lines), 2)
    currency = str((figures or {}).get("currency") or _currency(found))
    if found and pen.slips("id in a list"):
        lines[0]["evidence"] = [nobodys(found)]
    return {
        "summary": f"Simulated: {currency} {total:,.0f} in all, the longest wait {lines[0]['lead_weeks']} weeks.",
        "currency": currency,
        "lines": lines,
        "total": round(total * 1.1, 2) if pen.slips("total") else total,
    }


def _figures(wanted: str) -> Json | None:
    found = _FIGURES.search(wanted)
    try:
        data = json.loads(found[1]) if found else None
    except json.JSONDecodeError:
        return None
    return data if isinstance(data, dict) and data.get("items") else None


def _supplied(figures: Json) -> list[Json]:
    return [
        {
            "item": item["item"], "quantity": item.get("quantity", 1), "unit": item.get("unit", "piece"),
            "cost": round(item.get("quantity", 1) * item.get("unit_cost", 0), 2), "lead_weeks": item.get("lead_weeks", 0), "id": None,
        }
        for item in figures["items"]
    ]  # fmt: skip


def _priced(found: Sequence[Piece]) -> list[Json]:
    """One line for each piece that names a sum: the first sum, and the first number of weeks beside it."""
    items = []
    for piece in found:
        told = " ".join(saying.text for saying in piece.sayings)
        if (money := _MONEY.search(told)) is None:
            continue
        weeks = _WEEKS.search(told)
        items.append(
            _item(
                piece, float(re.sub(r"[,.](?=\d{3}\b)", "", money[2]).replace(",", ".")), 0 if weeks is None else _weeks(weeks[1])
            )
        )
    first = found[0] if found else Piece("", "primary", "what was asked for", ())
    return items or [_item(first, 0.0, 0)]


def _item(piece: Piece, cost: float, weeks: int) -> Json:
    return {
        "item": f"As told in: {piece.title}"[:200],
        "quantity": 1,
        "unit": "lot",
        "cost": cost,
        "lead_weeks": weeks,
        "id": piece.id,
    }


def _weeks(word: str) -> int:
    return _NUMBER.get(word) or int(word)


def _currency(found: Sequence[Piece]) -> str:
    signs = [sign[1] for piece in found for saying in piece.sayings if (sign := _MONEY.search(saying.text))]
    return _CURRENCY[max(set(signs), key=signs.count)] if signs else "EUR"


def _line(item: Json, found: Sequence[Piece], place: int) -> Json:
    reasons = phrases()["because"]
    own = [item["id"]] if item["id"] else _about(item["item"], found)
    because = reasons[0] if place == 0 and item["lead_weeks"] else reasons[1 + place % (len(reasons) - 1)]
    return {
        **{name: value for name, value in item.items() if name != "id"},
        "because": because.format(weeks=item["lead_weeks"]),
        "evidence": own,
    }


def _about(item: str, found: Sequence[Piece]) -> list[str]:
    """The two pieces that share most words with an item, those that are rare counting more."""
    wanted = words(item)
    spread = {word: sum(word in piece.words for piece in found) for word in wanted}
    scores = [(sum(1 / spread[word] for word in wanted & piece.words), -place, piece.id) for place, piece in enumerate(found)]
    return [id_ for score, _, id_ in sorted(scores, reverse=True)[:2] if score > 0] or [piece.id for piece in found[:1]]
