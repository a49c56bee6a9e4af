"""The loop and budget blocks of a recipe: how often, until when, and at what price at most."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine.bounds import Count
from engine.spec.parts import Name, Spec

MOST_ROUNDS = 100
MOST_TOKENS = 10**15


class Stop(Spec):
    """When the loop ends early, always measured on validation."""

    metric: str = Field(default="", min_length=1)
    """What a gain is measured by: one of the recipe's metrics; accuracy, or else the first, when left out."""
    min_gain: float | None = None
    """A round must beat the best so far by more than this; by one standard error of the difference when left out."""
    patience: Count = Field(default=1, ge=1)
    """Rounds without a gain that are tolerated before stopping."""


class Loop(Spec):
    """How the loop runs: round 0 is the plain fine-tune, or the student as it came; then `rounds` augmented ones."""

    method: Name = "pada"
    """How the loop runs (`pada list methods`): `pada`, `vanilla`, or a file `methods/NAME.yaml` beside the recipe."""
    rounds: int = Field(default=1, ge=0, le=MOST_ROUNDS)
    """Most augmented rounds after round 0. With `train: {method: none}` 0 measures, and 1 makes rows as well."""
    stop: Stop = Stop()
    control: bool = True
    """Fine-tune once more per seed on the original rows alone, with another training seed: what is mended there too
    is chance, and no pattern gets credit for it. Without it no pattern gets a number."""
    regressions: Literal["accept", "warn", "roll_back"] = "warn"
    """What follows where a round breaks more of what round 0 had right than the control does, beyond chance, or a
    pattern gets worse: nothing; a warning, in the decision too; or the round does not count whatever its score, and
    the loop goes on from the best one before it, without the rows that came since."""
    divide_validation: bool | Literal["auto"] = "auto"
    """Whether one half of validation finds patterns and the other stops and chooses; auto: from 300 rows on."""


class Budget(Spec):
    """A run stops cleanly before it passes any of these, keeps what is done, and goes on when one is raised."""

    calls: Count | None = Field(default=None, ge=1)
    """LLM calls of this recipe, over all its runs."""
    tokens: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    """Prompt and completion tokens of these calls."""
    money: float | None = Field(default=None, gt=0)
    """What these calls may cost, in the currency of the models' prices."""
    minutes: float | None = Field(default=None, gt=0)
    """Minutes that one run may take."""
