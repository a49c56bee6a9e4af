"""A method: how the loop goes, as a file. Methods are compared by naming another one in the same recipe.

Lies in `recipes/methods/NAME.yaml`, or in `methods/NAME.yaml` beside the recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator

from engine.errors import Location
from engine.spec.named_files import chosen, read_named
from engine.spec.package_data import shipped
from engine.spec.parts import NamedSpec, Spec

FOLDER = "methods"
_Count = Annotated[int, WithJsonSchema({"type": "integer", "minimum": 0})]


class MethodTraining(Spec):
    """What a method decides of training, whatever the recipe says."""

    checkpoint: Literal["last", "best"] | None = None
    """best: each fine-tune is taken at its lowest loss on validation completions."""


class Method(NamedSpec):
    """How the loop goes: what rows are written against, what is kept, where fine-tunes start, when it ends."""

    method: Literal[1]
    """Format version."""
    description: str
    """One sentence."""
    source: str = ""
    """The paper or page that it comes from."""
    failures: Literal["validation", "train", "none"]
    """What the student fails at there is what rows are written against; none: nothing is looked at.

    A recipe's `failures.source` names other failures.
    """
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
    return read_method(chosen("method", name, find_methods(base), where))


def read_method(file: Path) -> Method:
    """Read the method in a file; raises RecipeError with every problem found."""
    return read_named("method", file, Method, file)
