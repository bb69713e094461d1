"""The one place that builds the object graph: which provider a model name means, which lane its calls take, which store.

`provider/name`: everything before the first slash names the provider, the rest is the model's name there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fanfold import config
from fanfold.core.concurrency import Concurrency, Fixed, Hosted
from fanfold.core.conductor import Conductor
from fanfold.core.knee import Knee
from fanfold.core.lane import HOSTED
from fanfold.core.limiter import DAY, INPUT, OUTPUT, REQUESTS, TOTAL, Dimension, Limiter, Window
from fanfold.core.pool import counted_places
from fanfold.core.run import LOCAL, Rule
from fanfold.core.turns import Turns, strides
from fanfold.spec.compiled import CompiledPlan, CompiledStep, has_fallback
from fanfold.spec.errors import PlanError
from fanfold.spec.hidden import redact
from fanfold.spec.plan import Limits, Step
from fanfold.spec.ports import Provider, Store
from fanfold.spec.prices import Price
from fanfold.spec.secret import Secret
from fanfold.spec.shares import shares_of
from fanfold.spec.words import PRIORITIES

if TYPE_CHECKING:
    from fanfold.engine.job import Route, StepWork
    from fanfold.providers.profile import Profile
    from fanfold.providers.sdk import Sdk
    from fanfold.providers.wire import Line, Wire

DEFAULT_CONCURRENT = 64  # calls in the air of a model in this process
CHARGES = {"openai": "max", "anthropic": "actual", "google": "estimate"}
"""What a provider's own limits count at admission; only such lanes learn limits.

OpenAI takes `max_tokens` of its tokens a minute beforehand; Anthropic counts an answer's tokens as they come; Google counts
what goes in.
"""
SIMULATED = "sim/default"
PROVIDERS = (*CHARGES, "sim")
KEYS = {
    "OPENAI_API_KEY": "openai/gpt-4o-mini", "ANTHROPIC_API_KEY": "anthropic/claude-haiku-4-5",
    "GOOGLE_API_KEY": "google/gemini-2.5-flash", "GEMINI_API_KEY": "google/gemini-2.5-flash",
}  # fmt: skip
"""Each variable that holds a key, and a model that it might be for."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an engine reaches its models. provider: used for every model, in tests. seed: of the simulated provider.

    base_url, api_key: of the hosted provider that is named first; others take theirs from the environment.
    model_limits: of one model, where they say something; else `limits` are those of each.
    dry: nothing is ever called; lanes are as they would be with the providers that the models name. prices: the user's own, by model.
    """

    base_url: str | None = None
    api_key: Secret | None = None
    limits: Limits = field(default_factory=Limits)
    model_limits: Mapping[str, Limits] = field(default_factory=dict)
    timeout_s: float = 120.0
    idle_s: float = 60.0
    retries: int = 4
    attempts: int | None = None
    seed: int = 0
    provider: Provider | None = None
    dry: bool = False
    prices: Mapping[str, Price] = field(default_factory=dict)
    clients: Mapping[str, Sdk] = field(default_factory=dict)
    """By provider: a client of the user's, whose address and key are used."""


def default_model(environ: Mapping[str, str] | None = None) -> str:
    """The simulated provider where no key is set; with a key nothing is chosen silently. Raises PlanError."""
    keys = [name for name in KEYS if config.variable((name,), environ)]
    if keys:
        raise PlanError(
            "--model",
            f"no model is named, and {keys[0]} is set",
            f"name one, e.g. --model {KEYS[keys[0]]}, or --model sim/default for the simulated provider",
        )
    return SIMULATED


def split_model(model: str) -> tuple[str, str]:
    """("openai", "gpt-4o-mini"). Raises PlanError for what is not a model name, naming the choices."""
    choices = ", ".join(f"{name}/…" for name in PROVIDERS)
    provider, slash, name = model.strip().partition("/")
    if not slash or not name:
        raise PlanError(
            "model", f"{model!r} is not provider/name", f"write e.g. openai/{model.strip() or 'gpt-4o-mini'}; one of {choices}"
        )
    if provider not in PROVIDERS:
        raise PlanError("model", f"unknown provider {provider!r}", f"one of {choices}")
    return provider, name


def chain_of(model: Any) -> list[str]:
    """["openai/a", "sim/b"] of "openai/a | sim/b"; of models with shares, all of them, each once. Raises PlanError."""
    if not isinstance(model, str):
        raise PlanError("model", f"a model is provider/name, not {model!r}")
    shares = shares_of(model)
    if len(shares) > 1:
        return list(dict.fromkeys(name for share in shares for name in chain_of(share.model)))
    names = [name.strip() for name in shares[0].model.split("|")]
    if "" in names:
        raise PlanError(
            "model",
            f"{model!r}: nothing stands on one side of a |",
            "write openai/gpt-4o-mini, or a | b to fall back from a to b",
        )
    if len(set(names)) < len(names):
        raise PlanError("model", f"{model!r} names a model twice", "a fallback is another model")
    return names


def check_limits(limits: Limits) -> None:
    for name in ("rpm", "tpm", "input_tpm", "output_tpm", "rpd", "concurrent"):
        value = getattr(limits, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise PlanError(f"limits.{name}", f"a limit is a whole number from 1, not {value!r}")


class Wiring:
    """Routes of one engine: a lane, a limiter and a provider for each model, made when first asked for."""

    def __init__(self, settings: Settings, conductor: Conductor) -> None:
        check_limits(settings.limits)
        for each in settings.model_limits.values():
            check_limits(each)
        config.keep_secrets_unsaid()
        self.settings = settings
        self._conductor = conductor
        self._routes: dict[str, Route] = {}
        self._providers: dict[str, Provider] = {}
        self._wire: Wire | None = None
        self._first = ""
        """The hosted provider that the base URL and the key are for."""

    def chain(self, model: str) -> tuple[Route, ...]:
        """Where the calls for "a | b" go: to a, and to b when a can no longer be used. Raises PlanError."""
        return tuple(self.route(name) for name in chain_of(model))

    def turns(self, plan: CompiledPlan, step: CompiledStep, model: str) -> Turns | None:
        """Which of them answers which cell, where they have shares."""
        shares = shares_of(model)
        if len(shares) == 1:
            return None
        chains = tuple(tuple(route.lane for route in self.chain(share.model)) for share in shares)
        sizes = [plan.axes[axis].size for axis in step.over]
        return Turns(chains, tuple(share.part for share in shares), strides(sizes))

    def route(self, model: str) -> Route:
        """Raises PlanError for a model that cannot be reached from here."""
        from fanfold.engine.job import Route

        if model in self._routes:
            return self._routes[model]
        kind = ""
        if self.settings.provider is not None:
            provider, name = self.settings.provider, model.partition("/")[2] or model
            kind = self._kind(model)[0] if self.settings.dry else ""
        else:
            kind, name = self._kind(model)
            provider = self._provider(kind)
        lane = self._conductor.add_lane(model, self._limiter(kind, model), self._concurrency(kind, model))
        lane.account = kind if kind in CHARGES else ""
        origin = self._origin(kind, provider)
        route = self._routes[model] = Route(lane.index, provider, name, origin=origin)
        return route

    def _origin(self, kind: str, provider: Provider) -> str:
        """What answers depend on beside the request: the provider, our adapter to it, and where it is. No key is in it."""
        if kind in CHARGES:
            place = urlsplit(self._base_url(kind))
            return f"{kind} {_profile(kind).version} {place.scheme}://{place.hostname}:{place.port or ''}{place.path.rstrip('/')}"
        own = f"{type(provider).__module__}.{type(provider).__qualname__}"
        return f"{own} {self.settings.seed}" if kind == "sim" else own

    def _kind(self, model: str) -> tuple[str, str]:
        kind, name = split_model(model)
        if kind in CHARGES:
            self._first = self._first or kind
        return kind, name

    def limits_of(self, model: str) -> Limits:
        """As declared for all models, and for this one."""
        own = self.settings.model_limits.get(model)
        return self.settings.limits if own is None else replace(self.settings.limits, **_said(own))

    def _limiter(self, kind: str, model: str) -> Limiter:
        """Declared limits, and what is not declared is learned; the simulated model in this process has none."""
        declared = _dimensions(self.limits_of(model))
        return Limiter(declared, charge=CHARGES.get(kind, "sum"), learns=kind in CHARGES)

    def _concurrency(self, kind: str, model: str) -> Concurrency:
        """As declared; else by what holds such a server back: its limits, or, for a server of one's own, the knee of its throughput."""
        limits = self.limits_of(model)
        if limits.concurrent:
            return Fixed(limits.concurrent)
        if kind not in CHARGES:
            return Fixed(DEFAULT_CONCURRENT)
        return Hosted(HOSTED) if any(_declared(limits)) or not _own_server(self._base_url(kind)) else Knee()

    def _base_url(self, kind: str) -> str:
        if kind in self.settings.clients:
            return self.settings.clients[kind].base_url
        profile = _profile(kind)
        given = self.settings.base_url if kind == self._first else None
        return given or config.variable((profile.base_url_env,)) or profile.base_url

    def _provider(self, kind: str) -> Provider:
        if kind not in self._providers:
            self._providers[kind] = self._hosted(kind) if kind in CHARGES else self._simulated()
        return self._providers[kind]

    def _simulated(self) -> Provider:
        from fanfold.sim.provider import SimProvider
        from fanfold.sim.world import World

        return SimProvider(World(seed=self.settings.seed))

    def _hosted(self, kind: str) -> Provider:
        from fanfold.providers.wire import Wire

        profile, base_url = _profile(kind), self._base_url(kind)
        if kind in self.settings.clients:
            from fanfold.providers.carrier import Carrier

            return _adapter(kind)(Carrier(self.settings.clients[kind]), base_url, self.settings.clients[kind].key)
        given = self.settings.api_key if kind == self._first else None
        key = given or config.secret(profile.key_env)
        if key is None and base_url == profile.base_url:
            raise PlanError("model", f"{profile.key_env[0]} is not set", "set it, or use --base-url for a server of your own")
        if self._wire is None:
            self._wire = Wire()
            self._wire.load()
        return _adapter(kind)(self._wire, base_url, key)

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()
        if self._wire is not None:
            await self._wire.close()


def _profile(kind: str) -> Profile:
    from importlib import import_module

    profile: Profile = import_module(f"fanfold.providers.{kind}").PROFILE
    return profile


def _adapter(kind: str) -> Callable[[Line, str, Secret | None], Provider]:
    if kind == "anthropic":
        from fanfold.providers.anthropic import Anthropic

        return Anthropic
    if kind == "google":
        from fanfold.providers.google import Google

        return Google
    from fanfold.providers.openai import OpenAI

    return OpenAI


def _declared(limits: Limits) -> list[int | None]:
    return [limits.rpm, limits.tpm, limits.input_tpm, limits.output_tpm, limits.rpd]


def _own_server(base_url: str) -> bool:
    """Whether a server is likely one's own: in this machine or network. It says no 429, and gets slower instead."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))


def _dimensions(limits: Limits) -> list[tuple[str, Dimension]]:
    dimensions: list[tuple[str, Dimension]] = []
    for kind, limit in ((REQUESTS, limits.rpm), (TOTAL, limits.tpm), (INPUT, limits.input_tpm), (OUTPUT, limits.output_tpm)):
        if limit is not None:
            dimensions.append((kind, Window(limit)))
    if limits.rpd is not None:
        dimensions.append((REQUESTS, Window(limits.rpd, DAY)))
    return dimensions


def leaves_open(step: Step, model: str | None) -> bool:
    """Whether it asks a model that nobody has named yet. model: the plan's."""
    unnamed = step.model is None or (step.judge is not None and step.judge.model == "")
    return step.function is None and unnamed and not model


def wire_steps(plan: CompiledPlan, wiring: Wiring, model: str) -> tuple[list[StepWork], list[Rule]]:
    """Each step with its route, for the shell and for the conductor. Raises PlanError."""
    from fanfold.engine.job import StepWork
    from fanfold.engine.spread import spread_of

    works, rules = [], []
    for step in plan.steps:
        path = f"steps.{step.name}.model"
        routes: tuple[Route, ...] = ()
        judges: tuple[Route, ...] = ()
        turns: Turns | None = None
        if step.step.function is None:
            asked = step.step.model or plan.plan.model or model
            routes = _at(path, wiring.chain, asked)
            turns = wiring.turns(plan, step, asked)
            if step.step.judge is not None:
                judge_model = step.step.judge.model
                if judge_model is None:
                    judges = routes
                else:
                    judges = _at(f"steps.{step.name}.judge.model", wiring.chain, judge_model or plan.plan.model or model)
                if judge_model and len(shares_of(judge_model)) > 1:
                    raise PlanError(
                        f"steps.{step.name}.judge.model", "a judge has one model, not shares of several", "write a | b"
                    )
        timeout_s = step.step.timeout_s or wiring.settings.timeout_s
        work = StepWork(step, routes, judges, timeout_s)
        work.idle_s = min(wiring.settings.idle_s, timeout_s)
        work.check_givens(plan.plan.given)
        work.spread = spread_of(plan, step)
        work.proposes = any(other.facets is not None and other.facets.values == step.name for other in plan.steps)
        works.append(work)
        rule = _rule(step, routes, judges, replace(wiring.settings, timeout_s=timeout_s))
        streams = work.streamed_field is not None and all(route.streams for route in routes)
        rules.append(replace(rule, streams=streams, counted=counted_places(plan, step), turns=turns))
    return works, rules


def _at(path: str, chain: Callable[[str], tuple[Route, ...]], model: str) -> tuple[Route, ...]:
    try:
        return chain(model)
    except PlanError as error:
        if error.path != "model":
            raise
        raise PlanError(path, error.message, error.hint) from error


def _rule(step: CompiledStep, routes: Sequence[Route], judges: Sequence[Route], settings: Settings) -> Rule:
    words, unique = step.step, step.unique
    source = None if step.candidates is None else step.candidates.source
    within: Sequence[str] = ()
    if unique is not None and unique.within not in ("run", "store"):
        within = (unique.within,) if isinstance(unique.within, str) else unique.within
    return Rule(
        index=step.index,
        name=step.name,
        lane=routes[0].lane if routes else LOCAL,
        then=tuple(route.lane for route in routes[1:]),
        judge_lane=judges[0].lane if judges else None,
        judge_then=tuple(judge.lane for judge in judges[1:]),
        both_orders=words.judge is not None and words.judge.versus is not None,
        function=words.function is not None,
        unique=None if unique is None else tuple(step.over.index(axis) for axis in within),
        near=1.0 if unique is None else float(unique.near),
        shared=unique is not None and unique.within == "store" and not settings.dry,
        embeds=unique is not None and unique.by is not None and unique.key is not None,
        fallback=has_fallback(words),
        required=words.required,
        attempts=settings.attempts or words.attempts,
        retries=settings.retries,
        timeout=round(settings.timeout_s * 1_000_000),
        retry_timeout=None
        if words.retry_timeout_share == 1
        else round(settings.timeout_s * words.retry_timeout_share * 1_000_000),
        estimate=1 if words.function is not None else 2_000_000,
        priority=PRIORITIES.index(words.priority),
        take=0 if step.candidates is None else step.candidates.take,
        stock=len(source) if isinstance(source, Sequence) else None,
        weight=float(words.weight),
        items=1 if words.sampling.get("stop") else words.items_per_call,  # what ends one answer would end all of them
    )


def open_store(store: str | Path | Store | None) -> tuple[Store, bool]:
    """The store, and whether it is ours to close. None: `runs.db` in the user's data folder; ":memory:": kept nowhere.

    Raises StoreError.
    """
    if store is not None and not isinstance(store, str | Path):
        return store, False
    if store == ":memory:":
        from fanfold.store.memory import MemoryStore

        return MemoryStore(), True
    from fanfold.store.sqlite import SqliteStore

    return SqliteStore(Path(store) if store is not None else config.default_store()), True


def describe_run(
    plan: CompiledPlan, works: Sequence[StepWork], settings: Settings, model: str, about: Mapping[str, Any]
) -> bytes:
    """What a run's record says about how it was made. No keys. words: what tells a changed plan from its own."""
    import msgspec

    from fanfold.engine.fingerprint import of_plan

    limits = _said(settings.limits)
    made = {
        "model": model, "base_url": settings.base_url and redact(settings.base_url), "seed": settings.seed, "plan": plan.plan.name, "limits": limits,
        "model_limits": {name: _said(each) for name, each in settings.model_limits.items()},
        "timeout_s": settings.timeout_s, "retries": settings.retries, "attempts": settings.attempts, "words": of_plan(plan, works),
    }  # fmt: skip
    return msgspec.json.encode({**made, **about}, enc_hook=str)


def _said(limits: Limits) -> dict[str, int]:
    return {name: value for name, value in asdict(limits).items() if value is not None}
