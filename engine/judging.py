"""The records of judging: what is known of a generated row before its verdict, and of the judge who gives it.

As those of `engine.rows`: one class per table, field order is column order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from engine.rows import Row


@dataclass(frozen=True, slots=True)
class Gating(Row):
    """What the gates say of one candidate, before anybody is asked about it; exactly one per candidate."""

    table: ClassVar[str] = "gating"
    candidate: str
    reason: str
    """Name of the first gate that rejects it; empty for a candidate that passes them all."""
    detail: str
    feedback: str
    """What the next attempt is told; never quotes an evaluation row."""
    advice: Mapping[str, Any]
    """Gate that only advises -> what it would have rejected the row for."""
    numbers: Mapping[str, Any]
    """What the gates measured: name -> number."""


@dataclass(frozen=True, slots=True)
class Verification(Row):
    """One answer to a candidate by somebody who did not see its target, or what a program finds wrong in the target."""

    table: ClassVar[str] = "verification"
    candidate: str
    sample: int
    """From 1; 0 is the program's."""
    answer: str | None
    """In the form in which answers are read; None where it could not be read, or where it says that no answer fits."""
    second: str | None
    """The second likeliest answer, where there are a few to choose from."""
    agrees: float
    """How far the answer agrees with the target, 0 to 1."""
    how: Literal["blind", "program"]
    detail: str
    """What the program found; of a blind answer that no answer fits, else empty."""
    call: str | None


@dataclass(frozen=True, slots=True)
class PassRate(Row):
    """How often the student answers one candidate right; at most one per candidate."""

    table: ClassVar[str] = "pass_rate"
    candidate: str
    rate: float
    """Share of right answers, 0 to 1."""
    n_right: int | None
    """Answers that come to the target; None where none were drawn."""
    n_answers: int | None
    """Answers that were drawn and could be had."""
    how: Literal["sampled", "label_likelihood"]
    """label_likelihood: the probability of the target among the allowed answers at the sampling temperature, which is
    the share that answers come to on the mean."""


@dataclass(frozen=True, slots=True)
class JudgeAnchor(Row):
    """A training row that the judge was shown among the candidates without being told."""

    table: ClassVar[str] = "judge_anchor"
    example: str
    is_right: bool
    """Whether it was shown with its own answer."""
    target: str
    """The answer that it was shown with."""
    label_correct: str | None
    """What the judge says of it; None where its reply leaves the row out."""
    passed: bool | None
    """Whether the judge would have let it pass; None where its reply leaves the row out."""
    call: str
    answer: str | None = None
    """What the judge would answer; None where it says that no answer fits, or nothing usable."""
    suspect: bool = False
    """Whether the judge takes the answer in the data for wrong."""


@dataclass(frozen=True, slots=True)
class JudgeCalibration(Row):
    """How well the judge tells right answers from wrong ones, by the anchors, and whether it decides."""

    table: ClassVar[str] = "judge_calibration"
    n_right: int
    """Anchors with their own answer that were judged, those left out not among them."""
    n_wrong: int
    """Anchors with a wrong answer that were judged."""
    sensitivity: float | None
    """Share of the right ones that pass; None without any."""
    specificity: float | None
    """Share of the wrong ones that do not pass; None without any."""
    balanced_accuracy: float | None
    """Mean of the two, with its 95 % interval `low` to `high`."""
    low: float | None
    high: float | None
    threshold: float
    """What `low` must exceed."""
    decides: bool
    reason: str
    """Why, in words."""
    left_out: int = 0
    """Anchors with their own answer that are not counted, because that answer is probably wrong."""
    by_people: bool = False
    """Whether it is by people's verdicts on rows that the judge had judged, and not by anchors: then `n_right` and
    `n_wrong` are as many rows drawn at random as these are worth."""
