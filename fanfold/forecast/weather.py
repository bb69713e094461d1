"""What becomes of the calls of one seed. The same seed, cell and attempt have the same luck, in any order of events."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from fanfold.core.commands import FALLBACK, JUDGE, Call
from fanfold.core.draw import fold, uniform
from fanfold.core.run import Cell
from fanfold.forecast.asked import FAULTS, Asked, AskedStep, Size
from fanfold.forecast.habits import Habits, Luck, Speech, Temper, Voice, normal
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
        "judge_booked",
        "judged",
        "lengths",
        "named",
        "size",
        "streams",
        "voice",
    )

    def __init__(self, step: AskedStep, habits: Habits, size: Size) -> None:
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
        self._steps = [_Step(*prospect) for prospect in asked.prospects]
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
        if cell.rule.items == 1:
            return Work(step.size.booked, step.booked)
        return Work(step.size.booked, step.booked, kin="-", common=step.size.common_booked)

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
        if call.phase == JUDGE:
            luck = self._luck(call.cell, call.phase, spare, *((1,) if call.swapped else ()))
            return self._judge(self._steps[call.cell.rule.index], luck)
        return self._fly(call, spare)[0]

    def fly_together(self, call: Call) -> list[Flight]:
        """What becomes of a request for several cells, call by call: it takes as long as all its answers, one after the other."""
        lead, _ = self._fly(call, 0)
        others = [self._fly(each, 0, faults=False) for each in call.riders]
        once = self._steps[call.cell.rule.index].size.common_charged
        took = lead.took + sum(each.saying for _, each in others)
        found = [lead._replace(first=None, name=None, took=lead.took if isinstance(lead.outcome, Fault) else took)]
        for flight, _ in others:
            tokens_in = max(1, flight.tokens_in - once)
            outcome = flight.outcome
            if isinstance(lead.outcome, Fault):
                outcome = lead.outcome
            elif isinstance(outcome, Reply):
                outcome = replace(outcome, usage=replace(outcome.usage, tokens_in=tokens_in))
            found.append(Flight(found[0].took, outcome, tokens_in))
        return found

    def _fly(self, call: Call, spare: int, *, faults: bool = True) -> tuple[Flight, Speech]:
        """faults: whether one may befall it."""
        cell = call.cell
        step, luck = self._steps[cell.rule.index], self._luck(cell, call.phase, spare)
        habits = step.habits
        told = NAME_TOKENS_TOLD * len(call.avoid) + (REASON_TOKENS if call.reason else 0)
        said = step.voice.speak(luck, self._temper)
        if call.repair:
            told += said.tokens_out
        tokens_in = (step.size.charged if said.tokens_in is None else said.tokens_in) + told
        chance = luck.draw()
        for code, share in habits.faults if faults else ():
            chance -= share
            if chance < 0:
                return Flight(max(1, said.took // EARLY), FAULTS[code], tokens_in), said
        usage = Usage(tokens_in=tokens_in, tokens_out=said.tokens_out)
        finding, check = self._finding(habits, luck, told=bool(call.reason))
        name = str(self._rank(habits.names, luck, call.avoid)) if step.named else None
        reply = Reply(
            usage=usage, key=name, finding=finding, check=check, lengths=self._lengths(step, luck),
            judge=(step.size.judge_booked, step.judge_booked) if step.judged else None,
        )  # fmt: skip
        if not step.streams:
            return Flight(said.took, reply, tokens_in), said
        return Flight(said.took, reply, tokens_in, said.first, said.named, name), said

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
