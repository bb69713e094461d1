"""The candidates of a step, in all the ways a user may write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Candidates, Step
from fanfold.spec.template import Slot, Template

EXAMPLE = 'write candidates=Rows("seeds.csv"), or candidates=Candidates(lambda cell: […], take=3)'


def candidates_of(step: Step) -> Candidates | None:
    """A bare sequence is one candidate a cell. Raises PlanError."""
    given = step.candidates
    if given is None:
        return None
    path = f"steps.{step.name}.candidates"
    if callable(given):
        raise PlanError(path, "a function stands in Candidates", "write Candidates(function, take=3)")
    found = given if isinstance(given, Candidates) else Candidates(given, take=1)
    source = found.source
    if not callable(source):
        if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
            raise PlanError(path, f"candidates are a list or a function, not {type(source).__name__}", EXAMPLE)
        if not isinstance(source, Sequence):
            source = tuple(source)
            found = Candidates(source, found.take, found.key)
        if not len(source):
            raise PlanError(path, "there are no candidates", "give at least one for each cell")
    if isinstance(found.take, bool) or not isinstance(found.take, int) or found.take < 1:
        raise PlanError(f"{path}.take", f"a whole number from 1 is needed, not {found.take!r}")
    if found.key is not None and not callable(found.key):
        raise PlanError(f"{path}.key", f"{found.key!r} is not callable", "a key takes a candidate and returns its name, a text")
    return found


def check_said(candidates: Candidates | None, step: Step, templates: Iterable[Template | None]) -> None:
    """Candidates that no text names would be handed out and never seen by the model. Raises PlanError.

    A callable may use them; a function step is given them.
    """
    texts = [template for template in templates if template is not None]
    if candidates is None or step.function is not None or callable(step.prompt) or callable(step.system):
        return
    if not any(slot.name == "candidates" for template in texts for slot in template.slots):
        raise PlanError(
            f"steps.{step.name}.prompt",
            "the step has candidates, and its prompt does not name them",
            "write {candidates} where they belong, or leave candidates out",
        )


def check_slot(candidates: Candidates | None, slot: Slot, path: str) -> None:
    """`{candidates}` in a prompt. Raises PlanError."""
    if candidates is None:
        raise PlanError(path, f"{{{slot.text}}}: the step has no candidates", EXAMPLE)
    if slot.path and not slot.path[0].isdecimal() and candidates.take > 1:
        raise PlanError(
            path,
            f"{{{slot.text}}}: candidates are a list of up to {candidates.take} here, and have no field {slot.path[0]!r}",
            "write {candidates}, take=1, or a prompt function",
        )
