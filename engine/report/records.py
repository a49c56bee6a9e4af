"""What a report is made of: plain facts about one run, before anything is formatted.

Filled by `engine.report.facts.collect`; the renderers (HTML, Markdown, console) read nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Problem
from engine.judging import JudgeCalibration
from engine.report.dossier import DiagnosisPoint, Dossier
from engine.report.evidence import (
    Choice,
    Comparison,
    Headline,
    PatternFacts,
    Safeguards,
    Suite,
    Tuning,
)
from engine.report.people import People
from engine.rows import UNTUNED

Query = Callable[[str, Sequence[Any]], list[dict[str, Any]]]
"""Runs one read-only SQL statement with positional parameters; returns its rows by column name."""

MINE = "WITH mine AS (SELECT r.node, n.run FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?) "
"""Opens a statement; first parameter: the run. `SEMI JOIN mine USING (node, run)` keeps its rows.

A fingerprint alone says nothing of where in a table its rows are; the run that made them does (decision 19).
"""


@dataclass(frozen=True, slots=True)
class ModelUse:
    """One role's model; `identity` is empty where no row of the run names it."""

    role: str
    backend: str
    name: str
    identity: str


@dataclass(frozen=True, slots=True)
class Header:
    """What was run, when, with what."""

    state: str | None
    """The state folder, as it was given; None where it is gone when the report is read."""
    recipe: str
    description: str
    path: str
    run: str
    status: str
    note: str
    started: str
    """UTC, to the second."""
    minutes: float | None
    """None while the run is going."""
    row_limit: int | None
    models: tuple[ModelUse, ...]
    seeds: tuple[int, ...]
    versions: tuple[tuple[str, str], ...]
    rounds_planned: int | None
    warnings: tuple[Problem, ...]
    """Of the check of the recipe and its rows, before the run began or went on."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric over `n` examples, with its 95 % interval or the range over several seeds."""

    value: float
    low: float | None
    high: float | None
    n: int
    seeds: int = 1


def over_seeds(cells: Sequence[Measured]) -> Measured | None:
    """Return one seed's value, or the mean over several with the lowest and the highest; None without any."""
    if len(cells) < 2:
        return cells[0] if cells else None
    values = [cell.value for cell in cells]
    most = max(cell.n for cell in cells)
    return Measured(sum(values) / len(values), min(values), max(values), most, len(cells))


@dataclass(frozen=True, slots=True)
class Scores:
    """Every metric per seed, round (-1: the untuned student, -2: the control) and split, gaps among the splits."""

    primary: str
    """The metric that the stop rule watches."""
    metrics: tuple[str, ...]
    percent: frozenset[str]
    """Metrics between 0 and 1 that are shown as percentages."""
    lower: frozenset[str]
    """Metrics where lower is better."""
    unscored: frozenset[tuple[str, str, int]]
    """Metric, split and round that could not be scored with any seed: no zero, and no gap in the data either."""
    seeds: tuple[int, ...]
    rounds: tuple[int, ...]
    """Without the control."""
    cells: Mapping[tuple[str, str, int, int], Measured]
    """By metric, split, round and seed."""

    def at(self, metric: str, split: str, round_: int, seed: int | None = None) -> Measured | None:
        """Return one seed's value, or the mean over the seeds that have it; None without any.

        The untuned student's is the same for all seeds.
        """
        if seed is not None and round_ != UNTUNED:
            return self.cells.get((metric, split, round_, seed))
        cells = [
            cell
            for seed_number in self.seeds
            if (cell := self.cells.get((metric, split, round_, seed_number))) is not None
        ]
        return over_seeds(cells)


@dataclass(frozen=True, slots=True)
class LoopDecision:
    """Why the loop went on or ended after a round."""

    seed: int
    round: int
    stage: str
    """`decide` looks at validation scores; `select` stops a round that brought no rows."""
    go_on: bool
    reason: str
    metric: str
    value: float | None
    best_round: int
    rolled_back: bool = False
    min_gain: float | None = None
    """What the recipe asks of a gain; None for one standard error of the difference."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Validation failures of one seed and round (-2: the control), against round 0."""

    seed: int
    round: int
    failures: int
    mended: int
    """Failed in round 0, right now."""
    new: int
    """Right in round 0, failing now."""
    outside: int
    """Failing now and in no pattern of any round."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often `target` was answered with `answer` on validation, summed over the seeds."""

    target: str
    answer: str
    before: int
    after: int | None
    """None when there is only one round."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row whose given answer may be wrong, as the teacher says of a failure or the judge of a training row."""

    source: str
    """File and line."""
    inputs: dict[str, str]
    target: str
    answer: str | None
    """The student's; of a training row the judge's, None where it says that no answer fits."""
    reason: str
    confidence: int | None
    """How sure the teacher was, 1 to 5; the most of several seeds and rounds. None where the judge says it."""
    times: int
    """How often it is said, over seeds and rounds."""
    split: str


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Metrics of parts of the test split, over the seeds."""

    slices: Mapping[str, tuple[str, ...]]
    """Slice -> its parts."""
    target: str
    """The target's column: the slice under which single labels are stored."""
    labels: tuple[str, ...]
    """Labels with a precision or recall of their own."""
    cells: Mapping[tuple[str, str, str, int], Measured]
    """By slice, part, metric and round."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """How often each label was answered with what on test by the chosen students, summed over the seeds."""

    rounds: tuple[int, ...]
    """Theirs, each once."""
    labels: tuple[str, ...]
    counts: Mapping[tuple[str, str | None], int]
    """Right answer and answer given; None where it could not be read."""


@dataclass(frozen=True, slots=True)
class Funnel:
    """Generated rows of one round, attempt and operator, summed over the seeds."""

    round: int
    attempt: int
    operator: str
    generated: int
    rejected: tuple[tuple[str, int], ...]
    """Reason and count, most frequent first."""
    waiting: int
    """Generated, but the run ended before their verdict."""
    accepted: int
    selected: int
    trained: int
    """Selected, and a later student was trained on them."""
    verified: int = 0
    """Trained on, and somebody besides who wrote them says that their targets are right."""


@dataclass(frozen=True, slots=True)
class QuotaResult:
    """What became in one round of a group that a quota bounds."""

    seed: int
    round: int
    group: str
    at_least: int
    at_most: int | None
    written: int
    accepted: int
    joined: int
    held_back: int
    missing: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Things a stage left out, counted by reason."""

    stage: str
    reason: str
    count: int
    example: str
    """One detail, so that the reason is concrete."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration of the judge of one seed, in the round whose rows it judged first."""

    seed: int
    round: int
    result: JudgeCalibration


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the LLM judge did: its part in the decision and how far it agreed with the rules."""

    mode: str
    """decides | advises | off: what it did, by the recipe and its calibration."""
    judged: int
    table: tuple[tuple[int, int], tuple[int, int]]
    """Rows: the rules pass, reject. Columns: the judge's scores reach the minimum, do not."""
    unscored: int
    """Candidates without judge scores."""
    means: tuple[tuple[str, float | None, float | None], ...]
    """Per criterion: mean score of accepted and of rejected candidates, 1 to 5."""
    calibrations: tuple[Calibrated, ...] = ()
    verified: int = 0
    """Candidates that were answered without their targets."""
    agreed: float | None = None
    """Mean share of these answers that came to the target."""

    @property
    def agreement(self) -> float | None:
        """Share of the judged candidates on which judge and rules agree; None without any."""
        return (self.table[0][0] + self.table[1][1]) / self.judged if self.judged else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: 1 is perfect agreement, 0 is chance; None where it is undefined."""
        if not self.judged:
            return None
        (a, b), (c, d) = self.table
        chance = ((a + b) * (a + c) + (c + d) * (b + d)) / self.judged**2
        return None if chance >= 1 else ((a + d) / self.judged - chance) / (1 - chance)


@dataclass(frozen=True, slots=True)
class Calls:
    """LLM calls of one role and stage, either paid in this run or reused from the ledger."""

    role: str
    stage: str
    reused: bool
    calls: int
    errors: int
    retries: int
    """Exchanges that brought no reply and were tried again."""
    prompt_tokens: int
    completion_tokens: int
    unmetered: int
    """Calls whose tokens are not known: the token counts lack them."""
    cached_tokens: int | None
    """Prompt tokens that a server had cached; None where none says."""
    reasoning_tokens: int | None
    cost: float | None
    """Money for the calls whose cost is known; None where none is."""
    unpriced: int
    """Calls of unknown price: `cost` lacks them."""
    seconds: float
    """Model time, summed over the calls."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the run was expected to take when it began, each as (least, most), and the steps that it trained."""

    calls: tuple[float, float]
    tokens: tuple[float, float]
    money: tuple[float, float] | None
    """None where no model that is asked has a price."""
    minutes: tuple[float, float] | None
    """Of training and calls; None where the store had seen no run."""
    steps: int
    """Optimizer steps expected."""
    trained: int
    """Optimizer steps made."""
    unpriced: tuple[str, ...]
    """Roles missing from `money`: they have no price."""


@dataclass(frozen=True, slots=True)
class NodeTime:
    """One box of the plan; a cached one's seconds were spent in an earlier run."""

    name: str
    stage: str
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class FailureSample:
    """One failure with everything known about it."""

    seed: int
    round: int
    split: str
    example: str
    source: str
    inputs: Mapping[str, str]
    target: str
    answer: str | None
    text: str
    confidence: float | None
    root_cause: str
    scenario: str
    pattern: str
    later: str
    """What became of it: fixed | still failing | came back | last round."""


@dataclass(frozen=True, slots=True)
class CandidateSample:
    """One generated row with its lineage: seed row, pattern, strategy, operator, verdict."""

    id: str
    seed: int
    round: int
    attempt: int
    operator: str
    inputs: Mapping[str, str]
    target: str
    parent: str
    parent_inputs: Mapping[str, str]
    parent_target: str
    pattern: str
    strategy: str
    outcome: str
    """trained on (selected) | accepted | rejected | no verdict"""
    reason: str
    detail: str
    feedback: str
    scores: tuple[int | None, int | None, int | None]
    """Adherence, utility, relevance."""
    judge_agrees: bool | None
    similarity: float | None
    neighbour: float | None


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one student, or an endpoint, answered with so many requests under way at once."""

    seed: int
    round: int
    subject: str
    """student, or endpoint: the one that the recipe names, whatever answers there."""
    server: str
    concurrency: int
    requests: int
    failed: int
    figures: dict[str, tuple[float, float, float]]
    """Metric -> mean, median, 95th percentile."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A student of whose answers half or more could not be read; all seeds together."""

    round: int
    answers: int
    """Without those that never came."""
    unread: int
    first: str
    """The first that could not be read, whole; of a test row where no other is there."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report says about one run."""

    header: Header
    scores: Scores
    headline: Headline
    chosen: Mapping[int, int]
    """Seed -> the round of the student that the stop rule chose; its last one before a decision."""
    choices: tuple[Choice, ...]
    """One per seed; empty before a later round than 0."""
    against_control: Comparison | None
    """The chosen students against the controls; None without a control."""
    safeguards: Safeguards
    speeds: tuple[Speed, ...]
    """Empty where the recipe has no benchmark, or none is done."""
    decisions: tuple[LoopDecision, ...]
    dossiers: tuple[Dossier, ...]
    """The patterns, whole but for a sample of their rows."""
    points: tuple[DiagnosisPoint, ...]
    """The diagnoses on a plane, evenly sampled where there are many."""
    movements: tuple[Movement, ...]
    confusions: tuple[Confusion, ...]
    suspects: tuple[Suspect, ...]
    """The surest first."""
    breakdown: Breakdown
    matrix: Matrix | None
    """None where targets are no labels, or there are many."""
    funnel: tuple[Funnel, ...]
    drops: tuple[Dropped, ...]
    judgement: Judgement
    calls: tuple[Calls, ...]
    forecast: Forecast | None
    """None where none was stored, or nothing was left to do."""
    nodes: tuple[NodeTime, ...]
    failures: tuple[FailureSample, ...]
    failures_total: int
    candidates: tuple[CandidateSample, ...]
    candidates_total: int
    suites: tuple[Suite, ...] = ()
    """What was broken of what round 0 had right: one per seed with a later round."""
    quotas: tuple[QuotaResult, ...] = ()
    """Those with a lower bound, or with an upper one that kept rows out."""
    tunings: tuple[Tuning, ...] = ()
    """One per seed with preference tuning."""
    unread: tuple[Unread, ...] = ()
    """By round; empty where most answers of every student were read."""
    people: People = field(default_factory=People)
    """What people said of rows."""

    @property
    def patterns(self) -> tuple[PatternFacts, ...]:
        """Every pattern, one entry per seed, by the round that found it, largest first."""
        return tuple(dossier.facts for dossier in self.dossiers)
