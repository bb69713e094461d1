"""The fate of a cell: gates, rejections, faults, rests, ends."""

from __future__ import annotations

from collections.abc import Sequence

from fanfold.core.commands import ANSWER, FALLBACK, JUDGE
from fanfold.core.cosine import unpacked
from fanfold.core.gates import Again, again
from fanfold.core.handout import Handout
from fanfold.core.lane import Lane
from fanfold.core.retry import WAITS, Remedy, asked, backoff, remedy
from fanfold.core.run import CLOSING, Bundle, Cell, Rule, Run, Stop
from fanfold.core.states import State
from fanfold.core.uniqueness import Key, normalise
from fanfold.core.verdicts import UNREADABLE, objection, opinion, unheard
from fanfold.spec.calls import Fault, Reply, Scope
from fanfold.spec.errors import Code
from fanfold.spec.events import CellEnded, Drafted, Rested

PACE, WAIT = 1, 2  # purposes of draws
RACES = 20  # names that a cell may lose to others while they stream, before each costs it an attempt
ALONE = 1  # doublings of the wait, while nearly all others are answered: then it is no server that needs time to recover
UNPAID = 4  # doublings more that a retry waits when the lane's budget of retries is spent: nobody is lost for it
ELSEWHERE = frozenset({Code.TRANSIENT, Code.TIMEOUT, Code.RATE_LIMITED, Code.QUOTA, Code.AUTH})
"""Faults of a provider, which another one may not have."""
KEY_HINT = "correct the key function: it takes the value and returns a text, or a vector of numbers that is as long as the others"
HINTS = {
    Code.CHECK_FAILED: "loosen the check, give more attempts, or use a stronger model",
    Code.DUPLICATE: "ask for fewer, vary the prompt, or give more attempts",
    Code.TRUNCATED: "raise sampling.max_tokens, or ask for less in one answer",
    Code.MALFORMED: "the model does not keep to the schema: simplify it, or use another model",
}


class Fates(Handout):
    """What becomes of a cell with each answer and each fault."""

    # ================================================================ keys

    def _scope(self, cell: Cell) -> tuple[int, ...]:
        assert cell.rule.unique is not None
        return (cell.rule.index, *[cell.at[i] for i in cell.rule.unique])

    def _take(self, cell: Cell, name: str, *, exact: bool, vector: bytes | None = None, said: str | None = None) -> bool:
        rule, keys = cell.rule, cell.run.keys
        key: Key = (self._scope(cell), name if exact else normalise(name))
        near = 1.0 if exact or rule.embeds else rule.near
        unit = None if vector is None else unpacked(vector)
        if not keys.take(key, name if said is None else said, cell.id, cell.key, near, unit, rule.near):
            cell.clash = keys.clash
            cell.told = cell.told and not self._raced(cell)
            return False
        cell.key, cell.vector = key, vector
        return True

    def _claim(self, cell: Cell, reply: Reply) -> bool:
        """Take what identifies a whole answer."""
        return self._take(cell, reply.key or "", exact=reply.exact, vector=reply.vector, said=reply.said)

    def _misfit(self, cell: Cell, reply: Reply) -> str | None:
        """Why its vector cannot be compared, if so."""
        if reply.vector is None or cell.rule.unique is None:
            return None
        return cell.run.keys.misfit(self._scope(cell), unpacked(reply.vector))

    def _taken(self, cell: Cell, name: str) -> str:
        """Why a key was refused just now."""
        against = cell.run.keys.against
        if not (name and against):
            return f"the answer is too much like {repr(against) if against else 'one'} that is accepted already"
        return (
            f"{name!r} is taken"
            if normalise(against) == normalise(name)
            else f"{name!r} is too much like {against!r}, which is taken"
        )

    def _release(self, cell: Cell) -> None:
        if cell.key is not None:
            cell.run.keys.release(cell.key, cell.id)
            cell.key = None
            cell.vector = None

    # ================================================================ answers

    def _answered(self, cell: Cell, reply: Reply, now: int) -> None:
        """The gates, in order of cost: rule checks, then the key, then the judge."""
        cell.lengths, cell.draft = reply.lengths, reply
        if reply.finding is not None:
            code = Code.MALFORMED if reply.check == "schema" else Code.CHECK_FAILED
            self._again(cell, code, reply.finding, reply.check, now, KEY_HINT if reply.check == "key" else "")
        elif (misfit := self._misfit(cell, reply)) is not None:
            self._again(cell, Code.CHECK_FAILED, misfit, "key", now, KEY_HINT)
        elif cell.rule.unique is not None and not self._claim(cell, reply):
            self._again(cell, Code.DUPLICATE, self._taken(cell, name_of(reply)), "", now)
        elif reply.judge is not None and cell.rule.judge_lane is not None:
            cell.judge_tokens = reply.judge
            cell.phase, cell.hops, cell.retries = JUDGE, 0, 0
            if not cell.rule.both_orders and not cell.rule.take:  # what it is compared with, and made of, is in no journal
                self._keep_draft(cell, reply.judge, now)
            self._ask_judge(cell, now)
        else:
            self._accept(cell, now)

    def _keep_draft(self, cell: Cell, judge: tuple[int, int] | None, now: int) -> None:
        """The answer is written down although its cell has not ended."""
        draft = cell.draft
        assert draft is not None
        self._emit(
            cell.run, Drafted, now, cell.rule.index, cell.at, draft.key, draft.exact, draft.said, draft.vector, draft.lengths, judge,
            cell.service,
        )  # fmt: skip

    def _ask_judge(self, cell: Cell, now: int) -> None:
        if (fault := self._blocked(cell)) is not None:
            self._fail(cell, fault.code, fault.message, fault.hint, now)
        else:
            self._ready(cell, urgent=True)

    def _judged(self, cell: Cell, reply: Reply, now: int) -> None:
        if cell.rule.both_orders and cell.opinion is None:
            cell.opinion = opinion(reply)
            self._ask_judge(cell, now)
            return
        against, cell.opinion = objection(cell.opinion, opinion(reply)), None
        if against is None:
            self._accept(cell, now)
        else:
            cell.phase, cell.hops = ANSWER, 0
            self._again(cell, Code.CHECK_FAILED, against, "judge", now)

    def _again(self, cell: Cell, code: Code, reason: str, check: str, now: int, hint: str = "") -> None:
        """An answer was judged and is not good: correct it, draw another, or give up."""
        cell.judged += 1
        cell.rejections += code is Code.CHECK_FAILED
        step = again(code, judged=cell.judged, attempts=self._attempts(cell), rejections=cell.rejections, longer=cell.longer)
        if step is Again.NEVER:
            cell.check = check
            self._fail(cell, code, reason, hint or HINTS.get(code, ""), now)
            return
        cell.retries = 0
        cell.repair = step is Again.REPAIR
        cell.longer = cell.longer or step is Again.LONGER
        cell.reason = reason if check else ""
        if step is Again.REDRAW:
            cell.rejections = 0
        if not cell.repair:
            self._release(cell)
        self._rest(cell, "regenerate", code, reason, check, now, now)

    def _outrun(self, cell: Cell, name: str, now: int) -> None:
        """The name that streamed ahead is taken. Of an answer nothing was judged: it is none of the cell's attempts to have lost a race."""
        if self._raced(cell) and cell.races < RACES:
            cell.races += 1
            cell.reason, cell.repair, cell.retries, cell.rejections = "", False, 0, 0
            self._release(cell)
            self._rest(cell, "regenerate", Code.DUPLICATE, self._taken(cell, name), "", now, now)
        else:
            self._again(cell, Code.DUPLICATE, self._taken(cell, name), "", now)

    def _raced(self, cell: Cell) -> bool:
        """Whether what stood against it just now was taken after its call was sent, so that nobody could have told it."""
        return cell.run.keys.born >= cell.asked

    def _attempts(self, cell: Cell) -> int:
        """Answers of a cell that may be judged."""
        return 1 if cell.rule.function else cell.rule.attempts

    # ================================================================ faults

    def _faulted(self, cell: Cell, fault: Fault, now: int) -> None:
        """The call did not deliver. A judge's fault asks the judge again and keeps the answer and its key."""
        cure = remedy(fault.code)
        if cure is Remedy.RETRY and cell.retries < cell.rule.retries:
            lane = self.lanes[cell.lane]
            times = cell.retries if lane.late.troubled else min(cell.retries, ALONE)
            times += 0 if self._affords(cell, lane, fault) else UNPAID
            wait = backoff(times, self._draw(cell, PACE))
            if fault.retry_after_s is not None:
                wait = max(wait, asked(fault.retry_after_s, self._draw(cell, WAIT)))
            cell.retries += 1
            self._pause(cell, "retry", fault, now + wait, now)
        elif cure is Remedy.WAIT and cell.waits < WAITS:
            cell.waits += 1
            gate = now if self._elsewhere(cell) else max(now, self.lanes[cell.lane].limiter.gate)
            self._pause(cell, "wait", fault, gate + int((gate - now) * self._draw(cell, WAIT) / 10), now)
        elif cure is Remedy.REGENERATE and fault.scope is Scope.ENDPOINT and self._hop(cell, fault, now):
            pass  # what answered there is no model
        elif cure is Remedy.REGENERATE and cell.phase == ANSWER:
            self._again(cell, Code(fault.code), fault.message, "", now, fault.hint)
        elif cure is Remedy.REGENERATE and cell.retries < cell.rule.retries:
            cell.retries += 1  # an unreadable judge is asked again
            self._pause(cell, "retry", fault, now, now)
        elif not self._hop(cell, fault, now):
            self._undelivered(cell, fault, now)

    def _undelivered(self, cell: Cell, fault: Fault, now: int) -> None:
        """Nothing more is tried for what was asked."""
        self._fail(cell, fault.code, fault.message, fault.hint, now)

    def _draw(self, cell: Cell, purpose: int) -> float:
        """Of the jitter of its next try."""
        return cell.draw(purpose)

    def _affords(self, cell: Cell, lane: Lane, fault: Fault) -> bool:
        """Whether the lane's budget has a retry for it."""
        return lane.retries.take(fault.code)

    def _pause(self, cell: Cell, kind: str, fault: Fault, until: int, now: int) -> None:
        if cell.phase == ANSWER:
            self._release(cell)
        deadline = cell.run.deadline
        if deadline is not None and until >= deadline:
            self._fail(cell, fault.code, f"{fault.message}; the next try would be past the run's deadline", fault.hint, now)
            return
        self._rest(cell, kind, fault.code, fault.message, "", until, now)

    def _rest(self, cell: Cell, kind: str, code: str, reason: str, check: str, until: int, now: int) -> None:
        if (blocked := self._blocked(cell)) is not None:
            self._fail(cell, blocked.code, blocked.message, blocked.hint, now)
            return
        cell.move(State.RESTING)
        cell.wake = until
        run = cell.run
        self._emit(
            run, Rested, now, cell.rule.index, cell.at, kind, str(code), reason, check, cell.judged + 1, until - run.origin
        )  # fmt: skip
        if until <= now:
            self._ready(cell, urgent=True)
        else:
            self._resting += 1
            self._timers.set(until, cell)

    # ================================================================ ends

    def _accept(self, cell: Cell, now: int) -> None:
        if cell.key is not None:
            cell.run.keys.commit(cell.key, cell.id)
        if cell.failure is None:
            cell.run.tally.own += 1
        else:
            cell.run.tally.filled += 1
            cell.run.tally.bad += cell.rule.required
        self._end(cell, State.ACCEPTED, cell.failure or ("", "", ""), now)

    def _fail(self, cell: Cell, code: str, message: str, hint: str, now: int) -> None:
        self._release(cell)
        self._hand_back(cell)
        if cell.phase == JUDGE:  # its answer is lost for want of a verdict, and not for what it says
            message, hint = unheard(code if cell.run.closing is None else "", message, hint)
            cell.check = "judge"
        elif cell.phase == ANSWER and code not in (Code.CHECK_FAILED, Code.MALFORMED):
            cell.check = ""
        if cell.rule.fallback and cell.phase != FALLBACK:
            cell.move(State.FAILED)
            cell.failure = (str(code), message, hint)
            cell.phase = FALLBACK
            self._begin(cell, now)
            return
        cell.run.tally.bad += cell.rule.required
        self._end(cell, State.FAILED, cell.failure or (str(code), message, hint), now)

    def _end(self, cell: Cell, state: State, why: tuple[str, str, str], now: int) -> None:
        run, rule = cell.run, cell.rule
        cell.move(state)
        del run.cells[cell.id]
        accepted = state is State.ACCEPTED
        path = cell.path + cell.service if accepted else None
        name = None if cell.key is None else cell.key[1]
        self._emit(
            run, CellEnded, now, rule.index, cell.at, str(state), *why, cell.judged + (cell.failure is None and accepted), name,
            cell.lengths if accepted else None, path or 0, cell.vector if accepted else None, cell.took,
            "" if accepted and cell.failure is None else cell.check,
        )  # fmt: skip
        run.tally.ended[rule.index] += 1
        self._wake(run, self._grid_ended(run, rule, cell.at, path, cell.lengths, now), now)
        run.open -= 1
        self._close_if_done(run, now)

    def _reroute(self, run: Run, rules: Sequence[Rule], now: int) -> None:
        """The lanes of these steps have changed: what waits goes where it still can; what cannot go anywhere ends."""
        run.open += 1  # held open while its cells end
        bundles: list[Bundle] = []
        cells: list[Cell] = []
        for rule in rules:
            for index in {*rule.chain, *rule.judge_chain}:
                some, fresh = run.queue(index).take(run.place[rule.index])
                self.lanes[index].ready -= len(some)
                cells += some
                bundles += fresh
        concerned = {rule.index for rule in rules}
        resting = [
            cell
            for cell in run.cells.values()
            if cell.rule.index in concerned and cell.state is State.RESTING and not cell.parked
        ]
        for cell in sorted(cells + resting, key=lambda cell: cell.id):
            if (fault := self._blocked(cell)) is not None:
                self._resting -= cell.state is State.RESTING
                self._fail(cell, fault.code, fault.message, fault.hint, now)
            elif cell.state is State.READY:
                self._queue(cell, urgent=cell.tried)
            elif self._elsewhere(cell):
                self._resting -= 1
                self._ready(cell, urgent=True)
        for bundle in bundles:
            fault = self._refusal(run, run.rules[bundle.step])
            if fault is None or run.rules[bundle.step].fallback:
                bundle.failure = None if fault is None else (fault.code, fault.message, fault.hint)
                self._open(run, bundle)
            else:
                bundle.failure = (fault.code, fault.message, fault.hint)
                self._wake(run, self._end_bundle(run, bundle, now), now)
        run.open -= 1
        self._close_if_done(run, now)

    def _elsewhere(self, cell: Cell) -> bool:
        """Whether there is no need to go back to the lane where it was last."""
        lane = self._usable(cell.run, cell.rule, cell.chain)
        return lane is not None and lane.index != cell.lane and lane.breaker.closed

    def _hop(self, cell: Cell, fault: Fault, now: int) -> bool:
        """Leave a lane that does not deliver for the next one of the chain. Retries that are used up stay used up."""
        chain = cell.chain
        worth = ELSEWHERE | UNREADABLE if cell.phase == JUDGE else ELSEWHERE
        if fault.code not in worth and fault.scope is Scope.CELL:
            return False
        following = chain[chain.index(cell.lane) + 1 :] if cell.lane in chain else ()
        if self._usable(cell.run, cell.rule, following) is None:
            return False
        cell.hops += len(chain) - len(following)
        self._pause(cell, "fallback", fault, now, now)
        return True

    def _end_early(self, run: Run, fault: Fault, now: int) -> None:
        """Its deadline has passed, or its money is spent: fallbacks fill what they can, all else fails."""
        if any(rule.fallback for rule in run.rules):
            self._close(run, fault, now)
        else:
            self._stop(run, Stop((State.FAILED, fault.code, fault.message)), now)

    def _close(self, run: Run, fault: Fault, now: int) -> None:
        """Nothing more is called: what has a fallback is filled by it, everything else ends. Soon after, the run is stopped."""
        run.closing = fault
        self._troubled = True
        run.open += 1  # held open while its cells end
        self._timers.set(now + CLOSING, run)
        for record in list(run.calls.values()):
            if not record.doom:
                alone = record.other() < 0
                self._doom(record, fault.code)
                if alone:
                    self._fail(record.cell, fault.code, fault.message, fault.hint, now)
        for cell in list(run.cells.values()):
            if cell.state is State.PREPARING and cell.phase != FALLBACK:
                self._give_up(cell, fault.code, fault.message)
        self._reroute(run, run.rules, now)
        run.open -= 1
        self._close_if_done(run, now)


def name_of(reply: Reply) -> str:
    """What identifies an answer, as a person would say it; "" where that cannot be said."""
    return (reply.key or "") if reply.said is None else reply.said
