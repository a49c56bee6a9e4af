"""`pada list operators`: those of the engine, and of a recipe those beside it and in the folders that it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.operators import Operator, find_operators
from engine.operators.definition import Label
from engine.registry import Registry
from engine.spec.loader import load

LABELS: Mapping[Label, str] = {
    "keep": "that of the row it is made from",
    "change": "another than that of the row it is made from",
    "given": "one that the plan asks for",
    "written": "one that it brings itself",
}
"""What an operator's rows have for a label, in words."""


def operators_of(recipe: str | None) -> tuple[Registry[Operator], Path | None]:
    """Return the operators in a recipe's reach, and its folder; raises RecipeError."""
    if recipe is None:
        return find_operators(None), None
    loaded = load(recipe)
    return find_operators(
        loaded.base, loaded.recipe.augment.operator_folders, loaded.further
    ), loaded.base


def place_of(operator: Operator, base: Path | None) -> str:
    """Return where an operator comes from, in words."""
    if not operator.own or base is None:
        return "the engine"
    if operator.folder.is_relative_to(base):
        return f"{operator.folder.relative_to(base).as_posix()}/ of the recipe"
    return operator.folder.as_posix()


def operator_lines(recipe: str | None) -> list[tuple[str, str]]:
    """Return each operator's name, with what it does and where it comes from; raises RecipeError."""
    operators, base = operators_of(recipe)
    return [(name, _told(operators[name], base)) for name in sorted(operators)]


def _told(operator: Operator, base: Path | None) -> str:
    by = "" if operator.make is None else ", no model"
    place = place_of(operator, base)
    return f"{operator.description} (label: {operator.label}, {LABELS[operator.label]}{by}; from {place})"
