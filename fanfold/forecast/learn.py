"""What earlier runs of a plan teach: how long its calls took, how much they said, what went wrong. Folded from their journals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import msgspec
from msgspec.structs import replace as with_

from fanfold.forecast.asked import FAULTS, Asked, AskedStep, declared_habits
from fanfold.forecast.habits import Habits, Seen, Voice
from fanfold.forecast.names import space_of
from fanfold.spec.errors import Code
from fanfold.spec.events import ANSWER, AnyEvent, Called, CellEnded, Rested, RunStarted, Settled
from fanfold.spec.ports import RunRecord, Store

RUNS, RUNS_LOOKED_AT = 5, 200
EVENTS, PAGE = 20_000, 2_000  # read of one run's journal
KEPT = 2_000  # answers of a step that are drawn again
ENOUGH = 8  # answers of a step below which what is declared says more
DOUBT = 20  # answers' worth of weight that a declared share keeps against what was seen
ENDED = frozenset({"complete", "partial"})


class Lesson:
    """What was seen of one step."""

    def __init__(self) -> None:
        self.answers: list[Seen] = []
        self.judged: list[Seen] = []
        self.faults: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()  # answers that were not good, by code; of the judge, "judge"
        self.lengths: dict[str, list[int]] = {}
        self.calls = self.cells = self.runs = 0

    def settled(self, event: Settled, items: int = 1) -> None:
        """items: calls of its request."""
        if event.phase == ANSWER:
            self.calls += 1
        if event.outcome == "ok":
            (self.answers if event.phase == ANSWER else self.judged).append(
                Seen(event.took, event.tokens_in, event.tokens_out, items)
            )
        elif event.outcome in FAULTS and event.phase == ANSWER:
            self.faults[event.outcome] += 1

    def refused(self, code: str, check: str) -> None:
        self.refusals["judge" if check == "judge" else code] += 1

    def ended(self, event: CellEnded) -> None:
        self.cells += 1
        for axis, length in (event.lengths or {}).items():
            self.lengths.setdefault(axis, []).append(length)
        if event.state != "accepted" or event.code:
            if event.check != "judge":
                self.refusals[event.code] += 1
            elif event.code == Code.CHECK_FAILED:
                self.refusals["judge"] += 1


class Lessons:
    """What was seen of each step, by name."""

    def __init__(self) -> None:
        self.steps: dict[str, Lesson] = {}
        self.runs = 0
        self._names: list[str] = []
        self._items: dict[int, int] = {}  # call in the air -> calls of its request, where those are several

    def hear(self, events: Iterable[AnyEvent]) -> None:
        for event in events:
            if isinstance(event, RunStarted):
                self._began([facts.name for facts in event.steps], event.seq)
            elif isinstance(event, Called):
                if event.items > 1:
                    self._items[event.call] = event.items
            elif isinstance(event, Settled):
                self._of(event.step).settled(event, self._items.pop(event.call, 1))
            elif isinstance(event, Rested) and event.kind == "regenerate":
                self._of(event.step).refused(event.code, event.check)
            elif isinstance(event, CellEnded):
                self._of(event.step).ended(event)

    def _began(self, names: list[str], seq: int) -> None:
        self._names = names
        if seq == 0:  # a resumed run begins again, later in its journal
            self.runs += 1
            for name in names:
                self.steps.setdefault(name, Lesson()).runs += 1

    def _of(self, step: int) -> Lesson:
        return self.steps.setdefault(self._names[step], Lesson())


async def learn(asked: Asked, store: Store) -> Asked:
    """What is asked, with habits from the last runs of a plan of the same name with the same models. Raises StoreError."""
    lessons = Lessons()
    for record in (await store.runs())[:RUNS_LOOKED_AT]:
        if lessons.runs < RUNS and record.state in ENDED and record.plan == asked.plan.plan.name and _alike(record, asked):
            look = getattr(store, "look", None)  # to read only, where a store can
            journal, after = look(record.run_id) if look is not None else await store.journal(record), -1
            while after < EVENTS and (events := await journal.events(after, PAGE)):
                lessons.hear(events)
                after = events[-1].seq
    return taught(asked, lessons)


def _alike(record: RunRecord, asked: Asked) -> bool:
    """Whether its calls went where they would go now. A step's own model is part of the plan."""
    about = msgspec.json.decode(record.about)
    own = all(step.compiled.step.model or asked.plan.plan.model for step in asked.steps if step.model)
    return about.get("base_url") == asked.base_url and (own or about.get("model") == asked.model)


def taught(asked: Asked, lessons: Lessons) -> Asked:
    habits = {}
    for step in asked.steps:
        lesson = lessons.steps.get(step.name)
        if lesson is not None:
            habits[step.name] = _habits(declared_habits(asked.plan, step), step, lesson)
    used = any(each.learned for each in habits.values())
    return replace(asked, habits=habits, learned_from=lessons.runs if used else 0)


def _habits(before: Habits, step: AskedStep, lesson: Lesson) -> Habits:
    answers, judged = len(lesson.answers), len(lesson.judged)
    faults: Mapping[str, float] = {code: count / lesson.calls for code, count in lesson.faults.items()} if lesson.calls else {}
    declared = dict(before.faults)
    shares = {
        code: _share(faults.get(code, 0.0) * lesson.calls, lesson.calls, declared.get(code, 0.0))
        for code in {**declared, **faults}
    }
    refusals = lesson.refusals
    repeated = refusals[Code.DUPLICATE]
    return with_(
        before,
        voice=_voice(before.voice, lesson.answers),
        judge=_voice(before.judge, lesson.judged),
        faults=tuple(sorted((code, share) for code, share in shares.items() if share > 0)),
        malformed=_share(max(0, refusals[Code.MALFORMED] - lesson.faults[Code.MALFORMED]), answers, before.malformed),
        refused=_share(refusals[Code.CHECK_FAILED], answers, before.refused),
        passes=1 - _share(refusals["judge"], judged, 1 - before.passes),
        names=_names(before.names, lesson, repeated) if step.rule.unique is not None else before.names,
        lengths={**before.lengths, **{axis: tuple(seen[-KEPT:]) for axis, seen in lesson.lengths.items()}},
        learned=answers >= ENOUGH,
    )  # fmt: skip


def _share(seen: float, of: int, declared: float) -> float:
    """What was seen, and what is declared with the weight of `DOUBT` answers."""
    return (seen + declared * DOUBT) / (of + DOUBT)


def _voice(before: Voice, seen: list[Seen]) -> Voice:
    return with_(before, seen=tuple(seen[-KEPT:])) if len(seen) >= ENOUGH else before


def _names(before: int, lesson: Lesson, repeated: int) -> int:
    """The space in which the draws of one run would repeat each other as often as was seen. Never less than its cells need."""
    draws = len(lesson.answers) + repeated
    if draws < ENOUGH:
        return before
    return max(space_of(round(draws / lesson.runs), repeated / lesson.runs), 2 * lesson.cells // lesson.runs)
