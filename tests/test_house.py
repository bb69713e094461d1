"""The structure is a test: what `core` may touch, how light the front door is, what the words allow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fanfold
from fanfold.core.states import NEXT, TERMINAL, TRANSITIONS, State

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "fanfold"
IMPURE = {
    "asyncio", "concurrent", "datetime", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "socket",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "uuid", "warnings",
}  # fmt: skip
ALLOWED_IN_CORE = {"fanfold.spec", "fanfold.core", "msgspec", "rapidfuzz"}


def modules(room: str) -> list[Path]:
    found = sorted((SOURCE / room).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", [*modules("core"), *modules("spec")], ids=lambda path: path.stem)
def test_core_and_spec_are_pure(path):
    for name in imported(path):
        top = name.split(".")[0]
        assert top not in IMPURE, f"{path.name} imports {name}"
        if top not in sys.stdlib_module_names:
            assert any(name == room or name.startswith(room + ".") for room in ALLOWED_IN_CORE), f"{path.name} imports {name}"
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await) or path.parent.name == "spec", (
            f"{path.name} is asynchronous"
        )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("hash", "id", "open", "print", "input", "eval", "exec"), f"{path.name}: {node.func.id}()"


def test_importing_fanfold_is_light():
    """Nothing heavy is loaded before it is used. (How long it takes is measured in bench.)"""
    code = "import fanfold, fanfold.spec.plan, sys; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"pydantic", "aiohttp", "rich", "typer", "sqlite3", "asyncio", "json_repair", "yaml"}
    assert not heavy & set(loaded)


def test_every_public_name_is_there():
    for name in fanfold.__all__:
        assert getattr(fanfold, name) is not None
    with pytest.raises(AttributeError):
        _ = fanfold.nothing


def test_the_table_of_states_is_whole():
    reached = {after for _, _, after in TRANSITIONS} | {State.WAITING}
    assert set(State) - reached == {State.CANCELLED}
    assert all(State.CANCELLED in NEXT[state] for state in State)
    for state in TERMINAL - {State.FAILED}:
        assert NEXT[state] == {State.CANCELLED}, "nothing follows a terminal state (cancelled is never entered from one)"


FORBIDDEN = {
    "pickle": r"^\s*(import|from) pickle\b",
    "eval": r"(?<![\w.])eval\(",
    "exec": r"(?<![\w.])exec\(",
    "shell": r"shell=True",
    "swallowed": r"except (Base)?Exception:\s*\n\s*pass",
    "left open": r"\b(TODO|FIXME|XXX)\b|raise NotImplementedError",
}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_room_does_what_none_may_do(path):
    text = path.read_text()
    for what, pattern in FORBIDDEN.items():
        assert not re.search(pattern, text, re.MULTILINE), f"{path}: {what}"
