"""decide: whether the loop goes round again, from validation scores alone; test is reported and never steers.

A round is a gain only where it beats the best so far by more than one standard error of the difference (the rule of
Breiman, Friedman, Olshen and Stone, Classification and Regression Trees (1984), for the simplest of students that are
about as good), or by what the recipe says. Where validation is divided, only the part that was not analysed counts.
Reads the rows and the scores of all rounds so far; writes the one `Decision`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.identity import Params
from engine.rows import Decision, Metric
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import Decided, Evaluated, Loaded, Scored
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
    """Whether failures are looked for elsewhere too, so that the loop goes on where none are on validation."""


@dataclass(frozen=True)
class DecideInputs(Inputs):
    """The rows, and every evaluation so far, by round."""

    load: Loaded
    evaluated: tuple[Evaluated, ...]


def decide(params: DecideParams, inputs: DecideInputs, ctx: Context) -> Decided:
    """Return one `Decision`: stop after `patience` rounds without a gain, or when nothing fails any more."""
    name = params.metric
    part = selection_part(inputs.load, params.divide)
    measured: dict[int, tuple[Metric, Scored]] = {}
    for evaluated in inputs.evaluated:
        for metric in evaluated.score.metrics:
            split = "validation_selection" if part else "validation"
            if metric.metric == name and metric.split == split and metric.value is not None:
                measured[evaluated.number] = metric, evaluated.score
    best, since = 0, 0
    for number in sorted(measured):
        if number == 0:
            continue
        if best not in measured or _gains(params, measured, number, best, part):
            best, since = number, 0
        else:
            since += 1
    (now,) = (e.score for e in inputs.evaluated if e.number == ctx.round)
    failures = now.failures("validation")
    gain = "gain" if params.min_gain is not None else "gain of more than one standard error"
    if not failures and not params.elsewhere:
        go_on, reason = False, "no failures found on validation"
    elif ctx.round >= params.rounds:
        go_on, reason = False, "all rounds of the recipe are done"
    elif since >= params.patience:
        go_on, reason = False, f"no {gain} in {name} on validation for {since} round(s)"
    else:
        go_on, reason = True, f"{len(failures)} failures on validation"
    here = measured.get(ctx.round)
    return Decided((Decision(go_on, reason, name, here[0].value if here else None, best),))


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


DECIDE = Stage("decide", 2, DecideParams, DecideInputs, Decided, decide)
