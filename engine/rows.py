"""The records that cross boundaries: what stages return and what the store keeps, one class per table.

Field order is column order. Ids are content hashes, so the same thing has the same id in every run.
The store adds `node`, `run`, `seed`, `round` and `position` to every row that a stage returns; they are not
repeated here. A `Call` is no stage's row: it names its own node and run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
UNTUNED = -1
"""The round of the untuned student: it answers once, for all seeds."""
CONTROL = -2
"""The round of the control: the plain fine-tune of round 0 once more, with another training seed."""


@dataclass(frozen=True, slots=True)
class Row:
    """Base of every stored record; `table` is where it goes."""

    table: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Example(Row):
    """One labelled row. `id` is the hash of inputs and target; `columns` holds the source's other columns."""

    table: ClassVar[str] = "example"
    id: str
    split: Split
    inputs: Mapping[str, str]
    target: str
    columns: Mapping[str, Any]
    source: str
    """File name (relative to the recipe) or data-set URI."""
    line: int
    """Line (or record) number in the source, from 1."""
    references: tuple[str, ...] = ()
    """All acceptable answers, in the form in which answers are read; the first is the target's, and the only one
    where none are given."""

    def __post_init__(self) -> None:
        """Take the target for the one acceptable answer where none are given."""
        if not self.references:
            object.__setattr__(self, "references", (self.target,))


@dataclass(frozen=True, slots=True)
class Prediction(Row):
    """The student's answer to one example; `round` -1 is the untuned student, -2 the control."""

    table: ClassVar[str] = "prediction"
    example: str
    split: Split
    text: str
    """What the student said, whole."""
    answer: str | None
    """The answer read from `text`; None when it cannot be read."""
    status: Literal["ok", "unparsable", "backend_failed"]
    confidence: float | None
    """Probability of the answer among the allowed answers, 0 to 1, where the way of answering gives one."""
    how: str
    """How the answer was obtained: `label_likelihood`, `generation`, …"""
    reference_nats: float | None = None
    """Negative log-likelihood of the right answer under the student, in nats, where a metric asks for it."""
    reference_tokens: int | None = None
    """Tokens of the right answer, the turn's end included."""


@dataclass(frozen=True, slots=True)
class Score(Row):
    """One metric's value for one prediction; None means "could not be scored", which is not zero."""

    table: ClassVar[str] = "score"
    example: str
    split: Split
    metric: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Metric(Row):
    """One metric over one split, with its 95 % interval (`low`, `high`) over `n` examples.

    `split` may also be `gap_validation` or `gap_test`: train minus that split (the generalization gap), and
    `validation_selection`: the part of validation that stops and chooses, where it is divided.
    """

    table: ClassVar[str] = "metric"
    split: str
    metric: str
    value: float | None
    n: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class MetricSlice(Row):
    """One metric over a part of a split, with its 95 % interval over `n` examples.

    A part is a value of one of the recipe's slices, or a label (then `slice` is the target's column, and `metric` the
    label's precision or recall).
    """

    table: ClassVar[str] = "metric_slice"
    split: Split
    slice: str
    part: str
    """`(other)` holds the values beyond the most frequent ones, `(none)` the rows without a value."""
    metric: str
    value: float | None
    n: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Rating(Row):
    """What the judge said of one answer by a metric's rubric; `value` is None where its reply was unusable."""

    table: ClassVar[str] = "rating"
    example: str
    split: Split
    metric: str
    value: int | None
    reason: str
    call: str


@dataclass(frozen=True, slots=True)
class Failure(Row):
    """A prediction for which the recipe's failure predicate holds (on train or validation)."""

    table: ClassVar[str] = "failure"
    example: str
    split: Split
    answer: str | None
    target: str
    predicate: str


@dataclass(frozen=True, slots=True)
class DrawnFailure(Row):
    """What was drawn for one validation failure before anyone looked at it."""

    table: ClassVar[str] = "drawn_failure"
    example: str
    answer: str | None
    target: str
    predicate: str
    part: Literal["diagnose", "held_out", "not_sampled", "selection"]
    """held_out: nobody sees it; not_sampled: one too many; selection: it is in the part that stops and chooses."""


@dataclass(frozen=True, slots=True)
class Model(Row):
    """One trained student: the adapter's place, the digest of its weights and of its training data."""

    table: ClassVar[str] = "model"
    path: str
    """Relative to the project's state folder (`.pada`)."""
    weights: str
    """SHA-256 of the adapter's weights."""
    data: str
    """Hash over the ids of the training rows, in order."""
    rows: int
    steps: int
    epochs: float
    train_loss: float | None
    validation_loss: float | None
    chosen_step: int
    """The step whose checkpoint was kept (`checkpoint: best` may keep an earlier one)."""
    seconds: float


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
    """Of the taxonomy, as the teacher sorts this failure; in an open or hybrid one it may be a name of its own."""
    suspect: bool = False
    """Whether the teacher takes the right answer for wrong."""
    mendable: bool = True
    """Whether training rows could mend it."""
    confidence: int | None = None
    """How sure the teacher is, 1 to 5."""


@dataclass(frozen=True, slots=True)
class LabelSuspect(Row):
    """A row whose given answer may be wrong, by the teacher's diagnosis."""

    table: ClassVar[str] = "label_suspect"
    example: str
    split: Split
    target: str
    """The answer that the data give."""
    answer: str | None
    """What the student answered."""
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


@dataclass(frozen=True, slots=True)
class Candidate(Row):
    """A generated row before its verdict."""

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
    rationale: str = ""
    """How its writer came to the target, where that is derived."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What was asked of this row: name -> value."""
    seeds: tuple[str, ...] = ()
    """The training examples that its writer was shown."""


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


@dataclass(frozen=True, slots=True)
class Selected(Row):
    """An accepted candidate that joins the training set, as the example it becomes."""

    table: ClassVar[str] = "selected"
    candidate: str
    example: str


@dataclass(frozen=True, slots=True)
class Drop(Row):
    """Something left out: which stage, what (`item` is its id, if it has one), why."""

    table: ClassVar[str] = "drop"
    stage: str
    item: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decision(Row):
    """Whether another round follows, and why."""

    table: ClassVar[str] = "decision"
    go_on: bool
    reason: str
    metric: str
    value: float | None
    best_round: int
    """The round whose student is the best on validation so far."""


@dataclass(frozen=True, slots=True)
class Benchmark(Row):
    """One metric of a served model's speed, measured by guidellm with so many requests under way at once."""

    table: ClassVar[str] = "benchmark"
    subject: Literal["student", "endpoint"]
    """The student of this seed and round, or the endpoint that the recipe names, whatever answers there."""
    server: str
    """What answered: `transformers serve 5.23.0`, or an address."""
    concurrency: int
    """Requests under way at once."""
    requests: int
    """Requests that were sent."""
    failed: int
    """Those of them that were not answered, or cut off."""
    metric: str
    """Latencies are in milliseconds: `time_to_first_token_ms`, `inter_token_latency_ms`, …"""
    n: int
    """Answered requests behind the numbers; tokens, where it is a metric of tokens."""
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Call(Row):
    """One entry of the ledger: what was asked of a teacher, a judge or a student at a server, and what came back."""

    table: ClassVar[str] = "llm_call"
    id: str
    """The request's hash; entries may share it when earlier replies were unusable."""
    run: str
    node: str
    """Fingerprint of the node that first asked."""
    role: str
    model: str
    messages: Sequence[Mapping[str, str]]
    """Chat turns with `role` and `content`."""
    schema: Mapping[str, Any] | None
    """JSON Schema of the reply, as sent; None where plain text was asked for."""
    max_tokens: int
    temperature: float
    attempt: int
    reply: str
    """Raw text."""
    finish_reason: str
    prompt_tokens: int | None
    """None where the server does not say."""
    completion_tokens: int | None
    seconds: float
    method: str
    """How the structure was obtained."""
    error: str | None
    """Kind of failure; None for a usable reply: only those are ever served again."""
    detail: str
    created: datetime
    """UTC, without a time zone."""
    final: bool = True
    """False for an unusable reply after which the request was asked again."""
    cached_tokens: int | None = None
    """Prompt tokens that the server had cached; counted in `prompt_tokens`."""
    reasoning_tokens: int | None = None
    """Tokens of hidden reasoning; counted in `completion_tokens`."""
    cost: float | None = None
    """Money, by the recipe's price; None is unknown."""
    server: str | None = None
    """Who answered, as the server names itself."""
    tries: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Exchanges before this one that brought no reply: kind, status, seconds, detail."""
