"""A recipe's metrics over some of its answered examples: a split, or the part of one that a slice cuts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.identity import Params
from engine.metrics import METRICS, Answered, Metric, MetricParams, Scored
from engine.metrics.bootstrap import (
    Drawn,
    Estimate,
    blocks,
    draw_all,
    estimate,
    estimate_labels,
    estimate_mean,
)
from engine.metrics.labels import labels_of
from engine.rows import SPLITS, MetricSlice, Split
from engine.sql import evaluate_aggregate, evaluate_value
from engine.tasks import TASKS

PARTS = 20
"""Most values of a slice that are reported each for itself, the most frequent ones."""
LABELS = 200
"""Most labels that are reported each for itself."""
OTHER, NONE = "(other)", "(none)"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answered examples, aligned: as metrics see them, and as users' SQL does (with their scores)."""

    items: Sequence[Answered]
    records: Sequence[Mapping[str, Any]]

    def at(self, places: Iterable[int]) -> Answers:
        """Return the answers at these places."""
        kept = list(places)
        return Answers([self.items[i] for i in kept], [self.records[i] for i in kept])

    def scored(self, name: str) -> Scored:
        """Return those that the metric `name` has a value for."""
        places = [i for i, record in enumerate(self.records) if record[name] is not None]
        return Scored(
            [self.items[i] for i in places], [float(self.records[i][name]) for i in places]
        )


@dataclass(frozen=True, kw_only=True)
class UsedMetric(Params):
    """One of the engine's metrics, as a recipe uses it."""

    name: str
    version: int
    settings: MetricParams
    of: str = ""
    """The task kind that says which rows it is of; empty where it is of all."""

    @property
    def entry(self) -> Metric:
        """The metric itself."""
        return METRICS[self.name]

    def value_of(self, item: Answered) -> float | None:
        """Return its value for an answer; None where it says nothing of the row."""
        if self.of and not TASKS[self.of].scores(self.name, item.references):
            return None
        return self.entry.score(item, self.settings)


@dataclass(frozen=True, kw_only=True)
class SqlMetric(Params):
    """A metric that the recipe writes in SQL, an aggregate over the answers."""

    name: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class Measures(Params):
    """What is measured of a student's answers."""

    target: str
    """Column with the right answer, as users' SQL calls it."""
    metrics: tuple[UsedMetric, ...]
    sql_metrics: tuple[SqlMetric, ...] = ()
    judge_metrics: tuple[str, ...] = ()
    """Names of the metrics that the judge rates."""
    bootstrap_seed: int = 0

    @property
    def names(self) -> list[str]:
        """The names of all metrics, sorted."""
        own = (metric.name for metric in self.sql_metrics)
        return sorted([*(m.name for m in self.metrics), *self.judge_metrics, *own])


@dataclass(frozen=True, kw_only=True)
class Cut(Params):
    """A way to part the rows: each value of an expression is a part."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Tallied:
    """What the engine's own metrics make of some answers: summed once, and asked for more than once."""

    scored: Mapping[str, Scored]
    """By the metric's name."""
    drawn: Mapping[str, Drawn]
    """Of those that have a value for any of the answers."""


def tallied(measures: Measures, answers: Answers) -> Tallied:
    """Return what the engine's own metrics make of answers."""
    scored = {used.name: answers.scored(used.name) for used in measures.metrics}
    counted = [used for used in measures.metrics if scored[used.name].items]
    tallies = [used.entry.tally(scored[used.name], used.settings) for used in counted]
    drawn = draw_all(tallies, measures.bootstrap_seed)
    return Tallied(scored, {used.name: one for used, one in zip(counted, drawn, strict=True)})


def estimates(
    measures: Measures, answers: Answers, own: Tallied | None = None
) -> dict[str, Estimate]:
    """Return every metric that can be computed on these answers; one that cannot is left out, not zero.

    `own` is what `tallied` makes of them, where that is at hand.
    """
    seed = measures.bootstrap_seed
    own = tallied(measures, answers) if own is None else own
    computed: dict[str, Estimate | None] = {}
    for used in measures.metrics:
        name = used.name
        computed[name] = estimate(
            used.entry, own.scored[name], used.settings, seed, own.drawn.get(name)
        )
    for name in measures.judge_metrics:
        computed[name] = estimate_mean(answers.scored(name).values, seed)
    for metric in measures.sql_metrics:
        computed[metric.name] = _by_sql(metric.sql, answers.records, seed)
    return {name: one for name, one in computed.items() if one is not None}


def _by_sql(sql: str, records: Sequence[Mapping[str, Any]], seed: int) -> Estimate | None:
    import numpy as np

    value = evaluate_aggregate(sql, records)
    if value is None:
        return None
    drawn: list[float | None] = []
    for block in blocks(len(records), seed):
        drawn += evaluate_aggregate(sql, records, draws=block)
    values = np.array([np.nan if v is None else v for v in drawn], dtype=np.float64)
    return Estimate(value, values, len(records))


def by_label(measures: Measures, split: Split, own: Tallied) -> list[MetricSlice]:
    """Return each label's precision or recall, for the metrics that have one; at most LABELS labels."""
    rows = []
    for used in measures.metrics:
        rule = used.entry.by_label
        if rule is None:
            continue
        scored = own.scored[used.name]
        estimated = estimate_labels(
            used.entry, scored, used.settings, measures.bootstrap_seed, own.drawn.get(used.name)
        )
        labels = list(zip(labels_of(scored), estimated, strict=True))
        kept = sorted(labels, key=lambda pair: (-(pair[1].n if pair[1] else 0), pair[0]))[:LABELS]
        rows += [
            row(split, measures.target, label, rule.name, one)
            for label, one in sorted(kept, key=lambda pair: pair[0])
        ]
    return rows


def by_slice(
    measures: Measures, cuts: Sequence[Cut], answers: Mapping[Split, Answers]
) -> list[MetricSlice]:
    """Return every metric over every part of the recipe's slices, split by split.

    The parts are the most frequent values over all splits together, so that the splits can be compared.
    """
    rows = []
    for cut in cuts:
        # All splits at once, so that a column has one type: 1 and 1.0 are no two parts.
        records = [record for split in SPLITS for record in answers[split].records]
        parts = iter([NONE if v is None else v for v in evaluate_value(cut.sql, records)])
        of = {split: [next(parts) for _ in answers[split].records] for split in SPLITS}
        kept = _kept(part for some in of.values() for part in some)
        for split in SPLITS:
            places: dict[str, list[int]] = {}
            for place, part in enumerate(of[split]):
                places.setdefault(part if part in kept else OTHER, []).append(place)
            for part in [p for p in (*kept, OTHER) if p in places]:
                computed = estimates(measures, answers[split].at(places[part]))
                rows += [
                    row(split, cut.name, part, name, computed.get(name)) for name in measures.names
                ]
    return rows


def _kept(parts: Iterable[str]) -> list[str]:
    """Return the most frequent parts, in order of their names."""
    counts = Counter(parts)
    return sorted(sorted(counts, key=lambda part: (-counts[part], part))[:PARTS])


def row(split: Split, cut: str, part: str, metric: str, one: Estimate | None) -> MetricSlice:
    """Return one number as it is stored; without an estimate it is not scored, on no example."""
    if one is None:
        return MetricSlice(split, cut, part, metric, None, 0, None, None)
    value, low, high = one.interval()
    return MetricSlice(split, cut, part, metric, value, one.n, low, high)
