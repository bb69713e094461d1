"""A tree that is discovered as it grows, five levels deep and ragged: how close its run comes to the longest chain of calls.

document → chapters → sections → questions → replies: each answer lists what the next level is about, some list nothing. Sizes and latencies
are drawn by place, so that the fastest possible run is known without running it. Virtual time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from time import process_time
from typing import Any

from pydantic import BaseModel

from fanfold import Axis, Engine, Limits, Plan, Result, Step
from fanfold.spec.calls import Fault, Request, Usage
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

LEVELS = ("document", "chapter", "section", "question", "reply")
FEWEST_MOST = ((2, 9), (0, 9), (0, 7), (0, 5))  # items of an answer, level by level
DOCUMENTS = 6
CAP = 64
MOST_OF_PATH, MOST_OF_WORK = 1.05, 1.2
SUMMARY_S = 2.0


class Parts(BaseModel):
    items: list[str]


def draw(*place: Any) -> float:
    """0 … 1, the same for a place at all times."""
    return int.from_bytes(blake2b("/".join(map(str, place)).encode(), digest_size=8).digest(), "big") / 2**64


@dataclass(frozen=True)
class Tree:
    """What the model will say, and how long it takes: by name, "2.0.3" is item 3 of item 0 of document 2."""

    seed: int
    documents: int = DOCUMENTS

    def items(self, name: str) -> list[str]:
        level = name.count(".")
        if level >= len(FEWEST_MOST):
            return []
        fewest, most = FEWEST_MOST[level]
        return [f"{name}.{n}" for n in range(fewest + int(draw(self.seed, "size", name) * (most - fewest + 1)))]

    def latency_s(self, name: str) -> float:
        """Half a second to five; one in a hundred up to fifteen. A twin takes as long, so that hedges are for nothing here."""
        slow = 3.0 if draw(self.seed, "slow", name) < 0.01 else 1.0
        return slow * (0.5 + 4.5 * draw(self.seed, "latency", name) ** 2)

    def names(self) -> list[str]:
        """Of every cell, parents before children."""
        found = [str(n) for n in range(self.documents)]
        for name in found:
            found += self.items(name)
        return found

    def ends(self) -> dict[str, float]:
        """When each cell ends at the earliest: its parent's end, and its own latency."""
        found: dict[str, float] = {}
        for name in self.names():
            found[name] = found.get(name.rpartition(".")[0], 0.0) + self.latency_s(name)
        return found

    def path_s(self) -> float:
        """The longest chain: no run can be shorter. A document's summary waits for the last of its tree."""
        return max(self.ends().values()) + SUMMARY_S

    def work_s(self) -> float:
        return sum(map(self.latency_s, self.names())) + SUMMARY_S * self.documents


def plan(tree: Tree) -> Plan:
    """Each level runs over the ones above it and the list found in the answer above; at the end a summary of each document."""
    axes = [Axis("document", [str(n) for n in range(tree.documents)])]
    axes += [Axis(name, each=f"{above}_parts.items") for above, name in pairwise(LEVELS)]
    steps = [
        Step(f"{name}_parts", f"say {{{name}}}", output=Parts, over=LEVELS[: level + 1], weight=0 if level == 0 else 1)
        for level, name in enumerate(LEVELS)
    ]
    return Plan("deep", [*steps, Step("summary", f"sum up {{{LEVELS[-1]}_parts}}", over="document", at_least=0)], axes)


@dataclass
class Grown:
    """One run. ends: by name, when its answer had come; begins: when it was asked."""

    tree: Tree
    fails: Callable[[str], bool] = lambda name: False
    begins: dict[str, float] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    result: Result | None = None
    took_s: float = 0.0

    @property
    def wall_s(self) -> float:
        assert self.result is not None
        return float(self.result.report["wall_s"])

    def script(self, request: Request, number: int) -> Says | Fails:
        text = request.messages[-1].content
        if not text.startswith("say "):
            return Says("a summary", latency_s=SUMMARY_S)
        name = text.removeprefix("say ")
        took = self.tree.latency_s(name)
        began = self.provider.started[number]
        self.begins.setdefault(name, began)
        self.ends.setdefault(name, began + took)
        if self.fails(name):
            return Fails(Fault(code="filtered", message="not this one"), latency_s=took)
        return Says({"items": self.tree.items(name)}, latency_s=took, usage=Usage(tokens_in=20, tokens_out=20))

    def grow(self, cap: int) -> Grown:
        begun = process_time()
        self.result = run(self._main(cap))
        self.took_s = process_time() - begun
        return self

    async def _main(self, cap: int) -> Result:
        self.provider = ScriptedProvider(self.script)
        options: dict[str, Any] = {"store": ":memory:", "clock": VirtualClock(), "seed": 1, "limits": Limits(concurrent=cap)}
        async with Engine("sim/x", provider=self.provider, **options) as engine:
            return await engine.run(plan(self.tree))


def measure() -> Iterator[tuple[str, float, float | None]]:
    tree = Tree(1, documents=40)
    free, capped = Grown(tree).grow(100_000), Grown(tree).grow(CAP)
    assert free.result is not None and free.result.ok and capped.result is not None and capped.result.ok
    yield (
        f"{len(tree.names()):,} cells, nothing in their way: makespan over the longest chain",
        free.wall_s / tree.path_s(),
        MOST_OF_PATH,
    )
    work = tree.work_s() / CAP
    yield (
        f"    {CAP} at once: makespan over the work bound ({work:.0f} s)",
        capped.wall_s / max(work, tree.path_s()),
        MOST_OF_WORK,
    )
    yield "    CPU ms for a cell", 1e3 * free.took_s / len(tree.names()), None
