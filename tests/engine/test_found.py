"""Defects that fresh eyes once found, each by the smallest script that showed it."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field, field_validator

from fanfold import Axis, Engine, FanfoldError, Judge, Limits, Plan, PlanError, Step, Unique, generate
from fanfold.spec.calls import Fault, Request, Scope
from fanfold.spec.events import Rested
from fanfold.store.memory import MemoryStore
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run
from tests.engine.test_engine import last, make

FILTERED = Fails(Fault(code="filtered", message="no"))


class SlowStore(MemoryStore):
    """Every write takes a while."""

    def __init__(self, *seconds: float) -> None:
        """seconds: of the first writes; the last one is of all that follow."""
        super().__init__()
        self.seconds = list(seconds)

    async def journal(self, record: Any) -> Any:
        inner, seconds = await super().journal(record), self.seconds

        class Slow:
            events, values = inner.events, inner.values

            async def append(self, events: Any, values: Any) -> None:
                await asyncio.sleep(seconds.pop(0) if len(seconds) > 1 else seconds[0])
                await inner.append(events, values)

        return Slow()


def one(step: Step, script: Any, **options: Any):
    return make(Plan("p", [step]), script, **options)


# -------------------------------------------------------------------- lost wake-ups


def test_a_run_that_begins_while_another_is_written_down_begins():
    async def main():
        provider = ScriptedProvider([Says("ok", latency_s=0.01)])
        async with Engine(provider=provider, store=SlowStore(0.05), clock=VirtualClock()) as engine:
            for _ in range(5):
                assert (await engine.run(Plan("p", [Step("r", "x")]))).ok

    run(main())


@pytest.mark.parametrize("latency_s", [0.01, 1000.0])
@pytest.mark.parametrize("at_s", [1, 3])
def test_a_cancel_while_something_is_written_down_is_heard(latency_s, at_s):
    async def main():
        provider = ScriptedProvider([Says("ok", latency_s=latency_s)])
        async with Engine(provider=provider, store=SlowStore(2), clock=VirtualClock()) as engine:
            started = engine.start(Plan("p", [Step("r", "{n}", over="n")], {"n": range(3)}))
            await asyncio.sleep(at_s)
            started.cancel()
            assert (await started.result()).state == "cancelled"
            return asyncio.get_running_loop().time()

    assert run(main()) < 15


def test_a_cancel_from_a_view_ends_the_run():
    async def main():
        provider = ScriptedProvider([Fails(Fault(code="transient"))])
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            box: list[Any] = []
            sinks = [lambda events: any(isinstance(e, Rested) for e in events) and box[0].cancel()]
            box.append(engine.start(Plan("p", [Step("r", "x")]), sinks=sinks))  # type: ignore[arg-type]
            assert (await box[0].result()).state == "cancelled"

    run(main())


# -------------------------------------------------------------------- users' code


class Odd(BaseException):
    pass


def raises(error: BaseException) -> Any:
    def code(value: Any) -> Any:
        raise error

    return code


async def cancelled_inside(value: Any) -> Any:
    task = asyncio.ensure_future(asyncio.sleep(10))
    task.cancel()
    await task


@pytest.mark.parametrize("code", [raises(asyncio.CancelledError()), raises(Odd("x")), raises(StopIteration()), cancelled_inside])
def test_whatever_users_code_raises_fails_its_cell_and_no_more(code):
    result, _, _ = one(Step("r", "x", checks=[code], attempts=2), ["a"])
    assert result.errors[0].code == "check_failed"
    result, _, _ = one(Step("r", function=code), [])
    assert result.errors[0].code == "internal"
    result, _, _ = one(Step("r", "x", fallback=code), [FILTERED])
    assert result.errors[0].code == "filtered" and "its fallback failed" in result.errors[0].message


def test_stop_iteration_on_a_real_loop():
    async def main():
        async with Engine(provider=ScriptedProvider([]), store=":memory:") as engine:
            return await engine.run(Plan("p", [Step("r", function=raises(StopIteration()))]))

    assert asyncio.run(main()).errors[0].code == "internal"


@pytest.mark.parametrize("word", ["function", "prompt", "fallback"])
def test_code_that_never_returns_ends_at_its_timeout_and_with_its_run(word):
    async def never(cell: Any) -> Any:
        await asyncio.Event().wait()

    step = (
        Step("r", **{"prompt": "x", word: never, "timeout_s": 3})
        if word != "function"
        else Step("r", function=never, timeout_s=3)
    )
    result, _, took = one(step, [FILTERED])
    assert took < 4 and len(result.errors) == 1
    result, _, took = one(step, [FILTERED], deadline_s=1.0)
    assert took == (2.0 if word == "fallback" else 1.0), "fallbacks have a second more than the run's deadline"

    async def main():
        async with Engine(provider=ScriptedProvider([FILTERED]), store=":memory:", clock=VirtualClock()) as engine:
            engine.start(Plan("p", [step]))
            await asyncio.sleep(0.5)

    with pytest.warns(RuntimeWarning, match="nobody waited for it"):
        run(main())


def test_the_calls_deadline_is_not_for_checks():
    async def slow(value: str) -> None:
        await asyncio.sleep(5)

    result, provider, took = one(Step("r", "x", checks=[slow], timeout_s=3), [Says("a", latency_s=1)])
    assert result.ok and took == 6 and len(provider.calls) == 1 and result.report["sequential_s"] == 1.0


def test_half_characters_in_an_error_are_written_out(tmp_path):
    async def main():
        async with Engine(provider=ScriptedProvider(["x"]), store=tmp_path / "x.db") as engine:
            result = await engine.run(Plan("p", [Step("r", function=raises(ValueError("caf\udce9.txt")))]))
            assert "caf\\udce9.txt" in result.errors[0].message
            assert (await engine.run(Plan("q", [Step("r", "x")]))).ok

    asyncio.run(main())


def test_a_fault_with_an_unknown_code_is_internal():
    result, _, _ = one(Step("r", "x"), [Fails(Fault(code="weird", message="?"))])
    assert result.errors[0].code == "internal" and "weird" in result.errors[0].message


def test_a_reader_that_gives_up_does_not_end_the_others():
    class SlowToOpen(MemoryStore):
        async def journal(self, record: Any) -> Any:
            await asyncio.sleep(1)
            return await super().journal(record)

    async def main():
        async with Engine(provider=ScriptedProvider(["x"]), store=SlowToOpen(), clock=VirtualClock()) as engine:
            started = engine.start(Plan("p", [Step("r", "x")]))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    async for _ in started:
                        pass
            assert (await started.result()).ok

    run(main())


# -------------------------------------------------------------------- values


class Percent(BaseModel):
    pct: float

    @field_validator("pct")
    @classmethod
    def _share(cls, value: float) -> float:
        return value / 100


class Tricky(BaseModel):
    model_config = ConfigDict(extra="forbid")
    a: int = Field(validation_alias="in", serialization_alias="out")
    secret: SecretStr
    hidden: str = Field(exclude=True)
    price: Decimal

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return self.a * 2


def test_values_are_read_again_as_they_were():
    plan = Plan("p", [Step("a", "x", output=Percent), Step("b", "{a.pct}")])
    result, provider, _ = make(plan, lambda request, n: Says({"pct": 50}) if last(request) == "x" else Says("y"))
    assert last(provider.calls[1]) == "0.5" and result["a"].values == [Percent.model_construct(pct=0.5)]
    result, _, _ = one(Step("a", "x", output=Tricky), [{"in": 2, "secret": "s", "hidden": "h", "price": "1.10"}])
    (value,) = result.values
    assert (value.a, value.secret.get_secret_value(), value.hidden, value.price) == (2, "s", "h", Decimal("1.10"))


class Priced(BaseModel):
    price: float


@pytest.mark.parametrize("answer", ['{"price": 1e999}', '{"price": NaN}', '{"price": -Infinity}'])
def test_numbers_beyond_all_bounds_are_no_answer(answer):
    result, provider, _ = one(Step("a", "x", output=Priced, attempts=2), [answer])
    assert result.errors[0].code == "malformed" and len(provider.calls) == 2
    result, _, _ = one(Step("a", "x", attempts=1, output={"type": "object", "properties": {}}), [answer])
    assert result.errors[0].code == "malformed"


@pytest.mark.parametrize("answer", ['{"price": 1, "steps": ["a", "b', '{"price": 1,,', '{"price": 1, "x": [1, 2,,'])
def test_a_cut_answer_is_never_mended(answer):
    result, _, _ = one(Step("a", "x", output=Priced, attempts=1), [answer])
    assert result.errors[0].code == "malformed"


@pytest.mark.parametrize("answer", ["{'price': 1}", '{"price": 1,}', 'Here it is: {"price": 1,} as asked'])
def test_an_answer_that_is_whole_and_nearly_json_is_mended(answer):
    assert one(Step("a", "x", output=Priced), [answer])[0].values == [Priced(price=1)]


@pytest.mark.parametrize("value", [None, "n/a", {}, float("nan")])
def test_fallbacks_and_functions_must_fit_their_output(value):
    result, _, _ = one(Step("a", "x", output=Priced, fallback=value), [FILTERED])
    assert result.exit_code == 1 and result.errors[0].code == "filtered"
    result, _, _ = one(Step("a", function=lambda cell: value, output=list[int]), [])
    assert result.exit_code == 1


def test_function_values_are_what_their_output_says_for_everybody():
    plan = Plan(
        "p",
        [
            Step("a", function=lambda cell: {"price": 1}, output=Priced),
            Step("b", function=lambda cell: cell["a"].price, needs=("a",)),
        ],
    )
    result, _, _ = make(plan, [])
    assert result["a"].values == [Priced(price=1.0)] and result["b"].values == [1.0]


def test_only_filled_by_a_fallback_is_partial_but_nobody_there_is_failed():
    assert one(Step("a", "x", fallback="-"), [FILTERED])[0].exit_code == 3
    unreachable = Fails(Fault(code="transient", scope=Scope.ENDPOINT))
    assert one(Step("a", "x", fallback="-"), [unreachable])[0].exit_code == 1


def test_fallbacks_do_not_make_twins():
    result, _, _ = make(Plan("p", [Step("a", "x", over="n", unique=Unique(), fallback="same")], {"n": [1, 2]}), [FILTERED])
    assert result.values == ["same"] and len(result.errors) == 2


def test_keys_that_are_no_texts_count_to_the_letter():
    answers = iter([{"value": 5}, {"value": -5}, {"value": 5}, {"value": 7}])
    result, _, _ = make(
        Plan("p", [Step("a", "x", output=int, over="n", unique=Unique())], {"n": [1, 2, 3]}), lambda r, n: Says(next(answers))
    )
    assert sorted(result.values) == [-5, 5, 7]


def test_rows_keep_what_a_value_calls_like_a_column():
    class Named(BaseModel):
        step: str
        state: str
        error: str

    result, _, _ = one(Step("a", "x", output=Named), [{"step": "1", "state": "2", "error": "3"}])
    (row,) = result.rows()
    known = {"step": "a", "state": "accepted", "value.step": "1", "value.state": "2", "value.error": "3", "error": ""}
    assert row | known == row


# -------------------------------------------------------------------- judges, limits, lanes


def test_a_judge_may_say_no_as_a_text():
    output = {"type": "object", "properties": {"pass": {"type": "string"}}}
    script = lambda request, n: Says({"pass": "false"} if "good?" in last(request) else "x")  # noqa: E731
    result, _, _ = one(Step("a", "x", attempts=2, judge=Judge("good? {value}", output=output)), script)
    assert result.errors[0].code == "check_failed"
    with pytest.raises(PlanError, match="does not say whether it passed"):
        one(Step("a", "x", judge=Judge("good? {value}", output=str)), ["x"])


def test_a_broken_judges_prompt_costs_one_answer():
    result, provider, _ = one(Step("a", "x", judge=Judge(raises(ValueError("no")))), ["x"])
    assert len(provider.calls) == 1 and result.errors[0].code == "internal"


def test_with_the_judges_model_dead_no_more_answers_are_bought():
    plan = Plan("p", [Step("a", "{n}", over="n", judge=Judge("good? {value}", model="test/judge"))], {"n": range(200)})
    dead = Fails(Fault(code="auth", message="no key", scope=Scope.LANE, status=401))
    result, provider, _ = make(
        plan, lambda request, n: dead if "good?" in last(request) else Says("x"), limits=Limits(concurrent=4)
    )
    assert len(provider.calls) <= 12 and {e.code for e in result.errors} == {"auth"}


def test_declared_limits_hold_behind_slow_writes():
    provider = ScriptedProvider(["x"])

    async def main():
        async with Engine(provider=provider, store=SlowStore(0, 5, 0), clock=VirtualClock(), limits=Limits(rpm=10)) as engine:
            await engine.run(Plan("p", [Step("a", "{n}", over="n")], {"n": range(30)}))

    run(main())
    assert all(sum(a <= b < a + 60 for b in provider.started) <= 10 for a in provider.started)


def test_concurrency_holds_over_all_models():
    steps = [Step(name, "{n}", over="n", model=model) for name, model in (("a", "t/1"), ("b", "t/2"), ("c", " t/1"))]
    _, provider, took = make(Plan("p", steps, {"n": range(4)}), ["x"], limits=Limits(concurrent=1))
    assert provider.max_in_flight == 1 and took == 12.0


def test_told_to_come_back_later_a_later_run_may():
    async def main():
        wait = Fails(Fault(code="rate_limited", retry_after_s=1000, status=429))
        provider = ScriptedProvider([wait, Says("x")])
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            assert not (await engine.run(Plan("p", [Step("r", "x")]))).ok
            await asyncio.sleep(1100)
            assert (await engine.run(Plan("p", [Step("r", "x")]))).ok

    run(main())


# -------------------------------------------------------------------- plans


def test_a_gather_is_told_of_a_failed_source():
    missing: dict[str, int] = {}

    def edit(cell: Any) -> str:
        missing.update(cell.missing)
        return "done"

    plan = Plan(
        "p",
        [
            Step("outline", "{doc}", over="doc", output=list[str]),
            Step("section", "s {part}", over=("doc", "part")),
            Step("edit", function=edit, needs=("section",)),
        ],
        {"doc": range(3), "part": {"each": "outline"}},
    )
    make(plan, lambda request, n: FILTERED if last(request) == "1" else Says(["a", "b"] if last(request).isdecimal() else "x"))
    assert missing == {"section": 1}


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan("p", [Step("a", "x")], concurrent=-1), "concurrent: a whole number from 1"),
        (Plan("p", [Step("a", "x")], concurrent="3"), "concurrent"),  # type: ignore[arg-type]
        (Plan("p", [Step("r", "x", output=Priced, over="n"), Step("s", "{r.price}")], {"n": [1, 2]}), "is a list here"),
        (Plan("p", [Step("a", "x", over="n")], {"n": [1, 1]}), "the value 1 stands twice"),
        (Plan("p", [Step("a", "x", over="n", at_least=9), Step("b", "{a}")], {"n": [1]}), "gathers nothing"),
        (Plan("p", [Step("a", "{o}")], given={"o": range(3)}), "given.o: cannot be written into a prompt"),
        (Plan("p", [Step("a", "x", checks=len)]), "checks"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x", needs=None)]), "needs"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x", over=5)]), "over"),
        (Plan("p", [Step("a", "x", sampling={"max_tokens": "x"})]), "max_tokens"),
        (Plan("p", [Step("a", "x", timeout_s="3")]), "timeout_s"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x", unique=Unique(by=3))]), "by is the name"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x", model=3)]), "model"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x", judge=Judge(None))]), "judge"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", function=3)]), "not callable"),  # type: ignore[arg-type]
        (Plan("p", Step("a", "x")), "list of Step"),  # type: ignore[arg-type]
        (Plan("p", [Step("a", "x")], given=None), "givens"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_wrong_plans_say_so(plan, message):
    with pytest.raises(PlanError, match=message):
        make(plan, ["x"])


def test_wrong_options_say_so():
    for options in ({"seed": "x"}, {"retries": -1}, {"attempts": 0}, {"timeout_s": "5"}, {"limits": {}}):
        with pytest.raises(PlanError, match=next(iter(options))):
            Engine(provider=ScriptedProvider([]), store=":memory:", **options)  # type: ignore[arg-type]


def test_generators_may_be_used_twice():
    plan = Plan("p", [Step("a", "{n} {g}", over="n")], [Axis("n", (i for i in range(2)))], {"g": (c for c in "xy")})
    for _ in range(2):
        result, _, _ = make(plan, lambda request, n: Says(last(request)))
        assert result.values == ['0 ["x","y"]', '1 ["x","y"]']


def test_after_close_nothing_begins():
    async def main():
        engine = Engine(provider=ScriptedProvider([]), store=":memory:")
        await engine.close()
        with pytest.raises(FanfoldError, match="closed"):
            engine.start(Plan("p", [Step("r", "x")]))

    asyncio.run(main())


def test_an_engine_forgets_runs_that_have_ended():
    async def main():
        provider = ScriptedProvider(["x"])
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            for _ in range(3):
                await engine.run(Plan("p", [Step("r", "x")]))
            assert not engine._shell._jobs and not engine._shell.conductor.runs

    run(main())


def test_the_log_tells_of_a_run_that_is_only_iterated(caplog):
    async def main():
        provider = ScriptedProvider(lambda request, n: FILTERED if last(request) == "1" else Says("x"))
        async with Engine(provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            async for _ in engine.start(Plan("p", [Step("r", "{n}", over="n")], {"n": [0, 1]})):
                pass

    with caplog.at_level(logging.INFO, "fanfold"):
        run(main())
    levels = [record.levelname for record in caplog.records if record.name == "fanfold"]
    assert levels == ["INFO", "ERROR", "INFO"] and "filtered" in caplog.text


def test_a_request_is_what_it_says() -> None:
    seen: list[Request] = []
    generate("hi", provider=ScriptedProvider(lambda request, n: seen.append(request) or Says("x", latency_s=0)), store=":memory:")  # type: ignore[func-returns-value]
    assert [m.content for m in seen[0].messages] == ["hi"]
