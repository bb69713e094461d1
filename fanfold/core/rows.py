"""Bundles open, cells unfold and are prepared: as many ahead as the window holds."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from fanfold.core.commands import FALLBACK, JUDGE, Prepare
from fanfold.core.grid import Node, Woken
from fanfold.core.lane import AHEAD, MANY, Lane
from fanfold.core.relive import Relive
from fanfold.core.run import LOCAL, Bundle, Cell, Rule, Run
from fanfold.core.states import State
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code
from fanfold.spec.events import BundleEnded, Grew


def _lacking(node: Node) -> str:
    """Why nothing can be made of a step. Which of several needs it is, the errors of these say."""
    needs = list(dict.fromkeys(repr(edge.src.name) for edge in node.ins))
    if len(needs) == 1:
        return f"it needs {needs[0]}, which has no value"
    return f"it needs {', '.join(needs[:-1])} and {needs[-1]}, and not all of them have a value"


class Rows(Relive):
    """From the grid's woken rows to cells that are ready to be called."""

    def _wake(self, run: Run, woken: Sequence[Woken], now: int) -> None:
        """Open bundles; skip those whose needs have no value, and what hangs on them."""
        todo = deque(woken)
        while todo:
            step, at, ok, path = todo.popleft()
            rule = run.rules[step]
            size = run.grid.size(step, at)
            if size == 0:
                continue
            run.open += size
            failure = None
            if not ok:
                failure = (str(Code.UPSTREAM), _lacking(run.grid.nodes[step]), "")
            elif (fault := self._refusal(run, rule)) is not None:
                failure = (fault.code, fault.message, fault.hint)
            bundles = [Bundle(step, at, size, path, failure)]
            if run.past is not None and step < len(run.past.steps) and run.past.steps[step].ended:
                bundles, ended = self._relive(run, bundles[0])
                for cell, end in ended:
                    todo.extend(self._grid_ended(run, rule, cell, *self._relived(run, rule, cell, end), now))
            for bundle in bundles:
                if failure is None or rule.fallback:
                    self._open(run, bundle)
                else:
                    todo.extend(self._end_bundle(run, bundle, now))

    def _open(self, run: Run, bundle: Bundle) -> None:
        rule = run.rules[bundle.step]
        lane = self.lanes[LOCAL] if bundle.failure else self._usable(run, rule, rule.chain)
        assert lane is not None, "no lane is left, and nobody noticed"
        run.queue(lane.index).add_bundle(run.place[bundle.step], bundle)
        lane.to_prepare.add(run)

    def _end_bundle(self, run: Run, bundle: Bundle, now: int) -> list[Woken]:
        """End what has not begun of a bundle: skipped for want of a value, failed for want of a lane. Returns what that wakes."""
        assert bundle.failure is not None
        rule, grid = run.rules[bundle.step], run.grid
        code, message, hint = bundle.failure
        state = State.SKIPPED if code == Code.UPSTREAM else State.FAILED
        start, n = bundle.next, bundle.size - bundle.next
        self._emit(run, BundleEnded, now, rule.index, bundle.at, start, bundle.size, str(state), code, message, hint)
        run.open -= n
        run.tally.ended[rule.index] += n
        run.tally.bad += n * rule.required
        node = grid.nodes[rule.index]
        woken: list[Woken] = []
        if node.outs or node.makes:
            for position in range(start, bundle.size):
                woken += self._grid_ended(run, rule, grid.coords(rule.index, bundle.at, position), None, None, now)
        return woken

    def _grid_ended(
        self, run: Run, rule: Rule, at: tuple[int, ...], path: int | None, lengths: dict[str, int] | None, now: int
    ) -> list[Woken]:
        """Tell the grid that a cell ended; path None: without a value."""
        grid, node = run.grid, run.grid.nodes[rule.index]
        woken: list[Woken] = []
        if node.makes:
            woken, grew = grid.unfold(rule.index, at, None if path is None else lengths or {})
            for step in dict.fromkeys(grew):
                self._emit(run, Grew, now, step, grid.totals[step])
        if node.outs:
            woken += grid.ended(rule.index, at, path is not None, path or 0)
        return woken

    def _prepare(self, lane: Lane, now: int) -> None:
        """Unfold cells and have them prepared, a bounded number ahead: memory follows the window, not the job.

        The window is for all runs together, but none is kept out of it by the others.
        """
        cap = lane.cap
        while (run := lane.to_prepare.first()) is not None:
            queue = run.queues[lane.index]
            items = 1 if run.items == 1 else run.rules[queue.next_bundle(MANY * cap)[1].step].items
            if lane.preparing + lane.ready >= AHEAD * cap * items and run.preparing + queue.waiting >= cap * items:
                return
            place, bundle = queue.next_bundle(MANY * cap)
            if run.rules[bundle.step].turns is not None and self._full_ahead(run.rules[bundle.step]):
                return
            at = run.grid.coords(bundle.step, bundle.at, bundle.next)
            bundle.next += 1
            if bundle.next == bundle.size:
                queue.drop_bundle(place)
            cell = Cell(self._cells, run, run.rules[bundle.step], at, bundle.path)
            self._cells += 1
            run.cells[cell.id] = cell
            if bundle.failure is not None:
                cell.failure, cell.phase = bundle.failure, FALLBACK
            elif run.past is not None:
                self._remember(cell)
            self._begin(cell, now)

    def _full_ahead(self, rule: Rule) -> bool:
        """Whether the lanes that take turns hold as many cells as their windows together: a slow one does not fill without bounds."""
        lanes = [self.lanes[index] for index in rule.chain]
        return sum(lane.preparing + lane.ready for lane in lanes) >= AHEAD * sum(lane.cap for lane in lanes)

    def _begin(self, cell: Cell, now: int) -> None:
        cell.move(State.PREPARING)
        self._route(cell)
        cell.since = now
        cell.wake = now + cell.rule.timeout
        self._timers.set(cell.wake, cell)
        self.lanes[cell.lane].preparing += 1
        cell.run.preparing += 1
        self._have_prepared(cell)

    def _have_prepared(self, cell: Cell) -> None:
        self._out.append(Prepare(cell, cell.phase))

    def _ready(self, cell: Cell, *, urgent: bool) -> None:
        cell.move(State.READY)
        self._queue(cell, urgent=urgent)

    def _queue(self, cell: Cell, *, urgent: bool) -> None:
        """Let a cell that is ready wait in the lane that is to be used now."""
        self._route(cell)
        if self._troubled:
            self._offer_trial(cell)
        lane, run = self.lanes[cell.lane], cell.run
        for record in run.calls.values():
            if not record.doom:
                break
        else:  # it was idle: no credit for having been away
            run.served = max(run.served, self._served)
        cell.run.queue(lane.index).add_ready(cell.run.place[cell.rule.index], cell, urgent=urgent)
        lane.ready += 1
        lane.to_send.add(cell.run)

    # ================================================================ lanes

    def _usable(self, run: Run, rule: Rule, chain: Sequence[int]) -> Lane | None:
        """The first lane of a chain that takes calls of this step; if all are left alone for a while, the one that is tried next."""
        waiting: Lane | None = None
        for index in chain:
            lane = self.lanes[index]
            if lane.condemned is None and (rule.index, index) not in run.refused:
                if lane.breaker.closed:
                    return lane
                waiting = lane if waiting is None or lane.breaker.before(waiting.breaker) else waiting
        return waiting

    def _route(self, cell: Cell) -> None:
        """Name the lane of its next call: there is one, for what is blocked is not sent on."""
        if not self._troubled:
            cell.lane = cell.chain[0]
            return
        lane = self._usable(cell.run, cell.rule, cell.chain)
        assert lane is not None, "no lane is left, and nobody noticed"
        cell.lane = lane.index

    def _offer_trial(self, cell: Cell) -> None:
        """One cell is the trial of a lane that was left alone and would be preferred."""
        for index in cell.chain[: cell.chain.index(cell.lane)] if cell.lane in cell.chain else ():
            lane = self.lanes[index]
            if lane.breaker.wanted and self._usable(cell.run, cell.rule, (index,)) is not None:
                lane.breaker.wanted = False
                cell.lane = index
                return

    def _blocked(self, cell: Cell) -> Fault | None:
        """Why no call of this cell can go out any more, if so."""
        if not self._troubled:
            return None
        if cell.run.closing is not None:
            return cell.run.closing
        if self._usable(cell.run, cell.rule, cell.chain) is None:
            return self._why(cell.run, cell.rule, cell.chain or cell.rule.chain)
        return None if cell.phase == JUDGE else self._refusal(cell.run, cell.rule)

    def _refusal(self, run: Run, rule: Rule) -> Fault | None:
        """Why no cell of a step can be filled any more: its run is closing, or no lane is left for its answers or for its judge."""
        if not self._troubled:
            return None
        if run.closing is not None:
            return run.closing
        for chain in (rule.chain, rule.judge_chain):
            if chain and self._usable(run, rule, chain) is None:
                return self._why(run, rule, chain)
        return None

    def _why(self, run: Run, rule: Rule, chain: Sequence[int]) -> Fault | None:
        """What the preferred lane of a chain said, and the last one."""
        said = [fault for i in chain if (fault := run.refused.get((rule.index, i)) or self.lanes[i].condemned) is not None]
        if len(said) < 2:
            return said[0] if said else None
        names = [self.lanes[i].name for i in chain]
        both = f"{names[0]}: {said[0].message}; and {names[-1]}, its fallback: {said[-1].message}"
        return Fault(code=said[0].code, message=both, hint=said[0].hint, scope=said[0].scope)
