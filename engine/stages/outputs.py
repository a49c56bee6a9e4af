"""What stages hand on: one class per stage, over the rows that it made; also what bundles several of them.

An output is its rows, in the order in which they were made; the properties say which kinds there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from engine.judging import Gating, JudgeCalibration, PassRate, Verification
from engine.rows import (
    Benchmark,
    Candidate,
    Convention,
    Decision,
    Diagnosis,
    DrawnFailure,
    Drop,
    Example,
    Failure,
    MapAxis,
    Metric,
    MetricSlice,
    Model,
    Pattern,
    PatternCluster,
    PatternLink,
    PatternMember,
    PatternRow,
    PatternShare,
    PatternStatus,
    PatternTest,
    PatternTestRow,
    Prediction,
    Rating,
    RegressionSuite,
    Row,
    Score,
    Selected,
    Split,
    Strategy,
    Verdict,
)

R = TypeVar("R", bound=Row)


@dataclass(frozen=True)
class Output:
    """What a node produced: rows of any tables, in order."""

    rows: tuple[Row, ...] = ()

    def of(self, kind: type[R]) -> list[R]:
        """Return the rows of one kind, in the order in which they were made."""
        return [row for row in self.rows if isinstance(row, kind)]

    @cached_property
    def drops(self) -> Sequence[Drop]:
        """What was left out, and why."""
        return self.of(Drop)

    @property
    def made(self) -> int:
        """How many rows were made; those that were left out are written down too, but are none of them."""
        return len(self.rows) - len(self.drops)


class Loaded(Output):
    """The rows of the three splits."""

    @cached_property
    def examples(self) -> Sequence[Example]:
        """All rows, split by split."""
        return self.of(Example)

    @cached_property
    def train(self) -> Sequence[Example]:
        """The original training rows."""
        return self.split("train")

    @cached_property
    def evaluation(self) -> Sequence[Example]:
        """Validation and test rows."""
        return [e for e in self.examples if e.split != "train"]

    def split(self, split: Split) -> Sequence[Example]:
        """Return the rows of one split."""
        return [e for e in self.examples if e.split == split]


class Logged(Output):
    """Logged traffic: rows that users or later knowledge judged, and what was said to them."""

    @cached_property
    def examples(self) -> Sequence[Example]:
        """One per row that is used."""
        return self.of(Example)

    @cached_property
    def predictions(self) -> Sequence[Prediction]:
        """What was said to them."""
        return self.of(Prediction)

    @cached_property
    def answered(self) -> Sequence[Example]:
        """Those whose right answer is known: what students are asked again."""
        return [example for example in self.examples if example.target]

    @cached_property
    def scores(self) -> Sequence[Score]:
        """Of the rows whose right answer is known."""
        return self.of(Score)

    @cached_property
    def failures(self) -> Sequence[Failure]:
        """What was wrong, or rejected."""
        return self.of(Failure)


class Trained(Output):
    """One fine-tuned student."""

    @cached_property
    def model(self) -> Model:
        """The student."""
        (model,) = self.of(Model)
        return model


class Predicted(Output):
    """The student's answers to all rows."""

    @cached_property
    def predictions(self) -> Sequence[Prediction]:
        """One per example."""
        return self.of(Prediction)

    @cached_property
    def answered(self) -> Sequence[Prediction]:
        """Those of them that the student could be asked for."""
        return [p for p in self.predictions if p.status != "backend_failed"]


class Rated(Output):
    """The judge's ratings of answers, for metrics with a rubric."""

    @cached_property
    def ratings(self) -> Sequence[Rating]:
        """One per metric and answer."""
        return self.of(Rating)


class Scored(Output):
    """Scores, metrics and failures of one student."""

    @cached_property
    def scores(self) -> Sequence[Score]:
        """One per metric and answered example."""
        return self.of(Score)

    @cached_property
    def metrics(self) -> Sequence[Metric]:
        """One per metric and split, and the gaps."""
        return self.of(Metric)

    @cached_property
    def all_failures(self) -> Sequence[Failure]:
        """The failures on train, on validation and on logged rows."""
        return self.of(Failure)

    def failures(self, split: Split) -> Sequence[Failure]:
        """Return the failures on one split; test has none."""
        return [f for f in self.of(Failure) if f.split == split]


class Sliced(Output):
    """Metrics over parts of the splits."""

    @cached_property
    def slices(self) -> Sequence[MetricSlice]:
        """One per split, part and metric."""
        return self.of(MetricSlice)


class Benchmarked(Output):
    """Timings of a served student."""

    @cached_property
    def figures(self) -> Sequence[Benchmark]:
        """One per concurrency and metric."""
        return self.of(Benchmark)


class Guarded(Output):
    """What a later fine-tune broke of what was right."""

    @cached_property
    def suite(self) -> RegressionSuite:
        """The regression suite as a whole."""
        (suite,) = self.of(RegressionSuite)
        return suite


class Decided(Output):
    """Whether the loop goes on."""

    @cached_property
    def decision(self) -> Decision:
        """The decision."""
        (decision,) = self.of(Decision)
        return decision


class Drawn(Output):
    """Which failures are analysed."""

    @cached_property
    def drawn(self) -> Sequence[DrawnFailure]:
        """One per failure."""
        return self.of(DrawnFailure)

    @cached_property
    def failures(self) -> Sequence[Failure]:
        """The failures to diagnose."""
        return self._part("diagnose")

    @cached_property
    def held_out(self) -> Sequence[Failure]:
        """The failures that are never diagnosed, and show what was mended."""
        return self._part("held_out")

    def _part(self, part: str) -> list[Failure]:
        return [
            Failure(d.example, d.split, d.answer, d.target, d.predicate)
            for d in self.drawn
            if d.part == part
        ]


class Diagnosed(Output):
    """Root cause and scenario of failures."""

    @cached_property
    def diagnoses(self) -> Sequence[Diagnosis]:
        """One per failure that could be explained and that training rows could mend: what patterns are made of."""
        return [d for d in self.of(Diagnosis) if d.mendable and not d.suspect]


class Clustered(Output):
    """Diagnoses grouped into patterns."""

    @cached_property
    def members(self) -> Sequence[PatternMember]:
        """One per diagnosis that belongs to a pattern; the others are dropped."""
        return self.of(PatternMember)

    @cached_property
    def links(self) -> Sequence[PatternLink]:
        """What became of earlier patterns, and what clusters parts are of."""
        return self.of(PatternLink)

    @cached_property
    def axes(self) -> Sequence[MapAxis]:
        """The two axes of the map of diagnoses, where this round found them; else none."""
        return self.of(MapAxis)

    @cached_property
    def stability(self) -> dict[str, float | None]:
        """How stable the cluster behind each pattern is, 0 to 1."""
        return {cluster.pattern: cluster.stability for cluster in self.of(PatternCluster)}

    @cached_property
    def by_pattern(self) -> dict[str, list[PatternMember]]:
        """The members of each pattern, nearest to the centroid first, patterns by falling size."""
        groups: dict[str, list[PatternMember]] = {}
        for member in self.members:
            groups.setdefault(member.pattern, []).append(member)
        for members in groups.values():
            members.sort(key=lambda m: (m.distance, m.diagnosis))
        return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])))


class NamedPatterns(Clustered):
    """The patterns of one round, with name and description, and their members: some clusters were split."""

    @cached_property
    def patterns(self) -> Sequence[Pattern]:
        """By falling size."""
        return self.of(Pattern)

    @cached_property
    def conventions(self) -> Sequence[str]:
        """Rules of annotation that diagnoses of this round and of earlier ones state."""
        return [row.text for row in self.of(Convention)]


class Confirmed(Output):
    """Which patterns of one round are real, as far as their descriptions can be tested."""

    @cached_property
    def tests(self) -> Sequence[PatternTest]:
        """One per pattern."""
        return self.of(PatternTest)

    @cached_property
    def answers(self) -> Sequence[PatternTestRow]:
        """One per pattern and row of which the judge said whether it falls under."""
        return self.of(PatternTestRow)

    def funded(self, patterns: Sequence[Pattern]) -> list[Pattern]:
        """Return the patterns that rows are written against."""
        unfunded = {test.pattern for test in self.tests if not test.funded}
        return [pattern for pattern in patterns if pattern.id not in unfunded]


class Drafted(Output):
    """How to write rows against each pattern."""

    @cached_property
    def strategies(self) -> Sequence[Strategy]:
        """One per pattern."""
        return self.of(Strategy)


class Allotted(Output):
    """What each pattern weighs where rows are shared out."""

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """Pattern -> weight, for those that get rows."""
        return {row.pattern: row.weight for row in self.of(PatternShare) if row.weight > 0}


class Generated(Output):
    """Rows as operators wrote them, in one attempt."""

    @cached_property
    def candidates(self) -> Sequence[Candidate]:
        """Without a verdict yet."""
        return self.of(Candidate)


class Gated(Output):
    """What the gates say of one attempt's candidates."""

    @cached_property
    def gatings(self) -> Sequence[Gating]:
        """One per candidate, in their order."""
        return self.of(Gating)

    def standing(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates that no gate rejects."""
        rejected = {gating.candidate for gating in self.gatings if gating.reason}
        return [candidate for candidate in candidates if candidate.id not in rejected]


class Verified(Output):
    """Blind answers to the candidates that pass the gates, and what a program says of them."""

    @cached_property
    def by_candidate(self) -> dict[str, list[Verification]]:
        """Candidate -> what there is of it, sample by sample."""
        found: dict[str, list[Verification]] = {}
        for row in sorted(self.of(Verification), key=lambda row: row.sample):
            found.setdefault(row.candidate, []).append(row)
        return found


class Solved(Output):
    """How often the student answers the candidates right that pass the gates."""

    @cached_property
    def by_candidate(self) -> dict[str, PassRate]:
        """Candidate -> its pass rate; those to which no answer could be had are missing."""
        return {row.candidate: row for row in self.of(PassRate)}


class Judged(Output):
    """The verdicts on one attempt's candidates, and how far the judge was to be trusted with them."""

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """One per candidate."""
        return self.of(Verdict)

    @cached_property
    def calibration(self) -> JudgeCalibration | None:
        """The judge's calibration, where this node made it."""
        return next(iter(self.of(JudgeCalibration)), None)


REPLACES = "replaces"
"""Key of a selected row's columns: the original training row in whose place it is trained on."""


class SelectedRows(Output):
    """The generated rows that join the training set in one round."""

    @cached_property
    def examples(self) -> Sequence[Example]:
        """As training rows."""
        return self.of(Example)

    @cached_property
    def selected(self) -> Sequence[Selected]:
        """Which candidate became which example."""
        return self.of(Selected)

    @cached_property
    def decision(self) -> Decision:
        """Whether there is anything new to train on."""
        (decision,) = self.of(Decision)
        return decision


class Tracked(Output):
    """How earlier patterns stand after a later fine-tune."""

    @cached_property
    def statuses(self) -> Sequence[PatternStatus]:
        """One per pattern of an earlier round."""
        return self.of(PatternStatus)

    @cached_property
    def assigned(self) -> Sequence[PatternRow]:
        """One per validation row that falls under a pattern."""
        return self.of(PatternRow)


@dataclass(frozen=True)
class Bundle:
    """Base of outputs that belong together; `number` is the round or attempt that they come from."""

    number: int


@dataclass(frozen=True)
class Evaluated(Bundle):
    """One round's evaluation; -1 is the untuned student."""

    score: Scored


@dataclass(frozen=True)
class GuardedRound(Bundle):
    """What one round broke."""

    guard: Guarded


@dataclass(frozen=True)
class DecidedRound(Bundle):
    """What was decided after one round."""

    decide: Decided

    @cached_property
    def kept_out(self) -> range:
        """The rounds whose generated rows no later fine-tune sees: what came since the best, if it was rolled back."""
        decision = self.decide.decision
        return range(decision.best_round, self.number) if decision.rolled_back else range(0)


@dataclass(frozen=True)
class Attempt(Bundle):
    """One generation attempt of this round: its candidates and their verdicts."""

    generate: Generated
    judge: Judged

    @cached_property
    def judged(self) -> Sequence[tuple[Candidate, Verdict]]:
        """Each verdict with its candidate, in the verdicts' order."""
        candidates = {c.id: c for c in self.generate.candidates}
        return [(candidates[v.candidate], v) for v in self.judge.verdicts]

    @cached_property
    def accepted(self) -> Sequence[Candidate]:
        """The candidates that were accepted."""
        return [candidate for candidate, verdict in self.judged if verdict.accepted]


def conventions_of(named: Sequence[NamedPatterns]) -> list[str]:
    """Return the rules of annotation that are known after some rounds."""
    return list(dict.fromkeys(rule for one in named for rule in one.conventions))
