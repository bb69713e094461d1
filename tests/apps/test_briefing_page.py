"""The page: nothing of an answer becomes markup but what Markdown means, and every citation leads somewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree.ElementTree import tostring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.apps.briefing import APP
from fanfold.apps.briefing.elements import e
from fanfold.apps.briefing.marked import marked
from fanfold.apps.briefing.params import Params
from tests.apps.briefings import made

KNOWN = ["E1", "S-1"]
HOSTILE = "<script>alert(1)</script> & \" ' <img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202e \x07"


def shown(text: str) -> str:
    return tostring(e("div", *marked(text, KNOWN)), encoding="unicode", method="html")[5:-6]


E1 = '<span class="cite">[<a href="#evidence-E1">E1</a>]</span>'
MARKED = {
    "# A *b*": "<h1>A <em>b</em></h1>",
    "a\nb\n\nc": "<p>a b</p><p>c</p>",
    "- a\n- b\n  c\n\n- d": "<ul><li>a</li><li>b c</li><li>d</li></ul>",
    "1. a\n2) b": "<ol><li>a</li><li>b</li></ol>",
    "- a\n1. b": "<ul><li>a</li></ul><ol><li>b</li></ol>",
    "> a\n> b": "<blockquote><p>a b</p></blockquote>",
    "a [E1].": f"<p>a {E1}.</p>",
    "a [e1, S-1]": '<p>a <span class="cite">[<a href="#evidence-E1">E1</a>, <a href="#evidence-S-1">S-1</a>]</span></p>',
    "a [E9]": "<p>a [E9]</p>",
    "**b: [E1]** c": f"<p><strong>b: {E1}</strong> c</p>",
    "`<b>`": "<p><code>&lt;b&gt;</code></p>",
    "```\n<b>\n  x\n```": '<pre><code class="block">&lt;b&gt;\n  x</code></pre>',
    "```\nnever closed": '<pre><code class="block">never closed</code></pre>',
    "---": "<hr>",
    "[a](https://x.org/?a=1&b=2)": '<p><a href="https://x.org/?a=1&amp;b=2" rel="noreferrer">a</a></p>',
    "[a](javascript:b)": "<p>[a](javascript:b)</p>",
    "2 * 3 * 4, snake_case_name": "<p>2 * 3 * 4, snake_case_name</p>",
    "\\*a\\*": "<p>*a*</p>",
    "#no heading": "<p>#no heading</p>",
    "a\n# b": "<p>a</p><h1>b</h1>",
}


@pytest.mark.parametrize("text", MARKED)
def test_markdown(text):
    assert shown(text) == MARKED[text]


@given(st.text(alphabet="ab1 *_`#>-\n[]()E\\<&.~", max_size=120))
def test_any_text_becomes_a_page_and_ends(text):
    assert "<script" not in shown(text) and shown(text).count("<a ") <= text.count("[")


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.hrefs: set[str] = set()
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == "href":
                self.hrefs.add(value)
            if name == "id":
                self.ids.append(value)
            if name.startswith("on") or name == "src":
                self.handlers.append(name)


def test_every_citation_leads_to_its_evidence():
    _, data, _, _ = made(Params(example=True))
    found = Links(APP.documents["html"](data))
    inside = {href[1:] for href in found.hrefs if href.startswith("#")}
    assert inside <= set(found.ids) and len(found.ids) == len(set(found.ids))
    assert {f"evidence-{piece['id']}" for piece in data["evidence"]} <= set(found.ids)
    assert len([href for href in inside if href.startswith("evidence-")]) == 12
    assert not found.tags & {"script", "img", "iframe", "link"}


def test_hostile_answers_and_evidence_stay_text():
    _, data, _, _ = made(Params(example=True))
    data["question"] = HOSTILE
    data["briefing"] = f"# {HOSTILE}\n\n{HOSTILE}\n\n- {HOSTILE}\n\n```\n{HOSTILE}\n```"
    data["procurement"]["lines"][0] |= {"item": HOSTILE, "because": HOSTILE, "unit": HOSTILE, "evidence": [HOSTILE]}
    data["annex"]["open_questions"][0]["text"] = HOSTILE
    data["evidence"][0] |= {"title": HOSTILE, "file": HOSTILE}
    data["plays"] = None
    data["errors"] = [{"stage": "plays", "cell": {}, "code": "internal", "message": HOSTILE, "hint": "", "attempts": 1}]
    page = APP.documents["html"](data)
    found = Links(page)
    assert "script" not in found.tags and "img" not in found.tags and not found.handlers
    assert all(href.startswith(("#", "https://")) for href in found.hrefs)
    assert "\u202e" not in page and "\x07" not in page


def test_the_markdown_is_one_document_with_a_list_of_evidence():
    _, data, _, _ = made(Params(example=True))
    text = APP.markdown(data)
    assert re.findall(r"^# (\w+)", text, re.MULTILINE) == ["Mend", "Plays", "Procurement", "Annex", "Evidence"]
    assert "- **S3** (supporting) What the port of Kessel did, `supporting/S3-kessel.md`: briefing, plays, procurement" in text
    assert "| **In all** | | **528,960** | | | |" in text and "Order first: Grid connection, 1.2 MVA" in text


def test_rows():
    _, data, _, _ = made(Params(example=True))
    found = APP.rows(data)
    assert [row["stage"] for row in found] == ["briefing", "plays", "procurement", "annex"]
    assert all(row["content"] and row["source"] == "model" and row["seconds"] > 0 for row in found)
