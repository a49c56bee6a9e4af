"""The records of analysis: failures as drawn, their diagnoses, patterns with their rows and standing, strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from engine.rows.row import Row, Split


@dataclass(frozen=True, slots=True)
class DrawnFailure(Row):
    """What was drawn for one failure before anyone looked at it."""

    table: ClassVar[str] = "drawn_failure"
    example: str
    answer: str | None
    target: str
    predicate: str
    part: Literal["diagnose", "held_out", "not_sampled", "selection"]
    """held_out: nobody sees it; not_sampled: one too many; selection: it is in the part that stops and chooses."""
    split: Split = "validation"


@dataclass(frozen=True, slots=True)
class Diagnosis(Row):
    """Why one failure happened, by the teacher; `call` is the LLM call it came from."""

    table: ClassVar[str] = "diagnosis"
    id: str
    example: str
    root_cause: str
    scenario: str
    """When it happens, in general: quotes nothing."""
    call: str
    evidence: str = ""
    """Words of the row, or of the student's answer, that show it, as quoted by the teacher and found there."""
    reasoning: str = ""
    skill: str = ""
    """What the student would have to be able to do."""
    category: str | None = None
    """Of the taxonomy, as the teacher sorts this failure; `other` or None where none fits."""
    suspect: bool = False
    """Whether the teacher takes the right answer for wrong."""
    mendable: bool = True
    """Whether training rows could mend it."""
    confidence: int | None = None
    """How sure the teacher is, 1 to 5."""
    proposed: str | None = None
    """A name of its own for this kind of mistake, where the taxonomy is open or no category fits; else None."""
    convention: str = ""
    """A rule of annotation that the right answer follows and the task does not tell, as the teacher states it."""


@dataclass(frozen=True, slots=True)
class LabelSuspect(Row):
    """A row whose given answer may be wrong: by the diagnosis, of train by the judge or a writer who left it out."""

    table: ClassVar[str] = "label_suspect"
    example: str
    split: Split
    target: str
    """The answer that the data give."""
    answer: str | None
    """What the student answered; of a training row what the judge answers, None where it says that no answer fits, or
    where a writer says no more than that this one is wrong."""
    reason: str
    confidence: int | None
    call: str


@dataclass(frozen=True, slots=True)
class Pattern(Row):
    """A named cluster of diagnoses. `id` persists from round to round; `category` is from the taxonomy or None."""

    table: ClassVar[str] = "pattern"
    id: str
    name: str
    description: str
    category: str | None
    size: int
    centroid: tuple[float, ...]
    """Unit-length mean of the members' diagnosis embeddings."""
    silhouette: float | None
    """Mean silhouette of the members in this clustering, -1 to 1; None for a single cluster."""
    call: str | None
    guard: str | None
    """What became of texts that quoted an evaluation row, and why: `reworded: …`, `replaced: …` (by neutral ones) or
    `left out: …` (of a list), with the call that wrote them; None when all were clean."""
    includes: tuple[str, ...] = ()
    """What falls under it, in a few words each."""
    excludes: tuple[str, ...] = ()
    """What looks like it and does not fall under it."""
    coherent: bool | None = None
    """Whether its diagnoses are of one kind, as the teacher sees them; None where it was not asked."""
    stability: float | None = None
    """As of its cluster in this round."""
    split_from: str | None = None
    """The cluster that it is a part of, where the teacher split one that was not coherent."""


@dataclass(frozen=True, slots=True)
class PatternCluster(Row):
    """The cluster of diagnoses behind one pattern in one round."""

    table: ClassVar[str] = "pattern_cluster"
    pattern: str
    size: int
    stability: float | None
    """Mean Jaccard index with the most alike cluster of each of several bootstrap samples, 0 to 1 (Hennig, 2007): below
    0.6 no pattern, from 0.75 on stable. None for a single cluster, and for a category that SQL gives."""


@dataclass(frozen=True, slots=True)
class PatternMember(Row):
    """One failure's place in one pattern."""

    table: ClassVar[str] = "pattern_member"
    pattern: str
    example: str
    diagnosis: str
    distance: float
    """1 - cosine similarity to the centroid."""
    silhouette: float | None
    """How much nearer to its own cluster than to the next, -1 to 1; None without a second cluster."""


LinkKind = Literal["continued", "split", "merged", "part"]


@dataclass(frozen=True, slots=True)
class PatternLink(Row):
    """What a pattern has to do with one of an earlier round, or with the cluster that it is a part of."""

    table: ClassVar[str] = "pattern_link"
    pattern: str
    parent: str
    """The earlier pattern, or the cluster."""
    kind: LinkKind
    """continued: it is that pattern; split: most of its members come from there, and another cluster continues that
    pattern; merged: the parent's members went into this pattern, which continues another; part: the namer split the
    parent, a cluster of the same round."""
    shared: int
    """Members in common."""
    similarity: float | None
    """Cosine similarity of the centroids; None for what was merged."""
    threshold: float | None
    """Similarity from which the cluster continues a pattern by its embedding alone, in this round; None for a part."""


@dataclass(frozen=True, slots=True)
class MapAxis(Row):
    """One of the two directions in which the embeddings of a seed's first diagnoses differ most, for a map of them."""

    table: ClassVar[str] = "map_axis"
    axis: int
    """1 or 2."""
    direction: tuple[float, ...]
    """Of unit length."""
    centre: float
    """The mean of these diagnoses along it: a vector's coordinate is its product with the direction, less this."""


@dataclass(frozen=True, slots=True)
class DiagnosisPlace(Row):
    """Where a diagnosis lies on the map: its embedding along the seed's two axes."""

    table: ClassVar[str] = "diagnosis_place"
    diagnosis: str
    x: float
    y: float


Life = Literal["open", "shrinking", "fixed", "regressed", "split", "merged", "unclear"]


@dataclass(frozen=True, slots=True)
class ClusterMember(PatternMember):
    """The same as the clustering left it, before any cluster was split."""

    table: ClassVar[str] = "cluster_member"


PatternWord = Literal["confirmed", "weak", "refuted", "untested"]
"""confirmed: rows that fall under the description fail more often, beyond chance; refuted: not by much, or hardly any
failed row falls under it; weak: neither can be told; untested: there were too few rows to tell."""


@dataclass(frozen=True, slots=True)
class PatternTest(Row):
    """Whether a pattern is real: what fails more often among validation rows that fall under its description."""

    table: ClassVar[str] = "pattern_test"
    pattern: str
    verdict: PatternWord
    funded: bool
    """Whether rows are written against it."""
    detail: str
    """What the verdict follows from, in words."""
    asked: int = 0
    """Rows that the judge was asked about in this round; 0 where the verdict is an earlier round's."""
    failed: int = 0
    """Failed rows that were answered; `failed_under`: those of them that fall under the description."""
    failed_under: int = 0
    passed: int = 0
    passed_under: int = 0
    diagnosed: int = 0
    """Failed rows among them that had been diagnosed, for want of others."""
    failing: float | None = None
    """Share of the validation rows that fail, from which the tested ones were drawn; None where it is untested."""
    lift: float | None = None
    """Failure rate of rows that fall under it over that of the others, and its 95 % interval; None where untested."""
    lift_low: float | None = None
    lift_high: float | None = None
    precision: float | None = None
    """Share of the rows that fall under it that fail."""
    precision_low: float | None = None
    precision_high: float | None = None
    recall: float | None = None
    """Share of the failing rows that fall under it."""
    recall_low: float | None = None
    recall_high: float | None = None
    p: float | None = None
    """Of Fisher's exact test (one-sided), adjusted for the number of patterns of the round (Benjamini-Hochberg)."""


@dataclass(frozen=True, slots=True)
class PatternTestRow(Row):
    """What the judge said of one validation row and one pattern's description."""

    table: ClassVar[str] = "pattern_test_row"
    pattern: str
    example: str
    part: Literal["held_out", "not_sampled", "diagnosed", "passed"]
    """passed: it did not fail; else as it was drawn, diagnosed in this round or an earlier one."""
    falls_under: bool
    call: str


@dataclass(frozen=True, slots=True)
class PatternRow(Row):
    """One validation row that falls under a pattern, in the round that first found it, and what became of it."""

    table: ClassVar[str] = "pattern_row"
    pattern: str
    example: str
    part: Literal["member", "held_out", "other"]
    """member: diagnosed; held_out: failed, and never diagnosed; other: any row as near as the members to each other."""
    similarity: float
    """Cosine similarity to the mean of the members' rows."""
    failed: bool
    """Whether it failed when the pattern was found; `fails`: now; `control_fails`: with the control, None without."""
    fails: bool
    control_fails: bool | None


@dataclass(frozen=True, slots=True)
class PatternStatus(Row):
    """How a pattern stands after a later fine-tune, beside the control: a second fine-tune on the original rows."""

    table: ClassVar[str] = "pattern_status"
    pattern: str
    status: Literal["unclear", "mended", "worse"]
    """mended: fewer of its rows fail than with the control, beyond chance among rows and patterns; worse: more do."""
    before: int
    """Failures ever diagnosed and counted to it; `after`: those of them that fail now."""
    after: int
    rows: int = 0
    """Validation rows that fall under it."""
    mended: int = 0
    """Of these: failed when it was found, right now; `broken`: the other way round."""
    broken: int = 0
    control_mended: int | None = None
    """The same with the control, None without one; `control_broken` likewise."""
    control_broken: int | None = None
    effect: float | None = None
    """Share of the rows that fail with the control minus the share that fails now; None where it cannot be told."""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """McNemar's p-value of the effect, adjusted for the number of patterns (Benjamini-Hochberg)."""
    life: Life = "unclear"
    """shrinking: mended; fixed: mended, and hardly a row fails; regressed: worse, or it was fixed or shrinking and more
    rows fail again, beyond chance; merged, split: by the clustering of this or an earlier round; open: the interval of
    the effect says that less than half was mended; else unclear."""
    failed: int = 0
    """Of the rows that fall under it: failed when it was found; `failing`: fail now; `control_failing`: with the
    control, None without one."""
    failing: int = 0
    control_failing: int | None = None
    rate: float | None = None
    """Share of the rows that fails now, with its 95 % interval (Wilson); None under 20 rows."""
    rate_low: float | None = None
    rate_high: float | None = None
    held_out: int = 0
    """Rows that failed and nobody diagnosed; of these right now, and with the control."""
    held_out_mended: int = 0
    control_held_out_mended: int | None = None


@dataclass(frozen=True, slots=True)
class Strategy(Row):
    """How to write rows that would cure one pattern; `labels` are the targets its seeds may have."""

    table: ClassVar[str] = "strategy"
    id: str
    pattern: str
    text: str
    labels: tuple[str, ...]
    call: str | None
    guard: str | None
    """As of a pattern."""
    must: tuple[str, ...] = ()
    """What every row must have."""
    must_not: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What varies from row to row: name -> list of values."""
    pairs: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Observed confusions to write rows for: `right`, `wrong` (labels) and `share`; shares sum to 1."""
    operators: Mapping[str, Any] = field(default_factory=dict)
    """Operator -> its share of the rows; empty where the teacher leaves it open."""
    difficulty: Mapping[str, Any] = field(default_factory=dict)
    """`easy`, `medium`, `hard` -> their shares."""
    rule_labels: Mapping[str, Any] = field(default_factory=dict)
    """`must`, `must_not` -> rule -> the labels whose rows it is for; one that is not here is for every row."""
    contrast: str = ""
    """Where targets are no labels: what rows near the pattern look like that the student gets right."""
    contrast_share: float = 0.0
    """Of the rows, 0 to 1: those that are written for the contrast, and not for what rows must have."""
    kinds: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Kinds of rows, of which each row is one: `name`, `description`, `share`, `labels` (none: of every label); shares
    sum to 1."""


@dataclass(frozen=True, slots=True)
class Convention(Row):
    """A rule of annotation that right answers show and the task does not tell, as diagnoses state it."""

    table: ClassVar[str] = "convention"
    id: str
    text: str
    """Guarded: it quotes no evaluation row."""
    failures: int
    """Whose diagnoses state it, in the round in which it was stated first."""
    call: str
    """The first call that states it."""
