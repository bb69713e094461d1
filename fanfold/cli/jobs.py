"""What a command wants done: an application with its parameters, or a plan file; anew, or as a run's record says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from fanfold.spec.errors import PlanError

if TYPE_CHECKING:
    from fanfold.result import Result
    from fanfold.spec.app import App
    from fanfold.spec.plan import Plan

APPS = "fanfold.apps"  # the group of entry points


@dataclass(frozen=True)
class Job:
    """content, rows, markdown: how its result is shown; documents: its further formats, by name.

    cached: whether earlier answers are taken unless something else is said. tabular: its rows are those of the run, one a cell.
    """

    name: str
    plan: Plan
    about: dict[str, Any]
    content: Callable[[Result], dict[str, Any]]
    rows: Callable[[Result, dict[str, Any]], Iterable[dict[str, Any]]]
    markdown: Callable[[Result, dict[str, Any]], str]
    documents: Mapping[str, Callable[[dict[str, Any]], str]] = field(default_factory=dict)
    cached: bool = False
    tabular: bool = False


def app_job(application: App, params: Any, plan: Plan) -> Job:
    return Job(
        application.name,
        plan,
        {"app": application.name, "params": params.model_dump(mode="json")},
        content=lambda result: application.content(params, result),
        rows=lambda result, data: application.rows(data),
        markdown=lambda result, data: application.markdown(data),
        documents=application.documents,
    )


OVERRULING = ("model", "timeout", "max_concurrent", "sequential")
"""Options of the command line that win over what stands in a plan file; a run remembers them."""


def overruling(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in OVERRULING if given.get(name) is not None}


def file_job(plan: Plan, path: str, settings: list[str], over: Mapping[str, Any] = MappingProxyType({})) -> Job:
    """over: options that won over the file."""
    from fanfold.files import read_text
    from fanfold.views.exports import to_markdown

    return Job(
        plan.name or Path(path).stem,
        plan,
        {"file": str(Path(path).resolve()), "text": read_text(path), "set": settings, "over": dict(over)},
        content=lambda result: {"values": result.to_json()["values"]},
        rows=lambda result, data: result.rows(),
        markdown=lambda result, data: "".join(to_markdown(readable(data))),
        cached=True,
        tabular=True,
    )


def job_of(about: Mapping[str, Any]) -> Job | None:
    """The job that a run's record tells of; None where the run was begun from Python. Raises PlanError where it cannot be had any more."""
    if "app" in about:
        application = _application(about["app"])
        params = application.params(**about["params"])
        return app_job(application, params, application.plan(params))
    if "file" not in about:
        return None
    from fanfold.planfile import load_plan, overruled, plan_from

    path, given, over = Path(about["file"]), pairs(about.get("set") or []), about.get("over") or {}
    if path.exists():
        return file_job(overruled(load_plan(path, given), over), str(path), list(about.get("set") or []), over)
    from fanfold.files import parse_yaml

    plan = overruled(plan_from(parse_yaml(about.get("text", ""), str(path)), given, path.parent), over)
    job = Job(
        plan.name, plan, dict(about), content=lambda result: {"values": result.to_json()["values"]},
        rows=lambda result, data: result.rows(), markdown=lambda result, data: "".join(_markdown(data)),
        tabular=True,
    )  # fmt: skip
    return job


def _markdown(data: dict[str, Any]) -> Iterable[str]:
    from fanfold.views.exports import to_markdown

    return to_markdown(readable(data))


def _application(name: str) -> App:
    for point in entry_points(group=APPS, name=name):
        application: App = point.load()
        return application
    raise PlanError("run", f"it is one of the application {name!r}, which is not installed", "install it, or see `runs export`")


def readable(data: dict[str, Any]) -> dict[str, Any]:
    """Any plan's result for people: each step's values with their coordinates."""
    shown: dict[str, Any] = {}
    for step, cells in data["values"].items():
        if len(cells) == 1 and not cells[0]["at"]:
            shown[step] = cells[0]["value"]
        else:
            shown[step] = [{**cell["at"], **_fields(cell["value"])} for cell in cells]
    return shown


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"value": value}


def pairs(settings: list[str]) -> dict[str, str]:
    """["days=3"] as {"days": "3"}. Raises PlanError."""
    found: dict[str, str] = {}
    for pair in settings:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise PlanError("--set", f"{pair!r} is not name=value")
        if name.strip() in found:
            raise PlanError("--set", f"{name.strip()!r} is given twice", "give it once")
        found[name.strip()] = value
    return found
