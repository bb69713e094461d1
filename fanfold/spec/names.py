"""Names in a plan: which are usable, what the braces of a prompt mean, and which needs that makes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from fanfold.spec.candidates import check_slot
from fanfold.spec.compiled import CompiledAxis
from fanfold.spec.errors import PlanError
from fanfold.spec.plan import Axis, Candidates, Facets, Plan, Step
from fanfold.spec.template import NoSuchField, Slot, Template, dig, parse

RESERVED = frozenset({"value", "candidates", "facet"})
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
"""No file may have such a name on Windows, whatever its ending."""
LONGEST_NAME = 100
LONGEST_PROMPT = 4_000_000  # characters; no model reads as many
ALIKE = str.maketrans(
    "аеорсухіјѕԁһԛԝьАВЕКМНОРСТХІЈЅαορνικτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "aeopcyxijsdhqwbABEKMHOPCTXIJSaopviktuABEZHIKMNOPTYX"
)
"""Cyrillic and Greek letters that look like Latin ones."""


def check_names(things: Iterable[Any], path: str) -> None:
    """Usable, and no two that a person or a file system would take for one another. Raises PlanError."""
    seen: dict[str, str] = {}
    looks: dict[str, str] = {}
    for thing in things:
        name = thing.name
        where = f"{path}.{name if len(str(name)) <= LONGEST_NAME else str(name)[:20] + '…'}"
        if isinstance(name, str) and len(name) > LONGEST_NAME:
            raise PlanError(where, f"the name is longer than {LONGEST_NAME} characters", "choose a shorter one")
        if not isinstance(name, str) or not name.isidentifier():
            raise PlanError(where, f"{name!r} is not a usable name", "use letters, digits and underscores")
        if name in RESERVED or name.casefold() in DEVICES:
            raise PlanError(where, f"{name!r} is a reserved name", "choose another")
        key = unicodedata.normalize("NFKC", name)
        key = key.casefold() if path == "steps" else key  # files are named after steps
        if key in seen:
            raise PlanError(where, f"the name {name!r} is used twice" + _as(seen[key], name), "names must differ")
        look = key.translate(ALIKE)
        if look in looks:
            raise PlanError(where, f"the name {name!r} looks like {looks[look]!r}, in other letters", "names must differ visibly")
        seen[key] = looks[look] = name


def _as(other: str, name: str) -> str:
    return "" if other == name else f", once as {other!r}"


def near(name: str, names: Iterable[str]) -> str:
    names = list(names)
    close = get_close_matches(name, names, 1)
    if close:
        return f"did you mean {close[0]!r}?"
    return "there is " + ", ".join(map(repr, names)) if names else "none is declared"


class Names:
    """What the prompts of one step may name, and which needs that makes."""

    def __init__(
        self, plan: Plan, axes: Mapping[str, CompiledAxis], steps: Mapping[str, Step], over: tuple[str, ...], step: Step
    ) -> None:
        self.given, self.axes, self.steps, self.over, self.step = plan.given, axes, steps, over, step
        self.path = f"steps.{step.name}"
        self.needs: dict[str, None] = {}
        self.facets: Facets | None = None
        self.candidates: Candidates | None = None

    def need(self, name: str, path: str) -> None:
        if name not in self.steps:
            raise PlanError(path, f"there is no step {name!r}", near(name, self.steps))
        if name == self.step.name:
            raise PlanError(path, f"step {name!r} needs itself")
        self.needs[name] = None

    def template(self, text: Any, part: str, extra: frozenset[str] = frozenset()) -> Template | None:
        if text is None or callable(text):
            return None
        path = f"{self.path}.{part}"
        if not isinstance(text, str):
            raise PlanError(path, f"a prompt is text or a callable, not {type(text).__name__}")
        if not text.strip():
            raise PlanError(path, "the prompt is empty", "write what the model is asked")
        if len(text) > LONGEST_PROMPT:
            hint = "give large texts in parts: as an axis, or by files"
            raise PlanError(path, f"the prompt has {len(text):,} characters, at most {LONGEST_PROMPT:,} are sent", hint)
        template = parse(text)
        for slot in template.slots:
            self._resolve(slot, path, extra)
        return template

    def _resolve(self, slot: Slot, path: str, extra: frozenset[str]) -> None:
        """An axis that the step runs over comes first, then a step: `{section}` is the title inside, the texts outside."""
        name = slot.name
        if name in extra:
            return
        if name == "facet" and (self.facets is not None or name not in self.given):
            self._facet(slot, path)
            return
        if name == "candidates" and (self.candidates is not None or name not in self.given):
            check_slot(self.candidates, slot, path)
            return
        if name in self.over:
            values = self.axes[name].values
            if values is not None and slot.path:
                _dig_example(values[0], slot, path)
        elif name in self.steps:
            self.need(name, path)
            self._need_exists(self.steps[name], slot, path)
        elif name in self.axes:
            raise PlanError(path, f"{{{slot.text}}} names an axis that the step does not run over", f"add {name!r} to over")
        elif name in self.given:
            _dig_example(self.given[name], slot, path)
        else:
            known = [*self.given, *self.over, *self.steps, *extra]
            hint = near(name, known) + "; a literal brace is {{"
            raise PlanError(path, f"{{{slot.text}}} is not a given, an axis or a step", hint)

    def _facet(self, slot: Slot, path: str) -> None:
        if self.facets is None:
            raise PlanError(path, f"{{{slot.text}}}: the step has no facets", 'declare them: facets={"tone": ["calm", "angry"]}')
        if not slot.path:
            return
        values, (name, *inner) = self.facets.values, slot.path
        if isinstance(values, str):
            if values in self.steps:
                field_exists(self.steps[values].output, (name,), path, slot.text)
        elif name not in values:
            raise PlanError(path, f"{{{slot.text}}}: there is no facet {name!r}", near(name, values))
        else:
            _dig_example(values[name][0], Slot(name, tuple(inner)), path)

    def _need_exists(self, need: Step, slot: Slot, path: str) -> None:
        fields = slot.path
        if fields and any(axis not in self.over for axis in axis_names(need.over)):  # a gather: a list
            if not fields[0].isdecimal():
                hint = f"{{{slot.name}}} is the whole list; a prompt function can pick from it"
                raise PlanError(path, f"{{{slot.text}}}: {slot.name!r} is a list here, and has no field {fields[0]!r}", hint)
            fields = fields[1:]
        field_exists(need.output, fields, path, slot.text)


def axis_names(over: Any) -> list[str]:
    raw = [over] if isinstance(over, str | Axis) else list(over)
    return [axis.name if isinstance(axis, Axis) else axis for axis in raw]


def _dig_example(value: Any, slot: Slot, path: str) -> None:
    try:
        dig(value, slot.path)
    except NoSuchField as error:
        raise PlanError(path, f"{{{slot.text}}}: {error}") from None


def field_exists(output: Any, fields: tuple[str, ...], path: str, text: str = "") -> None:
    """Follow `fields` through a Pydantic model's declared fields, as far as they are known."""
    for depth, name in enumerate(fields):
        if depth and output in (str, int, float, bool):
            raise PlanError(path, f"{text or '.'.join(fields)}: there is no field {name!r} in a {output.__name__}")
        known = getattr(output, "model_fields", None)
        if known is None and isinstance(output, Mapping):
            known = output.get("properties")
        if not isinstance(known, Mapping):
            return
        if name not in known:
            raise PlanError(path, f"{text or '.'.join(fields)}: there is no field {name!r}", near(name, known))
        output = getattr(known[name], "annotation", known[name])
