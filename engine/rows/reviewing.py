"""The records of people's review: each verdict as it was given, and what a step made of the verdicts in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

from engine.rows.row import Row

Subject = Literal["candidate", "train", "validation"]
"""What a reviewed row is: generated or mined, or the data's own of a split."""
Said = Literal["accept", "reject", "edit", "relabel"]
"""What a person can say of a row."""


@dataclass(frozen=True, slots=True)
class Review(Row):
    """One verdict of one person on one row, or that an earlier one is taken back. Never changed, never deleted."""

    table: ClassVar[str] = "review"
    id: str
    recipe: str
    """Name of the recipe whose rows were reviewed."""
    run: str
    """The run in which the row was looked at."""
    made: datetime
    """UTC, without a time zone."""
    reviewer: str
    queue: str
    """Queue from which the row came."""
    subject: Subject
    example: str
    """Hash of the row's inputs and target: the same row has it in every run, seed and round."""
    candidate: str | None
    """One candidate that is this row; None for rows of the data."""
    verdict: Literal["accept", "reject", "edit", "relabel", "undo"]
    reason: str
    """Of a rejection: `wrong`, `unclear`, `unnatural`, `off_task`, `repeats` or `other`."""
    note: str
    inputs: Mapping[str, str]
    target: str
    new_example: str | None
    """The row that it is changed into, with `new_inputs` and `new_target`; None where it is not changed."""
    new_inputs: Mapping[str, str] | None
    new_target: str | None
    places: Sequence[Any]
    """Seed and round of each place where the row was a candidate then; empty for rows of the data."""
    changes: bool
    """Whether it changes what was trained on: an accepted row that was trained on already stays as it was."""
    resolves: bool = False
    """Whether it ends a disagreement: then it alone counts."""
    undoes: str | None = None
    """Id of the verdict that is taken back; None for a verdict."""
    judge: str | None = None
    """Mark of the judge that said something of the row: its model, its prompts; None where none did."""
    judge_passes: bool | None = None
    """Whether that judge takes the target for right."""
    judge_share: float | None = None
    """Of which share of the rows that it judged in that run it does."""


@dataclass(frozen=True, slots=True)
class Reviewed(Row):
    """What became of one row by people's verdicts, in the step that puts training rows together."""

    table: ClassVar[str] = "reviewed"
    item: str
    """The candidate; of a row of the data its example, or the row that an earlier verdict made of it."""
    example: str | None
    """The training row that it is then; None for one that is left out."""
    verdict: Said
    inputs: Mapping[str, str]
    """As the row is then."""
    target: str
    refused: str
    """Why the verdict could not be followed (the row is none of the task, or would give away an evaluation row); empty
    where it was."""
