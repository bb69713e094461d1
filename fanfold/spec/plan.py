"""The words of a plan: axes, steps, and what may be asked of an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CheckFunction = Callable[..., bool | str | None]
"""(value) or (value, cell)."""
UNSET: Any = type("Unset", (), {"__repr__": lambda self: "UNSET", "__bool__": lambda self: False})()


class Markdown(str):
    """An output type: Markdown text. A fenced ```markdown block around the answer is taken off."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        """As a field of a model: a text. What Pydantic asks of a type, in its own plain data."""
        return {"type": "function-after", "function": {"type": "no-info", "function": cls}, "schema": handler(str)}


@dataclass(frozen=True)
class Axis:
    """One dimension of a plan. Exactly one of `values`, `count`, `each`.

    values: a list, a range, or rows of a file (`Rows("terms.csv")`): each coordinate is itself.
    count: that many interchangeable coordinates, 1 … count.
    each: `"step.path"`: the list found in another step's answer, one length for each of that step's cells.
    """

    name: str
    values: Iterable[Any] | None = None
    count: int | None = None
    each: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.values, Iterator):  # else it would be empty at its second use
            object.__setattr__(self, "values", tuple(self.values))


@dataclass(frozen=True)
class Unique:
    """No two accepted values share a key.

    by: the field that identifies a value (dots go deeper); None: the whole value.
    near: 1.0 is equality after normalisation; below, how alike two keys may not be. within: "run", "store", or names of axes
    inside which keys must differ.
    key: value -> key, a text or a vector (a list of numbers), run with the user's code, which may be async; the core compares. Of
    vectors `near` is the least cosine that counts as the same. With `by` as well, names must differ to the letter and are reserved
    while they stream; then the vector is compared, before the value is accepted, and the key must give one.

    "store": never the same as a value that was accepted in an earlier run of the same plan and step (by their names) in the same
    store. It holds for runs one after the other, and for runs at the same time in one process. Of two processes at the same time
    each knows only what the other had accepted when it began. All keys of the step are held in memory: about half a kB for a name.
    Runs that were made without `unique` left no keys behind, and are not compared with.
    """

    by: str | None = None
    near: float = 1.0
    within: str | Sequence[str] = "run"
    key: Callable[[Any], Any] | None = None


@dataclass(frozen=True)
class Facets:
    """What the cells of a step are spread over: each value as often as any other, and no two cells alike while there is a choice.

    values: of each facet, e.g. {"tone": ["calm", "angry"]}; or the name of a step whose answer is such a mapping.
    infeasible: combinations that may not be, each the values of some facets, e.g. [{"diet": "vegan", "protein": "beef"}].
    """

    values: Mapping[str, Sequence[Any]] | str
    infeasible: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Candidates:
    """A pool of which each candidate is used by one cell of the run at most: seed facts, personas, retrieved documents.

    source: a sequence that is shared by all cells (a list, `Rows("file.csv")`); when it is used up, the cells that are left fail.
    Or a callable cell -> list of candidates, the best first: the cell gets the first of them that nobody has; where nobody's is left it
    has none, and runs all the same. take: at most so many for a cell. key: candidate -> what tells it from others, a text;
    default: its `id`, else its `name`, else all of it. A prompt has them as `{candidates}`, or, with take=1, as `{candidates.field}`.
    """

    source: Iterable[Any] | Callable[..., Any]
    take: int = 3
    key: Callable[[Any], str] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.source, Iterator):  # else it would be empty at its second use
            object.__setattr__(self, "source", tuple(self.source))


@dataclass(frozen=True)
class Judge:
    """A model call of the same cell that says whether the answer is good. It is asked last, about what passed every other gate.

    The prompt, a text or a callable (cell, value) -> text, may use every name of the step's own, and `{value}`. Default output:
    `{reason: str, pass: bool}`: a verdict is asked for after its reason, which goes into the next attempt.
    model: None for the step's own, "" for the plan's or the engine's. accept: judge's answer -> bool; default: its `pass`. A judge that cannot be read is asked again; that costs no attempt.

    versus: what the answer has to be at least as good as: a name (`"draft"`, `"draft.text"`: of a step, an axis or a given) or a callable
    cell -> value, None where there is nothing to beat. Then the prompt shows `{first}` and `{second}` instead of `{value}`, a callable is
    given (cell, first, second), and the default output is `{reason: str, better: "first" | "second" | "tie"}`. It is asked twice, once in
    either order, and the answer passes when neither verdict prefers the other one. Verdicts that differ are a tie that does not pass.
    """

    prompt: str | Callable[..., Any]
    model: str | None = None
    output: Any = None
    accept: Callable[[Any], bool] | None = None
    versus: str | Callable[[Cell], Any] | None = None


@dataclass(frozen=True)
class Limits:
    """Declared limits of the provider, which hold exactly for each model; `concurrent` holds over all models together.

    rpm, rpd: requests per minute, per day. tpm: input and output tokens per minute together. concurrent: calls in the air.
    """

    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    rpd: int | None = None
    concurrent: int | None = None


@dataclass(frozen=True)
class Step:
    """One kind of cell: a model call (`prompt`) or a plain function (`function`) for every combination of the axes `over`.

    output: str, Markdown, int, list[str], a Pydantic model, another type Pydantic knows, or a JSON Schema.
    over: axis names (or Axis objects). needs: names of steps, beside those that the prompt names.
    facets: name -> values, that the cells are spread over evenly; or `Facets`, or the name of a step that answers such a mapping.
    A prompt has a cell's own as `{facet.tone}`, or all as `{facet}`; those that a text does not name are added at its end.
    candidates: a sequence, of which each cell is given one of its own; or `Candidates`.
    checks: value -> None or True when it is good, else the reason; one with two parameters is given (value, cell).
    In this order, but those that were slow again and again after the others, and asynchronous ones last. The first that refuses ends it: nothing dearer runs.
    attempts: answers judged per cell; a name lost to another cell while it streamed is none. at_least: how many accepted values a
    gather needs; 0: the cell begins when all that it needs has ended, whatever came of it, and has None where a single value is missing.
    known: cell -> the value, where it is known already and nobody needs to be asked; else None. What is known is not checked; where it must be unique and is taken, another is asked for.
    fallback: a value, or a callable cell -> value, used when the cell fails. required: whether its failure makes the run partial.
    weight: share in the progress. priority: "critical", "normal" or "optional". timeout_s: seconds for one call.
    retry_timeout_share: the part of its time-out that a call has when it is tried again after a transport fault, above 0 and up to 1.
    """

    name: str
    prompt: str | Callable[..., Any] | None = None
    system: str | Callable[..., Any] | None = None
    function: Callable[..., Any] | None = None
    output: Any = str
    over: Any = ()
    needs: Sequence[str] = ()
    model: str | None = None
    unique: Unique | str | None = None
    facets: Mapping[str, Sequence[Any]] | Facets | str | None = None
    candidates: Candidates | Iterable[Any] | None = None
    checks: Sequence[CheckFunction] = ()
    judge: Judge | None = None
    attempts: int = 5
    at_least: int = 1
    known: Callable[[Cell], Any] | None = None
    fallback: Any = UNSET
    required: bool = True
    weight: float = 1
    priority: str = "normal"
    timeout_s: float | None = None
    retry_timeout_share: float = 1.0
    sampling: Mapping[str, Any] = field(default_factory=dict)
    items_per_call: int = 1

    def __post_init__(self) -> None:
        if isinstance(self.candidates, Iterator):
            object.__setattr__(self, "candidates", tuple(self.candidates))


@dataclass(frozen=True)
class Plan:
    """Steps over axes. `given` holds the values that prompts may name. Order of steps and axes is the order of results.

    model: for steps that name none: "a", "a | b" (b when a can no longer be used), "a = 0.7, b = 0.3" (shares). concurrent: calls of this run in the air at once, at most.
    """

    name: str
    steps: Sequence[Step] = ()
    axes: Sequence[Axis] | Mapping[str, Any] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    concurrent: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.given, Mapping) and any(isinstance(value, Iterator) for value in self.given.values()):
            held = {name: list(value) if isinstance(value, Iterator) else value for name, value in self.given.items()}
            object.__setattr__(self, "given", held)


@dataclass(frozen=True)
class Cell:
    """What a prompt callable, a function step or a fallback is given.

    at: coordinates by axis name; given: the plan's givens; needs: value (or list of values) of each needed step;
    missing: for each gather, how many of its cells ended without a value. facet: its own value of each facet.
    candidates: those that are its own, None where the step has none (or while its source is asked).
    `cell["name"]` finds a name wherever it is.
    """

    step: str
    at: Mapping[str, Any]
    given: Mapping[str, Any]
    needs: Mapping[str, Any]
    missing: Mapping[str, int]
    attempt: int = 1
    facet: Mapping[str, Any] = field(default_factory=dict)
    candidates: Sequence[Any] | None = None

    def __getitem__(self, name: str) -> Any:
        if name == "candidates" and self.candidates is not None:
            return self.candidates
        if name == "facet" and self.facet:
            return self.facet
        for scope in (self.at, self.needs, self.given):
            if name in scope:
                return scope[name]
        raise KeyError(name)
