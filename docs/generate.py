"""Write `docs/states.md`, `docs/rooms.md` and `docs/plan.schema.json` from the code. `python docs/generate.py`; a test says when they are stale."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

from fanfold.core.states import TRANSITIONS
from fanfold.planfile.schema import written

ROOT = Path(__file__).parent.parent


def states() -> str:
    """The life of a cell, from the table that the conductor moves along."""
    lines = [
        "# The life of a cell",
        "",
        "Made from `fanfold/core/states.py` by `docs/generate.py`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
    ]
    lines += [f"    {before} --> {after}: {fact.replace(':', ',')}" for before, fact, after in TRANSITIONS]
    lines += ["```", "", "| state | fact | next |", "|---|---|---|"]
    lines += [f"| {before} | {fact} | {after} |" for before, fact, after in TRANSITIONS]
    lines += [
        "",
        "Cancel, budget and deadline end any state that is not terminal. A terminal state never changes; a failed cell that has a",
    ]
    lines += ["fallback has not ended yet.", ""]
    return "\n".join(lines)


def rooms() -> str:
    """Who really imports whom, from the syntax trees, beside the contracts that `make check` holds."""
    imports: dict[str, set[str]] = {}
    for path in sorted((ROOT / "fanfold").rglob("*.py")):
        room = path.relative_to(ROOT / "fanfold").parts[0].removesuffix(".py")
        found = imports.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            found |= {name.split(".")[1] for name in names if name.startswith("fanfold.")}
            found |= {"fanfold, the front door" for name in names if name == "fanfold" and room == "apps"}
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    lines = ["# The rooms", "", "Made from the code by `docs/generate.py`.", "", "| room | imports |", "|---|---|"]
    lines += [
        f"| `{room}` | {' '.join(f'`{name}`' for name in sorted(found - {room})) or 'nothing of ours'} |"
        for room, found in imports.items()
    ]
    lines += ["", "Held by `make check`:", "", *(f"- {contract['name']}" for contract in contracts), ""]
    return "\n".join(lines)


PAGES = {"states.md": states, "rooms.md": rooms, "plan.schema.json": written}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), "utf-8")
