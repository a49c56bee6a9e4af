"""What the fields of models mean, for schemas and messages: the docstrings below them, read where somebody asks.

Pydantic can take them up itself (`use_attribute_docstrings`), by finding and cutting the source of each model when it
is defined: a fifth of what importing all models of the engine takes, at every start of the command line.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel


@cache
def descriptions(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what fields of a model mean, by their names, as its code says below them.

    A field is described where it is declared last: by the model itself or the first of its bases that has it. Nothing
    is said of the fields of models whose source is not there, such as one that is made while the engine runs.
    """
    found: dict[str, str] = {}
    seen: set[str] = set()
    for base in model.__mro__:
        own = inspect.get_annotations(base)
        if not issubclass(base, BaseModel) or base is BaseModel:
            continue
        docs = _below(base) if own.keys() - seen else {}
        found |= {name: docs[name] for name in own if name not in seen and name in docs}
        seen.update(own)
    return found


def meaning(model: type[BaseModel], name: str) -> str:
    """Return what a field means: as it says itself, else as stands below it; empty where nothing does."""
    field = model.model_fields.get(name)
    said = field.description if field is not None else None
    return said if said is not None else descriptions(model).get(name, "")


def _below(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts that stand below the fields that a model declares itself."""
    node = _classes(model.__module__).get(model.__qualname__)
    if node is None:
        return {}
    found: dict[str, str] = {}
    for statement, after in zip(node.body, node.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = after.value.value
            if isinstance(text, str):
                found[statement.target.id] = inspect.cleandoc(text)
    return found


@cache
def _classes(module: str) -> Mapping[str, ast.ClassDef]:
    """Return the classes of a module, by their names; those of a class within are called `Outer.Inner`."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or not file.endswith(".py"):
        return {}
    try:
        tree = ast.parse(Path(file).read_text("utf-8"))
    except OSError:  # a program packed without its source
        return {}
    found: dict[str, ast.ClassDef] = {}
    waiting: list[tuple[str, ast.stmt]] = [("", statement) for statement in tree.body]
    while waiting:
        before, statement = waiting.pop()
        if isinstance(statement, ast.ClassDef):
            found[before + statement.name] = statement
            waiting += [(f"{before}{statement.name}.", inner) for inner in statement.body]
    return found
