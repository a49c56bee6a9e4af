"""The quality block of a recipe: what a generated row must pass, and when the judge decides."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from engine.bounds import Count
from engine.spec.parts import GateMode, Spec

JudgeMode = Literal["decides", "advises", "off"]


class Minimum(Spec):
    """The judge's scores below which a candidate is rejected, each 1 to 5; 1 rejects nothing."""

    adherence: int = Field(default=1, ge=1, le=5)
    """How well the row follows the strategy; asked in calls of its own where it is above 1, and not of a row that
    rewords another."""
    utility: int = Field(default=2, ge=1, le=5)
    """How useful the row is to train on."""
    relevance: int = Field(default=3, ge=1, le=5)
    """How surely the row belongs to the task and carries its right label."""
    naturalness: int = Field(default=2, ge=1, le=5)
    """How much the row reads as real rows do."""


class Verify(Spec):
    """Generated rows are answered by somebody who does not see their targets."""

    samples: int | None = Field(default=None, ge=0, le=20)
    """Answers per row, each in a call of its own; 0: none are asked for. The judge's pack says when left out."""
    agreement: float = Field(default=0.5, ge=0, le=1)
    """Share of the answers that must come to the row's target: fewer reject it; 0: they are recorded alone."""
    temperature: float = Field(default=0.7, ge=0, le=2)
    """Sampling temperature of the answers."""


class Calibration(Spec):
    """The judge is shown training rows among the candidates, half of them with a wrong answer, before it decides."""

    anchors: int = Field(default=20, ge=5, le=200)
    """Training rows shown with their own answer, and as many with a wrong one; fewer where there are not enough
    training rows."""
    balanced_accuracy: float = Field(default=0.7, ge=0.5, lt=1)
    """The judge decides where the lower end of its 95 % interval exceeds this; else it advises."""


class Similarity(Spec):
    """How near a row that keeps its seed row's target is to that row, by what training rows of one target show."""

    low_quantile: float = Field(default=0.002, ge=0, le=1)
    """Quantile of their cosine similarities below which a row is too far from its seed row."""
    high_quantile: float = Field(default=0.99, ge=0, le=1)
    """Quantile of their cosine similarities above which a row is too near to its seed row."""

    @model_validator(mode="after")
    def _low_below_high(self) -> Similarity:
        if self.low_quantile >= self.high_quantile:
            raise ValueError("low_quantile must be below high_quantile")
        return self


class Neighbours(Spec):
    """How much nearer a row may be to training rows of another label than to those of its own."""

    quantile: float = Field(default=0.01, ge=0, le=1)
    """Share of the training rows that stand out as much or more, each compared with all others."""


class NearDuplicate(Spec):
    """How near a row may be to one that is there already, by what training rows show among themselves."""

    quantile: float = Field(default=0.99, ge=0, le=1)
    """Quantile of the training rows' cosine similarities to their nearest; a nearer row is a duplicate."""
    exact_up_to: Count = Field(default=50_000, ge=0)
    """Earlier rows up to which all of a row's label are compared; of more, those that share most of its words."""


class PassRateLimits(Spec):
    """The student answers each candidate several times: how often it is right decides whether the row is kept."""

    samples: int = Field(default=4, ge=1, le=64)
    """Answers of the student per row. None are drawn where the student's likelihoods say how often it would be
    right."""
    keep: list[float] = Field(default=[0.0, 0.75], min_length=2, max_length=2)
    """Least and largest share of right answers of a row that is kept: one that is always answered right teaches
    nothing, one that never is may be wrong."""
    temperature: float = Field(default=1.0, gt=0, le=2)
    """Sampling temperature of the answers."""

    @field_validator("keep")
    @classmethod
    def _keep_is_a_band(cls, keep: list[float]) -> list[float]:
        low, high = keep
        if not 0 <= low <= high <= 1:
            raise ValueError("write [least, largest], two shares from 0 to 1")
        if (low, high) == (0, 1):
            raise ValueError("[0, 1] keeps every row: leave pass_rate out")
        return keep


class LeakLimits(Spec):
    """Candidates that resemble an evaluation row are dropped; thresholds are calibrated on the training rows."""

    ngram: int = Field(default=5, ge=2, le=20)
    """Length in words of the n-grams by which rows are compared."""
    quantile: float = Field(default=0.99, gt=0, le=1)
    """Quantile of what real training rows show against evaluation rows; more than that is a leak."""


class Quality(Spec):
    """What a candidate must pass."""

    judge: JudgeMode | None = None
    """What the judge's verdicts do. decides: wrong labels and scores below `minimum` reject, once it is calibrated;
    advises: they are recorded.

    Left out: as the judge's pack says, but it only advises where it is the teacher.
    """
    minimum: Minimum = Minimum()
    ambiguous: Literal["verdict", "reject"] = "verdict"
    """What becomes of a row whose label the judge calls ambiguous: as its own verdict on the row says, or rejected."""
    calibration: Calibration = Calibration()
    verify: Verify = Verify()
    attempts: int | None = Field(default=None, ge=1, le=10)
    """Rounds of generation, each of which makes up for the rows rejected before; the teacher's pack's when left out."""
    gates: dict[str, GateMode] = Field(default_factory=dict)
    """What each gate (`pada list gates`) does with a row in which it finds fault, where it is to be otherwise than in
    the teacher's pack."""
    similarity: Similarity = Similarity()
    neighbours: Neighbours = Neighbours()
    near_duplicate: NearDuplicate = NearDuplicate()
    pass_rate: PassRateLimits | None = None
    """Rows are kept by how often the student of the last round answers them right; left out, it is not asked."""
    leak_guard: LeakLimits = LeakLimits()
