"""Small deliberate bugs, and who must notice. Each replaces a piece of one function's source; the suite is measured by them, not by lines."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from fanfold.testing.lives import lives_history
from fanfold.testing.weather import Climate, same_log
from tests.core import test_conductor as conductor_tests
from tests.core import test_parcels as parcel_tests
from tests.core import test_pool as pool_tests
from tests.core import test_schedules as schedule_tests
from tests.core import test_verdicts as verdict_tests
from tests.door import test_table as table_tests
from tests.engine import test_budget as budget_tests
from tests.engine import test_cache as cache_tests
from tests.engine import test_candidates as candidate_tests
from tests.engine import test_chain as chain_tests
from tests.engine import test_counted as counted_tests
from tests.engine import test_engine as engine_tests
from tests.engine import test_facets as facet_tests
from tests.engine import test_faults as fault_tests
from tests.engine import test_found as found_tests
from tests.engine import test_gates as gate_tests
from tests.engine import test_hedging as hedge_tests
from tests.engine import test_items as item_tests
from tests.engine import test_joint as joint_tests
from tests.engine import test_judges as judge_tests
from tests.engine import test_known as known_tests
from tests.engine import test_missing_needs as missing_tests
from tests.engine import test_model_shares as model_share_tests
from tests.engine import test_opening as opening_tests
from tests.engine import test_refused as refused_tests
from tests.engine import test_resume as resume_tests
from tests.engine import test_shares as share_tests
from tests.engine import test_spoken as spoken_tests
from tests.engine import test_two_resume as two_tests
from tests.engine import test_unique_races as race_tests
from tests.engine import test_unique_store as store_tests
from tests.engine import test_unique_vectors as vector_tests
from tests.engine import test_writes_fail as write_tests

MOST_HISTORIES = 600
J = "core.joint:Joint."
HOMES = (
    "engine.shell",
    "core.conductor",
    "core.traffic",
    "core.fates",
    "core.handout",
    "core.spares",
    "core.joint",
    "engine.known",
    "core.rows",
    "core.floor",
    "engine.spread",
    "engine.job",
    "engine.attempt",
    "engine.parcel",
    "engine.judging",
    "api",
)  # where functions are imported to


def histories() -> None:
    """Random weather under both shells until something is wrong."""
    for seed in range(MOST_HISTORIES):
        same_log(Climate.of(seed))


def lives() -> None:
    """Histories in which the process is killed and another goes on, until something is wrong."""
    for seed in range(MOST_HISTORIES):
        for kills in ((1 + seed % 7,), (2 + seed % 23,), (3 + seed % 11, 1 + seed % 5)):
            lives_history(Climate.of(seed), kills)


def patched(test: Callable[[pytest.MonkeyPatch], object]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        test(patch)


@dataclass(frozen=True)
class Fault:
    """where: `module:Class.function` or `module:function`. old, new: what is replaced. noticed_by: what must fail."""

    name: str
    where: str
    old: str
    new: str
    noticed_by: Callable[[], object] = histories


@contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """The fault is in the code as long as the context lasts."""
    module_name, _, path = fault.where.partition(":")
    module = importlib.import_module(f"fanfold.{module_name}")
    *owners, name = path.split(".")
    owner = module if not owners else getattr(module, owners[0])
    original = inspect.getattr_static(owner, name)
    function = original.fget if isinstance(original, property) else original
    source = textwrap.dedent(inspect.getsource(function))
    assert fault.old in source, f"{fault.name}: {fault.old!r} is not in {fault.where} any more: plant it anew"
    names: dict[str, object] = {}
    exec(compile(source.replace(fault.old, fault.new), f"<{fault.name}>", "exec"), function.__globals__, names)
    changed = names[name]
    homes = [owner] + [
        m for m in map(importlib.import_module, (f"fanfold.{name}" for name in HOMES)) if not owners and hasattr(m, name)
    ]
    for home in homes:
        setattr(home, name, changed)
    try:
        yield
    finally:
        for home in homes:
            setattr(home, name, original)


P = "core.spares:Spares."
C, R, U, L, S = "core.conductor:Conductor.", "core.run:", "core.uniqueness:Reservations.", "core.limiter:", "engine.shell:Shell."
FAULTS = (
    Fault("each rider takes a slot", C + "settled", "if whole is not None:\n        lane.in_air -= 1", "if True:\n        lane.in_air -= 1"),
    Fault("who was refused is asked with others", R + "Cell.company", "or self.judged", ""),
    Fault("asked together whatever their system prompts", "core.run:Queue.fellows", "and cell.company == company", "and cell.company"),
    Fault("judges are asked about several at once", R + "Cell.company", "or self.phase != ANSWER", ""),
    Fault(
        "a request is cut off for all when one leaves it", "engine.shipping:Shipment.forsake", "all(", "any(",
        item_tests.test_who_is_not_wanted_any_more_leaves_the_call_to_the_others,
    ),
    Fault("who waits for others waits for ever", "core.together:Together._leave", "self._timers.set(muster.until, muster)", "pass"),
    Fault(
        "they wait for who waits for an answer", "core.together:Together._musters", "muster.coming.discard(cell.id)",
        "muster.coming.discard(cell.id if work is not None else -1)",
    ),
    Fault(
        "one fault for each cell of a request", "core.together:Together._speaks", "parcel.heard = True", "pass",
        lambda: parcel_tests.test_one_fault_is_one_fault_and_they_are_tried_again_together("transient"),
    ),
    Fault(
        "a missing item costs an attempt", "core.together:Together._again_soon", "remedy(fault.code) is Remedy.REGENERATE", "False",
        lambda: item_tests.test_a_tail_that_is_cut_off_leaves_the_first_ones_and_only_the_rest_is_asked_again(1),
    ),
    Fault(
        "one bad prompt fails all that were asked with it", "core.together:Together._again_soon", "fault.code in OF_ONE", "False",
        lambda: item_tests.test_what_is_refused_for_one_of_them_fails_only_that_one("filtered", item_tests.Scope.CELL),
    ),
    Fault(
        "of two items with one number the last counts", "engine.parcel:items_in", "found.setdefault(number - 1, answer)", "found[number - 1] = answer",
        item_tests.test_numbers_that_were_not_asked_for_are_ignored_and_the_first_of_two_counts,
    ),
    Fault(
        "items find their cells by place", "engine.parcel:items_in", "any(number is not None for number, _ in entries)", "False",
        item_tests.test_one_that_was_left_out_in_the_middle_is_asked_again,
    ),
    Fault(
        "the shares of a call do not add up", "spec.parcels:counted", "total * seen // whole - given", "total * weight // whole",
        item_tests.test_the_journal_tells_who_was_asked_together,
    ),
    Fault("one call more than the cap", C + "_admit", "lane.in_air < cap", "lane.in_air <= cap"),
    Fault("limits looked at before, not when a call is admitted", C + "_admit", "> now:", "> now + 10**12:"),
    Fault("booked in another moment than sent", C + "_send", "book(tokens_in, tokens_out, now)", "book(tokens_in, tokens_out, now - 30_000_000)"),
    Fault("one request more than the limit", L + "Window.open_at", "self.limit - min", "self.limit + 1 - min"),
    Fault("a window half a second short", L + "Window.__init__", "span + GUARD", "span - 500_000"),
    Fault("what is booked is not counted", L + "Window.book", "self.used += cost", "self.used += 0"),
    Fault("the gate after a 429 is ignored", L + "Limiter.open_at", "max(now, self.gate)", "now"),
    Fault("one attempt too many", "core.gates:again", "judged >= attempts", "judged > attempts"),
    Fault("attempts are not counted", "core.fates:Fates._again", "cell.judged += 1", "cell.judged += 0"),
    Fault(
        "one retry too many", "core.fates:Fates._faulted", "cure is Remedy.RETRY and cell.retries <", "cure is Remedy.RETRY and cell.retries <=",
        conductor_tests.test_transient_faults_are_retried_within_their_budget_and_no_further,
    ),
    Fault(
        "it waits for limits for ever", "core.fates:Fates._faulted", "cell.waits < WAITS", "True",
        conductor_tests.test_a_cell_waits_for_a_rate_limit_at_most_so_often,
    ),
    Fault(
        "retry without jitter", "core.retry:backoff", "int(draw * (d // 2))", "d // 2",
        conductor_tests.test_retries_of_different_cells_do_not_come_together,
    ),
    Fault(
        "a wrong key stops one of its models only", "core.traffic:Traffic._heard_of", "shared and each.account == lane.account", "False",
        conductor_tests.test_a_wrong_key_stops_every_model_that_it_is_for,
    ),
    Fault(
        "what condemns an account is not heard of a twin", "core.traffic:Traffic._heard_of", "if hopeless or (", "if hopeless and record.other() < 0 or (",
        hedge_tests.test_what_condemns_the_account_is_heard_of_a_twin_too,
    ),
    Fault("a wrong key is tried again", "core.traffic:Traffic._heard_of", "fault.scope in FINAL or", "False or"),
    Fault("what rests for a condemned lane goes on", "core.fates:Fates._rest", "self._blocked(cell)", "None"),
    Fault("answers are bought for a judge that is dead", C + "_refusal", "(rule.chain, rule.judge_chain)", "(rule.chain,)", chain_tests.test_no_answers_are_bought_for_a_judge_that_is_dead),
    Fault("what is prepared for a run that is over is waited for", "core.floor:Floor._stop", "self._give_up(cell, stop[1], stop[2])", "pass"),
    Fault("a late duplicate is accepted", C + "_answered", "not self._claim(cell, reply)", "False"),
    Fault(
        "read, then add: only accepted keys are looked at", U + "take", "if taken is not None:",
        "if taken is not None and (key[0], taken) in self._committed or scope.owner.update({key[1]: cell}):",
    ),
    Fault("a reservation forgotten when its cell fails", "core.fates:Fates._fail", "self._release(cell)", "pass"),
    Fault("a key given back twice", C + "_release", "cell.key = None", "pass"),
    Fault("the first key kept when the second is taken", U + "take", "held is not None and held != key", "False"),
    Fault("a judge's fault gives the key away", C + "_pause", "cell.phase == ANSWER", "True"),
    Fault("a refused answer is accepted", C + "_judged", "if against is None:", "if True:"),
    Fault("a checked answer is accepted in spite of the finding", C + "_answered", "reply.finding is not None", "False"),
    Fault("a cancelled call's answer counts", C + "counts", "call in (record.cell.call, record.cell.hedge)", "True"),
    Fault("a doomed call stays the cell's call", C + "_doom", "self._let_go(record)", "pass"),
    Fault("the slot comes back when a call is doomed, not when it ends", C + "_doom", "record.doom = str(why)", "record.doom = str(why); self.lanes[record.lane].in_air -= 1"),
    Fault("a hanging call is never cut off", C + "_watch", "self._timers.set(record.check, record)", "pass"),
    Fault("a rest that never ends", "core.fates:Fates._rest", "self._timers.set(until, cell)", "pass"),
    Fault("no wake-up for the limiter", C + "wake_at", "not lane.to_send.runs or", "True or"),
    Fault("cancel lets what waits go on", "core.floor:Floor._stop", "cells, _ = queue.take()", "cells = []"),
    Fault("cancel forgets what is in the air", "core.floor:Floor._stop", "if not record.doom:", "if False:"),
    Fault("cancel forgets to count what waited", "core.floor:Floor._stop", "self.lanes[index].ready -= len(cells)", "pass"),
    Fault("a run that has ended is not seen to have", C + "settled", "self._close_if_done(run, now)  # it was", "pass  # it was"),
    Fault("events numbered twice", C + "_emit", "run.seq += 1", "run.seq += run.seq % 5 != 3"),
    Fault("what hangs on a skipped cell is forgotten", C + "_wake", "todo.extend(self._end_bundle(run, bundle, now))", "self._end_bundle(run, bundle, now)"),
    Fault("a gather begins one too early", "core.grid:Grid.ended", "group.open -= 1", "group.open -= 2 if group.open == 2 else 1"),
    Fault("a gather counts failed cells as values", "core.grid:Grid.ended", "if accepted:", "if True:"),
    Fault("an unknown list counts nothing", "core.grid:Grid.unfold", "n * level.rest - 1", "n * level.rest"),
    Fault("of two needs only one is waited for", "core.grid:Grid._watch", "if done is None:", "if done is None and node.depth > 99:"),
    Fault(
        "ranks upside down", R + "Run.__init__", "-ranks[rule.index]", "ranks[rule.index]",
        conductor_tests.test_the_longest_chain_goes_first_when_slots_are_short,
    ),
    Fault(
        "chains begun and not finished", "core.run:Queue.next_bundle", "self.bundles > many", "False",
        conductor_tests.test_chains_are_finished_not_only_begun,
    ),
    Fault("prepared without bound", C + "_prepare", "AHEAD * cap", "10**9", conductor_tests.test_memory_follows_the_window),
    Fault("required cells are not missed", "core.fates:Fates._fail", "cell.run.tally.bad += cell.rule.required", "pass"),
    Fault("a fallback counts as a value of its own", "core.fates:Fates._accept", "if cell.failure is None:", "if True:"),
    Fault("an orphaned call", S + "_cancel", "flight.task.cancel()", "pass"),
    Fault("facts in the order in which they came", "engine.facts:Inbox.batch", "facts.sort(key=lambda fact: fact.order)", "facts.reverse()"),
    Fault("a batch closed before its instant is over", "engine.facts:Inbox.batch", "await self._clock.quiet(answered=any(isinstance(fact, Settled) for fact in self._facts))", "pass"),
    Fault(
        "limits count from the booking, not from the sending", C + "sent", "self.lanes[record.lane].limiter.sent(record.bookings, now)", "pass",
        found_tests.test_declared_limits_hold_behind_slow_writes,
    ),
    Fault(
        "a nudge is forgotten when nobody waits", "engine.facts:Inbox.nudge", "self._nudged = True", "pass",
        lambda: found_tests.test_a_cancel_while_something_is_written_down_is_heard(1000.0, 3),
    ),
    Fault(
        "sent before it is written", "engine.dispatch:dispatch",
        "await shell.bus.publish(conductor.drain())  # journal first: admissions are durable before a byte leaves\n            for command in commands:\n                shell.perform(command, group)\n",
        "for command in commands:\n                shell.perform(command, group)\n            await asyncio.sleep(0.1)\n            await shell.bus.publish(conductor.drain())\n",
        fault_tests.test_an_admission_is_durable_before_it_is_sent_and_a_value_before_it_is_seen,
    ),
    Fault(
        "a gather in the order of completion", "engine.attempt:Attempts._gather", "[found[at] for at in members if at in found]",
        "sorted(found.values(), reverse=True)", engine_tests.test_a_gather_is_in_axis_order_whatever_ends_first,
    ),
    Fault(
        "the identity is looked at only at the end", "engine.attempt:IdentityListener.__call__", "self._identified(name, self._text)", "pass",
        engine_tests.test_no_two_names_are_the_same_and_losers_are_told_what_to_avoid,
    ),
    Fault(
        "a failing view stops the run", "engine.bus:Bus._show", "except Exception:", "except KeyError:",
        lambda: engine_tests.test_a_view_that_fails_is_removed_and_the_run_goes_on(NoLog()),
    ),
    Fault("a twin that lost is not cancelled", C + "settled", "self._doom(self._calls[twin], Code.CANCELLED)", "pass"),
    Fault("a fault of one twin is a fault of the cell", C + "settled", "isinstance(outcome, Fault) and twin >= 0", "False", hedge_tests.test_a_twin_that_fails_is_followed_by_another),
    Fault("a late twin is retried although the other goes on", "core.tail:Tail._late", "if alone:", "if True:", hedge_tests.test_a_call_that_runs_out_of_time_leaves_its_twin_alone),
    Fault("a taken name of one twin ends both", C + "identified", "if alone:", "if True:"),
    Fault("a twin beyond the slots", "core.lane:Lane.free", "self.in_air < self.cap and", ""),
    Fault("a twin beyond the limit", "core.lane:Lane.free", "self.open_at(*size, now) <= now", "True"),
    Fault("a twin through a lane that is condemned", C + "_berth", "if self._usable(run, cell.rule, (i,)) is not None", ""),
    Fault(
        "hedges without a budget", "core.hedge:Hedging.spend", "self._tokens -= 1", "pass",
        hedge_tests.test_hedges_keep_to_their_budget,
    ),
    Fault(
        "a chain that is never followed", "core.fates:Fates._hop", "return True", "return False",
        chain_tests.test_a_model_that_only_fails_is_left_after_the_retries_which_are_not_made_again,
    ),
    Fault("a refused step is refused by all lanes", C + "_usable", "(rule.index, index) not in run.refused", "not any(step == rule.index for step, _ in run.refused)", lambda: chain_tests.test_a_refused_schema_is_refused_by_one_model_only()),
    Fault(
        "a run is charged what was booked, not what was used", C + "settled", "(used - record.charged) / run.share", "0",
        share_tests.test_what_counts_is_what_was_used,
    ),
    Fault("credit for having been idle", C + "_queue", "run.served = max(run.served, self._served)", "pass", share_tests.test_a_run_that_was_idle_has_no_credit),
    Fault("the window is full of one run", C + "_prepare", "and run.preparing + queue.waiting >= cap", "", share_tests.test_a_small_job_does_not_wait_for_a_big_one),
    Fault("a deadline takes the fallbacks too", "core.fates:Fates._end_early", "any(rule.fallback for rule in run.rules)", "False", chain_tests.test_a_deadline_leaves_the_fallbacks),
    Fault("more are shown than were asked for", "core.pool:Pool.beyond", "sizes[0] + self.made", "self.made"),
    Fault("a surplus answer is a cell of its own", P + "_fill", "now, cell.at)", "now, spare.at)"),
    Fault("surplus calls go on", P + "_settle_pool", "self._withdraw(spare, now)", "pass"),
    Fault("what is cancelled is not charged", C + "settled", "usage = outcome.usage", "usage = outcome.usage if record.doom != 'cancelled' else type(outcome.usage)(tokens_in=0, tokens_out=0)"),
    Fault("draws without end", "core.pool:Pool.draw", "self.begun >= self.most", "False"),
    Fault("a spare's key is given back", P + "_fill", "run.keys.commit(spare.key, spare.id)", "run.keys.release(spare.key, spare.id)"),
    Fault("a draw that cannot be had costs its coordinate", P + "_undelivered", "cell.pool is None or", "True or", lambda: counted_tests.test_a_draw_that_cannot_be_had_or_judged_costs_no_coordinate("filtered", "Write")),
    Fault("half a verdict counts for the next draw", P + "_undelivered", "cell.phase, cell.hops, cell.opinion = ANSWER, 0, None", "cell.phase, cell.hops = ANSWER, 0", counted_tests.test_a_verdict_in_one_order_is_not_that_of_the_next_draw),
    Fault("fallbacks wait for something to happen", C + "commands", "if self.lanes[LOCAL].to_prepare.runs:", "if False:", budget_tests.test_a_fallback_further_on_needs_no_money),
    Fault("never hopeless", "core.pool:Pool.give_up", "if not self.given_up and self.hopeless():", "if False:", lambda: counted_tests.test_a_model_that_always_says_the_same_is_given_up_soon_and_says_why(100)),
    Fault("given up before what is good has come", "core.pool:Pool.give_up", "self.hopeless(sum(cell.told and promising(cell) for cell in cells))", "True", pool_tests.test_a_pool_is_not_given_up_while_what_is_good_is_on_its_way),
    Fault("a cell that was never drawn is a duplicate", "core.fold:_refused_before", "return code in", "return False and code in", counted_tests.test_answers_that_were_never_drawn_are_no_duplicates),
    Fault("a rejection is replaced one by one", "core.pool:Pool.short", "needed(wanted, acceptance, BALANCED) - air, backed", "0, 0", counted_tests.test_of_sixty_per_cent_a_hundred_come_in_about_two_waves_and_few_calls_more_than_needed),
    Fault("a candidate is given twice", "core.stock:Stock.take", "if owner is None:", "if owner is None or (owner != cell and numbers == ()):"),
    Fault("a twin in a pool is given to somebody else", "core.stock:Stock.take", "if owner is None:", "if owner is None or numbers:"),
    Fault("candidates are not given back", "core.fates:Fates._fail", "self._hand_back(cell)", "pass"),
    Fault("numbers of a pool that were dealt are not put back", C + "_hand_back", "stock.put_back(cell.dealt)", "pass", candidate_tests.test_what_could_not_be_looked_at_goes_to_somebody_else),
    Fault("candidates are not kept over a redraw", "core.fates:Fates._again", "cell.retries = 0", "cell.retries = 0; self._hand_back(cell)"),
    Fault("a fallback keeps the candidates", "core.fates:Fates._fail", "self._hand_back(cell)", "cell.phase == FALLBACK and self._hand_back(cell)"),
    Fault(
        "a pool is dealt out from the end", "core.stock:Stock.deal", "numbers.append(self._next)", "numbers.append((self.size or 0) - 1 - self._next)",
        candidate_tests.test_each_of_a_list_is_given_to_one_cell,
    ),
    Fault(
        "a plan's own cap is ignored", "core.lane:Lane.__init__", "len(run.calls) - run.riders < run.cap", "True",
        engine_tests.test_a_plan_may_limit_its_own_calls,
    ),
    Fault(
        "the seeds' own scheme: looked up among the accepted, then added", U + "take", "if taken is not None:",
        "if taken is not None and (key[0], taken) in self._committed:",
        schedule_tests.test_no_two_accepted_are_the_same_whatever_happens_when,
    ),
    Fault(
        "near names are looked up among the accepted only", "core.uniqueness:Scope.add", "for near in self.nears.values():", "for near in ():",
        schedule_tests.test_no_two_accepted_are_too_much_alike_whatever_happens_when,
    ),
    Fault(
        "a vector is compared and not kept", U + "take", "scope.see(key[1], vector)", "pass",
        schedule_tests.test_no_two_accepted_have_vectors_too_much_alike_whatever_happens_when,
    ),
    Fault(
        "a run that is cancelled keeps what it reserved", "core.commons:Membership.leave", "self.commons.keys.release((ALL, key), owner)", "pass",
        store_tests.test_a_cancelled_run_gives_back_what_it_had_reserved,
    ),
    Fault("it begins before it is known what earlier runs accepted", C + "add", "if shared:", "if shared and self._out.append(Recall(run, shared)):", store_tests.test_nothing_is_called_before_it_is_known_what_was_accepted),
    Fault("keys are forgotten over a break", "core.commons:Commons.restore", "for key, vector in keys:", "for key, vector in ():", store_tests.test_a_model_that_does_not_listen_repeats_nothing_all_the_same),
    Fault("two engines each have their own keys", "engine.recall:_joined", "commons = _open.get(where)", "commons = None", lambda: store_tests.test_two_engines_at_the_same_time_share_what_is_reserved((1.0, 1.0))),
    Fault("a vector that came late revokes nothing", "core.fates:Fates._take", "None if vector is None else unpacked(vector)", "None", vector_tests.test_the_name_is_reserved_early_and_the_vector_may_revoke_it),
    Fault("a run's last word does not leave what it shares", C + "_close_if_done", "run.keys.leave()", "pass", store_tests.test_the_second_run_never_repeats_the_first_and_is_told_at_once),
    Fault("a facet that goes with an axis", "core.placing:number", "(digit + turn) % size", "digit", facet_tests.test_a_facet_is_not_tied_to_a_meal),
    Fault("a cell moves on to the combination of another", "core.facets:Facets._exists", "number < self.combinations", "True", facet_tests.test_nobody_moves_to_a_combination_that_another_has_had),
    Fault("a cell keeps a combination that fails", "engine.attempt:Attempts._moved_on", "facet != work.cell.facet", "False", facet_tests.test_a_combination_that_failed_twice_is_dropped_for_one_that_is_free),
    Fault("the report forgets that a cell moved on", "ended:Endings.apply", "event.code == Code.DUPLICATE", "False", facet_tests.test_a_combination_that_failed_twice_is_dropped_for_one_that_is_free),
    Fault("what was taken is forgotten by the next life", "core.counts:StepState.reopen", "self.drop_all()", "self.drop_all(); self.taken.clear()", facet_tests.test_what_was_taken_outlives_a_run_that_was_cut_off),
    Fault("who waits for a leader that failed is forgotten", J + "_lands", "self._freed[waiter.id] = (waiter, None if accepted else work)", "pass"),
    Fault("who asks the same does not wait", J + "_joins", "if flight is None:", "if True:", lambda: joint_tests.test_two_runs_that_ask_the_same_make_one_call_for_each(0.0)),
    Fault("it leads with its answer refused", J + "_again", "self._lands(cell)", "pass"),
    Fault("it leads although its run was stopped", J + "_stop", "self._lands(cell)", "pass"),
    Fault("it leads for a model that it has left", J + "_hop", "self._lands(cell)", "pass", joint_tests.test_who_leaves_for_another_model_leads_no_longer),
    Fault("who waits and is given up is waited for", J + "_give_up", "flight.waiting.pop(cell.id, None) if flight is not None else None", "None"),
    Fault("who waits for too long fails", J + "_give_up", "late = code == Code.TIMEOUT and cell.run.stop is None and cell.run.closing is None", "late = False", joint_tests.test_nobody_waits_longer_than_a_preparation_may_take),
    Fault("a hit passes no gate", J + "_gate", "if reply.finding is not None:", "if False:", cache_tests.test_an_answer_that_a_new_check_refuses_costs_a_call_and_no_attempt),
    Fault("a hit takes no key", J + "_gate", "if cell.rule.unique is not None and not self._claim(cell, reply):", "if False:", cache_tests.test_within_the_store_no_answer_is_repeated_whatever_the_cache_has),
    Fault("a hit that its judge refuses has no size", J + "_found", "cell.tokens = (work.tokens_in, work.tokens_out)", "pass", cache_tests.test_a_known_answer_that_a_judge_refuses_is_drawn_again_at_its_full_size),
    Fault("samples share an answer", "engine.asked:Samples._place", "return \"\", index", "return \"\", 0", cache_tests.test_the_same_again_calls_nobody_and_costs_nothing),
    Fault("rows that show the same share an answer", "engine.asked:Samples._place", "0 if before is None or index >= len(before) else before[index]", "0", lambda: cache_tests.test_rows_that_show_the_same_never_share_an_answer("Explain {row.term}.")),
    Fault("the key forgets the sampling", "engine.asked:digest", "sorted(request.sampling.items())", "0", lambda: cache_tests.test_whatever_makes_a_difference_is_asked_anew(cache_tests.asking(), cache_tests.asking(sampling={"seed": 4}), {}, cache_tests.echo)),
    Fault("the key forgets the provider", "engine.asked:digest", "route.origin, ", "", cache_tests.test_another_provider_or_another_address_is_asked_anew),
    Fault("an entry for something else is served", "engine.answers:Answers._judged", "entry.key != kept.key", "False", lambda: cache_tests.test_an_entry_must_be_what_was_asked_for(cache_tests.entry(key=b"other"), "damaged")),
    Fault("an answer is good for ever", "engine.answers:Answers._judged", "longest is not None and self._wall() - kept.made > longest", "False", cache_tests.check_that_answers_expire),
    Fault("what was refused is kept", "engine.bus:Bus._write", "draft is not None and event.state == \"accepted\"", "draft is not None", cache_tests.test_what_a_judge_refused_is_never_kept),
    Fault("a spare's answer is kept under its own number", "engine.job:Job.hand_over", "answered.asked.of(event.fills, self.run.rules[event.step].counted)", "answered.asked", cache_tests.test_what_spares_filled_is_known_the_next_time),
    Fault("a lost race costs an attempt", "core.fates:Fates._outrun", "self._raced(cell) and", "False and", race_tests.test_a_race_that_was_lost_while_the_name_streamed_is_no_attempt),
    Fault("races without end", "core.fates:Fates._outrun", "cell.races < RACES", "True", race_tests.test_races_end),
    Fault("every duplicate is called a race", "core.fates:Fates._raced", "cell.run.keys.born >= cell.asked", "True", race_tests.test_a_name_that_it_was_told_of_costs_an_attempt),
    Fault("a twin takes the name from the call that is ahead", "core.tail:Tail._rival", "other.named and", "False and", race_tests.test_a_race_that_was_lost_while_the_name_streamed_is_no_attempt),
    Fault("what a lost call has said stays", "engine.spoken:Speech.show", "self.version + 1", "self.version", spoken_tests.test_a_stream_that_is_lost_is_begun_anew),
    Fault("two calls of a cell are mixed", "engine.spoken:Spoken._said", "or call not in speech.calls", "", lambda: spoken_tests.test_two_calls_of_one_cell_are_never_mixed(1)),
    Fault("a spare is heard of that nobody asked for", "engine.listening:Tokens._piece", "speech.spare or", "", spoken_tests.test_spares_are_heard_of_when_they_fill_a_cell),
    Fault("a row that failed has fewer columns", "table:StepTable.row", "dict.fromkeys((column.name for column in self.columns), None)", "dict()", table_tests.test_the_columns_are_the_same_whatever_failed),
    Fault("what a spare took is nobody's", "meter:Meters.apply", "if event.fills is not None:", "if False:", table_tests.test_counted_cells_and_their_spares),
    Fault("fallbacks count for their facets", "ended:result_of", "at not in endings.of[index] and ", "", facet_tests.test_the_report_says_how_evenly_facets_were_used_and_how_different_answers_are),
    Fault("the judge is asked about what a check has refused", "engine.attempt:Attempts.judged", "if finding is not None:", "if finding is not None and not step.step.judge:", judge_tests.test_nothing_dear_runs_when_something_cheap_has_refused),
    Fault("checks that take their time are not last", "engine.usercode:UserCode.cheap_first", "sorted(functions,", "list(functions) or sorted(functions,", judge_tests.test_nothing_dear_runs_when_something_cheap_has_refused),
    Fault("a judge's reason is not fed back", C + "_judged", 'against, "judge", now', 'against, "", now', judge_tests.test_the_reason_goes_into_the_next_attempt_with_the_answer),
    Fault("a verdict is asked for before its reason", "engine.verdicts:verdict_last", "name in PASSES or name == BETTER", "name not in PASSES and name != BETTER", judge_tests.test_the_reason_is_asked_for_before_the_verdict),
    Fault("a judge that compares is asked in one order only", C + "_judged", "cell.rule.both_orders and", "False and"),
    Fault("a judge that compares is shown the same order twice", "core.traffic:Traffic._call", "cell.opinion is not None", "False"),
    Fault("what was said of the last answer counts for the next", C + "_judged", "opinion(reply)), None", "opinion(reply)), cell.opinion"),
    Fault("a tie passes", "core.verdicts:objection", "first.good == last.good", "first.good == last.good or last.good", lambda: judge_tests.test_a_judge_that_always_prefers_one_place_has_not_decided("second")),
    Fault("the other place is taken for the value's", "engine.verdicts:at_least_as_good", "is swapped", "is not swapped", judge_tests.test_a_better_answer_is_accepted_after_both_orders),
    Fault("an unreadable judge costs an attempt", "core.fates:Fates._faulted", "cure is Remedy.REGENERATE and cell.phase == ANSWER", "cure is Remedy.REGENERATE", judge_tests.test_an_unreadable_judge_is_asked_again_and_costs_no_attempt),
    Fault("a judge has only the retries that its answer has left", C + "_answered", "cell.phase, cell.hops, cell.retries = JUDGE, 0, 0", "cell.phase, cell.hops = JUDGE, 0", verdict_tests.test_the_judge_has_retries_of_its_own),
    Fault("an answer without a verdict fails without a word about the judge", "core.fates:Fates._fail", "cell.phase == JUDGE", "False", lambda: judge_tests.test_a_judge_that_never_answers_is_told_in_plain_words("no json", "malformed")),
    Fault("a refused value is shown", "engine.bus:Bus._write", 'event.state == "accepted"', "True", judge_tests.test_a_value_that_was_refused_is_never_shown),
    Fault("keys that were accepted are not taken in the next life", "core.relive:Relive._restore_cell", "if rule.unique is not None and", "if False and", lives),
    Fault("answers that were judged are forgotten by the next life", "core.relive:Relive._remember", "begun is not None and", "False and", lives),
    Fault("what has ended is made again", "core.relive:Relive._relive", "past.pop(at, None)", "None", lives),
    Fault("only the first of a row that has ended is not made again", "core.relive:Relive._relive", "if end is None:", "if end is None or position:", lives),
    Fault("what was made from a cell that is open again is kept", "core.past:Past._again", "for edge in node.ins:", "for edge in ():", lives),
    Fault("a spare is what its cell is known to be", "engine.attempt:Attempts._known", " or cell.spare", "", known_tests.test_a_spare_of_a_counted_axis_is_not_what_a_cell_is_known_to_be),
    Fault("a known value that is taken is known again", "engine.attempt:Attempts._known", " or cell.judged", "", known_tests.test_a_known_value_is_not_known_again_in_the_next_life),
    Fault("the cache answers for what waits for its judge", "engine.attempt:Attempts.prepare", " or (cell.rule.index, cell.at) in job.drafts", "", partial(resume_tests.test_an_answer_that_waits_for_its_judge_is_not_replaced_by_one_of_the_cache_that_is_taken, 3)),
    Fault("a spare shows the facets of the cell it fills", "engine.variety:Given.of", "self._fills.get(at, at)", "at", facet_tests.test_what_a_spare_has_filled_shows_the_facets_that_it_was_asked_for),
    Fault("a cell keeps the candidates of an answer that is void", "ended:Endings._reopened", "self.took[event.step], ", "", candidate_tests.test_a_cell_that_was_made_again_has_the_candidates_of_its_last_answer),
    Fault("a run that was stopped owes nothing", "core.floor:_owes", "return not all", "return False and all", partial(budget_tests.test_never_more_than_that_and_what_is_in_the_air, 4)),
    Fault("what failed outside stays failed", "core.past:Past._again", "why[1] in OUTSIDE", "False", resume_tests.test_what_failed_outside_is_tried_again_and_what_was_refused_is_not),
    Fault("what was refused is tried again unasked", "core.past:Past._again", "or refused)", "or True)", resume_tests.test_what_failed_outside_is_tried_again_and_what_was_refused_is_not),
    Fault("limits begin anew with each life", "core.relive:Relive._restore_lane", "lane.limiter.restore(", "(lambda *_: None)(", lambda: patched(resume_tests.test_declared_limits_count_what_the_earlier_life_sent)),
    Fault("calls that were lost cost nothing", "core.fold:RunState.cut_off", "guess(tokens_in, most_out)", "guess(0, 0)", budget_tests.test_it_holds_over_lives_and_lost_calls_count_at_their_upper_bound),
    Fault("a budget begins anew with each life", "api:Engine._money", "spent.usd or 0.0", "0.0", budget_tests.test_it_holds_over_lives_and_lost_calls_count_at_their_upper_bound),
    Fault("numbers of events begin anew with each life", C + "add", "run.seq = life.past.seq + 1", "pass", lives),
    Fault("numbers of events leave one out", C + "add", "life.past.seq + 1", "life.past.seq + 2", lives),
    Fault("a snapshot of another moment is used", "engine.freezer:_part", "found.seq == snapshot.seq", "True", lambda: asyncio.run(opening_tests.test_a_snapshot_of_another_moment_is_not_used())),
    Fault("keys of cells that are open again stay taken", "core.past:Past.reopen", "yield from gone.told(index, self.steps[index])", "list(gone.told(index, self.steps[index]))", lives),
    Fault("what a counted axis has is not counted in the next life", "core.relive:Relive._relive", "if rule.counted:", "if False:", lives),
    Fault("candidates of an earlier life are given again", "core.relive:Relive._restore_cell", "if end.took:", "if False:", lives),
    Fault("a run is gone on with twice in one engine", S + "going", "raise PlanError(", "PlanError(", lambda: two_tests.test_an_engine_goes_on_with_a_run_once(True)),
    Fault("the engine goes on after a write has failed", "engine.bus:Bus._write", "job.broke(error)\n        raise", "pass", lambda: write_tests.test_the_kth_write_fails("full", False)),
    Fault("a trial that says nothing keeps its lane shut", "core.breaker:Breaker.said_nothing", "self.trial = False", "pass", fault_tests.test_a_trial_that_says_nothing_of_the_server_is_followed_by_another),
    Fault("the last refusal is nobody's", "core.fates:Fates._again", "cell.check = check", "pass", verdict_tests.test_the_last_refusal_is_counted_under_its_name),
    Fault("slow once is slow for ever", "engine.usercode:UserCode._price", ">= OFTEN", ">= 1", gate_tests.test_checks_that_are_slow_again_and_again_run_last_and_beside_the_loop),
    Fault("both orders are paid, and one is booked", C + "_cost", "(1 + rule.both_orders) *", "1 *", gate_tests.test_the_money_for_both_orders_is_booked_with_the_answer),
    Fault("an unreadable judge is the last of its chain", "core.fates:Fates._hop", "ELSEWHERE | UNREADABLE if", "ELSEWHERE if", gate_tests.test_a_judge_that_cannot_be_read_is_followed_by_the_next_of_its_chain),
    Fault("a deadline is blamed on the judge's model", "core.verdicts:unheard", "code in ILL", "True", gate_tests.test_a_deadline_that_a_judge_does_not_meet_blames_no_model),
    Fault("a tie does not say what spoke against it", "core.verdicts:objection", 'f"{TIE}. {last.reason if first.good else first.reason}"', "TIE", gate_tests.test_a_tie_is_told_to_the_next_attempt_with_what_speaks_against_it),
    Fault("what was refused is told without the answer", "engine.refused:Latest.told", "replace(event, text=printable(text))", "event", lambda: refused_tests.test_every_refused_answer_is_there_with_its_own_reason(refused_tests.COUNTED)),
    Fault("a spare is refused without a word", P + "_again", "(str(code), check, reason)", '(str(code), check, "")', lambda: refused_tests.test_every_refused_answer_is_there_with_its_own_reason(refused_tests.COUNTED)),
    Fault("what is refused is the answer before", "engine.refused:Latest.asks", "self._texts.pop((step, at), None)", "pass", refused_tests.test_what_an_earlier_call_said_is_not_said_of_a_later_one),
    Fault("a verdict is lost with the process", "engine.job:Job.take_back", "verdict=event.verdict", 'verdict=""', refused_tests.test_the_verdict_on_an_answer_that_waits_for_its_cell_outlives_the_process),
    Fault("a known verdict is no verdict", "engine.judging:Judging.read", 'data.decode() if good else ""', '""', refused_tests.test_a_verdict_of_the_cache_is_a_verdict),
    Fault("what was skipped for want of another is an error more", "result:CellResult.in_consequence", 'self.state == "skipped"', "False", refused_tests.test_along_a_counted_axis_one_thing_that_goes_wrong_is_one_error),
    Fault("every cell is of the first share", "core.turns:Turns.share", "spot < end", "True", model_share_tests.test_each_has_exactly_its_share_and_each_cell_says_whose_it_is),
    Fault("blocks of shares begin in the same place and end in another", "core.turns:Turns.share", "% self._block", "% (self._block - 1 or 1)", model_share_tests.test_each_has_exactly_its_share_and_each_cell_says_whose_it_is),
    Fault("a slow share fills without bounds", "core.rows:Rows._full_ahead", ">= AHEAD *", ">= 10**9 *", model_share_tests.test_a_slow_model_does_not_fill_without_bounds),
    Fault("what one lane sends makes no room in the window of all", C + "commands", "for lane in lanes if len(lanes) > 1 else ():", "for lane in ():"),
    Fault("a share that cannot be had is nobody's", "core.turns:Turns.chain", "(*self.chains[share:], *self.chains[:share])", "self.chains[share : share + 1]", model_share_tests.test_the_share_of_a_model_that_can_no_longer_be_used_goes_to_the_others),
    Fault("an answer drawn beyond the axis is signed by nobody", "meter:Meter.fill", "self.lane[to] = self.lane[source]", "pass", model_share_tests.test_over_several_axes_and_counted_ones_too),
    Fault("a check that asks for its cell is not given it", "engine.attempt:Attempts._findings", "if takes_cell(check)", "if False", model_share_tests.test_a_check_that_asks_for_its_cell_is_given_it),
    Fault("a missing value stops what could do without it", "core.grid:Grid.ended", "accepted or not edge.dst.at_least", "accepted", missing_tests.test_at_least_0_goes_on_without_a_value_and_there_is_one_error),
    Fault("a missing value stops nothing", "core.grid:Grid.ended", "accepted or not edge.dst.at_least", "True"),
    Fault("a retry has all the time", "core.run:CallRecord.__init__", "if cell.retries else", "if False else", lambda: missing_tests.test_a_call_that_is_tried_again_has_a_share_of_the_time(0.25, 2)),
    Fault("the first call has the time of a retry", "core.run:CallRecord.__init__", "if cell.retries else None", "", lambda: missing_tests.test_a_call_that_is_tried_again_has_a_share_of_the_time(0.5, 4)),
    Fault("a run goes on with another rival", "engine.fingerprint:of_step", "{step.versus.name} if step.versus is not None else set()", "set()", gate_tests.test_another_rival_is_another_step_for_a_run_that_goes_on),
)  # fmt: skip


class NoLog:
    """In place of pytest's caplog: the log of a run in which a view failed once."""

    text = "a view failed"
