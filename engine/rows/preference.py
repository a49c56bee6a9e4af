"""The records of preference tuning: pairs of a right and a wrong answer, and what a student was tuned with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from engine.rows.row import Row

PairKind = Literal["student_error", "corrected", "blind_answer"]
"""student_error: what a student said to a row that it trains on; corrected: another target that a row had, and that
was found wrong; blind_answer: the target of a rejected row that all who answered it blind answered otherwise."""


@dataclass(frozen=True, slots=True)
class PreferencePair(Row):
    """A right and a wrong answer to the same inputs; never to those of a validation or test row."""

    table: ClassVar[str] = "preference_pair"
    id: str
    kind: PairKind
    inputs: Mapping[str, str]
    target: str
    """The right answer, as in a training row."""
    chosen: str
    """What the student is to say."""
    rejected: str
    """What it is not to say."""
    example: str | None
    """The training row with these inputs; None of a rejected row."""
    candidate: str | None
    """The rejected row with the wrong target; None where the answer is a student's."""
    answered_in: int | None
    """The round whose student gave the wrong answer, None where it is a target; of this round: before its tuning."""
    found_in: int
    """The round that found it; earlier than its own where the pair is taken over."""


@dataclass(frozen=True, slots=True)
class PreferenceTuning(Row):
    """How one student was tuned with its pairs, or why it was not."""

    table: ClassVar[str] = "preference_tuning"
    tuned: bool
    """False: the student is the plain fine-tune with all of the round's steps."""
    reason: str
    """Why it was not tuned; empty where it was."""
    pairs: int
    """That it was tuned with."""
    left_out: int
    """Pairs that were found and not used."""
    supervised_steps: int
    """Optimizer steps on rows; `steps`: on pairs. Together they are those of every other fine-tune."""
    steps: int
    loss: str
    beta: float
    final_loss: float | None
    """Mean loss of a pair in the last pass; None without tuning, as what follows."""
    accuracy: float | None
    """Share of pairs, in the last pass, whose right answer had gained on the wrong one."""
    margin: float | None
    """Their mean difference of rewards, in nats times beta."""
