"""A method: how the loop goes, as a file. Methods are compared by naming another one in the same recipe.

Lies in `recipes/methods/NAME.yaml`, or in `methods/NAME.yaml` beside the recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from engine.bounds import Count
from engine.errors import Location
from engine.spec.named_files import NOTHING_FURTHER, Further, chosen, passed_file, read_named
from engine.spec.package_data import shipped
from engine.spec.parts import NamedSpec, Spec
from engine.spec.recipe.loop import MOST_ROUNDS

FOLDER = "methods"
Planning = Literal["labels", "rows", "wrong rows"]
"""What rows of no pattern are planned along: labels, all training rows, or those that the student gets wrong."""
_Most = Annotated[Count, Field(ge=1)]
_Rounds = Annotated[
    int,
    Field(le=MOST_ROUNDS),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_ROUNDS}),
]


class MethodOverrides(Spec):
    """Keys of a recipe that a method decides, written as in a recipe: they are laid over what the recipe says."""

    augment: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe's `augment`."""
    quality: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe's `quality`."""
    train: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe's `train`."""
    loop: dict[str, Any] = Field(default_factory=dict)
    """Keys of the recipe's `loop`, but for `method` and `rounds`."""

    @field_validator("loop")
    @classmethod
    def _method_is_itself(cls, loop: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(loop.keys() & {"method", "rounds"}):
            raise ValueError(f"a method has its own key for {' and '.join(taken)}")
        return loop


class Method(NamedSpec):
    """How the loop goes: what rows are written against, what is kept, where fine-tunes start, when it ends."""

    method: Literal[1]
    """Format version of this file: 1."""
    description: str
    """What the method does, in one sentence."""
    source: str = ""
    """The paper or page that it comes from."""
    failures: Literal["validation", "train", "none"]
    """Which rows the student is tried on: what it fails at is what rows are written against; none: nothing is looked
    at.

    A recipe's `failures.source` names other failures.
    """
    analysis: Literal["patterns", "none"]
    """What is made of failures. patterns: failures are diagnosed, clustered, named, and a strategy is drafted for each
    pattern. none: not so."""
    along: Literal["labels", "rows"] = "labels"
    """Without an analysis, what rows are planned along. labels: as many for every label, or along the training rows at
    large where targets are no labels. rows: as many from every training row; with `failures: train` from every one that
    the student gets wrong.
    """
    each: _Most | None = None
    """Rows at most that a round writes from one training row, `along: rows`; as many as the round has when left out."""
    seeds: Literal["errors_first", "in_turn"] = "errors_first"
    """Which training rows operators start from: those that the student gets wrong first, or each label in turn."""
    keep: Literal["all", "latest"] = "all"
    """Whose generated rows a fine-tune sees: those of all rounds before it, or of the last one alone."""
    start: Literal["base"] = "base"
    """Weights that each fine-tune starts from: those of the base model."""
    rounds: Literal["recipe"] | _Rounds = "recipe"
    """Rounds after round 0. recipe: `loop.rounds`, or fewer by `loop.stop`; a number: so many, whatever the recipe
    says."""
    overrides: MethodOverrides = Field(default_factory=MethodOverrides)
    """What it decides of the recipe besides, whatever that says."""

    @field_validator("analysis")
    @classmethod
    def _patterns_are_of_failures(cls, analysis: str, info: ValidationInfo) -> str:
        failures = info.data.get("failures", analysis)
        if analysis == "patterns" and failures == "none":
            raise ValueError(
                "patterns are found among failures, so analysis: patterns does not go with failures: none"
            )
        if analysis == "none" and failures == "validation":
            raise ValueError(
                "a validation row is not a training row to write from, so analysis: none does not go with "
                "failures: validation"
            )
        return analysis

    @field_validator("along")
    @classmethod
    def _rows_without_analysis(cls, along: str, info: ValidationInfo) -> str:
        if along == "rows" and info.data.get("analysis") == "patterns":
            raise ValueError(
                "with analysis: patterns rows are planned by patterns, so along: rows does not go with it"
            )
        return along

    @model_validator(mode="after")
    def _failures_and_rows_agree(self) -> Method:
        if self.analysis == "none" and self.failures == "train" and self.along == "labels":
            raise ValueError("failures of training rows that are not analysed are for along: rows")
        return self

    @field_validator("each")
    @classmethod
    def _each_of_rows(cls, each: int | None, info: ValidationInfo) -> int | None:
        if each is not None and info.data.get("along", "rows") == "labels":
            raise ValueError("it is how many rows one training row gives, which is for along: rows")
        return each

    @field_validator("rounds")
    @classmethod
    def _not_negative(cls, rounds: int | str) -> int | str:
        if isinstance(rounds, int) and rounds < 0:
            raise ValueError("must be 0 or more")
        return rounds

    @property
    def plans(self) -> Planning:
        """What rows against no pattern are planned along: labels, all training rows, or those that fail."""
        if self.along == "labels":
            return "labels"
        return "wrong rows" if self.failures == "train" else "rows"

    def rounds_of(self, recipe_rounds: int) -> int:
        """Return the rounds after round 0 that a recipe with `recipe_rounds` has at most."""
        return recipe_rounds if self.rounds == "recipe" else self.rounds


def find_methods(base: Path | None = None, more: Further = NOTHING_FURTHER) -> dict[str, Path]:
    """Return name -> file of the available methods: those of a recipe in folder `base`, and the engine's own."""
    own = [*reversed(more.folders), *([base] if base else [])]
    folders = [shipped("recipes") / FOLDER, *(folder / FOLDER for folder in own)]
    files = [file for folder in folders for file in sorted(folder.glob("*.yaml"))]
    found = {file.stem: file for file in files} | dict(more.methods)
    return {name: passed_file(file, base, "method") for name, file in found.items()}


def load_method(
    name: str, base: Path | None, where: Location, more: Further = NOTHING_FURTHER
) -> Method:
    """Read a method by name.

    Args:
        name: As `loop.method` has it.
        base: The recipe's folder.
        where: Where the recipe names it.
        more: Where it may be besides.

    Raises:
        RecipeError: there is none of that name, or its file is wrong.
    """
    return read_method(chosen("method", name, find_methods(base, more), where))


def read_method(file: Path) -> Method:
    """Read the method in a file; raises RecipeError with every problem found."""
    return read_named("method", file, Method, file)
