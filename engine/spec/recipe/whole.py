"""A whole recipe, put together from its blocks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from engine.bounds import Count
from engine.spec.extending.typed import Value, Var
from engine.spec.parts import Name, Spec
from engine.spec.recipe.augment import Augment
from engine.spec.recipe.benchmark import Benchmark
from engine.spec.recipe.data import Data
from engine.spec.recipe.failures import Failures
from engine.spec.recipe.limits import Executor, Limits
from engine.spec.recipe.loop import Budget, Loop
from engine.spec.recipe.metrics import MetricSpec, Slice
from engine.spec.recipe.models import Models
from engine.spec.recipe.patterns import Patterns
from engine.spec.recipe.privacy import Privacy
from engine.spec.recipe.quality import Quality
from engine.spec.recipe.task import Task
from engine.spec.recipe.train import Train

_MOST_SEEDS = 1000


class Recipe(Spec):
    """A whole recipe, format version 1."""

    recipe: Literal[1]
    """Format version of this file: 1."""
    name: Name
    """The recipe's name in the store, in reports and on the command line: small letters, digits, `-` and `_`."""
    version: str = ""
    """Version of the recipe itself, such as 1.4.0, as its author counts: shown where patterns of runs of several
    versions are compared."""
    description: str = ""
    """What it is for, in a sentence; reports and model cards show it."""
    extends: str | None = Field(default=None, min_length=1)
    """Another recipe, whose keys hold where this one does not say otherwise: a file, or one of a package as
    `package/path`. docs/reuse.md says how the two are merged."""
    look_in: list[str] = Field(default_factory=list, max_length=20)
    """Further folders, or `package/path`, whose `prompts/`, `schemas/`, `operators/` and `methods/` are used as those
    beside the recipe are, which come first."""
    vars: dict[str, Value | Var] = Field(default_factory=dict)
    """Values for `${name}` in the recipe; `--var name=value` overrides them. A mapping declares one: its `type` (text,
    int, number or bool; that of the default when left out), `default` (a value must be given when left out),
    `description`, and `choices`, the only values that it may have."""
    task: Task
    data: Data
    privacy: Privacy = Privacy()
    models: Models
    metrics: list[str | MetricSpec] = Field(default_factory=list)
    """Scores per example and over a split; those of the task kind when left out."""
    slices: list[str | Slice] = Field(default_factory=list, max_length=20)
    """Columns, or expressions, by whose values every metric is reported once more: at most 20 values each."""
    failure: str = Field(default="", min_length=1)
    """SQL condition on the per-example scores, the columns and `prediction`: where it holds, the student failed.

    That of the task kind when left out.
    """
    failures: Failures = Failures()
    patterns: Patterns = Patterns()
    augment: Augment
    quality: Quality = Quality()
    train: Train = Train()
    loop: Loop = Loop()
    budget: Budget = Budget()
    limits: Limits = Limits()
    executor: Executor = Executor()
    benchmark: Benchmark | None = None
    """How fast the student answers when it is served; left out, nothing is served and timed."""
    seeds: list[Annotated[Count, Field(ge=0)]] = Field(default=[0], min_length=1)
    """Seeds of chance, such as the order of rows in training: the whole loop is run once per seed."""

    @property
    def measured(self) -> list[MetricSpec]:
        """The metrics, those written as a name alone too."""
        # Not validated again: a name that is none is named with its place by `pada validate`.
        return [
            MetricSpec.model_construct(name=m) if isinstance(m, str) else m for m in self.metrics
        ]

    @field_validator("seeds")
    @classmethod
    def _seeds_differ(cls, seeds: list[int]) -> list[int]:
        if len(seeds) != len(set(seeds)):
            raise ValueError("two seeds are the same")
        if len(seeds) > _MOST_SEEDS:
            raise ValueError(f"there are more than {_MOST_SEEDS} seeds")
        return seeds

    @model_validator(mode="after")
    def _decimals_are_said_once(self) -> Recipe:
        data, log = self.data, self.failures
        sources = [each for each in (data.train, data.validation, data.test, data.pool) if each]
        formats = [log.format, *(each.format for each in sources)]
        if self.task.params.get("decimal") == "comma" and any(f.decimal == "," for f in formats):
            raise ValueError(
                "format.decimal ',' makes decimal points, which task.params.decimal 'comma' misreads: "
                "leave one of the two out"
            )
        return self
