"""`fanfold plan` as its users meet it."""

from __future__ import annotations

import json

import pytest

from tests.door.test_cli import TOY

SHAPE = {"cells", "calls", "wall_s", "tokens_in", "tokens_out", "cost_usd", "lower_bound_s", "bound_by", "what_if"}


def test_a_week_of_recipes_is_foreseen_without_a_key(fanfold, tmp_path):
    done = fanfold("plan", "mealplan", "--days", "7", "--model", "openai/gpt-4o-mini", "--rpm", "500", code=0)
    data = json.loads(done.stdout)
    assert set(data) >= SHAPE and data["cells"] == 22 and data["models"] == ["openai/gpt-4o-mini"]
    assert 21 <= data["calls"]["p10"] <= data["calls"]["p50"] <= data["calls"]["p90"] < 50
    assert 0 < data["lower_bound_s"] <= data["wall_s"]["p50"] <= data["wall_s"]["p90"]
    assert 0 < data["cost_usd"]["p10"] <= data["cost_usd"]["p90"] < 0.1 and "price" not in done.stderr
    assert not any(change["change"].startswith(("rpm", "concurrent")) for change in data["what_if"]), "neither holds it back"
    assert not (tmp_path / "home").exists(), "nothing is written, and no store is made"


def test_for_people_it_is_a_table(fanfold, tmp_path):
    done = fanfold("plan", "mealplan", "--days", "3", "--format", "md", code=0)
    for word in ("p10", "p50", "p90", "time", "calls", "tokens out", "lower bound", "seeds", "sim/default", "$0.0000"):
        assert word in done.stdout, done.stdout
    assert done.stderr == ""
    fanfold("plan", "mealplan", "--days", "3", "--out", "forecast.json", "-q", code=0)
    assert set(json.loads((tmp_path / "forecast.json").read_text())) >= SHAPE


def test_a_plan_file_is_foreseen_with_its_settings(fanfold, tmp_path):
    (tmp_path / "toy.yaml").write_text(TOY + "    judge: {prompt: 'good? {value}'}\n")
    one = json.loads(fanfold("plan", "toy.yaml", "--set", "what=tree", code=0).stdout)
    assert one["cells"] == 5 and one["steps"]["list"]["calls"] >= 2
    assert json.loads(fanfold("plan", "--set", "what=tree", "toy.yaml", code=0).stdout) == one, "the same every time"
    assert json.loads(fanfold("plan", "toy.yaml", "--seed", "77", code=0).stdout) != one


def test_prices_come_from_the_config_file(fanfold, tmp_path):
    (tmp_path / "c.toml").write_text('[prices]\n"openai/x" = [1.0, 2.0]\n')
    done = fanfold("plan", "mealplan", "--days", "1", "--model", "openai/x", "--config", "c.toml", code=0)
    data = json.loads(done.stdout)
    cost = (data["tokens_in"]["p50"] + 2 * data["tokens_out"]["p50"]) / 1e6
    assert data["cost_usd"]["p50"] == pytest.approx(cost, rel=0.2) and "price" not in done.stderr


def test_a_run_is_billed_by_the_same_table(fanfold, tmp_path):
    (tmp_path / "c.toml").write_text('[prices]\n"sim/default" = [1.0, 2.0]\n')
    told = json.loads(fanfold("mealplan", "--days", "1", "--seed", "3", "--config", "c.toml", "-q", code=0).stdout)["report"]
    foreseen = json.loads(fanfold("plan", "mealplan", "--days", "1", "--config", "c.toml", "--no-cache", code=0).stdout)
    assert 0 < told["cost_usd"] < 0.1 and told["cost_is"] in ("exact", "at_least")
    assert told["cost_usd"] == pytest.approx(foreseen["cost_usd"]["p50"], rel=0.5)
    (tmp_path / "c.toml").write_text('[prices]\n"sim/default" = [1.0]\n')
    assert "prices.sim/default" in fanfold("mealplan", "--config", "c.toml", code=2).stderr


def test_a_run_teaches_the_next_forecast(fanfold):
    fanfold("mealplan", "--days", "7", "--seed", "3", "-q", code=0)
    data = json.loads(fanfold("plan", "mealplan", "--days", "7", code=0).stdout)
    assert data["learned_from"] == 1
    other = json.loads(fanfold("plan", "mealplan", "--days", "7", "--model", "openai/x", code=0).stdout)
    assert other["learned_from"] == 0


@pytest.mark.parametrize(
    ("args", "environ", "said"),
    [
        (["plan", "mealplan", "--days", "0"], {}, "--days"),
        (["plan", "mealplan", "--dayz", "1"], {}, "--dayz"),
        (["plan", "mealplan", "--model", "nobody/x"], {}, "nobody"),
        (["plan", "mealplan"], {"OPENAI_API_KEY": "k"}, "--model"),
        (["plan", "mealplan", "--rpm", "0"], {}, "--rpm"),
        (["plan", "mealplan", "--format", "csv"], {}, "--format"),
        (["plan", "mealplan", "--sequential", "--max-concurrent", "3"], {}, "clashes"),
        (["plan", "nothing.yaml"], {}, "nothing.yaml"),
        (["plan", "wrong.yaml"], {}, "steps"),
        (["plan", "--set", "x=1"], {}, "PLAN.yaml"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage_is_exit_2_as_for_the_run(fanfold, tmp_path, args, environ, said):
    (tmp_path / "wrong.yaml").write_text("name: wrong\nsteps: {}\n")
    done = fanfold(*args, environ=environ, code=2)
    assert said in done.stderr and done.stdout == ""


def test_help_names_the_applications(fanfold):
    assert "mealplan" in fanfold("plan", "--help", code=0).stdout
    assert "--days" in fanfold("plan", "mealplan", "--help", code=0).stdout
    assert "--set" in fanfold("plan", "some.yaml", "--help", code=0).stdout
    assert "plan" in fanfold("--help", code=0).stdout
