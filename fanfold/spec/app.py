"""What an application tells the doors about itself. Found by entry point (`fanfold.apps`), never imported by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanfold.spec.plan import Plan

Json = dict[str, Any]


@dataclass(frozen=True)
class App:
    """An application: its parameters are its command's options and its HTTP body.

    params: a Pydantic model; field titles, descriptions, defaults and constraints become options with help.
    plan: parameters -> Plan; a wrong parameter raises PlanError whose path is the parameter's name.
    content: (parameters, result) -> the application's own part of the result JSON (errors and report are added by the door).
    markdown: the whole result JSON -> text for people. rows: the whole result JSON -> one flat row per item, for CSV and JSONL.
    documents: further formats, by name, which is the ending of their files too: the whole result JSON -> the file's text.
    config: what a config file says in the application's own words -> the same with the names of its parameters and of common options.
    It raises PlanError whose path is a word's place in the file. None: those names are the only ones.
    arguments: names of parameters that are words of the command line, not options, in this order; those may be left out all the same.
    bench: the sizes that `fanfold bench` measures, each as parameters that are not the defaults; none: the defaults alone.
    """

    name: str
    summary: str
    params: type[Any]
    plan: Callable[[Any], Plan]
    content: Callable[[Any, Any], Json]
    markdown: Callable[[Json], str]
    rows: Callable[[Json], list[Json]]
    documents: Mapping[str, Callable[[Json], str]] = field(default_factory=dict)
    bench: Sequence[Json] = ()
    config: Callable[[Json], Json] | None = None
    arguments: Sequence[str] = ()
