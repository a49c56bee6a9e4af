"""decide: whether the loop goes round again, from validation scores alone; test is reported and never steers.

A round is a gain only where it beats the best so far by more than one standard error of the difference (the rule of
Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), for the simplest of students that are
about as good), or by what the recipe says. Where validation is divided, only the part that was not analysed counts.
A round that broke what was right is a gain or none by the recipe's rule. One that is rolled back does not count: the
loop goes on from the best round before it, until a second one in a row is. Reads the rows, the scores of all rounds so
far, and what each broke; writes the one `Decision`.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Literal

from engine.identity import Params
from engine.rows import Decision, Metric
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import Decided, Evaluated, GuardedRound, Loaded, Scored
from engine.stages.protocol import Context, Inputs, Stage
from engine.statistics import standard_error
from engine.statistics.proportions import Z


@dataclass(frozen=True, kw_only=True)
class DecideParams(Params):
    """When the loop ends."""

    metric: str
    """Measured on validation."""
    min_gain: float | None = None
    """A round must beat the best so far by more than this; None for one standard error of the difference."""
    patience: int
    """Rounds without a gain that are tolerated."""
    rounds: int
    """The last round that may come: this one, or the next."""
    lower_is_better: bool = False
    is_mean: bool = True
    """Whether the metric is the mean of its values per example, so that two rounds can be paired by them."""
    divide: Divide = "auto"
    """Whether only the part of validation counts that was not analysed."""
    elsewhere: bool = False
    """Whether failures are looked for elsewhere too, or nowhere: the loop then goes on where none are on validation."""
    regressions: Literal["accept", "warn", "roll_back"] = "warn"
    """What follows where a round broke what was right: nothing, a warning, or the loop goes back to the best round."""


@dataclass(frozen=True)
class DecideInputs(Inputs):
    """The rows, and every evaluation so far, by round."""

    load: Loaded
    evaluated: tuple[Evaluated, ...]
    guarded: tuple[GuardedRound, ...] = ()


def decide(params: DecideParams, inputs: DecideInputs, ctx: Context) -> Decided:
    """Return one `Decision`: stop after `patience` rounds without a gain, or when nothing fails any more."""
    broke = {one.number: one.guard.suite for one in inputs.guarded if one.guard.suite.regressed}
    rolled_back = broke.keys() if params.regressions == "roll_back" else frozenset[int]()
    part = selection_part(inputs.load, params.divide)
    measured = _measured(params, inputs, part)
    best, since = _best(params, measured, rolled_back, part)
    (now,) = (e.score for e in inputs.evaluated if e.number == ctx.round)
    if ctx.round in rolled_back:
        go_on, why = _goes_back(params, rolled_back, ctx.round)
        reason = f"regression, rolled back to round {best}: {broke[ctx.round].detail}; {why}"
    else:
        go_on, reason = _goes_on(params, now, since, ctx.round)
    if ctx.round in broke and params.regressions == "warn":
        reason += f"; regression: {broke[ctx.round].detail}"
        ctx.warn(f"round {ctx.round} breaks what was right: {broke[ctx.round].detail}")
    here = measured.get(ctx.round)
    value = here[0].value if here else None
    back = ctx.round in rolled_back
    return Decided((Decision(go_on, reason, params.metric, value, best, back),))


def _measured(
    params: DecideParams, inputs: DecideInputs, part: frozenset[str]
) -> dict[int, tuple[Metric, Scored]]:
    """Return the metric that decides, with the scores behind it, by round."""
    split = "validation_selection" if part else "validation"
    return {
        evaluated.number: (metric, evaluated.score)
        for evaluated in inputs.evaluated
        for metric in evaluated.score.metrics
        if metric.metric == params.metric and metric.split == split and metric.value is not None
    }


def _best(
    params: DecideParams,
    measured: Mapping[int, tuple[Metric, Scored]],
    rolled_back: Set[int],
    part: frozenset[str],
) -> tuple[int, int]:
    """Return the best round so far, and how many rounds brought no gain since; those rolled back are none."""
    best, since = 0, 0
    for number in sorted(measured):
        if number == 0 or number in rolled_back:
            continue
        if best not in measured or _gains(params, measured, number, best, part):
            best, since = number, 0
        else:
            since += 1
    return best, since


def _goes_on(params: DecideParams, now: Scored, since: int, number: int) -> tuple[bool, str]:
    """Return whether another round follows by the scores alone, and why."""
    failures = now.failures("validation")
    gain = "gain" if params.min_gain is not None else "gain of more than one standard error"
    if not failures and not params.elsewhere:
        return False, "no failures found on validation"
    if number >= params.rounds:
        return False, "all rounds of the recipe are done"
    if since >= params.patience:
        return False, f"no {gain} in {params.metric} on validation for {since} round(s)"
    return True, f"{len(failures)} failures on validation"


def _goes_back(params: DecideParams, rolled_back: Set[int], number: int) -> tuple[bool, str]:
    """Return whether another round follows one that is rolled back, and why."""
    if number - 1 in rolled_back:
        return False, "the second round in a row"
    if number >= params.rounds:
        return False, "all rounds of the recipe are done"
    return True, "the next round goes on from there"


def _gains(
    params: DecideParams,
    measured: Mapping[int, tuple[Metric, Scored]],
    number: int,
    best: int,
    part: frozenset[str],
) -> bool:
    (later, now), (earlier, before) = measured[number], measured[best]
    sign = -1.0 if params.lower_is_better else 1.0
    gain = sign * ((later.value or 0.0) - (earlier.value or 0.0))
    if params.min_gain is not None:
        return gain > params.min_gain
    paired = _differences(params.metric, now, before, part) if params.is_mean else []
    return gain > (_error_of(paired) if paired else _half_width(later))


def _differences(name: str, now: Scored, before: Scored, part: frozenset[str]) -> list[float]:
    """Return the differences of the values of the same validation rows; none where values per row are not known."""
    values: list[dict[str, float]] = [
        {
            score.example: score.value
            for score in scored.scores
            if score.metric == name
            and score.split == "validation"
            and score.value is not None
            and (not part or score.example in part)
        }
        for scored in (now, before)
    ]
    return [values[0][e] - values[1][e] for e in values[0].keys() & values[1].keys()]


def _error_of(differences: list[float]) -> float:
    import numpy as np

    # In order, so that the same values give the same bits whatever the ids are.
    return standard_error(np.array(sorted(differences)))


def _half_width(metric: Metric) -> float:
    """Return the standard error of one value, from its 95 % interval: what is left without values per row."""
    if metric.low is None or metric.high is None:
        return 0.0
    return (metric.high - metric.low) / (2 * Z)


DECIDE = Stage(
    "decide", 4, DecideParams, DecideInputs, Decided, decide,
    description="Says by the scores on validation whether another round follows.",
)  # fmt: skip
