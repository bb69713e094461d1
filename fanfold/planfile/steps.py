"""Steps as a plan file writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fanfold.planfile.checks import check_from
from fanfold.planfile.reading import Scope, keys, listed, mapping, names, text
from fanfold.planfile.types import type_from
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import UNSET, Candidates, Facets, Judge, Step, Unique

STEP_KEYS = (
    "prompt", "system", "output", "over", "needs", "model", "unique", "facets", "candidates", "checks", "judge", "attempts", "at_least", "fallback",
    "required", "weight", "priority", "timeout_s", "retry_timeout_share", "sampling", "items_per_call",
)  # fmt: skip
PLAIN_KEYS = ("attempts", "at_least", "required", "weight", "priority", "timeout_s", "retry_timeout_share", "items_per_call")
JUDGE_KEYS = ("prompt", "model", "output", "accept", "versus")


def step_from(name: str, words: Any, scope: Scope, usual: Mapping[str, Any]) -> Step:
    """usual: what the plan says for all its steps: attempts, sampling. Raises PlanError."""
    path = f"steps.{name}"
    keys(words, STEP_KEYS, path)
    if not isinstance(words.get("prompt"), str):
        raise PlanError(f"{path}.prompt", "a step has a prompt: a text", "write prompt: What the model is asked.")
    plain = {key: scope.resolved(words[key], f"{path}.{key}") for key in PLAIN_KEYS if key in words}
    sampling = {**usual.get("sampling", {}), **mapping(words.get("sampling"), f"{path}.sampling")}
    output = type_from(words.get("output", "str"), f"{path}.output", name)
    return Step(
        name,
        prompt=words["prompt"],
        system=None if words.get("system") is None else text(words["system"], f"{path}.system"),
        output=output,
        over=names(words.get("over"), f"{path}.over"),
        needs=names(words.get("needs"), f"{path}.needs"),
        model=model_from(words.get("model"), f"{path}.model", scope),
        unique=_unique(words.get("unique"), f"{path}.unique"),
        facets=_facets(words.get("facets"), f"{path}.facets", scope),
        candidates=_candidates(words.get("candidates"), f"{path}.candidates", scope),
        checks=[
            check_from(check, f"{path}.checks[{i}]", output, scope)
            for i, check in enumerate(listed(words.get("checks"), f"{path}.checks"))
        ],
        judge=_judge(words.get("judge"), f"{path}.judge", name, scope),
        fallback=words.get("fallback", UNSET),
        sampling={key: scope.resolved(value, f"{path}.sampling.{key}") for key, value in sampling.items()},
        **{**{key: value for key, value in usual.items() if key != "sampling"}, **plain},
    )


def model_from(value: Any, path: str, scope: Scope) -> str | None:
    """`provider/name`, `a | b` (b where a can no longer be used), `{a: 0.7, b: 0.3}` or `a = 0.7, b = 0.3` (shares), or `{given}`."""
    value = scope.resolved(value, path)
    if isinstance(value, Mapping) and value:
        return ", ".join(f"{name} = {_share(share, f'{path}.{name}')}" for name, share in value.items())
    return None if value is None else text(value, path)


def models_in(model: str) -> list[str]:
    """The names in such a text."""
    return [each.split("=")[0].strip() for share in model.split(",") for each in share.split("|")]


def _share(value: Any, path: str) -> str:
    """A number above 0, or so many per cent."""
    said = value.strip().removesuffix("%") if isinstance(value, str) else value
    try:
        share = 0.0 if isinstance(said, bool) else float(said)
    except (TypeError, ValueError):
        share = 0.0
    if not 0 < share < 1e9:
        raise PlanError(path, f"a share is a number above 0, not {value!r}", "write {openai/a: 0.7, anthropic/b: 0.3}")
    return str(value).strip()


def _unique(value: Any, path: str) -> Unique | str | None:
    """`title`, `true` (the whole value), or `{by: title, near: 0.85, within: store}`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return Unique() if value else None
    if isinstance(value, Mapping) and "key" in value:
        raise PlanError(f"{path}.key", "a key is a function, and a plan file holds no code", "write by: the name of a field")
    keys(value, ("by", "near", "within"), path)
    near = value.get("near", 1.0)
    if isinstance(near, bool) or not isinstance(near, int | float):
        raise PlanError(f"{path}.near", f"a number is needed, not {near!r}")
    return Unique(by=value.get("by"), near=float(near), within=value.get("within", "run"))


def _facets(value: Any, path: str, scope: Scope) -> Facets | Mapping[str, Any] | str | None:
    """`{tone: [calm, angry]}`, the name of a step that proposes them, or `{values: …, infeasible: [{tone: calm, topic: war}]}`."""
    if not isinstance(value, Mapping):
        return value  # type: ignore[no-any-return]
    if "infeasible" not in value or isinstance(value.get("values"), list):
        return {name: scope.resolved(listed, f"{path}.{name}") for name, listed in value.items()}
    keys(value, ("values", "infeasible"), path)
    values = value.get("values", {})
    if isinstance(values, Mapping):
        values = {name: scope.resolved(listed, f"{path}.values.{name}") for name, listed in values.items()}
    return Facets(values, value["infeasible"] or ())


def _candidates(value: Any, path: str, scope: Scope) -> Candidates | None:
    """`[a, b]`, `{file: seeds.csv}`, `{values: …}` or `{given}`, each one a cell; with `take: 3`, up to three."""
    if value is None:
        return None
    if isinstance(value, str) or (isinstance(value, Mapping) and list(value.values()) == [None]):
        return Candidates(scope.resolved(value, path), take=1)
    if not isinstance(value, Mapping):
        return Candidates(value, take=1)
    keys(value, ("values", "file", "take"), path)
    if ("file" in value) == ("values" in value):
        raise PlanError(path, "candidates are values or a file", "write [a, b], {file: seeds.csv} or {values: [a, b], take: 2}")
    if "values" in value:
        source: Any = scope.resolved(value["values"], f"{path}.values")
    else:
        source = scope.rows(scope.resolved(value["file"], f"{path}.file"), f"{path}.file")
    return Candidates(source, take=scope.resolved(value.get("take", 1), f"{path}.take"))


def _judge(value: Any, path: str, step: str, scope: Scope) -> Judge | None:
    """A prompt, or `{prompt: …, model: …, output: …, accept: {number: {min: 7, of: score}}, versus: draft}`."""
    if value is None:
        return None
    if isinstance(value, str):
        value = {"prompt": value}
    keys(value, JUDGE_KEYS, path)
    if not isinstance(value.get("prompt"), str):
        raise PlanError(f"{path}.prompt", "a judge has a prompt: a text")
    output = value.get("output")
    shape = None if output is None else type_from(output, f"{path}.output", f"{step}_judge")
    accept = None if value.get("accept") is None else _accept(value["accept"], f"{path}.accept", shape, scope)
    return Judge(value["prompt"], model_from(value.get("model"), f"{path}.model", scope), shape, accept, value.get("versus"))


def _accept(value: Any, path: str, output: Any, scope: Scope) -> Callable[[Any], bool]:
    """A named check of the judge's answer, e.g. `{number: {min: 7, of: score}}`."""
    check = check_from(value, path, output, scope)
    return lambda verdict: check(verdict) is None
