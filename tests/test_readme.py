"""What the README shows is true: its Python runs, its commands are commands, its example file is a plan."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel

from fanfold import Engine, Limits, Markdown
from fanfold.planfile import load_plan
from fanfold.spec.compile import compile_plan
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_one_liner():
    names: dict[str, object] = {}
    code = blocks("python")[0].replace('model="sim/default"', 'store=":memory:", model="sim/default", provider=PROVIDER')
    provider = ScriptedProvider(lambda request, n: Says({"name": f"Dish {n}", "minutes": 5, "steps": []}, latency_s=0))
    exec(compile(code, "README", "exec"), {"PROVIDER": provider}, names)
    recipes = names["recipes"]
    assert len(recipes.values) == 21 and recipes.at(day=3, meal="lunch").name.startswith("Dish")  # type: ignore[attr-defined]


async def test_several_steps():
    class Outline(BaseModel):
        sections: list[str]

    def script(request, n):
        text = request.messages[-1].content
        if text.startswith("Outline"):
            return Says({"sections": ["a", "b"]}, latency_s=0)
        return Says({"reason": "", "pass": True} if text.startswith("Is this") else text, latency_s=0)

    code = (
        blocks("python")[1].replace('"openai/gpt-4o-mini"', 'store=":memory:", provider=PROVIDER').replace("print(cell)", "pass")
    )
    body = "async def main():\n" + "\n".join("    " + line for line in code.splitlines()) + "\n    return result\n"
    names = {"Outline": Outline, "PROVIDER": ScriptedProvider(script), "Limits": Limits, "Markdown": Markdown}
    exec(compile(body, "README", "exec"), names)
    result = await names["main"]()  # type: ignore[operator]
    assert result.ok and len(result["section"].values) == 4 and len(result["edit"].values) == 2


def test_a_hundred_that_differ(tmp_path, monkeypatch):
    class Review(BaseModel):
        title: str
        text: str

    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text("name\n" + "".join(f"P{n}\n" for n in range(200)))
    names: dict[str, object] = {"Review": Review}
    exec(compile(blocks("python")[2], "README", "exec"), names)

    async def main():
        def script(request, number):  # every fourth answer is somebody's already
            return Says(
                {"title": sha256(b"%d" % (number * 3 // 4)).hexdigest()[:12], "text": request.messages[-1].content * 2},
                latency_s=1,
            )

        async with Engine(provider=ScriptedProvider(script), store=":memory:", clock=VirtualClock()) as engine:
            return await engine.start(names["plan"]).result()

    result = run(main())
    assert result.shortfall is None and len({review.title for review in result.values}) == 100
    people = [cell.candidates for cell in result["review"]]
    assert all(len(found) == 1 for found in people) and len(set(people)) == 100


def test_the_example_is_a_plan():
    assert compile_plan(load_plan(ROOT / "examples" / "haiku.yaml")).steps[0].unique is not None


def test_the_picture_is_there_and_fetches_nothing():
    picture = (ROOT / "docs" / "run.svg").read_text("utf-8")
    assert set(re.findall(r"https?://[^\"]*", picture)) == {"http://www.w3.org/2000/svg"}
    for word in ("speed-up", "lower bound", "duplicates"):
        assert word in picture.replace("&#160;", " ")


def test_the_generated_pages_are_fresh():
    source = (ROOT / "docs" / "generate.py").read_text("utf-8")
    names: dict[str, object] = {"__name__": "pages", "__file__": str(ROOT / "docs" / "generate.py")}
    exec(compile(source, "docs/generate.py", "exec"), names)
    for name, page in names["PAGES"].items():  # type: ignore[attr-defined]
        assert (ROOT / "docs" / name).read_text("utf-8") == page(), f"docs/{name} is stale: python docs/generate.py"
