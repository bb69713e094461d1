"""Draw `docs/run.svg`: a real run on the simulated provider, half way and at its end. `python docs/picture.py`."""

from __future__ import annotations

import asyncio
import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from fanfold import Engine
from fanfold.apps.mealplan import APP
from fanfold.views.progress import Progress, Terminal
from fanfold.views.report import describe

COMMAND = "fanfold mealplan --days 7 --diet vegetarian"


async def main() -> None:
    console = Console(record=True, width=100, force_terminal=True, file=io.StringIO())
    console.print(Text.assemble(("$ ", "green"), COMMAND))
    quiet = Console(width=100, force_terminal=True, file=io.StringIO())
    surface = Terminal(quiet)
    async with Engine("sim/default", seed=11, store=":memory:") as engine:
        plan = APP.plan(APP.params(days=7, diet="vegetarian"))
        progress = Progress(surface, labels=lambda step, at: run.labels(step, at))
        run = engine.start(plan, sinks=[progress])
        accepted = 0
        async for cell in run:
            accepted += cell.state == "accepted"
            if accepted == 12:
                console.print(surface.draw())
                console.print()
        result = await run.result()
    names = [recipe.name for recipe in result["recipe"].values[:3]]
    console.print(Text("# Day 1", style="bold"))
    for meal, name in zip(("Breakfast", "Lunch", "Dinner"), names, strict=True):
        console.print(Text(f"## {meal}: {name}"))
    console.print(Text("…\n", style="dim"))
    console.print(Text(describe(result.report)))
    svg = re.sub(r"\s*@font-face \{.*?\}|\s*<!--.*?-->", "", console.export_svg(title="fanfold"), flags=re.DOTALL)
    Path(__file__).with_name("run.svg").write_text(svg, "utf-8")  # no font is fetched from anywhere


if __name__ == "__main__":
    asyncio.run(main())
