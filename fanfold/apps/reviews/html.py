"""The reviews as one page that needs nothing else: to read, and to print."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from fanfold.apps.reviews.exports import percent, stars

Json = dict[str, Any]

STYLE = """
:root { color-scheme: light dark; --line: #8884; --star: #b7791f; }
body { font: 1rem/1.55 Georgia, 'Times New Roman', serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; } h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; } h3 { font-size: 1rem; margin: 0; }
.note, .by { font: 0.85rem/1.4 system-ui, sans-serif; opacity: 0.75; }
article { border-top: 1px solid var(--line); padding: 0.9rem 0; break-inside: avoid; } article p { margin: 0.3rem 0; }
.stars { color: var(--star); letter-spacing: 0.1em; }
table { border-collapse: collapse; font: 0.85rem/1.4 system-ui, sans-serif; width: 100%; }
th, td { text-align: left; padding: 0.2rem 0.6rem 0.2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
@media print { body { margin: 0; max-width: none; font-size: 10.5pt; } }
"""


def html(data: Json) -> str:
    return "\n".join(_lines(data)) + "\n"


def _lines(data: Json) -> Iterator[str]:
    title = f"{len(data['reviews'])} reviews of {data['product']}"
    yield '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    yield f'<h1>{escape(title)}</h1>\n<p class="note">{escape(data["note"])}</p>'
    for review in data["reviews"]:
        yield f'<article>\n<h3><span class="stars" title="{review["rating"]} of 5">{stars(review["rating"])}</span> {escape(review["title"])}</h3>'
        yield f"<p>{escape(review['text'])}</p>"
        yield f'<p class="by">{escape(review["persona"])} · {escape(review["model"])}</p>\n</article>'
    yield from _quality(data["quality"])
    for error in data.get("errors", []):
        yield f'<p class="note">Missing: {escape(str(error["cell"].get("review", {}).get("n", "")))}: {escape(error["message"])}</p>'
    yield "</body>\n</html>"


def _quality(quality: Json) -> Iterator[str]:
    yield f"<h2>Quality</h2>\n<p>{quality['accepted']} of {quality['asked']} reviews, from {quality['answers']} answers.</p>"
    yield from _table(["stars", "asked", "got"], [[stars(int(s)), t["asked"], t["got"]] for s, t in quality["ratings"].items()])
    yield from _table(
        ["check", "refused", "passed", "for example"],
        [[name, told["refused"], percent(told["acceptance"]), told["example"]] for name, told in quality["checks"].items()],
    )
    yield from _table(
        ["model", "reviews", "calls"], [[n, t["reviews"], t.get("calls", "-")] for n, t in quality["models"].items()]
    )


def _table(head: list[str], lines: list[list[Any]]) -> Iterator[str]:
    yield "<table>\n<tr>" + "".join(f"<th>{escape(word)}</th>" for word in head) + "</tr>"
    for line in lines:
        yield "<tr>" + "".join(f"<td>{escape(str(each))}</td>" for each in line) + "</tr>"
    yield "</table>"
