"""Whole runs through each provider, against the simulated server on the loopback: what its names, keys and addresses lead to."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from pydantic import BaseModel

from fanfold import Engine, Plan, PlanError, Step, Unique
from fanfold.core.conductor import Conductor
from fanfold.core.limiter import REQUESTS
from fanfold.providers.anthropic import PROFILE as ANTHROPIC
from fanfold.providers.google import PROFILE as GOOGLE
from fanfold.providers.openai import PROFILE as OPENAI
from fanfold.sim.server import start
from fanfold.sim.world import World
from fanfold.testing.scripted import Says, ScriptedProvider
from fanfold.wiring import CHARGES, Settings, Wiring, default_model

PROFILES = [OPENAI, ANTHROPIC, GOOGLE]
KEY = "sk-test-0123456789"


class Dish(BaseModel):
    title: str
    minutes: int
    note: str = ""


PLAN = Plan("dinners", [Step("dish", "A dish, number {n}.", output=Dish, over="n", unique=Unique("title"))], {"n": range(12)})


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for profile in PROFILES:
        for name in (*profile.key_env, profile.base_url_env):
            monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def serving(**world):
    running = await start(World(**{"fixed_s": 0.01, **world}), api_key=KEY)
    try:
        yield running
    finally:
        await running.stop()


async def done(model, plan=PLAN, **options):
    async with Engine(model, store=":memory:", seed=1, **options) as engine:
        return await engine.run(plan)


@pytest.mark.parametrize(
    "model", ["openai/m", "anthropic/claude-sonnet-5", "anthropic/claude-3-haiku-20240307", "google/gemini-3"]
)
async def test_a_run_through_each_provider(model):
    """The older of Anthropic's models answers by a tool."""
    async with serving() as running:
        result = await done(model, base_url=running.url, api_key=KEY)
        titles = [dish.title for dish in result.values]
        assert result.exit_code == 0 and len(set(titles)) == 12
        stats = running.stats
        assert stats.answered + stats.cancelled == stats.requests and stats.max_in_flight > 1, "a twin is cut off early"


@pytest.mark.parametrize("kind", list(CHARGES))
async def test_a_run_through_trouble(kind):
    """Nothing is lost to connections that break and answers that are no JSON."""
    async with serving(faults={"reset": 0.15, "malformed": 0.15}) as running:
        result = await done(f"{kind}/m", base_url=running.url, api_key=KEY, retries=20)
        assert result.exit_code == 0 and len({dish.title for dish in result.values}) == 12
        assert running.stats.answered >= 12 and running.stats.in_flight == 0


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
async def test_keys_and_addresses_from_the_environment(profile, monkeypatch):
    async with serving() as running:
        monkeypatch.setenv(profile.base_url_env, running.url if profile is OPENAI else running.root)
        for name in profile.key_env:
            monkeypatch.setenv(name, KEY)
            assert (await done(f"{profile.name}/m")).exit_code == 0
            monkeypatch.delenv(name)
        refused = await done(f"{profile.name}/m")
        assert refused.exit_code == 1 and running.stats.turned_away >= 1


async def test_from_one_provider_to_another(monkeypatch):
    """Each has its own key; the first is at the address that is given, the other where the environment says."""
    async with serving() as running, serving() as other:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", other.root)
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        result = await done("openai/missing-m | anthropic/m", base_url=running.url, api_key=KEY)
        assert result.exit_code == 0 and (running.stats.answered, other.stats.answered > 0) == (0, True)
    async with serving() as running:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.root)
        with pytest.raises(PlanError, match="GEMINI_API_KEY is not set"):
            await done("anthropic/m | google/m", api_key=KEY)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
async def test_without_a_key_nothing_goes_to_the_provider_itself(profile):
    with pytest.raises(PlanError, match=f"{profile.key_env[0]} is not set"):
        await done(f"{profile.name}/m")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_what_a_provider_charges(profile):
    assert CHARGES[profile.name] == profile.charge
    lane = Conductor(cap=8)
    Wiring(Settings(dry=True, provider=ScriptedProvider(lambda request, number: Says("x"))), lane).route(f"{profile.name}/m")
    assert lane.lanes[-1].limiter.charge == profile.charge and lane.lanes[-1].account == profile.name


@pytest.mark.parametrize(
    ("variable", "model"),
    [("ANTHROPIC_API_KEY", "anthropic/claude-"), ("GEMINI_API_KEY", "google/gemini-"), ("GOOGLE_API_KEY", "google/gemini-")],
)
def test_a_key_suggests_its_provider(variable, model):
    with pytest.raises(PlanError, match=f"{variable} is set .*--model {model}"):
        default_model({variable: "k"})


@pytest.mark.parametrize("kind", list(CHARGES))
async def test_a_limit_is_learned(kind):
    """From headers, or, where nothing is told in them, from the first refusal."""
    plan = Plan("p", [Step("a", "Say {n}.", over="n")], {"n": range(12)})
    async with (
        serving(rpm=600, bucket_s=0.1) as running,
        Engine(f"{kind}/m", store=":memory:", base_url=running.url, api_key=KEY) as engine,
    ):
        result = await engine.run(plan)
        (lane,) = [lane for lane in engine._wiring._conductor.lanes if lane.account == kind]
        assert result.exit_code == 0 and running.stats.answered == 12
        assert running.stats.refused < 12 and (running.stats.refused > 0 or kind != "google")
        quota = lane.limiter._quotas[REQUESTS, 60]
        assert quota.per_minute == pytest.approx(600)
