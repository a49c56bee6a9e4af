"""What mends a problem of a recipe without anything to decide: a change of its text, in words and as edits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from engine.authoring.editing import Edit
from engine.authoring.positions import name_of, read_name
from engine.errors import Problem
from engine.spec.error_messages import AS_NUMBER, AS_TEXT, value_at
from engine.spec.reference.unknown import renamed
from engine.spec.yaml import Document, KeyPath

_MEANT = re.compile(r"did you mean '([^']+)'\?")
_HERE = re.compile(r"write `([^`:]+): …` here")
_UNDER = re.compile(r"it stands [^;]*; write it under `([\w.]+):`")
_LIST = "write a list: ["


@dataclass(frozen=True, slots=True)
class Fix:
    """What can be done about a problem with one click."""

    label: str
    """What is done, in words."""
    edits: tuple[Edit, ...]


def fix_of(problem: Problem, path: KeyPath | None, text: str, document: Document) -> Fix | None:
    """Return what mends a problem; None where somebody must decide.

    Args:
        problem: What is wrong.
        path: The key that it is about.
        text: The recipe's text.
        document: The same, read.
    """
    if path is None:
        return None
    value = value_at(document.data, path)
    if problem.code == "unknown-key":
        return _key(problem.hint, path, value, document)
    if problem.code == "missing":
        is_format = path == ("recipe",) and "recipe" not in document.data
        return Fix("write `recipe: 1`", (Edit(path, "set", 1),)) if is_format else None
    if problem.hint == AS_NUMBER and isinstance(value, str):
        return Fix("take the quotes away", (Edit(path, "write", value),))
    if problem.hint == AS_TEXT and isinstance(value, bool | int | float):
        return Fix("put quotes around it", (Edit(path, "set", _written(text, path)),))
    if problem.hint.startswith(_LIST) and isinstance(value, str):
        return Fix("make a list of it", (Edit(path, "set", [value]),))
    meant = _MEANT.match(problem.hint)
    if meant and isinstance(value, str) and f"'{value}'" in problem.message:
        return Fix(f"write {meant[1]}", (Edit(path, "set", meant[1]),))
    return None


def _key(hint: str, path: KeyPath, value: Any, document: Document) -> Fix | None:
    """Return what mends a key that is not known: another name, another place, or none."""
    if found := _MEANT.match(hint) or _HERE.match(hint):
        if value_at(document.data, (*path[:-1], found[1])) is not None:
            return None
        return Fix(f"rename it to {found[1]}", (Edit(path, "rename", found[1]),))
    if hint.startswith("remove it"):
        return Fix("take it out", (Edit(path, "remove"),))
    to = _moved_to(hint, path)
    if to is None or value_at(document.data, to) is not None:
        return None
    return Fix(f"move it to {name_of(to)}", (Edit(to, "set", value), Edit(path, "remove")))


def _moved_to(hint: str, path: KeyPath) -> KeyPath | None:
    """Return where a key belongs with its value as it is; None where that is not said."""
    if any(isinstance(part, int) for part in path):
        return None
    name = str(path[-1])
    if found := _UNDER.fullmatch(hint):
        return (*read_name(found[1]), name)
    table = renamed("recipe")
    entry = table.get(name_of(path)) or table.get(name) or {}
    if hint.startswith("write ") and "write" in entry and not {"as", "why"} & set(entry):
        return read_name(entry["write"])
    return None


def _written(text: str, path: KeyPath) -> str:
    """Return a scalar letter by letter."""
    node = yaml.compose(text, Loader=yaml.BaseLoader)
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
    assert isinstance(node, yaml.ScalarNode)
    return str(node.value)
