"""Counted axes end with exactly so many: spares are launched early, their answers fill any open coordinate, the rest is withdrawn.

A spare is a cell of its own, at coordinates that nobody asked for. When its answer is accepted it waits in its pool's bank, with its
key, until a coordinate is open whose cell has no call in the air, or until it is clear that no more calls are needed. So nothing
changes its name in mid-air, and what was sent for nothing is cancelled, and charged, as everywhere else.

What happens to a pool is settled when commands are asked for, not between two facts of one instant.
"""

from __future__ import annotations

from fanfold.core.commands import ANSWER, FALLBACK, JUDGE
from fanfold.core.fates import HINTS, Fates
from fanfold.core.lane import Lane
from fanfold.core.pool import Pool, sizes_of
from fanfold.core.run import Cell, Rule, Run
from fanfold.core.states import State
from fanfold.core.verdicts import unheard
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.errors import Code
from fanfold.spec.events import Rested, SpareEnded

UNNEEDED = "as many as were asked for are there"
NOTHING = ("", "", "")
OF_A_DRAW = frozenset({Code.FILTERED, Code.TRANSIENT, Code.TIMEOUT})
"""Faults that another draw may not have, once retries are used up."""
IDLE = frozenset({State.READY, State.RESTING})


def _promising(cell: Cell) -> bool:
    """Whether it has an answer that may be accepted soon: its key is its own already, or a judge is asked."""
    return not cell.parked and (cell.phase == JUDGE or (cell.key is not None and cell.state is State.CALLING))


def _open(cell: Cell) -> bool:
    """Whether it may still be accepted although more is hopeless: what was sent before anything could be told is no part of that."""
    return _promising(cell) or (not cell.parked and cell.state is State.CALLING and not cell.told)


class Spares(Fates):
    """What is different where cells are interchangeable."""

    # ================================================================ a cell and its pool

    def _begin(self, cell: Cell, now: int) -> None:
        if cell.rule.counted and cell.pool is None:
            pool = cell.pool = cell.run.pools.of(cell)
            pool.joined(cell)
            if pool.given_up and cell.phase != FALLBACK:
                assert pool.last is not None
                self._fail(cell, *pool.last, now)
                return
        if cell.pool is not None and cell.phase == FALLBACK:
            cell.pool.lapsed.add(cell.id)
        super()._begin(cell, now)

    def _attempts(self, cell: Cell) -> int:
        return super()._attempts(cell) if cell.pool is None else cell.pool.most  # it is the pool's draws that are bounded

    def _again(self, cell: Cell, code: Code, reason: str, check: str, now: int, hint: str = "") -> None:
        """Another draw, while the pool has one: no member fails for having had bad luck."""
        pool = cell.pool
        if pool is None:
            super()._again(cell, code, reason, check, now, hint)
            return
        pool.saw(False, cell.told)
        if cell.told:
            pool.give_up(lambda other: other is not cell and _promising(other))
        pool.last = (str(code), reason, hint or HINTS.get(code, ""))
        self._stir(cell)
        if cell.spare:
            self._spare_over(cell, (str(code), check, reason), now)
        elif pool.given_up or not pool.draw():
            cell.judged += 1
            cell.check = check
            self._fail(cell, *pool.last, now)
        else:
            cell.longer = cell.longer and code is not Code.TRUNCATED  # it is told once more to be shorter
            super()._again(cell, code, reason, check, now, hint)

    def _undelivered(self, cell: Cell, fault: Fault, now: int) -> None:
        """One draw could not be had, or not be judged: another one may be, and the coordinate is not lost with it."""
        if cell.pool is None or fault.code not in OF_A_DRAW or fault.scope is not Scope.CELL:
            super()._undelivered(cell, fault, now)
            return
        message, hint = fault.message, fault.hint
        if cell.phase == JUDGE:
            message, hint = unheard(fault.code, message, hint)
        cell.phase, cell.hops, cell.opinion = ANSWER, 0, None
        self._again(cell, Code(fault.code), message, "", now, hint)

    def _outrun(self, cell: Cell, name: str, now: int) -> None:
        if cell.pool is not None:
            if self._raced(cell):
                cell.pool.lost()
            cell.pool.last = (Code.DUPLICATE, self._taken(cell, name), HINTS[Code.DUPLICATE])
            self._stir(cell)
        super()._outrun(cell, name, now)

    def _ready(self, cell: Cell, *, urgent: bool) -> None:
        super()._ready(cell, urgent=urgent)
        if cell.pool is not None and cell.pool.bank:
            self._stir(cell)

    def _blocked(self, cell: Cell) -> Fault | None:
        if cell.parked:
            return Fault(code=Code.CANCELLED, message=UNNEEDED)
        return super()._blocked(cell)

    def _rest(self, cell: Cell, kind: str, code: str, reason: str, check: str, until: int, now: int) -> None:
        """A member that is to be drawn again is held, until it is clear that spares in the air will not do."""
        pool = cell.pool
        if kind != "regenerate" or pool is None or cell.spare or not pool.settled or self._blocked(cell) is not None:
            super()._rest(cell, kind, code, reason, check, until, now)
            return
        pool.draw_later()
        cell.move(State.RESTING)
        cell.wake, cell.parked = -1, True
        pool.parked[cell.id] = cell
        self._resting += 1
        at = until - cell.run.origin
        self._emit(cell.run, Rested, now, cell.rule.index, cell.at, kind, str(code), reason, check, cell.judged + 1, at)

    def _accept(self, cell: Cell, now: int) -> None:
        pool = cell.pool
        if pool is not None and cell.phase != FALLBACK:
            pool.saw(True, cell.told)
            self._stir(cell)
        if cell.spare:
            assert pool is not None
            del pool.spares[cell.id]
            pool.bank.append(cell)
            self._keep_draft(cell, None, now)
        else:
            super()._accept(cell, now)

    def _fail(self, cell: Cell, code: str, message: str, hint: str, now: int) -> None:
        """A spare is simply over. A member waits while the answer of a spare may still fill it."""
        pool = cell.pool
        if pool is None or cell.phase == FALLBACK:
            super()._fail(cell, code, message, hint, now)
            return
        self._stir(cell)
        if cell.spare:
            self._spare_over(cell, NOTHING, now)
        elif pool.bank or (pool.spares and not pool.given_up):
            self._park(cell, (str(code), message, hint))
        else:
            why = cell.failure or (code, message, hint)
            cell.parked = False
            pool.parked.pop(cell.id, None)
            super()._fail(cell, *why, now)

    def _park(self, cell: Cell, why: tuple[str, str, str]) -> None:
        self._release(cell)
        if cell.state is not State.RESTING:  # what rests has been taken out of it
            cell.move(State.RESTING)
        cell.wake, cell.parked, cell.failure = -1, True, cell.failure or why
        assert cell.pool is not None
        cell.pool.parked[cell.id] = cell
        self._resting += 1

    def _end(self, cell: Cell, state: State, why: tuple[str, str, str], now: int) -> None:
        if cell.pool is not None:
            cell.pool.left(cell)
            self._stir(cell)
        super()._end(cell, state, why, now)

    def _stir(self, cell: Cell) -> None:
        """Something of its pool has changed: it is looked at when commands are asked for."""
        assert cell.pool is not None
        self._stirred[cell.pool] = cell.run, cell.rule

    # ================================================================ a pool comes to rest

    def _even_out(self, now: int) -> None:
        """Fill what can be filled, end what is to end, withdraw what is not needed."""
        while self._stirred:
            pool = next(iter(self._stirred))
            run, rule = self._stirred.pop(pool)
            if run.stop is None:
                self._thin[pool] = run, rule
                self._settle_pool(pool, now)
                if not pool.open and not pool.spares:
                    run.pools.over(pool)

    def _settle_pool(self, pool: Pool, now: int) -> None:
        while pool.bank and (cell := self._vacant(pool)) is not None:
            self._fill(cell, pool.bank.pop(0), now)
        if pool.filled or pool.given_up:
            for spare in list(pool.spares.values()):
                if pool.filled or not _open(spare):
                    self._withdraw(spare, now)
            self._abandon_members(pool)
        if not pool.open:
            while pool.bank:
                self._spare_over(pool.bank.pop(0), NOTHING, now)
        self._lose(pool, now)
        self._draw_on(pool, now)

    def _lose(self, pool: Pool, now: int) -> None:
        """End the members that nothing will fill any more. Where more is hopeless, each spare that is still good for one has one."""
        if not pool.given_up and (pool.bank or pool.spares):
            return
        coming = sum(map(_promising, pool.spares.values()))
        for cell in list((pool.live if pool.given_up else pool.parked).values()):
            if cell.phase == FALLBACK or cell.state is State.PREPARING or _open(cell):
                continue
            why = cell.failure or pool.last or ("", "", "")
            if coming > 0:
                coming -= 1
                if not cell.parked:
                    self._detach(cell)
                    self._park(cell, why)
            elif cell.failure or pool.given_up:
                self._detach(cell)
                self._fail(cell, *why, now)

    def _draw_on(self, pool: Pool, now: int) -> None:
        """Members that were held go on, as many as are needed; where there is no draw left for them, they wait for spares, or fail."""
        held = [cell for cell in pool.parked.values() if cell.held]
        for cell in held[: pool.short()] if held else ():
            self._resting -= 1
            cell.parked = False
            del pool.parked[cell.id]
            assert pool.last is not None
            if (fault := self._blocked(cell)) is not None:
                self._fail(cell, fault.code, fault.message, fault.hint, now)
            elif pool.draw():
                self._ready(cell, urgent=True)
            else:
                self._fail(cell, *pool.last, now)

    def _vacant(self, pool: Pool) -> Cell | None:
        """The member that an answer in the bank fills now: one that has no call in the air, as long as more calls are needed."""
        found = None
        for cell in pool.live.values():
            if cell.phase == FALLBACK or cell.state is State.PREPARING:
                continue
            if cell.parked:
                return cell
            idle = cell.state in IDLE and cell.phase == ANSWER
            if found is None and (pool.filled or idle or (pool.given_up and not _promising(cell))):
                found = cell
        return found

    def _fill(self, cell: Cell, spare: Cell, now: int) -> None:
        """A spare's answer becomes a member's, with its key."""
        run = cell.run
        self._detach(cell)
        self._release(cell)
        refused = (cell.failure[0], cell.check, cell.failure[1]) if cell.failure is not None else NOTHING
        cell.parked, cell.failure = False, None
        if spare.key is not None:
            run.keys.commit(spare.key, spare.id)
        cell.key, cell.vector, spare.key = spare.key, spare.vector, None
        cell.service, cell.lengths = spare.service, spare.lengths
        self._spare_over(spare, refused, now, cell.at)
        run.tally.own += 1
        self._end(cell, State.ACCEPTED, ("", "", ""), now)

    def _abandon_members(self, pool: Pool) -> None:
        """What is still being prepared is not needed any more; the fact of it comes, and then it ends."""
        for cell in pool.live.values():
            if cell.state is State.PREPARING and cell.phase != FALLBACK and not cell.parked:
                cell.parked = True
                cell.failure = pool.last if pool.given_up else None
                self._give_up(cell, Code.CANCELLED, UNNEEDED)

    # ================================================================ spares

    def _launch(self, now: int) -> None:
        """Launch spares where the calls in the air are too few, into slots that nobody else waits for."""
        for pool, (run, rule) in list(self._thin.items()):
            del self._thin[pool]
            if run.stop is not None or pool.filled or pool.given_up or pool.unfolded < pool.size:
                continue
            room = self._room(run, rule)
            if room <= 0:
                self._thin[pool] = run, rule
                continue
            spares = min(room, pool.short(), pool.most - pool.begun)
            models = [cell for cell in pool.live.values() if cell.failure is None] if spares > 0 else []
            for n in range(spares if models else 0):
                self._launch_one(pool, models[n % len(models)], now)

    def _room(self, run: Run, rule: Rule) -> int:
        """Cells for which there are slots, although nothing waits for them; where lanes take turns, in each of them."""
        chains = (rule.chain,) if rule.turns is None else rule.turns.chains
        return min(self._room_in(self._usable(run, rule, (*chain, *rule.chain)), run, rule) for chain in chains)

    def _room_in(self, lane: Lane | None, run: Run, rule: Rule) -> int:
        if lane is None or not lane.breaker.closed or self._refusal(run, rule) is not None:
            return 0
        if lane.ready or lane.to_prepare.first() is not None:
            return 0
        own = run.cap - run.flying - run.preparing
        return min(lane.cap - lane.in_air - lane.preparing, self.cap - self._flying, own) * rule.items

    def _launch_one(self, pool: Pool, member: Cell, now: int) -> None:
        run = member.run
        cell = Cell(self._cells, run, member.rule, pool.beyond(member.at, sizes_of(member)), member.path)
        cell.spare, cell.pool, cell.like = True, pool, member.at
        self._cells += 1
        run.cells[cell.id] = pool.spares[cell.id] = cell
        run.open += 1  # it is held open until its spares are over
        pool.begun += 1
        self._begin(cell, now)

    def _withdraw(self, spare: Cell, now: int) -> None:
        """It is not needed any more. One that is being prepared ends with the fact of that."""
        if spare.state is not State.PREPARING:
            self._detach(spare)
            self._spare_over(spare, NOTHING, now)
        elif not spare.parked:
            spare.parked = True
            self._give_up(spare, Code.CANCELLED, UNNEEDED)

    def _detach(self, cell: Cell) -> None:
        """Take a cell out of where it waits; what it has in the air is cancelled."""
        if cell.state is State.READY:
            cell.run.queue(cell.lane).remove(cell.place, cell)
            self.lanes[cell.lane].ready -= 1
        elif cell.state is State.RESTING:
            self._resting -= 1
        else:
            assert cell.state is State.CALLING, f"{cell!r} waits nowhere"
            for call in (cell.call, cell.hedge):
                if call in self._calls:
                    self._doom(self._calls[call], Code.CANCELLED)

    def _spare_over(self, cell: Cell, why: tuple[str, str, str], now: int, fills: tuple[int, ...] | None = None) -> None:
        """why: (code, check, reason) of the answer that was refused."""
        run, pool = cell.run, cell.pool
        assert pool is not None
        self._release(cell)
        cell.move(State.CANCELLED if fills is None else State.ACCEPTED)
        pool.spares.pop(cell.id, None)
        del run.cells[cell.id]
        self._emit(run, SpareEnded, now, cell.rule.index, cell.at, fills, *why)
        self._stir(cell)
        run.open -= 1
        self._close_if_done(run, now)
