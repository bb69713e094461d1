""" "a = 0.7, b = 0.3": several models at once, each with its share of the cells; and each cell says which one wrote it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold import Engine, Judge, Limits, Plan, PlanError, Step
from fanfold.core.turns import Turns, strides
from fanfold.spec.calls import Fault, Scope
from fanfold.spec.shares import shares_of
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run

SHARED = "openai/a = 0.7, google/b = 0.2, sim/c = 0.1"


def plan(cells=100, **words):
    return Plan("p", [Step("a", "{n}", over="n", **words)], {"n": range(cells)})


def naming(**says):
    return ScriptedProvider(lambda request, number: says.get(request.model) or Says(request.model))


def done(provider, plan, model=SHARED, **options):
    async def main():
        async with Engine(model, provider=provider, store=":memory:", clock=VirtualClock(), **options) as engine:
            return await engine.run(plan)

    return run(main())


def wrote(result, step="a"):
    return Counter(cell.model for cell in result[step].cells)


# ---------------------------------------------------------------- as it is written


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("sim/a", [1]), ("sim/a | sim/b", [1]), ("sim/a, sim/b", [1, 1]), ("sim/a = 70%, sim/b = 30 %", [7, 3]), ("sim/a=2,sim/b=1", [2, 1]),
        ("sim/a = 0.999, sim/b = 0.001", [100, 1]), ("sim/a=1,sim/b=1,sim/c=1", [1, 1, 1]), ("sim/a = 1/3, sim/b = 2/3", [1, 2]),
        ("sim/a = .37, sim/b = .63", [37, 63]),
    ],
)  # fmt: skip
def test_shares_are_parts_of_a_block(written, parts):
    assert [share.part for share in shares_of(written)] == parts


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("sim/a = x, sim/b = 1", "not 'x'"), ("sim/a = 0, sim/b = 1", "above 0"), ("sim/a = 1, sim/b", "others have none"), ("sim/a,, sim/b", "nothing stands"),
        ("sim/a, sim/a", "twice"), ("= 1, sim/b = 1", "nothing stands"), ("sim/a = -1, sim/b = 1", "above 0"), ("sim/a = 1/0, sim/b = 1", "above 0"),
    ],
)  # fmt: skip
def test_shares_that_make_no_sense(written, said):
    with pytest.raises(PlanError, match=said):
        Engine(written, store=":memory:", provider=naming())


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(0, 2**40), st.integers(0, 50))
def test_every_block_has_exactly_its_parts(counts, seed, block):
    turns = Turns(tuple((n,) for n in range(len(counts))), tuple(counts), (1,))
    size = sum(counts)
    found = Counter(turns.share(seed, (n,)) for n in range(block * size, (block + 1) * size))
    assert [found[n] for n in range(len(counts))] == counts


@given(st.integers(0, 2**40))
def test_part_of_a_block_is_shared_out_nearly_so_too(seed):
    turns = Turns(((1,), (2,), (3,)), (50, 30, 20), (1,))
    for cells in (10, 20, 50, 77):
        found = Counter(turns.own(seed, (n,)) for n in range(cells))
        assert all(abs(found[lane] - cells * part) <= 3 for lane, part in (((1,), 0.5), ((2,), 0.3), ((3,), 0.2)))


def test_the_lanes_of_all_shares_are_in_the_chain_of_each_its_own_first():
    turns = Turns(((1, 2), (3,), (2, 4)), (1, 1, 1), strides([7, None, 3]))
    assert strides([7, None, 3]) == (3, 3, 1)
    for at in ((0, 0, 0), (6, 0, 2), (3, 2, 1)):
        own, chain = turns.own(5, at), turns.chain(5, at)
        assert chain[: len(own)] == own and sorted(chain) == [1, 2, 3, 4]


# ---------------------------------------------------------------- as it is run


def test_each_has_exactly_its_share_and_each_cell_says_whose_it_is():
    provider = naming()
    result = done(provider, plan())
    assert wrote(result) == {"openai/a": 70, "google/b": 20, "sim/c": 10}
    assert all(cell.model.endswith("/" + cell.value) for cell in result["a"].cells), "what it says is true"
    assert provider.max_in_flight > 50, "all at once"
    models = result.report["models"]
    assert {name: (used["calls"], used["tokens_out"], used["busy_s"]) for name, used in models.items()} == {
        "openai/a": (70, 700, 70.0), "google/b": (20, 200, 20.0), "sim/c": (10, 100, 10.0),
    }  # fmt: skip


def test_what_is_drawn_again_stays_with_its_model():
    seen = Counter()

    def refuse_first(value):
        seen[value] += 1
        return "no" if seen[value] == 1 else None

    result = done(naming(), plan(60, checks=[refuse_first]), "openai/a = 2, google/b = 1")
    assert wrote(result) == {"openai/a": 40, "google/b": 20} and result.report["regenerated"] == 2


def test_over_several_axes_and_counted_ones_too():
    two = Plan("p", [Step("a", "{n} {m}", over=("n", "m"))], {"n": range(10), "m": range(7)})
    assert wrote(done(naming(), two, "sim/a = 0.6, sim/b = 0.4")) == {"sim/a": 42, "sim/b": 28}
    numbers = iter(range(10_000))
    provider = ScriptedProvider(lambda request, number: Says(f"{request.model} {next(numbers)}"))
    odd = lambda value: None if int(value.split()[1]) % 3 else "a third is refused"  # noqa: E731
    result = done(provider, Plan("p", [Step("a", "x", over="n", checks=[odd])], {"n": {"count": 50}}), "sim/a = 0.6, sim/b = 0.4")
    assert result.ok and all(cell.model == "sim/" + cell.value.split()[0] for cell in result["a"].cells), "spares too"


def test_the_share_of_a_model_that_can_no_longer_be_used_goes_to_the_others():
    no_money = Fails(Fault(code="quota", message="no money", scope=Scope.LANE, status=429))
    result = done(naming(a=no_money), plan())
    assert result.ok and wrote(result)["openai/a"] == 0 and wrote(result).total() == 100
    assert wrote(result)["google/b"] >= 90, "the one that follows it"


def test_a_share_may_be_a_chain():
    down = Fails(Fault(code="auth", message="wrong key", scope=Scope.LANE, status=401))
    result = done(naming(a=down), plan(), "openai/a | sim/d = 0.5, google/b = 0.5")
    assert result.ok and wrote(result) == {"sim/d": 50, "google/b": 50}


def test_a_step_may_have_shares_and_its_judge_has_one_model():
    judged = plan(10, judge=Judge("{value}", model="sim/j"))
    provider = ScriptedProvider(lambda request, number: Says({"reason": "", "pass": True} if request.schema else request.model))
    assert wrote(done(provider, judged, "sim/a, sim/b")) == {"sim/a": 5, "sim/b": 5}
    with pytest.raises(PlanError, match=r"steps\.a\.judge\.model: a judge has one model"):
        done(provider, plan(10, judge=Judge("{value}", model="sim/j, sim/k")))


def test_a_slow_model_does_not_fill_without_bounds():
    """One of the two takes a thousand times as long: what is unfolded ahead stays within the windows."""
    provider = naming(slow=Says("slow", latency_s=100))
    most = 0

    async def main():
        nonlocal most
        async with Engine("sim/fast, sim/slow", provider=provider, store=":memory:", clock=VirtualClock()) as engine:

            def look(events):
                nonlocal most
                most = max(most, *(len(each.cells) for each in engine._shell.conductor.runs.values()), 0)

            return await engine.run(plan(2000), sinks=[look])

    assert wrote(run(main())) == {"sim/fast": 1000, "sim/slow": 1000}
    assert most <= 400, "not the thousand of the slow one"


def test_a_resumed_run_goes_on_with_the_same_shares():
    store = MemoryStore()
    first, second = naming(), naming()

    async def main():
        async with Engine(SHARED, provider=first, store=store, clock=VirtualClock(), limits=Limits(concurrent=5)) as engine:
            going = engine.start(plan())
            async for _ in going:
                if len(first.calls) >= 40:
                    going.cancel()
                    break
            await going.result()
        async with Engine(SHARED, provider=second, store=store, clock=VirtualClock()) as engine:
            return await (await engine.resume(going.id, plan())).result()

    result = run(main())
    assert result.ok and wrote(result) == {"openai/a": 70, "google/b": 20, "sim/c": 10}
    assert all(cell.model.endswith("/" + cell.value) for cell in result["a"].cells)
    assert second.calls and len(first.calls) + len(second.calls) <= 106


# ---------------------------------------------------------------- a check with its cell


def test_a_check_that_asks_for_its_cell_is_given_it():
    seen = []

    def as_asked(value, cell):
        seen.append((value, cell["n"], cell.at))
        return None if value.endswith(str(cell["n"])) else f"write {cell['n']}"

    class Rule:
        def __call__(self, value, cell):
            return as_asked(value, cell)

    provider = ScriptedProvider(lambda request, number: Says(f"n {request.messages[0].content.split()[0]}"))
    result = done(provider, plan(3, checks=[as_asked, Rule(), lambda value, more="": None, bool]), "sim/x")
    assert result.ok and sorted({(value, n) for value, n, _ in seen}) == [(f"n {n}", n) for n in range(3)] and len(seen) == 6
    made = Plan(
        "p", [Step("a", function=lambda cell: f"made {cell['n']}", over="n", output=str, checks=[as_asked])], {"n": range(3)}
    )
    assert done(provider, made, "sim/x").values == ["made 0", "made 1", "made 2"], "of a function too"
    wrong = done(ScriptedProvider([Says("5")]), plan(2, checks=[as_asked], attempts=1), "sim/x")
    assert [error.message for error in wrong.errors] == ["write 0", "write 1"]
