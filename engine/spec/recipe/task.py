"""The task block of a recipe: what the student does, and what teacher and judge are told of it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from engine.bounds import Count
from engine.spec.parts import Spec

Fold = Literal["case", "space", "unicode"]


class Shots(Spec):
    """Few-shot examples, drawn from the training rows, targets in turn."""

    n: int = Field(ge=1, le=64)
    """How many training rows are shown."""
    seed: Count = Field(default=0, ge=0)
    """Seed of the draw, so that they do not change with the loop's seed."""
    train: bool = True
    """Whether they are shown in training too; false: in evaluation alone."""


class Task(Spec):
    """What the student does."""

    kind: str = "classification"
    """What kind of task it is (`pada list tasks`)."""
    input: list[str] = Field(min_length=1)
    """Columns of a row that the student sees."""
    target: str
    """Column with the right answer."""
    prompt: str | None = None
    """Prompt file of the task, relative to the recipe; the task kind has a default."""
    params: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the task kind."""
    shots: Shots | None = None
    """Training rows that are shown, answered, before each row: the same in training and in evaluation."""
    labels: list[str] | dict[str, str] | None = Field(default=None, min_length=2)
    """Allowed answers of a classification; taken from the training rows when left out.

    A mapping gives each label its definition, for the teacher and the judge.
    """
    fold_labels: list[Fold] = Field(default_factory=list)
    """What makes no difference between labels, so that several spellings are one label: `case`; `space`, white space
    around and in a row; `unicode`, invisible characters and how accents are encoded.
    """
    description: str = ""
    """One sentence for the teacher and the judge: what the rows are and what the answer means."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of `input`, or the target -> what it means, for the teacher and the judge."""

    @property
    def label_names(self) -> list[str] | None:
        """The declared labels, with or without definitions."""
        return None if self.labels is None else list(self.labels)

    @property
    def definitions(self) -> dict[str, str]:
        """Label -> its definition, for the labels that have one."""
        return dict(self.labels) if isinstance(self.labels, dict) else {}
