"""Token streaming: what calls say while they say it, and that nobody who listens changes the run."""

from __future__ import annotations

import asyncio
import gc
import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from fanfold import Engine, Judge, Limits, Plan, PlanError, Step, Token
from fanfold.engine.spoken import Spoken
from fanfold.spec.calls import Answer, Chunk, Fault, Usage
from fanfold.spec.events import CellEnded, RunEnded
from fanfold.testing.scripted import Fails, Says, ScriptedProvider
from fanfold.testing.virtual import VirtualClock, run


class Named(BaseModel):
    name: str


class Shown:
    """What somebody who follows the tokens sees of each cell."""

    def __init__(self):
        self.texts, self.states, self.restarts, self.tokens = {}, {}, {}, []

    def take(self, token):
        self.tokens.append(token)
        place = (token.step, tuple(token.at.values()))
        assert place not in self.states, "nothing is said after the last piece"
        if token.restart:
            assert self.texts.get(place), "there was something to drop"
            self.texts[place] = ""
            self.restarts[place] = self.restarts.get(place, 0) + 1
        self.texts[place] = self.texts.get(place, "") + token.text
        assert token.done is (token.state != "running") and token.provisional is (token.state != "accepted")
        if token.done:
            self.states[place] = token.state


async def follow(tokens, pause_s=0.0):
    shown = Shown()
    async for token in tokens:
        shown.take(token)
        if pause_s:
            await asyncio.sleep(pause_s)
    return shown


def listened(provider, plan, pause_s=0.0, steps=(), **options):
    async def main():
        words = {"provider": provider, "store": ":memory:", "clock": VirtualClock(), "seed": 1, **options}
        async with Engine("sim/x", **words) as engine:
            going = engine.start(plan)
            following = asyncio.create_task(follow(going.tokens(*steps), pause_s))
            result = await going.result()
            return await following, result

    return run(main())


def test_pieces_as_they_come_and_the_end():
    provider = ScriptedProvider([Says("one two three four", pieces=4)])
    shown, result = listened(provider, Plan("p", [Step("a", "{n}", over="n")], {"n": [1, 2]}))
    assert shown.texts == {("a", (1,)): "one two three four", ("a", (2,)): "one two three four"}
    assert set(shown.states.values()) == {"accepted"} and result.values == ["one two three four"] * 2
    assert len(shown.tokens) == 10 and not shown.restarts, "four pieces and an end each"
    assert all(call.stream for call in provider.calls)


def test_nobody_listens_and_nothing_is_streamed():
    provider = ScriptedProvider([Says("text")])

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            return await engine.run(Plan("p", [Step("a", "x"), Step("b", "{a}")]))

    assert run(main()).ok and not any(call.stream for call in provider.calls)


def test_only_the_steps_that_are_listened_to_are_streamed():
    provider = ScriptedProvider([Says("text")])
    shown, result = listened(provider, Plan("p", [Step("a", "x"), Step("b", "{a}")]), steps=["b"])
    assert (
        result.ok and [call.stream for call in provider.calls] == [False, True] and {place[0] for place in shown.texts} == {"b"}
    )


def test_an_answer_that_is_not_good_is_dropped_when_the_next_begins():
    provider = ScriptedProvider([Says("bad words here"), Says("good words here")])
    plan = Plan("p", [Step("a", "x", checks=[lambda text: text.startswith("good")])])
    shown, _ = listened(provider, plan)
    assert shown.texts["a", ()] == "good words here" and shown.restarts["a", ()] == 1
    (first,) = [token for token in shown.tokens if token.restart]
    assert first.text.startswith("good") and first.provisional and not shown.tokens[-1].provisional


def test_a_stream_that_is_lost_is_begun_anew():
    class Cut(ScriptedProvider):
        async def _play(self, entry, request, heard):
            outcome = await super()._play(entry, request, heard)
            return Fault(code="transient", message="lost") if len(self.calls) == 1 else outcome

    shown, _ = listened(Cut([Says("the answer", pieces=5)]), Plan("p", [Step("a", "x")]))
    assert shown.texts["a", ()] == "the answer" and shown.restarts["a", ()] == 1


def test_what_a_judge_refuses_was_provisional():
    def script(request, number):
        if "good?" in request.messages[-1].content:
            return Says({"reason": "no", "pass": "second" in request.messages[-1].content})
        return Says(f"{'first' if number == 0 else 'second'} try")

    shown, result = listened(ScriptedProvider(script), Plan("p", [Step("a", "x", judge=Judge("good? {value}"))]))
    assert result.values == ["second try"] and shown.texts["a", ()] == "second try" and shown.restarts["a", ()] == 1


def test_who_fails_says_so():
    provider = ScriptedProvider([Says("never good")])
    shown, _ = listened(provider, Plan("p", [Step("a", "x", checks=[lambda text: False], attempts=2)]))
    assert shown.states == {("a", ()): "failed"} and shown.tokens[-1].text == "" and shown.tokens[-1].provisional


def test_values_without_a_call_are_one_piece():
    provider = ScriptedProvider([Fails(Fault(code="filtered", message="no"))])
    plan = Plan("p", [Step("a", function=lambda cell: {"k": 1}, output=dict), Step("b", "{a}", fallback="kept")])
    shown, _ = listened(provider, plan)
    assert shown.texts == {("a", ()): '{"k":1}', ("b", ()): "kept"} and len(shown.tokens) == 2


def test_a_fallback_replaces_what_was_said():
    provider = ScriptedProvider([Says("never good")])
    plan = Plan("p", [Step("a", "x", checks=[lambda text: text == "kept"], attempts=1, fallback="kept")])
    shown, result = listened(provider, plan)
    assert result.values == ["kept"] and shown.texts["a", ()] == "kept" and shown.restarts["a", ()] == 1


def test_a_provider_that_says_nothing_before_the_end():
    class Mute(ScriptedProvider):
        async def _play(self, entry, request, heard):
            return await super()._play(entry, request, lambda chunk: None)

    shown, _ = listened(Mute([Says("all at once")]), Plan("p", [Step("a", "x")]))
    assert [(token.text, token.state) for token in shown.tokens] == [("all at once", "accepted")]


def test_who_joins_late_hears_what_was_said_so_far():
    provider = ScriptedProvider([Says("abcdefghij", pieces=10, latency_s=10.0, first_s=0.5)])

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(Plan("p", [Step("a", "x")]))
            early = asyncio.create_task(follow(going.tokens()))
            await asyncio.sleep(5)
            late = await follow(going.tokens())
            return await early, late, await follow(going.tokens())

    early, late, after = run(main())
    assert early.texts == late.texts == {("a", ()): "abcdefghij"} and not late.restarts
    assert len(early.tokens) == 11 and len(late.tokens[0].text) > 1 and not after.tokens, (
        "of a run that has ended nothing is said"
    )


def test_a_slow_listener_gets_more_at_a_time_and_holds_nothing_up():
    provider = ScriptedProvider([Says("x" * 1000, pieces=1000, latency_s=2.0, first_s=0.0)])
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(50)})
    options = {"limits": Limits(concurrent=5)}
    shown, result = listened(provider, plan, pause_s=3.0, **options)
    assert result.report["wall_s"] < 25, "ten rounds of two seconds"
    assert set(shown.texts.values()) == {"x" * 1000} and len(shown.tokens) < 200 and set(shown.states.values()) == {"accepted"}


def test_texts_that_are_gone_come_as_values(monkeypatch):
    """A listener that is much too late: it has had a part, and is given the whole."""
    monkeypatch.setattr("fanfold.engine.spoken.KEPT", 0)
    provider = ScriptedProvider(lambda request, number: Says(f"answer {request.messages[-1].content}", pieces=5))
    plan = Plan("p", [Step("a", "{n}", over="n")], {"n": range(20)})
    shown, _ = listened(provider, plan, pause_s=30.0, limits=Limits(concurrent=3))
    assert shown.texts == {("a", (n,)): f"answer {n}" for n in range(20)}


def test_who_leaves_is_forgotten():
    provider = ScriptedProvider([Says("some text", pieces=3)])

    async def main():
        async with Engine(
            "sim/x", provider=provider, store=":memory:", clock=VirtualClock(), limits=Limits(concurrent=1)
        ) as engine:
            going = engine.start(Plan("p", [Step("a", "{n}", over="n")], {"n": range(3)}))
            async for _ in going.tokens():
                break
            gc.collect()
            async with going.tokens() as tokens:
                assert (await anext(tokens)).text.startswith("som")
            with pytest.raises(StopAsyncIteration):
                await anext(tokens)
            return await going.result()

    assert run(main()).ok and [call.stream for call in provider.calls] == [True, False, False]


def test_a_cancelled_run_ends_what_was_being_said():
    provider = ScriptedProvider([Says("x" * 100, pieces=100, latency_s=100.0)])

    async def main():
        async with Engine("sim/x", provider=provider, store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(Plan("p", [Step("a", "{n}", over="n")], {"n": range(3)}))
            following = asyncio.create_task(follow(going.tokens()))
            await asyncio.sleep(50)
            going.cancel()
            await going.result()
            return await following

    shown = run(main())
    assert set(shown.states.values()) == {"cancelled"} and len(shown.states) == 3


def test_spares_are_heard_of_when_they_fill_a_cell():
    """Every cell ends with what it was given, and no cell is heard of that nobody asked for."""

    def script(request, number):
        return Says({"name": f"name {number // 2}"}, latency_s=1 + number % 3)

    plan = Plan("p", [Step("a", "a name", over="n", output=Named, unique="name")], {"n": {"count": 10}})
    shown, result = listened(ScriptedProvider(script), plan)
    assert result.ok and set(shown.states) == {("a", (n,)) for n in range(1, 11)}
    assert {place: json.loads(text)["name"] for place, text in shown.texts.items()} == {
        ("a", (cell.at["n"],)): cell.value.name for cell in result["a"]
    }


def test_a_twin_that_wins_is_what_is_shown():
    def script(request, number):
        text = {"name": f"name {request.messages[-1].content} by {'the late one' if number == 60 else 'another'}"}
        return Says(text, latency_s=100 if number == 60 else 1, first_s=90 if number == 60 else 0.2)

    plan = Plan("p", [Step("a", "{n}", over="n", output=Named)], {"n": range(61)})
    shown, result = listened(ScriptedProvider(script), plan, limits=Limits(concurrent=4))
    assert result.report["hedges"] >= 1
    for cell in result["a"]:
        assert json.loads(shown.texts["a", (cell.at["n"],)])["name"] == cell.value.name


class Told:
    """A cell and its calls, for what is said of them alone."""

    def __init__(self):
        self.spoken, self.cell = Spoken(), SimpleNamespace(rule=SimpleNamespace(index=0), at=(0,), spare=False)
        self.ear = self.spoken.join([0])

    def call(self, number):
        command = SimpleNamespace(call=number, cell=self.cell)
        return self.spoken.listener(command, lambda chunk: None)

    @property
    def shown(self):
        speech = self.spoken.open[0, (0,)]
        return speech.version, "".join(speech.parts)


@pytest.mark.parametrize("winner", [1, 2])
def test_two_calls_of_one_cell_are_never_mixed(winner):
    told = Told()
    one, two = told.call(1), told.call(2)
    one(Chunk("a1 "))
    two(Chunk("b1 "))
    one(Chunk("a2"))
    assert told.shown == (1, "a1 a2"), "the first that speaks, until it has ended"
    two(Chunk("b2"))
    told.spoken.settled(told.cell, winner, True)
    (one if winner == 2 else two)(Chunk("too late"))
    told.spoken.settled(told.cell, 3 - winner, False)
    assert told.shown == ((1, "a1 a2") if winner == 1 else (2, "b1 b2"))
    told.call(3)(Chunk("redrawn"))
    assert told.shown[1] == "redrawn", "where a judge refuses it"


def test_the_other_call_is_heard_when_the_first_is_lost():
    told = Told()
    one, two = told.call(1), told.call(2)
    one(Chunk("a"))
    two(Chunk("b"))
    told.spoken.settled(told.cell, 1, False)
    assert told.shown == (2, "b")
    told.spoken.settled(told.cell, 2, False)
    told.spoken.settled(told.cell, 2, False)
    assert told.shown == (2, "b"), "nothing better is there"


def test_what_nobody_hears_is_not_kept():
    told = Told()
    told.call(1)(Chunk("x" * 100))
    told.spoken.leave(told.ear)
    told.spoken.wrote([RunEnded(1, 1, "complete", "")])
    assert not told.spoken.open and told.spoken.ended((0, (0,))) is None


def test_of_cells_that_have_ended_little_is_kept():
    told = Told()
    for n in range(30):
        told.cell = SimpleNamespace(rule=SimpleNamespace(index=0), at=(n,), spare=False)
        told.call(n)(Chunk("x" * 100_000))
        told.spoken.wrote([CellEnded(n, n, 0, (n,), "failed", "x", "", "", 1, None, None, 0)])
    kept = [n for n in range(30) if told.spoken.ended((0, (n,)))]
    assert kept == list(range(20, 30))


def test_an_unknown_step():
    async def main():
        async with Engine("sim/x", provider=ScriptedProvider(["x"]), store=":memory:", clock=VirtualClock()) as engine:
            going = engine.start(Plan("p", [Step("a", "x")]))
            with pytest.raises(PlanError, match="there is no step 'b'"):
                going.tokens("b")
            await going.result()

    run(main())


def test_a_secret_is_not_said(monkeypatch):
    from fanfold.spec.hidden import keep_unsaid

    keep_unsaid("sk-very-secret-1234567890")
    shown, _ = listened(ScriptedProvider([Says("it is sk-very-secret-1234567890", pieces=1)]), Plan("p", [Step("a", "x")]))
    assert "very-secret" not in repr(shown.tokens)


answers = st.lists(
    st.tuples(st.sampled_from(["good", "bad", "lost"]), st.text("abé🌱 ", min_size=1, max_size=30), st.integers(1, 8), st.floats(0.1, 9)),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(answers=answers, pause_s=st.sampled_from([0.0, 0.5, 20.0]), cap=st.integers(1, 6))
def test_whatever_happens_the_text_is_the_value(answers, pause_s, cap):
    """Over random answers, faults, speeds and listeners: what is shown in the end is what was accepted."""

    class Lossy(ScriptedProvider):
        async def _play(self, entry, request, heard):
            outcome = await super()._play(entry, request, heard)
            lost = isinstance(outcome, Answer) and outcome.text.startswith("lost")
            return Fault(code="transient", message="lost", usage=Usage()) if lost else outcome

    def script(request, number):
        kind, text, pieces, latency = answers[number % len(answers)]
        return Says(f"{kind} {text}.", latency_s=latency, pieces=pieces)

    plan = Plan("p", [Step("a", "{n}", over="n", checks=[lambda text: text.startswith("good")], attempts=3)], {"n": range(8)})
    shown, result = listened(Lossy(script), plan, pause_s=pause_s, limits=Limits(concurrent=cap))
    for cell in result["a"]:
        place = ("a", tuple(cell.at.values()))
        assert shown.states.get(place) == cell.state or (cell.state == "failed" and place not in shown.texts), (
            "rows that never began"
        )
        assert cell.state != "accepted" or shown.texts[place] == cell.value


def test_a_token_is_plain_data():
    token = Token("a", {"n": 1}, "x")
    assert token == Token("a", {"n": 1}, "x") and "n" in repr(token)
