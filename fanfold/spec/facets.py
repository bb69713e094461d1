"""The facets of a step, in all the ways a user may write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_origin

from fanfold.spec.errors import PlanError
from fanfold.spec.names import Names, axis_names, near
from fanfold.spec.plan import Facets, Step

EXAMPLE = 'write facets={"tone": ["calm", "angry"]}'


def facets_of(step: Step) -> Facets | None:
    """With every list as a tuple. Raises PlanError."""
    given = step.facets
    if given is None:
        return None
    path = f"steps.{step.name}.facets"
    facets = given if isinstance(given, Facets) else Facets(given)
    if not isinstance(facets.values, str):
        facets = Facets(_declared(facets.values, path), facets.infeasible)
    if isinstance(facets.infeasible, Mapping | str) or not isinstance(facets.infeasible, Sequence):
        raise PlanError(f"{path}.infeasible", "is a list of combinations", 'write [{"diet": "vegan", "protein": "beef"}]')
    for number, banned in enumerate(facets.infeasible):
        _check_banned(banned, facets.values, f"{path}.infeasible[{number}]")
    return facets


def _declared(values: Any, path: str) -> dict[str, tuple[Any, ...]]:
    if not isinstance(values, Mapping):
        raise PlanError(path, f"facets are a mapping of names to lists, not {type(values).__name__}", EXAMPLE)
    if not values:
        raise PlanError(path, "there are no facets", EXAMPLE)
    found = {}
    for name, listed in values.items():
        if not isinstance(name, str) or not name.strip():
            raise PlanError(path, f"{name!r} is not the name of a facet", "a name is a text")
        if isinstance(listed, str | bytes) or not isinstance(listed, Sequence):
            raise PlanError(f"{path}.{name}", f"the values of a facet are a list, not {listed!r}", _as_list(listed))
        if not listed:
            raise PlanError(f"{path}.{name}", "the facet has no values", "give it at least one, or leave it out")
        found[name] = tuple(listed)
    return found


def _as_list(listed: Any) -> str:
    return (
        "write them as a list, in the order you like"
        if isinstance(listed, Iterable) and not isinstance(listed, str | bytes)
        else f"write [{listed!r}]"
    )


def _check_banned(banned: Any, values: Mapping[str, Sequence[Any]] | str, path: str) -> None:
    """Of facets that a step proposes, the values are not known yet: one that is not proposed is never had."""
    if not isinstance(banned, Mapping) or not banned:
        raise PlanError(path, f"is a mapping of facets to values, not {banned!r}", 'write {"diet": "vegan", "protein": "beef"}')
    for name, value in banned.items() if not isinstance(values, str) else ():
        if name not in values:
            raise PlanError(path, f"there is no facet {name!r}", near(str(name), values))
        if value not in values[name]:
            raise PlanError(path, f"the facet {name!r} has no value {value!r}", near(str(value), map(str, values[name])))


def check_source(names: Names) -> None:
    """A step that proposes the facets becomes a need, and is one that gives each cell one mapping."""
    if names.facets is not None and "facet" in names.given:
        raise PlanError(
            "given.facet", f"{{facet}} is a given, and what step {names.step.name!r} has of its facets", "rename the given"
        )
    if names.facets is None or not isinstance(names.facets.values, str):
        return
    path, source = f"{names.path}.facets", names.facets.values
    names.need(source, path)
    proposing = names.steps[source]
    if extra := [axis for axis in axis_names(proposing.over) if axis not in names.over]:
        raise PlanError(path, f"{source!r} runs over {extra[0]!r}, the step does not: it would receive many mappings")
    output = proposing.output
    plain = isinstance(output, type) and issubclass(output, str | int | float | list | tuple)
    if (plain or get_origin(output) in (list, tuple)) and proposing.function is None:
        hint = "e.g. output=dict[str, list[str]], or a model whose fields are lists"
        raise PlanError(path, f"the answer of {source!r} is not a mapping of names to lists", hint)
