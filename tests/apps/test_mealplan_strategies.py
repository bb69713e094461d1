"""Where recipes come from: whole plans on the simulated provider, and the share of each day."""

from __future__ import annotations

import json
import random

import pytest

from fanfold import Engine, PlanError
from fanfold.apps.mealplan import APP
from fanfold.apps.mealplan.asked import candidates, read
from fanfold.apps.mealplan.checks import checks_for
from fanfold.apps.mealplan.content import recipe as written
from fanfold.apps.mealplan.corpus import Corpus
from fanfold.apps.mealplan.params import Params
from fanfold.apps.mealplan.prompts import SYSTEM, grounded, rules
from fanfold.apps.mealplan.strategy import candidates_for, from_corpus
from fanfold.apps.mealplan.types import Recipe
from fanfold.sim.pen import Habits, Pen
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.spec.phrases import avoid
from fanfold.spec.plan import Cell
from fanfold.testing.virtual import VirtualClock, run

SHIPPED = {recipe["name"]: recipe for recipe in Corpus.shipped().recipes}


class Watched:
    """The simulated provider, and what it was asked."""

    def __init__(self, seed: int) -> None:
        self._inner = SimProvider(World(seed=seed))
        self.prompts: list[str] = []

    async def call(self, request, heard):
        self.prompts.append("\n\n".join(message.content for message in request.messages))
        return await self._inner.call(request, heard)

    async def close(self):
        await self._inner.close()


def planned(params: Params, seed: int = 1):
    """(result, its content, the prompts)."""
    provider = Watched(seed)

    async def main():
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock(), seed=seed) as engine:
            return await engine.start(APP.plan(params)).result()

    result = run(main())
    return result, APP.content(params, result), provider.prompts


def meals(content) -> list[dict]:
    return [{**meal, "day": day["day"]} for day in content["plan"] for meal in day["meals"]]


def distinct(content) -> int:
    return len({meal["recipe"]["name"].casefold() for meal in meals(content)})


def first_shown(prompts: list[str]) -> dict[str, list[dict]]:
    """Cell -> the candidates that it was shown, every time the same."""
    shown: dict[str, list[dict]] = {}
    for prompt in prompts:
        found = candidates(prompt)
        assert shown.setdefault(prompt.split("Write the recipe for ")[1].split(".")[0], found) == found
    return shown


@pytest.mark.parametrize("seed", range(4))
def test_a_hybrid_week_is_distinct_and_half_of_it_is_from_the_corpus(seed):
    result, content, _ = planned(Params(), seed)
    assert result.ok and distinct(content) == 21 and content["shopping_list"]
    sources = [[meal["source"] for meal in day["meals"]] for day in content["plan"]]
    assert sum(day.count("rag") for day in sources) in (10, 11)
    assert all(1 <= day.count("rag") <= 2 for day in sources)


def test_rag_shows_each_recipe_of_the_corpus_to_one_cell_only():
    params = Params(strategy="rag")
    result, content, prompts = planned(params)
    assert result.ok and distinct(content) == 21
    shown = first_shown(prompts)
    names = [candidate["name"] for found in shown.values() for candidate in found]
    assert len(shown) == 21 and all(1 <= len(found) <= 3 for found in shown.values())
    assert len(names) == len(set(names)) == 63 and set(names) <= SHIPPED.keys()
    for meal in meals(content):
        own = {candidate["name"] for candidate in shown[f"day {meal['day']}, meal: {meal['type']}"]}
        assert meal["source"] == "rag" and meal["recipe"]["name"].removeprefix("Homestyle ") in own
        assert all(meal["type"] in SHIPPED[name]["meals"] for name in own)


def test_llm_shows_nothing():
    result, content, prompts = planned(Params(days=2, strategy="llm"))
    assert result.ok and {meal["source"] for meal in meals(content)} == {"llm"} and not any(map(candidates, prompts))


@pytest.mark.parametrize("strategy", ["rag", "hybrid"])
def test_every_rule_holds_for_what_comes_from_the_corpus_too(strategy):
    params = Params(
        days=4, diet="vegetarian,gluten-free", allergens="nuts", exclude="mushrooms,tofu", calories=2000, servings=3, max_minutes=45,
        strategy=strategy,
    )  # fmt: skip
    result, content, _ = planned(params)
    assert result.ok and distinct(content) == 12
    assert sum(meal["source"] == "rag" for meal in meals(content)) >= 5
    for meal in meals(content):
        recipe = Recipe.model_validate({**meal["recipe"], "meal": meal["type"]})
        assert [found for check in checks_for(params) if (found := check(recipe))] == []


def test_where_the_corpus_has_nothing_the_model_is_alone():
    params = Params(days=3, cuisines="martian", strategy="rag")
    result, content, prompts = planned(params)
    assert result.ok and {meal["source"] for meal in meals(content)} == {"llm"} and not any(map(candidates, prompts))
    assert content["corpus"] == {
        "asked": 9, "grounded": 0,
        "message": "9 of 9 recipes that were to come from the corpus are by the model alone: nothing else in it suited",
    }  # fmt: skip
    assert content["corpus"]["message"] in APP.markdown({**content, "errors": []})


def test_a_corpus_of_ones_own_that_never_suits_is_refused_before_a_call(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"recipes": [{"name": "Beef stew", "ingredients": ["200 g beef"]}]}))
    with pytest.raises(
        PlanError, match=r"none of its recipes \(1\) suits: Diet: vegan; Meals: breakfast, lunch, dinner"
    ) as caught:
        candidates_for(Params(strategy="rag", corpus=str(path), diet="vegan"))
    assert caught.value.path == "corpus" and "--strategy llm" in caught.value.hint
    assert candidates_for(Params(strategy="rag", corpus=str(path))) is not None
    assert candidates_for(Params(ratio=0, corpus=str(path), diet="vegan")) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is not valid JSON"), ("[1]", "is not a list of recipes"), ("[]", "has no recipes"), ('[{"name": "x"}]', "recipe 1: has no ingredients")],
)  # fmt: skip
def test_a_json_file_that_is_wrong(tmp_path, text, said):
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(PlanError, match=said):
        Corpus.read(tmp_path / "own.json")


def test_what_is_left_of_a_small_corpus_is_the_models(tmp_path):
    rows = [
        {"name": f"Grandma's Stew {n}", "ingredients": "200 g rice; 1 onion; 2 carrots", "steps": "Cook.; Eat."} for n in range(5)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result, content, prompts = planned(Params(days=3, strategy="rag", corpus=str(path)))
    assert result.ok and distinct(content) == 9
    own = [meal for meal in meals(content) if meal["source"] == "rag"]
    assert (content["corpus"]["asked"], content["corpus"]["grounded"]) == (9, 5)
    assert sorted(meal["recipe"]["name"] for meal in own) == [row["name"] for row in rows]
    assert all(len(found) <= 1 for found in first_shown(prompts).values())
    assert {meal["recipe"]["servings"] for meal in own} == {2} and all(len(meal["recipe"]["steps"]) >= 2 for meal in own)


def test_a_month_is_distinct():
    result, content, prompts = planned(Params(days=30, strategy="rag"))
    assert result.ok and distinct(content) == 90
    names = [candidate["name"] for found in first_shown(prompts).values() for candidate in found]
    assert len(names) == len(set(names))


# -------------------------------------------------------------------- the share of each day


@pytest.mark.parametrize("count", range(1, 7))
@pytest.mark.parametrize("ratio", [0, 0.1, 0.25, 1 / 3, 0.5, 0.7, 0.9, 1])
def test_each_day_and_each_meal_has_its_share(count, ratio):
    params = Params(
        days=20, meals=["breakfast", "brunch", "lunch", "snack", "dinner", "dessert"][:count], ratio=ratio, strategy="hybrid"
    )
    grid = [[from_corpus(params, day, place) for place in range(count)] for day in range(20)]
    assert abs(sum(map(sum, grid)) - 20 * count * ratio) <= 1
    assert all(abs(sum(day) - count * ratio) < 1.001 for day in grid)
    of_meals = [sum(day[place] for day in grid) for place in range(count)]
    assert max(of_meals) - min(of_meals) <= 1


def test_the_ratio_decides():
    for ratio, expected in ((0, 0), (1, 6), (0.34, 2)):
        _, content, _ = planned(Params(days=2, ratio=ratio))
        assert sum(meal["source"] == "rag" for meal in meals(content)) == expected


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"strategy": "rag", "ratio": 0.2}, "ratio", "belongs to the strategy hybrid, not rag"),
        ({"strategy": "llm", "ratio": 0.2}, "ratio", "belongs to the strategy hybrid, not llm"),
        ({"strategy": "llm", "corpus": "x.csv"}, "corpus", "belongs to the strategies rag and hybrid"),
        ({"corpus": "nowhere.csv"}, "nowhere.csv", "cannot be read"),
    ],
)
def test_what_does_not_belong_together_is_refused(given, path, message):
    with pytest.raises(PlanError) as raised:
        APP.plan(Params(**given))
    assert raised.value.path == path and message in raised.value.message


# -------------------------------------------------------------------- prompts, and what is made of them


def cell(params: Params, day: int = 1, meal: str = "dinner", found=None) -> Cell:
    return Cell("recipe", {"day": day, "meal": meal}, {"rules": rules(params)}, {}, {}, candidates=found)


def pen(params: Params, prompt: str) -> Pen:
    whole = SYSTEM.replace("{rules}", rules(params)) + "\n\n" + prompt
    return Pen(random.Random(1), whole, {}, Habits(slips=0.0, obeys=1.0))


def test_a_prompt_shows_what_is_known_and_is_read_back():
    params = Params(strategy="rag", servings=4)
    declared = candidates_for(params)
    found = declared.source(cell(params))[:3]
    prompt = grounded(cell(params, found=found))
    assert prompt.endswith("Write the recipe for day 1, meal: dinner.") and grounded(cell(params, found=[])).count("\n") == 0
    shown = candidates(SYSTEM + prompt)
    assert [candidate["name"] for candidate in shown] == [recipe["name"] for recipe in found]
    assert {"cuisine", "minutes", "ingredients", "steps"} <= shown[0].keys()
    assert read(SYSTEM.replace("{rules}", rules(params)) + prompt).meal == "dinner"


def test_a_model_whose_choices_are_all_taken_names_its_dish_anew():
    params = Params(strategy="rag")
    found = candidates_for(params).source(cell(params))[:3]
    names = [recipe["name"] for recipe in found]
    prompt = grounded(cell(params, found=found))
    assert written(pen(params, prompt))["name"] in names
    assert written(pen(params, prompt + "\n\n" + avoid(names[:2])))["name"] == names[2]
    assert written(pen(params, prompt + "\n\n" + avoid(names)))["name"] in [f"Homestyle {name}" for name in names]


def test_every_recipe_of_the_corpus_can_be_adapted():
    """For other servings, within the checks; ingredients are what they were."""
    params = Params(strategy="rag", servings=5)
    for recipe in SHIPPED.values():
        prompt = grounded(cell(params, meal=recipe["meals"][0], found=[recipe]))
        made = Recipe.model_validate(written(pen(params, prompt)))
        assert [found for check in checks_for(params) if (found := check(made))] == [], recipe["name"]
        assert made.name == recipe["name"] and len(made.ingredients) == len(recipe["ingredients"])
