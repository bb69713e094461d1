"""A run goes on after a break: what has ended stays ended, and everything else begins where it stood.

The ended cells go through the same grid as in their own time, at the moment at which their bundle opens; no cell is unfolded for them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fanfold.core.commands import FALLBACK
from fanfold.core.cosine import unpacked
from fanfold.core.floor import Floor
from fanfold.core.money import Money
from fanfold.core.past import Ended, Past, fate
from fanfold.core.run import Bundle, Cell, Rule, Run
from fanfold.core.stock import Stock
from fanfold.spec.calls import Reply, Usage
from fanfold.spec.events import Coords, Drafted, Reopened, SpareEnded


@dataclass(frozen=True)
class Life:
    """wall: microseconds since the epoch, by the clock on the wall. past: what earlier lives of the run left, None for its first.

    money: what the run may cost, None where it does not matter. changed: steps of which nothing is kept. refused: cells whose answers were refused are tried again, too. shown: the run is only looked at, and stays as it is.
    """

    wall: int = 0
    past: Past | None = None
    changed: Collection[int] = ()
    refused: bool = False
    money: Money | None = None
    shown: bool = False


class Relive(Floor):
    """What is different where a run has a past."""

    def _restore(self, run: Run, life: Life, now: int) -> None:
        """Before anything begins: what is open again is told, and what stays is taken."""
        past = run.past = life.past
        if past is None:
            return
        for again in () if life.shown else past.reopen(run.grid, life.changed, refused=life.refused):
            self._emit(run, Reopened, now, again.step, again.state, again.code, again.cells, again.at, again.took)
        for rule, step in zip(run.rules, past.steps, strict=False):
            run.pools.drawn[rule.index], run.pools.refused[rule.index] = step.calls, step.refused
            for at, end in step.ended.items():
                if isinstance(end, Ended) and end.state == "accepted":
                    self._restore_cell(run, rule, at, end)
        for rule in run.rules:
            for index in {*rule.chain, *rule.judge_chain}:
                self._restore_lane(index, past, life.wall, now)

    def _restore_cell(self, run: Run, rule: Rule, at: Coords, end: Ended) -> None:
        if rule.unique is not None and not rule.shared and end.key is not None:  # shared ones are read where they are shared
            scope = (rule.index, *[at[i] for i in rule.unique])
            run.keys.restore((scope, end.key), end.key, None if end.vector is None else unpacked(end.vector))
        if end.took:
            if rule.index not in run.stocks:
                run.stocks[rule.index] = Stock(rule.stock)
            run.stocks[rule.index].keep(end.took)

    def _restore_lane(self, index: int, past: Past, wall: int, now: int) -> None:
        """Its declared limits count what earlier lives sent; once, however many steps go through it."""
        lane = self.lanes[index]
        for sent in past.recent.pop(lane.name, ()):
            age = max(0, wall - sent.wall)  # a clock that was put back makes it younger, which is safe
            lane.limiter.restore(sent.calls, sent.tokens_in, sent.tokens_out, now - age, now)

    # ================================================================ bundles

    def _relive(self, run: Run, bundle: Bundle) -> tuple[list[Bundle], list[tuple[Coords, Ended | int]]]:
        """The cells of a bundle that have ended, and the rest of it, in bundles without gaps."""
        assert run.past is not None
        past, rule = run.past.steps[bundle.step].ended, run.rules[bundle.step]
        rest: list[Bundle] = []
        ended: list[tuple[Coords, Ended | int]] = []
        start = 0
        for position in range(bundle.size):
            at = run.grid.coords(bundle.step, bundle.at, position)
            end = past.pop(at, None)
            if end is None:
                continue
            ended.append((at, end))
            if position > start:
                rest.append(bundle.part(start, position))
            start = position + 1
            if rule.counted:
                self._restore_pool(run, rule, at, end)
        if start < bundle.size:
            rest.append(bundle.part(start, bundle.size))
        return rest, ended

    def _restore_pool(self, run: Run, rule: Rule, at: Coords, end: Ended | int) -> None:
        restored = run.pools.restored(rule.index, at, rule.counted)
        restored.ended += 1
        restored.accepted += fate(end) == ("accepted", "")

    def _relived(self, run: Run, rule: Rule, at: Coords, end: Ended | int) -> tuple[int | None, dict[str, int] | None]:
        """One cell has ended as it did then. Returns its path, None without a value, and its lists."""
        state, code = fate(end)
        run.tally.own += state == "accepted" and not code
        run.tally.filled += state == "accepted" and bool(code)
        run.tally.bad += rule.required and (state != "accepted" or bool(code))
        run.tally.ended[rule.index] += 1
        run.open -= 1
        if isinstance(end, int):
            return end, None
        return (end.path, end.lengths) if state == "accepted" else (None, None)

    def _drafted(self, cell: Cell, now: int) -> Drafted | None:
        """The answer that it, or a spare in its place, had when the run was cut off."""
        assert cell.run.past is not None
        steps, rule = cell.run.past.steps, cell.rule
        drafts = steps[rule.index].drafts if rule.index < len(steps) and cell.phase != FALLBACK and not cell.spare else {}
        if not drafts or cell.at in drafts:
            return drafts.pop(cell.at, None)
        for at, draft in drafts.items() if rule.counted else ():
            if draft.judge is None and all(n == at[place] for place, n in enumerate(cell.at) if place not in rule.counted):
                self._emit(cell.run, SpareEnded, now, rule.index, at, cell.at, "", "")
                return drafts.pop(at)
        return None

    def _remember(self, cell: Cell) -> None:
        """How far it had come when the run was cut off: answers that were judged count in every life."""
        assert cell.run.past is not None
        steps = cell.run.past.steps
        begun = steps[cell.rule.index].begun.get(cell.at) if cell.rule.index < len(steps) else None
        if begun is not None and cell.rule.attempts > begun.judged:
            cell.judged, cell.reason = begun.judged, begun.reason


def reply_of(draft: Drafted) -> Reply:
    """The answer as it was told when it came; it was paid for then."""
    return Reply(
        usage=Usage(),
        key=draft.key,
        exact=draft.exact,
        said=draft.said,
        vector=draft.vector,
        lengths=draft.lengths,
        judge=draft.judge,
    )
