"""YAML as people mean it, and nothing that a plan does not need: no tags, few aliases, no key twice.

Plain words are read as YAML 1.2 does: `no` and `on` are words, `12:30` and dates are texts, `1e3` is a number. A number that
begins with a zero is a text: somebody's code, most likely.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from fanfold.spec.errors import PlanError

ALIASES = 100
MOST_NODES = 200_000  # once every alias stands for what it names

_PLAIN = (
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9_]{0,300})|0x[0-9a-fA-F]{1,16}", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"[-+]?(?:0|[1-9][0-9_]*|(?=\.))(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|[-+]?\.inf|\.nan", list("-+0123456789.")),
    ("tag:yaml.org,2002:merge", r"<<", ["<"]),
)  # fmt: skip


def loader(name: str) -> type[yaml.SafeLoader]:
    """A loader for one text. name: of the file, for messages. It raises PlanError and yaml.YAMLError."""

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - what PyYAML's own classes have

        def __init__(self, stream: Any) -> None:
            super().__init__(stream)
            self.aliases = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                self.aliases += 1
                if self.aliases > ALIASES:
                    raise PlanError(name, f"has more than {ALIASES} aliases", "write out what they stand for")
            return super().compose_node(parent, index)

        def compose_document(self) -> Any:
            node = super().compose_document()
            if self.aliases and _size(node, {}, set(), name) > MOST_NODES:
                raise PlanError(name, f"its aliases stand for more than {MOST_NODES:,} values", "write less")
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, str | int) and key in seen:
                    raise PlanError(f"{name}:{key_node.start_mark.line + 1}", f"{key!r} is given twice", "give it once")
                if isinstance(key, str | int):
                    seen.add(key)
            return super().construct_mapping(node, deep=deep)

    for tag, pattern, first in _PLAIN:
        Loader.add_implicit_resolver(tag, re.compile(rf"^(?:{pattern})$"), first)
    Loader.add_constructor("tag:yaml.org,2002:int", _whole)
    Loader.add_constructor("tag:yaml.org,2002:float", _number)
    return Loader


def _whole(loader: yaml.SafeLoader, node: Any) -> int:
    return int(str(loader.construct_scalar(node)).replace("_", ""), 0)


def _number(loader: yaml.SafeLoader, node: Any) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _size(node: Any, known: dict[int, int], open_nodes: set[int], name: str) -> int:
    """Values below a node, those behind aliases counted each time. Raises PlanError for one that holds itself."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in open_nodes:
        raise PlanError(f"{name}:{node.start_mark.line + 1}", "holds itself", "an alias names something else")
    open_nodes.add(id(node))
    size = 1
    if isinstance(node, yaml.MappingNode):
        size += sum(_size(part, known, open_nodes, name) for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        size += sum(_size(part, known, open_nodes, name) for part in node.value)
    open_nodes.discard(id(node))
    known[id(node)] = size
    return size
