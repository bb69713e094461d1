"""What things say of themselves in messages and in a debugger: their state, in a line."""

from __future__ import annotations

import pytest

from fanfold.core.breaker import Breaker
from fanfold.core.concurrency import Hosted
from fanfold.core.conductor import Conductor
from fanfold.core.counts import Counts
from fanfold.core.grid import Grid
from fanfold.core.hedge import Hedging
from fanfold.core.knee import Knee
from fanfold.core.limiter import REQUESTS, Limiter, Window
from fanfold.core.money import DOLLAR, Money, cost_of
from fanfold.core.pool import Odds, Pool
from fanfold.core.run import Rule, Run
from fanfold.core.sketch import Sketch
from fanfold.core.stock import Stock
from fanfold.core.uniqueness import Reservations
from fanfold.spec.compile import compile_plan
from fanfold.spec.plan import Plan, Step
from fanfold.spec.prices import Price


def opened() -> Breaker:
    breaker = Breaker()
    breaker.rest(5_000_000)
    return breaker


def spent() -> Money:
    money = Money(2.0, 0.25)
    money.book(DOLLAR // 2)
    return money


def owned() -> Reservations:
    keys = Reservations()
    for n, name in enumerate("abc"):
        keys.take(((), name), name, n, None)
    keys.commit(((), "a"), 0)
    return keys


def dealt() -> Stock:
    stock = Stock(5)
    stock.take(0, ["a", "b"], 2, stock.deal(2))
    return stock


def three() -> Sketch:
    sketch = Sketch()
    for value in (1, 1, 1):
        sketch.add(value)
    return sketch


def limited() -> Limiter:
    return Limiter([(REQUESTS, Window(60))])


def conducted() -> tuple[Conductor, Run]:
    conductor = Conductor()
    lane = conductor.add_lane("gpt", limited(), 4)
    grid = Grid(compile_plan(Plan("p", [Step("a", "{n}", over="n")], {"n": range(3)})))
    return conductor, conductor.add(grid, [Rule(index=0, name="a", lane=lane.index)], 0)


TABLE = [
    (Breaker(), "<Breaker closed>"),
    (opened(), "<Breaker open until 5000000>"),
    (Hosted(512), "<Hosted 512 of 512>"),
    (Knee(), "<Knee 32, beginning>"),
    (Hedging(), "<Hedging 2.0 left, first <Sketch of 0: None, p95 None>, whole <Sketch of 0: None, p95 None>>"),
    (three(), "<Sketch of 3: 1, p95 1>"),
    (spent(), "<Money 0.250000 + 0.500000 of 2>"),
    (owned(), "<Reservations 1 committed, 2 reserved>"),
    (dealt(), "<Stock 2 of 5 taken>"),
    (Stock(None), "<Stock 0 of ? taken>"),
    (limited(), "<Limiter requests 0/60>"),
    (Limiter(), "<Limiter no limits>"),
    (Pool(6, (0,), 5, Odds()), "<Pool 0 of 6 ended, 0 alive, 0 spares, 0 in the bank, 6/30 draws>"),
    (conducted()[0], "<Conductor 1 runs, 0 calls in the air, 0 resting>"),
    (conducted()[0].lanes[1], "<Lane gpt: 0/4 in the air, 0 preparing, 0 ready, <Limiter requests 0/60>>"),
    (conducted()[1], "<Run 0: 3 open, 0 in the air, 0 accepted>"),
]


@pytest.mark.parametrize(("thing", "said"), TABLE, ids=[type(thing).__name__ for thing, _ in TABLE])
def test_what_it_says_of_itself(thing, said):
    assert repr(thing) == said


def test_a_cell_says_which_it_is():
    conductor, _ = conducted()
    assert repr(conductor.commands(0)[1].cell) == "<Cell a[1] preparing>"


def test_a_model_without_a_price_costs_nothing_and_a_cached_token_what_it_costs():
    assert cost_of(None, 10, 10) == 0
    assert cost_of(Price(tokens_in=2.0, tokens_out=8.0), 3, 1, 1) == 14 * 10**6
    assert cost_of(Price(tokens_in=2.0, tokens_out=8.0, cached=0.5), 3, 1, 1) == 12_500_000


def test_only_terminal_states_are_counted_as_ends():
    with pytest.raises(ValueError, match="'resting' is not a terminal state"):
        Counts().end("resting", 1)
