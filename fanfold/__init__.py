"""Fanfold: fill many typed answers with model calls at once, all distinct, all checked, nothing lost, nothing paid twice.

The public names. They are found when first used, so that `import fanfold` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanfold.api import Engine, Result, Run, RunCell, agenerate, generate
    from fanfold.evidence import METRICS, Evidence, read_evidence, read_object
    from fanfold.files import Rows
    from fanfold.spec.app import App
    from fanfold.spec.errors import CellError, Code, FanfoldError, PlanError, RunFailed, StoreError
    from fanfold.spec.plan import Axis, Candidates, Cell, Facets, Judge, Limits, Markdown, Plan, Step, Unique

__version__ = "0.1.0"

_HOME = {
    "fanfold.api": ("Engine", "Result", "Run", "RunCell", "agenerate", "generate"),
    "fanfold.evidence": ("METRICS", "Evidence", "read_evidence", "read_object"),
    "fanfold.files": ("Rows",),
    "fanfold.spec.app": ("App",),
    "fanfold.spec.errors": ("CellError", "Code", "FanfoldError", "PlanError", "RunFailed", "StoreError"),
    "fanfold.spec.plan": ("Axis", "Candidates", "Cell", "Facets", "Judge", "Limits", "Markdown", "Plan", "Step", "Unique"),
}
_WHERE = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "generate", "agenerate", "Engine", "Run", "RunCell", "Result",
    "Plan", "Step", "Axis", "Unique", "Facets", "Candidates", "Judge", "Limits", "Markdown", "Cell", "App", "Rows",
    "Evidence", "read_evidence", "read_object", "METRICS",
    "FanfoldError", "PlanError", "StoreError", "RunFailed", "CellError", "Code",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'fanfold' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
