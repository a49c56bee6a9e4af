"""The records of evaluation: examples, what the student answers to them, what that is worth, how fast it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from engine.rows.row import Row, Split


@dataclass(frozen=True, slots=True)
class Example(Row):
    """One row. `id` is the hash of inputs and target; `columns` holds the source's other columns."""

    table: ClassVar[str] = "example"
    id: str
    split: Split
    inputs: Mapping[str, str]
    target: str
    """The right answer; empty for a logged row of which nobody knows it."""
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
    """A prediction for which the recipe's failure predicate holds (never on test), or logged and rejected."""

    table: ClassVar[str] = "failure"
    example: str
    split: Split
    answer: str | None
    target: str
    predicate: str


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
