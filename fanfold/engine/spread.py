"""Which value of each facet the cells of a step have: the same for a seed, a cell, and the answers of it that were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from fanfold.core.draw import fold
from fanfold.core.facets import Facets
from fanfold.core.placing import number
from fanfold.engine.shapes import Unfit, plain, text_of
from fanfold.spec import phrases
from fanfold.spec.compiled import CompiledPlan, CompiledStep
from fanfold.spec.errors import PlanError
from fanfold.spec.events import Coords
from fanfold.spec.plan import Facets as Declared

FAILS = 2  # answers of a combination that were somebody else's already, until the cell is given another combination
KEPT = 64  # proposals whose facets are kept worked out


class Spread:
    """Of one step. source: the step that proposes the facets, "" where they are declared."""

    def __init__(self, declared: Declared, step: CompiledStep, plan: CompiledPlan) -> None:
        """Raises PlanError for values that no prompt can say, and where no combination may be."""
        self.source = declared.values if isinstance(declared.values, str) else ""
        self._declared, self._index = declared, step.index
        proposing = plan.step(self.source).over if self.source else ()
        own = [(place, plan.axes[name]) for place, name in enumerate(step.over) if name not in proposing]
        known = sorted((axis.counted, place, axis.size) for place, axis in own if axis.size is not None)
        self._known = [(place, size) for _, place, size in known]  # counted axes last: they run fastest
        self._unknown = [place for place, axis in own if axis.size is None]
        self._proposing = [step.over.index(name) for name in proposing]
        self._cells = 0 if self._unknown else prod(size for _, size in self._known)
        self._worked_out: dict[tuple[int, ...], Facets] = {}
        self._mentioned = frozenset(
            slot.text if slot.text == "facet" else slot.path[0]
            for template in (step.prompt, step.system)
            for slot in (template.slots if template is not None else ())
            if slot.name == "facet"
        )
        if not isinstance(declared.values, str):
            self._check(declared.values, f"steps.{step.name}.facets")

    def _check(self, declared: Mapping[str, Sequence[Any]], path: str) -> None:
        for name, values in declared.items():
            for value in values:
                try:
                    text_of(value)
                except (ValueError, TypeError) as error:
                    raise PlanError(
                        f"{path}.{name}", f"cannot be written into a prompt: {error}", "give texts or plain data"
                    ) from error
        try:
            self._facets(self.values(), 0).at(0)
        except ValueError as error:
            raise PlanError(f"{path}.infeasible", str(error), "leave at least one combination") from error

    def values(self, proposed: Any = None) -> Mapping[str, Sequence[Any]]:
        """Those of each facet that may be. proposed: the answer of the source. Raises Unfit for what is no mapping of names to lists."""
        declared = self._declared.values
        values = proposal(proposed) if isinstance(declared, str) else declared
        alone = [(name, value) for banned in self._declared.infeasible if len(banned) == 1 for name, value in banned.items()]
        return {name: [value for value in listed if (name, value) not in alone] for name, listed in values.items()}

    def of(self, at: Coords, seed: int, taken: int, proposed: Any = None) -> dict[str, Any]:
        """The values of one cell. taken: its answers that were somebody else's already. Raises Unfit, see `values`."""
        shared = self.shared(at)
        facets = self._worked_out.get(shared)
        if facets is None:
            facets = self._facets(self.values(proposed), fold((seed, self._index, *shared)))
            if len(self._worked_out) >= KEPT:
                self._worked_out.clear()
            self._worked_out[shared] = facets
        cell = number(
            [at[place] for place, _ in self._known], [size for _, size in self._known], [at[place] for place in self._unknown]
        )
        try:
            return facets.after(cell, taken // FAILS)
        except ValueError as error:
            raise Unfit(str(error)) from error

    def shared(self, at: Coords) -> Coords:
        """The cell of the source that proposes for this one."""
        return tuple([at[place] for place in self._proposing])

    def _facets(self, values: Mapping[str, Sequence[Any]], seed: int) -> Facets:
        banned = [each for each in self._declared.infeasible if all(each[name] in values.get(name, ()) for name in each)]
        return Facets(values, self._cells, seed, banned)

    def unsaid(self, facet: Mapping[str, Any]) -> str:
        """Of a prompt that is a text: what its end must say, since it names these facets nowhere."""
        left = {} if "facet" in self._mentioned else {n: text_of(v) for n, v in facet.items() if n not in self._mentioned}
        return phrases.facets(left) if left else ""


def spread_of(plan: CompiledPlan, step: CompiledStep) -> Spread | None:
    return None if step.facets is None else Spread(step.facets, step, plan)


def proposal(answer: Any) -> dict[str, list[Any]]:
    """An answer that proposes facets, as plain data, each value once. Raises Unfit for what is no mapping of names to lists that are not empty."""
    found = plain(answer)
    if not isinstance(found, dict) or not found:
        raise Unfit("it is not a mapping of facets to lists of their values")
    for name, values in found.items():
        if not isinstance(values, list) or not values:
            raise Unfit(f"the facet {name!r} is not a list with at least one value")
    return {name: list({text_of(value): value for value in values}.values()) for name, values in found.items()}
