"""`fanfold reviews` as its user meets it: in virtual time, over HTTP, at the command line."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from html.parser import HTMLParser

import pytest

from fanfold import Engine, Limits
from fanfold.apps.reviews import APP, plan
from fanfold.apps.reviews.params import Params
from fanfold.sim.provider import SimProvider
from fanfold.sim.world import World
from fanfold.store.memory import MemoryStore
from fanfold.testing.virtual import VirtualClock
from fanfold.testing.virtual import run as run_virtual

CONFIG = "generation:\n  batch_size: 10  # Number of parallel generations\n  max_retries: 5   # Retries per review\n"


def virtual(params: Params, model="sim/default", store=None, **world):
    """(the result, the application's content of it)"""

    async def main():
        provider = SimProvider(World(**{"fixed_s": 1.0, **world}))
        limits = Limits(concurrent=10)
        async with Engine(
            model, provider=provider, store=store or ":memory:", clock=VirtualClock(), limits=limits, seed=3
        ) as engine:
            return await engine.run(plan(params))

    result = run_virtual(main())
    return result, APP.content(params, result)


def stars(data):
    return {int(star): told["got"] for star, told in data["quality"]["ratings"].items()}


# ---------------------------------------------------------------- in virtual time


@pytest.mark.parametrize("seed", range(3))
def test_exactly_so_many_all_distinct_in_the_ratings_asked_for(seed):
    result, data = virtual(
        Params(num_samples=137, ratings="5=0.41,4=0.3,3=0.14,2=0.1,1=0.05"), seed=seed, collapse=1.5, faults={"500": 0.05}
    )
    assert result.ok and len({review["text"] for review in data["reviews"]}) == 137
    assert stars(data) == Counter(review["rating"] for review in data["reviews"])
    assert all(abs(stars(data)[star] - 137 * part) < 1 for star, part in ((5, 0.41), (4, 0.3), (3, 0.14), (2, 0.1), (1, 0.05)))
    assert set(Counter(data["quality"]["personas"]).values()) <= {19, 20}


def test_the_figures_of_the_quality_report_add_up():
    result, data = virtual(Params(num_samples=60), slips=0.2)
    quality, report = data["quality"], result.report
    refused = sum(told["refused"] for told in quality["checks"].values())
    assert quality["answers"] == 60 + refused == 60 + report["regenerated"] and refused > 15
    seen = quality["answers"]
    for name, told in quality["checks"].items():
        assert (told["seen"], bool(told["example"])) == (seen, bool(told["refused"])), name
        seen -= told["refused"]
    assert seen == quality["accepted"] == 60 and quality["acceptance"] == round(60 / quality["answers"], 3)
    assert quality["words"]["p10"] <= quality["words"]["p50"] <= quality["words"]["p90"]
    assert quality["diversity"]["distinct_2"]["value"] > 0.1
    assert quality["models"] == {"sim/default": {"reviews": 60, **report["models"]["sim/default"]}}


def test_several_models_with_shares_and_each_review_says_whose_it_is():
    result, data = virtual(Params(num_samples=50), "openai/a = 0.6, google/b = 0.3, anthropic/c = 0.1")
    assert Counter(review["model"] for review in data["reviews"]) == {"openai/a": 30, "google/b": 15, "anthropic/c": 5}
    models = data["quality"]["models"]
    assert {name: told["reviews"] for name, told in models.items()} == {"openai/a": 30, "google/b": 15, "anthropic/c": 5}
    assert sum(told["calls"] for told in models.values()) == result.report["calls"]


def test_a_model_that_has_only_three_ideas_is_told_short_and_nothing_is_counted_twice():
    result, data = virtual(Params(num_samples=12, ratings="5=12"), repeat=1.0)
    assert not result.ok and 1 <= len(data["reviews"]) <= 12
    assert len(data["reviews"]) + len(result.errors) == 12
    assert {error.code for error in result.errors} <= {"duplicate", "check_failed"}
    text = APP.markdown({**data, **result.trailer()})
    assert text.count("*No review") == len(result.errors)


def test_cancelled_in_the_middle_and_gone_on_with_the_numbers_are_those_of_both_lives():
    store, params = MemoryStore(), Params(num_samples=60)

    async def main():
        engine = Engine(
            "sim/a = 0.5, sim/b = 0.5",
            provider=SimProvider(World(fixed_s=1.0)),
            store=store,
            clock=VirtualClock(),
            limits=Limits(concurrent=7),
        )
        async with engine:
            going = engine.start(plan(params))
            await asyncio.sleep(4.5)
            going.cancel()
            cut = await going.result()
            assert 10 < len(cut["review"].values) < 50
            return cut, await (await engine.resume(going.id, plan(params))).result()

    cut, result = run_virtual(main())
    data = APP.content(params, result)
    assert result.ok and stars(data) == params.asked
    assert {value.text for value in cut["review"].values} <= {review["text"] for review in data["reviews"]}
    assert Counter(review["model"] for review in data["reviews"]) == {"sim/a": 30, "sim/b": 30}


# ---------------------------------------------------------------- over HTTP, at the command line


def test_a_hundred_over_http_by_the_seeds_config(fanfold, serve, tmp_path):
    server = serve("--latency", "0.05")
    (tmp_path / "config.yaml").write_text(CONFIG)
    args = ("reviews", "--num-samples", "100", "--config", "config.yaml", "--model", "openai/sim", "--base-url", server.url)
    data = json.loads(fanfold(*args, environ={"OPENAI_API_KEY": "k"}, code=0).stdout)
    assert len({review["text"] for review in data["reviews"]}) == 100 and data["quality"]["acceptance"] > 0.6
    assert stars(data) == {5: 40, 4: 30, 3: 15, 2: 10, 1: 5}
    assert (
        list(data["reviews"][0]) == ["rating", "title", "text", "persona", "model"]
        and data["reviews"][0]["model"] == "openai/sim"
    )
    assert data["report"]["max_in_flight"] == 10 and "simulated" not in data["note"]


def test_three_providers_at_once_over_http(fanfold, serve):
    server = serve("--latency", "0.02", "--slips", "0")
    root = server.url.removesuffix("/v1")
    environ = {
        "OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k", "GOOGLE_API_KEY": "k", "OPENAI_BASE_URL": server.url, "ANTHROPIC_BASE_URL": root, "GOOGLE_GEMINI_BASE_URL": root,
    }  # fmt: skip
    model = "openai/sim = 50%, anthropic/sim = 25%, google/sim = 25%"
    done = fanfold("reviews", "--num-samples", "20", "--model", model, "--store", ":memory:", environ=environ)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert Counter(review["model"] for review in data["reviews"]) == {"openai/sim": 10, "anthropic/sim": 5, "google/sim": 5}


FEW = ("reviews", "--num-samples", "6", "--seed", "5", "--store", ":memory:", "-q")


def test_every_format(fanfold, tmp_path):
    data = json.loads(fanfold(*FEW, code=0).stdout)
    assert "simulated provider" in data["note"] and data["errors"] == [] and data["report"]["accepted"] == 6
    rows = list(csv.DictReader(io.StringIO(fanfold(*FEW, "--format", "csv", code=0).stdout)))
    assert [row["text"] for row in rows] == [review["text"] for review in data["reviews"]], "a seed gives the same reviews"
    lines = [json.loads(line) for line in fanfold(*FEW, "--format", "jsonl", code=0).stdout.splitlines()]
    assert [line.get("title") for line in lines][:6] == [review["title"] for review in data["reviews"]]
    text = fanfold(*FEW, "--format", "md", code=0).stdout
    assert text.startswith("# 6 reviews of Morgen Kettle\n") and "| sentiment |" in text and text.count("\n### ★") == 6
    fanfold(*FEW, "--out", "page.html", code=0)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("<article>") == 6 and "No customer wrote them" in page
    HTMLParser().feed(page)


def test_streamed_and_one_at_a_time(fanfold, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    lines = [
        json.loads(line)
        for line in fanfold(*FEW, "--config", "config.yaml", "--no-async", "--stream", code=0).stdout.splitlines()
    ]
    assert [line["cell"]["review"]["n"] for line in lines[:-1]] == [1, 2, 3, 4, 5, 6], "one after the other"
    assert lines[-1]["report"]["max_in_flight"] == 1, "the option speaks for the config's batch_size too"


def test_option_over_environment_over_file(fanfold, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "generation: {num_samples: 9, batch_size: 2}\nratings: {5: 100}\nmodels: [sim/a]\nproduct: {name: Lamp}\n"
    )
    args = ("reviews", "--config", "c.yaml", "--store", ":memory:", "-q", "--seed", "1")
    told = [
        json.loads(fanfold(*args, *more, environ=environ, code=0).stdout)
        for more, environ in (
            ((), {}),
            ((), {"FANFOLD_NUM_SAMPLES": "3"}),
            (("--num-samples", "2", "--model", "sim/b", "--ratings", "1=100"), {"FANFOLD_NUM_SAMPLES": "3"}),
        )
    ]
    assert [(len(data["reviews"]), data["reviews"][0]["model"], data["reviews"][0]["rating"]) for data in told] == [
        (9, "sim/a", 5),
        (3, "sim/a", 5),
        (2, "sim/b", 1),
    ]
    assert {data["product"] for data in told} == {"Lamp"} and told[0]["report"]["max_in_flight"] == 2


@pytest.mark.parametrize(
    ("args", "file", "said"),
    [
        ((), "generation: {batch_sise: 3}", "c.yaml: generation.batch_sise: is not known (did you mean 'batch_size'?)"), ((), "modls: {a: 1}", "c.yaml: modls: is not known (did you mean 'models'?)"),
        ((), "flavour: {a: 1}", "c.yaml: flavour: is not an option"), (("--ratings", "5=0.2"), "", "--ratings: it adds up to 0.2"), (("--product", '{"nam": 1}'), "", "--product.name: Field required"),
        (("--personas", '[{"name": "x"}, {"name": "y", "share": 0}]'), "", "--personas: [1].share: Input should be greater than 0"),
        (("--compare", "none.csv"), "", "--compare: none.csv: cannot be read"), (("--model", "sim/a = 1, sim/b"), "", "others have none"), (("--num-samples", "0"), "", "--num-samples: a whole number from 1"),
        ((), "- 1", "a config file holds names and values"), ((), "reviews: 3", "c.yaml: reviews: holds names and values"),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_before_anything_is_called(fanfold, tmp_path, args, file, said):
    (tmp_path / "c.yaml").write_text(file)
    done = fanfold("reviews", *args, *(["--config", "c.yaml"] if file else []), code=2)
    assert said in done.stderr and done.stdout == "" and not (tmp_path / "home").exists(), "nothing was begun"


def test_some_that_fail_are_named_and_the_rest_is_whole(fanfold, serve, tmp_path):
    server = serve("--latency", "0.01", "--faults", "filter=0.1", "--seed", "2")
    args = ("reviews", "--num-samples", "30", "--model", "openai/sim", "--base-url", server.url, "--format", "json")
    done = fanfold(*args, environ={"OPENAI_API_KEY": "k"}, code=3)
    data = json.loads(done.stdout)
    assert {error["code"] for error in data["errors"]} == {"filtered"} and len(data["reviews"]) + len(data["errors"]) == 30
    assert "review [review " in done.stderr and "{'n'" not in done.stderr
    short = {star: data["quality"]["ratings"][str(star)] for star in range(1, 6)}
    missing = Counter(error["cell"]["review"]["rating"] for error in data["errors"])
    assert all(told["asked"] - told["got"] == missing[star] for star, told in short.items())


def test_beside_real_reviews_and_in_another_language(fanfold, tmp_path):
    (tmp_path / "real.csv").write_text("text,rating\nPrima fiets,5\nSlecht geholpen,1\n")
    args = (
        "--compare",
        "real.csv",
        "--language",
        "nl",
        "--product",
        '{"name": "Van Dam", "kind": "service"}',
        "--personas",
        "student,forens",
    )
    data = json.loads(fanfold(*FEW, *args, code=0).stdout)
    assert data["quality"]["compare"]["real"]["reviews"] == 2 and 0 < data["quality"]["compare"]["divergence"]["mean"] <= 1
    assert {review["persona"] for review in data["reviews"]} == {"student", "forens"} and " de " in data["reviews"][0]["text"]
    assert "### Beside real.csv" in fanfold(*FEW, *args, "--format", "md", code=0).stdout


def test_plan_and_bench_know_it(fanfold):
    told = json.loads(fanfold("plan", "reviews", "--num-samples", "50", "--store", ":memory:", code=0).stdout)
    assert told["cells"] == 50 and told["accepted"]["p50"] == 50 and told["calls"]["p50"] < 80
    done = json.loads(fanfold("bench", "reviews", "--num-samples", "8", "--latency", "0.02", "-q", code=0).stdout)
    assert done["sizes"][0]["speedup"] > 2
