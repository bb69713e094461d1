"""The printable page: what is on it, that nothing in a recipe can do anything to it, and that it needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanfold.apps.mealplan.exports import content
from fanfold.apps.mealplan.html import html
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.shopping import shopping_list
from tests.apps.recipes import recipe
from tests.apps.test_mealplan_exports import STEW, TOAST, result

VOID = {"meta", "input"}
TAGS = {"html", "head", "meta", "title", "style", "body", "header", "footer", "nav", "section", "article", "div", "h1", "h2", "h3", "p", "a", "strong",
        "small", "span", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "label", "input"}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of it: tags with their attributes, and the text outside of the style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def failed(day: int, meal: str, why: str) -> dict[str, Any]:
    return {
        "stage": "recipe",
        "cell": {"day": day, "meal": meal},
        "code": "check_failed",
        "message": why,
        "hint": "",
        "attempts": 8,
    }


def two_days(**params: Any) -> dict[str, Any]:
    cells = {(2, "lunch"): STEW, (1, "breakfast"): TOAST}
    return content(Params(days=2, meals="breakfast,lunch", **params), result(cells, [shopping_list([TOAST, STEW])]))


def test_the_week_leads_to_the_recipes():
    page = Page(html(two_days()))
    anchors = {attributes["href"] for attributes in page.all("a")}
    assert anchors == {"#day-1-breakfast", "#day-2-lunch"} == {f"#{each['id']}" for each in page.all("article")}
    for text in (
        "2 days, 2 recipes",
        "Cheese Toast",
        "10 min",
        "gluten, milk",
        "Contains gluten, milk",
        "4 slices bread",
        "Melt the cheddar on it.",
    ):
        assert text in page.text
    assert "No allergens named" in page.text, "the stew"


def test_every_day_says_its_date_when_the_start_is_known():
    page = Page(html(two_days(start="2026-11-23")))
    assert "Monday 23 November 2026 to Tuesday 24 November 2026: 2 days" in page.text
    assert page.text.count("Tuesday 24 November") == 3, "above, in the table, and over its recipes"
    assert "November" not in Page(html(two_days())).text


def test_the_shopping_list_has_boxes_and_says_for_which_day():
    page = Page(html(two_days()))
    assert len(page.all("input")) == len(two_days()["shopping_list"]) == 6
    assert {each["type"] for each in page.all("input")} == {"checkbox"}
    assert "2 carrots day 2" in page.text and "Vegetables and fruit" in page.text


def test_what_is_missing_is_said():
    shopping = {"stage": "shopping", "cell": {}, "code": "upstream", "message": "nothing to add up", "hint": "", "attempts": 0}
    data = {
        **two_days(),
        "errors": [failed(2, "breakfast", "it contains pork"), failed(1, "lunch", "it takes 90 minutes"), shopping],
    }
    page = Page(html(data))
    assert "2 meals missing: day 1 lunch , day 2 breakfast ." in page.text
    assert "it takes 90 minutes" in page.text and "No shopping: nothing to add up." in page.text
    assert [each["id"] for each in page.all("article")] == ["day-1-breakfast", "day-1-lunch", "day-2-breakfast", "day-2-lunch"]
    filled = {**two_days(), "errors": [failed(1, "breakfast", "filled by its fallback")]}
    assert "missing" not in Page(html(filled)).text


def test_an_empty_plan_is_a_page():
    data = {**content(Params(days=1, meals="dinner"), result({}, [])), "errors": [failed(1, "dinner", "no answer")]}
    page = Page(html(data))
    assert (
        "1 day, 0 recipes" in page.text
        and "1 meal missing: day 1 dinner" in page.text
        and "There is nothing to shop for." in page.text
    )
    assert Page(html(content(Params(days=1), result({}, [])))).all("article") == []


def test_it_needs_nothing_else_and_runs_nothing():
    text = html(two_days())
    assert not re.search(r"https?:|url\(|@import|src=|<link|<script|javascript:", text)
    policy = next(each["content"] for each in Page(text).all("meta") if "http-equiv" in each)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert text == html(two_days()), "the same plan, the same page"


def test_it_prints_well():
    text = html(two_days())
    for rule in (
        r"size: A4",
        r"article, \.notes \{ break-inside: avoid",
        r"\.shopping \{ break-before: page",
        r"max-width: 40rem",
    ):
        assert re.search(rule, text)


EVIL = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</style><img src=x onerror=alert(1)>",
        "\"' onmouseover=x",
        "&lt;b&gt;",
        "]]>-->",
        "\u202e\x00\x1b[31m",
    ]
)


@given(EVIL, EVIL)
def test_text_of_a_model_stays_text(one, other):
    nasty = recipe(
        name="x" + one, cuisine="x" + other, steps=[one, other], ingredients=[{"name": "y" + one, "amount": 1, "unit": other}]
    )
    data = content(Params(days=1, meals="lunch"), result({(1, "lunch"): nasty}, [shopping_list([nasty])]))
    data["errors"] = [failed(1, "dinner", one), {**failed(1, "x", other), "stage": other}]
    text = html(data)
    page = Page(text)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= {
        "lang", "charset", "http-equiv", "content", "name", "class", "href", "id", "scope", "data-meal", "aria-label", "type",
    }  # fmt: skip
    text.encode("utf-8")
    assert "\0" not in text and "\x1b" not in text and "\u202e" not in text
