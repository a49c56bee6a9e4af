"""A method: how the loop goes, as a file. Methods are compared by naming another one in the same recipe.

Lies in `recipes/methods/NAME.yaml`, or in `methods/NAME.yaml` beside the recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, WithJsonSchema, field_validator

from engine.errors import Location, Problem, RecipeError
from engine.registry import did_you_mean
from engine.spec.error_messages import problems_of
from engine.spec.package_data import shipped
from engine.spec.parts import Name, Spec
from engine.spec.yaml import decode, parse

FOLDER = "methods"
_Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]


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
    """patterns: failures are diagnosed, clustered, named, and a strategy is drafted for each pattern.

    none: rows, if there are rounds, are new ones for every label alike, or else along the training rows at large.
    """
    seeds: Literal["errors_first", "in_turn"] = "errors_first"
    """Which training rows operators start from: those that the student gets wrong first, or each label in turn."""
    keep: Literal["all", "latest"] = "all"
    """Whose generated rows a fine-tune sees: those of all rounds before it, or of the last one alone."""
    start: Literal["base"] = "base"
    """Weights that each fine-tune starts from: those of the base model."""
    rounds: Literal["recipe"] | _Count = "recipe"
    """recipe: `loop.rounds`, or fewer by `loop.stop`; a number: so many, whatever the recipe says."""
    train: MethodTraining = Field(default_factory=MethodTraining)

    @field_validator("analysis")
    @classmethod
    def _failures_make_patterns(cls, analysis: str, info: ValidationInfo) -> str:
        failures = info.data.get("failures", analysis)
        if (failures == "none") != (analysis == "none"):
            raise ValueError(
                f"patterns are found among failures, so analysis: {analysis} does not go with failures: {failures}"
            )
        return analysis

    @field_validator("rounds")
    @classmethod
    def _not_negative(cls, rounds: int | str) -> int | str:
        if isinstance(rounds, int) and rounds < 0:
            raise ValueError("must be 0 or more")
        return rounds

    def rounds_of(self, recipe_rounds: int) -> int:
        """Return the rounds after round 0 that a recipe with `recipe_rounds` has at most."""
        return recipe_rounds if self.rounds == "recipe" else self.rounds


def find_methods(base: Path | None = None) -> dict[str, Path]:
    """Return name -> file of the available methods: those beside a recipe in folder `base`, and the engine's own."""
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
    document = parse(decode(raw, file), file, "method: 1")
    try:
        method = Method.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, Method)) from None
    if method.name != file.stem:
        message = f"the method in {file.name} is called '{method.name}'"
        hint = f"write name: {file.stem}, or rename the file"
        raise RecipeError([Problem(document.at(("name",)), message, hint, code="method")])
    return method
