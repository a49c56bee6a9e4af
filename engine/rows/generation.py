"""The records of generation: candidates, what was decided about them, and those that join the training set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from engine.rows.mining import LabelSource
from engine.rows.row import Row


@dataclass(frozen=True, slots=True)
class PatternShare(Row):
    """What one pattern weighs where a round's rows are shared out, and why; one that was excluded has none."""

    table: ClassVar[str] = "pattern_share"
    pattern: str
    weight: float
    """By evidence: size x confirmation x headroom x paid; else as the recipe shares out."""
    share: float
    """Of the rows that are written against patterns; the shares of a round sum to 1."""
    size: int
    """Failures in it."""
    headroom: float
    """Share of what failed of its rows when it was found that still fails; 1 for a pattern that is new."""
    paid: float
    """Halved for each sign that rows against it did not pay."""
    reason: str
    """In words."""
    confirmation: float = 1.0
    """How far the test of its description bears it out."""


@dataclass(frozen=True, slots=True)
class Candidate(Row):
    """A generated or a mined row before its verdict."""

    table: ClassVar[str] = "candidate"
    id: str
    parent: str
    """The training example it was made from (the seed row)."""
    pattern: str
    strategy: str
    operator: str
    attempt: int
    inputs: Mapping[str, str]
    target: str
    prompt: str
    """Hash of the prompt template."""
    model: str
    """Identity of the model that wrote it."""
    call: str
    """The one that brought it: where several voted, the first of those that came to its target. Empty without one."""
    rationale: str = ""
    """How its writer came to the target, where that is derived."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What was asked of this row: name -> value; `near`: the label that it may be mistaken for; `kind`: of the kinds of
    its strategy; `side`: `contrast`, where it is for the other side of the pattern."""
    seeds: tuple[str, ...] = ()
    """The training examples that its writer was shown."""
    label_source: LabelSource = "writer"
    """Who said that the target is right."""


@dataclass(frozen=True, slots=True)
class RowCall(Row):
    """One call that asked for rows of one pattern, by one operator, whatever came of them: what rows cost.

    A call for rows of several patterns has a row for each; where several replies vote, each is a call of its own.
    """

    table: ClassVar[str] = "row_call"
    call: str
    pattern: str
    strategy: str
    operator: str
    rows: int
    """Rows of the pattern that it asked for."""


@dataclass(frozen=True, slots=True)
class Verdict(Row):
    """What was decided about one candidate, and why; exactly one per candidate."""

    table: ClassVar[str] = "verdict"
    candidate: str
    accepted: bool
    reason: str
    """`accepted`, or the first rule that rejected it: `malformed`, `duplicate`, `leak`, `similarity`, …"""
    detail: str
    feedback: str
    """What the next attempt is told; never quotes an evaluation row."""
    adherence: int | None
    utility: int | None
    relevance: int | None
    """The judge's scores, 1 to 5; None when the judge gave none."""
    judge_agrees: bool | None
    """Whether the judge's scores reach the recipe's minimum, also where they do not decide."""
    similarity: float | None
    """Cosine similarity to the seed row."""
    neighbour: float | None
    """Cosine similarity to the nearest training row of its label, minus that to the nearest of another."""
    call: str | None
    advice: Mapping[str, Any] = field(default_factory=dict)
    """Gate that only advises -> what it would have rejected the row for."""
    agreement: float | None = None
    """Share of the blind answers that came to the candidate's target; None where none were asked for."""
    label_correct: str | None = None
    """What the judge says of the target: `yes`, `no` or `ambiguous`."""
    naturalness: int | None = None
    """The judge's score, 1 to 5."""
    adherence_call: str | None = None
    """The call in which adherence was asked apart; None where it was not."""
    verified: bool = False
    """Whether somebody besides the one who wrote the row says that its target is right: a person, most of several
    blind answers, or a judge that is calibrated."""


@dataclass(frozen=True, slots=True)
class Selected(Row):
    """An accepted candidate that joins the training set, as the example it becomes."""

    table: ClassVar[str] = "selected"
    candidate: str
    example: str


@dataclass(frozen=True, slots=True)
class QuotaStatus(Row):
    """What became in a round of one group with a lower bound, or with an upper one that kept rows out."""

    table: ClassVar[str] = "quota_status"
    quota: int
    """Place in the recipe's `augment.quotas`, from 0."""
    what: str
    """`label`, `answer`, or the SQL by which rows are grouped."""
    value: str
    """The group: a label, an answer, or the value of the SQL."""
    at_least: int
    """Rows; 0 without a lower bound."""
    at_most: int | None
    written: int
    """Candidates of the round that are in it."""
    accepted: int
    joined: int
    held_back: int
    """Accepted rows that its upper bound kept out."""
    missing: int
    """Rows to the lower bound."""
    reason: str
    """Why they are missing; empty where none are."""
