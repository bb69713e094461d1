"""What becomes of the calls of one seed. The same seed, cell and attempt have the same luck, in any order of events."""

from __future__ import annotations

from typing import NamedTuple

from fanfold.core.commands import FALLBACK, JUDGE, Call
from fanfold.core.draw import fold, uniform
from fanfold.core.run import Cell
from fanfold.forecast.asked import FAULTS, Asked, AskedStep, Size
from fanfold.forecast.habits import Habits, Luck, Temper, Voice, normal
from fanfold.forecast.names import rank
from fanfold.forecast.sizes import VERDICT_MOST, guess
from fanfold.spec.calls import Broken, Fault, Hit, Reply, Usage, Work

OBEYS = 0.95  # answers that keep to an avoid-list
SECOND_THOUGHTS = 10
MENDED = 0.25  # of its mistakes, a model that was told of one makes again
NAME_TOKENS_TOLD = 8  # of a name in an avoid-list, and of a reason
REASON_TOKENS = 40
EARLY = 4  # a fault comes after a quarter of the time that the answer would have taken


class Flight(NamedTuple):
    """What becomes of a call: after `took` µs its outcome; after `first` µs, where it streams, its first token; after `named` µs, where
    its identity streams, the name it has.
    """

    took: int
    outcome: Reply | Fault
    tokens_in: int
    first: int | None = None
    named: int = 0
    name: str | None = None


class _Step:
    """One step in the weather of one seed. booked: the size that its answers are taken to have before any has come."""

    __slots__ = (
        "booked",
        "constant",
        "habits",
        "items",
        "judge_booked",
        "judged",
        "lengths",
        "named",
        "size",
        "streams",
        "voice",
    )

    def __init__(self, step: AskedStep, habits: Habits, size: Size, items: float = 1) -> None:
        self.items = items
        words = step.compiled.step
        self.habits, self.size, self.voice = habits, size, habits.voice
        self.booked, self.judge_booked = guess(step.max_tokens), guess(VERDICT_MOST)
        self.named = step.compiled.unique is not None
        self.streams = step.streams
        self.judged = words.judge is not None
        self.lengths = tuple(habits.lengths.items())
        self.constant = not callable(words.fallback)


class Weather:
    """prepare, fly, spent: what a heap of moments asks."""

    def __init__(self, asked: Asked, seed: int) -> None:
        self._seed = seed
        self._steps = [_Step(*prospect, asked.items.get(prospect[0].name, 1)) for prospect in asked.prospects]
        self._temper = Temper(normal(uniform(seed, -1)), normal(uniform(seed, -2)))

    # ---------------------------------------------------------------- before a call

    def prepare(self, cell: Cell, phase: int) -> Work | Hit | Broken:
        """Its size; or the value of a function or a fallback, whose keys are its own."""
        step = self._steps[cell.rule.index]
        if phase == FALLBACK or cell.rule.function:
            key = None
            if step.named:
                key = f"fallback {'' if phase == FALLBACK and step.constant else cell.id}"
            return Hit(reply=Reply(usage=Usage(), key=key, exact=True, lengths=self._lengths(step, self._luck(cell, phase, 0))))
        return Work(step.size.booked, step.booked)

    def _luck(self, cell: Cell, phase: int, spare: int, *more: int) -> Luck:
        tried = (cell.judged, cell.races, cell.retries, cell.waits, cell.lane, phase, spare, *more)
        return Luck(fold((self._seed, cell.rule.index, *cell.at, *tried)))

    def _lengths(self, step: _Step, luck: Luck) -> dict[str, int] | None:
        if not step.lengths:
            return None
        return {axis: likely[int(luck.draw() * len(likely))] for axis, likely in step.lengths}

    # ---------------------------------------------------------------- a call

    def fly(self, call: Call, spare: int) -> Flight:
        """What becomes of a call. spare: calls of this cell that are in the air already."""
        cell = call.cell
        step, luck = self._steps[cell.rule.index], self._luck(cell, call.phase, spare, *((1,) if call.swapped else ()))
        habits = step.habits
        told = NAME_TOKENS_TOLD * len(call.avoid) + (REASON_TOKENS if call.reason else 0)
        if call.phase == JUDGE:
            return self._judge(step, luck)
        said = step.voice.speak(luck, self._temper)
        if step.items > 1:
            said = said.of(step.items)
        if call.repair:
            told += said.tokens_out
        tokens_in = (step.size.charged if said.tokens_in is None else said.tokens_in) + told
        chance = luck.draw()
        for code, share in habits.faults:
            chance -= share
            if chance < 0:
                return Flight(max(1, said.took // EARLY), FAULTS[code], tokens_in)
        usage = Usage(tokens_in=tokens_in, tokens_out=said.tokens_out)
        finding, check = self._finding(habits, luck, told=bool(call.reason))
        name = str(self._rank(habits.names, luck, call.avoid)) if step.named else None
        reply = Reply(
            usage=usage, key=name, finding=finding, check=check, lengths=self._lengths(step, luck),
            judge=(step.size.judge_booked, step.judge_booked) if step.judged else None,
        )  # fmt: skip
        if not step.streams:
            return Flight(said.took, reply, tokens_in)
        return Flight(said.took, reply, tokens_in, said.first, said.named, name)

    def _finding(self, habits: Habits, luck: Luck, *, told: bool) -> tuple[str | None, str]:
        chance = luck.draw()
        if chance < habits.malformed:
            return "foreseen: it does not fit the schema", "schema"
        if chance - habits.malformed < habits.refused * (MENDED if told else 1.0):
            return "foreseen: a check refuses it", "foreseen"
        return None, ""

    def _rank(self, space: int, luck: Luck, avoid: tuple[str, ...]) -> int:
        found = rank(luck.draw(), space)
        if avoid and luck.draw() < OBEYS:
            for _ in range(SECOND_THOUGHTS):
                if str(found) not in avoid:
                    break
                found = rank(luck.draw(), space)
        return found

    def _judge(self, step: _Step, luck: Luck) -> Flight:
        voice: Voice = step.habits.judge
        said = voice.speak(luck, self._temper)
        tokens_in = step.size.judge_charged if said.tokens_in is None else said.tokens_in
        passes = luck.draw() < step.habits.passes
        reply = Reply(
            usage=Usage(tokens_in=tokens_in, tokens_out=said.tokens_out), verdict=passes,
            finding=None if passes else "foreseen: the judge refuses it", check="" if passes else "judge",
        )  # fmt: skip
        return Flight(said.took, reply, tokens_in)
