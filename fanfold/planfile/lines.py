"""Where in a plan file a mistake stands: `steps.haiku.checks[0]` as a line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from fanfold.files import compose_yaml
from fanfold.spec.errors import PlanError


@contextmanager
def located(text: str, name: str, but: Collection[str] = ()) -> Iterator[None]:
    """What is wrong with the plan in this text is said with the file's name and the line. Other mistakes are said as they are.

    but: words that were said elsewhere, and are not the file's.
    """
    try:
        yield
    except PlanError as error:
        line = None if _first(error.path) in but else line_of(text, error.path, name)
        if line is None:
            raise
        raise PlanError(f"{name}:{line}: {error.path}", error.message, error.hint) from error


def line_of(text: str, path: str, name: str = "plan") -> int | None:
    """The line, from 1, of the last word of the path that is there; None where the path begins with no word of a plan."""
    try:
        node = compose_yaml(text, name)
    except PlanError:
        return None
    line = 1 if _first(path) in ("plan", "steps") else None
    rest = path
    while rest and node is not None:
        node, rest, found = _step(node, rest)
        line = found or line
    return line


def _first(path: str) -> str:
    return path.split(".")[0].split("[")[0]


def _step(node: Any, path: str) -> tuple[Any, str, int | None]:
    """One word further: (the value there, what is left of the path, the line of the word)."""
    import yaml

    if isinstance(node, yaml.SequenceNode) and path.startswith("["):
        index, _, rest = path[1:].partition("]")
        if index.isdecimal() and int(index) < len(node.value):
            inner = node.value[int(index)]
            return inner, rest.removeprefix("."), inner.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        best = None
        for key, value in node.value:  # names may hold dots: the longest that fits
            word = str(key.value)
            fits = path == word or (path.startswith(word) and path[len(word)] in ".[")
            if fits and (best is None or len(word) > len(best[0])):
                best = (word, key, value)
        if best is not None:
            return best[2], path[len(best[0]) :].removeprefix("."), best[1].start_mark.line + 1
    return None, "", None
