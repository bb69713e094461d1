"""What every part of a plan file is read with: keys that are known, values that are of a kind, and `{name}` for a given's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fanfold.files import Rows
from fanfold.spec.errors import PlanError


@dataclass(frozen=True)
class Scope:
    """given: what `{name}` may stand for. folder: where files of rows are looked for; None: plans from elsewhere name no files."""

    given: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def resolved(self, value: Any, path: str) -> Any:
        """`{name}` as the value of that given, anything else as it is. YAML reads an unquoted {name} as {name: null}."""
        if isinstance(value, Mapping) and len(value) == 1 and next(iter(value.values())) is None:
            return self.value(str(next(iter(value))), path)
        if isinstance(value, str) and len(value) > 2 and value[0] == "{" and value[-1] == "}" and value[1:-1].isidentifier():
            return self.value(value[1:-1], path)
        return value

    def value(self, name: str, path: str) -> Any:
        if name not in self.given:
            raise PlanError(path, f"{{{name}}} is not a given", choices(name, self.given))
        return self.given[name]

    def rows(self, name: Any, path: str) -> Rows:
        """A file of rows, beside the plan file."""
        if self.folder is None:
            raise PlanError(path, "a plan from elsewhere names no files", "write the values into the plan")
        if not isinstance(name, str):
            raise PlanError(path, f"the name of a file is a text, not {name!r}")
        try:
            return Rows(self.folder / name)
        except PlanError as error:
            where = error.path.removeprefix(str(self.folder / name))
            raise PlanError(path, f"{name}{where}: {error.message}", error.hint) from error


def keys(data: Any, known: Sequence[str], path: str) -> Mapping[str, Any]:
    """The same data, as a mapping of known words. Raises PlanError for another one."""
    if data is None:
        raise PlanError(path, "is empty", f"it holds words such as {', '.join(known[:4])}")
    if not isinstance(data, Mapping):
        raise PlanError(path, f"is a mapping of words to values, not {type(data).__name__}")
    for key in data:
        if key not in known:
            raise PlanError(f"{path}.{key}" if path != "plan" else str(key), "is not a word of a plan", choices(str(key), known))
    return data


def choices(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]!r}?" if close else "there is " + (", ".join(known) or "none")


def mapping(value: Any, path: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanError(path, f"is a mapping, not {type(value).__name__}")
    return value


def listed(value: Any, path: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PlanError(path, f"is a list, not {type(value).__name__}")
    return value


def names(value: Any, path: str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, listed(value, path)))


def whole(value: Any, path: str, least: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        raise PlanError(path, f"a whole number{'' if least is None else f' from {least}'} is needed, not {value!r}")
    return value


def number(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlanError(path, f"a number is needed, not {value!r}")
    return value


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise PlanError(path, f"a text is needed, not {value!r}")
    return value
