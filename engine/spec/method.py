"""A method: how the loop goes, as a file. Methods are compared by naming another one in the same recipe.

Lies in `recipes/methods/NAME.yaml`, or in `methods/NAME.yaml` beside the recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.package_data import shipped
from engine.spec.parts import Name, Spec
from engine.spec.yaml import decode, parse

FOLDER = "methods"


class MethodTraining(Spec):
    """What a method decides of training, whatever the recipe says."""

    checkpoint: Literal["last", "best"] | None = None
    """best: each fine-tune is taken at its lowest loss on validation completions."""


class Method(Spec):
    """How the loop goes: what rows are written against, what is kept, where fine-tunes start, when it ends."""

    method: Literal[1]
    """Format version."""
    name: Name
    """The file's own name."""
    description: str
    """One sentence."""
    source: str = ""
    """The paper or page that it comes from."""
    failures: Literal["validation", "none"]
    """validation: what the student fails at there is what rows are written against; none: nothing is looked at."""
    analysis: Literal["patterns", "none"]
    """patterns: failures are diagnosed, clustered, named, and a strategy is drafted for each pattern."""
    seeds: Literal["errors_first", "in_turn"] = "errors_first"
    """Which training rows operators start from: those that the student gets wrong first, or each label in turn."""
    keep: Literal["all", "latest"] = "all"
    """Whose generated rows a fine-tune sees: those of all rounds before it, or of the last one alone."""
    start: Literal["base"] = "base"
    """Weights that each fine-tune starts from: those of the base model."""
    rounds: Literal["recipe"] | int = "recipe"
    """recipe: `loop.rounds`, or fewer by `loop.stop`; a number: so many, whatever the recipe says."""
    train: MethodTraining = Field(default_factory=MethodTraining)

    @model_validator(mode="after")
    def _rows_need_patterns(self) -> Method:
        if (self.failures == "none") != (self.analysis == "none"):
            raise ValueError("failures and analysis go together: patterns are found among failures")
        if self.analysis == "none" and self.rounds != 0:
            raise ValueError("without analysis there is nothing to write rows against: rounds: 0")
        if isinstance(self.rounds, int) and self.rounds < 0:
            raise ValueError("rounds cannot be negative")
        return self

    def rounds_of(self, recipe_rounds: int) -> int:
        """Return the rounds after round 0 that a recipe with `recipe_rounds` has at most."""
        return recipe_rounds if self.rounds == "recipe" else self.rounds


def find_methods(base: Path | None = None) -> dict[str, Path]:
    """Return name -> file of the methods at hand: those beside a recipe in the folder `base`, and the engine's own."""
    folders = [shipped("recipes") / FOLDER, *([base / FOLDER] if base else [])]
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def load_method(name: str, base: Path | None, where: Location) -> Method:
    """Read a method by name.

    Args:
        name: As `loop.method` has it.
        base: The recipe's folder.
        where: Where the recipe names it.

    Raises:
        RecipeError: there is none of that name, or its file is wrong.
    """
    methods = find_methods(base)
    if name not in methods:
        hint = did_you_mean(name, methods)
        message = f"loop.method: there is no method '{name}'"
        raise RecipeError([Problem(where, message, hint, code="unknown-method")])
    return read_method(methods[name])


def read_method(file: Path) -> Method:
    """Read the method in a file; raises RecipeError with every problem found."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        message = f"this file cannot be read: {error.strerror}"
        raise RecipeError([Problem(Location.at(file), message, code="method")]) from error
    document = parse(decode(raw, file), file)
    try:
        method = Method.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, Method)) from None
    if method.name != file.stem:
        message = f"the method in {file.name} is called '{method.name}'"
        hint = f"write name: {file.stem}, or rename the file"
        raise RecipeError([Problem(document.at(("name",)), message, hint, code="method")])
    return method
