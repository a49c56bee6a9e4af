"""Holds the arms against the baseline: intervals over seeds and examples, a permutation test, and what may be said.

A difference counts as one where its interval over seeds and test rows leaves zero out, and the permutation test still
says so after Holm's correction for the number of comparisons. Of one seed no difference counts: another seed alone can
move a score by several points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Literal

from engine.comparison.arms import Arms
from engine.comparison.measured import Measured, WhichStudent
from engine.errors import EngineError
from engine.metrics import METRICS, Scored
from engine.metrics.bootstrap import estimate
from engine.statistics import (
    Compared,
    Z,
    exchanges,
    holm,
    settling_seeds,
    sign_flips,
    two_way,
    two_way_mean,
    widened,
    wilson,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LEVEL = 0.05
Word = Literal["better", "worse", "unclear", "one seed"]
"""What may be said of a difference: better or worse than the baseline; unclear; of one seed alone."""
Remedy = Literal["seeds", "more seeds", "too many seeds", "rows"]
"""What would settle a difference if it stayed what it is: a known number of seeds; more, of which the number cannot be
told; more than anybody runs; more test rows, whatever the number of seeds."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm minus the baseline on the same test rows, seed by seed, in the metric's own unit."""

    value: float
    low: float
    high: float
    """95 % interval, over seeds and test rows; of one seed over test rows alone."""
    seeds: tuple[float, ...]
    p: float
    """Of the permutation test over test rows."""
    p_adjusted: float
    """By Holm, for the number of comparisons."""
    word: Word
    seeds_needed: int | None = None
    """Seeds whose interval would leave zero out if the difference is what it is; None where no number is offered."""
    remedy: Remedy | None = None
    """What would settle it; None where it is settled, of one seed, or where the arms are level."""
    of_examples: float = 0.0
    """Variance of the difference by the test rows alone, which no seed takes away."""


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm at one budget of rows."""

    name: str
    budget: int | None
    """Generated rows of all rounds that were asked for; None for the recipe's own."""
    run: str
    students: Mapping[int, tuple[int, float]]
    """Seed -> round and value on test of its student."""
    value: float
    low: float
    high: float
    """Mean over seeds, with its 95 % interval over seeds and test rows."""
    gap: float | None
    """Train minus test, mean over seeds."""
    rows: float
    """Generated rows that a student was trained on, mean over seeds."""
    steps: float
    """Optimizer steps of a student's fine-tune, mean over seeds."""
    calls: int
    tokens: int
    unmetered: int
    """Calls whose tokens are not known."""
    cost: float | None
    """None where no call has a known price."""
    unpriced: int
    """Calls whose price is not known."""
    minutes: float
    """Of all that it took, shared or not."""
    against: Difference | None = None
    """None for the baseline itself, and where that is not finished."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms beside one another."""

    metric: str
    percent: bool
    lower_is_better: bool
    baseline: str
    student: WhichStudent
    seeds: tuple[int, ...]
    n: int
    """Test rows that all students were scored on."""
    arms: tuple[ArmResult, ...]
    notes: tuple[str, ...]
    """What the arms do not share, and what else a reader must know."""
    unfinished: Mapping[str, str]
    """Arms without results yet -> why."""

    @property
    def compared(self) -> int:
        """How many differences were tested."""
        return sum(arm.against is not None for arm in self.arms)


def compare_measured(
    arms: Arms, measured: Sequence[Measured], unfinished: Mapping[str, str], student: WhichStudent
) -> Comparison:
    """Return the arms that are finished, each held against the baseline at its own budget of rows.

    Raises:
        EngineError: there is no test row that all students were scored on.
    """
    scores = measured[0].scores
    every = [values for one in measured for values in one.values.values()]
    common = sorted(set(every[0]).intersection(*every[1:]))
    if not common:
        raise EngineError(
            "there is no test row that all students were scored on",
            "look at the runs: pada report RUN",
        )
    metric = scores.primary
    table = [_Table(one, common, metric) for one in measured]
    results = [_result(one) for one in table]
    differences: dict[int, Difference] = {}
    for place, one in enumerate(table):
        base = _baseline(table, arms.baseline, one)
        if base is not None and base is not one and one.arm != arms.baseline:
            differences[place] = _difference(one, base)
    adjusted = holm([d.p for d in differences.values()])
    for (place, found), p in zip(differences.items(), adjusted, strict=True):
        judged = _settled(
            replace(found, p_adjusted=p, word=_word(found, p, metric in scores.lower))
        )
        results[place] = replace(results[place], against=judged)
    return Comparison(
        metric=metric,
        percent=metric in scores.percent,
        lower_is_better=metric in scores.lower,
        baseline=arms.baseline,
        student=student,
        seeds=tuple(measured[0].rounds),
        n=len(common),
        arms=tuple(results),
        notes=(*arms.notes, *_ended_early(measured), *_left_out(every, len(common))),
        unfinished=dict(unfinished),
    )


class _Table:
    """One arm's values on the common test rows, whole and drawn."""

    def __init__(self, measured: Measured, common: Sequence[str], metric: str) -> None:
        import numpy as np

        self.measured = measured
        self.arm, self.budget = measured.ran.arm.name, measured.ran.arm.rows
        self.values: Floats = np.array(
            [[of_seed[e] for e in common] for of_seed in measured.values.values()]
        )
        self.metric = metric
        self.is_mean = metric not in METRICS or METRICS[metric].is_mean
        self.scored: list[Scored] = []
        self.seeds: Floats = self.values.mean(axis=1)
        self.draws: Floats | None = None
        if not self.is_mean:
            self.scored = [
                Scored([of[e][0] for e in common], [of[e][1] for e in common])
                for of in measured.answers.values()
            ]
            found = [estimate(METRICS[metric], of, measured.params, 0) for of in self.scored]
            known = [one for one in found if one is not None]
            if known and len(known) == len(found):
                self.seeds = np.array([one.value for one in known])
                self.draws = np.stack([one.draws for one in known])

    def compared(self) -> Compared:
        """Return the mean over seeds with its interval."""
        if self.draws is not None:
            return two_way(self.seeds, self.draws)
        found = two_way_mean(self.values)
        if found.low == found.high and found.difference in (0.0, 1.0):
            # All right, or all wrong: no draw of these rows is anything else.
            _, low, high = wilson(
                round(found.difference * self.values.shape[1]), self.values.shape[1]
            )
            found = found._replace(low=low, high=high)
        return found


def _baseline(tables: Sequence[_Table], name: str, one: _Table) -> _Table | None:
    """Return the baseline at an arm's budget, or the one that is the same at every budget."""
    mine = {t.budget: t for t in tables if t.arm == name}
    return mine.get(one.budget, mine.get(None))


def _difference(one: _Table, base: _Table) -> Difference:
    differences: Floats = one.values - base.values
    means: Floats = differences.mean(axis=0)
    if one.draws is not None and base.draws is not None:
        found = two_way(one.seeds - base.seeds, one.draws - base.draws)
        p = _exchanged(one, base)
    else:
        found = two_way_mean(differences)
        p = sign_flips(means)
    found = widened(found, means)
    return Difference(
        found.difference, found.low, found.high, found.seeds, p, p, "unclear", of_examples=found.of_examples
    )  # fmt: skip


def _exchanged(one: _Table, base: _Table) -> float:
    """Return the p-value of a difference of a metric that is no mean of rows."""
    import numpy as np

    entry, params = METRICS[one.metric], one.measured.params
    both = (*one.scored, *base.scored)
    # All at once, so that a label has the same column for every student.
    tally = entry.tally(
        Scored([item for of in both for item in of.items], [v for of in both for v in of.values]),
        params,
    )
    whole = np.asarray(tally.toarray() if hasattr(tally, "toarray") else tally, dtype=np.float64)
    parts = np.split(whole, len(both))
    half = len(one.scored)
    return exchanges(parts[:half], parts[half:], lambda sums: entry.combine(sums, params))


def _word(found: Difference, adjusted: float, lower: bool) -> Word:
    """Return what may be said of a difference."""
    if len(found.seeds) < 2:
        return "one seed"
    if found.low <= 0 <= found.high or adjusted > LEVEL:
        return "unclear"
    return "better" if (found.value > 0) != lower else "worse"


def _settled(found: Difference) -> Difference:
    """Return a difference with what would settle it."""
    if found.word != "unclear" or not found.value:
        return found
    # The test over rows stays what it is however many seeds there are, and so does their part of the interval.
    if found.p_adjusted > LEVEL or Z * math.sqrt(found.of_examples) >= abs(found.value):
        return replace(found, remedy="rows")
    needed = settling_seeds(found.seeds, found.of_examples)
    if needed is None:
        return replace(found, remedy="too many seeds")
    if needed <= len(found.seeds):
        return replace(found, remedy="more seeds")
    return replace(found, remedy="seeds", seeds_needed=needed)


def _result(one: _Table) -> ArmResult:
    measured = one.measured
    found, calls = one.compared(), measured.calls
    known = [call.cost for call in calls if call.cost is not None]
    return ArmResult(
        name=one.arm,
        budget=one.budget,
        run=measured.ran.run,
        students={
            seed: (r, float(value))
            for (seed, r), value in zip(measured.rounds.items(), one.seeds, strict=True)
        },
        value=found.difference,
        low=found.low,
        high=found.high,
        gap=fmean(measured.gaps) if measured.gaps else None,
        rows=fmean(measured.rows),
        steps=fmean(measured.steps),
        calls=sum(call.calls for call in calls),
        tokens=sum(call.prompt_tokens + call.completion_tokens for call in calls),
        unmetered=sum(call.unmetered for call in calls),
        cost=sum(known) if known else None,
        unpriced=sum(call.unpriced for call in calls),
        minutes=measured.seconds / 60,
    )


def _left_out(every: Sequence[Mapping[str, float]], common: int) -> list[str]:
    """Say how many test rows count for nobody, because some student has no score on them."""
    rows = len(set().union(*every))
    if rows == common:
        return []
    left = f"{rows - common:,} of {rows:,} test rows are left out"
    return [f"{left}, which not all students were scored on"]


def _ended_early(measured: Sequence[Measured]) -> list[str]:
    """Say which seeds' loops ended before their last round."""
    notes = []
    for one in measured:
        last = one.ran.arm.rounds
        reached = {seed: max(r for r in _reached(one, seed)) for seed in one.rounds}
        early = [f"{seed} after round {r}" for seed, r in reached.items() if r < last]
        if early:
            of = f"{last} round{'s' if last != 1 else ''}"
            notes.append(f"{one.ran.arm.name} of {of}: seed {', seed '.join(early)}")
    return notes


def _reached(one: Measured, seed: int) -> list[int]:
    scores = one.scores
    return [r for r in scores.rounds if r >= 0 and scores.at(scores.primary, "test", r, seed)]
