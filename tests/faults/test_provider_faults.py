"""What providers do wrong (FAULTS 3.A), each with its check. The rows that need more than one answer stand on their own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import statistics
import tracemalloc
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from fanfold import Engine, Limits, Plan, Step, Unique
from fanfold.engine.doubles import doubled
from fanfold.providers.anthropic import Anthropic
from fanfold.providers.google import Google
from fanfold.providers.openai import OpenAI
from fanfold.providers.wire import Wire
from fanfold.spec.calls import Fault
from fanfold.spec.errors import Code
from fanfold.spec.events import Rested
from fanfold.testing.faults.dialect import TEXT, USED, prompt_of
from fanfold.testing.faults.exchange import Exchange, in_turn, redirect, reply
from fanfold.testing.faultserver import DIALECTS, FaultServer
from fanfold.testing.providers import KEY, request
from fanfold.views.exports import to_csv
from tests.faults.facing import MODES, SPOKEN, faced, facing, within


class Dish(BaseModel):
    name: str
    grams: float


DISHES = Plan("dishes", [Step("a", "A dish, {n}", output=Dish, over="n")], {"n": range(3)})


class Case(NamedTuple):
    """row: of the catalogue. codes: of the cells that failed; none when all are accepted. hits: requests that arrived, at least and
    at most. typed: a Dish is asked for. dialects: those in which it can happen.
    """

    row: str
    mode: str
    codes: str = ""
    hits: tuple[int, int] = (3, 3)
    typed: bool = False
    dialects: tuple[str, ...] = SPOKEN
    hint: str = ""


def _all(row: str, modes: str, code: str = "", **more: Any) -> list[Case]:
    return [Case(row, mode, code, **more) for mode in modes.split()]


CASES = [
    *_all("A1", "500 503 529 html502", "transient"),
    *_all("A4", "429_day 429_future", "rate_limited", hits=(1, 3)),
    *_all("A5", "402 quota429 403_billing", "quota", hits=(1, 3), hint="_API_KEY"),
    *_all("A6", "401 403 400_key 403_leaked", "auth", hits=(1, 3), hint="_API_KEY"),
    *_all("A7", "404_model 400_retired 400_schema", "bad_request", hits=(1, 3)),
    *_all("A8", "too_long 429_too_large length_zero", "too_long"),
    *_all("A9", "length", "truncated"),
    *_all("A10", "content_filter refusal", "filtered"),
    *_all("A11", "choices_null choices_empty message_null content_null strange_error_in_200", "malformed"),
    *_all("A12", "html200 html200_as_json", "malformed"),
    *_all("A13", "null string list object fenced trailing nothing truncated_json", "malformed"),
    *_all("A13", "said_well said_in_a_fence", typed=True),
    *_all("A13", "said_half said_nothing", "malformed", typed=True),
    *_all("A14", "nan infinite deep huge_number", "malformed"),
    *_all("A14", "said_nan said_infinite said_overflowing said_twice said_deep", "malformed", typed=True),
    *_all("A15", "surrogate bad_utf8", "malformed"),
    *_all("A15", "said_surrogate", "malformed", typed=True),
    *_all("A16", "gzip_bomb huge_header many_headers huge_body endless", "malformed"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.row}-{case.mode}")
async def test_one_answer_of_each_kind(case):
    """The code is exact, every request was admitted, nothing that did not end well is accepted, and no exception escapes."""
    runs = await asyncio.gather(*(faced(d, case.mode, plan=DISHES if case.typed else None) for d in case.dialects))
    for dialect, found in zip(case.dialects, runs, strict=True):
        where = f"{dialect}: {found.said}"
        assert found.codes == ({case.codes} if case.codes else set()), where
        assert found.result.exit_code == (1 if case.codes else 0), where
        least, most = case.hits
        assert least <= found.hits.total() <= most and len(found.calls) == found.hits.total(), where
        assert all(case.hint in error.hint for error in found.result.errors), where
        json.dumps(found.result.to_json(), allow_nan=False).encode()  # what is exported is JSON in every case
        assert all(error.message.isprintable() and len(error.message) < 700 for error in found.result.errors), where


# ---------------------------------------------------------------- A1 … A7: refusals


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("mode", ["500", "html502", "529"])
async def test_bursts_of_server_errors_cost_no_more_than_their_budget(dialect, mode):
    """A1. Siblings that are answered are unaffected."""
    bad = MODES[dialect][mode]

    async def by_prompt(exchange: Exchange) -> None:
        await (bad if prompt_of(exchange.body).endswith("1") else MODES[dialect]["good"])(exchange)

    found = await faced(dialect, "some", added={"some": by_prompt}, retries=1)
    assert [cell.error.code if cell.error else "" for cell in found.result.steps["a"].cells] == ["", "transient", ""]
    assert found.hits["some"] == len(found.calls) == 4, "two that are well, one try and one retry"
    pauses = [event.until - event.t for event in found.events if isinstance(event, Rested)]
    assert all(250_000 <= pause <= 500_000 for pause in pauses) and len(pauses) == 1


async def test_after_a_429_nothing_starts_before_the_time_it_names():
    """A2. Jitter only adds, and those that waited do not come back together."""

    async def one(dialect: str) -> None:
        refusal = reply(429, DIALECTS[dialect].error(429, "rate", "Slow down."), {"Retry-After": "1"})
        mode = in_turn(*[refusal] * 4, last=reply(200, DIALECTS[dialect].whole(TEXT)))
        found = await faced(dialect, "limited", added={"limited": mode}, cells=8)
        assert found.result.exit_code == 0
        refused = [event.t for event in found.settled if event.outcome == "rate_limited"]
        assert refused and len(found.calls) == found.hits["limited"] == 8 + len(refused)
        for at in refused:
            early = [call.t for call in found.calls if at < call.t < at + 1_000_000]
            assert not early, f"I15: refused at {at}, started at {early}"
        woken = [call.t for call in found.calls if call.t > max(refused)]
        assert len(woken) >= 4 and statistics.stdev(woken) > 0, "a herd"

    await asyncio.gather(*map(one, SPOKEN))


@pytest.mark.parametrize("mode", ["429_day", "429_future"])
async def test_a_wait_beyond_the_deadline_fails_now(mode):
    """A4. Nobody sleeps past the deadline of the run."""
    for dialect in SPOKEN:
        found = await faced(dialect, mode)
        assert found.codes == {"rate_limited"}
        within(found, 2.0)


@pytest.mark.parametrize("mode", ["429_negative", "429_nan", "429_past", "429_endless"])
async def test_a_wait_that_makes_no_sense_is_as_good_as_none(mode):
    """A4. It is waited for as long as one sees fit, and the run goes on."""
    once = {dialect: in_turn(MODES[dialect][mode], last=MODES[dialect]["good"]) for dialect in SPOKEN}
    for found in await asyncio.gather(*(faced(dialect, "once", added={"once": once[dialect]}) for dialect in SPOKEN)):
        assert found.result.exit_code == 0 and found.hits["once"] == 4, found.said
        rests = [event for event in found.events if isinstance(event, Rested)]
        assert rests and all(0 <= event.until - event.t < 20_000_000 for event in rests)
        within(found, 8.0)


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize(("mode", "code"), [("quota429", "quota"), ("402", "quota"), ("401", "auth"), ("400_key", "auth")])
async def test_one_account_is_left_after_its_first_refusal(dialect, mode, code):
    """A5, A6: admissions after the first answer are no more than were in the air, of every model of that account (I12)."""
    plan = Plan(
        "p", [Step("a", "Say {n}", over="n"), Step("b", "Tell {n}", over="n", model=f"{dialect}/other")], {"n": range(40)}
    )
    found = await faced(dialect, mode, plan=plan, limits=Limits(concurrent=4), model="m | spare")
    first = found.settled[0]
    before = sum(call.seq < first.seq for call in found.calls)
    assert len(found.calls) == before <= 4, "I12: admitted after the account was refused"
    assert found.codes == {code} and len(found.result.errors) == 80
    assert all("_API_KEY" in error.hint for error in found.result.errors), "the key is named by the name it is known by"


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_a_key_that_is_withdrawn_stops_its_account_and_no_other(dialect, monkeypatch):
    """A6. What was accepted stays; another account goes on."""
    found = await faced(dialect, "revoked", cells=30, limits=Limits(concurrent=2))
    assert found.codes == {"auth"} and found.result.report["accepted"] == 3
    assert found.hits["revoked"] <= 3 + 2, "I12"
    spare = next(name for name in SPOKEN if name != dialect)
    async with FaultServer(MODES[dialect]) as server, FaultServer(MODES[spare]) as other:
        names = {"openai": "OPENAI", "anthropic": "ANTHROPIC", "google": "GOOGLE_GEMINI"}
        keys = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "google": "GEMINI_API_KEY"}
        monkeypatch.setenv(f"{names[spare]}_BASE_URL", other.url("good"))
        monkeypatch.setenv(keys[spare], KEY)
        model = f"{dialect}/m | {spare}/m"
        plan = Plan("p", [Step("a", "Say {n}", over="n")], {"n": range(30)})
        async with Engine(model, base_url=server.url("revoked"), api_key=KEY, store=":memory:", retries=0) as engine:
            result = await engine.run(plan)
        assert result.exit_code == 0 and other.hits["good"] == 27


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("mode", ["404_model", "400_schema"])
async def test_what_is_refused_to_one_is_not_asked_by_its_siblings(dialect, mode):
    """A7. Those in the air are as many as may be."""
    found = await faced(dialect, mode, cells=50, limits=Limits(concurrent=3), retries=4, attempts=5)
    assert found.hits[mode] <= 3 and found.codes == {"bad_request"} and len(found.result.errors) == 50


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_a_prompt_that_is_too_long_is_asked_once(dialect):
    """A8. However many tries there are, and it says how much is needed and allowed."""
    for mode in ("too_long", "length_zero", "429_too_large"):
        found = await faced(dialect, mode, cells=1, retries=4, attempts=5)
        assert found.hits[mode] == 1 and found.codes == {"too_long"}
    (error,) = (await faced(dialect, "too_long", cells=1)).result.errors
    assert any(figure in error.message for figure in ("200000", "4096")) and "shorten" in error.hint


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_a_truncated_answer_is_asked_for_once_more_with_more_room(dialect):
    """A9. The prompt is no longer than it was: the broken text is not sent back."""
    plan = Plan("p", [Step("a", "Say it", sampling={"max_tokens": 40})])
    asked: list[dict[str, Any]] = []

    async def cut(exchange: Exchange) -> None:
        asked.append(json.loads(exchange.body))
        await MODES[dialect]["length"](exchange)

    found = await faced(dialect, "cut", plan=plan, added={"cut": cut}, attempts=5)
    assert found.codes == {"truncated"} and found.hits["cut"] == 2
    first, again = asked
    assert prompt_of(json.dumps(again).encode()) == prompt_of(json.dumps(first).encode())
    rooms = [body.get("max_tokens") or body["generationConfig"]["maxOutputTokens"] for body in asked]
    assert rooms == [40, 80]


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_a_refusal_of_the_model_is_not_argued_with(dialect):
    """A10."""
    for mode in ("content_filter", "refusal"):
        found = await faced(dialect, mode, cells=1, retries=4, attempts=5)
        assert found.hits[mode] == 1 and found.codes == {"filtered"}


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_an_error_inside_a_success_is_read_as_what_it_says(dialect):
    """A11. A 429 in a 200 waits, as one outside of it."""
    once = in_turn(reply(200, DIALECTS[dialect].error(429, "rate", "Slow down.")), last=MODES[dialect]["good"])
    found = await faced(dialect, "once", cells=1, added={"once": once})
    assert found.result.exit_code == 0 and found.hits["once"] == 2
    assert [event.outcome for event in found.settled] == ["rate_limited", "ok"]


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_pages_instead_of_answers_open_the_breaker(dialect):
    """A12. After three, nobody asks for a while."""
    found = await faced(dialect, "html200", cells=200, limits=Limits(concurrent=1), attempts=5, deadline_s=0.5)
    assert found.hits["html200"] == 3 and found.result.exit_code == 1
    assert not any(cell.value for cell in found.result.steps["a"].cells)
    assert "<script>" in found.said and "\\n<script>" not in found.said, "its first words are told, on one line"


# ---------------------------------------------------------------- A13 … A17: what they say


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_what_stands_around_an_answer_is_left_out_only_where_json_is_asked_for(dialect):
    """A13. A BOM before the response is tolerated or refused, never half read."""
    dishes = await faced(dialect, "said_in_a_fence", plan=DISHES)
    assert dishes.result.values == [Dish(name="Leek", grams=1.5)] * 3
    words = await faced(dialect, "said_in_a_fence", cells=1)
    assert words.result.values[0].startswith("Here it is:") and words.result.values[0].endswith("Enjoy!")
    marked = await faced(dialect, "bom", cells=1)
    assert marked.codes == {"malformed"} or marked.result.values == [TEXT]


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_what_is_exported_can_be_read_by_the_strictest(dialect):
    """A14, A15: numbers that are none, halves of characters, and NUL."""
    for mode in ("said_huge", "said_nul", "nul", "said_well"):
        found = await faced(dialect, mode, plan=None if mode == "nul" else DISHES)
        text = json.dumps(found.result.to_json(), allow_nan=False, ensure_ascii=False)
        text.encode()
        if mode == "nul":
            assert found.result.values == ["a\0b"] * 3 and "\\u0000" in text
    found = await faced(dialect, "nul")
    table = "".join(to_csv(found.result.rows()))
    assert "\0" not in table and len(list(csv.reader(io.StringIO(table)))) == 4


@pytest.mark.parametrize("mode", ["gzip_bomb", "huge_body", "endless", "huge_header", "many_headers"])
async def test_an_answer_without_end_takes_little_memory(mode):
    """A16. Not 32 MB, whatever is sent."""
    for dialect in SPOKEN:
        async with FaultServer(MODES[dialect]) as server:
            tracemalloc.start()
            found = await facing(server, dialect, mode, plan=Plan("p", [Step("a", "Say it")]))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert found.codes == {"malformed"} and "too large" in found.said
        assert peak < 32 << 20, f"{peak >> 20} MB"


@pytest.mark.parametrize("mode", ["no_usage", "zero_usage", "odd_usage"])
async def test_tokens_that_were_not_told_are_estimated_and_marked(mode):
    """A17. Never less than what the server counted."""
    for dialect in SPOKEN:
        found = await faced(dialect, mode, prices={f"{dialect}/m": [1.0, 2.0]})
        assert found.result.exit_code == 0 and found.result.report["tokens_are"] == "estimated"
        assert all(not event.exact and event.tokens_in >= 1 and event.tokens_out >= 5 for event in found.settled), found.settled
        assert found.result.report["cost_is"] != "exact"
    told = await faced("openai", "not_streamed")
    assert [(event.tokens_in, event.tokens_out, event.exact) for event in told.settled] == [(*USED, True)] * 3


async def test_cached_tokens_are_billed_at_their_own_price():
    """A17. Three of eleven tokens were cached, in the dialects that say so."""
    for dialect in ("anthropic", "google"):
        found = await faced(dialect, "not_streamed", cells=1, prices={f"{dialect}/m": [1.0, 2.0, 0.1]})
        assert found.settled[0].cached == 3
        assert found.result.report["cost_usd"] == pytest.approx((8 * 1.0 + 3 * 0.1 + 7 * 2.0) / 1e6, abs=1e-6)


# ---------------------------------------------------------------- A19 … A21


class Named(BaseModel):
    name: str


NAMES = Plan("names", [Step("a", "A name, {n}", output=Named, over="n", unique=Unique("name"))], {"n": range(2)})


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_a_stream_that_only_pings_ends_with_its_silence(dialect):
    """A19. Streams are asked for where a name must be unique."""
    for mode in ("pings_only", "silent_stream"):
        found = await faced(dialect, mode, plan=NAMES, timeout_s=20.0, idle_s=0.3)
        assert found.codes == {"timeout"} and found.hits[mode] == 2
        assert all(event.took < 1_300_000 for event in found.settled), "the idle deadline and a second"
        assert all(event.tokens_in > 0 and not event.exact for event in found.settled), "it may be charged"


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_the_same_answer_to_everything_ends_with_what_is_different(dialect):
    """A20. Asked again, with what to avoid, as often as may be and no more."""
    said = DIALECTS[dialect].whole('{"name": "Leek"}', "stop", USED)
    asked: list[str] = []

    async def same(exchange: Exchange) -> None:
        asked.append(prompt_of(exchange.body))
        await reply(200, said)(exchange)

    found = await faced(dialect, "same", plan=NAMES, added={"same": same}, attempts=3)
    assert found.codes == {"duplicate"} and len(found.result.errors) == 1
    assert found.hits["same"] == len(found.calls) <= 1 + 3 + 1, "I5: three attempts, and one before anything could be told"
    assert any("Leek" in prompt for prompt in asked), "it was told what to avoid"


@pytest.mark.parametrize("dialect", SPOKEN)
async def test_answers_are_never_swapped(dialect):
    """A21. Many at once over few connections, the later asked the sooner answered: each cell has the answer to its own prompt."""
    plan = Plan("p", [Step("a", "Say tag-{n}", over="n")], {"n": range(60)})
    found = await faced(dialect, "echo", plan=plan, limits=Limits(concurrent=20))
    assert found.result.values == [f"tag-{n}" for n in range(60)] and 60 <= found.hits["echo"] == len(found.calls)


async def test_a_provider_that_is_down_hands_over_without_going_round():
    """A23. Each cell tries the first as often as it may, then the second, and never the first again."""
    async with FaultServer(MODES["openai"]) as server:

        async def by_model(exchange: Exchange) -> None:
            await MODES["openai"]["500"](exchange)

        server.modes = {**server.modes, "down": by_model}
        plan = Plan("p", [Step("a", "Say it")])
        found = await facing(server, "openai", "down", plan=plan, model="first | second", retries=2)
    lanes = [call.lane for call in found.calls]
    assert found.codes == {"transient"} and lanes == sorted(lanes), "no cycle"
    assert lanes.count(lanes[0]) == 3 and len(lanes) <= 3 + 3 and found.hits["down"] == len(lanes)


async def test_a_redirect_is_no_way_to_another_server():
    """B9, seen from the engine: one request, and none at the place that it names."""
    async with FaultServer() as sink:
        added = {str(status): redirect(status, sink.url("good")) for status in (301, 302, 303, 307, 308)}
        for dialect in SPOKEN:
            for status in added:
                found = await faced(dialect, status, cells=1, added=added, retries=4)
                assert found.codes == {Code.BAD_REQUEST} and found.hits[status] == 1
        assert sink.connections == 0


# ---------------------------------------------------------------- pieces that the rows above rest on


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"a": 1, "a": 2}', "a"),
        ('{"a": {"b": 1, "b": 1}}', "b"),
        ('[{"a": 1}, {"a": 2}]', None),
        ('{"a": "\\"a\\": 1", "b": "a"}', None),
        ('{"a\\u0062": 1, "ab": 2}', None),  # written in two ways: the pattern does not look into escapes
        ('{"a": 1, "a"', None),
        ("no JSON at all", None),
    ],
)
def test_a_field_that_is_named_twice_is_found(text, name):
    """A14."""
    assert doubled([text]) == name


async def test_a_stream_without_end_takes_little_memory():
    """A16. Of text, and of one event: no more than four times the limit of an answer, which is 8 MiB as a rule."""
    for dialect, adapter in (("openai", OpenAI), ("anthropic", Anthropic), ("google", Google)):
        for mode in ("endless_stream", "endless_event"):
            async with FaultServer(MODES[dialect]) as server:
                wire = Wire(body_limit=1 << 19)
                tracemalloc.start()
                outcome = await adapter(wire, server.url(mode), KEY).call(request(stream=True), lambda chunk: None)
                _, peak = tracemalloc.get_traced_memory()
                tracemalloc.stop()
                await wire.close()
            assert isinstance(outcome, Fault) and outcome.code == Code.MALFORMED and "too large" in outcome.message
            assert peak < 2 << 20, f"{dialect}, {mode}: {peak / (1 << 20):.1f} MiB"
